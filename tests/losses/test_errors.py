"""What holds for every error, from a table of their formulas as a textbook writes them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import xlogy

import wengert as wg
from wengert import losses

rng = np.random.default_rng(0)
N, K = 12, 4
A, T = rng.normal(0, 2, (2, N, K))
PAIRS = rng.normal(0, 1, (N, 2 * K))
INDICES = rng.integers(0, K, N)
ONE_HOT = np.eye(K)[INDICES]
LABELS = rng.integers(0, 2, (N, K)).astype(float)
SHARES = rng.dirichlet(np.ones(K), N)
COUNTS = rng.poisson(2.0, (N, K)).astype(float)
WEIGHTS = rng.integers(0, 4, N)


def softmax(a):
    return jnp.exp(a) / jnp.exp(a).sum(axis=-1, keepdims=True)


def logistic(a):
    return 1 / (1 + jnp.exp(-a))


def bernoulli(a, t):
    return -(t * jnp.log(logistic(a)) + (1 - t) * jnp.log(1 - logistic(a)))


def categorical(a, t):
    return -(t * jnp.log(softmax(a))).sum(axis=-1)


def deviance(y, t):
    return xlogy(t, t) - xlogy(t, y) - t + y


def pinball(q):
    return lambda y, t: jnp.where(t > y, q * (t - y), (1 - q) * (y - t))


def huber(y, t):
    d = jnp.abs(y - t)
    return jnp.where(d <= 0.7, d**2 / 2, 0.7 * d - 0.7**2 / 2)


def gaussian(mu, variance, t):
    return (jnp.log(2 * jnp.pi * variance) + (t - mu) ** 2 / variance) / 2


def focal(a, t):
    y = logistic(a)
    return -0.25 * t * (1 - y) ** 1.5 * jnp.log(y) - 0.75 * (1 - t) * y**1.5 * jnp.log(1 - y)


def focal_of_classes(a, t):
    y = softmax(a)
    return -(t * (1 - y) ** 1.5 * jnp.log(y)).sum(axis=-1)


def crammer_singer(a, t):
    others = jnp.max(a - 1e9 * t, axis=-1)
    return jnp.maximum(0, 1 + others - (a * t).sum(axis=-1))


@dataclass
class Case:
    """An error, outputs and targets for it, and its value for every pattern (and output)."""

    loss: Any
    y: Any
    t: Any
    formula: Any


def halves(y, t):
    return gaussian(y[:, :K], jnp.exp(y[:, K:]) + 1e-3, t)


CASES = {
    "mean_squared_error": Case(losses.mean_squared_error, A, T, lambda y, t: (y - t) ** 2),
    "mean_absolute_error": Case(losses.mean_absolute_error, A, T, lambda y, t: jnp.abs(y - t)),
    "huber": Case(losses.Huber(0.7), A, T, huber),
    "quantile": Case(losses.Quantile(0.2), A, T, pinball(0.2)),
    "quantiles": Case(
        losses.Quantile((0.1, 0.2, 0.5, 0.9)), A, T[:, 0],
        lambda y, t: pinball(np.array([0.1, 0.2, 0.5, 0.9]))(y, t[:, None]),
    ),
    "poisson": Case(losses.poisson, A, COUNTS, lambda a, t: deviance(jnp.exp(a), t)),
    "poisson_of_rates": Case(losses.poisson_of_rates, np.exp(A), COUNTS, deviance),
    "gaussian_nll": Case(losses.GaussianNLL(1e-3), PAIRS, T, halves),
    "gaussian_nll of one": Case(
        losses.GaussianNLL(1e-3), PAIRS[:, :2], T[:, 0],
        lambda y, t: gaussian(y[:, 0], jnp.exp(y[:, 1]) + 1e-3, t),
    ),
    "binary_cross_entropy": Case(losses.binary_cross_entropy, A, LABELS, bernoulli),
    "binary_cross_entropy, shares": Case(losses.binary_cross_entropy, A, SHARES, bernoulli),
    "binary_focal": Case(losses.BinaryFocal(1.5, 0.25), A, LABELS, focal),
    "softmax_cross_entropy, rows": Case(losses.softmax_cross_entropy, A, ONE_HOT, categorical),
    "softmax_cross_entropy, shares": Case(losses.softmax_cross_entropy, A, SHARES, categorical),
    "softmax_cross_entropy, indices": Case(
        losses.softmax_cross_entropy, A, INDICES, lambda a, t: categorical(a, ONE_HOT)
    ),
    "smoothed_cross_entropy": Case(
        losses.SmoothedCrossEntropy(0.2), A, INDICES, lambda a, t: categorical(a, 0.8 * ONE_HOT + 0.2 / K)
    ),
    "focal, rows": Case(losses.Focal(1.5), A, ONE_HOT, focal_of_classes),
    "focal, indices": Case(losses.Focal(1.5), A, INDICES, lambda a, t: focal_of_classes(a, ONE_HOT)),
    "hinge": Case(losses.hinge, A, LABELS, lambda a, t: jnp.maximum(0, 1 - (2 * t - 1) * a)),
    "multiclass_hinge, rows": Case(losses.multiclass_hinge, A, ONE_HOT, crammer_singer),
    "multiclass_hinge, indices": Case(
        losses.multiclass_hinge, A, INDICES, lambda a, t: crammer_singer(a, ONE_HOT)
    ),
}  # fmt: skip
every_error = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_error
def test_value_and_gradient_are_those_of_the_formula(case):
    value, gradient = wg.value_and_grad(case.loss)(case.y, case.t)
    expected = jax.value_and_grad(lambda y: jnp.mean(case.formula(y, case.t)))(case.y)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-14)


@every_error
def test_derivatives_agree_with_central_differences(case):
    wg.check_gradients(lambda y: case.loss(y, case.t), (case.y,))


@every_error
def test_a_weight_is_how_often_a_pattern_occurs(case):
    y, t = (np.repeat(array, WEIGHTS, axis=0) for array in (case.y, case.t))
    assert case.loss(case.y, case.t, WEIGHTS) == pytest.approx(case.loss(y, t), rel=1e-12)


@every_error
def test_weights_change_the_gradient_as_they_change_the_error(case):
    def reference(y):
        errors = case.formula(y, case.t).reshape(N, -1).mean(axis=1)
        return (WEIGHTS * errors).sum() / WEIGHTS.sum()

    gradient = wg.grad(case.loss)(case.y, case.t, WEIGHTS)
    np.testing.assert_allclose(gradient, jax.grad(reference)(case.y), rtol=1e-9, atol=1e-14)


@every_error
@pytest.mark.parametrize("weights", [None, WEIGHTS, WEIGHTS / 3.0])
def test_native_code_gives_the_same(case, weights):
    f = wg.value_and_grad(case.loss)
    for native, interpreted in zip(wg.jit(f)(case.y, case.t, weights), f(case.y, case.t, weights)):
        np.testing.assert_allclose(native, interpreted, rtol=1e-11, atol=1e-14)


@every_error
@pytest.mark.parametrize("weights", [None, WEIGHTS, WEIGHTS / 3.0])
def test_single_precision_is_kept_whatever_targets_and_weights_are(case, weights):
    y = case.y.astype(np.float32)
    value, gradient = wg.value_and_grad(case.loss)(y, case.t, weights)
    assert value.dtype == gradient.dtype == np.float32
    assert value == pytest.approx(case.loss(case.y, case.t, weights), rel=1e-5)


@every_error
def test_what_is_not_a_number_is_not_hidden(case):
    y = case.y.copy()
    y[3, 1] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.isnan(case.loss(y, case.t))
    assert np.isnan(wg.jit(case.loss)(y, case.t))


@every_error
def test_patterns_without_weight_have_no_error_and_no_gradient(case):
    value, gradient = wg.value_and_grad(case.loss)(case.y, case.t, np.zeros(N))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@every_error
@pytest.mark.parametrize("weights", [np.ones(N - 1), np.ones((N, 1)), 1.0])
def test_weights_of_another_shape_are_refused(case, weights):
    with pytest.raises(ValueError, match=r"give one weight for each pattern, of shape \(12,\)"):
        case.loss(case.y, case.t, weights)


@every_error
@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_negative_weights_are_refused(case, wrong):
    weights = np.ones(N)
    weights[5] = wrong
    with pytest.raises(ValueError, match=rf"the weight of pattern 5 is {wrong}; give numbers of at least 0"):
        case.loss(case.y, case.t, weights)


@every_error
def test_targets_that_would_broadcast_are_refused(case):
    with pytest.raises(ValueError, match=r"targets of shape \(1.*outputs of shape"):
        case.loss(case.y, case.t[:1])


def test_sum_of_squares_is_the_sum():
    assert losses.sum_of_squares(A, T) == pytest.approx(np.sum((A - T) ** 2) / 2)
    expected = np.sum(WEIGHTS[:, None] * (A - T) ** 2) / 2
    assert losses.sum_of_squares(A, T, WEIGHTS) == pytest.approx(expected)


def test_a_single_pattern():
    assert losses.softmax_cross_entropy(A[0], np.array(2)) == pytest.approx(categorical(A[0], np.eye(K)[2]))
    assert losses.mean_squared_error(np.float64(2.0), np.float64(5.0)) == 9


def test_lists_are_targets_and_weights_too():
    assert losses.softmax_cross_entropy(A[:2], [1, 0], [1, 3]) == losses.softmax_cross_entropy(
        A[:2], np.array([1, 0]), np.array([1, 3])
    )


SQUARES = ("mean_squared_error", "gaussian_nll", "gaussian_nll of one")  # which 1e30 has none of in float32
RATES = ("poisson", "poisson_of_rates")  # e^1000 is no number, and no rate is negative
FAR = [(name, 1e3) for name in CASES if name not in RATES]
FARTHER = [(name, 1e30) for name in CASES if name not in RATES + SQUARES]


@pytest.mark.parametrize(("name", "scale"), FAR + FARTHER)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_stay_finite(name, scale, dtype):
    case = CASES[name]
    y = (np.sign(case.y) * scale).astype(dtype)
    for f in (wg.value_and_grad(case.loss), wg.jit(wg.value_and_grad(case.loss))):
        value, gradient = f(y, case.t)
        assert np.isfinite(value) and np.isfinite(gradient).all()
