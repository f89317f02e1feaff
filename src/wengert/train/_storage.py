"""Where patterns stand: in memory, or in a file that is mapped there and read a few rows at a time.

Rows are visited by their indices, and arrays in memory are never copied. Of an array in a mapped file
(`numpy.memmap`) the rows of some minibatches are read at a time, from the file itself: looking at them where
they are mapped would make the system map up to two megabytes around each, and so, in random order, all of a
file that may be larger than the memory.
"""

import math
import mmap
import os
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.train._refusals import unusable

Array = np.ndarray
Data = Any

# Numbers that are looked through at a time.
CHECKED_AT_A_TIME = 1 << 17
# What the parts of a data set are called.
NAMES = ("x", "y", "sample_weight")
# Rows of a mapped file that are read at a time.
MAPPED_AT_A_TIME = 1024
# How a file is opened whose changes are written to it.
SHARED = ("r", "r+", "w+")


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
    """Copies of these rows, checked."""
    copies = tree.map(lambda array: _copied(array, rows), data)
    for part, name in zip(copies, NAMES):
        require_finite(part, name, rows)
    return copies


def _copied(array: Array, rows: Array) -> Array:
    """Copies of rows, from the file if the array stands in one."""
    place = _place_in_file(array)
    found = None if place is None else _read(*place, array, rows)
    if found is None or found[:1].tobytes() != array[rows[:1]].tobytes():  # another file of that name by now
        found = array[rows]
    give_back(array)
    return np.asarray(found)


def _place_in_file(array: Array) -> tuple[Any, int] | None:
    """The name of the file that an array is in, and where its first row begins there."""
    root: Any = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    shared = isinstance(root, np.memmap) and root.mode in SHARED and root.filename is not None
    if not shared or not array[:1].flags.c_contiguous or not hasattr(os, "preadv"):
        return None
    first = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return root.filename, root.offset + first


def _read(name: Any, place: int, array: Array, rows: Array) -> Array | None:
    """Rows of an array that begins at a place in a file, runs of neighbours together; None if they are not
    there.
    """
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    step, size = array.strides[0], found[:1].nbytes
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1 if step == size else np.arange(1, len(rows))
    try:
        with open(name, "rb") as file:
            for run in zip([0, *breaks], [*breaks, len(rows)]):
                part = found[slice(*run)].data.cast("B")
                if os.preadv(file.fileno(), [part], place + int(rows[run[0]]) * step) != part.nbytes:
                    return None
    except OSError:
        return None
    return found


def give_back(array: Array) -> None:
    """Let the system forget the pages of a file; not of one whose changes are kept in memory alone."""
    mapped = mapping_of(array)
    if mapped is not None and hasattr(mapped, "madvise") and _mode(array) in SHARED:
        mapped.madvise(mmap.MADV_DONTNEED)


def _mode(array: Any) -> str | None:
    """How the file was opened, where that is known."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return getattr(array, "mode", None)


def require_finite(data: Data, name: str, rows: Array | None = None) -> None:
    """Refuse numbers that are not finite, in all rows or in copies of these."""
    for i, leaf in enumerate(tree.flatten(data)[0]):
        place = _not_finite(leaf) if leaf.dtype.kind in "fc" else None
        if place is not None:
            path = tree.paths(data)[i]
            row = place[0] if rows is None else rows[place[0]]
            raise unusable(
                f"{name}{path}[{', '.join(map(str, (row, *place[1:])))}] is {leaf[place]}; "
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
