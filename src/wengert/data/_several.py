"""Several files of text that are one table: the same columns, found by name, in the order of the files.

What a column is, is decided by the cells of all files: where one file holds only numbers in a column and
another one words, the numbers are read again, as they are written.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from wengert.data._table import Column, Numbers, Origin, Table, Times, Words, narrowed, short, typed
from wengert.data._text import TextFile
from wengert.errors import DataError

Read = Callable[[TextFile, frozenset[str]], Table]


def require_alike(texts: Sequence[TextFile]) -> None:
    """Refuse a file whose columns are not those of the first."""
    first, *others = texts
    for other in others:
        if odd := set(first.names) ^ set(other.names):
            name = min(odd, key=[*first.names, *other.names].index)
            has, lacks = (first, other) if name in first.names else (other, first)
            raise DataError(
                f"{other.source}:{other.header}: column {short(name)} is in {has.source} and not in "
                f"{lacks.source}; files that are one table have the same columns"
            )


def read_together(texts: Sequence[TextFile], source: str, read: Read, as_written: frozenset[str]) -> Table:
    """The table of several files, of which these columns are kept as they are written."""
    tables = [read(text, as_written) for text in texts]
    names = texts[0].names
    mixed = frozenset(n for n in names if len({type(table.columns[n]) for table in tables}) > 1)
    if mixed:
        tables = [read(text, as_written | mixed) for text in texts]
    columns = {name: _joined([table.columns[name] for table in tables]) for name in names}
    for name in mixed - as_written:
        words = columns[name]
        assert isinstance(words, Words)
        columns[name] = typed(words.labels, words.codes)
    return Table(source, columns, Origin(texts[0].source, names, lambda: _places(texts)))


def _places(texts: Sequence[TextFile]) -> Iterator[tuple[str, list[str]]]:
    """The records of all files, their cells in the order of the first."""
    for text in texts:
        order = [text.names.index(name) for name in texts[0].names]
        yield from ((place, [record[i] for i in order]) for place, record in text.places())


def _joined(columns: Sequence[Column]) -> Column:
    """Columns of one kind, one behind the other."""
    if all(isinstance(column, Words) for column in columns):
        return _joined_words(columns)  # type: ignore[arg-type]
    values = np.concatenate([column.values for column in columns])  # type: ignore[union-attr]
    return Times(values) if isinstance(columns[0], Times) else Numbers(narrowed(values))


def _joined_words(columns: Sequence[Words]) -> Words:
    places: dict[str, int] = {}
    moved = [[*(places.setdefault(label, len(places)) for label in c.labels), -1] for c in columns]
    codes = [np.array(places_of, np.int32)[column.codes] for places_of, column in zip(moved, columns)]
    return Words(tuple(places), np.concatenate(codes))
