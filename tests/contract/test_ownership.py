"""Results belong to the caller; recordings leave no trace behind, in this thread or another."""

import contextlib
import gc
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse

import wengert as wg
from tests.contract.helpers import close

X = np.array([1.0, 2.0, 3.0])
NAMES = [
    "zeros",
    "ones",
    "empty",
    "full",
    "array",
    "asarray",
    "arange",
    "linspace",
    "eye",
    "zeros_like",
    "copy",
]
ORIGINALS = {name: getattr(np, name) for name in NAMES}


def arrays(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [a for item in tree for a in arrays(item)]
    return [tree]


RESULTS = {
    "grad": lambda x: wg.grad(lambda x: np.sum(x**2))(x),
    "grad of a sum": lambda x: wg.grad(np.sum)(x),
    "grad of two": lambda x: wg.grad(lambda a, b: np.sum(a) + np.sum(b), argnums=(0, 1))(x, x),
    "grad of a tree": lambda x: wg.grad(lambda t: np.sum(t["a"]) + np.sum(t["b"]))({"a": x, "b": x}),
    "grad unused": lambda x: wg.grad(lambda a, b, c: np.sum(a), argnums=(0, 1, 2))(x, x, x),
    "grad of inner product": lambda x: wg.grad(lambda a, b: a @ b, argnums=(0, 1))(x, 2 * x),
    "value of identity": lambda x: wg.vjp(lambda x: x, x)[0],
    "pullback of identity": lambda x: [x, *wg.vjp(lambda x: x, x)[1](x)][1:],
    "value twice": lambda x: wg.vjp(lambda x: (x, x), x)[0],
    "jvp of identity": lambda x: wg.jvp(lambda x: x, (x,), (x,)),
    "jvp of a view": lambda x: wg.jvp(lambda x: x[1:], (x,), (x,)),
    "jvp of a reshape": lambda x: wg.jvp(lambda x: x.reshape(3, 1), (x,), (x,)),
    "jvp of a broadcast": lambda x: wg.jvp(lambda x: np.broadcast_to(x, (2, 3)), (x,), (x,)),
    "jvp of a transpose": lambda x: wg.jvp(lambda x: np.outer(x, x).T, (x,), (x,)),
    "aux": lambda x: wg.grad(lambda x: (np.sum(x), x), has_aux=True)(x),
    "jacobian": lambda x: wg.jacobian(lambda x: x)(x),
    "jacobian forward": lambda x: wg.jacobian(lambda x: 2 * x, mode="forward")(x),
    "hessian": lambda x: wg.hessian(lambda x: np.sum(x**3))(x),
    "hvp": lambda x: wg.hvp(lambda x: np.sum(x**2) / 2, (x,), (x,)),
    "vmap of identity": lambda x: wg.vmap(lambda v: v)(x),
    "jit of identity": lambda x: wg.jit(lambda v: v)(x),
    "jit twice": lambda x: wg.jit(lambda v: (v, v))(x),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_plain_writeable_arrays(name):
    for result in arrays(RESULTS[name](X.copy())):
        assert type(result) is np.ndarray or isinstance(result, np.generic)
        assert isinstance(result, np.generic) or result.flags.writeable


@pytest.mark.parametrize("name", RESULTS)
def test_results_share_no_memory_with_each_other_or_the_inputs(name):
    x = X.copy()
    results = [a for a in arrays(RESULTS[name](x)) if isinstance(a, np.ndarray)]
    for i, one in enumerate(results):
        assert not np.shares_memory(one, x)
        for other in results[i + 1 :]:
            assert not np.shares_memory(one, other)


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_has_one_element_for_each_index(name):
    """No broadcast views with stride 0: writing one entry changes one entry."""
    for result in arrays(RESULTS[name](X.copy())):
        if isinstance(result, np.ndarray) and result.size > 1:
            before = result.copy()
            result[(0,) * result.ndim] += 1
            assert np.count_nonzero(result != before) == 1


def test_results_of_two_calls_share_no_memory():
    g = wg.grad(lambda x: np.sum(x**2))
    first = g(X)
    kept = first.copy()
    second = g(2 * X)
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second)


def test_pullback_does_not_remember_writes_to_the_primal():
    x = X.copy()
    _, pullback = wg.vjp(lambda x: x**2, x)
    x[:] = 0
    close(pullback(np.ones(3))[0], 2 * X)


def test_writing_into_a_value_does_not_change_the_pullback():
    value, pullback = wg.vjp(np.exp, X)
    value[:] = 0
    close(pullback(np.ones(3))[0], np.exp(X))


def test_a_constant_output_is_not_the_callers_constant():
    constant = np.ones(3)
    value, tangent = wg.jvp(lambda x: constant, (X,), (X,))
    value[0] = 5
    assert constant[0] == 1
    assert not tangent.any()


def test_results_pickle():
    found = wg.grad(lambda t: np.sum(t["a"] ** 2))({"a": X})
    close(pickle.loads(pickle.dumps(found)), found)


def test_inputs_may_be_read_only_strided_or_fortran_ordered():
    x = np.asfortranarray(np.arange(12.0).reshape(3, 4))[::2, ::-1]
    x.flags.writeable = False
    found = wg.grad(lambda x: np.sum(x**3))(x)
    close(found, 3 * x**2)
    assert found.flags.writeable


def test_inputs_may_be_subclasses_or_lists_of_arrays():
    class Tagged(np.ndarray):
        pass

    close(wg.grad(lambda x: np.sum(x**2))(X.view(Tagged)), 2 * X)


TAKERS = {
    "grad": lambda f, x: wg.grad(f)(x),
    "jvp": lambda f, x: wg.jvp(f, (x,), (np.asarray(x),)),
    "jit": lambda f, x: wg.jit(f)(x),
    "vmap": lambda f, x: wg.vmap(f)(x),
    "operand": lambda f, x: wg.jit(lambda y: f(y * x))(2.0),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("taker", TAKERS)
def test_arrays_with_other_arithmetic_are_refused(taker):
    """NumPy multiplies the rows of a matrix, and leaves out what is masked."""
    f = lambda x: np.sum(x * x)
    for x, instead in (
        (np.asmatrix(np.outer(X, X)), "an np.matrix cannot be recorded. Give np.asarray"),
        (np.ma.masked_array(X, X > 0.5), "an array with masked elements cannot be recorded. Give x.filled"),
    ):
        with pytest.raises(TypeError, match=rf"test_ownership.py:\d+: {instead}"):
            TAKERS[taker](f, x)
        TAKERS[taker](f, np.asarray(x))
    TAKERS[taker](f, np.ma.masked_array(X))


def test_inputs_may_have_any_byte_order():
    close(wg.grad(lambda x: np.sum(x**2))(X.astype(">f8")), 2 * X)


# Originals -----------------------------------------------------------------------------------------------


maker = np.zeros


def made_by_maker(x):
    out = maker(2)
    out[0] = x
    return np.sum(out)


def test_names_that_once_stood_for_numpys_functions_are_the_users():
    """While it is recorded, and after it, a module has what its user has put there."""
    names = globals()
    try:
        for function in (np.zeros, np.ones, np.zeros):
            names["maker"] = function
            assert wg.grad(made_by_maker)(2.0) == 1.0
            assert maker is function
        for other in ("a word", X):
            names["maker"] = other
            wg.grad(lambda x: x * x)(2.0)
            assert maker is other
        del names["maker"]
        wg.grad(lambda x: x * x)(2.0)
        assert "maker" not in names
    finally:
        names["maker"] = np.zeros


def test_a_name_that_is_given_away_during_a_recording():
    def f(x):
        globals()["maker"] = "a word"
        return x * x

    try:
        wg.grad(f)(2.0)
        assert maker == "a word"
    finally:
        globals()["maker"] = np.zeros


def originals_stand():
    return all(getattr(np, name) is original for name, original in ORIGINALS.items())


def test_originals_stand_after_a_recording():
    wg.grad(lambda x: np.sum(np.asarray(x, dtype=float)))(X)
    assert originals_stand()


def test_originals_stand_after_an_exception():
    def f(x):
        np.zeros(3)[0] = x[0]
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        wg.grad(f)(X)
    assert originals_stand()


def test_originals_stand_after_an_interrupt():
    def f(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wg.grad(f)(X)
    assert originals_stand()


def test_originals_stand_after_nested_exceptions():
    def f(x):
        with contextlib.suppress(TypeError):
            wg.grad(lambda y: y / None)(x[0])
        out = np.zeros(3)
        out[0] = x[0]
        return np.sum(out)

    close(wg.grad(f)(X), np.array([1.0, 0.0, 0.0]))
    assert originals_stand()


def test_originals_stand_after_a_generator_is_dropped():
    def f(x):
        for v in (np.zeros(1) + w for w in x):
            return v[0]

    close(wg.grad(f)(X), np.array([1.0, 0.0, 0.0]))
    gc.collect()
    assert originals_stand()


def test_arrays_made_after_a_recording_are_plain():
    wg.grad(lambda x: np.sum(np.zeros(3) + x))(X)
    assert type(np.zeros(3)) is np.ndarray


def test_an_array_kept_from_a_recording_is_harmless_or_says_so():
    kept = []

    def f(x):
        out = np.ones(3)
        kept.append(out)
        return np.sum(x * out)

    wg.grad(f)(X)
    close(np.asarray(kept[0]) * 2, np.full(3, 2.0))


def test_numpy_and_scipy_inside_a_recording():
    """Their own creation functions must not be disturbed."""

    def f(x):
        nodes, weights = np.polynomial.legendre.leggauss(5)
        laplacian = sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(3, 3)).toarray()
        assert np.random.default_rng(0).normal(size=3).shape == (3,)
        assert np.fft.fft(np.ones(4))[0] == 4
        return np.sum(laplacian @ x) + sum(w * x[0] * n**2 for n, w in zip(nodes, weights))

    laplacian = np.diag([-2.0] * 3) + np.diag([1.0] * 2, 1) + np.diag([1.0] * 2, -1)
    close(wg.grad(f)(X), laplacian.sum(0) + [2 / 3, 0, 0])


def test_modules_imported_inside_a_recording_keep_the_originals():
    """`from numpy import zeros` in a module that is imported while recording."""

    def f(x):
        namespace = {}
        exec("from numpy import zeros, array", namespace)
        out = namespace["zeros"](3)
        out[0] = x[0]
        f.namespace = namespace
        return np.sum(out) + np.sum(namespace["array"]([x[1], x[2]]))

    close(wg.grad(f)(X), np.ones(3))
    kept = f.namespace["zeros"](3)
    kept[0] = 1
    assert kept.tolist() == [1, 0, 0]


# Threads -------------------------------------------------------------------------------------------------


def slow(x, scale):
    out = np.zeros(3)
    for i in range(3):
        for _ in range(20):
            out[i] += scale * np.asarray(x, dtype=float)[i] ** 2 / 20
    return np.sum(out)


def test_threads_record_at_the_same_time():
    scales = np.arange(1.0, 33.0)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda s: wg.grad(slow)(X, s), scales))
    for scale, gradient in zip(scales, found):
        close(gradient, 2 * scale * X)
    assert originals_stand()


def test_other_threads_see_plain_numpy_while_one_records():
    inside, done, seen = threading.Event(), threading.Event(), []

    def other():
        inside.wait(5)
        seen.extend([type(np.zeros(3)), type(np.array([1.0])), np.asarray([1, 2], dtype=float).tolist()])
        done.set()

    def f(x):
        out = np.zeros(3)
        inside.set()
        assert done.wait(5)
        out[0] = x[0]
        return np.sum(out)

    thread = threading.Thread(target=other)
    thread.start()
    close(wg.grad(f)(X), np.array([1.0, 0.0, 0.0]))
    thread.join()
    assert seen == [np.ndarray, np.ndarray, [1.0, 2.0]]


def test_a_gradient_may_be_taken_in_a_thread_started_inside_a_recording():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            inner = pool.submit(lambda: wg.grad(lambda y: np.sum(y**2))(X)).result()
        return np.sum(x * inner)

    close(wg.grad(f)(X), 2 * X)


def test_no_memory_is_kept():
    g = wg.grad(lambda x: np.sum(np.exp(x) * x))
    g(X)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        g(X)
    gc.collect()
    assert len(gc.get_objects()) - before < 200
