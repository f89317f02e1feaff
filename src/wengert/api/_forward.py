r"""Forward mode: tangents, along with the values from one direction of the inputs to all outputs.

.. math:: \dot v_i = \sum_{j \in \mathrm{pa}(i)} \dot v_j \frac{\partial v_i}{\partial v_j}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.api._arguments import Function, Selection, as_tuple, select, split_aux
from wengert.api._reverse import grad
from wengert.core import tree
from wengert.core.leaves import is_number, like
from wengert.core.recorder import type_of
from wengert.core.recording import Recording, own_all, record
from wengert.core.trace import Var
from wengert.errors import MismatchError, at_user_line
from wengert.transforms.tangent import push, zeros


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    r"""The value of a function and the product of its Jacobian with a tangent, from one forward pass.

    .. math:: \dot y = J\dot x,\qquad \dot y_k=\sum_i\frac{\partial y_k}{\partial x_i}\dot x_i

    Parameters
    ----------
    f : callable
        Any function of trees of floating-point numbers and arrays.
    primals, tangents : tuple or list
        The arguments, and one tangent like each of them.
    has_aux : bool
        Whether f gives ``(value, aux)``; the result is then ``(value, tangent, aux)``.

    Returns
    -------
    value, tangent
        The tangent is a tree like the value.

    Raises
    ------
    TypeError
        Where primals are not of floating point, or a tangent's tree, shape or dtype is not its primal's.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jvp(lambda x: x**2, (3.0,), (1.0,))
    (9.0, np.float64(6.0))

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.2.1.
    """
    primals = as_tuple(primals, "primals")
    selection = select(primals, {}, tuple(range(len(primals))), "jvp")
    seeds = _tangent_leaves(selection, as_tuple(tangents, "tangents"))
    recording = record(f, selection.leaves, selection.call)
    env: dict[Var, Any] = dict(zip(recording.inputs, seeds, strict=True))
    push(recording.recorder.equations, recording.recorder.env, env)
    result = recording.result(selection.leaves)
    moved = own_all([tangent_of(recording, env, o) for o in recording.outputs], seeds)
    recording.recorder.close()
    tangent = tree.unflatten(recording.structure, moved)
    if not has_aux:
        return result, tangent
    (value, aux), (value_tangent, _) = split_aux(result), split_aux(tangent)
    return value, value_tangent, aux


def _tangent_leaves(selection: Selection, tangents: tuple[Any, ...]) -> list[Any]:
    if len(tangents) != len(selection.structures):
        raise MismatchError(
            at_user_line(
                f"there are {len(selection.structures)} primals and {len(tangents)} tangents. Give a tangent "
                "for each primal."
            )
        )
    seeds, start = [], 0
    for tangent, structure, count in zip(tangents, selection.structures, selection.counts, strict=True):
        types = [type_of(leaf) for leaf in selection.leaves[start : start + count]]
        seeds.extend(like(tangent, structure, types, "tangent", "primal"))
        start += count
    return seeds


def tangent_of(recording: Recording, env: dict[Var, Any], output: Any) -> Any:
    """The tangent of an output, zeros where it does not depend on the inputs."""
    if recording.is_traced(output) and output.variable in env:
        return env[output.variable]
    return zeros(type_of(output)) if is_number(output) else output


def hvp(f: Function, primals: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    r"""The product of the Hessian with a vector, in a small multiple of the cost of f: forward over reverse.

    .. math:: Hv = \frac{d}{dr}\,\nabla f(x+rv)\Big|_{r=0}

    Parameters
    ----------
    f : callable
        Scalar-valued.
    primals, vectors : tuple or list
        The arguments, and one vector like each of them.

    Returns
    -------
    tuple
        One tree for each primal, with its shapes and dtypes.

    Raises
    ------
    TypeError
        Where primals are not of floating point, the value is not a real scalar, or a vector's tree
        or shape is not its primal's.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    (array([6., 0.]),)

    References
    ----------
    Pearlmutter, *Fast exact multiplication by the Hessian* (1994); Bishop 8.1.6: O(W) steps.
    """
    primals = as_tuple(primals, "primals")
    gradient = grad(f, tuple(range(len(primals))))
    result: tuple[Any, ...] = jvp(gradient, primals, vectors)[1]
    return result
