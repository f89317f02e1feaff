"""Accesses that agree never let two threads meet: checked element by element on random views."""

import numpy as np
import pytest

from wengert.native.emit import Touched
from wengert.native.footprint import ALONE, ANYWHERE, rows

SIZE = 48
SHAPES = [(48,), (6, 8), (8, 6), (4, 12), (3, 4, 4), (2, 3, 8), (2, 2, 2, 6)]


def random_view(rng):
    """A view of an array of elements' own numbers."""
    a = np.arange(SIZE)
    start = int(rng.integers(0, 3))
    n = int(rng.choice([24, 36, 40, 45]))
    if start:
        return a[start : start + n].reshape(
            *((-1, int(rng.choice([f for f in (2, 3, 4, 6, 8, 9) if n % f == 0]))))
        )
    a = a.reshape(SHAPES[rng.integers(len(SHAPES))])
    a = a.transpose(rng.permutation(a.ndim))
    steps = rng.choice([1, 1, 1, 2, -1], size=a.ndim)
    return a[
        tuple(
            slice(int(k) if s > 0 else None, None, int(s)) for s, k in zip(steps, rng.integers(0, 2, a.ndim))
        )
    ]


def footprint_of(view, axis, grain):
    strides = [s // view.itemsize for s in view.strides]
    others = [(s, n) for i, (s, n) in enumerate(zip(strides, view.shape)) if i != axis]
    first = int(view.ravel()[0])
    return rows(strides[axis], view.shape[axis], grain, first, others, 1)


def meet(a, b):
    """Whether some row of one has an element of another row of the other."""
    owner = {int(x): i for i, row in enumerate(a) for x in np.ravel(row)}
    return any(owner.get(int(x), i) != i for i, row in enumerate(b) for x in np.ravel(row))


def test_rows_that_agree_never_meet():
    rng, agreed, met = np.random.default_rng(0), 0, 0
    for _ in range(20_000):
        views = [random_view(rng) for _ in range(2)]
        axes = [int(rng.integers(v.ndim)) for v in views]
        if any(v.size == 0 for v in views) or views[0].shape[axes[0]] != views[1].shape[axes[1]]:
            continue
        one, other = (footprint_of(v, axis, 4) for v, axis in zip(views, axes))
        touching = meet(*(np.moveaxis(v, axis, 0) for v, axis in zip(views, axes)))
        met += touching
        if one.agrees(other):
            agreed += 1
            assert not touching, (views, axes)
        assert one.agrees(other) == other.agrees(one)
    assert agreed > 200
    assert met > 1000


@pytest.mark.parametrize("shape", [(6, 8), (1, 5), (5, 1)])
def test_rows_of_one_array_agree_whole_or_in_part(shape):
    a = np.arange(shape[0] * shape[1]).reshape(shape)
    whole = footprint_of(a, 0, 4)
    assert whole.agrees(footprint_of(a, 0, 4))
    assert whole.agrees(footprint_of(a[:, ::-1], 0, 4))
    assert whole.agrees(footprint_of(a[:, :1], 0, 4))
    assert not whole.agrees(footprint_of(a, 0, 8))
    assert not whole.agrees(whole.moved(1))


def test_columns_that_are_neighbours_agree():
    a = np.arange(60).reshape(10, 6).T
    assert footprint_of(a, 0, 4).agrees(footprint_of(a, 0, 4))
    assert footprint_of(a, 0, 4).agrees(footprint_of(a[:, :4], 0, 4))
    assert not footprint_of(a, 0, 4).agrees(footprint_of(np.arange(60).reshape(6, 10), 0, 4))


def test_the_first_thread_agrees_with_itself_alone():
    assert ALONE.agrees(ALONE)
    assert ALONE.moved(8) == ALONE
    for other in (ANYWHERE, rows(1, 8, 4, 0, [], 8)):
        assert not ALONE.agrees(other)
        assert not other.agrees(ALONE)
        assert not ANYWHERE.agrees(other)


def test_memory_that_is_used_again_elsewhere_conflicts():
    part = rows(8, 16, 4, 0, [(1, 8)], 4)
    before = Touched(("arena", 0), 0, 512, part, False)
    assert not before.conflicts(Touched(("arena", 0), 0, 512, part, True))
    assert before.conflicts(Touched(("arena", 0), 64, 576, part.moved(64), True))
    assert not before.conflicts(Touched(("arena", 0), 64, 576, part.moved(64), False))
    assert not before.conflicts(Touched(("arena", 0), 512, 1024, part.moved(512), True))
    assert not before.conflicts(Touched(("input", 0), 0, 1, part, True))
