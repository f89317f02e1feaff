"""Columns of values that Python and NumPy already hold."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.data._table import MICROSECONDS, Column, Gathered, Numbers, Opaque, Times, Words, narrowed, typed

Array = np.ndarray


def of_values(values: Iterable[Any], read: Callable[[Sequence[str], Array], Column] = typed) -> Column:
    """The column of Python's values: numbers and None, or texts and None, read by their type or otherwise."""
    values = list(values)
    if all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values):
        return Numbers(narrowed(np.array([np.nan if v is None else v for v in values], np.float64)))
    if any(isinstance(v, bytes) for v in values):
        return Opaque("bytes", len(values))
    gathered = Gathered()
    for v in values:
        gathered.append("" if v is None else str(v).strip())
    return gathered.column(read)


def of_array(values: Array) -> Column:
    """The column of an array of any dtype."""
    if values.dtype.kind in "iuf":
        return Numbers(values)
    if values.dtype.kind == "M":
        return Times(values.astype(MICROSECONDS))
    if values.dtype.kind in "bUS":
        texts = values.astype(str) if values.dtype.kind != "b" else np.where(values, "true", "false")
        labels, codes = np.unique(texts, return_inverse=True)
        return Words(tuple(map(str, labels)), codes.astype(np.int32))
    return Opaque(str(values.dtype), len(values))
