r"""Penalties: what large weights cost, to be added to the error.

.. math:: \widetilde E(\mathbf w) = E(\mathbf w) + \lambda\,\Omega(\mathbf w)

A penalty is a function of the network, or of any tree of its arrays. It counts the *weights*, which are the
arrays of two or more dimensions; biases, and whatever else is a vector or a number, are free: they shift a
unit without making its function any steeper.

References
----------
Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 9.2.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert._refusals import require_at_least, require_between
from wengert.core import tree
from wengert.losses._parameters import set_number

Array = np.ndarray
Network = Any


@dataclass(frozen=True)
class Penalty(ABC):
    """A penalty of some strength; what derives from it has its name wherever penalties are named."""

    strength: float

    def __post_init__(self) -> None:
        set_number(self, "strength")
        require_at_least(0, strength=self.strength)

    @abstractmethod
    def __call__(self, network: Network) -> Array:
        """The penalty, in the dtype of the weights."""


@dataclass(frozen=True)
class L2(Penalty):
    r"""Quadratic penalty, :math:`\frac12 \lambda \sum w^2`: every weight is drawn to zero by its size.

    Parameters
    ----------
    strength
        The factor :math:`\lambda`, at least 0.

    Raises
    ------
    ValueError
        Where the strength is negative.

    Examples
    --------
    >>> float(L2(0.1)({"weights": np.array([[1.0, -3.0]]), "biases": np.array([7.0])}))
    0.5
    """

    def __call__(self, network: Network) -> Array:
        """The penalty, in the dtype of the weights."""
        return 0.5 * self.strength * _over_weights(np.square, network)


@dataclass(frozen=True)
class L1(Penalty):
    r"""Absolute penalty, :math:`\lambda \sum |w|`: every weight is drawn to zero by the same force.

    Many end there; at zero the derivative is 0.

    Parameters
    ----------
    strength
        The factor :math:`\lambda`, at least 0.

    Raises
    ------
    ValueError
        Where the strength is negative.

    Examples
    --------
    >>> float(L1(0.1)({"weights": np.array([[1.0, -3.0]]), "biases": np.array([7.0])}))
    0.4
    """

    def __call__(self, network: Network) -> Array:
        """The penalty, in the dtype of the weights."""
        return self.strength * _over_weights(np.abs, network)


@dataclass(frozen=True)
class ElasticNet(Penalty):
    r"""Both: :math:`\lambda \bigl\{\rho \sum |w| + \frac12 (1 - \rho) \sum w^2\bigr\}`.

    Parameters
    ----------
    strength
        The factor :math:`\lambda`, at least 0.
    l1_ratio
        The share :math:`\rho` of the absolute penalty, from 0 to 1.

    Raises
    ------
    ValueError
        Where either is out of range.

    Examples
    --------
    >>> float(ElasticNet(0.1, l1_ratio=0.5)({"weights": np.array([[1.0, -3.0]])}))
    0.45

    References
    ----------
    Zou and Hastie, *Regularization and variable selection via the elastic net* (2005).
    """

    l1_ratio: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        set_number(self, "l1_ratio")
        require_between(0, 1, l1_ratio=self.l1_ratio)

    def __call__(self, network: Network) -> Array:
        """The penalty, in the dtype of the weights."""
        share = self.l1_ratio
        return L1(share * self.strength)(network) + L2((1 - share) * self.strength)(network)


def _over_weights(f: Callable[[Array], Array], network: Network) -> Array:
    """The sum of f over all weights; 0 for a network without."""
    sums = [np.sum(f(w)) for w in tree.flatten(network)[0] if _is_weights(w)]
    return functools.reduce(np.add, sums) if sums else np.zeros(())


def _is_weights(leaf: Any) -> bool:
    return np.ndim(leaf) >= 2 and np.issubdtype(np.result_type(leaf), np.floating)
