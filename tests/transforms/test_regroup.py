"""Fewer operations for the same numbers, rounded otherwise."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.transforms.programs import arrays, dtypes, program, shapes, steps, trace_of
from wengert.core.evaluate import evaluate
from wengert.core.recorder import type_of
from wengert.core.verify import verify
from wengert.transforms.constants import selection_of
from wengert.transforms.counting import operations
from wengert.transforms.regroup import LONG, regroup
from wengert.transforms.simplify import simplify

CHECKS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(40, 30)), RNG.normal(size=(30, 50))
BATCH, OTHERS = RNG.normal(size=(3, 20, 30)), RNG.normal(size=(3, 30, 25))


def regrouped(f, *values):
    """The trace before and after, of which the results are found to be close."""
    trace = simplify(trace_of(f, values))
    passed = verify(simplify(regroup(trace)))
    for found, expected in zip(evaluate(passed, values), evaluate(trace, values), strict=True):
        assert type_of(found) is type_of(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-11)
    return trace, passed


def names(trace):
    return [equation.primitive.name for equation in trace.equations]


@given(steps, shapes, dtypes, st.integers(0, 2**16), st.booleans())
@CHECKS
def test_random_traces(steps, shape, dtype, seed, abstract):
    values = arrays(shape, dtype, seed, False)
    with np.errstate(all="ignore"):
        trace = trace_of(program(steps), values, abstract)
        passed = verify(regroup(trace))
        assert passed.inputs == trace.inputs
        for found, expected in zip(evaluate(passed, values), evaluate(trace, values), strict=True):
            assert type_of(found) is type_of(expected)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


# --- sums ---------------------------------------------------------------------------------------------------

SUMS = {
    "of rows": lambda a, b: np.sum(a @ b, axis=0),
    "of columns": lambda a, b: np.sum(a @ b, axis=1),
    "of all": lambda a, b: np.sum(a @ b),
    "kept": lambda a, b: np.sum(a @ b, axis=0, keepdims=True),
    "of what is negated": lambda a, b: -np.sum(-(a @ b), axis=1, keepdims=True),
    "of an einsum": lambda a, b: np.sum(np.einsum("ik,kj->ji", a, b), axis=0),
    "of an einsum, kept": lambda a, b: np.sum(np.einsum("ik,kj->ij", a, b), axis=-2, keepdims=True),
    "of a transpose": lambda a, b: np.sum((a @ b).T, axis=1),
    "of all matrices' rows": lambda a, b: np.sum(np.stack([a, a]) @ b, axis=(0, 1)),
    "of all matrices' columns": lambda a, b: np.sum(np.stack([a, a]) @ b, axis=-1, keepdims=True),
    "of all matrices": lambda a, b: np.sum(np.stack([a, a]) @ b),
    "in a loop": lambda a, b: wg.scan(lambda c, row: (0.1 * np.sum(a @ (b - c), axis=0), row), b[0], b)[0],
    "adjoint": lambda a, b: wg.grad(lambda v: np.sum(np.tanh((a + v) @ b)))(b[:, 0]),
}
BATCHES = {
    "of rows": lambda a, b: np.sum(a @ b, axis=-2),
    "of rows and matrices": lambda a, b: np.sum(a @ b, axis=(0, 1)),
    "of all": lambda a, b: np.sum(a @ b, axis=(0, 1, 2), keepdims=True),
    "of one matrix with all": lambda a, b: np.sum(a[0] @ b, axis=-2),
    "of transposes": lambda a, b: np.sum(np.swapaxes(a @ b, 1, 2), axis=(0, 2)),
    "of axes turned round": lambda a, b: np.sum(np.transpose(a @ b, (2, 0, 1)), axis=(0, 1), keepdims=True),
    "of an einsum's matrices": lambda a, b: np.sum(np.einsum("bik,bkj->bij", a, b), axis=(0, 2)),
    "adjoint": lambda a, b: wg.grad(lambda v: np.sum(((a - v[:, None]) @ b) ** 2))(a[:, 0]),
}


@pytest.mark.parametrize("f", SUMS.values(), ids=SUMS)
def test_a_sum_of_a_product_is_a_product_of_sums(f):
    before, after = regrouped(f, A, B)
    inside = [e.params["body"] for e in (*before.equations, *after.equations) if "body" in e.params]
    assert operations((inside or [before, after])[-1]) < 0.6 * operations((inside or [before])[0])


@pytest.mark.parametrize("f", BATCHES.values(), ids=BATCHES)
def test_a_sum_of_products_of_a_batch(f):
    before, after = regrouped(f, BATCH, OTHERS)
    assert operations(after) < 0.6 * operations(before)


KEPT = {
    "used twice": lambda a, b: (lambda y: (np.sum(y, axis=0), y * 2))(a @ b),
    "an output": lambda a, b: (lambda y: (np.sum(y, axis=0), y))(a @ b),
    "of matrices": lambda a, b: np.sum(np.stack([a @ b, a @ b]), axis=0),
    "of some of the matrices' rows": lambda a, b: np.sum((np.stack([a, a]) @ b), axis=0),
    "of another shape": lambda a, b: np.sum((a @ b).reshape(-1, 10), axis=0),
    "of one row": lambda a, b: np.sum(a[:1] @ b, axis=0),
    "of something else": lambda a, b: np.sum(np.tanh(a @ b), axis=0),
}


@pytest.mark.parametrize("f", KEPT.values(), ids=KEPT)
def test_products_that_are_needed_stay(f):
    before, after = regrouped(f, A, B)
    assert names(before) == names(after)


def test_whole_numbers_stay():
    a = RNG.integers(-100, 100, size=(5, 6)).astype(np.int8)
    before, after = regrouped(lambda a: (np.sum(a @ a.T, axis=0), np.sum(-a, axis=0)), a)
    assert names(before) == names(after)


# --- constants that choose ----------------------------------------------------------------------------------

PLACES = RNG.permutation(60)[:40]
CHOICE = np.zeros((60, 45))
CHOICE[PLACES, np.arange(40)] = RNG.normal(size=40)
X = RNG.normal(size=(7, 60))

CHOICES = {
    "columns": lambda x: x @ CHOICE,
    "rows": lambda x: CHOICE.T @ x.T,
    "of matrices": lambda x: np.stack([x, x * 2]) @ CHOICE,
    "of a batch": lambda x: CHOICE.T @ np.stack([x.T, x.T]),
    "of a vector": lambda x: CHOICE.T @ x[0],
    "of a vector in front": lambda x: x[0] @ CHOICE,
    "back again": lambda x: x[:, :45] @ np.eye(60)[:, :45].T,
    "adjoint": lambda x: wg.grad(lambda x: np.sum(np.sin(x @ CHOICE)))(x),
}


@pytest.mark.parametrize("f", CHOICES.values(), ids=CHOICES)
def test_a_constant_with_one_number_in_a_column_chooses(f):
    _, after = regrouped(f, X)
    assert {"getitem"} <= {*names(after)}
    assert not {"matmul", "matvec"} & {*names(after)}


@pytest.mark.parametrize("f", CHOICES.values(), ids=CHOICES)
def test_what_is_not_finite_spreads_as_in_a_product(f):
    for number in (np.inf, -np.inf, np.nan):
        for places in ([3], [PLACES[0]], [PLACES[1], PLACES[2]], [55], slice(None)):
            x = X.copy()
            x[2, places] = number
            with np.errstate(invalid="ignore"):
                trace = simplify(trace_of(f, [x]))
                np.testing.assert_allclose(
                    *(evaluate(t, [x])[0] for t in (regroup(trace), trace)), rtol=1e-12, atol=1e-12
                )


@pytest.mark.parametrize(
    "matrix",
    [
        CHOICE[: LONG - 1],
        np.where(np.arange(60)[:, None] < 2, 1.0, CHOICE),
        RNG.normal(size=(60, 45)),
        CHOICE.astype(np.float32),
    ],
    ids=["short", "two in a column", "full", "of another dtype"],
)
def test_other_constants_multiply(matrix):
    before, after = regrouped(lambda x: x[:, : len(matrix)] @ matrix, X)
    assert names(before) == names(after)


def test_selections_are_found():
    places, numbers = selection_of(CHOICE)
    np.testing.assert_array_equal(places, [*PLACES, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(numbers, CHOICE[places, np.arange(45)])
    assert selection_of(np.where(CHOICE == 0, -0.0, CHOICE)) is None
    assert selection_of(CHOICE.T[:, ::-1]) is not None


# --- quotients ----------------------------------------------------------------------------------------------


def test_the_derivative_of_a_reciprocal_divides_once():
    _, after = regrouped(lambda x: wg.grad(lambda x: np.sum(1 / (1 + np.exp(-x))))(x), X)
    assert names(after).count("divide") == 1


def test_other_quotients_stay():
    before, after = regrouped(lambda x: (2 / x / x, 1 / x / np.abs(x), x / (1 / x)), X)
    assert names(before) == names(after)


# --- natively -----------------------------------------------------------------------------------------------


def test_compiled_code_has_fewer_operations():
    f = wg.jit(lambda a, b: np.sum(a @ b, axis=0))
    assert f.explain(A, B).operations < A.size + 3 * B.size
    np.testing.assert_allclose(f(A, B), np.sum(A @ B, axis=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("turned", [np.asarray, np.transpose])
def test_compiled_code_knows_which_constant_it_chooses_by(turned):
    wide = np.pad(CHOICE, ((0, 60), (0, 60)))
    for matrix in (turned(wide), turned(np.roll(wide, 1, axis=1)), turned(np.roll(wide, 1, axis=0) * 2)):
        x = np.arange(float(len(matrix)))
        np.testing.assert_allclose(wg.jit(lambda x, m=matrix: x @ m)(x), x @ matrix, rtol=1e-12)
