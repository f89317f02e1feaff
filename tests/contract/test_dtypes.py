"""dtypes follow NumPy 2: Python scalars are weak, float32 stays float32; complex numbers as in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.contract.helpers import close

F32 = np.array([0.5, -1.5, 2.0], np.float32)
Z = np.array([1.0 + 2.0j, -0.5 + 0.3j])


def dtypes(f, *args):
    """dtype of f's value as recorded, and of its gradient."""
    seen = []

    def recorded(*args):
        value = f(*args)
        seen.append(value.dtype)
        return np.sum(value)

    gradient = wg.grad(recorded)(*args)
    return seen[0], gradient.dtype


WEAK = {
    "times float": lambda x: x * 2.0,
    "float times": lambda x: 2.0 * x,
    "plus int": lambda x: x + 1,
    "over": lambda x: x / 3.0,
    "minus from": lambda x: 1 - x,
    "power": lambda x: x**2,
    "float power": lambda x: np.abs(x) ** 1.5,
    "base": lambda x: 2.0**x,
    "maximum": lambda x: np.maximum(x, 0.0),
    "where": lambda x: np.where(x > 0, x, 0.0),
    "clip": lambda x: np.clip(x, -1.0, 1.0),
    "mean": np.mean,
    "sin": np.sin,
    "division by len": lambda x: x / len(x),
    "ones_like": lambda x: x + np.ones_like(x),
    "float32 array": lambda x: x + np.ones(3, np.float32),
    "float32 scalar": lambda x: x * np.float32(2),
    "linspace weak": lambda x: x * float(np.pi),
}


@pytest.mark.parametrize("f", WEAK.values(), ids=WEAK.keys())
def test_float32_stays_float32(f):
    assert f(F32).dtype == np.float32
    assert dtypes(f, F32) == (np.float32, np.float32)


STRONG = {
    "float64 array": lambda x: x + np.ones(3),
    "float64 scalar": lambda x: x * np.float64(2),
    "np.pi array": lambda x: x * np.asarray(np.pi),
    "int64 array": lambda x: x * np.arange(3),
    "astype": lambda x: x.astype(float),
}


@pytest.mark.parametrize("f", STRONG.values(), ids=STRONG.keys())
def test_promotion_to_float64_comes_back_as_float32(f):
    assert f(F32).dtype == np.float64
    assert dtypes(f, F32) == (np.float64, np.float32)


def test_a_python_scalar_argument_is_weak():
    seen = []
    wg.grad(lambda a: seen.append((a * F32).dtype) or np.sum(a * F32))(2.0)
    assert seen == [np.float32]


def test_a_numpy_scalar_argument_is_strong():
    seen = []
    wg.grad(lambda a: seen.append((a * F32).dtype) or np.sum(a * F32))(np.float64(2.0))
    assert seen == [np.float64]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_derivative_has_the_dtype_of_its_argument(dtype):
    x = np.array([0.5, 1.0], dtype)
    f = lambda x: np.sum(x**3)
    assert wg.grad(f)(x).dtype == dtype
    assert wg.value_and_grad(f)(x)[0].dtype == dtype
    assert wg.hessian(f)(x).dtype == dtype
    assert wg.hvp(f, (x,), (x,))[0].dtype == dtype
    value, tangent = wg.jvp(np.sin, (x,), (x,))
    assert value.dtype == tangent.dtype == dtype
    value, pullback = wg.vjp(np.sin, x)
    assert value.dtype == pullback(x)[0].dtype == dtype
    for mode in ("forward", "reverse"):
        assert wg.jacobian(np.sin, mode=mode)(x).dtype == dtype


def test_float32_numbers_are_right():
    f = lambda x: np.sum(np.tanh(x) * np.exp(-(x**2)))
    close(
        wg.grad(f)(F32),
        jax.grad(lambda x: jnp.sum(jnp.tanh(x) * jnp.exp(-(x**2))))(F32),
        rtol=1e-5,
        atol=1e-6,
    )


def test_mixed_precision_arguments_each_keep_their_own():
    found = wg.grad(lambda x, y: np.sum(x * y), argnums=(0, 1))(F32, F32.astype(float))
    assert (found[0].dtype, found[1].dtype) == (np.float32, np.float64)


def test_integer_constants_and_inputs_do_no_harm():
    counts = np.array([1, 2, 3])
    close(wg.grad(lambda x, n: np.sum(x * n) / n.sum())(np.ones(3), counts), counts / 6)


def test_what_a_tracer_says_of_itself():
    def f(x):
        assert x.dtype == np.float32
        assert x.shape == (3,)
        assert (x.ndim, x.size, len(x), x.itemsize, x.nbytes) == (1, 3, 3, 4, 12)
        assert np.shape(x) == (3,) and np.ndim(x) == 1 and np.size(x) == 3
        assert np.issubdtype(x.dtype, np.floating)
        assert np.result_type(x, np.float64) == np.float64
        assert np.iscomplexobj(x) is False
        return np.sum(x)

    wg.grad(f)(F32)


# Complex numbers -----------------------------------------------------------------------------------------

COMPLEX = {
    "abs squared": (lambda z: np.sum(np.abs(z) ** 2), lambda z: jnp.sum(jnp.abs(z) ** 2)),
    "abs": (lambda z: np.sum(np.abs(z)), lambda z: jnp.sum(jnp.abs(z))),
    "real": (lambda z: np.sum(np.real(z)), lambda z: jnp.sum(jnp.real(z))),
    "imag": (lambda z: np.sum(np.imag(z)), lambda z: jnp.sum(jnp.imag(z))),
    "conj": (lambda z: np.sum((z * np.conj(z)).real), lambda z: jnp.sum((z * jnp.conj(z)).real)),
    "exp": (lambda z: np.sum(np.exp(z)).real, lambda z: jnp.sum(jnp.exp(z)).real),
    "exp imag": (lambda z: np.sum(np.exp(z)).imag, lambda z: jnp.sum(jnp.exp(z)).imag),
    "power": (lambda z: np.sum((z**3).imag), lambda z: jnp.sum((z**3).imag)),
    "quotient": (lambda z: np.abs(z[0] / z[1]), lambda z: jnp.abs(z[0] / z[1])),
    "sqrt": (lambda z: np.sum(np.sqrt(z)).real, lambda z: jnp.sum(jnp.sqrt(z)).real),
    "log": (lambda z: np.sum(np.log(z)).imag, lambda z: jnp.sum(jnp.log(z)).imag),
    "sin": (lambda z: np.sum(np.sin(z)).real, lambda z: jnp.sum(jnp.sin(z)).real),
    "angle": (lambda z: np.sum(np.angle(z)), lambda z: jnp.sum(jnp.angle(z))),
    "attributes": (lambda z: np.sum(z.real * z.imag), lambda z: jnp.sum(z.real * z.imag)),
    "matmul": (lambda z: np.abs(z @ np.array([1j, 2.0])), lambda z: jnp.abs(z @ jnp.array([1j, 2.0]))),
    "vdot": (
        lambda z: np.vdot(z, np.array([1j, 2.0])).real,
        lambda z: jnp.vdot(z, jnp.array([1j, 2.0])).real,
    ),
}


@pytest.mark.parametrize(("f", "g"), COMPLEX.values(), ids=COMPLEX.keys())
def test_gradient_by_complex_numbers_is_that_of_jax(f, g):
    found = wg.grad(f)(Z)
    assert found.dtype == np.complex128
    close(found, jax.grad(g)(Z))


def test_gradient_is_du_da_minus_i_du_db():
    assert wg.grad(lambda z: (z**2).real)(1.0 + 2.0j) == pytest.approx(2 + 4j)


def test_jvp_by_complex_numbers():
    value, tangent = wg.jvp(lambda z: z**2, (1 + 2j,), (1j,))
    assert value == pytest.approx((1 + 2j) ** 2)
    assert tangent == pytest.approx(2 * (1 + 2j) * 1j)


def test_pullback_pairs_as_the_real_part_of_the_sum():
    c, v = np.array([1.0 - 1j, 0.5j]), np.array([0.3 + 0.1j, -1j])
    f = lambda z: np.exp(z) * z[::-1]
    _, tangent = wg.jvp(f, (Z,), (v,))
    _, pullback = wg.vjp(f, Z)
    assert np.sum(c * tangent).real == pytest.approx(np.sum(pullback(c)[0] * v).real)
    close(pullback(c)[0], jax.vjp(lambda z: jnp.exp(z) * z[::-1], Z)[1](c)[0])


def test_pullback_of_a_function_that_is_not_analytic():
    c = np.array([1.0 - 1j, 0.5j])
    close(wg.vjp(np.conj, Z)[1](c)[0], jax.vjp(jnp.conj, Z)[1](c)[0])


def test_real_arguments_through_complex_numbers_have_real_gradients():
    x = np.array([0.3, 0.7])
    found = wg.grad(lambda x: np.sum(np.abs(np.exp(1j * x) + 1) ** 2))(x)
    assert found.dtype == np.float64
    close(found, -2 * np.sin(x))


def test_complex64_stays_complex64():
    z = Z.astype(np.complex64)
    assert wg.grad(lambda z: np.sum(np.abs(z * 2.0) ** 2))(z).dtype == np.complex64


HOLOMORPHIC = {
    "power": lambda np: lambda z: z**3 * z[::-1],
    "exp": lambda np: lambda z: np.exp(z) / z[0],
    "real gradient": lambda np: lambda z: 2 * z + 1j,
    "fft": lambda np: lambda z: np.fft.fft(z**2),
    "solve": lambda np: lambda z: np.linalg.solve(np.outer(z, z) + np.eye(2), z),
    "chosen by a part": lambda np: lambda z: np.where(np.real(z) > 0, z**2, 3j * z),
    "scan": lambda np: lambda z: _scan(np)(lambda c, v: (c * v + 1j, c), 1.0 + 0j, z)[0],
}


def _scan(np):
    return wg.scan if np.__name__ == "numpy" else jax.lax.scan


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("make", HOLOMORPHIC.values(), ids=HOLOMORPHIC)
def test_jacobian_of_a_holomorphic_function_is_that_of_jax(make, mode):
    close(wg.jacobian(make(np), mode=mode)(Z), jax.jacfwd(make(jnp), holomorphic=True)(Z))
    close(wg.jit(wg.jacobian(make(np), mode=mode))(Z), jax.jacfwd(make(jnp), holomorphic=True)(Z))


CONJUGATING = {
    "conj": (np.conj, "conjugate"),
    "abs": (np.abs, "complex_absolute"),
    "real": (lambda z: np.real(z) * z, "real"),
    "angle": (np.angle, "imag"),
    "in a loop": (lambda z: wg.scan(lambda c, v: (c + np.conj(v), c), 0j, z)[0], "scan"),
    "svd": (lambda z: np.linalg.svd(np.outer(z, z) + np.eye(2))[1], "svd"),
}


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
@pytest.mark.parametrize(("f", "name"), CONJUGATING.values(), ids=CONJUGATING)
def test_jacobian_of_what_has_no_complex_derivative_is_refused(f, name, mode):
    with pytest.raises(TypeError, match=rf"{name} has not\. Differentiate by both parts: .*z\.real, z\.imag"):
        wg.jacobian(f, mode=mode)(Z)
    by_parts = wg.jacobian(lambda a, b: f(a + 1j * b), argnums=(0, 1))(Z.real, Z.imag)
    v = np.array([0.3 + 0.1j, -1j])
    close(by_parts[0] @ v.real + by_parts[1] @ v.imag, wg.jvp(f, (Z,), (v,))[1])


def test_hessian_by_complex_numbers():
    close(wg.hessian(lambda z: np.sum(z**3).real)(Z), np.diag(6 * Z))
    with pytest.raises(TypeError, match="has not"):
        wg.hessian(lambda z: np.sum(np.abs(z) ** 2))(Z)


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_jacobian_of_complex_values_by_real_numbers(mode, dtype):
    f = lambda lib: lambda x: (lib.exp(1j * x[:2]) * x[2], lib.sum(x**2), x[0] + 2j)
    x = np.array([0.3, 0.7, -1.1], dtype)
    found, expected = wg.jacobian(f(np), mode=mode)(x), jax.jacfwd(f(jnp))(x)
    assert [block.dtype for block in found] == [np.result_type(dtype, np.complex64), dtype, found[2].dtype]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
    compiled = wg.jit(wg.jacobian(f(np), mode=mode))(x)
    for one, other in zip(compiled, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


def test_jacobian_by_real_numbers_through_complex_ones():
    x = np.array([0.3, 0.7])
    close(
        wg.jacobian(lambda x: np.abs(np.exp(1j * x) + x))(x),
        jax.jacfwd(lambda x: jnp.abs(jnp.exp(1j * x) + x))(x),
    )


def test_bincount_adds_in_double_precision_as_numpy_does():
    x = np.array([1.0, 2.0, 3.0], np.float32)
    value, gradient = wg.value_and_grad(lambda x: np.sum(np.bincount([0, 1, 1], weights=x) ** 2))(x)
    assert value.dtype == np.float64 and gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, [2, 10, 10])


# Whole numbers ---------------------------------------------------------------------------------------------

INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
COMPARISONS = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]
BOUNDS = (0.5, 1.5, -1.5, 2, -1, 300, -200, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1)


def ends(dtype):
    limits = np.iinfo(dtype)
    return np.array([limits.min, 0, 1, 2, limits.max], dtype)


def equal(f, *args, rtol=0.0):
    """The same numbers and dtypes with and without ``jit``."""
    found, expected = wg.jit(f)(*args), f(*args)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=0)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_whole_numbers_compare_exactly_with_any_python_number(dtype):
    x = ends(dtype)
    equal(lambda x: [compare(x, b) for compare in COMPARISONS for b in BOUNDS], x)
    equal(lambda x: [compare(b, x) for compare in COMPARISONS for b in BOUNDS], x)
    equal(lambda x: [np.logical_and(x, 0.5), np.logical_or(x, 0.5), np.logical_xor(x, 0.5)], x)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_whole_numbers_of_two_dtypes_compare_exactly(dtype):
    x = ends(dtype)
    for other in map(ends, INTEGERS):
        equal(lambda x, y: [f(x, y) for f in COMPARISONS], x[:, None], other)
    for number in (0, 300, -1, 2**62):
        equal(lambda x, n: [compare(x, n) for compare in COMPARISONS], x, number)


@pytest.mark.parametrize("f", [np.add, np.maximum, np.bitwise_and])
def test_python_integers_that_do_not_fit_are_refused(f):
    x = np.arange(4, dtype=np.uint8)
    for c in (300, -1):
        for of in (lambda f: f, wg.jit, wg.vmap, lambda f: wg.jit(wg.vmap(f))):
            with pytest.raises(OverflowError, match=f"Python integer {c} out of bounds for uint8"):
                of(lambda x, c=c: f(x, c))(x)
    with pytest.raises(OverflowError, match=r"test_dtypes.py:\d+: Python integer 300 .*x.astype"):
        wg.vmap(lambda x: f(x, 300))(x)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_bounds_that_bind_nothing_are_left_out(dtype):
    x = ends(dtype)
    equal(lambda x: [np.clip(x, -(2**70), 2), np.clip(x, 1, 2**70), x.clip(min=-300), x.clip(max=2**64)], x)


WHOLE = {
    "sums": lambda x: [np.sum(x, dtype=np.int8), np.prod(x, dtype="u2"), np.cumsum(x, dtype="i2")],
    "einsum of one": lambda x: [np.einsum("i->", x), np.einsum("i->", x > 0)],
    "applied in places": lambda x: [np.add(x, 1, where=x > 1, out=np.zeros_like(x))],
    "truth": lambda x: [np.logical_and.accumulate(x), np.logical_or.reduceat(x, [0, 2])],
    "some truth": lambda x: [np.logical_and.reduce(x, where=x > 0, initial=True)],
    "largest": lambda x: [np.logaddexp.reduce(x + np.int64(0))],
    "parts": lambda x: [*np.modf(x + 0)],
}


@pytest.mark.parametrize("name", WHOLE)
def test_reductions_of_whole_numbers(name):
    for dtype in ("i1", "u1", "i8"):
        equal(WHOLE[name], np.arange(4, dtype=dtype), rtol=1e-3)


@pytest.mark.parametrize("source", ["f4", "f8"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_numbers_are_cut_off_as_by_numpy(source, dtype):
    """In the range of 32 bits, where NumPy's loops and its vectors agree."""
    x = np.array([-1.5, -1.0, 300.7, -200.2, 255.9, 256.0, 7e4, -7e4, 0.5, -0.0, 2.0**30 + 5] * 3, source)
    equal(lambda x: [x.astype(dtype)], x)
    if dtype == "u8":
        equal(lambda x: [x.astype(dtype)], np.array([2.0**62, 2.0**63, 1.5 * 2.0**63], source))


@pytest.mark.parametrize("exponents", ["?", "i1", "u1", "u2", "i4", "u4", "i8"])
def test_powers_of_two_by_any_whole_number(exponents):
    equal(lambda x, n: [np.ldexp(x, n)], np.array([1.5, -2.0, 0.25]), np.array([0, 1, 1]).astype(exponents))


def test_statistics_of_float32():
    x = np.array([[1.0, np.nan, 3.0], [2.0, 5.0, 4.0]], np.float32)
    equal(
        lambda x: [np.nanmean(x, axis=1), np.nanvar(x, axis=0), np.mean(x, axis=1, where=x < 4)], x, rtol=1e-6
    )
    equal(lambda x: [np.cov(x[1]), np.quantile(x[1], [0.5]), np.quantile(x[1], 0.5)], x, rtol=1e-6)
    equal(lambda x: [np.linspace(x[1, 0], x[1, 1], 4)], x, rtol=1e-6)
