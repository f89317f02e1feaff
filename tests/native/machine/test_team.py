"""Threads: the same bits whatever their number, and no harm whoever calls, forks or fails meanwhile."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from tests.native.delays import late_threads
from tests.native.programs import arguments, program
from tests.native.sharing import share_everything
from tests.threads import in_threads
from wengert.core.tree import flatten
from wengert.native.calling import layout
from wengert.native.machine import host, team
from wengert.native.writing import emit

pytestmark = pytest.mark.skipif(not team.has_threads(), reason="no POSIX threads")

COUNTS = (1, 2, 3, 4, 7)
ENDLESS = 1 << 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 80)).astype(np.float32)
W = RNG.normal(size=(80, 48)).astype(np.float32) * np.float32(0.1)
B = RNG.normal(size=48).astype(np.float32)
LONG_ROWS, LONG = RNG.normal(size=(7, 300)), RNG.normal(size=(300, 1003)) * 0.1


@pytest.fixture(autouse=True)
def threads():
    """The team runs every call, however busy the machine is."""
    before = wg.get_threads()
    team.set_patience(ENDLESS)
    yield
    team.set_patience(team.PATIENCE)
    wg.set_threads(before)


@pytest.fixture(scope="module")
def cache_of_shared_code(tmp_path_factory):
    return str(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def shared(monkeypatch, cache_of_shared_code):
    """Everything is worth sharing."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", cache_of_shared_code)
    share_everything(monkeypatch)


def leaves(tree):
    return [np.asarray(leaf) for leaf in flatten(tree)[0]]


def same_for_all_counts(f, *args):
    """The results are the same bits on every number of threads, and the function's own up to rounding."""
    compiled = wg.jit(f)
    wg.set_threads(1)
    expected = leaves(compiled(*args))
    for found, plain in zip(expected, leaves(f(*args)), strict=True):
        tolerance = 1e-3 if found.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(found, plain, rtol=tolerance, atol=tolerance * max(1, np.abs(plain).max()))
    for count in COUNTS:
        wg.set_threads(count)
        for found, one in zip(leaves(compiled(*args)), expected, strict=True):
            assert found.tobytes() == one.tobytes()
    assert "threads" in str(compiled.explain(*args))


# --- the same bits ----------------------------------------------------------------------------------------

KINDS = {
    "row-major": lambda x, w, b: np.tanh(x @ w + b),
    "transposed result": lambda x, w, b: np.tanh(w.T @ x.T + b[:, None]).T,
    "transposed left": lambda x, w, b: np.maximum(x.T @ np.tanh(x), 0) @ w[:80],
    "transposed right": lambda x, w, b: (x @ w) @ w.T + x,
    "matrix and vector": lambda x, w, b: x @ w[:, 0] + (b @ w.T).sum(),
    "vector and matrix": lambda x, w, b: np.exp(-np.abs(x[:, 0] @ x)),
    "few rows": lambda x, w, b: np.tanh(LONG_ROWS @ LONG) @ LONG.T,
    "few columns": lambda x, w, b: (LONG.T @ np.tanh(LONG_ROWS.T)) * 2,
    "one row": lambda x, w, b: np.maximum(LONG_ROWS[0] @ LONG, 0) @ LONG.T,
    "batch": lambda x, w, b: np.stack([x, x * 2, -x]) @ w + b,
    "batch of both": lambda x, w, b: np.stack([x, x * 2, -x]) @ np.stack([w, w, w * 3]),
    "small products": lambda x, w, b: x.reshape(-1, 8, 8)[:50] @ x.reshape(-1, 8, 8)[50:100],
    "sums": lambda x, w, b: (
        x.sum(),
        x.sum(axis=0),
        x.sum(axis=1),
        x.max(axis=0),
        x.min(axis=1),
        (x * x).mean(),
    ),
    "sums of sums": lambda x, w, b: (
        np.exp(x - x.max(axis=1, keepdims=True)) / np.exp(x).sum(axis=1, keepdims=True)
    ),
    "views": lambda x, w, b: x[::-1, 3:70:2].T @ x[:, :40] + x.reshape(80, 96)[:34, :40],
    "lookups": lambda x, w, b: x[np.arange(200) % 96] @ w,
    "parts": lambda x, w, b: np.concatenate([x @ w, (x @ w)[::-1] * 2], axis=1),
    "columns": lambda x, w, b: (x - x.mean(axis=0)) / x.std(axis=0),
    "short rows": lambda x, w, b: np.tanh(x[:, :3]) * b[:3] + x[:, 3:6],
    "float64": lambda x, w, b: np.cumsum(x.astype(np.float64) @ w.astype(np.float64), axis=0)[-1],
    "checkpoint": lambda x, w, b: wg.checkpoint(lambda x: np.tanh(x @ w + b))(x).sum(axis=1),
}


@pytest.mark.parametrize("f", KINDS.values(), ids=KINDS)
def test_values(f, shared):
    same_for_all_counts(f, X, W, B)


@pytest.mark.parametrize(
    "name",
    ["row-major", "transposed result", "batch", "sums of sums", "views", "parts", "lookups", "checkpoint"],
)
def test_gradients(name, shared):
    total = lambda *args: np.sum(KINDS[name](*args) ** 2)
    same_for_all_counts(
        wg.value_and_grad(total, argnums=(0, 1, 2)) if name != "views" else wg.value_and_grad(total), X, W, B
    )


def step(carry, row):
    """Carries in place, one that its successor reads whole, one that others read, and a scalar."""
    z, w, total = carry
    return (np.tanh(z @ w) * 0.5 + row, w + (z.T @ z) * 1e-4, total + z.sum()), z.sum(axis=0) * total


def test_scans(shared):
    f = lambda x, w: wg.scan(step, (x, w, 0.0), x[:7])
    same_for_all_counts(f, RNG.normal(size=(40, 40)), RNG.normal(size=(40, 40)) * 0.1)


def test_gradients_of_scans(shared):
    f = lambda x, w: np.sum(wg.scan(step, (x, w, 0.0), x[:7])[1])
    same_for_all_counts(
        wg.grad(f, argnums=(0, 1)), RNG.normal(size=(40, 40)), RNG.normal(size=(40, 40)) * 0.1
    )


def test_while_loops_and_branches(shared):
    def f(x):
        go = lambda carry: carry[1].sum() > 40
        halve = lambda carry: (carry[0] + 1, carry[1] * 0.5)
        count, left = wg.while_loop(go, halve, (0, np.abs(x)))
        chosen = wg.cond(left[0, 0] > x[0, 0], lambda x, y: x @ y.T, lambda x, y: y @ x.T, x, left)
        # What comes next may use the memory that the loop's answer and the branch's question stood in.
        return count, np.exp(-np.abs(chosen)) + chosen.T, chosen.sum()

    same_for_all_counts(f, X)
    same_for_all_counts(f, -X)


def test_training(shared):
    from wengert import losses, nn, optim

    network = nn.MLP.init(np.random.default_rng(0), (80, 32, 10), "tanh")
    y = RNG.integers(0, 10, len(X))
    results = []
    for count in COUNTS:
        wg.set_threads(count)
        fit = wg.train.fit(
            network, losses.softmax_cross_entropy, X, y, optimiser=optim.Adam(0.01), epochs=3, batch_size=24
        )
        results.append([*leaves(fit.network), np.array(fit.curve.training)])
    for found in results[1:]:
        for a, b in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_with_late_threads(seed, monkeypatch):
    f, args = program(seed), arguments(seed)
    with late_threads(monkeypatch, seed):
        compiled = wg.jit(f)
        wg.set_threads(1)
        expected = compiled(*args)
    for count in (2, 3, 4):
        wg.set_threads(count)
        for found, one in zip(compiled(*args), expected, strict=True):
            np.testing.assert_array_equal(found, one)


# --- several Python threads -------------------------------------------------------------------------------


def large(x, w, b):
    """Long enough that other Python threads run meanwhile."""
    for _ in range(4):
        x = np.tanh(x @ w + b) @ w.T
    return x


BIG = [RNG.normal(size=s) * 0.1 for s in ((400, 256), (256, 200), (200,))]


def test_calls_from_several_threads_at_once(shared):
    wg.set_threads(3)
    compiled = wg.jit(large)
    inputs = [(BIG[0] * k, *BIG[1:]) for k in range(1, 5)]
    expected = [compiled(*args) for args in inputs]

    def job(k):
        for _ in range(15):
            np.testing.assert_array_equal(compiled(*inputs[k]), expected[k])

    in_threads(*(lambda k=k: job(k) for k in range(4)))


def test_calls_while_another_thread_compiles_and_changes_the_number(shared):
    wg.set_threads(3)
    compiled, done = wg.jit(large), threading.Event()
    expected = compiled(*BIG)

    def call():
        while not done.is_set():
            np.testing.assert_array_equal(compiled(*BIG), expected)

    def compile_and_change():
        try:
            for k in range(6):
                wg.set_threads(1 + k % 4)
                np.testing.assert_allclose(wg.jit(lambda x, k=k: np.exp(x @ x.T) * k)(X * 0), k)
        finally:
            done.set()

    in_threads(call, call, compile_and_change)


# --- processes --------------------------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
ignores_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def forked(job):
    """Whether a job succeeds in a forked child within a minute."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(60)
            job()
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_fork
@ignores_fork
def test_both_go_on_after_a_fork(shared):
    wg.set_threads(3)
    compiled = wg.jit(large)
    expected = compiled(*BIG)

    def job():
        for count in (3, 4, 1, 2):
            wg.set_threads(count)
            np.testing.assert_array_equal(compiled(*BIG), expected)
        np.testing.assert_allclose(wg.jit(lambda x: np.exp(x @ x.T))(X * 0), 1)

    assert forked(job)
    np.testing.assert_array_equal(compiled(*BIG), expected)
    assert forked(lambda: forked(job) or os._exit(1))
    np.testing.assert_array_equal(compiled(*BIG), expected)


@needs_fork
@ignores_fork
def test_fork_while_another_thread_is_inside_a_call(shared):
    wg.set_threads(3)
    compiled, done = wg.jit(large), threading.Event()
    expected = compiled(*BIG)

    def call():
        while not done.is_set():
            np.testing.assert_array_equal(compiled(*BIG), expected)

    def fork():
        try:
            for _ in range(5):
                assert forked(lambda: np.testing.assert_array_equal(compiled(*BIG), expected))
        finally:
            done.set()

    in_threads(call, fork)


@needs_fork
@ignores_fork
def test_fork_while_another_thread_compiles(shared):
    wg.set_threads(2)
    wg.jit(lambda x: x @ x.T)(X)
    done = threading.Event()

    def compile():
        while not done.is_set():
            k = time.perf_counter_ns()
            np.testing.assert_allclose(wg.jit(lambda x, k=k: np.exp(x @ x.T) + k)(X * 0), 1 + k)

    def fork():
        try:
            for _ in range(5):
                time.sleep(0.05)
                assert forked(
                    lambda: np.testing.assert_allclose(
                        wg.jit(lambda x: x @ x.T)(X), X @ X.T, rtol=1e-3, atol=1e-3
                    )
                )
        finally:
            done.set()

    in_threads(compile, fork)


def worker(k):
    """The work of one process of a pool."""
    wg.set_threads(2)
    x = np.full((300, 256), k, float)
    return float(wg.jit(lambda x: np.tanh(x @ x.T).sum())(x))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@ignores_fork
def test_pools(method):
    worker(1)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(worker, [1, 2, 3]).get(100) == [90000.0] * 3
    assert worker(2) == 90000.0


# --- at the edges -----------------------------------------------------------------------------------------


def run(code, **environment):
    """What a program prints; it must end well within a minute."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return found.returncode, found.stdout.strip(), found.stderr


LARGE = """
import os, resource, sys, threading, time
import numpy as np
import wengert as wg
x = np.random.default_rng(0).normal(size=(600, 500)) * 0.1
f = wg.jit(lambda x: np.tanh(x @ x.T) @ x)
g = lambda x: np.tanh(x @ x.T) @ x
"""


@pytest.mark.parametrize("given, count", [("1", "1"), ("3", "3"), (" 4 ", "4"), ("64", "64")])
def test_the_environment_sets_the_number(given, count):
    assert run("import wengert as wg; print(wg.get_threads())", WENGERT_NUM_THREADS=given)[:2] == (0, count)


@pytest.mark.parametrize(
    "given, most", [("1", 1), ("1,8", 1), ("500", 500), ("", 500), ("none", 500), ("0", 1)]
)
def test_openmp_variable_is_a_limit(given, most):
    code, printed, error = run(
        "import os, wengert as wg; print(wg.get_threads(), len(os.sched_getaffinity(0)))"
        if hasattr(os, "sched_getaffinity")
        else "import os, wengert as wg; print(wg.get_threads(), os.cpu_count())",
        OMP_NUM_THREADS=given,
        WENGERT_NUM_THREADS="",
    )
    assert code == 0, error
    count, cores = map(int, printed.split())
    assert count == min(cores, most, team.LIMIT)


@pytest.mark.parametrize("given", ["0", "-1", "65", "two", "1.5", " "])
def test_a_wrong_number_in_the_environment_is_named(given):
    _, _, error = run(LARGE + "f(x)", WENGERT_NUM_THREADS=given)
    assert f"ValueError: WENGERT_NUM_THREADS is {given!r}; it must be a whole number from 1 to 64" in error


@pytest.mark.parametrize("count", [0, -1, 65, 1.5, "two", None, True])
def test_a_wrong_number_is_named(count):
    with pytest.raises(ValueError, match="it must be a whole number from 1 to 64"):
        wg.set_threads(count)


def test_an_exception_leaves_the_team_in_order(shared):
    wg.set_threads(3)
    f = wg.jit(lambda x, i: np.tanh(x @ x.T)[i])
    good = f(X, np.array([1, 2]))
    for _ in range(3):
        with pytest.raises(IndexError):
            f(X, np.array([1, 96]))
        np.testing.assert_array_equal(f(X, np.array([1, 2])), good)


def test_nobody_is_busy_between_calls(shared):
    wg.set_threads(4)
    compiled = wg.jit(large)
    compiled(*BIG)
    compiled(*BIG)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_more_threads_than_cores_end(shared):
    wg.set_threads(16)
    compiled = wg.jit(large)
    expected = compiled(*BIG)
    start = time.perf_counter()
    for _ in range(3):
        np.testing.assert_array_equal(compiled(*BIG), expected)
    assert time.perf_counter() - start < 30


def test_little_work_has_the_team_only_while_calls_follow_each_other(monkeypatch):
    share_everything(monkeypatch)
    monkeypatch.setattr(emit, "is_worth_waking", lambda plan: False)
    monkeypatch.setenv("WENGERT_CACHE_DIR", "off")
    wg.set_threads(2)
    f = wg.jit(large)
    expected = f(*BIG)
    for _ in range(5):
        time.sleep(0.01)
        before = calls()
        np.testing.assert_array_equal(f(*BIG), expected)
        assert calls() == before
    before, end = calls(), time.monotonic() + 60
    while calls() == before and time.monotonic() < end:
        found = [f(*BIG) for _ in range(5)]
    assert calls() > before
    np.testing.assert_array_equal(found, [expected] * 5)


def calls():
    """How many calls the team has had."""
    return team._word(team._CALL).value >> 8


needs_cores = pytest.mark.skipif(sys.platform != "linux", reason="threads cannot choose their cores")


def core():
    """The core that this thread has last run on."""
    return int(Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()[36])


def moved_over(cores, times=1):
    """Before and after a thread that may run on these cores finds itself on the caller's, so many times."""
    move = team._call(team._code(), "move_over", None)
    found = []

    def job():
        os.sched_setaffinity(0, cores)
        for _ in range(times):
            before = core()
            team._word(team._CORE).value = before
            move()
            found.append((before, core()))
            assert os.sched_getaffinity(0) == cores

    in_threads(job)
    return found


@needs_cores
@pytest.mark.skipif(host.cores() < 2, reason="one core")
def test_a_worker_leaves_the_core_of_the_caller():
    assert any(before != after for before, after in moved_over(os.sched_getaffinity(0), 200))


@needs_cores
def test_a_worker_that_may_not_leave_a_core_stays():
    one = min(os.sched_getaffinity(0))
    assert moved_over({one}) == [(one, one)]


@needs_cores
def test_workers_keep_the_cores_that_they_are_given(shared):
    wg.set_threads(3)
    compiled = wg.jit(large)
    expected = compiled(*BIG)
    mine, one = os.sched_getaffinity(0), {min(os.sched_getaffinity(0))}
    tasks = [int(name) for name in os.listdir("/proc/self/task")]
    others = [task for task in tasks if task != threading.get_native_id()]
    try:
        for own, given in ((one, mine), (one, one), (mine, one), (mine, mine)):
            os.sched_setaffinity(0, own)
            for task in others:
                os.sched_setaffinity(task, given)
            for _ in range(5):
                np.testing.assert_array_equal(compiled(*BIG), expected)
            assert os.sched_getaffinity(0) == own
            assert all(os.sched_getaffinity(task) == given for task in others)
    finally:
        for task in tasks:
            os.sched_setaffinity(task, mine)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be kept on one core")
def test_a_team_that_is_not_given_its_cores_is_left_alone():
    code, printed, error = run(
        LARGE
        + """
from wengert.native.machine import team
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
wg.set_threads(2)
expected = f(x)
calls = lambda: team._word(team._CALL).value >> 8
def together(patience):
    team.set_patience(patience)
    f(x)
    before = calls()
    for _ in range(30):
        assert np.array_equal(f(x), expected)
    return calls() - before
print(together(1 << 60), together(team.PATIENCE) < 10, together(1 << 60))
"""
    )
    assert (code, printed) == (0, "30 True 30"), error


def test_threads_that_cannot_be_had_are_done_without():
    code, printed, error = run(
        LARGE
        + """
wg.set_threads(1)
f(x), f(x)
if os.getuid() == 0:
    os.setgroups([]); os.setgid(54321); os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=int).start()
    print("no limit")
except RuntimeError:
    wg.set_threads(4)
    for _ in range(2):
        assert np.allclose(f(x), g(x))
    print("done")
""",
        OPENBLAS_NUM_THREADS="1",
    )
    assert code == 0, error
    if printed == "no limit":
        pytest.skip("the number of processes cannot be limited here")
    assert printed == "done"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
def test_an_interruption_comes_after_the_call():
    code, printed, error = run(
        LARGE
        + """
import signal
wg.set_threads(3)
long = wg.jit(lambda x: wg.scan(lambda c, _: (np.tanh(c @ x), None), x, None, length=40)[0])
x = x[:500] * 0.1
first = long(x)
threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    while True:
        long(x)
except KeyboardInterrupt:
    np.testing.assert_array_equal(long(x), first)
    print("interrupted")
"""
    )
    assert (code, printed) == (0, "interrupted"), error


def test_a_process_with_sleeping_workers_exits_at_once():
    code, printed, error = run(
        LARGE
        + """
import atexit
wg.set_threads(8)
f(x), f(x)
atexit.register(lambda: print(len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 8))
"""
    )
    assert code == 0, error
    assert int(printed) >= 8


@pytest.mark.skipif(not layout.is_known(), reason="calls do not go through native code")
def test_workers_are_kept(shared):
    wg.set_threads(3)
    compiled = wg.jit(large)
    compiled(*BIG)
    tasks = lambda: len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
    before = tasks()
    for count in (1, 3, 2, 3):
        wg.set_threads(count)
        for _ in range(5):
            compiled(*BIG)
    assert tasks() == before


def test_counts_for_a_while_end_in_any_order():
    before = wg.get_threads()
    first, second = team.threads(before + 1), team.threads(before + 2)
    first.__enter__()
    second.__enter__()
    assert wg.get_threads() == before + 2
    first.__exit__(None, None, None)
    assert wg.get_threads() == before + 2
    second.__exit__(None, None, None)
    assert wg.get_threads() == before
    with team.threads(None):
        assert wg.get_threads() == before
    with pytest.raises(ValueError, match="the number of threads is 0"), team.threads(0):
        pass
    assert wg.get_threads() == before
