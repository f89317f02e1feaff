r"""What a trace costs: arithmetic operations and bytes, counted from the types alone.

Additions and multiplications count 1, a division or root 4, an elementary function 16 (an ordinary
implementation's polynomial), a matrix product 2mnk; comparisons, choices and movement count none and show in
the bytes. A gradient costs at most 6 times its function, whatever the number of inputs (Bishop 8.2; in
practice 2 to 3).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from wengert.core.trace import Equation, Trace


def operations(trace: Trace) -> float:
    """Arithmetic operations of one run of a trace."""
    return sum(operations_of(equation) for equation in trace.equations)


def operations_of(equation: Equation) -> float:
    """Arithmetic operations of one equation."""
    primitive = equation.primitive
    inputs, outputs = [a.type for a in equation.inputs], [v.type for v in equation.outputs]
    if primitive.cost is not None:
        return float(primitive.cost(inputs, outputs, **equation.params))
    return float((primitive.weight or 0) * sum(type.size for type in outputs))


def bytes_of(equation: Equation) -> int:
    """Bytes read and written by one equation."""
    return sum(atom.type.nbytes for atom in (*equation.inputs, *equation.outputs))


class Cost:
    """Counted operations and bytes of a trace.

    Attributes
    ----------
    operations : float
        Arithmetic operations.
    bytes : int
        Bytes read and written, every equation by itself.
    equations : int
        How many equations there are.
    by_kind : dict
        For each kind of operation ``(operations, bytes, equations)``.
    """

    def __init__(self, trace: Trace) -> None:
        kinds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0, 0])
        for equation in trace.equations:
            entry = kinds[kind_of(equation)]
            entry[0] += operations_of(equation)
            entry[1] += bytes_of(equation)
            entry[2] += 1
        self.by_kind: dict[str, tuple[Any, ...]] = {
            kind: (ops, int(size), int(count)) for kind, (ops, size, count) in sorted(kinds.items())
        }
        self.operations = sum(entry[0] for entry in self.by_kind.values())
        self.bytes = sum(entry[1] for entry in self.by_kind.values())
        self.equations = len(trace.equations)

    def __str__(self) -> str:
        head = f"{'kind':<16}{'operations':>14}{'bytes':>14}{'equations':>11}"
        rows = [(kind, *entry) for kind, entry in self.by_kind.items()]
        rows.append(("total", self.operations, self.bytes, self.equations))
        return "\n".join(
            [head, *(f"{k:<16}{ops:>14,.0f}{size:>14,}{count:>11,}" for k, ops, size, count in rows)]
        )

    def __repr__(self) -> str:
        return f"Cost(operations={self.operations:.0f}, bytes={self.bytes}, equations={self.equations})"


def kind_of(equation: Equation) -> str:
    """Products, elementary functions, arithmetic, movement, comparisons and choices, or the rest by name."""
    primitive = equation.primitive
    if primitive.kind == "bilinear":
        return "products"
    if primitive.kind == "elementwise":
        return "functions" if (primitive.weight or 0) >= 16 else "arithmetic"
    if primitive.kind == "constant":
        return "comparisons"
    if primitive.kind == "linear":
        return "movement" if primitive.cost is None else "reductions"
    return "other"
