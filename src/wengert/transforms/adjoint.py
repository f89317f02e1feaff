r"""Reverse mode: adjoints flow from the outputs back to the inputs.

.. math:: \bar v_i = \sum_{j\in\mathrm{ch}(i)} \bar v_j\,\frac{\partial v_j}{\partial v_i}

Each equation is linearised and transposed where it stands: its tangent is linear in the tangents of its
operands, and the adjoint is the transpose of that map. One backward pass gives the gradient of one output
with respect to all inputs, at a cost that does not depend on their number (Bishop 8.2.2). Partial derivatives
are computed beside their only use, so none is stored. The values may be tracers: then the pass itself is
recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from wengert.core.finite import require_finite
from wengert.core.recorder import Recorder
from wengert.core.trace import Atom, Equation, Type, Var, type_for
from wengert.transforms.tangent import operands, scale

Contributions = Iterable[tuple[Var, Any]]


class Adjoints(dict[Var, Any]):
    """The adjoint of each variable, as far as its children have contributed."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: set[Var] = set()

    def add(self, var: Var, contribution: Any) -> None:
        """Add what one child contributes; sums that were made here are added to in place."""
        contribution = conform(contribution, var.type)
        before = self.get(var)
        if before is None:
            self[var] = contribution
        elif var in self._sums and type(contribution) is np.ndarray:
            before += contribution
        else:
            self[var] = total = before + contribution
            if type(total) is np.ndarray:
                self._sums.add(var)


def pull(backwards: Iterable[Equation], env: Mapping[Var, Any], adjoints: Adjoints) -> None:
    """Extend the adjoints of the outputs to those of the inputs, through the equations from last to first.

    ``env`` holds the primal values (a type will do where a rule needs only the shape). Adjoints of variables
    that equations compute are taken out as they are used up.
    """
    for equation in backwards:
        given = _taken(equation, adjoints)
        if given is None:
            continue
        contributions = cotangents_of(equation, env, given)
        if equation.source:
            contributions = list(contributions)
            _check(equation, env, given, contributions)
        for var, contribution in contributions:
            adjoints.add(var, contribution)


def _taken(equation: Equation, adjoints: Adjoints) -> Any:
    if not equation.primitive.multiple:
        return adjoints.pop(equation.outputs[0], None)
    given = [adjoints.pop(var, None) for var in equation.outputs]
    return None if all(ct is None for ct in given) else given


def _check(equation: Equation, env: Mapping[Var, Any], given: Any, contributions: Contributions) -> None:
    """Under `check_finite`: see that the contributions are finite."""
    sources = [*operands(equation, env), *(given if equation.primitive.multiple else [given])]
    found = [contribution for _, contribution in contributions]
    require_finite(found, sources, equation.primitive.name, equation.source, "adjoint")


def conform(cotangent: Any, type: Type) -> Any:
    """Give a cotangent the shape and dtype of its primal: the transpose of broadcasting and of promotion."""
    if cotangent.shape != type.shape:
        cotangent = _unbroadcast(cotangent, type)
    if cotangent.dtype != type.dtype:
        cotangent = _demote(cotangent, type)
    return cotangent


def _unbroadcast(cotangent: Any, type: Type) -> Any:
    extra = cotangent.ndim - type.ndim
    if extra < 0:
        return np.broadcast_to(cotangent, type.shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(type.shape) if n == 1 and cotangent.shape[extra + i] != 1
    )
    if axes:
        cotangent = _sum_short(cotangent) if axes == (cotangent.ndim - 1,) else np.sum(cotangent, axis=axes)
    return cotangent if cotangent.shape == type.shape else np.reshape(cotangent, type.shape)


def _sum_short(cotangent: Any) -> Any:
    """The sum over the last axis; NumPy's own takes ten times as long as adding a few columns."""
    if type(cotangent) is not np.ndarray or not 1 < cotangent.shape[-1] <= 8:
        return np.sum(cotangent, axis=-1)
    total = cotangent[..., 0] + cotangent[..., 1]
    for i in range(2, cotangent.shape[-1]):
        total += cotangent[..., i]
    return total


def _demote(cotangent: Any, type: Type) -> Any:
    if cotangent.dtype.kind == "c" and type.dtype.kind != "c":
        cotangent = np.real(cotangent)
    return cotangent.astype(type.dtype)


def cotangents_of(equation: Equation, env: Mapping[Var, Any], ct: Any) -> Contributions:
    """What an equation contributes to the adjoints of its operands."""
    primitive = equation.primitive
    if primitive.kind == "constant":
        return ()
    values = operands(equation, env)
    y = [env[var] for var in equation.outputs] if primitive.multiple else env[equation.outputs[0]]
    return _RULES[primitive.kind](equation, ct, values, y)


def carriers(equation: Equation) -> list[Var]:
    """The operands by which an equation has a derivative that is not zero everywhere."""
    primitive = equation.primitive
    if primitive.kind == "constant" or not any(var.type.inexact for var in equation.outputs):
        return []
    stated = {"elementwise": primitive.partials, "nonlinear": repeat(1)}
    rules = stated.get(primitive.kind, primitive.transposes)
    return [a for a, rule in zip(equation.inputs, rules) if rule is not None and _needs(a)]  # type: ignore[misc]


def _needs(atom: Atom) -> bool:
    return type(atom) is Var and atom.type.inexact


def _elementwise(equation: Equation, ct: Any, values: Sequence[Any], y: Any) -> Contributions:
    found = []
    for atom, partial in zip(equation.inputs, equation.primitive.partials, strict=True):
        if partial is not None and _needs(atom):
            found.append((atom, scale(ct, partial, values, y, equation.params)))
    return found  # type: ignore[return-value]


def _linear(equation: Equation, ct: Any, values: Sequence[Any], y: Any) -> Contributions:
    found = []
    for atom, rule in zip(equation.inputs, equation.primitive.transposes, strict=False):
        if rule is not None and _needs(atom):
            found.append((atom, rule(ct, *values, **equation.params)))
    return found  # type: ignore[return-value]


def _nonlinear(equation: Equation, ct: Any, values: Sequence[Any], y: Any) -> Contributions:
    if equation.primitive.pullback is not None:
        wants = [_needs(atom) for atom in equation.inputs]
        found = equation.primitive.pullback(ct, values, y, wants, **equation.params)
        return [(atom, c) for atom, c in zip(equation.inputs, found, strict=True) if c is not None]  # type: ignore[misc]
    return _transposed(equation, ct, values, y)


def _transposed(equation: Equation, ct: Any, values: Sequence[Any], y: Any) -> Contributions:
    """Record the tangent of one equation, which is linear, and pull the cotangent back through it."""
    recorder = Recorder(abstract=True)
    recorder.rise_above([*values, *(ct if equation.primitive.multiple else [ct])])
    tangents = [recorder.input(strong(a.type)) if _needs(a) else None for a in equation.inputs]
    result = equation.primitive.tangent(tangents, values, y, **equation.params)
    results, cts = (result, ct) if equation.primitive.multiple else ([result], [ct])
    seeds = Adjoints()
    for output, seed in zip(results, cts, strict=True):
        if output is not None and seed is not None:
            seeds.add(output.variable, seed)
    pull(reversed(recorder.equations), recorder.env, seeds)
    recorder.close()
    pairs = zip(equation.inputs, tangents, strict=True)
    return [(a, seeds[t.variable]) for a, t in pairs if t is not None and t.variable in seeds]  # type: ignore[misc]


def strong(type: Type) -> Type:
    """The type of a tangent: a NumPy number even where its primal is a Python one."""
    return type_for(type.shape, type.dtype)


_RULES: dict[str, Callable[..., Contributions]] = {
    "elementwise": _elementwise,
    "linear": _linear,
    "bilinear": _linear,
    "nonlinear": _nonlinear,
}
