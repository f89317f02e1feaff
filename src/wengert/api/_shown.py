r"""What a call computes and what that costs: its evaluation trace, as tables.

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}), \qquad C = \sum_i c(\mathrm{op}_i)
"""

from __future__ import annotations

import inspect
from typing import Any

from wengert.api._arguments import Function, Selection, named
from wengert.core import tree
from wengert.core.leaves import kind_of
from wengert.core.recording import Recording, record
from wengert.tables import EvaluationTrace
from wengert.transforms.counting import Cost


def trace(f: Function) -> Function:
    r"""The evaluation trace of a call, with its values; ``print`` it for the table of primal equations.

    .. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)})

    Parameters
    ----------
    f : callable
        A function of trees; every leaf that is a number or an array becomes an input of the trace.

    Returns
    -------
    callable
        Takes f's arguments and gives an `EvaluationTrace`: its ``primal()``, ``tangent()`` and
        ``adjoint()`` are tables, its ``result`` is what f returned.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> print(wg.trace(lambda x1, x2: x1 * x2 - np.sin(x2))(2.0, 5.0))
    v1 = x1        float64   2
    v2 = x2        float64   5
    v3 = v1 * v2   float64   10
    v4 = sin(v2)   float64   -0.958924
    v5 = v3 - v4   float64   10.9589
    output: v5

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.2.
    """

    def traced(*args: Any, **kwargs: Any) -> EvaluationTrace:
        selection = Selection(args, kwargs, range(len(args)))
        recording = _record_numbers(f, selection)
        recording.recorder.keep()
        labels = _labels(f, selection)
        return EvaluationTrace(
            recording.trace(), recording.recorder.env, labels, recording.result(), recording.structure
        )

    return named(f, traced)


def _record_numbers(f: Function, selection: Selection) -> Recording:
    """Record with a tracer for every leaf that is a number; the others stay as they are."""
    chosen = [i for i, leaf in enumerate(selection.leaves) if kind_of(leaf) in "biufc"]
    return record(f, [selection.leaves[i] for i in chosen], selection.calling(chosen))


def _labels(f: Function, selection: Selection) -> list[str]:
    """What the user calls each leaf that is a number."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    names += [f"x{i + 1}" for i in range(len(names), len(selection.args))]
    labels = [
        name + path for name, arg in zip(names, selection.args, strict=False) for path in tree.paths(arg)
    ]
    return [label for label, leaf in zip(labels, selection.leaves, strict=True) if kind_of(leaf) in "biufc"]


def cost(f: Function) -> Function:
    r"""Counted operations and bytes of a call, by kind.

    .. math:: C = \sum_i c(\mathrm{op}_i), \qquad\text{for example } c(A B) = 2 n m k

    Parameters
    ----------
    f : callable
        A function of trees of numbers and arrays; also a derivative, such as ``wg.grad(g)``.

    Returns
    -------
    callable
        Takes f's arguments and gives a `Cost` with ``operations``, ``bytes`` and ``by_kind``;
        ``print`` it for the table.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> W, x = np.ones((4, 3)), np.ones(3)
    >>> wg.cost(lambda W, x: np.sum((W @ x) ** 2))(W, x).operations
    36.0
    """

    def counted(*args: Any, **kwargs: Any) -> Cost:
        recording = _record_numbers(f, Selection(args, kwargs, range(len(args))))
        recording.recorder.close()
        return Cost(recording.trace())

    return named(f, counted)
