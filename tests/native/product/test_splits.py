"""Factors in three parts: exact, where tiles expect them, zero beyond the block; which numbers are fit."""

import ctypes

import numpy as np
import pytest

from tests.native.product.test_matmul import guarded
from wengert.native.machine import host, ir
from wengert.native.machine.underflow import Underflow
from wengert.native.product.splits import (
    BIAS,
    DEPTH,
    LIMITS,
    LINES,
    PARTS,
    STEP,
    UNFIT,
    Split,
    panel_bytes,
    split_function,
)

NAMES = ("source", "target", "step", "rows", "columns", "down", "across", "least", "most")
SHAPES = [(32, 32), (1, 1), (16, 64), (33, 31), (17, 100), (70, 130)]  # lines and steps of k


@pytest.fixture(scope="module", params=[True, False], ids=["lines", "pairs"])
def split(request):
    """A function of a block, line by line: all parts by line and step of k, and the least exponent."""
    way, module = Split(request.param), ir.Module()
    f = module.function("run", "i64", [(name, "ptr" if i < 2 else "i64") for i, name in enumerate(NAMES)])
    f.ret(f.call(split_function(module, way), "i64", *map(f.param, NAMES)))
    code = host.load(str(module))
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(NAMES))(code.address("run"))

    def run(block, underflow=Underflow.GRADUAL, at_end=True):
        lines, depth = block.shape
        memory = guarded(np.ascontiguousarray(block if way.along else block.T), at_end)
        panels, panel = 2 * -(-lines // (2 * LINES)), panel_bytes(depth)
        target = aligned(panels * panel)
        target[...] = 0xFF
        apart = (panel, STEP) if way.along else (STEP, panel)
        places = (memory.ctypes.data, target.ctypes.data, memory.strides[0])
        least = call(*places, *memory.shape, *apart, *LIMITS[underflow].bits)
        return unpacked(target.reshape(panels, panel), depth, way.along), least

    run.code = code
    return run


def aligned(nbytes):
    """Bytes that begin with a line of the cache."""
    space = np.empty(nbytes + 64, np.uint8)
    first = -space.ctypes.data % 64
    return space[first : first + nbytes]


def unpacked(panels, depth, along):
    """Parts by number, line and step of k."""
    steps = -(-depth // DEPTH)
    tiles = panels[:, : steps * STEP].reshape(len(panels), steps, PARTS, LINES, LINES, 2, 2)
    parts = tiles.view(np.uint16)[..., 0]  # panel, step, part, row of the tile, word, half of the word
    order = (2, 0, 3, 1, 5, 4) if along else (2, 0, 4, 1, 5, 3)  # part, panel, line, step, half, word
    bits = parts.transpose(order).reshape(PARTS, len(panels) * LINES, steps * DEPTH)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def numbers(lines, depth):
    rng = np.random.default_rng([lines, depth])
    return (rng.standard_normal((lines, depth)) * np.exp2(rng.integers(-20, 20, (lines, depth)))).astype("f4")


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_parts_add_up_to_the_numbers_and_nothing_else_is_read(split, shape, at_end):
    block = numbers(*shape)
    parts, least = split(block, at_end=at_end)
    lines, depth = shape
    assert least == BIAS + np.frexp(np.abs(block).min())[1] - 1
    np.testing.assert_array_equal(parts[:, :lines, :depth].sum(0, dtype=np.float64), block)
    assert not parts[:, lines:].any() and not parts[:, :, depth:].any()


def test_a_part_is_half_of_the_last_digit_of_the_one_before_at_most(split):
    parts, _ = split(numbers(64, 64))
    first, second, third = np.abs(parts)
    assert np.all(second <= first * 2.0**-8) and np.all(third <= first * 2.0**-16)
    assert np.count_nonzero(third) > 3000
    assert 0.45 < np.mean(np.sign(parts[0]) == np.sign(parts[1])) < 0.55


@pytest.mark.parametrize(
    "number, gradual, abrupt",
    [
        (0.0, 127, 127), (-0.0, 127, 127), (1.5, 127, 127), (2.0**50, 127, 127), (-(2.0**50), 127, 127),
        (1.5 * 2.0**-50, 77, 77), (1.5 * -(2.0**-100), 27, 27), (2.0**-100, 26, 26),
        (2.0**-100 * (1 - 2.0**-24), UNFIT, 26), (1e-40, UNFIT, 0), (-1e-45, UNFIT, 0),
        (2.0**50 * (1 + 2.0**-23), UNFIT, UNFIT), (np.inf, UNFIT, UNFIT), (-np.inf, UNFIT, UNFIT),
        (np.nan, UNFIT, UNFIT),
    ],
)  # fmt: skip
def test_which_numbers_are_fit(split, number, gradual, abrupt):
    block = np.full((40, 70), 1.25, "f4")
    for place in ((0, 0), (39, 69), (17, 33)):
        changed = block.copy()
        changed[place] = number
        assert split(changed)[1] == gradual
        assert split(changed, Underflow.ABRUPT)[1] == abrupt


def test_a_block_of_zeros_is_the_greatest(split):
    assert split(np.zeros((40, 70), "f4"))[1] >= 2 * BIAS
