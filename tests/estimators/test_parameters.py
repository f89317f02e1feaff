"""Parameters: their rules, their names, and how an estimator shows them."""

import re

import numpy as np
import pytest
from sklearn import neural_network

import wengert as wg
from wengert.estimators._parameters import ParameterError

PAIRS = [
    (wg.MLPClassifier, neural_network.MLPClassifier),
    (wg.MLPRegressor, neural_network.MLPRegressor),
]
X, Y = [[0.0], [1.0]], [0, 1]


@pytest.mark.parametrize("ours, theirs", PAIRS)
def test_every_parameter_of_scikit_learn_with_its_default(ours, theirs):
    mine = ours().get_params()
    assert {name: mine[name] for name in theirs().get_params()} == theirs().get_params()
    assert ours("poisson" if ours is wg.MLPRegressor else 7).get_params() != mine


@pytest.mark.parametrize(
    "name, value, message",
    [
        (
            "alpha",
            -1,
            "The 'alpha' parameter of MLPClassifier must be a float in the range [0, inf). Got -1 instead.",
        ),
        ("alpha", "big", "must be a float in the range [0, inf). Got 'big' instead."),
        ("activation", "relo", "must be one of {'identity', 'step', 'logistic', 'tanh'"),
        ("batch_size", 0, "must be one of {'auto'} or an int in the range [1, inf). Got 0 instead."),
        ("max_iter", 2.5, "must be an int in the range [1, inf)"),
        ("max_iter", True, "must be an int in the range [1, inf)"),
        ("shuffle", 1, "must be True or False"),
        ("momentum", 1.5, "must be a float in the range [0, 1]"),
        ("beta_1", 1.0, "must be a float in the range [0, 1)"),
        ("n_iter_no_change", 0.5, "must be an int in the range [1, inf) or inf"),
        ("random_state", -3, "must be an int in the range [0, 4294967295], a numpy RandomState, or None"),
        ("hidden_layer_sizes", "ten", "must be a sequence or an int"),
    ],
)
def test_a_parameter_without_meaning_is_refused_in_fit(name, value, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        wg.MLPClassifier(**{name: value}).fit(X, Y)


def test_hidden_layers_have_units():
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must be > 0, got \[3, 0\]"):
        wg.MLPClassifier((3, 0)).fit(X, Y)


def test_set_params():
    estimator = wg.MLPClassifier().set_params(alpha=2, max_iter=3)
    assert (estimator.alpha, estimator.max_iter) == (2, 3)
    with pytest.raises(
        ValueError, match=r"Invalid parameter 'alfa' for estimator MLPClassifier\(alpha=2, max_iter=3\)"
    ):
        estimator.set_params(alfa=1)


def test_an_estimator_shows_what_is_not_at_its_default():
    assert repr(wg.MLPClassifier()) == "MLPClassifier()"
    assert repr(wg.MLPRegressor(alpha=0.5, hidden_layer_sizes=(3,))) == (
        "MLPRegressor(hidden_layer_sizes=(3,), alpha=0.5)"
    )
    many = repr(
        wg.MLPClassifier((10, 10), "tanh", solver="sgd", alpha=0.25, batch_size=17, learning_rate="adaptive")
    )
    assert [len(line) < 80 for line in many.splitlines()] == [True, True]
    assert many.endswith("learning_rate='adaptive')")


def test_partial_fit_needs_a_stochastic_solver():
    assert hasattr(wg.MLPClassifier(), "partial_fit")
    assert not hasattr(wg.MLPRegressor(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError, match="lbfgs is not stochastic"):
        wg.MLPClassifier(solver="lbfgs").partial_fit(np.array(X), Y)
