import numpy as np
import pytest
from sklearn import metrics as reference

from wengert import metrics

rng = np.random.default_rng(0)
TRUE, PREDICTED = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
T, Y = rng.normal(size=50), rng.normal(size=50)


def test_accuracy():
    assert metrics.accuracy(PREDICTED, TRUE) == pytest.approx(reference.accuracy_score(TRUE, PREDICTED))


def test_cross_entropy():
    p = rng.dirichlet(np.ones(3), 50)
    assert metrics.cross_entropy(p, TRUE) == pytest.approx(reference.log_loss(TRUE, p))


def test_cross_entropy_of_certain_error_is_finite():
    assert metrics.cross_entropy(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(708.4, abs=0.1)


def test_class_scores():
    scores = metrics.class_scores(("a", "b", "c"), PREDICTED, TRUE)
    expected = reference.precision_recall_fscore_support(TRUE, PREDICTED)
    np.testing.assert_allclose(
        [[s.precision, s.recall, s.f1, s.rows] for s in scores], np.transpose(expected)
    )


def test_a_class_that_never_occurs_scores_zero():
    score = metrics.class_scores(("a", "b"), np.array([0]), np.array([0]))[1]
    assert (score.precision, score.recall, score.f1, score.rows) == (0, 0, 0, 0)


def test_regression():
    assert metrics.rmse(Y, T) == pytest.approx(reference.root_mean_squared_error(T, Y))
    assert metrics.mae(Y, T) == pytest.approx(reference.mean_absolute_error(T, Y))
    assert metrics.r_squared(Y, T) == pytest.approx(reference.r2_score(T, Y))


def test_r_squared_of_equal_targets_is_undefined():
    assert np.isnan(metrics.r_squared(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
