r"""Errors of targets that are classes, in the pre-activations of the output units.

Two classes have one output unit, :math:`y = \sigma(a)`, several have one each,
:math:`y_k = e^{a_k} / \sum_j e^{a_j}`. What is needed is only ever the logarithm of a probability,

.. math:: -\ln \sigma(a) = \ln(1 + e^{-a}), \qquad -\ln y_k = \ln \sum_j e^{a_j} - a_k,

which is finite for every finite :math:`a`.
"""

from dataclasses import dataclass

import numpy as np

from wengert._patterns import mean, of_type, same_shape
from wengert._refusals import require_at_least, require_between
from wengert.api import stop_gradient
from wengert.losses._parameters import set_number
from wengert.special import softplus

Array = np.ndarray
Weights = Array | None


def binary_cross_entropy(a: Array, t: Array, weights: Weights = None) -> Array:
    r"""Cross-entropy of independent two-class targets, averaged over them.

    .. math:: E = -\frac1N \sum_n \{ t_n \ln y_n + (1 - t_n) \ln(1 - y_n) \}, \qquad y_n = \sigma(a_n),

    evaluated as :math:`\ln(1 + e^{a_n}) - t_n a_n`, finite for every finite :math:`a_n`. Several labels of
    one pattern are as many columns, and averaged like the patterns.

    Parameters
    ----------
    a
        Pre-activations of the output units, the logits.
    t
        Targets of the same shape, 0 or 1 (or probabilities between).
    weights
        One non-negative number for each pattern; the mean is weighted by them.

    Returns
    -------
    scalar
        The error, in the dtype of a.

    Raises
    ------
    ValueError
        Where the shapes differ, or a weight is negative.

    Examples
    --------
    >>> float(binary_cross_entropy(np.array([1000.0, -1000.0]), np.array([1.0, 1.0])))
    500.0
    """
    t = same_shape(t, a)
    return mean(softplus(a) - t * a, weights)


def softmax_cross_entropy(a: Array, t: Array, weights: Weights = None) -> Array:
    r"""Cross-entropy of mutually exclusive classes, averaged over the patterns.

    .. math:: E = -\frac1N \sum_n \sum_k t_{nk} \ln y_{nk}, \qquad
              y_{nk} = \frac{e^{a_{nk}}}{\sum_j e^{a_{nj}}},

    evaluated as :math:`\ln \sum_j e^{a_{nj}} - \sum_k t_{nk} a_{nk}` with the largest :math:`a_{nj}` taken
    out of the sum, so that nothing overflows and no logarithm of zero is taken.

    Parameters
    ----------
    a
        Pre-activations of shape (..., classes), the logits.
    t
        Targets: integers of shape (...), the index of each pattern's class, or rows of the same shape as
        ``a`` in 1-of-K coding (or probabilities that sum to one).
    weights
        One non-negative number for each pattern; the mean is weighted by them.

    Returns
    -------
    scalar
        The error, in the dtype of a.

    Raises
    ------
    ValueError
        Where the targets are neither, or a weight is negative.

    Examples
    --------
    >>> float(softmax_cross_entropy(np.array([[0.0, 1000.0]]), np.array([0])))
    1000.0
    >>> float(softmax_cross_entropy(np.array([[0.0, 1000.0]]), np.array([[0.0, 1.0]])))
    0.0
    """
    shifted = _shifted(a)
    return mean(_log_sum_exp(shifted) - _at_target(shifted, t), weights)


@dataclass(frozen=True)
class SmoothedCrossEntropy:
    r"""Softmax cross-entropy whose targets give a share s of their certainty to all classes alike.

    .. math:: E = -\frac1N \sum_n \sum_k \Bigl\{(1 - s)\, t_{nk} + \frac sK\Bigr\} \ln y_{nk}.

    Parameters
    ----------
    smoothing
        The share s, from 0 (none) to 1.

    Raises
    ------
    ValueError
        Where it is not; on calling as :func:`softmax_cross_entropy`, whose targets it takes.

    Examples
    --------
    >>> float(SmoothedCrossEntropy(0.1)(np.array([[0.0, 1000.0]]), np.array([1])))
    50.0

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture for computer vision* (2016), 7.
    """

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        set_number(self, "smoothing")
        require_between(0, 1, smoothing=self.smoothing)

    def __call__(self, a: Array, t: Array, weights: Weights = None) -> Array:
        """The error of pre-activations and targets, in the dtype of a."""
        shifted, s = _shifted(a), self.smoothing
        aimed_at = (1 - s) * _at_target(shifted, t) + s * np.mean(shifted, axis=-1)
        return mean(_log_sum_exp(shifted) - aimed_at, weights)


@dataclass(frozen=True)
class BinaryFocal:
    r"""Cross-entropy of two-class targets that looks away from the patterns it is already right about.

    .. math:: E_n = -\alpha\, t_n (1 - y_n)^\gamma \ln y_n
              - (1 - \alpha)(1 - t_n)\, y_n^\gamma \ln(1 - y_n), \qquad y_n = \sigma(a_n),

    averaged over the targets; without :math:`\alpha` both classes count in full, and with
    :math:`\gamma = 0` it is then :func:`binary_cross_entropy`.

    Parameters
    ----------
    gamma
        How fast a pattern loses weight as its probability grows, at least 0.
    alpha
        Share of the class 1, between 0 and 1, or None.

    Raises
    ------
    ValueError
        Where gamma or alpha is out of range; on calling, where the shapes differ or a weight is negative.

    Examples
    --------
    >>> float(BinaryFocal(gamma=2.0)(np.array([0.0]), np.array([1.0])))  # ln(2)/4
    0.173287
    >>> float(BinaryFocal()(np.array([1000.0, -1000.0]), np.array([1.0, 1.0])))
    500.0

    References
    ----------
    Lin et al., *Focal loss for dense object detection* (2017).
    """

    gamma: float = 2.0
    alpha: float | None = None

    def __post_init__(self) -> None:
        set_number(self, "gamma")
        require_at_least(0, gamma=self.gamma)
        if self.alpha is not None:
            set_number(self, "alpha")
            require_between(0, 1, alpha=self.alpha)

    def __call__(self, a: Array, t: Array, weights: Weights = None) -> Array:
        """The error of pre-activations and targets of the same shape, in the dtype of a."""
        t = same_shape(t, a)
        one, zero = (1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)
        return mean(one * t * _focal(a, self.gamma) + zero * (1 - t) * _focal(-a, self.gamma), weights)


@dataclass(frozen=True)
class Focal:
    r"""Cross-entropy of exclusive classes that looks away from the patterns it is already right about.

    .. math:: E = -\frac1N \sum_n (1 - y_{nk})^\gamma \ln y_{nk}, \qquad k \;\text{the class of pattern}\; n.

    The probability of class k is :math:`\sigma(a_k - \ln\sum_{j \ne k} e^{a_j})`, so that
    :math:`1 - y_k` is as exact as :math:`y_k`.

    Parameters
    ----------
    gamma
        How fast a pattern loses weight as its probability grows, at least 0; at 0 it is
        :func:`softmax_cross_entropy`.

    Raises
    ------
    ValueError
        Where gamma is negative; on calling, where the targets are neither integers nor rows in 1-of-K coding
        (the class of a row is its largest number), there are fewer than two classes, or a weight is negative.

    Examples
    --------
    >>> float(Focal(gamma=2.0)(np.array([[0.0, 0.0]]), np.array([1])))  # ln(2)/4
    0.173287

    References
    ----------
    Lin et al., *Focal loss for dense object detection* (2017).
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        set_number(self, "gamma")
        require_at_least(0, gamma=self.gamma)

    def __call__(self, a: Array, t: Array, weights: Weights = None) -> Array:
        """The error of pre-activations and targets, in the dtype of a."""
        own, others = _own_and_others(a, t)
        largest = _largest(others)
        margin = (own - largest[..., 0]) - _log_sum_exp(others - largest)
        return mean(_focal(margin, self.gamma), weights)


def hinge(a: Array, t: Array, weights: Weights = None) -> Array:
    r"""Hinge error of two classes: linear up to a margin of one on the right side, then none.

    .. math:: E = \frac1N \sum_n \max\{0,\; 1 - s_n a_n\}, \qquad s_n = \pm 1 \;\text{the class of}\; n.

    Parameters
    ----------
    a
        Outputs of linear units; the sign is the predicted class.
    t
        Targets of the same shape: 1 for the one class; 0 or -1 for the other.
    weights
        One non-negative number for each pattern; the mean is weighted by them.

    Returns
    -------
    scalar
        The error, in the dtype of a. At the margin the derivative is that of the satisfied side, 0.

    Raises
    ------
    ValueError
        Where the shapes differ, or a weight is negative.

    Examples
    --------
    >>> float(hinge(np.array([2.0, 0.5, 1.0]), np.array([1, 1, 0])))
    0.833333

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning*, 7.1.2.
    """
    sides = of_type(np.where(same_shape(t, a) > 0, 1.0, -1.0), a)
    return mean(_positive_part(1 - sides * a), weights)


def multiclass_hinge(a: Array, t: Array, weights: Weights = None) -> Array:
    r"""Hinge error of exclusive classes: the right class shall lead the best other one by a margin of one.

    .. math:: E = \frac1N \sum_n \max\Bigl\{0,\; 1 + \max_{j \ne k} a_{nj} - a_{nk}\Bigr\},
              \qquad k \;\text{the class of pattern}\; n.

    Parameters
    ----------
    a
        Outputs of linear units, of shape (..., classes); the largest is the predicted class.
    t
        Targets: integers of shape (...), or rows in 1-of-K coding (whose largest number is the class).
    weights
        One non-negative number for each pattern; the mean is weighted by them.

    Returns
    -------
    scalar
        The error, in the dtype of a. At the margin the derivative is that of the satisfied side, 0; other
        classes that are equally good share it.

    Raises
    ------
    ValueError
        Where the targets are neither, there are fewer than two classes, or a weight is negative.

    Examples
    --------
    >>> float(multiclass_hinge(np.array([[3.0, 1.0, 2.5], [0.0, 1.0, 5.0]]), np.array([0, 1])))
    2.75

    References
    ----------
    Crammer and Singer, *On the algorithmic implementation of multiclass kernel-based vector machines* (2001).
    """
    own, others = _own_and_others(a, t)
    return mean(_positive_part(1 + np.max(others, axis=-1) - own), weights)


def _shifted(a: Array) -> Array:
    """The pre-activations less the largest of their pattern."""
    return a - _largest(_of_several(a))


def _of_several(a: Array) -> Array:
    """Refuse outputs of a single class, which is certain whatever they are."""
    if np.ndim(a) and np.shape(a)[-1] < 2:
        raise ValueError(
            f"outputs of shape {np.shape(a)} are of one class, which is certain; give at least two, or take "
            "binary_cross_entropy, BinaryFocal or hinge of one unit"
        )
    return a


def _largest(a: Array) -> Array:
    """What is taken out of a sum of exponentials and put back: its derivative cancels."""
    return stop_gradient(np.max(a, axis=-1, keepdims=True))


def _log_sum_exp(shifted: Array) -> Array:
    return np.log(np.sum(np.exp(shifted), axis=-1))


def _focal(margin: Array, gamma: float) -> Array:
    r""":math:`-(1 - p)^\gamma \ln p` of the probability :math:`p = \sigma(\text{margin})` of the target."""
    return np.exp(-gamma * softplus(margin)) * softplus(-margin)


def _positive_part(x: Array) -> Array:
    """``max(0, x)`` with derivative 0 at 0; NaN stays NaN, so that divergence is seen."""
    return np.where(x <= 0, 0.0, x)


def _at_target(a: Array, t: Array) -> Array:
    """The pre-activation of each pattern's own class, ``sum_k t_k a_k``."""
    t = t if hasattr(t, "dtype") else np.asarray(t)
    if np.shape(t) == np.shape(a):
        return np.sum(a * of_type(t, a), axis=-1)
    return np.take_along_axis(a, _indices(a, t)[..., None], axis=-1)[..., 0]


def _own_and_others(a: Array, t: Array) -> tuple[Array, Array]:
    """The pre-activation of each pattern's own class; and all of them, its own lowered out of the way."""
    classes, t = np.shape(_of_several(a))[-1], t if hasattr(t, "dtype") else np.asarray(t)
    k = (np.argmax(t, axis=-1) if np.shape(t) == np.shape(a) else _indices(a, t))[..., None]
    others = np.where(np.arange(classes) == k % classes, -np.inf, a)
    return np.take_along_axis(a, k, axis=-1)[..., 0], others


def _indices(a: Array, t: Array) -> Array:
    if np.shape(t) != np.shape(a)[:-1] or t.dtype.kind not in "iu":
        raise ValueError(
            f"targets of shape {np.shape(t)} and type {t.dtype} do not go with "
            f"outputs of shape {np.shape(a)}; give integers of shape {np.shape(a)[:-1]}, or 1-of-K rows"
        )
    return t
