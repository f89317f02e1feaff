"""Arguments that are given away: the same results, in the memory of what they replace, where that can be."""

import copy
import pickle

import numpy as np
import pytest

import wengert as wg
from tests.native.programs import arguments, program
from wengert.native.calling import layout
from wengert.native.calling.call import compiled
from wengert.native.options import Options

RNG = np.random.default_rng(0)
GIVEN = Options(given=1)
W, V, X = RNG.normal(size=(40, 30)), RNG.normal(size=(40, 30)), RNG.normal(size=(9, 8, 40))


def error(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


def update(carry, x):
    w, v = carry
    v = 0.9 * v + wg.grad(error)(w, x)
    return (w - 0.01 * v, v), error(w, x)


def once(carry, xs):
    return update(carry, xs[0])


def loop(carry, xs):
    return wg.scan(update, carry, xs)


def loop_and_rest(carry, xs):
    carry, errors = wg.scan(update, carry, xs[1:])
    carry, last = update(carry, xs[0, :5])
    return carry, np.append(errors, last)


def loops(carry, xs):
    return wg.scan(lambda carry, _: loop_and_rest(carry, xs), carry, np.arange(3))


UPDATES = [once, loop, loop_and_rest, loops]


def flat(results):
    (w, v), errors = results
    return w, v, errors


@pytest.mark.parametrize("f", UPDATES)
@pytest.mark.parametrize("threads", [1, 2])
def test_results_are_written_over_what_they_replace(f, threads, keep_threads):
    wg.set_threads(threads)
    expected = flat(wg.jit(f)((W, V), X))
    given = compiled(f, GIVEN)
    for _ in range(4):  # in Python first, then natively
        w, v = W.copy(), V.copy()
        found = flat(given((w, v), X))
        assert found[0] is w
        assert found[1] is v
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.fixture
def keep_threads():
    before = wg.get_threads()
    yield
    wg.set_threads(before)


def test_a_loop_needs_no_memory_for_its_state():
    plain, given = (compiled(loop_and_rest, options) for options in (Options(), GIVEN))
    saved = plain.memory((W, V), X) - given.memory((W.copy(), V.copy()), X)
    assert saved >= W.nbytes + V.nbytes


def test_only_the_first_arguments_are():
    f = compiled(lambda a, b: (a + 1, b + 1), GIVEN)
    for _ in range(4):
        a, b = np.zeros(5), np.zeros(5)
        f(a, b)
        np.testing.assert_array_equal(a, np.ones(5))
        np.testing.assert_array_equal(b, np.zeros(5))


def symmetric(w, u):
    return (0.5 * (w + w.T),)


def reversed_sum(w, u):
    return w + w[::-1], u


def read_late(w, u):
    y = np.exp(w)
    return y, np.cumsum(y, axis=0) @ w


def returned(w, u):
    return w, w


def swapped(w, u):
    return wg.scan(lambda c, _: ((c[1], c[0]), 0.0), (w, 2 * w), None, length=3)[0]


def looked_up(w, u):
    return w[np.argsort(w[:, 0])] * 2


def reduced(w, u):
    return w / np.sum(w, axis=1, keepdims=True), np.max(w, axis=0)


def in_pieces(w, u):
    return np.concatenate([w[4:], w[:4]]), w[0] + u


SQUARE = RNG.normal(size=(64, 64))


@pytest.mark.parametrize(
    "f", [symmetric, reversed_sum, read_late, returned, swapped, looked_up, reduced, in_pieces]
)
@pytest.mark.parametrize("size", [2, 17, 64])
def test_what_is_read_later_is_not_overwritten_before(f, size):
    w, u = SQUARE[:size, :size].copy(), np.arange(float(size))
    expected = wg.jit(f)(w, u)
    given = compiled(f, Options(given=2))
    for _ in range(4):
        found = given(w.copy(), u.copy())
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_are_given_their_matrices(seed, keep_threads):
    f, (x, y, c) = program(seed), arguments(seed)
    expected = wg.jit(f)(x, y, c)
    given = compiled(f, Options(given=2))
    for threads in (1, 2):
        wg.set_threads(threads)
        for one, other in zip(given(x.copy(), y.copy(), c), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_in_loops_and_after_them(seed, keep_threads):
    def f(carry, c):
        step = lambda carry, _: (program(seed)(*carry, c)[:2], carry[0][0])
        carry, rows = wg.scan(step, carry, None, length=3)
        return program(seed + 1)(*carry, c)[:2], rows

    x, y, c = arguments(seed)
    expected, rows = wg.jit(f)((x, y), c)
    given = compiled(f, GIVEN)
    for threads in (1, 2):
        wg.set_threads(threads)
        found, seen = given((x.copy(), y.copy()), c)
        for one, other in zip((*found, seen), (*expected, rows), strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_array_that_must_not_change_does_not():
    f = compiled(lambda a: a * 2, GIVEN)
    for a in (np.ones(5), np.ones(5)):
        f(a)
    frozen, wide = np.arange(5.0), np.arange(10.0)
    frozen.flags.writeable = False
    for _ in range(3):
        np.testing.assert_array_equal(f(frozen), 2 * np.arange(5))
        np.testing.assert_array_equal(f(wide[::2]), 4 * np.arange(5))
    np.testing.assert_array_equal(frozen, np.arange(5))
    np.testing.assert_array_equal(wide, np.arange(10))


def test_where_python_asks_for_values_arguments_are_needed_again():
    def f(a):
        a = a * 2
        return a + 1 if a[0] > 0 else a - 1

    given = compiled(f, GIVEN)
    for start in (1.0, -1.0, 1.0, -1.0, -1.0, 1.0):
        a = np.full(5, start)
        np.testing.assert_array_equal(given(a), f(np.full(5, start)))


def test_operations_of_the_interpreter_take_no_memory():
    def f(a):
        return np.linalg.svd(a)[1] + a[0]

    a = SQUARE[:6, :6].copy()
    np.testing.assert_allclose(compiled(f, GIVEN)(a), f(SQUARE[:6, :6]))


@pytest.mark.skipif(not layout.is_known(), reason="an interpreter whose objects are not known")
def test_references_are_kept_in_order():
    f, a = compiled(lambda a: a + 1, GIVEN), np.zeros(5)
    for _ in range(1000):
        a = f(a)
    np.testing.assert_array_equal(a, np.full(5, 1000.0))
    assert a.flags.owndata


def module_level(a):
    return a + 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_a_copy_of_the_function_is_given_them_too(again):
    f, a = again(compiled(module_level, GIVEN)), np.zeros(5)
    assert f(a) is a


def test_what_is_found_in_the_cache_is_written_there_too(tmp_path, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    for options in (GIVEN, GIVEN, Options()):
        a = np.zeros(5)
        assert (compiled(module_level, options)(a) is a) == (options is GIVEN)
