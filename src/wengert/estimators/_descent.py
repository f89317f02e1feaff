r"""The solvers ``"sgd"`` and ``"adam"``: epochs of minibatch descent until nothing improves any more.

After every epoch the error of training (or, with early stopping, the score of patterns kept aside) is
compared with the best so far. When it has not improved by ``tol`` for more than ``n_iter_no_change`` epochs
in a row, training ends; an adaptive rate is divided by 5 instead, until it is below :math:`10^{-6}`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from wengert import nn, optim, random
from wengert._blas import one_blas_thread
from wengert.core import tree
from wengert.errors import DivergenceError, warn
from wengert.estimators import _draws
from wengert.estimators._inputs import is_sparse, rows
from wengert.estimators._joining import not_converged
from wengert.estimators._listeners import told_of_epoch
from wengert.estimators._objective import Penalised, error_of
from wengert.train import Trainer
from wengert.train._orders import AsTheyStand, Orders

Array = np.ndarray

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)
SMALLEST_RATE = 1e-6
BYTES_AT_A_TIME = 1 << 25  # of a sparse matrix made dense


@dataclass(frozen=True)
class Sample:
    """Patterns, targets, and weights of the patterns if there are any.

    Attributes
    ----------
    x, t, weights
        One row, target and number for each pattern.
    rows
        Those that are trained on, if not all: nothing is copied for that.
    """

    x: Any
    t: Array
    weights: Array | None = None
    rows: Array | None = None

    def __len__(self) -> int:
        return self.x.shape[0] if self.rows is None else len(self.rows)

    @property
    def visited(self) -> Array:
        """The rows that are trained on."""
        return np.arange(len(self)) if self.rows is None else self.rows

    def take(self, chosen: Array) -> Sample:
        """Some of the patterns, copied."""
        return Sample(self.x[chosen], self.t[chosen], None if self.weights is None else self.weights[chosen])

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What the error is a function of."""
        return self.x, self.targets

    @property
    def targets(self) -> Any:
        """Targets, with the weights of the patterns if there are any."""
        return self.t if self.weights is None else (self.t, self.weights)


class Descent:
    """The update rule and its state, which the next call of ``partial_fit`` goes on with."""

    def __init__(self, rule: optim.Steps, objective: Penalised) -> None:
        self.rule: Any = rule
        self.trainers: dict[Any, Trainer] = {}
        self.begin(objective)

    def begin(self, objective: Penalised) -> None:
        """The state before the first step."""
        state = self.rule.init(nn.parameters(objective))
        self.state = tree.map(lambda leaf: np.asarray(leaf)[()] if np.ndim(leaf) == 0 else leaf, state)

    def rename(self, before: Penalised, after: Penalised) -> None:
        """Go on with another network of the same arrays, whose layers are others: so their names are."""
        names = dict(zip(nn.parameters(before), nn.parameters(after), strict=True))
        self.state = tree.map_parts(
            lambda part: {names[name]: array for name, array in part.items()},
            lambda part: isinstance(part, dict) and part.keys() == names.keys(),
            self.state,
        )
        self.trainers = {}

    def __getstate__(self) -> dict[str, Any]:
        """All but the trainers, which are machine code."""
        return vars(self) | {"trainers": {}}

    def trainer(self, objective: Penalised, error: Any, batch_size: int) -> Trainer:
        """A trainer that goes on from here."""
        found = self.trainers.get((error, batch_size))
        if found is not None:
            found.carry = (objective, self.state)
            return found
        rule = getattr(self.rule, "kind", self.rule)
        found = Trainer(objective, error, rule, batch_size, state=self.state)
        self.trainers = {(error, batch_size): found}
        return found

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.rule.rate(self.state))

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.state = self.rule.with_schedule(self.state, rate)


def rule_of(estimator: Any) -> optim.Steps:
    """The update rule that the parameters of an estimator name."""
    e = estimator
    if e.optimizer is not None:
        return e.optimizer
    rate = e.learning_rate_init if isinstance(e.learning_rate, str) else e.learning_rate
    if e.solver == "adam":
        return adam(rate, e.beta_1, e.beta_2, e.epsilon)
    return momentum(rate, e.momentum, e.nesterovs_momentum)


def adam(rate: Any, beta_1: float, beta_2: float, epsilon: float) -> optim.Adam:
    """Adam as scikit-learn has it."""
    return optim.Adam(rate, beta_1, beta_2, eps=0.0, eps_hat=epsilon)


def momentum(rate: Any, share: float, nesterov: bool) -> optim.Momentum:
    """Momentum as scikit-learn has it, whose share may be 1: here the largest number below."""
    made = optim.Nesterov if nesterov else optim.Momentum
    return made(rate, min(share, np.nextafter(1.0, 0.0)))


def objective_of(estimator: Any) -> Penalised:
    """What training makes small: the network, with the penalty on its weights."""
    dtype = estimator.coefs_[0].dtype
    return Penalised(estimator.network_, np.asarray(estimator.alpha, dtype))


# ------------------------------------------------------------------------------------------- epochs


def descend(estimator: Any, sample: Sample, aside: Sample | None, epochs: int) -> None:
    """Train for some epochs, or until nothing improves; the estimator's attributes tell the course."""
    estimator.n_iter_, estimator.stopped_early_ = 0, False
    trainer = _trainer(estimator, _batch_size(estimator.batch_size, len(sample)))
    watched = _is_watched(estimator, aside)
    try:
        with one_blas_thread() if watched or not trainer.is_constant else nullcontext():
            _descend(estimator, trainer, sample, aside, epochs)
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    except DivergenceError:
        estimator._optimizer.begin(objective_of(estimator))
        _end_diverged(estimator, aside)
    finally:
        trainer.forget()
        estimator._adopt(_trained(estimator, trainer))


def _descend(estimator: Any, trainer: Trainer, sample: Sample, aside: Sample | None, epochs: int) -> None:
    orders = _orders(estimator, sample.visited)
    watched = _is_watched(estimator, aside)
    told = estimator.optimizer is not None or not isinstance(estimator.learning_rate, str)
    alone = watched or estimator.verbose or is_sparse(sample.x) or _changes_rate(estimator, trainer, told)
    most = 1 if alone else orders.most(trainer.at_a_time)

    def some(count: int) -> None:
        errors = _errors(trainer, sample, orders.of(estimator.n_iter_ + 1, count, most), count)
        if told:
            trainer.after_epoch(errors[-1])
        estimator._optimizer.state = trainer.state
        if watched:
            estimator._adopt(_trained(estimator, trainer))
        for estimator.loss_ in errors:
            _note(estimator, len(sample), aside)

    while (left := epochs - estimator.n_iter_) > 0:
        ends = told_of_epoch(estimator, partial(some, min(most, left, _until_over(estimator))))
        if _is_over(estimator) or trainer.is_exhausted or _stops(estimator) or ends:
            estimator.stopped_early_ = True
            return
        trainer.state = estimator._optimizer.state  # whose rate may have changed


def _orders(estimator: Any, visited: Array) -> Orders:
    further = _draws.ShuffledFurther(estimator._random_state, visited)
    return further if estimator.shuffle else AsTheyStand(visited)


def _is_watched(estimator: Any, aside: Sample | None) -> bool:
    """Whether anything is done with the network between epochs."""
    return aside is not None or bool(estimator.callbacks) or hasattr(estimator, "_callback_fit_ctx")


def _changes_rate(estimator: Any, trainer: Trainer, told: bool) -> bool:
    """Whether the learning rate may be another one after every epoch."""
    if told:
        return trainer.acts_between_epochs
    return estimator.solver == "sgd" and estimator.learning_rate == "invscaling"


def _until_over(estimator: Any) -> int:
    """After how many epochs a lack of improvement may end the training at the earliest."""
    left = estimator.n_iter_no_change + 1 - estimator._no_improvement_count
    return sys.maxsize if left == np.inf else max(1, left)


def _trained(estimator: Any, trainer: Trainer) -> Any:
    """The network to predict with; a rule of the user's may average weights."""
    return (trainer.network if estimator.optimizer is None else trainer.trained).network


def _stops(estimator: Any) -> bool:
    """Whether a callback ends the training; all of them are called."""
    return any([callback(estimator) is True for callback in estimator.callbacks])


def warn_unless_converged(estimator: Any) -> None:
    """The warning that training went on to the last epoch it was allowed."""
    if estimator.n_iter_ < estimator.max_iter or estimator.stopped_early_:
        return
    warn(
        f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization "
        "hasn't converged yet. Raise max_iter, or the learning rate if the error still falls.",
        not_converged(),
    )


def _trainer(estimator: Any, batch_size: int) -> Trainer:
    objective = objective_of(estimator)
    error = error_of(estimator._loss, estimator.out_activation_)
    trainer = estimator._optimizer.trainer(objective, error, batch_size)
    if nn.needs_key(objective):
        trainer.key, trainer.steps = _key(estimator), 0
    return trainer


def _key(estimator: Any) -> Any:
    """What dropout draws from: another one in every call."""
    return random.fold_in(random.key(int(estimator._random_state.randint(2**31))), estimator.t_)


def _batch_size(wanted: Any, patterns: int) -> int:
    if isinstance(wanted, str):
        return min(200, patterns)
    if wanted > patterns:
        warn(f"Got `batch_size`={wanted}, larger than the sample of {patterns}. It is going to be clipped")
    return min(int(wanted), patterns)


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
        yield Sample(rows(sample.x, chosen), sample.t[chosen], weights)


def _note(estimator: Any, patterns: int, aside: Sample | None) -> None:
    """The course of training after an epoch."""
    e = estimator
    e.n_iter_ += 1
    e.t_ += patterns
    e.loss_curve_.append(e.loss_)
    if e.verbose:
        print(f"Iteration {len(e.loss_curve_)}, loss = {e.loss_:.8f}")
    if aside is not None:
        _note_score(e, aside)
    if not e.early_stopping:
        _note_error(e)
    if e.optimizer is None and e.solver == "sgd" and e.learning_rate == "invscaling":
        e._optimizer.learning_rate = e.learning_rate_init / (e.t_ + 1) ** e.power_t


def _note_error(e: Any) -> None:
    e._no_improvement_count = e._no_improvement_count + 1 if e.loss_ > e.best_loss_ - e.tol else 0
    e.best_loss_ = min(e.best_loss_, e.loss_)


def _note_score(e: Any, aside: Sample) -> None:
    score = e._score_aside(aside)
    e.validation_scores_ = [*(e.validation_scores_ or ()), score]
    if e.verbose:
        print(f"Validation score: {score:f}")
    best = -np.inf if e.best_validation_score_ is None else e.best_validation_score_
    if e.early_stopping:
        e._no_improvement_count = e._no_improvement_count + 1 if score < best + e.tol else 0
    if score > best:
        e.best_validation_score_, e._best = score, e.network_


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


def _is_adaptive(e: Any) -> bool:
    return e.optimizer is None and e.solver == "sgd" and e.learning_rate == "adaptive"


def _end_diverged(estimator: Any, aside: Sample | None) -> None:
    """With patterns kept aside the best network stays; without, there is none."""
    if aside is None or not estimator.early_stopping:
        raise ValueError(
            f"{NOT_FINITE} Standardise the data, or lower learning_rate_init "
            f"(it is {estimator.learning_rate_init:g})."
        )
    estimator.n_iter_ += 1
    estimator.loss_ = float("nan")
    estimator.loss_curve_.append(estimator.loss_)
    estimator.validation_scores_.append(float("nan"))
    estimator.stopped_early_ = True
