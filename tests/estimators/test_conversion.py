"""Networks of scikit-learn taken over, and given to it."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn import linear_model, model_selection, neural_network, pipeline

import wengert as wg
from wengert import optim

X = np.random.default_rng(0).normal(size=(60, 6))
KINDS = {
    "multiclass": ("MLPClassifier", np.array(["red", "green", "blue"])[np.argmax(X[:, :3], axis=1)]),
    "binary": ("MLPClassifier", np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")),
    "one class": ("MLPClassifier", np.zeros(60)),
    "multilabel": ("MLPClassifier", (X[:, :3] > 0).astype(int)),
    "sparse multilabel": ("MLPClassifier", csr_matrix((X[:, :3] > 0).astype(int))),
    "numbers": ("MLPRegressor", np.sin(X[:, 0]) + X[:, 1]),
    "several numbers": ("MLPRegressor", np.sin(X[:, :2])),
}
SETTINGS = [
    dict(solver="adam", beta_1=0.8, activation="logistic"),
    dict(solver="adam", early_stopping=True, n_iter_no_change=2, tol=0.1, max_iter=30),
    dict(solver="sgd", nesterovs_momentum=False, hidden_layer_sizes=(7, 5), activation="tanh"),
    dict(
        solver="sgd",
        learning_rate="adaptive",
        n_iter_no_change=2,
        tol=0.1,
        learning_rate_init=0.1,
        max_iter=30,
    ),
    dict(solver="sgd", learning_rate="invscaling", hidden_layer_sizes=()),
    dict(solver="lbfgs", activation="identity"),
]
RECORD = (
    "classes_", "n_features_in_", "n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "loss_",
    "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_", "coefs_", "intercepts_",
    "feature_names_in_",
)  # fmt: skip


def _quietly(fit, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(*args, **kwargs)


def _fitted(package, kind, x=X, **settings):
    name, y = KINDS[kind]
    settings = dict(hidden_layer_sizes=9, max_iter=6, batch_size=16, random_state=3) | settings
    return _quietly(getattr(package, name)(**settings).fit, x, y)


def _ours(model):
    return getattr(wg, type(model).__name__).from_sklearn(model)


def _assert_the_same(mine, other, x=X, exactly=True):
    """Parameters, record, and what they predict."""
    params = mine.get_params()
    assert all(params.get(name, value) == value for name, value in other.get_params().items())
    for name in RECORD:
        assert hasattr(mine, name) == hasattr(other, name), name
        if not hasattr(mine, name):
            continue
        if exactly:
            np.testing.assert_equal(getattr(mine, name), getattr(other, name), name)
        elif name in ("coefs_", "intercepts_"):
            for some, others in zip(getattr(mine, name), getattr(other, name), strict=True):
                np.testing.assert_allclose(some, others, 1e-8, 1e-8)
    _assert_equal_predictions(mine, other, x)


def _assert_equal_predictions(mine, other, x):
    found, wanted = mine.predict(x), other.predict(x)
    assert issparse(found) == issparse(wanted)
    found, wanted = (a.toarray() if issparse(a) else a for a in (found, wanted))
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    if found.dtype.kind == "f" and not hasattr(mine, "classes_"):
        np.testing.assert_allclose(found, wanted, 1e-7, 1e-7)
    else:
        assert np.array_equal(found, wanted)
    if hasattr(mine, "classes_"):
        np.testing.assert_allclose(mine.predict_proba(x), other.predict_proba(x), 1e-6, 1e-7)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_from_scikit_learn_and_back(kind, settings):
    theirs = _fitted(neural_network, kind, **settings)
    ours = _ours(theirs)
    _assert_the_same(ours, theirs)
    _assert_the_same(ours.to_sklearn(), theirs)
    assert not np.shares_memory(ours.coefs_[0], theirs.coefs_[0])


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_to_scikit_learn_and_back(kind, settings):
    ours = _fitted(wg, kind, **settings)
    theirs = ours.to_sklearn()
    assert type(theirs) is getattr(neural_network, type(ours).__name__)
    _assert_the_same(ours, theirs)
    again = _ours(theirs)
    _assert_the_same(again, theirs)
    assert getattr(again, "stopped_early_", None) == getattr(ours, "stopped_early_", None)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_in_parts_goes_on(kind, solver):
    y = KINDS[kind][1]
    theirs, ours = (_fitted(package, kind, solver=solver) for package in (neural_network, wg))
    taken, given = _ours(theirs), ours.to_sklearn()
    for _ in range(3):
        for model in (theirs, ours, taken, given):
            model.partial_fit(X[:40], y[:40])
    for model in (ours, taken, given):
        _assert_the_same(model, theirs, exactly=False)
    assert taken.t_ == given.t_ == theirs.t_
    np.testing.assert_allclose(taken.loss_curve_, theirs.loss_curve_, 1e-8)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_warm_start_goes_on(solver, early_stopping):
    y = KINDS["multiclass"][1]
    settings = dict(solver=solver, early_stopping=early_stopping, warm_start=True)
    theirs = _fitted(neural_network, "multiclass", **settings)
    taken, given = _ours(theirs), _ours(theirs).to_sklearn()
    for model in (theirs, taken, given):
        _quietly(model.fit, X, y)
    # scikit-learn's best weights share memory with those it goes on with; copies of them do not.
    for model in (taken, given) if early_stopping else (taken, given, theirs):
        assert model.n_iter_ == theirs.n_iter_
        np.testing.assert_allclose(model.loss_, theirs.loss_, 1e-6)
        np.testing.assert_allclose(model.predict_proba(X), given.predict_proba(X), 1e-5, 1e-7)


def test_there_and_back_again_is_bit_for_bit():
    y = KINDS["binary"][1]
    ours = _fitted(wg, "binary")
    again = _ours(ours.to_sklearn())
    assert np.array_equal(again.predict_proba(X), ours.predict_proba(X))
    assert np.array_equal(again.predict_proba(X[:1]), ours.predict_proba(X[:1]))
    for model in (ours, again):
        model.partial_fit(X, y)
    np.testing.assert_allclose(again.coefs_[0], ours.coefs_[0], 1e-13, 1e-13)


def test_a_rate_that_has_fallen_stays_where_it_is():
    settings = dict(
        solver="sgd",
        learning_rate="adaptive",
        n_iter_no_change=1,
        tol=1.0,
        learning_rate_init=0.5,
        max_iter=7,
    )
    theirs = _fitted(neural_network, "binary", **settings)
    assert theirs._optimizer.learning_rate < 0.5
    for model in (theirs, taken := _ours(theirs), given := _ours(theirs).to_sklearn()):
        model.partial_fit(X, KINDS["binary"][1])
    np.testing.assert_allclose(taken.coefs_[0], theirs.coefs_[0], 1e-9)
    np.testing.assert_allclose(given.coefs_[0], theirs.coefs_[0], 1e-15)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_single_precision(solver):
    x = X.astype(np.float32)
    theirs = _fitted(neural_network, "multiclass", x, solver=solver)
    _assert_the_same(_ours(theirs), theirs, x)
    ours = _fitted(wg, "multiclass", x, solver=solver)
    _assert_the_same(ours.to_sklearn(), ours, x)
    assert ours.to_sklearn().coefs_[0].dtype == np.float32


def test_feature_names():
    table = pd.DataFrame(X, columns=list("abcdef"))
    theirs = _fitted(neural_network, "binary", table)
    ours = _ours(theirs)
    _assert_the_same(ours, theirs, table)
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(table[list("fedcba")])
    _assert_the_same(ours.to_sklearn(), theirs, table)


def test_a_generator_is_copied_where_it_stands():
    theirs = _fitted(neural_network, "binary", random_state=np.random.RandomState(5))
    models = theirs, _ours(theirs), _ours(theirs).to_sklearn()
    for model in models:
        model.partial_fit(X, KINDS["binary"][1])
    assert len({model.random_state.randint(10**9) for model in models}) == 1
    np.testing.assert_allclose(models[1].coefs_[0], models[0].coefs_[0], 1e-9)


def test_counts():
    y = np.abs(KINDS["numbers"][1])
    theirs = _quietly(neural_network.MLPRegressor("poisson", 5, max_iter=5, random_state=0).fit, X, y)
    _assert_the_same(_ours(theirs), theirs)
    _assert_the_same(_ours(theirs).to_sklearn(), theirs)


def test_classes_of_a_training_in_parts():
    theirs = neural_network.MLPClassifier(5, random_state=0).partial_fit(X, np.zeros(60), classes=[0, 1, 2])
    _assert_the_same(_ours(theirs), theirs)
    assert _ours(theirs).partial_fit(X, np.full(60, 2)).classes_.tolist() == [0, 1, 2]


def test_what_was_converted_can_be_kept():
    ours = _ours(_fitted(neural_network, "binary"))
    kept = pickle.loads(pickle.dumps(ours))
    assert np.array_equal(kept.predict_proba(X), ours.predict_proba(X))
    assert ours.explain(X[0], "yes").error > 0


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "settings",
    [
        dict(dropout=0.2),
        dict(batch_norm=True),
        dict(skip="concatenate"),
        dict(optimizer=optim.RMSProp(0.01)),
        dict(class_weight="balanced"),
        dict(activation="gelu"),
        dict(activation=np.tanh),
        dict(activation=["relu"]),
        dict(loss="focal"),
        dict(learning_rate=optim.Cosine(0.1, 100)),
    ],
    ids=str,
)
def test_what_scikit_learn_has_no_word_for(settings):
    (name,) = settings
    ours = _fitted(wg, "binary", **settings)
    with pytest.raises(ValueError, match=f"to_sklearn.*{name}"):
        ours.to_sklearn()


def test_parameters_of_the_training_alone_may_be_set_back():
    ours = _fitted(wg, "binary", dropout=0.2, callbacks=(lambda e: None,))
    with pytest.raises(
        ValueError, match=r"has no dropout, callbacks; .*set_params\(dropout=0.0, callbacks=\(\)\)"
    ):
        ours.to_sklearn()
    theirs = ours.set_params(dropout=0.0, callbacks=()).to_sklearn()
    _assert_the_same(ours, theirs)
    assert theirs.partial_fit(X, KINDS["binary"][1]).loss_ > 0


def test_a_network_that_was_trained_otherwise():
    ours = _fitted(wg, "binary", skip="concatenate")
    with pytest.raises(ValueError, match="skip are not those that the network was trained with"):
        ours.set_params(skip=None).to_sklearn()


def test_tables_of_categories():
    table = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "up", "down")})
    with pytest.raises(ValueError, match="categories or missing values"):
        _fitted(wg, "binary", table).to_sklearn()


def test_what_has_not_been_fitted():
    with pytest.raises(ValueError, match="has not been fitted; call its fit first"):
        wg.MLPClassifier.from_sklearn(neural_network.MLPClassifier())
    with pytest.raises(ValueError, match="not fitted yet"):
        wg.MLPClassifier().to_sklearn()


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        (neural_network.MLPRegressor(), "not MLPRegressor; wengert.MLPRegressor.from_sklearn takes this one"),
        (neural_network.MLPClassifier, "not the class MLPClassifier; give a fitted object"),
        (pipeline.make_pipeline(neural_network.MLPClassifier()), r"give its last step, model\[-1\]"),
        (wg.MLPClassifier(), "copy.deepcopy makes another"),
        (linear_model.LogisticRegression(), "not LogisticRegression; only from such a network"),
        (None, "not NoneType; only from such a network"),
    ],
    ids=str,
)
def test_what_is_no_network_of_this_kind(model, instead):
    with pytest.raises(TypeError, match=f"takes a fitted sklearn.neural_network.MLPClassifier, .*{instead}"):
        wg.MLPClassifier.from_sklearn(model)


def test_a_search_is_asked_for_its_best_estimator():
    search = model_selection.GridSearchCV(neural_network.MLPClassifier(4), {"alpha": [0.1]}, cv=2)
    _quietly(search.fit, X, KINDS["binary"][1])
    with pytest.raises(TypeError, match="give its best_estimator_"):
        wg.MLPClassifier.from_sklearn(search)
    assert copy.deepcopy(wg.MLPClassifier.from_sklearn(search.best_estimator_)).alpha == 0.1
