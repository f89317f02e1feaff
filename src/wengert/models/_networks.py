r"""Networks as data: which layers, with which numbers, without a line of code.

A network is a tree; its description is the same tree in JSON. A layer stands there as the name of its class
with its fields, an activation as its name, an array as its name in :func:`wengert.nn.state`,

``{"class": "Dense", "weights": {"array": "layers.0.weights"}, "activation": {"activation": "relu"}}``

and the arrays beside it. The classes are those of :mod:`wengert.nn` and what these are made of: reading a
description makes objects of these classes and nothing else, whatever it says. A function that somebody has
written cannot be described, and is refused by the place where it stands.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from wengert import nn
from wengert.errors import ModelFileError
from wengert.models._embedded import Embedded

Array = np.ndarray

KINDS = "biuf"  # of arrays: true and false, whole numbers, floating-point numbers
DEEPEST = 200  # levels of a description, of which a layer within a layer takes two or three


def _layers() -> dict[str, type]:
    """The classes of layers and networks: dataclasses of the public face that can be called."""
    found = {name: getattr(nn, name) for name in nn.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if inspect.isclass(cls) and dataclasses.is_dataclass(cls) and "__call__" in dir(cls)
    }


PARTS = (Embedded, nn.Wiring, nn.Node, nn.Topology)
CLASSES: dict[str, type] = _layers() | {cls.__name__: cls for cls in PARTS}
NAMES = {cls: name for name, cls in CLASSES.items()}


def _field_names(cls: Any) -> tuple[str, ...]:
    return cls._fields if hasattr(cls, "_fields") else tuple(f.name for f in dataclasses.fields(cls))


# ------------------------------------------------------------------------------------------ writing


def described(network: Any) -> tuple[Any, dict[str, Array]]:
    """A description for JSON, and the arrays by name.

    Raises
    ------
    ModelFileError
        Where something in the network cannot be described, such as a function of the user's own.
    """
    if type(network) not in NAMES:
        _refuse(network, ())
    writer = _Writer()
    return writer.value(network, ()), writer.arrays


class _Writer:
    """Goes through a network and gathers its arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def value(self, value: Any, path: tuple[str, ...]) -> Any:
        if value is None or type(value) in (str, bool, int):
            return value
        if type(value) is float:
            _require(math.isfinite(value), path, f"{value} is not a finite number")
            return value
        if isinstance(value, np.ndarray | np.generic):
            return self.array(np.asarray(value), path)
        write = _WRITERS.get(type(value))
        if write is not None:
            return write(self, value, path)
        if type(value) in NAMES:
            return self.object(value, path)
        return _function(value, path)

    def array(self, array: Array, path: tuple[str, ...]) -> Any:
        name = ".".join(path)
        _require(array.dtype.kind in KINDS, path, f"an array of {array.dtype} holds no real numbers")
        _require(bool(np.isfinite(array).all()), path, "holds nan or infinite numbers")
        _require(name not in self.arrays, path, "two arrays have this name; rename an entry of a dictionary")
        self.arrays[name] = array
        return {"array": name}

    def object(self, value: Any, path: tuple[str, ...]) -> Any:
        names = _field_names(type(value))
        fields = {name: self.value(getattr(value, name), (*path, name)) for name in names}
        return {"class": NAMES[type(value)], **fields}

    def items(self, values: Any, path: tuple[str, ...]) -> list[Any]:
        return [self.value(value, (*path, str(i))) for i, value in enumerate(values)]

    def pairs(self, values: Mapping[Any, Any], path: tuple[str, ...]) -> list[Any]:
        return [
            [self.value(key, (*path, f"key {key}")), self.value(value, (*path, str(key)))]
            for key, value in values.items()
        ]


_WRITERS: dict[type, Callable[[_Writer, Any, tuple[str, ...]], Any]] = {
    tuple: lambda writer, value, path: {"tuple": writer.items(value, path)},
    list: lambda writer, value, path: {"list": writer.items(value, path)},
    dict: lambda writer, value, path: {"dict": writer.pairs(value, path)},
}


def _function(value: Any, path: tuple[str, ...]) -> Any:
    """An activation by its name and options, a universal function of NumPy by its name."""
    activation = nn.activation_name(value)
    if activation is not None:
        return {"activation": activation}
    name = getattr(value, "__name__", "")
    if isinstance(value, np.ufunc) and vars(np).get(name) is value:
        return {"ufunc": name}
    _refuse(value, path)


def _refuse(value: Any, path: tuple[str, ...]) -> NoReturn:
    name = getattr(value, "__name__", type(value).__name__)
    what = name if callable(value) and hasattr(value, "__name__") else f"an object of class {name}"
    raise ModelFileError(
        f"{'.'.join(path) or 'network'}: {what} cannot be stored, for a model file holds no code; "
        "use the layers and activations of wengert.nn, or universal functions of NumPy"
    )


def _require(holds: bool, path: tuple[str, ...], what: str) -> None:
    if not holds:
        raise ModelFileError(f"{'.'.join(path) or 'network'}: cannot be stored: {what}")


# ------------------------------------------------------------------------------------------ reading


def built(description: Any, arrays: Mapping[str, Array]) -> Any:
    """The network of a description and its arrays, all of which must occur in it once.

    Raises
    ------
    ValueError, TypeError
        Where the description is none, or does not go with the arrays.
    """
    reader = _Reader(dict(arrays))
    network = reader.value(description, 0)
    if reader.arrays:
        raise ValueError(f"array {next(iter(reader.arrays))!r} belongs to nothing")
    if type(network) not in NAMES:
        raise ValueError("it holds no network")
    return network


class _Reader:
    """Builds what is described, and takes every array once."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays = arrays

    def value(self, value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("its description is nested too deeply")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        if value is None or isinstance(value, str | bool | int | float):
            return value
        return _READERS[_form(value)](self, value, depth + 1)

    def array(self, value: Any, depth: int) -> Any:
        name = value["array"]
        if name not in self.arrays:
            raise ValueError(f"array {name!r} is missing, or named twice")
        array = self.arrays.pop(name)
        _require_real(name, array)
        return array if array.ndim else array[()]

    def object(self, value: dict[str, Any], depth: int) -> Any:
        name = value["class"]
        if name not in CLASSES:
            raise ValueError(f"unknown layer {name!r}")
        unknown = {*value} - {"class", *_field_names(CLASSES[name])}
        if unknown:
            raise ValueError(f"{name} has no {min(unknown)!r}")
        return CLASSES[name](**{key: self.value(v, depth) for key, v in value.items() if key != "class"})

    def items(self, values: Any, depth: int) -> list[Any]:
        if not isinstance(values, list):
            raise ValueError("no list where there should be one")
        return [self.value(value, depth) for value in values]

    def pairs(self, values: Any, depth: int) -> dict[Any, Any]:
        found = {self.value(key, depth): self.value(value, depth) for key, value in values}
        if len(found) != len(values):
            raise ValueError("a name occurs twice")
        return found


_READERS: dict[str, Callable[[_Reader, Any, int], Any]] = {
    "class": _Reader.object,
    "array": _Reader.array,
    "tuple": lambda reader, value, depth: tuple(reader.items(value["tuple"], depth)),
    "list": lambda reader, value, depth: reader.items(value["list"], depth),
    "dict": lambda reader, value, depth: reader.pairs(value["dict"], depth),
    "activation": lambda reader, value, depth: _activation(value["activation"]),
    "ufunc": lambda reader, value, depth: _ufunc(value["ufunc"]),
}


def _form(value: Any) -> str:
    """What kind of thing is described."""
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} describes nothing")
    if "class" in value:
        return "class"
    (form,) = value if len(value) == 1 else ("",)
    if form not in _READERS:
        raise ValueError(f"unknown description {', '.join(value)!r}")
    return form


def _require_real(name: str, array: Array) -> None:
    if array.dtype.kind not in KINDS:
        raise ValueError(f"array {name!r} holds {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"array {name!r} holds nan or infinite numbers")


def _activation(name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError("an activation without a name")
    return nn.activation_named(name)


def _ufunc(name: Any) -> np.ufunc:
    found = vars(np).get(name) if isinstance(name, str) else None
    if not isinstance(found, np.ufunc):
        raise ValueError(f"unknown function {name!r}")
    return found
