r"""The multilayer perceptron, with what has been found to help in training deep ones.

.. math:: \mathbf y = h_L(\cdots h_1(\mathbf x \mathbf W_1 + \mathbf b_1)
          \cdots \mathbf W_L + \mathbf b_L)

Every hidden layer may be normalised before its activation, drop units after it, and hand its inputs on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wengert.nn._activations import Activation
from wengert.nn._containers import Residual, Sequential, Skip
from wengert.nn._dense import Dense
from wengert.nn._dropout import Dropout
from wengert.nn._elementwise import Function
from wengert.nn._initialisers import Initialiser, default_initialiser
from wengert.nn._names import named
from wengert.nn._normalisation import BatchNorm, LayerNorm
from wengert.nn._summary import parts

Array = np.ndarray
NORMALISATIONS: dict[str, Callable[..., Any]] = {"batch": BatchNorm.init, "layer": LayerNorm.init}


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
        initialiser, dtype
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
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise ValueError(f"a network needs inputs and outputs, at least one of each, not {tuple(sizes)}")
        lead = None if skip is None else named("skip connection", skip, SKIPS)
        _check_skip(skip, sizes)
        layers, inputs, hidden = [], sizes[0], len(sizes) - 2
        options = zip(
            sizes[1:-1],
            _each("activation", activation, hidden),
            _each("dropout", dropout, hidden),
            strict=True,
        )
        for units, h, rate in options:
            block = _hidden(rng, inputs, units, h, initialiser, dtype, normalisation, rate)
            block, inputs = (block, units) if lead is None else lead(block, inputs, units)
            layers += block
        return cls((*layers, Dense.init(rng, inputs, sizes[-1], output, initialiser, dtype)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs, of units in each hidden layer, and of outputs."""
        dense = [part.layer for part in parts(self) if isinstance(part.layer, Dense)]
        return (dense[0].weights.shape[0], *(layer.weights.shape[1] for layer in dense))


def _hidden(
    rng: np.random.Generator,
    inputs: int,
    units: int,
    h: str | Activation,
    initialiser: str | Initialiser | None,
    dtype: Any,
    normalisation: str | None,
    rate: float,
) -> list[Any]:
    """The layers that make one hidden layer."""
    dropout = [Dropout(rate)] if rate else []
    if normalisation is None:
        return [Dense.init(rng, inputs, units, h, initialiser, dtype), *dropout]
    function = Function(h)  # type: ignore[arg-type]
    draw = initialiser or default_initialiser(function.function)
    dense = Dense.init(rng, inputs, units, "identity", draw, dtype, biases=None)
    normal = named("normalisation", normalisation, NORMALISATIONS)(units, dtype)
    return [dense, normal, function, *dropout]


def _each(what: str, given: Any, count: int) -> list[Any]:
    """One for each hidden layer."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        return [given] * count
    if len(given) != count:
        raise ValueError(
            f"{what}: {len(given)} are given for {count} hidden layers; give one for each, or one for all"
        )
    return list(given)


def _added(block: list[Any], inputs: int, units: int) -> tuple[list[Any], int]:
    """A hidden layer to whose outputs its inputs are added, if there are as many of both."""
    return ([Residual(Sequential(tuple(block)))] if inputs == units else block), units


def _concatenated(block: list[Any], inputs: int, units: int) -> tuple[list[Any], int]:
    """A hidden layer whose inputs go on beside its outputs."""
    return [Skip(Sequential(tuple(block)))], inputs + units


SKIPS = {"add": _added, "concatenate": _concatenated}


def _check_skip(skip: str | None, sizes: Sequence[int]) -> None:
    if skip == "add" and all(d != m for d, m in pairwise(sizes[:-1])):
        raise ValueError(
            f"skip: no hidden layer of {tuple(sizes)} has as many units as inputs, so none can be added; "
            'say skip="concatenate", or choose equal sizes'
        )
