r"""A network as an ONNX file: a graph of operations that other programs run.

Every equation of the program is a node, or a few; the number of rows stays open:

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}), \qquad v_i \in \mathbb R^{N \times \cdots}.

The operator set is 17 of 2022 (IR version 8), which programs of the last years read, and which has every
operation that is needed. The file is written without the package ``onnx``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wengert._files import write_atomically
from wengert._version import __version__
from wengert.core.trace import Atom, Equation, Literal
from wengert.exchange._compositions import COMMON, ONNX
from wengert.exchange._names import Names
from wengert.exchange._onnx_operations import PATTERNS, SIMPLE, TRANSLATIONS
from wengert.exchange._program import (
    Codes,
    Dims,
    Program,
    Rows,
    Target,
    program,
    promoted,
    source_of,
    untranslated,
)
from wengert.exchange._protobuf import Message, encode
from wengert.exchange._tensors import number_of, tensor

Function = Callable[[Any], Any]

OPSET, IR_VERSION = 17, 8
TRANSLATED = frozenset({*SIMPLE, *TRANSLATIONS, *COMMON, *ONNX})
CODING = "ai.onnx.ml"  # where words become numbers
STRING = 8  # the type of words
TARGET = Target("ONNX", ONNX, PATTERNS, promoted)


def to_onnx(
    network: Function,
    inputs: Any,
    path: str | Path | None = None,
    *,
    dtype: Any = None,
    preprocessing: Function | None = None,
    postprocessing: Function | None = None,
    words: Mapping[str, Codes] | None = None,
    names: tuple[str, str] = ("x", "y"),
    about: Mapping[str, str] | None = None,
) -> bytes:
    r"""A network as an ONNX model, for any number of rows.

    Parameters
    ----------
    network, inputs, dtype, preprocessing, postprocessing, words, names, about
        As in :func:`to_numpy`. Many programs that run ONNX models know more operations on float32.
    path : str or Path, optional
        Where the model is written.

    Returns
    -------
    bytes
        The content of the file: operator set 17, IR version 8.

    Raises
    ------
    ExchangeError
        Where an operation has no translation, or what is computed depends on the values of the inputs or on
        the number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> from wengert.exchange import from_onnx
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3), "tanh", "softmax")
    >>> content = to_onnx(network, 4, dtype=np.float32)
    >>> from_onnx(content)(np.ones((5, 4), np.float32)).shape
    (5, 3)
    """
    source = source_of(network, inputs, dtype, preprocessing, postprocessing, words, names, about)
    content = encode(_Writer(program(source, TARGET)).model(), "Model")
    if path is not None:
        write_atomically(path, content)
    return content


# --- the graph --------------------------------------------------------------------------------------------


class _Writer:
    """Writes the nodes of a graph for a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = Names(program.source.name_of, form=lambda wish: wish or "_")
        self.nodes: list[Message] = []
        self.initializers: list[Message] = []
        self.name_of: dict[Atom, str] = {}
        self.equation: Equation | None = None

    def model(self) -> Message:
        """The whole file."""
        return {
            "ir_version": IR_VERSION,
            "producer_name": "wengert",
            "producer_version": __version__,
            "graph": self._graph(),
            "opset_import": [{"domain": "", "version": OPSET}, *self._other_opsets()],
        }

    def _graph(self) -> Message:
        trace, source = self.program.trace, self.program.source
        given = [self.names.fresh(name) for name in source.inputs]
        for var, name, wish in zip(trace.inputs, given, source.inputs, strict=True):
            self.name_of[var] = self._coded(var, name, source.words.get(wish))
        results = [self.names.fresh(name) for name in self.program.outputs]
        for self.equation in trace.equations:
            self._write(self.equation)
        self.equation = None
        for atom, name in zip(trace.outputs, results, strict=True):
            self.node("Identity", [self.operand(atom)], output=name)
        pairs = zip(zip(trace.outputs, results, strict=True), self.program.outputs, strict=True)
        return {
            "node": _renamed(self.nodes, set(results)),
            "name": "network",
            "initializer": self.initializers,
            "input": [
                self._value(var, name, wish, STRING if wish in source.words else number_of(var.type.dtype))
                for var, name, wish in zip(trace.inputs, given, source.inputs, strict=True)
            ],
            "output": [self._value(a, n, wish, number_of(a.type.dtype)) for (a, n), wish in pairs],
        }

    def _other_opsets(self) -> list[Message]:
        return [{"domain": CODING, "version": 2}] if self.program.source.words else []

    def _coded(self, var: Atom, name: str, codes: Codes | None) -> str:
        """The input itself; the numbers of its words where it is given as words."""
        if codes is None:
            return name
        listed = [(word, code) for word, code in codes.items() if word is not None]
        words, numbers = [word for word, _ in listed], [code for _, code in listed]
        options: dict[str, Any] = {
            "keys_strings": words,
            "values_int64s": numbers,
            "default_int64": codes[None],
        }
        found = self.node("LabelEncoder", [name], domain=CODING, **options)
        return (
            found if var.type.dtype == np.int64 else self.node("Cast", [found], to=number_of(var.type.dtype))
        )

    def _value(self, atom: Atom, name: str, wish: str, kind: int) -> Message:
        dims = [_dim(n) for n in self.program.dims[atom]]
        shape = {"tensor_type": {"elem_type": kind, "shape": {"dim": dims}}}
        about = self.program.source.about.get(wish, "")
        return {"name": name, "type": shape, **({"doc_string": about} if about else {})}

    def _write(self, equation: Equation) -> None:
        (out,) = equation.outputs
        operation, name = SIMPLE.get(equation.primitive.name), equation.primitive.name
        operands = [self.operand(atom) for atom in equation.inputs]
        if operation is not None:
            self.name_of[out] = self.node(operation, operands)
        elif name in TRANSLATIONS:
            self.name_of[out] = TRANSLATIONS[name](self, equation, *operands, **equation.params)
        else:
            raise untranslated(equation, TARGET.name)

    # what translations are made of

    def node(
        self,
        operation: str,
        inputs: Sequence[str],
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node with one output, and give its name."""
        layer = self.equation.source if self.equation is not None else ""
        output = output or self.names.variable()
        node: Message = {
            "input": list(inputs),
            "output": [output],
            "name": self.names.fresh(f"{layer}/{operation}" if layer else operation),
            "op_type": operation,
            "attribute": [_attribute(name, value) for name, value in attributes.items()],
            "domain": domain,
        }
        self.nodes.append(node)
        return output

    def operand(self, atom: Atom) -> str:
        """The name of an operand."""
        if type(atom) is Literal:
            return self.constant(np.asarray(atom.value, atom.type.dtype))
        return self.name_of[atom]

    def constant(self, value: np.ndarray) -> str:
        """The name of a constant."""
        name, new = self.names.constant(value, self.equation.source if self.equation is not None else "")
        if new:
            self.initializers.append(tensor(name, value))
        return name

    def integers(self, *values: int) -> str:
        """The name of a vector of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def rows(self, times: int) -> str:
        """So many times the number of rows, in a vector of length 1."""
        first = self.program.source.inputs[0]
        rows = self.node("Shape", [first], start=0, end=1)
        return rows if times == 1 else self.node("Mul", [rows, self.integers(times)])

    def shape(self, dims: Sequence[Any]) -> str:
        """A shape that may name the number of rows."""
        if not any(isinstance(n, Rows) for n in dims):
            return self.integers(*dims)
        parts = [self.rows(n.times) if isinstance(n, Rows) else self.integers(n) for n in dims]
        return parts[0] if len(parts) == 1 else self.node("Concat", parts, axis=0)

    def dims(self, atom: Atom) -> Dims:
        """The shape of an operand."""
        return self.program.dims[atom]


def _dim(extent: Any) -> Message:
    if not isinstance(extent, Rows):
        return {"dim_value": extent}
    return {"dim_param": "rows" if extent.times == 1 else f"{extent.times}*rows"}


def _attribute(name: str, value: Any) -> Message:
    if isinstance(value, str):
        return {"name": name, "s": value.encode(), "type": 3}
    if isinstance(value, float):
        return {"name": name, "f": value, "type": 1}
    if isinstance(value, int):
        return {"name": name, "i": value, "type": 2}
    if any(isinstance(item, str) for item in value):
        return {"name": name, "strings": [item.encode() for item in value], "type": 8}
    return {"name": name, "ints": [int(i) for i in value], "type": 7}


def _renamed(nodes: list[Message], results: set[str]) -> list[Message]:
    """Without the last copies, where what they copy can have the name of the result itself."""
    new: dict[str, str] = {}
    made = {name for node in nodes for name in node["output"]}
    for node in nodes:
        source, target = node["input"][0] if node["input"] else "", node["output"][0]
        if node["op_type"] == "Identity" and target in results and source in made and source not in new:
            new[source] = target
    kept = [
        n
        for n in nodes
        if not (n["output"][0] in results and new.get((n["input"] or [""])[0]) == n["output"][0])
    ]
    swap = lambda names: [new.get(name, name) for name in names]
    return [node | {"input": swap(node["input"]), "output": swap(node["output"])} for node in kept]
