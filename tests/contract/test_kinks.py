"""Ties, kinks and edges: exactly what the package promises where the derivative is a matter of choice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close


def both(f, x):
    """The derivative by reverse and by forward mode, which must agree to the bit."""
    reverse = wg.jacobian(f, mode="reverse")(x)
    forward = wg.jacobian(f, mode="forward")(x)
    np.testing.assert_array_equal(reverse, forward)
    return reverse


def test_abs_at_zero():
    assert both(np.abs, 0.0) == 0
    assert both(abs, 0.0) == 0
    assert both(np.abs, -0.0) == 0
    close(both(np.abs, np.array([-1.0, 0.0, 2.0])), np.diag([-1.0, 0.0, 1.0]))


def test_sign_has_derivative_zero():
    assert both(lambda x: np.sign(x) * x, 0.0) == 0


@pytest.mark.parametrize("x", [0.0, 2.0, -2.0])
@pytest.mark.parametrize("zero", [0, 0.0])
def test_x_to_the_power_zero(x, zero):
    assert both(lambda x: x**zero, x) == 0
    assert both(lambda x: np.power(x, zero), x) == 0


def test_x_to_the_power_zero_in_an_array():
    close(both(lambda x: x ** np.array([0.0, 1.0, 2.0]), np.zeros(3)), np.diag([0.0, 1.0, 0.0]))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_integer_powers_at_zero_and_below(n):
    assert both(lambda x: x**n, 0.0) == (1.0 if n == 1 else 0.0)
    assert both(lambda x: x**n, -2.0) == pytest.approx(n * (-2.0) ** (n - 1))
    assert both(lambda x: x ** float(n), -2.0) == pytest.approx(n * (-2.0) ** (n - 1))


def test_second_derivative_of_a_power_at_zero():
    assert wg.grad(wg.grad(lambda x: x**2))(0.0) == 2
    assert wg.grad(wg.grad(lambda x: x**1))(0.0) == 0
    assert wg.grad(wg.grad(lambda x: x**0))(0.0) == 0
    assert wg.grad(wg.grad(wg.grad(lambda x: x**2)))(0.0) == 0
    assert wg.grad(wg.grad(wg.grad(lambda x: x**3)))(0.0) == 6


@pytest.mark.parametrize("y", [1.0, 2.0, 0.5, 3])
def test_zero_to_a_power_by_the_power(y):
    if isinstance(y, float):
        assert both(lambda y: 0.0**y, y) == 0
        assert both(lambda y: np.power(0.0, y), y) == 0
    close(wg.grad(lambda x, y: x**y, argnums=(0, 1))(0.0, 2.0), (0.0, 0.0))


def test_zero_to_the_power_zero_by_the_power_is_not_nan():
    assert not np.isnan(both(lambda y: 0.0**y, 0.0))


def test_negative_base_by_the_base_alone():
    close(wg.grad(lambda x: np.sum(x ** np.array([2, 3])))(np.array([-1.0, -2.0])), np.array([-2.0, 12.0]))


@pytest.mark.parametrize("f", [np.max, lambda x: x.max(), np.amax, np.maximum.reduce, np.nanmax])
def test_ties_of_max_share_the_derivative(f):
    close(both(f, np.array([1.0, 3.0, 3.0, 2.0, 3.0])), np.array([0, 1, 1, 0, 1]) / 3)


@pytest.mark.parametrize("f", [np.min, lambda x: x.min(), np.amin, np.minimum.reduce])
def test_ties_of_min_share_the_derivative(f):
    close(both(f, np.array([1.0, 3.0, 1.0])), np.array([0.5, 0, 0.5]))


def test_ties_of_max_along_an_axis():
    x = np.array([[1.0, 1.0, 0.0], [2.0, 5.0, 5.0]])
    expected = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5]])
    close(wg.grad(lambda x: np.sum(np.max(x, axis=1)))(x), expected)
    close(wg.grad(lambda x: np.sum(x.max(axis=-1, keepdims=True)))(x), expected)
    close(jax.grad(lambda x: jnp.sum(jnp.max(x, axis=1)))(x), expected)


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_ties_of_two_share_the_derivative(f):
    close(wg.grad(f, argnums=(0, 1))(2.0, 2.0), (0.5, 0.5))
    assert both(lambda x: f(x, 2.0), 2.0) == 0.5


def test_maximum_away_from_ties():
    close(wg.grad(np.maximum, argnums=(0, 1))(3.0, 2.0), (1.0, 0.0))
    close(wg.grad(np.minimum, argnums=(0, 1))(3.0, 2.0), (0.0, 1.0))


def test_clip_inside_and_outside():
    x = np.array([-2.0, -0.5, 0.5, 3.0])
    close(np.diag(both(lambda x: np.clip(x, -1, 1), x)), np.array([0.0, 1, 1, 0]))
    close(np.diag(both(lambda x: x.clip(-1, 1), x)), np.array([0.0, 1, 1, 0]))
    close(np.diag(both(lambda x: x.clip(min=0), x)), np.array([0.0, 0, 1, 1]))


def test_sort_is_stable():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    expected = np.eye(4)[[1, 3, 0, 2]]
    close(both(np.sort, x), expected)
    close(both(lambda x: x[np.argsort(x)], x), expected)
    close(both(lambda x: np.take_along_axis(x, np.argsort(x), 0), x), expected)
    close(both(lambda x: x[x.argsort()], x), expected)


def test_argsort_of_many_ties_is_stable():
    x = np.repeat([1.0, 0.0], 50)
    expected = np.argsort(x, kind="stable")
    seen = []
    wg.grad(lambda x: seen.append(np.asarray(np.argsort(x))) or np.sum(x))(x)
    np.testing.assert_array_equal(seen[0], expected)


def test_sort_in_place():
    def f(x):
        y = x.copy()
        y.sort()
        return y

    close(both(f, np.array([3.0, 1.0, 2.0])), np.eye(3)[[1, 2, 0]])


def test_argmax_takes_the_first():
    def f(x):
        return x[np.argmax(x)]

    close(both(f, np.array([1.0, 3.0, 3.0])), np.array([0.0, 1, 0]))


def test_prod_with_zeros():
    close(both(np.prod, np.array([2.0, 0.0, 3.0])), np.array([0.0, 6, 0]))
    close(both(np.prod, np.array([0.0, 0.0, 3.0])), np.zeros(3))
    close(both(np.cumprod, np.array([0.0, 2.0])), np.array([[1.0, 0], [2, 0]]))


def test_where_keeps_nan_out():
    """The double-where trick: the branch not taken may be undefined only if its argument is made safe."""

    def f(x):
        safe = np.where(x > 0, x, 1.0)
        return np.where(x > 0, np.log(safe), 0.0)

    close(np.diag(both(f, np.array([-1.0, 0.0, 2.0]))), np.array([0.0, 0, 0.5]))


def test_rounding_has_derivative_zero():
    for f in (np.floor, np.ceil, np.round, np.rint, np.trunc, np.sign):
        close(both(f, np.array([0.3, -1.7])), np.zeros((2, 2)))


def test_floor_division_and_remainder():
    assert both(lambda x: x // 2.0, 5.5) == 0
    assert both(lambda x: x % 2.0, 5.5) == 1
    assert both(lambda y: 5.5 % y, 2.0) == -2
    assert both(lambda x: divmod(x, 2.0)[1], 5.5) == 1


def test_hypot_and_arctan2_away_from_the_origin():
    close(wg.grad(np.hypot, argnums=(0, 1))(3.0, 4.0), (0.6, 0.8))
    close(wg.grad(np.arctan2, argnums=(0, 1))(3.0, -4.0), (-4 / 25, -3 / 25))


def test_logaddexp_is_stable():
    close(wg.grad(np.logaddexp, argnums=(0, 1))(1000.0, 1000.0), (0.5, 0.5))
    close(wg.grad(np.logaddexp, argnums=(0, 1))(-1000.0, 1000.0), (0.0, 1.0))


def test_sinc_at_zero():
    assert both(np.sinc, 0.0) == 0
    assert wg.grad(wg.grad(np.sinc))(0.0) == pytest.approx(-(np.pi**2) / 3)


def test_relu_written_in_several_ways_away_from_the_kink():
    x = np.array([-1.0, 2.0])
    for f in (
        lambda x: np.maximum(x, 0),
        lambda x: np.where(x > 0, x, 0),
        lambda x: x * (x > 0),
        lambda x: (x + np.abs(x)) / 2,
        lambda x: np.clip(x, 0, None),
    ):
        close(both(f, x), np.diag([0.0, 1.0]))
