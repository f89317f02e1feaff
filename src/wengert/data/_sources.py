"""From the name of a file to a table: each format by its first bytes, or else by its ending."""

import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable
from glob import glob
from pathlib import Path

from wengert import datasets
from wengert.data import _database, _files
from wengert.data._table import Table, alternatives
from wengert.data._text import SEPARATORS, TextFile, open_text_file, read_strictly, reading
from wengert.errors import DataError

SMALL = 1 << 16  # bytes

Reader = Callable[[Path, str, str | None], Table]


def read_table(data: str, query: str | None = None) -> Table:
    """The table of an embedded name or of a file.

    ``digits``, ``iris``, ``wine`` and ``diabetes`` always mean the embedded sets; a file of such a name is
    written ``./digits``. CSV and other delimited text, also compressed (``.gz``), Parquet (also a pattern
    such as ``part-*.parquet``, or a folder), JSON lines, Arrow and Feather, SQLite and NPZ are read; nothing
    is fetched from a network. ``-`` is the standard input; of text, or a format known by its first bytes.

    Parameters
    ----------
    data
        The name.
    query
        What to take of it, in SQL: the file is called ``data`` there, as in
        ``SELECT * FROM data WHERE x > 0``; in SQLite, its tables have their own names.

    Raises
    ------
    DataError
        When there is no such file, or it cannot be read as it stands.

    Examples
    --------
    >>> len(read_table("iris", query="SELECT * FROM data WHERE petal_width_cm > 1"))
    93
    """
    if data in datasets.NAMES:
        return read_file(datasets.path(data), data, query)
    if "://" in data:
        raise DataError(f"{data}: is not a file, and nothing is read from the network; download it first")
    if data == "-" or Path(data).is_fifo() or Path(data).is_char_device():
        return read_file(_kept(data), "standard input" if data == "-" else data, query)
    if not Path(data).exists() and not glob(data, recursive=True):
        raise DataError(
            f"{data}: no such file; {alternatives('there are also the embedded sets', data, datasets.NAMES)}"
        )
    return read_file(Path(data), data, query)


def read_file(path: Path, source: str, query: str | None = None) -> Table:
    """The table of a file that messages call ``source``."""
    table = READERS[_kind(path, source)](path, source, query)
    if not len(table):
        raise DataError(f"{source}: no rows{' are left by the query' if query else ''}; there must be some")
    return table


def _kept(data: str) -> Path:
    """A file, removed in the end, of what comes through a pipe: it is read more than once."""
    with tempfile.NamedTemporaryFile(prefix="wengert-", delete=False) as kept:
        path = Path(kept.name)
        atexit.register(path.unlink, missing_ok=True)
        if data == "-":
            shutil.copyfileobj(sys.stdin.buffer, kept)
        else:
            with Path(data).open("rb") as source:
                shutil.copyfileobj(source, kept)
    return path


def read_csv(path: Path, source: str | None = None) -> Table:
    """The table of a file of delimited text; see :mod:`wengert.data._text` for what is refused."""
    text = open_text_file(path, source or str(path), _separators(path))
    return _read(text)


def _read(text: TextFile) -> Table:
    """By DuckDB, unless the file is so small that its start would take longer than the reading."""
    small = text.path.stat().st_size < SMALL
    return (None if small else _database.read_text(text)) or read_strictly(text)


def _separators(path: Path) -> str:
    return "\t" if path.name.endswith((".tsv", ".tsv.gz")) else SEPARATORS


def _read_text(path: Path, source: str, query: str | None = None) -> Table:
    if query is None:
        return read_csv(path, source)
    text = open_text_file(path, source, _separators(path))
    return _database.query_text(text, _read(text), query)


# -------------------------------------------------------------------------------------------- formats

READERS: dict[str, Reader] = {
    "text": _read_text,
    "parquet": _database.read_parquet,
    "json": _database.read_json,
    "arrow": _files.read_arrow,
    "sqlite": _files.read_sqlite,
    "npz": _files.read_npz,
}
FIRST_BYTES = {b"PAR1": "parquet", b"ARROW1": "arrow", b"SQLite format 3\0": "sqlite", b"PK\x03\x04": "npz"}
ENDINGS = {
    ".parquet": "parquet", ".pq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".sqlite": "sqlite", ".sqlite3": "sqlite",
    ".db": "sqlite", ".npz": "npz",
}  # fmt: skip


def _kind(path: Path, source: str) -> str:
    if path.is_dir():
        return _kind_of_folder(path, source)
    first = path if path.exists() else Path(sorted(glob(str(path), recursive=True))[0])
    kind = _by_first_bytes(first, source) or _by_ending(first)
    if first != path and kind not in ("parquet", "json"):
        raise DataError(
            f"{source}: is a pattern, and those are for Parquet and JSON; name one file, for instance {first}"
        )
    return kind


def _by_ending(path: Path) -> str:
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return ENDINGS.get(ending.lower(), "text")


def _by_first_bytes(path: Path, source: str) -> str | None:
    with reading(source), path.open("rb") as file:
        first = file.read(16)
    return next((kind for mark, kind in FIRST_BYTES.items() if first.startswith(mark)), None)


def _kind_of_folder(path: Path, source: str) -> str:
    if next(path.rglob("*.parquet"), None) is None:
        raise DataError(f"{source}: is a folder; name the CSV file in it, or a folder of Parquet files")
    return "parquet"
