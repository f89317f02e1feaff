r"""Networks of PyTorch, and their arrays by PyTorch's names.

A linear layer of PyTorch stores the transpose of the weights here, a row for each unit,

.. math:: \mathbf z = \mathbf x \mathbf A^T + \mathbf b, \qquad \mathbf W = \mathbf A^T.

Modules are known by what they are called and what they have; PyTorch itself is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from wengert import nn
from wengert.errors import ExchangeError
from wengert.exchange._imported import flattened
from wengert.exchange._layers import Stored, filled, stored_in

Array = np.ndarray
Module = Any


def from_torch(model: Any, network: Any = None) -> Any:
    """A network of PyTorch as one of this package.

    Parameters
    ----------
    model : torch.nn.Sequential, or state dict
        Layers one after the other; or the arrays of any model by their names.
    network
        For a state dict: a network with the same layers in the same order, which gets these arrays.

    Returns
    -------
    network
        A :class:`wengert.nn.Sequential`; for a state dict, one like ``network``.

    Raises
    ------
    ExchangeError
        Where a module makes no layer here, or the arrays are not those of the network.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (2, 1))
    >>> from_torch({"0.weight": np.array([[3.0, 4.0]]), "0.bias": np.zeros(1)}, network)(np.ones(2))
    array([7.])
    """
    if isinstance(model, Mapping):
        return _from_state(model, network)
    return _layer(model, type(model).__name__)


def to_torch_state_dict(network: Any) -> dict[str, Array]:
    """The arrays of a network as a state dict of PyTorch, as NumPy arrays.

    They are those of a ``torch.nn.Sequential`` in which every activation but the identity is a module of its
    own: ``model.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})``.

    Parameters
    ----------
    network
        A network of layers one after the other.

    Raises
    ------
    ExchangeError
        Where paths part, so that the modules are in no order.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3), "tanh")
    >>> {name: array.shape for name, array in to_torch_state_dict(network).items()}
    {'0.weight': (8, 4), '0.bias': (8,), '2.weight': (3, 8), '2.bias': (3,)}
    """
    return dict(_named_arrays(network, ""))


# --- modules to layers ------------------------------------------------------------------------------------


def _array(module: Module, name: str, where: str) -> Array | None:
    """An array of a module as a NumPy array of our own; None where it has none."""
    value = getattr(module, name, None)
    if value is None:
        return None
    if not hasattr(value, "detach"):
        raise ExchangeError(f"{where}: its {name} is no tensor but a {type(value).__name__}")
    return np.array(value.detach().cpu().numpy())


def _linear(m: Module, where: str) -> Any:
    weights: Any = _array(m, "weight", where)
    return nn.Dense(np.ascontiguousarray(weights.T), _array(m, "bias", where), nn.identity)


def _batch_norm(m: Module, where: str) -> Any:
    arrays: list[Any] = [_array(m, s, where) for s in ("weight", "bias", "running_mean", "running_var")]
    scale, shift, mean, variance = arrays
    if mean is None or variance is None:
        raise ExchangeError(f"{where}: without running statistics its predictions depend on the batch")
    scale = np.ones_like(mean) if scale is None else scale
    shift = np.zeros_like(mean) if shift is None else shift
    return nn.BatchNorm(scale, shift, mean, variance, _momentum(m, where), float(m.eps))


def _momentum(m: Module, where: str) -> float:
    if m.momentum is None:
        raise ExchangeError(
            f"{where}: momentum=None, an average over all batches, makes no layer; set a number"
        )
    return float(m.momentum)


def _layer_norm(m: Module, where: str) -> Any:
    if len(m.normalized_shape) != 1:
        raise ExchangeError(f"{where}: it goes over several axes; a layer here goes over the last")
    scale, shift = _array(m, "weight", where), _array(m, "bias", where)
    scale = np.ones(m.normalized_shape, np.float32) if scale is None else scale
    return nn.LayerNorm(scale, np.zeros_like(scale) if shift is None else shift, float(m.eps))


def _softplus(m: Module, where: str) -> Any:
    if m.beta != 1:
        raise ExchangeError(f"{where}: its beta is {m.beta}; 1 makes a layer")
    return nn.Function(nn.softplus)


def _hard_tanh(m: Module, where: str) -> Any:
    if (m.min_val, m.max_val) != (-1, 1):
        raise ExchangeError(f"{where}: it is cut at {m.min_val} and {m.max_val}; -1 and 1 make a layer")
    return nn.Function(nn.hard_tanh)


def _along_units(h: Callable[..., Any]) -> Callable[..., Any]:
    def make(m: Module, where: str) -> Any:
        if m.dim not in (-1, 1):
            raise ExchangeError(f"{where}: it goes along axis {m.dim}; set dim=-1")
        return nn.Function(h)

    return make


def _always(h: Callable[..., Any]) -> Callable[..., Any]:
    return lambda m, where: nn.Function(h)


MODULES: dict[str, Callable[[Module, str], Any]] = {
    "Linear": _linear,
    "BatchNorm1d": _batch_norm,
    "LayerNorm": _layer_norm,
    "Dropout": lambda m, where: nn.Dropout(float(m.p)),
    "Embedding": lambda m, where: nn.Embedding(_array(m, "weight", where)),  # type: ignore[arg-type]
    "PReLU": lambda m, where: nn.PReLU(_array(m, "weight", where)),  # type: ignore[arg-type]
    "Flatten": _always(flattened),
    "Identity": _always(nn.identity),
    "ReLU": _always(nn.relu),
    "Tanh": _always(nn.tanh),
    "Sigmoid": _always(nn.logistic),
    "Softsign": _always(nn.softsign),
    "SELU": _always(nn.selu),
    "SiLU": _always(nn.silu),
    "Mish": _always(nn.mish),
    "Softplus": _softplus,
    "Hardtanh": _hard_tanh,
    "GELU": lambda m, where: nn.Function(nn.gelu_tanh if m.approximate == "tanh" else nn.gelu),
    "ELU": lambda m, where: nn.Function(nn.activation_named("elu", alpha=float(m.alpha))),
    "LeakyReLU": lambda m, where: nn.Function(
        nn.activation_named("leaky_relu", slope=float(m.negative_slope))
    ),
    "Softmax": _along_units(nn.softmax),
    "LogSoftmax": _along_units(nn.log_softmax),
}


def _layer(module: Module, where: str) -> Any:
    kind = type(module).__name__
    if kind == "Sequential":
        layers = [_layer(m, f"{where}[{i}] ({type(m).__name__})") for i, m in enumerate(module)]
        return nn.Sequential(tuple(_joined(layers)))
    if kind not in MODULES:
        raise ExchangeError(
            f"{where}: the module {kind} makes no layer here; export the model with torch.onnx.export and "
            "read it with from_onnx, or give its state dict and a network with the same layers"
        )
    return MODULES[kind](module, where)


def _joined(layers: list[Any]) -> list[Any]:
    """Dense layers with the activations that follow them."""
    found: list[Any] = []
    for layer in layers:
        last = found[-1] if found else None
        joins = isinstance(layer, nn.Function) and layer.function is not flattened
        if joins and isinstance(last, nn.Dense) and last.activation is nn.identity:
            found[-1] = nn.Dense(last.weights, last.biases, layer.function)
        else:
            found.append(layer)
    return found


# --- state dicts ------------------------------------------------------------------------------------------


def _from_state(state: Mapping[str, Any], network: Any) -> Any:
    if network is None:
        raise ExchangeError(
            "a state dict has arrays and no layers; give a network with the same layers in the same order as "
            "the second argument"
        )
    arrays = {name: a for name, a in state.items() if not name.endswith("num_batches_tracked")}
    modules = iter(_by_module(arrays).items())
    found = filled(network, lambda layer, stored: _taken(next(modules, None), layer, stored))
    left = next(modules, None)
    if left is not None:
        raise ExchangeError(f"no layer of the network is left for {left[0]!r} of the state dict")
    return found


def _by_module(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arrays of each module, by the last part of their names."""
    modules: dict[str, dict[str, Any]] = {}
    for name, value in state.items():
        module, _, last = name.rpartition(".")
        modules.setdefault(module, {})[last] = value
    return modules


def _taken(module: tuple[str, dict[str, Any]] | None, layer: Any, stored: list[Stored]) -> list[Array]:
    if module is None:
        raise ExchangeError(f"the state dict has no arrays left for {layer!r}")
    name, arrays = module
    if set(arrays) != {s.name for s in stored}:
        raise ExchangeError(
            f"{name!r} of the state dict has {', '.join(arrays)}, and {layer!r} needs "
            f"{', '.join(s.name for s in stored)}"
        )
    values = [np.asarray(_plain(arrays[s.name])) for s in stored]
    return [value.T if s.turned else value for s, value in zip(stored, values, strict=True)]


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _named_arrays(network: Any, prefix: str) -> Iterator[tuple[str, Array]]:
    place = 0
    for layer in _in_a_row(network):
        if isinstance(layer, nn.Sequential | nn.MLP):
            yield from _named_arrays(layer, f"{prefix}{place}.")
        for s in stored_in(layer):
            value = getattr(layer, s.field)
            yield f"{prefix}{place}.{s.name}", np.ascontiguousarray(value.T if s.turned else value)
        if isinstance(layer, nn.BatchNorm):
            yield f"{prefix}{place}.num_batches_tracked", np.asarray(0)
        place += 1 + (isinstance(layer, nn.Dense) and layer.activation is not nn.identity)


def _in_a_row(network: Any) -> Any:
    """The layers of a network, if they are one after the other."""
    if isinstance(network, nn.Sequential | nn.MLP):
        return network.layers
    if type(network) in (
        nn.Dense,
        nn.BatchNorm,
        nn.LayerNorm,
        nn.PReLU,
        nn.Embedding,
        nn.Dropout,
        nn.Function,
    ):
        return [network]
    raise ExchangeError(f"{type(network).__name__} is no row of layers, such as a Sequential or an MLP")
