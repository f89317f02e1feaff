r"""Functions that reverse mode computes a second time instead of storing what they computed.

.. math:: \bar x = \Bigl(\frac{\partial f}{\partial x}\Bigr)^{T} \bar y, \quad y = f(x) \text{ computed anew}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wengert.control._bodies import (
    Values,
    hoist,
    leaves_of,
    pulled,
    pushed,
    record_trace,
    typed,
    with_holes,
)
from wengert.core import tree
from wengert.core.evaluate import evaluate_sparingly
from wengert.core.primitive import nonlinear
from wengert.core.recorder import Recorder, Tracer, bind, current, type_of
from wengert.core.recording import record
from wengert.core.trace import Equation, Trace, Var
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.simplify import dead


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    r"""The same function, whose inner values are computed again in the backward pass instead of being stored.

    For a chain of T steps, checkpoints around stretches of :math:`\sqrt T` of them keep
    :math:`\mathcal O(\sqrt T)` values instead of :math:`\mathcal O(T)`, for one more evaluation.

    Parameters
    ----------
    f : callable
        Any function of trees of numbers and arrays. Its arguments and results are all that reverse mode
        keeps.

    Returns
    -------
    callable
        Takes and gives the same as f.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda x: wg.checkpoint(np.sin)(x) ** 2)(0.0)
    np.float64(0.0)

    References
    ----------
    Griewank and Walther, *Evaluating Derivatives* (2008), chapter 12.
    """

    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        outer = current.get()
        if outer is None:
            return f(*args, **kwargs)
        leaves, structure = leaves_of((args, kwargs))
        chosen = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tracer)]
        mark = _Mark(outer)
        recording = record(
            f, [leaves[i] for i in chosen], _calling(leaves, chosen, structure), outer.abstract
        )
        trace, captured = hoist(recording.trace())
        recording.recorder.close()
        result = recording.structure
        del recording  # with all the values in between, before they are computed again
        mark.restore()
        values = [*captured, *(leaves[i] for i in chosen)]
        return tree.unflatten(result, bind(checkpoint_p, values, {"body": trace}))

    checkpointed.__name__ = getattr(f, "__name__", "checkpointed")
    return checkpointed


def _calling(leaves: list[Any], chosen: list[int], structure: Any) -> Callable[..., Any]:
    def call(f: Callable[..., Any], tracers: Values) -> Any:
        filled = list(leaves)
        for i, tracer in zip(chosen, tracers, strict=True):
            filled[i] = tracer
        args, kwargs = tree.unflatten(structure, filled)
        return f(*args, **kwargs)

    return call


class _Mark:
    """A place in a recording to return to: what was recorded since then is forgotten, except for guards."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.equations = len(recorder.equations)

    def restore(self) -> None:
        made = self.recorder.equations[self.equations :]
        asked = dead(Trace((), made, [var for var, *_ in self.recorder.guards or ()])).equations
        for var in _outputs(made) - _outputs(asked):
            self.recorder.env.pop(var, None)
        self.recorder.equations[self.equations :] = asked


def _outputs(equations: Iterable[Equation]) -> set[Var]:
    return {var for equation in equations for var in equation.outputs}


def _run_checkpoint(*operands: Any, body: Trace) -> tuple[Any, ...]:
    outputs = evaluate_sparingly(body, operands)
    return tuple(typed(v, atom.type) for v, atom in zip(outputs, body.outputs, strict=True))


def _checkpoint_tangent(tangents: Values, operands: Values, outputs: Values, *, body: Trace) -> Values:
    return with_holes(pushed(body, operands, tangents), [atom.type for atom in body.outputs])


def _checkpoint_pullback(
    cts: Values, operands: Values, outputs: Values, wants: Any, *, body: Trace
) -> Values:
    """Itself a checkpoint: what it computes again then waits for the adjoints, and is forgotten after it."""
    seeds = [ct for ct in cts if ct is not None]
    used: list[bool] = []

    def back(given: list[Any]) -> Values:
        left = iter(given[len(operands) :])
        found = pulled(body, given[: len(operands)], [None if ct is None else next(left) for ct in cts])
        used.extend(want and b is not None for b, want in zip(found, wants, strict=True))
        return [b for b, use in zip(found, used, strict=True) if use]

    trace = record_trace(back, [*(var.type for var in body.inputs), *map(type_of, seeds)])
    results = iter(bind(checkpoint_p, [*operands, *seeds], {"body": trace}))
    return [next(results) if use else None for use in used]


def _checkpoint_batch(values: Values, flags: Sequence[bool], types: Any, size: int, *, body: Trace) -> Any:
    return tuple(v if f else spread(v, size) for v, f in evaluate_batch(body, values, flags, size))


checkpoint_p = nonlinear(
    "checkpoint",
    _run_checkpoint,
    _checkpoint_tangent,
    pullback=_checkpoint_pullback,
    infer=lambda *types, body: [(a.type.shape, a.type.dtype) for a in body.outputs],
    batch=_checkpoint_batch,
    multiple=True,
    text="checkpoint({args})",
)
