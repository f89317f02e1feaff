r"""What every rule shares: its state, and one formula for one array mapped over the tree of parameters.

A rule is written for a single array :math:`\mathbf w` with gradient :math:`\mathbf g`, what it remembers of
it :math:`\mathbf m` and the few numbers :math:`\eta` of the step,

.. math:: (\mathbf w, \mathbf m) \leftarrow \mathrm{step}(\eta, \mathbf w, \mathbf g, \mathbf m).

The state carries the schedule of the learning rate as the numbers that it consists of. So compiled code reads
the rate instead of containing it: another rate, or one that is changed between two epochs, is no other code.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from wengert._refusals import require_positive
from wengert.core import tree
from wengert.optim._schedule import Schedule, as_schedule

Tree = Any
Rate = float | Schedule
Function = Callable[..., Any]
Told = Callable[[Any, float], None]


class Optimiser(Protocol):
    """What :func:`wengert.train.fit` asks of an optimiser."""

    def init(self, params: Tree) -> Tree:
        """The state before the first step."""

    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """The parameters and the state after a step."""


class Minimiser(Protocol):
    """What :func:`wengert.train.fit` asks of an optimiser that takes all patterns at once.

    Attributes
    ----------
    wants
        ``"error"`` or ``"residuals"``: what the function that it is given returns.
    """

    wants: ClassVar[str]

    def minimise(
        self, f: Function, params: Tree, data: tuple[Any, ...], max_iter: int, callback: Told | None = None
    ) -> Any:
        """A result whose ``x`` are the parameters, after at most so many iterations.

        The callback is told parameters and error after each; it may raise ``StopIteration``.
        """


class State(NamedTuple):
    r"""Where a rule stands.

    Attributes
    ----------
    steps
        How many were taken.
    schedule
        Of the learning rate, a tree of numbers.
    powers
        Numbers that change with every step, such as the powers of Adam's :math:`\beta`.
    memory
        By name, trees like the parameters: velocities, running means, rates.
    """

    steps: Any
    schedule: Any
    powers: tuple[Any, ...]
    memory: dict[str, Tree]


class Steps(ABC):
    """An optimiser whose learning rate can be asked for and changed, and which may average weights."""

    @property
    @abstractmethod
    def learning_rate(self) -> Rate:
        """The rate, or its schedule, that training starts with."""

    @property
    @abstractmethod
    def kind(self) -> "Steps":
        """The same rule whatever its learning rate: rules of one kind share their compiled code."""

    @abstractmethod
    def init(self, params: Tree) -> Tree:
        """The state before the first step."""

    @abstractmethod
    def update(self, gradients: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """The parameters and the state after a step."""

    @abstractmethod
    def rate(self, state: Tree) -> Any:
        """The learning rate of the next step."""

    @abstractmethod
    def with_schedule(self, state: Tree, schedule: Rate) -> Tree:
        """The state with another rate or schedule from the next step on, and all else as it is."""

    @abstractmethod
    def after_epoch(self, state: Tree, error: float) -> Tree:
        """The state after an epoch of this training error; only an adaptive rate makes it another."""

    @abstractmethod
    def is_exhausted(self, state: Tree) -> bool:
        """Whether the rate should fall again and is at its lowest: a reason to end the training."""

    @abstractmethod
    def averaged(self, state: Tree, params: Tree) -> Tree:
        """The weights to predict with: an average where the rule keeps one, or else the weights."""


@dataclass(frozen=True)
class Rule(Steps):
    """A rule with a formula of its own: ``step``, and what goes with it.

    Attributes
    ----------
    remembers
        Names of the arrays that are remembered for each array of weights; they are zero at first.
    first_powers
        The numbers that change with every step, before the first.

    Examples
    --------
    Steps of one length, whatever the size of the gradient:

    >>> @dataclass(frozen=True)
    ... class Signs(Rule):
    ...     learning_rate: Rate = 0.1
    ...
    ...     def step(self, now, w, g):
    ...         return (w - now[0] * np.sign(g),)
    >>> rule, w = Signs(), np.array([1.0, 2.0])
    >>> rule.update(np.array([3.0, -0.01]), rule.init(w), w)[0]
    array([0.9, 2.1])
    """

    learning_rate: Rate  # type: ignore[assignment]

    remembers: ClassVar[Sequence[str]] = ()
    first_powers: ClassVar[tuple[float, ...]] = ()

    def __post_init__(self) -> None:
        require_rate(self.learning_rate)

    @abstractmethod
    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and all that is remembered of them, after a step."""

    def now(self, rate: Any, powers: Any) -> tuple[Any, ...]:
        """The numbers that ``step`` needs, from the learning rate and the powers."""
        return (rate,)

    def next_powers(self, *powers: Any) -> tuple[Any, ...]:
        """The powers of the next step."""
        return powers

    def first_memory(self, w: Any) -> tuple[Any, ...]:
        """What is remembered of an array before the first step."""
        return tuple(np.zeros_like(w) for _ in self.remembers)

    @property
    def kind(self) -> Self:
        """The same rule whatever its learning rate: rules of one kind share their compiled code."""
        return replace(self, learning_rate=as_schedule(self.learning_rate).kind)

    def init(self, params: Tree) -> State:
        """The state before the first step."""
        leaves, structure = tree.flatten(params)
        memory = _columns([self.first_memory(w) for w in leaves], len(self.remembers), structure)
        schedule = as_schedule(self.learning_rate)
        return State(0, schedule, self.first_powers, dict(zip(self.remembers, memory, strict=True)))

    def update(self, gradients: Tree, state: State, params: Tree) -> tuple[Tree, State]:
        """The parameters and the state after a step."""
        powers = self.next_powers(*state.powers)
        now = self.now(self.rate(state), powers)
        structure = tree.flatten(params)[1]
        given = (tree.flatten(t)[0] for t in (params, gradients, *state.memory.values()))
        rows = [self.step(like(w, now), w, *rest) for w, *rest in zip(*given, strict=True)]
        params, *memory = _columns(rows, 1 + len(state.memory), structure)
        after = dict(zip(state.memory, memory, strict=True))
        return params, State(state.steps + 1, state.schedule, powers, after)

    def rate(self, state: State) -> Any:
        """The learning rate of the next step."""
        return state.schedule(state.steps)

    def with_schedule(self, state: State, schedule: Rate) -> State:
        """The state with another rate or schedule from the next step on, and all else as it is."""
        return state._replace(schedule=_in_place_of(state.schedule, as_schedule(schedule)))

    def after_epoch(self, state: State, error: float) -> State:
        """The state after an epoch of this training error; only an adaptive rate makes it another."""
        after = state.schedule.after_epoch(error)
        return state if after is state.schedule else self.with_schedule(state, after)

    def is_exhausted(self, state: State) -> bool:
        """Whether the rate should fall again and is at its lowest: a reason to end the training."""
        return state.schedule.is_exhausted

    def averaged(self, state: State, params: Tree) -> Tree:
        """The weights themselves."""
        return params


def _columns(rows: Sequence[Sequence[Any]], count: int, structure: Any) -> list[Tree]:
    """Trees from rows that have one entry of each: the first of the first entries, and so on."""
    return [tree.unflatten(structure, [row[i] for row in rows]) for i in range(count)]


def _in_place_of(old: Schedule, new: Schedule) -> Schedule:
    """The new schedule, its numbers of the types of the old ones, so that compiled code takes it too."""
    (before, structure), (after, other) = tree.flatten(old), tree.flatten(new)
    if not tree.same_structure(structure, other):
        return new
    return tree.unflatten(structure, [type(b)(a) for a, b in zip(after, before, strict=True)])


def like(w: Any, numbers: Any) -> tuple[Any, ...]:
    """Numbers in the precision of the weights, which float64 would promote."""
    return tuple(n.astype(w.dtype) if hasattr(n, "dtype") and hasattr(w, "dtype") else n for n in numbers)


def require_rate(rate: Rate) -> None:
    """Refuse a learning rate that is no positive number; schedules check their own."""
    if not callable(rate):
        require_positive(learning_rate=rate)
