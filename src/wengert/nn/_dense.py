r"""Layers: dataclasses of arrays, and therefore trees for every transformation.

A layer of :math:`M` units turns the activations :math:`z_i` of the layer before into its own,

.. math:: a_j = \sum_i w_{ji} z_i + b_j, \qquad z_j = h(a_j).

Because a network is a tree, ``wg.grad`` of an error in a network gives a network that holds, in the place of
every weight, the derivative of the error with respect to it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.nn._activations import Activation, activation_named, identity
from wengert.nn._initialisers import Initialiser, default_initialiser, initialiser_named
from wengert.nn._layer import Layer, require_inputs

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Dense(Layer):
    r"""A layer in which every unit sees every input, :math:`\mathbf z = h(\mathbf x \mathbf W + \mathbf b)`.

    Parameters
    ----------
    weights
        Array of shape (inputs, units); ``weights[i, j]`` is Bishop's :math:`w_{ji}`, from input i to unit j.
    biases
        Array of shape (units,); None for units without.
    activation
        The function :math:`h`. It is part of the structure of the tree, not one of its leaves.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning*, 5.1.
    """

    weights: Array
    biases: Array | None = None
    activation: Activation = field(default=identity, metadata={"static": True})

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        inputs: int,
        units: int,
        activation: str | Activation = "identity",
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
        biases: float | None = 0.0,
    ) -> "Dense":
        """Draw a layer: random weights, equal biases.

        Parameters
        ----------
        rng
            Where the weights are drawn from, such as ``np.random.default_rng(0)``.
        inputs, units
            The numbers of inputs and of units.
        activation, initialiser
            Names or functions; the initialiser is He's for rectifiers, LeCun's for self-normalising units and
            Glorot's otherwise, unless given.
        dtype
            The precision of the weights.
        biases
            What all biases start at; None for units without.

        Examples
        --------
        >>> layer = Dense.init(np.random.default_rng(0), 3, 2, "tanh")
        >>> layer
        Dense(weights=float64[3, 2], biases=float64[2], activation=tanh)
        >>> layer(np.ones((5, 3))).shape
        (5, 2)
        """
        h = activation_named(activation)
        draw = default_initialiser(h) if initialiser is None else initialiser_named(initialiser)
        start = None if biases is None else np.full(units, biases, dtype)
        return cls(draw(rng, inputs, units).astype(dtype), start, h)

    def __call__(self, x: Array) -> Array:
        """The activations of the units for one pattern (inputs,) or a batch of them (patterns, inputs)."""
        require_inputs(self, x, self.weights.shape[0])
        a = x @ self.weights
        return self.activation(a if self.biases is None else a + self.biases)
