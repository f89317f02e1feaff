r"""Rules around rules: what is done to a gradient before a step, or to the weights after it.

.. math:: \mathbf w \leftarrow \mathrm{after}\bigl(\mathrm{step}(\mathrm{before}(\nabla E, \mathbf w))\bigr)

Each is an optimiser again, so they can be put around one another; the outermost acts first on the gradient
and last on the weights.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from wengert._refusals import require_at_least, require_positive, require_share, require_type
from wengert.core import tree
from wengert.optim._rule import Rate, Steps, Tree, like


@dataclass(frozen=True)
class Around(Steps):
    """A rule that leaves everything to another one; the rules below change one thing each."""

    rule: Steps

    def __post_init__(self) -> None:
        is_one = (
            not isinstance(self.rule, type) and hasattr(self.rule, "init") and hasattr(self.rule, "update")
        )
        require_type(
            is_one,  # also one of the user's own
            f"{type(self).__name__} goes around an optimiser such as optim.Adam(0.001), not {self.rule!r}",
        )

    @property
    def learning_rate(self) -> Rate:
        """That of the rule."""
        return self.rule.learning_rate

    @property
    def kind(self) -> Self:
        """The same around the rule whatever its learning rate."""
        return replace(self, rule=self.rule.kind)

    def init(self, params: Tree) -> Tree:
        """The state of the rule."""
        return self.rule.init(params)

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """A step of the rule."""
        return self.rule.update(gradients, state, params)

    def rate(self, state: Tree) -> Any:
        """The learning rate of the rule's next step."""
        return self.rule.rate(state)

    def with_schedule(self, state: Tree, schedule: Rate) -> Tree:
        """The state with another rate or schedule of the rule."""
        return self.rule.with_schedule(state, schedule)

    def after_epoch(self, state: Tree, error: float) -> Tree:
        """The state of the rule after an epoch of this training error."""
        return self.rule.after_epoch(state, error)

    def is_exhausted(self, state: Tree) -> bool:
        """Whether the rule's rate is."""
        return self.rule.is_exhausted(state)

    def averaged(self, state: Tree, params: Tree) -> Tree:
        """The weights that the rule would predict with."""
        return self.rule.averaged(state, params)


def _require_names(only: Any) -> None:
    is_names = isinstance(only, tuple) and all(isinstance(name, str) for name in only)
    require_type(is_names, f"only must be a tuple of names such as ('weights',), not {only!r}")


def _named(params: Tree, only: tuple[str, ...]) -> Tree:
    """Of each array whether its name ends with one of these; of every array, where there are none."""
    names = [path.rstrip("]'") for path in tree.paths(params)]
    return tree.unflatten(tree.flatten(params)[1], [not only or name.endswith(only) for name in names])


@dataclass(frozen=True)
class _Penalty(Around):
    """A penalty on the weights, whose gradient the rule sees with that of the error."""

    strength: float
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, strength=self.strength)
        _require_names(self.only)

    @abstractmethod
    def slope(self, w: Any) -> Any:
        """The gradient of the penalty, for a strength of one."""

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """A step of the rule along the gradient with that of the penalty."""

        def penalised(g: Any, w: Any, chosen: bool) -> Any:
            return g + self.strength * self.slope(w) if chosen else g

        return self.rule.update(
            tree.map(penalised, gradients, params, _named(params, self.only)), state, params
        )


@dataclass(frozen=True)
class L2(_Penalty):
    r"""Any rule, on an error with a quadratic penalty on the weights.

    .. math:: \widetilde E(\mathbf w) = E(\mathbf w) + \frac\lambda2 \|\mathbf w\|^2, \qquad
              \nabla \widetilde E = \nabla E + \lambda \mathbf w

    PyTorch's ``weight_decay``, other than that of AdamW. For :class:`SGD` without momentum it is the same as
    :class:`WeightDecay`; rules that scale gradients scale the penalty's too.

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    strength
        The strength :math:`\lambda` of the penalty.
    only
        Leave all arrays alone but those whose names end with one of these: ``("weights",)`` spares the
        biases.

    Raises
    ------
    ValueError
        Where the strength is negative.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule = L2(SGD(learning_rate=0.1), strength=0.5)
    >>> rule.update(np.array([0.0]), rule.init(np.array([2.0])), np.array([2.0]))[0]
    array([1.9])

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 9.2.
    """

    def slope(self, w: Any) -> Any:
        """Of half the sum of squares."""
        return w


@dataclass(frozen=True)
class L1(_Penalty):
    r"""Any rule, on an error with a penalty on the absolute values of the weights.

    .. math:: \widetilde E(\mathbf w) = E(\mathbf w) + \lambda \sum_i |w_i|, \qquad
              \nabla \widetilde E = \nabla E + \lambda \operatorname{sign} \mathbf w

    Weights that the error does not need come close to zero and cross it back and forth.

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    strength
        The strength :math:`\lambda` of the penalty.
    only
        Leave all arrays alone but those whose names end with one of these: ``("weights",)`` spares the
        biases.

    Raises
    ------
    ValueError
        Where the strength is negative.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule = L1(SGD(learning_rate=0.1), strength=0.5)
    >>> rule.update(np.array([0.0]), rule.init(np.array([2.0])), np.array([2.0]))[0]
    array([1.95])

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 9.2.
    """

    def slope(self, w: Any) -> Any:
        """Of the sum of absolute values."""
        return np.sign(w)


@dataclass(frozen=True)
class ClipValues(Around):
    r"""Any rule, with every element of the gradient kept within bounds.

    .. math:: g_i \leftarrow \min(\max(g_i, -c), c)

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    limit
        The bound :math:`c`.

    Raises
    ------
    ValueError
        Where the bound is not positive.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule = ClipValues(SGD(learning_rate=0.1), limit=1.0)
    >>> rule.update(np.array([0.5, -40.0]), rule.init(np.zeros(2)), np.zeros(2))[0]
    array([-0.05,  0.1 ])
    """

    limit: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(limit=self.limit)

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """A step of the rule along the gradient within the bounds."""
        clipped = tree.map(lambda g: np.minimum(np.maximum(g, -self.limit), self.limit), gradients)
        return self.rule.update(clipped, state, params)


# Keeps the quotient finite where all gradients vanish; the same number as PyTorch's, for the same results.
SMALL_NORM = 1e-6


@dataclass(frozen=True)
class ClipNorm(Around):
    r"""Any rule, with the gradient of all weights together kept within a length.

    .. math:: \mathbf g \leftarrow \min\Bigl(1, \frac{c}{\|\mathbf g\| + 10^{-6}}\Bigr) \mathbf g, \qquad
              \|\mathbf g\|^2 = \sum_{\text{arrays}} \sum_i g_i^2

    The norm is known only when every gradient is: native code writes the gradients to memory, and the step is
    a pass of its own, where other rules update each array as its gradient is computed.

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    limit
        The length :math:`c`.

    Raises
    ------
    ValueError
        Where the length is not positive.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule = ClipNorm(SGD(learning_rate=0.1), limit=1.0)
    >>> rule.update(np.array([30.0, -40.0]), rule.init(np.zeros(2)), np.zeros(2))[0].round(6)
    array([-0.06,  0.08])

    References
    ----------
    Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks* (2013).
    """

    limit: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(limit=self.limit)

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """A step of the rule along the shortened gradient."""
        norm = np.sqrt(sum(np.sum(g * g) for g in tree.flatten(gradients)[0]))
        share = np.minimum(self.limit / (norm + SMALL_NORM), 1)
        return self.rule.update(tree.map(lambda g: like(g, [share])[0] * g, gradients), state, params)


@dataclass(frozen=True)
class WeightDecay(Around):
    r"""Any rule, with every step also shrinking the weights a little.

    .. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} + \Delta\mathbf w^{(\tau)}
              - \eta \lambda \mathbf w^{(\tau)},

    where :math:`\Delta\mathbf w` is the step of the rule. Around :class:`Adam` this is known as
    :class:`AdamW`.

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    decay
        The strength :math:`\lambda`; multiplied by the learning rate of the rule.
    only
        Leave all arrays alone but those whose names end with one of these: ``("weights",)`` spares the
        biases.

    Raises
    ------
    ValueError
        Where the strength is negative.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule = WeightDecay(SGD(learning_rate=0.1), decay=0.5)
    >>> rule.update(np.array([0.0]), rule.init(np.array([2.0])), np.array([2.0]))[0]
    array([1.9])

    References
    ----------
    Loshchilov and Hutter, *Decoupled weight decay regularization* (2019).
    """

    decay: float
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, decay=self.decay)
        _require_names(self.only)

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """One step of the rule, and the shrinking."""
        share = [self.rate(state) * self.decay]
        stepped, state = self.rule.update(gradients, state, params)

        def shrunk(new: Any, w: Any, chosen: bool) -> Any:
            return new - like(w, share)[0] * w if chosen else new

        return tree.map(shrunk, stepped, params, _named(params, self.only)), state


class AverageState(NamedTuple):
    """State of the rule, the average of the weights, and how many weights are in it."""

    rule: Any
    average: Tree
    count: Any


@dataclass(frozen=True)
class _Averaging(Around):
    """Any rule, and an average of the weights that it passes through."""

    @abstractmethod
    def share(self, count: Any) -> Any:
        """The share of the newest weights in the average of so many before."""

    def init(self, params: Tree) -> AverageState:
        """The state of the rule, and no weights in the average."""
        return AverageState(self.rule.init(params), tree.map(np.copy, params), 0)

    def update(self, gradients: Tree, state: AverageState, params: Tree) -> tuple[Tree, AverageState]:
        """A step of the rule, and its weights added to the average."""
        params, of_rule = self.rule.update(gradients, state.rule, params)
        share = [self.share(state.count)]
        average = tree.map(lambda a, w: a + like(w, share)[0] * (w - a), state.average, params)
        return params, AverageState(of_rule, average, state.count + 1)

    def rate(self, state: AverageState) -> Any:
        """The learning rate of the rule's next step."""
        return self.rule.rate(state.rule)

    def with_schedule(self, state: AverageState, schedule: Rate) -> AverageState:
        """The state with another rate or schedule of the rule."""
        return state._replace(rule=self.rule.with_schedule(state.rule, schedule))

    def after_epoch(self, state: AverageState, error: float) -> AverageState:
        """The state after an epoch of this training error."""
        return state._replace(rule=self.rule.after_epoch(state.rule, error))

    def is_exhausted(self, state: AverageState) -> bool:
        """Whether the rule's rate is."""
        return self.rule.is_exhausted(state.rule)

    def averaged(self, state: AverageState, params: Tree) -> Tree:
        """The average of the weights after every step."""
        return state.average


@dataclass(frozen=True)
class PolyakAverage(_Averaging):
    r"""Any rule, and the mean of the weights after all its steps.

    .. math:: \bar{\mathbf w}^{(\tau)} = \frac1\tau \sum_{i=1}^\tau \mathbf w^{(i)}

    Steps at a constant rate end up around the minimum, and their mean close to it.

    Parameters
    ----------
    rule
        The optimiser that makes the steps.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule, w = PolyakAverage(SGD(1.0)), np.array([0.0])
    >>> state = rule.init(w)
    >>> for _ in range(3):
    ...     w, state = rule.update(np.array([-1.0]), state, w)
    >>> w, rule.averaged(state, w)
    (array([3.]), array([2.]))

    References
    ----------
    Polyak and Juditsky, *Acceleration of stochastic approximation by averaging* (1992).
    """

    def share(self, count: Any) -> Any:
        """One over the number of weights in the average."""
        return 1 / (count + 1)


@dataclass(frozen=True)
class MovingAverage(_Averaging):
    r"""Any rule, and a running mean of its weights that forgets the early ones.

    .. math:: \bar{\mathbf w} \leftarrow \beta \bar{\mathbf w} + (1 - \beta) \mathbf w,
              \qquad \bar{\mathbf w}^{(1)} = \mathbf w^{(1)}

    Parameters
    ----------
    rule
        The optimiser that makes the steps.
    decay
        How much of the running mean is kept each step, :math:`\beta`.

    Raises
    ------
    ValueError
        Where this share makes no sense.

    Examples
    --------
    >>> from wengert.optim import SGD
    >>> rule, w = MovingAverage(SGD(1.0), decay=0.5), np.array([0.0])
    >>> state = rule.init(w)
    >>> for _ in range(3):
    ...     w, state = rule.update(np.array([-1.0]), state, w)
    >>> w, rule.averaged(state, w)
    (array([3.]), array([2.25]))
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(decay=self.decay)

    def share(self, count: Any) -> Any:
        """All of the first weights, and then a constant share."""
        return np.where(count == 0, 1.0, 1 - self.decay)
