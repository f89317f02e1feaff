"""Products by the matrix unit: NumPy's numbers at float32's accuracy, and when it is used."""

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import wengert as wg
from tests.native.machine.test_targets import body
from tests.native.product.test_matmul import (
    assert_close,
    guarded,
    matrix,
    native,
    product_of,
    relu_of_sum_and_bias,
)
from wengert.native.machine import host, ir
from wengert.native.machine.underflow import Underflow
from wengert.native.product import plans
from wengert.native.product.matmul import write_function
from wengert.native.product.plans import UNIT, Product
from wengert.native.product.splits import LIMITS
from wengert.native.writing.emit import write_module

ORIENTATIONS = list(itertools.product((False, True), repeat=2))
SHAPES = [(32, 32, 32), (33, 65, 129), (100, 70, 300), (64, 530, 40), (530, 64, 130), (36, 40, 20)]
UNIT_OF_THIS = host.this_host().matrix_unit

here = pytest.mark.skipif(not UNIT_OF_THIS, reason="has no matrix unit")
orientations = pytest.mark.parametrize("orientation", ORIENTATIONS)


@pytest.fixture
def always(monkeypatch, tmp_path):
    """The unit computes whatever it can, also what has been compiled before."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(plans, "SAVED", -math.inf)
    monkeypatch.setattr(plans, "SAVED_SHARE", -math.inf)


def by_unit(a, b, c, **fields):
    """The product by the unit, and by vectors."""
    product = replace(product_of(a, b, c), grain=32, **fields)
    assert product.plan.method == UNIT
    return product, replace(product, host=replace(host.this_host(), matrix_unit=False))


def factors(m, n, k, orientation, seed=0):
    rng = np.random.default_rng([m, n, k, seed])
    a, b = matrix(rng, m, k, "float32", orientation[0]), matrix(rng, k, n, "float32", orientation[1])
    return a, b, np.full((m, n), np.nan, "float32")


# --- values -------------------------------------------------------------------------------------------------


@here
@orientations
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_numpy_and_touches_nothing_else(always, shape, orientation, at_end):
    a, b, c = (guarded(x, at_end) for x in factors(*shape, orientation))
    assert_close(native(by_unit(a, b, c)[0])(a, b, c), a, b)


def kinds(rng, m, n, k):
    """Factors of different kinds."""
    normal = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    rows, columns, steps = (np.exp2(rng.integers(-20, 20, size)) for size in ((m, 1), (1, n), k))
    yield normal
    yield rng.random((m, k)), rng.random((k, n))
    yield 1 + rng.random((m, k)) / 128, 1 + rng.random((k, n)) / 128  # all parts are large, and positive
    yield normal[0] * rows, normal[1] * columns
    yield normal[0] * steps, normal[1] / steps[:, None]


@here
@pytest.mark.parametrize("k", [64, 300, 1500])
def test_errors_are_no_larger_than_those_of_vectors(always, k):
    m = n = 96
    for a, b in kinds(np.random.default_rng(k), m, n, k):
        a, b, c = a.astype("f4"), b.astype("f4"), np.empty((m, n), "f4")
        exact, size = a.astype("f8") @ b.astype("f8"), np.abs(a).astype("f8") @ np.abs(b)
        unit, vectors = (np.abs(native(p)(a, b, c.copy()) - exact) / size for p in by_unit(a, b, c))
        numpy = np.abs(a @ b - exact) / size
        assert unit.mean() <= vectors.mean() and unit.max() <= vectors.max()
        assert unit.mean() <= 1.05 * max(numpy.mean(), 2.0**-24)


@here
def test_whole_numbers_are_exact(always):
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-300, 300, size).astype("f4") for size in ((64, 90), (90, 70)))
    c = np.empty((64, 70), "f4")
    np.testing.assert_array_equal(native(by_unit(a, b, c)[0])(a, b, c), a.astype("f8") @ b)


# --- numbers that are not fit -------------------------------------------------------------------------------

UNFIT = [np.inf, -np.inf, np.nan, 1e-40, 1e-30, 3e38]


@here
@orientations
@pytest.mark.parametrize("number", UNFIT)
def test_numbers_that_are_not_fit_are_multiplied_by_vectors(always, number, orientation):
    a, b, c = factors(100, 70, 300, orientation)
    for changed, place in itertools.product((a, b), ((0, 0), (69, 69), (50, 40))):
        before, changed[place] = changed[place], number
        found, expected = (native(p)(a, b, c.copy()) for p in by_unit(a, b, c))
        if not np.isfinite(number) or number == 3e38:
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
            np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
            keep = np.isfinite(expected)
            np.testing.assert_allclose(found[keep], expected[keep], rtol=1e-4, atol=1e-4)
        else:
            assert_close(found, a, b)
        changed[place] = before


@here
@orientations
@pytest.mark.parametrize("size", [1e-21, 1e-25])
def test_results_that_underflow_are_those_of_vectors(always, size, orientation):
    a, b, c = factors(100, 70, 300, orientation)
    a *= np.float32(size)
    b *= np.float32(1e-18)
    found, expected = (native(p)(a, b, c.copy()) for p in by_unit(a, b, c))
    assert np.count_nonzero(expected) and np.abs(expected).max() < 2.0**-120
    np.testing.assert_array_equal(found, expected)


@here
@pytest.mark.parametrize("size, by_unit_too", [(2.0**-20, True), (2.0**-60, True), (2.0**-90, False)])
def test_numbers_are_as_small_as_their_products_allow(always, size, by_unit_too):
    a, b, c = factors(64, 64, 128, (False, False))
    a *= np.float32(size)
    b = np.sign(b) * (1 + np.abs(b))
    unit, vectors = (native(p)(a, b, c.copy()) for p in by_unit(a, b, c))
    exact, scale = a.astype("f8") @ b.astype("f8"), np.abs(a).astype("f8") @ np.abs(b)
    assert np.any(unit != vectors) == by_unit_too
    assert np.all(np.abs(unit - exact) <= 2.0**-20 * scale)


@here
def test_small_numbers_stay_with_the_unit_under_abrupt_underflow(always):
    a, b, c = factors(64, 64, 128, (False, False))
    a *= np.float32(1e-24)
    gradual, vectors = by_unit(a, b, c)
    abrupt, _ = by_unit(a, b, c, underflow=Underflow.ABRUPT)
    one, two, three = (native(p)(a, b, c.copy()) for p in (gradual, abrupt, vectors))
    np.testing.assert_array_equal(one, three)
    assert np.any(two != three)
    np.testing.assert_allclose(two, three, rtol=0, atol=1e-5 * np.abs(three).max())


# --- what is around a product -------------------------------------------------------------------------------


@here
@orientations
def test_any_division_of_rows_gives_the_same_bits(always, orientation):
    a, b, c = factors(330, 100, 200, orientation)
    a[40, 3], a[300, 190] = np.inf, 1e-30
    call = native(by_unit(a, b, c)[0])
    whole = call(a, b, c.copy())
    for cuts in ((0, 32, 330), (0, 160, 320, 330), (0, 64, 96, 256, 330)):
        found = c.copy()
        for begin, end in itertools.pairwise(cuts):
            before = found.copy()
            call(a, b, found, begin=begin, end=end)
            np.testing.assert_array_equal(found[end:], before[end:])
        np.testing.assert_array_equal(found, whole)


@here
@orientations
@pytest.mark.parametrize("shape", SHAPES[1:4])
def test_adds_to_c(always, shape, orientation):
    a, b, c = factors(*shape, orientation)
    c[...] = np.random.default_rng(2).standard_normal(c.shape)
    old = c.astype(np.float64)
    assert_close(native(by_unit(a, b, c)[0], start="c")(a, b, c), a, b, old)


@here
@orientations
@pytest.mark.parametrize("shape", SHAPES)
def test_epilogue(always, shape, orientation):
    a, b, c = (guarded(x, True) for x in factors(*shape, orientation))
    bias = guarded(np.random.default_rng(3).standard_normal(shape[1]).astype("f4"), True)
    product, _ = by_unit(a, b, c)
    native(product, epilogue=relu_of_sum_and_bias, extras=["bias"])(a, b, c, bias)
    exact = np.maximum(a.astype(np.float64) @ b.astype(np.float64) + bias, 0)
    np.testing.assert_allclose(c, exact, rtol=1e-5, atol=1e-4)


@here
@pytest.mark.parametrize("m", [64, 50])
def test_batch(always, m):
    rng = np.random.default_rng(4)
    a, b = (rng.standard_normal(size).astype("f4") for size in ((3, m, 90), (3, 90, 70)))
    steps = (m * 90, 90 * 70, m * 70)
    product = Product(m, 70, 90, "float32", (90, 1), (70, 1), 70, 3, steps, grain=32 if m == 64 else m)
    assert product.plan.method == UNIT
    c = np.full((3, m, 70), np.nan, "f4")
    call = native(product)
    call(a, b, c, begin=0, end=m)
    call(a, b, c, begin=m, end=3 * m)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)


@pytest.fixture
def threads():
    before = wg.get_threads()
    yield wg.set_threads
    wg.set_threads(before)


def step(w, v, x, t):
    """A step of training of two layers."""
    h = np.maximum(x @ w, 0)
    delta = h @ v - t
    return w - 0.01 * (x.T @ ((delta @ v.T) * (h > 0))), v - 0.01 * (h.T @ delta), h


@here
@pytest.mark.parametrize("batch", [(), (3,)])
def test_number_of_threads_cannot_be_seen_in_the_result(always, threads, batch):
    rng = np.random.default_rng(5)
    sizes = ((200, 130), (130, 150), (170, 200), (170, 150))
    w, v, x, t = (rng.standard_normal(size).astype("f4") / np.float32(10) for size in sizes)
    x = np.stack([x] * 3) if batch else x
    f = (lambda w, v, x, t: np.tanh(x @ w) @ v) if batch else step
    found = []
    for count in (1, 2, 3, 4):
        threads(count)
        found.append(wg.jit(lambda *args: f(*args))(w, v, x, t))
    np.testing.assert_allclose(found[0][0], f(w, v, x, t)[0], rtol=1e-4, atol=1e-4)
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


@here
def test_underflow_of_a_compiled_function_is_gradual(always):
    a, b, _ = factors(64, 64, 64, (False, False))
    a, b = a * np.float32(1e-21), b * np.float32(1e-21)
    exact = a.astype("f8") @ b.astype("f8")
    found = wg.jit(lambda a, b: a @ b)(a, b)
    assert np.all(np.abs(found - exact) <= 64 * 2.0**-149) and np.count_nonzero(found) > 3000


@pytest.mark.parametrize("underflow", Underflow)
def test_limits_follow_from_the_underflow_of_the_function(underflow):
    a, b = np.ones((1024, 512), "f4"), np.ones((512, 1024), "f4")
    compiled = wg.jit(lambda a, b: np.tanh(a @ b))
    plan = compiled._calls.path((a, b), {}).run.plan
    text = write_module(plan, host.target("amx"), underflow=underflow)
    calls = re.findall(r"call i64 @split.*i64 (\d+), i64 (\d+)\)", text)
    assert calls == [tuple(map(str, LIMITS[underflow].bits))] * 2
    (limit,) = re.findall(r"icmp sge i64 %\w+, (\d+)", text)
    assert int(limit) == LIMITS[underflow].sum


# --- when it is used ----------------------------------------------------------------------------------------


def method(m, n, k, a=None, b=None, dtype="float32", grain=32, machine="amx"):
    strides = a or (k, 1), b or (n, 1)
    return Product(m, n, k, dtype, *strides, n, host=host.target(machine), grain=grain).plan.method


def test_where_it_pays():
    assert method(512, 2048, 1024) == method(1024, 1024, 1024) == method(784, 256, 128, (1, 784)) == UNIT
    assert method(512, 2048, 2048, b=(1, 2048)) == method(2048, 2048, 512, (1, 2048)) == UNIT
    for shape in ((1, 2048, 2048), (64, 64, 64), (512, 10, 2048), (512, 2048, 10), (256, 128, 128)):
        assert method(*shape) != UNIT


def test_where_it_can_not_be_used():
    large = (1024, 1024, 1024)
    assert method(*large, machine="avx512") != UNIT
    assert method(*large, dtype="float64") != UNIT
    assert method(*large, a=(2048, 2)) != UNIT and method(*large, b=(2048, 2)) != UNIT
    assert method(*large, grain=4) != UNIT and method(*large, grain=1024) == UNIT


def test_description():
    product = Product(
        512, 2048, 1024, "float32", (1, 512), (1, 1024), 2048, host=host.target("amx"), grain=32
    )
    told = product.describe()
    assert (told["method"], told["tile"]) == ("matrix unit", "32 rows × 32 columns")
    assert told["copies"] == ["A", "B"] and told["scratch"] < host.target("amx").second_cache


@here
def test_explanation():
    a, b = np.ones((1024, 512), "f4"), np.ones((512, 1024), "f4")
    (row,) = wg.jit(lambda a, b: np.tanh(a @ b)).explain(a, b).rows
    assert row.how == "matrix unit, 32 rows × 32 columns; then tanh"


# --- code ---------------------------------------------------------------------------------------------------


def assembly(machine, a=(1024, 1), b=(1024, 1)):
    module, target = ir.Module(), host.target(machine)
    write_function(module, Product(1024, 1024, 1024, "float32", a, b, 1024, host=target, grain=32), "product")
    return host.assembly(str(module), target)


@pytest.mark.parametrize("a", [(1024, 1), (1, 1024)])
@pytest.mark.parametrize("b", [(1024, 1), (1, 1024)])
def test_assembly(a, b):
    text = assembly("amx", a, b)
    unit = body(text, "unit")
    products = [re.findall(r"%tmm(\d)", line) for line in unit if line.startswith("tdpbf16ps")]
    assert len(products) == 4 * 6
    assert [{p[-1] for p in products[i : i + 4]} for i in range(0, 24, 4)] == [set("0123")] * 6
    loads = [line for line in unit if line.startswith("tileloadd")]
    assert len(loads) == 2 * (6 + 2) and sum(line.startswith("tilestored") for line in unit) == 4
    around = body(text, "product")
    for instruction in ("ldtilecfg", "tilerelease"):
        assert sum(line.startswith(instruction) for line in around) == 1
    assert "%tmm" not in assembly("avx512", a, b)


def test_splitting_is_done_in_full_vectors():
    text = assembly("amx")
    for name in ("split.lines", "split.pairs"):
        lines = body(text, name)
        assert sum("vsubps" in line and "zmm" in line for line in lines) == 4
        assert not any("zmm" in line and "(%rsp)" in line for line in lines)
