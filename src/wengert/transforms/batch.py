r"""vmap: one trace for one example becomes one trace for a batch, with a new axis in front.

.. math:: \mathrm{vmap}(f)(X)_b = f(X_b)

Elementwise operations and products broadcast over the new axis. For the rest axes are counted from the end,
so most operations need no rule: an operand without the batch axis is given one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.evaluate import read
from wengert.core.finite import require_finite
from wengert.core.recorder import bind
from wengert.core.trace import Equation, Trace, Type, Var
from wengert.errors import at_user_line

Batched = tuple[Any, bool]


def evaluate_batch(trace: Trace, values: Sequence[Any], batched: Sequence[bool], size: int) -> list[Batched]:
    """Run a trace where the values flagged in ``batched`` have a batch axis in front."""
    env: dict[Var, Any] = dict(zip(trace.inputs, values, strict=True))
    active = {var for var, flag in zip(trace.inputs, batched, strict=True) if flag}
    for equation in trace.equations:
        _step(equation, env, active, size)
    return [(read(env, atom), atom in active) for atom in trace.outputs]


def _step(equation: Equation, env: dict[Var, Any], active: set[Var], size: int) -> None:
    values = [read(env, atom) for atom in equation.inputs]
    flags = [atom in active for atom in equation.inputs]
    if not any(flags):
        weak = equation.outputs[0].type.weak
        result = bind(equation.primitive, values, equation.params, weak)
    else:
        result = _apply(equation, values, flags, size)
        active.update(equation.outputs)
    results = result if equation.primitive.multiple else (result,)
    if equation.source:
        require_finite(results, values, equation.primitive.name, equation.source, "value")
    env.update(zip(equation.outputs, results, strict=True))


def _apply(equation: Equation, values: list[Any], flags: list[bool], size: int) -> Any:
    primitive, types = equation.primitive, [atom.type for atom in equation.inputs]
    if primitive.batch == "loop":
        return loop(equation, values, flags, size)
    if primitive.batch is not None:
        return primitive.batch(values, flags, types, size, **equation.params)
    if primitive.core is not None or primitive.kind == "elementwise":
        core = primitive.core or (0,) * len(values)
        values = _aligned(values, flags, types, core)
    else:
        values = [v if flag else spread(v, size) for v, flag in zip(values, flags, strict=True)]
    result = bind(primitive, values, equation.params)
    return result if primitive.multiple else _typed(result, equation.outputs[0].type)


def spread(value: Any, size: int) -> Any:
    """Give a value that all examples share the batch axis."""
    return np.broadcast_to(value, (size, *np.shape(value)))


def _aligned(values: list[Any], flags: list[bool], types: list[Type], core: Sequence[int]) -> list[Any]:
    """Put axes of length 1 behind the batch axis, so that the other leading axes broadcast."""
    outer = max(type.ndim - c for type, c in zip(types, core, strict=True))
    return [
        _lifted(value, outer - (type.ndim - c)) if flag else value
        for value, flag, type, c in zip(values, flags, types, core, strict=True)
    ]


def _lifted(value: Any, missing: int) -> Any:
    return np.reshape(value, (value.shape[0],) + (1,) * missing + value.shape[1:]) if missing else value


def _typed(value: Any, type: Type) -> Any:
    return value if value.dtype == type.dtype else value.astype(type.dtype)


def loop(equation: Equation, values: list[Any], flags: list[bool], size: int) -> Any:
    """Example by example: right for every operation."""
    rows = [
        bind(
            equation.primitive,
            [v[i] if flag else v for v, flag in zip(values, flags, strict=True)],
            equation.params,
        )
        for i in range(size)
    ]
    if not rows:
        raise ValueError(
            at_user_line(
                f"vmap over an axis of length 0 is not defined for {equation.primitive.name}. Give at least "
                "one example."
            )
        )
    if equation.primitive.multiple:
        return tuple(np.stack(column) for column in zip(*rows, strict=True))
    return np.stack(rows)
