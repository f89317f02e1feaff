from functools import partial

import numpy as np
import pytest
from sklearn import metrics as reference

from wengert import metrics

rng = np.random.default_rng(0)
N = 50
TRUE, PREDICTED = rng.integers(0, 3, (2, N))
NAMES = np.array(["red", "green", "blue"])
LABELS, CLAIMED = rng.integers(0, 2, (2, N, 3))
SHARES = rng.dirichlet(np.ones(3), N)
SCORES = np.round(rng.normal(size=N) + (TRUE == 1), 1)  # with ties
T, Y = rng.normal(size=(2, N))
SEVERAL_T, SEVERAL_Y = rng.normal(size=(2, N, 3))
COUNTS, RATES = rng.poisson(1.0, N), rng.gamma(2.0, size=N)
COUNTED = rng.integers(0, 4, N)
macro_f1 = partial(reference.f1_score, average="macro")

# name: ours, predictions, targets, scikit-learn's
CASES = {
    "accuracy": (metrics.accuracy, PREDICTED, TRUE, reference.accuracy_score),
    "accuracy of names": (metrics.accuracy, NAMES[PREDICTED], NAMES[TRUE], reference.accuracy_score),
    "accuracy of labels": (metrics.accuracy, CLAIMED, LABELS, reference.accuracy_score),
    "balanced accuracy": (
        metrics.balanced_accuracy, NAMES[PREDICTED], NAMES[TRUE], reference.balanced_accuracy_score
    ),
    "confusion": (partial(metrics.confusion, count=3), PREDICTED, TRUE, reference.confusion_matrix),
    "F1": (metrics.f1, PREDICTED, TRUE, macro_f1),
    "F1 of names": (metrics.f1, NAMES[PREDICTED // 2], NAMES[TRUE], macro_f1),
    "cross-entropy": (metrics.cross_entropy, SHARES, TRUE, reference.log_loss),
    "log loss": (metrics.log_loss, SHARES[:, 0], LABELS[:, 0], reference.log_loss),
    "Brier": (metrics.brier, SHARES[:, 0], LABELS[:, 0], reference.brier_score_loss),
    "Brier of classes": (metrics.brier, SHARES, TRUE, reference.brier_score_loss),
    "Brier of two columns": (
        metrics.brier, np.stack([SHARES[:, 0], 1 - SHARES[:, 0]], axis=1), LABELS[:, 0],
        reference.brier_score_loss,
    ),
    "AUC": (metrics.roc_auc, SCORES, TRUE == 1, reference.roc_auc_score),
    "AUC of labels": (metrics.roc_auc, SEVERAL_Y, LABELS, reference.roc_auc_score),
    "AUC of classes": (
        metrics.roc_auc, SHARES, TRUE, partial(reference.roc_auc_score, multi_class="ovr")
    ),
    "MSE": (metrics.mse, Y, T, reference.mean_squared_error),
    "MSE of several": (metrics.mse, SEVERAL_Y, SEVERAL_T, reference.mean_squared_error),
    "RMSE": (metrics.rmse, Y, T, reference.root_mean_squared_error),
    "RMSE of several": (metrics.rmse, SEVERAL_Y, SEVERAL_T, reference.root_mean_squared_error),
    "MAE": (metrics.mae, Y, T, reference.mean_absolute_error),
    "MAE of several": (metrics.mae, SEVERAL_Y, SEVERAL_T, reference.mean_absolute_error),
    "median": (metrics.median_absolute_error, Y, T, reference.median_absolute_error),
    "median of several": (
        metrics.median_absolute_error, SEVERAL_Y, SEVERAL_T, reference.median_absolute_error
    ),
    "median of an odd number": (
        metrics.median_absolute_error, np.append(Y[1:], Y[0] + 9), np.append(T[1:], T[0]),
        reference.median_absolute_error,
    ),
    "pinball": (
        partial(metrics.pinball, q=0.2), SEVERAL_Y, SEVERAL_T, partial(reference.mean_pinball_loss, alpha=0.2)
    ),
    "R²": (metrics.r_squared, Y, T, reference.r2_score),
    "R² of several": (metrics.r_squared, SEVERAL_Y, SEVERAL_T, reference.r2_score),
    "explained variance": (metrics.explained_variance, Y, T, reference.explained_variance_score),
    "explained variance of several": (
        metrics.explained_variance, SEVERAL_Y, SEVERAL_T, reference.explained_variance_score
    ),
    "Poisson deviance": (metrics.poisson_deviance, RATES, COUNTS, reference.mean_poisson_deviance),
}  # fmt: skip
every_metric = pytest.mark.parametrize(("metric", "y", "t", "theirs"), CASES.values(), ids=CASES)


@every_metric
@pytest.mark.parametrize("weights", [None, COUNTED, rng.uniform(0, 2, N)])
def test_metrics_are_those_of_scikit_learn(metric, y, t, theirs, weights):
    np.testing.assert_allclose(metric(y, t, weights=weights), theirs(t, y, sample_weight=weights), rtol=1e-12)


@every_metric
def test_a_weight_is_how_often_a_pattern_occurs(metric, y, t, theirs):
    repeated = (np.repeat(array, COUNTED, axis=0) for array in (y, t))
    np.testing.assert_allclose(metric(y, t, weights=COUNTED), metric(*repeated), rtol=1e-12)


@every_metric
def test_mistaken_weights_are_refused(metric, y, t, theirs):
    with pytest.raises(ValueError, match=r"give one weight for each pattern, of shape \(50,\)"):
        metric(y, t, weights=np.ones(N + 1))
    with pytest.raises(ValueError, match="give numbers of at least 0"):
        metric(y, t, weights=-np.ones(N))


@pytest.mark.parametrize("metric", [metrics.mae, metrics.r_squared, metrics.accuracy, metrics.f1])
def test_targets_that_would_broadcast_are_refused(metric):
    with pytest.raises(ValueError, match=r"targets of shape \(50, 1\) do not match outputs of shape \(50,\)"):
        metric(PREDICTED, TRUE[:, None])


OF_CLASSES = [
    metrics.accuracy, metrics.balanced_accuracy, metrics.f1, partial(metrics.confusion, count=2)
]  # fmt: skip
LOGITS, BINARY = SEVERAL_Y[:, 0], (TRUE == 1).astype(int)


@pytest.mark.parametrize("metric", OF_CLASSES)
def test_outputs_are_no_classes(metric):
    with pytest.raises(ValueError, match=r"shape \(50, 3\) name no class .* give np.argmax\(y, axis=-1\)"):
        metric(np.ones((len(TRUE), 3)), TRUE)
    with pytest.raises(ValueError, match=r"\(50, 1\) name no class.*y\[:, 0\] > 0 if they are logits"):
        metric(LOGITS[:, None], BINARY)
    with pytest.raises(
        ValueError, match=r"such as .* are no classes; of outputs y give y > 0 if .*y > 0.5 if"
    ):
        metric(LOGITS, BINARY)
    with pytest.raises(ValueError, match=r"are no classes; of outputs y give y\[:, 0\] > 0 if"):
        metric(LOGITS[:, None], BINARY[:, None])


@pytest.mark.parametrize("metric", OF_CLASSES)
def test_what_is_written_instead_gives_classes(metric):
    expected = metric((LOGITS > 0).astype(int), BINARY)
    np.testing.assert_array_equal(metric(LOGITS > 0, BINARY), expected)
    np.testing.assert_array_equal(metric((LOGITS > 0).astype(float), BINARY.astype(float)), expected)


@pytest.mark.parametrize("metric", OF_CLASSES[1:])
def test_columns_of_classes_are_refused(metric):
    with pytest.raises(ValueError, match=r"shape \(50, 1\) are not one for each pattern; .*classes\[:, 0\]"):
        metric(BINARY[:, None], BINARY[:, None])
    assert metrics.accuracy(BINARY[:, None], BINARY[:, None]) == 1.0


OF_COLUMNS = [metrics.brier, metrics.roc_auc, metrics.log_loss, metrics.mse, metrics.r_squared]


@pytest.mark.parametrize("metric", OF_COLUMNS)
def test_one_output_may_be_a_column_if_the_targets_are(metric):
    y = 1 / (1 + np.exp(-LOGITS))
    assert metric(y[:, None], BINARY[:, None]) == pytest.approx(metric(y, BINARY))
    with pytest.raises(ValueError, match=r"targets of shape \(50,\) do not match .*write t\[:, None\]"):
        metric(y[:, None], BINARY)
    with pytest.raises(ValueError, match=r"targets of shape \(50, 1\) do not match .*write t\[:, 0\]"):
        metric(y, BINARY[:, None])


WRONG = {
    "one probability": (LOGITS, BINARY, r"not shape \(50,\); of one probability .* log_loss"),
    "one column": (LOGITS[:, None], BINARY, r"not shape \(50, 1\); of one probability .* log_loss"),
    "a column of targets": (SHARES, TRUE[:, None], r"not targets of int\d+\[50, 1\].* t\[:, 0\]"),
    "1-of-K": (SHARES, np.eye(3)[TRUE], r"np\.argmax\(t, axis=-1\)"),
    "numbers": (SHARES, TRUE + 0.5, r"not targets of float64"),
    "too many": (SHARES, TRUE + 1, r"classes 1 to 3 have not one of 3 columns each; count from 0"),
}


@pytest.mark.parametrize(("y", "t", "message"), WRONG.values(), ids=WRONG)
def test_cross_entropy_refuses(y, t, message):
    with pytest.raises(ValueError, match=message):
        metrics.cross_entropy(y, t)


def test_log_loss_of_columns_is_refused():
    with pytest.raises(ValueError, match=r"of two columns y give y\[:, 1\], of more take cross_entropy"):
        metrics.log_loss(SHARES, TRUE)


@pytest.mark.parametrize("name", ["MSE", "MAE", "R²", "Brier of classes", "cross-entropy", "log loss"])
def test_single_precision_is_summed_in_double(name):
    metric, y, t, _ = CASES[name]
    assert metric(y.astype(np.float32), t) == pytest.approx(metric(y.astype(np.float32).astype(float), t))


def test_probabilities_of_zero_have_a_finite_error():
    assert metrics.cross_entropy(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(708.4, abs=0.1)
    assert metrics.log_loss(np.array([0.0, 1.0]), np.array([1, 0])) == pytest.approx(708.4, abs=0.1)


@pytest.mark.parametrize("weights", [None, COUNTED])
def test_class_scores(weights):
    scores = metrics.class_scores(("a", "b", "c"), PREDICTED, TRUE, weights)
    expected = reference.precision_recall_fscore_support(TRUE, PREDICTED, sample_weight=weights)
    np.testing.assert_allclose(
        [[s.precision, s.recall, s.f1, s.rows] for s in scores], np.transpose(expected)
    )


def test_a_class_that_never_occurs_scores_zero():
    score = metrics.class_scores(("a", "b"), np.array([0]), np.array([0]))[1]
    assert (score.precision, score.recall, score.f1, score.rows) == (0, 0, 0, 0)


def test_what_is_undefined_is_not_a_number():
    assert np.isnan(metrics.r_squared(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
    assert np.isnan(metrics.explained_variance(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
    assert np.isnan(metrics.roc_auc(np.array([0.1, 0.2]), np.array([1, 1])))


def test_patterns_without_weight_are_not_the_median():
    assert metrics.median_absolute_error(np.array([5.0, 1.0]), np.zeros(2), np.array([1.0, 0.0])) == 5
