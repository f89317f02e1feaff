"""Formats with readers of their own: Arrow and Feather, SQLite, NPZ."""

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from wengert.data import _database
from wengert.data._table import Origin, Table
from wengert.data._text import reading
from wengert.data._values import of_array, of_values
from wengert.errors import DataError

Array = np.ndarray

# ---------------------------------------------------------------------------------------------- Arrow


def read_arrow(path: Path, source: str) -> Table:
    """The table of an Arrow file, Feather among them."""
    return query_arrow(path, source, "FROM data")


def query_arrow(path: Path, source: str, query: str) -> Table:
    """What a query takes of it."""
    held = _arrow_table(path, source)
    with _database.connection() as database, _database.refusing(source):
        _database.require_select(database, query)
        database.register("data", held)
        return _database.fetch(database.sql(query), source)


def _arrow_table(path: Path, source: str) -> Any:
    try:
        import pyarrow as pa
        from pyarrow import feather
    except ImportError as error:
        raise DataError(
            f"{source}: reading Arrow files takes pyarrow; install it, or write the table as Parquet"
        ) from error
    try:
        with reading(source):
            return feather.read_table(path)
    except pa.ArrowException as error:
        said = str(error).strip().splitlines()[0]
        raise DataError(f"{source}: damaged Arrow file ({said}); write it again") from error


# --------------------------------------------------------------------------------------------- SQLite


def read_sqlite(path: Path, source: str) -> Table:
    """The only table of an SQLite database."""
    with closing(_opened(path)) as database:
        names = _ask(database, source, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                                       "AND name NOT LIKE 'sqlite_%'").fetchall()  # fmt: skip
    if len(names) != 1:
        there = ", ".join(name for (name,) in names) or "none"
        raise DataError(
            f"{source}: which table? There are {there}; write --query with for instance SELECT * FROM name"
        )
    return query_sqlite(path, source, f"SELECT * FROM {_database.identifier(names[0][0])}")


def query_sqlite(path: Path, source: str, query: str) -> Table:
    """What a query, in SQLite's words, takes of a database."""
    with closing(_opened(path)) as database:
        answer = _ask(database, source, query)
        if answer.description is None:
            raise DataError(
                "a query is one SELECT, which changes nothing; write for instance SELECT * FROM t"
            )
        names = [name for name, *_ in answer.description]
        with _damaged(source):
            rows = answer.fetchall()
    _refuse_repeated(source, names)
    columns = dict(zip(names, (of_values(column) for column in zip(*rows, strict=True)))) if rows else {}
    return Table(source, columns, Origin(source))


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _ask(database: sqlite3.Connection, source: str, query: str) -> sqlite3.Cursor:
    with _damaged(source):
        return database.execute(query)


class _damaged:
    """What SQLite has to say, as an error that names the file."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, sqlite3.Error):
            raise DataError(f"{self.source}: {error}; mend the database or the query") from error


def _refuse_repeated(source: str, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"{source}: column {repeated[0]!r} appears more than once; give each column its own name"
        )


# ------------------------------------------------------------------------------------------------ NPZ


def read_npz(path: Path, source: str) -> Table:
    """The table of an archive of NumPy arrays: one-dimensional ones are columns, others give several.

    An array ``x`` of shape (rows, 3) gives the columns ``x_0``, ``x_1`` and ``x_2``.
    """
    arrays = _arrays(path, source)
    if not arrays:
        raise DataError(f"{source}: holds no arrays; save some with numpy.savez")
    columns = {name: part for key, array in arrays.items() for name, part in _parts(key, array, source)}
    _refuse_uneven(source, {name: len(part) for name, part in columns.items()})
    return Table(source, {name: of_array(part) for name, part in columns.items()}, Origin(source))


def _refuse_uneven(source: str, rows: dict[str, int]) -> None:
    (first, expected), *others = rows.items()
    for name, found in others:
        if found != expected:
            raise DataError(
                f"{source}: array {name!r} has {found} rows where {first!r} has {expected}; "
                "arrays of one table have the same rows"
            )


def query_npz(path: Path, source: str, query: str) -> Table:
    """Refused: what a query would do is done in NumPy."""
    raise DataError(f"{source}: NPZ archives take no query; select the arrays before saving them")


def _arrays(path: Path, source: str) -> dict[str, Array]:
    try:
        with reading(source), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        raise DataError(
            f"{source}: damaged NPZ archive, or one of Python objects ({error}); save plain arrays again"
        ) from error


def _parts(key: str, array: Array, source: str) -> list[tuple[str, Array]]:
    if array.ndim == 0:
        raise DataError(f"{source}: array {key!r} is a single value; save one entry for each row")
    if array.ndim == 1:
        return [(key, array)]
    flat = array.reshape(len(array), -1)
    return [(f"{key}_{i}", flat[:, i]) for i in range(flat.shape[1])]
