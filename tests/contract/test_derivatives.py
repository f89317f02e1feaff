"""grad, value_and_grad, jvp, vjp, jacobian, hessian, hvp: arguments, shapes, results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close
from wengert.core.tree import flatten

X = np.array([0.5, -1.2, 2.0])
A = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
MODES = ["forward", "reverse", "numerical", "auto"]


def cube(x):
    return np.sum(x**3)


def product(x, y):
    return np.sum(np.sin(x) * y)


# grad ----------------------------------------------------------------------------------------------------


def test_grad_of_a_scalar_is_a_numpy_scalar():
    found = wg.grad(lambda x: x**3)(2.0)
    assert isinstance(found, np.floating)
    assert found == 12.0
    assert found.dtype == np.float64


def test_grad_mirrors_an_array():
    found = wg.grad(cube)(X)
    assert type(found) is np.ndarray
    close(found, 3 * X**2)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 3), (0,), (3, 0)])
def test_grad_has_the_shape_of_its_argument(shape):
    x = np.linspace(1, 2, int(np.prod(shape))).reshape(shape)
    close(wg.grad(cube)(x), 3 * x**2)


def test_argnums_selects_an_argument():
    y = np.array([1.0, 2.0, 3.0])
    close(wg.grad(product, argnums=1)(X, y), np.sin(X))
    close(wg.grad(product, argnums=0)(X, y), np.cos(X) * y)


def test_negative_argnums_count_from_the_end():
    close(wg.grad(product, argnums=-1)(X, X), np.sin(X))


def test_a_tuple_of_argnums_gives_a_tuple():
    y = np.array([1.0, 2.0, 3.0])
    close(wg.grad(product, argnums=(0, 1))(X, y), (np.cos(X) * y, np.sin(X)))


def test_the_order_of_argnums_is_kept():
    y = np.array([1.0, 2.0, 3.0])
    close(wg.grad(product, argnums=(1, 0))(X, y), (np.sin(X), np.cos(X) * y))


def test_a_tuple_of_one_argnum_gives_a_tuple_of_one():
    found = wg.grad(cube, argnums=(0,))(X)
    assert isinstance(found, tuple) and len(found) == 1
    close(found[0], 3 * X**2)


def test_has_aux_gives_gradient_and_aux():
    found = wg.grad(lambda x: (np.sum(x**2), {"norm": np.sqrt(np.sum(x**2)), "name": "x"}), has_aux=True)(X)
    assert isinstance(found, tuple) and len(found) == 2
    close(found[0], 2 * X)
    assert found[1]["name"] == "x"
    assert found[1]["norm"] == pytest.approx(np.linalg.norm(X))
    assert isinstance(found[1]["norm"], np.floating)


def test_value_and_grad_gives_value_first():
    value, gradient = wg.value_and_grad(cube)(X)
    assert value == pytest.approx(np.sum(X**3))
    assert isinstance(value, np.floating)
    close(gradient, 3 * X**2)


def test_value_and_grad_with_aux_gives_value_and_aux_then_gradient():
    (value, aux), gradient = wg.value_and_grad(lambda x: (np.sum(x**2), x * 2), has_aux=True)(X)
    assert value == pytest.approx(np.sum(X**2))
    assert type(aux) is np.ndarray
    close(aux, X * 2)
    close(gradient, 2 * X)


def test_has_aux_with_a_tuple_of_argnums():
    gradient, aux = wg.grad(lambda x, y: (np.sum(x * y), "aux"), argnums=(0, 1), has_aux=True)(X, 2 * X)
    close(gradient, (2 * X, X))
    assert aux == "aux"


def test_keyword_arguments_pass_through_untouched():
    seen = []

    def f(x, *, scale, option=None):
        seen.append((scale, option))
        return np.sum(x) * scale

    marker = object()
    close(wg.grad(f)(X, scale=3.0, option=marker), np.full(3, 3.0))
    assert all(type(scale) is float and option is marker for scale, option in seen)


def test_arguments_not_differentiated_pass_through_untouched():
    seen = []

    def f(x, y, z):
        seen.append((y, z))
        return np.sum(x)

    y, z = np.arange(3), object()
    wg.grad(f)(X, y, z)
    assert all(a is y and b is z for a, b in seen)


def test_unused_inputs_get_zeros_of_their_own_shape_and_dtype():
    x, y = np.ones((2, 3), np.float32), np.ones(4)
    found = wg.grad(lambda x, y: np.sum(y), argnums=(0, 1))(x, y)
    assert found[0].shape == (2, 3) and found[0].dtype == np.float32
    assert not found[0].any()
    close(found[1], np.ones(4))


def test_a_constant_function_has_gradient_zero():
    close(wg.grad(lambda x: 3.0)(X), np.zeros(3))


def test_the_identity_has_gradient_one():
    assert wg.grad(lambda x: x)(2.0) == 1


def test_the_same_argument_twice():
    close(wg.grad(lambda x, y: np.sum(x * y), argnums=(0, 1))(X, X), (X, X))


def test_f_sees_the_values():
    seen = []
    wg.grad(lambda x: seen.append(bool(x[0] > 0)) or np.sum(x))(X)
    assert seen[0] is True


def test_grad_keeps_the_name_and_docstring_of_nothing_but_works_as_a_decorator():
    @wg.grad
    def slope(x):
        return x**2

    assert slope(3.0) == 6


def test_partial_and_callable_objects():
    class Model:
        def __call__(self, x):
            return np.sum(x**2)

    close(wg.grad(Model())(X), 2 * X)


def test_lists_of_numbers_are_trees():
    assert wg.grad(lambda v: v[0] * v[1])([2.0, 3.0]) == [3.0, 2.0]


# jvp and vjp ---------------------------------------------------------------------------------------------


def test_jvp_gives_value_and_tangent():
    value, tangent = wg.jvp(lambda x: A @ np.sin(x), (X,), (np.array([1.0, 0.0, 2.0]),))
    close(value, A @ np.sin(X))
    close(tangent, A @ (np.cos(X) * [1, 0, 2]))


def test_jvp_of_two_arguments():
    value, tangent = wg.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    assert (value, tangent) == (6, 23)


def test_jvp_of_a_constant_is_zero():
    value, tangent = wg.jvp(lambda x: np.ones(2), (X,), (X,))
    close(value, np.ones(2))
    close(tangent, np.zeros(2))


def test_jvp_with_trees():
    value, tangent = wg.jvp(
        lambda t: {"y": t["a"] * t["b"]}, ({"a": 2.0, "b": 3.0},), ({"a": 1.0, "b": 0.0},)
    )
    assert value == {"y": 6}
    assert tangent == {"y": 3}


def test_vjp_gives_value_and_pullback():
    value, pullback = wg.vjp(lambda x: A @ np.sin(x), X)
    close(value, A @ np.sin(X))
    found = pullback(np.array([1.0, -2.0]))
    assert isinstance(found, tuple) and len(found) == 1
    close(found[0], np.cos(X) * (A.T @ [1, -2]))


def test_pullback_gives_one_cotangent_per_primal():
    _, pullback = wg.vjp(lambda x, y, z: x * y, 2.0, 3.0, X)
    found = pullback(10.0)
    assert found[:2] == (30, 20)
    close(found[2], np.zeros(3))


def test_pullback_may_be_called_again():
    _, pullback = wg.vjp(lambda x: x**2, X)
    first = pullback(np.ones(3))[0]
    close(pullback(2 * np.ones(3))[0], 4 * X)
    close(first, 2 * X)


def test_pullback_of_a_tree():
    value, pullback = wg.vjp(lambda x: {"s": np.sin(x), "c": [np.cos(x)]}, 0.5)
    close(value, {"s": np.sin(0.5), "c": [np.cos(0.5)]})
    assert pullback({"s": 1.0, "c": [2.0]})[0] == pytest.approx(np.cos(0.5) - 2 * np.sin(0.5))


def test_jvp_and_vjp_are_adjoint():
    u, w = np.array([0.1, 0.2, 0.3]), np.array([1.0, -1.0])
    f = lambda x: A @ np.exp(x)
    _, tangent = wg.jvp(f, (X,), (u,))
    _, pullback = wg.vjp(f, X)
    assert w @ tangent == pytest.approx(pullback(w)[0] @ u)


@pytest.mark.parametrize("tangent", [np.ones(2), np.ones((3, 1)), [1.0, 2.0, 3.0], 1.0, None])
def test_jvp_of_a_tangent_of_another_shape_or_tree(tangent):
    with pytest.raises((TypeError, ValueError)):
        wg.jvp(cube, (X,), (tangent,))


def test_jvp_with_too_few_tangents():
    with pytest.raises((TypeError, ValueError)):
        wg.jvp(product, (X, X), (X,))


@pytest.mark.parametrize("cotangent", [np.ones(2), np.ones((3, 1)), [1.0, 2.0, 3.0], 1.0])
def test_pullback_of_a_cotangent_of_another_shape_or_tree(cotangent):
    _, pullback = wg.vjp(np.sin, X)
    with pytest.raises((TypeError, ValueError)):
        pullback(cotangent)


# jacobian ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_jacobian_has_output_shape_then_input_shape(mode):
    close(wg.jacobian(lambda x: A @ x, mode=mode)(X), A, atol=1e-8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("out", [(), (2,), (2, 2), (1,), (0,)])
@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (1,), (0,)])
def test_jacobian_of_any_shapes(out, shape, mode):
    W = np.random.default_rng(0).normal(size=(*out, *shape))
    x = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    f = lambda x: np.sum(W * np.sin(x), axis=tuple(range(len(out), W.ndim)))
    close(wg.jacobian(f, mode=mode)(x), W * np.cos(x), atol=1e-8)


@pytest.mark.parametrize("mode", MODES)
def test_jacobian_by_several_arguments(mode):
    found = wg.jacobian(lambda x, y: x * y, argnums=(0, 1), mode=mode)(X, 2 * X)
    assert isinstance(found, tuple)
    close(found, (np.diag(2 * X), np.diag(X)), atol=1e-8)


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_jacobian_of_trees_is_a_tree_of_blocks(mode):
    f = lambda t: {"y": t["a"] * t["b"], "z": [t["b"] ** 2]}
    found = wg.jacobian(f, mode=mode)({"a": X, "b": 2.0})
    close(found, {"y": {"a": 2 * np.eye(3), "b": X}, "z": [{"a": np.zeros(3), "b": 4.0}]})


def test_jacobian_refuses_an_unknown_mode():
    with pytest.raises(ValueError, match="sideways"):
        wg.jacobian(cube, mode="sideways")(X)


# hessian and hvp -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (1,), (0,)])
def test_hessian_has_the_shape_of_the_argument_twice(shape):
    x = np.linspace(0.5, 1, int(np.prod(shape))).reshape(shape)
    found = wg.hessian(lambda x: np.sum(x) ** 3 + np.sum(x**3))(x)
    expected = 6 * np.sum(x) + np.reshape(np.diag(6 * x.ravel()), shape + shape)
    close(found, expected)


def test_hessian_of_rosenbrock():
    f = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    x = np.array([-1.2, 1.0])
    close(wg.hessian(f)(x), np.array([[2 + 1200 * 1.44 - 400, 480], [480, 200]]))


def test_hessian_by_another_argument():
    close(wg.hessian(lambda c, x: c * np.sum(x**3), argnums=1)(2.0, X), np.diag(12 * X))


def test_hessian_of_a_tree_is_a_tree_of_blocks():
    found = wg.hessian(lambda t: np.sum(t["a"] ** 2) * t["b"])({"a": X, "b": 2.0})
    close(found, {"a": {"a": 4 * np.eye(3), "b": 2 * X}, "b": {"a": 2 * X, "b": 0.0}})


def test_hvp_gives_a_tuple_one_per_primal():
    found = wg.hvp(cube, (X,), (np.array([1.0, 2.0, 3.0]),))
    assert isinstance(found, tuple) and len(found) == 1
    close(found[0], 6 * X * [1, 2, 3])


def test_hvp_of_two_arguments():
    found = wg.hvp(lambda x, y: np.sum(x**2 * y), (X, 2 * X), (np.ones(3), np.zeros(3)))
    close(found, (4 * X, 2 * X))


def test_hessian_is_the_jacobian_of_the_gradient():
    """Block by block, in shape and dtype; also where leaves differ in dtype, are not used, or are empty."""
    given = {
        "a": np.linspace(0.5, 1.0, 6).reshape(2, 3), "b": np.array([0.3, 0.9], np.float32),
        "c": np.array(0.7), "unused": np.ones(2), "empty": np.zeros((0, 3)),
    }  # fmt: skip

    def f(p, s):
        return (
            np.sum(np.exp(p["a"] * p["c"]) * s) * np.prod(p["b"])
            + p["c"] ** 3 * p["b"][0]
            + np.sum(p["empty"])
        )

    for argnums in (0, (1, 0)):
        expected = wg.jacobian(wg.grad(f, argnums), argnums, mode="forward")(given, 1.5)
        found = wg.hessian(f, argnums)(given, 1.5)
        leaves, structure = flatten(expected)
        others, same = flatten(found)
        assert same == structure
        for block, other in zip(leaves, others, strict=True):
            assert (np.shape(other), np.asarray(other).dtype) == (np.shape(block), np.asarray(block).dtype)
            np.testing.assert_allclose(other, block, rtol=1e-6)


def test_hvp_is_the_hessian_times_the_vector():
    f = lambda x: np.log(np.sum(np.exp(A @ x)))
    v = np.array([0.3, -1.0, 2.0])
    close(wg.hvp(f, (X,), (v,))[0], wg.hessian(f)(X) @ v)
    close(wg.hessian(f)(X), jax.hessian(lambda x: jnp.log(jnp.sum(jnp.exp(A @ x))))(X))


def test_hvp_of_a_tree():
    found = wg.hvp(lambda t: t["a"] ** 2 * t["b"], ({"a": 3.0, "b": 2.0},), ({"a": 1.0, "b": 0.0},))
    assert found == ({"a": 4.0, "b": 6.0},)


def test_hvp_of_a_function_that_is_linear_is_zero():
    close(wg.hvp(np.sum, (X,), (X,))[0], np.zeros(3))


# What is not differentiable ------------------------------------------------------------------------------


def test_a_column_of_a_data_frame_is_no_array():
    column = pytest.importorskip("pandas").Series([1.0, 2.0])
    with pytest.raises(
        wg.errors.DerivativeError, match=r"argument 0, which is a Series: .* np.asarray\(x, float\)"
    ):
        wg.grad(lambda x: np.sum(x**2))(column)


@pytest.mark.parametrize("x", [np.arange(3), 3, True, np.array([True, False]), np.arange(3, dtype=np.uint8)])
@pytest.mark.parametrize("transform", [wg.grad, wg.value_and_grad])
def test_integers_and_booleans_have_no_gradient(transform, x):
    with pytest.raises(TypeError):
        transform(lambda x: 1.0 * np.sum(x))(x)


def test_an_array_of_objects_or_text_has_no_gradient():
    for x in ("text", np.array(["a"]), np.array([object()])):
        with pytest.raises(TypeError):
            wg.grad(lambda x: 1.0)(x)


@pytest.mark.parametrize("f", [lambda x: x * 1j, lambda x: np.exp(1j * x)])
def test_grad_of_a_complex_output(f):
    with pytest.raises(TypeError):
        wg.grad(f)(1.0)


@pytest.mark.parametrize("f", [lambda x: x > 0, lambda x: True, lambda x: np.any(x > 0)])
def test_grad_of_a_boolean_output(f):
    with pytest.raises(TypeError):
        wg.grad(f)(1.0)


@pytest.mark.parametrize(
    "f", [lambda x: x, np.sin, lambda x: x[None, 0], lambda x: [x[0]], lambda x: (x[0], x[1])]
)
def test_grad_of_an_output_that_is_not_a_scalar(f):
    with pytest.raises(TypeError):
        wg.grad(f)(X)


def test_grad_of_one_element_names_the_fix():
    with pytest.raises(TypeError, match=r"\[0\]|sum|item|reshape|squeeze"):
        wg.grad(lambda x: x)(np.array([2.0]))


@pytest.mark.parametrize("value", [None, "text", object()])
def test_grad_of_no_number(value):
    with pytest.raises(TypeError):
        wg.grad(lambda x: value)(1.0)


def test_grad_without_the_argument():
    with pytest.raises((TypeError, IndexError, ValueError)):
        wg.grad(cube, argnums=1)(X)


def test_errors_of_f_pass_through():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        wg.grad(f)(X)


def test_an_error_names_the_users_file_and_line():
    with pytest.raises(TypeError, match=r"test_derivatives\.py:\d+"):
        wg.grad(lambda x: x)(X)


@pytest.mark.parametrize("mode", ["forward", "reverse", "numerical", "auto"])
def test_derivatives_of_numbers_by_numbers_are_numbers(mode):
    assert type(wg.jacobian(lambda x: x**2, mode=mode)(3.0)) is np.float64
    assert type(wg.hessian(lambda x: x**2)(3.0)) is np.float64


def test_argnums_are_numbers():
    with pytest.raises(TypeError, match=r"grad got argnums='x'\. Give the places of arguments"):
        wg.grad(lambda x: x, argnums="x")(1.0)
