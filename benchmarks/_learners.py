"""Classifiers of every package in one form: `train(epochs)`, `epoch()` to train on, `predict(x)`.

All are the network of `sklearn.neural_network.MLPClassifier` with its defaults (one hidden layer of
rectifiers, Adam at a rate of 0.001, the penalty 0.0001, minibatches of 200 in a new order every epoch), in
float64, each package in its best form: PyTorch with its fused rule, JAX with an epoch as one compiled scan.
"""

import functools
import warnings
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray
BATCH, RATE, PENALTY = 200, 1e-3, 1e-4


def classes_of(y: Array) -> Array:
    """The classes in order; asked for nothing besides, `np.unique` imports masked arrays."""
    return np.unique(y, return_index=True)[0]


class _Learner:
    """What trains in single epochs."""

    def train(self, epochs: int) -> None:
        """So many epochs."""
        for _ in range(epochs):
            self.epoch()

    def epoch(self) -> None:
        """All patterns once."""
        raise NotImplementedError


class _Estimator(_Learner):
    """An estimator in scikit-learn's interface; `partial_fit` is an epoch."""

    def __init__(self, made: Any, x: Array, y: Array, hidden: int) -> None:
        self.estimator = made((hidden,), batch_size=min(BATCH, len(x)), random_state=np.random.RandomState(0))
        self.estimator.set_params(tol=0.0, n_iter_no_change=np.inf)
        self.data, self.classes = (x, y), classes_of(y)

    def train(self, epochs: int) -> None:
        """So many epochs, from new weights."""
        with warnings.catch_warnings(action="ignore"):
            self.estimator.set_params(max_iter=epochs).fit(*self.data)

    def epoch(self) -> None:
        """All patterns once."""
        with warnings.catch_warnings(action="ignore"):
            self.estimator.partial_fit(*self.data, classes=self.classes)

    def probabilities(self, x: Array) -> Array:
        """Of every class."""
        return self.estimator.predict_proba(x)

    def predict(self, x: Array) -> Array:
        """The classes."""
        return self.estimator.predict(x)


class Wengert(_Estimator):
    """`wengert.MLPClassifier`."""

    def __init__(self, *given: Any) -> None:
        import wengert as wg

        super().__init__(wg.MLPClassifier, *given)


class ScikitLearn(_Estimator):
    """`sklearn.neural_network.MLPClassifier`."""

    def __init__(self, *given: Any) -> None:
        from sklearn.neural_network import MLPClassifier

        super().__init__(MLPClassifier, *given)


def _start(x: Array, y: Array, hidden: int) -> list[tuple[Array, Array]]:
    """Weights and biases as the estimators draw them."""
    rng, sizes = np.random.default_rng(0), (x.shape[1], hidden, len(classes_of(y)))
    radii = [(6 / (d + m)) ** 0.5 for d, m in pairwise(sizes)]
    return [
        (rng.uniform(-r, r, (d, m)), rng.uniform(-r, r, m)) for d, m, r in zip(sizes[:-1], sizes[1:], radii)
    ]


class PyTorch(_Learner):
    """Eager, with the fused rule."""

    def __init__(self, x: Array, y: Array, hidden: int) -> None:
        import torch

        self.torch, self.order = torch, np.random.default_rng(1)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(np.unique(y, return_inverse=True)[1])
        sizes = (x.shape[1], hidden, len(classes_of(y)))
        dense = [torch.nn.Linear(d, m, dtype=torch.float64) for d, m in pairwise(sizes)]
        with torch.no_grad():
            for layer, (w, b) in zip(dense, _start(x, y, hidden)):
                layer.weight.copy_(torch.from_numpy(w.T.copy())), layer.bias.copy_(torch.from_numpy(b))
        self.network = torch.nn.Sequential(dense[0], torch.nn.ReLU(), dense[1])
        self.rule = torch.optim.Adam(
            self.network.parameters(), RATE, weight_decay=PENALTY / BATCH, fused=True
        )

    def epoch(self) -> None:
        """All patterns once."""
        order = self.torch.from_numpy(self.order.permutation(len(self.x)))
        for batch in order.split(min(BATCH, len(self.x))):
            self.rule.zero_grad()
            self.torch.nn.functional.cross_entropy(self.network(self.x[batch]), self.y[batch]).backward()
            self.rule.step()

    def probabilities(self, x: Array) -> Array:
        """Of every class."""
        with self.torch.inference_mode():
            return self.torch.softmax(self.network(self.torch.from_numpy(x)), 1).numpy()

    def predict(self, x: Array) -> Array:
        """The classes."""
        with self.torch.inference_mode():
            return self.network(self.torch.from_numpy(x)).argmax(1).numpy()


@functools.cache
def _jax_programs() -> tuple[Any, Any, Any]:
    """An epoch as one scan, probabilities and classes; compiled once for all trainings of one shape."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def forward(weights: Any, x: Any) -> Any:
        (w1, b1), (w2, b2) = weights
        return jax.nn.relu(x @ w1 + b1) @ w2 + b2

    def error(weights: Any, x: Any, y: Any) -> Any:
        logs = jax.nn.log_softmax(forward(weights, x))
        squares = sum((w**2).sum() for w, _ in weights)
        return -jnp.take_along_axis(logs, y[:, None], 1).mean() + PENALTY / 2 / len(x) * squares

    def epoch(carry: Any, orders: Any, x: Any, y: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            weights, m, s, count = carry
            g = jax.grad(error)(weights, x[batch], y[batch])
            count = count + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            s = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, s, g)
            rate = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            weights = jax.tree.map(lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-8), weights, m, s)
            return (weights, m, s, count), None

        return jax.lax.scan(step, carry, orders)[0]

    outputs = jax.jit(lambda weights, x: jax.nn.softmax(forward(weights, x)))
    return jax.jit(epoch, donate_argnums=0), outputs, jax.jit(lambda w, x: forward(w, x).argmax(1))


class JAX(_Learner):
    """An epoch is one compiled scan; what does not fill a minibatch is left out."""

    def __init__(self, x: Array, y: Array, hidden: int) -> None:
        import jax

        self.programs, self.wait, self.order = (
            _jax_programs(),
            jax.block_until_ready,
            np.random.default_rng(1),
        )
        self.data = jax.device_put((x, np.unique(y, return_inverse=True)[1]))
        self.batch, weights = min(BATCH, len(x)), jax.device_put(_start(x, y, hidden))
        zeros = [jax.tree.map(jax.numpy.zeros_like, weights) for _ in range(2)]
        self.carry = (weights, *zeros, jax.numpy.zeros(()))

    def epoch(self) -> None:
        """All patterns once."""
        order = self.order.permutation(len(self.data[0]))
        whole = order[: len(order) // self.batch * self.batch].reshape(-1, self.batch)
        self.carry = self.wait(self.programs[0](self.carry, whole, *self.data))

    def probabilities(self, x: Array) -> Array:
        """Of every class."""
        return np.asarray(self.programs[1](self.carry[0], x))

    def predict(self, x: Array) -> Array:
        """The classes."""
        return np.asarray(self.programs[2](self.carry[0], x))


LEARNERS = {"wengert": Wengert, "scikit-learn": ScikitLearn, "PyTorch": PyTorch, "JAX": JAX}
