import numpy as np
import pytest
import scipy.special
from sklearn import metrics

import wengert as wg
from wengert import losses

rng = np.random.default_rng(0)
A = rng.normal(0, 3, (20, 4))
CLASSES = rng.integers(0, 4, 20)
ONE_HOT = np.eye(4)[CLASSES]
WEIGHTS = rng.uniform(0, 2, 20)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_that_of_scikit_learn(weights):
    y = scipy.special.softmax(A, axis=1)
    expected = metrics.log_loss(CLASSES, y, sample_weight=weights)
    assert losses.softmax_cross_entropy(A, CLASSES, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_binary_cross_entropy_is_that_of_scikit_learn(weights):
    t = CLASSES % 2
    expected = metrics.log_loss(t, scipy.special.expit(A[:, 0]), sample_weight=weights)
    assert losses.binary_cross_entropy(A[:, 0], t, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_hinge_is_that_of_scikit_learn(weights):
    t = CLASSES % 2
    expected = metrics.hinge_loss(t, A[:, 0], sample_weight=weights)
    assert losses.hinge(A[:, 0], t, weights) == pytest.approx(expected)
    assert losses.hinge(A[:, 0], 2 * t - 1, weights) == pytest.approx(expected)
    expected = metrics.hinge_loss(CLASSES, A, labels=range(4), sample_weight=weights)
    assert losses.multiclass_hinge(A, CLASSES, weights) == pytest.approx(expected)


def test_focal_errors_without_focus_are_cross_entropies():
    assert losses.Focal(0)(A, CLASSES) == pytest.approx(losses.softmax_cross_entropy(A, CLASSES))
    assert losses.BinaryFocal(0)(A, ONE_HOT) == pytest.approx(losses.binary_cross_entropy(A, ONE_HOT))
    shares = rng.random(A.shape)
    assert losses.BinaryFocal(0)(A, shares) == pytest.approx(losses.binary_cross_entropy(A, shares))


def test_unsmoothed_targets_are_targets():
    assert losses.SmoothedCrossEntropy(0)(A, CLASSES) == losses.softmax_cross_entropy(A, CLASSES)


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_extremes_have_the_right_error(scale):
    a = np.array([[scale, 0.0, -scale]])
    assert losses.softmax_cross_entropy(a, np.array([2])) == 2 * scale
    assert losses.softmax_cross_entropy(a, np.array([0])) == 0
    assert losses.Focal()(a, np.array([2])) == 2 * scale
    assert losses.Focal()(a, np.array([0])) == 0
    expected = (2 * scale + np.log(2)) / 3
    assert losses.binary_cross_entropy(a, np.array([[0.0, 1.0, 1.0]])) == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_errors_are_exact_where_the_network_is_nearly_sure(gamma):
    """1 - y = e⁻⁴⁰, which 1 minus the rounded y is not."""
    expected = np.exp(-40 * (gamma + 1))
    assert losses.Focal(gamma)(np.array([[40.0, 0.0]]), np.array([0])) == pytest.approx(expected, rel=1e-12)
    assert losses.BinaryFocal(gamma)(np.array([40.0]), np.array([1])) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("a", [A, 1e4 * A])
@pytest.mark.parametrize("targets", [CLASSES, ONE_HOT])
def test_the_error_signal_of_softmax_units_is_output_minus_target(a, targets):
    delta = wg.grad(losses.softmax_cross_entropy)(a, targets)
    np.testing.assert_allclose(delta, (scipy.special.softmax(a, axis=1) - ONE_HOT) / 20, atol=1e-15)


def test_the_error_signal_of_logistic_units_is_output_minus_target():
    delta = wg.grad(losses.binary_cross_entropy)(A, ONE_HOT)
    np.testing.assert_allclose(delta, (scipy.special.expit(A) - ONE_HOT) / A.size, atol=1e-15)


def test_a_margin_that_is_just_reached_has_no_gradient():
    np.testing.assert_array_equal(wg.grad(losses.hinge)(np.array([1.0, -1.0]), np.array([1, 0])), 0)
    np.testing.assert_array_equal(wg.grad(losses.multiclass_hinge)(np.array([[1.0, 0.0]]), np.array([0])), 0)


def test_equally_good_other_classes_share_the_gradient():
    gradient = wg.grad(losses.multiclass_hinge)(np.array([[0.0, 2.0, 2.0]]), np.array([0]))
    np.testing.assert_array_equal(gradient, [[-1, 0.5, 0.5]])


every_error_of_classes = pytest.mark.parametrize(
    "loss",
    [
        losses.softmax_cross_entropy,
        losses.SmoothedCrossEntropy(),
        losses.Focal(),
        losses.multiclass_hinge,
    ],
)


@every_error_of_classes
@pytest.mark.parametrize("targets", [CLASSES.astype(float), CLASSES[:, None], CLASSES[:5]])
def test_targets_that_are_no_classes_are_refused(loss, targets):
    with pytest.raises(ValueError, match=r"give integers of shape \(20,\), or 1-of-K rows"):
        loss(A, targets)


@every_error_of_classes
@pytest.mark.parametrize("through", [lambda f: f, wg.jit], ids=["interpreted", "native"])
def test_indices_are_those_of_numpy(loss, through):
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 1 with size 4"):
        through(loss)(A, CLASSES + 1)
    assert through(loss)(A, CLASSES - 4) == pytest.approx(through(loss)(A, CLASSES))


@pytest.mark.parametrize(
    "loss",
    [losses.Focal(), losses.multiclass_hinge, losses.softmax_cross_entropy, losses.SmoothedCrossEntropy()],
)
def test_a_single_class_is_refused(loss):
    with pytest.raises(ValueError, match="are of one class, which is certain; give at least two"):
        loss(A[:, :1], np.zeros(20, int))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.SmoothedCrossEntropy(1.5), "smoothing must be from 0 to 1, not 1.5"),
        (lambda: losses.BinaryFocal(-1), "gamma must be at least 0, not -1.0"),
        (lambda: losses.BinaryFocal(2, 3), "alpha must be from 0 to 1, not 3.0"),
        (lambda: losses.Focal(-1), "gamma must be at least 0, not -1.0"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
