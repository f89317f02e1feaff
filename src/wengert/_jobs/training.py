"""The main job in steps: from a table to a trained model and its scores."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wengert import losses, metrics
from wengert._jobs import rows, wording
from wengert._jobs.options import Options, loss_of, network_of, optimiser_of, penalty_of
from wengert.data import (
    Preprocessing,
    Split,
    Standardiser,
    Table,
    Target,
    read_target,
    require_columns,
    suspicions,
    target_values,
    words,
)
from wengert.errors import DataError, SettingError
from wengert.losses import LIKELIHOODS
from wengert.models import Embedded, Model
from wengert.train import Fit, fit

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """Numbers ready for training: inputs by part, the target, who is in which part, the outputs' scale."""

    preprocessing: Preprocessing
    x: Split
    target: Target
    parts: Split
    outputs: Standardiser
    kind: str
    loss: Any
    seen: dict[str, str]
    notes: tuple[str, ...] = ()


def prepare(table: Table, options: Options) -> Problem:
    """Read the columns, split the rows, and fit the preprocessing on the training part."""
    target = read_target(table, _target_names(table, options.targets), options.task)
    features = _features(table, target, options)
    kind, loss = loss_of(options, target.task, target.classes)
    _refuse_counts(table, kind, target)
    parts = rows.parts(table, target, options)
    preprocessing = Preprocessing.fit(table, features, parts.training, options.categories)
    each = (parts.training, parts.validation, parts.test)
    x = Split(*(preprocessing.inputs(table, np.dtype(options.precision), part) for part in each))
    seen = rows.seen(table, preprocessing, target.names, parts)
    notes = tuple(suspicions(_named(table, options), preprocessing.columns, target, parts.training))
    scale = _target_scale(target, parts, kind)
    return Problem(preprocessing, x, target, parts, scale, kind, loss, seen, notes)


def _named(table: Table, options: Options) -> Table:
    """The table with words for the numbers of which somebody has said that they are names."""
    names = {name: words(table, name) for name in options.categories}
    return replace(table, columns={**table.columns, **names})


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


def _refuse_counts(table: Table, kind: str, target: Target) -> None:
    if kind == "count" and (target.values < 0).any():
        row = int(np.argmax((target.values.reshape(len(target.values), -1) < 0).any(axis=1)))
        raise DataError(f"{table.where(row)}: a negative target is no count; choose another --loss")


def _target_scale(target: Target, parts: Split, kind: str) -> Standardiser:
    """Scale of the targets in regression; classes and counts stay as they are."""
    if target.task != "regression" or LIKELIHOODS[kind].activation != "identity":
        count = len(target.names) if target.task == "regression" else 1
        return Standardiser(np.zeros(count), np.ones(count))
    return Standardiser.fit(target.values[parts.training].reshape(len(parts.training), -1))


# ----------------------------------------------------------------------------------------- training


def batch_size(problem: Problem, options: Options) -> int:
    """Patterns per step: 32, and fewer below a thousand training rows, for at least 32 steps an epoch.

    All of them where the optimiser takes them at once.
    """
    count = len(problem.parts.training)
    return count if options.takes_all_rows else options.batch_size or min(32, max(4, count // 32))


def start(problem: Problem, options: Options) -> Model:
    """The untrained model."""
    target, preprocessing = problem.target, problem.preprocessing
    units = LIKELIHOODS[problem.kind].units(len(target.classes) or len(target.names))
    rng, dtype = np.random.default_rng(rows.streams(options).weights), problem.x.training.dtype
    embeddings = tuple(_vectors(rng, e.categories, e.units).astype(dtype) for e in preprocessing.embedded)
    inputs = len(preprocessing.features) + sum(e.units for e in preprocessing.embedded)
    network = network_of(rng, options, inputs, units)
    return Model(
        Embedded(embeddings, network) if embeddings else network,
        preprocessing,
        target.names,
        target.task,
        target.classes,
        problem.outputs,
        problem.kind,
    )


def _vectors(rng: np.random.Generator, categories: int, units: int) -> Array:
    """A vector for each category; that of whatever is never seen in training is zero."""
    return np.concatenate([np.zeros((1, units)), rng.normal(size=(categories - 1, units))])


@dataclass(frozen=True)
class Course:
    """What a training does besides: where it is kept on the way, and how much of the machine it takes."""

    checkpoint: Path | None = None
    checkpoint_every: int = 1
    resume: bool = False
    threads: int | None = None
    progress: bool = True


def train(model: Model, problem: Problem, options: Options, course: Course) -> Fit:
    """Train the network of a model on the training part, watching the validation part."""
    t, parts = model.targets_for_error(problem.target.values), problem.parts
    size = batch_size(problem, options)
    weights = _weights(problem, options)
    own = None if weights is None else weights[parts.training]
    watched = () if weights is None else (weights[parts.validation],)
    validation = (problem.x.validation, t[parts.validation], *watched)
    return fit(
        model.network,
        problem.loss,
        problem.x.training,
        t[parts.training],
        sample_weight=own,
        optimiser=optimiser_of(options, -(-len(parts.training) // size)),
        epochs=options.epochs,
        batch_size=size,
        validation=validation if len(parts.validation) else None,
        patience=options.patience if len(parts.validation) else None,
        tolerance=options.tolerance,
        penalty=penalty_of(options),
        seed=rows.streams(options).order,
        checkpoint=course.checkpoint,
        checkpoint_every=course.checkpoint_every,
        resume=course.resume,
        threads=course.threads,
        progress=course.progress,
    )


def _weights(problem: Problem, options: Options) -> Array | None:
    """The weights of all rows, from those of the classes in the training part."""
    if options.class_weights is None:
        return None
    target, own = problem.target, problem.parts.training
    if target.task == "regression":
        raise SettingError("--class-weights: numbers have no classes; leave it out, or say --task")
    wanted = wording.weights("--class-weights", options.class_weights)
    names: Any = target.classes if target.task == "classification" else ("0", "1")
    unknown = [name for name in wanted if name not in names] if isinstance(wanted, dict) else []
    if unknown:
        raise SettingError(f"--class-weights: there is no class {unknown[0]!r}; there are {', '.join(names)}")
    labels = np.array(names)[target.values.astype(np.int64)].reshape(len(target.values), -1)
    return np.prod([_by_class(column, own, wanted) for column in labels.T], axis=0)


def _by_class(labels: Array, own: Array, wanted: Any) -> Array:
    """The weight of the class of every row, as the training part has it; 1 for a class that it lacks."""
    known, first = np.unique(labels[own], return_index=True)
    weights = dict(zip(known.tolist(), losses.class_weights(labels[own], wanted)[first].tolist()))
    classes, index = np.unique(labels, return_inverse=True)
    return np.array([weights.get(name, 1.0) for name in classes.tolist()])[index]


# ------------------------------------------------------------------------------------------- scores


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
    named = {f"test {name}": score for name, score in _tested(trained, problem).items()}
    history = {
        "options": options.known | {"batch_size": batch_size(problem, options)},
        "rows": problem.seen,
        "best_epoch": result.best_epoch,
        "training_error": result.curve.training,
        "validation_error": result.curve.validation,
        "scores": named,
    }
    return replace(trained, training=history), named


def _tested(model: Model, problem: Problem) -> dict[str, float]:
    """The scores on the test part, if there is one."""
    test = problem.parts.test
    if not len(test):
        return {}
    return scores(model, model.predict_inputs(problem.x.test), problem.target.values[test])


def true_values(model: Model, table: Table) -> Array:
    """What the model should have predicted: class indices, labels or numbers."""
    return target_values(table, model.targets, model.task, model.classes)
