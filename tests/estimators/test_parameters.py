"""Parameters: their rules, their names, and how an estimator shows them."""

import re

import numpy as np
import pytest
from sklearn import neural_network

import wengert as wg
from wengert import losses, optim
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
        ("hidden_layer_sizes", "ten", "must be an int in the range [1, inf) or a sequence of these"),
        (
            "hidden_layer_sizes",
            (8.5,),
            "must be an int in the range [1, inf) or a sequence of these. Got (8.5,)",
        ),
        ("hidden_layer_sizes", ((8, 4),), "or a sequence of these. Got ((8, 4),) instead."),
        ("activation", ["relu", 3], "or a function of one argument or a sequence of these. Got ['relu', 3]"),
        (
            "dropout",
            [None],
            "must be a float in the range [0, 1) or a sequence of these. Got [None] instead.",
        ),
        (
            "class_weight",
            {0: -1.0},
            "or a dict of numbers in the range [0, inf) or a list of these, one for each",
        ),
        ("class_weight", [1, 2], "one for each label or None. Got [1, 2] instead."),
        ("loss", lambda y: y, "or a function of outputs and targets. Got <function"),
    ],
)
def test_a_parameter_without_meaning_is_refused_in_fit(name, value, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        wg.MLPClassifier(**{name: value}).fit(X, Y)


@pytest.mark.parametrize(
    "made, meant",
    [
        (lambda: wg.MLPRegressor((8,)), "Got (8,) instead. Write hidden_layer_sizes=(8,)."),
        (lambda: wg.MLPRegressor(8), "Got 8 instead. Write hidden_layer_sizes=8."),
        (lambda: wg.MLPRegressor("relu"), "Got 'relu' instead. Write activation='relu'."),
        (lambda: wg.MLPRegressor("mse"), "Got 'mse' instead. Did you mean 'squared_error'?"),
        (lambda: wg.MLPClassifier(8, "adam"), "Got 'adam' instead. Write solver='adam'."),
        (lambda: wg.MLPClassifier(8, "sigmoid"), "Got 'sigmoid' instead. Did you mean 'logistic'?"),
        (lambda: wg.MLPClassifier((8, 8), ["relu", "Tanh"]), "instead. Did you mean 'tanh'?"),
        (lambda: wg.MLPClassifier(solver="rmsprop"), "Write optimizer=wengert.optim.RMSProp()."),
        (lambda: wg.MLPClassifier(solver=optim.Adam(0.1)), "instead. Write optimizer=Adam(learning_rate=0.1"),
        (lambda: wg.MLPClassifier(optimizer="sgd"), "Got 'sgd' instead. Write solver='sgd'."),
        (lambda: wg.MLPClassifier(optimizer="conjugategradients"), "=wengert.optim.ConjugateGradients()."),
        (lambda: wg.MLPClassifier(optimizer=optim.Adam), "Give an object of the class, made with paren"),
        (lambda: wg.MLPClassifier(learning_rate=0.01), "Got 0.01 instead. Write learning_rate_init=0.01."),
        (lambda: wg.MLPClassifier(loss=losses.Focal), "Give an object of the class, made with parentheses."),
    ],
)
def test_what_was_meant_is_said(made, meant):
    with pytest.raises(ParameterError, match=re.escape(meant)):
        made().fit(X, Y)


@pytest.mark.parametrize("value", [-1, "big", None])
def test_nothing_is_guessed_of_a_value_that_fits_nothing(value):
    with pytest.raises(ParameterError, match=r"instead\.$"):
        wg.MLPClassifier(alpha=value).fit(X, Y)


@pytest.mark.parametrize(
    "estimator, loss, message",
    [
        (
            wg.MLPRegressor,
            losses.hinge,
            "hinge is for a target of the kind 'two classes by margin', and the targets",
        ),
        (
            wg.MLPClassifier,
            losses.mean_squared_error,
            "the targets are two classes; take another of wengert.loss",
        ),
        (
            wg.MLPClassifier,
            losses.Focal(),
            "Focal is for a target of the kind 'classes', and the targets are two",
        ),
    ],
)
def test_an_error_of_other_targets_is_refused(estimator, loss, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator(loss=loss).fit(X, Y)


def test_margins_are_no_probabilities_whatever_they_are_called():
    for loss in ("hinge", losses.hinge):
        assert not hasattr(wg.MLPClassifier(loss=loss), "predict_proba")
    assert hasattr(wg.MLPClassifier(loss=losses.binary_cross_entropy), "predict_proba")


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_function_of_the_steps_is_a_schedule():
    options = {"hidden_layer_sizes": 3, "max_iter": 3, "random_state": 0}
    falling = wg.MLPClassifier(**options, learning_rate=lambda steps: 0.1 / (steps + 1.0)).fit(X, Y)
    as_schedule = wg.MLPClassifier(**options, learning_rate=optim.InverseScaling(0.1, power=1.0)).fit(X, Y)
    assert falling.loss_curve_ == pytest.approx(as_schedule.loss_curve_)


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
