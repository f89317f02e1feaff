r"""Matrix products, generated for their shape.

.. math:: C_{ij} = \varphi_{ij}\Big( S_{ij} + \sum_{k} A_{ik} B_{kj} \Big)

A and B are read through any strides; C is row-major. S is zero, what C held, or a bias; :math:`\varphi` is an
epilogue, code that sees every sum once, while it is in the first cache, and says what is stored: a bias and
an activation, the derivative of an activation, the update of a weight.

How a product is computed is a `Plan`, made from its shape and the processor alone
(`wengert.native.product.plans`); `wengert.native.product.writer` writes it down. Most products are covered
with register tiles (`wengert.native.product.tiles`); where both factors run along k and A has few rows,
elements are dot products (`wengert.native.product.dots`); where A is one row and B outgrows the first cache,
B is read by whole vectors of memory (`wengert.native.product.lines`); where B runs along k otherwise, or
outgrows the cache, blocks of it are copied to panels first (`wengert.native.product.packing`). The inner
functions are shared by all products of a module.

Rows may be divided among threads in any way: each element is summed by one thread in one order, so the
division cannot be seen in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from wengert.native.machine import ir
from wengert.native.machine.host import LINE, Host, this_host
from wengert.native.product.dots import Dots
from wengert.native.product.plans import Plan, make_plan, round_up
from wengert.native.product.tiles import ZERO, Arithmetic, arithmetic
from wengert.native.product.writer import Apart, Epilogue, Start, Writer, times

POINTERS = ("a", "b", "c", "scratch")


class Scratch(NamedTuple):
    """What stands where, in bytes: after panels of B those of A, or a block that is turned; then sums."""

    copies: int
    sums: int
    end: int


@dataclass(frozen=True)
class Product:
    """A product of an m × k and a k × n matrix, or a batch of them.

    Strides are in elements: of A from row to row and column to column, of B the same, of C from row to row.
    With a ``batch``, ``batch_strides`` lead from matrix to matrix in A, B and C, and rows are counted through
    the whole batch. Where they are computed in parts, these begin at multiples of ``grain``.
    """

    m: int
    n: int
    k: int
    dtype: Any
    a_strides: tuple[int, int]
    b_strides: tuple[int, int]
    c_stride: int
    batch: int = 1
    batch_strides: tuple[int, int, int] = (0, 0, 0)
    host: Host | None = None
    grain: int = 1

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """Multiplication and addition on the host."""
        return arithmetic(self.host or this_host(), ir.type_name(self.dtype))

    @cached_property
    def plan(self) -> Plan:
        """How it is computed."""
        return make_plan(replace(self, m=max(1, self.m), n=max(1, self.n)))

    @cached_property
    def scratch(self) -> Scratch:
        """The memory that every thread must hand in."""
        plan, size = self.plan, self.arithmetic.size
        if plan.method == "narrow":
            assert plan.turned is not None
            block = round_up(self.n * plan.pitch(size), LINE)
            return Scratch(block, 0, block + plan.turned.nbytes(self.n, plan.rows) + LINE)
        depth, width = min(self.k, plan.depth), min(self.n, plan.width)
        b = 0 if plan.panels_b is None else round_up(plan.panels_b.nbytes(width, depth), LINE)
        a = 0 if plan.panels_a is None else round_up(plan.panels_a.nbytes(plan.rows, depth), LINE)
        rows = self.m if self.k > plan.depth else min(self.m, plan.rows or self.m)
        return Scratch(b, b + a, b + a + rows * round_up(width * size, LINE) + LINE)

    @property
    def scratch_bytes(self) -> int:
        """How much that is."""
        return self.scratch.end

    def describe(self) -> dict[str, Any]:
        """The plan in words and numbers."""
        plan = self.plan
        first = plan.strips[0][0]
        block = first if isinstance(first, Dots) else first.tile
        across = f"{block.columns} columns" if isinstance(block, Dots) else f"{block.vectors} vectors"
        return {
            "method": plan.method,
            "tile": f"{block.rows} rows × {across} of {block.lanes}",
            "depth": min(plan.depth, self.k),
            "width": min(plan.width, self.n),
            "copies": [name for name, p in (("A", plan.panels_a), ("B", plan.panels_b)) if p is not None],
            "scratch": self.scratch_bytes,
            "operations": 2 * self.batch * self.m * self.n * self.k,
        }

    # --- code -----------------------------------------------------------------------------------------------

    def emit(
        self,
        module: ir.Module,
        name: str,
        epilogue: Epilogue | None = None,
        extras: Sequence[str] = (),
        start: str = "zero",
    ) -> str:
        """Write ``void name(ptr a, b, c, scratch, i64 begin, end, ptr ...)`` for a range of rows.

        ``extras`` name further pointers, for the epilogue, which reads them with ``function.param(name)``.
        With ``start`` ``"c"`` the product is added to C.
        """
        params = [
            *((p, "ptr") for p in POINTERS),
            ("begin", "i64"),
            ("end", "i64"),
            *((p, "ptr") for p in extras),
        ]
        f = module.function(name, "void", params)
        given = None if start == "zero" else Start(f.param("c"), self.c_stride)
        a, b, c, scratch = (f.param(p) for p in POINTERS)
        begin, end = f.param("begin"), f.param("end")
        self.write(f, a, b, c, scratch, begin, end, epilogue, given)
        f.ret()
        return name

    def write(
        self, f: ir.Function, a: ir.Value, b: ir.Value, c: ir.Value, scratch: ir.Value, begin: ir.Value,
        end: ir.Value, epilogue: Epilogue | None = None, start: Start | None = None,
        apart: Apart | None = None,
    ) -> None:  # fmt: skip
        """Write the product into a function, for rows from ``begin`` to ``end``.

        ``apart(values)`` opens another function for the epilogue, which is given these values.
        """
        if self.m == 0 or self.n == 0 or self.batch == 0:
            return
        scratch = _aligned(f, scratch)
        if self.batch == 1:
            Writer(f, self, a, b, c, scratch, epilogue, start, ZERO, apart).write(begin, end)
            return
        m, size = ir.index(self.m), self.arithmetic.size
        last = f.binary("sdiv", f.binary("add", end, ir.index(self.m - 1)), m)
        with f.loop(f.binary("sdiv", begin, m), last, 1) as loop:
            first = f.binary("mul", loop.index, m)
            a, b, c = (
                f.advance(p, times(f, loop.index, s * size))
                for p, s in zip((a, b, c), self.batch_strides, strict=True)
            )
            if start is not None and start.row:
                start = Start(
                    f.advance(start.pointer, times(f, loop.index, self.batch_strides[2] * size)), start.row
                )
            low = f.intrinsic("smax", "i64", f.binary("sub", begin, first), ZERO)
            high = f.intrinsic("smin", "i64", f.binary("sub", end, first), m)
            Writer(f, self, a, b, c, scratch, epilogue, start, first, apart).write(low, high)


def _aligned(f: ir.Function, pointer: ir.Value) -> ir.Value:
    """The first address of a cache line from here on."""
    number = f.binary("add", f.cast("ptrtoint", pointer, "i64"), ir.index(LINE - 1))
    return f.cast("inttoptr", f.binary("and", number, ir.index(-LINE)), "ptr")
