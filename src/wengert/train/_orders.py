r"""The random orders in which epochs visit the patterns, :math:`n_1, n_2, \dots, n_N`.

To draw one takes some ten nanoseconds a row, which is more than a small network needs to learn from it. So
the order of the next epoch is drawn beside this one, in a thread: native code and NumPy's shuffle both leave
the interpreter to others. The orders are the same either way.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray

# Rows from which on starting a thread costs little beside the shuffle.
WORTH_A_THREAD = 20_000


class Drawing:
    """Random orders of the rows, one after the other; a long one is drawn while the epoch before it runs."""

    def __init__(self, rng: np.random.Generator, rows: int | Array) -> None:
        self.rng, self.rows = rng, rows
        self.is_long = (rows if isinstance(rows, int) else len(rows)) >= WORTH_A_THREAD
        self.ahead: _Ahead | None = None

    def next(self, is_last: bool = False) -> Array:
        """The next order; after the last one none is drawn."""
        order = self._draw() if self.ahead is None else self.ahead.order()
        draws = self.is_long and not is_last
        self.ahead = _Ahead(self.rng.bit_generator.state, self._draw) if draws else None
        return order

    def _draw(self) -> Array:
        return self.rng.permutation(self.rows)

    def position(self) -> Any:
        """Where the random numbers stand before the next order."""
        return self.rng.bit_generator.state if self.ahead is None else self.ahead.before

    def move_to(self, position: Any) -> None:
        """Go on from there."""
        if self.ahead is not None:
            self.ahead.order()
            self.ahead = None
        self.rng.bit_generator.state = position


class _Ahead(threading.Thread):
    """An order in the making, and where the random numbers stood before it."""

    def __init__(self, before: Any, draw: Callable[[], Array]) -> None:
        super().__init__(name="wengert order", daemon=True)
        self.before, self.draw = before, draw
        self.start()

    def run(self) -> None:
        """Draw it."""
        self.drawn = self.draw()

    def order(self) -> Array:
        """The order, as soon as it is there."""
        self.join()
        return self.drawn
