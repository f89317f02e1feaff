r"""Schedules: the learning rate as a function of the number of steps taken.

.. math:: \eta_\tau = s(\tau), \qquad \tau = 0, 1, 2, \dots

A rate that falls lets the first steps be long and the last ones precise. Gradient descent on minibatches
converges where (Robbins and Monro, *A stochastic approximation method*, 1951)

.. math:: \sum_\tau \eta_\tau = \infty, \qquad \sum_\tau \eta_\tau^2 < \infty.

One schedule, :class:`Adaptive`, is no function of the steps: it looks at the training error between two
epochs.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from wengert._refusals import (
    is_real,
    require,
    require_at_least,
    require_between,
    require_numbers,
    require_positive,
    require_type,
)
from wengert.optim._schedule import Schedule, as_schedule


def _ease(first: Any, last: Any, share: Any) -> Any:
    """From one rate to another along half a wave of the cosine."""
    return last + (first - last) * (1 + np.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class StepDecay(Schedule):
    r"""A rate that is multiplied by a factor once in a while.

    .. math:: \eta_\tau = \eta_0 \gamma^{\lfloor \tau / T \rfloor}

    Parameters
    ----------
    rate
        The first rate :math:`\eta_0`.
    every
        The number of steps :math:`T` between two changes.
    factor
        What the rate is multiplied by, :math:`\gamma`.

    Examples
    --------
    >>> schedule = StepDecay(0.8, every=10, factor=0.5)
    >>> [float(schedule(t)) for t in (0, 9, 10, 25)]
    [0.8, 0.8, 0.4, 0.2]
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        require_positive(rate=self.rate, factor=self.factor)
        require_at_least(1, every=self.every)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return self.rate * self.factor ** np.floor(steps / self.every)


@dataclass(frozen=True)
class Milestones(Schedule):
    r"""A rate that is multiplied by a factor at given steps.

    .. math:: \eta_\tau = \eta_0 \gamma^{\,|\{m : T_m \le \tau\}|}

    Parameters
    ----------
    rate
        The first rate :math:`\eta_0`.
    at
        The steps :math:`T_1, T_2, \dots`
    factor
        What the rate is multiplied by, :math:`\gamma`.

    Examples
    --------
    >>> schedule = Milestones(1.0, at=(10, 15), factor=0.5)
    >>> [float(schedule(t)) for t in (9, 10, 15)]
    [1.0, 0.5, 0.25]
    """

    rate: float
    at: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        require_positive(rate=self.rate, factor=self.factor)
        is_several = isinstance(self.at, tuple | list) and all(map(is_real, self.at))
        require_type(is_several, f"at must be a tuple of steps such as (100, 200), not {self.at!r}")
        require(len(self.at) > 0, "at is empty; name at least one step, or write a plain rate")

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return self.rate * self.factor ** sum(np.where(steps >= step, 1.0, 0.0) for step in self.at)


@dataclass(frozen=True)
class Exponential(Schedule):
    r"""A rate that falls by the same share with every step.

    .. math:: \eta_\tau = \eta_0 \gamma^\tau

    Parameters
    ----------
    rate
        The first rate :math:`\eta_0`.
    factor
        What is left of it after one step, :math:`\gamma`.

    Examples
    --------
    >>> float(Exponential(1.0, factor=0.5)(3))
    0.125
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        require_positive(rate=self.rate, factor=self.factor)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return self.rate * self.factor ** (1.0 * steps)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    r"""A rate that falls as a power of the number of steps.

    .. math:: \eta_\tau = \frac{\eta_0}{(\tau + 1)^p}

    Powers above one half, and up to one, meet the conditions of Robbins and Monro. This is scikit-learn's
    ``invscaling``; its networks count patterns and not steps, and take the rate once an epoch: there
    :class:`PerEpoch` of a scaling gives the same.

    Parameters
    ----------
    rate
        The first rate :math:`\eta_0`.
    power
        The exponent :math:`p`.

    Examples
    --------
    >>> float(InverseScaling(0.1)(99))
    0.01
    """

    rate: float
    power: float = 0.5

    def __post_init__(self) -> None:
        require_positive(rate=self.rate)
        require_at_least(0, power=self.power)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return self.rate / (steps + 1.0) ** self.power


@dataclass(frozen=True)
class InverseTime(Schedule):
    r"""A rate that falls as one over the number of steps.

    .. math:: \eta_\tau = \frac{\eta_0}{1 + \gamma \tau}

    Parameters
    ----------
    rate
        The first rate :math:`\eta_0`.
    decay
        How fast it falls, :math:`\gamma`; after :math:`1/\gamma` steps half of it is left.

    Examples
    --------
    >>> float(InverseTime(0.1, decay=0.01)(100))
    0.05
    """

    rate: float
    decay: float

    def __post_init__(self) -> None:
        require_positive(rate=self.rate)
        require_at_least(0, decay=self.decay)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return self.rate / (1.0 + self.decay * steps)


@dataclass(frozen=True)
class Cosine(Schedule):
    r"""A rate that falls along half a wave of the cosine, and then stays.

    .. math:: \eta_\tau = \eta_{\min} + \frac{\eta_0 - \eta_{\min}}{2}
              \Bigl(1 + \cos \frac{\pi \min(\tau, T)}{T}\Bigr)

    Parameters
    ----------
    rate
        The first rate :math:`\eta_0`.
    steps
        The number of steps :math:`T` that the fall takes.
    lowest
        The last rate :math:`\eta_{\min}`.

    Examples
    --------
    >>> schedule = Cosine(1.0, steps=100)
    >>> [round(float(schedule(t)), 3) for t in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]

    References
    ----------
    Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts* (2017).
    """

    rate: float
    steps: int
    lowest: float = 0.0

    def __post_init__(self) -> None:
        require_positive(rate=self.rate)
        require_at_least(1, steps=self.steps)
        require_at_least(0, lowest=self.lowest)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return _ease(self.rate, self.lowest, np.minimum(steps / self.steps, 1.0))


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    r"""A rate that falls along half a wave of the cosine, again and again, each time more slowly.

    .. math:: \eta_\tau = \eta_{\min} + \frac{\eta_0 - \eta_{\min}}{2}
              \Bigl(1 + \cos \frac{\pi (\tau - \tau_i)}{T_i}\Bigr), \qquad T_i = g^i T, \quad
              \tau_i = T_0 + \dots + T_{i-1}.

    Parameters
    ----------
    rate
        The rate after each restart, :math:`\eta_0`.
    steps
        The number of steps :math:`T` of the first fall.
    growth
        By what each fall is longer than the one before, :math:`g`.
    lowest
        The rate before a restart, :math:`\eta_{\min}`.

    Examples
    --------
    >>> schedule = CosineRestarts(1.0, steps=10, growth=2)
    >>> [round(float(schedule(t)), 3) for t in (0, 5, 10, 20, 30)]
    [1.0, 0.5, 1.0, 0.5, 1.0]

    References
    ----------
    Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts* (2017).
    """

    rate: float
    steps: int
    growth: float = field(default=1.0, metadata={"static": True})
    lowest: float = 0.0

    def __post_init__(self) -> None:
        require_positive(rate=self.rate)
        require_at_least(1, steps=self.steps, growth=self.growth)
        require_at_least(0, lowest=self.lowest)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return _ease(self.rate, self.lowest, self._share(steps / self.steps))

    def _share(self, falls: Any) -> Any:
        """How much of the present fall is over, from steps in units of the first fall."""
        if self.growth == 1:
            return falls - np.floor(falls)
        longer = self.growth - 1
        # The logarithm of a power may come out just below its exponent.
        number = np.floor(np.log(1 + longer * falls) / math.log(self.growth) + 1e-9)
        length = self.growth**number
        return (falls - (length - 1) / longer) / length


@dataclass(frozen=True)
class OneCycle(Schedule):
    r"""A rate that rises to a high one and falls to almost nothing, along half waves of the cosine.

    With :math:`T_1 = \rho T - 1` it goes from :math:`\eta_{\max}/d_0` at step 0 to :math:`\eta_{\max}` at
    :math:`T_1`, and from there to :math:`\eta_{\max}/(d_0 d_1)` at step :math:`T - 1`. It changes the rate
    alone, and leaves any momentum as it is.

    Parameters
    ----------
    highest
        The rate :math:`\eta_{\max}` in between.
    steps
        The number of steps :math:`T` of the whole training.
    rise
        The share :math:`\rho` of them in which it rises.
    first_divisor
        By what the first rate is lower than the highest, :math:`d_0`.
    last_divisor
        By what the last rate is lower than the first, :math:`d_1`.

    Examples
    --------
    >>> schedule = OneCycle(1.0, steps=101, rise=0.5, first_divisor=10.0)
    >>> [round(float(schedule(t)), 3) for t in (0, 49.5, 100)]
    [0.1, 1.0, 0.0]

    References
    ----------
    Smith and Topin, *Super-convergence: very fast training of neural networks using large learning rates*
    (2019).
    """

    highest: float
    steps: int
    rise: float = 0.3
    first_divisor: float = 25.0
    last_divisor: float = 1e4

    def __post_init__(self) -> None:
        require_positive(
            highest=self.highest, first_divisor=self.first_divisor, last_divisor=self.last_divisor
        )
        require_numbers(rise=self.rise, steps=self.steps)
        require(
            1 < self.rise * self.steps < self.steps,
            f"rise must leave more than one step for the rise and some for the fall, not {self.rise} of "
            f"{self.steps} steps",
        )

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        first, top = self.highest / self.first_divisor, self.rise * self.steps - 1
        rising = _ease(first, self.highest, steps / top)
        share = np.minimum((steps - top) / (self.steps - 1 - top), 1.0)
        return np.where(steps <= top, rising, _ease(self.highest, first / self.last_divisor, share))


@dataclass(frozen=True)
class WarmUp(Schedule):
    r"""Another schedule, before which the rate rises in a straight line to the schedule's first.

    .. math:: \eta_\tau = \Bigl(\alpha + (1 - \alpha) \frac{\min(\tau, T)}{T}\Bigr) s(\max(\tau - T, 0))

    Parameters
    ----------
    schedule
        The schedule :math:`s` that follows, or a rate.
    steps
        The number of steps :math:`T` of the rise.
    start
        The share :math:`\alpha` of the rate that the rise begins with.

    Examples
    --------
    >>> schedule = WarmUp(0.1, steps=10)
    >>> [round(float(schedule(t)), 3) for t in (0, 1, 10, 100)]
    [0.0, 0.01, 0.1, 0.1]
    """

    schedule: Any
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", as_schedule(self.schedule))
        require_at_least(1, steps=self.steps)
        require_between(0, 1, start=self.start)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        share = self.start + (1 - self.start) * np.minimum(steps / self.steps, 1.0)
        return share * self.schedule(np.maximum(steps - self.steps, 0))

    def after_epoch(self, error: float) -> Self:
        """The schedule that follows looks at the error already."""
        return replace(self, schedule=self.schedule.after_epoch(error))

    @property
    def steady_epochs(self) -> float:
        """For how many epochs at least `after_epoch` leaves the rate as it is."""
        return self.schedule.steady_epochs

    @property
    def is_exhausted(self) -> bool:
        """Whether the schedule that follows is."""
        return self.schedule.is_exhausted


@dataclass(frozen=True)
class PerEpoch(Schedule):
    r"""Another schedule, which counts epochs (or patterns seen by their end) instead of steps.

    .. math:: \eta_\tau = s(n \lfloor \tau / T \rfloor)

    Parameters
    ----------
    schedule
        The schedule :math:`s`.
    steps
        The number of steps :math:`T` of an epoch.
    counted
        What an epoch counts for, :math:`n`: one, or the number of patterns as in scikit-learn.

    Examples
    --------
    >>> schedule = PerEpoch(Exponential(1.0, factor=0.5), steps=10)
    >>> [float(schedule(t)) for t in (0, 9, 10, 20)]
    [1.0, 1.0, 0.5, 0.25]
    """

    schedule: Any
    steps: int
    counted: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", as_schedule(self.schedule))
        require_at_least(1, steps=self.steps, counted=self.counted)

    def __call__(self, steps: Any) -> Any:
        """The rate after so many steps."""
        return self.schedule(self.counted * np.floor(steps / self.steps))


@dataclass(frozen=True)
class Adaptive(Schedule):
    r"""A rate that is divided whenever the training error no longer falls.

    .. math:: \eta \leftarrow \eta / d \quad\text{when}\quad E > E_{\min} - \mathrm{tol}
              \quad\text{for } k \text{ epochs in a row,}

    where :math:`E_{\min}` is the lowest error before. The rate changes between epochs only, where
    :meth:`after_epoch` is told the error.

    Parameters
    ----------
    rate
        The first rate.
    divisor
        By what it is divided, :math:`d`.
    tol
        How much the error must fall below its lowest to count.
    patience
        The number of epochs :math:`k`. scikit-learn's networks wait for more than ``n_iter_no_change``
        epochs, so there ``patience = n_iter_no_change + 1``.
    lowest
        A rate no higher than this is not divided: the schedule is exhausted instead, and training should end.
    best, waited
        The lowest error so far, and how many epochs in a row have failed to beat it.

    Examples
    --------
    >>> schedule = Adaptive(0.1)
    >>> for error in (1.0, 0.5, 0.5, 0.6):
    ...     schedule = schedule.after_epoch(error)
    >>> schedule.rate, schedule.best
    (0.02, 0.5)
    """

    rate: float
    divisor: float = 5.0
    tol: float = 1e-4
    patience: int = 2
    lowest: float = 1e-6
    best: float = math.inf
    waited: int = 0

    def __post_init__(self) -> None:
        require_positive(rate=self.rate)
        require_numbers(divisor=self.divisor, tol=self.tol, lowest=self.lowest)
        require(self.divisor > 1, f"divisor must be above 1, not {self.divisor}")
        require_at_least(1, patience=self.patience)

    def __call__(self, steps: Any) -> Any:
        """The present rate."""
        return self.rate

    def after_epoch(self, error: float) -> Self:
        """The schedule after an epoch of this training error."""
        waited = self.waited + 1 if error > self.best - self.tol else 0
        judged = replace(self, best=min(self.best, error), waited=waited)
        if waited < self.patience or judged.is_exhausted:
            return judged
        return replace(judged, rate=self.rate / self.divisor, waited=0)

    @property
    def steady_epochs(self) -> float:
        """For how many epochs at least `after_epoch` leaves the rate as it is: until patience is over."""
        return max(1, int(self.patience - self.waited))

    @property
    def is_exhausted(self) -> bool:
        """Whether the rate should fall again and is at its lowest: a reason to end the training."""
        return bool(self.waited >= self.patience and self.rate <= self.lowest)
