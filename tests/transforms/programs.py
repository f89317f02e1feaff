"""Random straight-line programs over small arrays, zeros of every kind and identities included."""

import numpy as np
from hypothesis import strategies as st

import wengert.ops  # noqa: F401  (fills the registry)
from wengert.core.recorder import type_of
from wengert.core.recording import record

# Each keeps the shape (n, m) of its operand, for any n and m.
UNARY = [
    lambda a: a * 1,
    lambda a: 1.0 * a,
    lambda a: a / 1.0,
    lambda a: a + 0.0,
    lambda a: a - 0.0,
    lambda a: a - (-0.0),
    lambda a: a + np.full(a.shape, -0.0),
    lambda a: np.negative(-a),
    lambda a: -a,
    lambda a: +a,
    lambda a: a**1,
    lambda a: a**2 * 0.25,
    lambda a: a * 0.0,
    lambda a: a.T.T,
    lambda a: (a.T * 2).T,
    lambda a: a.reshape(-1).reshape(a.shape),
    lambda a: a.reshape(a.T.shape).T.reshape(a.shape),
    lambda a: a.astype(a.dtype),
    lambda a: a.astype(np.float64).astype(a.dtype),
    lambda a: a.astype(np.float32).astype(a.dtype),
    lambda a: a[:, :],
    lambda a: a[::-1],
    lambda a: a[::-1][::-1],
    lambda a: np.flip(np.flip(a, 0), 0),
    lambda a: np.where(a > 0, a, a),
    lambda a: np.where(a > 0, a, -a),
    lambda a: np.broadcast_to(a, (2, *a.shape))[1],
    lambda a: np.broadcast_to(np.broadcast_to(a[:1, :1].sum(), a.shape), (2, *a.shape))[0],
    lambda a: a + a.sum(axis=1, keepdims=True),
    lambda a: a - np.sum(a, axis=0),
    lambda a: np.tanh(a),
    lambda a: np.exp(-np.abs(a)),
    lambda a: np.maximum(a, 0.5),
    lambda a: np.concatenate([a[:1], a[1:]]),
    lambda a: np.stack([a, a])[0],
    lambda a: a @ np.ones((a.shape[1], a.shape[1]), a.dtype),
    lambda a: a * (2 * np.ones(3)).sum(),
    lambda a: np.zeros(a.shape, a.dtype) + a,
]
BINARY = [
    lambda a, b: a + b,
    lambda a, b: b + a,
    lambda a, b: a + (-b),
    lambda a, b: -a + b,
    lambda a, b: a - (-b),
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (2 + b * b),
    lambda a, b: np.where(a > b, a, b),
    lambda a, b: np.tanh(a) + np.tanh(b) * np.tanh(a),
]
COUNT = len(UNARY) + len(BINARY)

steps = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12
)
shapes = st.tuples(st.sampled_from([0, 1, 2, 3]), st.sampled_from([0, 1, 2]))
dtypes = st.sampled_from([np.float64, np.float32])
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e-310, 1e300]


def program(steps):
    """A function of two arrays that gives two."""

    def run(x, y):
        values = [x, y]
        for operation, i, j in steps:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            values.append(
                UNARY[operation](a) if operation < len(UNARY) else BINARY[operation - len(UNARY)](a, b)
            )
        return values[-1], values[len(values) // 2]

    return run


def arrays(shape, dtype, seed, special):
    """Two arrays: moderate random numbers, or with zeros, infinities and NaN among them."""
    rng = np.random.default_rng(seed)
    if special:
        with np.errstate(over="ignore"):
            return [rng.choice(SPECIAL, size=shape).astype(dtype) for _ in range(2)]
    return [rng.uniform(-1.5, 1.5, size=shape).astype(dtype) for _ in range(2)]


def trace_of(f, values, abstract=False):
    """The trace of a function of these arrays."""
    inputs = [type_of(v) for v in values] if abstract else list(values)
    recording = record(f, inputs, lambda f, tracers: f(*tracers), abstract)
    recording.recorder.keep()
    return recording.trace()


def same_bits(found, expected):
    """Equal types and numbers, zeros with their signs; NaN is NaN."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert type_of(one) is type_of(other)
        one, other = np.asarray(one), np.asarray(other)
        np.testing.assert_array_equal(one, other)
        if one.dtype.kind == "f":
            number = ~np.isnan(one)
            np.testing.assert_array_equal(np.signbit(one)[number], np.signbit(other)[number])
