r"""Panels: a copy of a block of a matrix in the order in which the tiles of a product read it.

A panel is w columns wide; its rows stand one after the other without gaps,

.. math:: P_{p}[k, j] = B[k,\; p\,w + j], \qquad 0 \le j < w,

so that a block of B lies in cache as a whole, whatever the strides of B. From row-major memory a panel is a
copy; from column-major memory blocks of lanes × lanes numbers are transposed in registers on the way.
"""

from __future__ import annotations

from typing import NamedTuple

from wengert.native import ir
from wengert.native.tiles import AHEAD, LINE, ZERO, Arithmetic, has, prefetch

PARAMS = [
    ("source", "ptr"),
    ("target", "ptr"),
    ("step", "i64"),
    ("columns", "i64"),
    ("depth", "i64"),
    ("next", "i64"),
]


class Panels(NamedTuple):
    """Panels of so many vectors of so many lanes, out of rows or, ``transposed``, out of columns."""

    arithmetic: Arithmetic
    vectors: int
    lanes: int
    transposed: bool

    @property
    def width(self) -> int:
        """Columns of one panel."""
        return self.vectors * self.lanes

    @property
    def type(self) -> str:
        """One vector."""
        return ir.vector(self.arithmetic.element, self.lanes)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a panel."""
        return self.width * self.arithmetic.size

    def depth(self, k: int) -> int:
        """Rows that memory is needed for, for k rows: whole blocks are written."""
        return -(-k // self.lanes) * self.lanes

    def nbytes(self, columns: int, k: int) -> int:
        """Memory for so many columns and k rows."""
        return -(-columns // self.width) * self.depth(k) * self.row_bytes


class Rows(NamedTuple):
    """Rows as they are, so many at a time, but so far apart that they do not crowd the cache."""

    arithmetic: Arithmetic
    width: int
    lanes: int

    @property
    def type(self) -> str:
        """One vector."""
        return ir.vector(self.arithmetic.element, self.lanes)

    def pitch(self, k: int) -> int:
        """Bytes from row to row: an odd number of cache lines."""
        lines = -(-k * self.arithmetic.size // LINE)
        return LINE * (lines + 1 - lines % 2)

    def nbytes(self, rows: int, k: int) -> int:
        """Memory for so many rows of k numbers."""
        return rows * self.pitch(k)


def rows_function(module: ir.Module, rows: Rows) -> str:
    """The function that copies rows, written once per module.

    Its arguments are those of a panel's: rows of A are columns of it, and ``next`` is from row to row of the
    copy.
    """
    name = f"rows.{rows.arithmetic.element}.{rows.lanes}"
    if not has(module, name):
        f = module.function(name, "void", PARAMS, "internal")
        with f.loop(ZERO, f.param("columns"), 1, [f.param("source"), f.param("target")]) as loop:
            _copy_plain(f, rows, *loop.first)
            loop.next = [
                f.advance(p, f.param(name)) for p, name in zip(loop.first, ("step", "next"), strict=True)
            ]
        f.ret()
    return name


def _copy_plain(f: ir.Function, rows: Rows, source: ir.Value, target: ir.Value) -> None:
    """One row: whole vectors, then the numbers that are left; the row after it is asked for."""
    element, size = rows.arithmetic.element, rows.arithmetic.size
    whole = f.binary("sub", f.param("depth"), ir.index(rows.lanes - 1))
    with f.loop(ZERO, whole, rows.lanes) as loop:
        place = f.offset(source, element, loop.index)
        prefetch(f, f.advance(place, f.param("step")))
        f.store(f.load(rows.type, place, size), f.offset(target, element, loop.index), size)
    with f.loop(loop.index, f.param("depth"), 1) as rest:
        number = f.load(element, f.offset(source, element, rest.index), size)
        f.store(number, f.offset(target, element, rest.index), size)


def fill(f: ir.Function, panels: Panels, *arguments: ir.Value) -> None:
    """Fill panels by a function that is written once per module.

    Its arguments: where the source begins and the panels go, the bytes from one row of the source (one
    column, if transposed) to the next, how many columns and rows, and the bytes from one panel to the next.
    Nothing outside the source is read.
    """
    if panels.transposed:
        f.call(_columns_function(f.module, panels), "void", *arguments, ir.index(panels.width))
    else:
        f.call(_rows_function(f.module, panels), "void", *arguments)


def _rows_function(module: ir.Module, panels: Panels) -> str:
    name = f"panels.rows.{panels.arithmetic.element}.{panels.vectors}x{panels.lanes}"
    if not has(module, name):
        f = module.function(name, "void", PARAMS, "internal")
        f.counted_plainly = True
        _from_rows(f, panels)
        f.ret()
    return name


def _columns_function(module: ir.Module, panels: Panels) -> str:
    """One function for panels of any width."""
    name = f"panels.columns.{panels.arithmetic.element}.{panels.lanes}"
    if not has(module, name):
        f = module.function(name, "void", [*PARAMS, ("width", "i64")], "internal")
        f.counted_plainly = True
        _from_columns(f, panels)
        f.ret()
    return name


# --- rows ---------------------------------------------------------------------------------------------------


def _from_rows(f: ir.Function, panels: Panels) -> None:
    target, source = f.param("target"), f.param("source")
    with f.loop(ZERO, f.param("depth"), 1, [source, target]) as rows:
        _copy_row(f, panels, *rows.first)
        rows.next = [
            f.advance(rows.first[0], f.param("step")),
            f.advance(rows.first[1], ir.index(panels.row_bytes)),
        ]


def _copy_row(f: ir.Function, panels: Panels, source: ir.Value, target: ir.Value) -> None:
    limit = f.param("columns")
    if not panels.arithmetic.masks:
        limit = f.binary("sub", limit, ir.index(panels.width - 1))
    with f.loop(ZERO, limit, panels.width, [source, target]) as across:
        source, target = across.first
        _copy_vectors(f, panels, source, target, across.index)
        across.next = [
            f.advance(across.first[0], ir.index(panels.row_bytes)),
            f.advance(across.first[1], f.param("next")),
        ]
    if not panels.arithmetic.masks:
        source, target = across.state
        _copy_numbers(f, panels, source, target, across.index)


def _copy_vectors(
    f: ir.Function, panels: Panels, source: ir.Value, target: ir.Value, first: ir.Value
) -> None:
    size, ahead = panels.arithmetic.size, f.binary("mul", f.param("step"), ir.index(AHEAD))
    for line in range(0, panels.row_bytes, LINE):
        prefetch(f, f.advance(source, ahead, ir.index(line)))
    for v in range(panels.vectors):
        distance = ir.index(v * panels.lanes * size)
        left = f.binary("sub", f.param("columns"), f.binary("add", first, ir.index(v * panels.lanes)))
        value = _first(f, panels, f.advance(source, distance), left)
        f.store(value, f.advance(target, distance), size)


def _copy_numbers(
    f: ir.Function, panels: Panels, source: ir.Value, target: ir.Value, first: ir.Value
) -> None:
    element, size = panels.arithmetic.element, panels.arithmetic.size
    with f.loop(first, f.param("columns"), 1, [source, target]) as loop:
        f.store(f.load(element, loop.first[0], size), loop.first[1], size)
        loop.next = [f.advance(p, ir.index(size)) for p in loop.first]


def _first(f: ir.Function, panels: Panels, pointer: ir.Value, count: ir.Value) -> ir.Value:
    """A vector of which only the lanes below a count are read, where there are masks; else all of them."""
    if not panels.arithmetic.masks:
        return f.load(panels.type, pointer, panels.arithmetic.size)
    count = f.intrinsic("smax", "i64", count, ZERO)
    mask = f.first_lanes(count, panels.lanes, 8 * panels.arithmetic.size)
    return f.masked_load(panels.type, pointer, mask, panels.arithmetic.size)


# --- columns ------------------------------------------------------------------------------------------------


def _from_columns(f: ir.Function, panels: Panels) -> None:
    width, columns = f.param("width"), f.param("columns")
    count = f.binary("sdiv", f.binary("add", columns, f.binary("sub", width, ir.index(1))), width)
    with f.loop(ZERO, count, 1, [f.param("target")]) as loop:
        first = f.binary("mul", loop.index, width)
        end = f.intrinsic("smin", "i64", f.binary("add", first, width), columns)
        with f.loop(first, end, panels.lanes, loop.first) as inner:
            _columns(f, panels, inner.index, inner.first[0])
            inner.next = [f.advance(inner.first[0], ir.index(panels.lanes * panels.arithmetic.size))]
        loop.next = [f.advance(loop.first[0], f.param("next"))]


def _columns(f: ir.Function, panels: Panels, first: ir.Value, target: ir.Value) -> None:
    """As many columns as a vector has lanes, all rows; where there are fewer, the last one several times."""
    last = f.binary("sub", f.param("columns"), ir.index(1))
    numbers = [
        f.intrinsic("smin", "i64", f.binary("add", first, ir.index(i)), last) for i in range(panels.lanes)
    ]
    starts = [f.advance(f.param("source"), f.binary("mul", i, f.param("step"))) for i in numbers]
    size, depth = panels.arithmetic.size, f.param("depth")
    row_bytes = f.binary("mul", f.param("width"), ir.index(size))
    limit = depth if panels.arithmetic.masks else f.binary("sub", depth, ir.index(panels.lanes - 1))
    with f.loop(ZERO, limit, panels.lanes, [target]) as loop:
        left = f.binary("sub", depth, loop.index)
        places = [f.offset(p, panels.arithmetic.element, loop.index) for p in starts]
        rows = transpose(f, [_first(f, panels, p, left) for p in places])
        place = loop.first[0]
        for row in rows:
            f.store(row, place, size)
            place = f.advance(place, row_bytes)
        loop.next = [place]
    if not panels.arithmetic.masks:
        _last_rows(f, panels, starts, loop.state[0], loop.index, row_bytes)


def _last_rows(
    f: ir.Function, panels: Panels, starts: list[ir.Value], target: ir.Value, first: ir.Value,
    row_bytes: ir.Value,
) -> None:  # fmt: skip
    element, size = panels.arithmetic.element, panels.arithmetic.size
    with f.loop(first, f.param("depth"), 1, [target]) as loop:
        for i, p in enumerate(starts):
            value = f.load(element, f.offset(p, element, loop.index), size)
            f.store(value, f.advance(loop.first[0], ir.index(i * size)), size)
        loop.next = [f.advance(loop.first[0], row_bytes)]


def transpose(f: ir.Function, rows: list[ir.Value]) -> list[ir.Value]:
    """A square of numbers in vectors, transposed: halves change places, then halves of the halves."""
    lanes, rows = len(rows), list(rows)
    distance = lanes // 2
    while distance:
        for i in (i for i in range(lanes) if not i & distance):
            a, b = rows[i], rows[i + distance]
            low = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
            rows[i] = f.shuffle(a, b, low)
            rows[i + distance] = f.shuffle(a, b, [lane + distance for lane in low])
        distance //= 2
    return rows
