"""The main job in steps: from a table to a trained model and its scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from wengert import metrics, nn, optim
from wengert.data import (
    Split,
    Standardiser,
    Table,
    Target,
    Task,
    class_indices,
    numbers,
    read_target,
    require_columns,
    split,
)
from wengert.errors import DataError
from wengert.models import Model, network_targets, output_for, output_units
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

    target: str | None = None
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
    """Numbers ready for training: inputs by row, the target, who is in which part, and the scales."""

    features: tuple[str, ...]
    x: Array
    target: Target
    parts: Split
    inputs: Standardiser
    outputs: Standardiser

    @property
    def constant(self) -> list[str]:
        """Features that are the same in every training row."""
        return [
            name
            for name, spread in zip(self.features, np.ptp(self.x[self.parts.training], axis=0))
            if not spread
        ]


def prepare(table: Table, options: Options) -> Problem:
    """Read the columns, split the rows, and fit the scales on the training part."""
    name = _target_name(table, options.target)
    target = read_target(table, name, options.task)
    features = tuple(other for other in table.names if other != name)
    if not features:
        raise DataError(
            f"{table.source}:1: there is no column but the target {name!r}; add columns to predict from"
        )
    x = numbers(table, features)
    rng = np.random.default_rng(_streams(options).split)
    parts = split(target, options.validation_fraction, options.test_fraction, rng)
    return Problem(
        features, x, target, parts, Standardiser.fit(x[parts.training]), _target_scale(target, parts)
    )


def _target_name(table: Table, name: str | None) -> str:
    if name is None and "target" not in table.names:
        columns = ", ".join(table.names[:20]) + (", ..." if len(table.names) > 20 else "")
        raise DataError(
            f"{table.source}:1: which column is to be predicted? Write --target with one of {columns}"
        )
    require_columns(table, [name or "target"])
    return name or "target"


def _target_scale(target: Target, parts: Split) -> Standardiser:
    """Scale of the target in regression; classes stay as they are."""
    if target.task == "classification":
        return Standardiser(np.zeros(1), np.ones(1))
    return Standardiser.fit(target.values[parts.training, None])


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


def start(problem: Problem, options: Options, dtype: Any = np.float32) -> Model:
    """The untrained model."""
    units = output_units(problem.target.task, problem.target.classes)
    sizes = (len(problem.features), *options.hidden, units)
    network = nn.MLP.init(
        np.random.default_rng(_streams(options).weights), sizes, options.activation, dtype=dtype
    )
    target = problem.target
    return Model(
        network, problem.features, target.name, target.task, target.classes, problem.inputs, problem.outputs
    )


def train(
    model: Model, problem: Problem, options: Options, on_epoch: Callable[[Epoch], None] | None = None
) -> Fit:
    """Train the network of a model on the training part, watching the validation part."""
    output = output_for(model.task, model.classes)
    dtype = model.network.layers[0].weights.dtype
    values = problem.target.values
    scaled = problem.outputs(values) if model.task == "regression" else values
    x, t = model.scaled(problem.x), network_targets(output, scaled, dtype)
    watched = problem.parts.validation
    return fit(
        model.network,
        output.loss,
        x[problem.parts.training],
        t[problem.parts.training],
        optimiser=optim.WeightDecay(OPTIMISERS[options.optimiser](options.rate), options.weight_decay),
        epochs=options.epochs,
        batch_size=batch_size(problem, options),
        validation=(x[watched], t[watched]) if len(watched) else None,
        patience=options.patience if len(watched) else None,
        seed=_streams(options).order,
        on_epoch=on_epoch,
    )


def scores(model: Model, predicted: Array, values: Array) -> dict[str, float]:
    """What there is to say about predictions, by name; the most telling comes last."""
    if model.task == "regression":
        pairs = {"MAE": metrics.mae, "RMSE": metrics.rmse, "R²": metrics.r_squared}
        return {name: score(predicted, values) for name, score in pairs.items()}
    return {
        "cross-entropy": metrics.cross_entropy(predicted, values),
        "accuracy": metrics.accuracy(np.argmax(predicted, axis=1), values),
    }


def finish(model: Model, problem: Problem, options: Options, result: Fit) -> tuple[Model, dict[str, float]]:
    """The trained model with its history, and its scores on the test part."""
    trained = replace(model, network=result.network)
    test = problem.parts.test
    tested = (
        scores(trained, trained.predict(problem.x[test]), problem.target.values[test]) if len(test) else {}
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
    """What the model should have predicted: class indices or numbers."""
    require_columns(table, [model.target])
    if model.task == "regression":
        return numbers(table, [model.target])[:, 0]
    return class_indices(table, model.target, model.classes)
