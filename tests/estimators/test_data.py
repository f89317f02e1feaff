"""Patterns and targets: what is taken, and how the rest is refused."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import DataConversionWarning

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(20, 2))
Y = (X[:, 0] > 0).astype(int)


def _fitted(x=X, y=Y):
    return wg.MLPClassifier(4, max_iter=2, random_state=0).fit(x, y)


@pytest.mark.parametrize(
    "x, message",
    [
        (X[:, 0], "expected a 2D array for X, not one of shape (20,). Reshape your data"),
        (
            X[:0],
            "Found array with 0 sample(s) (shape=(0, 2)) while a minimum of 1 is required by MLPClassifier.",
        ),
        (X[:, :0], "0 feature(s) (shape=(20, 0)) while a minimum of 1 is required"),
        (np.where(X > 1, np.nan, X), "Input X contains NaN"),
        (np.where(X > 1, np.inf, X), "Input X contains infinity"),
        (X + 0j, "Complex data not supported"),
        (X[:5], "Found input variables with inconsistent numbers of samples: [5, 20]"),
        ([["a", "b"]] * 20, "could not convert string to float"),
        (None, "X is None"),
        (np.array([["a", 1.0]] * 20, object), "Categories may stand in a table of pandas"),
    ],
)
def test_patterns_that_are_refused(x, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        _fitted(x)


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "requires y to be passed, but the target y is None"),
        (X[:, 0], "Unknown label type: continuous"),
        (np.array([True, False] * (len(X) // 2), object), "y is an array of objects; write y.astype(int)"),
        (np.array(["a", 1] * (len(X) // 2), object), "y has labels of several types"),
        (np.stack([Y, Y + 1], axis=1), "Unknown label type: multiclass-multioutput"),
        (np.where(Y, np.nan, 1.0), "Input y contains NaN"),
    ],
)
def test_labels_that_are_refused(y, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        _fitted(y=y)


def test_a_class_too_small_to_be_split_is_named_as_the_user_names_it():
    y = np.where(np.arange(20) == 7, "rare", "usual")
    with pytest.raises(ValueError, match=r"too few members are: \['rare'\]"):
        wg.MLPClassifier(early_stopping=True).fit(X, y)


def test_labels_of_another_byte_order_are_found_in_the_machines():
    classifier = wg.MLPClassifier(2, max_iter=1, solver="lbfgs").fit(X, (np.arange(20) % 3).astype(">i4"))
    assert classifier.classes_.dtype == np.int32 and classifier.predict(X).dtype == np.int32


def test_numbers_that_are_refused():
    with pytest.raises(ValueError, match="Some values of y are negative"):
        wg.MLPRegressor("poisson").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        wg.MLPRegressor().fit(X, np.full(20, np.nan))
    with pytest.raises(ValueError, match=r"y must be numbers\. For classes use MLPClassifier"):
        wg.MLPRegressor().fit(X, ["a"] * 20)


def test_negative_weights_are_refused():
    for model in (wg.MLPClassifier(), wg.MLPRegressor()):
        with pytest.raises(ValueError, match="weights cannot be negative: that of pattern 3 is -2"):
            model.fit(X, Y, np.where(np.arange(20) == 3, -2.0, 1.0))


def test_other_features_are_refused():
    with pytest.raises(
        ValueError, match="X has 1 features, but MLPClassifier is expecting 2 features as input"
    ):
        _fitted().predict(X[:, :1])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        _fitted().predict(np.full((1, 2), np.nan))


def test_columns_become_rows_with_a_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        _fitted(y=Y[:, None])


def test_new_classes_are_refused():
    estimator = wg.MLPClassifier(4).partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        estimator.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        estimator.partial_fit(X, Y, classes=[1, 2])
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        wg.MLPClassifier().partial_fit(X, Y)


WARNS = {
    "adam": lambda: wg.MLPClassifier(3, max_iter=2).fit(X, Y),
    "lbfgs": lambda: wg.MLPClassifier(3, max_iter=1, solver="lbfgs").fit(X, Y),
    "batch": lambda: wg.MLPClassifier(3, max_iter=2, batch_size=100).fit(X, Y),
    "column": lambda: wg.MLPRegressor(hidden_layer_sizes=3, max_iter=2).fit(X, Y[:, None]),
    "names": lambda: _fitted(pd.DataFrame(X, columns=["a", "b"])).predict(X),
}


@pytest.mark.parametrize("case", WARNS)
def test_a_warning_names_the_line_of_the_user(case):
    with pytest.warns(UserWarning) as found:
        WARNS[case]()
    assert {warning.filename for warning in found} == {__file__}


def test_nearly_as_many_classes_as_patterns_are_warned_of():
    with pytest.warns(UserWarning, match="greater than 50% of the number of samples"):
        wg.MLPClassifier(4, max_iter=1).fit(np.zeros((30, 1)), np.arange(30))


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_names_of_features(table):
    x = table({"a": X[:, 0], "b": X[:, 1]})
    estimator = _fitted(x)
    assert estimator.feature_names_in_.tolist() == ["a", "b"]
    assert np.array_equal(estimator.predict_proba(x), _fitted().predict_proba(X))
    with pytest.warns(
        UserWarning, match="X does not have valid feature names, but MLPClassifier was fitted with"
    ):
        estimator.predict(X)
    with pytest.warns(
        UserWarning, match="X has feature names, but MLPClassifier was fitted without feature names"
    ):
        _fitted().predict(x)
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time:\n- c\n.*now missing:\n- b"):
        estimator.predict(table({"a": X[:, 0], "c": X[:, 1]}))
    with pytest.raises(ValueError, match="must be in the same order"):
        estimator.predict(table({"b": X[:, 0], "a": X[:, 1]}))


def test_a_fit_without_names_forgets_them():
    estimator = _fitted(pd.DataFrame(X, columns=["a", "b"]))
    assert not hasattr(estimator.fit(X, Y), "feature_names_in_")


def test_names_of_several_types_are_refused():
    with pytest.raises(TypeError, match="Feature names are only supported if all"):
        _fitted(pd.DataFrame(X, columns=["a", 1]))


def test_sparse_labels_come_back_sparse():
    y = csr_array(np.stack([Y, 1 - Y], axis=1))
    found = _fitted(y=y).predict(X)
    assert found.shape == (20, 2) and found.format == "csr"


def test_the_input_stays_as_it_was():
    x, y, w = X.copy(), Y.copy(), np.ones(20)
    x.flags.writeable = y.flags.writeable = w.flags.writeable = False
    wg.MLPClassifier(4, max_iter=2).fit(x, y, w)
    assert np.array_equal(x, X) and np.array_equal(y, Y)


@pytest.mark.parametrize(
    "weights, message",
    [(np.ones(3), "sample_weight.shape == (3,), expected (20,)"), (np.zeros(20), "all weights are zero")],
)
def test_weights_that_are_refused(weights, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        wg.MLPClassifier(4).fit(X, Y, weights)
