r"""From a trace to kernels: which equations share a loop, and where every value lives.

Each kernel has a *stage*, its place in the order of kernels:

.. math:: \mathrm{stage}(v)=\max_{p\in\mathrm{pa}(v)}\begin{cases}
          \mathrm{stage}(p)&\text{if p is computed by the same loop}\\
          \mathrm{stage}(p)+1&\text{if p must be in memory first}\end{cases}

Elementwise equations of one stage and one shape are one loop, with the reductions of what it computes. What
is computed from the results of a product or a reduction, element by element, is its *epilogue*: done while
the numbers are still in registers. So a value that only its own loop needs never reaches memory. Reshapes,
transposes, broadcasts and slices are other ways to read the same memory and cost nothing. Values in memory
share one arena: a buffer is given away after its last use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var, type_for
from wengert.native.machine.host import LINE
from wengert.native.planning.kernels import (
    POSITIONS,
    Access,
    Around,
    Buffer,
    Contract,
    Kernel,
    Map,
    Shape,
    Window,
    Write,
    row_major,
    whole,
)
from wengert.native.planning.unlowerable import Unlowerable
from wengert.transforms.constants import diagonal_of, uniform

# Operations that take many instructions: not repeated in scalar code where a vector is waiting.
COSTLY = frozenset(
    [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "logaddexp",
        "logaddexp2",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "power",
        "float_power",
        "cbrt",
        "hypot",
        "erf",
        "erfc",
        "expit",
        "logistic",
        "log_expit",
        "softplus",
        "gammaln",
        "loggamma",
        "xlogy",
        "xlog1py",
        "entr",
        "fmod",
        "remainder",
        "floor_divide",
        "root",
        "gcd",
        "lcm",
        "philox",
        "shuffle",
    ]
)


# Operations that change nothing but the dtype.
UNCHANGED = frozenset(
    {"convert", "discretise", "item", "stop_gradient", "variable", "positive", "conjugate", "real"}
)

# Of buffers that nobody hurries to use again: bytes, or which part of the arena, and for how many kernels.
SMALL = 32 * 1024
PART = 64
SPREAD = 16

# LLVM is slow with code that goes on and on: where a program has so many costly operations, a loop over not
# too many elements takes some of them, and then ends. What the next loops need of it must then be in memory.
MANY = 64
ENOUGH = 12
FEW = 1 << 16

# So many equations at most are computed anew, one after the other, where a value is used.
MOST_WAITING = 4


class Waiting(NamedTuple):
    """An equation that is computed where it is used: the first stage that may, and how deep the chain is."""

    equation: Equation
    stage: float
    depth: int


class Piece(NamedTuple):
    """A value that is part of another one, zero elsewhere; its place is a basic index of the last axes."""

    value: Atom
    place: tuple[Any, ...]


class Plan:
    """The kernels of a trace in order, and its memory.

    A body's plan shares the constants of the plan around it, and is told where its inputs and outputs stand,
    by the strides of each in elements. ``carries`` says which inputs are given away, each with the output
    that may be written over it; ``in_place`` are those that are.
    """

    def __init__(
        self,
        trace: Trace,
        constants: list[np.ndarray[Any, Any]] | None = None,
        inputs: Sequence[Shape] | None = None,
        outputs: Sequence[Shape] | None = None,
        carries: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.trace = trace
        self.kernels: list[Kernel] = []
        self.constants: list[np.ndarray[Any, Any]] = [] if constants is None else constants
        self.arena: list[Buffer] = []
        self.made: dict[Var, Map] = {}
        self._memory: dict[Var, Access] = {}
        self._windowed: dict[Atom, Access] = {}
        self._later: dict[Atom, Callable[[], None]] = {}
        self.pieces: dict[Atom, list[Piece]] = {}
        self._stages: dict[Var, float] = {}
        self._waiting: dict[Atom, Waiting] = {}
        self._cheap: dict[Atom, Equation] = {}
        self._maps: dict[tuple[float, Shape], Map] = {}
        self.inputs = [Buffer("input", _stored(v.type), v.type.size, i) for i, v in enumerate(trace.inputs)]
        self.outputs = [
            Buffer("output", _stored(a.type), a.type.size, i) for i, a in enumerate(trace.outputs)
        ]
        self._place_inputs(inputs)
        self._output_strides = outputs
        self._wanted = dict(self._seen_through_views())
        self._hints = dict(self._seen_by_what_is_wanted())
        self._is_long = sum(e.primitive.name in COSTLY for e in trace.equations) > MANY
        for equation in trace.equations:
            self.lower(equation)
        for i, atom in enumerate(trace.outputs):
            self._output(i, atom)
        for part in (part for kernel in self.kernels for part in kernel.maps()):
            part.prune()
        self._overwritten: list[tuple[Buffer, Kernel]] = []
        self._reads = {k: {id(a.buffer) for a in k.reading()} for k in self.kernels if carries}
        self._writes = {k: [a.buffer for a in k.writing()] for k in self.kernels if carries}
        self.in_place = [pair for pair in carries if self._overwrites(*pair)]
        self._finish()

    def _place_inputs(self, strides: Sequence[Shape] | None) -> None:
        for i, (var, buffer) in enumerate(zip(self.trace.inputs, self.inputs, strict=True)):
            shape = var.type.shape
            self._memory[var] = Access(buffer, shape, row_major(shape) if strides is None else strides[i])

    def _finish(self) -> None:
        """Bring the kernels into order, and give every buffer its place in the arena."""
        working = [k for k in self.kernels if k.has_work() and not self._is_idle(k)]
        self.kernels = sorted(working, key=lambda kernel: kernel.stage)
        for buffer in self.arena:
            buffer.first, buffer.last = len(self.kernels), -1
        for position, kernel in enumerate(self.kernels):
            for access in (*kernel.reading(), *kernel.writing()):
                access.buffer.first = min(access.buffer.first, position)
                access.buffer.last = max(access.buffer.last, position)
        self.arena = [buffer for buffer in self.arena if buffer.last >= 0]
        self.shared_bytes = _place(self.arena)

    def spread(self) -> None:
        """Leave small buffers alone for a while before and after their use: kernels may then change places.

        So threads meet less often, and more kernels take turns on a block.
        """
        for kernel in self.kernels:
            for body in kernel.bodies():
                body.spread()
            if isinstance(kernel, Around):
                kernel.arena.buffer.size = max(body.shared_bytes for body in kernel.bodies())
        self.shared_bytes = _place(self.arena, max(SMALL, self.shared_bytes // PART))

    # --- equations ----------------------------------------------------------------------------------------

    def lower(self, equation: Equation) -> None:
        """Add what an equation needs to the plan."""
        from wengert.native.planning.table import rule_for

        for type in (*(a.type for a in equation.inputs), *(v.type for v in equation.outputs)):
            _stored(type)
        rule = rule_for(equation)
        if rule is None:
            raise Unlowerable(equation.primitive.name)
        rule(self, equation)

    def element(self, equation: Equation) -> None:
        """An equation that computes each element from the elements at its place.

        A cheap one of values in memory waits until it is used, and is computed anew wherever it is.
        """
        shape = equation.outputs[0].type.shape
        for atom in equation.inputs:
            self.settle(atom, shape)
        homes = self._homes(equation, shape)
        depth = self._depth(equation) if not homes else MOST_WAITING
        if depth < MOST_WAITING and shape and _is_cheap(equation):
            self._waiting[equation.outputs[0]] = Waiting(equation, self._ready(equation.inputs), depth)
            return
        stage = self._ready(equation.inputs)
        home = (
            max(homes, key=lambda home: home.stage)
            if homes
            else self._delayed(equation) or self._loop(stage, equation)
        )
        self._compute(home, equation)

    def _loop(self, stage: float, equation: Equation) -> Map:
        """The loop at a stage that an equation may join: a new one if the last is long enough."""
        shape = equation.outputs[0].type.shape
        if self._is_full(self.map(stage, shape), equation):
            del self._maps[stage, shape]
        return self.map(stage, shape)

    def _may_join(self, home: Map, equation: Equation) -> bool:
        return home.takes(equation.primitive.name in COSTLY) and not self._is_full(home, equation)

    def _is_full(self, home: Map, equation: Equation) -> bool:
        """Whether a loop is long enough to end before an equation.

        It ends before one of the kind that it began with, if there is one: loops of unrolled code are alike.
        """
        if not self._is_long or home.costly < ENOUGH or not home.shape or math.prod(home.shape) > FEW:
            return False
        return home.costly >= 2 * ENOUGH or equation.primitive is home.equations[0].primitive

    def _delayed(self, equation: Equation) -> Map | None:
        """A product that nobody has used, put off until the other operands are there: ``a @ b + c @ d``.

        Or a look at memory, ``x[rows] * w``.
        """
        for atom in reversed(equation.inputs):
            home = self.maker(atom)
            if home is None or not _may_wait(home) or not self._may_join(home, equation):
                continue
            if atom.type.shape == equation.outputs[0].type.shape and not any(
                map(self._is_windowed, equation.inputs)
            ):
                home.stage = self._ready(equation.inputs, home)
                if home.parent is not None:
                    home.parent.stage = home.stage
                return home
        return None

    def _depth(self, equation: Equation) -> int:
        """How many equations would be computed anew in a row, or too many if it uses what a loop computes."""
        found = [self._waiting[a].depth for a in equation.variables() if a in self._waiting]
        in_memory = all(a in self._waiting or self._is_in_memory(a) for a in equation.variables())
        return 1 + max(found, default=0) if in_memory else MOST_WAITING

    def _is_in_memory(self, var: Var) -> bool:
        return var in self._memory or (var in self.made and not var.type.shape)

    def _compute(self, kernel: Map, equation: Equation) -> None:
        """Evaluate an equation in a loop, which everybody else reads the result from."""
        self._compute_here(kernel, equation)
        self.made.update(dict.fromkeys(equation.outputs, kernel))
        if _is_cheap(equation):
            self._cheap.update(dict.fromkeys(equation.outputs, equation))

    def _compute_here(self, kernel: Map, equation: Equation) -> None:
        for atom in equation.inputs:
            self.read(kernel, atom)
        kernel.equations.append(equation)
        kernel.costly += equation.primitive.name in COSTLY

    def settle(self, atom: Atom, shape: Shape | None = None) -> None:
        """Compute what has been waiting in a loop of its own: it is wanted in memory, or in another shape."""
        self.resolve(atom)
        if atom in self._waiting and atom.type.shape != shape:
            waiting = self._waiting.pop(atom)
            self._compute(self.map(waiting.stage, atom.type.shape), waiting.equation)

    def require(self, condition: Var) -> None:
        """The run fails where a condition does not hold."""
        self.settle(condition)
        home = self.maker(condition) or self.map(self.ready(condition), condition.type.shape)
        self.read(home, condition)
        home.required.append(condition)

    def later(self, out: Var, pieces: list[Piece], lower: Callable[[], None]) -> None:
        """A value made of pieces; it is lowered when asked for, unless it has become part of another."""
        self.pieces[out], self._later[out] = pieces, lower

    def resolve(self, atom: Atom) -> None:
        """Lower what has been put off: somebody asks for it."""
        lower = self._later.pop(atom, None) if type(atom) is Var else None
        if lower is not None:
            lower()

    def _homes(self, equation: Equation, shape: Shape) -> list[Map]:
        """The loops that compute an operand and may take the equation: all others are in memory by then."""
        homes = {id(m): m for m in map(self.maker, equation.inputs) if m is not None and m.shape == shape}
        windowed = any(self._is_windowed(atom) for atom in equation.inputs)
        return [
            home
            for home in homes.values()
            if self._may_join(home, equation)
            and self._ready(equation.inputs, home) <= home.stage
            and not (windowed and isinstance(home.parent, Contract))
        ]

    def _is_windowed(self, atom: Atom) -> bool:
        return atom in self._windowed and atom not in self._memory

    def maker(self, atom: Atom) -> Map | None:
        """The loop that computes an operand."""
        self.resolve(atom)
        return self.made.get(atom) if type(atom) is Var else None

    def _ready(self, atoms: Sequence[Atom], home: Map | None = None) -> float:
        """The first stage that may use operands, apart from those that the loop itself computes."""
        return max([1, *(self.ready(a) for a in atoms if home is None or self.maker(a) is not home)])

    def ready(self, atom: Atom) -> float:
        """The first stage that may read an operand from memory, or compute it if it is waiting."""
        if type(atom) is not Var:
            return 1
        self.resolve(atom)
        if atom in self._waiting:
            return self._waiting[atom].stage
        made = self.made.get(atom)
        return (made.stage if made is not None else self._stages.get(atom, 0)) + 1

    def map(self, stage: float, shape: Shape) -> Map:
        """The loop over a shape at a stage that elementwise equations share."""
        key = (stage, shape)
        if key not in self._maps:
            self._maps[key] = Map(stage, shape)
            self.kernels.append(self._maps[key])
        return self._maps[key]

    def read(self, kernel: Map, atom: Atom) -> None:
        """Make an operand available to a loop: computed there, a constant, or read from memory."""
        if self.maker(atom) is kernel or (type(atom) is Literal and uniform(atom) is not None):
            return
        if atom in self._waiting and atom.type.shape == kernel.shape:
            if all(atom not in e.outputs for e in kernel.equations):
                self._compute_here(kernel, self._waiting[atom].equation)
            return
        if atom in kernel.reads or any(atom in e.outputs for e in kernel.equations):
            return
        if atom.type.shape == kernel.shape and self._is_at_hand(atom):
            self._compute_here(kernel, self._cheap[atom])
            return
        find = self.access if isinstance(kernel.parent, Contract) else self.look
        kernel.reads[atom] = find(atom).broadcast(kernel.shape)

    def _is_at_hand(self, atom: Atom) -> bool:
        """Whether a value is computed anew from one in memory, rather than stored beside it."""
        if atom not in self._cheap or atom in self._memory or not atom.type.shape:
            return False
        found = self._sources(atom, MOST_WAITING)
        return len(found) == 1 and None not in found

    def _sources(self, atom: Atom, depth: int) -> set[Var | None]:
        """The values in the arena that few cheap equations lead to a value from; None for anything else."""
        if type(atom) is Literal:
            return set() if uniform(atom) is not None else {None}
        assert type(atom) is Var
        if atom in self._memory:
            return {atom if self._memory[atom].buffer.kind == "arena" else None}
        if atom not in self._cheap or depth == 0:
            return {None}
        operands = self._cheap[atom].inputs
        if any(a.type.shape != atom.type.shape for a in operands if type(a) is Var):
            return {None}
        return set().union(*(self._sources(a, depth - 1) for a in operands))

    # --- memory -------------------------------------------------------------------------------------------

    def access(self, atom: Atom) -> Access:
        """Where a value stands in memory; what a loop computed is stored on demand."""
        if type(atom) is Literal:
            return self._constant(atom)
        assert type(atom) is Var
        self.settle(atom)
        if self._is_windowed(atom):
            target, stage = self.allocate(atom.type), self.ready(atom)
            self.copy(self._windowed[atom], target, stage)
            self.assign(atom, target, stage)
        if atom not in self._memory:
            access = self.target(atom)
            self.made[atom].writes.append(Write(atom, access))
            self._memory[atom] = access
        return self._memory[atom]

    def look(self, atom: Atom) -> Access:
        """How a loop may read a value from memory: perhaps between zeros that are in no memory."""
        self.resolve(atom)
        if type(atom) is Literal and atom not in self._windowed:
            diagonal = diagonal_of(np.asarray(atom.value))
            if diagonal is not None:
                self._windowed[atom] = self._on_diagonal(atom, *diagonal)
        return self._windowed[atom] if self._is_windowed(atom) else self.access(atom)

    def _on_diagonal(self, atom: Literal, number: Any, row: int, column: int, count: int) -> Access:
        """A matrix with one number along a part of a diagonal: a single number that is shown there."""
        shape = atom.type.shape
        one = self._constant(literal(np.asarray(number, atom.type.dtype)))
        along = Window(Access(POSITIONS, shape, (1, -1), column - row), 1)
        ends = Window(Access(POSITIONS, shape, (1, 0), -row), count)
        whole = count == len(np.diagonal(atom.value, column - row))
        return replace(one, shape=shape, strides=(0, 0), windows=(along,) if whole else (along, ends))

    def target(self, var: Var) -> Access:
        """Where a value is to be stored: in an output if that is a way to look at it, else in new memory."""
        return self._wanted.get(var) or self.allocate(var.type, self._hints.get(var))

    def allocate(self, type: Type, strides: Shape | None = None) -> Access:
        """New memory in the arena for a value."""
        buffer = Buffer("arena", _stored(type), type.size)
        self.arena.append(buffer)
        return Access(buffer, type.shape, layout(type) if strides is None else strides)

    def scratch(self, nbytes: int) -> Access:
        """New memory in the arena for the values of a body."""
        return self.allocate(type_for((nbytes,), np.dtype(np.int8)))

    def _constant(self, atom: Literal) -> Access:
        value = np.asarray(atom.value, order="C")
        for i, known in enumerate(self.constants):
            if known is value:
                return whole(Buffer("constant", value.dtype, value.size, i), value.shape)
        self.constants.append(value)
        return whole(Buffer("constant", value.dtype, value.size, len(self.constants) - 1), value.shape)

    def assign(self, var: Var, access: Access, stage: float) -> None:
        """A value stands in memory from the end of a stage on."""
        self._memory[var], self._stages[var] = access, stage

    def show(self, var: Var, access: Access, stage: float) -> None:
        """A value is another way to look at memory, from the end of a stage on."""
        if not access.windows:
            self.assign(var, access, stage)
            return
        self._windowed[var], self._stages[var] = access, stage

    def virtual(self, out: Var, access: Access, stage: float) -> None:
        """A value that is read by another way of looking at memory, in a loop of its shape."""
        kernel = self.map(stage, out.type.shape)
        kernel.reads[out] = access
        self.made[out] = kernel

    def copy(self, source: Access, target: Access, stage: float) -> None:
        """Copy within a loop of its own."""
        kernel = Map(stage, target.shape)
        value = Var(type_for(target.shape, source.dtype))
        kernel.reads[value] = source.broadcast(target.shape)
        kernel.writes.append(Write(value, target))
        self.kernels.append(kernel)

    def put(self, atom: Atom, target: Access) -> float:
        """Write a value where it is wanted, from the loop that computes it if any; the write's stage."""
        self.settle(atom)
        made = self.maker(atom)
        if made is not None and made.shape == target.shape:
            made.writes.append(Write(atom, target))
            return made.stage
        stage = self.ready(atom)
        self.copy(self.look(atom), target, stage)
        return stage

    def row_major(self, atom: Atom) -> tuple[Access, float]:
        """A value as a row-major array, and the first stage that may read it."""
        found, stage = self.access(atom), self.ready(atom)
        if found.is_contiguous():
            return found, stage
        target = self.allocate(atom.type, row_major(atom.type.shape))
        self.copy(found, target, stage)
        return target, stage + 1

    # --- outputs ------------------------------------------------------------------------------------------

    def _target(self, i: int) -> Access:
        shape = self.trace.outputs[i].type.shape
        strides = row_major(shape) if self._output_strides is None else self._output_strides[i]
        return Access(self.outputs[i], shape, strides)

    def _seen_through_views(self) -> Iterator[tuple[Var, Access]]:
        """Values that outputs are views of, each with where it stands if it is written into the output."""
        from wengert.native.planning.table import seen_through

        makers = {v: e for e in self.trace.equations for v in e.outputs}
        for i, atom in enumerate(self.trace.outputs):
            found: tuple[Atom, Access] | None = (atom, self._target(i))
            while found is not None and found[0] in makers:
                root, found = found, seen_through(makers[found[0]], found[1])
                last = found is None or found[0] not in makers
                if last and (root[0] is not atom or root[1].strides == layout(atom.type)):
                    yield root  # type: ignore[misc]

    def see_through(self, equations: Sequence[Equation]) -> None:
        """What views in a composition show is wanted where the views are."""
        from wengert.native.planning.table import seen_through

        for equation in reversed(equations):
            target = self._wanted.get(equation.outputs[0])
            found = None if target is None else seen_through(equation, target)
            if found is not None and isinstance(found[0], Var):
                self._wanted.setdefault(found[0], found[1])

    def _seen_by_what_is_wanted(self) -> Iterator[tuple[Var, Shape]]:
        """Strides of values from which those are computed that are wanted with other axes innermost."""
        found = {v: order_of(access) for v, access in self._wanted.items()}
        orders = {v: order for v, order in found.items() if order != sorted(order)}
        for equation in reversed(self.trace.equations):
            if equation.outputs[0] not in orders or not _keeps_axes(equation):
                continue
            order = orders[equation.outputs[0]]
            for atom in equation.variables():
                if atom.type.ndim == len(order) and atom not in orders:
                    orders[atom] = order
                    yield atom, ordered(atom.type.shape, order)

    def _output(self, i: int, atom: Atom) -> None:
        target = self._target(i)
        self.resolve(atom)
        if self._is_in_place(atom, target):
            return
        if self._stands_alone(atom, target):
            self._let_be_output(i, self.access(atom).buffer)
            return
        self.put(atom, target)
        if type(atom) is Var and atom not in self._memory:
            self._memory[atom] = target

    def _is_in_place(self, atom: Atom, target: Access) -> bool:
        found = self._memory.get(atom) if type(atom) is Var else None
        return found is not None and found.buffer is target.buffer and found.stands_as(target)

    def _stands_alone(self, atom: Atom, target: Access) -> bool:
        """Whether a value has memory of its own that looks like an output, as results of loops have."""
        found = self._memory.get(atom) if type(atom) is Var else None
        if found is None or found.buffer not in self.arena or found.lookups:
            return False
        whole = found.buffer.size == atom.type.size and found.dtype == target.dtype
        return whole and found.stands_as(target)

    def _let_be_output(self, i: int, buffer: Buffer) -> None:
        """Memory of the arena becomes that of an output: nothing need be copied."""
        self.arena.remove(buffer)
        buffer.kind, buffer.index = "output", i
        self.outputs[i] = buffer

    def _overwrites(self, i: int, o: int) -> bool:
        """Whether output o stands in the memory of input i.

        A loop whose state begins as the input, and is read when the output is written, stands there too.
        """
        atom = self.trace.outputs[o]
        if atom is self.trace.inputs[i] or self.trace.outputs.count(atom) > 1:
            return False
        state = self._begins_as(self.inputs[i])
        if state is not None and state.size == self.outputs[o].size and self._takes(self.outputs[o], state):
            self._let_be_output(o, state)
        return self._takes(self.outputs[o], self.inputs[i])

    def _begins_as(self, buffer: Buffer) -> Buffer | None:
        """What in the arena is a copy of all of a buffer at first."""
        pairs = (k.copied() for k in self.kernels if isinstance(k, Map))
        found = (p[1].buffer for p in pairs if p is not None and p[0].buffer is buffer)
        return next((b for b in found if b.kind == "arena" and b.size == buffer.size), None)

    def _takes(self, taker: Buffer, buffer: Buffer) -> bool:
        """Whether the loop that first writes to memory may do so where a buffer is: nobody reads that then.

        The loop is put behind all readers if need be. It may itself read the buffer element by element.
        """
        writers = [k for k, buffers in self._writes.items() if any(b.is_as(taker) for b in buffers)]
        if not writers:
            return False
        writer = min(writers, key=lambda kernel: kernel.stage)
        written = [a for a in writer.writing() if a.buffer.is_as(taker)]
        read = [a for a in writer.elementwise() if a.buffer is buffer]
        if len(written) != 1 or not all(a.stands_as(written[0]) for a in read):
            return False
        looked_up = (look.index for a in writer.elementwise() for look in a.lookups)
        if any(a.buffer is buffer for a in (*writer.wholly(), *looked_up)):
            return False
        return self._moves_behind(writer, buffer, [k for k in writers if k is not writer])

    def _moves_behind(self, writer: Kernel, buffer: Buffer, later: Sequence[Kernel]) -> bool:
        others, read = [k for k in self.kernels if k is not writer], self._reads[writer]
        before = [k for k in others if id(buffer) in self._reads[k] or buffer in self._writes[k]]
        stage = max([writer.stage, *(k.stage + 0.5 for k in before)])
        made = {id(b) for b in self._writes[writer]}
        after = [*later, *(k for k in others if not made.isdisjoint(self._reads[k]))]
        gone = any(id(b) in read and k is not writer and k.stage <= stage for b, k in self._overwritten)
        if gone or any(kernel.stage <= stage for kernel in after):
            return False
        writer.stage = stage
        self._overwritten.append((buffer, writer))
        return True

    def _is_idle(self, kernel: Kernel) -> bool:
        """Whether a loop only copies an input to the output that stands there."""
        pair = kernel.copied() if isinstance(kernel, Map) else None
        if pair is None or pair[0].buffer.kind != "input" or pair[1].buffer.kind != "output":
            return False
        return (pair[0].buffer.index, pair[1].buffer.index) in self.in_place and pair[0].stands_as(pair[1])


def _is_cheap(equation: Equation) -> bool:
    return equation.primitive.name not in COSTLY and not equation.primitive.multiple


def _may_wait(home: Map) -> bool:
    """Whether a loop is nothing yet but a product, or a look at memory."""
    unused = not (home.writes or home.equations or home.reductions)
    return unused and (isinstance(home.parent, Contract) or (home.parent is None and bool(home.reads)))


def literal(value: Any) -> Literal:
    """A constant operand."""
    return Literal(value, type_for(value.shape, value.dtype))


def _stored(type: Type) -> np.dtype[Any]:
    """The dtype in memory of a type that native code knows."""
    if type.dtype.kind not in "fbiu" or type.dtype.itemsize > 8 or type.dtype == np.float16:
        raise Unlowerable(f"a value of {type.dtype}")
    if not type.dtype.isnative:
        raise Unlowerable(f"a value of {type.dtype}")
    return type.dtype


def order_of(access: Access) -> list[int]:
    """Axes from the one with the largest stride to the innermost."""
    return sorted(range(len(access.shape)), key=lambda i: (-abs(access.strides[i]), i))


def ordered(shape: Shape, order: Sequence[int]) -> Shape:
    """Strides without gaps for axes in an order, the last of which is innermost."""
    strides = row_major(tuple(shape[i] for i in order))
    return tuple(strides[order.index(i)] for i in range(len(shape)))


def _keeps_axes(equation: Equation) -> bool:
    """Whether axes of the result are axes of the operands."""
    parts = equation.params.get("index", ())
    return equation.primitive.kind == "elementwise" or (
        equation.primitive.name in ("scatter", "pad")
        and all(isinstance(p, slice) for p in parts if p is not ...)
    )


def layout(type: Type) -> Shape:
    """Strides of a value in the arena: row-major, but the longest axis innermost if the last is short."""
    shape = type.shape
    if len(shape) < 2 or shape[-1] * type.dtype.itemsize >= LINE or 0 in shape:
        return row_major(shape)
    inner = max(range(len(shape)), key=lambda i: (shape[i], i))
    return ordered(shape, [i for i in range(len(shape)) if i != inner] + [inner])


def _place(buffers: Sequence[Buffer], small: int = 0) -> int:
    """Give every buffer its offset in the arena, the largest first; lives apart may share.

    The lives of small ones must be some kernels apart from others.
    """
    placed, end = np.zeros((4, len(buffers) + 1), np.int64), 0
    sizes = sorted(((b.nbytes, b) for b in buffers), key=lambda pair: -pair[0])
    for count, (size, buffer) in enumerate(sizes):
        low, high, first, last = taken = placed[:, :count]
        apart = SPREAD if size <= small else 0
        alive = (first <= buffer.last + apart) & (last >= buffer.first - apart)
        buffer.offset = _first_gap(size, low[alive], high[alive])
        at = low.searchsorted(buffer.offset)
        placed[:, at + 1 : count + 1] = taken[:, at:].copy()
        placed[:, at] = buffer.offset, buffer.offset + size, buffer.first, buffer.last
        end = max(end, buffer.offset + size)
    return end


def _first_gap(size: int, low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> int:
    """The first offset at which so many bytes are free; what is taken is in the order of where it begins."""
    reached = np.zeros(len(low) + 1, np.int64)
    np.maximum.accumulate(high, out=reached[1:])
    gaps = np.flatnonzero(reached[:-1] + size <= low)
    return int(reached[gaps[0] if len(gaps) else -1])


def all_plans(plan: Plan) -> Iterator[Plan]:
    """A plan, and those of the bodies inside it."""
    yield plan
    for kernel in plan.kernels:
        for body in kernel.bodies():
            yield from all_plans(body)
