"""C structures that Python fills and native code reads: their fields in LLVM IR."""

from __future__ import annotations

import ctypes

from wengert.native.machine import ir

Kind = type[ctypes.Structure]


def field(f: ir.Function, base: ir.Value, kind: Kind, name: str) -> ir.Value:
    """The address of a field."""
    return f.advance(base, ir.index(getattr(kind, name).offset))


def get(f: ir.Function, base: ir.Value, kind: Kind, name: str) -> ir.Value:
    """A field: an address or an i64, as the structure says."""
    declared = dict((n, t) for n, t, *_ in kind._fields_)[name]
    return f.load("ptr" if declared is ctypes.c_void_p else "i64", field(f, base, kind, name), 8)


def put(f: ir.Function, base: ir.Value, kind: Kind, name: str, value: ir.Value) -> None:
    """Set a field."""
    f.store(value, field(f, base, kind, name), 8)


def increment(f: ir.Function, base: ir.Value, kind: Kind, name: str, by: ir.Value) -> ir.Value:
    """Add to a field; what it is then."""
    total = f.binary("add", get(f, base, kind, name), by)
    put(f, base, kind, name, total)
    return total


def at(f: ir.Function, array: ir.Value, i: ir.Value, type: str = "ptr") -> ir.Value:
    """An element of an array of addresses or of other 8-byte numbers."""
    return f.load(type, f.offset(array, type, i), 8)


def put_at(f: ir.Function, array: ir.Value, i: ir.Value, value: ir.Value) -> None:
    """Set an element."""
    f.store(value, f.offset(array, value.type, i), 8)


def word(f: ir.Function, o: ir.Value, place: int, type: str = "i64") -> ir.Value:
    """What stands at a place in an object."""
    return f.load(type, f.advance(o, ir.index(place)), 4 if type == "i32" else 1 if type == "i8" else 8)


def go_on(f: ir.Function, condition: ir.Value, otherwise: str) -> None:
    """Go on where the condition holds, to a label where it does not."""
    following = f.new_label("on")
    f.branch(condition, following, otherwise)
    f.start(following)


def is_null(f: ir.Function, pointer: ir.Value) -> ir.Value:
    """Whether an address is null."""
    return f.compare("icmp eq", pointer, ir.Value("null", "ptr"))


def is_some(f: ir.Function, pointer: ir.Value) -> ir.Value:
    """Whether an address is not null."""
    return f.compare("icmp ne", pointer, ir.Value("null", "ptr"))


def equal(f: ir.Function, a: ir.Value, b: ir.Value) -> ir.Value:
    """Whether two numbers or addresses are the same."""
    return f.compare("icmp eq", a, b)
