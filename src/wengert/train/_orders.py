r"""The orders in which epochs visit the patterns, :math:`n_1, n_2, \dots, n_N`.

A random order is a function of the seed and of the epoch's number: whoever goes on from a checkpoint needs to
know nothing else. The orders of several short epochs are made at a time, for one call of native code.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from wengert.native.orders import drawn

Array = np.ndarray

# Rows that are drawn at a time, and epochs of a call.
ROWS_AT_A_TIME, EPOCHS_AT_A_TIME = 1 << 17, 64


class Orders(Protocol):
    """Orders of one epoch after the other."""

    def most(self, limit: int) -> int:
        """How many epochs one call makes at most, where it may visit so many rows."""

    def of(self, first: int, count: int, most: int) -> Array:
        """At most so many orders, of which the first ``count`` are those of the epochs from ``first`` on."""


class Several:
    """Orders of equally many rows, several at a time."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows.astype(np.uint32)
        self._memory = np.empty((0, len(rows)), np.uint32)

    def most(self, limit: int) -> int:
        """How many epochs one call makes at most, where it may visit so many rows."""
        return max(1, min(EPOCHS_AT_A_TIME, min(limit, ROWS_AT_A_TIME) // len(self.rows)))


class AsTheyStand(Several):
    """The rows as they stand, in every epoch."""

    def of(self, first: int, count: int, most: int) -> Array:
        """At most so many orders, all of them alike."""
        if len(self._memory) != most:
            self._memory = np.tile(self.rows, (most, 1))
        return self._memory


class Drawn(Several):
    """Orders that are drawn, in room that is used again."""

    def of(self, first: int, count: int, most: int) -> Array:
        """Room for so many orders, of which the first ``count`` are those of the epochs from ``first`` on."""
        if len(self._memory) != most:
            self._memory = np.empty((most, len(self.rows)), np.uint32)
        self._write(first, self._memory[:count])
        return self._memory

    def _write(self, first: int, orders: Array) -> None:
        """The orders of the epochs from ``first`` on, a row for each."""
        raise NotImplementedError


class Shuffled(Drawn):
    """Random orders of the rows."""

    def __init__(self, rows: Array, key: Array) -> None:
        super().__init__(rows)
        self.key = key

    def _write(self, first: int, orders: Array) -> None:
        drawn(self.key, first, self.rows, orders)


class Told:
    """Orders that a function of the epoch's number gives."""

    def __init__(self, order: Callable[[int], Any]) -> None:
        self.order = order

    def most(self, limit: int) -> int:
        """One: nothing is known of the others, not even how many rows they have."""
        return 1

    def of(self, first: int, count: int, most: int) -> Array:
        """The order of an epoch."""
        return np.asarray(self.order(first))[None]
