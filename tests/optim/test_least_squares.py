"""least_squares against certified values of NIST and against SciPy."""

import numpy as np
import pytest
from scipy import optimize

import wengert as wg
from tests.optim.nist import PROBLEMS
from wengert import nn, optim
from wengert.core import tree

TIGHT = {"ftol": 1e-15, "xtol": 1e-12, "gtol": 1e-12}
# What plain methods do not reach in a reasonable number of steps, or not at all, from far away.
BEYOND = {
    ("MGH10", 1, "lm"),
    ("Rat43", 1, "gauss-newton"),
    ("MGH09", 1, "gauss-newton"),
    ("MGH10", 1, "gauss-newton"),
}
CASES = [
    (name, start, method)
    for name in PROBLEMS
    for start in (1, 2)
    for method in ("lm", "lm-accelerated", "gauss-newton")
    if (name, start, method) not in BEYOND
]


@pytest.mark.parametrize(("name", "start", "method"), CASES)
def test_certified_values(name, start, method):
    problem = PROBLEMS[name]
    first = np.array(problem.starts[start - 1])
    found = optim.least_squares(problem.residuals, first, method=method, max_nfev=3000, **TIGHT)
    assert found.success
    np.testing.assert_allclose(found.x, problem.parameters, rtol=2e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), problem.deviations, rtol=1e-6)
    assert 2 * found.cost == pytest.approx(problem.sum_of_squares, rel=1e-10)


@pytest.mark.parametrize(("name", "start"), [(n, s) for n, s, method in CASES if method == "lm"])
def test_a_fit_that_is_one_native_call(name, start):
    problem = PROBLEMS[name]
    first = np.array(problem.starts[start - 1])
    found = optim.least_squares(wg.jit(problem.residuals), first, max_nfev=3000, **TIGHT)
    assert found.success
    np.testing.assert_allclose(found.x, problem.parameters, rtol=2e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), problem.deviations, rtol=1e-5)
    step_by_step = optim.least_squares(problem.residuals, first)
    natively = optim.least_squares(wg.jit(problem.residuals), first)
    np.testing.assert_allclose(natively.x, step_by_step.x, rtol=1e-4)
    assert abs(natively.nfev - step_by_step.nfev) <= 0.1 * step_by_step.nfev + 2
    np.testing.assert_allclose(natively.jac, wg.jacobian(problem.residuals)(natively.x), rtol=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
def test_default_tolerances_give_four_digits(name):
    problem = PROBLEMS[name]
    found = optim.least_squares(problem.residuals, np.array(problem.starts[1]))
    np.testing.assert_allclose(found.x, problem.parameters, rtol=1e-4)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_fields_of_scipy(name):
    problem = PROBLEMS[name]
    start = np.array(problem.starts[1])
    found = optim.least_squares(problem.residuals, start, **TIGHT)
    jacobian = wg.jacobian(problem.residuals)
    scale = np.abs(problem.parameters)
    expected = optimize.least_squares(
        problem.residuals, start, lambda x: jacobian(x), method="lm", x_scale=scale, **TIGHT
    )
    assert found.cost == pytest.approx(expected.cost)
    np.testing.assert_allclose(found.fun, problem.residuals(found.x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.jac, jacobian(found.x), rtol=1e-9)
    rounding = np.abs(found.jac.T) @ np.abs(found.fun)
    assert (np.abs(found.grad - found.jac.T @ found.fun) <= 1e-12 * rounding).all()
    assert found.optimality == np.abs(found.grad).max()
    assert found.njev <= found.nfev
    assert found.success == (found.status > 0)
    assert found.message


def test_covariance_of_curve_fit():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 4, 40)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.1 * rng.normal(size=40)
    best, expected = optimize.curve_fit(lambda x, a, b, c: a * np.exp(-b * x) + c, x, y, (1.0, 1.0, 0.0))
    found = optim.least_squares(lambda p: p[0] * np.exp(-p[1] * x) + p[2] - y, np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found.x, best, rtol=1e-5)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-4)


X = np.linspace(0, 2, 30)
Y = 2 * np.exp(-1.5 * X) + 0.25


def decay(p, x, y):
    return p["height"] * np.exp(-p["rates"][0] * x) + p["rates"][1] - y


TREE = {"height": 1.0, "rates": np.array([1.0, 0.0])}


@pytest.mark.parametrize("data", [{"args": (X, Y)}, {"rows": (X, Y)}])
def test_parameters_are_any_tree(data):
    found = optim.least_squares(decay, TREE, **data)
    assert found.x["height"] == pytest.approx(2)
    np.testing.assert_allclose(found.x["rates"], [1.5, 0.25], rtol=1e-7)
    assert found.grad.keys() == TREE.keys()
    assert found.jac.shape == (30, 3)
    assert found.covariance.shape == (3, 3)


def test_residuals_are_any_tree_of_any_shape():
    def both(p):
        return {"slope": (p[0] * np.ones((2, 3)) - 4.0), "rest": p[1] - np.arange(4.0)}

    found = optim.least_squares(both, np.zeros(2))
    np.testing.assert_allclose(found.x, [4, 1.5])
    assert found.fun.shape == (10,)


def test_a_number():
    found = optim.least_squares(lambda x: x * np.array([1.0, 2.0]) - np.array([3.0, 6.1]), 0.0)
    assert found.x == pytest.approx(15.2 / 5)


NETWORK = nn.MLP.init(np.random.default_rng(0), (2, 5, 2), "tanh")
INPUTS = np.random.default_rng(1).uniform(-1, 1, (60, 2))
TARGETS = np.stack([INPUTS[:, 0] * INPUTS[:, 1], np.sin(2 * INPUTS[:, 0])], axis=1)


def of_all(network, x, t):
    return network(x) - t


def of_one(network, x, t):
    return (network(x[None]) - t[None])[0]


@pytest.mark.parametrize("method", ["lm", "lm-accelerated", "gauss-newton"])
def test_row_by_row_is_the_same(method):
    options = {"method": method, "max_nfev": 5}
    whole = optim.least_squares(of_all, NETWORK, args=(INPUTS, TARGETS), **options)
    rows = optim.least_squares(of_one, NETWORK, rows=(INPUTS, TARGETS), **options)
    np.testing.assert_allclose(rows.jac, whole.jac, rtol=1e-7, atol=1e-9)
    assert rows.cost == pytest.approx(whole.cost)
    for one, two in zip(tree.flatten(rows.x)[0], tree.flatten(whole.x)[0], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)


def test_products_of_a_large_jacobian_lead_to_the_same_place(monkeypatch):
    """By Cholesky, by QR, and by Cholesky until the damping is too small for it."""
    found = []
    for small, rounding in ((np.inf, 1e-10), (0, 0.0), (0, 1e-5)):
        monkeypatch.setattr("wengert.optim._gauss_newton.SMALL", small)
        monkeypatch.setattr("wengert.optim._gauss_newton.ROUNDING", rounding)
        for method in ("lm", "lm-accelerated"):
            problem = PROBLEMS["Hahn1"]
            start = np.array(problem.starts[1])
            found.append(optim.least_squares(problem.residuals, start, method=method, max_nfev=200))
    for result in found:
        assert result.success
        np.testing.assert_allclose(result.x, problem.parameters, rtol=1e-4)
        np.testing.assert_allclose(result.jac, found[0].jac, rtol=1e-3)
        np.testing.assert_allclose(result.covariance, found[0].covariance, rtol=1e-3)


def test_fewer_residuals_than_parameters():
    with pytest.warns(optimize.OptimizeWarning, match="covariance of the parameters could not be estimated"):
        found = optim.least_squares(lambda p: np.array([1.0]) * (p[0] + 2 * p[1] - 3), np.zeros(2))
    assert found.cost < 1e-12
    assert np.isinf(found.covariance).all()


def test_parameters_that_can_take_each_others_place():
    with pytest.warns(optimize.OptimizeWarning, match="give more residuals, or fewer parameters"):
        found = optim.least_squares(lambda p: (p[0] + p[1]) * X - Y, np.array([1.0, 0.0]))
    assert found.cost == pytest.approx(optim.least_squares(lambda p: p * X - Y, 0.0).cost)
    assert np.isinf(found.covariance).all()


def test_a_parameter_without_influence_stays():
    with pytest.warns(optimize.OptimizeWarning):
        found = optim.least_squares(lambda p: p[0] * X - Y + 0 * p[1], np.array([1.0, 7.0]))
    assert found.x[1] == 7


def test_a_perfect_start():
    found = optim.least_squares(lambda p: p * X, 0.0)
    assert (found.status, found.nfev, found.njev) == (1, 1, 1)
    assert found.cost == 0


def test_steps_into_the_undefined_are_taken_back():
    """The logarithm is not defined beyond the point that the first step leads to."""
    for method in ("lm", "gauss-newton"):
        found = optim.least_squares(lambda p: np.log(p) * np.ones(2) + 3, 5.0, method=method)
        assert found.x == pytest.approx(np.exp(-3))


def test_the_largest_number_of_evaluations():
    problem = PROBLEMS["MGH10"]
    found = optim.least_squares(problem.residuals, np.array(problem.starts[0]), max_nfev=20)
    assert (found.status, found.success, found.nfev) == (0, False, 20)
    assert found.message == "the largest number of evaluations was reached"


def test_a_callback_sees_trees_and_may_stop():
    seen = []

    def tell(result):
        seen.append((result.x["height"], result.cost))
        if len(seen) == 3:
            raise StopIteration

    found = optim.least_squares(decay, TREE, args=(X, Y), callback=tell)
    assert (found.status, found.success) == (-2, False)
    assert seen[-1] == (found.x["height"], found.cost)
    assert seen[0][1] > seen[1][1] > seen[2][1]


def test_a_compiled_function_is_compiled_once():
    recorded = []

    @wg.jit
    def residuals(p, x, y):
        recorded.append(1)
        return decay(p, x, y)

    optim.least_squares(residuals, TREE, args=(X, Y))
    count = len(recorded)
    found = optim.least_squares(residuals, TREE, args=(X, 2 * Y))
    assert found.x["height"] == pytest.approx(4)
    assert len(recorded) == count


def test_pythons_own_if_is_followed_step_by_step():
    @wg.jit
    def residuals(p, x):
        return p * x - 6.0 if np.sum(p * x) > 1 else p * x - 2.0

    assert optim.least_squares(residuals, 3.0, args=(np.ones(2),)).x == pytest.approx(6)


@pytest.mark.parametrize("wrap", [lambda f: f, wg.jit])
def test_limits_hold_in_native_code_too(wrap):
    problem = PROBLEMS["MGH10"]
    start = np.array(problem.starts[0])
    found = optim.least_squares(wrap(problem.residuals), start, max_nfev=20)
    assert (found.status, found.nfev) == (0, 20)
    at_minimum = optim.least_squares(wrap(lambda p: p * X), 0.0)
    assert (at_minimum.status, at_minimum.nfev) == (1, 1)
    with pytest.raises(ValueError, match=r"residuals are not finite at x0 \(residual 1\)"):
        optim.least_squares(wrap(lambda p: np.log(p - np.array([0.0, 5.0]))), 1.0)
    with pytest.raises(ValueError, match=r"derivatives are not finite at x0 \(by parameter 0\)"):
        optim.least_squares(wrap(lambda p: np.sqrt(p) * np.ones(2)), 0.0)
    beyond = optim.least_squares(wrap(lambda p: np.log(p) * np.ones(2) + 3), 5.0)
    assert beyond.x == pytest.approx(np.exp(-3))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: optim.least_squares(decay, TREE, args=(X, Y), method="trust"),
            ValueError,
            "has no method 'trust'",
        ),
        (lambda: optim.least_squares(decay, [], args=(X, Y)), ValueError, "x0 has no numbers"),
        (
            lambda: optim.least_squares(decay, TREE, args=(X,), rows=(Y,)),
            ValueError,
            "args or rows, not",
        ),
        (lambda: optim.least_squares(lambda p: p * np.zeros(0), 1.0), ValueError, "there are no residuals"),
        (
            lambda: optim.least_squares(lambda p: np.log(p - np.array([0.0, 5.0])), 1.0),
            ValueError,
            r"residuals are not finite at x0 \(residual 1\); start elsewhere",
        ),
        (
            lambda: optim.least_squares(lambda p: np.sqrt(p) * np.ones(2), 0.0),
            ValueError,
            r"derivatives are not finite at x0 \(by parameter 0\); start elsewhere",
        ),
        (
            lambda: optim.least_squares(lambda p: p > np.ones(2), 1.0),
            TypeError,
            "residuals are of type bool",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
