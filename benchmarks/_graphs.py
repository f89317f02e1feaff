"""Networks of single units, and a step of gradient descent on them in every package.

All start from the same connections, weights and patterns; every step is on all patterns,

    w <- w - rate * dE/dw,    E = mean squared error.

`SciPy` multiplies sparse matrices, level by level and by hand; `JAX` sums over segments of connections, level
by level, or scans over padded tables where levels are many; `JAX dense` multiplies whole matrices, with zeros
where nothing is connected.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import wengert as wg
from wengert import losses, nn

Array = np.ndarray
RATE = 0.01
DEEP = 30  # levels from which on a program for each would take long to compile
MOST_DENSE = 5_000_000  # elements of the matrices of all levels


class Unavailable(Exception):
    """A package has no way to do something, or none worth a measurement."""


class Problem(NamedTuple):
    """A network, patterns and targets, and how many steps a call takes."""

    name: str
    network: nn.UnitGraph
    x: Array
    t: Array
    steps: int
    small: bool = False


# --- networks -----------------------------------------------------------------------------------------------


def sparse(
    sizes: tuple[int, ...], connections: int, dtype: str, patterns: int = 64, steps: int = 10
) -> Problem:
    """Connections drawn at random between layers."""
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.random_sparse(rng, sizes, connections, dtype=dtype)
    name = f"{'-'.join(map(str, sizes))}, {connections} connections, {dtype}"
    return problem(name, network, patterns, steps)


def chain(levels: int, width: int, reach: int, dtype: str, patterns: int = 64, steps: int = 10) -> Problem:
    """Narrow levels, whose units read three units of so many levels before."""
    rng = np.random.default_rng(0)
    rows = [[f"{level}.{i}" for i in range(width)] for level in range(levels + 1)]
    edges = []
    for level in range(1, levels + 1):
        near = [unit for row in rows[max(0, level - reach) : level] for unit in row]
        for unit in rows[level]:
            first = rows[level - 1][rng.integers(width)]
            edges += [(source, unit) for source in dict.fromkeys([first, *rng.permutation(near)[:3]])]
    read = {source for source, _ in edges}
    outputs = [unit for row in rows[1:] for unit in row if unit not in read]
    network = nn.UnitGraph.from_edges(edges, inputs=rows[0], outputs=outputs, rng=rng, dtype=dtype)
    return problem(f"{levels} levels of {width}, reach {reach}, {dtype}", network, patterns, steps)


def lecture(steps: int = 1000) -> Problem:
    """The network of the lecture's worked example, with one pattern."""
    edges = [("x1", "h1", 0.2), ("x2", "h1", 0.4), ("x1", "h2", 0.3), ("x2", "h2", 0.7)]
    network = nn.UnitGraph.from_edges(
        [*edges, ("h1", "y", 0.6), ("h2", "y", 0.9)],
        inputs=["x1", "x2"],
        outputs=["y"],
        biases={"h1": 0.1, "h2": 0.2, "y": 0.3},
        output="tanh",
    )
    x, t = np.array([[0.5, 0.1]]), np.array([[1.0]])
    return Problem("2-2-1, one pattern, float64", network, x, t, steps, True)


def exclusive_or(steps: int = 1000) -> Problem:
    """One hidden unit, and connections that skip it."""
    edges = [("x1", "h"), ("x2", "h"), ("x1", "y"), ("x2", "y"), ("h", "y")]
    network = nn.UnitGraph.from_edges(
        edges, inputs=["x1", "x2"], outputs=["y"], rng=np.random.default_rng(1), output="tanh"
    )
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return Problem(
        "2-1-1 with skips, 4 patterns, float64",
        network,
        x,
        np.array([[0.0], [1.0], [1.0], [0.0]]),
        steps,
        True,
    )


def problem(name: str, network: nn.UnitGraph, patterns: int, steps: int) -> Problem:
    """The network with random patterns and targets."""
    rng, dtype = np.random.default_rng(1), network.weights.dtype
    inputs, outputs = len(network.topology.inputs), len(network.topology.outputs)
    x, t = rng.normal(size=(patterns, inputs)), rng.normal(size=(patterns, outputs))
    return Problem(name, network, x.astype(dtype), t.astype(dtype), steps)


def problems() -> list[Problem]:
    """All networks that are measured."""
    found = [sparse((1000, 600, 400, 10), 100_000, dtype) for dtype in ("float32", "float64")]
    found.append(sparse((1000, 1000, 1000, 10), 20_000, "float32"))
    found += [chain(300, 4, reach, "float32") for reach in (1, 3)]
    return [*found, lecture(), exclusive_or()]


# --- levels -------------------------------------------------------------------------------------------------


class Level(NamedTuple):
    """Units of one level, and their connections sorted by target: where from, to which unit, which weight."""

    units: Array
    sources: Array
    rows: Array
    places: Array


def levels_of(network: nn.UnitGraph) -> list[Level]:
    """The levels of a network in which every connection has a weight of its own, and every unit a bias."""
    topology, found = network.topology, []
    level = np.asarray(topology.levels)[topology.targets]
    for number in range(1, int(topology.levels.max()) + 1):
        chosen = np.flatnonzero(level == number)
        chosen = chosen[np.lexsort((topology.sources[chosen], topology.targets[chosen]))]
        units = np.flatnonzero(topology.levels == number)
        rows = np.searchsorted(units, topology.targets[chosen])
        found.append(Level(units, topology.sources[chosen], rows, topology.places[chosen]))
    return found


def biases_of(network: nn.UnitGraph) -> Array:
    """Which bias each unit has; that of an input is the first, and is not used."""
    return np.maximum(network.topology.bias_places - len(network.weights), 0)


def is_linear(network: nn.UnitGraph, units: Array) -> Array:
    """Which units have no activation function; all others have tanh."""
    return np.array([network.topology.activations[unit] is nn.identity for unit in units])


# --- packages -----------------------------------------------------------------------------------------------

Trained = Callable[[], tuple[Array, Array]]


def with_wengert(problem: Problem) -> Trained:
    """A scan over steps, compiled."""

    def step(network: Any, x: Array, t: Array) -> Any:
        weights = nn.parameters(network)
        gradient = wg.grad(lambda w: losses.mean_squared_error(nn.replaced(network, w)(x), t))(weights)
        return nn.replaced(network, {name: w - RATE * gradient[name] for name, w in weights.items()})

    @wg.jit
    def run(network: Any, x: Array, t: Array) -> Any:
        return wg.scan(lambda network, _: (step(network, x, t), ()), network, None, problem.steps)[0]

    def train() -> tuple[Array, Array]:
        network = run(problem.network, problem.x, problem.t)
        return network.weights, network.biases

    return train


def with_scipy(problem: Problem) -> Trained:
    """Sparse products level by level, and backpropagation by hand."""
    import scipy.sparse

    network, levels, bias = problem.network, levels_of(problem.network), biases_of(problem.network)
    if len(problem.x) < 8:
        raise Unavailable("a sparse product for a handful of numbers")
    pointers = [np.searchsorted(level.rows, np.arange(len(level.units) + 1)) for level in levels]
    linear = [is_linear(network, level.units)[:, None] for level in levels]
    inputs, outputs = list(network.topology.inputs), list(network.topology.outputs)
    count = len(network.topology.names)

    def matrix(weights: Array, level: Level, starts: Array) -> Any:
        parts = weights[level.places], level.sources, starts
        return scipy.sparse.csr_matrix(parts, shape=(len(level.units), count))

    def step(weights: Array, biases: Array) -> tuple[Array, Array]:
        z = np.zeros((count, len(problem.x)), weights.dtype)
        z[inputs] = problem.x.T
        matrices = [matrix(weights, level, starts) for level, starts in zip(levels, pointers)]
        for level, w, plain in zip(levels, matrices, linear):
            a = w @ z + biases[bias[level.units]][:, None]
            z[level.units] = np.where(plain, a, np.tanh(a))
        delta = np.zeros_like(z)
        delta[outputs] = 2 / problem.t.size * (z[outputs] - problem.t.T)
        of_weights, of_biases = np.empty_like(weights), np.empty_like(biases)
        for level, w, plain in zip(levels[::-1], matrices[::-1], linear[::-1]):
            d = delta[level.units] * np.where(plain, 1, 1 - z[level.units] ** 2)
            of_biases[bias[level.units]] = d.sum(axis=1)
            of_weights[level.places] = np.einsum("en,en->e", d[level.rows], z[level.sources])
            delta += w.T @ d
        return weights - RATE * of_weights, biases - RATE * of_biases

    def train() -> tuple[Array, Array]:
        weights, biases = network.weights, network.biases
        for _ in range(problem.steps):
            weights, biases = step(weights, biases)
        return weights, biases

    return train


def with_jax(problem: Problem) -> Trained:
    """Sums over segments, or a scan over tables if there are many levels."""
    many = problem.network.topology.levels.max() >= DEEP
    return _jax_trained(problem, _jax_tables(problem.network) if many else _jax_segments(problem.network))


def with_jax_dense(problem: Problem) -> Trained:
    """Whole matrices from all units before to those of a level."""
    levels = levels_of(problem.network)
    if sum(level.units.size * level.units.min() for level in levels) > MOST_DENSE or len(levels) >= DEEP:
        raise Unavailable("too many zeros")
    return _jax_trained(problem, _jax_matrices(problem.network))


def _jax_trained(problem: Problem, outputs: Callable[[Any, Any], Any]) -> Trained:
    import jax
    import jax.numpy as jnp

    if problem.x.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    x, t = jnp.asarray(problem.x), jnp.asarray(problem.t)

    def step(w: Any, x: Any, t: Any) -> Any:
        gradient = jax.grad(lambda w: jnp.mean(jnp.square(outputs(w, x) - t)))(w)
        return jax.tree.map(lambda w, g: w - RATE * g, w, gradient)

    @jax.jit
    def run(w: Any, x: Any, t: Any) -> Any:
        return jax.lax.scan(lambda w, _: (step(w, x, t), None), w, None, length=problem.steps)[0]

    start = jnp.asarray(problem.network.weights), jnp.asarray(problem.network.biases)
    return lambda: jax.block_until_ready(run(start, x, t))


def _jax_start(network: nn.UnitGraph, x: Any) -> Any:
    import jax.numpy as jnp

    z = jnp.zeros((len(network.topology.names), len(x)), x.dtype)
    return z.at[jnp.array(network.topology.inputs)].set(x.T)


def _jax_segments(network: nn.UnitGraph) -> Callable[[Any, Any], Any]:
    import jax
    import jax.numpy as jnp

    levels, bias, outputs = levels_of(network), biases_of(network), np.array(network.topology.outputs)
    segment_sum = partial(jax.ops.segment_sum, indices_are_sorted=True)

    def run(w: Any, x: Any) -> Any:
        z = _jax_start(network, x)
        for level in levels:
            products = w[0][level.places][:, None] * z[level.sources]
            a = segment_sum(products, level.rows, num_segments=len(level.units))
            a = a + w[1][bias[level.units]][:, None]
            z = z.at[level.units].set(jnp.where(is_linear(network, level.units)[:, None], a, jnp.tanh(a)))
        return z[outputs].T

    return run


def _jax_matrices(network: nn.UnitGraph) -> Callable[[Any, Any], Any]:
    import jax.numpy as jnp

    levels, bias, outputs = levels_of(network), biases_of(network), np.array(network.topology.outputs)

    def run(w: Any, x: Any) -> Any:
        z = _jax_start(network, x)
        for level in levels:
            before = level.units.min()
            matrix = jnp.zeros((len(level.units), before), x.dtype)
            matrix = matrix.at[level.rows, level.sources].set(w[0][level.places], unique_indices=True)
            a = matrix @ z[:before] + w[1][bias[level.units]][:, None]
            z = z.at[level.units].set(jnp.where(is_linear(network, level.units)[:, None], a, jnp.tanh(a)))
        return z[outputs].T

    return run


def _jax_tables(network: nn.UnitGraph) -> Callable[[Any, Any], Any]:
    """A scan over levels of one size, which carries as many levels as connections reach back."""
    import jax
    import jax.numpy as jnp

    levels, bias, outputs = levels_of(network), biases_of(network), np.array(network.topology.outputs)
    width, inputs = len(levels[0].units), len(network.topology.inputs)
    if {len(level.units) for level in levels} != {width} or inputs != width:
        raise Unavailable("levels of many sizes")
    longest = max(int(np.bincount(level.rows).max()) for level in levels)
    reach = max(int((i + 1) - (level.sources // width).min()) for i, level in enumerate(levels))
    places = np.full((len(levels), width, longest), len(network.weights))
    reads = np.zeros((len(levels), width, longest), int)
    for i, level in enumerate(levels):
        within = np.arange(len(level.rows)) - np.searchsorted(level.rows, level.rows)
        places[i, level.rows, within] = level.places
        reads[i, level.rows, within] = level.sources - width * (i + 1 - reach)
    of_biases = np.stack([bias[level.units] for level in levels])
    linear = np.stack([is_linear(network, level.units) for level in levels])

    def run(w: Any, x: Any) -> Any:
        weights = jnp.concatenate([w[0], jnp.zeros(1, x.dtype)])[places]

        def step(carried: Any, level: Any) -> tuple[Any, Any]:
            v, index, b, plain = level
            a = jnp.sum(v[:, :, None] * carried[index], axis=1) + b[:, None]
            z = jnp.where(plain[:, None], a, jnp.tanh(a))
            return jnp.concatenate([carried[width:], z]), z

        start = jnp.concatenate([jnp.zeros((width * (reach - 1), len(x)), x.dtype), x.T])
        rows = jax.lax.scan(step, start, (weights, reads, w[1][of_biases], linear))[1]
        return rows.reshape(-1, len(x))[outputs - inputs].T

    return run


PACKAGES: dict[str, Callable[[Problem], Trained]] = {
    "wengert": with_wengert,
    "SciPy": with_scipy,
    "JAX": with_jax,
    "JAX dense": with_jax_dense,
}
