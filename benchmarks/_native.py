"""Machine code that the benchmarks time: loops around a call, with no interpreter between two calls.

repeated            a product of wengert.native, computed again and again
repeated_blas       the same product by the BLAS that NumPy brings, called through its C interface
peak                multiplications and additions per second from registers alone, on so many threads
in_threads          one call per thread, all at once
"""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from time import perf_counter_ns
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from wengert.native.machine import host, ir
from wengert.native.product.matmul import write_function
from wengert.native.product.plans import Product

Array = np.ndarray[Any, np.dtype[Any]]
Repeat = Callable[..., None]  # with the number of repetitions first
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112  # cblas.h
ROUNDS = 20_000  # of the loop that the peak is measured with


@dataclass(frozen=True)
class Native:
    """A function `void f(i64 count, i64 ...)` in machine code; it runs without Python's lock."""

    code: host.Code
    call: Any

    def __call__(self, count: int, *arguments: int) -> None:
        self.call(count, *arguments)


def compiled(module: ir.Module, name: str, arguments: int) -> Native:
    """The function of that name, which takes a count and so many addresses or numbers."""
    code = host.load(str(module))
    return Native(code, ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * (1 + arguments))(code.address(name)))


def repeated(product: Product) -> Native:
    """`f(count, a, b, c, scratch, begin, end)`: the product of these rows, count times."""
    module = ir.Module()
    write_function(module, product, "product")
    names = ("a", "b", "c", "scratch", "begin", "end")
    params = [(name, "i64" if name in ("begin", "end") else "ptr") for name in names]
    f = module.function("repeat", "void", [("count", "i64"), *params])
    with f.loop(ir.index(0), f.param("count"), 1):
        f.call("product", "void", *(f.param(name) for name in names))
    f.ret()
    return compiled(module, "repeat", len(names))


# --- BLAS ---------------------------------------------------------------------------------------------------


@cache
def blas() -> ctypes.CDLL:
    """The BLAS that NumPy's matrix products call."""
    np.matmul(np.eye(2), np.eye(2))
    (found,) = [i for i in threadpool_info() if i["user_api"] == "blas" and "numpy" in i["filepath"]]
    return ctypes.CDLL(found["filepath"])


def routine(name: str) -> int:
    """The address of a routine of the C interface, with 64-bit whole numbers."""
    return ctypes.cast(getattr(blas(), f"scipy_cblas_{name}64_"), ctypes.c_void_p).value or 0


def leading(array: Array) -> tuple[int, int]:
    """PLAIN or TRANSPOSED, and the distance of rows (columns, if transposed) in elements."""
    row, column = (s // array.itemsize for s in array.strides)
    if column == 1 or array.shape[1] == 1:
        return PLAIN, max(row, array.shape[1])
    return TRANSPOSED, max(column, array.shape[0])


def repeated_blas(a: Array, b: Array, c: Array) -> Native:
    """`f(count)`: a @ b into c, count times, as NumPy does it: matrix by matrix of a batch."""
    matrices = zip(*(x if x.ndim == 3 else x[None] for x in (a, b, c)), strict=True)
    return caller([blas_call(*factors) for factors in matrices])


def blas_call(a: Array, b: Array, c: Array) -> tuple[int, list[ir.Value]]:
    """The routine for a @ b and its arguments: gemm, or for a vector gemv."""
    (m, k), n = a.shape, b.shape[1]
    letter, real = ("s", "float") if c.dtype == np.float32 else ("d", "double")
    one, zero = ir.constant(1.0, real), ir.constant(0.0, real)
    if n == 1 and m > 1:
        return routine(letter + "gemv"), [*matrix_vector(a, False, one), *vector(b), zero, *vector(c)]
    if m == 1 and n > 1:
        return routine(letter + "gemv"), [*matrix_vector(b, True, one), *vector(a), zero, *vector(c)]
    (a_order, a_row), (b_order, b_row) = leading(a), leading(b)
    start = [*orders(ROW_MAJOR, a_order, b_order), *map(ir.index, (m, n, k)), one]
    return routine(letter + "gemm"), [
        *start, address(a), ir.index(a_row), address(b), ir.index(b_row), zero, address(c),
        ir.index(leading(c)[1]),
    ]  # fmt: skip


def matrix_vector(matrix: Array, transposed: bool, one: ir.Value) -> list[ir.Value]:
    """The first arguments of gemv, up to the matrix."""
    order, row = leading(matrix)
    stored = matrix if order == PLAIN else matrix.T
    flipped = TRANSPOSED if (order == PLAIN) == transposed else PLAIN
    return [*orders(ROW_MAJOR, flipped), *map(ir.index, stored.shape), one, address(matrix), ir.index(row)]


def vector(array: Array) -> list[ir.Value]:
    """A matrix of one row or column as a vector: its address, and how far its numbers are apart."""
    along = 0 if array.shape[1] == 1 else 1
    return [address(array), ir.index(array.strides[along] // array.itemsize)]


def address(array: Array) -> ir.Value:
    """Where an array begins."""
    return ir.Value(f"inttoptr (i64 {array.ctypes.data} to ptr)", "ptr")


def orders(*numbers: int) -> list[ir.Value]:
    """Constants of the C interface."""
    return [ir.Value(str(number), "i32") for number in numbers]


def caller(calls: Sequence[tuple[int, list[ir.Value]]]) -> Native:
    """`f(count)`: the functions at these addresses, called count times with constant arguments."""
    module = ir.Module()
    f = module.function("repeat", "void", [("count", "i64")])
    with f.loop(ir.index(0), f.param("count"), 1):
        for place, arguments in calls:
            given = ", ".join(f"{a.type} {a.name}" for a in arguments)
            f.do(f"call void inttoptr (i64 {place} to ptr)({given})")
    f.ret()
    return compiled(module, "repeat", 0)


# --- threads and peak ---------------------------------------------------------------------------------------


@cache
def workers(count: int) -> ThreadPoolExecutor:
    """Threads that stay."""
    return ThreadPoolExecutor(count)


def in_threads(calls: Sequence[Callable[[], None]]) -> None:
    """All calls at once: the first here, each other one in a thread of its own."""
    if len(calls) == 1:
        calls[0]()
        return
    waiting = [workers(len(calls) - 1).submit(call) for call in calls[1:]]
    calls[0]()
    for future in waiting:
        future.result()


@cache
def multiply_adds(dtype: str) -> tuple[Native, int]:
    """A loop of multiply-adds on registers, and how many operations one round has."""
    machine, element = host.this_host(), ir.type_name(dtype)
    chains, type = 3 * machine.registers // 4, ir.vector(element, machine.lanes(dtype))
    module = ir.Module()
    f = module.function("peak", "void", [("count", "i64"), ("target", "ptr")])
    x, y = (
        f.splat(f.load(element, f.offset(f.param("target"), element, ir.index(i)), 4), machine.lanes(dtype))
        for i in (0, 1)
    )
    with f.loop(ir.index(0), f.param("count"), 1, [x] * chains) as loop:
        if machine.fused:
            loop.next = [f.intrinsic("fma", type, s, x, y) for s in loop.first]
        else:
            loop.next = [f.binary("fadd", f.binary("fmul", s, x), y) for s in loop.first]
    total = loop.state[0]
    for s in loop.state[1:]:
        total = f.binary("fadd", total, s)
    f.store(total, f.param("target"), 4)
    f.ret()
    return compiled(module, "peak", 1), 2 * chains * machine.lanes(dtype)


def peak(dtype: str, threads: int = 1, samples: int = 15) -> float:
    """Operations per second of the fastest of some samples, a multiply-add being two."""
    native, operations = multiply_adds(dtype)
    numbers = [np.full(64, 0.5, dtype) for _ in range(threads)]
    calls = [lambda x=x: native(ROUNDS, x.ctypes.data) for x in numbers]
    return ROUNDS * operations * threads / min(seconds(calls) for _ in range(samples))


def seconds(calls: Sequence[Callable[[], None]]) -> float:
    """How long calls in threads take."""
    start = perf_counter_ns()
    in_threads(calls)
    return (perf_counter_ns() - start) * 1e-9
