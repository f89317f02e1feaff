"""wg.random: keys, distributions, orders; the same bits eagerly, batched, in loops and in native code."""

import hashlib

import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert import random

KEY = random.key(2024)
MANY = 200_000

DRAWS = {
    "bits": lambda k: random.bits(k, (3, 5)),
    "bits of 8": lambda k: random.bits(k, 9, np.uint8),
    "bits of 64": lambda k: random.bits(k, 9, np.uint64),
    "uniform": lambda k: random.uniform(k, (7, 33)),
    "uniform, single": lambda k: random.uniform(k, 1001, np.float32, -1.0, 3.0),
    "normal": lambda k: random.normal(k, 1001),
    "normal, single": lambda k: random.normal(k, (40, 33), np.float32, loc=2.0, scale=0.5),
    "normal number": lambda k: random.normal(k),
    "nothing": lambda k: random.normal(k, (0, 3)),
    "exponential": lambda k: random.exponential(k, 500, scale=2.0),
    "exponential, single": lambda k: random.exponential(k, 500, np.float32),
    "bernoulli": lambda k: random.bernoulli(k, 0.3, (100,)),
    "bernoulli of each": lambda k: random.bernoulli(k, np.linspace(0, 1, 11)),
    "integers": lambda k: random.integers(k, 100, -5, 10**12),
    "integers of 8": lambda k: random.integers(k, 1000, -128, 128, np.int8),
    "integers of each": lambda k: random.integers(k, 2, np.array([0, -3]), np.array([5, 9])),
    "few permuted": lambda k: random.permutation(k, 5),
    "permutation": lambda k: random.permutation(k, 1000),
    "rows permuted": lambda k: random.permutation(k, np.arange(12.0).reshape(6, 2)),
    "shuffled": lambda k: random.shuffled(k, np.array([3, 4]), 500),
    "choice": lambda k: random.choice(k, np.arange(10.0), (2, 5)),
    "choice by weight": lambda k: random.choice(k, 9, 100, p=np.arange(9.0)),
    "choice without replacement": lambda k: random.choice(k, 100, 20, replace=False),
    "choice by weight without replacement": lambda k: random.choice(k, 9, 8, replace=False, p=np.arange(9.0)),
    "categorical": lambda k: random.categorical(k, np.log(np.array([[0.5], [0.2], [0.3]])), 0, 4),
    "split": lambda k: random.split(k, 3),
    "fold in": lambda k: random.fold_in(k, 2**40),
}
each = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def same(found, expected):
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(found, expected)


# one key, one result --------------------------------------------------------------------------------------


@each
def test_native_code_gives_the_same_bits(draw):
    same(wg.jit(draw)(KEY), draw(KEY))


@each
def test_a_batch_of_keys_is_a_loop(draw):
    keys = random.split(KEY, 3)
    same(wg.vmap(draw)(keys), np.stack([draw(key) for key in keys]))


@each
def test_the_same_in_the_loop_of_a_derivative(draw):
    def f(scale):
        def step(key, _):
            key, now = random.split(key)
            return key, scale * draw(now)

        return wg.scan(step, KEY, None, length=2)[1]

    key, rows = KEY, []
    for _ in range(2):
        key, now = random.split(key)
        rows.append(draw(now) * 1.0)
    value, tangent = wg.jvp(f, (1.0,), (1.0,))
    np.testing.assert_array_equal(value, np.stack(rows))
    np.testing.assert_array_equal(tangent, np.stack(rows))


@each
def test_other_keys_give_other_numbers(draw):
    first = draw(KEY)
    others = [draw(key) for key in random.split(KEY, 8)]
    assert np.size(first) == 0 or any(np.any(first != other) for other in others)


def test_the_bits_are_these_for_ever():
    """Saved results can be drawn again: whatever changes this number breaks them."""
    whole = hashlib.sha256()
    for name, draw in DRAWS.items():
        if name != "categorical":  # which takes a logarithm of NumPy's
            whole.update(
                np.ascontiguousarray(draw(KEY))
                .astype(np.asarray(draw(KEY)).dtype.newbyteorder("<"))
                .tobytes()
            )
    assert whole.hexdigest()[:16] == "2bc568635d42b32a"


def test_pieces_and_the_whole_are_the_same():
    """More blocks than are worked on at a time."""
    n = 4 * random.CHUNK + 10
    same(wg.jit(lambda k: random.uniform(k, n, np.float32))(KEY), random.uniform(KEY, n, np.float32))
    same(wg.jit(lambda k: random.permutation(k, n))(KEY), random.permutation(KEY, n))


# keys -----------------------------------------------------------------------------------------------------


def test_seeds():
    assert random.key(5).tolist() == [5, 0]
    assert random.key(2**33 + 1).tolist() == [1, 2]
    assert random.key(-1).tolist() == [2**32 - 1, 2**32 - 1]
    same(wg.jit(random.key)(np.int64(-7)), random.key(-7))
    same(random.key(np.uint64(2**63)), random.key(2**63))


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_a_seed_of_too_many_bits(seed):
    with pytest.raises(ValueError, match=r"test_random\.py:\d+: .*64 bits"):
        random.key(seed)


def test_a_seed_that_is_no_whole_number():
    with pytest.raises(TypeError, match="wants a whole number here, and got float64"):
        random.key(np.float64(1.5))


@pytest.mark.parametrize("wrong", [3, np.arange(2), np.zeros((4, 2), np.uint32), np.random.default_rng(0)])
def test_what_is_no_key(wrong):
    with pytest.raises(TypeError, match=r"wg\.random\.key\(seed\)"):
        random.uniform(wrong)


def test_keys_of_a_tree_do_not_meet():
    """Splits and folds of splits and folds, and the numbers drawn with all of them."""
    keys = [KEY]
    for _ in range(3):
        keys = [
            new for k in keys for new in (*random.split(k, 4), random.fold_in(k, 0), random.fold_in(k, 1))
        ]
    words = [*map(tuple, np.array(keys).tolist()), *(tuple(random.bits(k, 2).tolist()) for k in keys)]
    assert len(set(words)) == len(words) == 2 * 6**3


def test_a_loop_may_fold_in_its_counter():
    f = wg.jit(
        lambda: wg.scan(lambda i, _: (i + 1, random.uniform(random.fold_in(KEY, i))), 0, None, length=4)[1]
    )
    same(f(), np.stack([random.uniform(random.fold_in(KEY, i)) for i in range(4)]))


@pytest.mark.parametrize("number", [3, 0, -5, 2**40, np.int64(3), np.uint8(3)])
def test_a_compiled_function_may_be_given_the_number(number):
    f = wg.jit(lambda key, number: (random.fold_in(key, number), random.key(number)))
    for _ in range(3):
        folded, key = f(KEY, number)
        same(folded, random.fold_in(KEY, number))
        same(key, random.key(number))


# distributions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "draw, law", [(random.uniform, "uniform"), (random.normal, "norm"), (random.exponential, "expon")]
)
def test_distribution(draw, law, dtype):
    x = draw(KEY, MANY, dtype)
    assert x.dtype == dtype
    assert stats.kstest(x.astype(float), law).pvalue > 1e-3
    frozen = getattr(stats, law)()
    for order in (1, 2, 3, 4):
        deviation = np.sqrt((frozen.moment(2 * order) - frozen.moment(order) ** 2) / MANY)
        assert abs(np.mean(x.astype(float) ** order) - frozen.moment(order)) < 4 * deviation


def test_numbers_of_neighbouring_seeds_and_places_are_uncorrelated():
    x = np.stack([random.normal(random.key(seed), 10_000) for seed in range(6)])
    rows = np.concatenate([x, x[:, ::-1], np.roll(x, 1, axis=1), np.roll(x, 2500, axis=1)])
    off = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
    assert np.abs(off).max() < 5 / np.sqrt(10_000)


def test_every_bit_is_fair():
    bits = np.unpackbits(random.bits(KEY, MANY).view(np.uint8)).reshape(-1, 32)
    assert stats.chisquare(bits.sum(axis=0), np.full(32, bits.sum() / 32)).pvalue > 1e-3
    assert stats.binomtest(int(bits.sum()), bits.size).pvalue > 1e-3


@pytest.mark.parametrize("p", [0.0, 1e-4, 0.25, 0.9, 1.0, -1.0, 2.0])
def test_bernoulli(p):
    hits = int(random.bernoulli(KEY, p, MANY).sum())
    assert stats.binomtest(hits, MANY, np.clip(p, 0, 1)).pvalue > 1e-3


@pytest.mark.parametrize("low, high", [(0, 2), (-3, 4), (10**15, 10**15 + 100)])
def test_integers(low, high):
    x = random.integers(KEY, MANY, low, high)
    assert x.dtype == np.int64
    assert stats.chisquare(np.bincount(x - low, minlength=high - low)).pvalue > 1e-3


def test_integers_of_a_whole_type():
    x = random.integers(KEY, MANY, -128, 128, np.int8)
    assert stats.chisquare(np.bincount(x.astype(int) + 128, minlength=256)).pvalue > 1e-3
    wide = random.integers(KEY, 10, -(2**63), 2**63 - 1)
    assert wide.min() < -(2**60) < 2**60 < wide.max()


@pytest.mark.parametrize("low, high, dtype", [(3, 3, np.int64), (0, 300, np.uint8), (-1, 1, np.uint32)])
def test_integers_that_are_not_there(low, high, dtype):
    with pytest.raises(ValueError, match=r"test_random\.py:\d+: wg\.random\.integers: "):
        random.integers(KEY, (), low, high, dtype)


@pytest.mark.parametrize("call", [lambda: random.normal(KEY, 3, int), lambda: random.bits(KEY, 3, np.int32)])
def test_dtypes_that_are_not_drawn(call):
    with pytest.raises(TypeError, match=r"test_random\.py:\d+: wg\.random"):
        call()


# orders and choices ---------------------------------------------------------------------------------------


def test_all_orders_of_four_come_alike():
    orders = wg.vmap(lambda k: random.permutation(k, 4))(random.split(KEY, 24_000))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("n", [0, 1, 2, 64, 65, 1000])
def test_permutations_have_every_number_once(n):
    same(np.sort(random.permutation(KEY, n)), np.arange(n))
    assert random.permutation(KEY, n).dtype == np.int64


@pytest.mark.parametrize("n", [10, 1000])
def test_minibatches_of_an_epoch_are_its_permutation(n):
    whole = random.permutation(KEY, n)
    batch = wg.jit(lambda k, start: random.shuffled(k, start + np.arange(4), n))
    same(np.concatenate([batch(KEY, start) for start in range(0, 8, 4)]), whole[:8])


def test_choice_with_weights():
    p = np.array([0.1, 0.0, 0.4, 0.5])
    counts = np.bincount(random.choice(KEY, 4, MANY, p=p), minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[p > 0], p[p > 0] * MANY).pvalue > 1e-3


def test_choice_without_replacement():
    p = np.array([1.0, 2.0, 3.0])
    pairs = wg.vmap(lambda k: random.choice(k, 3, 2, replace=False, p=p))(random.split(KEY, 20_000))
    expected = {(i, j): p[i] / 6 * p[j] / (6 - p[i]) for i in range(3) for j in range(3) if i != j}
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    assert [tuple(row) for row in found.tolist()] == sorted(expected)
    assert stats.chisquare(counts, [20_000 * expected[k] for k in sorted(expected)]).pvalue > 1e-3


def test_more_than_there_are():
    with pytest.raises(ValueError, match="6 of 5 elements, without replacement"):
        random.choice(KEY, 5, (2, 3), replace=False)


def test_categorical():
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])) + 5
    classes = random.categorical(KEY, logits, shape=MANY)
    for column, p in zip(classes.T, np.exp(logits - 5)):
        assert stats.chisquare(np.bincount(column), p * MANY).pvalue > 1e-3


# derivatives ----------------------------------------------------------------------------------------------


def test_derivatives_by_parameters():
    z, u, e = random.normal(KEY, 5), random.uniform(KEY, 5), random.exponential(KEY, 5)
    f = lambda m, s: np.sum(random.normal(KEY, 5, loc=m, scale=s))
    np.testing.assert_allclose(wg.grad(f, (0, 1))(1.0, 2.0), (5, z.sum()))
    g = lambda a, b: np.sum(random.uniform(KEY, 5, low=a, high=b))
    np.testing.assert_allclose(wg.grad(g, (0, 1))(1.0, 2.0), (5 - u.sum(), u.sum()))
    np.testing.assert_allclose(wg.grad(lambda s: np.sum(random.exponential(KEY, 5, scale=s)))(2.0), e.sum())


def test_a_gradient_through_dropout_in_a_native_loop():
    x, w = np.linspace(0.5, 2, 12).reshape(3, 4), np.linspace(-1, 1, 4)

    def error(w, key):
        keep = random.bernoulli(key, 0.5, x.shape)
        return np.sum(np.tanh(np.where(keep, x * 2, 0.0) @ w))

    def descend(w, key):
        def step(carry, _):
            w, key = carry
            key, now = random.split(key)
            return (w - 0.1 * wg.grad(error)(w, now), key), None

        return wg.scan(step, (w, key), None, length=5)[0][0]

    np.testing.assert_allclose(wg.jit(descend)(w, KEY), descend(w, KEY), rtol=1e-12)
    one = random.bernoulli(KEY, 0.5, x.shape) * 2 * x
    np.testing.assert_allclose(wg.grad(error)(w, KEY), one.T @ (1 - np.tanh(one @ w) ** 2))
