"""The functions that the benchmarks differentiate, each written once in plain NumPy.

Every builder takes the module `np` that stands for NumPy (`numpy` itself, or a peer's copy of it) and the
constants of the problem, and gives a function of the quantities to differentiate with respect to:

    mlp_error            E = -1/N Σ_n Σ_k t_nk ln y_nk,  y = softmax of a network of tanh layers
    pattern_error        E_n of one pattern
    reprojection         residuals of bundle adjustment: w_n (projection of point onto camera - feature)
    gmm_log_posterior    ln p(X | α, μ, Q) + ln Wishart(QᵀQ), Q the inverse covariances' Cholesky factors
    rosenbrock           Σ_i 100 (x_{i+1} - x_i²)² + (1 - x_i)²
    lstm_error           1/2 Σ (h' - t)² after one step of a long short-term memory cell
    sequence_error       1/2 Σ_t Σ (h_t - t)² of the cell's outputs along a sequence

The bundle adjustment and the mixture follow the ADBench collection (Srajer, Kukelova, Fitzgibbon, 2018),
with the sign of the Wishart prior put right.
"""

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Array = Any  # an array of the peer's own kind
Function = Callable[..., Array]


def log_softmax(np: ModuleType, a: Array) -> Array:
    """Logarithm of the softmax of each row of `a`, shifted by the row's maximum."""
    shifted = a - np.max(a, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def network_output(np: ModuleType, z: Array, parameters: Sequence[Array]) -> Array:
    """Pre-activations of the outputs of a network with tanh hidden layers."""
    *hidden, (matrix, biases) = zip(parameters[::2], parameters[1::2], strict=True)
    for weight, bias in hidden:
        z = np.tanh(z @ weight + bias)
    return z @ matrix + biases


def mlp_error(np: ModuleType, inputs: Array, targets: Array) -> Function:
    """Mean cross-entropy of a network with tanh hidden layers, as a function of `W_1, b_1, W_2, b_2, ...`."""

    def error(*parameters: Array) -> Array:
        a = network_output(np, inputs, parameters)
        return -np.sum(targets * log_softmax(np, a)) / len(inputs)

    return error


def pattern_error(np: ModuleType) -> Function:
    """Cross-entropy of one pattern: a function of `(W_1, b_1, W_2, b_2, ...)`, its input and its target."""

    def error(parameters: Sequence[Array], x: Array, t: Array) -> Array:
        return -np.sum(t * log_softmax(np, network_output(np, x, parameters)))

    return error


def rotate(np: ModuleType, rotation: Array, points: Array) -> Array:
    """Rodrigues: each row of `points` turned about the axis `rotation/θ` by the angle `θ = ‖rotation‖`."""
    theta = np.sqrt(np.sum(rotation**2, axis=1, keepdims=True))
    axis = rotation / theta
    cosine, along = np.cos(theta), np.sum(axis * points, axis=1, keepdims=True)
    return points * cosine + np.cross(axis, points) * np.sin(theta) + axis * (along * (1 - cosine))


def distort(np: ModuleType, radial: Array, plane: Array) -> Array:
    """Radial distortion `p (1 + k_1 r² + k_2 r⁴)` of points in the image plane."""
    r2 = np.sum(plane**2, axis=1, keepdims=True)
    return plane * (1 + radial[:, :1] * r2 + radial[:, 1:] * r2**2)


def project(np: ModuleType, cameras: Array, points: Array) -> Array:
    """Image of each point in the camera of the same row.

    The 11 numbers of a camera: rotation (3), centre (3), focal length, principal point (2), distortion (2).
    """
    seen = rotate(np, cameras[:, :3], points - cameras[:, 3:6])
    plane = seen[:, :2] / seen[:, 2:]
    return distort(np, cameras[:, 9:], plane) * cameras[:, 6:7] + cameras[:, 7:9]


def reprojection(np: ModuleType, features: Array) -> Function:
    """Weighted residuals, one row per observation, as a function of its camera, point and weight."""

    def residuals(cameras: Array, points: Array, weights: Array) -> Array:
        return weights[:, None] * (project(np, cameras, points) - features)

    return residuals


def bundle_error(np: ModuleType, camera_of: Array, point_of: Array, features: Array) -> Function:
    """Sum of squared residuals, `1 - w²` included, as a function of all cameras, points and weights."""
    residuals = reprojection(np, features)

    def error(cameras: Array, points: Array, weights: Array) -> Array:
        r = residuals(cameras[camera_of], points[point_of], weights)
        return np.sum(r**2) + np.sum((1 - weights**2) ** 2)

    return error


def logsumexp(np: ModuleType, a: Array, axis: int) -> Array:
    """Logarithm of the sum of exponentials along an axis."""
    largest = np.max(a, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(a - largest), axis=axis)) + np.squeeze(largest, axis=axis)


def cholesky_factors(np: ModuleType, factors: Array, dimensions: int, entries: Array) -> Array:
    """Lower triangles `Q_k` from rows of `ln diagonal` and the entries below it, column by column.

    `entries` is the constant matrix that sends the `D(D-1)/2` entries to their places in a `D×D` matrix.
    """
    diagonal, below = np.exp(factors[:, :dimensions]), factors[:, dimensions:] @ entries
    return diagonal[:, :, None] * np.eye(dimensions) + np.reshape(below, (-1, dimensions, dimensions))


def log_wishart(np: ModuleType, factors: Array, dimensions: int, gamma: float, m: int) -> Array:
    """Sum over k of the log density of `Q_kᵀQ_k` under the Wishart distribution of scale `1/γ²`."""
    logs, below = factors[:, :dimensions], factors[:, dimensions:]
    squares = np.sum(np.exp(2 * logs)) + np.sum(below**2)
    constant = len(factors) * log_wishart_constant(dimensions, gamma, m)
    return m * np.sum(logs) - 0.5 * gamma**2 * squares + constant


def log_wishart_constant(dimensions: int, gamma: float, m: int) -> float:
    """Normalising term of one Wishart density with `D + m + 1` degrees of freedom."""
    n = dimensions + m + 1
    gammas = sum(math.lgamma((n - j) / 2) for j in range(dimensions))
    multigamma = dimensions * (dimensions - 1) / 4 * math.log(math.pi) + gammas
    return n * dimensions * math.log(gamma / math.sqrt(2)) - multigamma


def gmm_log_posterior(np: ModuleType, x: Array, entries: Array, gamma: float = 1.0, m: int = 0) -> Function:
    """Log likelihood of `x` plus log prior, as a function of `α` (K), `μ` (K, D), factors (K, D(D+1)/2)."""
    count, dimensions = x.shape
    constant = -0.5 * count * dimensions * math.log(2 * math.pi)

    def log_posterior(alphas: Array, means: Array, factors: Array) -> Array:
        q = cholesky_factors(np, factors, dimensions, entries)
        z = np.matmul(x - means[:, None, :], np.swapaxes(q, 1, 2))
        log_weights = alphas + np.sum(factors[:, :dimensions], axis=1)
        inner = log_weights[:, None] - 0.5 * np.sum(z**2, axis=2)
        likelihood = np.sum(logsumexp(np, inner, 0)) - count * logsumexp(np, alphas, 0)
        return constant + likelihood + log_wishart(np, factors, dimensions, gamma, m)

    return log_posterior


def rosenbrock(np: ModuleType) -> Function:
    """Rosenbrock's valley in as many dimensions as `x` has entries."""

    def valley(x: Array) -> Array:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return valley


def logistic(np: ModuleType, a: Array) -> Array:
    """The logistic sigmoid."""
    return 1 / (1 + np.exp(-a))


def lstm_cell(np: ModuleType, a: Array, cell: Array) -> tuple[Array, Array]:
    """Output and state of a long short-term memory cell, from what goes into its gates and its last state."""
    a_in, a_forget, a_out, a_new = np.split(a, 4, axis=1)
    state = logistic(np, a_forget) * cell + logistic(np, a_in) * np.tanh(a_new)
    return logistic(np, a_out) * np.tanh(state), state


def lstm_error(np: ModuleType, inputs: Array, hidden: Array, cell: Array, targets: Array) -> Function:
    """Squared error of one step's output, as a function of the weights of input and state, and the biases."""

    def error(w_input: Array, w_hidden: Array, bias: Array) -> Array:
        output, _ = lstm_cell(np, inputs @ w_input + hidden @ w_hidden + bias, cell)
        return 0.5 * np.sum((output - targets) ** 2)

    return error


def sequence_error(
    np: ModuleType, scan: Callable[..., Any], inputs: Array, start: Array, targets: Array
) -> Function:
    """The same of all outputs along a sequence, with the package's loop, both states starting as `start`."""

    def error(w_input: Array, w_hidden: Array, bias: Array) -> Array:
        def step(states: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
            output, cell = lstm_cell(np, x @ w_input + states[0] @ w_hidden + bias, states[1])
            return (output, cell), output

        _, outputs = scan(step, (start, start), inputs)
        return 0.5 * np.sum((outputs - targets) ** 2)

    return error
