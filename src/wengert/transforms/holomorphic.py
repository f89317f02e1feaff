r"""Which complex functions have a complex derivative.

.. math:: \frac{\partial y}{\partial b} = i\,\frac{\partial y}{\partial a}, \qquad z = a + ib

Where this holds (Cauchy and Riemann), one complex number says how y changes in every direction; elsewhere it
takes two, and a Jacobian of one would drop the other without a word. A function of operations that have such
a derivative has one; so what is looked for is an operation that has none on the way to the outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.core.trace import Atom, Equation, Var
from wengert.core.verify import bodies
from wengert.transforms.adjoint import carriers

# These take conjugates. What makes real numbers of complex ones has no complex derivative either.
CONJUGATING = frozenset({"conjugate", "vecdot", "cholesky", "eigh", "qr", "svd", "pinv"})


def first_conjugation(
    equations: Sequence[Equation], inputs: Sequence[Var], outputs: Sequence[Atom]
) -> Equation | None:
    """The first equation without a complex derivative through which outputs depend on complex inputs."""
    reached = {var for var in inputs if var.type.dtype.kind == "c"}
    if not reached:
        return None
    through = [e for e in equations if _extend(reached, e)]
    needed = set(outputs)
    found = None
    for equation in reversed(through):
        if not needed.isdisjoint(equation.outputs):
            needed.update(carriers(equation))
            found = equation if _conjugates(equation, reached) else found
    return found


def _extend(reached: set[Var], equation: Equation) -> bool:
    """Whether an equation depends on what has been reached, in a way that has a derivative."""
    depends = not reached.isdisjoint(carriers(equation))
    reached.update(equation.outputs if depends else ())
    return depends


def _conjugates(equation: Equation, reached: set[Var]) -> bool:
    given = [var for var in carriers(equation) if var in reached and var.type.dtype.kind == "c"]
    if not given:
        return False
    named = equation.primitive.name in CONJUGATING
    return named or any(v.type.dtype.kind == "f" for v in equation.outputs) or _inside(equation)


def _inside(equation: Equation) -> bool:
    """Whether the body of a loop or branch does, in any of its equations."""
    return any(_conjugates(e, set(e.variables())) for body in bodies(equation) for e in body.equations)
