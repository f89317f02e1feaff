r"""Sampled functions: Fourier transforms, convolution, interpolation.

The matrix of the discrete Fourier transform is symmetric, so its transpose is itself:

.. math:: \hat x_k=\sum_j x_j\,e^{-2\pi ijk/n},\qquad \bar x_j=\sum_k \bar{\hat x}_k\,e^{-2\pi ijk/n}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS, Primitive, bilinear, implements, linear
from wengert.core.recorder import bind
from wengert.core.trace import Type
from wengert.ops.indexing import _take
from wengert.ops.reduction import axes_from_end
from wengert.ops.shape import as_array
from wengert.ops.statistics import floating

# --- one axis ---------------------------------------------------------------------------------------------


def _complex_type(x: Type) -> Any:
    return np.result_type(x.dtype, np.complex64)


def _along(ndim: int, axis: int, index: Any) -> tuple[Any, ...]:
    return (Ellipsis, index) + (slice(None),) * (-axis - 1)


def _cost(inputs: Any, outputs: Any, **_: Any) -> int:
    return int(5 * outputs[0].size * max(outputs[0].size, 2).bit_length())


def _replaced(shape: Any, axis: int, n: int) -> tuple[int, ...]:
    return tuple(n if i == axis + len(shape) else length for i, length in enumerate(shape))


def _signals(draw: Any, **params: Any) -> Any:
    return [
        ((draw(5),), {"axis": -1, **params}),
        ((draw(4, 2),), {"axis": -2, **params}),
        ((draw(3) + 1j * draw(3),), {"axis": -1, **params}),
    ]


fft: Primitive = linear(
    "fft",
    lambda x, axis: np.fft.fft(x, axis=axis),
    lambda ct, x, *, axis: bind(fft, (ct,), {"axis": axis}),
    infer=lambda x, axis: (x.shape, _complex_type(x)),
    cost=_cost,
    text="fft({0})",
    examples=_signals,
)
ifft: Primitive = linear(
    "ifft",
    lambda x, axis: np.fft.ifft(x, axis=axis),
    lambda ct, x, *, axis: bind(ifft, (ct,), {"axis": axis}),
    infer=lambda x, axis: (x.shape, _complex_type(x)),
    cost=_cost,
    text="ifft({0})",
    examples=_signals,
)


def _rfft_transpose(ct: Any, x: Any, *, axis: int) -> Any:
    return np.real(bind(fft, (_resized(ct, x.shape[axis], axis),), {"axis": axis}))


rfft: Primitive = linear(
    "rfft",
    lambda x, axis: np.fft.rfft(x, axis=axis),
    _rfft_transpose,
    infer=lambda x, axis: (_replaced(x.shape, axis, x.shape[axis] // 2 + 1), _complex_type(x)),
    cost=_cost,
    text="rfft({0})",
    examples=lambda draw: _signals(draw)[:2],
)


def _irfft_transpose(ct: Any, x: Any, *, axis: int, n: int) -> Any:
    """All frequencies count twice, for their mirror image too, except 0 and, for even n, the highest."""
    k = np.arange(n // 2 + 1)
    weight = np.where((k == 0) | (2 * k == n), 1.0, 2.0).reshape((-1,) + (1,) * (-axis - 1)) / n
    return np.conjugate(bind(rfft, (ct,), {"axis": axis})) * weight


irfft: Primitive = linear(
    "irfft",
    lambda x, axis, n: np.fft.irfft(x, n=n, axis=axis),
    _irfft_transpose,
    infer=lambda x, axis, n: (_replaced(x.shape, axis, n), np.empty(0, _complex_type(x)).real.dtype),
    cost=_cost,
    text="irfft({0})",
    examples=lambda draw: [
        ((draw(3) + 1j * draw(3),), {"axis": -1, "n": n}) for n in (4, 5)
    ] + [((draw(2, 2) + 1j * draw(2, 2),), {"axis": -2, "n": 3})],
)  # fmt: skip


def _resized(x: Any, n: int, axis: int) -> Any:
    """The array with an axis cut, or filled up with zeros, to length n."""
    length = x.shape[axis]
    if length >= n:
        return x if length == n else x[_along(x.ndim, axis, slice(0, n))]
    widths = [(0, n - length) if i == axis + x.ndim else (0, 0) for i in range(x.ndim)]
    return np.pad(x, widths)


def _scaled(x: Any, n: int, norm: Any, inverse: bool) -> Any:
    """NumPy's ``norm``: which of the two directions is divided by n."""
    if norm in (None, "backward"):
        return x
    factor = n**-0.5 if norm == "ortho" else 1 / n
    return x / factor if inverse else x * factor


def _transform(primitive: Primitive, inverse: bool) -> Callable[..., Any]:
    def transform(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        a = floating(a)
        (place,) = axes_from_end(axis, a.ndim)
        n = a.shape[place] if n is None else int(n)
        result = bind(primitive, (_resized(a, n, place),), {"axis": place})
        return _scaled(result, n, norm, inverse)

    return transform


_fft, _ifft, _rfft = _transform(fft, False), _transform(ifft, True), _transform(rfft, False)


@implements(np.fft.irfft)
def _irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    a = floating(a)
    (place,) = axes_from_end(axis, a.ndim)
    n = 2 * (a.shape[place] - 1) if n is None else int(n)
    result = bind(irfft, (_resized(a, n // 2 + 1, place),), {"axis": place, "n": n})
    return _scaled(result, n, norm, True)


_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@implements(np.fft.hfft)
def _hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _irfft(np.conjugate(a), n, axis, _SWAPPED[norm])


@implements(np.fft.ihfft)
def _ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return np.conjugate(_rfft(a, n, axis, _SWAPPED[norm]))


FUNCTIONS.update({np.fft.fft: _fft, np.fft.ifft: _ifft, np.fft.rfft: _rfft})

# --- several axes -----------------------------------------------------------------------------------------


def _lengths(a: Any, s: Any, axes: Any) -> list[tuple[Any, int]]:
    """Pairs of length (None for the array's own) and axis."""
    if axes is None:
        axes = range(-(a.ndim if s is None else len(s)), 0)
    return list(zip([None] * len(axes) if s is None else s, axes, strict=True))


def _transform_n(one: Callable[..., Any], first: Callable[..., Any], axes: Any) -> Callable[..., Any]:
    """``one`` over all axes, where the last, which goes first, may have a function of its own."""

    def transform(a: Any, s: Any = None, axes: Any = axes, norm: Any = None, out: Any = None) -> Any:
        a = floating(a)
        *others, last = _lengths(a, s, axes)
        a = first(a, *last, norm)
        for n, axis in reversed(others):
            a = one(a, n, axis, norm)
        return a

    return transform


def _irfftn(default: Sequence[int] | None) -> Callable[..., Any]:
    def transform(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        a = floating(a)
        *others, last = _lengths(a, s, axes)
        for n, axis in others:
            a = _ifft(a, n, axis, norm)
        return _irfft(a, *last, norm)

    return transform


_TWO = (-2, -1)
FUNCTIONS.update(
    {
        np.fft.fft2: _transform_n(_fft, _fft, _TWO),
        np.fft.fftn: _transform_n(_fft, _fft, None),
        np.fft.ifft2: _transform_n(_ifft, _ifft, _TWO),
        np.fft.ifftn: _transform_n(_ifft, _ifft, None),
        np.fft.rfft2: _transform_n(_fft, _rfft, _TWO),
        np.fft.rfftn: _transform_n(_fft, _rfft, None),
        np.fft.irfft2: _irfftn(_TWO),
        np.fft.irfftn: _irfftn(None),
    }
)

# --- convolution ------------------------------------------------------------------------------------------


def _middle(ct: Any, other: Any, n: int) -> Any:
    """The transpose of a convolution: convolve with the other operand backwards, and keep the middle."""
    start = other.shape[0] - 1
    return bind(convolve, (ct, np.flip(other)), {})[start : start + n]


convolve: Primitive = bilinear(
    "convolve",
    lambda a, b: np.convolve(a, b),
    (lambda ct, a, b: _middle(ct, b, a.shape[0]), lambda ct, a, b: _middle(ct, a, b.shape[0])),
    infer=lambda a, b: ((a.shape[0] + b.shape[0] - 1,), np.result_type(a.dtype, b.dtype)),
    batch="loop",
    cost=lambda i, o: 2 * i[0].size * i[1].size,
    text="{0} * {1}",
    examples=lambda draw: [((draw(5), draw(3)), {}), ((draw(2), draw(4)), {}), ((draw(1), draw(1)), {})],
)


def _cut(full: Any, m: int, n: int, mode: str, ahead: int) -> Any:
    short, long = min(m, n), max(m, n)
    if mode == "full":
        return full
    if mode == "same":
        start = (short - 1 + ahead) // 2
        return full[start : start + long]
    return full[short - 1 : long]


@implements(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(as_array(a)), np.atleast_1d(as_array(v))
    return _cut(bind(convolve, (a, v), {}), a.shape[0], v.shape[0], mode, 0)


@implements(np.correlate)
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = np.atleast_1d(as_array(a)), np.atleast_1d(as_array(v))
    full = bind(convolve, (a, np.flip(np.conjugate(v))), {})
    return _cut(full, a.shape[0], v.shape[0], mode, int(v.shape[0] > a.shape[0]))


# --- interpolation ----------------------------------------------------------------------------------------


@implements(np.interp)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    x, xp, fp = floating(x), floating(xp), floating(fp)
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, abs(period))
        left = right = None
    inside = _between(x, xp, fp) if xp.shape[0] > 1 else fp[0]
    inside = np.where(x < xp[0], fp[0] if left is None else left, inside)
    return np.where(x > xp[-1], fp[-1] if right is None else right, inside)


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    xp = xp % period
    order = np.argsort(xp)
    xp, fp = xp[order], fp[order]
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x % period, xp, np.concatenate([fp[-1:], fp, fp[:1]])


def _between(x: Any, xp: Any, fp: Any) -> Any:
    """On the line through the two neighbours of x."""
    above = np.clip(np.searchsorted(xp, x, side="right"), 1, xp.shape[0] - 1)
    below = above - 1
    (x0, x1), (y0, y1) = ([_take(p, i) for i in (below, above)] for p in (xp, fp))
    slope = (y1 - y0) / np.where(x1 == x0, 1, x1 - x0)
    return y0 + slope * (x - x0)
