r"""Activation functions: a unit's activation from its pre-activation.

A unit forms the pre-activation :math:`a_j = \sum_i w_{ji} z_i + b_j` of its inputs and gives on the
activation

.. math:: z_j = h(a_j).

Each function here is plain NumPy, works element by element (softmax: along the last axis), neither overflows
nor loses its small values at large :math:`|a|`, and keeps the precision of its argument. Where :math:`h` has
a kink the derivative is that of the branch that the point itself belongs to; which one, each function says.

An activation is known by the name of its function; :data:`ACTIVATIONS` has them all. Those with an option
take it as an argument, and :func:`activation_named` fixes it:

>>> activation_named("leaky_relu(slope=0.2)")(np.array([-1.0, 1.0]))
array([-0.2,  1. ])
"""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from wengert import special
from wengert._refusals import named, require_type

Array = np.ndarray
Activation = Callable[[Array], Array]
Declared = TypeVar("Declared", bound=Callable[..., Array])

ACTIVATIONS: dict[str, Activation] = {}

# Such that a unit of mean 0 and variance 1 gives mean 0 and variance 1 again (Klambauer and others, 2017).
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _activation(h: Declared) -> Declared:
    """Declare an activation under its name."""
    ACTIVATIONS[h.__name__] = h
    return h


# --- threshold and linear ---------------------------------------------------------------------------------


@_activation
def identity(a: Array) -> Array:
    r"""Linear unit, :math:`h(a) = a`; with sum-of-squares error at the output."""
    return a


@_activation
def step(a: Array) -> Array:
    r"""Threshold unit: 1 where :math:`a > 0`, and 0 elsewhere.

    Its derivative is 0, also at the step: it learns by the perceptron's rule, not along a gradient.
    """
    return np.heaviside(a, 0.0)


# --- sigmoids ---------------------------------------------------------------------------------------------


@_activation
def logistic(a: Array) -> Array:
    r"""Logistic sigmoid, :math:`\sigma(a) = 1/(1 + e^{-a})`, with :math:`\sigma' = \sigma(1-\sigma)`.

    It is :func:`wengert.special.logistic`, accurate also where :math:`\sigma` is tiny.
    """
    return special.logistic(a)


@_activation
def tanh(a: Array) -> Array:
    r"""Hyperbolic tangent, with :math:`h' = 1 - h^2`."""
    return np.tanh(a)


@_activation
def hard_tanh(a: Array) -> Array:
    r"""The identity cut at -1 and 1, with :math:`h' = 1` between and 0 elsewhere, at the ends 0."""
    return np.where(np.abs(a) < 1, a, np.sign(a))


@_activation
def softsign(a: Array) -> Array:
    r"""A sigmoid with slow tails, :math:`h(a) = a/(1 + |a|)`, with :math:`h' = 1/(1 + |a|)^2`."""
    return a / (1 + np.abs(a))


@_activation
def gudermannian(a: Array) -> Array:
    r"""The Gudermannian function, from :math:`-\pi/2` to :math:`\pi/2`.

    .. math:: h(a) = \int_0^a \frac{dt}{\cosh t} = 2\arctan\bigl(\tanh(a/2)\bigr), \qquad h' = 1/\cosh a
    """
    return 2 * np.arctan(np.tanh(0.5 * a))


# --- rectifiers -------------------------------------------------------------------------------------------


@_activation
def relu(a: Array) -> Array:
    r"""Rectified linear unit, :math:`h(a) = \max(0, a)`, with :math:`h'(0) = 0`."""
    return np.where(a <= 0, 0.0, a)  # NaN stays NaN


@_activation
def leaky_relu(a: Array, slope: float = 0.01) -> Array:
    r"""Leaky rectified linear unit: :math:`a` where positive, ``slope`` times :math:`a` elsewhere.

    The derivative is 1 or the slope, at 0 the slope. :class:`PReLU` learns it.
    """
    return np.where(a > 0, a, slope * a)


@_activation
def elu(a: Array, alpha: float = 1.0) -> Array:
    r"""Exponential linear unit: :math:`a` where positive, :math:`\alpha(e^a - 1)` elsewhere.

    The derivative is 1 or :math:`\alpha e^a`, at 0 :math:`\alpha`
    (Clevert, Unterthiner and Hochreiter, 2016).
    """
    return np.where(a > 0, a, alpha * _expm1_below_zero(a))


@_activation
def selu(a: Array) -> Array:
    r"""Self-normalising unit: :math:`\lambda a` where positive, :math:`\lambda\alpha(e^a - 1)` elsewhere.

    The derivative is :math:`\lambda` or :math:`\lambda\alpha e^a`, at 0 :math:`\lambda\alpha`, with
    :math:`\lambda = 1.0507` and :math:`\alpha = 1.6733` (Klambauer, Unterthiner, Mayr and Hochreiter, 2017).
    """
    return np.where(a > 0, SELU_SCALE * a, (SELU_SCALE * SELU_ALPHA) * _expm1_below_zero(a))


@_activation
def softplus(a: Array) -> Array:
    r"""Smooth rectifier, :math:`h(a) = \ln(1 + e^a)`, with :math:`h' = \sigma(a)`.

    It is :func:`wengert.special.softplus`, in which nothing overflows.
    """
    return special.softplus(a)


@_activation
def exponential(a: Array) -> Array:
    r"""Exponential unit, :math:`h(a) = e^a`: the rate of counts whose logarithm is a; may overflow."""
    return np.exp(a)


@_activation
def gelu(a: Array) -> Array:
    r"""Gaussian error linear unit, :math:`h(a) = a\,\Phi(a)` with the normal distribution function.

    .. math:: h(a) = \frac a2\Bigl(1 + \operatorname{erf}\frac{a}{\sqrt2}\Bigr), \qquad
              h'(a) = \Phi(a) + \frac{a}{\sqrt{2\pi}}\,e^{-a^2/2}

    (Hendrycks and Gimpel, 2016).
    """
    from scipy.special import ndtr

    return a * ndtr(a)


@_activation
def gelu_tanh(a: Array) -> Array:
    r"""The form of :func:`gelu` without an error function, at most 0.0005 from it.

    .. math:: h(a) = \frac a2\bigl(1 + \tanh u\bigr) = a\,\sigma(2u), \quad
              u = \sqrt{2/\pi}\,(a + 0.044715\,a^3), \qquad
              h' = \sigma(2u) + 2a\,\sigma(2u)\,\sigma(-2u)\,\frac{du}{da}
    """
    return a * logistic((2 * math.sqrt(2 / math.pi)) * (a + 0.044715 * a**3))


@_activation
def silu(a: Array) -> Array:
    r"""Sigmoid linear unit, "swish": :math:`h(a) = a\,\sigma(a)`, with :math:`h' = \sigma + a\,\sigma'`."""
    return a * logistic(a)


@_activation
def mish(a: Array) -> Array:
    r"""Mish, :math:`h(a) = a\tanh s` with :math:`s = \ln(1 + e^a)`.

    The derivative is :math:`h' = \tanh s + a\,\sigma(a)\,(1 - \tanh^2 s)` (Misra, 2019).
    """
    return a * np.tanh(softplus(a))


# --- exponential, and over several units ------------------------------------------------------------------


@_activation
def gaussian(a: Array) -> Array:
    r"""Bell curve, :math:`h(a) = e^{-a^2}`, with :math:`h' = -2a\,h`."""
    return np.exp(-np.square(a))


@_activation
def softmax(a: Array) -> Array:
    r"""Normalised exponential over the last axis, :math:`y_k = e^{a_k} / \sum_j e^{a_j}`.

    Its derivatives are :math:`\partial y_k/\partial a_l = \delta_{kl} y_k - y_k y_l`.
    """
    e = np.exp(a - np.max(a, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@_activation
def log_softmax(a: Array) -> Array:
    r"""The logarithm of :func:`softmax`, exact where that would be rounded to 0.

    .. math:: h_k = a_k - \ln\textstyle\sum_j e^{a_j}, \qquad
              \partial h_k/\partial a_l = \delta_{kl} - y_l
    """
    shifted = a - np.max(a, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


# Those that join all units of a layer; every other takes each unit by itself.
JOINT = (softmax, log_softmax)


def _expm1_below_zero(a: Array) -> Array:
    """e^a - 1 where that is what counts; 0 in the place of exponentials that would overflow."""
    return np.expm1(np.where(a > 0, 0.0, a))


# --- names ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Parametrised:
    """An activation with its options fixed, equal to any other with the same: :func:`activation_named`."""

    function: Callable[..., Array]
    options: tuple[tuple[str, float], ...]

    def __call__(self, a: Array) -> Array:
        """The activation of a pre-activation."""
        return self.function(a, **dict(self.options))

    @property
    def __name__(self) -> str:
        """The name, from which :func:`activation_named` makes it again."""
        return f"{self.function.__name__}({', '.join(f'{name}={value!r}' for name, value in self.options)})"

    def __repr__(self) -> str:
        return self.__name__


def activation_named(activation: str | Activation, **options: float) -> Activation:
    """The activation function of that name; a function is its own answer.

    Parameters
    ----------
    activation
        A name in :data:`ACTIVATIONS`, also with options, ``"leaky_relu(slope=0.2)"``; or any function of one
        argument.
    **options
        The same options as arguments.

    Raises
    ------
    ValueError
        Where there is no activation of that name, or it has no option of that name.
    TypeError
        Where it is neither a name nor a function.

    Examples
    --------
    >>> activation_named("relu") is relu
    True
    >>> activation_named("elu", alpha=0.5)
    elu(alpha=0.5)
    >>> activation_named("elu", alpha=0.5) == activation_named("elu(alpha=0.5)")
    True
    """
    if isinstance(activation, str):
        name, written = _parsed(activation)
        activation, options = named("activation", name, ACTIVATIONS), written | options
    require_type(
        callable(activation), f"an activation is a name or a function of one argument, not {activation!r:.60}"
    )
    return _with_options(activation, options) if options else activation


def activation_name(activation: Activation) -> str | None:
    """The name from which :func:`activation_named` makes this activation; None for any other function.

    Examples
    --------
    >>> activation_name(activation_named("elu", alpha=0.5)), activation_name(np.tanh)
    ('elu(alpha=0.5)', None)
    """
    plain = activation.function if isinstance(activation, Parametrised) else activation
    known = ACTIVATIONS.get(getattr(plain, "__name__", ""))
    return activation.__name__ if known is plain else None


def _with_options(h: Callable[..., Array], options: dict[str, float]) -> Activation:
    """The activation with these options; those that are as usual make no difference."""
    usual = {p.name: p.default for p in [*inspect.signature(h).parameters.values()][1:]}
    unknown = [name for name in options if name not in usual]
    if unknown:
        has = f"it has {', '.join(usual)}" if usual else "it has none"
        raise ValueError(f"activation {h.__name__} has no option {unknown[0]!r}; {has}")
    other = tuple(sorted((name, float(x)) for name, x in options.items() if x != usual[name]))
    return Parametrised(h, other) if other else h


def _parsed(text: str) -> tuple[str, dict[str, float]]:
    """Name and options of ``name(option=value, ...)``."""
    match = re.fullmatch(r"(\w+)\((.*)\)", text)
    if not match:
        return text, {}
    pairs = [part.partition("=") for part in match[2].split(",")]
    return match[1], {name.strip(): _number(text, value) for name, _, value in pairs}


def _number(text: str, value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(
            f"activation {text!r}: {value!r} is not a number; write an option as slope=0.2"
        ) from None
