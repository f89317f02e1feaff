"""Writes the table of all operations: what each is to differentiation, what runs it, which exports have it.

Every operation is tried on the examples of its own declaration, so the table says what is the case.

    python docs/operations.py        writes docs/operations.md
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import wengert.control  # noqa: F401 (declares loops and branches)
from wengert.core.primitive import REGISTRY, Primitive
from wengert.core.recorder import Recorder
from wengert.core.trace import Trace
from wengert.exchange import _c, _numpy, _onnx
from wengert.native.machine.host import this_host
from wengert.native.planning.plan import Plan
from wengert.native.planning.unlowerable import Unlowerable
from wengert.native.writing.emit import write_module
from wengert.ops import special

TARGET = Path(__file__).with_suffix(".md")
WITH_BODIES = ("scan", "while_loop", "cond", "checkpoint", "custom_jvp", "custom_vjp")

HEAD = """# Operations

Every operation that a trace can hold, made by `python docs/operations.py` from the declarations themselves.
The *kind* is the mathematical fact from which tangents and adjoints follow (see `wengert.core.primitive`).

Under `wg.jit` an operation runs as **native** code or is left to the **interpreter**, which calls NumPy or
SciPy and gives the same result; the pieces of a trace before and behind it are native all the same. *Real
numbers* means that complex operands are left to the interpreter. So are powers, reciprocals and exponents of
whole numbers. A loop, a branch, a checkpoint or a function with a stated derivative (`custom_jvp`,
`custom_vjp`) is native if what is inside it is.

*Exported* says which of the targets of `wengert.exchange` have the operation, itself or composed of others.

| operation | kind | under `wg.jit` | exported |
|---|---|---|---|
"""

EXPORTS = {"ONNX": _onnx.TRANSLATED, "C": _c.TRANSLATED, "NumPy": _numpy.TRANSLATED}


def table() -> str:
    """The page."""
    special.load()
    names = sorted(REGISTRY)
    return HEAD + "".join(map(row, names))


def row(name: str) -> str:
    """A line of the table."""
    inside = REGISTRY[name].inline is not None  # exported is what it stands for
    exports = ", ".join(target for target, known in EXPORTS.items() if inside or name in known)
    return f"| `{name}` | {REGISTRY[name].kind} | {runner(REGISTRY[name])} | {exports} |\n"


def runner(primitive: Primitive) -> str:
    """Who runs an operation."""
    if primitive.name in WITH_BODIES:
        return "native, if its body is"
    able = {is_native(primitive, operands, params) for operands, params in examples(primitive)}
    if able == {True}:
        return "native"
    return "native for real numbers" if True in able else "interpreter"


def examples(primitive: Primitive) -> Iterator[tuple[Sequence[Any], dict[str, Any]]]:
    """Where an operation is tried; in vain on what is empty, which needs no code."""
    rng = np.random.default_rng(0)
    if primitive.examples is not None:
        found = primitive.examples(lambda *shape: rng.standard_normal(shape)[()])
        yield from (e for e in found if all(np.size(x) for x in e[0]))
    else:
        yield [rng.uniform(low, high, (3,)) for low, high in primitive.domain], {}


def is_native(primitive: Primitive, operands: Sequence[Any], params: dict[str, Any]) -> bool:
    """Whether code can be written for an operation."""
    try:
        write_module(Plan(alone(primitive, operands, params)), this_host())
    except Unlowerable:
        return False
    return True


def alone(primitive: Primitive, operands: Sequence[Any], params: dict[str, Any]) -> Trace:
    """A trace of one operation."""
    recorder = Recorder()
    tracers = [recorder.input(x) for x in operands]
    result = recorder.record(primitive, tracers, params, False)
    trace = recorder.trace([t.variable for t in tracers], result if primitive.multiple else [result])
    recorder.close()
    return trace


if __name__ == "__main__":
    TARGET.write_text(table(), encoding="utf-8")
