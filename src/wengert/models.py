r"""A model: a trained network with all that is needed to use it on a table.

The outputs of the network are pre-activations; what they mean depends on the task,

.. math:: y = a \;\text{(number)}, \qquad y = \sigma(a) \;\text{(two classes)}, \qquad
          y_k = \frac{e^{a_k}}{\sum_j e^{a_j}} \;\text{(more)},

each with the error that goes with it by likelihood: squares, binary cross-entropy, categorical cross-entropy.

A model file, ``.wengert``, holds the arrays and a description of what they mean; see :mod:`wengert._sealed`.
Nothing in it is executed on loading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from wengert import _sealed, nn
from wengert._files import write_atomically
from wengert.data import Standardiser, Table, Task, numbers
from wengert.errors import DataError, ModelFileError
from wengert.losses import LIKELIHOODS, Likelihood

Array = np.ndarray

KIND = _sealed.Kind("model", 1, "`wengert train`", "copy or train it again", ModelFileError)


# -------------------------------------------------------------------------------------------- tasks


def output_for(task: Task, classes: Sequence[str]) -> Likelihood:
    """Output units and error paired by likelihood."""
    if task == "regression":
        return LIKELIHOODS["number"]
    return LIKELIHOODS["two classes" if len(classes) == 2 else "classes"]


def output_units(task: Task, classes: Sequence[str]) -> int:
    """How many output units there are: for one number, or for these classes."""
    return output_for(task, classes).units(len(classes) or 1)


def network_targets(output: Likelihood, values: Array, dtype: Any) -> Array:
    """Targets as the error of these output units takes them: a column, or class indices."""
    return values if output is LIKELIHOODS["classes"] else values[:, None].astype(dtype)


# -------------------------------------------------------------------------------------------- model


@dataclass(frozen=True)
class Model:
    """A network, the columns it reads and predicts, and how they are scaled.

    Attributes
    ----------
    network
        The network; it sees standardised inputs.
    features, target
        Names of the columns.
    task, classes
        ``"classification"`` with the names of the classes, or ``"regression"`` with none.
    inputs, outputs
        The scales of the inputs and, in regression, of the target.
    training
        How it was trained: options, seed, scores. For people; nothing depends on it.
    """

    network: nn.MLP
    features: tuple[str, ...]
    target: str
    task: Task
    classes: tuple[str, ...]
    inputs: Standardiser
    outputs: Standardiser
    training: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, x: Array) -> Array:
        """Probabilities of shape (rows, classes), or predicted numbers of shape (rows,)."""
        with threadpool_limits(1, user_api="blas"):
            return self.from_outputs(self.network(self.scaled(x)))

    def scaled(self, x: Array) -> Array:
        """Inputs as the network takes them."""
        with np.errstate(over="ignore"):
            return self.inputs(x).astype(self.network.layers[0].weights.dtype)

    def from_outputs(self, a: Array) -> Array:
        """What the pre-activations of the output units mean."""
        a = a.astype(np.float64)
        if self.task == "regression":
            return self.outputs.inverse(a[:, 0])
        y = nn.activation_named(output_for(self.task, self.classes).activation)(a)
        return np.concatenate([1 - y, y], axis=1) if len(self.classes) == 2 else y

    def predict_table(self, table: Table) -> Array:
        """Predictions for the rows of a table; columns are found by name, others ignored."""
        x = numbers(table, self.features)
        with np.errstate(over="ignore", invalid="ignore"):
            y = self.predict(x)
        _require_finite(y.reshape(len(x), -1), table)
        return y


def _require_finite(y: Array, table: Table) -> None:
    wrong = np.flatnonzero(~np.isfinite(y).all(axis=1))
    if wrong.size:
        raise DataError(
            f"{table.where(int(wrong[0]))}: the values are too far from those of the training data "
            "to compute a prediction; check their units"
        )


# --------------------------------------------------------------------------------------------- files


def to_bytes(model: Model) -> bytes:
    """The content of a model file; equal models give equal bytes."""
    return _sealed.to_bytes(KIND, _arrays(model), _describe(model))


def save(model: Model, path: str | Path) -> None:
    """Write a model file, whole or not at all."""
    write_atomically(path, to_bytes(model))


def load(path: str | Path) -> Model:
    """Read a model file.

    Raises
    ------
    ModelFileError
        When the file is not there, not a model, damaged, or written by a newer version.
    """
    return from_bytes(_sealed.read(KIND, Path(path)), str(path))


def from_bytes(content: bytes, source: str = "model") -> Model:
    """The model whose file content this is."""
    description = _sealed.description_of(KIND, content, source)
    try:
        return _build(_sealed.arrays_of(KIND, content, description), description)
    except ModelFileError as error:
        raise ModelFileError(f"{source}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelFileError(f"{source}: damaged model file ({error}); train or copy it again") from error


def is_model(path: str | Path) -> bool:
    """Whether a file is a model of any version, intact or not."""
    return _sealed.is_of(KIND, _sealed.read(KIND, Path(path)))


def _describe(model: Model) -> dict[str, Any]:
    return {
        "task": model.task,
        "target": model.target,
        "classes": list(model.classes),
        "features": list(model.features),
        "activations": [layer.activation.__name__ for layer in model.network.layers],
        "training": dict(model.training),
    }


def _arrays(model: Model) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for i, layer in enumerate(model.network.layers):
        arrays |= {f"layers.{i}.weights": layer.weights, f"layers.{i}.biases": layer.biases}
    for name, scale in (("inputs", model.inputs), ("outputs", model.outputs)):
        arrays |= {f"{name}.mean": scale.mean, f"{name}.scale": scale.scale}
    return arrays


def _build(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> Model:
    model = Model(
        network=nn.MLP(tuple(_layer(arrays, i, name) for i, name in enumerate(description["activations"]))),
        features=tuple(description["features"]),
        target=description["target"],
        task=description["task"],
        classes=tuple(description["classes"]),
        inputs=Standardiser(arrays["inputs.mean"], arrays["inputs.scale"]),
        outputs=Standardiser(arrays["outputs.mean"], arrays["outputs.scale"]),
        training=description["training"],
    )
    _check_shapes(model)
    return model


def _layer(arrays: Mapping[str, Array], i: int, activation: str) -> nn.Dense:
    return nn.Dense(
        arrays[f"layers.{i}.weights"], arrays[f"layers.{i}.biases"], nn.activation_named(activation)
    )


def _check_shapes(model: Model) -> None:
    """The parts must fit: features, layers and classes."""
    sizes = [len(model.features)]
    for layer in model.network.layers:
        sizes.append(layer.biases.size)
        _require(layer.weights.shape == tuple(sizes[-2:]), "its layers do not fit together")
    _require(model.task in ("classification", "regression"), f"unknown task {model.task!r}")
    _require(sizes[-1] == output_units(model.task, model.classes), "wrong outputs")
    _require(model.inputs.mean.shape == model.inputs.scale.shape == (sizes[0],), "wrong scales")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise KIND.damaged(what)
