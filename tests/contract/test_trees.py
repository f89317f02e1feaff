"""Arguments and results are trees: dicts, lists, tuples, named tuples, dataclasses."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close

X = np.array([1.0, 2.0, 3.0])


class Point(NamedTuple):
    x: float
    y: float


@dataclass
class Layer:
    w: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class Network:
    first: Layer
    rest: list


def test_a_dict():
    close(wg.grad(lambda p: np.sum(p["w"] ** 2) * p["b"])({"w": X, "b": 2.0}), {"w": 4 * X, "b": 14.0})


def test_keys_keep_their_order():
    assert list(wg.grad(lambda p: p["z"] * p["a"])({"z": 1.0, "a": 2.0})) == ["z", "a"]


def test_a_list_a_tuple_and_a_nest():
    tree = [X, (2.0, {"k": [3.0]})]
    found = wg.grad(lambda t: np.sum(t[0]) * t[1][0] * t[1][1]["k"][0])(tree)
    close(found, [np.full(3, 6.0), (18.0, {"k": [12.0]})])


def test_a_named_tuple():
    found = wg.grad(lambda p: p.x * p.y)(Point(2.0, 3.0))
    assert isinstance(found, Point)
    assert found == Point(3.0, 2.0)


def test_a_dataclass():
    found = wg.grad(lambda layer: np.sum(layer.w * X + layer.b))(Layer(np.ones(3), np.zeros(3)))
    assert isinstance(found, Layer)
    close(found.w, X)
    close(found.b, np.ones(3))


def test_a_frozen_dataclass_of_dataclasses():
    network = Network(Layer(np.ones(3), np.zeros(3)), [Layer(X, X)])
    found = wg.grad(lambda n: np.sum(n.first.w * n.rest[0].w) + np.sum(n.first.b))(network)
    assert isinstance(found, Network)
    close(found.first.w, X)
    close(found.rest[0].w, np.ones(3))
    close(found.rest[0].b, np.zeros(3))


def test_methods_of_a_dataclass_work_on_tracers():
    @dataclass
    class Line:
        slope: float
        offset: float

        def __call__(self, x):
            return self.slope * x + self.offset

    found = wg.grad(lambda line: np.sum(line(X) ** 2))(Line(1.0, 0.5))
    assert found.slope == pytest.approx(2 * np.sum((X + 0.5) * X))
    assert found.offset == pytest.approx(2 * np.sum(X + 0.5))


def test_none_is_an_empty_tree():
    assert wg.grad(lambda t: t["a"] ** 2)({"a": 3.0, "b": None}) == {"a": 6.0, "b": None}


def test_empty_trees():
    assert wg.grad(lambda t: 1.0)({}) == {}
    assert wg.grad(lambda t: 1.0)([]) == []
    assert wg.grad(lambda t, x: x, argnums=(0, 1))((), 1.0) == ((), 1.0)


def test_one_array_in_two_places():
    close(wg.grad(lambda t: np.sum(t[0] * t[1] ** 2))([X, X]), [X**2, 2 * X * X])


def test_an_integer_in_the_tree_is_refused():
    with pytest.raises(TypeError):
        wg.grad(lambda t: t["a"])({"a": 1.0, "n": 3})


def test_the_tree_that_f_gets_is_a_copy():
    tree = {"a": X}

    def f(t):
        t["b"] = 1.0
        return np.sum(t["a"])

    wg.grad(f)(tree)
    assert tree.keys() == {"a"}


def test_value_may_be_a_tree_of_many():
    value, tangent = wg.jvp(lambda x: Point(x**2, {"a": [x, 1.0]}), (3.0,), (1.0,))
    assert value == Point(9, {"a": [3, 1]})
    assert tangent == Point(6, {"a": [1, 0]})


def test_gradients_of_trees_add_up_with_numpy():
    parameters = {"w": X.copy(), "b": 1.0}
    for _ in range(200):
        gradient = wg.grad(lambda p: np.sum((p["w"] - 2) ** 2) + (p["b"] + 1) ** 2)(parameters)
        parameters = {key: value - 0.1 * gradient[key] for key, value in parameters.items()}
    close(parameters, {"w": np.full(3, 2.0), "b": -1.0})
