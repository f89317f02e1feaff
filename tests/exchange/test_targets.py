"""Every layer, activation and operation gives the same numbers in Python, in C and in onnxruntime."""

import dataclasses
import warnings

import numpy as np
import pytest
from scipy import special

from tests.exchange.helpers import (
    EACH_DTYPE,
    EACH_NETWORK,
    EACH_TARGET,
    NETWORKS,
    TARGETS,
    assert_close,
    expected,
    generator,
    needs_compiler,
    network_and_inputs,
)
from wengert import nn
from wengert.core.primitive import REGISTRY
from wengert.core.recorder import bind
from wengert.exchange import _c, _numpy, _onnx, to_c, to_numpy, to_onnx

KINKS = [[0.0, -30.0, 30.0], [1e-6, -1e-6, -0.0], [1.0, -1.0, 0.5]]


@EACH_TARGET
@EACH_DTYPE
@EACH_NETWORK
def test_every_layer(name, dtype, run):
    network, x = network_and_inputs(name, dtype)
    assert_close(run(network, x), expected(network, x))


@EACH_TARGET
@EACH_DTYPE
@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_every_activation(name, dtype, run):
    x = np.concatenate([3 * generator().normal(size=(20, 3)), KINKS]).astype(dtype)
    assert_close(run(nn.ACTIVATIONS[name], x), expected(nn.ACTIVATIONS[name], x))


@EACH_TARGET
@pytest.mark.parametrize("name", ["elu(alpha=0.3)", "leaky_relu(slope=0.2)"])
def test_activations_with_options(name, run):
    x = np.array(KINKS, np.float32)
    assert_close(run(nn.activation_named(name), x), expected(nn.activation_named(name), x))


# --- operations of the registry -----------------------------------------------------------------------------

TRANSLATED = {"numpy": _numpy.TRANSLATED, "onnx": _onnx.TRANSLATED, "c": _c.TRANSLATED}
OPERATIONS = [
    pytest.param(name, run, marks=needs_compiler if target == "c" else [], id=f"{name}-{target}")
    for target, run in TARGETS.items()
    for name in sorted(TRANSLATED[target])
    if name in REGISTRY and REGISTRY[name].domain
]


@EACH_DTYPE
@pytest.mark.parametrize("name, run", OPERATIONS)
def test_every_elementwise_operation(name, run, dtype):
    primitive = REGISTRY[name]
    low, high = np.array(primitive.domain, dtype).T
    x = generator().uniform(low, high, (9, len(low))).astype(dtype)
    f = lambda x: bind(primitive, [x[:, i : i + 1] for i in range(len(low))], {})
    assert_close(run(f, x), expected(f, x), 3e-5 if dtype == np.float32 else 1e-12)


STRUCTURAL = {
    "getitem": lambda x: x[:, 1],
    "slices": lambda x: x[:, 3:0:-2],
    "new axis": lambda x: x[:, None, 1:],
    "negative": lambda x: x[:, -1:],
    "array": lambda x: x[:, [2, 0, -1, 2]],
    "table": lambda x: x[:, np.array([[0, 1], [-1, 2]])],
    "setitem": lambda x: _with_column(x),
    "concatenate": lambda x: np.concatenate([x, np.ones((len(x), 2), x.dtype), -x], axis=1),
    "bias column": lambda x: np.column_stack([np.ones(len(x), x.dtype), x]),
    "stack": lambda x: np.stack([x[:, 0], x[:, 1] * 2], axis=1),
    "reshape": lambda x: np.reshape(x, (-1, 2, 2)),
    "rows twice": lambda x: np.reshape(np.tanh(np.reshape(x, (-1, 2))), (len(x), 4)),
    "transpose": lambda x: np.transpose(np.reshape(x, (-1, 2, 2)), (0, 2, 1)),
    "rows last": lambda x: (x.T * np.arange(4.0, dtype=x.dtype)[:, None]).T,
    "flip": lambda x: np.flip(x, 1),
    "roll": lambda x: np.roll(x, 1, axis=1),
    "pad": lambda x: np.pad(x, ((0, 0), (1, 2))),
    "tile": lambda x: np.tile(x, (1, 2)),
    "broadcast": lambda x: np.broadcast_to(x[:, :1], x.shape) + x,
    "sum": lambda x: np.sum(x, axis=1, keepdims=True),
    "mean": lambda x: np.mean(x, axis=-1),
    "product": lambda x: np.prod(x, axis=1),
    "max": lambda x: np.max(x, axis=1),
    "min": lambda x: np.min(x, axis=1, keepdims=True),
    "variance": lambda x: np.var(x, axis=1),
    "norm": lambda x: np.linalg.norm(x, axis=1),
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmin": lambda x: np.argmin(x, axis=1),
    "any": lambda x: np.any(x > 1, axis=1),
    "all": lambda x: np.all(x > -1, axis=1),
    "count": lambda x: np.count_nonzero(x > 0, axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "einsum": lambda x: np.einsum("ni,ij->nj", x, np.arange(8.0, dtype=x.dtype).reshape(4, 2)),
    "outer": lambda x: x[:, :, None] * x[:, None, :],
    "matmul": lambda x: np.matmul(np.reshape(x, (-1, 2, 2)), np.reshape(x, (-1, 2, 2))),
    "power": lambda x: x**3 + abs(x) ** 1.5,
    "rounding": lambda x: np.round(x * 3) + np.round(x, 1) + np.floor(x) + np.ceil(x) + np.trunc(x),
    "one-hot": lambda x: (np.floor(abs(x[:, :1])) == np.arange(3)).astype(x.dtype),
    "bins": lambda x: np.searchsorted(np.array([-1, 0, 0.5]), x).astype(x.dtype),
    "missing": lambda x: np.concatenate([np.isnan(np.sqrt(x)), np.nan_to_num(np.sqrt(x), nan=-1.0)], axis=1),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "whole numbers": lambda x: (x * 10).astype(np.int64) * 3 - 4,
    "logic": lambda x: np.where((x > 0) & (x < 1) | ~(x > -1), x, np.sign(x)),
    "sinc": lambda x: np.sinc(x),
    "logsumexp": lambda x: special.logsumexp(x, axis=1),
    "constant": lambda x: np.full((len(x), 2), 3.0),
    "itself": lambda x: x,
    "several": lambda x: {"a": x, "b": (x[:, 0], x[:, 1:] + 1)},
}


def _with_column(x):
    y = np.copy(x)
    y[:, 1] = y[:, 0] * 2
    y[:, 2:] = 5.0
    return y


@EACH_TARGET
@EACH_DTYPE
@pytest.mark.parametrize("name", STRUCTURAL)
def test_everything_that_moves_and_reduces(name, dtype, run):
    x = generator(3).normal(size=(6, 4)).astype(dtype)
    assert_close(run(STRUCTURAL[name], x), expected(STRUCTURAL[name], x))


# --- preprocessing, precision, names ------------------------------------------------------------------------


def network(dtype=np.float64):
    return nn.MLP.init(generator(), (5, 4, 2), "tanh", dtype=dtype)


def prepared(x):
    """Missing values marked and filled, a logarithm, a scale: in double precision whatever comes in."""
    filled = np.where(np.isnan(x), 1.0, x)
    return np.concatenate([(filled - [1.0, 2.0]) / 3.0, np.log1p(abs(filled[:, :1])), np.isnan(x)], axis=1)


@EACH_TARGET
def test_preprocessing_and_postprocessing(run):
    x = np.array([[1.0, np.nan], [-3.0, 2.0], [0.5, 0.1]])
    whole = lambda x: nn.softmax(network()(prepared(x)))
    found = run(network(), x, preprocessing=prepared, postprocessing=nn.softmax)
    assert_close(found, expected(whole, x))


@pytest.mark.parametrize("export", [to_c, to_numpy, to_onnx])
def test_another_precision(export):
    text = export(network(), 2, dtype=np.float32, preprocessing=prepared)
    same = export(
        network(np.float32),
        np.zeros((3, 2), np.float32),
        preprocessing=lambda x: prepared(x).astype(np.float32),
    )
    assert text == same


@pytest.mark.parametrize("export", [to_c, to_numpy, to_onnx])
def test_files_are_written(export, tmp_path):
    path = tmp_path / "network"
    content = export(network(), 5, path)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("export", [to_c, to_numpy, to_onnx])
def test_equal_networks_give_equal_files(export):
    assert export(network(), 5) == export(network(), 5)


@EACH_TARGET
def test_exporting_leaves_the_network_as_it_is(run):
    net = network()
    before = [w.copy() for w in (net.layers[0].weights, net.layers[1].biases)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(net, np.ones((3, 5)))
    assert np.array_equal(before[0], net.layers[0].weights) and net.layers[0].weights.flags.writeable


def _parts(node):
    """Every dataclass in a network."""
    if isinstance(node, dict):
        node = tuple(node.values())
    if isinstance(node, tuple | list):
        return set().union(*map(_parts, node))
    if not dataclasses.is_dataclass(node):
        return set()
    return {type(node)}.union(*(_parts(getattr(node, f.name)) for f in dataclasses.fields(node)))


def test_no_layer_is_left_out():
    kinds = [getattr(nn, name) for name in nn.__all__]
    classes = [kind for kind in kinds if dataclasses.is_dataclass(kind) and isinstance(kind, type)]
    layers = {kind for kind in classes if any("__call__" in vars(base) for base in kind.__mro__)}
    tried = set().union(*(_parts(network(np.float64)) for network, _ in NETWORKS.values()))
    assert layers and not layers - tried
