"""Scans and the scans of their derivatives: what is stored, multiplied once, and left out."""

import numpy as np
import pytest

import wengert as wg
from tests.transforms.programs import same_bits, trace_of
from wengert.core.evaluate import evaluate
from wengert.core.trace import Var
from wengert.core.verify import verify
from wengert.transforms import recurrence
from wengert.transforms.loops import Given, loop_of
from wengert.transforms.recurrence import computed_once, recur
from wengert.transforms.simplify import simplify

RNG = np.random.default_rng(0)
STEPS, BATCH, INPUTS, UNITS = 7, 5, 6, 8
X = RNG.normal(size=(STEPS, BATCH, INPUTS))
WEIGHTS = RNG.normal(size=(INPUTS, UNITS)) / 3, RNG.normal(size=(UNITS, UNITS)) / 3, RNG.normal(size=UNITS)
GATES = RNG.normal(size=(INPUTS, 4 * UNITS)) / 3, RNG.normal(size=(UNITS, 4 * UNITS)) / 3
START = np.zeros((BATCH, UNITS))
LARGE = RNG.normal(size=(STEPS, BATCH, UNITS))


def logistic(a):
    return 1 / (1 + np.exp(-a))


def network(wx, wh, b):
    """A recurrent layer of tanh units."""

    def step(h, x):
        h = np.tanh(x @ wx + h @ wh + b)
        return h, h

    return np.sum(wg.scan(step, START, X)[1] ** 2)


def memory(wx, wh):
    """A layer of long short-term memory."""

    def step(state, x):
        h, c = state
        a_in, a_forget, a_out, a_new = np.split(x @ wx + h @ wh, 4, axis=1)
        c = logistic(a_forget) * c + logistic(a_in) * np.tanh(a_new)
        h = logistic(a_out) * np.tanh(c)
        return (h, c), h

    return np.sum(wg.scan(step, (START, START), X)[1] ** 2)


def of_vectors(wx, wh, b):
    """A layer that sees one pattern, with weights in front."""
    step = lambda h, x: (np.tanh(wx.T @ x + wh @ h + b), h)
    h, hs = wg.scan(step, START[0], X[:, 0])
    return np.sum(h**3) + np.sum(hs)


def of_two_layers(wx, wh, b):
    def step(states, x):
        h, g = states
        h = np.tanh(x @ wx + h @ wh)
        g = np.tanh(h @ wh + g @ wh.T + b)
        return (h, g), g * h

    (h, g), ys = wg.scan(step, (START, START), X)
    return np.sum(h * g) + np.sum(np.sin(ys))


def of_rows_given(wx, wh, b):
    """The rows come from a scan before, and it has a derivative too."""
    _, hs = wg.scan(lambda h, x: (np.tanh(x @ wx + h), h), START, X)
    c, ys = wg.scan(lambda c, h: (np.tanh(c @ wh + h * b), c.sum()), START, hs)
    return np.sum(c) + np.sum(ys**2)


def of_a_loop_in_a_loop(wx, wh, b):
    def step(h, x):
        inner = lambda g, w: (np.tanh(g @ wh) * w, g)
        h, gs = wg.scan(inner, h + x @ wx, b[:3])
        return h, np.sum(gs)

    return np.sum(wg.scan(step, START, X)[1] ** 2)


LAYERS = {
    "tanh": (network, WEIGHTS),
    "memory": (memory, GATES),
    "of vectors": (of_vectors, WEIGHTS),
    "two layers": (of_two_layers, WEIGHTS),
    "rows of a scan": (of_rows_given, WEIGHTS),
    "a loop in a loop": (of_a_loop_in_a_loop, WEIGHTS),
}


def gradient(f, count):
    return lambda *given: wg.grad(f, tuple(range(count)))(*given)


def scans(trace):
    return [equation for equation in trace.equations if equation.primitive.name == "scan"]


def names(trace):
    return [equation.primitive.name for equation in trace.equations]


def products(trace):
    """How many products of matrices each scan has in a step."""
    bodies = [equation.params["body"] for equation in scans(trace)]
    inner = [sum(products(body)) for body in bodies]
    return [
        n + sum(e.primitive.name in ("matmul", "matvec") for e in body.equations)
        for n, body in zip(inner, bodies, strict=True)
    ]


def passed(f, values):
    """The trace before and after, of which the results are found to be close."""
    before = simplify(trace_of(f, values, abstract=True))
    after = verify(simplify(verify(recur(before))))
    for found, expected in zip(evaluate(after, values), evaluate(before, values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    return before, after


@pytest.mark.parametrize("f, weights", LAYERS.values(), ids=LAYERS)
def test_derivatives_are_the_same(f, weights):
    before, after = passed(gradient(f, len(weights)), weights)
    assert sum(products(after)) < sum(products(before))
    compiled = wg.jit(gradient(f, len(weights)))(*weights)
    for found, expected in zip(compiled, gradient(f, len(weights))(*weights), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("f, weights", list(LAYERS.values())[:4], ids=list(LAYERS)[:4])
def test_second_derivatives_are_the_same(f, weights):
    along = [np.cos(w) for w in weights]
    second = lambda *given: wg.hvp(lambda w: f(*w), (list(given),), (along,))[0]
    passed(second, weights)


# Each makes a value of the shape of a state of three such values and a weight.
OPERATIONS = [
    lambda a, b, x, w: np.tanh(a @ w),
    lambda a, b, x, w: np.tanh(x @ w + b @ w.T + a[0]),
    lambda a, b, x, w: (w @ a.T).T * 0.2 + x,
    lambda a, b, x, w: logistic(a) * b,
    lambda a, b, x, w: a * np.max(b, axis=1, keepdims=True) + x[:, ::-1],
    lambda a, b, x, w: np.exp(w[:BATCH] * 0.1) * a - np.sum(b, axis=0) * 0.1,
    lambda a, b, x, w: np.sum(a @ w, axis=1, keepdims=True) * 0.1 + b,
]
STATES = RNG.normal(size=(2, BATCH, UNITS)) * 0.3


def at_random(seed, xs):
    """The error of a layer whose step is made of operations at random."""
    rng = np.random.default_rng(seed)
    chosen = [(OPERATIONS[i], rng.integers(0, 50, 3)) for i in rng.integers(len(OPERATIONS), size=5)]
    last = rng.integers(0, 50, 2)

    def error(w):
        def step(states, x):
            values = [*states, x]
            for operation, (i, j, k) in chosen:
                values.append(operation(*(values[n % len(values)] for n in (i, j, k)), w))
            return (np.tanh(values[-1]), np.tanh(values[last[0] % 8])), values[last[1] % 8]

        (a, b), ys = wg.scan(step, tuple(STATES), xs)
        return np.sum(a * b) + np.sum(np.sin(ys))

    return error


@pytest.mark.parametrize("length", [0, 1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_random_layers(seed, length):
    f = at_random(seed, RNG.normal(size=(length, BATCH, UNITS)))
    passed(gradient(f, 1), WEIGHTS[1:2])
    passed(lambda w: wg.hvp(f, (w,), (np.cos(w),))[0], WEIGHTS[1:2])


def test_the_least_number_of_products_is_left():
    """Two forwards; backwards the one that carries on what comes from behind, and two after the loop."""
    _, after = passed(gradient(network, 3), WEIGHTS)
    assert products(after) == [2, 1]
    assert sum(e.primitive.name == "matmul" for e in after.equations) == 2


def test_values_that_are_results_anyway_are_not_stored_again():
    before, after = passed(gradient(network, 3), WEIGHTS)
    assert len(scans(after)[0].outputs) == len(scans(before)[0].outputs)


def test_pre_activations_are_stored_rather_than_all_that_is_made_of_them():
    _, after = passed(gradient(memory, 2), GATES)
    assert products(after) == [2, 1]
    stored = [v.type.shape for v in scans(after)[0].outputs]
    assert stored.count((STEPS, BATCH, 4 * UNITS)) == 1


def test_outer_products_are_one_product_after_the_loop():
    _, after = passed(gradient(of_vectors, 3), WEIGHTS)
    body = scans(after)[1].params["body"]
    assert not any(
        v.type.ndim == 2 for e in body.equations if e.primitive.name == "multiply" for v in e.outputs
    )
    assert sum(e.primitive.name == "matmul" for e in after.equations) == 2


FACTORS = {
    "turned round": lambda w, h, x: w + h[::-1, None] * x,
    "turned round by rows": lambda w, h, x: w + h[:, None] * x[None, ::-1],
    "chosen": lambda w, h, x: w + h[[1, 0, 3, 2, 4, 5, 7, 6]][:, None] * x,
    "the other way": lambda w, h, x: x * h[:, None] + w,
    "squares": lambda w, h, x: w + np.reshape(h, (8, 1)) * h[None],
    "a constant and a row": lambda w, h, x: w + CHAIN.T @ np.outer(h, x),
    "rows": lambda w, h, x: w + np.outer(x, h).T @ np.outer(x, x),
    "a difference": lambda w, h, x: w - np.outer(x, h),
    "halved": lambda w, h, x: 0.5 * w + np.outer(x, h),
}
CHAIN = RNG.normal(size=(UNITS, UNITS))


@pytest.mark.parametrize("add", FACTORS.values(), ids=FACTORS)
def test_sums_of_products_of_all_kinds(add):
    def f(w, h, xs):
        step = lambda state, x: ((add(state[0], state[1], x), np.tanh(state[1] + x)), None)
        return wg.scan(step, (w, h), xs)[0]

    passed(f, [CHAIN, STATES[0, 0], LARGE[:, 0]])


def test_many_rows_are_not_stored_for_small_weights():
    x = RNG.normal(size=(STEPS, 40, 3))
    w = RNG.normal(size=(3, 3))

    def f(w):
        return np.sum(wg.scan(lambda h, x: (np.tanh(x + h @ w), h), x[0], x)[0])

    _, after = passed(gradient(f, 1), [w])
    assert products(after)[1] == 2


def test_no_more_is_stored_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(recurrence, "ROOM", 100)
    before, after = passed(gradient(memory, 2), GATES)
    assert products(after) == products(before) == [2, 5]


def test_checkpoints_are_computed_anew():
    xs = RNG.normal(size=(STEPS, BATCH, UNITS))

    def f(w):
        step = wg.checkpoint(lambda h, x: (np.tanh(x + h @ w), np.sum(h)))
        return np.sum(wg.scan(step, START, xs)[1])

    before, after = passed(gradient(f, 1), WEIGHTS[1:2])
    assert len(scans(after)[0].outputs) == len(scans(before)[0].outputs)


def test_loops_of_other_lengths_have_nothing_in_common():
    def f(w):
        step = lambda h, x: (np.tanh(x @ WEIGHTS[0] + h @ w), h)
        return wg.scan(step, START, X)[0] + wg.scan(step, START, X[:3])[0]

    before, after = passed(f, WEIGHTS[1:2])
    assert products(after) == products(before) == [2, 2]


def test_what_two_loops_compute_of_the_same_rows_is_computed_once():
    def f(w):
        one = wg.scan(lambda h, x: (h + np.sin(x @ w), None), START, X)[0]
        return wg.scan(lambda h, x: (h * np.sin(x @ w), None), one, X)[0]

    _, after = passed(f, WEIGHTS[:1])
    assert products(after) == [1, 0]


# --- what is the same in every step -------------------------------------------------------------------------


def computed_before(step, constant):
    """The names of what a step computes of a constant alone that is computed before the loop."""
    trace = trace_of(lambda x, v: wg.scan(step, START, (x, v))[0], [LARGE, np.stack([constant] * STEPS)])
    loop = loop_of(trace.equations[-1])
    row = loop.rows.pop()
    loop.constants.append(Given(row.inside, Var(row.inside.type)))
    return [e.primitive.name for e in computed_once(loop)]


def test_what_is_made_of_constants_alone_is_computed_once():
    step = lambda h, given: (np.tanh(h @ np.exp(given[1]).T + given[0]) * np.sum(given[1]), None)
    assert computed_before(step, WEIGHTS[1]) == ["exp", "transpose", "sum"]


def test_what_would_take_much_more_memory_stays_inside():
    step = lambda h, given: (h + np.sum(given[1][:, None] * given[1] + h[0, 0]), None)
    assert computed_before(step, np.ones(60)) == ["getitem"]


def test_transposes_of_weights_are_made_once():
    before, after = passed(gradient(network, 3), WEIGHTS)
    inside = [names(scans(t)[1].params["body"]) for t in (before, after)]
    assert "transpose" in inside[0]
    assert "transpose" not in inside[1]


def test_transposed_constants_are_copied_once():
    w = RNG.normal(size=(40, 40))
    f = lambda w: wg.scan(lambda h, x: (np.tanh(h @ w.T) + x, None), np.ones((30, 40)), np.ones(STEPS))[0]
    rows = wg.jit(f).explain(w).rows
    assert not any("copies" in row.how for row in rows)
    np.testing.assert_allclose(wg.jit(f)(w), f(w), rtol=1e-11, atol=1e-11)


# --- what nobody needs --------------------------------------------------------------------------------------


def left(f, *values):
    """The only scan that is left, every result being the same to the last bit."""
    before = trace_of(f, values, abstract=True)
    after = verify(simplify(before))
    same_bits(evaluate(after, values), evaluate(before, values))
    (scan,) = scans(after)
    return scan


ROWS = RNG.normal(size=(4, 3))


def test_results_that_nobody_reads_are_not_computed():
    def f(c, x, w):
        c, (_, z) = wg.scan(lambda c, x: (c + x, (np.exp(x * w), np.sin(c))), c, x)
        return c, z

    scan = left(f, ROWS[0], ROWS, ROWS[1])
    assert [len(scan.inputs), len(scan.outputs)] == [2, 2]
    assert {e.primitive.name for e in scan.params["body"].equations} == {"add", "sin"}


def test_states_that_nobody_reads_are_not_carried():
    def f(c, d, x):
        (c, d), y = wg.scan(lambda s, x: ((s[0] * x, s[1] + s[0]), s[0]), (c, d), x)
        return y

    scan = left(f, ROWS[0], ROWS[1], ROWS)
    assert scan.params["carry"] == 1


def test_states_that_others_are_made_of_are():
    def f(c, d, e, x):
        step = lambda s, x: ((s[0] + s[1], s[1] * s[2], np.cos(s[2])), x)
        return wg.scan(step, (c, d, e), x)[0][0]

    scan = left(f, *ROWS[:3], ROWS)
    assert [scan.params["carry"], len(scan.outputs), len(scan.inputs)] == [3, 3, 3]


def test_the_adjoint_of_rows_that_nobody_asks_for_is_not_computed():
    before = simplify(trace_of(gradient(network, 3), WEIGHTS, abstract=True))
    assert products(before) == [2, 5]
