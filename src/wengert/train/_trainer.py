r"""One network in training: an epoch is one call of native code, and so are several short ones.

A step takes a minibatch :math:`B` of :math:`m'` patterns, estimates the gradient of the error from it,

.. math:: \mathbf g = \nabla_{\mathbf w} \Bigl( \frac{1}{m'} \sum_{n \in B} E_n(\mathbf w)
          + \Omega(\mathbf w) \Bigr),

and lets the optimiser turn it into new weights; an epoch is a scan over such steps, in which weights and the
optimiser's state are changed in place. The penalty :math:`\Omega` is zero unless one is given.

Every network that anybody has been given stays as it is, for the weights at the end of an epoch stand beside
those at its beginning; those of a huge network that nobody has been given in a file. Of the optimiser's state
there is one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert import nn, random
from wengert.api import value_and_grad
from wengert.control import scan, while_loop
from wengert.core import tree
from wengert.errors import ControlFlowError, DivergenceError, is_ours
from wengert.native.calling.call import Compiled, compiled
from wengert.native.machine.underflow import Underflow
from wengert.native.options import Options
from wengert.train._last_epoch import Shelf
from wengert.train._own_losses import inspected
from wengert.train._storage import MAPPED_AT_A_TIME, count_of, gathered, is_mapped, rows_of

if TYPE_CHECKING:
    from wengert.optim import Minimiser, Optimiser

Array = np.ndarray
Network = Any
Loss = Callable[..., Array]
Penalty = Callable[[Network], Array]
Data = Any

# Of one call, which takes about a tenth of a second. A step makes some six for every weight and pattern.
OPERATIONS_AT_A_TIME = 20_000_000_000
# Patterns that predictions are made for at a time, unless a minibatch has more.
PATTERNS_AT_A_TIME = 256
# Weights from which on they are copied once, and then changed in place, rather than made anew by every call.
MANY = 1 << 17
# Bytes of weights from which on those of the last whole epoch go into a file.
HUGE = 1 << 24
# Weights that are kept of several epochs of a call.
KEPT = 1 << 17


class Piece(NamedTuple):
    """Some steps: which rows of which arrays, in which order, and how many of them a step takes."""

    data: Data
    order: Array
    batch_size: int


class Trainer:
    """A network in training: its arrays, the optimiser's state, and the compiled epoch that changes both.

    An epoch is one function of both, and so one call of native code: a scan over the minibatches, then a step
    on what is left; several short epochs are a loop of them. :func:`fit` is a loop around it.

    Parameters
    ----------
    network, loss, optimiser
        As in :func:`fit`.
    batch_size
        Patterns per step.
    key
        From :mod:`wengert.random`: what the network itself draws (dropout) is a function of it and of the
        number of the step.
    penalty
        As in :func:`fit`.
    state
        That of the optimiser, to go on from. The first epoch changes its arrays.

    Attributes
    ----------
    carry
        The network and the optimiser's state, as the next step takes them. The next epoch changes the arrays
        of the state, unless `keep` is called or a carry is put here; those of a network that has been asked
        for stay.
    steps, epochs
        How many have been made.
    is_constant
        Whether network, error and optimiser are this package's own: then all of an epoch is native code, and
        nothing it reads can change.

    Examples
    --------
    >>> from wengert import losses, nn, optim
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> network = nn.MLP.init(np.random.default_rng(0), (1, 4, 1), "tanh")
    >>> trainer = Trainer(network, losses.mean_squared_error, optim.Adam(0.1), batch_size=3)
    >>> first = trainer.epoch((x, x**2), np.arange(8))
    >>> trainer.epoch((x, x**2), np.arange(8)) < first
    True
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimiser: Optimiser | Minimiser,
        batch_size: int,
        key: Any = None,
        penalty: Penalty | None = None,
        state: Any = None,
    ) -> None:
        self.optimiser: Any = optimiser
        self.loss, self.penalty = loss, penalty
        self.batch_size = batch_size
        self.key, self.steps, self.epochs = _first_key() if key is None else key, 0, 0
        self._known: list[tuple[Data, bool]] = []
        self._draws = nn.needs_key(network)
        parameters = nn.parameters(network)
        state = _first_state(optimiser, parameters) if state is None else state
        self._carry = tree.map(_as_numpy, (network, state))
        self._before, self._is_on_shelf, self._is_broken_off = self._carry[0], False, False
        self._owns_state = _gives_state_away(optimiser) and _stand_alone(*self._carry)
        self._weights = weights = sum(map(np.size, parameters.values()))
        self.at_a_time = max(1, OPERATIONS_AT_A_TIME // (6 * weights * batch_size + 1)) * batch_size
        self.is_constant = _is_constant(network, loss, optimiser, penalty)
        made: Callable[..., _Programs] = _known_programs if self.is_constant else _Programs
        # Rules that differ in their learning rates have the same code, which reads the rate from the state.
        self.programs = made(loss, getattr(optimiser, "kind", optimiser), penalty)
        self._is_large = weights > MANY
        self._is_huge = sum(np.asarray(w).nbytes for w in parameters.values()) >= HUGE
        self._owns_network, self._shelf = False, Shelf()
        # The state is given away, and a copy of the network where it is large.
        self._epochs = self.programs.epochs(batch_size, 2 if self._is_large else 1)

    @property
    def carry(self) -> tuple[Network, Any]:
        """The network and the optimiser's state."""
        self._owns_network = False
        return self._as_of_last_epoch()

    @carry.setter
    def carry(self, carry: tuple[Network, Any]) -> None:
        network, state = self._as_of_last_epoch()
        self._before, self._is_on_shelf = network, False
        self._owns_network = self._owns_network and carry[0] is network
        self._owns_state = self._owns_state and carry[1] is state
        self._carry = carry

    def keep(self) -> None:
        """Leave the carry as it is from now on: the next epoch copies the optimiser's state, too."""
        self._owns_state = False

    @property
    def network(self) -> Network:
        """The network as it is now."""
        return self.carry[0]

    @property
    def state(self) -> Any:
        """The optimiser's state, whose arrays the next epoch changes."""
        return self._as_of_last_epoch()[1]

    @state.setter
    def state(self, state: Any) -> None:
        network, before = self._as_of_last_epoch()
        self._owns_state = self._owns_state and state is before
        self._carry = network, state

    def go_back(self, epochs: int) -> None:
        """To the network as of so many epochs, where the last call of `run_epochs` has made more."""
        if self.epochs != epochs:
            self._carry, self.epochs = (self._network_before(), self.state), epochs

    def _network_before(self) -> Network:
        """The network as it was before the last epochs."""
        return self._shelf.give_back(self._before) if self._is_on_shelf else self._before

    def _as_of_last_epoch(self) -> tuple[Network, Any]:
        """The carry; with the network as it was before an epoch that has been broken off."""
        if self._is_broken_off:
            self._carry, self._is_broken_off = (self._network_before(), self._carry[1]), False
        return self._carry

    # ------------------------------------------------------------------------------------- epochs

    def epoch(self, data: Data, order: Array) -> float:
        """A step on every minibatch; the mean error of the patterns, each before the step that it leads to.

        Parameters
        ----------
        data
            What the error is a function of: patterns, targets, and where there are any the weights of the
            patterns. Each a tree of arrays, whose rows belong together.
        order
            The rows to visit: the first ``batch_size`` of them are the first minibatch, and so on.

        Raises
        ------
        DivergenceError
            When an error stops being a finite number; the network stays as it was, and the optimiser begins
            anew.
        """
        return self.run_epochs(data, order[None])[0]

    def run_epochs(self, data: Data, orders: Array, count: int | None = None) -> list[float]:
        """One epoch for every row of ``orders``, in one call where they are short; their errors.

        With a count only the first so many rows are visited: the code is that for all rows.
        """
        count = len(orders) if count is None else count
        if orders.size > self.at_a_time or self.reads_a_file(data):
            return [self._epoch_of(self._pieces(data, order)) for order in orders[:count]]
        return self._epochs_together(self._epochs, data, orders, count)[0]

    def most_watched(self, data: Data, watched: Data, rows: Array) -> int:
        """How many epochs `run_watched` makes at most: it keeps a network of each."""
        if len(rows) > self.at_a_time or self.reads_a_file(watched):
            return 1
        return self.most_kept(data)

    def most_kept(self, data: Data) -> int:
        """How many epochs `run_kept` makes at most."""
        return 1 if self.reads_a_file(data) else max(1, KEPT // max(1, self._weights))

    def run_kept(self, data: Data, orders: Array, count: int) -> tuple[list[float], Network]:
        """As `run_epochs` in one call; errors, and the networks after epochs, in the rows of their arrays.

        Raises
        ------
        ControlFlowError
            Where the code cannot be followed by a loop; nothing is changed then.
        """
        return self._epochs_together(self.programs.kept_epochs(self.batch_size), data, orders, count)

    def run_watched(
        self, data: Data, orders: Array, count: int, watched: Data, rows: Array
    ) -> tuple[list[float], list[float], Network]:
        """As `run_epochs` in one call, with a look at other patterns after every epoch.

        Returns
        -------
        errors, errors of those patterns, and the networks after the epochs, in the rows of their arrays

        Raises
        ------
        ControlFlowError
            Where the code cannot be followed by a loop; nothing is changed then.
        """
        first = self.epochs
        (piece,) = self._pieces_to_look_at(watched, rows)
        errors, networks = self.run_kept(data, orders, count)
        given = np.int64(count), *_minibatches(piece.order, piece.batch_size), watched
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.programs.errors_of_each(networks, *given)[:count]
        shares = _shares(watched, piece.order, piece.batch_size)
        looks = [float(row @ shares) / float(shares.sum()) for row in found]
        for i, error in enumerate(looks, start=1):
            self.require_finite(error, "validation", f"epoch {first + i}")
        return errors, looks, networks

    def _epochs_together(
        self, program: Callable[..., Any], data: Data, orders: Array, count: int
    ) -> tuple[list[float], Any]:
        """The errors of so many epochs, and what the program keeps of each."""
        piece = Piece(data, orders, self.batch_size)
        carry, errors, history = self._run(program, self._to_change(), self.steps, piece, count)
        shares = _shares(data, orders[:count], self.batch_size)
        found: list[float] = ((errors * shares).sum(axis=1) / shares.sum(axis=-1)).tolist()
        if not all(map(math.isfinite, found)):
            self._require_finite(errors, 0)
        self._advance(carry, errors.size, count)
        return found, history

    def epoch_of_batches(self, batches: Iterable[Data]) -> float:
        """A step on each of these minibatches; the mean error of the patterns, as that of `epoch`."""
        return self._epoch_of(Piece(batch, order, len(order)) for batch, order in _numbered(batches))

    def _epoch_of(self, pieces: Iterable[Piece]) -> float:
        """One epoch in several calls, so that an interruption is noticed in between."""
        carry, steps, total, weight = self._to_change(), 0, 0.0, 0.0
        for piece in pieces:
            piece = piece._replace(order=piece.order[None])
            carry, errors, _ = self._run(self._program_for(piece), carry, self.steps + steps, piece)
            self._require_finite(errors, steps)
            shares = _shares(piece.data, piece.order[0], piece.batch_size)
            total, weight = total + float(errors[0] @ shares), weight + float(shares.sum())
            steps += errors.size
        self._advance(carry, steps, 1)
        return total / weight

    def reads_a_file(self, data: Data) -> bool:
        """Whether data stand in a mapped file; found out once, of those learned from and those watched."""
        for known, mapped in self._known:
            if known is data:
                return mapped
        self._known = [(data, is_mapped(data)), *self._known[:1]]
        return self._known[0][1]

    def forget(self) -> None:
        """Hold neither data nor the network before any longer: whoever keeps the trainer need not, too."""
        self._before, self._is_on_shelf = self._as_of_last_epoch()[0], False
        self._known, self._shelf = [], Shelf()

    def _pieces(self, data: Data, order: Array) -> Iterator[Piece]:
        return _pieces(data, order, self.at_a_time, self.batch_size, self.reads_a_file(data))

    def _advance(self, carry: Any, steps: int, epochs: int) -> None:
        # In this order: whoever is interrupted in between can tell that there are epochs too many.
        self.steps, self.epochs = self.steps + steps, self.epochs + epochs
        self._carry, self._owns_state, self._owns_network = carry, True, self._is_huge
        self._is_broken_off = False

    def _program_for(self, piece: Piece) -> Callable[..., Any]:
        """The program for a piece: batches that somebody else makes may be larger than a minibatch here."""
        if piece.batch_size <= self.batch_size:
            return self._epochs
        return self.programs.epochs(piece.batch_size, 2 if self._is_large else 1)

    def _to_change(self) -> tuple[Network, Any]:
        """The carry in arrays that an epoch may change; the network as it is now can be had back."""
        network, state = self._as_of_last_epoch()
        if not self._owns_state:
            state = tree.map(_copied, state)
            self._carry, self._owns_state = (network, state), True
        self._before, self._is_on_shelf = network, self._owns_network and self._shelf.take(network)
        self._is_broken_off = self._is_on_shelf
        if self._is_on_shelf or not self._is_large:
            return network, state
        return tree.map(_copied, network), state

    def _run(
        self, program: Callable[..., Any], carry: Any, steps: int, piece: Piece, count: int = 1
    ) -> tuple[Any, Array, Any]:
        """Carry, errors, and what the program keeps: a row for each epoch, of the first orders of a piece."""
        key = (self.key, np.int64(steps)) if self._draws else None
        # Overflow is not warned of on the way: it is an error at the end.
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                after, errors, kept = program(
                    carry[1], carry[0], np.int64(count), piece.order, key, piece.data
                )
                carry = after[::-1]
            except ControlFlowError:
                if program is self.programs.kept_epochs(self.batch_size):
                    raise
                kept, order = (), piece.order[:count]
                carry, errors = self._step_by_step(carry, key, piece._replace(order=order))
        return carry, np.asarray(errors[:count], np.float64), kept

    def _step_by_step(self, carry: Any, key: Any, piece: Piece) -> tuple[Any, Any]:
        """For code that Python's own ``if`` leads through: a scan cannot follow it, single steps can."""
        whole, rest = _minibatches(piece.order, piece.batch_size)
        errors = np.empty((len(whole), whole.shape[1] + (rest.size > 0)))
        for number in range(len(whole)):
            keys = _keys(key, errors.shape[1], number)
            batches = (*whole[number], *([rest[number]] if rest.size else []))
            for i, batch in enumerate(batches):
                now = None if keys is None else keys[i]
                carry, errors[number, i] = self.programs.step(carry, now, rows_of(piece.data, batch))
        return carry, errors

    def after_epochs(self, errors: Iterable[float]) -> None:
        """Tell the optimiser the training errors of epochs that were made in one call.

        An adaptive learning rate acts here: the optimiser's ``after_epoch(state, error)`` gives its state
        for the next epoch.
        """
        if self.acts_between_epochs:
            state = self.state
            for error in errors:
                state = self.optimiser.after_epoch(state, error)
            self.state = tree.map(_as_numpy, state)

    @property
    def steady_epochs(self) -> float:
        """How many epochs may be made in one call before the optimiser is told their errors."""
        if not self.acts_between_epochs:
            return math.inf
        is_known = _gives_state_away(self.optimiser)
        return getattr(_schedule_of(self.state), "steady_epochs", 1) if is_known else 1

    @functools.cached_property
    def acts_between_epochs(self) -> bool:
        """Whether the optimiser changes its state there."""
        if not hasattr(self.optimiser, "after_epoch"):
            return False
        state = self.state
        told = self.optimiser.after_epoch(state, float("-inf"))  # lower than anything before
        if told is state:
            return False
        leaves = tree.flatten(state)[0], tree.flatten(told)[0]
        return not all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))

    @property
    def is_exhausted(self) -> bool:
        """Whether the optimiser's learning rate has come to its end."""
        return bool(getattr(_schedule_of(self.state), "is_exhausted", False))

    # --------------------------------------------------------------------------------- prediction

    @property
    def trained(self) -> Network:
        """The network to predict with: of averaged weights where the optimiser keeps an average."""
        network, state = self.carry
        found = _trained(self.optimiser, network, state)
        return found if found is network else tree.map(_copied, found)

    @property
    def _looking(self) -> Network:
        """The network to predict with, for as long as no epoch is made."""
        return _trained(self.optimiser, *self._as_of_last_epoch())

    def error(self, data: Data, rows: Array | None = None) -> float:
        """The error of the network as it is, in prediction, on all rows or on these.

        Raises
        ------
        DivergenceError
            When it is not a finite number.
        """
        return self._error_of(self._pieces_to_look_at(data, rows))

    def error_of_batches(self, batches: Iterable[Data]) -> float:
        """The error of the network as it is, in prediction, on all of these batches."""
        return self._error_of(piece for batch in batches for piece in self._pieces_to_look_at(batch, None))

    def _error_of(self, pieces: Iterable[Piece]) -> float:
        network, total, weight = self._looking, 0.0, 0.0
        for piece in pieces:
            errors = np.concatenate(_look(self.programs.errors, network, piece), dtype=np.float64)
            shares = _shares(piece.data, piece.order, piece.batch_size)
            total, weight = total + float(errors @ shares), weight + float(shares.sum())
        self.require_finite(total / weight, "validation", f"epoch {self.epochs}")
        return total / weight

    def outputs(self, data: Data, rows: Array | None = None) -> Any:
        """What the network as it is predicts for the patterns in all rows, or in these."""
        network, pieces = self._looking, self._pieces_to_look_at(data[:1], rows)
        found = [stack for piece in pieces for stack in _look(self.programs.outputs, network, piece)]
        return tree.map(lambda *ys: np.concatenate([y.reshape(-1, *y.shape[2:]) for y in ys]), *found)

    def _pieces_to_look_at(self, data: Data, rows: Array | None) -> Iterator[Piece]:
        rows = np.arange(count_of(data)) if rows is None else rows
        size = _even_size(len(rows), max(self.batch_size, PATTERNS_AT_A_TIME))
        return _pieces(data, rows, -(-self.at_a_time // size) * size, size, self.reads_a_file(data))

    # --------------------------------------------------------------------------------- divergence

    def _require_finite(self, errors: Array, steps: int) -> None:
        """Errors of epochs by row, of which the first begins after so many steps."""
        finite = np.isfinite(errors)
        if not finite.all():
            first = int(np.argmin(finite))
            epoch, step = divmod(first, errors.shape[1])
            where = f"epoch {self.epochs + epoch + 1}, step {steps + step + 1}"
            self.carry = tree.map(_as_numpy, (self.network, self.optimiser.init(nn.parameters(self.network))))
            self.require_finite(errors.flat[first], "training", where)

    def require_finite(self, error: float, which: str, where: str) -> None:
        """Refuse an error that is no finite number: training has diverged."""
        if not np.isfinite(error):
            rate = getattr(self.optimiser, "learning_rate", None)
            now = f" (it is {rate:g})" if isinstance(rate, int | float) else ""
            raise DivergenceError(
                f"training diverged: the {which} error became {error} in {where}; "
                f"lower the learning rate{now}, or standardise the data"
            )


# --------------------------------------------------------------------------------------- minibatches


def _minibatches(order: Array, size: int) -> tuple[Array, Array]:
    """Whole minibatches as rows, and what is left over; of several orders, in rows, those of each.

    Fewer patterns than a minibatch takes are a whole one: no memory is planned for those that are not there.
    """
    *several, count = order.shape
    size = min(size, count) or size
    whole = count // size * size
    return order[..., :whole].reshape(*several, -1, size), order[..., whole:]


def _pieces(data: Data, order: Array, at_a_time: int, batch_size: int, mapped: bool) -> Iterator[Piece]:
    """An order in pieces of whole minibatches; what stands in a mapped file is read a piece at a time."""
    if mapped:
        at_a_time = min(at_a_time, max(1, MAPPED_AT_A_TIME // batch_size) * batch_size)
    for start in range(0, len(order), at_a_time):
        rows = order[start : start + at_a_time]
        if mapped:
            yield Piece(gathered(data, rows), np.arange(len(rows)), batch_size)
        else:
            yield Piece(data, rows, batch_size)


def _numbered(batches: Iterable[Data]) -> Iterator[tuple[Data, Array]]:
    """Batches with the numbers of their rows."""
    return ((batch, np.arange(count_of(batch))) for batch in batches)


@functools.lru_cache(maxsize=64)
def _even_size(count: int, most: int) -> int:
    """A size of at most so many that divides the count, if there is one that is not much smaller."""
    pieces = range(-(-count // most), 2 * (-(-count // most)) + 1)
    return next((count // p for p in pieces if count % p == 0), most)


@functools.lru_cache(maxsize=64)
def _sizes(count: int, batch_size: int) -> Array:
    """How many patterns each of the minibatches has."""
    whole, rest = divmod(count, batch_size)
    return np.asarray([batch_size] * whole + [rest] * (rest > 0), np.float64)


def _shares(data: Data, order: Array, batch_size: int) -> Array:
    """What each minibatch counts for in the mean error: its patterns, or the sum of their weights."""
    if len(data) < 3:
        return _sizes(order.shape[-1], batch_size)
    weights = [part.sum(axis=-1, dtype=np.float64) for part in _minibatches(data[2][order], batch_size)]
    return np.concatenate([weights[0], weights[1][..., None]][: 1 + (order.shape[-1] % batch_size > 0)], -1)


# ------------------------------------------------------------------------------------------ programs


QUICK = Options(Underflow.ABRUPT)


@functools.cache
def _first_key() -> Array:
    """What a network draws with that is given nothing else."""
    return np.asarray(random.key(0))


class _Programs:
    """The compiled functions of a loss and an optimiser: epochs, a step, and prediction."""

    def __init__(self, loss: Loss, optimiser: Optimiser, penalty: Penalty | None) -> None:
        loss = inspected(loss)
        made = functools.partial(_epochs_of, loss, optimiser, penalty)
        self.epochs = functools.cache(lambda size, given: compiled(made(size), QUICK._replace(given=given)))
        kept = functools.partial(_trained, optimiser)
        self.kept_epochs = functools.cache(lambda size: compiled(made(size, kept), QUICK._replace(given=1)))
        self.step = _quick(_step_of(loss, optimiser, penalty))
        errors = _batch_by_batch(lambda network, x, *targets: loss(network(x), *targets))
        self.errors, self.errors_of_each = _quick(errors), _quick(_one_by_one(errors))
        self.outputs = _quick(_batch_by_batch(lambda network, x: network(x)))


def _quick(f: Callable[..., Any]) -> Compiled:
    """A function as `wengert.jit` compiles it, but for subnormal numbers, which count as zero.

    The probabilities of a converged classifier are full of them, and made its steps four times as long.
    """
    return compiled(f, QUICK)


# Whoever trains many networks alike, as in cross-validation, has them compiled once.
_known_programs = functools.lru_cache(maxsize=32)(_Programs)


def _is_constant(network: Network, loss: Loss, optimiser: Any, penalty: Penalty | None) -> bool:
    """Whether all of it is this package's own, so that nothing it reads can change between two trainings."""
    parts = (part for part in (loss, type(optimiser), penalty) if part is not None)
    return all(map(is_ours, parts)) and nn.is_known(network)


def _as_numpy(leaf: Any) -> Any:
    """Python's numbers as NumPy's, which they become in the first step: all epochs have one signature."""
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]


def _copied(leaf: Any) -> Any:
    """An array as one that nobody else has."""
    return leaf.copy() if type(leaf) is np.ndarray else _as_numpy(leaf)


def _first_state(optimiser: Any, parameters: Any) -> Any:
    """Methods that take all patterns at once keep nothing from one call to the next."""
    return optimiser.init(parameters) if hasattr(optimiser, "init") else ()


def _gives_state_away(optimiser: Any) -> bool:
    """Whether this package has made an optimiser's arrays, and has forgotten them."""
    return is_ours(type(optimiser)) and (not hasattr(optimiser, "rule") or _gives_state_away(optimiser.rule))


def _schedule_of(state: Any) -> Any:
    """That of the learning rate, where a state has one."""
    while hasattr(state, "rule"):  # a rule around another
        state = state.rule
    return getattr(state, "schedule", None)


def _stand_alone(network: Network, state: Any) -> bool:
    """Whether no array of a state has memory in common with another one, or with the network."""
    arrays, others = ([a for a in tree.flatten(t)[0] if isinstance(a, np.ndarray)] for t in (state, network))
    owners = {id(_owner(other)) for other in others}
    distinct = len(owners.union(map(id, arrays))) == len(owners) + len(arrays)
    return distinct and all(array.flags.owndata for array in arrays)


def _owner(array: Array) -> Array:
    """The array that the memory belongs to."""
    return _owner(array.base) if isinstance(array.base, np.ndarray) else array


def _step_of(
    loss: Loss, optimiser: Optimiser, penalty: Penalty | None
) -> Callable[[Any, Any, Data], tuple[Any, Any]]:
    """A step on a minibatch: from network and state to the next ones, and the error before."""

    def error_of(parameters: Any, network: Network, key: Any, x: Any, *targets: Any) -> tuple[Any, Network]:
        network = nn.replaced(network, parameters)
        y, after = nn.forward(network, x, key)
        error = loss(y, *targets)
        return (error if penalty is None else error + penalty(network)), after

    error_and_gradient = value_and_grad(error_of, has_aux=True)

    def step(carry: Any, key: Any, data: Data) -> tuple[Any, Any]:
        network, state = carry
        parameters = nn.parameters(network)
        (error, after), gradient = error_and_gradient(parameters, network, key, *data)
        parameters, state = optimiser.update(gradient, state, parameters)
        return (nn.replaced(after, parameters), state), error

    return step


def _epochs_of(
    loss: Loss,
    optimiser: Optimiser,
    penalty: Penalty | None,
    batch_size: int,
    kept: Callable[..., Any] = lambda network, state: (),
) -> Callable[..., tuple[Any, Any, Any]]:
    """Some epochs, of which the first so many are made: minibatches are named by indices of patterns.

    What is ``kept`` of network and state is given for the end of every epoch.
    """
    epoch = functools.partial(_epoch, _step_of(loss, optimiser, penalty), batch_size)

    def epochs(
        state: Any, network: Network, count: Any, orders: Array, key: Any, data: Data
    ) -> tuple[Any, Any, Any]:
        carry, steps = (network, state), -(-orders.shape[1] // batch_size)
        if len(orders) == 1:
            carry, errors = epoch(carry, orders[0], _keys(key, steps), data)
            return carry[::-1], np.stack([errors]), tree.map(lambda w: np.stack([w]), kept(*carry))

        def one_more(now: Any) -> Any:
            i, carry, errors, history = now
            carry, errors[i] = epoch(carry, orders[i], _keys(key, steps, i), data)
            return i + 1, carry, errors, tree.map(functools.partial(_with_row, i), history, kept(*carry))

        history = tree.map(lambda w: np.zeros((len(orders), *np.shape(w)), w.dtype), kept(*carry))
        start = np.int64(0), carry, np.zeros((len(orders), steps)), history
        _, carry, errors, history = while_loop(lambda now: now[0] < count, one_more, start)
        return carry[::-1], errors, history

    return epochs


def _with_row(i: Any, rows: Any, row: Any) -> Any:
    """An array with another row in the place of one."""
    rows[i] = row
    return rows


def _trained(optimiser: Any, network: Network, state: Any) -> Network:
    """The network to predict with: of averaged weights where the optimiser keeps an average."""
    if not hasattr(optimiser, "averaged"):
        return network
    parameters = nn.parameters(network)
    averages = optimiser.averaged(state, parameters)
    return network if averages is parameters else nn.replaced(network, averages)


def _epoch(
    step: Callable[..., Any], batch_size: int, carry: Any, order: Array, keys: Any, data: Data
) -> tuple[Any, Any]:
    """A step on each whole minibatch, and one on what is left: the carry, and the errors before the steps."""
    whole, rest = _minibatches(order, batch_size)

    def on(carry: Any, now: Any) -> tuple[Any, Any]:
        batch, key = now
        return step(carry, key, rows_of(data, batch))

    carry, errors = scan(on, carry, (whole, rows_of(keys, slice(len(whole)))))
    if not len(rest):
        return carry, errors
    carry, last = on(carry, (rest, rows_of(keys, -1)))
    return carry, np.append(errors, last)


def _keys(key: Any, steps: int, epoch: Any = 0) -> Any:
    """If there is a key of all, and the number of the first step: a key for each step of an epoch."""
    if key is None:
        return None
    return random.fold_in(key[0], key[1] + epoch * steps + np.arange(steps))


def _batch_by_batch(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f(network, *data)`` of one batch after the other."""

    def results(network: Network, whole: Array, rest: Array, data: Data) -> Any:
        def on(batch: Array) -> Any:
            return f(network, *rows_of(data, batch))

        if len(whole) == 1:  # Python's own `if` may lead through the code: there is no loop around it
            found = tree.map(lambda y: np.stack([y]), on(whole[0]))
        else:
            _, found = scan(lambda _, batch: (0.0, on(batch)), 0.0, whole)
        return [found, tree.map(lambda y: np.stack([y]), on(rest))] if len(rest) else [found]

    return results


def _one_by_one(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f(network, ...)`` of the first so many networks, which stand in the rows of their arrays."""

    def results(networks: Network, count: Any, whole: Array, rest: Array, data: Data) -> Any:
        def one_more(now: Any) -> Any:
            i, found = now
            network = tree.map(lambda rows: rows[i], networks)
            found[i] = np.concatenate(f(network, whole, rest, data))
            return i + 1, found

        found = np.zeros((len(tree.flatten(networks)[0][0]), len(whole) + (rest.size > 0)))
        return while_loop(lambda now: now[0] < count, one_more, (np.int64(0), found))[1]

    return results


def _look(program: Callable[..., Any], network: Network, piece: Piece) -> list[Any]:
    """Results of a program batch by batch, those of batches of one size stacked."""
    whole, rest = _minibatches(piece.order, piece.batch_size)
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return program(network, whole, rest, piece.data)
        except ControlFlowError:
            parts = [*whole, *([rest] if len(rest) else [])]
            return [y for part in parts for y in program(network, part[None], part[:0], piece.data)]
