"""Aliases and copies are those of NumPy."""

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import agree_twice, close, maps

X = np.array([0.5, -1.2, 2.3, 0.7])
CONST = np.array([1.0, -2.0, 3.0, 0.5])


def astype_without_copy_is_an_alias(x):
    y = x * 2
    z = y.astype(float, copy=False)
    z[0] = x[1] ** 2
    return y


def ravel_of_a_strided_view_is_a_copy(x):
    y = x * 2
    z = y[::2].ravel()
    z *= 0.0
    return y


def ravel_of_transposed_is_a_copy(x):
    M = np.outer(x, CONST)
    M.T.ravel()[1] = 100.0
    return M


def reshape_of_transposed_is_a_copy(x):
    M = np.outer(x, CONST)
    M.T.reshape(-1)[1] = 100.0
    return M


def flat_of_a_reversed_view_writes_through(x):
    M = (x * 2).reshape(2, 2)
    M[::-1].flat[::3] = x[0] ** 2
    return M


def flat_of_columns_writes_through(x):
    M = np.outer(x, CONST)
    M[:, 1:].flat[::3] = x[0] ** 2
    return M


def flat_of_transposed_writes_through(x):
    M = np.outer(x, CONST)
    M.T.flat[1] = x[0] ** 2
    return M


def put_into_transposed(x):
    M = np.outer(x, CONST)
    np.put(M.T, [1, 2], x[0] ** 2)
    return M


def put_into_transposed_zeros(x):
    M = np.zeros((2, 4)).T
    np.put(M, [0, 1], x[0] ** 2)
    return M


def fill_diagonal_of_transposed(x):
    M = np.outer(x, CONST)
    np.fill_diagonal(M.T, x[0] ** 2)
    return M


def fill_diagonal_of_swapped_axes(x):
    M = np.array([[np.sum(x), 1.0], [2.0, np.max(x)]])
    np.fill_diagonal(np.swapaxes(M, 0, 1), x[0] ** 2)
    return M


def fortran_ordered(x):
    a = np.zeros((2, 4), order="F")
    a[1] = x
    return a.ravel(order="K") * 2


def order_a_of_transposed(x):
    return np.outer(x, CONST).T.ravel(order="A")


def real_and_imaginary_parts_written(x):
    z = x * (1 + 0j)
    z.imag = x**2
    z.real[0] = 3.0
    return np.abs(z) ** 2


def parts_of_a_preallocated_complex_array(x):
    z = np.zeros(4, complex)
    z.imag = x**2
    part = z.real
    part[1:] = x[:-1]
    z.real[0] = 3.0
    return np.abs(z) ** 2 + part


def real_part_of_a_preallocated_array(x):
    z = np.zeros(4)
    z.real[1] = x[0]
    z.real = z + x**2
    return z


def transposed_before_the_first_write(x):
    a = np.zeros((4, 2))
    t = a.T
    t[0] = x
    a[0] += x[1]
    return t


FUNCTIONS = [f for f in list(globals().values()) if getattr(f, "__module__", None) == __name__]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_derivative(f):
    agree_twice(lambda x: f(x.copy()), X)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_jit(f):
    close(wg.jit(lambda x: f(x.copy()))(X), f(X.copy()))


# What cannot be mapped, and why not.
REFUSALS = {fortran_ordered: 'an array of order="F"'}


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_vmap(f):
    maps(lambda x: f(x.copy()), np.stack([X, X * 1.1]), REFUSALS.get(f))


def test_read_only_views_stay_read_only():
    for write in (
        lambda x: np.diagonal(np.outer(x, x)).__setitem__(0, 1.0),
        lambda x: np.broadcast_to(x, (2, 4)).__setitem__((0, 0), 1.0),
    ):
        with pytest.raises((ValueError, TypeError)):
            wg.grad(lambda x, write=write: write(x * 2) or np.sum(x))(X)
