"""Networks of units evaluated one unit at a time, and random ones to do it with."""

import numpy as np
from hypothesis import strategies as st

from wengert import nn

PATTERNS = np.random.default_rng(3).normal(size=(5, 3))


def patterns_for(network):
    return PATTERNS[:, : len(network.topology.inputs)]


def error(network, x):
    return np.sum(np.sin(network(x)))


def outputs_of(network, pattern):
    """The outputs for one pattern, by recursion from each output: z_j = h_j(sum_i w_ji z_i + b_j)."""
    topology = network.topology
    numbers = np.concatenate([network.weights, network.biases, network.fixed])
    known = dict(zip(topology.inputs, pattern, strict=True))
    incoming = {i: [] for i in range(len(topology.names))}
    for source, target, place in zip(topology.sources, topology.targets, topology.places, strict=True):
        incoming[int(target)].append((int(source), numbers[place]))

    def activation(j):
        if j not in known:
            bias = topology.bias_places[j]
            a = sum((w * activation(i) for i, w in incoming[j]), numbers[bias] if bias >= 0 else 0.0)
            known[j] = topology.activations[j](np.asarray(a, numbers.dtype))
        return known[j]

    return np.array([activation(j) for j in topology.outputs], numbers.dtype)


def outputs_of_all(network, patterns):
    return np.stack([outputs_of(network, pattern) for pattern in patterns])


@st.composite
def networks(draw, dtype=np.float64):
    """Any connections from a unit to a later one, with named, fixed and plain weights, and any outputs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = draw(st.integers(1, 3))
    count = inputs + draw(st.integers(1, 18))
    narrow = draw(st.booleans())  # connections to near units only: many levels
    edges = []
    for j in range(inputs, count):
        first = max(0, j - 3) if narrow else 0
        reads = rng.permutation(np.arange(first, j))[: rng.integers(1, 4)]
        edges += [(f"u{i}", f"u{j}", _weight(rng)) for i in reads]
    silent = {f"u{j}" for j in range(inputs, count)} - {source for source, _, _ in edges}
    outputs = list(rng.permutation(sorted(silent | {f"u{rng.integers(count)}"})))
    return nn.UnitGraph.from_edges(
        edges,
        inputs=[f"u{i}" for i in range(inputs)],
        outputs=outputs,
        activations={f"u{j}": str(rng.choice(SMOOTH)) for j in range(inputs, count)},
        biases={f"u{j}": _bias(rng) for j in range(inputs, count)},
        rng=rng,
        dtype=dtype,
    )


SMOOTH = ["tanh", "logistic", "identity", "softplus"]


def _weight(rng):
    return [None, str(rng.choice(["v", "w"])), nn.Fixed(rng.normal()), rng.normal()][rng.integers(4)]


def _bias(rng):
    return [None, nn.Fixed(rng.normal()), rng.normal()][rng.integers(3)]
