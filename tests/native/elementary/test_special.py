"""Special functions beside SciPy's, and beside their definitions in numbers with more digits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

from tests.native.drive import kernel, ulps
from tests.native.elementary.test_functions import EXTENDED, REALS, bound, full, fusings
from tests.native.elementary.test_lanes import pairs, specials

Reference = Callable[..., Any]


def logit(p: Any) -> Any:
    return np.where(p < 0.25, np.log(p / (1 - p)), np.log1p((2 * p - 1) / (1 - p)))


def rel_entr(x: Any, y: Any) -> Any:
    return x * np.where(abs(x - y) < y / 2, np.log1p((x - y) / y), np.log(x / y))


def pseudo_huber(delta: Any, r: Any) -> Any:
    v = r / delta
    return delta * delta * v * v / (np.sqrt(1 + v * v) + 1)


# References that work in the precision they are given.
DEFINED: dict[str, Reference] = {
    "exp10": lambda x: np.power(x.dtype.type(10), x),
    "exprel": lambda x: np.where(x == 0, 1, np.expm1(x) / np.where(x == 0, 1, x)),
    "cosm1": lambda x: -2 * np.sin(x / 2) ** 2,
    "logit": logit,
    "rel_entr": rel_entr,
    "huber": lambda d, r: np.where(abs(r) <= d, r * r / 2, d * (abs(r) - d / 2)),
    "pseudo_huber": pseudo_huber,
}
# Those of SciPy, in float64 only; the last number is the error of SciPy's own that is allowed for, relative.
SCIPY: dict[str, tuple[Reference, float]] = {
    "erfcx": (sp.erfcx, 3e-14),
    "ndtr": (sp.ndtr, 1e-13),
    "log_ndtr": (sp.log_ndtr, 2e-14),
    "gamma": (sp.gamma, 1e-14),
    "gammaln": (sp.gammaln, 1e-14),
    "loggamma": (sp.loggamma, 1e-14),
}
BINARY = ("rel_entr", "kl_div", "huber", "pseudo_huber")
DOMAINS: dict[str, tuple[float, float]] = {
    "exp10": (-37, 38), "exprel": (-30, 80), "cosm1": (-20, 20), "erfcx": (-8, 300), "ndtr": (-12, 8),
    "log_ndtr": (-300, 5),
    "gamma": (0.01, 30), "gammaln": (1e-3, 1e2), "loggamma": (1e-3, 1e5),
}  # fmt: skip


def arguments(name: str, dtype: str, count: int = 40_000) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(11)
    if name in BINARY:
        a = rng.lognormal(0, 3, count)
        b = np.where(rng.random(count) < 0.5, a * rng.lognormal(0, 0.1, count), rng.lognormal(0, 3, count))
        return a.astype(dtype), b.astype(dtype)
    if name == "logit":
        return (
            np.concatenate([rng.random(count), sp.expit(rng.normal(0, 10, count))])
            .astype(dtype)
            .clip(0, 1 - 1e-7),
        )
    low, high = DOMAINS[name]
    return (
        np.concatenate([rng.uniform(low, high, count), rng.normal(0, 1, count).clip(low, high)]).astype(
            dtype
        ),
    )


@pytest.mark.parametrize("name", DEFINED)
@pytest.mark.parametrize("dtype", REALS)
@fusings
@np.errstate(all="ignore")
def test_definition(name: str, dtype: str, fused: bool) -> None:
    if dtype == "float64" and not EXTENDED:
        pytest.skip("no numbers longer than float64")
    given = arguments(name, dtype)
    found = kernel(name, (dtype,) * len(given), full(dtype), fused)(*given)
    exact = DEFINED[name](*(x.astype(np.longdouble) for x in given))
    assert ulps(found, exact).max() <= bound(name)


@pytest.mark.parametrize("name", SCIPY)
@fusings
@np.errstate(all="ignore")
def test_float32_beside_scipy(name: str, fused: bool) -> None:
    given = arguments(name, "float32")
    found = kernel(name, ("float32",), full("float32"), fused)(*given)
    assert ulps(found, SCIPY[name][0](*(x.astype(float) for x in given))).max() <= bound(name)


@pytest.mark.parametrize("name", SCIPY)
@fusings
@np.errstate(all="ignore")
def test_float64_beside_scipy(name: str, fused: bool) -> None:
    reference, tolerance = SCIPY[name]
    (x,) = arguments(name, "float64")
    if name in ("gammaln", "loggamma"):  # SciPy loses digits near the zeros
        x = x[(abs(x - 1) > 0.2) & (abs(x - 2) > 0.2)]
    found = kernel(name, ("float64",), full("float64"), fused)(x)
    np.testing.assert_allclose(found, reference(x), rtol=tolerance)


def test_divergence() -> None:
    """kl_div is a difference of nearly equal numbers: exact to a few units of the largest of them."""
    a, b = arguments("kl_div", "float64")
    found = kernel("kl_div", ("float64",) * 2, full("float64"))(a, b)
    exact = rel_entr(a.astype(np.longdouble), b.astype(np.longdouble)) - a + b
    largest = np.maximum(abs(rel_entr(a, b)), np.maximum(a, b))
    assert (abs(found - exact) <= 4 * np.spacing(largest)).all()


@pytest.mark.parametrize("name", [*DEFINED, *SCIPY, "kl_div"])
@pytest.mark.parametrize("dtype", REALS)
@np.errstate(all="ignore")
def test_special_arguments(name: str, dtype: str) -> None:
    """Zeros, infinities and NaN where SciPy has them."""
    x = specials(dtype)
    if "gamma" in name:  # SciPy gives ∞ for subnormal numbers
        x = x[~(abs(x) < np.finfo(dtype).tiny) | (x == 0)]
    if name in ("kl_div", "pseudo_huber"):  # SciPy overflows on the way
        x = x[~(abs(x) > 1e15) & ~(abs(x) < 1e-15) | (x == 0) | np.isinf(x)]
    given = pairs(x) if name in BINARY else (x,)
    expected = getattr(sp, name)(*given)
    for count in (1, full(dtype)):
        found = kernel(name, (dtype,) * len(given), count)(*given)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        settled = ~np.isfinite(expected) | ~np.isfinite(found)
        np.testing.assert_array_equal(found[settled], expected[settled])
        np.testing.assert_allclose(found[expected == 0], 0, atol=np.finfo(dtype).tiny)


def test_gamma_functions_call_the_c_library_lane_by_lane() -> None:
    x = np.linspace(0.1, 20, 77)
    one, many = (kernel("gamma", ("float64",), n)(x) for n in (1, full("float64")))
    np.testing.assert_array_equal(one, many)


@fusings
def test_log_gamma_at_its_zeros_and_where_its_formulas_meet(fused: bool) -> None:
    """Beside Γ(1 + e) = 1 - γe + (γ² + π²/6) e²/2, and Γ(x + 1) = xΓ(x)."""
    f = kernel("gammaln", ("float64",), full("float64"), fused)
    e = np.concatenate([-(2.0 ** np.arange(-50, -20)), 2.0 ** np.arange(-50, -20)])
    series = e * (-np.euler_gamma + np.pi**2 / 12 * e - sp.zeta(3) / 3 * e * e)
    np.testing.assert_allclose(f(1 + e), series, rtol=2e-15)
    np.testing.assert_allclose(f(2 + e), series + np.log1p(e), rtol=3e-15)
    x = (np.arange(0.5, 12, 0.5)[:, None] * (1 + np.arange(-3, 4) * 1e-15)).ravel()
    np.testing.assert_allclose(f(x + 1), f(x) + np.log(x), rtol=4e-15, atol=2e-15)


def test_log_gamma_below_zero_is_the_c_librarys() -> None:
    x = np.random.default_rng(0).normal(size=101)
    found = kernel("gammaln", ("float64",), full("float64"))(x)
    np.testing.assert_allclose(found, sp.gammaln(x), rtol=1e-13)
    np.testing.assert_array_equal(found[x < 0], kernel("gammaln", ("float64",), 1)(x)[x < 0])


@pytest.mark.parametrize("name", [*DEFINED, *SCIPY])
def test_whole_numbers_have_no_special_functions(name: str) -> None:
    with pytest.raises(NotImplementedError, match=r"int32"):
        kernel(name, ("int32",) * (2 if name in BINARY else 1), 1)
