"""What an estimator trains on: patterns, their targets and weights, as rows of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Sample:
    """Patterns, targets, and weights of the patterns if there are any.

    Attributes
    ----------
    x, t, weights
        One row, target and number for each pattern.
    rows
        Those that are trained on, if not all: nothing is copied for that.
    """

    x: Any
    t: Array
    weights: Array | None = None
    rows: Array | None = None

    def __len__(self) -> int:
        return self.x.shape[0] if self.rows is None else len(self.rows)

    @property
    def visited(self) -> Array:
        """The rows that are trained on."""
        return np.arange(len(self)) if self.rows is None else self.rows

    def take(self, chosen: Array) -> Sample:
        """Some of the patterns, copied."""
        return Sample(self.x[chosen], self.t[chosen], None if self.weights is None else self.weights[chosen])

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What the error is a function of."""
        return self.x, self.targets

    @property
    def targets(self) -> Any:
        """Targets, with the weights of the patterns if there are any."""
        return self.t if self.weights is None else (self.t, self.weights)
