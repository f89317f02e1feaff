r"""Dropout: in training every unit is silent now and then, so that no other comes to rely on it.

With probability :math:`p` a unit is dropped, else amplified, so that its mean stays as it is,

.. math:: y_j = \frac{m_j}{1 - p}\,x_j, \qquad P(m_j = 1) = 1 - p.

In prediction all units take part. The error signals go the way of the activations, through the same
:math:`m_j`.
"""

from dataclasses import dataclass, field

import numpy as np

from wengert import random
from wengert._refusals import is_real
from wengert.nn._layer import Layer

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Dropout(Layer):
    """Silences units at random in training; in prediction the identity.

    Parameters
    ----------
    rate
        The probability that a unit is dropped, from 0 up to, not including, 1.

    Raises
    ------
    ValueError
        Where the rate is no such number.

    Examples
    --------
    >>> y, _ = Dropout(0.5).forward(np.ones(8), random.key(0))
    >>> y
    array([2., 0., 0., 2., 0., 0., 0., 2.])

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout*, JMLR 15 (2014).
    """

    rate: float = field(default=0.5, metadata={"static": True})

    def __post_init__(self) -> None:
        if not is_real(self.rate) or not 0 <= self.rate < 1:
            raise ValueError(f"the rate of dropout is a probability below 1, not {self.rate!r}")

    @property
    def draws(self) -> bool:
        """Whether anything is dropped."""
        return self.rate > 0

    def __call__(self, x: Array) -> Array:
        """All units, as they are."""
        return x

    def forward(self, x: Array, key: Array | None) -> tuple[Array, "Dropout"]:
        """Those units that the key keeps, amplified."""
        if not self.draws:
            return x, self
        if key is None:
            raise ValueError("dropout draws at random in training; give a key, such as wg.random.key(0)")
        kept = random.bernoulli(key, 1 - self.rate, np.shape(x))
        return np.where(kept, x * (1 / (1 - self.rate)), 0.0), self
