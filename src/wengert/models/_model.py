"""Trained networks, with the columns of a table before them and the meaning of outputs behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import nn
from wengert._blas import one_blas_thread
from wengert.data import Preprocessing, Standardiser, Table, Task, from_frame
from wengert.errors import DataError
from wengert.losses import LIKELIHOODS, Likelihood

Array = np.ndarray

BLOCK = 1 << 13  # rows predicted at a time, so that the activations of all are never held at once
# Kinds of output units that suit a task, of which the first is taken unless told otherwise.
SUITED: dict[str, tuple[str, ...]] = {
    "regression": ("number", "quantile", "count"),
    "multi-label": ("labels",),
    "two classes": ("two classes",),
    "classification": ("classes",),
}


def suited(task: Task, classes: Sequence[str]) -> tuple[str, ...]:
    """The kinds of output units that go with a task, by their names in ``losses.LIKELIHOODS``."""
    return SUITED["two classes" if task == "classification" and len(classes) == 2 else task]


@dataclass(frozen=True)
class Model:
    """A network, the columns it reads and predicts, and how they become numbers.

    Attributes
    ----------
    network
        The network; it sees preprocessed inputs.
    preprocessing
        What becomes of the columns.
    targets
        The columns that are predicted.
    task, classes
        ``"classification"`` with the names of the classes, ``"multi-label"`` with those of the labels, or
        ``"regression"`` with none.
    outputs
        The scale of the target in regression.
    kind
        What the output units mean: a name in ``losses.LIKELIHOODS``; by default what goes with the task.
    training
        How it was trained: options, seed, scores. For people; nothing depends on it.
    """

    network: Any
    preprocessing: Preprocessing
    targets: tuple[str, ...]
    task: Task
    classes: tuple[str, ...]
    outputs: Standardiser
    kind: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.kind:
            object.__setattr__(self, "kind", suited(self.task, self.classes)[0])

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are read."""
        return self.preprocessing.columns

    @property
    def dtype(self) -> np.dtype:
        """The precision of the network."""
        return np.result_type(*nn.parameters(self.network).values())

    @property
    def likelihood(self) -> Likelihood:
        """The output units and the error that goes with them."""
        return LIKELIHOODS[self.kind]

    @property
    def units(self) -> int:
        """How many output units there are."""
        return self.likelihood.units(len(self.classes) or len(self.targets))

    @property
    def inputs_count(self) -> int:
        """How many inputs the network has: features, and behind them the numbers of learned vectors."""
        return len(self.preprocessing.features) + len(self.preprocessing.embedded)

    # ---------------------------------------------------------------------------------- prediction

    def predict(self, x: Any) -> Array:
        """Probabilities of shape (rows, classes), or numbers of shape (rows,), (rows, targets) if several.

        In a table or data frame columns are found by name, and others ignored; rows of an array hold the
        columns that the model reads, all of them numbers.
        """
        if hasattr(x, "columns"):
            return self.predict_table(x if isinstance(x, Table) else from_frame(x))
        return self.predict_inputs(self.inputs(Table.of_array(x, self.features)))

    def inputs(self, table: Table) -> Array:
        """A table as the network takes it."""
        return self.preprocessing.inputs(table, self.dtype)

    def predict_inputs(self, x: Array) -> Array:
        """The same for inputs as the network takes them."""
        with one_blas_thread():
            starts = range(0, max(1, len(x)), BLOCK)
            return np.concatenate([self.from_outputs(self.network(x[i : i + BLOCK])) for i in starts])

    def from_outputs(self, a: Array) -> Array:
        """What the pre-activations of the output units mean, in double precision."""
        return self.meaning(a.astype(np.float64))

    def meaning(self, a: Array) -> Array:
        """The same in the precision that they are in."""
        y = nn.activation_named(self.likelihood.activation)(a)
        if self.task == "regression":
            y = self.outputs.inverse(y)
            return y[:, 0] if len(self.targets) == 1 else y
        return np.concatenate([1 - y, y], axis=1) if y.shape[1] < len(self.classes) else y

    def predict_table(self, table: Table) -> Array:
        """Predictions for the rows of a table; columns are found by name, others ignored."""
        with np.errstate(over="ignore", invalid="ignore"):
            y = self.predict_inputs(self.inputs(table))
        _require_finite(y.reshape(len(table), -1), table)
        return y

    # ------------------------------------------------------------------------------------ training

    def targets_for_error(self, values: Array) -> Array:
        """Targets as the error of the output units takes them: columns of numbers, or indices of classes."""
        if self.kind == "classes":
            return values
        columns = values.reshape(len(values), -1)
        scaled = self.outputs(columns) if self.task == "regression" else columns
        return scaled.astype(self.dtype)


def _require_finite(y: Array, table: Table) -> None:
    wrong = np.flatnonzero(~np.isfinite(y).all(axis=1))
    if wrong.size:
        raise DataError(
            f"{table.where(int(wrong[0]))}: the values are too far from those of the training data "
            "to compute a prediction; check their units"
        )
