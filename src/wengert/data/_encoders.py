r"""Encoders: what becomes of one column, by kind.

.. math:: \text{number: } \tilde x = \frac{x - \bar x}{s}, \qquad
          \text{category: } z_k = [x = c_k], \qquad
          \text{date: } \tilde d,\; \sin\frac{2\pi d}{P},\; \cos\frac{2\pi d}{P},

with *d* in days since 1970 and the periods *P* of day, week and year that the training part covers. What is
missing is replaced by the mean or the most frequent value, and told by an indicator of its own where the
training part lacks some too. An encoder is fitted on the rows of the training part, reads a column of a table
into an array of one entry a row, and applies itself to that array; its state is a description for JSON and a
few numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from wengert._refusals import counted
from wengert.data._kinds import Kind, Seen, yes_and_no
from wengert.data._table import Table, canonical, floats, label_order, short, times, words
from wengert.errors import DataError

Array = np.ndarray

# What an encoder of words reads where there is none, and where there is one that it has not been fitted on.
MISSING_CODE, UNSEEN_CODE = -1, -2
DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")
SHOWN_WORDS = 3
PERIODS = {"day": 1.0, "week": 7.0, "year": 365.2425}  # days


class Surprise(NamedTuple):
    """What some rows of a column hold that the training part did not: words, or nothing at all."""

    column: str
    what: str
    words: tuple[str, ...]
    rows: int
    instead: str

    def with_more(self, other: "Surprise") -> "Surprise":
        """The same of more rows; of the words those that are told."""
        words = tuple(sorted({*self.words, *other.words})[: SHOWN_WORDS + 1])
        return self._replace(words=words, rows=self.rows + other.rows)

    def __str__(self) -> str:
        """``town: 'Ulm' in 2 rows, never in training; zeros instead``."""
        more = ["..."] * (len(self.words) > SHOWN_WORDS)
        what = ", ".join([*map(short, self.words[:SHOWN_WORDS]), *more]) or self.what
        joined = "," if self.words else " and"
        return (
            f"{self.column}: {what} in {counted(self.rows, 'row')}{joined} never in training; {self.instead}"
        )


class Encoder(Protocol):
    """What becomes of one column."""

    kind: ClassVar[Kind]

    @property
    def column(self) -> str:
        """The column it reads."""

    @property
    def features(self) -> tuple[str, ...]:
        """What its outputs are called."""

    @classmethod
    def fit(cls, seen: Seen) -> "Encoder":
        """The encoder of a column, by its training part."""

    def read(self, table: Table) -> Array:
        """The column as one entry a row."""

    def apply(self, entries: Array) -> Array:
        """The features of these entries, of shape (rows, features)."""

    def surprises(self, table: Table) -> list[Surprise]:
        """What a table holds that the training part did not."""

    def describe(self) -> str:
        """What is done, in words."""

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """A description for JSON, and numbers."""

    @classmethod
    def from_state(cls, description: dict[str, Any], numbers: list[float]) -> "Encoder":
        """The encoder of this state."""


def _indicator(column: str, missing: int) -> tuple[str, ...]:
    return (f"{column} is missing",) if missing else ()


def _with_indicator(encoded: Array, lacking: Array, missing: int) -> Array:
    return np.concatenate([encoded, lacking[:, None]], axis=1) if missing else encoded


def _newly_missing(
    column: str, lacking: Array, missing: int, instead: str, what: str = "missing"
) -> list[Surprise]:
    count = int(np.sum(lacking))
    return [] if missing or not count else [Surprise(column, what, (), count, f"{instead} instead")]


def _check_state(holds: bool, kind: str) -> None:
    if not holds:
        raise ValueError(f"the state of a {kind} is not one")


def _mean_and_scale(values: Array, column: str) -> tuple[float, float]:
    """Mean and standard deviation; the value itself and 1 where all are alike."""
    if values.min() == values.max():
        return float(values[0]), 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.mean(values, dtype=np.float64))
        scale = float(np.std(values, dtype=np.float64, mean=mean))
    if not np.isfinite([mean, scale]).all():
        raise DataError(f"column {column!r}: the numbers are too large to average; rescale those above 1e150")
    return mean, scale or 1.0


@dataclass(frozen=True)
class Number:
    """A number, standardised.

    Attributes
    ----------
    column
        The column.
    mean, scale
        Taken off, and divided by.
    missing
        In how many rows of the training part it is missing.
    infinite
        In how many it is infinite, which counts as missing.
    """

    kind: ClassVar[Kind] = "number"
    column: str
    mean: float
    scale: float
    missing: int = 0
    infinite: int = 0

    @classmethod
    def fit(cls, seen: Seen) -> "Number":
        """Mean and standard deviation of the finite numbers."""
        values = floats(seen.table, seen.name)[seen.rows]
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        mean, scale = _mean_and_scale(finite, seen.name) if len(finite) else (0.0, 1.0)
        return cls(seen.name, mean, scale, len(values) - len(finite), int(np.sum(np.isinf(values))))

    @property
    def features(self) -> tuple[str, ...]:
        """Itself, and whether it is missing."""
        return (self.column, *_indicator(self.column, self.missing))

    def read(self, table: Table) -> Array:
        """The numbers; NaN for what is missing or infinite."""
        values = floats(table, self.column)
        infinite = np.isinf(values)
        return np.where(infinite, np.nan, values) if infinite.any() else values

    def apply(self, entries: Array) -> Array:
        """Standardised; zero, the mean, for what is missing."""
        with np.errstate(over="ignore"):
            scaled = (entries.astype(np.float64) - self.mean) / self.scale
        if entries.dtype.kind != "f" and not self.missing:
            return scaled[:, None]
        lacking = np.isnan(scaled)
        return _with_indicator(np.where(lacking, 0.0, scaled)[:, None], lacking, self.missing)

    def surprises(self, table: Table) -> list[Surprise]:
        """Missing or infinite numbers where none were."""
        what = "missing or infinite"
        return _newly_missing(self.column, np.isnan(self.read(table)), self.missing, "the mean", what)

    def describe(self) -> str:
        """Mean, scale, and what becomes of missing ones."""
        infinite = f" ({self.infinite} infinite)" if self.infinite else ""
        lacking = f", {self.missing} missing{infinite} → mean and indicator" if self.missing else ""
        return f"number{lacking}, standardised by {self.mean:.4g} and {self.scale:.4g}"

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """Counts in the description; mean and scale as numbers."""
        counts = {"missing": self.missing, "infinite": self.infinite}
        return {"column": self.column, **counts}, [self.mean, self.scale]

    @classmethod
    def from_state(cls, description: dict[str, Any], numbers: list[float]) -> "Number":
        """The encoder of this state."""
        mean, scale = numbers
        _check_state(isfinite(mean) and 0 < scale < inf, cls.kind)
        return cls(description["column"], mean, scale, description["missing"], description["infinite"])


@dataclass(frozen=True)
class Boolean:
    """One of two words for true and false, as 1 and -1."""

    kind: ClassVar[Kind] = "boolean"
    column: str
    yes: str
    no: str
    mode: float
    missing: int = 0

    @classmethod
    def fit(cls, seen: Seen) -> "Boolean":
        """Which words, and which is more frequent."""
        yes, no = yes_and_no(tuple(seen.counts)) or ("true", "false")
        count = {
            word: sum(n for label, n in seen.counts.items() if label.lower() == word) for word in (yes, no)
        }
        return cls(seen.name, yes, no, 1.0 if count[yes] >= count[no] else -1.0, seen.missing)

    @property
    def features(self) -> tuple[str, ...]:
        """Itself, and whether it is missing."""
        return (self.column, *_indicator(self.column, self.missing))

    def read(self, table: Table) -> Array:
        """1 and -1; NaN for what is missing. Another word is refused."""
        column = words(table, self.column)
        values = {"true": 1.0, "false": -1.0, "1": 1.0, "0": -1.0, self.yes: 1.0, self.no: -1.0}
        truth = lambda label: values.get(label.lower(), values.get(canonical(label), np.inf))
        found = np.array([*map(truth, column.labels), np.nan])[column.codes]
        wrong = np.flatnonzero(np.isinf(found))
        if wrong.size:
            row = int(wrong[0])
            raise DataError(
                f"{table.where(row)}: column {self.column!r} holds {short(table.cell(self.column, row))}; "
                f"write {self.yes} or {self.no}"
            )
        return found

    def apply(self, entries: Array) -> Array:
        """1 or -1; the more frequent of them for what is missing."""
        lacking = np.isnan(entries)
        return _with_indicator(np.where(lacking, self.mode, entries)[:, None], lacking, self.missing)

    def surprises(self, table: Table) -> list[Surprise]:
        """Missing ones where none were."""
        instead = self.yes if self.mode > 0 else self.no
        return _newly_missing(self.column, np.isnan(self.read(table)), self.missing, instead)

    def describe(self) -> str:
        """The words."""
        lacking = f", {self.missing} missing → most frequent and indicator" if self.missing else ""
        return f"boolean{lacking}, {self.yes} 1, {self.no} -1"

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """The words in the description; the more frequent as a number."""
        described = {"column": self.column, "yes": self.yes, "no": self.no, "missing": self.missing}
        return described, [self.mode]

    @classmethod
    def from_state(cls, description: dict[str, Any], numbers: list[float]) -> "Boolean":
        """The encoder of this state."""
        column, yes, no = (description[key] for key in ("column", "yes", "no"))
        return cls(column, yes, no, numbers[0], description["missing"])


def _label_codes(table: Table, column: str, labels: tuple[str, ...]) -> Array:
    """The index of each row's label; -1 where it is missing, -2 where it is none of these."""
    found = words(table, column)
    place = {label: k for k, label in enumerate(labels)}
    moved = [_code(label, place) for label in found.labels]
    return np.array([*moved, MISSING_CODE], np.int32)[found.codes]


def _code(label: str, place: Mapping[str, int]) -> int:
    """The index of a label, as it is written, or else as the number or moment that it is."""
    return place[label] if label in place else place.get(canonical(label), UNSEEN_CODE)


def _unseen(table: Table, column: str, codes: Array, instead: str) -> list[Surprise]:
    rows = np.flatnonzero(codes == UNSEEN_CODE)
    if not rows.size:
        return []
    found = words(table, column)
    unseen = sorted({found.labels[code] for code in np.unique(found.codes[rows])})
    return [Surprise(column, "unseen", tuple(unseen[: SHOWN_WORDS + 1]), rows.size, instead)]


@dataclass(frozen=True)
class Category:
    """One of a few words, one-hot: a feature each, and one for what is missing where some is in training."""

    kind: ClassVar[Kind] = "category"
    column: str
    labels: tuple[str, ...]
    mode: int
    missing: int = 0

    @classmethod
    def fit(cls, seen: Seen) -> "Category":
        """The words of the training part in order, and the most frequent."""
        labels = tuple(sorted(seen.counts, key=label_order))
        return cls(seen.name, labels, int(np.argmax([seen.counts[n] for n in labels])), seen.missing)

    @property
    def features(self) -> tuple[str, ...]:
        """One for each word, and whether it is missing."""
        return (
            *(f"{self.column} = {label}" for label in self.labels),
            *_indicator(self.column, self.missing),
        )

    def read(self, table: Table) -> Array:
        """The index of each row's word."""
        return _label_codes(table, self.column, self.labels)

    def apply(self, entries: Array) -> Array:
        """1 for the row's word and 0 for the others; all 0 for a word never seen."""
        slots = np.where(entries == MISSING_CODE, len(self.labels) if self.missing else self.mode, entries)
        return (slots[:, None] == np.arange(len(self.features))).astype(np.float64)

    def surprises(self, table: Table) -> list[Surprise]:
        """Words never seen, and missing ones where none were."""
        codes = self.read(table)
        lacking = _newly_missing(
            self.column, codes == MISSING_CODE, self.missing, short(self.labels[self.mode])
        )
        return _unseen(table, self.column, codes, "zeros instead") + lacking

    def describe(self) -> str:
        """How many words."""
        lacking = f", {self.missing} missing → a feature of its own" if self.missing else ""
        return f"category{lacking}, {len(self.labels)} values one-hot"

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """The words in the description; the place of the most frequent as a number."""
        return {"column": self.column, "labels": list(self.labels), "missing": self.missing}, [
            float(self.mode)
        ]

    @classmethod
    def from_state(cls, description: dict[str, Any], numbers: list[float]) -> "Category":
        """The encoder of this state."""
        labels, (mode,) = tuple(description["labels"]), numbers
        _check_state(0 <= mode < len(labels), cls.kind)
        return cls(description["column"], labels, int(mode), description["missing"])


@dataclass(frozen=True)
class Embedding:
    """One of many words, as the number of a learned vector; 0 is for what is missing or was never seen."""

    kind: ClassVar[Kind] = "embedding"
    column: str
    labels: tuple[str, ...]
    missing: int = 0

    @classmethod
    def fit(cls, seen: Seen) -> "Embedding":
        """The words of the training part in order."""
        return cls(seen.name, tuple(sorted(seen.counts, key=label_order)), seen.missing)

    @property
    def features(self) -> tuple[str, ...]:
        """Itself."""
        return (self.column,)

    @property
    def categories(self) -> int:
        """How many vectors there are to learn."""
        return len(self.labels) + 1

    @property
    def units(self) -> int:
        """A good length for them: about the square root of their number, at most 32."""
        return min(32, 1 + round(self.categories**0.5))

    def read(self, table: Table) -> Array:
        """The index of each row's word."""
        return _label_codes(table, self.column, self.labels)

    def apply(self, entries: Array) -> Array:
        """The number of the vector."""
        return np.maximum(entries + 1, 0)[:, None].astype(np.int32)

    def surprises(self, table: Table) -> list[Surprise]:
        """Words never seen."""
        return _unseen(table, self.column, self.read(table), "the vector for these instead")

    def describe(self) -> str:
        """How many words, and the length of the vectors."""
        lacking = f", {self.missing} missing → a vector for these" if self.missing else ""
        return f"category{lacking}, {len(self.labels)} values as vectors of {self.units} numbers"

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """The words."""
        return {"column": self.column, "labels": list(self.labels), "missing": self.missing}, []

    @classmethod
    def from_state(cls, description: dict[str, Any], numbers: list[float]) -> "Embedding":
        """The encoder of this state."""
        return cls(description["column"], tuple(description["labels"]), description["missing"])


@dataclass(frozen=True)
class Date:
    """A moment: how late it is, standardised, and where it stands in the day, the week and the year."""

    kind: ClassVar[Kind] = "date"
    column: str
    mean: float
    scale: float
    cycles: tuple[str, ...]
    missing: int = 0

    @classmethod
    def fit(cls, seen: Seen) -> "Date":
        """Mean and standard deviation in days, and the cycles that the training part has passed through."""
        days = _days(times(seen.table, seen.name)[seen.rows])
        there = days[~np.isnan(days)]
        timed = bool(np.any(there % 1))
        cycles = [n for n, period in PERIODS.items() if np.ptp(there) >= period and (n != "day" or timed)]
        return cls(seen.name, *_mean_and_scale(there, seen.name), tuple(cycles), seen.missing)

    @property
    def features(self) -> tuple[str, ...]:
        """How late it is, a sine and a cosine for each cycle, and whether it is missing."""
        waves = (f"{self.column} {wave} of {cycle}" for cycle in self.cycles for wave in ("sine", "cosine"))
        return (self.column, *waves, *_indicator(self.column, self.missing))

    def read(self, table: Table) -> Array:
        """Days since 1970; NaN for what is missing."""
        return _days(times(table, self.column))

    def apply(self, entries: Array) -> Array:
        """Trend and waves; the mean moment, and the middle of every wave, for what is missing."""
        lacking = np.isnan(entries)
        angles = [2 * np.pi * entries / PERIODS[cycle] for cycle in self.cycles]
        waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
        encoded = np.stack([(entries - self.mean) / self.scale, *waves], axis=1)
        return _with_indicator(np.where(lacking[:, None], 0.0, encoded), lacking, self.missing)

    def surprises(self, table: Table) -> list[Surprise]:
        """Missing moments where none were."""
        return _newly_missing(self.column, np.isnan(self.read(table)), self.missing, "the mean")

    def describe(self) -> str:
        """Which cycles."""
        lacking = f", {self.missing} missing → mean and indicator" if self.missing else ""
        return f"date{lacking}, trend" + "".join(f", {cycle} cycle" for cycle in self.cycles)

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """The cycles in the description; mean and scale as numbers."""
        described = {"column": self.column, "cycles": list(self.cycles), "missing": self.missing}
        return described, [self.mean, self.scale]

    @classmethod
    def from_state(cls, description: dict[str, Any], numbers: list[float]) -> "Date":
        """The encoder of this state."""
        cycles, missing = tuple(description["cycles"]), description["missing"]
        mean, scale = numbers
        _check_state(set(cycles) <= PERIODS.keys() and isfinite(mean) and 0 < scale < inf, cls.kind)
        return cls(description["column"], mean, scale, cycles, missing)


def _days(moments: Array) -> Array:
    """Days since 1970, NaN where there is none."""
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / DAY)


ENCODERS: dict[str, type[Encoder]] = {
    encoder.kind: encoder for encoder in (Number, Boolean, Category, Embedding, Date)
}
