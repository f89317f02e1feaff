r"""Values of a kernel, written with Python's operators, so that a formula in code reads as the formula.

An operation rounds once, and what the rounding lost can be had exactly: for a sum s and a product p of two
numbers

.. math:: a+b = s + e,\qquad e = \bigl(a-(s-b')\bigr)+(b-b'),\quad b' = s-a
          \qquad\qquad a\,b = p + e,\qquad e = \mathrm{fma}(a, b, -p)

(Knuth, TAOCP 2, 4.2.2; Dekker 1971, who also multiplies without a fused operation, from halves of the
factors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wengert.native.machine import ir

if TYPE_CHECKING:
    from wengert.native.elementary.lanes import Lanes


class Format(NamedTuple):
    """A floating-point format: LLVM's names, and the widths of its fields."""

    element: str
    integer: str
    width: int
    mantissa: int
    bias: int

    @property
    def shift(self) -> float:
        """Added to a number, it leaves the nearest integer in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest_normal(self) -> float:
        """The smallest number with a full mantissa."""
        return 2.0 ** (1 - self.bias)


SINGLE = Format("float", "i32", 32, 23, 127)
DOUBLE = Format("double", "i64", 64, 52, 1023)
_FORMATS = {"float": SINGLE, "double": DOUBLE}


class Number:
    """A value, and the lanes it is computed in. Masks and the bits of numbers are Numbers too."""

    __slots__ = ("lanes", "value")

    def __init__(self, lanes: Lanes, value: ir.Value) -> None:
        self.lanes = lanes
        self.value = value

    @property
    def format(self) -> Format:
        """The format of a floating-point number."""
        return _FORMATS[ir.element_of(self.value.type)]

    def pick(self, single: Any, double: Any) -> Any:
        """What belongs to the number's format."""
        return single if self.format is SINGLE else double

    def like(self, other: Number | float) -> Number:
        """A constant of this type; numbers as they are."""
        if isinstance(other, Number):
            return other
        return Number(self.lanes, self.lanes.constant(other, self.value.type))

    def _binary(self, real: str, whole: str, other: Number | float, swap: bool = False) -> Number:
        other = self.like(other)
        op = real if ir.element_of(self.value.type) in _FORMATS else whole
        a, b = (other, self) if swap else (self, other)
        return Number(self.lanes, self.lanes.function.binary(op, a.value, b.value))

    def _compare(self, real: str, whole: str, other: Number | float) -> Number:
        op = f"fcmp {real}" if ir.element_of(self.value.type) in _FORMATS else f"icmp {whole}"
        return Number(self.lanes, self.lanes.function.compare(op, self.value, self.like(other).value))

    def __add__(self, other: Number | float) -> Number:
        return self._binary("fadd", "add", other)

    def __sub__(self, other: Number | float) -> Number:
        return self._binary("fsub", "sub", other)

    def __mul__(self, other: Number | float) -> Number:
        return self._binary("fmul", "mul", other)

    def __truediv__(self, other: Number | float) -> Number:
        return self._binary("fdiv", "sdiv", other)

    def __radd__(self, other: float) -> Number:
        return self._binary("fadd", "add", other, swap=True)

    def __rsub__(self, other: float) -> Number:
        return self._binary("fsub", "sub", other, swap=True)

    def __rmul__(self, other: float) -> Number:
        return self._binary("fmul", "mul", other, swap=True)

    def __rtruediv__(self, other: float) -> Number:
        return self._binary("fdiv", "sdiv", other, swap=True)

    def __neg__(self) -> Number:
        return Number(self.lanes, self.lanes.function.unary("fneg", self.value))

    def __abs__(self) -> Number:
        return self.intrinsic("fabs")

    def __and__(self, other: Number | int) -> Number:
        return self._binary("", "and", other)

    def __or__(self, other: Number | int) -> Number:
        return self._binary("", "or", other)

    def __xor__(self, other: Number | int) -> Number:
        return self._binary("", "xor", other)

    def __lshift__(self, count: int) -> Number:
        return self._binary("", "shl", count)

    def __rshift__(self, count: int) -> Number:
        """An arithmetic shift: the sign is repeated."""
        return self._binary("", "ashr", count)

    def __invert__(self) -> Number:
        return self._binary("", "xor", -1)

    def __lt__(self, other: Number | float) -> Number:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Number | float) -> Number:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Number | float) -> Number:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Number | float) -> Number:
        return self._compare("oge", "sge", other)

    def equals(self, other: Number | float) -> Number:
        """Whether two numbers are equal."""
        return self._compare("oeq", "eq", other)

    def differs(self, other: Number | float) -> Number:
        """Whether two numbers are not equal; a NaN differs from everything."""
        return self._compare("une", "ne", other)

    def unordered(self, other: Number) -> Number:
        """Whether one of two numbers is NaN."""
        return self._compare("uno", "", other)

    def intrinsic(self, name: str, *others: Number) -> Number:
        """LLVM's intrinsic function of numbers of one type."""
        values = [self.value, *(other.value for other in others)]
        return Number(self.lanes, self.lanes.function.intrinsic(name, self.value.type, *values))

    def cast(self, op: str, element: str) -> Number:
        """LLVM's conversion to another element type."""
        type = ir.vector(element, ir.lanes_of(self.value.type))
        return Number(self.lanes, self.lanes.function.cast(op, self.value, type))


def where(mask: Number, a: Number | float, b: Number | float) -> Number:
    """A where the mask is set, else b. At least one of the two is a Number."""
    first, second = _alike(a, b)
    return Number(mask.lanes, mask.lanes.function.select(mask.value, first.value, second.value))


def _alike(a: Number | float, b: Number | float) -> tuple[Number, Number]:
    if isinstance(a, Number):
        return a, a.like(b)
    assert isinstance(b, Number)
    return b.like(a), b


def fma(a: Number, b: Number | float, c: Number | float) -> Number:
    """Compute a·b + c, rounded once where the processor can, else twice."""
    if a.lanes.fused:
        return a.intrinsic("fma", a.like(b), a.like(c))
    return a * b + c


def sqrt(x: Number) -> Number:
    """The square root, correctly rounded."""
    return x.intrinsic("sqrt")


def rint(x: Number) -> Number:
    """The nearest whole number, the even one of two."""
    return x.intrinsic("rint")


def copysign(a: Number, b: Number) -> Number:
    """The magnitude of a with the sign of b."""
    return a.intrinsic("copysign", b)


def at_most(x: Number, high: float) -> Number:
    """The smaller of two; NaN stays."""
    return where(x.like(high) < x, high, x)


def clip(x: Number, low: float, high: float) -> Number:
    """The nearest number in an interval; NaN stays."""
    x = at_most(x, high)
    return where(x.like(low) > x, low, x)


def bits(x: Number) -> Number:
    """The bits of a number, as an integer."""
    return x.cast("bitcast", x.format.integer)


def from_bits(bits: Number, format: Format) -> Number:
    """The number with these bits."""
    return bits.cast("bitcast", format.element)


def two_sum(a: Number, b: Number) -> tuple[Number, Number]:
    """The rounded sum, and what rounding lost."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def fast_two_sum(a: Number, b: Number) -> tuple[Number, Number]:
    """`two_sum` where a is not smaller than b in magnitude, or 0."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Number, b: Number) -> tuple[Number, Number]:
    """The rounded product, and what rounding lost."""
    p = a * b
    if a.lanes.fused:
        return p, fma(a, b, -p)
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def halves(a: Number) -> tuple[Number, Number]:
    """The leading half of the digits, and the rest: products of halves are exact."""
    mask = -1 << (a.format.mantissa + 2) // 2
    high = from_bits(bits(a) & mask, a.format)
    return high, a - high


def polynomial(x: Number, coefficients: tuple[float, ...]) -> Number:
    """Σ cₖ xᵏ by Horner's rule; from six terms on even and odd powers apart, in two shorter chains."""
    if len(coefficients) < 6:
        return _horner(x, coefficients)
    square = x * x
    return fma(x, _horner(square, coefficients[1::2]), _horner(square, coefficients[::2]))


def _horner(x: Number, coefficients: tuple[float, ...]) -> Number:
    found = x.like(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        found = fma(found, x, coefficient)
    return found
