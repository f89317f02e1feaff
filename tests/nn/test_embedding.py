import numpy as np
import pytest

import wengert as wg
from tests.nn.helpers import TORCH, generator, weighted
from wengert import nn
from wengert.errors import MismatchError


def test_it_is_that_of_torch():
    (seen,) = TORCH["layers"]["embedding"]
    layer, x = nn.Embedding(np.arange(10.0).reshape(5, 2)), np.array(seen["x"])
    np.testing.assert_array_equal(layer(x), seen["y"])
    np.testing.assert_array_equal(wg.grad(lambda f: weighted(f(x)))(layer).weights, seen["dweight"])
    native = wg.jit(wg.grad(lambda f, x: weighted(f(x))))(layer, x)
    np.testing.assert_array_equal(native.weights, seen["dweight"])


def test_it_is_a_product_with_1_of_k_coding():
    layer = nn.Embedding.init(generator(), 6, 3)
    x = generator(1).integers(0, 6, 20)
    np.testing.assert_array_equal(layer(x), np.eye(6)[x] @ layer.weights)


def test_vectors_are_standard_normal_unless_an_initialiser_is_given():
    assert nn.Embedding.init(generator(), 500, 40).weights.std() == pytest.approx(1, abs=0.02)
    assert abs(nn.Embedding.init(generator(), 500, 40, "glorot", np.float32).weights).max() < (6 / 540) ** 0.5


def test_numbers_that_are_no_categories_are_refused():
    with pytest.raises(MismatchError, match=r"takes the numbers of categories as integers, not float64"):
        nn.Embedding.init(generator(), 6, 3)(np.ones(4))


@pytest.mark.parametrize("call", [lambda f, x: f(x), lambda f, x: wg.jit(f)(x)])
def test_a_category_that_is_none_is_refused(call):
    with pytest.raises(IndexError, match="6"):
        call(nn.Embedding.init(generator(), 6, 3), np.array([0, 6]))
