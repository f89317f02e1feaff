r"""Errors: how far the outputs of a network are from their targets.

The error of a data set is the sum (here mostly the mean) of the errors of its patterns,

.. math:: E(\mathbf w) = \sum_{n=1}^{N} E_n(\mathbf w),

each the negative logarithm of the probability that the network gives the target: squares for a Gaussian
target, cross-entropy for classes. The classification errors take the *pre-activations* :math:`a_k` of the
output units: there the logistic or softmax function and the logarithm meet in one expression that neither
overflows nor takes the logarithm of zero, and whose error signal is :math:`\delta_k = y_k - t_k`.

References
----------
Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 6.4 and 8.1.3.
"""

import numpy as np

from wengert.api import stop_gradient

Array = np.ndarray


def sum_of_squares(y: Array, t: Array) -> Array:
    r"""Sum-of-squares error of a data set.

    .. math:: E = \frac12 \sum_n \sum_k (y_{nk} - t_{nk})^2, \qquad
              \partial E/\partial y_{nk} = y_{nk} - t_{nk}.

    Parameters
    ----------
    y, t
        Outputs and targets, of the same shape.

    Returns
    -------
    scalar
        The error, in the dtype of y.

    Raises
    ------
    ValueError
        Where the shapes differ.

    Examples
    --------
    >>> float(sum_of_squares(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    2.5
    """
    return 0.5 * np.sum(np.square(y - _same_shape(t, y)))


def mean_squared_error(y: Array, t: Array) -> Array:
    r"""Mean squared error over the patterns and outputs.

    .. math:: E = \frac{1}{NK} \sum_n \sum_k (y_{nk} - t_{nk})^2.

    Parameters
    ----------
    y, t
        Outputs and targets, of the same shape.

    Returns
    -------
    scalar
        The error, in the dtype of y.

    Raises
    ------
    ValueError
        Where the shapes differ.

    Examples
    --------
    >>> float(mean_squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    2.5
    """
    return np.mean(np.square(y - _same_shape(t, y)))


def binary_cross_entropy(a: Array, t: Array) -> Array:
    r"""Cross-entropy of independent two-class targets, averaged over them.

    .. math:: E = -\frac1N \sum_n \{ t_n \ln y_n + (1 - t_n) \ln(1 - y_n) \}, \qquad y_n = \sigma(a_n),

    evaluated as :math:`\ln(1 + e^{a_n}) - t_n a_n`, finite for every finite :math:`a_n`.

    Parameters
    ----------
    a
        Pre-activations of the output units, the logits.
    t
        Targets of the same shape, 0 or 1 (or probabilities between).

    Returns
    -------
    scalar
        The error, in the dtype of a.

    Raises
    ------
    ValueError
        Where the shapes differ.

    Examples
    --------
    >>> float(binary_cross_entropy(np.array([1000.0, -1000.0]), np.array([1.0, 1.0])))
    500.0
    """
    t = _same_shape(t, a)
    return np.mean(np.logaddexp(0.0, a) - t * a)


def softmax_cross_entropy(a: Array, t: Array) -> Array:
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

    Returns
    -------
    scalar
        The error, in the dtype of a.

    Raises
    ------
    ValueError
        Where the targets are neither.

    Examples
    --------
    >>> float(softmax_cross_entropy(np.array([[0.0, 1000.0]]), np.array([0])))
    1000.0
    >>> float(softmax_cross_entropy(np.array([[0.0, 1000.0]]), np.array([[0.0, 1.0]])))
    0.0
    """
    shifted = a - stop_gradient(np.max(a, axis=-1, keepdims=True))  # whose derivative cancels
    return np.mean(np.log(np.sum(np.exp(shifted), axis=-1)) - _at_target(shifted, t))


def _at_target(a: Array, t: Array) -> Array:
    """The pre-activation of each pattern's own class, ``sum_k t_k a_k``."""
    if np.shape(t) == np.shape(a):
        return np.sum(a * t, axis=-1)
    if np.shape(t) != np.shape(a)[:-1] or t.dtype.kind not in "iu":
        raise ValueError(
            f"softmax_cross_entropy: targets of shape {np.shape(t)} and type {t.dtype} do not go with "
            f"outputs of shape {np.shape(a)}; give integers of shape {np.shape(a)[:-1]}, or 1-of-K rows"
        )
    return np.take_along_axis(a, t[..., None], axis=-1)[..., 0]


def _same_shape(t: Array, y: Array) -> Array:
    """The targets, refused where broadcasting would silently pair every output with every target."""
    if np.shape(t) != np.shape(y):
        raise ValueError(
            f"targets of shape {np.shape(t)} do not match outputs of shape {np.shape(y)}; reshape them"
        )
    return t
