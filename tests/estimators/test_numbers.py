"""Equal settings give scikit-learn's numbers."""

import gc
import warnings
import weakref

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import neural_network

import wengert as wg

KINDS = {
    "multiclass": (neural_network.MLPClassifier, wg.MLPClassifier, lambda x: np.argmax(x[:, :3], axis=1)),
    "binary": (neural_network.MLPClassifier, wg.MLPClassifier, lambda x: np.array(["no", "yes"])[_sign(x)]),
    "multilabel": (neural_network.MLPClassifier, wg.MLPClassifier, lambda x: (x[:, :3] > 0).astype(int)),
    "numbers": (neural_network.MLPRegressor, wg.MLPRegressor, lambda x: np.sin(x[:, 0]) + x[:, 1]),
    "several numbers": (neural_network.MLPRegressor, wg.MLPRegressor, lambda x: np.sin(x[:, :2])),
}
SETTINGS = [
    dict(),
    dict(activation="tanh", hidden_layer_sizes=(7, 5), batch_size=16),
    dict(activation="logistic", alpha=0.3, batch_size=60),
    dict(activation="identity", hidden_layer_sizes=4, batch_size=1, max_iter=2),
    dict(solver="sgd", learning_rate_init=0.05),
    dict(solver="sgd", momentum=0.0, batch_size=7, shuffle=False),
    dict(solver="sgd", nesterovs_momentum=False, learning_rate="invscaling", power_t=0.2),
    dict(
        solver="sgd",
        learning_rate="adaptive",
        learning_rate_init=0.5,
        tol=0.05,
        n_iter_no_change=2,
        max_iter=30,
    ),
    dict(early_stopping=True, validation_fraction=0.3, max_iter=25, n_iter_no_change=3, tol=0.01),
    dict(beta_1=0.5, beta_2=0.9, epsilon=0.01, learning_rate_init=0.1),
    dict(tol=0.1, n_iter_no_change=1, max_iter=50),
    dict(hidden_layer_sizes=(), activation="logistic"),
]


def _sign(x):
    return (x[:, 0] + x[:, 1] > 0).astype(int)


def _both(kind, rows=60, **settings):
    theirs, ours, targets = KINDS[kind]
    x = np.random.default_rng(0).normal(size=(rows, 6))
    settings = dict(max_iter=8, hidden_layer_sizes=(9,), random_state=3) | settings
    return theirs(**settings), ours(**settings), x, targets(x)


def _quietly(fit, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(*args, **kwargs)


def _assert_equal(ours, theirs, x, tolerance=1e-8):
    for name in ("n_iter_", "n_layers_", "n_outputs_", "out_activation_", "t_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"):
        if getattr(theirs, name, None) is not None:
            np.testing.assert_allclose(
                getattr(ours, name), getattr(theirs, name), tolerance, tolerance, err_msg=name
            )
        else:
            assert getattr(ours, name, None) is None, name
    for mine, his in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, his, tolerance, tolerance)
    assert np.array_equal(ours.predict(x), theirs.predict(x)) or ours.predict(x).dtype.kind == "f"
    if hasattr(theirs, "predict_proba"):
        np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), tolerance, tolerance)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_fit(kind, settings):
    theirs, ours, x, y = _both(kind, **settings)
    _assert_equal(_quietly(ours.fit, x, y), _quietly(theirs.fit, x, y), x)
    np.testing.assert_allclose(ours.score(x, y), theirs.score(x, y), 1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_lbfgs(kind):
    theirs, ours, x, y = _both(kind, solver="lbfgs", max_iter=12)
    _assert_equal(_quietly(ours.fit, x, y), _quietly(theirs.fit, x, y), x, 1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", ["multiclass", "binary", "numbers"])
def test_sample_weight(kind, solver):
    theirs, ours, x, y = _both(kind, solver=solver, batch_size=16)
    w = np.random.default_rng(1).uniform(0.1, 3, len(x))
    _assert_equal(_quietly(ours.fit, x, y, w), _quietly(theirs.fit, x, y, w), x, 1e-6)
    np.testing.assert_allclose(ours.score(x, y, w), theirs.score(x, y, w), 1e-8)


def test_poisson():
    theirs, ours, x, y = _both("numbers", loss="poisson")
    _assert_equal(_quietly(ours.fit, x, np.square(y)), _quietly(theirs.fit, x, np.square(y)), x)


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit(kind):
    theirs, ours, x, y = _both(kind, batch_size=10)
    classes = {"classes": np.unique(y)} if kind in ("multiclass", "binary") else {}
    classes = {"classes": [0, 1, 2]} if kind == "multilabel" else classes
    for _ in range(3):
        for piece in (slice(0, 30), slice(30, 60)):
            theirs.partial_fit(x[piece], y[piece], **classes)
            ours.partial_fit(x[piece], y[piece], **classes)
    _assert_equal(ours, theirs, x)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_warm_start(solver):
    theirs, ours, x, y = _both("multiclass", solver=solver, warm_start=True)
    for _ in range(2):
        _quietly(theirs.fit, x, y), _quietly(ours.fit, x, y)
    _assert_equal(ours, theirs, x, 1e-6)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse(solver, early_stopping):
    theirs, ours, x, y = _both("binary", solver=solver, early_stopping=early_stopping)
    x[x < 0.5] = 0
    _assert_equal(_quietly(ours.fit, csr_array(x), y), _quietly(theirs.fit, x, y), x, 1e-6)
    np.testing.assert_allclose(ours.predict_proba(csr_array(x)), theirs.predict_proba(x), 1e-6, 1e-9)


def test_saturated_outputs_count_no_more_than_the_rounding_unit_allows():
    theirs, ours, x, y = _both("multiclass", solver="sgd", learning_rate_init=20.0, activation="tanh")
    _quietly(ours.fit, x, y), _quietly(theirs.fit, x, y)
    assert max(ours.loss_curve_) > 10
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, 1e-6)


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
def test_the_capped_error_is_exact_however_large_the_pre_activations_are(kind):
    theirs, ours, x, y = _both(kind, max_iter=1)
    _quietly(theirs.fit, 1e16 * x, y)
    _quietly(ours.fit, 1e16 * x, y)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, 1e-12)


@pytest.mark.parametrize("kind", ["multiclass", "numbers"])
def test_single_precision(kind):
    theirs, ours, x, y = _both(kind)
    x = x.astype(np.float32)
    _quietly(ours.fit, x, y), _quietly(theirs.fit, x, y)
    assert {a.dtype for a in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_one_pattern_is_predicted_as_many_are(kind):
    _, ours, x, y = _both(kind)
    _quietly(ours.fit, x, y)
    one_by_one = np.concatenate([ours.predict(x[i : i + 1]) for i in range(10)])
    many = ours.predict(x[:10])
    if many.dtype.kind == "f":
        np.testing.assert_allclose(one_by_one, many, 1e-12)
    else:
        assert np.array_equal(one_by_one, many)


def test_a_random_state_object_and_none_are_drawn_from():
    theirs, ours, x, y = _both("binary")
    theirs.random_state, ours.random_state = np.random.RandomState(5), np.random.RandomState(5)
    _assert_equal(_quietly(ours.fit, x, y), _quietly(theirs.fit, x, y), x)


def test_orders_of_many_patterns():
    theirs, ours, x, y = _both("binary", rows=25_000, hidden_layer_sizes=2, max_iter=3, batch_size=5000)
    _assert_equal(_quietly(ours.fit, x, y), _quietly(theirs.fit, x, y), x)


def test_a_generator_of_the_users_is_left_where_the_last_order_leads_it():
    theirs, ours, x, y = _both("binary", rows=25_000, hidden_layer_sizes=2, max_iter=3, batch_size=5000)
    theirs.random_state, ours.random_state = np.random.RandomState(5), np.random.RandomState(5)
    _quietly(ours.fit, x, y), _quietly(theirs.fit, x, y)
    assert ours.random_state.randint(10**9) == theirs.random_state.randint(10**9)


def _counted(monkeypatch):
    """How many epochs every call of native code makes."""
    counts, run = [], wg.train.Trainer.run_epochs

    def run_epochs(trainer, data, orders, count=None):
        counts.append(count)
        return run(trainer, data, orders, count)

    monkeypatch.setattr(wg.train.Trainer, "run_epochs", run_epochs)
    return counts


@pytest.mark.parametrize(
    "settings",
    [
        dict(max_iter=23, tol=0.0, n_iter_no_change=5),
        dict(max_iter=60, tol=0.1, n_iter_no_change=4),
        dict(solver="sgd", learning_rate="adaptive", learning_rate_init=0.5, tol=0.05, n_iter_no_change=2),
        dict(max_iter=9, shuffle=False),
        dict(max_iter=9, early_stopping=True, batch_size=7),
    ],
)
def test_epochs_made_in_one_call_are_those_made_alone(monkeypatch, settings):
    found = []
    for most in (64, 1):
        monkeypatch.setattr("wengert.train._orders.EPOCHS_AT_A_TIME", most)
        _, ours, x, y = _both("multiclass", **settings)
        ours.random_state = np.random.RandomState(5)
        _quietly(ours.fit, x, y)
        found.append(
            (ours.n_iter_, ours.loss_curve_, ours.random_state.randint(10**9), ours.coefs_[0].tobytes())
        )
    assert found[0][::2] == found[1][::2]
    assert found[0][3] == found[1][3]
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-14)


def test_a_call_makes_as_many_epochs_as_nothing_can_end_before(monkeypatch):
    counts = _counted(monkeypatch)
    _, ours, x, y = _both("numbers", tol=100.0, n_iter_no_change=5, max_iter=30)
    _quietly(ours.fit, x, y)
    assert counts == [6, 1]  # the first epoch is an improvement, as there was none before
    assert ours.n_iter_ == 7


def test_all_epochs_are_one_call_where_nothing_ends_them(monkeypatch):
    counts = _counted(monkeypatch)
    _, ours, x, y = _both("numbers", n_iter_no_change=np.inf, max_iter=80)
    _quietly(ours.fit, x, y)
    assert counts == [64, 16]


def test_whoever_looks_at_every_epoch_gets_to_see_it(monkeypatch):
    counts, seen = _counted(monkeypatch), []
    _, ours, x, y = _both("numbers", max_iter=3)
    ours.callbacks = [lambda e: seen.append((e.n_iter_, e.loss_))]
    _quietly(ours.fit, x, y)
    assert counts == [1, 1, 1]
    assert seen == [(i + 1, loss) for i, loss in enumerate(ours.loss_curve_)]


def test_a_trained_estimator_holds_no_patterns():
    _, ours, x, y = _both("numbers")
    kept = weakref.ref(x)
    _quietly(ours.fit, x, y)
    del x
    gc.collect()
    assert kept() is None
