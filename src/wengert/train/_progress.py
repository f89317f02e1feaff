"""Progress on stderr: a bar in a terminal, a few lines elsewhere."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from wengert.train._curve import Epoch

Report = Callable[[Epoch], None]
ROOM_FOR_A_BAR, ROOM_FOR_ERRORS, LINES = 80, 55, 10
# Seconds until a bar appears that nobody asked for, and between two changes of it.
QUIET, REFRESH = 1.0, 0.1


@contextmanager
def training_progress(epochs: int) -> Iterator[Report]:
    """A function to report epochs to: a progress bar in a terminal, a few lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda epoch: _print_epoch(epoch, epochs)
        return
    bar = Bar(epochs)
    try:
        yield bar.report
    finally:
        bar.close()


@contextmanager
def progress_if_long(epochs: int) -> Iterator[Report]:
    """A bar in a terminal when training takes more than a second; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda epoch: None
        return
    bar = Bar(epochs, wait=QUIET)
    try:
        yield bar.report
    finally:
        bar.close()


class Bar:
    """A progress bar, drawn from the first report after some seconds on."""

    def __init__(self, epochs: int, wait: float = 0.0) -> None:
        self.epochs, self.next = epochs, monotonic() + wait
        self.shown: Any = None
        self.task: Any = None
        self.last: Epoch | None = None

    def report(self, epoch: Epoch) -> None:
        """One more epoch has ended."""
        self.last = epoch
        if monotonic() >= self.next:
            self.next = monotonic() + REFRESH
            self._draw(epoch)

    def close(self) -> None:
        """Draw the last epoch, if anything was drawn, and leave the bar as it is."""
        if self.shown is not None:
            self._draw(self.last)
            self.shown.stop()

    def _draw(self, epoch: Any) -> None:
        if self.shown is None:
            self.shown, self.task = _started(self.epochs)
        self.shown.update(self.task, completed=epoch.number, errors=_errors(epoch))


def _started(epochs: int) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    errors = (TextColumn("{task.fields[errors]}"),) if console.width >= ROOM_FOR_ERRORS else ()
    bar_and_time = (BarColumn(), TimeElapsedColumn()) if console.width >= ROOM_FOR_A_BAR else ()
    shown = Progress("epoch", MofNCompleteColumn(), *errors, *bar_and_time, console=console)
    shown.start()
    return shown, shown.add_task("training", total=epochs, errors="")


def lines_every(epochs: int) -> int:
    """Of how many epochs one is printed."""
    return math.ceil(epochs / LINES)


def _print_epoch(epoch: Epoch, epochs: int) -> None:
    """About ten lines in all."""
    if epoch.number == 1 or epoch.number % lines_every(epochs) == 0:
        print(f"epoch {epoch.number}/{epochs}  {_errors(epoch)}", file=sys.stderr, flush=True)


def _errors(epoch: Epoch) -> str:
    validation = "" if epoch.validation is None else f"  validation {epoch.validation:.4f}"
    return f"training {epoch.training:.4f}{validation}"
