r"""Forward mode: every primal variable carries its tangent along.

.. math:: \dot v_i = \sum_{j\in\mathrm{pa}(i)} \dot v_j\,\frac{\partial v_i}{\partial v_j}

One pass gives the product of the Jacobian with one vector, :math:`J\dot x` (Bishop 8.2.1). A zero tangent is
``None``, so nothing is computed for what does not depend on the inputs. The values may be tracers: then the
pass itself is recorded, and a tangent trace is what is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.finite import require_finite
from wengert.core.recorder import bind
from wengert.core.trace import Equation, Literal, Type, Var

Env = dict[Var, Any]


def push(equations: Sequence[Equation], env: Mapping[Var, Any], tangents: Env) -> None:
    """Extend the tangents of the inputs to those of every variable. ``env`` holds the primal values."""
    for equation in equations:
        given = [tangents.get(atom) if type(atom) is Var else None for atom in equation.inputs]
        if all(tangent is None for tangent in given):
            continue
        found = tangents_of(equation, env, given)
        if equation.source:
            sources = [*operands(equation, env), *given]
            require_finite(found, sources, equation.primitive.name, equation.source, "tangent")
        for var, tangent in zip(equation.outputs, found, strict=True):
            if tangent is not None:
                tangents[var] = tangent


def tangents_of(equation: Equation, env: Mapping[Var, Any], tangents: Sequence[Any]) -> Sequence[Any]:
    """The tangents of an equation's outputs."""
    rule = _RULES[equation.primitive.kind]
    values = operands(equation, env)
    if equation.primitive.multiple:
        outputs: Any = [env[var] for var in equation.outputs]
        return rule(equation, tangents, values, outputs)
    return [rule(equation, tangents, values, env[equation.outputs[0]])]


def operands(equation: Equation, env: Mapping[Var, Any]) -> list[Any]:
    """The values of an equation's operands, weak ones in the result's dtype: rules meet NumPy numbers."""
    dtype = equation.outputs[0].type.dtype
    values = []
    for atom in equation.inputs:
        value = atom.value if type(atom) is Literal else env[atom]  # type: ignore[index]
        if type(value) in _PYTHON and dtype.kind in "fc":
            value = dtype.type(value) if type(value) is not complex else value
        values.append(value)
    return values


_PYTHON = frozenset({int, float, bool, complex})


def _elementwise(equation: Equation, tangents: Sequence[Any], values: Sequence[Any], y: Any) -> Any:
    total = None
    for tangent, partial in zip(tangents, equation.primitive.partials, strict=True):
        if tangent is not None and partial is not None:
            term = scale(tangent, partial, values, y, equation.params)
            total = term if total is None else total + term
    return None if total is None else expand(total, equation.outputs[0].type)


def scale(vector: Any, partial: Any, values: Sequence[Any], y: Any, params: Mapping[str, Any]) -> Any:
    """``partial * vector``, where a partial of 1 or -1 costs nothing or a sign."""
    if partial == 1:
        return vector
    return -vector if partial == -1 else vector * partial(*values, y, **params)


def expand(value: Any, type: Type) -> Any:
    """Broadcast and cast a tangent to the type of its primal."""
    if np.shape(value) != type.shape:
        value = np.broadcast_to(value, type.shape)
    return (
        value
        if value.dtype == type.dtype
        else np.astype(value, type.dtype)
        if type.shape
        else _cast(value, type)
    )


def _cast(value: Any, type: Type) -> Any:
    return value.astype(type.dtype)


def zeros(type: Type) -> Any:
    """A zero of this type."""
    return np.zeros(type.shape, type.dtype) if type.shape else type.dtype.type(0)


def _linear(equation: Equation, tangents: Sequence[Any], values: Sequence[Any], _: Any) -> Any:
    filled = []
    for atom, tangent, value, rule in zip(
        equation.inputs, tangents, values, equation.primitive.transposes, strict=False
    ):
        filled.append(value if rule is None else zeros(atom.type) if tangent is None else tangent)
    filled.extend(values[len(filled) :])
    return bind(equation.primitive, filled, equation.params)


def _bilinear(equation: Equation, tangents: Sequence[Any], values: Sequence[Any], _: Any) -> Any:
    primitive, params = equation.primitive, equation.params
    (da, db), (a, b) = tangents, values
    left = None if da is None else bind(primitive, (da, b), params)
    right = None if db is None else bind(primitive, (a, db), params)
    return left if right is None else right if left is None else left + right


def _nonlinear(equation: Equation, tangents: Sequence[Any], values: Sequence[Any], y: Any) -> Any:
    return equation.primitive.tangent(tangents, values, y, **equation.params)


def _constant(equation: Equation, tangents: Sequence[Any], values: Sequence[Any], y: Any) -> Any:
    return [None] * len(equation.outputs) if equation.primitive.multiple else None


_RULES: dict[str, Callable[..., Any]] = {
    "elementwise": _elementwise,
    "linear": _linear,
    "bilinear": _bilinear,
    "nonlinear": _nonlinear,
    "constant": _constant,
}
