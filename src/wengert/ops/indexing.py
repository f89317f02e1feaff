r"""Taking and putting by index: basic, fancy and boolean; what NumPy gives as a view writes through.

Taking is linear and its transpose adds back, to an element that is taken twice both times:

.. math:: y = x_I,\qquad \bar x_I \mathrel{+}= \bar y

The ``index`` parameter is a tuple for the last axes of x in which `ARRAY` marks the places of integer arrays;
those are operands.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from wengert.core.adoptive import intercept
from wengert.core.primitive import FUNCTIONS, Primitive, constant, implements, linear
from wengert.core.recorder import Tracer, bind, type_of
from wengert.core.tracer import ArrayTracer, as_view, concrete, is_abstract, operand, read_only
from wengert.errors import DerivativeError, UnsupportedError, at_user_line
from wengert.ops.reduction import axes_from_end
from wengert.ops.shape import _along, as_array

Index = tuple[Any, ...]


class _Array:
    """Marks the place of an integer array in an index."""

    def __repr__(self) -> str:
        return "·"

    def __reduce__(self) -> str:
        return "ARRAY"


ARRAY = _Array()


def fill(index: Index, arrays: tuple[Any, ...]) -> Index:
    """The index with its arrays in place."""
    if not arrays:
        return index
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in index)


def _evaluate_getitem(x: Any, *arrays: Any, index: Index) -> Any:
    taken = x[fill(index, arrays)]
    return taken if taken.ndim else taken[()]


def _getitem_transpose(ct: Any, x: Any, *arrays: Any, index: Index) -> Any:
    return bind(scatter, (ct, *arrays), {"index": index, "shape": tuple(x.shape)})


def _evaluate_scatter(ct: Any, *arrays: Any, index: Index, shape: tuple[int, ...]) -> Any:
    if arrays and ct.dtype.kind == "f" and ct.size > 64 and math.prod(shape) < 8 * ct.size:
        return _scatter_by_counting(ct, fill(index, arrays), shape)
    out = np.zeros(shape, ct.dtype)
    if arrays:
        np.add.at(out, fill(index, arrays), ct)
    else:
        out[index] = ct
    return out


def _scatter_by_counting(ct: Any, index: Index, shape: tuple[int, ...]) -> Any:
    """What `np.add.at` does, three times as fast: sums of weights over equal places."""
    size = math.prod(shape)
    places = np.arange(size).reshape(shape)[index]
    sums = np.bincount(places.ravel(), weights=ct.ravel(), minlength=size)
    return sums.reshape(shape).astype(ct.dtype, copy=False)


def _scatter_transpose(ct: Any, y: Any, *arrays: Any, index: Index, shape: tuple[int, ...]) -> Any:
    return bind(getitem, (ct, *arrays), {"index": index})


def _evaluate_setitem(x: Any, value: Any, *arrays: Any, index: Index) -> Any:
    out = np.array(x)
    out[fill(index, arrays)] = value
    return out


def _setitem_transpose_x(ct: Any, x: Any, value: Any, *arrays: Any, index: Index) -> Any:
    return bind(setitem, (ct, ct.dtype.type(0), *arrays), {"index": index})


def _setitem_transpose_value(ct: Any, x: Any, value: Any, *arrays: Any, index: Index) -> Any:
    taken = bind(getitem, (ct, *arrays), {"index": index})
    if not arrays:
        return taken
    kept = bind(survives, arrays, {"index": index, "shape": tuple(x.shape)})
    return np.where(kept, taken, ct.dtype.type(0))


def _evaluate_survives(*arrays: Any, index: Index, shape: tuple[int, ...]) -> Any:
    """Whether a written value stays, or is overwritten by a later one (an index that occurs twice)."""
    where = fill(index, arrays)
    owner = np.zeros(shape, np.intp)
    order = np.arange(owner[where].size).reshape(owner[where].shape)
    owner[where] = order
    return owner[where] == order


def _taken_shape(shape: tuple[int, ...], index: Index, arrays: Any) -> tuple[int, ...]:
    """The shape of ``x[index]``, whatever numbers the index arrays hold."""
    zeros = tuple(np.broadcast_to(np.intp(0), np.shape(a)) for a in arrays)
    return np.broadcast_to(np.empty(()), shape)[fill(index, zeros)].shape


# --- a batch axis in front ------------------------------------------------------------------------------


def _is_apart(index: Index) -> bool:
    """Whether slices stand between arrays, so that NumPy puts the arrays' axes first."""
    kinds = [part is ARRAY or type(part) is int for part in index[1:]]
    if True not in kinds:
        return False
    first, last = kinds.index(True), len(kinds) - 1 - kinds[::-1].index(True)
    return not all(kinds[first : last + 1])


def _getitem_batch(values: Any, flags: Any, types: Any, size: int, *, index: Index) -> Any:
    x, *arrays = values
    if any(flags[1:]):
        return _getitem_batched_arrays(x, arrays, flags, types, size, index)
    taken = bind(getitem, (x, *arrays), {"index": index})
    if not arrays or not _is_apart(index):
        return taken
    return np.moveaxis(taken, max(a.ndim for a in arrays), 0)


def _getitem_batched_arrays(x: Any, arrays: Any, flags: Any, types: Any, size: int, index: Index) -> Any:
    ndim = max(t.ndim for t in types[1:])
    lifted = [
        np.reshape(a, (size,) + (1,) * (ndim - t.ndim) + t.shape) if flag else a
        for a, flag, t in zip(arrays, flags[1:], types[1:], strict=True)
    ]
    lead = types[0].ndim - len([part for part in index[1:] if part is not None])
    first = 0 if _is_apart(index) else lead + _before_arrays(index)
    if not flags[0]:
        return np.moveaxis(bind(getitem, (x, *lifted), {"index": index}), first, 0)
    rows = np.reshape(np.arange(size), (size,) + (1,) * ndim)
    everything = (Ellipsis, ARRAY, *(slice(None),) * lead, *index[1:])
    taken = bind(getitem, (x, rows, *lifted), {"index": everything})
    return np.moveaxis(taken, range(1, 1 + ndim), range(1 + first, 1 + first + ndim)) if first else taken


def _before_arrays(index: Index) -> int:
    """How many axes of the result stand in front of those of the index arrays."""
    return [part is ARRAY or type(part) is int for part in index[1:]].index(True)


def _scatter_batch(
    values: Any, flags: Any, types: Any, size: int, *, index: Index, shape: tuple[int, ...]
) -> Any:
    ct, *arrays = values
    if any(flags[1:]) or _is_apart(index):
        rows = [
            bind(
                scatter,
                [v[i] if flag else v for v, flag in zip(values, flags, strict=True)],
                {"index": index, "shape": shape},
            )
            for i in range(size)
        ]
        return np.stack(rows)
    return bind(scatter, (ct, *arrays), {"index": index, "shape": (size, *shape)})


def _setitem_batch(values: Any, flags: Any, types: Any, size: int, *, index: Index) -> Any:
    x, value, *arrays = values
    if any(flags[2:]) or _is_apart(index):
        rows = [
            bind(
                setitem,
                [v[i] if flag else v for v, flag in zip(values, flags, strict=True)],
                {"index": index},
            )
            for i in range(size)
        ]
        return np.stack(rows)
    x = x if flags[0] else np.broadcast_to(x, (size, *types[0].shape))
    if flags[1]:
        missing = len(_taken_shape(types[0].shape, index, types[2:])) - types[1].ndim
        value = np.reshape(value, (size,) + (1,) * missing + types[1].shape)
    return bind(setitem, (x, value, *arrays), {"index": index})


I, J = np.array([2, 0, 2]), np.array([[1], [0]])

getitem: Primitive = linear(
    "getitem",
    _evaluate_getitem,
    _getitem_transpose,
    infer=lambda x, *arrays, index: (_taken_shape(x.shape, index, arrays), x.dtype),
    batch=_getitem_batch,
    text="{0}[{index}]",
    examples=lambda draw: [
        ((draw(3, 4),), {"index": (..., 1, slice(None, None, -2))}),
        ((draw(3, 4),), {"index": (..., None, slice(1, 3), -1)}),
        ((draw(1),), {"index": (..., 0)}),
        ((draw(3, 4), I), {"index": (..., ARRAY, slice(None))}),
        ((draw(3, 4), I, J), {"index": (..., ARRAY, ARRAY)}),
        ((draw(3, 2, 4), I, J), {"index": (..., ARRAY, slice(None), ARRAY)}),
        ((draw(2, 3, 4), I), {"index": (..., slice(1), None, ARRAY, 2)}),
        ((draw(1), np.array([0, -1, 0])), {"index": (..., ARRAY)}),
        ((draw(3), np.intp(1)), {"index": (..., ARRAY)}),
    ],
)
scatter: Primitive = linear(
    "scatter",
    _evaluate_scatter,
    _scatter_transpose,
    infer=lambda ct, *arrays, index, shape: (shape, ct.dtype),
    batch=_scatter_batch,
    examples=lambda draw: [
        ((draw(2),), {"index": (..., 1, slice(None, None, -2)), "shape": (3, 4)}),
        ((draw(3, 4), I), {"index": (..., ARRAY, slice(None)), "shape": (3, 4)}),
        ((draw(2, 3), I, J), {"index": (..., ARRAY, ARRAY), "shape": (3, 4)}),
        ((draw(2, 3, 2), I, J), {"index": (..., ARRAY, slice(None), ARRAY), "shape": (3, 2, 4)}),
    ],
)
setitem: Primitive = linear(
    "setitem",
    _evaluate_setitem,
    (_setitem_transpose_x, _setitem_transpose_value),
    infer=lambda x, value, *arrays, index: (x.shape, x.dtype),
    batch=_setitem_batch,
    text="{0}[{index}] = {1}",
    examples=lambda draw: [
        ((draw(3, 4), draw()), {"index": (..., 1, slice(None, None, -2))}),
        ((draw(3, 4), draw(4)), {"index": (..., slice(0, 2), slice(None))}),
        ((draw(3, 4), draw(3, 4), I), {"index": (..., ARRAY, slice(None))}),
        ((draw(3, 4), draw(3), I, J), {"index": (..., ARRAY, ARRAY)}),
        ((draw(3, 2, 4), draw(2), I, J), {"index": (..., ARRAY, slice(None), ARRAY)}),
    ],
)
survives = constant(
    "survives",
    _evaluate_survives,
    infer=lambda *arrays, index, shape: (_taken_shape(shape, index, arrays), np.dtype(bool)),
    batch="loop",
    examples=lambda draw: [
        ((I,), {"index": (..., ARRAY, slice(None)), "shape": (3, 4)}),
        ((I, J), {"index": (..., ARRAY, ARRAY), "shape": (3, 4)}),
    ],
)

# --- reading an index as NumPy does ---------------------------------------------------------------------


def parse(index: Any, shape: tuple[int, ...]) -> tuple[Index, tuple[Any, ...]]:
    """The index as ``(tuple for all axes behind an Ellipsis, arrays)``."""
    parts = list(index) if type(index) is tuple else [index]
    if len(parts) == 1 and type(parts[0]) is slice and len(shape) == 1:
        return (Ellipsis, _plain_slice(parts[0])), ()
    arrays: list[Any] = []
    found: list[Any] = []
    for part in parts:
        found.extend(_parse_part(part, arrays))
    return (Ellipsis, *_fill_axes(found, len(shape))), tuple(arrays)


def _parse_part(part: Any, arrays: list[Any]) -> list[Any]:
    if part is None or part is Ellipsis or type(part) in (int, slice):
        return [part if type(part) is not slice else _plain_slice(part)]
    part = _index_operand(part)
    if isinstance(part, Tracer) and part.type.dtype.kind not in "biu":
        raise IndexError(at_user_line(f"x[i] needs an integer index, and i is {part.type}. Write x[int(i)]."))
    if part.dtype == bool if hasattr(part, "dtype") else isinstance(part, bool):
        return _parse_mask(np.asarray(concrete(part)), arrays)
    if np.ndim(part) == 0 and not isinstance(part, np.ndarray) and not is_abstract(part):
        return [operator.index(part)]
    if part.dtype.kind not in "iu" and part.size:
        raise IndexError(at_user_line("arrays used as indices must be of integer (or boolean) type"))
    arrays.append(part if part.size else part.astype(np.intp))
    return [ARRAY]


def _index_operand(part: Any) -> Any:
    try:
        return operand(part)
    except UnsupportedError:
        raise IndexError(
            at_user_line(f"x[i] needs numbers, slices or arrays for i, which is a {type(part).__name__}.")
        ) from None


def _plain_slice(part: slice) -> slice:
    return slice(*(None if i is None else operator.index(i) for i in (part.start, part.stop, part.step)))


def _parse_mask(mask: Any, arrays: list[Any]) -> list[Any]:
    if mask.ndim == 0 and not mask:
        raise UnsupportedError(at_user_line("x[False], which takes nothing, is not recorded. Write an if."))
    if mask.ndim == 0:
        return [None]
    arrays.extend(np.nonzero(mask))
    return [ARRAY] * mask.ndim


def _fill_axes(parts: list[Any], ndim: int) -> list[Any]:
    used = len([p for p in parts if p is not None and p is not Ellipsis])
    if used > ndim:
        raise IndexError(
            at_user_line(f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed")
        )
    missing = [slice(None)] * (ndim - used)
    if Ellipsis not in [p for p in parts if p is Ellipsis]:
        return parts + missing
    place = next(i for i, p in enumerate(parts) if p is Ellipsis)
    if not missing:
        _refuse_empty_ellipsis(parts[:place], parts[place + 1 :])
    return parts[:place] + missing + parts[place + 1 :]


def _refuse_empty_ellipsis(before: list[Any], after: list[Any]) -> None:
    """To NumPy even an ellipsis that stands for no axis keeps index arrays apart."""
    advanced = [[part is ARRAY or type(part) is int for part in parts] for parts in (before, after)]
    kept = not all(map(all, advanced))
    if kept and any(advanced[0]) and any(advanced[1]) and ARRAY in (*before, *after):
        raise UnsupportedError(
            at_user_line(
                "an ellipsis between index arrays that stands for no axis is not recorded. Leave it out."
            )
        )


@implements(operator.getitem)
def _getitem(x: Any, index: Any) -> Any:
    parsed, arrays = parse(index, x.shape)
    taken = bind(getitem, (x, *arrays), {"index": parsed})
    if arrays or not isinstance(x, ArrayTracer):
        return taken
    return as_view(
        taken, x, lambda root: _read(root, parsed), lambda root, new: _written(root, parsed, (), new)
    )


def _read(root: Any, index: Index) -> Any:
    return bind(getitem, (root,), {"index": index})


@implements(operator.setitem)
def _setitem(x: Any, index: Any, value: Any) -> Any:
    if isinstance(index, Tracer) and index.type.dtype == bool and np.ndim(value) == 0:
        return _masked(x, index, value)
    parsed, arrays = parse(index, x.shape)
    return _written(x, parsed, arrays, operand(value))


def _masked(x: Any, mask: Any, value: Any) -> Any:
    """``x[mask] = number``, without asking which elements are meant."""
    mask = np.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
    return np.where(mask, FUNCTIONS[np.astype](value, x.dtype), x)


def _written(x: Any, index: Index, arrays: tuple[Any, ...], value: Any) -> Any:
    dtype = type_of(value).dtype
    if isinstance(value, Tracer) and dtype.kind in "fc" and x.dtype.kind not in "fc":
        raise DerivativeError(
            at_user_line(
                f"writing a {value.type} into an array of {x.dtype} would lose its derivative. "
                "Make the array with dtype=float."
            )
        )
    if dtype.kind == "c" and x.dtype.kind == "f":
        raise TypeError(
            at_user_line("a complex value cannot be written into a real array. Make it with dtype=complex.")
        )
    if isinstance(value, Tracer) and dtype != x.dtype:
        value = FUNCTIONS[np.astype](value, x.dtype)
    return bind(setitem, (x, _trim(value, x, index, arrays), *arrays), {"index": index})


def _trim(value: Any, x: Any, index: Index, arrays: tuple[Any, ...]) -> Any:
    """NumPy lets a value have leading axes of length 1 that the place has not."""
    extra = np.ndim(value) - len(_taken_shape(x.shape, index, arrays)) if np.ndim(value) else 0
    return np.reshape(value, np.shape(value)[extra:]) if extra > 0 else value


# --- functions that take by index -----------------------------------------------------------------------


@implements(np.take)
def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    a = as_array(a)
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    (place,) = axes_from_end(axis, a.ndim)
    indices = as_array(indices)
    n = a.shape[place]
    if mode != "raise":
        indices = np.clip(indices, 0, n - 1) if mode == "clip" else indices % n
    return _getitem(a, _along(a.ndim, place, indices))


_numpys_take = np.take


def _taken(*args: Any, **kwargs: Any) -> Any:
    """``np.take``, which does not look for tracers among the indices."""
    traced = any(isinstance(value, Tracer) for value in (*args, *kwargs.values()))
    return _take(*args, **kwargs) if traced else _numpys_take(*args, **kwargs)


intercept(np.take, _taken)


@implements(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    arr, indices = as_array(arr), as_array(indices)
    if axis is None:
        arr, axis = np.reshape(arr, -1), -1
    return _getitem(arr, grid(indices, axes_from_end(axis, arr.ndim)[0]))


def grid(indices: Any, axis: int) -> Index:
    """The fancy index that takes ``indices`` along one axis and every element along the others."""
    parts = [
        np.reshape(np.arange(n), tuple(-1 if j == i else 1 for j in range(indices.ndim)))
        for i, n in enumerate(indices.shape)
    ]
    parts[axis] = indices
    return tuple(parts)


@implements(np.compress)
def _compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return _take(a, np.flatnonzero(concrete(condition)), axis)


@implements(np.extract)
def _extract(condition: Any, arr: Any) -> Any:
    return _take(np.reshape(arr, -1), np.flatnonzero(np.ravel(concrete(condition))))


@implements(np.choose)
def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    stacked = np.stack(np.broadcast_arrays(*choices))
    which = np.broadcast_to(concrete(a), stacked.shape[1:])
    return np.take_along_axis(stacked, which[None], axis=0)[0]


@implements(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = np.moveaxis(as_array(a), (axis1, axis2), (-2, -1))
    rows, columns = _diagonal_index(a.shape[-2], a.shape[-1], offset)
    return read_only(_getitem(a, (Ellipsis, rows, columns)))


def _diagonal_index(rows: int, columns: int, offset: int) -> tuple[Any, Any]:
    n = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    i = np.arange(n)
    return i - min(offset, 0), i + max(offset, 0)


@implements(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    v = as_array(v)
    if v.ndim == 2:
        return _diagonal(v, k)
    n = v.shape[0] + abs(k)
    rows, columns = _diagonal_index(n, n, k)
    return bind(scatter, (v, rows, columns), {"index": (Ellipsis, ARRAY, ARRAY), "shape": (n, n)})


@implements(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return _diag(np.reshape(v, -1), k)


@implements(np.trace)
def _trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    return np.sum(_diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.linalg.diagonal)
def _linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return _diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def _linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.sum(_diagonal(x, offset, -2, -1), axis=-1)


@implements(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    m = as_array(m)
    return np.where(np.tri(m.shape[-2], m.shape[-1], k, bool), m, m.dtype.type(0))


@implements(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    m = as_array(m)
    return np.where(np.tri(m.shape[-2], m.shape[-1], k - 1, bool), m.dtype.type(0), m)


@implements(np.delete)
def _delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    arr, place = _one_axis(arr, axis)
    return _take(arr, np.delete(np.arange(arr.shape[place]), obj), place)


@implements(np.insert)
def _insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    arr, place = _one_axis(arr, axis)
    values = np.astype(as_array(values), arr.dtype)
    values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    n = arr.shape[place]
    if np.ndim(obj) == 0 and not isinstance(obj, slice):
        values = np.moveaxis(values, 0, place)
        count = values.shape[place]
    else:
        count = np.insert(np.arange(n), obj, 0).size - n
    shape = tuple(count if i == place + arr.ndim else m for i, m in enumerate(arr.shape))
    order = np.insert(np.arange(n), obj, np.arange(n, n + count))
    return _take(np.concatenate([arr, np.broadcast_to(values, shape)], axis=place), order, place)


def _one_axis(arr: Any, axis: Any) -> tuple[Any, int]:
    """The array, flat where no axis is given, and the axis."""
    arr = as_array(arr)
    arr, axis = (np.reshape(arr, -1), 0) if axis is None else (arr, axis)
    return arr, axes_from_end(axis, arr.ndim)[0]


# --- functions that give positions ----------------------------------------------------------------------


@implements(np.nonzero)
def _nonzero(a: Any) -> Any:
    return np.nonzero(concrete(a))


@implements(np.flatnonzero)
def _flatnonzero(a: Any) -> Any:
    return np.flatnonzero(concrete(a))


@implements(np.argwhere)
def _argwhere(a: Any) -> Any:
    return np.argwhere(concrete(a))


searchsorted = constant(
    "searchsorted",
    lambda a, v, *, side: np.searchsorted(a, v, side=side),
    infer=lambda a, v, side: (v.shape, np.dtype(np.intp)),
    batch="loop",
    cost=lambda i, o, **_: o[0].size * max(i[0].size, 2).bit_length(),
    examples=lambda draw: [
        ((np.sort(draw(5)), draw(2, 3)), {"side": "left"}),
        ((np.sort(draw(4)), draw()), {"side": "right"}),
    ],
)


@implements(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    a = as_array(a) if sorter is None else _take(a, sorter)
    return bind(searchsorted, (a, as_array(v)), {"side": side})


@implements(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    x, bins = as_array(x), as_array(bins)
    side = "left" if right else "right"
    if bins.size < 2 or bool(bins[0] <= bins[-1]):
        return bind(searchsorted, (bins, x), {"side": side})
    return bins.size - bind(searchsorted, (np.flip(bins), x), {"side": side})


@implements(np.unravel_index)
def _unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    found, rest = [], as_array(indices)
    for n in shape[::-1] if order == "C" else shape:
        found.append(rest % n)
        rest = rest // n
    return tuple(found[::-1] if order == "C" else found)


@implements(np.ravel_multi_index)
def _ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    total: Any = 0
    pairs = list(zip(multi_index, dims, strict=True))
    for i, n in pairs if order == "C" else pairs[::-1]:
        total = total * n + i
    return total


# --- functions that write -------------------------------------------------------------------------------


@implements(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    dst[...] = np.where(where, src, dst) if where is not True else src


@implements(np.put_along_axis)
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    arr[grid(as_array(indices), axes_from_end(axis, arr.ndim)[0])] = values


@implements(np.putmask)
def _putmask(a: Any, mask: Any, values: Any) -> None:
    mask = np.broadcast_to(as_array(mask), a.shape)
    values = np.resize(values, a.shape) if np.shape(values) != a.shape and np.ndim(values) else values
    a[...] = np.where(mask, values, a)


@implements(np.place)
def _place(arr: Any, mask: Any, vals: Any) -> None:
    mask, vals = np.astype(as_array(mask), bool), np.reshape(as_array(vals), -1)
    numbers = np.reshape(np.cumsum(mask), mask.shape) - 1  # of the places, in order
    arr[...] = np.where(mask, _getitem(vals, numbers % vals.shape[0]), arr)


@implements(np.put)
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    a.flat[as_array(ind)] = v


def add_at(a: Any, indices: Any, b: Any) -> None:
    """``np.add.at``: an index that occurs twice is added to twice."""
    parsed, arrays = parse(indices, a.shape)
    place = np.broadcast_to(b, _taken_shape(a.shape, parsed, arrays))
    added = bind(scatter, (np.astype(place, a.dtype), *arrays), {"index": parsed, "shape": a.shape})
    a[...] = a + added


def scatter_add(values: Any, places: Any, size: int) -> Any:
    """A vector of zeros with each value added at its place."""
    return bind(scatter, (values, places), {"index": (Ellipsis, ARRAY), "shape": (size,)})
