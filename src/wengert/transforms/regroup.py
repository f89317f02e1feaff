r"""The same numbers, but for rounding, with fewer operations.

.. math:: \sum_i \sum_k A_{ik} B_{kj} = \sum_k \Big(\sum_i A_{ik}\Big) B_{kj}:
          \qquad mnk \;\to\; mk + nk \ \text{ multiplications and additions}

Derivatives are full of such sums: the adjoint of what was broadcast is a sum, and often one of a product.
Both sides have the same bound of their errors, a multiple of :math:`\sum_{ik} |A_{ik}| |B_{kj}|`. Unlike the
passes of `transforms.simplify` these do not keep every bit, so they are for code that is compiled, which adds
up products in an order of its own anyway.

A product with a constant in which every column has one number at most, as one that puts the entries of a
triangle in their places or picks some out, is no sum at all: :math:`(A P)_{ij} = A_{i r_j} p_j`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from wengert.core.recorder import Tracer
from wengert.core.trace import Atom, Equation, Literal, Trace, Var
from wengert.ops.reduction import Axes, reduced
from wengert.transforms.compose import composition
from wengert.transforms.constants import selection_of, uniform
from wengert.transforms.simplify import Makers

LONG = 32  # rows of a constant, from which on to choose from as many is faster than to multiply


class Instead(NamedTuple):
    """A function of operands that gives what an equation gives."""

    function: Callable[..., Any]
    operands: Sequence[Atom]


def regroup(trace: Trace) -> Trace:
    """The trace with its sums in the better order; what nobody needs any more is still there."""
    return Regrouping(trace).trace()


class Regrouping:
    """One pass over a trace."""

    def __init__(self, original: Trace) -> None:
        self.original = original
        self.makers = Makers()
        self.uses = Counter(a for e in original.equations for a in e.inputs)
        self.uses.update(original.outputs)

    def trace(self) -> Trace:
        """What comes of it: the original itself if that is nothing new."""
        original = self.original
        equations = [new for old in original.equations for new in self._in_place_of(old)]
        same = all(map(is_, equations, original.equations)) and len(equations) == len(original)
        return original if same else Trace(original.inputs, equations, original.outputs)

    def _in_place_of(self, equation: Equation) -> Iterator[Equation]:
        rule = RULES.get(equation.primitive.name)
        found = rule(equation, self) if rule is not None else None
        if found is None:
            equation = equation.with_bodies(regroup)
            self.makers.update(dict.fromkeys(equation.outputs, equation))
            yield equation
            return
        for inner in composition(equation, found.operands, found.function, {}):
            yield from self._in_place_of(inner)

    def made_for_this(self, atom: Atom) -> Equation | None:
        """What makes an operand that nobody else uses."""
        return self.makers.get(atom) if type(atom) is Var and self.uses[atom] == 1 else None


# --- sums ---------------------------------------------------------------------------------------------------


def _sum(equation: Equation, trace: Regrouping) -> Instead | None:
    """What a table has for a sum of what an operation gives."""
    made = trace.made_for_this(equation.inputs[0])
    rule = SUMS.get(made.primitive.name) if made is not None and equation.params["axis"] else None
    return rule(made, **equation.params) if made is not None and rule and _is_rounded(made) else None


def _is_rounded(equation: Equation) -> bool:
    """Whether all numbers are floats of one kind: whole numbers would wrap around elsewhere."""
    dtypes = {atom.type.dtype for atom in (*equation.inputs, *equation.outputs)}
    return len(dtypes) == 1 and dtypes.pop().kind in "fc"


def _of_negative(made: Equation, axis: Axes, keepdims: bool) -> Instead:
    """Σ(-x) = -Σx."""
    return Instead(lambda x: -np.sum(x, axis=axis, keepdims=keepdims), made.inputs)


def _of_transpose(made: Equation, axis: Axes, keepdims: bool) -> Instead:
    """A sum over the same axes where they stood before."""
    axes = made.params["axes"]
    before = tuple(axes[i] if -i <= len(axes) else i for i in axis)

    def total(x: Any) -> Any:
        lead = range(-x.ndim, -len(axes))
        y = np.transpose(np.sum(x, axis=before, keepdims=True), (*lead, *axes))
        return y if keepdims else np.squeeze(y, axis)

    return Instead(total, made.inputs)


def _of_reshape(made: Equation, axis: Axes, keepdims: bool) -> Instead | None:
    """A sum over the last axis, which is the same as before, or over all others, or over all."""
    (x,), (y,) = made.inputs, made.outputs
    before, after = x.type, y.type
    others = tuple(range(-after.ndim, -1))
    if not before.shape[-1:] == after.shape[-1:] != () or axis not in ((-1,), others, (*others, -1)):
        return None
    gone = (-1,) if axis == (-1,) else tuple(range(-before.ndim, -1 if axis == others else 0))
    shape = reduced(after, axis, keepdims)
    return Instead(lambda x: np.reshape(np.sum(x, axis=gone), shape), made.inputs)


def _of_product(made: Equation, axis: Axes, keepdims: bool) -> Instead | None:
    """A sum over rows or columns, or over both, of a product."""
    m, n = made.outputs[0].type.shape[-2:]
    if not any(i in axis and extent > 1 for i, extent in ((-2, m), (-1, n))):
        return None

    def total(a: Any, b: Any) -> Any:
        a = np.sum(a, axis=-2, keepdims=True) if -2 in axis else a
        b = np.sum(b, axis=-1, keepdims=True) if -1 in axis else b
        batch = tuple(i for i in axis if i < -2)
        y = np.sum(a @ b, axis=batch, keepdims=True) if batch else a @ b
        return y if keepdims else np.squeeze(y, axis)

    return Instead(total, made.inputs)


def _of_einsum(made: Equation, axis: Axes, keepdims: bool) -> Instead | None:
    """A sum over labels of an einsum."""
    terms, out = made.params["spec"].split("->")
    if -min(axis) > len(out):
        return None
    kept = "".join(label for i, label in enumerate(out, -len(out)) if i not in axis)
    spec = ",".join(f"...{term}" for term in terms.split(",")) + f"->...{kept}"

    def total(a: Any, b: Any) -> Any:
        y = np.einsum(spec, a, b)
        return np.expand_dims(y, axis) if keepdims else y

    return Instead(total, made.inputs)


SUMS: Mapping[str, Callable[..., Instead | None]] = {
    "negative": _of_negative, "transpose": _of_transpose, "reshape": _of_reshape,
    "matmul": _of_product, "einsum": _of_einsum,
}  # fmt: skip


# --- products with constants --------------------------------------------------------------------------------


def _matmul(equation: Equation, trace: Regrouping) -> Instead | None:
    """A product with a constant that chooses from the other factor's columns, or from its rows."""
    a, b = equation.inputs
    if not _is_rounded(equation):
        return None
    columns, rows = _selection(b, np.asarray), _selection(a, np.transpose)
    if columns is not None:
        return Instead(lambda x: _selected(x, *columns), [a])
    if rows is not None:
        return Instead(lambda x: _swapped(_selected(_swapped(x), *rows)), [b])
    return None


def _matvec(equation: Equation, trace: Regrouping) -> Instead | None:
    """The same of a vector."""
    a, v = equation.inputs
    chosen = _selection(a, np.transpose) if _is_rounded(equation) else None
    return None if chosen is None else Instead(lambda x: _selected(x, *chosen), [v])


def _selection(atom: Atom, turned: Callable[[Any], Any]) -> tuple[Any, Any] | None:
    """What a large constant, turned if need be, chooses."""
    if type(atom) is not Literal or isinstance(atom.value, Tracer) or not atom.type.size:
        return None
    matrix = turned(atom.value)
    return selection_of(matrix) if matrix.shape[0] >= LONG else None


def _selected(x: Any, places: Any, numbers: Any) -> Any:
    """What a product with one number in every column gives: also NaN, where others are not finite."""
    y = x[..., places]
    infinite = np.sum(x * 0 != 0, axis=-1, keepdims=True)
    return y * numbers + np.where(infinite > (y * 0 != 0), np.nan, 0.0)


def _swapped(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# --- quotients ----------------------------------------------------------------------------------------------


def _divide(equation: Equation, trace: Regrouping) -> Instead | None:
    """-(1/y)/y = -(1/y)², as in the derivative of 1/y, where 1/y is known."""
    a, y = equation.inputs
    negative = trace.makers.of(a, "negative")
    quotient = trace.makers.of(negative.inputs[0] if negative is not None else a, "divide")
    if quotient is None or quotient.inputs[1] is not y or not _is_one(quotient.inputs[0]):
        return None
    (q,) = quotient.outputs
    return Instead((lambda q: -(q * q)) if negative is not None else (lambda q: q * q), [q])


def _is_one(atom: Atom) -> bool:
    return type(atom) is Literal and not isinstance(atom.value, Tracer) and uniform(atom) == 1


RULES: Mapping[str, Callable[[Equation, Regrouping], Instead | None]] = {
    "sum": _sum, "matmul": _matmul, "matvec": _matvec, "divide": _divide
}  # fmt: skip
