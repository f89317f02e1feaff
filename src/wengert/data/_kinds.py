"""What a column is taken for: one table of rules, of which the first that holds decides.

The rules look at the training part alone. Numbers are not taken for categories by themselves, however few
they are: somebody must say that they only name something.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NoReturn

import numpy as np

from wengert.data._table import (
    POINTS,
    Column,
    Numbers,
    Opaque,
    Table,
    Times,
    Words,
    has_commas,
    number,
    short,
    typed,
)
from wengert.errors import DataError

Array = np.ndarray
Kind = Literal["empty", "number", "date", "boolean", "category", "embedding", "text"]

YES_AND_NO = {"true": "false", "yes": "no", "t": "f", "y": "n", "on": "off"}
ONE_HOT_AT_MOST = 16
EMBEDDED_AT_MOST = 10_000
ROWS_PER_EMBEDDED = 3


@dataclass(frozen=True)
class Seen:
    """A column as its training part shows it."""

    table: Table
    name: str
    rows: Array

    @property
    def column(self) -> Column:
        """The whole column."""
        return self.table.columns[self.name]

    @cached_property
    def missing(self) -> int:
        """How many rows hold nothing."""
        return int(np.sum(self.column.missing[self.rows]))

    @property
    def present(self) -> int:
        """How many rows hold something."""
        return len(self.rows) - self.missing

    @cached_property
    def counts(self) -> dict[str, int]:
        """How often each label occurs, where the column is words."""
        if not isinstance(self.column, Words):
            return {}
        counts = np.bincount(self.column.codes[self.rows] + 1, minlength=len(self.column.labels) + 1)[1:]
        return {label: int(n) for label, n in zip(self.column.labels, counts) if n}

    @property
    def share_of_numbers(self) -> float:
        """The share of the rows that hold something whose text is a number."""
        numeric = sum(n for label, n in self.counts.items() if not np.isnan(number(label)))
        return numeric / max(1, self.present)


def yes_and_no(labels: tuple[str, ...]) -> tuple[str, str] | None:
    """The words for true and false, in small letters, if the labels are such a pair."""
    small = {label.lower() for label in labels}
    pairs = [(yes, no) for yes, no in YES_AND_NO.items() if small and small <= {yes, no}]
    return pairs[0] if len(pairs) == 1 and len(small) == 2 else None


def _few(seen: Seen) -> bool:
    return len(seen.counts) <= max(2, min(ONE_HOT_AT_MOST, seen.present // 2))


def _repeated(seen: Seen) -> bool:
    return len(seen.counts) <= min(EMBEDDED_AT_MOST, seen.present // ROWS_PER_EMBEDDED)


def _is_time(seen: Seen) -> bool:
    column = seen.column
    return isinstance(column, Times) or (
        isinstance(column, Words) and isinstance(typed(column.labels, column.codes), Times)
    )


def _refuse_opaque(seen: Seen) -> NoReturn:
    raise DataError(
        f"{seen.table.head}: column {seen.name!r} holds {seen.column.text(0)}, which a network cannot take; "
        f"leave it out (--ignore {seen.name}), or make numbers of it in a query"
    )


def _refuse_mixture(seen: Seen) -> NoReturn:
    column = seen.column
    assert isinstance(column, Words)
    wrong = np.array([np.isnan(number(label)) for label in column.labels] + [False])[column.codes]
    row = int(np.argmax(wrong))
    raise DataError(
        f"{seen.table.where(row)}: column {seen.name!r} holds {short(seen.table.cell(seen.name, row))} among "
        f"numbers; correct it, or say --category {seen.name} or --ignore {seen.name}"
    )


def _with_commas(seen: Seen) -> bool:
    """Whether all that stands there is numbers, were it not for their commas."""
    labels = list(seen.counts)
    return any(map(has_commas, labels)) and all(
        has_commas(label) or not np.isnan(number(label)) for label in labels
    )


def _refuse_commas(seen: Seen) -> NoReturn:
    column = seen.column
    assert isinstance(column, Words)
    row = int(np.argmax(np.array([*map(has_commas, column.labels), False])[column.codes]))
    raise DataError(
        f"{seen.table.where(row)}: column {seen.name!r} holds {short(seen.table.cell(seen.name, row))}; "
        f"write numbers {POINTS}, or say --category {seen.name} or --ignore {seen.name}"
    )


def refuse_texts(columns: Sequence[Seen]) -> NoReturn:
    """Say of all columns of free text at once what to do with them."""
    found = [
        f"{seen.name!r} ({len(seen.counts)} different values in {seen.present} rows)" for seen in columns
    ]
    ignored = " ".join(f"--ignore {seen.name}" for seen in columns)
    one = len(columns) == 1
    holds, them, they = ("column {} is", "it", "it holds") if one else ("columns {} are", "them", "they hold")
    raise DataError(
        f"{columns[0].table.head}: {holds.format(', '.join(found))} text; leave {them} out ({ignored}), "
        f"or say that {they} categories (--category {columns[0].name})"
    )


@dataclass(frozen=True)
class Rule:
    """What columns a rule is for, and what it makes of them: a kind, or an error."""

    holds: Callable[[Seen], bool]
    kind: Kind | Callable[[Seen], NoReturn]


RULES = (
    Rule(lambda seen: isinstance(seen.column, Opaque), _refuse_opaque),
    Rule(lambda seen: not seen.present, "empty"),
    Rule(lambda seen: isinstance(seen.column, Numbers), "number"),
    Rule(_is_time, "date"),
    Rule(lambda seen: yes_and_no(tuple(seen.counts)) is not None, "boolean"),
    Rule(lambda seen: 0.5 < seen.share_of_numbers < 1, _refuse_mixture),
    Rule(_with_commas, _refuse_commas),
    Rule(_few, "category"),
    Rule(_repeated, "embedding"),
    Rule(lambda seen: True, "text"),
)


def category_kind(seen: Seen) -> Kind:
    """The kind of a column that is said to hold categories: by how many there are."""
    return "category" if _few(seen) else "embedding"


def kind_of(seen: Seen) -> Kind:
    """The kind of a column; mixtures, and what no network can take, are refused by name."""
    rule = next(rule for rule in RULES if rule.holds(seen))
    return rule.kind(seen) if callable(rule.kind) else rule.kind
