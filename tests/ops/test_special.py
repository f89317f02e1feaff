"""SciPy's special functions under their own names, and the package's versions of its Python functions."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.special as sp

import wengert as wg
from tests.ops.helpers import agree
from wengert.ops import special

X = np.random.default_rng(0).standard_normal((3, 4))
FACTORS = np.array([1.0, 2.0, 0.0, 0.5])
SIGNED = np.array([1.0, -2.0, 0.0, 0.5])


OPTIONS = [
    {},
    {"axis": 0},
    {"axis": -1, "keepdims": True},
    {"axis": (0, 1)},
    {"b": FACTORS, "axis": 1},
    {"b": FACTORS},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_logsumexp(options):
    expected = sp.logsumexp(X, **options)
    np.testing.assert_allclose(special.logsumexp_of(X, **options), expected, rtol=1e-14)
    agree(lambda x: sp.logsumexp(x, **options), X)


def test_logsumexp_with_signs():
    expected = sp.logsumexp(X, axis=1, b=SIGNED, return_sign=True)
    found = special.logsumexp_of(X, axis=1, b=SIGNED, return_sign=True)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    agree(lambda x: sp.logsumexp(x, axis=1, b=SIGNED, return_sign=True)[0], X)


def test_derivatives_with_respect_to_the_factors():
    agree(lambda b: special.logsumexp_of(X, axis=1, b=b), FACTORS + 0.5)


def test_logsumexp_at_minus_infinity():
    x = np.array([-np.inf, 0.0, -np.inf])
    np.testing.assert_array_equal(wg.grad(sp.logsumexp)(x), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(wg.grad(sp.logsumexp)(np.full(2, -np.inf)), [0.0, 0.0])


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
def test_softmax(axis):
    for ours, name in ((special.softmax, "softmax"), (special.log_softmax, "log_softmax")):
        np.testing.assert_allclose(ours(1000 * X, axis), getattr(sp, name)(1000 * X, axis), rtol=1e-12)
        agree(lambda x, name=name: getattr(sp, name)(x, axis=axis), X)


def test_python_functions():
    agree(lambda x: sp.polygamma(2, 2 + np.tanh(x)), X)
    agree(wg.special.softplus, X)
    agree(wg.special.logistic, X)
    agree(lambda x: sp.zeta(3, 2 + np.tanh(x)), X)
    assert wg.special.softplus(np.float32(1)).dtype == np.float32


def test_tails_are_exact():
    found = wg.grad(lambda x: sp.log_ndtr(x))(-1e8)
    assert found == pytest.approx(1e8)
    with np.errstate(divide="ignore"):
        assert wg.grad(lambda x: sp.xlogy(x, 0.0) + sp.xlogy(0.0, x))(0.0) == -np.inf
    assert wg.grad(lambda x: sp.xlogy(0.0, x))(0.0) == 0


def test_an_unknown_derivative_is_an_error():
    with pytest.raises(wg.errors.UnsupportedError, match=r"test_special\.py.*order as a constant"):
        wg.grad(lambda v: sp.jv(v, 1.0))(0.5)
    with pytest.raises(wg.errors.UnsupportedError, match=r"test_special\.py.*chndtr is not recorded"):
        wg.grad(lambda x: sp.chndtr(x, 1.0, 2.0))(0.5)


def test_importing_the_package_does_not_import_scipy():
    code = "import sys, wengert.ops; sys.exit('scipy.special' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
