"""Aliases, views and copies are NumPy's: a write is seen exactly where NumPy would show it."""

import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import agree, agree_twice, close, maps

X = np.array([0.5, -1.2, 2.3, 0.7])
CONST = np.array([1.0, -2.0, 3.0, 0.5])


# Views write through --------------------------------------------------------------------------------------


def rows_in_a_loop(x):
    M = np.outer(x, CONST)
    for i, row in enumerate(M):
        row *= i
    return M


def rows_unpacked(x):
    M = np.outer(x, x)[:2]
    a, b = M
    a += b
    b[1:] = 0.0
    return M


def rows_swapped_through_views(x):
    """NumPy's own trap: both rows end up as the second one."""
    M = np.outer(x, x)
    M[0], M[1] = M[1], M[0]
    return M


def rows_swapped_through_copies(x):
    M = np.outer(x, x)
    M[0], M[1] = M[1].copy(), M[0].copy()
    return M


def rows_swapped_by_fancy_index(x):
    M = np.outer(x, x)
    M[[0, 1]] = M[[1, 0]]
    return M


def columns_swapped_by_slice(x):
    M = np.outer(x, x)
    M[:, :2] = M[:, 1::-1]
    return M


def split_views(x):
    y = x * 2
    a, b = np.split(y, 2)
    a -= b
    b[0] = x[3]
    return y


def swapped_axes_view(x):
    M = np.outer(x, x)
    np.swapaxes(M, 0, 1)[0] += x**2
    return M


def moved_axis_view(x):
    M = np.outer(x, x).reshape(2, 2, 4)
    np.moveaxis(M, 2, 0)[1] = 5.0
    return M


def expanded_view(x):
    y = x * 2
    y[:, None][1] = x[0] ** 2
    return y


def squeezed_view(x):
    y = x.reshape(4, 1) * 2
    y.squeeze()[2] = x[0] ** 2
    return y


def atleast_2d_view(x):
    y = x * 2
    np.atleast_2d(y)[0, 1] = x[0] ** 3
    return y


def ravel_of_contiguous_is_a_view(x):
    M = np.outer(x, x)
    np.ravel(M)[5] = 1.0
    return M


def reshape_of_a_strided_view_is_a_view(x):
    y = x * 2
    z = y[::2].reshape(2, 1)
    z *= 0.0
    return y


def flatten_is_a_copy(x):
    M = np.outer(x, x)
    M.flatten()[1] = 100.0
    return M


def fancy_index_is_a_copy(x):
    y = x * 2
    z = y[[0, 1]]
    z[0] = 100.0
    return y + z[0]


def mask_is_a_copy(x):
    y = x * 2
    z = y[y > 0]
    z *= 10
    return y * z.sum()


def array_is_a_copy(x):
    y = x * 2
    z = np.array(y)
    z[0] = 100.0
    return y * z


def asarray_is_an_alias(x):
    y = x * 2
    z = np.asarray(y)
    z[0] = x[1] ** 2
    return y


def asarray_with_dtype_is_an_alias(x):
    y = x * 2
    z = np.asarray(y, dtype=float)
    z[0] = x[1] ** 2
    return y


def astype_is_a_copy(x):
    y = x * 2
    z = y.astype(float)
    z[0] = 100.0
    return y * z


def full_slice_is_a_view(x):
    y = x * 2
    z = y[:]
    z[1] = x[0] ** 2
    return y


def ellipsis_is_a_view(x):
    y = x * 2
    y[...][1] = x[0] ** 2
    return y


def strided_view(x):
    y = np.concatenate([x, x])
    z = y[::3]
    z += x[:3] ** 2
    y[3] *= 2
    return y * z.sum()


def negative_stride_view(x):
    y = x * 2
    z = y[::-1]
    z[0] = x[0] ** 2
    return y


def view_of_a_view_of_a_view(x):
    M = np.outer(x, x)
    M[1:][:, ::2][0][1:] = x[0] ** 3
    return M


def views_made_before_and_after(x):
    y = x * 2
    before = y[1:3]
    y *= x
    after = y[2:4]
    after[0] = x[0]
    return before * after


def transposed_then_written(x):
    M = np.outer(x, CONST)
    T = M.T
    M[0, 1] = x[2] ** 2
    return T


def two_overlapping_views(x):
    y = x * 2
    a, b = y[:3], y[1:]
    a += 1.0 * b
    b *= 2
    return a * x[0]


def real_part_is_a_view(x):
    y = x * 2
    y.real[0] = x[1] ** 2
    return y


def reversed_onto_itself(x):
    y = x**2
    y[...] = y[::-1]
    return y


def overlapping_out(x):
    y = x**2
    np.add(y[1:], y[:-1], out=y[1:])
    return y


def cumulated_in_place(x):
    y = x**2
    np.cumsum(y, out=y)
    return y


def argument_alias(x):
    y = x
    y += 1.0
    return x**2


def argument_changed_by_a_helper(x):
    def shift(v):
        v += v[0]

    x = x.copy()
    shift(x)
    shift(x[1:])
    return x


def helper_returns_a_view(x):
    def middle(v):
        return v[1:-1]

    y = x * 2
    middle(y)[:] += x[0]
    return y


def augmented_element_of_a_list(x):
    layers = [x * 1, x * 2]
    layers[0] += layers[1]
    layers[1][0] = 7.0
    return layers[0] * layers[1]


def augmented_attribute(x):
    class State:
        pass

    state = State()
    state.v = x * 2
    alias = state.v
    state.v += x**2
    state.v[0] = 1.0
    return alias


# Preallocated arrays: everything that was taken from them before they met a tracer --------------------------


def alias_before_the_first_write(x):
    a = np.zeros(4)
    b = a
    a[0] = x[0] ** 2
    return b


def row_view_before_the_first_write(x):
    a = np.zeros((2, 4))
    row = a[0]
    a[0, 1] = x[0] ** 2
    return row


def row_view_written_first(x):
    a = np.zeros((2, 4))
    row = a[1]
    row[2] = x[0] ** 2
    return a


def reshaped_before_the_first_write(x):
    a = np.zeros(4)
    b = a.reshape(2, 2)
    a[1:] = x[1:]
    b[0] *= 2
    return a + b.ravel()


def list_of_views_before_the_first_write(x):
    a = np.zeros(4)
    views = [a[i : i + 1] for i in range(4)]
    for i, v in enumerate(views):
        v[0] = x[i] ** 2
    return a


def list_of_arrays(x):
    a = [np.zeros(2) for _ in range(2)]
    a[0][1] = x[0]
    a[1] += x[1]
    return np.array(a)


def aliases_by_multiplication(x):
    a = [np.zeros(2)] * 2
    a[0][1] = x[0] ** 2
    return np.array(a)


def in_a_dict(x):
    cache = {}
    for i in range(4):
        cache.setdefault(i % 2, np.zeros(2))[i // 2] = x[i] ** 2
    return np.concatenate([cache[0], cache[1]])


def in_an_object(x):
    class Filter:
        def __init__(self):
            self.state = np.zeros(2)

        def step(self, v):
            self.state[1] = self.state[0] * 0.5
            self.state[0] = v + 0.1 * self.state[1] ** 2
            return self.state.sum()

    f = Filter()
    return np.array([f.step(v) for v in x])


def in_a_closure(x):
    total = np.zeros(1)

    def add(v):
        total[0] += v**2

    for v in x:
        add(v)
    return total


def passed_to_a_function(x):
    def fill(out, v):
        for i in range(len(out)):
            out[i] = v[i] * i

    a = np.empty(4)
    fill(a, x)
    fill(a[:2], x[2:])
    return a


def written_then_overwritten_by_constants(x):
    a = np.zeros(4)
    a[:] = x
    a[1:3] = [1.0, 2.0]
    a[a > 5] = 0.0
    return a * x


def mask_assigned_a_number(x):
    y = x * 2
    y[y < 0] = 0.0
    return y * x


def read_before_written(x):
    a = np.ones(4)
    s = a.sum() + a @ x
    a[0] = x[0] ** 2
    return a * s


def whole_written(x):
    a = np.zeros((2, 4))
    a[...] = np.stack([x, x**2])
    a += a
    return a


def accumulated_outer_products(x):
    H = np.zeros((4, 4))
    for c in CONST:
        g = c * x**2
        H += np.outer(g, g)
    return H


def copied_before_adoption(x):
    a = np.zeros(4)
    b = a.copy()
    a[0] = x[0]
    b[1] = x[1] ** 2
    return a + b


def arithmetic_of_untouched(x):
    a = np.zeros(4) + 1.0
    a[0] = x[0]
    return a


def result_of_numpy_on_untouched(x):
    a = np.sqrt(np.ones(4) * 4)
    a[1] = x[1] ** 2
    return a


def concatenated_untouched(x):
    a = np.concatenate([np.zeros(2), np.ones(2)])
    a[1] = x[1] ** 2
    return a


def complex_array(x):
    a = np.zeros(4, complex)
    a[:2] = x[:2] * 1j
    a[2] = x[2]
    return np.abs(a) ** 2


def two_dimensional_indices(x):
    a = np.zeros((3, 3))
    i, j = np.triu_indices(3, 1)
    a[i, j] = x[:3]
    a[j, i] = -a[i, j]
    return a


def matrix_by_blocks(x):
    n = 2
    A = np.zeros((2 * n, 2 * n))
    A[:n, :n] = np.diag(x[:2])
    A[n:, :n] = x[2]
    A[:n, n:] = A[n:, :n].T
    A[np.arange(2, 4), np.arange(2, 4)] = 4.0
    return np.linalg.solve(A + 3 * np.eye(4), x)


def appended_in_a_loop(x):
    a = np.empty(0)
    for v in x:
        a = np.append(a, v * (a.sum() + 1))
    return a


def list_round_trip(x):
    a = np.zeros(4).tolist()
    a[1] = x[0] ** 2
    return np.array(a)


def in_place_operators(x):
    a = np.ones(4)
    a += x
    a -= 0.5
    a *= x
    a /= 2.0
    a **= 2
    return a


def in_place_matmul(x):
    a = np.eye(4)
    a @= np.outer(x, x)
    return a


def unused_then_returned(x):
    a = np.zeros(4)
    a[0] = 3.0
    return a * x


FUNCTIONS = [f for f in list(globals().values()) if getattr(f, "__module__", None) == __name__]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_derivative(f):
    agree_twice(lambda x: f(x.copy()), X)


@pytest.mark.filterwarnings("ignore:.*depends on values:RuntimeWarning")  # of masks
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_jit(f):
    close(wg.jit(lambda x: f(x.copy()))(X), f(X.copy()))
    close(wg.jit(wg.jacobian(lambda x: f(x.copy())))(X), wg.jacobian(lambda x: f(x.copy()))(X))


# What cannot be mapped, and why not: a mask has another shape in each example.
REFUSALS = {mask_is_a_copy: "the number behind a tracer"}


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_vmap(f):
    maps(lambda x: f(x.copy()), np.stack([X, X * 1.1]), REFUSALS.get(f))


def test_a_float32_array_rounds_what_is_written_into_it():
    def f(x):
        a = np.zeros(4, np.float32)
        a[:] = x
        assert a.dtype == np.float32
        return a.astype(float) * 2

    value, tangent = wg.jvp(f, (X,), (np.ones(4),))
    close(value, f(X), rtol=1e-15)
    close(tangent, np.full(4, 2.0))
    close(wg.jacobian(f)(X), 2 * np.eye(4))


def test_an_inner_recording_may_not_leave_its_tracer_in_an_outer_array():
    def f(x):
        out = np.zeros(2)

        def g(y):
            out[0] = y * 2
            return y**2

        slope = wg.grad(g)(x)
        return slope + out[0] * 0 + x

    with pytest.raises(wg.errors.LeakError, match="a tracer was used after the function"):
        wg.grad(f)(3.0)


def test_writing_inside_scan_while_loop_cond_and_checkpoint():
    def step(c, x):
        out = np.zeros(2)
        out[0] = c[1] * x
        out[1] = c[0] + x
        return out, out[0] ** 2

    def loop(x):
        c, ys = np.ones(2), []
        for v in x:
            c, y = step(c, v)
            ys.append(y)
        return np.sum(np.array(ys)) + c[1]

    def scanned(x):
        c, ys = wg.scan(step, np.ones(2), x)
        return np.sum(ys) + c[1]

    def checkpointed(x):
        c, ys = np.ones(2), []
        for v in x:
            c, y = wg.checkpoint(step)(c, v)
            ys.append(y)
        return np.sum(np.array(ys)) + c[1]

    agree(loop, X)
    for f in (scanned, checkpointed):
        close(wg.grad(f)(X), wg.grad(loop)(X))
        close(wg.hessian(f)(X), wg.hessian(loop)(X))


def test_windows_to_write_into_are_refused():
    def f(x):
        np.lib.stride_tricks.sliding_window_view(x, 2, writeable=True)[0] = 7.0
        return np.sum(x)

    with pytest.raises(wg.errors.UnsupportedError, match=r"test_views.py:\d+: windows to write into are not"):
        wg.grad(f)(np.ones(4))
