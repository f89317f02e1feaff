"""check_finite names the first equation that leaves the finite numbers, and the line it stands on."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import NotFiniteError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

FOUND = {
    "adjoint of sqrt": lambda: wg.grad(np.sqrt)(0.0),
    "tangent of sqrt": lambda: wg.jvp(np.sqrt, (0.0,), (1.0,)),
    "value of log": lambda: wg.grad(np.log)(0.0),
    "adjoint of power": lambda: wg.jacobian(lambda x: x**0.5, mode="reverse")(np.array([1.0, 0.0])),
    "tangent of power": lambda: wg.jacobian(lambda x: x**0.5, mode="forward")(np.array([1.0, 0.0])),
    "value of divide": lambda: wg.vmap(lambda x: 1 / x)(np.array([1.0, 0.0])),
}
NESTED = {
    "second derivatives": lambda: wg.hessian(lambda x: np.sum(x**1.5))(np.zeros(2)),
    "product with the Hessian": lambda: wg.hvp(lambda x: x**1.5, (0.0,), (1.0,)),
    "gradients of a batch": lambda: wg.vmap(wg.grad(np.sqrt))(np.array([1.0, 0.0])),
    "a branch not taken": lambda: wg.grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0))(0.0),
    "a loop": lambda: wg.grad(lambda a: wg.scan(lambda c, _: (np.log(c), None), a, None, length=3)[0])(1.0),
}


@pytest.mark.parametrize("what", FOUND)
def test_names_equation_and_line(what):
    with wg.check_finite(), pytest.raises(NotFiniteError, match=rf"^test_finite\.py:\d+: the {what} is not"):
        FOUND[what]()


@pytest.mark.parametrize("f", NESTED.values(), ids=NESTED)
def test_nested_derivatives_are_searched_too(f):
    with wg.check_finite(), pytest.raises(NotFiniteError, match=r"^test_finite\.py:\d+: "):
        f()


@pytest.mark.parametrize("f", (FOUND | NESTED).values(), ids=FOUND | NESTED)
def test_nothing_is_raised_outside(f):
    f()


def test_what_is_finite_passes():
    x = np.array([0.5, 2.0])
    f = lambda x: np.sum(np.log(x) ** 2)
    with wg.check_finite():
        np.testing.assert_array_equal(wg.hessian(f)(x), wg.hessian(f)(x))
        np.testing.assert_array_equal(wg.vmap(np.sqrt)(x), np.sqrt(x))


def test_what_came_in_not_finite_is_not_reported():
    with wg.check_finite():
        assert np.isnan(wg.value_and_grad(lambda x: 2 * x)(np.nan)[0])
