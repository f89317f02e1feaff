"""Arguments as flat leaves, and what a derivative may be taken with respect to.

A transformation sees the tree of an argument as a list of numbers and arrays, puts tracers in their place,
and gives its results in trees of the same structure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.leaves import described, kind_of
from wengert.errors import DerivativeError, MismatchError, at_user_line

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


class Selection:
    """The arguments that a derivative is taken with respect to, as flat leaves."""

    __slots__ = ("args", "counts", "kwargs", "leaves", "places", "structures")

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any], places: Sequence[int]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.places = places
        self.leaves: list[Any] = []
        self.structures: list[Any] = []
        self.counts: list[int] = []
        for place in places:
            leaves, structure = tree.flatten(args[place])
            self.leaves.extend(leaves)
            self.structures.append(structure)
            self.counts.append(len(leaves))

    def call(self, f: Function, tracers: Sequence[Any]) -> Any:
        """Call f with tracers in place of the leaves."""
        args = list(self.args)
        for place, argument in zip(self.places, self.restore(tracers), strict=True):
            args[place] = argument
        return f(*args, **self.kwargs)

    def calling(self, chosen: Sequence[int]) -> Callable[[Function, Sequence[Any]], Any]:
        """How to call a function with tracers in place of some of the leaves."""

        def call(f: Function, tracers: Sequence[Any]) -> Any:
            leaves = list(self.leaves)
            for i, tracer in zip(chosen, tracers, strict=True):
                leaves[i] = tracer
            return self.call(f, leaves)

        return call

    def restore(self, leaves: Sequence[Any]) -> list[Any]:
        """One tree for each selected argument."""
        if len(self.counts) == 1:
            return [tree.unflatten(self.structures[0], leaves)]
        found, start = [], 0
        for count, structure in zip(self.counts, self.structures, strict=True):
            found.append(tree.unflatten(structure, leaves[start : start + count]))
            start += count
        return found


def select(args: Sequence[Any], kwargs: dict[str, Any], argnums: Argnums, name: str) -> Selection:
    """The selected arguments of a call, which must be of floating point."""
    places = argnums if isinstance(argnums, tuple | list) else (argnums,)
    for place in places:
        if not isinstance(place, int | np.integer):
            raise TypeError(
                at_user_line(f"{name} got argnums={argnums!r}. Give the places of arguments: 0, or (0, 1).")
            )
        if not -len(args) <= place < len(args):
            raise TypeError(
                at_user_line(
                    f"{name} was asked for argument {place}, but the call has {len(args)} positional "
                    "arguments. Pass the arguments to differentiate by position, or change argnums."
                )
            )
    chosen = [place % len(args) for place in places]
    if len(set(chosen)) < len(chosen):
        raise ValueError(
            at_user_line(f"{name} got argnums={argnums}, where an argument occurs twice. Name each once.")
        )
    selection = Selection(args, kwargs, chosen)
    _check_inexact(selection, name)
    return selection


def _check_inexact(selection: Selection, name: str) -> None:
    for i, leaf in enumerate(selection.leaves):
        if kind_of(leaf) not in "fc":
            where = _leaf_name(selection, i)
            raise DerivativeError(
                at_user_line(
                    f"{name} with respect to {where}, which is {described(leaf)}: derivatives need "
                    "floating-point numbers. Convert it with float(x) or np.asarray(x, float), leave it out "
                    'of argnums, or (in a dataclass) declare it with field(metadata={"static": True}).'
                )
            )


def _leaf_name(selection: Selection, i: int) -> str:
    for place, count in zip(selection.places, selection.counts, strict=True):
        if i < count:
            return f"argument {place}{tree.paths(selection.args[place])[i]}"
        i -= count
    raise IndexError(i)


def require_function(f: Any) -> None:
    """Refuse what is no function, most often its value."""
    if not callable(f):
        what = f"a function is needed, not something of type {type(f).__name__}"
        raise TypeError(at_user_line(f"{what}. Write wg.grad(f)(x), for example, and not wg.grad(f(x))."))


def named(f: Function, wrapped: Function) -> Function:
    """The new function under the name and with the text of the one it was made of."""
    require_function(f)
    functools.update_wrapper(wrapped, f, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    return wrapped


def as_tuple(given: Any, name: str) -> tuple[Any, ...]:
    """Arguments that are given as one tuple."""
    if not isinstance(given, tuple | list):
        raise MismatchError(
            at_user_line(
                f"{name} must be a tuple, one for each argument. Write ({name},) around a single one."
            )
        )
    return tuple(given)


def split_aux(result: Any) -> tuple[Any, Any]:
    """The number, and what comes with it."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise DerivativeError(
            at_user_line(
                "has_aux=True needs a function that returns a pair (number, aux), and it returned something "
                "else. Write return number, aux."
            )
        )
    return result[0], result[1]
