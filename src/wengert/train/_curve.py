"""The learning curve: how the error falls, epoch by epoch, on training patterns and on others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wengert.tables import justified

# Epochs that a table of the curve shows, apart from the best one.
SHOWN = 8


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes
    ----------
    number
        From 1.
    training
        The mean error of its minibatches, each taken before the step that it leads to, with the penalty.
    validation
        The error at its end on the patterns kept aside, if it was looked at.
    metrics
        Other numbers that were asked for, by name.
    """

    number: int
    training: float
    validation: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(repr=False)
class LearningCurve:
    """Training and validation error, epoch by epoch.

    The training error of an epoch is the mean over its minibatches, each taken before the step that it leads
    to; the validation error is taken at the end of the epoch.

    Examples
    --------
    >>> LearningCurve([Epoch(1, 2.0, 3.0), Epoch(2, 1.0, 2.5)])
    epoch  training  validation
        1    2.0000      3.0000
        2    1.0000      2.5000
    """

    epochs: list[Epoch] = field(default_factory=list)

    @property
    def training(self) -> list[float]:
        """Training error of each epoch."""
        return [epoch.training for epoch in self.epochs]

    @property
    def validation(self) -> list[float]:
        """Validation error of each epoch in which it was looked at; empty without validation data."""
        return [epoch.validation for epoch in self.epochs if epoch.validation is not None]

    @property
    def metrics(self) -> dict[str, list[float]]:
        """The metrics of each epoch in which they were looked at, by name."""
        looked = [epoch.metrics for epoch in self.epochs if epoch.metrics]
        return {name: [found[name] for found in looked] for name in (looked[0] if looked else ())}

    def plot(self, axes: Any = None, *, title: str = "Learning curve", best: int | None = None) -> Any:
        """Draw the curve with Matplotlib, with a line at the best epoch.

        Parameters
        ----------
        axes
            Where to draw; by default in a new figure of ``matplotlib.pyplot``.
        title
            Above the drawing.
        best
            The best epoch, as ``Fit.best_epoch``.

        Returns
        -------
        Axes
            Matplotlib's, to go on drawing in.
        """
        from wengert._pictures import draw_learning_curve, new_axes

        axes = new_axes() if axes is None else axes
        draw_learning_curve(axes, self._lines(), title, best)
        return axes

    def save(self, path: str | Path, *, title: str = "Learning curve", best: int | None = None) -> None:
        """Draw the curve into a PNG file, with a line at the best epoch."""
        from wengert._files import write_atomically
        from wengert._pictures import learning_curve

        write_atomically(path, learning_curve(self._lines(), title, best))

    def _lines(self) -> dict[str, dict[int, float]]:
        """The errors by name and epoch."""
        validation = {e.number: e.validation for e in self.epochs if e.validation is not None}
        lines = {"training": {e.number: e.training for e in self.epochs}, "validation": validation}
        return {name: line for name, line in lines.items() if line}

    def __repr__(self) -> str:
        names = list(self.metrics)
        rows = [["epoch", "training", *(["validation"] if self.validation else []), *names]]
        rows += [_row(epoch, rows[0]) for epoch in _spread(self.epochs, SHOWN)]
        return justified(rows, names=0)


def _spread(epochs: list[Epoch], count: int) -> list[Epoch]:
    """At most so many epochs, the first and the last among them, and even steps in between."""
    if len(epochs) <= count:
        return epochs
    places = [round(i * (len(epochs) - 1) / (count - 1)) for i in range(count)]
    return [epochs[place] for place in places]


def _row(epoch: Epoch, header: list[str]) -> list[str]:
    known = {"training": epoch.training, "validation": epoch.validation, **epoch.metrics}
    return [str(epoch.number), *(_number(known.get(name)) for name in header[1:])]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.3e}"
