r"""Fewer equations for the same numbers: identities, constants, common subexpressions, dead code.

.. math:: v_3 = v_1 + v_2,\; v_4 = v_3 \cdot 1,\; v_5 = v_1 + v_2,\; v_6 = v_4 - v_5
          \qquad\to\qquad v_3 = v_1 + v_2,\; v_6 = v_3 - v_3

Every pass keeps every output bit for bit (a NaN stays a NaN, whatever its sign), its type and its
derivatives. So x + 0 stays where x may be -0.0, which it would turn into 0.0, and x·0 stays because of NaN
and infinities. An identity is a rule in a table, under the name of its operation; a pass is a function from
trace to trace; `simplify` is the loop around them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.primitive import Primitive
from wengert.core.recorder import Tracer, bind, infer, type_of
from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var
from wengert.core.verify import bodies
from wengert.ops.elementwise import add, subtract
from wengert.transforms.constants import SMALL
from wengert.transforms.loops import without_rest

Pass = Callable[[Trace], Trace]


def simplify(trace: Trace, passes: Sequence[Pass] | None = None) -> Trace:
    """The trace after all passes, repeated until none finds anything more to do."""
    while True:
        before = _size(trace)
        for one in PASSES.values() if passes is None else passes:
            trace = one(trace)
        if _size(trace) >= before:
            return trace


def _size(trace: Trace) -> int:
    return sum(1 + sum(map(_size, bodies(equation))) for equation in trace.equations)


# --- the loop that passes share -----------------------------------------------------------------------


class Makers(dict[Var, Equation]):
    """Which equation makes a variable."""

    def of(self, atom: Atom, name: str) -> Equation | None:
        """The equation that makes an operand, if it is of the named operation."""
        made = self.get(atom) if type(atom) is Var else None
        return made if made is not None and made.primitive.name == name else None


Found = Atom | Equation | Sequence[Atom] | None


def rewrite(trace: Trace, rule: Callable[[Equation, Makers], Found]) -> Trace:
    """Pass once over the equations.

    ``rule`` gives what stands for an equation: atoms, a new equation, or None for itself.
    """
    known: dict[Atom, Atom] = {}
    makers = Makers()
    equations: list[Equation] = []
    for equation in trace.equations:
        equation = _substituted(equation, known)
        found = rule(equation, makers)
        if found is None or isinstance(found, Equation):
            equation = found or equation
            equations.append(equation)
            makers.update(dict.fromkeys(equation.outputs, equation))
        else:
            atoms = found if isinstance(found, Sequence) else (found,)
            known.update(zip(equation.outputs, atoms, strict=True))
    return Trace(trace.inputs, equations, [known.get(atom, atom) for atom in trace.outputs])


def _substituted(equation: Equation, known: Mapping[Atom, Atom]) -> Equation:
    if not known or known.keys().isdisjoint(equation.inputs):
        return equation
    return equation.like(inputs=[known.get(atom, atom) for atom in equation.inputs])


# --- identities ---------------------------------------------------------------------------------------


def identities(trace: Trace) -> Trace:
    """Apply the table of identities once, from the first equation to the last."""
    return rewrite(trace, _identity)


def _identity(equation: Equation, makers: Makers) -> Found:
    for rule in IDENTITIES.get(equation.primitive.name, ()):
        found = rule(equation, makers)
        if found is not None and _type_of(found) is equation.outputs[0].type:
            return found  # type: ignore[no-any-return]
    return None


def _type_of(found: Any) -> Type:
    """The type of an atom, or of what an equation gives."""
    if not isinstance(found, Equation):
        return found.type  # type: ignore[no-any-return]
    types = [atom.type for atom in found.inputs]
    return infer(found.primitive, types, found.params, found.outputs[0].type.weak)  # type: ignore[no-any-return]


Rule = Callable[[Equation, Makers], Any]


def itself(equation: Equation, makers: Makers) -> Atom:
    """The operation changes nothing but, perhaps, the type."""
    return equation.inputs[0]


def undone(name: str) -> Rule:
    """The operation undoes the one named: ``--x``."""

    def rule(equation: Equation, makers: Makers) -> Any:
        inner = makers.of(equation.inputs[0], name)
        return inner and inner.inputs[0]

    return rule


def neutral(place: int, is_neutral: Callable[[Any, str], bool]) -> Rule:
    """The operand in this place is a constant that changes nothing: ``x * 1``."""

    def rule(equation: Equation, makers: Makers) -> Any:
        constant = equation.inputs[place]
        if type(constant) is not Literal or not _is_small(constant):
            return None
        kind = equation.outputs[0].type.dtype.kind
        return equation.inputs[1 - place] if is_neutral(constant.value, kind) else None

    return rule


def _is_small(atom: Literal) -> bool:
    return not isinstance(atom.value, Tracer) and atom.type.size <= SMALL


def _one(value: Any, kind: str) -> bool:
    """In complex numbers (a + bi)(1 + 0i) is not a + bi where a or b is infinite or -0.0."""
    return kind != "c" and bool(np.all(value == 1))


def _added_zero(value: Any, kind: str) -> bool:
    """Only -0.0 leaves -0.0 as it is."""
    return (kind in "iu" and not np.any(value)) or (kind == "f" and _is_zero(value, signed=True))


def _subtracted_zero(value: Any, kind: str) -> bool:
    return (kind in "iu" and not np.any(value)) or (kind in "fc" and _is_zero(value, signed=False))


def _is_zero(value: Any, signed: bool) -> bool:
    parts = [np.real(value), np.imag(value)] if np.iscomplexobj(value) else [np.asarray(value)]
    return all(
        not np.any(part) and bool(np.all(np.signbit(np.asarray(part, float)) == signed)) for part in parts
    )


def negated(place: int, instead: Primitive) -> Rule:
    """The operand in this place is negated, and another operation does it at once: ``x + (-y) = x - y``."""

    def rule(equation: Equation, makers: Makers) -> Any:
        inner = makers.of(equation.inputs[place], "negative")
        if inner is None or inner.outputs[0].type.dtype != equation.outputs[0].type.dtype:
            return None  # -y may wrap around before it is promoted
        operands = [equation.inputs[1 - place], inner.inputs[0]]
        return equation.like(primitive=instead, inputs=operands)

    return rule


def first_power(equation: Equation, makers: Makers) -> Any:
    """x¹ = x, for real numbers."""
    real = equation.outputs[0].type.dtype.kind in "iuf"
    return equation.inputs[0] if real and equation.params["exponent"] == 1 else None


def reshaped_twice(equation: Equation, makers: Makers) -> Any:
    """One reshape in place of two."""
    inner = makers.of(equation.inputs[0], "reshape")
    if inner is None:
        return None
    (x,) = inner.inputs
    params = {"shape": equation.outputs[0].type.shape, "ndim": x.type.ndim}
    return x if x.type is equation.outputs[0].type else equation.like(inputs=[x], params=params)


def in_order(equation: Equation, makers: Makers) -> Any:
    """A transpose that leaves the axes in order."""
    axes = equation.params["axes"]
    return equation.inputs[0] if axes == _identity_axes(len(axes)) else None


def transposed_twice(equation: Equation, makers: Makers) -> Any:
    """One transpose in place of two."""
    inner = makers.of(equation.inputs[0], "transpose")
    if inner is None:
        return None
    n = max(len(equation.params["axes"]), len(inner.params["axes"]))
    outer_axes, inner_axes = (_padded(e.params["axes"], n) for e in (equation, inner))
    axes = tuple(inner_axes[i] for i in outer_axes)
    if axes == _identity_axes(n):
        return inner.inputs[0]
    return equation.like(inputs=inner.inputs, params={"axes": axes})


def _identity_axes(n: int) -> tuple[int, ...]:
    return tuple(range(-n, 0))


def _padded(axes: Sequence[int], n: int) -> tuple[int, ...]:
    return (*range(-n, -len(axes)), *axes)


def broadcast_twice(equation: Equation, makers: Makers) -> Any:
    """One broadcast in place of two."""
    inner = makers.of(equation.inputs[0], "broadcast_to")
    return inner and equation.like(inputs=inner.inputs)


def widened(equation: Equation, makers: Makers) -> Any:
    """A conversion of what was converted to a wider dtype of its own kind: the detour loses nothing."""
    inner = makers.of(equation.inputs[0], "convert")
    if inner is None:
        return None
    (x,), wide = inner.inputs, inner.params["dtype"]
    if x.type.dtype.kind != wide.kind or not np.can_cast(x.type.dtype, wide, "safe"):
        return None
    return x if x.type is equation.outputs[0].type else equation.like(inputs=[x])


def flipped_twice(equation: Equation, makers: Makers) -> Any:
    """A flip undone."""
    inner = makers.of(equation.inputs[0], "flip")
    same = inner is not None and sorted(inner.params["axes"]) == sorted(equation.params["axes"])
    return inner.inputs[0] if inner is not None and same else None


def everything(equation: Equation, makers: Makers) -> Any:
    """x[:, 0:3] of three columns."""
    x, *_ = equation.inputs
    parts = [part for part in equation.params["index"] if part is not Ellipsis]
    if len(parts) > x.type.ndim or not all(isinstance(part, slice) for part in parts):
        return None
    extents = x.type.shape[x.type.ndim - len(parts) :]
    whole = all(part.indices(n) == (0, n, 1) for part, n in zip(parts, extents, strict=True))
    return x if whole else None


def same_choices(equation: Equation, makers: Makers) -> Any:
    """where(c, x, x)."""
    _, a, b = equation.inputs
    return a if a is b else None


# Operation -> what may stand for it. A result of another type than the operation's is not taken.
IDENTITIES: dict[str, tuple[Rule, ...]] = {
    "positive": (itself,),
    "negative": (undone("negative"),),
    "add": (neutral(0, _added_zero), neutral(1, _added_zero), negated(1, subtract), negated(0, subtract)),
    "subtract": (neutral(1, _subtracted_zero), negated(1, add)),
    "multiply": (neutral(0, _one), neutral(1, _one)),
    "divide": (neutral(1, _one),),
    "integer_power": (first_power,),
    "reshape": (itself, reshaped_twice),
    "transpose": (in_order, transposed_twice),
    "broadcast_to": (itself, broadcast_twice),
    "convert": (itself, widened),
    "item": (itself,),
    "variable": (itself,),
    "flip": (flipped_twice,),
    "getitem": (everything,),
    "conjugate": (undone("conjugate"),),
    "where": (same_choices,),
}


# --- constants ----------------------------------------------------------------------------------------


def constants(trace: Trace) -> Trace:
    """Evaluate equations of small constants."""
    return rewrite(trace, _folded)


def _folded(equation: Equation, makers: Makers) -> Found:
    small = all(type(atom) is Literal and _is_small(atom) for atom in equation.inputs)
    if not small or not _is_foldable(equation):
        return None
    values = [atom.value for atom in equation.inputs]  # type: ignore[union-attr]
    with np.errstate(all="ignore"):
        value = bind(equation.primitive, values, equation.params, equation.outputs[0].type.weak)
    return Literal(value, type_of(value)) if type_of(value) is equation.outputs[0].type else None


def _is_foldable(equation: Equation) -> bool:
    """Whether it may be evaluated ahead of time: it cannot fail, and its result is small."""
    primitive, (output, *others) = equation.primitive, equation.outputs
    return primitive.kind in ("elementwise", "linear") and not others and output.type.size <= SMALL


# --- common subexpressions ----------------------------------------------------------------------------


def common(trace: Trace) -> Trace:
    """Compute equal equations once."""
    seen: dict[Hashable, Sequence[Var]] = {}

    def rule(equation: Equation, makers: Makers) -> Found:
        first = seen.setdefault(signature(equation), equation.outputs)
        return None if first is equation.outputs else first

    return rewrite(trace, rule)


# Real numbers only: how complex products are rounded may depend on the order of the factors.
_COMMUTATIVE = frozenset(
    {"add", "multiply", "equal", "not_equal", "bitwise_and", "bitwise_or", "bitwise_xor"}
)


def signature(equation: Equation) -> Hashable:
    """Equal for equations that give the same numbers."""
    keys = [atom_key(atom) for atom in equation.inputs]
    if equation.primitive.name in _COMMUTATIVE and all(a.type.dtype.kind != "c" for a in equation.inputs):
        keys.sort(key=hash)
    types = tuple(id(var.type) for var in equation.outputs)
    return id(equation.primitive), tuple(keys), types, _key(dict(equation.params))


def atom_key(atom: Atom) -> Hashable:
    """Equal for one variable, and for constants that are the same."""
    if type(atom) is Var:
        return atom
    value = atom.value  # type: ignore[union-attr]
    return (id(atom.type), id(value) if isinstance(value, Tracer) else _key(value))


def _key(value: Any) -> Hashable:
    """Equal for values that are the same to the last bit; other objects are equal to themselves alone."""
    if isinstance(value, np.ndarray):
        return id(value) if value.dtype == object or value.size > SMALL else (value.shape, value.tobytes())
    if isinstance(value, tuple | list):
        return (type(value), *map(_key, value))
    if isinstance(value, dict):
        return tuple((name, _key(value[name])) for name in sorted(value))
    if isinstance(value, slice):
        return (slice, value.start, value.stop, value.step)
    if isinstance(value, int | float | complex | str | np.generic):
        return (type(value), repr(value))
    return value if isinstance(value, np.dtype) else id(value)


# --- dead code ----------------------------------------------------------------------------------------


def dead(trace: Trace) -> Trace:
    """Leave out what no output depends on."""
    needed: set[Atom] = set(trace.outputs)
    kept: list[Equation] = []
    for equation in reversed(trace.equations):
        if not needed.isdisjoint(equation.outputs):
            equation = _without_rest(equation, needed)
            kept.append(equation)
            needed.update(equation.inputs)
    return Trace(trace.inputs, kept[::-1], trace.outputs)


def _without_rest(equation: Equation, needed: set[Atom]) -> Equation:
    """A scan without results that nobody reads, the carries before each step among them."""
    if equation.primitive.name != "scan":
        return equation
    count = len(equation.params["body"].outputs)
    if equation.params["history"] and needed.isdisjoint(equation.outputs[count:]):
        params = {**equation.params, "history": False}
        equation = equation.like(params=params, outputs=equation.outputs[:count])
    return without_rest(equation, needed)


# --- traces inside equations --------------------------------------------------------------------------


def nested(trace: Trace) -> Trace:
    """Simplify the bodies of loops and the branches of conditions."""
    return rewrite(trace, _inside) if any(map(bodies, trace.equations)) else trace


def _inside(equation: Equation, makers: Makers) -> Found:
    return equation.with_bodies(simplify)


PASSES: dict[str, Pass] = {
    "nested": nested,
    "identities": identities,
    "constants": constants,
    "common": common,
    "dead": dead,
}
