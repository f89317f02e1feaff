"""What checkpoints save: memory of the backward pass, at the same numbers."""

import tracemalloc

import numpy as np
import pytest

import wengert as wg

LAYERS, STRETCH, WIDTH = 50, 7, 20_000
WEIGHTS = np.linspace(0.5, 1.5, LAYERS)
X = np.sin(np.arange(WIDTH, dtype=float))


def layers(x, begin, end):
    for w in WEIGHTS[begin:end]:
        x = np.tanh(w * x) + 0.1 * x
    return x


def plain(x):
    return np.sum(layers(x, 0, LAYERS))


def checkpointed(x):
    """A checkpoint every √50 layers or so."""
    for begin in range(0, LAYERS, STRETCH):
        x = wg.checkpoint(lambda x, begin=begin: layers(x, begin, begin + STRETCH))(x)
    return np.sum(x)


def peak(f, *args):
    """The most bytes that were allocated at a time."""
    f(*args)
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_checkpoints_of_a_chain_change_no_number():
    value, gradient = wg.value_and_grad(plain)(X)
    again, same = wg.value_and_grad(checkpointed)(X)
    np.testing.assert_array_equal(again, value)
    np.testing.assert_allclose(same, gradient, rtol=1e-14)


def test_checkpoints_of_a_chain_need_a_quarter_of_the_memory():
    """Kept are 8 states and all values of one stretch of 7 layers, instead of those of 50."""
    assert peak(wg.grad(checkpointed), X) < peak(wg.grad(plain), X) / 4


def test_memory_of_checkpoints_grows_with_the_root_of_the_depth():
    def chain(depth, stretch):
        def f(x):
            for _ in range(depth // stretch):
                x = wg.checkpoint(lambda x: layers(x, 0, stretch))(x)
            return np.sum(x)

        return peak(wg.grad(f), X)

    assert chain(64, 8) < 3 * chain(16, 4)


@pytest.mark.parametrize("f", [plain, checkpointed])
def test_reverse_mode_lets_go_of_what_it_has_used(f):
    """Afterwards only the gradient is left."""
    tracemalloc.start()
    try:
        gradient = wg.grad(f)(X)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert left < gradient.nbytes + 200_000


def branching(x):
    y = np.exp(x)
    if y > 2.0:
        return y * x
    while y < 1.0:
        y = y * 1.5
    return np.sin(y)


TWICE = wg.checkpoint(lambda x: 2 * wg.checkpoint(branching)(x))


@pytest.mark.parametrize("of", [lambda f: f, wg.grad, wg.hessian], ids=["value", "gradient", "hessian"])
def test_branches_inside_checkpoints_compile(of):
    compiled = wg.jit(of(TWICE))
    for x in (1.0, 0.1, -1.0, -2.0, 1.5, 0.2):
        np.testing.assert_allclose(compiled(x), of(TWICE)(x), rtol=1e-14)
