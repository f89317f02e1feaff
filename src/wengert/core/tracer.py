"""Tracers: what a recorded function sees in place of its arrays, so that NumPy's protocols write equations.

NumPy hands every ufunc to ``__array_ufunc__`` and most other functions to ``__array_function__``; Python
hands over the operators. Writing (``x[i] = v``, ``x += v``, ``out=x``) makes the tracer stand for a new
variable; a view keeps its root and writes through, as in NumPy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.core import fallback
from wengert.core.primitive import FUNCTIONS, UFUNCS
from wengert.core.recorder import Recorder, Tracer, bind, require_array, set_tracer_factory
from wengert.core.trace import Var
from wengert.errors import ControlFlowError, DerivativeError, UnsupportedError, at_user_line, location

_PYTHON_SCALARS = frozenset({int, float, bool, complex})
_PLAIN = _PYTHON_SCALARS | {np.float64, np.float32, np.int64, np.int32, np.bool_, np.complex128, np.complex64}

# How other modules teach `operand` about further kinds of argument (adoptive arrays).
CONVERTERS: dict[type, Callable[[Any], Any]] = {}
# And how such an argument becomes an array tracer that can be written to.
ADOPTERS: dict[type, Callable[[Any], Any]] = {}


def concrete(value: Any) -> Any:
    """The NumPy value behind a tracer, where there is one."""
    while isinstance(value, Tracer):
        if value.recorder.abstract:
            raise ControlFlowError(at_user_line(_ABSTRACT.format(type=value.type)))
        value.recorder.asked(value)
        value = value.value
    return value


def peek(value: Any) -> Any:
    """The NumPy value behind a tracer, to be shown and not to be decided by."""
    while isinstance(value, Tracer):
        value = value.value
    return value


_ABSTRACT = (
    "the number behind a tracer ({type}) was asked for where it stands for many numbers (inside vmap, scan, "
    "while_loop or cond). Write np.where(condition, a, b), wg.cond or wg.while_loop instead of Python's if "
    "and while, and np.take(table, i) instead of table[i]."
)


def is_abstract(value: Any) -> bool:
    """Whether a tracer stands for many numbers, itself or through the value that it carries."""
    while isinstance(value, Tracer):
        if value.recorder.abstract:
            return True
        value = value.value
    return False


def operand(value: Any) -> Any:
    """An argument of an operation: a tracer, a Python scalar, or a NumPy array or scalar."""
    kind = type(value)
    if kind is np.ndarray:
        return value if value.dtype != object else assemble(value)
    if kind in _PLAIN or isinstance(value, Tracer):
        return value
    return _convert(value, kind)


def _convert(value: Any, kind: type) -> Any:
    converter = CONVERTERS.get(kind)
    if converter is not None:
        return converter(value)
    if isinstance(value, list | tuple):
        return assemble(value)
    require_array(value)
    array = value if isinstance(value, np.generic) else np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise UnsupportedError(
            at_user_line(f"a {kind.__name__} cannot be an operand. Give numbers or arrays.")
        )
    return array


def has_tracer(value: Any) -> bool:
    """Whether a tracer hides in a scalar, list, tuple or object array."""
    if isinstance(value, Tracer):
        return True
    if isinstance(value, list | tuple):
        return any(has_tracer(item) for item in value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return any(has_tracer(item) for item in value.flat)
    return type(value) in CONVERTERS and isinstance(CONVERTERS[type(value)](value), Tracer)


def assemble(nested: Any) -> Any:
    """An array from nested lists, tuples or object arrays of numbers, arrays and tracers."""
    if not has_tracer(nested):
        return np.array(nested.tolist() if isinstance(nested, np.ndarray) else nested)
    if isinstance(nested, np.ndarray):
        items = [operand(item) for item in nested.flat]
        return FUNCTIONS[np.reshape](FUNCTIONS[np.stack](items), nested.shape)
    if isinstance(nested, list | tuple):
        return FUNCTIONS[np.stack]([assemble(item) for item in nested])
    return operand(nested)


def apply(ufunc: Any, inputs: tuple[Any, ...], weak: bool = False) -> Any:
    """Record a ufunc call."""
    rule = FUNCTIONS.get(ufunc)
    if rule is not None:
        return rule(*inputs, weak=weak)
    primitive = UFUNCS.get(ufunc) or fallback.find_ufunc(ufunc)
    return bind(primitive, inputs, {}, weak)


def _is_weak(value: Any) -> bool:
    return type(value) in _PYTHON_SCALARS or (isinstance(value, Tracer) and value.variable.type.weak)


_NO_OPERANDS = frozenset({type(None), str, bytes, dict, set})


def _binary(ufunc: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Tracer, other: Any) -> Any:
        if type(other) in _NO_OPERANDS:
            return NotImplemented
        other = operand(other)
        return apply(ufunc, (self, other), self.variable.type.weak and _is_weak(other))

    def backward(self: Tracer, other: Any) -> Any:
        if type(other) in _NO_OPERANDS:
            return NotImplemented
        other = operand(other)
        return apply(ufunc, (other, self), self.variable.type.weak and _is_weak(other))

    return forward, backward


def _unary(ufunc: Any) -> Callable[..., Any]:
    return lambda self: apply(ufunc, (self,), self.variable.type.weak)


def _lost(what: str, instead: str) -> Callable[..., Any]:
    def refuse(self: Tracer, *_: Any) -> Any:
        raise DerivativeError(
            at_user_line(f"{what} would lose the derivative of x ({self.type}). Write {instead}.")
        )

    return refuse


class _Operators(Tracer):
    """Python's operators and conversions, common to scalars and arrays."""

    __slots__ = ()
    __array_priority__ = 1000.0

    __add__, __radd__ = _binary(np.add)
    __sub__, __rsub__ = _binary(np.subtract)
    __mul__, __rmul__ = _binary(np.multiply)
    __truediv__, __rtruediv__ = _binary(np.divide)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide)
    __mod__, __rmod__ = _binary(np.remainder)
    __pow__, __rpow__ = _binary(np.power)
    __matmul__, __rmatmul__ = _binary(np.matmul)
    __and__, __rand__ = _binary(np.bitwise_and)
    __or__, __ror__ = _binary(np.bitwise_or)
    __xor__, __rxor__ = _binary(np.bitwise_xor)
    __lshift__, __rlshift__ = _binary(np.left_shift)
    __rshift__, __rrshift__ = _binary(np.right_shift)
    __lt__, __gt__ = _binary(np.less)[0], _binary(np.greater)[0]
    __le__, __ge__ = _binary(np.less_equal)[0], _binary(np.greater_equal)[0]
    __eq__, __ne__ = _binary(np.equal)[0], _binary(np.not_equal)[0]  # type: ignore[assignment]
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)
    __hash__ = object.__hash__

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __bool__(self) -> bool:
        asked = self if self.dtype.kind == "b" else apply(np.not_equal, (self, 0))
        return bool(concrete(asked))

    def __int__(self) -> int:
        return int(concrete(apply(np.trunc, (self,)) if self.type.inexact else self))

    def __index__(self) -> int:
        return operator.index(concrete(self))

    def __float__(self) -> float:
        return self._number(float)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._number(complex)  # type: ignore[no-any-return]

    def _number(self, kind: type) -> Any:
        if self.type.inexact:
            raise DerivativeError(at_user_line(fallback.lost_derivative(self.type, kind.__name__)))
        return kind(concrete(self))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if not kwargs and method == "__call__":
            return apply(ufunc, tuple(map(operand, inputs)))
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(func, args, kwargs)

    def __format__(self, spec: str) -> str:
        if is_abstract(self):
            return repr(self)
        self.recorder.asked(self)  # whoever formats a value may go by how it looks
        return format(peek(self), spec)

    def __repr__(self) -> str:
        if is_abstract(self):
            self.recorder.opaque = self.recorder.opaque or location()
            return f"Tracer({self.type!r})"
        return f"Tracer({peek(self)!r})"

    def __copy__(self) -> Any:
        return _make(self.recorder, self.variable, self.value)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    __reduce__ = _lost("pickling x", "the value back with has_aux=True")  # type: ignore[assignment]
    __reduce_ex__ = __reduce__  # type: ignore[assignment]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.variable.type.shape

    @property
    def ndim(self) -> int:
        return self.variable.type.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.variable.type.dtype

    @property
    def size(self) -> int:
        return self.variable.type.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.variable.type.nbytes

    @property
    def flags(self) -> Any:
        return np.empty(0).flags

    @property
    def real(self) -> Any:
        return FUNCTIONS[np.real](self)

    @property
    def imag(self) -> Any:
        return FUNCTIONS[np.imag](self)

    @property
    def T(self) -> Any:
        return np.transpose(self)  # type: ignore[call-overload]

    @property
    def flat(self) -> Any:
        return FUNCTIONS[np.reshape](self, -1)

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> Any:
        return FUNCTIONS[np.reshape](self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return FUNCTIONS[np.transpose](self, axes or None)

    def astype(self, dtype: Any, *_: Any, copy: bool = True, **__: Any) -> Any:
        return self if not copy and np.dtype(dtype) == self.dtype else FUNCTIONS[np.astype](self, dtype)

    def flatten(self, order: str = "C") -> Any:
        return FUNCTIONS[np.ravel](self, order).__copy__()

    def copy(self, order: str = "C") -> Any:
        return self.__copy__()

    def conj(self) -> Any:
        return np.conjugate(self)  # type: ignore[call-overload]

    conjugate = conj

    def item(self, *index: Any) -> Any:
        if index:
            flat = FUNCTIONS[np.reshape](self, -1)
            return FUNCTIONS["item"](flat[index[0]] if len(index) == 1 else operator.getitem(self, index))
        return FUNCTIONS["item"](self)

    def tolist(self) -> Any:
        return self.item() if not self.shape else [row.tolist() for row in self]  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        if name in SCALAR_FUNCTIONS:
            return lambda: getattr(np, name)(self)
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise UnsupportedError(at_user_line(f"x.{name} is not recorded (x is {self.type}). {_INSTEAD}"))
        raise AttributeError(name)


_INSTEAD = "Write it with NumPy functions of x, or take it from a constant array."

# NumPy calls these methods on the elements of object arrays.
SCALAR_FUNCTIONS = frozenset(
    {
        "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh",
        "arccosh", "arctanh", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt",
        "cbrt", "square", "fabs", "rint", "floor", "ceil", "trunc", "reciprocal", "degrees",
        "radians", "isnan", "isfinite", "isinf", "sign",
    }
)  # fmt: skip


class ScalarTracer(_Operators):
    """A tracer of a number or of an array without axes: indexed by ``()``, ``...`` and ``None`` alone."""

    __slots__ = ()
    __iter__ = None  # or Python would try x[0], x[1], ...

    @property
    def __class__(self) -> Any:
        return self.dtype.type if not self.type.weak else type(self.dtype.type(0).item())

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise TypeError("The class of a tracer cannot be changed.")

    @property
    def __array_interface__(self) -> Any:
        # What NumPy asks an index for after ``__index__``, whose error it hides behind one of its own.
        if not self.type.inexact and is_abstract(self):
            concrete(self)
        raise AttributeError("__array_interface__")

    def __hash__(self) -> int:
        # Numbers that have a derivative are told apart, or a cache would take one for another of equal value.
        return object.__hash__(self) if self.type.inexact else hash(concrete(self))

    def __floor__(self) -> int:
        return int(concrete(apply(np.floor, (self,))))

    def __ceil__(self) -> int:
        return int(concrete(apply(np.ceil, (self,))))

    def __trunc__(self) -> int:
        return int(self)

    def __round__(self, ndigits: int | None = None) -> Any:
        rounded = concrete(FUNCTIONS[np.round](self, ndigits or 0))
        return rounded if ndigits is not None else int(rounded)

    def is_integer(self) -> bool:
        return bool(self == apply(np.trunc, (self,)))

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS[operator.getitem](self, index)


class ArrayTracer(_Operators):
    """A tracer of an array; a write makes it stand for a new variable."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.variable.type.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        old = self.shape
        self.reform(lambda x: FUNCTIONS[np.reshape](x, shape), lambda x: FUNCTIONS[np.reshape](x, old))

    def reform(self, forth: Callable[[Any], Any], back: Callable[[Any], Any]) -> None:
        """Take another shape in place."""
        ArrayTracer.rebind(self, forth(self.__copy__()))

    __slots__ = ("version",)
    __hash__ = None  # type: ignore[assignment]

    version: int

    @property
    def __class__(self) -> Any:
        return np.ndarray

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise TypeError("The class of a tracer cannot be changed.")

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS[operator.getitem](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.rebind(FUNCTIONS[operator.setitem](self, index, value))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if not self.type.inexact:
            return np.array(concrete(self), dtype=dtype)
        elements = np.empty(self.shape, dtype=object)
        for index in np.ndindex(self.shape):
            elements[index] = self[index]
        return elements if dtype is None else elements.astype(dtype)

    def rebind(self, new: Tracer) -> None:
        """Stand for another variable of the same type from now on."""
        self.recorder, self.variable, self.value = new.recorder, new.variable, new.value
        self.version += 1

    def assign(self, value: Any) -> Any:
        """``self[...] = value`` with the casting rule of in-place operators; gives self."""
        if not np.can_cast(value.dtype, self.dtype, "same_kind"):
            raise TypeError(
                at_user_line(
                    f"a {value.dtype} result cannot be written into x ({self.type}). Write x = x + ... ."
                )
            )
        if value.shape == self.shape and value.dtype == self.dtype and isinstance(value, Tracer):
            self.rebind(value)
        else:
            self[...] = value
        return self

    @property
    def mT(self) -> Any:
        return FUNCTIONS[np.swapaxes](self, -1, -2)

    def fill(self, value: Any) -> None:
        self[...] = value

    @property
    def flat(self) -> Any:
        """All elements in row-major order, to be read or written whatever the layout in memory."""
        return ViewTracer(
            _flattened(self), self, _flattened, lambda root, new: FUNCTIONS[np.reshape](new, root.shape)
        )

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[...] = value

    @property
    def real(self) -> Any:
        if self.dtype.kind != "c":
            return self
        return ViewTracer(_real(self), self, _real, lambda root, new: new + 1j * _imag(root))

    @real.setter
    def real(self, value: Any) -> None:
        self[...] = value + 1j * _imag(self) if self.dtype.kind == "c" else value

    @property
    def imag(self) -> Any:
        if self.dtype.kind != "c":
            return _imag(self)
        return ViewTracer(_imag(self), self, _imag, lambda root, new: _real(root) + 1j * new)

    @imag.setter
    def imag(self, value: Any) -> None:
        self[...] = _real(self) + 1j * value

    def sort(self, axis: int = -1, **kwargs: Any) -> None:
        self.rebind(FUNCTIONS[np.sort](self, axis=axis, **kwargs))

    def dot(self, other: Any) -> Any:
        return FUNCTIONS[np.dot](self, other)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        return FUNCTIONS[np.compress](condition, self, axis)


def _flattened(x: Any) -> Any:
    return FUNCTIONS[np.reshape](x, -1)


def _real(x: Any) -> Any:
    return FUNCTIONS[np.real](x)


def _imag(x: Any) -> Any:
    return FUNCTIONS[np.imag](x)


class ReadOnlyTracer(ArrayTracer):
    """A tracer of what NumPy gives as a read-only view."""

    __slots__ = ()

    def rebind(self, new: Tracer) -> None:
        raise ValueError(
            at_user_line("assignment destination is read-only. Write into a copy: x = np.copy(x).")
        )


def read_only(x: Any) -> Any:
    """The same tracer, which may not be written to."""
    if type(x) not in (ArrayTracer, ViewTracer):
        return x
    frozen = ReadOnlyTracer.__new__(ReadOnlyTracer)
    frozen.recorder, frozen.variable, frozen.value, frozen.version = x.recorder, x.variable, x.value, 0
    return frozen


class ViewTracer(ArrayTracer):
    """A view of another array tracer: ``take(root)`` reads it, ``put(root, new)`` replaces it in the root."""

    __slots__ = ("_put", "_seen", "_take", "root")

    root: ArrayTracer
    _take: Callable[[Any], Any]
    _put: Callable[[Any, Any], Any]
    _seen: int

    def __init__(self, taken: Tracer, root: ArrayTracer, take: Any, put: Any) -> None:
        _set(self, taken)
        if isinstance(root, ViewTracer):
            root, take, put = root.root, *root.compose(take, put)
        self.root, self._take, self._put = root, take, put
        self._seen = root.version

    def compose(self, take: Any, put: Any) -> tuple[Any, Any]:
        """A view of this view, as a view of the root."""
        first, back = self._take, self._put
        return lambda root: take(first(root)), lambda root, new: back(root, put(first(root), new))

    def _refresh(self) -> None:
        if self._seen != self.root.version:
            self._seen = self.root.version
            _set(self, self._take(self.root))

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.root.version

    @property
    def recorder(self) -> Recorder:  # type: ignore[override]
        self._refresh()
        return _RECORDER.__get__(self)  # type: ignore[no-any-return]

    @property
    def variable(self) -> Var:  # type: ignore[override]
        self._refresh()
        return _VAR.__get__(self)  # type: ignore[no-any-return]

    @property
    def value(self) -> Any:
        self._refresh()
        return _VALUE.__get__(self)

    def reform(self, forth: Callable[[Any], Any], back: Callable[[Any], Any]) -> None:
        take, put = self._take, self._put
        _set(self, forth(self.__copy__()))
        self._take = lambda root: forth(take(root))
        self._put = lambda root, new: put(root, back(new))

    def rebind(self, new: Tracer) -> None:
        self.root.rebind(self._put(self.root, new))
        _set(self, new)
        self._seen = self.root.version


_RECORDER: Any = Tracer.__dict__["recorder"]
_VAR: Any = Tracer.__dict__["variable"]
_VALUE: Any = Tracer.__dict__["value"]


def _set(view: ViewTracer, new: Tracer) -> None:
    _RECORDER.__set__(view, new.recorder)
    _VAR.__set__(view, new.variable)
    _VALUE.__set__(view, new.value)


def _make(recorder: Recorder, var: Var, value: Any) -> Tracer:
    if var.type.shape:
        array = ArrayTracer.__new__(ArrayTracer)
        array.version = 0
        tracer: Tracer = array
    else:
        tracer = ScalarTracer.__new__(ScalarTracer)
    tracer.recorder, tracer.variable, tracer.value = recorder, var, value
    return tracer


set_tracer_factory(_make, (ScalarTracer, ArrayTracer, ReadOnlyTracer, ViewTracer))


def as_view(taken: Any, root: Any, take: Callable[[Any], Any], put: Callable[[Any, Any], Any]) -> Any:
    """Make a result a view of its root, where both are array tracers and NumPy would give a view."""
    if type(taken) is ArrayTracer and isinstance(root, ArrayTracer) and _shares(taken, root, take):
        return ViewTracer(taken, root, take, put)
    return taken


def _shares(taken: Tracer, root: Tracer, take: Callable[[Any], Any]) -> bool:
    base = layout(root)
    view = take(base) if is_abstract(taken) else layout(taken)
    return bool(np.may_share_memory(view, base))


def layout(x: Any) -> Any:
    """An array that lies in memory as x does, whatever its numbers."""
    if not isinstance(x, Tracer):
        return x
    if not is_abstract(x):
        return layout(x.value)
    return x._take(layout(x.root)) if isinstance(x, ViewTracer) else np.empty(x.type.shape, x.type.dtype)


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc call with keywords, or one of its methods (``reduce``, ``outer``, ...)."""
    out = kwargs.pop("out", None)
    if method == "at":
        return fallback.ufunc_method(ufunc, method)(*inputs)
    if "where" in kwargs and method == "__call__":
        kwargs["out"] = out
    result = fallback.ufunc_method(ufunc, method)(*map(operand, inputs), **kwargs)
    return result if out is None else write_out(result, out)


def call_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function that got a tracer somewhere among its arguments."""
    rule = FUNCTIONS.get(func)
    if rule is None:
        return fallback.run_python(func)(*args, **kwargs)
    out = kwargs.pop("out", None) if "out" in kwargs else None
    result = rule(*args, **kwargs)
    return result if out is None else write_out(result, out)


def write_out(result: Any, out: Any) -> Any:
    """Honour ``out=``: possible for tracers and for arrays made during the recording."""
    target = out[0] if isinstance(out, tuple) else out
    target = ADOPTERS[type(target)](target) if type(target) in ADOPTERS else target
    if isinstance(target, ArrayTracer):
        return target.assign(result)
    raise DerivativeError(
        at_user_line(
            "out= or an operator such as += writes into an array that was made before the recording, where a "
            "derivative cannot be kept. Write a = a + x in place of a += x, or copy it first with np.copy(a)."
        )
    )


def _inplace(ufunc: Any) -> Callable[..., Any]:
    def update(self: ArrayTracer, other: Any) -> Any:
        return self.assign(apply(ufunc, (self, operand(other))))

    return update


_INPLACE = {
    "iadd": np.add, "isub": np.subtract, "imul": np.multiply, "itruediv": np.divide,
    "ifloordiv": np.floor_divide, "imod": np.remainder, "ipow": np.power, "imatmul": np.matmul,
    "iand": np.bitwise_and, "ior": np.bitwise_or, "ixor": np.bitwise_xor,
}  # fmt: skip
for _name, _ufunc in _INPLACE.items():
    setattr(ArrayTracer, f"__{_name}__", _inplace(_ufunc))

_METHODS = (
    "sum prod mean var std max min any all argmax argmin cumsum cumprod clip round repeat take ravel squeeze "
    "swapaxes diagonal trace argsort searchsorted nonzero choose ptp"
)


def _method(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: getattr(np, name)(self, *args, **kwargs)


for _name in _METHODS.split():
    setattr(_Operators, _name, _method(_name))
