r"""The evaluation trace: a program written down as a list of elementary equations.

Each equation computes new variables from earlier ones, and every variable is assigned once:

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)})

This module knows no operation. It holds the data that everything else records, transforms, runs or shows
(Bishop, *Deep Learning*, 8.2; Wengert, *A simple automatic derivative evaluation program*, 1964).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.primitive import Primitive

Shape = tuple[int, ...]


class Type:
    """Shape and dtype of a variable; ``weak`` for Python scalars, which take the dtype of what they meet.

    Types are interned by `type_for`: equal types are the same object.
    """

    __slots__ = ("dtype", "inexact", "ndim", "shape", "size", "weak")

    def __init__(self, shape: Shape, dtype: np.dtype[Any], weak: bool) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak = weak
        self.ndim = len(shape)
        self.size = int(np.prod(shape, dtype=object)) if shape else 1
        self.inexact = dtype.kind in "fc"

    @property
    def nbytes(self) -> int:
        """Bytes of one value of this type."""
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        dims = f"[{','.join(map(str, self.shape))}]" if self.shape else ""
        return f"{self.dtype}{dims}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type_for, (self.shape, self.dtype, self.weak)


_TYPES: dict[tuple[Shape, np.dtype[Any], bool], Type] = {}


def type_for(shape: Shape, dtype: np.dtype[Any], weak: bool = False) -> Type:
    """The one `Type` object of this shape, dtype and weakness."""
    key = (shape, dtype, weak)
    found = _TYPES.get(key)
    if found is None:
        found = _TYPES.setdefault(key, Type(shape, np.dtype(dtype), weak))
    return found


class Var:
    """A variable of a trace; its identity is its name."""

    __slots__ = ("type",)

    def __init__(self, type: Type) -> None:
        self.type = type

    def __repr__(self) -> str:
        return f"Var({self.type!r})"


class Literal:
    """A constant operand: a number or an array that no derivative is taken of."""

    __slots__ = ("type", "value")

    def __init__(self, value: Any, type: Type) -> None:
        self.value = value
        self.type = type

    def __repr__(self) -> str:
        return f"Literal({self.type!r})"


Atom = Var | Literal


class Equation:
    """``outputs = primitive(inputs; params)``, recorded at ``source`` (file and line), where that is kept."""

    __slots__ = ("inputs", "outputs", "params", "primitive", "source")

    def __init__(
        self,
        primitive: Primitive,
        inputs: Sequence[Atom],
        params: Mapping[str, Any],
        outputs: Sequence[Var],
        source: str = "",
    ) -> None:
        self.primitive = primitive
        self.source = source
        self.inputs = inputs
        self.params = params
        self.outputs = outputs

    def variables(self) -> Iterator[Var]:
        """The operands that are variables."""
        return (atom for atom in self.inputs if type(atom) is Var)

    def like(self, **new: Any) -> Equation:
        """The same with other operands, parameters, results or operation."""
        parts = {part: new.get(part, getattr(self, part)) for part in Equation.__slots__}
        return Equation(**parts)

    def with_bodies(self, change: Callable[[Trace], Trace]) -> Equation:
        """The same with the traces inside changed, of loops and branches; itself if none of them is."""
        params = {k: change(v) if isinstance(v, Trace) else v for k, v in self.params.items()}
        same = all(params[k] is v for k, v in self.params.items())
        return self if same else self.like(params=params)

    def __repr__(self) -> str:
        return f"Equation({self.primitive.name}, {self.inputs!r} -> {self.outputs!r})"


class Trace:
    """Inputs, equations in order of evaluation, and outputs."""

    __slots__ = ("equations", "inputs", "outputs")

    def __init__(self, inputs: Sequence[Var], equations: Sequence[Equation], outputs: Sequence[Atom]) -> None:
        self.inputs = tuple(inputs)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)

    def __len__(self) -> int:
        return len(self.equations)

    def names(self) -> dict[Var, str]:
        """``v1, v2, ...`` in order of assignment: inputs first, as in Bishop's tables."""
        names: dict[Var, str] = {}
        for var in self.variables():
            names.setdefault(var, f"v{len(names) + 1}")
        return names

    def variables(self) -> Iterator[Var]:
        """Every variable in order of assignment."""
        yield from self.inputs
        for equation in self.equations:
            yield from equation.outputs


def reachable(equations: Sequence[Equation], sources: Sequence[Var]) -> set[Var]:
    """The variables that depend on the sources (the sources included): one pass forwards."""
    reached = set(sources)
    for equation in equations:
        if any(var in reached for var in equation.variables()):
            reached.update(equation.outputs)
    return reached
