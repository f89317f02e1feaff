"""What passes and planners look for in constants.

Whatever they find in a large one belongs in the text by which its code is found again, see `patterns`.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import numpy as np

from wengert.core.trace import Literal

# Constants are looked into, and folded, up to this size.
SMALL = 1 << 12

FEW = 8  # rows of a corner


def uniform(atom: Literal) -> Any:
    """The number that every element of a constant is, if it is one."""
    if not atom.type.shape:
        return atom.value
    value = np.asarray(atom.value)
    if not value.size or value.dtype.kind not in "biuf":
        return None
    first = value.flat[0]
    same = value.view(f"i{value.dtype.itemsize}") if value.flags.c_contiguous else value
    return first if all((part == same.flat[0]).all() for part in (same[:1], same)) else None


def diagonal_of(value: np.ndarray[Any, Any]) -> tuple[Any, int, int, int] | None:
    """The number along part of a diagonal of a large matrix of zeros; first row, first column, count."""
    if value.ndim != 2 or value.size <= SMALL or value.dtype.kind not in "fiu" or value.itemsize > 8:
        return None
    if not value.flags.c_contiguous or not _has_at_most(max(value.shape), value):
        return None
    rows, columns = np.nonzero(_bits(value))
    if not len(rows):
        return None
    numbers, steps = value[rows, columns], np.arange(len(rows))
    alike = (rows - rows[0] == steps) & (columns - columns[0] == steps) & (numbers == numbers[0])
    return (numbers[0], int(rows[0]), int(columns[0]), len(rows)) if alike.all() else None


def selection_of(value: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """For every column of a matrix, each with one number at most, the row it is in and the number, or 0."""
    if value.ndim != 2 or value.dtype.kind != "f" or value.itemsize > 8:
        return None
    if not _has_at_most(value.shape[1], value):
        return None
    rows, columns = np.nonzero(_bits(value))
    if len(np.unique(columns)) < len(columns):
        return None
    places, numbers = np.zeros(value.shape[1], np.intp), np.zeros(value.shape[1], value.dtype)
    places[columns], numbers[columns] = rows, value[rows, columns]
    return places, numbers


def _has_at_most(count: int, value: np.ndarray[Any, Any]) -> bool:
    """Whether a matrix has no more than so many numbers. Most full ones show in a corner that they have."""
    bits = _bits(value)
    corner = bits[:FEW, :SMALL]
    return bool(np.count_nonzero(corner) <= max(corner.shape) and np.count_nonzero(bits) <= count)


def _bits(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers as they stand in memory: -0.0 is not nothing."""
    return value.view(f"i{value.dtype.itemsize}")


def patterns(atom: Literal) -> Iterator[bytes]:
    """All that anybody may find in a large constant: equal for those that one code is for."""
    filling = uniform(atom)
    yield b"" if filling is None else filling.tobytes()
    found = diagonal_of(np.asarray(atom.value))
    yield b"" if found is None else b"%b%d,%d,%d" % (found[0].tobytes(), *found[1:])
    for matrix in (atom.value, atom.value.T):
        taken = selection_of(matrix)
        yield b"" if taken is None else sha256(b"".join(part.tobytes() for part in taken)).digest()
