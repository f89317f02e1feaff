r"""Layers that imported networks need beside those of `wengert.nn`: arithmetic with fixed numbers, moves.

.. math:: y_j = x_j \circ c_j, \qquad \circ \in \{+, -, \times, /, \dots\}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.nn import Layer

Array = np.ndarray

MOST_NUMBERS = 1 << 16  # of a shape that is computed


@dataclass(frozen=True, repr=False, eq=False)
class Arithmetic(Layer):
    """An operation with a constant, such as the mean that is subtracted from the inputs; it is not trained.

    Examples
    --------
    >>> Arithmetic(np.array([1.0, 2.0]), np.subtract)(np.array([5.0, 5.0]))
    array([4., 3.])
    """

    constant: Array = field(metadata={"trained": False})
    operation: Callable[[Any, Any], Any] = field(metadata={"static": True})

    def __call__(self, x: Any) -> Any:
        """The operation on the inputs and the constant."""
        return self.operation(x, self.constant)


def subtracted_from(x: Any, constant: Any) -> Any:
    """The constant less x."""
    return constant - x


def divided_into(x: Any, constant: Any) -> Any:
    """The constant divided by x."""
    return constant / x


def raised_by(x: Any, constant: Any) -> Any:
    """The constant to the power of x."""
    return np.power(constant, x)


@dataclass(frozen=True, repr=False, eq=False)
class Multiplied(Layer):
    """A fixed matrix times what comes in, for values whose rows are the units; it is not trained."""

    matrix: Array = field(metadata={"trained": False})

    def __call__(self, x: Any) -> Any:
        """The product with the matrix in front."""
        return self.matrix @ x


@dataclass(frozen=True, repr=False, eq=False)
class Spread(Layer):
    """A fixed array in a shape that comes in; it is not trained."""

    constant: Array = field(metadata={"trained": False})

    def __call__(self, shape: Any) -> Any:
        """The array, repeated along the axes where it has length 1."""
        return spread(self.constant, shape)


def spread(x: Any, shape: Any) -> Any:
    """An array repeated along axes, by the longer of its own and the wanted length of each."""
    found = np.broadcast_shapes(np.shape(x), tuple(map(int, shape)))
    _require_moderate([x], math.prod(found))
    return np.broadcast_to(x, found)


def _require_moderate(values: Sequence[Any], size: int) -> None:
    """Whole numbers that stand for shapes are few; all else is looked at before there is memory for it."""
    if size > MOST_NUMBERS and all(v.dtype.kind == "i" for v in values):
        raise ValueError(f"a shape of {size} numbers")


class Moved(NamedTuple):
    """The axes in another order."""

    order: tuple[int, ...]

    def __call__(self, x: Any) -> Any:
        """The transposed array."""
        return np.transpose(x, self.order or None)


class Extents(NamedTuple):
    """The shape of an array, or some of it, in whole numbers that depend on no value."""

    start: int
    end: int | None

    def __call__(self, x: Any) -> Any:
        """The lengths of the axes."""
        return np.array(np.shape(x)[self.start : self.end], np.int64)


class Extended(NamedTuple):
    """Whole numbers with constants before and behind them."""

    before: tuple[int, ...]
    behind: tuple[int, ...]

    def __call__(self, x: Any) -> Any:
        """The numbers one after the other."""
        return np.concatenate([np.array(self.before, np.int64), x, np.array(self.behind, np.int64)])


class Sliced(NamedTuple):
    """Parts of axes: (axis, start, end, step) of each."""

    parts: tuple[tuple[int, int, int, int], ...]

    def __call__(self, x: Any) -> Any:
        """The part of the array."""
        index = [slice(None)] * np.ndim(x)
        for axis, start, end, step in self.parts:
            open_ended = step < 0 and end < -x.shape[axis]
            index[axis] = slice(start, None if open_ended else end, step)
        return x[tuple(index)]


class Taken(NamedTuple):
    """Entries along an axis, by whole numbers in an array of some shape."""

    axis: int
    shape: tuple[int, ...]
    places: tuple[int, ...]

    def __call__(self, x: Any) -> Any:
        """The entries, in the shape of the places."""
        return np.take(x, np.reshape(self.places, self.shape), axis=self.axis)


class Reshaped(NamedTuple):
    """Another shape, where 0 is the axis as it is and -1 what is left."""

    shape: tuple[int, ...]

    def __call__(self, x: Any) -> Any:
        """The reshaped array."""
        return np.reshape(x, [np.shape(x)[i] if n == 0 else n for i, n in enumerate(self.shape)])


class Squeezed(NamedTuple):
    """Axes of length 1 left out, all of them where none is named."""

    axes: tuple[int, ...]

    def __call__(self, x: Any) -> Any:
        """The array with fewer axes."""
        return np.squeeze(x, self.axes or None)


class Widened(NamedTuple):
    """Axes of length 1 put in."""

    axes: tuple[int, ...]

    def __call__(self, x: Any) -> Any:
        """The array with more axes."""
        return np.expand_dims(x, self.axes)


class Reduced(NamedTuple):
    """One number for each vector along some axes."""

    reduce: Callable[..., Any]
    axes: tuple[int, ...]
    keepdims: bool

    def __call__(self, x: Any) -> Any:
        """The sums, or what else is made of each vector."""
        return self.reduce(x, axis=self.axes or None, keepdims=self.keepdims)


class Joined(NamedTuple):
    """Arrays one behind the other."""

    axis: int

    def __call__(self, *values: Any) -> Any:
        """The long array."""
        _require_moderate(values, sum(map(np.size, values)))
        return np.concatenate(values, axis=self.axis)


def flattened(x: Any) -> Any:
    """Every pattern of a batch as a vector."""
    return x if np.ndim(x) <= 2 else np.reshape(x, (np.shape(x)[0], -1))


class Choice(NamedTuple):
    """A choice by a condition between values; a number stands for one that is not computed."""

    above: float | None
    below: float | None

    def __call__(self, condition: Any, *values: Any) -> Any:
        """Where the condition holds the first, elsewhere the second."""
        rest = iter(values)
        return np.where(condition, *(next(rest) if n is None else n for n in self))


@dataclass(frozen=True)
class Clipped:
    """Numbers cut at both ends."""

    low: float
    high: float

    def __call__(self, x: Any) -> Any:
        """The number itself between the ends."""
        return np.clip(x, self.low, self.high)
