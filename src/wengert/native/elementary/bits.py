r"""Random bits in LLVM IR: Philox4x32-10 and the shuffle of `wengert.ops.bits`, for any number of lanes.

.. math:: m\,x = 2^{32}\,\mathrm{hi}(m x) + \mathrm{lo}(m x),\qquad 0\le m, x<2^{32}

Words are kept in lanes of 64 bits for all ten rounds: one instruction then multiplies the lower halves, and
what stands in the upper halves is cut off only where it would count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.native.elementary.number import Number
from wengert.native.machine import ir
from wengert.native.machine.ir import Value
from wengert.ops.bits import HALF_ROUNDS, MASK, MIXERS, MULTIPLIERS, ROUNDS, WEYL, grid

if TYPE_CHECKING:
    from wengert.native.elementary.lanes import Lanes


def philox(lanes: Lanes, *operands: Value) -> tuple[Value, ...]:
    """The four words of a block, from four words of the counter and two of the key."""
    state = wide(lanes, *operands)
    for _ in range(ROUNDS):
        state = philox_round(*state)
    return narrow(*state[:4])


def wide(lanes: Lanes, *operands: Value) -> list[Number]:
    """Words as the rounds take them."""
    return [_wide(Number(lanes, x)) for x in operands]


def narrow(*words: Number) -> tuple[Value, ...]:
    """Words as they are."""
    return tuple(x.cast("trunc", "i32").value for x in words)


def philox_round(x0: Number, x1: Number, x2: Number, x3: Number, k0: Number, k1: Number) -> list[Number]:
    """One of the ten rounds: the next words and key."""
    p, q = (x0 & MASK) * MULTIPLIERS[0], (x2 & MASK) * MULTIPLIERS[1]
    return [_upper(q) ^ x1 ^ k0, q, _upper(p) ^ x3 ^ k1, p, k0 + WEYL[0], k1 + WEYL[1]]


def _wide(x: Number) -> Number:
    return x.cast("zext", "i64")


def _upper(x: Number) -> Number:
    return _shifted(x, 32)


def _shifted(x: Number, count: int) -> Number:
    """A shift to the right that fills up with zeros."""
    return Number(x.lanes, x.lanes.function.binary("lshr", x.value, x.like(count).value))


def shuffle(lanes: Lanes, index: Value, key0: Value, key1: Value, count: int) -> Value:
    """The places of elements in a permutation: stirred until no lane is outside."""
    f = lanes.function
    last = lanes.constant(count - 1)
    place = f.select(f.compare("icmp ult", index, last), index, last)
    keys = Number(lanes, key0), Number(lanes, key1)
    active = Value("splat (i1 true)" if lanes.count > 1 else "true", lanes.mask)
    with f.again((place, active)) as loop:
        old, mask = loop.first
        new = f.select(mask, _stirred(Number(lanes, old), *keys, count).value, old)
        outside = f.compare("icmp ugt", new, last)
        loop.next, loop.more = [new, outside], _any(f, outside)
    return new


def _any(f: ir.Function, mask: Value) -> Value:
    if ir.lanes_of(mask.type) == 1:
        return mask
    return f.call(f"llvm.vector.reduce.or.v{ir.lanes_of(mask.type)}i1", "i1", mask)


def _stirred(place: Number, key0: Number, key1: Number, count: int) -> Number:
    sides = grid(count)
    lanes = place.lanes
    half = Number(lanes, lanes.function.binary("udiv", place.value, place.like(sides[1]).value))
    other = place - half * sides[1]
    for i in range(HALF_ROUNDS):
        half = half + _below(sides[i % 2], _mixed(other, key0, key1))
        half, other = other, _wrapped(half, sides[i % 2])
        key0, key1 = key0 + WEYL[0], key1 + WEYL[1]
    return half * sides[1] + other


def _wrapped(x: Number, side: int) -> Number:
    """The remainder of a number below twice the side: one smaller than the side wraps below 0."""
    return x.intrinsic("umin", x - side)


def _mixed(x: Number, key0: Number, key1: Number) -> Number:
    x = (x + key0) * MIXERS[0]
    return ((x ^ _shifted(x, 15)) + key1) * MIXERS[1]


def _below(side: int, x: Number) -> Number:
    return _upper(_wide(x) * side).cast("trunc", "i32")
