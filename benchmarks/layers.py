"""Time of a training step of networks with each layer and activation: wengert's trainer beside a JAX scan.

    python benchmarks/layers.py [--quick] [--threads 1] [--only TEXT] [--json FILE]

One network, 64-128-64-10 in minibatches of 64, whose hidden layers are varied; the rule is gradient descent.
An epoch is one compiled call in both. The errors of the first epoch are compared before any is timed, except
where units are dropped, each package drawing in its own way. `ratio` is JAX ÷ wengert, the median over the
rounds: above 1, wengert takes less time.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

import numpy as np
from _measure import (
    Clock,
    compare,
    interleave,
    machine,
    machine_line,
    settle_heap,
    table,
    write_json,
)
from training import limit_threads, microseconds

HEADER = ("hidden layers", "JAX scan", "wengert", "ratio")
SIZES, BATCH, STEPS, RATE, DROPPED, CATEGORIES = (64, 128, 64, 10), 64, 100, 0.01, 0.2, 1000
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Case:
    """How the hidden layers are made: options of `nn.MLP.init`, and the names of the functions in jax.nn."""

    name: str
    jax: Callable[[Any, Any], Any]
    options: dict[str, Any] = field(default_factory=dict)


def cases() -> list[Case]:
    """Activations, then layers, then an embedding in front."""
    import jax
    import jax.numpy as jnp

    functions = {
        "relu": jax.nn.relu,
        "tanh": jnp.tanh,
        "logistic": jax.nn.sigmoid,
        "leaky_relu": jax.nn.leaky_relu,
        "elu": jax.nn.elu,
        "selu": jax.nn.selu,
        "softplus": jax.nn.softplus,
        "softsign": jax.nn.soft_sign,
        "gelu": lambda a: jax.nn.gelu(a, approximate=False),
        "gelu_tanh": jax.nn.gelu,
        "silu": jax.nn.silu,
        "mish": jax.nn.mish,
        "gaussian": lambda a: jnp.exp(-a * a),
        "gudermannian": lambda a: 2 * jnp.arctan(jnp.tanh(a / 2)),
    }
    found = [Case(name, lambda a, _, h=h: h(a), {"activation": name}) for name, h in functions.items()]

    def dropout(a: Any, key: Any) -> Any:
        return jnp.where(jax.random.bernoulli(key, 1 - DROPPED, a.shape), jax.nn.relu(a) / (1 - DROPPED), 0)

    return [
        *found,
        Case("dropout", dropout, {"dropout": DROPPED}),
        Case("batch norm", lambda a, _: jax.nn.relu(normalised(a, 0)), {"normalisation": "batch"}),
        Case("layer norm", lambda a, _: jax.nn.relu(normalised(a, -1)), {"normalisation": "layer"}),
        Case("embedding", lambda a, _: jax.nn.relu(a)),
    ]


def normalised(a: Any, axis: int) -> Any:
    """Mean 0 and variance 1 along an axis; scale 1 and shift 0 are learned by the caller."""
    import jax
    import jax.numpy as jnp

    centred = a - jnp.mean(a, axis, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred * centred, axis, keepdims=True) + 1e-5)


def data(case: Case) -> tuple[Any, Any, Any]:
    """Patterns (of the embedding: categories), classes, and the order of an epoch."""
    rng, count = np.random.default_rng(0), STEPS * BATCH
    x = rng.standard_normal((count, SIZES[0])).astype(np.float32)
    t = np.argmax(x[:, : SIZES[-1]], axis=1)
    return rng.integers(0, CATEGORIES, count) if case.name == "embedding" else x, t, rng.permutation(count)


class Wengert:
    """The trainer that `train.fit` is a loop around."""

    def __init__(self, case: Case) -> None:
        import wengert as wg
        from wengert import losses, nn, optim
        from wengert.train import Trainer

        rng = np.random.default_rng(1)
        self.network: Any = nn.MLP.init(rng, SIZES, dtype=np.float32, **case.options)
        if case.name == "embedding":
            front = nn.Embedding.init(rng, CATEGORIES, SIZES[0], dtype=np.float32)
            self.network = nn.Sequential([front, *self.network.layers])
        loss, rule = losses.softmax_cross_entropy, optim.SGD(RATE)
        self.trainer = Trainer(self.network, loss, rule, BATCH, wg.random.key(0))
        *self.data, self.order = data(case)

    def __call__(self) -> float:
        return self.trainer.epoch(tuple(self.data), self.order)


class Jax:
    """A scan over the steps of an epoch, compiled; running statistics are not kept."""

    def __init__(self, case: Case, first: Any) -> None:
        import jax
        import jax.numpy as jnp

        x, t, order = map(jnp.asarray, data(case))
        error_and_gradient = jax.value_and_grad(lambda *args: jax_error(case, *args))

        def step(carry: Any, batch: Any) -> Any:
            (arrays, key), now = carry, jax.random.fold_in(carry[1], batch[0])
            error, gradient = error_and_gradient(arrays, now, x[batch], t[batch])
            return (jax.tree.map(lambda w, g: w - RATE * g, arrays, gradient), key), error

        self.epoch = jax.jit(lambda carry, order: jax.lax.scan(step, carry, order), donate_argnums=0)
        self.order = order.reshape(STEPS, BATCH)
        self.carry = jax_arrays(first), jax.random.key(0)

    def __call__(self) -> float:
        self.carry, errors = self.epoch(self.carry, self.order)
        return float(errors.mean())


def jax_arrays(network: Any) -> list[Any]:
    """The arrays that are trained, layer by layer."""
    import jax.numpy as jnp

    from wengert import nn

    layers = [{n: jnp.array(w) for n, w in nn.parameters(layer).items()} for layer in network.layers]
    return [layer for layer in layers if layer]


def jax_error(case: Case, arrays: list[Any], key: Any, x: Any, t: Any) -> Any:
    """The cross-entropy of a minibatch."""
    import jax

    arrays = list(arrays)
    if case.name == "embedding":
        x = arrays.pop(0)["weights"][x]
    for i in range(len(SIZES) - 1):
        layer = arrays.pop(0)
        x = x @ layer["weights"] + layer.get("biases", 0.0)
        if i < len(SIZES) - 2:
            x = jax_hidden(case, arrays, jax.random.fold_in(key, i), x)
    return -jax.nn.log_softmax(x)[np.arange(BATCH), t].mean()


def jax_hidden(case: Case, arrays: list[Any], key: Any, a: Any) -> Any:
    """What follows the weights of a hidden layer."""
    if "norm" not in case.name:
        return case.jax(a, key)
    norm = arrays.pop(0)
    import jax

    return jax.nn.relu(normalised(a, 0 if case.name == "batch norm" else -1) * norm["scale"] + norm["shift"])


def measure(case: Case, rounds: int, floor: float, clock: Clock) -> dict[str, Any]:
    """Both trainers on one network."""
    mine = Wengert(case)
    peer = Jax(case, mine.network)
    errors = peer(), mine()
    if case.name != "dropout" and not abs(errors[0] - errors[1]) <= TOLERANCE * errors[0]:
        sys.exit(f"{case.name}: the mean errors of the first epoch are {errors[0]:.6g} and {errors[1]:.6g}")
    samples = interleave({"JAX scan": peer, "wengert": mine}, rounds, floor, clock)
    ratio = compare(samples["JAX scan"], samples["wengert"])
    return {"name": case.name, "samples": samples, "ratio": ratio, "errors": errors}


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table: microseconds per step."""
    times = [microseconds(samples.median / STEPS) for samples in result["samples"].values()]
    return [result["name"], *times, f"{result['ratio'].median:.2f}"]


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few and short samples")
    parser.add_argument("--only", metavar="TEXT", default="", help="layers whose name contains this")
    parser.add_argument("--threads", type=int, default=2, help="threads that both may use (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    rounds, floor = (5, 0.005) if options.quick else (11, 0.03)
    settle_heap()
    limit_threads(options.threads)
    clock = process_time_ns if options.threads == 1 else perf_counter_ns
    chosen = [case for case in cases() if options.only in case.name]
    results = [measure(case, rounds, floor, clock) for case in chosen]
    where = machine(("numpy", "wengert", "jax"), threads=options.threads)
    print(table(HEADER, [row(result) for result in results]))
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "results": results})


if __name__ == "__main__":
    main()
