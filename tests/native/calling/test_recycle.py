"""Memory of large results: used again once nobody needs it, bounded, and owned by those who hold it."""

import gc
import os
from functools import partial

import numpy as np
import pytest

import wengert as wg
from tests.threads import in_threads
from wengert.native.calling import layout, recycle

pytestmark = pytest.mark.skipif(not layout.is_known(), reason="an interpreter whose objects are not known")

N = 200_000  # numbers in a result: 1.6 MB


@pytest.fixture
def doubled():
    f = wg.jit(lambda x: x * 2)
    f(np.ones(N)), f(np.ones(N))
    return f


def pool(f):
    return f._door.runtime.pool


def address(a):
    return a.__array_interface__["data"][0]


def test_a_dropped_result_is_used_again(doubled):
    x, places = np.ones(N), set()
    for _ in range(20):
        y = doubled(x)
        places.add(address(y))
        del y
    assert len(places) == 1


def test_memory_stands_at_a_multiple_of_64(doubled):
    held = [doubled(np.ones(N)) for _ in range(5)]
    assert {address(y) % 64 for y in held} == {0}


def test_what_somebody_holds_is_left_alone(doubled):
    x = np.arange(float(N))
    first = doubled(x)
    view = first[5:10]
    del first
    for k in range(5):
        doubled(x + k)
    np.testing.assert_array_equal(view, 2 * x[5:10])


def test_results_are_ordinary_arrays(doubled):
    y = doubled(np.ones(N))
    assert y.flags.owndata and y.flags.writeable and y.base is None
    y.resize(2 * N, refcheck=False)
    assert y[:N].sum() == 2 * N and y[N:].sum() == 0
    y.resize(10, refcheck=False)
    assert y.sum() == 20
    np.testing.assert_array_equal(doubled(np.ones(N)), np.full(N, 2.0))


def test_other_arrays_do_not_use_it(doubled):
    handler_of = np._core.multiarray.get_handler_name
    assert handler_of(doubled(np.ones(N))) == "wengert"
    assert handler_of(np.empty(N)) == "default_allocator"


def test_it_is_bounded(doubled):
    sizes = [2_000_000 + 5000 * k for k in range(2 * recycle.BLOCKS)]
    for n in sizes:
        doubled(np.ones(n))
        doubled(np.ones(n))
        assert pool(doubled).count <= recycle.BLOCKS
        assert pool(doubled).bytes <= recycle.BOUND
    assert pool(doubled).bytes > recycle.BOUND // 2
    held = [doubled(np.ones(N)) for _ in range(2 * recycle.BLOCKS)]
    assert len({address(y) for y in held}) == len(held)
    del held
    gc.collect()
    assert pool(doubled).count == recycle.BLOCKS


def test_threads(doubled):
    wrong = []

    def work(k):
        for i in range(50):
            y = doubled(np.full(N, k + i, float))
            if y[0] != 2 * (k + i) or y[-1] != 2 * (k + i):
                wrong.append(k)

    in_threads(*(partial(work, k) for k in range(4)))
    assert not wrong
    assert pool(doubled).busy == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork(doubled):
    y = doubled(np.ones(N))
    child = os.fork()
    if child == 0:
        os._exit(int(doubled(np.full(N, 3.0)).sum() != 6.0 * N))
    assert os.waitpid(child, 0)[1] == 0
    assert y.sum() == 2 * N
