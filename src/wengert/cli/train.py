"""``wengert train``: from a table to a model."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli._app import app
from wengert.cli._config import configured
from wengert.cli._shared import (
    DataArgument,
    ForceOption,
    JsonOption,
    QueryOption,
    print_json,
    read,
    refuse_output,
    stem,
)
from wengert.errors import SettingError

if TYPE_CHECKING:
    from wengert._jobs.options import Options
    from wengert._jobs.training import Course, Problem
    from wengert.data import Table, Target
    from wengert.models import Model
    from wengert.train import Fit


class Task(StrEnum):
    """What is predicted."""

    classification = "classification"
    multi_label = "multi-label"
    regression = "regression"


class Split(StrEnum):
    """How rows are dealt out at random."""

    stratified = "stratified"
    random = "random"


class Precision(StrEnum):
    """Of weights and inputs."""

    float32 = "float32"
    float64 = "float64"


MANY_COLUMNS = 20  # lines about columns, at most


def _hidden(text: str) -> str:
    """Sizes of the hidden layers: ``64,32``, or ``0`` for none."""
    words = [word.strip() for word in text.split(",")]
    if words != ["0"] and not all(word.isdecimal() and 0 < int(word) <= 100_000 for word in words):
        raise SettingError(f"--hidden {text!r}: no sizes of layers; write for instance 64,32, or 0 for none")
    return text


def _rate(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise SettingError(f"--learning-rate {value:g}: not a positive number; write for instance 0.001")
    return value


# In the order of the help: data, network, training, where things go.
Targets = Annotated[
    list[str] | None,
    typer.Option(help="The column to predict (by default: target); several are predicted together."),
]
Ignored = Annotated[list[str] | None, typer.Option(help="A column not to predict from; several times.")]
Categories = Annotated[
    list[str] | None, typer.Option(help="A column of names though it holds numbers; several times.")
]
Rows = Annotated[Split, typer.Option(help="Whether every part has its share of each class.")]
Group = Annotated[str | None, typer.Option(help="Keep rows alike in this column together, in one part.")]
Time = Annotated[
    str | None, typer.Option(help="Train on what is earlier in this column, and test on what is later.")
]
Hidden = Annotated[str, typer.Option(help="Sizes of the hidden layers; 0 for none.", callback=_hidden)]
Activation = Annotated[
    str, typer.Option(help="Of the hidden units; for each layer its own: relu,leaky_relu(slope=0.2).")
]
Dropout = Annotated[str, typer.Option(help="How often hidden units are dropped; for each layer: 0.2,0.5.")]
Normalisation = Annotated[str | None, typer.Option(help="Of pre-activations: batch or layer.")]
Skip = Annotated[str | None, typer.Option(help="Inputs of hidden layers go on: add or concatenate.")]
Initialiser = Annotated[str | None, typer.Option(help="Of the weights, such as he, glorot or orthogonal.")]
Optimiser = Annotated[str, typer.Option(help="How gradients become steps, such as adam(b1=0.8) or sgd.")]
LearningRate = Annotated[
    float | None,
    typer.Option(callback=_rate, help="Step length (by default that of the optimiser, such as 0.002)."),
]
Schedule = Annotated[
    str | None,
    typer.Option(help="How the rate changes, in epochs: cosine, onecycle, stepdecay(every=30), adaptive."),
]
WarmUp = Annotated[int, typer.Option(min=0, help="Epochs in which the rate rises to its first value.")]
WeightDecay = Annotated[
    float, typer.Option(min=0, max=10, help="How much every step shrinks the weights, times the rate.")
]
ClipNorm = Annotated[float | None, typer.Option(min=0, help="The most that a gradient may measure.")]
Loss = Annotated[
    str | None, typer.Option(help="Instead of the likelihood's, such as huber(delta=0.5), focal, poisson.")
]
ClassWeights = Annotated[
    str | None, typer.Option(help="How much rows count, by class: balanced, or yes=5,no=1.")
]
Penalty = Annotated[str | None, typer.Option(help="On large weights, such as l1(0.001) or l2(0.001).")]
Epochs = Annotated[int, typer.Option(min=1, help="At most so many passes over the training part.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Patterns per step (by default 32, fewer for small data).")
]
Patience = Annotated[
    int, typer.Option(min=1, help="Stop when the validation error has not fallen for so many epochs.")
]
Tolerance = Annotated[float, typer.Option(min=0, help="By how much it has to fall.")]
ValidationFraction = Annotated[float, typer.Option(help="Share of the rows to stop early by.")]
TestFraction = Annotated[float, typer.Option(help="Share of the rows for the final score.")]
TaskOption = Annotated[Task | None, typer.Option(help="Instead of what the target column suggests.")]
PrecisionOption = Annotated[Precision, typer.Option(help="Of weights and inputs.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")]
Threads = Annotated[int | None, typer.Option(min=1, help="How many may work; the outcome is the same.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The model file (by default <data>.wengert).")
]
Plot = Annotated[Path | None, typer.Option(help="Draw the learning curve into this PNG file.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Keep the training in this file on the way, to go on from.")
]
CheckpointEvery = Annotated[int, typer.Option(min=1, help="After so many epochs.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on from the checkpoint (by default <output>.checkpoint), if it is there: the same model "
        "as without the interruption.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="A TOML file of these options; those on the command line go before.",
        callback=configured,
        is_eager=True,
    ),
]


@app.command()
def train(
    data: DataArgument,
    target: Targets = None,
    ignore: Ignored = None,
    category: Categories = None,
    query: QueryOption = None,
    task: TaskOption = None,
    split: Rows = Split.stratified,
    group: Group = None,
    time: Time = None,
    validation_fraction: ValidationFraction = 0.1,
    test_fraction: TestFraction = 0.2,
    hidden: Hidden = "128",
    activation: Activation = "relu",
    dropout: Dropout = "0",
    normalisation: Normalisation = None,
    skip: Skip = None,
    initialiser: Initialiser = None,
    precision: PrecisionOption = Precision.float32,
    loss: Loss = None,
    class_weights: ClassWeights = None,
    penalty: Penalty = None,
    optimiser: Optimiser = "adam",
    learning_rate: LearningRate = None,
    schedule: Schedule = None,
    warm_up: WarmUp = 0,
    weight_decay: WeightDecay = 0.1,
    clip_norm: ClipNorm = None,
    epochs: Epochs = 100,
    batch_size: BatchSize = None,
    patience: Patience = 10,
    tolerance: Tolerance = 0.0,
    seed: Seed = 0,
    threads: Threads = None,
    config: Config = None,
    output: Output = None,
    plot: Plot = None,
    checkpoint: Checkpoint = None,
    checkpoint_every: CheckpointEvery = 1,
    resume: Resume = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a network on a table and save it, scored on rows that it has not seen.

    wengert train digits

    wengert train wine --hidden 64,32 --dropout 0.2 --schedule cosine --plot curve.png

    wengert train diabetes --loss "huber(delta=0.5)" --epochs 500 --resume
    """
    from wengert._jobs.options import Options
    from wengert._jobs.training import Course

    options = Options(
        targets=tuple(target or ()),
        ignored=tuple(ignore or ()),
        categories=tuple(category or ()),
        split=split.value,
        group=group,
        time=time,
        task=task.value if task else None,  # type: ignore[arg-type]
        hidden=() if hidden.strip() == "0" else tuple(map(int, hidden.split(","))),
        activation=activation,
        dropout=dropout,
        normalisation=normalisation,
        skip=skip,
        initialiser=initialiser,
        precision=precision.value,
        optimiser=optimiser,
        learning_rate=learning_rate,
        schedule=schedule,
        warm_up=warm_up,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        loss=loss,
        class_weights=class_weights,
        penalty=penalty,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        tolerance=tolerance,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    options.check()
    output = output or Path(f"{stem(data)}.wengert")
    refuse_output(output, [data], force)
    refuse_output(plot, [data, str(output)], force)
    checkpoint = _checkpoint(checkpoint, output, resume, [data, str(output), *([str(plot)] if plot else [])])
    course = Course(checkpoint, checkpoint_every, resume, threads)
    said = print_nothing if as_json else _print
    report = _train((data, query), options, course, Files(stem(data), output, plot), said)
    if as_json:
        print_json(report)
    if report["interrupted"]:
        raise typer.Exit(130)


def _print(line: str) -> None:
    print(line, flush=True)


def print_nothing(line: str) -> None:
    """What is said in words is in the JSON object, too."""


def _checkpoint(checkpoint: Path | None, output: Path, resume: bool, sources: list[str]) -> Path | None:
    """The file of the checkpoint; one that is there already is only gone on from."""
    found = checkpoint or (Path(f"{output}.checkpoint") if resume else None)
    if found is not None and found.exists() and not resume:
        raise SettingError(
            f"{found}: exists already; write --resume to go on from it, delete it, or choose another name"
        )
    refuse_output(found, sources, force=True)
    return found


# --------------------------------------------------------------------------------------------- steps


class Files:
    """Where things go, and what the data are called."""

    def __init__(self, stem: str, output: Path, plot: Path | None) -> None:
        self.stem, self.output, self.plot = stem, output, plot


def _train(
    data: tuple[str, str | None], options: "Options", course: "Course", files: Files, said: Any
) -> dict[str, Any]:
    from wengert import models
    from wengert._console import fail
    from wengert._jobs import training

    problem, source = _prepared(data, options, said)
    model = training.start(problem, options)
    said(_about_network(model, problem, options, training.batch_size(problem, options)))
    result = training.train(model, problem, options, course)
    if not result.epochs:
        fail("interrupted before the end of the first epoch; nothing was written")
        raise typer.Exit(130)
    model, scores = training.finish(model, problem, options, result)
    models.save(model, files.output)
    said(f"{_about_training(result, options)}\nmodel {files.output}")
    if files.plot is not None:
        title = f"Learning curve of {files.stem}"
        result.curve.save(files.plot, title=title, best=result.best_epoch)
        said(f"learning curve {files.plot}")
    for name, score in scores.items():
        said(f"{name} {score:.4f}")
    return _report(source, problem, model, result, files, scores)


def _prepared(data: tuple[str, str | None], options: "Options", said: Any) -> tuple["Problem", str]:
    """The numbers, and what the table is called; the table itself is not kept while they are trained on."""
    from wengert._console import note
    from wengert._jobs import training

    table = read(*data)
    problem = training.prepare(table, options)
    for line in problem.notes:
        note(line)
    said(_about_data(table, problem))
    return problem, table.source


def _report(
    source: str, problem: "Problem", model: "Model", result: "Fit", files: Files, scores: dict[str, float]
) -> dict[str, Any]:
    """Everything there is to say, ready for JSON."""
    parts = problem.parts
    return {
        "data": source,
        "rows": {
            "training": len(parts.training),
            "validation": len(parts.validation),
            "test": len(parts.test),
        },
        "columns": [str(line) for line in problem.preprocessing.describe()],
        "notes": list(problem.notes),
        "target": list(model.targets),
        "task": model.task,
        "classes": list(model.classes),
        "weights": _count_of_weights(model),
        "options": model.training["options"],
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
        "interrupted": result.interrupted,
        "model": str(files.output),
        "learning_curve": None if files.plot is None else str(files.plot),
        "scores": scores,
    }


# --------------------------------------------------------------------------------------------- words


def _about_data(table: "Table", problem: "Problem") -> str:
    target, parts = problem.target, problem.parts
    told = [f"column {line}" for line in problem.preprocessing.describe() if not line.is_plain]
    if len(told) > MANY_COLUMNS:
        told = [*told[: MANY_COLUMNS - 1], f"{len(told) - MANY_COLUMNS + 1} more columns are not shown"]
    sizes = f"{len(parts.training)} training, {len(parts.validation)} validation, {len(parts.test)} test"
    lines = [
        f"data {table.source}: {len(table)} rows, {len(problem.preprocessing.columns)} features",
        *told,
        f"target {', '.join(target.names)}: {_about_target(target)}",
        f"rows {sizes}",
    ]
    return "\n".join(lines)


def _about_target(target: "Target") -> str:
    nouns = {"classification": "into {} classes", "multi-label": "with {} labels"}
    kinds = " " + nouns[target.task].format(len(target.classes)) if target.classes else ""
    one = "classification" if len(target.names) == 1 else "multi-label"
    other = "regression" if target.task == one else one
    settled = target.reason in ("as told", "text")  # words are no numbers, whatever is asked for
    override = "" if settled else f"; --task {other} overrides"
    return f"{target.task}{kinds} ({target.reason}{override})"


def _about_network(model: "Model", problem: "Problem", options: "Options", batch_size: int) -> str:
    network = f"network {'-'.join(map(str, model.network.sizes))} {options.activation}"
    extras = [
        f"{name} {value}"
        for name in ("dropout", "normalisation", "skip", "loss", "class_weights", "penalty", "schedule")
        if (value := getattr(options, name)) not in (None, "0")
    ]
    return "\n".join(
        [
            f"{network}, {_count_of_weights(model)} weights",
            *([", ".join(extras).replace("_", " ")] if extras else []),
            f"optimiser {options.optimiser}, learning rate {options.rate:g}, "
            f"weight decay {options.weight_decay:g}",
            f"batches of {batch_size}, seed {options.seed}",
        ]
    )


def _count_of_weights(model: "Model") -> int:
    from wengert import nn

    return sum(weights.size for weights in nn.parameters(model.network).values())


def _about_training(result: "Fit", options: "Options") -> str:
    why = ""
    if result.interrupted:
        why = " (interrupted)"
    elif result.stopped_early:
        why = f" (the validation error had not fallen for {options.patience})"
    return f"trained {result.epochs} of {options.epochs} epochs{why}; weights of epoch {result.best_epoch}"
