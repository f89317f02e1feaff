"""Minibatch training of one network by every package, each in its best form.

A trainer is made from a network, its data and first weights; a call of it trains for one epoch more and gives
the errors of its steps, in whatever form the package has them.
"""

import warnings
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from _networks import B1, B2, EPSILON, MOMENTUM, RATE, Array, Data, Network, Weights

Trainer = Callable[[], Iterable[Any]]
SMALL = 100_000  # parameters, up to which one vector for all of them is better than an array for each


class Unavailable(Exception):
    """A package, or a form of it, that does not work here."""


# --- NumPy by hand ------------------------------------------------------------------------------------------

DERIVATIVES: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: z > 0,
    "tanh": lambda z: 1 - z * z,
    "logistic": lambda z: z * (1 - z),
}
FORWARD: dict[str, Callable[[Array], Array]] = {
    "relu": lambda a: np.maximum(a, 0, out=a),
    "tanh": lambda a: np.tanh(a, out=a),
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
}


class ByHand:
    """Backpropagation written out in NumPy; all parameters lie in one vector, and so do their gradients."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        self.network, self.data, self.step = network, given, 0
        self.targets = given.t if network.error == "squares" else given.one_of_k
        self.vector = np.concatenate([x.ravel() for layer in first for x in layer])
        self.gradient, self.mean, self.square = (np.zeros_like(self.vector) for _ in range(3))
        self.layers, self.gradients = (views(x, network.sizes) for x in (self.vector, self.gradient))

    def __call__(self) -> list[Any]:
        return [self.train(self.data.x[batch], self.targets[batch]) for batch in self.data.order]

    def train(self, x: Array, t: Array) -> Any:
        """One step; gives the error before it."""
        activations = self.forward(x)
        error, delta = self.error(activations.pop(), t)
        self.backward(activations, delta)
        self.update()
        return error

    def forward(self, x: Array) -> list[Array]:
        """Inputs, activations of every hidden layer, and pre-activations of the outputs."""
        values, h = [x], FORWARD[self.network.activation]
        for number, (matrix, biases) in enumerate(self.layers, 1):
            a = values[-1] @ matrix
            a += biases
            values.append(a if number == len(self.layers) else h(a))
        return values

    def error(self, a: Array, t: Array) -> tuple[Any, Array]:
        """The error, and its derivative by the outputs' pre-activations."""
        if self.network.error == "squares":
            difference = a - t
            return np.mean(difference * difference), difference * (2 / difference.size)
        a -= a.max(axis=1, keepdims=True)
        e = np.exp(a)
        total = e.sum(axis=1, keepdims=True)
        error = np.mean(np.log(total[:, 0]) - np.sum(a * t, axis=1))
        return error, (e / total - t) / len(a)

    def backward(self, activations: list[Array], delta: Array) -> None:
        """Gradients, layer by layer from the last."""
        derivative = DERIVATIVES[self.network.activation]
        for number in reversed(range(len(self.layers))):
            matrix, biases = self.gradients[number]
            np.matmul(activations[number].T, delta, out=matrix)
            np.sum(delta, axis=0, out=biases)
            if number:
                delta = delta @ self.layers[number][0].T
                delta *= derivative(activations[number])

    def update(self) -> None:
        """A step of the rule."""
        self.step += 1
        getattr(self, self.network.rule)(self.gradient)

    def sgd(self, g: Array) -> None:
        """Along the gradient."""
        g *= RATE
        self.vector -= g

    def momentum(self, g: Array) -> None:
        """Along a running sum of gradients."""
        self.mean *= MOMENTUM
        self.mean += g
        self.vector -= RATE * self.mean

    def adam(self, g: Array) -> None:
        """Along the running mean divided by the root of the running mean of squares."""
        self.mean *= B1
        self.mean += (1 - B1) * g
        g *= g
        g *= 1 - B2
        self.square *= B2
        self.square += g
        rate, correction = RATE / (1 - B1**self.step), (1 - B2**self.step) ** -0.5
        np.sqrt(self.square, out=g)
        g *= correction
        g += EPSILON
        np.divide(self.mean, g, out=g)
        g *= rate
        self.vector -= g


def views(vector: Any, sizes: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """The layers in one vector."""
    layers, begin = [], 0
    for inputs, units in pairwise(sizes):
        middle, end = begin + inputs * units, begin + inputs * units + units
        layers.append((vector[begin:middle].reshape(inputs, units), vector[middle:end]))
        begin = end
    return layers


# --- scikit-learn -------------------------------------------------------------------------------------------


class ScikitLearn:
    """A multilayer perceptron of scikit-learn, which shuffles by itself; an epoch is one call of ``fit``."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        from sklearn import neural_network

        squares = network.error == "squares"
        kind = neural_network.MLPRegressor if squares else neural_network.MLPClassifier
        # Its squared error is half of the mean, so the step is twice as long; Adam's does not depend on it.
        rate = 2 * RATE if squares and network.rule != "adam" else RATE
        self.factor, self.data, self.network = 2 if squares else 1, given, network
        self.targets = given.t[:, 0] if squares and given.t.shape[1] == 1 else given.t
        self.model = kind(
            hidden_layer_sizes=network.sizes[1:-1], activation=network.activation,
            solver="adam" if network.rule == "adam" else "sgd", alpha=0.0,
            batch_size=network.batch, learning_rate_init=rate, max_iter=1, random_state=0,
            momentum=MOMENTUM if network.rule == "momentum" else 0.0, nesterovs_momentum=False,
        )  # fmt: skip
        self.first = first

    def __call__(self) -> list[Any]:
        self.model.set_params(warm_start=True)  # go on where the last epoch ended
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one iteration is too few
            self.model.fit(self.data.x, self.targets)
        return []

    def errors(self, steps: int) -> list[float]:
        """The errors of steps from the first weights, one call of ``partial_fit`` each."""
        classes = {} if self.factor == 2 else {"classes": np.unique(self.targets)}
        batches = self.data.order[:steps]
        self.model.partial_fit(self.data.x[batches[0]], self.targets[batches[0]], **classes)
        self.begin_again()
        return [self.factor * float(self.train(batch, step)) for step, batch in enumerate(batches, 1)]

    def begin_again(self) -> None:
        """First weights, and the rule's state as it is before any step."""
        for number, (matrix, biases) in enumerate(self.first):
            self.model.coefs_[number][...], self.model.intercepts_[number][...] = matrix, biases
        rule = self.model._optimizer
        rule.t = 0
        for name in ("ms", "vs", "velocities"):
            for array in getattr(rule, name, ()):
                array[...] = 0

    def train(self, batch: Array, step: int) -> Any:
        """One step; Adam's ε is added before the means are corrected here, so it is corrected too."""
        self.model._optimizer.epsilon = EPSILON * (1 - B2**step) ** 0.5
        self.model.partial_fit(self.data.x[batch], self.targets[batch])
        return self.model.loss_


# --- PyTorch ------------------------------------------------------------------------------------------------


class Torch:
    """PyTorch, step by step, with the fused update."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        import torch

        self.model = torch_model(torch, network, first)
        parameters = self.model.parameters()
        if network.rule == "adam":
            self.rule: Any = torch.optim.Adam(parameters, RATE, (B1, B2), EPSILON, fused=True)
        else:
            share = MOMENTUM if network.rule == "momentum" else 0.0
            self.rule = torch.optim.SGD(parameters, RATE, share, fused=True)
        functional = torch.nn.functional
        self.loss = functional.mse_loss if network.error == "squares" else functional.cross_entropy
        self.x, self.t = torch.from_numpy(given.x), torch.from_numpy(given.t)
        self.order = [torch.from_numpy(batch.astype(np.int64)) for batch in given.order]

    def __call__(self) -> list[Any]:
        return [self.train(self.x[batch], self.t[batch]) for batch in self.order]

    def train(self, x: Any, t: Any) -> Any:
        """One step; gives the error before it."""
        error = self.error(x, t)
        self.rule.zero_grad()
        error.backward()
        self.rule.step()
        return error.detach()

    def error(self, x: Any, t: Any) -> Any:
        """The error of a minibatch."""
        return self.loss(self.model(x), t)


class TorchCompiled(Torch):
    """PyTorch with the error and its derivative compiled."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        import torch

        super().__init__(network, given, first)
        eager = super().error
        self.error = torch.compile(eager)  # type: ignore[method-assign]
        try:
            self.error(self.x[self.order[0]], self.t[self.order[0]]).backward()
        except Exception as problem:  # whatever is missing: a C++ compiler, most often
            raise Unavailable(f"torch.compile: {type(problem).__name__}") from problem


def torch_model(torch: Any, network: Network, first: Weights) -> Any:
    """The layers, with the first weights."""
    functions = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "logistic": torch.nn.Sigmoid}
    layers: list[Any] = []
    for matrix, biases in first:
        layer = torch.nn.Linear(*matrix.shape, dtype=getattr(torch, network.dtype))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(matrix.T))
            layer.bias.copy_(torch.from_numpy(biases))
        layers += [layer, functions[network.activation]()]
    return torch.nn.Sequential(*layers[:-1])


# --- JAX ----------------------------------------------------------------------------------------------------


class JaxStep:
    """JAX, one compiled call per step; memory of weights and state is handed over."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        import jax

        if network.dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        self.state = jax_state(network, first)
        self.x = jax.numpy.asarray(given.x)
        self.t = jax.numpy.asarray(given.t if network.error == "squares" else given.one_of_k)
        self.order: Any = [jax.numpy.asarray(batch) for batch in given.order]
        self.step = jax.jit(jax_step(network), donate_argnums=0)

    def __call__(self) -> list[Any]:
        errors = []
        for batch in self.order:
            self.state, error = self.step(self.state, batch, self.x, self.t)
            errors.append(error)
        errors[-1].block_until_ready()
        return errors


class JaxScan(JaxStep):
    """JAX, one compiled call per epoch."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        import jax

        super().__init__(network, given, first)
        self.order = jax.numpy.asarray(given.order)
        step = jax_step(network)

        def epoch(state: Any, order: Any, x: Any, t: Any) -> Any:
            return jax.lax.scan(lambda state, batch: step(state, batch, x, t), state, order)

        self.epoch = jax.jit(epoch, donate_argnums=0)

    def __call__(self) -> Any:
        self.state, errors = self.epoch(self.state, self.order, self.x, self.t)
        return errors.block_until_ready()


def jax_state(network: Network, first: Weights) -> Any:
    """Parameters, in one vector if they are few, the rule's running means, and the number of steps."""
    import jax
    import jax.numpy as jnp

    flat = np.concatenate([x.ravel() for layer in first for x in layer])
    parameters = jnp.asarray(flat) if network.parameters <= SMALL else jax.tree.map(jnp.array, first)
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    return parameters, *zeros, jnp.zeros((), network.dtype)


def jax_step(network: Network) -> Callable[..., Any]:
    """A step of training: state and minibatch to state and error."""
    import jax

    error_and_gradient = jax.value_and_grad(jax_error(network))
    rule = JAX_RULES[network.rule]

    def step(state: Any, batch: Any, x: Any, t: Any) -> Any:
        parameters, mean, square, count = state
        error, gradient = error_and_gradient(parameters, x[batch], t[batch])
        new = jax.tree.map(lambda *arrays: rule(count + 1, *arrays), parameters, mean, square, gradient)
        parts = jax.tree.transpose(jax.tree.structure(parameters), jax.tree.structure((0, 0, 0)), new)
        return (*parts, count + 1), error

    return step


def jax_error(network: Network) -> Callable[..., Any]:
    """The error of a minibatch as a function of the parameters."""
    import jax
    import jax.numpy as jnp

    h = {"relu": jax.nn.relu, "tanh": jnp.tanh, "logistic": jax.nn.sigmoid}[network.activation]

    def error(parameters: Any, x: Any, t: Any) -> Any:
        layers = views(parameters, network.sizes) if network.parameters <= SMALL else parameters
        *hidden, (matrix, biases) = layers
        for inner, inner_biases in hidden:
            x = h(x @ inner + inner_biases)
        a = x @ matrix + biases
        if network.error == "squares":
            return jnp.mean((a - t) ** 2)
        return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(a), axis=1))

    return error


def jax_adam(count: Any, w: Any, mean: Any, square: Any, g: Any) -> Any:
    """Adam for one array."""
    mean, square = B1 * mean + (1 - B1) * g, B2 * square + (1 - B2) * g * g
    root = (square / (1 - B2**count)) ** 0.5
    return w - RATE / (1 - B1**count) * mean / (root + EPSILON), mean, square


JAX_RULES: dict[str, Callable[..., Any]] = {
    "adam": jax_adam,
    "sgd": lambda count, w, mean, square, g: (w - RATE * g, mean, square),
    "momentum": lambda count, w, mean, square, g: (
        w - RATE * (MOMENTUM * mean + g),
        MOMENTUM * mean + g,
        square,
    ),
}


# --- wengert ------------------------------------------------------------------------------------------------


class Fit:
    """wengert's ``train.fit`` of several epochs, the second and later ones of networks of a kind."""

    epochs = 1

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        from wengert import train

        self.fit, self.data, self.batch = train.fit, given, network.batch
        self.network, self.loss, self.rule = wengert_parts(network, first)

    def __call__(self) -> list[Any]:
        x, t, _ = self.data
        result = self.fit(
            self.network,
            self.loss,
            x,
            t,
            optimiser=self.rule,
            epochs=self.epochs,
            batch_size=self.batch,
            seed=0,
        )
        return result.curve.training


class Scan:
    """wengert's ``jit`` of a ``scan`` over the minibatches."""

    def __init__(self, network: Network, given: Data, first: Weights) -> None:
        import wengert as wg

        self.network, loss, rule = wengert_parts(network, first)
        self.state, self.data = rule.init(self.network), given
        if network.rule == "adam":  # a number of the network's dtype, so that the weights keep it
            self.state = self.state._replace(steps=np.zeros((), network.dtype))
        error_and_gradient = wg.value_and_grad(lambda network, x, t: loss(network(x), t))

        def epoch(network: Any, state: Any, x: Any, t: Any, order: Any) -> Any:
            def step(carry: Any, batch: Any) -> Any:
                network, state = carry
                error, gradient = error_and_gradient(network, x[batch], t[batch])
                return rule.update(gradient, state, network), error

            return wg.scan(step, (network, state), order)

        self.epoch = wg.jit(epoch)

    def __call__(self) -> Any:
        (self.network, self.state), errors = self.epoch(self.network, self.state, *self.data)
        return errors


def wengert_parts(network: Network, first: Weights) -> tuple[Any, Any, Any]:
    """Network, error and rule."""
    from wengert import losses, nn, optim

    names = [network.activation] * (len(first) - 1) + ["identity"]
    layers = [nn.Dense(*layer, nn.activation_named(h)) for layer, h in zip(first, names, strict=True)]
    loss = losses.mean_squared_error if network.error == "squares" else losses.softmax_cross_entropy
    if network.rule == "adam":
        return nn.MLP(tuple(layers)), loss, optim.Adam(RATE, B1, B2, EPSILON)
    return nn.MLP(tuple(layers)), loss, optim.SGD(RATE, MOMENTUM if network.rule == "momentum" else 0.0)


PEERS: dict[str, Callable[[Network, Data, Weights], Any]] = {
    "NumPy": ByHand,
    "scikit-learn": ScikitLearn,
    "PyTorch": Torch,
    "torch.compile": TorchCompiled,
    "JAX step": JaxStep,
    "JAX scan": JaxScan,
}
OURS: dict[str, Callable[[Network, Data, Weights], Any]] = {"fit": Fit, "scan": Scan}
