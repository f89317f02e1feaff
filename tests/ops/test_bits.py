"""Philox against the known answers of its authors; the shuffle as a permutation."""

import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert.core.recorder import bind
from wengert.ops import bits

ZERO = np.uint32(0)

# Counter, key and block, from the file kat_vectors of Random123, in hexadecimal.
KNOWN = """
00000000 00000000 00000000 00000000 00000000 00000000   6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff   408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0   d16cfe09 94fdcceb 5001e420 24126ea1
"""


def words(text):
    return [np.uint32(int(word, 16)) for word in text.split()]


def philox(*operands):
    return bind(bits.philox, operands, {})


def shuffle(places, key, count):
    return bind(bits.shuffle, (places, key[0], key[1]), {"count": count})


@pytest.mark.parametrize("line", KNOWN.strip().splitlines())
def test_known_answers(line):
    given = words(line)
    assert list(philox(*given[:6])) == given[6:]


@pytest.mark.parametrize("line", KNOWN.strip().splitlines())
@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 37])
def test_known_answers_in_native_code_for_any_number_of_lanes(line, count):
    given = words(line)
    columns = [np.full(count, word) for word in given]
    for found, expected in zip(wg.jit(philox)(*columns[:6]), columns[6:]):
        np.testing.assert_array_equal(found, expected)


def test_operands_of_a_block_broadcast():
    counters, keys = np.arange(5, dtype=np.uint32), np.array([[3], [9]], np.uint32)
    found = philox(counters, ZERO, ZERO, ZERO, keys, ZERO)
    for word, row in zip(found, np.ndindex(4)):
        assert word.shape == (2, 5)
        one = philox(counters[3], ZERO, ZERO, ZERO, keys[1, 0], ZERO)
        assert word[1, 3] == one[row[0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_leading_zeros_count(dtype):
    info = np.iinfo(dtype)
    powers = [1 << i for i in range(info.bits)]
    x = np.array([0, *powers, *(p - 1 for p in powers), info.max], dtype)
    expected = [info.bits - int(n).bit_length() for n in x]
    for f in (
        lambda x: bind(bits.leading_zeros, (x,), {}),
        wg.jit(lambda x: bind(bits.leading_zeros, (x,), {})),
    ):
        np.testing.assert_array_equal(f(x), expected)
        assert f(x).dtype == dtype


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 63, 64, 65, 97, 100, 256, 1000, 4097, 65536, 65537])
def test_a_shuffle_gives_every_place_once_in_native_code_too(count):
    places, key = np.arange(count, dtype=np.uint32), np.array([5, 6], np.uint32)
    found = shuffle(places, key, count)
    np.testing.assert_array_equal(np.sort(found), places)
    np.testing.assert_array_equal(wg.jit(lambda p, k: shuffle(p, k, count))(places, key), found)
    rows, columns = bits.grid(count)
    assert rows % 2 == 0
    assert count <= rows * columns < count + rows


def test_a_shuffle_of_the_largest_number_of_places():
    places = np.array([0, 1, 2**31, 2**32 - 1], np.uint32)
    assert len(set(shuffle(places, words("1 2"), 2**32).tolist())) == 4


def test_places_beyond_the_last_count_as_the_last():
    key = words("1 2")
    assert shuffle(np.uint32(100), key, 100) == shuffle(np.uint32(99), key, 100)


# what a random permutation has, over many keys

KEYS, COUNT = 20_000, 101


@pytest.fixture(scope="module")
def permutations():
    first, second = philox(np.arange(KEYS, dtype=np.uint32), ZERO, ZERO, np.uint32(9), ZERO, ZERO)[:2]
    places = np.arange(COUNT, dtype=np.uint32)
    return shuffle(places, (first[:, None], second[:, None]), COUNT).astype(int)


def test_every_element_is_everywhere_alike(permutations):
    for place in (0, 1, 50, 100):
        assert stats.chisquare(np.bincount(permutations[:, place], minlength=COUNT)).pvalue > 1e-3


def test_neighbours_are_torn_apart(permutations):
    steps = (np.diff(permutations, axis=1) % COUNT).ravel()
    assert stats.chisquare(np.bincount(steps, minlength=COUNT)[1:]).pvalue > 1e-3


def test_fixed_points_follow_poisson(permutations):
    fixed = np.minimum((permutations == np.arange(COUNT)).sum(axis=1), 5)
    expected = np.append(stats.poisson.pmf(range(5), 1), stats.poisson.sf(4, 1))
    assert stats.chisquare(np.bincount(fixed, minlength=6), expected * KEYS).pvalue > 1e-3


def test_ascents_have_their_mean_and_variance(permutations):
    ascents = (np.diff(permutations, axis=1) > 0).sum(axis=1)
    deviation = np.sqrt((COUNT + 1) / 12)
    assert abs(ascents.mean() - (COUNT - 1) / 2) < 4 * deviation / np.sqrt(KEYS)
    assert ascents.std() == pytest.approx(deviation, rel=0.03)


def test_even_and_odd_permutations_come_alike(permutations):
    """By the number of cycles: a Feistel network of odd sides would only give even ones."""
    odd = sum((COUNT - cycles(p)) % 2 for p in permutations[:2000])
    assert stats.binomtest(odd, 2000).pvalue > 1e-3


def cycles(p):
    seen, count = set(), 0
    for start in range(len(p)):
        count += start not in seen
        while start not in seen:
            seen.add(start)
            start = int(p[start])
    return count
