"""Random compositions of operations: all modes agree with each other and with JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.contract.helpers import close

# Each takes the module (NumPy or jax.numpy) and one or two arrays of shape (3, 4), and keeps sizes moderate.
UNARY = [
    lambda np, a: np.sin(a),
    lambda np, a: np.tanh(a) * 2,
    lambda np, a: np.exp(-np.abs(a)),
    lambda np, a: np.log(1 + a**2),
    lambda np, a: np.sqrt(a**2 + 0.5),
    lambda np, a: a / (1 + a**2),
    lambda np, a: 1 / (1 + np.exp(-a)),
    lambda np, a: np.arctan(a),
    lambda np, a: np.where(a > 0, a, 0.1 * a),
    lambda np, a: np.maximum(a, 0.3),
    lambda np, a: a[::-1],
    lambda np, a: a[:, ::-1] * 0.5,
    lambda np, a: np.roll(a, 1, axis=1),
    lambda np, a: a - a.mean(axis=0),
    lambda np, a: a / (1 + np.sum(a**2, axis=1, keepdims=True)),
    lambda np, a: np.cumsum(a, axis=1) / 4,
    lambda np, a: np.tanh(a @ a.T) @ a / 3,
    lambda np, a: np.concatenate([a[1:], a[:1]]),
    lambda np, a: np.sort(a, axis=1),
    lambda np, a: np.exp(a - np.max(a, axis=1, keepdims=True)),
    lambda np, a: np.broadcast_to(a[0], (3, 4)) + a,
    lambda np, a: a[np.array([2, 0, 0])],
    lambda np, a: np.outer(a[:, 0], a[0]) / 2,
    lambda np, a: a.T.reshape(3, 4),
    lambda np, a: np.einsum("ij,kj->ki", a, a) @ a / 5,
    lambda np, a: np.prod(np.tanh(a), axis=0) + a,
    lambda np, a: np.take(a, np.array([3, 1, 0, 0]), axis=1),
    lambda np, a: np.std(a, axis=1, keepdims=True) * a,
    lambda np, a: np.linalg.solve(a @ a.T + 2 * np.eye(3), a),
    lambda np, a: np.pad(a, ((0, 0), (1, 0)))[:, :4],
]
BINARY = [
    lambda np, a, b: a + b,
    lambda np, a, b: a - 2.0 * b,
    lambda np, a, b: a * b / (1 + np.abs(b)),
    lambda np, a, b: np.maximum(a, b),
    lambda np, a, b: np.arctan2(a, 2 + b**2),
    lambda np, a, b: np.tanh(a @ b.T) @ b,
    lambda np, a, b: np.where(a > b, a, b**2 / (1 + b**2)),
    lambda np, a, b: np.hypot(a, 1 + np.abs(b)),
    lambda np, a, b: np.logaddexp(a, b),
    lambda np, a, b: (1 + a**2) ** np.tanh(b),
]

steps = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=8,
)


def composition(steps):
    """A straight-line program: each step takes earlier values (so values are shared, or not used at all)."""

    def f(np, x):
        values = [x]
        for operation, i, j in steps:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            if operation < len(UNARY):
                values.append(UNARY[operation](np, a))
            else:
                values.append(BINARY[operation - len(UNARY)](np, a, b))
        return values[-1]

    return f


def weights(seed):
    return np.random.default_rng(seed).normal(size=(3, 4))


CHECKS = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@given(steps, st.integers(0, 2**16))
@CHECKS
def test_value_and_all_modes_agree_with_jax(steps, seed):
    f, x, w = composition(steps), weights(seed), weights(seed + 1)
    expected = jax.jacrev(lambda x: f(jnp, x))(x)
    close(wg.jacobian(lambda x: f(np, x), mode="reverse")(x), expected, 1e-8, 1e-8)
    close(wg.jacobian(lambda x: f(np, x), mode="forward")(x), expected, 1e-8, 1e-8)
    value, tangent = wg.jvp(lambda x: f(np, x), (x,), (w,))
    close(value, f(np, x))
    close(tangent, np.tensordot(np.asarray(expected), w, 2), 1e-8, 1e-8)
    _, pullback = wg.vjp(lambda x: f(np, x), x)
    close(pullback(w)[0], np.tensordot(w, np.asarray(expected), 2), 1e-8, 1e-8)


@given(steps, st.integers(0, 2**16))
@CHECKS
def test_hessian_vector_products_agree_with_jax(steps, seed):
    f, x, v, w = composition(steps), weights(seed), weights(seed + 1), weights(seed + 2)
    scalar = lambda np: lambda x: np.sum(w * f(np, x))
    expected = jax.jvp(jax.grad(scalar(jnp)), (x,), (v,))[1]
    close(wg.hvp(scalar(np), (x,), (v,))[0], expected, 1e-7, 1e-7)
    close(wg.grad(lambda x: np.sum(wg.grad(scalar(np))(x) * v))(x), expected, 1e-7, 1e-7)


@given(steps, st.integers(0, 2**16))
@CHECKS
def test_numerical_derivatives_agree(steps, seed):
    f, x, w = composition(steps), weights(seed), weights(seed + 1)
    scalar = lambda x: np.sum(w * f(np, x))
    value, error = wg.numerical.gradient(scalar, x, return_error=True)
    smooth = np.isfinite(error) & (error < 1e-4)
    close(wg.grad(scalar)(x)[smooth], value[smooth], 1e-4, 1e-4)


@given(steps, st.integers(0, 2**16))
@CHECKS
def test_jit_and_vmap_agree_with_the_function(steps, seed):
    f = composition(steps)
    xs = np.stack([weights(seed), weights(seed + 1)])
    close(wg.jit(lambda x: f(np, x))(xs[0]), f(np, xs[0]))
    close(wg.vmap(lambda x: f(np, x))(xs), np.stack([f(np, x) for x in xs]))


@given(steps, st.integers(0, 2**16))
@CHECKS
def test_float32_stays_float32(steps, seed):
    f, x = composition(steps), weights(seed).astype(np.float32)
    value, gradient = wg.value_and_grad(lambda x: np.sum(f(np, x)))(x)
    assert f(np, x).dtype == np.float32
    assert value.dtype == gradient.dtype == np.float32
