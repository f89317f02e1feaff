"""How a product is computed: by which method, with which tiles, in which blocks, with what copied first.

It follows from the shape, the strides and the processor alone: blocks of B stay in the second cache, rows of
A in the first, sums in registers, and what would be read often from far apart is copied together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from wengert.native.machine import ir
from wengert.native.machine.host import LINE, Host, this_host
from wengert.native.machine.underflow import Underflow
from wengert.native.product.dots import Dots
from wengert.native.product.lines import Lines
from wengert.native.product.packing import Panels, Rows
from wengert.native.product.splits import LINES, SIDE, panel_bytes
from wengert.native.product.tiles import Arithmetic, Strip, Tile, arithmetic
from wengert.native.product.units import SUM_BYTES as UNIT_BYTES

PAGE = 4096
STREAMS = 16
COPIED_ROWS = 24  # rows of A that are copied at a time
NARROW_ROWS = 256
MANY_ROWS = 64  # of a product, from which on the last few hardly count
SUM_BYTES = 16 * 1024  # of sums that wait for the epilogue, in the first cache
UNIT = "matrix unit"
SQUARE = 8  # lanes of the squares that are transposed: 16 are hardly faster, and take LLVM twice as long


@dataclass(frozen=True)
class Plan:
    """How a product is computed.

    Attributes
    ----------
    method : str
        ``tiles``; ``dots``; ``lines``; ``columns`` for a product of a matrix stored by columns and a vector,
        which is computed transposed; ``narrow`` if it is not a vector but has few columns: then blocks of
        the result are transposed back; ``matrix unit``, with strips for the numbers that are not fit for it.
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

    @property
    def copies(self) -> list[str]:
        """What is copied in any case: not what only strips of a product by the matrix unit read."""
        panels = {"A": self.panels_a, "B": self.panels_b}
        always = lambda p: p is not None and (self.method != UNIT or p.transposed)
        return [name for name, p in panels.items() if always(p)]

    def pitch(self, size: int) -> int:
        """Bytes from row to row of a block of a narrow product, transposed: an odd number of cache lines."""
        return round_up(self.rows * size, LINE) + LINE


class Scratch(NamedTuple):
    """What stands where, in bytes: after panels of B those of A, or a block that is turned; then sums.

    For the matrix unit before the sums the parts of A, of B, and the sums of two by two tiles; after these
    whether there are panels of B.
    """

    copies: int
    sums: int
    end: int
    parts: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Product:
    """A product of an m × k and a k × n matrix, or a batch of them.

    Strides are in elements: of A from row to row and column to column, of B the same, of C from row to row.
    With a ``batch``, ``batch_strides`` lead from matrix to matrix in A, B and C, and rows are counted through
    the whole batch. Where they are computed in parts, these begin at multiples of ``grain``. A product that
    is no batch may be computed in parts of its columns instead (``across``), at multiples of ``columns``.
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
    across: bool = False
    underflow: Underflow = Underflow.GRADUAL

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
        if plan.method == UNIT:
            return self._scratch_of_unit(b, depth, width)
        a = 0 if plan.panels_a is None else round_up(plan.panels_a.nbytes(plan.rows, depth), LINE)
        rows = self.m if self.k > plan.depth else min(self.m, plan.rows or self.m)
        return Scratch(b, b + a, b + a + rows * self.sum_row + LINE)

    def _scratch_of_unit(self, copies: int, depth: int, width: int) -> Scratch:
        plan, panel = self.plan, panel_bytes(depth)
        a = copies + (0 if plan.panels_a is None else plan.panels_a.nbytes(depth, SIDE))
        b = a + SIDE // LINES * panel
        tiles = b + round_up(width, SIDE) // LINES * panel
        sums = tiles + UNIT_BYTES + LINE
        rows = min(self.m, plan.rows)
        return Scratch(copies, sums, sums + rows * self.sum_row + LINE, (a, b, tiles))

    @property
    def sum_row(self) -> int:
        """Bytes from row to row of sums: whole lines, for the matrix unit an odd number of them."""
        lines = -(-min(self.n, self.plan.width) * self.arithmetic.size // LINE)
        return LINE * (lines + (1 - lines % 2 if self.plan.method == UNIT else 0))

    @property
    def scratch_bytes(self) -> int:
        """How much that is."""
        return self.scratch.end

    @property
    def columns(self) -> int:
        """So many columns are whole tiles, and whole lines of the cache."""
        first = self.plan.strips[0][0]
        block = first if isinstance(first, Dots) else first.tile
        return math.lcm(block.columns, LINE // self.arithmetic.size)

    def describe(self) -> dict[str, Any]:
        """The plan in words and numbers."""
        plan = self.plan
        first = plan.strips[0][0]
        block = first if isinstance(first, Dots) else first.tile
        across = f"{block.columns} columns" if isinstance(block, Dots) else f"{block.vectors} vectors"
        tile = f"{block.rows} rows × {across} of {block.lanes}"
        return {
            "method": plan.method,
            "tile": f"{SIDE} rows × {SIDE} columns" if plan.method == UNIT else tile,
            "depth": min(plan.depth, self.k),
            "width": min(plan.width, self.n),
            "copies": plan.copies,
            "scratch": self.scratch_bytes,
            "operations": 2 * self.batch * self.m * self.n * self.k,
        }


# --- methods ------------------------------------------------------------------------------------------------


def make_plan(product: Product) -> Plan:
    """The plan of a product."""
    m, n, k = product.m, product.n, product.k
    if is_for_unit(product):
        return _by_unit(product)
    a_row, a_step = product.a_strides
    b_step, b_column = product.b_strides
    along_a, along_b = a_step == 1 or k == 1, b_step == 1 or k == 1
    if n == 1 and m > 1 and a_row == 1 and product.c_stride == 1:
        far = k * m * product.arithmetic.size > _block_bytes(product.host or this_host())
        return Plan("columns", _column_strips(product, 1, 1, m), STREAMS if far else max(k, 1), n)
    if along_a and along_b and k > 1 and (n == 1 or (b_column != 1 and (m == 1 or k >= 8 * m))):
        return Plan("dots", ((_dots(product), n),), max(k, 1), n)
    if _is_narrow(product):
        lanes = min(SQUARE, power_of_two(n, True))
        back = Panels(product.arithmetic, -(-n // lanes), lanes, True)
        return Plan("narrow", _column_strips(product, n, n, NARROW_ROWS), k, n, NARROW_ROWS, turned=back)
    return _tiled(product)


def _is_narrow(product: Product) -> bool:
    """Whether A is stored by columns and C has too few to fill lanes, and k pays for turning C."""
    row, step = product.a_strides
    lanes = (product.host or this_host()).lanes(product.dtype)
    padded = round_up(product.n, lanes)
    few = 1 < product.n <= 16 and (padded == lanes or 4 * product.n <= 3 * padded)
    return row == 1 and step != 1 and few and product.m >= 2 * lanes > 2 and product.k >= 32


# --- matrix unit --------------------------------------------------------------------------------------------

UNIT_DEPTH = 128  # of a block: the parts of 32 rows and 32 columns are in the first cache together
# Nanoseconds, measured on Sapphire Rapids: of a multiply-add, by vectors and by the unit; of splitting a
# number of A and one of B, which goes through the second cache; of transposing one before; of an element of C
# for each block of k and at the end.
BY_VECTORS, BY_UNIT, SPLIT_A, SPLIT_B, TURN, ADD, FINISH = 0.0115, 0.005, 0.12, 0.25, 0.12, 0.03, 0.3
SAVED, SAVED_SHARE = 20_000, 0.15  # at least: what a product of some other shape costs to compile is 20 ms


def is_for_unit(product: Product) -> bool:
    """Whether the matrix unit computes a product, and so much sooner than vectors do that it pays."""
    host = product.host or this_host()
    if product.across or not (host.matrix_unit and product.arithmetic.element == "float"):
        return False
    whole = product.grain % SIDE == 0 or product.grain >= product.m
    if product.m < SIDE or not whole or 1 not in product.a_strides or 1 not in product.b_strides:
        return False
    vectors, unit = _times(product, host)
    return vectors - unit >= max(SAVED, SAVED_SHARE * vectors)


def _times(product: Product, host: Host) -> tuple[float, float]:
    """Nanoseconds by vectors and by the matrix unit: of one of two threads, each of which splits all of B."""
    m, n, k, side = -(-product.m // 2), product.n, product.k, _unit_side(host)
    a = SPLIT_A + TURN * (product.a_strides[1] != 1)
    b = SPLIT_B + TURN * (product.b_strides[1] != 1)
    unit = BY_UNIT * round_up(m, SIDE) * round_up(n, SIDE) * k + m * n * (FINISH + ADD * -(-k // UNIT_DEPTH))
    unit += a * m * k * -(-n // side) + b * n * k * -(-m // side)
    return product.batch * BY_VECTORS * m * n * k, product.batch * unit


def _unit_side(host: Host) -> int:
    """Rows and columns of the block of C whose sums are in half of the second cache."""
    return max(SIDE, math.isqrt(host.second_cache // 8) // SIDE * SIDE)


def _by_unit(product: Product) -> Plan:
    """What runs the other way than tiles are read is transposed, all of a block of B, and 32 rows of A."""
    kind, side = product.arithmetic, _unit_side(product.host or this_host())
    strips = _column_strips(product, product.m, math.gcd(product.m, SIDE), product.n)
    turned_a = None if product.a_strides[1] == 1 else Panels(kind, UNIT_DEPTH // SQUARE, SQUARE, True)
    return Plan(UNIT, strips, UNIT_DEPTH, side, side, turned_a, _unit_panels(product))


def _unit_panels(product: Product) -> Panels:
    """Of B, for the unit, or else for strips alone, which copy them when they are needed."""
    lanes = LINES if product.b_strides[1] == 1 else SQUARE
    return Panels(product.arithmetic, SIDE // lanes, lanes, product.b_strides[1] != 1)


# --- dot products -------------------------------------------------------------------------------------------


def _dots(product: Product) -> Dots:
    host = product.host or this_host()
    lanes = power_of_two(min(host.lanes(product.dtype), max(product.k, 1)), product.arithmetic.masks)
    high = 4 if host.registers >= 32 else 2
    row = (1, 8) if product.m == 1 and product.n >= 8 else (1, 4)
    rows, columns = (8, 1) if product.n < 4 else row if product.m < high else (high, 4)
    return Dots(product.arithmetic, rows, columns, lanes)


# --- tiles --------------------------------------------------------------------------------------------------


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
    one = product.m == 1 and not product.across
    return one and whole and far and tile.arithmetic.masks and tile.ways == 1


def _blocks(n: int, k: int, size: int, tile: int, host: Host) -> tuple[int, int]:
    """Blocks of k and of columns, balanced: twelve rows of A stay in the first cache, and B in the second."""
    row, block = host.first_cache // 16, _block_bytes(host)
    if k * n * size <= block * 4 // 3 and k * size <= 2 * row:
        return max(k, 1), n
    depth = round_up(-(-k // -(-k * size // row)), 8)
    widest = max(tile, block // (depth * size) // tile * tile)
    return depth, round_up(-(-n // -(-n // widest)), tile)


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
    far, large = step * size % PAGE == 0, product.k * product.n * size > block * 4 // 3
    often = product.m >= 64 or (far and large and product.m >= 24)
    if (far or large) and often and product.k * product.n * size > LINE * LINE * size:
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
    lanes = power_of_two(min(full, n), kind.masks)
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
    return max(1, min(4, power_of_two(8 // chains, False))) if chains < 8 and k >= 16 else 1


def _heights(rows: int, m: int, grain: int) -> Sequence[int]:
    """Rows of the tiles, and of those for what is left over of m rows, or of some multiple of a grain.

    What is left over of few rows is one tile: several lower ones would take longer.
    """
    if rows == 12 and grain == m < MANY_ROWS and m % rows > 4:
        return [rows, m % rows]
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
        lanes = min(lanes, power_of_two(rest, False)) if rest else lanes


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


def power_of_two(n: int, above: bool) -> int:
    """The power of two next to a number."""
    n = max(n, 1)
    return 1 << ((n - 1).bit_length() if above else n.bit_length() - 1)


def round_up(n: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-n // step) * step
