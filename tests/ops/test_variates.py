"""Quantiles against SciPy's, over the whole range of words."""

import numpy as np
import pytest
from scipy import special

from wengert.ops import variates

rng = np.random.default_rng(0)
EDGES = np.array([0, 1, 2, 3, 2**16, 2**31 - 2, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1])
WORDS = np.concatenate([EDGES, 2 ** rng.uniform(0, 32, 20_000), rng.integers(0, 2**32, 20_000)]).astype(
    np.uint32
)
OTHERS = np.concatenate([EDGES.astype(np.uint32), rng.permutation(WORDS[len(EDGES) :])])
both = pytest.mark.parametrize("words", [(WORDS,), (WORDS, OTHERS)], ids=["float32", "float64"])


def whole(words):
    return sum(w.astype(np.longdouble) * 2.0 ** (32 * i) for i, w in enumerate(words[::-1]))


def close(found, expected, resolution, ulps):
    """Within some units of the last place, and what the last digit of the probability makes of it."""
    eps = np.finfo(found.dtype).eps
    assert np.all(abs(found - expected) <= ulps * eps * abs(expected) + resolution)


@both
def test_uniform_numbers_are_the_leading_bits(words):
    u = variates.uniform(words)
    digits = np.finfo(u.dtype).nmant + 1
    np.testing.assert_array_equal(
        u, np.floor(whole(words) * 2.0 ** (digits - 32 * len(words))) * 2.0**-digits
    )
    assert u.min() == 0
    assert u.max() < 1


@both
def test_exponential_numbers_are_logarithms(words):
    x = variates.exponential(words)
    n = whole(words)
    expected = -np.log((n + 0.5) * 2.0 ** (-32 * len(words)))
    close(x, expected, np.finfo(x.dtype).eps + 0.7 / np.maximum(n, 0.5), 4)
    assert x.min() > 0
    assert np.isfinite(x).all()


@both
def test_normal_numbers_are_quantiles(words):
    z = variates.normal(words)
    half = 2.0 ** (32 * len(words) - 1)
    n = whole(words)
    p = np.where(n < half, n + 0.5, n - half + 0.5) / half
    eps = np.finfo(z.dtype).eps
    expected = special.ndtri(np.asarray(p / 2, float)) * np.where(n < half, -1, 1)
    close(z, expected, 2 * eps, 8)
    np.testing.assert_array_equal(z != 0, True)


@both
def test_the_sign_is_the_highest_bit(words):
    flipped = (words[0] ^ np.uint32(2**31), *words[1:])
    np.testing.assert_array_equal(variates.normal(flipped), -variates.normal(words))


@pytest.mark.parametrize("count", [1, 2, 6, 1000, 2**32 - 1, 2**32, 2**40 + 7, 2**63, 2**64 - 1])
def test_whole_numbers_are_the_upper_half_of_a_product(count):
    words = [
        0,
        1,
        2**32 - 1,
        2**32,
        2**63,
        2**64 - 1,
        *rng.integers(0, 2**64, 1000, dtype=np.uint64).tolist(),
    ]
    found = variates.below(np.uint64(count), np.array(words, np.uint64))
    assert found.tolist() == [word * count >> 64 for word in words]
