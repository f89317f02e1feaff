"""Small matrices: as exact as LAPACK, and the same answers where there are none."""

import numpy as np
import pytest
from _traces import run, traced

import wengert as wg
from wengert.native.planning.elimination import MOST
from wengert.native.planning.kernels import Routine
from wengert.native.planning.plan import Plan

SIZES = range(1, MOST + 1)
DTYPES = ["float64", "float32"]
COUNT = 53  # no multiple of any number of lanes


def conditioned(n, condition, dtype, count=COUNT, seed=0):
    """Random matrices of a condition."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=(count, n, n)))[0] for _ in range(2))
    return ((u * np.geomspace(1, 1 / condition, n)) @ v).astype(dtype)


def residual(a, x, b):
    """How far a solution is from that of a system with other rounding, in units of rounding."""
    a, x, b = (y.astype(np.longdouble) for y in (a, x, b))
    size = np.linalg.norm(a.astype(float), axis=(-2, -1)) * np.linalg.norm(x.astype(float), axis=(-2, -1))
    return np.max(np.abs(a @ x - b), axis=(-2, -1)) / size


OPERATIONS = {
    "det": np.linalg.det,
    "slogdet": lambda a: tuple(np.linalg.slogdet(a)),
    "inv": np.linalg.inv,
    "solve": lambda a: np.linalg.solve(a, a[..., :1] + 1),
    "cholesky": lambda a: np.linalg.cholesky(a @ np.swapaxes(a, -1, -2) + a.dtype.type(1)),
}


# --- what is written out ------------------------------------------------------------------------------------


def asks_lapack(f, *arguments):
    """Whether a plan has other kernels than loops."""
    return any(isinstance(kernel, Routine) for kernel in Plan(traced(f, *arguments)).kernels)


@pytest.mark.parametrize("name", OPERATIONS)
def test_lapack_is_left_to_larger_matrices(name):
    small, larger = (np.broadcast_to(np.eye(n), (6, n, n)) for n in (MOST, MOST + 1))
    assert not asks_lapack(OPERATIONS[name], small)
    assert asks_lapack(OPERATIONS[name], larger)


def test_many_right_hand_sides_are_left_to_lapack():
    assert not asks_lapack(np.linalg.solve, np.eye(2), np.ones((2, MOST)))
    assert asks_lapack(np.linalg.solve, np.eye(2), np.ones((2, MOST + 1)))


# --- how exact it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [1e0, 1e3, 1e6])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_solutions_are_those_of_a_system_within_rounding(n, dtype, condition):
    condition = condition if dtype == "float64" else condition ** (2 / 3)
    a, b = conditioned(n, condition, dtype), conditioned(n, 1, dtype, seed=1)
    (found,) = run(traced(np.linalg.solve, a, b), [a, b])
    eps = np.finfo(dtype).eps
    assert np.max(residual(a, found, b)) < 4 * eps
    assert np.max(residual(a, found, b)) < 4 * np.max(residual(a, np.linalg.solve(a, b), b)) + eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_inverses_are_as_close_as_the_condition_allows(n, dtype):
    a = conditioned(n, 1e3, dtype)
    (found,) = run(traced(np.linalg.inv, a), [a])
    exact = np.linalg.inv(a.astype(float))
    assert np.max(np.abs(found - exact)) / np.max(np.abs(exact)) < 8e3 * np.finfo(dtype).eps


@pytest.mark.parametrize("condition", [1e0, 1e6, 1e15])
@pytest.mark.parametrize("n", SIZES)
def test_determinants_are_within_rounding_of_the_largest_terms(n, condition):
    a = conditioned(n, condition, "float64")
    (found,) = run(traced(np.linalg.det, a), [a])
    np.testing.assert_allclose(found, np.linalg.det(a), rtol=1e-14, atol=16 * np.finfo(float).eps)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("host", ["avx512", "avx2", "sse2", "portable"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_all_processors(name, host, n):
    a = conditioned(n, 10, "float64", count=13)
    trace = traced(OPERATIONS[name], a)
    expected = OPERATIONS[name](a)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for x, y in zip(run(trace, [a], host), expected, strict=True):
        np.testing.assert_allclose(x, y, 1e-12, 1e-13)


@pytest.mark.parametrize("exponents", [(200, 200, -300, -90), (-200, -200, 300, 90), (250, -260, 255, -250)])
def test_determinants_leave_the_range_of_numbers_only_as_a_whole(exponents):
    a = np.diag(10.0 ** np.array(exponents))
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        mixed = a[order][:, order]
        (found,) = run(traced(np.linalg.det, mixed), [mixed])
        np.testing.assert_allclose(found, 10.0 ** sum(exponents), 1e-12)


def test_only_the_lower_triangle_is_read():
    a = np.array([[4.0, 99.0, 99.0], [2.0, 5.0, 99.0], [1.0, 2.0, 6.0]])
    (found,) = run(traced(np.linalg.cholesky, a), [a])
    np.testing.assert_allclose(found, np.linalg.cholesky(a), 1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("n", SIZES)
def test_derivatives(n, name):
    a = conditioned(n, 10, "float64", count=5) + 0.5 * np.eye(n)

    def f(a):
        found = OPERATIONS[name](a)
        return np.sum(np.sin(found[-1] if isinstance(found, tuple) else found))

    np.testing.assert_allclose(wg.jit(wg.grad(f))(a), wg.grad(f)(a), 1e-9, 1e-9)
    np.testing.assert_allclose(wg.jit(wg.hessian(f))(a), wg.hessian(f)(a), 1e-7, 1e-7)


# --- singular matrices --------------------------------------------------------------------------------------


def outcome(f, a):
    """The results, or the error that is raised."""
    try:
        found = f(a)
    except np.linalg.LinAlgError as error:
        return str(error)
    return [np.asarray(x) for x in (found if isinstance(found, tuple) else (found,))]


def same(f, a):
    """The outcome is the same bits with and without native code."""
    found, expected = outcome(wg.jit(f), a), outcome(f, a)
    if isinstance(expected, str):
        assert found == expected
    else:
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_array_equal(x, y)


def products(rng, n, rank):
    """Products of narrow matrices: singular but for rounding."""
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n)) * 10.0 ** rng.integers(-3, 4, size=(n, 1))


@pytest.mark.parametrize("name", ["slogdet", "inv", "solve"])
@pytest.mark.parametrize("n", range(2, MOST + 1))
def test_singular_but_for_rounding(n, name):
    rng = np.random.default_rng(n)
    for rank in range(n):
        for _ in range(20):
            same(OPERATIONS[name], products(rng, n, rank))


@pytest.mark.parametrize("n", range(2, MOST + 1))
def test_not_positive_but_for_rounding(n):
    rng = np.random.default_rng(n)
    for rank in range(n):
        for _ in range(20):
            b = rng.normal(size=(n, rank))
            same(np.linalg.cholesky, b @ b.T)


def test_small_numbers_beside_large_ones_are_no_doubt():
    a = np.diag([1.0, 1e-20, 1e30]) + np.array([[0.0, 0, 1], [0, 0, 0], [0, 0, 0]])
    (found,) = run(traced(np.linalg.inv, a), [a])
    np.testing.assert_allclose(found, np.linalg.inv(a), 1e-14)


@pytest.mark.parametrize("name", ["inv", "solve", "slogdet"])
def test_what_is_no_number_stays_so(name):
    a = conditioned(3, 10, "float64")
    a[4, 1, 1] = np.nan
    with np.errstate(invalid="ignore"):
        expected = outcome(OPERATIONS[name], a)
    for x, y in zip(outcome(wg.jit(OPERATIONS[name]), a), expected, strict=True):
        np.testing.assert_array_equal(np.isnan(x), np.isnan(y))


@pytest.mark.parametrize("threads", [1, 2])
def test_one_singular_matrix_among_many(threads):
    a = conditioned(2, 10, "float64", count=20_003)
    before = wg.get_threads()
    wg.set_threads(threads)
    try:
        f = wg.jit(np.linalg.inv)
        np.testing.assert_allclose(f(a), np.linalg.inv(a), 1e-12)
        a[-1] = 1.0
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            f(a)
    finally:
        wg.set_threads(before)
