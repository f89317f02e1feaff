"""Every form of NumPy's indexing: reading, writing, adding; values and both modes."""

import numpy as np
import pytest

import wengert as wg
from tests.ops.helpers import agree

X = np.random.default_rng(0).standard_normal((3, 4, 2))
I, J = np.array([2, 0, 2]), np.array([[1], [0]])
MASK = X > 0.2

INDICES = {
    "integer": 1,
    "negative": -1,
    "slice": slice(None, None, -2),
    "tuple": (1, slice(1, 3)),
    "ellipsis": (..., 0),
    "ellipsis alone": ...,
    "nothing": (),
    "newaxis": (None, 0, None, slice(2)),
    "NumPy integer": (np.int32(1), np.intp(-2)),
    "array": I,
    "list": [0, 2],
    "negative array": np.array([-1, 0]),
    "two arrays": (I, J),
    "array and slice": (slice(None), I),
    "arrays apart": (I, slice(None), [0, 1, 0]),
    "arrays apart by newaxis": (I, None, [0, 1, 0]),
    "integer and array apart": (0, slice(None), np.array([1, 0])),
    "integer beside array": (slice(1), 1, np.array([1, 0])),
    "array behind ellipsis": (..., np.array([1, 1])),
    "boolean": MASK,
    "boolean rows": np.array([True, False, True]),
    "boolean beside slice": (slice(None), np.array([True, False, True, True])),
    "boolean and array": (np.array([True, False, True]), np.array([0, 3])),
    "two booleans": (np.array([True, False, True]), np.array([True, False, False, True])),
    "boolean scalar": True,
    "empty": np.array([], int),
    "array of no dimension": np.array(1),
}
EACH = pytest.mark.parametrize("name", INDICES)


def agree_in_batches(f, x):
    agree(f, x)
    rows = np.stack([x, 2 * x])
    np.testing.assert_allclose(wg.vmap(f)(rows), np.stack([f(row) for row in rows]), rtol=1e-12)


@EACH
def test_reading(name):
    agree_in_batches(lambda x: x[INDICES[name]] ** 2, X)


@EACH
def test_writing_numbers(name):
    def f(x):
        y = x * 1
        y[INDICES[name]] = 3.0
        return y * x

    agree_in_batches(f, X)


@EACH
def test_writing_what_is_traced(name):
    def f(x):
        y = x * 1
        y[INDICES[name]] = np.sin(x[INDICES[name]])
        return y * x

    agree_in_batches(f, X)


@EACH
def test_writing_into_a_new_array(name):
    def f(x):
        y = np.ones(x.shape)
        y[INDICES[name]] *= x[0, 0, 0]
        return y

    agree_in_batches(f, X)


@EACH
def test_adding_at(name):
    def f(x):
        y = x * 1
        np.add.at(y, INDICES[name], 2 * x[0, 0, 0])
        return y

    agree_in_batches(f, X)


def test_the_last_of_equal_indices_is_kept():
    def f(x):
        y = x * 1
        y[[0, 0, 1]] = np.stack([x[2], 2 * x[2], 3 * x[1]])
        return y

    agree_in_batches(f, X)


def test_many_equal_indices_add_up():
    places = np.arange(200) % 3
    for dtype in (np.float64, np.float32):
        gradient = wg.grad(lambda x: np.sum(x[places]))(X.astype(dtype))
        assert gradient.dtype == dtype
        expected = np.bincount(places)[:, None, None] * np.ones_like(X)
        np.testing.assert_array_equal(gradient, expected)


ERRORS = {
    "too many": (lambda x: x[0, 0, 0, 0], IndexError, "too many indices"),
    "out of bounds": (lambda x: x[7], IndexError, "out of bounds"),
    "a float": (lambda x: x[x[0, 0, 0]], IndexError, "Write x\\[int\\(i\\)\\]"),
    "empty ellipsis": (lambda x: x[:, I, ..., I % 2], TypeError, "Leave it out"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    f, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        wg.jacobian(f)(X)
