r"""The rules that every trace keeps, checked after every pass in the tests.

*Single assignment*: every variable is assigned once. *Order*: an operand is defined before it is used.
*Types*: shape and dtype of every variable are those that its operation gives. *Linearity*: a tangent or
adjoint trace is linear in its seeds,

.. math:: f(\alpha u + \beta v) = \alpha f(u) + \beta f(v)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.core.recorder import infer, type_of
from wengert.core.trace import Atom, Equation, Literal, Trace, Var, reachable
from wengert.errors import TraceError


def verify(trace: Trace) -> Trace:
    """Give the trace back, or raise `TraceError` where it breaks a rule."""
    defined: set[Var] = set()
    _define(trace.inputs, defined, "the inputs")
    for place, equation in enumerate(trace.equations):
        where = f"equation {place} ({equation.primitive.name})"
        _require_defined(equation.inputs, defined, where)
        _require_types(equation, where)
        _define(equation.outputs, defined, where)
        for body in bodies(equation):
            verify(body)
    _require_defined(trace.outputs, defined, "the outputs")
    return trace


def bodies(equation: Equation) -> list[Trace]:
    """The traces inside an equation: of a loop, of the branches of a condition."""
    return [value for value in equation.params.values() if isinstance(value, Trace)]


def _define(variables: Iterable[Var], defined: set[Var], where: str) -> None:
    for var in variables:
        if var in defined:
            raise TraceError(f"{where}: {var} is assigned a second time.")
        defined.add(var)


def _require_defined(atoms: Iterable[Atom], defined: set[Var], where: str) -> None:
    for i, atom in enumerate(atoms):
        if type(atom) is Var and atom not in defined:
            raise TraceError(f"{where}: operand {i}, {atom}, is used before it is defined.")
        if type(atom) is Literal and atom.type is not type_of(atom.value):
            raise TraceError(f"{where}: constant {i} is said to be {atom.type} and is {type_of(atom.value)}.")


def _require_types(equation: Equation, where: str) -> None:
    primitive, weak = equation.primitive, any(var.type.weak for var in equation.outputs)
    found = infer(primitive, [atom.type for atom in equation.inputs], equation.params, weak)
    found = list(found) if primitive.multiple else [found]
    said = [var.type for var in equation.outputs]
    if found != said:
        raise TraceError(f"{where}: the results are said to be {said}, and the operation gives {found}.")


# --- linearity ----------------------------------------------------------------------------------------

# Elementwise operations that are linear in all operands taken together, and operations that are linear in
# each of some operands by itself.
_TOGETHER = frozenset({"add", "subtract", "negative", "positive", "degrees", "radians"})
_SEPARATELY = {"multiply": (0, 1), "divide": (0,), "solve": (1,)}


def verify_linear(trace: Trace) -> Trace:
    """Give the trace back, or raise `TraceError` where it is not linear in its inputs."""
    _require_linear(trace, trace.inputs)
    return trace


def _require_linear(trace: Trace, sources: Sequence[Var]) -> set[Var]:
    reached = reachable(trace.equations, [*sources, *_zeros(trace)])
    for place, equation in enumerate(trace.equations):
        if any(var in reached for var in equation.variables()) and not is_linear(equation, reached):
            raise TraceError(f"equation {place} ({equation.primitive.name}) is not linear.")
    for i, atom in enumerate(trace.outputs):
        if atom not in reached and not is_zero(atom):
            raise TraceError(f"output {i} does not depend on the inputs and is not zero.")
    return reached


def _zeros(trace: Trace) -> Iterator[Var]:
    """Variables that are the constant 0, which any inputs give in a linear way."""
    for equation in trace.equations:
        if equation.primitive.kind == "linear" and _is_linear_together(
            equation, [False] * len(equation.inputs)
        ):
            yield from equation.outputs


def is_linear(equation: Equation, reached: set[Var]) -> bool:
    """Whether an equation is linear in those of its operands that are in ``reached``."""
    primitive = equation.primitive
    live = [atom in reached for atom in equation.inputs]
    if primitive.kind == "elementwise":
        return _is_linear_elementwise(equation, live)
    if primitive.kind == "bilinear":
        return sum(live) == 1
    if primitive.kind == "linear":
        return _is_linear_together(equation, live)
    if "body" in equation.params:
        return _is_linear_loop(equation, live)
    return _is_linear_separately(equation, live)


def _is_linear_elementwise(equation: Equation, live: Sequence[bool]) -> bool:
    if equation.primitive.name in _TOGETHER:
        return all(flag or is_zero(atom) for flag, atom in zip(live, equation.inputs, strict=True))
    return _is_linear_separately(equation, live)


def _is_linear_separately(equation: Equation, live: Sequence[bool]) -> bool:
    places = _SEPARATELY.get(equation.primitive.name, ())
    return sum(live) == 1 and live.index(True) in places


def _is_linear_together(equation: Equation, live: Sequence[bool]) -> bool:
    """Operands that have a transpose depend on the inputs or are zero; the others do not depend on them."""
    rules = [*equation.primitive.transposes] if not _is_variadic(equation) else [True] * len(live)
    rules += [None] * (len(live) - len(rules))
    return all(
        not flag if rule is None else flag or is_zero(atom)
        for flag, rule, atom in zip(live, rules, equation.inputs, strict=True)
    )


def _is_variadic(equation: Equation) -> bool:
    return not isinstance(equation.primitive.transposes, tuple | list)


def _is_linear_loop(equation: Equation, live: Sequence[bool]) -> bool:
    """A loop is linear where its body is, in all that comes to depend on the inputs as it goes round."""
    body, consts = equation.params["body"], equation.params.get("consts", 0)
    carried = slice(consts, consts + equation.params.get("carry", 0))
    linear = [flag or is_zero(atom) for flag, atom in zip(live, equation.inputs, strict=True)]
    sources = {var for var, flag in zip(body.inputs, linear, strict=True) if flag}
    reached = _reached_in_loop(body, body.inputs[carried], sources)
    if any(var in reached for var, flag in zip(body.inputs, linear, strict=True) if not flag):
        return False
    return all(is_linear(e, reached) for e in body.equations if any(v in reached for v in e.variables()))


def _reached_in_loop(body: Trace, carries: Sequence[Var], sources: set[Var]) -> set[Var]:
    while True:
        reached = reachable(body.equations, list(sources))
        grown = {var for var, atom in zip(carries, body.outputs, strict=False) if atom in reached}
        if grown <= sources:
            return reached
        sources = sources | grown


def is_zero(atom: Any) -> bool:
    """Whether an operand is the constant 0."""
    return type(atom) is Literal and not np.any(atom.value)
