import numpy as np
import pytest
import scipy.special
from sklearn import metrics

from wengert import losses
from wengert.api import value_and_grad

rng = np.random.default_rng(0)
A = rng.normal(0, 3, (20, 4))
CLASSES = rng.integers(0, 4, 20)
ONE_HOT = np.eye(4)[CLASSES]


def test_sum_of_squares():
    assert losses.sum_of_squares(A, ONE_HOT) == pytest.approx(sum((A - ONE_HOT).ravel() ** 2) / 2)


def test_mean_squared_error():
    expected = metrics.mean_squared_error(ONE_HOT, A)
    assert losses.mean_squared_error(A, ONE_HOT) == pytest.approx(expected)


def test_binary_cross_entropy():
    expected = metrics.log_loss(ONE_HOT.ravel(), scipy.special.expit(A.ravel()))
    assert losses.binary_cross_entropy(A, ONE_HOT) == pytest.approx(expected)


@pytest.mark.parametrize("targets", [CLASSES, ONE_HOT])
def test_softmax_cross_entropy(targets):
    expected = metrics.log_loss(CLASSES, scipy.special.softmax(A, axis=1))
    assert losses.softmax_cross_entropy(A, targets) == pytest.approx(expected)


def test_probabilities_as_targets():
    t = scipy.special.softmax(rng.normal(size=A.shape), axis=1)
    expected = -np.mean(np.sum(t * scipy.special.log_softmax(A, axis=1), axis=1))
    assert losses.softmax_cross_entropy(A, t) == pytest.approx(expected)


def test_a_single_pattern():
    assert losses.softmax_cross_entropy(A[0], np.array(2)) == pytest.approx(
        -scipy.special.log_softmax(A[0])[2]
    )


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_extremes_stay_finite(scale):
    a = np.array([[scale, 0.0, -scale]])
    assert losses.softmax_cross_entropy(a, np.array([2])) == 2 * scale
    assert losses.softmax_cross_entropy(a, np.array([0])) == 0
    expected = (2 * scale + np.log(2)) / 3
    assert losses.binary_cross_entropy(a, np.array([[0.0, 1.0, 1.0]])) == pytest.approx(expected)


@pytest.mark.parametrize("loss", [losses.binary_cross_entropy, losses.softmax_cross_entropy])
def test_single_precision_is_kept(loss):
    assert loss(A.astype(np.float32), ONE_HOT.astype(np.float32)).dtype == np.float32


def test_the_error_signal_of_squares_is_output_minus_target():
    _, delta = value_and_grad(losses.sum_of_squares)(A, ONE_HOT)
    np.testing.assert_allclose(delta, A - ONE_HOT)


def test_the_error_signal_of_logistic_units_is_output_minus_target():
    _, delta = value_and_grad(losses.binary_cross_entropy)(A, ONE_HOT)
    np.testing.assert_allclose(delta, (scipy.special.expit(A) - ONE_HOT) / A.size, atol=1e-15)


@pytest.mark.parametrize("targets", [CLASSES, ONE_HOT])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_the_error_signal_of_softmax_units_is_output_minus_target(targets, scale):
    _, delta = value_and_grad(losses.softmax_cross_entropy)(scale * A, targets)
    np.testing.assert_allclose(delta, (scipy.special.softmax(scale * A, axis=1) - ONE_HOT) / 20, atol=1e-15)


def test_targets_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"targets of shape \(20,\) do not match outputs of shape \(20, 1\)"):
        losses.mean_squared_error(A[:, :1], A[:, 0])


@pytest.mark.parametrize("targets", [CLASSES.astype(float), CLASSES[:, None], CLASSES[:5]])
def test_targets_that_are_no_classes_are_refused(targets):
    with pytest.raises(ValueError, match=r"give integers of shape \(20,\), or 1-of-K rows"):
        losses.softmax_cross_entropy(A, targets)
