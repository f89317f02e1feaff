r"""Linear algebra: solve, inverse, determinant, norms and the factorisations.

The derivatives are those of Giles, *Collected matrix derivative results for forward and reverse mode
algorithmic differentiation* (2008). For :math:`X=A^{-1}B`, :math:`d=\det A` and :math:`A=V\Lambda V^H`:

.. math:: \dot X=A^{-1}(\dot B-\dot A X),\qquad \dot d=\mathrm{tr}(\mathrm{adj}(A)\,\dot A),\qquad
          \dot\lambda_i=(V^H\dot A V)_{ii}

Every operation works on stacks of matrices. Cholesky and eigh differentiate through the triangle that NumPy
reads.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from wengert.core.primitive import implements, nonlinear
from wengert.core.recorder import bind
from wengert.core.trace import Type
from wengert.errors import UnsupportedError, at_user_line
from wengert.ops.reduction import axes_from_end
from wengert.ops.shape import as_array
from wengert.ops.statistics import floating, length

# --- small tools ------------------------------------------------------------------------------------------


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _h(x: Any) -> Any:
    """The conjugate transpose."""
    return np.conjugate(_t(x)) if x.dtype.kind == "c" else _t(x)


def _diagonal(x: Any) -> Any:
    return np.diagonal(x, axis1=-2, axis2=-1)


def _real(dtype: Any) -> Any:
    return np.empty(0, dtype).real.dtype


def _eye(n: int, like: Any) -> Any:
    return np.eye(n, dtype=like.dtype)


def _column(x: Any) -> Any:
    return np.expand_dims(x, -1)


def _row(x: Any) -> Any:
    return np.expand_dims(x, -2)


def _matrix(x: Any) -> Any:
    """An operand of floating point with at least two axes."""
    x = floating(x)
    if x.ndim < 2:
        raise np.linalg.LinAlgError(
            at_user_line(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")
        )
    return x


def _square(x: Any) -> Any:
    x = _matrix(x)
    if x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(at_user_line("Last 2 dimensions of the array must be square"))
    return x


def _cube(inputs: Any, outputs: Any, **_: Any) -> int:
    """Counted operations of a factorisation: in the order of the elements times the shorter side."""
    return int(2 * inputs[0].size * min(inputs[0].shape[-2:]))


def _matrices(draw: Any, *shapes: Any) -> Any:
    return [((draw(*shape),), {}) for shape in shapes or ((3, 3), (2, 2, 2), (1, 1))]


def _positive(draw: Any) -> Any:
    """Positive definite matrices, with numbers in the unread triangle that differ from those in the other."""
    found = [draw(*shape) for shape in ((3, 3), (2, 2, 2), (1, 1))]
    return [((a @ _t(a) + 2 * np.eye(a.shape[-1]),), {}) for a in found]


# --- solve and inverse ------------------------------------------------------------------------------------


def _solve_tangent(tangents: Any, operands: Any, x: Any) -> Any:
    (da, db), a = tangents, operands[0]
    if da is None:
        return bind(solve, (a, db), {})
    change = -np.matmul(da, x)
    return bind(solve, (a, change if db is None else db + change), {})


def _solve_pullback(ct: Any, operands: Any, x: Any, wants: Any) -> Any:
    db = bind(solve, (_t(operands[0]), ct), {})
    return [-np.matmul(db, _t(x)) if wants[0] else None, db if wants[1] else None]


solve = nonlinear(
    "solve",
    np.linalg.solve,
    _solve_tangent,
    pullback=_solve_pullback,
    core=(2, 2),
    infer=lambda a, b: (
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:],
        np.result_type(a.dtype, b.dtype),
    ),
    cost=lambda i, o: int(2 * i[0].size * i[0].shape[-1] / 3 + 2 * o[0].size * i[0].shape[-1]),
    text="solve({0}, {1})",
    examples=lambda draw: [
        ((draw(3, 3), draw(3, 2)), {}),
        ((draw(2, 2, 2), draw(2, 1)), {}),
        ((draw(2, 2), draw(3, 2, 2)), {}),
    ],
)


@implements(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    a, b = _square(a), floating(b)
    if b.ndim == 1:
        return np.squeeze(bind(solve, (a, _column(b)), {}), -1)
    return bind(solve, (a, b), {})


inv = nonlinear(
    "inv",
    np.linalg.inv,
    lambda tangents, operands, y: -np.matmul(np.matmul(y, tangents[0]), y),
    pullback=lambda ct, operands, y, wants: [-np.matmul(np.matmul(_t(y), ct), _t(y))],
    infer=lambda a: (a.shape, a.dtype),
    cost=_cube,
    text="{0}⁻¹",
    examples=_matrices,
)


@implements(np.linalg.inv)
def _inv(a: Any) -> Any:
    return bind(inv, (_square(a),), {})


@implements(np.linalg.tensorsolve)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = floating(a), floating(b)
    if axes is not None:
        a = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    return np.reshape(_solve(np.reshape(a, (b.size, -1)), np.reshape(b, -1)), a.shape[b.ndim :])


@implements(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    _square(a)
    a, n = (_inv(a), -n) if n < 0 else (as_array(a), n)
    if n == 0:
        return np.broadcast_to(_eye(a.shape[-1], a), a.shape)
    factors = []
    while n:
        factors += [a] if n % 2 else []
        n //= 2
        a = np.matmul(a, a) if n else a
    return functools.reduce(np.matmul, factors)


# --- determinant ------------------------------------------------------------------------------------------


def _adjugate_factors(a: Any) -> tuple[Any, Any, Any, Any]:
    """adj(A) = φ V adj(Σ) Uᴴ for A = U Σ Vᴴ: in larger matrices minors would lose more digits."""
    u, s, vh = np.linalg.svd(a)
    return np.linalg.det(u) * np.linalg.det(vh), _h(vh), s, _h(u)


def _rows(entries: Any) -> Any:
    """Matrices of entries that are given row by row."""
    return np.stack([np.stack(row, axis=-1) for row in entries], axis=-2)


def _turned(a: Any) -> Any:
    """adj(A) of matrices with two rows."""
    return _rows([[a[..., 1, 1], -a[..., 0, 1]], [-a[..., 1, 0], a[..., 0, 0]]])


def _minors(a: Any, b: Any) -> Any:
    """adj(A) = minors(A, A) of matrices with three rows: minors of a row of A and the next of B."""
    after = [(1, 2), (2, 0), (0, 1)]

    def minor(i: int, j: int) -> Any:
        (r, s), (c, d) = after[i], after[j]
        return a[..., r, c] * b[..., s, d] - a[..., r, d] * b[..., s, c]

    return _rows([[minor(i, j) for i in range(3)] for j in range(3)])


def _evaluate_adjugate(a: Any) -> Any:
    if a.shape[-1] in (2, 3):
        return _turned(a) if a.shape[-1] == 2 else _minors(a, a)
    phase, v, s, uh = _adjugate_factors(a)
    others = np.prod(np.where(np.eye(s.shape[-1], dtype=bool), 1, _row(s)), axis=-1)
    return np.expand_dims(phase, (-2, -1)) * np.matmul(v * _row(others), uh)


def _adjugate_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    (a,), (da,) = operands, tangents
    if a.shape[-1] in (2, 3):
        return _turned(da) if a.shape[-1] == 2 else _minors(da, a) + _minors(a, da)
    phase, v, s, uh = _adjugate_factors(a)
    inner = np.matmul(np.matmul(uh, da), v)
    n = s.shape[-1]
    pairs = _others_of_pairs(s)
    diagonal = np.sum(pairs * _row(_diagonal(inner)), axis=-1)
    change = np.where(np.eye(n, dtype=bool), _column(diagonal), -pairs * inner)
    return np.expand_dims(phase, (-2, -1)) * np.matmul(np.matmul(v, change), uh)


def _others_of_pairs(s: Any) -> Any:
    """For each pair i ≠ j the product of all s but s_i and s_j; 0 for i = j."""
    n = s.shape[-1]
    i, j, k = np.ogrid[:n, :n, :n]
    products = np.prod(np.where((k == i) | (k == j), 1, np.expand_dims(s, (-2, -3))), axis=-1)
    return np.where(np.eye(n, dtype=bool), 0, products)


adjugate = nonlinear(
    "adjugate",
    _evaluate_adjugate,
    _adjugate_tangent,
    infer=lambda a: (a.shape, a.dtype),
    cost=_cube,
    text="adj({0})",
    examples=lambda draw: [*_matrices(draw), ((np.diag([1.0, 2.0, 3.0, 0.0]) + 1.0,), {})],
)

det = nonlinear(
    "det",
    np.linalg.det,
    lambda tangents, operands, y: np.sum(_t(bind(adjugate, operands, {})) * tangents[0], axis=(-2, -1)),
    pullback=lambda ct, operands, y, wants: [np.expand_dims(ct, (-2, -1)) * _t(bind(adjugate, operands, {}))],
    infer=lambda a: (a.shape[:-2], a.dtype),
    cost=_cube,
    text="det({0})",
    examples=lambda draw: [
        *_matrices(draw),
        ((np.ones((3, 3)),), {}),
        ((np.array([[1.0, 2.0], [2.0, 4.0]]),), {}),
    ],
)


@implements(np.linalg.det)
def _det(a: Any) -> Any:
    return bind(det, (_square(a),), {})


def _slogdet_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    change = np.sum(_t(_inv(operands[0])) * tangents[0], axis=(-2, -1))
    if change.dtype.kind != "c":
        return [None, change]
    return [y[0] * (np.imag(change) * 1j), np.real(change)]


slogdet = nonlinear(
    "slogdet",
    lambda a: tuple(np.linalg.slogdet(a)),
    _slogdet_tangent,
    multiple=True,
    infer=lambda a: [(a.shape[:-2], a.dtype), (a.shape[:-2], _real(a.dtype))],
    cost=_cube,
    text="ln|det {0}|",
    examples=_matrices,
)
_SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


@implements(np.linalg.slogdet)
def _slogdet(a: Any) -> Any:
    return _SlogdetResult(*bind(slogdet, (_square(a),), {}))


# --- Cholesky ---------------------------------------------------------------------------------------------


def _from_lower(a: Any) -> Any:
    """The Hermitian matrix whose lower triangle this is."""
    below = np.tril(a, -1)
    diagonal = np.where(np.eye(a.shape[-1], dtype=bool), np.real(a), 0)
    return below + _h(below) + diagonal


def _cholesky_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    inverse = _inv(y)
    inner = np.matmul(np.matmul(inverse, _from_lower(tangents[0])), _h(inverse))
    half = np.tri(y.shape[-1], dtype=bool) - 0.5 * np.eye(y.shape[-1])
    return np.matmul(y, inner * half.astype(_real(y.dtype)))


cholesky = nonlinear(
    "cholesky",
    np.linalg.cholesky,
    _cholesky_tangent,
    infer=lambda a: (a.shape, a.dtype),
    cost=_cube,
    text="chol({0})",
    examples=_positive,
)


@implements(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    a = _square(a)
    return _h(bind(cholesky, (_h(a),), {})) if upper else bind(cholesky, (a,), {})


# --- eigenvalues of Hermitian matrices --------------------------------------------------------------------


def _inverse_gaps(values: Any) -> Any:
    """1/(x_j - x_i), and 0 for i = j; NaN where two coincide, as their vectors have no derivative there."""
    gaps = _row(values) - _column(values)
    same = gaps == 0
    off_diagonal = ~np.eye(values.shape[-1], dtype=bool)
    return np.where(same, np.where(off_diagonal, np.nan, 0), 1 / np.where(same, 1, gaps))


def _eigh_tangent(tangents: Any, operands: Any, y: Any, *, UPLO: str) -> Any:
    w, v = y
    da = _from_lower(tangents[0] if UPLO == "L" else _h(tangents[0]))
    inner = np.matmul(np.matmul(_h(v), da), v)
    return [np.real(_diagonal(inner)), np.matmul(v, inner * _inverse_gaps(w).astype(w.dtype))]


def _apart(draw: Any) -> Any:
    """Symmetric matrices with eigenvalues well apart."""
    found = [0.3 * draw(*shape) for shape in ((3, 3), (2, 2, 2), (1, 1))]
    return [
        ((a + _t(a) + np.diag(np.arange(a.shape[-1]) * 2.0),), {"UPLO": uplo}) for a in found for uplo in "LU"
    ]


eigh = nonlinear(
    "eigh",
    lambda a, UPLO: tuple(np.linalg.eigh(a, UPLO)),
    _eigh_tangent,
    multiple=True,
    infer=lambda a, UPLO: [(a.shape[:-1], _real(a.dtype)), (a.shape, a.dtype)],
    cost=lambda i, o, **_: 5 * _cube(i, o),
    text="eigh({0})",
    examples=_apart,
)
_EighResult: Any = type(np.linalg.eigh(np.eye(1)))


@implements(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    UPLO = UPLO.upper()
    if UPLO not in ("L", "U"):
        raise ValueError(at_user_line("UPLO argument must be 'L' or 'U'"))
    return _EighResult(*bind(eigh, (_square(a),), {"UPLO": UPLO}))


@implements(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return _eigh(a, UPLO)[0]


@implements(np.linalg.eig, np.linalg.eigvals)
def _eig(a: Any) -> Any:
    raise UnsupportedError(
        at_user_line(
            "np.linalg.eig and eigvals are not recorded. For a Hermitian matrix write np.linalg.eigh."
        )
    )


# --- QR ---------------------------------------------------------------------------------------------------


def _qr_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    q, r = y
    da = np.matmul(tangents[0], _inv(r))
    inner = np.matmul(_h(q), da)
    below = np.tril(inner, -1)
    turn = below - _h(below)
    if q.dtype.kind == "c":
        turn = turn + np.where(np.eye(r.shape[-1], dtype=bool), np.imag(inner) * 1j, 0)
    return [np.matmul(q, turn - inner) + da, np.matmul(inner - turn, r)]


qr = nonlinear(
    "qr",
    lambda a: tuple(np.linalg.qr(a)),
    _qr_tangent,
    multiple=True,
    infer=lambda a: [(a.shape, a.dtype), (a.shape[:-2] + (a.shape[-1],) * 2, a.dtype)],
    cost=_cube,
    text="qr({0})",
    examples=lambda draw: _matrices(draw, (3, 3), (4, 2), (2, 3, 2), (1, 1)),
)
_QRResult: Any = type(np.linalg.qr(np.eye(1)))


@implements(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    a = _matrix(a)
    rows, columns = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and rows <= columns):
        raise UnsupportedError(
            at_user_line(f"np.linalg.qr(mode={mode!r}) is not recorded. Use mode='reduced' or 'r'.")
        )
    q, r = bind(qr, (a[..., :rows] if columns > rows else a,), {})
    if columns > rows:
        r = np.concatenate([r, np.matmul(_h(q), a[..., rows:])], axis=-1)
    return r if mode == "r" else _QRResult(q, r)


# --- singular values --------------------------------------------------------------------------------------


def _svd_tangent(tangents: Any, operands: Any, y: Any) -> Any:
    u, s, vh = y
    da, v = tangents[0], _h(vh)
    inner = np.matmul(np.matmul(_h(u), da), v)
    gaps = _inverse_gaps(s * s).astype(s.dtype)
    left, right = inner * _row(s), _column(s) * inner
    du = np.matmul(u, gaps * (left + _h(left)) + _turn(inner, s))
    dv = np.matmul(v, gaps * (right + _h(right)))
    du = du + _outside(u, np.matmul(da, v), s)
    dv = dv + _outside(v, np.matmul(_h(da), u), s)
    return [du, np.real(_diagonal(inner)), _h(dv)]


def _turn(inner: Any, s: Any) -> Any:
    """The change of phase of the left vectors: none for real matrices."""
    if inner.dtype.kind != "c":
        return inner.dtype.type(0)
    return np.where(np.eye(s.shape[-1], dtype=bool), np.imag(inner) * 1j, 0) / _column(s)


def _outside(u: Any, change: Any, s: Any) -> Any:
    """The part of a change of the vectors that leaves the space they span."""
    if u.shape[-1] == u.shape[-2]:
        return u.dtype.type(0)
    return (change - np.matmul(u, np.matmul(_h(u), change))) / _row(s)


def _svd_type(a: Type) -> Any:
    k = min(a.shape[-2:])
    outer = a.shape[:-2]
    return [
        ((*outer, a.shape[-2], k), a.dtype),
        ((*outer, k), _real(a.dtype)),
        ((*outer, k, a.shape[-1]), a.dtype),
    ]


svd = nonlinear(
    "svd",
    lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    _svd_tangent,
    multiple=True,
    infer=_svd_type,
    cost=lambda i, o, **_: 10 * _cube(i, o),
    text="svd({0})",
    examples=lambda draw: _matrices(draw, (3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1)),
)
_SVDResult: Any = type(np.linalg.svd(np.eye(1)))


@implements(np.linalg.svd)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = _matrix(a)
    if compute_uv and full_matrices and a.shape[-1] != a.shape[-2]:
        raise UnsupportedError(
            at_user_line(
                "np.linalg.svd(full_matrices=True) completes the vectors in an arbitrary way, which has no "
                "derivative. Say full_matrices=False."
            )
        )
    result = bind(svd, (a,), {})
    return _SVDResult(*result) if compute_uv else result[1]


@implements(np.linalg.svdvals)
def _svdvals(x: Any, /) -> Any:
    return _svd(x, compute_uv=False)


def _pinv_tangent(tangents: Any, operands: Any, y: Any, *, rcond: Any) -> Any:
    """For changes that keep the rank (Golub and Pereyra, 1973)."""
    a, da = operands[0], tangents[0]
    yh = _h(y)
    left = _eye(a.shape[-2], a) - np.matmul(a, y)
    right = _eye(a.shape[-1], a) - np.matmul(y, a)
    change = np.matmul(np.matmul(np.matmul(y, yh), _h(da)), left)
    change = change + np.matmul(right, np.matmul(_h(da), np.matmul(yh, y)))
    return change - np.matmul(np.matmul(y, da), y)


pinv = nonlinear(
    "pinv",
    lambda a, rcond: np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond),
    _pinv_tangent,
    infer=lambda a, rcond: (a.shape[:-2] + a.shape[:-3:-1], a.dtype),
    cost=lambda i, o, **_: 10 * _cube(i, o),
    text="{0}⁺",
    examples=lambda draw: [((draw(*shape),), {"rcond": None}) for shape in ((3, 3), (4, 2), (2, 2, 3))],
)


@implements(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    rcond = rtol if rcond is None and rtol is not np._NoValue else rcond
    return bind(pinv, (_matrix(a),), {"rcond": rcond})


@implements(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    a, b = _matrix(a), floating(b)
    rcond = np.finfo(a.dtype).eps * max(a.shape) if rcond is None else rcond
    x = np.matmul(_pinv(a, rcond), b)
    s = _svdvals(a)
    rank = np.sum(s > rcond * np.max(s)) if s.size else 0
    residual = b - np.matmul(a, x)
    squares = np.square(np.real(residual)) + np.square(np.imag(residual))
    full = int(rank) == a.shape[1] < a.shape[0]
    sums = np.atleast_1d(np.sum(squares, axis=0)) if full else np.empty(0, s.dtype)
    return x, sums, rank, s


# --- norms ------------------------------------------------------------------------------------------------


def _vector_norm(x: Any, axis: Any, ord: Any, keepdims: bool) -> Any:
    size = np.absolute(x)
    if ord in (None, 2):
        squares = np.square(np.real(x)) + np.square(np.imag(x)) if x.dtype.kind == "c" else np.square(x)
        return length(np.sum(squares, axis=axis, keepdims=keepdims))
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.astype(x != 0, size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    return _power_norm(size, axis, ord, keepdims)


def _power_norm(size: Any, axis: Any, ord: Any, keepdims: bool) -> Any:
    """(Σ |x|^p)^(1/p), with derivative 0 at 0."""
    if isinstance(ord, str):
        raise ValueError(at_user_line(f"Invalid norm order '{ord}' for vectors"))
    total = np.sum(size ** float(ord), axis=axis, keepdims=keepdims)
    safe = np.where(total == 0, 1, total)
    return np.where(total == 0, 0 if ord > 0 else total, safe ** (1 / float(ord)))


def _matrix_norm(x: Any, axis: tuple[int, int], ord: Any, keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return _vector_norm(x, axis, None, keepdims)
    x = np.moveaxis(x, axis, (-2, -1))
    if ord not in _MATRIX_NORMS:
        raise ValueError(at_user_line("Invalid norm order for matrices."))
    norm = _MATRIX_NORMS[ord](x)
    return np.expand_dims(norm, axis) if keepdims else norm


def _largest(sizes: Any) -> Any:
    """The largest of sizes: 0 of none."""
    return np.max(sizes, axis=-1, initial=np._NoValue if sizes.shape[-1] else 0)


_MATRIX_NORMS: dict[Any, Any] = {
    1: lambda x: _largest(np.sum(np.absolute(x), axis=-2)),
    -1: lambda x: np.min(np.sum(np.absolute(x), axis=-2), axis=-1),
    np.inf: lambda x: _largest(np.sum(np.absolute(x), axis=-1)),
    -np.inf: lambda x: np.min(np.sum(np.absolute(x), axis=-1), axis=-1),
    2: lambda x: _largest(_svdvals(x)),
    -2: lambda x: np.min(_svdvals(x), axis=-1),
    "nuc": lambda x: np.sum(_svdvals(x), axis=-1),
}


@implements(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = floating(x)
    if axis is None and (ord is None or x.ndim < 3):
        axes = axes_from_end(None, x.ndim)
    elif axis is None:
        raise ValueError(at_user_line("Improper number of dimensions to norm."))
    else:
        axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 2 and ord is not None:
        return _matrix_norm(x, axes, ord, keepdims)
    return _vector_norm(x, axes, ord, keepdims)


@implements(np.linalg.vector_norm)
def _linalg_vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = floating(x)
    return _vector_norm(x, axes_from_end(axis, x.ndim), ord, keepdims)


@implements(np.linalg.matrix_norm)
def _linalg_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _matrix_norm(_matrix(x), (-2, -1), ord, keepdims)


@implements(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    x = _matrix(x)
    if not x.size:
        raise np.linalg.LinAlgError(at_user_line("cond is not defined on empty arrays"))
    if p not in (None, 2, -2):
        return _matrix_norm(x, (-2, -1), p, False) * _matrix_norm(_inv(x), (-2, -1), p, False)
    s = _svdvals(x)
    ratio = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.where(np.isnan(ratio) & ~np.any(np.isnan(x), axis=(-2, -1)), np.inf, ratio)


@implements(np.linalg.matrix_rank)
def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    a = as_array(A)
    if a.ndim < 2:
        return np.sum(np.any(a != 0))
    s = _svdvals(a)
    relative = max(a.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else rtol
    limit = _largest(s) * relative if tol is None else tol
    return np.count_nonzero(s > np.expand_dims(limit, -1), axis=-1)
