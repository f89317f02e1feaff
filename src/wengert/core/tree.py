"""Trees: dicts, lists, tuples, named tuples and dataclasses of numbers and arrays.

A thin layer over optree that also understands dataclasses: their fields are children, except those declared
with ``field(metadata={"static": True})``, which belong to the structure.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optree

Path = Sequence[optree.PyTreeEntry]

NAMESPACE = "wengert"
_LEAVES = frozenset({np.ndarray, float, int, complex, bool, np.float64, np.float32})
# Dataclasses that are trees: the names of their children, and of what belongs to the structure.
_registered: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """``(leaves, structure)``. ``None`` is an empty tree."""
    if type(tree) in _LEAVES:
        return [tree], _LEAF
    leaves, structure = optree.tree_flatten(tree, namespace=NAMESPACE)
    unknown = [cls for cls in {*builtins.map(type, leaves)} - _LEAVES if _is_dataclass(cls)]
    if not unknown:
        return leaves, structure
    for cls in unknown:
        register_dataclass(cls)
    return flatten(tree)


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """The tree of this structure with these leaves."""
    return leaves[0] if structure is _LEAF else optree.tree_unflatten(structure, leaves)


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree of ``f(leaf, ...)`` over trees of one structure."""
    leaves, structure = flatten(tree)
    columns = [flatten(other)[0] for other in rest]
    return unflatten(structure, [f(*row) for row in zip(leaves, *columns, strict=True)])


def map_parts(f: Callable[[Any], Any], is_part: Callable[[Any], bool], tree: Any) -> Any:
    """The tree with f of each of its parts of a kind, whatever is in it, in the place of the part."""
    flatten(tree)
    return optree.tree_map(
        lambda node: f(node) if is_part(node) else node, tree, is_leaf=is_part, namespace=NAMESPACE
    )


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any]:
    """One leaf of the prefix, which may be None, for each leaf of the tree that stands below it."""
    flatten(tree)
    leaves = optree.tree_leaves(tree, none_is_leaf=True, namespace=NAMESPACE)
    found = optree.broadcast_prefix(prefix, tree, none_is_leaf=True, namespace=NAMESPACE)
    return [one for one, leaf in zip(found, leaves, strict=True) if leaf is not None]


def paths(tree: Any) -> list[str]:
    """Where each leaf stands, as Python would write it: ``['w'][0]``."""
    accessors = optree.tree_accessors(tree, namespace=NAMESPACE) if not is_leaf(tree) else [""]
    return [a if isinstance(a, str) else a.codify("") for a in accessors]


def entries(tree: Any) -> list[Path]:
    """Where each leaf stands, as the steps that lead there."""
    return entries_of(flatten(tree)[1])


def entries_of(structure: Any) -> list[Path]:
    """Where each leaf of a structure stands, as the steps that lead there."""
    return list(optree.treespec_accessors(structure))


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


def metadata(step: optree.PyTreeEntry) -> Mapping[Any, Any]:
    """What the dataclass on the way says of the field that the step goes to."""
    return metadata_of(step.type)[str(step.entry)] if isinstance(step, optree.DataclassEntry) else {}


@functools.cache
def metadata_of(cls: type) -> Mapping[str, Mapping[Any, Any]]:
    """What a dataclass says of each of its fields."""
    return {f.name: f.metadata for f in dataclasses.fields(cls)}


def is_leaf(tree: Any) -> bool:
    """Whether the tree is a single number or array."""
    return flatten(tree)[1] == _LEAF


def same_structure(a: Any, b: Any) -> bool:
    """Whether two structures from `flatten` are the same."""
    return bool(a == b)


def _is_dataclass(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and cls not in _registered


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

    def to_children(node: Any) -> tuple[Any, Any, tuple[str, ...]]:
        return [getattr(node, n) for n in children], tuple(getattr(node, n) for n in static), children

    def from_children(values: Any, items: Sequence[Any]) -> Any:
        node: Any = object.__new__(cls)
        for name, value in zip((*static, *children), (*values, *items), strict=True):
            object.__setattr__(node, name, value)
        return node

    _registered[cls] = children, static
    optree.register_pytree_node(
        cls,
        to_children,
        from_children,  # type: ignore[arg-type]
        namespace=NAMESPACE,
        path_entry_type=optree.DataclassEntry,
    )


_LEAF: Any = optree.tree_structure(0, namespace=NAMESPACE)  # type: ignore[arg-type]
