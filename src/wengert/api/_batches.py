r"""A function of one example, applied to all examples of a batch.

.. math:: Y_b = f(X_b)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api._arguments import Function, Selection, named
from wengert.core import tree
from wengert.core.recorder import require_array
from wengert.core.recording import own_all, record
from wengert.core.trace import Type, type_for
from wengert.errors import MismatchError, at_user_line
from wengert.transforms.batch import evaluate_batch, spread


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    r"""Apply a function to every example of a batch at once.

    .. math:: Y_b = f(X_b)

    f is recorded once, for one example, and its trace is run with a batch axis in front. Python's ``if`` and
    ``while`` on the values raise: examples may disagree.

    Parameters
    ----------
    f : callable
        A function of one example.
    in_axes : int, None, or a tuple or tree of them
        The batch axis of each argument; None for an argument that all examples share.
    out_axes : int, or a tree of them
        Where the batch axis goes in the results.

    Returns
    -------
    callable
        Takes f's arguments with a batch axis more, and gives f's results with one more.

    Raises
    ------
    ValueError
        Where the batch axes differ in size or an argument lacks one.
    TypeError
        Where Python asks for the number behind a traced value, as ``if x > 0`` does.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([5.0, 7.0]))
    array([5., 7.])
    """

    def batched(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise MismatchError(
                at_user_line(
                    f"vmap has {len(axes)} in_axes for {len(args)} arguments. Give one for each, or a single "
                    "number for all."
                )
            )
        selection = Selection(args, kwargs, range(len(args)))
        flat_axes = [axis for arg, axis in zip(args, axes, strict=True) for axis in _prefix(arg, axis)]
        return _vmapped(f, selection, flat_axes, out_axes)

    return named(f, batched)


def _prefix(argument: Any, axes: Any) -> list[Any]:
    """One axis for each leaf: `axes` may be a number or a tree that begins like the argument."""
    leaves = tree.flatten(argument)[0]
    if axes is None or isinstance(axes, int):
        return [axes] * len(leaves)
    try:
        return tree.broadcast_prefix(axes, argument)
    except ValueError as error:
        raise MismatchError(
            at_user_line(f"vmap: in_axes: {error}. Give one axis for an argument, or a tree like it.")
        ) from None


def _vmapped(f: Function, selection: Selection, axes: list[Any], out_axes: Any) -> Any:
    selection.leaves = list(map(_with_axes, selection.leaves, axes))
    size = _batch_size(selection.leaves, axes)
    chosen = [i for i, axis in enumerate(axes) if axis is not None]
    values = [np.moveaxis(selection.leaves[i], axes[i], 0) for i in chosen]
    recording = record(f, list(map(_example, values)), selection.calling(chosen), abstract=True)
    results = evaluate_batch(recording.trace(), values, [True] * len(chosen), size)
    recording.recorder.close()
    outputs = [value if flag else spread(value, size) for value, flag in results]
    places = _prefix(tree.unflatten(recording.structure, outputs), out_axes)
    moved = [
        value if place == 0 else np.moveaxis(value, 0, place)
        for value, place in zip(outputs, places, strict=True)
    ]
    return tree.unflatten(recording.structure, own_all(moved, selection.leaves))


def _with_axes(leaf: Any, axis: int | None) -> Any:
    """A leaf that has axes to choose from, if one is chosen."""
    return leaf if hasattr(leaf, "ndim") or axis is None else np.asarray(leaf)


def _batch_size(leaves: Sequence[Any], axes: Sequence[Any]) -> int:
    sizes = set()
    for leaf, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        if not -leaf.ndim <= axis < leaf.ndim:
            raise MismatchError(
                at_user_line(
                    f"vmap over axis {axis} of an argument of shape {leaf.shape}. Give it in_axes=None."
                )
            )
        sizes.add(leaf.shape[axis])
    if len(sizes) != 1:
        found = f"they have the sizes {sorted(sizes)}" if sizes else "all in_axes are None"
        raise MismatchError(
            at_user_line(
                f"vmap needs batch axes of one size, and {found}. Give in_axes the axis of the examples in "
                "each argument, and None only for what all examples share."
            )
        )
    return int(sizes.pop())


def _example(batch: Any) -> Type:
    require_array(batch)
    return type_for(tuple(batch.shape[1:]), batch.dtype)
