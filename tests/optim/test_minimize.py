"""minimize against SciPy with derivatives by hand, on numbers, arrays and trees."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import optimize

import wengert as wg
from wengert import optim
from wengert.optim._minimize import DERIVATIVES


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


BY_HAND = {"jac": optimize.rosen_der, "hessp": optimize.rosen_hess_prod, "hess": optimize.rosen_hess}
START = np.array([-1.2, 1.0, 0.8])


@pytest.mark.parametrize("method", [name for name in DERIVATIVES if name != "TNC"])
@pytest.mark.filterwarnings("ignore::UserWarning:scipy")
def test_every_method_finds_the_minimum_as_with_derivatives_by_hand(method):
    names = DERIVATIVES[method]
    options = {"maxiter": 3000}
    found = optim.minimize(rosenbrock, START, method=method, options=options)
    by_hand = {name: BY_HAND[name] for name in names}
    expected = optimize.minimize(optimize.rosen, START, method=method, options=options, **by_hand)
    assert found.success == expected.success
    np.testing.assert_allclose(found.x, expected.x, atol=1e-5)
    np.testing.assert_allclose(found.x, 1, atol=2e-3)
    assert np.shape(found.fun) == ()
    if names:
        np.testing.assert_allclose(found.jac, expected.get("grad", expected.jac), atol=1e-4)


def test_truncated_newton():
    """On the valley above it stops early, elsewhere for differences in the last digit."""
    found = optim.minimize(lambda x: np.sum(np.cosh(x - 2)), START, method="TNC")
    np.testing.assert_allclose(found.x, 2, atol=1e-4)


def test_methods_are_named_in_any_case():
    assert optim.minimize(rosenbrock, START, method="newton-cg").success


def error(p, x, t):
    return np.mean((p["a"] * np.exp(p["rates"][0] * x) + p["rates"][1] - t) ** 2)


X = np.linspace(0, 2, 30)
DATA = (X, 2 * np.exp(-1.5 * X) + 0.25)
TREE = {"a": 1.0, "rates": np.array([-1.0, 0.0])}


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "Newton-CG", "trust-exact"])
def test_parameters_are_any_tree_and_data_are_arguments(method):
    found = optim.minimize(error, TREE, args=DATA, method=method, tol=1e-9)
    assert found.x["a"] == pytest.approx(2, abs=1e-4)
    np.testing.assert_allclose(found.x["rates"], [-1.5, 0.25], atol=1e-4)
    assert found.jac.keys() == TREE.keys()
    assert found.jac["rates"].shape == (2,)


@dataclass(frozen=True)
class Line:
    """A network of two numbers."""

    slope: np.ndarray
    offset: np.ndarray


def test_a_network_comes_back_as_a_network_in_its_own_precision():
    start = Line(np.float32(0.0), np.zeros((1, 1), np.float32))
    found = optim.minimize(lambda line: np.sum((line.slope * X + line.offset - 3 * X - 1) ** 2), start)
    assert isinstance(found.x, Line)
    assert found.x.slope == pytest.approx(3, abs=1e-3)
    assert found.x.offset.dtype == np.float32
    assert found.x.offset.shape == (1, 1)


def test_a_number_and_an_integer():
    assert optim.minimize(lambda x: np.cosh(x - 2), 0).x == pytest.approx(2, abs=1e-4)


def test_bounds():
    found = optim.minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(2), bounds=(-1.0, np.array([1.0, 5.0])))
    np.testing.assert_allclose(found.x, [1, 3], atol=1e-6)


def test_a_callback_sees_trees_and_may_stop():
    seen = []

    def tell(result):
        seen.append(result.x["a"])
        if len(seen) == 3:
            raise StopIteration

    found = optim.minimize(error, TREE, args=DATA, callback=tell)
    assert len(seen) == 3
    assert found.x["a"] == seen[-1]


def test_a_compiled_function_is_compiled_once():
    recorded = []

    @wg.jit
    def square(x, t):
        recorded.append(1)
        return np.sum((x - t) ** 2)

    first = optim.minimize(square, np.zeros(2), args=(np.ones(2),))
    count = len(recorded)
    second = optim.minimize(square, np.zeros(2), args=(np.full(2, 2.0),))
    np.testing.assert_allclose([first.x, second.x], [[1, 1], [2, 2]], atol=1e-6)
    assert len(recorded) == count


def test_a_plain_function_may_read_what_changes():
    target = [1.0]
    found = []
    for target[0] in (1.0, 2.0):
        found.append(optim.minimize(lambda x: (x - target[0]) ** 2, 0.0).x)
    assert found == pytest.approx([1, 2], abs=1e-5)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: optim.minimize(rosenbrock, START, method="steepest"),
            ValueError,
            "has no method 'steepest'",
        ),
        (
            lambda: optim.minimize(lambda x: np.log(x), -1.0),
            ValueError,
            "f is nan at x0; start where",
        ),
        (lambda: optim.minimize(rosenbrock, []), ValueError, "x0 has no numbers"),
        (
            lambda: optim.minimize(rosenbrock, {"a": 1j}),
            TypeError,
            r"x0\['a'\] is of type complex128; give",
        ),
        (
            lambda: optim.minimize(lambda x: x, START),
            TypeError,
            "grad needs a function that gives one",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
