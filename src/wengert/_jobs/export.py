"""Models for other programs: from the columns of a table to probabilities or numbers, in one file."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from wengert import nn
from wengert.data import MISSING_CODE, UNSEEN_CODE, Encoder, Standardiser
from wengert.errors import SettingError
from wengert.exchange import TARGETS
from wengert.models import Model

Array = np.ndarray


def exported(found: Any, language: str, inputs: int | None = None) -> bytes:
    """The content of the file for a model, or for a network by itself."""
    write = TARGETS[language]
    if isinstance(found, Model) and inputs is not None:
        raise SettingError("--inputs is for a network by itself; this model takes columns, leave it out")
    content = _of_model(write, found) if isinstance(found, Model) else _of_network(write, found, inputs)
    return content if isinstance(content, bytes) else content.encode()


def outputs_of(found: Any) -> dict[str, list[str]]:
    """What the columns of the output stand for, by its name; nothing for a network by itself."""
    if not isinstance(found, Model):
        return {}
    return {_name_of_outputs(found): list(found.classes or found.targets)}


def _of_model(write: Callable[..., Any], model: Model) -> Any:
    """From columns, of which words are given as such where the language has words."""
    encoders = model.preprocessing.encoders
    ordered = model.preprocessing.numeric + model.preprocessing.embedded
    words = {e.column: _codes(e) for e in encoders if hasattr(e, "labels")}

    def preprocessing(columns: dict[str, Array]) -> Array:
        parts = [encoder.apply(columns[encoder.column]) for encoder in ordered]
        return np.concatenate(parts, axis=1).astype(model.dtype)

    return write(
        model.network,
        {e.column: _example(e) for e in encoders},
        preprocessing=preprocessing,
        postprocessing=replace(model, outputs=_narrowed(model)).meaning,
        words=words,
        names=("x", _name_of_outputs(model)),
        about={e.column: ABOUT.get(e.kind, "").format(e) for e in encoders} | _about_outputs(model),
    )


# What a column holds, by the kind of its encoder; of words, the exported file says it by itself.
ABOUT = {
    "number": "in the unit of training (mean {0.mean:.4g}, deviation {0.scale:.4g}), NaN where missing",
    "boolean": "1 for {0.yes}, -1 for {0.no}, NaN where missing",
    "date": "days since 1970-01-01 in UTC, with fractions, NaN where missing",
}


def _example(encoder: Encoder) -> Array:
    """Two rows of a usual entry, as the exported model takes it."""
    if hasattr(encoder, "labels"):
        return np.zeros(2, np.int32)
    return np.full(2, float(f"{getattr(encoder, 'mean', 1.0):.4g}"))


def _about_outputs(model: Model) -> dict[str, str]:
    """What the columns of the output stand for."""
    names = model.classes or model.targets
    listed = f"of {', '.join(names)}" + ", in this order" * (len(names) > 1)
    unit = "" if model.classes else ", in the unit of training"
    return {_name_of_outputs(model): listed + unit}


def _narrowed(model: Model) -> Standardiser:
    """The scale of the target in the precision of the network, which then is that of all that is computed."""
    return Standardiser(model.outputs.mean.astype(model.dtype), model.outputs.scale.astype(model.dtype))


def _name_of_outputs(model: Model) -> str:
    return "prediction" if model.task == "regression" else "probabilities"


def _codes(encoder: Encoder) -> dict[str | None, int]:
    """The number of each word, that of nothing, and that of every other word."""
    labels: tuple[str, ...] = encoder.labels  # type: ignore[attr-defined]
    return {**{label: code for code, label in enumerate(labels)}, "": MISSING_CODE, None: UNSEEN_CODE}


def _of_network(write: Callable[..., Any], network: Any, inputs: int | None) -> Any:
    count = inputs or _inputs_of(network)
    if count is None:
        raise SettingError("the network does not say how many inputs it has; write for instance --inputs 4")
    return write(network, count)


def _inputs_of(network: Any) -> int | None:
    if isinstance(network, nn.MLP):
        return network.sizes[0]
    if isinstance(network, nn.UnitGraph):
        return len(network.topology.inputs)
    return int(network.weights.shape[0]) if isinstance(network, nn.Dense | nn.Perceptron) else None
