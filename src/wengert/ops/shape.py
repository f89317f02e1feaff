r"""Operations that move numbers about and compute none: reshape, transpose, concatenate, pad, ...

All are linear, and each stands beside its transpose: what goes from place j to i comes back from i to j.

.. math:: y_i = x_{\pi(i)},\qquad \bar x_j \mathrel{+}= \sum_{i:\,\pi(i)=j}\bar y_i

Axes are counted from the end and shapes speak of the last ``ndim`` axes, so a batch axis in front changes
nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.fallback import run_python
from wengert.core.primitive import FUNCTIONS, Primitive, constant, implements, linear, variadic
from wengert.core.recorder import Tracer, bind, type_of
from wengert.core.trace import Type
from wengert.core.tracer import as_view, layout, operand, read_only
from wengert.errors import UnsupportedError, at_user_line
from wengert.ops.reduction import axes_from_end

Shape = tuple[int, ...]


def as_array(x: Any) -> Any:
    """An operand with ``shape``, ``ndim`` and ``dtype``."""
    x = operand(x)
    return x if hasattr(x, "ndim") else np.asarray(x)


# --- reshape --------------------------------------------------------------------------------------------


def _evaluate_reshape(x: Any, shape: Shape, ndim: int) -> Any:
    return x.reshape(x.shape[: x.ndim - ndim] + shape) if shape or x.ndim > ndim else x.reshape(())[()]


reshape: Primitive = linear(
    "reshape",
    _evaluate_reshape,
    lambda ct, x, *, shape, ndim: bind(
        reshape, (ct,), {"shape": x.shape[x.ndim - ndim :], "ndim": len(shape)}
    ),
    infer=lambda x, shape, ndim: (x.shape[: x.ndim - ndim] + shape, x.dtype),
    text="reshape({0}, {shape})",
    examples=lambda draw: [
        ((draw(2, 3),), {"shape": (3, 2), "ndim": 2}),
        ((draw(2, 3),), {"shape": (6,), "ndim": 2}),
        ((draw(),), {"shape": (1, 1), "ndim": 0}),
        ((draw(1),), {"shape": (), "ndim": 1}),
        ((draw(0, 2),), {"shape": (0,), "ndim": 2}),
    ],
)


def as_shape(shape: Any) -> Shape:
    """A ``shape`` argument of NumPy's as a tuple."""
    return tuple(int(n) for n in (shape if np.ndim(shape) else (shape,)))


def _resolve(shape: Any, size: int) -> Shape:
    dims = as_shape(shape)
    known = math.prod(n for n in dims if n != -1)
    if (
        dims.count(-1) > 1
        or (-1 not in dims and known != size)
        or (-1 in dims and (not known or size % known))
    ):
        raise ValueError(at_user_line(f"cannot reshape array of size {size} into shape {dims}"))
    return tuple(size // known if n == -1 else n for n in dims)


@implements(np.reshape)
def _reshape(
    a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None, newshape: Any = None
) -> Any:
    a = as_array(a)
    target = _resolve(newshape if shape is None else shape, a.size)
    if order == "F":
        return _transpose(_reshape(_transpose(a), target[::-1]))
    taken = bind(reshape, (a,), {"shape": target, "ndim": a.ndim})
    return as_view(taken, a, lambda root: _reshape(root, target), lambda root, new: _reshape(new, root.shape))


def _read_order(a: Any, order: str) -> str:
    """``C`` or ``F``: what NumPy's ``A`` and ``K`` come to for the memory of an array."""
    if order in ("C", "F"):
        return order
    flags = layout(a).flags
    if order == "K" and not (flags.c_contiguous or flags.f_contiguous):
        raise UnsupportedError(
            at_user_line('order="K" of a view with gaps is not recorded. Write order="C".')
        )
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


@implements(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    a = as_array(a)
    a = a if _read_order(a, order) == "C" else _transpose(a)
    flat = _reshape(a, -1)
    return flat if layout(a).flags.c_contiguous else flat.__copy__()


@implements(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    a = as_array(a)
    gone = (
        [i - a.ndim for i, n in enumerate(a.shape) if n == 1] if axis is None else axes_from_end(axis, a.ndim)
    )
    if any(a.shape[i] != 1 for i in gone):
        raise ValueError(at_user_line("cannot select an axis to squeeze out which has size not equal to one"))
    return _reshape(a, tuple(n for i, n in enumerate(a.shape) if i - a.ndim not in gone))


@implements(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    a = as_array(a)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = a.ndim + len(axes)
    new = np.lib.array_utils.normalize_axis_tuple(axes, ndim)
    old = iter(a.shape)
    return _reshape(a, tuple(1 if i in new else next(old) for i in range(ndim)))


def _at_least(n: int, pad: Any) -> Any:
    def at_least(*arrays: Any) -> Any:
        found = tuple(a if a.ndim >= n else _reshape(a, pad(a.shape)) for a in map(as_array, arrays))
        return found[0] if len(found) == 1 else found

    return at_least


FUNCTIONS[np.atleast_1d] = _at_least(1, lambda s: (1,))
FUNCTIONS[np.atleast_2d] = _at_least(2, lambda s: (1,) * (2 - len(s)) + s)
FUNCTIONS[np.atleast_3d] = _at_least(3, lambda s: {0: (1, 1, 1), 1: (1, *s, 1), 2: (*s, 1)}[len(s)])

# --- transpose ------------------------------------------------------------------------------------------


def _permute(x: Any, axes: Shape) -> Any:
    lead = x.ndim - len(axes)
    return x.transpose(*range(lead), *(a + x.ndim for a in axes))


def _inverse(axes: Shape) -> Shape:
    return tuple(int(i) - len(axes) for i in np.argsort(axes))


transpose: Primitive = linear(
    "transpose",
    _permute,
    lambda ct, x, *, axes: bind(transpose, (ct,), {"axes": _inverse(axes)}),
    infer=lambda x, axes: (
        x.shape[: x.ndim - len(axes)] + tuple(x.shape[a + x.ndim] for a in axes),
        x.dtype,
    ),
    text="{0}ᵀ",
    examples=lambda draw: [
        ((draw(2, 3),), {"axes": (-1, -2)}),
        ((draw(2, 3, 4),), {"axes": (-1, -3, -2)}),
    ],
)


def _transposed(a: Any, axes: Shape) -> Any:
    taken = bind(transpose, (a,), {"axes": axes})
    return as_view(
        taken, a, lambda r: _transposed(r, axes), lambda root, new: _transposed(new, _inverse(axes))
    )


@implements(np.transpose, np.permute_dims)
def _transpose(a: Any, axes: Any = None) -> Any:
    a = as_array(a)
    order = range(a.ndim)[::-1] if axes is None else np.lib.array_utils.normalize_axis_tuple(axes, a.ndim)
    if len(order) != a.ndim:
        raise ValueError(at_user_line("axes don't match array"))
    return _transposed(a, tuple(int(i) - a.ndim for i in order)) if a.ndim > 1 else a


@implements(np.matrix_transpose)
def _matrix_transpose(x: Any) -> Any:
    return _swapaxes(x, -1, -2)


@implements(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    a = as_array(a)
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _transpose(a, order)


@implements(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = as_array(a)
    sources = np.lib.array_utils.normalize_axis_tuple(source, a.ndim)
    places = np.lib.array_utils.normalize_axis_tuple(destination, a.ndim)
    order = [i for i in range(a.ndim) if i not in sources]
    for place, origin in sorted(zip(places, sources, strict=True)):
        order.insert(place, origin)
    return _transpose(a, order)


@implements(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    axis, start = axis % a.ndim, start + a.ndim if start < 0 else start
    return _moveaxis(a, axis, start - 1 if axis < start else start)


# --- broadcast ------------------------------------------------------------------------------------------


def _broadcast_batch(values: Any, flags: Any, types: Any, size: int, *, shape: Shape) -> Any:
    (x,) = values
    lead = (size,) + (1,) * (len(shape) + 1 - x.ndim)
    return np.broadcast_to(np.reshape(x, lead + tuple(x.shape[1:])), (size, *shape))


broadcast_to = linear(
    "broadcast_to",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda ct, x, *, shape: ct,
    infer=lambda x, shape: (shape, x.dtype),
    batch=_broadcast_batch,
    text="broadcast({0})",
    examples=lambda draw: [
        ((draw(),), {"shape": (2, 3)}),
        ((draw(3),), {"shape": (2, 3)}),
        ((draw(2, 1),), {"shape": (4, 2, 3)}),
    ],
)


@implements(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    array = as_array(array)
    shape = as_shape(shape)
    if np.broadcast_shapes(array.shape, shape) != shape:
        raise ValueError(at_user_line(f"cannot broadcast {array.shape} to {shape}"))
    return array if shape == array.shape else read_only(bind(broadcast_to, (array,), {"shape": shape}))


@implements(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    arrays = [as_array(a) for a in args]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple(_broadcast_to(a, shape) for a in arrays)


# --- joining and splitting ------------------------------------------------------------------------------


def _along(ndim: int, axis: int, index: Any) -> tuple[Any, ...]:
    """The index that is `index` on one axis, counted from the end, and everything on the others."""
    return (Ellipsis, index) + (slice(None),) * (-axis - 1)


def _concatenate_transpose(ct: Any, i: int, *operands: Any, axis: int) -> Any:
    start = sum(x.shape[axis] for x in operands[:i])
    return ct[_along(ct.ndim, axis, slice(start, start + operands[i].shape[axis]))]


def _concatenated_type(*types: Type, axis: int) -> Any:
    first = types[0].shape
    place = axis + len(first)
    length = sum(type.shape[axis] for type in types)
    return (*first[:place], length, *first[place + 1 :]), np.result_type(*[type.dtype for type in types])


def _stacked_type(*types: Type, axis: int) -> Any:
    shape = types[0].shape
    place = axis + len(shape) + 1
    return (*shape[:place], len(types), *shape[place:]), _promoted(types)


def _promoted(types: Any) -> Any:
    """The dtype that NumPy gives operands of these types."""
    return np.result_type(*[type.dtype.type(0).item() if type.weak else type.dtype for type in types])


concatenate = variadic(
    "concatenate",
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    _concatenate_transpose,
    infer=_concatenated_type,
    text="concatenate",
    examples=lambda draw: [
        ((draw(2, 3), draw(1, 3)), {"axis": -2}),
        ((draw(2), draw(0), draw(3)), {"axis": -1}),
    ],
)
stack = variadic(
    "stack",
    lambda *xs, axis: np.stack(xs, axis=axis),
    lambda ct, i, *operands, axis: ct[_along(ct.ndim, axis, i)],
    infer=_stacked_type,
    text="stack",
    examples=lambda draw: [
        ((draw(), draw(), draw()), {"axis": -1}),
        ((draw(2, 3), draw(2, 3)), {"axis": -2}),
        ((draw(2), draw(2)), {"axis": -2}),
    ],
)


def _common_dtype(arrays: list[Any], dtype: Any) -> list[Any]:
    return arrays if dtype is None else [_astype(a, dtype) for a in arrays]


@implements(np.concatenate)
def _concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    parts = _common_dtype([as_array(a) for a in arrays], dtype)
    if axis is None:
        parts, axis = [_reshape(a, -1) for a in parts], 0
    if parts[0].ndim == 0:
        raise ValueError(at_user_line("zero-dimensional arrays cannot be concatenated"))
    (place,) = axes_from_end(axis, parts[0].ndim)
    return bind(concatenate, parts, {"axis": place}) if len(parts) > 1 else parts[0]


@implements(np.stack)
def _stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    parts = _common_dtype([operand(a) for a in arrays], dtype)
    shapes = {np.shape(a) for a in parts}
    if len(shapes) != 1:
        raise ValueError(
            at_user_line(f"all arrays must have the same shape to be stacked; they have {sorted(shapes)}")
        )
    ndim = len(shapes.pop()) + 1
    return bind(stack, parts, {"axis": axes_from_end(axis, ndim)[0]})


def _joined(parts: Any, axis: int, dtype: Any) -> Any:
    return _concatenate(parts, axis=axis, dtype=dtype)


@implements(np.vstack)
def _vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return _joined([FUNCTIONS[np.atleast_2d](a) for a in tup], 0, dtype)


@implements(np.hstack)
def _hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [FUNCTIONS[np.atleast_1d](a) for a in tup]
    return _joined(parts, 0 if parts[0].ndim == 1 else 1, dtype)


@implements(np.dstack)
def _dstack(tup: Any) -> Any:
    return _joined([FUNCTIONS[np.atleast_3d](a) for a in tup], 2, None)


@implements(np.column_stack)
def _column_stack(tup: Any) -> Any:
    parts = [as_array(a) for a in tup]
    return _joined([a if a.ndim > 1 else _reshape(a, (-1, 1)) for a in parts], 1, None)


@implements(np.block)
def _block(arrays: Any) -> Any:
    depth = _depth(arrays)
    return _blocks(arrays, depth, max(depth, _most_dims(arrays)))


def _depth(nested: Any) -> int:
    return 1 + max(map(_depth, nested)) if isinstance(nested, list) else 0


def _most_dims(nested: Any) -> int:
    return max(map(_most_dims, nested)) if isinstance(nested, list) else as_array(nested).ndim


def _blocks(nested: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        leaf = as_array(nested)
        return _reshape(leaf, (1,) * (ndim - leaf.ndim) + tuple(leaf.shape))
    return _concatenate([_blocks(item, depth - 1, ndim) for item in nested], axis=-depth)


@implements(np.append)
def _append(arr: Any, values: Any, axis: Any = None) -> Any:
    return _concatenate([as_array(arr), as_array(values)], axis=axis)


def _split_points(n: int, sections: Any, exact: bool) -> list[int]:
    if not isinstance(sections, int | np.integer):
        return [0, *(int(i) for i in sections), n]
    if exact and n % sections:
        raise ValueError(at_user_line("array split does not result in an equal division"))
    each, extra = divmod(n, int(sections))
    return np.cumsum([0] + [each + 1] * extra + [each] * (int(sections) - extra)).tolist()


def _splitter(exact: bool, default: Any) -> Any:
    def split(ary: Any, indices_or_sections: Any, axis: Any = None) -> list[Any]:
        axis = default(ary) if axis is None else axis
        points = _split_points(ary.shape[axis], indices_or_sections, exact)
        (place,) = axes_from_end(axis, ary.ndim)
        return [ary[_along(ary.ndim, place, slice(a, b))] for a, b in itertools.pairwise(points)]

    return split


FUNCTIONS[np.split] = _splitter(True, lambda a: 0)
FUNCTIONS[np.array_split] = _splitter(False, lambda a: 0)
FUNCTIONS[np.hsplit] = _splitter(True, lambda a: 0 if a.ndim == 1 else 1)
FUNCTIONS[np.vsplit] = _splitter(True, lambda a: 0)
FUNCTIONS[np.dsplit] = _splitter(True, lambda a: 2)


@implements(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> Any:
    (place,) = axes_from_end(axis, x.ndim)
    return tuple(x[_along(x.ndim, place, i)] for i in range(x.shape[axis]))


# --- flip, roll, pad, repeat, tile ----------------------------------------------------------------------

flip: Primitive = linear(
    "flip",
    lambda x, axes: np.flip(x, axes),
    lambda ct, x, *, axes: bind(flip, (ct,), {"axes": axes}),
    infer=lambda x, axes: (x.shape, x.dtype),
    examples=lambda draw: [((draw(2, 3),), {"axes": (-1,)}), ((draw(2, 3),), {"axes": (-2, -1)})],
)
roll: Primitive = linear(
    "roll",
    lambda x, shift, axes: np.roll(x, shift, axes),
    lambda ct, x, *, shift, axes: bind(roll, (ct,), {"shift": tuple(-s for s in shift), "axes": axes}),
    infer=lambda x, shift, axes: (x.shape, x.dtype),
    examples=lambda draw: [
        ((draw(5),), {"shift": (2,), "axes": (-1,)}),
        ((draw(2, 3),), {"shift": (1, -1), "axes": (-2, -1)}),
    ],
)


@implements(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    m = as_array(m)
    return bind(flip, (m,), {"axes": axes_from_end(axis, m.ndim)})


@implements(np.flipud)
def _flipud(m: Any) -> Any:
    return _flip(m, 0)


@implements(np.fliplr)
def _fliplr(m: Any) -> Any:
    return _flip(m, 1)


@implements(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        return _reshape(_roll(_reshape(a, -1), shift, 0), a.shape)
    axes = [a2 - a.ndim for a2 in np.lib.array_utils.normalize_axis_tuple(axis, a.ndim)]
    shifts = [int(s) for s in np.broadcast_to(shift, len(axes))]
    return bind(roll, (a,), {"shift": tuple(shifts), "axes": tuple(axes)})


def _evaluate_pad(x: Any, widths: Any, value: Any) -> Any:
    lead = ((0, 0),) * (x.ndim - len(widths))
    return np.pad(x, lead + widths, constant_values=value)


def _unpadded(widths: Any, shape: Shape) -> tuple[Any, ...]:
    return (
        Ellipsis,
        *(slice(low, low + n) for (low, _), n in zip(widths, shape[-len(widths) :], strict=True)),
    )


pad = linear(
    "pad",
    lambda x, widths: _evaluate_pad(x, widths, 0),
    lambda ct, x, *, widths: ct[_unpadded(widths, x.shape)],
    infer=lambda x, widths: (
        x.shape[: x.ndim - len(widths)]
        + tuple(n + sum(w) for n, w in zip(x.shape[x.ndim - len(widths) :], widths, strict=True)),
        x.dtype,
    ),
    examples=lambda draw: [
        ((draw(3),), {"widths": ((1, 2),)}),
        ((draw(2, 2),), {"widths": ((0, 1), (2, 0))}),
    ],
)


@implements(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    array = as_array(array)
    if mode in ("edge", "reflect", "symmetric", "wrap") and kwargs.get("reflect_type", "even") == "even":
        return _by_position(array, lambda positions: np.pad(positions, pad_width, mode=mode, **kwargs))
    value = kwargs.get("constant_values", 0)
    if mode != "constant" or np.ndim(value) or isinstance(pad_width, dict):
        return run_python(np.pad)(array, pad_width, mode, **kwargs)
    widths = tuple((int(a), int(b)) for a, b in np.broadcast_to(pad_width, (array.ndim, 2)))
    padded = bind(pad, (array,), {"widths": widths})
    if type(value) in (int, float) and value == 0:
        return padded
    return np.where(np.pad(np.ones(array.shape, bool), widths), padded, value)


def _by_position(array: Any, rearrange: Callable[[Any], Any]) -> Any:
    """A function that only copies elements: rearrange the array of positions, then take."""
    return _reshape(array, -1)[rearrange(np.arange(array.size).reshape(array.shape))]


@implements(np.lib.stride_tricks.sliding_window_view)
def _sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    if writeable:
        raise UnsupportedError(at_user_line("windows to write into are not recorded. Write into x itself."))
    windows = np.lib.stride_tricks.sliding_window_view
    return _by_position(as_array(x), lambda positions: windows(positions, window_shape, axis))


@implements(np.repeat)
def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        a, axis = _reshape(a, -1), 0
    (place,) = axes_from_end(axis, a.ndim)
    index = np.repeat(np.arange(a.shape[place]), repeats)
    return a[_along(a.ndim, place, index)]


@implements(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    A = as_array(A)
    counts = tuple(int(n) for n in reps) if isinstance(reps, tuple | list | np.ndarray) else (int(reps),)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + tuple(A.shape)
    between = _reshape(A, tuple(n for pair in zip((1,) * ndim, shape, strict=True) for n in pair))
    wide = _broadcast_to(between, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return _reshape(wide, tuple(c * n for c, n in zip(counts, shape, strict=True)))


@implements(np.rot90)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    for _ in range(k % 4):
        m = _flip(_swapaxes(m, *axes), axes[0])
    return m


# --- dtype ----------------------------------------------------------------------------------------------


def _cast(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)[()]


def _python_number(x: Any) -> Any:
    return x if type(x) in (int, float, bool, complex) else x.item()


def _casts(*names: str) -> Callable[..., Any]:
    """Cases of a change of dtype."""
    return lambda draw: [((draw(*shape),), {"dtype": np.dtype(n)}) for shape in ((), (2, 3)) for n in names]


convert: Primitive = linear(
    "convert",
    _cast,
    lambda ct, x, *, dtype: ct,
    infer=lambda x, dtype: (x.shape, dtype),
    text="{dtype}({0})",
    examples=_casts("float64", "complex128"),
)
discretise = constant(
    "discretise",
    _cast,
    infer=lambda x, dtype: (x.shape, dtype),
    text="{dtype}({0})",
    examples=_casts("int64", "bool"),
)
item = linear(
    "item",
    lambda x: np.asarray(x)[()],
    lambda ct, x: ct,
    batch=lambda values, flags, types, size: values[0],
    infer=lambda x: (x.shape, x.dtype),
    python=_python_number,
    text="{0}",
    examples=lambda draw: [((draw(),), {})],
)


@implements(np.astype)
def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    x, dtype = as_array(x), np.dtype(dtype)
    if type_of(x).dtype.kind == "c" and dtype.kind != "c":
        return _astype(np.real(x), dtype)
    return bind(convert if dtype.kind in "fc" else discretise, (x,), {"dtype": dtype})


def _item(x: Any) -> Any:
    if x.size != 1:
        raise ValueError(at_user_line("can only convert an array of size 1 to a Python scalar"))
    return bind(item, (_reshape(x, ()) if x.shape else x,), {}, weak=True)


FUNCTIONS["item"] = _item


@implements(np.copy)
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return operand(a).copy()


@implements(np.shape)
def _shape(a: Any) -> Any:
    return as_array(a).shape


@implements(np.ndim)
def _ndim(a: Any) -> int:
    return as_array(a).ndim  # type: ignore[no-any-return]


@implements(np.size)
def _size(a: Any, axis: Any = None) -> int:
    a = as_array(a)
    return a.size if axis is None else math.prod(a.shape[i] for i in axes_from_end(axis, a.ndim))  # type: ignore[no-any-return]


@implements(np.iscomplexobj)
def _iscomplexobj(x: Any) -> bool:
    return as_array(x).dtype.kind == "c"  # type: ignore[no-any-return]


@implements(np.isrealobj)
def _isrealobj(x: Any) -> bool:
    return not _iscomplexobj(x)


@implements(np.result_type)
def _result_type(*args: Any) -> Any:
    return np.result_type(*[_dtype_or_weak(a) for a in args])


def _dtype_or_weak(x: Any) -> Any:
    if isinstance(x, Tracer):
        return x.type.dtype.type(0).item() if x.type.weak else x.type.dtype
    return x
