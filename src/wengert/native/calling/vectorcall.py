"""Objects that are called at the cost of a function.

Python calls an object of an ordinary class through its method ``__call__``, which takes longer than the
arithmetic of a small gradient. CPython's vectorcall protocol (PEP 590) lets an object hold the address of a
function in machine code that is called at once. Classes with room for that address are made by
``PyType_FromSpec``; as long as it is null, ``__call__`` is what runs.
"""

from __future__ import annotations

import ctypes
from typing import Any

from wengert.native.calling import layout

_DEFAULT, _SUBCLASSABLE, _HAS_VECTORCALL = 1 << 18, 1 << 10, 1 << 11
_MEMBERS, _SSIZE, _READ_ONLY = 72, 19, 1


class _Spec(ctypes.Structure):
    """CPython's ``PyType_Spec``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    ]


class _Slot(ctypes.Structure):
    """CPython's ``PyType_Slot``."""

    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Member(ctypes.Structure):
    """CPython's ``PyMemberDef``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


def with_room(base: type) -> Any:
    """The class with room for an address of native code; itself where objects are not as expected."""
    if not layout.is_known():
        return base
    place = base.__basicsize__
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _SSIZE, place, _READ_ONLY, None), _Member())
    slots = (_Slot * 2)(_Slot(_MEMBERS, ctypes.addressof(members)), _Slot())
    name = f"{base.__module__}.{base.__name__}".encode()
    flags = _DEFAULT | _SUBCLASSABLE | _HAS_VECTORCALL
    spec = _Spec(name, place + 8, 0, flags, ctypes.addressof(slots))
    make = ctypes.pythonapi.PyType_FromSpecWithBases
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object]
    cls = make(ctypes.addressof(spec), (base,))
    cls.__doc__ = base.__doc__
    _kept.append((members, name))
    return cls


_kept: list[Any] = []  # what a class of `with_room` points to


def place_of_slot(cls: type, name: str) -> int:
    """Where the object in a slot of ``__slots__`` stands."""
    example: Any = object.__new__(cls)
    mark = object()
    setattr(example, name, mark)
    words = range(layout.VALUE, cls.__basicsize__, 8)
    return next(w for w in words if ctypes.c_int64.from_address(id(example) + w).value == id(mark))


def answer_by(instance: Any, address: int) -> None:
    """From now on calls of an object go to native code."""
    room = type(instance).__basicsize__ - 8
    ctypes.c_void_p.from_address(id(instance) + room).value = address
