r"""Angles brought to within π/4 of 0, exactly enough for every floating-point number.

.. math:: x = n\,\frac{\pi}{2} + r, \qquad |r| \le \frac{\pi}{4}

Up to a limit the multiples of π/2 are subtracted in parts, all but the last of which give exact products
(Cody and Waite 1980). Beyond, x = M·2ᴱ is multiplied by those bits of 2/π that matter: the earlier ones
contribute whole turns (Payne and Hanek 1983). That is a loop over the lanes in a function of its own, which
is only called when some lane needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from wengert.native.elementary import coefficients as c
from wengert.native.elementary.number import (
    DOUBLE,
    Number,
    bits,
    fast_two_sum,
    fma,
    from_bits,
    two_product,
    two_sum,
    where,
)
from wengert.native.machine import ir

if TYPE_CHECKING:
    from wengert.native.elementary.lanes import Lanes

LIMIT_32, LIMIT_64 = 2.0**17, 2.0**20
HALF_PI_PARTS = tuple(part / 2 for part in c.PI_PARTS)
WORDS = 21


def reduce_angle(x: Number) -> tuple[Number, Number, Number | None]:
    """The integer n, of which the low two bits are right, and r; of float64 as the sum of two numbers."""
    if x.format is DOUBLE:
        return _reduce_double(x)
    n, r = _reduce_single(x) if x.lanes.fused else _reduce_widened(x.cast("fpext", "double"))
    return n, r, None


def _reduce_single(x: Number) -> tuple[Number, Number]:
    """Three parts of π/2 with all digits of float32, which fused operations multiply exactly."""
    shifted, n = _quarter_turns(x)
    r = x
    for part in c.HALF_PI_32:
        r = fma(n, -part, r)
    n, r = _beyond(x, LIMIT_32, bits(shifted), r)
    return n, r


def _reduce_widened(x: Number) -> tuple[Number, Number]:
    """With the digits of float64."""
    n, high, low = _beyond(x, LIMIT_64, *_reduce_roughly(x))
    return n.cast("trunc", "i32"), (high + low).cast("fptrunc", "float")


def _quarter_turns(x: Number) -> tuple[Number, Number]:
    shifted = fma(x, 2 / math.pi, x.format.shift)
    return shifted, shifted - x.format.shift


def _reduce_roughly(x: Number) -> tuple[Number, Number, Number]:
    """For arguments that are float32: no such number is nearer than 2⁻³⁰ to a multiple of π/2."""
    shifted, n = _quarter_turns(x)
    r = fma(n, -HALF_PI_PARTS[1], fma(n, -HALF_PI_PARTS[0], x))
    return bits(shifted), r, n * -HALF_PI_PARTS[2]


def _reduce_double(x: Number) -> tuple[Number, Number, Number]:
    shifted, n = _quarter_turns(x)
    first, second, third, rest = HALF_PI_PARTS
    a, lost = two_sum(fma(n, -first, x), n * -second)
    b, lost_too = two_sum(a, n * -third)
    high, low = fast_two_sum(b, fma(n, -rest, lost + lost_too))
    n, high, low = _beyond(x, LIMIT_64, bits(shifted), high, low)
    return n, high, low


# --- beyond the limit -------------------------------------------------------------------------------------


def _beyond(x: Number, limit: float, *near: Number) -> list[Number]:
    """What is found near 0, with the lanes beyond a limit replaced."""
    start = [value.value for value in near]
    return rarely(abs(x) > limit, lambda: [Number(x.lanes, y) for y in _each_lane(x, start)], near)


def rarely(rare: Number, other: Callable[[], Sequence[Number]], usual: Sequence[Number]) -> list[Number]:
    """What is usual, with rare lanes replaced by what is computed only if there are any."""
    lanes, f = rare.lanes, rare.lanes.function
    some, after, before = f.new_label("rare"), f.new_label("after"), f.label
    f.branch(any_of(rare), some, after)
    f.start(some)
    chosen = [where(rare, new, old) for new, old in zip(other(), usual, strict=True)]
    end = f.label
    f.jump(after)
    f.start(after)
    return [
        Number(lanes, f.phi(old.value.type, (old.value.name, before), (new.value.name, end)))
        for old, new in zip(usual, chosen, strict=True)
    ]


def any_of(mask: Number) -> ir.Value:
    """Whether a mask is set in some lane."""
    count = ir.lanes_of(mask.value.type)
    if count == 1:
        return mask.value
    return mask.lanes.function.call(f"llvm.vector.reduce.or.v{count}i1", "i1", mask.value)


def _each_lane(x: Number, start: list[ir.Value]) -> list[ir.Value]:
    """The reduction of every lane, one after the other."""
    f = x.lanes.function
    if ir.lanes_of(x.value.type) == 1:
        return _of_one(x)
    with f.loop(ir.index(0), ir.index(ir.lanes_of(x.value.type)), 1, start) as loop:
        at = f"i64 {loop.index.name}"
        lane = f.emit(f"extractelement {x.value.type} {x.value.name}, {at}", x.format.element)
        loop.next = [
            f.emit(f"insertelement {all.type} {all.name}, {one.type} {one.name}, {at}", all.type)
            for all, one in zip(loop.state, _of_one(Number(x.lanes, lane)), strict=True)
        ]
    return loop.state


_TRIPLE = "{ i64, double, double }"


def _of_one(x: Number) -> list[ir.Value]:
    """Quarter turns and the angle that is left; of float64 as two numbers."""
    f, name = x.lanes.function, _function(x)
    wide = x if x.format is DOUBLE else x.cast("fpext", "double")
    triple = f.call(name, _TRIPLE, wide.value)
    types = ("i64", "double", "double")
    parts = [f.emit(f"extractvalue {_TRIPLE} {triple.name}, {i}", type) for i, type in enumerate(types)]
    if x.format is DOUBLE:
        return parts
    n, high, low = (Number(x.lanes, part) for part in parts)
    return [n.cast("trunc", "i32").value, (high + low).cast("fptrunc", "float").value]


@cache
def two_over_pi() -> tuple[int, ...]:
    """The binary digits of 2/π in words of 64, after one word of zeros; π by Machin's formula."""
    digits = 64 * (WORDS - 1)
    one = 1 << (digits + 64)
    pi = 16 * _arctan_of_inverse(5, one) - 4 * _arctan_of_inverse(239, one)
    fraction = (one * one * 2 // pi) >> 64
    words = [fraction >> (digits - 64 * (i + 1)) & (2**64 - 1) for i in range(WORDS - 1)]
    return (0, *words)


def _arctan_of_inverse(k: int, one: int) -> int:
    total = term = one // k
    n = 1
    while term:
        term //= -k * k
        n += 2
        total += term // n
    return total


def _function(x: Number) -> str:
    """The name of the function that reduces one number; it is written when a module first needs it."""
    module, name = x.lanes.function.module, "wengert.reduce." + ("fused" if x.lanes.fused else "plain")
    if name not in module.names:
        words = ", ".join(f"i64 {word}" for word in two_over_pi())
        module.globals.append(f"@{name}.digits = internal constant [{WORDS} x i64] [{words}]")
        function = module.function(name, _TRIPLE, [("x", "double")], "internal")
        function.attributes = "nounwind noinline"
        _write(x.lanes.alike(count=1, function=function), f"@{name}.digits")
    return name


def _write(s: Lanes, digits: str) -> None:
    """The mantissa times three words of 2/π, modulo four quarter turns; then its fraction times π/2."""
    f = s.function
    x = Number(s, f.param("x"))
    magnitude = bits(x) & (2**63 - 1)
    mantissa = (magnitude & (2**52 - 1)) | 2**52
    place = (magnitude >> 52) - (1075 - 62)  # of the first digit that matters: 62 + E
    product = _product(mantissa, _window(s, digits, place))
    n = _upper(product + (1 << 125)) >> 62
    fraction = product << 2
    sign = fraction >> 127
    n, high, low = _scaled(n, sign, (fraction ^ sign) - sign)
    down = x < 0
    high, low, n = where(down, -high, high), where(down, -low, low), where(down, 0 - n, n)
    high = where(abs(x) < math.inf, high, math.nan)
    one = f.emit(f"insertvalue {_TRIPLE} poison, i64 {n.value.name}, 0", _TRIPLE)
    two = f.emit(f"insertvalue {_TRIPLE} {one.name}, double {high.value.name}, 1", _TRIPLE)
    f.ret(f.emit(f"insertvalue {_TRIPLE} {two.name}, double {low.value.name}, 2", _TRIPLE))


def _window(s: Lanes, digits: str, place: Number) -> list[Number]:
    """Three words of 2/π from a binary place on."""
    f = s.function
    place = where(place < 0, 0, where(place > 64 * (WORDS - 4), 64 * (WORDS - 4), place))
    first, shift = place >> 6, place & 63
    base = ir.Value(digits, "ptr")
    words = [f.load("i64", f.offset(base, "i64", (first + i).value), 8) for i in range(4)]
    return [Number(s, f.intrinsic("fshl.i64", "i64", a, b, shift.value)) for a, b in pairwise(words)]


def _product(mantissa: Number, words: list[Number]) -> Number:
    """The upper 128 bits of a mantissa times 192 bits, without what overflows."""
    m = mantissa.cast("zext", "i128")
    first, second, third = (word.cast("zext", "i128") for word in words)
    middle = m * second + _shifted_right(m * third)
    return ((m * first) << 64) + middle


def _shifted_right(a: Number) -> Number:
    """The upper half of 128 bits."""
    return _upper(a).cast("zext", "i128")


def _upper(a: Number) -> Number:
    return Number(a.lanes, a.lanes.function.binary("lshr", a.value, a.like(64).value)).cast("trunc", "i64")


def _scaled(n: Number, sign: Number, magnitude: Number) -> tuple[Number, Number, Number]:
    """Quarter turns as a fraction of 2¹²⁸, to an angle with twice the digits."""
    f = n.lanes.function
    zeros = f.emit(f"call i128 @llvm.ctlz.i128(i128 {magnitude.value.name}, i1 false)", "i128")
    f.module.declare("llvm.ctlz.i128", "i128", ["i128", "i1"])
    full = Number(n.lanes, f.binary("shl", magnitude.value, zeros))
    scale = from_bits((1023 - 53 - Number(n.lanes, zeros).cast("trunc", "i64")) << 52, DOUBLE)
    high = ((_upper(full) >> 11) & (2**53 - 1)).cast("uitofp", "double") * scale
    low = ((full >> 22).cast("trunc", "i64") & (2**53 - 1)).cast("uitofp", "double") * scale * 2.0**-53
    angle, lost = two_product(high, high.like(c.PI_64[0] / 2))
    angle, rest = fast_two_sum(angle, lost + (high * (c.PI_64[1] / 2) + low * (c.PI_64[0] / 2)))
    negative = sign.cast("trunc", "i64").differs(0)
    return n, where(negative, -angle, angle), where(negative, -rest, rest)
