r"""Layers that imported networks need beside those of `wengert.nn`: arithmetic with fixed numbers.

.. math:: y_j = x_j \circ c_j, \qquad \circ \in \{+, -, \times, /, \dots\}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.nn import Layer

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Arithmetic(Layer):
    """An operation with a constant, such as the mean that is subtracted from the inputs; it is not trained.

    Examples
    --------
    >>> Arithmetic(np.array([1.0, 2.0]), np.subtract)(np.array([5.0, 5.0]))
    array([4., 3.])
    """

    constant: Array = field(metadata={"trained": False})
    operation: Callable[[Any, Any], Any] = field(metadata={"static": True})

    def __call__(self, x: Any) -> Any:
        """The operation on the inputs and the constant."""
        return self.operation(x, self.constant)


def subtracted_from(x: Any, constant: Any) -> Any:
    """The constant less x."""
    return constant - x


def divided_into(x: Any, constant: Any) -> Any:
    """The constant divided by x."""
    return constant / x


def raised_by(x: Any, constant: Any) -> Any:
    """The constant to the power of x."""
    return np.power(constant, x)


def flattened(x: Any) -> Any:
    """Every pattern of a batch as a vector."""
    return x if np.ndim(x) <= 2 else np.reshape(x, (np.shape(x)[0], -1))


class Choice(NamedTuple):
    """A choice by a condition between values; a number stands for one that is not computed."""

    above: float | None
    below: float | None

    def __call__(self, condition: Any, *values: Any) -> Any:
        """Where the condition holds the first, elsewhere the second."""
        rest = iter(values)
        return np.where(condition, *(next(rest) if n is None else n for n in self))


@dataclass(frozen=True)
class Clipped:
    """Numbers cut at both ends."""

    low: float
    high: float

    def __call__(self, x: Any) -> Any:
        """The number itself between the ends."""
        return np.clip(x, self.low, self.high)
