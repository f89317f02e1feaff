r"""Arrays in C: where each element stands, as an expression in the counters of the loops around it.

.. math:: \text{place of } x_{i_1 i_2 \cdots} = o + s_1 i_1 + s_2 i_2 + \cdots
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.trace import Atom
from wengert.ops.indexing import ARRAY

Shape = tuple[int, ...]


def contiguous(shape: Shape) -> Shape:
    """The strides of an array without gaps."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


class View(NamedTuple):
    """Elements of an array in memory; of no shape and no place in it, a number."""

    name: str
    offset: int
    shape: Shape
    strides: Shape

    @classmethod
    def of(cls, name: str, shape: Shape) -> View:
        """A whole array without gaps."""
        return cls(name, 0, shape, contiguous(shape)) if shape else cls(name, 0, (1,), (0,)).number()

    def number(self) -> View:
        """An array of one element as a number."""
        return self._replace(name=f"{self.name}[0]", shape=(), strides=())

    @property
    def is_contiguous(self) -> bool:
        """Whether elements stand one behind the other."""
        pairs = zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        return all(n == 1 or have == want for n, have, want in pairs) and (
            bool(self.shape) or "[" in self.name
        )

    def at(self, indices: Sequence[str]) -> str:
        """The element at these indices."""
        if not self.strides:
            return self.name
        terms = [_term(i, s) for i, s in zip(indices, self.strides, strict=True) if i != "0" and s]
        return f"{self.name}[{place(self.offset, terms)}]"

    def broadcast(self, shape: Shape) -> View:
        """The view as NumPy broadcasts it."""
        if not self.strides and not self.shape:
            return self
        lead = len(shape) - len(self.shape)
        strides = (0,) * lead + tuple(
            0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)
        )
        return self._replace(shape=shape, strides=strides)

    def transposed(self, axes: Sequence[int]) -> View:
        """The last axes in another order."""
        lead = len(self.shape) - len(axes)
        order = [*range(lead), *(a + len(self.shape) for a in axes)]
        return self._replace(
            shape=tuple(self.shape[i] for i in order), strides=tuple(self.strides[i] for i in order)
        )

    def spread(self, shape: Shape, axis: Sequence[int], keepdims: bool) -> View:
        """The result of a reduction, with the axes that it lacks."""
        if not self.strides and not self.shape:
            return self
        strides = iter(self.strides)
        found = []
        for i in range(len(shape)):
            gone = i - len(shape) in axis
            found.append(0 if gone else next(strides))
            if gone and keepdims:
                next(strides)
        return self._replace(shape=shape, strides=tuple(found))


def _term(index: str, stride: int) -> str:
    return index if stride == 1 else f"{stride} * {index}"


def place(offset: int, terms: Sequence[str]) -> str:
    """The sum of an offset and terms."""
    return " + ".join([*terms, str(offset)] if offset or not terms else terms)


def indexed(view: View, index: Sequence[Any]) -> View:
    """A view of a view, by numbers, slices and new axes."""
    offset, axis = view.offset, 0
    shape: list[int] = []
    strides: list[int] = []
    for part in aligned(index, len(view.shape)):
        if part is None:
            shape, strides = [*shape, 1], [*strides, 0]
            continue
        n, stride = view.shape[axis], view.strides[axis]
        axis += 1
        if isinstance(part, slice):
            start, stop, step = part.indices(n)
            length = len(range(start, stop, step))
            offset += start * stride if length else 0
            shape, strides = [*shape, length], [*strides, step * stride]
        else:
            offset += (part % n) * stride
    found = View(view.name, offset, tuple(shape), tuple(strides))
    return found if shape else found._replace(name=f"{view.name}[{offset}]", offset=0)


def aligned(index: Sequence[Any], ndim: int) -> list[Any]:
    """The index with slices in place of the ellipsis."""
    parts = list(index)
    if not any(part is Ellipsis for part in parts):
        return parts + [slice(None)] * (ndim - sum(part is not None for part in parts))
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    named = sum(part is not None and part is not Ellipsis for part in parts)
    return [*parts[:at], *[slice(None)] * (ndim - named), *parts[at + 1 :]]


class Gather(NamedTuple):
    """Elements of a view whose places are read from index arrays; ``first`` is where their axes stand."""

    view: View
    shape: Shape
    first: int
    depth: int
    tables: tuple[
        tuple[View, int, int, bool], ...
    ]  # the places, stride, extent, and whether they are checked

    def at(self, indices: Sequence[str]) -> str:
        """The element at these indices."""
        inner = indices[self.first : self.first + self.depth]
        rest = [*indices[: self.first], *indices[self.first + self.depth :]]
        terms = [_term(i, s) for i, s in zip(rest, self.view.strides, strict=True) if i != "0" and s]
        for table, stride, extent, checked in self.tables:
            found = table.at(inner)
            terms.append(_term(f"at({found}, {extent})" if checked else found, stride))
        return f"{self.view.name}[{place(self.view.offset, terms)}]"


def gathered(
    view: View, index: Sequence[Any], arrays: Sequence[Atom], where: Callable[[Atom, int], tuple[View, bool]]
) -> Gather | None:
    """What an index with arrays takes; None where the arrays stand apart, or beside numbers."""
    parts = aligned(index, len(view.shape))
    places = [i for i, part in enumerate(parts) if part is ARRAY]
    if any(isinstance(part, int) for part in parts) or places != list(range(places[0], places[-1] + 1)):
        return None
    axes = [i for i, part in enumerate([p for p in parts if p is not None]) if part is ARRAY]
    shape = np.broadcast_shapes(*[a.type.shape for a in arrays])
    tables = []
    for atom, axis in zip(arrays, axes, strict=True):
        table, checked = where(atom, view.shape[axis])
        tables.append((table.broadcast(shape), view.strides[axis], view.shape[axis], checked))
    kept = [i for i in range(len(view.shape)) if i not in axes]
    rest = View(
        view.name, view.offset, tuple(view.shape[i] for i in kept), tuple(view.strides[i] for i in kept)
    )
    rest = indexed(rest, [part for part in parts if part is not ARRAY]) if kept else rest
    first = places[0]
    full = (*rest.shape[:first], *shape, *rest.shape[first:])
    return Gather(rest._replace(name=view.name), full, first, len(shape), tuple(tables))
