r"""The elementwise operations in LLVM IR, for any number of lanes and any dtype.

.. math:: y_l = f(a_l, b_l, \ldots), \qquad l = 1, \ldots, \text{count}

A `Lanes` has a method for every elementwise primitive, of the same name, from values to a value; the native
form of an equation is ``getattr(lanes, primitive.name)(*operands, **params)``. Results are NumPy's: NaN,
infinities, signed zeros, whole numbers that wrap around. Conditions are masks of one bit a lane. An operation
that has no method, or none for a dtype (`NotImplementedError`), is left to the interpreter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.native.elementary import bits, functions, special
from wengert.native.elementary.number import Number
from wengert.native.elementary.reduction import any_of
from wengert.native.machine import ir
from wengert.native.machine.host import Host, this_host
from wengert.native.machine.ir import Value

Formula = Callable[..., Number]


def _by(formula: Formula) -> Callable[..., Value]:
    """The method that applies a formula to floating-point operands."""

    def method(lanes: Lanes, *operands: Value) -> Value:
        return lanes._formula(formula, *operands)

    return method


class Lanes:
    """Writes operations on vectors of one dtype.

    Parameters
    ----------
    function : ir.Function
        Where instructions go.
    dtype : dtype
        What the operands are: float32, float64, an integer type or bool.
    count : int
        How many lanes; 1 for plain numbers.
    host : Host, optional
        The processor, which decides whether multiplication and addition are fused; this one if not given.
    """

    def __init__(self, function: ir.Function, dtype: Any, count: int = 1, host: Host | None = None) -> None:
        self.function = function
        self.dtype = np.dtype(dtype)
        self.count = count
        self.host = host or this_host()
        self.fused = self.host.fused
        self.kind = self.dtype.kind
        self.element = "i1" if self.kind == "b" else ir.type_name(self.dtype)
        self.type = ir.vector(self.element, count)
        self.mask = ir.vector("i1", count)
        self._constants: dict[Any, Value] = {}

    def alike(
        self, dtype: Any = None, count: int | None = None, function: ir.Function | None = None
    ) -> Lanes:
        """The same for another dtype, number of lanes or function."""
        found = self.dtype if dtype is None else dtype
        return Lanes(function or self.function, found, self.count if count is None else count, self.host)

    def constant(self, value: Any, type: str | None = None) -> Value:
        """A number in every lane."""
        type = type or self.type
        key = (type, value, math.copysign(1.0, value) if isinstance(value, float) else 0)
        if key not in self._constants:
            self._constants[key] = ir.constant(value, type)
        return self._constants[key]

    # --- exponents and mantissas ---------------------------------------------------------------------------

    def has_fields(self, type: str) -> bool:
        """Whether there are instructions for the exponents and mantissas of a vector of this type."""
        x86 = self.host.triple.startswith("x86_64") and self.host.vector_bytes == 64
        return x86 and type in ("<16 x float>", "<8 x double>")

    def fields(self, x: Number) -> tuple[Number, Number]:
        """The exponent of x, -∞ for 0 and ∞ for ∞; and the mantissa in [1, 2), 1 for 0 and ∞, NaN below 0."""
        unit_interval, no_negatives = 0, 0b10
        control = Value(str(unit_interval | no_negatives << 2), "i32")
        return self._on_fields("getexp", x, x.value), self._on_fields("getmant", x, x.value, control)

    def scaled(self, y: Number, n: Number) -> Number:
        """y·2ⁿ for whole n, rounded once."""
        return self._on_fields("scalef", y, y.value, n.value)

    def _on_fields(self, name: str, like: Number, *operands: Value) -> Number:
        """An instruction of AVX-512, of every lane, rounding as the processor is set."""
        type = like.value.type
        short, mask = ("ps", "i16") if type == "<16 x float>" else ("pd", "i8")
        settings = Value("zeroinitializer", type), Value("-1", mask), Value("4", "i32")
        return Number(
            self, self.function.call(f"llvm.x86.avx512.mask.{name}.{short}.512", type, *operands, *settings)
        )

    # --- tools of the methods below ------------------------------------------------------------------------

    def _formula(self, formula: Formula, *operands: Value) -> Value:
        if self.kind != "f":
            raise NotImplementedError(f"{formula.__name__} of {self.dtype}")
        return formula(*(Number(self, value) for value in operands)).value

    def _by_kind(self, real: str, whole: str, unsigned: str, truth: str, a: Value, b: Value) -> Value:
        """A binary instruction, by the kind of the dtype."""
        op = {"f": real, "i": whole, "u": unsigned, "b": truth}[self.kind]
        if not op:
            raise NotImplementedError(f"operation on {self.dtype}")
        return self.function.binary(op, a, b)

    def _compare(self, real: str, whole: str, unsigned: str, a: Value, b: Value) -> Value:
        op = {"f": f"fcmp {real}", "i": f"icmp {whole}"}.get(self.kind, f"icmp {unsigned}")
        return self.function.compare(op, a, b)

    def _intrinsic(self, name: str, *operands: Value) -> Value:
        return self.function.intrinsic(name, operands[0].type, *operands)

    def _rounding(self, name: str, x: Value) -> Value:
        """Whole numbers are as round as they get."""
        return self._intrinsic(name, x) if self.kind == "f" else x

    def _flags(self, *wanted: Value) -> tuple[Value, ...]:
        return tuple(self.truth(value) for value in wanted)

    def _needs(self, kinds: str, name: str) -> None:
        if self.kind not in kinds:
            raise NotImplementedError(f"{name} of {self.dtype}")

    def truth(self, x: Value) -> Value:
        """Whether a value is not zero, as a mask; masks as they are."""
        element = ir.element_of(x.type)
        if element == "i1":
            return x
        op = "fcmp une" if element in ("float", "double") else "icmp ne"
        return self.function.compare(op, x, ir.constant(0, x.type))

    def _falsehood(self, mask: Value) -> Value:
        return self.function.binary("xor", mask, ir.constant(True, mask.type))

    # --- arithmetic ----------------------------------------------------------------------------------------

    def add(self, a: Value, b: Value) -> Value:
        return self._by_kind("fadd", "add", "add", "or", a, b)

    def subtract(self, a: Value, b: Value) -> Value:
        return self._by_kind("fsub", "sub", "sub", "", a, b)

    def multiply(self, a: Value, b: Value) -> Value:
        return self._by_kind("fmul", "mul", "mul", "and", a, b)

    def divide(self, a: Value, b: Value) -> Value:
        return self._by_kind("fdiv", "", "", "", a, b)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a·b + c, rounded once where the processor can, else twice."""
        if self.kind == "f" and self.fused:
            return self._intrinsic("fma", a, b, c)
        return self.add(self.multiply(a, b), c)

    def negative(self, x: Value) -> Value:
        self._needs("fiu", "negative")
        return self.function.unary("fneg", x) if self.kind == "f" else self.subtract(self.constant(0), x)

    def positive(self, x: Value) -> Value:
        self._needs("fiu", "positive")
        return x

    def reciprocal(self, x: Value) -> Value:
        return self.divide(self.constant(1.0), x)

    def square(self, x: Value) -> Value:
        self._needs("fiu", "square")
        return self.multiply(x, x)

    def sqrt(self, x: Value) -> Value:
        self._needs("f", "sqrt")
        return self._intrinsic("sqrt", x)

    root = sqrt

    def floor_divide(self, a: Value, b: Value) -> Value:
        """The quotient rounded down; of whole numbers 0 where the divisor is 0."""
        return self._floor_divide_reals(a, b) if self.kind == "f" else self._quotient_and_remainder(a, b)[0]

    def remainder(self, a: Value, b: Value) -> Value:
        """What floor_divide leaves, with the sign of the divisor."""
        return self._remainder_of_reals(a, b) if self.kind == "f" else self._quotient_and_remainder(a, b)[1]

    def fmod(self, a: Value, b: Value) -> Value:
        """What division rounded to zero leaves, with the sign of the dividend; exact."""
        if self.kind == "f":
            return self.function.binary("frem", a, b)
        self._needs("iu", "fmod")
        safe, zero = self._safe_divisor(b)
        return self._where(zero, self.constant(0), self._by_kind("", "srem", "urem", "", a, safe))

    def _rest_and_below(self, a: Value, b: Value) -> tuple[Value, Value]:
        """What division rounded to zero leaves, and whether rounding down leaves b more."""
        rest, zero = self.fmod(a, b), self.constant(0.0)
        differs = self.not_equal(self.less(rest, zero), self.less(b, zero))
        return rest, self.logical_and(differs, self.not_equal(rest, zero))

    def _remainder_of_reals(self, a: Value, b: Value) -> Value:
        rest, below = self._rest_and_below(a, b)
        is_zero = self.equal(rest, self.constant(0.0))
        moved = self._where(below, self.add(rest, b), rest)
        return self._where(is_zero, self.copysign(self.constant(0.0), b), moved)

    def _floor_divide_reals(self, a: Value, b: Value) -> Value:
        """As NumPy: (a - rest)/b is nearly whole, and rounded to what it nearly is."""
        quotient = self.divide(a, b)
        rest, below = self._rest_and_below(a, b)
        near = self.divide(self.subtract(a, rest), b)
        near = self._where(below, self.subtract(near, self.constant(1.0)), near)
        low = self.floor(near)
        whole = self._where(
            self.greater(self.subtract(near, low), self.constant(0.5)), self.add(low, self.constant(1.0)), low
        )
        zero = self.equal(near, self.constant(0.0))
        found = self._where(zero, self.copysign(self.constant(0.0), quotient), whole)
        return self._where(self.equal(b, self.constant(0.0)), quotient, found)

    def _safe_divisor(self, b: Value) -> tuple[Value, Value]:
        """Divisors b with 1 for 0 and for -1, which cannot divide the smallest number; and where b is 0."""
        self._needs("iu", "division")
        zero = self.equal(b, self.constant(0))
        trouble = zero
        if self.kind == "i":
            trouble = self.function.binary("or", zero, self.equal(b, self.constant(-1)))
        return self._where(trouble, self.constant(1), b), zero

    def _quotient_and_remainder(self, a: Value, b: Value) -> tuple[Value, Value]:
        safe, zero = self._safe_divisor(b)
        nothing = self.constant(0)
        q, r = self._by_kind("", "sdiv", "udiv", "", a, safe), self._by_kind("", "srem", "urem", "", a, safe)
        if self.kind == "i":
            q = self._where(self.equal(b, self.constant(-1)), self.negative(a), q)
            signs = self.less(self.function.binary("xor", r, b), nothing)
            down = self.function.binary("and", signs, self.not_equal(r, nothing))
            q = self._where(down, self.subtract(q, self.constant(1)), q)
            r = self._where(down, self.add(r, b), r)
        return self._where(zero, nothing, q), self._where(zero, nothing, r)

    def gcd(self, a: Value, b: Value) -> Value:
        """The greatest common divisor of the magnitudes: Euclid's algorithm, while some lane needs it."""
        self._needs("iu", "gcd")
        f, before, (head, body, after) = (
            self.function,
            self.function.label,
            self._labels("euclid", "step", "gcd"),
        )
        larger, smaller = (Value("%" + f.new_label("g"), self.type) for _ in range(2))
        starts = self.absolute(a), self.absolute(b)
        f.jump(head)
        f.start(head)
        place = len(f.lines)
        f.branch(any_of(Number(self, self.truth(smaller))), body, after)
        f.start(body)
        zero = self.equal(smaller, self.constant(0))
        rest = f.binary("urem", larger, self._where(zero, self.constant(1), smaller))
        following = self._where(zero, larger, smaller), self._where(zero, smaller, rest)
        f.jump(head)
        f.carry(place, zip((larger, smaller), starts, following, strict=True), before, body)
        f.start(after)
        return larger

    def _labels(self, *hints: str) -> list[str]:
        return [self.function.new_label(hint) for hint in hints]

    def lcm(self, a: Value, b: Value) -> Value:
        """The least common multiple of the magnitudes, 0 if one is 0."""
        divisor = self.gcd(a, b)
        zero = self.equal(divisor, self.constant(0))
        quotient = self.function.binary(
            "udiv", self.absolute(a), self._where(zero, self.constant(1), divisor)
        )
        return self.multiply(quotient, self.absolute(b))

    # --- powers --------------------------------------------------------------------------------------------

    def integer_power(self, x: Value, exponent: int) -> Value:
        r"""A whole power; up to the eighth by multiplication, to (\|n\| + 1)/2 ulp, beyond as `power`."""
        if self.kind != "f":
            self._needs("iu" if exponent >= 0 else "", "integer_power")
            return self._product_of(x, exponent)
        if abs(exponent) > 8:
            return self.power(x, self.constant(float(exponent)))
        return self._product_of(self.reciprocal(x) if exponent < 0 else x, abs(exponent))

    def _product_of(self, x: Value, n: int) -> Value:
        """The product of n factors x, by repeated squaring."""
        found = None
        while n:
            if n & 1:
                found = x if found is None else self.multiply(found, x)
            n >>= 1
            x = self.square(x) if n else x
        return self.constant(1) if found is None else found

    power = _by(functions.power)
    float_power = power

    cbrt = _by(functions.cbrt)
    hypot = _by(functions.hypot)
    # --- scaling --------------------------------------------------------------------------------------------

    def degrees(self, x: Value) -> Value:
        return self._rescaled(x, 180.0, math.pi)

    def radians(self, x: Value) -> Value:
        return self._rescaled(x, math.pi, 180.0)

    def _rescaled(self, x: Value, new: float, old: float) -> Value:
        """x·new/old, where, as in NumPy, the factor is a quotient in the format of x."""
        self._needs("f", "change of unit")
        return self.multiply(x, self.constant(float(self.dtype.type(new) / self.dtype.type(old))))

    def ldexp(self, x: Value, n: Value) -> Value:
        """x·2ⁿ for integers n of any width; only the last of three factors may round."""
        return self._formula(functions.ldexp, x, n)

    def exponent(self, x: Value) -> Value:
        """The exponent (int32) of x as a power of two times a number in [1/2, 1)."""
        return self._formula(functions.exponent, x)

    nextafter = _by(functions.nextafter)
    spacing = _by(functions.spacing)
    # --- rounding and signs ---------------------------------------------------------------------------------

    def floor(self, x: Value) -> Value:
        return self._rounding("floor", x)

    def ceil(self, x: Value) -> Value:
        return self._rounding("ceil", x)

    def trunc(self, x: Value) -> Value:
        return self._rounding("trunc", x)

    def rint(self, x: Value) -> Value:
        """The nearest whole number, the even one of two."""
        self._needs("f", "rint")
        return self._intrinsic("rint", x)

    def round(self, x: Value, decimals: int = 0) -> Value:
        """As NumPy: multiplied by a power of ten, rounded, and divided again."""
        if decimals == 0 or (self.kind != "f" and decimals > 0):
            return self._rounding("rint", x)
        self._needs("f", "round to tens")
        there, back = (self.multiply, self.divide) if decimals > 0 else (self.divide, self.multiply)
        ten = self.constant(10.0 ** abs(decimals))
        return back(self.rint(there(x, ten)), ten)

    def absolute(self, x: Value) -> Value:
        if self.kind == "f":
            return self._intrinsic("fabs", x)
        return self.maximum(x, self.negative(x)) if self.kind == "i" else x

    def fabs(self, x: Value) -> Value:
        self._needs("f", "fabs")
        return self._intrinsic("fabs", x)

    def sign(self, x: Value) -> Value:
        """-1, 0 or 1; NaN for NaN."""
        self._needs("fiu", "sign")
        one, zero = self.constant(1), self.constant(0)
        found = self._where(self.greater(x, zero), one, zero)
        if self.kind != "u":
            found = self._where(self.less(x, zero), self.constant(-1), found)
        return self._where(self.isnan(x), x, found) if self.kind == "f" else found

    def signbit(self, x: Value) -> Value:
        if self.kind != "f":
            return self.less(x, self.constant(0))
        whole = f"i{8 * self.dtype.itemsize}"
        bits = self.function.cast("bitcast", x, ir.vector(whole, self.count))
        return self.function.compare("icmp slt", bits, ir.constant(0, bits.type))

    def copysign(self, a: Value, b: Value) -> Value:
        self._needs("f", "copysign")
        return self._intrinsic("copysign", a, b)

    def heaviside(self, x: Value, at_zero: Value) -> Value:
        self._needs("f", "heaviside")
        zero = self.constant(0.0)
        step = self._where(self.greater(x, zero), self.constant(1.0), zero)
        step = self._where(self.equal(x, zero), at_zero, step)
        return self._where(self.isnan(x), x, step)

    # --- the larger and the smaller ------------------------------------------------------------------------

    def maximum(self, a: Value, b: Value) -> Value:
        """The larger; NaN if one is NaN."""
        return self._nan_wins(b, self._larger(a, b))

    def minimum(self, a: Value, b: Value) -> Value:
        """The smaller; NaN if one is NaN."""
        return self._nan_wins(b, self._smaller(a, b))

    def fmax(self, a: Value, b: Value) -> Value:
        """The larger; the other if one is NaN."""
        return self._nan_loses(a, b, self._larger(a, b))

    def fmin(self, a: Value, b: Value) -> Value:
        """The smaller; the other if one is NaN."""
        return self._nan_loses(a, b, self._smaller(a, b))

    def _larger(self, a: Value, b: Value) -> Value:
        """The first unless the second is larger: the first where one is NaN."""
        return self.logical_or(a, b) if self.kind == "b" else self._where(self.greater(b, a), b, a)

    def _smaller(self, a: Value, b: Value) -> Value:
        return self.logical_and(a, b) if self.kind == "b" else self._where(self.less(b, a), b, a)

    def _nan_wins(self, b: Value, found: Value) -> Value:
        return self._where(self.isnan(b), b, found) if self.kind == "f" else found

    def _nan_loses(self, a: Value, b: Value, found: Value) -> Value:
        return self._where(self.isnan(a), b, found) if self.kind == "f" else found

    # --- comparisons and logic -----------------------------------------------------------------------------

    def less(self, a: Value, b: Value) -> Value:
        return self._compare("olt", "slt", "ult", a, b)

    def less_equal(self, a: Value, b: Value) -> Value:
        return self._compare("ole", "sle", "ule", a, b)

    def greater(self, a: Value, b: Value) -> Value:
        return self._compare("ogt", "sgt", "ugt", a, b)

    def greater_equal(self, a: Value, b: Value) -> Value:
        return self._compare("oge", "sge", "uge", a, b)

    def equal(self, a: Value, b: Value) -> Value:
        return self._compare("oeq", "eq", "eq", a, b)

    def not_equal(self, a: Value, b: Value) -> Value:
        if ir.element_of(a.type) == "i1":
            return self.function.binary("xor", a, b)
        return self._compare("une", "ne", "ne", a, b)

    def logical_and(self, a: Value, b: Value) -> Value:
        return self.function.binary("and", *self._flags(a, b))

    def logical_or(self, a: Value, b: Value) -> Value:
        return self.function.binary("or", *self._flags(a, b))

    def logical_xor(self, a: Value, b: Value) -> Value:
        return self.function.binary("xor", *self._flags(a, b))

    def logical_not(self, x: Value) -> Value:
        return self._falsehood(self.truth(x))

    def isnan(self, x: Value) -> Value:
        return self.function.compare("fcmp uno", x, x) if self.kind == "f" else self._always(False)

    def isinf(self, x: Value) -> Value:
        return (
            self.equal(self.absolute(x), self.constant(math.inf)) if self.kind == "f" else self._always(False)
        )

    def isfinite(self, x: Value) -> Value:
        return (
            self.less(self.absolute(x), self.constant(math.inf)) if self.kind == "f" else self._always(True)
        )

    def _always(self, answer: bool) -> Value:
        return ir.constant(answer, self.mask)

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """The first where the condition is not zero, else the second."""
        return self._where(self.truth(condition), a, b)

    def _where(self, mask: Value, a: Value, b: Value) -> Value:
        return self.function.select(mask, a, b)

    # --- bits of whole numbers -----------------------------------------------------------------------------

    def bitwise_and(self, a: Value, b: Value) -> Value:
        return self._by_kind("", "and", "and", "and", a, b)

    def bitwise_or(self, a: Value, b: Value) -> Value:
        return self._by_kind("", "or", "or", "or", a, b)

    def bitwise_xor(self, a: Value, b: Value) -> Value:
        return self._by_kind("", "xor", "xor", "xor", a, b)

    def invert(self, x: Value) -> Value:
        return self._by_kind("", "xor", "xor", "xor", x, self.constant(True if self.kind == "b" else -1))

    def left_shift(self, a: Value, b: Value) -> Value:
        """a·2ᵇ, 0 for a shift by all bits or more."""
        inside, count = self._shift_count(b, 0)
        return self._where(inside, self._by_kind("", "shl", "shl", "", a, count), self.constant(0))

    def right_shift(self, a: Value, b: Value) -> Value:
        """a/2ᵇ rounded down, whatever the shift."""
        inside, count = self._shift_count(b, 8 * self.dtype.itemsize - 1)
        shifted = self._by_kind("", "ashr", "lshr", "", a, count)
        return shifted if self.kind == "i" else self._where(inside, shifted, self.constant(0))

    def _shift_count(self, b: Value, beyond: int) -> tuple[Value, Value]:
        inside = self.function.compare("icmp ult", b, self.constant(8 * self.dtype.itemsize))
        return inside, self._where(inside, b, self.constant(beyond))

    def bitwise_count(self, x: Value) -> Value:
        """How many bits of the magnitude are set, as uint8."""
        self._needs("iu", "bitwise_count")
        count = self._intrinsic("ctpop", self.absolute(x))
        return (
            self.function.cast("trunc", count, ir.vector("i8", self.count))
            if self.dtype.itemsize > 1
            else count
        )

    def leading_zeros(self, x: Value) -> Value:
        self._needs("u", "leading_zeros")
        return self._intrinsic("ctlz", x, Value("false", "i1"))

    def philox(self, *operands: Value) -> tuple[Value, ...]:
        return bits.philox(self, *operands)

    def shuffle(self, index: Value, key0: Value, key1: Value, count: int) -> Value:
        return bits.shuffle(self, index, key0, key1, count)

    # --- exponentials, logarithms, angles ------------------------------------------------------------------

    exp = _by(functions.exp)
    exp2 = _by(functions.exp2)
    expm1 = _by(functions.expm1)
    log = _by(functions.log)
    log2 = _by(functions.log2)
    log10 = _by(functions.log10)
    log1p = _by(functions.log1p)
    logaddexp = _by(functions.logaddexp)
    logaddexp2 = _by(functions.logaddexp2)
    softplus = _by(functions.softplus)
    logistic = _by(functions.logistic)
    expit = logistic

    def log_expit(self, x: Value) -> Value:
        return self.negative(self.softplus(self.negative(x)))

    sinh = _by(functions.sinh)
    cosh = _by(functions.cosh)
    tanh = _by(functions.tanh)
    arcsinh = _by(functions.arcsinh)
    arccosh = _by(functions.arccosh)
    arctanh = _by(functions.arctanh)
    sin = _by(functions.sin)
    cos = _by(functions.cos)
    tan = _by(functions.tan)
    arcsin = _by(functions.arcsin)
    arccos = _by(functions.arccos)
    arctan = _by(functions.arctan)
    arctan2 = _by(functions.arctan2)

    # --- special functions ---------------------------------------------------------------------------------

    erf = _by(special.erf)
    erfc = _by(special.erfc)
    erfcx = _by(special.erfcx)
    ndtr = _by(special.ndtr)
    log_ndtr = _by(special.log_ndtr)
    exp10 = _by(special.exp10)
    exprel = _by(special.exprel)
    cosm1 = _by(special.cosm1)
    logit = _by(special.logit)
    xlogy = _by(special.xlogy)
    xlog1py = _by(special.xlog1py)
    entr = _by(special.entr)
    rel_entr = _by(special.rel_entr)
    kl_div = _by(special.kl_div)
    huber = _by(special.huber)
    pseudo_huber = _by(special.pseudo_huber)
    gamma = _by(special.gamma)
    gammaln = _by(special.gammaln)
    loggamma = _by(special.loggamma)

    # --- other ---------------------------------------------------------------------------------------------

    def stop_gradient(self, x: Value) -> Value:
        return x
