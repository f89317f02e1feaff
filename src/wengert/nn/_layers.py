r"""Layers: dataclasses of arrays, and therefore trees for every transformation.

A layer of :math:`M` units turns the activations :math:`z_i` of the layer before into its own,

.. math:: a_j = \sum_i w_{ji} z_i + b_j, \qquad z_j = h(a_j).

Because a network is a tree, ``wg.grad`` of an error in a network gives a network that holds, in the place of
every weight, the derivative of the error with respect to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.nn._activations import Activation, activation_named, leaky_relu, relu
from wengert.nn._initialisers import Initialiser, initialiser_named

Array = np.ndarray
RECTIFIERS = (relu, leaky_relu)


def _default_initialiser(activation: Activation) -> str:
    return "he" if activation in RECTIFIERS else "glorot"


@dataclass(frozen=True)
class Dense:
    r"""A layer in which every unit sees every input, :math:`\mathbf z = h(\mathbf x \mathbf W + \mathbf b)`.

    Parameters
    ----------
    weights
        Array of shape (inputs, units); ``weights[i, j]`` is Bishop's :math:`w_{ji}`, from input i to unit j.
    biases
        Array of shape (units,).
    activation
        The function :math:`h`. It is part of the structure of the tree, not one of its leaves.
    """

    weights: Array
    biases: Array
    activation: Activation = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        inputs: int,
        units: int,
        activation: str | Activation = "identity",
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
    ) -> "Dense":
        """Draw a layer: random weights, zero biases.

        Parameters
        ----------
        rng
            Where the weights are drawn from, such as ``np.random.default_rng(0)``.
        inputs, units
            The numbers of inputs and of units.
        activation, initialiser
            Names or functions; the initialiser is He's for rectifiers and Glorot's otherwise, unless given.
        dtype
            The precision of the weights.

        Examples
        --------
        >>> layer = Dense.init(np.random.default_rng(0), 3, 2, "tanh")
        >>> layer(np.ones((5, 3))).shape
        (5, 2)
        """
        h = activation_named(activation)
        draw = initialiser_named(initialiser or _default_initialiser(h))
        return cls(draw(rng, inputs, units).astype(dtype), np.zeros(units, dtype), h)

    def __call__(self, x: Array) -> Array:
        """The activations of the units for one pattern (inputs,) or a batch of them (patterns, inputs)."""
        return self.activation(x @ self.weights + self.biases)


@dataclass(frozen=True)
class MLP:
    r"""A multilayer perceptron: dense layers, one after the other.

    .. math:: \mathbf y = h_L(\cdots h_1(\mathbf x \mathbf W_1 + \mathbf b_1)
              \cdots \mathbf W_L + \mathbf b_L)

    Parameters
    ----------
    layers
        The hidden layers and the output layer.
    """

    layers: tuple[Dense, ...]

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        sizes: Sequence[int],
        activation: str | Activation = "relu",
        output: str | Activation = "identity",
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
    ) -> "MLP":
        """Draw a network of the given sizes.

        Parameters
        ----------
        rng
            Where the weights are drawn from.
        sizes
            Inputs, hidden units layer by layer, outputs: ``(64, 32, 10)`` has one hidden layer of 32 units.
        activation, output
            Activation of the hidden units and of the output units. The losses for classification take
            pre-activations, so leave the output units linear when training with them.
        initialiser, dtype
            As in :meth:`Dense.init`.

        Examples
        --------
        >>> network = MLP.init(np.random.default_rng(0), (4, 8, 3))
        >>> network(np.ones(4)).shape
        (3,)

        Raises
        ------
        ValueError
            Where there are fewer than two sizes, one is below 1, or a name is unknown.
        """
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise ValueError(f"a network needs inputs and outputs, at least one of each, not {tuple(sizes)}")
        functions = [activation] * (len(sizes) - 2) + [output]
        pairs = zip(sizes[:-1], sizes[1:], functions, strict=True)
        return cls(tuple(Dense.init(rng, d, m, h, initialiser, dtype) for d, m, h in pairs))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs, of units in each hidden layer, and of outputs."""
        return (self.layers[0].weights.shape[0], *(layer.weights.shape[1] for layer in self.layers))

    def __call__(self, x: Array) -> Array:
        """Forward propagation of one pattern (inputs,) or of a batch of them (patterns, inputs)."""
        for layer in self.layers:
            x = layer(x)
        return x
