"""Orders drawn ahead, in a thread: native code and NumPy's shuffle both leave the interpreter to others."""

import threading
from collections.abc import Callable
from typing import Any

# Rows from which on starting a thread costs little beside the shuffle.
WORTH_A_THREAD = 20_000


class Ahead(threading.Thread):
    """An order in the making."""

    def __init__(self, draw: Callable[[], Any]) -> None:
        from concurrent.futures import Future

        super().__init__(name="wengert order", daemon=True)
        self.draw, self.outcome = draw, Future[Any]()
        self.start()

    def run(self) -> None:
        """Draw it."""
        try:
            self.outcome.set_result(self.draw())
        except BaseException as error:  # belongs to whoever waits for the order
            self.outcome.set_exception(error)

    def order(self) -> Any:
        """The order, as soon as it is there, or the error that there was."""
        return self.outcome.result()
