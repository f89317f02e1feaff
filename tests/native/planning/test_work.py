"""Counted work decides about threads, and is what `explain` counts."""

import numpy as np
import pytest

import wengert as wg
from tests.transforms.programs import trace_of
from wengert.native.planning.plan import Plan
from wengert.native.planning.work import ENOUGH, ENOUGH_EACH, LONG, ROUNDS, counted, is_worth_sharing


def plan_of(f, *args):
    return Plan(trace_of(f, args, abstract=True))


def test_a_loop_counts_equations_and_numbers_moved():
    x = np.ones(100)
    assert counted(plan_of(lambda x: x + 1, x)) == (100 * 3, 1)
    assert counted(plan_of(lambda x: np.exp(x) + 1, x)) == (100 * (LONG + 3), 1)
    assert counted(plan_of(lambda x: x.sum(), x)) == (100 * 2 + 1, 1)


def test_products_count_multiplications_and_additions():
    a, b = np.ones((30, 40)), np.ones((40, 50))
    assert counted(plan_of(lambda a, b: a @ b, a, b)) == (2 * 30 * 40 * 50 + 30 * 50, 1)


def test_loops_count_their_rounds_and_branches_the_longer_one():
    x = np.ones((40, 40))
    body, kernels = counted(plan_of(lambda x: np.tanh(x @ x), x))
    scanned, in_all = counted(
        plan_of(lambda x: wg.scan(lambda c, _: (np.tanh(c @ c), None), x, None, length=9)[0], x)
    )
    assert 9 * body <= scanned < 9 * body + 20_000
    assert in_all >= 9 * kernels
    repeated, _ = counted(
        plan_of(lambda x: wg.while_loop(lambda c: c[0, 0] > 0, lambda c: np.tanh(c @ c), x), x)
    )
    assert ROUNDS * body <= repeated < ROUNDS * body + 20_000
    chosen, _ = counted(plan_of(lambda x: wg.cond(x[0, 0] > 0, lambda x: np.tanh(x @ x), lambda x: x, x), x))
    assert body <= chosen < body + 20_000


def test_explained_operations_are_those_counted():
    f = lambda x: np.tanh(x @ x + x.sum(axis=0)).max()
    x = np.ones((40, 40))
    assert wg.jit(f).explain(x).operations == counted(plan_of(f, x))[0]


@pytest.mark.parametrize("n", [1, 8, 20, 30])
def test_little_is_not_shared(n):
    assert not is_worth_sharing(plan_of(lambda x: np.tanh(x @ x), np.ones((n, n))))


def test_much_is_shared():
    assert is_worth_sharing(plan_of(lambda x: np.tanh(x @ x), np.ones((200, 200))))
    assert is_worth_sharing(plan_of(lambda x: np.exp(x), np.ones(ENOUGH)))


def test_much_in_small_pieces_is_not_shared():
    f = lambda x: wg.scan(lambda c, _: (np.exp(-(c[::-1] ** 2)), None), x, None, length=100_000)[0]
    operations, kernels = counted(plan_of(f, np.ones(20)))
    assert operations > ENOUGH
    assert operations < ENOUGH_EACH * kernels
    assert not is_worth_sharing(plan_of(f, np.ones(20)))


def test_a_product_of_longer_numbers_counts_twice():
    """Of numbers of 8 bytes a register holds half as many."""
    n, steps = 54, 12  # 300,000 operations a product

    def chain(x):
        for _ in range(steps):
            x = x @ x
        return x

    double, single = (plan_of(chain, np.ones((n, n), dtype)) for dtype in (np.float64, np.float32))
    assert counted(double) == counted(single)
    assert is_worth_sharing(double) and not is_worth_sharing(single)
