r"""The network of an estimator: hidden layers with what has been found to help, and linear output units.

A hidden layer forms pre-activations, normalises them over the minibatch if asked, applies its activation, and
drops units at random in training; its inputs may be added to its outputs or go on beside them,

.. math:: \mathbf z \leftarrow \mathrm{drop}\bigl(h(\mathrm{norm}(\mathbf z \mathbf W + \mathbf b))\bigr)
          \quad [{} + \mathbf z].

The matrices are the estimator's ``coefs_`` and the biases its ``intercepts_``: whoever changes them there
changes the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert import nn

Array = np.ndarray


@dataclass(frozen=True)
class Design:
    """The hidden layers: activation and rate of dropout of each, and what is around them.

    Attributes
    ----------
    activations, dropout
        One for each hidden layer.
    batch_norm
        Whether pre-activations are normalised.
    skip
        None, ``"add"`` or ``"concatenate"``: where the inputs of a hidden layer go.
    numerators
        Of the variance of first weights, for each layer; the output units follow the last hidden layer.
    """

    activations: tuple[Callable[[Array], Array], ...]
    dropout: tuple[float, ...]
    batch_norm: bool
    skip: str | None
    numerators: tuple[float, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the layers are dense ones and nothing else."""
        return not (any(self.dropout) or self.batch_norm or self.skip)

    def sizes(self, inputs: int, units: Sequence[int]) -> list[tuple[int, int]]:
        """Inputs and units of each layer."""
        found = []
        for count in units:
            found.append((inputs, count))
            inputs = inputs + count if self.skip == "concatenate" else count
        return found


def design_of(estimator: Any) -> Design:
    """What the parameters of an estimator say.

    Raises
    ------
    ValueError
        Where a list is not as long as there are hidden layers, or an activation is unknown.
    """
    e, count = estimator, len(hidden_units(estimator.hidden_layer_sizes))
    activations = tuple(map(nn.activation_named, _each("activation", e.activation, count)))
    last = activations[-1:] or (nn.activation_named(e.activation) if isinstance(e.activation, str) else None,)
    numerators = tuple(2.0 if h is nn.logistic else 6.0 for h in activations + last)
    return Design(activations, tuple(_each("dropout", e.dropout, count)), e.batch_norm, e.skip, numerators)


def hidden_units(sizes: Any) -> list[int]:
    """The numbers of hidden units, layer by layer.

    Raises
    ------
    ValueError
        Where one is not positive.
    """
    found = [int(size) for size in np.atleast_1d(sizes)]
    if any(size <= 0 for size in found):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {found}.")
    return found


def _each(what: str, given: Any, count: int) -> list[Any]:
    """One for each hidden layer."""
    if isinstance(given, str) or not hasattr(given, "__len__"):
        return [given] * count
    if len(given) != count:
        raise ValueError(
            f"{what}: {len(given)} given for {count} hidden layers; give one for each, or one for all"
        )
    return list(given)


def assembled(coefs: list[Array], intercepts: list[Array], norms: list[Any], design: Design) -> nn.MLP:
    """The network of these arrays."""
    functions = (*design.activations, nn.identity)
    if design.is_plain:
        return nn.MLP(tuple(map(nn.Dense, coefs, intercepts, functions)))
    dense = list(map(nn.Dense, coefs, intercepts))
    layers = [
        part
        for i, (layer, h, rate) in enumerate(zip(dense, functions, design.dropout))
        for part in _joined(design.skip, _block(layer, norms[i] if norms else None, h, rate))
    ]
    return nn.MLP((*layers, dense[-1]))


def _block(dense: nn.Dense, norm: Any, h: Any, rate: float) -> list[Any]:
    """What makes one hidden layer."""
    dropout = [nn.Dropout(rate)] if rate else []
    if norm is None:
        return [replace(dense, activation=h), *dropout]
    return [dense, norm, nn.Function(h), *dropout]


def _joined(skip: str | None, block: list[Any]) -> list[Any]:
    """A hidden layer with the way that its inputs take around it."""
    inputs, units = block[0].weights.shape
    if skip == "concatenate":
        return [nn.Skip(nn.Sequential(tuple(block)))]
    return [nn.Residual(nn.Sequential(tuple(block)))] if skip == "add" and inputs == units else block


def layers_of(network: Any, kind: type) -> Iterator[Any]:
    """The layers of a kind, from the inputs to the outputs."""
    if isinstance(network, kind):
        yield network
    elif isinstance(network, nn.Sequential):
        for layer in network.layers:
            yield from layers_of(layer, kind)
    elif isinstance(network, nn.Residual | nn.Skip):
        yield from layers_of(network.layer, kind)
