"""Python's and NumPy's protocols on tracers."""

import copy
import functools
import math
import operator
import pickle
from collections.abc import Iterable

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ControlFlowError, DerivativeError, UnsupportedError

X = np.array([[0.73, 1.31, 2.9], [3.1, 0.27, 1.1]])


def both_ways(f, x):
    """Value and derivative of f at x, as recorded and as NumPy computes them."""
    value, tangent = wg.jvp(f, (x,), (np.ones_like(x),))
    expected = f(x)
    np.testing.assert_allclose(value, expected)
    assert np.asarray(value).dtype == np.asarray(expected).dtype
    if np.asarray(expected).dtype.kind == "f":
        numerical = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
        np.testing.assert_allclose(tangent, numerical, rtol=1e-5, atol=1e-7)


BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@pytest.mark.parametrize("other", [2.3, 2, np.float64(2.3), np.array([2.3, 1.7, 0.4])], ids=repr)
@pytest.mark.parametrize("x", [1.9, X], ids=["scalar", "array"])
class TestBinary:
    def test_forward(self, op, other, x):
        both_ways(lambda x: op(x, other), x)

    def test_reflected(self, op, other, x):
        both_ways(lambda x: op(other, x), x)

    def test_of_two_tracers(self, op, other, x):
        both_ways(lambda x: op(x, x * other), x)


@pytest.mark.parametrize("op", [operator.neg, operator.pos, abs], ids=lambda op: op.__name__)
@pytest.mark.parametrize("x", [1.9, -1.9, X - 1], ids=["positive", "negative", "array"])
def test_unary(op, x):
    both_ways(op, x)


def test_matmul():
    both_ways(lambda x: x @ np.ones((3, 2)), X)
    both_ways(lambda x: np.ones((4, 2)) @ x, X)
    both_ways(lambda x: x @ x.T, X)


def test_divmod():
    both_ways(lambda x: divmod(x, 0.4)[1], X)
    both_ways(lambda x: divmod(7.0, x)[0], X)
    both_ways(lambda x: np.divmod(x, 0.4)[1], X)


@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor], ids=lambda op: op.__name__)
def test_bits(op):
    both_ways(lambda x: op(x > 1, x < 2), X)
    both_ways(lambda x: op(True, x < 2), X)


def test_shifts_and_inversion():
    def f(x):
        n = np.floor(x).astype(int)
        return (n << 2) + (n >> 1) + (1 << n) + (64 >> n) + ~n

    both_ways(f, X)
    both_ways(lambda x: ~(x > 1), X)


INPLACE = [
    operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv, operator.imod,
    operator.ipow,
]  # fmt: skip


@pytest.mark.parametrize("op", INPLACE, ids=lambda op: op.__name__)
class TestInPlace:
    def test_keeps_the_object_and_spares_the_caller(self, op):
        def f(x):
            y = x
            again = op(y, 1.7)
            if not isinstance(x, float):
                assert again is y
            return y * 1.0

        x = X.copy()
        _, tangent = wg.jvp(f, (x,), (np.ones_like(x),))
        np.testing.assert_array_equal(x, X)
        out = lambda x: op(x.copy(), 1.7)
        np.testing.assert_allclose(tangent, (out(X + 1e-6) - out(X - 1e-6)) / 2e-6, rtol=1e-5)

    def test_broadcasts_into_itself(self, op):
        both_ways(lambda x: op(x * 1.0, np.array([1.7, 0.6, 2.3])), X)

    def test_of_a_scalar(self, op):
        both_ways(lambda x: op(x, 1.7), 2.9)


def test_in_place_matmul():
    def f(x):
        y = x * 1.0
        y @= np.arange(9.0).reshape(3, 3)
        return y

    both_ways(f, X)


def test_in_place_cannot_change_the_type():
    def f(x):
        n = np.floor(x).astype(int)
        n += x
        return n

    with pytest.raises(TypeError, match=r"test_tracer.py:\d+: a float64 result cannot be written into x"):
        wg.jvp(f, (X,), (X,))


def test_unsuitable_operands():
    for other in (None, "a", {}, set()):
        with pytest.raises(TypeError, match="unsupported operand"):
            wg.grad(lambda x, other=other: x + other)(1.0)


class Celsius:
    """Somebody else's operand."""

    def __radd__(self, other):
        return other * 2


def test_foreign_operands_have_their_say():
    with pytest.raises(UnsupportedError, match=r"test_tracer.py:\d+: a Celsius cannot be an operand"):
        wg.grad(lambda x: np.add(x, Celsius()))(1.0)


class TestQueries:
    def test_shape_and_kin(self):
        def f(x):
            assert x.shape == (2, 3) and x.ndim == 2 and x.size == 6 and len(x) == 2
            assert x.dtype == np.float64 and x.itemsize == 8 and x.nbytes == 48
            assert np.shape(x) == (2, 3) and np.ndim(x) == 2 and np.size(x) == 6
            assert x.T.shape == x.mT.shape == (3, 2)
            return np.sum(x)

        wg.grad(f)(X)

    def test_is_an_array(self):
        def f(x):
            assert isinstance(x, np.ndarray) and not np.isscalar(x)
            assert isinstance(x[0, 0], np.floating)
            return np.sum(x)

        wg.grad(f)(X)

    def test_is_a_number(self):
        def f(x):
            assert isinstance(x, float) and np.ndim(x) == 0 and np.shape(x) == ()
            return x

        wg.grad(f)(2.0)

    def test_iteration_and_unpacking(self):
        def f(x):
            (a, b, c), d = x
            return a * b + c + sum(v * v for v in d) + sum(np.sum(row) for row in x)

        expected = np.array([[1.31, 0.73, 1], [6.2, 0.54, 2.2]]) + 1
        np.testing.assert_allclose(wg.grad(f)(X), expected)

    def test_scalars_are_not_sequences(self):
        for use in (len, iter, list, lambda x: 2.0 in x, lambda x: x[0], lambda x: x[:]):
            for value in (2.0, np.float64(2.0), np.array(2.0)):
                with pytest.raises((TypeError, IndexError)):
                    wg.grad(lambda x, use=use: (use(x), x)[1])(value)
        wg.grad(lambda x: pytest.fail() if np.iterable(x) or isinstance(x, Iterable) else x)(2.0)

    @pytest.mark.parametrize("value", [np.float64(3.0), np.array(3.0)], ids=["number", "array"])
    @pytest.mark.parametrize("index", [None, ..., (), (None, ...), (..., None), (None, None), True, np.True_])
    def test_indices_of_no_axis(self, index, value):
        """What NumPy allows on a number and on an array without axes."""
        take = lambda w: (w * 1.5)[index] + w[index]
        expected = take(value)
        for found in (wg.jit(take)(value), wg.jvp(take, (value,), (value,))[0]):
            np.testing.assert_array_equal(found, expected)
            assert np.shape(found) == np.shape(expected)
        assert wg.grad(lambda w: np.sum(take(w)))(value) == 2.5
        batch = np.stack([value, 2 * value])
        np.testing.assert_array_equal(wg.vmap(take)(batch), np.stack([take(w) for w in batch]))
        np.testing.assert_array_equal(wg.jit(wg.vmap(wg.grad(lambda w: np.sum(take(w)))))(batch), [2.5, 2.5])

    def test_contains(self):
        wg.grad(lambda x: (None, np.sum(x))[1] if 0.73 in x and 5.0 not in x else pytest.fail())(X)

    def test_hash(self):
        assert wg.grad(lambda x: {x: 2 * x}[x])(1.5) == 2

        def f(x):
            with pytest.raises(TypeError, match="unhashable"):
                hash(x)
            return np.sum(x)

        wg.grad(f)(X)

    def test_truth(self):
        assert wg.grad(lambda x: 2 * x if x > 1 else 3 * x)(2.0) == 2
        assert wg.grad(lambda x: 2 * x if x else 3 * x)(0.0) == 3
        with pytest.raises(ValueError, match="ambiguous"):
            wg.grad(lambda x: np.sum(x) if x > 1 else x)(X)

    def test_as_an_index(self):
        def f(x):
            n = np.sum(x > 1)
            return sum(x[0, i] for i in range(np.argmax(x[0]))) * [1.0, 2.0, 3.0, 4.0, 5.0][n]

        np.testing.assert_allclose(wg.grad(f)(X), [[5, 5, 0], [0, 0, 0]])


class TestShowing:
    def test_format_and_repr(self):
        def f(x):
            assert f"{x:.3f}" == "2.500" and f"{x}" == "2.5" and format(x, "e") == "2.500000e+00"
            assert "2.5" in repr(x) and repr(x).startswith("Tracer(")
            return x

        wg.grad(f)(2.5)

    def test_of_arrays(self):
        def f(x):
            assert "0.7" in f"{x}" and "Tracer(" in repr(x) and "0.7" in str(x)
            return np.sum(x)

        wg.grad(f)(X)

    def test_where_there_is_no_number(self):
        shown = []
        wg.vmap(lambda x: (shown.append((repr(x), f"{x}")), x)[1])(np.ones(3))
        assert shown == [("Tracer(float64)", "Tracer(float64)")]


class TestCopies:
    @pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, np.copy, lambda x: x.copy(), lambda x: x[...]])
    @pytest.mark.parametrize("x", [2.0, X], ids=["scalar", "array"])
    def test_keep_the_derivative(self, how, x):
        if np.ndim(x) == 0 and how not in (copy.copy, copy.deepcopy, np.copy):
            pytest.skip("numbers have no such method")
        both_ways(lambda x: how(x) * x, x)

    def test_are_apart(self):
        def f(x):
            for how in (copy.copy, copy.deepcopy, np.copy, lambda x: x.copy(), lambda x: x.flatten()):
                y = how(x)
                y[...] = 0
            return np.sum(x * x)

        np.testing.assert_allclose(wg.grad(f)(X), 2 * X)

    def test_deep_inside(self):
        both_ways(lambda x: copy.deepcopy({"a": [x, 2 * x]})["a"][1] * x, X)

    def test_pickling_says_what_to_do(self):
        with pytest.raises(DerivativeError, match=r"pickling x would lose the derivative of x"):
            wg.grad(lambda x: pickle.dumps(x))(X)


class TestConversions:
    @pytest.mark.parametrize(
        "use, what, instead",
        [
            (lambda x: float(x), r"float\(x\)", "Write x itself"),
            (lambda x: complex(x), r"complex\(x\)", "Write x itself"),
            (lambda x: math.exp(x), r"math.exp\(x\)", r"Write np.exp\(x\)"),
            (lambda x: math.atan2(x, 1.0), r"math.atan2\(x\)", r"Write np.arctan2\(x\)"),
            (lambda x: np.float32(x), r"np.float32\(x\)", "astype"),
            (lambda x: "%g" % x, "formatting x with %", "f-string"),  # noqa: UP031
        ],
    )
    def test_that_lose_the_derivative(self, use, what, instead):
        with pytest.raises(DerivativeError) as caught:
            wg.grad(use)(2.0)
        assert caught.match(rf"^test_tracer.py:\d+: {what} would lose the derivative of x \(float64\)")
        assert caught.match(instead)

    def test_writing_into_an_older_array(self):
        A = np.zeros(3)

        def f(x):
            A[0] = x
            return np.sum(A)

        with pytest.raises(DerivativeError, match=r"made before the recording .*np.copy\(A\)"):
            wg.grad(f)(2.0)

    def test_out_into_an_older_array(self):
        A = np.zeros(3)
        with pytest.raises(
            DerivativeError, match=r"test_tracer.py:\d+: out= or an operator such as \+= writes"
        ):
            wg.grad(lambda x: np.sum(np.multiply(x, 2.0, out=A)))(np.ones(3))

    def test_that_have_no_derivative_to_lose(self):
        def f(x):
            assert int(x) == 2 and round(x) == 3 and round(x, 1) == 2.7
            assert math.floor(x) == 2 and math.ceil(x) == 3 and math.trunc(x) == 2
            assert not x.is_integer() and type(int(x)) is int
            assert float(np.floor(x).astype(int)) == 2.0
            return x * int(x)

        assert wg.grad(f)(2.7) == 2

    def test_items_and_lists_keep_it(self):
        np.testing.assert_allclose(wg.grad(lambda x: x[0, 1].item() * x.item(4))(X)[0, 1], X[1, 1])
        np.testing.assert_allclose(wg.grad(lambda x: sum(map(sum, x.tolist())))(X), np.ones((2, 3)))

    def test_whole_numbers_and_truth_values_are_keys_by_their_value(self):
        f = lambda x: {0: 2.0, 1: 3.0}[np.argmax(x)] * {True: x, False: 0 * x}[x[0] > x[1]].sum()
        np.testing.assert_array_equal(wg.grad(f)(np.array([2.0, 1.0])), [2, 2])
        assert wg.grad(lambda x: x * (x.astype(int) in {2, 5}))(2.5) == 1

    def test_caches_tell_numbers_of_equal_value_apart(self):
        square = functools.cache(lambda x: x * x)
        assert wg.grad(lambda x, y: square(x) + 3 * square(y), (0, 1))(2.0, 2.0) == (4, 12)

    def test_numbers_that_stand_for_many(self):
        for use in (bool, int, lambda x: 1 if x > 0 else 2, lambda x: [1, 2][x.astype(int)]):
            with pytest.raises(ControlFlowError) as caught:
                wg.vmap(use)(np.ones(3))
            assert caught.match(r"^test_tracer.py:\d+: the number behind a tracer \(.*\) was asked for")
            assert caught.match(r"np.where\(condition, a, b\), wg.cond or wg.while_loop")

    def test_missing_methods(self):
        with pytest.raises(UnsupportedError, match=r"test_tracer.py:\d+: x.tobytes is not recorded"):
            wg.grad(lambda x: x.tobytes())(X)
        with pytest.raises(AttributeError):
            wg.grad(lambda x: x.nonsense)(X)

    def test_the_class_is_fixed(self):
        def f(x):
            with pytest.raises(TypeError, match="class of a tracer"):
                x.__class__ = float
            return np.sum(x)

        wg.grad(f)(X)
        wg.grad(f)(2.0)


METHODS = {
    "sum": lambda x: x.sum(axis=0),
    "prod": lambda x: x.prod(),
    "mean": lambda x: x.mean(1),
    "std": lambda x: x.std(),
    "var": lambda x: x.var(axis=0),
    "max": lambda x: x.max(),
    "min": lambda x: x.min(axis=1),
    "any": lambda x: (x > 1).any(),
    "all": lambda x: (x > 1).all(),
    "argmax": lambda x: x.argmax(1),
    "argmin": lambda x: x.argmin(),
    "cumsum": lambda x: x.cumsum(),
    "cumprod": lambda x: x.cumprod(1),
    "clip": lambda x: x.clip(0.5, 2),
    "ptp": np.ptp,
    "round": lambda x: x.round(1),
    "repeat": lambda x: x.repeat(2, axis=0),
    "take": lambda x: x.take([1, 0], 1),
    "ravel": lambda x: x.ravel(),
    "squeeze": lambda x: x[:, :1].squeeze(),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "diagonal": lambda x: x.diagonal(),
    "trace": lambda x: x.trace(),
    "dot": lambda x: x.dot(np.ones(3)),
    "argsort": lambda x: x.argsort(axis=0),
    "reshape": lambda x: x.reshape(3, -1),
    "transpose": lambda x: x.transpose(1, 0),
    "astype": lambda x: x.astype(np.float64),
    "flat": lambda x: x.flat[::2],
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "conj": lambda x: x.conj(),
    "compress": lambda x: x.compress([True, False, True], axis=1),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods(method):
    both_ways(METHODS[method], X)


@pytest.mark.filterwarnings("ignore:Setting the shape")  # deprecated since NumPy 2.5
def test_methods_in_place():
    def f(x):
        y = x * 1.0
        y.sort(axis=1)
        z = y.copy()
        z.fill(3.0)
        z.shape = (6,)
        return y.reshape(-1) * z

    both_ways(f, X)


class TestProtocols:
    def test_ufuncs_and_their_methods(self):
        both_ways(lambda x: np.add.reduce(x, axis=0), X)
        both_ways(lambda x: np.multiply.outer(x[0], x[1]), X)
        both_ways(lambda x: np.add.accumulate(x, axis=1), X)
        both_ways(lambda x: np.maximum.reduce(x), X)

    def test_where_and_out(self):
        def f(x):
            out = x * 3.0
            np.exp(x, where=x > 1, out=out)
            return out

        both_ways(f, X)

    def test_lists_of_tracers(self):
        both_ways(lambda x: np.array([x[0], 2 * x[1]]), X)
        both_ways(lambda x: np.array([[x[0, 0], 1.0], [2.0, x[1, 1]]]), X)
        both_ways(lambda x: np.stack([x[0, 0], x[0, 1]]), X)
        both_ways(lambda x: np.sin([x[0, 0], x[1, 0]]), X)
        both_ways(lambda x: np.dot([1.0, 2.0], [x[0, 0], x[1, 1]]), X)

    def test_object_arrays_come_back(self):
        def f(x):
            return np.vectorize(lambda t: t * t if t > 1 else t)(x).sum()

        np.testing.assert_allclose(wg.grad(f)(X), np.where(X > 1, 2 * X, 1))
