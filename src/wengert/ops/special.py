r"""Special functions: those of `scipy.special`, called as they are on what is being recorded.

.. math:: \mathrm{erf}'(x)=\tfrac{2}{\sqrt\pi}e^{-x^2},\qquad \sigma'=\sigma(1-\sigma),\qquad
          (\ln\Gamma)'=\psi,\qquad \nabla\,\mathrm{logsumexp}(x)=\mathrm{softmax}(x)

SciPy's ufuncs are declared when the first of them meets a tracer, so that importing this package does not
import SciPy. Its Python functions (`logsumexp`, `softmax`, `log_softmax`, `softplus`, `polygamma`) have their
own versions here, which also take plain arrays.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.adoptive import intercept
from wengert.core.fallback import UFUNC_MODULES
from wengert.core.primitive import UFUNCS, constant, elementwise, nonlinear
from wengert.core.recorder import bind
from wengert.core.tracer import operand
from wengert.errors import UnsupportedError, at_user_line
from wengert.ops import elementwise as basic
from wengert.ops.elementwise import ANY, POSITIVE, is_complex
from wengert.ops.reduction import Axes, axes_from_end, logsumexp_over
from wengert.ops.statistics import floating

SPECIAL = 64
TWO_PI = 2 * math.pi
ROOT_PI, ROOT_TWO_PI = math.sqrt(math.pi), math.sqrt(TWO_PI)
PROBABILITY = ((0.05, 0.95),)
AWAY = ((1.0, 6.0),)

# --- SciPy's ufuncs ---------------------------------------------------------------------------------------


def _no_derivative(function: str, operand_name: str) -> Callable[..., Any]:
    """A partial derivative that is not known here."""

    def refuse(*_: Any) -> Any:
        raise UnsupportedError(
            at_user_line(
                f"scipy.special.{function} has no derivative here with respect to its {operand_name}. "
                f"Give the {operand_name} as a constant."
            )
        )

    return refuse


def _exprel_slope(x: Any, y: Any) -> Any:
    """The derivative of (e^x - 1)/x, by its series near 0."""
    near = abs(x) < 0.3
    safe, series = np.where(near, 1, x), 0.0
    for k in range(14, -1, -1):
        series = series * x + (k + 1) / math.factorial(k + 2)
    return np.where(near, series, (np.exp(safe) - np.where(near, 1, y)) / safe)


def _zero_at_zero(x: Any, y: Any) -> Any:
    """x/y, and 0 where x is 0."""
    return np.where(x == 0, 0, x / np.where(x == 0, 1, y))


@functools.cache
def load() -> None:
    """Declare the functions of `scipy.special`."""
    import scipy.special

    sp: Any = scipy.special
    declare = functools.partial(_declare, sp)
    _error_functions(sp, declare)
    _gamma_functions(sp, declare)
    _entropies(sp, declare)
    _bessel_functions(sp, declare)
    _other_functions(sp, declare)
    _python_functions(sp)


def _declare(sp: Any, name: str, *partials: Any, domain: Any = ANY) -> None:
    ufunc = getattr(sp, name)
    domain = domain * (ufunc.nin if len(domain) == 1 else 1)
    elementwise(name, ufunc, partials, weight=SPECIAL, text=name + _ARGUMENTS[ufunc.nin], domain=domain)


_ARGUMENTS = {1: "({0})", 2: "({0}, {1})", 3: "({0}, {1}, {2})"}
UFUNC_MODULES["scipy.special"] = load


def _error_functions(sp: Any, declare: Any) -> None:
    declare("erf", lambda x, y: (2 / ROOT_PI) * np.exp(-x * x))
    declare("erfc", lambda x, y: (-2 / ROOT_PI) * np.exp(-x * x))
    declare("erfcx", lambda x, y: 2 * x * y - 2 / ROOT_PI, domain=((-1.5, 4.0),))
    declare("erfi", lambda x, y: (2 / ROOT_PI) * np.exp(x * x), domain=((-1.5, 1.5),))
    declare("dawsn", lambda x, y: 1 - 2 * x * y)
    declare("erfinv", lambda x, y: (ROOT_PI / 2) * np.exp(y * y), domain=((-0.8, 0.8),))
    declare("erfcinv", lambda x, y: (-ROOT_PI / 2) * np.exp(y * y), domain=((0.2, 1.8),))
    declare("ndtr", lambda x, y: (1 / ROOT_TWO_PI) * np.exp(-0.5 * x * x))
    declare("log_ndtr", lambda x, y: math.sqrt(2 / math.pi) / sp.erfcx(x * -math.sqrt(0.5)))
    declare("ndtri", lambda x, y: ROOT_TWO_PI * np.exp(0.5 * y * y), domain=PROBABILITY)
    declare("expit", lambda x, y: y * (1 - y))
    declare("logit", lambda x, y: 1 / (x * (1 - x)), domain=PROBABILITY)
    declare("log_expit", lambda x, y: sp.expit(-x))


def _gamma_functions(sp: Any, declare: Any) -> None:
    psi = sp.psi
    declare("gammaln", lambda x, y: psi(x), domain=POSITIVE)
    declare("loggamma", lambda x, y: psi(x), domain=POSITIVE)
    declare("gamma", lambda x, y: y * psi(x), domain=POSITIVE)
    declare("rgamma", lambda x, y: -y * psi(x), domain=POSITIVE)
    declare("psi", lambda x, y: sp.zeta(2.0, x), domain=POSITIVE)
    zeta = sp.zeta.__globals__["_ufuncs"]._zeta if "_ufuncs" in sp.zeta.__globals__ else sp._ufuncs._zeta
    elementwise(
        "zeta",
        zeta,
        (_no_derivative("zeta", "order"), lambda s, q, y: -s * zeta(s + 1, q)),
        weight=SPECIAL,
        examples=lambda draw: [((np.int64(2), abs(draw(3)) + 0.5), {}), ((np.int64(4), np.float64(1.5)), {})],
    )
    declare(
        "betaln", lambda a, b, y: psi(a) - psi(a + b), lambda a, b, y: psi(b) - psi(a + b), domain=POSITIVE
    )
    declare(
        "beta",
        lambda a, b, y: y * (psi(a) - psi(a + b)),
        lambda a, b, y: y * (psi(b) - psi(a + b)),
        domain=POSITIVE,
    )
    declare(
        "poch",
        lambda z, m, y: y * (psi(z + m) - psi(z)),
        lambda z, m, y: y * psi(z + m),
        domain=POSITIVE,
    )
    declare(
        "binom",
        lambda n, k, y: y * (psi(n + 1) - psi(n - k + 1)),
        lambda n, k, y: y * (psi(n - k + 1) - psi(k + 1)),
        domain=((4.5, 6.0), (0.5, 3.5)),
    )
    _incomplete_functions(sp)
    constant("gammasgn", sp.gammasgn, domain=POSITIVE)


def _incomplete_functions(sp: Any) -> None:
    """Incomplete gamma and beta functions: derivatives with respect to the limit of integration."""

    def gamma_density(a: Any, x: Any) -> Any:
        return np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a))

    def beta_density(a: Any, b: Any, x: Any) -> Any:
        return np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b))

    for name, sign in (("gammainc", 1), ("gammaincc", -1)):
        elementwise(
            name,
            getattr(sp, name),
            (_no_derivative(name, "shape a"), functools.partial(_signed, sign, gamma_density)),
            weight=SPECIAL,
            examples=lambda draw: [((np.array([1, 2, 3]), np.float64(1.3)), {})],
        )
    elementwise(
        "betainc",
        sp.betainc,
        (
            _no_derivative("betainc", "shape a"),
            _no_derivative("betainc", "shape b"),
            functools.partial(_signed, 1, beta_density),
        ),
        weight=SPECIAL,
        examples=lambda draw: [((np.array([1, 2]), np.array([3, 2]), np.float64(0.4)), {})],
    )


def _signed(sign: int, density: Callable[..., Any], *operands: Any) -> Any:
    return sign * density(*operands[:-1])


def _entropies(sp: Any, declare: Any) -> None:
    declare("xlogy", lambda x, y, z: np.log(y), lambda x, y, z: _zero_at_zero(x, y), domain=POSITIVE)
    declare("xlog1py", lambda x, y, z: np.log1p(y), lambda x, y, z: _zero_at_zero(x, 1 + y), domain=POSITIVE)
    declare("entr", lambda x, y: -np.log(x) - 1, domain=POSITIVE)
    declare("rel_entr", lambda x, y, z: np.log(x / y) + 1, lambda x, y, z: -x / y, domain=POSITIVE)
    declare("kl_div", lambda x, y, z: np.log(x / y), lambda x, y, z: 1 - x / y, domain=POSITIVE)


def _bessel_functions(sp: Any, declare: Any) -> None:
    declare("i0", lambda x, y: sp.i1(x))
    declare("i1", lambda x, y: 0.5 * (sp.i0(x) + sp.iv(2, x)))
    declare("i0e", lambda x, y: sp.i1e(x) - np.sign(x) * y)
    declare("i1e", lambda x, y: 0.5 * (sp.i0e(x) + sp.ive(2, x)) - np.sign(x) * y)
    declare("j0", lambda x, y: -sp.j1(x))
    declare("j1", lambda x, y: 0.5 * (sp.j0(x) - sp.jv(2, x)))
    declare("y0", lambda x, y: -sp.y1(x), domain=POSITIVE)
    declare("y1", lambda x, y: sp.y0(x) - y / x, domain=POSITIVE)
    declare("k0", lambda x, y: -sp.k1(x), domain=POSITIVE)
    declare("k1", lambda x, y: -sp.k0(x) - y / x, domain=POSITIVE)
    declare("k0e", lambda x, y: y - sp.k1e(x), domain=POSITIVE)
    declare("k1e", lambda x, y: y * (1 - 1 / x) - sp.k0e(x), domain=POSITIVE)
    for name, slope in {
        "iv": lambda v, x, y: 0.5 * (sp.iv(v - 1, x) + sp.iv(v + 1, x)),
        "ive": lambda v, x, y: 0.5 * (sp.ive(v - 1, x) + sp.ive(v + 1, x)) - np.sign(x) * y,
        "jv": lambda v, x, y: 0.5 * (sp.jv(v - 1, x) - sp.jv(v + 1, x)),
        "yv": lambda v, x, y: 0.5 * (sp.yv(v - 1, x) - sp.yv(v + 1, x)),
        "kv": lambda v, x, y: -0.5 * (sp.kv(v - 1, x) + sp.kv(v + 1, x)),
        "kve": lambda v, x, y: y - 0.5 * (sp.kve(v - 1, x) + sp.kve(v + 1, x)),
    }.items():
        elementwise(
            name,
            getattr(sp, name),
            (_no_derivative(name, "order"), slope),
            weight=SPECIAL,
            examples=lambda draw: [((np.array([0, 1, 3]), np.float64(1.7)), {})],
        )


def _other_functions(sp: Any, declare: Any) -> None:
    for name in ("expm1", "exp2", "log1p", "cbrt"):
        UFUNCS[getattr(sp, name)] = getattr(basic, name)
    declare("exp10", lambda x, y: basic.LN10 * y, domain=((-1.5, 1.5),))
    declare("cosm1", lambda x, y: -np.sin(x))
    declare("exprel", _exprel_slope)
    declare("expi", lambda x, y: np.exp(x) / x, domain=POSITIVE)
    declare("exp1", lambda x, y: -np.exp(-x) / x, domain=POSITIVE)
    declare("spence", lambda x, y: np.log(x) / (1 - x), domain=((1.2, 4.0),))
    declare("ellipe", lambda m, y: (y - sp.ellipk(m)) / (2 * m), domain=PROBABILITY)
    declare("ellipk", lambda m, y: (sp.ellipe(m) / (1 - m) - y) / (2 * m), domain=PROBABILITY)
    declare(
        "huber",
        lambda d, r, y: np.where(abs(r) <= d, 0, abs(r) - d),
        lambda d, r, y: np.clip(r, -d, d),
        domain=((2.0, 3.0), (-1.8, 1.8)),
    )
    declare(
        "pseudo_huber",
        lambda d, r, y: 2 * y / d - r * r / d / np.sqrt(1 + (r / d) ** 2),
        lambda d, r, y: r / np.sqrt(1 + (r / d) ** 2),
        domain=AWAY,
    )


# --- SciPy's Python functions -----------------------------------------------------------------------------


def _python_functions(sp: Any) -> None:
    """While a recording runs, SciPy's names give these versions."""
    ours: dict[str, Callable[..., Any]] = {
        "logsumexp": logsumexp_of,
        "softmax": softmax,
        "log_softmax": log_softmax,
        "softplus": softplus,
        "polygamma": polygamma,
    }
    for name, function in ours.items():
        if hasattr(sp, name):
            intercept(getattr(sp, name), function)


def logsumexp_of(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    r"""The logarithm of a sum of exponentials, without overflow.

    .. math:: y = \ln\sum_k b_k\,e^{a_k}

    Parameters
    ----------
    a : array
        The exponents.
    axis : int or tuple of int, optional
        The axes to sum over; all if not given.
    b : array, optional
        Factors, which broadcast against a and may be negative or zero.
    keepdims : bool
        Whether summed axes stay, with length 1.
    return_sign : bool
        Whether to give ``(ln|s|, sign(s))`` of the sum s. Without it the logarithm of a negative sum is NaN.

    Returns
    -------
    array or scalar
        Of the dtype of a, integers as float64; with ``return_sign`` a pair.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.special.logsumexp(np.array([1000.0, 1000.0])).round(6)
    np.float64(1000.693147)
    """
    a = np.atleast_1d(floating(a))
    if b is None and not is_complex(a) and not return_sign:
        return logsumexp_over(a, axis=axis, keepdims=keepdims)
    return _signed_logsumexp(a, axis, b, keepdims, return_sign)


def _signed_logsumexp(a: Any, axis: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    b = operand(1.0 if b is None else b)
    shift = np.max(np.where(b == 0, -np.inf, np.real(a)), axis=axis, keepdims=True)
    shift = bind(basic.stop_gradient, (np.where(np.isfinite(shift), shift, 0),), {})
    total = np.sum(b * np.exp(np.where(b == 0, 0, a - shift)), axis=axis, keepdims=True)
    empty = total == 0
    safe = np.where(empty, 1, total)
    logarithm = np.log(abs(safe)) if return_sign else np.log(safe)
    result = np.where(empty, -np.inf, logarithm + shift)
    sign = np.sign(total)
    if not keepdims:
        gone = axes_from_end(axis, result.ndim)
        result, sign = np.squeeze(result, gone), np.squeeze(sign, gone)
    return (result, sign) if return_sign else result


def _evaluate_softmax(x: Any, axis: Axes) -> Any:
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _softmax_product(vector: Any, y: Any, axis: Axes) -> Any:
    """The Jacobian, which is symmetric, times a vector: y (v - Σ y v)."""
    return y * (vector - np.sum(y * vector, axis=axis, keepdims=True))


softmax_over = nonlinear(
    "softmax",
    _evaluate_softmax,
    lambda tangents, operands, y, *, axis: _softmax_product(tangents[0], y, axis),
    pullback=lambda ct, operands, y, wants, *, axis: [_softmax_product(ct, y, axis)],
    infer=lambda x, axis: (x.shape, x.dtype),
    cost=lambda i, o, **_: 19 * i[0].size,
    text="softmax({0})",
    examples=lambda draw: [((draw(2, 3),), {"axis": (-1,)}), ((1000 + draw(2, 2),), {"axis": (-2, -1)})],
)


def softmax(x: Any, axis: Any = None) -> Any:
    r"""Exponentials divided by their sum, without overflow.

    .. math:: y_k = \frac{e^{x_k}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array
        The exponents.
    axis : int or tuple of int, optional
        The axes that sum to one; all if not given.

    Returns
    -------
    array
        Of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.special.softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    x = floating(x)
    return bind(softmax_over, (x,), {"axis": axes_from_end(axis, x.ndim)})


def log_softmax(x: Any, axis: Any = None) -> Any:
    r"""The logarithm of `softmax`, exact where that would be rounded to 0.

    .. math:: y_k = x_k - \ln\sum_j e^{x_j}

    Parameters
    ----------
    x, axis
        As in `softmax`.

    Returns
    -------
    array
        Of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.special.log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    x = floating(x)
    return x - logsumexp_over(x, axis=axis, keepdims=True)


def softplus(x: Any) -> Any:
    r"""The smooth ramp.

    .. math:: y = \ln(1 + e^x)

    Evaluated as :math:`x + \ln(1 + e^{-x})` where x is positive, so that nothing overflows, and by a single
    exponential, which its derivative needs too.

    Parameters
    ----------
    x : array or number
        Of floating point, or integers, which count as float64.

    Returns
    -------
    array or scalar
        Of the shape of x.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(wg.special.softplus)(0.0)
    np.float64(0.5)
    """
    x = floating(operand(x))
    positive = x >= 0
    return np.where(positive, x, 0.0) + np.log1p(_exp_below_zero(positive, x))


def logistic(x: Any) -> Any:
    r"""The logistic function.

    .. math:: \sigma(x) = \frac{1}{1 + e^{-x}}

    Evaluated as :math:`e^x/(1 + e^x)` where x is negative: accurate also where :math:`\sigma` is tiny.

    Parameters
    ----------
    x : array or number
        Of floating point, or integers, which count as float64.

    Returns
    -------
    array or scalar
        Of the shape of x.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(wg.special.logistic)(0.0)
    np.float64(0.25)
    """
    x = floating(operand(x))
    positive = x >= 0
    e = _exp_below_zero(positive, x)
    return np.where(positive, 1.0, e) / (1 + e)


def _exp_below_zero(positive: Any, x: Any) -> Any:
    """The exponential of -|x|, with the derivative of the branch also at 0."""
    return np.exp(np.where(positive, -x, x))


def polygamma(n: Any, x: Any) -> Any:
    r"""The n-th derivative of the digamma function.

    .. math:: \psi^{(n)}(x) = (-1)^{n+1}\,n!\,\zeta(n+1, x)

    Parameters
    ----------
    n : int or array of int
        Not negative; without a derivative.
    x : array or number
        Of floating point.

    Returns
    -------
    array or scalar
        Of the shape that n and x broadcast to.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.special.polygamma(1, 1.0).round(6)
    np.float64(1.644934)
    """
    import scipy.special as sp

    n, x = operand(n), operand(x)
    return np.where(n == 0, sp.psi(x), (-1.0) ** (n + 1) * sp.gamma(n + 1.0) * sp.zeta(n + 1, x))
