"""NumPy's functions called with bare lists of traced numbers."""

import numpy as np
import pytest

import wengert as wg
from wengert.ops import lists

X = np.array([1.0, 2.5, 2.0])


def matrix(x):
    return [[4 + x[0], x[1]], [x[1], 9.0]]


CALLS = {
    np.mean: lambda f, x: f([x[0], 2 * x[1], x[2] ** 2]),
    np.std: lambda f, x: f([x[0], x[1], 3.0]),
    np.var: lambda f, x: f([x[0], x[1], 3.0], ddof=1),
    np.average: lambda f, x: f([x[0], x[1]], weights=[x[2], 1.0]),
    np.median: lambda f, x: f((x[0], x[1], x[2])),
    np.percentile: lambda f, x: f([x[0], x[1], x[2]], 30),
    np.quantile: lambda f, x: f(a=[x[0], x[1], x[2]], q=0.7),
    np.cov: lambda f, x: f([[x[0], x[1], x[2]], [1.0, x[0], 0.0]]),
    np.interp: lambda f, x: f(1.7, [x[0], x[2], x[1]], [1.0, x[0], 5.0]),
    np.isclose: lambda f, x: f([x[0], x[1]], [1.0, 2.0]) * x[0],
    np.allclose: lambda f, x: f([x[0], x[1]], [1.0, 2.5]) * x[0],
    np.linalg.det: lambda f, x: f(matrix(x)),
    np.linalg.slogdet: lambda f, x: f(matrix(x))[1],
    np.linalg.inv: lambda f, x: f(matrix(x)),
    np.linalg.solve: lambda f, x: f(matrix(x), [x[2], 1.0]),
    np.linalg.cholesky: lambda f, x: f(matrix(x)),
}


@pytest.mark.parametrize("function", lists.FUNCTIONS, ids=lambda f: f.__name__)
def test_derivatives(function):
    name, space = function.__name__, np.linalg if "linalg" in function.__module__ else np
    f = lambda x: CALLS[function](getattr(space, name), x)
    expected = wg.numerical.jacobian(f, X)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(wg.jacobian(f, mode=mode)(X), expected, rtol=1e-7, atol=1e-8)


def test_mean_of_losses():
    rows = np.arange(12.0).reshape(4, 3)
    found = wg.grad(lambda w: np.mean([np.tanh(row @ w) ** 2 for row in rows]))(X / 10)
    expected = wg.grad(lambda w: np.mean(np.tanh(rows @ w) ** 2))(X / 10)
    np.testing.assert_allclose(found, expected)


def test_lists_of_numbers_are_constants():
    assert wg.grad(lambda x: x * np.mean([1.0, 2.0]))(3.0) == 1.5
    assert type(np.mean([1.0, 2.0])) is np.float64


def test_arrays_written_to_count_as_traced():
    def f(x):
        row = np.zeros(2)
        row[0] = x
        return np.mean([row, 2 * row])

    assert wg.grad(f)(3.0) == 0.75
