r"""From a trace to kernels: which equations share a loop, and where every value lives.

Each equation gets a *stage*, the place of its loop in the order of loops:

.. math:: \mathrm{stage}(v)=\max_{p\in\mathrm{pa}(v)}\begin{cases}\mathrm{stage}(p)&\text{if p is computed by the same loop}\\
          \mathrm{stage}(p)+1&\text{if p must be in memory first}\end{cases}

Elementwise equations of one stage and one shape are one loop, with the reductions of what it computes; so no value that only
the loop needs reaches memory. Reshapes, transposes, broadcasts and slices are other ways to read the same memory and cost
nothing. Values in memory share one arena: a buffer is given away after its last use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var, type_for

Shape = tuple[int, ...]
ALIGNMENT = 64


class Unlowerable(Exception):
    """An equation that the compiler has no way to lower; the reference interpreter runs it."""


@dataclass(eq=False)
class Buffer:
    """A piece of memory: an ``input``, an ``output``, a ``constant`` (all by their place in the table), or of the ``arena``."""

    kind: str
    dtype: np.dtype[Any]
    size: int
    index: int = -1
    first: int = 0
    last: int = 0
    offset: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes, rounded up so that the next buffer is aligned."""
        return -(-self.size * self.dtype.itemsize // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, eq=False)
class Access:
    """A way to read or write a buffer: element ``(i, j, ...)`` stands at ``offset + i*strides[0] + ...``."""

    buffer: Buffer
    shape: Shape
    strides: Shape
    offset: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the elements are."""
        return self.buffer.dtype

    def broadcast(self, shape: Shape) -> Access:
        """Read as an array of another shape, by NumPy's rule."""
        extra = len(shape) - len(self.shape)
        strides = (0,) * extra + tuple(
            0 if n == 1 and m != 1 else s
            for n, m, s in zip(self.shape, shape[extra:], self.strides, strict=True)
        )
        return Access(self.buffer, shape, strides, self.offset)

    def is_contiguous(self) -> bool:
        """Whether elements stand in row-major order without gaps."""
        return all(
            s == r or n == 1 for s, r, n in zip(self.strides, row_major(self.shape), self.shape, strict=True)
        )


def row_major(shape: Shape) -> Shape:
    """Strides of a row-major array, in elements."""
    strides = []
    size = 1
    for n in reversed(shape):
        strides.append(size)
        size *= max(n, 1)
    return tuple(reversed(strides))


def whole(buffer: Buffer, shape: Shape) -> Access:
    """A buffer as a row-major array."""
    return Access(buffer, shape, row_major(shape))


@dataclass(eq=False)
class Map:
    """A loop over ``shape`` that evaluates elementwise equations, and reduces some of what it computes."""

    stage: int
    shape: Shape
    equations: list[Equation] = field(default_factory=list)
    reductions: list[Equation] = field(default_factory=list)
    reads: dict[Any, Access] = field(default_factory=dict)
    writes: list[tuple[Any, Access]] = field(default_factory=list)
    # Copies: what is written, where no equation computes it.
    moves: list[tuple[Access, Access]] = field(default_factory=list)

    @property
    def reduced(self) -> Shape:
        """The axes that the reductions take away, counted from the end."""
        return self.reductions[0].params["axis"] if self.reductions else ()


@dataclass(eq=False)
class Contract:
    """A matrix product ``c = a @ b`` over leading axes that a and b share."""

    stage: int
    equation: Equation
    a: Access
    b: Access
    c: Access


@dataclass(frozen=True, eq=False)
class Stream:
    """Memory that a loop walks through: ``step`` elements further every round (0 where it stays)."""

    access: Access
    step: int


@dataclass(eq=False)
class Repeat:
    """A scan: the kernels of ``body`` for every element of a sequence, with carries in place.

    ``inputs`` and ``outputs`` stand for those of the body's trace. After each round ``carries``, pairs of (new, current), are
    copied; before it the current ones are kept in ``histories``.
    """

    stage: int
    length: int
    reverse: bool
    body: Plan
    arena: Access
    inputs: list[Stream]
    outputs: list[Stream]
    carries: list[tuple[Access, Access]]
    histories: list[Stream]


@dataclass(eq=False)
class Choice:
    """A cond: the kernels of one body or the other."""

    stage: int
    predicate: Access
    bodies: tuple[Plan, Plan]
    arena: Access
    inputs: tuple[list[Stream], list[Stream]]
    outputs: list[Stream]


@dataclass(eq=False)
class While:
    """A while_loop: the kernels of ``test``, and as long as it gives true those of ``body``."""

    stage: int
    test: Plan
    body: Plan
    arena: Access
    test_inputs: list[Stream]
    inputs: list[Stream]
    answer: Access
    outputs: list[Stream]
    carries: list[tuple[Access, Access]]


Kernel = Map | Contract | Repeat | Choice | While


class Plan:
    """The kernels of a trace in order, and its memory. A body's plan shares the constants of the plan around it."""

    def __init__(self, trace: Trace, constants: list[np.ndarray[Any, Any]] | None = None) -> None:
        self.trace = trace
        self.kernels: list[Kernel] = []
        self.constants: list[np.ndarray[Any, Any]] = [] if constants is None else constants
        self.arena: list[Buffer] = []
        self.outputs: list[Buffer] = []
        self.inputs = [Buffer("input", _stored(v.type), v.type.size, i) for i, v in enumerate(trace.inputs)]
        self._memory: dict[Var, Access] = {}
        self._stages: dict[Var, int] = {}
        self._maps: dict[tuple[int, Shape], Map] = {}
        self._made: dict[Var, Map] = {}
        for var, buffer in zip(trace.inputs, self.inputs, strict=True):
            self._memory[var] = whole(buffer, var.type.shape)
        for equation in trace.equations:
            self._lower(equation)
        for i, atom in enumerate(trace.outputs):
            self._output(i, atom)
        self.kernels = [k for k in sorted(self.kernels, key=lambda k: k.stage) if _has_work(k)]
        self.arena_bytes = _place(self.arena)

    # --- equations ----------------------------------------------------------------------------------------------------

    def _lower(self, equation: Equation) -> None:
        for type in (*(a.type for a in equation.inputs), *(v.type for v in equation.outputs)):
            _stored(type)
        lower = _LOWER.get(equation.primitive.name)
        if lower is not None:
            lower(self, equation)
        elif is_elementwise(equation):
            self._element(equation)
        else:
            raise Unlowerable(equation.primitive.name)

    def _element(self, equation: Equation) -> None:
        shape = equation.outputs[0].type.shape
        stage = max([1, *(self._joins(a, shape) for a in equation.inputs)])
        kernel = self._map(stage, shape)
        for atom in equation.inputs:
            self._read(kernel, atom)
        kernel.equations.append(equation)
        for out in equation.outputs:
            self._made[out], self._stages[out] = kernel, stage

    def _joins(self, atom: Atom, shape: Shape) -> int:
        """The first stage of a loop over `shape` that may use an operand."""
        made = self._made.get(atom) if type(atom) is Var else None
        return made.stage if made is not None and made.shape == shape else self.ready(atom)

    def ready(self, atom: Atom) -> int:
        """The first stage that may read an operand from memory."""
        return self._stages.get(atom, 0) + 1 if type(atom) is Var else 1

    def _map(self, stage: int, shape: Shape) -> Map:
        key = (stage, shape)
        if key not in self._maps:
            self._maps[key] = Map(stage, shape)
            self.kernels.append(self._maps[key])
        return self._maps[key]

    def _read(self, kernel: Map, atom: Atom) -> None:
        """Make an operand available to a loop: computed there, or read from memory."""
        if type(atom) is Var and self._made.get(atom) is kernel:
            return
        if type(atom) is Literal and not atom.type.shape:
            return
        if atom not in kernel.reads:
            kernel.reads[atom] = self.access(atom, kernel.stage).broadcast(kernel.shape)

    def access(self, atom: Atom, stage: int) -> Access:
        """Where a value stands in memory, to be read at a stage; what a loop computed is stored on demand."""
        if type(atom) is Literal:
            return self._constant(atom)
        assert type(atom) is Var
        if atom not in self._memory:
            self._store(atom)
        found = self._memory[atom]
        found.buffer.last = max(found.buffer.last, stage)
        return found

    def _store(self, var: Var) -> None:
        kernel = self._made[var]
        access = self.allocate(var.type, kernel.stage)
        kernel.writes.append((var, access))
        self._memory[var] = access

    def allocate(self, type: Type, stage: int) -> Access:
        """New memory in the arena for a value that a stage computes."""
        buffer = Buffer("arena", _stored(type), type.size, first=stage, last=stage)
        self.arena.append(buffer)
        return whole(buffer, type.shape)

    def _constant(self, atom: Literal) -> Access:
        value = np.asarray(atom.value, order="C")
        for i, known in enumerate(self.constants):
            if known is value:
                return whole(Buffer("constant", value.dtype, value.size, i), value.shape)
        self.constants.append(value)
        return whole(Buffer("constant", value.dtype, value.size, len(self.constants) - 1), value.shape)

    def assign(self, var: Var, access: Access, stage: int) -> None:
        """A value stands in memory from the end of a stage on."""
        self._memory[var], self._stages[var] = access, stage

    def move(self, source: Access, target: Access, stage: int) -> None:
        """Copy within a loop of its own."""
        kernel = Map(stage, target.shape)
        kernel.moves.append((source.broadcast(target.shape), target))
        source.buffer.last = max(source.buffer.last, stage)
        self.kernels.append(kernel)

    def _output(self, i: int, atom: Atom) -> None:
        buffer = Buffer("output", _stored(atom.type), atom.type.size, i)
        self.outputs.append(buffer)
        target = whole(buffer, atom.type.shape)
        made = self._made.get(atom) if type(atom) is Var else None
        if made is not None and atom not in self._memory:
            made.writes.append((atom, target))
            self._memory[atom] = target  # type: ignore[index]
            return
        stage = self.ready(atom)
        self.move(self._anywhere(atom, stage), target, stage)

    def _anywhere(self, atom: Atom, stage: int) -> Access:
        return self.access(atom, stage)


def is_elementwise(equation: Equation) -> bool:
    """Whether an equation computes each element from the elements at its place."""
    primitive = equation.primitive
    return primitive.kind == "elementwise" or (primitive.core is not None and not any(primitive.core))


def _stored(type: Type) -> np.dtype[Any]:
    """The dtype in memory of a type that native code knows."""
    if type.dtype.kind not in "fbiu" or type.dtype.itemsize > 8 or type.dtype == np.float16:
        raise Unlowerable(f"a value of {type.dtype}")
    return type.dtype


def _has_work(kernel: Kernel) -> bool:
    return not isinstance(kernel, Map) or bool(kernel.writes or kernel.moves or kernel.reductions)


def _place(buffers: Sequence[Buffer]) -> int:
    """Give every buffer its offset in the arena; buffers whose lives do not overlap may share."""
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: -b.nbytes):
        alive = sorted(
            (b for b in placed if b.first <= buffer.last and buffer.first <= b.last), key=lambda b: b.offset
        )
        offset = 0
        for other in alive:
            if offset + buffer.nbytes <= other.offset:
                break
            offset = max(offset, other.offset + other.nbytes)
        buffer.offset = offset
        placed.append(buffer)
    return max((b.offset + b.nbytes for b in placed), default=0)


# --- lowering of what is not elementwise ------------------------------------------------------------------------------

_LOWER: dict[str, Callable[[Plan, Equation], None]] = {}


def lowers(*names: str) -> Callable[[Callable[[Plan, Equation], None]], Callable[[Plan, Equation], None]]:
    """Declare how operations are lowered."""

    def declare(rule: Callable[[Plan, Equation], None]) -> Callable[[Plan, Equation], None]:
        _LOWER.update(dict.fromkeys(names, rule))
        return rule

    return declare


@lowers("convert", "discretise", "item", "stop_gradient", "variable")
def _elementwise(plan: Plan, equation: Equation) -> None:
    plan._element(equation)


@lowers("sum", "prod", "max", "min", "any", "all")
def _reduce(plan: Plan, equation: Equation) -> None:
    (x,), (out,) = equation.inputs, equation.outputs
    axes = equation.params["axis"]
    if 0 in x.type.shape:
        raise Unlowerable("a reduction of an empty array")
    made = plan._made.get(x) if type(x) is Var else None
    if made is None or (made.reductions and made.reduced != axes):
        made = Map(plan.ready(x), x.type.shape)
        plan.kernels.append(made)
        plan._read(made, x)
    made.reductions.append(equation)
    target = plan.allocate(out.type, made.stage)
    kept = tuple(0 if i - x.type.ndim in axes else 1 for i in range(x.type.ndim))
    strides = iter(row_major(tuple(n for n, k in zip(x.type.shape, kept, strict=True) if k)))
    wide = Access(target.buffer, x.type.shape, tuple(next(strides) if k else 0 for k in kept))
    made.writes.append((out, wide))
    plan.assign(out, target, made.stage)


def _view(plan: Plan, equation: Equation, change: Callable[[Access], Access | None]) -> None:
    (x, *_), (out,) = equation.inputs, equation.outputs
    stage = plan.ready(x)
    source = plan.access(x, stage)
    found = change(source)
    if found is None:
        copy = plan.allocate(x.type, stage)
        plan.move(source, copy, stage)
        found, stage = change(copy), stage + 1
    assert found is not None
    plan.assign(out, found, stage - 1)


@lowers("reshape")
def _reshape(plan: Plan, equation: Equation) -> None:
    shape = equation.outputs[0].type.shape
    _view(
        plan,
        equation,
        lambda a: Access(a.buffer, shape, row_major(shape), a.offset) if a.is_contiguous() else None,
    )


@lowers("transpose")
def _transpose(plan: Plan, equation: Equation) -> None:
    axes = equation.params["axes"]

    def change(a: Access) -> Access:
        n = len(a.shape)
        order = [*range(n - len(axes)), *(i + n for i in axes)]
        return Access(
            a.buffer, tuple(a.shape[i] for i in order), tuple(a.strides[i] for i in order), a.offset
        )

    _view(plan, equation, change)


@lowers("broadcast_to")
def _broadcast_to(plan: Plan, equation: Equation) -> None:
    _view(plan, equation, lambda a: a.broadcast(equation.outputs[0].type.shape))


@lowers("flip")
def _flip(plan: Plan, equation: Equation) -> None:
    def change(a: Access) -> Access:
        n = len(a.shape)
        index = tuple(
            slice(None, None, -1) if i - n in equation.params["axes"] else slice(None) for i in range(n)
        )
        return sliced(a, index)

    _view(plan, equation, change)


def sliced(a: Access, index: tuple[Any, ...]) -> Access:
    """A basic index of the last axes as another way to read the same memory."""
    shape, strides, offset = [], [], a.offset
    axis = 0
    lead = len(a.shape) - sum(part is not None for part in index)
    for part in (*(slice(None),) * lead, *index):
        if part is None:
            shape.append(1)
            strides.append(0)
            continue
        n, s = a.shape[axis], a.strides[axis]
        axis += 1
        if isinstance(part, slice):
            start, stop, step = part.indices(n)
            shape.append(len(range(start, stop, step)))
            strides.append(s * step)
            offset += start * s
        else:
            offset += (part + n if part < 0 else part) * s
    return Access(a.buffer, tuple(shape), tuple(strides), offset)


def _basic(equation: Equation) -> tuple[Any, ...]:
    index = equation.params["index"]
    if any(not (part is None or part is Ellipsis or isinstance(part, int | slice)) for part in index):
        raise Unlowerable("an index with arrays")
    return tuple(index[1:])


@lowers("getitem")
def _getitem(plan: Plan, equation: Equation) -> None:
    index = _basic(equation)
    _view(plan, equation, lambda a: sliced(a, index))


@lowers("scatter")
def _scatter(plan: Plan, equation: Equation) -> None:
    index = _basic(equation)
    (ct,), (out,) = equation.inputs, equation.outputs
    stage = plan.ready(ct)
    target = plan.allocate(out.type, stage)
    zero = plan.access(Literal(np.zeros((), out.type.dtype), Type((), out.type.dtype, False)), stage)
    plan.move(zero, target, stage)
    plan.move(plan.access(ct, stage + 1), sliced(target, index), stage + 1)
    target.buffer.last = stage + 1
    plan.assign(out, target, stage + 1)


@lowers("setitem")
def _setitem(plan: Plan, equation: Equation) -> None:
    index = _basic(equation)
    (x, value), (out,) = equation.inputs, equation.outputs
    stage = max(plan.ready(x), plan.ready(value))
    target = plan.allocate(out.type, stage)
    plan.move(plan.access(x, stage), target, stage)
    plan.move(plan.access(value, stage + 1), sliced(target, index), stage + 1)
    target.buffer.last = stage + 1
    plan.assign(out, target, stage + 1)


@lowers("concatenate", "stack")
def _join(plan: Plan, equation: Equation) -> None:
    (out,) = equation.outputs
    stage = max(plan.ready(a) for a in equation.inputs)
    target = plan.allocate(out.type, stage)
    axis, start = equation.params["axis"] + out.type.ndim, 0
    for atom in equation.inputs:
        stacked = equation.primitive.name == "stack"
        n = 1 if stacked else atom.type.shape[axis]
        part: Any = start if stacked else slice(start, start + n)
        index = (*(slice(None),) * axis, part)
        place = sliced(target, (*index, *(slice(None),) * (out.type.ndim - axis - 1)))
        plan.move(plan.access(atom, stage), place, stage)
        start += n
    plan.assign(out, target, stage)


@lowers("pad")
def _pad(plan: Plan, equation: Equation) -> None:
    (x,), (out,) = equation.inputs, equation.outputs
    stage = plan.ready(x)
    target = plan.allocate(out.type, stage)
    zero = plan.access(Literal(np.zeros((), out.type.dtype), Type((), out.type.dtype, False)), stage)
    plan.move(zero, target, stage)
    widths = equation.params["widths"]
    lead = (slice(None),) * (x.type.ndim - len(widths))
    inner = tuple(slice(low, low + n) for (low, _), n in zip(widths, x.type.shape[len(lead) :], strict=True))
    plan.move(plan.access(x, stage + 1), sliced(target, (*lead, *inner)), stage + 1)
    target.buffer.last = stage + 1
    plan.assign(out, target, stage + 1)


# --- loops and branches -----------------------------------------------------------------------------------------------


def _contiguous(plan: Plan, atom: Atom, stage: int) -> tuple[Access, int]:
    """A value as a row-major array, and the first stage that may read it."""
    found = plan.access(atom, stage)
    if found.is_contiguous():
        return found, stage
    return _copied(plan, found, stage), stage + 1


def _copied(plan: Plan, source: Access, stage: int) -> Access:
    target = plan.allocate(type_for(source.shape, source.dtype), stage)
    plan.move(source, target, stage)
    return target


def _gathered(plan: Plan, atoms: Sequence[Atom]) -> tuple[list[Access], int]:
    """Operands in memory, row-major, and the stage that may read all of them."""
    stage = max([1, *(plan.ready(a) for a in atoms)])
    pairs = [_contiguous(plan, a, stage) for a in atoms]
    last = max([stage, *(s for _, s in pairs)])
    for access, _ in pairs:
        access.buffer.last = max(access.buffer.last, last)
    return [access for access, _ in pairs], last


def _scratch(plan: Plan, size: int, stage: int) -> Access:
    return plan.allocate(type_for((size,), np.dtype(np.int8)), stage)


def _still(accesses: Sequence[Access]) -> list[Stream]:
    return [Stream(a, 0) for a in accesses]


def _walking(accesses: Sequence[Access]) -> list[Stream]:
    return [Stream(a, a.strides[0]) for a in accesses]


def _fresh(plan: Plan, variables: Sequence[Var], stage: int) -> list[Access]:
    """New memory for the results of a loop."""
    targets = [plan.allocate(v.type, stage) for v in variables]
    for var, target in zip(variables, targets, strict=True):
        plan.assign(var, target, stage)
    return targets


@lowers("scan")
def _scan(plan: Plan, equation: Equation) -> None:
    params = equation.params
    consts, carry, body = params["consts"], params["carry"], params["body"]
    operands, stage = _gathered(plan, equation.inputs)
    constants, start, xs = operands[:consts], operands[consts : consts + carry], operands[consts + carry :]
    state = _fresh(plan, equation.outputs[:carry], stage + 1)
    for source, current in zip(start, state, strict=True):
        current.buffer.first = stage
        plan.move(source, current, stage)
        source.buffer.last = max(source.buffer.last, stage + 1)
    stage += 1
    for access in (*constants, *xs):
        access.buffer.last = max(access.buffer.last, stage)
    ys = _fresh(plan, equation.outputs[carry:], stage)
    inner = Plan(body, plan.constants)
    following = [_copy_of(plan, a, stage) for a in state]
    n = len(body.outputs)
    plan.kernels.append(
        Repeat(
            stage, params["length"], params["reverse"], inner, _scratch(plan, inner.arena_bytes, stage),
            [*_still(constants), *_still(state), *_walking(xs)], [*_still(following), *_walking(ys[: n - carry])],
            list(zip(following, state, strict=True)), _walking(ys[n - carry :]),
        )
    )  # fmt: skip


def _copy_of(plan: Plan, access: Access, stage: int) -> Access:
    return plan.allocate(type_for(access.shape, access.dtype), stage)


@lowers("while_loop")
def _while(plan: Plan, equation: Equation) -> None:
    params = equation.params
    tests, steps = params["tests"], params["steps"]
    operands, stage = _gathered(plan, equation.inputs)
    t_consts, s_consts, start = operands[:tests], operands[tests : tests + steps], operands[tests + steps :]
    state = _fresh(plan, equation.outputs, stage + 1)
    for source, current in zip(start, state, strict=True):
        current.buffer.first = stage
        plan.move(source, current, stage)
    stage += 1
    for access in (*t_consts, *s_consts):
        access.buffer.last = max(access.buffer.last, stage)
    test, body = Plan(params["test"], plan.constants), Plan(params["step"], plan.constants)
    following = [_copy_of(plan, a, stage) for a in state]
    answer = plan.allocate(type_for((), np.dtype(bool)), stage)
    size = max(test.arena_bytes, body.arena_bytes)
    plan.kernels.append(
        While(
            stage, test, body, _scratch(plan, size, stage), _still([*t_consts, *state]), _still([*s_consts, *state]),
            answer, _still(following), list(zip(following, state, strict=True)),
        )
    )  # fmt: skip


@lowers("cond")
def _cond(plan: Plan, equation: Equation) -> None:
    params = equation.params
    yeses, nos = params["yeses"], params["nos"]
    (predicate, *operands), stage = _gathered(plan, equation.inputs)
    yes_in, no_in, shared = operands[:yeses], operands[yeses : yeses + nos], operands[yeses + nos :]
    yes, no = Plan(params["yes"], plan.constants), Plan(params["no"], plan.constants)
    results = _fresh(plan, equation.outputs, stage)
    arena = _scratch(plan, max(yes.arena_bytes, no.arena_bytes), stage)
    inputs = (_still([*yes_in, *shared]), _still([*no_in, *shared]))
    plan.kernels.append(Choice(stage, predicate, (yes, no), arena, inputs, _still(results)))


@lowers("checkpoint")
def _checkpoint(plan: Plan, equation: Equation) -> None:
    """In one piece of native code there is nothing to recompute for: the body runs in place."""
    body = equation.params["body"]
    operands, stage = _gathered(plan, equation.inputs)
    inner = Plan(body, plan.constants)
    results = _fresh(plan, equation.outputs, stage)
    arena = _scratch(plan, inner.arena_bytes, stage)
    plan.kernels.append(Repeat(stage, 1, False, inner, arena, _still(operands), _still(results), [], []))


# --- products ---------------------------------------------------------------------------------------------------------


def _contract(
    plan: Plan, equation: Equation, change: Callable[[Access, Access, Access], Sequence[Access]]
) -> None:
    (a, b), (out,) = equation.inputs, equation.outputs
    if out.type.dtype.kind != "f" or a.type.dtype != out.type.dtype or b.type.dtype != out.type.dtype:
        raise Unlowerable("a product of other numbers than floats of one dtype")
    stage = max(plan.ready(a), plan.ready(b))
    target = plan.allocate(out.type, stage)
    first, second, third = change(plan.access(a, stage), plan.access(b, stage), target)
    plan.kernels.append(Contract(stage, equation, first, second, third))
    plan.assign(out, target, stage)


def _extended(a: Access, axis: int) -> Access:
    """An axis of length 1 put in."""
    n = len(a.shape) + 1
    axis %= n
    return Access(
        a.buffer, (*a.shape[:axis], 1, *a.shape[axis:]), (*a.strides[:axis], 0, *a.strides[axis:]), a.offset
    )


@lowers("matmul")
def _matmul(plan: Plan, equation: Equation) -> None:
    _contract(plan, equation, lambda a, b, c: (a, b, c))


@lowers("matvec")
def _matvec(plan: Plan, equation: Equation) -> None:
    _contract(plan, equation, lambda a, v, c: (a, _extended(v, -1), _extended(c, -1)))


@lowers("vecdot")
def _vecdot(plan: Plan, equation: Equation) -> None:
    _contract(
        plan, equation, lambda a, b, c: (_extended(a, -2), _extended(b, -1), _extended(_extended(c, -1), -1))
    )
