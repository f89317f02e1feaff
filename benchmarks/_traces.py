"""Traces and their native code, run on memory of one's own choice.

trace = traced(f, *arguments)
run(trace, arguments, host="sse2")
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.recording import record
from wengert.core.trace import Trace
from wengert.native.machine import team
from wengert.native.machine.host import Host, load, target, this_host
from wengert.native.planning.plan import Plan
from wengert.native.writing.emit import arena_parts, write_module
from wengert.transforms.simplify import simplify

# Memory of so many bytes; the first number says what addresses are to be multiples of.
Place = Callable[[int, int], np.ndarray]


def traced(f: Callable[..., Any], *arguments: Any) -> Trace:
    """The trace that `wg.jit` would compile."""
    leaves, structure = tree.flatten(arguments)
    recording = record(f, leaves, lambda f, tracers: f(*tree.unflatten(structure, tracers)))
    trace = simplify(recording.trace())
    recording.recorder.close()
    return trace


def anywhere(alignment: int, nbytes: int) -> np.ndarray:
    """Ordinary memory."""
    memory = np.empty(nbytes + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + nbytes]


def run(
    trace: Trace,
    values: Sequence[Any],
    host: str | Host = "",
    threads: bool = False,
    place: Place = anywhere,
) -> list[np.ndarray]:
    """The outputs by native code, in the shape that it has for another processor if one is given or named.

    Raises
    ------
    IndexError
        Where the code says that it has failed, which `wg.jit` answers by running the interpreter.
    """
    machine, plan = _machine(host), Plan(trace)
    if threads:
        team.ready()
    code = load(write_module(plan, machine, threads=threads))
    arrays = [_copied(v, b.dtype, place) for v, b in zip(values, plan.inputs, strict=True)]
    outputs = [_array(a.type.shape, a.type.dtype, place) for a in trace.outputs]
    constants = [_copied(c, c.dtype, place) for c in plan.constants]
    table = np.array([a.ctypes.data for a in (*arrays, *outputs, *constants)], np.uintp)
    common, each = arena_parts(plan, machine)
    arena = place(64, common + each * (team.LIMIT if threads else 1))
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(code.address("run"))
    if function(table.ctypes.data, arena.ctypes.data):
        raise IndexError("native code says that it has failed")
    return outputs


def _machine(host: str | Host) -> Host:
    if isinstance(host, Host):
        return host
    return target(host) if host else this_host()


def _array(shape: Sequence[int], dtype: np.dtype, place: Place) -> np.ndarray:
    size = int(np.prod(shape, dtype=int))
    return place(dtype.itemsize, size * dtype.itemsize).view(dtype).reshape(shape)


def _copied(value: Any, dtype: np.dtype, place: Place) -> np.ndarray:
    value = np.asarray(value, dtype)
    array = _array(value.shape, dtype, place)
    array[...] = value
    return array
