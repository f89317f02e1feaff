"""Columns out of an Arrow stream, batch by batch, by the C data interface alone.

The interface is three C structures: a stream gives a schema, then batches; a batch is an array of type struct
whose children are the columns; a column is a length, an offset and pointers to its buffers. So much is read
here with :mod:`ctypes`, for the few formats that :mod:`wengert.data._database` asks for: nothing needs to be
installed, and no more than one batch is held beside the columns.
"""

import ctypes
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray

# Letters of the Arrow C data interface.
DTYPES = {
    "c": np.int8, "C": np.uint8, "s": np.int16, "S": np.uint16, "i": np.int32, "I": np.uint32,
    "l": np.int64, "L": np.uint64, "f": np.float32, "g": np.float64,
}  # fmt: skip


class _Schema(Structure):
    pass


class _Batch(Structure):
    pass


class _Stream(Structure):
    pass


_Schema._fields_ = [
    ("format", c_char_p), ("name", c_char_p), ("metadata", c_void_p), ("flags", c_int64),
    ("n_children", c_int64), ("children", POINTER(POINTER(_Schema))), ("dictionary", POINTER(_Schema)),
    ("release", CFUNCTYPE(None, POINTER(_Schema))), ("private_data", c_void_p),
]  # fmt: skip
_Batch._fields_ = [
    ("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64),
    ("n_children", c_int64), ("buffers", POINTER(c_void_p)), ("children", POINTER(POINTER(_Batch))),
    ("dictionary", POINTER(_Batch)), ("release", CFUNCTYPE(None, POINTER(_Batch))),
    ("private_data", c_void_p),
]  # fmt: skip
_Stream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Batch))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(_Stream))),
    ("release", CFUNCTYPE(None, POINTER(_Stream))), ("private_data", c_void_p),
]  # fmt: skip

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]


class StreamError(Exception):
    """The stream broke off; the message is its own."""


def batches(capsule: Any) -> Iterator[list[Array | list[bytes | None]]]:
    """The columns of one batch after the other: numbers (NaN where null), or encoded texts (None where null).

    Valid until the next batch is asked for.
    """
    stream = ctypes.cast(_pointer(capsule, b"arrow_array_stream"), POINTER(_Stream))
    formats = _formats(stream)
    while (batch := _next(stream)).release:
        try:
            yield [_column(batch.children[i].contents, kind) for i, kind in enumerate(formats)]
        finally:
            batch.release(batch)


def _formats(stream: Any) -> list[str]:
    schema = _Schema()
    _check(stream, stream.contents.get_schema(stream, schema))
    try:
        return [schema.children[i].contents.format.decode() for i in range(schema.n_children)]
    finally:
        schema.release(schema)


def _next(stream: Any) -> _Batch:
    batch = _Batch()
    _check(stream, stream.contents.get_next(stream, batch))
    return batch


def _check(stream: Any, code: int) -> None:
    if code:
        raise StreamError(
            (stream.contents.get_last_error(stream) or b"unknown error").decode(errors="replace")
        )


def _column(column: _Batch, kind: str) -> Array | list[bytes | None]:
    null = _null(column)
    if kind == "u":
        return _texts(column, null)
    values = _buffer(column, 1, DTYPES[kind])
    return values if null is None else np.where(null, np.nan, values)


def _buffer(column: _Batch, number: int, dtype: Any, extra: int = 0) -> Array:
    """The entries of a buffer that belong to the column."""
    size = np.dtype(dtype).itemsize
    count = column.length + extra
    if not count:
        return np.empty(0, dtype)
    start = column.buffers[number] + column.offset * size
    return np.frombuffer((ctypes.c_char * (count * size)).from_address(start), dtype)


def _null(column: _Batch) -> Array | None:
    """Which entries are null, from one bit each, 1 where there is a value; None if all are there."""
    if not column.null_count or not column.buffers[0]:
        return None
    count = column.offset + column.length
    bits = np.frombuffer((ctypes.c_uint8 * -(-count // 8)).from_address(column.buffers[0]), np.uint8)
    return np.unpackbits(bits, count=count, bitorder="little")[column.offset :] == 0


def _texts(column: _Batch, null: Array | None) -> list[bytes | None]:
    ends = _buffer(column, 1, np.int32, extra=1).tolist() or [0]
    text = ctypes.string_at(column.buffers[2], ends[-1]) if ends[-1] else b""
    found: list[bytes | None] = [text[start:end] for start, end in pairwise(ends)]
    for row in [] if null is None else np.flatnonzero(null).tolist():
        found[row] = None
    return found
