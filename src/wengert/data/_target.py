"""The column to predict: names of classes, or numbers; which of the two is inferred and told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np

from wengert.data._table import (
    EXACT,
    Numbers,
    Table,
    Words,
    alternatives,
    number,
    numbers,
    require_columns,
    words,
)
from wengert.errors import DataError

Array = np.ndarray
Task = Literal["classification", "regression"]

MAX_WHOLE_CLASSES = 20
ROWS_PER_WHOLE_CLASS = 5


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
    _refuse_missing(table, name)
    inferred, reason = _infer_task(table, name) if task is None else (task, "as told")
    return (_classes if inferred == "classification" else _numbers)(table, name, reason)


def _refuse_missing(table: Table, name: str) -> None:
    missing = table.columns[name].missing
    if missing.any():
        row = int(np.argmax(missing))
        cell = table.cell(name, row)
        what = f"has a missing value, {cell!r}" if cell else "is blank"
        raise DataError(f"{table.where(row)}: target {name!r} {what}; fill it in, or delete the row")


def _infer_task(table: Table, name: str) -> tuple[Task, str]:
    column = table.columns[name]
    if not isinstance(column, Numbers):
        _refuse_mixture(table, name, words(table, name))
        return "classification", "text"
    distinct = len(np.unique(column.values))
    few = distinct <= min(MAX_WHOLE_CLASSES, max(2, len(table) // ROWS_PER_WHOLE_CLASS))
    if few and _whole(column.values):
        return "classification", f"{distinct} whole numbers"
    return "regression", f"{distinct} different numbers"


def _refuse_mixture(table: Table, name: str, column: Words) -> None:
    """Mostly numbers and some text is more likely a slip than a set of classes."""
    numeric = np.array([np.isfinite(number(label)) for label in column.labels])[column.codes]
    if 0.5 < numeric.mean() < 1:
        row = int(np.argmin(numeric))
        raise DataError(
            f"{table.where(row)}: target {name!r} holds {table.cell(name, row)!r} among numbers; "
            "correct it, or say that the column names classes with --task classification"
        )


def _whole(values: Array) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.all(values == np.round(values)) and np.all(np.abs(values) < EXACT))


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers by value, then text by letter."""
    value = number(label)
    return bool(np.isnan(value)), 0.0 if np.isnan(value) else value, label


def _classes(table: Table, name: str, reason: str) -> Target:
    _refuse_inexact(table, name)
    classes = tuple(sorted(words(table, name).labels, key=_order))
    if len(classes) < 2:
        raise DataError(
            f"{table.source}: target {name!r} has one class only, {classes[0]!r}; "
            "classification needs at least two"
        )
    return Target(name, "classification", classes, class_indices(table, name, classes), reason)


def _refuse_inexact(table: Table, name: str) -> None:
    """Names that float64 would confuse with one another."""
    column = table.columns[name]
    if isinstance(column, Numbers) and column.values.dtype.kind == "f":
        large = np.abs(column.values) >= EXACT
        if large.any():
            raise DataError(
                f"{table.where(int(np.argmax(large)))}: target {name!r} holds numbers beyond 2^53, which "
                "cannot be told apart as classes; write them as text, for instance with a letter in front"
            )


def class_indices(table: Table, name: str, classes: Sequence[str]) -> Array:
    """The index of each row's class; a class that is not among those given is refused."""
    require_columns(table, [name])
    _refuse_missing(table, name)
    found = words(table, name)
    place = {label: k for k, label in enumerate(classes)}
    moved = np.array([place.get(label, -1) for label in found.labels], np.int64)[found.codes]
    if (unknown := moved < 0).any():
        _refuse_class(table, name, int(np.argmax(unknown)), classes)
    return moved


def _refuse_class(table: Table, name: str, row: int, classes: Sequence[str]) -> NoReturn:
    label = table.columns[name].text(row)
    known = alternatives("the model knows", label, classes)
    raise DataError(f"{table.where(row)}: target {name!r} holds the unknown class {label!r}; {known}")


def _numbers(table: Table, name: str, reason: str) -> Target:
    values = numbers(table, [name])[:, 0]
    if np.all(values == values[0]):
        raise DataError(
            f"{table.source}: target {name!r} is {values[0]:g} in every row; there is nothing to learn"
        )
    return Target(name, "regression", (), values, reason)
