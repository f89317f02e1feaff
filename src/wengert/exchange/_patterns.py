r"""Several equations that another format has one word for, recognised by the trace of what they compute.

A pattern is a function in NumPy, such as an activation. Its own trace is looked for in the trace of a
network: an equation is the last one of the pattern if its operation is, and its operands are, in turn, made
by the operations that make theirs,

.. math:: y = \mathrm{op}(u, v) \sim y' = \mathrm{op}(u', v') \iff u \sim u',\ v \sim v'.

So what an activation computes is written in one place, and a pattern follows where that is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from wengert.core.primitive import Primitive
from wengert.core.recording import record
from wengert.core.trace import Atom, Equation, Literal, Trace, Var, type_for
from wengert.transforms.simplify import dead, simplify

Dtypes = tuple[str, ...]
BOTH: Dtypes = ("float32", "float64")


class Pattern(NamedTuple):
    """A function of x and of constants, known by a name; each constant is a number or a vector."""

    name: str
    function: Callable[..., Any]
    constants: tuple[int, ...] = ()  # how many axes each has
    dtypes: Dtypes = BOTH


Makers = Mapping[Atom, Equation]


def recognised(trace: Trace, patterns: Sequence[Pattern]) -> Trace:
    """The trace with one equation in place of those that make up a pattern; the first pattern wins."""
    for pattern in patterns:
        trace = _with_one(trace, pattern)
    return trace


def _with_one(trace: Trace, pattern: Pattern) -> Trace:
    makers: dict[Atom, Equation] = {var: equation for equation in trace.equations for var in equation.outputs}
    uses = Counter(atom for equation in trace.equations for atom in equation.inputs) + Counter(trace.outputs)
    found = [_match(equation, pattern, makers, uses) or equation for equation in trace.equations]
    return dead(Trace(trace.inputs, found, trace.outputs))


def _match(equation: Equation, pattern: Pattern, makers: Makers, uses: Mapping[Atom, int]) -> Equation | None:
    out = equation.outputs[0].type
    if out.dtype.name not in pattern.dtypes or not out.ndim:
        return None
    model = _trace_of(pattern, out.shape, out.dtype)
    match = _Match(model, makers)
    if not match.atom(model.outputs[0], equation.outputs[0]) or not match.is_closed(equation, uses):
        return None
    inputs = [match.found.get(var) for var in model.inputs]
    if any(atom is None for atom in inputs):
        return None
    primitive = Primitive(
        pattern.name, "recognised", pattern.function, infer=lambda *_: (out.shape, out.dtype)
    )
    return Equation(primitive, inputs, {}, equation.outputs, equation.source)  # type: ignore[arg-type]


@cache
def _trace_of(pattern: Pattern, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Trace:
    """The trace for arrays of this shape, and constants as long as its last axis."""
    x = type_for(shape, dtype)
    constants = [type_for(shape[-1:] * n, dtype, weak=n == 0) for n in pattern.constants]
    call = lambda f, tracers: f(*tracers)
    recording = record(pattern.function, [x, *constants], call, abstract=True)
    recording.recorder.keep()
    return simplify(recording.trace())


class _Match:
    """What stands in a trace for each variable of a pattern."""

    def __init__(self, model: Trace, makers: Makers) -> None:
        self.inputs = model.inputs
        self.model: dict[Atom, Equation] = {
            var: equation for equation in model.equations for var in equation.outputs
        }
        self.makers = makers
        self.found: dict[Atom, Atom] = {}
        self.inside: list[Equation] = []

    def atom(self, wanted: Atom, given: Atom) -> bool:
        """Whether an operand is that of the pattern."""
        if wanted in self.found:
            return _is_same(self.found[wanted], given)
        if type(wanted) is Literal:
            return type(given) is Literal and _is_equal(wanted.value, given.value)
        self.found[wanted] = given
        if wanted in self.inputs:
            return self._may_stand_for(wanted, given)
        return self._equation(self.model[wanted], self.makers.get(given))

    def _may_stand_for(self, wanted: Atom, given: Atom) -> bool:
        """Numbers and vectors of a pattern are constants, and its x is computed."""
        if wanted is self.inputs[0]:
            return type(given) is Var
        return type(given) is Literal and given.type.ndim == wanted.type.ndim

    def _equation(self, wanted: Equation, given: Equation | None) -> bool:
        if given is None or given.primitive is not wanted.primitive or given.params != wanted.params:
            return False
        self.inside.append(given)
        pairs = zip(wanted.inputs, given.inputs, strict=True)
        return all(self.atom(a, b) for a, b in pairs)

    def is_closed(self, last: Equation, uses: Mapping[Atom, int]) -> bool:
        """Whether nothing else reads what is computed on the way."""
        read = Counter(atom for equation in set(self.inside) for atom in equation.inputs)
        outputs = {e.outputs[0] for e in self.inside} - {last.outputs[0]}
        return all(uses[var] == read[var] for var in outputs)


def _is_same(one: Atom, other: Atom) -> bool:
    both = type(one) is Literal and type(other) is Literal
    return one is other or (both and _is_equal(one.value, other.value))  # type: ignore[union-attr]


def _is_equal(one: Any, other: Any) -> bool:
    return np.shape(one) == np.shape(other) and bool(np.all(one == other))
