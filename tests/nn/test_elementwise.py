import numpy as np
import pytest

import wengert as wg
from tests.nn.helpers import TORCH, generator, weighted
from wengert import nn


def test_a_function_is_a_layer():
    assert nn.Function(np.sin)(0.5) == np.sin(0.5)
    assert nn.Function("relu") == nn.Function(nn.relu)
    assert repr(nn.Function("relu")) == "Function(function=relu)"
    with pytest.raises(ValueError, match="unknown activation 'rleu'"):
        nn.Function("rleu")


def test_learned_slopes_are_those_of_torch():
    (seen,) = TORCH["layers"]["prelu"]
    layer, x = nn.PReLU.init(3, 0.1), np.array(seen["x"])
    by_layer, by_inputs = wg.grad(lambda f, x: weighted(f(x)), argnums=(0, 1))(layer, x)
    np.testing.assert_allclose(layer(x), seen["y"], rtol=1e-14)
    np.testing.assert_allclose(by_inputs, seen["dx"], rtol=1e-14)
    np.testing.assert_allclose(by_layer.slopes, seen["dweight"], rtol=1e-14)


def test_one_slope_may_be_shared():
    layer, x = nn.PReLU.init(), generator().normal(size=(4, 3))
    gradient = wg.grad(lambda f: np.sum(f(x)))(layer).slopes
    np.testing.assert_allclose(gradient, [np.minimum(x, 0).sum()])
