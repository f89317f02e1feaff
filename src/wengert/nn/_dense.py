r"""Layers: dataclasses of arrays, and therefore trees for every transformation.

A layer of :math:`M` units turns the activations :math:`z_i` of the layer before into its own,

.. math:: a_j = \sum_i w_{ji} z_i + b_j, \qquad z_j = h(a_j).

Because a network is a tree, ``wg.grad`` of an error in a network gives a network that holds, in the place of
every weight, the derivative of the error with respect to it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert._refusals import require_floating, require_generator, require_numbers, require_whole
from wengert.errors import MismatchError
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

    Raises
    ------
    MismatchError
        Where weights and biases are of different numbers of units, or inputs do not fit.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning*, 5.1.
    """

    weights: Array
    biases: Array | None = None
    activation: Activation = field(default=identity, metadata={"static": True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", activation_named(self.activation))
        if self.biases is not None and np.shape(self.biases)[-1:] != np.shape(self.weights)[-1:]:
            raise MismatchError(
                f"weights of shape {np.shape(self.weights)} and biases of shape {np.shape(self.biases)} are "
                "not of one layer; give (inputs, units) and (units,)"
            )

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        inputs: int,
        units: int,
        activation: str | Activation = "identity",
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
        biases: float | Initialiser | None = 0.0,
    ) -> "Dense":
        """Draw a layer: random weights, then biases, which are 0 unless something else is said.

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
            The number that all start at, or a function that draws them, like an initialiser, but of shape
            (units,); None for units without.

        Examples
        --------
        >>> layer = Dense.init(np.random.default_rng(0), 3, 2, "tanh")
        >>> layer
        Dense(weights=float64[3, 2], biases=float64[2], activation=tanh)
        >>> layer(np.ones((5, 3))).shape
        (5, 2)
        """
        require_generator(rng)
        require_whole(0, inputs=inputs)
        require_whole(1, units=units)
        require_floating(dtype)
        h = activation_named(activation)
        draw = default_initialiser(h) if initialiser is None else initialiser_named(initialiser)
        weights = draw(rng, inputs, units).astype(dtype)
        if biases is None:
            return cls(weights, None, h)
        if callable(biases):
            return cls(weights, biases(rng, inputs, units).astype(dtype), h)
        require_numbers("a number, a function or None", biases=biases)
        return cls(weights, np.full(units, biases, dtype), h)

    def __call__(self, x: Array) -> Array:
        """The activations of the units for one pattern (inputs,) or a batch of them (patterns, inputs)."""
        require_inputs(self, x, self.weights.shape[0])
        a = x @ self.weights
        return self.activation(a if self.biases is None else a + self.biases)
