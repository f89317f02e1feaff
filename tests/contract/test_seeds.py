"""The worked functions of the textbook and the lectures, with the numbers they give."""

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close

X1, X2 = 1.5, 0.8


def f1(x1, x2):
    """Bishop, Deep Learning, 8.2 (Figure 8.4)."""
    return x1 * x2 + np.exp(x1 * x2) - np.sin(x2)


def f2(x1, x2):
    return (x1 * x2 - np.sin(x2)) * np.exp(x1 * x2)


F1 = (X2 + X2 * np.exp(X1 * X2), X1 + X1 * np.exp(X1 * X2) - np.cos(X2))
E = np.exp(X1 * X2)
F2 = (X2 * E + (X1 * X2 - np.sin(X2)) * X2 * E, (X1 - np.cos(X2)) * E + (X1 * X2 - np.sin(X2)) * X1 * E)


def lecture(x, z):
    return np.exp(x * z) + x * z / np.log(x) + np.sin(np.log(x)) / (x * z)


LOG = np.log(2.0)
LECTURE = (
    3 * np.exp(6) + 3 / LOG - 3 / LOG**2 + np.cos(LOG) / 12 - np.sin(LOG) / 12,
    2 * np.exp(6) + 2 / LOG - np.sin(LOG) / 18,
)

W = np.array([[0.1, 0.5], [-0.3, 0.8]])
X = np.array([0.2, 0.4])


def test_f1_by_reverse_mode():
    close(wg.grad(f1, argnums=(0, 1))(X1, X2), F1)


def test_f1_by_forward_mode_one_pass_for_each_input():
    assert wg.jvp(f1, (X1, X2), (1.0, 0.0))[1] == pytest.approx(F1[0])
    assert wg.jvp(f1, (X1, X2), (0.0, 1.0))[1] == pytest.approx(F1[1])


def test_both_outputs_by_one_forward_pass():
    value, tangent = wg.jvp(lambda a, b: (f1(a, b), f2(a, b)), (X1, X2), (1.0, 0.0))
    close(value, (f1(X1, X2), f2(X1, X2)))
    close(tangent, (F1[0], F2[0]))


@pytest.mark.parametrize("mode", ["forward", "reverse", "numerical", "auto"])
def test_jacobian_of_f1_and_f2(mode):
    found = wg.jacobian(lambda v: np.array([f1(v[0], v[1]), f2(v[0], v[1])]), mode=mode)(np.array([X1, X2]))
    close(found, np.array([F1, F2]), rtol=1e-8)


def test_hessian_of_f1():
    e = np.exp(X1 * X2)
    cross = 1 + e + X1 * X2 * e
    expected = np.array([[X2**2 * e, cross], [cross, X1**2 * e + np.sin(X2)]])
    close(wg.hessian(lambda v: f1(v[0], v[1]))(np.array([X1, X2])), expected)


def test_the_lecture_at_2_3():
    value, gradient = wg.value_and_grad(lecture, argnums=(0, 1))(2.0, 3.0)
    assert value == pytest.approx(np.exp(6) + 6 / LOG + np.sin(LOG) / 6)
    close(gradient, LECTURE)


def test_the_lecture_by_finite_differences():
    found = wg.numerical.gradient(lambda v: lecture(v[0], v[1]), np.array([2.0, 3.0]), step=1e-5)
    close(found, np.array(LECTURE), rtol=1e-8)


def test_sum_times_z():
    value, gradient = wg.value_and_grad(lambda x, y, z: (x + y) * z, argnums=(0, 1, 2))(-2.0, 5.0, -4.0)
    assert value == -12
    assert gradient == (-4, -4, 3)


def test_adjoints_of_sum_times_z():
    """q = x + y, f = qz: the adjoint of q is z."""
    assert wg.grad(lambda q, z: q * z)(3.0, -4.0) == -4


def test_squared_norm_of_a_product():
    value, gradient = wg.value_and_grad(lambda W, x: np.sum((W @ x) ** 2), argnums=(0, 1))(W, X)
    assert value == pytest.approx(0.116)
    close(gradient[0], np.array([[0.088, 0.176], [0.104, 0.208]]))
    close(gradient[1], np.array([-0.112, 0.636]))


def test_squared_norm_by_q():
    close(wg.grad(lambda q: np.sum(q**2))(W @ X), np.array([0.44, 0.52]))


def test_squared_norm_by_linalg_norm_and_loops():
    def loops(W, x):
        q = np.zeros(2)
        for i in range(2):
            for j in range(2):
                q[i] += W[i, j] * x[j]
        return q[0] ** 2 + q[1] ** 2

    for f in (lambda W, x: np.linalg.norm(W @ x) ** 2, loops):
        close(wg.grad(f)(W, X), np.array([[0.088, 0.176], [0.104, 0.208]]))


def unit(w, x):
    return 1 / (1 + np.exp(-(w[0] * x[0] + w[1] * x[1] + w[2])))


def test_logistic_unit():
    w, x = np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0])
    value, (by_w, by_x) = wg.value_and_grad(unit, argnums=(0, 1))(w, x)
    assert value == pytest.approx(0.7311, abs=5e-5)
    assert by_w == pytest.approx([-0.1966, -0.3932, 0.1966], abs=5e-5)
    assert by_x == pytest.approx([0.3932, -0.5898], abs=5e-5)


def test_sigmoid_derivative_is_one_minus_sigma_times_sigma():
    sigma = lambda a: 1 / (1 + np.exp(-a))
    for a in (-2.0, 0.0, 1.0):
        assert wg.grad(sigma)(a) == pytest.approx((1 - sigma(a)) * sigma(a))


def test_backpropagation_through_two_layers():
    """δ_k = y_k - t_k at linear outputs with the sum of squares, δ_j = h'(a_j) Σ w_kj δ_k at hidden units."""
    rng = np.random.default_rng(0)
    x, t, V, U = rng.normal(size=3), rng.normal(size=2), rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    z = np.tanh(V @ x)
    delta_k = U @ z - t
    delta_j = (1 - z**2) * (U.T @ delta_k)
    found = wg.grad(lambda V, U: 0.5 * np.sum((U @ np.tanh(V @ x) - t) ** 2), argnums=(0, 1))(V, U)
    close(found, (np.outer(delta_j, x), np.outer(delta_k, z)))


def test_softmax_with_cross_entropy_has_error_signal_y_minus_t():
    a, t = np.array([0.3, -1.0, 2.0]), np.array([0.0, 1.0, 0.0])
    softmax = np.exp(a) / np.exp(a).sum()
    close(wg.grad(lambda a: -np.sum(t * np.log(np.exp(a) / np.sum(np.exp(a)))))(a), softmax - t)


def test_gradient_distributes_routes_and_switches():
    close(wg.grad(np.add, argnums=(0, 1))(2.0, 3.0), (1.0, 1.0))
    close(wg.grad(np.maximum, argnums=(0, 1))(2.0, 3.0), (0.0, 1.0))
    close(wg.grad(np.multiply, argnums=(0, 1))(2.0, 3.0), (3.0, 2.0))


def test_trace_of_f1_is_the_table_of_the_book():
    """v3 = v1 v2, v4 = sin v2, v5 = exp v3, v6 = v3 - v4, v7 = v5 + v6 with v1, v2 the inputs."""

    def f(x1, x2):
        v3 = x1 * x2
        v4 = np.sin(x2)
        return np.exp(v3) + (v3 - v4)

    text = str(wg.trace(f)(X1, X2))
    for number in ("v1", "v2", "v3", "v4", "v5", "v6", "v7", "₁"):
        if number in text:
            break
    else:
        pytest.fail(text)
    for word in ("sin", "exp", f"{X1 * X2:.3g}"[:3], f"{np.sin(X2):.3f}"[:4]):
        assert word in text
