"""Products inside programs: every orientation, layout and epilogue gives what the interpreter gives."""

import numpy as np
import pytest

import wengert as wg
from wengert.native.machine.host import this_host
from wengert.native.planning.kernels import Contract, one_stride
from wengert.native.planning.plan import all_plans
from wengert.native.writing.products import Oriented

RNG = np.random.default_rng(0)
TOLERANCE = {np.float32: 2e-4, np.float64: 1e-11}


def numbers(*shape, dtype=np.float64):
    return RNG.normal(size=shape).astype(dtype)


def contracts(f, *args):
    """The matrix products among the kernels of a compiled function."""
    plan = f._calls.path(args, {}).run.plan
    return [k for p in all_plans(plan) for k in p.kernels if isinstance(k, Contract)]


def agree(f, *args, products=1):
    """Native results are the interpreter's; so many products are kernels of their own."""
    compiled = wg.jit(f)
    found, expected = compiled(*args), f(*args)
    one = (found, expected) if isinstance(expected, tuple) else ((found,), (expected,))
    for a, b in zip(*one, strict=True):
        tolerance = TOLERANCE.get(np.asarray(b).dtype.type, 0)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))
    assert len(contracts(compiled, *args)) == products
    return compiled


# --- orientations -----------------------------------------------------------------------------------------

ORIENTATIONS = {
    "ab": lambda a, b: a @ b,
    "abᵀ": lambda a, b: a @ np.ascontiguousarray(b.T).T,
    "(bᵀaᵀ)ᵀ": lambda a, b: (b.T @ a.T).T,
    "bᵀaᵀ": lambda a, b: b.T @ a.T,
    "(ab)ᵀ": lambda a, b: np.tanh((a @ b).T),
    "reversed": lambda a, b: a[::-1, ::-1] @ b[::-1],
    "every second": lambda a, b: np.tanh(a)[::2] @ np.tanh(b)[:, ::2],
    "every second, transposed": lambda a, b: np.tanh(b)[::2, ::-1].T @ a[:, ::2].T,
    "the same column": lambda a, b: (
        a @ np.broadcast_to(b[:, :1], b.shape) + np.broadcast_to(a[0], a.shape) @ b
    ),
    "one number": lambda a, b: a @ np.broadcast_to(b[0, 0], b.shape),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(17, 33, 65), (64, 64, 10), (128, 3, 40), (5, 70, 128), (1, 50, 60), (60, 50, 2)]
)
@pytest.mark.parametrize("f", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_orientations(f, shape, dtype):
    m, k, n = shape
    a, b = numbers(m, k, dtype=dtype), numbers(k, n, dtype=dtype)
    agree(f, a, b, products=2 if f is ORIENTATIONS["the same column"] else 1)


@pytest.mark.parametrize("first", ["ij", "ji"])
@pytest.mark.parametrize("second", ["jk", "kj"])
def test_transposed_operands_are_not_copied(first, second):
    def f(a, b):
        a, b = np.exp(a), np.exp(b)
        return (a if first == "ij" else a.T) @ (b if second == "jk" else b.T)

    a = numbers(*((40, 50) if first == "ij" else (50, 40)))
    b = numbers(*((50, 70) if second == "jk" else (70, 50)))
    rows = agree(f, a, b).explain(a, b).rows
    assert [row.what for row in rows] == ["loop", "loop", "product"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(128, 300), (130, 300), (33, 90)])
@pytest.mark.parametrize(
    "f",
    [
        lambda w, x, b: np.tanh(x @ w + b),
        lambda w, x, b: np.tanh(w.T @ x + b),
        lambda w, x, b: np.maximum(np.ascontiguousarray(w.T) @ x + b, 0) * b,
        lambda w, x, b: np.tanh(w.T @ x[:, None] + b[:, None]),
        lambda w, x, b: (w.T @ x + b)[::-1],
        lambda w, x, b: np.stack([w, w]).transpose(0, 2, 1) @ x,
    ],
)
def test_matrix_times_vector(f, shape, dtype):
    n, k = shape
    agree(f, numbers(k, n, dtype=dtype), numbers(k, dtype=dtype), numbers(n, dtype=dtype))


def test_a_short_column_is_computed_as_a_row():
    def oriented(n, k):
        args = numbers(k, n), numbers(k), numbers(n)
        (kernel,) = contracts(agree(lambda w, x, b: np.tanh(x @ w + b), *args), *args)
        return Oriented(kernel, this_host())

    assert oriented(128, 784).shape == (1, 128) and not oriented(128, 784).shared
    assert oriented(600, 784).shape == (600, 1) and oriented(600, 784).shared


ACROSS = {
    (7, 512, 512): True, (1, 1000, 1000): True, (16, 128, 128): False, (32, 1024, 1024): True,
    (7, 512, 16): False, (64, 512, 512): False,
}  # fmt: skip


@pytest.mark.parametrize("shape", ACROSS)
def test_large_products_of_few_rows_are_divided_by_columns(shape):
    m, n, k = shape
    args = numbers(m, k), numbers(k, n)
    oriented = Oriented(*contracts(agree(lambda a, b: a @ b, *args), *args), this_host())
    assert oriented.across == ACROSS[shape]
    assert oriented.extent == (n if oriented.across else m)


def test_columns_that_are_neighbours_are_computed_as_rows():
    f = lambda a, b: np.tanh(a @ b).sum()
    a, b = numbers(96, 40), numbers(40, 3)
    (kernel,) = contracts(agree(lambda a, b: np.tanh(np.tanh(a @ b) + (a @ b).max()), a, b), a, b)
    oriented = Oriented(kernel, this_host())
    assert oriented.swapped
    assert oriented.shape == (3, 96)
    assert [x.shape for x in oriented.factors] == [(3, 40), (40, 96)]
    agree(f, a, b)


@pytest.mark.parametrize("f", [lambda a, b: a @ b, lambda a, b: np.tanh(a @ b)], ids=["plain", "epilogue"])
def test_few_rows_in_a_program_that_nobody_shares(f):
    """Threads would divide the columns."""
    (kernel,) = contracts(agree(f, *(ab := (numbers(13, 178), numbers(178, 100)))), *ab)
    assert Oriented(kernel, this_host()).across


# --- vectors and batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n, k", [(70, 33), (33, 70), (128, 128), (200, 7)])
def test_vectors(n, k, dtype):
    a, x, y = numbers(n, k, dtype=dtype), numbers(k, dtype=dtype), numbers(n, dtype=dtype)
    agree(lambda a, x: a @ x, a, x)
    agree(lambda a, y: y @ a, a, y)
    agree(lambda a, x, y: np.tanh(a @ x + y) * 2, a, x, y)
    agree(lambda a, y: np.maximum(a.T @ y, 0), a, y)
    agree(lambda a, x: a[::-1] @ x[::-1], a, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dot_products(dtype):
    x, y = numbers(2000, dtype=dtype), numbers(2000, dtype=dtype)
    agree(lambda x, y: x @ y, x, y)
    agree(lambda x, y: np.tanh(x @ y[::-1] * dtype(1e-3)) + dtype(1), x, y)


BATCHES = [
    ((6,), (6,)),
    ((6,), ()),
    ((), (6,)),
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((3, 1), (1, 4)),
    ((2, 3), (2, 1)),
    ((1,), (5,)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first, second", BATCHES)
def test_batches(first, second, dtype):
    a, b = numbers(*first, 9, 20, dtype=dtype), numbers(*second, 20, 11, dtype=dtype)
    agree(lambda a, b: a @ b, a, b)
    agree(lambda a, b: np.tanh(a @ b) * 2, a, b)
    agree(lambda a, b: np.matrix_transpose(b) @ np.matrix_transpose(a), a, b)


def test_a_batch_whose_axes_are_not_one_is_copied():
    a, b = numbers(4, 3, 12, 20), numbers(3, 4, 20, 11)
    compiled = agree(lambda a, b: np.swapaxes(a, 0, 1) @ b, a, b)
    (kernel,) = contracts(compiled, a, b)
    assert one_stride(kernel.a.shape[:-2], kernel.a.strides) is not None
    assert compiled.explain(a, b).rows[0].how == "copy"
    for a_lead, b_lead in (((2, 3), (3,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 4)), ((2, 1, 4), (1, 3, 1))):
        agree(lambda a, b: a @ b, numbers(*a_lead, 12, 20), numbers(*b_lead, 20, 11))


# --- epilogues --------------------------------------------------------------------------------------------


def loss(w, b, x, y):
    return np.mean((np.tanh(x @ w + b) - y) ** 2)


EPILOGUES = {
    "bias": lambda a, b, c, i: a @ b + c[0],
    "a bias for each row": lambda a, b, c, i: a @ b + c[:, :1],
    "several outputs": lambda a, b, c, i: (np.tanh(a @ b), (a @ b) * 2 + c, (a @ b) > 0),
    "masks": lambda a, b, c, i: (np.where(a @ b > c, a @ b, c), np.where((a @ b > 0) & (c > 0), 1.0, 0.0)),
    "looked up": lambda a, b, c, i: a @ b + c[i] * 2,
    "transposed operand": lambda a, b, c, i: np.exp(-np.abs(a @ b)) + c.reshape(c.shape[::-1]).T,
    "of another dtype": lambda a, b, c, i: (a @ b).astype(np.float32) * np.float32(2),
    "used twice": lambda a, b, c, i: (a @ b) / (1 + np.abs(a @ b).sum(axis=1, keepdims=True)),
    "to whole numbers": lambda a, b, c, i: np.floor(a @ b).astype(np.int64),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 10, 33, 64])
@pytest.mark.parametrize("f", EPILOGUES.values(), ids=EPILOGUES)
def test_epilogues(f, n, dtype):
    a, b, c = numbers(48, 30, dtype=dtype), numbers(30, n, dtype=dtype), numbers(48, n, dtype=dtype)
    agree(f, a, b, c, RNG.integers(-48, 48, 48))


def test_sums_that_wait_for_the_last_block():
    a, b = numbers(20, 3000), numbers(3000, 70)
    compiled = agree(lambda a, b: np.tanh(a @ b * 0.01) + 1, a, b)
    assert Oriented(contracts(compiled, a, b)[0], this_host()).product.plan.depth < 3000


@pytest.mark.parametrize("hidden", [3, 10, 64])
def test_updates_of_weights_are_fused_with_their_gradients(hidden):
    def step(w, b, x, y):
        dw, db = wg.grad(loss, argnums=(0, 1))(w, b, x, y)
        return w - 0.1 * dw, b - 0.1 * db

    args = numbers(30, hidden), numbers(hidden), numbers(50, 30), numbers(50, hidden)
    compiled = agree(step, *args, products=2)
    update = compiled.explain(*args).rows[-1] if hidden == 64 else None
    assert update is None or "subtract" in update.how


def test_weights_that_are_overwritten_while_they_are_read():
    """An epilogue writes over the weights that it reads; those that a product reads whole stay apart."""

    def step(carry, x):
        w, v = carry
        return (w + 0.01 * x.T @ (x @ v), np.tanh(v.T @ w)), (w * v).sum()

    f = lambda w, v, xs: wg.scan(step, (w, v), xs)[0]
    agree(f, numbers(24, 24), numbers(24, 24), numbers(5, 30, 24) * 0.1, products=3)
