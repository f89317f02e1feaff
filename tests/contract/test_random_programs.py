"""Random programs with views, aliases, writes in place and preallocated arrays, as NumPy runs them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.contract.helpers import close

# Views and copies take one of the arrays so far and give another; writes change the first of two.


def fit(source, target):
    """Something made of source that can be written into target."""
    return np.tanh(np.sum(source)) + np.zeros(target.shape)


def window(a, b):
    """Part of b where the shapes agree, and otherwise a number."""
    return b * 0.5 if a.shape == b.shape else fit(b, a)


VIEWS = [
    lambda a: a[1:],
    lambda a: a[:-1],
    lambda a: a[::2],
    lambda a: a[::-1],
    lambda a: a[...],
    lambda a: a.T,
    lambda a: a[0] if a.ndim > 1 else a[:1],
    lambda a: a[-1:] if a.ndim == 1 else a[:, -1],
    lambda a: a[:, 1:] if a.ndim > 1 else a[1:3],
    lambda a: a.reshape(-1),
    lambda a: a.reshape(2, -1) if a.size % 2 == 0 else a,
    lambda a: a[None],
    lambda a: np.swapaxes(a, 0, -1),
    lambda a: np.asarray(a),
    lambda a: np.ravel(a),
    lambda a: np.atleast_2d(a)[0],
    lambda a: np.moveaxis(a, -1, 0),
    lambda a: np.split(a, [1])[1],
]
COPIES = [
    lambda a: a * 1.0,
    lambda a: np.sin(a),
    lambda a: a.copy(),
    lambda a: np.array(a),
    lambda a: np.copy(a),
    lambda a: a.flatten(),
    lambda a: a[np.arange(len(a))],
    lambda a: a[a > -9],
    lambda a: np.zeros(3),
    lambda a: np.zeros((2, 3)),
    lambda a: np.ones_like(a),
    lambda a: np.zeros(a.shape),
    lambda a: np.outer(a, a)[:3, :4] / 4,
    lambda a: np.concatenate([a, a])[:4],
    lambda a: np.array([np.sum(a), 1.0, np.prod(np.tanh(a))]),
    lambda a: np.stack([np.ravel(a)[:1], [2.0]]),
]
WRITES = [
    lambda a, b: a.__setitem__(..., window(a, b)),
    lambda a, b: a.__setitem__(0, np.cos(np.sum(b))),
    lambda a, b: a.__setitem__(slice(1, None), fit(b, a[1:])),
    lambda a, b: a.__setitem__(slice(None, None, 2), 0.3 * a[::2] + fit(b, a[::2])),
    lambda a, b: a.__setitem__(slice(1, None), a[:-1]),
    lambda a, b: a.__setitem__(slice(None), a[::-1]),
    lambda a, b: a.__iadd__(window(a, b)),
    lambda a, b: a.__imul__(0.9),
    lambda a, b: a.__isub__(fit(b, a)),
    lambda a, b: a[:1].__iadd__(fit(b, a[:1])),
    lambda a, b: a.T.__imul__(1.1),
    lambda a, b: a.__setitem__(np.arange(len(a)) % 2 == 0, fit(b, a)[np.arange(len(a)) % 2 == 0]),
    lambda a, b: a.__setitem__([0, -1], fit(b, a)[[0, -1]]),
    lambda a, b: np.add(a, window(a, b), out=a),
    lambda a, b: np.copyto(a, window(a, b)),
    lambda a, b: a.fill(np.tanh(np.sum(b))),
    lambda a, b: a.sort() if a.ndim == 1 else None,
    lambda a, b: np.add.at(a, [0, 0], 0.1 * np.tanh(np.sum(b))),
    lambda a, b: a.flat.__setitem__(slice(None, None, 3), np.tanh(np.sum(b))),
]

steps = st.lists(
    st.tuples(st.integers(0, 999), st.integers(0, 7), st.integers(0, 7)), min_size=2, max_size=14
)


def program(steps):
    """A straight-line program: a third each of views, copies and writes, on earlier arrays."""

    def f(x):
        arrays = [x * 1.0]
        for operation, i, j in steps:
            a, b = arrays[-1 - i % len(arrays)], arrays[-1 - j % len(arrays)]
            kind, number = operation % 3, operation // 3
            if a.size == 0:
                continue
            if kind == 0:
                arrays.append(VIEWS[number % len(VIEWS)](a))
            elif kind == 1:
                arrays.append(COPIES[number % len(COPIES)](a))
            else:
                WRITES[number % len(WRITES)](a, b)
        return np.concatenate([np.ravel(a) for a in arrays[-4:]])

    return f


def point(seed):
    return np.random.default_rng(seed).normal(size=4)


CHECKS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@given(steps, st.integers(0, 99))
@CHECKS
def test_values_are_those_of_numpy(steps, seed):
    f, x = program(steps), point(seed)
    close(wg.jvp(f, (x,), (x,))[0], f(x))
    close(wg.vjp(f, x)[0], f(x))


@given(steps, st.integers(0, 99))
@CHECKS
def test_derivatives_are_those_of_the_program(steps, seed):
    f, x = program(steps), point(seed)
    expected, error = wg.numerical.jacobian(f, x, return_error=True)
    reverse = wg.jacobian(f, mode="reverse")(x)
    close(wg.jacobian(f, mode="forward")(x), reverse)
    smooth = error < 1e-5
    close(reverse[smooth], expected[smooth], 1e-4, 1e-4)


@pytest.mark.filterwarnings("ignore:.*depends on values:RuntimeWarning")  # of masks
@given(steps, st.integers(0, 99))
@CHECKS
def test_jit_gives_the_same(steps, seed):
    f, x = program(steps), point(seed)
    g = wg.jit(f)
    close(g(x), f(x))
    close(g(2 * x), f(2 * x))
