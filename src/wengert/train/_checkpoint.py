"""Checkpoints: a training on disk, from which it goes on as if it had never been interrupted.

A checkpoint holds everything that the epochs to come depend on: network, optimiser's state, numbers of
epochs and steps, which random numbers depend on, the learning curve and the best network; and what must be
the same again, so that it is refused to any other training. It is one file, written under another name and
then renamed, so that at every moment there is a whole one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wengert import _sealed
from wengert._files import remove_abandoned, write_atomically
from wengert.core import tree
from wengert.errors import CheckpointError, DivergenceError
from wengert.train._curve import Epoch

Array = np.ndarray

KIND = _sealed.Kind(
    "checkpoint",
    2,
    "`fit(..., checkpoint=path)`",
    "copy it again, or delete it to begin anew",
    CheckpointError,
)
CURVE = "curve."


@dataclass(frozen=True)
class Moment:
    """The end of a whole epoch: everything that the next ones depend on.

    Attributes
    ----------
    carry
        The network and the optimiser's state, where it is to be written down.
    epoch, steps
        How many have been made.
    best
        The best network so far, where one is kept.
    is_stopped
        Whether a callback has ended the training.
    """

    carry: Any
    epoch: int = 0
    steps: int = 0
    best: Any = None
    is_stopped: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """A file, and what a training must have in common with the one that wrote it."""

    path: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def write(self, moment: Moment, epochs: Sequence[Epoch]) -> None:
        """Put a moment and the epochs before it into the file."""
        arrays = _named("network", moment.carry[0]) | _named("optimiser", moment.carry[1])
        arrays |= {} if moment.best is None else _named("best", moment.best)
        for name, array in arrays.items():
            _require_finite(name, array, moment.epoch)
        description = {
            "settings": dict(self.settings),
            "epoch": moment.epoch,
            "steps": moment.steps,
            "is_stopped": moment.is_stopped,
            "has_best": moment.best is not None,
        }
        content = _sealed.to_bytes(KIND, arrays | _curve_arrays(epochs), description)
        try:
            write_atomically(self.path, content)
        except OSError as error:
            raise CheckpointError(
                f"{self.path}: cannot write the checkpoint of epoch {moment.epoch} ({error.strerror}); an "
                "earlier one stays as it was: make room or correct the path, and go on with resume=True"
            ) from error

    def read(self, template: Any) -> tuple[Moment, list[Epoch]]:
        """The moment and the epochs in the file, for a training that begins with this carry."""
        content = _sealed.read(KIND, self.path)
        description = _sealed.description_of(KIND, content, str(self.path))
        try:
            arrays = _sealed.arrays_of(KIND, content, description)
        except CheckpointError as error:
            raise CheckpointError(f"{self.path}: {error}") from error
        self._compare(description["settings"])
        network, state = template
        moment = Moment(
            (self._filled("network", network, arrays), self._filled("optimiser", state, arrays)),
            description["epoch"],
            description["steps"],
            self._filled("best", network, arrays) if description["has_best"] else None,
            description["is_stopped"],
        )
        return moment, _epochs_in(arrays)

    def _compare(self, settings: Mapping[str, str]) -> None:
        for name, now in self.settings.items():
            if settings.get(name) != now:
                raise CheckpointError(
                    f"{self.path}: a checkpoint of another training: {name} was {settings.get(name)}, and is "
                    f"{now}; resume with what it began with, or name another file"
                )

    def _filled(self, name: str, template: Any, arrays: Mapping[str, Array]) -> Any:
        """The tree with the arrays of the file in it."""
        expected, (leaves, structure) = _named(name, template), tree.flatten(template)
        for key, array in expected.items():
            found = arrays.get(key)
            if found is None or (found.shape, found.dtype) != (array.shape, array.dtype):
                what = "nothing" if found is None else f"{found.dtype}{list(found.shape)}"
                raise CheckpointError(
                    f"{self.path}: a checkpoint of another training: {key} is {what} there, and "
                    f"{array.dtype}{list(array.shape)} here; name another file"
                )
        # As scalars where they are scalars, so that the compiled code is the same.
        filled = [arrays[key] if np.ndim(leaf) else arrays[key][()] for key, leaf in zip(expected, leaves)]
        return tree.unflatten(structure, filled)


def new_checkpoint(path: str | Path, settings: Mapping[str, Any], resume: bool) -> Checkpoint:
    """A checkpoint to write, refused where that would not work or destroy something."""
    path = Path(path)
    if not path.parent.is_dir():
        raise CheckpointError(f"{path}: there is no folder {path.parent}; make it, or name another file")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: is a folder or a device; name a file")
    if path.exists() and not resume:
        raise CheckpointError(
            f"{path}: exists already; write resume=True to go on from it, delete it, or name another file"
        )
    remove_abandoned(path)
    return Checkpoint(path, {name: described(value) for name, value in settings.items()})


def described(value: Any) -> str:
    """A setting in words that are the same in every process: without addresses in memory."""
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return " ".join(re.sub(r" at 0x[0-9a-f]+", "", str(value)).split())


def described_arrays(value: Any) -> str:
    """The names, types and shapes of the arrays of a tree, and what else it is made of."""
    leaves, structure = tree.flatten(value)
    arrays = [f"{np.asarray(leaf).dtype}{list(np.shape(leaf))}" for leaf in leaves]
    return f"{', '.join(arrays)} in {described(structure)}"


def _named(name: str, value: Any) -> dict[str, Array]:
    """The arrays of a tree by name."""
    return {name + path: np.asarray(leaf) for path, leaf in zip(tree.paths(value), tree.flatten(value)[0])}


def _require_finite(name: str, array: Array, epoch: int) -> None:
    """A good checkpoint is not replaced by one that nothing can be learned from."""
    if np.issubdtype(array.dtype, np.inexact) and np.isnan(array).any():
        raise DivergenceError(
            f"training diverged: {name} holds nan after epoch {epoch}; "
            "lower the learning rate, or standardise the data"
        )


def _curve_arrays(epochs: Sequence[Epoch]) -> dict[str, Array]:
    """The learning curve, with NaN where nothing was looked at."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch.metrics)
    columns = {
        "training": [epoch.training for epoch in epochs],
        "validation": [np.nan if epoch.validation is None else epoch.validation for epoch in epochs],
        **{f"metrics.{name}": [epoch.metrics.get(name, np.nan) for epoch in epochs] for name in names},
        **{f"has.{name}": [name in epoch.metrics for epoch in epochs] for name in names},
    }
    return {CURVE + name: np.asarray(column) for name, column in columns.items()}


def _epochs_in(arrays: Mapping[str, Array]) -> list[Epoch]:
    columns = {name.removeprefix(CURVE): a.tolist() for name, a in arrays.items() if name.startswith(CURVE)}
    names = [name.removeprefix("metrics.") for name in columns if name.startswith("metrics.")]
    return [
        Epoch(
            i + 1,
            training,
            None if np.isnan(validation) else validation,
            {name: columns[f"metrics.{name}"][i] for name in names if columns[f"has.{name}"][i]},
        )
        for i, (training, validation) in enumerate(zip(columns["training"], columns["validation"]))
    ]
