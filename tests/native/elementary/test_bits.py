"""Philox and the shuffle in LLVM IR, for every number of lanes, against NumPy."""

import ctypes

import numpy as np
import pytest

from wengert.native.elementary.lanes import Lanes
from wengert.native.machine import host, ir
from wengert.ops import bits

BLOCKS = 240
LANES = [1, 2, 4, 8, 16, 48]
rng = np.random.default_rng(0)


def run(lanes, write, columns, outputs):
    """What ``write(lanes, *operands)`` gives over columns of uint32, some lanes at a time."""
    module = ir.Module()
    names = [f"x{i}" for i in range(len(columns))]
    f = module.function("run", "void", [("out", "ptr"), *((name, "ptr") for name in names)])
    with f.loop(ir.index(0), ir.index(BLOCKS), lanes) as loop:
        type = ir.vector("i32", lanes)
        operands = [f.load(type, f.offset(f.param(name), "i32", loop.index), 4) for name in names]
        for i, value in enumerate(write(Lanes(f, np.uint32, lanes), *operands)):
            place = f.binary("add", loop.index, ir.index(i * BLOCKS))
            f.store(value, f.offset(f.param("out"), "i32", place), 4)
    f.ret()
    code = host.load(str(module))
    out = np.zeros((outputs, BLOCKS), np.uint32)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(columns) + 1))(code.address("run"))
    call(out.ctypes.data, *(column.ctypes.data for column in columns))
    return out


@pytest.mark.parametrize("lanes", LANES)
def test_philox(lanes):
    columns = list(rng.integers(0, 2**32, (6, BLOCKS), dtype=np.uint32))
    found = run(lanes, Lanes.philox, columns, 4)
    np.testing.assert_array_equal(found, bits.philox.numpy(*columns))


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("count", [1, 2, 7, BLOCKS, 1001, 2**31 + 11, 2**32])
def test_shuffle(lanes, count):
    """Places beyond the last are among them: no lane may wait for ever."""
    places = rng.integers(0, min(2 * count, 2**32), BLOCKS, dtype=np.uint32)
    columns = [places, *rng.integers(0, 2**32, (2, BLOCKS), dtype=np.uint32)]
    found = run(lanes, lambda s, *given: [s.shuffle(*given, count)], columns, 1)
    np.testing.assert_array_equal(found[0], bits.shuffle.numpy(*columns, count=count))
    assert found.max() < count
