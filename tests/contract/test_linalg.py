"""Linear algebra, against JAX where conventions matter and against numerical derivatives elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import agree, close

RNG = np.random.default_rng(3)
M = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
S = M @ M.T
B = RNG.normal(size=(3, 2))
V = RNG.normal(size=3)
STACK = RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3)

CASES = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "slogdet": lambda A: np.linalg.slogdet(A)[1],
    "slogdet by name": lambda A: np.linalg.slogdet(A).logabsdet,
    "solve vector": lambda A: np.linalg.solve(A, V),
    "solve matrix": lambda A: np.linalg.solve(A, B),
    "solve by right": lambda A: np.linalg.solve(M, A),
    "norm": np.linalg.norm,
    "norm axis": lambda A: np.linalg.norm(A, axis=1),
    "norm 1": lambda A: np.linalg.norm(A.ravel(), 1),
    "norm inf": lambda A: np.linalg.norm(A.ravel(), np.inf),
    "norm 3": lambda A: np.linalg.norm(A.ravel(), 3),
    "norm fro": lambda A: np.linalg.norm(A, "fro"),
    "trace": np.trace,
    "matrix_power": lambda A: np.linalg.matrix_power(A, 3),
    "negative matrix_power": lambda A: np.linalg.matrix_power(A, -2),
    "multi_dot": lambda A: np.linalg.multi_dot([A, M, A]),
    "matmul chain": lambda A: A @ M @ A.T,
    "quadratic": lambda A: V @ A @ V,
    "einsum": lambda A: np.einsum("ij,jk,k->i", A, A, V),
    "einsum implicit": lambda A: np.einsum("ij,kj", A, M),
    "einsum trace": lambda A: np.einsum("ii", A),
    "einsum diagonal": lambda A: np.einsum("ii->i", A),
    "einsum ellipsis": lambda A: np.einsum("...j,j->...", A, V),
    "tensordot": lambda A: np.tensordot(A, M, axes=([0], [1])),
    "tensordot full": lambda A: np.tensordot(A, M),
    "outer": lambda A: np.outer(A, V),
    "inner": lambda A: np.inner(A, M),
    "dot": lambda A: np.dot(A, A),
    "vdot": lambda A: np.vdot(A, M),
    "kron": lambda A: np.kron(A, B),
    "cross": lambda A: np.cross(A, V),
    "cov": np.cov,
    "matrix_transpose": lambda A: np.matrix_transpose(A) @ M,
    "mT": lambda A: A.mT @ M,
    "diagonal": lambda A: A.diagonal() ** 2,
}


@pytest.mark.parametrize("f", CASES.values(), ids=CASES.keys())
def test_derivative(f):
    agree(f, M)


STACKED = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "solve": lambda A: np.linalg.solve(A, B),
    "matmul": lambda A: A @ B,
    "norm": lambda A: np.linalg.norm(A, axis=(1, 2)),
}


@pytest.mark.parametrize("f", STACKED.values(), ids=STACKED.keys())
def test_derivative_of_stacks(f):
    agree(f, STACK)


def lower(L):
    return np.tril(L) + np.tril(L, -1).T


def test_cholesky_reads_the_lower_triangle():
    """Its derivative by the upper triangle is zero, as NumPy never looks there."""
    f = lambda A: np.sum(np.cos(np.linalg.cholesky(A)))
    found = wg.grad(f)(S)
    close(found, wg.numerical.gradient(f, S), rtol=1e-6, atol=1e-7)
    assert not np.triu(found, 1).any()


def test_cholesky_forward_reads_the_lower_triangle():
    direction = RNG.normal(size=(3, 3))
    _, tangent = wg.jvp(np.linalg.cholesky, (S,), (direction,))
    _, again = wg.jvp(np.linalg.cholesky, (S,), (lower(direction),))
    close(tangent, again)


def test_eigh_reads_the_lower_triangle():
    f = lambda A: np.sum(np.sin(np.linalg.eigh(A)[0]) * [1, 2, 3])
    found = wg.grad(f)(S)
    close(found, wg.numerical.gradient(f, S), rtol=1e-6, atol=1e-7)
    assert not np.triu(found, 1).any()


def test_eigh_upper():
    f = lambda A: np.sum(np.sin(np.linalg.eigh(A, UPLO="U").eigenvalues) * [1, 2, 3])
    found = wg.grad(f)(S)
    close(found, wg.numerical.gradient(f, S), rtol=1e-6, atol=1e-7)
    assert not np.tril(found, -1).any()


def test_eigenvectors():
    f = lambda A: np.sum(np.linalg.eigh(A).eigenvectors ** 2 * np.arange(9.0).reshape(3, 3))
    close(wg.grad(f)(S), wg.numerical.gradient(f, S), rtol=1e-5, atol=1e-6)


def test_eigvalsh():
    f = lambda A: np.linalg.eigvalsh(A)[-1]
    close(wg.grad(f)(S), wg.numerical.gradient(f, S), rtol=1e-6, atol=1e-7)


def test_symmetrised_eigh_is_that_of_jax():
    f = lambda np: lambda A: np.sum(np.linalg.eigh((A + A.T) / 2)[0] ** 3)
    close(wg.grad(f(np))(M), jax.grad(f(jnp))(M))


def test_singular_values():
    f = lambda A: np.sum(np.linalg.svd(A, compute_uv=False) ** 3)
    close(wg.grad(f)(B), wg.numerical.gradient(f, B), rtol=1e-6, atol=1e-7)


def test_qr():
    f = lambda A: np.sum(np.abs(np.linalg.qr(A)[1]))
    close(wg.grad(f)(B), wg.numerical.gradient(f, B), rtol=1e-6, atol=1e-7)


def test_pinv_and_lstsq():
    f = lambda A: np.sum(np.linalg.pinv(A) * B.T)
    close(wg.grad(f)(B), wg.numerical.gradient(f, B), rtol=1e-6, atol=1e-7)


def test_log_likelihood_of_a_gaussian():
    def f(S):
        L = np.linalg.cholesky(S)
        return -0.5 * V @ np.linalg.solve(S, V) - np.sum(np.log(np.diag(L)))

    g = wg.grad(lambda A: f(A @ A.T + np.eye(3)))
    close(g(M), wg.numerical.gradient(lambda A: f(A @ A.T + np.eye(3)), M), rtol=1e-6, atol=1e-7)


def test_norm_of_zero_is_no_surprise_twice():
    f = lambda x: np.linalg.norm(x) ** 2
    assert np.isfinite(wg.grad(f)(np.ones(3))).all()


def test_hessian_of_log_determinant():
    f = lambda A: np.linalg.slogdet(A)[1]
    inverse = np.linalg.inv(M)
    close(wg.hessian(f)(M), -np.einsum("jk,li->ijkl", inverse, inverse))


def test_singular_matrices_raise_as_in_numpy():
    with pytest.raises(np.linalg.LinAlgError):
        wg.grad(lambda A: np.sum(np.linalg.inv(A)))(np.zeros((2, 2)))
