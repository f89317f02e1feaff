"""Trees of arguments."""

import copy
import dataclasses
from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree


@dataclasses.dataclass
class Layer:
    weight: object
    bias: object
    name: str = dataclasses.field(default="", metadata={"static": True})


@dataclasses.dataclass(frozen=True)
class Frozen:
    inner: Layer
    scale: float

    def __post_init__(self):
        if self.scale == 13:
            raise ValueError("unlucky")


Point = namedtuple("Point", "x y")

TREES = [
    1.0,
    np.arange(3.0),
    [1.0, (2.0, 3.0)],
    {"b": 1.0, "a": [2.0]},
    OrderedDict(b=1.0, a=2.0),
    defaultdict(list, b=[1.0], a=2.0),
    deque([1.0, (2.0,)], maxlen=3),
    {1: 1.0, "a": 2.0, 0: 3.0},
    Point(1.0, [2.0, 3.0]),
    Layer(1.0, 2.0, "first"),
    Frozen(Layer(1.0, [2.0], "inner"), 3.0),
    [Layer(1.0, None), {"x": Point(1.0, 2.0)}],
    None,
    [],
    {},
    (),
    [None, 1.0, ()],
]


@pytest.mark.parametrize("given", TREES, ids=repr)
def test_there_and_back(given):
    leaves, structure = tree.flatten(given)
    again = tree.unflatten(structure, leaves)
    assert type(again) is type(given)
    if not isinstance(given, np.ndarray):
        assert again == given
    assert tree.same_structure(tree.flatten(again)[1], structure)
    assert len(tree.paths(given)) == len(leaves)


@pytest.mark.parametrize(
    "given, count",
    [(None, 0), ([], 0), ({}, 0), ([None, 1.0], 1), (Layer(1.0, None, "n"), 1), (Layer([1.0, 2.0], 3.0), 3)],
    ids=repr,
)
def test_how_many_leaves(given, count):
    assert len(tree.flatten(given)[0]) == count


def test_dictionaries_are_ordered_by_key():
    assert tree.flatten({"b": 1.0, "a": 2.0})[0] == [2.0, 1.0]


def test_dictionaries_keep_the_order_they_were_given_in():
    leaves, structure = tree.flatten({"b": 1.0, "a": 2.0})
    assert list(tree.unflatten(structure, leaves)) == ["b", "a"]
    assert tree.same_structure(structure, tree.flatten({"a": 0.0, "b": 0.0})[1])
    ordered = tree.flatten(OrderedDict(b=1.0, a=2.0))
    assert ordered[0] == [1.0, 2.0]
    assert not tree.same_structure(ordered[1], tree.flatten(OrderedDict(a=1.0, b=2.0))[1])


@pytest.mark.parametrize(
    "keys", [(1, "a", 0, "b"), (Layer, Frozen)], ids=["of two types", "without an order"]
)
def test_keys_that_cannot_be_sorted(keys):
    given = {key: float(i) for i, key in enumerate(keys)}
    leaves, structure = tree.flatten(given)
    assert tree.unflatten(structure, leaves) == given
    assert tree.paths(given)[leaves.index(0.0)] == f"[{keys[0]!r}]"


def test_structures_are_keys_and_copies_are_equal():
    given = [Layer(1.0, None, "n"), {"x": Point(1.0, (2.0,))}]
    structure = tree.flatten(given)[1]
    assert {structure: 1}[tree.flatten(copy.deepcopy(given))[1]] == 1
    assert copy.deepcopy(structure) == structure
    assert tree.unflatten(copy.deepcopy(structure), [1.0, 1.0, 2.0]) == given


def test_static_fields_belong_to_the_structure():
    a, b = tree.flatten(Layer(1.0, 2.0, "a"))[1], tree.flatten(Layer(1.0, 2.0, "b"))[1]
    assert not tree.same_structure(a, b)
    assert tree.map(lambda x: 2 * x, Layer(1.0, 2.0, "a")) == Layer(2.0, 4.0, "a")


def test_a_dataclass_is_rebuilt_without_its_constructor():
    doubled = tree.map(lambda x: x + 10, Frozen(Layer(1.0, 2.0), 3.0))
    assert doubled.scale == 13
    assert doubled.inner == Layer(11.0, 12.0)


def test_map_over_several():
    found = tree.map(lambda a, b: a + b, {"x": 1.0, "y": (2.0,)}, {"x": 10.0, "y": (20.0,)})
    assert found == {"x": 11.0, "y": (22.0,)}


def test_paths_are_written_as_python_writes_them():
    assert tree.paths({"w": [1.0, 2.0], "layer": Layer(1.0, Point(2.0, 3.0))}) == [
        "['layer'].weight",
        "['layer'].bias.x",
        "['layer'].bias.y",
        "['w'][0]",
        "['w'][1]",
    ]
    assert tree.paths(3.0) == [""]


def test_prefixes():
    assert tree.broadcast_prefix([0, None], [{"a": 1.0, "b": 2.0}, 3.0]) == [0, 0, None]
    assert tree.broadcast_prefix({"l": 1}, {"l": Layer(1.0, 2.0)}) == [1, 1]


@pytest.mark.parametrize(
    "prefix, given",
    [([0], [1.0, 2.0]), ((0, 1), [1.0, 2.0]), ({"a": 0}, {"b": 1.0}), ([0, [1]], [1.0, 2.0])],
    ids=repr,
)
def test_prefixes_of_other_trees(prefix, given):
    with pytest.raises(ValueError):
        tree.broadcast_prefix(prefix, given)


def test_prefixes_pass_over_what_has_no_leaves():
    assert tree.broadcast_prefix([0, 1], [None, (2.0, None, 3.0)]) == [1, 1]


def test_leaves():
    assert tree.is_leaf(1.0) and tree.is_leaf(np.ones(3)) and tree.is_leaf(np.float32(1))
    assert not tree.is_leaf([1.0]) and not tree.is_leaf(None) and not tree.is_leaf(Layer(1.0, 2.0))


class TestGradients:
    def test_mirror_their_arguments(self):
        net = Frozen(Layer(np.array([1.0, 2.0]), 3.0, "inner"), 4.0)
        gradient = wg.grad(lambda n: np.sum(n.inner.weight**2) * n.scale + n.inner.bias)(net)
        assert type(gradient) is Frozen and gradient.inner.name == "inner"
        np.testing.assert_array_equal(gradient.inner.weight, [8, 16])
        assert (gradient.inner.bias, gradient.scale) == (1, 5)

    def test_named_tuples(self):
        gradient = wg.grad(lambda p: p.x * p.y)(Point(2.0, 3.0))
        assert gradient == Point(3.0, 2.0) and type(gradient) is Point

    def test_none_stays_none(self):
        assert wg.grad(lambda p: p["a"] * 2)({"a": 1.0, "b": None}) == {"a": 2.0, "b": None}

    def test_nothing_to_differentiate(self):
        assert wg.grad(lambda p, x: x)({}, 1.0) == {}
        assert wg.jacobian(lambda p, x: x)([], 1.0) == []

    def test_results_are_trees_too(self):
        value, tangent = wg.jvp(lambda x: Layer(x * 2, [x**2], "out"), (3.0,), (1.0,))
        assert value == Layer(6.0, [9.0], "out")
        assert tangent == Layer(2.0, [6.0], "out")


def test_parts_of_a_kind_are_replaced_whole():
    pair = namedtuple("pair", "one other")
    given = pair({"a": 1, "b": 2}, [{"a": 3}, None, (4, {"a": 5, "b": 6})])
    found = tree.map_parts(lambda part: part["a"], lambda part: isinstance(part, dict) and "b" in part, given)
    assert found == pair(1, [{"a": 3}, None, (4, 5)])
