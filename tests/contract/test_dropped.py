"""A derivative is never dropped in silence: what cannot be followed raises, and names the way out."""

import contextlib
import math
import operator
import struct

import numpy as np
import pytest

import wengert as wg
from wengert.core.recorder import Tracer

X = np.array([0.5, 1.5, 2.0])
BEFORE = np.zeros(3)
TABLE = np.arange(6.0).reshape(2, 3)


def write_before(x):
    BEFORE[0] = x[0]
    return np.sum(BEFORE)


def write_slice_before(x):
    BEFORE[:] = x
    return np.sum(BEFORE)


def add_to_row_before(x):
    row = TABLE[0]
    row += x
    return np.sum(TABLE)


def out_before(x):
    np.sin(x, out=BEFORE)
    return np.sum(BEFORE)


def method_copy(x):
    A = TABLE.copy()
    A[0, 1] = x[0]
    return np.sum(A)


def copyto_before(x):
    np.copyto(BEFORE, x)
    return np.sum(BEFORE)


def add_at_before(x):
    np.add.at(BEFORE, [0], x[0])
    return np.sum(BEFORE)


def integer_array(x):
    out = np.zeros(3, dtype=int)
    out[0] = x[0]
    return np.sum(out) * 1.0


DROPS = {
    "float": lambda x: float(x[0]),
    "float of a size-one array": lambda x: float(x[:1].sum()),
    "complex": lambda x: complex(x[0]).real,
    "math.sin": lambda x: math.sin(x[0]),
    "math.exp": lambda x: math.exp(x[0]),
    "math.sqrt": lambda x: math.sqrt(x[0]),
    "math.pow": lambda x: math.pow(x[0], 2),
    "math.fsum": lambda x: math.fsum([x[0], x[1]]),
    "math.hypot": lambda x: math.hypot(x[0], x[1]),
    "percent g": lambda x: float("%g" % x[0]),  # noqa: UP031
    "percent f": lambda x: float("%.3f" % x[0]),  # noqa: UP031
    "np.float64": lambda x: np.float64(x[0]),
    "np.float32": lambda x: np.float32(x[0]),
    "np.complex128": lambda x: np.complex128(x[0]).real,
    "np.float64 of an array": lambda x: np.sum(np.float64(x)),
    "struct": lambda x: struct.unpack("d", struct.pack("d", x[0]))[0],
    "fromiter": lambda x: np.sum(np.fromiter((v for v in x), dtype=float)),
    "astype int": lambda x: (
        np.sum(x.astype(int)) * 1.0 if x.astype(int).dtype.kind == "i" and False else float(x[0])
    ),
    "write into an array made before": write_before,
    "write a slice of an array made before": write_slice_before,
    "augment a row of an array made before": add_to_row_before,
    "out= an array made before": out_before,
    "write into the copy by a method of a constant": method_copy,
    "copyto an array made before": copyto_before,
    "add.at an array made before": add_at_before,
    "tobytes": lambda x: np.sum(np.frombuffer(x.tobytes())),
    "memoryview": lambda x: np.sum(np.asarray(memoryview(x))),
    "view as another dtype": lambda x: np.sum(x.view(np.int64)) * 1.0,
    "random with a parameter": lambda x: np.random.default_rng(0).normal(x[0]),
}


@pytest.mark.parametrize("f", DROPS.values(), ids=DROPS.keys())
@pytest.mark.parametrize("transform", [wg.grad, lambda f: lambda x: wg.jvp(f, (x,), (np.ones_like(x),))])
def test_dropped_derivative_raises(f, transform):
    with pytest.raises((TypeError, ValueError, NotImplementedError, AttributeError, struct.error)):
        transform(f)(X)


@pytest.mark.parametrize("f", DROPS.values(), ids=DROPS.keys())
def test_arrays_made_before_are_left_alone(f):
    with contextlib.suppress(Exception):
        wg.grad(f)(X)
    assert not BEFORE.any()
    np.testing.assert_array_equal(TABLE, np.arange(6.0).reshape(2, 3))


def test_the_message_says_where_what_and_instead():
    with pytest.raises(TypeError, match=r"test_dropped\.py:\d+: .*lose the derivative.*np\.sin"):
        wg.grad(lambda x: math.sin(x))(1.0)


def test_the_message_of_a_write_names_np_copy():
    with pytest.raises(TypeError, match=r"test_dropped\.py:\d+: .*np\.copy"):
        wg.grad(method_copy)(X)


def test_the_message_of_a_write_before_says_what_to_do():
    with pytest.raises(TypeError, match=r"test_dropped\.py:\d+: .*before the recording"):
        wg.grad(out_before)(X)


RARE = {
    "i0": np.i0,
    "unwrap": lambda x: np.unwrap(4 * x),
    "fft": lambda x: np.abs(np.fft.fft(x)),
    "frexp": lambda x: np.frexp(x)[0],
    "modf": lambda x: np.modf(x)[0],
    "ldexp": lambda x: np.ldexp(x, 2),
    "nextafter": lambda x: np.nextafter(x, 9.0),
    "heaviside": lambda x: np.heaviside(x, 0.5) * x,
    "convolve": lambda x: np.convolve(x, x),
    "correlate": lambda x: np.correlate(x, x, "full"),
    "interp": lambda x: np.interp(x, [0.0, 1.0, 3.0], [1.0, -1.0, 4.0]),
    "interp of values": lambda x: np.interp([0.3, 1.2], [0.0, 1.0, 3.0], x),
    "bincount": lambda x: np.bincount([0, 1, 1], weights=x),
    "unique": np.unique,
    "partition": lambda x: np.partition(x, 1),
    "lexsort": lambda x: x[np.lexsort((x, -x))],
    "real_if_close": np.real_if_close,
    "extract": lambda x: np.extract(x > 1, x),
    "reduceat": lambda x: np.add.reduceat(x, [0, 2]),
    "accumulate": np.maximum.accumulate,
    "outer of hypot": lambda x: np.hypot.outer(x, x),
    "matvec": lambda x: np.matvec(np.ones((2, 3)), x),
    "nan_to_num": np.nan_to_num,
    "svd": lambda x: np.linalg.svd(np.outer(x, x) + np.eye(3))[1],
    "polyfit": lambda x: np.polyfit([0.0, 1.0, 2.0], x, 1),
    "cond": lambda x: np.linalg.cond(np.diag(x)),
    "pad linear_ramp": lambda x: np.pad(x, 1, mode="linear_ramp"),
    "rfft": lambda x: np.abs(np.fft.rfft(x)),
    "tensorinv": lambda x: np.linalg.tensorinv(np.diag(x).reshape(3, 3), ind=1),
    "tensorsolve": lambda x: np.linalg.tensorsolve(np.eye(3) + np.outer(x, x), np.ones(3)),
}


@pytest.mark.parametrize("name", RARE)
def test_a_rare_function_is_right(name):
    f, x = RARE[name], X + 0.07
    np.testing.assert_allclose(wg.jacobian(f)(x), wg.numerical.jacobian(f, x), rtol=1e-6, atol=1e-7)


UNKNOWN = {
    "eig": lambda x: np.linalg.eig(np.diag(x) + 0.1)[0],
    "histogram": lambda x: np.histogram([0.1, 0.2, 0.9], bins=2, weights=x)[0],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_function_without_a_derivative_is_named(name):
    with pytest.raises(TypeError, match=rf"test_dropped\.py:\d+: np\.(linalg\.)?{name} .*[Ww]rite np\."):
        wg.jacobian(UNKNOWN[name])(X + 0.07)


def test_an_integer_array_does_not_swallow_a_tracer():
    """NumPy truncates here."""
    with pytest.raises(TypeError, match="into an array of int64 would lose its derivative"):
        wg.grad(integer_array)(X)


# Allowed, with derivative zero ---------------------------------------------------------------------------

ZERO = {
    "int": lambda x: x[0] * 0 + int(x[1]),
    "bool": lambda x: x[0] * 0 + bool(x[1]),
    "round": lambda x: x[0] * 0 + round(x[1]),
    "floor division": lambda x: x[1] // 1,
    "math.floor": lambda x: x[0] * 0 + math.floor(x[1]),
    "math.ceil": lambda x: x[0] * 0 + math.ceil(x[1]),
    "math.trunc": lambda x: x[0] * 0 + math.trunc(x[1]),
    "np.floor": lambda x: np.floor(x[1]),
    "argmax": lambda x: x[0] * 0 + np.argmax(x),
    "sign": lambda x: np.sign(x[1]),
    "comparison": lambda x: (x[1] > 1) * 1.0,
    "count": lambda x: np.count_nonzero(x) * 1.0 + x[0] * 0,
    "range": lambda x: sum(range(int(x[2]))) + x[0] * 0,
    "index": lambda x: [5.0, 6.0, 7.0][operator.index(np.argmax(x))] + x[0] * 0,
    "astype int and back": lambda x: np.sum(x.astype(int).astype(float)),
    "round to decimals": lambda x: np.sum(np.round(x, 1)),
}


@pytest.mark.parametrize("f", ZERO.values(), ids=ZERO.keys())
def test_derivative_zero(f):
    value, gradient = wg.value_and_grad(f)(X)
    assert value == f(X)
    np.testing.assert_array_equal(gradient, np.zeros(3))


# Traces that end ----------------------------------------------------------------------------------------


def test_a_leaked_tracer_raises():
    leaked = []
    wg.grad(lambda x: leaked.append(x) or np.sum(x))(X)
    with pytest.raises((RuntimeError, TypeError)):
        wg.grad(lambda y: np.sum(y * leaked[0]))(X)


@pytest.mark.parametrize("of", [wg.grad, wg.jit, lambda f: wg.jit(wg.grad(f))])
def test_what_an_error_of_the_users_carries_are_numbers(of):
    def f(x):
        if x > 1.0:
            raise KeyError(x, "is too large")
        return x * x

    f = of(f)
    for x in (0.5, 2.0, 3.0):
        if x < 1.0:
            f(x)
            continue
        with pytest.raises(KeyError) as caught:
            f(x)
        assert caught.value.args == (x, "is too large")
        assert not isinstance(caught.value.args[0], Tracer)
