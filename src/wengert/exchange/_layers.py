"""Where other libraries keep the arrays of a layer, and by which names they know activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from wengert import nn
from wengert.errors import ExchangeError

Array = np.ndarray


class Stored(NamedTuple):
    """An array of a layer: its field here, its name in PyTorch, and whether it is transposed there."""

    field: str
    name: str
    turned: bool = False


# In the order in which PyTorch and Keras list them.
STORED: dict[type, tuple[Stored, ...]] = {
    nn.Dense: (Stored("weights", "weight", True), Stored("biases", "bias")),
    nn.BatchNorm: (
        Stored("scale", "weight"),
        Stored("shift", "bias"),
        Stored("mean", "running_mean"),
        Stored("variance", "running_var"),
    ),
    nn.LayerNorm: (Stored("scale", "weight"), Stored("shift", "bias")),
    nn.PReLU: (Stored("slopes", "weight"),),
    nn.Embedding: (Stored("weights", "weight"),),
}


def stored_in(layer: Any) -> list[Stored]:
    """The arrays that a layer has."""
    return [s for s in STORED.get(type(layer), ()) if getattr(layer, s.field) is not None]


def layers_of(network: Any) -> Iterator[Any]:
    """The single layers of a network, one after the other."""
    inner = getattr(network, "layers", None)
    if inner is None:
        yield network
        return
    for layer in inner.values() if isinstance(inner, Mapping) else inner:
        yield from layers_of(layer)


def with_layers(network: Any, layers: Iterator[Any]) -> Any:
    """The network with these single layers in place of its own, one after the other."""
    inner = getattr(network, "layers", None)
    if inner is None:
        return next(layers)
    if isinstance(inner, Mapping):
        return replace(network, layers={name: with_layers(layer, layers) for name, layer in inner.items()})
    return replace(network, layers=tuple(with_layers(layer, layers) for layer in inner))


def filled(network: Any, take: Callable[[Any, list[Stored]], list[Array]]) -> Any:
    """The network with arrays from elsewhere: ``take(layer, stored)`` lists those of a layer."""

    def layer_filled(layer: Any) -> Any:
        stored = stored_in(layer)
        if not stored:
            return layer
        arrays = {s.field: checked(layer, s, a) for s, a in zip(stored, take(layer, stored), strict=True)}
        return replace(layer, **arrays)

    return with_layers(network, map(layer_filled, layers_of(network)))


def checked(layer: Any, stored: Stored, value: Array) -> Array:
    """An array of another library in the dtype of the layer's own, if it has its shape."""
    own = getattr(layer, stored.field)
    if np.shape(value) != own.shape:
        raise ExchangeError(
            f"{stored.field} of {layer!r} has the shape {own.shape}, and what is given {np.shape(value)}; "
            "give a network with the same layers"
        )
    return np.array(value, own.dtype)
