"""Where patterns stand: in memory, or in a file that is mapped there and read a few rows at a time.

Rows are visited by their indices, and arrays in memory are never copied. Of an array in a mapped file
(`numpy.memmap`) the rows of some minibatches are copied, and then the pages that were read for them are given
back, so that the file may be larger than the memory.
"""

import mmap
from typing import Any

import numpy as np

from wengert.core import tree

Array = np.ndarray
Data = Any

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
        _give_back(array)
    return tree.map(np.asarray, copies)


def _give_back(array: Array) -> None:
    """Let the system forget the pages of a file; not of one whose changes are kept in memory alone."""
    mapped = mapping_of(array)
    if mapped is not None and hasattr(mapped, "madvise") and _mode(array) in ("r", "r+", "w+"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _mode(array: Any) -> str | None:
    """How the file was opened, where that is known."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return getattr(array, "mode", None)
