r"""From a table to the inputs of a network: a list of encoders, fitted on the training part alone.

Pre-activations then start near one, and nothing of the validation and test parts leaks into training. The
inputs are the features of every encoder side by side,

.. math:: \mathbf x = \bigl(\phi_1(\text{column}_1),\; \phi_2(\text{column}_2),\; \ldots\bigr).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from wengert.data._encoders import ENCODERS, Boolean, Category, Embedding, Encoder, Number, Surprise
from wengert.data._kinds import Seen, category_kind, kind_of, refuse_texts
from wengert.data._table import Numbers, Table, require_columns, words
from wengert.errors import DataError

Array = np.ndarray

BLOCK = 4096  # rows at a time, so that their features stay in the cache


class Described(NamedTuple):
    """One line of what becomes of the columns."""

    column: str
    treatment: str
    features: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it is a number and nothing else is to be said."""
        return self.treatment.startswith("number, standardised")

    def __str__(self) -> str:
        """``age: number, 12 missing → mean and indicator, ...``."""
        return f"{self.column}: {self.treatment}"


@dataclass(frozen=True)
class Preprocessing:
    r"""What becomes of the columns of a table on their way into a network.

    Attributes
    ----------
    encoders
        One for each column that is used, in order.
    unused
        Columns that are not, each with the reason.

    Examples
    --------
    >>> table = Table.of_cells("t.csv", ["age", "town"], [["30", "Bonn"], ["", "Köln"], ["50", "Bonn"]])
    >>> preprocessing = Preprocessing.fit(table, ["age", "town"])
    >>> print(*preprocessing.describe(), sep="\n")
    age: number, 1 missing → mean and indicator, standardised by 40 and 10
    town: category, 2 values one-hot
    >>> preprocessing.transform(table)
    array([[-1.,  0.,  1.,  0.],
           [ 0.,  1.,  0.,  1.],
           [ 1.,  0.,  1.,  0.]], dtype=float32)
    """

    encoders: tuple[Encoder, ...]
    unused: tuple[tuple[str, str], ...] = ()

    @classmethod
    def fit(
        cls,
        table: Table,
        columns: Sequence[str],
        rows: Array | None = None,
        categories: Sequence[str] = (),
    ) -> "Preprocessing":
        """Choose and fit an encoder for each column, by the given rows alone.

        Parameters
        ----------
        table, columns
            Where the columns are, and their names.
        rows
            Indices of the training part; all rows by default.
        categories
            Columns to take as categories even where they hold numbers or many different words.

        Raises
        ------
        DataError
            When a column is missing, holds free text, a mixture of numbers and text, or nothing that a
            network could take.
        """
        require_columns(table, [*columns, *categories])
        named = {name: words(table, name) for name in categories}
        table = replace(table, columns={**table.columns, **named})
        seen = [Seen(table, name, np.arange(len(table)) if rows is None else rows) for name in columns]
        kinds = [category_kind(s) if s.name in named and s.present else kind_of(s) for s in seen]
        if texts := [s for kind, s in zip(kinds, seen) if kind == "text"]:
            refuse_texts(texts)
        encoders = tuple(ENCODERS[kind].fit(s) for kind, s in zip(kinds, seen) if kind in ENCODERS)
        empty = tuple((s.name, "empty") for kind, s in zip(kinds, seen) if kind not in ENCODERS)
        if not encoders:
            raise DataError(f"{table.source}: no column holds anything to predict from; fill some in")
        return cls(encoders, empty)

    @classmethod
    def of_numbers(cls, columns: Sequence[str], mean: Array, scale: Array) -> "Preprocessing":
        """The standardisation of columns of numbers."""
        parts = zip(columns, mean.tolist(), scale.tolist(), strict=True)
        return cls(tuple(Number(name, m, s) for name, m, s in parts))

    # ------------------------------------------------------------------------------------- columns

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(encoder.column for encoder in self.encoders)

    @property
    def numeric(self) -> tuple[Encoder, ...]:
        """The encoders whose features are numbers."""
        return tuple(e for e in self.encoders if not isinstance(e, Embedding))

    @property
    def embedded(self) -> tuple[Embedding, ...]:
        """The encoders whose feature is the number of a learned vector."""
        return tuple(e for e in self.encoders if isinstance(e, Embedding))

    @property
    def worded(self) -> tuple[str, ...]:
        """The columns whose cells are taken as texts, whatever they look like."""
        return tuple(e.column for e in self.encoders if isinstance(e, Boolean | Category | Embedding))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of what :meth:`transform` gives."""
        return tuple(feature for encoder in self.numeric for feature in encoder.features)

    @property
    def origins(self) -> tuple[str, ...]:
        """The column that each feature comes from."""
        return tuple(encoder.column for encoder in self.numeric for _ in encoder.features)

    def describe(self) -> list[Described]:
        """What becomes of each column."""
        used = [Described(e.column, e.describe(), e.features) for e in self.encoders]
        return used + [Described(column, f"{why}, not used", ()) for column, why in self.unused]

    # --------------------------------------------------------------------------------- application

    def transform(self, table: Table, dtype: Any = np.float32, rows: Array | None = None) -> Array:
        """The features of a table, or of the rows of these indices, of shape (rows, features).

        Raises
        ------
        DataError
            When a column is not there (see :meth:`completed`), or holds text where numbers were.
        """
        require_columns(table, self.columns)
        return _side_by_side(self.numeric, table, dtype, rows)

    def codes(self, table: Table, rows: Array | None = None) -> Array:
        """The numbers of learned vectors, of shape (rows, embedded columns)."""
        require_columns(table, self.columns)
        return _side_by_side(self.embedded, table, np.int32, rows)

    def inputs(self, table: Table, dtype: Any = np.float32, rows: Array | None = None) -> Array:
        """The features and, behind them, the numbers of learned vectors, in one array of floats."""
        require_columns(table, self.columns)
        return _side_by_side(self.numeric + self.embedded, table, dtype, rows)

    def completed(self, table: Table) -> Table:
        """The table with the columns that it lacks, all missing."""
        absent = [name for name in self.columns if name not in table.columns]
        nothing = Numbers(np.full(len(table), np.nan))
        return replace(table, columns={**table.columns, **dict.fromkeys(absent, nothing)})

    def surprises(self, *tables: Table) -> list[str]:
        """What tables hold that the training part did not: unseen categories, columns newly missing."""
        return list(map(str, together([s for table in tables for s in self.surprises_in(table)])))

    def surprises_in(self, table: Table) -> list[Surprise]:
        """The same of one table, to be added up with those of others by :func:`together`."""
        require_columns(table, self.columns)
        return [surprise for encoder in self.encoders for surprise in encoder.surprises(table)]

    # --------------------------------------------------------------------------------------- state

    def state(self) -> tuple[list[dict[str, Any]], Array]:
        """A description for JSON, and the numbers of all encoders in one array."""
        states = [(encoder.kind, *encoder.state()) for encoder in self.encoders]
        described = [{"kind": kind, "numbers": len(n), **description} for kind, description, n in states]
        unused = [{"kind": "unused", "numbers": 0, "column": c, "why": why} for c, why in self.unused]
        return described + unused, np.array([x for *_, numbers in states for x in numbers], np.float64)

    @classmethod
    def from_state(cls, description: Sequence[Mapping[str, Any]], numbers: Array) -> "Preprocessing":
        """The preprocessing of this state.

        Raises
        ------
        ValueError
            When the numbers are not as many as described.
        """
        ends = np.cumsum([entry["numbers"] for entry in description])
        if numbers.shape != (ends[-1],):
            raise ValueError(f"preprocessing: {ends[-1]} numbers described, {numbers.size} there")
        parts = np.split(numbers, ends[:-1])
        used = [(e, part.tolist()) for e, part in zip(description, parts) if e["kind"] != "unused"]
        unused = tuple((e["column"], e["why"]) for e in description if e["kind"] == "unused")
        return cls(tuple(ENCODERS[e["kind"]].from_state(dict(e), part) for e, part in used), unused)


def together(surprises: Iterable[Surprise]) -> list[Surprise]:
    """Surprises of the same kind in the same column as one.

    Examples
    --------
    >>> ulm, essen = (Surprise("town", "unseen", (name,), 1, "zeros instead") for name in ("Ulm", "Essen"))
    >>> print(*together([ulm, essen]))
    town: 'Essen', 'Ulm' in 2 rows, never in training; zeros instead
    """
    found: dict[tuple[str, str], Surprise] = {}
    for surprise in surprises:
        key = surprise.column, surprise.what
        found[key] = found[key].with_more(surprise) if key in found else surprise
    return list(found.values())


def _side_by_side(encoders: Sequence[Encoder], table: Table, dtype: Any, rows: Array | None) -> Array:
    """The features of these encoders, block by block."""
    entries = [encoder.read(table) for encoder in encoders]
    ends = np.cumsum([0, *(len(encoder.features) for encoder in encoders)]).tolist()
    count = len(table) if rows is None else len(rows)
    out = np.empty((count, ends[-1]), dtype)
    for start in range(0, count, BLOCK):
        block = slice(start, start + BLOCK)
        chosen = block if rows is None else rows[block]
        for encoder, column, left, right in zip(encoders, entries, ends, ends[1:]):
            with np.errstate(over="ignore"):
                out[block, left:right] = encoder.apply(column[chosen])
    return out
