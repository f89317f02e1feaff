"""jit under every kind of argument and branch; vmap of code that indexes, writes and loops."""

import dataclasses

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close

X = np.array([0.5, -1.2, 2.3, 0.7])
M = np.stack([X, X[::-1] * 1.1, -X])
A = np.arange(8.0).reshape(2, 4) - 3


# jit -----------------------------------------------------------------------------------------------------


def test_other_values_of_an_integer_argument():
    @wg.jit
    def f(x, n):
        for _ in range(n):
            x = np.sin(x) * 2
        return x

    def plain(x, n):
        for _ in range(n):
            x = np.sin(x) * 2
        return x

    for n in (3, 1, 0, 5, 3):
        close(f(X, n), plain(X, n))


def test_text_none_and_functions_as_arguments():
    @wg.jit
    def f(x, kind, g, extra=None):
        y = g(x) if kind == "map" else x
        return y if extra is None else y + extra

    close(f(X, "map", np.sin), np.sin(X))
    close(f(X, "id", np.sin), X)
    close(f(X, "map", np.cos), np.cos(X))
    close(f(X, "map", np.cos, extra=2.0), np.cos(X) + 2)


def test_boolean_arguments():
    f = wg.jit(lambda x, flag: x * 2 if flag else -x)
    close(f(X, True), 2 * X)
    close(f(X, False), -X)


def test_python_scalars_stay_weak():
    f = wg.jit(lambda x, a: x * a)
    x = X.astype(np.float32)
    assert f(x, 2.0).dtype == np.float32
    assert f(x, np.float64(2.0)).dtype == np.float64
    assert f(x, 2).dtype == np.float32


def test_integer_and_float_arguments_are_told_apart():
    f = wg.jit(lambda n: n // 2 + n % 2)
    assert f(7) == 4
    assert f(7.5) == 3 + 1.5
    assert isinstance(f(7), int | np.integer)


def test_other_trees():
    f = wg.jit(lambda t: sum(np.sum(v) for v in t.values()))
    assert f({"a": X}) == pytest.approx(X.sum())
    assert f({"a": X, "b": 1.0}) == pytest.approx(X.sum() + 1)


def test_other_shapes_and_strides():
    f = wg.jit(lambda x: np.cumsum(x, axis=0) @ np.ones(x.shape[-1]))
    for x in (M, M.T, M[:, ::-1], np.asfortranarray(M), M[:1], M[:0]):
        close(f(x), np.cumsum(x, axis=0) @ np.ones(x.shape[-1]))


def test_values_close_to_a_branch():
    f = wg.jit(lambda x: np.sqrt(x) if x >= 0 else -x)
    for value in (1.0, 0.0, -0.0, -1e-300, 1e-300, np.inf, -np.inf):
        assert f(value) == (np.sqrt(value) if value >= 0 else -value)


def test_nan_at_a_branch():
    f = wg.jit(lambda x: 1.0 if x > 0 else 2.0)
    assert [f(v) for v in (1.0, np.nan, -1.0, np.nan)] == [1, 2, 2, 2]


def test_many_branches():
    def f(x):
        total = 0.0
        for v in x:
            total = total + (v**2 if v > 0 else np.sin(v))
        return total

    g, rng = wg.jit(f), np.random.default_rng(0)
    for _ in range(40):
        x = rng.normal(size=6)
        assert g(x) == pytest.approx(f(x))


def test_a_loop_that_ends_by_its_values():
    def f(x):
        n = 0
        while abs(x) > 1e-3:
            x, n = x * 0.5, n + 1
        return x * n

    g = wg.jit(f)
    for value in (1.0, 0.1, 100.0, 0.0, 1.0, -3.0):
        assert g(value) == f(value)


def test_indices_from_values():
    f = wg.jit(lambda x: x[np.argsort(x)[::2]] * x[int(np.argmax(x))])
    for x in (X, -X, X[::-1]):
        close(f(x), x[np.argsort(x)[::2]] * x.max())


@pytest.mark.filterwarnings("ignore:.*depends on values:RuntimeWarning")
def test_masks_from_values():
    f = wg.jit(lambda x: np.sum(x[x > 0] ** 2) + np.count_nonzero(x > 0))
    for x in (X, -X, np.abs(X), -np.abs(X)):
        assert f(x) == pytest.approx(np.sum(x[x > 0] ** 2) + np.count_nonzero(x > 0))


def test_the_warning_of_a_mask_is_at_its_line():
    f = wg.jit(lambda x: np.sum(x[x > 0]))
    with pytest.warns(
        RuntimeWarning, match=r"an index depends on values at test_jit_and_vmap.py:\d+\. Write"
    ) as told:
        f(X)
    assert told[0].filename == __file__


def test_what_can_be_gone_through_once_is_no_result():
    told = r"test_jit_and_vmap.py:\d+: .* gives a \w+, which the first .* list"
    for f in (lambda x: (v for v in x), lambda x: zip(x, x, strict=True), lambda x: iter([1.0])):
        with pytest.raises(TypeError, match=told):
            wg.jit(f)(X)


def test_what_has_no_hash_and_is_no_number():
    frame = pytest.importorskip("pandas").DataFrame({"a": X})
    with pytest.raises(
        TypeError, match=r"jit was given a DataFrame, .* no hash\. Give its numbers, .* np.asarray"
    ):
        wg.jit(lambda frame, w: frame @ w)(frame, np.ones(1))


def test_formatting_of_values():
    f = wg.jit(lambda x: x * len(f"{x:.0f}"))
    assert [f(v) for v in (1.0, 100.0, 1.0)] == [1, 300, 1]


def test_an_exception_that_depends_on_values():
    @wg.jit
    def f(x):
        if x < 0:
            raise ValueError("negative")
        return np.sqrt(x)

    assert f(4.0) == 2
    with pytest.raises(ValueError, match="negative"):
        f(-1.0)
    assert f(9.0) == 3


def test_gradients_through_branches_of_a_jitted_function():
    f = wg.jit(lambda x: np.sum(x**2) if x[0] > 0 else np.sum(np.exp(x)))
    close(wg.grad(f)(X), 2 * X)
    close(wg.grad(f)(-X), np.exp(-X))
    close(wg.grad(f)(X), 2 * X)


def test_jit_inside_jit_and_in_loops():
    inner = wg.jit(lambda x, a: np.tanh(x * a))
    outer = wg.jit(lambda x: inner(inner(x, 2.0), 3.0).sum())
    assert outer(X) == pytest.approx(np.tanh(np.tanh(X * 2) * 3).sum())


def test_constants_in_the_result():
    constant = np.ones(3)
    first = wg.jit(lambda x: (constant, x, "text", None, 3))(X)
    close(first[0], constant)
    first[0][0] = 5
    assert constant[0] == 1
    assert first[2:4] == ("text", None)


def test_a_method_can_be_decorated():
    @dataclasses.dataclass
    class Model:
        w: float

        @wg.jit
        def __call__(self, x):
            return self.w * x

    close(Model(2.0)(X), 2 * X)
    close(Model(3.0)(X), 3 * X)


def test_results_of_earlier_calls_are_kept():
    f = wg.jit(lambda x: x * 2)
    first = f(X)
    second = f(2 * X)
    close(first, 2 * X)
    close(second, 4 * X)


def test_an_argument_written_inside():
    @wg.jit
    def f(x):
        y = x.copy()
        y[0] = 9.0
        return y

    x = X.copy()
    close(f(x), np.array([9.0, *X[1:]]))
    close(f(2 * x), np.array([9.0, *(2 * X[1:])]))
    close(x, X)


def test_side_effects_are_not_asked_for_twice_in_one_call():
    calls = []
    f = wg.jit(lambda x: calls.append(1) or x * 2)
    f(X)
    assert len(calls) == 1


def test_jit_of_everything():
    f = lambda x: np.sum(np.sin(x) * np.outer(x, x) @ x)
    close(wg.jit(wg.value_and_grad(f))(X), wg.value_and_grad(f)(X))
    close(wg.jit(wg.hessian(f))(X), wg.hessian(f)(X))
    close(wg.jit(lambda x, v: wg.hvp(f, (x,), (v,)))(X, X), wg.hvp(f, (X,), (X,)))
    close(wg.jit(lambda x, v: wg.jvp(f, (x,), (v,)))(X, X), wg.jvp(f, (X,), (X,)))
    close(wg.jit(lambda x: wg.vjp(f, x)[1](2.0))(X), wg.vjp(f, X)[1](2.0))
    close(wg.jit(wg.vmap(wg.grad(f)))(M), wg.vmap(wg.grad(f))(M))


# vmap ----------------------------------------------------------------------------------------------------

MAPPED = {
    "index by a mapped integer": lambda x: x[np.argmax(x)],
    "write at a mapped integer": lambda x: _written(x),
    "jacobian": wg.jacobian(lambda x: np.sort(x) ** 2),
    "add at mapped integers": lambda x: _added(x),
    "one at a mapped place": lambda x: _one_at(x, np.argmax(x)) * x,
    "ones at mapped places": lambda x: _one_at(x, np.argsort(x)[:2]) * x,
    "ones at a mapped mask": lambda x: _one_at(x, x > 0) * x,
    "lexsort": lambda x: x[np.lexsort((x, np.round(x)))],
    "functions that write at a mapped mask": lambda x: _put(x) * x,
    "mapped rows of a matrix": lambda x: np.eye(4)[np.argsort(x), 1] * np.arange(4.0)[np.argmin(x)] * x,
    "take by argsort": lambda x: np.take(x, np.argsort(x)),
    "sort and cumsum": lambda x: np.cumsum(np.sort(x)[::-1]),
    "median and quantile": lambda x: np.median(x) + np.quantile(x, 0.3),
    "in place": lambda x: _in_place(x),
    "rows": lambda x: np.array([v**2 for v in x]),
    "loop": lambda x: sum(v * i for i, v in enumerate(x)),
    "shape": lambda x: x.reshape(x.shape[0] // 2, -1).T * len(x) + x.ndim,
    "solve": lambda x: np.linalg.solve(np.outer(x, x) + np.eye(4), x),
    "det and inv": lambda x: np.linalg.det(np.outer(x, x) + np.eye(4)) * np.linalg.inv(np.diag(x)),
    "cholesky": lambda x: np.linalg.cholesky(np.outer(x, x) + np.eye(4)),
    "eigvalsh": lambda x: np.linalg.eigvalsh(np.outer(x, x) + np.diag(A[0])),
    "norm": np.linalg.norm,
    "einsum": lambda x: np.einsum("i,ji,j->j", x, A, A[:, 0]),
    "tensordot": lambda x: np.tensordot(A, x, axes=1),
    "matmul left and right": lambda x: (A @ x) @ A @ np.diag(x),
    "where and select": lambda x: np.where(x > 0, x, x**2) + np.select([x > 1, x > 0], [x, 2 * x], 0.0),
    "concatenate with constants": lambda x: np.concatenate([A[0], x, [1.0]]),
    "stack with constants": lambda x: np.stack([x, A[1]]) + np.outer(A[0], x)[:2],
    "pad and roll": lambda x: np.roll(np.pad(x, (1, 2)), 2)[::-1],
    "diff and gradient": lambda x: np.append(np.diff(x), np.gradient(x)),
    "max ties": lambda x: np.max(np.round(x)) + np.maximum(x, 0).max(),
    "argmax": np.argmax,
    "comparison": lambda x: (x > 0) & (x < 1),
    "integers": lambda x: (x * 3).astype(int),
    "dtype": lambda x: x.astype(np.float32),
    "complex": lambda x: np.abs(np.exp(1j * x) + x),
    "mean, var, std": lambda x: (np.mean(x), np.var(x), np.std(x)),
    "prod and cumprod": lambda x: np.prod(x) * np.cumprod(x),
    "broadcast_to": lambda x: np.broadcast_to(x, (3, 4)) * A[0],
    "outer sum": lambda x: np.add.outer(x, x),
    "kron": lambda x: np.kron(x, A[0, :2]),
    "tile and repeat": lambda x: np.tile(x, 2) * np.repeat(x, 2),
    "triu": lambda x: np.triu(np.outer(x, x)) + np.tril(np.ones((4, 4))),
    "diag": lambda x: np.diag(np.diag(x) @ np.ones((4, 4))),
    "trace": lambda x: np.trace(np.outer(x, A[0])),
    "swapaxes": lambda x: np.swapaxes(np.outer(x, A[0]), 0, 1),
    "flat of a product": lambda x: np.outer(x, A[0]).ravel()[::5],
    "fancy": lambda x: np.outer(x, x)[[0, 1], [2, 3]],
    "boolean constant mask": lambda x: x[np.array([True, False, True, True])],
    "scalar": lambda x: x[0],
    "clip": lambda x: np.clip(x, x.min() / 2, 1.0),
    "logaddexp": lambda x: np.logaddexp.reduce(x),
    "interp by hand": lambda x: np.sum(np.maximum(0, 1 - np.abs(x[:, None] - A[0])) @ A[1]),
    "searchsorted": lambda x: np.searchsorted([-1.0, 0.0, 1.0], x),
    "scan": lambda x: wg.scan(lambda c, v: (c * 0.5 + v, c), 0.0, x),
    "while_loop": lambda x: wg.while_loop(lambda c: c < 10, lambda c: c * 2 + 1, np.sum(x**2)),
    "cond": lambda x: wg.cond(x[0] > 0, np.sin, np.cos, x),
    "grad": wg.grad(lambda x: np.prod(x) * np.max(x)),
    "hessian": wg.hessian(lambda x: np.prod(x)),
    "jit": wg.jit(lambda x: np.sin(x).sum()),
    "checkpoint": wg.checkpoint(lambda x: np.sin(x).sum()),
    "stop_gradient": lambda x: wg.stop_gradient(x) * x,
}


def _written(x):
    out = np.zeros(4)
    out[np.argmax(x)] = x[0]
    return out


def _one_at(x, index):
    out = np.zeros(4)
    out[index] = 1.0
    return out


def _put(x):
    out = np.zeros(4)
    np.putmask(out, x > 0, x * 2)
    np.place(out, x < 0.6, [1.0, 2.0])
    return out


def _added(x):
    out = x * 1
    out[np.argsort(x)[:2]] += 1.0
    return out


def _in_place(x):
    y = x * 2
    y[1:] += y[:-1]
    y *= x
    left = y[:2]
    left -= 1.0
    return y


@pytest.mark.parametrize("f", MAPPED.values(), ids=MAPPED.keys())
def test_vmap_is_the_loop(f):
    found, rows = wg.vmap(f)(M), [f(row) for row in M]
    if isinstance(rows[0], tuple):
        for one, parts in zip(found, zip(*rows), strict=True):
            close(one, np.stack(parts))
    else:
        close(found, np.stack(rows))
        assert found.dtype == np.stack(rows).dtype


@pytest.mark.parametrize("f", MAPPED.values(), ids=MAPPED.keys())
def test_vmap_of_vmap_is_two_loops(f):
    first = lambda x: f(x)[0] if isinstance(f(x), tuple) else f(x)
    found = wg.vmap(wg.vmap(first, in_axes=1, out_axes=0), in_axes=0)(np.stack([M.T, 2 * M.T]))
    close(found, np.stack([np.stack([first(row) for row in scale * M]) for scale in (1, 2)]))


ROUGH = ["argmax", "comparison", "integers", "dtype", "searchsorted", "while_loop"]
SMOOTH = [name for name in MAPPED if name not in ROUGH]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_of_vmap_is_that_of_the_loop(name):
    f = MAPPED[name]
    first = lambda x: np.sum(np.sin(f(x)[0] if isinstance(f(x), tuple) else f(x)))
    close(wg.grad(lambda xs: np.sum(wg.vmap(first)(xs)))(M), np.stack([wg.grad(first)(row) for row in M]))


@pytest.mark.parametrize("name", SMOOTH)
def test_jvp_of_vmap_is_that_of_the_loop(name):
    f = MAPPED[name]
    first = lambda x: np.sum(np.sin(f(x)[0] if isinstance(f(x), tuple) else f(x)))
    _, tangent = wg.jvp(wg.vmap(first), (M,), (np.cos(M),))
    close(tangent, np.array([wg.jvp(first, (row,), (np.cos(row),))[1] for row in M]))


def test_a_mask_in_vmap_says_what_to_do():
    with pytest.raises(TypeError, match=r"test_jit_and_vmap\.py:\d+"):
        wg.vmap(lambda x: np.sum(x[x > 0]))(M)


def test_a_truth_value_in_vmap_says_what_to_do():
    with pytest.raises(TypeError, match=r"test_jit_and_vmap\.py:\d+: .*(where|cond)"):
        wg.vmap(lambda x: x if x.sum() > 0 else -x)(M)


def test_vmap_of_an_empty_batch():
    assert wg.vmap(lambda x: np.sum(x) * x)(np.zeros((0, 4))).shape == (0, 4)


def test_vmap_of_a_batch_of_one():
    close(wg.vmap(lambda x: np.sum(x) * x)(M[:1]), (X.sum() * X)[None])


def test_vmap_with_keyword_arguments_and_unmapped_objects():
    close(wg.vmap(lambda x, kind: x if kind == "id" else -x, in_axes=(0, None))(M, "neg"), -M)


def _inverse(x):
    order = np.argsort(x)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(x))
    return rank


def _table(x):
    labels = np.astype(np.abs(x) * 2, int) % 4
    table = np.zeros((4, 4))
    table[np.arange(4), labels] = 1.0
    table.T.flat[labels] = 2.0
    return table


@pytest.mark.parametrize(
    "f", [_inverse, _table, MAPPED["ones at a mapped mask"], MAPPED["mapped rows of a matrix"]]
)
def test_arrays_made_inside_are_written_and_read_at_places_that_depend_on_values(f):
    """In native code: a warning would say that the interpreter runs them."""
    compiled = wg.jit(f)
    for x in M:
        close(compiled(x), f(x))
        assert compiled(x).dtype == f(x).dtype
        assert compiled.explain(x).guards == []
