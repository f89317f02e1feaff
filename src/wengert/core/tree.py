"""Trees: dicts, lists, tuples, named tuples and dataclasses of numbers and arrays.

A tree is a structure and a row of leaves. Keys of a dict come in order, whatever the order in which they were
put in; ``None`` is a tree without leaves. The fields of a dataclass are children, except those declared with
``field(metadata={"static": True})``, which belong to the structure.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

_LEAVES = frozenset({np.ndarray, float, int, complex, bool, np.float64, np.float32})


class Structure(NamedTuple):
    """A tree without its leaves: the type of a node, what it holds besides its children, and these."""

    type: Any
    data: Any
    children: tuple[Structure, ...] = ()

    def __str__(self) -> str:
        return "*" if self.type is _Leaf else _kind(self.type).written(self)


class Step(NamedTuple):
    """A step on the way to a leaf: from a node of a type to the child under this name or number."""

    type: Any
    entry: Any

    def __str__(self) -> str:
        named = self.type in _registered or is_namedtuple(self.type)
        return f".{self.entry}" if named else f"[{self.entry!r}]"


Path = Sequence[Step]


class Keys(tuple[Any, ...]):
    """The keys of a dict in order; ``given`` is the order in which they were put in."""

    given: list[Any]


class Kind(NamedTuple):
    """What is done with nodes of a type: taken apart, put together, and shown."""

    parts: Callable[[Any], tuple[Any, Sequence[Any]]]
    made: Callable[[Any, Any, list[Any]], Any]  # of type, data and children
    entries: Callable[[Structure], Sequence[Any]]
    written: Callable[[Structure], str]


# --- kinds of nodes -----------------------------------------------------------------------------------------


def _numbered(structure: Structure) -> range:
    return range(len(structure.children))


def _listed(structure: Structure, before: str, after: str) -> str:
    return before + ", ".join([str(child) for child in structure.children]) + after


def _in_tuple(structure: Structure) -> str:
    return _listed(structure, "(", ",)" if len(structure.children) == 1 else ")")


def _keys(node: Mapping[Any, Any]) -> Keys:
    keys = Keys(_ordered(node))
    keys.given = list(node)
    return keys


def _ordered(keys: Mapping[Any, Any]) -> list[Any]:
    """Keys in order; of several types, or of one without an order, as far as there is one."""
    try:
        return sorted(keys)
    except TypeError:
        pass
    try:
        return sorted(keys, key=lambda key: (f"{type(key).__module__}.{type(key).__qualname__}", key))
    except TypeError:
        return list(keys)


def _dict_parts(node: Mapping[Any, Any]) -> tuple[Keys, list[Any]]:
    keys = _keys(node)
    return keys, [node[key] for key in keys]


def _dict_made(_: Any, keys: Keys, children: list[Any]) -> dict[Any, Any]:
    found = dict(zip(keys, children, strict=True))
    return {key: found[key] for key in keys.given}


def _dict_written(structure: Structure) -> str:
    pairs = zip(_kind(structure.type).entries(structure), structure.children, strict=True)
    return "{" + ", ".join(f"{key!r}: {child}" for key, child in pairs) + "}"


def _default_parts(node: defaultdict[Any, Any]) -> tuple[Any, list[Any]]:
    keys, children = _dict_parts(node)
    return (node.default_factory, keys), children


def _fields_written(structure: Structure) -> str:
    pairs = zip(_kind(structure.type).entries(structure), structure.children, strict=True)
    return f"{structure.type.__name__}({', '.join(f'{name}={child}' for name, child in pairs)})"


_KINDS: dict[type, Kind] = {
    type(None): Kind(lambda node: ((), ()), lambda *_: None, _numbered, lambda _: "None"),
    tuple: Kind(lambda node: ((), node), lambda _, __, parts: tuple(parts), _numbered, _in_tuple),
    list: Kind(
        lambda node: ((), node), lambda _, __, parts: list(parts), _numbered, lambda s: _listed(s, "[", "]")
    ),
    dict: Kind(_dict_parts, _dict_made, lambda s: s.data, _dict_written),
    OrderedDict: Kind(
        lambda node: (tuple(node), [*node.values()]),
        lambda _, keys, parts: OrderedDict(zip(keys, parts, strict=True)), lambda s: s.data, _dict_written,
    ),
    defaultdict: Kind(
        _default_parts,
        lambda _, data, parts: defaultdict(data[0], _dict_made(_, data[1], parts)),
        lambda s: s.data[1], _dict_written,
    ),
    deque: Kind(
        lambda node: (node.maxlen, node), lambda _, most, parts: deque(parts, most), _numbered,
        lambda s: _listed(s, "deque([", "])"),
    ),
}  # fmt: skip
_NAMEDTUPLE = Kind(
    lambda node: ((), node),
    lambda cls, _, parts: cls(*parts),
    lambda structure: structure.type._fields,
    _fields_written,
)


def _kind(cls: type) -> Any:
    """The kind of node that objects of a type are; None where they are leaves."""
    found = _KINDS.get(cls)
    if found is None and dataclasses.is_dataclass(cls):
        register_dataclass(cls)
        return _KINDS[cls]
    return _NAMEDTUPLE if found is None and is_namedtuple(cls) else found


def is_namedtuple(cls: type) -> bool:
    """Whether a class is that of named tuples."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


# --- dataclasses --------------------------------------------------------------------------------------------

# Those that are trees: the names of their children, and of what belongs to the structure.
_registered: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def is_static(field: dataclasses.Field[Any]) -> bool:
    """Whether a field belongs to the structure, not to the children."""
    return bool(field.metadata.get("static", False))


def fields_of(cls: type) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The names of a dataclass's children and of its other fields; None for a class that is no tree."""
    return _registered.get(cls)


def register_dataclass(cls: type) -> None:
    """Make a dataclass a tree; done on first sight."""
    fields = dataclasses.fields(cls)
    children = tuple(f.name for f in fields if not is_static(f))
    static = tuple(f.name for f in fields if is_static(f))

    def parts(node: Any) -> tuple[Any, Sequence[Any]]:
        return tuple([getattr(node, n) for n in static]), [getattr(node, n) for n in children]

    def made(_: Any, values: Any, items: list[Any]) -> Any:
        node: Any = object.__new__(cls)
        for name, value in zip((*static, *children), (*values, *items), strict=True):
            object.__setattr__(node, name, value)
        return node

    _registered[cls] = children, static
    _KINDS[cls] = Kind(parts, made, lambda structure: children, _fields_written)


# --- trees --------------------------------------------------------------------------------------------------


class _Leaf:
    """Stands in a structure where a leaf is."""


_LEAF = Structure(_Leaf, ())


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """``(leaves, structure)``. ``None`` is an empty tree."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    cls = type(tree)
    kind = None if cls in _LEAVES else _kind(cls)
    if kind is None:
        leaves.append(tree)
        return _LEAF
    data, children = kind.parts(tree)
    return Structure(cls, data, tuple([_flatten(child, leaves) for child in children]))


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """The tree of this structure with these leaves."""
    return leaves[0] if structure.type is _Leaf else _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure.type is _Leaf:
        return next(leaves)
    cls, data, children = structure
    return _KINDS.get(cls, _NAMEDTUPLE).made(cls, data, [_unflatten(child, leaves) for child in children])


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree of ``f(leaf, ...)`` over trees of one structure."""
    leaves, structure = flatten(tree)
    columns = [flatten(other)[0] for other in rest]
    return unflatten(structure, [f(*row) for row in zip(leaves, *columns, strict=True)])


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any]:
    """One leaf of the prefix for each leaf of the tree that stands below it; None is a leaf.

    Raises
    ------
    ValueError
        Where the tree does not begin like the prefix.
    """
    kind = None if prefix is None else _kind(type(prefix))
    if kind is None:
        return [prefix] * len(flatten(tree)[0])
    (data, children), (other, found) = kind.parts(prefix), _parts(tree)
    if type(tree) is not type(prefix) or data != other or len(children) != len(found):
        raise ValueError(f"the tree {flatten(tree)[1]} does not begin like {flatten(prefix)[1]}")
    return [leaf for pair in zip(children, found, strict=True) for leaf in broadcast_prefix(*pair)]


def _parts(tree: Any) -> tuple[Any, Sequence[Any]]:
    kind = _kind(type(tree))
    return ((), ()) if kind is None else kind.parts(tree)


def paths(tree: Any) -> list[str]:
    """Where each leaf stands, as Python would write it: ``['w'][0]``."""
    return ["".join([str(step) for step in path]) for path in entries(tree)]


def entries(tree: Any) -> list[Path]:
    """Where each leaf stands, as the steps that lead there."""
    return entries_of(flatten(tree)[1])


def entries_of(structure: Any) -> list[Path]:
    """Where each leaf of a structure stands, as the steps that lead there."""
    return list(_entries(structure, ()))


def by_structure(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of a structure that is called once for all alike, as far as they can be told apart."""
    known = functools.lru_cache(maxsize=256)(f)

    @functools.wraps(f)
    def call(structure: Any) -> Any:
        try:
            return known(structure)
        except TypeError:  # what a dataclass declares as static has no hash
            return f(structure)

    return call


def _entries(structure: Structure, before: tuple[Step, ...]) -> Iterator[Path]:
    if structure.type is _Leaf:
        yield before
        return
    for entry, child in zip(_kind(structure.type).entries(structure), structure.children, strict=True):
        yield from _entries(child, (*before, Step(structure.type, entry)))


def metadata(step: Step) -> Mapping[Any, Any]:
    """What the dataclass on the way says of the field that the step goes to."""
    return metadata_of(step.type)[str(step.entry)] if step.type in _registered else {}


@functools.cache
def metadata_of(cls: type) -> Mapping[str, Mapping[Any, Any]]:
    """What a dataclass says of each of its fields."""
    return {f.name: f.metadata for f in dataclasses.fields(cls)}


def is_leaf(tree: Any) -> bool:
    """Whether the tree is a single number or array."""
    return bool(flatten(tree)[1].type is _Leaf)


def same_structure(a: Any, b: Any) -> bool:
    """Whether two structures from `flatten` are the same."""
    return bool(a == b)
