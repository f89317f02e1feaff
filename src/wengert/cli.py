"""The command line: ``wengert train``, ``wengert predict``, ``wengert evaluate``, ``wengert cache``.

Progress and notes go to stderr, results to stdout. A mistake in what was asked for ends with one line,
``wengert: error: where: what; what to do instead``, exit code 2, and nothing written. Files are replaced
only when their new content is complete. Heavy imports wait until they are needed, so that ``wengert --help``
answers at once.
"""

import json
import math
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wengert._jobs import Options, Problem
    from wengert.data import Table, Target
    from wengert.models import Model
    from wengert.native.machine.cache import Usage
    from wengert.train import Fit

app = typer.Typer(
    name="wengert",
    help="Train small networks on tables, and use them. `wengert train digits` needs nothing but itself.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Task(StrEnum):
    """What is predicted."""

    classification = "classification"
    multi_label = "multi-label"
    regression = "regression"


class Activation(StrEnum):
    """Names of :data:`wengert.nn.ACTIVATIONS` that suit hidden units."""

    relu = "relu"
    leaky_relu = "leaky_relu"
    softplus = "softplus"
    tanh = "tanh"
    logistic = "logistic"
    identity = "identity"


class Optimiser(StrEnum):
    """Names of the optimisers in :mod:`wengert._jobs`."""

    adam = "adam"
    momentum = "momentum"
    sgd = "sgd"


DATA_HELP = (
    "A CSV, Parquet, JSON, Arrow, SQLite or NPZ file, a folder or pattern of Parquet files, - for a "
    "pipe, or one of the "
    "embedded sets digits, iris, wine, diabetes (a file of that name: ./digits)."
)
QUERY_HELP = "What to take of the data, in SQL, for instance SELECT * FROM data WHERE x > 0."


MANY_COLUMNS = 20  # lines about columns, at most
DATA_ENDINGS = (
    ".csv", ".tsv", ".txt", ".parquet", ".pq", ".json", ".jsonl", ".ndjson", ".arrow", ".feather", ".ipc",
    ".sqlite", ".sqlite3", ".db", ".npz",
)  # fmt: skip


class UsageMistake(Exception):
    """A wish that cannot be carried out; the message says what to do instead."""


# ------------------------------------------------------------------------------------------- options


def _hidden(text: str) -> tuple[int, ...]:
    """Sizes of the hidden layers: ``64,32``, or ``0`` for none."""
    words = [word.strip() for word in text.split(",")]
    if words == ["0"]:
        return ()
    if not all(word.isdecimal() and 0 < int(word) <= 100_000 for word in words):
        raise UsageMistake(f"--hidden {text!r}: no sizes of layers; write for instance 64,32, or 0 for none")
    return tuple(int(word) for word in words)


def _rate(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise UsageMistake(f"--learning-rate {value:g}: not a positive number; write for instance 0.001")
    return value


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"wengert {version('wengert')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


# ------------------------------------------------------------------------------------------ commands


@app.command()
def train(
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    target: Annotated[
        list[str] | None,
        typer.Option(help="The column to predict (by default: target); several are predicted together."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A column not to predict from; several times.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="A column of names though it holds numbers; several times.")
    ] = None,
    query: Annotated[str | None, typer.Option(help=QUERY_HELP)] = None,
    group: Annotated[
        str | None, typer.Option(help="Keep rows alike in this column together, in one part.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Train on what is earlier in this column, and test on what is later.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The model file (by default <data>.wengert).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    hidden: Annotated[str, typer.Option(help="Sizes of the hidden layers; 0 for none.")] = "128",
    activation: Annotated[Activation, typer.Option(help="Of the hidden units.")] = Activation.relu,
    optimiser: Annotated[Optimiser, typer.Option(help="How gradients become steps.")] = Optimiser.adam,
    learning_rate: Annotated[
        float | None,
        typer.Option(callback=_rate, help="Step length (by default adam 0.002, momentum 0.01, sgd 0.1)."),
    ] = None,
    weight_decay: Annotated[
        float,
        typer.Option(min=0, max=10, help="How much every step shrinks the weights, times the learning rate."),
    ] = 0.1,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many passes over the training part.")] = 100,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Patterns per step (by default 32, fewer for small data).")
    ] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="Stop when the validation error has not fallen for so many epochs.")
    ] = 10,
    validation_fraction: Annotated[float, typer.Option(help="Share of the rows to stop early by.")] = 0.1,
    test_fraction: Annotated[float, typer.Option(help="Share of the rows for the final score.")] = 0.2,
    task: Annotated[Task | None, typer.Option(help="Instead of what the target column suggests.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the learning curve into this PNG file.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace whatever is there, not only an older model.")
    ] = False,
) -> None:
    """Train a network on a table and save it, scored on rows that it has not seen.

    wengert train digits

    wengert train houses.csv --target price --hidden 64,32 --plot curve.png
    """
    from wengert._jobs import Options

    options = Options(
        targets=tuple(target or ()),
        group=group,
        time=time,
        ignored=tuple(ignore or ()),
        categories=tuple(category or ()),
        task=task.value if task else None,  # type: ignore[arg-type]
        hidden=_hidden(hidden),
        activation=activation.value,
        optimiser=optimiser.value,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    output = output or Path(f"{_stem(data)}.wengert")
    _refuse_output(output, [data], _only_over_models, force)
    if plot is not None:
        _refuse_output(plot, [data, str(output)], _only_over_pictures, force)
    if group is not None and time is not None:
        raise UsageMistake("--group and --time each split the rows; write one of them")
    _train(_read(data, query), _stem(data), output, plot, options)


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model file written by `wengert train`.")],
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    query: Annotated[str | None, typer.Option(help=QUERY_HELP)] = None,
    fill_columns: Annotated[
        bool, typer.Option("--fill-columns", help="Take columns that are not there as missing in every row.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The CSV file to write (by default stdout).")
    ] = None,
) -> None:
    """Predict every row of a table: the class and its probabilities, or the number.

    Columns are found by name; the target may be missing and other columns are ignored.

    wengert predict digits.wengert digits --output predictions.csv
    """
    from wengert import models
    from wengert._console import csv_text

    if output is not None:
        _refuse_output(output, [data, model], _never_over_models)
    network = models.load(model)
    table = _read(data, query)
    if fill_columns:
        table = network.preprocessing.completed(table)
    _note_surprises(network, table)
    text = csv_text(_prediction_rows(network, network.predict_table(table)))
    _write(output, text)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model file written by `wengert train`.")],
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    query: Annotated[str | None, typer.Option(help=QUERY_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare the predictions for a table with its target column.

    wengert evaluate digits.wengert digits --json
    """
    from wengert import models

    network = models.load(model)
    table = _read(data, query)
    _note_surprises(network, table)
    report = _report(network, table)
    print(json.dumps(report, indent=2, ensure_ascii=False) if as_json else _report_text(report))


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete every entry.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show where compiled code is kept between runs, and how much of it; or delete it.

    WENGERT_CACHE_DIR names another folder, or `off`; WENGERT_CACHE_SIZE another limit, for instance 64M.

    wengert cache --clear
    """
    from wengert.native.machine import cache as kept

    cleared = kept.clear() if clear else None
    report = _cache_report(cleared)
    print(json.dumps(report, indent=2, ensure_ascii=False) if as_json else _cache_text(report))


# --------------------------------------------------------------------------------------------- train


def _train(table: "Table", stem: str, output: Path, plot: Path | None, options: "Options") -> None:
    from wengert import _jobs, models
    from wengert._console import fail
    from wengert.train import training_progress

    problem = _jobs.prepare(table, options)
    print(_about_data(table, problem), flush=True)
    model = _jobs.start(problem, options)
    print(_about_network(model, options, _jobs.batch_size(problem, options)), flush=True)
    with training_progress(options.epochs) as report:
        result = _jobs.train(model, problem, options, report)
    if not result.epochs:
        fail("interrupted before the end of the first epoch; nothing was written")
        raise typer.Exit(130)
    model, scores = _jobs.finish(model, problem, options, result)
    models.save(model, output)
    print(_about_training(result, options), f"model {output}", sep="\n")
    if plot is not None:
        result.curve.save(plot, title=f"Learning curve of {stem}", best=result.best_epoch)
        print(f"learning curve {plot}")
    for name, score in scores.items():
        print(f"{name} {score:.4f}")
    if result.interrupted:
        raise typer.Exit(130)


def _about_data(table: "Table", problem: "Problem") -> str:
    from wengert._console import note

    target, parts = problem.target, problem.parts
    for line in problem.notes:
        note(line)
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
    override = "" if target.reason == "as told" else f"; --task {other} overrides"
    return f"{target.task}{kinds} ({target.reason}{override})"


def _about_network(model: "Model", options: "Options", batch_size: int) -> str:
    from wengert import nn

    count = sum(weights.size for weights in nn.parameters(model.network).values())
    sizes = "-".join(map(str, model.network.sizes))
    return (
        f"network {sizes} {options.activation}, {count} weights\n"
        f"optimiser {options.optimiser}, learning rate {options.rate:g}, "
        f"weight decay {options.weight_decay:g}\n"
        f"batches of {batch_size}, seed {options.seed}"
    )


def _about_training(result: "Fit", options: "Options") -> str:
    why = ""
    if result.interrupted:
        why = " (interrupted)"
    elif result.stopped_early:
        why = f" (the validation error had not fallen for {options.patience})"
    return f"trained {result.epochs} of {options.epochs} epochs{why}; weights of epoch {result.best_epoch}"


# ------------------------------------------------------------------------------- predict and evaluate


def _prediction_rows(model: "Model", y: Any) -> "Iterator[list[str]]":
    """The header, and then row by row what is predicted: classes or labels with probabilities, or numbers."""
    if model.task == "regression":
        several = len(model.targets) > 1
        yield [f"prediction_{name}" for name in model.targets] if several else ["prediction"]
        yield from ([f"{value:.7g}" for value in row] for row in y.reshape(len(y), -1).tolist())
        return
    yield ["prediction", *(f"probability_{name}" for name in model.classes)]
    named = _labels if model.task == "multi-label" else _best
    yield from ([named(model.classes, row), *(f"{p:.7g}" for p in row)] for row in y.tolist())


def _labels(classes: tuple[str, ...], probabilities: list[float]) -> str:
    return ";".join(name for name, p in zip(classes, probabilities) if p > 0.5)


def _best(classes: tuple[str, ...], probabilities: list[float]) -> str:
    return classes[probabilities.index(max(probabilities))]


def _report(model: "Model", table: "Table") -> dict[str, Any]:
    """Everything ``evaluate`` has to say, ready for JSON."""
    from dataclasses import asdict

    from wengert import _jobs, metrics

    y, t = model.predict_table(table), _jobs.true_values(model, table)
    scores = {_json_name(name): value for name, value in _jobs.scores(model, y, t).items()}
    report = {"task": model.task, "target": ", ".join(model.targets), "rows": len(table), **scores}
    if model.task == "classification":
        report["classes"] = [asdict(s) for s in metrics.class_scores(model.classes, y.argmax(axis=1), t)]
    return {key: None if value != value else value for key, value in report.items()}


def _json_name(name: str) -> str:
    return {"R²": "r2"}.get(name, name.lower().replace("-", "_").replace(" ", "_"))


def _report_text(report: dict[str, Any]) -> str:
    from wengert._console import columns

    lines = [f"rows {report['rows']}"]
    if "classes" in report:
        keys = ("precision", "recall", "f1")
        body = [[c["name"], *(f"{c[key]:.4f}" for key in keys), str(c["rows"])] for c in report["classes"]]
        lines.append(columns([[report["target"], *keys, "rows"], *body]))
    titles = {
        "cross_entropy": "cross-entropy",
        "labels_right": "labels right",
        "accuracy": "accuracy",
        "mae": "MAE",
        "rmse": "RMSE",
        "r2": "R²",
    }
    lines += [f"{title} {_number(report[key])}" for key, title in titles.items() if key in report]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


# --------------------------------------------------------------------------------------------- cache


def _cache_report(cleared: "Usage | None") -> dict[str, Any]:
    """Everything ``cache`` has to say, ready for JSON."""
    from wengert.native.machine import cache as kept

    place, usage = kept.folder(), kept.usage()
    return {
        "folder": None if place is None else str(place),
        "problem": kept.problem() or None,
        "entries": usage.entries,
        "bytes": usage.size,
        "limit": kept.limit(),
        **({} if cleared is None else {"deleted": {"entries": cleared.entries, "bytes": cleared.size}}),
    }


def _cache_text(report: dict[str, Any]) -> str:
    lines = [f"folder {report['folder'] or 'none'}"]
    if report["problem"]:
        lines.append(f"problem: {report['problem']}")
    if "deleted" in report:
        gone = report["deleted"]
        lines.append(f"deleted {gone['entries']} entries, {_megabytes(gone['bytes'])}")
    held = f"{_megabytes(report['bytes'])} of {_megabytes(report['limit'])}"
    return "\n".join([*lines, f"entries {report['entries']}, {held}"])


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB"


# --------------------------------------------------------------------------------------------- files


def _read(data: str, query: str | None) -> "Table":
    from wengert import datasets
    from wengert._console import note
    from wengert.data import read_table

    if data in datasets.NAMES and Path(data).is_file():
        note(f"using the embedded data set {data}, not the file {data}; write ./{data} for the file")
    return read_table(data, query)


def _note_surprises(model: "Model", table: "Table") -> None:
    """Tell what a table holds that the model has never seen."""
    from wengert._console import note

    for surprise in model.preprocessing.surprises(table):
        note(surprise)


def _stem(data: str) -> str:
    """The name of a data file without its folder and endings."""
    name = Path(data).name.removesuffix(".gz").removeprefix("-")
    ending = Path(name).suffix
    return (name.removesuffix(ending) if ending.lower() in DATA_ENDINGS else name) or "model"


def _refuse_output(
    path: Path, sources: list[str], allowed: Callable[[Path], None], force: bool = False
) -> None:
    """Stop before any work where the result could not be written, or would destroy something else."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise UsageMistake(f"{path}: {what}; name a file in a folder that exists")
    if not os.access(path.parent, os.W_OK):
        raise UsageMistake(f"{path}: the folder {path.parent} cannot be written to; choose another")
    for source in sources:
        if Path(source) == path or (Path(source).exists() and path.exists() and path.samefile(source)):
            raise UsageMistake(f"{path}: would overwrite what {source} holds; choose another name")
    if path.is_file() and path.stat().st_size and not force:
        allowed(path)


def _only_over_models(path: Path) -> None:
    from wengert.models import is_model

    if not is_model(path):
        raise UsageMistake(f"{path}: exists and is not a model; choose another name, or write --force")


def _only_over_pictures(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise UsageMistake(
                f"{path}: exists and is not a PNG picture; choose another name, or write --force"
            )


def _never_over_models(path: Path) -> None:
    from wengert.models import is_model

    if is_model(path):
        raise UsageMistake(f"{path}: exists and is a model; choose another name")


def _write(output: Path | None, text: str) -> None:
    from wengert._files import write_atomically

    if output is None:
        sys.stdout.write(text)
    else:
        write_atomically(output, text.encode())


# ---------------------------------------------------------------------------------------------- main


def main() -> None:
    """Run the command line; the exit code is 0, 2 after a mistake of the user's, or 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    """One line for what the user can mend; anything else is a defect here and shows its traceback."""
    from wengert._console import fail
    from wengert.errors import WengertError

    if isinstance(error, (WengertError, UsageMistake)):
        fail(str(error))
    elif isinstance(error, OSError) and error.filename is not None:
        fail(f"{error.filename}: {error.strerror}; choose another place or mend this one")
    elif hasattr(error, "format_message"):  # what Typer says about options and arguments
        fail(f"{error.format_message().rstrip('.')}; see wengert --help")
    else:
        raise error
    return 2


if __name__ == "__main__":
    main()
