r"""Numerical differentiation: derivatives from values of the function alone.

Perturb one coordinate, look at what the function does, divide. The forward difference and the symmetrical
central difference

.. math::
    \frac{\partial f}{\partial x_i} = \frac{f(x + \epsilon d_i) - f(x)}{\epsilon} + \mathcal O(\epsilon),
    \qquad
    \frac{\partial f}{\partial x_i} = \frac{f(x + \epsilon d_i) - f(x - \epsilon d_i)}{2\epsilon}
    + \mathcal O(\epsilon^2)

(:math:`d_i` one-hot) lose to truncation where :math:`\epsilon` is large and to round-off where it is small:
on logarithmic scales the error falls with slope 1 or 2 and then rises again in a noisy line. The complex step

.. math:: \frac{\partial f}{\partial x_i} = \frac{\operatorname{Im} f(x + i\epsilon d_i)}{\epsilon}
    + \mathcal O(\epsilon^2)

subtracts nothing, so that :math:`\epsilon` can be so small that the error is that of rounding the result. It
asks for an analytic function.

Each takes one or two evaluations per coordinate, so a gradient in W weights costs :math:`\mathcal O(W^2)`
where backpropagation costs :math:`\mathcal O(W)`. The use of numerical differentiation is to check the other
modes; so every function here can say how far its result may be off.

References
----------
Bishop and Bishop, *Deep Learning*, 8.1.6. Ridders, *Accurate computation of F'(x) and F'(x) F''(x)*, Advances
in Engineering Software 4 (1982). Squire and Trapp, *Using complex variables to estimate derivatives of real
functions*, SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.tracer import has_tracer
from wengert.errors import DerivativeError, MismatchError, NotFiniteError, at_user_line, warn

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["derivative", "gradient", "hessian", "jacobian"]


def __dir__() -> list[str]:
    return __all__


Method = Literal["forward", "central", "complex"]
Array = np.ndarray
Estimate = tuple[Array, Array]
"""Derivatives (one row per direction, one column per output) and the errors to expect in them."""

_FIRST = 0.15
_RATIO = 3.3
"""Steps are 0.15 max(|x|, 1) / 3.3^k: with an integer ratio, a periodic function could look constant."""
_LEVELS = 48
_COLUMNS = 6
_ROUNDING = 4.0
"""Values of f are taken to be right to four units in the last place."""
_CONTRACTION = 0.7
_STEADY = 1e-3
"""Quotients converge where their changes shrink by the first factor from step to step, or are this small."""
_SAFETY = 2.0
"""Distances between neighbours in the table, times this, are taken for errors."""


def derivative(
    f: Callable[[Any], Any],
    x: Any,
    method: Method = "central",
    step: ArrayLike | None = None,
    *,
    return_error: bool = False,
    batched: bool = False,
) -> Any:
    r"""Derivative of a function of one number.

    Parameters
    ----------
    f
        Function of a scalar; its value is a number or an array.
    x
        A floating-point scalar. Its dtype is kept: f is called with numbers of the same type.
    method
        "forward" (forward difference), "central" (central difference) or "complex" (complex step).
    step
        The :math:`\epsilon` of the formula, which is then applied once, as it stands; a negative one looks
        the other way. By default the step is chosen: quotients for a sequence of shrinking steps are
        extrapolated to :math:`\epsilon = 0` (Ridders), and the one with the least truncation and round-off
        is taken. The first step is 0.15 max(abs(x), 1); steps that leave the domain of f, or change the shape
        of its value, are passed over.
    return_error
        Return ``(value, error)``: an estimate of the absolute error of every entry. Infinite where the
        quotients did not converge (a warning says so if the error is not asked for).
    batched
        f takes a stack of points along a new axis 0 and gives the stack of its values; the points perturbed
        in all D directions are then evaluated in one call. By default f is called once for each point.

    Returns
    -------
    NumPy scalar or array
        Of the shape of ``f(x)``.

    Notes
    -----
    The complex step calls f with complex numbers. Functions that are not analytic give wrong results there:
    ``np.abs``, ``np.real``, ``np.conj``, ``np.linalg.norm``. A real result raises, since the derivative is
    then lost; where a lost part is mixed with others, only ``return_error=True`` finds out, by comparing with
    central differences.

    At a kink the central difference gives the mean of the two slopes, the forward difference the right one.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> numerical.derivative(np.sin, 0.0)
    np.float64(1.0)
    >>> value, error = numerical.derivative(np.exp, 1.0, return_error=True)
    >>> bool(abs(value - np.e) <= error < 1e-9)
    True
    >>> float(numerical.derivative(np.exp, 0.0, "forward", step=0.5))  # (e^0.5 - 1) / 0.5
    1.2974425414002564
    """
    if np.ndim(x) != 0:
        what = f"numerical.derivative takes a scalar x, got shape {np.shape(x)}."
        raise DerivativeError(at_user_line(f"{what} Write numerical.jacobian(f, x)."))
    return jacobian(f, x, method, step, return_error=return_error, batched=batched)


def gradient(
    f: Callable[[Any], Any],
    x: Any,
    method: Method = "central",
    step: ArrayLike | None = None,
    *,
    return_error: bool = False,
    batched: bool = False,
) -> Any:
    r"""Gradient :math:`\nabla f(x)` of a scalar-valued function, in the shape and dtype of x.

    Parameters
    ----------
    f
        Function of x whose value is a real scalar.
    x
        Floating-point array, or a tree of them.
    method, step, return_error, batched
        As for `derivative`; a step may have the shape of x, or be a tree of steps.

    Returns
    -------
    array
        Denominator layout: the shape (and tree) of x.

    Examples
    --------
    The example of the lecture on differentiation, at x = 2, z = 3:

    >>> import numpy as np
    >>> from wengert import numerical
    >>> def f(v):
    ...     x, z = v
    ...     return np.exp(x * z) + x * z / np.log(x) + np.sin(np.log(x)) / (x * z)
    >>> numerical.gradient(f, np.array([2.0, 3.0])).round(6)
    array([1208.381215,  809.707479])
    """
    rows = _Rows.of(f, x, batched, scalar="gradient")
    estimate = _first_order(rows, method, step, return_error)
    return _report(estimate, return_error, lambda table: _blocks(table, rows.outputs, rows.inputs, _of_inner))


def jacobian(
    f: Callable[[Any], Any],
    x: Any,
    method: Method = "central",
    step: ArrayLike | None = None,
    *,
    return_error: bool = False,
    batched: bool = False,
) -> Any:
    r"""Jacobian :math:`J_{ki} = \partial f_k / \partial x_i`, of shape ``f(x).shape + x.shape``.

    Parameters
    ----------
    f
        Function of x whose value is a number or an array.
    x
        Floating-point array, or a tree of them.
    method, step, return_error, batched
        As for `derivative`; a step may have the shape of x, or be a tree of steps.

    Returns
    -------
    array
        In the dtype of f's values. Where f or x are trees: the tree of f's value, of trees of x, of blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> W = np.array([[0.1, 0.5], [-0.3, 0.8]])
    >>> numerical.jacobian(lambda x: (W @ x) ** 2, np.array([0.2, 0.4])).round(6)
    array([[ 0.044,  0.22 ],
           [-0.156,  0.416]])

    A function that takes a stack of points is called a few times in all:

    >>> numerical.jacobian(lambda xs: (xs @ W.T) ** 2, np.array([0.2, 0.4]), batched=True).round(6)
    array([[ 0.044,  0.22 ],
           [-0.156,  0.416]])
    """
    rows = _Rows.of(f, x, batched)
    estimate = _first_order(rows, method, step, return_error)
    return _report(estimate, return_error, lambda table: _blocks(table, rows.outputs, rows.inputs, _of_outer))


def hessian(
    f: Callable[[Any], Any],
    x: Any,
    method: Method = "central",
    step: ArrayLike | None = None,
    *,
    return_error: bool = False,
    batched: bool = False,
) -> Any:
    r"""Hessian :math:`H_{ij} = \partial^2 f / \partial x_i \partial x_j`, of shape ``x.shape + x.shape``.

    With central differences

    .. math:: H_{ij} = \frac{f(x + \epsilon d_i + \epsilon d_j) - f(x + \epsilon d_i - \epsilon d_j)
        - f(x - \epsilon d_i + \epsilon d_j) + f(x - \epsilon d_i - \epsilon d_j)}{4\epsilon^2}
        + \mathcal O(\epsilon^2),

    with forward differences

    .. math:: H_{ij} = \frac{f(x + \epsilon d_i + \epsilon d_j) - f(x + \epsilon d_i) - f(x + \epsilon d_j)
        + f(x)}{\epsilon^2} + \mathcal O(\epsilon),

    and with "complex" the central difference of the complex-step gradient, which loses least to round-off.

    Parameters
    ----------
    f
        Function of x whose value is a real scalar.
    x
        Floating-point array, or a tree of them.
    method, step, return_error, batched
        As for `derivative`; a step may have the shape of x, or be a tree of steps.

    Returns
    -------
    array
        Symmetric, in the dtype of x. Where x is a tree: a tree of trees of blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> numerical.hessian(lambda x: x[0] ** 2 * x[1], np.array([1.0, 3.0])).round(6)
    array([[6., 2.],
           [2., 0.]])
    """
    rows = _Rows.of(f, x, batched, scalar="hessian")
    estimate = _second_order(rows, method, step, return_error)
    return _report(estimate, return_error, lambda table: _blocks(table, rows.inputs, rows.inputs, _of_outer))


# Trees of arrays as vectors -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Space:
    """How a tree of numbers and arrays is laid out in one vector."""

    structure: Any
    leaves: list[Any]
    arrays: list[Array]

    @staticmethod
    def of(value: Any) -> _Space:
        leaves, structure = tree.flatten(value)
        if any(has_tracer(leaf) for leaf in leaves):
            raise DerivativeError(at_user_line(_RECORDED))
        return _Space(structure, leaves, [np.asarray(leaf) for leaf in leaves])

    def build(self, leaves: Sequence[Any]) -> Any:
        return tree.unflatten(self.structure, leaves)

    def vector(self, lead: int = 0) -> Array:
        """All numbers in one vector, in double precision; the first ``lead`` axes are kept."""
        parts = [a.reshape(*a.shape[:lead], int(np.prod(a.shape[lead:]))) for a in self.arrays]
        whole = np.concatenate(parts, axis=-1) if parts else np.empty(0)
        return whole.astype(np.result_type(whole, np.float64))

    def split(self, vectors: Array) -> list[Array]:
        """The parts of vectors (along the last axis) that belong to each leaf."""
        return np.split(vectors, np.cumsum([a.size for a in self.arrays]), axis=-1)[:-1]

    def tree(self, vector: Array) -> Any:
        """One point: leaves of the same kind and precision as the original ones."""
        return self.build([_like(leaf, part) for leaf, part in zip(self.leaves, self.split(vector))])

    def stack(self, vectors: Array) -> Any:
        """Many points, along a new axis 0 of every leaf."""
        parts = [_precise(part, a.dtype) for part, a in zip(self.split(vectors), self.arrays)]
        return self.build([part.reshape(-1, *a.shape) for part, a in zip(parts, self.arrays)])

    def rounded(self, vectors: Array) -> Array:
        """The nearest vectors whose entries are numbers of the leaves' own precision."""
        parts = [_precise(part, a.dtype) for part, a in zip(self.split(vectors), self.arrays)]
        return np.concatenate(parts, axis=-1, dtype=vectors.dtype) if parts else vectors

    def spacing(self) -> Array:
        """Relative spacing of the numbers, for each entry of the vector."""
        return np.concatenate([np.full(a.size, _eps(a.dtype)) for a in self.arrays] or [np.empty(0)])


_RECORDED = (
    "numerical derivatives are taken of numbers, and this function is being recorded. Write wg.grad or "
    "wg.jvp inside a function that is differentiated."
)


def _eps(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps) if dtype.kind in "fc" else 0.0


def _precise(part: Array, dtype: np.dtype[Any]) -> Array:
    return part.astype(np.result_type(dtype, np.complex64) if part.dtype.kind == "c" else dtype)


def _like(leaf: Any, part: Array) -> Any:
    """These numbers as a Python number, NumPy scalar or array, whichever the leaf is."""
    if not isinstance(leaf, np.ndarray | np.generic):
        return part.item()
    shaped = _precise(part, leaf.dtype).reshape(leaf.shape)
    return shaped if isinstance(leaf, np.ndarray) else shaped[()]


def _blocks(table: Array, outer: _Space, inner: _Space, dtype: Callable[[Array, Array], Any]) -> Any:
    """Table (entries of inner, entries of outer) as the tree of outer, of trees of inner, of blocks."""
    columns = zip(outer.arrays, outer.split(table))
    return outer.build([_row_of_blocks(a, inner, column, dtype) for a, column in columns])


def _row_of_blocks(a: Array, inner: _Space, column: Array, dtype: Callable[[Array, Array], Any]) -> Any:
    parts = zip(inner.arrays, inner.split(column.T))
    return inner.build([_block(part, a.shape + b.shape, dtype(a, b)) for b, part in parts])


def _block(part: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    part = part if dtype.kind == "c" else part.real
    own = dtype if dtype.kind == part.dtype.kind else np.finfo(dtype).dtype
    return part.astype(own).reshape(shape)[()]


def _of_outer(outer: Array, inner: Array) -> np.dtype[Any]:
    return outer.dtype if outer.dtype.kind in "fc" else np.dtype(float)


def _of_inner(outer: Array, inner: Array) -> np.dtype[Any]:
    return inner.dtype


# What can be differentiated -----------------------------------------------------------------------


def _checked_input(x: Any) -> _Space:
    space = _Space.of(x)
    for name, array in _named("x", x, space):
        if array.dtype.kind != "f":
            raise DerivativeError(at_user_line(_not_floating(name, array.dtype)))
        _check_finite(name, array)
    return space


def _checked_output(value: Any) -> _Space:
    space = _Space.of(value)
    for name, array in _named("f(x)", value, space):
        if array.dtype.kind not in "iufc":
            what = f"{name} is {array.dtype}; a derivative needs floating-point values."
            raise DerivativeError(at_user_line(what))
        _check_finite(name, array)
    return space


def _named(name: str, value: Any, space: _Space) -> list[tuple[str, Array]]:
    return [(name + path, array) for path, array in zip(tree.paths(value), space.arrays)]


def _not_floating(name: str, dtype: np.dtype[Any]) -> str:
    instead = (
        "Differentiate by its real and imaginary parts." if dtype.kind == "c" else "Write x.astype(float)."
    )
    return f"{name} is {dtype}; numerical derivatives are taken by real floating-point numbers. {instead}"


def _check_finite(name: str, array: Array) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        entry = f"{name}{bad[0].tolist() if array.ndim else ''}"
        raise NotFiniteError(at_user_line(f"{entry} is {array[tuple(bad[0])]}; it has no derivative there."))


def _check_scalar(name: str, space: _Space) -> None:
    if [a.shape for a in space.arrays] != [()] or not tree.is_leaf(space.build(space.leaves)):
        shapes = " and ".join(str(a.shape) for a in space.arrays)
        raise DerivativeError(at_user_line(_not_scalar(name, shapes, sum(a.size for a in space.arrays))))
    if space.arrays[0].dtype.kind == "c":
        what = f"numerical.{name} takes a real-valued f, f(x) is complex. Write numerical.jacobian(f, x)."
        raise DerivativeError(at_user_line(what))


def _not_scalar(name: str, shapes: str, size: int) -> str:
    instead = (
        "Return f(x)[0] or f(x).sum()" if size == 1 else "Write numerical.jacobian(f, x), or sum the values"
    )
    return f"numerical.{name} takes a scalar-valued f, f(x) has shape {shapes}. {instead}."


# A function as rows of numbers --------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """A function of D coordinates with K outputs: points (n, D) to values (n, K)."""

    f: Callable[[Any], Any]
    batched: bool
    inputs: _Space
    outputs: _Space
    x: Array
    value: Array
    eps: float

    @staticmethod
    def of(f: Callable[[Any], Any], x: Any, batched: bool, scalar: str = "") -> _Rows:
        inputs = _checked_input(x)
        vector = inputs.vector()
        outputs = _checked_output(_only(f(inputs.stack(vector[None]))) if batched else f(inputs.tree(vector)))
        if scalar:
            _check_scalar(scalar, outputs)
        eps = max((_eps(a.dtype) for a in (*inputs.arrays, *outputs.arrays)), default=0.0)
        return _Rows(f, batched, inputs, outputs, vector, outputs.vector(), eps)

    def __call__(self, points: Array) -> Array:
        """Values at points near x; NaN where f leaves its domain, with whatever error or another shape."""
        with np.errstate(all="ignore"):
            return self._each(points, self._near)

    def exact(self, points: Array) -> Array:
        """Values at points near x; errors are f's own."""
        return self._each(points, self._at)

    def _each(self, points: Array, at: Callable[[Any, tuple[int, ...]], Array]) -> Array:
        if self.batched and len(points):
            return at(self.inputs.stack(points), points.shape[:1])
        rows = [at(self.inputs.tree(point), ()) for point in points]
        return np.stack(rows) if rows else np.empty((0, self.value.size))

    def _near(self, point: Any, lead: tuple[int, ...]) -> Array:
        try:
            return self._at(point, lead)
        except (ArithmeticError, ValueError):
            return np.full((*lead, self.value.size), np.nan)

    def _at(self, point: Any, lead: tuple[int, ...]) -> Array:
        space = _Space.of(self.f(point))
        found, expected = ([a.shape for a in s.arrays] for s in (space, self.outputs))
        if found != [lead + shape for shape in expected]:
            what = (
                f"f changes the shape of its value near x: {found}, expected {[lead + s for s in expected]}."
            )
            raise MismatchError(at_user_line(what))
        return space.vector(len(lead))

    def moved(self, at: Array, steps: Array) -> Array:
        """Points x + steps along the coordinates ``at`` (one row per direction), rounded to x's precision."""
        points = np.repeat(self.x[None], len(at), axis=0)
        for coordinate, step in zip(at.T, steps.T):
            points[np.arange(len(at)), coordinate] += step
        return self.inputs.rounded(points)

    def exact_steps(self, at: Array, steps: Array) -> Array:
        r"""The steps as they are taken in floating point, :math:`(x + \epsilon) - x`."""
        columns = [self.moved(a[:, None], s[:, None]) for a, s in zip(at.T, steps.T)]
        moved = [column[np.arange(len(at)), a] - self.x[a] for column, a in zip(columns, at.T)]
        return np.stack(moved, axis=-1)

    def name(self, coordinate: int) -> str:
        """What the user calls a coordinate."""
        ends = np.cumsum([a.size for a in self.inputs.arrays])
        leaf = int(np.searchsorted(ends, coordinate, side="right"))
        array, path = self.inputs.arrays[leaf], tree.paths(self.inputs.build(self.inputs.leaves))[leaf]
        index = np.unravel_index(coordinate - ends[leaf] + array.size, array.shape)
        return f"x{path}{[int(i) for i in index] if array.ndim else ''}"


def _only(value: Any) -> Any:
    return tree.map(lambda leaf: leaf[0], value)


# Differences --------------------------------------------------------------------------------------


class Quotient(NamedTuple):
    """Difference quotients, one row per direction, one column per output."""

    value: Array
    rounding: Array
    even: Array
    """The part of the change in f that is even in the step, which a central difference does not see."""


Stencil = tuple[tuple[float, tuple[int, ...]], ...]
"""Weights and offsets: the sum of w f(x + Σ c_r ε d_r), to be divided by a power of ε."""

_STENCILS: dict[tuple[str, int], Stencil] = {
    ("forward", 1): ((1, (1,)), (-1, (0,))),
    ("central", 1): ((1 / 2, (1,)), (-1 / 2, (-1,))),
    ("forward", 2): ((1, (1, 1)), (-1, (1, 0)), (-1, (0, 1)), (1, (0, 0))),
    ("central", 2): ((1 / 4, (1, 1)), (-1 / 4, (1, -1)), (-1 / 4, (-1, 1)), (1 / 4, (-1, -1))),
}
_ORDERS = {"forward": 1, "central": 2}
"""The truncation error is a series in this power of the step."""


def _first_order(rows: _Rows, method: str, step: Any, error: bool) -> Estimate:
    """Derivatives of all outputs in all coordinates."""
    _check_method(method)
    if method == "complex":
        return _complex_step(rows, step, error)
    return _differences(rows, method, np.arange(rows.x.size)[:, None], step, error)


def _second_order(rows: _Rows, method: str, step: Any, error: bool) -> Estimate:
    """Second derivatives of the one output by all pairs of coordinates."""
    _check_method(method)
    if method == "complex":
        return _central_of_complex(rows, step, error)
    upper = np.stack(np.triu_indices(rows.x.size), axis=-1)
    value, doubt = _differences(rows, method, upper, step, error)
    return _symmetric(value[:, 0], upper), _symmetric(doubt[:, 0], upper)


def _check_method(method: str) -> None:
    if method not in ("forward", "central", "complex"):
        raise ValueError(at_user_line(f"method is 'forward', 'central' or 'complex', not {method!r}."))


def _symmetric(entries: Array, upper: Array) -> Array:
    size = int(upper.max(initial=-1)) + 1
    table = np.empty((size, size), entries.dtype)
    table[upper[:, 0], upper[:, 1]] = table[upper[:, 1], upper[:, 0]] = entries
    return table


def _differences(rows: _Rows, method: str, at: Array, step: Any, error: bool) -> Estimate:
    if step is None:
        return _limit(rows, method, at)
    return _at_step(rows, method, at, _given(rows, step)[at], error)


def _quotient(rows: _Rows, method: str, at: Array, steps: Array) -> Quotient:
    """One difference quotient for each direction."""
    stencil = _STENCILS[method, at.shape[1]]
    values = [
        rows(rows.moved(at, steps * offsets)) if any(offsets) else _here(rows, at) for _, offsets in stencil
    ]
    divisor = np.prod(steps, axis=1)[:, None]
    with np.errstate(all="ignore"):
        total = sum((w * v for (w, _), v in zip(stencil, values)), start=np.zeros(1))
        even = sum((abs(w) * (v - rows.value) for (w, _), v in zip(stencil, values)), start=np.zeros(1))
        rounding = _round_off(rows, at, steps, np.stack(values)) / np.abs(divisor)
        return Quotient(total / divisor, rounding, even / divisor if method == "central" else 0 * total)


def _here(rows: _Rows, at: Array) -> Array:
    return np.repeat(rows.value[None], len(at), axis=0)


def _round_off(rows: _Rows, at: Array, steps: Array, values: Array) -> Array:
    """Error of a sum of values of f: each is rounded, and so are its argument and the sum."""
    size, spread = np.abs(values).max(axis=0), np.abs(values - values[0]).max(axis=0)
    argument = np.sum(np.abs(rows.x[at] / steps), axis=1)[:, None]
    return _ROUNDING * (rows.eps * size + rows.eps * argument * spread + float(np.finfo(np.float32).tiny))


def _at_step(rows: _Rows, method: str, at: Array, steps: Array, error: bool) -> Estimate:
    """The formula as it stands; the error is judged by a second one with half the step."""
    steps = _resolved(rows, at, steps)
    value, rounding, _ = _quotient(rows, method, at, steps)
    _check_reached(rows, at, value)
    if not error:
        return value, rounding
    halved, more, _ = _quotient(rows, method, at, _resolved(rows, at, steps / 2))
    return value, np.abs(value - halved) / (1 - 0.5 ** _ORDERS[method]) + rounding + more


def _given(rows: _Rows, step: Any) -> Array:
    """The user's step for each coordinate."""
    leaves = tree.flatten(step)[0]
    shapes = [a.shape for a in rows.inputs.arrays]
    if len(leaves) != len(shapes):
        leaves = [step] * len(shapes)
    try:
        parts = [
            np.broadcast_to(np.asarray(leaf, float), shape).ravel() for leaf, shape in zip(leaves, shapes)
        ]
    except (TypeError, ValueError) as error:
        raise MismatchError(at_user_line(f"step is a number or has the shape of x, {shapes}.")) from error
    whole = np.concatenate(parts or [np.empty(0)])
    if not (np.isfinite(whole) & (whole != 0)).all():
        raise ValueError(at_user_line(f"step must be finite and not 0, got {step!r}."))
    return whole


def _resolved(rows: _Rows, at: Array, steps: Array) -> Array:
    exact = rows.exact_steps(at, steps)
    lost = np.argwhere(exact == 0)
    if len(lost):
        direction = tuple(lost[0])
        what = (
            f"step {steps[direction]:g} is too small: {rows.name(at[direction])} + step is the same number."
        )
        raise ValueError(at_user_line(what))
    return exact


def _check_reached(rows: _Rows, at: Array, value: Array) -> None:
    lost = np.argwhere(~np.isfinite(value))
    if len(lost):
        names = " and ".join(dict.fromkeys(rows.name(int(i)) for i in at[lost[0][0]]))
        what = (
            f"f has no finite value of this shape where {names} is moved: x may be at the edge of its domain."
        )
        raise NotFiniteError(
            at_user_line(f"{what} Try method='forward', a negative step with it, or a smaller one.")
        )


# The limit of shrinking steps ---------------------------------------------------------------------


def _limit(rows: _Rows, method: str, at: Array) -> Estimate:
    r"""Richardson's table over shrinking steps, and of all its entries the one with the least error.

    An entry counts where the quotients that it extrapolates converge. Its error is taken to be its distance
    from its neighbours in the table, plus round-off; steps shrink until that is mostly round-off.
    """
    table = _Table(_ORDERS[method], (len(at), rows.value.size), rows.value.dtype)
    steps = _FIRST * np.maximum(np.abs(rows.x), 1)[at]
    smallest = 4 * (rows.inputs.spacing() * np.abs(rows.x))[at]
    live = np.arange(len(at))
    for _ in range(_LEVELS):
        live = live[table.unfinished(live) & (steps[live] > smallest[live]).all(axis=1)]
        if not live.size:
            break
        table.add(live, _quotient(rows, method, at[live], rows.exact_steps(at[live], steps[live])))
        steps = steps / _RATIO
    _check_reached(rows, at, table.value)
    return table.value, table.error


class _Table:
    """Richardson's table, row by row, and the best entry so far for each direction and output."""

    def __init__(self, order: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.order = order
        self.row: list[Estimate] = []
        self.value = np.full(shape, np.nan, dtype)
        self.error = np.full(shape, np.inf)
        self.even = np.full(shape, np.nan, dtype)
        self.changes = (np.full(shape, np.nan), np.full(shape, np.nan))
        self.converging = np.full(shape, False)
        self.least = np.full(shape, np.inf)

    def unfinished(self, live: Array) -> Array:
        """Which of these directions may still lose much of some error to a smaller step."""
        rounding = self.row[0][1] if self.row else np.zeros_like(self.error)
        return np.asarray((~(_ROUNDING * rounding[live] >= self.error[live])).any(axis=1))

    def add(self, live: Array, quotient: Quotient) -> None:
        """Enter the quotients of the next step, in the directions still alive."""
        value, rounding, even = (_spread(live, part, self.value.shape) for part in quotient)
        above, self.row = self.row, self._extrapolated((value, rounding))
        if above:
            self._judge(above, even)
        self.even = even

    def _extrapolated(self, first: Estimate) -> list[Estimate]:
        row = [first]
        for j, above in enumerate(self.row[: _COLUMNS - 1]):
            row.append(_eliminated(row[j], above, _RATIO ** (self.order * (j + 1))))
        return row

    def _judge(self, above: list[Estimate], even: Array) -> None:
        (value, rounding), last = self.row[0], self.changes
        self.changes = np.abs(value - above[0][0]), np.abs(even - self.even)
        steady = _shrinking(self.changes, last, np.maximum(rounding, _STEADY * np.abs(value)))
        before, self.converging = self.converging, steady
        self._fall_back(value, self.changes[0] + rounding)
        for value, error in _candidates(self.row, above):
            self._keep(value, error, before & steady)

    def _keep(self, value: Array, error: Array, steady: Array) -> None:
        """A better entry lies within the error of the best so far; others are noise that agrees by chance."""
        near = np.isinf(self.error) | (np.abs(value - self.value) <= _SAFETY * self.error)
        better = steady & near & (error < self.error)
        self.value = np.where(better, value, self.value)
        self.error = np.where(better, error, self.error)

    def _fall_back(self, value: Array, change: Array) -> None:
        """Where nothing has converged yet: the quotient that changed least, with no word about its error."""
        better = (change < self.least) & np.isinf(self.error)
        self.least = np.where(better, change, self.least)
        self.value = np.where(better, value, self.value)


def _spread(live: Array, part: Array, shape: tuple[int, int]) -> Array:
    """Rows for all directions, NaN where none was computed or where it is not finite."""
    whole = np.full(shape, np.nan, part.dtype)
    whole[live] = np.where(np.isfinite(part), part, np.nan)
    return whole


def _shrinking(changes: tuple[Array, Array], last: tuple[Array, Array], small: Array) -> Array:
    """Whether the changes between neighbouring steps shrink, or are small anyhow."""
    each = [(new <= _CONTRACTION * old) | (new <= small) for new, old in zip(changes, last)]
    return each[0] & each[1]


def _eliminated(left: Estimate, above: Estimate, power: float) -> Estimate:
    """Remove the leading power of the step from two neighbours."""
    value = left[0] + (left[0] - above[0]) / (power - 1)
    return value, (power * left[1] + above[1]) / (power - 1)


def _candidates(row: list[Estimate], above: list[Estimate]) -> Iterator[Estimate]:
    """The entries of a row and their errors."""
    value, rounding = row[0]
    rest = 1 / (1 - _CONTRACTION)  # of a geometric series
    yield value, rest * np.abs(value - above[0][0]) + rounding
    for (left, _), (corner, _), (value, rounding) in zip(row, above, row[1:]):
        yield value, _SAFETY * np.maximum(np.abs(value - left), np.abs(value - corner)) + rounding


# The complex step ---------------------------------------------------------------------------------


def _complex_step(rows: _Rows, step: Any, error: bool) -> Estimate:
    r"""Im f(x + iε d_i) / ε; the error is that of one rounding, unless central differences object."""
    steps = _tiny(rows) if step is None else _given(rows, step)
    points = np.repeat(rows.x[None] + 0j, rows.x.size, axis=0)
    points[np.diag_indices(rows.x.size)] += 1j * steps
    value = _analytic(rows).exact(points).imag / steps[:, None]
    _check_reached(rows, np.arange(rows.x.size)[:, None], value)
    rounding = _ROUNDING * rows.eps * np.abs(value) + np.abs(steps)[:, None]
    return value, _objection(rows, value, rounding) if error else rounding


def _tiny(rows: _Rows) -> Array:
    """Steps whose square is far below the resolution of x."""
    size = np.where(rows.x == 0, 1, np.abs(rows.x))
    return np.maximum(rows.inputs.spacing() ** 1.25 * size, float(np.finfo(np.float32).tiny))


def _analytic(rows: _Rows) -> _Rows:
    """The same function, which must answer complex numbers with complex numbers."""

    def f(point: Any) -> Any:
        value = _asked(rows, point)
        for name, array in _named("f(x)", value, _Space.of(value)):
            if array.dtype.kind != "c":
                raise DerivativeError(at_user_line(_lost(name, array.dtype)))
        return value

    return replace(rows, f=f)


def _asked(rows: _Rows, point: Any) -> Any:
    try:
        return rows.f(point)
    except TypeError as error:
        what = (
            f"f does not take complex numbers, as method='complex' needs ({error}). Write method='central'."
        )
        raise DerivativeError(at_user_line(what)) from error


def _lost(name: str, dtype: np.dtype[Any]) -> str:
    return (
        f"{name} is {dtype} for complex x, so method='complex' would lose the derivative "
        "(np.abs and np.real do that). Write method='central'."
    )


def _objection(rows: _Rows, value: Array, rounding: Array) -> Array:
    """The error of complex-step values in the light of central differences."""
    try:
        central, doubt = _limit(rows, "central", np.arange(rows.x.size)[:, None])
    except NotFiniteError:
        return np.full(value.shape, np.inf)
    away = np.abs(value - central)
    return np.where(away <= doubt, rounding, away + doubt)


def _central_of_complex(rows: _Rows, step: Any, error: bool) -> Estimate:
    """Central differences of the complex-step gradient."""
    f, batched = rows.f, rows.batched
    slope = _Rows.of(
        lambda x: gradient(f, x, "complex", batched=batched), rows.inputs.build(rows.inputs.leaves), False
    )
    value, doubt = _first_order(slope, "central", step, error)
    return (value + value.T) / 2, np.maximum(doubt, doubt.T)


# Reports ------------------------------------------------------------------------------------------


def _report(estimate: Estimate, error: bool, assemble: Callable[[Array], Any]) -> Any:
    value, doubt = estimate
    if error:
        return assemble(value), assemble(doubt)
    if np.isinf(doubt).any():
        what = "the difference quotients do not converge as the step shrinks; f may not be smooth at x."
        warn(at_user_line(what), RuntimeWarning)
    return assemble(value)
