"""Elementary functions: the bound that each docstring states, over the whole range; special arguments.

References have more digits than the result: float64 for float32, the processor's 80-bit numbers for float64
where there are such, and decimal arithmetic, which is the same everywhere. With ``WENGERT_STRIDE=1`` in the
environment all 2³² numbers of float32 are tried, which takes hours.
"""

import math
import os
import re
from collections.abc import Callable, Iterator
from decimal import Context, Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.special

from tests.native.drive import kernel, ulps
from tests.native.elementary.test_lanes import pairs, specials
from wengert.native.elementary import functions, special
from wengert.native.machine import host

Reference = Callable[..., Any]
REALS = ("float32", "float64")
EXTENDED = np.finfo(np.longdouble).nmant >= 63
REQUIRED = ("exp", "expm1", "log", "log1p", "tanh", "logistic", "softplus", "sin", "cos", "erf", "power")
STRIDE = int(os.environ.get("WENGERT_STRIDE", "4999"))
fusings = pytest.mark.parametrize("fused", [True, False], ids=["fused", "unfused"])


def logistic(x: Any) -> Any:
    z = np.exp(-abs(x))
    return np.where(x < 0, z, 1) / (1 + z)


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def logaddexp2(a: Any, b: Any) -> Any:
    unit = np.log(a.dtype.type(2))
    return np.logaddexp(a * unit, b * unit) / unit


def entr(x: Any) -> Any:
    return np.where(x < 0, -np.inf, np.where(x == 0, 0, -x * np.log(x)))


def xlogy(x: Any, y: Any) -> Any:
    return np.where(x == 0, 0, x * np.log(y))


# A function of one operand: its reference, which works in the dtype that it is given.
ONE: dict[str, Reference] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh")},
    "logistic": logistic,
    "softplus": softplus,
    "log_expit": lambda x: -softplus(-x),
    "entr": entr,
}
SHORT = {"erf": scipy.special.erf, "erfc": scipy.special.erfc}  # no more digits than float64
TWO: dict[str, Reference] = {
    "power": np.power,
    "hypot": np.hypot,
    "arctan2": np.arctan2,
    "logaddexp": np.logaddexp,
    "logaddexp2": logaddexp2,
    "xlogy": xlogy,
    "xlog1py": lambda x, y: x * np.log1p(y),
}
NAMED_OTHERWISE = {"log_expit": "softplus", "expit": "logistic", "float_power": "power"}
OF_OPERANDS = {"logaddexp", "logaddexp2"}  # bounds in the last place of the largest of result and operands


def formula(name: str) -> Any:
    name = NAMED_OTHERWISE.get(name, name)
    return getattr(functions, name, None) or getattr(special, name)


def bound(name: str) -> float:
    """What a docstring states."""
    stated = re.search(r"to ([\d.]+) ulp", formula(name).__doc__)
    assert stated is not None
    return float(stated.group(1))


def full(dtype: str) -> int:
    return host.this_host().lanes(dtype)


# --- arguments --------------------------------------------------------------------------------------------


def sweep32(stride: int) -> Iterator[np.ndarray]:
    """float32 numbers by their bits, every so many, a million at a time."""
    for start in range(0, 2**32, stride << 20):
        yield np.arange(start, min(start + (stride << 20), 2**32), stride, np.uint32).view(np.float32)


def spread64(seed: int, count: int) -> np.ndarray:
    """float64 numbers of every size, and more where functions change."""
    rng = np.random.default_rng(seed)
    everywhere = rng.integers(0, 2**64, count // 2, np.uint64).view(np.float64)
    sizes = rng.uniform(-60, 10, count // 4)
    near = rng.choice([-1, 1], count // 4) * 2.0**sizes
    return np.concatenate([everywhere[np.isfinite(everywhere)], near, rng.normal(0, 3, count // 4)])


def operands(dtype: str, name: str, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs for a function of two operands, with every size of result."""
    rng = np.random.default_rng(seed)
    if name == "power":
        a = np.exp(rng.normal(0, rng.choice([0.001, 0.1, 1, 5], count)))
        reach = math.log(float(np.finfo(dtype).max)) / np.maximum(abs(np.log(a)), 1e-9)
        return a.astype(dtype), (rng.uniform(-1, 1, count) * reach).clip(-1e30, 1e30).astype(dtype)
    if name.startswith("xlog"):
        y = np.exp(rng.normal(0, 5, count)) * (rng.choice([-0.1, 1], count) if name == "xlog1py" else 1)
        return rng.normal(0, 5, count).astype(dtype), y.clip(-0.99).astype(dtype)
    if name in OF_OPERANDS:
        a = rng.normal(0, 10, count).astype(dtype)
        return a, (a + rng.normal(0, 5, count)).astype(dtype)
    sizes = np.log2(float(np.finfo(dtype).max)) - 1
    a = rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-sizes, sizes, count)
    return a.astype(dtype), (a * 2.0 ** rng.normal(0, 8, count)).clip(-(2.0**sizes), 2.0**sizes).astype(dtype)


# --- the largest errors -----------------------------------------------------------------------------------


def largest(found: np.ndarray, exact: np.ndarray) -> float:
    return float(ulps(found, exact).max())


def largest_beside(found: np.ndarray, exact: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """The largest error in the last place of the largest of result and operands."""
    scale = np.maximum(np.maximum(abs(exact), abs(a)), abs(b))
    unit = np.spacing(scale.astype(found.dtype))
    return float((abs(found - exact) / unit).max())


@pytest.mark.parametrize("name", [*ONE, *SHORT])
@fusings
@np.errstate(all="ignore")
def test_float32_over_the_range(name: str, fused: bool) -> None:
    reference, run = (ONE | SHORT)[name], kernel(name, ("float32",), full("float32"), fused)
    worst = max(largest(run(x), reference(x.astype(float))) for x in sweep32(STRIDE))
    assert worst <= bound(name)


@pytest.mark.skipif(not EXTENDED, reason="no numbers longer than float64")
@pytest.mark.parametrize("name", ONE)
@fusings
@np.errstate(all="ignore")
def test_float64_over_the_range(name: str, fused: bool) -> None:
    x = spread64(5, 60_000)
    found = kernel(name, ("float64",), full("float64"), fused)(x)
    assert largest(found, ONE[name](x.astype(np.longdouble))) <= bound(name)


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.skipif(not EXTENDED, reason=""))]
)
@fusings
@np.errstate(all="ignore")
def test_two_operands(name: str, dtype: str, fused: bool) -> None:
    a, b = operands(dtype, name, 6, 60_000)
    found = kernel(name, (dtype, dtype), full(dtype), fused)(a, b)
    exact = TWO[name](a.astype(np.longdouble), b.astype(np.longdouble))
    measured = largest_beside(found, exact, a, b) if name in OF_OPERANDS else largest(found, exact)
    assert measured <= bound(name)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@fusings
def test_angles_nearest_to_quarter_turns(name: str, fused: bool) -> None:
    """Of the first, the nearest of all to a multiple of π/2, 61 bits cancel (Kahan)."""
    x = np.array([6381956970095103 * 2.0**797, np.pi * 2.0**21, 22.0 * 2.0**40, 2.0**1023])
    found = kernel(name, ("float64",), 1, fused)(x)
    exact = np.array([DECIMAL[name](Decimal(float(v))) for v in x])
    assert largest_decimal(found, exact) <= bound(name)


# --- decimal references -----------------------------------------------------------------------------------

DIGITS = 50


def _decimal_erf(x: Decimal) -> Decimal:
    """2x/√π e^(-x²) Σ (2x²)ⁿ/(2n + 1)!!"""
    term = total = Decimal(1)
    n = 1
    while term > total.scaleb(-DIGITS):
        term *= 2 * x * x / (2 * n + 1)
        total += term
        n += 1
    return 2 * x * total * (-x * x).exp() / _pi(DIGITS + 10).sqrt()


@cache
def _pi(digits: int) -> Decimal:
    """By the arithmetic-geometric mean (Gauss, Legendre)."""
    with localcontext(Context(prec=digits + 10)):
        a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), 1
        for _ in range(digits.bit_length() + 1):
            middle = (a + b) / 2
            b, t, p = (a * b).sqrt(), t - p * (a - middle) ** 2, 2 * p
            a = middle
        return (a + b) ** 2 / (4 * t)


def _reduced(x: Decimal) -> tuple[int, Decimal]:
    digits = DIGITS + max(x.adjusted(), 0) + 10
    with localcontext(Context(prec=digits)):
        half = _pi(digits) / 2
        n = int((x / half).to_integral_value())
        return n % 4, x - n * half


def _series(x: Decimal, k: int) -> Decimal:
    """x^k/k! - x^(k+2)/(k+2)! + ..."""
    term = total = x**k if k else Decimal(1)
    while term and abs(term) > abs(total).scaleb(-DIGITS):
        term *= -x * x / ((k + 1) * (k + 2))
        total += term
        k += 2
    return total


def _decimal_sin(x: Decimal, turn: int = 0) -> Decimal:
    n, r = _reduced(x)
    n = (n + turn) % 4
    return (-1 if n > 1 else 1) * _series(r, 1 - n % 2)


def _decimal_cos(x: Decimal) -> Decimal:
    return _decimal_sin(x, 1)


def _decimal_expm1(x: Decimal) -> Decimal:
    return x * (1 + x / 2 + x * x / 6) if abs(x) < Decimal("1e-20") else x.exp() - 1


def _decimal_log1p(x: Decimal) -> Decimal:
    return x * (1 - x / 2 + x * x / 3) if abs(x) < Decimal("1e-20") else (1 + x).ln()


def _decimal_tanh(x: Decimal) -> Decimal:
    y = _decimal_expm1(2 * x)
    return y / (y + 2)


DECIMAL: dict[str, Callable[..., Decimal]] = {
    "exp": Decimal.exp,
    "expm1": _decimal_expm1,
    "log": Decimal.ln,
    "log1p": _decimal_log1p,
    "tanh": _decimal_tanh,
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "softplus": lambda x: _decimal_log1p(x.exp()),
    "sin": _decimal_sin,
    "cos": _decimal_cos,
    "tan": lambda x: _decimal_sin(x) / _decimal_cos(x),
    "erf": _decimal_erf,
    "power": lambda a, b: (b * a.ln()).exp(),
}


def largest_decimal(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest error of finite results, in the last place of the exact one."""
    worst = Decimal(0)
    for y, z in zip(found, exact):
        unit = Decimal(float(np.spacing(abs(y.dtype.type(z)))))
        worst = max(worst, abs(Decimal(float(y)) - z) / unit)
    return float(worst)


DOMAINS = {
    "exp": (-740, 709), "expm1": (-60, 709), "log1p": (-0.999, 1e6), "tanh": (-20, 20),
    "logistic": (-740, 60), "softplus": (-740, 100), "sin": (-1e3, 1e3), "cos": (-1e3, 1e3), "erf": (-6, 6),
}  # fmt: skip


def sample(name: str, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    if name == "power":
        return list(operands("float64", "power", 8, count))
    if name == "log":
        return [np.exp(rng.normal(0, rng.choice([0.01, 1, 200], count)))]
    low, high = DOMAINS[name]
    wide, near = (
        rng.uniform(low, high, count // 2),
        rng.choice([-1, 1], count // 2) * 2.0 ** rng.uniform(-40, 0, count // 2),
    )
    return [np.concatenate([wide, near.clip(low, high)])]


@pytest.mark.parametrize("name", REQUIRED)
@fusings
def test_float64_against_decimals(name: str, fused: bool) -> None:
    operands = sample(name, 600)
    found = kernel(name, ("float64",) * len(operands), full("float64"), fused)(*operands)
    with localcontext(Context(prec=DIGITS + 20)):
        exact = [DECIMAL[name](*map(Decimal, map(float, given))) for given in zip(*operands)]
        assert largest_decimal(found, np.array(exact)) <= bound(name) <= 2


@pytest.mark.parametrize("name", REQUIRED)
def test_required_bounds(name: str) -> None:
    assert bound(name) <= 2


# --- special arguments ------------------------------------------------------------------------------------

SCIPY = ("expit", "log_expit", "erf", "erfc", "xlogy", "xlog1py", "entr")
SPECIAL: dict[str, Reference] = (
    ONE | TWO | {name: getattr(scipy.special, name) for name in SCIPY} | {"float_power": np.power}
)
BINARY = {*TWO, "float_power"}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("dtype", REALS)
@fusings
@np.errstate(all="ignore")
def test_special_arguments(name: str, dtype: str, fused: bool) -> None:
    """NaN, infinities and zeros where they are in NumPy and SciPy, and everywhere the same sign."""
    x = specials(dtype)
    arrays = pairs(x) if name in BINARY else (x,)
    found = kernel(name, (dtype,) * len(arrays), full(dtype), fused)(*arrays)
    expected = SPECIAL[name](*arrays)
    settled = ~np.isfinite(expected) | (expected == 0) & (name not in OF_OPERANDS)
    np.testing.assert_array_equal(found[settled], expected[settled])
    signed = ~np.isnan(expected) & ((expected != 0) | settled)
    np.testing.assert_array_equal(np.signbit(found[signed]), np.signbit(expected[signed]))
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("dtype", REALS)
@fusings
def test_one_lane_and_many_agree(name: str, dtype: str, fused: bool) -> None:
    """The same operations in the same order give the same bits."""
    x = np.concatenate([specials(dtype), spread64(9, 400).clip(-1e30, 1e30).astype(dtype)])
    arrays = pairs(x[::5]) if name in BINARY else (x,)
    one, *others = (kernel(name, (dtype,) * len(arrays), n, fused)(*arrays) for n in (1, 2, full(dtype)))
    for other in others:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", SPECIAL)
def test_whole_numbers_have_no_elementary_functions(name: str) -> None:
    with pytest.raises(NotImplementedError, match=r"int64"):
        kernel(name, ("int64",) * (2 if name in BINARY else 1), 1)
