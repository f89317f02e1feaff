r"""The multilayer perceptron, with what has been found to help in training deep ones.

.. math:: \mathbf y = h_L(\cdots h_1(\mathbf x \mathbf W_1 + \mathbf b_1)
          \cdots \mathbf W_L + \mathbf b_L)

Every hidden layer may be normalised before its activation, drop units after it, and hand its inputs on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from wengert._refusals import named, require_type, require_whole
from wengert.nn._activations import Activation
from wengert.nn._containers import Residual, Sequential, Skip
from wengert.nn._dense import Dense
from wengert.nn._dropout import Dropout
from wengert.nn._elementwise import Function
from wengert.nn._initialisers import Initialiser
from wengert.nn._summary import parts

Array = np.ndarray
NORMALISATIONS = {"batch": "BatchNorm", "layer": "LayerNorm"}


@dataclass(frozen=True, repr=False, eq=False)
class MLP(Sequential):
    r"""A multilayer perceptron: dense layers, one after the other.

    .. math:: \mathbf y = h_L(\cdots h_1(\mathbf x \mathbf W_1 + \mathbf b_1)
              \cdots \mathbf W_L + \mathbf b_L)

    Parameters
    ----------
    layers
        The hidden layers and the output layer, and what stands between them.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning*, 5.1.
    """

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        sizes: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        output: str | Activation = "identity",
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
        *,
        biases: float | Initialiser | None = 0.0,
        dropout: float | Sequence[float] = 0.0,
        normalisation: str | None = None,
        skip: str | None = None,
    ) -> "MLP":
        """Draw a network of the given sizes.

        Parameters
        ----------
        rng
            Where the weights are drawn from.
        sizes
            Inputs, hidden units layer by layer, outputs: ``(64, 32, 10)`` has one hidden layer of 32 units.
        activation, output
            Activation of the hidden units (or a list with one for each hidden layer) and of the output units.
            The losses for classification take pre-activations, so leave the output units linear when training
            with them.
        initialiser, dtype, biases
            As in :meth:`Dense.init`.
        dropout
            The rate at which hidden units are dropped in training, or a list with one for each hidden layer.
        normalisation
            ``"batch"`` or ``"layer"``: what normalises the pre-activations of hidden units. Its shifts take
            the place of their biases.
        skip
            ``"add"`` adds the inputs of a hidden layer to its outputs where there are as many of both;
            ``"concatenate"`` sets them beside its outputs.

        Examples
        --------
        >>> network = MLP.init(np.random.default_rng(0), (4, 8, 3))
        >>> network(np.ones(4)).shape
        (3,)
        >>> MLP.init(np.random.default_rng(0), (4, 8, 3), "tanh", dropout=0.2, normalisation="batch").sizes
        (4, 8, 3)

        Raises
        ------
        ValueError
            Where there are fewer than two sizes, one is below 1, a list is not as long as there are hidden
            layers, a name is unknown, or no layer has inputs to add.
        """
        _check(sizes, skip)
        hidden = len(sizes) - 2
        dense = partial(Dense.init, rng, initialiser=initialiser, dtype=dtype, biases=biases)
        normal = _normalisation(normalisation) if normalisation else None
        lead = named("skip connection", skip, SKIPS) if skip else _followed
        layers, inputs = [], sizes[0]
        for units, h, rate in zip(
            sizes[1:-1], _each("activation", activation, hidden), _each("dropout", dropout, hidden)
        ):
            block = _hidden(dense(inputs, units, h), normal, rate)
            found, inputs = lead(block, inputs, units)
            layers += found
        return cls((*layers, dense(inputs, sizes[-1], output)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs, of units in each hidden layer, and of outputs."""
        dense = [part.layer for part in parts(self) if isinstance(part.layer, Dense)]
        return (dense[0].weights.shape[0], *(layer.weights.shape[1] for layer in dense))


def _hidden(dense: Dense, normal: Callable[..., Any] | None, rate: float) -> list[Any]:
    """The layers that make one hidden layer."""
    dropout = [Dropout(rate)] if rate else []
    if normal is None:
        return [dense, *dropout]
    units = normal(dense.weights.shape[1], dense.weights.dtype)
    return [Dense(dense.weights), units, Function(dense.activation), *dropout]


def _each(what: str, given: Any, count: int) -> list[Any]:
    """One for each hidden layer."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        return [given] * count
    if len(given) != count:
        raise ValueError(
            f"{what}: {len(given)} are given for {count} hidden layers; give one for each, or one for all"
        )
    return list(given)


def _followed(block: list[Any], inputs: int, units: int) -> tuple[list[Any], int]:
    """A hidden layer that hands on nothing but its outputs, and how many there are."""
    return block, units


def _added(block: list[Any], inputs: int, units: int) -> tuple[list[Any], int]:
    """A hidden layer to whose outputs its inputs are added, if there are as many of both."""
    return ([Residual(Sequential(tuple(block)))] if inputs == units else block), units


def _concatenated(block: list[Any], inputs: int, units: int) -> tuple[list[Any], int]:
    """A hidden layer whose inputs go on beside its outputs."""
    return [Skip(Sequential(tuple(block)))], inputs + units


SKIPS = {"add": _added, "concatenate": _concatenated}


def _check(sizes: Sequence[int], skip: str | None) -> None:
    is_several = hasattr(sizes, "__len__") and not isinstance(sizes, str | dict)
    require_type(is_several, f"sizes must be several numbers such as (4, 16, 3), not {sizes!r}")
    for size in sizes:
        require_whole(0, sizes=size)
    if len(sizes) < 2 or any(size < 1 for size in sizes):
        raise ValueError(f"a network needs inputs and outputs, at least one of each, not {tuple(sizes)}")
    if skip == "add" and all(d != m for d, m in pairwise(sizes[:-1])):
        raise ValueError(
            f"skip: no hidden layer of {tuple(sizes)} has as many units as inputs, so none can be added; "
            'say skip="concatenate", or choose equal sizes'
        )


def _normalisation(name: str) -> Callable[..., Any]:
    """How a layer that normalises is made."""
    from wengert.nn import _normalisation

    made: Callable[..., Any] = getattr(_normalisation, named("normalisation", name, NORMALISATIONS)).init
    return made
