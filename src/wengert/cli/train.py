"""``wengert train``: from a table to a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from wengert._refusals import counted
from wengert.cli import _options as option
from wengert.cli._app import command
from wengert.cli._shared import (
    DataArgument,
    ForceOption,
    JsonOption,
    QueryOption,
    print_json,
    read,
    refuse_output,
    refuse_plot,
    stem,
)
from wengert.errors import SettingError

if TYPE_CHECKING:
    from wengert._jobs.options import Options
    from wengert._jobs.training import Course, Problem
    from wengert.data import Table, Target
    from wengert.models import Model
    from wengert.train import Fit

MANY_COLUMNS = 20  # lines about columns, at most


@command
def train(
    data: DataArgument,
    target: option.Targets = None,
    ignore: option.Ignored = None,
    category: option.Categories = None,
    query: QueryOption = None,
    task: option.TaskOption = None,
    split: option.Rows = option.Split.stratified,
    group: option.Group = None,
    time: option.Time = None,
    validation_fraction: option.ValidationFraction = 0.1,
    test_fraction: option.TestFraction = 0.2,
    hidden: option.Hidden = "128",
    activation: option.Activation = "relu",
    dropout: option.Dropout = "0",
    normalisation: option.Normalisation = None,
    skip: option.Skip = None,
    initialiser: option.Initialiser = None,
    precision: option.PrecisionOption = option.Precision.float32,
    loss: option.Loss = None,
    class_weights: option.ClassWeights = None,
    penalty: option.Penalty = None,
    optimiser: option.Optimiser = "adam",
    learning_rate: option.LearningRate = None,
    schedule: option.Schedule = None,
    warm_up: option.WarmUp = 0,
    weight_decay: option.WeightDecay = None,
    clip_norm: option.ClipNorm = None,
    epochs: option.Epochs = 100,
    batch_size: option.BatchSize = None,
    patience: option.Patience = 10,
    tolerance: option.Tolerance = 0.0,
    seed: option.Seed = 0,
    threads: option.Threads = None,
    config: option.Config = None,
    output: option.Output = None,
    plot: option.Plot = None,
    checkpoint: option.Checkpoint = None,
    checkpoint_every: option.CheckpointEvery = 1,
    resume: option.Resume = False,
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
    refuse_plot(plot, [data, str(output)], force)
    if options.takes_all_rows and (resume or checkpoint):
        _refuse_checkpoint(options.optimiser_name)
    checkpoint = _checkpoint(checkpoint, output, resume, [data, str(output), *([str(plot)] if plot else [])])
    course = Course(checkpoint, checkpoint_every, resume, threads)
    said = _print_nothing if as_json else _print
    report = _train((data, query), options, course, Files(stem(data), output, plot), said)
    if as_json:
        print_json(report)
    if report["interrupted"]:
        raise typer.Exit(130)


def _print(line: str) -> None:
    print(line, flush=True)


def _print_nothing(line: str) -> None:
    """What is said in words is in the JSON object, too."""


def _refuse_checkpoint(optimiser: str) -> NoReturn:
    raise SettingError(
        f"--optimiser {optimiser} keeps nothing to go on from; leave out --checkpoint and --resume"
    )


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


class Files(NamedTuple):
    """Where things go, and what the data are called."""

    stem: str
    output: Path
    plot: Path | None


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
        f"data {table.source}: {len(table)} rows, {counted(len(problem.preprocessing.columns), 'feature')}",
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
            _about_steps(options, batch_size),
        ]
    )


def _about_steps(options: "Options", batch_size: int) -> str:
    if options.takes_all_rows:
        return f"optimiser {options.optimiser}, all {batch_size} rows at once\nseed {options.seed}"
    return (
        f"optimiser {options.optimiser}, learning rate {options.rate:g}, weight decay {options.decay:g}\n"
        f"batches of {batch_size}, seed {options.seed}"
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
    elif result.epochs < options.epochs:
        why = " (no step lowers the training error further)"
    return f"trained {result.epochs} of {options.epochs} epochs{why}; weights of epoch {result.best_epoch}"
