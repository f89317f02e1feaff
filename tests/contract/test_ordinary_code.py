"""NumPy code as people write it: preallocated arrays, views, writes in place, loops, branches.

Every function here runs as it stands on plain arrays; its derivative must be that of what it computes there.
"""

import copy
import itertools

import numpy as np
import pytest
from numpy import array, asarray, empty, ones, zeros

import wengert as wg
from tests.contract.helpers import agree, agree_twice

X = np.array([0.5, -1.2, 2.3, 0.7])
A = np.arange(12.0).reshape(3, 4) / 10 + np.eye(3, 4)
CONST = np.array([1.0, -2.0, 3.0, 0.5])
MATRIX = np.arange(16.0).reshape(4, 4) - 5


# Preallocated arrays -------------------------------------------------------------------------------------


def fill_zeros(x):
    out = np.zeros(3)
    for i in range(3):
        out[i] = x[i] * x[i + 1]
    return out


def fill_empty(x):
    out = np.empty((2, 4))
    out[0] = np.sin(x)
    out[1] = x**2
    return out


def fill_imported_zeros(x):
    out = zeros(4)
    out[1:3] = x[:2] ** 2
    return out


def fill_imported_empty(x):
    out = empty(4)
    out[:] = x * 3
    return out


def fill_imported_ones(x):
    out = ones(4)
    out[0] = x[1]
    return out * x


def fill_full(x):
    out = np.full((2, 2), 3.0)
    out[0, 1] = x[0]
    return out


def fill_zeros_like(x):
    out = np.zeros_like(x)
    out[1] = x[0] ** 2
    return out


def fill_zeros_like_constant(x):
    out = np.zeros_like(CONST)
    out[2] = x[0] ** 2
    return out


def fill_ones_like(x):
    out = np.ones_like(x)
    out[::2] *= x[::2]
    return out


def fill_empty_like(x):
    out = np.empty_like(x)
    out[...] = x**3
    return out


def fill_full_like(x):
    out = np.full_like(x, 2.0)
    out[0] += x[1]
    return out


def fill_eye(x):
    out = np.eye(3)
    out[0, 2] = x[0]
    out[1, 1] *= x[1]
    return out


def fill_identity(x):
    out = np.identity(2)
    out[0] -= x[:2]
    return out


def fill_diag_of_constants(x):
    out = np.diag(np.array([1.0, 2.0]))
    out[0, 1] = x[0] * x[1]
    return out


def fill_arange(x):
    out = np.arange(4.0)
    out += x
    out[0] = x[3]
    return out


def fill_linspace(x):
    out = np.linspace(0, 1, 4)
    out[1] = x[1] ** 2
    return out


def fill_numpy_copy(x):
    out = np.copy(CONST)
    out[1] = x[0]
    return out * x


def fill_array_copy(x):
    out = np.array(CONST)
    out[1] = x[0]
    return out * x


def fill_array_of_list(x):
    out = np.array([1.0, 2.0, 3.0])
    out[0] = x[0] ** 2
    return out


def fill_rows(x):
    out = np.zeros((3, 4))
    for i, row in enumerate(out):
        row += x * i
    return out


def fill_row_views(x):
    out = np.zeros((2, 4))
    first = out[0]
    first[:] = x**2
    out[1] = out[0] * 2
    return out


def fill_column(x):
    out = np.zeros((4, 2))
    out[:, 0] = x
    out[:, 1] = out[:, 0] ** 2
    return out


def fill_strided(x):
    out = np.zeros(8)
    out[::2] = x
    out[1::2] = x[::-1] ** 2
    return out


def fill_by_mask(x):
    out = np.zeros(4)
    out[x > 0] = x[x > 0] ** 2
    return out


def fill_by_index_array(x):
    out = np.zeros(4)
    out[[3, 0]] = x[:2]
    out[[1, 2]] += x[2:] ** 2
    return out


def fill_with_add_at(x):
    out = np.zeros(3)
    np.add.at(out, [0, 1, 1, 2], x)
    return out


def fill_with_out(x):
    out = np.zeros(4)
    np.multiply(x, x, out=out)
    np.sin(out, out=out)
    return out


def fill_with_out_of_dot(x):
    out = np.zeros(3)
    np.dot(A, x, out=out)
    return out


def fill_with_copyto(x):
    out = np.zeros(4)
    np.copyto(out, x)
    return out**2


def fill_with_fill(x):
    out = np.zeros(3)
    out.fill(x[0])
    return out * x[:3]


def fill_with_putmask(x):
    out = x.copy()
    np.putmask(out, x < 0, x**2)
    return out


def fill_with_put_along_axis(x):
    out = np.zeros(4)
    np.put_along_axis(out, np.array([2, 0]), x[:2], 0)
    return out


def fill_with_fill_diagonal(x):
    out = np.zeros((4, 4))
    np.fill_diagonal(out, x)
    return out @ x


def accumulate_backwards(x):
    out = np.zeros(5)
    for i in range(3, -1, -1):
        out[i] = out[i + 1] * 0.5 + x[i]
    return out


def finite_volume(x):
    u = np.zeros(6)
    u[1:-1] = x
    for _ in range(3):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


def cholesky_by_hand(x):
    S = np.outer(x, x) + 5 * np.eye(4)
    n = len(S)
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = S[i, j] - np.dot(L[i, :j], L[j, :j])
            L[i, j] = np.sqrt(s) if i == j else s / L[j, j]
    return L


def thomas(x):
    n = len(x)
    c, d, out = np.zeros(n), np.zeros(n), np.zeros(n)
    c[0], d[0] = 1 / (4 + x[0]), x[0] / (4 + x[0])
    for i in range(1, n):
        m = 4 + x[i] - c[i - 1]
        c[i] = 1 / m
        d[i] = (x[i] - d[i - 1]) / m
    out[-1] = d[-1]
    for i in range(n - 2, -1, -1):
        out[i] = d[i] - c[i] * out[i + 1]
    return out


def runge_kutta(x):
    def rhs(t, y):
        dy = np.zeros(2)
        dy[0] = y[1]
        dy[1] = -x[0] * y[0] - x[1] * y[1] + np.sin(t)
        return dy

    ys = np.zeros((6, 2))
    ys[0] = x[2:]
    for i in range(5):
        t, y, h = 0.1 * i, ys[i], 0.1
        k1 = rhs(t, y)
        k2 = rhs(t + h / 2, y + h / 2 * k1)
        k3 = rhs(t + h / 2, y + h / 2 * k2)
        k4 = rhs(t + h, y + h * k3)
        ys[i + 1] = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return ys


PREALLOCATED = [value for name, value in list(globals().items()) if name.startswith("fill_")] + [
    accumulate_backwards,
    finite_volume,
    cholesky_by_hand,
    thomas,
    runge_kutta,
]


@pytest.mark.parametrize("f", PREALLOCATED, ids=lambda f: f.__name__)
def test_preallocated(f):
    agree_twice(f, X)


# Arrays made of tracers ----------------------------------------------------------------------------------

CONVERTED = {
    "asarray float": lambda x: np.asarray(x, dtype=float) ** 2,
    "asarray float64": lambda x: np.asarray(x, np.float64) ** 2,
    "asarray": lambda x: np.asarray(x) ** 2,
    "imported asarray": lambda x: asarray(x, dtype=float) ** 2,
    "asanyarray": lambda x: np.asanyarray(x) ** 2,
    "array": lambda x: np.array(x) ** 2,
    "imported array": lambda x: array([x[0], x[1]]) ** 2,
    "array float": lambda x: np.array(x, dtype=float) ** 2,
    "ascontiguousarray": lambda x: np.ascontiguousarray(x, dtype=float) ** 2,
    "asfortranarray": lambda x: np.asfortranarray(x) ** 2,
    "array of scalars": lambda x: np.array([x[0] * x[1], np.sin(x[2]), 1.0]),
    "array of scalars with dtype": lambda x: np.array([x[0] * x[1], 2], dtype=float),
    "asarray of scalars": lambda x: np.asarray([x[0] * x[1], 2.0]),
    "array of tuples": lambda x: np.array([(x[0], 1.0), (0.0, x[1])]),
    "matrix of scalars": lambda x: np.array([[np.cos(x[0]), -np.sin(x[0])], [np.sin(x[0]), np.cos(x[0])]]),
    "array of rows": lambda x: np.array([x, x**2]),
    "array of mixed rows": lambda x: np.array([x, CONST, [1, 2, 3, 4]]),
    "array of one scalar": lambda x: np.array([x[0]]),
    "array of a scalar": lambda x: np.array(x[0] * 2),
    "array of a sum": lambda x: np.array([x.sum()]),
    "nested three deep": lambda x: np.array([[[x[0]], [x[1]]], [[x[2]], [1.0]]]),
    "comprehension": lambda x: np.array([v**2 for v in x]),
    "comprehension of rows": lambda x: np.array([[a * b for a in x] for b in x]),
    "list of a map": lambda x: np.array(list(map(np.sin, x))),
    "sum of a generator": lambda x: sum(v**2 for v in x),
    "stack": lambda x: np.stack([x[0], x[1] ** 2]),
    "stack of rows": lambda x: np.stack([x, CONST, x**2], axis=1),
    "hstack": lambda x: np.hstack([x[0], x[1:], 1.0]),
    "vstack": lambda x: np.vstack([x, x**2, CONST]),
    "dstack": lambda x: np.dstack([x, x**2]),
    "column_stack": lambda x: np.column_stack([x, np.ones(4), x**2]),
    "concatenate": lambda x: np.concatenate([x[:2], [1.0], [x[3]]]),
    "append": lambda x: np.append(x, x[0] ** 2),
    "append to constants": lambda x: np.append(CONST, x[0] * x[1]),
    "append a list": lambda x: np.append([1.0], [x[0], x[1]]),
    "insert": lambda x: np.insert(x, 1, x[0] ** 2),
    "delete": lambda x: np.delete(x**2, 1),
    "r_": lambda x: np.r_[x, 1.0, x[0] ** 2],
    "r_ of slices": lambda x: np.r_[0.0, x[1:3], np.zeros(2)],
    "r_ range": lambda x: np.r_[0:3, x],
    "c_": lambda x: np.c_[x, x**2],
    "block": lambda x: np.block([[x[:2], x[2:]], [np.ones(4)]]),
    "atleast": lambda x: np.atleast_2d(x) * np.atleast_1d(x[0]),
    "full of a tracer": lambda x: np.full(3, x[0]),
    "full_like of a tracer": lambda x: np.full_like(CONST, x[0]),
    "diag": lambda x: np.diag(x),
    "linspace": lambda x: np.linspace(x[0], x[1], 5),
    "meshgrid": lambda x: np.meshgrid(x, CONST)[0] * np.meshgrid(x, x)[1],
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 1)))[0] ** 2,
    "fromiter": lambda x: np.array([v for v in (x[0], x[1])]),
    "vectorize": lambda x: np.vectorize(lambda v: v**2 if v > 0 else 3 * v)(x),
    "vectorize of two": lambda x: np.vectorize(lambda a, b: a * b)(x, CONST),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda r: r * r.sum(), 1, np.outer(x, x)),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v**2]),
    "select": lambda x: np.select([x < 0, x > 1], [x**2, 3 * x], default=0.0),
    "choose by where": lambda x: np.where(x > 0, x**2, np.exp(x)),
    "tolist": lambda x: np.array([v * v for v in x.tolist()]),
    "item": lambda x: x[1].item() ** 2 * x.sum().item(),
    "item with index": lambda x: x.item(2) ** 2,
    "constant dot": lambda x: CONST.dot(x),
    "constant matrix dot": lambda x: MATRIX.dot(x),
    "constant matmul": lambda x: MATRIX @ x,
    "constant times": lambda x: CONST * x,
    "constant method": lambda x: CONST.sum() * x + CONST.mean(),
    "constant in place": lambda x: np.copy(CONST) * x,
    "numpy scalar times": lambda x: np.float64(2.0) * x + np.float64(1.0) / (3 + x),
    "divide python": lambda x: 1 / (2 + x**2),
    "reflected power": lambda x: 2**x,
    "reflected matmul": lambda x: [1.0, 2.0, 3.0, 4.0] @ x,
    "divmod": lambda x: divmod(x, 2.0)[1],
    "negative, positive, abs": lambda x: -x + +x * abs(x),
    "polynomial by horner": lambda x: ((x * 2 + 1) * x - 3) * x,
}


@pytest.mark.parametrize("f", CONVERTED.values(), ids=CONVERTED.keys())
def test_arrays_of_tracers(f):
    agree_twice(f, X)


# Writes in place and views -------------------------------------------------------------------------------


def augmented(x):
    y = x * 1
    y += x
    y *= 2
    y -= x**2
    y /= 3
    return y


def augmented_power(x):
    y = x * x
    y **= 2
    return y


def argument_written(x):
    x = x.copy()
    x[0] = x[1] ** 2
    x[1:] *= 2
    return x


def argument_bound_again(x):
    y = x
    y = y + 1
    return x * y


def alias_sees_the_write(x):
    y = x * 2
    z = y
    z[0] = 7.0
    return y * x


def alias_sees_the_augmented_write(x):
    y = x * 2
    z = y
    z += x**2
    return y


def row_writes_through(x):
    M = np.outer(x, x)
    row = M[1]
    row -= M[0] * 2
    return M


def nested_view_writes_through(x):
    M = np.outer(x, x)
    block = M[1:3]
    row = block[1]
    row[2:] = x[:2]
    return M


def view_sees_the_write(x):
    y = x * 2
    tail = y[1:]
    y[2] = x[0] ** 2
    return tail


def left_and_right(x):
    M = np.outer(x, x)
    left, right = M[:, :1], M[:, 1:]
    left *= 2
    right += left
    return M


def flat_diagonal(x):
    M = np.outer(x, x)
    M.flat[:: len(x) + 1] += 1.5 * x
    return M


def flat_read(x):
    M = np.outer(x, x)
    return np.array([M.flat[5], M.flat[7]])


def transposed_view(x):
    M = np.outer(x, CONST)
    M.T[0] = x**2
    return M


def reshaped_view(x):
    y = x * 1
    y.reshape(2, 2)[0] = 3 * x[2:]
    return y


def raveled_view(x):
    M = np.outer(x, x)
    M.ravel()[3] = x[0] ** 3
    return M


def diagonal_by_indices(x):
    M = np.outer(x, x)
    M[np.diag_indices(4)] = x**3
    return M


def upper_triangle_by_indices(x):
    M = np.zeros((4, 4))
    M[np.triu_indices(4, 1)] = np.outer(x, x)[np.triu_indices(4, 1)]
    return M + M.T


def mask_assigned(x):
    y = x * 2
    y[y < 0] = 0.0
    return y * x


def mask_augmented(x):
    y = x**2
    y[x > 0] += x[x > 0]
    return y


def mask_of_a_matrix(x):
    M = np.outer(x, CONST)
    M[M > 1] = x[0]
    return M


def index_array_augmented(x):
    y = x**2
    y[[0, 0, 1]] += 1.0 * x[:3]
    return y


def slice_swapped(x):
    y = x * 2
    y[0], y[1] = y[1] + 0.0, y[0] + 0.0
    return y


def slice_reversed_copy(x):
    y = x * 2
    y[:] = y[::-1].copy()
    return y * x


def overlapping_slices(x):
    y = x**2
    y[1:] = y[:-1]
    return y


def overlapping_augmented(x):
    y = x**2
    y[1:] += y[:-1]
    return y


def ellipsis_and_newaxis(x):
    M = np.outer(x, x)
    M[..., 0] = x[:, None][:, 0] ** 2
    return M[None, ..., 1:]


def broadcast_into_a_slice(x):
    M = np.zeros((3, 4))
    M[:] = x
    M[1:, :2] = x[0]
    return M


def zero_dimensional_written(x):
    total = np.zeros(())
    total += x[0] ** 2
    total[...] = total * x[1]
    return total


def loop_sum(x):
    total = 0.0
    for v in x:
        total += v**2
    return total


def loop_of_arrays(x):
    state = np.zeros(4)
    for i in range(3):
        state = np.tanh(MATRIX[i] * 0.1 + state * x)
    return state


def in_place_in_a_called_function(x):
    def normalise(v):
        v -= v.mean()
        v /= v.std()

    y = x * 1
    normalise(y)
    return y


def list_of_arrays(x):
    layers = [x]
    for _ in range(3):
        layers.append(np.tanh(layers[-1] * 1.1))
    layers[0] = layers[0] * 2
    return np.array(layers)


def dict_of_arrays(x):
    state = {"a": x, "b": np.zeros(4)}
    state["b"] += state["a"] ** 2
    state["a"] = state["b"] * 2
    return state["a"] + state["b"]


def sorted_by_python(x):
    return np.array(sorted(x)) * CONST


def maximum_by_python(x):
    return max(x) * min(x)


def unpacked(x):
    a, b, *rest = x
    return a * b + rest[0] ** rest[0] * rest[1]


def zipped(x):
    return np.array([a * b for a, b in itertools.pairwise(x)])


def reversed_by_python(x):
    return np.array([v for v in reversed(x)]) * x


def enumerated(x):
    return sum(i * v**2 for i, v in enumerate(x))


def counted(x):
    return x / len(x) + x.shape[0] * x


def copied(x):
    y = x.copy()
    y[0] = 0.0
    return y * x


def copied_by_copy(x):
    y = copy.copy(x * 2)
    z = copy.deepcopy({"y": y})
    return z["y"] * copy.deepcopy(x)


def index_by_argmax(x):
    return CONST[np.argmax(x)] * x


def index_by_mask(x):
    return np.sum(CONST[x > 0]) * x


def index_by_argsort(x):
    return CONST[np.argsort(x)] * x[np.argsort(x)]


def index_by_integer_tracer(x):
    return x[int(np.argmax(x))] * x[np.argmin(x)]


def search(x):
    grid = np.linspace(-3, 3, 7)
    i = grid.searchsorted(x[0])
    return grid[i] * x


def search_many(x):
    grid = np.linspace(-3, 3, 7)
    i = np.searchsorted(grid, x) - 1
    return (x - grid[i]) * CONST


def digitized(x):
    return np.digitize(x, np.array([-1.0, 0.0, 1.0])) * x


def branch(x):
    return x**2 if x[0] > 0 else np.sin(x)


def branch_of_all(x):
    if np.all(x > -5) and not np.any(x > 5) and np.isfinite(x).all():
        return x**3
    return x


def while_loop(x):
    y, n = x, 0
    while np.sum(y**2) > 0.1:
        y = y * 0.7
        n += 1
    return y * n


def newton(x):
    z = 1.0 + x[0] * 0
    for _ in range(20):
        step = (z * z - (3 + x[0])) / (2 * z)
        z = z - step
        if abs(step) < 1e-14:
            break
    return z


def recursion(x):
    def power(v, n):
        return 1.0 if n == 0 else v * power(v, n - 1)

    return power(x, 4)


def comparisons(x):
    return (x > 0) * x + (x <= 0) * x**2 + (x == x) + (x != x)


def clipped_by_comparison(x):
    return x * (x > -1) * (x < 1)


def truth_of_a_scalar(x):
    return x[0] * 2 if x[1] else x[0]


def chained_comparison(x):
    return x if -10 < x[0] < 10 else x * 0


def rounded_index(x):
    return CONST[round(1.2)] * x + x[int(abs(CONST[0]))]


def integer_of_a_tracer(x):
    return int(x[2]) * x


def formatted(x):
    text = f"{x[0]:.3f} {x[0]} {x} {x!r}"
    return x * len(text) / len(text)


def printed(x, out=None):
    str(x), repr(x), str(x[0])
    return x**2


def instance_checked(x):
    return x**2 if isinstance(x, np.ndarray) else x * 0


def scalar_checked(x):
    return x[0] ** 2 if np.isscalar(x[0]) or np.ndim(x[0]) == 0 else x[0] * 0


def shape_unpacked(x):
    M = np.outer(x, x)
    n, m = M.shape
    return M.reshape(n * m)[: n + m]


def errstate_used(x):
    with np.errstate(all="ignore"):
        return np.sqrt(np.abs(x))


IN_PLACE = [
    value
    for name, value in list(globals().items())
    if callable(value)
    and getattr(value, "__module__", None) == __name__
    and not name.startswith(("test_", "fill_"))
    and value not in PREALLOCATED
    and name not in ("agree", "agree_twice")
]


@pytest.mark.parametrize("f", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place_views_and_control_flow(f):
    agree_twice(f, X)


# What the caller's arrays look like afterwards -----------------------------------------------------------


def test_the_callers_argument_is_not_written():
    x = X.copy()

    def f(x):
        x[0] = 5.0
        x *= 2
        return np.sum(x**2)

    wg.grad(f)(x)
    np.testing.assert_array_equal(x, X)


def test_derivative_of_a_function_that_writes_its_argument():
    def f(x):
        x[0] = 5.0
        x[1:] *= 2
        return np.sum(x**2)

    found = wg.grad(f)(X.copy())
    np.testing.assert_allclose(found, [0, *(8 * X[1:])])


def test_constants_made_inside_stay_plain_arrays():
    def f(x):
        weights = np.zeros(4)
        weights[1] = 2.0
        assert isinstance(weights, np.ndarray)
        assert weights.sum() == 2
        assert float(weights[1]) == 2.0
        assert np.linalg.norm(weights) == 2
        return np.sum(weights * x)

    np.testing.assert_array_equal(wg.grad(f)(X), [0, 2, 0, 0])


def test_isinstance_of_ndarray():
    seen = []
    wg.grad(lambda x: seen.append(isinstance(x, np.ndarray)) or np.sum(x))(X)
    assert seen == [True]


def test_a_tracer_formats_as_its_value():
    seen = []
    wg.grad(lambda x: seen.append(f"{x:.3f} {x:8.2e}") or x * 1)(1.25)
    assert seen == ["1.250 1.25e+00"]


def test_comparison_gives_plain_booleans():
    seen = []
    wg.grad(lambda x: seen.append(bool(x > 1)) or x * 1)(2.0)
    assert seen == [True]


def test_deepcopy_keeps_the_derivative():
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(copy.deepcopy(x) ** 2))(X), 2 * X)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(copy.copy([x, x])[0] ** 2))(X), 2 * X)
    np.testing.assert_allclose(wg.grad(lambda x: copy.deepcopy(x) ** 2)(3.0), 6)


def test_jacobian_of_a_function_with_side_effects_runs_it_once_or_so():
    """Forward and reverse mode record; they do not call f once for each coordinate."""
    calls = []
    for mode in ("forward", "reverse"):
        wg.jacobian(lambda x: calls.append(1) or np.outer(x, x), mode=mode)(np.ones(30))
    assert len(calls) <= 4


def test_agree_can_fail():
    with pytest.raises(AssertionError):
        agree(lambda x: np.sum(x) if type(x) is np.ndarray else 2 * np.sum(x), X)


def test_an_order_that_is_shuffled_inside():
    def f(x):
        order = np.arange(3)
        np.random.default_rng(0).shuffle(order)
        return np.sum(x[order] * np.arange(3.0))

    order = np.arange(3)
    np.random.default_rng(0).shuffle(order)
    assert wg.grad(f)(np.ones(3))[order].tolist() == [0, 1, 2]
