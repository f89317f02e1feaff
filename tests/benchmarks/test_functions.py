"""The functions that the benchmarks differentiate, against SciPy and against loops over their definitions."""

import _functions as functions
import numpy as np
import pytest
from _problems import below_diagonal, bundle, memory_cell, mixture, network, problems, scene
from scipy.optimize import rosen
from scipy.spatial.transform import Rotation
from scipy.special import log_softmax, softmax
from scipy.stats import multivariate_normal, wishart


def value(problem):
    return problem.build(np)(*problem.arguments)


def test_softmax_of_extreme_activations():
    a = np.array([[1e3, -1e3, 0.0], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(functions.log_softmax(np, a), log_softmax(a, axis=1))


def test_mlp_error_is_the_mean_cross_entropy():
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(7, 4)), rng.integers(3, size=7)
    w1, b1, w2, b2 = network((4, 5, 3), 7).arguments
    error = functions.mlp_error(np, x, np.eye(3)[labels])(w1, b1, w2, b2)
    y = softmax(np.tanh(x @ w1 + b1) @ w2 + b2, axis=1)
    np.testing.assert_allclose(error, -np.mean(np.log(y[np.arange(7), labels])))


def test_rotation_is_rodrigues():
    rotation, points = np.random.default_rng(2).normal(size=(2, 9, 3))
    expected = Rotation.from_rotvec(rotation).apply(points)
    np.testing.assert_allclose(functions.rotate(np, rotation, points), expected)


def residual(camera, point, weight, feature):
    """One observation's residual, from the formulas."""
    x, y, z = Rotation.from_rotvec(camera[:3]).apply(point - camera[3:6])
    plane = np.array([x, y]) / z
    r2 = plane @ plane
    image = plane * (1 + camera[9] * r2 + camera[10] * r2**2) * camera[6] + camera[7:9]
    return weight * (image - feature)


def test_bundle_error_is_the_sum_over_observations():
    s, (squares, residuals) = scene(3, 5, 11), bundle(3, 5, 11)
    observations = zip(s.cameras[s.camera_of], s.points[s.point_of], s.weights, s.features, strict=True)
    expected = np.array([residual(*observation) for observation in observations])
    np.testing.assert_allclose(value(residuals), expected)
    np.testing.assert_allclose(value(squares), np.sum(expected**2) + np.sum((1 - s.weights**2) ** 2))


def test_entries_go_below_the_diagonal_column_by_column():
    placed = (np.array([1.0, 2.0, 3.0]) @ below_diagonal(3)).reshape(3, 3)
    np.testing.assert_array_equal(placed, [[0, 0, 0], [1, 0, 0], [2, 3, 0]])


def precision(logs_and_below, dimensions):
    """Inverse covariance QᵀQ of one component."""
    q = np.diag(np.exp(logs_and_below[:dimensions]))
    q.T[np.triu_indices(dimensions, 1)] = logs_and_below[dimensions:]
    return q.T @ q


@pytest.mark.parametrize(("gamma", "m"), [(1.0, 0), (1.3, 2)])
def test_mixture_is_likelihood_times_wishart_prior(gamma, m):
    d, x = 3, np.random.default_rng(3).normal(size=(6, 3))
    alphas, means, factors = mixture(d, 2, 6).arguments
    precisions = [precision(row, d) for row in factors]
    densities = [
        multivariate_normal(mean, np.linalg.inv(p)).pdf(x) for mean, p in zip(means, precisions, strict=True)
    ]
    prior = sum(wishart(d + m + 1, np.eye(d) / gamma**2).logpdf(p) for p in precisions)
    log_posterior = functions.gmm_log_posterior(np, x, below_diagonal(d), gamma, m)
    expected = np.sum(np.log(softmax(alphas) @ densities)) + prior
    np.testing.assert_allclose(log_posterior(alphas, means, factors), expected)


def test_rosenbrock():
    x = np.random.default_rng(4).normal(size=17)
    np.testing.assert_allclose(functions.rosenbrock(np)(x), rosen(x))


def test_lstm_error_of_the_gates():
    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    x, h, c, t = np.random.default_rng(5).normal(size=(4, 2, 3))
    w, u, b = memory_cell(3, 3, 2).arguments
    gate_in, gate_forget, gate_out, new = ((x @ w + h @ u + b)[:, 3 * i : 3 * i + 3] for i in range(4))
    state = sigmoid(gate_forget) * c + sigmoid(gate_in) * np.tanh(new)
    output = sigmoid(gate_out) * np.tanh(state)
    error = functions.lstm_error(np, x, h, c, t)(w, u, b)
    np.testing.assert_allclose(error, 0.5 * np.sum((output - t) ** 2))


def test_every_problem_has_a_finite_value():
    for problem in problems():
        assert np.all(np.isfinite(value(problem))), problem.name
