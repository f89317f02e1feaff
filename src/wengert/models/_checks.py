"""Whether the parts of a model go together, whoever wrote them down.

A file may say anything. Its parts are therefore made by their classes, which refuse what they cannot be, and
then tried: the network must turn one row of inputs into one row of outputs, in its own precision.
"""

from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np

from wengert import nn
from wengert._refusals import require
from wengert.core import tree
from wengert.data import Encoder, Preprocessing, Standardiser, Task
from wengert.losses import LIKELIHOODS
from wengert.models._embedded import Embedded
from wengert.models._model import Model, suited

Array = np.ndarray


def check_model(model: Model) -> None:
    """The parts must fit: features, vectors, outputs and classes.

    Raises
    ------
    ValueError, TypeError
        Where they do not.
    """
    check_network(model.network)
    require(model.task in get_args(Task), f"unknown task {model.task!r}")
    require(_are_names(model.classes) and _are_names(model.targets), "its classes are no names")
    require(bool(model.targets), "it predicts no column")
    require(model.kind in suited(model.task, model.classes), f"{model.kind!r} does not go with its task")
    _check_preprocessing(model.preprocessing)
    _check_vectors(model)
    _check_scale(model.outputs, len(model.targets) if model.task == "regression" else 1)
    _check_outputs(model)


def _are_names(names: tuple[Any, ...]) -> bool:
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _check_vectors(model: Model) -> None:
    vectors = model.network.embeddings if isinstance(model.network, Embedded) else ()
    categories = [encoder.categories for encoder in model.preprocessing.embedded]
    require([np.shape(v)[:1] for v in vectors] == [(n,) for n in categories], "its vectors do not fit")
    require(all(np.ndim(v) == 2 for v in vectors), "its vectors do not fit")


def _check_scale(outputs: Standardiser, count: int) -> None:
    require(outputs.mean.shape == outputs.scale.shape == (count,), "wrong scales")
    require(bool((outputs.scale > 0).all()), "a scale is not positive")


def _check_outputs(model: Model) -> None:
    """One row in, one row out."""
    precisions = {weights.dtype for weights in nn.parameters(model.network).values()}
    require(bool(precisions), "it has no weights")
    require(len(precisions) == 1, "its layers are not of one precision")
    with np.errstate(all="ignore"):
        y = model.network(np.zeros((1, model.inputs_count), model.dtype))
    require(isinstance(y, np.ndarray) and y.dtype == model.dtype, "its layers are not of one precision")
    require(y.shape == (1, LIKELIHOODS[model.kind].units(len(model.classes) or len(model.targets))),
            "wrong outputs")  # fmt: skip


# ------------------------------------------------------------------------------------------ columns


def _check_preprocessing(preprocessing: Preprocessing) -> None:
    require(_are_names(preprocessing.columns) and bool(preprocessing.columns), "its columns are no names")
    for encoder in preprocessing.encoders:
        _check_encoder(encoder)


def _check_encoder(encoder: Encoder) -> None:
    """Names are texts, counts are whole, scales are positive."""
    known = vars(encoder)
    require(all(holds(known[name]) for name, holds in FIELDS.items() if name in known),
            f"column {encoder.column!r} is described wrongly")  # fmt: skip
    labels = len(known.get("labels", ()))
    require(0 <= known["mode"] < labels if "mode" in known and labels else True, "a label is missing")


FIELDS: dict[str, Callable[[Any], bool]] = {
    "scale": lambda scale: scale > 0,
    "missing": lambda count: type(count) is int and count >= 0,
    "infinite": lambda count: type(count) is int and count >= 0,
    "labels": lambda labels: bool(labels) and _are_names(labels),
    "cycles": _are_names,
    "yes": lambda word: isinstance(word, str),
    "no": lambda word: isinstance(word, str),
}


# ---------------------------------------------------------------------------------- graphs of units


def check_network(network: Any) -> None:
    """Graphs of units must be feed-forward, and every number in them must be there."""
    for part in _parts(network):
        if isinstance(part, nn.UnitGraph):
            _check_units(part)


def _parts(network: Any) -> Iterator[Any]:
    """The network, and all layers in it."""
    yield network
    children = tree.fields_of(type(network))
    if children is not None:
        within = [getattr(network, name) for name in children[0]]
    else:
        within = list(network.values()) if isinstance(network, dict) else []
        within = list(network) if isinstance(network, tuple | list) else within
    for part in within:
        yield from _parts(part)


def _check_units(graph: nn.UnitGraph) -> None:
    topology = graph.topology
    require(isinstance(topology, nn.Topology), "a graph of units without connections")
    numbers = (graph.weights, graph.biases, graph.fixed)
    require(all(np.ndim(part) == 1 for part in numbers), "the numbers of its units do not fit")
    require(topology.size == sum(map(len, numbers)), "the numbers of its units do not fit")
    topology.check()
