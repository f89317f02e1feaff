r"""Tables in, numbers out: reading, checking, splitting and scaling data.

A table is read strictly: what cannot be a number, or might have been misread, is refused with file, line,
column and value, because a network trains on nonsense without complaint. Inputs are then standardised,

.. math:: \tilde x_i = \frac{x_i - \bar x_i}{s_i},

with mean and standard deviation of the *training part alone*, so that pre-activations start near one and
nothing of the validation and test parts leaks into training.
"""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np

from wengert import datasets
from wengert.errors import DataError

Array = np.ndarray
Task = Literal["classification", "regression"]

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"})
MAX_WHOLE_CLASSES = 20
ROWS_PER_WHOLE_CLASS = 5


# ------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Table:
    """The text of a table: names of the columns, cells row by row, and the line where each row began."""

    source: str
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """The cells of one column, without spaces around them."""
        i = self.names.index(name)
        return [row[i].strip() for row in self.rows]

    def where(self, row: int) -> str:
        """``file:line`` of a row."""
        return f"{self.source}:{self.lines[row]}"


def read_table(data: str) -> Table:
    """The table of an embedded name or of a CSV file.

    ``digits``, ``iris``, ``wine`` and ``diabetes`` always mean the embedded sets; a file of such a name is
    written ``./digits``. A path that ends in ``.gz`` is decompressed.
    """
    if data in datasets.NAMES:
        return datasets.load(data)
    if not Path(data).exists():
        raise DataError(
            f"{data}: no such file; {_names('there are also the embedded sets', data, datasets.NAMES)}"
        )
    return read_csv(Path(data))


def read_csv(path: Path, source: str | None = None) -> Table:
    """Read a CSV file: UTF-8, comma-separated, first line the names of the columns.

    A byte order mark and blank lines are passed over. Everything else that is not a plain rectangle of cells
    is refused with the file and line.
    """
    source = source or str(path)
    records = list(_records(_text(_bytes(path, source), source), source))
    if not records:
        raise DataError(f"{source}: the file is empty; the first line must name the columns")
    _, names = records[0]
    table = Table(source, _header(source, names), [r for _, r in records[1:]], [n for n, _ in records[1:]])
    _check_rectangle(table)
    return table


def _bytes(path: Path, source: str) -> bytes:
    if path.is_dir():
        raise DataError(f"{source}: is a folder; name the CSV file in it")
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{source}: damaged gzip file ({error}); compress it again") from error
    except OSError as error:
        raise DataError(
            f"{source}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error


def _text(content: bytes, source: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{source}:{line}: byte 0x{content[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{source}:{line}: contains a NUL character; this is not a CSV text file")
    return text


def _records(text: str, source: str) -> Iterable[tuple[int, list[str]]]:
    """Each record with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{source}:{line}: {error}; check the quotation marks from this line on"
            ) from error
        if record is None:
            return
        if any(cell.strip() for cell in record) or len(record) > 1:
            yield line, record


def _header(source: str, names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in names)
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise DataError(
            f"{source}:1: the header has no comma but another separator; write a comma-separated file"
        )
    for i, name in enumerate(names):
        if not name:
            raise DataError(f"{source}:1: column {i + 1} has no name; name it, or delete the column")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{source}:1: column {repeated[0]!r} appears more than once; give each column its own name"
        )
    return names


def _check_rectangle(table: Table) -> None:
    if not table.rows:
        raise DataError(f"{table.source}: has a header but no rows; add rows below it")
    for i, row in enumerate(table.rows):
        if len(row) != len(table.names):
            raise DataError(
                f"{table.where(i)}: {len(row)} cells where the header names {len(table.names)} columns; "
                "add or remove cells, and quote cells that contain a comma"
            )


# ------------------------------------------------------------------------------------------- columns


def _names(before: str, name: str, names: Sequence[str]) -> str:
    """What there is to choose from, after a question where one of the names looks like the one written."""
    close = get_close_matches(name, names, 1)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return (f"did you mean {close[0]!r}? " if close else "") + f"{before} {shown}"


def require_columns(table: Table, names: Sequence[str]) -> None:
    """Refuse a table that lacks one of these columns."""
    absent = [name for name in names if name not in table.names]
    if absent:
        listed = ", ".join(map(repr, absent[:5])) + (", ..." if len(absent) > 5 else "")
        there = _names("the file has the columns", absent[0], table.names)
        raise DataError(f"{table.source}:1: no column {listed}; {there}")


def numbers(table: Table, names: Sequence[str]) -> Array:
    """The named columns as a float64 array of shape (rows, columns); every cell must be a finite number."""
    require_columns(table, names)
    return np.stack([_numeric_column(table, name) for name in names], axis=1)


def _numeric_column(table: Table, name: str) -> Array:
    cells = table.column(name)
    values = np.array([_number(cell) for cell in cells])
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        _refuse_cell(table, name, int(wrong[0]))
    return values


def _number(cell: str) -> float:
    """The number in a cell, NaN if there is none."""
    try:
        return np.nan if "_" in cell else float(cell)
    except ValueError:
        return np.nan


def _refuse_cell(table: Table, name: str, row: int) -> NoReturn:
    cell = table.column(name)[row]
    raise DataError(f"{table.where(row)}: column {name!r} {_what_is_wrong(cell)}")


def _what_is_wrong(cell: str) -> str:
    if not cell:
        return "is blank; fill in a number, or delete the row or the column"
    if cell.lower() in MISSING:
        return f"has a missing value, {cell!r}; fill in a number, or delete the row or the column"
    if np.isinf(_number(cell)):
        return f"holds {cell!r}, which is not finite; write a finite number, or delete the row"
    if np.isfinite(_number(cell.replace(",", "."))):
        return f"holds {cell!r}, which is not a number; write it with a decimal point"
    return f"holds {cell!r}, which is not a number; correct it, or encode or delete the column"


# -------------------------------------------------------------------------------------------- target


@dataclass(frozen=True)
class Target:
    """The column to predict: class indices with the names of the classes, or numbers."""

    name: str
    task: Task
    classes: tuple[str, ...]
    values: Array
    reason: str


def read_target(table: Table, name: str, task: Task | None = None) -> Target:
    """The column to predict, its task inferred unless given.

    It is classification where the column holds text, or whole numbers of at most 20 different values that
    each occur five times on average; otherwise regression.
    """
    require_columns(table, [name])
    _refuse_blank(table, name)
    inferred, reason = _infer_task(table, name) if task is None else (task, "as told")
    return (_classes if inferred == "classification" else _numbers)(table, name, reason)


def _refuse_blank(table: Table, name: str) -> None:
    for row, cell in enumerate(table.column(name)):
        if not cell:
            raise DataError(f"{table.where(row)}: target {name!r} is blank; fill it in, or delete the row")


def _infer_task(table: Table, name: str) -> tuple[Task, str]:
    cells = table.column(name)
    values = np.array([_number(cell) for cell in cells])
    numeric = np.isfinite(values)
    if not numeric.all():
        _refuse_mixture(table, name, numeric)
        return "classification", "text"
    distinct = len(np.unique(values))
    few = distinct <= min(MAX_WHOLE_CLASSES, max(2, len(cells) // ROWS_PER_WHOLE_CLASS))
    if few and _whole(values):
        return "classification", f"{distinct} whole numbers"
    return "regression", f"{distinct} different numbers"


def _refuse_mixture(table: Table, name: str, numeric: Array) -> None:
    """Mostly numbers and some text is more likely a slip than a set of classes."""
    if numeric.mean() > 0.5:
        row = int(np.argmin(numeric))
        raise DataError(
            f"{table.where(row)}: target {name!r} holds {table.column(name)[row]!r} among numbers; "
            "correct it, or say that the column names classes with --task classification"
        )


def _whole(values: Array) -> bool:
    return bool(np.all(values == np.round(values)) and np.all(np.abs(values) < 2**53))


def class_labels(cells: Sequence[str]) -> list[str]:
    """The name of the class in each cell; 1 and 1.0 are one class."""
    values = np.array([_number(cell) for cell in cells])
    if np.isfinite(values).all() and _whole(values):
        return [str(int(value)) for value in values]
    return list(cells)


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers by value, then text by letter."""
    value = _number(label)
    return bool(np.isnan(value)), 0.0 if np.isnan(value) else value, label


def _classes(table: Table, name: str, reason: str) -> Target:
    classes = tuple(sorted(set(class_labels(table.column(name))), key=_order))
    if len(classes) < 2:
        raise DataError(
            f"{table.source}: target {name!r} has one class only, {classes[0]!r}; "
            "classification needs at least two"
        )
    return Target(name, "classification", classes, class_indices(table, name, classes), reason)


def class_indices(table: Table, name: str, classes: Sequence[str]) -> Array:
    """The index of each row's class; a class that is not among those given is refused."""
    index = {label: k for k, label in enumerate(classes)}
    labels = class_labels(table.column(name))
    for row, label in enumerate(labels):
        if label not in index:
            known = _names("the model knows", label, classes)
            raise DataError(f"{table.where(row)}: target {name!r} holds the unknown class {label!r}; {known}")
    return np.array([index[label] for label in labels], dtype=np.int64)


def _numbers(table: Table, name: str, reason: str) -> Target:
    values = _numeric_column(table, name)
    if np.all(values == values[0]):
        raise DataError(
            f"{table.source}: target {name!r} is {values[0]:g} in every row; there is nothing to learn"
        )
    return Target(name, "regression", (), values, reason)


# ------------------------------------------------------------------------------------ split and scale


@dataclass(frozen=True)
class Split:
    """Row indices of the training, validation and test parts, each in random order."""

    training: Array
    validation: Array
    test: Array


def split(target: Target, validation: float, test: float, rng: np.random.Generator) -> Split:
    """Deal the rows out at random, for classification class by class, so that every part has its share of
    each.

    A class keeps at least one row for training.
    """
    _check_fractions(validation, test)
    strata = target.values if target.task == "classification" else np.zeros(len(target.values), np.int64)
    dealt = [_deal(np.flatnonzero(strata == k), validation, test, rng) for k in np.unique(strata)]
    parts = Split(*(rng.permutation(np.concatenate(part)) for part in zip(*dealt, strict=True)))
    _check_parts(parts, len(strata), validation, test)
    return parts


def _deal(
    rows: Array, validation: float, test: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    rows = rng.permutation(rows)
    for_test = round(len(rows) * test)
    for_validation = min(round(len(rows) * validation), max(0, len(rows) - 1 - for_test))
    return rows[for_test + for_validation :], rows[for_test : for_test + for_validation], rows[:for_test]


def _check_fractions(validation: float, test: float) -> None:
    if validation < 0 or test < 0 or validation + test > 0.9:
        raise DataError(
            f"validation fraction {validation:g} and test fraction {test:g} leave too little for training; "
            "each is at least 0 and together they are at most 0.9"
        )


def _check_parts(parts: Split, rows: int, validation: float, test: float) -> None:
    for name, part, fraction in (("validation", parts.validation, validation), ("test", parts.test, test)):
        if fraction and not len(part):
            raise DataError(
                f"a {name} fraction of {fraction:g} leaves no row of {rows} for the {name} part; "
                f"add rows, or write --{name}-fraction 0"
            )


@dataclass(frozen=True)
class Standardiser:
    """Takes the mean off each column and divides by its standard deviation; constant columns become zero."""

    mean: Array
    scale: Array

    @classmethod
    def fit(cls, x: Array) -> "Standardiser":
        """Mean and standard deviation of each column of ``x``, the latter 1 where the column is constant."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = np.mean(x, axis=0), np.std(x, axis=0)
        if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
            raise DataError("the numbers are too large to average; rescale the columns above 1e150")
        constant = np.ptp(x, axis=0) == 0
        return cls(np.where(constant, x[0], mean), np.where(constant | (scale == 0), 1.0, scale))

    def __call__(self, x: Array) -> Array:
        """The standardised values."""
        return (x - self.mean) / self.scale

    def inverse(self, z: Array) -> Array:
        """The values that were standardised to ``z``."""
        return z * self.scale + self.mean
