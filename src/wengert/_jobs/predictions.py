"""Predictions as a table, written as CSV, as JSON lines or as Parquet, block by block.

A format takes the columns of one block of rows after the other, and gives the bytes of the file in pieces.
"""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import SettingError
from wengert.models import Model

Array = np.ndarray
Columns = Mapping[str, Array]
Format = Callable[[Iterable[Columns]], Iterator[bytes]]

CHUNK = 1 << 20  # bytes


def columns(model: Model, y: Array) -> dict[str, Array]:
    """Predictions by column: the class and its probabilities, the labels and theirs, or numbers."""
    if model.task == "regression":
        several = len(model.targets) > 1
        names = [f"prediction_{name}" for name in model.targets] if several else ["prediction"]
        return dict(zip(names, y.reshape(len(y), -1).T))
    probabilities = {f"probability_{name}": p for name, p in zip(model.classes, y.T)}
    return {"prediction": _labels(model, y), **probabilities}


def _labels(model: Model, y: Array) -> Array:
    """The most probable class of each row, or all labels more probable than not."""
    if model.task == "classification":
        return np.array(model.classes, object)[y.argmax(axis=1)]
    return np.array([";".join(n for n, p in zip(model.classes, row) if p > 0.5) for row in y], object)


# ------------------------------------------------------------------------------------------ formats


def to_csv(blocks: Iterable[Columns]) -> Iterator[bytes]:
    """Lines of seven digits."""
    for place, found in enumerate(blocks):
        texts = [
            values if values.dtype == object else (f"{value:.7g}" for value in values.tolist())
            for values in found.values()
        ]
        head = [] if place else [tuple(found)]
        yield _csv_lines(head + list(zip(*texts)))


def _csv_lines(rows: list[tuple[str, ...]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def to_json_lines(blocks: Iterable[Columns]) -> Iterator[bytes]:
    """An object a line."""
    for found in blocks:
        yield "".join(line + "\n" for line in _objects(found)).encode()


def to_json(blocks: Iterable[Columns]) -> Iterator[bytes]:
    """One array of objects, a line each."""
    before = "[\n"
    for found in blocks:
        if text := ",\n".join(_objects(found)):
            yield (before + text).encode()
            before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


def _objects(found: Columns) -> Iterator[str]:
    lists = [values.tolist() for values in found.values()]
    return (json.dumps(dict(zip(found, row)), ensure_ascii=False) for row in zip(*lists))


def to_parquet(blocks: Iterable[Columns]) -> Iterator[bytes]:
    """Columns of text and of float64: a file for each block, and then one of them all."""
    from wengert.data._database import connection

    with tempfile.TemporaryDirectory() as folder, connection() as database:
        parts = []
        for place, found in enumerate(blocks):
            parts.append(f"{folder}/{place}.parquet")
            database.register("predictions", dict(found))
            _copy(database, "predictions", parts[-1])
            database.unregister("predictions")
        if len(parts) > 1:
            _copy(database, f"read_parquet({parts})", f"{folder}/all.parquet")
            parts = [f"{folder}/all.parquet"]
        with open(parts[0], "rb") as file:
            yield from iter(lambda: file.read(CHUNK), b"")


def _copy(database: Any, relation: str, path: str) -> None:
    database.execute(f"COPY (FROM {relation}) TO $path (FORMAT parquet)", {"path": path})


FORMATS: dict[str, Format] = {
    ".csv": to_csv,
    ".jsonl": to_json_lines,
    ".ndjson": to_json_lines,
    ".json": to_json,
    ".parquet": to_parquet,
    ".pq": to_parquet,
}


def format_of(path: Path | None, as_json: bool = False) -> Format:
    """How a file of that name is written; what has no file of its own as JSON lines or CSV."""
    asked = to_json_lines if as_json else to_csv
    if path is None or (path.exists() and not path.is_file()):
        return asked
    found = FORMATS.get(path.suffix.lower())
    if as_json and found not in (None, to_json, to_json_lines):
        raise SettingError(f"{path}: its ending says no JSON; leave out --json, or end the name with .jsonl")
    if found is None:
        raise SettingError(
            f"{path}: its ending says no format; end the name with one of {', '.join(FORMATS)}"
        )
    return found
