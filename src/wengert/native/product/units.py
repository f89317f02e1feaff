r"""A processor's matrix unit: tiles of the product from the parts of its factors.

With the parts :math:`a_i, b_j` of two numbers (`wengert.native.product.splits`), each :math:`2^{-8}` of the
one before or less, their product is to float32's accuracy the sum of six products of parts,

.. math:: a b = \underbrace{a_1 b_3 + a_1 b_2 + a_2 b_2 + a_2 b_1 + a_3 b_1}_{\text{added first}} + a_1 b_1
          + \epsilon, \qquad |\epsilon| \lesssim 2^{-23} |a b|,

each of which is exact in float32; what is left out has either sign. One instruction multiplies tiles of 16
lines and 32 steps of k and adds to 16 × 16 sums. The unit's registers hold eight tiles: four of the sums, two
of A and two of B. For a block of k the small products of all steps come first, so that they are rounded at
their own size, and the large ones then; blocks are added to each other in vector registers.

References
----------
*Intel 64 and IA-32 Architectures Software Developer's Manual* 1, 18: Advanced Matrix Extensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wengert.native.machine import ir
from wengert.native.product.splits import LINES, NUMBERS, ROW, SIDE, STEP, TILE
from wengert.native.product.tiles import ZERO, has

SMALL = ((0, 2), (0, 1), (1, 1), (1, 0), (2, 0))  # parts of A and B: from one to the next only one changes
LARGE = ((0, 0),)
A, B, SUMS = (4, 5), (6, 7), ((0, 1), (2, 3))  # registers
ROW_OF_SUMS = SIDE * 4  # bytes
SUM_BYTES = SIDE * ROW_OF_SUMS
CONFIGURATION = "unit.configuration"
PARAMS = [
    *((name, "ptr") for name in ("a", "b", "c", "start", "sums")),
    *((name, "i64") for name in ("panel", "steps", "rows", "columns", "c_row", "start_row", "start_next")),
]  # fmt: skip


@contextmanager
def configured(f: ir.Function) -> Iterator[None]:
    """Code that uses the unit: a thread says how large tiles are, and gives the registers back at the end."""
    f.call("llvm.x86.ldtilecfg", "void", _configuration(f.module))
    yield
    f.call("llvm.x86.tilerelease", "void")


def _configuration(module: ir.Module) -> ir.Value:
    """The first of two sets of registers: eight tiles, each 16 rows of 64 bytes."""
    told = bytes([1, *[0] * 15, *[ROW, 0] * 8, *[0] * 16, *[LINES] * 8, *[0] * 8])
    text = ", ".join(f"i8 {byte}" for byte in told)
    line = f"@{CONFIGURATION} = internal constant [{len(told)} x i8] [{text}], align {ROW}"
    if line not in module.globals:
        module.globals.append(line)
    return ir.Value(f"@{CONFIGURATION}", "ptr")


def unit_function(module: ir.Module) -> str:
    """The function that multiplies 32 rows of A by columns of B, written once per module.

    Its arguments: where the parts of A and B begin, C, what its sums start with, and room for the sums of two
    by two tiles; the bytes from 16 lines to the next, steps of k, how many rows and columns C has; the bytes
    from row to row of C and of the start, and of the start from one 32 columns to the next.
    """
    name = "unit"
    if not has(module, name):
        f = module.function(name, "void", PARAMS, "internal")
        bases = [f.param("b"), f.param("c"), f.param("start")]
        with f.loop(ZERO, f.param("columns"), SIDE, bases) as loop:
            b, c, start = loop.first
            _write_block(f, b)
            _add_block(f, c, start, f.binary("sub", f.param("columns"), loop.index))
            steps = (_twice(f, f.param("panel")), ir.index(ROW_OF_SUMS), f.param("start_next"))
            loop.next = [f.advance(p, step) for p, step in zip(loop.first, steps, strict=True)]
        f.ret()
    return name


def _write_block(f: ir.Function, b: ir.Value) -> None:
    """The sums of two by two tiles over a block of k."""
    for register in SUMS[0] + SUMS[1]:
        f.call("llvm.x86.tilezero", "void", _register(register))
    for products in (SMALL, LARGE):
        with f.loop(ZERO, f.param("steps"), 1, [f.param("a"), b]) as loop:
            _multiply(f, products, *loop.first)
            loop.next = [f.advance(p, ir.index(STEP)) for p in loop.first]
    for r, pair in enumerate(SUMS):
        for c, register in enumerate(pair):
            place = f.advance(f.param("sums"), ir.index(r * LINES * ROW_OF_SUMS + c * ROW))
            f.call("llvm.x86.tilestored64", "void", _register(register), place, ir.index(ROW_OF_SUMS))


def _multiply(f: ir.Function, products: Sequence[tuple[int, int]], a: ir.Value, b: ir.Value) -> None:
    """Products of parts, one step of k."""
    before: tuple[int, ...] = (-1, -1)
    for parts in products:
        for registers, base, part, last in zip((A, B), (a, b), parts, before, strict=True):
            if part != last:
                _load(f, registers, f.advance(base, ir.index(part * TILE)))
        before = parts
        for a_register, pair in zip(A, SUMS, strict=True):
            for b_register, register in zip(B, pair, strict=True):
                f.call("llvm.x86.tdpbf16ps", "void", *map(_register, (register, a_register, b_register)))


def _load(f: ir.Function, registers: Sequence[int], place: ir.Value) -> None:
    for register in registers:
        f.call("llvm.x86.tileloadd64", "void", _register(register), place, ir.index(ROW))
        place = f.advance(place, f.param("panel"))


def _add_block(f: ir.Function, c: ir.Value, start: ir.Value, columns: ir.Value) -> None:
    """The sums of two by two tiles and what is there before, to C."""
    ends = [f.binary("sub", columns, ir.index(i * LINES)) for i in range(2)]
    masks = [f.first_lanes(f.intrinsic("smax", "i64", end, ZERO), LINES) for end in ends]
    with f.loop(ZERO, f.param("rows"), 1, [f.param("sums"), start, c]) as loop:
        for i, mask in enumerate(masks):
            sums, begin, to = (f.advance(p, ir.index(i * ROW)) for p in loop.first)
            before = f.masked_load(NUMBERS, begin, mask, 4)
            f.masked_store(f.binary("fadd", f.load(NUMBERS, sums, ROW), before), to, mask, 4)
        steps = (ir.index(ROW_OF_SUMS), f.param("start_row"), f.param("c_row"))
        loop.next = [f.advance(p, step) for p, step in zip(loop.first, steps, strict=True)]


def _register(number: int) -> ir.Value:
    return ir.Value(str(number), "i8")


def _twice(f: ir.Function, value: ir.Value) -> ir.Value:
    return f.binary("add", value, value)
