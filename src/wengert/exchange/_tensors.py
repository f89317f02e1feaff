"""Arrays as ONNX stores them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import ExchangeError
from wengert.exchange._protobuf import Message

Array = np.ndarray

# The numbers of types in onnx.proto.
DATA_TYPES: dict[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
NUMBER_OF = {name: number for number, name in DATA_TYPES.items()}
_EXTERNAL = 1
# Where numbers stand that are not in raw bytes.
_DATA = {"float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint32": "uint64_data",
         "uint64": "uint64_data"}  # fmt: skip


def number_of(dtype: np.dtype[Any]) -> int:
    """The number of a dtype in ONNX."""
    if dtype.name not in NUMBER_OF:
        raise ExchangeError(f"numbers of type {dtype} have no translation to ONNX; convert to float64")
    return NUMBER_OF[dtype.name]


def tensor(name: str, value: Array) -> Message:
    """An array as a message."""
    little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
    return {
        "dims": list(value.shape),
        "data_type": number_of(value.dtype),
        "name": name,
        "raw_data": little.tobytes(),
    }


def array(message: Message, what: str) -> Array:
    """The array of a message; no other file is read, and no more memory taken than the file has numbers.

    Raises
    ------
    ExchangeError
        Where its numbers stand in another file, are of a type that is not read here, or are not as many as
        its shape says.
    """
    if message.get("data_location") == _EXTERNAL or message["external_data"]:
        raise ExchangeError(
            f"the numbers of {what} are in another file, which is not read; save the model in one file"
        )
    kind = message.get("data_type", 0)
    if kind not in DATA_TYPES:
        raise ExchangeError(
            f"{what} has numbers of the unknown type {kind}; convert it to float32 or float64"
        )
    flat = _flat(message, DATA_TYPES[kind], what)
    shape = tuple(message["dims"])
    if any(n < 0 for n in shape) or math.prod(shape) != flat.size:
        raise ExchangeError(
            f"{what} has {flat.size} numbers, which is not the shape {list(shape)}: a damaged file"
        )
    return flat.reshape(shape)


def _flat(message: Message, name: str, what: str) -> Array:
    dtype = np.dtype(name)
    raw = message.get("raw_data")
    if raw is None:
        stored = message[_DATA.get(name, "int32_data")]
        if dtype == np.float16:
            return np.asarray(stored, np.int64).astype(np.uint16).view(np.float16)
        return np.asarray(stored, dtype)
    if len(raw) % dtype.itemsize:
        raise ExchangeError(
            f"{what} has {len(raw)} bytes, which are no numbers of type {name}: a damaged file"
        )
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype)
