"""Compiled traces are found again by their texts: equal recordings have one text, any difference shows."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.transforms import programs
from wengert.core.primitive import REGISTRY
from wengert.core.recording import record
from wengert.core.trace import Equation, Literal, Trace, Var, type_for
from wengert.native import compilation
from wengert.native.machine import cache, identity
from wengert.native.planning import fingerprint
from wengert.native.program import Native

F8 = np.dtype(np.float64)
LARGE = 5000  # numbers of a constant that is not part of a text


def trace_of(f, *values):
    recording = record(f, values, lambda f, tracers: f(*tracers))
    recording.recorder.keep()
    return recording.trace()


def key(f, *values):
    return fingerprint.name_of(trace_of(f, *values)).key


def step(w, x):
    carry, ys = wg.scan(lambda c, v: (np.tanh(c @ w + v), c.sum()), x[0], x)
    return np.maximum(carry, 0.5)[::-1], np.clip(ys, -1, 2)


W, X = np.eye(3), np.ones((4, 3))

PROCESS = """
import numpy as np
from tests.native.planning.test_fingerprint import W, X, key, step
print(key(step, W, X))
"""


# --- equal and different traces -----------------------------------------------------------------------------


def test_recordings_of_one_function_have_one_name():
    assert key(step, W, X) == key(step, W + 1, X - 2)


def test_names_are_the_same_in_every_process():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."]), "PYTHONHASHSEED": "17"}
    found = subprocess.run(
        [sys.executable, "-c", PROCESS], env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    assert found.stdout.strip() == key(step, W, X)


DIFFERENT = [
    lambda x: np.sum(x, axis=0),
    lambda x: np.sum(x, axis=1),
    lambda x: np.sum(x, axis=(0, 1)),
    lambda x: np.sum(x, axis=0, keepdims=True),
    lambda x: x * 2,
    lambda x: x * 2.0,
    lambda x: x * np.float64(2.0),
    lambda x: x * np.nextafter(2.0, 3.0),
    lambda x: 2.0 * x,
    lambda x: x + 0.0,
    lambda x: x + -0.0,
    lambda x: x + True,
    lambda x: x + np.array([1.0, 2.0, 3.0]),
    lambda x: x + np.array([1.0, 2.0, 4.0]),
    lambda x: x + np.array([[1.0, 2.0, 3.0]]),
    lambda x: x + np.array([1.0, 2.0, 3.0], np.float32),
    lambda x: x[0],
    lambda x: x[1],
    lambda x: x[0:1],
    lambda x: x[:, None],
    lambda x: x[np.array([0, 1])],
    lambda x: x.astype(np.float32),
    lambda x: x.astype(np.int64),
    lambda x: (np.sin(x), np.cos(x)),
    lambda x: (np.cos(x), np.sin(x)),
    lambda x: wg.scan(lambda c, v: (c + v, c * v), x[0], x),
    lambda x: wg.scan(lambda c, v: (c + v, v * c), x[0], x),
    lambda x: wg.scan(lambda c, v: (v + c, c * v), x[0], x),
    lambda x: wg.cond(x[0, 0] > 0, np.sin, np.cos, x),
    lambda x: wg.cond(x[0, 0] > 0, np.cos, np.sin, x),
]


def test_any_difference_shows():
    keys = [key(f, X) for f in DIFFERENT] + [key(DIFFERENT[0], X.astype("f4")), key(DIFFERENT[0], X[:2])]
    assert len(set(keys)) == len(keys)


def test_circumstances_and_versions_are_in_the_name(monkeypatch):
    trace = trace_of(DIFFERENT[0], X)
    names = [fingerprint.name_of(trace, circumstance).key for circumstance in (False, True)]
    monkeypatch.setattr(identity, "package", lambda: "changed")
    assert len({*names, fingerprint.name_of(trace, True).key}) == 3


def test_the_package_is_known_by_its_files(tmp_path, monkeypatch):
    place = tmp_path / "native" / "machine" / "identity.py"
    place.parent.mkdir(parents=True)
    place.write_text("x = 1\n")
    monkeypatch.setattr(identity, "__file__", str(place))
    before = identity.package.__wrapped__()
    (tmp_path / "other.py").write_text("x = 1\n")
    between = identity.package.__wrapped__()
    os.utime(tmp_path / "other.py", (1, 1))
    assert len({before, between, identity.package.__wrapped__()}) == 3


def test_operands_in_another_order_show():
    x, y, out = (Var(type_for((), F8)) for _ in range(3))
    traces = [
        Trace([x, y], [Equation(REGISTRY["subtract"], pair, {}, (out,))], [out]) for pair in ((x, y), (y, x))
    ]
    assert fingerprint.name_of(traces[0]).key != fingerprint.name_of(traces[1]).key


class Strange:
    """A parameter that no text stands for."""


def test_what_has_no_text_has_no_name():
    x, out = Var(type_for((), F8)), Var(type_for((), F8))
    for parameter in (Strange(), [Strange()], np.array([None]), lambda: 0):
        trace = Trace([x], [Equation(REGISTRY["sin"], [x], {"p": parameter}, (out,))], [out])
        assert fingerprint.name_of(trace) is None
    literal = Literal(np.array([None]), type_for((1,), np.dtype(object)))
    assert fingerprint.name_of(Trace([x], [Equation(REGISTRY["sin"], [literal], {}, (out,))], [out])) is None


def test_an_operation_that_only_bears_the_name_has_none():
    from wengert.core.primitive import Primitive

    x, out = Var(type_for((), F8)), Var(type_for((), F8))
    stranger = Primitive("sin", "elementwise", np.cos)
    assert fingerprint.name_of(Trace([x], [Equation(stranger, [x], {}, (out,))], [out])) is None


# --- what is found computes the same ------------------------------------------------------------------------


@pytest.fixture
def plans(monkeypatch, tmp_path):
    """How many traces have been planned, the cache being empty."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    made, original = [], compilation.Plan
    monkeypatch.setattr(
        compilation, "Plan", lambda trace, **more: made.append(trace) or original(trace, **more)
    )
    return made


def test_a_known_trace_is_not_planned(plans):
    results = [wg.jit(step)(W, X * k) for k in (1.0, 1.0)]
    assert len(plans) == 1
    programs.same_bits(results[0], results[1])


def test_plan_and_text_are_there_when_asked_for(plans):
    texts = []
    for _ in range(2):
        f = wg.jit(step)
        f(W, X)
        texts.append((str(f.explain(W, X)), f.llvm_ir(W, X), f.assembly(W, X), f.memory(W, X)))
    assert texts[0] == texts[1]


def with_constant(constant):
    return wg.jit(lambda x: np.sum(x * constant, axis=0))


@pytest.mark.parametrize("order", ["C", "F"])
def test_large_constants_are_not_part_of_the_code(plans, order):
    shape = (LARGE // 50, 50)
    for seed in range(3):
        constant = np.asarray(np.random.default_rng(seed).normal(size=shape), order=order)
        found = with_constant(constant)(np.float64(3.0))
        np.testing.assert_allclose(found, 3 * constant.sum(axis=0))
    assert len(plans) == 1


def test_what_fills_a_large_constant_is_part_of_the_code(plans):
    mixed = np.ones(LARGE)
    mixed[7] = 5.0
    for constant in (np.ones(LARGE), np.zeros(LARGE), mixed, -np.zeros(LARGE), np.full(LARGE, 2.0)):
        found = wg.jit(lambda x, c=constant: (x * c).sum() + x[7] * c[7])(np.arange(float(LARGE)))
        np.testing.assert_allclose(found, np.arange(float(LARGE)) @ constant + 7 * constant[7])


def test_a_diagonal_in_a_large_constant_is_part_of_the_code(plans):
    full, x = np.random.default_rng(0).normal(size=(80, 80)), np.ones((80, 80))
    for constant in (np.eye(80), full, np.eye(80, k=1), 2 * np.eye(80), np.zeros((80, 80)), full.T.copy()):
        np.testing.assert_array_equal(wg.jit(lambda x, c=constant: (x + 1) * c)(x), 2 * constant)
    assert len(plans) == 5


def test_the_same_large_constant_twice_is_not_two():
    a, b = np.arange(float(LARGE)), np.arange(1.0, LARGE + 1)
    assert key(lambda x: (x * a, x + a), a) != key(lambda x: (x * a, x + b), a)


def test_constants_that_planning_makes_are_found_again(plans):
    kernel = np.array([1.0, -2.0, 0.5])
    results = [wg.jit(lambda x: np.convolve(x, kernel))(np.arange(9.0)) for _ in range(2)]
    assert len(plans) == 1
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[1], np.convolve(np.arange(9.0), kernel))


def test_an_index_out_of_bounds_is_reported(plans):
    for _ in range(2):
        with pytest.raises(IndexError):
            wg.jit(lambda x, i: x[i])(np.arange(3.0), np.array([5]))


def test_lapack_is_planned_in_every_process(plans):
    a = np.eye(40) + 0.1
    results = [wg.jit(np.linalg.inv)(a) for _ in range(2)]
    assert len(plans) == 2
    np.testing.assert_allclose(results[1], np.linalg.inv(a))


@settings(max_examples=40, deadline=None)
@given(programs.steps, programs.shapes, programs.dtypes, st.integers(0, 99), st.booleans())
def test_what_is_found_computes_the_same(steps, shape, dtype, seed, special):
    values = programs.arrays(shape, dtype, seed, special)
    trace = programs.trace_of(programs.program(steps), values, abstract=True)
    name = fingerprint.name_of(trace, "test")
    first = Native(trace)
    fingerprint.store(name, first.made)
    found = fingerprint.load(name)
    assert found._replace(objects=0, constants=0) == first.made._replace(objects=0, constants=0)
    assert list(found.objects) == list(first.made.objects)
    programs.same_bits(found.constants, first.constants)
    programs.same_bits(Native(trace)(values), first(values))


def test_a_damaged_entry_is_none(plans):
    f = wg.jit(lambda x: x * 2)
    f(X)
    for path in cache.folder().glob("*.o"):
        path.write_bytes(path.read_bytes()[:-7])
    np.testing.assert_array_equal(wg.jit(lambda x: x * 2)(X), X * 2)
    assert len(plans) == 2
