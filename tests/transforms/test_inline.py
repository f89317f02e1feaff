"""A trace with what its equations stand for in their place: the same numbers, nothing assigned twice."""

import numpy as np

import wengert as wg
from wengert.core.evaluate import evaluate
from wengert.core.recording import record
from wengert.core.verify import verify
from wengert.transforms.inline import inlined

X = np.array([0.5, -1.0, 2.0])


@wg.custom_jvp
def square(x):
    return x * x


@wg.custom_jvp
def fourth(x):
    return square(square(x))


square.defjvp(lambda primals, tangents: (square(*primals), 2 * primals[0] * tangents[0]))
fourth.defjvp(lambda primals, tangents: (fourth(*primals), 4 * primals[0] ** 3 * tangents[0]))


def names(trace):
    inside = [body for e in trace.equations for body in e.params.values() if hasattr(body, "equations")]
    return [e.primitive.name for e in trace.equations] + [name for body in inside for name in names(body)]


def test_calls_in_calls_twice_and_in_loops():
    def f(x):
        return wg.scan(lambda c, v: (c + fourth(v), square(c)), fourth(x[0]), fourth(x) + square(x))

    recording = record(f, [X], lambda f, tracers: f(*tracers))
    trace = recording.trace()
    found = verify(inlined(trace))
    assert "custom_jvp" in names(trace) and "custom_jvp" not in names(found)
    for one, other in zip(evaluate(found, [X]), evaluate(trace, [X]), strict=True):
        np.testing.assert_array_equal(one, other)
    recording.recorder.close()


def test_a_trace_without_such_equations_is_left_as_it_is():
    trace = record(np.sin, [X], lambda f, tracers: f(*tracers)).trace()
    assert inlined(trace) is trace


def test_a_call_that_only_numbers_suffice_for_stays():
    magnitude = wg.custom_jvp(lambda x: x if x > 0 else -x)
    magnitude.defjvp(lambda primals, tangents: (magnitude(*primals), tangents[0]))
    trace = record(magnitude, [-2.0], lambda f, tracers: f(*tracers)).trace()
    assert names(inlined(trace)) == ["custom_jvp"]
