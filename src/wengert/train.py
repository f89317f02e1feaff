r"""Training: minibatch descent on the error, watched on data kept aside.

Every epoch visits the training patterns once in a new random order, a minibatch :math:`B` of :math:`m'`
patterns at a time, and steps along the gradient estimated from it,

.. math:: \mathbf g = \frac{1}{m'} \nabla_{\mathbf w} \sum_{n \in B} E_n(\mathbf w).

The error on the *validation* part first falls and then rises again, when the network begins to learn the
training patterns by heart: there training stops, and the weights of the best epoch are given back.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from wengert import nn
from wengert.api import jit, value_and_grad
from wengert.control import scan
from wengert.core import tree
from wengert.errors import ControlFlowError, DivergenceError
from wengert.optim import Adam, Optimiser

Array = np.ndarray
Network = Any

# Of one call, which takes about a tenth of a second. A step makes some six for every weight and pattern.
OPERATIONS_AT_A_TIME = 20_000_000_000

Loss = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: its number from 1, the training error, the validation error if any."""

    number: int
    training: float
    validation: float | None = None


@dataclass
class LearningCurve:
    """Training and validation error, epoch by epoch.

    The training error of an epoch is the mean over its minibatches, each taken before the step that it leads
    to; the validation error is taken at the end of the epoch.
    """

    epochs: list[Epoch] = field(default_factory=list)

    @property
    def training(self) -> list[float]:
        """Training error of each epoch."""
        return [epoch.training for epoch in self.epochs]

    @property
    def validation(self) -> list[float]:
        """Validation error of each epoch; empty without validation data."""
        return [epoch.validation for epoch in self.epochs if epoch.validation is not None]

    def save(self, path: str | Path, *, title: str = "Learning curve", best: int | None = None) -> None:
        """Draw the curve into a PNG file, with a line at the best epoch."""
        from wengert._files import write_atomically
        from wengert._pictures import learning_curve

        write_atomically(path, learning_curve(self.training, self.validation, title, best))


@dataclass(frozen=True)
class Fit:
    """The outcome of :func:`fit`.

    Attributes
    ----------
    network
        The trained network: of the best epoch if there are validation data, of the last one otherwise.
    curve
        The learning curve.
    best_epoch
        The epoch that ``network`` is from, counted from 1; 0 if no epoch was completed.
    stopped_early
        Whether the validation error ended the training.
    interrupted
        Whether Ctrl-C did.
    """

    network: Network
    curve: LearningCurve
    best_epoch: int
    stopped_early: bool = False
    interrupted: bool = False

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.curve.epochs)

    @property
    def best_error(self) -> float | None:
        """Validation error of the best epoch, if there is one."""
        return self.curve.epochs[self.best_epoch - 1].validation if self.best_epoch else None


def fit(
    network: Network,
    loss: Loss,
    x: Array,
    y: Array,
    *,
    optimiser: Optimiser | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    validation: tuple[Array, Array] | None = None,
    patience: int | None = None,
    seed: int | np.random.SeedSequence = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fit:
    r"""Train a network by minibatch descent.

    .. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)}
              + \mathrm{step}\Bigl(\frac{1}{m'} \nabla_{\mathbf w} \sum_{n \in B_\tau} E_n\Bigr)

    Parameters
    ----------
    network
        Any tree of arrays that can be called with a batch of patterns, such as :class:`wengert.nn.MLP`. It
        is not changed.
    loss
        The error of outputs and targets as one number, a mean over the patterns: a function of
        :mod:`wengert.losses` or one of your own in NumPy.
    x, y
        Patterns and targets; rows belong together.
    optimiser
        How a gradient becomes a step, by default :class:`wengert.optim.Adam`.
    epochs
        How often, at most, every pattern is visited.
    batch_size
        Patterns per step; the last minibatch of an epoch takes what is left.
    validation
        Patterns and targets kept aside, to choose the best epoch by.
    patience
        End the training when the validation error has not fallen below its best for this many epochs in a
        row.
    seed
        Determines the order of the patterns.
    on_epoch
        Called with each :class:`Epoch` as it ends.

    Returns
    -------
    Fit
        The best network and the learning curve. Ctrl-C ends the training early and still returns them.

    Raises
    ------
    DivergenceError
        When an error stops being a finite number.

    Examples
    --------
    >>> from wengert import losses, nn, optim
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> network = nn.MLP.init(np.random.default_rng(0), (1, 16, 1), "tanh")
    >>> result = fit(network, losses.mean_squared_error, x, x**2, optimiser=optim.Adam(0.01), epochs=50)
    >>> result.epochs, result.curve.training[-1] < result.curve.training[0]
    (50, True)
    """
    _check_arguments(x, y, epochs, batch_size, validation, patience)
    x, y = np.asarray(x), np.asarray(y)
    trainer = _Trainer(network, loss, x, y, optimiser or Adam(), batch_size, validation)
    result = Fit(network, LearningCurve(), best_epoch=0)
    try:
        # Sums inside the BLAS come out in another order on another number of threads.
        with threadpool_limits(1, user_api="blas"):
            for epoch in trainer.run(epochs, np.random.default_rng(seed)):
                result = _judge(result, epoch, trainer.network, patience)
                if on_epoch is not None:
                    on_epoch(epoch)
                if result.stopped_early:
                    break
    except KeyboardInterrupt:
        return replace(result, interrupted=True)
    return result


def minibatches(count: int, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The indices of all patterns in random order: whole minibatches as rows, and what is left over."""
    order = rng.permutation(count)
    whole = count // size * size
    return order[:whole].reshape(-1, size), order[whole:]


def _judge(result: Fit, epoch: Epoch, network: Network, patience: int | None) -> Fit:
    """The outcome after one more epoch: is it the best so far, or the last of too many that are not?"""
    best = result.best_error
    result.curve.epochs.append(epoch)
    if epoch.validation is None or best is None or epoch.validation < best:
        return replace(result, network=network, best_epoch=epoch.number)
    return replace(
        result, stopped_early=patience is not None and epoch.number - result.best_epoch >= patience
    )


class _Trainer:
    """Holds the weights and the optimiser's state between epochs.

    An epoch is one function of both, and so one call of native code: a scan over the minibatches, then a step
    on what is left.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        x: Array,
        y: Array,
        optimiser: Optimiser,
        batch_size: int,
        validation: tuple[Array, Array] | None,
    ) -> None:
        self.optimiser, self.batch_size, self.validation = optimiser, batch_size, validation
        self.x, self.y = x, y
        self.carry = tree.map(_as_numpy, (network, optimiser.init(network)))
        made: Callable[[Any, Any], _Programs] = (
            _known_programs if _is_constant(network, loss, optimiser) else _Programs
        )
        self.programs = made(loss, optimiser)

    @property
    def network(self) -> Network:
        """The network as it is now."""
        return self.carry[0]

    def run(self, epochs: int, rng: np.random.Generator) -> Iterator[Epoch]:
        """One epoch after the other. Overflow is not warned of on the way: it is an error at the end."""
        with np.errstate(over="ignore", invalid="ignore"):
            for number in range(1, epochs + 1):
                yield Epoch(number, self._train(number, rng), self._validate(number))

    def _train(self, number: int, rng: np.random.Generator) -> float:
        whole, rest = minibatches(len(self.x), self.batch_size, rng)
        carry, errors, last = self._pass(whole, rest)
        found = np.append(np.asarray(errors, np.float64), last)
        _require_finite(found, "training", number, self.optimiser)
        self.carry = carry
        sizes = [self.batch_size] * len(whole) + [len(rest)] * (len(found) - len(whole))
        return float(found @ np.asarray(sizes, np.float64)) / len(self.x)

    def _pass(self, whole: Array, rest: Array) -> tuple[Any, Any, Any]:
        """Carry, errors of the whole minibatches, and that of the rest."""
        try:
            return self._pass_in_pieces(whole, rest)
        except ControlFlowError:
            return self._pass_step_by_step(whole, rest)

    def _pass_in_pieces(self, whole: Array, rest: Array) -> tuple[Any, Any, Any]:
        """One call; of a long epoch several, so that an interruption is noticed in between."""
        carry, errors, size = self.carry, [], self._steps_at_a_time()
        while len(whole) > size:
            carry, found, _ = self.programs.epoch(carry, whole[:size], rest[:0], self.x, self.y)
            errors.append(found)
            whole = whole[size:]
        carry, found, last = self.programs.epoch(carry, whole, rest, self.x, self.y)
        return carry, np.concatenate([*errors, found]), last

    def _steps_at_a_time(self) -> int:
        weights = sum(leaf.size for leaf in tree.flatten(self.network)[0])
        return max(1, OPERATIONS_AT_A_TIME // (6 * weights * self.batch_size + 1))

    def _pass_step_by_step(self, whole: Array, rest: Array) -> tuple[Any, Any, Any]:
        """For code that Python's own ``if`` leads through: a scan cannot follow it, single steps can."""
        carry, errors = self.carry, []
        for batch in (*whole, *([rest] if len(rest) else [])):
            carry, error = self.programs.step(carry, self.x[batch], self.y[batch])
            errors.append(error)
        return carry, errors, np.zeros(0)

    def _validate(self, number: int) -> float | None:
        if self.validation is None:
            return None
        error = self.programs.error(self.network, *self.validation)
        _require_finite(error, "validation", number, self.optimiser)
        return float(error)


class _Programs:
    """The compiled functions of a loss and an optimiser: an epoch, a step, the error."""

    def __init__(self, loss: Loss, optimiser: Optimiser) -> None:
        self.epoch = jit(_epoch_of(loss, optimiser))
        self.step = jit(_step_of(loss, optimiser))
        self.error = jit(lambda network, x, y: loss(network(x), y))


# Whoever trains many networks alike, as in cross-validation, has them compiled once.
_known_programs = functools.lru_cache(maxsize=32)(_Programs)


def _is_constant(network: Network, loss: Loss, optimiser: Optimiser) -> bool:
    """Whether all of it is this package's own, so that nothing it reads can change between two trainings."""
    own = isinstance(network, nn.MLP) and type(optimiser).__module__.startswith("wengert.optim")
    activations = {layer.activation for layer in network.layers} if own else set()
    return own and loss.__module__ == "wengert.losses" and activations <= {*nn.ACTIVATIONS.values()}


def _as_numpy(leaf: Any) -> Any:
    """Python's numbers as NumPy's, which they become in the first step: all epochs have one signature."""
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]


def _step_of(loss: Loss, optimiser: Optimiser) -> Callable[[Any, Array, Array], tuple[Any, Any]]:
    """A step on a minibatch: from network and state to the next ones, and the error before."""
    error_and_gradient = value_and_grad(lambda network, x, y: loss(network(x), y))

    def step(carry: Any, x: Array, y: Array) -> tuple[Any, Any]:
        network, state = carry
        error, gradient = error_and_gradient(network, x, y)
        return optimiser.update(gradient, state, network), error

    return step


def _epoch_of(loss: Loss, optimiser: Optimiser) -> Callable[..., tuple[Any, Any, Any]]:
    """An epoch: minibatches are named by the indices of their patterns."""
    step = _step_of(loss, optimiser)

    def epoch(carry: Any, whole: Array, rest: Array, x: Array, y: Array) -> tuple[Any, Any, Any]:
        carry, errors = scan(lambda carry, batch: step(carry, x[batch], y[batch]), carry, whole)
        if not len(rest):
            return carry, errors, np.zeros(0)
        carry, last = step(carry, x[rest], y[rest])
        return carry, errors, last

    return epoch


def _require_finite(error: Any, which: str, number: int, optimiser: Optimiser) -> None:
    if not np.isfinite(error).all():
        error = np.ravel(error)[~np.isfinite(np.ravel(error))][0]
        rate = getattr(optimiser, "learning_rate", None)
        now = f" (it is {rate:g})" if isinstance(rate, float) else ""
        raise DivergenceError(
            f"training diverged: the {which} error became {error} in epoch {number}; "
            f"lower the learning rate{now}, or standardise the data"
        )


def _check_arguments(
    x: Array, y: Array, epochs: int, batch_size: int, validation: Any, patience: int | None
) -> None:
    checks = [
        (len(x) == len(y), f"x has {len(x)} rows and y has {len(y)}; give one target for each pattern"),
        (len(x) > 0, "x has no rows; give at least one pattern"),
        (epochs >= 1, f"epochs must be at least 1, not {epochs}"),
        (batch_size >= 1, f"batch_size must be at least 1, not {batch_size}"),
        (patience is None or patience >= 1, f"patience must be at least 1, not {patience}"),
        (patience is None or validation is not None, "patience needs validation=(x, y) to watch"),
    ]
    for holds, message in checks:
        if not holds:
            raise ValueError(f"fit: {message}")
