"""What the tests of training share."""

from dataclasses import dataclass, field, replace

import numpy as np

import wengert as wg
from wengert import losses, nn, optim
from wengert.core import tree
from wengert.train import fit

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (60, 2))
Y = X[:, :1] * X[:, 1:]
HELD_OUT = (X[40:], Y[40:])


def network(seed=0):
    return nn.MLP.init(np.random.default_rng(seed), (2, 8, 1), "tanh")


def run(net=None, **options):
    options = {"optimiser": optim.Adam(0.01), "epochs": 5, "batch_size": 8} | options
    return fit(net or network(), losses.mean_squared_error, X[:40], Y[:40], **options)


def arrays(net):
    return tree.flatten(net)[0]


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(two), strict=True))


def squares(y, t, weights=None):
    """The weighted mean squared error."""
    errors = np.sum(np.square(y - t), axis=-1)
    return np.mean(errors) if weights is None else np.sum(weights * errors) / np.sum(weights)


@dataclass(frozen=True)
class Noisy:
    """A linear unit whose inputs are noisy in training, and which counts its steps."""

    weights: np.ndarray
    steps: np.ndarray = field(metadata={"trained": False})

    def __call__(self, x):
        return x @ self.weights

    def forward(self, x, key):
        return self(x + wg.random.normal(key, x.shape)), replace(self, steps=self.steps + 1)
