"""Calls of compiled functions: results, types, owners, references and threads are as without jit."""

import copy
import dataclasses
import gc
import inspect
import pickle
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections import OrderedDict
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg
from tests.threads import in_threads
from wengert.native.calling import door, layout
from wengert.native.calling.call import Calls

pytestmark = pytest.mark.skipif(not layout.is_known(), reason="an interpreter whose objects are not known")

X = np.array([0.5, -1.2, 2.3, 0.7])
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


@pytest.fixture
def python_calls(monkeypatch):
    """Calls that native code did not take."""
    seen, original = [], Calls.__call__

    def counted(self, *args, **kwargs):
        seen.append(args)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Calls, "__call__", counted)
    return seen


def same(found, expected):
    """Equal in value, type, dtype and shape, all the way down."""
    assert type(found) is type(expected)
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected):
            same(a, b)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-14 if found.dtype != "f4" else 1e-6)
    else:
        assert found == expected


def is_native(f, plain, *args, **kwargs):
    """Results of four calls are the function's, and the last two are native."""
    before = f._calls
    for _ in range(4):
        same(f(*args, **kwargs), plain(*args, **kwargs))
    assert before is f._calls


# --- arguments ----------------------------------------------------------------------------------------------


SCALARS = [2.5, -0.0, np.inf, 3, 0, -(2**31), True, False, np.float64(1.5), np.float32(1.5), np.True_]
SCALARS += [np.dtype(t).type(7) for t in INTEGERS]


@pytest.mark.parametrize("x", SCALARS, ids=lambda x: f"{type(x).__name__} {x}")
def test_scalars(x, python_calls):
    plain = lambda x: (x, x * x, x * 1.0)
    f = wg.jit(plain)
    is_native(f, plain, x)
    assert len(python_calls) == 2


@pytest.mark.parametrize("dtype", ["f8", "f4", "?", *INTEGERS])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3), (1, 2, 3, 4)])
def test_arrays(dtype, shape, python_calls):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    plain = lambda x: x + x
    f = wg.jit(plain)
    is_native(f, plain, x)
    assert len(python_calls) == 2


def layouts():
    wide = np.arange(24.0).reshape(4, 6)
    locked = wide.copy()
    locked.flags.writeable = False
    odd = np.frombuffer(b"\0" + wide.tobytes(), np.uint8)[1:].view("f8").reshape(4, 6)
    return {
        "transposed": np.arange(24.0).reshape(6, 4).T,
        "reversed": wide[::-1, ::-1],
        "strided": np.arange(96.0).reshape(8, 12)[::2, ::2],
        "Fortran": np.asfortranarray(wide),
        "broadcast": np.broadcast_to(np.arange(6.0), (4, 6)),
        "read-only": locked,
        "not aligned": odd,
    }


@pytest.mark.parametrize("x", layouts().values(), ids=layouts())
def test_layouts(x, python_calls):
    plain = lambda x: x * 2.0
    f = wg.jit(plain)
    before = x.copy()
    is_native(f, plain, x)
    np.testing.assert_array_equal(x, before)
    assert len(python_calls) == 2


def test_an_equal_dtype_that_is_another_object(python_calls):
    f = wg.jit(lambda x: x * 2)
    f(X)
    x = pickle.loads(pickle.dumps(X))
    same(f(x), X * 2)
    assert len(python_calls) == 2


def test_other_byte_order():
    f, plain = wg.jit(lambda x: x * 2.0), lambda x: x * 2.0
    for x in (X, X.astype(">f8"), X, X.astype(">f8")):
        np.testing.assert_array_equal(f(x), plain(x))


def test_subclasses_of_arrays_and_numbers():
    class Own(np.ndarray):
        pass

    class Number(float):
        pass

    f = wg.jit(lambda x: x * 2.0)
    for x in (X, 1.5):
        f(x)
    np.testing.assert_array_equal(f(X.view(Own)), X * 2)
    np.testing.assert_array_equal(f(np.ma.masked_array(X)), X * 2)


def test_integers_of_more_than_64_bits_are_refused():
    f = wg.jit(lambda n: n * 0.5)
    for _ in range(3):
        assert f(2**63 - 1) == 2.0**62
        for n in (2**63, -(2**63) - 1):
            with pytest.raises(OverflowError, match=rf"test_entry.py:\d+: .* given {n}. Give float"):
                f(n)


def test_what_fits_no_form_is_recorded_anew(python_calls):
    f = wg.jit(lambda x: x * 2)
    given = [X, X[:2], X.astype("f4"), X[None], 2.0, 2, np.float32(2), X.astype("i8")]
    for _ in range(2):
        for x in given:
            same(f(x), x * 2)
    assert len(python_calls) == len(given) + 1


def test_an_integer_of_more_than_64_bits():
    f = wg.jit(lambda n: n + 1)
    assert f(3) == 4
    assert f(5) == 6
    with pytest.raises(OverflowError):
        f(2**70)


def test_keyword_arguments(python_calls):
    plain = lambda x, a=1.0, b=2.0: x * a - b
    f = wg.jit(plain)
    for _ in range(2):
        same(f(X, a=3.0), plain(X, 3.0))
        same(f(X, b=3.0), plain(X, b=3.0))
        same(f(X, b=3.0, a=5.0), plain(X, 5.0, 3.0))
        same(f(x=X), plain(X))
        same(f(X), plain(X))
    assert len(python_calls) == 6
    with pytest.raises(TypeError, match="unexpected keyword"):
        f(X, c=1.0)


def test_wrong_number_of_arguments():
    f = wg.jit(lambda x, y: x + y)
    f(1.0, 2.0)
    with pytest.raises(TypeError, match="missing 1 required"):
        f(1.0)
    with pytest.raises(TypeError, match="takes 2 positional"):
        f(1.0, 2.0, 3.0)


@dataclasses.dataclass
class Layer:
    w: np.ndarray
    b: float
    kind: object = dataclasses.field(metadata={"static": True})


@dataclasses.dataclass(frozen=True)
class Slotted:
    __slots__ = ("layers", "scale")
    layers: tuple
    scale: float


def network():
    return Slotted((Layer(X.copy(), 0.5, "tanh"), Layer(X * 2, -1.0, "id")), 2.0)


def run_network(net, x):
    for layer in net.layers:
        x = x * layer.w + layer.b
        x = np.tanh(x) if layer.kind == "tanh" else x
    return x * net.scale


def test_a_network_as_argument(python_calls):
    f, net = wg.jit(run_network), network()
    same(f(net, X), run_network(net, X))
    same(f(net, X), run_network(net, X))
    net.layers[0].w[1] = 9.0
    net.layers[1].b = 7.0
    same(f(net, X), run_network(net, X))
    net.layers[1].w = np.ones(4)
    same(f(net, X), run_network(net, X))
    assert len(python_calls) == 2
    net.layers[1].kind = "tanh"
    same(f(net, X), run_network(net, X))
    net.layers[1].w = np.ones((2, 4))
    same(f(net, X), run_network(net, X))
    del net.layers[1].w
    with pytest.raises(AttributeError):
        f(net, X)


def test_trees(python_calls):
    plain = lambda t: (t["b"][0] + t["a"], [t["b"][1][0]], {"z": t["a"], "k": t["b"][0] * 2})
    f = wg.jit(plain)
    make = lambda k: {"b": [X * k, (k * 1.0, None)], "a": k}
    for k in (1, 2, 3):
        same(f(make(k)), plain(make(k)))
    assert len(python_calls) == 2
    other = {**make(1), "c": X}
    same(f(other), plain(other))
    with pytest.raises(KeyError):
        f({"b": [X]})
    with pytest.raises(IndexError):
        f({"b": [X], "a": 1})


def test_text_functions_and_none_belong_to_the_form(python_calls):
    plain = lambda x, g, text, nothing: g(x) if text == "map" else (x, nothing, text)
    f = wg.jit(plain)
    for _ in range(2):
        same(f(X, np.sin, "map", None), np.sin(X))
        same(f(X, np.cos, "map", None), np.cos(X))
        same(f(X, np.cos, "id", None), (X, None, "id"))
        same(f(X, np.cos, "".join("id"), None), (X, None, "id"))


# --- results ------------------------------------------------------------------------------------------------


def test_constants_in_results():
    constant = np.arange(3.0)
    f = wg.jit(lambda x: (constant, "text", None, 3, [x], 2.5, np.float32(1)))
    for _ in range(3):
        found = f(X)
        same(found, (constant, "text", None, 3, [X], 2.5, np.float32(1)))
        found[0][0] = 99.0
        found[4][0][0] = 99.0
    assert constant[0] == 0 and X[0] == 0.5


def test_a_result_without_numbers():
    f = wg.jit(lambda x: None)
    assert [f(1.0), f(1.0)] == [None, None]
    f = wg.jit(lambda x: ())
    assert [f(1.0), f(1.0)] == [(), ()]


def test_a_dataclass_as_result(python_calls):
    plain = wg.grad(lambda net, x: np.sum(run_network(net, x)))
    f, net = wg.jit(plain), network()
    for _ in range(3):
        same(f(net, X), plain(net, X))
    assert len(python_calls) == 2


class Pair(NamedTuple):
    left: object
    right: object


def test_named_tuples_and_trees_of_other_kinds(python_calls):
    plain = lambda p, x: Pair([p.left + x, None], OrderedDict(b=x * 2, a=p.right))
    f = wg.jit(plain)
    for k in (1.0, 2.0, 3.0):
        same(f(Pair(k, X), X), plain(Pair(k, X), X))
    assert len(python_calls) == 2
    plain = lambda p, x: Pair([p.left + x, None], (x * 2, p.right))
    f = wg.jit(plain)
    for k in (1.0, 2.0, 3.0):
        same(f(Pair(k, X), X), plain(Pair(k, X), X))
    with pytest.raises(AttributeError):
        f((1.0, X), X)


def test_results_are_owned_and_share_nothing():
    x = np.arange(8.0)
    f = wg.jit(lambda x: (x, x, x[:4], x.reshape(2, 4)))
    for _ in range(3):
        results = f(x)
        for i, a in enumerate(results):
            assert a.flags.owndata and a.flags.writeable and a.base is None
            assert not any(np.shares_memory(a, other) for other in (x, *results[:i]))
            a[...] = -1
        np.testing.assert_array_equal(x, np.arange(8.0))
    first, second = f(x)[0], f(x + 1)[0]
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first + 1, second)


def test_a_scalar_result_is_a_new_object():
    f = wg.jit(wg.grad(lambda a: a * a))
    found = [f(float(k)) for k in range(5)]
    same(found, [np.float64(2.0 * k) for k in range(5)])


# --- guards -------------------------------------------------------------------------------------------------


def test_each_path_is_taken_natively_once_it_is_known(python_calls):
    def plain(x, n):
        for i in range(n):
            x = x * 2 if x < 10 else x - i
        return x

    f = wg.jit(plain)
    given = [(x, n) for x in (1.0, 4.0, 30.0) for n in (0, 1, 3, 5)]
    for _ in range(3):
        for x, n in given:
            assert f(x, n) == plain(x, n)
    assert len(python_calls) <= len(given) + 1


def test_nan_at_a_guard_is_one_path(python_calls):
    f = wg.jit(lambda x: 1.0 if x > 0 else 2.0)
    assert [f(v) for v in (1.0, np.nan, -1.0, np.nan, 1.0)] == [1, 2, 2, 2, 1]
    assert len(python_calls) == 2


def test_an_exception_of_one_path():
    @wg.jit
    def f(x):
        if x < 0:
            raise ValueError("negative")
        return x + 1

    for _ in range(3):
        assert f(4.0) == 5
        with pytest.raises(ValueError, match="negative"):
            f(-1.0)


# --- other transformations ----------------------------------------------------------------------------------


def test_tracers_go_through():
    f = wg.jit(lambda x: np.sum(x**3))
    f(X), f(X), f(2.0), f(2.0)
    np.testing.assert_allclose(wg.grad(f)(X), 3 * X**2)
    np.testing.assert_allclose(wg.vmap(f)(np.stack([X, 2 * X])), [np.sum(X**3), np.sum(8 * X**3)])
    np.testing.assert_allclose(wg.jit(wg.grad(f))(X), 3 * X**2)
    np.testing.assert_allclose(wg.hessian(f)(X), np.diag(6 * X))
    outer = wg.jit(lambda x: f(x) + f(x * 2))
    for _ in range(3):
        assert outer(X) == pytest.approx(9 * np.sum(X**3))


def test_arrays_made_during_a_recording():
    f = wg.jit(lambda x: np.sum(x**2))
    f(np.zeros(2)), f(np.zeros(2))

    def g(x):
        filled = np.zeros(2)
        filled[0] = x
        return f(filled) + f(np.ones(2))

    for _ in range(2):
        assert wg.grad(g)(3.0) == 6.0


def test_a_tracer_from_around_is_not_kept():
    f = wg.grad(lambda x: wg.jit(lambda y: x * y)(2.0))
    assert [f(3.0), f(4.0)] == [2.0, 2.0]
    inner = wg.jit(lambda y, box: y * box[0] if callable(y) else y * 1.0)
    assert inner(2.0, (3.0,)) == 2.0


def test_recursion():
    @wg.jit
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    for _ in range(2):
        assert [power(2.0, n) for n in (1, 3, 6)] == [2.0, 8.0, 64.0]


# --- the object ---------------------------------------------------------------------------------------------


@wg.jit
def documented(x, *, scale=2.0):
    """Scales."""
    return x * scale


class Model:
    def __init__(self, w):
        self.w = w

    @wg.jit
    def step(self, x):
        return x * self.w


def test_it_looks_like_the_function():
    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Scales."
    assert documented.__module__ == __name__
    assert documented.__wrapped__(2.0) == 4.0
    assert str(inspect.signature(documented)) == "(x, *, scale=2.0)"
    assert repr(documented) == "jit(documented)"
    assert callable(documented)
    documented.note = 1
    assert documented.note == 1
    assert "Scales" in inspect.getdoc(documented)


def test_pickle_and_copies():
    for f in (pickle.loads(pickle.dumps(documented)), copy.copy(documented), copy.deepcopy(documented)):
        assert f is documented
    f = pickle.loads(pickle.dumps(wg.jit(np.linalg.norm)))
    assert f(X) == pytest.approx(np.linalg.norm(X))
    g = copy.deepcopy(wg.jit(Affine(3.0)))
    assert g.__wrapped__.w == 3.0 and g(2.0) == 6.0
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(wg.jit(lambda x: x))


@dataclasses.dataclass
class Affine:
    w: float

    def __call__(self, x):
        return self.w * x


def test_methods():
    a, b = Model(2.0), Model(3.0)
    for _ in range(3):
        same(a.step(X), X * 2)
        same(b.step(X), X * 3)
    assert Model.step(a, 1.0) == 2.0


def test_what_it_tells_about_its_code():
    f = wg.jit(lambda x: np.sum(np.tanh(x)[::-1] * np.cumsum(x)))
    assert f.memory(X) >= 0
    assert "define i64 @run" in f.llvm_ir(X)
    assert "run" in f.assembly(X)
    with pytest.raises(TypeError, match="Give numbers and arrays"):
        wg.grad(lambda x: f.memory(x) * x[0])(X)


# --- references, threads ------------------------------------------------------------------------------------


def test_references_are_given_back():
    net, key = network(), object()
    f = wg.jit(lambda net, x, t, n: (run_network(net, x), net.scale * 1.5, [t[0]], {"n": n}))
    given = (net, np.asfortranarray(np.ones((3, 4))), [X, key], 12345)
    watched = [
        *given,
        X,
        key,
        net.layers,
        net.layers[0],
        net.layers[0].w,
        X.dtype,
        None,
        np.float64,
        float,
        tuple,
    ]
    f(*given), f(*given)
    before = [sys.getrefcount(o) for o in watched]
    for _ in range(10**5):
        f(*given)
    after = [sys.getrefcount(o) for o in watched]
    assert np.max(np.abs(np.subtract(after, before))) < 50


def test_references_of_failed_calls_are_given_back():
    f = wg.jit(lambda t, n: [v / 2 for v in t] if n < 3 else t)
    good, other = [X, X * 2], [X, "text"]
    f(good, 1), f(good, 4)
    watched = [X, good[1], good, other]
    before = [sys.getrefcount(o) for o in watched]
    for _ in range(1000):
        f(good, 1), f(good, 4)
        with pytest.raises(TypeError):
            f(other, 1)
    after = [sys.getrefcount(o) for o in watched]
    assert np.max(np.abs(np.subtract(after, before))) < 20


def test_memory_does_not_grow():
    f = wg.jit(lambda x: (x * 2, np.sum(x), x.reshape(2, 2), 1.5 * x[0]))
    f(X), f(X)
    tracemalloc.start()
    try:
        for _ in range(100):
            f(X)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10**4):
            f(X)
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()


def test_arguments_are_not_kept():
    class Marked(np.ndarray):
        pass

    f = wg.jit(lambda t, x: t[0] * x + 1)
    for make in (lambda: np.ones(5), lambda: np.ones(5).view(Marked)):
        x, other = make(), make()
        kept = [weakref.ref(x), weakref.ref(other)]
        f([x], other), f([x], other), f([x], other)
        del x, other
        gc.collect()
        assert [r() for r in kept] == [None, None]


def test_more_forms_than_a_door_has_room_for():
    f = wg.jit(lambda x, k: x * 2 if k else x)
    for _ in range(2):
        for n in range(door.MAX_FORMS + 5):
            same(f(X, n), X * 2 if n else X)
            same(f(np.ones(n), 1), np.full(n, 2.0))


SHORT_OF_MEMORY = """
import resource
import numpy as np
import wengert as wg
x = np.ones(30_000_000)
f = wg.jit(lambda x: (x * 2, np.sum(x), x * 3))
f(x)
held = [f(x)]
with open("/proc/self/statm") as pages:
    used = int(pages.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000, -1))
for _ in range(5):
    try:
        held.append(f(x))
    except MemoryError:
        break
else:
    raise SystemExit("no MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
held.clear()
assert f(x)[0].sum() == 60_000_000
assert np._core.multiarray.get_handler_name() == "default_allocator"
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_a_lack_of_memory_is_an_exception():
    subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY], check=True, timeout=120)


def test_a_function_that_nobody_needs_is_freed():
    f = wg.jit(lambda x: x * 2)
    f(X), f(X)
    gone = weakref.ref(f)
    gc.disable()
    try:
        del f
        assert gone() is None
    finally:
        gc.enable()


def test_a_cycle_through_a_function_is_collected():
    def make():
        box = []
        f = wg.jit(lambda x: x * 2 if box else x)
        box.append(f)
        f(X), f(X)
        return weakref.ref(f)

    gone = make()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("size", [4, 300_000], ids=["short work", "long work"])
def test_several_threads_at_once(size):
    rng = np.random.default_rng(0)
    given = [rng.normal(size=size) for _ in range(4)]

    def plain(x):
        y = np.cumsum(x)[::-1] * x
        return y * 2 if x[0] > 0 else y

    f, expected, wrong = wg.jit(plain), [plain(x) for x in given], []

    def work(k):
        for _ in range(2000 if size < 100 else 20):
            if not np.allclose(f(given[k]), expected[k]):
                wrong.append(k)

    in_threads(*(partial(work, k) for k in range(4)))
    assert not wrong


def test_a_list_that_another_thread_changes():
    stop, sizes = threading.Event(), (300_000,)
    f = wg.jit(lambda t: t[0] * 2 + t[1])
    t = [np.ones(sizes), np.ones(sizes)]
    f(t), f(t)

    def change():
        while not stop.is_set():
            t[0], t[1] = np.ones(sizes), np.ones(sizes)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(100):
            assert f(t).sum() == 3 * sizes[0]
    finally:
        stop.set()
        thread.join()


def test_threads_that_come_at_once_share_one_door(monkeypatch):
    """Another one in its place would take away what calls that are under way still read."""
    together, used = threading.Barrier(2), []

    class Slow(door.Door):
        def __init__(self, *args):
            together.wait(30)
            super().__init__(*args)

        def admit(self, *args):
            used.append(self)
            super().admit(*args)

    monkeypatch.setattr(door, "Door", Slow)
    f = wg.jit(lambda x: np.sin(x) * x)
    f(np.ones(3))
    in_threads(*[lambda: f(np.ones(3))] * 2)
    assert len(used) == 2 and {id(made) for made in used} == {id(f._door)}
