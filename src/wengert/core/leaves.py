"""The leaves of trees: which are numbers and arrays, what errors call them, and what must be like another.

A tangent is like its primal, a cotangent like the value: one tree, one shape for each leaf, and the primal's
dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.primitive import FUNCTIONS
from wengert.core.recorder import Tracer, type_of
from wengert.core.recording import settle
from wengert.core.trace import Type
from wengert.errors import MismatchError, location

_PYTHON_KINDS = {float: "f", complex: "c", int: "i", bool: "b"}


def _letter(leaf: Any) -> str | None:
    """NumPy's letter for the kind of a leaf that has one."""
    dtype = getattr(leaf, "dtype", None)
    return _PYTHON_KINDS.get(type(leaf)) or (dtype.kind if isinstance(dtype, np.dtype) else None)


def is_number(leaf: Any) -> bool:
    """Whether a leaf is a number or an array; a column of a data frame is neither."""
    return _letter(leaf) is not None and not hasattr(leaf, "to_numpy")


def is_input(leaf: Any) -> bool:
    """Whether native code takes a leaf as numbers, which a column of a data frame has too."""
    return (_letter(leaf) or "O") in "biufc"


def kind_of(leaf: Any) -> str:
    """The kind of a number or array, in NumPy's letters; that of objects for anything else."""
    return (_letter(leaf) if is_number(leaf) else None) or "O"


def described(leaf: Any) -> str:
    """What an error calls a leaf."""
    return str(type_of(leaf)) if is_number(leaf) else f"a {type(leaf).__name__}"


def like(
    given: Any,
    structure: Any,
    types: Sequence[Type],
    what: str,
    of: str,
    where: Callable[[], str] = location,
) -> list[Any]:
    """The leaves of a tangent or cotangent, checked against its primal's; ``where`` opens the errors."""
    leaves, found = tree.flatten(given)
    if not tree.same_structure(found, structure):
        raise MismatchError(
            f"{where()}the tree of the {what} ({found}) is not that of the {of} ({structure}). Give a {what} "
            f"like the {of}."
        )
    return [_leaf_like(settle(x), t, what, of, where) for x, t in zip(leaves, types, strict=True)]


def _leaf_like(leaf: Any, type: Type, what: str, of: str, where: Callable[[], str]) -> Any:
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]
    if isinstance(leaf, Tracer) and leaf.type.weak:
        leaf = FUNCTIONS[np.astype](leaf, leaf.type.dtype)  # rules meet NumPy numbers
    if leaf.shape != type.shape:
        raise MismatchError(
            f"{where()}the shape of the {what} is {leaf.shape}, and that of the {of} {type.shape}. Give a "
            f"{what} like the {of}."
        )
    if leaf.dtype == type.dtype or not type.inexact:
        return leaf
    if leaf.dtype.kind == "c" and type.dtype.kind != "c":
        raise MismatchError(f"{where()}the {what} is complex and the {of} is {type}. Give a real {what}.")
    return leaf.astype(type.dtype)
