r"""Tables with categories and missing values, as the numbers that a network takes.

A column of :math:`K` categories becomes :math:`K` columns of zeros and ones (*one-hot*), or their places in
order, from 0 to 1 (*ordinal*; the order of their type, if it has one). A missing number becomes the mean of
its column, beside a column that says so,

.. math:: x \mapsto (x, 0), \qquad \text{missing} \mapsto (\bar x, 1),

where training had some, and the mean alone, with a warning, where it had none. A missing category, or one
that training has not seen, is none of the categories: all zeros, or the middle. True and false are 1 and 0. A
moment is a number too, of days since the mean in units of the standard deviation: days since 1970 would drown
every other column. pandas, Polars and Arrow are read through narwhals.

The encoders of :mod:`wengert.data` are others, and neither would do for both. Those begin a model that is
written to a file, and standardise; here a number stays what it is, so that a table of numbers trains as their
array does, and as in scikit-learn, where scaling is a step of its own. Columns are told by their place, for
an array with missing values has no names; those there by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import warn

Array = np.ndarray


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes
    ----------
    mean
        Of those that are there; NaN where none may be missing.
    indicated
        Whether a second column tells which are not.
    """

    mean: float
    indicated: bool

    def encode(self, column: Array, name: str) -> list[Array]:
        """The numbers, and where they are missing."""
        if column.dtype.kind == "M":
            raise ValueError(f"{name}X holds moments where training had numbers; give them as in training")
        x = _floats(column, name)
        missing = np.isnan(x)
        filled = np.where(missing, self.mean, x)
        if self.indicated:
            return [filled, missing.astype(np.float64)]
        if missing.any() and not np.isnan(self.mean):
            what = "1 value is" if missing.sum() == 1 else f"{missing.sum()} values are"
            warn(f"{name}{what} missing in X, and none was in training; the mean of training takes the place")
        return [filled]

    def names(self, name: str) -> list[str]:
        """Names of the encoded columns."""
        return [name, f"{name} is missing"] if self.indicated else [name]


ALL_THERE = Numbers(np.nan, indicated=False)


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

    def encode(self, column: Array, name: str) -> list[Array]:
        """Days since the mean, in standard deviations, and where they are missing."""
        return self.standardised.encode((_days(column, name) - self.mean) / self.deviation, name)

    def names(self, name: str) -> list[str]:
        """Names of the encoded columns."""
        return self.standardised.names(name)


@dataclass(frozen=True)
class OneHot:
    """A column of categories, one encoded column for each."""

    categories: tuple[Any, ...]

    def encode(self, column: Array, name: str) -> list[Array]:
        """Where the column is each of the categories."""
        _require_words(column, name)
        return [np.asarray(column == c, np.float64) for c in self.categories]

    def names(self, name: str) -> list[str]:
        """Names of the encoded columns."""
        return [f"{name}={c}" for c in self.categories]


@dataclass(frozen=True)
class Ordinal:
    """A column of categories as their places in order."""

    categories: tuple[Any, ...]

    def encode(self, column: Array, name: str) -> list[Array]:
        """Places from 0 to 1; the middle for what is none of the categories."""
        _require_words(column, name)
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
        names = [f"column {name!r}: " for name in _names(X)] or [""] * len(columns)
        encoded = [c for e, *given in zip(self.columns, columns, names) for c in e.encode(*given)]
        return np.stack(encoded, axis=1)

    def names(self, names: Sequence[str]) -> list[str]:
        """Names of the encoded columns."""
        return [encoded for e, name in zip(self.columns, names) for encoded in e.names(name)]


def encoder_of(X: Any, categorical: str, missing: str) -> Encoder | None:
    """How to encode X; None where it is numbers alone, and an array unless something may be missing in it."""
    if missing != "indicator" and (not is_table(X) or _is_plain(X, missing)):
        return None
    if not hasattr(X, "__array__") or hasattr(X, "nnz"):
        return None
    columns = columns_of(X)
    orders = (
        [getattr(kind, "categories", None) for kind in _kinds(X)] if is_table(X) else [None] * len(columns)
    )
    return Encoder(tuple(_column_encoder(c, categorical, missing, o) for c, o in zip(columns, orders)))


def means_of(X: Any) -> Array | None:
    """The means of the columns of a table of numbers; None for anything else."""
    return np.asarray(X, np.float64).mean(axis=0) if is_table(X) and len(X) else None


def filling(X: Any, means: Array) -> Encoder | None:
    """How to encode a table in which numbers are missing where training had all; None for any other."""
    if not is_table(X) or _is_plain(X, "auto"):
        return None
    return Encoder(tuple(Numbers(float(mean), indicated=False) for mean in means))


def _is_plain(X: Any, missing: str) -> bool:
    """Whether a table is numbers, none of them missing or all of them to be there."""
    try:
        x = np.asarray(X)
    except TypeError:  # numbers beside moments
        return False
    if x.dtype.kind not in "fiub" or not x.size:
        return x.dtype.kind in "fiub"
    return missing == "error" or not np.isnan(np.min(x))


def _column_encoder(column: Array, categorical: str, missing: str, order: Any) -> Any:
    if column.dtype.kind == "M":
        return _moments_encoder(column, missing)
    if column.dtype.kind not in "fiub":
        return CATEGORICAL[categorical](_categories(column, order))
    there = column[~np.isnan(column)] if column.dtype.kind == "f" else column
    if missing == "error":
        return ALL_THERE
    return Numbers(float(there.mean()) if len(there) else 0.0, indicated=len(there) < len(column))


def _moments_encoder(column: Array, missing: str) -> Moments:
    days = _days(column[~np.isnat(column)], "")
    mean, deviation = (float(days.mean()), float(days.std())) if len(days) else (0.0, 1.0)
    standardised = ALL_THERE if missing == "error" else Numbers(0.0, indicated=len(days) < len(column))
    return Moments(mean, deviation or 1.0, standardised)


def _floats(column: Array, name: str) -> Array:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}X holds words where training had numbers: {error}; give them as in training"
        ) from error


def _require_words(column: Array, name: str) -> None:
    """Refuse numbers, none of which would be any of the categories."""
    if column.dtype.kind in "fiubM" and (column == column).any():
        what = "moments" if column.dtype.kind == "M" else "numbers"
        raise ValueError(f"{name}X holds {what} where training had words; give them as in training")


def _days(column: Array, name: str) -> Array:
    """Since 1970; NaN where a moment is missing."""
    if column.dtype.kind not in "MO":
        raise ValueError(
            f"{name}X holds numbers where training had moments; give a table of the columns of training"
        )
    return (column.astype("datetime64[us]") - np.datetime64(0, "us")) / np.timedelta64(1, "D")


def _categories(column: Array, order: Any) -> tuple[Any, ...]:
    """The categories that there are, in the order of their type if it has one."""
    try:
        found = {v for v in column.tolist() if v is not None and v == v}
    except TypeError as error:
        raise TypeError(f"{error}; the argument must be a string or a number in every entry of X") from error
    if order is not None:
        return tuple(v for v in order if v in found)
    try:
        return tuple(sorted(found))
    except TypeError:
        return tuple(sorted(found, key=str))


def _names(X: Any) -> list[Any]:
    """The names of the columns, if X is a table."""
    return list(getattr(X, "column_names", getattr(X, "columns", ())))  # Arrow's; pandas' and Polars'


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

    columns = from_frame(X, "X").columns.items()
    return [_column(name, column, str(kind)) for (name, column), kind in zip(columns, _kinds(X))]


def _kinds(X: Any) -> list[Any]:
    """The types of the columns of a table, as narwhals has them."""
    import narwhals

    return list(narwhals.from_native(X).schema.values())


def _column(name: str, column: Any, type_name: str) -> Array:
    kind = type(column).__name__
    if type_name == "Boolean":
        return np.array([*(float(label == "true") for label in column.labels), np.nan])[column.codes]
    if kind == "Opaque":
        raise ValueError(
            f"X: column {name!r} holds {column.what}, which is no number, word or time; leave it out"
        )
    if kind == "Words":
        return np.array([*column.labels, None], dtype=object)[column.codes]
    if kind == "Times":
        return np.where(column.missing, np.datetime64("NaT", "us"), column.values)
    return column.values
