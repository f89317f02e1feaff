r"""Normalisation: every unit, or every pattern, brought to mean 0 and variance 1, then scaled and shifted.

.. math:: y_{nj} = \gamma_j\,\frac{x_{nj} - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta_j,

with mean :math:`\mu` and variance :math:`\sigma^2` of unit j over the patterns n of the minibatch
(:class:`BatchNorm`) or of pattern n over its units j (:class:`LayerNorm`).
"""

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from wengert._refusals import require_at_least, require_between, require_floating, require_whole
from wengert.nn._layer import Layer, require_inputs

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class BatchNorm(Layer):
    r"""Every unit normalised over the minibatch, in prediction by what it was in training on the average.

    In training the mean :math:`\mu_B` and variance :math:`\sigma_B^2` are those of the minibatch of
    :math:`m` patterns, and the running ones follow them with momentum :math:`\alpha`,

    .. math:: \mu \leftarrow (1 - \alpha)\,\mu + \alpha\,\mu_B, \qquad
              \sigma^2 \leftarrow (1 - \alpha)\,\sigma^2 + \alpha\,\tfrac{m}{m-1}\,\sigma_B^2;

    in prediction the running ones are used. One pattern has no variance: a minibatch of one is normalised as
    in prediction, and changes nothing. Weights of patterns count in the error, not in these statistics.

    Parameters
    ----------
    scale, shift
        The arrays :math:`\gamma` and :math:`\beta` of shape (units,), which are trained.
    mean, variance
        The running ones, of the same shape, which are not.
    momentum
        How much of the running statistics a minibatch replaces, :math:`\alpha`.
    epsilon
        What is added to the variance.

    References
    ----------
    Ioffe and Szegedy, *Batch normalization*, ICML 2015.
    """

    scale: Array
    shift: Array
    mean: Array = field(metadata={"trained": False})
    variance: Array = field(metadata={"trained": False})
    momentum: float = field(default=0.1, metadata={"static": True})
    epsilon: float = field(default=1e-5, metadata={"static": True})
    draws = False

    @classmethod
    def init(
        cls, units: int, dtype: Any = np.float64, momentum: float = 0.1, epsilon: float = 1e-5
    ) -> "BatchNorm":
        """A layer that at first predicts what it is given, but for ε.

        Examples
        --------
        >>> y, after = BatchNorm.init(1).forward(np.array([[1.0], [3.0]]))
        >>> y.round(3).tolist(), after.mean, after.variance
        ([[-1.0], [1.0]], array([0.2]), array([1.1]))
        """
        _require(units, dtype, epsilon)
        require_between(0, 1, momentum=momentum)
        zeros, ones = np.zeros(units, dtype), np.ones(units, dtype)
        return cls(ones, zeros, zeros.copy(), ones.copy(), momentum, epsilon)

    def __call__(self, x: Array) -> Array:
        """Normalised by the running statistics."""
        require_inputs(self, x, self.scale.shape[0])
        return self._normalised(x, self.mean, self.variance)

    def forward(self, x: Array, key: Array | None = None) -> tuple[Array, "BatchNorm"]:
        """Normalised by the statistics of the minibatch, which the running ones follow."""
        require_inputs(self, x, self.scale.shape[0])
        count = prod(np.shape(x)[:-1])
        if count == 1:
            return self(x), self
        patterns = tuple(range(np.ndim(x) - 1))
        mean = np.mean(x, axis=patterns)
        variance = np.mean(np.square(x - mean), axis=patterns)
        return self._normalised(x, mean, variance), self._following(mean, variance * (count / (count - 1)))

    def _normalised(self, x: Array, mean: Array, variance: Array) -> Array:
        return (x - mean) * (self.scale / np.sqrt(variance + self.epsilon)) + self.shift

    def _following(self, mean: Array, variance: Array) -> "BatchNorm":
        kept = 1 - self.momentum
        return replace(
            self,
            mean=kept * self.mean + self.momentum * mean,
            variance=kept * self.variance + self.momentum * variance,
        )


@dataclass(frozen=True, repr=False, eq=False)
class LayerNorm(Layer):
    r"""Every pattern normalised over its units, in training as in prediction.

    Parameters
    ----------
    scale, shift
        The arrays :math:`\gamma` and :math:`\beta` of shape (units,).
    epsilon
        What is added to the variance.

    References
    ----------
    Ba, Kiros and Hinton, *Layer normalization*, 2016.
    """

    scale: Array
    shift: Array
    epsilon: float = field(default=1e-5, metadata={"static": True})

    @classmethod
    def init(cls, units: int, dtype: Any = np.float64, epsilon: float = 1e-5) -> "LayerNorm":
        """A layer that does nothing but normalise.

        Examples
        --------
        >>> LayerNorm.init(2)(np.array([1.0, 3.0])).round(3)
        array([-1.,  1.])
        """
        _require(units, dtype, epsilon)
        return cls(np.ones(units, dtype), np.zeros(units, dtype), epsilon)

    def __call__(self, x: Array) -> Array:
        """Each pattern, with mean 0 and variance 1 before scale and shift."""
        require_inputs(self, x, self.scale.shape[0])
        centred = x - np.mean(x, axis=-1, keepdims=True)
        variance = np.mean(np.square(centred), axis=-1, keepdims=True)
        return centred * (1 / np.sqrt(variance + self.epsilon)) * self.scale + self.shift


def _require(units: Any, dtype: Any, epsilon: Any) -> None:
    require_whole(1, units=units)
    require_floating(dtype)
    require_at_least(0, epsilon=epsilon)
