r"""Reverse mode: adjoints flow from the outputs back to the inputs.

.. math:: \bar v_i = \sum_{j\in\mathrm{ch}(i)} \bar v_j\,\frac{\partial v_j}{\partial v_i}

Each equation is linearised and transposed where it stands: its tangent is linear in the tangents of its operands, and the
adjoint is the transpose of that map. One backward pass gives the gradient of one output with respect to all inputs, at
a cost that does not depend on their number (Bishop 8.2.2). Partial derivatives are computed beside their only use, so
none is stored. The values may be tracers: then the pass itself is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.finite import require_finite
from wengert.core.recorder import Recorder
from wengert.core.trace import Atom, Equation, Type, Var, type_for
from wengert.transforms.tangent import Env, operands, scale

Contributions = Iterable[tuple[Var, Any]]


def pull(equations: Sequence[Equation], env: Mapping[Var, Any], cotangents: Env, wanted: Any = None) -> None:
    """Extend the cotangents of the outputs to those of the inputs, back through every equation.

    ``env`` holds the primal values (a type will do where a rule needs only the shape). ``wanted`` is the set of variables
    that an adjoint is needed for; None stands for all of floating-point type.
    """
    for equation in reversed(equations):
        if equation.primitive.multiple:
            given: Any = [cotangents.pop(var, None) for var in equation.outputs]
            live = any(ct is not None for ct in given)
        else:
            given = cotangents.pop(equation.outputs[0], None)
            live = given is not None
        if live:
            contributions = cotangents_of(equation, env, given, wanted)
            if equation.source:
                contributions = list(contributions)
                _check(equation, env, given, contributions)
            for var, contribution in contributions:
                accumulate(cotangents, var, contribution)


def _check(equation: Equation, env: Mapping[Var, Any], given: Any, contributions: Contributions) -> None:
    """Under `check_finite`: see that the contributions are finite."""
    sources = [*operands(equation, env), *(given if equation.primitive.multiple else [given])]
    require_finite(
        [c for _, c in contributions], sources, equation.primitive.name, equation.source, "adjoint"
    )


def accumulate(cotangents: Env, var: Var, contribution: Any) -> None:
    """Add what one child contributes to the adjoint of a variable."""
    contribution = conform(contribution, var.type)
    before = cotangents.get(var)
    cotangents[var] = contribution if before is None else before + contribution


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
    summed = np.sum(cotangent, axis=axes) if axes else cotangent
    summed = summed if summed.shape == type.shape else np.reshape(summed, type.shape)
    return summed


def _demote(cotangent: Any, type: Type) -> Any:
    if cotangent.dtype.kind == "c" and type.dtype.kind != "c":
        cotangent = np.real(cotangent)
    return cotangent.astype(type.dtype)


def cotangents_of(equation: Equation, env: Mapping[Var, Any], ct: Any, wanted: Any = None) -> Contributions:
    """What an equation contributes to the adjoints of its operands."""
    primitive = equation.primitive
    if primitive.kind == "constant":
        return ()
    values = operands(equation, env)
    y = [env[var] for var in equation.outputs] if primitive.multiple else env[equation.outputs[0]]
    return _RULES[primitive.kind](equation, ct, values, y, wanted)


def _needs(atom: Atom, wanted: Any) -> bool:
    return type(atom) is Var and atom.type.inexact and (wanted is None or atom in wanted)


def _elementwise(equation: Equation, ct: Any, values: Sequence[Any], y: Any, wanted: Any) -> Contributions:
    found = []
    for atom, partial in zip(equation.inputs, equation.primitive.partials, strict=True):
        if partial is not None and _needs(atom, wanted):
            found.append((atom, scale(ct, partial, values, y, equation.params)))
    return found  # type: ignore[return-value]


def _linear(equation: Equation, ct: Any, values: Sequence[Any], y: Any, wanted: Any) -> Contributions:
    found = []
    for atom, rule in zip(equation.inputs, equation.primitive.transposes, strict=False):
        if rule is not None and _needs(atom, wanted):
            found.append((atom, rule(ct, *values, **equation.params)))
    return found  # type: ignore[return-value]


def _nonlinear(equation: Equation, ct: Any, values: Sequence[Any], y: Any, wanted: Any) -> Contributions:
    if equation.primitive.pullback is not None:
        wants = [_needs(atom, wanted) for atom in equation.inputs]
        found = equation.primitive.pullback(ct, values, y, wants, **equation.params)
        return [(atom, c) for atom, c in zip(equation.inputs, found, strict=True) if c is not None]  # type: ignore[misc]
    return _transposed(equation, ct, values, y, wanted)


def _transposed(equation: Equation, ct: Any, values: Sequence[Any], y: Any, wanted: Any) -> Contributions:
    """Record the tangent of one equation, which is linear, and pull the cotangent back through it."""
    recorder = Recorder(abstract=True)
    tangents = [recorder.input(strong(a.type)) if _needs(a, wanted) else None for a in equation.inputs]
    result = equation.primitive.tangent(tangents, values, y, **equation.params)
    results, cts = (result, ct) if equation.primitive.multiple else ([result], [ct])
    seeds: Env = {}
    for output, seed in zip(results, cts, strict=True):
        if output is not None and seed is not None:
            accumulate(seeds, output.variable, seed)
    pull(recorder.equations, recorder.env, seeds)
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
