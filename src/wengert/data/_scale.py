r"""Standardisation: the mean taken off, the rest divided by the standard deviation.

.. math:: \tilde x_i = \frac{x_i - \bar x_i}{s_i}
"""

from dataclasses import dataclass

import numpy as np

from wengert.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class Standardiser:
    """Takes the mean off each column and divides by its standard deviation; constant columns become zero."""

    mean: Array
    scale: Array

    @classmethod
    def fit(cls, x: Array) -> "Standardiser":
        """Mean and standard deviation of each column of ``x``, the latter 1 where the column is constant."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = np.mean(x, axis=0), np.std(x, axis=0)
        if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
            raise DataError("the numbers are too large to average; rescale the columns above 1e150")
        constant = np.ptp(x, axis=0) == 0
        return cls(np.where(constant, x[0], mean), np.where(constant | (scale == 0), 1.0, scale))

    def __call__(self, x: Array) -> Array:
        """The standardised values."""
        return (x - self.mean) / self.scale

    def inverse(self, z: Array) -> Array:
        """The values that were standardised to ``z``."""
        return z * self.scale + self.mean
