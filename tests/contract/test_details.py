"""Small things that NumPy, JAX or the design say."""

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import agree

X = np.array([0.5, -1.2, 2.3, 0.7])


@pytest.mark.parametrize("f", [lambda x: x[None], lambda x: x[...] * 2, lambda x: x[()] * 2])
def test_arrays_of_no_dimension_can_be_indexed(f):
    agree(f, np.array(0.7))


def test_the_same_argnum_twice_is_refused():
    with pytest.raises(ValueError, match=r"argnums=\(0, 0\), where an argument occurs twice"):
        wg.grad(lambda x: x * x, argnums=(0, 0))(1.0)


def test_reverse_jacobian_of_an_empty_output_behind_an_advanced_index():
    f = lambda x: x[0, 0:1:-2, np.array(0)] * 1.0
    assert wg.jacobian(f, mode="reverse")(np.ones((1, 1, 2))).shape == (0, 1, 1, 2)


def test_a_number_with_a_unit_does_not_swallow_the_derivative():
    f = lambda x: np.sum(x) * np.timedelta64(3, "s") / np.timedelta64(1, "s")
    with pytest.raises(TypeError, match="a timedelta64 cannot be an operand"):
        wg.grad(f)(X)


def test_an_index_array_apart_by_an_empty_ellipsis_is_refused():
    f = lambda x: np.outer(x, x).reshape(2, 2, 4)[0:2, np.array(0), ..., np.array([True, False, False, True])]
    with pytest.raises(TypeError, match=r"test_details\.py:\d+"):
        wg.jacobian(f)(X)
