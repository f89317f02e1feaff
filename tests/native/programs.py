"""Random programs of many kernels: products, reductions, views, lookups, loops and branches."""

from __future__ import annotations

import numpy as np

import wengert as wg

# Each keeps the shape (n, n) of its operands; c are whole numbers below n.
STEPS = [
    lambda a, b, c: a @ b,
    lambda a, b, c: a @ b.T,
    lambda a, b, c: a.T @ b,
    lambda a, b, c: (b.T @ a.T).T,
    lambda a, b, c: np.tanh(a @ b + a[0]),
    lambda a, b, c: np.tanh(a.T @ b) * b + a.sum(axis=0),
    lambda a, b, c: np.exp(-np.abs(a)) + b,
    lambda a, b, c: a.T + b,
    lambda a, b, c: a[::-1] * b,
    lambda a, b, c: a[:, ::-1] - b.T,
    lambda a, b, c: a - a.max(axis=1, keepdims=True),
    lambda a, b, c: a - a.mean(axis=0) + b.mean(),
    lambda a, b, c: a[c] + b[:, c],
    lambda a, b, c: np.concatenate([a[3:], b[:3]]),
    lambda a, b, c: np.concatenate([a[:, 5:], b[:, :5]], axis=1),
    lambda a, b, c: a.reshape(-1)[::-1].reshape(a.shape) + b,
    lambda a, b, c: np.where(a > b, a, b.T),
    lambda a, b, c: np.broadcast_to((a * b).sum(axis=1), a.shape) * 0.1,
    lambda a, b, c: a * (a @ b[0])[:, None],
    lambda a, b, c: np.sum(a[:, :4, None] * b[None, :4], axis=1),
    lambda a, b, c: scattered(a, b, c),
    lambda a, b, c: written(a, b),
    lambda a, b, c: scanned(a, b),
    lambda a, b, c: scanned_in_turns(a, b, c),
    lambda a, b, c: wg.cond(a[0, 0] > 0, lambda a, b: np.tanh(a) @ b, lambda a, b: b.T - a, a, b),
    lambda a, b, c: counted(a, b),
    lambda a, b, c: wg.checkpoint(lambda a, b: np.tanh(a @ b) + b.T)(a, b),
    lambda a, b, c: wg.grad(lambda a: np.sum(np.tanh(a @ b) ** 2))(a),
    lambda a, b, c: wg.grad(lambda a: np.sum(scanned(a, b) * a))(a),
]


def scattered(a, b, c):
    """The derivative of a lookup adds into rows."""
    return wg.grad(lambda a: np.sum(a[c] * b))(a)


def written(a, b):
    """Parts of a copy overwritten, one after the other."""
    a = np.copy(a)
    a[2:7] = b[:5]
    a[:, 1] = b[3]
    a[::2] += b[::2]
    return a


def scanned(a, b):
    """A loop whose carry is overwritten in place where that is allowed."""
    step = lambda z, row: (np.tanh(z @ b) * 0.5 + row, z.sum(axis=0))
    last, sums = wg.scan(step, a, b[:3])
    return last + sums[1]


def scanned_in_turns(a, b, c):
    """Carries that are read by each other's successors."""

    def step(carry, row):
        z, w, mean = carry
        return (np.exp(-np.abs(z)), z.T @ w * 0.1 + w, mean + z.sum() * 1e-3), w[0] * mean + row

    (z, w, mean), rows = wg.scan(step, (a, b, a[0, 0]), b[:4])
    return z + w * mean + rows[c % 4]


def counted(a, b):
    """A loop that ends when a value says so."""
    body = lambda carry: (carry[0] + 1, np.tanh(carry[1].T + b))
    return wg.while_loop(lambda carry: (carry[0] < 3) & (carry[1].sum() < 1e6), body, (0, a))[1]


def program(seed, size=6):
    """A function of two matrices and indices that gives three results."""
    rng = np.random.default_rng(seed)
    plan = [(STEPS[rng.integers(len(STEPS))], *rng.integers(0, 9, 2)) for _ in range(size)]

    def run(x, y, c):
        values = [x, y]
        for step, i, j in plan:
            a, b = values[-1 - i % min(3, len(values))], values[-1 - j % len(values)]
            values.append(bounded(step(a, b, c)))
        return values[-1], values[len(values) // 2], values[-2].sum(axis=1)

    return run


def bounded(a):
    """Numbers that neither vanish nor overflow, so that differences stay visible."""
    return a / (1 + np.abs(a) * 0.1)


def arguments(seed):
    """Two matrices, whose size and dtype the seed chooses, and indices."""
    rng = np.random.default_rng(seed)
    n, dtype = int(rng.choice([17, 24, 33, 40, 64, 67])), rng.choice([np.float32, np.float64])
    x, y = (rng.normal(size=(n, n)).astype(dtype) for _ in range(2))
    return x, y, rng.integers(-n, n, n)
