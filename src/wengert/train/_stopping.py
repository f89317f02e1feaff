r"""Early stopping: whether the error on patterns kept aside still falls.

An epoch is an improvement when the number that is watched beats the best so far by more than a tolerance,

.. math:: E < E_{\min} - \varepsilon,

and training ends when that many looks in a row have been none. The weights of the best look are given back,
also when they are better by less than the tolerance.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wengert.train._curve import Epoch

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Criterion:
    """What is watched, and for how long it may fail to improve.

    Attributes
    ----------
    monitor
        ``"validation"``, ``"training"``, or the name of a metric.
    mode
        Whether it is better to be low (``"min"``) or high (``"max"``).
    patience
        How many looks in a row may be no improvement; None for any number.
    tolerance
        How much better counts as an improvement.
    """

    monitor: str = "validation"
    mode: Mode = "min"
    patience: int | None = None
    tolerance: float = 0.0

    def value(self, epoch: Epoch) -> float | None:
        """The number that is watched, so that low is good; None where it was not looked at."""
        known = self.monitor in ("training", "validation")
        found = getattr(epoch, self.monitor) if known else epoch.metrics.get(self.monitor)
        return None if found is None else float(found) if self.mode == "min" else -float(found)


@dataclass(frozen=True)
class Standing:
    """How it stands after some epochs: the best one, and how many looks in a row were no improvement."""

    criterion: Criterion
    best_epoch: int = 0
    best: float | None = None
    waited: int = 0

    def after(self, epoch: Epoch) -> "Standing":
        """How it stands after one more epoch."""
        return self.after_all([epoch])

    def after_all(self, epochs: Iterable[Epoch]) -> "Standing":
        """How it stands after these epochs."""
        best_epoch, best, waited = self.best_epoch, self.best, self.waited
        for epoch in epochs:
            value = self.criterion.value(epoch)
            if value is None:
                continue
            if best is not None:
                waited = 0 if value < best - self.criterion.tolerance else waited + 1
            if best is None or value < best:
                best_epoch, best = epoch.number, value
        return Standing(self.criterion, best_epoch, best, waited)

    @property
    def is_over(self) -> bool:
        """Whether there were too many looks without an improvement."""
        return self.criterion.patience is not None and self.waited >= self.criterion.patience

    @property
    def left(self) -> int:
        """How many looks there are at least until it is over: one even where it might be at once."""
        return (
            sys.maxsize if self.criterion.patience is None else max(1, self.criterion.patience - self.waited)
        )
