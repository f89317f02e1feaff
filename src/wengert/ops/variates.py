r"""Random numbers of the usual distributions, as functions of random words of 32 bits.

One word gives a float32, two give a float64. A word is a probability p, and the number is the quantile there;
for the normal distribution, where p is that of a larger magnitude,

.. math:: L = -\ln p,\qquad |z| = L\,R\bigl(\sqrt{2L}\bigr),\qquad \operatorname{erfc}(|z|/\sqrt2) = e^{-L}

with one rational function R for all L. Whole numbers, sums, products, quotients and square roots are all that
is used: they are rounded alike on every machine, and so is the result. (NumPy's log is not, nor is its exp.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.recorder import bind
from wengert.ops.bits import MASK, leading_zeros


class Format(NamedTuple):
    """A floating-point format, the whole numbers it is made from, and how long its series are."""

    real: type
    whole: type
    width: int
    digits: int
    terms: int
    top: tuple[float, ...]
    bottom: tuple[float, ...]


# R on [0, 6.7] to 2⁻²⁶ and on [0, 9.45] to 2⁻⁵³, relative; fitted by weighted least squares, the weights
# moved until all errors were alike, with 50 digits. No coefficient is negative, so nothing cancels.
SINGLE = Format(
    np.float32, np.uint32, 32, 24, 6,
    (1.2533141558520624, 1.756981466365954, 1.8567455014616338, 1.1569753203352087,
     0.44336657954172995, 0.06308466339092997),
    (1.0, 1.4018705365559877, 1.7314182808073495, 1.274044497811908,
     0.6775414490468388, 0.2234782922534847, 0.031512916001636706),
)  # fmt: skip
DOUBLE = Format(
    np.float64, np.uint64, 64, 53, 12,
    (1.2533141373155001, 3.087461531843396, 5.535916999151491, 6.82766880667115, 6.596328620721969,
     4.954132532952417, 2.927208538235419, 1.324438014622234, 0.43854098886827936, 0.09559305039875285,
     0.010913916480269974, 0.0005068396361604906, 6.537256966564815e-06),
    (1.0, 2.4634378883305765, 4.667022703512342, 6.0635509990757175, 6.322747929251924, 5.204838700831296,
     3.4706422498428777, 1.8422045872066255, 0.7637304571885173, 0.2346779686041673, 0.04877124705452867,
     0.005474870118439501, 0.00025344067209185956, 3.268578647517768e-06),
)  # fmt: skip
FORMATS = {1: SINGLE, 2: DOUBLE}


def uniform(words: Sequence[Any]) -> Any:
    """From [0, 1), a multiple of 2⁻²⁴ or 2⁻⁵³."""
    form = FORMATS[len(words)]
    return (joined(words) >> (form.width - form.digits)).astype(form.real) * 2.0**-form.digits


def exponential(words: Sequence[Any]) -> Any:
    """With density e⁻ˣ; never 0."""
    return _minus_log(joined(words) | 1, FORMATS[len(words)])


def normal(words: Sequence[Any]) -> Any:
    """With density e^(-x²/2)/√(2π): the highest bit is the sign."""
    form, whole = FORMATS[len(words)], joined(words)
    tail = _minus_log((whole << 1) | 1, form)
    t = np.sqrt(2 * tail)
    size = tail * (_polynomial(t, form.top) / _polynomial(t, form.bottom))
    return np.where(whole < form.whole(1 << (form.width - 1)), size, -size)


def joined(words: Sequence[Any]) -> Any:
    """A word, or two as one number of 64 bits."""
    return words[0] if len(words) == 1 else (words[0].astype(np.uint64) << 32) | words[1].astype(np.uint64)


def _minus_log(whole: Any, form: Format) -> Any:
    """-ln(n/2ʷ) for whole 0 < n < 2ʷ, by its leading digits, of which the last is set."""
    zeros = bind(leading_zeros, (whole,), {})
    leading = (whole << zeros) >> (form.width - form.digits) | 1
    fraction = leading.astype(form.real) * 2.0**-form.digits
    low = fraction < math.sqrt(0.5)
    fraction = np.where(low, 2 * fraction, fraction)
    powers = zeros.astype(form.real) + low.astype(form.real)
    return powers * math.log(2) - _log_near_one(fraction, form.terms)


def _log_near_one(x: Any, terms: int) -> Any:
    """2 artanh((x - 1)/(x + 1)), by its series."""
    s = (x - 1) / (x + 1)
    return s * _polynomial(s * s, [2 / (2 * k + 1) for k in range(terms)])


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Σ cₖ xᵏ by Horner's scheme."""
    total: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


def below(count: Any, word: Any) -> Any:
    """A whole number below the count: ⌊count·w/2⁶⁴⌋; all are numbers of 64 bits."""
    mask = np.uint64(MASK)
    high, low = word >> 32, word & mask
    upper, lower = count >> 32, count & mask
    middle = high * lower + ((low * lower) >> 32)
    return high * upper + (middle >> 32) + ((low * upper + (middle & mask)) >> 32)
