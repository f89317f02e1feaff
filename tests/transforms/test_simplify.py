"""Every pass keeps every output bit for bit, and does what it is for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.transforms.programs import arrays, dtypes, program, same_bits, shapes, steps, trace_of
from wengert.core.evaluate import environment, evaluate
from wengert.core.trace import Literal
from wengert.core.verify import verify
from wengert.transforms.adjoint import Adjoints, pull
from wengert.transforms.simplify import PASSES, simplify
from wengert.transforms.tangent import push

CHECKS = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
EVERY = {**PASSES, "all": simplify}


def names(trace):
    return [equation.primitive.name for equation in trace.equations]


def simplified(f, *values):
    with np.errstate(all="ignore"):
        trace = trace_of(f, values)
        expected = evaluate(trace, values)
        for one in EVERY.values():
            same_bits(evaluate(verify(one(trace)), values), expected)
    return simplify(trace)


@given(steps, shapes, dtypes, st.integers(0, 2**16), st.booleans(), st.booleans())
@CHECKS
@pytest.mark.parametrize("one", EVERY.values(), ids=EVERY)
def test_a_pass_keeps_random_traces(one, steps, shape, dtype, seed, special, abstract):
    values = arrays(shape, dtype, seed, special)
    with np.errstate(all="ignore"):
        trace = trace_of(program(steps), values, abstract)
        passed = verify(one(trace))
        assert len(passed) <= len(trace)
        assert passed.inputs == trace.inputs
        same_bits(evaluate(passed, values), evaluate(trace, values))


@given(steps, shapes, dtypes, st.integers(0, 2**16))
@CHECKS
def test_derivatives_survive(steps, shape, dtype, seed):
    values = arrays(shape, dtype, seed, False)
    trace = trace_of(program(steps), values)
    for found, expected in zip(derivatives(simplify(trace), values), derivatives(trace, values)):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)


def derivatives(trace, values):
    """Tangents of the outputs for a tangent of ones, and adjoints of the inputs for adjoints of ones."""
    env = environment(trace, values)
    moved = dict(zip(trace.inputs, map(np.ones_like, values)))
    push(trace.equations, env, moved)
    adjoints = Adjoints()
    for atom in trace.outputs:
        if not isinstance(atom, Literal):
            adjoints.add(atom, np.ones(atom.type.shape, atom.type.dtype))
    pull(reversed(trace.equations), env, adjoints)
    zero = np.zeros_like(values[0])
    tangents = [moved.get(a, zero) if not isinstance(a, Literal) else zero for a in trace.outputs]
    return [*tangents, *(adjoints.get(v, zero) for v in trace.inputs)]


X = np.array([[0.0, -0.0, 1.0], [-2.5, np.inf, np.nan]])

VANISH = {
    "x * 1": lambda x: x * 1,
    "1 * x": lambda x: 1.0 * x,
    "x / 1": lambda x: x / 1,
    "x + -0.0": lambda x: x + -0.0,
    "x - 0": lambda x: x - 0,
    "x - 0.0": lambda x: x - 0.0,
    "x - zeros": lambda x: x - np.zeros(3),
    "--x": lambda x: np.negative(-x),
    "+x": lambda x: +x,
    "x ** 1": lambda x: x**1,
    "transposed twice": lambda x: x.T.T,
    "transposed in rounds": lambda x: x[None].transpose(1, 2, 0).transpose(2, 0, 1)[0, :, :] * 1,
    "reshaped and back": lambda x: x.reshape(6).reshape(3, 2).reshape(2, 3),
    "reshaped to its own shape": lambda x: x.reshape(2, 3),
    "converted to its own dtype": lambda x: x.astype(np.float64),
    "x[:]": lambda x: x[:],
    "flipped twice": lambda x: np.flip(np.flip(x, (0, 1)), (1, 0)),
    "where(c, x, x)": lambda x: np.where(x > 0, x, x),
    "unused": lambda x: (np.exp(x), x)[1],
}
STAYS = {
    "x + 0 turns -0.0 into 0.0": lambda x: x + 0,
    "x - (-0.0) does, too": lambda x: x - (-0.0),
    "x * 0 is NaN for infinite x": lambda x: x * 0,
    "x - x as well": lambda x: x - x,
    "x / x as well": lambda x: x / x,
    "x * -1": lambda x: x * -1,
    "narrower and back": lambda x: x.astype(np.float32).astype(np.float64),
    "one flip": lambda x: np.flip(x, 0),
    "backwards": lambda x: x[::-1],
    "a sum over nothing": lambda x: np.sum(x[..., None], axis=2),
}


@pytest.mark.parametrize("what", VANISH)
def test_vanishes(what):
    trace = simplified(VANISH[what], X)
    if what == "transposed in rounds":
        assert len(trace) <= 2
    else:
        assert names(trace) == []
        assert trace.outputs == trace.inputs


@pytest.mark.parametrize("what", STAYS)
def test_stays(what):
    assert len(simplified(STAYS[what], X)) >= 1


def test_integers_lose_their_zeros():
    assert names(simplified(lambda x: 0 + x + 0 - 0, np.arange(3))) == []


def test_complex_numbers_keep_their_ones():
    z = np.array([complex(-0.0, -0.0), complex(np.inf, 1), complex(np.nan, np.inf)])
    assert names(simplified(lambda z: z * 1.0, z)) == ["multiply"]
    assert names(simplified(lambda z: z + -0.0, z)) == ["add"]
    assert names(simplified(lambda z: z - 0.0, z)) == []
    assert names(simplified(lambda z: np.conj(np.conj(z)), z)) == []


def test_a_type_is_kept():
    single = X.astype(np.float32)
    assert names(simplified(lambda x: x * np.float64(1), single)) == ["multiply"]
    assert names(simplified(lambda x: x * 1.0, single)) == []
    assert names(simplified(lambda x: x / 1, np.arange(3))) == ["divide"]
    assert names(simplified(lambda x: x * 1, np.array([True, False]))) == ["multiply"]
    assert names(simplified(lambda x: x * np.ones((2, 2, 3)), X)) == ["multiply"]


def test_weak_numbers_stay_weak():
    (output,) = simplified(lambda x: x * 1.0, 3.0).outputs
    assert output.type.weak
    (output,) = simplified(lambda x: x * np.float64(1.0), 3.0).outputs
    assert not output.type.weak


def test_signs_are_absorbed():
    assert names(simplified(lambda x: x.T + (-x.T), X)) == ["transpose", "subtract"]
    assert names(simplified(lambda x: -x + 3.0, X)) == ["subtract"]
    assert names(simplified(lambda x: 3.0 - (-x), X)) == ["add"]


def test_a_sign_that_wraps_around_stays():
    small = np.array([-128, 5], np.int8)
    assert "negative" in names(simplified(lambda x: 1.0 - (-x), small))


def test_common_subexpressions():
    assert names(simplified(lambda x: np.sin(x) * 2 + np.sin(x) * 2, X[0])) == ["sin", "multiply", "add"]
    assert names(simplified(lambda x: (x + 2.0) * (2.0 + x), X[0])) == ["add", "multiply"]
    assert names(simplified(lambda x: x[0] - x[0], X)) == ["getitem", "subtract"]


def test_what_only_looks_common():
    assert names(simplified(lambda x: (x * 0.0) + (x * -0.0), X)) == ["multiply", "multiply", "add"]
    assert names(simplified(lambda x: (x * 2) + (x * 2.0), X)).count("multiply") == 2
    assert names(simplified(lambda x: x[0] - x[1], X)) == ["getitem", "getitem", "subtract"]
    assert names(simplified(lambda x: np.sum(x, axis=0)[:2] - np.sum(x, axis=1), X)).count("sum") == 2


def test_equal_constants_are_common():
    f = lambda x: (x * np.array([1.0, 2.0, 3.0])) - (x * np.array([1.0, 2.0, 3.0]))
    assert names(simplified(f, X)) == ["multiply", "subtract"]


def test_constants_are_evaluated():
    def f(x):
        table = np.zeros(3)
        table[:] = x[0]
        table[1] = 5.0
        return table + np.zeros(3)

    assert "variable" not in names(simplified(f, X))


def test_every_output_of_an_operation_counts():
    def f(x):
        _, high = np.linalg.eigh(x @ x.T + np.eye(2))
        return np.sum(high)

    assert names(simplified(f, np.array([[1.0, 2.0], [0.5, 1.0]])))[-2:] == ["eigh", "sum"]


def test_bodies_of_loops():
    def f(x):
        return wg.scan(lambda c, t: ((c + t * 1) * 1, c * 1.0), np.zeros(()), x)[1]

    (scan,) = [e for e in simplified(f, np.arange(3.0)).equations if e.primitive.name == "scan"]
    assert names(scan.params["body"]) == ["add"]


def test_passes_can_be_chosen():
    trace = trace_of(lambda x: np.sin(x) * 1 + np.sin(x) * 1, [X[0]])
    assert names(simplify(trace, [PASSES["identities"], PASSES["dead"]])) == ["sin", "sin", "add"]


def test_a_tangent_trace_gets_shorter():
    def f(x):
        return wg.jvp(lambda x: (x - 3.0) * np.exp(-x), (x,), (np.ones_like(x),))[1]

    x = np.array([0.5, -1.0])
    trace = trace_of(f, [x])
    assert len(simplify(trace)) < len(trace)
    same_bits(evaluate(simplify(trace), [x]), evaluate(trace, [x]))
