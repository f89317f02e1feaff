"""Tracers beside lists, constants, NumPy scalars and Python's own functions."""

import functools
import itertools
import math
import numbers
import operator

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import agree_twice

X = np.array([0.5, -1.2, 2.3, 0.7])
CONST = np.array([1.0, -2.0, 3.0, 0.5])
A = np.arange(8.0).reshape(2, 4) - 3

MIXED = {
    "sum of a list": lambda x: np.sum([x[0], x[1] ** 2, 3.0]),
    "max of a list": lambda x: np.max([x[0], 0.0, x[2] ** 2]),
    "prod of a list": lambda x: np.prod([x[0], x[1], 2]),
    "norm of a list": lambda x: np.linalg.norm([x[0], x[1], 1.0]),
    "dot of lists": lambda x: np.dot([x[0], x[1]], [x[2], 1.0]),
    "dot of a list and an array": lambda x: np.dot([1.0, 2.0, 3.0, 4.0], x),
    "constant at a list": lambda x: A @ [x[0], x[1], 1.0, x[2]],
    "constant plus a list": lambda x: CONST + [x[0], x[1], 1.0, x[2]],
    "constant times a nested list": lambda x: A * [[x[0]], [x[1]]],
    "list times an array": lambda x: [1.0, 2.0, 3.0, 4.0] * x,
    "list plus a tracer": lambda x: [1, 2, 3, 4] + x,
    "list minus a tracer": lambda x: [1, 2, 3, 4] - x,
    "list over a tracer": lambda x: [1, 2, 3, 4] / (x**2 + 1),
    "tuple times a tracer": lambda x: x * (1, 2, 3, 4),
    "where of lists": lambda x: np.where([True, False], [x[0], 1.0], [2.0, x[1] ** 2]),
    "maximum of a list": lambda x: np.maximum([x[0], x[1]], 0.0),
    "concatenate lists": lambda x: np.concatenate([[x[0]], [1.0, x[1] ** 2]]),
    "outer of a list": lambda x: np.outer([x[0], 2.0], x),
    "einsum of a list": lambda x: np.einsum("i,i", [1.0, 2.0, 3.0, 4.0], x**2),
    "diag of a list": lambda x: np.diag([x[0], x[1] ** 2]),
    "polyval of a list": lambda x: np.polyval([x[0], x[1], 1.0], x[2]),
    "clip of a list": lambda x: np.clip([x[0], x[1]], -1.0, 1.0),
    "cumsum of a list": lambda x: np.cumsum([x[0], x[1], 2.0]),
    "array of arrays of one": lambda x: np.array([x[:1], x[1:2] ** 2]),
    "array of an array and a list": lambda x: np.array([x[:2], [1.0, x[2]]]),
    "array of ints and tracers": lambda x: np.array([1, 2, x[0]]),
    "array of numpy scalars and tracers": lambda x: np.array([np.float64(1), x[0], np.int64(3)]),
    "array of 0-d arrays": lambda x: np.array([np.array(1.0), x[0], x.sum()]),
    "empty list beside": lambda x: np.concatenate([[], x]),
    "constant scalar from the left": lambda x: CONST[0] * x + CONST[1] / (x**2 + 1) - CONST[2] ** x,
    "0-d constant": lambda x: np.array(2.0) * x + x * np.array(3.0),
    "float32 scalar": lambda x: np.float32(2) * x + x / np.float32(4),
    "int64 scalar": lambda x: np.int64(3) * x + x ** np.int64(2),
    "boolean array": lambda x: np.array([True, False, True, True]) * x,
    "constant power": lambda x: np.abs(CONST) ** x,
    "constant matmul both": lambda x: A @ np.diag(x) @ A.T,
    "constant dot method": lambda x: A.dot(x) + CONST[:2].dot(x[:2]),
    "constant's ufunc methods": lambda x: np.multiply.outer(CONST[:2], x),
    "constant compared": lambda x: (x > CONST) * x,
    "masked constant": lambda x: CONST[x < CONST].sum() * x,
    "constant clip by tracer": lambda x: np.clip(CONST, x[1], x[2]),
    "constant maximum": lambda x: np.maximum(CONST, x),
    "constant take": lambda x: CONST.take(np.argsort(x)) * x,
    "constant repeat": lambda x: CONST.repeat(2) * np.repeat(x, 2),
    "python max": lambda x: max(x[0], 0.0) * max(x) * max(x[1], x[2], key=abs),
    "python min and sum": lambda x: min(x[0], 3) * sum(x) + sum([x, x**2], np.zeros(4)),
    "python abs, pow, round": lambda x: abs(x[1]) ** 2 + pow(x[0], 3) + round(2.7) * x[0],
    "python sorted": lambda x: np.array(sorted(x, key=lambda v: -v)) * CONST,
    "python all and any": lambda x: x * all(v > -5 for v in x) * any(v > 0 for v in x),
    "reduce": lambda x: functools.reduce(lambda a, b: a * b + 1, x),
    "reduce of matmul": lambda x: functools.reduce(np.matmul, [np.outer(x, x), np.diag(x), A.T]),
    "accumulate": lambda x: np.array(list(itertools.accumulate(x, operator.mul))),
    "product": lambda x: sum(a * b for a, b in itertools.product(x, repeat=2)),
    "math.prod": lambda x: math.prod(x),
    "operator": lambda x: operator.add(operator.mul(x, 2), operator.neg(x)) + operator.getitem(x, 1),
    "starred": lambda x: (lambda *v: v[0] * v[-1])(*x),
    "dict of scalars": lambda x: np.array(list({k: v * 2 for k, v in enumerate(x)}.values())),
    "filter and map": lambda x: sum(map(lambda v: v**2, filter(lambda v: v > 0, x))),
    "zip of constants": lambda x: sum(c * v for c, v in zip(CONST, x)),
    "zip of lists": lambda x: sum(c * v for c, v in zip(CONST.tolist(), x)),
    "index by a list": lambda x: x[[0, 2]] * x[[True, False, True, False]],
    "index by numpy int": lambda x: x[np.int64(1)] * x[np.array(2)] * x[np.array([0, 1])][0],
    "nested function of a scalar": lambda x: (lambda t: t * np.exp(-t))(x.sum()),
    "scalar ufunc methods": lambda x: np.add.reduce(x) * np.multiply.reduce(x[:2]),
    "keyword dtype": lambda x: np.multiply(x, 2, dtype=float) + np.sum(x, dtype=float),
    "poly1d": lambda x: np.poly1d([1.0, 2.0, 3.0])(x),
    "Polynomial": lambda x: np.polynomial.Polynomial([1.0, 2.0, 3.0])(x),
    "loop over ndenumerate": lambda x: sum((i[0] + 1) * v for i, v in np.ndenumerate(x)),
    "loop over ndindex": lambda x: sum(x[i] ** 2 for i in np.ndindex(x.shape)),
    "loop over nditer's indices": lambda x: sum(x[i] * CONST[i] for i in range(x.shape[0])),
    "meshgrid with a constant": lambda x: np.prod(np.meshgrid(x, CONST), axis=0),
    "broadcast_arrays of scalars": lambda x: np.broadcast_arrays(x[0], CONST)[0] * 2,
    "trig of degrees": lambda x: np.sin(np.deg2rad(90 * x)),
    "complex intermediate": lambda x: (np.exp(1j * x) * (1 + 2j)).real,
    "walrus": lambda x: (y := x**2) * y.sum(),
    "conditional chain": lambda x: x[0] if x[0] > 1 else x[1] ** 2 if x[1] < 0 else x[2],
    "and or": lambda x: (x[0] > 0 and x[1] ** 2) or x[2],
    "is None": lambda x: x if x is not None else 0,
    "float attribute methods": lambda x: x[0].conjugate() * x[0].real + x.conj().sum(),
    "mean of means": lambda x: x.reshape(2, 2).mean(axis=0).mean(),
    "string key": lambda x: {"a": x, "b": CONST}["a"] ** 2,
}


@pytest.mark.parametrize("f", MIXED.values(), ids=MIXED.keys())
def test_mixed(f):
    agree_twice(f, X)


def test_a_scalar_tracer_is_a_number():
    seen = []
    wg.grad(lambda x: seen.append((isinstance(x, numbers.Number), np.ndim(x), np.isscalar(x))) or x * 1)(1.5)
    assert seen[0][:2] == (True, 0)


def test_long_loops_do_not_reach_the_recursion_limit():
    def f(x):
        for _ in range(5000):
            x = x + 1e-4 * np.sin(x)
        return x

    y, slope = 1.0, 1.0
    for _ in range(5000):
        slope *= 1 + 1e-4 * np.cos(y)
        y += 1e-4 * np.sin(y)
    assert wg.grad(f)(1.0) == pytest.approx(slope)
    assert wg.jvp(f, (1.0,), (1.0,))[1] == pytest.approx(slope)


def test_adding_in_place_to_a_constant_made_before():
    constant = CONST.copy()

    def f(x):
        y = constant
        y += x
        return np.sum(y**2)

    with pytest.raises(TypeError):
        wg.grad(f)(X)
    np.testing.assert_array_equal(constant, CONST)


def test_rebinding_a_constant_by_addition():
    def f(x):
        total = 0
        total += x
        total += CONST
        return np.sum(total**2)

    np.testing.assert_allclose(wg.grad(f)(X), 2 * (X + CONST))


def test_shape_errors_are_those_of_numpy():
    for f, error in {
        lambda x: x @ np.ones(3): ValueError,
        lambda x: x + np.ones(3): ValueError,
        lambda x: x.reshape(3): ValueError,
        lambda x: x[9]: IndexError,
        lambda x: x[0][0]: (IndexError, TypeError),
        lambda x: np.concatenate([x, np.ones((2, 2))]): ValueError,
        lambda x: x["a"]: IndexError,
        lambda x: x.nonsense: AttributeError,
        lambda x: np.sum(x, axis=3): np.exceptions.AxisError,
        lambda x: len(x[0]): TypeError,
        lambda x: iter(x[0]): TypeError,
        lambda x: bool(x): ValueError,
        lambda x: hash(x): TypeError,
        lambda x: x.item(): ValueError,
    }.items():
        with pytest.raises(error):
            wg.grad(lambda x, f=f: (f(x) and 1.0) or np.sum(x))(X)


def test_nan_and_infinity_travel_as_in_numpy():
    with np.errstate(all="ignore"):
        assert np.isnan(wg.grad(lambda x: x * np.nan)(1.0))
        assert wg.grad(np.sqrt)(0.0) == np.inf
        assert wg.grad(np.log)(0.0) == np.inf
        assert wg.grad(lambda x: np.divide(1, x))(0.0) == -np.inf
