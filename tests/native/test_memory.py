"""Carries are overwritten only where nobody needs them any more, and no value is kept longer than needed."""

import numpy as np
import pytest

import wengert as wg
from wengert.core.tree import flatten
from wengert.native.planning.kernels import Repeat
from wengert.native.planning.plan import all_plans

RNG = np.random.default_rng(0)


def agree(f, *args):
    """Native results are the interpreter's."""
    compiled = wg.jit(f)
    for found, expected in zip(flatten(compiled(*args))[0], flatten(f(*args))[0], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    return compiled


def bodies(f, *args):
    """The plans of a compiled function's loops."""
    plan = f._calls.path(args, {}).run.plan
    return [k.body for p in all_plans(plan) for k in p.kernels if isinstance(k, Repeat)]


# --- carries in place -------------------------------------------------------------------------------------


def loop(step):
    return lambda carry, xs: wg.scan(step, carry, xs)


STEPS = {
    "elementwise": (lambda c, x: ((np.tanh(c[0]) + x.sum(), c[1] * 0.5), c[0][0]), [0, 1]),
    "read by a sum": (lambda c, x: ((np.exp(-np.abs(c[0])), c[1] + c[0].sum()), c[1] * 3), None),
    "read by a root": (lambda c, x: ((np.tanh(c[0]), c[1] + np.sum(c[0])), np.sqrt(np.abs(c[1]))), None),
    "exchanged": (lambda c, x: ((c[0][::-1] * c[1], c[0].mean()), c[1]), None),
    "read backwards": (lambda c, x: ((np.tanh(c[0][::-1]), c[1] + 1), c[0][:2] + x[:2]), None),
    "read from the side": (
        lambda c, x: ((np.concatenate([c[0][3:], c[0][:3]]) * 0.9, c[1] + x[0]), c[1]),
        None,
    ),
    "read in part": (lambda c, x: ((c[0] - c[0][5] * 0.1, c[1] + x[0]), c[0][5]), None),
    "read by both": (
        lambda c, x: ((np.exp(-(c[0] ** 2)) * c[1], c[1] * 0.9 + c[0].max()), c[0].min() + c[1]),
        None,
    ),
}


@pytest.mark.parametrize("step, in_place", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("n", [7, 37, 64])
def test_carries(step, in_place, n):
    args = ((RNG.normal(size=n), 1.5), RNG.normal(size=(6, n)))
    compiled = agree(loop(step), *args)
    (body,) = bodies(compiled, *args)
    assert in_place is None or [o for _, o in body.in_place] == in_place


@pytest.mark.parametrize(
    "look", [lambda i, p: p[i[::-1]], lambda i, p: p[i[i]], lambda i, p: p[i], lambda i, p: i[p]]
)
def test_indices_that_are_carried(look):
    i, p = np.random.default_rng(1).permutation(37), np.random.default_rng(2).permutation(37)
    agree(lambda i, p: wg.scan(lambda i, _: (look(i, p), i.sum()), i, np.zeros(5)), i, p)


def test_matrices_that_are_carried():
    def step(carry, x):
        w, v = carry
        return (w + 0.01 * x.T @ (x @ v), np.tanh(v.T @ w)), w[0] + v[:, 0]

    agree(
        loop(step), (RNG.normal(size=(24, 24)), RNG.normal(size=(24, 24))), RNG.normal(size=(5, 30, 24)) * 0.1
    )


def test_a_weight_is_updated_in_place():
    def step(w, x):
        return w - 0.1 * wg.grad(lambda w: np.mean(np.tanh(x @ w) ** 2))(w), x[0, 0]

    args = RNG.normal(size=(20, 10)), RNG.normal(size=(4, 30, 20))
    (body,) = bodies(agree(loop(step), *args), *args)
    assert body.in_place == [(0, 0)]


# --- memory -----------------------------------------------------------------------------------------------

LAYERS, SHAPE = 50, (128, 64)
VALUE = 8 * SHAPE[0] * SHAPE[1]
WEIGHT = 8 * SHAPE[1] ** 2


def layer(w, x):
    return np.tanh(x @ w)


def chain(ws, x):
    """Fifty layers."""
    for w in ws:
        x = layer(w, x)
    return np.sum(x * x)


def checkpointed(stretch):
    """The same, with a checkpoint around every stretch of layers."""

    def through(ws, x):
        for w in ws:
            x = layer(w, x)
        return x

    def f(ws, x):
        for i in range(0, LAYERS, stretch):
            x = wg.checkpoint(through)(ws[i : i + stretch], x)
        return np.sum(x * x)

    return f


@pytest.fixture(scope="module")
def weights():
    return [RNG.normal(size=(SHAPE[1], SHAPE[1])) * 0.1 for _ in range(LAYERS)], RNG.normal(size=SHAPE)


def test_a_chain_needs_two_values(weights, alone):
    assert wg.jit(chain).memory(*weights) < 3 * VALUE


def test_reverse_mode_keeps_one_value_for_each_layer(weights, alone):
    assert wg.jit(wg.grad(chain)).memory(*weights) < (LAYERS + 3) * VALUE


def test_checkpoints_keep_fewer(weights, alone):
    plain = wg.jit(wg.grad(chain))
    expected = plain(*weights)
    for stretch in (5, 7, 10):
        found = wg.jit(wg.grad(checkpointed(stretch)))
        for a, b in zip(found(*weights), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        # Values at the ends of stretches, those inside one, and the weights' derivatives on their way out.
        kept = (LAYERS / stretch + 2 * stretch + 4) * VALUE + LAYERS * WEIGHT
        assert found.memory(*weights) < kept < 0.8 * plain.memory(*weights) + LAYERS * WEIGHT


def test_a_factor_that_is_cheap_is_computed_anew(alone):
    """The derivative of tanh takes the layer's value alone, which the next layer keeps anyway."""
    w, x = RNG.normal(size=(64, 64)) * 0.1, RNG.normal(size=SHAPE)
    compiled = agree(wg.grad(lambda w: np.sum(np.tanh(np.tanh(x @ w) @ w) ** 2)), w)
    writes = [kernel for kernel in compiled._calls.path((w,), {}).run.plan.kernels]
    assert max(len(list(kernel.writing())) for kernel in writes) == 1
    assert not any("subtract" in row.how for row in compiled.explain(w).rows[:1])


def test_second_derivatives_through_checkpoints():
    f = lambda x: np.sum(wg.checkpoint(lambda x: np.tanh(x) * x)(x) ** 2)
    plain = lambda x: np.sum((np.tanh(x) * x) ** 2)
    x = RNG.normal(size=5)
    for transform in (wg.grad, wg.hessian, lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2))):
        np.testing.assert_allclose(transform(f)(x), transform(plain)(x), rtol=1e-12)
        np.testing.assert_allclose(wg.jit(transform(f))(x), transform(plain)(x), rtol=1e-11)
    batched = wg.vmap(wg.grad(f))(np.stack([x, 2 * x]))
    np.testing.assert_allclose(batched, [wg.grad(plain)(x), wg.grad(plain)(2 * x)], rtol=1e-12)


def test_checkpoints_of_what_has_no_derivative():
    f = lambda x: x.sum() + np.sum(wg.checkpoint(lambda x: (x > 0) * 1.0)(x))
    np.testing.assert_array_equal(wg.grad(f)(np.ones(3)), np.ones(3))
    np.testing.assert_array_equal(wg.jit(wg.grad(f))(np.ones(3)), np.ones(3))
    g = lambda x, n: wg.checkpoint(lambda x, n: x * n)(x, n).sum()
    np.testing.assert_array_equal(wg.grad(g)(np.ones(3), 2), 2 * np.ones(3))
