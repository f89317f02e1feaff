r"""Special functions by the inner loops of SciPy's ufuncs, called by their addresses from native code.

A ufunc is a table of loops, one for each combination of dtypes,

.. math:: y_i = f(x_i),\qquad i = 1, \ldots, n,

that take addresses, a length and distances in bytes (``PyUFuncGenericFunction`` in NumPy's headers).
They work on memory, so nothing is fused with them; the results are those of the interpreter, bit for bit.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from wengert.core.trace import Equation, Type, type_for
from wengert.native.machine import ir
from wengert.native.machine.symbols import define
from wengert.native.planning.kernels import Access, Routine, Shape, row_major
from wengert.native.planning.plan import Plan
from wengert.native.planning.unlowerable import Unlowerable

POINTER = 8
EACH = 64  # operations that a special function counts as


class _Ufunc(ctypes.Structure):
    """The head of ``PyUFuncObject``."""

    _fields_ = (
        ("reference_count", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("inputs", ctypes.c_int),
        ("outputs", ctypes.c_int),
        ("arguments", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
    )


@cache
def symbols(ufunc: np.ufunc, name: str, number: int) -> tuple[str, str]:
    """The names by which native code calls a loop and hands it its data, the same in every process."""
    head = _Ufunc.from_address(id(ufunc))
    names = f"wengert_ufunc_{name}_{number}", f"wengert_ufunc_{name}_{number}_data"
    for full, address in zip(names, (head.functions[number], head.data[number]), strict=True):
        define(full, address or 0)
    return names


def has_loop(equation: Equation) -> bool:
    """Whether an equation is a ufunc of SciPy's: NumPy's own raise errors from their loops."""
    ufunc = equation.primitive.numpy
    return isinstance(ufunc, np.ufunc) and getattr(np, ufunc.__name__, None) is not ufunc and ufunc.nout == 1


def lower_by_loop(plan: Plan, equation: Equation) -> None:
    """A call of a loop for every row."""
    (out,), shape = equation.outputs, equation.outputs[0].type.shape
    ufunc: Any = equation.primitive.numpy
    number, dtypes = _chosen(ufunc, [a.type for a in equation.inputs])
    if dtypes[-1] != out.type.dtype or equation.params:
        raise Unlowerable(equation.primitive.name)
    operands = [_stored(plan, a, shape, dtype) for a, dtype in zip(equation.inputs, dtypes, strict=False)]
    target, stage = plan.allocate(out.type, row_major(shape)), max([1.0, *(stage for _, stage in operands)])
    accesses = [access for access, _ in operands]
    names = symbols(equation.primitive.numpy, equation.primitive.name, number)
    plan.kernels.append(_routine(stage, equation.primitive.name, names, accesses, target))
    plan.assign(out, target, stage)


def _chosen(ufunc: Any, types: list[Type]) -> tuple[int, tuple[np.dtype[Any], ...]]:
    """The loop that NumPy chooses for operands of these types: its number, and its dtypes."""
    given: list[Any] = [
        {"f": float, "i": int}.get(t.dtype.kind, t.dtype) if t.weak else t.dtype for t in types
    ]
    dtypes = ufunc.resolve_dtypes((*given, None))
    letters = "".join(d.char for d in dtypes[:-1]) + "->" + dtypes[-1].char
    return ufunc.types.index(letters), dtypes


def _stored(plan: Plan, atom: Any, shape: Shape, dtype: np.dtype[Any]) -> tuple[Access, float]:
    """An operand in memory in the dtype of a loop, and the stage that may read it."""
    if atom.type.dtype == dtype:
        return plan.access(atom).broadcast(shape), plan.ready(atom)
    target = plan.allocate(type_for(atom.type.shape, dtype))
    return target.broadcast(shape), plan.put(atom, target) + 1


def _routine(
    stage: float, name: str, names: tuple[str, str], operands: list[Access], target: Access
) -> Routine:
    """The last axis is the loop's own; numbers are an axis of length 1."""
    rows = [a if a.shape else a.view((1,), (0,)) for a in (*operands, target)]
    steps = [a.strides[-1] * a.dtype.itemsize for a in rows]
    extent = rows[-1].shape[-1]

    def code(writer: Any, pointers: list[ir.Value], memory: ir.Value) -> None:
        f = writer.f
        arguments, strides, length = (f.alloca(POINTER * n) for n in (len(rows), len(rows), 1))
        for i, (pointer, step) in enumerate(zip(pointers, steps, strict=True)):
            f.store(pointer, f.offset(arguments, "i64", ir.index(i)), POINTER)
            f.store(ir.index(step), f.offset(strides, "i64", ir.index(i)), POINTER)
        f.store(ir.index(extent), length, POINTER)
        f.module.declare(names[1], "void", [])
        f.call(names[0], "void", arguments, length, strides, ir.Value(f"@{names[1]}", "ptr"))

    return Routine(stage, name, rows[-1].shape[:-1], rows[:-1], rows[-1:], code, EACH * extent)
