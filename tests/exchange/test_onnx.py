"""The ONNX file: what it says of itself, and that layers are single nodes."""

import numpy as np
import pytest

from tests.exchange.helpers import generator, network_and_inputs, run_onnx
from wengert import nn
from wengert.exchange import to_onnx

onnx = pytest.importorskip("onnx")


def model_of(network, inputs, **options):
    return onnx.load_from_string(to_onnx(network, inputs, **options))


def operations(network, inputs, **options):
    return [node.op_type for node in model_of(network, inputs, **options).graph.node]


def test_versions_names_and_open_rows():
    model = model_of(nn.MLP.init(generator(), (3, 4, 2)), 3, names=("inputs", "scores"))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert model.ir_version == 8 and model.producer_name == "wengert"
    (given,), (result,) = model.graph.input, model.graph.output
    assert (given.name, result.name) == ("inputs", "scores")
    dims = [(d.dim_param, d.dim_value) for v in (given, result) for d in v.type.tensor_type.shape.dim]
    assert dims == [("rows", 0), ("", 3), ("rows", 0), ("", 2)]


def test_arrays_and_nodes_bear_the_names_of_the_network():
    model = model_of(nn.MLP.init(generator(), (3, 4, 2), "tanh"), 3)
    names = [tensor.name for tensor in model.graph.initializer]
    assert names == ["layers.0.weights", "layers.0.biases", "layers.1.weights", "layers.1.biases"]
    assert [node.name for node in model.graph.node] == ["layers.0/Gemm", "layers.0/Tanh", "layers.1/Gemm"]


SINGLE = {
    "relu": "Relu", "logistic": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "log_softmax": "LogSoftmax",
    "softplus": "Softplus", "softsign": "Softsign", "selu": "Selu", "elu": "Elu", "elu(alpha=0.3)": "Elu",
    "leaky_relu": "LeakyRelu", "exponential": "Exp",
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
def test_activations_are_single_nodes(name):
    network = nn.Dense.init(generator(), 3, 4, nn.activation_named(name), dtype=np.float32)
    assert operations(network, 3) == ["Gemm", SINGLE[name]]


@pytest.mark.parametrize("name, node", [("LayerNorm", "LayerNormalization"), ("PReLU", "PRelu")])
def test_layers_are_single_nodes(name, node):
    assert operations(*network_and_inputs(name, np.float32)) == [node]


def test_a_value_that_others_read_stays():
    assert (
        operations(lambda x: np.stack([nn.relu(x)[:, 0], (x <= 0)[:, 0] * 1.0], axis=1), 3).count("Relu") == 0
    )


def test_the_output_may_be_an_input_or_given_twice():
    content = to_onnx(lambda x: {"a": x, "b": np.tanh(x), "c": x}, 2)
    x = generator().normal(size=(3, 2))
    a, b, c = run_onnx(content, x)
    assert np.array_equal(a, x) and np.array_equal(c, x) and np.allclose(b, np.tanh(x), rtol=0, atol=1e-15)
