"""Every operation as native code beside the interpreter; which are left to it is asserted exactly."""

import numpy as np
import pytest
import scipy.special
from _traces import run, traced
from scipy.special import gammaln

import wengert as wg
from tests.ops.test_registry import CASES, Case
from wengert.core.evaluate import evaluate
from wengert.core.primitive import REGISTRY
from wengert.core.recorder import Recorder
from wengert.native.machine.host import this_host
from wengert.native.planning.plan import Plan
from wengert.native.planning.sorting import BLOCK, LONG
from wengert.native.planning.unlowerable import Unlowerable
from wengert.native.writing.emit import write_module

# What native code does not do (docs/operations.md says the same): complex numbers.
INTERPRETED = {"complex_absolute", "conjugate", "real", "imag", "fft", "ifft", "rfft", "irfft"}
ROUNDING = {np.float32: 3e-5, np.float64: 1e-12}
EXTENTS = [(1, 1), (7, 13), (16, 17), (33, 65), (63, 1), (1, 64)]


def alone(case):
    """A trace of one operation, with all operands as inputs."""
    recorder = Recorder()
    tracers = [recorder.input(x) for x in case.operands]
    result = recorder.record(case.primitive, tracers, case.params, False)
    trace = recorder.trace([t.variable for t in tracers], result if case.primitive.multiple else [result])
    recorder.close()
    return trace


def is_elementwise(primitive):
    return primitive.kind == "elementwise" or (primitive.core is not None and not any(primitive.core))


def lowers(case):
    try:
        write_module(Plan(alone(case)), this_host())
    except Unlowerable:
        return False
    return True


def is_complex(case):
    return any(v.type.dtype.kind == "c" for v in alone(case).variables())


def near(found, expected, tolerance):
    assert len(found) == len(expected)
    for one, other in zip(found, map(np.asarray, expected), strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        scale = max(1.0, float(np.max(np.abs(other[np.isfinite(other)]), initial=0)))
        np.testing.assert_allclose(one, other, tolerance, tolerance * scale)


def agrees(f, *arguments, tolerance=None, host=""):
    """Native code gives what the interpreter gives, and NumPy itself."""
    dtypes = [np.asarray(x).dtype.type for x in arguments]
    tolerance = tolerance or (ROUNDING[np.float32] if np.float32 in dtypes else ROUNDING[np.float64])
    trace = traced(f, *arguments)
    found = run(trace, arguments, host)
    near(found, evaluate(trace, arguments), tolerance)
    expected = f(*arguments)
    near(found, expected if isinstance(expected, tuple) else (expected,), tolerance)


FULL = [case for case in CASES if all(np.size(x) for x in case.operands)]
REAL = [case for case in CASES if not is_complex(case)]


def test_what_is_left_to_the_interpreter():
    assert {case.primitive.name for case in FULL if not lowers(case)} == INTERPRETED | {"convert"}
    assert all(is_complex(case) for case in FULL if not lowers(case))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", REAL, ids=repr)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_native_is_interpreted(case, dtype):
    case = case.astype(dtype)
    trace = alone(case)
    near(run(trace, case.operands), evaluate(trace, case.operands), ROUNDING[dtype])


# --- whole numbers, truth values, mixed dtypes --------------------------------------------------------------

# Elementwise operations that are left to the interpreter for these kinds of operands.
NOT_OF_WHOLE_NUMBERS = {
    "power": "biu",
    "reciprocal": "biu",
    "exponent": "biu",
    "bitwise_count": "b",
    "leading_zeros": "bi",
}
WHOLE = np.array([0, 1, 2, 3, 5, 7, 100, -1, -2, -3, -100, 127, -128])
DIVISORS = np.array([1, 2, 3, 0, 2, 1, -1, 3, -2, 5, 7, 2, -1])
SAME = ("int8", "int32", "int64", "uint8", "uint64", "bool")
MIXED = [
    ("int32", "float64"),
    ("int64", "float32"),
    ("float32", "float64"),
    ("bool", "float32"),
    ("int32", "int64"),
]
OTHERS = ("integer_power", "ldexp", "round", "where")  # of other operands; the examples above have them
ELEMENTWISE = {c.primitive.name: len(c.operands) for c in REAL if is_elementwise(c.primitive)}


@pytest.mark.parametrize("name", sorted(set(ELEMENTWISE) - set(OTHERS)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_whole_numbers(name):
    primitive, count = REGISTRY[name], ELEMENTWISE[name]
    for dtypes in [(d,) * count for d in SAME] + (MIXED if count == 2 else []):
        operands = [x.astype(d) for x, d in zip((WHOLE, DIVISORS, DIVISORS), dtypes)]
        case = Case(primitive, operands, {})
        if not numpy_takes(case) or is_other(case):
            continue
        kinds = {x.dtype.kind for x in operands}
        assert lowers(case) != (kinds <= set(NOT_OF_WHOLE_NUMBERS.get(name, "")))
        if lowers(case):
            trace = alone(case)
            found = run(trace, operands)
            near(found, evaluate(trace, operands), 1e-6 if found[0].dtype == np.float32 else 1e-12)


def numpy_takes(case):
    """Whether NumPy has the operation for such operands; negative powers of whole numbers it refuses."""
    try:
        case.primitive.numpy(*case.operands)
    except (TypeError, ValueError):
        return False
    return True


def is_other(case):
    """Whether dtypes come in that native code does not know."""
    return any(v.type.dtype.kind not in "fbiu" or v.type.dtype == np.float16 for v in alone(case).variables())


def test_what_is_interpreted_stands_between_native_pieces():
    def f(x):
        return np.tanh(np.sum(np.square(np.abs(np.fft.rfft(np.sin(x)))))) * np.cumsum(x)

    x = numbers((33,), "float64")
    np.testing.assert_allclose(wg.jit(f)(x), f(x), 1e-12, 1e-12)


# --- arrays of every kind of shape --------------------------------------------------------------------------


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng((seed, *shape))
    if np.dtype(dtype).kind == "f":
        return np.round(rng.uniform(-1, 1, shape) * 8).astype(dtype) / 8 + rng.uniform(0, 0.1, shape).astype(
            dtype
        )
    return rng.integers(-9, 9, shape).astype(dtype)


LAYOUTS = {
    "as it is": lambda x: x,
    "turned": lambda x: np.swapaxes(x, 0, 1),
    "backwards": lambda x: x[::-1, ::-1],
    "every other": lambda x: x[:, ::2],
    "repeated": lambda x: np.broadcast_to(x[:1], x.shape),
    "in a stack": lambda x: np.stack([x, x])[:, :, 1:] if x.shape[1] > 1 else np.stack([x, x]),
}  # fmt: skip

REDUCTIONS = {
    "sum": lambda x: (np.sum(x), np.sum(x, axis=0), np.sum(x, axis=-1, keepdims=True)),
    "prod": lambda x: (np.prod(x * 0.5, axis=0), np.prod(np.sign(x), axis=-1)),
    "max": lambda x: (np.max(x), np.max(x, axis=0), np.min(x, axis=-1, keepdims=True)),
    "arg": lambda x: (np.argmax(x), np.argmax(x, axis=0), np.argmin(x, axis=-1, keepdims=True)),
    "count": lambda x: (np.count_nonzero(x, axis=0), np.any(x > 0, axis=-1), np.all(x < 1)),
    "running": lambda x: (np.cumsum(x, axis=0), np.cumsum(x, axis=-1), np.cumprod(x * 0.5 + 1, axis=-1)),
    "sorting": lambda x: (np.argsort(x, axis=0, kind="stable"), np.sort(x, axis=-1)),
    "roll": lambda x: (np.roll(x, 3, axis=0), np.roll(x, (-1, 5), axis=(0, 1)), np.roll(x, 70)),
    "joins": lambda x: (np.concatenate([x, x * 2]), np.stack([x, x], axis=-1), np.pad(x, ((1, 2), (0, 3)))),
    "shares": lambda x: np.exp(x / 9) / np.sum(np.exp(x / 9), axis=-1, keepdims=True),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", EXTENTS)
def test_reductions_and_orders(shape, layout, dtype):
    def f(x):
        x = LAYOUTS[layout](x)
        if x.ndim > 2:
            x = x[0]
        return tuple(y for g in REDUCTIONS.values() for y in (g(x) if isinstance(g(x), tuple) else (g(x),)))

    agrees(f, numbers(shape, dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", EXTENTS)
def test_exponential_reductions(shape, layout, dtype):
    def f(x):
        x = LAYOUTS[layout](x)
        return (
            scipy.special.softmax(x, axis=-1),
            scipy.special.softmax(x, axis=0),
            scipy.special.logsumexp(x, axis=-1),
            scipy.special.logsumexp(x, axis=0, keepdims=True),
        )

    x = numbers(shape, dtype)
    trace = traced(f, x)
    near(run(trace, [x]), evaluate(trace, [x]), ROUNDING[np.dtype(dtype).type])


@pytest.mark.parametrize("name", ["sum", "prod", "any", "all", "count_nonzero"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_reductions_of_nothing(name, shape):
    agrees(lambda x: getattr(np, name)(x, axis=0), np.zeros(shape))


@pytest.mark.parametrize("x", [-1.0, 0.0, np.nan])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "any", "all", "count_nonzero"])
def test_reductions_over_no_axes(name, x):
    agrees(lambda x: getattr(np, name)(x, axis=()), np.array([x, 2.0]))


def test_extremes_of_logsumexp():
    x = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [np.nan, 0.0], [1000.0, 1001.0], [-1000.0, -1001.0]])
    trace = traced(lambda x: scipy.special.logsumexp(x, axis=1), x)
    with np.errstate(all="ignore"):
        near(run(trace, [x]), evaluate(trace, [x]), 1e-15)


@pytest.mark.parametrize("host", ["", "sse2", "portable"])
def test_places_of_extrema(host):
    """The first of ties; a NaN is the largest and the smallest."""
    x = np.array([[1.0, 3, 3, 0, 0], [np.nan, 9, np.nan, 0, 1], [2, 2, 2, 2, 2], [0, 1, 2, 3, np.nan]])
    for dtype in (np.float64, np.float32):
        agrees(lambda x: (np.argmax(x, axis=1), np.argmin(x, axis=1)), x.astype(dtype), host=host)
        agrees(lambda x: (np.argmax(x, axis=0), np.argmin(x, axis=0)), x.astype(dtype), host=host)


# --- sorting and searching ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 17, 63, 65, 1000])
def test_argsort(n, dtype):
    x = np.random.default_rng(n).integers(0, 20, (3, n)).astype(dtype)
    if x.dtype.kind == "f" and n:
        x[0, ::3], x[1, ::2], x[2] = np.nan, np.inf, -x[2]
    agrees(lambda x: np.argsort(x, axis=-1, kind="stable"), x)
    agrees(lambda x: np.argsort(x.T, axis=0, kind="stable"), x)


@pytest.mark.parametrize("dtype", [*(f"{k}{n}" for k in "iu" for n in (1, 2, 4, 8)), "f4", "f8"])
@pytest.mark.parametrize("n", [LONG - 1, LONG, 700])
def test_argsort_of_any_bits(n, dtype):
    """NaN of both signs, subnormal numbers and zeros among them."""
    x = np.frombuffer(np.random.default_rng(n).bytes(8 * 4 * n), dtype)[: 4 * n].reshape(4, n).copy()
    if x.dtype.kind == "f":
        tiny = np.finfo(dtype).smallest_subnormal
        x[1] = np.resize([0.0, -0.0, tiny, -tiny, np.nan, -np.inf, np.inf, -1], n)
        x[2] = np.where(np.isnan(x[2]), -np.abs(x[2]), x[2])
    x[3] = x[0, 0]
    for one, other in zip(run(traced(stable, x), [x]), (stable(x),), strict=True):
        np.testing.assert_array_equal(one, other)


def stable(x):
    return np.argsort(x, axis=-1, kind="stable")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [1, 2, 7, 64, 1001])
def test_searchsorted(n, side):
    rng = np.random.default_rng(n)
    a = np.sort(np.round(rng.normal(size=n), 1))
    v = np.concatenate([np.round(rng.normal(size=(40, 2)), 1), [[np.nan, np.inf]], [[-np.inf, a[0]]]])
    agrees(lambda a, v: np.searchsorted(a, v, side=side), a, v)
    agrees(lambda a, v: np.searchsorted(a, v.T, side=side), a.astype(np.float32), v)
    agrees(lambda a, v: np.searchsorted(a, v, side=side), np.append(a, np.nan), v)


@pytest.mark.parametrize("host", ["avx512", "avx2", "sse2", "portable"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "int16", "uint8"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_by_all_processors(side, dtype, host):
    rng = np.random.default_rng(3)
    a, v = np.sort(rng.integers(0, 50, 37)).astype(dtype), rng.integers(0, 60, 19).astype(dtype)
    (found,) = run(traced(lambda a, v: np.searchsorted(a, v, side=side), a, v), [a, v], host)
    np.testing.assert_array_equal(found, np.searchsorted(a, v, side=side))


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5])
def test_searchsorted_of_many(count, threads):
    rng = np.random.default_rng(count)
    a, v = np.sort(rng.normal(size=(90,))), rng.normal(size=(2, count))
    f = lambda a, v: (np.searchsorted(a[::3], v), np.searchsorted(-a[::-1], v), np.searchsorted(a[:0], v))
    trace = traced(f, a, v)
    for found, expected in zip(run(trace, [a, v], threads=threads), f(a, v), strict=True):
        np.testing.assert_array_equal(found, expected)


# --- sums of products ---------------------------------------------------------------------------------------

SPECS = [
    "ij,jk->ik", "ij,kj->ik", "ji,jk->ki", "ij,jk->ki", "ij,ij->", "ij,ij->i", "i,j->ji", "ij,jk->ijk",
    "ij,j->i", "bij,bjk->bik", "bij,bkj->ikb", "bij,ij->bi", "abij,abjk->abik", "ijab,abk->kij",
    "ijk,kli->lj", "aib,bka->ki", ",ij->ij",
]  # fmt: skip
SIZES = {
    "small": dict(zip("abijkl", (2, 3, 4, 5, 3, 2))),
    "large": dict(zip("abijkl", (3, 5, 17, 33, 16, 31))),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spec", SPECS)
def test_einsum(spec, size, dtype):
    terms = spec.split("->")[0].split(",")
    shapes = [tuple(SIZES[size][c] for c in term) for term in terms]
    a, b = (numbers(shape, dtype, seed) for seed, shape in enumerate(shapes))
    agrees(lambda a, b: np.einsum(spec, a, b), a, b)
    agrees(lambda a, b: np.einsum(spec, a.T.copy().T * 2, np.tanh(b)), a, b)


@pytest.mark.parametrize("spec, shapes", [
    ("ab,abi->abi", ((7, 1), (7, 1, 9))), ("i,j->ji", ((5,), (40,))), ("ab,bc->ac", ((3, 4), (4, 5))),
])  # fmt: skip
def test_operands_are_there_before_they_are_multiplied(spec, shapes):
    a, b = (numbers(shape, "float64", seed) for seed, shape in enumerate(shapes))
    agrees(lambda a, b: np.einsum(spec, a * 2, np.exp(b) * 3) + 1, a, b)
    agrees(lambda a, b: np.convolve(np.ravel(a) * 2, np.ravel(b) * 3), a, b)
    agrees(lambda a, b: np.convolve(np.ravel(b) * 2, np.ravel(a) * 3), a, b)
    agrees(lambda a, b: np.searchsorted(np.sort(np.ravel(a) * 2), b * 3), a, b)
    agrees(lambda a, b: gammaln(np.abs(a * 2) + 1) + np.sum(np.argsort(b * 3, axis=0, kind="stable")), a, b)


def test_einsum_of_whole_numbers():
    a, b = numbers((40, 30), "int64"), numbers((30, 20), "int64", 1)
    agrees(lambda a, b: np.einsum("ij,jk->ik", a, b), a, b)


@pytest.mark.parametrize("batch", [((), ()), ((5,), ()), ((5,), (5,)), ((2, 1), (3,)), ((2, 3), (3,))])
@pytest.mark.parametrize("turned", [False, True])
def test_batches_of_products(batch, turned):
    """Axes of the batch in any order in memory, those of length 1 too."""
    lead = [len(part) for part in batch]
    a, b = numbers((*batch[0], 17, 9), "float64"), numbers((*batch[1], 9, 33), "float64", 1)

    def inside_out(x, n):
        return (
            np.moveaxis(np.moveaxis(x, range(n), range(-n, 0)).copy() * 1.5, range(-n, 0), range(n))
            if n
            else x
        )

    if turned:
        agrees(lambda a, b: inside_out(a, lead[0]) @ inside_out(b, lead[1]), a, b)
    agrees(
        lambda a, b: np.swapaxes(np.swapaxes(a, -1, -2).copy(), -1, -2) @ np.broadcast_to(b, b.shape), a, b
    )


@pytest.mark.parametrize("m, n", [(1, 1), (1, 9), (9, 1), (5, 5), (17, 4), (4, 17), (64, 65), (500, 31)])
def test_convolve(m, n):
    a, b = numbers((m,), "float64"), numbers((n,), "float64", 1)
    agrees(np.convolve, a, b)
    agrees(np.convolve, a.astype("float32"), b.astype("float32"))
    agrees(np.convolve, numbers((m,), "int64"), numbers((n,), "int64"))


def test_convolve_does_not_multiply_what_is_outside():
    agrees(np.convolve, np.array([1.0, np.inf, 2.0, 3.0]), np.array([np.nan, 1.0]))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "uint64", "int8"])
def test_divisors_and_multiples(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    a = np.array([0, 0, 6, 12, 17, 100, 7, high, low, low, 3], dtype)
    b = np.array([0, 5, 4, 18, 51, 0, 7, 3, 2, 0, high], dtype)
    agrees(lambda a, b: (np.gcd(a, b), np.lcm(a // 2, b // 2)), a, b)


# --- indices ------------------------------------------------------------------------------------------------


@wg.jit
def looked_up(x, i):
    return x[i]


@pytest.mark.parametrize("i", [[4], [-5], [0, 1, 99], [[0], [-100]]])
def test_outside(i):
    with pytest.raises(IndexError, match="out of bounds"):
        looked_up(np.arange(4.0), np.array(i))


@wg.jit
def written_at(x, i):
    x = x * 1.0
    x[i] = 2.0
    return x


@wg.jit
def added_at(x, i):
    x = x * 1.0
    np.add.at(x, i, 2.0)
    return x


@pytest.mark.parametrize("f", [written_at, added_at])
def test_writes_outside(f):
    for i in (np.array([0, 7]), np.array([[-8], [1]])):
        with pytest.raises(IndexError, match="out of bounds"):
            f(np.arange(7.0), i)
    np.testing.assert_array_equal(f(np.zeros(3), np.array([-3, 2])), [2, 0, 2])


def test_from_the_end():
    agrees(lambda x, i: (x[i], x[:, i], x[i, i]), numbers((7, 7), "float64"), np.array([-1, -7, 0, 6, -2]))


def test_index_arrays_apart():
    x, i, j = numbers((3, 4, 5, 6), "float64"), np.array([0, 2, -1]), np.array([[1], [5]])
    agrees(lambda x, i, j: (x[:, i, :, j], x[i, ..., j], x[:, 1, :, i], x[i, :, 2], x[:, :, i, j]), x, i, j)
    agrees(lambda x, i: wg.vmap(lambda x: x[i, :, i])(x), x, i)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("shape", [(5,), (64,), (4, 33)])
def test_repeated_places(shape, dtype):
    """Adding adds every one; of what is written the last one stays."""
    rng = np.random.default_rng(0)
    x, i = numbers((7, 19), dtype), rng.integers(-7, 7, shape)
    values = numbers((*shape, 19), dtype, 1)

    def added(x, i, values):
        x = x * 1
        np.add.at(x, i, values)
        return x

    def written(x, i, values):
        x = x * 1
        x[i] = values
        return x

    agrees(added, x, i, values)
    agrees(written, x, i, values)
    agrees(lambda x, i, v: written(x[:, 0], i, v[..., 0]), x, i, values)
    agrees(lambda x, i, v: added(x[:, 0], i, v[..., 0]), x, i, values)


@pytest.mark.parametrize("shape", [(33, 40), (4, 16, 17), (64, 5)])
def test_the_order_of_writes_is_that_of_the_index(shape):
    rng = np.random.default_rng(0)
    x, i, values = rng.normal(size=9), rng.integers(-9, 9, shape), rng.normal(size=shape)
    expected = x.copy()
    for place in np.ndindex(shape[::-1]):
        expected[i.T[place]] = values.T[place]

    def written(x, i, values):
        x = x * 1.0
        x[i.T] = values.T
        return x

    np.testing.assert_array_equal(run(traced(written, x, i, values), [x, i, values])[0], expected)


# --- linear algebra -----------------------------------------------------------------------------------------


def apart(n, dtype, lead=()):
    """Symmetric positive definite matrices whose eigenvalues are apart."""
    a = numbers((*lead, n, n), dtype) / (4 * n)
    return a + np.swapaxes(a, -1, -2) + np.diag(np.arange(1, n + 1)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 17, 33])
def test_linear_algebra(n, lead, dtype):
    a, b = apart(n, dtype, lead), numbers((*lead, n, 4), dtype, 1)
    agrees(lambda a, b: (np.linalg.solve(a, b), np.linalg.solve(np.swapaxes(a, -1, -2), b[..., :1])), a, b)
    agrees(lambda a: (np.linalg.inv(a), np.linalg.cholesky(a), *np.linalg.slogdet(-a)), a)
    agrees(lambda a: np.linalg.det(a / np.sqrt(n)), a)
    agrees(lambda b: (*np.linalg.qr(b[..., : min(n, 4)]), np.linalg.pinv(b)), b)


VECTORS = {
    "eigh": np.linalg.eigh,
    "eigh of the upper triangle": lambda a: np.linalg.eigh(a, "U"),
    "svd": np.linalg.svd,
    "svd of tall ones": lambda a: np.linalg.svd(a[..., : 1 + a.shape[-1] // 2], full_matrices=False),
    "svd of wide ones": lambda a: np.linalg.svd(a[..., : 1 + a.shape[-1] // 2, :], full_matrices=False),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("n", [1, 2, 8, 17, 33])
def test_vectors(n, name, dtype):
    """Equal but for their signs, which are arbitrary."""
    a = apart(n, dtype, (3,)) + np.triu(numbers((n, n), dtype), 1) / n
    trace = traced(lambda a: tuple(VECTORS[name](a)), a)
    found, expected = run(trace, [a]), evaluate(trace, [a])
    near([np.abs(x) for x in found], [np.abs(x) for x in expected], 10 * ROUNDING[np.dtype(dtype).type])
    if name == "eigh":
        w, v = found
        near(
            [v * w[..., None, :] @ np.swapaxes(v, -1, -2)],
            [np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)],
            1e-4,
        )


def test_solve_broadcasts_and_converts():
    a, b = apart(5, "float32"), numbers((7, 5, 2), "float64")
    agrees(np.linalg.solve, a, b)
    agrees(np.linalg.solve, apart(5, "float64", (3, 1)), b)


def test_a_singular_matrix_has_a_determinant():
    agrees(lambda a: (np.linalg.det(a), *np.linalg.slogdet(a)), np.kron(np.eye(3), [[1.0, 2.0], [2.0, 4.0]]))


@pytest.mark.parametrize("n", [3, 6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "f, message",
    [
        (np.linalg.inv, "Singular matrix"),
        (lambda a: np.linalg.solve(a, a), "Singular matrix"),
        (lambda a: np.linalg.cholesky(a - 9), "not positive definite"),
    ],
)
def test_errors_are_numpys(f, message, dtype, n):
    a = np.ones((2, n, n), dtype)
    with pytest.raises(np.linalg.LinAlgError, match=message):
        wg.jit(f)(a)
