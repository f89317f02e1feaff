"""Where patterns stand: in memory, or in a file that is mapped there and read a few rows at a time.

Rows are visited by their indices, and arrays in memory are never copied. Of an array in a mapped file
(`numpy.memmap`) the rows of some minibatches are copied, and then the pages that were read for them are given
back, so that the file may be larger than the memory.
"""

import math
import mmap
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.errors import DataError

Array = np.ndarray
Data = Any

# Numbers that are looked through at a time.
CHECKED_AT_A_TIME = 1 << 17
# What the parts of a data set are called.
NAMES = ("x", "y", "sample_weight")
# Rows of a mapped file that are read at a time: the system maps up to 64 kB around each.
MAPPED_AT_A_TIME = 512


def rows_of(data: Data, rows: Any) -> Data:
    """These rows of every array."""
    return tree.map(lambda array: array[rows], data)


def count_of(data: Data) -> int:
    """How many rows the arrays have."""
    return len(tree.flatten(data)[0][0])


def mapping_of(array: Any) -> mmap.mmap | None:
    """The mapped file that an array, or what it is a view of, stands in."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def is_mapped(data: Data) -> bool:
    """Whether any of the arrays stands in a mapped file."""
    return any(mapping_of(array) is not None for array in tree.flatten(data)[0])


def gathered(data: Data, rows: Array) -> Data:
    """Copies of these rows, checked, and what was read for them given back."""
    copies = rows_of(data, rows)
    for array in tree.flatten(data)[0]:
        give_back(array)
    for part, name in zip(copies, NAMES):
        require_finite(part, name, rows)
    return copies


def give_back(array: Array) -> None:
    """Let the system forget the pages of a file; not of one whose changes are kept in memory alone."""
    mapped = mapping_of(array)
    if mapped is not None and hasattr(mapped, "madvise") and _mode(array) in ("r", "r+", "w+"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _mode(array: Any) -> str | None:
    """How the file was opened, where that is known."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return getattr(array, "mode", None)


def require_finite(data: Data, name: str, rows: Array | None = None) -> None:
    """Refuse numbers that are not finite, in all rows or in copies of these."""
    for leaf, path in zip(tree.flatten(data)[0], tree.paths(data)):
        place = _not_finite(leaf) if np.issubdtype(leaf.dtype, np.inexact) else None
        if place is not None:
            row = place[0] if rows is None else rows[place[0]]
            raise DataError(
                f"fit: {name}{path}[{', '.join(map(str, (row, *place[1:])))}] is {leaf[place]}; "
                "fill such values in, or leave their rows out"
            )


def _not_finite(array: Array) -> tuple[int, ...] | None:
    """Where such a number stands; a few rows are looked at at a time, so that nothing large is made."""
    size = max(1, CHECKED_AT_A_TIME // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), size):
        some = array[start : start + size]
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(np.sum(some)) or np.isfinite(some).all()
        if not finite:
            row, *rest = np.argwhere(~np.isfinite(some))[0].tolist()
            return (row + start, *rest)
    return None
