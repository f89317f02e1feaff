r"""ONNX files as bytes: the part of the protocol-buffer format that they are written in.

A message is a sequence of fields, each of which begins with its number and the way it is written,

.. math:: \text{key} = 8\,\text{number} + \text{type},

and a number is written in groups of seven bits, the lowest first. Here a message is a dictionary by the names
in `FIELDS`; what is repeated is a list, and fields of other names are skipped in reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from wengert.errors import ExchangeError

Message = dict[str, Any]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DEPTH = 32  # messages within messages; a graph within a graph takes five


class Field(NamedTuple):
    """The number of a field, what it holds (a kind of number or the name of a message), and how often."""

    number: int
    kind: str
    repeated: bool = False


def _fields(text: str) -> dict[str, Field]:
    """Fields as ``name=number:kind``, with a star where they are repeated."""
    found = {}
    for word in text.split():
        name, _, rest = word.partition("=")
        number, _, kind = rest.partition(":")
        found[name] = Field(int(number), kind.rstrip("*"), kind.endswith("*"))
    return found


# The messages of onnx.proto, as far as they are used here.
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "Model": _fields(
        "ir_version=1:int producer_name=2:string producer_version=3:string doc_string=6:string graph=7:Graph "
        "opset_import=8:Opset* metadata_props=14:Entry* functions=25:bytes*"
    ),
    "Opset": _fields("domain=1:string version=2:int"),
    "Entry": _fields("key=1:string value=2:string"),
    "Graph": _fields(
        "node=1:Node* name=2:string initializer=5:Tensor* doc_string=10:string input=11:Value* "
        "output=12:Value* sparse_initializer=15:bytes*"
    ),
    "Node": _fields(
        "input=1:string* output=2:string* name=3:string op_type=4:string attribute=5:Attribute* "
        "domain=7:string"
    ),
    "Attribute": _fields(
        "name=1:string f=2:float i=3:int s=4:bytes t=5:Tensor g=6:bytes floats=7:float* ints=8:int* "
        "strings=9:bytes* type=20:int"
    ),
    "Tensor": _fields(
        "dims=1:int* data_type=2:int float_data=4:float* int32_data=5:int* string_data=6:bytes* "
        "int64_data=7:int* name=8:string raw_data=9:bytes double_data=10:double* uint64_data=11:int* "
        "external_data=13:Entry* data_location=14:int"
    ),
    "Value": _fields("name=1:string type=2:Type doc_string=3:string"),
    "Type": _fields("tensor_type=1:TensorType"),
    "TensorType": _fields("elem_type=1:int shape=2:Shape"),
    "Shape": _fields("dim=1:Dim*"),
    "Dim": _fields("dim_value=1:int dim_param=2:string"),
}
_NUMBERS = {kind: {f.number: (name, f) for name, f in fields.items()} for kind, fields in FIELDS.items()}
_FIXED = {"float": (FIXED32, "<f"), "double": (FIXED64, "<d")}


# --- writing ----------------------------------------------------------------------------------------------


def encode(message: Message, kind: str) -> bytes:
    """The bytes of a message."""
    return b"".join(
        _field(FIELDS[kind][name], item)
        for name, value in message.items()
        for item in (value if FIELDS[kind][name].repeated else [value])
    )


def _field(field: Field, value: Any) -> bytes:
    if field.kind == "int":
        return _varint(8 * field.number + VARINT) + _varint(value & (1 << 64) - 1)
    if field.kind in _FIXED:
        wire, form = _FIXED[field.kind]
        return _varint(8 * field.number + wire) + struct.pack(form, value)
    content = _content(field.kind, value)
    return _varint(8 * field.number + BYTES) + _varint(len(content)) + content


def _content(kind: str, value: Any) -> bytes:
    if kind == "string":
        return value.encode()  # type: ignore[no-any-return]
    return value if kind == "bytes" else encode(value, kind)


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


# --- reading ----------------------------------------------------------------------------------------------


def decode(content: bytes | memoryview, kind: str) -> Message:
    """The message with these bytes.

    Raises
    ------
    ExchangeError
        Where they are none.
    """
    try:
        return _decoded(memoryview(content), kind, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ExchangeError(f"not an ONNX file, or a damaged one ({error})") from error


def _decoded(content: memoryview, kind: str, depth: int) -> Message:
    if depth > DEPTH:
        raise IndexError("messages within messages without end")
    message: Message = {name: [] for name, field in FIELDS[kind].items() if field.repeated}
    for number, wire, value in _raw_fields(content):
        name, field = _NUMBERS[kind].get(number, ("", None))
        if field is None:
            continue
        items = list(_items(field, wire, value, depth))
        if field.repeated:
            message[name].extend(items)
        elif items:
            message[name] = items[-1]
    return message


def _raw_fields(content: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Number, way of writing and value of each field."""
    at = 0
    value: Any
    while at < len(content):
        key, at = _read_varint(content, at)
        wire = key & 7
        if wire == VARINT:
            value, at = _read_varint(content, at)
        elif wire in (FIXED32, FIXED64, BYTES):
            length, at = _read_varint(content, at) if wire == BYTES else (4 if wire == FIXED32 else 8, at)
            value, at = _slice(content, at, length), at + length
        else:
            raise IndexError(f"a field is written in the unknown way {wire}")
        yield key >> 3, wire, value


def _slice(content: memoryview, at: int, length: int) -> memoryview:
    if at + length > len(content):
        raise IndexError("it is cut short")
    return content[at : at + length]


def _read_varint(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise IndexError("it is cut short" if shift <= 63 else "a number is too long")
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & (1 << 64) - 1, at


def _items(field: Field, wire: int, value: Any, depth: int) -> Iterator[Any]:
    """What a field holds: one item, or many numbers packed together."""
    if field.kind == "int":
        yield from map(_signed, [value] if wire == VARINT else _packed(value, wire))
    elif field.kind in _FIXED:
        yield from (
            x for (x,) in struct.iter_unpack(_FIXED[field.kind][1], _bytes(value, wire, FIXED32, FIXED64))
        )
    elif field.kind == "string":
        yield str(_bytes(value, wire), "utf-8")
    elif field.kind == "bytes":
        yield bytes(_bytes(value, wire))
    else:
        yield _decoded(_bytes(value, wire), field.kind, depth + 1)


def _bytes(value: Any, wire: int, *others: int) -> memoryview:
    if wire not in (BYTES, *others):
        raise IndexError(f"a field that is no number is written in the way {wire}")
    return value  # type: ignore[no-any-return]


def _packed(value: memoryview, wire: int) -> Iterator[int]:
    at, content = 0, _bytes(value, wire)
    while at < len(content):
        number, at = _read_varint(content, at)
        yield number


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
