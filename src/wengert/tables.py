r"""The trace shows itself: primal, tangent and adjoint equations with their numbers, as in a textbook.

.. math:: v_3 = v_1 v_2, \qquad \dot v_3 = \dot v_1 v_2 + v_1\dot v_2, \qquad \bar v_1 = \bar v_3 v_2

The derivative equations are not stored anywhere: each is read off the same rule that computes it, by
recording the rule on named variables and writing the result down (Bishop, *Deep Learning*, 8.2, equations
8.50 to 8.80).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.recorder import Recorder, Tracer
from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var
from wengert.core.tracer import concrete
from wengert.errors import ControlFlowError, MismatchError, WengertError, at_user_line
from wengert.transforms.adjoint import Adjoints, cotangents_of, strong
from wengert.transforms.tangent import push, tangents_of, zeros

Env = dict[Var, Any]
DOT, BAR = "\u0307", "\u0304"


class Row(NamedTuple):
    """One line of a table: ``name = expression``, its type and its value."""

    name: str
    expression: str
    type: Type
    value: Any


class Table:
    """Rows of equations; prints itself aligned."""

    def __init__(self, rows: Sequence[Row], result: Any) -> None:
        self.rows = list(rows)
        self.result = result

    def __getitem__(self, name: str) -> Any:
        """The value of a variable, by its name as printed or as ``v3``."""
        plain = name.replace(DOT, "").replace(BAR, "")
        for row in self.rows:
            if row.name.replace(DOT, "").replace(BAR, "") == plain:
                return row.value
        raise KeyError(name)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return aligned([(f"{r.name} = {r.expression}", str(r.type), number(r.value)) for r in self.rows])

    __repr__ = __str__


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns padded to equal width; combining dots and bars take none."""
    if not rows:
        return "(no equations)"
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "   ".join(cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def justified(rows: Sequence[Sequence[str]], names: int = 1) -> str:
    """Columns of equal width: so many of names, to the left, and then numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (
        [*map(str.ljust, row[:names], widths), *map(str.rjust, row[names:], widths[names:])] for row in rows
    )
    return "\n".join(map("  ".join, cells))


def _width(text: str) -> int:
    return len(text) - text.count(DOT) - text.count(BAR)


Group = tuple[str, Iterable[tuple[str, Any]]]  # a name, and symbols with what they stand for


@dataclass(frozen=True, repr=False)
class WorkedExample:
    """Every number of one pass through a network; printing it gives a table.

    Attributes
    ----------
    parts
        The layers or units, from the inputs to the outputs. Of each there is a ``name``, and ``forward()``,
        ``backward()`` and ``update(learning_rate)`` give symbols, each with a number or a text.
    output
        The activations of the output units.
    error
        The error of the pattern, where its target is known.
    learning_rate
        Of the step that is shown, if one is.
    """

    parts: tuple[Any, ...]
    output: Any
    error: float | None = None
    learning_rate: float | None = None

    def __repr__(self) -> str:
        """Forwards, the error, backwards and a step, as far as known."""
        rows = [("forward pass", "", ""), *_rows((p.name, p.forward()) for p in self.parts)]
        rows.append(("output", "y", self.output))
        if self.error is not None:
            backward = _rows((p.name, p.backward()) for p in reversed(self.parts))
            rows += [("error", "E", self.error), ("backward pass", "", ""), *backward]
        rate = self.learning_rate
        if rate is not None:
            rows += [("update", "η", rate), *_rows((p.name, p.update(rate)) for p in self.parts)]
        return aligned([(name, symbol, v if isinstance(v, str) else number(v)) for name, symbol, v in rows])


def _rows(groups: Iterable[Group]) -> Iterator[tuple[str, str, Any]]:
    """The rows of each group, the first of them with its name."""
    for name, values in groups:
        for i, (symbol, value) in enumerate(values):
            yield "" if i else str(name), symbol, value


def number(value: Any) -> str:
    """A value in six digits; large arrays shortened."""
    value = concrete(value) if not isinstance(value, Type) else value
    if isinstance(value, Type):
        return ""
    with np.printoptions(precision=6, suppress=False, threshold=12, edgeitems=2):
        return (
            f"{value:.6g}"
            if np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f"
            else " ".join(str(value).split())
        )


class EvaluationTrace(Trace):
    """A trace with the values of one evaluation. ``print`` shows the primal equations.

    Attributes
    ----------
    inputs, equations, outputs
        The trace itself.
    values : dict
        The value of every variable.
    result
        What the function returned.
    """

    __slots__ = ("labels", "result", "structure", "values")

    def __init__(self, trace: Trace, values: Env, labels: Sequence[str], result: Any, structure: Any) -> None:
        super().__init__(trace.inputs, trace.equations, trace.outputs)
        self.values = values
        self.labels = labels
        self.result = result
        self.structure = structure

    def __str__(self) -> str:
        return str(self.primal()) + "\n" + self._footer()

    __repr__ = __str__

    def primal(self) -> Table:
        """The primal equations: inputs first, then one row for each variable."""
        names = self.names()
        rows = [
            Row(names[v], label, v.type, self.values[v])
            for v, label in zip(self.inputs, self.labels, strict=True)
        ]
        for equation in self.equations:
            text = write(equation, [_atom_text(a, names) for a in equation.inputs])
            many = len(equation.outputs) > 1
            for i, var in enumerate(equation.outputs):
                rows.append(Row(names[var], f"{text}[{i}]" if many else text, var.type, self.values[var]))
        return Table(rows, self.result)

    def _footer(self) -> str:
        names = self.names()
        return "output: " + ", ".join(_atom_text(atom, names) for atom in self.outputs)

    def tangent(self, *tangents: Any) -> Table:
        r"""The tangent equations and their numbers.

        .. math:: \dot v_i=\sum_{j\in pa(i)}\dot v_j\,\partial v_i/\partial v_j

        Parameters
        ----------
        *tangents
            One number or array for each input leaf; without any, 1 for the first input and 0 for the others.

        Returns
        -------
        Table
            ``table["v3"]`` is the value of a tangent; ``table.result`` those of the outputs.
        """
        moved = dict(zip(self.inputs, self._seeds(tangents, self.inputs, "tangent"), strict=True))
        names = self.names()
        rows = [Row(_dotted(names[v]), _plain(moved[v]), v.type, moved[v]) for v in self.inputs]
        push(self.equations, self.values, moved)
        for equation in self.equations:
            rows.extend(_tangent_rows(equation, names, moved))
        return Table(rows, self._outputs([moved.get(a, zeros(a.type)) for a in self.outputs]))  # type: ignore[arg-type]

    def adjoint(self, *cotangents: Any) -> Table:
        r"""The adjoint equations and their numbers.

        .. math:: \bar v_i=\sum_{j\in ch(i)}\bar v_j\,\partial v_j/\partial v_i

        Parameters
        ----------
        *cotangents
            One number or array for each output leaf; without any, 1 for the first output and 0 for the
            others.

        Returns
        -------
        Table
            From the output back to the inputs; ``table.result`` lists the adjoints of the inputs.
        """
        names = self.names()
        cts = Adjoints()
        seeds = self._seeds(cotangents, self.outputs, "cotangent")
        terms: dict[Var, list[str]] = {}
        for atom, seed in zip(self.outputs, seeds, strict=True):
            if type(atom) is Var and np.any(seed):
                cts.add(atom, seed)
                terms.setdefault(atom, []).append(_plain(seed))
        for equation in reversed(self.equations):
            _adjoint_terms(equation, self.values, names, cts, terms)
        order = [var for var in self.variables() if var in cts][::-1]
        rows = [Row(_barred(names[v]), _joined(terms[v][::-1]), v.type, cts[v]) for v in order]
        return Table(rows, [cts.get(v, zeros(v.type)) for v in self.inputs])

    def _seeds(self, given: Sequence[Any], atoms: Sequence[Atom], what: str) -> list[Any]:
        if not given:
            return [
                np.ones(a.type.shape, a.type.dtype)[()] if i == 0 else zeros(a.type)
                for i, a in enumerate(atoms)
            ]
        if len(given) != len(atoms):
            raise MismatchError(
                at_user_line(
                    f"{len(given)} {what}s were given for {len(atoms)} leaves. Give one for each, or none: "
                    "then the first is 1 and the others are 0."
                )
            )
        return [
            np.broadcast_to(np.asarray(g, a.type.dtype), a.type.shape)[()]
            for g, a in zip(given, atoms, strict=True)
        ]

    def _outputs(self, values: list[Any]) -> Any:
        return tree.unflatten(self.structure, values)


def _dotted(name: str) -> str:
    return name[0] + DOT + name[1:]


def _barred(name: str) -> str:
    return name[0] + BAR + name[1:]


def _plain(value: Any) -> str:
    return number(value)


def _atom_text(atom: Atom, names: dict[Var, str]) -> str:
    if type(atom) is Literal:
        return number(atom.value) if not atom.type.shape else str(atom.type)
    return names[atom]  # type: ignore[index]


# --- derivative equations -----------------------------------------------------------------------------


def _tangent_rows(equation: Equation, names: dict[Var, str], moved: Env) -> list[Row]:
    live = [v for v in equation.outputs if v in moved]
    if not live:
        return []
    texts = _expressions(
        equation, names, lambda e, env, inputs: _tangent_texts(e, env, inputs, moved), _dotted
    )
    return [Row(_dotted(names[v]), texts.get(v, "?"), v.type, moved[v]) for v in live]


def _tangent_texts(equation: Equation, env: Env, seed: Callable[[Atom], Any], moved: Env) -> dict[Var, Any]:
    given = [seed(a) if type(a) is Var and a in moved else None for a in equation.inputs]
    return dict(zip(equation.outputs, tangents_of(equation, env, given), strict=True))


def _adjoint_terms(
    equation: Equation, values: Env, names: dict[Var, str], cts: Adjoints, terms: dict[Var, list[str]]
) -> None:
    given: Any = [cts.get(v) for v in equation.outputs]
    if all(ct is None for ct in given):
        return
    given = given if equation.primitive.multiple else given[0]
    contributions = list(cotangents_of(equation, values, given))
    texts = _expressions(equation, names, lambda e, env, seed: _adjoint_texts(e, env, seed, cts), _barred)
    for var, contribution in contributions:
        cts.add(var, contribution)
    for var in dict.fromkeys(var for var, _ in contributions):
        terms.setdefault(var, []).append(texts.get(var, "?"))


def _adjoint_texts(
    equation: Equation, env: Env, seed: Callable[[Atom], Any], cts: Adjoints
) -> dict[Var, Any]:
    given: Any = [seed(v) if v in cts else None for v in equation.outputs]
    given = given if equation.primitive.multiple else given[0]
    found = Adjoints()
    for var, contribution in cotangents_of(equation, env, given):
        found.add(var, contribution)
    return found


def _expressions(
    equation: Equation,
    names: dict[Var, str],
    rule: Callable[[Equation, Env, Callable[[Atom], Any]], dict[Var, Any]],
    decorate: Callable[[str], str],
) -> dict[Var, str]:
    """Record a derivative rule on named variables and write its results as text."""
    recorder = Recorder(abstract=True)
    env: Env = {}
    known: dict[Var, str] = {}
    for var in (*equation.variables(), *equation.outputs):
        if var not in env:
            tracer = recorder.input(strong(var.type))
            env[var], known[tracer.variable] = tracer, names[var]

    def seed(atom: Atom) -> Any:
        tracer = recorder.input(strong(atom.type))
        known[tracer.variable] = decorate(names[atom])  # type: ignore[index]
        return tracer

    try:
        found = rule(equation, env, seed)
    except (ControlFlowError, WengertError):
        return {var: f"D{write(equation, [_atom_text(a, names) for a in equation.inputs])}" for var in names}
    makers = {var: e for e in recorder.equations for var in e.outputs}
    return {var: _text(t, known, makers)[0] for var, t in found.items() if t is not None}


def _text(value: Any, known: dict[Var, str], makers: dict[Var, Equation]) -> tuple[str, int]:
    """An expression and how tightly it binds."""
    if not isinstance(value, Tracer | Var):
        value = value.value if type(value) is Literal else value
        return (
            number(value) if not np.ndim(value) else f"{value.dtype}[{','.join(map(str, value.shape))}]"
        ), 9
    var = value.variable if isinstance(value, Tracer) else value
    if var in known:
        return known[var], 9
    equation = makers[var]
    parts = [_text(atom, known, makers) for atom in equation.inputs]
    level = binding(equation)
    bare = [
        level == 9 or mine > level or _associates(equation, i, mine, level)
        for i, (_, mine) in enumerate(parts)
    ]
    texts = [text if free else f"({text})" for (text, _), free in zip(parts, bare, strict=True)]
    return _tidy(write(equation, texts)), level


def _associates(equation: Equation, i: int, mine: int, level: int) -> bool:
    return mine == level and (i == 0 or equation.primitive.name in ("add", "multiply"))


_LEVELS = (
    (" + ", 1),
    (" - ", 1),
    (" * ", 2),
    (" / ", 2),
    (" @ ", 2),
    (" · ", 2),
    (" % ", 2),
    (" ^ ", 4),
    ("²", 4),
    ("ᵀ", 5),
)


def binding(equation: Equation) -> int:
    """How tightly an operation's notation binds: 1 for sums, 2 for products, ..., 9 for functions."""
    text = equation.primitive.text
    if text is None or text.endswith(")") or text.startswith("|"):
        return 9
    return next((level for sign, level in _LEVELS if sign in text), 3 if text.startswith(("-", "√")) else 9)


def write(equation: Equation, operands: Sequence[str]) -> str:
    """An equation's right-hand side."""
    template = equation.primitive.text
    params = {k: _parameter(v) for k, v in equation.params.items()}
    if template is None:
        shown = [
            *operands,
            *(f"{k}={v}" for k, v in params.items() if len(v) < 24 and v not in ("False", "None")),
        ]
        return f"{equation.primitive.name}({', '.join(shown)})"
    return template.format(*operands, args=", ".join(operands), **params)


def _parameter(value: Any) -> str:
    if isinstance(value, tuple) and value and value[0] is Ellipsis:
        return ", ".join(map(_index_text, value[1:]))
    return str(value)


def _index_text(part: Any) -> str:
    if not isinstance(part, slice):
        return str(part)
    ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
    return ":".join(ends) + (f":{part.step}" if part.step is not None else "")


def _joined(terms: Sequence[str]) -> str:
    return _tidy(" + ".join(terms))


def _tidy(text: str) -> str:
    """Write a + -b as a - b, and a * 1 / b as a / b."""
    return text.replace(" + -", " - ").replace(" * 1 / ", " / ")
