r"""Elementary functions, written once for every number of lanes and both floating-point formats.

A function is brought to a small interval by an identity that loses nothing, and there it is a polynomial: for
the exponential, with n the whole number nearest to x/ln 2,

.. math:: e^x = 2^n e^r, \qquad r = x - n\ln 2, \quad |r| \le \tfrac12\ln 2, \qquad
          e^r \approx 1 + r + r^2 p(r).

There are no branches, so that all lanes do the same; one exception is the reduction of enormous angles, which
is entered when some lane needs it. The same operations in the same order give the same bits on every
processor with a fused multiplication and addition, whatever its vector width, and the same bits on every
processor without.

The bound of each function, in units in the last place, is the largest error measured, rounded up, in both
formats, with and without fused operations: of every 31st float32 argument through all bit patterns (of every
one for the logistic function and the hyperbolic tangent, of millions for two operands), and of millions of
float64 arguments against arithmetic with more digits. Zeros, infinities, NaNs and subnormal numbers come out
as in C99, Annex F.
"""

from __future__ import annotations

import math

from wengert.native.elementary import coefficients as c
from wengert.native.elementary.number import (
    DOUBLE,
    SINGLE,
    Format,
    Number,
    at_most,
    bits,
    clip,
    copysign,
    fast_two_sum,
    fma,
    from_bits,
    halves,
    polynomial,
    sqrt,
    two_product,
    two_sum,
    where,
)
from wengert.native.elementary.reduction import reduce_angle

LN2, LN10 = math.log(2.0), math.log(10.0)

# --- exponentials ------------------------------------------------------------------------------------------


def _power_of_two(n: Number, format: Format, bias: int) -> Number:
    """2^(n + bias - format.bias) for an integer n in the low bits."""
    return from_bits((n << format.mantissa) + (bias << format.mantissa), format)


def scale(y: Number, shifted: Number) -> Number:
    """y·2ⁿ, where n is in the low bits of a shifted number; in two steps, of which only the last rounds."""
    if y.lanes.has_fields(y.value.type):
        return y.lanes.scaled(y, shifted - y.format.shift)
    n = bits(shifted) - _bits_of_shift(y.format)
    half = n >> 1
    y = y * _power_of_two(half, y.format, y.format.bias)
    return y * _power_of_two(n - half, y.format, y.format.bias)


def _bits_of_shift(format: Format) -> int:
    """The bits of `Format.shift`: mantissa .1000..., exponent that of 2^mantissa."""
    return ((format.bias + format.mantissa) << format.mantissa) | 1 << (format.mantissa - 1)


def nearest_whole(x: Number, factor: float) -> tuple[Number, Number]:
    """The whole number nearest to x·factor: in the low bits of a shifted number, and as a number."""
    shifted = fma(x, factor, x.format.shift)
    return shifted, shifted - x.format.shift


def exp(x: Number) -> Number:
    """eˣ, to 1.1 ulp. Reduction by ln 2 in two parts (Cody and Waite 1980)."""
    x = clip(x, *x.pick((-104.0, 89.0), (-746.0, 710.0)))
    first, second = x.pick(c.LN2_32, c.LN2_64)
    shifted, n = nearest_whole(x, 1 / LN2)
    r = fma(n, -second, fma(n, -first, x))
    return scale(exp_of_fraction(r), shifted)


def exp_of_fraction(r: Number) -> Number:
    """eʳ between -ln 2/2 and ln 2/2."""
    return 1 + fma(r * r, polynomial(r, r.pick(c.EXP_32, c.EXP_64)), r)


def _reduced_by_ln2(x: Number) -> tuple[Number, Number, Number]:
    """Shifted n (in the low bits), r and q so that eˣ = 2ⁿ (1 + r + q); q is small beside r."""
    first, second = x.pick(c.LN2_32, c.LN2_64)
    shifted, n = nearest_whole(x, 1 / LN2)
    high, low = fma(n, -first, x), n * second
    r = high - low
    return shifted, r, fma(r * r, polynomial(r, x.pick(c.EXP_32, c.EXP_64)), (high - r) - low)


def exp2(x: Number) -> Number:
    """2ˣ, to 1.3 ulp: the fraction is exact."""
    x = clip(x, *x.pick((-151.0, 129.0), (-1076.0, 1025.0)))
    shifted, n = nearest_whole(x, 1.0)
    return scale(_exp2_of_fraction(x - n), shifted)


def _exp2_of_fraction(r: Number) -> Number:
    """2ʳ between -1/2 and 1/2."""
    first, *others = r.pick(c.EXP2_32, c.EXP2_64)
    return 1 + fma(r, first, r * r * polynomial(r, tuple(others)))


def exp2_in_parts(x: Number, factor: float) -> tuple[Number, Number]:
    """2ʳ and 2ⁿ for x·factor = n + r in float32, where 2ⁿ is a normal number."""
    biased = SINGLE.shift + SINGLE.bias  # with it n comes out as the exponent of 2ⁿ
    shifted = fma(x, factor, biased)
    power = polynomial(fma(x, factor, biased - shifted), (1.0, *c.EXP2_SHORT))
    return power, from_bits(bits(shifted) << SINGLE.mantissa, SINGLE)


def _expm1_in_parts(x: Number, exponent: int) -> tuple[Number, Number, Number]:
    """Numbers s = 2^(n - exponent), r and q so that eˣ = 2ⁿ (1 + r + q)."""
    shifted, r, q = _reduced_by_ln2(x)
    return _power_of_two(bits(shifted), x.format, x.format.bias - exponent), r, q


def _half_expm1(s: Number, r: Number, q: Number) -> tuple[Number, Number]:
    """(eˣ - 1)/2 for s = 2ⁿ⁻¹, as the sum of a number and a smaller one: (s - 1/2) + s r is added exactly."""
    high, low = two_sum(s * r, s - 0.5)
    return high, fma(s, q, low)


def expm1(x: Number) -> Number:
    """eˣ - 1, to 1.4 ulp."""
    high, low = _half_expm1(*_expm1_in_parts(clip(x, -40.0, x.pick(88.8, 709.8)), 1))
    y = high + low
    return where(abs(x) < x.pick(2.0**-25, 2.0**-54), x, y + y)


def tanh(x: Number) -> Number:
    """The hyperbolic tangent, to 1.9 ulp."""
    a = at_most(abs(x), 20.0)
    return copysign(x.pick(_tanh_single, _tanh_double)(a), x)


def _tanh_single(a: Number) -> Number:
    """A polynomial up to 11/16; above it 1 - 2/(e²ᵃ + 1), which halves the error of e²ᵃ = 2ⁿ 2ʳ and more."""
    z = a * a
    near = fma(a * z, polynomial(z, c.TANH_32), a)
    power, scale = exp2_in_parts(a, 2 / LN2)
    d = fma(power, scale, 1.0)
    return where(a > 0.6875, 1 - 2 / d, near)


def _tanh_double(a: Number) -> Number:
    """h/(h + 1) with h = (e²ᵃ - 1)/2.

    What rounding took from h and from h + 1 is given back, to first order: 1/(h + 1) = 1 - h/(h + 1).
    """
    h, lost = fast_two_sum(*_half_expm1(*_expm1_in_parts(a + a, 1)))
    d, more = two_sum(h, h.like(1.0))
    q = h / d
    return fma(1 - q, fma(q, -(more + lost), lost), q)


def sinh(x: Number) -> Number:
    """The hyperbolic sine, to 2.2 ulp: h + h/(2h + 1) with h = (eˣ - 1)/2 below 1, eˣ/2 - e⁻ˣ/2 above."""
    a = at_most(abs(x), x.pick(89.6, 710.6))
    s, r, q = _expm1_in_parts(a, 2)
    quarter = fma(s, r + q, s)
    small = a < 1
    high, low = _half_expm1(s + s, r, q)
    h = high + low
    part = where(small, h, 0.0625) / where(small, fma(h, 2.0, 1.0), quarter)
    far = quarter - part
    y = where(small, high + (low + part), far + far)
    return copysign(where(a < x.pick(2.0**-13, 2.0**-28), a, y), x)


def cosh(x: Number) -> Number:
    """The hyperbolic cosine eˣ/2 + e⁻ˣ/2, to 1.4 ulp."""
    a = at_most(abs(x), x.pick(89.6, 710.6))
    s, r, q = _expm1_in_parts(a, 2)
    quarter = fma(s, r + q, s)
    y = quarter + 0.0625 / quarter
    return y + y


def logistic(x: Number) -> Number:
    """1/(1 + e⁻ˣ), to 2 ulp, from the exponential that does not overflow.

    What rounding took from d = 1 + z is given back; 1/d is 0.97 - 0.48 z, nearly enough.
    """
    z = exp(-abs(x))
    d, lost = fast_two_sum(z.like(1.0), z)
    q = where(x < 0, z, 1.0) / d
    return fma(q * fma(z, -0.48, 0.97), -lost, q)


# --- logarithms -------------------------------------------------------------------------------------------

_ROOT_HALF = {SINGLE: 0x3F3504F3, DOUBLE: 0x3FE6A09E667F3BCD}


def _root_half(format: Format) -> float:
    """√½, as a number."""
    return (_ROOT_HALF[format] & ((1 << format.mantissa) - 1)) * 2.0 ** (-format.mantissa - 1) + 0.5


def _exponent_and_mantissa(x: Number) -> tuple[Number, Number]:
    """Of a normal number 2ᵉ m with m in [√½, √2) the integer e, and m."""
    f = x.format
    root = _ROOT_HALF[f]
    raised = bits(x) + ((f.bias << f.mantissa) - root)
    m = from_bits((raised & ((1 << f.mantissa) - 1)) + root, f)
    return (raised >> f.mantissa) - f.bias, m


def _to_real(n: Number, format: Format) -> Number:
    """A small integer as a number: added to the shift's last digits."""
    return from_bits(n + _bits_of_shift(format), format) - format.shift


def _made_normal(x: Number) -> tuple[Number, Number]:
    """X, or x·2^(mantissa + 2) if it is subnormal; and what that adds to the exponent."""
    f = x.format
    small = x < f.smallest_normal
    return where(small, x * 2.0 ** (f.mantissa + 2), x), where(small, x.like(-(f.mantissa + 2.0)), 0.0)


def _log1p_of(f: Number) -> tuple[Number, Number]:
    """f²/2 and s(f²/2 + R), so that ln(1 + f) = f - (f²/2 - s(f²/2 + R)), with s = f/(2 + f).

    ln(1 + f) = 2 artanh(s) = s (2 + R(s²)), and 2s = f - s f.
    """
    s = f / (f + 2)
    z = s * s
    half = f * f * 0.5
    return half, s * fma(z, polynomial(z, f.pick(c.LOG_32, c.LOG_64)), half)


def _log_special(x: Number, y: Number) -> Number:
    """The logarithm y, or what it is at 0, ∞, NaN and below 0."""
    y = where(x < math.inf, y, x)
    return where(x > 0, y, where(x.equals(0), x.like(-math.inf), where(x < 0, math.nan, x)))


def _log_parts(x: Number) -> tuple[Number, Number]:
    """The exponent, as a number, and f = m - 1."""
    if x.lanes.has_fields(x.value.type):
        e, m = x.lanes.fields(x)
        above = m >= 2 * _root_half(x.format)
        return where(above, e + 1, e), where(above, m * 0.5, m) - 1
    x, moved = _made_normal(x)
    n, m = _exponent_and_mantissa(x)
    return _to_real(n, x.format) + moved, m - 1


def _log_of_parts(e: Number, f: Number) -> Number:
    """The logarithm e ln 2 + ln(1 + f)."""
    high, low = f.pick(c.LN2_32, c.LN2_64)
    half, rest = _log1p_of(f)
    return fma(e, high, f - (half - fma(e, low, rest)))


def log(x: Number) -> Number:
    """The logarithm, to 0.9 ulp. Mantissa between √½ and √2, then the series of artanh (Tang 1990)."""
    y = _log_of_parts(*_log_parts(x))
    return y if x.lanes.has_fields(x.value.type) else _log_special(x, y)


def _log_to_base(x: Number, parts: tuple[float, float, float, float]) -> Number:
    """A logarithm times a constant in two parts: the leading half of ln(1 + f) is multiplied exactly."""
    factor, factor_low, unit, unit_low = parts
    e, f = _log_parts(x)
    half, rest = _log1p_of(f)
    high, _ = halves(f - half)
    low = ((f - high) - half) + rest
    small = fma(low + high, factor_low, low * factor)
    whole, lost = fast_two_sum(e * unit, high * factor)
    total = whole + (lost + fma(e, unit_low, small))
    return _log_special(x, where(e.equals(0), high * factor + small, total))


def log2(x: Number) -> Number:
    """log₂ x, to 0.9 ulp; exact at powers of two."""
    return _log_to_base(x, x.pick(c.LOG2_32, c.LOG2_64))


def log10(x: Number) -> Number:
    """log₁₀ x, to 0.8 ulp."""
    return _log_to_base(x, x.pick(c.LOG10_32, c.LOG10_64))


def _log_of_sum(high: Number, low: Number, doublings: Number | None = None) -> Number:
    """ln(high + low) for high ≥ 2⁻⁵³ and low less than its last digit; times 2^doublings."""
    e, f, low = _log_parts_of_sum(high, low)
    return _log_of_parts(e if doublings is None else e + doublings, f + low)


def _log_parts_of_sum(high: Number, low: Number) -> tuple[Number, Number, Number]:
    """The exponent, as a number, and m - 1 as a sum."""
    if high.lanes.has_fields(high.value.type):
        e, f = _log_parts(high)
        return e, f, high.lanes.scaled(low, -e)
    n, m = _exponent_and_mantissa(high)
    most = high.format.bias - 1
    scale = _power_of_two(0 - where(n > most, most, n), high.format, high.format.bias)
    return _to_real(n, high.format), m - 1, low * scale


def _log1p_inside(x: Number) -> Number:
    """ln(1 + x) for finite x > -1."""
    return _log_of_sum(*two_sum(x.like(1.0), x))


def _log1p_special(x: Number, y: Number) -> Number:
    y = where(x < math.inf, y, x)
    return where(x > -1, y, where(x.equals(-1), x.like(-math.inf), where(x < -1, math.nan, x)))


def log1p(x: Number) -> Number:
    """ln(1 + x), to 1.5 ulp: what rounding loses of 1 + x goes into the mantissa."""
    return copysign(_log1p_special(x, _log1p_inside(x)), x)


def _log1p_of_fraction(z: Number) -> Number:
    """ln(1 + z) for z between 0 and 1: as it is, or of (1 + z)/2."""
    far = z > math.sqrt(2) - 1
    return _log_of_parts(where(far, z.like(1.0), 0.0), where(far, fma(z, 0.5, -0.5), z))


def softplus(x: Number) -> Number:
    """ln(1 + eˣ), to 1.8 ulp."""
    return where(x < 0, 0.0, x) + _log1p_of_fraction(exp(-abs(x)))


def logaddexp(a: Number, b: Number) -> Number:
    """ln(eᵃ + eᵇ), to 3.5 ulp of the largest of the result and the operands."""
    d, lost = _distance(a, b)
    z = exp(d)
    y = where(a < b, b, a) + _log1p_of_fraction(at_most(fma(z, lost, z), 1.0))
    return where(a.unordered(b), a + b, y)


def logaddexp2(a: Number, b: Number) -> Number:
    """log₂(2ᵃ + 2ᵇ), to 5 ulp of the largest of the result and the operands."""
    d, lost = _distance(a, b)
    z = exp2(d)
    y = where(a < b, b, a) + _log1p_of_fraction(at_most(fma(z, lost * LN2, z), 1.0)) * (1 / LN2)
    return where(a.unordered(b), a + b, y)


def _distance(a: Number, b: Number) -> tuple[Number, Number]:
    """-|a - b|, 0 for equal infinities, and what rounding lost of it."""
    low, high = where(a < b, a, b), where(a < b, b, a)
    d, lost = two_sum(low, -high)
    return where(a.equals(b), 0.0, d), where(abs(d) < math.inf, lost, 0.0)


# --- powers -----------------------------------------------------------------------------------------------


def power(x: Number, y: Number) -> Number:
    """xʸ as C99's pow, to 1.3 ulp: 2^(y log₂|x|), the logarithm and the product with twice the digits."""
    a = abs(x)
    magnitude = x.pick(_power_single, _power_double)(a, y)
    extreme = a.equals(0) | a.equals(math.inf)
    falls = (a < 1) ^ (y < 0)
    magnitude = where(extreme, where(falls, x.like(0.0), math.inf), magnitude)
    return _power_special(x, y, _power_sign(x, y, magnitude))


def _power_sign(x: Number, y: Number, magnitude: Number) -> Number:
    """The sign of x for an odd y; NaN for x below 0 and y not whole."""
    half = y * 0.5
    whole = y.equals(y.intrinsic("trunc"))
    odd = whole & half.differs(half.intrinsic("trunc"))
    signed = where(odd, copysign(magnitude, x), magnitude)
    return where((x < 0) & (x > -math.inf) & ~whole, math.nan, signed)


def _power_special(x: Number, y: Number, z: Number) -> Number:
    """NaN if an operand is, but x⁰ = 1ʸ = 1."""
    return where(x.equals(1) | y.equals(0), 1.0, where(x.unordered(y), x + y, z))


def _power_single(a: Number, y: Number) -> Number:
    """float32 powers with the digits of float64."""
    a, y = a.cast("fpext", "double"), y.cast("fpext", "double")
    n, m = _exponent_and_mantissa(a)
    s = (m - 1) / (m + 1)
    log = fma(s, polynomial(s * s, c.LOG2_ROUGH), _to_real(n, DOUBLE))
    z = clip(clip(y, -1e30, 1e30) * log, -200.0, 200.0)
    shifted, whole = nearest_whole(z, 1.0)
    r = z - whole
    power = fma(r, polynomial(r, c.EXP2_ROUGH), 1.0) * _power_of_two(bits(shifted), DOUBLE, DOUBLE.bias)
    return power.cast("fptrunc", "float")


Pair = tuple[Number, Number]


def _times(a: Pair, b: Pair) -> Pair:
    """The product of two numbers of twice the digits."""
    p, e = two_product(a[0], b[0])
    return p, e + fma(a[0], b[1], a[1] * b[0])


def _plus(a: Pair, b: Pair) -> Pair:
    """The sum of two numbers of twice the digits, the first the larger."""
    s, e = fast_two_sum(a[0], b[0])
    return s, e + (a[1] + b[1])


def _log2_pair(a: Number) -> Pair:
    """log₂ a with twice the digits: 2s (1 + z(1/3 + z p(z))) / ln 2 + e, s = (m - 1)/(m + 1), z = s²."""
    a, moved = _made_normal(a)
    n, m = _exponent_and_mantissa(a)
    s = _quotient(m - 1, *fast_two_sum(m.like(1.0), m))
    z = _times(s, s)
    third, lost = fast_two_sum(m.like(c.TWO_THIRDS[0]), z[0] * polynomial(z[0], c.LOG_TAIL))
    tail = _times(_times((third, lost + c.TWO_THIRDS[1]), z), s)
    log = _plus((s[0] + s[0], s[1] + s[1]), tail)
    high, low = _times(log, (m.like(c.LOG2_E[0]), m.like(c.LOG2_E[1])))
    whole, lost = fast_two_sum(_to_real(n, DOUBLE) + moved, high)
    return fast_two_sum(whole, lost + low)


def _quotient(f: Number, d: Number, d_low: Number) -> Pair:
    """F/(d + d_low) with twice the digits."""
    inverse = 1 / d
    q = f * inverse
    p, e = two_product(q, d)
    return q, (((f - p) - e) - q * d_low) * inverse


def _power_double(a: Number, y: Number) -> Number:
    """float64 powers; an exponent beyond 10²⁵ acts as 10²⁵."""
    log = _log2_pair(a)
    y = clip(y, -1e25, 1e25)
    high, low = two_product(log[0], y)
    low = fma(log[1], y, low)
    far = abs(high) > 1100
    high, low = where(far, clip(high, -1100.0, 1100.0), high), where(far, 0.0, low)
    shifted, n = nearest_whole(high, 1.0)
    r = (high - n) + low
    return scale(_exp2_of_fraction(r), shifted)


def cbrt(x: Number) -> Number:
    """The cube root, to 0.6 ulp: Newton's iteration for m^(-2/3), then one for the root, by its cube."""
    f, a = x.format, abs(x)
    e, m = _exponent_and_unit_mantissa(a)
    shifted, q = nearest_whole(e - 1, 1 / 3)
    one, two = (e - q * 3).equals(1), (e - q * 3).equals(2)
    inverse = polynomial(m, c.CBRT_ROUGH) * where(one, 2 ** (-2 / 3), where(two, x.like(2 ** (-4 / 3)), 1.0))
    root = _refined_cube_root(where(one, m + m, where(two, m * 4, m)), inverse, x.pick(1, 2))
    root = root * _power_of_two(bits(shifted), f, f.bias)
    return where((a > 0) & (a < math.inf), copysign(root, x), x)


def _exponent_and_unit_mantissa(a: Number) -> tuple[Number, Number]:
    """Of a positive number 2ᵉ m the exponent, as a number, and m in [1, 2)."""
    if a.lanes.has_fields(a.value.type):
        return a.lanes.fields(a)
    f = a.format
    a, moved = _made_normal(a)
    e = _to_real((bits(a) >> f.mantissa) - f.bias, f) + moved
    return e, from_bits((bits(a) & ((1 << f.mantissa) - 1)) | (f.bias << f.mantissa), f)


def _refined_cube_root(m: Number, y: Number, steps: int) -> Number:
    """The cube root of m, where y is nearly m^(-2/3)."""
    for _ in range(steps):
        root = m * y
        y = fma(y, (1 - root * root * y) * (1 / 3), y)
    root = m * y
    square, lost = two_product(root, root)
    cube, more = two_product(square, root)
    residual = (cube - m) + fma(lost, root, more)
    return fma(residual, y * (-1 / 3), root)


def hypot(a: Number, b: Number) -> Number:
    """√(a² + b²), to 1.3 ulp, without overflow."""
    a, b = abs(a), abs(b)
    y = a.pick(_hypot_single, _hypot_double)(a, b)
    return where(a.equals(math.inf) | b.equals(math.inf), math.inf, y)


def _hypot_single(a: Number, b: Number) -> Number:
    a, b = a.cast("fpext", "double"), b.cast("fpext", "double")
    return sqrt(fma(a, a, b * b)).cast("fptrunc", "float")


def _hypot_double(a: Number, b: Number) -> Number:
    large = where(a < b, b, a)
    scale = where(large > 2.0**500, a.like(2.0**-600), where(large < 2.0**-500, a.like(2.0**600), 1.0))
    back = where(large > 2.0**500, a.like(2.0**600), where(large < 2.0**-500, a.like(2.0**-600), 1.0))
    a, b = a * scale, b * scale
    return sqrt(fma(a, a, b * b)) * back


# --- trigonometric functions ------------------------------------------------------------------------------


def _flip(y: Number, odd: Number) -> Number:
    """-y where an integer is odd."""
    return from_bits(bits(y) ^ (odd << (y.format.width - 1)), y.format)


def _sine(r: Number, low: Number | None) -> Number:
    """sin(r + low) between -π/4 and π/4."""
    z = r * r
    p = polynomial(z, r.pick(c.SIN_QUARTER_32, c.SIN_QUARTER_64))
    return fma(r * z, p, r) if low is None else r + fma(r * z, p, low)


def _cosine(r: Number, low: Number | None) -> Number:
    """cos(r + low) between -π/4 and π/4: 1 - r²/2 is rounded, and what is lost goes to the rest."""
    z = r * r
    half = z * 0.5
    w = 1 - half
    rest = fma(z * z, polynomial(z, r.pick(c.COS_QUARTER_32, c.COS_QUARTER_64)), (1 - w) - half)
    return w + (rest if low is None else fma(r, -low, rest))


def sin(x: Number) -> Number:
    """The sine of every x, to 1.6 ulp, by way of `reduce_angle`."""
    n, r, low = reduce_angle(x)
    y = where((n & 1).differs(0), _cosine(r, low), _sine(r, low))
    return where(x.equals(0), x, _flip(y, n >> 1))


def cos(x: Number) -> Number:
    """The cosine of every x, to 1.6 ulp, as `sin`."""
    n, r, low = reduce_angle(x)
    y = where((n & 1).differs(0), _sine(r, low), _cosine(r, low))
    return _flip(y, (n + 1) >> 1)


def tan(x: Number) -> Number:
    """The tangent of every x, to 3.7 ulp: the quotient of sine and cosine."""
    n, r, low = reduce_angle(x)
    sine, cosine, odd = _sine(r, low), _cosine(r, low), (n & 1).differs(0)
    return where(x.equals(0), x, where(odd, -cosine, sine) / where(odd, sine, cosine))


# --- inverse trigonometric functions ----------------------------------------------------------------------

_EIGHTH, _THREE_EIGHTHS = math.tan(math.pi / 8), math.tan(3 * math.pi / 8)


def _arctan_of_quotient(a: Number, b: Number) -> tuple[Number, Number]:
    """arctan(a/b) for a, b ≥ 0, as a sum: a multiple of π/4, and an arctangent below π/8."""
    pi, pi_low = a.pick(c.PI_32, c.PI_64)
    steep, flat = a > b * _THREE_EIGHTHS, ~(a > b * _EIGHTH)
    up = where(steep, -b, where(flat, a, a - b))
    down = where(steep, a, where(flat, b, a + b))
    t = up / down
    z = t * t
    low = where(steep, a.like(pi_low / 2), where(flat, a.like(0.0), pi_low / 4))
    high = where(steep, a.like(pi / 2), where(flat, a.like(0.0), pi / 4))
    return high, t + fma(t * z, polynomial(z, a.pick(c.ATAN_32, c.ATAN_64)), low)


def arctan(x: Number) -> Number:
    """The arc tangent, to 1.9 ulp."""
    a = at_most(abs(x), x.pick(2.0**40, 2.0**70))
    high, low = _arctan_of_quotient(a, x.like(1.0))
    return copysign(high + low, x)


def arctan2(y: Number, x: Number) -> Number:
    """The angle of the point (x, y), to 2 ulp."""
    pi, pi_low = x.pick(c.PI_32, c.PI_64)
    a, b = abs(y), abs(x)
    both = a.equals(math.inf) & b.equals(math.inf)
    huge = (a > x.pick(2.0**120, 2.0**1000)) | (b > x.pick(2.0**120, 2.0**1000))
    scale = where(huge, x.like(0.0625), 1.0)
    a, b = where(both, 1.0, a * scale), where(both, 1.0, b * scale)
    origin = a.equals(0) & b.equals(0)
    high, low = _arctan_of_quotient(a, where(origin, 1.0, b))
    left = (bits(x) >> (x.format.width - 1)).differs(0)
    angle = where(left, (pi - high) - (low - pi_low), high + low)
    return copysign(where(x.unordered(y), x + y, angle), y)


def _arcsin_series(x: Number, z: Number) -> Number:
    """Arcsine of x less x, for |x| ≤ 1/2 and z = x²."""
    return x * z * polynomial(z, x.pick(c.ASIN_32, c.ASIN_64))


def arcsin(x: Number) -> Number:
    """The arc sine, to 2.1 ulp: π/2 - 2 arcsin √((1 - x)/2) above 1/2."""
    half_pi, half_pi_low = (v / 2 for v in x.pick(c.PI_32, c.PI_64))
    a = abs(x)
    far = a > 0.5
    z = where(far, (1 - a) * 0.5, a * a)
    s = where(far, sqrt(z), a)
    rest = _arcsin_series(s, z)
    return copysign(where(far, (half_pi - (s + s)) - (rest + rest - half_pi_low), s + rest), x)


def arccos(x: Number) -> Number:
    """The arc cosine, to 1.2 ulp."""
    pi, pi_low = x.pick(c.PI_32, c.PI_64)
    a = abs(x)
    far = a > 0.5
    z = where(far, (1 - a) * 0.5, a * a)
    s = where(far, sqrt(z), a)
    rest = _arcsin_series(s, z)
    twice, twice_rest = s + s, rest + rest
    near = pi / 2 - (copysign(s, x) - (pi_low / 2 - copysign(rest, x)))
    return where(far, where(x < 0, pi - (twice - (pi_low - twice_rest)), twice + twice_rest), near)


# --- inverse hyperbolic functions -------------------------------------------------------------------------


def arcsinh(x: Number) -> Number:
    """The inverse hyperbolic sine: ln(1 + x + x²/(1 + √(1 + x²))), to 1.9 ulp."""
    limit = x.pick(2.0**13, 2.0**28)
    a = abs(x)
    b = at_most(a, limit)
    square = b * b
    u, low = two_sum(x.like(1.0), b + square / (sqrt(square + 1) + 1))
    y = _log_with_doubling(a, a > limit, u, low)
    return copysign(y, x)


def _log_with_doubling(a: Number, far: Number, u: Number, low: Number) -> Number:
    """ln(2a) where a is far away, else ln(u + low)."""
    y = _log_of_sum(where(far, a, u), where(far, 0.0, low), where(far, a.like(1.0), 0.0))
    return where(a < math.inf, y, a)


def arccosh(x: Number) -> Number:
    """The inverse hyperbolic cosine: ln(1 + t + √(t (t + 2))) with t = x - 1, to 2.6 ulp."""
    limit = x.pick(2.0**13, 2.0**28)
    t = clip(x, 0.0, limit) - 1
    u, low = two_sum(x.like(1.0), t + sqrt(t * (t + 2)))
    return where(x < 1, math.nan, _log_with_doubling(x, x > limit, u, low))


def arctanh(x: Number) -> Number:
    """The inverse hyperbolic tangent: ln(1 + 2x/(1 - x))/2, to 2.1 ulp."""
    a = abs(x)
    t = (a + a) / (1 - a)
    y = _log1p_special(t, _log1p_inside(t)) * 0.5
    return copysign(where(a < x.pick(2.0**-13, 2.0**-28), a, y), x)


# --- fields of a number -----------------------------------------------------------------------------------


def ldexp(x: Number, n: Number) -> Number:
    """x·2ⁿ, rounded once: of three factors only the last can leave the normal numbers with more to come."""
    f = x.format
    n = _as_integer(n, f)
    most = f.bias - f.mantissa
    first = _between(n, most)
    second = _between(n - first, most)
    third = _between(n - first - second, most)
    for part in (third, second, first):
        x = x * _power_of_two(part, f, f.bias)
    return x


def _as_integer(n: Number, format: Format) -> Number:
    """An integer brought to the width of a format, limited so that it fits."""
    width = int(n.value.type.rpartition("i")[2].rstrip(">"))
    n = _between(n, 5000) if width > 16 else n
    if width == format.width:
        return n
    return n.cast("trunc" if width > format.width else "sext", format.integer)


def _between(n: Number, most: int) -> Number:
    """An integer limited to ±most."""
    return where(n > most, most, where(n < -most, -most, n))


def exponent(x: Number) -> Number:
    """The exponent of x as 2ᵉ m with 1/2 ≤ |m| < 1, as int32; 0 for 0, ∞ and NaN."""
    f = x.format
    lifted, moved = _made_normal(abs(x))
    e = (bits(lifted) >> f.mantissa) - (f.bias - 1)
    e = where(moved.differs(0), e - (f.mantissa + 2), e)
    e = where((abs(x) > 0) & (abs(x) < math.inf), e, 0)
    return e.cast("trunc", "i32") if f is DOUBLE else e


def nextafter(a: Number, b: Number) -> Number:
    """The neighbour of a on the way to b."""
    f = a.format
    away = (a < b) ^ (bits(a) < 0)
    step = where(away, bits(a).like(1), -1)
    moved = from_bits(bits(a) + step, f)
    least = copysign(from_bits(bits(a).like(1), f), b)
    y = where(a.equals(b), b, where(a.equals(0), least, moved))
    return where(a.unordered(b), a + b, y)


def spacing(x: Number) -> Number:
    """The distance to the neighbour that is farther from 0, with the sign of x; NaN at ∞."""
    step = from_bits(bits(abs(x)) + 1, x.format) - abs(x)
    return where(abs(x) < math.inf, where(x < 0, -step, step), math.nan)
