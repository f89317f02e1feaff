"""The perceptron rule against Python loops, and its bound."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wengert import nn
from wengert.nn._perceptron import _pass

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def by_hand(x, t, rate, passes):
    """w <- w + rate (t - y) x, pattern by pattern."""
    w, b, mistakes = np.zeros(x.shape[1]), 0.0, []
    while not mistakes or (mistakes[-1] and len(mistakes) < passes):
        mistakes.append(0)
        for pattern, target in zip(x, t, strict=True):
            y = 1.0 if pattern @ w + b > 0 else 0.0
            if y != target:
                w, b = w + rate * (target - y) * pattern, b + rate * (target - y)
                mistakes[-1] += 1
    return w, b, mistakes


@pytest.mark.parametrize("rate", [1.0, 0.25])
@pytest.mark.parametrize("seed", range(5))
def test_the_rule_is_rosenblatts(seed, rate):
    rng = np.random.default_rng(seed)
    x, t = np.round(rng.normal(size=(20, 3)), 2), rng.integers(0, 2, 20)
    fit = nn.perceptron_rule(nn.Perceptron.init(3), x, t, learning_rate=rate, passes=7)
    w, b, mistakes = by_hand(x, t, rate, 7)
    np.testing.assert_allclose(fit.network.weights, w, rtol=1e-12, atol=1e-12)
    assert fit.network.bias == pytest.approx(b)
    assert fit.mistakes == mistakes


@pytest.mark.parametrize("targets", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0], [0, 0, 1, 0]])
def test_what_a_line_separates_is_learned(targets):
    fit = nn.perceptron_rule(nn.Perceptron.init(2), CORNERS, np.array(targets))
    assert fit.converged and fit.mistakes[-1] == 0
    np.testing.assert_array_equal(fit.network(CORNERS), targets)


def test_exclusive_or_never_ends():
    fit = nn.perceptron_rule(nn.Perceptron.init(2), CORNERS, np.array([0, 1, 1, 0]), passes=50)
    assert not fit.converged
    assert len(fit.mistakes) == 50 and min(fit.mistakes) > 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_corrections_stay_below_novikoffs_bound(seed, inputs):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(30, inputs))
    separating = nn.Perceptron(rng.normal(size=inputs), np.float64(rng.normal()))
    x = x[np.abs(x @ separating.weights + separating.bias) > 0.3]
    assume(len(x) > 0)
    t = separating(x)
    fit = nn.perceptron_rule(nn.Perceptron.init(inputs), x, t)
    assert fit.converged
    assert fit.corrections <= nn.novikoff_bound(separating, x, t)


def test_several_units_learn_each_by_itself():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(15, 2)), rng.integers(0, 2, (15, 3))
    together = nn.perceptron_rule(nn.Perceptron.init(2, 3), x, t, passes=4)
    for k in range(3):
        w, b, mistakes = by_hand(x, t[:, k], 1.0, 4)
        if len(mistakes) == len(together.mistakes):
            np.testing.assert_allclose(together.network.weights[:, k], w, atol=1e-12)
            np.testing.assert_allclose(together.network.bias[k], b, atol=1e-12)


def test_the_threshold_itself_is_zero():
    """The lecture: 1 if h > θ, 0 if h <= θ."""
    unit = nn.Perceptron(np.array([1.0]), np.float64(-2.0))
    np.testing.assert_array_equal(unit(np.array([[1.9], [2.0], [2.1]])), [0, 0, 1])


def test_it_is_printed_and_compared_like_a_layer():
    assert repr(nn.Perceptron.init(2, 3)) == "Perceptron(weights=float64[2, 3], bias=float64[3])"
    assert nn.Perceptron.init(2) == nn.Perceptron.init(2) != nn.Perceptron(np.ones(2), np.float64(0))


def test_a_pass_is_one_native_call():
    network = nn.Perceptron.init(2)
    told = _pass.explain(network, CORNERS, np.array([0.0, 1.0, 1.0, 1.0]), np.float64(1.0))
    assert told.interpreted == [] and "scan" in {row.what for row in told.rows}


def test_single_precision_is_kept():
    network = nn.Perceptron.init(2, dtype=np.float32)
    fit = nn.perceptron_rule(network, CORNERS, np.array([0, 0, 0, 1]))
    assert fit.network.weights.dtype == fit.network.bias.dtype == np.float32


@pytest.mark.parametrize(
    "x, t, passes, message",
    [
        (CORNERS, np.array([-1, 1, 1, 1]), 1, r"the targets must be 0 or 1, and of shape \(4,\)"),
        (CORNERS, np.array([[0], [1], [1], [1]]), 1, r"of shape \(4,\), not \(4, 1\)"),
        (CORNERS[:, :1], np.array([0, 1, 1, 1]), 1, r"patterns of shape \(4, 1\) do not go with 2 weights"),
        (CORNERS, np.array([0, 1, 1, 1]), 0, "passes must be at least 1, not 0"),
    ],
)
def test_what_is_refused(x, t, passes, message):
    with pytest.raises(ValueError, match=message):
        nn.perceptron_rule(nn.Perceptron.init(2), x, t, passes=passes)


def test_a_bound_needs_a_separating_perceptron():
    with pytest.raises(ValueError, match="does not separate the patterns"):
        nn.novikoff_bound(nn.Perceptron.init(2), CORNERS, np.array([0, 1, 1, 0]))
