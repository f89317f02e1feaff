r"""Reverse mode: adjoints, backwards from one output to all inputs.

.. math:: \bar v_i = \sum_{j \in \mathrm{ch}(i)} \bar v_j \frac{\partial v_j}{\partial v_i}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from wengert import ops
from wengert.api._arguments import Argnums, Function, named, select, split_aux
from wengert.core import tree
from wengert.core.leaves import described, kind_of, like
from wengert.core.recorder import Tracer, bind, type_of
from wengert.core.recording import Recording, own_all, record
from wengert.core.trace import Equation
from wengert.errors import DerivativeError, at_user_line
from wengert.transforms.adjoint import Adjoints, pull
from wengert.transforms.tangent import zeros


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    r"""The gradient of a scalar-valued function.

    .. math:: \nabla f(x)_i = \frac{\partial f}{\partial x_i}

    One recording of f and one backward pass (reverse mode), whatever the size of x.

    Parameters
    ----------
    f : callable
        Takes trees of numbers and NumPy arrays and gives one floating-point number; with ``has_aux`` a pair
        ``(number, anything)``.
    argnums : int or tuple of int
        The positional arguments to differentiate. A tuple gives a tuple of gradients.
    has_aux : bool
        Whether f also returns something that is passed through: the result is then ``(gradient, aux)``.

    Returns
    -------
    callable
        Takes f's arguments and gives the gradient, a tree like the argument: same shapes, same dtypes
        (denominator layout).

    Raises
    ------
    TypeError
        Where the argument is not of floating point, or the value is not a real scalar.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.2.2.
    """
    both = value_and_grad(f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return named(f, gradient)


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    r"""The value and the gradient of a scalar-valued function, from one recording.

    .. math:: x \mapsto \bigl(f(x),\ \nabla f(x)\bigr)

    Parameters
    ----------
    f, argnums, has_aux
        As in `grad`.

    Returns
    -------
    callable
        Gives ``(value, gradient)``, or ``((value, aux), gradient)`` with ``has_aux``; the gradient
        is a tree like the argument, with its shapes and dtypes.

    Raises
    ------
    TypeError
        Where the argument is not of floating point, or the value is not a real scalar.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0)
    (10.0, (np.float64(5.0), np.float64(2.0)))
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        selection = select(args, kwargs, argnums, "grad")
        recording = record(f, selection.leaves, selection.call)
        value, output = _scalar_output(recording, has_aux, selection.leaves)
        gradients = pull_back(recording, [output], [_one(output)], recording.recorder.unwind())
        recording.recorder.close()
        results = selection.restore(own_all(gradients, selection.leaves))
        return value, tuple(results) if isinstance(argnums, tuple | list) else results[0]

    return named(f, both)


def _scalar_output(recording: Recording, has_aux: bool, inputs: Sequence[Any]) -> tuple[Any, Any]:
    """The value (with aux, where there is one) and the output that is differentiated."""
    result = recording.result(inputs)
    value = split_aux(result)[0] if has_aux else result
    if len(recording.outputs) == 0 or not tree.is_leaf(value):
        raise DerivativeError(
            at_user_line(
                f"grad needs a function that gives one number, and it gave a {type(value).__name__}. Return "
                "one number; for extra results return (number, extras) and say has_aux=True; for several "
                "outputs use wg.jacobian."
            )
        )
    _check_scalar(value)
    return result, recording.outputs[0]


def _check_scalar(value: Any) -> None:
    if kind_of(value) != "f":
        raise DerivativeError(
            at_user_line(
                f"grad needs a real floating-point value, and the function gave {described(value)}. "
                + _REAL.get(kind_of(value), "Return a floating-point number, for example with 1.0 * x.")
            )
        )
    shape = np.shape(value)
    if shape:
        size = int(np.prod(shape))
        hint = "Write y[0] or y.item()." if size == 1 else "Write np.sum(y), or use wg.jacobian."
        raise DerivativeError(
            at_user_line(
                f"grad needs a function that gives one number, and it gave an array of shape {shape}. {hint}"
            )
        )


_REAL = {"c": "Return a real number such as np.real(z) or np.abs(z).", "O": "Return a number."}


def _one(output: Any) -> Any:
    return type_of(output).dtype.type(1)


def pull_back(
    recording: Recording, outputs: Sequence[Any], seeds: Sequence[Any], backwards: Iterable[Equation]
) -> list[Any]:
    """The adjoints of the inputs, zeros where an output does not depend on them."""
    adjoints = Adjoints()
    for output, seed in zip(outputs, seeds, strict=True):
        if recording.is_traced(output) and output.type.inexact:
            adjoints.add(output.variable, seed)
    pull(backwards, recording.recorder.env, adjoints)
    return [adjoints[var] if var in adjoints else zeros(var.type) for var in recording.inputs]


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    r"""The value of a function and its pullback, the product of a cotangent with the Jacobian.

    .. math:: \mathrm{pullback}(c) = c^T J,\qquad \bar x_i=\sum_k c_k\frac{\partial y_k}{\partial x_i}

    Parameters
    ----------
    f : callable
        Any function of trees of floating-point numbers and arrays.
    *primals
        Where to evaluate it.
    has_aux : bool
        Whether f gives ``(value, aux)``; the result is then ``(value, pullback, aux)``.

    Returns
    -------
    value, pullback
        ``pullback(cotangent)``, for a cotangent like the value, gives a tuple with one tree for each primal.
        It may be called any number of times.

    Raises
    ------
    TypeError
        Where primals are not of floating point, or the cotangent's tree, shape or dtype is not the value's.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> y, pullback = wg.vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([  1., -10.]),)
    """
    selection = select(primals, {}, tuple(range(len(primals))), "vjp")
    selection.leaves = [leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in selection.leaves]
    recording = record(f, selection.leaves, selection.call)
    recording.recorder.keep()
    result = recording.result(kept=True)
    count = len(recording.outputs)
    if has_aux:
        result, aux = split_aux(result)
        count = len(tree.flatten(result)[0])
    outputs, structure = recording.outputs[:count], tree.flatten(result)[1]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        seeds = like(cotangent, structure, [type_of(o) for o in outputs], "cotangent", "value")
        gradients = pull_back(recording, outputs, seeds, reversed(recording.recorder.equations))
        return tuple(selection.restore(own_all(gradients, (*selection.leaves, *seeds))))

    return (result, pullback, aux) if has_aux else (result, pullback)


def stop_gradient(x: Any) -> Any:
    r"""The same value, with a derivative of zero.

    .. math:: y = x,\qquad \dot y = 0

    Parameters
    ----------
    x : tree
        Numbers and arrays of any shape and dtype.

    Returns
    -------
    tree
        Like x.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
    np.float64(3.0)
    """

    def stopped(leaf: Any) -> Any:
        return bind(ops.stop_gradient, (leaf,), {}) if isinstance(leaf, Tracer) else leaf

    return tree.map(stopped, x)
