r"""The reference interpreter: run a trace, equation by equation, on NumPy.

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}),\qquad i=1,2,\dots

It is the oracle that every other executor must agree with. Given tracers, it replays the trace on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.core.finite import require_finite
from wengert.core.recorder import bind
from wengert.core.trace import Atom, Equation, Literal, Trace, Var

Env = dict[Var, Any]


def evaluate(trace: Trace, values: Sequence[Any]) -> list[Any]:
    """The outputs of a trace for these inputs."""
    env = environment(trace, values)
    return [read(env, atom) for atom in trace.outputs]


def environment(trace: Trace, values: Sequence[Any]) -> Env:
    """The value of every variable of a trace for these inputs."""
    env: Env = dict(zip(trace.inputs, values, strict=True))
    for equation in trace.equations:
        _compute(env, equation)
    return env


def evaluate_sparingly(trace: Trace, values: Sequence[Any]) -> list[Any]:
    """The outputs of a trace, where each value is forgotten after its last use."""
    last: dict[Var, int] = {}
    for i, equation in enumerate(trace.equations):
        last.update(dict.fromkeys((*equation.variables(), *equation.outputs), i))
    kept = set(trace.outputs)
    env: Env = dict(zip(trace.inputs, values, strict=True))
    for i, equation in enumerate(trace.equations):
        _compute(env, equation)
        for var in {*equation.outputs, *equation.variables()}:
            if last[var] == i and var not in kept:
                del env[var]
    return [read(env, atom) for atom in trace.outputs]


def _compute(env: Env, equation: Equation) -> None:
    """Add what an equation computes to the values."""
    operands = [read(env, atom) for atom in equation.inputs]
    weak = equation.outputs[0].type.weak if equation.outputs else False
    result = bind(equation.primitive, operands, equation.params, weak)
    if equation.primitive.multiple:
        env.update(zip(equation.outputs, result, strict=True))
    else:
        env[equation.outputs[0]] = result
    if equation.source:
        results = result if equation.primitive.multiple else [result]
        require_finite(results, operands, equation.primitive.name, equation.source, "value")


def read(env: Env, atom: Atom) -> Any:
    """The value of an operand."""
    return atom.value if type(atom) is Literal else env[atom]  # type: ignore[index]
