"""Model files: ``.wengert``, one for all that a model is.

Version 1 knew columns of numbers and dense layers, version 2 a preprocessing; version 3 holds any network of
:mod:`wengert.nn`, with the columns of a table or by itself. All are read, version 3 is written.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert import _sealed, nn
from wengert._files import write_atomically
from wengert.data import Preprocessing, Standardiser
from wengert.errors import ModelFileError
from wengert.models._checks import check_model, check_network
from wengert.models._embedded import Embedded
from wengert.models._model import Model
from wengert.models._networks import built, described

Array = np.ndarray
Arrays = Mapping[str, Array]
Description = Mapping[str, Any]

KIND = _sealed.Kind("model", 3, "`wengert train`", "copy or train it again", ModelFileError)
# Names of arrays beside those of the network.
COLUMNS, MEAN, SCALE = "model.preprocessing", "model.outputs.mean", "model.outputs.scale"


# ------------------------------------------------------------------------------------------ writing


def to_bytes(model: Model) -> bytes:
    """The content of a model file; equal models give equal bytes."""
    network, arrays = described(model.network)
    columns, numbers = model.preprocessing.state()
    table = {
        "task": model.task,
        "kind": model.kind,
        "targets": list(model.targets),
        "classes": list(model.classes),
        "preprocessing": columns,
    }
    arrays |= {COLUMNS: numbers, MEAN: model.outputs.mean, SCALE: model.outputs.scale}
    description = {"network": network, "table": table, "training": dict(model.training)}
    return _sealed.to_bytes(KIND, arrays, description)


def network_to_bytes(network: Any) -> bytes:
    """The content of a model file that holds a network and no columns."""
    description, arrays = described(network)
    return _sealed.to_bytes(KIND, arrays, {"network": description, "table": None, "training": {}})


def save(model: Model, path: str | Path) -> None:
    """Write a model file, whole or not at all."""
    write_atomically(path, to_bytes(model))


def save_network(network: Any, path: str | Path) -> None:
    """Write a network by itself into a model file, whole or not at all.

    Parameters
    ----------
    network
        Any tree of layers of :mod:`wengert.nn`, with activations of :mod:`wengert.nn` or universal functions
        of NumPy.
    path
        The file; one that is there already is replaced.

    Raises
    ------
    ModelFileError
        Where a part cannot be stored, such as a function of your own; the message says which.

    Examples
    --------
    >>> import tempfile
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3), "elu(alpha=0.5)", dropout=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(network, f"{folder}/network.wengert")
    ...     load_network(f"{folder}/network.wengert") == network
    True
    """
    write_atomically(path, network_to_bytes(network))


# ------------------------------------------------------------------------------------------ reading


def load(path: str | Path) -> Model:
    """Read a model file.

    Raises
    ------
    ModelFileError
        When the file is not there, not a model, damaged, or written by a newer version.
    """
    return from_bytes(_sealed.read(KIND, Path(path)), str(path))


def open_file(path: str | Path) -> Any:
    """The model in a file, or the network where there are no columns; errors as in :func:`load`."""
    return _read(_sealed.read(KIND, Path(path)), str(path))


def from_bytes(content: bytes, source: str = "model") -> Model:
    """The model whose file content this is."""
    model = _read(content, source)
    if not isinstance(model, Model):
        raise ModelFileError(
            f"{source}: holds a network without the columns of a table; "
            "read it with wengert.models.load_network"
        )
    return model


def load_network(path: str | Path) -> Any:
    """The network in a model file, with columns or without; the example is at :func:`save_network`.

    Raises
    ------
    ModelFileError
        When the file is not there, not a model, damaged, or written by a newer version.
    """
    return network_from_bytes(_sealed.read(KIND, Path(path)), str(path))


def network_from_bytes(content: bytes, source: str = "model") -> Any:
    """The network of a model file with this content."""
    found = _read(content, source)
    return found.network if isinstance(found, Model) else found


def _read(content: bytes, source: str) -> Any:
    """The model, or the network if there are no columns."""
    description = _sealed.description_of(KIND, content, source)
    try:
        arrays = _sealed.arrays_of(KIND, content, description)
        return READ[description["version"]](arrays, description)
    except ModelFileError as error:
        raise ModelFileError(f"{source}: {error}") from error
    except WRONG as error:
        why = " ".join(str(error).split())[:200]
        raise ModelFileError(f"{source}: damaged model file ({why}); train or copy it again") from error


WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def _read_3(arrays: Arrays, description: Description) -> Any:
    table = description["table"]
    others = {} if table is None else {name: arrays[name] for name in (COLUMNS, MEAN, SCALE)}
    own = {name: array for name, array in arrays.items() if name not in others}
    network = built(description["network"], own)
    if table is None:
        check_network(network)
        return network
    columns = _Columns(
        Preprocessing.from_state(table["preprocessing"], _numbers(others[COLUMNS])), tuple(table["targets"])
    )
    return _checked(network, columns, others[MEAN], others[SCALE], {**description, **table})


class _Columns(NamedTuple):
    """What is read, and what is predicted."""

    preprocessing: Preprocessing
    targets: tuple[str, ...]


def _numbers(array: Array) -> Array:
    if array.dtype != np.float64 or not np.isfinite(array).all():
        raise ValueError("the numbers of its columns are not finite")
    return array


def _checked(network: Any, columns: _Columns, mean: Array, scale: Array, description: Description) -> Model:
    """The model of these parts, if they go together."""
    model = Model(
        network=network,
        preprocessing=columns.preprocessing,
        targets=columns.targets,
        task=description["task"],
        classes=tuple(description["classes"]),
        outputs=Standardiser(_numbers(mean), _numbers(scale)),
        kind=description.get("kind", ""),
        training=dict(description["training"]),
    )
    check_model(model)
    return model


# -------------------------------------------------------------------------------- earlier versions


def _read_dense(arrays: Arrays, description: Description, columns: _Columns) -> Model:
    """Versions 1 and 2: dense layers by number, behind vectors for columns of categories."""
    names = description["activations"]
    layers = [
        nn.Dense(arrays[f"layers.{i}.weights"], arrays[f"layers.{i}.biases"], nn.activation_named(str(name)))
        for i, name in enumerate(names)
    ]
    network, embedded = nn.MLP(tuple(layers)), len(columns.preprocessing.embedded)
    vectors = tuple(arrays[f"embeddings.{i}"] for i in range(embedded))
    behind = Embedded(vectors, network) if embedded else network
    return _checked(behind, columns, arrays["outputs.mean"], arrays["outputs.scale"], description)


def _read_1(arrays: Arrays, description: Description) -> Model:
    scale = _numbers(arrays["inputs.mean"]), _numbers(arrays["inputs.scale"])
    columns = Preprocessing.of_numbers(description["features"], *scale)
    return _read_dense(arrays, description, _Columns(columns, (description["target"],)))


def _read_2(arrays: Arrays, description: Description) -> Model:
    columns = Preprocessing.from_state(description["preprocessing"], _numbers(arrays["preprocessing"]))
    return _read_dense(arrays, description, _Columns(columns, tuple(description["targets"])))


READ: dict[int, Callable[[Arrays, Description], Any]] = {1: _read_1, 2: _read_2, 3: _read_3}
