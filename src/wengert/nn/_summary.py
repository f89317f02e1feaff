"""A network as a table: its layers, their arrays, and how many numbers are learned."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.nn._layer import brief
from wengert.nn._training import parameters, state

Array = np.ndarray


class Part(NamedTuple):
    """A layer in a network: where it stands, and the arrays that are its own, not those of layers in it."""

    name: str
    layer: Any
    arrays: dict[str, Array]


def summary(network: Any) -> str:
    """A table of the layers of a network, with the shapes of their arrays and the numbers of parameters.

    What joins the layers of a :class:`Graph <wengert.nn.Graph>` has no arrays; the graph's own ``repr`` shows
    it.

    Examples
    --------
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3), "tanh", normalisation="batch")
    >>> print(nn.summary(network))
    layer      kind                                    arrays                                  parameters
    layers.0   Dense(activation=identity)              weights 4×8                             32
    layers.1   BatchNorm(momentum=0.1, epsilon=1e-05)  scale 8, shift 8, mean 8, variance 8    16
    layers.2   Function(function=tanh)                                                         0
    layers.3   Dense(activation=identity)              weights 8×3, biases 3                   27
    75 parameters in float64; 16 numbers that are not trained
    """
    from wengert.tables import aligned

    *rows, (total,) = summary_rows(network)
    return f"{aligned(rows)}\n{total}"


def summary_rows(network: Any) -> list[tuple[str, ...]]:
    """The table's rows, its head first, and last the sentence below it."""
    trained = parameters(network)
    rows = [("layer", "kind", "arrays", "parameters"), *(_row(part, trained) for part in parts(network))]
    count = sum(w.size for w in trained.values())
    fixed = sum(np.size(w) for w in state(network).values()) - count
    precision = ", ".join(sorted({str(w.dtype) for w in trained.values()}))
    total = f"{count:,} parameters" + (f" in {precision}" if trained else "")
    total += f"; {fixed:,} numbers that are not trained" if fixed else ""
    return [*rows, (total,)]


def _row(part: Part, trained: Mapping[str, Array]) -> tuple[str, ...]:
    shapes = (f"{name} {'×'.join(map(str, np.shape(w))) or 1}" for name, w in part.arrays.items())
    names = (f"{part.name}.{name}".lstrip(".") for name in part.arrays)
    count = sum(trained[name].size for name in names if name in trained)
    return part.name or "network", _kind(part.layer), ", ".join(shapes), f"{count:,}"


def _kind(layer: Any) -> str:
    """The class of a layer, with what belongs to its structure."""
    static = (f.name for f in dataclasses.fields(layer) if tree.is_static(f))
    return f"{type(layer).__name__}({', '.join(f'{name}={brief(getattr(layer, name))}' for name in static)})"


def parts(network: Any) -> Iterator[Part]:
    """The layers that have arrays of their own or contain no others, from the inputs to the outputs.

    Examples
    --------
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3))
    >>> [part.name for part in nn.parts(network)]
    ['layers.0', 'layers.1']
    """
    return _parts(network, "")


def _parts(network: Any, name: str) -> Iterator[Part]:
    below = list(_below(network, name))
    arrays = {n.removeprefix(f"{name}."): x for n, x in below if not dataclasses.is_dataclass(x)}
    inner = [part for n, x in below if dataclasses.is_dataclass(x) for part in _parts(x, n)]
    if arrays or not inner:
        yield Part(name, network, arrays)
    yield from inner


def _below(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The nearest layers and arrays inside a value, by name."""
    for step, child in _children(value):
        where = f"{name}.{step}".lstrip(".")
        if isinstance(child, Mapping | tuple | list):
            yield from _below(child, where)
        elif child is not None:
            yield where, child


def _children(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if not tree.is_static(f)]
