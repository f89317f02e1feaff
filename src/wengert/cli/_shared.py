"""What several commands have in common: arguments, tables to read, files to write."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.errors import SettingError

if TYPE_CHECKING:
    from wengert.data import Table
    from wengert.models import Model

DataArgument = Annotated[
    str,
    typer.Argument(
        help="A CSV, Parquet, JSON, Arrow, SQLite or NPZ file, a folder or pattern of Parquet files, - for a "
        "pipe, or one of the embedded sets digits, iris, wine, diabetes (a file of that name: ./digits)."
    ),
]
ModelArgument = Annotated[str, typer.Argument(help="A model file written by `wengert train`.")]
QueryOption = Annotated[
    str | None,
    typer.Option(help="What to take of the data, in SQL, for instance SELECT * FROM data WHERE x > 0."),
]
FillOption = Annotated[
    bool, typer.Option("--fill-columns", help="Take columns that are not there as missing in every row.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]

ENDINGS = (
    ".csv", ".tsv", ".txt", ".parquet", ".pq", ".json", ".jsonl", ".ndjson", ".arrow", ".feather", ".ipc",
    ".sqlite", ".sqlite3", ".db", ".npz",
)  # fmt: skip


# ------------------------------------------------------------------------------------------ reading


def read(data: str, query: str | None) -> "Table":
    """The table, and a note where an embedded one shadows a file."""
    from wengert import datasets
    from wengert._console import note
    from wengert.data import read_table

    if data in datasets.NAMES and Path(data).is_file():
        note(f"using the embedded data set {data}, not the file {data}; write ./{data} for the file")
    return read_table(data, query)


def read_for(model: "Model", data: str, query: str | None, fill_columns: bool) -> "Table":
    """The table for a model, and notes of what it holds that the model has never seen."""
    from wengert._console import note

    table = read(data, query)
    if fill_columns:
        table = model.preprocessing.completed(table)
    for surprise in model.preprocessing.surprises(table):
        note(surprise)
    return table


def stem(data: str) -> str:
    """The name of a data file without its folder and endings."""
    name = Path(data).name.removesuffix(".gz").removeprefix("-")
    ending = Path(name).suffix
    return (name.removesuffix(ending) if ending.lower() in ENDINGS else name) or "model"


# ------------------------------------------------------------------------------------------ writing


def refuse_output(path: Path | None, sources: list[str], force: bool) -> None:
    """Stop before any work where the result could not be written, or would destroy something else."""
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise SettingError(f"{path}: {what}; name a file in a folder that exists")
    if not os.access(path.parent, os.W_OK):
        raise SettingError(f"{path}: the folder {path.parent} cannot be written to; choose another")
    for source in sources:
        if Path(source) == path or (Path(source).exists() and path.exists() and path.samefile(source)):
            raise SettingError(f"{path}: would overwrite what {source} holds; choose another name")
    if path.is_file() and path.stat().st_size and not force:
        raise SettingError(f"{path}: exists already; choose another name, or write --force to replace it")


def write(output: Path | None, content: bytes) -> None:
    """Into the file, or to stdout."""
    from wengert._files import write_atomically

    if output is not None:
        write_atomically(output, content)
    elif hasattr(sys.stdout, "buffer"):
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content.decode())


def print_json(report: Mapping[str, Any]) -> None:
    """One object; null for what is no finite number."""
    print(json.dumps(plain(report), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """The same in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    return value.item() if hasattr(value, "item") else value
