"""The update rules, each written once for one array and mapped over the tree of parameters."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from wengert.core import tree

Tree = Any


class Optimiser(Protocol):
    """What :func:`wengert.train.fit` asks of an optimiser."""

    def init(self, params: Tree) -> Tree:
        """The state before the first step."""

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """The parameters and the state after a step."""


def _like(w: Any, number: Any) -> Any:
    """A number that depends on the step count, which as float64 would promote weights of lower precision."""
    return number.astype(w.dtype) if hasattr(number, "dtype") else number


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


@dataclass(frozen=True)
class SGD:
    r"""Stochastic gradient descent, with momentum on request.

    .. math::
        \mathbf v &\leftarrow \mu \mathbf v + \nabla E, \\
        \mathbf w &\leftarrow \mathbf w - \eta \mathbf v
        \quad\text{or, after Nesterov,}\quad \mathbf w - \eta (\nabla E + \mu \mathbf v).

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`.
    momentum
        The share :math:`\mu` of the last step that is kept, from 0 (none) to below 1.
    nesterov
        Look ahead along the velocity (needs momentum).

    Examples
    --------
    >>> rule = SGD(learning_rate=0.1)
    >>> weights = {"w": np.array([1.0])}
    >>> gradients = {"w": np.array([2.0])}
    >>> rule.update(gradients, rule.init(weights), weights)
    ({'w': array([0.8])}, ())

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 7.2 and 7.3.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate}")
        _require(0 <= self.momentum < 1, f"momentum must be at least 0 and below 1, not {self.momentum}")
        _require(self.momentum > 0 or not self.nesterov, "nesterov needs momentum; write momentum=0.9")

    def init(self, params: Tree) -> Tree:
        """No velocity yet: zeros like the parameters, or nothing at all without momentum."""
        return tree.map(np.zeros_like, params) if self.momentum else ()

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """One step down: the new parameters and the new velocity."""
        if not self.momentum:
            return self._step(params, gradients), ()
        velocity = tree.map(lambda v, g: self.momentum * v + g, state, gradients)
        if not self.nesterov:
            return self._step(params, velocity), velocity
        return self._step(params, tree.map(lambda v, g: g + self.momentum * v, velocity, gradients)), velocity

    def _step(self, params: Tree, direction: Tree) -> Tree:
        return tree.map(lambda w, d: w - self.learning_rate * d, params, direction)


class AdamState(NamedTuple):
    r"""Steps taken, means of the gradients and of their squares, :math:`(\beta_1^\tau, \beta_2^\tau)`."""

    steps: int
    mean: Tree
    square: Tree
    decay: tuple[float, float]


@dataclass(frozen=True)
class Adam:
    r"""Adaptive moments: every weight with a step length of its own.

    .. math::
        \mathbf m &\leftarrow \beta_1 \mathbf m + (1 - \beta_1) \nabla E, \\
        \mathbf s &\leftarrow \beta_2 \mathbf s + (1 - \beta_2) (\nabla E)^2, \\
        \mathbf w &\leftarrow \mathbf w - \eta \frac{\mathbf m / (1 - \beta_1^\tau)}
                                               {\sqrt{\mathbf s / (1 - \beta_2^\tau)} + \epsilon}.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`.
    b1, b2
        How much of the running means is kept each step, :math:`\beta_1` and :math:`\beta_2`.
    eps
        Keeps the quotient finite where gradients vanish.

    Examples
    --------
    >>> rule, weights = Adam(learning_rate=0.1), np.array([1.0])
    >>> state = rule.init(weights)
    >>> weights, state = rule.update(np.array([2.0]), state, weights)
    >>> weights.round(6), state.steps
    (array([0.9]), 1)

    References
    ----------
    Kingma and Ba, *Adam: a method for stochastic optimization* (2015).
    """

    learning_rate: float = 0.001
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate}")
        _require(0 <= self.b1 < 1, f"b1 must be at least 0 and below 1, not {self.b1}")
        _require(0 <= self.b2 < 1, f"b2 must be at least 0 and below 1, not {self.b2}")
        _require(self.eps > 0, f"eps must be positive, not {self.eps}")

    def init(self, params: Tree) -> AdamState:
        """Both running means start at zero."""
        return AdamState(0, tree.map(np.zeros_like, params), tree.map(np.zeros_like, params), (1.0, 1.0))

    def update(self, gradients: Tree, state: AdamState, params: Tree) -> tuple[Tree, AdamState]:
        """One step: the new parameters and the new running means."""
        decay = (self.b1 * state.decay[0], self.b2 * state.decay[1])
        mean = tree.map(lambda m, g: self.b1 * m + (1 - self.b1) * g, state.mean, gradients)
        square = tree.map(lambda s, g: self.b2 * s + (1 - self.b2) * (g * g), state.square, gradients)
        rate, correction = self.learning_rate / (1 - decay[0]), 1 / (1 - decay[1])

        def step(w: Any, m: Any, s: Any) -> Any:
            return w - _like(w, rate) * m / (np.sqrt(s * _like(w, correction)) + self.eps)

        return tree.map(step, params, mean, square), AdamState(state.steps + 1, mean, square, decay)


@dataclass(frozen=True)
class WeightDecay:
    r"""Any rule, with every step also shrinking the weights a little.

    .. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} + \Delta\mathbf w^{(\tau)}
              - \eta \lambda \mathbf w^{(\tau)},

    where :math:`\Delta\mathbf w` is the step of the rule. Around :class:`Adam` this is known as AdamW.

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    decay
        The strength :math:`\lambda`; multiplied by the learning rate of the rule.

    Examples
    --------
    >>> rule = WeightDecay(SGD(learning_rate=0.1), decay=0.5)
    >>> rule.update(np.array([0.0]), rule.init(np.array([2.0])), np.array([2.0]))
    (array([1.9]), ())

    References
    ----------
    Loshchilov and Hutter, *Decoupled weight decay regularization* (2019).
    """

    rule: SGD | Adam
    decay: float

    def __post_init__(self) -> None:
        _require(self.decay >= 0, f"decay must be at least 0, not {self.decay}")

    @property
    def learning_rate(self) -> float:
        """That of the rule."""
        return self.rule.learning_rate

    def init(self, params: Tree) -> Tree:
        """The state of the rule."""
        return self.rule.init(params)

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """One step of the rule, and the shrinking."""
        stepped, state = self.rule.update(gradients, state, params)
        share = self.learning_rate * self.decay
        return tree.map(lambda new, w: new - share * w, stepped, params), state
