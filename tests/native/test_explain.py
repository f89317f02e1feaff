"""What `explain` tells is what was compiled: kernels, what is fused with them, counts, guards, memory."""

import re

import numpy as np
import pytest

import wengert as wg
from wengert.native.explain import _listed

RNG = np.random.default_rng(0)
X, W, B, Y = (RNG.normal(size=s) for s in ((64, 40), (40, 32), (32,), (64, 32)))


def loss(w, b, x, y):
    return np.mean((np.tanh(x @ w + b) - y) ** 2)


def step(w, b, x, y):
    """One step of training."""
    error, (dw, db) = wg.value_and_grad(loss, argnums=(0, 1))(w, b, x, y)
    return error, w - 0.1 * dw, b - 0.1 * db


def test_a_step_of_training():
    told = wg.jit(step).explain(W, B, X, Y)
    forward, update = (row for row in told.rows if row.what == "product")
    assert (forward.shape, update.shape) == ("64×40 @ 40×32", "40×64 @ 64×32")
    assert re.search(r"then add tanh", forward.how)
    assert re.search(r"then .*multiply.* subtract$", update.how)
    bias = next(row for row in told.rows if row.what == "loop" and row.how.endswith("subtract"))
    assert re.search(r"sum; then multiply.* subtract$", bias.how)
    assert told.guards == told.interpreted == []
    # No other kernel than products and sums: all the rest is fused with these.
    assert all(row.what == "product" or "sum" in row.how for row in told.rows)


@pytest.mark.parametrize("m, k, n", [(64, 40, 32), (20, 33, 17), (1, 100, 50), (128, 64, 10)])
def test_a_product_has_two_operations_for_each_pair(m, k, n):
    a, b = np.ones((m, k)), np.ones((k, n))
    told = wg.jit(lambda a, b: a @ b).explain(a, b)
    (row,) = told.rows
    moved = m * n
    assert row.operations == told.operations == 2 * m * n * k + moved
    assert row.nbytes == 8 * (m * k + k * n + m * n)


def test_batches_count_every_matrix():
    a, b = np.ones((5, 12, 20)), np.ones((5, 20, 11))
    (row,) = wg.jit(lambda a, b: a @ b).explain(a, b).rows
    assert row.shape == "5 of 12×20 @ 20×11"
    assert row.operations == 5 * (2 * 12 * 20 * 11 + 12 * 11)


def test_loops_count_every_round():
    def f(w, x):
        return wg.scan(lambda h, x: (np.tanh(h @ w + x), h.sum()), x[0], x)

    x = RNG.normal(size=(7, 40, 40))
    rows = wg.jit(f).explain(x[0], x).rows
    (scan,) = (row for row in rows if row.what == "scan")
    assert (scan.shape, scan.depth, scan.rounds) == ("7 rounds", 0, 1)
    (product,) = (row for row in rows if row.what == "product")
    assert (product.depth, product.rounds) == (1, 7)
    assert product.operations % 7 == 0
    assert product.operations > 7 * 2 * 40**3


def test_the_table():
    text = str(wg.jit(step).explain(W, B, X, Y))
    head, *lines = text.splitlines()
    assert head.split() == ["kernel", "shape", "times", "operations", "bytes", "how"]
    at = head.index("shape")
    kernels = [line for line in lines if line.startswith(("product", "loop"))]
    assert kernels
    assert all(line[at - 1] == " " and line[at] != " " for line in kernels)
    assert re.fullmatch(r"[\d,]+ operations, [\d,]+ bytes of memory, \d+ threads?", lines[len(kernels)])
    assert repr(wg.jit(step).explain(W, B, X, Y)) == text


def test_guards_name_the_line():
    def f(x):
        if x.sum() > 0:
            return np.tanh(x)
        return -x

    compiled = wg.jit(f)
    for sign, answer in ((1, "True"), (-1, "False")):
        told = compiled.explain(sign * np.ones(3))
        (guard,) = told.guards
        line = f.__code__.co_firstlineno + 1
        assert re.search(rf"test_explain\.py:{line}: .*{answer}$", guard), guard
        assert f"holds while {guard}" in str(told)


def test_operations_that_the_interpreter_runs():
    told = wg.jit(lambda x: np.fft.irfft(np.fft.rfft(np.tanh(x)))).explain(np.ones(6))
    assert told.interpreted == ["rfft", "irfft"]
    assert "run by the interpreter: rfft, irfft" in str(told)
    assert [row.how for row in told.rows] == ["tanh"]


def test_threads():
    before = wg.get_threads()
    try:
        wg.set_threads(3)
        x = np.ones((400, 400))
        assert wg.jit(lambda x: x @ x).explain(x).threads == 3
        assert str(wg.jit(lambda x: x @ x).explain(x)).endswith("3 threads")
        assert wg.jit(lambda x: x @ x).explain(x[:20, :20]).threads == 1
    finally:
        wg.set_threads(before)


def test_memory(alone):
    x = np.ones((100, 100))
    needs = lambda f: wg.jit(f).memory(x)
    own = needs(lambda x: x + 1)
    assert own < 1000
    # A transposed reading of what was computed needs it in memory; a longer chain has two at a time.
    once = needs(lambda x: np.exp(np.exp(x).T) + 1)
    assert own + x.nbytes <= once < own + x.nbytes + 1000
    assert wg.jit(lambda x: np.exp(np.exp(x).T) + 1).explain(x).arena == once
    thrice = needs(lambda x: np.exp(np.exp(np.exp(np.exp(x).T).T).T))
    assert own + 2 * x.nbytes <= thrice < own + 2 * x.nbytes + 1000


def test_what_comes_in_a_row_is_counted():
    assert _listed([]) == ""
    assert _listed(["add"]) == "add"
    assert _listed(["add", "add", "tanh", "add"]) == "add×2 tanh add"
