r"""Sums of products over shared labels, and over sliding places: einsum and convolve.

.. math:: c_{b\,i\,j} = \sum_k a_{b\,i\,k}\, b_{b\,k\,j}\qquad\qquad c_i = \sum_j a_{i-j}\, b_j

Where rows, columns and summed labels are there and it is worth while, an einsum is a matrix product of views.
Else it is a loop over all labels, whose operands stay where they have no label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.primitive import REGISTRY
from wengert.core.trace import Atom, Equation, Var, type_for
from wengert.native.planning.compositions import expand
from wengert.native.planning.kernels import Access, Map, Reduction, Shape
from wengert.native.planning.lower import add_reduction, filled, in_memory, is_product, lowers, type_of, zero
from wengert.native.planning.plan import Plan, literal
from wengert.native.planning.unlowerable import Unlowerable


class Labels(NamedTuple):
    """The labels of an einsum by what becomes of them, and how far each goes."""

    first: str
    second: str
    out: str
    sizes: dict[str, int]

    @property
    def summed(self) -> str:
        """Labels that the result does not have."""
        return "".join(c for c in dict.fromkeys(self.first + self.second) if c not in self.out)

    @property
    def batch(self) -> str:
        """Labels that both operands and the result have."""
        return "".join(c for c in self.out if c in self.first and c in self.second)

    @property
    def rows(self) -> str:
        """Labels that only the first operand and the result have."""
        return "".join(c for c in self.out if c not in self.second)

    @property
    def columns(self) -> str:
        """Labels that only the second operand and the result have."""
        return "".join(c for c in self.out if c not in self.first)

    def shape(self, labels: str) -> Shape:
        """How far labels go."""
        return tuple(self.sizes[c] for c in labels)

    def extent(self, labels: str) -> int:
        """How many elements there are along labels."""
        return math.prod(self.shape(labels))


def labels_of(spec: str, a: Shape, b: Shape) -> Labels:
    """Read the labels of two operands; axes in front without labels are broadcast."""
    left, out = spec.split("->")
    first, second = left.split(",")
    sizes = dict(zip(first, a[len(a) - len(first) :], strict=True))
    sizes |= dict(zip(second, b[len(b) - len(second) :], strict=True))
    return Labels(first, second, out, sizes)


# --- einsum -------------------------------------------------------------------------------------------------


@lowers("einsum")
def _einsum(plan: Plan, equation: Equation) -> None:
    labels = labels_of(equation.params["spec"], *(atom.type.shape for atom in equation.inputs))
    if _is_worth_a_product(equation, labels):
        expand(plan, equation, _as_product)
    else:
        _in_loop(plan, equation, labels)


def _is_worth_a_product(equation: Equation, labels: Labels) -> bool:
    m, n, k = (labels.extent(part) for part in (labels.rows, labels.columns, labels.summed))
    both = all(c in labels.first and c in labels.second for c in labels.summed)
    lead = equation.outputs[0].type.shape[: -len(labels.out) or None]
    return both and min(m, n, k) > 1 and is_product(equation, m * n * k, (*lead, *labels.shape(labels.batch)))


def _as_product(a: Any, b: Any, spec: str) -> Any:
    """The one of the two operands whose labels end the result gives the columns."""
    labels = labels_of(spec, a.shape, b.shape)
    if labels.out[-1] in labels.rows:
        a, b, labels = b, a, labels._replace(first=labels.second, second=labels.first)
    left = _matrices(a, labels.first, labels, labels.rows, labels.summed)
    right = _matrices(b, labels.second, labels, labels.summed, labels.columns)
    found = np.matmul(left, right)
    order = labels.batch + labels.rows + labels.columns
    found = np.reshape(found, (*found.shape[: -2 - len(labels.batch)], *labels.shape(order)))
    lead = found.ndim - len(order)
    return np.transpose(found, [*range(lead), *(lead + order.index(c) for c in labels.out)])


def _matrices(x: Any, term: str, labels: Labels, rows: str, columns: str) -> Any:
    lead, order = x.ndim - len(term), labels.batch + rows + columns
    x = np.transpose(x, [*range(lead), *(lead + term.index(c) for c in order)])
    extents = (labels.extent(rows), labels.extent(columns))
    return np.reshape(x, (*x.shape[:lead], *labels.shape(labels.batch), *extents))


def _in_loop(plan: Plan, equation: Equation, labels: Labels) -> None:
    order, out = labels.out + labels.summed, equation.outputs[0]
    lead = out.type.shape[: out.type.ndim - len(labels.out)]
    shape = (*lead, *labels.shape(order))
    found, stage = in_memory(plan, equation.inputs)
    terms = zip(found, (labels.first, labels.second), strict=True)
    reads = [_spread(x, term, order, shape) for x, term in terms]
    sums_of_products(plan, out, stage, reads, len(labels.summed))


def _spread(x: Access, term: str, order: str, shape: Shape) -> Access:
    """An operand seen from the loop over all labels; it stays along those that it does not have."""
    lead = len(x.shape) - len(term)
    strides = {c: s for c, s in zip(term, x.strides[lead:], strict=True)}
    front = x.view(x.shape[:lead], x.strides[:lead]).broadcast(shape[: len(shape) - len(order)])
    return x.view(shape, (*front.strides, *(strides.get(c, 0) for c in order)))


def sums_of_products(plan: Plan, out: Var, stage: float, reads: Sequence[Access], summed: int) -> None:
    """A loop that multiplies what is read, and adds over so many last axes."""
    pair = [Var(type_of(access)) for access in reads]
    if not summed:
        for var, access in zip(pair, reads, strict=True):
            plan.assign(var, access, stage - 1)
        plan.element(Equation(REGISTRY["multiply"], pair, {}, (out,)))
        return
    kernel = Map(stage, reads[0].shape, reads=dict(zip(pair, reads, strict=True)))
    plan.kernels.append(kernel)
    add_reduction(plan, kernel, tuple(range(-summed, 0)), Reduction("dot", tuple(pair), out))


# --- convolution --------------------------------------------------------------------------------------------


@lowers("convolve")
def _convolve(plan: Plan, equation: Equation) -> None:
    """The longer operand between zeros, read backwards from every place; zeros are not multiplied."""
    (x, y), (out,) = equation.inputs, equation.outputs
    long, short = (x, y) if x.type.size >= y.type.size else (y, x)
    if not short.type.size:
        raise Unlowerable("a convolution of an empty array")
    m, n = long.type.size, short.type.size
    padded, stage = _between(plan, long, zero(long.type), n - 1)
    inside = plan.access(literal(np.pad(np.ones(m, bool), n - 1)))
    (factor,), ready = in_memory(plan, [short])
    shape, stage = (m + n - 1, n), max(stage, ready)
    numbers, mask = (_sliding(access, shape) for access in (padded, inside))
    _add_inside(plan, out, stage, numbers, mask, factor.broadcast(shape))


def _sliding(a: Access, shape: Shape) -> Access:
    """A vector seen from every place backwards."""
    (step,) = a.strides
    return a.view(shape, (step, -step), a.offset + (shape[1] - 1) * step)


def _between(plan: Plan, x: Atom, value: Atom, width: int) -> tuple[Access, float]:
    """A vector with a value repeated on both sides, and the stage that may read it."""
    size = x.type.size + 2 * width
    target, stage = filled(plan, Var(type_for((size,), x.type.dtype)), value)
    plan.copy(plan.access(x), target.sliced((slice(width, size - width),)), max(stage, plan.ready(x)))
    return target, max(stage, plan.ready(x)) + 1


def _add_inside(plan: Plan, out: Var, stage: float, x: Access, inside: Access, y: Access) -> None:
    a, b, mask = (Var(type_of(access)) for access in (x, y, inside))
    type = type_for(x.shape, out.type.dtype)
    product, kept = Var(type), Var(type)
    kernel = Map(stage, x.shape, reads={a: x, b: y, mask: inside})
    kernel.equations.append(Equation(REGISTRY["multiply"], (a, b), {}, (product,)))
    kernel.equations.append(Equation(REGISTRY["where"], (mask, product, zero(out.type)), {}, (kept,)))
    plan.kernels.append(kernel)
    add_reduction(plan, kernel, (-1,), Reduction("sum", (kept,), out))
