"""Training until the epochs are over, the validation error has risen for long, or somebody interrupts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from wengert import nn
from wengert._blas import one_blas_thread
from wengert._refusals import name_of, takes
from wengert.core import tree
from wengert.native.machine import team
from wengert.optim import Adam, Minimiser, Optimiser
from wengert.train._checkpoint import described_arrays, new_checkpoint
from wengert.train._curve import Epoch
from wengert.train._data import Batches, Order, Rows, Source, checked, split
from wengert.train._progress import lines_every, progress_if_long, training_progress
from wengert.train._refusals import require
from wengert.train._stopping import Criterion, Mode
from wengert.train._storage import count_of
from wengert.train._trainer import Loss, Network, Penalty, Trainer
from wengert.train._training import EVENTS, Callback, Fit, Metric, Training
from wengert.train._whole_batch import WholeBatchTraining, is_minimiser

Seed = int | np.random.SeedSequence | None
# Streams of random numbers, by their last spawn key.
DRAWN_BY_THE_NETWORK, SPLIT, ORDERS = 2**32 - 1, 2**32 - 2, 2**32 - 3


def fit(
    network: Network,
    loss: Loss,
    x: Any,
    y: Any = None,
    *,
    optimiser: Optimiser | Minimiser | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    validation: Any = None,
    validation_every: int = 1,
    patience: int | None = None,
    tolerance: float = 0.0,
    monitor: str | None = None,
    mode: Mode = "min",
    sample_weight: Any = None,
    penalty: Penalty | None = None,
    shuffle: bool | Order = True,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callback] = (),
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    progress: bool | None = None,
    seed: Seed = 0,
    threads: int | None = None,
) -> Fit:
    r"""Train a network by minibatch descent.

    .. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)}
              + \mathrm{step}\Bigl(\nabla_{\mathbf w} \Bigl(\frac{1}{m'} \sum_{n \in B_\tau} E_n
              + \Omega\Bigr)\Bigr)

    In training, numbers below 1e-38 (float32) or 2e-308 (float64) count as zero.

    Parameters
    ----------
    network
        Any tree of arrays that can be called with a batch of patterns, such as :class:`wengert.nn.MLP`. It
        is not changed.
    loss
        The error of outputs and targets as one number, a mean over the patterns: a function of
        :mod:`wengert.losses` or one of your own in NumPy. With weights, ``loss(y, t, weights)``.
    x, y
        Patterns and targets; rows belong together. Each an array, also one in a mapped file
        (`numpy.memmap`, of which a few rows at a time are read), or a tree of arrays for a network of several
        inputs or outputs. Without y, x makes the minibatches itself: an iterable that begins anew for every
        epoch, or a function of the epoch's number that gives one; each batch is ``(x, y)`` or
        ``(x, y, weights)``.
    optimiser
        How a gradient becomes a step, by default :class:`wengert.optim.Adam`; or a method that takes all
        patterns at once, such as :class:`wengert.optim.LBFGS` and, for a sum of squares,
        :class:`wengert.optim.LevenbergMarquardt`. Then an epoch is an iteration, minibatches and orders mean
        nothing, and there are neither checkpoints nor random draws in the network.
    epochs
        How often, at most, every pattern is visited.
    batch_size
        Patterns per step; the last minibatch of an epoch takes what is left.
    validation
        What is kept aside, to choose the best epoch by: ``(x, y)`` or ``(x, y, weights)``, batches as for x,
        or a fraction of the patterns, drawn by the seed, of every class its share where y are whole numbers.
    validation_every
        Look at it (and at the metrics) after every so many epochs.
    patience
        End the training when what is watched has not improved for this many looks in a row.
    tolerance
        By how much it must be better than the best so far to have improved.
    monitor, mode
        What is watched: ``"validation"``, ``"training"`` (then the last network is given back, for the
        training error is taken on the way) or the name of a metric; and whether it is better to be low,
        ``"min"``, or high, ``"max"``. By default the validation error, if there are validation data.
    sample_weight
        A non-negative number for each pattern. Patterns of weight 0 are left out.
    penalty
        A function of the network that is added to the training error of every minibatch.
    shuffle
        Whether every epoch has a new random order; or a function of the epoch's number, counted from 1, that
        gives the rows in the order in which they are to be visited.
    metrics
        Other functions of outputs and targets by name, taken on the validation data, or without any on the
        training data.
    callbacks
        Functions of the :class:`Training`, called as each epoch ends, or objects with any of the methods
        ``on_start``, ``on_epoch`` and ``on_end``. They see ``training.network``, ``training.epoch``,
        ``training.curve`` and the optimiser's state in ``training.trainer.carry`` (which the next epoch
        changes), and end the training with ``training.stop()``.
    on_epoch
        Called with each :class:`Epoch` as it ends.
    checkpoint, checkpoint_every
        A file that everything needed to go on is written to after every so many epochs, at the end, and on
        Ctrl-C. It is replaced as a whole or not at all.
    resume
        Go on from the checkpoint if the file exists: the outcome is that of an uninterrupted training, bit
        for bit. More epochs and another patience may be asked for; all else must be as it was.
    progress
        A progress bar on stderr: by default in a terminal when training takes more than a second; ``True``
        for one from the start, or a few lines where there is no terminal; ``False`` for none.
    seed
        Determines the order of the patterns, the split, and what the network draws.
    threads
        How many threads may share the work; as `wengert.set_threads`, while this training lasts.

    Returns
    -------
    Fit
        The best network and the learning curve. Ctrl-C ends the training early and still returns them, as of
        the last whole epoch; of 16 MB of weights or more these stand in a temporary file meanwhile (in memory
        where there is no room for one).

    Raises
    ------
    ValueError
        Where an argument makes no sense, or some do not go together: numbers of rows, weights and an error
        that takes none, ``patience`` and nothing to watch, a checkpoint or a penalty and an optimiser that
        has no use for it.
    DivergenceError
        When an error stops being a finite number; its ``result`` is the outcome of the epochs before.
    DataError
        Where a number in the data is not finite, or a class has no output.
    CheckpointError
        Where the checkpoint is damaged, of another training, or would be overwritten.

    Examples
    --------
    >>> from wengert import losses, nn, optim
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> network = nn.MLP.init(np.random.default_rng(0), (1, 16, 1), "tanh")
    >>> result = fit(network, losses.mean_squared_error, x, x**2, optimiser=optim.Adam(0.01), epochs=50)
    >>> result.epochs, result.curve.training[-1] < result.curve.training[0]
    (50, True)

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 7.2 and 9.3.1 (early stopping).
    """
    metrics, optimiser = metrics or {}, optimiser or Adam()
    _check_network(network)
    _check_loss(loss)
    _check_optimiser(optimiser)
    _check_listeners(metrics, callbacks)
    _check_functions(penalty, shuffle)
    _check_numbers(epochs, batch_size, validation_every, checkpoint_every, patience, tolerance)
    epochs, batch_size = int(epochs), int(batch_size)  # of Python: those of NumPy overflow
    criterion = Criterion(monitor or _watched_by_default(validation, patience), mode, patience, tolerance)
    _check_criterion(criterion, validation, metrics)
    read = _Reader(network, loss, shuffle, seed)
    patterns, watched = read.sources(x, y, sample_weight, validation)
    trainer = Trainer(network, loss, optimiser, batch_size, read.key, penalty)
    if on_epoch is not None:
        callbacks = [*callbacks, lambda training: on_epoch(training.epoch)]
    kind = WholeBatchTraining if is_minimiser(optimiser) else Training
    training = kind(trainer, patterns, watched, metrics, criterion, validation_every, callbacks)
    require(checkpoint is not None or not resume, "resume needs checkpoint=path, the file to go on from")
    if checkpoint is not None:
        settings = _settings(network, loss, optimiser, penalty, training, seed=seed, shuffle=shuffle)
        training.checkpoint = new_checkpoint(checkpoint, settings, resume)
        training.checkpoint_every = checkpoint_every
        if resume and training.checkpoint.path.exists():
            training.resume(epochs)
    with _surroundings(training, epochs, progress, threads):
        return training.run(epochs)


class _Reader:
    """How the arguments become sources of minibatches."""

    def __init__(self, network: Network, loss: Loss, order: bool | Order, seed: Seed) -> None:
        self.seed = _sequence(seed)
        draws = nn.needs_key(network)
        self.key = self.stream(DRAWN_BY_THE_NETWORK).generate_state(2) if draws else None
        self.order, self.orders = order, self.stream(ORDERS).generate_state(2)
        self.checked = partial(checked, network, loss)

    def stream(self, number: int) -> np.random.SeedSequence:
        """Random numbers that have nothing to do with those of another one."""
        return np.random.SeedSequence(self.seed.entropy, spawn_key=(*self.seed.spawn_key, number))

    def sources(self, x: Any, y: Any, weights: Any, validation: Any) -> tuple[Source, Source | None]:
        """What is learned from, and what the error is watched on."""
        if y is None:
            require(not hasattr(x, "shape"), "y is missing; give a target for each pattern in x")
            require(weights is None, "sample_weight goes with x and y; give batches of (x, y, weights)")
            require(not callable(self.order), "batches come in an order of their own; leave shuffle out")
            return self._batches(x, "batch"), self._watched(validation)
        data = (x, y) if weights is None else (x, y, weights)
        data = self.checked(data, ("x", "y", "sample_weight"))
        rows = np.arange(count_of(data)) if weights is None else np.flatnonzero(data[2])
        if not isinstance(validation, Real):
            return Rows(data, rows, self.order, self.orders), self._watched(validation)
        kept, aside = split(data[1], rows, float(validation), np.random.default_rng(self.stream(SPLIT)))
        return Rows(data, kept, self.order, self.orders), Rows(data, aside, False, self.orders)

    def _batches(self, batches: Any, name: str) -> Batches:
        def read(batch: Any, number: str) -> Any:
            where = f"{name} {number}"
            _require_batch(batch, where)
            return self.checked(batch, tuple(f"{where}: {part}" for part in ("x", "y", "weights")))

        return Batches(batches, read)

    def _watched(self, validation: Any) -> Source | None:
        if validation is None:
            return None
        is_fraction = isinstance(validation, Real)
        require(not is_fraction, "batches cannot be split; give validation=(x, y), or batches")
        if not isinstance(validation, tuple):
            return self._batches(validation, "validation batch")
        _require_batch(validation, "validation")
        data = self.checked(validation, ("validation x", "validation y", "validation weights"))
        return Rows(data, np.arange(count_of(data)), False, self.orders)


def _sequence(seed: Any) -> np.random.SeedSequence:
    if isinstance(seed, np.random.SeedSequence):
        return seed
    is_seed = seed is None or (isinstance(seed, int | np.integer) and seed >= 0)
    require(bool(is_seed), f"the seed is a whole number of at least 0 or None, not {seed!r}")
    return np.random.SeedSequence(None if seed is None else int(seed))


@contextmanager
def _surroundings(
    training: Training, epochs: int, progress: bool | None, threads: int | None
) -> Iterator[None]:
    """Threads and the progress bar, while it lasts."""
    with ExitStack() as stack:
        if not training.is_native:
            stack.enter_context(one_blas_thread())
        stack.enter_context(team.threads(threads))
        if progress is not False:
            bar = training_progress if progress else progress_if_long
            training.report = stack.enter_context(bar(epochs))
            training.reports_every = lines_every(epochs) if progress else None
        yield


def _watched_by_default(validation: Any, patience: int | None) -> str:
    return "training" if validation is None and patience is None else "validation"


def _settings(
    network: Network, loss: Loss, optimiser: Any, penalty: Any, training: Training, **more: Any
) -> dict[str, Any]:
    """What must be the same when a training is resumed."""
    watched, criterion = training.watched, training.criterion
    return {
        "network": described_arrays(network),
        "loss": loss,
        "optimiser": optimiser,
        "penalty": penalty,
        "batch_size": training.trainer.batch_size,
        "data": training.patterns.known_by(),
        "validation": None if watched is None else watched.known_by(),
        "validation_every": training.looks_every,
        "metrics": sorted(training.metrics),
        "monitor": criterion.monitor,
        "mode": criterion.mode,
        "tolerance": criterion.tolerance,
        **more,
    }


def _check_numbers(
    epochs: int, batch_size: int, validation_every: int, checkpoint_every: int, patience: int | None,
    tolerance: float,
) -> None:  # fmt: skip
    counts = {
        "epochs": epochs,
        "batch_size": batch_size,
        "validation_every": validation_every,
        "checkpoint_every": checkpoint_every,
        "patience": 1 if patience is None else patience,
    }
    for name, count in counts.items():
        require(isinstance(count, Integral), f"{name} must be a whole number, not {count!r}")
        require(count >= 1, f"{name} must be at least 1, not {count}")
    is_number = isinstance(tolerance, Real) and tolerance >= 0
    require(is_number, f"tolerance must be a number of at least 0, not {tolerance!r}")


def _check_network(network: Any) -> None:
    is_network = callable(network) and all(leaf is not network for leaf in tree.flatten(network)[0])
    require(
        is_network,
        f"the network is a {type(network).__name__}, not a tree of arrays that can be called with patterns; "
        "give one of wengert.nn, or a dataclass of arrays with a method __call__(self, x)",
    )
    parameters = nn.parameters(network)
    require(
        bool(parameters),
        "the network has no array of floating-point numbers that could be trained; give one with weights, "
        "such as nn.MLP.init(rng, sizes)",
    )
    for name, array in parameters.items():
        require(bool(np.isfinite(array).all()), f"the network holds nan or inf in {name}; draw it anew")


def _check_loss(loss: Any) -> None:
    require(callable(loss), f"the loss is {loss!r}; give a function, such as losses.mean_squared_error")
    require(
        not isinstance(loss, type),
        f"the loss is the class {getattr(loss, '__name__', '')}; give one of its objects, with parentheses",
    )
    require(
        takes(loss, 2) or takes(loss, 3),
        f"{name_of(loss)} does not take outputs and targets; write it as {name_of(loss)}(y, t)",
    )


def _check_optimiser(optimiser: Any) -> None:
    is_one = all(hasattr(optimiser, name) for name in ("init", "update")) or is_minimiser(optimiser)
    is_one = is_one and not isinstance(optimiser, type)
    require(is_one, f"the optimiser is {optimiser!r}; give one of wengert.optim, such as optim.Adam(0.001)")


def _check_listeners(metrics: Any, callbacks: Any) -> None:
    named = isinstance(metrics, Mapping) and all(map(callable, metrics.values()))
    require(
        named,
        f"metrics are functions of outputs and targets by name, such as {{'error': f}}, not {metrics!r}",
    )
    require(
        not {"training", "validation"} & {*metrics},
        "training and validation are the names of the errors; call a metric otherwise",
    )
    require(
        isinstance(callbacks, Sequence), f"callbacks is a {type(callbacks).__name__}; give a list of them"
    )
    for callback in callbacks:
        listens = callable(callback) or any(hasattr(callback, event) for event in EVENTS)
        require(
            listens and not isinstance(callback, type),
            f"{callback!r} is no callback; give a function of the training, or an object with any of "
            f"{', '.join(EVENTS)}",
        )


def _check_functions(penalty: Any, shuffle: Any) -> None:
    require(
        penalty is None or callable(penalty), f"the penalty is {penalty!r}; give one such as losses.L2(0.01)"
    )
    is_order = isinstance(shuffle, bool | np.bool_) or callable(shuffle)
    require(is_order, f"shuffle is True, False or a function of the epoch's number, not {shuffle!r}")


def _check_criterion(criterion: Criterion, validation: Any, metrics: Mapping[str, Metric]) -> None:
    known = ("training", "validation", *metrics)
    require(criterion.monitor in known, f"monitor is one of {', '.join(known)}, not {criterion.monitor!r}")
    require(criterion.mode in ("min", "max"), f"mode is 'min' or 'max', not {criterion.mode!r}")
    require(
        criterion.monitor != "validation" or validation is not None,
        "patience needs validation=(x, y) to watch, a fraction, or monitor='training'",
    )


def _require_batch(batch: Any, where: str) -> None:
    is_pair = isinstance(batch, tuple | list)
    what = f"{type(batch).__name__}{f' of {len(batch)}' if is_pair else ''}"
    require(is_pair and len(batch) in (2, 3), f"{where} is a {what}; give (x, y) or (x, y, weights)")
