"""Arrays between zeros, sums of pieces, and results that are other ways to look at what is computed."""

import numpy as np
import pytest
from _traces import run, traced

import wengert as wg
from wengert.core.evaluate import evaluate
from wengert.native.planning.kernels import Access, Buffer, Map, row_major
from wengert.native.planning.plan import Plan
from wengert.transforms.constants import diagonal_of

A = np.random.default_rng(0).normal(size=(6, 37))
B = np.random.default_rng(1).normal(size=(6, 37))


def scattered(index, shape):
    """What goes back to an array of a shape from the elements that an index takes."""
    return lambda a: wg.vjp(lambda x: x[index], np.zeros(shape))[1](a)[0]


def difference(a):
    return np.sum((a[:, 1:] - a[:, :-1] ** 2) ** 2 + np.tanh(a[:, :-1]))


def parts(a):
    return np.sum(a[:, :20] @ B[:, :20].T) + np.sum(a[:, 20:] ** 3)


def layer(m, y):
    return np.sum(np.tanh(m @ y))


PROGRAMS = {
    "pad": lambda a, b: np.pad(a, ((2, 1), (0, 3))) * 2.0,
    "pad of a pad": lambda a, b: np.exp(np.pad(np.pad(a, 1) + 1.0, ((0, 2), (3, 0)))),
    "pads of both": lambda a, b: np.pad(a, ((1, 0), (0, 0))) + np.pad(b, ((0, 1), (0, 0))),
    "pad, transposed": lambda a, b: np.pad(a, ((0, 0), (1, 2))).T * np.pad(b, ((0, 0), (2, 1))).T,
    "pad, turned round": lambda a, b: np.pad(a, 1)[::-1, ::-1] - 1.0,
    "pad, sliced": lambda a, b: np.pad(a, 5)[3:9, 2:20] + b[:, :18],
    "pad, with axes": lambda a, b: np.pad(a, ((0, 0), (4, 0)))[:, None] + np.zeros((6, 3, 1)),
    "pad, spread": lambda a, b: np.broadcast_to(np.pad(a[0], 2), (5, 41)) * 3.0,
    "pad and multiply": lambda a, b: np.pad(a, ((0, 0), (0, 3))) @ np.pad(b, ((0, 0), (3, 0))).T,
    "pad added to a product": lambda a, b: a @ b.T + np.pad(a[:3, :3], ((1, 2), (2, 1))),
    "pad added to a sum": lambda a, b: np.sum(a * b, axis=1) + np.pad(a[0, :3], (1, 2)),
    "pad of a sum": lambda a, b: np.pad(np.sum(a, axis=0), (3, 4)) * 2.0,
    "sum of a pad": lambda a, b: np.sum(np.pad(a, ((3, 2), (1, 1))) * 2.0, axis=0),
    "maximum of a pad": lambda a, b: np.max(np.pad(a - 9.0, ((0, 1), (0, 0))), axis=0),
    "pad of a row": lambda a, b: np.pad(a[:, :1], ((0, 0), (7, 9))) + 1.0,
    "pad of a pad of single numbers": lambda a, b: np.pad(np.pad(a, 1).astype(np.float32), 2) * np.float32(2),
    "pad of whole numbers": lambda a, b: np.pad((a * 9).astype(np.int8), ((0, 0), (1, 1))) + np.int8(1),
    "pad of truths": lambda a, b: np.where(np.pad(a > 0, ((0, 0), (1, 1))), 1.0, -1.0),
    "scatter of rows": lambda a, b: scattered(slice(2, 8), (11, 37))(a) * 2.0,
    "scatter, backwards": lambda a, b: scattered((slice(None), slice(39, 2, -1)), (6, 44))(a) * 2.0,
    "scatter of one row": lambda a, b: scattered(4, (7, 37))(a[1]) + 1.0,
    "scatter of one place": lambda a, b: scattered((-2, 3), (5, 6))(a[1, 2]) + 1.0,
    "scatter of an axis": lambda a, b: scattered((slice(None), None), (6, 37))(a[:, None]) + b,
    "scatter in steps": lambda a, b: scattered((slice(None), slice(1, 80, 2)), (6, 75))(a) + 1.0,
    "differences": lambda a, b: wg.grad(difference)(a),
    "differences of differences": lambda a, b: wg.hvp(difference, (a,), (b,))[0],
    "split": lambda a, b: wg.grad(lambda a: np.sum(np.multiply(*np.split(a[:, :36], 2, axis=1))))(a),
    "parts of all": lambda a, b: wg.grad(parts)(a),
    "columns": lambda a, b: wg.vmap(wg.grad(lambda x: x[0] * x[1] / x[2] + np.tanh(x[3])))(a[:, :4]),
    "many gradients": lambda a, b: wg.vmap(wg.grad(lambda x, y: np.sum(np.tanh(np.outer(x, y)))))(a, b),
    "matrices of gradients": lambda a, b: wg.vmap(wg.grad(layer), (None, 0))(a, b),
    "hessian": lambda a, b: wg.hessian(lambda x: difference(x[None]))(a[0]),
    "eye": lambda a, b: np.eye(80, 70, 3) * a[0, 0] + np.eye(80, 70, -2),
    "part of an eye": lambda a, b: np.pad(np.eye(60), ((5, 20), (9, 0))).T * a[1, 2],
    "eye in a product": lambda a, b: np.tanh(np.ones((70, 6)) @ a @ np.eye(70)[:37]) + np.eye(70),
    "loop": lambda a, b: wg.scan(lambda s, x: (np.pad(s[1:] * x[0], (0, 1)), np.pad(s, (1, 0))), a[0], b),
    "loop in place": lambda a, b: wg.scan(lambda s, x: (np.pad(s[:-1], (1, 0)), x[0]), a[0], b),
    "outputs turned": lambda a, b: (np.exp(a).T, (a @ b.T).T, np.cumsum(a, axis=1).T),
    "one result twice": lambda a, b: (lambda y: (y, y.T, y.reshape(37, 6), y[::-1]))(np.exp(a)),
    "a result that is used": lambda a, b: (lambda y: (y.T, np.sum(y, axis=0), y @ b.T))(np.exp(a)),
    "sum of two products": lambda a, b: np.tanh(a @ b.T + b @ b.T) + 1.0,
}  # fmt: skip


@pytest.mark.parametrize("host", ["", "avx2", "sse2"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_native_code_gives_what_the_interpreter_gives(name, host):
    trace = traced(PROGRAMS[name], A, B)
    expected = evaluate(trace, [A, B])
    for found, other in zip(run(trace, [A, B], host), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12, atol=1e-13)
        assert found.dtype == np.asarray(other).dtype


def test_zeros_that_are_added_have_no_sign():
    f = lambda a: wg.grad(lambda a: np.sum(a[:3] * -0.0) + np.sum(a[3:] * -0.0))(a)
    (found,) = run(traced(f, np.ones(6)), [np.ones(6)])
    np.testing.assert_array_equal(
        np.signbit(found), np.signbit(evaluate(traced(f, np.ones(6)), [np.ones(6)])[0])
    )


@pytest.mark.parametrize("name", ["pad", "pads of both", "scatter of rows", "differences", "hessian"])
def test_arrays_between_zeros_are_not_made(name):
    maps = [k for k in Plan(traced(PROGRAMS[name], A, B)).kernels if isinstance(k, Map)]
    assert all(k.equations or k.reductions for k in maps)


@pytest.mark.parametrize("name", ["split", "columns", "matrices of gradients"])
def test_pieces_are_written_where_they_belong(name):
    plan = Plan(traced(PROGRAMS[name], A, B))
    assert not any(k.copied() for k in plan.kernels if isinstance(k, Map))
    assert any(w.access.buffer.kind == "output" for k in plan.kernels if isinstance(k, Map) for w in k.writes)


def test_an_access_between_zeros_follows_its_axes():
    rng, values = np.random.default_rng(2), np.arange(1, 7)
    access = Access(Buffer("input", np.dtype(int), 6), (2, 3), row_major((2, 3)))
    expected = values.reshape(2, 3)
    for _ in range(40):
        axis, before, after = int(rng.integers(2)), int(rng.integers(3)), int(rng.integers(3))
        access = access.between(axis, before, access.shape[axis] + before + after)
        expected = np.pad(expected, [(before, after) if i == axis else (0, 0) for i in range(2)])
        access, expected = access.transposed([-1, -2]), expected.T
        index = (slice(None, None, -1), slice(int(rng.integers(2)), None))
        access, expected = access.sliced(index), expected[index]
    assert shown(access, values) == expected.tolist()
    assert np.count_nonzero(expected)


def shown(access, values):
    """The elements of an access, by its definition."""

    def place(a, index):
        return a.offset + sum(i * s for i, s in zip(index, a.strides, strict=True))

    def element(index):
        inside = all(0 <= place(w.position, index) < w.extent for w in access.windows)
        return int(values[place(access, index)]) if inside else 0

    return [[element((i, j)) for j in range(access.shape[1])] for i in range(access.shape[0])]


def test_diagonals_are_found():
    assert diagonal_of(2.5 * np.eye(80)) == (2.5, 0, 0, 80)
    assert diagonal_of(np.eye(80, k=-3)) == (1.0, 3, 0, 77)
    assert diagonal_of(np.pad(np.eye(80), 7)) == (1.0, 7, 7, 80)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(5),
        np.zeros((80, 80)),
        -np.zeros((80, 80)) + np.diag(np.arange(80.0)),
        np.eye(80)[::-1],
        np.eye(80) + np.eye(80, k=1),
        np.where(np.eye(80) > 0, 1.0, -0.0),
        np.asfortranarray(np.eye(80)[:, :70]),
    ],
    ids=["small", "zeros", "numbers", "other diagonal", "two", "negative zeros", "by columns"],
)
def test_other_matrices_are_no_diagonals(matrix):
    assert diagonal_of(matrix) is None
