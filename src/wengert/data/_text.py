"""Delimited text, read strictly: what is not a plain rectangle of cells is refused with file and line.

Text is UTF-8; cells are separated by commas, semicolons, tabs or bars, whichever divides the first rows
evenly; the first line names the columns. A byte order mark and blank lines are passed over. Nothing is
repaired or guessed at, because a network trains on nonsense without complaint. This reader says what a file
means; :mod:`wengert.data._database` reads the same faster, and must agree with it.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO

from wengert.data._table import Gathered, Origin, Table, Wanted, as_words, typed
from wengert.errors import DataError

SEPARATORS = ",;\t|"
SNIFFED_ROWS = 100
CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DIGITS_WITH_UNDERSCORE = re.compile(rb"\d_\d")
ALL = Wanted()


@dataclass(frozen=True)
class TextFile:
    """A file of text that holds a table, and how it is written.

    Attributes
    ----------
    path, source
        The file, and what messages call it.
    separator
        What stands between cells.
    names
        The columns.
    header
        The line that names them.
    underscored
        Whether underscores stand between digits somewhere: ``1_000`` is a number to some readers.
    """

    path: Path
    source: str
    separator: str
    names: tuple[str, ...]
    header: int
    underscored: bool

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Each record below the header with the line on which it begins; the first fault is refused."""
        for line, record in islice(_records(self.path, self.source, self.separator), 1, None):
            if len(record) != len(self.names):
                raise DataError(
                    f"{self.source}:{line}: {len(record)} cells where the header names {len(self.names)} "
                    "columns; add or remove cells, and quote cells that contain the separator"
                )
            yield line, record

    def places(self) -> Iterator[tuple[str, list[str]]]:
        """Each record below the header with its ``file:line``."""
        return ((f"{self.source}:{line}", record) for line, record in self.records())

    @property
    def origin(self) -> Origin:
        """Finds lines and cells again."""
        return Origin(self.source, self.names, self.places)


def open_text_file(path: Path, source: str, separators: str = SEPARATORS) -> TextFile:
    """Check the bytes of a file, and see how it is written."""
    underscored = _vet(path, source)
    separator = _separator(path, source, separators)
    header, names = next(_records(path, source, separator), (1, []))
    if not names:
        raise DataError(f"{source}: the file is empty; the first line must name the columns")
    text = TextFile(path, source, separator, _header(source, header, names), header, underscored)
    if next(text.records(), None) is None:
        raise DataError(f"{source}: has a header but no rows; add rows below it")
    return text


def read_strictly(text: TextFile, wanted: Wanted = ALL) -> Iterator[Table]:
    """The tables of a file of text, read cell by cell in Python."""
    records, first = text.records(), 0
    while len((columns := _gathered(text.names, islice(records, wanted.rows)))[0]):
        read = {n: c.column(as_words if n in wanted.texts else typed) for n, c in zip(text.names, columns)}
        yield Table(text.source, read, replace(text.origin, first=first))
        first += len(columns[0])


def _gathered(names: Sequence[str], records: Iterable[tuple[int, list[str]]]) -> list[Gathered]:
    gathered = [Gathered() for _ in names]
    for _, record in records:
        for cells, cell in zip(gathered, record):
            cells.append(cell.strip())
    return gathered


# --------------------------------------------------------------------------------------------- bytes


@contextmanager
def reading(source: str) -> Iterator[None]:
    """What can go wrong with the bytes of a file, as an error that names it."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{source}: damaged gzip file ({error}); compress it again") from error
    except OSError as error:
        raise DataError(
            f"{source}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed by gzip, or ought to be by its name."""
    with path.open("rb") as file:
        return path.suffix == ".gz" or file.read(len(GZIP)) == GZIP


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if is_compressed(path) else path.open("rb")  # type: ignore[return-value]


def _vet(path: Path, source: str) -> bool:
    """Refuse what is not UTF-8 text; gives whether a number might be written with underscores."""
    decoder, lines, underscored = codecs.getincrementaldecoder("utf-8")(), 0, False
    with reading(source), _open(path) as file:
        while chunk := file.read(CHUNK):
            _refuse_binary(chunk, source, lines)
            _decode(decoder, chunk, source, lines)
            underscored = underscored or (b"_" in chunk and DIGITS_WITH_UNDERSCORE.search(chunk) is not None)
            lines += chunk.count(b"\n")
        _decode(decoder, b"", source, lines, final=True)
    return underscored


def _refuse_binary(chunk: bytes, source: str, lines: int) -> None:
    if not lines and chunk.startswith(UTF16):
        raise DataError(f"{source}:1: is UTF-16 text; save the file as UTF-8")
    if b"\0" in chunk:
        line = lines + chunk.count(b"\n", 0, chunk.index(b"\0")) + 1
        raise DataError(f"{source}:{line}: contains a NUL character; this is not a CSV text file")


def _decode(
    decoder: codecs.IncrementalDecoder, chunk: bytes, source: str, lines: int, final: bool = False
) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        line = lines + error.object.count(b"\n", 0, error.start) + 1
        wrong = error.object[error.start]
        raise DataError(
            f"{source}:{line}: byte 0x{wrong:02x} is not UTF-8 text; save the file as UTF-8"
        ) from error


# -------------------------------------------------------------------------------------------- records


def _records(path: Path, source: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line on which it begins."""
    with reading(source), io.TextIOWrapper(_open(path), "utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator != "\t")
        while True:
            line = reader.line_num + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                raise DataError(
                    f"{source}:{line}: {error}; check the quotation marks from this line on"
                ) from error
            if record is None:
                return
            if len(record) > 1 or any(cell.strip() for cell in record):
                yield line, record


def _separator(path: Path, source: str, separators: str) -> str:
    """The separator that divides the first rows into the most cells, the same number in each.

    Where none divides evenly, the one that divides the header into the most.
    """
    counts = {mark: _cell_counts(path, source, mark) for mark in separators}
    even = {mark: found for mark, found in counts.items() if len(set(found)) == 1 and found[0] > 1}
    return max(even or counts, key=lambda mark: counts[mark][:1])


def _cell_counts(path: Path, source: str, separator: str) -> list[int]:
    found: list[int] = []
    try:
        for _, record in islice(_records(path, source, separator), SNIFFED_ROWS):
            found.append(len(record))
    except DataError:  # read again, and told, when the separator is chosen
        return found
    return found


def _header(source: str, line: int, names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in names)
    for i, name in enumerate(names):
        if name.startswith("\ufeff"):
            raise DataError(f"{source}:{line}: column {i + 1} begins with a byte order mark; delete it")
        if not name:
            raise DataError(f"{source}:{line}: column {i + 1} has no name; name it, or delete the column")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{source}:{line}: column {repeated[0]!r} appears more than once; give each column its own name"
        )
    return names
