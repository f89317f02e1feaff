"""What all layers have in common: how they print, when they are equal, and what they say of wrong inputs."""

import dataclasses
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.errors import MismatchError

Array = np.ndarray


class Layer:
    """A dataclass of arrays that maps the activations before it to its own; the base of all layers here.

    Two layers are equal when they are of one structure and hold equal arrays. A layer of your own has this,
    and a short ``repr``, unless its class defines others.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Scale(Layer):
    ...     factors: Array
    ...
    ...     def __call__(self, x):
    ...         return x * self.factors
    >>> Scale(np.ones(3))
    Scale(factors=float64[3])
    >>> Scale(np.ones(3)) == Scale(np.ones(3)), Scale(np.ones(3)) == Scale(np.zeros(3))
    (True, False)
    """

    __hash__ = None  # type: ignore[assignment]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in (
            "__repr__",
            "__eq__",
        ):  # what a class has itself, the decorator of dataclasses leaves alone
            setattr(cls, name, getattr(cls, name))

    def __eq__(self, other: Any) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, structure = tree.flatten(self)
        yours, same = tree.flatten(other)
        return tree.same_structure(structure, same) and all(map(np.array_equal, mine, yours))

    def __repr__(self) -> str:
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}={brief(value)}' for name, value in fields)})"


def brief(value: Any) -> str:
    """A field in a few characters: of arrays the dtype and shape, of functions the name."""
    if hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return value.__name__ if callable(value) and hasattr(value, "__name__") else repr(value)


def require_inputs(layer: Any, x: Array, inputs: int) -> None:
    """Refuse a batch whose patterns are not of the size that the layer is for."""
    shape = np.shape(x)
    if not shape or shape[-1] != inputs:
        raise MismatchError(
            f"{layer!r} cannot take inputs of shape {shape}; "
            f"give ({inputs},) for one pattern, (patterns, {inputs}) for several"
        )
