"""Loop nests against NumPy: any shape, strides and reduced axes, as written for every processor."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from _traces import run, traced

import wengert as wg
from wengert.native.planning.kernels import Access, Buffer, row_major
from wengert.native.planning.plan import Plan
from wengert.native.writing import nest
from wengert.native.writing.nest import Nest, merged

HOSTS = ("", "avx512", "avx2", "sse2", "neon", "portable")
EXTENTS = (1, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 65)
DTYPES = ("float64", "float32", "int64", "int32", "uint8", "bool")


class Draw:
    """Random loops."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def shape(self, largest=4000):
        while True:
            shape = tuple(int(self.pick(EXTENTS)) for _ in range(self.rng.integers(1, 5)))
            if math.prod(shape) <= largest:
                return shape

    def operand(self, shape, dtype):
        """An array, and how to see it as one of the shape: turned, cut, backwards or broadcast."""
        order = [int(i) for i in self.rng.permutation(len(shape))]
        stored, index = [], []
        for i in order:
            n, kind = shape[i], self.pick(("whole", "whole", "backwards", "every other", "cut", "one"))
            stored.append({"every other": 2 * n, "cut": n + 3, "one": 1}.get(kind, n))
            steps = {"backwards": (None, None, -1), "every other": (None, None, 2), "cut": (2, n + 2)}
            index.append(slice(*steps.get(kind, (None,))))
        x = np.round(self.rng.uniform(-4, 4, stored) * 4) / 4
        back = np.argsort(order)
        return x.astype(dtype), lambda x: np.broadcast_to(np.transpose(x[tuple(index)], back), shape)

    def axes(self, n):
        return tuple(int(i) for i in range(n) if self.rng.random() < 0.5)


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        other = np.asarray(other)
        assert one.shape == other.shape and one.dtype == other.dtype
        tolerance = 2e-5 if one.dtype == np.float32 else 1e-12
        scale = max(1.0, float(np.max(np.abs(other.astype(float)), initial=0)))
        np.testing.assert_allclose(one.astype(float), other.astype(float), tolerance, tolerance * scale)


def random_loop(seed):
    """Elementwise operations of several operands, reductions of them, and what is computed of these."""
    draw = Draw(seed)
    shape, dtype = draw.shape(), draw.pick(DTYPES)
    (a, see_a), (b, see_b) = draw.operand(shape, dtype), draw.operand(shape, draw.pick(DTYPES[:3]))
    axes, keepdims, order = (
        draw.axes(len(shape)),
        bool(draw.rng.integers(2)),
        draw.rng.permutation(len(shape)),
    )

    def f(a, b):
        x, y = see_a(a), see_b(b)
        z = x * y
        total = np.sum(z, axis=axes, keepdims=keepdims)
        return (
            z,
            np.transpose(z + x, order),
            total,
            total * 2 + 1,
            np.max(y, axis=axes),
            np.min(x, axis=axes),
            np.any(x > 0, axis=axes),
            np.sum(z, axis=axes, keepdims=True) - y,
            np.cumsum(y, axis=len(shape) - 1),
            np.cumsum(y, axis=0),
        )

    return f, (a, b)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("seed", range(40))
def test_random_loops(seed, host):
    f, arguments = random_loop(seed)
    with np.errstate(all="ignore"):
        close(run(traced(f, *arguments), arguments, host), f(*arguments))


CROSSED = {
    "turned": lambda x: x.T + x,
    "turned both ways": lambda x: (x.T * 2, x[::-1].T - x),
    "turned batch": lambda x: np.swapaxes(np.stack([x, -x, x * x]), 1, 2) * x,
    "written turned": lambda x: (np.exp(x / 8), np.exp(x / 8).T),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
@pytest.mark.parametrize("f", CROSSED.values(), ids=CROSSED)
def test_strips_of_what_is_read_across_its_rows(f, dtype, host, monkeypatch):
    taken = []
    in_strips = Nest._in_strips
    monkeypatch.setattr(Nest, "_in_strips", lambda *args: taken.append(in_strips(*args)))
    x = np.random.default_rng(0).uniform(0, 8, (149, 149)).astype(dtype)
    expected = f(x) if isinstance(f(x), tuple) else (f(x),)
    close(run(traced(f, x), [x], host), expected)
    assert taken


@pytest.mark.parametrize("seed", range(40))
def test_random_loops_in_strips(seed, monkeypatch):
    """Strips wherever they may be, of one vector each."""
    monkeypatch.setattr(nest, "STRIP", 1)
    monkeypatch.setattr(Nest, "_crosses", lambda self, outer, cut, access: True)
    f, arguments = random_loop(2000 + seed)
    with np.errstate(all="ignore"):
        close(run(traced(f, *arguments), arguments), f(*arguments))
        close(run(traced(f, *arguments), arguments, threads=True), f(*arguments))


@pytest.mark.parametrize("seed", range(12))
def test_threads_share_random_loops(seed):
    f, arguments = random_loop(1000 + seed)
    trace = traced(f, *arguments)
    alone, shared = run(trace, arguments), run(trace, arguments, threads=True)
    for one, other in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257])
def test_every_length(n, host):
    """Whole vectors, ragged ends, several vectors at a time."""
    x = np.random.default_rng(n).uniform(-1, 1, (3, n)).astype("float32")

    def f(x):
        return np.exp(x), np.sum(x, axis=1), np.sum(x * x), np.max(x, axis=0), np.prod(1 + x / 100, axis=1)

    close(run(traced(f, x), [x], host), f(x))


def accesses(*strides, shape):
    return [Access(Buffer("input", np.dtype("float32"), 0), shape, s) for s in strides]


def test_neighbouring_axes_are_one():
    shape = (4, 5, 6)
    both = accesses(row_major(shape), row_major(shape), shape=shape)
    assert [axis.extent for axis in merged(shape, both, (), False)] == [120]
    row = accesses(row_major(shape), (0, 0, 1), shape=shape)
    assert [axis.extent for axis in merged(shape, row, (), False)] == [20, 6]
    turned = accesses(row_major(shape), (1, 4, 20), shape=shape)
    assert [axis.extent for axis in merged(shape, turned, (), False)] == [4, 5, 6]
    assert [axis.extent for axis in merged(shape, both, (-1,), False)] == [20, 6]
    assert [axis.extent for axis in merged((4, 1, 6), accesses((6, 6, 1), shape=(4, 1, 6)), (), False)] == [
        24
    ]


def test_vectors_lie_along_the_memory_that_is_written():
    """Also where windows count another axis backwards: no lanes are scattered."""
    error = lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2)
    f, x = wg.jit(wg.hessian(error)), np.linspace(0, 1, 1000)
    np.testing.assert_allclose(f(x), wg.jacobian(wg.grad(error))(x), atol=1e-12)
    assert "masked.scatter" not in f.llvm_ir(x)


def test_vectors_stand_together_where_rows_are_looked_up():
    """Along the looked-up axis each lane would be loaded for itself, though it has no stride of its own."""
    rows = np.random.default_rng(0).integers(0, 50, (32, 33))
    trace = traced(lambda x, z: np.sum(x[:, None] * z[rows], axis=2), np.ones((32, 64)), np.ones((50, 64)))
    (kernel,) = Plan(trace).kernels
    writer = SimpleNamespace(f=None, host=SimpleNamespace(vector_bytes=64), masks=True, divides=False)
    cut = Nest(writer, kernel).cut
    assert cut.reduced and cut.extent == 64
