r"""Rules that divide each weight's gradient by the root of its own past squares.

.. math:: \mathbf w \leftarrow \mathbf w - \eta \frac{\nabla E}{\sqrt{\mathbf s} + \epsilon}

A weight whose gradients are small then moves as far as others. AdaGrad sums the squares, so that its steps
only get shorter; RMSProp forgets the old ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wengert._refusals import require_at_least, require_positive, require_share
from wengert.optim._rule import Rate, Rule


@dataclass(frozen=True)
class AdaGrad(Rule):
    r"""Adaptive gradients: steps divided by the root of the sum of all squares.

    .. math::
        \mathbf s &\leftarrow \mathbf s + (\nabla E)^2, \\
        \mathbf w &\leftarrow \mathbf w - \eta \frac{\nabla E}{\sqrt{\mathbf s} + \epsilon}.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule (PyTorch's ``lr_decay`` is :class:`InverseTime`).
    initial
        What the sums :math:`\mathbf s` start with.
    eps
        Keeps the quotient finite where gradients vanish.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rule, w = AdaGrad(0.1), np.array([1.0])
    >>> w, state = rule.update(np.array([2.0]), rule.init(w), w)
    >>> w, state.memory["squares"]
    (array([0.9]), array([4.]))

    References
    ----------
    Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*
    (2011).
    """

    learning_rate: Rate = 0.01
    initial: float = 0.0
    eps: float = 1e-10

    remembers: ClassVar[Sequence[str]] = ("squares",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, initial=self.initial)
        require_positive(eps=self.eps)

    def first_memory(self, w: Any) -> tuple[Any, ...]:
        """The sums, as they start."""
        return (np.full_like(w, self.initial),)

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and the sums of squares."""
        (rate,), (s,) = now, memory
        s = s + g * g
        return w - rate * g / (np.sqrt(s) + self.eps), s


@dataclass(frozen=True)
class RMSProp(Rule):
    r"""Steps divided by the root of a running mean of squares, with momentum on request.

    .. math::
        \mathbf s &\leftarrow \beta \mathbf s + (1 - \beta) (\nabla E)^2, \\
        \mathbf v &\leftarrow \mu \mathbf v + \frac{\nabla E}{\sqrt{\mathbf s} + \epsilon}, \\
        \mathbf w &\leftarrow \mathbf w - \eta \mathbf v.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule.
    decay
        How much of the running mean is kept each step, :math:`\beta`.
    eps
        Keeps the quotient finite where gradients vanish.
    momentum
        The share :math:`\mu` of the last step that is kept, from 0 (none) to below 1.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rule, w = RMSProp(0.1, decay=0.75), np.array([1.0])
    >>> rule.update(np.array([2.0]), rule.init(w), w)[0]
    array([0.8])

    References
    ----------
    Tieleman and Hinton, *Lecture 6.5: divide the gradient by a running average of its recent magnitude*
    (2012).
    """

    learning_rate: Rate = 0.01
    decay: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0

    means: ClassVar[Sequence[str]] = ("square",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(decay=self.decay)
        require_positive(eps=self.eps)
        require_share(momentum=self.momentum)

    @property
    def remembers(self) -> Sequence[str]:  # type: ignore[override]
        """The running means, and the velocity if there is one."""
        return (*self.means, "velocity") if self.momentum else self.means

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights, the running mean, and the velocity if there is one."""
        s, *velocity = memory
        s = self._mean(s, g * g)
        return self._along(now, w, g / (np.sqrt(s) + self.eps), [s], velocity)

    def _mean(self, mean: Any, value: Any) -> Any:
        return self.decay * mean + (1 - self.decay) * value

    def _along(self, now: Any, w: Any, d: Any, means: list[Any], velocity: list[Any]) -> tuple[Any, ...]:
        """A step along a direction or, with momentum, along its velocity."""
        (rate,) = now
        if not velocity:
            return (w - rate * d, *means)
        v = self.momentum * velocity[0] + d
        return (w - rate * v, *means, v)


@dataclass(frozen=True)
class CentredRMSProp(RMSProp):
    r"""RMSProp with the running variance in place of the mean of squares.

    .. math::
        \mathbf m &\leftarrow \beta \mathbf m + (1 - \beta) \nabla E, \\
        \mathbf s &\leftarrow \beta \mathbf s + (1 - \beta) (\nabla E)^2, \\
        \mathbf v &\leftarrow \mu \mathbf v
                    + \frac{\nabla E}{\sqrt{\mathbf s - \mathbf m^2} + \epsilon}, \\
        \mathbf w &\leftarrow \mathbf w - \eta \mathbf v.

    Where gradients keep their value the variance vanishes, and steps grow with :math:`1/\epsilon`: choose it
    larger than for :class:`RMSProp`.

    Parameters
    ----------
    learning_rate, decay, eps, momentum
        As in :class:`RMSProp`.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rule, w = CentredRMSProp(0.1, decay=0.5), np.array([1.0])
    >>> rule.update(np.array([2.0]), rule.init(w), w)[0]
    array([0.8])

    References
    ----------
    Graves, *Generating sequences with recurrent neural networks* (2013), 4.2.
    """

    means: ClassVar[Sequence[str]] = ("square", "mean")

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights, both running means, and the velocity if there is one."""
        s, m, *velocity = memory
        s, m = self._mean(s, g * g), self._mean(m, g)
        # Rounding may leave a variance of zero just below it.
        deviation = np.sqrt(np.maximum(s - m * m, 0))
        return self._along(now, w, g / (deviation + self.eps), [s, m], velocity)
