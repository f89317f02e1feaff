r"""Matrix products, generated for their shape.

.. math:: C_{ij} = \varphi_{ij}\Big( S_{ij} + \sum_{k} A_{ik} B_{kj} \Big)

A and B are read through any strides; C is row-major. S is zero, what C held, or a bias; :math:`\varphi` is an
epilogue, code that sees every sum once, while it is in the first cache, and says what is stored: a bias and
an activation, the derivative of an activation, the update of a weight.

How a product is computed is a `Plan`, made from its shape and the processor alone
(`wengert.native.product.plans`). Most are covered with register tiles (`wengert.native.product.tiles`); where
both factors run along k and A has few rows, elements are dot products (`wengert.native.product.dots`); where
A is one row and B outgrows the first cache, B is read by whole vectors of memory
(`wengert.native.product.lines`); where B runs along k otherwise, or outgrows the cache, blocks of it are
copied to panels first (`wengert.native.product.packing`). Large products of float32 numbers are left to the
processor's matrix unit, where it has one (`wengert.native.product.units`). The inner functions are shared by
all products of a module; here are the loops over blocks of columns, of k and of rows around them, and the
epilogue.

Rows may be divided among threads in any way, or columns between tiles: each element is summed by one thread
in one order, so the division cannot be seen in the result.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from wengert.native.machine import ir
from wengert.native.machine.host import LINE, this_host
from wengert.native.product.dots import Dots, dots_function
from wengert.native.product.lines import Lines, lines_function
from wengert.native.product.packing import Panels, Rows, fill, rows_function
from wengert.native.product.plans import UNIT, Product, power_of_two
from wengert.native.product.splits import BIAS, DEPTH, LIMITS, SIDE, STEP, Split, panel_bytes, split_function
from wengert.native.product.tiles import ZERO, Mask, Operands, Strip, strip_function
from wengert.native.product.units import SUM_BYTES, configured, unit_function

Epilogue = Callable[[ir.Function, ir.Value, ir.Value, ir.Value, "ir.Value | None"], "ir.Value | None"]
"""(function, sums, row, column of the first lane, lanes that take part or None) to what is stored, if any."""
Inside = tuple[ir.Function, Epilogue, Sequence[ir.Value]]
Apart = Callable[[Sequence[ir.Value]], AbstractContextManager[Inside]]
POINTERS = ("a", "b", "c", "scratch")
ZEROS = "product.zeros"


class Start(NamedTuple):
    """What the sums start with: an array like C, its rows so many elements apart (0: one row for all)."""

    pointer: ir.Value
    row: int


def write_function(
    module: ir.Module,
    product: Product,
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
    given = None if start == "zero" else Start(f.param("c"), product.c_stride)
    a, b, c, scratch = (f.param(p) for p in POINTERS)
    begin, end = f.param("begin"), f.param("end")
    write_rows(f, product, a, b, c, scratch, begin, end, epilogue, given)
    f.ret()
    return name


def write_rows(
    f: ir.Function, product: Product, a: ir.Value, b: ir.Value, c: ir.Value, scratch: ir.Value,
    begin: ir.Value, end: ir.Value, epilogue: Epilogue | None = None, start: Start | None = None,
    apart: Apart | None = None,
) -> None:  # fmt: skip
    """Write the product into a function, for rows from ``begin`` to ``end``, or for these columns.

    ``apart(values)`` opens another function for the epilogue, which is given these values.
    """
    if product.m == 0 or product.n == 0 or product.batch == 0:
        return
    scratch = _aligned(f, scratch)
    if product.batch == 1:
        _Writer(f, product, a, b, c, scratch, epilogue, start, ZERO, apart).write(begin, end)
        return
    m, size = ir.index(product.m), product.arithmetic.size
    last = f.binary("sdiv", f.binary("add", end, ir.index(product.m - 1)), m)
    with f.loop(f.binary("sdiv", begin, m), last, 1) as loop:
        first = f.binary("mul", loop.index, m)
        a, b, c = (
            f.advance(p, _times(f, loop.index, s * size))
            for p, s in zip((a, b, c), product.batch_strides, strict=True)
        )
        if start is not None and start.row:
            start = Start(
                f.advance(start.pointer, _times(f, loop.index, product.batch_strides[2] * size)), start.row
            )
        low = f.intrinsic("smax", "i64", f.binary("sub", begin, first), ZERO)
        high = f.intrinsic("smin", "i64", f.binary("sub", end, first), m)
        _Writer(f, product, a, b, c, scratch, epilogue, start, first, apart).write(low, high)


# --- blocks -------------------------------------------------------------------------------------------------


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
        if self.plan.method == UNIT:
            with configured(self.f), _rows_of(self.f, begin, end, self.plan.rows) as (i, rows):
                self._by_unit(i, rows)
            return
        f, product, plan = self.f, self.product, self.plan
        step = plan.rows if plan.panels_a is not None or self.epilogue is not None else 0
        columns = ZERO, ir.index(product.n)
        if product.across:
            columns, (begin, end) = (begin, end), (ZERO, ir.index(product.m))
        with (
            _blocks_of(f, *columns, product.n, plan.width) as (j, width),
            _blocks_of(f, ZERO, ir.index(product.k), product.k, plan.depth) as (p, depth),
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
        place, row, apart = self._panels_where(plan.panels_b)
        distance = ir.index((column if plan.panels_b.transposed else step) * self.size)
        fill(f, plan.panels_b, b, place, distance, width, depth, apart)
        return place, row, apart

    def _panels_where(self, panels: Panels) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Where panels of B stand, bytes from row to row and from panel to panel."""
        apart = panels.depth(min(self.plan.depth, self.product.k)) * panels.row_bytes
        return self.scratch, ir.index(panels.row_bytes), ir.index(apart)

    def _rows_of_a(
        self, i: ir.Value, p: ir.Value, depth: ir.Value, rows: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Where rows of A stand, bytes from row to row, bytes from k to k."""
        f, panels, (row, step) = self.f, self.plan.panels_a, self.product.a_strides
        a = self._at(self.a, i, row, p, step)
        if panels is None:
            return a, ir.index(row * self.size), ir.index(step * self.size)
        place = f.advance(self.scratch, ir.index(self.product.scratch.copies))
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
        bytes = self.product.sum_row
        return place if product.k <= plan.depth else f.advance(place, _times(f, row, bytes)), ir.index(bytes)

    def _start(
        self, i: ir.Value, j: ir.Value, p: ir.Value, c: ir.Value, c_row: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """What sums start with: the caller's choice in the first block of k, what is there in the others."""
        f, first = self.f, self.plan.strips[0][0]
        tile = ir.index((1 if isinstance(first, Dots) else first.tile.columns) * self.size)
        if self.start is None or self.plan.method == UNIT:
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
            done = f.binary("add", done, columns)

    def _share(self, j: ir.Value, width: ir.Value, here: int, rest: int, main: bool) -> ir.Value:
        """How many columns of a block are a strip's."""
        if self.product.n <= self.plan.width and not self.product.across:
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
        f, k, (_, step), along = self.f, self.product.k, self.product.a_strides, self.product.b_strides[0]
        steps = ir.index(along * self.size), ir.index(step * self.size)
        c = self._at(self.c, begin, 1, ZERO, 0) if self.epilogue is None else self._sum_place()
        given = self._vector_start(begin, end)
        with _blocks_of(f, ZERO, ir.index(k), k, self.plan.depth) as (p, depth):
            a, b = self._at(self.a, begin, 1, p, step), self._at(self.b, p, along, ZERO, 0)
            start, moving = given
            if k > self.plan.depth:
                fresh = f.compare("icmp eq", p, ZERO)
                start, moving = f.select(fresh, start, c), f.select(fresh, moving, ir.index(1))
            count = f.binary("sub", end, begin)
            operands = Operands(b, a, c, start, ZERO, *steps, ZERO, ZERO, depth)
            for strip in _range_strips(self.plan.strips):
                count, operands = self._range(strip, operands, count, 1, moving)
        if self.epilogue is not None:
            self._finish_column(begin, end)

    def _narrow(self, i: ir.Value, rows: ir.Value) -> None:
        """A block of rows, transposed and turned back."""
        f, product, pitch = self.f, self.product, self.plan.pitch(self.size)
        panels = self.plan.turned
        assert panels is not None
        a, place = self._at(self.a, i, 1, ZERO, 0), f.advance(self.scratch, ir.index(product.scratch.copies))
        strides = (product.b_strides[1], product.b_strides[0], product.a_strides[1])
        b_row, b_step, a_step = (ir.index(s * self.size) for s in strides)
        k, count = ir.index(product.k), rows
        operands = Operands(
            self.b, a, self.scratch, _zeros(f.module), b_row, b_step, a_step, ir.index(pitch), ZERO, k
        )
        for strip in _range_strips(self.plan.strips):
            count, operands = self._range(strip, operands, count, product.n, ZERO)
        fill(f, panels, self.scratch, place, ir.index(pitch), ir.index(product.n), rows, ZERO)
        with f.loop(ZERO, rows, 1) as loop:
            row = f.binary("add", i, loop.index)
            source = f.advance(place, _times(f, loop.index, panels.row_bytes))
            c = self._at(self.c, row, product.c_stride, ZERO, 0)
            with self._apart((source, c, f.binary("add", self.first_row, row))) as (inside, (sums, to, at)):
                inside._finish_row(sums, to, at, ZERO, ir.index(product.n))

    def _vector_start(self, begin: ir.Value, end: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Where sums start, and 1 if that moves with the row; scattered numbers are collected first."""
        if self.start is None:
            return _zeros(self.f.module), ZERO
        first = self._at(self.start.pointer, begin, self.start.row, ZERO, 0)
        if self.start.row == 1:
            return first, ir.index(1)
        f, element, place = self.f, self.product.arithmetic.element, self._sum_place()
        with f.loop(ZERO, f.binary("sub", end, begin), 1) as loop:
            number = f.load(element, self._at(first, loop.index, self.start.row, ZERO, 0), self.size)
            f.store(number, f.offset(place, element, loop.index), self.size)
        return place, ir.index(1)

    def _sum_place(self, row: ir.Value = ZERO) -> ir.Value:
        """Where sums stand in scratch memory, those of a row of the block."""
        place = self.f.advance(self.scratch, ir.index(self.product.scratch.sums))
        return self.f.advance(place, _times(self.f, row, self.product.sum_row))

    def _range(
        self, strip: Strip, operands: Operands, count: ir.Value, rows: int, moving: ir.Value
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
            f.binary("mul", moving, apart),
        )
        start = f.advance(operands.start, f.binary("mul", moving, bytes))
        moved = operands._replace(b=f.advance(operands.b, bytes), c=f.advance(operands.c, bytes), start=start)
        return f.binary("sub", count, here), moved

    # --- matrix unit ----------------------------------------------------------------------------------------

    def _by_unit(self, i: ir.Value, rows: ir.Value) -> None:
        """A block of rows: for all columns first the sums of all blocks of k, then the epilogue."""
        f, product, plan = self.f, self.product, self.plan
        end = f.binary("add", i, rows)
        n, k = ir.index(product.n), ir.index(product.k)
        with _blocks_of(f, ZERO, n, product.n, plan.width) as (j, width):
            with _blocks_of(f, ZERO, k, product.k, plan.depth) as (p, depth):
                least_b = self._split_b(p, j, depth, width)
                with _rows_of(f, i, end, SIDE) as (r, high):
                    c, c_row = self._sum_place(_minus(f, r, i)), ir.index(product.sum_row)
                    start, start_row, start_next = self._start(r, j, p, c, c_row)
                    a, a_row = self._lines_of_a(r, p, depth, high)
                    step = ir.index(self.size)
                    operands = Operands(a, a, c, start, a_row, step, ZERO, c_row, start_row, depth)
                    least = f.binary("add", least_b, self._split_a(a, a_row, depth, high))
                    limit = ir.index(LIMITS[product.underflow].sum)
                    with _when(f, f.compare("icmp sge", least, limit)):
                        self._call_unit(operands, high, width, start_next)
                    with _when(f, f.compare("icmp slt", least, limit)):
                        b, b_step, b_next = self._panels_of_b(p, j, depth, width)
                        operands = operands._replace(b=b, b_step=b_step)
                        self._call(operands, high, j, width, b_next, start_next)
            values = (self._sum_place(), self.c, i, j, rows, width, self.first_row)
            with self._apart(values) as (inside, given):
                inside._finish_rows(*given)

    def _call_unit(self, operands: Operands, rows: ir.Value, width: ir.Value, start_next: ir.Value) -> None:
        """As many rows as two tiles have, from their parts."""
        f, (first, second, tiles) = self.f, self._parts
        steps = f.binary("sdiv", f.binary("add", operands.depth, ir.index(DEPTH - 1)), ir.index(DEPTH))
        f.call(
            unit_function(f.module), "void", first, second, operands.c, operands.start, tiles,
            ir.index(self._panel), steps, rows, width, operands.c_row, operands.start_row, start_next,
        )  # fmt: skip

    @property
    def _panel(self) -> int:
        return panel_bytes(min(self.plan.depth, self.product.k))

    @property
    def _parts(self) -> list[ir.Value]:
        """Where the parts of A and B and the sums of tiles stand."""
        return [self.f.advance(self.scratch, ir.index(place)) for place in self.product.scratch.parts]

    @property
    def _limits(self) -> list[ir.Value]:
        return [ir.index(bits) for bits in LIMITS[self.product.underflow].bits]

    def _split_b(self, p: ir.Value, j: ir.Value, depth: ir.Value, width: ir.Value) -> ir.Value:
        """The parts of a block of B, and the exponent of the least of its numbers."""
        f, (step, column), limits = self.f, self.product.b_strides, self._limits
        name, target, across = split_function(f.module, Split(False)), self._parts[1], ir.index(self._panel)
        f.store(ir.index(int(column != 1)), self._are_panels, LINE)
        if column == 1:
            b, b_step = self._at(self.b, p, step, j, 1), ir.index(step * self.size)
            return f.call(name, "i64", b, target, b_step, depth, width, ir.index(STEP), across, *limits)
        b, b_step, b_next = self._columns_of_b(p, j, depth, width)
        with f.loop(ZERO, width, SIDE, [b, target, ir.index(2 * BIAS)]) as loop:
            b, target, least = loop.first
            columns = f.intrinsic("smin", "i64", _minus(f, width, loop.index), ir.index(SIDE))
            here = f.call(name, "i64", b, target, b_step, depth, columns, ir.index(STEP), across, *limits)
            least = f.intrinsic("smin", "i64", least, here)
            loop.next = [f.advance(b, b_next), f.advance(target, across, across), least]
        return loop.state[2]

    @property
    def _are_panels(self) -> ir.Value:
        """Where it stands whether there are panels of this block of B (1)."""
        return self.f.advance(self._parts[2], ir.index(SUM_BYTES))

    def _panels_of_b(
        self, p: ir.Value, j: ir.Value, depth: ir.Value, width: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Panels of B for the strips, copied when they are first asked for."""
        f, place, panels = self.f, self._are_panels, self.plan.panels_b
        assert panels is not None
        with _when(f, f.compare("icmp eq", f.load("i64", place, LINE), ZERO)):
            self._columns_of_b(p, j, depth, width)
            f.store(ir.index(1), place, LINE)
        return self._panels_where(panels)

    def _lines_of_a(
        self, i: ir.Value, p: ir.Value, depth: ir.Value, rows: ir.Value
    ) -> tuple[ir.Value, ir.Value]:
        """Where so many rows of A stand, along k, and bytes from row to row."""
        f, panels, (row, step) = self.f, self.plan.panels_a, self.product.a_strides
        a = self._at(self.a, i, row, p, step)
        if not isinstance(panels, Panels):
            return a, ir.index(row * self.size)
        place = f.advance(self.scratch, ir.index(self.product.scratch.copies))
        fill(f, panels, a, place, ir.index(step * self.size), depth, rows, ZERO)
        return place, ir.index(panels.row_bytes)

    def _split_a(self, a: ir.Value, a_row: ir.Value, depth: ir.Value, rows: ir.Value) -> ir.Value:
        """The parts of these rows, and the exponent of the least of their numbers."""
        f, down, across = self.f, ir.index(self._panel), ir.index(STEP)
        name = split_function(f.module, Split(True))
        return f.call(name, "i64", a, self._parts[0], a_row, rows, depth, down, across, *self._limits)

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
            source = f.advance(sums, _times(f, loop.index, self.product.sum_row))
            self._finish_row(source, target, f.binary("add", first_row, row), j, width)

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
                if self.plan.method in ("narrow", UNIT) and self.start is not None:
                    column = f.binary("add", j, loop.index)
                    value = f.binary("fadd", value, self._started(type, row, column, here))
                result: ir.Value | None = value
                if self.epilogue is not None:
                    result = self.epilogue(f, value, row, f.binary("add", j, loop.index), here)
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
            result = self.epilogue(f, value, f.binary("add", first_row, loop.index), ZERO, None)
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
    lanes = power_of_two(min((product.host or this_host()).lanes(product.dtype), product.n), kind.masks)

    def mask(index: ir.Value) -> Mask:
        return kind.mask(f, f.binary("sub", width, index), lanes)

    even = product.n % lanes == 0 and (product.n <= product.plan.width or product.plan.width % lanes == 0)
    if even or kind.mask_registers:
        yield ZERO, width, lanes, None if even else mask
        return
    whole = _minus(f, width, f.binary("srem", width, ir.index(lanes)))
    yield ZERO, whole, lanes, None
    yield whole, width, lanes if kind.masks else 1, mask if kind.masks else None


@contextmanager
def _blocks_of(
    f: ir.Function, begin: ir.Value, end: ir.Value, most: int, size: int
) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Begin and extent of every block; no loop if there is one at most."""
    if most <= size:
        yield begin, f.binary("sub", end, begin)
        return
    with f.loop(begin, end, size) as loop:
        left = f.binary("sub", end, loop.index)
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
    return f.binary("mul", value, ir.index(factor))


def _minus(f: ir.Function, a: ir.Value, b: ir.Value) -> ir.Value:
    return ZERO if a == b else f.binary("sub", a, b)


def _zeros(module: ir.Module) -> ir.Value:
    """The address of zeros, as many as the widest tile has columns."""
    text = f"@{ZEROS} = internal constant [{8 * LINE} x i8] zeroinitializer, align {LINE}"
    if text not in module.globals:
        module.globals.append(text)
    return ir.Value(f"@{ZEROS}", "ptr")


def _aligned(f: ir.Function, pointer: ir.Value) -> ir.Value:
    """The first address of a cache line from here on."""
    number = f.binary("add", f.cast("ptrtoint", pointer, "i64"), ir.index(LINE - 1))
    return f.cast("inttoptr", f.binary("and", number, ir.index(-LINE)), "ptr")
