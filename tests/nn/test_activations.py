import numpy as np
import pytest
import scipy.special

from wengert import nn

FAR = np.array([-1000.0, -40.0, -1.0, 0.0, 1e-9, 2.0, 40.0, 1000.0])
REFERENCES = {
    "identity": lambda a: a,
    "logistic": scipy.special.expit,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.maximum(a, 0.01 * a),
    "softplus": lambda a: np.logaddexp(a, 0),
    "exponential": np.exp,
    "softmax": scipy.special.softmax,
}
ARGUMENTS = dict.fromkeys(nn.ACTIVATIONS, FAR) | {"exponential": FAR[:-1]}  # e^1000 is no number


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_values_are_right_even_far_out(name):
    x = ARGUMENTS[name]
    np.testing.assert_allclose(nn.ACTIVATIONS[name](x), REFERENCES[name](x), rtol=1e-12)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_single_precision_is_kept(name):
    assert nn.ACTIVATIONS[name](ARGUMENTS[name].astype(np.float32)).dtype == np.float32


def test_softmax_rows_sum_to_one():
    y = nn.softmax(np.random.default_rng(0).normal(0, 300, (7, 5)))
    np.testing.assert_allclose(y.sum(axis=1), np.ones(7))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown activation 'rleu'; choose one of identity, logistic, tanh"
    ):
        nn.activation_named("rleu")


def test_a_function_is_its_own_answer():
    assert nn.activation_named(np.sin) is np.sin
