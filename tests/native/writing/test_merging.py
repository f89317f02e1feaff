"""Functions that differ in whole numbers only become one, and compute what they computed."""

import ctypes
from itertools import pairwise

import numpy as np
import pytest

import wengert as wg
from wengert.native.machine import host, ir
from wengert.native.writing import merging
from wengert.native.writing.merging import merge

LINES = merging.LEAST


def scaled(module, name, factor, offset, op="add", linkage="private"):
    """``out[offset] = factor · (1 + 1 + ...)``."""
    f = module.function(name, "void", [("out", "ptr")], linkage)
    total = ir.Value("%n", "i64")
    f.lines.append("  %n = add i64 0, 1")
    for _ in range(LINES):
        total = f.emit(f"{op} i64 {total.name}, 1", "i64")
    product = f.binary("mul", total, ir.index(factor))
    f.store(product, f.offset(f.param("out"), "i64", ir.index(offset)), 8)
    f.ret()


def run(module, size=8):
    """What the functions of a module write, called one after the other."""
    names = [f.name for f in module.functions]
    f = module.function("run", "void", [("out", "ptr")])
    for name in names:
        f.call(name, "void", f.param("out"))
    f.ret()
    merge(module)
    code = host.load(str(module))
    out = np.zeros(size, np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("run"))(out.ctypes.data)
    return list(out), [f.name for f in module.functions]


def test_numbers_that_differ_are_given():
    module = ir.Module()
    scaled(module, "a", 3, 1)
    scaled(module, "b", 5, 2)
    scaled(module, "c", 7, 2)
    found, names = run(module)
    one = LINES + 1
    assert found[:4] == [0, 3 * one, 7 * one, 0]
    assert names == ["a", "run"]


def test_equal_functions_are_one():
    module = ir.Module()
    scaled(module, "a", 3, 1)
    scaled(module, "b", 3, 1)
    assert run(module) == ([0, 3 * (LINES + 1), *[0] * 6], ["a", "run"])


def test_functions_that_compute_other_things_stay():
    module = ir.Module()
    scaled(module, "a", 3, 1)
    scaled(module, "b", 3, 2, op="sub")
    found, names = run(module)
    assert found[1:3] == [3 * (LINES + 1), 3 * (1 - LINES)]
    assert names == ["a", "b", "run"]


def test_what_other_modules_share_stays():
    module = ir.Module()
    scaled(module, "a", 3, 1, linkage="internal")
    scaled(module, "b", 5, 2, linkage="internal")
    assert run(module)[1] == ["a", "b", "run"]


def test_callers_become_alike_when_what_they_call_is_one():
    module = ir.Module()
    for name, factor in (("a", 3), ("b", 5)):
        scaled(module, f"inner.{name}", factor, factor)
        f = module.function(f"outer.{name}", "void", [("out", "ptr")], "private")
        for _ in range(LINES):
            f.call(f"inner.{name}", "void", f.param("out"))
        f.ret()
    found, names = run(module)
    assert found[3] == 3 * (LINES + 1) and found[5] == 5 * (LINES + 1)
    assert names == ["inner.a", "outer.a", "run"]


def test_numbers_in_vectors_are_not_values():
    module = ir.Module()
    for name, last in (("a", 1), ("b", 2)):
        f = module.function(name, "void", [("out", "ptr")], "private")
        for _ in range(LINES):
            f.emit(f"add <3 x i64> <i64 0, i64 {last}, i64 5>, <i64 0, i64 1, i64 2>", "<3 x i64>")
        f.ret()
    assert run(module)[1] == ["a", "b", "run"]


def gathered(module, name, first):
    """``out[1] = v[0] + v[2]`` of v = out[first], out[first + 2], where lanes are no numbers to give."""
    f = module.function(name, "void", [("out", "ptr")], "private")
    lanes = ir.Value("<i64 0, i64 2>", "<2 x i64>")
    place = f.offset(f.param("out"), "i64", f.emit(f"add i64 {first}, 0", "i64"))
    found = f.gather("<2 x i64>", f.offset(place, "i64", lanes), ir.constant(True, "<2 x i1>"), 8)
    total = f.extract(found, 1)
    for _ in range(LINES):
        total = f.emit(f"add i64 1, {total.name}", "i64")
    f.store(total, f.offset(f.param("out"), "i64", ir.index(1)), 8)
    f.ret()


def test_lanes_of_gathers_stay_as_they_are():
    module = ir.Module()
    scaled(module, "a", 3, 2)
    gathered(module, "b", 0)
    gathered(module, "c", 1)
    found, names = run(module)
    assert names == ["a", "b", "run"]
    assert found[:4] == [0, LINES, 3 * (LINES + 1), 0]


@pytest.mark.parametrize("threads", [1, 2])
def test_layers_of_one_kind_share_their_code(threads):
    rng = np.random.default_rng(0)
    sizes = (96, 160, 128, 64)
    weights = [rng.normal(size=s).astype("f4") / 10 for s in pairwise(sizes)]
    x = rng.normal(size=(80, 96)).astype("f4")

    def step(weights, x):
        def error(weights):
            z = x
            for w in weights:
                z = np.maximum(z @ w, 0)
            return np.sum(z * z)

        return [w - 1e-4 * g for w, g in zip(weights, wg.grad(error)(weights))]

    before = wg.get_threads()
    wg.set_threads(threads)
    try:
        f = wg.jit(step)
        for found, expected in zip(f(weights, x), step(weights, x)):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
        text = f.llvm_ir(weights, x)
    finally:
        wg.set_threads(before)
    assert text.count("call void @product.") > text.count("define private void @product.")
