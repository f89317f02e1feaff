"""The Python file: the same bits as the network, with nothing but NumPy at hand."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.helpers import EACH_DTYPE, EACH_NETWORK, by_numpy, expected, generator, network_and_inputs
from wengert import nn
from wengert.exchange import to_numpy

ALONE = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("wengert", "scipy", "optree", "llvmlite", "onnx"):
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Refusing())
sys.path.insert(0, ".")
import numpy as np
import network

np.save("y.npy", network.predict(**np.load("x.npz")))
"""
sizes = st.lists(st.integers(1, 9), min_size=2, max_size=5)
activations = st.sampled_from(sorted(set(nn.ACTIVATIONS) - {"gelu", "exponential"}))


@settings(max_examples=25, deadline=None)
@given(sizes, activations, activations, st.sampled_from([np.float64, np.float32]), st.integers(0, 99))
def test_random_networks_to_the_last_bit(sizes, hidden, output, dtype, seed):
    network = nn.MLP.init(generator(seed), sizes, hidden, output, dtype=dtype)
    x = generator(seed + 1).normal(size=(4, sizes[0])).astype(dtype)
    (found,) = by_numpy(network, x)
    assert found.dtype == dtype and np.array_equal(found, network(x))


@EACH_DTYPE
@EACH_NETWORK
def test_every_layer_to_the_last_bit(name, dtype):
    network, x = network_and_inputs(name, dtype)
    tolerance = 4 * np.finfo(dtype).eps if name == "Graph" else 0.0  # its gelu is by another error function
    for found, wanted in zip(by_numpy(network, x), expected(network, x), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("name", ["MLP", "all at once", "Graph"])
def test_it_needs_numpy_alone(name, tmp_path):
    network, x = network_and_inputs(name, np.float64)
    to_numpy(network, x, tmp_path / "network.py")
    np.savez(tmp_path / "x.npz", **(x if isinstance(x, dict) else {"x": x}))
    done = subprocess.run([sys.executable, "-I", "-c", ALONE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), network(x), rtol=1e-15, atol=1e-15)


def test_how_it_reads():
    layer = nn.Dense(np.array([[2.0], [3.0]]), np.array([1.0]), nn.tanh)
    text = to_numpy(nn.Sequential([layer]), 2)
    assert text.endswith(
        """
layers_0_weights = np.array([[2.0], [3.0]], np.float64)
layers_0_biases = np.array([1.0], np.float64)


def predict(x):
    x = np.asarray(x, np.float64)
    return np.tanh((x @ layers_0_weights) + layers_0_biases)
"""
    )


def test_several_inputs_and_outputs_by_name():
    heads = nn.Branches(
        {"mean": nn.Dense.init(generator(), 2, 1), "variance": nn.Dense.init(generator(1), 2, 1)}
    )
    module = {}
    exec(to_numpy(lambda x: heads(x["a"] + x["b"]), {"a": np.zeros((3, 2)), "b": np.zeros((3, 2))}), module)
    x = generator().normal(size=(5, 2))
    found = module["predict"](a=x, b=x)
    assert list(found) == ["mean", "variance"] and np.array_equal(found["mean"], heads(2 * x)["mean"])
