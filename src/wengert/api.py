r"""The transformations: ``grad``, ``jvp``, ``vjp``, ``jacobian``, ``hessian``, ``hvp``, ``vmap``, ...

Each takes a function written in ordinary NumPy and gives another function. All rest on one act, recording the
function's evaluation trace, and on two passes over it: tangents forwards, adjoints backwards.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert import ops
from wengert.core import tree
from wengert.core.primitive import FUNCTIONS
from wengert.core.recorder import Recorder, Tracer, bind, type_of
from wengert.core.recording import Recording, own_all, record
from wengert.core.trace import Equation, Trace, Type, Var
from wengert.errors import DerivativeError, GradientMismatch, MismatchError, at_user_line
from wengert.native.calling.call import compiled
from wengert.transforms.adjoint import Adjoints, pull, strong
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.tangent import push, zeros

if TYPE_CHECKING:
    from wengert.tables import EvaluationTrace
    from wengert.transforms.counting import Cost

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


# --- arguments as leaves ------------------------------------------------------------------------------


class _Selection:
    """The arguments that a derivative is taken with respect to, as flat leaves."""

    __slots__ = ("args", "counts", "kwargs", "leaves", "places", "structures")

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any], places: Sequence[int]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.places = places
        self.leaves: list[Any] = []
        self.structures: list[Any] = []
        self.counts: list[int] = []
        for place in places:
            leaves, structure = tree.flatten(args[place])
            self.leaves.extend(leaves)
            self.structures.append(structure)
            self.counts.append(len(leaves))

    def call(self, f: Function, tracers: Sequence[Any]) -> Any:
        """Call f with tracers in place of the leaves."""
        args = list(self.args)
        for place, argument in zip(self.places, self.restore(tracers), strict=True):
            args[place] = argument
        return f(*args, **self.kwargs)

    def restore(self, leaves: Sequence[Any]) -> list[Any]:
        """One tree for each selected argument."""
        if len(self.counts) == 1:
            return [tree.unflatten(self.structures[0], leaves)]
        found, start = [], 0
        for count, structure in zip(self.counts, self.structures, strict=True):
            found.append(tree.unflatten(structure, leaves[start : start + count]))
            start += count
        return found


def _select(args: Sequence[Any], kwargs: dict[str, Any], argnums: Argnums, name: str) -> _Selection:
    places = argnums if isinstance(argnums, tuple | list) else (argnums,)
    for place in places:
        if not isinstance(place, int | np.integer):
            raise TypeError(
                at_user_line(f"{name} got argnums={argnums!r}. Give the places of arguments: 0, or (0, 1).")
            )
        if not -len(args) <= place < len(args):
            raise TypeError(
                at_user_line(
                    f"{name} was asked for argument {place}, but the call has {len(args)} positional "
                    "arguments. Pass the arguments to differentiate by position, or change argnums."
                )
            )
    chosen = [place % len(args) for place in places]
    if len(set(chosen)) < len(chosen):
        raise ValueError(
            at_user_line(f"{name} got argnums={argnums}, where an argument occurs twice. Name each once.")
        )
    selection = _Selection(args, kwargs, chosen)
    _check_inexact(selection, name)
    return selection


def _check_inexact(selection: _Selection, name: str) -> None:
    for i, leaf in enumerate(selection.leaves):
        kind = _kind(leaf)
        if kind is None or kind not in "fc":
            where = _leaf_name(selection, i)
            what = f"{type_of(leaf)}" if kind is not None else f"a {type(leaf).__name__}"
            raise DerivativeError(
                at_user_line(
                    f"{name} with respect to {where}, which is {what}: derivatives need floating-point "
                    "numbers. Convert it with float(x) or x.astype(float), leave it out of argnums, or (in a "
                    'dataclass) declare it with field(metadata={"static": True}).'
                )
            )


_PYTHON_KINDS = {float: "f", complex: "c", int: "i", bool: "b"}


def _kind(leaf: Any) -> str | None:
    found = _PYTHON_KINDS.get(type(leaf))
    if found is None and isinstance(getattr(leaf, "dtype", None), np.dtype):
        return str(leaf.dtype.kind)
    return found


def _leaf_name(selection: _Selection, i: int) -> str:
    for place, count in zip(selection.places, selection.counts, strict=True):
        if i < count:
            return f"argument {place}{tree.paths(selection.args[place])[i]}"
        i -= count
    raise IndexError(i)


def _named(f: Function, wrapped: Function) -> Function:
    functools.update_wrapper(wrapped, f, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    return wrapped


# --- reverse mode -------------------------------------------------------------------------------------


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    r"""The gradient of a scalar-valued function.

    .. math:: \nabla f(x)_i = \frac{\partial f}{\partial x_i}

    One recording of f and one backward pass (reverse mode), whatever the size of x.

    Parameters
    ----------
    f : callable
        Takes trees of numbers and NumPy arrays and gives one floating-point number; with ``has_aux`` a pair
        ``(number, anything)``.
    argnums : int or tuple of int
        The positional arguments to differentiate. A tuple gives a tuple of gradients.
    has_aux : bool
        Whether f also returns something that is passed through: the result is then ``(gradient, aux)``.

    Returns
    -------
    callable
        Takes f's arguments and gives the gradient, a tree like the argument: same shapes, same dtypes
        (denominator layout).

    Raises
    ------
    TypeError
        Where the argument is not of floating point, or the value is not a real scalar.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.2.2.
    """
    both = value_and_grad(f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return _named(f, gradient)


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    r"""The value and the gradient of a scalar-valued function, from one recording.

    .. math:: x \mapsto \bigl(f(x),\ \nabla f(x)\bigr)

    Parameters
    ----------
    f, argnums, has_aux
        As in `grad`.

    Returns
    -------
    callable
        Gives ``(value, gradient)``, or ``((value, aux), gradient)`` with ``has_aux``; the gradient
        is a tree like the argument, with its shapes and dtypes.

    Raises
    ------
    TypeError
        Where the argument is not of floating point, or the value is not a real scalar.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0)
    (10.0, (np.float64(5.0), np.float64(2.0)))
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        selection = _select(args, kwargs, argnums, "grad")
        recording = record(f, selection.leaves, selection.call)
        value, output = _scalar_output(recording, has_aux, selection.leaves)
        gradients = _pull_back(recording, [output], [_one(output)], recording.recorder.unwind())
        recording.recorder.close()
        results = selection.restore(own_all(gradients, selection.leaves))
        return value, tuple(results) if isinstance(argnums, tuple | list) else results[0]

    return _named(f, both)


def _scalar_output(recording: Recording, has_aux: bool, inputs: Sequence[Any]) -> tuple[Any, Any]:
    """The value (with aux, where there is one) and the output that is differentiated."""
    result = recording.result(inputs)
    value = _split_aux(result)[0] if has_aux else result
    if len(recording.outputs) == 0 or not tree.is_leaf(value):
        raise DerivativeError(
            at_user_line(
                f"grad needs a function that gives one number, and it gave a {type(value).__name__}. Return "
                "one number; for extra results return (number, extras) and say has_aux=True; for several "
                "outputs use wg.jacobian."
            )
        )
    _check_scalar(value)
    return result, recording.outputs[0]


def _split_aux(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise DerivativeError(
            at_user_line(
                "has_aux=True needs a function that returns a pair (number, aux), and it returned something "
                "else."
            )
        )
    return result[0], result[1]


def _check_scalar(value: Any) -> None:
    kind = _kind(value)
    if kind is None or kind != "f":
        what = type_of(value) if kind is not None else f"a {type(value).__name__}"
        hint = {"c": "Return a real number such as np.real(z) or np.abs(z).", None: "Return a number."}.get(
            kind, "Return a floating-point number, for example with 1.0 * x."
        )
        raise DerivativeError(
            at_user_line(f"grad needs a real floating-point value, and the function gave {what}. {hint}")
        )
    shape = np.shape(value)
    if shape:
        size = int(np.prod(shape))
        hint = "Write y[0] or y.item()." if size == 1 else "Write np.sum(y), or use wg.jacobian."
        raise DerivativeError(
            at_user_line(
                f"grad needs a function that gives one number, and it gave an array of shape {shape}. {hint}"
            )
        )


def _one(output: Any) -> Any:
    return type_of(output).dtype.type(1)


def _pull_back(
    recording: Recording, outputs: Sequence[Any], seeds: Sequence[Any], backwards: Iterable[Equation]
) -> list[Any]:
    """The adjoints of the inputs, zeros where an output does not depend on them."""
    adjoints = Adjoints()
    for output, seed in zip(outputs, seeds, strict=True):
        if recording.is_traced(output) and output.type.inexact:
            adjoints.add(output.variable, seed)
    pull(backwards, recording.recorder.env, adjoints)
    return [adjoints[var] if var in adjoints else zeros(var.type) for var in recording.inputs]


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    r"""The value of a function and its pullback, the product of a cotangent with the Jacobian.

    .. math:: \mathrm{pullback}(c) = c^T J,\qquad \bar x_i=\sum_k c_k\frac{\partial y_k}{\partial x_i}

    Parameters
    ----------
    f : callable
        Any function of trees of floating-point numbers and arrays.
    *primals
        Where to evaluate it.
    has_aux : bool
        Whether f gives ``(value, aux)``; the result is then ``(value, pullback, aux)``.

    Returns
    -------
    value, pullback
        ``pullback(cotangent)``, for a cotangent like the value, gives a tuple with one tree for each primal.
        It may be called any number of times.

    Raises
    ------
    TypeError
        Where primals are not of floating point, or the cotangent's tree, shape or dtype is not the value's.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> y, pullback = wg.vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([  1., -10.]),)
    """
    selection = _select(primals, {}, tuple(range(len(primals))), "vjp")
    selection.leaves = [leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in selection.leaves]
    recording = record(f, selection.leaves, selection.call)
    recording.recorder.keep()
    result = recording.result(kept=True)
    count = len(recording.outputs)
    if has_aux:
        result, aux = _split_aux(result)
        count = len(tree.flatten(result)[0])
    outputs, structure = recording.outputs[:count], tree.flatten(result)[1]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        seeds = _like(cotangent, structure, [type_of(o) for o in outputs], "cotangent", "value")
        gradients = _pull_back(recording, outputs, seeds, reversed(recording.recorder.equations))
        return tuple(selection.restore(own_all(gradients, (*selection.leaves, *seeds))))

    return (result, pullback, aux) if has_aux else (result, pullback)


def _like(given: Any, structure: Any, types: Sequence[Type], what: str, of: str) -> list[Any]:
    """The leaves of a tangent or cotangent, checked against its primal's."""
    leaves, found = tree.flatten(given)
    if not tree.same_structure(found, structure):
        raise MismatchError(
            at_user_line(
                f"the tree of the {what} ({found}) is not that of the {of} ({structure}). Give a {what} like "
                f"the {of}."
            )
        )
    return [_leaf_like(leaf, type, what, of) for leaf, type in zip(leaves, types, strict=True)]


def _leaf_like(leaf: Any, type: Type, what: str, of: str) -> Any:
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]
    if isinstance(leaf, Tracer) and leaf.type.weak:
        leaf = FUNCTIONS[np.astype](leaf, leaf.type.dtype)  # rules meet NumPy numbers
    if leaf.shape != type.shape:
        raise MismatchError(
            at_user_line(
                f"the shape of the {what} is {leaf.shape}, and that of the {of} {type.shape}. Give a {what} "
                f"like the {of}."
            )
        )
    if leaf.dtype == type.dtype or not type.inexact:
        return leaf
    if leaf.dtype.kind == "c" and type.dtype.kind != "c":
        raise MismatchError(
            at_user_line(f"the {what} is complex and the {of} is {type}. Give a real {what}.")
        )
    return leaf.astype(type.dtype)


# --- forward mode -------------------------------------------------------------------------------------


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    r"""The value of a function and the product of its Jacobian with a tangent, from one forward pass.

    .. math:: \dot y = J\dot x,\qquad \dot y_k=\sum_i\frac{\partial y_k}{\partial x_i}\dot x_i

    Parameters
    ----------
    f : callable
        Any function of trees of floating-point numbers and arrays.
    primals, tangents : tuple or list
        The arguments, and one tangent like each of them.
    has_aux : bool
        Whether f gives ``(value, aux)``; the result is then ``(value, tangent, aux)``.

    Returns
    -------
    value, tangent
        The tangent is a tree like the value.

    Raises
    ------
    TypeError
        Where primals are not of floating point, or a tangent's tree, shape or dtype is not its primal's.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jvp(lambda x: x**2, (3.0,), (1.0,))
    (9.0, np.float64(6.0))

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.2.1.
    """
    primals = _as_tuple(primals, "primals")
    selection = _select(primals, {}, tuple(range(len(primals))), "jvp")
    seeds = _tangent_leaves(selection, _as_tuple(tangents, "tangents"))
    recording = record(f, selection.leaves, selection.call)
    env: dict[Var, Any] = dict(zip(recording.inputs, seeds, strict=True))
    push(recording.recorder.equations, recording.recorder.env, env)
    result = recording.result(selection.leaves)
    moved = own_all([_tangent_of(recording, env, o) for o in recording.outputs], seeds)
    recording.recorder.close()
    tangent = tree.unflatten(recording.structure, moved)
    if not has_aux:
        return result, tangent
    (value, aux), (value_tangent, _) = _split_aux(result), _split_aux(tangent)
    return value, value_tangent, aux


def _as_tuple(given: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(given, tuple | list):
        raise MismatchError(
            at_user_line(
                f"{name} must be a tuple, one for each argument. Write ({name},) around a single one."
            )
        )
    return tuple(given)


def _tangent_leaves(selection: _Selection, tangents: tuple[Any, ...]) -> list[Any]:
    if len(tangents) != len(selection.structures):
        raise MismatchError(
            at_user_line(f"there are {len(selection.structures)} primals and {len(tangents)} tangents.")
        )
    seeds, start = [], 0
    for tangent, structure, count in zip(tangents, selection.structures, selection.counts, strict=True):
        types = [type_of(leaf) for leaf in selection.leaves[start : start + count]]
        seeds.extend(_like(tangent, structure, types, "tangent", "primal"))
        start += count
    return seeds


def _tangent_of(recording: Recording, env: dict[Var, Any], output: Any) -> Any:
    if recording.is_traced(output) and output.variable in env:
        return env[output.variable]
    return zeros(type_of(output)) if _kind(output) is not None else output


def hvp(f: Function, primals: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    r"""The product of the Hessian with a vector, in a small multiple of the cost of f: forward over reverse.

    .. math:: Hv = \frac{d}{dr}\,\nabla f(x+rv)\Big|_{r=0}

    Parameters
    ----------
    f : callable
        Scalar-valued.
    primals, vectors : tuple or list
        The arguments, and one vector like each of them.

    Returns
    -------
    tuple
        One tree for each primal, with its shapes and dtypes.

    Raises
    ------
    TypeError
        Where primals are not of floating point, the value is not a real scalar, or a vector's tree
        or shape is not its primal's.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    (array([6., 0.]),)

    References
    ----------
    Pearlmutter, *Fast exact multiplication by the Hessian* (1994); Bishop 8.1.6: O(W) steps.
    """
    primals = _as_tuple(primals, "primals")
    gradient = grad(f, tuple(range(len(primals))))
    result: tuple[Any, ...] = jvp(gradient, primals, vectors)[1]
    return result


# --- matrices of derivatives --------------------------------------------------------------------------


def jacobian(f: Function, argnums: Argnums = 0, mode: str = "auto") -> Function:
    r"""The Jacobian of a function.

    .. math:: J_{ki} = \frac{\partial y_k}{\partial x_i}

    Parameters
    ----------
    f : callable
        Gives a tree of arrays.
    argnums : int or tuple of int
        The arguments to differentiate; a tuple gives a tuple.
    mode : {"auto", "forward", "reverse", "numerical"}
        ``forward`` takes one tangent pass for each of the D inputs, ``reverse`` one adjoint pass for each of
        the K outputs, all passes of a mode at once over a batch axis. ``auto`` takes forward where D ≤ K.
        ``numerical`` takes central differences.

    Returns
    -------
    callable
        Gives, for every output leaf, a tree like the argument of arrays of shape ``output shape + input
        shape``.

    Raises
    ------
    TypeError
        Where the argument or an output is not of floating point.
    ValueError
        Where the mode is none of the four.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacobian(lambda x: x[0] * x)(np.array([2.0, 3.0]))
    array([[4., 0.],
           [3., 2.]])

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.1.5 and 8.2.
    """
    if mode not in ("auto", "forward", "reverse", "numerical"):
        raise ValueError(f"mode is {mode!r}; it must be 'auto', 'forward', 'reverse' or 'numerical'.")

    def matrix(*args: Any, **kwargs: Any) -> Any:
        selection = _select(args, kwargs, argnums, "jacobian")
        if mode == "numerical":
            return _numerical_jacobian(f, selection, isinstance(argnums, tuple | list))
        return _matrix(f, selection, _BLOCKS[mode], isinstance(argnums, tuple | list))

    return _named(f, matrix)


Blocks = Callable[[Recording], list[list[Any]]]


def _matrix(f: Function, selection: _Selection, blocks_of: Blocks, several: bool) -> Any:
    """The blocks of a Jacobian, one for each pair of leaves of the result and the arguments."""
    recording = record(f, selection.leaves, selection.call)
    _check_outputs(recording)
    blocks = blocks_of(recording)
    recording.recorder.close()
    return _assembled(recording, selection, blocks, several)


def _check_outputs(recording: Recording) -> None:
    for output in recording.outputs:
        kind = _kind(output)
        if kind is None or kind not in "fc":
            what = type_of(output) if kind is not None else f"a {type(output).__name__}"
            raise DerivativeError(
                at_user_line(f"jacobian of an output that is {what}: return floating-point arrays only.")
            )


def _cheaper_blocks(recording: Recording) -> list[list[Any]]:
    inputs = sum(var.type.size for var in recording.inputs)
    outputs = sum(int(np.prod(np.shape(o))) for o in recording.outputs)
    return _BLOCKS["forward" if inputs <= outputs else "reverse"](recording)


def _assembled(recording: Recording, selection: _Selection, blocks: list[list[Any]], several: bool) -> Any:
    rows = []
    flat = [_number(block) for block in own_all(list(itertools.chain(*blocks)))]
    for i in range(len(recording.outputs)):
        restored = selection.restore(flat[i * len(recording.inputs) : (i + 1) * len(recording.inputs)])
        rows.append(tuple(restored) if several else restored[0])
    return tree.unflatten(recording.structure, rows)


def _number(block: Any) -> Any:
    """An array of no dimensions as the number that it holds."""
    return block[()] if type(block) is np.ndarray and not block.ndim else block


def _linear_trace(
    recording: Recording, types: Sequence[Type], run: Callable[[list[Tracer]], list[Any]]
) -> Trace:
    """Record a pass that is linear in its seeds, on seeds of these types."""
    recorder = Recorder(abstract=True)
    seeds = [recorder.input(strong(type)) for type in types]
    trace = recorder.trace([seed.variable for seed in seeds], run(seeds))
    recorder.close()
    return trace


def _basis(types: Sequence[Type]) -> tuple[list[Any], int]:
    """The unit vectors of a list of leaves, as one batch for each leaf."""
    sizes = [type.size for type in types]
    total, start, batches = sum(sizes), 0, []
    for type, size in zip(types, sizes, strict=True):
        batch = np.zeros((total, size), type.dtype)
        batch[start + np.arange(size), np.arange(size)] = 1
        batches.append(batch.reshape(total, *type.shape))
        start += size
    return batches, total


def _run_batch(trace: Trace, types: Sequence[Type]) -> list[Any]:
    batches, total = _basis(types)
    if total == 0:
        return [np.zeros((0, *atom.type.shape), atom.type.dtype) for atom in trace.outputs]
    results = evaluate_batch(trace, batches, [True] * len(batches), total)
    return [value if flag else spread(value, total) for value, flag in results]


def _run_singly(run: Callable[[list[Any]], list[Any]], types: Sequence[Type]) -> None:
    """One pass for each unit vector, under `check_finite`: in numbers, so that every equation is checked."""
    batches, total = _basis(types)
    for i in range(total):
        run([batch[i] for batch in batches])


def _forward_parts(recording: Recording) -> list[list[Any]]:
    """For every output and input, the tangents of the output along the unit vectors of the input: a batch."""
    inputs = [var.type for var in recording.inputs]

    def run(seeds: list[Tracer]) -> list[Any]:
        env: dict[Var, Any] = dict(zip(recording.inputs, seeds, strict=True))
        push(recording.recorder.equations, recording.recorder.env, env)
        return [_tangent_of(recording, env, output) for output in recording.outputs]

    if recording.recorder.checked:
        _run_singly(run, inputs)
    columns = _run_batch(_linear_trace(recording, inputs, run), inputs)
    starts = np.cumsum([0] + [type.size for type in inputs])
    return [[column[a:b] for a, b in itertools.pairwise(starts)] for column in columns]


def _forward_blocks(recording: Recording) -> list[list[Any]]:
    inputs = [var.type for var in recording.inputs]
    return [list(map(_to_last, parts, inputs)) for parts in _forward_parts(recording)]


def _symmetric_blocks(recording: Recording) -> list[list[Any]]:
    """The blocks of a matrix that is its own transpose: tangents are its rows, and need not be moved."""
    columns, inputs = _forward_parts(recording), [var.type for var in recording.inputs]
    return [
        [
            np.reshape(column[k], (*type.shape, *column[k].shape[1:])).astype(columns[k][k].dtype, copy=False)
            for column in columns
        ]
        for k, type in enumerate(inputs)
    ]


def _to_last(batch: Any, type: Type) -> Any:
    moved = np.moveaxis(batch, 0, -1)
    return np.reshape(moved, (*moved.shape[:-1], *type.shape))


def _reverse_blocks(recording: Recording) -> list[list[Any]]:
    outputs = [type_of(output) for output in recording.outputs]
    if recording.recorder.checked:
        backwards = recording.recorder.equations[::-1]
        _run_singly(lambda seeds: _pull_back(recording, recording.outputs, seeds, backwards), outputs)
    trace = _linear_trace(
        recording,
        outputs,
        lambda seeds: _pull_back(recording, recording.outputs, seeds, recording.recorder.unwind()),
    )
    rows = _run_batch(trace, outputs)
    starts = np.cumsum([0] + [type.size for type in outputs])
    return [
        [np.reshape(row[a:b], (*type.shape, *row.shape[1:])) for row in rows]
        for a, b, type in zip(starts, starts[1:], outputs, strict=False)
    ]


_BLOCKS: dict[str, Blocks] = {
    "auto": _cheaper_blocks,
    "forward": _forward_blocks,
    "reverse": _reverse_blocks,
}


def _numerical_jacobian(f: Function, selection: _Selection, several: bool) -> Any:
    leaves, structure = tree.flatten(selection.call(f, selection.leaves))
    rows = []
    for k in range(len(leaves)):
        blocks = [_numerical_block(f, selection, i, k) for i in range(len(selection.leaves))]
        restored = selection.restore(blocks)
        rows.append(tuple(restored) if several else restored[0])
    return tree.unflatten(structure, rows)


def _numerical_block(f: Function, selection: _Selection, i: int, k: int) -> Any:
    def part(x: Any) -> Any:
        leaves = [*selection.leaves[:i], x, *selection.leaves[i + 1 :]]
        return tree.flatten(selection.call(f, leaves))[0][k]

    from wengert import numerical

    return numerical.jacobian(part, selection.leaves[i])


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    r"""The Hessian of a scalar-valued function: forward over reverse.

    .. math:: H_{ij} = \frac{\partial^2 f}{\partial x_i\,\partial x_j}

    Parameters
    ----------
    f : callable
        Scalar-valued.
    argnums : int or tuple of int
        The arguments to differentiate.

    Returns
    -------
    callable
        For an array argument of shape s an array of shape s + s; for trees and several arguments a tree of
        blocks.

    Raises
    ------
    TypeError
        Where the argument is not of floating point, or the value is not a real scalar.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.1.6 and 8.2: O(W²) steps.
    """
    gradient = grad(f, argnums)

    def matrix(*args: Any, **kwargs: Any) -> Any:
        selection = _select(args, kwargs, argnums, "hessian")
        return _matrix(gradient, selection, _symmetric_blocks, isinstance(argnums, tuple | list))

    return _named(f, matrix)


# --- vmap ---------------------------------------------------------------------------------------------


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    r"""Apply a function to every example of a batch at once.

    .. math:: Y_b = f(X_b)

    f is recorded once, for one example, and its trace is run with a batch axis in front. Python's ``if`` and
    ``while`` on the values raise: examples may disagree.

    Parameters
    ----------
    f : callable
        A function of one example.
    in_axes : int, None, or a tuple or tree of them
        The batch axis of each argument; None for an argument that all examples share.
    out_axes : int, or a tree of them
        Where the batch axis goes in the results.

    Returns
    -------
    callable
        Takes f's arguments with a batch axis more, and gives f's results with one more.

    Raises
    ------
    ValueError
        Where the batch axes differ in size or an argument lacks one.
    TypeError
        Where Python asks for the number behind a traced value, as ``if x > 0`` does.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([5.0, 7.0]))
    array([5., 7.])
    """

    def batched(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise MismatchError(at_user_line(f"vmap has {len(axes)} in_axes for {len(args)} arguments."))
        selection = _Selection(args, kwargs, range(len(args)))
        flat_axes = [axis for arg, axis in zip(args, axes, strict=True) for axis in _prefix(arg, axis)]
        return _vmapped(f, selection, flat_axes, out_axes)

    return _named(f, batched)


def _prefix(argument: Any, axes: Any) -> list[Any]:
    """One axis for each leaf: `axes` may be a number or a tree that begins like the argument."""
    leaves = tree.flatten(argument)[0]
    if axes is None or isinstance(axes, int):
        return [axes] * len(leaves)
    try:
        return tree.broadcast_prefix(axes, argument)
    except ValueError as error:
        raise MismatchError(
            at_user_line(f"vmap: in_axes: {error}. Give one axis for an argument, or a tree like it.")
        ) from None


def _vmapped(f: Function, selection: _Selection, axes: list[Any], out_axes: Any) -> Any:
    pairs = zip(selection.leaves, axes, strict=True)
    leaves = [leaf if hasattr(leaf, "ndim") or axis is None else np.asarray(leaf) for leaf, axis in pairs]
    size = _batch_size(leaves, axes)
    values = [
        leaf if axis is None else np.moveaxis(leaf, axis, 0) for leaf, axis in zip(leaves, axes, strict=True)
    ]
    chosen = [i for i, axis in enumerate(axes) if axis is not None]

    def call(f: Function, tracers: Sequence[Any]) -> Any:
        arguments = list(leaves)
        for i, tracer in zip(chosen, tracers, strict=True):
            arguments[i] = tracer
        return selection.call(f, arguments)

    recording = record(f, [_example(values[i]) for i in chosen], call, abstract=True)
    results = evaluate_batch(recording.trace(), [values[i] for i in chosen], [True] * len(chosen), size)
    recording.recorder.close()
    outputs = [value if flag else spread(value, size) for value, flag in results]
    structure = tree.unflatten(recording.structure, outputs)
    places = _prefix(structure, out_axes)
    moved = [
        value if place == 0 else np.moveaxis(value, 0, place)
        for value, place in zip(outputs, places, strict=True)
    ]
    return tree.unflatten(recording.structure, own_all(moved, values))


def _batch_size(leaves: Sequence[Any], axes: Sequence[Any]) -> int:
    sizes = set()
    for leaf, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        if not -leaf.ndim <= axis < leaf.ndim:
            raise MismatchError(
                at_user_line(
                    f"vmap over axis {axis} of an argument of shape {leaf.shape}. Give it in_axes=None."
                )
            )
        sizes.add(leaf.shape[axis])
    if len(sizes) != 1:
        found = f"they have the sizes {sorted(sizes)}" if sizes else "all in_axes are None"
        raise MismatchError(at_user_line(f"vmap needs batch axes of one size, and {found}."))
    return int(sizes.pop())


def _example(batch: Any) -> Type:
    from wengert.core.trace import type_for

    return type_for(tuple(batch.shape[1:]), batch.dtype)


# --- other transformations ----------------------------------------------------------------------------


def jit(f: Function) -> Function:
    """Run a function as native code: same results, same errors.

    The first call for arguments of a signature (tree, shapes, dtypes, and the values of what is no number)
    records the function and compiles its trace. Python's ``if``, ``while`` and indices on values are
    followed: each path is compiled once. Globals and closed-over arrays are taken as they are at the first
    call, and Python's integers as numbers of 64 bits. Inside other transformations the function is recorded
    as it stands.

    A number from ``np.random`` or ``random`` would be drawn at the first call and stay the same, so that
    raises; `wengert.random` draws in native code. Noticed are the functions of the two modules, and the
    generators that f reaches by its variables, attributes and arguments, through other functions too. Not
    noticed is a generator that f makes itself without a seed, other than by ``np.random.default_rng()``, or
    finds among more than 100 items or through what a library holds.

    Parameters
    ----------
    f : callable
        A function of trees of numbers and arrays; other leaves must be hashable.

    Returns
    -------
    callable
        To be called like f, also as a method. Its own methods take the same arguments: ``memory`` gives the
        bytes needed for values in between, ``llvm_ir`` and ``assembly`` the code.

    Raises
    ------
    TypeError
        Where a leaf that is no number cannot be hashed, or f draws random numbers other than with
        `wengert.random`.

    Warns
    -----
    RuntimeWarning
        Where the function is run by the interpreter after all: too many paths, or shapes that depend on
        values.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> step = wg.jit(lambda x: x / 2 if x > 1.0 else 3 * x)
    >>> step(4.0), step(0.5)
    (2.0, 1.5)
    """
    return compiled(f)


def stop_gradient(x: Any) -> Any:
    r"""The same value, with a derivative of zero.

    .. math:: y = x,\qquad \dot y = 0

    Parameters
    ----------
    x : tree
        Numbers and arrays of any shape and dtype.

    Returns
    -------
    tree
        Like x.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
    np.float64(3.0)
    """

    def stopped(leaf: Any) -> Any:
        return bind(ops.stop_gradient, (leaf,), {}) if isinstance(leaf, Tracer) else leaf

    return tree.map(stopped, x)


# --- showing and checking -----------------------------------------------------------------------------


def trace(f: Function) -> Function:
    r"""The evaluation trace of a call, with its values; ``print`` it for the table of primal equations.

    .. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)})

    Parameters
    ----------
    f : callable
        A function of trees; every leaf that is a number or an array becomes an input of the trace.

    Returns
    -------
    callable
        Takes f's arguments and gives an `EvaluationTrace`: its ``primal()``, ``tangent()`` and
        ``adjoint()`` are tables, its ``result`` is what f returned.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> print(wg.trace(lambda x1, x2: x1 * x2 - np.sin(x2))(2.0, 5.0))
    v1 = x1        float64   2
    v2 = x2        float64   5
    v3 = v1 * v2   float64   10
    v4 = sin(v2)   float64   -0.958924
    v5 = v3 - v4   float64   10.9589
    output: v5

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.2.
    """

    def traced(*args: Any, **kwargs: Any) -> EvaluationTrace:
        from wengert.tables import EvaluationTrace

        selection = _Selection(args, kwargs, range(len(args)))
        recording = _record_numbers(f, selection)
        recording.recorder.keep()
        labels = _labels(f, selection)
        return EvaluationTrace(
            recording.trace(), recording.recorder.env, labels, recording.result(), recording.structure
        )

    return _named(f, traced)


def _record_numbers(f: Function, selection: _Selection) -> Recording:
    """Record with a tracer for every leaf that is a number; the others stay as they are."""
    chosen = [i for i, leaf in enumerate(selection.leaves) if (_kind(leaf) or "O") in "biufc"]

    def call(f: Function, tracers: Sequence[Any]) -> Any:
        leaves = list(selection.leaves)
        for i, tracer in zip(chosen, tracers, strict=True):
            leaves[i] = tracer
        return selection.call(f, leaves)

    return record(f, [selection.leaves[i] for i in chosen], call)


def _labels(f: Function, selection: _Selection) -> list[str]:
    """What the user calls each leaf that is a number."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    names += [f"x{i + 1}" for i in range(len(names), len(selection.args))]
    labels = [
        name + path for name, arg in zip(names, selection.args, strict=False) for path in tree.paths(arg)
    ]
    return [
        label for label, leaf in zip(labels, selection.leaves, strict=True) if (_kind(leaf) or "O") in "biufc"
    ]


def cost(f: Function) -> Function:
    r"""Counted operations and bytes of a call, by kind.

    .. math:: C = \sum_i c(\mathrm{op}_i), \qquad\text{for example } c(A B) = 2 n m k

    Parameters
    ----------
    f : callable
        A function of trees of numbers and arrays; also a derivative, such as ``wg.grad(g)``.

    Returns
    -------
    callable
        Takes f's arguments and gives a `Cost` with ``operations``, ``bytes`` and ``by_kind``;
        ``print`` it for the table.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> W, x = np.ones((4, 3)), np.ones(3)
    >>> wg.cost(lambda W, x: np.sum((W @ x) ** 2))(W, x).operations
    36.0
    """

    def counted(*args: Any, **kwargs: Any) -> Cost:
        from wengert.transforms.counting import Cost

        recording = _record_numbers(f, _Selection(args, kwargs, range(len(args))))
        recording.recorder.close()
        return Cost(recording.trace())

    return _named(f, counted)


def check_gradients(f: Function, args: Sequence[Any], order: int = 2, rtol: float | None = None) -> None:
    r"""Compare the derivatives of f with numerical ones; raise with the worst entry named.

    .. math:: \left|\frac{\partial y_k}{\partial x_i}
        - \frac{y_k(x + \epsilon d_i) - y_k(x - \epsilon d_i)}{2\epsilon}\right|
        \le \mathrm{rtol}\,\bigl(1 + \max|\partial y/\partial x|\bigr)

    Two evaluations or more of f for every input, so meant for small arrays.

    Parameters
    ----------
    f : callable
        A function of trees of floating-point numbers and arrays, smooth around ``args``.
    args : tuple
        Where to check.
    order : {1, 2}
        With 1 the Jacobian, forward and reverse, against central differences; with 2 also the derivative of
        the gradient, forward over reverse and reverse over reverse.
    rtol : float, optional
        Relative to the largest entry; 1e-5 for float64, 2e-2 for float32 (more at second order) by default.

    Raises
    ------
    GradientMismatch
        Names mode, argument, entry and both values.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.check_gradients(lambda x: np.sum(np.sin(x) ** 2), (np.array([0.3, 1.0]),))

    References
    ----------
    Bishop, *Deep Learning: Foundations and Concepts*, 8.1.4: numerical differentiation as a check
    of backpropagation.
    """
    args = _as_tuple(args, "args")
    places = tuple(i for i, arg in enumerate(args) if _is_inexact(arg))
    _compare(f, args, places, ("forward", "reverse"), "first order", rtol)
    if order >= 2:
        _compare(_projected_gradient(f, places), args, places, ("forward", "reverse"), "second order", rtol)


def _is_inexact(argument: Any) -> bool:
    leaves = tree.flatten(argument)[0]
    return bool(leaves) and all((_kind(leaf) or "O") in "fc" for leaf in leaves)


def _projected_gradient(f: Function, places: tuple[int, ...]) -> Function:
    """The gradient of a fixed linear combination of the outputs."""

    def combined(*args: Any) -> Any:
        leaves = tree.flatten(f(*args))[0]
        return sum(np.sum(np.cos(np.arange(np.size(y)).reshape(np.shape(y))) * y) for y in leaves)

    return grad(combined, places)


def _compare(
    f: Function,
    args: tuple[Any, ...],
    places: tuple[int, ...],
    modes: Sequence[str],
    what: str,
    rtol: float | None,
) -> None:
    expected = tree.flatten(jacobian(f, places, mode="numerical")(*args))[0]
    for mode in modes:
        found = tree.flatten(jacobian(f, places, mode=mode)(*args))[0]
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            _compare_block(np.asarray(a), np.asarray(b), f"{what}, {mode} mode, block {i}", rtol)


def _compare_block(found: Any, expected: Any, where: str, rtol: float | None) -> None:
    tolerance = (
        rtol
        if rtol is not None
        else (2e-2 if found.dtype.itemsize // (1 + (found.dtype.kind == "c")) < 8 else 1e-5)
    )
    scale = 1.0 + (np.max(np.abs(expected)) if expected.size else 0.0)
    error = np.abs(found - expected)
    wrong = ~(error <= tolerance * scale) if error.size else error
    if np.any(wrong):
        worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        entry = tuple(int(i) for i in worst)
        raise GradientMismatch(
            at_user_line(
                f"the derivative disagrees with the numerical one ({where}): entry {entry} is "
                f"{found[worst]:.8g} and should be {expected[worst]:.8g}. If the function has a kink there, "
                "check at another point."
            )
        )
