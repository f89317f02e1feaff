"""Random orders against the same draws in NumPy."""

import numpy as np
import pytest
from scipy import stats

from wengert.native import orders
from wengert.ops.bits import ORDERS, philox

KEY = np.array([0x9E3779B9, 7], np.uint32)
SIZES = [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 624, 625, 1000, 4097]


def drawn(rows, count=1, first=0, key=KEY):
    found = np.empty((count, len(rows)), np.uint32)
    orders.drawn(key, first, rows.astype(np.uint32), found)
    return found


def by_hand(rows, number, key=KEY):
    """Every element changes places with one that is drawn from those not behind it."""
    blocks = np.arange(-(-len(rows) // 4), dtype=np.uint32)
    words = philox.numpy(blocks, np.uint32(number), np.uint32(0), ORDERS, *key)
    order = list(rows)
    for i, word in zip(range(len(rows)), np.stack(words, axis=1).ravel()):
        j = int(word) * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return order


@pytest.mark.parametrize("size", SIZES)
def test_orders_are_those_of_fisher_and_yates(size):
    rows = np.random.default_rng(size).integers(0, 2**32, size)
    found = drawn(rows, 3, first=5)
    np.testing.assert_array_equal(found, [by_hand(rows, number) for number in (5, 6, 7)])


def test_an_order_does_not_depend_on_those_beside_it():
    np.testing.assert_array_equal(drawn(np.arange(99), 4, first=2)[3:], drawn(np.arange(99), 1, first=5))


def test_keys_give_other_orders():
    other = KEY + np.array([0, 1], np.uint32)
    assert not (drawn(np.arange(99)) == drawn(np.arange(99), key=other)).all()


def test_all_orders_of_four_come_alike():
    found = drawn(np.arange(4), 24_000)
    counts = np.unique(found @ [64, 16, 4, 1], return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_every_element_comes_everywhere():
    found = drawn(np.arange(97), 20_000)
    for place in (0, 48, 96):
        assert stats.chisquare(np.bincount(found[:, place], minlength=97)).pvalue > 1e-3


@pytest.mark.parametrize("used", [0, 1, 600, 623])
@pytest.mark.parametrize("size", [0, *SIZES])
def test_shuffles_are_numpys(monkeypatch, size, used):
    monkeypatch.setattr(orders, "FEW", -1)
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    for rng in (ours, theirs):
        rng.bytes(4 * used)
    rows, found = np.arange(size), np.empty((4, size), np.uint32)
    orders.shuffled(ours, rows.astype(np.uint32), found)
    for order in found:
        theirs.shuffle(rows)
        np.testing.assert_array_equal(order, rows)
    assert ours.random_sample() == theirs.random_sample()


def test_generators_of_another_kind_shuffle_themselves():
    ours, theirs = (np.random.RandomState(np.random.PCG64(3)) for _ in range(2))
    rows, found = np.arange(50), np.empty((2, 50), np.uint32)
    orders.shuffled(ours, rows.astype(np.uint32), found)
    for order in found:
        theirs.shuffle(rows)
        np.testing.assert_array_equal(order, rows)


def test_the_first_rows_are_shuffled_without_code(monkeypatch):
    asked, shuffle = [], orders._function
    monkeypatch.setattr(orders, "_shuffled", [0])
    monkeypatch.setattr(orders, "FEW", 150)
    monkeypatch.setattr(orders, "_function", lambda name: asked.append(name) or shuffle(name))
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    rows, found, expected = np.arange(50, dtype=np.uint32), np.empty((2, 50), np.uint32), np.arange(50)
    for calls in ([], ["shuffled"]):
        orders.shuffled(ours, rows, found)
        for order in found:
            theirs.shuffle(expected)
            np.testing.assert_array_equal(order, expected)
        assert asked == calls
