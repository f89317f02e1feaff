"""The learning curve: how the error falls, epoch by epoch, on training patterns and on others."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: its number from 1, the training error, the validation error if any."""

    number: int
    training: float
    validation: float | None = None


@dataclass
class LearningCurve:
    """Training and validation error, epoch by epoch.

    The training error of an epoch is the mean over its minibatches, each taken before the step that it leads
    to; the validation error is taken at the end of the epoch.
    """

    epochs: list[Epoch] = field(default_factory=list)

    @property
    def training(self) -> list[float]:
        """Training error of each epoch."""
        return [epoch.training for epoch in self.epochs]

    @property
    def validation(self) -> list[float]:
        """Validation error of each epoch; empty without validation data."""
        return [epoch.validation for epoch in self.epochs if epoch.validation is not None]

    def save(self, path: str | Path, *, title: str = "Learning curve", best: int | None = None) -> None:
        """Draw the curve into a PNG file, with a line at the best epoch."""
        from wengert._files import write_atomically
        from wengert._pictures import learning_curve

        write_atomically(path, learning_curve(self.training, self.validation, title, best))
