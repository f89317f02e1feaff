r"""Networks as training sees them: the arrays that are learned, and the pass that learns them.

A network is a tree of arrays. Those that training changes are its *parameters* :math:`\mathbf w`; the others
(running statistics, fixed weights) are marked where they are declared,

>>> from dataclasses import dataclass, field
>>> import numpy as np
>>> @dataclass(frozen=True)
... class Scaled:
...     factor: np.ndarray = field(metadata={"trained": False})
...     weights: np.ndarray
...
...     def __call__(self, x):
...         return self.factor * x @ self.weights

and the gradient is taken with respect to the parameters alone,

.. math:: \mathbf g = \nabla_{\mathbf w} E(\mathbf w).

The pass in training may differ from prediction: it may draw random numbers, and change arrays of its own. A
layer says so with a method ``forward(x, key)``, which gives its outputs and the layer as it is afterwards.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.errors import is_ours

Array = np.ndarray
Network = Any


def forward(network: Network, x: Any, key: Any = None) -> tuple[Any, Network]:
    """The pass in training: the outputs, and the network as it is afterwards.

    Parameters
    ----------
    network
        A network or layer. One without a method ``forward(x, key)`` predicts, and does not change.
    x
        A batch of patterns.
    key
        From :mod:`wengert.random`; what the network draws is a function of it. None for one that draws
        nothing.

    Examples
    --------
    >>> y, after = forward(np.tanh, np.zeros(3))
    >>> y, after is np.tanh
    (array([0., 0., 0.]), True)
    """
    if hasattr(network, "forward"):
        return network.forward(x, key)
    return network(x), network


def needs_key(network: Network) -> bool:
    """Whether the pass in training draws random numbers.

    A network tells by its attribute ``draws``; without one, a network with a ``forward`` of its own may.

    Examples
    --------
    >>> from wengert import nn
    >>> needs_key(nn.Dropout(0.5)), needs_key(np.tanh)
    (True, False)
    """
    return bool(getattr(network, "draws", hasattr(network, "forward")))


def state(network: Network) -> dict[str, Array]:
    """All arrays of a network by name, trained or not.

    Examples
    --------
    >>> from wengert import nn
    >>> list(state(nn.MLP.init(np.random.default_rng(0), (2, 1))))
    ['layers.0.weights', 'layers.0.biases']
    """
    leaves, structure = tree.flatten(network)
    return dict(zip(_names(structure), leaves, strict=True))


def parameters(network: Network) -> dict[str, Array]:
    """The arrays that training changes, by name: those of floating-point numbers not declared otherwise.

    Examples
    --------
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (2, 1))
    >>> {name: w.shape for name, w in parameters(network).items()}
    {'layers.0.weights': (2, 1), 'layers.0.biases': (1,)}
    """
    leaves, structure = tree.flatten(network)
    found = zip(_names(structure), _declared(structure), leaves, strict=True)
    return {name: leaf for name, declared, leaf in found if declared and np.result_type(leaf).kind == "f"}


def replaced(network: Network, arrays: Mapping[str, Any]) -> Network:
    """The network with these arrays in the place of its own of the same names.

    Raises
    ------
    KeyError
        Where the network has no array of a name.

    Examples
    --------
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (2, 1))
    >>> replaced(network, {"layers.0.biases": np.ones(1)}).layers[0].biases
    array([1.])
    """
    leaves, structure = tree.flatten(network)
    names = _names(structure)
    unknown = [name for name in arrays if name not in names]
    if unknown:
        raise KeyError(f"the network has no array {unknown[0]!r}; it has {', '.join(names)}")
    return tree.unflatten(structure, [arrays.get(name, leaf) for name, leaf in zip(names, leaves)])


def is_known(network: Network) -> bool:
    """Whether a network consists of this package's layers and functions, so that its arrays are all of it.

    Two such networks of one structure are computed by one program. A function of the user's own may read what
    changes, such as a global variable; NumPy's universal functions do not.

    Examples
    --------
    >>> from wengert import nn
    >>> weights = np.ones((2, 1))
    >>> [is_known(nn.Dense(weights, None, h)) for h in (nn.relu, np.tanh, np.vectorize(nn.relu))]
    [True, True, False]
    """
    if isinstance(network, Mapping):
        return all(map(is_known, network.values()))
    if isinstance(network, tuple | list):
        return all(map(is_known, network))
    if dataclasses.is_dataclass(network):
        kind: type = type(network)
        return _is_fixed(kind) and all(is_known(getattr(network, name)) for name in tree.metadata_of(kind))
    return not callable(network) or isinstance(network, np.ufunc) or _is_fixed(network)


def _is_fixed(function: Any) -> bool:
    """Whether a class or function is of this package, and depends on no variables of another function."""
    return is_ours(function) and getattr(function, "__closure__", None) is None


@tree.by_structure
def _names(structure: Any) -> tuple[str, ...]:
    """What the arrays of a network are called."""
    return tuple(".".join(str(step.entry) for step in steps) for steps in tree.entries_of(structure))


@tree.by_structure
def _declared(structure: Any) -> tuple[bool, ...]:
    """Which of them the dataclasses on the way declare as trained, or say nothing about."""
    entries = tree.entries_of(structure)
    return tuple(all(tree.metadata(step).get("trained", True) for step in steps) for steps in entries)
