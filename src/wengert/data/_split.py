r"""Who trains and who judges: rows dealt out to a training, a validation and a test part.

At random; class by class, so that every part has its share of each; by group, so that no group (a patient, a
house) is in two parts; or by time, so that every part is judged on what came later.
"""

from dataclasses import dataclass

import numpy as np

from wengert.data._table import Numbers, Table, times, words
from wengert.data._target import Target
from wengert.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class Split:
    """Row indices of the training, validation and test parts."""

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
    _check_parts(parts, f"row of {len(strata)}", validation, test)
    return parts


def _deal(
    rows: Array, validation: float, test: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    rows = rng.permutation(rows)
    for_test = round(len(rows) * test)
    for_validation = min(round(len(rows) * validation), max(0, len(rows) - 1 - for_test))
    return rows[for_test + for_validation :], rows[for_test : for_test + for_validation], rows[:for_test]


def split_by_group(
    table: Table, group: str, validation: float, test: float, rng: np.random.Generator
) -> Split:
    """Deal whole groups out at random, those that the column names, until each part has its share of rows.

    Raises
    ------
    DataError
        When the column is not there or has gaps, or a part gets no group.
    """
    _check_fractions(validation, test)
    members = _complete(table, group, words(table, group).codes)
    counts = np.bincount(members)
    order = rng.permutation(len(counts))
    ends = np.cumsum(counts[order]) - counts[order] / 2  # a group belongs where its middle falls
    part = np.empty(len(counts), np.int64)
    part[order] = np.searchsorted([test * len(table), (test + validation) * len(table)], ends, side="right")
    rows = [rng.permutation(np.flatnonzero(part[members] == k)) for k in (2, 1, 0)]
    parts = Split(*rows)
    _check_parts(parts, f"group of {len(counts)} in {group!r}", validation, test)
    return parts


def split_by_time(table: Table, time: str, validation: float, test: float) -> Split:
    """The earliest rows to train on, later ones to validate, and the latest to test; moments are not divided.

    The column may hold dates or numbers.

    Raises
    ------
    DataError
        When the column is not there, has gaps or holds neither, or a part gets no row.
    """
    _check_fractions(validation, test)
    moments = _complete(table, time, _order_of(table, time))
    order = np.argsort(moments, kind="stable")
    rows = len(table)
    starts = [rows - round(rows * (test + validation)), rows - round(rows * test)]
    bounds = [int(np.searchsorted(moments[order], moments[order][start])) if start < rows else rows
              for start in starts]  # fmt: skip
    parts = Split(*np.split(order, bounds))
    _check_parts(parts, f"row of {rows}, moments being undivided,", validation, test)
    return parts


def _order_of(table: Table, time: str) -> Array:
    """Whole numbers in the order of the moments; negative where there is none."""
    column = table.columns.get(time)
    if isinstance(column, Numbers):
        moments = column.values
    else:
        moments = times(table, time)
    missing = table.columns[time].missing
    return np.where(missing, -1, np.unique(moments, return_inverse=True)[1])


def _complete(table: Table, name: str, codes: Array) -> Array:
    """The codes, none of which may be missing."""
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataError(f"{table.where(row)}: {name!r} is blank, and rows are split by it; fill it in")
    return codes


def _check_fractions(validation: float, test: float) -> None:
    if validation < 0 or test < 0 or validation + test > 0.9:
        raise DataError(
            f"validation fraction {validation:g} and test fraction {test:g} leave too little for training; "
            "each is at least 0 and together they are at most 0.9"
        )


def _check_parts(parts: Split, counted: str, validation: float, test: float) -> None:
    if not len(parts.training):
        raise DataError(
            f"the parts leave no {counted} for training; add rows, or make the other parts smaller"
        )
    for name, part, fraction in (("validation", parts.validation, validation), ("test", parts.test, test)):
        if fraction and not len(part):
            raise DataError(
                f"a {name} fraction of {fraction:g} leaves no {counted} for the {name} part; "
                f"add rows, or write --{name}-fraction 0"
            )
