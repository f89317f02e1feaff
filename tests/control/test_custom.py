"""Stated derivatives: the rule is what every transformation uses, in both modes, and agrees with JAX's."""

import gc
import math
import tracemalloc
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import wengert as wg
from wengert import exchange
from wengert.errors import ControlFlowError, DerivativeError, MismatchError

jax.config.update("jax_enable_x64", True)
X = np.array([0.5, -1.2, 2.0])


def doubled_slope(custom, np):
    """sin with twice its derivative, which no differentiation of its code gives, by either decorator."""

    @custom
    def f(x, w):
        return np.sin(x) * w

    def tangent(x, w, dx, dw):
        return 2 * np.cos(x) * w * dx + np.sin(x) * dw

    if custom.__name__ == "custom_jvp":
        f.defjvp(lambda primals, tangents: (f(*primals), tangent(*primals, *tangents)))
    else:
        f.defvjp(
            lambda x, w: (f(x, w), (x, w)),
            lambda kept, g: (2 * np.cos(kept[0]) * kept[1] * g, np.sin(kept[0]) * g),
        )
    return f


def programs(f, np, lib):
    """Uses of f, each a function of one vector."""
    total = lambda x: np.sum(f(x, x[::-1]) ** 2)
    each = lambda a: f(a, 1.5) * a
    return {
        "value": total,
        "gradient": lib.grad(total),
        "gradient of the second": lib.grad(lambda w: np.sum(f(np.array([1.0, 2.0, 3.0]), w) ** 2)),
        "gradient of gradient": lib.grad(lambda x: np.sum(lib.grad(total)(x) ** 3)),
        "vmap": lib.vmap(each),
        "gradient of vmap": lib.grad(lambda x: np.sum(lib.vmap(each)(x) ** 2)),
        "vmap of gradient": lib.vmap(lib.grad(each)),
        "shared by the batch": lib.grad(
            lambda w: np.sum(lib.vmap(lambda x: np.sum(f(x, w)))(np.stack([w, 2 * w])))
        ),
        "vmap of vmap": lib.vmap(lambda x: lib.vmap(lib.grad(each))(x * np.ones(2))),
    }


def forward_programs(f, np, lib):
    total = lambda x: np.sum(f(x, x[::-1]) ** 2)
    return {
        "tangent": lambda x: lib.jvp(total, (x,), (x**2,))[1],
        "forward over reverse": _jacobian(lib.grad(total), lib),
        "hessian": lib.hessian(lambda x: np.sum(f(x, x) ** 2)),
        "tangent of vmap": lambda x: lib.jvp(lib.vmap(lambda a: f(a, a)), (x,), (x,))[1],
    }


def _jacobian(f, lib):
    return lib.jacfwd(f) if lib is jax else lib.jacobian(f, mode="forward")


NAMES = list(programs(np.multiply, np, wg))
FORWARD = list(forward_programs(np.multiply, np, wg))


@pytest.mark.parametrize("compile", [lambda f: f, wg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("custom", ["custom_jvp", "custom_vjp"])
def test_every_transformation_takes_the_rule_as_jax_does(custom, name, compile):
    found = compile(programs(doubled_slope(getattr(wg, custom), np), np, wg)[name])(X)
    expected = programs(doubled_slope(getattr(jax, custom), jnp), jnp, jax)[name](X)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("compile", [lambda f: f, wg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("custom", ["custom_jvp", "custom_vjp"])
def test_forward_mode_works_with_both(custom, name, compile):
    """JAX has none for custom_vjp: its custom_jvp of the same derivative says what comes out."""
    found = compile(forward_programs(doubled_slope(getattr(wg, custom), np), np, wg)[name])(X)
    expected = forward_programs(doubled_slope(jax.custom_jvp, jnp), jnp, jax)[name](X)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("custom", [wg.custom_jvp, wg.custom_vjp])
def test_both_modes_inside_loops_and_of_jit(custom):
    f = doubled_slope(custom, np)
    looped = lambda x: wg.scan(lambda c, v: (c + f(c, v), c), 0.5, x)[0]
    unrolled = lambda x: 0.5 + f(0.5, x[0]) + f(0.5 + f(0.5, x[0]), x[1])
    np.testing.assert_allclose(wg.grad(looped)(X[:2]), wg.grad(unrolled)(X[:2]), rtol=1e-12)
    np.testing.assert_allclose(
        wg.jacobian(looped, mode="forward")(X[:2]), wg.grad(unrolled)(X[:2]), rtol=1e-12
    )
    np.testing.assert_allclose(wg.grad(wg.jit(looped))(X[:2]), wg.grad(unrolled)(X[:2]), rtol=1e-12)


def test_outside_of_transformations_it_is_the_function():
    f = doubled_slope(wg.custom_jvp, np)
    assert f(0.5, w=2.0) == np.sin(0.5) * 2.0
    assert f.__name__ == "f"


def test_trees_defaults_and_names():
    @wg.custom_vjp
    def f(parameters, scale=2.0):
        return {"y": parameters["a"] * scale, "z": np.sum(parameters["b"])}

    f.defvjp(
        lambda parameters, scale: (f(parameters, scale), scale),
        lambda scale, g: ({"a": g["y"] * scale * 10, "b": g["z"] * np.ones(2)}, None),
    )
    p = {"a": 3.0, "b": np.array([1.0, 2.0])}
    loss = lambda p: f(scale=4.0, parameters=p)["y"] + f(p)["z"]
    gradient = wg.grad(loss)(p)
    np.testing.assert_allclose(gradient["a"], 40.0)
    np.testing.assert_allclose(gradient["b"], [1.0, 1.0])


@pytest.mark.parametrize("x", [np.float32(0.5), np.ones(3, np.float32)])
def test_dtypes_are_those_of_the_plain_function(x):
    f = doubled_slope(wg.custom_jvp, np)
    value, tangent = wg.jvp(lambda x: f(x, 2.0), (x,), (x,))
    assert value.dtype == tangent.dtype == np.float32
    assert wg.grad(lambda x: np.sum(f(x, 2.0)))(x).dtype == np.float32
    assert wg.jit(lambda x: f(x, 2.0))(x).dtype == np.float32


def test_whole_numbers_and_arguments_without_derivative():
    @wg.custom_jvp
    def power(x, n):
        return x**n

    @power.defjvp
    def rule(primals, tangents):
        (x, n), (dx, dn) = primals, tangents
        assert dn == 0
        return power(x, n), 100 * n * x ** (n - 1) * dx

    assert wg.grad(power)(2.0, 3) == 1200.0


@pytest.mark.parametrize("compile", [lambda f: f, wg.jit], ids=["eager", "jit"])
def test_nondiff_argnums_come_first(compile):
    @partial(wg.custom_jvp, nondiff_argnums=(0,))
    def applied(g, x):
        return g(x)

    @applied.defjvp
    def applied_jvp(g, primals, tangents):
        return applied(g, *primals), tangents[0] * 7

    @partial(wg.custom_vjp, nondiff_argnums=(1,))
    def scaled(x, how):
        return x * {"half": 0.5}[how]

    scaled.defvjp(lambda x, how: (scaled(x, how), None), lambda how, kept, g: (g * len(how),))
    assert compile(wg.grad(lambda x: applied(np.sin, x)))(2.0) == 7.0
    assert compile(wg.grad(lambda x: scaled(x, "half")))(2.0) == 4.0


def test_a_method():
    class Line:
        slope = 3.0

        @partial(wg.custom_jvp, nondiff_argnums=(0,))
        def at(self, x):
            return self.slope * x

    Line.at.defjvp(lambda line, primals, tangents: (line.at(*primals), 10 * line.slope * tangents[0]))
    line = Line()
    assert line.at(2.0) == 6.0
    assert wg.grad(line.at)(2.0) == 30.0


# --- code that no trace can be recorded of ------------------------------------------------------------------


@wg.custom_vjp
def root(a):
    """The root of x³ + x = a, by code that takes numbers alone."""
    return optimize.brentq(lambda x: math.pow(x, 3) + x - a, -10.0, 10.0, xtol=1e-15)


def root_fwd(a):
    x = root(a)
    return x, x


root.defvjp(root_fwd, lambda x, g: (g / (3 * x**2 + 1),))


@pytest.mark.parametrize("compile", [lambda f: f, wg.jit], ids=["eager", "jit"])
def test_code_that_cannot_be_recorded(compile):
    x = root(2.0)
    slope = 1 / (3 * x**2 + 1)
    f = compile(wg.grad(lambda a: root(a * a) ** 2))
    np.testing.assert_allclose(f(np.sqrt(2.0)), 2 * x * slope * 2 * np.sqrt(2.0), rtol=1e-12)
    x = root(3.0)
    np.testing.assert_allclose(f(np.sqrt(3.0)), 2 * x / (3 * x**2 + 1) * 2 * np.sqrt(3.0), rtol=1e-12)


def test_higher_derivatives_of_code_that_cannot_be_recorded():
    x = root(2.0)
    np.testing.assert_allclose(wg.hessian(root)(2.0), -6 * x / (3 * x**2 + 1) ** 3, rtol=1e-12)
    wg.check_gradients(root, (2.0,))


def test_where_only_types_are_known_such_code_is_refused():
    with pytest.raises(DerivativeError, match=r"math\.pow"):
        wg.vmap(lambda a: root_by_math(a))(X)


@wg.custom_jvp
def root_by_math(a):
    return math.pow(a, 2)


root_by_math.defjvp(lambda primals, tangents: (0.0, tangents[0]))


@pytest.mark.parametrize("x", [3.0, -3.0])
@pytest.mark.parametrize("compile", [lambda f: f, wg.jit], ids=["eager", "jit"])
def test_branches_on_values_in_the_function_and_its_rule(compile, x):
    @wg.custom_jvp
    def f(x):
        return x if x > 0 else -2 * x

    @f.defjvp
    def rule(primals, tangents):
        (x,), (dx,) = primals, tangents
        return f(x), (5 * dx if x > 0 else -7 * dx)

    assert compile(f)(x) == f(x)
    assert compile(wg.grad(f))(x) == (5.0 if x > 0 else -7.0)
    with pytest.raises(ControlFlowError, match=r"np\.where"):
        wg.vmap(f)(X)


def test_what_is_written_into_arguments_stays_inside():
    @wg.custom_vjp
    def f(x):
        x[0] = 7.0
        return np.sum(x)

    def bwd(x, g):
        x[1:] = 1.0
        return (x * g,)

    f.defvjp(lambda x: (None, x), bwd)
    x = X.copy()
    np.testing.assert_allclose(wg.grad(f)(x), [0.5, 1.0, 1.0])
    np.testing.assert_array_equal(x, X)


def test_rules_may_fill_arrays():
    @wg.custom_jvp
    def f(x):
        return x[::-1].copy()

    @f.defjvp
    def rule(primals, tangents):
        out = np.zeros(3)
        for i in range(3):
            out[i] = tangents[0][2 - i] * primals[0][i]
        return f(primals[0]), out

    np.testing.assert_allclose(wg.jvp(f, (X,), (np.ones(3),))[1], X)
    np.testing.assert_allclose(wg.vjp(f, X)[1](np.ones(3))[0], X[::-1])


def test_a_linear_system_in_the_rule():
    a = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 4.0]])

    @wg.custom_vjp
    def solution(b):
        return np.linalg.solve(a, b)

    solution.defvjp(lambda b: (solution(b), None), lambda _, g: (np.linalg.solve(a.T, g),))
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(wg.jacobian(solution, mode=mode)(X), np.linalg.inv(a), rtol=1e-12)


def test_a_loop_in_the_rule():
    """The cumulative sum, each of whose steps a scan makes, in both directions."""

    def cumulative(x):
        return wg.scan(lambda total, v: (total + v, total + v), 0.0, x)[1]

    f = wg.custom_jvp(lambda x: np.cumsum(x))
    f.defjvp(lambda primals, tangents: (f(*primals), cumulative(*tangents)))
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(wg.jacobian(f, mode=mode)(X), np.tri(3))
        np.testing.assert_allclose(wg.jit(wg.jacobian(f, mode=mode))(X), np.tri(3))


def test_exports_hold_what_the_function_is_made_of():
    f = doubled_slope(wg.custom_jvp, np)
    code = exchange.to_numpy(lambda x: f(x, x), X[None])
    assert "sin" in code and "custom_jvp" not in code


def test_traces_name_the_function():
    f = doubled_slope(wg.custom_jvp, np)
    assert "v2 = f(v1, 2)" in str(wg.trace(lambda x: f(x, 2.0))(1.0))


def test_reverse_mode_lets_go_of_what_it_has_used():
    """Afterwards only the gradient is left, without waiting for the collector of cycles."""
    f, x = doubled_slope(wg.custom_jvp, np), np.ones(20_000)
    derivative = wg.grad(lambda x: np.sum(f(f(x, x), x)))
    derivative(x)
    gc.disable()
    tracemalloc.start()
    try:
        gradient = derivative(x)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left < gradient.nbytes + 50_000


# --- errors -------------------------------------------------------------------------------------------------


def clipped(bwd, fwd=lambda x: (x, None)):
    @wg.custom_vjp
    def f(x):
        return x * 1.0

    f.defvjp(fwd, bwd)
    return f


def test_a_clipped_gradient_has_a_gradient_and_no_tangent():
    f = clipped(lambda _, g: (np.clip(g, -1.0, 1.0),))
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(5 * f(x)))(X), np.ones(3))
    line = f.rule[1].__code__.co_firstlineno
    where = rf"test_custom\.py:{line}: the rule of f is not linear in the cotangent: .*maximum.* Forward mode"
    with pytest.raises(DerivativeError, match=where):
        wg.jvp(f, (X,), (X,))


def test_a_rule_that_is_not_linear_in_the_tangents():
    @wg.custom_jvp
    def f(x):
        return x * 1.0

    f.defjvp(lambda primals, tangents: (primals[0], tangents[0] ** 2))
    with pytest.raises(
        DerivativeError, match=r"test_custom\.py:\d+: .*not linear in the tangents: .* Reverse mode"
    ):
        wg.grad(f)(2.0)


WRONG = {
    "no tuple": (lambda _, g: g, "gives a .*return \\(x_bar,\\)"),
    "too many": (lambda _, g: (g, g), "gives 2 entries, and f has 1 arguments"),
    "another shape": (lambda _, g: (g[:2],), "shape of the cotangent is \\(2,\\).*argument 0 of f \\(3,\\)"),
    "another tree": (lambda _, g: ([g, g],), "tree of the cotangent"),
    "complex": (lambda _, g: (g * 1j,), "complex"),
}


@pytest.mark.parametrize("bwd, message", WRONG.values(), ids=WRONG)
def test_a_wrong_cotangent_is_refused_at_the_rule(bwd, message):
    line = bwd.__code__.co_firstlineno
    with pytest.raises(MismatchError, match=rf"test_custom\.py:{line}: .*{message}"):
        wg.grad(lambda x: np.sum(clipped(bwd)(x)))(X)


def test_a_forward_pass_without_residuals_is_refused():
    with pytest.raises(MismatchError, match=r"test_custom\.py:\d+: .*Return the pair \(value, residuals\)"):
        wg.grad(lambda x: np.sum(clipped(lambda _, g: (g,), fwd=lambda x: x)(x)))(X)


def test_a_rule_of_the_wrong_form_is_refused():
    @wg.custom_jvp
    def f(x):
        return x * 1.0

    f.defjvp(lambda primals, tangents: tangents[0])
    with pytest.raises(MismatchError, match=r"test_custom\.py:\d+: .*Return the pair \(value, tangent\)"):
        wg.jvp(f, (2.0,), (1.0,))
    f.defjvp(lambda primals, tangents: (primals[0], np.ones(2)))
    with pytest.raises(MismatchError, match=r"tangent is \(2,\), and that of the value of f \(\)"):
        wg.jvp(f, (2.0,), (1.0,))


@pytest.mark.parametrize("custom, how", [(wg.custom_jvp, "defjvp"), (wg.custom_vjp, "defvjp")])
def test_a_function_without_rule(custom, how):
    f = custom(np.sin)
    assert f(0.0) == 0.0
    with pytest.raises(DerivativeError, match=rf"test_custom\.py:\d+: sin has no rule\. .*{how}"):
        wg.grad(f)(1.0)


def test_a_traced_value_from_outside():
    def outer(w):
        @wg.custom_jvp
        def f(x):
            return x * w

        f.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
        return f(3.0)

    for transformed in (wg.grad(outer), wg.vmap(lambda w: outer(w)), wg.jit(outer)):
        with pytest.raises(DerivativeError, match=r"test_custom\.py:\d+: f uses a traced value from outside"):
            transformed(2.0 if transformed.__name__ == "outer" else X)


def test_what_is_no_number_is_to_be_named():
    f = wg.custom_jvp(lambda x, how: x)
    f.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
    with pytest.raises(TypeError, match=r"given a str, .*nondiff_argnums"):
        wg.grad(lambda x: f(x, "half"))(1.0)


def test_a_traced_argument_that_is_said_to_have_no_derivative():
    f = wg.custom_jvp(lambda x, y: x * y, nondiff_argnums=(1,))
    f.defjvp(lambda y, primals, tangents: (primals[0], tangents[0]))
    with pytest.raises(DerivativeError, match=r"argument 1 of .* is traced, and nondiff_argnums names it"):
        wg.grad(lambda x: f(x, x))(1.0)
    g = wg.custom_jvp(lambda x: x, nondiff_argnums=(3,))
    g.defjvp(lambda y, primals, tangents: (primals[0], tangents[0]))
    with pytest.raises(TypeError, match=r"has 1 arguments, and nondiff_argnums names number 3"):
        wg.grad(g)(1.0)


def test_arguments_by_name_alone():
    @wg.custom_jvp
    def f(x, *, scale):
        return x * scale

    f.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
    with pytest.raises(TypeError, match="f takes scale by name alone"):
        wg.grad(lambda x: f(x, scale=2.0))(1.0)


def test_another_number_of_arguments():
    f = doubled_slope(wg.custom_jvp, np)
    with pytest.raises(TypeError, match=r"test_custom\.py:\d+: f\(x, w\): missing a required argument: 'w'"):
        wg.grad(lambda x: f(x))(1.0)


def test_what_is_no_function():
    with pytest.raises(TypeError, match="custom_vjp needs a function, not something of type float"):
        wg.custom_vjp(2.0)
