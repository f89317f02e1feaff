r"""Operations on each element: arithmetic, powers, exponentials, trigonometric functions, comparisons.

Each line states the partial derivatives in the operands and the output y, and both modes follow:

.. math:: \dot y = \sum_i \frac{\partial y}{\partial x_i}\,\dot x_i, \qquad
          \bar x_i \mathrel{+}= \frac{\partial y}{\partial x_i}\,\bar y

``weight`` counts the arithmetic operations of an ordinary implementation; 1 where nothing is said. Decided
answers at the kinks: d|x|/dx = 0 at 0; d(x⁰)/dx = 0 at 0; ties of maximum and minimum share the derivative
equally.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS, UFUNCS, constant, elementwise, implements, linear, nonlinear
from wengert.core.recorder import bind, in_range, type_of
from wengert.core.tracer import operand

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
DIVIDE, ROOT, TRANSCENDENTAL, POWER = 4, 4, 16, 32
transcendental = functools.partial(elementwise, weight=TRANSCENDENTAL)

ANY = ((-4.0, 4.0),)
POSITIVE = ((0.2, 4.0),)
UNIT = ((-0.8, 0.8),)


def _nonzero(y: Any) -> Any:
    """y, with 1 in place of 0: the derivative at the tip of a cone is 0."""
    return np.where(y == 0, 1, y)


# --- arithmetic -----------------------------------------------------------------------------------------

# fmt: off
add = elementwise("add", np.add, (1, 1), text="{0} + {1}", python=operator.add, domain=ANY * 2)
subtract = elementwise(
    "subtract", np.subtract, (1, -1), text="{0} - {1}", python=operator.sub, domain=ANY * 2
)
multiply = elementwise(
    "multiply", np.multiply, (lambda a, b, y: b, lambda a, b, y: a),
    text="{0} * {1}", python=operator.mul, domain=ANY * 2,
)
divide = elementwise(
    "divide", np.divide, (lambda a, b, y: 1 / b, lambda a, b, y: -y / b),
    text="{0} / {1}", weight=DIVIDE, python=operator.truediv, domain=ANY + POSITIVE,
)
negative = elementwise("negative", np.negative, (-1,), text="-{0}", python=operator.neg, domain=ANY)
positive = elementwise("positive", np.positive, (1,), text="{0}", python=operator.pos, domain=ANY)
remainder = elementwise(
    "remainder", np.remainder, (1, lambda a, b, y: -np.floor_divide(a, b)),
    text="{0} % {1}", weight=DIVIDE, python=operator.mod, domain=ANY + POSITIVE,
)
fmod = elementwise(
    "fmod", np.fmod, (1, lambda a, b, y: -np.rint((a - y) / b)), weight=DIVIDE, domain=ANY + POSITIVE
)
floor_divide = constant(
    "floor_divide", np.floor_divide,
    text="{0} // {1}", weight=DIVIDE, python=operator.floordiv, domain=ANY + POSITIVE,
)
reciprocal = elementwise("reciprocal", np.reciprocal, (lambda x, y: -y * y,), weight=DIVIDE, domain=POSITIVE)
square = elementwise("square", np.square, (lambda x, y: 2 * x,), text="{0}²", domain=ANY)
sqrt = elementwise("sqrt", np.sqrt, (lambda x, y: 0.5 / y,), text="√{0}", weight=ROOT, domain=POSITIVE)
cbrt = transcendental("cbrt", np.cbrt, (lambda x, y: 1 / (3 * y * y),), domain=POSITIVE)
hypot = elementwise(
    "hypot", np.hypot, (lambda a, b, y: a / _nonzero(y), lambda a, b, y: b / _nonzero(y)),
    weight=8, domain=ANY * 2,
)
# fmt: on


@implements(np.divmod)
def _divmod(a: Any, b: Any, weak: bool = False) -> Any:
    return np.floor_divide(a, b), np.remainder(a, b)


# --- powers ---------------------------------------------------------------------------------------------


def _power_by_base(a: Any, b: Any, y: Any) -> Any:
    """b·a^(b-1), and 0 where b = 0, even at a = 0."""
    return b * np.power(a, np.where(b == 0, 1, b) - 1)


def _power_by_exponent(a: Any, b: Any, y: Any) -> Any:
    """y·ln a, and 0 at a = 0."""
    return y * np.log(np.where(a == 0, 1, a))


def _integer_power_by_base(x: Any, y: Any, *, exponent: int) -> Any:
    if exponent == 0:
        return 0
    return 2 * x if exponent == 2 else exponent * x ** (exponent - 1)


power = elementwise(
    "power",
    np.power,
    (_power_by_base, _power_by_exponent),
    text="{0} ^ {1}",
    weight=POWER,
    python=operator.pow,
    domain=POSITIVE * 2,
)
integer_power = elementwise(
    "integer_power",
    lambda x, exponent: np.power(x, exponent),
    (_integer_power_by_base,),
    text="{0} ^ {exponent}",
    weight=2,
    python=lambda x, exponent: x**exponent,
    examples=lambda draw: [((draw(2, 3),), {"exponent": n}) for n in (-2, -1, 0, 1, 2, 3, 4)],
)
float_power = elementwise(
    "float_power", np.float_power, (_power_by_base, _power_by_exponent), weight=POWER, domain=POSITIVE * 2
)


@implements(np.power)
def _power(a: Any, b: Any, weak: bool = False) -> Any:
    if type(b) is int:
        return bind(integer_power, (a,), {"exponent": b}, weak)
    return bind(power, (a, b), {}, weak)


# --- exponentials and logarithms ------------------------------------------------------------------------


def _share(exp: Any, a: Any, y: Any) -> Any:
    """exp(a - y), where -inf - (-inf) counts as -inf."""
    return exp(a - np.where(y == -np.inf, 0, y))


# fmt: off
exp = transcendental("exp", np.exp, (lambda x, y: y,), text="exp({0})", domain=ANY)
exp2 = transcendental("exp2", np.exp2, (lambda x, y: LN2 * y,), domain=ANY)
expm1 = transcendental("expm1", np.expm1, (lambda x, y: y + 1,), domain=ANY)
log = transcendental("log", np.log, (lambda x, y: 1 / x,), text="ln({0})", domain=POSITIVE)
log2 = transcendental("log2", np.log2, (lambda x, y: (1 / LN2) / x,), domain=POSITIVE)
log10 = transcendental("log10", np.log10, (lambda x, y: (1 / LN10) / x,), domain=POSITIVE)
log1p = transcendental("log1p", np.log1p, (lambda x, y: 1 / (1 + x),), domain=POSITIVE)
logaddexp = elementwise(
    "logaddexp", np.logaddexp,
    (lambda a, b, y: _share(np.exp, a, y), lambda a, b, y: _share(np.exp, b, y)),
    weight=2 * TRANSCENDENTAL, domain=ANY * 2,
)
logaddexp2 = elementwise(
    "logaddexp2", np.logaddexp2,
    (lambda a, b, y: _share(np.exp2, a, y), lambda a, b, y: _share(np.exp2, b, y)),
    weight=2 * TRANSCENDENTAL, domain=ANY * 2,
)

# --- trigonometric and hyperbolic functions -------------------------------------------------------------

sin = transcendental("sin", np.sin, (lambda x, y: np.cos(x),), text="sin({0})", domain=ANY)
cos = transcendental("cos", np.cos, (lambda x, y: -np.sin(x),), text="cos({0})", domain=ANY)
tan = transcendental("tan", np.tan, (lambda x, y: 1 + y * y,), domain=((-1.2, 1.2),))
arcsin = transcendental("arcsin", np.arcsin, (lambda x, y: 1 / np.sqrt(1 - x * x),), domain=UNIT)
arccos = transcendental("arccos", np.arccos, (lambda x, y: -1 / np.sqrt(1 - x * x),), domain=UNIT)
arctan = transcendental("arctan", np.arctan, (lambda x, y: 1 / (1 + x * x),), domain=ANY)
arctan2 = transcendental(
    "arctan2", np.arctan2,
    (lambda a, b, y: b / _nonzero(a * a + b * b), lambda a, b, y: -a / _nonzero(a * a + b * b)),
    domain=POSITIVE * 2,
)
sinh = transcendental("sinh", np.sinh, (lambda x, y: np.cosh(x),), domain=ANY)
cosh = transcendental("cosh", np.cosh, (lambda x, y: np.sinh(x),), domain=ANY)
tanh = transcendental("tanh", np.tanh, (lambda x, y: 1 - y * y,), text="tanh({0})", domain=ANY)
arcsinh = transcendental("arcsinh", np.arcsinh, (lambda x, y: 1 / np.sqrt(x * x + 1),), domain=ANY)
arccosh = transcendental(
    "arccosh", np.arccosh, (lambda x, y: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),), domain=((1.2, 4.0),)
)
arctanh = transcendental("arctanh", np.arctanh, (lambda x, y: 1 / (1 - x * x),), domain=UNIT)
degrees = elementwise("degrees", np.degrees, (lambda x, y: 180 / np.pi,), domain=ANY)
radians = elementwise("radians", np.radians, (lambda x, y: np.pi / 180,), domain=ANY)
UFUNCS[np.rad2deg], UFUNCS[np.deg2rad] = degrees, radians
# fmt: on


@implements(np.sinc)
def _sinc(x: Any) -> Any:
    x = np.pi * operand(x)
    near = abs(x) < 0.5
    safe = np.where(near, 1, x)
    return np.where(near, _sinc_series(x * x), np.sin(safe) / safe)


def _sinc_series(square: Any) -> Any:
    """The series of sin(x)/x in x², which keeps every derivative right at 0."""
    total: Any = 0.0
    for n in range(20, 0, -2):
        total = (1 + total) * (square * (-1 / (n * (n + 1))))
    return 1 + total


# --- kinks ----------------------------------------------------------------------------------------------


def _wins(a: Any, b: Any, above: Any) -> Any:
    """1 where a wins, 1/2 on ties, 0 elsewhere."""
    return np.where(a == b, 0.5, above).astype(np.result_type(a, b))


def _sign_partial(x: Any, y: Any) -> Any:
    return np.sign(x)


# fmt: off
maximum = elementwise(
    "maximum", np.maximum, (lambda a, b, y: _wins(a, b, a > b), lambda a, b, y: _wins(a, b, b > a)),
    text="max({0}, {1})", domain=ANY * 2,
)
minimum = elementwise(
    "minimum", np.minimum, (lambda a, b, y: _wins(a, b, a < b), lambda a, b, y: _wins(a, b, b < a)),
    text="min({0}, {1})", domain=ANY * 2,
)
fmax = elementwise(
    "fmax", np.fmax,
    (lambda a, b, y: _wins(a, b, (a > b) | np.isnan(b)), lambda a, b, y: _wins(a, b, (b > a) | np.isnan(a))),
    domain=ANY * 2,
)
fmin = elementwise(
    "fmin", np.fmin,
    (lambda a, b, y: _wins(a, b, (a < b) | np.isnan(b)), lambda a, b, y: _wins(a, b, (b < a) | np.isnan(a))),
    domain=ANY * 2,
)
real_absolute = elementwise(
    "absolute", np.absolute, (_sign_partial,), text="|{0}|", python=operator.abs, domain=POSITIVE
)
fabs = elementwise("fabs", np.fabs, (_sign_partial,), domain=POSITIVE)
copysign = elementwise(
    "copysign", np.copysign, (lambda a, b, y: np.sign(a) * np.copysign(1, b), None), domain=POSITIVE * 2
)
nextafter = elementwise("nextafter", np.nextafter, (1, None), domain=POSITIVE + ((5.0, 6.0),))
ldexp = elementwise(
    "ldexp", np.ldexp, (lambda a, b, y: np.exp2(b).astype(y.dtype), None),
    examples=lambda draw: [((draw(3), np.array([1, -2, 0])), {}), ((draw(), np.int64(3)), {})],
)
# fmt: on


@implements(np.clip)
def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None, **kwargs: Any
) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    dtype = type_of(operand(a)).dtype
    if dtype.kind in "iu":
        low = None if type(low) is int and low <= np.iinfo(dtype).min else low
        high = None if type(high) is int and high >= np.iinfo(dtype).max else high
    a = a if low is None else np.maximum(a, low)
    a = a if high is None else np.minimum(a, high)
    return a


@implements(np.modf)
def _modf(x: Any, weak: bool = False) -> Any:
    x = operand(x)
    if not type_of(x).inexact:
        x = np.astype(x, np.modf(type_of(x).dtype.type(0))[0].dtype)
    whole = np.trunc(x)
    return x - whole, whole


@implements(np.frexp)
def _frexp(x: Any, weak: bool = False) -> Any:
    power_of_two = bind(exponent, (x,), {})
    return np.ldexp(x, -power_of_two), power_of_two


exponent = constant("exponent", lambda x: np.frexp(x)[1], core=(0,), domain=ANY)

# --- operations without a derivative --------------------------------------------------------------------

_ROUNDING = (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.spacing, np.signbit, np.heaviside)
_TESTS = (np.isnan, np.isinf, np.isfinite, np.logical_not)
_COMPARISONS: dict[Any, tuple[str | None, Any]] = {
    np.less: ("{0} < {1}", operator.lt),
    np.less_equal: ("{0} ≤ {1}", operator.le),
    np.greater: ("{0} > {1}", operator.gt),
    np.greater_equal: ("{0} ≥ {1}", operator.ge),
    np.equal: ("{0} = {1}", operator.eq),
    np.not_equal: ("{0} ≠ {1}", operator.ne),
    np.logical_and: (None, None),
    np.logical_or: (None, None),
    np.logical_xor: (None, None),
}
_ON_INTEGERS: dict[Any, Any] = {
    np.bitwise_and: operator.and_,
    np.bitwise_or: operator.or_,
    np.bitwise_xor: operator.xor,
    np.left_shift: operator.lshift,
    np.right_shift: operator.rshift,
    np.invert: operator.invert,
    np.gcd: None,
    np.lcm: None,
    np.bitwise_count: None,
}


def _integers(ufunc: Any) -> Any:
    operands = (np.array([6, 3, 12]), np.array([4, 1, 2]))[: ufunc.nin]
    return lambda draw: [(operands, {}), (operands[:1] + tuple(np.int64(3) for _ in operands[1:]), {})]


def _declare_constants() -> None:
    for ufunc in (*_ROUNDING, *_TESTS):
        constant(ufunc.__name__, ufunc, domain=ANY * ufunc.nin)
    for ufunc, (text, python) in _COMPARISONS.items():
        constant(ufunc.__name__, ufunc, text=text, python=python, domain=ANY * 2)
    for ufunc, python in _ON_INTEGERS.items():
        constant(ufunc.__name__, ufunc, python=python, examples=_integers(ufunc))


_declare_constants()


def _comparing(ufunc: Any) -> Any:
    """Whole numbers compare exactly, as in NumPy, whether or not one dtype holds both."""
    primitive = UFUNCS[ufunc]

    def compare(a: Any, b: Any, weak: bool = False) -> Any:
        if type(a) is int or type(b) is int:
            answer = _answer_beyond(ufunc, a, b)
            if answer is not None:
                return answer
        elif _is_mixed(a, b):
            return _compare_mixed(ufunc, a, b)
        return bind(primitive, (a, b), {}, weak)

    return compare


def _answer_beyond(ufunc: Any, a: Any, b: Any) -> Any:
    """What a comparison with a Python integer gives that lies beyond all numbers of the other's dtype."""
    number, other = (a, b) if type(a) is int else (b, a)
    type_ = type_of(other)
    if type_.dtype.kind not in "iu" or in_range(number, type_.dtype):
        return None
    inside = type_.dtype.type(0)
    answer = ufunc(number, inside) if number is a else ufunc(inside, number)
    return np.full(type_.shape, answer) if type_.shape else answer


def _is_mixed(a: Any, b: Any) -> bool:
    """Whether one is unsigned of 64 bits and the other signed: no dtype of whole numbers holds both."""
    kinds = {type_of(a).dtype.kind, type_of(b).dtype.kind}
    return kinds == {"i", "u"} and np.result_type(type_of(a).dtype, type_of(b).dtype).kind == "f"


def _compare_mixed(ufunc: Any, a: Any, b: Any) -> Any:
    signed = a if type_of(a).dtype.kind == "i" else b
    natural = np.astype(signed, np.uint64)
    (x, low), (y, high) = ((natural, -1) if v is signed else (v, 0) for v in (a, b))
    return np.where(signed < 0, ufunc(low, high), bind(UFUNCS[ufunc], (x, y), {}))


for _ufunc in (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal):
    FUNCTIONS[_ufunc] = _comparing(_ufunc)
real_sign = UFUNCS[np.sign]
rounded = constant(
    "round",
    lambda x, decimals: np.round(x, decimals),
    core=(0,),
    examples=lambda draw: [((draw(3),), {"decimals": 0}), ((draw(),), {"decimals": 2})],
)
stop_gradient = constant(
    "stop_gradient", lambda x: x, core=(0,), python=lambda x: x, text="stop({0})", domain=ANY
)


@implements(np.round, np.around)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return bind(rounded, (operand(a),), {"decimals": decimals})


@implements(np.fix)
def _fix(x: Any, out: Any = None) -> Any:
    return np.trunc(x)


@implements(np.isclose)
def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    a, b = operand(a), operand(b)
    close = (abs(a - b) <= atol + rtol * abs(b)) & np.isfinite(b) | (a == b)
    return close | (np.isnan(a) & np.isnan(b)) if equal_nan else close


# --- complex numbers ------------------------------------------------------------------------------------


def _direction(x: Any, y: Any) -> Any:
    """conj(x)/|x|, and 0 at 0."""
    return np.conjugate(x) / _nonzero(y)


def _absolute_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    return np.real(_direction(operands[0], y) * tangents[0])


def _complex(draw: Any) -> Any:
    return [((draw(*shape) + 1j * draw(*shape),), {}) for shape in ((), (3,), (2, 3))]


complex_absolute = nonlinear(
    "complex_absolute",
    np.absolute,
    _absolute_tangent,
    weight=8,
    core=(0,),
    python=operator.abs,
    text="|{0}|",
    examples=_complex,
)
real = linear("real", np.real, lambda ct, x: ct + 0j, core=(0,), text="Re {0}", examples=_complex)
imag = linear("imag", np.imag, lambda ct, x: ct * -1j, core=(0,), text="Im {0}", examples=_complex)
conjugate = linear(
    "conjugate", np.conjugate, lambda ct, x: np.conjugate(ct), core=(0,), text="conj({0})", examples=_complex
)
UFUNCS[np.conjugate] = conjugate


def is_complex(x: Any) -> bool:
    """Whether an operand is of complex type."""
    return type_of(x).dtype.kind == "c"


@implements(np.absolute)
def _absolute(x: Any, weak: bool = False) -> Any:
    return bind(complex_absolute if is_complex(x) else real_absolute, (x,), {}, weak)


@implements(np.sign)
def _sign(x: Any, weak: bool = False) -> Any:
    return x / _nonzero(abs(x)) if is_complex(x) else bind(real_sign, (x,), {}, weak)


@implements(np.real)
def _real(x: Any) -> Any:
    x = operand(x)
    return bind(real, (x,), {}) if is_complex(x) else x


@implements(np.imag)
def _imag(x: Any) -> Any:
    x = operand(x)
    return bind(imag, (x,), {}) if is_complex(x) else np.zeros(np.shape(x), type_of(x).dtype)[()]


@implements(np.isreal)
def _isreal(x: Any) -> Any:
    return np.imag(x) == 0


@implements(np.iscomplex)
def _iscomplex(x: Any) -> Any:
    return np.imag(x) != 0


@implements(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    angle = np.arctan2(_imag(z), _real(z))
    return np.degrees(angle) if deg else angle


# --- choosing -------------------------------------------------------------------------------------------

where = linear(
    "where",
    np.where,
    (None, lambda ct, c, a, b: np.where(c, ct, 0), lambda ct, c, a, b: np.where(c, 0, ct)),
    text="where({0}, {1}, {2})",
    core=(0, 0, 0),
    examples=lambda draw: [
        ((draw(3) > 0, draw(3), draw(3)), {}),
        ((draw(2, 1) > 0, draw(3), draw()), {}),
        ((np.True_, draw(2), draw(2)), {}),
    ],
)


@implements(np.where)
def _where(condition: Any, *branches: Any) -> Any:
    condition, *chosen = map(operand, (condition, *branches))
    return bind(where, (condition, *chosen), {}) if chosen else np.nonzero(condition)


@implements(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        result = np.where(condition, choice, result)
    return result


@implements(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    x = operand(x)
    if is_complex(x):
        parts = (_nan_to_num(part, copy, nan, posinf, neginf) for part in (np.real(x), np.imag(x)))
        return next(parts) + 1j * next(parts)
    if not type_of(x).inexact:
        return x
    info = np.finfo(type_of(x).dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == np.inf, float(info.max) if posinf is None else posinf, x)
    return np.where(x == -np.inf, float(info.min) if neginf is None else neginf, x)
