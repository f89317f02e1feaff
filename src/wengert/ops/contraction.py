r"""Products that sum over shared axes: matmul, dot, einsum, tensordot, inner, outer.

All are bilinear, so the derivative is the product rule. For :math:`Y=XW`

.. math:: \dot Y=\dot X W+X\dot W,\qquad \bar X=\bar Y W^T,\qquad \bar W=X^T\bar Y
"""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from wengert.core.primitive import bilinear, implements
from wengert.core.recorder import bind
from wengert.core.trace import Type
from wengert.errors import at_user_line
from wengert.ops.shape import as_array

# --- matmul and its kin ---------------------------------------------------------------------------------


def _swap(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _column(ct: Any) -> Any:
    return np.expand_dims(ct, -1) if ct.ndim else ct


def _outer_last(a: Any, b: Any) -> Any:
    return a[..., :, None] * b[..., None, :]


def _matmul_cost(inputs: Any, outputs: Any, **_: Any) -> int:
    return int(2 * outputs[0].size * inputs[0].shape[-1])


matmul = bilinear(
    "matmul",
    np.matmul,
    (lambda ct, a, b: np.matmul(ct, _swap(b)), lambda ct, a, b: np.matmul(_swap(a), ct)),
    infer=lambda a, b: (
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (a.shape[-2], b.shape[-1]),
        np.result_type(a.dtype, b.dtype),
    ),
    cost=_matmul_cost,
    core=(2, 2),
    text="{0} @ {1}",
    examples=lambda draw: [
        ((draw(2, 3), draw(3, 4)), {}),
        ((draw(5, 2, 3), draw(3, 1)), {}),
        ((draw(2, 1, 2, 3), draw(3, 3, 2)), {}),
        ((draw(2, 0), draw(0, 3)), {}),
    ],
)
vecdot = bilinear(
    "vecdot",
    np.vecdot,
    (lambda ct, a, b: _column(ct) * b, lambda ct, a, b: _column(ct) * a),
    infer=lambda a, b: (np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), np.result_type(a.dtype, b.dtype)),
    cost=_matmul_cost,
    core=(1, 1),
    text="{0} · {1}",
    examples=lambda draw: [
        ((draw(3), draw(3)), {}),
        ((draw(2, 3), draw(3)), {}),
        ((draw(2, 1, 3), draw(4, 3)), {}),
    ],
)
matvec = bilinear(
    "matvec",
    np.matvec,
    (lambda ct, a, v: _outer_last(ct, v), lambda ct, a, v: np.matvec(_swap(a), ct)),
    infer=lambda a, v: (
        np.broadcast_shapes(a.shape[:-2], v.shape[:-1]) + (a.shape[-2],),
        np.result_type(a.dtype, v.dtype),
    ),
    cost=_matmul_cost,
    core=(2, 1),
    text="{0} @ {1}",
    examples=lambda draw: [
        ((draw(2, 3), draw(3)), {}),
        ((draw(4, 2, 3), draw(3)), {}),
        ((draw(2, 3), draw(4, 3)), {}),
    ],
)


def _check(a: Any, b: Any, axis: int) -> None:
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(at_user_line("matmul: an operand is a number. Write a * b."))
    if a.shape[-1] != b.shape[axis]:
        raise ValueError(
            at_user_line(
                f"matmul: the shapes {a.shape} and {b.shape} do not fit. The first needs as many columns as "
                "the second has rows: transpose one with .T, or write np.outer(a, b) or a * b."
            )
        )


@implements(np.matmul)
def _matmul(a: Any, b: Any, weak: bool = False) -> Any:
    a, b = as_array(a), as_array(b)
    _check(a, b, -min(2, max(b.ndim, 1)))
    if b.ndim == 1:
        return _times_vector(a, b)
    if a.ndim == 1:
        return _times_vector(_swap(b), a)
    if a.ndim > 2 and b.ndim == 2:
        rows = np.reshape(a, (-1, a.shape[-1])) if a.size else a
        return np.reshape(bind(matmul, (rows, b), {}), (*a.shape[:-1], b.shape[-1]))
    return bind(matmul, (a, b), {})


def _times_vector(a: Any, v: Any) -> Any:
    if "c" in (a.dtype.kind, v.dtype.kind):
        return np.sum(a * v, axis=-1)
    return bind(vecdot if a.ndim == 1 else matvec, (a, v), {})


@implements(np.matvec)
def _matvec(a: Any, v: Any, weak: bool = False) -> Any:
    return _times_vector(a, v) if np.ndim(v) == 1 else np.matmul(a, v[..., None])[..., 0]


@implements(np.vecmat)
def _vecmat(v: Any, a: Any, weak: bool = False) -> Any:
    return np.matmul(np.conjugate(v)[..., None, :], a)[..., 0, :]


@implements(np.vecdot)
def _vecdot(a: Any, b: Any, weak: bool = False) -> Any:
    a, b = as_array(a), as_array(b)
    if "c" in (a.dtype.kind, b.dtype.kind):
        return np.sum(np.conjugate(a) * b, axis=-1)
    return bind(vecdot, (a, b), {})


@implements(np.linalg.matmul)
def _linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return _matmul(x1, x2)


@implements(np.linalg.vecdot)
def _linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return _vecdot(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1))


@implements(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if b.ndim == 1 or (a.ndim <= 2 and b.ndim == 2):
        return _matmul(a, b)
    return _tensordot(a, b, ((a.ndim - 1,), (b.ndim - 2,)))


@implements(np.vdot)
def _vdot(a: Any, b: Any, /) -> Any:
    return _vecdot(np.reshape(a, -1), np.reshape(b, -1))


@implements(np.inner)
def _inner(a: Any, b: Any, /) -> Any:
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    return _tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


@implements(np.outer)
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@implements(np.linalg.outer)
def _linalg_outer(x1: Any, x2: Any, /) -> Any:
    return _outer(x1, x2)


@implements(np.tensordot, np.linalg.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = as_array(a), as_array(b)
    left, right = _contracted(a, b, axes)
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(at_user_line("shape-mismatch for sum"))
    kept_a = [i for i in range(a.ndim) if i not in left]
    kept_b = [i for i in range(b.ndim) if i not in right]
    k = math.prod(a.shape[i] for i in left)
    shape = tuple(a.shape[i] for i in kept_a) + tuple(b.shape[i] for i in kept_b)
    rows = np.reshape(np.transpose(a, kept_a + left), (math.prod(a.shape[i] for i in kept_a), k))
    columns = np.reshape(np.transpose(b, right + kept_b), (k, math.prod(b.shape[i] for i in kept_b)))
    return np.reshape(bind(matmul, (rows, columns), {}), shape)


def _contracted(a: Any, b: Any, axes: Any) -> tuple[list[int], list[int]]:
    if isinstance(axes, int | np.integer):
        return list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    pair = [list(x) if isinstance(x, tuple | list) else [x] for x in axes]
    return [int(i) % a.ndim for i in pair[0]], [int(i) % b.ndim for i in pair[1]]


@implements(np.kron)
def _kron(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    ndim = max(a.ndim, b.ndim)
    a = np.reshape(a, (1,) * (ndim - a.ndim) + tuple(a.shape))
    b = np.reshape(b, (1,) * (ndim - b.ndim) + tuple(b.shape))
    wide = np.expand_dims(a, tuple(range(1, 2 * ndim, 2))) * np.expand_dims(b, tuple(range(0, 2 * ndim, 2)))
    return np.reshape(wide, tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


@implements(np.cross)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    axisa, axisb, axisc = (axis, axis, axis) if axis is not None else (axisa, axisb, axisc)
    a, b = np.moveaxis(as_array(a), axisa, -1), np.moveaxis(as_array(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(
            at_user_line(
                "np.cross is recorded for vectors of length 3. Of length 2 write x[0] * y[1] - x[1] * y[0]."
            )
        )
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    parts = np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)
    return np.moveaxis(parts, -1, axisc)


@implements(np.linalg.cross)
def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return _cross(x1, x2, axis=axis)


# --- einsum ---------------------------------------------------------------------------------------------


def _evaluate_einsum(a: Any, b: Any, spec: str) -> Any:
    left, right = spec.split("->")
    first, second = left.split(",")
    if a.ndim > len(first) or b.ndim > len(second):
        spec = f"...{first},...{second}->...{right}"
    return np.einsum(spec, a, b, optimize=a.size + b.size > 4096)


def _einsum_transpose(which: int) -> Any:
    def transpose(ct: Any, a: Any, b: Any, *, spec: str) -> Any:
        first, second, out = _labels(spec)
        if which == 0:
            return bind(einsum, (ct, b), {"spec": f"{out},{second}->{first}"})
        return bind(einsum, (a, ct), {"spec": f"{first},{out}->{second}"})

    return transpose


def _labels(spec: str) -> tuple[str, str, str]:
    left, out = spec.split("->")
    first, second = left.split(",")
    return first, second, out


def _einsum_type(a: Type, b: Type, *, spec: str) -> Any:
    first, second, out = _labels(spec)
    sizes = dict(zip(first, a.shape[a.ndim - len(first) :], strict=True))
    sizes |= dict(zip(second, b.shape[b.ndim - len(second) :], strict=True))
    lead = np.broadcast_shapes(a.shape[: a.ndim - len(first)], b.shape[: b.ndim - len(second)])
    return lead + tuple(sizes[c] for c in out), np.result_type(a.dtype, b.dtype)


def _einsum_cost(inputs: Any, outputs: Any, *, spec: str) -> int:
    first, second, _ = _labels(spec)
    a, b = inputs[0].shape, inputs[1].shape
    sizes = dict(zip(first, a[len(a) - len(first) :], strict=True))
    sizes |= dict(zip(second, b[len(b) - len(second) :], strict=True))
    return int(2 * math.prod(sizes.values()))


def _einsum_batch(values: Any, flags: Any, types: Any, size: int, *, spec: str) -> Any:
    labels = _labels(spec)[:2]
    outer = max(t.ndim - len(term) for t, term in zip(types, labels, strict=True))
    aligned = [
        np.reshape(v, (size, *(1,) * (outer + len(term) - t.ndim), *t.shape)) if flag else v
        for v, flag, t, term in zip(values, flags, types, labels, strict=True)
    ]
    return bind(einsum, aligned, {"spec": spec})


einsum = bilinear(
    "einsum",
    _evaluate_einsum,
    (_einsum_transpose(0), _einsum_transpose(1)),
    infer=_einsum_type,
    cost=_einsum_cost,
    batch=_einsum_batch,
    text="einsum({spec}; {0}, {1})",
    examples=lambda draw: [
        ((draw(2, 3), draw(3, 4)), {"spec": "ij,jk->ik"}),
        ((draw(2, 3), draw(2, 3)), {"spec": "ij,ij->"}),
        ((draw(2), draw(3)), {"spec": "i,j->ji"}),
        ((draw(2, 3, 2), draw(3, 2)), {"spec": "bij,ij->bi"}),
    ],
)


@implements(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = True, dtype: Any = None, **_: Any) -> Any:
    if not isinstance(operands[0], str):
        operands = _interleaved(operands)
    spec, arrays = operands[0].replace(" ", ""), [as_array(x) for x in operands[1:]]
    terms, result = _explicit(spec, arrays)
    pairs = [_without_repeats(x, term) for x, term in zip(arrays, terms, strict=True)]
    for places in _order(terms, result, arrays):
        chosen = [pairs.pop(i) for i in sorted(places, reverse=True)]
        pairs.append(_contract(chosen, set("".join(t for _, t in pairs)) | set(result)))
    x, term = pairs[0]
    return _arranged(x if dtype is None else np.astype(x, np.dtype(dtype)), term, result)


def _interleaved(operands: Any) -> Any:
    subscripts = [*operands[1::2], operands[-1]] if len(operands) % 2 else list(operands[1::2])
    letters = [
        "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in part) for part in subscripts
    ]
    count = len(operands) // 2
    spec = ",".join(letters[:count]) + ("->" + letters[count] if len(operands) % 2 else "")
    return (spec, *operands[: 2 * count : 2])


def _explicit(spec: str, arrays: list[Any]) -> tuple[list[str], str]:
    """Subscripts without ellipsis and with the output written out."""
    left, arrow, result = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        raise ValueError(
            at_user_line(
                f"einsum: {len(terms)} terms in {spec!r} for {len(arrays)} operands. Give a term for each, "
                "between commas."
            )
        )
    free = [c for c in string.ascii_letters if c not in spec]
    widths = [x.ndim - len(t.replace("...", "")) for x, t in zip(arrays, terms, strict=True)]
    most = max([w for w, t in zip(widths, terms, strict=True) if "..." in t], default=0)
    dots = "".join(free[:most])
    terms = [
        t.replace("...", dots[most - w :] if "..." in t else "") for t, w in zip(terms, widths, strict=True)
    ]
    if not arrow:
        labels = "".join(terms)
        result = dots + "".join(sorted(c for c in set(labels) - set(dots) if labels.count(c) == 1))
    return terms, result.replace("...", dots)


def _without_repeats(x: Any, term: str) -> tuple[Any, str]:
    """Take the diagonal over a label that a term has twice."""
    if len(term) != x.ndim:
        raise ValueError(
            at_user_line(
                f"einsum: the term {term!r} does not fit an operand of {x.ndim} dimensions. Give a letter "
                "for each, or ... for those in front."
            )
        )
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            i = term.index(label)
            j = term.index(label, i + 1)
            x = np.diagonal(x, axis1=i, axis2=j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + label
    return x, term


def _order(terms: list[str], result: str, arrays: list[Any]) -> list[tuple[int, ...]]:
    """Which operands to contract together, step by step."""
    if len(arrays) <= 2:
        return [tuple(range(len(arrays)))]
    shapes = [np.broadcast_to(np.zeros(()), x.shape) for x in arrays]
    path = np.einsum_path(",".join(terms) + "->" + result, *shapes, optimize="greedy")[0][1:]
    return [tuple(step) for step in path]


def _contract(chosen: list[tuple[Any, str]], kept: set[str]) -> tuple[Any, str]:
    while len(chosen) > 1:
        (b, second), (a, first) = chosen.pop(), chosen.pop()
        later = kept | set("".join(t for _, t in chosen))
        chosen.append(
            _pair(*_summed(a, first, later | set(second)), *_summed(b, second, later | set(first)), later)
        )
    return _summed(*chosen[0], kept)


def _summed(x: Any, term: str, kept: set[str]) -> tuple[Any, str]:
    axes = tuple(i for i, c in enumerate(term) if c not in kept)
    if axes:
        x = np.any(x, axis=axes) if x.dtype.kind == "b" else np.sum(x, axis=axes, dtype=x.dtype)
    return x, "".join(c for c in term if c in kept)


def _pair(a: Any, first: str, b: Any, second: str, kept: set[str]) -> tuple[Any, str]:
    a, b = _stretched(a, first, b, second), _stretched(b, second, a, first)
    out = "".join(c for c in dict.fromkeys(first + second) if c in kept)
    return bind(einsum, (a, b), {"spec": f"{first},{second}->{out}"}), out


def _stretched(a: Any, first: str, b: Any, second: str) -> Any:
    """Broadcast axes of length 1 that meet a longer axis with the same label."""
    sizes = dict(zip(second, b.shape, strict=True))
    shape = tuple(sizes.get(c, n) if n == 1 else n for c, n in zip(first, a.shape, strict=True))
    return a if shape == tuple(a.shape) else np.broadcast_to(a, shape)


def _arranged(x: Any, term: str, result: str) -> Any:
    return x if term == result else np.transpose(x, [term.index(c) for c in result])


@implements(np.linalg.multi_dot)
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    product = arrays[0]
    for other in arrays[1:]:
        product = np.dot(product, other)
    return product
