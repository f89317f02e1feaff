"""What the user may choose about training, and what is made of it."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from wengert import losses, nn, optim
from wengert._jobs import wording
from wengert.data import Task
from wengert.errors import SettingError
from wengert.models import SUITED, suited

MANY = 100  # steps of an epoch, before the rows are counted
LEARNING_RATES = {"adam": 2e-3, "sgd": 1e-1}  # of the others their own
WEIGHT_DECAY = 0.1
# What has no meaning where the optimiser takes all rows at once.
OF_STEPS = ("batch_size", "learning_rate", "schedule", "warm_up", "weight_decay", "clip_norm", "dropout")


@dataclass(frozen=True)
class Options:
    """What the user may choose about training; texts as :mod:`wengert._jobs.wording` reads them."""

    targets: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    split: str = "stratified"
    group: str | None = None
    time: str | None = None
    task: Task | None = None
    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    dropout: str = "0"
    normalisation: str | None = None
    skip: str | None = None
    initialiser: str | None = None
    precision: str = "float32"
    optimiser: str = "adam"
    learning_rate: float | None = None
    schedule: str | None = None
    warm_up: int = 0
    weight_decay: float | None = None
    clip_norm: float | None = None
    loss: str | None = None
    class_weights: str | None = None
    penalty: str | None = None
    epochs: int = 100
    batch_size: int | None = None
    patience: int = 10
    tolerance: float = 0.0
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0

    @property
    def optimiser_name(self) -> str:
        """The optimiser without its own options."""
        return wording.parsed("--optimiser", self.optimiser)[0]

    @property
    def takes_all_rows(self) -> bool:
        """Whether the optimiser takes all rows at once, not minibatches."""
        return self.optimiser_name in wording.MINIMISERS

    @property
    def rate(self) -> float | None:
        """The learning rate, that of the optimiser unless chosen; none where all rows are taken at once."""
        if self.takes_all_rows:
            return None
        own = wording.entry("--optimiser", self.optimiser_name, wording.OPTIMISERS).learning_rate
        return self.learning_rate or LEARNING_RATES.get(self.optimiser_name, own)

    @property
    def decay(self) -> float | None:
        """The weight decay, chosen or not; none where all rows are taken at once."""
        chosen = WEIGHT_DECAY if self.weight_decay is None else self.weight_decay
        return None if self.takes_all_rows else chosen

    @property
    def known(self) -> dict[str, Any]:
        """The options as they are kept in the model file."""
        found = {"learning_rate": self.rate, "weight_decay": self.decay, "hidden": list(self.hidden)}
        return asdict(self) | found

    def check(self) -> None:
        """Refuse what has no meaning, before anything is read.

        Raises
        ------
        SettingError
            Where an option cannot be understood; the message says what to write.
        """
        optimiser_of(self, MANY)
        if self.takes_all_rows:
            _refuse_steps(self)
        penalty_of(self)
        network_of(np.random.default_rng(0), self, self.hidden[0] if self.hidden else 1, 1)
        if self.loss is not None:
            wording.made("--loss", self.loss, ALL_LOSSES)
        if self.class_weights is not None:
            wording.weights("--class-weights", self.class_weights)
        if both := [name for name in self.targets if name in self.ignored]:
            raise SettingError(f"--target {both[0]} is in --ignore, too; write it in one of them")
        if self.group is not None and self.time is not None:
            raise SettingError("--group and --time each split the rows; write one of them")


def _refuse_steps(options: Options) -> None:
    """Refuse what is for minibatches, and what a sum of squares over the rows cannot have in it."""
    given = [name for name in OF_STEPS if getattr(options, name) != _default(name)]
    if _minimiser(options).wants == "residuals":
        given += ["penalty"] * (options.penalty is not None)
        given += ["normalisation"] * (options.normalisation == "batch")
    if given:
        listed = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise SettingError(
            f"--optimiser {options.optimiser_name} takes all rows at once and has no use for {listed}; "
            "leave that out, or choose adam"
        )


def _default(name: str) -> Any:
    return next(field.default for field in fields(Options) if field.name == name)


# ------------------------------------------------------------------------------------------ network


def network_of(rng: np.random.Generator, options: Options, inputs: int, outputs: int) -> nn.MLP:
    """A network with starting weights."""
    sizes = (inputs, *options.hidden, outputs)
    activations = _each(wording.parts(options.activation))
    dropout = _each(wording.numbers("--dropout", options.dropout))
    try:
        return nn.MLP.init(
            rng,
            sizes,
            activations,
            initialiser=options.initialiser,
            dtype=options.precision,
            dropout=dropout,
            normalisation=options.normalisation,
            skip=options.skip if len(options.hidden) else None,
        )
    except ValueError as error:
        raise SettingError(f"the network cannot be made: {error}") from error


def _each(values: Sequence[Any]) -> Any:
    """One for all layers, or a list with one for each."""
    return values[0] if len(values) == 1 else list(values)


# --------------------------------------------------------------------------------------- optimiser


def optimiser_of(options: Options, steps: int) -> optim.Optimiser | optim.Minimiser:
    """The optimiser, for epochs of so many steps."""
    return _minimiser(options) if options.takes_all_rows else _rule(options, steps)


def _minimiser(options: Options) -> optim.Minimiser:
    return wording.made("--optimiser", options.optimiser, wording.MINIMISERS)  # type: ignore[no-any-return]


def _rule(options: Options, steps: int) -> optim.Optimiser:
    """A rule for steps, with what goes around it."""
    rate = schedule_of(options, steps)
    made = wording.made("--optimiser", options.optimiser, wording.OPTIMISERS, rate)
    if options.clip_norm is not None:
        made = optim.ClipNorm(made, options.clip_norm)
    return optim.WeightDecay(made, options.decay or 0.0)


def schedule_of(options: Options, steps: int) -> Any:
    """The learning rate, or its schedule; what counts epochs is brought to steps."""
    rate: Any = options.rate
    if options.schedule is not None:
        name, *_ = wording.parsed("--schedule", options.schedule)
        cls = wording.entry("--schedule", name, wording.SCHEDULES)
        counted = "steps" in inspect.signature(cls).parameters

        def in_steps(arguments: dict[str, Any]) -> dict[str, Any]:
            return arguments | {"steps": round(arguments.get("steps", options.epochs) * steps)}

        change = in_steps if counted else dict
        rate = wording.made("--schedule", options.schedule, wording.SCHEDULES, rate, change=change)
        by_epoch = not counted and not isinstance(rate, optim.Adaptive | optim.Constant)
        rate = optim.PerEpoch(rate, steps) if by_epoch else rate
    return optim.WarmUp(rate, options.warm_up * steps) if options.warm_up else rate


# ------------------------------------------------------------------------------------------ errors

# By name those that suit some task, as their classes where they can be made with other parameters.
ALL_LOSSES: dict[str, Any] = {
    name: loss if hasattr(loss, "__name__") else type(loss)
    for name, loss in losses.LOSSES.items()
    if any(loss in losses.LIKELIHOODS[kind].losses for kinds in SUITED.values() for kind in kinds)
}


def losses_for(task: Task, classes: Sequence[str]) -> dict[str, tuple[str, Any]]:
    """The errors that go with a task, by name: the kind of output units, and the error or its class."""
    return {
        name: (kind, loss)
        for kind in suited(task, classes)
        for name, loss in ALL_LOSSES.items()
        if losses.LOSSES[name] in losses.LIKELIHOODS[kind].losses
    }


def loss_of(options: Options, task: Task, classes: Sequence[str]) -> tuple[str, Callable[..., Any]]:
    """The kind of output units, and the error."""
    kind, loss = (
        _default_loss(task, classes) if options.loss is None else _chosen_loss(options, task, classes)
    )
    wants_squares = options.takes_all_rows and _minimiser(options).wants == "residuals"
    if wants_squares and loss not in losses.SUMS_OF_SQUARES:
        raise SettingError(
            f"--optimiser {options.optimiser_name} takes a sum of squares, which is for regression without "
            "--loss; choose lbfgs, which takes any error"
        )
    return kind, loss


def _default_loss(task: Task, classes: Sequence[str]) -> tuple[str, Callable[..., Any]]:
    kind = suited(task, classes)[0]
    return kind, losses.LIKELIHOODS[kind].loss


def _chosen_loss(options: Options, task: Task, classes: Sequence[str]) -> tuple[str, Callable[..., Any]]:
    assert options.loss is not None
    known = losses_for(task, classes)
    name, *_ = wording.parsed("--loss", options.loss)
    kind, _ = wording.entry(f"--loss for {task}", name, known)
    made = wording.made("--loss", options.loss, {name: loss for name, (_, loss) in known.items()})
    if isinstance(made, losses.Quantile) and np.ndim(made.q):
        raise SettingError(f"--loss {options.loss!r}: one quantile is predicted; write quantile(q=0.9)")
    return kind, made


def penalty_of(options: Options) -> Any:
    """The penalty on large weights, if any."""
    if options.penalty is None:
        return None
    return wording.made("--penalty", options.penalty, wording.PENALTIES)
