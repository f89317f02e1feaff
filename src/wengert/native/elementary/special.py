r"""Special functions as those of `scipy.special`: error functions, entropies, losses, gamma functions.

.. math:: \operatorname{erfc} a = e^{-a^2}\,\frac{G(t)}{1+2a}, \qquad t = \frac{a-K}{a+K} \qquad (a \ge 1)

The exponential is taken of a² with twice the digits, since its error would be multiplied by a². Bounds are
meant as in `wengert.native.elementary.functions`. Functions of which there is no formula here are the C
library's.
"""

from __future__ import annotations

import math

from wengert.native.elementary import coefficients as c
from wengert.native.elementary.functions import (
    LN10,
    exp,
    exp2_in_parts,
    exp_of_fraction,
    expm1,
    hypot,
    log,
    log1p,
    nearest_whole,
    scale,
    sin,
)
from wengert.native.elementary.number import (
    SINGLE,
    Number,
    at_most,
    clip,
    copysign,
    fma,
    polynomial,
    rint,
    two_product,
    where,
)
from wengert.native.elementary.reduction import rarely
from wengert.native.machine import ir

# --- error functions ---------------------------------------------------------------------------------------


def _erf_near(x: Number) -> Number:
    """erf(x)/x - 1, for |x| ≤ 1."""
    return polynomial(x * x, x.pick(c.ERF_32, c.ERF_64))


def _erfcx_far(a: Number) -> Number:
    """exp(a²) erfc(a) = G(t)/(1 + 2a), t = (a - K)/(a + K), for a ≥ 1 (Shepherd and Laframboise 1981)."""
    k = a.pick(2.0, 3.0)
    t = (a - k) / (a + k)
    return polynomial(t, a.pick(c.ERFC_32, c.ERFC_64)) / fma(a, 2.0, 1.0)


def _exp_minus_square(square: Number, low: Number) -> Number:
    """exp(-a²), where a² has twice the digits."""
    e = exp(-square)
    return fma(e, -low, e)


def _erfc_far(a: Number) -> Number:
    """erfc(a) for a ≥ 1."""
    a = clip(a, 1.0, a.pick(11.0, 28.0))
    return _exp_minus_square(*two_product(a, a)) * _erfcx_far(a)


def erf(x: Number) -> Number:
    """The error function, to 1.5 ulp."""
    a = abs(x)
    far = x.pick(_erf_far_single, _erf_far_double)(a)
    return where(a < 1, fma(x, _erf_near(x), x), copysign(far, x))


def _erf_far_single(a: Number) -> Number:
    """1 - 2^y, where y = log₂ erfc(a) is a polynomial, for a ≥ 1."""
    y = polynomial(at_most(a, 4.0), c.LOG2_ERFC_32)
    power, scale = exp2_in_parts(y, 1.0)
    return fma(power, -scale, 1.0)


def _erf_far_double(a: Number) -> Number:
    return 1 - _erfc_far(a)


def erfc(x: Number) -> Number:
    """The complement of the error function, to 4.6 ulp."""
    a = abs(x)
    near = fma(x, -_erf_near(where(a < 1, x, 1.0)), 1 - x)
    far = _erfc_far(a)
    return where(a < 1, near, where(x < 0, 2 - far, far))


def erfcx(x: Number) -> Number:
    """exp(x²) times the complement of the error function, to 5 ulp."""
    a = abs(x)
    square, low = two_product(*[at_most(a, x.pick(10.0, 27.0))] * 2)
    e = exp(square)
    power = where(e < math.inf, fma(e, low, e), e)
    far = where(a.equals(math.inf), 0.0, _erfcx_far(where(a < 1, 1.0, a)))
    return where(a < 1, power * erfc(x), where(x < 0, (power + power) - far, far))


def _half_square(x: Number) -> tuple[Number, Number]:
    """x²/2 with twice the digits."""
    square, low = two_product(x, x)
    return square * 0.5, low * 0.5


def ndtr(x: Number) -> Number:
    """The normal distribution function, erfc(-x/√2)/2, to 5 ulp."""
    x = clip(x, *x.pick((-15.0, 15.0), (-39.0, 39.0)))
    a = abs(x) * math.sqrt(0.5)
    close = where(a < 1, a, 1.0)
    near = fma(close, -_erf_near(close), 1 - close)
    far = _exp_minus_square(*_half_square(x)) * _erfcx_far(where(a < 1, 1.0, a))
    tail = where(a < 1, near, far) * 0.5
    return where(x < 0, tail, 1 - tail)


def log_ndtr(x: Number) -> Number:
    """The logarithm of the normal distribution function, to 6 ulp; below -√2 the exponent apart."""
    far = x < -math.sqrt(2)
    a = where(far, x * -math.sqrt(0.5), 1.0)
    limited = where(far, x, 0.0)
    tail = log(_erfcx_far(a) * 0.5) - limited * limited * 0.5
    near = ndtr(-abs(x))
    y = where(far, tail, where(x < 0, log(near), log1p(-near)))
    return where(x.equals(-math.inf), x, y)


# --- exponentials and logarithms --------------------------------------------------------------------------


def exp10(x: Number) -> Number:
    """10ˣ, to 1.4 ulp, reduced by multiples of log₁₀ 2."""
    x = clip(x, *x.pick((-46.0, 39.0), (-325.0, 309.0)))
    first, second = x.pick(c.LOG10_32, c.LOG10_64)[2:]
    shifted, n = nearest_whole(x, math.log2(10))
    r = fma(n, -second, fma(n, -first, x)) * LN10
    return scale(exp_of_fraction(r), shifted)


def exprel(x: Number) -> Number:
    """(eˣ - 1)/x, to 1.9 ulp, and 1 at 0."""
    y = expm1(x) / where(x.equals(0), 1.0, x)
    return where(x.equals(0), 1.0, where(x.equals(math.inf), x, y))


def cosm1(x: Number) -> Number:
    """-2 sin²(x/2), which is cos x - 1, to 3.5 ulp."""
    s = sin(x * 0.5)
    return s * s * -2.0


def logit(p: Number) -> Number:
    """ln(p/(1 - p)), to 3.3 ulp.

    From 1/4 on it is ln(1 + t) with t = (2p - 1)/(1 - p), whose numerator is exact.
    """
    near = log1p((p + p - 1) / (1 - p))
    return where(p < 0.25, log(p / (1 - p)), near)


# --- entropies --------------------------------------------------------------------------------------------


def xlogy(x: Number, y: Number) -> Number:
    """A number times a logarithm, to 2 ulp: x ln y, and 0 where x is 0 unless y is NaN."""
    return where(x.equals(0) & ~y.unordered(y), 0.0, x * log(y))


def xlog1py(x: Number, y: Number) -> Number:
    """A number times a logarithm, to 2 ulp: x ln(1 + y), and 0 where x is 0 unless y is NaN."""
    return where(x.equals(0) & ~y.unordered(y), 0.0, x * log1p(y))


def entr(x: Number) -> Number:
    """-x ln x, to 2 ulp; 0 at 0, -∞ below."""
    y = -(x * log(x))
    return where(x < 0, x.like(-math.inf), where(x.equals(0), 0.0, y))


def rel_entr(x: Number, y: Number) -> Number:
    """The relative entropy x ln(x/y), to 2.5 ulp; 0 where x is 0, ∞ where an operand is negative."""
    ratio = x / y
    close = (ratio > 0.5) & (ratio < 2)
    usual = (ratio > x.format.smallest_normal) & (ratio < math.inf)
    far = where(usual, log(where(usual, ratio, x)), log(x) - log(y))
    found = x * where(close, log1p((x - y) / y), far)
    inside = (x > 0) & (y > 0)
    found = where(inside, found, where(x.equals(0) & (y >= 0), x.like(0.0), math.inf))
    return where(x.unordered(y), x + y, found)


def kl_div(x: Number, y: Number) -> Number:
    """The divergence x ln(x/y) - x + y; y where x is 0, ∞ where an operand is negative."""
    relative = rel_entr(x, y)
    return where((x > 0) & (y > 0), relative - x + y, where(x.equals(0) & (y >= 0), y, relative))


# --- losses -----------------------------------------------------------------------------------------------


def huber(delta: Number, r: Number) -> Number:
    """r²/2 up to δ, δ(|r| - δ/2) beyond, to 1.6 ulp; ∞ for δ below 0."""
    a = abs(r)
    y = where(a > delta, delta * (a - delta * 0.5), r * r * 0.5)
    return where(delta < 0, math.inf, where(delta.unordered(r), delta + r, y))


def pseudo_huber(delta: Number, r: Number) -> Number:
    """δ²(√(1 + (r/δ)²) - 1) = δ r²/(√(δ² + r²) + δ), to 5 ulp; ∞ for δ below 0."""
    a = abs(r)
    y = delta * a * (a / (hypot(delta, a) + delta))
    y = where(a.equals(math.inf) & (delta < math.inf), a, y)
    y = where(delta.equals(0) | r.equals(0), 0.0, y)
    return where(delta < 0, math.inf, y)


# --- gamma functions --------------------------------------------------------------------------------------


def _c_function(name: str, x: Number) -> Number:
    """The C library's function of float64 numbers, called lane by lane."""
    if x.format is SINGLE:
        return _c_function(name, x.cast("fpext", "double")).cast("fptrunc", "float")
    f, lanes = x.lanes.function, ir.lanes_of(x.value.type)
    if lanes == 1:
        return Number(x.lanes, f.call(name, "double", x.value))
    with f.loop(ir.index(0), ir.index(lanes), 1, [x.value]) as loop:
        (all,), at = loop.state, f"i64 {loop.index.name}"
        y = f.call(name, "double", f.emit(f"extractelement {all.type} {all.name}, {at}", "double"))
        loop.next = [f.emit(f"insertelement {all.type} {all.name}, double {y.name}, {at}", all.type)]
    return Number(x.lanes, loop.state[0])


def gamma(x: Number) -> Number:
    """The gamma function; of float32 to 0.6 ulp."""
    return _c_function("tgamma", x)


def gammaln(x: Number) -> Number:
    """The logarithm of the gamma function's magnitude, to 6 ulp from 0 on, of float32 to 0.6 ulp.

    Below 0 it is the C library's; -∞ at -∞ as in SciPy.
    """
    if x.format is SINGLE:
        return gammaln(x.cast("fpext", "double")).cast("fptrunc", "float")
    (y,) = rarely(~(x >= 0), lambda: [_log_gamma_below(x)], [_log_gamma(x)])
    return y


def _log_gamma_below(x: Number) -> Number:
    return where(x.equals(-math.inf), x, _c_function("lgamma", x))


def _log_gamma(x: Number) -> Number:
    """From x = k + t with k the nearest whole number: up to 4 by ln Γ(2 + t), beyond by Stirling's series.

    The first steps ln Γ(x) = ln Γ(x + 1) - ln x lead to 2, so nothing is lost at the zeros 1 and 2.
    """
    near, low = x <= 4.5, x < 1.5
    below = where(x <= 0.5, x * (x + 1), x)
    above = where(x <= 2.5, 1.0, where(x < 3.5, x - 1, (x - 1) * (x - 2)))
    logarithm = log(where(near, where(low, below, above), x))
    t = x - rint(x)
    close = fma(t, polynomial(t, c.LOG_GAMMA_NEAR), where(low, -logarithm, logarithm))
    r = 1 / where(near, 8.0, x)
    rest = fma(r, polynomial(r * r, c.LOG_GAMMA_FAR), (math.log(2 * math.pi) - 1) / 2)
    return where(near, close, fma(x - 0.5, logarithm - 1, rest))


def loggamma(x: Number) -> Number:
    """The logarithm of the gamma function, to 6 ulp, of float32 to 0.6 ulp; NaN below 0."""
    if x.format is SINGLE:
        return loggamma(x.cast("fpext", "double")).cast("fptrunc", "float")
    return where(x >= 0, _log_gamma(x), math.nan)
