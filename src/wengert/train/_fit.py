"""Training until the epochs are over, the validation error has risen for long, or somebody interrupts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from wengert.optim import Adam, Optimiser
from wengert.train._curve import Epoch, LearningCurve
from wengert.train._trainer import Array, Data, Loss, Network, Trainer


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

    In training, numbers below 1e-38 (float32) or 2e-308 (float64) count as zero.

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
    data = np.asarray(x), np.asarray(y)
    trainer = Trainer(network, loss, optimiser or Adam(), batch_size)
    result = Fit(network, LearningCurve(), best_epoch=0)
    try:
        # Sums inside the BLAS come out in another order on another number of threads.
        with threadpool_limits(1, user_api="blas"):
            for epoch in _epochs(trainer, data, validation, epochs, np.random.default_rng(seed)):
                result = _judge(result, epoch, trainer.network, patience)
                if on_epoch is not None:
                    on_epoch(epoch)
                if result.stopped_early:
                    break
    except KeyboardInterrupt:
        return replace(result, interrupted=True)
    return result


def _epochs(
    trainer: Trainer, data: Data, validation: Data | None, epochs: int, rng: np.random.Generator
) -> Iterator[Epoch]:
    """One epoch after the other."""
    for number in range(1, epochs + 1):
        error = trainer.epoch(data, rng.permutation(len(data[0])))
        yield Epoch(number, error, None if validation is None else trainer.error(validation))


def _judge(result: Fit, epoch: Epoch, network: Network, patience: int | None) -> Fit:
    """The outcome after one more epoch: is it the best so far, or the last of too many that are not?"""
    best = result.best_error
    result.curve.epochs.append(epoch)
    if epoch.validation is None or best is None or epoch.validation < best:
        return replace(result, network=network, best_epoch=epoch.number)
    return replace(
        result, stopped_early=patience is not None and epoch.number - result.best_epoch >= patience
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
