"""vmap, jit, stop_gradient, checkpoint, scan, while_loop, cond, trace, cost, check_gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import wengert as wg
from tests.contract.helpers import close

X = np.array([0.5, -1.2, 2.0])
M = np.arange(12.0).reshape(4, 3) / 7
A = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])

# vmap ----------------------------------------------------------------------------------------------------

MAPPED = {
    "elementwise": np.sin,
    "sum": np.sum,
    "matmul": lambda x: A @ x,
    "outer": lambda x: np.outer(x, x),
    "index": lambda x: x[1] * x[::-1],
    "max": np.max,
    "sort": np.sort,
    "cumsum": np.cumsum,
    "concatenate": lambda x: np.concatenate([x, x**2]),
    "constant": lambda x: np.ones(2),
    "where": lambda x: np.where(x > 0.5, x, -x),
    "preallocated": lambda x: _filled(x),
    "norm": lambda x: np.sqrt(np.sum(x**2) + 1),
    "broadcast": lambda x: x[:, None] * A.T,
    "mean std": lambda x: (x - x.mean()) / (x.std() + 1),
    "solve": lambda x: np.linalg.solve(np.outer(x, x) + np.eye(3), x),
    "two outputs": lambda x: (np.sum(x), x * 2),
    "dict": lambda x: {"a": x[0], "b": x[1:]},
}


def _filled(x):
    out = np.zeros(4)
    out[1:] = x
    out[0] = x[2]
    return out


@pytest.mark.parametrize("f", MAPPED.values(), ids=MAPPED.keys())
def test_vmap_is_the_loop(f):
    found = wg.vmap(f)(M)
    rows = [f(row) for row in M]
    if isinstance(rows[0], tuple):
        close(found, tuple(np.stack(parts) for parts in zip(*rows)))
    elif isinstance(rows[0], dict):
        close(found, {key: np.stack([row[key] for row in rows]) for key in rows[0]})
    else:
        close(found, np.stack(rows))


def test_vmap_in_axes_and_out_axes():
    close(wg.vmap(lambda x: x * 2, in_axes=1)(M), 2 * M.T)
    close(wg.vmap(lambda x: x * 2, in_axes=1, out_axes=1)(M), 2 * M)
    close(wg.vmap(lambda x: x * 2, in_axes=-1, out_axes=-1)(M), 2 * M)
    close(wg.vmap(lambda x, y: x @ y, in_axes=(0, None))(M, X), M @ X)
    close(
        wg.vmap(lambda x, y: np.outer(x, y), in_axes=(None, 1))(X, M), np.stack([np.outer(X, c) for c in M.T])
    )


def test_vmap_with_in_axes_for_a_tree():
    found = wg.vmap(lambda t: t["a"] * t["b"], in_axes=({"a": 0, "b": None},))({"a": M, "b": X})
    close(found, M * X)


def test_vmap_with_in_axes_for_a_tree_with_nothing_in_it():
    found = wg.vmap(lambda t: t["a"] * 2, in_axes=({"a": 1, "b": None},))({"a": M, "b": None})
    close(found, M.T * 2)


def test_vmap_with_in_axes_for_another_tree():
    with pytest.raises(ValueError, match=r"in_axes: .*missing key\(s\): \['v'\].* Give one axis"):
        wg.vmap(lambda p: p["w"], in_axes=({"v": 0},))({"w": np.ones(3)})


def test_vmap_of_vmap():
    close(wg.vmap(wg.vmap(lambda x: x**2))(M), M**2)
    close(wg.vmap(wg.vmap(np.multiply, in_axes=(None, 0)), in_axes=(0, None))(X, X), np.outer(X, X))


def test_vmap_of_grad_gives_gradients_per_example():
    error = lambda w, x: np.tanh(w @ x) ** 2
    found = wg.vmap(wg.grad(error), in_axes=(None, 0))(X, M)
    close(found, np.stack([wg.grad(error)(X, row) for row in M]))


def test_grad_of_vmap():
    f = lambda x: np.sum(wg.vmap(lambda row: np.sin(row) @ X)(x) ** 2)
    g = lambda x: jnp.sum((jnp.sin(x) @ X) ** 2)
    close(wg.grad(f)(M), jax.grad(g)(M))


def test_jacobian_and_hessian_of_vmap():
    close(wg.jacobian(wg.vmap(lambda x: x**2))(X), np.diag(2 * X))
    close(wg.hessian(lambda x: np.sum(wg.vmap(lambda v: v**3)(x)))(X), np.diag(6 * X))


def test_vmap_of_hessian():
    found = wg.vmap(wg.hessian(lambda x: np.sum(x**3) * x[0]))(M)
    close(found, np.stack([wg.hessian(lambda x: np.sum(x**3) * x[0])(row) for row in M]))


def test_vmap_of_unequal_lengths():
    with pytest.raises((TypeError, ValueError)):
        wg.vmap(lambda x, y: x + y)(np.ones(3), np.ones(4))


def test_vmap_of_a_branch_on_values():
    with pytest.raises((TypeError, ValueError), match=r"np\.where|wg\.cond"):
        wg.vmap(lambda x: x if x > 0 else -x)(X)


def test_vmap_of_nothing_mapped():
    with pytest.raises((TypeError, ValueError)):
        wg.vmap(lambda x: x, in_axes=None)(X)


# jit -----------------------------------------------------------------------------------------------------


def test_jit_gives_the_same_results():
    f = lambda x, y: {"a": A @ np.sin(x) + y, "b": (np.sum(x), x[::-1])}
    close(wg.jit(f)(X, 2.0), f(X, 2.0))


def test_jit_again_with_other_values_shapes_and_dtypes():
    f = wg.jit(lambda x: np.sum(x**2) * 2)
    assert f(X) == pytest.approx(2 * np.sum(X**2))
    assert f(2 * X) == pytest.approx(8 * np.sum(X**2))
    assert f(np.ones((2, 2))) == 8
    assert f(X.astype(np.float32)).dtype == np.float32
    assert f(3.0) == 18


def test_jit_of_control_flow_on_values():
    @wg.jit
    def f(x):
        total = x
        while np.sum(total**2) > 1:
            total = total / 2
        return total if total[0] > 0 else -total

    def plain(x):
        while np.sum(x**2) > 1:
            x = x / 2
        return x if x[0] > 0 else -x

    for scale in (1.0, -1.0, 0.1, 10.0, -30.0):
        close(f(scale * X), plain(scale * X))


def test_jit_of_a_branch_takes_the_right_one_every_time():
    f = wg.jit(lambda x: x * 2 if x > 0 else x * 3)
    assert [float(f(v)) for v in (1.0, -1.0, 2.0, -2.0)] == [2, -3, 4, -6]


def test_jit_of_an_index_from_values():
    f = wg.jit(lambda x: A[0][int(np.argmax(x))] * x)
    close(f(X), -1.0 * X)
    close(f(X[::-1].copy()), 1.0 * X[::-1])


def test_grad_of_jit_and_jit_of_grad():
    f = lambda x: np.sum(np.exp(x) * np.sin(x))
    expected = np.exp(X) * (np.sin(X) + np.cos(X))
    close(wg.grad(wg.jit(f))(X), expected)
    close(wg.jit(wg.grad(f))(X), expected)
    close(wg.hessian(wg.jit(f))(X), np.diag(2 * np.exp(X) * np.cos(X)))


def test_jit_of_vmap_and_vmap_of_jit():
    f = lambda x: np.sum(x**2) * x
    expected = np.sum(M**2, axis=1, keepdims=True) * M
    close(wg.jit(wg.vmap(f))(M), expected)
    close(wg.vmap(wg.jit(f))(M), expected)


def test_jit_raises_the_same_errors():
    with pytest.raises(ValueError):
        wg.jit(lambda x: x @ np.ones(4))(X)
    with pytest.raises(IndexError):
        wg.jit(lambda x: x[7])(X)
    with pytest.raises(ZeroDivisionError):
        wg.jit(lambda x: x / (1 // 0))(X)


def test_jit_takes_keyword_arguments():
    assert wg.jit(lambda x, scale=1.0: np.sum(x) * scale)(X, scale=3.0) == pytest.approx(3 * np.sum(X))


def test_jit_does_not_freeze_random_draws():
    with pytest.raises(TypeError, match=r"numpy\.random\.normal was called while the function was recorded"):
        wg.jit(lambda x: x + np.random.normal())(0.0)


def test_jit_of_integers_and_booleans():
    assert wg.jit(lambda n: n + 1)(3) == 4
    close(wg.jit(lambda b: ~b)(np.array([True, False])), np.array([False, True]))


# stop_gradient, checkpoint -------------------------------------------------------------------------------


def test_stop_gradient_is_a_constant():
    close(wg.grad(lambda x: np.sum(wg.stop_gradient(x) * x))(X), X)
    assert wg.jvp(lambda x: wg.stop_gradient(x) ** 2, (3.0,), (1.0,)) == (9, 0)


def test_stop_gradient_outside_is_the_identity():
    close(wg.stop_gradient(X), X)
    assert wg.stop_gradient({"a": 1.0}) == {"a": 1.0}


def test_stop_gradient_of_a_tree():
    assert wg.grad(lambda t: wg.stop_gradient(t)["a"] * t["a"])({"a": 3.0}) == {"a": 3.0}


def test_stop_gradient_stops_only_the_derivative_inside():
    f = lambda x: wg.stop_gradient(x) * x**2
    assert wg.grad(wg.grad(f))(3.0) == 6


def test_checkpoint_changes_nothing_but_memory():
    f = lambda x: np.tanh(np.sin(x) * x)
    g = wg.checkpoint(f)
    close(g(X), f(X))
    close(wg.grad(lambda x: np.sum(g(x)))(X), wg.grad(lambda x: np.sum(f(x)))(X))
    close(wg.hessian(lambda x: np.sum(g(x)))(X), wg.hessian(lambda x: np.sum(f(x)))(X))
    close(wg.jacobian(g, mode="forward")(X), wg.jacobian(f)(X))


def test_checkpoint_of_several_arguments_and_trees():
    g = wg.checkpoint(lambda w, t: {"y": np.tanh(w @ t["x"])})
    f = lambda w, t: np.sum(g(w, t)["y"])
    found = wg.grad(f, argnums=(0, 1))(A, {"x": X})
    s = 1 - np.tanh(A @ X) ** 2
    close(found, (np.outer(s, X), {"x": A.T @ s}))


def test_checkpoint_of_a_closed_over_tracer():
    f = lambda x: np.sum(wg.checkpoint(lambda y: np.sin(y * x))(x**2))
    close(wg.grad(f)(X), np.cos(X**3) * 3 * X**2)


# scan, while_loop, cond ----------------------------------------------------------------------------------


def test_scan_is_the_loop():
    carry, ys = wg.scan(lambda c, x: (c * 0.5 + x, c * x), 1.0, X)
    c, expected = 1.0, []
    for x in X:
        c, y = c * 0.5 + x, c * x
        expected.append(y)
    assert carry == pytest.approx(c)
    close(ys, np.array(expected))


def test_scan_with_trees():
    step = lambda c, x: ({"s": c["s"] + x["a"] @ x["b"]}, (x["a"], c["s"]))
    carry, (first, second) = wg.scan(step, {"s": 0.0}, {"a": M, "b": 2 * M})
    close(carry, {"s": 2 * np.sum(M**2)})
    close(first, M)
    close(second, np.concatenate([[0], np.cumsum(2 * np.sum(M**2, axis=1))[:-1]]))


def test_scan_by_length():
    carry, ys = wg.scan(lambda c, _: (c * 2, None), 1.0, None, length=5)
    assert carry == 32
    assert ys is None


def backwards(c, x):
    return c * 0.5 + np.sin(x), c * x


def test_scan_in_reverse_is_the_loop_from_the_end():
    carry, ys = wg.scan(backwards, 1.0, X, reverse=True)
    c, expected = 1.0, []
    for x in X[::-1]:
        (c, y) = backwards(c, x)
        expected.insert(0, y)
    assert carry == pytest.approx(c)
    close(ys, np.array(expected))


REVERSED = {
    "value": lambda f: f,
    "gradient": wg.grad,
    "tangents": lambda f: wg.jacobian(f, mode="forward"),
    "hessian": wg.hessian,
    "jit of gradient": lambda f: wg.jit(wg.grad(f)),
    "vmap": lambda f: lambda x: wg.vmap(f)(np.stack([x, 2 * x])),
    "vmap of gradient": lambda f: lambda x: wg.vmap(wg.grad(f))(np.stack([x, 2 * x])),
}


@pytest.mark.parametrize("transform", REVERSED.values(), ids=REVERSED)
def test_scan_in_reverse_is_the_scan_of_what_is_reversed(transform):
    def direct(x):
        carry, ys = wg.scan(backwards, 1.0, x, reverse=True)
        return carry * ys[0] + ys @ X

    def flipped(x):
        carry, ys = wg.scan(backwards, 1.0, x[::-1])
        return carry * ys[-1] + ys @ X[::-1]

    close(transform(direct)(X), transform(flipped)(X))


def test_scan_in_reverse_is_that_of_jax():
    step = lambda lib: lambda c, x: (c * 0.5 + lib.sin(x), c * x)
    expected = jax.lax.scan(step(jnp), 1.0, jnp.asarray(X), reverse=True)
    close(wg.scan(step(np), 1.0, X, reverse=True), tuple(map(np.asarray, expected)))


def test_scan_without_xs():
    carry, ys = wg.scan(lambda c, _: (c * 2, c), 1.0, length=3)
    assert carry == 8
    close(ys, np.array([1.0, 2.0, 4.0]))
    close(wg.scan(lambda c, _: (c * 2, c), 1.0, length=3, reverse=True)[1], np.array([4.0, 2.0, 1.0]))


@pytest.mark.parametrize("length", [2.5, -1, "3"])
def test_scan_of_a_length_that_is_no_number_of_steps(length):
    with pytest.raises(ValueError, match=rf"length={length!r} is no number of steps"):
        wg.scan(lambda c, _: (c, None), 1.0, length=length)


def test_scan_of_a_length_that_is_traced():
    f = lambda n: wg.scan(lambda c, _: (c + 1.0, None), 0.0, length=n)[0]
    assert [wg.jit(f)(n) for n in (3, 2)] == [3.0, 2.0]
    with pytest.raises(TypeError, match=r"wg\.while_loop"):
        wg.vmap(f)(np.arange(3))


def test_scan_over_nothing():
    carry, ys = wg.scan(lambda c, x: (c + x, c), 1.0, np.zeros(0))
    assert carry == 1
    assert np.shape(ys) == (0,)


def rnn(W, xs):
    def step(h, x):
        h = np.tanh(W @ h + x)
        return h, np.sum(h**2)

    h, ys = wg.scan(step, np.zeros(3), xs)
    return np.sum(ys) + h[0]


def unrolled(W, xs):
    h, total = np.zeros(3), 0.0
    for x in xs:
        h = np.tanh(W @ h + x)
        total = total + np.sum(h**2)
    return total + h[0]


def test_scan_differentiates_in_both_modes():
    W = np.eye(3) * 0.5 + 0.1
    for i in (0, 1):
        expected = wg.grad(unrolled, argnums=i)(W, M)
        close(wg.grad(rnn, argnums=i)(W, M), expected)
        close(wg.jacobian(rnn, argnums=i, mode="forward")(W, M), expected)


def test_second_derivatives_of_scan():
    W = np.eye(3) * 0.5 + 0.1
    close(wg.hessian(rnn)(W, M), wg.hessian(unrolled)(W, M))


def test_vmap_of_scan():
    f = lambda x: wg.scan(lambda c, v: (c * 0.5 + v, c), 0.0, x)[0]
    close(wg.vmap(f)(M), np.array([f(row) for row in M]))


def test_jit_of_scan():
    W = np.eye(3) * 0.5 + 0.1
    assert wg.jit(rnn)(W, M) == pytest.approx(unrolled(W, M))
    close(wg.jit(wg.grad(rnn))(W, M), wg.grad(unrolled)(W, M))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64])
def test_loops_that_begin_with_a_python_number(dtype):
    """It takes the dtype that it meets, in a trace as outside of one."""
    summed = lambda x: wg.scan(lambda c, v: (c + v, c), 0, x)
    doubled = lambda x: wg.while_loop(lambda c: c[1] < 5, lambda c: (c[0] * 2 + x[0], c[1] + 1), (1, 0))[0]
    x = np.arange(4).astype(dtype)
    for f in (lambda x: summed(x)[0], lambda x: summed(x)[1], doubled):
        found, expected = wg.jit(f)(x), f(x)
        assert found.dtype == expected.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_the_gradient_of_a_loop_that_begins_with_a_python_number():
    f = lambda w, x: wg.scan(lambda c, v: (np.tanh(c * w + v), None), 0.0, x)[0]
    w, x = np.float32(0.5), X.astype(np.float32)
    assert wg.grad(f)(w, x).dtype == np.float32
    assert wg.jit(f)(w, x).dtype == np.float32
    close(wg.grad(f)(w, x), wg.grad(f)(np.float64(0.5), X), rtol=1e-5)


def test_a_branch_may_give_a_python_number():
    f = lambda x: wg.cond(x > 0, lambda x: x * x, lambda x: 0, x)
    for x in (np.float32(3.0), np.float32(-1.0), 3.0, -1.0):
        assert wg.jit(f)(x) == f(x)
    assert wg.jit(f)(np.float32(-1.0)).dtype == np.float32
    assert wg.grad(f)(np.float32(3.0)) == 6
    assert wg.grad(f)(np.float32(-3.0)) == 0
    np.testing.assert_array_equal(wg.vmap(f)(np.array([2.0, -2.0], "f4")), np.array([4.0, 0.0], "f4"))


def test_scan_of_a_carry_that_changes_its_type():
    with pytest.raises((TypeError, ValueError)):
        wg.scan(lambda c, x: (np.append(c, x), None), np.zeros(1), X)


@pytest.mark.parametrize(
    "name", ["grad", "value_and_grad", "jacobian", "hessian", "vmap", "jit", "trace", "cost"]
)
def test_the_value_of_a_function_is_no_function(name):
    with pytest.raises(
        TypeError, match=r"a function is needed, not something of type float64\. Write wg\.grad\(f\)\(x\)"
    ):
        getattr(wg, name)(np.sin(0.3))


def doubled(x):
    x *= 2
    return x


LOOPS_THAT_WRITE = {
    "scan": lambda x: wg.scan(lambda c, v: (doubled(c), doubled(v) + c), x, np.stack([x, x])),
    "scan that gives its carry": lambda x: wg.scan(lambda c, _: (doubled(c),) * 2, x, None, length=3)[1],
    "while_loop": lambda x: wg.while_loop(lambda c: doubled(c)[0] < 9, doubled, x),
    "cond": lambda x: wg.cond(x[0] > 0, doubled, np.sin, x) + x,
}


@pytest.mark.parametrize("name", LOOPS_THAT_WRITE)
def test_what_is_written_inside_stays_inside(name):
    f, x = LOOPS_THAT_WRITE[name], np.array([1.0, 2.0])
    close(f(x), wg.jit(f)(np.array([1.0, 2.0])))
    assert x.tolist() == [1.0, 2.0]


def test_scan_over_numbers_that_are_no_array():
    with pytest.raises(
        wg.errors.MismatchError, match=r"found a single number\. Write np.array\(xs\) for a list"
    ):
        wg.scan(lambda c, x: (c + x, None), 0.0, [1.0, 2.0])


def test_scan_of_unequal_lengths():
    with pytest.raises((TypeError, ValueError)):
        wg.scan(lambda c, x: (c, None), 0.0, (np.ones(3), np.ones(4)))


def test_while_loop_is_the_loop():
    found = wg.while_loop(lambda c: c[0] < 100, lambda c: (c[0] * 2, c[1] + 1), (1.0, 0))
    assert found == (128, 7)


def test_while_loop_differentiates_forwards():
    f = lambda x: wg.while_loop(lambda c: c[1] < 3, lambda c: (c[0] * x, c[1] + 1), (1.0, 0))[0]
    assert wg.jvp(f, (2.0,), (1.0,)) == (8, 12)
    assert wg.jacobian(f, mode="forward")(2.0) == 12


def test_reverse_mode_of_while_loop_is_right_or_names_scan():
    f = lambda x: wg.while_loop(lambda c: c[1] < 3, lambda c: (c[0] * x, c[1] + 1), (1.0, 0))[0]
    try:
        assert wg.grad(f)(2.0) == 12
    except TypeError as error:
        assert "scan" in str(error)


def test_while_loop_that_never_runs():
    assert wg.while_loop(lambda c: c < 0, lambda c: c + 1, 5.0) == 5


def test_cond_takes_a_branch():
    f = lambda x: wg.cond(x[0] > 0, lambda x: np.sum(x**2), lambda x: np.sum(np.sin(x)), x)
    assert f(X) == pytest.approx(np.sum(X**2))
    assert f(-X) == pytest.approx(np.sum(np.sin(-X)))
    close(wg.grad(f)(X), 2 * X)
    close(wg.grad(f)(-X), np.cos(-X))
    close(wg.jacobian(f, mode="forward")(-X), np.cos(-X))
    close(wg.hessian(f)(X), 2 * np.eye(3))


def test_cond_of_several_operands_and_trees():
    f = lambda p, x, y: wg.cond(p, lambda x, y: {"r": x * y}, lambda x, y: {"r": x - y}, x, y)
    assert f(True, 2.0, 3.0) == {"r": 6}
    assert f(False, 2.0, 3.0) == {"r": -1}


def test_vmap_of_cond():
    f = lambda x: wg.cond(x > 0, lambda x: x**2, lambda x: -x, x)
    close(wg.vmap(f)(X), np.where(X > 0, X**2, -X))
    close(wg.vmap(wg.grad(f))(X), np.where(X > 0, 2 * X, -1.0))


def test_jit_of_cond():
    f = wg.jit(lambda x: wg.cond(x > 0, lambda x: x**2, lambda x: -x, x))
    assert [float(f(v)) for v in (3.0, -2.0)] == [9, 2]


# trace, cost, check_gradients ----------------------------------------------------------------------------


def test_trace_shows_operations_shapes_and_values():
    text = str(wg.trace(lambda x: np.sum(np.sin(x) * 2.0))(X))
    for word in ("sin", "sum", "3", "float64"):
        assert word in text


def test_trace_shows_tangent_and_adjoint_equations():
    trace = wg.trace(lambda x, y: x * y + np.sin(x))(2.0, 3.0)
    assert "cos" in str(trace.tangent())
    assert "cos" in str(trace.adjoint())


def test_cost_counts_operations():
    cost = wg.cost(lambda x: np.sum(A @ x))(X)
    assert cost is not None
    assert any(character.isdigit() for character in str(cost))


def test_check_gradients_passes_what_is_right():
    wg.check_gradients(lambda x: np.sum(np.sin(x) * x), (X,))
    wg.check_gradients(lambda x, y: A @ x * y, (X, 2.0), order=2)
    wg.check_gradients(lambda t: t["a"] ** 2 * np.sum(t["b"]), ({"a": 1.5, "b": X},))


def test_check_gradients_names_the_worst_entry():
    def wrong(x):
        return np.sum(x**2) + np.sum(wg.stop_gradient(x)[1] ** 2)

    with pytest.raises(AssertionError, match=r"1"):
        wg.check_gradients(wrong, (X,))


def test_functions_of_numpy_and_scipy_themselves():
    x = np.array([1.0, 2.0, 4.0])
    close(wg.jacobian(np.array)(x), np.eye(3))
    close(wg.jacobian(np.asarray)(x), np.eye(3))
    close(wg.jacobian(np.linspace)(1.0, 2.0, 3), np.array([1.0, 0.5, 0.0]))
    close(wg.grad(scipy.special.logsumexp)(x), np.exp(x) / np.exp(x).sum())


def test_steps_of_loops_are_checked_with_and_without_a_recording():
    run = {
        r"step gives a float\. Return the pair": lambda c: wg.scan(lambda c, x: c, c, X),
        r"scan: the carry goes in": lambda c: wg.scan(lambda c, x: (np.array([c, c]), x), c, X),
        r"while_loop: the carry goes in": lambda c: wg.while_loop(
            lambda c: c < 9, lambda c: np.array([c]), c
        ),
    }
    for message, f in run.items():
        with pytest.raises(wg.errors.MismatchError, match=message.replace("a float", ".*")):
            wg.jvp(f, (1.0,), (1.0,))
        with pytest.raises(wg.errors.MismatchError, match=message):
            f(1.0)


def test_a_while_loop_keeps_the_tree_of_its_carry():
    f = lambda x: wg.while_loop(lambda c: c["a"] < 9, lambda c: [c["a"] * 2, c["b"]], {"a": x, "b": x})
    with pytest.raises(wg.errors.MismatchError, match=r"while_loop: the carry goes in .*Keep its tree\."):
        wg.jvp(f, (1.0,), (1.0,))


@pytest.mark.parametrize("after", [lambda c: (c, c), lambda c: {"a": c}])
def test_a_scan_keeps_the_tree_of_its_carry(after):
    f = lambda x: wg.scan(lambda c, x: (after(c), x), x, X)[0]
    for g in (f, wg.jit(f), wg.grad(f)):
        with pytest.raises(wg.errors.MismatchError, match=r"scan: the carry goes in .*Keep its tree\."):
            g(1.0)


def test_vmap_of_an_index_into_a_table():
    table = np.array([1.0, 4.0, 9.0])
    close(wg.vmap(lambda i: np.take(table, i))(np.array([2, 0])), np.array([9.0, 1.0]))
    close(wg.vmap(lambda i, x: x * np.take(M, i, axis=0))(np.array([2, 0]), M[:2]), M[:2] * M[[2, 0]])
    with pytest.raises(wg.errors.ControlFlowError, match=r"np\.take\(table, i\) instead of table\[i\]"):
        wg.vmap(lambda i: table[i])(np.array([2, 0]))


def test_numbers_can_be_formatted_where_they_stand_for_many():
    f = lambda x: x * len(f"{x:.3f}") * 0 + x**2
    close(wg.vmap(wg.grad(f))(X), 2 * X)
    close(wg.vmap(f)(X), X**2)
