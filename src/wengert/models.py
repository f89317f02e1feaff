r"""A model: a trained network with all that is needed to use it on a table.

The outputs of the network are pre-activations; what they mean depends on the task,

.. math:: y = a \;\text{(number)}, \qquad y = \sigma(a) \;\text{(two classes)}, \qquad
          y_k = \frac{e^{a_k}}{\sum_j e^{a_j}} \;\text{(more)}, \qquad
          y_k = \sigma(a_k) \;\text{(labels)},

each with the error that goes with it by likelihood: squares, binary cross-entropy, categorical cross-entropy.

A model file, ``.wengert``, holds the arrays and a description of what they mean; see :mod:`wengert._sealed`.
Nothing in it is executed on loading. Version 1 knew columns of numbers alone; version 2
holds a preprocessing. Both are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from wengert import _sealed, nn
from wengert._files import write_atomically
from wengert.data import Preprocessing, Standardiser, Table, Task
from wengert.errors import DataError, ModelFileError
from wengert.losses import LIKELIHOODS, Likelihood

Array = np.ndarray

KIND = _sealed.Kind("model", 2, "`wengert train`", "copy or train it again", ModelFileError)
BLOCK = 1 << 13  # rows predicted at a time, so that the activations of all are never held at once


# -------------------------------------------------------------------------------------------- tasks


def output_for(task: Task, classes: Sequence[str]) -> Likelihood:
    """Output units and error paired by likelihood."""
    if task == "regression":
        return LIKELIHOODS["number"]
    if task == "multi-label":
        return LIKELIHOODS["labels"]
    return LIKELIHOODS["two classes" if len(classes) == 2 else "classes"]


def output_units(task: Task, classes: Sequence[str], targets: int = 1) -> int:
    """How many output units there are: for these classes, or for so many numbers."""
    return output_for(task, classes).units(len(classes) or targets)


def network_targets(output: Likelihood, values: Array, dtype: Any) -> Array:
    """Targets as the error of these output units takes them: columns, or class indices."""
    return values if output is LIKELIHOODS["classes"] else values.reshape(len(values), -1).astype(dtype)


# -------------------------------------------------------------------------------------------- model


@dataclass(frozen=True)
class Embedded:
    r"""A perceptron some of whose inputs are numbers of categories, each replaced by a learned vector.

    .. math:: \mathbf y = f(x_1, \ldots, x_D, \mathbf w_{1 c_1}, \ldots, \mathbf w_{K c_K})

    Attributes
    ----------
    embeddings
        For each of the last *K* inputs, an array of shape (categories, units).
    network
        What sees the other inputs and the vectors.
    """

    embeddings: tuple[Array, ...]
    network: nn.MLP

    @property
    def layers(self) -> tuple[nn.Dense, ...]:
        """The layers behind the vectors."""
        return self.network.layers

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs and units behind the vectors."""
        return self.network.sizes

    def __call__(self, x: Array) -> Array:
        """The outputs for a batch of patterns."""
        numeric = x.shape[1] - len(self.embeddings)
        codes = [x[:, numeric + i].astype(np.int64) for i in range(len(self.embeddings))]
        vectors = [weights[c] for weights, c in zip(self.embeddings, codes)]
        return self.network(np.concatenate([x[:, :numeric], *vectors], axis=1))


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
    training
        How it was trained: options, seed, scores. For people; nothing depends on it.
    """

    network: nn.MLP | Embedded
    preprocessing: Preprocessing
    targets: tuple[str, ...]
    task: Task
    classes: tuple[str, ...]
    outputs: Standardiser
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are read."""
        return self.preprocessing.columns

    @property
    def dtype(self) -> np.dtype:
        """The precision of the network."""
        return self.network.layers[0].weights.dtype

    def predict(self, x: Array) -> Array:
        """Probabilities of shape (rows, classes), or numbers of shape (rows,), (rows, targets) if several.

        Rows of ``x`` hold the columns that the model reads, all of them numbers.
        """
        return self.predict_inputs(self.inputs(Table.of_array(x, self.features)))

    def inputs(self, table: Table) -> Array:
        """A table as the network takes it."""
        return self.preprocessing.inputs(table, self.dtype)

    def predict_inputs(self, x: Array) -> Array:
        """The same for inputs as the network takes them."""
        with threadpool_limits(1, user_api="blas"):
            starts = range(0, max(1, len(x)), BLOCK)
            return np.concatenate([self.from_outputs(self.network(x[i : i + BLOCK])) for i in starts])

    def from_outputs(self, a: Array) -> Array:
        """What the pre-activations of the output units mean."""
        a = a.astype(np.float64)
        if self.task == "regression":
            y = self.outputs.inverse(a)
            return y[:, 0] if len(self.targets) == 1 else y
        y = nn.activation_named(output_for(self.task, self.classes).activation)(a)
        return np.concatenate([1 - y, y], axis=1) if y.shape[1] < len(self.classes) else y

    def predict_table(self, table: Table) -> Array:
        """Predictions for the rows of a table; columns are found by name, others ignored."""
        with np.errstate(over="ignore", invalid="ignore"):
            y = self.predict_inputs(self.inputs(table))
        _require_finite(y.reshape(len(table), -1), table)
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
        "targets": list(model.targets),
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.state()[0],
        "activations": [layer.activation.__name__ for layer in model.network.layers],
        "training": dict(model.training),
    }


def _arrays(model: Model) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for i, layer in enumerate(model.network.layers):
        arrays |= {f"layers.{i}.weights": layer.weights, f"layers.{i}.biases": layer.biases}
    if isinstance(model.network, Embedded):
        arrays |= {f"embeddings.{i}": weights for i, weights in enumerate(model.network.embeddings)}
    arrays["preprocessing"] = model.preprocessing.state()[1]
    arrays |= {"outputs.mean": model.outputs.mean, "outputs.scale": model.outputs.scale}
    return arrays


def _build(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> Model:
    preprocessing, targets = READ[description["version"]](arrays, description)
    layers = tuple(_layer(arrays, i, name) for i, name in enumerate(description["activations"]))
    model = Model(
        network=_network(nn.MLP(layers), arrays, len(preprocessing.embedded)),
        preprocessing=preprocessing,
        targets=targets,
        task=description["task"],
        classes=tuple(description["classes"]),
        outputs=Standardiser(arrays["outputs.mean"], arrays["outputs.scale"]),
        training=description["training"],
    )
    _check_shapes(model)
    return model


Read = tuple[Preprocessing, tuple[str, ...]]


def _read_1(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> Read:
    """Version 1: columns of numbers, one target."""
    scale = arrays["inputs.mean"], arrays["inputs.scale"]
    return Preprocessing.of_numbers(description["features"], *scale), (description["target"],)


def _read_2(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> Read:
    preprocessing = Preprocessing.from_state(description["preprocessing"], arrays["preprocessing"])
    return preprocessing, tuple(description["targets"])


READ = {1: _read_1, 2: _read_2}


def _network(network: nn.MLP, arrays: Mapping[str, Array], embedded: int) -> nn.MLP | Embedded:
    embeddings = tuple(arrays[f"embeddings.{i}"] for i in range(embedded))
    return Embedded(embeddings, network) if embedded else network


def _layer(arrays: Mapping[str, Array], i: int, activation: str) -> nn.Dense:
    return nn.Dense(
        arrays[f"layers.{i}.weights"], arrays[f"layers.{i}.biases"], nn.activation_named(activation)
    )


def _check_shapes(model: Model) -> None:
    """The parts must fit: features, vectors, layers and classes."""
    embeddings = model.network.embeddings if isinstance(model.network, Embedded) else ()
    rows = [weights.shape[0] for weights in embeddings]
    _require(rows == [e.categories for e in model.preprocessing.embedded], "its vectors do not fit")
    sizes = [len(model.preprocessing.features) + sum(weights.shape[1] for weights in embeddings)]
    for layer in model.network.layers:
        sizes.append(layer.weights.shape[-1])
        _require(layer.weights.shape == tuple(sizes[-2:]), "its layers do not fit together")
    _require(model.task in get_args(Task), f"unknown task {model.task!r}")
    units = output_units(model.task, model.classes, len(model.targets))
    scales = len(model.targets) if model.task == "regression" else 1
    _require(sizes[-1] == units, "wrong outputs")
    _require(model.outputs.mean.shape == model.outputs.scale.shape == (scales,), "wrong scales")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise KIND.damaged(what)
