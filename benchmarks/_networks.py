"""Networks to train, their data and first weights, and the arithmetic of a step.

A network is named by its sizes and minibatch; the rest says how it is trained:

    activation          of the hidden units: relu, tanh, logistic
    error               cross-entropy of a softmax over classes, or squares (mean squared error)
    rule                adam, sgd, momentum
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Weights = list[tuple[Array, Array]]  # matrix (inputs, units) and biases, layer by layer

RATE, MOMENTUM, B1, B2, EPSILON = 1e-4, 0.9, 0.9, 0.999, 1e-8
STEP_OVERHEAD = 1e6  # operations that a step counts for at least, where the number of steps is chosen
FEWEST, MOST = 2, 1000  # steps of an epoch


@dataclass(frozen=True)
class Network:
    """A network and how it is trained."""

    sizes: tuple[int, ...]
    batch: int
    activation: str = "relu"
    error: str = "cross-entropy"
    rule: str = "adam"
    dtype: str = "float32"

    @property
    def name(self) -> str:
        """Sizes and minibatch, and what is not as usual."""
        usual = ("relu", "cross-entropy", "adam", "float32")
        unusual = [
            value
            for value, other in zip((self.activation, self.error, self.rule, self.dtype), usual, strict=True)
            if value != other
        ]
        return " ".join(["-".join(map(str, self.sizes)) + f", {self.batch}", *unusual])

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(d * m + m for d, m in pairwise(self.sizes))

    @property
    def operations(self) -> int:
        """Multiplications and additions of a step's matrix products.

        Each weight matrix takes part in three: forwards, for its gradient, and, but for the first, backwards.
        """
        products = [d * m for d, m in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def steps(self, work: float) -> int:
        """Steps of an epoch that has about so many operations."""
        return max(FEWEST, min(MOST, int(work / (self.operations + STEP_OVERHEAD))))


class Data(NamedTuple):
    """Patterns, targets (classes as whole numbers, or rows of numbers), and every minibatch's indices."""

    x: Array
    t: Array
    order: Array

    @property
    def one_of_k(self) -> Array:
        """Targets in 1-of-K coding."""
        return np.eye(1 + int(self.t.max()), dtype=self.x.dtype)[self.t]


def data(network: Network, steps: int, seed: int = 0) -> Data:
    """Patterns for an epoch of so many steps, in the order that wengert's own training takes them in."""
    rng, count = np.random.default_rng(seed), steps * network.batch
    x = rng.standard_normal((count, network.sizes[0])).astype(network.dtype)
    order = first_order(count, seed).reshape(steps, network.batch)
    return Data(x, targets(network, x), order.astype(np.int32))


def first_order(count: int, seed: int) -> Array:
    """The order of the first epoch of `wengert.train.fit`."""
    from wengert.train._fit import ORDERS
    from wengert.train._orders import Shuffled

    key = np.random.SeedSequence(seed, spawn_key=(ORDERS,)).generate_state(2)
    return Shuffled(np.arange(count), key).of(1, 1, 1)[0]


def targets(network: Network, x: Array) -> Array:
    """What a fixed linear map of the patterns says: its sine, or the largest of its outputs."""
    outputs = network.sizes[-1]
    linear = x @ np.random.default_rng(1).standard_normal((x.shape[1], outputs)).astype(x.dtype)
    if network.error == "squares":
        return np.sin(linear)
    classes = np.argmax(linear, axis=1)
    classes[:outputs] = np.arange(outputs)  # so that every class occurs
    return classes


def weights(network: Network, seed: int = 2) -> Weights:
    """First weights: normal, of a variance that keeps activations level; biases zero."""
    rng = np.random.default_rng(seed)
    layers = []
    for inputs, units in pairwise(network.sizes):
        matrix = rng.standard_normal((inputs, units)) * (2 / inputs) ** 0.5
        layers.append((matrix.astype(network.dtype), np.zeros(units, network.dtype)))
    return layers


SIX = (
    Network((1, 3, 1), 50, "tanh", "squares"),
    Network((4, 50, 3), 32),
    Network((64, 128, 64, 10), 64),
    Network((784, 128, 10), 128),
    Network((784, 256, 128, 10), 128),
    Network((1024, 2048, 2048, 10), 512),
)

WIDE = (
    *(Network((64, 128, 64, 10), 64, activation) for activation in ("tanh", "logistic")),
    *(Network((784, 128, 10), 128, activation) for activation in ("tanh", "logistic")),
    *(Network((64, 128, 64, 10), 64, rule=rule) for rule in ("sgd", "momentum")),
    *(Network((784, 128, 10), 128, rule=rule) for rule in ("sgd", "momentum")),
    *(replace(network, dtype="float64") for network in SIX[:5]),
    Network((8, 64, 64, 1), 32, "tanh", "squares"),
    Network((64, 128, 64, 4), 64, error="squares"),
    *(Network((64, 128, 64, 10), 4**i) for i in range(7)),
)  # fmt: skip
