r"""Operations on each element: arithmetic, powers, exponentials, trigonometric and hyperbolic functions, comparisons.

Each line states the partial derivatives in the operands and the output y, and both modes follow:

.. math:: \dot y = \sum_i \frac{\partial y}{\partial x_i}\,\dot x_i, \qquad
          \bar x_i \mathrel{+}= \frac{\partial y}{\partial x_i}\,\bar y

``weight`` counts the arithmetic operations of an ordinary implementation; 1 where nothing is said. Decided answers at
the kinks: d|x|/dx = 0 at 0; d(x⁰)/dx = 0 at 0; ties of maximum and minimum share the derivative equally.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS, UFUNCS, constant, elementwise, implements
from wengert.core.recorder import bind, type_of
from wengert.core.tracer import call_ufunc, operand

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
DIVIDE, ROOT, TRANSCENDENTAL, POWER = 4, 4, 16, 32

ANY = ((-4.0, 4.0),)
POSITIVE = ((0.2, 4.0),)
UNIT = ((-0.9, 0.9),)


# --- arithmetic -------------------------------------------------------------------------------------------------------

add = elementwise("add", np.add, (1, 1), text="{0} + {1}", python=operator.add, domain=ANY * 2)
subtract = elementwise(
    "subtract", np.subtract, (1, -1), text="{0} - {1}", python=operator.sub, domain=ANY * 2
)
multiply = elementwise(
    "multiply", np.multiply, (lambda a, b, y: b, lambda a, b, y: a), text="{0} * {1}", python=operator.mul, domain=ANY * 2
)  # fmt: skip
divide = elementwise(
    "divide", np.divide, (lambda a, b, y: 1 / b, lambda a, b, y: -y / b),
    text="{0} / {1}", weight=DIVIDE, domain=ANY + POSITIVE,
)  # fmt: skip
negative = elementwise("negative", np.negative, (-1,), text="-{0}", python=operator.neg, domain=ANY)
positive = elementwise("positive", np.positive, (1,), text="{0}", python=operator.pos, domain=ANY)
remainder = elementwise(
    "remainder", np.remainder, (1, lambda a, b, y: -np.floor(a / b)), text="{0} % {1}", weight=DIVIDE, domain=ANY + POSITIVE
)  # fmt: skip
fmod = elementwise(
    "fmod", np.fmod, (1, lambda a, b, y: -np.trunc(a / b)), weight=DIVIDE, domain=ANY + POSITIVE
)  # fmt: skip
floor_divide = constant(
    "floor_divide", np.floor_divide, text="{0} // {1}", weight=DIVIDE, domain=ANY + POSITIVE
)
reciprocal = elementwise("reciprocal", np.reciprocal, (lambda x, y: -y * y,), weight=DIVIDE, domain=POSITIVE)
square = elementwise("square", np.square, (lambda x, y: 2 * x,), text="{0}²", domain=ANY)
sqrt = elementwise("sqrt", np.sqrt, (lambda x, y: 0.5 / y,), text="√{0}", weight=ROOT, domain=POSITIVE)
cbrt = elementwise("cbrt", np.cbrt, (lambda x, y: 1 / (3 * y * y),), weight=TRANSCENDENTAL, domain=POSITIVE)
hypot = elementwise(
    "hypot", np.hypot, (lambda a, b, y: a / _nonzero(y), lambda a, b, y: b / _nonzero(y)), weight=8, domain=ANY * 2
)  # fmt: skip


def _nonzero(y: Any) -> Any:
    """y, with 1 in place of 0: the derivative at the tip of a cone is 0."""
    return np.where(y == 0, 1, y)


# --- powers -----------------------------------------------------------------------------------------------------------


def _power_by_base(a: Any, b: Any, y: Any) -> Any:
    exponent = np.where(b == 0, 1, b)
    return b * np.power(a, exponent - 1)


def _power_by_exponent(a: Any, b: Any, y: Any) -> Any:
    return y * np.log(np.where(a == 0, 1, a))


def _integer_power_by_base(x: Any, y: Any, *, exponent: int) -> Any:
    if exponent in (0, 1, 2):
        return {0: lambda: 0 * x, 1: lambda: np.ones_like(y), 2: lambda: 2 * x}[exponent]()
    return exponent * x ** (exponent - 1)


power = elementwise(
    "power", np.power, (_power_by_base, _power_by_exponent),
    text="{0} ^ {1}", weight=POWER, python=operator.pow, domain=POSITIVE * 2,
)  # fmt: skip
integer_power = elementwise(
    "integer_power",
    lambda x, exponent: np.power(x, exponent),
    (_integer_power_by_base,),
    text="{0} ^ {exponent}",
    weight=2,
    python=lambda x, exponent: x**exponent,
    domain=ANY,
    ufunc="integer_power",
)
float_power = elementwise(
    "float_power", np.float_power, (_power_by_base, _power_by_exponent), weight=POWER, domain=POSITIVE * 2
)  # fmt: skip


@implements(np.power)
def _power(a: Any, b: Any, weak: bool = False) -> Any:
    if type(b) is int:
        return bind(integer_power, (a,), {"exponent": b}, weak)
    return bind(power, (a, b), {}, weak)


# --- exponentials and logarithms --------------------------------------------------------------------------------------

exp = elementwise("exp", np.exp, (lambda x, y: y,), text="exp({0})", weight=TRANSCENDENTAL, domain=ANY)
exp2 = elementwise("exp2", np.exp2, (lambda x, y: LN2 * y,), weight=TRANSCENDENTAL, domain=ANY)
expm1 = elementwise("expm1", np.expm1, (lambda x, y: y + 1,), weight=TRANSCENDENTAL, domain=ANY)
log = elementwise(
    "log", np.log, (lambda x, y: 1 / x,), text="ln({0})", weight=TRANSCENDENTAL, domain=POSITIVE
)
log2 = elementwise("log2", np.log2, (lambda x, y: (1 / LN2) / x,), weight=TRANSCENDENTAL, domain=POSITIVE)
log10 = elementwise("log10", np.log10, (lambda x, y: (1 / LN10) / x,), weight=TRANSCENDENTAL, domain=POSITIVE)
log1p = elementwise("log1p", np.log1p, (lambda x, y: 1 / (1 + x),), weight=TRANSCENDENTAL, domain=POSITIVE)


def _share(a: Any, y: Any) -> Any:
    """exp(a - y), where -inf - (-inf) counts as -inf."""
    return np.exp(np.where(np.isneginf(y), -np.inf, a - np.where(np.isneginf(y), 0, y)))


def _share2(a: Any, y: Any) -> Any:
    return np.exp2(np.where(np.isneginf(y), -np.inf, a - np.where(np.isneginf(y), 0, y)))


logaddexp = elementwise(
    "logaddexp", np.logaddexp, (lambda a, b, y: _share(a, y), lambda a, b, y: _share(b, y)),
    weight=2 * TRANSCENDENTAL, domain=ANY * 2,
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2", np.logaddexp2, (lambda a, b, y: _share2(a, y), lambda a, b, y: _share2(b, y)),
    weight=2 * TRANSCENDENTAL, domain=ANY * 2,
)  # fmt: skip

# --- trigonometric and hyperbolic functions ---------------------------------------------------------------------------

sin = elementwise(
    "sin", np.sin, (lambda x, y: np.cos(x),), text="sin({0})", weight=TRANSCENDENTAL, domain=ANY
)
cos = elementwise(
    "cos", np.cos, (lambda x, y: -np.sin(x),), text="cos({0})", weight=TRANSCENDENTAL, domain=ANY
)
tan = elementwise("tan", np.tan, (lambda x, y: 1 + y * y,), weight=TRANSCENDENTAL, domain=((-1.2, 1.2),))
arcsin = elementwise(
    "arcsin", np.arcsin, (lambda x, y: 1 / np.sqrt(1 - x * x),), weight=TRANSCENDENTAL, domain=UNIT
)
arccos = elementwise(
    "arccos", np.arccos, (lambda x, y: -1 / np.sqrt(1 - x * x),), weight=TRANSCENDENTAL, domain=UNIT
)
arctan = elementwise("arctan", np.arctan, (lambda x, y: 1 / (1 + x * x),), weight=TRANSCENDENTAL, domain=ANY)
arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    (lambda a, b, y: b / _nonzero(a * a + b * b), lambda a, b, y: -a / _nonzero(a * a + b * b)),
    weight=TRANSCENDENTAL,
    domain=POSITIVE * 2,
)
sinh = elementwise("sinh", np.sinh, (lambda x, y: np.cosh(x),), weight=TRANSCENDENTAL, domain=ANY)
cosh = elementwise("cosh", np.cosh, (lambda x, y: np.sinh(x),), weight=TRANSCENDENTAL, domain=ANY)
tanh = elementwise(
    "tanh", np.tanh, (lambda x, y: 1 - y * y,), text="tanh({0})", weight=TRANSCENDENTAL, domain=ANY
)
arcsinh = elementwise(
    "arcsinh", np.arcsinh, (lambda x, y: 1 / np.sqrt(x * x + 1),), weight=TRANSCENDENTAL, domain=ANY
)
arccosh = elementwise(
    "arccosh", np.arccosh, (lambda x, y: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),), weight=TRANSCENDENTAL, domain=((1.2, 4.0),)
)  # fmt: skip
arctanh = elementwise(
    "arctanh", np.arctanh, (lambda x, y: 1 / (1 - x * x),), weight=TRANSCENDENTAL, domain=UNIT
)
degrees = elementwise("degrees", np.degrees, (lambda x, y: 180 / np.pi,), domain=ANY)
radians = elementwise("radians", np.radians, (lambda x, y: np.pi / 180,), domain=ANY)
UFUNCS[np.rad2deg], UFUNCS[np.deg2rad] = degrees, radians

# --- kinks ------------------------------------------------------------------------------------------------------------


def _winner(a: Any, b: Any, wins: Any) -> Any:
    """1 where a wins, 1/2 on ties, 0 elsewhere."""
    return np.where(a == b, 0.5, wins).astype(np.result_type(a, b))


maximum = elementwise(
    "maximum", np.maximum, (lambda a, b, y: _winner(a, b, a > b), lambda a, b, y: _winner(a, b, b > a)), domain=ANY * 2
)  # fmt: skip
minimum = elementwise(
    "minimum", np.minimum, (lambda a, b, y: _winner(a, b, a < b), lambda a, b, y: _winner(a, b, b < a)), domain=ANY * 2
)  # fmt: skip
fmax = elementwise(
    "fmax", np.fmax,
    (lambda a, b, y: _winner(a, b, (a > b) | np.isnan(b)), lambda a, b, y: _winner(a, b, (b > a) | np.isnan(a))),
    domain=ANY * 2,
)  # fmt: skip
fmin = elementwise(
    "fmin", np.fmin,
    (lambda a, b, y: _winner(a, b, (a < b) | np.isnan(b)), lambda a, b, y: _winner(a, b, (b < a) | np.isnan(a))),
    domain=ANY * 2,
)  # fmt: skip
real_absolute = elementwise(
    "absolute", np.absolute, (lambda x, y: np.sign(x),), text="|{0}|", python=operator.abs, domain=POSITIVE
)  # fmt: skip
fabs = elementwise("fabs", np.fabs, (lambda x, y: np.sign(x),), domain=POSITIVE)
copysign = elementwise(
    "copysign", np.copysign, (lambda a, b, y: np.sign(a) * np.copysign(1, b), None), domain=POSITIVE + ANY
)  # fmt: skip
nextafter = elementwise("nextafter", np.nextafter, (1, None), domain=ANY * 2)
ldexp = elementwise("ldexp", np.ldexp, (lambda a, b, y: np.exp2(b).astype(y.dtype), None))

for _ufunc in (np.sign, np.heaviside, np.floor, np.ceil, np.trunc, np.rint, np.spacing, np.signbit):
    constant(_ufunc.__name__, _ufunc, domain=ANY * _ufunc.nin)
for _ufunc in (np.isnan, np.isinf, np.isfinite, np.isnat, np.logical_not, np.invert, np.bitwise_count):
    constant(_ufunc.__name__, _ufunc)
for _ufunc, _text in (
    (np.less, "{0} < {1}"), (np.less_equal, "{0} ≤ {1}"), (np.greater, "{0} > {1}"), (np.greater_equal, "{0} ≥ {1}"),
    (np.equal, "{0} = {1}"), (np.not_equal, "{0} ≠ {1}"), (np.logical_and, None), (np.logical_or, None),
    (np.logical_xor, None), (np.bitwise_and, None), (np.bitwise_or, None), (np.bitwise_xor, None),
    (np.left_shift, None), (np.right_shift, None), (np.gcd, None), (np.lcm, None),
):  # fmt: skip
    constant(_ufunc.__name__, _ufunc, text=_text, domain=ANY * 2)

# --- complex numbers --------------------------------------------------------------------------------------------------


def _direction(x: Any, y: Any) -> Any:
    """conj(x)/|x|, and 0 at 0."""
    return np.conjugate(x) / _nonzero(y)


def _absolute_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    return np.real(_direction(operands[0], y) * tangents[0])


from wengert.core.primitive import linear, nonlinear  # noqa: E402

complex_absolute = nonlinear("complex_absolute", np.absolute, _absolute_tangent, weight=8, text="|{0}|")
real = linear("real", np.real, lambda ct, x: ct.astype(x.dtype))
imag = linear("imag", np.imag, lambda ct, x: (ct * -1j).astype(x.dtype))
conjugate = linear("conjugate", np.conjugate, lambda ct, x: np.conjugate(ct))
UFUNCS[np.conjugate] = conjugate


@implements(np.absolute)
def _absolute(x: Any, weak: bool = False) -> Any:
    return bind(complex_absolute if type_of(x).dtype.kind == "c" else real_absolute, (x,), {}, weak)


@implements(np.real)
def _real(x: Any) -> Any:
    x = operand(x)
    return bind(real, (x,), {}) if type_of(x).dtype.kind == "c" else x


@implements(np.imag)
def _imag(x: Any) -> Any:
    x = operand(x)
    return bind(imag, (x,), {}) if type_of(x).dtype.kind == "c" else np.zeros(x.shape, x.dtype)[()]


@implements(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    angle = np.arctan2(_imag(z), _real(z))
    return np.degrees(angle) if deg else angle


# --- ufuncs of several outputs ----------------------------------------------------------------------------------------


@implements(np.divmod)
def _divmod(a: Any, b: Any, weak: bool = False) -> Any:
    return np.floor_divide(a, b), np.remainder(a, b)


@implements(np.modf)
def _modf(x: Any, weak: bool = False) -> Any:
    whole = np.trunc(x)
    return x - whole, whole


@implements(np.frexp)
def _frexp(x: Any, weak: bool = False) -> Any:
    exponent = constant_exponent(x)
    return np.ldexp(x, -exponent), exponent


constant_exponent = constant("exponent", lambda x: np.frexp(x)[1])


stop_gradient = constant("stop_gradient", lambda x: x, core=(0,), python=lambda x: x, text="stop({0})")

# --- choosing ---------------------------------------------------------------------------------------------------------

where = linear(
    "where",
    np.where,
    (None, lambda ct, c, a, b: np.where(c, ct, 0), lambda ct, c, a, b: np.where(c, 0, ct)),
    text="where({0}, {1}, {2})",
    core=(0, 0, 0),
    weight=1,
    infer=lambda c, a, b: (np.broadcast_shapes(c.shape, a.shape, b.shape), _promoted(a, b)),
)


def _promoted(*types: Any) -> Any:
    from wengert.core.recorder import sample
    from wengert.core.trace import type_for

    return np.result_type(*[sample(type_for((), t.dtype, t.weak)) for t in types])


@implements(np.where)
def _where(condition: Any, *branches: Any) -> Any:
    condition, *branches = map(operand, (condition, *branches))
    return bind(where, (condition, *branches), {}) if branches else np.nonzero(condition)


@implements(np.clip)
def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None, **kwargs: Any
) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    a = a if high is None else np.minimum(a, high)
    return a


@implements(np.sinc)
def _sinc(x: Any) -> Any:
    x = np.pi * operand(x)
    safe = np.where(x == 0, 1, x)
    # 1 - x²/6 keeps the derivatives right at 0.
    return np.where(x == 0, 1 - x * x / 6, np.sin(safe) / safe)


@implements(np.round, np.around)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return rounded(a, decimals=decimals)


rounded = constant("round", lambda x, decimals: np.round(x, decimals))


@implements(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    info = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == np.inf, info.max if posinf is None else posinf, x)
    return np.where(x == -np.inf, info.min if neginf is None else neginf, x)


@implements(np.isclose)
def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    from wengert.core.tracer import concrete

    return np.isclose(concrete(a), concrete(b), rtol, atol, equal_nan)


_ = call_ufunc, FUNCTIONS
