"""Recording: nesting, leaks, and constants that are protected from later changes."""

import contextvars
import threading
from functools import partial

import numpy as np
import pytest

import wengert as wg
from tests.threads import in_threads
from wengert.core.recorder import COPY_BYTES, Recorder, bind, current, infer, innermost, type_of
from wengert.core.trace import Literal, type_for
from wengert.errors import LeakError
from wengert.ops.elementwise import add, multiply, sin

BIG = COPY_BYTES // 8 + 1


class TestEquations:
    def test_an_operation_becomes_an_equation(self):
        recorder = Recorder()
        x = recorder.input(2.0)
        y = bind(multiply, (x, 3.0), {})
        (equation,) = recorder.equations
        assert equation.primitive is multiply
        assert equation.outputs == (y.variable,)
        assert equation.inputs[0] is x.variable
        assert type(equation.inputs[1]) is Literal and equation.inputs[1].value == 3.0
        assert recorder.env[y.variable] == y.value == 6.0

    def test_without_tracers_nothing_is_recorded(self):
        recorder = Recorder()
        assert bind(multiply, (2.0, 3.0), {}) == 6.0
        assert recorder.equations == []

    def test_an_abstract_recording_has_types_for_values(self):
        recorder = Recorder(abstract=True)
        x = recorder.input(type_for((2, 3), np.dtype(np.float32)))
        y = x * 2.0 + np.ones(3, np.float32)
        assert y.value is y.type is type_for((2, 3), np.dtype(np.float32))

    def test_python_numbers_stay_weak(self):
        recorder = Recorder()
        x = recorder.input(2.0)
        assert (x * 3).type.weak and type((x * 3).value) is float
        assert not (x * np.float32(3)).type.weak
        assert (x * np.float32(3)).dtype == np.float32

    def test_types_are_interned(self):
        assert type_of(np.zeros((2, 3))) is type_of(np.ones((2, 3))) is type_for((2, 3), np.dtype(float))
        assert type_of(1.0) is not type_of(np.float64(1.0))
        assert repr(type_of(np.zeros((2, 3), np.int8))) == "int8[2,3]"

    def test_inference_needs_no_values(self):
        huge = type_for((10**6, 10**6), np.dtype(np.float32))
        assert infer(sin, [huge], {}) is huge
        assert infer(add, [huge, type_of(1.0)], {}) is huge


class TestNesting:
    def test_the_innermost_recording_takes_the_operation(self):
        outer = Recorder()
        x = outer.input(2.0)
        token = current.set(outer)
        inner = Recorder()
        current.reset(token)
        y = inner.input(x)
        z = bind(multiply, (x, y), {})
        assert z.recorder is inner
        assert z.value.recorder is outer and z.value.value == 4.0
        assert [len(r.equations) for r in (outer, inner)] == [1, 1]
        assert innermost([1.0, x, y, x]) is inner
        assert innermost([1.0, np.ones(2)]) is None

    @pytest.mark.parametrize("depth", range(1, 6))
    def test_derivatives_to_any_depth(self, depth):
        f = np.sin
        for _ in range(depth):
            f = wg.grad(f)
        expected = [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin, np.cos][depth - 1]
        assert f(0.7) == pytest.approx(expected(0.7))

    def test_perturbations_are_not_confused(self):
        assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(1.0))(1.0) == 1
        assert wg.grad(lambda x: x * wg.grad(lambda y: x * y)(2.0))(3.0) == 6

    def test_the_recording_of_a_context_is_restored(self):
        def fail(x):
            raise KeyError("x")

        assert current.get() is None
        with pytest.raises(KeyError):
            wg.grad(lambda x: wg.grad(fail)(x))(1.0)
        assert current.get() is None


class TestLeaks:
    def check(self, use):
        kept = []

        def f(x):
            kept.append(x)
            return np.sum(x * x)

        wg.grad(f)(np.arange(3.0))
        with pytest.raises(LeakError) as caught:
            use(kept[0])
        message = str(caught.value)
        assert message.startswith("test_recorder.py:")
        assert "used after the function it was recorded in had returned" in message
        assert "has_aux=True" in message

    def test_an_operator(self):
        self.check(lambda x: x + 1)

    def test_a_ufunc(self):
        self.check(np.sin)

    def test_a_function(self):
        self.check(np.sum)

    def test_an_index(self):
        self.check(lambda x: x[0])

    def test_a_write(self):
        def write(x):
            x[0] = 1.0

        self.check(write)

    def test_in_a_later_recording(self):
        self.check(lambda x: wg.grad(lambda y: np.sum(x * y))(np.ones(3)))

    def test_after_every_transformation(self):
        transformations = {
            "grad": lambda f: wg.grad(f)(1.0),
            "jvp": lambda f: wg.jvp(f, (1.0,), (1.0,)),
            "jacobian": lambda f: wg.jacobian(f)(1.0),
            "vmap": lambda f: wg.vmap(f)(np.ones(2)),
            "trace": lambda f: wg.trace(f)(1.0),
            "cost": lambda f: wg.cost(f)(1.0),
            "vjp": lambda f: wg.vjp(f, 1.0),
        }
        for run in transformations.values():
            kept = []
            run(lambda x, kept=kept: (kept.append(x), x * 2)[1])
            with pytest.raises(LeakError):
                _ = kept[0] + 1

    def test_a_scalar(self):
        kept = []
        wg.grad(lambda x: (kept.append(x), x)[1])(2.0)
        with pytest.raises(LeakError, match="has_aux"):
            _ = kept[0] * 2

    def test_a_failed_function_leaks_nothing_either(self):
        kept = []

        def fail(x):
            kept.append(x)
            raise KeyError("x")

        with pytest.raises(KeyError):
            wg.grad(fail)(1.0)
        with pytest.raises(LeakError):
            _ = kept[0] + 1


class TestConstants:
    def test_small_ones_are_copied(self):
        c = np.ones(3)

        def f(x):
            y = np.sum(c * x * x)
            c[:] = 100.0
            return y

        assert wg.grad(f)(np.ones(3)).tolist() == [2, 2, 2]
        assert c.tolist() == [100, 100, 100]

    def test_large_ones_are_locked_while_recorded(self):
        c = np.ones(BIG)

        def f(x):
            y = np.sum(c * x * x)
            c[0] = 100.0
            return y

        with pytest.raises(ValueError, match="read-only"):
            wg.grad(f)(np.ones(BIG))
        assert c.flags.writeable

    def test_large_ones_are_unlocked_afterwards(self):
        c = np.ones(BIG)
        wg.grad(lambda x: np.sum(c * x))(np.ones(BIG))
        c[0] = 2.0
        assert c[0] == 2

    def test_and_after_exceptions(self):
        c = np.ones(BIG)

        def fail(x):
            _ = c * x
            assert not c.flags.writeable
            raise KeyError("x")

        x = np.ones(BIG)
        runs = [lambda: wg.grad(fail)(x), lambda: wg.vmap(fail)(x[None]), lambda: wg.jvp(fail, (x,), (x,))]
        for run in runs:
            with pytest.raises(KeyError):
                run()
            assert c.flags.writeable

    def test_read_only_ones_stay_read_only(self):
        c = np.ones(BIG)
        c.flags.writeable = False
        wg.grad(lambda x: np.sum(c * x))(np.ones(BIG))
        assert not c.flags.writeable

    @pytest.mark.parametrize("size", [3, BIG])
    def test_a_pullback_keeps_its_own(self, size):
        c, x = np.full(size, 3.0), np.full(size, 2.0)
        value, pullback = wg.vjp(lambda x: c * x * x, x)
        c[:], x[:] = 100.0, 100.0
        for _ in range(2):
            np.testing.assert_array_equal(pullback(np.ones(size))[0], np.full(size, 12.0))
        value[:] = 7.0
        np.testing.assert_array_equal(pullback(np.ones(size))[0], np.full(size, 12.0))

    @pytest.mark.parametrize("size", [3, BIG])
    def test_a_trace_keeps_its_own(self, size):
        c = np.full(size, 3.0)
        trace = wg.trace(lambda x: c * x)(np.ones(size))
        c[:] = 100.0
        np.testing.assert_array_equal(trace.adjoint(np.ones(size)).result[0], np.full(size, 3.0))


class TestThreads:
    def test_recordings_run_side_by_side(self):
        start, wrong = threading.Barrier(8), []

        def work(k):
            start.wait()
            for i in range(30):
                x = np.arange(4.0) + k + i

                def f(x):
                    out = np.zeros(4)
                    for j in range(4):
                        out[j] = x[j] ** 2 * k
                    return np.sum(out)

                if not np.allclose(wg.grad(f)(x), 2 * x * k):
                    wrong.append((k, i))
                if type(np.zeros(2)) is not np.ndarray:
                    wrong.append("names")

        in_threads(*(partial(work, k) for k in range(8)))
        assert wrong == []

    def test_another_thread_gets_ordinary_arrays(self):
        seen = []

        def f(x):
            thread = threading.Thread(target=lambda: seen.append(type(np.zeros(3))))
            thread.start()
            thread.join()
            seen.append(type(np.zeros(3)))
            return x

        wg.grad(f)(1.0)
        assert seen[0] is np.ndarray and seen[1] is not np.ndarray

    def test_another_context_does_not_record(self):
        empty = contextvars.Context()
        seen = []
        wg.grad(lambda x: (seen.append(empty.run(lambda: type(np.ones(2)))), x)[1])(1.0)
        assert seen == [np.ndarray]
