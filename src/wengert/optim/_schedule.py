r"""What a schedule of the learning rate is, and the plainest: the same rate throughout.

.. math:: \eta_\tau = s(\tau), \qquad \tau = 0, 1, 2, \dots

A schedule is a tree of numbers that can be called, and is written in NumPy: in a compiled loop both the steps
taken and the numbers are traced.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from wengert._refusals import is_real, name_of, require, require_positive, require_type
from wengert.core import tree


@dataclass(frozen=True)
class Schedule(ABC):
    """A learning rate that depends on the number of steps taken."""

    @abstractmethod
    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""

    def after_epoch(self, error: float) -> Self:
        """The schedule after an epoch of this training error; only an adaptive one changes."""
        return self

    @property
    def steady_epochs(self) -> float:
        """For how many epochs at least `after_epoch` leaves the rate as it is."""
        return math.inf if type(self).after_epoch is Schedule.after_epoch else 1

    @property
    def is_exhausted(self) -> bool:
        """Whether the rate should fall again and is at its lowest: a reason to end the training."""
        return False

    @property
    def kind(self) -> Self:
        """The same schedule whatever its numbers."""
        return tree.map(lambda _: 0.0, self)


def as_schedule(rate: Any) -> Schedule:
    """A schedule from a schedule, a number or any function of the number of steps."""
    if isinstance(rate, Schedule):
        return rate
    return Called(rate) if callable(rate) else Constant(rate)


@dataclass(frozen=True)
class Constant(Schedule):
    r"""The same rate throughout.

    .. math:: \eta_\tau = \eta

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    rate: float

    def __post_init__(self) -> None:
        require_positive(rate=self.rate)

    def __call__(self, steps: Any) -> Any:
        """The rate."""
        return self.rate


@dataclass(frozen=True)
class Called(Schedule):
    """Any function of the number of steps, written in NumPy.

    Its own numbers are part of the compiled code.

    Examples
    --------
    >>> Called(lambda steps: 0.1 / (1 + steps))(3)
    0.025
    """

    function: Callable[[Any], Any] = field(metadata={"static": True})

    def __post_init__(self) -> None:
        require_type(
            callable(self.function), f"function must be one of the number of steps, not {self.function!r}"
        )

    def __call__(self, steps: Any) -> Any:
        """The value of the function, refused where it is not one real number."""
        rate = self.function(steps)
        require(
            is_real(rate),
            f"the schedule {name_of(self.function)} gives {rate!r:.60}; return one real number, such as "
            "0.1 / (1 + steps)",
        )
        return rate
