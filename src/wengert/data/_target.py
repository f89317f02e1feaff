"""What is to be predicted: a class, several labels at once, or numbers; which of them is inferred and told.

Several columns of 0 and 1 are labels, each true or not; several columns of other numbers are predicted side
by side. A single column of words may hold several labels a row, with bars or semicolons between them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np

from wengert.data._table import (
    EXACT,
    POINTS,
    Numbers,
    Table,
    Times,
    Words,
    alternatives,
    has_commas,
    label_order,
    number,
    numbers,
    require_columns,
    short,
    words,
)
from wengert.errors import DataError

Array = np.ndarray
Task = Literal["classification", "multi-label", "regression"]

MAX_WHOLE_CLASSES = 20
ROWS_PER_WHOLE_CLASS = 5
DIVIDERS = re.compile("[;|]")


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Attributes
    ----------
    names
        The columns.
    task
        ``"classification"`` into one class, ``"multi-label"``, or ``"regression"``.
    classes
        The names of the classes or labels; none for numbers.
    values
        Indices of the classes, of shape (rows,); 0 and 1 for labels, of shape (rows, labels); or numbers, of
        shape (rows,) or (rows, columns).
    reason
        Why the task was chosen.
    """

    names: tuple[str, ...]
    task: Task
    classes: tuple[str, ...]
    values: Array
    reason: str


def read_target(table: Table, names: str | Sequence[str], task: Task | None = None) -> Target:
    """The column or columns to predict, the task inferred unless given.

    A single column means classification where it holds text, or whole numbers of at most 20 different values
    that each occur five times on average; it means several labels where bars or semicolons divide its texts
    into fewer different parts (a blank row then has none); otherwise regression. Several columns are labels
    where all hold 0 and 1 alone.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    require_columns(table, names)
    infer = _infer_task if len(names) == 1 else _infer_task_of_several
    inferred, reason = infer(table, names) if task is None else (task, "as told")
    classes = CLASSES[inferred](table, names)
    values = target_values(table, names, inferred, classes)
    _refuse_constant(table, names, inferred, values)
    return Target(names, inferred, classes, values, reason)


def target_values(table: Table, names: Sequence[str], task: Task, classes: Sequence[str]) -> Array:
    """What a table holds in the columns to predict, as :class:`Target` has it."""
    require_columns(table, names)
    return VALUES[task](table, names, classes)


def _refuse_missing(table: Table, name: str) -> None:
    missing = table.columns[name].missing
    if missing.any():
        row = int(np.argmax(missing))
        cell = table.cell(name, row)
        what = f"has a missing value, {cell!r}" if cell else "is blank"
        raise DataError(f"{table.where(row)}: target {name!r} {what}; fill it in, or delete the row")


def _infer_task(table: Table, names: Sequence[str]) -> tuple[Task, str]:
    (name,) = names
    column = table.columns[name]
    if isinstance(column, Words) and _is_divided(column):
        return "multi-label", f"text of {len(_labels(column))} different parts"
    _refuse_missing(table, name)
    if not isinstance(column, Numbers):
        _refuse_mixture(table, name, words(table, name))
        return "classification", "text"
    distinct = len(np.unique(column.values))
    few = distinct <= min(MAX_WHOLE_CLASSES, max(2, len(table) // ROWS_PER_WHOLE_CLASS))
    if few and _whole(column.values):
        return "classification", f"{distinct} whole numbers"
    return "regression", f"{distinct} different numbers"


def _is_divided(column: Words) -> bool:
    divided = any(len(_parts(label)) > 1 for label in column.labels)
    return divided and len(_labels(column)) < len(column.labels)


def _infer_task_of_several(table: Table, names: Sequence[str]) -> tuple[Task, str]:
    if all(_is_binary(table, name) for name in names):
        return "multi-label", f"{len(names)} columns of 0 and 1"
    return "regression", f"{len(names)} columns of numbers"


def _is_binary(table: Table, name: str) -> bool:
    column = table.columns[name]
    if isinstance(column, Words):
        return set(column.labels) <= {"true", "false"}
    return isinstance(column, Numbers) and bool(np.isin(column.values, (0, 1)).all())


def _is_number(column: Words) -> Array:
    """Which rows hold a number, by their text."""
    return np.array([*(np.isfinite(number(label)) for label in column.labels), False])[column.codes]


def _share_of_numbers(column: Words) -> float:
    return float(_is_number(column).mean())


def _refuse_mixture(table: Table, name: str, column: Words) -> None:
    """Mostly numbers and some text is more likely a slip than a set of classes."""
    if 0.5 < _share_of_numbers(column) < 1:
        row = int(np.argmin(_is_number(column)))
        raise DataError(
            f"{table.where(row)}: target {name!r} holds {short(table.cell(name, row))} among numbers; "
            "correct it, or say that the column names classes with --task classification"
        )


def _whole(values: Array) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.all(values == np.round(values)) and np.all(np.abs(values) < EXACT))


def _refuse_constant(table: Table, names: Sequence[str], task: Task, values: Array) -> None:
    if task == "classification":
        return
    columns = values.reshape(len(values), -1)
    alike = np.flatnonzero(np.ptp(columns, axis=0) == 0)
    if alike.size:
        name = names[int(alike[0])] if len(names) == columns.shape[1] else names[0]
        raise DataError(
            f"{table.source}: target {name!r} is {columns[0, alike[0]]:g} in every row; "
            "there is nothing to learn"
        )


# ------------------------------------------------------------------------------------------- classes


def _classes(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    (name,) = _single(names)
    _refuse_missing(table, name)
    _refuse_inexact(table, name)
    _refuse_names(table, name)
    classes = tuple(sorted(words(table, name).labels, key=label_order))
    if len(classes) < 2:
        raise DataError(
            f"{table.source}: target {name!r} has one class only, {short(classes[0])}; "
            "classification needs at least two"
        )
    return classes


def _single(names: Sequence[str]) -> Sequence[str]:
    if len(names) > 1:
        raise DataError(
            f"classification predicts one column, not {', '.join(names)}; "
            "name one, or say --task multi-label or regression"
        )
    return names


def _refuse_names(table: Table, name: str) -> None:
    """Texts and dates that differ from row to row are no classes."""
    if not isinstance(table.columns[name], Numbers):
        labels = words(table, name).labels
        if len(labels) > max(MAX_WHOLE_CLASSES, len(table) // 2):
            otherwise = "choose another target, or make classes or numbers of it"
            commas = all(map(has_commas, labels))
            raise DataError(
                f"{table.source}: target {name!r} has {len(labels)} different values in {len(table)} rows, "
                f"too many for classes; {f'write numbers {POINTS}' if commas else otherwise}"
            )


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


def class_indices(table: Table, names: Sequence[str], classes: Sequence[str]) -> Array:
    """The index of each row's class; a class that is not among those given is refused."""
    (name,) = names
    _refuse_missing(table, name)
    found = words(table, name)
    place = {label: k for k, label in enumerate(classes)}
    moved = np.array([place.get(label, -1) for label in found.labels], np.int64)[found.codes]
    if (unknown := moved < 0).any():
        row = int(np.argmax(unknown))
        _refuse_class(table, name, row, found.text(row), classes)
    return moved


def _refuse_class(table: Table, name: str, row: int, label: str, classes: Sequence[str]) -> NoReturn:
    known = alternatives("the model knows", label, classes)
    raise DataError(f"{table.where(row)}: target {name!r} holds the unknown class {short(label)}; {known}")


# -------------------------------------------------------------------------------------------- labels


def _parts(text: str) -> list[str]:
    """The labels that bars or semicolons divide."""
    return [part.strip() for part in DIVIDERS.split(text) if part.strip()]


def _labels(column: Words) -> tuple[str, ...]:
    return tuple(sorted({part for label in column.labels for part in _parts(label)}, key=label_order))


def _label_names(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > 1:
        return tuple(names)
    if isinstance(table.columns[names[0]], Numbers):
        raise DataError(
            f"{table.source}: target {names[0]!r} holds numbers, not labels; name several columns of 0 and "
            "1, or one of texts such as red;blue"
        )
    return _labels(words(table, names[0]))


def _label_values(table: Table, names: Sequence[str], classes: Sequence[str]) -> Array:
    if len(names) > 1:
        return np.stack([_truths(table, name) for name in names], axis=1)
    return _divided(table, names[0], classes)


def _truths(table: Table, name: str) -> Array:
    """A column of 0 and 1, or of true and false."""
    _refuse_missing(table, name)
    values = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}
    column = words(table, name)
    found = np.array([values.get(label.lower(), np.nan) for label in column.labels])[column.codes]
    if (wrong := np.isnan(found)).any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{table.where(row)}: target {name!r} holds {short(table.cell(name, row))}; a label is 0 or 1"
        )
    return found


def _divided(table: Table, name: str, classes: Sequence[str]) -> Array:
    """Which of the labels each row names; a blank row names none."""
    column = words(table, name)
    place = {label: k for k, label in enumerate(classes)}
    rows = np.zeros((len(column.labels) + 1, len(classes)))
    for i, label in enumerate(column.labels):
        for part in _parts(label):
            if part not in place:
                _refuse_class(table, name, int(np.argmax(column.codes == i)), part, classes)
            rows[i, place[part]] = 1.0
    return rows[column.codes]


# ------------------------------------------------------------------------------------------- numbers


def _no_classes(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    return ()


def _number_values(table: Table, names: Sequence[str], classes: Sequence[str]) -> Array:
    for name in names:
        _refuse_other_than_numbers(table, name)
    values = numbers(table, names)
    return values[:, 0] if len(names) == 1 else values


def _refuse_other_than_numbers(table: Table, name: str) -> None:
    """Classes or dates where numbers are asked for; a slip among numbers is told cell by cell."""
    column = table.columns[name]
    is_text = isinstance(column, Words) and len(column) and _share_of_numbers(column) < 0.5
    if is_text or isinstance(column, Times):
        row = int(np.argmin(column.missing))
        raise DataError(
            f"{table.where(row)}: target {name!r} holds {short(table.cell(name, row))}, and regression "
            "predicts numbers; choose another target or another --task, or make numbers of it in a query"
        )


CLASSES = {"classification": _classes, "multi-label": _label_names, "regression": _no_classes}
VALUES = {"classification": class_indices, "multi-label": _label_values, "regression": _number_values}
