"""Estimators inside the rest of scikit-learn, and kept for later."""

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(size=(90, 4)) * (1, 10, 1, 1)
Y = np.array(["low", "middle", "high"])[np.digitize(X[:, 0] + X[:, 1] / 10, (-0.7, 0.7))]
SETTINGS = dict(hidden_layer_sizes=8, max_iter=60, learning_rate_init=0.02, random_state=0)


def _classifier(**settings):
    return wg.MLPClassifier(**SETTINGS | settings)


def test_in_a_pipeline_with_tables():
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    pipeline = make_pipeline(StandardScaler(), _classifier()).set_output(transform="pandas").fit(table, Y)
    assert pipeline.score(table, Y) > 0.85
    assert pipeline[-1].feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(table[["b", "a", "c", "d"]])


def test_search_over_parameters_in_processes():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), _classifier()),
        {"mlpclassifier__alpha": [0.001, 30.0], "mlpclassifier__activation": ["relu", "tanh"]},
        cv=3,
        n_jobs=2,
    )
    assert search.fit(X, Y).best_params_["mlpclassifier__alpha"] == 0.001
    assert search.best_score_ > 0.75


def test_cross_validation():
    assert cross_val_score(_classifier(), X, Y, cv=3).shape == (3,)
    y = X[:, 0] + 1
    regressor = TransformedTargetRegressor(wg.MLPRegressor(**SETTINGS), transformer=StandardScaler())
    assert np.corrcoef(cross_val_predict(regressor, X, y, cv=3), y)[0, 1] > 0.7


def test_calibration_and_ensembles():
    assert CalibratedClassifierCV(_classifier(), cv=3).fit(X, Y).predict_proba(X).shape == (90, 3)
    assert BaggingClassifier(_classifier(), n_estimators=2).fit(X, Y).score(X, Y) > 0.5
    margins = CalibratedClassifierCV(_classifier(loss="hinge"), cv=3).fit(X, Y)
    assert (
        margins.score(X, Y) > 0.5
        and cross_val_score(_classifier(loss="hinge"), X, Y[0] == Y, scoring="roc_auc").min() > 0.5
    )
    stack = StackingClassifier([("network", _classifier())], LogisticRegression(), cv=3)
    assert stack.fit(X, Y).score(X, Y) > 0.5
    several = MultiOutputClassifier(_classifier()).fit(X, np.stack([Y, Y], axis=1))
    assert several.predict(X).shape == (90, 2)


def test_permutation_importance():
    found = permutation_importance(_classifier().fit(X, Y), X, Y, n_repeats=2, random_state=0)
    assert found.importances_mean[:2].min() > found.importances_mean[2:].max()


def _by_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "options",
    [{"solver": "adam"}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"dropout": 0.3}, {"batch_norm": True}],
    ids=str,
)
@pytest.mark.parametrize("kept", [copy.deepcopy, _by_joblib, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_predicts_the_same_and_trains_on(kept, options):
    estimator = _classifier(**options).fit(X, Y)
    other = kept(estimator)
    assert np.array_equal(other.predict_proba(X), estimator.predict_proba(X))
    assert np.array_equal(other.predict_proba(X[:1]), estimator.predict_proba(X[:1]))
    assert other.get_params() == estimator.get_params()
    if estimator.solver != "lbfgs":
        assert np.array_equal(*(e.partial_fit(X, Y).coefs_[0] for e in (estimator, other)))


def test_a_clone_has_the_parameters_alone():
    other = clone(_classifier(alpha=0.5).fit(X, Y))
    assert other.alpha == 0.5
    assert not hasattr(other, "coefs_")


def test_weights_that_are_changed_change_predictions():
    estimator = _classifier().fit(X, Y)
    estimator.coefs_[-1] = np.zeros_like(estimator.coefs_[-1])
    estimator.intercepts_[-1][:] = 0, 0, 5
    assert set(estimator.predict(X)) == {"middle"}
    assert estimator.predict(X[:1]) == "middle"
