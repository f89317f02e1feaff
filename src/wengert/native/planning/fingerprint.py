r"""A trace by the text that decides its code, so that what was compiled is found without planning it.

.. math:: \text{key} = h(\text{package}, \text{processor}, \text{equations, with variables } 0, 1, 2, \ldots),
          \qquad \text{key} \mapsto (\text{object code, sizes, constants})

Two recordings of one function have other variables and equal texts. Small constants are part of the text,
number by number. Of a large one the text says its type, and what `simplify` or the planner may find in it:
the number that all its elements are, a diagonal, a choice of rows or columns. So other numbers in its place
run by the same code, which is told where they are.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.primitive import REGISTRY
from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var
from wengert.native.machine import cache, identity
from wengert.transforms.constants import SMALL, patterns

Array = np.ndarray[Any, Any]


class Unnamed(Exception):
    """A trace with something in it that no text stands for in every process."""


class Made(NamedTuple):
    """What a compiled trace needs: its objects and constants, its memory, and how it is to be called.

    ``common`` are the bytes in the arena that threads share, ``each`` those of every one; ``in_place`` says
    which inputs which outputs are written over.
    """

    objects: Sequence[bytes]
    constants: Sequence[Array]
    common: int
    each: int
    shared: bool
    long: bool
    in_place: Sequence[tuple[int, int]]


# --- the text -----------------------------------------------------------------------------------------------


class Text:
    """The text of a trace while it is written, and the large constants that it does not hold."""

    def __init__(self, trace: Trace) -> None:
        self.parts: list[str] = []
        self.numbers: dict[Var, int] = {}
        self.types: dict[Type, str] = {}
        self.large: list[Any] = []
        self._trace(trace)

    def __str__(self) -> str:
        return "\n".join(self.parts)

    def _trace(self, trace: Trace) -> None:
        self.parts.append(f"({self._made(trace.inputs)}")
        for equation in trace.equations:
            self._equation(equation)
        self.parts.append(f"{self._read(trace.outputs)})")

    def _equation(self, equation: Equation) -> None:
        primitive, params = equation.primitive, equation.params
        if REGISTRY.get(primitive.name) is not primitive:
            raise Unnamed(primitive.name)
        operands = self._read(equation.inputs)
        self.parts.append(f"{primitive.name} {operands}={self._made(equation.outputs)}")
        for name in params:
            value = params[name]
            if isinstance(value, Trace):
                self.parts.append(name)
                self._trace(value)
            else:
                self.parts.append(f"{name}:{plain(value)}")

    def _made(self, variables: Iterable[Var]) -> str:
        """New variables, by their types: their numbers follow from the order."""
        for var in variables:
            self.numbers[var] = len(self.numbers)
        return " ".join([self._type(var.type) for var in variables])

    def _read(self, atoms: Iterable[Atom]) -> str:
        numbers = self.numbers
        return " ".join([str(numbers[a]) if type(a) is Var else self._literal(a) for a in atoms])

    def _type(self, type: Type) -> str:
        found = self.types.get(type)
        if found is None:
            found = self.types[type] = f"{type.dtype.str}{type.shape}{'w' * type.weak}".replace(" ", "")
        return found

    def _literal(self, atom: Any) -> str:
        value = atom.value
        if type(value) is np.ndarray:
            if value.dtype.hasobject:
                raise Unnamed(value.dtype)
            number = value.tobytes().hex() if value.size <= SMALL else self._large(atom)
            return f"{self._type(atom.type)}[{number}]"
        return f"{self._type(atom.type)}[{plain(value)}]"

    def _large(self, atom: Literal) -> str:
        """A large constant by its place among them, and by what is found in it."""
        value = atom.value
        place = next((i for i, known in enumerate(self.large) if known is value), len(self.large))
        if place == len(self.large):
            self.large.append(value)
        found = ",".join(pattern.hex() for pattern in patterns(atom))
        return f"#{place} {value.strides if not value.flags.c_contiguous else ''}{found}"


def plain(value: Any) -> str:
    """The text of a parameter or a number, from which its type and its bits can be told."""
    write = _PLAIN.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return f"{value.dtype.str}{value.tobytes().hex()}"
    if isinstance(value, np.dtype) and value.fields is None:
        return f"dtype {value.str}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"array {value.dtype.str}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, tuple):
        return _sequence(value)
    return _global(value)


def _global(value: Any) -> str:
    """The text of something that stands under a name in a module, which it pickles as."""
    name = value.__reduce__() if type(value).__reduce__ is not object.__reduce__ else None
    if not isinstance(name, str):
        raise Unnamed(type(value))
    return f"{type(value).__module__}.{name}"


def _sequence(value: Iterable[Any]) -> str:
    return f"{type(value).__name__}({','.join([plain(item) for item in value])})"


def _slice(value: slice) -> str:
    return f"slice({plain(value.start)},{plain(value.stop)},{plain(value.step)})"


def _complex(value: complex) -> str:
    return f"complex({value.real.hex()},{value.imag.hex()})"


_PLAIN: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((int, bool, str, type(None), type(Ellipsis)), repr),
    **dict.fromkeys((tuple, list), _sequence),
    float: float.hex,
    complex: _complex,
    slice: _slice,
}


# --- the key ------------------------------------------------------------------------------------------------


class Name(NamedTuple):
    """The key of a trace's code, and the constants that stand outside of it."""

    key: str
    large: Sequence[Any]


def name_of(trace: Trace, *circumstances: object) -> Name | None:
    """Under what the code of a trace is kept in these circumstances; None where no text stands for it."""
    try:
        text = Text(trace)
    except Unnamed:
        return None
    return Name(identity.key("trace", *circumstances, text), text.large)


# --- what is kept -------------------------------------------------------------------------------------------


def load(name: Name) -> Made | None:
    """What was made of a trace of this name before, with the constants of this one."""
    found = cache.load(name.key)
    if not found:
        return None
    facts, rest = literal_eval(found[0].decode()), found[1:]
    constants = [_constant(place, name.large, rest) for place in facts.pop("constants")]
    return Made(rest[facts.pop("first") :], constants, **facts)


def _constant(place: Any, large: Sequence[Any], stored: Sequence[bytes]) -> Array:
    if isinstance(place, int):
        return np.asarray(large[place])
    number, dtype, shape = place
    return np.frombuffer(stored[number], dtype).reshape(shape)


def store(name: Name, made: Made) -> None:
    """Keep what was made of a trace."""
    places: list[Any] = []
    contents: list[bytes] = []
    for constant in made.constants:
        place = next((i for i, value in enumerate(name.large) if value is constant), None)
        if place is None and name.large and constant.size > SMALL:
            return  # it may have been made from a large one
        places.append((len(contents), constant.dtype.str, constant.shape) if place is None else place)
        contents += [constant.tobytes()] if place is None else []
    facts = made._asdict() | {"constants": places, "first": len(contents)}
    del facts["objects"]
    cache.store(name.key, [repr(facts).encode(), *contents, *made.objects])
