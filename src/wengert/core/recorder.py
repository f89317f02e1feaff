"""The recorder: every operation on a tracer becomes an equation, and is evaluated at once.

A tracer's value may itself be a tracer of an outer recording. An operation is recorded by the innermost
recording among its operands and evaluated on the values below, where the outer ones record it in their turn;
so derivatives nest to any depth. An *abstract* recording has types in place of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np

from wengert.core.finite import checking, require_finite
from wengert.core.primitive import Primitive
from wengert.core.trace import _TYPES, Atom, Equation, Literal, Trace, Type, Var, type_for
from wengert.errors import LeakError, UnsupportedError, at_user_line, location

# Constants up to this size are copied when they enter a trace; larger ones are locked against writing until
# the recording ends, because a derivative would be computed from the changed values without a word.
COPY_BYTES = 1 << 14

current: ContextVar[Recorder | None] = ContextVar("wengert_recorder", default=None)


class Tracer:
    """Stands for a number or an array while a function is recorded. See `core.tracer` for what it can do."""

    __slots__ = ("recorder", "value", "variable")

    recorder: Recorder
    variable: Var
    value: Any

    @property
    def type(self) -> Type:
        """Shape, dtype and weakness."""
        return self.variable.type


Wrap = Callable[["Recorder", Var, Any], Tracer]
_wrap: Wrap

# The tracer classes: asking for the exact type is faster than isinstance.
TRACERS: set[type] = set()


def set_tracer_factory(factory: Wrap, classes: Iterable[type]) -> None:
    """Called once by `core.tracer`, which knows the tracer classes."""
    global _wrap
    _wrap = factory
    TRACERS.update(classes)


_PYTHON_TYPES: dict[type, Type] = {
    bool: type_for((), np.dtype(bool), True),
    int: type_for((), np.dtype(np.int64), True),
    float: type_for((), np.dtype(np.float64), True),
    complex: type_for((), np.dtype(np.complex128), True),
}


def type_of(value: Any) -> Type:
    """The type of a NumPy value, a Python scalar or a tracer."""
    found = _PYTHON_TYPES.get(type(value))
    if found is not None:
        return found
    if type(value) in TRACERS:
        return value.variable.type  # type: ignore[no-any-return]
    return _TYPES.get((value.shape, value.dtype, False)) or type_for(value.shape, value.dtype)


def require_array(value: Any) -> None:
    """Refuse arrays whose arithmetic is not that of arrays: a trace would forget what they are."""
    if isinstance(value, np.matrix):
        what, instead = "an np.matrix", "np.asarray(x)"
    elif isinstance(value, np.ndarray) and np.any(getattr(value, "mask", False)):  # np.ma is slow to import
        what, instead = "an array with masked elements", "x.filled(np.nan), or x.data and x.mask"
    else:
        return
    raise UnsupportedError(at_user_line(f"{what} cannot be recorded. Give {instead}."))


class Recorder:
    """Collects the equations of one function call. ``env`` holds the value (or type) of every variable."""

    __slots__ = (
        "abstract", "checked", "env", "equations", "frozen", "guards", "level", "locked", "opaque", "open",
        "symbolic",
    )  # fmt: skip

    def __init__(self, abstract: bool = False, guards: list[tuple[Var, Any, str]] | None = None) -> None:
        outer = current.get()
        self.level: int = 0 if outer is None else outer.level + 1
        self.abstract = abstract
        # Whether the trace is run again with other values: what is not traced then stays as it is now.
        self.frozen: bool = abstract or guards is not None or (outer is not None and outer.frozen)
        # Whether values here, or those they stand on, are types.
        self.symbolic: bool = abstract or (outer is not None and outer.symbolic)
        self.checked = checking.get()
        self.open = True
        self.equations: list[Equation] = []
        self.env: dict[Var, Any] = {}
        self.locked: list[np.ndarray[Any, Any]] = []
        # What Python has asked about values, for native code to check: (variable, answer, line). None where
        # nobody wants to know.
        self.guards = guards
        self.opaque = ""

    def rise_above(self, values: Iterable[Any]) -> None:
        """Be innermost among the recordings that these values belong to, whichever is running."""
        outer = innermost(values)
        if outer is not None and outer.level >= self.level:
            self.level = outer.level + 1

    def input(self, value: Any) -> Tracer:
        """A new tracer that stands for an argument."""
        if type(value) is not np.ndarray and isinstance(value, np.ndarray):
            require_array(value)
        var = Var(value if isinstance(value, Type) else type_of(value))
        self.env[var] = value
        return _wrap(self, var, value)

    def literal(self, value: Any) -> Literal:
        """A constant operand, protected from later changes (see `COPY_BYTES`)."""
        if type(value) is np.ndarray and value.flags.writeable:
            value = self._protect(value)
        return Literal(value, type_of(value))

    def _protect(self, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if value.nbytes <= COPY_BYTES:
            return value.copy(order="K")
        value.flags.writeable = False
        self.locked.append(value)
        return value

    def record(self, primitive: Primitive, args: Sequence[Any], params: Mapping[str, Any], weak: bool) -> Any:
        """Evaluate the operation on the values below and write the equation down."""
        if not self.open:
            raise LeakError(at_user_line(LEAK))
        inputs: list[Atom] = []
        values: list[Any] = []
        for arg in args:
            if type(arg) in TRACERS and arg.recorder is self:
                inputs.append(arg.variable)
                values.append(arg.value)
            else:
                literal = self.literal(arg)
                inputs.append(literal)
                values.append(literal.value)
        if self.abstract:
            result = infer(primitive, [atom.type for atom in inputs], params, weak)
            _require_in_range(values, result)
        else:
            result = bind(primitive, values, params, weak)
        if primitive.multiple:
            return self._assign(primitive, inputs, params, result)
        var = Var(result if self.abstract else type_of(result))
        self.equations.append(Equation(primitive, inputs, params, (var,)))
        self.env[var] = result
        if self.checked:
            self._check([result], values)
        return _wrap(self, var, result)

    def _check(self, results: Sequence[Any], values: Sequence[Any]) -> None:
        """Note the user's line, and see that the results are finite."""
        equation = self.equations[-1]
        equation.source = location()
        require_finite(results, values, equation.primitive.name, equation.source, "value")

    def _assign(
        self, primitive: Primitive, inputs: Sequence[Atom], params: Mapping[str, Any], results: Iterable[Any]
    ) -> tuple[Tracer, ...]:
        results = tuple(results)
        outputs = tuple(Var(r if self.abstract else type_of(r)) for r in results)
        self.equations.append(Equation(primitive, inputs, params, outputs))
        self.env.update(zip(outputs, results, strict=True))
        if self.checked:
            self._check(results, [self.env.get(a, 0) for a in inputs if type(a) is Var])
        return tuple(_wrap(self, var, r) for var, r in zip(outputs, results, strict=True))

    def atom(self, value: Any) -> Atom:
        """The variable of one of this recording's tracers, or a literal for anything else."""
        if isinstance(value, Tracer) and value.recorder is self:
            return value.variable
        return self.literal(value)

    def trace(self, inputs: Sequence[Var], outputs: Sequence[Any]) -> Trace:
        """What has been recorded, as a trace."""
        return Trace(inputs, self.equations, [self.atom(output) for output in outputs])

    def asked(self, tracer: Tracer) -> None:
        """Python needs the value of a tracer: the trace holds only where the value is the same."""
        if self.guards is None:
            return
        if tracer.variable.type.shape:
            self.opaque = self.opaque or location()
        elif all(var is not tracer.variable for var, _, _ in self.guards):
            self.guards.append((tracer.variable, tracer.value, location()))

    def unwind(self) -> Iterator[Equation]:
        """The equations from last to first, for one backward pass: each is forgotten after use."""
        while self.equations:
            equation = self.equations.pop()
            yield equation
            for var in equation.outputs:
                self.env.pop(var, None)

    def keep(self) -> None:
        """End the recording but keep its values for later passes: constants that could change are copied."""
        copies = {id(array): array.copy() for array in self.locked}
        for equation in self.equations:
            for atom in equation.inputs:
                if type(atom) is Literal and id(atom.value) in copies:
                    atom.value = copies[id(atom.value)]
        self.close()

    def close(self) -> None:
        """End the recording: tracers may not be used any more, constants are unlocked."""
        self.open = False
        for array in self.locked:
            array.flags.writeable = True
        self.locked.clear()


def in_range(number: int, dtype: np.dtype[Any]) -> bool:
    """Whether a dtype of whole numbers holds one."""
    limits = np.iinfo(dtype)
    return bool(limits.min <= number <= limits.max)


def _require_in_range(values: Sequence[Any], result: Any) -> None:
    """Refuse Python integers that the result's dtype cannot hold, as NumPy does where there are values."""
    if not isinstance(result, Type) or result.dtype.kind not in "iu":
        return
    for value in values:
        if type(value) is int and not in_range(value, result.dtype):
            what = f"Python integer {value} out of bounds for {result.dtype}"
            raise OverflowError(at_user_line(f"{what}. Convert the array first: x.astype(int)."))


LEAK = (
    "a tracer was used after the function it was recorded in had returned. Return the value from the "
    "function instead of keeping it in a global, an attribute or a closure (use has_aux=True to "
    "return extra values)."
)


def innermost(args: Iterable[Any]) -> Recorder | None:
    """The recorder of the innermost tracer among the arguments."""
    found: Recorder | None = None
    for arg in args:
        if type(arg) in TRACERS:
            recorder = arg.recorder
            if found is None or recorder.level > found.level:
                found = recorder
    return found


def bind(primitive: Primitive, args: Sequence[Any], params: Mapping[str, Any], weak: bool = False) -> Any:
    """Apply an operation: record it where an operand is a tracer, evaluate it where none is.

    ``weak`` says that the result is a Python scalar, as Python's own operators give for Python scalars.
    """
    recorder = innermost(args)
    if recorder is not None:
        return recorder.record(primitive, args, params, weak)
    if weak and primitive.python is not None:
        return primitive.python(*args, **params)
    return primitive.numpy(*args, **params)


def infer(primitive: Primitive, types: Sequence[Type], params: Mapping[str, Any], weak: bool = False) -> Any:
    """The type of the result (a tuple of types for several results), without its value."""
    if primitive.infer is not None:
        found = primitive.infer(*types, **params)
        if primitive.multiple:
            return tuple(type_for(*t) for t in found)
        shape, dtype = found
        return type_for(shape, dtype, weak)
    if primitive.kind == "elementwise" or (primitive.core is not None and not any(primitive.core)):
        return _infer_elementwise(primitive, types, params, weak)
    with np.errstate(all="ignore"):
        result = primitive.numpy(*[sample(type) for type in types], **params)
    if primitive.multiple:
        return tuple(type_of(r) for r in result)
    return type_for(type_of(result).shape, type_of(result).dtype, weak)


def _infer_elementwise(
    primitive: Primitive, types: Sequence[Type], params: Mapping[str, Any], weak: bool
) -> Type:
    numbers = [type_for((), type.dtype, type.weak) for type in types]
    find = _dtype_of_one if params else _known_dtype_of_one
    return type_for(_broadcast_shape(types), find(primitive, weak, *numbers, **params), weak)


def _dtype_of_one(primitive: Primitive, weak: bool, *types: Type, **params: Any) -> np.dtype[Any]:
    """The dtype of an element, found by evaluating the operation on ones."""
    with np.errstate(all="ignore"):
        evaluate = primitive.python if weak and primitive.python is not None else primitive.numpy
        return type_of(evaluate(*map(sample, types), **params)).dtype


_known_dtype_of_one = cache(_dtype_of_one)


def _broadcast_shape(types: Sequence[Type]) -> tuple[int, ...]:
    shapes = {type.shape for type in types if type.shape}
    return np.broadcast_shapes(*shapes) if len(shapes) > 1 else next(iter(shapes), ())


def sample(type: Type) -> Any:
    """A value of this type that takes no memory: ones."""
    if type.weak:
        return type.dtype.type(1).item()
    one = np.ones((), type.dtype)
    return np.broadcast_to(one, type.shape) if type.shape else one[()]
