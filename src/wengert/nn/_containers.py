r"""Layers made of layers: one after the other, side by side, around which the inputs are led.

.. math:: \mathbf y = f_L(\cdots f_2(f_1(\mathbf x))), \qquad
          \mathbf y = \mathbf x + f(\mathbf x), \qquad
          \mathbf y = (f_1(\mathbf x_1), f_2(\mathbf x_2), \dots)

In training each part has a key of its own, made from the key of the whole and the number of the part.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from textwrap import indent
from typing import Any

import numpy as np

from wengert import random
from wengert.errors import MismatchError
from wengert.nn._activations import Parametrised
from wengert.nn._elementwise import Function
from wengert.nn._layer import Layer
from wengert.nn._training import forward, needs_key

Array = np.ndarray
# A layer, or any function of one argument.
Part = Callable[[Any], Any]


def as_layer(part: Part | str) -> Any:
    """A layer as it is; an activation, by name or not, and any plain function as a layer."""
    if isinstance(part, type):
        raise TypeError(
            f"{part.__name__} is a class of layers; give a layer, such as {part.__name__}.init(...)"
        )
    if is_dataclass(part) and not callable(part):
        raise TypeError(f"{part!r} is no layer: it cannot be called with the activations before it")
    plain = not is_dataclass(part) or isinstance(part, Parametrised)
    return Function(part) if plain else part  # type: ignore[arg-type]


def passed(part: Any, i: int, x: Any, key: Array | None) -> tuple[Any, Any]:
    """The pass in training through the i-th part of a network."""
    own = random.fold_in(key, i) if key is not None and needs_key(part) else None
    return forward(part, x, own)


@dataclass(frozen=True, repr=False, eq=False)
class Sequential(Layer):
    """Layers one after the other.

    Parameters
    ----------
    layers
        The layers, in any iterable. Functions of one argument, and names of activations, become layers.

    Examples
    --------
    >>> from wengert import nn
    >>> rng = np.random.default_rng(0)
    >>> network = Sequential([nn.Dense.init(rng, 4, 8), np.tanh, nn.Dropout(0.2), nn.Dense.init(rng, 8, 1)])
    >>> network(np.ones((5, 4))).shape
    (5, 1)
    """

    layers: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(map(as_layer, self.layers)))

    @property
    def draws(self) -> bool:
        """Whether any layer draws in training."""
        return any(map(needs_key, self.layers))

    def __repr__(self) -> str:
        lines = indent("".join(f"{layer!r},\n" for layer in self.layers), "    ")
        return f"{type(self).__name__}(\n{lines})"

    def __call__(self, x: Any) -> Any:
        """Forward propagation of one pattern (inputs,) or of a batch of them (patterns, inputs)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def forward(self, x: Any, key: Array | None = None) -> tuple[Any, Any]:
        """Forward propagation in training, layer by layer."""
        after = []
        for i, layer in enumerate(self.layers):
            x, changed = passed(layer, i, x, key)
            after.append(changed)
        return x, replace(self, layers=tuple(after))


# --- around a layer ---------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class Residual(Layer):
    r"""A layer that learns what to add to its inputs, :math:`\mathbf y = s(\mathbf x) + f(\mathbf x)`.

    The error signal reaches the layers before along the shortcut, however small the derivatives of f are.

    Parameters
    ----------
    layer
        The function f, with as many outputs as inputs unless the shortcut says otherwise.
    shortcut
        A layer s for the inputs, such as a :class:`Dense` without biases that brings them to the number of
        outputs; None for the inputs as they are.

    Examples
    --------
    >>> Residual(np.square)(np.array([1.0, 3.0]))
    array([ 2., 12.])

    References
    ----------
    He, Zhang, Ren and Sun, *Deep residual learning*, CVPR 2016.
    """

    layer: Any
    shortcut: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer", as_layer(self.layer))

    @property
    def draws(self) -> bool:
        """Whether the layer or the shortcut draws in training."""
        return needs_key(self.layer) or needs_key(self.shortcut)

    def __call__(self, x: Array) -> Array:
        """The inputs and what the layer adds."""
        return self._sum(x if self.shortcut is None else self.shortcut(x), self.layer(x))

    def forward(self, x: Array, key: Array | None = None) -> tuple[Array, "Residual"]:
        """The same in training."""
        y, layer = passed(self.layer, 0, x, key)
        if self.shortcut is None:
            return self._sum(x, y), replace(self, layer=layer)
        way, shortcut = passed(self.shortcut, 1, x, key)
        return self._sum(way, y), replace(self, layer=layer, shortcut=shortcut)

    def _sum(self, way: Array, y: Array) -> Array:
        if np.shape(way) != np.shape(y):
            raise MismatchError(
                f"{self!r} adds outputs of shape {np.shape(y)} to inputs of shape {np.shape(way)}; give a "
                "layer with as many outputs as inputs, or a shortcut that brings the inputs to that number"
            )
        return way + y


@dataclass(frozen=True, repr=False, eq=False)
class Skip(Layer):
    r"""A layer whose inputs go on beside its outputs, :math:`\mathbf y = (\mathbf x, f(\mathbf x))`.

    What follows has as many inputs as both together.

    Parameters
    ----------
    layer
        The function f.

    Examples
    --------
    >>> Skip(np.square)(np.array([1.0, 3.0]))
    array([1., 3., 1., 9.])

    References
    ----------
    Huang, Liu, van der Maaten and Weinberger, *Densely connected convolutional networks*, CVPR 2017.
    """

    layer: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer", as_layer(self.layer))

    @property
    def draws(self) -> bool:
        """Whether the layer draws in training."""
        return needs_key(self.layer)

    def __call__(self, x: Array) -> Array:
        """Inputs and outputs of the layer along the last axis."""
        return np.concatenate([x, self.layer(x)], axis=-1)

    def forward(self, x: Array, key: Array | None = None) -> tuple[Array, "Skip"]:
        """The same in training."""
        y, layer = passed(self.layer, 0, x, key)
        return np.concatenate([x, y], axis=-1), replace(self, layer=layer)


@dataclass(frozen=True, repr=False, eq=False)
class Frozen(Layer):
    """A layer that training leaves as it is: its arrays are fixed, and it predicts.

    So nothing is dropped in it, and running statistics stay.

    Parameters
    ----------
    layer
        The layer or network.

    Examples
    --------
    >>> from wengert import nn
    >>> rng = np.random.default_rng(0)
    >>> network = Sequential([Frozen(nn.Dense.init(rng, 4, 8)), nn.Dense.init(rng, 8, 1)])
    >>> list(nn.parameters(network))
    ['layers.1.weights', 'layers.1.biases']
    """

    layer: Any = field(metadata={"trained": False})

    def __call__(self, x: Any) -> Any:
        """What the layer predicts."""
        return self.layer(x)


# --- several inputs and outputs ---------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class _Several(Layer):
    """Layers in a tuple or by name, whose outputs stand in a tuple or by the same names."""

    layers: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _like(self.layers, map(as_layer, _parts(self.layers))))

    @property
    def draws(self) -> bool:
        """Whether any layer draws in training."""
        return any(map(needs_key, _parts(self.layers)))

    def __call__(self, x: Any) -> Any:
        """The outputs of all layers."""
        return _like(self.layers, (layer(x) for layer, x in self._with_inputs(x)))

    def forward(self, x: Any, key: Array | None = None) -> tuple[Any, Any]:
        """The same in training."""
        found = [passed(layer, i, x, key) for i, (layer, x) in enumerate(self._with_inputs(x))]
        y, after = (_like(self.layers, column) for column in zip(*found, strict=True))
        return y, replace(self, layers=after)

    def _with_inputs(self, x: Any) -> Iterator[tuple[Any, Any]]:
        raise NotImplementedError


@dataclass(frozen=True, repr=False, eq=False)
class Branches(_Several):
    """Layers side by side that all see the same inputs: several outputs.

    Parameters
    ----------
    layers
        A sequence of layers, or a dictionary of them; the outputs are a tuple, or a dictionary.

    Examples
    --------
    >>> from wengert import nn
    >>> rng = np.random.default_rng(0)
    >>> heads = Branches({"mean": nn.Dense.init(rng, 4, 1), "variance": nn.Dense.init(rng, 4, 1, "softplus")})
    >>> {name: y.shape for name, y in heads(np.ones((5, 4))).items()}
    {'mean': (5, 1), 'variance': (5, 1)}
    """

    def _with_inputs(self, x: Any) -> Iterator[tuple[Any, Any]]:
        return ((layer, x) for layer in _parts(self.layers))


@dataclass(frozen=True, repr=False, eq=False)
class Parallel(_Several):
    """Layers side by side that each see inputs of their own, by place or by name.

    Parameters
    ----------
    layers
        A sequence of layers, or a dictionary of them. Inputs come in a tuple, or a dictionary with at least
        these names; the outputs are a tuple, or a dictionary.

    Raises
    ------
    ValueError
        Where there are not as many inputs as layers.
    KeyError
        Where an input is missing.

    Examples
    --------
    >>> from wengert import nn
    >>> rng = np.random.default_rng(0)
    >>> columns = Parallel({"numbers": nn.identity, "city": nn.Embedding.init(rng, 10, 3)})
    >>> network = Sequential([columns, Concatenate(), nn.Dense.init(rng, 5, 1)])
    >>> network({"numbers": np.ones((7, 2)), "city": np.arange(7)}).shape
    (7, 1)
    """

    def _with_inputs(self, x: Any) -> Iterator[tuple[Any, Any]]:
        if not isinstance(self.layers, Mapping):
            if len(x) != len(self.layers):
                raise ValueError(f"{len(self.layers)} layers in parallel need as many inputs, not {len(x)}")
            return zip(self.layers, x)
        missing = [name for name in self.layers if name not in x]
        if missing:
            raise KeyError(f"no input {missing[0]!r}; the layers in parallel are {', '.join(self.layers)}")
        return ((layer, x[name]) for name, layer in self.layers.items())


@dataclass(frozen=True, repr=False, eq=False)
class Concatenate(Layer):
    """All arrays of a tuple or dictionary along the last axis.

    Examples
    --------
    >>> Concatenate()((np.zeros((5, 2)), np.ones((5, 3)))).shape
    (5, 5)
    """

    def __call__(self, x: Any) -> Array:
        """The arrays, one beside the other."""
        return np.concatenate(list(_parts(x)), axis=-1)


def _parts(several: Any) -> Iterable[Any]:
    return several.values() if isinstance(several, Mapping) else several


def _like(several: Any, parts: Iterable[Any]) -> Any:
    """These parts by the names, or in the order, of the others."""
    return dict(zip(several, parts)) if isinstance(several, Mapping) else tuple(parts)
