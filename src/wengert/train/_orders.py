r"""The random orders in which epochs visit the patterns, :math:`n_1, n_2, \dots, n_N`.

To draw one takes some ten nanoseconds a row, which is more than a small network needs to learn from it. So
the order of the next epoch is drawn beside this one, in a thread: native code and NumPy's shuffle both leave
the interpreter to others. The orders are the same either way.
"""

from typing import Any

import numpy as np

from wengert._ahead import WORTH_A_THREAD, Ahead

Array = np.ndarray


class Drawing:
    """Random orders of the rows, one after the other; a long one is drawn while the epoch before it runs."""

    def __init__(self, rng: np.random.Generator, rows: int | Array) -> None:
        self.rng, self.rows = rng, rows
        self.is_long = (rows if isinstance(rows, int) else len(rows)) >= WORTH_A_THREAD
        self.ahead: Ahead | None = None
        self.before: Any = None

    def next(self, is_last: bool = False) -> Array:
        """The next order; after the last one none is drawn."""
        order = self._draw() if self.ahead is None else self.ahead.order()
        self.ahead = None
        if self.is_long and not is_last:
            self.before, self.ahead = self.rng.bit_generator.state, Ahead(self._draw)
        return order

    def _draw(self) -> Array:
        return self.rng.permutation(self.rows)

    def position(self) -> Any:
        """Where the random numbers stand before the next order."""
        return self.rng.bit_generator.state if self.ahead is None else self.before

    def move_to(self, position: Any) -> None:
        """Go on from there."""
        if self.ahead is not None:
            self.ahead.order()
            self.ahead = None
        self.rng.bit_generator.state = position
