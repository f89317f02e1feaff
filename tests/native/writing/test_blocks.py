"""Kernels that take turns on parts of large values: the same bits as one after the other."""

from dataclasses import replace

import numpy as np
import pytest
from _programs import program
from _traces import run, traced

import wengert as wg
from tests.native.programs import STEPS
from wengert.native.machine import ir
from wengert.native.machine.host import this_host
from wengert.native.planning.plan import MANY, Plan
from wengert.native.writing.blocks import Group, grouped, in_runs
from wengert.native.writing.emit import Writer

SMALL_CACHE = replace(this_host(), second_cache=512)


def groups_of(f, *arguments):
    """The groups of a function's kernels."""
    plan = Plan(traced(f, *arguments))
    function = ir.Module().function("f", "void", [("frame", "ptr")])
    machine = replace(this_host(), second_cache=1 << 20)
    return list(grouped(Writer(plan, machine, False, function, function.param("frame"))))


def groups(f, *arguments):
    """How many kernels stand in each group, and its blocks."""
    return [(len(group.kernels), group.blocks) for group in groups_of(f, *arguments)]


def chain(a, b):
    """Rows that each need the same row only."""
    squares = np.sum((a - b) ** 2, axis=2)
    return np.exp(-squares)[:, :, None] * a


LARGE = np.ones((64, 512, 24)), np.zeros((64, 1, 24))


def test_kernels_that_need_the_same_rows_are_blocks():
    ((kernels, blocks),) = groups(chain, *LARGE)
    assert kernels > 1
    assert blocks > 4


def test_a_sum_over_all_rows_ends_a_group():
    found = groups(lambda a, b: chain(a, b) / np.sum(chain(a, b), axis=0), *LARGE)
    assert len(found) > 1


def test_small_values_are_not_cut():
    (((kernels, blocks)),) = groups(chain, *(x[:2] for x in LARGE))
    assert kernels > 1
    assert blocks == 1


def test_kernels_that_have_nothing_in_common_are_not_kept_together():
    found = groups(lambda a: (np.sum(a, axis=2), np.cumsum(a, axis=1)), LARGE[0])
    assert found == [(1, 1), (1, 1)]


def test_what_only_a_group_uses_is_kept_for_one_block():
    (group,) = groups_of(lambda a, b: np.exp(np.sum(np.sin(a) * a, axis=2))[:, :, None] * b, *LARGE)
    written = [a.buffer for k in group.kernels for a in k.writing()]
    assert {id(b) for b in written if b.kind == "arena"} == set(group.private)
    assert all(rows.extent == 64 and rows.stride == 512 * 8 for rows in group.private.values())
    assert group.private


def unrolled(x):
    """Many steps, of each of which the derivative needs a value."""
    for _ in range(MANY):
        x = np.sin(x) + 0.1 * x
    return np.sum(x)


def test_what_is_kept_for_one_block_shares_no_memory_with_what_lasts():
    x, cache = np.linspace(0, 1, 1000), replace(this_host(), second_cache=1 << 16)
    trace = traced(wg.value_and_grad(unrolled), x)
    for found, expected in zip(run(trace, [x], cache), run(trace, [x]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_large_factor_is_not_read_again_for_every_block():
    a, b = np.ones((512, 600)), np.full((600, 600), 1e-3)
    found = groups(lambda a, b: np.exp((np.sin(a) * 2.0) @ b) @ b, a, b)
    assert all(blocks <= 2 for _, blocks in found)


def test_groups_that_are_not_cut_are_one_as_long_as_they_follow_each_other():
    groups = [Group(["a"]), Group(["b", "c"]), Group(["d"], blocks=4), Group(["e"]), Group(["f"])]
    found = [(group.kernels, group.blocks) for group in in_runs(groups)]
    assert found == [(["a", "b", "c"], 1), (["d"], 4), (["e", "f"], 1)]


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("step", range(len(STEPS)))
def test_steps_in_blocks(step, threads):
    rng = np.random.default_rng(step)
    a, b, c = rng.normal(size=(130, 130)), rng.normal(size=(130, 130)), rng.integers(130, size=130)
    f = lambda a, b, c: np.tanh(STEPS[step](np.sin(a), b, c)) * a
    trace = traced(f, a, b, c)
    expected = run(trace, [a, b, c], threads=threads)
    for found, other in zip(run(trace, [a, b, c], SMALL_CACHE, threads), expected, strict=True):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("seed", range(700, 740))
def test_random_programs_in_blocks(seed):
    f, arguments = program(seed)
    with np.errstate(all="ignore"):
        trace = traced(f, *arguments)
    expected = run(trace, arguments)
    for found, other in zip(run(trace, arguments, SMALL_CACHE), expected, strict=True):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_derivative_in_blocks_by_several_threads(count):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(70, 90, 24)), rng.normal(size=(70, 1, 24))
    f = wg.grad(lambda a, b: np.sum(chain(a, b) * a), (0, 1))
    trace = traced(f, a, b)
    expected = run(trace, [a, b], threads=True)
    before = wg.get_threads()
    wg.set_threads(count)
    try:
        found = run(trace, [a, b], SMALL_CACHE, threads=True)
    finally:
        wg.set_threads(before)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
