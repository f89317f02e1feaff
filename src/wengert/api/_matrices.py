r"""Matrices of derivatives, from passes along all unit vectors at once.

.. math:: J e_i = \frac{\partial y}{\partial x_i}, \qquad e_k^T J = \nabla y_k

A pass is linear in its seeds. It is recorded for one, and its trace is run on a batch of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api._arguments import Argnums, Function, Selection, named, select
from wengert.api._forward import tangent_of
from wengert.api._reverse import grad, pull_back
from wengert.core import tree
from wengert.core.leaves import described, kind_of
from wengert.core.recorder import Recorder, Tracer, type_of
from wengert.core.recording import Recording, own_all, record
from wengert.core.trace import Trace, Type, Var
from wengert.errors import DerivativeError, at_user_line
from wengert.transforms.adjoint import strong
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.holomorphic import first_conjugation
from wengert.transforms.tangent import push


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
        Where the argument or an output is not of floating point, or where a complex argument goes through an
        operation without a complex derivative, such as ``np.conj`` or ``np.abs``.
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
        selection = select(args, kwargs, argnums, "jacobian")
        if mode == "numerical":
            return _numerical_jacobian(f, selection, isinstance(argnums, tuple | list))
        return _matrix(f, selection, _BLOCKS[mode], isinstance(argnums, tuple | list))

    return named(f, matrix)


Blocks = Callable[[Recording], list[list[Any]]]


def _matrix(f: Function, selection: Selection, blocks_of: Blocks, several: bool) -> Any:
    """The blocks of a Jacobian, one for each pair of leaves of the result and the arguments."""
    recording = record(f, selection.leaves, selection.call)
    _check_outputs(recording)
    _check_complex_inputs(recording)
    blocks = blocks_of(recording)
    recording.recorder.close()
    return _assembled(recording, selection, blocks, several)


def _check_outputs(recording: Recording) -> None:
    for output in recording.outputs:
        if kind_of(output) not in "fc":
            what = described(output)
            raise DerivativeError(
                at_user_line(f"jacobian of an output that is {what}: return floating-point arrays only.")
            )


def _check_complex_inputs(recording: Recording) -> None:
    """One complex number for each pair of numbers is the derivative of a holomorphic function alone."""
    equations = recording.recorder.equations
    found = first_conjugation(equations, recording.inputs, recording.atoms())
    if found is not None:
        raise DerivativeError(
            at_user_line(
                "a matrix of derivatives by complex numbers needs a function with a complex derivative, "
                f"which {found.primitive.name} has not. Differentiate by both parts: "
                "wg.jacobian(lambda a, b: f(a + 1j * b), argnums=(0, 1))(z.real, z.imag); "
                "of one real number take wg.grad or wg.hvp."
            )
        )


def _cheaper_blocks(recording: Recording) -> list[list[Any]]:
    inputs = sum(var.type.size for var in recording.inputs)
    outputs = sum(int(np.prod(np.shape(o))) for o in recording.outputs)
    return _BLOCKS["forward" if inputs <= outputs else "reverse"](recording)


def _assembled(recording: Recording, selection: Selection, blocks: list[list[Any]], several: bool) -> Any:
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


def _basis(types: Sequence[Type], unit: complex = 1) -> tuple[list[Any], int]:
    """The unit vectors of a list of leaves, as one batch for each leaf; complex ones times a unit."""
    sizes = [type.size for type in types]
    total, start, batches = sum(sizes), 0, []
    for type, size in zip(types, sizes, strict=True):
        batch = np.zeros((total, size), type.dtype)
        batch[start + np.arange(size), np.arange(size)] = unit if type.dtype.kind == "c" else 1
        batches.append(batch.reshape(total, *type.shape))
        start += size
    return batches, total


def _run_batch(trace: Trace, types: Sequence[Type], unit: complex = 1) -> list[Any]:
    batches, total = _basis(types, unit)
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
        return [tangent_of(recording, env, output) for output in recording.outputs]

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
        _run_singly(lambda seeds: pull_back(recording, recording.outputs, seeds, backwards), outputs)
    trace = _linear_trace(
        recording,
        outputs,
        lambda seeds: pull_back(recording, recording.outputs, seeds, recording.recorder.unwind()),
    )
    blocks = _row_blocks(trace, outputs)
    if all(type.dtype.kind == "f" for type in outputs):
        return blocks
    turned = _row_blocks(trace, outputs, -1j)
    return [
        [_with_imaginary(type, *parts) for parts in zip(*rows, strict=True)]
        for type, *rows in zip(outputs, blocks, turned, strict=True)
    ]


def _row_blocks(trace: Trace, outputs: Sequence[Type], unit: complex = 1) -> list[list[Any]]:
    rows = _run_batch(trace, outputs, unit)
    starts = np.cumsum([0] + [type.size for type in outputs])
    return [
        [np.reshape(row[a:b], (*type.shape, *row.shape[1:])) for row in rows]
        for a, b, type in zip(starts, starts[1:], outputs, strict=False)
    ]


def _with_imaginary(output: Type, first: Any, second: Any) -> Any:
    """What a complex output has of a real input: the adjoint of 1 is the real part, that of -i the other."""
    is_split = output.dtype.kind == "c" and first.dtype.kind == "f"
    return first + 1j * second if is_split else first


_BLOCKS: dict[str, Blocks] = {
    "auto": _cheaper_blocks,
    "forward": _forward_blocks,
    "reverse": _reverse_blocks,
}


def _numerical_jacobian(f: Function, selection: Selection, several: bool) -> Any:
    leaves, structure = tree.flatten(selection.call(f, selection.leaves))
    rows = []
    for k in range(len(leaves)):
        blocks = [_numerical_block(f, selection, i, k) for i in range(len(selection.leaves))]
        restored = selection.restore(blocks)
        rows.append(tuple(restored) if several else restored[0])
    return tree.unflatten(structure, rows)


def _numerical_block(f: Function, selection: Selection, i: int, k: int) -> Any:
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
        selection = select(args, kwargs, argnums, "hessian")
        return _matrix(gradient, selection, _symmetric_blocks, isinstance(argnums, tuple | list))

    return named(f, matrix)
