"""``wengert evaluate``: predictions against what is true."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli._app import command
from wengert.cli._shared import (
    DataArgument,
    FillOption,
    ForceOption,
    JsonOption,
    ModelArgument,
    QueryOption,
    print_json,
    read_for,
    refuse_output,
    refuse_plot,
    write,
)
from wengert.errors import SettingError

if TYPE_CHECKING:
    from wengert._jobs.evaluation import Pairs
    from wengert._jobs.rows import Acquaintance
    from wengert.models import Model


class Part(StrEnum):
    """Which rows of the table that a model was trained on."""

    all = "all"
    training = "training"
    validation = "validation"
    test = "test"


@command
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    query: QueryOption = None,
    fill_columns: FillOption = False,
    rows: Annotated[
        Part, typer.Option(help="Of the table that the model was trained on: test takes those held out.")
    ] = Part.all,
    samples: Annotated[
        int | None,
        typer.Option(min=10, help="Bootstrap samples for the intervals (by default up to 1000)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap samples.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw confusion matrix and reliability, or residuals, into this PNG file."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write everything into this HTML file, pictures included.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the predictions for a table with its target column.

    Each score is followed by its interval, the middle 95 % over samples of the rows drawn with replacement.
    A model knows the rows that it was trained on: where some of them are scored, the command says so.

    wengert evaluate digits.wengert digits --rows test --report digits.html

    wengert evaluate digits.wengert digits --json
    """
    from wengert import models
    from wengert._jobs import evaluation
    from wengert._jobs.rows import acquaintance

    refuse_plot(plot, [data, model, *([str(report)] if report else [])], force)
    refuse_output(report, [data, model, *([str(plot)] if plot else [])], force)
    network = models.load(model)
    table = read_for(network, data, query, fill_columns)
    known = acquaintance(network, table)
    pairs = evaluation.pairs(network, table, _chosen(rows, known, table.source))
    found = evaluation.evaluated(network, pairs, samples, seed) | _about_rows(rows, known)
    if plot is not None or report is not None:
        _draw(network, table.source, (pairs, found), plot, report)
    print_json(found) if as_json else print(_text(found))


def _draw(
    model: "Model",
    source: str,
    outcome: tuple["Pairs", dict[str, Any]],
    plot: Path | None,
    report: Path | None,
) -> None:
    from wengert._jobs import pictures
    from wengert._jobs.html import page

    pairs, found = outcome
    shown = pictures.of_evaluation(model, found, *pairs)
    if plot is not None:
        write(plot, pictures.drawn(shown))
    if report is not None:
        write(report, page(model, source, _about(found), _tables(found), pictures.drawn(shown, "svg")))


# ---------------------------------------------------------------------------------------------- rows


def _chosen(part: Part, known: "Acquaintance", source: str) -> Any:
    """The rows of a part, which only the table that the model was trained on has; None for all."""
    if part is Part.all:
        _note_seen(known)
        return None
    if known.parts is None:
        raise SettingError(
            f"--rows {part}: {source} is not the table that the model was trained on, with its rows in that "
            "order; leave --rows out, or name that table"
        )
    rows = getattr(known.parts, part)
    if not len(rows):
        raise SettingError(f"--rows {part}: the model was trained without a {part} part; choose another")
    return rows


def _note_seen(known: "Acquaintance") -> None:
    from wengert._console import note

    if known.parts is not None:
        note("this is the table that the model was trained on; --rows test scores what it has not seen")
    elif known.share:
        note(f"about {known.share:.0%} of the rows are among those that the model was trained on")


def _about_rows(part: Part, known: "Acquaintance") -> dict[str, Any]:
    """Which rows are scored, and how much of the table the model was trained on, if it says so."""
    parts = known.parts and {name: len(getattr(known.parts, name)) for name in Part if name is not Part.all}
    return {"part": part.value, "parts": parts, "share_seen": known.share}


def _rows(report: dict[str, Any]) -> str:
    count, parts, share = report["rows"], report["parts"], report["share_seen"]
    if report["part"] != Part.all:
        return f"rows {count}, the {report['part']} part"
    if parts:
        return f"rows {count}: " + ", ".join(f"{number} {name}" for name, number in parts.items())
    return f"rows {count}" + (f", about {share:.0%} of them trained on" if share else "")


# --------------------------------------------------------------------------------------------- words


def _text(report: dict[str, Any]) -> str:
    from wengert.tables import justified

    *details, scores = _tables(report).values()
    lines = [_rows(report), *map(justified, details), *_calibration(report)]
    return "\n".join([*lines, *(f"{name} {' '.join(rest)}" for name, *rest in scores[1:])])


def _about(report: dict[str, Any]) -> str:
    return "; ".join([_rows(report), *_calibration(report)])


def _calibration(report: dict[str, Any]) -> list[str]:
    if "reliability" not in report:
        return []
    return [f"calibration error {report['reliability']['calibration_error']:.4f}"]


def _tables(report: dict[str, Any]) -> dict[str, list[list[str]]]:
    """What there is to say about classes or residuals, and the scores, in tables with a row above."""
    found = {}
    if "classes" in report:
        found["Classes"] = _classes(report)
    if "residuals" in report:
        found["Residuals"] = _residuals(report["residuals"])
    return found | {"Scores": [["score", "value", "95 % of bootstrap samples"], *_scores(report)]}


def _scores(report: dict[str, Any]) -> list[list[str]]:
    from wengert._jobs.evaluation import TITLES

    found = []
    for name, interval in report["intervals"].items():
        within = [f"({interval[0]:.4f} to {interval[1]:.4f})"] if interval else []
        found.append([TITLES.get(name, name), _number(report[name]), *within])
    return found


def _classes(report: dict[str, Any]) -> list[list[str]]:
    keys = ("precision", "recall", "f1")
    body = [[c["name"], *(f"{c[key]:.4f}" for key in keys), str(c["rows"])] for c in report["classes"]]
    return [[report["target"], *keys, "rows"], *body]


def _residuals(residuals: dict[str, Any]) -> list[list[str]]:
    names = list(next(iter(residuals.values())))
    body = [[name, *(f"{value:.4g}" for value in line.values())] for name, line in residuals.items()]
    return [["true - predicted", *names], *body]


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.4f}"
