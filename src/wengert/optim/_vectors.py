"""Trees of numbers as one vector of float64, in which minimisers think, and back."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np

from wengert.core import tree
from wengert.native.calling.call import Compiled

Tree = Any
Array = np.ndarray
Function = Callable[..., Any]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Layout:
    """Where each leaf of a tree lies in the vector; leaves keep their own precision."""

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]

    @classmethod
    def of(cls, params: Tree, name: str) -> Self:
        """The layout of a tree of real numbers; integers become float64."""
        leaves, structure = tree.flatten(params)
        arrays = [np.asarray(leaf) for leaf in leaves]
        for path, array in zip(tree.paths(params), arrays, strict=True):
            if array.dtype.kind not in "iuf":
                raise TypeError(f"{name}{path} is of type {array.dtype}; give real numbers")
        dtypes = (a.dtype if a.dtype.kind == "f" else np.dtype(float) for a in arrays)
        return cls(structure, tuple(a.shape for a in arrays), tuple(dtypes))

    @functools.cached_property
    def size(self) -> int:
        """The length of the vector."""
        return sum(math.prod(shape) for shape in self.shapes)

    def vector(self, params: Tree) -> Any:
        """The leaves one after the other, each in the order of its rows."""
        return joined([np.ravel(leaf) for leaf in tree.flatten(params)[0]])

    def spread(self, numbers: Tree, name: str) -> Array:
        """One number for each of the vector: the same for all, or from a tree of them like the layout's."""
        leaves, structure = tree.flatten(numbers)
        if tree.is_leaf(numbers) and np.ndim(numbers) == 0:
            return np.full(self.size, float(numbers))
        if tree.is_leaf(self.tree(np.zeros(self.size))):
            leaves, structure = [numbers], self.structure  # a list for an array
        if not tree.same_structure(structure, self.structure):
            raise ValueError(
                f"{name} is the tree {structure} and x0 {self.structure}; give one number for all, or a tree "
                "like x0, with np.inf where there is no bound"
            )
        pairs = zip(leaves, self.shapes, strict=True)
        return joined([np.broadcast_to(leaf, shape).ravel() for leaf, shape in pairs])

    def tree(self, vector: Any) -> Tree:
        """The tree whose leaves are parts of a vector, which may be traced."""
        leaves, begin = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            end = begin + math.prod(shape)
            leaf = vector[begin:end].reshape(shape).astype(dtype)
            leaves.append(leaf[()] if type(leaf) is np.ndarray else leaf)
            begin = end
        return tree.unflatten(self.structure, leaves)


def joined(vectors: Sequence[Any]) -> Any:
    """Vectors as one of float64."""
    vectors = [vector.astype(np.float64) for vector in vectors]
    return vectors[0] if len(vectors) == 1 else np.concatenate([np.zeros(0), *vectors])


def programs_of(make: Callable[[Function, Layout], Made], f: Function, layout: Layout) -> Made:
    """What is compiled for a function: once for a function that was given compiled, or else each time.

    What a plain function reads beside its arguments may have changed since the last time.
    """
    return _known(make, f, layout) if isinstance(f, Compiled) else make(f, layout)


@functools.lru_cache(maxsize=64)
def _known(make: Callable[[Function, Layout], Made], f: Function, layout: Layout) -> Made:
    return make(f, layout)
