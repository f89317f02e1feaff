"""Every operation of `Lanes` beside NumPy's, on one lane and on a whole vector: ties, specials, overflow."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.native.drive import kernel
from wengert.core.primitive import REGISTRY
from wengert.native.elementary.lanes import Lanes
from wengert.native.machine import host, ir
from wengert.ops import special

REALS = ("float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
WHOLE = SIGNED + UNSIGNED
BOOL = ("bool",)
EVERY = REALS + WHOLE + BOOL

EXACT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("add", "multiply", "maximum", "minimum", "fmax", "fmin"), EVERY),
    **dict.fromkeys(("subtract", "negative", "square", "floor_divide", "remainder", "fmod"), REALS + WHOLE),
    **dict.fromkeys(("sign", "signbit"), REALS + SIGNED),
    **dict.fromkeys(("positive",), REALS + WHOLE),
    **dict.fromkeys(("absolute", "floor", "ceil", "trunc", "isnan", "isinf", "isfinite"), EVERY),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), EVERY),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "logical_not"), EVERY),
    **dict.fromkeys(("divide", "reciprocal", "sqrt", "rint", "fabs", "copysign", "heaviside"), REALS),
    **dict.fromkeys(("nextafter", "spacing", "degrees", "radians"), REALS),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "invert"), WHOLE + BOOL),
    **dict.fromkeys(("left_shift", "right_shift", "bitwise_count", "gcd", "lcm"), WHOLE),
}
UNSIGNED_ZEROS = {"maximum", "minimum", "fmax", "fmin"}  # of two zeros NumPy gives either
CASES = [(name, dtype) for name, dtypes in EXACT.items() for dtype in dtypes]


def widths(dtype: str) -> tuple[int, int]:
    return 1, max(2, host.this_host().lanes(dtype))


def specials(dtype: str) -> np.ndarray:
    """Numbers at which an operation may go wrong, and a few ordinary ones."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([False, True])
    return _special_reals(dtype) if kind == "f" else _special_integers(dtype)


def _special_reals(dtype: str) -> np.ndarray:
    info = np.finfo(dtype)
    tiny = [
        info.smallest_subnormal,
        3 * info.smallest_subnormal,
        info.tiny - info.smallest_subnormal,
        info.tiny,
    ]
    ties = [0.5, 1.5, 2.5, 3.5, 0.5 + info.eps, 0.5 - info.eps / 4, 2.0**info.nmant, 2.0**info.nmant - 0.5]
    large = [info.max, np.nextafter(info.max, 0, dtype=dtype), info.max / 2, 2.0 ** (info.nmant + 3)]
    rng = np.random.default_rng(1)
    ordinary = [1.0, 2.0, 3.0, 1 + info.eps, 1 - info.eps, 1e-3, 7.25, 1e6, *rng.lognormal(0, 3, 10)]
    positive = np.array([0.0, np.inf, *tiny, *ties, *large, *ordinary], dtype)
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


def _special_integers(dtype: str) -> np.ndarray:
    info = np.iinfo(dtype)
    ends = [info.min, info.min + 1, info.max, info.max - 1, info.max // 2, info.max // 2 + 1]
    small = list(range(11)) + ([*range(-10, 0)] if info.min else [])
    shifts = [info.bits - 1, info.bits, info.bits + 1]
    random = np.random.default_rng(2).integers(info.min, info.max, 12, dtype, endpoint=True)
    return np.array([*ends, *small, *shifts, *random], dtype)


def pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every value with every value."""
    a, b = np.meshgrid(values, values)
    return a.ravel(), b.ravel()


def operands(ufunc: np.ufunc, dtype: str) -> tuple[np.ndarray, ...]:
    return (specials(dtype),) if ufunc.nin == 1 else pairs(specials(dtype))


def assert_same(found: np.ndarray, expected: np.ndarray, zeros_signed: bool = True) -> None:
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f" and zeros_signed:
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(expected[number]))


# --- beside NumPy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda v: str(v))
@np.errstate(all="ignore")
def test_same_as_numpy(name: str, dtype: str) -> None:
    ufunc = getattr(np, name)
    arrays = operands(ufunc, dtype)
    for count in widths(dtype):
        found = kernel(name, (dtype,) * ufunc.nin, count)(*arrays)
        assert_same(found, ufunc(*arrays), name not in UNSIGNED_ZEROS)


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
@pytest.mark.parametrize("dtype", EVERY[:-1])
@np.errstate(over="ignore")
def test_division_of_random_numbers(name: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    if dtype in REALS:
        a, b = rng.normal(0, 100, (2, 5000)).astype(dtype)
    else:
        info = np.iinfo(dtype)
        a, b = rng.integers(info.min, info.max, (2, 5000), dtype, endpoint=True)
    b = np.where(b == 0, np.array(1, dtype), b)
    assert_same(kernel(name, (dtype, dtype), widths(dtype)[1])(a, b), getattr(np, name)(a, b))


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("count", [1, 16])
@np.errstate(all="ignore")
def test_exponents(dtype: str, count: int) -> None:
    x = specials(dtype)
    assert_same(
        kernel("exponent", (dtype,), count)(x), np.where(np.isfinite(x), np.frexp(x)[1], 0).astype("i4")
    )


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("integer", ["int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("count", [1, 8])
@np.errstate(all="ignore")
def test_ldexp(dtype: str, integer: str, count: int) -> None:
    counts = np.array([0, 1, -1, 30, -30, 100, -100, 127, -128, 1100, -1100, 2200, -2200, 10**6], "int64")
    counts = np.clip(counts, np.iinfo(integer).min, np.iinfo(integer).max).astype(integer)
    x, n = (a.ravel() for a in np.meshgrid(specials(dtype), counts))
    # Lanes are of the number's type, and the integer of any: it comes second but is not what the lanes are.
    expected = np.ldexp(x, n.astype("int32"))
    assert_same(kernel("ldexp", (dtype, integer), count, of=0)(x, n), expected)


@pytest.mark.parametrize("dtype", EVERY)
@pytest.mark.parametrize("condition", ["bool", "same"])
def test_where(dtype: str, condition: str) -> None:
    values = specials(dtype)
    a, b = pairs(values)
    c = np.roll(a, 1) if condition == "same" else np.arange(len(a)) % 3 == 0
    for count in widths(dtype):
        found = kernel("where", (str(c.dtype), dtype, dtype), count)(c, a, b)
        assert_same(found, np.where(c, a, b))


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("decimals", [-3, -1, 0, 1, 2, 5])
@np.errstate(all="ignore")
def test_round(dtype: str, decimals: int) -> None:
    x = specials(dtype)
    for count in widths(dtype):
        found = kernel("round", (dtype,), count, params=(("decimals", decimals),))(x)
        assert_same(found, np.round(x, decimals))


@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_numbers_are_round(dtype: str) -> None:
    x = specials(dtype)
    for decimals in (0, 2):
        assert_same(kernel("round", (dtype,), 1, params=(("decimals", decimals),))(x), np.round(x, decimals))
    with pytest.raises(NotImplementedError, match=r"round to tens"):
        kernel("round", (dtype,), 1, params=(("decimals", -1),))


@pytest.mark.parametrize("dtype", REALS + WHOLE)
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, 8])
@np.errstate(all="ignore")
def test_integer_power(dtype: str, exponent: int) -> None:
    x = specials(dtype)
    for count in widths(dtype):
        found = kernel("integer_power", (dtype,), count, params=(("exponent", exponent),))(x)
        expected = np.power(x, exponent)
        assert found.dtype == expected.dtype
        tolerance = (exponent + 1) / 2 * np.finfo(dtype).eps if dtype in REALS else 0
        normal = _not_lost(expected, x)
        np.testing.assert_allclose(found[normal], expected[normal], rtol=tolerance)


def _not_lost(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Where a power is not so small that its digits are lost on the way, nor at the edge of infinity."""
    if y.dtype.kind != "f":
        return np.full(len(y), True)
    info = np.finfo(y.dtype)
    return (abs(y) == 0) | (abs(y) > info.tiny) & (abs(y) < info.max / 4) | ~np.isfinite(x)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("exponent", [-1, -2, -5, 9, 20, -9, -33])
@np.errstate(all="ignore")
def test_other_whole_powers(dtype: str, exponent: int) -> None:
    x = specials(dtype)
    expected = np.power(x.astype(np.longdouble), exponent).astype(dtype)
    found = kernel("integer_power", (dtype,), widths(dtype)[1], params=(("exponent", exponent),))(x)
    normal = _not_lost(expected, x) & _not_lost(1 / expected, x)
    bound = max((abs(exponent) + 1) / 2, 2) * np.finfo(dtype).eps
    np.testing.assert_allclose(found[normal], expected[normal], rtol=bound)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def test_fma_rounds_once_or_twice() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 500))
    c = -a * b * (1 + rng.integers(-3, 3, 500) * 2.0**-52)
    exact = [Fraction(p) * Fraction(q) + Fraction(r) for p, q, r in zip(a, b, c, strict=True)]
    assert_same(kernel("fma", ("float64",) * 3, 8, True)(a, b, c), np.array([float(y) for y in exact]))
    assert_same(kernel("fma", ("float64",) * 3, 8, False)(a, b, c), a * b + c)


@pytest.mark.parametrize("dtype", EVERY)
def test_stop_gradient_is_the_identity(dtype: str) -> None:
    x = specials(dtype)
    assert_same(kernel("stop_gradient", (dtype,), widths(dtype)[1])(x), x)


# --- which dtypes have a native form ----------------------------------------------------------------------


def operations() -> Iterator[tuple[str, np.ufunc]]:
    for name in sorted(vars(Lanes)):
        ufunc = getattr(np, name, None)
        if isinstance(ufunc, np.ufunc) and name != "ldexp":
            yield name, ufunc


def has_loop(ufunc: np.ufunc, dtype: str) -> bool:
    """Whether NumPy works in the dtype itself."""
    given = np.dtype(dtype)
    try:
        loop = ufunc.resolve_dtypes((given,) * ufunc.nin + (None,) * ufunc.nout)
    except TypeError:
        return False
    return all(found == given for found in loop[: ufunc.nin])


def has_native_form(name: str, nin: int, dtype: str) -> bool:
    f = ir.Module().function("f", "void", [])
    lanes = Lanes(f, dtype)
    values = [ir.Value(f"%x{i}", lanes.type) for i in range(nin)]
    try:
        getattr(lanes, name)(*values)
    except NotImplementedError:
        return False
    return True


# Powers of integers raise for negative exponents, and what 1/0 is among integers depends on the processor.
LEFT_TO_NUMPY = {"power", "float_power", "reciprocal"}


@pytest.mark.parametrize(("name", "ufunc"), list(operations()), ids=lambda v: v if isinstance(v, str) else "")
def test_native_where_numpy_has_a_loop(name: str, ufunc: np.ufunc) -> None:
    native: dict[str, Any] = {dtype: has_native_form(name, ufunc.nin, dtype) for dtype in EVERY}
    loops = {dtype: has_loop(ufunc, dtype) for dtype in EVERY}
    if name in LEFT_TO_NUMPY:
        loops |= dict.fromkeys(WHOLE, False) | dict.fromkeys(REALS, True)
    if name == "signbit":  # of whole numbers too, which NumPy converts first
        loops |= dict.fromkeys(WHOLE + BOOL, True)
    assert native == loops


# --- which operations of the registry have a native form --------------------------------------------------

INTERPRETED = {
    *("erfi", "dawsn", "erfinv", "erfcinv", "ndtri", "expi", "exp1", "spence", "ellipe", "ellipk"),
    *(
        "psi",
        "zeta",
        "rgamma",
        "beta",
        "betaln",
        "poch",
        "binom",
        "gammasgn",
        "gammainc",
        "gammaincc",
        "betainc",
    ),
    *("i0", "i1", "i0e", "i1e", "j0", "j1", "y0", "y1", "k0", "k1", "k0e", "k1e"),
    *("iv", "ive", "jv", "yv", "kv", "kve"),
}


def test_operations_left_to_the_interpreter() -> None:
    special.load()
    ours = (
        p for p in REGISTRY.values() if p.kind == "elementwise" or (p.core is not None and not any(p.core))
    )
    of_complex = {"complex_absolute", "real", "imag", "conjugate"}
    assert {p.name for p in ours if not hasattr(Lanes, p.name)} - of_complex == INTERPRETED
