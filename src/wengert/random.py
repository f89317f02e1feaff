r"""Random numbers from a key: the same on every machine, in native code and out of it.

There is no generator whose state moves on. A *key* is an array of two words, and a draw is a function of it,

.. math:: w_i = \mathrm{Philox}_k(i),\qquad i = 0, 1, 2, \dots

so whoever draws twice splits the key first, and a loop carries its key along:

>>> import numpy as np
>>> import wengert as wg
>>> def step(key, x):
...     key, now = wg.random.split(key)
...     return key, x + 0.1 * wg.random.normal(now)
>>> _, ys = wg.scan(step, wg.random.key(0), np.zeros(3))
>>> ys.shape
(3,)

The bits are those of Philox4x32-10 (Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2,
3*, SC11). Of n words the i-th is word ⌊i/q⌋ of block i mod q, where q = ⌈n/4⌉: so a vector of blocks gives
four vectors of words, which stand in four quarters of the result, and no word moves from lane to lane. The
last word of the counter says what the block is for; so numbers, new keys and shuffles of one key have
nothing to do with each other.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS
from wengert.core.recorder import Tracer, bind, type_of
from wengert.core.tracer import operand
from wengert.errors import MismatchError, at_user_line
from wengert.ops import variates
from wengert.ops.bits import FOLDS, KEYS, MASK, NUMBERS, SHUFFLES, philox, shuffle
from wengert.ops.reduction import axes_from_end

__all__ = [
    "key",
    "split",
    "fold_in",
    "bits",
    "uniform",
    "normal",
    "exponential",
    "bernoulli",
    "integers",
    "permutation",
    "shuffled",
    "choice",
    "categorical",
]


def __dir__() -> list[str]:
    return __all__


Shape = int | Sequence[int]

ZERO = np.uint32(0)
# Blocks that are worked on at a time outside a recording, so that everything on the way stays in the cache.
CHUNK = 1 << 13
# Up to so many elements are ranked, so that every order has the same probability; a cipher shuffles more.
RANKED = 64

# As NumPy's own, which does not look whether its indices are traced.
take = FUNCTIONS[np.take]


# --- keys ---------------------------------------------------------------------------------------------


def key(seed: Any) -> Any:
    r"""A key from a seed.

    .. math:: k = (s \bmod 2^{32},\ \lfloor s/2^{32}\rfloor \bmod 2^{32})

    Parameters
    ----------
    seed : int
        Below 2⁶⁴; negative ones count from there.

    Returns
    -------
    array
        Two words (uint32): an array like any other, to be saved, carried through a loop or given to ``vmap``.

    Raises
    ------
    ValueError
        Where the seed has more than 64 bits.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.random.key(7)
    array([7, 0], dtype=uint32)
    """
    return np.stack(_halves(seed))


def split(key: Any, n: int = 2) -> Any:
    r"""New keys, each as good as independent of the others and of all that is drawn with the old one.

    Parameters
    ----------
    key : array
        From `key`, `split` or `fold_in`.
    n : int
        How many.

    Returns
    -------
    array
        Of shape (n, 2), a key in each row.

    Examples
    --------
    >>> import wengert as wg
    >>> first, second = wg.random.split(wg.random.key(0))
    >>> wg.vmap(wg.random.normal)(wg.random.split(first, 5)).shape
    (5,)
    """
    return _new_keys(np.arange(n, dtype=np.uint32), ZERO, KEYS, key)


def fold_in(key: Any, number: Any) -> Any:
    """A new key from a key and a number, such as the number of a step: a different one for each.

    Parameters
    ----------
    key : array
        As in `split`.
    number : int
        Of at most 64 bits; may be traced.

    Returns
    -------
    array
        The new key.

    Examples
    --------
    >>> import wengert as wg
    >>> key = wg.random.key(0)
    >>> bool((wg.random.fold_in(key, 1) == wg.random.fold_in(key, 2)).any())
    False
    """
    low, high = _halves(number)
    return _new_keys(low, high, FOLDS, key)


def _new_keys(low: Any, high: Any, purpose: Any, key: Any) -> Any:
    return np.stack(bind(philox, (low, high, ZERO, purpose, *_key_words(key)), {})[:2], axis=-1)


def _halves(number: Any) -> list[Any]:
    """The lower and the upper word of a whole number."""
    if issubclass(type(number), int):  # a tracer of one says that it is an int, too
        if not -(2**63) <= number < 2**64:
            raise ValueError(
                at_user_line(f"wg.random: {number} has more than 64 bits. Give a smaller number.")
            )
        return [np.uint32(number & MASK), np.uint32(number >> 32 & MASK)]
    number = operand(number)
    if number.dtype.kind not in "iu":
        raise TypeError(
            at_user_line(
                f"wg.random wants a whole number here, and got {number.dtype}. Write x.astype(np.int64)."
            )
        )
    number = number.astype(np.uint64)
    return [(number & MASK).astype(np.uint32), (number >> 32).astype(np.uint32)]


def _key_words(key: Any) -> tuple[Any, Any]:
    if getattr(key, "shape", None) != (2,) or getattr(key, "dtype", None) != np.uint32:
        what = type_of(key) if hasattr(key, "dtype") else f"a {type(key).__name__}"
        raise MismatchError(
            at_user_line(
                f"wg.random needs a key, and got {what}. Make one with wg.random.key(seed); for an array of "
                "keys use wg.vmap."
            )
        )
    key = operand(key)
    return key[0], key[1]


# --- numbers ------------------------------------------------------------------------------------------


def bits(key: Any, shape: Shape = (), dtype: Any = np.uint32) -> Any:
    """Random bits.

    Parameters
    ----------
    key : array
        From `key`, `split` or `fold_in`.
    shape : int or tuple of int
        Of the result.
    dtype : dtype
        An unsigned integer type.

    Returns
    -------
    array or scalar
        Whole numbers from all of the type.

    Examples
    --------
    >>> import wengert as wg
    >>> hex(wg.random.bits(wg.random.key(0)))
    '0x6627e8d5'
    """
    dtype = np.dtype(dtype)
    if dtype.kind != "u":
        raise TypeError(
            at_user_line(f"wg.random.bits gives unsigned integers, not {dtype}. Use wg.random.integers.")
        )
    found = _drawn(key, shape, 1 + (dtype.itemsize == 8), variates.joined)
    return found if found.dtype == dtype else found.astype(dtype)


def uniform(key: Any, shape: Shape = (), dtype: Any = np.float64, low: Any = 0.0, high: Any = 1.0) -> Any:
    r"""Numbers from an interval, all alike probable.

    .. math:: x = l + (h - l)\,u,\qquad u\in[0, 1)

    Parameters
    ----------
    key, shape
        As in `bits`.
    dtype : dtype
        float64 (u has 53 bits) or float32 (24 bits).
    low, high : array or number
        The ends; may be traced, and the result has a derivative with respect to them. The upper one is
        excluded but for rounding.

    Returns
    -------
    array or scalar

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.random.uniform(wg.random.key(0), 3, np.float32)
    array([0.39904642, 0.88052016, 0.73571277], dtype=float32)
    """
    u = _real(key, shape, dtype, variates.uniform)
    return u if _is(low, 0) and _is(high, 1) else low + (high - low) * u


def normal(key: Any, shape: Shape = (), dtype: Any = np.float64, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    r"""Numbers from a normal distribution.

    .. math:: p(x) = \frac{1}{\sqrt{2\pi}\,\sigma}\,e^{-(x-\mu)^2/2\sigma^2}

    By the inverse of the distribution function, right to a few units in the last place.

    Parameters
    ----------
    key, shape, dtype
        As in `uniform`.
    loc, scale : array or number
        μ and σ, which broadcast against the shape; may be traced, and the result has a derivative with
        respect to them.

    Returns
    -------
    array or scalar

    Examples
    --------
    >>> import wengert as wg
    >>> key = wg.random.key(0)
    >>> wg.grad(lambda scale: wg.random.normal(key, scale=scale))(2.0) == wg.random.normal(key)
    np.True_
    """
    z = _real(key, shape, dtype, variates.normal)
    z = z if _is(scale, 1) else scale * z
    return z if _is(loc, 0) else loc + z


def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64, scale: Any = 1.0) -> Any:
    r"""Numbers from an exponential distribution.

    .. math:: p(x) = \tfrac1s\,e^{-x/s},\qquad x > 0

    Parameters
    ----------
    key, shape, dtype
        As in `uniform`.
    scale : array or number
        The mean s; may be traced.

    Returns
    -------
    array or scalar

    Examples
    --------
    >>> import wengert as wg
    >>> bool(wg.random.exponential(wg.random.key(0), 1000).min() > 0)
    True
    """
    x = _real(key, shape, dtype, variates.exponential)
    return x if _is(scale, 1) else scale * x


def bernoulli(key: Any, p: Any = 0.5, shape: Shape | None = None) -> Any:
    r"""Truth values, true with a probability: also the mask of dropout.

    .. math:: P(x) = p

    Parameters
    ----------
    key : array
        As in `bits`.
    p : array or number
        The probability, to 2⁻³²; below 0 counts as 0 and above 1 as 1. May be traced; has no derivative.
    shape : int or tuple of int, optional
        Of the result; that of p if not given.

    Returns
    -------
    array or scalar of bool

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def dropout(key, x, keep=0.9):
    ...     return np.where(wg.random.bernoulli(key, keep, x.shape), x / keep, 0.0)
    >>> dropout(wg.random.key(0), np.ones(10**6)).mean().round(2)
    np.float64(1.0)
    """
    p = _array(p, np.float64)
    last = np.clip(np.ceil(p * 2.0**32) - 1, 0, MASK).astype(np.uint32)
    return (bits(key, np.shape(p) if shape is None else shape) <= last) & (p > 0)


def integers(key: Any, shape: Shape, low: Any, high: Any, dtype: Any = np.int64) -> Any:
    r"""Whole numbers from an interval, all alike probable.

    .. math:: x = l + \lfloor (h - l)\,w/2^{64}\rfloor,\qquad l\le x<h

    Parameters
    ----------
    key, shape
        As in `bits`.
    low, high : int or array of int
        The ends, of which the upper one is excluded; may be traced.
    dtype : dtype
        An integer type that holds them.

    Returns
    -------
    array or scalar

    Raises
    ------
    ValueError
        Where the interval is empty, as far as that is known.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.random.integers(wg.random.key(0), 8, 1, 7)
    array([3, 6, 1, 5, 5, 5, 1, 4])
    """
    dtype = np.dtype(dtype)
    _check_interval(low, high, dtype)
    whole = isinstance(low, int) and isinstance(high, int)
    count = np.uint64(high - low) if whole else (_array(high, dtype) - _array(low, dtype)).astype(np.uint64)
    found = variates.below(count, _drawn(key, shape, 2, variates.joined)).astype(dtype)
    with np.errstate(over="ignore"):
        return found + _array(low, dtype)


def _check_interval(low: Any, high: Any, dtype: np.dtype[Any]) -> None:
    if isinstance(low, Tracer) or isinstance(high, Tracer):
        return
    info = np.iinfo(dtype)
    if np.any(np.greater_equal(low, high)):
        raise ValueError(
            at_user_line(f"wg.random.integers: no whole number is in [{low}, {high}). Give a higher end.")
        )
    if np.any(np.less(low, info.min)) or np.any(np.greater(high, info.max + 1)):
        raise ValueError(
            at_user_line(f"wg.random.integers: [{low}, {high}) goes beyond {dtype}. Give a dtype.")
        )


# --- orders and choices -------------------------------------------------------------------------------


def permutation(key: Any, x: Any) -> Any:
    r"""The numbers below n, or the rows of an array, in random order.

    .. math:: y_i = x_{\pi(i)}

    Up to 64 elements are ranked by random words. More are shuffled by a Feistel network of ten rounds, a
    cipher for numbers below rows times columns ≥ n, applied again to what falls on n or above; so an element
    costs the same whatever n is (a few nanoseconds in native code), and nothing is sorted or remembered.

    Parameters
    ----------
    key : array
        As in `bits`.
    x : int or array
        n, or an array whose first axis is permuted.

    Returns
    -------
    array
        Of int64 for a number, else like x.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> np.sort(wg.random.permutation(wg.random.key(0), 5))
    array([0, 1, 2, 3, 4])

    References
    ----------
    Luby and Rackoff, *How to construct pseudorandom permutations from pseudorandom functions*, SIAM Journal
    on Computing 17 (1988); Black and Rogaway, *Ciphers with arbitrary finite domains*, CT-RSA 2002.
    """
    if not isinstance(x, int | np.integer):
        return take(x, permutation(key, np.shape(x)[0]), axis=0)
    return _ranks(key, int(x)) if x <= RANKED else shuffled(key, np.arange(x, dtype=np.uint32), int(x))


def shuffled(key: Any, places: Any, n: int) -> Any:
    """Some entries of ``permutation(key, n)``, without making the others: a minibatch of a shuffled epoch.

    Parameters
    ----------
    key : array
        As in `bits`.
    places : int or array of int
        Which entries: from 0 to n - 1; may be traced.
    n : int
        At most 2³².

    Returns
    -------
    array or scalar
        Of int64, of the shape of places.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> key = wg.random.key(0)
    >>> batch = wg.random.shuffled(key, np.arange(32, 64), 1000)
    >>> bool((batch == wg.random.permutation(key, 1000)[32:64]).all())
    True
    """
    if n > MASK + 1:
        raise ValueError(at_user_line(f"wg.random shuffles at most 2**32 elements, not {n}."))
    if n <= RANKED:
        return take(_ranks(key, n), places)
    own = _new_keys(ZERO, ZERO, SHUFFLES, key)

    def stir(places: Any) -> list[Any]:
        return [bind(shuffle, (places, own[0], own[1]), {"count": n})]

    places = places if getattr(places, "dtype", None) == np.uint32 else _array(places, np.uint32)
    return _in_pieces(stir, places, own)[0].astype(np.int64)


def _ranks(key: Any, n: int) -> Any:
    """The places of n random words in order of size; the first of equals comes first."""
    x = _drawn(_new_keys(ZERO, ZERO, SHUFFLES, key), n, 1, variates.joined)
    earlier = np.tri(n, k=-1, dtype=bool)
    return np.sum((x < x[:, None]) | ((x == x[:, None]) & earlier), axis=1)


def choice(key: Any, a: Any, shape: Shape = (), replace: bool = True, p: Any = None) -> Any:
    r"""Elements picked at random.

    .. math:: P(x = a_i) = p_i / \textstyle\sum_j p_j

    Parameters
    ----------
    key, shape
        As in `bits`.
    a : int or array
        The number n stands for 0, ..., n - 1; an array for the elements of its first axis.
    replace : bool
        Whether an element may come twice.
    p : array, optional
        How probable each element is, up to a factor; all alike if not given. May be traced.

    Returns
    -------
    array or scalar

    Raises
    ------
    ValueError
        Where more are wanted than there are, without replacement.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.random.choice(wg.random.key(0), 3, 6, p=[0.0, 1.0, 1.0]).tolist()
    [1, 2, 1, 2, 2, 1]
    """
    elements = None if isinstance(a, int | np.integer) else operand(a)
    n = int(a) if elements is None else elements.shape[0]
    picked = _with_replacement(key, n, shape, p) if replace else _without_replacement(key, n, shape, p)
    return picked if elements is None else take(elements, picked, axis=0)


def _with_replacement(key: Any, n: int, shape: Shape, p: Any) -> Any:
    if p is None:
        return integers(key, shape, 0, n)
    edges = np.cumsum(_array(p, np.float64))
    return np.minimum(np.searchsorted(edges, uniform(key, shape) * edges[-1], side="right"), n - 1)


def _without_replacement(key: Any, n: int, shape: Shape, p: Any) -> Any:
    shape = _shape(shape)
    count = math.prod(shape)
    if count > n:
        raise ValueError(
            at_user_line(f"wg.random.choice: {count} of {n} elements, without replacement. Say replace=True.")
        )
    if p is None:
        return np.reshape(shuffled(key, np.arange(count), n), shape)
    p = _array(p, np.float64)
    arrivals = np.where(p > 0, exponential(key, n) / np.where(p > 0, p, 1.0), np.inf)
    return np.reshape(np.argsort(arrivals)[:count], shape)


def categorical(key: Any, logits: Any, axis: int = -1, shape: Shape = ()) -> Any:
    r"""Classes picked with probabilities given by their logarithms.

    .. math:: P(k) = \frac{e^{a_k}}{\sum_j e^{a_j}}

    The class that comes first, where class k arrives after an exponential time with rate :math:`e^{a_k}`.

    Parameters
    ----------
    key : array
        As in `bits`.
    logits : array
        Of floating point; may be traced.
    axis : int
        The axis of the classes.
    shape : int or tuple of int
        How many draws of each: axes in front.

    Returns
    -------
    array or scalar of int
        Of the shape of logits without the axis, behind ``shape``.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> classes = wg.random.categorical(wg.random.key(0), np.log([0.1, 0.2, 0.7]), shape=10**5)
    >>> (np.bincount(classes) / 10**5).round(2)
    array([0.1, 0.2, 0.7])
    """
    logits = operand(logits)
    (axis,) = axes_from_end(axis, logits.ndim)
    dtype = np.float32 if logits.dtype == np.float32 else np.float64
    arrivals = exponential(key, (*_shape(shape), *logits.shape), dtype)
    return np.argmax(logits - np.log(arrivals), axis=axis)


# --- words to arrays ----------------------------------------------------------------------------------


def _is(value: Any, number: float) -> bool:
    """Whether a parameter is the number that needs no arithmetic."""
    return isinstance(value, int | float) and value == number


def _real(key: Any, shape: Shape, dtype: Any, formula: Callable[..., Any]) -> Any:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(at_user_line(f"wg.random draws float64 or float32, not {dtype}. Convert the result."))
    return _drawn(key, shape, dtype.itemsize // 4, formula)


def _drawn(key: Any, shape: Shape, words: int, formula: Callable[..., Any]) -> Any:
    """An array of a formula's results, each from so many words."""
    shape, low_high = _shape(shape), _key_words(key)
    count, groups = math.prod(shape), range(0, 4, words)
    blocks = -(-count // len(groups))
    needed = groups[: -(-count // max(blocks, 1)) or 1]

    def draw(counters: Any) -> list[Any]:
        block = bind(philox, (counters, ZERO, ZERO, NUMBERS, *low_high), {})
        return [formula(block[i : i + words]) for i in needed]

    parts = _in_pieces(draw, np.arange(blocks, dtype=np.uint32), key)
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return whole[0] if shape == () else np.reshape(whole[:count], shape)


def _in_pieces(f: Callable[[Any], list[Any]], x: Any, key: Any) -> list[Any]:
    """f(x), outside a recording a piece at a time."""
    if isinstance(key, Tracer) or isinstance(x, Tracer) or np.ndim(x) != 1 or len(x) <= CHUNK:
        return f(x)
    pieces = [f(x[start : start + CHUNK]) for start in range(0, len(x), CHUNK)]
    return [np.concatenate(column) for column in zip(*pieces, strict=True)]


def _shape(shape: Shape) -> tuple[int, ...]:
    return tuple(map(operator.index, shape if isinstance(shape, tuple | list) else (shape,)))


def _array(x: Any, dtype: Any) -> Any:
    """A parameter in a dtype, numbers as NumPy scalars."""
    x = operand(x)
    return x.astype(dtype) if hasattr(x, "astype") else np.dtype(dtype).type(x)
