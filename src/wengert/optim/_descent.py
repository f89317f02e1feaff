r"""Gradient descent, and descent with momentum.

.. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} - \eta \nabla E(\mathbf w^{(\tau)})

The gradient may be that of one pattern, of a minibatch or of all patterns: the rule is the same. Momentum
adds the last step to the next, so that steps in one direction grow and those that turn back and forth cancel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from wengert._refusals import require, require_answers, require_share
from wengert.optim._rule import Rate, Rule


@dataclass(frozen=True)
class SGD(Rule):
    r"""Stochastic gradient descent, with momentum on request.

    .. math::
        \mathbf v &\leftarrow \mu \mathbf v + \nabla E, \\
        \mathbf w &\leftarrow \mathbf w - \eta \mathbf v
        \quad\text{or, after Nesterov,}\quad \mathbf w - \eta (\nabla E + \mu \mathbf v).

    The velocity is a sum of gradients, and the present rate multiplies all of it, as in PyTorch's ``SGD``. In
    :class:`Momentum` and :class:`Nesterov` each gradient keeps the rate of its own step, as in scikit-learn.
    As long as the rate is constant the two are the same; after a rate has fallen, this form brakes at once.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule.
    momentum
        The share :math:`\mu` of the last step that is kept, from 0 (none) to below 1.
    nesterov
        Look ahead along the velocity (needs momentum).

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rule = SGD(learning_rate=0.1)
    >>> weights = {"w": np.array([1.0])}
    >>> gradients = {"w": np.array([2.0])}
    >>> weights, state = rule.update(gradients, rule.init(weights), weights)
    >>> weights, state.steps
    ({'w': array([0.8])}, 1)

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 7.2 and 7.3.
    """

    learning_rate: Rate = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(momentum=self.momentum)
        require_answers(nesterov=self.nesterov)
        require(self.momentum > 0 or not self.nesterov, "nesterov needs momentum; write momentum=0.9")

    @property
    def remembers(self) -> Sequence[str]:  # type: ignore[override]
        """The velocity, or nothing at all without momentum."""
        return ("velocity",) if self.momentum else ()

    def step(self, now: Any, w: Any, g: Any, *velocity: Any) -> tuple[Any, ...]:
        """The weights, and the velocity if there is one."""
        (rate,) = now
        if not velocity:
            return (w - rate * g,)
        v = self.momentum * velocity[0] + g
        return w - rate * (g + self.momentum * v if self.nesterov else v), v


@dataclass(frozen=True)
class Momentum(Rule):
    r"""Gradient descent with momentum: each step adds a share of the last one.

    .. math::
        \mathbf v &\leftarrow \mu \mathbf v - \eta \nabla E, \\
        \mathbf w &\leftarrow \mathbf w + \mathbf v.

    The velocity is the last step itself, as in scikit-learn; compare :class:`SGD`.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule.
    momentum
        The share :math:`\mu` of the last step that is kept, from 0 to below 1. Where gradients stay the same,
        the steps become :math:`1/(1-\mu)` times as long.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rule, w = Momentum(0.1, momentum=0.5), np.array([1.0])
    >>> state = rule.init(w)
    >>> for _ in range(2):
    ...     w, state = rule.update(np.array([1.0]), state, w)
    >>> w
    array([0.75])

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 7.3.1.
    """

    learning_rate: Rate = 0.01
    momentum: float = 0.9

    remembers: ClassVar[Sequence[str]] = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(momentum=self.momentum)

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and the velocity."""
        (rate,), (v,) = now, memory
        v = self.momentum * v - rate * g
        return w + v, v


@dataclass(frozen=True)
class Nesterov(Momentum):
    r"""Nesterov's accelerated gradient: the gradient belongs to where momentum alone would lead.

    .. math::
        \mathbf v &\leftarrow \mu \mathbf v - \eta \nabla E, \\
        \mathbf w &\leftarrow \mathbf w + \mu \mathbf v - \eta \nabla E.

    Here :math:`\mathbf w` is the point one share of the velocity ahead, so that the gradient is taken where
    the weights are. The velocity is the last step itself, as in scikit-learn; compare :class:`SGD`.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule.
    momentum
        The share :math:`\mu` of the last step that is kept, from 0 to below 1.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rule, w = Nesterov(0.1, momentum=0.5), np.array([1.0])
    >>> w, state = rule.update(np.array([1.0]), rule.init(w), w)
    >>> w, state.memory["velocity"]
    (array([0.85]), array([-0.1]))

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum in deep learning*
    (2013).
    """

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and the velocity."""
        (rate,), (v,) = now, memory
        v = self.momentum * v - rate * g
        return w + self.momentum * v - rate * g, v
