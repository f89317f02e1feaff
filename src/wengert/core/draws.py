"""Random draws in a function that is recorded once and run many times: each would be the same for ever.

A function under ``jit``, ``vmap`` or ``scan`` is called once, and what it computes without a tracer becomes
a constant. A number from ``np.random`` or ``random`` would be such a constant without a word; so the module
functions refuse while a recording of that kind runs, and of the generators that the function can reach, the
states are compared before and after.
"""

from __future__ import annotations

import functools
import pickle
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.core.adoptive import intercept
from wengert.core.fallback import UFUNC_MODULES
from wengert.core.recorder import current
from wengert.errors import UnsupportedError, at_user_line, is_foreign, is_ours

# How many objects are looked at in search of generators, and how many items of a container.
OBJECTS, ITEMS = 2000, 100

_HARMLESS = frozenset({"seed", "getstate", "setstate", "get_state", "set_state"})


def _message(what: str) -> str:
    return at_user_line(
        f"{what} while the function was recorded, to be run many times with the same numbers. Draw with "
        "wg.random from a key that is an argument, or draw outside and pass the numbers in."
    )


# --- functions of modules -----------------------------------------------------------------------------


@functools.cache
def load() -> None:
    """Have the drawing functions of ``np.random`` and ``random`` refuse where a draw would be frozen."""
    for module, inner in ((np.random, np.random.mtrand._rand), (random, random._inst)):  # type: ignore[attr-defined]
        for name, function in vars(module).items():
            if getattr(function, "__self__", None) is inner and name not in _HARMLESS:
                intercept(function, _refusing(f"{module.__name__}.{name}", function))
    for name in ("ranf", "sample"):
        function = getattr(np.random, name)
        intercept(function, _refusing(f"numpy.random.{name}", function))
    intercept(np.random.default_rng, _default_rng(np.random.default_rng))


UFUNC_MODULES["numpy.random"] = load


def _refusing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        _refuse(name)
        return function(*args, **kwargs)

    return draw


def _default_rng(function: Callable[..., Any]) -> Callable[..., Any]:
    """With a seed the numbers are the same in every call anyhow."""

    def default_rng(seed: Any = None) -> Any:
        if seed is None:
            _refuse("numpy.random.default_rng()")
        return function(seed)

    return default_rng


def _refuse(name: str) -> None:
    recorder = current.get()
    if recorder is not None and recorder.frozen:
        raise UnsupportedError(_message(f"{name} was called"))


# --- generators ---------------------------------------------------------------------------------------


def watch(*roots: Any) -> Callable[[], None]:
    """Note the states of the generators within reach; what is returned raises where one has moved on."""
    load()
    before = [(name, generator, _state(generator)) for name, generator in _generators(roots)]

    def check() -> None:
        for name, generator, state in before:
            if _state(generator) != state:
                what = f"the random generator {name} ({type(generator).__name__}) was drawn from"
                raise UnsupportedError(_message(what))

    return check


def _state(generator: Any) -> bytes:
    if isinstance(generator, random.Random):
        return pickle.dumps(generator.getstate())
    if isinstance(generator, np.random.RandomState):
        return pickle.dumps(generator.get_state(legacy=False))
    return pickle.dumps(getattr(generator, "bit_generator", generator).state)


def _is_generator(thing: Any) -> bool:
    kinds = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
    return isinstance(thing, kinds) and not isinstance(thing, random.SystemRandom)


def _generators(roots: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    queue: list[tuple[str, Any]] = [("", root) for root in roots]
    seen: dict[int, Any] = {}
    while queue and len(seen) < OBJECTS:
        name, thing = queue.pop()
        if id(thing) in seen or type(thing) in _LEAVES:
            continue
        seen[id(thing)] = thing
        if _is_generator(thing):
            yield name, thing
        else:
            queue.extend(_parts(name, thing))


_LEAVES = frozenset({int, float, complex, bool, str, bytes, type(None), np.ndarray, np.dtype, type})


def _parts(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """What an object leads to: variables of a function, attributes, items."""
    if isinstance(thing, types.FunctionType):
        yield from _variables(thing)
    elif isinstance(thing, types.MethodType | types.BuiltinMethodType | functools.partial):
        for attribute in ("__self__", "__func__", "func", "args", "keywords"):
            yield name or attribute, getattr(thing, attribute, None)
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from ((f"{name}[...]", item) for item, _ in zip(thing, range(ITEMS), strict=False))
    elif isinstance(thing, dict):
        yield from (
            (f"{name}[{k!r}]", item) for (k, item), _ in zip(thing.items(), range(ITEMS), strict=False)
        )
    elif not isinstance(thing, type | types.ModuleType) and not _is_foreign(type(thing)):
        yield from ((f"{name}.{k}", item) for k, item in getattr(thing, "__dict__", {}).items())


def _variables(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    yield from _closure(function)
    yield from ((f"a default of {function.__name__}", item) for item in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()
    if not _is_foreign(function):
        names = list(_names(function.__code__))
        yield from _looked_up(names, function.__globals__)


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _looked_up(names: list[str], scope: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The globals that code names, and what it names of the user's own modules."""
    for name in names:
        found = scope.get(name)
        if isinstance(found, types.ModuleType):
            if not is_foreign(found.__name__) and not found.__name__.startswith("wengert"):
                yield from ((f"{name}.{n}", vars(found)[n]) for n in names if n in vars(found))
        else:
            yield name, found


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_foreign(thing: Any) -> bool:
    """Whether a function or class belongs to this package or to a library below it."""
    return is_ours(thing) or is_foreign(getattr(thing, "__module__", None) or "")
