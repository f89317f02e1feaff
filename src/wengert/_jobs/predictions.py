"""Predictions as a table, written as CSV, as JSON lines or as Parquet."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import SettingError
from wengert.models import Model

Array = np.ndarray
Columns = Mapping[str, Array]


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


def to_csv(found: Columns) -> bytes:
    """Lines of seven digits."""
    texts = [
        values if values.dtype == object else (f"{value:.7g}" for value in values.tolist())
        for values in found.values()
    ]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(found)
    writer.writerows(zip(*texts))
    return buffer.getvalue().encode()


def to_json_lines(found: Columns) -> bytes:
    """An object a line."""
    lists = [values.tolist() for values in found.values()]
    lines = (json.dumps(dict(zip(found, row)), ensure_ascii=False) for row in zip(*lists))
    return "".join(line + "\n" for line in lines).encode()


def to_parquet(found: Columns) -> bytes:
    """Columns of text and of float64."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder, "predictions.parquet")
        connection.register("predictions", dict(found))
        connection.execute("COPY (SELECT * FROM predictions) TO $path (FORMAT parquet)", {"path": str(path)})
        return path.read_bytes()


FORMATS: dict[str, Callable[[Columns], bytes]] = {
    ".csv": to_csv,
    ".jsonl": to_json_lines,
    ".ndjson": to_json_lines,
    ".json": to_json_lines,
    ".parquet": to_parquet,
    ".pq": to_parquet,
}


def format_of(path: Path | None, otherwise: Callable[[Columns], bytes]) -> Callable[[Columns], Any]:
    """How a file of that name is written; what has no file of its own as said otherwise."""
    if path is None or (path.exists() and not path.is_file()):
        return otherwise
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise SettingError(
            f"{path}: its ending says no format; end the name with one of {', '.join(FORMATS)}"
        )
    return found
