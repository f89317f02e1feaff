"""The loop: epochs, a look at the patterns kept aside, and whoever wants to know or to stop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.errors import CheckpointError, ControlFlowError, DivergenceError
from wengert.train._checkpoint import Checkpoint, Moment
from wengert.train._curve import Epoch, LearningCurve
from wengert.train._data import Rows, Source
from wengert.train._refusals import described, require
from wengert.train._stopping import Criterion, Standing
from wengert.train._trainer import Network, Trainer

Metric = Callable[[Any, Any], Any]
Callback = Any
# What callbacks are told of.
EVENTS = ("on_start", "on_epoch", "on_end")


@dataclass(frozen=True, repr=False)
class Fit:
    """The outcome of :func:`fit`.

    Attributes
    ----------
    network
        The trained network: of the epoch in which what is watched was best, of the last one where that is the
        training error.
    curve
        The learning curve.
    best_epoch
        The epoch that ``network`` is from, counted from 1; 0 if no epoch was completed.
    stopped_early
        Whether what was watched ended the training.
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

    def __repr__(self) -> str:
        ended = ", stopped early" * self.stopped_early + ", interrupted" * self.interrupted
        return f"Fit of {self.epochs} epochs, best epoch {self.best_epoch}{ended}\n{self.curve!r}"

    @property
    def best_error(self) -> float | None:
        """Validation error of the best epoch, if there is one."""
        return self.curve.epochs[self.best_epoch - 1].validation if self.best_epoch else None


@dataclass
class Training:
    """A training on its way: what callbacks see, and may end.

    Attributes
    ----------
    trainer
        The network in training, with the optimiser's state in ``trainer.carry``: copy what is to be kept, for
        the next epoch changes it. When an epoch is interrupted the network is that of the last whole one; the
        state is so, too, if there is a checkpoint.
    patterns, watched
        What is learned from, and what the error is watched on.
    metrics
        Other functions of outputs and targets, by name.
    criterion
        What is watched, and when to stop.
    looks_every, checkpoint_every, reports_every
        After how many epochs the error is watched, everything is written down, and a line is printed.
    callbacks
        Whoever is told as it begins, after each epoch and at the end.
    checkpoint
        The file that everything is written to.
    curve
        The learning curve so far.
    report
        Who shows the progress.
    """

    trainer: Trainer
    patterns: Source
    watched: Source | None
    metrics: Mapping[str, Metric]
    criterion: Criterion
    looks_every: int = 1
    callbacks: Sequence[Callback] = ()
    checkpoint: Checkpoint | None = None
    checkpoint_every: int = 1
    curve: LearningCurve = field(default_factory=LearningCurve)
    report: Callable[[Epoch], None] | None = None
    reports_every: int | None = None

    def __post_init__(self) -> None:
        self.standing, self.interrupted, self.is_stopped = Standing(self.criterion), False, False
        self.moment = Moment(self.trainer.carry)

    @property
    def is_native(self) -> bool:
        """Whether machine code computes all: no function of the user's is called, and no library."""
        return (
            self.trainer.is_constant
            and isinstance(self.patterns, Rows)
            and not (self.metrics or self.callbacks)
        )

    # ------------------------------------------------------------------------------ for callbacks

    @property
    def network(self) -> Network:
        """The network as it is now, to predict with."""
        return self.trainer.trained

    @property
    def epoch(self) -> Epoch:
        """What the last epoch came to."""
        return self.curve.epochs[-1]

    def stop(self) -> None:
        """End the training after this epoch."""
        self.is_stopped = True

    # -------------------------------------------------------------------------------------- epochs

    def run(self, epochs: int) -> Fit:
        """Train until so many epochs are over, or there is a reason to stop; the outcome."""
        self._tell("on_start")
        try:
            self._train(epochs)
        except KeyboardInterrupt:
            self.interrupted = True
        except DivergenceError as error:
            error.result = self.result()
            raise
        if self.checkpoint and self.moment.epoch % self.checkpoint_every:
            self._save()
        self._tell("on_end")
        return self.result()

    def _train(self, epochs: int) -> None:
        together = self._most_watched()
        while self.moment.epoch < epochs and not self.is_over:
            if together > 1:
                together = self._advance_watched(epochs, together)
            else:
                self._advance(self._span(epochs))

    def _most_watched(self) -> int:
        """How many epochs a call makes with a look after each; 1 where others look in between, too."""
        others = self.callbacks or self.metrics or self.checkpoint or self.reports_every
        if others or self.looks_every > 1:
            return 1
        if not isinstance(self.patterns, Rows) or not isinstance(self.watched, Rows):
            return 1
        most = self.trainer.most_watched(self.patterns.data, self.watched.data, self.watched.rows)
        return min(most, self.patterns.most(self.trainer))

    def _advance_watched(self, epochs: int, most: int) -> int:
        """Some epochs with a look after each; how many may be made at a time from now on."""
        assert isinstance(self.patterns, Rows)
        assert isinstance(self.watched, Rows)
        first = self.moment.epoch + 1
        span = int(min(epochs - self.moment.epoch, most, self.standing.left, self.trainer.steady_epochs))
        try:
            errors, looks, networks = self.patterns.watched_epochs(self.trainer, span, self.watched, most)
        except ControlFlowError:  # a loop cannot follow the code
            return 1
        numbers = range(first, first + span)
        self._after([Epoch(*found) for found in zip(numbers, errors, looks)], networks)
        return most

    @property
    def is_over(self) -> bool:
        """Whether there is a reason to stop."""
        return self.is_stopped or self.standing.is_over or self.trainer.is_exhausted

    def _span(self, epochs: int) -> int:
        """How many epochs the next call makes: as many as nobody wants to look in between."""
        if self.callbacks:
            return 1
        looks = [self.looks_every] if self.watched or self.metrics else []
        looks += [self.checkpoint_every] if self.checkpoint else []
        looks += [self.reports_every] if self.reports_every else []
        left = [epochs - self.moment.epoch, *(every - self.moment.epoch % every for every in looks)]
        left += [self.standing.left] if self.criterion.monitor == "training" else []
        return int(min(self.patterns.most(self.trainer), self.trainer.steady_epochs, *left))

    def _advance(self, span: int) -> None:
        """So many epochs."""
        first = self.moment.epoch + 1
        errors = self.patterns.epochs(self.trainer, span)
        self._after([Epoch(number, error) for number, error in enumerate(errors, start=first)])

    def _after(self, found: list[Epoch], networks: Network | None = None) -> None:
        """All that is done before the next epochs; networks as `Trainer.run_watched` gives them."""
        if networks is None:
            found[-1] = self._looked_at(found[-1])
        self.trainer.after_epochs(epoch.training for epoch in found)
        self.curve.epochs += found
        self.standing = self.standing.after_all(found)
        self.moment = self._now(found[-1].number, networks)
        if self.report is not None:
            self.report(found[-1])
        self._tell("on_epoch")
        if self.is_stopped:
            self.moment = replace(self.moment, is_stopped=True)
        if self.checkpoint and not self.moment.epoch % self.checkpoint_every:
            self._save()

    def _looked_at(self, epoch: Epoch) -> Epoch:
        """The epoch with what is found on the patterns kept aside."""
        if epoch.number % self.looks_every:
            return epoch
        error = None if self.watched is None else self.watched.error(self.trainer)
        return Epoch(epoch.number, epoch.training, error, self._measured() if self.metrics else {})

    def _measured(self) -> dict[str, float]:
        outputs, targets = (self.watched or self.patterns).outputs_and_targets(self.trainer)
        return {name: _number(name, metric(outputs, targets)) for name, metric in self.metrics.items()}

    def _now(self, epoch: int, networks: Network | None) -> Moment:
        """The moment after this epoch, with the best network."""
        best, since = self.moment.best, self.standing.best_epoch - self.moment.epoch
        if self.keeps_best and since > 0:
            best = self.trainer.trained if networks is None else _in_row(networks, since - 1)
        carry = None
        if self.checkpoint:
            self.trainer.keep()
            carry = self.trainer.carry
        return Moment(carry, epoch, self.trainer.steps, best)

    @property
    def keeps_best(self) -> bool:
        """Whether the best network is given back: a training error is not that of the weights at its end."""
        return self.criterion.monitor != "training"

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            if hasattr(callback, event):
                getattr(callback, event)(self)
            elif event == "on_epoch" and callable(callback):
                callback(self)

    # ------------------------------------------------------------------------------------- results

    def result(self) -> Fit:
        """The outcome as of the last whole epoch."""
        moment = self.moment
        if self.checkpoint:
            self.trainer.carry = moment.carry
        else:
            self.trainer.go_back(moment.epoch)
        del self.curve.epochs[moment.epoch :]
        if moment.best is None:
            network, best_epoch = self.trainer.trained, moment.epoch
        else:
            network, best_epoch = moment.best, self.standing.best_epoch
        return Fit(network, self.curve, best_epoch, self.standing.is_over, self.interrupted)

    def _save(self) -> None:
        assert self.checkpoint is not None
        self.checkpoint.write(self.moment, self.curve.epochs[: self.moment.epoch])

    def resume(self, epochs: int) -> None:
        """Go on from the checkpoint, which must not be of more epochs than so many."""
        assert self.checkpoint is not None
        self.moment, self.curve.epochs = self.checkpoint.read(self.trainer.carry)
        if self.moment.epoch > epochs:
            raise CheckpointError(
                f"{self.checkpoint.path}: a checkpoint of {self.moment.epoch} epochs, and {epochs} are asked "
                "for; ask for at least as many, or name another file"
            )
        self.trainer.carry, self.trainer.steps = self.moment.carry, self.moment.steps
        self.trainer.epochs = self.moment.epoch
        self.standing = Standing(self.criterion).after_all(self.curve.epochs)
        self.is_stopped = self.moment.is_stopped


def _in_row(networks: Network, i: int) -> Network:
    """A copy of one of several networks, which stand in the rows of their arrays."""
    return tree.map(lambda rows: np.array(rows[i])[()], networks)


def _number(name: str, found: Any) -> float:
    """What a metric gives, refused where it is not one number."""
    is_number = isinstance(found, Real | np.generic | np.ndarray) and not getattr(found, "shape", ())
    require(is_number, f"the metric {name!r} gives {described(found)}; return one number")
    return float(found)
