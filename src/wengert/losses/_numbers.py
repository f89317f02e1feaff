r"""Errors of targets that are numbers.

Each is the negative logarithm of a density, up to a constant: squares that of a Gaussian of fixed variance,
absolute values that of a Laplace distribution, and

.. math:: -\ln p(t \mid \lambda) = \lambda - t \ln \lambda + \ln t!, \qquad
          -\ln p(t \mid \mu, \sigma^2) = \frac12 \ln 2\pi\sigma^2 + \frac{(t - \mu)^2}{2\sigma^2}

those of a Poisson and of a Gaussian distribution. At a kink the derivative is the mean of the slopes on
either side: 0 for :math:`|y - t|` at 0.
"""

from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np

from wengert._patterns import mean, of_type, same_shape, total
from wengert._refusals import require, require_numbers, require_positive
from wengert.losses._parameters import set_number

Array = np.ndarray
Weights = Array | None


def sum_of_squares(y: Array, t: Array, weights: Weights = None) -> Array:
    r"""Sum-of-squares error of a data set.

    .. math:: E = \frac12 \sum_n w_n \sum_k (y_{nk} - t_{nk})^2, \qquad
              \partial E/\partial y_{nk} = w_n (y_{nk} - t_{nk}).

    Parameters
    ----------
    y, t
        Outputs and targets, of the same shape.
    weights
        One non-negative number for each pattern, 1 unless given.

    Returns
    -------
    scalar
        The error, in the dtype of y.

    Raises
    ------
    ValueError
        Where the shapes differ, or a weight is negative.

    Examples
    --------
    >>> float(sum_of_squares(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    2.5
    """
    return 0.5 * total(np.square(y - same_shape(t, y)), weights)


def mean_squared_error(y: Array, t: Array, weights: Weights = None) -> Array:
    r"""Mean squared error over the patterns and outputs.

    .. math:: E = \frac{1}{NK} \sum_n \sum_k (y_{nk} - t_{nk})^2.

    Parameters
    ----------
    y, t
        Outputs and targets, of the same shape.
    weights
        One non-negative number for each pattern; the mean is weighted by them.

    Returns
    -------
    scalar
        The error, in the dtype of y.

    Raises
    ------
    ValueError
        Where the shapes differ, or a weight is negative.

    Examples
    --------
    >>> float(mean_squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    2.5
    >>> float(mean_squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0]), weights=np.array([3.0, 1.0])))
    1.75
    """
    return mean(np.square(y - same_shape(t, y)), weights)


# Errors that are squares of residuals alone, as methods of the Gauss-Newton kind take them.
SUMS_OF_SQUARES = (sum_of_squares, mean_squared_error)


def mean_absolute_error(y: Array, t: Array, weights: Weights = None) -> Array:
    r"""Mean absolute error over the patterns and outputs; least for the median.

    .. math:: E = \frac{1}{NK} \sum_n \sum_k |y_{nk} - t_{nk}|.

    Parameters
    ----------
    y, t, weights
        As in :func:`mean_squared_error`.

    Returns
    -------
    scalar
        The error, in the dtype of y. Its derivative at :math:`y_{nk} = t_{nk}` is 0.

    Raises
    ------
    ValueError
        Where the shapes differ, or a weight is negative.

    Examples
    --------
    >>> float(mean_absolute_error(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    1.5
    """
    return mean(np.abs(y - same_shape(t, y)), weights)


@dataclass(frozen=True)
class Huber:
    r"""Squares near the target and absolute values far from it: outliers pull with a bounded force.

    .. math:: E_{nk} = \begin{cases} \frac12 d^2 & |d| \le \delta \\
              \delta (|d| - \frac12 \delta) & |d| > \delta \end{cases}, \qquad d = y_{nk} - t_{nk},

    averaged over patterns and outputs. The derivative is :math:`d`, cut off at :math:`\pm\delta`.

    Parameters
    ----------
    delta
        Where the squares end, in units of the target.

    Raises
    ------
    ValueError
        Where delta is not positive; on calling, where the shapes differ or a weight is negative.

    Examples
    --------
    >>> float(Huber(delta=1.0)(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    1.0

    References
    ----------
    Huber, *Robust estimation of a location parameter* (1964).
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "delta")
        require_positive(delta=self.delta)

    def __call__(self, y: Array, t: Array, weights: Weights = None) -> Array:
        """The error of outputs and targets of the same shape, in the dtype of y."""
        d = y - same_shape(t, y)
        near = np.clip(d, -self.delta, self.delta)
        return mean(near * (d - 0.5 * near), weights)


@dataclass(frozen=True)
class Quantile:
    r"""Pinball error: least for the quantile of the targets below which a share q of them lies.

    .. math:: E_{nk} = \max\{q\,(t_{nk} - y_{nk}),\; (q - 1)(t_{nk} - y_{nk})\},

    averaged over patterns and outputs; half the absolute error for the median. At the target the derivative
    in y is :math:`\frac12 - q`, the mean of the slopes :math:`-q` below and :math:`1 - q` above.

    Parameters
    ----------
    q
        A share strictly between 0 and 1; or several in a tuple, one for each output of a target: outputs
        of shape (N, len(q)) then go with targets of shape (N,) or (N, 1), and give an interval.

    Raises
    ------
    ValueError
        Where q is not between 0 and 1; on calling, where the shapes do not go together or a weight is
        negative.

    Examples
    --------
    >>> float(Quantile(0.75)(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    0.875
    >>> float(Quantile((0.25, 0.75))(np.array([[1.0, 2.0]]), np.array([4.0])))
    1.125

    References
    ----------
    Koenker and Bassett, *Regression quantiles* (1978).
    """

    q: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        given: Any = self.q
        several = isinstance(given, tuple | list | np.ndarray)
        for q in given if several else (given,):
            require_numbers("a number between 0 and 1, or a tuple of them", q=q)
        shares = tuple(float(q) for q in np.ravel(self.q))
        object.__setattr__(self, "q", shares if several else shares[0])
        require(
            len(shares) > 0 and all(0 < q < 1 for q in shares), f"q must be between 0 and 1, not {self.q}"
        )

    def __call__(self, y: Array, t: Array, weights: Weights = None) -> Array:
        """The error of outputs and targets, in the dtype of y."""
        if isinstance(self.q, float):
            d, q = same_shape(t, y) - y, self.q
        else:
            d, q = _one_target(t, y, len(self.q)) - y, of_type(np.array(self.q), y)
        return mean(np.maximum(q * d, (q - 1) * d), weights)


def _one_target(t: Array, y: Array, outputs: int) -> Array:
    """The target of each pattern as a column, beside so many outputs."""
    patterns = np.shape(y)[:-1]
    if np.shape(y)[-1:] != (outputs,) or np.shape(t) not in (patterns, patterns + (1,)):
        raise ValueError(
            f"targets of shape {np.shape(t)} and outputs of shape {np.shape(y)} do not go with {outputs} "
            f"quantiles; give outputs of shape (N, {outputs}) and targets of shape (N,) or (N, 1)"
        )
    return of_type(t, y).reshape(patterns + (1,))


def poisson(a: Array, t: Array, weights: Weights = None) -> Array:
    r"""Half the Poisson deviance of counts, the logarithms of whose rates are given.

    .. math:: E = \frac{1}{NK} \sum_n \sum_k \{ e^{a_{nk}} - t_{nk} a_{nk} + t_{nk} \ln t_{nk} - t_{nk} \},
              \qquad \partial E_{nk}/\partial a_{nk} = e^{a_{nk}} - t_{nk}:

    the negative log-likelihood, but for a constant that makes it 0 where every rate is its target.

    Parameters
    ----------
    a
        Pre-activations of the output units, the logarithms of the rates :math:`y = e^a`. A rate too large
        for its dtype makes the error infinite.
    t
        Targets of the same shape, not negative.
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
    >>> float(poisson(np.log([1.0, 2.0]), np.array([1.0, 2.0])))
    0.0
    """
    t = same_shape(t, a)
    return mean(np.exp(a) - t * a + _self_information(t), weights)


def poisson_of_rates(y: Array, t: Array, weights: Weights = None) -> Array:
    r"""Half the Poisson deviance of counts, whose rates are given.

    .. math:: E = \frac{1}{NK} \sum_n \sum_k \{ y_{nk} - t_{nk} \ln y_{nk} + t_{nk} \ln t_{nk} - t_{nk} \}.

    The same as :func:`poisson` of :math:`\ln y`, which is the better one to train with: a rate that reaches
    zero has an infinite error unless its target is zero too.

    Parameters
    ----------
    y
        Outputs, the rates, positive.
    t, weights
        As in :func:`poisson`.

    Returns
    -------
    scalar
        The error, in the dtype of y.

    Raises
    ------
    ValueError
        Where the shapes differ, or a weight is negative.

    Examples
    --------
    >>> float(poisson_of_rates(np.array([1.0, 2.0]), np.array([0.0, 2.0])))
    0.5
    """
    t = same_shape(t, y)
    seen = np.where(t == 0, 1.0, y)
    return mean(y - t * np.log(seen) + _self_information(t), weights)


def _self_information(t: Array) -> Array:
    """``t ln t - t``, 0 at 0."""
    return t * np.log(np.where(t == 0, 1.0, t)) - t


@dataclass(frozen=True)
class GaussianNLL:
    r"""Negative log-likelihood of numbers whose mean and variance are both predicted.

    .. math:: E_{nk} = \frac12 \Bigl\{ \ln 2\pi\sigma_{nk}^2
              + \frac{(t_{nk} - \mu_{nk})^2}{\sigma_{nk}^2} \Bigr\},

    averaged over patterns and targets. The outputs are twice as many as the targets, all means and then all
    logarithms :math:`s` of the variances, :math:`\sigma^2 = e^s + \epsilon`; or a pair of arrays, the means
    and the variances themselves (no less than :math:`\epsilon`). The floor keeps the error finite: without it
    a pattern that is hit exactly would drive its variance to zero.

    Parameters
    ----------
    floor
        The least variance :math:`\epsilon`, in units of the target squared.

    Raises
    ------
    ValueError
        Where the floor is not positive; on calling, where the shapes do not go together or a weight is
        negative.

    Examples
    --------
    >>> error = GaussianNLL()
    >>> float(error(np.array([[1.0, 0.0]]), np.array([[1.0]]))), float(np.log(2 * np.pi) / 2)
    (0.918939, 0.918938)
    >>> float(error((np.array([1.0]), np.array([4.0])), np.array([3.0])))
    2.112086

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 6.5 (of mixtures, with one component).
    """

    floor: float = 1e-6

    def __post_init__(self) -> None:
        set_number(self, "floor")
        require_positive(floor=self.floor)

    def __call__(self, y: Any, t: Array, weights: Weights = None) -> Array:
        """The error of outputs and targets, in the dtype of y."""
        mu, log_variance = self._of_pair(*y) if isinstance(y, tuple) else self._of_halves(y, t)
        d = mu - same_shape(t, mu)
        return mean(0.5 * (log(2 * pi) + log_variance + np.square(d) * np.exp(-log_variance)), weights)

    def _of_pair(self, mu: Array, variance: Array) -> tuple[Array, Array]:
        if np.shape(mu) != np.shape(variance):
            raise ValueError(
                f"variances of shape {np.shape(variance)} do not match means of shape {np.shape(mu)}; "
                "give one for each"
            )
        return mu, np.log(np.maximum(variance, self.floor))

    def _of_halves(self, y: Array, t: Array) -> tuple[Array, Array]:
        targets = np.shape(t) if np.ndim(t) == np.ndim(y) else np.shape(t) + (1,)
        if np.shape(y) != (*targets[:-1], 2 * targets[-1]):
            raise ValueError(
                f"targets of shape {np.shape(t)} do not match outputs of shape {np.shape(y)}; "
                "give two outputs for each target, the means first and then the logarithms of the variances"
            )
        halves = y[..., : targets[-1]], y[..., targets[-1] :]
        mu, s = (half.reshape(np.shape(t)) for half in halves)
        return mu, np.logaddexp(log(self.floor), s)
