r"""Factors in three parts of eight binary digits, in the order in which a matrix unit reads them.

A float32 number has 24 binary digits; a bfloat16 number has the same exponents and the first eight. So

.. math:: x = x_1 + x_2 + x_3, \qquad
          x_1 = \lfloor x \rceil_8, \quad x_2 = \lfloor x - x_1 \rceil_8, \quad x_3 = x - x_1 - x_2,

where :math:`\lfloor x \rceil_8` is x rounded to eight digits, and every difference is exact; so
:math:`|x_2| \le 2^{-8} |x_1|` and :math:`|x_3| \le 2^{-16} |x_1|`. The parts of a block stand in tiles of 16
lines (rows of A, columns of B) and 32 steps of k, those of one tile one after the other. A pair of k, the
i-th and the one 16 further on, is one word of 32 bits: in a tile of A the words of a line are neighbours, in
one of B those of all lines. What is beyond the block is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wengert.native.machine import ir
from wengert.native.machine.underflow import Underflow
from wengert.native.product.tiles import ZERO, has, prefetch

LINES, DEPTH, PARTS = 16, 32, 3  # of a tile: rows or columns, steps of k; and parts of a number
ROW = 64  # bytes of a row of a tile
TILE = LINES * ROW
STEP = PARTS * TILE  # bytes from one tile to the next along k
SIDE = 2 * LINES  # lines that are written together: those of two tiles
AHEAD = 4  # rows of memory between asking for one and reading it
BIAS, DIGITS = 127, 23  # of exponents in memory; after the point
UNFIT = -1024
NUMBERS, WORDS = "<16 x float>", "<16 x i32>"
PARAMS = [
    ("source", "ptr"), ("target", "ptr"),
    *((name, "i64") for name in ("step", "rows", "columns", "down", "across", "least", "most")),
]  # fmt: skip


class Limits(NamedTuple):
    """Exponents of the numbers that are fit: of one, and of the least of A and the least of B together."""

    least: int
    most: int
    together: int

    @property
    def bits(self) -> tuple[int, int]:
        """The least number with one taken off and the greatest, as whole numbers of 31 bits."""
        return max(0, (BIAS + self.least << DIGITS) - 1), BIAS + self.most << DIGITS

    @property
    def sum(self) -> int:
        """Of the two exponents as `split_function` gives them."""
        return 2 * BIAS + self.together


LIMITS = {
    # No part is less than the smallest normal number, and of no product of numbers a digit that counts.
    Underflow.GRADUAL: Limits(-100, 50, -100),
    # Parts and products that are too small are zero, as numbers are.
    Underflow.ABRUPT: Limits(-BIAS, 50, -2 * BIAS),
}


class Split(NamedTuple):
    """Which way a block is read: ``along`` if k runs along memory, as in a tile of A; else as in one of B."""

    along: bool

    @property
    def name(self) -> str:
        """The function's name."""
        return f"split.{'lines' if self.along else 'pairs'}"

    @property
    def rows(self) -> int:
        """Rows of memory that a tile has."""
        return LINES if self.along else DEPTH

    @property
    def columns(self) -> int:
        """Neighbours in memory that a tile has."""
        return DEPTH if self.along else LINES


def panel_bytes(depth: int) -> int:
    """Memory for the parts of 16 lines, and lines of the cache between them: alike places do not crowd it."""
    return -(-depth // DEPTH) * STEP + PARTS * ROW


def split_function(module: ir.Module, split: Split) -> str:
    """The function that writes the parts of a block, once per module, and says how fit its numbers are.

    Its arguments: where the block begins and its parts go, the bytes from one row of memory to the next, how
    many rows and columns, and how many bytes apart tiles are that are one below or beside the other in
    memory; ``least`` and ``most`` are the bits of `Limits`. The result is the exponent of the least number,
    as it is in memory, with zero as the greatest; `UNFIT` where one is beyond the limits. Nothing outside the
    block is read.
    """
    if not has(module, split.name):
        f = module.function(split.name, "i64", PARAMS, "internal")
        extremes = _down(f, split, [ir.constant(-1, WORDS), ir.constant(0, WORDS)])
        f.ret(_exponent(f, *extremes))
    return split.name


def _down(f: ir.Function, split: Split, extremes: list[ir.Value]) -> list[ir.Value]:
    """All tiles, row of memory by row of memory."""
    start = [f.param("source"), f.param("target"), *extremes]
    with f.loop(ZERO, _whole(f, f.param("rows")), split.rows, start) as tiles:
        source, target, *extremes = tiles.first
        with f.loop(ZERO, ir.index(LINES), 1, [source, target, *extremes]) as rows:
            place, to, *extremes = rows.first
            left = f.binary("sub", f.param("rows"), f.binary("add", tiles.index, rows.index))
            extremes = _across(f, split, place, to, left, extremes)
            rows.next = [f.advance(place, f.param("step")), f.advance(to, ir.index(ROW)), *extremes]
        further = f.binary("mul", f.param("step"), ir.index(split.rows))
        tiles.next = [f.advance(source, further), f.advance(target, f.param("down")), *rows.state[2:]]
    return tiles.state[2:]


def _across(
    f: ir.Function, split: Split, source: ir.Value, target: ir.Value, left: ir.Value,
    extremes: list[ir.Value],
) -> list[ir.Value]:  # fmt: skip
    """The words of a row of memory, or of two that make pairs, of which so many rows are left."""
    columns, far = f.param("columns"), f.binary("mul", f.param("step"), ir.index(LINES))
    apart = ir.index(ROW) if split.along else far
    ends = [_if_any(f, left, columns)] * 2
    if not split.along:
        ends[1] = _if_any(f, f.binary("sub", left, ir.index(LINES)), columns)
    with f.loop(ZERO, _whole(f, columns), split.columns, [source, target, *extremes]) as loop:
        place, to, *extremes = loop.first
        begins = [loop.index, f.binary("add", loop.index, ir.index(LINES)) if split.along else loop.index]
        numbers = [
            _numbers(f, f.advance(place, *[apart] * i), f.binary("sub", ends[i], begins[i])) for i in (0, 1)
        ]
        for part, words in enumerate(_parts(f, numbers)):
            f.store(words, f.advance(to, ir.index(part * TILE)), ROW)
        further = ir.index(4 * split.columns)
        loop.next = [
            f.advance(place, further),
            f.advance(to, f.param("across")),
            *_extremes(f, numbers, extremes),
        ]
    return loop.state[2:]


def _whole(f: ir.Function, count: ir.Value) -> ir.Value:
    """A count rounded up to whole tiles, of lines to an even number of them."""
    return f.binary("and", f.binary("add", count, ir.index(SIDE - 1)), ir.index(-SIDE))


def _if_any(f: ir.Function, left: ir.Value, count: ir.Value) -> ir.Value:
    return f.select(f.compare("icmp sgt", left, ZERO), count, ZERO)


def _numbers(f: ir.Function, place: ir.Value, count: ir.Value) -> ir.Value:
    """A vector, of which the numbers below a count are read; a later row of memory is asked for."""
    prefetch(f, f.advance(place, f.binary("mul", f.param("step"), ir.index(AHEAD))))
    count = f.intrinsic("smin", "i64", f.intrinsic("smax", "i64", count, ZERO), ir.index(LINES))
    bits = f.binary("add", f.binary("shl", ir.index(1), count), ir.index(-1))
    mask = f.cast("bitcast", f.cast("trunc", bits, "i16"), "<16 x i1>")
    return f.masked_load(NUMBERS, place, mask, 4)


def _parts(f: ir.Function, numbers: Sequence[ir.Value]) -> Iterator[ir.Value]:
    """The words of the first, second and third parts of two vectors."""
    for _ in range(PARTS - 1):
        firsts = [_rounded(f, f.cast("bitcast", x, WORDS)) for x in numbers]
        yield _pairs(f, *firsts)
        numbers = [
            f.binary("fsub", x, f.cast("bitcast", first, NUMBERS))
            for x, first in zip(numbers, firsts, strict=True)
        ]
    yield _pairs(f, *(f.cast("bitcast", x, WORDS) for x in numbers))


def _rounded(f: ir.Function, bits: ir.Value) -> ir.Value:
    """Numbers by their bits, rounded to eight digits."""
    half, kept = ir.constant(1 << 15, WORDS), ir.constant(-1 << 16, WORDS)
    return f.binary("and", f.binary("add", bits, half), kept)


def _pairs(f: ir.Function, low: ir.Value, high: ir.Value) -> ir.Value:
    return f.binary("or", f.binary("lshr", low, ir.constant(LINES, WORDS)), high)


def _extremes(f: ir.Function, numbers: Sequence[ir.Value], extremes: Sequence[ir.Value]) -> list[ir.Value]:
    """The least absolute value with one taken off, which makes zero the greatest; and the greatest."""
    least, most = extremes
    for x in numbers:
        size = f.binary("and", f.cast("bitcast", x, WORDS), ir.constant((1 << 31) - 1, WORDS))
        least = f.intrinsic("umin", WORDS, least, f.binary("add", size, ir.constant(-1, WORDS)))
        most = f.intrinsic("umax", WORDS, most, size)
    return [least, most]


def _exponent(f: ir.Function, least: ir.Value, most: ir.Value) -> ir.Value:
    low, high = (f.cast("trunc", f.param(name), "i32") for name in ("least", "most"))
    small = f.call("llvm.vector.reduce.umin.v16i32", "i32", least)
    great = f.call("llvm.vector.reduce.umax.v16i32", "i32", most)
    fit = f.binary("and", f.compare("icmp uge", small, low), f.compare("icmp ule", great, high))
    exponent = f.binary("lshr", f.cast("zext", small, "i64"), ir.index(DIGITS))
    return f.select(fit, exponent, ir.index(UNFIT))
