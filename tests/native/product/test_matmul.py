"""Matrix products against NumPy: orientations, ragged shapes, guard pages, ranges, epilogues, processors."""

import ctypes
import itertools
import mmap
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wengert.native.machine import host, ir
from wengert.native.product.matmul import Start, write_function, write_rows
from wengert.native.product.packing import transpose
from wengert.native.product.plans import Product

HOSTS = ("avx512", "avx2", "sse2", "neon", "portable")
ROUNDING = {"float32": 2e-6, "float64": 4e-15}
PAGE = mmap.PAGESIZE
MEMORY: list[Any] = []

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
extents = st.integers(1, 70)
dtypes = st.sampled_from(sorted(ROUNDING))


@dataclass
class Native:
    """A product as machine code of this computer, maybe in the shape of another."""

    product: Product
    code: host.Code
    function: Any

    def __call__(self, a, b, c, *rest, begin=0, end=None):
        p = self.product
        scratch = np.zeros(max(p.scratch_bytes, 1), np.uint8)
        end = p.batch * p.m if end is None else end
        addresses = [x.ctypes.data for x in (a, b, c, scratch)]
        self.function(*addresses, begin, end, *(x.ctypes.data for x in rest))
        return c


def native(product, **options):
    module = ir.Module()
    write_function(module, product, "product", **options)
    code = host.load(str(module))
    types = [ctypes.c_int64] * (6 + len(options.get("extras", ())))
    return Native(product, code, ctypes.CFUNCTYPE(None, *types)(code.address("product")))


def elements(array):
    return tuple(s // array.itemsize for s in array.strides)


def product_of(a, b, c, machine=None):
    (m, k), n = a.shape, b.shape[1]
    return Product(m, n, k, a.dtype, elements(a), elements(b), elements(c)[0], host=machine)


def matrix(rng, rows, columns, dtype, by_columns):
    shape = (columns, rows) if by_columns else (rows, columns)
    array = rng.standard_normal(shape).astype(dtype)
    return array.T if by_columns else array


def guarded(array, at_end):
    """A copy of an array that ends where, or begins where, memory must not be touched."""
    libc = ctypes.CDLL(None)
    pages = -(-array.nbytes // PAGE)
    region = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for page in (start, start + (pages + 1) * PAGE):
        assert libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0) == 0
    MEMORY.append(region)
    offset = PAGE + (pages * PAGE - array.nbytes if at_end else 0)
    flat = np.frombuffer(region, array.dtype, array.size, offset)
    copy = flat.reshape(array.T.shape).T if array.flags.f_contiguous else flat.reshape(array.shape)
    copy[...] = array
    return copy


def assert_close(c, a, b, plus=0.0):
    exact = a.astype(np.float64) @ b.astype(np.float64) + plus
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + np.abs(plus)
    bound = ROUNDING[str(c.dtype)] * np.sqrt(a.shape[1] + 1) * (scale + 1)
    assert np.all(np.abs(c - exact) <= bound)


# --- values -------------------------------------------------------------------------------------------------


@few
@given(extents, extents, extents, dtypes, st.booleans(), st.booleans(), st.sampled_from(HOSTS), st.booleans())
def test_equals_numpy_and_touches_nothing_else(m, n, k, dtype, a_columns, b_columns, machine, at_end):
    rng = np.random.default_rng([m, n, k])
    a = guarded(matrix(rng, m, k, dtype, a_columns), at_end)
    b = guarded(matrix(rng, k, n, dtype, b_columns), at_end)
    c = guarded(np.full((m, n), np.nan, dtype), at_end)
    native(product_of(a, b, c, host.target(machine)))(a, b, c)
    assert_close(c, a, b)


@pytest.mark.parametrize("machine", HOSTS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (50, 3, 1), (50, 1, 3), (1, 100, 40), (40, 1, 100), (3, 50, 2), (7, 9, 0)]
)
@pytest.mark.parametrize("orientation", [(False, False), (True, False), (False, True), (True, True)])
def test_small_shapes(machine, shape, orientation):
    m, n, k = shape
    rng = np.random.default_rng(3)
    a, b = matrix(rng, m, k, "float32", orientation[0]), matrix(rng, k, n, "float32", orientation[1])
    c = np.full((m, n), np.nan, "float32")
    assert_close(native(product_of(a, b, c, host.target(machine)))(a, b, c), a, b)


@pytest.mark.parametrize("dtype", sorted(ROUNDING))
@pytest.mark.parametrize(
    "shape",
    [(70, 130, 1300), (97, 300, 1025), (130, 513, 700), (3, 20, 2000), (1, 700, 1500), (700, 1, 1500)],
)
@pytest.mark.parametrize("orientation", [(False, False), (True, False), (False, True), (True, True)])
def test_blocks(dtype, shape, orientation):
    m, n, k = shape
    rng = np.random.default_rng(4)
    a, b = matrix(rng, m, k, dtype, orientation[0]), matrix(rng, k, n, dtype, orientation[1])
    a, b = guarded(a, True), guarded(b, True)
    c = guarded(np.full((m, n), np.nan, dtype), True)
    assert_close(native(product_of(a, b, c))(a, b, c), a, b)


@pytest.mark.parametrize("machine", [None, *HOSTS])
@pytest.mark.parametrize("by_columns", [False, True])
def test_copies_of_a(machine, by_columns):
    rng = np.random.default_rng(5)
    m, k = (1024, 100) if by_columns else (100, 1024)
    a = guarded(matrix(rng, m, k, "float32", by_columns), True)
    b = guarded(matrix(rng, k, 1024, "float32", False), True)
    c = guarded(np.full((m, 1024), np.nan, "float32"), True)
    product = product_of(a, b, c, None if machine is None else host.target(machine))
    assert_close(native(product)(a, b, c), a, b)
    if machine == "avx512":
        assert product.describe()["copies"] == ["A", "B"]


@pytest.mark.parametrize(
    "shape, copied", [((32, 1024, 700), True), ((16, 1024, 700), False), ((32, 1000, 300), False)]
)
def test_what_few_rows_read_from_far_apart_is_copied(shape, copied):
    m, n, k = shape
    rng = np.random.default_rng(24)
    a, b, c = rng.standard_normal((m, k)), rng.standard_normal((k, n)), np.full((m, n), np.nan)
    product = product_of(a, b, c, host.target("avx512"))
    assert (product.plan.panels_b is not None) == copied
    assert_close(native(product)(a, b, c), a, b)


def test_rows_of_larger_arrays():
    rng = np.random.default_rng(6)
    space = [np.full(shape, np.nan, "float32") for shape in ((40, 60), (70, 50), (40, 90))]
    a, b, c = space[0][3:37, 5:58], space[1][9:62, 2:39], space[2][1:35, 11:48]
    a[...], b[...] = rng.standard_normal(a.shape), rng.standard_normal(b.shape)
    native(product_of(a, b, c))(a, b, c)
    assert_close(c, a, b)
    assert np.count_nonzero(~np.isnan(space[2])) == c.size


def test_vector_out_of_a_matrix():
    rng = np.random.default_rng(7)
    a, b = matrix(rng, 20, 30, "float64", False), matrix(rng, 30, 4, "float64", False)[:, 2:3]
    c = np.full((20, 1), np.nan)
    assert_close(native(product_of(a, b, c))(a, b, c), a, b)


def test_nothing_to_do():
    a, b, c = np.zeros((1, 4)), np.zeros((4, 5)), np.ones((1, 5))
    native(Product(0, 5, 4, "float64", (4, 1), (5, 1), 5))(a, b, c)
    np.testing.assert_array_equal(c, np.ones((1, 5)))


def test_batch():
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((5, 13, 21)), rng.standard_normal((5, 21, 18))
    product = Product(13, 18, 21, "float64", (21, 1), (18, 1), 18, 5, (13 * 21, 21 * 18, 13 * 18))
    for cuts in ((0, 65), (0, 20, 39, 65), (0, 13, 14, 50, 65)):
        c, call = np.full((5, 13, 18), np.nan), native(product)
        for begin, end in itertools.pairwise(cuts):
            call(a, b, c, begin=begin, end=end)
        np.testing.assert_allclose(c, a @ b, rtol=1e-12, atol=1e-12)


# --- ranges of rows -----------------------------------------------------------------------------------------

SPLIT = [
    ((61, 45, 33), (False, False)), ((61, 45, 33), (True, True)), ((100, 200, 900), (False, False)),
    ((50, 1, 77), (False, False)), ((77, 1, 50), (True, False)), ((4, 40, 300), (False, True)),
    ((30, 10, 64), (True, False)), ((300, 10, 64), (True, False)), ((900, 1, 301), (True, False)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", sorted(ROUNDING))
@pytest.mark.parametrize(("shape", "orientation"), SPLIT)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_division_of_rows_gives_the_same_bits(shape, orientation, dtype, data):
    m, n, k = shape
    rng = np.random.default_rng(9)
    a, b = matrix(rng, m, k, dtype, orientation[0]), matrix(rng, k, n, dtype, orientation[1])
    c = np.full((m, n), np.nan, dtype)
    call = cached(product_of(a, b, c))
    whole = call(a, b, c.copy())
    cuts = sorted({0, m, *data.draw(st.lists(st.integers(0, m), max_size=5))})
    for begin, end in itertools.pairwise(cuts):
        before = c.copy()
        call(a, b, c, begin=begin, end=end)
        np.testing.assert_array_equal(c[:begin], before[:begin])
        np.testing.assert_array_equal(c[end:], before[end:])
    np.testing.assert_array_equal(c, whole)


ACROSS = [
    ((7, 512, 40), (False, False)), ((1, 1000, 300), (False, False)), ((5, 203, 70), (False, True)),
    ((1, 300, 900), (False, True)), ((9, 333, 1100), (True, False)), ((23, 700, 1300), (True, True)),
]  # fmt: skip


@pytest.mark.parametrize("machine", HOSTS)
@pytest.mark.parametrize(("shape", "orientation"), ACROSS)
def test_any_division_between_tiles_of_columns_gives_the_same_bits(shape, orientation, machine):
    m, n, k = shape
    rng = np.random.default_rng(23)
    a, b = matrix(rng, m, k, "float32", orientation[0]), matrix(rng, k, n, "float32", orientation[1])
    bias, c = rng.standard_normal(n).astype("float32"), np.full((m, n), np.nan, "float32")
    product = product_of(a, b, c, host.target(machine))
    divided = replace(product, across=True)
    step = divided.columns
    assert step < n and step % 16 == 0
    whole = native(product)(a, b, c.copy())
    assert_close(whole, a, b)
    exact = np.maximum(whole + bias, 0)
    call, finished = (
        native(divided, **options) for options in ({}, {"epilogue": relu_of_sum_and_bias, "extras": ["bias"]})
    )
    cuts = sorted({0, step, step, n // 2 // step * step, n})
    for begin, end in (*itertools.pairwise(cuts), (step, step), (n, n)):
        before = c.copy()
        call(a, b, c, begin=begin, end=end)
        np.testing.assert_array_equal(c[:, begin:end], whole[:, begin:end])
        np.testing.assert_array_equal(c[:, :begin], before[:, :begin])
        np.testing.assert_array_equal(c[:, end:], before[:, end:])
    c[...] = np.nan
    for begin, end in itertools.pairwise(cuts):
        finished(a, b, c, bias, begin=begin, end=end)
    np.testing.assert_array_equal(c, exact)


@pytest.mark.parametrize("machine", HOSTS)
@pytest.mark.parametrize(
    ("shape", "grain"), [((60, 33, 40), 4), ((62, 50, 30), 2), ((10, 64, 30), 10), ((200, 300, 300), 8)]
)
@pytest.mark.parametrize("orientation", [(False, False), (True, False), (False, True)])
def test_tiles_are_as_low_as_the_grain_asks_for(machine, shape, grain, orientation):
    m, n, k = shape
    rng = np.random.default_rng(21)
    a, b = matrix(rng, m, k, "float32", orientation[0]), matrix(rng, k, n, "float32", orientation[1])
    c = np.full((m, n), np.nan, "float32")
    product = product_of(a, b, c, host.target(machine))
    divided = replace(product, grain=grain)
    for begin, end in itertools.pairwise((0, grain, m // 2 // grain * grain, m)):
        native(divided)(a, b, c, begin=begin, end=end)
    np.testing.assert_array_equal(c, native(product)(a, b, c.copy()))
    if product.plan.method == "tiles":
        lowest = {tiles.tiles[-1].rows for tiles, _ in divided.plan.strips}
        assert lowest != {1} and all(grain % rows == 0 for rows in lowest)


@pytest.mark.parametrize("m", [17, 20, 23, 32, 35, 47, 56])
@pytest.mark.parametrize("n", [5, 16, 40, 700])
def test_rows_left_over_of_few_are_one_tile(m, n):
    rng = np.random.default_rng(m)
    a, b, c = rng.standard_normal((m, 19)), rng.standard_normal((19, n)), np.full((m, n), np.nan)
    product = replace(product_of(a, b, c, host.target("avx512")), grain=m)
    assert {strip.lower for strip, _ in product.plan.strips} == {(m % 12,)}
    whole = native(product, epilogue=lambda f, sums, row, column, mask: sums)
    np.testing.assert_array_equal(whole(a, b, c.copy()), native(product)(a, b, c))
    assert_close(c, a, b)


def test_a_batch_is_divided_at_multiples_of_the_grain():
    rng = np.random.default_rng(22)
    a, b = rng.standard_normal((5, 12, 21)), rng.standard_normal((5, 21, 18))
    product = Product(12, 18, 21, "float64", (21, 1), (18, 1), 18, 5, (12 * 21, 21 * 18, 12 * 18), grain=4)
    c, call = np.full((5, 12, 18), np.nan), native(product)
    for begin, end in itertools.pairwise((0, 8, 32, 44, 60)):
        call(a, b, c, begin=begin, end=end)
    np.testing.assert_allclose(c, a @ b, rtol=1e-12, atol=1e-12)


KEPT: dict[Any, Native] = {}


def cached(product):
    if product not in KEPT:
        KEPT[product] = native(product)
    return KEPT[product]


@pytest.mark.parametrize("shape", [(61, 45, 33), (100, 200, 900)])
def test_tile_and_blocks_cannot_be_seen_in_the_result(shape):
    m, n, k = shape
    rng = np.random.default_rng(10)
    a, b = matrix(rng, m, k, "float32", False), matrix(rng, k, n, "float32", False)
    fused = [name for name in HOSTS if host.target(name).fused]
    c = np.empty((m, n), "float32")
    results = [native(product_of(a, b, c, host.target(name)))(a, b, c.copy()) for name in fused]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


# --- what sums start with, and epilogues --------------------------------------------------------------------


@pytest.mark.parametrize("machine", HOSTS)
@pytest.mark.parametrize("shape", [(21, 37, 19), (30, 100, 1100), (20, 1, 40), (5, 40, 400), (300, 5, 40)])
@pytest.mark.parametrize("orientation", [(False, False), (True, False), (False, True)])
def test_adds_to_c(machine, shape, orientation):
    m, n, k = shape
    rng = np.random.default_rng(11)
    a, b = matrix(rng, m, k, "float32", orientation[0]), matrix(rng, k, n, "float32", orientation[1])
    c = matrix(rng, m, n, "float32", False)
    old = c.astype(np.float64)
    native(product_of(a, b, c, host.target(machine)), start="c")(a, b, c)
    assert_close(c, a, b, old)


@pytest.mark.parametrize(
    "shape",
    [(21, 37, 19), (30, 100, 1100), (20, 1, 40), (900, 1, 301), (2, 200, 40), (9, 300, 200), (90, 10, 40)],
)
@pytest.mark.parametrize("by_columns", [False, True])
def test_starts_with_a_bias(shape, by_columns):
    m, n, k = shape
    rng = np.random.default_rng(12)
    a, b = matrix(rng, m, k, "float64", by_columns), matrix(rng, k, n, "float64", by_columns)
    bias, c = guarded(rng.standard_normal(n), True), np.full((m, n), np.nan)
    module, product = ir.Module(), product_of(a, b, c)
    names = ["a", "b", "c", "scratch", "begin", "end", "bias"]
    f = module.function("product", "void", [(x, "i64" if x in ("begin", "end") else "ptr") for x in names])
    values = [f.param(x) for x in names]
    write_rows(f, product, *values[:6], start=Start(values[6], 0))
    f.ret()
    code = host.load(str(module))
    call = Native(product, code, ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7)(code.address("product")))
    assert_close(call(a, b, c, bias), a, b, np.broadcast_to(bias, (m, n)))


def read(f, name, element, index, like, mask):
    place = f.offset(f.param(name), element, index)
    if mask is None:
        return f.load(like.type, place, 4)
    return f.masked_load(like.type, place, mask, 4)


def relu_of_sum_and_bias(f, value, row, column, mask):
    bias = read(f, "bias", "float", column, value, mask)
    return f.intrinsic("maxnum", value.type, f.binary("fadd", value, bias), ir.constant(0.0, value.type))


@pytest.mark.parametrize("machine", HOSTS)
@pytest.mark.parametrize(
    "shape",
    [
        (21, 37, 19),
        (13, 3, 2),
        (30, 100, 1100),
        (300, 210, 30),
        (40, 1, 60),
        (900, 1, 301),
        (5, 40, 400),
        (300, 7, 40),
    ],
)
@pytest.mark.parametrize("orientation", [(False, False), (True, False), (False, True)])
def test_epilogue(machine, shape, orientation):
    m, n, k = shape
    rng = np.random.default_rng(13)
    a, b = matrix(rng, m, k, "float32", orientation[0]), matrix(rng, k, n, "float32", orientation[1])
    bias, c = guarded(rng.standard_normal(n).astype("float32"), True), np.full((m, n), np.nan, "float32")
    c = guarded(c, True)
    product = product_of(a, b, c, host.target(machine))
    call = native(product, epilogue=relu_of_sum_and_bias, extras=["bias"])
    call(a, b, c, bias, begin=0, end=m // 3)
    call(a, b, c, bias, begin=m // 3, end=m)
    exact = np.maximum(a.astype(np.float64) @ b.astype(np.float64) + bias, 0)
    np.testing.assert_allclose(c, exact, rtol=1e-5, atol=1e-4 * np.sqrt(k))


@pytest.mark.parametrize("shape", [(21, 37, 19), (40, 60, 1500)])
def test_update_in_place(shape):
    m, n, k = shape
    rng = np.random.default_rng(14)
    a, b = matrix(rng, m, k, "float32", True), matrix(rng, k, n, "float32", False)
    w = matrix(rng, m, n, "float32", False)

    def descend(f, value, row, column, mask):
        index = f.binary("add", f.binary("mul", row, ir.index(n)), column)
        old = read(f, "w", "float", index, value, mask)
        return f.binary("fsub", old, f.binary("fmul", value, ir.constant(0.125, value.type)))

    expected = w - 0.125 * (a.astype(np.float64) @ b)
    native(product_of(a, b, w), epilogue=descend, extras=["w"])(a, b, w, w)
    np.testing.assert_allclose(w, expected, rtol=1e-4, atol=1e-4)


# --- code ---------------------------------------------------------------------------------------------------

INSTRUCTIONS = {
    "avx512": ("vfmadd", "zmm", "{%k"),
    "avx2": ("vfmadd", "ymm", "vmaskmov"),
    "sse2": ("mulps", "addps", "xmm"),
    "neon": ("fmla", ".4s", "ld1r"),
    "portable": ("mul",),
}


@pytest.mark.parametrize("machine", HOSTS)
@pytest.mark.parametrize("by_columns", [False, True])
def test_assembly(machine, by_columns):
    target = host.target(machine)
    b = (33, 1) if not by_columns else (1, 40)
    module = ir.Module()
    write_function(module, Product(50, 33, 40, "float32", (40, 1), b, 33, host=target), "product")
    text = host.assembly(str(module), target)
    for instruction in INSTRUCTIONS[machine]:
        assert instruction in text
    assert "zmm" not in text or machine == "avx512"
    assert "fmaf" not in text


@pytest.mark.parametrize("machine", ["avx512", "avx2", "neon"])
def test_accumulators_stay_in_registers(machine):
    """Within a loop over k, sums are neither stored nor read again."""
    target = host.target(machine)
    module = ir.Module()
    write_function(module, Product(120, 128, 64, "float32", (64, 1), (128, 1), 128, host=target), "product")
    inner = [block for block in host.assembly(str(module), target).split("\n.LBB") if block.count("fm") >= 12]
    assert inner
    for block in inner:
        assert "(%rsp), %zmm" not in block and "(%rsp), %ymm" not in block and "[sp" not in block


def test_functions_are_shared_within_a_module():
    module = ir.Module()
    for i, (m, n, k) in enumerate([(64, 128, 64), (128, 64, 64), (64, 64, 128), (256, 128, 784)]):
        product = Product(m, n, k, "float32", (k, 1), (n, 1), n, host=host.target("avx512"))
        write_function(module, product, f"product{i}")
    assert sum(f.name.startswith("strip") for f in module.functions) == 1
    assert len({f.name for f in module.functions}) == len(module.functions)


def test_small_shapes_are_not_padded():
    def lanes(m, n, k, a, b):
        product = Product(m, n, k, "float32", a, b, n, host=host.target("avx512"))
        first = product.plan.strips[0][0]
        return getattr(first, "tile", first).lanes

    assert lanes(50, 3, 1, (1, 1), (3, 1)) == 4
    assert lanes(1, 1, 1, (1, 1), (1, 1)) == 1
    assert lanes(50, 1, 3, (3, 1), (1, 1)) == 4


@pytest.mark.parametrize(
    ("shape", "ways"), [((3, 1, 50), 4), ((1, 3, 50), 4), ((4, 16, 50), 2), ((12, 16, 50), 1)]
)
def test_products_of_few_elements_have_several_chains(shape, ways):
    m, n, k = shape
    product = Product(m, n, k, "float32", (1, m), (n, 1), n, host=host.target("avx512"))
    assert {strip.tile.ways for strip, _ in product.plan.strips} == {ways}


def test_rows_fill_the_lanes_where_columns_are_few():
    def method(m, n, k, a):
        return Product(m, n, k, "float32", a, (n, 1), n, host=host.target("avx512")).plan.method

    assert method(128, 10, 128, (1, 128)) == "narrow"
    assert method(128, 10, 128, (128, 1)) == "tiles"
    assert method(128, 128, 128, (1, 128)) == "tiles"


def test_describe():
    product = Product(512, 2048, 2048, "float32", (2048, 1), (1, 2048), 2048, host=host.target("avx512"))
    text = product.describe()
    assert text["method"] == "tiles" and text["tile"] == "12 rows × 2 vectors of 16"
    assert text["operations"] == 2 * 512 * 2048 * 2048
    assert "B" in text["copies"] and 0 < text["scratch"] < 2**20


@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_transpose_in_registers(lanes):
    module = ir.Module()
    f = module.function("square", "void", [("p", "ptr")])
    type, step = ir.vector("float", lanes), 4 * lanes
    places = [f.advance(f.param("p"), ir.index(i * step)) for i in range(lanes)]
    for row, place in zip(transpose(f, [f.load(type, p, 4) for p in places]), places, strict=True):
        f.store(row, place, 4)
    f.ret()
    code = host.load(str(module))
    square = np.arange(lanes * lanes, dtype="float32").reshape(lanes, lanes)
    expected = square.T.copy()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("square"))(square.ctypes.data)
    np.testing.assert_array_equal(square, expected)


def test_a_host_of_other_features_is_only_a_shape():
    """Plans depend on the processor that is named, not on the one that runs."""
    one = Product(64, 128, 64, "float32", (64, 1), (128, 1), 128, host=host.target("avx2"))
    assert one.plan == replace(one, host=host.target("avx2")).plan
    assert one.plan != replace(one, host=host.target("avx512")).plan


# --- lines --------------------------------------------------------------------------------------------------


def shifted(array, lead):
    """A copy that begins so many numbers after a multiple of 64 bytes, amid NaN."""
    space = np.full(array.size + 64, np.nan, array.dtype)
    first = -space.ctypes.data % 64 // array.itemsize + lead
    copy = space[first : first + array.size].reshape(array.shape)
    copy[...] = array
    return copy


WIDE = [(128, 200), (256, 100), (80, 300), (784, 30), (336, 1), (128, 9000), (144, 4000)]


@pytest.mark.parametrize("machine", ["avx512", "avx2"])
@pytest.mark.parametrize("dtype", sorted(ROUNDING))
@pytest.mark.parametrize(("n", "k"), WIDE)
def test_a_row_times_a_matrix_that_begins_anywhere(machine, dtype, n, k):
    rng = np.random.default_rng([n, k])
    target = replace(host.target(machine), first_cache=1024, second_cache=1 << 20)
    a, b = rng.standard_normal((1, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    first, c = None, np.full((1, n), np.nan, dtype)
    product = product_of(a, b, c, target)
    assert product.plan.method == "lines"
    call, added = native(product), native(product, start="c")
    for lead in range(0, 64 // b.itemsize, 3):
        for to in (shifted(c, 5), guarded(c, True)):
            found = call(a, shifted(b, lead), to).copy()
            first = found if first is None else first
            np.testing.assert_array_equal(found, first)
        sums = shifted(np.arange(n, dtype=dtype)[None], 3)
        assert_close(added(a, guarded(b, True), sums), a, b, np.arange(n))
    assert_close(first, a, b)


def test_lines_of_a_batch_with_an_epilogue():
    rng = np.random.default_rng(31)
    a = rng.standard_normal((3, 1, 300)).astype("float32")
    b = rng.standard_normal((3, 300, 144)).astype("float32")
    c, bias = np.full((3, 144), np.nan, "float32"), rng.standard_normal(144).astype("float32")
    product = Product(1, 144, 300, "float32", (300, 1), (144, 1), 144, 3, (300, 300 * 144, 144))
    call = native(product, epilogue=relu_of_sum_and_bias, extras=["bias"])
    call(a, shifted(b, 5), c, bias, begin=0, end=1)
    call(a, shifted(b, 2), c, bias, begin=1, end=3)
    np.testing.assert_allclose(c, np.maximum((a @ b)[:, 0] + bias, 0), rtol=1e-4, atol=1e-4)


def test_what_is_not_whole_lines_is_tiled():
    def method(n, strides, k=500, m=1):
        return Product(m, n, k, "float32", (k, 1), strides, n, host=host.target("avx512")).plan.method

    assert method(128, (128, 1)) == "lines"
    others = [(130, (130, 1)), (128, (144, 1)), (16, (16, 1)), (128, (128, 1), 500, 2), (128, (128, 1), 20)]
    assert {method(*other) for other in others} == {"tiles"}
