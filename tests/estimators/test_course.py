"""Several epochs in one call: all that an estimator tells of them is what single epochs give, bit for bit."""

import contextlib
import io
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert import optim
from wengert.core import tree
from wengert.estimators._course import Course, Listed
from wengert.train import Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)
NUMBERS = np.sin(X[:, :2])
FALLING = {"solver": "sgd", "learning_rate": "invscaling"}
CLASSIFIERS = {
    "early stopping": {"early_stopping": True},
    "soon over": {"early_stopping": True, "n_iter_no_change": 2},
    "inverse scaling": FALLING,
    "both": FALLING | {"early_stopping": True, "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "early_stopping": True, "n_iter_no_change": 1},
    "told": {"verbose": True},
    "what draws": {"batch_norm": True, "dropout": 0.2, "early_stopping": True},
    "averaged": {"optimizer": optim.PolyakAverage(optim.SGD(0.1)), "early_stopping": True},
    "told of errors": {"learning_rate": optim.Adaptive(0.01, tol=1e-2, patience=4), "early_stopping": True},
    "in their order": {"shuffle": False, "early_stopping": True},
}


def fitted(made=wg.MLPClassifier, y=Y, **options):
    """The estimator, what it printed, and a number of the generator that it has left."""
    rng, printed = np.random.RandomState(0), io.StringIO()
    estimator = made(hidden_layer_sizes=(6,), batch_size=20, max_iter=30, random_state=rng)
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(printed):
        estimator.set_params(**options).fit(X, y)
    return estimator, printed.getvalue(), rng.random_sample()


def course_of(estimator):
    """All that there is to tell of a training."""
    names = ("loss_curve_", "validation_scores_", "best_validation_score_", "n_iter_", "t_", "stopped_early_")
    state = tree.flatten(estimator._optimizer.state.memory)[0] if hasattr(estimator, "solver") else []
    arrays = [*estimator.coefs_, *estimator.intercepts_, *state]
    rate = estimator._optimizer.learning_rate
    return [a.tobytes() for a in arrays], [repr(getattr(estimator, name)) for name in names], rate


@pytest.fixture
def calls(monkeypatch):
    """How often native code is called for epochs."""
    found, run = [], Trainer._run
    monkeypatch.setattr(Trainer, "_run", lambda *given: found.append(given[-1]) or run(*given))
    return found


def one_by_one(monkeypatch):
    monkeypatch.setattr(Course, "_most", lambda self: (1, False))


@pytest.mark.parametrize("options", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_epochs_of_a_call_are_single_epochs(monkeypatch, calls, options):
    together, *rest = fitted(**options)
    assert len(calls) < together.n_iter_
    one_by_one(monkeypatch)
    alone, *others = fitted(**options)
    if "optimizer" in options:
        assert [a.tobytes() for a in together.coefs_] == [a.tobytes() for a in alone.coefs_]
        assert together.validation_scores_ == alone.validation_scores_
    else:
        assert course_of(together) == course_of(alone)
    assert rest == others


def test_regression_too(monkeypatch):
    together, *rest = fitted(wg.MLPRegressor, NUMBERS, early_stopping=True)
    one_by_one(monkeypatch)
    alone, *others = fitted(wg.MLPRegressor, NUMBERS, early_stopping=True)
    assert (course_of(together), rest) == (course_of(alone), others)
    assert together.distances_.tobytes() == alone.distances_.tobytes()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_epoch_that_diverges_is_the_last_that_is_told_of(monkeypatch, early_stopping):
    def outcome():
        estimator, rng, printed = (
            wg.MLPRegressor("squared_error", (6,)),
            np.random.RandomState(0),
            io.StringIO(),
        )
        estimator.set_params(solver="sgd", learning_rate_init=0.11, activation="identity", random_state=rng)
        estimator.set_params(early_stopping=early_stopping, verbose=True, n_iter_no_change=60, max_iter=50)
        with contextlib.redirect_stdout(printed), warnings.catch_warnings(action="ignore"):
            try:
                estimator.fit(X * 3, NUMBERS)
            except ValueError as error:
                assert not early_stopping
                assert "non-finite" in str(error)
        return estimator, printed.getvalue(), rng.random_sample()

    together, *rest = outcome()
    assert 2 < len(together.loss_curve_) < 50
    assert rest[0].count("Iteration") > 2
    one_by_one(monkeypatch)
    alone, *others = outcome()
    assert rest == others
    assert repr(together.loss_curve_) == repr(alone.loss_curve_)
    assert [w.tobytes() for w in together.coefs_] == [w.tobytes() for w in alone.coefs_]


def test_whoever_interrupts_has_the_network_of_the_last_epoch_told_of(monkeypatch):
    networks, score = [], wg.MLPClassifier._score_aside

    def interrupt(self, network, aside):
        networks.append([w.copy() for w in network.layers[0].weights])
        if len(networks) == 4:
            raise KeyboardInterrupt
        return score(self, network, aside)

    monkeypatch.setattr(wg.MLPClassifier, "_score_aside", interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        estimator = wg.MLPClassifier((6,), random_state=0).fit(X[30:], Y[30:], X_val=X[:30], y_val=Y[:30])
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 4
    np.testing.assert_array_equal(estimator.coefs_[0], networks[-1])
    assert estimator.coefs_[0].base is None


def test_code_that_no_loop_can_follow_goes_epoch_by_epoch():
    def activation(a):
        return np.tanh(a) if a[0, 0] > 0 else -np.tanh(-a)

    expected, *_ = fitted(activation="tanh", early_stopping=True, max_iter=4)
    found, *_ = fitted(activation=activation, early_stopping=True, max_iter=4)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-9)
    assert found.validation_scores_ == expected.validation_scores_


def test_callbacks_see_every_epoch(calls):
    seen = []
    callbacks = [lambda e: seen.append((e.n_iter_, e.coefs_[0].copy())) or e.n_iter_ == 5]
    estimator, *_ = fitted(early_stopping=True, callbacks=callbacks)
    assert [number for number, _ in seen] == [1, 2, 3, 4, 5]
    assert estimator.n_iter_ == len(calls) == 5


def test_rates_by_epoch():
    schedule = Listed(np.array([0.3, 0.2, 0.1]), 10, 4)
    assert [float(schedule(steps)) for steps in (10, 13, 14, 17, 18, 21, 22, 99)] == [
        0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1,
    ]  # fmt: skip
