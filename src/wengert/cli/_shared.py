"""What several commands have in common: arguments, tables to read, files to write."""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from glob import glob
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
        help="A CSV, Parquet, JSON, Arrow, SQLite or NPZ file, a folder or quoted pattern of CSV, Parquet or "
        "JSON files, - for a pipe, or one of the embedded sets digits, iris, wine, diabetes (a file of that "
        "name: ./digits)."
    ),
]
ModelArgument = Annotated[str, typer.Argument(help="A model file written by `wengert train`.")]
QueryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SQL", help="What to take of the data, in SQL, for instance SELECT * FROM data WHERE x > 0."
    ),
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
OTHER_PICTURES = (".svg", ".pdf", ".jpg", ".jpeg", ".gif", ".webp", ".eps", ".ps", ".tif", ".tiff")


# ------------------------------------------------------------------------------------------ reading


def read(data: str, query: str | None) -> "Table":
    """The table."""
    from wengert.data import read_table

    _note_shadow(data)
    return read_table(data, query)


def _note_shadow(data: str) -> None:
    """A note where an embedded table shadows a file."""
    from wengert import datasets
    from wengert._console import note

    if data in datasets.NAMES and Path(data).is_file():
        note(f"using the embedded data set {data}, not the file {data}; write ./{data} for the file")


def read_for(model: "Model", data: str, query: str | None, fill_columns: bool) -> "Table":
    """The table for a model, and notes of what it holds that the model has never seen."""
    from wengert.data import read_table

    _note_shadow(data)
    (table,) = _for_model(model, [read_table(data, query, model.preprocessing.worded)], fill_columns)
    return table


def blocks_for(model: "Model", data: str, query: str | None, fill_columns: bool) -> Iterator["Table"]:
    """The same, some rows at a time."""
    from wengert.data import read_blocks

    _note_shadow(data)
    return _for_model(model, read_blocks(data, query, model.preprocessing.worded), fill_columns)


def _for_model(model: "Model", tables: Iterable["Table"], fill_columns: bool) -> Iterator["Table"]:
    """Tables with all columns, and in the end notes of what they hold that the model has never seen."""
    from wengert._console import note
    from wengert.data import Surprise, together

    surprises: list[Surprise] = []
    for table in tables:
        whole = _completed(model, table) if fill_columns else _complete(model, table)
        surprises = together([*surprises, *model.preprocessing.surprises_in(whole)])
        yield whole
    for surprise in surprises:
        note(str(surprise))


def _complete(model: "Model", table: "Table") -> "Table":
    """The table, which must have all columns."""
    from wengert.data import require_columns

    some = set(model.features) & set(table.names)
    otherwise = "; --fill-columns takes what is not there as missing in every row" if some else ""
    require_columns(table, model.features, otherwise)
    return table


def _completed(model: "Model", table: "Table") -> "Table":
    """The table with the columns that it lacks; one that has none of them is not filled in, but refused."""
    from wengert.data import require_columns

    if not set(model.features) & set(table.names):
        require_columns(table, model.features)
    return model.preprocessing.completed(table)


def stem(data: str) -> str:
    """The name of a data file without its folder and endings, and of a pattern what all its files share."""
    name = re.sub(r"\[.*?\]|[*?]+", "", Path(data).name).removesuffix(".gz")
    ending = Path(name).suffix or name
    return (name.removesuffix(ending) if ending.lower() in ENDINGS else name).strip("-_") or "model"


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
        if Path(source) == path or (path.exists() and any(map(path.samefile, _named(source)))):
            raise SettingError(f"{path}: would overwrite what {source} holds; choose another name")
    if path.is_file() and path.stat().st_size and not force:
        raise SettingError(f"{path}: exists already; choose another name, or write --force to replace it")


def refuse_plot(path: Path | None, sources: list[str], force: bool) -> None:
    """The same for a picture, whose name must not promise another format."""
    if path is not None and path.suffix.lower() in OTHER_PICTURES:
        raise SettingError(f"{path}: pictures are written as PNG; end the name with .png")
    refuse_output(path, sources, force)


def _named(source: str) -> list[str]:
    """The files that a name or a pattern stands for."""
    return [source] if Path(source).exists() else glob(source, recursive=True)


def write(output: Path, content: bytes) -> None:
    """Into the file."""
    write_pieces(output, [content])


def write_pieces(output: Path | None, pieces: Iterable[bytes]) -> None:
    """Into the file, which is there when all are, or one after the other to stdout."""
    from wengert._files import atomically

    if output is None:
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return
    with atomically(output) as file:
        file.writelines(pieces)


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
