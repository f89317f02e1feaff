"""``wengert predict``: a prediction for every row of a table."""

from pathlib import Path
from typing import Annotated

import typer

from wengert.cli._app import command
from wengert.cli._shared import (
    DataArgument,
    FillOption,
    ForceOption,
    ModelArgument,
    QueryOption,
    blocks_for,
    refuse_output,
    write_pieces,
)


@command
def predict(
    model: ModelArgument,
    data: DataArgument,
    query: QueryOption = None,
    fill_columns: FillOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write, .csv, .json, .jsonl or .parquet (if none, CSV to stdout).",
        ),
    ] = None,
    force: ForceOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of CSV.")] = False,
) -> None:
    """Predict every row of a table: the class and its probabilities, or the number.

    Columns are found by name; the target may be missing and other columns are ignored. A few rows are held
    at a time, so that data may be larger than memory; those to stdout appear at once.

    wengert predict digits.wengert digits --output predictions.parquet

    wengert predict digits.wengert digits --query "SELECT * FROM data LIMIT 3" --json
    """
    from wengert import models
    from wengert._jobs import predictions

    refuse_output(output, [data, model], force)
    written = predictions.format_of(output, as_json)
    network = models.load(model)
    tables = blocks_for(network, data, query, fill_columns)
    blocks = (predictions.columns(network, network.predict_table(table)) for table in tables)
    write_pieces(output, written(blocks))
