r"""Networks of Keras, and lists of their weights.

A dense layer of Keras stores its weights as here,

.. math:: \mathbf z = h(\mathbf x \mathbf W + \mathbf b).

Layers are known by what they are called and what they have; Keras itself is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import nn
from wengert.errors import ExchangeError
from wengert.exchange._imported import flattened
from wengert.exchange._layers import filled

Array = np.ndarray

# Keras's names of activations that have another one here.
ACTIVATIONS = {
    "linear": nn.identity, "sigmoid": nn.logistic, "swish": nn.silu, "hard_sigmoid": None, "step": None,
    "leaky_relu": nn.activation_named("leaky_relu", slope=0.2), "gelu": nn.gelu,
}  # fmt: skip


def from_keras(model: Any, network: Any = None) -> Any:
    """A network of Keras as one of this package.

    Parameters
    ----------
    model : keras.Sequential, or list of arrays
        Layers one after the other; or the arrays that ``model.get_weights()`` gives.
    network
        For a list of arrays: a network with the same layers in the same order, which gets them.

    Returns
    -------
    network
        A :class:`wengert.nn.Sequential`; for a list of arrays, one like ``network``.

    Raises
    ------
    ExchangeError
        Where a layer or an activation of Keras has none here, or the arrays are not those of the network.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (2, 1))
    >>> from_keras([np.array([[3.0], [4.0]]), np.zeros(1)], network)(np.ones(2))
    array([7.])
    """
    if isinstance(model, list | tuple):
        return _from_list(model, network)
    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    return nn.Sequential(tuple(found for layer in layers for found in _made(layer)))


def _made(layer: Any) -> list[Any]:
    kind, where = type(layer).__name__, f"layer {getattr(layer, 'name', '?')!r}"
    if kind not in LAYERS:
        raise ExchangeError(
            f"{where}: {kind} makes no layer here; export the model to ONNX and use from_onnx"
        )
    found = LAYERS[kind](layer, where)
    return found if isinstance(found, list) else [found]


def _activation(function: Any, where: str) -> Callable[..., Any]:
    name = getattr(function, "__name__", str(function))
    found = ACTIVATIONS.get(name, nn.ACTIVATIONS.get(name))
    if found is None:
        raise ExchangeError(f"{where}: the activation {name} is not known here")
    return found


def _dense(layer: Any, where: str) -> Any:
    weights, *rest = map(np.array, layer.get_weights())
    return nn.Dense(weights, rest[0] if rest else None, _activation(layer.activation, where))


def _batch_norm(layer: Any, where: str) -> Any:
    arrays = list(map(np.array, layer.get_weights()))
    *_, mean, variance = arrays
    scale = arrays.pop(0) if layer.scale else np.ones_like(mean)
    shift = arrays.pop(0) if layer.center else np.zeros_like(mean)
    momentum = round(1 - float(layer.momentum), 12)
    return nn.BatchNorm(scale, shift, mean, variance, momentum, float(layer.epsilon))


def _layer_norm(layer: Any, where: str) -> Any:
    if not (layer.scale and layer.center):
        raise ExchangeError(f"{where}: it has no scale, or no center; a layer here has both")
    scale, shift = map(np.array, layer.get_weights())
    return nn.LayerNorm(scale, shift, float(layer.epsilon))


def _function(name: str, option: str, *attributes: str) -> Callable[..., Any]:
    def make(layer: Any, where: str) -> Any:
        value = next(float(getattr(layer, a)) for a in attributes if hasattr(layer, a))
        return nn.Function(nn.activation_named(name, **{option: value}))

    return make


def _relu(layer: Any, where: str) -> Any:
    if layer.max_value is not None or layer.threshold:
        raise ExchangeError(f"{where}: it is cut, or has a threshold; a rectifier here has neither")
    return nn.Function(
        nn.activation_named("leaky_relu", slope=float(layer.negative_slope))
        if layer.negative_slope
        else nn.relu
    )


LAYERS: dict[str, Callable[[Any, str], Any]] = {
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Embedding": lambda layer, where: nn.Embedding(np.array(layer.get_weights()[0])),
    "Dropout": lambda layer, where: nn.Dropout(float(layer.rate)),
    "Flatten": lambda layer, where: nn.Function(flattened),
    "Activation": lambda layer, where: nn.Function(_activation(layer.activation, where)),
    "ReLU": _relu,
    "LeakyReLU": _function("leaky_relu", "slope", "negative_slope", "alpha"),
    "ELU": _function("elu", "alpha", "alpha"),
    "PReLU": lambda layer, where: nn.PReLU(np.array(layer.get_weights()[0]).reshape(-1)),
    "Softmax": lambda layer, where: nn.Function(nn.softmax),
    "Sequential": lambda layer, where: [found for inner in layer.layers for found in _made(inner)],
}


def _from_list(weights: Sequence[Any], network: Any) -> Any:
    if network is None:
        raise ExchangeError(
            "a list of weights has arrays and no layers; give a network with the same layers in the same "
            "order as the second argument"
        )
    arrays = list(map(np.asarray, weights))
    found = filled(network, lambda layer, stored: _next(arrays, len(stored), layer))
    if arrays:
        raise ExchangeError(f"{len(arrays)} arrays are left over, the first of shape {arrays[0].shape}")
    return found


def _next(arrays: list[Array], count: int, layer: Any) -> list[Array]:
    if len(arrays) < count:
        raise ExchangeError(f"the list has no arrays left for {layer!r}")
    taken, arrays[:] = arrays[:count], arrays[count:]
    return taken
