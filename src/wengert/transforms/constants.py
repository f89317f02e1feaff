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

FEW = 8  # rows in which most matrices show that they are full


def uniform(atom: Literal) -> Any:
    """The number that every element of a constant is, if it is one."""
    if not atom.type.shape:
        return atom.value
    value = np.asarray(atom.value)
    if not value.size or value.dtype.kind not in "biuf":
        return None
    first = value.flat[0]
    same = value.view(f"i{value.dtype.itemsize}") if value.flags.c_contiguous else value
    return first if (same == same.flat[0]).all() else None


def diagonal_of(value: np.ndarray[Any, Any]) -> tuple[Any, int, int, int] | None:
    """The number along part of a diagonal of a large matrix of zeros; first row, first column, count."""
    if value.size <= SMALL or value.dtype.kind not in "fiu" or not _is_sparse(value):
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
    bits = _bits(value)
    if any(np.count_nonzero(part) > value.shape[1] for part in (bits[:FEW], bits)):
        return None
    rows, columns = np.nonzero(bits)
    if len(np.unique(columns)) < len(columns):
        return None
    places, numbers = np.zeros(value.shape[1], np.intp), np.zeros(value.shape[1], value.dtype)
    places[columns], numbers[columns] = rows, value[rows, columns]
    return places, numbers


def _is_sparse(value: np.ndarray[Any, Any]) -> bool:
    """Whether a matrix without gaps has no more numbers than rows or columns. Most show it in few rows."""
    if value.ndim != 2 or not value.flags.c_contiguous or value.itemsize > 8:
        return False
    bits = _bits(value)
    return all(np.count_nonzero(part) <= max(part.shape) for part in (bits[:FEW], bits))


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
