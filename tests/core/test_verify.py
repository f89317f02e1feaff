"""The verifier finds what is wrong with a trace, and nothing wrong with what passes write down."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.transforms.programs import arrays, dtypes, program, same_bits, shapes, steps, trace_of
from wengert.control._bodies import hoist
from wengert.core.evaluate import environment, evaluate
from wengert.core.primitive import REGISTRY
from wengert.core.recorder import Recorder, type_of
from wengert.core.recording import record
from wengert.core.trace import Equation, Literal, Trace, Var, type_for
from wengert.core.verify import verify, verify_linear
from wengert.errors import TraceError
from wengert.transforms.adjoint import Adjoints, pull, strong
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.tangent import push, zeros

CHECKS = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
REAL = type_for((3,), np.dtype(float))
x, y, z = (Var(REAL) for _ in range(3))
zero = Literal(np.zeros(3), REAL)
two = Literal(np.full(3, 2.0), REAL)


def equation(name, inputs, *outputs, **params):
    return Equation(REGISTRY[name], inputs, params, outputs)


SIN = equation("sin", [x], y)


def test_a_trace_is_given_back():
    trace = Trace([x], [SIN], [y])
    assert verify(trace) is trace


WRONG = {
    r"equation 1 \(sin\): .* is assigned a second time": Trace([x], [SIN, SIN], [y]),
    "the inputs: .* is assigned a second time": Trace([x, x], [], []),
    r"equation 0 \(cos\): operand 0, .*, is used before it is defined": Trace(
        [x], [equation("cos", [y], z), SIN], [z]
    ),
    "the outputs: operand 0, .*, is used before": Trace([x], [SIN], [z]),
    r"equation 0 \(sin\): the results are said to be \[float64\[2\]\]": Trace(
        [x], [equation("sin", [x], Var(type_for((2,), np.dtype(float))))], []
    ),
    "said to be .* and is float64": Trace([x], [], [Literal(1.0, REAL)]),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_said(message):
    with pytest.raises(TraceError, match=message):
        verify(WRONG[message])


def test_bodies_are_looked_into():
    trace = trace_of(lambda x: wg.scan(lambda c, t: (c * t, c), 1.0, x)[0], [np.arange(3.0)])
    verify(trace)
    (scan,) = [e for e in trace.equations if e.primitive.name == "scan"]
    body = scan.params["body"]
    scan.params["body"] = Trace(body.inputs, body.equations[::-1] * 2, body.outputs)
    with pytest.raises(TraceError, match="assigned a second time"):
        verify(trace)


LINEAR = {
    "sum": [equation("add", [x, x], y)],
    "sum with zero": [equation("add", [x, zero], y)],
    "difference": [equation("subtract", [zero, x], y)],
    "multiple": [equation("multiply", [two, x], y)],
    "quotient": [equation("divide", [x, two], y)],
    "choice": [equation("where", [Literal(np.True_, type_for((), np.dtype(bool))), x, zero], y)],
}
NOT_LINEAR = {
    "sum with a constant": [equation("add", [x, two], y)],
    "square": [equation("multiply", [x, x], y)],
    "reciprocal": [equation("divide", [two, x], y)],
    "sine": [SIN],
    "choice among constants": [
        equation("where", [Literal(np.True_, type_for((), np.dtype(bool))), x, two], y)
    ],
}


@pytest.mark.parametrize("what", LINEAR)
def test_linear(what):
    verify_linear(verify(Trace([x], LINEAR[what], [y])))


@pytest.mark.parametrize("what", NOT_LINEAR)
def test_not_linear(what):
    with pytest.raises(TraceError, match=r"equation 0 .* is not linear"):
        verify_linear(verify(Trace([x], NOT_LINEAR[what], [y])))


def test_a_constant_output_is_linear_only_if_it_is_zero():
    verify_linear(Trace([x], [], [x, zero]))
    with pytest.raises(TraceError, match="output 1 does not depend on the inputs and is not zero"):
        verify_linear(Trace([x], [], [x, two]))


# --- passes ---------------------------------------------------------------------------------------------


def written(types, run):
    """What a pass writes down, as a trace of its seeds."""
    recorder = Recorder(abstract=True)
    seeds = [recorder.input(type) for type in types]
    variables = [seed.variable for seed in seeds]
    trace = recorder.trace(variables, run(seeds))
    recorder.close()
    return trace


def tangent_trace(trace, env):
    def run(seeds):
        moved = dict(zip(trace.inputs, seeds))
        push(trace.equations, env, moved)
        return [moved.get(a, zeros(a.type)) if type(a) is Var else zeros(a.type) for a in trace.outputs]

    return written([strong(v.type) for v in trace.inputs], run)


def adjoint_trace(trace, env):
    def run(seeds):
        adjoints = Adjoints()
        for atom, seed in zip(trace.outputs, seeds):
            if type(atom) is Var:
                adjoints.add(atom, seed)
        pull(reversed(trace.equations), env, adjoints)
        return [adjoints.get(v, zeros(v.type)) for v in trace.inputs]

    return written([strong(a.type) for a in trace.outputs], run)


@given(steps, shapes, dtypes, st.integers(0, 2**16), st.booleans())
@CHECKS
def test_recordings(steps, shape, dtype, seed, abstract):
    values = arrays(shape, dtype, seed, False)
    trace = verify(trace_of(program(steps), values, abstract))
    same_bits(evaluate(trace, values), [np.asarray(v) for v in program(steps)(*values)])


@given(steps, shapes, dtypes, st.integers(0, 2**16))
@CHECKS
def test_tangents_and_adjoints_are_linear_and_transposes_of_each_other(steps, shape, dtype, seed):
    values = arrays(shape, dtype, seed, False)
    trace = trace_of(program(steps), values)
    env = environment(trace, values)
    forwards, backwards = tangent_trace(trace, env), adjoint_trace(trace, env)
    for one in forwards, backwards:
        verify_linear(verify(one))
    directions, weights = arrays(shape, dtype, seed + 1, False), arrays(shape, dtype, seed + 2, False)
    moved, pulled = evaluate(forwards, directions), evaluate(backwards, weights)
    one = sum(np.sum(a * b, dtype=float) for a, b in zip(moved, weights))
    other = sum(np.sum(a * b, dtype=float) for a, b in zip(directions, pulled))
    assert one == pytest.approx(other, rel=1e-2 if dtype == np.float32 else 1e-9, abs=1e-3)


@given(steps, shapes, st.integers(0, 2**16))
@CHECKS
def test_batches(steps, shape, seed):
    values = arrays(shape, float, seed, False)
    trace = trace_of(program(steps), values, abstract=True)
    rows = [arrays(shape, float, seed + i, False) for i in range(3)]
    batches = [np.stack([row[k] for row in rows]) for k in range(2)]

    def run(seeds):
        return [v if flag else spread(v, 3) for v, flag in evaluate_batch(trace, seeds, [True, True], 3)]

    batched = verify(written(map(type_of, batches), run))
    expected = [np.stack(column) for column in zip(*(evaluate(trace, row) for row in rows))]
    for found, wanted in zip(evaluate(batched, batches), expected):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@given(steps, shapes, st.integers(0, 2**16))
@CHECKS
def test_captured_tracers_become_inputs(steps, shape, seed):
    values = arrays(shape, float, seed, False)

    def outer(x, y):
        recording = record(
            lambda t: program(steps)(t, y), [type_of(values[0])], lambda f, given: f(*given), abstract=True
        )
        inner, captured = hoist(recording.trace())
        recording.recorder.close()
        verify(inner)
        return tuple(evaluate(inner, [*captured, x]))

    trace = verify(trace_of(outer, values))
    same_bits(evaluate(trace, values), evaluate(trace_of(program(steps), values), values))


def test_loops_of_every_kind_verify_in_every_mode():
    def f(x, y):
        total, rows = wg.scan(lambda c, t: (np.sin(c) * t + y, c + y), x, x[:2])
        chosen = wg.cond(x[0] > 0, lambda v: v * y, lambda v: v - y, rows)
        kept = wg.checkpoint(lambda v: np.exp(v) * y)(total)
        return chosen, kept

    values = [np.array([0.3, -0.2, 0.5]), np.array([1.0, 2.0, 3.0])]
    trace = verify(trace_of(f, values))
    env = environment(trace, values)
    verify(tangent_trace(trace, env))
    verify(adjoint_trace(trace, env))


def test_the_derivative_of_a_loop_is_linear():
    trace = trace_of(lambda x: wg.scan(lambda c, t: (np.sin(c) * t, c), x, np.arange(3.0)), [np.arange(2.0)])
    env = environment(trace, [np.arange(2.0)])
    verify_linear(verify(adjoint_trace(trace, env)))
