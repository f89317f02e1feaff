"""From the name of a file to a table: each format by its first bytes, or else by its ending."""

import atexit
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path

from wengert import datasets
from wengert.data import _database, _files
from wengert.data._several import read_together, require_alike
from wengert.data._table import Table, Wanted, alternatives
from wengert.data._text import SEPARATORS, TextFile, open_text_file, read_strictly, reading
from wengert.errors import DataError

SMALL = 1 << 16  # bytes

BLOCK = 1 << 16  # rows

Reader = Callable[[Path, str, Wanted], Iterator[Table]]


def read_table(data: str, query: str | None = None, texts: Iterable[str] = ()) -> Table:
    """The table of an embedded name or of a file.

    ``digits``, ``iris``, ``wine`` and ``diabetes`` always mean the embedded sets; a file of such a name is
    written ``./digits``. CSV and other delimited text, also compressed (``.gz``), Parquet, JSON lines (each
    of these also as a pattern such as ``part-*.csv``, or a folder), Arrow and Feather, SQLite and NPZ are
    read; nothing is fetched from a network. ``-`` is the standard input, of which the first bytes tell the
    format.

    Parameters
    ----------
    data
        The name.
    query
        What to take of it, in SQL: the file is called ``data`` there, as in
        ``SELECT * FROM data WHERE x > 0``; in SQLite, its tables have their own names.
    texts
        Columns of text whose cells are kept as they are written, though all be numbers or dates.

    Raises
    ------
    DataError
        When there is no such file, or it cannot be read as it stands.

    Examples
    --------
    >>> len(read_table("iris", query="SELECT * FROM data WHERE petal_width_cm > 1"))
    93
    """
    return next(_tables(data, Wanted(query, frozenset(texts))))


def read_blocks(
    data: str, query: str | None = None, texts: Iterable[str] = (), rows: int = BLOCK
) -> Iterator[Table]:
    """The same table so many rows at a time, however many there are.

    What a column holds is told block by block: one that is all numbers in the first may hold words in
    another. Arrow files and NPZ archives are read whole.

    Parameters
    ----------
    data, query, texts
        As for :func:`read_table`.
    rows
        How many rows at a time.

    Raises
    ------
    DataError
        As :func:`read_table`; before the first block where a file of text is no plain rectangle of cells.

    Examples
    --------
    >>> [len(block) for block in read_blocks("iris", rows=100)]
    [100, 50]
    """
    return _tables(data, Wanted(query, frozenset(texts), rows))


def _tables(data: str, wanted: Wanted) -> Iterator[Table]:
    path, source = _located(data)
    empty = True
    for table in READERS[_kind(path, source)](path, source, wanted):
        if len(table):
            yield table
            empty = False
    if empty:
        left = " are left by the query" if wanted.query else ""
        raise DataError(f"{source}: no rows{left}; there must be some")


def _located(data: str) -> tuple[Path, str]:
    """The file, folder or pattern, and what messages call it."""
    if data in datasets.NAMES:
        return datasets.path(data), data
    if "://" in data:
        raise DataError(f"{data}: is not a file, and nothing is read from the network; download it first")
    if data == "-" or Path(data).is_fifo() or Path(data).is_char_device():
        return _kept(data), "standard input" if data == "-" else data
    if not Path(data).exists() and not glob(data, recursive=True):
        raise DataError(
            f"{data}: no such file; {alternatives('there are also the embedded sets', data, datasets.NAMES)}"
        )
    return Path(data), data


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
    return _whole(open_text_file(path, source or str(path), _separators(path)), frozenset())


def _separators(path: Path) -> str:
    return "\t" if path.name.endswith((".tsv", ".tsv.gz")) else SEPARATORS


def _is_small(text: TextFile) -> bool:
    """Whether the start of DuckDB would take longer than reading the file without it."""
    return text.path.stat().st_size < SMALL


def _whole(text: TextFile, texts: frozenset[str]) -> Table:
    found = None if _is_small(text) else _database.read_text(text, texts)
    return found or next(read_strictly(text, Wanted(texts=texts)))


def _blocks(text: TextFile, wanted: Wanted) -> Iterator[Table]:
    found = None if _is_small(text) else _database.blocks_of_text(text, wanted)
    if found is None:
        deque(text.records(), maxlen=0)  # what is wrong anywhere is told before anything is given
    yield from read_strictly(text, wanted) if found is None else found


def _read_text(path: Path, source: str, wanted: Wanted) -> Iterator[Table]:
    """The tables of a file of text, or of several."""
    paths = _members(path)
    named = [source] if paths == [path] else map(str, paths)
    texts = [open_text_file(p, name, _separators(p)) for p, name in zip(paths, named)]
    require_alike(texts)
    if wanted.query is None:
        yield from _together(texts, source, wanted)
    else:
        types = _database.sql_types(_together(texts, source, wanted))
        yield from _database.query_texts(texts, source, types, wanted)


def _together(texts: Sequence[TextFile], source: str, wanted: Wanted) -> Iterator[Table]:
    if wanted.rows is not None:
        for text in texts:
            yield from _blocks(text, wanted)
    elif len(texts) == 1:
        yield _whole(texts[0], wanted.texts)
    else:
        yield read_together(texts, source, _whole, wanted.texts)


# -------------------------------------------------------------------------------------------- formats

READERS: dict[str, Reader] = {
    "text": _read_text,
    "parquet": lambda path, source, wanted: _database.read_parquet(path, _members(path), source, wanted),
    "json": lambda path, source, wanted: _database.read_json(_members(path), source, wanted),
    "arrow": _files.read_arrow,
    "sqlite": _files.read_sqlite,
    "npz": _files.read_npz,
}
FIRST_BYTES = {b"PAR1": "parquet", b"ARROW1": "arrow", b"SQLite format 3\0": "sqlite", b"PK\x03\x04": "npz"}
JSON_OBJECT = re.compile(rb"\s*(\[\s*)?\{\s*\"")  # in a pipe, which has no ending
ENDINGS = {
    ".csv": "text", ".tsv": "text",
    ".parquet": "parquet", ".pq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".sqlite": "sqlite", ".sqlite3": "sqlite",
    ".db": "sqlite", ".npz": "npz",
}  # fmt: skip


SEVERAL = ("text", "parquet", "json")  # formats of which many files are one table


def _members(path: Path) -> list[Path]:
    """The file, or those of a folder or pattern, in the order of their names."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if _is_data(p.relative_to(path)) and p.is_file())
    return [path] if path.exists() else sorted(map(Path, glob(str(path), recursive=True)))


def _is_data(path: Path) -> bool:
    """Whether a file in a folder holds data, by its name; what others leave there begins with . or _."""
    return _ending(path) in ENDINGS and not any(part.startswith((".", "_")) for part in path.parts)


def _kind(path: Path, source: str) -> str:
    members = _members(path)
    if not members:
        raise DataError(f"{source}: is a folder without files of data; name one with CSV or Parquet files")
    first = members[0]
    kind = _by_first_bytes(first, source) or ENDINGS.get(_ending(first), "text")
    if path.is_dir() and len(kinds := sorted({*map(_ending, members)})) > 1:
        raise DataError(
            f"{source}: is a folder of different files, {', '.join(kinds)}; choose with a pattern, for "
            f"instance {path}/*{kinds[0]}"
        )
    if first != path and kind not in SEVERAL:
        raise DataError(
            f"{source}: names {len(members)} files, and only those of CSV, Parquet or JSON lines are one "
            f"table; name one file, for instance {first}"
        )
    return kind


def _ending(path: Path) -> str:
    return (path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix).lower()


def _by_first_bytes(path: Path, source: str) -> str | None:
    with reading(source), path.open("rb") as file:
        first = file.read(64)
    if not path.suffix and JSON_OBJECT.match(first):
        return "json"
    return next((kind for mark, kind in FIRST_BYTES.items() if first.startswith(mark)), None)
