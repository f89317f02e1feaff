"""Bounds and robust losses against SciPy's own least_squares and curve_fit."""

import numpy as np
import pytest
from scipy import optimize

import wengert as wg
from tests.optim.nist import PROBLEMS
from wengert import optim
from wengert.optim._trust_region import LOSSES

RNG = np.random.default_rng(0)
X = np.linspace(0.0, 4.0, 40)
Y = 2.0 * np.exp(-0.7 * X) + 0.02 * RNG.normal(size=40)
Y[[3, 17, 30]] += 1.5  # outliers
START = np.array([1.0, 1.0])
TIGHT = {"ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}


def decay(p, x, y):
    return p[0] * np.exp(-p[1] * x) - y


def theirs(**options):
    return optimize.least_squares(decay, START, args=(X, Y), x_scale="jac", **TIGHT, **options)


def like_theirs(found, expected):
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-6)
    np.testing.assert_allclose(found.fun, expected.fun, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.jac, expected.jac, rtol=1e-4, atol=1e-6)
    assert found.cost == pytest.approx(expected.cost, rel=1e-10)
    np.testing.assert_array_equal(found.active_mask, expected.active_mask)
    assert found.success


@pytest.mark.parametrize("method", ["trf", "dogbox"])
@pytest.mark.parametrize("f_scale", [0.05, 1.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss, f_scale, method):
    options = {"loss": loss, "f_scale": f_scale, "method": method}
    found = optim.least_squares(decay, START, args=(X, Y), **TIGHT, **options)
    like_theirs(found, theirs(**options))


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_of_losses(loss):
    """From the least to the largest residual; SciPy's are written down."""
    from scipy.optimize._lsq.least_squares import IMPLEMENTED_LOSSES

    z = np.array([0.0, 1e-300, 1e-9, 0.3, 1.0, 1.0000001, 7.0, 1e9])
    expected = np.empty((3, len(z)))
    if loss == "linear":
        expected[:] = z, np.ones_like(z), np.zeros_like(z)
    else:
        IMPLEMENTED_LOSSES[loss](z, expected, cost_only=False)
    with np.errstate(invalid="ignore"):
        found = optim._trust_region.Loss(loss, 1.0).derivatives(z)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("method", ["trf", "dogbox"])
@pytest.mark.parametrize("bounds", [(0.0, 1.5), ([0.0, 0.9], [np.inf, 3.0]), (-np.inf, [1.2, np.inf])])
def test_bounds(bounds, method):
    found = optim.least_squares(decay, START, args=(X, Y), bounds=bounds, method=method, **TIGHT)
    like_theirs(found, theirs(bounds=bounds, method=method))
    assert (bounds[0] <= found.x).all() and (found.x <= bounds[1]).all()


def test_bounds_as_trees():
    bounds = ({"a": 0.0, "b": 0.9}, {"a": np.inf, "b": np.inf})
    residuals = lambda p, x, y: decay((p["a"], p["b"]), x, y)
    found = optim.least_squares(residuals, {"a": 1.0, "b": 1.0}, args=(X, Y), bounds=bounds, **TIGHT)
    plain = theirs(bounds=([0.0, 0.9], np.inf))
    np.testing.assert_allclose([found.x["a"], found.x["b"]], plain.x, rtol=1e-6)
    assert found.active_mask == {"a": 0, "b": -1}
    np.testing.assert_allclose(found.grad["b"], plain.grad[1], rtol=1e-4)


def test_bounds_as_trees_of_arrays():
    first = {"w": np.ones((2, 3)), "b": 0.5}
    target = np.arange(7.0)
    residuals = lambda p: np.tile(np.append(p["w"], p["b"]) - target, 2)
    upper = {"w": np.array([2.0, 3.0, 4.0]), "b": np.inf}
    found = optim.least_squares(residuals, first, bounds=(0.3, upper), **TIGHT)
    np.testing.assert_allclose(found.x["w"], [[0.3, 1.0, 2.0], [2.0, 3.0, 4.0]], atol=1e-7)
    assert found.x["b"] == pytest.approx(6.0)
    np.testing.assert_array_equal(found.active_mask["w"], [[-1, 0, 0], [1, 1, 1]])


def test_covariance_of_curve_fit():
    model = lambda x, a, b: a * np.exp(-b * x)
    options = {"loss": "soft_l1", "f_scale": 0.1, **TIGHT}
    expected = optimize.curve_fit(model, X, Y, START, method="trf", **options)[1]
    found = optim.least_squares(decay, START, args=(X, Y), **options)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-4)


@pytest.mark.parametrize("name", PROBLEMS)
def test_certified_values_within_bounds_far_away(name):
    problem = PROBLEMS[name]
    first = np.array(problem.starts[1])
    reach = 100 * np.abs(first)
    options = {"bounds": (first - reach, first + reach), "max_nfev": 5000, "ftol": 1e-15, "xtol": 1e-14}
    found = optim.least_squares(problem.residuals, first, gtol=1e-14, **options)
    np.testing.assert_allclose(found.x, problem.parameters, rtol=1e-5)


def test_a_loss_of_ones_own():
    found = optim.least_squares(decay, START, args=(X, Y), loss=np.log1p, f_scale=0.05, **TIGHT)
    like_theirs(found, theirs(loss="cauchy", f_scale=0.05))


def test_outliers_count_less():
    plain = optim.least_squares(decay, START, args=(X, Y))
    robust = optim.least_squares(decay, START, args=(X, Y), loss="cauchy", f_scale=0.05)
    wanted = np.array([2.0, 0.7])
    assert np.abs(robust.x - wanted).max() < 0.05 < np.abs(plain.x - wanted).max()


def test_row_by_row_and_compiled():
    options = {"bounds": (0.0, 1.8), "loss": "huber", "f_scale": 0.05}
    expected = optim.least_squares(decay, START, args=(X, Y), **options)
    row_by_row = optim.least_squares(decay, START, rows=(X, Y), **options)
    compiled = optim.least_squares(wg.jit(decay), START, args=(X, Y), **options)
    np.testing.assert_allclose(row_by_row.x, expected.x, rtol=1e-8)
    np.testing.assert_allclose(compiled.x, expected.x, rtol=1e-8)


def test_a_callback_sees_each_step_and_may_stop():
    seen = []

    def watch(result):
        seen.append(result)
        if len(seen) == 3:
            raise StopIteration

    residuals = lambda p: decay((p["a"], p["b"]), X, Y)
    options = {"loss": "cauchy", "f_scale": 0.05, "bounds": (0.0, 5.0)}
    found = optim.least_squares(residuals, {"a": 1.0, "b": 1.0}, callback=watch, **options)
    costs = [one.cost for one in seen]
    assert costs == sorted(costs, reverse=True)
    assert found.status == -2 and not found.success
    assert found.x == seen[-1].x
    assert found.cost == pytest.approx(seen[-1].cost, rel=1e-6)
    np.testing.assert_allclose(seen[0].fun, residuals(seen[0].x))


WRONG = [
    ({"bounds": (2.0, 3.0)}, ValueError, r"x0\['a'\] is 1 and must lie within its bounds, 2 and 3"),
    ({"bounds": (1.0, 1.0)}, ValueError, "its bounds, 1 and 1"),
    ({"bounds": ({"a": 0.0}, 2.0)}, ValueError, r"bounds\[0\] is the tree .*np\.inf"),
    ({"bounds": 2.0}, TypeError, "bounds are a pair"),
    ({"bounds": (0.0, 2.0), "method": "lm"}, ValueError, "'lm' knows neither bounds nor losses; .* trf"),
    ({"loss": "hubber"}, ValueError, "unknown loss 'hubber'; did you mean 'huber'"),
    ({"loss": "huber", "f_scale": 0.0}, ValueError, "f_scale must be positive"),
    (
        {"loss": lambda z: np.stack([z, z, z])},
        ValueError,
        r"gives shape \(3, 40\) for 40 residuals; .*ρ",
    ),
]


@pytest.mark.parametrize(("options", "kind", "message"), WRONG)
def test_what_is_refused(options, kind, message):
    residuals = lambda p: decay((p["a"], p["b"]), X, Y)
    with pytest.raises(kind, match=message):
        optim.least_squares(residuals, {"a": 1.0, "b": 1.0}, **options)
    with pytest.raises(ValueError, match=r"x0\[1\] is 1"):
        optim.least_squares(decay, START, args=(X, Y), bounds=([0.0, 2.0], 3.0))
