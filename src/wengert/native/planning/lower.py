r"""How operations become kernels: a table from the name of an operation to what it adds to a plan.

Most operations need no entry: an elementwise one joins a loop. What only looks at memory in another way, as a
transpose or a slice does, :math:`y_{ij} = x_{ji}`, adds an access and no work. What an entry cannot lower
raises `Unlowerable`, and the reference interpreter runs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wengert.core.primitive import REGISTRY
from wengert.core.trace import Atom, Equation, Literal, Type, Var, type_for
from wengert.native.planning.kernels import (
    Access,
    Choice,
    Contract,
    Lookup,
    Map,
    Reduction,
    Repeat,
    Shape,
    While,
    Write,
    one_stride,
    row_major,
    still,
    walking,
)
from wengert.native.planning.plan import Piece, Plan
from wengert.native.planning.unlowerable import Unlowerable
from wengert.ops.indexing import ARRAY

Rule = Callable[[Plan, Equation], None]

# Products up to so many multiplications are loops: the tiles' calls would take longer than they.
SMALL_PRODUCT = 1024
SMALL_FACTOR = 64

LOWER: dict[str, Rule] = {}


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Declare how operations are lowered."""

    def declare(rule: Rule) -> Rule:
        LOWER.update(dict.fromkeys(names, rule))
        return rule

    return declare


def is_elementwise(equation: Equation) -> bool:
    """Whether an equation computes each element from the elements at its place."""
    primitive = equation.primitive
    return primitive.kind == "elementwise" or (primitive.core is not None and not any(primitive.core))


@lowers("convert", "discretise", "item", "stop_gradient", "variable")
def _elementwise(plan: Plan, equation: Equation) -> None:
    plan.element(equation)


# --- reductions ---------------------------------------------------------------------------------------------


@lowers("sum", "prod", "max", "min", "any", "all")
def _reduce(plan: Plan, equation: Equation) -> None:
    (x,), (out,) = equation.inputs, equation.outputs
    axes = equation.params["axis"]
    if 0 in x.type.shape and equation.primitive.name in ("max", "min"):
        raise Unlowerable("an extremum of an empty array")
    if not axes:
        plan.element(Equation(REGISTRY["convert"], (x,), {"dtype": out.type.dtype}, (out,)))
        return
    kernel = plan.maker(x)
    if kernel is None or kernel.parent is not None or (kernel.reductions and kernel.axes != axes):
        kernel = Map(plan.ready(x), x.type.shape)
        plan.kernels.append(kernel)
    plan.read(kernel, x)
    add_reduction(plan, kernel, axes, Reduction(equation.primitive.name, (x,), out))


@lowers("cumsum", "cumprod", "recurrence")
def _accumulate(plan: Plan, equation: Equation) -> None:
    """A reduction of which every step is kept."""
    (x, *_), (out,) = equation.inputs, equation.outputs
    target, stage = plan.target(out), max(map(plan.ready, equation.inputs))
    kernel = Map(stage, x.type.shape, axes=(equation.params["axis"],), closed=True)
    for atom in equation.inputs:
        plan.read(kernel, atom)
    kind = {"cumsum": "sum", "cumprod": "prod"}.get(equation.primitive.name, equation.primitive.name)
    kernel.reductions.append(Reduction(kind, tuple(equation.inputs), out))
    kernel.running.append(Write(out, target))
    plan.kernels.append(kernel)
    plan.assign(out, target, stage)


def add_reduction(plan: Plan, kernel: Map, axes: tuple[int, ...], reduction: Reduction) -> None:
    """Let a loop reduce; what is computed of the result may join its epilogue."""
    kernel.axes = axes
    kernel.reductions.append(reduction)
    plan.made[reduction.out] = kernel.epilogue(reduction.out.type.shape)


# --- views --------------------------------------------------------------------------------------------------


def _view(plan: Plan, equation: Equation, change: Callable[[Access], Access | None]) -> None:
    (x, *_), (out,) = equation.inputs, equation.outputs
    source, stage = plan.look(x), plan.ready(x)
    found = change(source)
    if found is None:
        source, stage = plan.row_major(x)
        found = change(source)
    assert found is not None
    plan.show(out, found, stage - 1)


@lowers("reshape")
def _reshape(plan: Plan, equation: Equation) -> None:
    shape = equation.outputs[0].type.shape
    _view(plan, equation, lambda a: a.reshaped(shape))


@lowers("transpose")
def _transpose(plan: Plan, equation: Equation) -> None:
    axes = equation.params["axes"]
    _view(plan, equation, lambda a: a.transposed(axes))


@lowers("broadcast_to")
def _broadcast_to(plan: Plan, equation: Equation) -> None:
    _view(plan, equation, lambda a: a.broadcast(equation.outputs[0].type.shape))


@lowers("flip")
def _flip(plan: Plan, equation: Equation) -> None:
    def change(a: Access) -> Access:
        n = len(a.shape)
        backwards, whole = slice(None, None, -1), slice(None)
        return a.sliced(tuple(backwards if i - n in equation.params["axes"] else whole for i in range(n)))

    _view(plan, equation, change)


def seen_through(equation: Equation, target: Access) -> tuple[Atom, Access] | None:
    """What an equation looks at in another way, and where that stands if the result stands at a place."""
    change = UNDONE.get(equation.primitive.name)
    found = change(equation, target) if change is not None else None
    return None if found is None else (equation.inputs[0], found)


def _undo_transpose(equation: Equation, target: Access) -> Access:
    axes = equation.params["axes"]
    return target.transposed([axes.index(i) - len(axes) for i in range(-len(axes), 0)])


def _undo_scatter(equation: Equation, target: Access) -> Access | None:
    (ct, *_), (out,) = equation.inputs, equation.outputs
    return target.reshaped(ct.type.shape) if ct.type.size == out.type.size and _is_window(equation) else None


def _undo_getitem(equation: Equation, target: Access) -> Access | None:
    (x, *_), (out,) = equation.inputs, equation.outputs
    steps = {part.step for part in equation.params["index"] if isinstance(part, slice)}
    all_in_order = x.type.size == out.type.size and _is_basic(equation) and steps <= {None, 1}
    return target.reshaped(x.type.shape) if all_in_order else None


UNDONE: dict[str, Callable[[Equation, Access], Access | None]] = {
    "reshape": lambda equation, target: target.reshaped(equation.inputs[0].type.shape),
    "transpose": _undo_transpose,
    "scatter": _undo_scatter,
    "getitem": _undo_getitem,
}


# --- indices ------------------------------------------------------------------------------------------------


def _is_basic(equation: Equation) -> bool:
    return all(part is not ARRAY for part in equation.params["index"])


@lowers("getitem")
def _getitem(plan: Plan, equation: Equation) -> None:
    index = equation.params["index"][1:]
    if _is_basic(equation):
        _view(plan, equation, lambda a: a.sliced(index))
        return
    x, *arrays = equation.inputs
    found = _looked_up(plan, plan.access(x), index, arrays)
    plan.virtual(equation.outputs[0], found, max(map(plan.ready, equation.inputs)))


def _looked_up(plan: Plan, x: Access, index: tuple[Any, ...], arrays: Sequence[Atom]) -> Access:
    """An index with arrays as an access with lookups: their axes stand where the first does, or in front."""
    positions = [i for i, part in enumerate(index) if part is ARRAY or type(part) is int]
    apart = any(part is not ARRAY and type(part) is not int for part in index[positions[0] : positions[-1]])
    rest = iter(arrays)
    basic = x.sliced(tuple(slice(None) if part is ARRAY else part for part in index))
    lead = len(x.shape) - sum(part is not None for part in index)
    shape = np.broadcast_shapes(*(a.type.shape for a in arrays))
    before: list[tuple[int, int]] = list(zip(basic.shape[:lead], basic.strides[:lead], strict=True))
    after: list[tuple[int, int]] = []
    axis, taken, seen = lead, [], False
    for part in index:
        if part is ARRAY:
            taken.append((next(rest), basic.shape[axis], basic.strides[axis]))
            seen = True
        elif type(part) is not int:
            (after if seen else before).append((basic.shape[axis], basic.strides[axis]))
        else:
            seen = True
            continue
        axis += 1
    if apart:
        before, after = [], before + after
    full = (*(n for n, _ in before), *shape, *(n for n, _ in after))
    strides = (*(s for _, s in before), *(0 for _ in shape), *(s for _, s in after))
    lookups = tuple(
        Lookup(_positions(plan, atom, shape, len(after)).broadcast(full), n, s) for atom, n, s in taken
    )
    return replace(basic, shape=full, strides=strides, lookups=lookups)


def _positions(plan: Plan, atom: Atom, shape: Shape, behind: int) -> Access:
    """An index array with axes of length 1 for the slices behind it."""
    if atom.type.dtype.kind not in "iu":
        raise Unlowerable("an index that is not of whole numbers")
    found = plan.access(atom).broadcast(shape)
    return found.view((*found.shape, *(1,) * behind), (*found.strides, *(0,) * behind))


def zero(type: Type) -> Literal:
    """The number 0 of a dtype."""
    return Literal(type.dtype.type(0), type_for((), type.dtype))


def filled(plan: Plan, out: Var, value: Atom) -> tuple[Access, float]:
    """New memory for a result that holds a value already, and the stage that may write into it."""
    target, source, stage = plan.allocate(out.type), plan.access(value), plan.ready(value)
    plan.copy(source, target, stage)
    return target, stage + 1


def _written(plan: Plan, place: Access, value: Atom, stage: float, add: bool) -> float:
    """Write a value into part of a result. The stage at which that happens."""
    plan.settle(value, place.shape)
    stage = max(stage, plan.ready(value))
    kernel = Map(stage, place.shape)
    kernel.writes.append(Write(value, place, add))
    plan.read(kernel, value)
    plan.kernels.append(kernel)
    return stage


def _place_of(plan: Plan, target: Access, equation: Equation, arrays: Sequence[Atom]) -> Access:
    index = equation.params["index"][1:]
    return target.sliced(index) if not arrays else _looked_up(plan, target, index, arrays)


@lowers("scatter")
def _scatter(plan: Plan, equation: Equation) -> None:
    (ct, *arrays), (out,) = equation.inputs, equation.outputs
    if _is_window(equation):
        index = equation.params["index"][1:]
        look = lambda: _view(plan, equation, lambda a: _put_back(a, index, out.type.shape))
        plan.later(out, [Piece(ct, index)], look)
        return
    target, stage = filled(plan, out, zero(out.type))
    place = _place_of(plan, target, equation, arrays)
    stage = max([stage, *map(plan.ready, arrays)])
    plan.assign(out, target, _written(plan, place, ct, stage, add=bool(arrays)))


def _is_window(equation: Equation) -> bool:
    """Whether what is scattered stays together, so that the rest can be read as zeros around it."""
    steps = {part.step for part in equation.params["index"] if isinstance(part, slice)}
    return _is_basic(equation) and bool(equation.inputs[0].type.size) and steps <= {None, 1, -1}


def _put_back(a: Access, index: tuple[Any, ...], shape: Shape) -> Access:
    """An array of a shape that is zero but where a basic index takes an array from."""
    lead = len(shape) - sum(part is not None for part in index)
    slices = iter(range(lead, len(a.shape)))
    taken: list[Any] = [slice(None)] * lead
    starts = [0] * lead
    for part in index:
        if part is None:
            taken.append(0)
            next(slices)
            continue
        n = shape[len(starts)]
        if isinstance(part, slice):
            start, _, step = part.indices(n)
            taken.append(slice(None, None, step))
            count = a.shape[next(slices)]
            starts.append(start if step > 0 else start - count + 1)
        else:
            taken.append(None)
            starts.append(part % n)
    found = a.sliced(tuple(taken))
    for axis, (start, n) in enumerate(zip(starts, shape, strict=True)):
        found = found.between(axis, start, n)
    return found


@lowers("add")
def _add(plan: Plan, equation: Equation) -> None:
    """A sum of arrays that are zero where the other one is not is put together of their pieces."""
    (a, b), (out,) = equation.inputs, equation.outputs
    pieces = [*plan.pieces.get(a, ()), *plan.pieces.get(b, ())]
    if a in plan.pieces and b in plan.pieces and _are_apart(pieces, out.type.shape):
        plan.later(out, pieces, lambda: _put_together(plan, equation, pieces))
    else:
        plan.element(equation)


def _put_together(plan: Plan, equation: Equation, pieces: Sequence[Piece]) -> None:
    """Write every piece where it belongs, if nothing is left between them. Adding a zero makes -0.0 a 0.0."""
    (out,) = equation.outputs
    if sum(piece.value.type.size for piece in pieces) != out.type.size:
        plan.element(equation)
        return
    target, stage = plan.target(out), 1.0
    for value, index in pieces:
        part = Var(value.type)
        plan.element(Equation(equation.primitive, (value, zero(value.type)), {}, (part,)))
        place = target.sliced(index).reshaped(value.type.shape)
        assert place is not None
        stage = max(stage, plan.put(part, place))
    plan.assign(out, target, stage)


def _are_apart(pieces: Sequence[Piece], shape: Shape) -> bool:
    """Whether no two pieces have an element in common."""
    boxes = [_box(piece.place, shape) for piece in pieces]
    return all(
        any(p.stop <= q.start or q.stop <= p.start for p, q in zip(one, other, strict=True))
        for one, other in itertools.combinations(boxes, 2)
    )


def _box(index: tuple[Any, ...], shape: Shape) -> list[range]:
    """The part of every axis that a basic index with steps of 1 or -1 takes."""
    parts = [part for part in index if part is not None]
    full = [slice(None)] * (len(shape) - len(parts)) + parts
    found = [range(n)[_as_slice(part, n)] for part, n in zip(full, shape, strict=True)]
    return [r if r.step > 0 else r[::-1] for r in found]


def _as_slice(part: Any, n: int) -> slice:
    return part if isinstance(part, slice) else slice(part % n, part % n + 1)


@lowers("setitem")
def _setitem(plan: Plan, equation: Equation) -> None:
    (x, value, *arrays), (out,) = equation.inputs, equation.outputs
    target, stage = filled(plan, out, x)
    place = _place_of(plan, target, equation, arrays)
    stage = max([stage, *map(plan.ready, arrays)])
    plan.assign(out, target, _written(plan, place, value, stage, add=False))


# --- joining, padding and turning ---------------------------------------------------------------------------


@lowers("concatenate", "stack")
def _join(plan: Plan, equation: Equation) -> None:
    (out,) = equation.outputs
    target = plan.target(out)
    axis, start, stage = equation.params["axis"] + out.type.ndim, 0, 1.0
    after = (slice(None),) * (out.type.ndim - axis - 1)
    for atom in equation.inputs:
        stacked = equation.primitive.name == "stack"
        n = 1 if stacked else atom.type.shape[axis]
        part: Any = start if stacked else slice(start, start + n)
        stage = max(stage, plan.put(atom, target.sliced((*(slice(None),) * axis, part, *after))))
        start += n
    plan.assign(out, target, stage)


@lowers("pad")
def _pad(plan: Plan, equation: Equation) -> None:
    (x,), (out,) = equation.inputs, equation.outputs
    if not x.type.size:
        target, stage = filled(plan, out, zero(out.type))
        plan.assign(out, target, stage - 1)
        return
    widths, shape = equation.params["widths"], out.type.shape
    inner = tuple(slice(low, n - high) for (low, high), n in zip(widths, shape[-len(widths) :], strict=True))
    look = lambda: _view(plan, equation, lambda a: _put_back(a, inner, shape))
    plan.later(out, [Piece(x, inner)], look)


@lowers("roll")
def _roll(plan: Plan, equation: Equation) -> None:
    """Blocks change places: along every axis what stands behind a cut comes before what is in front of it."""
    (x,), (out,) = equation.inputs, equation.outputs
    source, target, stage = plan.access(x), plan.target(out), plan.ready(x)
    for block in itertools.product(*_turns(x.type.shape, equation.params)):
        places, found = zip(*block, strict=True) if block else ((), ())
        plan.copy(source.sliced(found), target.sliced(places), stage)
    plan.assign(out, target, stage)


def _turns(shape: Shape, params: Mapping[str, Any]) -> list[list[tuple[slice, slice]]]:
    """For every axis pairs of where a part goes and where it stood."""
    shifts = [0] * len(shape)
    for axis, shift in zip(params["axes"], params["shift"], strict=True):
        shifts[axis] += shift
    pairs = []
    for n, shift in zip(shape, shifts, strict=True):
        cut = shift % n if n else 0
        parts = [(slice(cut, n), slice(0, n - cut)), (slice(0, cut), slice(n - cut, n))]
        pairs.append(parts if cut else parts[:1])
    return pairs


# --- loops and branches -------------------------------------------------------------------------------------


def in_memory(plan: Plan, atoms: Sequence[Atom]) -> tuple[list[Access], float]:
    """Operands in memory, and the stage that may read all of them."""
    accesses = [plan.access(atom) for atom in atoms]
    return accesses, max([1.0, *map(plan.ready, atoms)])


def _results(plan: Plan, variables: Sequence[Var], stage: float) -> list[Access]:
    """New memory for the results of a loop."""
    targets = [plan.allocate(v.type, row_major(v.type.shape)) for v in variables]
    for var, target in zip(variables, targets, strict=True):
        plan.assign(var, target, stage)
    return targets


def _state(
    plan: Plan, start: Sequence[Access], variables: Sequence[Var], stage: float
) -> tuple[list[Access], float]:
    """Memory for the carries, with what they start from in it."""
    state = [plan.allocate(v.type) for v in variables]
    for source, current in zip(start, state, strict=True):
        plan.copy(source, current, stage)
    for var, current in zip(variables, state, strict=True):
        plan.assign(var, current, stage + 1)
    return state, stage + 1


def _strides(accesses: Sequence[Access]) -> list[Shape]:
    return [access.strides for access in accesses]


def _rows(accesses: Sequence[Access]) -> list[Shape]:
    return [access.strides[1:] for access in accesses]


def _by_rows(
    plan: Plan, atoms: Sequence[Atom], constants: Sequence[Access], stage: float
) -> tuple[list[Access], float]:
    """Constants of a loop; those without neighbours in their rows are copied, or products would each time."""
    found = []
    for atom, access in zip(atoms, constants, strict=True):
        if access.strides and access.strides[-1] != 1 and 0 not in access.strides:
            access, ready = plan.row_major(atom)
            stage = max(stage, ready)
        found.append(access)
    return found, stage


def _next_state(
    plan: Plan, body: Plan, state: Sequence[Access], first: int
) -> tuple[list[Access], list[tuple[Access, Access]]]:
    """Where a body writes new carries: over the current ones, or beside them to be copied afterwards."""
    safe = {o for _, o in body.in_place}
    following = [a if o in safe else plan.allocate(type_of(a), a.strides) for o, a in enumerate(state)]
    return following, [(new, now) for new, now in zip(following, state, strict=True) if new is not now]


def type_of(access: Access) -> Type:
    """The type of what is read by an access."""
    return type_for(access.shape, access.dtype)


@lowers("scan")
def _scan(plan: Plan, equation: Equation) -> None:
    params, trace = equation.params, equation.params["body"]
    consts, carry, outputs = params["consts"], params["carry"], len(trace.outputs)
    operands, stage = in_memory(plan, equation.inputs)
    constants, start, xs = operands[:consts], operands[consts : consts + carry], operands[consts + carry :]
    constants, stage = _by_rows(plan, equation.inputs[:consts], constants, stage)
    state, stage = _state(plan, start, equation.outputs[:carry], stage)
    ys = _results(plan, equation.outputs[carry:], stage)
    body = Plan(
        trace,
        plan.constants,
        [*_strides(constants), *_strides(state), *_rows(xs)],
        [*_strides(state), *_rows(ys[: outputs - carry])],
        [(consts + i, i) for i in range(carry)],
    )
    following, carries = _next_state(plan, body, state, consts)
    histories = list(zip(walking(ys[outputs - carry :]), state, strict=False))
    inputs = [*still(constants), *still(state), *walking(xs)]
    results = [*still(following), *walking(ys[: outputs - carry])]
    written = [*results, *still(state), *(stream for stream, _ in histories)]
    plan.kernels.append(
        Repeat(
            stage, plan.scratch(body.shared_bytes), inputs, written, params["length"], params["reverse"],
            body, inputs, results, carries, histories,
        )
    )  # fmt: skip


@lowers("while_loop")
def _while(plan: Plan, equation: Equation) -> None:
    params = equation.params
    tests, steps = params["tests"], params["steps"]
    operands, stage = in_memory(plan, equation.inputs)
    for_test, for_step = operands[:tests], operands[tests : tests + steps]
    state, stage = _state(plan, operands[tests + steps :], equation.outputs, stage)
    test = Plan(params["test"], plan.constants, [*_strides(for_test), *_strides(state)])
    body = Plan(
        params["step"],
        plan.constants,
        [*_strides(for_step), *_strides(state)],
        _strides(state),
        [(steps + i, i) for i in range(len(state))],
    )
    following, carries = _next_state(plan, body, state, steps)
    answer = plan.allocate(type_for((), np.dtype(bool)))
    test_inputs, inputs = still([*for_test, *state]), still([*for_step, *state])
    plan.kernels.append(
        While(
            stage, plan.scratch(max(test.shared_bytes, body.shared_bytes)), [*test_inputs, *inputs],
            still([*following, *state, answer]), test, body, test_inputs, inputs, answer, still(following),
            carries,
        )
    )  # fmt: skip


@lowers("cond")
def _cond(plan: Plan, equation: Equation) -> None:
    params = equation.params
    yeses, nos = params["yeses"], params["nos"]
    (predicate, *operands), stage = in_memory(plan, equation.inputs)
    shared = operands[yeses + nos :]
    given = ([*operands[:yeses], *shared], [*operands[yeses : yeses + nos], *shared])
    results = _results(plan, equation.outputs, stage)
    yes, no = (
        Plan(params[name], plan.constants, _strides(accesses), _strides(results))
        for name, accesses in zip(("yes", "no"), given, strict=True)
    )
    arena = plan.scratch(max(yes.shared_bytes, no.shared_bytes))
    reads = still([predicate, *given[0], *given[1]])
    inputs = (still(given[0]), still(given[1]))
    plan.kernels.append(Choice(stage, arena, reads, still(results), predicate, (yes, no), inputs))


@lowers("checkpoint")
def _checkpoint(plan: Plan, equation: Equation) -> None:
    """A loop of one round: its inner values live no longer than it."""
    operands, stage = in_memory(plan, equation.inputs)
    results = _results(plan, equation.outputs, stage)
    body = Plan(equation.params["body"], plan.constants, _strides(operands), _strides(results))
    inputs, outputs = still(operands), still(results)
    arena = plan.scratch(body.shared_bytes)
    plan.kernels.append(Repeat(stage, arena, inputs, outputs, 1, False, body, inputs, outputs, [], []))


# --- products -----------------------------------------------------------------------------------------------


def _extended(a: Access, axis: int) -> Access:
    """An axis of length 1 put in."""
    axis %= len(a.shape) + 1
    shape = (*a.shape[:axis], 1, *a.shape[axis:])
    return a.view(shape, (*a.strides[:axis], 0, *a.strides[axis:]))


@lowers("matmul")
def _matmul(plan: Plan, equation: Equation) -> None:
    a, b = map(plan.access, equation.inputs)
    _contract(plan, equation, a, b, ())


@lowers("matvec")
def _matvec(plan: Plan, equation: Equation) -> None:
    a, v = map(plan.access, equation.inputs)
    _contract(plan, equation, a, _extended(v, -1), (-1,))


@lowers("vecdot")
def _vecdot(plan: Plan, equation: Equation) -> None:
    a, b = map(plan.access, equation.inputs)
    _contract(plan, equation, _extended(a, -2), _extended(b, -1), (-2, -1))


def _contract(plan: Plan, equation: Equation, a: Access, b: Access, lost: tuple[int, ...]) -> None:
    """A product of matrices, whose axes of length 1 that the result does not have are ``lost``."""
    (x, y), (out,) = equation.inputs, equation.outputs
    stage = max(plan.ready(x), plan.ready(y))
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    (m, k), n = a.shape[-2:], b.shape[-1]
    a, b = a.broadcast((*lead, m, k)), b.broadcast((*lead, k, n))
    if not is_product(equation, m * n * k, lead):
        _contract_in_loop(plan, out, stage, a, b, lost)
        return
    (a, ready), (b, other) = (_as_factor(plan, factor, stage) for factor in (a, b))
    stage = max(ready, other)
    result = Map(stage, out.type.shape, closed=bool(lead) and _steps(lead) > 1)
    kernel = Contract(stage, out, a, b, result)
    result.parent = kernel
    plan.kernels.append(kernel)
    plan.made[out] = result


def _as_factor(plan: Plan, factor: Access, stage: float) -> tuple[Access, float]:
    """A factor as the tiles can read it, copied if need be, and the stage that may read it.

    Its batch axes must be one when walked through, and in its rows or in its columns numbers must be
    neighbours.
    """
    axes = zip(factor.shape[-2:], factor.strides[-2:], strict=True)
    if one_stride(factor.shape[:-2], factor.strides) is not None and (
        any(n > 1 and s == 1 for n, s in axes) or factor.shape[-2:] == (1, 1)
    ):
        return factor, stage
    target = plan.allocate(type_of(factor), row_major(factor.shape))
    plan.copy(factor, target, stage)
    return target, stage + 1


def _steps(lead: Shape) -> int:
    return int(np.prod(lead, dtype=np.int64))


def is_product(equation: Equation, size: int, lead: Shape) -> bool:
    """Whether a product of so many multiplications for each matrix of a batch is left to the tiles."""
    dtypes = {atom.type.dtype for atom in (*equation.inputs, *equation.outputs)}
    real = len(dtypes) == 1 and dtypes.pop() in (np.float32, np.float64)
    return real and size > SMALL_FACTOR and size * _steps(lead) > SMALL_PRODUCT


def _contract_in_loop(
    plan: Plan, out: Var, stage: float, a: Access, b: Access, lost: tuple[int, ...]
) -> None:
    """A small product as a loop over rows, columns and what is summed."""
    *lead, m, k = a.shape
    n = b.shape[-1]
    shape = (*lead, m, n, k)
    wide_a = a.view(shape, (*a.strides[:-1], 0, a.strides[-1]))
    wide_b = b.view(shape, (*b.strides[:-2], 0, b.strides[-1], b.strides[-2]))
    kept = tuple(i for i in range(-len(shape), -1) if i + 1 not in lost)
    shape = tuple(shape[i] for i in (*kept, -1))
    first, second = (
        access.view(shape, tuple(access.strides[i] for i in (*kept, -1))) for access in (wide_a, wide_b)
    )
    x, y = Var(type_for(shape, a.dtype)), Var(type_for(shape, b.dtype))
    kernel = Map(stage, shape, reads={x: first, y: second})
    plan.kernels.append(kernel)
    add_reduction(plan, kernel, (-1,), Reduction("dot", (x, y), out))
