"""Exported networks run where they are meant to run, and what they are compared with."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.nn.helpers import every_layer, inputs
from wengert import nn
from wengert.core import tree
from wengert.exchange import to_c, to_numpy, to_onnx

COMPILER = shutil.which("cc") or shutil.which("gcc")
FIXTURES = Path(__file__).parent / "fixtures"
DTYPES = [np.float64, np.float32]
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2"]

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler: no cc and no gcc")


def generator(seed=0):
    return np.random.default_rng(seed)


def leaves(x):
    return tree.flatten(x)[0]


# --- targets ------------------------------------------------------------------------------------------------


def by_numpy(network, x, **options):
    """What the exported module gives."""
    module = {}
    exec(to_numpy(network, x, **options), module)
    with np.errstate(all="ignore"):
        found = module["predict"](*leaves(x))
    return list(found.values()) if isinstance(found, dict) else [found]


def by_onnx(network, x, **options):
    """What onnxruntime gives, after onnx's own checks."""
    onnx = pytest.importorskip("onnx")
    content = to_onnx(network, x, **options)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return run_onnx(content, x)


def run_onnx(content, x):
    ort = pytest.importorskip("onnxruntime")
    ort.set_default_logger_severity(3)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return session.run(None, dict(zip(names, leaves(x), strict=True)))


@functools.cache
def compiled(text):
    """The library that the compiler makes of a file, without a warning."""
    folder = Path(tempfile.mkdtemp())
    (folder / "network.c").write_text(text)
    command = [
        COMPILER,
        *STRICT,
        "-shared",
        "-fPIC",
        "-o",
        folder / "network.so",
        folder / "network.c",
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + text
    return ctypes.CDLL(str(folder / "network.so"))


def by_c(network, x, **options):
    """What the compiled file gives, row by row."""
    rows, kinds = (
        len(leaves(x)[0]),
        [y.astype(np.int32 if y.dtype == bool else y.dtype) for y in expected(whole(network, **options), x)],
    )
    results = [np.full(y.shape, 77, y.dtype) for y in kinds]
    given = [np.ascontiguousarray(leaf) for leaf in leaves(x)]
    places = [a.ctypes.data_as(ctypes.c_void_p) for a in (*given, *results)]
    compiled(to_c(network, x, **options)).predict_rows(ctypes.c_long(rows), *places)
    return results


TARGETS = {"numpy": by_numpy, "onnx": by_onnx, "c": by_c}
EACH_TARGET = pytest.mark.parametrize(
    "run",
    [
        pytest.param(run, marks=needs_compiler if name == "c" else [], id=name)
        for name, run in TARGETS.items()
    ],
)


def whole(network, preprocessing=None, postprocessing=None, dtype=None):
    """The network with what stands before and behind it."""
    before, after = preprocessing or nn.identity, postprocessing or nn.identity
    cast = (lambda x: x) if dtype is None else lambda x: x.astype(dtype)
    return lambda x: after(network(cast(before(x))))


def expected(network, x):
    with np.errstate(all="ignore"):
        return [np.asarray(y) for y in leaves(network(x))]


def assert_close(found, wanted, tolerance=None):
    """Equal to 1e-12 in double precision and 1e-5 in single, relative to 1 or the number itself."""
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        tolerance = tolerance or (1e-5 if b.dtype == np.float32 else 1e-12)
        np.testing.assert_allclose(np.asarray(a, b.dtype), b, rtol=tolerance, atol=tolerance)


# --- networks -----------------------------------------------------------------------------------------------


def _numbers(count, dtype):
    return generator(1).normal(size=(7, count)).astype(dtype)


def _normalised(dtype):
    layer = nn.BatchNorm.init(3, dtype)
    for seed in range(3):
        layer = layer.forward(generator(seed).normal(2.0, 3.0, (9, 3)).astype(dtype))[1]
    return layer


def _layer_norm(dtype):
    return nn.LayerNorm(np.array([1.5, -2, 0.5], dtype), np.array([0.1, 0.2, -0.3], dtype))


def _edges(dtype):
    edges = [("x1", "h1"), ("x2", "h1"), ("h1", "h2"), ("x1", "h2"), ("h2", "y1"), ("x2", "y1"), ("x1", "y2")]
    return nn.UnitGraph.from_edges(
        edges, inputs=["x1", "x2"], outputs=["y1", "y2"], rng=generator(), output="softmax", dtype=dtype
    )


def _graph(dtype):
    nodes = {
        "h": (nn.Units(8, "tanh"), "x"),
        "f": (nn.Units(8, "gelu"), "h"),
        "z": ("sum", "h", "f"),
        "y": (nn.Units(1), "z", "x"),
    }
    return nn.Graph.init(generator(), nodes, inputs={"x": 3}, outputs="y", dtype=dtype)


def _dense(dtype, units=3, activation="relu"):
    return nn.Dense.init(generator(), 3, units, activation, dtype=dtype)


# Every kind of layer: the network of a precision, and an example of its inputs.
NETWORKS = {
    "Dense": (_dense, lambda d: _numbers(3, d)),
    "MLP": (
        lambda d: nn.MLP.init(generator(), (3, 5, 4, 2), "tanh", "softmax", dtype=d),
        lambda d: _numbers(3, d),
    ),
    "Sequential": (
        lambda d: nn.Sequential([nn.Dropout(0.5), _dense(d, 4, "elu"), np.tanh]),
        lambda d: _numbers(3, d),
    ),
    "Function": (lambda d: nn.Function(nn.relu), lambda d: _numbers(3, d)),
    "PReLU": (lambda d: nn.PReLU(np.array([0.1, 0.5, -0.2], d)), lambda d: _numbers(3, d)),
    "Dropout": (lambda d: nn.Dropout(0.5), lambda d: _numbers(3, d)),
    "BatchNorm": (_normalised, lambda d: _numbers(3, d)),
    "LayerNorm": (_layer_norm, lambda d: _numbers(3, d)),
    "fresh LayerNorm": (lambda d: nn.LayerNorm.init(3, d), lambda d: _numbers(3, d)),
    "Embedding": (
        lambda d: nn.Embedding.init(generator(), 6, 2, dtype=d),
        lambda d: np.array([0, 5, -1, 2, 2]),
    ),
    "Residual": (lambda d: nn.Residual(_dense(d)), lambda d: _numbers(3, d)),
    "Skip": (lambda d: nn.Skip(_dense(d, 2)), lambda d: _numbers(3, d)),
    "Frozen": (lambda d: nn.Frozen(_dense(d)), lambda d: _numbers(3, d)),
    "Branches": (
        lambda d: nn.Branches({"mean": _dense(d, 1, "identity"), "variance": _dense(d, 2, "softplus")}),
        lambda d: _numbers(3, d),
    ),
    "Parallel": (
        lambda d: nn.Sequential([nn.Parallel({"numbers": _dense(d), "city": nn.identity}), nn.Concatenate()]),
        lambda d: {"numbers": _numbers(3, d), "city": _numbers(2, d)},
    ),
    "Concatenate": (lambda d: nn.Concatenate(), lambda d: {"a": _numbers(3, d), "b": _numbers(2, d)}),
    "all at once": (lambda d: every_layer(d), lambda d: inputs(8, d)),
    "Perceptron": (
        lambda d: nn.Perceptron(generator().normal(size=3).astype(d), d(0.25)),
        lambda d: _numbers(3, d),
    ),
    "Graph": (_graph, lambda d: _numbers(3, d)),
    "UnitGraph": (_edges, lambda d: _numbers(2, d)),
    "deep UnitGraph": (
        lambda d: nn.UnitGraph.random_sparse(generator(), (4, *[6] * 10, 2), 150, dtype=d),
        lambda d: _numbers(4, d),
    ),
}
EACH_NETWORK = pytest.mark.parametrize("name", NETWORKS)
EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)


def network_and_inputs(name, dtype):
    network, example = NETWORKS[name]
    return network(dtype), example(dtype)
