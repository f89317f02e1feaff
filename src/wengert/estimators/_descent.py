r"""The solvers ``"sgd"`` and ``"adam"``: a rule, its state, and the patterns that a descent visits.

.. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} - \eta\, \mathbf d(\nabla E_\tau(\mathbf w^{(\tau)}))

The state goes from one call of ``partial_fit`` to the next; the epochs themselves are those of
:mod:`wengert.estimators._course`.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np

from wengert import nn, optim, random
from wengert._blas import one_blas_thread
from wengert.core import tree
from wengert.errors import DivergenceError, warn
from wengert.estimators._course import Course
from wengert.estimators._joining import not_converged
from wengert.estimators._objective import Penalised, error_of
from wengert.estimators._sample import Sample
from wengert.train import Trainer

Array = np.ndarray

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


def require_finite_weights(*weights: Array) -> None:
    """Refuse what an optimiser of all patterns at once has found, if that is no network."""
    if not all(np.isfinite(w).all() for w in weights):
        raise ValueError(f"{NOT_FINITE} Standardise the data.")


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
    def learning_rate(self, rate: Any) -> None:
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
    course = Course(estimator, trainer, sample, aside, epochs)
    try:
        with nullcontext() if course.is_native else one_blas_thread():
            course.run()
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    except DivergenceError:
        estimator._optimizer.begin(objective_of(estimator))
        _end_diverged(estimator, aside)
    finally:
        trainer.forget()
        estimator._adopt(course.network)


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
