r"""The update rules of the solvers ``"sgd"`` and ``"adam"``, in the form in which scikit-learn writes them.

.. math::
    \text{momentum:}\quad \mathbf v &\leftarrow \mu \mathbf v - \eta \mathbf g, \qquad
    \mathbf w \leftarrow \mathbf w + \mathbf v
    \quad\text{or, after Nesterov,}\quad \mathbf w + \mu \mathbf v - \eta \mathbf g; \\
    \text{Adam:}\quad \mathbf w &\leftarrow \mathbf w - \eta \frac{\sqrt{1 - \beta_2^\tau}}{1 - \beta_1^\tau}
    \frac{\mathbf m}{\sqrt{\mathbf s} + \epsilon}.

The rate :math:`\eta` is part of the state: it may change between epochs, and rules that differ in their numbers
alone share one piece of machine code.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree

Tree = Any


class MomentumState(NamedTuple):
    """Rate, momentum, and velocity of every parameter."""

    rate: Any
    momentum: Any
    velocity: Tree


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with momentum."""

    learning_rate: float = field(compare=False)
    momentum: float = field(compare=False)
    nesterov: bool

    def init(self, params: Tree) -> MomentumState:
        """No velocity yet."""
        like = next(iter(params.values())).dtype.type
        return MomentumState(like(self.learning_rate), like(self.momentum), tree.map(np.zeros_like, params))

    def update(self, gradients: Tree, state: MomentumState, params: Tree) -> tuple[Tree, MomentumState]:
        """One step."""

        def further(v: Any, g: Any) -> Any:
            return state.momentum * v - state.rate * g

        velocity = tree.map(further, state.velocity, gradients)
        step = tree.map(further, velocity, gradients) if self.nesterov else velocity
        return tree.map(lambda w, v: w + v, params, step), state._replace(velocity=velocity)


class AdamState(NamedTuple):
    r"""Rate; decays and offset; their powers :math:`\beta^\tau`; means of gradients and of their squares."""

    rate: Any
    numbers: tuple[Any, Any, Any]
    powers: tuple[Any, Any]
    mean: Tree
    square: Tree


@dataclass(frozen=True)
class Adam:
    """Adaptive moments."""

    learning_rate: float = field(compare=False)
    b1: float = field(compare=False)
    b2: float = field(compare=False)
    eps: float = field(compare=False)

    def init(self, params: Tree) -> AdamState:
        """Both running means start at zero."""
        zeros = tree.map(np.zeros_like, params)
        numbers = tuple(map(np.float64, (self.b1, self.b2, self.eps)))
        return AdamState(
            np.float64(self.learning_rate), numbers, (np.float64(1), np.float64(1)), zeros, zeros
        )

    def update(self, gradients: Tree, state: AdamState, params: Tree) -> tuple[Tree, AdamState]:
        """One step."""
        b1, b2, eps = state.numbers
        p1, p2 = state.powers[0] * b1, state.powers[1] * b2
        rate = state.rate * np.sqrt(1 - p2) / (1 - p1)

        def mean(m: Any, g: Any) -> Any:
            return b1.astype(m.dtype) * m + (1 - b1).astype(m.dtype) * g

        def square(s: Any, g: Any) -> Any:
            return b2.astype(s.dtype) * s + (1 - b2).astype(s.dtype) * (g * g)

        def step(w: Any, m: Any, s: Any) -> Any:
            return w - rate.astype(w.dtype) * m / (np.sqrt(s) + eps.astype(w.dtype))

        means, squares = tree.map(mean, state.mean, gradients), tree.map(square, state.square, gradients)
        return tree.map(step, params, means, squares), state._replace(
            powers=(p1, p2), mean=means, square=squares
        )
