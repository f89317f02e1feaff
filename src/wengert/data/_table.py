r"""Typed columns, whatever they were read from.

A column is one of four things: numbers (NaN where one is missing), words (each row holds the index of one of
the labels), times, or something that no network can take. Text enters the first three by one rule, cell by
cell: a column whose every cell is a number is numbers, one whose every cell is a date is times, and all else
is words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import NamedTuple, NoReturn

import numpy as np

from wengert._refusals import did_you_mean
from wengert.errors import DataError

Array = np.ndarray

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"})
MISSING_WORDS = frozenset({"", "na", "n/a", "#n/a", "nan", "null"})
MICROSECONDS = np.dtype("datetime64[us]")
SHOWN = 60  # characters of a cell or name, at most, in a message
POINTS = "with a decimal point and nothing between thousands"  # what a message asks for
EXACT = 2**53  # whole numbers below it are told apart in float64


# ------------------------------------------------------------------------------------------ columns


@dataclass(frozen=True)
class Numbers:
    """Numbers of any real dtype; NaN where one is missing."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Numbers":
        return Numbers(self.values[rows])

    @cached_property
    def missing(self) -> Array:
        """Which rows have none."""
        return np.isnan(self.values) if self.values.dtype.kind == "f" else np.zeros(len(self), bool)

    def text(self, row: int) -> str:
        """How one of them is written."""
        return "" if self.missing[row] else number_label(self.values[row])


@dataclass(frozen=True)
class Words:
    """Texts: row ``n`` holds ``labels[codes[n]]``, and nothing where the code is negative."""

    labels: tuple[str, ...]
    codes: Array

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice) -> "Words":
        return Words(self.labels, self.codes[rows])

    @cached_property
    def missing(self) -> Array:
        """Which rows have none."""
        return self.codes < 0

    def text(self, row: int) -> str:
        """What a row holds."""
        code = self.codes[row]
        return "" if code < 0 else self.labels[code]


@dataclass(frozen=True)
class Times:
    """Moments in microseconds, of UTC where an offset was given; NaT where one is missing."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Times":
        return Times(self.values[rows])

    @cached_property
    def missing(self) -> Array:
        """Which rows have none."""
        return np.isnat(self.values)

    def text(self, row: int) -> str:
        """The moment in ISO 8601."""
        value = str(self.values[row])
        return "" if value == "NaT" else value.removesuffix("T00:00:00.000000").removesuffix(".000000")


@dataclass(frozen=True)
class Opaque:
    """What a network cannot take: lists, bytes, ...; only its name and number of rows are known."""

    what: str
    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice) -> "Opaque":
        return Opaque(self.what, len(range(self.rows)[rows]))

    @cached_property
    def missing(self) -> Array:
        """None is known to be."""
        return np.zeros(self.rows, bool)

    def text(self, row: int) -> str:
        """Its type."""
        return self.what


Column = Numbers | Words | Times | Opaque


# --------------------------------------------------------------------------------- from text to types


def number(cell: str) -> float:
    """The number in a cell, NaN if there is none."""
    try:
        return np.nan if "_" in cell else float(cell)
    except ValueError:
        return np.nan


def has_commas(label: str) -> bool:
    """Whether a text is a number but for commas, before its decimals or between its thousands."""
    return "," in label and bool(np.isfinite(number(label.replace(",", ""))))


def number_label(value: float) -> str:
    """A number as the name of a class: 1 and 1.0 are one."""
    return str(int(value)) if np.isfinite(value) and value == int(value) else repr(float(value))


def label_order(label: str) -> tuple[bool, float, str]:
    """A key to sort labels by: numbers by value, then text by letter."""
    value = number(label)
    return bool(np.isnan(value)), 0.0 if np.isnan(value) else value, label


def moment(cell: str) -> np.datetime64:
    """The date or time in a cell, ISO 8601 (slashes are read as hyphens); NaT if there is none."""
    if not cell[:4].isdecimal() or cell.isdecimal():
        return np.datetime64("NaT", "us")
    try:
        read = datetime.fromisoformat(cell.replace("/", "-"))
    except ValueError:
        return np.datetime64("NaT", "us")
    return np.datetime64(read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read, "us")


def _all_numbers(labels: Sequence[str], codes: Array) -> Numbers | None:
    values = np.array([number(label) for label in labels] + [np.nan])
    blank = np.array([label.lower() in MISSING for label in labels] + [True])
    return Numbers(narrowed(values[codes])) if (blank | ~np.isnan(values)).all() else None


def _all_times(labels: Sequence[str], codes: Array) -> Times | None:
    values = np.array([moment(label) for label in labels] + [np.datetime64("NaT", "us")], MICROSECONDS)
    blank = np.array([label.lower() in MISSING for label in labels] + [True])
    return Times(values[codes]) if (blank | ~np.isnat(values)).all() else None


def as_words(labels: Sequence[str], codes: Array) -> Words:
    """The column of these cells of text, whatever they hold."""
    kept = [label for label in labels if label.lower() not in MISSING_WORDS]
    place = {label: k for k, label in enumerate(kept)}
    moved = np.array([place.get(label, -1) for label in labels] + [-1], np.int32)
    return Words(tuple(kept), moved[codes])


def typed(labels: Sequence[str], codes: Array) -> Column:
    """The column of these cells of text, read as numbers, times or words: the first that all cells are."""
    return _all_numbers(labels, codes) or _all_times(labels, codes) or as_words(labels, codes)


def canonical(label: str) -> str:
    """A number or a moment as the name of a category, however a cell writes it; other texts as they are."""
    value = number(label)
    if not np.isnan(value):
        return number_label(value)
    when = moment(label)
    return label if np.isnat(when) else Times(np.array([when])).text(0)


def narrowed(values: Array) -> Array:
    """The same numbers in the narrowest integers that hold them, where all are whole; else as they are."""
    if not len(values):
        return values.astype(np.uint8)
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and not (
        abs(low) < EXACT and abs(high) < EXACT and values[0] == int(values[0])
    ):
        return values  # too large, NaN somewhere, or not whole from the start
    whole = values.astype(_narrowest(int(low), int(high)), copy=False)
    return whole if (whole == values).all() else values


def _narrowest(low: int, high: int) -> np.dtype:
    """The narrowest integers that hold both, unsigned where they may be."""
    largest = max(high, -low - 1)
    return np.min_scalar_type(largest if low >= 0 else -largest - 1)


class Gathered:
    """Cells of text on their way into a column: each different one is kept once."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.codes: list[int] = []

    def __len__(self) -> int:
        return len(self.codes)

    def append(self, cell: str) -> None:
        """Add the cell of the next row."""
        self.codes.append(self.places.setdefault(cell, len(self.places)))

    def column(self, read: Callable[[Sequence[str], Array], Column] = typed) -> Column:
        """The column, typed unless it is to be read otherwise."""
        return read(tuple(self.places), np.array(self.codes, np.int32))


# -------------------------------------------------------------------------------------------- tables


Records = Callable[[], Iterator[tuple[str, list[str]]]]


@dataclass(frozen=True)
class Origin:
    """Where rows came from, for messages; text is read again for it, up to the row in question.

    Attributes
    ----------
    source
        What messages call it.
    names, records
        The columns, and the records of text, each with its ``file:line``.
    first
        How many rows of the source stand before those of the table.
    """

    source: str
    names: tuple[str, ...] = ()
    records: Records | None = None
    first: int = 0

    @property
    def head(self) -> str:
        """Where the names of the columns stand."""
        return self.source if self.records is None else f"{self.source}:1"

    def where(self, row: int) -> str:
        """``file:line`` of a row, or its number where there are no lines."""
        if self.records is None:
            return f"{self.source}: row {self.first + row + 1}"
        place, _ = next(islice(self.records(), self.first + row, None))
        return place

    def cell(self, name: str, row: int) -> str | None:
        """A cell as it was written, if it was."""
        if self.records is None:
            return None
        _, cells = next(islice(self.records(), self.first + row, None))
        return cells[self.names.index(name)].strip()


@dataclass(frozen=True)
class Table:
    """Named columns of one length.

    Attributes
    ----------
    source
        What messages call it.
    columns
        The columns by name, in order.
    origin
        Finds the line of a row.
    """

    source: str
    columns: Mapping[str, Column]
    origin: Origin = field(default=Origin(""), compare=False)

    def __post_init__(self) -> None:
        if not self.origin.source:
            object.__setattr__(self, "origin", Origin(self.source))

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.columns)

    def where(self, row: int) -> str:
        """``file:line`` of a row."""
        return self.origin.where(row)

    @property
    def head(self) -> str:
        """Where the names of the columns stand."""
        return self.origin.head

    def cell(self, name: str, row: int) -> str:
        """What a row holds in a column, as it was written."""
        written = self.origin.cell(name, row)
        return self.columns[name].text(row) if written is None else written

    def part(self, start: int, stop: int) -> "Table":
        """Some of its rows."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return replace(self, columns=columns, origin=replace(self.origin, first=self.origin.first + start))

    def without(self, names: Sequence[str]) -> "Table":
        """The table without these columns."""
        require_columns(self, names)
        return replace(self, columns={n: c for n, c in self.columns.items() if n not in names})

    @classmethod
    def of_cells(cls, source: str, names: Sequence[str], rows: Sequence[list[str]]) -> "Table":
        """The table of rows of text, the first of which stands on line 2."""
        gathered = [Gathered() for _ in names]
        for row in rows:
            for cells, cell in zip(gathered, row, strict=True):
                cells.append(cell.strip())
        records = lambda: ((f"{source}:{line}", row) for line, row in enumerate(rows, 2))
        return cls(
            source, dict(zip(names, [g.column() for g in gathered])), Origin(source, tuple(names), records)
        )

    @classmethod
    def of_array(cls, x: Array, names: Sequence[str], source: str = "data") -> "Table":
        """The table whose columns are those of an array."""
        columns = {name: Numbers(values) for name, values in zip(names, np.asarray(x).T, strict=True)}
        return cls(source, columns)


class Wanted(NamedTuple):
    """What is wanted of data.

    Attributes
    ----------
    query
        A part of them, in SQL.
    texts
        Columns of text whose cells are kept as they are written, though all be numbers or moments.
    rows
        How many rows at a time; all at once where that is None.
    """

    query: str | None = None
    texts: frozenset[str] = frozenset()
    rows: int | None = None


def short(text: str) -> str:
    """A text in quotation marks, cut where it is long: what a message shows of a cell."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")


def alternatives(before: str, name: str, names: Sequence[str]) -> str:
    """What there is to choose from, after a question where one of the names looks like the one written."""
    shown = ", ".join(n[:SHOWN] for n in names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{did_you_mean(name, names, short)} {before} {shown}".lstrip()


def require_columns(table: Table, names: Sequence[str], otherwise: str = "") -> None:
    """Refuse a table that lacks one of these columns, and say what else could be done."""
    absent = [name for name in names if name not in table.columns]
    if absent:
        listed = ", ".join(map(short, absent[:5])) + (", ..." if len(absent) > 5 else "")
        there = alternatives("the file has the columns", absent[0], table.names)
        raise DataError(f"{table.head}: no column {listed}; {there}{otherwise}")


# ----------------------------------------------------------------------------- columns as they are wanted


def floats(table: Table, name: str) -> Array:
    """A column as numbers of some real dtype, NaN where one is missing; other text is refused."""
    require_columns(table, [name])
    column = table.columns[name]
    if isinstance(column, Words):
        column = _all_numbers(column.labels, column.codes) or _refuse_words(table, name, column)
    if not isinstance(column, Numbers):
        _refuse_cell(table, name, 0)
    return column.values


def words(table: Table, name: str) -> Words:
    """A column as texts: whole numbers are written without a point, times in ISO 8601."""
    require_columns(table, [name])
    column = table.columns[name]
    if isinstance(column, Words):
        return column
    if isinstance(column, Opaque):
        _refuse_cell(table, name, 0)
    values, codes = np.unique(column.values, return_inverse=True)
    labels = tuple(map(type(column)(values).text, range(len(values))))
    return Words(labels, np.where(column.missing, -1, codes).astype(np.int32))


def times(table: Table, name: str) -> Array:
    """A column as moments; a text that is no date is refused."""
    require_columns(table, [name])
    column = table.columns[name]
    if isinstance(column, Words):
        column = _all_times(column.labels, column.codes) or column
    if isinstance(column, Numbers) and column.missing.all():
        column = Times(np.full(len(column), "NaT", MICROSECONDS))
    if not isinstance(column, Times):
        row = _first_wrong(column)
        raise DataError(
            f"{table.where(row)}: column {name!r} holds {short(table.cell(name, row))}, which is not a date; "
            "write dates as 2024-12-31, times as 2024-12-31 23:59:59"
        )
    return column.values


def _first_wrong(column: Column) -> int:
    """The first row that holds anything but a moment."""
    if not isinstance(column, Words):
        return int(np.argmin(column.missing))
    bad = np.array([bool(np.isnat(moment(n))) and n.lower() not in MISSING for n in column.labels] + [False])
    return int(np.argmax(bad[column.codes]))


def numbers(table: Table, names: Sequence[str]) -> Array:
    """The named columns as a float64 array of shape (rows, columns); every cell must be a finite number."""
    require_columns(table, names)
    return np.stack([_finite(table, name) for name in names], axis=1)


def _finite(table: Table, name: str) -> Array:
    values = floats(table, name).astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        _refuse_cell(table, name, int(wrong[0]))
    return values


def _refuse_words(table: Table, name: str, column: Words) -> NoReturn:
    bad = np.array([np.isnan(number(label)) and label.lower() not in MISSING for label in column.labels])
    _refuse_cell(table, name, int(np.argmax(np.append(bad, False)[column.codes])))


def _refuse_cell(table: Table, name: str, row: int) -> NoReturn:
    raise DataError(f"{table.where(row)}: column {name!r} {_what_is_wrong(table.cell(name, row))}")


def _what_is_wrong(cell: str) -> str:
    if not cell:
        return "is blank; fill in a number, or delete the row or the column"
    if cell.lower() in MISSING:
        return f"has a missing value, {cell!r}; fill in a number, or delete the row or the column"
    if np.isinf(number(cell)):
        return f"holds {short(cell)}, which is not finite; write a finite number, or delete the row"
    if np.isfinite(number(cell.replace(",", "."))):
        return f"holds {short(cell)}, which is not a number; write it with a decimal point"
    return f"holds {short(cell)}, which is not a number; correct it, or encode or delete the column"
