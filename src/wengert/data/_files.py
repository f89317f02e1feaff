"""Formats with readers of their own: Arrow and Feather, SQLite, NPZ."""

import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.data import _database
from wengert.data._table import Origin, Table, Wanted, as_words, typed
from wengert.data._text import reading
from wengert.data._values import of_array, of_values
from wengert.errors import DataError

if TYPE_CHECKING:
    from sqlite3 import Connection

Array = np.ndarray

# ---------------------------------------------------------------------------------------------- Arrow


def read_arrow(path: Path, source: str, wanted: Wanted) -> Iterator[Table]:
    """The tables of an Arrow file, Feather among them."""
    return _database.queried(_arrow_table(path, source), source, wanted)


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


def read_sqlite(path: Path, source: str, wanted: Wanted) -> Iterator[Table]:
    """The only table of an SQLite database, or what a query in SQLite's words takes of it."""
    with closing(_opened(path)) as database, _damaged(source):
        answer = database.execute(wanted.query or f"SELECT * FROM {_only_table(database, source)}")
        if answer.description is None:
            raise DataError(
                "a query is one SELECT, which changes nothing; write for instance SELECT * FROM t"
            )
        names = [name for name, *_ in answer.description]
        _refuse_repeated(source, names)
        first = 0
        while rows := answer.fetchall() if wanted.rows is None else answer.fetchmany(wanted.rows):
            kinds = [as_words if name in wanted.texts else typed for name in names]
            columns = {n: of_values(c, kind) for n, c, kind in zip(names, zip(*rows, strict=True), kinds)}
            yield Table(source, columns, Origin(source, first=first))
            first += len(rows)


def _only_table(database: "Connection", source: str) -> str:
    names = database.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    if len(names) != 1:
        there = ", ".join(name for (name,) in names) or "none"
        raise DataError(
            f"{source}: which table? There are {there}; write --query with for instance SELECT * FROM name"
        )
    return _database.identifier(names[0][0])


def _opened(path: Path) -> "Connection":
    import sqlite3

    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


@contextmanager
def _damaged(source: str) -> Iterator[None]:
    """What SQLite has to say, as an error that names the file."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"{source}: {error}; mend the database or the query") from error


def _refuse_repeated(source: str, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"{source}: column {repeated[0]!r} appears more than once; give each column its own name"
        )


# ------------------------------------------------------------------------------------------------ NPZ


def read_npz(path: Path, source: str, wanted: Wanted) -> Iterator[Table]:
    """The tables of an archive of NumPy arrays: one-dimensional ones are columns, others give several.

    An array ``x`` of shape (rows, 3) gives the columns ``x_0``, ``x_1`` and ``x_2``.
    """
    arrays = _arrays(path, source)
    if not arrays:
        raise DataError(f"{source}: holds no arrays; save some with numpy.savez")
    columns = {name: part for key, array in arrays.items() for name, part in _parts(key, array, source)}
    _refuse_uneven(source, {name: len(part) for name, part in columns.items()})
    if wanted.query is not None:
        yield from _database.queried(columns, source, wanted)
        return
    table = Table(source, {name: of_array(part) for name, part in columns.items()})
    rows = wanted.rows or max(1, len(table))
    yield from (table.part(start, start + rows) for start in range(0, len(table), rows))


def _refuse_uneven(source: str, rows: dict[str, int]) -> None:
    (first, expected), *others = rows.items()
    for name, found in others:
        if found != expected:
            raise DataError(
                f"{source}: array {name!r} has {found} rows where {first!r} has {expected}; "
                "arrays of one table have the same rows"
            )


def _arrays(path: Path, source: str) -> dict[str, Array]:
    try:
        with reading(source), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, KeyError, NotImplementedError, MemoryError) as error:
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
