"""Views: what is written through one is seen through all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.core.tracer import ViewTracer

X = np.arange(12.0).reshape(3, 4) / 7 + 0.3

TAKE = {
    "row": lambda a: a[1],
    "rows": lambda a: a[1:],
    "columns": lambda a: a[:, ::2],
    "backwards": lambda a: a[::-1],
    "transposed": lambda a: a.T,
    "swapped": lambda a: np.swapaxes(a, 0, 1),
    "flattened": lambda a: a.reshape(-1),
    "lengthened": lambda a: a[None],
    "expanded": lambda a: np.expand_dims(a, 1),
    "raveled": lambda a: a.ravel(),
    "everything": lambda a: a[...],
    "moved": lambda a: np.moveaxis(a, 0, -1),
    "squeezed": lambda a: a[:1].squeeze(),
}
NEVER = {
    "by integers": lambda a: a[[0, 1]],
    "by truth values": lambda a: a[a > 1],
    "computed": lambda a: a + 0,
    "copied": lambda a: a.copy(),
    "flat copied": lambda a: a.flatten(),
    "made anew": lambda a: np.array(a),
    "reshaped where memory is not in order": lambda a: a.T.reshape(-1),
}
WRITE = {
    "item": lambda v, w: v.__setitem__((0,) * v.ndim, 3.0 * w),
    "slice": lambda v, w: v.__setitem__(slice(None, None, 2), w),
    "everything": lambda v, w: v.__setitem__(Ellipsis, v * w),
    "in place": lambda v, w: v.__imul__(w),
    "addition": lambda v, w: v.__iadd__(w * w),
    "fill": lambda v, w: v.fill(w),
    "out": lambda v, w: np.multiply(v, w, out=v),
}


def agree(f, x=X):
    """f writes in place: compare value and derivative with those of plain NumPy."""
    value, tangent = wg.jvp(lambda x: f(x * 1.0), (x,), (np.cos(x),))
    np.testing.assert_allclose(value, f(x.copy()))
    step = 1e-6 * np.cos(x)
    np.testing.assert_allclose(tangent, (f(x + step) - f(x - step)) / 2e-6, rtol=1e-5, atol=1e-6)
    _, pullback = wg.vjp(lambda x: f(x * 1.0), x)
    weights = np.sin(np.arange(value.size)).reshape(value.shape)
    assert np.sum(pullback(weights)[0] * np.cos(x)) == pytest.approx(np.sum(weights * tangent))


@pytest.mark.parametrize("write", WRITE)
@pytest.mark.parametrize("take", TAKE)
def test_a_write_to_the_view_is_seen_in_the_root(take, write):
    def f(a):
        s = a[2, 3] * 1.0
        WRITE[write](TAKE[take](a), s)
        return a

    agree(f)


@pytest.mark.parametrize("write", WRITE)
@pytest.mark.parametrize("take", TAKE)
def test_a_write_to_the_root_is_seen_in_the_view(take, write):
    def f(a):
        view = TAKE[take](a)
        WRITE[write](a, 1.7)
        return view * 1.0

    agree(f)


@pytest.mark.parametrize("take", NEVER)
def test_what_is_no_view(take):
    def f(a):
        b = NEVER[take](a)
        b[...] = 0
        return a

    agree(f)


def test_views_of_views():
    def f(a):
        corner = a[1:][:, 2:].T[::-1]
        corner *= a[0, 0] * 1.0
        return a

    agree(f)


def test_two_views_of_one_root():
    def f(a):
        left, right = a[:, :2], a[:, 1:]
        left += right[:, :2]
        right[:, 0] = left[:, 0] * 2
        left[0] = right[1, :2] * 1.0
        return a

    agree(f)


def test_rows_by_iteration():
    def f(a):
        for i, row in enumerate(a):
            row -= row.mean()
            row[i] *= 2
        return a

    agree(f)


def test_the_diagonal_by_flat():
    def f(a):
        a.flat[:: a.shape[1] + 1] += a[0, 1] * 1.0
        return a

    agree(f)


def test_names_share_the_array():
    def f(a):
        b = a
        b[0] = b[1] * 1.0
        a += 1
        return b

    agree(f)


@pytest.mark.filterwarnings("ignore:Setting the shape")  # deprecated since NumPy 2.5
def test_a_new_shape_in_place():
    def f(a):
        a.shape = (4, 3)
        a[0] *= 2
        return a

    agree(f)


def test_an_argument_is_not_written():
    x = X.copy()
    wg.grad(lambda x: (x[0].__imul__(5.0), np.sum(x))[1])(x)
    np.testing.assert_array_equal(x, X)


def test_a_result_that_is_a_view_is_the_callers_own():
    seen = []
    value, _ = wg.vjp(lambda x: (seen.append(type(x[0])), x[0])[1], X)
    assert seen == [ViewTracer]
    assert type(value) is np.ndarray and value.base is None


programs = st.lists(
    st.tuples(
        st.sampled_from(sorted(TAKE)),
        st.sampled_from(sorted(TAKE)),
        st.sampled_from(sorted(WRITE)),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=6,
)


@given(programs)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_random_views_and_writes(program):
    def f(a):
        arrays = [a]
        for first, second, write, k in program:
            v = arrays[k % len(arrays)]
            for take in (first, second):
                if v.ndim > 1 and all(n > 1 for n in v.shape):
                    v = TAKE[take](v)
            arrays.append(v)
            WRITE[write](v, 0.5 + 0.1 * np.tanh(np.sum(a[-1])))
        return a * 1.0

    agree(f, X / 3)
