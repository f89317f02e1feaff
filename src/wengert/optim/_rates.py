r"""Rules in which every weight has a rate of its own, led by the signs of its gradients.

.. math:: w_i \leftarrow w_i - \eta \gamma_i \frac{\partial E}{\partial w_i}, \qquad
          \gamma_i \text{ grows while the sign stays, and shrinks when it changes.}

The *gains* :math:`\gamma_i` start at one. Both rules compare successive gradients of one function, so they
are for gradients of all patterns, not of minibatches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wengert._refusals import require, require_at_least, require_numbers, require_share
from wengert.optim._rule import Rate, Rule


def _by_sign(product: Any, more: Any, less: Any, same: Any) -> Any:
    """One of three, as two gradients have the same sign, opposite signs, or one of them is zero."""
    return np.where(product > 0, more, np.where(product < 0, less, same))


@dataclass(frozen=True)
class DeltaBarDelta(Rule):
    r"""Jacobs's rule: gains grow by addition and shrink by multiplication.

    .. math::
        \gamma_i &\leftarrow \begin{cases}
            \gamma_i + \kappa & \bar g_i g_i > 0 \\ (1 - \phi)\, \gamma_i & \bar g_i g_i < 0 \\
            \gamma_i & \text{otherwise,} \end{cases} \\
        w_i &\leftarrow w_i - \eta \gamma_i g_i, \\
        \bar g_i &\leftarrow \theta \bar g_i + (1 - \theta) g_i.

    Here :math:`g_i = \partial E/\partial w_i`, and :math:`\bar g_i` is the running mean of the gradients
    before this one.

    Parameters
    ----------
    learning_rate
        The rate :math:`\eta` that all weights start with, or its schedule.
    growth
        What is added to a gain, :math:`\kappa`: so much of the learning rate is added to the weight's own.
    shrinkage
        The share of a gain that is taken away, :math:`\phi`.
    decay
        How much of the running mean is kept each step, :math:`\theta`.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> rule, w = DeltaBarDelta(0.1, growth=0.5), np.array([1.0])
    >>> state = rule.init(w)
    >>> for _ in range(2):
    ...     w, state = rule.update(np.array([1.0]), state, w)
    >>> w, state.memory["gains"]
    (array([0.75]), array([1.5]))

    References
    ----------
    Jacobs, *Increased rates of convergence through learning rate adaptation* (1988).
    """

    learning_rate: Rate = 0.01
    growth: float = 0.1
    shrinkage: float = 0.1
    decay: float = 0.7

    remembers: ClassVar[Sequence[str]] = ("gains", "mean")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, growth=self.growth)
        _require_shrinking(self.shrinkage)
        require_share(decay=self.decay)

    def first_memory(self, w: Any) -> tuple[Any, ...]:
        """Gains of one, and no gradient yet."""
        return np.ones_like(w), np.zeros_like(w)

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights, their gains, and the running mean of gradients."""
        (rate,), (gain, mean) = now, memory
        gain = _by_sign(mean * g, gain + self.growth, gain * (1 - self.shrinkage), gain)
        return w - rate * gain * g, gain, self.decay * mean + (1 - self.decay) * g


@dataclass(frozen=True)
class Rprop(Rule):
    r"""Resilient backpropagation: only the signs of the gradients count.

    .. math::
        \gamma_i &\leftarrow \begin{cases}
            \eta^+ \gamma_i & g_i' g_i > 0 \\ \eta^- \gamma_i & g_i' g_i < 0 \\
            \gamma_i & \text{otherwise,} \end{cases} \\
        g_i &\leftarrow 0 \quad\text{where}\quad g_i' g_i < 0, \\
        w_i &\leftarrow w_i - \eta \gamma_i \operatorname{sign} g_i,

    where :math:`g_i'` is the gradient of the step before; a weight whose gradient has changed its sign waits
    for one step.

    Parameters
    ----------
    learning_rate
        The length :math:`\eta` of the first step of every weight, or its schedule.
    shrinkage, growth
        What a gain is multiplied by, :math:`\eta^-` and :math:`\eta^+`.
    shortest, longest
        Bounds of the length of a step, :math:`\eta \gamma_i`.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> rule, w = Rprop(0.1), np.array([1.0])
    >>> state = rule.init(w)
    >>> for _ in range(2):
    ...     w, state = rule.update(np.array([7.0]), state, w)
    >>> w, state.memory["gains"]
    (array([0.78]), array([1.2]))

    References
    ----------
    Riedmiller and Braun, *A direct adaptive method for faster backpropagation learning: the RPROP algorithm*
    (1993).
    """

    learning_rate: Rate = 0.01
    shrinkage: float = 0.5
    growth: float = 1.2
    shortest: float = 1e-6
    longest: float = 50.0

    remembers: ClassVar[Sequence[str]] = ("gains", "gradient")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_shrinking(self.shrinkage)
        require_numbers("a number above 1", growth=self.growth)
        require_numbers(shortest=self.shortest, longest=self.longest)
        require(self.growth > 1, f"growth must be above 1, not {self.growth}")
        require(
            0 < self.shortest <= self.longest,
            f"shortest must be positive and at most longest, not {self.shortest} and {self.longest}",
        )

    def first_memory(self, w: Any) -> tuple[Any, ...]:
        """Gains of one, and no gradient yet."""
        return np.ones_like(w), np.zeros_like(w)

    def now(self, rate: Any, powers: Any) -> tuple[Any, ...]:
        """The rate, and the bounds of a gain."""
        return rate, self.shortest / rate, self.longest / rate

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights, their gains, and the gradient where its sign has not changed."""
        (rate, lowest, highest), (gain, before) = now, memory
        gain = _by_sign(before * g, gain * self.growth, gain * self.shrinkage, gain)
        gain = np.minimum(np.maximum(gain, lowest), highest)
        g = np.where(before * g < 0, 0 * g, g)
        return w - rate * gain * np.sign(g), gain, g


def _require_shrinking(shrinkage: Any) -> None:
    require_numbers("a number between 0 and 1", shrinkage=shrinkage)
    require(0 < shrinkage < 1, f"shrinkage must be between 0 and 1, not {shrinkage}")
