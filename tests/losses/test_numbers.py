import numpy as np
import pytest
import scipy.stats
from sklearn import metrics
from sklearn.neural_network import _base as reference

import wengert as wg
from wengert import losses

rng = np.random.default_rng(0)
Y, T = rng.normal(size=(2, 20, 3))
RATES, COUNTS = rng.gamma(2.0, size=(20, 3)), rng.poisson(2.0, (20, 3))
WEIGHTS = rng.uniform(0, 2, 20)
weighted_or_not = pytest.mark.parametrize("weights", [None, WEIGHTS])


@weighted_or_not
def test_errors_are_those_of_scikit_learn(weights):
    for loss, expected in (
        (losses.mean_squared_error, metrics.mean_squared_error),
        (losses.mean_absolute_error, metrics.mean_absolute_error),
        (losses.Quantile(0.2), lambda *args, **kw: metrics.mean_pinball_loss(*args, alpha=0.2, **kw)),
    ):
        assert loss(Y, T, weights) == pytest.approx(expected(T, Y, sample_weight=weights))


@weighted_or_not
def test_poisson_is_half_the_deviance_of_scikit_learn(weights):
    expected = metrics.mean_poisson_deviance(COUNTS[:, 0], RATES[:, 0], sample_weight=weights) / 2
    assert losses.poisson_of_rates(RATES[:, 0], COUNTS[:, 0], weights) == pytest.approx(expected)
    assert losses.poisson(np.log(RATES[:, 0]), COUNTS[:, 0], weights) == pytest.approx(expected)


@weighted_or_not
def test_poisson_is_the_mean_over_outputs_of_scikit_learns_sum(weights):
    expected = reference.poisson_loss(COUNTS, RATES, weights) / 3
    assert losses.poisson_of_rates(RATES, COUNTS, weights) == pytest.approx(expected)


def test_the_error_signal_of_rates_is_output_minus_target():
    delta = wg.grad(losses.poisson)(np.log(RATES), COUNTS)
    np.testing.assert_allclose(delta, (RATES - COUNTS) / COUNTS.size)


def test_a_rate_of_zero_is_right_where_nothing_is_counted():
    assert losses.poisson(np.array([-1000.0]), np.array([0])) == 0
    value, slope = wg.value_and_grad(losses.poisson_of_rates)(np.array([0.0, 2.0]), np.array([0, 2]))
    assert value == 0
    np.testing.assert_array_equal(slope, [0.5, 0])


def test_gaussian_nll_is_the_density_of_scipy():
    mu, s, t = rng.normal(size=(3, 20))
    expected = -np.mean(scipy.stats.norm.logpdf(t, mu, np.exp(s / 2)))
    assert losses.GaussianNLL(1e-300)(np.stack([mu, s], axis=1), t) == pytest.approx(expected)
    assert losses.GaussianNLL(1e-300)(np.stack([mu, s], axis=1), t[:, None]) == pytest.approx(expected)
    assert losses.GaussianNLL()((mu, np.exp(s)), t) == pytest.approx(expected)


def test_variances_below_the_floor_are_the_floor():
    error = losses.GaussianNLL(0.25)
    expected = -scipy.stats.norm.logpdf(1.0, 0.0, 0.5)
    assert error((np.zeros(1), np.full(1, -3.0)), np.ones(1)) == pytest.approx(expected)
    assert error(np.array([[0.0, -1000.0]]), np.array([[1.0]])) == pytest.approx(expected)


def test_pairs_of_mean_and_variance_are_differentiated_together():
    mu, variance, t = rng.normal(size=5), rng.gamma(2.0, size=5), rng.normal(size=5)
    wg.check_gradients(lambda y: losses.GaussianNLL()(y, t), ((mu, variance),))


def test_kinks_have_the_mean_of_their_slopes():
    at = np.array([2.0])
    assert wg.grad(losses.mean_absolute_error)(at, at) == 0
    assert wg.grad(losses.Quantile(0.2))(at, at) == pytest.approx(0.3)
    assert wg.grad(losses.Huber(1.0))(np.array([1.0]), np.array([0.0])) == 1
    assert wg.hessian(losses.Huber(1.0))(at, at) == 1


def test_a_quantile_is_what_its_error_is_least_for():
    t = rng.normal(size=2001)
    grid = np.sort(t)
    best = grid[np.argmin([losses.Quantile(0.3)(np.full_like(t, y), t) for y in grid])]
    assert best == pytest.approx(np.quantile(t, 0.3, method="inverted_cdf"))


def test_shapes_that_do_not_go_together_are_refused():
    with pytest.raises(
        ValueError, match="targets or weights of type complex128 do not go with outputs of fl"
    ):
        losses.mean_squared_error(np.zeros((20, 1)), np.zeros((20, 1), complex))
    with pytest.raises(ValueError, match=r"targets of shape \(20,\) do not match outputs of shape \(20, 1\)"):
        losses.mean_squared_error(Y[:, :1], T[:, 0])
    with pytest.raises(ValueError, match=r"give outputs of shape \(N, 2\) and targets of shape \(N,\)"):
        losses.Quantile((0.1, 0.9))(Y, T[:, 0])
    with pytest.raises(ValueError, match="two outputs for each target, the means first"):
        losses.GaussianNLL()(Y, T)
    with pytest.raises(
        ValueError, match=r"variances of shape \(20, 1\) do not match means of shape \(20, 3\)"
    ):
        losses.GaussianNLL()((Y, RATES[:, :1]), T)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.Huber(0), "delta must be positive, not 0.0"),
        (lambda: losses.Quantile(1), "q must be between 0 and 1, not 1.0"),
        (lambda: losses.Quantile((0.1, 1.2)), r"q must be between 0 and 1, not \(0.1, 1.2\)"),
        (lambda: losses.Quantile(()), r"q must be between 0 and 1, not \(\)"),
        (lambda: losses.GaussianNLL(0), "floor must be positive, not 0.0"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
