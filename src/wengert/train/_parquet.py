"""Minibatches from Parquet files, a row group at a time.

A Parquet file holds its rows in groups, each of which can be read by itself. Every epoch visits the groups in
a new random order and the rows of each group in another, so that no more than one group is in memory; what is
left of a group after whole minibatches goes on into the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert._refusals import require, require_at_least
from wengert.errors import DataError

Array = np.ndarray
Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class ParquetBatches:
    """Minibatches for :func:`fit` from one or several Parquet files, whose rows need not fit into memory.

    Called with the number of an epoch, it gives the minibatches of that epoch.

    Parameters
    ----------
    path
        A file, or several of the same columns.
    x
        The names of the columns that patterns consist of.
    y
        The target: the name of a column for one number a pattern (such as the index of its class), several in
        a list for as many outputs.
    batch_size
        Patterns in a minibatch; the last one of an epoch takes what is left.
    weights
        The column of the weights of the patterns, if there is one.
    shuffle
        Whether every epoch has a new random order, or the rows come as they stand.
    seed
        Determines the orders; that of an epoch is a function of its number, so that training can be resumed.
    dtype
        Of patterns, weights, and targets that are not whole numbers.

    Raises
    ------
    ValueError
        Where a minibatch would hold no pattern, or a pattern no number.
    ImportError
        Where pyarrow is not installed.
    DataError
        Where there is no such file, or a column is missing, has empty cells, or holds something other than
        numbers.

    Examples
    --------
    >>> batches = ParquetBatches("flights.parquet", x=["distance", "hour"], y=["delay"])
    >>> batches.batch_size
    32
    """

    path: Paths
    x: Sequence[str]
    y: str | Sequence[str]
    batch_size: int = 32
    weights: str | None = None
    shuffle: bool = True
    seed: int = 0
    dtype: Any = np.float32

    def __post_init__(self) -> None:
        require_at_least(1, batch_size=self.batch_size)
        require(len(self.x) > 0, "x names no columns; give those that patterns consist of")
        require(not isinstance(self.x, str), f"x is {self.x!r}; give a list of names of columns")

    def __call__(self, epoch: int) -> Iterator[tuple[Array, ...]]:
        """The minibatches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        left: tuple[Array, ...] | None = None
        for group in self._groups(rng):
            rows = group if left is None else tuple(map(np.concatenate, zip(left, group)))
            whole = len(rows[0]) // self.batch_size * self.batch_size
            for start in range(0, whole, self.batch_size):
                yield tuple(part[start : start + self.batch_size] for part in rows)
            left = tuple(part[whole:] for part in rows)
        if left is not None and len(left[0]):
            yield left

    def _groups(self, rng: np.random.Generator) -> Iterator[tuple[Array, ...]]:
        """Patterns, targets and weights of the row groups, in the order of an epoch."""
        paths = [self.path] if isinstance(self.path, str | Path) else list(self.path)
        files = [_opened(path) for path in paths]
        groups = [(path, file, i) for path, file in zip(paths, files) for i in range(file.num_row_groups)]
        for number in rng.permutation(len(groups)) if self.shuffle else range(len(groups)):
            parts = self._read(*groups[number])
            order = rng.permutation(len(parts[0])) if self.shuffle else slice(None)
            yield tuple(part[order] for part in parts)

    def _read(self, path: str | Path, file: Any, group: int) -> tuple[Array, ...]:
        names = [*self.x, *([self.y] if isinstance(self.y, str) else self.y)]
        names += [] if self.weights is None else [self.weights]
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            has = ", ".join(file.schema_arrow.names)
            raise DataError(f"{path}: there is no column {missing[0]!r}; it has {has}")
        table = file.read_row_group(group, columns=list(dict.fromkeys(names)))
        columns = {
            name: _numbers(table[name], f"{path}: column {name!r} in row group {group}") for name in names
        }
        x = _stacked([columns[name] for name in self.x], self.dtype)
        y = columns[self.y] if isinstance(self.y, str) else _stacked([columns[n] for n in self.y], self.dtype)
        parts = (x, y if y.dtype.kind in "iu" else y.astype(self.dtype))
        return parts if self.weights is None else (*parts, columns[self.weights].astype(self.dtype))


def _opened(path: str | Path) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(
            "ParquetBatches reads with pyarrow, which is not installed; write pip install pyarrow"
        ) from error
    try:
        return ParquetFile(path, memory_map=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; give a file of Parquet") from error


def _numbers(column: Any, where: str) -> Array:
    if column.null_count:
        raise DataError(f"{where} has {column.null_count} empty cells; fill them in, or leave their rows out")
    values = column.to_numpy()
    if values.dtype.kind not in "iufb":
        raise DataError(f"{where} holds {column.type}, not numbers; encode it before")
    return values.astype(np.int8) if values.dtype.kind == "b" else values


def _stacked(columns: Sequence[Array], dtype: Any) -> Array:
    """Columns side by side."""
    rows = np.empty((len(columns[0]), len(columns)), dtype)
    for i, column in enumerate(columns):
        rows[:, i] = column
    return rows
