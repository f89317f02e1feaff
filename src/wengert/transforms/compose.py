r"""Equations that NumPy code stands for, in place of one equation.

.. math:: y = f(x_1, \ldots, x_n) \quad\to\quad v_1 = \cdots,\; v_2 = \cdots,\; \ldots,\; y = \cdots
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wengert.core.primitive import REGISTRY
from wengert.core.recording import record
from wengert.core.trace import Atom, Equation, Trace, Var


def composition(
    equation: Equation, operands: Sequence[Atom], function: Callable[..., Any], params: Mapping[str, Any]
) -> list[Equation]:
    """Equations with an equation's results, recorded of a function of operands."""
    types = [atom.type for atom in operands]
    recording = record(function, types, lambda f, tracers: f(*tracers, **params), abstract=True)
    trace = recording.trace()
    recording.recorder.close()
    return _in_place_of(equation, operands, trace)


def _in_place_of(equation: Equation, operands: Sequence[Atom], trace: Trace) -> list[Equation]:
    """A trace's equations with operands and an equation's results, each of which is computed once."""
    names: dict[Any, Any] = dict(zip(trace.inputs, operands, strict=True))
    made = {v for inner in trace.equations for v in inner.outputs}
    last = []
    for atom, out in zip(trace.outputs, equation.outputs, strict=True):
        if atom in made and atom not in names:
            names[atom] = out
        else:
            last.append(Equation(REGISTRY["convert"], (atom,), {"dtype": out.type.dtype}, (out,)))
    return [_renamed(inner, names) for inner in (*trace.equations, *last)]


def _renamed(equation: Equation, names: Mapping[Any, Any]) -> Equation:
    inputs = [names.get(atom, atom) for atom in equation.inputs]
    outputs: Sequence[Var] = [names.get(v, v) for v in equation.outputs]
    return Equation(equation.primitive, inputs, equation.params, outputs)
