r"""Products whose factors both run along k in memory: every element is a dot product, and k fills the lanes.

.. math:: C_{ij} = C_{ij} + \sum_{l} \Big( \sum_{k \equiv l} A_{ik} B_{kj} \Big)

The lanes' sums run in ascending k; at the end halves of the lanes are added to each other until one is left,
always in the same order. Nothing is copied, which is worth it while A has few rows: then a copy of B costs
more than adding up lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wengert.native.machine import ir
from wengert.native.product.tiles import EXTENTS, OPERANDS, ZERO, Arithmetic, Operands, blocks_of_rows, has


class Dots(NamedTuple):
    """Blocks of so many rows and columns at a time; what is left over is done one by one."""

    arithmetic: Arithmetic
    rows: int
    columns: int
    lanes: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"dots.{self.arithmetic.element}.{self.rows}x{self.columns}x{self.lanes}"

    @property
    def type(self) -> str:
        """One vector."""
        return ir.vector(self.arithmetic.element, self.lanes)


def dots_function(module: ir.Module, dots: Dots) -> str:
    """The function, written once per module; its arguments are a strip's, ``b_step`` between columns."""
    if not has(module, dots.name):
        params = [*OPERANDS, *((name, "i64") for name in EXTENTS)]
        f = module.function(dots.name, "void", params, "internal")
        _write_rows(f, dots, Operands(*(f.param(name) for name, _ in OPERANDS)))
        f.ret()
    return dots.name


def _sizes(size: int) -> tuple[int, ...]:
    return (size, 1) if size > 1 else (1,)


def _write_rows(f: ir.Function, dots: Dots, operands: Operands) -> None:
    for rows, here in blocks_of_rows(f, _sizes(dots.rows), operands):
        _write_columns(f, dots._replace(rows=rows), here)


def _write_columns(f: ir.Function, dots: Dots, operands: Operands) -> None:
    done, bases = ZERO, [operands.b, operands.c, operands.start]
    for columns in _sizes(dots.columns):
        limit = f.binary("sub", f.param("columns"), ir.index(columns - 1))
        with f.loop(done, limit, columns, bases) as loop:
            b, c, start = loop.first
            _block(f, dots._replace(columns=columns), operands._replace(b=b, c=c, start=start))
            width = ir.index(columns * dots.arithmetic.size)
            start_width = f.binary("mul", f.param("start_next"), ir.index(columns))
            steps = (f.binary("mul", operands.b_step, ir.index(columns)), width, start_width)
            loop.next = [f.advance(p, step) for p, step in zip(loop.first, steps, strict=True)]
        done, bases = loop.index, loop.state


def _block(f: ir.Function, dots: Dots, operands: Operands) -> None:
    a = _spaced(f, operands.a, operands.a_row, dots.rows)
    b = _spaced(f, operands.b, operands.b_step, dots.columns)
    sums = _run(f, dots, a, b, operands.depth)
    c_rows = _spaced(f, operands.c, operands.c_row, dots.rows)
    start_rows = _spaced(f, operands.start, operands.start_row, dots.rows)
    for i, value in enumerate(sums):
        row, column = divmod(i, dots.columns)
        start = f.advance(start_rows[row], f.binary("mul", f.param("start_next"), ir.index(column)))
        value = f.binary("fadd", f.load(dots.arithmetic.element, start, dots.arithmetic.size), value)
        f.store(value, f.advance(c_rows[row], ir.index(column * dots.arithmetic.size)), dots.arithmetic.size)


def _spaced(f: ir.Function, first: ir.Value, distance: ir.Value, count: int) -> list[ir.Value]:
    places = [first]
    while len(places) < count:
        places.append(f.advance(places[-1], distance))
    return places


def _run(f: ir.Function, dots: Dots, a: list[ir.Value], b: list[ir.Value], depth: ir.Value) -> list[ir.Value]:
    zero = ir.Value("zeroinitializer" if dots.lanes > 1 else "0.0", dots.type)
    masks = dots.arithmetic.masks and dots.lanes > 1
    limit = depth if masks else f.binary("sub", depth, ir.index(dots.lanes - 1))
    with f.loop(ZERO, limit, dots.lanes, [zero] * (len(a) * len(b))) as loop:
        mask = (
            f.first_lanes(f.binary("sub", depth, loop.index), dots.lanes, 8 * dots.arithmetic.size)
            if masks
            else None
        )
        loop.next = _products(f, dots, dots.type, a, b, loop.index, mask, loop.first)
    sums = add_lanes(f, loop.state)
    if masks or dots.lanes == 1:
        return sums
    with f.loop(loop.index, depth, 1, sums) as rest:
        rest.next = _products(f, dots, dots.arithmetic.element, a, b, rest.index, None, rest.first)
    return rest.state


def _products(
    f: ir.Function, dots: Dots, type: str, a: list[ir.Value], b: list[ir.Value], k: ir.Value,
    mask: ir.Value | None, sums: Sequence[ir.Value],
) -> list[ir.Value]:  # fmt: skip
    def read(pointer: ir.Value) -> ir.Value:
        place = f.offset(pointer, dots.arithmetic.element, k)
        size = dots.arithmetic.size
        return f.load(type, place, size) if mask is None else f.masked_load(type, place, mask, size)

    columns = [read(p) for p in b]
    pairs = [(x, y) for x in map(read, a) for y in columns]
    return [dots.arithmetic.multiply_add(f, x, y, s) for (x, y), s in zip(pairs, sums, strict=True)]


def add_lanes(f: ir.Function, vectors: Sequence[ir.Value]) -> list[ir.Value]:
    """The sum of the lanes of every vector: halves are added until one is left, two vectors at a time."""
    length, count, vectors = ir.lanes_of(vectors[0].type), len(vectors), list(vectors)
    while length > 1:
        length //= 2
        vectors = [_halves(f, vectors[i : i + 2], length) for i in range(0, len(vectors), 2)]
    return [s for v in vectors for s in _lanes(f, v)][:count]


def _halves(f: ir.Function, pair: list[ir.Value], length: int) -> ir.Value:
    """Every piece of twice a length, in one vector or two, becomes the sum of its halves."""
    lanes = ir.lanes_of(pair[0].type)
    starts = range(0, lanes * len(pair), 2 * length)
    low = [start + i for start in starts for i in range(length)]
    high = [lane + length for lane in low]
    return f.binary("fadd", f.shuffle(pair[0], pair[-1], low), f.shuffle(pair[0], pair[-1], high))


def _lanes(f: ir.Function, v: ir.Value) -> list[ir.Value]:
    if not v.type.startswith("<"):
        return [v]
    return [f.extract(v, i) for i in range(ir.lanes_of(v.type))]
