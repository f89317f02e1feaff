r"""Linear algebra by LAPACK: SciPy's functions are called by their addresses, from native code.

A matrix is copied into memory column by column, as LAPACK wants it; a factorisation overwrites it, and what
comes out is read where it stands, by strides:

.. math:: A = P L U,\qquad \ln|\det A| = \sum_i \ln|u_{ii}|,\qquad
          \operatorname{sign}\det A = \prod_i s_i \operatorname{sign} u_{ii}

with s = -1 for every row that changed places. The routines are those that NumPy calls. Where one of them
fails, the run is noted as failed, and the reference interpreter raises what NumPy raises. What small matrices
ask for is written out instead (`native.planning.elimination`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wengert.core.primitive import REGISTRY
from wengert.core.trace import Atom, Equation, Type, Var, type_for
from wengert.native.machine import ir
from wengert.native.machine.symbols import define
from wengert.native.planning.compositions import Composition, composed, expand
from wengert.native.planning.elimination import is_small, write_out
from wengert.native.planning.kernels import ALIGNMENT, Access, Routine, Shape, row_major
from wengert.native.planning.lower import Rule, lowers
from wengert.native.planning.plan import Plan, literal
from wengert.native.planning.unlowerable import Unlowerable

LETTERS = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}
INTEGER = np.dtype(np.int32)
ALONE = 0  # no operations to divide: LAPACK has threads of its own, which would get into each other's way


# --- SciPy's functions --------------------------------------------------------------------------------------


@cache
def address(name: str) -> int:
    """Where a LAPACK function starts."""
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[name]
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, get_name(capsule)))


@cache
def symbol(name: str) -> str:
    """The name by which native code calls a LAPACK function, the same in every process."""
    full = f"wengert_lapack_{name}"
    define(full, address(name))
    return full


@dataclass(frozen=True)
class Work:
    """Memory that a routine wants for itself, and how much, which it is asked: a pair of arguments."""

    dtype: np.dtype[Any]


Argument = str | int | Access | Work


@cache
def _asked(name: str, arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """How many elements a routine wants, for each `Work`. Memory is not touched when it is asked."""
    found, given = [], []
    for argument in arguments:
        if isinstance(argument, Work):
            found.append(np.zeros(1, argument.dtype))
            given += [found[-1], np.array(-1, INTEGER)]
        elif isinstance(argument, str):
            given.append(np.frombuffer(argument.encode(), np.uint8))
        else:
            given.append(np.array(argument or 0, INTEGER))
    given.append(np.zeros((), INTEGER))
    types = [ctypes.c_void_p] * len(given)
    ctypes.CFUNCTYPE(None, *types)(address(name))(*(a.ctypes.data for a in given))
    return tuple(int(a[0]) for a in found)


# --- calls --------------------------------------------------------------------------------------------------


def call(
    plan: Plan, stage: float, name: str, lead: Shape, arguments: Sequence[Argument], may_fail: bool = True
) -> None:
    """Add a kernel that calls a routine for every matrix of a batch; ``info``, the last argument, is added.

    If it ``may_fail``, what it has found is of no use unless ``info`` is 0.
    """
    plain = tuple(None if isinstance(a, Access) else a for a in arguments)
    sizes = _asked(name, plain) if any(isinstance(a, Work) for a in arguments) else ()
    matrices = [a for a in arguments if isinstance(a, Access)]

    def code(writer: Any, pointers: list[ir.Value], memory: ir.Value) -> None:
        given = list(_given(writer.f, arguments, pointers, memory, sizes))
        info = writer.f.alloca(4)
        writer.f.call(symbol(name), "void", *given, info)
        if may_fail:
            wrong = writer.f.compare("icmp ne", writer.f.load("i32", info, 4), ir.constant(0, "i32"))
            writer.fail_if(wrong)

    scratch = sum(_nbytes(w, size) for w, size in zip(_works(arguments), sizes, strict=True))
    plan.kernels.append(Routine(stage, name, lead, [], matrices, code, ALONE, scratch))


def _works(arguments: Sequence[Argument]) -> list[Work]:
    return [a for a in arguments if isinstance(a, Work)]


def _nbytes(work: Work, size: int) -> int:
    """Memory for so many elements, so that the next ones are aligned."""
    return -(-max(1, size) * work.dtype.itemsize // ALIGNMENT) * ALIGNMENT


def _given(
    f: ir.Function, arguments: Sequence[Argument], pointers: Sequence[ir.Value], memory: ir.Value,
    sizes: Sequence[int],
) -> Iterator[ir.Value]:  # fmt: skip
    """Fortran's arguments are addresses, those of numbers and letters too."""
    found, wanted = iter(pointers), iter(sizes)
    for argument in arguments:
        if isinstance(argument, Work):
            size = max(1, next(wanted))
            yield memory
            yield _stored(f, size)
            memory = f.advance(memory, ir.index(_nbytes(argument, size)))
        else:
            yield next(found) if isinstance(argument, Access) else _stored(f, argument)


def _stored(f: ir.Function, argument: Any) -> ir.Value:
    place = f.alloca(4)
    letter = isinstance(argument, str)
    value = ir.constant(ord(argument), "i8") if letter else ir.constant(argument, "i32")
    f.store(value, place, 1 if letter else 4)
    return place


# --- memory -------------------------------------------------------------------------------------------------


def by_columns(shape: Shape) -> Shape:
    """Strides of matrices that stand column by column, one after the other."""
    *lead, m, n = shape
    return (*(s * m * n for s in row_major(tuple(lead))), 1, m)


def _letter(equation: Equation) -> str:
    """Which of LAPACK's functions a dtype wants. What is empty or complex is left to the interpreter."""
    types = [*(a.type for a in equation.inputs), *(v.type for v in equation.outputs)]
    dtype = equation.outputs[-1].type.dtype
    if dtype not in LETTERS or any(0 in t.shape or t.dtype.kind == "c" for t in types):
        raise Unlowerable(f"{equation.primitive.name} of {types[0]}")
    return LETTERS[dtype]


def _copied(plan: Plan, atom: Atom, type: Type) -> tuple[Access, float]:
    """A copy of matrices by columns, and the stage that may use it."""
    target = plan.allocate(type, by_columns(type.shape))
    return target, plan.put(atom, target) + 1


def _new(plan: Plan, shape: Shape, dtype: np.dtype[Any]) -> Access:
    """Memory for matrices by columns, or for vectors."""
    return plan.allocate(type_for(shape, dtype), by_columns(shape))


def _vectors(plan: Plan, lead: Shape, n: int, dtype: np.dtype[Any]) -> Access:
    shape = (*lead, n)
    return plan.allocate(type_for(shape, dtype), row_major(shape))


def _variable(plan: Plan, access: Access, stage: float) -> Var:
    """What stands in memory after a stage, as an operand of further equations."""
    var = Var(type_for(access.shape, access.dtype))
    plan.assign(var, access, stage)
    return var


def _followed(plan: Plan, equation: Equation, operands: Sequence[Var], function: Composition) -> None:
    """Compute an equation's results from what a routine has found."""
    expand(plan, Equation(equation.primitive, operands, {}, equation.outputs), function)


def _unless_small(rule: Rule) -> Rule:
    """A rule for matrices that are not small enough to be written out."""

    def lower(plan: Plan, equation: Equation) -> None:
        _letter(equation)
        (write_out if is_small(equation) else rule)(plan, equation)

    return lower


# --- systems of equations -----------------------------------------------------------------------------------


@lowers("solve")
@_unless_small
def _solve(plan: Plan, equation: Equation) -> None:
    (a, b), (out,) = equation.inputs, equation.outputs
    _solved(plan, equation, a, b, out)


@lowers("inv")
@_unless_small
def _inv(plan: Plan, equation: Equation) -> None:
    """The solution for the unit matrix."""
    (a,), (out,) = equation.inputs, equation.outputs
    unit = literal(np.eye(a.type.shape[-1], dtype=a.type.dtype))
    _solved(plan, equation, a, unit, out)


def _solved(plan: Plan, equation: Equation, a: Atom, b: Atom, out: Var) -> None:
    letter, (*lead, n, k) = _letter(equation), out.type.shape
    factors, ready = _copied(plan, a, type_for((*lead, n, n), out.type.dtype))
    found, stage = _copied(plan, b, out.type)
    stage, pivots = max(stage, ready), _vectors(plan, tuple(lead), n, INTEGER)
    call(plan, stage, letter + "gesv", tuple(lead), [n, k, factors, n, pivots, found, n])
    plan.assign(out, found, stage)


# --- determinants -------------------------------------------------------------------------------------------


def _sign_and_logarithm(diagonal: Any, pivots: Any) -> Any:
    rows = np.arange(1, diagonal.shape[-1] + 1, dtype=INTEGER)
    signs = np.where(diagonal < 0, -1, np.where(diagonal == 0, 0, 1)) * np.where(pivots == rows, 1, -1)
    sign = np.astype(np.prod(signs, axis=-1), diagonal.dtype)
    return sign, np.where(sign == 0, -np.inf, np.sum(np.log(abs(diagonal)), axis=-1))


def _determinant(diagonal: Any, pivots: Any) -> Any:
    sign, logarithm = _sign_and_logarithm(diagonal, pivots)
    return sign * np.exp(logarithm)


@lowers("det", "slogdet")
@_unless_small
def _det(plan: Plan, equation: Equation) -> None:
    """From the diagonal of U. A singular matrix has a 0 there, which is no failure."""
    (a,), letter = equation.inputs, _letter(equation)
    *lead, n, _ = a.type.shape
    factors, stage = _copied(plan, a, a.type)
    pivots = _vectors(plan, tuple(lead), n, INTEGER)
    call(plan, stage, letter + "getrf", tuple(lead), [n, n, factors, n, pivots], may_fail=False)
    diagonal = factors.view((*lead, n), (*factors.strides[:-2], n + 1))
    operands = [_variable(plan, access, stage) for access in (diagonal, pivots)]
    _followed(plan, equation, operands, _FROM_FACTORS[equation.primitive.name])


_FROM_FACTORS: dict[str, Composition] = {"det": _determinant, "slogdet": _sign_and_logarithm}
composed("adjugate")(REGISTRY["adjugate"].numpy)


# --- factorisations -----------------------------------------------------------------------------------------


@lowers("cholesky")
@_unless_small
def _cholesky(plan: Plan, equation: Equation) -> None:
    (a,), letter = equation.inputs, _letter(equation)
    *lead, n, _ = a.type.shape
    factor, stage = _copied(plan, a, a.type)
    call(plan, stage, letter + "potrf", tuple(lead), ["L", n, factor, n])
    _followed(plan, equation, [_variable(plan, factor, stage)], np.tril)


@lowers("eigh")
def _eigh(plan: Plan, equation: Equation) -> None:
    (a,), (values, vectors), letter = equation.inputs, equation.outputs, _letter(equation)
    (*lead, n, _), dtype, uplo = a.type.shape, a.type.dtype, equation.params["UPLO"]
    found, stage = _copied(plan, a, a.type)
    w = _vectors(plan, tuple(lead), n, dtype)
    call(plan, stage, letter + "syevd", tuple(lead), ["V", uplo, n, found, n, w, Work(dtype), Work(INTEGER)])
    plan.assign(values, w, stage)
    plan.assign(vectors, found, stage)


@lowers("qr")
def _qr(plan: Plan, equation: Equation) -> None:
    """R stands above the diagonal of what the first routine leaves; the second makes Q of a copy."""
    (a,), (q, r), letter = equation.inputs, equation.outputs, _letter(equation)
    (*lead, m, n), dtype = a.type.shape, a.type.dtype
    found, stage = _copied(plan, a, a.type)
    scales = _vectors(plan, tuple(lead), n, dtype)
    call(plan, stage, letter + "geqrf", tuple(lead), [m, n, found, m, scales, Work(dtype)])
    triangle = _variable(plan, found.sliced((slice(0, n), slice(None))), stage)
    expand(plan, Equation(equation.primitive, [triangle], {}, [r]), np.triu)
    vectors, after = _copied(plan, _variable(plan, found, stage), a.type)
    call(plan, after, letter + "orgqr", tuple(lead), [m, n, n, vectors, m, scales, Work(dtype)])
    plan.assign(q, vectors, after)


@lowers("svd")
def _svd(plan: Plan, equation: Equation) -> None:
    (a,), letter = equation.inputs, _letter(equation)
    (*lead, m, n), dtype = a.type.shape, a.type.dtype
    found, stage = _copied(plan, a, a.type)
    k, outer = min(m, n), tuple(lead)
    u, vt = (_new(plan, (*lead, *shape), dtype) for shape in ((m, k), (k, n)))
    s = _vectors(plan, outer, k, dtype)
    places = _vectors(plan, outer, 8 * k, INTEGER)
    arguments: list[Argument] = ["S", m, n, found, m, s, u, m, vt, k, Work(dtype), places]
    call(plan, stage, letter + "gesdd", outer, arguments)
    for var, access in zip(equation.outputs, (u, s, vt), strict=True):
        plan.assign(var, access, stage)


@composed("pinv")
def _pinv(a: Any, rcond: Any) -> Any:
    """Singular values are inverted, those near 0 left out."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    limit = np.asarray(1e-15 if rcond is None else rcond)[..., None] * np.max(s, axis=-1, keepdims=True)
    inverse = np.where(s > limit, 1 / s, 0)
    return np.matmul(np.swapaxes(vh, -1, -2), inverse[..., None] * np.swapaxes(u, -1, -2))
