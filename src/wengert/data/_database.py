"""Files read by DuckDB, as fast as they can be and shut off from the network.

A connection lives in memory, installs and loads nothing by itself, and is locked before anything is read: a
query can read local files and nothing else. Every result comes as an Arrow stream of numbers and texts and is
kept narrow: whole numbers in the smallest integers that hold them, texts once each.
"""

import csv
import re
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.data._arrow import StreamError, batches
from wengert.data._table import (
    MICROSECONDS,
    MISSING,
    MISSING_WORDS,
    Column,
    Numbers,
    Opaque,
    Table,
    Times,
    Wanted,
    Words,
    as_words,
    narrowed,
    number,
    typed,
)
from wengert.data._text import TextFile, is_compressed
from wengert.errors import DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

Array = np.ndarray

SAMPLED_ROWS = 1000
CLOSED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
}
NUMBER_TYPES = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "FLOAT", "DOUBLE",
}  # fmt: skip
ERROR_KIND = re.compile(r"^(\w+ )+Error: ")
WIDE_TYPES = ("HUGEINT", "UHUGEINT", "DECIMAL", "BIGNUM", '"NULL"')
TEXT_TYPES = ("VARCHAR", "BOOLEAN", "ENUM", "UUID")
TIME_TYPES = ("DATE", "TIMESTAMP")


@contextmanager
def connection() -> Iterator["DuckDBPyConnection"]:
    """A database of its own, closed to the network; Ctrl-C ends what it does as it ends Python code."""
    import duckdb

    with duckdb.connect(":memory:", config=dict(CLOSED)) as database:
        database.execute(f"SET temp_directory = {quoted(tempfile.gettempdir())}")
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET lock_configuration = true")
        try:
            yield database
        except RuntimeError as error:
            if str(error) == "Query interrupted":
                raise KeyboardInterrupt from error
            raise


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal_path(path: Path) -> str:
    """A path whose stars, question marks and brackets stand for themselves."""
    return quoted("".join(f"[{mark}]" if mark in "*?[" else mark for mark in str(path)))


# ------------------------------------------------------------------------------------------- results


class _Growing:
    """A column that grows by batches."""

    def __init__(self) -> None:
        self.parts: list[Array] = []
        self.places: dict[bytes, int] = {}

    def add(self, part: Array | list[bytes | None]) -> None:
        if isinstance(part, list):
            self.parts.append(self._coded(part))
        else:  # the stream takes back what it lent
            kept = narrowed(part)
            self.parts.append(kept.copy() if np.shares_memory(kept, part) else kept)

    def _coded(self, texts: list[bytes | None]) -> Array:
        places = self.places
        return np.array([-1 if t is None else places.setdefault(t, len(places)) for t in texts], np.int32)

    @property
    def values(self) -> Array:
        return np.concatenate(self.parts) if self.parts else np.empty(0)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(text.decode() for text in self.places)


def _grown(relation: "DuckDBPyRelation", rows: int | None) -> Iterator[list[_Growing]]:
    """The columns of a relation: so many rows at a time, or all at once."""
    columns, count = [_Growing() for _ in relation.columns], 0
    for batch in _cut(batches(relation.__arrow_c_stream__()), rows):
        for column, part in zip(columns, batch, strict=True):
            column.add(part)
        count += len(batch[0])
        if count == rows:
            yield columns
            columns, count = [_Growing() for _ in relation.columns], 0
    if count or rows is None:
        yield columns


def _cut(found: Iterator[list[Any]], rows: int | None) -> Iterator[list[Any]]:
    """Batches of whatever size, divided where so many rows are full."""
    first = 0
    for batch in found:
        count = len(batch[0])
        every = rows or max(1, count)
        ends = [*range(every - first % every, count, every), count]
        yield from ([part[start:end] for part in batch] for start, end in zip([0, *ends], ends))
        first = 0 if rows is None else first + count


def _numbered(tables: Iterable[Table]) -> Iterator[Table]:
    """Tables that follow one another, each knowing how many rows came before."""
    first = 0
    for table in tables:
        yield replace(table, origin=replace(table.origin, first=first))
        first += len(table)


def fetch(relation: "DuckDBPyRelation", source: str, rows: int | None = None) -> Iterator[Table]:
    """A relation as a table, or as several that follow one another."""
    kinds = [str(kind) for kind in relation.types]
    casts = ", ".join(
        f"{_cast(identifier(n), kind)} AS {identifier(n)}" for n, kind in zip(relation.columns, kinds)
    )
    for grown in _grown(relation.project(casts), rows):
        columns = {n: _finished(kind, column) for n, kind, column in zip(relation.columns, kinds, grown)}
        yield Table(source, columns)


def _cast(column: str, kind: str) -> str:
    """A column as one of the formats that are read from streams."""
    if kind in NUMBER_TYPES:
        return column
    if _is_of(kind, WIDE_TYPES):
        return f"{column}::DOUBLE"
    if _is_of(kind, TEXT_TYPES):
        return f"{column}::VARCHAR"
    if _is_of(kind, TIME_TYPES):
        return f"epoch_us({column})" if "ZONE" in kind else f"epoch_us({column}::TIMESTAMP)"
    return f"CASE WHEN {column} IS NULL THEN NULL ELSE 0 END::TINYINT"


def _is_of(kind: str, types: tuple[str, ...]) -> bool:
    """Whether a type is one of these, with parameters or without; lists of them are not."""
    return kind.startswith(types) and not kind.endswith("]")


def _finished(kind: str, column: _Growing) -> Column:
    values = column.values
    if _is_of(kind, TEXT_TYPES):
        return Words(column.labels, values.astype(np.int32))
    if _is_of(kind, TIME_TYPES):
        return Times(_moments(values))
    nothing = values.dtype.kind == "f" and bool(np.isnan(values).all())
    if nothing or kind in NUMBER_TYPES or _is_of(kind, WIDE_TYPES):
        return Numbers(values)
    return Opaque(kind, len(values))


def _moments(values: Array) -> Array:
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    return np.where(missing, np.datetime64("NaT", "us"), np.where(missing, 0, values).astype(MICROSECONDS))


# ---------------------------------------------------------------------------------------------- text


def read_text(text: TextFile, texts: Container[str] = ()) -> Table | None:
    """The table of a file of text; None where DuckDB stumbles over it.

    Columns that begin with numbers are read as such, in one pass; those that turn out to hold anything else
    are read again as text.
    """

    def whole(relation: "DuckDBPyRelation", kinds: Sequence[str]) -> list[_Growing] | None:
        (grown,) = _grown(relation, None)
        return None if _has_huge_cells(grown) else grown

    with connection() as database:
        found = _attempted(database, text, texts, whole)
        return None if found is None else _of_text(text, texts, *found)


def blocks_of_text(text: TextFile, wanted: Wanted) -> Iterator[Table] | None:
    """The same a block after the other, when the file has been looked through once."""

    def looked_through(relation: "DuckDBPyRelation", kinds: Sequence[str]) -> Any:
        counted = ", ".join(f"count(c{i})" for i in range(len(kinds)))
        sized = [f"max(strlen(c{i}))" for i, kind in enumerate(kinds) if kind == "VARCHAR"]
        *_, longest = relation.aggregate(f"{counted}, greatest({', '.join(['0', *sized])})").fetchall()[0]
        return None if longest > csv.field_size_limit() else kinds

    with connection() as database:
        found = _attempted(database, text, wanted.texts, looked_through)
    return None if found is None else _numbered(_streamed(text, wanted, found[0]))


def _streamed(text: TextFile, wanted: Wanted, kinds: Sequence[str]) -> Iterator[Table]:
    with connection() as database:
        source = text_source(text, [f"c{i}" for i in range(len(kinds))], kinds)
        for grown in _grown(database.sql(f"FROM {source}"), wanted.rows):
            yield _of_text(text, wanted.texts, kinds, grown)


def _has_huge_cells(columns: Sequence[_Growing]) -> bool:
    return any(len(text) > csv.field_size_limit() for column in columns for text in column.places)


def _sampled(text: TextFile, texts: Container[str]) -> list[str]:
    """DOUBLE for columns that begin with numbers; VARCHAR for the others."""
    if text.underscored:
        return ["VARCHAR"] * len(text.names)
    possible = [name not in texts for name in text.names]
    for (_, record), _row in zip(text.records(), range(SAMPLED_ROWS)):
        possible = [p and (not c.strip() or number(c) == number(c)) for p, c in zip(possible, record)]
    return ["DOUBLE" if p else "VARCHAR" for p in possible]


def text_source(text: TextFile, names: Sequence[str], kinds: Sequence[str], more: str = "") -> str:
    """The call of ``read_csv`` that means what the strict reader does."""
    columns = ", ".join(f"{quoted(n)}: '{k}'" for n, k in zip(names, kinds))
    compression = "gzip" if is_compressed(text.path) else "none"
    return (
        f"read_csv({literal_path(text.path)}, auto_detect = false, header = true, skip = {text.header - 1}, "
        f"compression = {quoted(compression)}, "
        f"delim = {quoted(text.separator)}, quote = '\"', escape = '\"', comment = '', strict_mode = true, "
        f"nullstr = '', columns = {{{columns}}}{more})"
    )


def _attempted(database: Any, text: TextFile, texts: Container[str], read: Any) -> Any:
    """The kinds of the columns, and what is read of them; None where DuckDB stumbles."""
    kinds = _sampled(text, texts)
    while (found := _attempt(database, text, kinds, read)) is not None:
        if not (wrong := _rejected(database)):
            return kinds, found
        if wrong.keys() - {"CAST"}:
            return None
        kinds = ["VARCHAR" if i in wrong["CAST"] else kind for i, kind in enumerate(kinds)]
    return None


def _attempt(database: Any, text: TextFile, kinds: Sequence[str], read: Any) -> Any:
    import duckdb

    names = [f"c{i}" for i in range(len(kinds))]
    for table in ("reject_errors", "reject_scans"):
        database.execute(f"DROP TABLE IF EXISTS {table}")
    source = text_source(text, names, kinds, ", store_rejects = true, rejects_limit = 1000")
    try:
        return read(database.sql(f"FROM {source}"), kinds)
    except (duckdb.Error, StreamError):  # the strict reader finds out what is wrong
        return None


def _rejected(database: Any) -> dict[str, set[int]]:
    """The columns in which rows were rejected, by kind of error."""
    found: dict[str, set[int]] = {}
    for kind, column in database.execute(
        "SELECT DISTINCT error_type::VARCHAR, column_idx FROM reject_errors"
    ).fetchall():
        found.setdefault(kind, set()).add(-1 if column is None else column - 1)
    return found


def _of_text(text: TextFile, texts: Container[str], kinds: Sequence[str], grown: list[_Growing]) -> Table:
    named = zip(text.names, kinds, grown)
    columns = {n: _of_cells(kind, c, as_words if n in texts else typed) for n, kind, c in named}
    return Table(text.source, columns, text.origin)


def _of_cells(kind: str, column: _Growing, read: Callable[[Sequence[str], Array], Column]) -> Column:
    if kind == "DOUBLE":
        return Numbers(column.values)
    places: dict[str, int] = {}
    stripped = [places.setdefault(label.strip(), len(places)) for label in column.labels]
    return read(tuple(places), np.array([*stripped, -1], np.int32)[column.values])


def query_texts(
    texts: Sequence[TextFile], source: str, types: Mapping[str, str], wanted: Wanted
) -> Iterator[Table]:
    """What a query takes of files of text, by the types in SQL that their columns were found to have."""
    columns = ", ".join(_cells_as(identifier(name), types[name]) for name in texts[0].names)
    sources = [text_source(text, text.names, ["VARCHAR"] * len(text.names)) for text in texts]
    joined = " UNION ALL BY NAME ".join(f"FROM {source}" for source in sources)
    return queried(f"(SELECT {columns} FROM ({joined}))", source, wanted)


def _cells_as(name: str, type: str) -> str:
    """A column of cells as SQL takes it: what is missing as NULL, the rest by its type."""
    missing = MISSING_WORDS if type == "VARCHAR" else MISSING
    listed = ", ".join(quoted(word) for word in sorted(missing))
    cell = f"CASE WHEN lower(trim({name})) IN ({listed}) THEN NULL ELSE trim({name}) END"
    return f"({cell})::{type} AS {name}"


def sql_types(tables: Iterable[Table]) -> dict[str, str]:
    """The types in SQL that hold what tables with the same columns have in them."""
    types: dict[str, str] = {}
    for table in tables:
        for name, column in table.columns.items():
            found = _sql_type(column)
            types[name] = _wider(types.get(name, found), found)
    return {name: type or "DOUBLE" for name, type in types.items()}


def _sql_type(column: Column) -> str:
    """The type of a column; none where nothing is in it."""
    if isinstance(column, Numbers):
        return "" if column.missing.all() else "DOUBLE" if column.values.dtype.kind == "f" else "BIGINT"
    return "TIMESTAMP" if isinstance(column, Times) else "VARCHAR"


def _wider(one: str, other: str) -> str:
    both = {one, other} - {""}
    return (
        both.pop() if len(both) == 1 else "DOUBLE" if both == {"DOUBLE", "BIGINT"} else "VARCHAR" * len(both)
    )


# ---------------------------------------------------------------------------------- Parquet and JSON


def read_parquet(path: Path, members: Sequence[Path], source: str, wanted: Wanted) -> Iterator[Table]:
    """The tables of a Parquet file, of all that match a pattern, or of a folder, hive-partitioned or not."""
    place = _listed(members)
    with refusing(f"{source}: cannot be read as Parquet", "write it again"):
        yield from queried(f"read_parquet({place}, hive_partitioning = {path.is_dir()})", source, wanted)


def _listed(paths: Sequence[Path]) -> str:
    return f"[{', '.join(map(literal_path, paths))}]"


def read_json(paths: Sequence[Path], source: str, wanted: Wanted) -> Iterator[Table]:
    """The tables of files of JSON objects, one a line or in one list."""
    with refusing(f"{source}: cannot be read as JSON", "mend it there, or write it again"):
        yield from queried(
            f"read_json({_listed(paths)}, sample_size = -1, union_by_name = true)", source, wanted
        )


# ------------------------------------------------------------------------------------------- queries


def queried(data: Any, source: str, wanted: Wanted) -> Iterator[Table]:
    """What a query takes of a relation, an Arrow table or arrays by name, called ``data``; all by default."""
    return _numbered(_queried(data, source, wanted))


def _queried(data: Any, source: str, wanted: Wanted) -> Iterator[Table]:
    with connection() as database:
        if isinstance(data, str):
            database.execute(f"CREATE VIEW data AS FROM {data}")
        else:
            database.register("data", data)
        if wanted.query is None:
            yield from fetch(database.sql("FROM data"), source, wanted.rows)
            return
        with refusing(f"{source}: the query fails", "mend it; nothing is read from the network"):
            _require_select(database, wanted.query)
            yield from fetch(database.sql(wanted.query), source, wanted.rows)


def _require_select(database: "DuckDBPyConnection", query: str) -> None:
    import duckdb

    kinds = [statement.type for statement in database.extract_statements(query)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise DataError("a query is one SELECT, which changes nothing; write for instance SELECT * FROM data")


@contextmanager
def refusing(what: str, remedy: str) -> Iterator[None]:
    """What DuckDB or the stream has to say, in one line, as an error that says what failed and what to do."""
    import duckdb

    try:
        yield
    except (duckdb.Error, StreamError) as error:
        said = ERROR_KIND.sub("", str(error).strip()).splitlines()[0].rstrip(" .!")
        raise DataError(f"{what} ({said}); {remedy}") from error
