"""ONNX models of other programs and of this one become networks; what cannot is refused by name."""

import random

import numpy as np
import pytest

from tests.exchange.helpers import (
    DTYPES,
    EACH_DTYPE,
    EACH_NETWORK,
    FIXTURES,
    NETWORKS,
    assert_close,
    expected,
    generator,
    leaves,
    network_and_inputs,
)
from wengert import losses, nn, optim, train
from wengert.errors import ExchangeError
from wengert.exchange import from_onnx, to_onnx
from wengert.exchange._layers import layers_of
from wengert.exchange._protobuf import decode, encode
from wengert.exchange._tensors import tensor

MODELS = sorted(path.stem for path in FIXTURES.glob("*.onnx"))


def written(name):
    """A model of another program, an input, and what that program gives for it."""
    values = np.load(FIXTURES / f"{name}.npz")
    return FIXTURES / f"{name}.onnx", values["x"], values["y"]


# --- other programs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_models_of_pytorch_and_scikit_learn(name):
    path, x, y = written(name)
    found = from_onnx(path)(x)
    tolerance = 1e-12 if y.dtype == np.float64 and x.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(np.reshape(found, y.shape), y, rtol=tolerance, atol=tolerance)


def kinds(network):
    return [layer.activation if isinstance(layer, nn.Dense) else type(layer) for layer in network.layers]


@pytest.mark.parametrize("form", ["script", "dynamo"])
def test_activations_are_joined_to_their_layers(form):
    path, _, _ = written(f"torch_{form}_smooth")
    assert kinds(from_onnx(path)) == [nn.gelu, nn.gelu_tanh, nn.silu, nn.mish, nn.hard_tanh, nn.log_softmax]
    path, _, _ = written(f"torch_{form}_rectifiers")
    options = [nn.activation_named(name) for name in ("leaky_relu(slope=0.2)", "elu(alpha=0.7)")]
    wanted = [nn.relu, *options, nn.selu, nn.softplus, nn.identity, nn.PReLU]
    assert kinds(from_onnx(path)) == wanted


def test_normalisation_and_dropout():
    path, _, _ = written("torch_script_normalised")
    layers = from_onnx(path).layers
    assert [type(layer) for layer in layers[1:4]] == [nn.BatchNorm, nn.Function, nn.LayerNorm]
    assert (layers[1].momentum, layers[1].epsilon, layers[3].epsilon) == (0.1, 1e-5, 1e-5)


def test_paths_that_part_are_a_graph():
    path, _, _ = written("torch_script_residual")
    network = from_onnx(path)
    assert isinstance(network, nn.Graph) and len(network.wiring.nodes) == 5


def test_an_imported_network_is_trained_further():
    path, x, y = written("torch_script_normalised")
    network = from_onnx(path)
    targets = np.roll(y, 1, axis=0)
    found = train.fit(
        network, losses.sum_of_squares, x, targets, optimiser=optim.Adam(0.01), epochs=60
    ).network
    assert losses.sum_of_squares(found(x), targets) < 0.5 * losses.sum_of_squares(network(x), targets)


def test_the_output_may_be_named():
    path, x, y = written("sklearn_three")
    assert np.allclose(from_onnx(path, output="probabilities")(x), y, atol=1e-6)
    with pytest.raises(ExchangeError, match=r"no output 'p'; it has 'label', 'probabilities'"):
        from_onnx(path, output="p")
    with pytest.raises(
        ExchangeError, match=r"node 'ArgMax' \(ArgMax\): this operation makes no layer here|ArgMax"
    ):
        from_onnx(path, output="label")


# --- there and back -----------------------------------------------------------------------------------------


# Activations that onnxruntime does not have in double precision, so that they are written in many nodes.
IN_PARTS = {"gudermannian", "softplus", "gelu", "mish"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_dense_layers_come_back_as_they_were(name, dtype):
    network = nn.MLP.init(generator(), (3, 4, 2), "tanh", nn.ACTIVATIONS[name], dtype=dtype)
    found = from_onnx(to_onnx(network, 3))
    x = generator(1).normal(size=(5, 3)).astype(dtype)
    np.testing.assert_allclose(found(x), network(x), rtol=1e-12 if dtype == np.float64 else 1e-5)
    assert found == nn.Sequential(network.layers) or (name in IN_PARTS and dtype == np.float64)


@EACH_DTYPE
@EACH_NETWORK
def test_every_layer_computes_the_same_there_and_back_and_there_again(name, dtype):
    network, x = network_and_inputs(name, dtype)
    found = from_onnx(to_onnx(network, x))
    assert_close(leaves(found(x)), expected(network, x))
    again = from_onnx(to_onnx(found, x))
    assert_close(leaves(again(x)), expected(network, x))


def test_every_layer_is_among_these():
    """What is no layer by itself has a network that it is a part of."""
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    parts = {"Layer", "Units", "Node", "Wiring", "Topology", "Unit", "Connection", "Fixed", "PerceptronFit"}
    assert layers - parts <= NETWORKS.keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_activations_by_themselves(name, dtype):
    network = nn.Function(name)
    x = generator(1).normal(size=(5, 3)).astype(dtype)
    found = from_onnx(to_onnx(network, x))
    assert_close([found(x)], expected(network, x))
    assert found == nn.Sequential((network,)) or (name in IN_PARTS and dtype == np.float64)


@pytest.mark.parametrize("name", ["LayerNorm", "fresh LayerNorm", "PReLU"])
def test_what_is_written_in_parts_is_a_layer_again(name):
    """In double precision, of which onnxruntime has not these operations."""
    network, x = network_and_inputs(name, np.float64)
    (layer,) = from_onnx(to_onnx(network, x)).layers
    assert layer == network


def test_a_normalisation_of_something_else_stays_in_parts():
    def halves(x):
        centred = x - np.sum(x, axis=-1, keepdims=True) / 2
        spread = np.sum(centred * centred, axis=-1, keepdims=True) / 2
        return centred * (1 / np.sqrt(spread + 1e-5)) * np.array([1.0, 2.0, 3.0]) + np.array([0.1, 0.2, 0.3])

    x = generator().normal(size=(4, 3))
    found = from_onnx(to_onnx(halves, x))
    assert not any(isinstance(layer, nn.LayerNorm) for layer in layers_of(found))
    np.testing.assert_allclose(found(x), halves(x), rtol=1e-12)


def test_several_inputs_and_outputs():
    f = lambda x: {"sum": nn.relu(x["a"] + x["b"]), "product": x["a"] * x["b"]}
    x = {"a": generator().normal(size=(4, 2)), "b": generator(1).normal(size=(4, 2))}
    found = from_onnx(to_onnx(f, x))(x)
    assert np.array_equal(found["sum"], f(x)["sum"]) and np.array_equal(found["product"], f(x)["product"])


# --- models made by hand ------------------------------------------------------------------------------------


def model(nodes, tensors=(), opset=17, outputs=("y",), width=3, **parts):
    value = lambda name: {
        "name": name,
        "type": {
            "tensor_type": {"elem_type": 1, "shape": {"dim": [{"dim_param": "rows"}, {"dim_value": width}]}}
        },
    }
    graph = {
        "node": list(nodes),
        "name": "network",
        "initializer": [t if isinstance(t, dict) else tensor(*t) for t in tensors],
        "input": [value("x")],
        "output": [value(name) for name in outputs],
    }
    opsets = [{"domain": "", "version": opset}, {"domain": "ai.onnx.ml", "version": 2}]
    return encode({"ir_version": 8, "graph": graph | parts, "opset_import": opsets}, "Model")


def node(operation, inputs, outputs, domain="", **attributes):
    kinds = {int: ("i", 2), float: ("f", 1), str: ("s", 3), list: ("ints", 7)}
    found = []
    for name, value in attributes.items():
        key, kind = kinds[type(value)]
        found.append({"name": name, key: value.encode() if key == "s" else value, "type": kind})
    return {
        "input": inputs.split(), "output": outputs.split(), "name": f"the {operation}", "op_type": operation,
        "attribute": found, "domain": domain,
    }  # fmt: skip


W = ("W", np.arange(6, dtype=np.float32).reshape(3, 2))
X = generator().normal(size=(4, 3)).astype(np.float32)


def test_gemm_with_all_its_options():
    nodes = [node("Gemm", "x A c", "y", transB=1, alpha=0.5, beta=2.0)]
    network = from_onnx(model(nodes, [("A", W[1].T.copy()), ("c", np.ones((1, 2), np.float32))]))
    assert np.allclose(network(X), 0.5 * X @ W[1] + 2)


def test_identities_constants_and_unread_nodes():
    nodes = [
        node("Identity", "x", "a"),
        node("Cast", "a", "b", to=1),
        node("Transpose", "V", "W", perm=[1, 0]),
        node("MatMul", "b W", "c"),
        node("NonZero", "c", "unread"),
        node("Dropout", "c", "d"),
        node("Reshape", "d shape", "y"),
    ]
    tensors = [("V", W[1].T.copy()), ("shape", np.array([-1, 2]))]
    network = from_onnx(model(nodes, tensors))
    assert np.allclose(network(X), X @ W[1])
    assert [type(layer) for layer in network.layers] == [nn.Dense, nn.Dropout, nn.Function]


@pytest.mark.parametrize(
    "operation, wanted",
    [
        ("Sub", lambda x, c: c - x),
        ("Div", lambda x, c: c / x),
        ("Pow", lambda x, c: c**x),
        ("Greater", lambda x, c: c > x),
        ("LessOrEqual", lambda x, c: c <= x),
        ("Add", lambda x, c: c + x),
        ("Min", lambda x, c: np.minimum(c, x)),
    ],
)
def test_constants_may_stand_first(operation, wanted):
    c = np.array([1.0, 2.0, 3.0], np.float32)
    assert np.allclose(from_onnx(model([node(operation, "c x", "y")], [("c", c)]))(X), wanted(X, c))


def test_half_precision_becomes_single():
    network = from_onnx(model([node("MatMul", "x W", "y")], [("W", W[1].astype(np.float16))]))
    assert network.layers[0].weights.dtype == np.float32 and np.allclose(network(X), X @ W[1])


# --- refusals -----------------------------------------------------------------------------------------------

SECRET = ("W", np.zeros((3, 2), np.float32))
EXTERNAL = tensor(*SECRET) | {
    "raw_data": b"", "data_location": 1, "external_data": [{"key": "location", "value": "../../etc/passwd"}],
}  # fmt: skip
ONE = [("a", np.ones(3, np.float32))]


def with_weights(**wrong):
    """A product with a matrix that is not what it says."""
    return model([node("MatMul", "x W", "y")], [tensor(*SECRET) | wrong])


def with_matrix(*nodes):
    return model(nodes, [W])


def with_constant(operation, value, **attributes):
    """A node that reads x and a constant c."""
    return model([node(operation, "x c", "y", **attributes)], [("c", np.asarray(value))])


CIRCLE = [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")]
TOO_WIDE = [node("MatMul", "x W", "a"), node("MatMul", "a W", "y")]
TALL = ("c", np.ones((4, 2), np.float32))
TRAINING = node("BatchNormalization", "x a a a a", "y", training_mode=1)
DOUBLED = [node("Concat", f"a{i} a{i}".replace("a0", "x"), f"a{i + 1}", axis=1) for i in range(60)]
FAR, AXIS = ("c", np.array([1 << 40])), ("c", np.array([1]))
WIDENED = [node("Shape", "x", "s"), node("Concat", "s c", "t", axis=0), node("Expand", "x t", "y")]
GROWN = [
    node("Shape", "x", "s0"),
    *(node("Concat", f"s{i} s{i}", f"s{i + 1}", axis=0) for i in range(60)),
    node("Expand", "x s60", "y"),
]
BEHIND = [node("Unsqueeze", "x c", "a"), node("Softmax", "a", "y", axis=1)]
REFUSED = {
    "unknown": (model([node("Loop", "x", "y")]), r"node 'the Loop' \(Loop\): this operation makes no layer"),
    "foreign": (model([node("Gelu", "x", "y", domain="com.other")]), r"'the Gelu' \(Gelu\): this operation"),
    "old": (model([node("Relu", "x", "y")], opset=3), "the operator set of the model is 3, and 9 to"),
    "new": (model([node("Relu", "x", "y")], opset=999), "the operator set of the model is 999"),
    "external": (model([node("MatMul", "x W", "y")], [EXTERNAL]), "numbers of 'W' are in another file"),
    "absurd": (
        with_weights(dims=[1 << 40, 1 << 40]),
        r"'W' has 6 numbers, which is not the shape \[1099511627776",
    ),
    "negative": (with_weights(dims=[-3, -2]), "which is not the shape"),
    "odd bytes": (with_weights(raw_data=b"12345"), "5 bytes, which are no numbers"),
    "type": (with_weights(data_type=77), "numbers of the unknown type 77"),
    "sparse": (model([node("Relu", "x", "y")], sparse_initializer=[b"\x00"]), "sparse tensors"),
    "circle": (model(CIRCLE), "which nothing before it gives"),
    "twice": (model([node("Relu", "x", "x"), node("Relu", "x", "y")]), "'x' is given twice"),
    "missing": (model([node("Relu", "", "y")]), "operand 1 is missing"),
    "computed": (model([node("MatMul", "x x", "y")]), "its matrix is computed, and a layer has it as"),
    "turned": (with_matrix(node("Gemm", "x W", "y", transA=1)), "it transposes its inputs"),
    "not fitting": (with_matrix(*TOO_WIDE), "layers of the model do not fit together"),
    "vector": (with_constant("MatMul", np.ones(3, np.float32)), r"of shape \[3\] is no matrix"),
    "bias": (model([node("Gemm", "x W c", "y")], [W, TALL]), "more than a number for each unit"),
    "rows": (with_constant("Add", np.ones((4, 3), np.float32)), "has rows of its own"),
    "axis": (model([node("Softmax", "x", "y", axis=0)]), "another axis than that of the units"),
    "whole numbers": (model([node("Cast", "x", "y", to=7)]), "makes whole numbers of what is computed"),
    "shape": (with_constant("Reshape", [4, -1]), "do not fit together"),
    "training": (model([TRAINING], ONE), "meant for training"),
    "ratio": (with_constant("Dropout", np.float32(1.5)), "no probability below 1"),
    "a constant": (model([node("Identity", "a", "y")], ONE), "there is nothing to compute"),
    "columns for rows": (model([node("Transpose", "x", "y")]), r"the shape \(3, 2\) for 2 patterns"),
    "constant shape": (model([node("Expand", "x c", "y")], [FAR]), "operand 2 is a constant"),
    "no whole places": (with_constant("Gather", np.ones(3, np.float32)), "its places are no whole numbers"),
    "far away": (model(WIDENED, [FAR]), r"a layer of 8796093022208 units|do not fit"),
    "shapes without end": (model(GROWN), "a shape of 131072 numbers"),
    "axis behind": (model(BEHIND, [AXIS]), "its axis is counted from the front"),
    "without end": (model([*DOUBLED, node("Relu", "a60", "y")]), "a layer of 3458764513820540928 units"),
    "empty": (model([]), "it has no graph of operations"),
    "no output": (model([node("Relu", "x", "y")], outputs=()), "no output of the model is of floating-point"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_network_is_refused(name):
    content, message = REFUSED[name]
    with pytest.raises(ExchangeError, match=message):
        from_onnx(content)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ExchangeError, match=r"cannot read the file .*check the path"):
        from_onnx(tmp_path / "nothing.onnx")
    for content in (b"", b"PK\x03\x04 not a model", b"\xff" * 100, b"\x00" * 100, b"import os"):
        with pytest.raises(ExchangeError):
            from_onnx(content)


def test_messages_within_messages_without_end():
    content = b"ab"
    for _ in range(2000):
        content = encode({"g": content, "name": "x"}, "Attribute")
    with pytest.raises(ExchangeError):
        from_onnx(
            model([{**node("Relu", "x", "y"), "attribute": [{"name": "g", "g": content}]}]) + b"\x3a\xff"
        )


@pytest.mark.parametrize("name", ["torch_script_normalised", "sklearn_two"])
def test_damaged_files_give_a_network_or_one_message(name):
    content = (FIXTURES / f"{name}.onnx").read_bytes()
    rng = random.Random(0)
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.3:
            damaged = damaged[: rng.randrange(len(damaged))]
        try:
            from_onnx(bytes(damaged))
        except ExchangeError as error:
            assert str(error)


def test_a_model_that_is_read_and_written_again_is_the_same():
    content = to_onnx(nn.MLP.init(generator(), (3, 4, 2), "elu", dtype=np.float32), 3)
    assert decode(encode(decode(content, "Model"), "Model"), "Model") == decode(content, "Model")
