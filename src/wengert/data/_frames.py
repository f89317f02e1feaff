"""Data frames: pandas, polars and Arrow by way of narwhals, DuckDB's relations by themselves.

Types stay what they are: text that happens to hold numbers is text, because somebody chose it to be.
"""

from typing import Any

import numpy as np

from wengert.data import _database
from wengert.data._table import MICROSECONDS, Column, Numbers, Opaque, Table, Times, Words
from wengert.data._values import of_values
from wengert.errors import DataError

Array = np.ndarray


def from_frame(frame: Any, source: str = "data frame") -> Table:
    """The table of a data frame of any library that narwhals knows, or of a DuckDB relation.

    Raises
    ------
    DataError
        When it is no data frame, has no rows, or repeats the name of a column.

    Examples
    --------
    >>> import pandas as pd
    >>> table = from_frame(pd.DataFrame({"town": ["Bonn", None], "people": [336465, 1]}))
    >>> table.columns["town"].text(0), table.columns["people"].values.tolist()
    ('Bonn', [336465, 1])
    """
    table = _from_relation(frame, source) if _is_relation(frame) else _from_narwhals(frame, source)
    if not len(table):
        raise DataError(f"{source}: no rows; there must be some")
    return table


def _is_relation(frame: Any) -> bool:
    return type(frame).__name__ == "DuckDBPyRelation"


def _from_relation(relation: Any, source: str) -> Table:
    with _database.refusing(f"{source}: the relation fails", "mend its query"):
        return next(_database.fetch(relation, source))


def _from_narwhals(frame: Any, source: str) -> Table:
    held = _eager(frame, source)
    return Table(source, dict(zip(map(str, held.columns), map(_column, held.iter_columns()))))


def _eager(frame: Any, source: str) -> Any:
    try:
        import narwhals as nw
    except ImportError as error:
        raise DataError(
            f"{source}: reading data frames takes narwhals; install it, or give the name of a file"
        ) from error
    try:
        known = nw.from_native(frame)
        held = known.collect() if isinstance(known, nw.LazyFrame) else known
        assert len(set(map(str, held.columns))) == len(held.columns), "some names of columns are the same"
        return held
    except (TypeError, AssertionError, nw.exceptions.NarwhalsError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(
            f"{source}: {said}; give a data frame whose columns have names of their own"
        ) from error


def _column(series: Any) -> Column:
    """A series as a column, by its type."""
    kind = series.dtype
    if kind.is_numeric():
        return _numbers(series)
    if kind.is_temporal() and str(kind).startswith(("Date", "Datetime")):
        return Times(_moments(series))
    if str(kind).startswith(("String", "Categorical", "Enum", "Boolean")):
        return _words(series.to_list())
    if str(kind) in ("Object", "Unknown"):
        return _of_objects(series.to_list())
    return Opaque(str(kind), len(series))


def _numbers(series: Any) -> Numbers:
    values = series.to_numpy()
    if values.dtype.kind not in "iuf":  # decimals, and whole numbers with nulls among them
        values = np.array([np.nan if _absent(v) else v for v in series.to_list()], np.float64)
    return Numbers(values)


def _moments(series: Any) -> Array:
    zoned = getattr(series.dtype, "time_zone", None)
    plain = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else series
    return plain.to_numpy().astype(MICROSECONDS)


def _absent(value: Any) -> bool:
    """Whether a value says that there is none: None, NaN, NA, NaT."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _words(values: list[Any]) -> Words:
    places: dict[str, int] = {}
    codes = [-1 if _absent(v) else places.setdefault(_text(v), len(places)) for v in values]
    return Words(tuple(places), np.array(codes, np.int32))


def _of_objects(values: list[Any]) -> Column:
    present = [v for v in values if not _absent(v)]
    if all(isinstance(v, str | bool | np.bool_) for v in present):
        return _words(values) if present else Numbers(np.full(len(values), np.nan))
    if all(isinstance(v, str | int | float) for v in present):
        return of_values([None if _absent(v) else v for v in values])
    return Opaque(f"Python objects such as {type(present[0]).__name__}", len(values))
