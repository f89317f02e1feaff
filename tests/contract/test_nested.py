"""Derivatives of derivatives, to any depth and in any mixture of modes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close


def forward(f):
    return lambda x: wg.jvp(f, (x,), (np.ones_like(x) if np.ndim(x) else 1.0,))[1]


def reverse(f):
    return wg.grad(f)


def pulled(f):
    return lambda x: wg.vjp(f, x)[1](1.0)[0]


def columns(f):
    return wg.jacobian(f, mode="forward")


def rows(f):
    return wg.jacobian(f, mode="reverse")


def jitted(f):
    return wg.jit(wg.grad(f))


WAYS = [forward, reverse, pulled, columns, rows, jitted]


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product(WAYS, WAYS)))
def test_second_derivatives_of_a_scalar(outer, inner):
    assert outer(inner(lambda x: np.sin(x) * x**3))(0.7) == pytest.approx(
        6 * 0.7 * np.sin(0.7) + 6 * 0.49 * np.cos(0.7) - 0.7**3 * np.sin(0.7)
    )


@pytest.mark.parametrize("ways", list(itertools.product([forward, reverse], repeat=4)))
def test_four_derivatives_of_exp(ways):
    f = lambda x: np.exp(2 * x)
    for way in ways:
        f = way(f)
    assert f(0.3) == pytest.approx(16 * np.exp(0.6))


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_grad_of_grad_of_a_power(depth):
    f, expected = lambda x: x**7, 1.0
    for n in range(depth):
        f, expected = wg.grad(f), expected * (7 - n)
    assert f(1.5) == pytest.approx(expected * 1.5 ** (7 - depth))


@pytest.mark.parametrize("name", ["tanh", "log", "arctan", "sqrt", "cosh", "sin", "exp2", "arcsinh", "log1p"])
def test_four_derivatives_are_those_of_jax(name):
    f, g = getattr(np, name), getattr(jnp, name)
    for _ in range(4):
        f, g = wg.grad(f), jax.grad(g)
        assert f(0.8) == pytest.approx(float(g(0.8)), rel=1e-9)


def test_perturbations_are_not_confused():
    """d/dx [x · d/dy (x + y)] at 1 is 1, not 2 (Siskind and Pearlmutter)."""
    for outer, inner in itertools.product(WAYS, WAYS):
        assert outer(lambda x, inner=inner: x * inner(lambda y: x + y)(1.0))(1.0) == 1


def test_inner_derivative_by_a_closed_over_variable():
    assert wg.grad(lambda x: wg.grad(lambda y: x * y**2)(3.0))(2.0) == 6
    assert wg.grad(lambda x: wg.grad(lambda y: x**2 * y**2)(x))(2.0) == 24


def test_gradient_step_inside_a_function():
    """Learning to learn: the derivative of the error after one step of descent by the learning rate."""
    A, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])
    error = lambda w: np.sum((A @ w - b) ** 2)
    after = lambda rate: error(np.ones(2) - rate * wg.grad(error)(np.ones(2)))
    g = 2 * A.T @ (A @ np.ones(2) - b)
    assert wg.grad(after)(0.01) == pytest.approx(-2 * (A @ (np.ones(2) - 0.01 * g) - b) @ A @ g)


def test_hessian_by_every_mixture():
    f = lambda x: np.sum(np.sin(x) * np.roll(x, 1) ** 2) * np.prod(x)
    x = np.array([0.3, 1.2, -0.5])
    expected = jax.hessian(lambda x: jnp.sum(jnp.sin(x) * jnp.roll(x, 1) ** 2) * jnp.prod(x))(x)
    for outer, inner in itertools.product(["forward", "reverse"], repeat=2):
        close(wg.jacobian(wg.jacobian(f, mode=inner), mode=outer)(x), expected)
    close(wg.hessian(f)(x), expected)


def test_third_derivatives_of_a_vector_function():
    x = np.array([0.3, 1.2])
    f = lambda np: lambda x: np.array([x[0] ** 2 * x[1] ** 3, np.sin(x[0] * x[1])])
    found = wg.jacobian(wg.jacobian(wg.jacobian(f(np))))(x)
    close(found, jax.jacfwd(jax.jacfwd(jax.jacfwd(f(jnp))))(x))


def test_hessian_of_a_gradients_norm():
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    f = lambda x: 0.5 * x @ A @ x
    close(wg.hessian(lambda x: np.sum(wg.grad(f)(x) ** 2))(np.array([1.0, -1.0])), 2 * A @ A)


def test_nested_with_preallocated_arrays():
    def f(x):
        out = np.zeros(3)
        for i in range(3):
            out[i] = x**i * np.sin(x)
        return np.sum(out)

    total = lambda x: (1 + x + x * x) * jnp.sin(x)
    g = f
    for _ in range(3):
        g, total = wg.grad(g), jax.grad(total)
        assert g(0.6) == pytest.approx(float(total(0.6)))


def test_inner_arrays_may_take_outer_tracers():
    def f(x):
        def inner(y):
            out = np.zeros(2)
            out[0] = x * y
            out[1] = y**2
            return np.sum(out)

        return wg.grad(inner)(x) * x

    assert wg.grad(f)(2.0) == pytest.approx(12)


def test_jvp_inside_vjp_inside_jvp():
    f = lambda x: np.exp(x * x)
    inner = lambda x: wg.jvp(f, (x,), (1.0,))[1]
    middle = lambda x: wg.vjp(inner, x)[1](1.0)[0]
    assert wg.jvp(middle, (0.5,), (1.0,))[1] == pytest.approx(np.exp(0.25) * (12 * 0.5 + 8 * 0.125))


def test_the_value_of_an_inner_derivative_steers_the_outer():
    f = lambda x: x**2 if wg.grad(lambda y: y**3)(x) > 1 else -x
    assert wg.grad(f)(1.0) == 2
    assert wg.grad(f)(0.1) == -1


def test_numerical_derivatives_of_derivatives():
    assert wg.numerical.derivative(wg.grad(np.sin), 0.3) == pytest.approx(-np.sin(0.3))


def test_tangents_and_cotangents_may_be_traced_numbers():
    x = np.array([1.0, 2.0, 3.0])
    _, pullback = wg.vjp(np.prod, x)
    assert wg.grad(lambda c: np.sum(pullback(c)[0]))(1.0) == 11
    close(
        wg.vmap(lambda c: pullback(c)[0])(np.array([1.0, 2.0])), np.array([[6.0, 3.0, 2.0], [12.0, 6.0, 4.0]])
    )
    assert wg.grad(lambda t: wg.jvp(lambda s: np.prod(np.array([s, s])), (3.0,), (t,))[1])(1.0) == 6
