r"""The epochs of a descent: when they end, and how many of them are one call of native code.

After every epoch the error of training (or, with early stopping, the score of patterns kept aside) is
compared with the best so far. When it has not improved by ``tol`` for more than ``n_iter_no_change`` epochs
in a row, training ends; an adaptive rate is divided by 5 instead, until it is below :math:`10^{-6}`. A rate
of inverse scaling falls after every epoch, with the patterns :math:`t` that have been visited by then,

.. math:: \eta = \eta_0 / (t + 1)^p.

A call makes as many epochs as cannot be too many, and keeps the network of each where a score is taken. One
in which training diverges is taken back, and its epochs are made one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.errors import ControlFlowError, DivergenceError
from wengert.estimators import _draws
from wengert.estimators._inputs import is_sparse, rows
from wengert.estimators._listeners import told_of_epoch
from wengert.estimators._sample import Sample
from wengert.optim._schedule import Schedule
from wengert.train import Trainer
from wengert.train._orders import AsTheyStand, Drawn

Array = np.ndarray

SMALLEST_RATE = 1e-6
BYTES_AT_A_TIME = 1 << 25  # of a sparse matrix made dense


@dataclass(frozen=True)
class Listed(Schedule):
    """Rates of one epoch after the other, each of so many steps from the first on; then that of the last."""

    rates: Array
    first: Any
    each: Any

    def __call__(self, steps: Any) -> Any:
        """The rate of the epoch that the step is of."""
        return self.rates[np.minimum((steps - self.first) // self.each, len(self.rates) - 1)]


class Mark(NamedTuple):
    """What epochs change besides the network."""

    state: Any
    rng: Any
    rows: Array


class Course:
    """The epochs that a call of ``fit`` or ``partial_fit`` makes; the estimator's attributes tell of them."""

    def __init__(
        self, estimator: Any, trainer: Trainer, sample: Sample, aside: Sample | None, epochs: int
    ) -> None:
        self.estimator, self.trainer, self.sample, self.aside = estimator, trainer, sample, aside
        self.epochs, self._row = epochs, None
        visited = sample.visited
        further = partial(_draws.ShuffledFurther, estimator._random_state)
        self._orders: AsTheyStand | Drawn = further(visited) if estimator.shuffle else AsTheyStand(visited)
        self._told = estimator.optimizer is not None or not isinstance(estimator.learning_rate, str)
        self._listened = bool(estimator.callbacks) or hasattr(estimator, "_callback_fit_ctx")
        self._tells = aside is not None or bool(estimator.verbose)
        self._room = 1 if is_sparse(sample.x) else self._orders.most(trainer.at_a_time)
        self._span, self._keeps = self._most()
        self._room = self._span if self._keeps else self._room

    @property
    def is_native(self) -> bool:
        """Whether nothing but machine code is run."""
        return self.trainer.is_constant and not self._listened and self.aside is None

    @property
    def network(self) -> Any:
        """The network to predict with, as of the last epoch that the estimator tells of."""
        return self._trained() if self._row is None else tree.map(_alone, self._row)

    def run(self) -> None:
        """All epochs, or fewer if there is a reason."""
        e = self.estimator
        while (left := self.epochs - e.n_iter_) > 0:
            count = int(min(self._span, left, _until_over(e), self.trainer.steady_epochs))
            ends = told_of_epoch(e, partial(self._advance, count))
            if _is_over(e) or self.trainer.is_exhausted or _stops(e) or ends:
                e.stopped_early_ = True
                return
            self.trainer.state = e._optimizer.state  # whose rate may have changed

    def _trained(self) -> Any:
        """The trainer's network; a rule of the user's may average weights."""
        trainer = self.trainer
        return (trainer.network if self.estimator.optimizer is None else trainer.trained).network

    # -------------------------------------------------------------------------------------- epochs

    def _most(self) -> tuple[int, bool]:
        """How many epochs one call makes at most, and whether it keeps the networks after them.

        The code has room for as many as there might be, and does not depend on who wants to know what.
        """
        if self._listened or is_sparse(self.sample.x):
            return 1, False
        if not self._tells:
            return self._room, False
        most = min(self._room, self.trainer.most_kept(self.sample.arrays))
        return (1, False) if self.epochs == 1 or most == 1 else (most, self.aside is not None)

    def _advance(self, count: int) -> None:
        """So many epochs, and what there is to tell of them: of each that was made before one diverges."""
        before = self._mark() if self._keeps or (self._tells and count > 1) else None
        try:
            errors, networks = self._made(count)
        except (ControlFlowError, DivergenceError) as error:
            diverged = isinstance(error, DivergenceError)
            if before is None or (diverged and count == 1):
                raise
            self._return_to(before)
            self._span, self._keeps = 1, self._keeps and diverged
            return self._advance(1)
        if self._told:
            self.trainer.after_epochs(errors)
        self.estimator._optimizer.state = self.trainer.state
        self._note(errors, networks)

    def _made(self, count: int) -> tuple[list[float], Any]:
        """Errors of so many epochs, and where they are wanted the networks in the rows of their arrays."""
        orders = self._orders.of(self.estimator.n_iter_ + 1, count, self._room)
        if _is_inverse(self.estimator):
            self.trainer.state = self._with_rates(self.trainer.state)
        if not self._keeps:
            return _errors(self.trainer, self.sample, orders, count), None
        errors, objectives = self.trainer.run_kept(self.sample.arrays, orders, count)
        return errors, objectives.network

    def _with_rates(self, state: Any) -> Any:
        """The optimiser's state with the rates of the epochs to come, and of the one after them."""
        e, count = self.estimator, len(self.sample)
        visited = (e.t_ + i * count for i in range(1, self._room + 1))
        rates = [e._optimizer.learning_rate, *(e.learning_rate_init / (t + 1) ** e.power_t for t in visited)]
        each = np.int64(-(-count // self.trainer.batch_size))
        return state._replace(schedule=Listed(np.array(rates), np.int64(state.steps), each))

    def _mark(self) -> Mark:
        state = tree.map(_alone, self.trainer.state)
        return Mark(state, self.estimator._random_state.get_state(legacy=False), self._orders.rows.copy())

    def _return_to(self, mark: Mark) -> None:
        """As if the epochs since then had not been."""
        self.trainer.state = self.estimator._optimizer.state = mark.state
        self.estimator._random_state.set_state(mark.rng)
        self._orders.rows[:] = mark.rows

    # ------------------------------------------------------------------------------------- the course

    def _note(self, errors: list[float], networks: Any) -> None:
        """The course of training after these epochs."""
        if self._listened:
            self.estimator._adopt(self._trained())
        for self._row, error in zip(repeat(None) if networks is None else _rows_of(networks), errors):
            self._note_one(error)
        self._row = None

    def _note_one(self, error: float) -> None:
        e = self.estimator
        e.n_iter_ += 1
        e.t_ += len(self.sample)
        e.loss_ = error
        e.loss_curve_.append(error)
        if e.verbose:
            print(f"Iteration {len(e.loss_curve_)}, loss = {error:.8f}")
        if self.aside is not None:
            network = self._trained() if self._row is None else self._row
            self._note_score(e, e._score_aside(network, self.aside))
        if not e.early_stopping:
            _note_error(e)

    def _note_score(self, e: Any, score: float) -> None:
        e.validation_scores_ = e.validation_scores_ or []
        e.validation_scores_.append(score)
        if e.verbose:
            print(f"Validation score: {score:f}")
        best = -np.inf if e.best_validation_score_ is None else e.best_validation_score_
        if e.early_stopping:
            e._no_improvement_count = e._no_improvement_count + 1 if score < best + e.tol else 0
        if score > best:
            e.best_validation_score_, e._best = score, self.network


def _rows_of(networks: Any) -> Iterator[Any]:
    """Networks that stand in the rows of their arrays, one after the other."""
    leaves, structure = tree.flatten(networks)
    return (tree.unflatten(structure, row) for row in zip(*leaves))


def _alone(leaf: Any) -> Any:
    """An array or a number that nothing else is part of."""
    return leaf.copy()


def _note_error(e: Any) -> None:
    e._no_improvement_count = e._no_improvement_count + 1 if e.loss_ > e.best_loss_ - e.tol else 0
    e.best_loss_ = min(e.best_loss_, e.loss_)


# ------------------------------------------------------------------------------------------- its end


def _until_over(estimator: Any) -> float:
    """After how many epochs a lack of improvement may end the training at the earliest."""
    return max(1, estimator.n_iter_no_change + 1 - estimator._no_improvement_count)


def _is_over(estimator: Any) -> bool:
    """Whether too many epochs brought no improvement; an adaptive rate falls first."""
    e = estimator
    if e._no_improvement_count <= e.n_iter_no_change:
        return False
    what = "Validation score" if e.early_stopping else "Training loss"
    message = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
    falls = _is_adaptive(e) and e._optimizer.learning_rate > SMALLEST_RATE
    if falls:
        e._optimizer.learning_rate /= 5.0
        e._no_improvement_count = 0
        message += f" Setting learning rate to {e._optimizer.learning_rate:f}."
    if e.verbose:
        print(message + ("" if falls else " Stopping."))
    return not falls


def _stops(estimator: Any) -> bool:
    """Whether a callback ends the training; all of them are called."""
    return any([callback(estimator) is True for callback in estimator.callbacks])


def _is_adaptive(e: Any) -> bool:
    return e.optimizer is None and e.solver == "sgd" and e.learning_rate == "adaptive"


def _is_inverse(e: Any) -> bool:
    return e.optimizer is None and e.solver == "sgd" and e.learning_rate == "invscaling"


# ------------------------------------------------------------------------------------------- errors


def _errors(trainer: Trainer, sample: Sample, orders: Array, count: int) -> list[float]:
    """The mean errors of so many epochs."""
    if not is_sparse(sample.x):
        return trainer.run_epochs(sample.arrays, orders, count)
    (order,) = orders
    errors = [
        trainer.epoch(piece.arrays, np.arange(len(piece))) * len(piece)
        for piece in _dense_pieces(sample, order, trainer.batch_size)
    ]
    return [sum(errors) / len(order)]


def _dense_pieces(sample: Sample, order: Array, batch_size: int) -> Iterator[Sample]:
    """A sparse sample in the order of the epoch, some minibatches at a time."""
    row = sample.x.shape[1] * sample.x.dtype.itemsize
    size = batch_size * max(1, BYTES_AT_A_TIME // (row * batch_size))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        weights = None if sample.weights is None else sample.weights[chosen]
        yield replace(sample, x=rows(sample.x, chosen), t=sample.t[chosen], weights=weights, rows=None)
