r"""Training on all patterns at once: an epoch is an iteration of a method that knows more than the gradient.

.. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} - \eta\, \mathbf B \nabla E(\mathbf w^{(\tau)})

The minimisers of :mod:`wengert.optim` hold the loop and tell after each iteration where they are. What they
are given is one function of the weights: so nothing may be drawn on the way.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from wengert import nn
from wengert.losses import SUMS_OF_SQUARES
from wengert.train._curve import Epoch
from wengert.train._data import Rows
from wengert.train._own_losses import inspected
from wengert.train._refusals import require
from wengert.train._storage import rows_of
from wengert.train._training import Training


def is_minimiser(optimiser: Any) -> bool:
    """Whether an optimiser takes all patterns at once."""
    return hasattr(optimiser, "minimise")


class WholeBatchTraining(Training):
    """A training whose epochs are the iterations of a minimiser."""

    is_native = False  # SciPy's minimisers take part

    def _train(self, epochs: int) -> None:
        self._check()
        network, minimiser = self.trainer.network, self.trainer.optimiser
        f, data = RESIDUALS_OR_ERROR[minimiser.wants](self), self._data()
        told = partial(self._iteration, data)
        minimiser.minimise(f, nn.parameters(network), data, epochs, told)

    def _data(self) -> tuple[Any, ...]:
        assert isinstance(self.patterns, Rows)
        whole = self.patterns.whole
        return tuple(self.patterns.data if whole else rows_of(self.patterns.data, self.patterns.rows))

    def _iteration(self, data: tuple[Any, ...], parameters: Any, told: float) -> None:
        """What a minimiser tells after each iteration."""
        trainer = self.trainer
        network = nn.replaced(trainer.network, parameters)
        trainer.carry = nn.forward(network, data[0])[1] if _changes(network) else network, ()
        trainer.epochs = trainer.steps = self.moment.epoch + 1
        error = told if trainer.optimiser.wants == "error" else trainer.error(data)
        trainer.require_finite(error, "training", f"iteration {trainer.epochs}")
        self._after([Epoch(trainer.epochs, error)])
        if self.is_over:
            raise StopIteration

    def _check(self) -> None:
        name = type(self.trainer.optimiser).__name__
        require(isinstance(self.patterns, Rows), f"{name} takes all patterns at once; give arrays x and y")
        require(
            not nn.needs_key(self.trainer.network),
            f"{name} needs an error that is one function of the weights, and the network draws random "
            "numbers; leave dropout away, or take optim.Adam",
        )
        require(
            self.checkpoint is None, f"{name} keeps nothing to go on from; checkpoint is for other optimisers"
        )


def _changes(network: Any) -> bool:
    """Whether the pass in training gives a network with other arrays, which can only be those not trained."""
    return hasattr(network, "forward") and nn.state(network).keys() != nn.parameters(network).keys()


def _error_of(training: Training) -> Callable[..., Any]:
    trainer = training.trainer
    network, loss, penalty = trainer.network, inspected(trainer.loss), trainer.penalty

    def error(parameters: Any, x: Any, *targets: Any) -> Any:
        now = nn.replaced(network, parameters)
        found = loss(nn.forward(now, x)[0], *targets)
        return found if penalty is None else found + penalty(now)

    return error


def _residuals_of(training: Training) -> Callable[..., Any]:
    """The residuals of one pattern, each times the root of the pattern's weight."""
    network, name = training.trainer.network, type(training.trainer.optimiser).__name__
    is_squares = any(training.trainer.loss is squares for squares in SUMS_OF_SQUARES)
    require(is_squares, f"{name} needs a sum of squares; give losses.mean_squared_error")
    require(training.trainer.penalty is None, f"{name} takes no penalty; take optim.LBFGS")
    require(
        not _changes(network),
        f"{name} looks at pattern by pattern, and the network normalises over batches; take optim.LBFGS",
    )

    def residuals(parameters: Any, x: Any, t: Any, weight: Any = 1.0) -> Any:
        y = nn.replaced(network, parameters)(x[None])
        return np.sqrt(weight) * (y - t[None])[0]

    return residuals


RESIDUALS_OR_ERROR = {"error": _error_of, "residuals": _residuals_of}
