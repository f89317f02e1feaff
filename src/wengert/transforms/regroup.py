r"""The same numbers, but for rounding, with fewer operations.

.. math:: \sum_i \sum_k A_{ik} B_{kj} = \sum_k \Big(\sum_i A_{ik}\Big) B_{kj}:
          \qquad mnk \;\to\; mk + nk \ \text{ multiplications and additions}

Derivatives are full of such sums: the adjoint of what was broadcast is a sum, and often one of a product. Of
both sides the error has the same bound, a multiple of :math:`\sum_{ik} |A_{ik}| |B_{kj}|`. Unlike the passes of
`transforms.simplify` these do not keep every bit, so they are for code that is compiled, whose products are
added in an order of their own anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.trace import Atom, Equation, Trace, Var
from wengert.core.verify import bodies
from wengert.ops.reduction import Axes
from wengert.transforms.compose import composition
from wengert.transforms.simplify import Makers


class Instead(NamedTuple):
    """A function of operands that gives what an equation gives."""

    function: Callable[..., Any]
    operands: Sequence[Atom]


Rule = Callable[[Equation, Equation], "Instead | None"]


def regroup(trace: Trace) -> Trace:
    """The trace with its sums in the better order; what nobody needs any more is still there."""
    return _Regrouping(trace).trace()


class _Regrouping:
    """One pass over a trace."""

    def __init__(self, original: Trace) -> None:
        self.original = original
        self.makers = Makers()
        self.uses = Counter(a for e in original.equations for a in e.inputs)
        self.uses.update(original.outputs)

    def trace(self) -> Trace:
        equations = [new for old in self.original.equations for new in self._in_place_of(old)]
        return Trace(self.original.inputs, equations, self.original.outputs)

    def _in_place_of(self, equation: Equation) -> Iterator[Equation]:
        found = self._instead(equation)
        if found is None:
            equation = _inside(equation)
            self.makers.update(dict.fromkeys(equation.outputs, equation))
            yield equation
            return
        for inner in composition(equation, found.operands, found.function, {}):
            yield from self._in_place_of(inner)

    def _instead(self, equation: Equation) -> Instead | None:
        """What a table has for an operation on the result of another, which nobody else uses."""
        rules = REGROUPED.get(equation.primitive.name)
        inner = rules and self._made_for_this(equation.inputs[0])
        rule = inner and rules.get(inner.primitive.name)
        return rule(equation, inner) if rule else None

    def _made_for_this(self, atom: Atom) -> Equation | None:
        return self.makers.get(atom) if type(atom) is Var and self.uses[atom] == 1 else None


def _inside(equation: Equation) -> Equation:
    """The bodies of loops and the branches of conditions."""
    if not bodies(equation):
        return equation
    params = {k: regroup(v) if isinstance(v, Trace) else v for k, v in equation.params.items()}
    return Equation(equation.primitive, equation.inputs, params, equation.outputs, equation.source)


# --- sums -----------------------------------------------------------------------------------------------------


def _of_negative(equation: Equation, inner: Equation) -> Instead | None:
    """Σ(-x) = -Σx."""
    axis, keepdims = equation.params["axis"], equation.params["keepdims"]
    return Instead(lambda x: -np.sum(x, axis=axis, keepdims=keepdims), inner.inputs)


def _of_product(equation: Equation, inner: Equation) -> Instead | None:
    """A sum over rows or columns, or over both, of a product."""
    axis, keepdims = equation.params["axis"], equation.params["keepdims"]
    m, n = inner.outputs[0].type.shape[-2:]
    if not any(i in axis and extent > 1 for i, extent in ((-2, m), (-1, n))):
        return None
    return Instead(lambda a, b: _squeezed(_total(a, b, axis), axis, keepdims), inner.inputs)


def _total(a: Any, b: Any, axis: Axes) -> Any:
    """A sum of a product over axes, which are kept with length 1."""
    if -2 in axis:
        a = np.sum(a, axis=-2, keepdims=True)
    if -1 in axis:
        b = np.sum(b, axis=-1, keepdims=True)
    batch = tuple(i for i in axis if i < -2)
    return np.sum(a @ b, axis=batch, keepdims=True) if batch else a @ b


def _squeezed(x: Any, axis: Axes, keepdims: bool) -> Any:
    return x if keepdims else np.squeeze(x, axis)


def _of_einsum(equation: Equation, inner: Equation) -> Instead | None:
    """A sum over labels of an einsum."""
    axis, keepdims, spec = equation.params["axis"], equation.params["keepdims"], inner.params["spec"]
    terms, out = spec.split("->")
    if -min(axis) > len(out):
        return None
    kept = "".join(label for i, label in enumerate(out, -len(out)) if i not in axis)
    summed = ",".join(f"...{term}" for term in terms.split(",")) + f"->...{kept}"
    shape = equation.outputs[0].type.shape
    return Instead(lambda a, b: np.reshape(np.einsum(summed, a, b), shape), inner.inputs)


# Operation -> what it is applied to -> what stands for both.
REGROUPED: Mapping[str, Mapping[str, Rule]] = {
    "sum": {"negative": _of_negative, "matmul": _of_product, "einsum": _of_einsum},
}
