r"""What is suspicious in a table, though nothing forbids it: told before training, in one line each.

A column that gives the target away was usually written down after it (an outcome beside its diagnosis), and
makes the error on the test part worthless. It is looked for column by column: classes that every value of the
column, or every stretch of its sorted numbers, determines; numbers that are a straight line in it,

.. math:: 1 - \rho^2 < 10^{-9}.
"""

import re
from collections.abc import Sequence
from itertools import islice

import numpy as np

from wengert.data._hashes import row_hashes
from wengert.data._table import Numbers, Table, Words
from wengert.data._target import Target

Array = np.ndarray

LEAST_ROWS = 30  # below, coincidences are common
STRAIGHT = 1e-9
SAMPLED = 2000  # rows that most columns are cleared by
PADDED = re.compile(r"0\d+")


def suspicions(table: Table, columns: Sequence[str], target: Target, rows: Array) -> list[str]:
    """Infinite values, constant columns, row numbers, padded numbers, repeated rows, leaks: a line each."""
    return [
        *_infinite(table, columns, rows),
        *_constant(table, columns, rows),
        *_counting(table, columns),
        *_padded(table, columns),
        *_repeated(table, columns, target, rows),
        *_leaks(table, columns, target, rows),
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _infinite(table: Table, columns: Sequence[str], rows: Array) -> list[str]:
    found = [(name, int(np.sum(np.isinf(values)))) for name, values in _numbers(table, columns, rows)]
    told = [f"{name} ({count})" for name, count in found if count]
    return [f"infinite values are taken as missing: {_listed(told)}"] if told else []


def _numbers(table: Table, columns: Sequence[str], rows: Array) -> list[tuple[str, Array]]:
    chosen = [(name, table.columns[name]) for name in columns]
    return [(name, column.values[rows]) for name, column in chosen if isinstance(column, Numbers)]


# ------------------------------------------------------------------------------------ constant columns


def _codes(table: Table, name: str, rows: Array) -> Array:
    """The rows of a column as numbers that are equal where the column is."""
    column = table.columns[name]
    if isinstance(column, Words):
        return column.codes[rows]
    if isinstance(column, Numbers):
        return column.values[rows]
    return (
        column.values[rows].astype(np.int64) if hasattr(column, "values") else np.zeros(len(rows), np.int64)
    )


def _constant(table: Table, columns: Sequence[str], rows: Array) -> list[str]:
    alike = [name for name in columns if _is_constant(_codes(table, name, rows))]
    return [f"constant in the training part, and so of no use: {_listed(alike)}"] if alike else []


def _is_constant(values: Array) -> bool:
    return len(values) > 0 and bool(np.all(values == values[0]))


def _counting(table: Table, columns: Sequence[str]) -> list[str]:
    """Whole numbers that go up by one from row to row, in the order of the whole table."""
    whole = _numbers(table, columns, np.arange(len(table)))
    found = [name for name, values in whole if len(values) >= LEAST_ROWS and _counts(values)]
    return [f"numbers the rows, and so tells nothing about others: {_listed(found)}"] if found else []


def _counts(values: Array) -> bool:
    return values.dtype.kind in "iu" and bool(np.all(np.diff(values.astype(np.int64)) == 1))


def _padded(table: Table, columns: Sequence[str]) -> list[str]:
    """Numbers written as 00123, which are more likely the names of something."""
    origin = table.origin
    records = [] if origin.records is None else [cells for _, cells in islice(origin.records(), SAMPLED)]
    found = [
        name
        for place, name in enumerate(origin.names)
        if name in columns and isinstance(table.columns[name], Numbers)
        and any(PADDED.fullmatch(cells[place].strip()) for cells in records)
    ]  # fmt: skip
    if not found:
        return []
    return [
        f"begins with zeros, and is taken as numbers: {_listed(found)}; --category {found[0]} takes names"
    ]


# --------------------------------------------------------------------------------------- repeated rows


def _repeated(table: Table, columns: Sequence[str], target: Target, rows: Array) -> list[str]:
    """Rows that occur more than once, target included."""
    targets = map(Numbers, target.values.reshape(len(table), -1).T)
    hashes = row_hashes([*(table.columns[name] for name in columns), *targets], rows)
    count = len(rows) - len(np.unique(hashes))
    if not count:
        return []
    share = 100 * count / len(rows)
    rows_are = (
        "row of the training part repeats another"
        if count == 1
        else "rows of the training part repeat others"
    )
    return [f"{count} {rows_are} ({share:.2g} %); parts may share such rows"]


# ----------------------------------------------------------------------------------------------- leaks


def _leaks(table: Table, columns: Sequence[str], target: Target, rows: Array) -> list[str]:
    if len(rows) < LEAST_ROWS or target.values.ndim > 1:
        return []
    may, does = LEAKS[target.task]
    first, t = rows[:SAMPLED], target.values
    suspected = [name for name in columns if may(_codes(table, name, first), t[first])]
    found = [name for name in suspected if does(_codes(table, name, rows), t[rows])]
    return [
        f"gives the target away by itself, and may not be known when predicting: {name}" for name in found
    ]


def _changes(values: Array, classes: Array) -> tuple[Array, Array]:
    """Where a new value begins in the sorted values, and where a new class."""
    order = np.argsort(values, kind="stable")
    values, classes = values[order], classes[order]
    return values[1:] != values[:-1], classes[1:] != classes[:-1]


def _is_pure(values: Array, classes: Array) -> bool:
    """Whether equal values have equal classes."""
    new_value, new_class = _changes(values, classes)
    return not (new_class & ~new_value).any()


def _tells_class(values: Array, classes: Array) -> bool:
    """Whether each of a few values has one class, or each class is one stretch of the sorted values."""
    new_value, new_class = _changes(values, classes)
    if (new_class & ~new_value).any():
        return False
    stretches, distinct = 1 + int(new_class.sum()), 1 + int(new_value.sum())
    return distinct <= len(values) // 5 or stretches == len(np.unique(classes))


def _may_be_straight(values: Array, numbers: Array) -> bool:
    """Whether nothing among a few rows speaks against a straight line."""
    x = values.astype(np.float64)
    return x.min() == x.max() or numbers.min() == numbers.max() or _is_straight(x, numbers)


def _is_straight(values: Array, numbers: Array) -> bool:
    """Whether the numbers are a straight line in the values."""
    x = values.astype(np.float64)
    if not np.isfinite(x).all() or x.min() == x.max() or numbers.min() == numbers.max():
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(1 - np.corrcoef(x, numbers)[0, 1] ** 2 < STRAIGHT)


LEAKS = {"classification": (_is_pure, _tells_class), "regression": (_may_be_straight, _is_straight)}
