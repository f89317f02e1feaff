"""``wengert evaluate``: predictions against what is true."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli._app import app
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
    write,
)

if TYPE_CHECKING:
    from wengert.data import Table
    from wengert.models import Model


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    query: QueryOption = None,
    fill_columns: FillOption = False,
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

    wengert evaluate digits.wengert digits --report digits.html

    wengert evaluate digits.wengert digits --json
    """
    from wengert import models
    from wengert._jobs import evaluation

    for path, other in ((plot, report), (report, plot)):
        refuse_output(path, [data, model, *([str(other)] if other else [])], force)
    network = models.load(model)
    table = read_for(network, data, query, fill_columns)
    found = evaluation.evaluated(network, table, samples, seed)
    print_json(found) if as_json else print(_text(found))
    if plot is not None or report is not None:
        _draw(network, table, found, plot, report)


def _draw(
    model: "Model", table: "Table", found: dict[str, Any], plot: Path | None, report: Path | None
) -> None:
    from wengert._jobs import pictures
    from wengert._jobs.html import page
    from wengert._jobs.training import true_values

    shown = pictures.of_evaluation(model, found, model.predict_table(table), true_values(model, table))
    if plot is not None:
        write(plot, pictures.drawn(shown))
    if report is not None:
        write(report, page(model, table.source, _text(found), pictures.drawn(shown, "svg")))


def _text(report: dict[str, Any]) -> str:
    lines = [f"rows {report['rows']}"]
    lines += [_classes(report)] if "classes" in report else []
    lines += [_residuals(report["residuals"])] if "residuals" in report else []
    if "reliability" in report:
        lines.append(f"calibration error {report['reliability']['calibration_error']:.4f}")
    return "\n".join([*lines, *map(" ".join, _scores(report))])


def _scores(report: dict[str, Any]) -> list[list[str]]:
    from wengert._jobs.evaluation import TITLES

    found = []
    for name, interval in report["intervals"].items():
        within = [f"({interval[0]:.4f} to {interval[1]:.4f})"] if interval else []
        found.append([TITLES.get(name, name), _number(report[name]), *within])
    return found


def _classes(report: dict[str, Any]) -> str:
    from wengert.tables import justified

    keys = ("precision", "recall", "f1")
    body = [[c["name"], *(f"{c[key]:.4f}" for key in keys), str(c["rows"])] for c in report["classes"]]
    return justified([[report["target"], *keys, "rows"], *body])


def _residuals(residuals: dict[str, Any]) -> str:
    from wengert.tables import justified

    names = list(next(iter(residuals.values())))
    body = [[name, *(f"{value:.4g}" for value in line.values())] for name, line in residuals.items()]
    return justified([["true - predicted", *names], *body])


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.4f}"
