r"""A vector times a matrix whose rows follow one another in memory, read by whole vectors of memory.

.. math:: c_j = s_j + \sum_k a_k B_{kj}

Such a product takes as long as its loads, and a load that begins anywhere else than at a multiple of the
vector's size touches two lines of the cache. So tiles begin where a vector of memory begins, ``lead`` numbers
before a row of B. The first vector there belongs to two rows: its first lanes to the end of row k - 1, where
the tile has the last columns too, the others to the beginning of row k; the one number that it is multiplied
by comes from two places as well. Where a matrix begins in memory cannot be seen in the result: the sum of an
element is one chain in ascending k.
"""

from __future__ import annotations

from typing import NamedTuple

from wengert.native.machine import ir
from wengert.native.product.tiles import (
    AHEAD,
    EXTENTS,
    OPERANDS,
    ZERO,
    Mask,
    Operands,
    Tile,
    ask,
    has,
    load,
    store,
    write_tile,
)


class Lines(NamedTuple):
    """So many tiles of one row side by side, and one of the vectors that are left over."""

    tile: Tile
    tiles: int
    rest: int

    @property
    def name(self) -> str:
        """The function's name."""
        tile = self.tile
        kind = f"lines.{tile.arithmetic.element}.{self.tiles}x{tile.vectors}-{self.rest}x{tile.lanes}"
        return f"{kind}.asks" if tile.asks else kind


def lines_function(module: ir.Module, lines: Lines) -> str:
    """The function, written once per module; its arguments are a strip's."""
    if not has(module, lines.name):
        params = [*OPERANDS, *((name, "i64") for name in EXTENTS)]
        f = module.function(lines.name, "void", params, "internal")
        with f.loop(ZERO, f.param("rows"), 1):
            _write(f, lines, Operands(*(f.param(name) for name, _ in OPERANDS)))
        f.ret()
    return lines.name


def _write(f: ir.Function, lines: Lines, operands: Operands) -> None:
    tile, size = lines.tile, lines.tile.arithmetic.size
    place = f.cast("ptrtoint", operands.b, "i64")
    lead = f.binary("and", place, ir.index(tile.lanes * size - 1))
    moving = f.compare("icmp ne", f.param("start_next"), ZERO)
    back = f.select(moving, lead, ZERO)
    operands = operands._replace(
        b=_before(f, operands.b, lead),
        c=_before(f, operands.c, lead),
        start=_before(f, operands.start, back),
    )
    ends = tile.arithmetic.mask(f, f.binary("sdiv", lead, ir.index(size)), tile.lanes)
    _first_tile(f, tile, operands, ends, f.select(moving, operands.b_step, ZERO))
    if lines.tiles > 1:
        with f.loop(ir.index(1), ir.index(lines.tiles), 1) as loop:
            write_tile(f, tile, _further(f, tile, operands, loop.index))
    if lines.rest:
        rest = tile._replace(vectors=lines.rest)
        write_tile(f, rest, _further(f, tile, operands, ir.index(lines.tiles)))


def _before(f: ir.Function, pointer: ir.Value, distance: ir.Value) -> ir.Value:
    return f.advance(pointer, f.binary("sub", ZERO, distance))


def _further(f: ir.Function, tile: Tile, operands: Operands, number: ir.Value) -> Operands:
    """The operands of another tile of the row."""
    across = f.binary("mul", number, ir.index(tile.columns * tile.arithmetic.size))
    start = f.binary("mul", f.param("start_next"), number)
    b, c, start = (
        f.advance(p, d)
        for p, d in zip((operands.b, operands.c, operands.start), (across, across, start), strict=True)
    )
    return operands._replace(b=b, c=c, start=start)


def _first_tile(f: ir.Function, tile: Tile, operands: Operands, ends: Mask, around: ir.Value) -> None:
    """The tile whose first vector ends and begins rows; ``around`` leads to what sums of ends start with."""
    begins = Mask(f.binary("xor", ends.value, ir.constant(-1, ends.value.type)), ends.signs)
    sums = [load(f, tile.type, p, tile.arithmetic.size, None) for p in _vectors(f, tile, operands.start)[1:]]
    both = [
        load(f, tile.type, p, tile.arithmetic.size, mask)
        for p, mask in ((operands.start, begins), (f.advance(operands.start, around), ends))
    ]
    first = f.select(ends.here(f), both[1], both[0])
    sums = _run(f, tile, operands, [first, *sums], ends, begins)
    places = _vectors(f, tile, operands.c)
    for place, value in zip(places[1:], sums[1:], strict=True):
        store(f, value, place, tile.arithmetic.size, None)
    store(f, sums[0], operands.c, tile.arithmetic.size, begins)
    store(f, sums[0], f.advance(operands.c, operands.b_step), tile.arithmetic.size, ends)


def _vectors(f: ir.Function, tile: Tile, first: ir.Value) -> list[ir.Value]:
    width = tile.lanes * tile.arithmetic.size
    return [f.advance(first, ir.index(v * width)) for v in range(tile.vectors)]


def _run(
    f: ir.Function, tile: Tile, operands: Operands, sums: list[ir.Value], ends: Mask, begins: Mask
) -> list[ir.Value]:
    """All rows of B: the first has no row before it, and after the last its end is left."""
    before = _number(f, tile, operands.a)
    after = _add(f, tile, operands.b, before, before, sums, begins)
    after[0] = f.select(begins.here(f), after[0], sums[0])
    state = [*(f.advance(p, s) for p, s in _steps(operands)), before, *after]
    ahead = f.binary("mul", operands.b_step, ir.index(AHEAD))
    with f.loop(ir.index(1), operands.depth, 1, state) as loop:
        a, b, before, *sums = loop.first
        if tile.asks:
            ask(f, tile, f.advance(b, ahead))
        now = _number(f, tile, a)
        mixed = f.select(ends.here(f), before, now)
        sums = _add(f, tile, b, mixed, now, sums, None)
        moved = (f.advance(p, s) for p, s in _steps(operands._replace(a=a, b=b)))
        loop.next = [*moved, now, *sums]
    _, b, before, *sums = loop.state
    last = load(f, tile.type, b, tile.arithmetic.size, ends)
    last = tile.arithmetic.multiply_add(f, before, last, sums[0])
    return [f.select(ends.here(f), last, sums[0]), *sums[1:]]


def _steps(operands: Operands) -> tuple[tuple[ir.Value, ir.Value], tuple[ir.Value, ir.Value]]:
    return (operands.a, operands.a_step), (operands.b, operands.b_step)


def _number(f: ir.Function, tile: Tile, a: ir.Value) -> ir.Value:
    """A number of the vector in every lane."""
    return f.splat(f.load(tile.arithmetic.element, a, tile.arithmetic.size), tile.lanes)


def _add(
    f: ir.Function, tile: Tile, row: ir.Value, first: ir.Value, others: ir.Value, sums: list[ir.Value],
    mask: Mask | None,
) -> list[ir.Value]:  # fmt: skip
    """A row of B added to the sums; the mask is the first vector's."""
    factors, masks = [first, *[others] * (tile.vectors - 1)], [mask, *[None] * (tile.vectors - 1)]
    return [
        tile.arithmetic.multiply_add(f, a, load(f, tile.type, place, tile.arithmetic.size, m), s)
        for a, place, m, s in zip(factors, _vectors(f, tile, row), masks, sums, strict=True)
    ]
