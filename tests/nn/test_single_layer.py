"""Linear models: their error signals, and the minima that others find."""

import numpy as np
import pytest

import wengert as wg
from wengert import losses, nn

RNG = np.random.default_rng(0)
X, TARGETS = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 2))
CLASSES = RNG.integers(0, 4, 40)


def descend(network, loss, t, steps=1500, rate=0.5):
    """Gradient descent on all patterns."""
    step = wg.jit(lambda n: wg.grad(lambda n: loss(n(X), t))(n))
    for _ in range(steps):
        g = step(network)
        network = nn.Dense(
            network.weights - rate * g.weights, network.biases - rate * g.biases, network.activation
        )
    return network


def test_a_linear_model_finds_least_squares():
    found = descend(nn.linear_regression(3, 2), losses.mean_squared_error, TARGETS)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(40)]), TARGETS, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([found.weights, found.biases]), expected, atol=1e-8)


CASES = [
    ("identity", nn.linear_regression(3, 2), losses.sum_of_squares, TARGETS, TARGETS, 1),
    ("logistic", nn.logistic_regression(3, 2), losses.binary_cross_entropy, TARGETS > 0, TARGETS > 0, 80),
    ("softmax", nn.softmax_regression(3, 4), losses.softmax_cross_entropy, CLASSES, np.eye(4)[CLASSES], 40),
]


@pytest.mark.parametrize("name, network, loss, t, coded, count", CASES, ids=[case[0] for case in CASES])
def test_the_derivative_is_error_signal_times_input(name, network, loss, t, coded, count):
    """dE/dw_ki = sum_n (y_nk - t_nk) x_ni, for all three pairs of activation and error."""
    rng = np.random.default_rng(1)
    weights, biases = rng.normal(size=network.weights.shape), rng.normal(size=network.biases.shape)
    network = nn.Dense(weights, biases, network.activation)
    y = network(X)
    linear = nn.with_output(network, "identity")
    found = wg.grad(lambda n: count * loss(n(X), np.asarray(t, float) if name == "logistic" else t))(linear)
    np.testing.assert_allclose(found.weights, X.T @ (y - coded), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.biases, np.sum(y - coded, axis=0), rtol=1e-9, atol=1e-12)
    assert nn.with_output(linear, name).activation is network.activation


def test_logistic_regression_is_scikit_learns():
    linear_model = pytest.importorskip("sklearn.linear_model")
    t = (X[:, 0] + 0.8 * np.random.default_rng(2).normal(size=40) > 0).astype(float)
    linear = nn.with_output(nn.logistic_regression(3), "identity")
    found = nn.with_output(descend(linear, losses.binary_cross_entropy, t[:, None], 8000, 1.0), "logistic")
    expected = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, t)
    np.testing.assert_allclose(found(X)[:, 0], expected.predict_proba(X)[:, 1], atol=1e-5)


def test_all_start_at_zero_and_undecided():
    np.testing.assert_array_equal(nn.linear_regression(3)(X), np.zeros((40, 1)))
    np.testing.assert_array_equal(nn.logistic_regression(3, 2)(X), np.full((40, 2), 0.5))
    np.testing.assert_array_equal(nn.softmax_regression(3, 4)(X), np.full((40, 4), 0.25))
    assert nn.softmax_regression(3, 4, np.float32)(X.astype(np.float32)).dtype == np.float32


def test_the_output_of_a_network_of_layers():
    mlp = nn.MLP.init(np.random.default_rng(0), (3, 5, 4), "tanh")
    np.testing.assert_allclose(nn.with_output(mlp, "softmax")(X), nn.softmax(mlp(X)), rtol=1e-12)


def test_a_network_that_ends_otherwise_has_no_output_units():
    network = nn.Sequential([nn.linear_regression(3), nn.Dropout(0.5)])
    with pytest.raises(ValueError, match=r"with_output: Dropout\(.*\) has no layer of output units"):
        nn.with_output(network, "softmax")


def test_no_inputs():
    with pytest.raises(ValueError, match=r"inputs must be at least 1, not 0"):
        nn.linear_regression(0)
