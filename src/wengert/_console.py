"""What the command line shows: progress on stderr, results on stdout."""

import csv
import io
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol


class _Epoch(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def training(self) -> float: ...
    @property
    def validation(self) -> float | None: ...


Report = Callable[[_Epoch], None]
ROOM_FOR_A_BAR = 80


def note(message: str) -> None:
    """Something worth knowing, on stderr."""
    print(f"wengert: note: {message}", file=sys.stderr)


def fail(message: str) -> None:
    """What is wrong and what to do, in one line on stderr."""
    print("wengert: error: " + " ".join(message.split()), file=sys.stderr)


@contextmanager
def training_progress(epochs: int) -> Iterator[Report]:
    """A function to report epochs to: a progress bar in a terminal, a few lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda epoch: _print_epoch(epoch, epochs)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    errors = TextColumn("{task.fields[errors]}")
    bar_and_time = (BarColumn(), TimeElapsedColumn()) if console.width >= ROOM_FOR_A_BAR else ()
    with Progress("epoch", MofNCompleteColumn(), errors, *bar_and_time, console=console) as progress:
        bar = progress.add_task("training", total=epochs, errors="")
        yield lambda epoch: progress.update(bar, completed=epoch.number, errors=_errors(epoch))


def _print_epoch(epoch: _Epoch, epochs: int) -> None:
    """About ten lines in all."""
    if epoch.number == 1 or epoch.number % math.ceil(epochs / 10) == 0:
        print(f"epoch {epoch.number}/{epochs}  {_errors(epoch)}", file=sys.stderr, flush=True)


def _errors(epoch: _Epoch) -> str:
    validation = "" if epoch.validation is None else f"  validation {epoch.validation:.4f}"
    return f"training {epoch.training:.4f}{validation}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))] for row in rows)
    return "\n".join("  ".join(line) for line in lines)


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV with plain line ends."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
