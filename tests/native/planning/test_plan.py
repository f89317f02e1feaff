"""What a plan decides: what shares a loop, what is fused and written in place, where values live."""

import numpy as np
import pytest
from _traces import run, traced
from scipy.special import gammaln

import wengert as wg
from wengert.core.evaluate import evaluate
from wengert.core.trace import type_for
from wengert.native.planning.kernels import Contract, Map, Repeat, Routine
from wengert.native.planning.plan import ENOUGH, FEW, MANY, Plan, all_plans, layout
from wengert.native.planning.sorting import BLOCK

X, W, B, Y = (np.random.default_rng(0).normal(size=s) for s in ((64, 50), (50, 32), (32,), (64, 32)))


def plan(f, *arguments):
    return Plan(traced(f, *arguments))


def kinds(found):
    return [type(kernel) for kernel in found.kernels]


def names(kernel):
    part = kernel.result if isinstance(kernel, Contract) else kernel
    return [equation.primitive.name for equation in part.equations]


def agrees(f, *arguments, threads=False):
    trace = traced(f, *arguments)
    for one, other in zip(run(trace, arguments, threads=threads), evaluate(trace, arguments), strict=True):
        np.testing.assert_allclose(one, other, 1e-11, 1e-11)


def loop_of(found):
    (loop,) = (kernel for kernel in found.kernels if isinstance(kernel, Repeat))
    return loop


# --- fusion -------------------------------------------------------------------------------------------------


def layer(x, w, b):
    return np.tanh(x @ w + b)


def test_a_bias_and_an_activation_join_the_product():
    found = plan(layer, X, W, B)
    assert kinds(found) == [Contract]
    assert names(found.kernels[0]) == ["add", "tanh"]
    assert found.arena == []


def momentum(w, m, x, y):
    m = 0.9 * m + wg.grad(lambda w: np.sum(np.square(x @ w - y)))(w)
    return w - 0.1 * m, m


def test_an_update_joins_its_gradient():
    found = plan(momentum, W, W, X, Y)
    assert kinds(found) == [Contract, Contract]
    assert names(found.kernels[0]) == ["subtract", "multiply"]
    assert names(found.kernels[1]) == ["multiply", "add", "multiply", "subtract"]
    assert {access.buffer.kind for access in found.kernels[1].writing()} == {"output"}
    agrees(momentum, W, W, X, Y)


def test_elementwise_equations_of_one_shape_are_one_loop():
    found = plan(lambda x: (np.exp(np.sin(x)) * 2, np.cos(x)), X)
    assert kinds(found) == [Map]
    assert len(found.kernels[0].writes) == 2


STEPS = 3 * MANY


def sines(x, y):
    """Steps written one after the other."""
    for _ in range(STEPS):
        x = np.sin(x) + y * x
    return x


def test_a_long_chain_of_costly_equations_is_several_loops():
    x = np.linspace(0, 1, 40)
    found = plan(sines, x, 0.1)
    counts = [names(kernel).count("sin") for kernel in found.kernels]
    assert sum(counts) == STEPS
    assert max(counts) <= 2 * ENOUGH
    agrees(sines, x, 0.1)


def test_loops_of_unrolled_steps_are_alike():
    text = wg.jit(sines).llvm_ir(np.linspace(0, 1, 40), 0.1)
    assert text.count("call void @map.") >= STEPS // (2 * ENOUGH)
    assert text.count("define private void @map.") < text.count("call void @map.") // 2


@pytest.mark.parametrize("x", [0.3, np.linspace(0, 1, FEW + 1)])
def test_a_long_chain_of_numbers_or_of_many_elements_is_one_loop(x):
    (kernel,) = plan(lambda x: sines(x, 0.1), x).kernels
    assert names(kernel).count("sin") == STEPS


def test_reductions_join_the_loop_that_computes_what_they_reduce():
    found = plan(lambda x: (np.sum(np.exp(x), axis=1), np.max(np.exp(x), axis=1)), X)
    assert kinds(found) == [Map]
    assert [r.kind for r in found.kernels[0].reductions] == ["sum", "max"]
    assert found.arena == []


def test_what_is_computed_of_a_reduction_is_its_epilogue():
    found = plan(lambda x: np.log(np.sum(x * x, axis=0)) + 1, X)
    assert kinds(found) == [Map]
    (epilogue,) = found.kernels[0].epilogues.values()
    assert names(epilogue) == ["log", "add"]


def test_reductions_over_other_axes_are_another_loop():
    found = plan(lambda x: (np.sum(np.exp(x), axis=0), np.sum(np.exp(x), axis=1)), X)
    assert kinds(found) == [Map, Map]
    agrees(lambda x: (np.sum(np.exp(x), axis=0), np.sum(np.exp(x), axis=1)), X)


def test_a_running_sum_reads_what_it_adds_as_it_goes():
    found = plan(lambda x: np.cumsum(x * 2, axis=0), X)
    running = [kernel for kernel in found.kernels if kernel.running]
    assert len(running) == 1 and names(running[0]) == ["multiply"]


def test_the_derivative_of_a_running_product_is_a_recurrence():
    found = plan(wg.grad(lambda x: np.sum(np.cumprod(x, axis=0))), X)
    assert [r.kind for kernel in found.kernels for r in kernel.reductions] == ["prod", "recurrence"]
    agrees(wg.grad(lambda x: np.sum(np.sin(np.cumprod(x, axis=0)))), np.where(X > 1, 0, X))


# --- equations that wait ------------------------------------------------------------------------------------


def test_cheap_equations_are_computed_where_they_are_used():
    f = lambda x: (np.sum(2 * x, axis=0), np.exp(2 * x))
    found = plan(f, X)
    assert found.arena == []
    assert all("multiply" in names(kernel) for kernel in found.kernels)
    agrees(f, X)


def test_costly_equations_are_computed_once():
    f = lambda x: (np.sum(np.exp(x), axis=0), np.cumsum(np.exp(x), axis=1))
    found = plan(f, X)
    assert sum(names(kernel).count("exp") for kernel in found.kernels if isinstance(kernel, Map)) == 1
    agrees(f, X)


def test_what_waits_for_a_product_is_computed_before_it():
    f = lambda x, w: (x + 1) @ w
    assert kinds(plan(f, X, W)) == [Map, Contract]
    agrees(f, X, W)


def test_a_look_by_index_waits_for_the_other_operand():
    """Weights in another order times the rows that they belong to: no row is copied."""
    places, rows = np.random.default_rng(1).permutation(32), np.random.default_rng(2).integers(0, 50, 32)
    f = lambda b, w: np.sum(b[places][:, None] * w[rows], axis=0)
    found = plan(f, B, W)
    assert kinds(found) == [Map, Map]
    assert names(found.kernels[1]) == ["multiply"]
    agrees(f, B, W)


def test_a_long_chain_of_cheap_equations_is_not_repeated():
    def f(x):
        for _ in range(10):
            x = x * 0.5 + 1
        return np.sum(x, axis=0), np.sum(x, axis=1), x

    found = plan(f, X)
    assert sum(len(names(kernel)) for kernel in found.kernels) <= 40
    agrees(f, X)


# --- views --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T,
        lambda x: x[::2, ::-1],
        lambda x: np.reshape(x, (8, 8, 50)),
        lambda x: np.flip(x, 0)[1:],
        lambda x: np.broadcast_to(x, (3, 64, 50)),
        lambda x: x[None, 3:5, None],
    ],
)
def test_views_cost_nothing(view):
    found = plan(lambda x: np.sin(view(x)), X)
    assert kinds(found) == [Map] and found.arena == []
    agrees(lambda x: np.sin(view(x)), X)


def test_a_product_reads_transposed_factors_as_they_stand():
    found = plan(lambda x, y: x.T @ y, X, Y)
    assert kinds(found) == [Contract]
    assert found.kernels[0].a.strides == (1, 50)


def test_joined_parts_are_computed_where_they_belong():
    f = lambda x: np.concatenate([np.exp(x), np.sin(x)])
    assert plan(f, X).arena == []
    agrees(f, X)


# --- memory -------------------------------------------------------------------------------------------------


def test_layouts():
    double = np.dtype(np.float64)
    assert layout(type_for((64, 50), double)) == (50, 1)
    assert layout(type_for((1000, 3), double)) == (1, 1000)
    assert layout(type_for((2, 1000, 3), double)) == (3000, 1, 1000)
    assert layout(type_for((3, 3), double)) == (3, 1)
    assert layout(type_for((0, 3), double)) == (3, 1)


def live_ranges_do_not_overlap(found):
    for i, a in enumerate(found.arena):
        for b in found.arena[:i]:
            apart = a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
            assert apart or a.last < b.first or b.last < a.first


def chain(x, depth=12):
    for _ in range(depth):
        x = np.cumsum(np.sin(x), axis=0) / 64
    return x


def test_memory_is_given_away_after_the_last_use():
    found = plan(chain, X)
    live_ranges_do_not_overlap(found)
    assert found.shared_bytes <= 3 * X.nbytes
    agrees(chain, X)


def test_bodies_share_the_memory_around_them():
    def f(x):
        y = wg.scan(lambda c, row: (np.tanh(np.cumsum(c) + row), np.sum(np.cumsum(c))), x[0], x)[1]
        return np.cumsum(x, axis=0) * y[:, None]

    for found in all_plans(plan(f, X)):
        live_ranges_do_not_overlap(found)
    agrees(f, X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.concatenate([x, np.sin(x)]),
        lambda x: np.roll(x, 3, axis=1),
        lambda x: wg.scan(lambda c, row: (c, c * row), x[0], x)[1],
        lambda x: np.cumsum(x[:, :3], axis=0)[:, None, :, None][..., 0, :, 0],
        lambda x: np.einsum("bij,bjk->bik", x.reshape(2, 32, 50), x.reshape(2, 50, 32)),
    ],
)
def test_results_are_made_where_they_are_wanted(f):
    found = plan(f, X)
    assert not any(buffer.size == found.outputs[0].size for buffer in found.arena)
    agrees(f, X)


def test_only_all_elements_in_their_order_are_made_where_they_are_wanted():
    for f in (
        lambda x: np.cumsum(x, axis=0)[::-1],
        lambda x: np.cumsum(x, axis=0)[1:],
        lambda x: x[:, :1][0],
    ):
        agrees(f, X)


def test_a_result_that_is_wanted_twice():
    f = lambda x: (np.cumsum(x, axis=1), np.cumsum(x, axis=1), np.cumsum(x, axis=1)[:, :, None])
    agrees(f, X)


# --- loops --------------------------------------------------------------------------------------------------


def epoch(w, m, xs, ys):
    return wg.scan(lambda carry, rows: (momentum(*carry, *rows), 0.0), (w, m), (xs, ys))[0]


def test_weights_are_updated_in_place():
    xs, ys = np.stack([X, X * 0.5, X + 1]) / 100, np.stack([Y, Y, Y])
    loop = loop_of(plan(epoch, W, W, xs, ys))
    assert loop.body.in_place == [(0, 0), (1, 1)] and loop.carries == []
    agrees(epoch, W, W, xs, ys)
    agrees(epoch, W, W, xs, ys, threads=True)


CARRIES = {
    "fibonacci": (lambda a, b: (b, a + b), 1),
    "swapped": (lambda a, b: (b, a), 1),
    "turned": (lambda a, b: (np.flip(b), a * 0.5), 1),
    "shifted": (lambda a, b: (np.roll(a, 1), a - b), 2),
    "apart": (lambda a, b: (a * 0.5, b + 1), 0),
    "summed": (lambda a, b: (a + np.sum(b), b - np.sum(a)), 2),
    "running": (lambda a, b: (np.cumsum(a) * 0.1, b), 2),
    "kept": (lambda a, b: (a, a + b), 1),
    "crossed": (lambda a, b: (np.concatenate([np.exp(-a[1:3]), np.exp(-a[:2])]), b), 2),
    "scattered": (lambda a, b: (a[np.array([1, 2, 3, 0])], np.sort(b)), 2),
}


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("name", CARRIES)
def test_carries(name, threads):
    """Overwritten where nobody needs the old ones any more, else copied; right in any case."""
    step, most = CARRIES[name]

    def f(a, b):
        return wg.scan(lambda carry, _: (step(*carry), carry[0] * 2), (a, b), None, length=5)

    a, b = np.arange(4.0), np.array([3.0, -1, 2, 0.5])
    assert len(loop_of(plan(lambda a, b: f(a, b), a, b)).carries) <= most
    agrees(lambda a, b: (*f(a, b)[0], f(a, b)[1]), a, b, threads=threads)


@pytest.mark.parametrize("threads", [False, True])
def test_parts_that_change_places(threads):
    """A loop that writes two parts of a carry reads both at other places."""

    def step(c, _):
        return np.concatenate([np.sin(c[1:33]), np.sin(c[:32])]), np.sum(c)

    agrees(lambda c: wg.scan(step, c, None, length=5), np.arange(64.0), threads=threads)


def test_a_loop_that_counts():
    def f(x):
        return wg.while_loop(lambda c: c[0] < 7, lambda c: (c[0] + 1, c[2], c[1] + c[2]), (0, x, x + 1))

    agrees(f, np.arange(5.0))


def test_threads_leave_a_loop_together():
    """What comes after a loop does not overwrite its answer before every thread has read it."""

    def f(x, y):
        mean = np.sum(np.sum(y, axis=0, keepdims=True) / 8) / 63
        found = wg.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, np.sin(c[1]) + y), (0, y * 0.5))[1]
        z = wg.special.logsumexp(found, axis=-1)
        return mean, np.sum(np.square(np.sin(z))) / 8, np.sum(z) / 8

    arguments = 1.0, np.random.default_rng(0).normal(size=(8, 63))
    for _ in range(30):
        agrees(f, *arguments, threads=True)


def test_loops_in_loops_and_branches():
    def inner(c, row):
        return wg.cond(np.sum(row) > 0, lambda c: c + row, lambda c: np.roll(c, 1) * 0.5, c), np.sum(c)

    def f(x):
        c, sums = wg.scan(lambda c, rows: wg.scan(inner, c, rows), x[0, 0], x)
        return c, sums

    agrees(f, np.random.default_rng(1).normal(size=(3, 4, 5)))


@pytest.mark.parametrize("shape", [(40, 33), (3, 5, 7), (2, 1000)])
def test_threads_share_the_rows_of_routines(shape):
    def f(x, a):
        order = np.argsort(x, axis=-1, kind="stable")
        return order, np.searchsorted(a, x), gammaln(x * x + 1) * 2, np.argsort(x, axis=0)

    x = np.random.default_rng(0).normal(size=shape)
    a = np.sort(np.ravel(x))
    trace, found = traced(f, x, a), plan(f, x, a)
    routines = [kernel for kernel in found.kernels if isinstance(kernel, Routine)]
    assert all(kernel.is_shared for kernel in routines if kernel.name != "searchsorted")
    assert any(kernel.is_shared for kernel in routines if kernel.name == "searchsorted") == (
        x.size > 2 * BLOCK
    )
    for one, other in zip(run(trace, [x, a], threads=True), run(trace, [x, a]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_routines_come_after_what_they_read():
    found = plan(lambda a, b: np.linalg.solve(a @ a.T + np.eye(50), b), X.T, X.T)
    (routine,) = (kernel for kernel in found.kernels if isinstance(kernel, Routine))
    made = {id(a.buffer) for a in routine.writing()}
    writers = [
        k for k in found.kernels if k is not routine and any(id(a.buffer) in made for a in k.writing())
    ]
    assert writers and all(writer.stage < routine.stage for writer in writers)
