"""Where CPython and NumPy keep what a native call reads: the bytes of their objects, and the functions that
make new ones.

A compiled function can be called from Python without a detour only if it knows what a number or an array
looks like in memory: the type of an object stands 8 bytes from its beginning, a float 16, the address of an
array's elements 16. These places are part of the binary interfaces of 64-bit CPython and NumPy 2;
nevertheless each is compared once with what Python says about a few objects, and where one differs no native
entry is made.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

TYPE = 8  # of every object: its type
SIZE = 16  # of a tuple or list: how many items
ITEMS = 24  # of a tuple: the items; of a list: where they are
VALUE = 16  # of a float or a NumPy scalar: the number

DATA = 16  # of an array: where the elements are, and so on
NDIM, SHAPE, DESCR, FLAGS = 24, 32, 56, 64
CONTIGUOUS_AND_ALIGNED = 0x0101
WRITEABLE = 0x0400

BYTE_ORDER, TYPE_NUMBER = 26, 28  # of a dtype
BUFFER = 16  # of a ctypes structure: where its fields are

# NumPy's table of functions, by their place in it.
_NUMPY = {
    "PyArray_Scalar": 60,
    "PyArray_NewCopy": 85,
    "PyArray_NewFromDescr": 94,
    "PyDataMem_SetHandler": 304,
}
_PYTHON = (
    "PyBool_FromLong", "PyDict_GetItemWithError", "PyDict_New", "PyDict_SetItem", "PyDict_Size",
    "PyErr_BadInternalCall", "PyErr_Clear", "PyEval_RestoreThread", "PyEval_SaveThread",
    "PyFloat_FromDouble", "PyList_New", "PyLong_AsLongLongAndOverflow", "PyLong_FromLongLong",
    "PyMem_RawFree", "PyMem_RawMalloc", "PyObject_GenericSetAttr", "PyObject_GetAttr",
    "PyObject_Vectorcall", "PyTuple_New", "PyType_GenericAlloc", "Py_DecRef", "Py_IncRef",
    "_PyObject_New",
)  # fmt: skip


def symbols() -> dict[str, int]:
    """The addresses of the functions of CPython, NumPy and the system that native entries call."""
    found = {name: _address(getattr(ctypes.pythonapi, name)) for name in _PYTHON}
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    start = get(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]
    table = (ctypes.c_void_p * (max(_NUMPY.values()) + 1)).from_address(start)
    found |= {name: table[place] or 0 for name, place in _NUMPY.items()}
    return found | ({"madvise": _address(ctypes.CDLL(None).madvise)} if sys.platform == "linux" else {})


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@cache
def is_known() -> bool:
    """Whether objects of this interpreter and this NumPy look as this module says."""
    return _is_ordinary() and all(_probes())


def _is_ordinary() -> bool:
    return (
        sys.implementation.name == "cpython"
        and ctypes.sizeof(ctypes.c_void_p) == 8
        and sys.byteorder == "little"
        and "t" not in getattr(sys, "abiflags", "")  # of an interpreter without the lock
        and np.lib.NumpyVersion(np.__version__) >= "2.0.0"
    )


def _probes() -> Iterator[bool]:
    """Comparisons, one after another; the later ones rely on the earlier."""
    pair, many, structure = (3, 5), [7, 8, 9], _Structure(11)
    yield all(_word(o, TYPE) == id(type(o)) for o in (1.5, 3, True, np.float32(1), np.ones(2), pair, many))
    yield _word(pair, SIZE) == 2 and _word(pair, ITEMS + 8) == id(pair[1])
    yield _word(many, SIZE) == 3 and _read(_word(many, ITEMS) + 8, ctypes.c_int64) == id(many[1])
    yield _read(_word(structure, BUFFER), ctypes.c_int64) == 11
    yield _value(1.5, ctypes.c_double) == 1.5
    yield all(_value(t(1), c) == 1 and t.__basicsize__ >= VALUE + 8 for t, c in _SCALARS.items())
    yield all(_array_is_known(a) for a in (np.ones((2, 3, 4)), np.ones((5, 6), np.float32).T))
    yield _value(np.dtype(">f8"), ctypes.c_char, BYTE_ORDER) == b">"


_SCALARS = {
    np.float64: ctypes.c_double, np.float32: ctypes.c_float, np.bool_: ctypes.c_uint8,
    np.int8: ctypes.c_int8, np.int16: ctypes.c_int16, np.int32: ctypes.c_int32, np.int64: ctypes.c_int64,
    np.uint8: ctypes.c_uint8, np.uint16: ctypes.c_uint16, np.uint32: ctypes.c_uint32,
    np.uint64: ctypes.c_uint64,
}  # fmt: skip


class _Structure(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int64)]


def _array_is_known(a: Any) -> bool:
    shape = (ctypes.c_int64 * a.ndim).from_address(_word(a, SHAPE))
    flags = _value(a, ctypes.c_int32, FLAGS)
    return (
        _word(a, DATA) == a.ctypes.data
        and _value(a, ctypes.c_int32, NDIM) == a.ndim
        and tuple(shape) == a.shape
        and _word(a, DESCR) == id(a.dtype)
        and (flags & CONTIGUOUS_AND_ALIGNED == CONTIGUOUS_AND_ALIGNED) == a.flags.c_contiguous
        and _value(a.dtype, ctypes.c_int32, TYPE_NUMBER) == a.dtype.num
        and _value(a.dtype, ctypes.c_char, BYTE_ORDER) == b"="
    )


def _read(address: int, kind: Any) -> Any:
    return kind.from_address(address).value


def _value(o: Any, kind: Any, place: int = VALUE) -> Any:
    return _read(id(o) + place, kind)


def _word(o: Any, place: int) -> int:
    return int(_value(o, ctypes.c_int64, place))
