r"""Equations in place of one that stands for a whole trace, for who runs it and takes no derivative.

.. math:: y = f(x),\quad f(x) = g(h(x)) \qquad\to\qquad v = h(x),\; y = g(v)
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.core.trace import Atom, Equation, Trace, Var


def inlined(trace: Trace) -> Trace:
    """The trace with the traces that its equations stand for in their place, loops and branches too."""
    if not any(map(_holds_more, trace.equations)):
        return trace
    known: dict[Atom, Atom] = {}
    equations: list[Equation] = []
    for equation in trace.equations:
        equation = equation.like(inputs=[known.get(atom, atom) for atom in equation.inputs])
        body = _body(equation)
        if body is None:
            equations.append(equation.with_bodies(inlined))
        else:
            known.update(zip(equation.outputs, _append(equations, body, equation.inputs), strict=True))
    return Trace(trace.inputs, equations, [known.get(atom, atom) for atom in trace.outputs])


def _holds_more(equation: Equation) -> bool:
    if equation.primitive.inline is not None:
        return True
    return any(isinstance(v, Trace) and any(map(_holds_more, v.equations)) for v in equation.params.values())


def _body(equation: Equation) -> Trace | None:
    """What an equation stands for, where that gives results of the types of this call."""
    inline = equation.primitive.inline
    body = None if inline is None else inline(*(a.type for a in equation.inputs), **equation.params)
    if body is None or [a.type for a in body.outputs] != [v.type for v in equation.outputs]:
        return None
    return inlined(body)


def _append(equations: list[Equation], body: Trace, inputs: Sequence[Atom]) -> list[Atom]:
    """Add a body's equations under new names for these inputs, and give its outputs."""
    names: dict[Atom, Atom] = dict(zip(body.inputs, inputs, strict=True))
    for e in body.equations:
        outputs = [Var(var.type) for var in e.outputs]
        operands = [names.get(atom, atom) for atom in e.inputs]
        equations.append(e.like(inputs=operands, outputs=outputs))
        names.update(zip(e.outputs, outputs, strict=True))
    return [names.get(atom, atom) for atom in body.outputs]
