"""Linear algebra beyond the generated tests: complex matrices, triangles, singular matrices, kinks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.ops.helpers import differences

rng = np.random.default_rng(1)
A = rng.standard_normal((3, 3))
Z = rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))
T = rng.standard_normal((4, 2)) + 1j * rng.standard_normal((4, 2))
H = Z @ Z.conj().T + 3 * np.eye(3)


def agree(f, x, rtol=1e-5, atol=1e-6):
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(wg.jacobian(f, mode=mode)(x), differences(f, x), rtol, atol)


# Real functions of complex matrices; none depends on the phases that a factorisation chooses.
COMPLEX = {
    "det": lambda z: np.abs(np.linalg.det(z)),
    "inv": lambda z: np.abs(np.linalg.inv(z)),
    "solve": lambda z: np.real(np.linalg.solve(z, Z)),
    "slogdet": lambda z: np.linalg.slogdet(z)[1],
    "slogdet sign": lambda z: np.imag(np.linalg.slogdet(z)[0]),
    "cholesky": lambda z: np.abs(np.linalg.cholesky(z @ np.conj(z).T)),
    "cholesky upper": lambda z: np.imag(np.linalg.cholesky(z @ np.conj(z).T, upper=True)),
    "eigh values": lambda z: np.linalg.eigh(z + np.conj(z).T)[0],
    "eigh vectors": lambda z: np.abs(np.linalg.eigh(z + np.conj(z).T)[1]) ** 2,
    "qr": lambda z: np.abs(np.linalg.qr(z)[0]),
    "qr r": lambda z: np.abs(np.linalg.qr(z, mode="r")),
    "svd values": lambda z: np.linalg.svd(z, compute_uv=False),
    "svd left": lambda z: np.abs(np.linalg.svd(z, full_matrices=False)[0]) ** 2,
    "svd product": lambda z: np.imag(_product(np.linalg.svd(z, full_matrices=False))),
    "pinv": lambda z: np.abs(np.linalg.pinv(z)),
    "norm": lambda z: np.linalg.norm(z),
    "nuclear norm": lambda z: np.linalg.norm(z, "nuc"),
    "vector norm": lambda z: np.linalg.norm(z, 3, axis=0),
    "matrix_power": lambda z: np.imag(np.linalg.matrix_power(z, -2)),
    "adjugate twice": lambda z: np.real(np.linalg.det(z) * z),
}


def _product(factors):
    u, s, vh = factors
    return (u * s**2) @ vh


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_matrices(name):
    agree(lambda t: COMPLEX[name](Z + t), 0 * A)


@pytest.mark.parametrize("name", ["qr", "qr r", "svd values", "svd left", "svd product", "pinv"])
def test_complex_tall_matrices(name):
    agree(lambda t: COMPLEX[name](T + t), np.zeros((4, 2)))
    agree(lambda t: COMPLEX[name](np.conj(T + t).T), np.zeros((4, 2)))


@pytest.mark.parametrize("name", ["det", "slogdet", "inv", "solve", "cholesky", "svd values", "eigh values"])
def test_complex_second_derivatives(name):
    def f(t):
        return np.sum(COMPLEX[name](Z + t) ** 2)

    agree(wg.grad(f), 0 * A, rtol=1e-4, atol=1e-4)


SINGULAR = {
    "rank 2": np.diag([1.0, 2.0, 0.0]),
    "rank 1": np.outer([1.0, 2.0, -1.0], [0.5, 1.0, 3.0]),
    "zero": np.zeros((3, 3)),
    "identity": np.eye(3),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_det_of_singular_matrices(name):
    a = SINGULAR[name]
    agree(np.linalg.det, a)
    agree(wg.grad(np.linalg.det), a)


def test_cholesky_reads_one_triangle():
    s = A @ A.T + np.eye(3)
    agree(np.linalg.cholesky, s)
    agree(lambda a: np.linalg.cholesky(a, upper=True), s)
    gradient = wg.grad(lambda a: np.sum(np.linalg.cholesky(a)))(s)
    assert np.all(np.triu(gradient, 1) == 0)
    gradient = wg.grad(lambda a: np.sum(np.linalg.cholesky(a, upper=True)))(s)
    assert np.all(np.tril(gradient, -1) == 0)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh_reads_one_triangle(uplo):
    agree(lambda a: np.linalg.eigh(a, UPLO=uplo)[0], A + np.diag([0.0, 4.0, 8.0]))
    agree(lambda a: np.linalg.eigh(a, UPLO=uplo)[1], A + np.diag([0.0, 4.0, 8.0]))


def test_repeated_eigenvalues_have_derivatives_where_they_have_one():
    gradient = wg.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(np.eye(3))
    np.testing.assert_allclose(gradient, 2 * np.eye(3), atol=1e-12)
    vectors = wg.jvp(lambda a: np.linalg.eigh(a)[1], (np.eye(3),), (np.ones((3, 3)),))[1]
    assert np.isnan(vectors).any()


@pytest.mark.parametrize("ord", [None, 2, 3, 1, np.inf, "fro"])
def test_norms_at_zero(ord):
    zero = np.zeros((2, 2)) if ord == "fro" else np.zeros(3)
    gradient = wg.grad(lambda x: np.linalg.norm(x, ord))(zero)
    assert np.all(gradient == 0)


def test_gradients_of_complex_matrices_follow_jax():
    for f, g in (
        (np.linalg.det, jnp.linalg.det),
        (lambda z: np.sum(np.linalg.inv(z)), lambda z: jnp.sum(jnp.linalg.inv(z))),
    ):
        found = wg.grad(lambda z, f=f: np.abs(f(z)))(Z)
        expected = jax.grad(lambda z, g=g: jnp.abs(g(z)))(Z)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


ERRORS = {
    "eig": (lambda a: np.linalg.eig(a)[0], "np.linalg.eigh"),
    "svd": (lambda a: np.linalg.svd(a[:2])[0], "full_matrices=False"),
    "qr": (lambda a: np.linalg.qr(a, mode="raw")[0], "mode='reduced'"),
    "not square": (lambda a: np.linalg.det(a[:2]), "square"),
    "vector": (lambda a: np.linalg.inv(a[0]), "two-dimensional"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_write(name):
    f, advice = ERRORS[name]
    with pytest.raises(Exception, match=advice) as caught:
        wg.jacobian(f)(A)
    assert "test_linalg.py" in str(caught.value)


EDGES = {
    "power of whole numbers": (lambda a: np.linalg.matrix_power(a, 5), np.array([[2, 1], [1, 0]])),
    "power of truth values": (lambda a: np.linalg.matrix_power(a, 2), np.eye(2, dtype=bool)),
    "condition of zero": (np.linalg.cond, np.zeros((2, 3, 3))),
    "norm of nothing": (lambda a: np.linalg.norm(a, 2), np.zeros((0, 3))),
    "row norm of nothing": (lambda a: np.linalg.norm(a, np.inf), np.zeros((0, 3))),
    "rank of nothing": (np.linalg.matrix_rank, np.zeros((2, 0, 0))),
    "largest of nothing": (lambda a: np.max(a, axis=1, initial=0), np.zeros((2, 0), "f4")),
    "largest truth value": (np.nanmax, np.array([False, True])),
}


@pytest.mark.parametrize("name", EDGES)
def test_values_and_dtypes_at_the_edges_are_numpys(name):
    f, x = EDGES[name]
    expected, found = f(x), wg.jit(f)(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
