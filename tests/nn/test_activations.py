import inspect
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import wengert as wg
from wengert import nn

FAR = np.array([-1000.0, -40.0, -1.0, 0.0, 1e-9, 2.0, 40.0, 1000.0])
REFERENCES = {
    "identity": lambda a: a,
    "step": lambda a: (a > 0) * 1.0,
    "logistic": scipy.special.expit,
    "tanh": np.tanh,
    "hard_tanh": lambda a: np.clip(a, -1, 1),
    "softsign": lambda a: np.sign(a) / (1 + 1 / np.where(a == 0, np.inf, abs(a))) + (a == 0) * a,
    "gudermannian": lambda a: np.arctan(np.sinh(np.clip(a, -700, 700))),
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.maximum(a, 0.01 * a),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "selu": lambda a: (
        1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(np.minimum(a, 0)))
    ),
    "softplus": lambda a: np.logaddexp(a, 0),
    "exponential": np.exp,
    "gelu": lambda a: a * scipy.special.erfc(-a / np.sqrt(2)) / 2,
    "gelu_tanh": lambda a: a * scipy.special.expit(np.sqrt(8 / np.pi) * (a + 0.044715 * a**3)),
    "silu": lambda a: a * scipy.special.expit(a),
    "mish": lambda a: a * np.tanh(np.logaddexp(a, 0)),
    "gaussian": lambda a: np.exp(-(a**2)),
    "softmax": scipy.special.softmax,
    "log_softmax": scipy.special.log_softmax,
}
ARGUMENTS = dict.fromkeys(nn.ACTIVATIONS, FAR) | {"exponential": FAR[:-1]}  # e^1000 is no number
JAX = {
    "logistic": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softsign": jax.nn.soft_sign,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "softplus": jax.nn.softplus,
    "gelu": lambda a: jax.nn.gelu(a, approximate=False),
    "gelu_tanh": jax.nn.gelu,
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
}
TORCH = json.loads(Path(__file__).with_name("torch_values.json").read_text())
KINKS = {
    ("step", 0.0): 0.0,
    ("hard_tanh", -1.0): 0.0,
    ("hard_tanh", 1.0): 0.0,
    ("softsign", 0.0): 1.0,
    ("relu", 0.0): 0.0,
    ("leaky_relu", 0.0): 0.01,
    ("leaky_relu(slope=0.2)", 0.0): 0.2,
    ("elu", 0.0): 1.0,
    ("elu(alpha=0.5)", 0.0): 0.5,
    ("selu", 0.0): 1.0507009873554805 * 1.6732632423543772,
}
ARGUMENTS = dict.fromkeys(nn.ACTIVATIONS, FAR) | {"exponential": FAR[:-2]}  # e^1000 is no number
by_element = sorted({*nn.ACTIVATIONS} - {"softmax", "log_softmax"})


def derivative(h, a):
    return wg.grad(lambda a: np.sum(h(a)))(a)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_values_are_right_even_far_out(name):
    x = ARGUMENTS[name]
    np.testing.assert_allclose(nn.ACTIVATIONS[name](x), REFERENCES[name](x), rtol=1e-12)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_single_precision_is_kept(name):
    assert nn.ACTIVATIONS[name](ARGUMENTS[name].astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("name", TORCH["activations"])
def test_values_and_derivatives_are_those_of_torch(name):
    h, a = nn.activation_named(name), np.array(TORCH["points"])
    np.testing.assert_allclose(h(a), TORCH["activations"][name]["y"], rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(derivative(h, a), TORCH["activations"][name]["dy"], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", JAX)
def test_values_and_gradients_are_those_of_jax(name):
    a = np.random.default_rng(0).normal(0, 3, (4, 5)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_allclose(nn.ACTIVATIONS[name](a), JAX[name](a), rtol=1e-4, atol=1e-6)
    gradient = wg.grad(lambda a: np.sum(weights * nn.ACTIVATIONS[name](a)))(a)
    expected = jax.grad(lambda a: jnp.sum(weights * JAX[name](a)))(a)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_derivatives_are_those_of_central_differences(name):
    a = np.array([[-2.3, -0.7, 0.4], [1.6, 0.2, -0.1]])
    wg.check_gradients(lambda a: np.sum(np.cos(nn.ACTIVATIONS[name](a) * FAR[2:5])), (a,), order=2)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_out_nothing_overflows(name, dtype):
    a = ARGUMENTS[name].astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(nn.ACTIVATIONS[name](a)).all()
        assert np.isfinite(derivative(nn.ACTIVATIONS[name], a)).all()
        first = partial(derivative, nn.ACTIVATIONS[name])
        assert np.isfinite(derivative(first, a)).all()


@pytest.mark.parametrize("name", by_element)
def test_what_is_no_number_stays_none(name):
    h, a = nn.ACTIVATIONS[name], np.array([1.0, np.nan, -1.0])
    assert np.isnan(h(a)).tolist() == np.isnan(wg.jit(h)(a)).tolist() == [False, True, False]


@pytest.mark.parametrize("name", by_element)
def test_native_code_gives_the_same_far_out(name):
    h = nn.ACTIVATIONS[name]
    a = ARGUMENTS[name]
    np.testing.assert_allclose(wg.jit(h)(a), h(a), rtol=1e-13)
    native = wg.jit(lambda a: derivative(h, a))(a)
    np.testing.assert_allclose(native, derivative(h, a), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(("name", "a"), KINKS)
def test_the_derivative_at_a_kink(name, a):
    h = nn.activation_named(name)
    assert wg.grad(h)(a) == pytest.approx(KINKS[name, a], rel=1e-15)
    assert wg.jvp(h, (a,), (1.0,))[1] == pytest.approx(KINKS[name, a], rel=1e-15)


def test_softmax_rows_sum_to_one():
    y = nn.softmax(np.random.default_rng(0).normal(0, 300, (7, 5)))
    np.testing.assert_allclose(y.sum(axis=1), np.ones(7))


def test_every_activation_is_public_and_says_its_formula():
    for name, h in nn.ACTIVATIONS.items():
        assert getattr(nn, name) is h
        assert name in nn.__all__
        assert any(word in inspect.getdoc(h) for word in (":math:", ".. math::"))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("rleu", r"unknown activation 'rleu'; did you mean 'relu'\? Choose one of identity, step, logistic"),
        ("cube", r"unknown activation 'cube'; choose one of identity, step, logistic"),
        ("relu(slope=0.1)", r"activation relu has no option 'slope'; it has none"),
        ("elu(slope=0.1)", r"activation elu has no option 'slope'; it has alpha"),
        ("elu(alpha=big)", r"'elu\(alpha=big\)': 'big' is not a number; write an option as slope=0.2"),
        ("elu(0.5)", r"'elu\(0.5\)': '' is not a number; write an option as slope=0.2"),
    ],
)
def test_a_name_that_is_none_is_answered(name, answer):
    with pytest.raises(ValueError, match=answer):
        nn.activation_named(name)


@pytest.mark.parametrize("make", [nn.activation_named, nn.Function, lambda h: nn.Sequential([h])])
def test_what_is_neither_name_nor_function_is_refused(make):
    for given in (None, 3, np.ones(2)):
        with pytest.raises(TypeError, match="an activation is a name or a function of one argument, not"):
            make(given)


def test_a_function_is_its_own_answer():
    assert nn.activation_named(np.sin) is np.sin


def test_options_are_fixed_by_value():
    one, two = nn.activation_named("leaky_relu", slope=0.2), nn.activation_named("leaky_relu(slope=0.2)")
    assert (one, hash(one)) == (two, hash(two))
    assert one != nn.activation_named("leaky_relu", slope=0.3)
    assert nn.activation_named(one.__name__) == one
    assert nn.activation_named("leaky_relu", slope=0.01) is nn.leaky_relu
    assert one(np.array([-1.0, 1.0])).tolist() == [-0.2, 1.0]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu(slope=0.2)", "elu(alpha=0.5)"])
def test_the_name_of_an_activation_makes_it_again(activation):
    assert nn.activation_name(nn.activation_named(activation)) == activation


def test_functions_of_ones_own_have_no_name_that_makes_them():
    def relu(a):
        return a

    assert [nn.activation_name(h) for h in (relu, np.tanh, object())] == [None, None, None]
