"""Adoptive arrays: arrays made during a recording, into which a tracer may be written later.

``out = np.zeros(n); out[i] = x`` is how people write NumPy, and NumPy does not dispatch ``np.zeros``. So
while a recording runs, the creation functions of the ``numpy`` namespace give the recorded code an
`Adoptive`: a real array, an ordinary constant until a tracer is written into it. From then on it stands for a
variable of the trace, and its own numbers are NaN, so that code which bypasses NumPy's protocols fails
loudly.
"""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core import fallback
from wengert.core.primitive import FUNCTIONS, linear
from wengert.core.recorder import Tracer, current, type_of
from wengert.core.tracer import (
    ADOPTERS,
    CONVERTERS,
    ArrayTracer,
    apply,
    assemble,
    call_function,
    call_ufunc,
    concrete,
    has_tracer,
    is_abstract,
    operand,
)
from wengert.errors import LeakError, UnsupportedError, at_user_line, is_foreign

# An array of constants, as a variable that can be written to.
variable = linear(
    "variable",
    lambda x: x,
    lambda ct, x: ct,
    infer=lambda x: (x.shape, x.dtype),
    text="{0}",
    examples=lambda draw: [((draw(3),), {})],
)


class Adoptive(np.ndarray):
    """An array made during a recording. A view knows its parent, and how to take itself from its tracer."""

    _tracer: Any = None
    _parent: Adoptive | None = None
    _take: Callable[[Any], Any]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        given = [settled(x) for x in inputs]
        if method == "at" and inputs[0] is self and any(has_tracer(x) for x in given[1:]):
            given[0] = adopt(self)
        if any(has_tracer(x) for x in given) or has_tracer(kwargs.get("where")):
            if method == "__call__" and not kwargs:
                return apply(ufunc, tuple(map(operand, given)))
            return _call_into(ufunc, method, tuple(given), kwargs)
        out = kwargs.get("out", ())
        if any(isinstance(settled(x), Tracer) for x in out):
            return settled(out[0]).assign(getattr(ufunc, method)(*given))
        kwargs = {k: tuple(map(settled, v)) if k == "out" else settled(v) for k, v in kwargs.items()}
        result = getattr(ufunc, method)(*given, **kwargs)
        return out[0] if len(out) == 1 else _fresh(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        plain_args, plain_kwargs = _settle_all(args), _settle_all(kwargs)
        if _any_tracer(plain_args) or _any_tracer(list(plain_kwargs.values())):
            return call_function(func, plain_args if func not in _WRITERS else args, plain_kwargs)
        result = func(*plain_args, **plain_kwargs)
        if args and args[0] is self and type(result) is np.ndarray and np.may_share_memory(result, self):
            return _view(result, self, lambda t: func(t, *args[1:], **kwargs))
        return _fresh(result)

    def __getitem__(self, index: Any) -> Any:
        now = settled(self)
        if not isinstance(now, Tracer) and _is_dynamic(index):
            return FUNCTIONS[operator.getitem](operand(self), index)
        taken = now[index]
        if isinstance(now, Tracer) or type(taken) is not np.ndarray:
            return taken
        if taken.base is None:
            return _fresh(taken)
        return _view(taken, self, lambda tracer: tracer[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.ndim == 0 and (has_tracer(value) or self._tracer is not None):
            self._tracer = np.astype(operand(settled(value)), self.dtype)
            return
        target = adopt(self) if has_tracer(value) or _is_dynamic(index) else settled(self)
        target[index] = value

    def __copy__(self) -> Any:
        return _fresh(settled(self).copy())

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    def __format__(self, spec: str) -> str:
        return format(settled(self), spec)

    def __reduce__(self) -> Any:
        return settled(self).__reduce__()

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        return np.swapaxes(self, -1, -2)

    @property
    def flat(self) -> Any:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[...] = value

    @property
    def real(self) -> Any:
        return self._part("real")

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        return self._part("imag")

    @imag.setter
    def imag(self, value: Any) -> None:
        self.imag[...] = value

    def _part(self, name: str) -> Any:
        now = settled(self)
        part = getattr(now, name)
        if isinstance(now, Tracer) or not np.may_share_memory(part, now):
            return part
        return _view(part, self, lambda tracer: getattr(tracer, name))


class Flat:
    """All elements of an adoptive array in row-major order, to be read or written."""

    def __init__(self, array: Adoptive) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> Any:
        return settled(self.array).flat[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        target = adopt(self.array) if has_tracer(value) or _is_dynamic(index) else settled(self.array)
        target.flat[index] = value

    def __len__(self) -> int:
        return self.array.size

    def __iter__(self) -> Any:
        return iter(settled(self.array).flat)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(settled(self.array).reshape(-1), dtype=dtype)


def _is_dynamic(index: Any) -> bool:
    """Whether an index is another one each time that the trace is run."""
    parts = index if type(index) is tuple else (index,)
    return any(isinstance(i, Tracer) and (is_abstract(i) or (i.type.shape and _is_frozen())) for i in parts)


def _is_frozen() -> bool:
    recorder = current.get()
    return recorder is not None and recorder.frozen


def _call_into(ufunc: Any, method: str, given: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A recorded ufunc call whose ``out=`` may be an array of no dimensions, which a scalar tracer fills."""
    out = kwargs.get("out", (None,))[0]
    if type(out) is not Adoptive or out.ndim:
        return call_ufunc(ufunc, method, given, kwargs)
    out[()] = call_ufunc(ufunc, method, given, {k: v for k, v in kwargs.items() if k != "out"})
    return out


def settled(value: Any) -> Any:
    """What an adoptive array stands for now: a tracer, or a plain array of the same memory."""
    if type(value) is not Adoptive:
        return value
    if value._tracer is None and value._parent is not None and isinstance(settled(value._parent), Tracer):
        value._tracer = value._take(settled(value._parent))
    return value.view(np.ndarray) if value._tracer is None else value._tracer


def adopt(array: Adoptive) -> ArrayTracer:
    """Make an adoptive array stand for a variable of the running recording."""
    now = settled(array)
    if isinstance(now, ArrayTracer):
        return now
    if array._parent is not None:
        adopt(array._parent)
        return settled(array)  # type: ignore[no-any-return]
    recorder = current.get()
    if recorder is None:
        raise LeakError(
            at_user_line(
                "a tracer was written into an array after the recording it belongs to had ended. Make the "
                "array inside the function, and return it."
            )
        )
    if recorder.symbolic and not now.flags.c_contiguous:
        raise UnsupportedError(
            at_user_line('a tracer is written into an array of order="F". Make it row-major.')
        )
    array._tracer = recorder.record(variable, (now.copy(order="K"),), {}, False)
    if now.dtype.kind in "fc":
        now.fill(np.nan)
    return array._tracer  # type: ignore[return-value]


def _view(array: Any, parent: Adoptive, take: Callable[[Any], Any]) -> Adoptive:
    view = array.view(Adoptive)
    view._parent, view._take = parent, take
    return view  # type: ignore[no-any-return]


def _fresh(result: Any) -> Any:
    """New arrays computed from adoptive ones are adoptive."""
    return result.view(Adoptive) if type(result) is np.ndarray and result.dtype != object else result


def _convert(array: Adoptive) -> Any:
    """As an operand: a constant is copied, because the array may be written to later."""
    now = settled(array)
    return now if isinstance(now, Tracer) else now.copy()


CONVERTERS[Adoptive] = _convert
ADOPTERS[Adoptive] = adopt

_WRITERS = {np.copyto, np.put_along_axis, np.putmask, np.put, np.fill_diagonal, np.place}


def _settle_all(value: Any) -> Any:
    kind = type(value)
    if kind is Adoptive:
        return settled(value)
    if kind in (list, tuple):
        return kind(_settle_all(item) for item in value)
    return {k: _settle_all(v) for k, v in value.items()} if kind is dict else value


def _any_tracer(values: Any) -> bool:
    return any(has_tracer(value) for value in values)


# --- methods ------------------------------------------------------------------------------------------


def _method(name: str) -> Callable[..., Any]:
    def method(self: Adoptive, *args: Any, **kwargs: Any) -> Any:
        now = settled(self)
        if not isinstance(now, Tracer) and _any_tracer(args):
            return getattr(np, name)(now, *args, **kwargs)
        result = getattr(now, name)(*args, **kwargs)
        if type(result) is not np.ndarray:
            return result
        if result.base is not None and np.may_share_memory(result, self):
            return _view(result, self, lambda tracer: getattr(tracer, name)(*args, **kwargs))
        return _fresh(result)

    method.__name__ = name
    return method


_METHODS = (
    "all any argmax argmin argpartition argsort astype byteswap choose clip compress conj conjugate copy "
    "cumprod cumsum diagonal dot flatten item max mean min nonzero prod ptp ravel repeat reshape round "
    "searchsorted squeeze std sum swapaxes take tobytes tolist trace transpose var sort partition "
    "__bool__ __int__ __float__ __complex__ __index__ __contains__ __repr__ __str__ __array__"
)
for _name in _METHODS.split():
    if hasattr(np.ndarray, _name) and _name not in Adoptive.__dict__:
        setattr(Adoptive, _name, _method(_name))


def _fill(self: Adoptive, value: Any) -> None:
    self[...] = value


Adoptive.fill = _fill  # type: ignore[method-assign, assignment]

# --- creation functions -------------------------------------------------------------------------------


def _made(original: Callable[..., Any]) -> Callable[..., Any]:
    """zeros, ones, empty, eye, ...: a new array."""
    return lambda *args, **kwargs: _fresh(original(*map(_number, args), **kwargs))


def _number(value: Any) -> Any:
    return tuple(map(_number, value)) if type(value) is tuple else concrete(settled(value))


def _like(original: Callable[..., Any]) -> Callable[..., Any]:
    """zeros_like, ones_like, empty_like: a new array of a tracer's shape and dtype."""

    def like(prototype: Any, dtype: Any = None, *_: Any, shape: Any = None, **__: Any) -> Any:
        prototype = assemble(prototype) if isinstance(prototype, list | tuple) else settled(prototype)
        prototype = prototype if hasattr(prototype, "shape") else np.asarray(prototype)
        pattern = np.broadcast_to(np.zeros((), prototype.dtype), prototype.shape)
        made = original(pattern, dtype=dtype, shape=shape, subok=False)
        return _fresh(np.ascontiguousarray(made) if made.ndim else made)

    return like


def _full(original: Callable[..., Any]) -> Callable[..., Any]:
    def full(shape: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
        fill_value, shape = settled(fill_value), _number(shape)
        if not has_tracer(fill_value):
            return _fresh(original(shape, fill_value, dtype, **kwargs))
        value = operand(fill_value)
        return np.broadcast_to(value if dtype is None else np.astype(value, dtype), shape)

    return full


def _full_like(original: Callable[..., Any]) -> Callable[..., Any]:
    def full_like(a: Any, fill_value: Any, dtype: Any = None, *_: Any, shape: Any = None, **__: Any) -> Any:
        a = operand(a)
        target = np.shape(a) if shape is None else shape
        return _MADE["full"](target, fill_value, getattr(a, "dtype", None) if dtype is None else dtype)

    return full_like


def _array(copy: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """array, asarray and their kin: lists of tracers become one tracer, and tracers stay tracers."""

    def declare(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
            given = _settle_all(a) if type(a) in (Adoptive, list, tuple) else a
            if has_tracer(given):
                return _from_tracers(
                    given, dtype, copy and kwargs.get("copy", True) is not False, kwargs.get("ndmin", 0)
                )
            if type(a) is Adoptive and not copy and dtype in (None, a.dtype):
                return a
            result = original(given, dtype, *args, **kwargs)
            return (
                result if type(given) is np.ndarray and np.may_share_memory(result, given) else _fresh(result)
            )

        return make

    return declare


def _from_tracers(given: Any, dtype: Any, copy: bool, ndmin: int) -> Any:
    value: Any = given if isinstance(given, Tracer) else assemble(given)
    if dtype is not None and np.dtype(dtype) != object and value.dtype != np.dtype(dtype):
        value = np.astype(value, np.dtype(dtype))
    if value.ndim < ndmin:
        value = np.reshape(value, (1,) * (ndmin - value.ndim) + value.shape)
    return value.copy() if copy and isinstance(value, ArrayTracer) else value


def _copied(original: Callable[..., Any]) -> Callable[..., Any]:
    def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
        given = settled(a)
        return operand(given).copy() if has_tracer(given) else _fresh(np.array(given, order=order, copy=True))  # type: ignore[call-overload]

    return copy


def _linspace(original: Callable[..., Any]) -> Callable[..., Any]:
    def linspace(
        start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, **kwargs: Any
    ) -> Any:
        start, stop = settled(start), settled(stop)
        if not (has_tracer(start) or has_tracer(stop)):
            result = original(start, stop, int(num), endpoint, retstep, **kwargs)
            return result if retstep else _fresh(result)
        start, stop = operand(start) * 1.0, operand(stop) * 1.0
        steps = (int(num) - 1 if endpoint else int(num)) or 1
        step = (stop - start) / steps
        dtype = type_of(step).dtype
        places = np.reshape(np.arange(int(num), dtype=dtype), (-1,) + (1,) * np.ndim(step))
        points = start + places * step
        return (points, step) if retstep else points

    return linspace


def _arange(original: Callable[..., Any]) -> Callable[..., Any]:
    def arange(*args: Any, **kwargs: Any) -> Any:
        if not _any_tracer(args):
            return _fresh(original(*args, **kwargs))
        start, stop, step = (args + (None, None))[:3] if len(args) > 1 else (0, args[0], None)
        step = 1 if step is None else step
        count = len(original(concrete(start), concrete(stop), concrete(step)))
        return start + step * original(count)

    return arange


class ArrayConverter:
    """In place of NumPy's ``_array_converter``, with which its Python code reads arguments."""

    def __init__(self, *args: Any) -> None:
        self.arrays = tuple(_MADE["asarray"](arg) for arg in args)
        self.scalar_input = tuple(np.ndim(array) == 0 for array in self.arrays)

    def __getitem__(self, i: Any) -> Any:
        return self.arrays[i]

    def __len__(self) -> int:
        return len(self.arrays)

    def as_arrays(self, subok: bool = True, pyscalars: str = "convert") -> tuple[Any, ...]:
        return self.arrays

    def result_type(self, extra_dtype: Any = None, ensure_inexact: bool = False) -> Any:
        dtypes = [array.dtype for array in self.arrays] + ([extra_dtype] if extra_dtype is not None else [])
        return np.result_type(*dtypes, *([0.0] if ensure_inexact else []))

    def wrap(self, array: Any, to_scalar: Any = None) -> Any:
        return array


_MAKERS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    **dict.fromkeys(("zeros", "ones", "empty", "eye", "identity", "tri", "fromiter"), _made),
    **dict.fromkeys(("zeros_like", "ones_like", "empty_like"), _like),
    **dict.fromkeys(
        ("asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite"), _array(False)
    ),
    "array": _array(True),
    "copy": _copied,
    "full": _full,
    "full_like": _full_like,
    "linspace": _linspace,
    "arange": _arange,
}

_ORIGINALS: dict[str, Any] = {name: getattr(np, name) for name in _MAKERS if hasattr(np, name)}
_MADE = {name: _MAKERS[name](original) for name, original in _ORIGINALS.items()}
for _name in ("zeros_like", "ones_like", "empty_like", "full_like", "linspace"):
    FUNCTIONS[_ORIGINALS[_name]] = _MADE[_name]
fallback.CREATION.update(_MADE, _array_converter=ArrayConverter)
fallback.ORIGINALS.update(_ORIGINALS)


def _guarded(name: str) -> Callable[..., Any]:
    """What everybody sees while a recording runs: only recorded code gets the special function."""
    original, made = _ORIGINALS[name], _MADE[name]

    def create(*args: Any, **kwargs: Any) -> Any:
        if current.get() is None or _is_exempt(sys._getframe(1).f_globals.get("__name__", "")):
            return original(*args, **kwargs)
        return made(*args, **kwargs)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = original.__doc__
    create.__wrapped__ = original  # type: ignore[attr-defined]
    return create


_GUARDED = {id(original): (original, _guarded(name)) for name, original in _ORIGINALS.items()}


_ENGINE = (
    "wengert.core",
    "wengert.ops",
    "wengert.transforms",
    "wengert.api",
    "wengert.control",
    "wengert.numerical",
    "wengert.random",
)
_exempt: dict[str, bool] = {}


def _is_exempt(module: str) -> bool:
    """Whether a caller is NumPy, SciPy or the engine itself, which must get ordinary arrays."""
    found = _exempt.get(module)
    if found is None:
        found = _exempt[module] = is_foreign(module) or module.startswith(_ENGINE)
    return found


def intercept(function: Any, recorded: Callable[..., Any]) -> None:
    """Have another function that does not dispatch replaced while a recording runs."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return (function if current.get() is None else recorded)(*args, **kwargs)

    call.__name__ = function.__name__
    _GUARDED[id(function)] = (function, call)
    _scanned.clear()


def recorded_form(function: Any) -> Any:
    """The function itself, or what stands in its place while a recording runs."""
    original, guarded = _GUARDED.get(id(function), (None, None))
    return guarded if original is function else function


# --- replacing the names ------------------------------------------------------------------------------

_lock = threading.Lock()
_running = 0
_scanned: dict[int, int] = {}
_modules_seen = 0

# (namespace, name, original, guarded): what is exchanged while a recording runs.
_places: dict[tuple[int, str], tuple[dict[str, Any], str, Any, Any]] = {}


def engage() -> Callable[[], None]:
    """Give adoptive arrays to recorded code until the returned function is called."""
    global _running
    with _lock:
        _running += 1
        if _running == 1:
            _find_namespaces()
            for place, (names, name, original, guarded) in _places.items():
                if names.get(name) is not original:
                    original, guarded = _renew(place)
                if original:
                    names[name] = guarded
    return _disengage


def _renew(place: tuple[int, str]) -> tuple[Any, Any]:
    """Find out what the user has given a name to since it was scanned."""
    names, name, *_ = _places[place]
    pair = _GUARDED.get(id(names.get(name)), (None, None))
    _places[place] = (names, name, *pair)
    return pair


def _disengage() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running == 0:
            for names, name, original, guarded in _places.values():
                if guarded and names.get(name) is guarded:
                    names[name] = original


def _find_namespaces() -> None:
    """Namespaces that hold creation functions: numpy's own, and every module that imported the names."""
    global _modules_seen
    if len(sys.modules) != _modules_seen or not _scanned:
        fallback.load_libraries()
        _modules_seen = len(sys.modules)
        for name, module in list(sys.modules.items()):
            names = getattr(module, "__dict__", None)
            if type(names) is dict and (name in _ROOTS or not _is_library(name)):
                _scan(names)
    main = sys.modules["__main__"].__dict__
    if _scanned.get(id(main)) != len(main):
        _scan(main)


_ROOTS = ("numpy", "numpy.linalg", "numpy.random", "random", "scipy.special")
_LIBRARIES = frozenset(
    {
        "wengert", "jax", "jaxlib", "torch", "autograd", "sklearn", "pandas", "polars", "pyarrow",
        "matplotlib", "mpl_toolkits", "pytest", "_pytest", "hypothesis", "numba", "joblib",
        "xarray", "statsmodels", "tensorflow",
    }
)  # fmt: skip


def _is_library(name: str) -> bool:
    root = name.partition(".")[0]
    return is_foreign(name) or root in _LIBRARIES or (root in sys.stdlib_module_names and root != "__main__")


def _scan(names: dict[str, Any]) -> None:
    _scanned[id(names)] = len(names)
    for name, value in list(names.items()):
        pair = _GUARDED.get(id(value))
        if pair is not None and pair[0] is value:
            _places[id(names), name] = (names, name, *pair)
