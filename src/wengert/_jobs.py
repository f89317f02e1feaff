"""The main job in steps: from a table to a trained model and its scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from wengert import metrics, nn, optim
from wengert.data import (
    Preprocessing,
    Split,
    Standardiser,
    Table,
    Target,
    Task,
    read_target,
    require_columns,
    split,
    split_by_group,
    split_by_time,
    suspicions,
    target_values,
)
from wengert.errors import DataError
from wengert.models import Embedded, Model, network_targets, output_for, output_units
from wengert.train import Epoch, Fit, fit

Array = np.ndarray

OPTIMISERS: dict[str, Callable[[float], optim.SGD | optim.Adam]] = {
    "adam": optim.Adam,
    "momentum": lambda rate: optim.SGD(rate, momentum=0.9),
    "sgd": optim.SGD,
}
LEARNING_RATES = {"adam": 2e-3, "momentum": 1e-2, "sgd": 1e-1}


@dataclass(frozen=True)
class Options:
    """What the user may choose about training."""

    targets: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    task: Task | None = None
    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    optimiser: str = "adam"
    learning_rate: float | None = None
    weight_decay: float = 0.1
    epochs: int = 100
    batch_size: int | None = None
    patience: int = 10
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0

    @property
    def rate(self) -> float:
        """The learning rate, that of the optimiser unless chosen."""
        return self.learning_rate or LEARNING_RATES[self.optimiser]

    @property
    def known(self) -> dict[str, Any]:
        """The options as they are kept in the model file."""
        return {
            "hidden": list(self.hidden),
            "activation": self.activation,
            "optimiser": self.optimiser,
            "learning_rate": self.rate,
            "weight_decay": self.weight_decay,
            "epochs": self.epochs,
            "patience": self.patience,
            "validation_fraction": self.validation_fraction,
            "test_fraction": self.test_fraction,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Problem:
    """Numbers ready for training: inputs by part, the target, who is in which part, the outputs' scale."""

    preprocessing: Preprocessing
    x: Split
    target: Target
    parts: Split
    outputs: Standardiser
    notes: tuple[str, ...] = ()


def prepare(table: Table, options: Options, dtype: Any = np.float32) -> Problem:
    """Read the columns, split the rows, and fit the preprocessing on the training part."""
    target = read_target(table, _target_names(table, options.targets), options.task)
    features = _features(table, target, options)
    parts = _split(table, target, options)
    preprocessing = Preprocessing.fit(table, features, parts.training, options.categories)
    rows = (parts.training, parts.validation, parts.test)
    x = Split(*(preprocessing.inputs(table, dtype, part) for part in rows))
    notes = tuple(suspicions(table, preprocessing.columns, target, parts.training))
    return Problem(preprocessing, x, target, parts, _target_scale(target, parts), notes)


def _target_names(table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names and "target" not in table.names:
        columns = ", ".join(table.names[:20]) + (", ..." if len(table.names) > 20 else "")
        raise DataError(
            f"{table.head}: which column is to be predicted? Write --target with one of {columns}"
        )
    require_columns(table, names or ("target",))
    return names or ("target",)


def _features(table: Table, target: Target, options: Options) -> tuple[str, ...]:
    """What is predicted from: all but the target, what is ignored, and what the rows are split by."""
    require_columns(table, options.ignored)
    others = {*target.names, *options.ignored, options.group, options.time}
    features = tuple(name for name in table.names if name not in others)
    if not features:
        named = ", ".join(map(repr, target.names))
        raise DataError(
            f"{table.head}: there is no column but the target {named}; add columns to predict from"
        )
    return features


def _split(table: Table, target: Target, options: Options) -> Split:
    """At random (class by class), by group, or by time."""
    fractions = options.validation_fraction, options.test_fraction
    rng = np.random.default_rng(_streams(options).split)
    if options.group is not None:
        return split_by_group(table, options.group, *fractions, rng)
    if options.time is not None:
        return split_by_time(table, options.time, *fractions)
    return split(target, *fractions, rng)


def _target_scale(target: Target, parts: Split) -> Standardiser:
    """Scale of the targets in regression; classes stay as they are."""
    if target.task != "regression":
        return Standardiser(np.zeros(1), np.ones(1))
    return Standardiser.fit(target.values[parts.training].reshape(len(parts.training), -1))


class Streams(NamedTuple):
    """Independent streams of random numbers, so that one choice does not shift the others."""

    order: np.random.SeedSequence
    split: np.random.SeedSequence
    weights: np.random.SeedSequence


def _streams(options: Options) -> Streams:
    return Streams(*np.random.SeedSequence(options.seed).spawn(3))


def batch_size(problem: Problem, options: Options) -> int:
    """Patterns per step: 32, and fewer below a thousand training rows, for at least 32 steps an epoch."""
    return options.batch_size or min(32, max(4, len(problem.parts.training) // 32))


def start(problem: Problem, options: Options) -> Model:
    """The untrained model."""
    target, preprocessing = problem.target, problem.preprocessing
    units = output_units(target.task, target.classes, len(target.names))
    rng, dtype = np.random.default_rng(_streams(options).weights), problem.x.training.dtype
    embeddings = tuple(_vectors(rng, e.categories, e.units).astype(dtype) for e in preprocessing.embedded)
    inputs = len(preprocessing.features) + sum(e.units for e in preprocessing.embedded)
    network = nn.MLP.init(rng, (inputs, *options.hidden, units), options.activation, dtype=dtype)
    return Model(
        Embedded(embeddings, network) if embeddings else network,
        preprocessing,
        target.names,
        target.task,
        target.classes,
        problem.outputs,
    )


def _vectors(rng: np.random.Generator, categories: int, units: int) -> Array:
    """A vector for each category; that of whatever is never seen in training is zero."""
    return np.concatenate([np.zeros((1, units)), rng.normal(size=(categories - 1, units))])


def train(
    model: Model, problem: Problem, options: Options, on_epoch: Callable[[Epoch], None] | None = None
) -> Fit:
    """Train the network of a model on the training part, watching the validation part."""
    output = output_for(model.task, model.classes)
    values = problem.target.values
    scaled = problem.outputs(values.reshape(len(values), -1)) if model.task == "regression" else values
    t, watched = network_targets(output, scaled, model.dtype), problem.parts.validation
    return fit(
        model.network,
        output.loss,
        problem.x.training,
        t[problem.parts.training],
        optimiser=optim.WeightDecay(OPTIMISERS[options.optimiser](options.rate), options.weight_decay),
        epochs=options.epochs,
        batch_size=batch_size(problem, options),
        validation=(problem.x.validation, t[watched]) if len(watched) else None,
        patience=options.patience if len(watched) else None,
        seed=_streams(options).order,
        on_epoch=on_epoch,
        progress=False,
    )


def scores(model: Model, predicted: Array, values: Array) -> dict[str, float]:
    """What there is to say about predictions, by name; the most telling comes last."""
    if model.task == "regression":
        pairs = {"MAE": metrics.mae, "RMSE": metrics.rmse, "R²": metrics.r_squared}
        return {name: score(predicted, values) for name, score in pairs.items()}
    if model.task == "multi-label":
        right = (predicted > 0.5) == (values > 0.5)
        return {
            "cross-entropy": metrics.log_loss(predicted, values),
            "labels right": float(np.mean(right)),
            "accuracy": float(np.mean(right.all(axis=1))),
        }
    return {
        "cross-entropy": metrics.cross_entropy(predicted, values),
        "accuracy": metrics.accuracy(np.argmax(predicted, axis=1), values),
    }


def finish(model: Model, problem: Problem, options: Options, result: Fit) -> tuple[Model, dict[str, float]]:
    """The trained model with its history, and its scores on the test part."""
    trained = replace(model, network=result.network)
    test = problem.parts.test
    tested = (
        scores(trained, trained.predict_inputs(problem.x.test), problem.target.values[test])
        if len(test)
        else {}
    )
    named = {f"test {name}": score for name, score in tested.items()}
    history = {
        "options": options.known | {"batch_size": batch_size(problem, options)},
        "best_epoch": result.best_epoch,
        "training_error": result.curve.training,
        "validation_error": result.curve.validation,
        "scores": named,
    }
    return replace(trained, training=history), named


def true_values(model: Model, table: Table) -> Array:
    """What the model should have predicted: class indices, labels or numbers."""
    return target_values(table, model.targets, model.task, model.classes)
