r"""Tables with categories and missing values, as the numbers that a network takes.

A column of :math:`K` categories becomes :math:`K` columns of zeros and ones (*one-hot*), or their places in
order, from 0 to 1 (*ordinal*). A missing number becomes the mean of its column, beside a column that says so,

.. math:: x \mapsto (x, 0), \qquad \text{missing} \mapsto (\bar x, 1),

and a missing category, or one that training has not seen, is none of the categories: all zeros, or the
middle. pandas, Polars and Arrow are read through narwhals. A moment is a number too, of
days since the mean in units of the standard deviation: days since 1970 would drown every other column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes
    ----------
    mean
        Of those that are there.
    indicated
        Whether a second column tells which are not.
    """

    mean: float
    indicated: bool

    def encode(self, column: Array) -> list[Array]:
        """The numbers, and where they are missing."""
        if column.dtype.kind == "M":
            raise ValueError("X holds moments where training had numbers; give them as in training")
        x = column.astype(np.float64)
        if not self.indicated:
            return [x]
        missing = np.isnan(x)
        return [np.where(missing, self.mean, x), missing.astype(np.float64)]

    def names(self, name: str) -> list[str]:
        """Names of the encoded columns."""
        return [name, f"{name} is missing"] if self.indicated else [name]


@dataclass(frozen=True)
class Moments:
    """A column of moments, as days since 1970.

    Attributes
    ----------
    mean, deviation
        Of the days that are there.
    standardised
        What they become.
    """

    mean: float
    deviation: float
    standardised: Numbers

    def encode(self, column: Array) -> list[Array]:
        """Days since the mean, in standard deviations, and where they are missing."""
        return self.standardised.encode((_days(column) - self.mean) / self.deviation)

    def names(self, name: str) -> list[str]:
        """Names of the encoded columns."""
        return self.standardised.names(name)


@dataclass(frozen=True)
class OneHot:
    """A column of categories, one encoded column for each."""

    categories: tuple[Any, ...]

    def encode(self, column: Array) -> list[Array]:
        """Where the column is each of the categories."""
        return [np.asarray(column == c, np.float64) for c in self.categories]

    def names(self, name: str) -> list[str]:
        """Names of the encoded columns."""
        return [f"{name}={c}" for c in self.categories]


@dataclass(frozen=True)
class Ordinal:
    """A column of categories as their places in order."""

    categories: tuple[Any, ...]

    def encode(self, column: Array) -> list[Array]:
        """Places from 0 to 1; the middle for what is none of the categories."""
        last = max(1, len(self.categories) - 1)
        places = {c: i / last for i, c in enumerate(self.categories)}
        return [np.array([places.get(v, 0.5) for v in column.tolist()], np.float64)]

    def names(self, name: str) -> list[str]:
        """Name of the encoded column."""
        return [name]


CATEGORICAL = {"one_hot": OneHot, "ordinal": Ordinal}


@dataclass(frozen=True)
class Encoder:
    """How each column of a table is encoded, as training found it."""

    columns: tuple[Any, ...]

    def __call__(self, X: Any) -> Array:
        """The encoded table."""
        columns = columns_of(X)
        if len(columns) != len(self.columns):
            raise ValueError(
                f"X has {len(columns)} features, but training had {len(self.columns)} features as input."
            )
        return np.stack([c for e, column in zip(self.columns, columns) for c in e.encode(column)], axis=1)

    def names(self, names: Sequence[str]) -> list[str]:
        """Names of the encoded columns."""
        return [encoded for e, name in zip(self.columns, names) for encoded in e.names(name)]


def encoder_of(X: Any, categorical: str, missing: str) -> Encoder | None:
    """How to encode X; None where it is numbers alone, and an array unless something may be missing in it."""
    if missing != "indicator" and (not is_table(X) or _is_plain(np.asarray(X), missing)):
        return None
    if not hasattr(X, "__array__") or hasattr(X, "nnz"):
        return None
    return Encoder(tuple(_column_encoder(column, categorical, missing) for column in columns_of(X)))


def _is_plain(x: Array, missing: str) -> bool:
    """Whether a table is numbers, none of them missing or all of them to be there."""
    if x.dtype.kind not in "fiub" or not x.size:
        return x.dtype.kind in "fiub"
    return missing == "error" or not np.isnan(np.min(x))


def _column_encoder(column: Array, categorical: str, missing: str) -> Any:
    if column.dtype.kind == "M":
        return _moments_encoder(column, missing)
    if column.dtype.kind not in "fiub":
        return CATEGORICAL[categorical](_categories(column))
    there = column[~np.isnan(column)] if column.dtype.kind == "f" else column
    mean = float(there.mean()) if len(there) else 0.0
    return Numbers(mean, indicated=missing != "error" and len(there) < len(column))


def _moments_encoder(column: Array, missing: str) -> Moments:
    days = _days(column[~np.isnat(column)])
    mean, deviation = (float(days.mean()), float(days.std())) if len(days) else (0.0, 1.0)
    indicated = missing != "error" and len(days) < len(column)
    return Moments(mean, deviation or 1.0, Numbers(0.0, indicated))


def _days(column: Array) -> Array:
    """Since 1970; NaN where a moment is missing."""
    if column.dtype.kind not in "MO":
        raise ValueError(
            "X holds numbers where training had moments; give a table of the columns of training"
        )
    return (column.astype("datetime64[us]") - np.datetime64(0, "us")) / np.timedelta64(1, "D")


def _categories(column: Array) -> tuple[Any, ...]:
    """The categories in order; of a type that has one."""
    found = {v for v in column.tolist() if v is not None and v == v}
    try:
        return tuple(sorted(found))
    except TypeError:
        return tuple(sorted(found, key=str))


def is_table(X: Any) -> bool:
    """Whether X is a table of pandas, Polars or Arrow, and narwhals is there to read it."""
    if not hasattr(X, "columns"):
        return False
    try:
        from narwhals.dependencies import is_into_dataframe
    except ImportError:
        return False
    return is_into_dataframe(X)


def columns_of(X: Any) -> list[Array]:
    """The columns as arrays: numbers, moments with NaT, words as objects with None where one is missing."""
    if not is_table(X):
        return list(np.asarray(X).T)
    from wengert.data import from_frame

    return [_column(name, column) for name, column in from_frame(X, "X").columns.items()]


def _column(name: str, column: Any) -> Array:
    kind = type(column).__name__
    if kind == "Opaque":
        raise ValueError(
            f"X: column {name!r} holds {column.what}, which is no number, word or time; leave it out"
        )
    if kind == "Words":
        return np.array([*column.labels, None], dtype=object)[column.codes]
    if kind == "Times":
        return np.where(column.missing, np.datetime64("NaT", "us"), column.values)
    return column.values
