r"""A network as a program for other machines: its evaluation trace, for any number of rows.

A network is called on two batches, of 2 and of 3 rows. What is the same in both traces is part of the
program, and an extent that is :math:`2k` in one and :math:`3k` in the other is :math:`k` times the number of
rows,

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}), \qquad v_i \in \mathbb R^{k_i N \times \cdots};

anything else that differs depends on the number of rows in a way no program could follow, and is refused.
Operations that a target does not have are replaced by what they are composed of, written in NumPy.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.evaluate import read
from wengert.core.recorder import Recorder, bind
from wengert.core.recording import Recording, record
from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var, reachable, type_for
from wengert.errors import ExchangeError
from wengert.exchange._compositions import COMMON
from wengert.exchange._names import plain
from wengert.exchange._patterns import Pattern, recognised
from wengert.ops.shape import broadcast_to, convert
from wengert.transforms.inline import inlined
from wengert.transforms.simplify import simplify

Array = np.ndarray
Function = Callable[[Any], Any]
Codes = Mapping[str | None, int]
Words = Mapping[str, Codes]
Compositions = Mapping[str, Callable[..., Any]]


class Rows(NamedTuple):
    """An extent of so many times the number of rows."""

    times: int


Extent = int | Rows
Dims = tuple[Extent, ...]


@dataclass(frozen=True)
class Source:
    """What is exported: a function of a network and a batch, an example, and what things are called."""

    network: Any
    function: Callable[[Any, Any], Any]
    example: Any
    inputs: tuple[str, ...]
    output: str = "y"
    words: Words = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[Any, Sequence[str]] = field(default_factory=dict)

    def batch(self, rows: int) -> Any:
        """The first rows of the example, over again where there are more."""
        return tree.map(lambda x: x[np.arange(rows) % len(x)], self.example)

    def meaning(self, given: str, name: str) -> str:
        """What an input or output stands for, as a comment has it behind its name in the program."""
        column = f"column {given}" if name != given else ""
        return "".join(f", {plain(part)}" for part in (column, self.about.get(given, "")) if part)

    def first_row(self) -> list[Any]:
        """The inputs of an example call: numbers, or arrays where a row holds several."""
        return [np.asarray(x)[0] for x in tree.flatten(self.batch(1))[0]]

    def name_of(self, value: Array, layer: str) -> str | None:
        """What the network calls an array; of several alike, the one in this layer."""
        found = self.arrays.get(content(value), ())
        mine = [name for name in found if name.startswith(layer + ".")]
        return next(iter([*mine, *found]), None)


class Target(NamedTuple):
    """What programs are written in.

    Its name, what the operations that it lacks are composed of, what it has a word for, and a last pass.
    """

    name: str
    compositions: Compositions
    patterns: Sequence[Pattern] = ()
    prepared: Callable[[Trace], Trace] = lambda trace: trace


class Program(NamedTuple):
    """A trace whose shapes may name the number of rows: in parameters, and in ``dims`` of every variable."""

    source: Source
    trace: Trace
    dims: Mapping[Atom, Dims]
    outputs: tuple[str, ...]


# --- what is exported -------------------------------------------------------------------------------------


def source_of(
    network: Function,
    inputs: Any,
    dtype: Any = None,
    preprocessing: Function | None = None,
    postprocessing: Function | None = None,
    words: Mapping[str, Codes] | None = None,
    names: tuple[str, str] = ("x", "y"),
    about: Mapping[str, str] | None = None,
) -> Source:
    """A network with what stands before and behind it, and an example of its inputs."""
    _require_callable(network)
    network = network if dtype is None else as_dtype(network, dtype)
    example = as_example(inputs, precision(network) if dtype is None else np.dtype(dtype))
    cast = None if dtype is None or preprocessing is None else lambda x: as_dtype(x, dtype)

    def function(network: Function, x: Any) -> Any:
        for stage in (preprocessing, cast, network, postprocessing):
            x = x if stage is None else stage(x)
        return x

    inputs = names_of(example, names[0])
    codes = _checked_words(words or {}, inputs, tree.flatten(example)[0])
    return Source(network, function, example, inputs, names[1], codes, about or {}, _arrays(network))


def _require_callable(network: Any) -> None:
    if not callable(network):
        give = "one of wengert.nn, or a function of the patterns"
        if hasattr(type(network), "network_"):
            give = "its network_, and what stands behind that as postprocessing, such as nn.softmax"
        raise ExchangeError(f"{type(network).__name__} cannot be called with patterns; give {give}")


def _checked_words(words: Mapping[str, Codes], inputs: Sequence[str], example: Sequence[Array]) -> Words:
    """For each input that is given as words, their codes; None stands for every word that is not listed."""
    for name in words:
        if name not in inputs:
            raise ExchangeError(f"words are given for {name!r}; the inputs are {', '.join(inputs)}")
        if example[inputs.index(name)].dtype.kind not in "iu":
            raise ExchangeError(f"words stand for whole numbers, and the example of {name!r} has others")
    return {name: {None: -1, **codes} for name, codes in words.items()}


def as_dtype(network: Any, dtype: Any) -> Any:
    """The network with all floating-point arrays in this precision."""
    return tree.map(lambda w: w.astype(dtype) if _is_floating(w) else w, network)


def precision(network: Any) -> np.dtype[Any]:
    """The precision of a network: that of its first floating-point array, or float64."""
    found = [leaf.dtype for leaf in tree.flatten(network)[0] if _is_floating(leaf)]
    return found[0] if found else np.dtype(np.float64)


def _is_floating(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and leaf.dtype.kind == "f"


def as_example(inputs: Any, dtype: np.dtype[Any]) -> Any:
    """A batch of inputs: drawn for a number of them, else as it is given."""
    if isinstance(inputs, int | np.integer):
        return np.random.default_rng(0).standard_normal((3, int(inputs))).astype(dtype)
    example = tree.map(np.asarray, inputs)
    leaves, _ = tree.flatten(example)
    if not leaves or any(x.ndim == 0 or len(x) == 0 for x in leaves):
        raise ExchangeError(
            "inputs is the number of inputs of the network, or an example of them: an array with a row for "
            "each pattern, or a tree of such arrays"
        )
    return example


def names_of(example: Any, name: str) -> tuple[str, ...]:
    """One name for an array, the names of the keys for a dictionary, numbered ones for a tuple."""
    if tree.is_leaf(example):
        return (name,)
    entries = tree.entries(example)
    return tuple(
        "_".join(str(e.entry) if isinstance(e.entry, str) else f"{name}{e.entry + 1}" for e in path)
        for path in entries
    )


def content(value: Array) -> Any:
    """Equal for arrays of equal content."""
    return value.shape, value.dtype.str, value.tobytes()


def _arrays(network: Any) -> dict[Any, list[str]]:
    names: dict[Any, list[str]] = {}
    leaves, _ = tree.flatten(network)
    for path, leaf in zip(tree.entries(network), leaves, strict=True):
        if isinstance(leaf, np.ndarray):
            name = ".".join(str(step.entry) for step in path)
            names.setdefault(content(leaf), []).append(name or "weights")
    return names


def _layers(network: Any) -> dict[int, str]:
    """Every part of a network that is a dataclass, by its identity, and where it stands."""
    return {id(part): path for path, part in _parts(network, "") if path}


def _parts(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, child in _children(node):
        yield from _parts(child, f"{path}.{name}" if path else str(name))
    if is_dataclass(node):
        yield path, node


def _children(node: Any) -> list[tuple[Any, Any]]:
    if is_dataclass(node):
        return [(f.name, getattr(node, f.name)) for f in fields(node)]
    if isinstance(node, Mapping):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list | tuple) else []


# --- traces -----------------------------------------------------------------------------------------------


def program(source: Source, target: Target) -> Program:
    """The program for any number of rows."""
    first, second = (one_size(source, rows, target) for rows in (2, 3))
    return _Merged(source, first, second).program()


def one_size(source: Source, rows: int, target: Target) -> tuple[Trace, Any]:
    """The trace for so many rows, in operations that the target has, and the structure of the outputs."""
    recording = _recorded(source, rows)
    trace = recognised(simplify(inlined(_with_constants(source, recording))), target.patterns)
    trace = expanded(trace, COMMON | dict(target.compositions))
    return simplify(target.prepared(simplify(trace))), recording.structure


def _recorded(source: Source, rows: int) -> Recording:
    """The call with tracers for the inputs and for the arrays of the network, as in training."""
    leaves, structure = tree.flatten((source.network, source.batch(rows)))
    chosen = [i for i, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray)]
    guards: list[tuple[Var, Any, str]] = []
    layers: dict[int, str] = {}
    kind = type("_Recorder", (_LayerRecorder,), {"__slots__": (), "layers": layers})

    def call(f: Any, tracers: Sequence[Any]) -> Any:
        given = dict(zip(chosen, tracers, strict=True))
        network, x = tree.unflatten(structure, [given.get(i, leaf) for i, leaf in enumerate(leaves)])
        layers.update(_layers(network))
        return f(network, x)

    with np.errstate(all="ignore"):
        recording = record(source.function, [leaves[i] for i in chosen], call, guards=guards, kind=kind)
    _require_one_way(source, recording, guards)
    recording.recorder.keep()
    return recording


def _require_one_way(source: Source, recording: Recording, guards: list[tuple[Var, Any, str]]) -> None:
    """Refuse what asks for values of the inputs; those of the network stay as they are."""
    given = recording.inputs[-len(tree.flatten(source.example)[0]) :]
    reached = reachable(recording.recorder.equations, given)
    where = [at for var, _, at in guards if var in reached]
    where += [recording.recorder.opaque] * bool(recording.recorder.opaque)
    if where:
        raise ExchangeError(
            f"{where[0]}what is computed depends on the values of the inputs, and a program for all inputs "
            "takes one way; choose between results with np.where"
        )


def _with_constants(source: Source, recording: Recording) -> Trace:
    """The trace of the inputs alone, where what is computed from the arrays of the network is computed."""
    trace = recording.trace()
    count = len(tree.flatten(source.example)[0])
    constants = [recording.recorder.env[var] for var in trace.inputs[:-count]]
    replay = lambda f, tracers: _replayed(trace, [*constants, *tracers], {}, tracers[0].recorder.equations)
    types = [var.type for var in trace.inputs[-count:]]
    with np.errstate(all="ignore"):
        again = record(lambda: None, types, replay, abstract=True)
    found = again.trace()
    again.recorder.keep()
    return found


class _LayerRecorder(Recorder):
    """Notes in every equation which layer it belongs to."""

    __slots__ = ()
    layers: Mapping[int, str] = {}

    def record(self, *args: Any) -> Any:
        result = super().record(*args)
        self.equations[-1].source = self._layer()
        return result

    def _layer(self) -> str:
        frame = sys._getframe(2)
        while frame is not None and frame.f_code is not _recorded.__code__:
            owner = frame.f_locals.get("self")
            if is_dataclass(owner) and not isinstance(owner, type):
                return self.layers.get(id(owner), type(owner).__name__)
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def expanded(trace: Trace, compositions: Compositions) -> Trace:
    """The trace with the operations in the table replaced by what they are composed of, to the last one."""
    composed = _composed(trace, compositions)
    if not composed:
        return trace
    types = [var.type for var in trace.inputs]
    replay = lambda f, tracers: _replayed(trace, tracers, compositions, tracers[0].recorder.equations)
    recording = record(lambda: None, types, replay, abstract=True)
    replayed = recording.trace()
    recording.recorder.keep()
    return replayed if _composed(replayed, compositions) == composed else expanded(replayed, compositions)


def _composed(trace: Trace, compositions: Compositions) -> Counter[str]:
    """The operations in the table, and how often each occurs."""
    return Counter(e.primitive.name for e in trace.equations if _composition(e, compositions) is not None)


def _replayed(
    trace: Trace, values: Sequence[Any], compositions: Compositions, recorded: Sequence[Equation]
) -> list[Any]:
    """The outputs, computed anew; what is recorded on the way belongs to the layers of before."""
    env: dict[Var, Any] = dict(zip(trace.inputs, values, strict=True))
    for equation in trace.equations:
        start = len(recorded)
        results = _applied(equation, [read(env, atom) for atom in equation.inputs], compositions)
        env.update(zip(equation.outputs, results, strict=True))
        for new in recorded[start:]:
            new.source = equation.source
    return [read(env, atom) for atom in trace.outputs]


def _applied(equation: Equation, operands: Sequence[Any], compositions: Compositions) -> Sequence[Any]:
    primitive, outputs = equation.primitive, equation.outputs
    composition = _composition(equation, compositions)
    result = NotImplemented if composition is None else composition(*operands, **equation.params)
    if result is NotImplemented:
        result = bind(primitive, operands, equation.params, outputs[0].type.weak)
    return result if primitive.multiple else (_of_type(result, outputs[0].type),)


def _composition(equation: Equation, compositions: Compositions) -> Callable[..., Any] | None:
    """What an operation is composed of: in this precision, or in any."""
    name, dtype = equation.primitive.name, equation.outputs[0].type.dtype
    return compositions.get(f"{name} {dtype}", compositions.get(name))


def _of_type(value: Any, type: Type) -> Any:
    same = not hasattr(value, "dtype") or value.dtype == type.dtype
    return value if same else np.astype(value, type.dtype)


# --- dtypes -----------------------------------------------------------------------------------------------

_COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"})
_LOGICAL = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not"})
_AS_RESULT = frozenset({"matmul", "einsum", "concatenate", "stack", "sum", "prod", "cumsum", "cumprod"})
_ROUNDING = frozenset({"floor_divide", "sign", "floor", "ceil", "trunc", "rint", "round", "heaviside"})


def promoted(trace: Trace) -> Trace:
    """The trace with every conversion of dtype that NumPy does by itself written down."""
    equations: list[Equation] = []
    for equation in trace.equations:
        dtypes = _operand_dtypes(equation)
        inputs = [_as(a, d, equation.source, equations) for a, d in zip(equation.inputs, dtypes, strict=True)]
        equations.append(equation.like(inputs=inputs))
    return Trace(trace.inputs, equations, trace.outputs)


def _operand_dtypes(equation: Equation) -> list[np.dtype[Any]]:
    name, types, out = equation.primitive.name, [a.type for a in equation.inputs], equation.outputs[0].type
    if name in _COMPARISONS:
        return [_common(types)] * len(types)
    if name in _LOGICAL:
        return [np.dtype(bool)] * len(types)
    if name == "where":
        return [np.dtype(bool), out.dtype, out.dtype]
    if equation.primitive.kind == "elementwise" or name in _AS_RESULT | _ROUNDING:
        return [out.dtype] * len(types)
    return [type.dtype for type in types]


def _common(types: Sequence[Type]) -> np.dtype[Any]:
    return np.result_type(*[type.dtype.type(0).item() if type.weak else type.dtype for type in types])


def _as(atom: Atom, dtype: np.dtype[Any], source: str, equations: list[Equation]) -> Atom:
    if atom.type.dtype == dtype and not atom.type.weak:
        return atom
    type_ = type_for(atom.type.shape, dtype)
    if type(atom) is Literal:
        return Literal(np.asarray(atom.value).astype(dtype)[()], type_)
    var = Var(type_)
    equations.append(Equation(convert, [atom], {"dtype": dtype}, [var], source))
    return var


# --- two traces become one --------------------------------------------------------------------------------


class _Differs(Exception):
    """Something is not the same for 2 and 3 rows, nor a multiple of their number."""


class _Merged:
    """The program that two traces of one function have in common."""

    def __init__(self, source: Source, first: tuple[Trace, Any], second: tuple[Trace, Any]) -> None:
        self.source = source
        self.first, self.structure = first
        self.second = second[0]
        self.twins: dict[Atom, Atom] = dict(zip(self.first.inputs, self.second.inputs, strict=True))
        self.dims: dict[Atom, Dims] = {}
        self.equations: list[Equation] = []
        self.literals: dict[int, Atom] = {}

    def program(self) -> Program:
        for var in self.first.inputs:
            self.dims[var] = self._dims(var, self.twins[var])
        if len(self.first) != len(self.second):
            raise _refusal("", "the number of operations")
        for one, other in zip(self.first.equations, self.second.equations, strict=True):
            self._merge(one, other)
        pairs = zip(self.first.outputs, self.second.outputs, strict=True)
        outputs = [self._atom(one, other, "") for one, other in pairs]
        names = names_of(tree.unflatten(self.structure, outputs), self.source.output)
        self._require_rows(outputs)
        return Program(self.source, Trace(self.first.inputs, self.equations, outputs), self.dims, names)

    def _require_rows(self, outputs: Sequence[Atom]) -> None:
        for atom in outputs:
            if self.dims[atom][:1] != (Rows(1),):
                raise ExchangeError(
                    f"an output of shape {shown(self.dims[atom])} has no row for each pattern; give outputs "
                    "whose first axis counts the patterns"
                )

    def _merge(self, one: Equation, other: Equation) -> None:
        operation = one.primitive.name
        if other.primitive.name != operation or len(one.inputs) != len(other.inputs):
            raise _refusal(one.source, f"the operation {operation}")
        try:
            params = {key: merged(value, other.params[key]) for key, value in one.params.items()}
            operands = [self._atom(a, b, one.source) for a, b in zip(one.inputs, other.inputs, strict=True)]
            for var, twin in zip(one.outputs, other.outputs, strict=True):
                self.twins[var], self.dims[var] = twin, self._dims(var, twin)
        except _Differs:
            raise _refusal(one.source, f"the operation {operation}") from None
        self.equations.append(Equation(one.primitive, operands, params, one.outputs, one.source))

    def _dims(self, one: Atom, other: Atom) -> Dims:
        return merged(one.type.shape, other.type.shape)  # type: ignore[no-any-return]

    def _atom(self, one: Atom, other: Atom, layer: str) -> Atom:
        if type(one) is not Literal:
            if self.twins.get(one) is not other:
                raise _Differs
            return one
        known = self.literals.get(id(one))
        if known is None:
            known = self.literals[id(one)] = self._literal(one, other, layer)
        return known

    def _literal(self, one: Literal, other: Atom, layer: str) -> Atom:
        """A constant; where it has a row for each pattern, all of them alike, one row that is spread."""
        dims = self._dims(one, other)
        counted = tuple(slice(0, 1) if isinstance(n, Rows) else slice(None) for n in dims)
        kept, twin = (np.asarray(atom.value)[counted] for atom in (one, other))  # type: ignore[union-attr]
        alike = np.array_equal(
            one.value, np.broadcast_to(kept, one.type.shape), equal_nan=kept.dtype.kind == "f"
        )
        if type(other) is not Literal or not np.array_equal(kept, twin, equal_nan=kept.dtype.kind == "f"):
            raise _Differs
        if not alike:
            raise _Differs
        if kept.shape == one.type.shape:
            self.dims[one] = dims
            return one
        small = Literal(kept, type_for(kept.shape, kept.dtype))
        self.dims[small] = kept.shape
        var = Var(one.type)
        self.dims[var] = dims
        self.equations.append(Equation(broadcast_to, [small], {"shape": dims}, [var], layer))
        return var


def merged(one: Any, other: Any) -> Any:
    """A parameter as it is for any number of rows."""
    if isinstance(one, tuple | list) and type(one) is type(other) and len(one) == len(other):
        return tuple(merged(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, slice) and isinstance(other, slice):
        return slice(*(_merged_end(getattr(one, e), getattr(other, e)) for e in ("start", "stop", "step")))
    if type(one) is int and type(other) is int:
        return _merged_number(one, other)
    if isinstance(one, Trace) or one is other or (type(one) is type(other) and one == other):
        return one
    raise _Differs


def _merged_number(one: int, other: int) -> Extent:
    if one == other:
        return one
    if one % 2 or one // 2 * 3 != other:
        raise _Differs
    return Rows(one // 2)


def _merged_end(one: Any, other: Any) -> Any:
    """An end of a slice; that of an axis of rows is its end, whatever the number."""
    found = merged(one, other)
    if isinstance(found, Rows):
        raise _Differs
    return found


def shown(dims: Dims) -> str:
    """A shape as people write it: (rows, 3)."""
    words = [_word(n) if isinstance(n, Rows) else str(n) for n in dims]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def _word(extent: Rows) -> str:
    return "rows" if extent.times == 1 else f"{extent.times} rows"


# --- refusals ---------------------------------------------------------------------------------------------


def _refusal(layer: str, what: str) -> ExchangeError:
    return ExchangeError(
        f"{inside(layer)}{what} depends on the number of rows; a program for any number of them treats each "
        "row by itself"
    )


def untranslated(equation: Equation, target: str, why: str = "") -> ExchangeError:
    """The error for an operation that a target does not have."""
    types = ", ".join(repr(atom.type) for atom in equation.inputs)
    return ExchangeError(
        f"{inside(equation.source)}the operation {equation.primitive.name}({types}) has no translation to "
        f"{target}{why and f' {why}'}; write this part with other operations, or leave it out"
    )


def inside(layer: str) -> str:
    """The beginning of a message about a layer."""
    return f"in {layer}: " if layer else ""
