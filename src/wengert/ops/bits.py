r"""Random bits from counters: the block cipher Philox4x32-10, and a shuffle that needs no memory.

A counter-based generator has no state: the bits are a function of a key and of the place where they are
wanted, so they do not depend on order, threads or machine. A round of Philox, with multipliers :math:`m_i`
and hi, lo the halves of a product of 64 bits, is

.. math:: (x_0, x_1, x_2, x_3) \mapsto \bigl(\mathrm{hi}(m_1x_2)\oplus x_1\oplus k_0,\ \mathrm{lo}(m_1x_2),\
          \mathrm{hi}(m_0x_0)\oplus x_3\oplus k_1,\ \mathrm{lo}(m_0x_0)\bigr)

(Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC11.) A block gives four words at
once; so it is one operation of four outputs, and what wants n words runs n/4 blocks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.core.primitive import constant

Words = tuple[Any, Any, Any, Any]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and √3, in units of 2⁻³²
MASK = 0xFFFFFFFF
ROUNDS = 10
# What a block is for: the last word of its counter.
NUMBERS, KEYS, FOLDS, SHUFFLES, ORDERS = (np.uint32(i) for i in range(5))


def _philox(*operands: Any) -> Words:
    """Ten rounds in words of 64 bits; the upper halves are cut off only where they would count."""
    wide: list[Any] = [np.asarray(x, np.uint64) for x in operands]
    x0, x1, x2, x3, k0, k1 = wide
    for _ in range(ROUNDS):
        p, q = x0 * MULTIPLIERS[0], x2 * MULTIPLIERS[1]
        x0, x1 = ((q >> 32) ^ x1 ^ k0) & MASK, q
        x2, x3 = ((p >> 32) ^ x3 ^ k1) & MASK, p
        k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
    return tuple((x & MASK).astype(np.uint32) for x in (x0, x1, x2, x3))  # type: ignore[return-value]


def _words(*values: int) -> tuple[Any, ...]:
    return tuple(np.uint32(value) for value in values)


philox = constant(
    "philox",
    _philox,
    core=(0,) * 6,
    infer=lambda *types: [(np.broadcast_shapes(*(t.shape for t in types)), np.dtype(np.uint32))] * 4,
    cost=lambda i, o, **_: 80 * o[0].size,
    multiple=True,
    text="philox({args})",
    examples=lambda draw: [
        ((np.arange(3, dtype=np.uint32), *_words(0, 0, 1, 7, 8)), {}),
        (
            (
                np.arange(2, dtype=np.uint32)[:, None],
                *_words(1, 2, 3),
                np.arange(3, dtype=np.uint32),
                *_words(4),
            ),
            {},
        ),
        (_words(1, 2, 3, 4, 5, 6), {}),
    ],
)


# --- whole numbers ------------------------------------------------------------------------------------


def _leading_zeros(x: Any) -> Any:
    bits = 8 * x.dtype.itemsize
    if bits == 64:
        upper = _leading_zeros((x >> 32).astype(np.uint32))
        lower = _leading_zeros((x & MASK).astype(np.uint32))
        return (upper + np.where(upper == 32, lower, 0)).astype(x.dtype)
    return (bits - np.frexp(x.astype(np.float64))[1]).astype(x.dtype)


leading_zeros = constant(
    "leading_zeros",
    _leading_zeros,
    core=(0,),
    infer=lambda x: (x.shape, x.dtype),
    text="leading_zeros({0})",
    examples=lambda draw: [
        ((np.array([0, 1, 2, 2**31, 2**32 - 1], np.uint32),), {}),
        ((np.array([0, 1, 2**32, 2**53 - 1, 2**64 - 1], np.uint64),), {}),
        (_words(5), {}),
    ],
)


# --- shuffles -----------------------------------------------------------------------------------------

# Odd multipliers whose bits are well spread: 2³²/φ, and the second of MurmurHash3's final step.
MIXERS = (0x9E3779B1, 0xC2B2AE35)
HALF_ROUNDS = 10
# What a block is for: the last word of its counter.
NUMBERS, KEYS, FOLDS, SHUFFLES, ORDERS = (np.uint32(i) for i in range(5))


def grid(count: int) -> tuple[int, int]:
    """The sides of a rectangle of at least so many fields, with few to spare; the first side is even."""
    rows = 2 * (math.isqrt(count - 1) // 2 + 1)
    return rows, -(-count // rows)


def _shuffle(index: Any, key0: Any, key1: Any, count: int) -> Any:
    shape = np.broadcast_shapes(np.shape(index), np.shape(key0), np.shape(key1))
    places = np.array(np.broadcast_to(np.minimum(index, np.uint32(count - 1)), shape), ndmin=1)
    keys = [np.broadcast_to(key, places.shape) for key in (key0, key1)]
    places = _stirred(count, places, key0, key1)
    outside = np.nonzero(places >= count)
    while len(outside[0]):
        moved = _stirred(count, places[outside], *(key[outside] for key in keys))
        places[outside] = moved
        outside = tuple(axis[moved >= count] for axis in outside)
    return places.reshape(shape)[()]


def _stirred(count: int, place: Any, key0: Any, key1: Any) -> Any:
    """A permutation of the fields of the grid: a Feistel network, whose halves are row and column."""
    sides = grid(count)
    half, other = np.divmod(place, np.uint32(sides[1]))
    with np.errstate(over="ignore"):
        for i in range(HALF_ROUNDS):
            side = sides[i % 2]
            half = half + _below(side, _mixed(other, key0, key1))
            half, other = other, np.minimum(half, half - np.uint32(side))  # which wraps below 0
            key0, key1 = key0 + np.uint32(WEYL[0]), key1 + np.uint32(WEYL[1])
    return half * np.uint32(sides[1]) + other


def _mixed(x: Any, key0: Any, key1: Any) -> Any:
    """A hash whose upper bits are good: the lower ones hardly count in what follows."""
    x = (x + key0) * np.uint32(MIXERS[0])
    return ((x ^ (x >> 15)) + key1) * np.uint32(MIXERS[1])


def _below(side: int, x: Any) -> Any:
    """A number below the side, from 32 bits."""
    return ((x.astype(np.uint64) * side) >> 32).astype(np.uint32)


shuffle = constant(
    "shuffle",
    _shuffle,
    core=(0,) * 3,
    infer=lambda i, k0, k1, count: (np.broadcast_shapes(i.shape, k0.shape, k1.shape), np.dtype(np.uint32)),
    cost=lambda i, o, **_: 14 * HALF_ROUNDS * o[0].size,
    text="shuffle({args}; {count})",
    examples=lambda draw: [
        ((np.arange(5, dtype=np.uint32), *_words(1, 2)), {"count": 5}),
        ((np.arange(3, dtype=np.uint32), np.arange(2, dtype=np.uint32)[:, None], *_words(2)), {"count": 100}),
        (_words(1, 2, 3), {"count": 10}),
    ],
)
