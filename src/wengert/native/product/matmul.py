r"""Matrix products, generated for their shape.

.. math:: C_{ij} = \varphi_{ij}\Big( S_{ij} + \sum_{k} A_{ik} B_{kj} \Big)

A and B are read through any strides; C is row-major. S is zero, what C held, or a bias; :math:`\varphi` is an
epilogue, code that sees every sum once, while it is in the first cache, and says what is stored: a bias and
an activation, the derivative of an activation, the update of a weight.

How a product is computed is a `Plan`, made from its shape and the processor alone. Most are covered with
register tiles (`wengert.native.product.tiles`); where both factors run along k and A has few rows, elements
are dot products (`wengert.native.product.dots`); where A is one row and B outgrows the first cache, B is read
by whole vectors of memory (`wengert.native.product.lines`); where B runs along k otherwise, or outgrows the
cache, blocks of it are copied to panels first (`wengert.native.product.packing`). The inner functions are
shared by all products of a module.

Rows may be divided among threads in any way: each element is summed by one thread in one order, so the
division cannot be seen in the result.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from wengert.native.machine import ir
from wengert.native.machine.host import LINE, Host, this_host
from wengert.native.product.dots import Dots, dots_function
from wengert.native.product.lines import Lines, lines_function
from wengert.native.product.packing import Panels, Rows, fill, rows_function
from wengert.native.product.tiles import (
    ZERO,
    Arithmetic,
    Mask,
    Operands,
    Strip,
    Tile,
    arithmetic,
    strip_function,
)

Epilogue = Callable[[ir.Function, ir.Value, ir.Value, ir.Value, "ir.Value | None"], "ir.Value | None"]
"""(function, sums, row, column of the first lane, lanes that take part or None) to what is stored, if any."""
Inside = tuple[ir.Function, Epilogue, Sequence[ir.Value]]
Apart = Callable[[Sequence[ir.Value]], AbstractContextManager[Inside]]

POINTERS = ("a", "b", "c", "scratch")
ZEROS = "product.zeros"

NARROW_ROWS = 256
SUM_BYTES = 16 * 1024  # of sums that wait for the epilogue, in the first cache
PAGE = 4096
STREAMS = 16
COPIED_ROWS = 24  # rows of A that are copied at a time
SQUARE = 8  # lanes of the squares that are transposed: 16 are hardly faster, and take LLVM twice as long


class Start(NamedTuple):
    """What the sums start with: an array like C, its rows so many elements apart (0: one row for all)."""

    pointer: ir.Value
    row: int


@dataclass(frozen=True)
class Plan:
    """How a product is computed.

    Attributes
    ----------
    method : str
        ``tiles``; ``dots``; ``lines``; ``columns`` for a product of a matrix stored by columns and a vector,
        which is computed transposed; ``narrow`` if it is not a vector but has few columns: then blocks of
        the result are transposed back.
    strips : tuple of (Strip or Dots or Lines, int)
        The shared functions that cover the columns, and how many columns are left over for those after the
        first.
    depth, width : int
        Blocks of k and of columns.
    rows : int
        Rows between two epilogues or copies of A; 0 for all at once.
    panels_a : Panels or Rows or None
        The copies made of blocks of A.
    panels_b : Panels or None
        Those of B.
    turned : Panels or None
        What blocks of a narrow product are transposed to.
    """

    method: str
    strips: tuple[tuple[Strip | Dots | Lines, int], ...]
    depth: int
    width: int
    rows: int = 0
    panels_a: Panels | Rows | None = None
    panels_b: Panels | None = None
    turned: Panels | None = None


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
    def scratch_bytes(self) -> int:
        """Memory that every thread must hand in."""
        return self._memory()[-1]

    def _memory(self) -> tuple[int, int, int]:
        """Where the panels of A and the sums begin after those of B, and the end."""
        plan, size = self.plan, self.arithmetic.size
        if plan.method == "narrow":
            assert plan.turned is not None
            end = self.n * _pitch(plan, size)
            return _up(end, LINE), 0, _up(end, LINE) + plan.turned.nbytes(self.n, plan.rows) + LINE
        b = (
            0
            if plan.panels_b is None
            else plan.panels_b.nbytes(min(self.n, plan.width), min(self.k, plan.depth))
        )
        a = 0 if plan.panels_a is None else plan.panels_a.nbytes(plan.rows, min(self.k, plan.depth))
        rows = self.m if self.k > plan.depth else min(self.m, plan.rows or self.m)
        sums = rows * _up(min(self.n, plan.width) * size, LINE)
        return _up(b, LINE), _up(b, LINE) + _up(a, LINE), _up(b, LINE) + _up(a, LINE) + sums + LINE

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
            _Writer(f, self, a, b, c, scratch, epilogue, start, ZERO, apart).write(begin, end)
            return
        m, size = ir.index(self.m), self.arithmetic.size
        last = f.binary("sdiv", f.binary("add", end, ir.index(self.m - 1)), m)
        with f.loop(f.binary("sdiv", begin, m), last, 1) as loop:
            first = f.binary("mul", loop.index, m)
            a, b, c = (
                f.advance(p, _times(f, loop.index, s * size))
                for p, s in zip((a, b, c), self.batch_strides, strict=True)
            )
            if start is not None and start.row:
                start = Start(
                    f.advance(start.pointer, _times(f, loop.index, self.batch_strides[2] * size)), start.row
                )
            low = f.intrinsic("smax", "i64", f.binary("sub", begin, first), ZERO)
            high = f.intrinsic("smin", "i64", f.binary("sub", end, first), m)
            _Writer(f, self, a, b, c, scratch, epilogue, start, first, apart).write(low, high)


# --- plans --------------------------------------------------------------------------------------------------


def make_plan(product: Product) -> Plan:
    """The plan of a product."""
    m, n, k = product.m, product.n, product.k
    a_row, a_step = product.a_strides
    b_step, b_column = product.b_strides
    along_a, along_b = a_step == 1 or k == 1, b_step == 1 or k == 1
    if n == 1 and m > 1 and a_row == 1 and product.c_stride == 1:
        return Plan("columns", _column_strips(product, 1, 1, m), max(k, 1), n)
    if along_a and along_b and k > 1 and (n == 1 or (b_column != 1 and (m == 1 or k >= 8 * m))):
        return Plan("dots", ((_dots(product), n),), max(k, 1), n)
    if _is_narrow(product):
        lanes = min(SQUARE, _power(n, True))
        back = Panels(product.arithmetic, -(-n // lanes), lanes, True)
        return Plan("narrow", _column_strips(product, n, n, NARROW_ROWS), k, n, NARROW_ROWS, turned=back)
    return _tiled(product)


def _is_narrow(product: Product) -> bool:
    """Whether A is stored by columns and C has too few to fill lanes, and k pays for turning C."""
    row, step = product.a_strides
    lanes = (product.host or this_host()).lanes(product.dtype)
    padded = _up(product.n, lanes)
    few = 1 < product.n <= 16 and (padded == lanes or 4 * product.n <= 3 * padded)
    return row == 1 and step != 1 and few and product.m >= 2 * lanes > 2 and product.k >= 32


def _pitch(plan: Plan, size: int) -> int:
    """Bytes from row to row of a block of a narrow product, transposed: an odd number of cache lines."""
    return _up(plan.rows * size, LINE) + LINE


def _dots(product: Product) -> Dots:
    host = product.host or this_host()
    lanes = _power(min(host.lanes(product.dtype), max(product.k, 1)), product.arithmetic.masks)
    high = 4 if host.registers >= 32 else 2
    row = (1, 8) if product.m == 1 and product.n >= 8 else (1, 4)
    rows, columns = (8, 1) if product.n < 4 else row if product.m < high else (high, 4)
    return Dots(product.arithmetic, rows, columns, lanes)


def _tiled(product: Product) -> Plan:
    m, n, k, size = product.m, product.n, product.k, product.arithmetic.size
    strips = _column_strips(product, m, math.gcd(m, product.grain), n)
    tile, host = strips[0][0].tile, product.host or this_host()
    depth, width = _blocks(n, k, size, tile.columns, host)
    if m <= 3:  # B is read once: as many rows side by side as a processor asks for ahead by itself
        depth, width = STREAMS if k * n * size > _block_bytes(host) else max(k, 1), n
    if _is_in_lines(product, tile):
        lines = Lines(tile, *divmod(n // tile.lanes, tile.vectors))
        return Plan("lines", ((lines, n),), depth, width)
    panels_b, panels_a = _panels_b(product, tile, depth, width), _panels_a(product)
    rows = (
        panels_a.width
        if panels_a is not None
        else max(tile.rows, SUM_BYTES // (min(width, n) * size) // tile.rows * tile.rows)
    )
    return Plan("tiles", strips, depth, width, rows, panels_a, panels_b)


def _is_in_lines(product: Product, tile: Tile) -> bool:
    """Whether A is one row, and B has rows of whole vectors without gaps, and outgrows the first cache."""
    n, host = product.n, product.host or this_host()
    whole = product.b_strides == (n, 1) and n % tile.lanes == 0
    far = product.k * n * product.arithmetic.size > host.first_cache
    return product.m == 1 and whole and far and tile.arithmetic.masks and tile.ways == 1


def _blocks(n: int, k: int, size: int, tile: int, host: Host) -> tuple[int, int]:
    """Blocks of k and of columns, balanced: twelve rows of A stay in the first cache, and B in the second."""
    row, block = host.first_cache // 16, _block_bytes(host)
    if k * n * size <= block * 4 // 3 and k * size <= 2 * row:
        return max(k, 1), n
    depth = _up(-(-k // -(-k * size // row)), 8)
    widest = max(tile, block // (depth * size) // tile * tile)
    return depth, _up(-(-n // -(-n // widest)), tile)


def _block_bytes(host: Host) -> int:
    """Of B, so that the second cache has room for A and C beside it."""
    return host.second_cache * 3 // 8


def _panels_b(product: Product, tile: Tile, depth: int, width: int) -> Panels | None:
    """Copies of B: where its rows do not run along columns, and where it is read often from far apart."""
    step, column = product.b_strides
    size, block = product.arithmetic.size, _block_bytes(product.host or this_host())
    if column != 1 and product.n > 1:
        lanes = min(tile.lanes, SQUARE)
        return Panels(product.arithmetic, tile.columns // lanes, lanes, True)
    far = step * size % PAGE == 0 or product.k * product.n * size > block * 4 // 3
    if far and product.m >= 64 and product.k * product.n * size > LINE * LINE * size:
        return Panels(product.arithmetic, tile.vectors, tile.lanes, False)
    return None


def _panels_a(product: Product) -> Panels | Rows | None:
    """Copies of A, whole rows or wide columns, where its numbers drive each other from the cache."""
    row, step = product.a_strides
    size = product.arithmetic.size
    host = product.host or this_host()
    lanes, crowded = host.lanes(product.dtype), host.first_cache < 12 * PAGE
    if crowded and product.m >= 96 and product.n >= 128 and step == 1 and row * size % PAGE == 0:
        return Rows(product.arithmetic, COPIED_ROWS, lanes)
    if product.m >= 96 and product.n >= 256 and row == 1 and step * size >= 1024:
        return Panels(product.arithmetic, 3 * LINE // (lanes * size), lanes, False)
    return None


def _column_strips(product: Product, m: int, grain: int, n: int) -> tuple[tuple[Strip, int], ...]:
    """The tiles that cover n columns: wide ones, and for the rest one that is as narrow as it can be.

    Of m rows they are given some multiple of a grain.
    """
    host, kind = product.host or this_host(), product.arithmetic
    full = host.lanes(product.dtype)
    lanes = _power(min(full, n), kind.masks)
    rows, vectors = _tile_shape(host.registers, m, -(-n // lanes))
    heights, rest = _heights(rows, m, grain), n % (vectors * lanes)
    # A masked load takes the place of a multiply-add, so whole tiles have none.
    head = [(_strip(kind, heights, vectors, lanes), rest)] if n > rest else []
    strips = (*head, *_narrow_strips(kind, heights, lanes, rest))
    ways = _ways(rows * -(-min(n, vectors * lanes) // lanes), product.k)
    far = rows >= 4 or product.k * n * kind.size > 2 * host.first_cache
    return tuple((s.changed(ways=ways, asks=far and s.tile.vectors > 1), rest) for s, rest in strips)


def _strip(kind: Arithmetic, heights: Sequence[int], *shape: Any) -> Strip:
    """The strip of tiles of these heights."""
    return Strip(Tile(kind, heights[0], *shape), tuple(heights[1:]))


def _ways(chains: int, k: int) -> int:
    """How many sums every element has, so that there are some to add to while others are on their way."""
    return max(1, min(4, _power(8 // chains, False))) if chains < 8 and k >= 16 else 1


def _heights(rows: int, m: int, grain: int) -> Sequence[int]:
    """Rows of the tiles, and of those for what is left over of m rows, or of some multiple of a grain."""
    if rows == 12:
        heights = [12, 4, 2, 1] if m % 4 >= 2 else [12, 4, 1]
    else:
        heights = {1: [1], 6: [6, 2, 1]}.get(rows, [rows, 1])
    return heights[: 1 + next(i for i, height in enumerate(heights) if grain % height == 0)]


def _narrow_strips(
    kind: Arithmetic, heights: Sequence[int], lanes: int, rest: int
) -> Iterator[tuple[Strip, int]]:
    """Strips for the columns that are left over: one with a mask, or vectors of fewer and fewer lanes."""
    if rest and kind.mask_registers:
        yield _strip(kind, heights, -(-rest // lanes), lanes, rest % lanes != 0), 0
        return
    while rest:
        masked = kind.masks and rest % lanes != 0 and lanes > 1
        yield _strip(kind, heights, 1, lanes, masked), 0 if masked else rest % lanes
        rest = 0 if masked else rest % lanes
        lanes = min(lanes, _power(rest, False)) if rest else lanes


def _tile_shape(registers: int, m: int, vectors: int) -> tuple[int, int]:
    """Rows and vectors of the tile for m rows and so many vectors of columns."""
    many = registers >= 32
    if m <= 3:
        most = {1: 8, 2: 6 if many else 4, 3: 4 if many else 3}[m]
        return m, -(-vectors // -(-vectors // most))
    if m < 12 and many:
        most = {4: 4, 5: 5, 6: 4, 7: 3, 8: 3, 9: 3}.get(m, 2)
        return m, -(-vectors // -(-vectors // most))
    if m < 6:
        return 4, min(vectors, 2)
    return (12, 1) if vectors == 1 else (12, 2) if many else (6, 2)


def _power(n: int, up: bool) -> int:
    """The power of two next to a number."""
    n = max(n, 1)
    return 1 << ((n - 1).bit_length() if up else n.bit_length() - 1)


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


# --- writing ------------------------------------------------------------------------------------------------


class _Writer:
    """Writes the loops over blocks."""

    def __init__(
        self, f: ir.Function, product: Product, a: ir.Value, b: ir.Value, c: ir.Value, scratch: ir.Value,
        epilogue: Epilogue | None, start: Start | None, first_row: ir.Value, apart: Apart | None,
    ) -> None:  # fmt: skip
        self.f, self.product, self.plan = f, product, product.plan
        self.a, self.b, self.c, self.scratch = a, b, c, scratch
        self.epilogue, self.start, self.first_row, self.apart = epilogue, start, first_row, apart
        self.size = product.arithmetic.size

    def write(self, begin: ir.Value, end: ir.Value) -> None:
        """All blocks of a range of rows."""
        if self.plan.method == "columns":
            self._transposed(begin, end)
            return
        if self.plan.method == "narrow":
            with _rows_of(self.f, begin, end, self.plan.rows) as (i, rows):
                self._narrow(i, rows)
            return
        f, product, plan = self.f, self.product, self.plan
        step = plan.rows if plan.panels_a is not None or self.epilogue is not None else 0
        with (
            _blocks_of(f, product.n, plan.width) as (j, width),
            _blocks_of(f, product.k, plan.depth) as (p, depth),
        ):
            b, b_step, b_next = self._columns_of_b(p, j, depth, width)
            with _rows_of(f, begin, end, step) as (i, rows):
                a, a_row, a_step = self._rows_of_a(i, p, depth, rows)
                c, c_row = self._sums(i, j, _minus(f, i, begin))
                start, start_row, start_next = self._start(i, j, p, c, c_row)
                operands = Operands(a, b, c, start, a_row, a_step, b_step, c_row, start_row, depth)
                self._call(operands, rows, j, width, b_next, start_next)
                if self.epilogue is not None:
                    self._finish(i, j, p, depth, rows, width, c)

    # --- operands -------------------------------------------------------------------------------------------

    def _columns_of_b(
        self, p: ir.Value, j: ir.Value, depth: ir.Value, width: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Where columns of B stand, bytes from row to row, bytes from tile to tile."""
        f, plan, (step, column) = self.f, self.plan, self.product.b_strides
        column = 1 if self.product.n == 1 else column
        b = self._at(self.b, p, step, j, column)
        first = plan.strips[0][0]
        if isinstance(first, Dots):
            return b, ir.index(column * self.size), ZERO
        if plan.panels_b is None:
            return b, ir.index(step * self.size), ir.index(first.tile.columns * self.size)
        panels = plan.panels_b
        apart = ir.index(panels.depth(min(plan.depth, self.product.k)) * panels.row_bytes)
        distance = ir.index((column if panels.transposed else step) * self.size)
        fill(f, panels, b, self.scratch, distance, width, depth, apart)
        return self.scratch, ir.index(panels.row_bytes), apart

    def _rows_of_a(
        self, i: ir.Value, p: ir.Value, depth: ir.Value, rows: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Where rows of A stand, bytes from row to row, bytes from k to k."""
        f, panels, (row, step) = self.f, self.plan.panels_a, self.product.a_strides
        a = self._at(self.a, i, row, p, step)
        if panels is None:
            return a, ir.index(row * self.size), ir.index(step * self.size)
        place = f.advance(self.scratch, ir.index(self.product._memory()[0]))
        if isinstance(panels, Rows):
            apart = ir.index(panels.pitch(min(self.plan.depth, self.product.k)))
            f.call(
                rows_function(f.module, panels),
                "void",
                a,
                place,
                ir.index(row * self.size),
                rows,
                depth,
                apart,
            )
            return place, apart, ir.index(self.size)
        distance = ir.index(step * self.size)
        fill(f, panels, a, place, distance, rows, depth, ZERO)
        return place, ir.index(self.size), ir.index(panels.row_bytes)

    def _sums(self, i: ir.Value, j: ir.Value, row: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Where sums are stored: in C, or with an epilogue in scratch memory."""
        f, product, plan = self.f, self.product, self.plan
        if self.epilogue is None:
            return self._at(self.c, i, product.c_stride, j, 1), ir.index(product.c_stride * self.size)
        place = self._sum_place()
        bytes = self._sum_row()
        return place if product.k <= plan.depth else f.advance(place, _times(f, row, bytes)), ir.index(bytes)

    def _sum_row(self) -> int:
        return _up(min(self.product.n, self.plan.width) * self.size, LINE)

    def _start(
        self, i: ir.Value, j: ir.Value, p: ir.Value, c: ir.Value, c_row: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """What sums start with: the caller's choice in the first block of k, what is there in the others."""
        f, first = self.f, self.plan.strips[0][0]
        tile = ir.index((1 if isinstance(first, Dots) else first.tile.columns) * self.size)
        if self.start is None:
            given = (_zeros(f.module), ZERO, ZERO)
        else:
            place = self._at(self.start.pointer, i, self.start.row, j, 1)
            given = (place, ir.index(self.start.row * self.size), tile)
        if self.product.k <= self.plan.depth:
            return given
        fresh = f.compare("icmp eq", p, ZERO)
        pairs = zip(given, (c, c_row, tile), strict=True)
        pointer, row, apart = (f.select(fresh, x, y) for x, y in pairs)
        return pointer, row, apart

    def _at(self, pointer: ir.Value, i: ir.Value, row: int, j: ir.Value, column: int) -> ir.Value:
        """The address of an element."""
        f = self.f
        distances = (_times(f, i, row * self.size), _times(f, j, column * self.size))
        return f.advance(pointer, *(d for d in distances if d.name != "0"))

    # --- calls ----------------------------------------------------------------------------------------------

    def _call(
        self,
        operands: Operands,
        rows: ir.Value,
        j: ir.Value,
        width: ir.Value,
        b_next: ir.Value,
        start_next: ir.Value,
    ) -> None:
        """The strips side by side; only the last block of columns has any left over."""
        f, plan, n = self.f, self.plan, self.product.n
        first = plan.strips[0][0]
        if not isinstance(first, Strip):
            name = (
                dots_function(f.module, first) if isinstance(first, Dots) else lines_function(f.module, first)
            )
            f.call(name, "void", *operands, rows, width, b_next, start_next)
            return
        done, whole = ZERO, n
        for strip, rest in plan.strips:
            assert isinstance(strip, Strip)
            here, whole = whole - rest, rest
            columns = self._share(j, width, here, rest, strip is first)
            self._strip(strip, operands, done, rows, columns, b_next, start_next)
            done = _plus(f, done, columns)

    def _share(self, j: ir.Value, width: ir.Value, here: int, rest: int, main: bool) -> ir.Value:
        """How many columns of a block are a strip's."""
        if self.product.n <= self.plan.width:
            return ir.index(here)
        f = self.f
        if main:
            return f.intrinsic("smin", "i64", width, _minus(f, ir.index(here), j))
        last = f.compare("icmp eq", f.binary("add", j, width), ir.index(self.product.n))
        return f.select(last, ir.index(here), ZERO)

    def _strip(
        self, strip: Strip, operands: Operands, done: ir.Value, rows: ir.Value, columns: ir.Value,
        b_next: ir.Value, start_next: ir.Value,
    ) -> None:  # fmt: skip
        """One strip, its columns beginning after those that are done."""
        f, first = self.f, self.plan.strips[0][0]
        assert isinstance(first, Strip)
        across = _times(f, done, self.size)
        c = operands.c if done is ZERO else f.advance(operands.c, across)
        b, start, tile = operands.b, operands.start, strip.tile.columns
        if done is not ZERO:
            b = self._after(b, done, across, b_next, first.tile.columns)
            start = start if start_next is ZERO else f.advance(start, self._if_moving(start_next, across))
        if strip is not first:
            start_next = self._if_moving(start_next, ir.index(tile * self.size))
            b_next = ir.index(tile * self.size)
        if self.epilogue is not None and strip.tile.masked:
            # Rows of scratch memory end with a whole line. A vector that was stored whole is loaded at once.
            strip = strip.changed(padded=True)
        name = strip_function(f.module, strip)
        f.call(name, "void", *operands._replace(b=b, c=c, start=start), rows, columns, b_next, start_next)

    def _after(self, b: ir.Value, done: ir.Value, across: ir.Value, b_next: ir.Value, tile: int) -> ir.Value:
        """Where columns of B begin after those that are done, within panels too."""
        f = self.f
        if self.plan.panels_b is None:
            return f.advance(b, across)
        full = f.binary("sdiv", done, ir.index(tile))
        within = _minus(f, done, f.binary("mul", full, ir.index(tile)))
        return f.advance(b, f.binary("mul", full, b_next), _times(f, within, self.size))

    def _if_moving(self, start_next: ir.Value, distance: ir.Value) -> ir.Value:
        """A distance among what the sums start with: none if that is the same for all columns."""
        if start_next is ZERO:
            return ZERO
        if start_next.name.isdigit():
            return distance
        return self.f.select(self.f.compare("icmp eq", start_next, ZERO), ZERO, distance)

    def _transposed(self, begin: ir.Value, end: ir.Value) -> None:
        """A matrix stored by columns times a vector: the vector is the row of A, rows are columns."""
        f, product = self.f, self.product
        count = f.binary("sub", end, begin)
        a, b = self._at(self.a, begin, 1, ZERO, 0), self.b
        a_step, b_step = (
            ir.index(product.a_strides[1] * self.size),
            ir.index(product.b_strides[0] * self.size),
        )
        if self.epilogue is None:
            c = self._at(self.c, begin, 1, ZERO, 0)
        else:
            c = self._sum_place()
        start, start_next = self._vector_start(begin, end)
        operands = Operands(b, a, c, start, ZERO, b_step, a_step, ZERO, ZERO, ir.index(product.k))
        for strip in _range_strips(self.plan.strips):
            count, operands = self._range(strip, operands, count, 1, start_next)
        if self.epilogue is not None:
            self._finish_column(begin, end)

    def _narrow(self, i: ir.Value, rows: ir.Value) -> None:
        """A block of rows, transposed and turned back."""
        f, product, pitch = self.f, self.product, _pitch(self.plan, self.size)
        panels = self.plan.turned
        assert panels is not None
        a, place = self._at(self.a, i, 1, ZERO, 0), f.advance(self.scratch, ir.index(product._memory()[0]))
        strides = (product.b_strides[1], product.b_strides[0], product.a_strides[1])
        b_row, b_step, a_step = (ir.index(s * self.size) for s in strides)
        k, count = ir.index(product.k), rows
        operands = Operands(
            self.b, a, self.scratch, _zeros(f.module), b_row, b_step, a_step, ir.index(pitch), ZERO, k
        )
        for strip in _range_strips(self.plan.strips):
            count, operands = self._range(strip, operands, count, product.n, False)
        fill(f, panels, self.scratch, place, ir.index(pitch), ir.index(product.n), rows, ZERO)
        with f.loop(ZERO, rows, 1) as loop:
            row = f.binary("add", i, loop.index)
            source = f.advance(place, _times(f, loop.index, panels.row_bytes))
            c = self._at(self.c, row, product.c_stride, ZERO, 0)
            with self._apart((source, c, _plus(f, self.first_row, row))) as (inside, (sums, to, at)):
                inside._finish_row(sums, to, at, ZERO, ir.index(product.n))

    def _vector_start(self, begin: ir.Value, end: ir.Value) -> tuple[ir.Value, bool]:
        """Where sums start, and whether that moves from row to row; scattered numbers are collected first."""
        if self.start is None:
            return _zeros(self.f.module), False
        first = self._at(self.start.pointer, begin, self.start.row, ZERO, 0)
        if self.start.row == 1:
            return first, True
        f, element, place = self.f, self.product.arithmetic.element, self._sum_place()
        with f.loop(ZERO, f.binary("sub", end, begin), 1) as loop:
            number = f.load(element, self._at(first, loop.index, self.start.row, ZERO, 0), self.size)
            f.store(number, f.offset(place, element, loop.index), self.size)
        return place, True

    def _sum_place(self) -> ir.Value:
        """Where sums stand in scratch memory."""
        return self.f.advance(self.scratch, ir.index(self.product._memory()[1]))

    def _range(
        self, strip: Strip, operands: Operands, count: ir.Value, rows: int, moving: bool
    ) -> tuple[ir.Value, Operands]:
        """As many of the columns that are left as the strip's tiles cover."""
        f, tile, width = self.f, strip.tile, ir.index(strip.tile.columns)
        here = count
        if not tile.masked:
            here = f.binary("sub", count, f.binary("srem", count, width))
        elif tile.vectors > 1:
            covered = f.binary("add", count, ir.index(tile.lanes - 1))
            covered = f.binary("sub", covered, f.binary("srem", covered, width))
            here = f.intrinsic("smin", "i64", count, covered)
        apart, bytes = ir.index(tile.columns * self.size), _times(f, here, self.size)
        f.call(
            strip_function(f.module, strip),
            "void",
            *operands,
            ir.index(rows),
            here,
            apart,
            apart if moving else ZERO,
        )
        start = f.advance(operands.start, bytes) if moving else operands.start
        moved = operands._replace(b=f.advance(operands.b, bytes), c=f.advance(operands.c, bytes), start=start)
        return f.binary("sub", count, here), moved

    # --- epilogue -------------------------------------------------------------------------------------------

    def _finish(
        self,
        i: ir.Value,
        j: ir.Value,
        p: ir.Value,
        depth: ir.Value,
        rows: ir.Value,
        width: ir.Value,
        sums: ir.Value,
    ) -> None:
        """After the last block of k: sums go through the epilogue to C."""
        f = self.f
        values = (sums, self.c, i, j, rows, width, self.first_row)
        with _when(f, self._is_last(p, depth)), self._apart(values) as (inside, given):
            inside._finish_rows(*given)

    @contextmanager
    def _apart(self, given: Sequence[ir.Value]) -> Iterator[tuple[_Writer, Sequence[ir.Value]]]:
        """Where sums go through the epilogue: here, or in a function of its own, given these values."""
        if self.apart is None:
            yield self, given
            return
        with self.apart(given) as (f, epilogue, values):
            inside = copy.copy(self)
            inside.f, inside.epilogue = f, epilogue
            yield inside, values

    def _finish_rows(
        self, sums: ir.Value, c: ir.Value, i: ir.Value, j: ir.Value, rows: ir.Value, width: ir.Value,
        first_row: ir.Value,
    ) -> None:  # fmt: skip
        """The rows of a block."""
        f = self.f
        with f.loop(ZERO, rows, 1) as loop:
            row = f.binary("add", i, loop.index)
            target = self._at(c, row, self.product.c_stride, j, 1)
            source = f.advance(sums, _times(f, loop.index, self._sum_row()))
            self._finish_row(source, target, _plus(f, first_row, row), j, width)

    def _is_last(self, p: ir.Value, depth: ir.Value) -> ir.Value | None:
        if self.product.k <= self.plan.depth:
            return None
        f = self.f
        return f.compare("icmp eq", f.binary("add", p, depth), ir.index(self.product.k))

    def _finish_row(
        self, source: ir.Value, target: ir.Value, row: ir.Value, j: ir.Value, width: ir.Value
    ) -> None:
        """One row, in vectors."""
        for begin, end, lanes, mask in _pieces(self.f, self.product, width):
            f = self.f
            type = ir.vector(self.product.arithmetic.element, lanes)
            with f.loop(begin, end, lanes) as loop:
                chosen = None if mask is None else mask(loop.index)
                here = None if chosen is None else chosen.here(f)
                element = self.product.arithmetic.element
                value = f.load(type, f.offset(source, element, loop.index), self.size)
                if self.plan.method == "narrow" and self.start is not None:
                    value = f.binary("fadd", value, self._started(type, row, loop.index, here))
                result: ir.Value | None = value
                if self.epilogue is not None:
                    result = self.epilogue(f, value, row, _plus(f, j, loop.index), here)
                if result is None:
                    continue
                place = f.offset(target, element, loop.index)
                if here is None:
                    f.store(result, place, self.size)
                else:
                    f.masked_store(result, place, here, self.size)

    def _started(self, type: str, row: ir.Value, column: ir.Value, mask: ir.Value | None) -> ir.Value:
        """What sums start with, where they are turned back: added last."""
        assert self.start is not None
        place = self._at(self.start.pointer, _minus(self.f, row, self.first_row), self.start.row, column, 1)
        if mask is None:
            return self.f.load(type, place, self.size)
        return self.f.masked_load(type, place, mask, self.size)

    def _finish_column(self, begin: ir.Value, end: ir.Value) -> None:
        """The only column, number by number: its rows are not neighbours in other arrays."""
        with self._apart((self._sum_place(), self.c, begin, end, self.first_row)) as (inside, given):
            inside._finish_numbers(*given)

    def _finish_numbers(
        self, sums: ir.Value, c: ir.Value, begin: ir.Value, end: ir.Value, first_row: ir.Value
    ) -> None:
        assert self.epilogue is not None
        f, element = self.f, self.product.arithmetic.element
        with f.loop(begin, end, 1) as loop:
            place = f.offset(sums, element, f.binary("sub", loop.index, begin))
            value = f.load(element, place, self.size)
            result = self.epilogue(f, value, _plus(f, first_row, loop.index), ZERO, None)
            if result is not None:
                f.store(result, self._at(c, loop.index, 1, ZERO, 0), self.size)


def _range_strips(strips: Sequence[tuple[Strip | Dots | Lines, int]]) -> Iterator[Strip]:
    """Strips for any number of columns: the wide one, single vectors, and what is less than a vector."""
    wide = strips[0][0]
    assert isinstance(wide, Strip)
    kind, lanes = wide.tile.arithmetic, wide.tile.lanes
    if wide.tile.vectors > 1:
        yield wide
    if kind.masks and lanes > 1:
        yield wide.changed(vectors=1, masked=True)
        return
    while lanes:
        yield wide.changed(vectors=1, lanes=lanes, masked=False)
        lanes //= 2


def _pieces(
    f: ir.Function, product: Product, width: ir.Value
) -> Iterator[tuple[ir.Value, ir.Value, int, Callable[[ir.Value], Mask] | None]]:
    """Begin, end, lanes and mask of the loops that cover a row: one, where masks cost nothing."""
    kind = product.arithmetic
    lanes = _power(min((product.host or this_host()).lanes(product.dtype), product.n), kind.masks)

    def mask(index: ir.Value) -> Mask:
        return kind.mask(f, f.binary("sub", width, index), lanes)

    even = product.n % lanes == 0 and (product.n <= product.plan.width or product.plan.width % lanes == 0)
    if even or kind.mask_registers:
        yield ZERO, width, lanes, None if even else mask
        return
    whole = _minus(f, width, f.binary("srem", width, ir.index(lanes)))
    yield ZERO, whole, lanes, None
    yield whole, width, lanes if kind.masks else 1, mask if kind.masks else None


# --- small things -------------------------------------------------------------------------------------------


@contextmanager
def _blocks_of(f: ir.Function, total: int, size: int) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Begin and extent of every block; no loop if there is one."""
    if total <= size:
        yield ZERO, ir.index(total)
        return
    with f.loop(ZERO, ir.index(total), size) as loop:
        left = f.binary("sub", ir.index(total), loop.index)
        yield loop.index, f.intrinsic("smin", "i64", left, ir.index(size))


@contextmanager
def _rows_of(
    f: ir.Function, begin: ir.Value, end: ir.Value, step: int
) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Begin and extent of every block of rows; all at once if the step is 0."""
    if not step:
        yield begin, f.binary("sub", end, begin)
        return
    with f.loop(begin, end, step) as loop:
        yield loop.index, f.intrinsic("smin", "i64", f.binary("sub", end, loop.index), ir.index(step))


@contextmanager
def _when(f: ir.Function, condition: ir.Value | None) -> Iterator[None]:
    """Code that runs only if a condition holds; no condition always does."""
    if condition is None:
        yield
        return
    yes, after = f.new_label("yes"), f.new_label("after")
    f.branch(condition, yes, after)
    f.start(yes)
    yield
    f.jump(after)
    f.start(after)


def _times(f: ir.Function, value: ir.Value, factor: int) -> ir.Value:
    if value.name.lstrip("-").isdigit() or factor == 0:
        return ir.index(int(value.name) * factor) if factor else ZERO
    return value if factor == 1 else f.binary("mul", value, ir.index(factor))


def _plus(f: ir.Function, a: ir.Value, b: ir.Value) -> ir.Value:
    if a.name == "0" or b.name == "0":
        return b if a.name == "0" else a
    return f.binary("add", a, b)


def _minus(f: ir.Function, a: ir.Value, b: ir.Value) -> ir.Value:
    if b.name == "0":
        return a
    return ZERO if a == b else f.binary("sub", a, b)


def _aligned(f: ir.Function, pointer: ir.Value) -> ir.Value:
    """The first address of a cache line from here on."""
    number = f.binary("add", f.cast("ptrtoint", pointer, "i64"), ir.index(LINE - 1))
    return f.cast("inttoptr", f.binary("and", number, ir.index(-LINE)), "ptr")


def _zeros(module: ir.Module) -> ir.Value:
    """The address of zeros, as many as the widest tile has columns."""
    text = f"@{ZEROS} = internal constant [{8 * LINE} x i8] zeroinitializer, align {LINE}"
    if text not in module.globals:
        module.globals.append(text)
    return ir.Value(f"@{ZEROS}", "ptr")
