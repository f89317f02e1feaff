r"""Derivatives compared with numerical ones.

.. math:: \frac{\partial y}{\partial x_i} \approx \frac{y(x + \epsilon d_i) - y(x - \epsilon d_i)}{2\epsilon}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api._arguments import Function, as_tuple
from wengert.api._matrices import jacobian
from wengert.api._reverse import grad
from wengert.core import tree
from wengert.core.leaves import kind_of
from wengert.errors import GradientMismatch, at_user_line


def check_gradients(f: Function, args: Sequence[Any], order: int = 2, rtol: float | None = None) -> None:
    r"""Compare the derivatives of f with numerical ones; raise with the worst entry named.

    .. math:: \left|\frac{\partial y_k}{\partial x_i}
        - \frac{y_k(x + \epsilon d_i) - y_k(x - \epsilon d_i)}{2\epsilon}\right|
        \le \mathrm{rtol}\,\bigl(1 + \max|\partial y/\partial x|\bigr)

    Two evaluations or more of f for every input, so meant for small arrays.

    Parameters
    ----------
    f : callable
        A function of trees of floating-point numbers and arrays, smooth around ``args``.
    args : tuple
        Where to check.
    order : {1, 2}
        With 1 the Jacobian, forward and reverse, against central differences; with 2 also the derivative of
        the gradient, forward over reverse and reverse over reverse.
    rtol : float, optional
        Relative to the largest entry; 1e-5 for float64, 2e-2 for float32 (more at second order) by default.

    Raises
    ------
    GradientMismatch
        Names mode, argument, entry and both values.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.check_gradients(lambda x: np.sum(np.sin(x) ** 2), (np.array([0.3, 1.0]),))

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.1.4: numerical differentiation as a check
    of backpropagation.
    """
    args = as_tuple(args, "args")
    places = tuple(i for i, arg in enumerate(args) if _is_inexact(arg))
    _compare(f, args, places, ("forward", "reverse"), "first order", rtol)
    if order >= 2:
        _compare(_projected_gradient(f, places), args, places, ("forward", "reverse"), "second order", rtol)


def _is_inexact(argument: Any) -> bool:
    leaves = tree.flatten(argument)[0]
    return bool(leaves) and all(kind_of(leaf) in "fc" for leaf in leaves)


def _projected_gradient(f: Function, places: tuple[int, ...]) -> Function:
    """The gradient of a fixed linear combination of the outputs."""

    def combined(*args: Any) -> Any:
        leaves = tree.flatten(f(*args))[0]
        return sum(np.sum(np.cos(np.arange(np.size(y)).reshape(np.shape(y))) * y) for y in leaves)

    return grad(combined, places)


def _compare(
    f: Function,
    args: tuple[Any, ...],
    places: tuple[int, ...],
    modes: Sequence[str],
    what: str,
    rtol: float | None,
) -> None:
    expected = tree.flatten(jacobian(f, places, mode="numerical")(*args))[0]
    for mode in modes:
        found = tree.flatten(jacobian(f, places, mode=mode)(*args))[0]
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            _compare_block(np.asarray(a), np.asarray(b), f"{what}, {mode} mode, block {i}", rtol)


def _compare_block(found: Any, expected: Any, where: str, rtol: float | None) -> None:
    tolerance = (
        rtol
        if rtol is not None
        else (2e-2 if found.dtype.itemsize // (1 + (found.dtype.kind == "c")) < 8 else 1e-5)
    )
    scale = 1.0 + (np.max(np.abs(expected)) if expected.size else 0.0)
    error = np.abs(found - expected)
    wrong = ~(error <= tolerance * scale) if error.size else error
    if np.any(wrong):
        worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        entry = tuple(int(i) for i in worst)
        raise GradientMismatch(
            at_user_line(
                f"the derivative disagrees with the numerical one ({where}): entry {entry} is "
                f"{found[worst]:.8g} and should be {expected[worst]:.8g}. If the function has a kink there, "
                "check at another point."
            )
        )
