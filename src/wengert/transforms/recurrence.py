r"""Loops and the loops of their derivatives: what one has computed, the other one need not.

.. math:: \bar W = \sum_t Z_t^T \Delta_t = \begin{pmatrix} Z_0 \\ Z_1 \\ \vdots \end{pmatrix}^T
          \begin{pmatrix} \Delta_0 \\ \Delta_1 \\ \vdots \end{pmatrix}

The derivative of a scan computes anew what its steps have computed. Products among that are not repeated: the
scan stores what was made of them, as it stores its states. And where a sum of products is carried through a
scan, as the derivative of a weight is, the factors are stored, and multiplied once when all are there. What a
step computes of constants alone is computed before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var
from wengert.transforms.compose import composition
from wengert.transforms.constants import uniform
from wengert.transforms.loops import Given, Loop, Result, State, alive, loop_of
from wengert.transforms.simplify import Makers, atom_key, signature

MOST = 8  # times as much as its states a scan stores at most for its derivative
ROOM = 1 << 28  # bytes that it stores at most
WIDER = 4  # times as much memory as its operands the result of an equation takes at most that leaves a loop
PLAIN = ("elementwise", "linear", "bilinear", "constant")  # kinds of operations that do nothing but compute

WHOLE = (None, Ellipsis, slice(None))  # parts of an index that leave every number where it is


def recur(trace: Trace) -> Trace:
    """The trace with less to do in its scans; itself if it has none."""
    equations = [equation.with_bodies(recur) for equation in trace.equations]
    loops = {i: loop_of(e) for i, e in enumerate(equations) if e.primitive.name == "scan"}
    if not loops and all(map(is_, equations, trace.equations)):
        return trace
    for later in loops:
        for earlier in loops:
            if earlier < later:
                hand_over(loops[earlier], loops[later])
    found: list[Equation] = []
    for i, equation in enumerate(equations):
        found += _put_together(loops[i]) if i in loops else [equation]
    return Trace(trace.inputs, found, trace.outputs)


def _put_together(loop: Loop) -> list[Equation]:
    before = computed_once(loop)
    after = [equation for state in list(loop.states) for equation in multiplied_once(loop, state)]
    return [*before, loop.scan(), *after]


# --- what another loop has computed -------------------------------------------------------------------------


def hand_over(first: Loop, second: Loop) -> None:
    """Let a loop store what was made of products, and a later one that repeats them read it."""
    if first.length != second.length:
        return
    known, names = _repeated(first, second)
    if not any(equation.primitive.kind == "bilinear" for equation in known):
        return
    stored = {id(names.get(r.inside, r.inside)): r.outside for r in first.results}
    chosen = _chosen(known, _wanted(second, known), lambda v: 0 if id(names[v]) in stored else v.type.nbytes)
    cost = sum(v.type.nbytes for v in chosen if id(names[v]) not in stored)
    states = sum(state.inside.type.nbytes for state in first.states)
    if cost > MOST * states or cost * first.length > ROOM or any(v.type.weak for v in chosen):
        return
    for var in chosen:
        place = stored.get(id(names[var])) or first.stacked(var.type)
        if id(names[var]) not in stored:
            first.results.append(Result(names[var], place))
        second.rows.append(Given(var, place))
    second.equations = [e for e in second.equations if not set(chosen).intersection(e.outputs)]


def _repeated(first: Loop, second: Loop) -> tuple[list[Equation], dict[Atom, Var]]:
    """Equations of a loop that another one computes in the same step, and what their results are there."""
    shared: dict[Hashable, Any] = {}
    table: dict[Hashable, Sequence[Var]] = {}
    there = _named(first, shared)
    before = {state.inside: ("row", state.before) for state in first.states if state.before is not None}
    there |= {var: shared.setdefault(key, var) for var, key in before.items()}
    _number(first.equations, there, table)
    shared |= {("row", r.outside): there.get(r.inside, r.inside) for r in first.results}
    here = _named(second, shared)
    known = _number(second.equations, here, table)
    return known, {v: here[v] for e in known for v in e.outputs}


def _named(loop: Loop, shared: dict[Hashable, Any]) -> dict[Atom, Any]:
    """A name for each constant and row of a loop: the same for what is the same outside."""
    pairs = [("constant", given) for given in loop.constants] + [("row", given) for given in loop.rows]
    return {g.inside: shared.setdefault((kind, atom_key(g.outside)), g.inside) for kind, g in pairs}


def _number(
    equations: Sequence[Equation], names: dict[Atom, Any], table: dict[Hashable, Sequence[Var]]
) -> list[Equation]:
    """Name what equations compute, equal results alike; those whose results had a name before."""
    known, before = [], set(table)
    for equation in equations:
        operands = [names.get(atom, atom) for atom in equation.inputs]
        key = signature(equation.like(inputs=operands))
        names.update(zip(equation.outputs, table.setdefault(key, equation.outputs), strict=True))
        if key in before:
            known.append(equation)
    return known


def _wanted(loop: Loop, known: Sequence[Equation]) -> list[Var]:
    """Results of known equations that the others of a loop read, or that it gives."""
    made = {v for e in known for v in e.outputs}
    skip = {id(e) for e in known}
    read = [a for e in loop.equations if id(e) not in skip for a in e.inputs]
    read += [*(s.after for s in loop.states), *(r.inside for r in loop.results)]
    return [v for v in dict.fromkeys(read) if v in made]  # type: ignore[misc]


def _chosen(known: Sequence[Equation], wanted: Sequence[Var], cost: Callable[[Var], int]) -> list[Var]:
    """Values from which all that is wanted can be made without a product, and that take little memory.

    They begin as the results of products. What is made of them takes their place where it is no larger and
    nothing else needs them.
    """
    needed, _ = alive(known, wanted)
    uses = Counter([*wanted, *(a for e in needed for a in e.inputs)])
    cut: dict[Var, int] = {}
    for equation in needed:
        gone = [a for a in cut if uses[a] == equation.inputs.count(a)]
        price = sum(map(cost, equation.outputs))
        product = equation.primitive.kind == "bilinear"
        if product or (gone and price <= sum(cut[a] for a in gone)):
            cut = {a: c for a, c in cut.items() if a not in gone}
            cut |= {v: cost(v) for v in equation.outputs}
    return list(cut)


# --- what is the same in every step -------------------------------------------------------------------------


def computed_once(loop: Loop) -> list[Equation]:
    """Equations before a loop for what its steps compute of constants alone; it is constant too."""
    outside: dict[Atom, Atom] = {given.inside: given.outside for given in loop.constants}
    before, left = [], []
    for equation in loop.equations:
        if not loop.length or not _is_movable(equation, outside):
            left.append(equation)
            continue
        found = [Var(v.type) for v in equation.outputs]
        operands = [outside.get(atom, atom) for atom in equation.inputs]
        before.append(equation.like(inputs=operands, outputs=found))
        outside.update(zip(equation.outputs, found, strict=True))
        loop.constants += [Given(*pair) for pair in zip(equation.outputs, found, strict=True)]
    loop.equations = left
    return before


def _is_movable(equation: Equation, constants: Mapping[Atom, Atom]) -> bool:
    """Whether an equation is of constants, and its result takes little more memory than they do."""
    operands = [*equation.variables()]
    if not operands or any(var not in constants for var in operands):
        return False
    nbytes = sum(v.type.nbytes for v in equation.outputs)
    return equation.primitive.kind in PLAIN and nbytes <= WIDER * sum(var.type.nbytes for var in operands)


# --- sums of products ---------------------------------------------------------------------------------------


class Factor(NamedTuple):
    """A factor of what is added in every step: the labels of its axes, and the value that it is a view of."""

    labels: str
    root: Var

    def rows(self, stored: Any) -> Any:
        """What is stored of it in all steps, with all that is summed along the first axis."""
        stored = np.swapaxes(stored, 1, 2) if self.labels[-1] == "k" else stored
        return np.reshape(stored, (math.prod(stored.shape[:-1]), stored.shape[-1]))


def multiplied_once(loop: Loop, state: State) -> list[Equation]:
    """Equations after a loop that give the sum of products which a state is; the state is taken out."""
    factors = _factors(loop, state)
    if factors is None:
        return []
    places = _places(loop)
    new = dict.fromkeys(f.root for f in factors if f.root not in places)
    stored = sum(root.type.nbytes for root in new)
    if stored > 2 * state.inside.type.nbytes or stored * loop.length > ROOM:
        return []
    loop.results += [Result(root, loop.stacked(root.type)) for root in new]
    loop.states.remove(state)
    loop.equations = [e for e in loop.equations if state.after not in e.outputs]
    places = _places(loop)
    one, other = factors

    def total(start: Any, a: Any, b: Any) -> Any:
        product = one.rows(a).T @ other.rows(b)
        return product if _is_zero(state.start) else start + product

    outside = Equation(loop.original.primitive, (), {}, (state.last,))
    return composition(outside, [state.start, places[one.root], places[other.root]], total, {})


def _is_zero(atom: Atom) -> bool:
    return type(atom) is Literal and uniform(atom) == 0


def _factors(loop: Loop, state: State) -> list[Factor] | None:
    """The factors of the product that every step adds to a state, which nothing else reads."""
    read = Counter(a for e in loop.equations for a in e.inputs)
    read.update([*(s.after for s in loop.states), *(r.inside for r in loop.results)])
    makers = Makers((v, e) for e in loop.equations for v in e.outputs)
    total = makers.of(state.after, "add")
    if total is None or state.before is not None or state.inside not in total.inputs:
        return None
    added = total.inputs[1 - list(total.inputs).index(state.inside)]
    if any(read[atom] != 1 for atom in (state.inside, state.after, added)):
        return None
    factors = _of_product(makers, added) or _of_outer_product(makers, added)
    given = {c.inside for c in loop.constants}
    types: set[Type] = {state.inside.type, *(f.root.type for f in factors or ())}
    alike = len({type.dtype for type in types}) == 1 and not any(type.weak for type in types)
    return factors if factors and alike and not given.intersection(f.root for f in factors) else None


def _of_product(makers: Makers, atom: Atom) -> list[Factor] | None:
    """The factors of a product of matrices, or what they are transposes of."""
    product = makers.of(atom, "matmul")
    if product is None or any(a.type.ndim != 2 for a in product.inputs):
        return None
    found = []
    for a, labels in zip(product.inputs, ("ik", "kj"), strict=True):
        turned = makers.of(a, "transpose")
        root = a if turned is None else turned.inputs[0]
        if type(root) is not Var:
            return None
        found.append(Factor(labels if turned is None else labels[::-1], root))
    return found


def _of_outer_product(makers: Makers, atom: Atom) -> list[Factor] | None:
    """The vectors of an outer product."""
    product = makers.of(atom, "multiply")
    if product is None or atom.type.ndim != 2:
        return None
    m, n = atom.type.shape
    roots = [_vector(makers, a) for a in product.inputs]
    shapes = [a.type.shape for a in product.inputs]
    if shapes[0] == (1, n):
        roots, shapes = roots[::-1], shapes[::-1]
    if None in roots or m == 1 or shapes[0] != (m, 1) or shapes[1] not in ((1, n), (n,)):
        return None
    return [Factor(label, root) for label, root in zip("ij", roots, strict=True)]  # type: ignore[arg-type]


def _vector(makers: Makers, atom: Atom) -> Var | None:
    """A vector of which something is a view with axes of length 1."""
    while atom.type.ndim != 1:
        view = makers.of(atom, "reshape") or makers.of(atom, "getitem")
        if view is None or any(part not in WHOLE for part in view.params.get("index", ())):
            return None
        atom = view.inputs[0]
    return atom if type(atom) is Var else None


def _places(loop: Loop) -> dict[Atom, Atom]:
    """Where values of every step are stored."""
    return {
        **{result.inside: result.outside for result in loop.results},
        **{state.inside: state.before for state in loop.states if state.before is not None},
        **{row.inside: row.outside for row in loop.rows},
    }
