"""Numerical derivatives: the formulas, their errors, and what they refuse."""

import math
from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert import numerical
from wengert.errors import DerivativeError, MismatchError, NotFiniteError

METHODS = ["forward", "central", "complex"]
TOLERANCE = {"forward": 1e-9, "central": 1e-11, "complex": 1e-14}

# function, derivative, points; all analytic, so that the complex step applies as well
FUNCTIONS = {
    "exp": (np.exp, np.exp, [0.0, 1.0, -3.0, 10.0, 100.0]),
    "sin": (np.sin, np.cos, [0.0, 1.0, 100.0, 1e4, 1e-8]),
    "fast sin": (lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), [0.0, 1.0, 0.3]),
    "resonant sin": (
        lambda x: np.sin(64 * np.pi * x),
        lambda x: 64 * np.pi * np.cos(64 * np.pi * x),
        [0.0, 1.0],
    ),
    "log": (np.log, lambda x: 1 / x, [1e-10, 1e-3, 0.5, 7.0, 1e5]),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), [1e-10, 0.5, 1e5]),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, [1e-5, 0.01, -1.0, 1e6]),
    "shift": (lambda x: x + 1, lambda x: 1.0, [1e-10, 0.0, 1e8]),
    "polynomial": (lambda x: x**5 - 3 * x**3 + 2, lambda x: 5 * x**4 - 9 * x**2, [0.0, -2.0, 100.0]),
    "steep tanh": (lambda x: np.tanh(50 * x), lambda x: 50 / np.cosh(50 * x) ** 2, [0.0, 0.01, 0.1]),
    "runge": (lambda x: 1 / (1 + 25 * x * x), lambda x: -50 * x / (1 + 25 * x * x) ** 2, [0.0, 0.1, 1.0]),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), [0.0, 0.5, 0.99]),
    "flat": (lambda x: np.exp(-1 / x**2), lambda x: 2 / x**3 * np.exp(-1 / x**2), [0.3, 1.0]),
    "narrow": (lambda x: np.exp(-1e6 * x * x), lambda x: -2e6 * x * np.exp(-1e6 * x * x), [1e-3, 0.0]),
    "large": (lambda x: 1e20 * np.sin(x), lambda x: 1e20 * np.cos(x), [1.0]),
    "small": (lambda x: 1e-20 * np.sin(x), lambda x: 1e-20 * np.cos(x), [1.0]),
    "cancelling": (lambda x: (1e8 + x) ** 2 - 1e16, lambda x: 2 * (1e8 + x), [0.3, 1.0]),
}
CASES = [pytest.param(f, df, x, id=f"{name}-{x:g}") for name, (f, df, xs) in FUNCTIONS.items() for x in xs]

NOT_IN_FLOAT32 = {"exp-100", "cancelling-0.3", "cancelling-1"}


def lecture(v):
    x, z = v
    return np.exp(x * z) + x * z / np.log(x) + np.sin(np.log(x)) / (x * z)


def lecture_gradient(x, z):
    log = np.log(x)
    by_x = z * np.exp(x * z) + z / log - z / log**2 + (np.cos(log) - np.sin(log)) / (x**2 * z)
    return np.array([by_x, x * np.exp(x * z) + x / log - np.sin(log) / (x * z**2)])


# The formulas --------------------------------------------------------------------------------------------


def test_forward_difference_is_its_formula():
    assert numerical.derivative(np.exp, 0.0, "forward", step=0.5) == (np.exp(0.5) - 1) / 0.5


def test_central_difference_is_its_formula():
    assert numerical.derivative(np.exp, 0.0, "central", step=0.5) == np.exp(0.5) - np.exp(-0.5)


def test_complex_step_is_its_formula():
    assert numerical.derivative(np.exp, 0.0, "complex", step=0.5) == np.sin(0.5) / 0.5


def test_a_negative_step_is_the_backward_difference():
    assert numerical.derivative(np.exp, 0.0, "forward", step=-0.5) == (1 - np.exp(-0.5)) / 0.5


@pytest.mark.parametrize(("method", "slope"), [("forward", 1), ("central", 2), ("complex", 2)])
def test_error_falls_with_the_power_of_the_step(method, slope):
    steps = np.logspace(-1, -3, 9)
    errors = [abs(numerical.derivative(np.exp, 1.0, method, step=h) - np.e) for h in steps]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(slope, abs=0.05)


@pytest.mark.parametrize("method", ["forward", "central"])
def test_error_rises_again_where_round_off_takes_over(method):
    def error(step):
        return abs(numerical.derivative(np.sin, 1.0, method, step=step) - np.cos(1.0))

    assert error(1e-14) > 100 * error(1e-6)


def test_complex_step_knows_no_round_off():
    assert numerical.derivative(np.sin, 1.0, "complex", step=1e-100) == pytest.approx(np.cos(1.0), rel=1e-15)


@pytest.mark.parametrize("method", ["forward", "central"])
@pytest.mark.parametrize(("power", "slope"), [(3, {"forward": 1, "central": 2})])
def test_hessian_error_falls_with_the_power_of_the_step(method, power, slope):
    def error(step):
        return abs(
            numerical.hessian(lambda x: np.exp(x[0] * x[1]), np.ones(2), method, step=step) - exact
        ).max()

    exact = np.e * np.array([[1, 2], [2, 1]])
    steps = np.logspace(-1, -2.5, 7)
    found = np.polyfit(np.log(steps), np.log([error(h) for h in steps]), 1)[0]
    assert found == pytest.approx(slope[method], abs=0.1)


# Automatic steps and their errors ------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("f", "df", "x"), CASES)
def test_error_estimate_holds(f, df, x, method):
    value, error = numerical.derivative(f, x, method, return_error=True)
    assert abs(value - df(x)) <= error


@pytest.mark.parametrize("method", ["forward", "central"])
@pytest.mark.parametrize(("f", "df", "x"), [c for c in CASES if c.id not in NOT_IN_FLOAT32])
def test_error_estimate_holds_in_float32(f, df, x, method):
    value, error = numerical.derivative(f, np.float32(x), method, return_error=True)
    assert value.dtype == np.float32
    assert abs(value - df(float(np.float32(x)))) <= error


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["exp", "sin", "polynomial", "runge"])
def test_automatic_steps_are_accurate(name, method):
    f, df, _ = FUNCTIONS[name]
    value, error = numerical.derivative(f, 0.7, method, return_error=True)
    assert value == pytest.approx(df(0.7), rel=TOLERANCE[method])
    assert error < 1000 * TOLERANCE[method] * abs(df(0.7))


@pytest.mark.parametrize("method", ["forward", "central"])
def test_error_estimate_of_a_given_step_holds_and_is_close(method):
    value, error = numerical.derivative(np.exp, 1.0, method, step=1e-2, return_error=True)
    assert abs(value - np.e) <= error <= 1.1 * abs(value - np.e)


def test_errors_of_random_gradients_hold():
    rng = np.random.default_rng(0)
    for _ in range(50):
        A, x = rng.normal(size=(6, 4)), rng.normal(size=4)
        value, error = numerical.gradient(lambda x, A=A: np.sum(np.tanh(A @ x)), x, return_error=True)
        assert (np.abs(value - A.T @ (1 - np.tanh(A @ x) ** 2)) <= error).all()
        assert error.max() < 1e-8


def test_steps_are_scaled_per_coordinate():
    x = np.array([1e-6, 1.0, 1e6])
    assert numerical.gradient(lambda x: np.sum(np.log(x)), x) == pytest.approx(1 / x, rel=1e-6)


def test_few_evaluations_are_needed():
    calls = []
    numerical.derivative(lambda x: calls.append(x) or math.exp(x), 1.0)
    assert len(calls) <= 15


def test_steps_that_leave_the_domain_are_passed_over():
    assert numerical.derivative(math.log, 1e-4) == pytest.approx(1e4)
    assert numerical.derivative(np.log, 1e-4) == pytest.approx(1e4)


def test_no_convergence_is_an_infinite_error():
    assert numerical.derivative(np.cbrt, 0.0, return_error=True)[1] == np.inf


def test_no_convergence_warns_where_the_error_is_not_asked_for():
    with pytest.warns(
        RuntimeWarning, match=r"test_numerical\.py:\d+: the difference quotients do not converge"
    ):
        numerical.derivative(np.cbrt, 0.0)


def test_noise_widens_the_error():
    value, error = numerical.derivative(
        lambda x: np.sin(x) + 1e-8 * np.sin(1e9 * x * x), 1.0, return_error=True
    )
    assert abs(value - np.cos(1.0)) < error < 1e-2


def test_kinks():
    assert numerical.derivative(np.abs, 0.0) == 0
    assert numerical.derivative(np.abs, 0.0, "forward") == pytest.approx(1)
    assert numerical.derivative(np.abs, 1e-5) == pytest.approx(1)
    assert numerical.derivative(np.floor, 0.5) == 0


# Shapes, dtypes, trees -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_gradient_of_the_lecture(method):
    found = numerical.gradient(lecture, np.array([2.0, 3.0]), method)
    assert found == pytest.approx(lecture_gradient(2, 3), rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1,), (0,), (2, 0)])
def test_gradient_has_the_shape_of_x(shape, method):
    x = np.linspace(1, 2, int(np.prod(shape))).reshape(shape)
    found = numerical.gradient(lambda x: np.sum(x**2), x, method)
    assert found.shape == shape
    assert found == pytest.approx(2 * x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("out", [(), (4,), (2, 2), (0,)])
def test_jacobian_has_the_shape_of_the_value_then_that_of_x(shape, out, method):
    x, rng = np.linspace(1, 2, int(np.prod(shape))).reshape(shape), np.random.default_rng(1)
    A = rng.normal(size=(*out, *shape))
    found = numerical.jacobian(lambda x: (A * x).sum(tuple(range(len(out), A.ndim))), x, method)
    assert found.shape == out + shape
    assert found == pytest.approx(A)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
def test_hessian_has_the_shape_of_x_twice(shape, method):
    x = np.linspace(1, 2, int(np.prod(shape))).reshape(shape)
    found = numerical.hessian(lambda x: np.sum(x) ** 3, x, method)
    assert found.shape == shape + shape
    assert found == pytest.approx(np.full(shape + shape, 6 * np.sum(x)), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_hessian_is_symmetric_and_its_error_holds(method):
    A = np.random.default_rng(2).normal(size=(3, 3))
    found, error = numerical.hessian(lambda x: np.sin(x @ A @ x), np.ones(3), method, return_error=True)
    S, x = A + A.T, np.ones(3)
    exact = np.cos(x @ A @ x) * S - np.sin(x @ A @ x) * np.outer(S @ x, S @ x)
    assert (found == found.T).all()
    assert (np.abs(found - exact) <= error).all()
    assert error.max() < 1e-3


def test_derivative_of_an_array_valued_function():
    found = numerical.derivative(lambda t: np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]), 0.0)
    assert found == pytest.approx(np.array([[0, -1], [1, 0]]))


def test_derivative_of_a_complex_valued_function():
    assert numerical.derivative(lambda t: np.exp(1j * t), 0.0) == pytest.approx(1j)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_dtype_of_x_is_kept(dtype, method):
    seen = set()

    def f(x):
        seen.add(x.dtype)
        return np.sum(x * x)

    x = np.array([1, 2], dtype)
    assert numerical.gradient(f, x, method).dtype == dtype
    assert seen <= {x.dtype, (x + np.complex64(1j)).dtype}


def test_float32_is_accurate_to_its_precision():
    x = np.array([0.5, 2.0], np.float32)
    assert numerical.gradient(lambda x: np.sum(np.sin(x)), x) == pytest.approx(np.cos(x), rel=1e-4)


def test_jacobian_has_the_dtype_of_the_value():
    x = np.ones(2, np.float32)
    assert numerical.jacobian(lambda x: x.astype(float) ** 2, x).dtype == np.float64
    assert numerical.jacobian(lambda x: x**2, x).dtype == np.float32


def test_a_python_number_stays_one():
    seen = set()
    numerical.derivative(lambda x: seen.add(type(x)) or x * x, 1.0)
    numerical.derivative(lambda x: seen.add(type(x)) or x * x, 1.0, "complex")
    assert seen == {float, complex}


def test_results_are_numpy_scalars():
    assert type(numerical.derivative(math.exp, 1.0)) is np.float64
    assert type(numerical.gradient(lambda x: x * x, np.float32(1))) is np.float32


def test_integer_values_have_derivative_zero():
    assert numerical.derivative(lambda x: 3, 1.0) == 0


class Pair(NamedTuple):
    w: np.ndarray
    b: float


def test_gradient_of_a_tree_is_a_tree():
    x = Pair(np.ones((2, 2), np.float32), 3.0)
    found = numerical.gradient(lambda p: np.sum(p.w) * p.b, x)
    assert isinstance(found, Pair)
    assert found.w == pytest.approx(np.full((2, 2), 3.0), rel=1e-5)
    assert found.w.dtype == np.float32
    assert found.b == pytest.approx(4, rel=1e-5)


def test_jacobian_of_trees_is_a_tree_of_blocks():
    x = {"a": np.ones(2), "b": 2.0}
    found = numerical.jacobian(lambda t: (t["a"] * t["b"], [t["b"] ** 2]), x)
    assert found[0]["a"] == pytest.approx(2 * np.eye(2))
    assert found[0]["b"] == pytest.approx(np.ones(2))
    assert found[1][0]["a"] == pytest.approx(np.zeros(2))
    assert found[1][0]["b"] == pytest.approx(4)


def test_hessian_of_a_tree_is_a_tree_of_blocks():
    found = numerical.hessian(lambda t: np.sum(t["a"] ** 2) * t["b"], {"a": np.ones(2), "b": 2.0})
    assert found["a"]["a"] == pytest.approx(4 * np.eye(2), abs=1e-6)
    assert found["a"]["b"] == pytest.approx(2 * np.ones(2))
    assert found["b"]["a"] == pytest.approx(2 * np.ones(2))
    assert found["b"]["b"] == pytest.approx(0, abs=1e-6)


def test_x_is_not_changed():
    x = np.array([1.0, 2.0])
    numerical.hessian(lambda x: np.sum(x**3), x)
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_batched_evaluates_all_directions_at_once(method):
    x, calls = np.linspace(0.5, 1, 20), []

    def f(xs):
        calls.append(xs.shape)
        return np.sin(xs) * xs[:, :1]

    found = numerical.jacobian(f, x, method, batched=True)
    assert found == pytest.approx(numerical.jacobian(lambda x: np.sin(x) * x[:1], x, method), abs=1e-10)
    assert len(calls) < 20


def test_batched_hessian():
    x = np.array([1.0, 2.0])
    for method in METHODS:
        found = numerical.hessian(lambda xs: xs[:, 0] ** 2 * xs[:, 1], x, method, batched=True)
        assert found == pytest.approx(np.array([[4, 2], [2, 0]]), abs=1e-4)


def test_a_step_per_coordinate():
    found = numerical.gradient(lambda x: np.sum(x**3), np.zeros(2), "central", step=np.array([0.1, 0.2]))
    assert found == pytest.approx([0.01, 0.04])


def test_a_tree_of_steps():
    found = numerical.gradient(
        lambda t: t["a"] ** 3 + t["b"] ** 3, {"a": 0.0, "b": 0.0}, step={"a": 0.1, "b": 0.2}
    )
    assert found == pytest.approx({"a": 0.01, "b": 0.04})


def test_steps_are_taken_as_they_are_in_floating_point():
    """(x + h) - x, not h: a line has its slope exactly, whatever the step."""
    for step in [0.1, 1e-3, 1e-7, 1e-10]:
        assert numerical.derivative(lambda x: 2 * x, 1024.0, "forward", step=step) == 2


# Refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [2, True, np.arange(3), 1j, np.array(["a"])])
@pytest.mark.parametrize("method", METHODS)
def test_only_floating_point_inputs(x, method):
    with pytest.raises(TypeError, match=r"numerical derivatives are taken by real floating-point numbers"):
        numerical.gradient(lambda x: 1.0, x, method)


def test_an_input_in_a_tree_is_named():
    with pytest.raises(TypeError, match=r"x\['n'\] is int64"):
        numerical.gradient(lambda t: t["a"], {"a": 1.0, "n": 2})


def test_derivative_takes_scalars():
    with pytest.raises(TypeError, match=r"takes a scalar x, got shape \(2,\)\. Write numerical\.jacobian"):
        numerical.derivative(np.sin, np.ones(2))


@pytest.mark.parametrize("name", ["gradient", "hessian"])
def test_scalar_valued_functions(name):
    with pytest.raises(
        TypeError, match=rf"numerical\.{name} takes a scalar-valued f, f\(x\) has shape \(2,\)"
    ):
        getattr(numerical, name)(lambda x: x, np.ones(2))


def test_one_element_is_not_a_scalar():
    with pytest.raises(TypeError, match=r"shape \(1,\)\. Return f\(x\)\[0\] or f\(x\)\.sum\(\)"):
        numerical.gradient(lambda x: x, np.ones(1))


def test_a_tree_is_not_a_scalar():
    with pytest.raises(TypeError, match="takes a scalar-valued f"):
        numerical.gradient(lambda x: [x], 1.0)


def test_gradient_of_a_complex_value():
    with pytest.raises(TypeError, match=r"takes a real-valued f, f\(x\) is complex"):
        numerical.gradient(lambda x: 1j * x, 1.0)


def test_boolean_values():
    with pytest.raises(TypeError, match=r"f\(x\) is bool; a derivative needs floating-point values"):
        numerical.gradient(lambda x: x > 0, 1.0)


def test_unknown_method():
    with pytest.raises(ValueError, match="method is 'forward', 'central' or 'complex', not 'backward'"):
        numerical.gradient(np.sum, np.ones(2), "backward")


def test_complex_step_of_a_function_that_returns_a_real_number():
    with pytest.raises(
        DerivativeError, match=r"f\(x\) is float64 for complex x, so .*would lose the derivative"
    ):
        numerical.derivative(np.abs, 1.0, "complex")


def test_complex_step_of_a_function_that_takes_no_complex_numbers():
    with pytest.raises(DerivativeError, match=r"f does not take complex numbers.* Write method='central'"):
        numerical.derivative(math.sin, 1.0, "complex")


def test_complex_step_that_lost_a_part_is_found_by_its_error():
    value, error = numerical.derivative(lambda x: x * np.abs(x), 1.0, "complex", return_error=True)
    assert value == pytest.approx(1)
    assert error == pytest.approx(1)


def test_nan_in_x():
    with pytest.raises(NotFiniteError, match=r"x\[1\] is nan"):
        numerical.gradient(np.sum, np.array([1.0, np.nan]))


def test_nan_in_the_value():
    with pytest.raises(NotFiniteError, match=r"f\(x\)\[0\] is inf"):
        numerical.jacobian(lambda x: x * np.inf, np.ones(2))


def test_the_edge_of_the_domain():
    with pytest.raises(
        NotFiniteError, match=r"f has no finite value.* where x\[1\] is moved.*method='forward'"
    ):
        numerical.gradient(lambda x: np.sum(x * np.sqrt(x)), np.array([1.0, 0.0]))
    assert numerical.derivative(lambda x: x * np.sqrt(x), 0.0, "forward") == pytest.approx(0, abs=1e-6)


def test_a_given_step_that_leaves_the_domain():
    with pytest.raises(NotFiniteError, match=r"f has no finite value.* where x is moved"):
        numerical.derivative(np.log, 0.1, step=0.2)


def test_a_step_below_the_resolution_of_x():
    with pytest.raises(ValueError, match=r"step 1e-12 is too small: x\[0\] \+ step is the same number"):
        numerical.gradient(np.sum, np.array([1e6, 1.0]), step=1e-12)


@pytest.mark.parametrize("step", [0.0, np.nan, np.inf])
def test_a_step_that_is_none(step):
    with pytest.raises(ValueError, match="step must be finite and not 0"):
        numerical.derivative(np.sin, 1.0, step=step)


def test_a_step_of_another_shape():
    with pytest.raises(MismatchError, match=r"step is a number or has the shape of x, \[\(3,\)\]"):
        numerical.gradient(np.sum, np.ones(3), step=np.ones(2))


def test_steps_that_change_the_shape_are_passed_over():
    x = np.array([0.1, -2.0, 3.0])
    assert numerical.jacobian(lambda x: x[x > 0] ** 2, x) == pytest.approx(np.array([[0.2, 0, 0], [0, 0, 6]]))


def test_a_value_that_changes_its_shape_at_x():
    with pytest.raises(NotFiniteError, match="f has no finite value of this shape where x is moved"):
        numerical.jacobian(lambda x: np.ones(1 + int(x > 1)), 1.0)


def test_complex_step_of_a_value_that_changes_its_shape():
    with pytest.raises(
        MismatchError, match=r"f changes the shape of its value near x: \[\(2,\)\], expected \[\(1,\)\]"
    ):
        numerical.jacobian(lambda x: np.ones(1 + np.iscomplexobj(x)) * x, 1.0, "complex")


def test_errors_of_f_are_not_hidden():
    with pytest.raises(KeyError):
        numerical.derivative(lambda x: {}[x], 1.0)


def test_results_own_their_memory():
    found = numerical.gradient(lambda x: np.sum(x**2), np.ones(3))
    found[:] = 0
    assert found.flags.owndata or found.base.flags.writeable


def test_the_callers_array_stays_as_it_is():
    def f(x):
        x[0] = 7.0
        return np.sum(x**2)

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(numerical.gradient(f, x), [0.0, 4.0], atol=1e-9)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_inside_a_recording_there_are_no_numbers_to_move():
    for f in (
        lambda a: numerical.derivative(lambda x: a * x**2, 3.0),
        lambda a: numerical.derivative(np.sin, a),
    ):
        with pytest.raises(
            DerivativeError, match=r"test_numerical\.py:\d+: .* Write wg.grad or wg.jvp inside"
        ):
            wg.grad(f)(2.0)
