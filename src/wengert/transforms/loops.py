r"""A scan in parts: what goes in and what comes out, inside and outside.

.. math:: (c_{t+1}, y_t) = s(p, c_t, x_t): \qquad p \text{ constants},\; c \text{ states},\; x \text{ rows}

Passes take the parts, leave some out or add some, and put them together again.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from wengert.core.trace import Atom, Equation, Trace, Type, Var, type_for


class State(NamedTuple):
    """A state before and after a step, what it starts from, the last one, and all before steps, if stored."""

    inside: Var
    start: Atom
    after: Atom
    last: Var
    before: Var | None


class Given(NamedTuple):
    """A constant or a row: what it is inside, and what it or the sequence of all rows is outside."""

    inside: Var
    outside: Atom


class Result(NamedTuple):
    """What a step gives, and the sequence of all of it."""

    inside: Atom
    outside: Var


@dataclass
class Loop:
    """The parts of a scan."""

    constants: list[Given]
    states: list[State]
    rows: list[Given]
    equations: Sequence[Equation]
    results: list[Result]
    original: Equation

    @property
    def length(self) -> int:
        """How many steps there are."""
        return self.original.params["length"]  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """How many parts there are but for the equations."""
        return len(self.constants) + len(self.states) + len(self.rows) + len(self.results)

    def stacked(self, type: Type) -> Var:
        """A variable for all of what has a type in a step."""
        return Var(type_for((self.length, *type.shape), type.dtype))

    def scan(self) -> Equation:
        """The parts as one equation."""
        steps, history = self.states, any(state.before is not None for state in self.states)
        inside: list[Given | State] = [*self.constants, *steps, *self.rows]
        given = [
            *(c.outside for c in self.constants),
            *(s.start for s in steps),
            *(r.outside for r in self.rows),
        ]
        after = [*(s.after for s in steps), *(r.inside for r in self.results)]
        found = [*(s.last for s in steps), *(r.outside for r in self.results)]
        if history:
            found += [self.stacked(s.inside.type) if s.before is None else s.before for s in steps]
        body = Trace([part.inside for part in inside], self.equations, after)
        counts = {"consts": len(self.constants), "carry": len(steps)}
        params = {**self.original.params, **counts, "body": body, "history": history}
        return Equation(self.original.primitive, given, params, found, self.original.source)


def loop_of(equation: Equation) -> Loop:
    """A scan taken apart."""
    params = equation.params
    body, consts, end = params["body"], params["consts"], params["consts"] + params["carry"]
    carry, count = params["carry"], len(body.outputs)
    given = [Given(*pair) for pair in zip(body.inputs, equation.inputs, strict=True)]
    found = [Result(*pair) for pair in zip(body.outputs, equation.outputs, strict=False)]
    before: Sequence[Var | None] = equation.outputs[count:] or [None] * carry
    states = [State(*g, *r, b) for g, r, b in zip(given[consts:end], found, before, strict=False)]
    return Loop(given[:consts], states, given[end:], body.equations, found[carry:], equation)


def without_rest(equation: Equation, needed: Set[Atom]) -> Equation:
    """A scan without what nobody needs of its results, and without what it needs for nothing else."""
    loop = loop_of(equation)
    results = [result for result in loop.results if result.outside in needed]
    states = [s for s in loop.states if s.last in needed or s.before in needed]
    while True:
        wanted = [*(s.after for s in states), *(r.inside for r in results)]
        equations, read = alive(loop.equations, wanted)
        more = [s for s in loop.states if s in states or s.inside in read]
        if len(more) == len(states):
            break
        states = more
    constants, rows = ([g for g in part if g.inside in read] for part in (loop.constants, loop.rows))
    found = Loop(constants, states, rows, equations, results, equation)
    return equation if found.size == loop.size else found.scan()


def alive(equations: Sequence[Equation], wanted: Sequence[Atom]) -> tuple[list[Equation], set[Atom]]:
    """The equations that what is wanted depends on, and all that it depends on."""
    needed, kept = set(wanted), []
    for equation in reversed(equations):
        if not needed.isdisjoint(equation.outputs):
            kept.append(equation)
            needed.update(equation.inputs)
    return kept[::-1], needed
