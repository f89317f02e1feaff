"""What the first call costs: compiling a training step, cold and from the disk cache, and the imports.

    python benchmarks/compile.py [--quick] [--json FILE] [--plot FILE]

The step is one of Adam on a 64-128-64-10 network: the softmax cross-entropy of 64 patterns, its gradient,
and the new weights and means, in float32. Every sample is a process of its own: the packages are imported,
NumPy has multiplied once, and then the first call is timed. `cold` starts with an empty cache on disk,
`cached` finds there what the cold one left; JAX keeps its compiled code in the same way. The parts:
`record` runs the function once (JAX: traces and lowers), `name` is the fingerprint of what was recorded,
`plan` simplifies it and plans memory, `text` writes LLVM IR, `compile` is LLVM's time (XLA's), `cache` the
disk's, `load` the linking of object code, `rest` everything else, the step itself for one. `total` is the
sum, in the median of the rounds, and `CPU` the least time of the processor, which a busy machine does not
change much. `second` is the second call, which loads the code that takes calls from then on. `÷ JAX` is the
median over the rounds. The results of the step are compared before any time is shown.

An import is timed after NumPy has been imported. Bytecode is on disk everywhere, as in an installed package.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from _measure import machine, machine_line, table, write_json

SIZES, PATTERNS = (64, 128, 64, 10), 64
RATE, B1, B2, EPS = 1e-3, 0.9, 0.999, 1e-8
TOLERANCE = 1e-4
PARTS = ("record", "name", "plan", "text", "compile", "cache", "load", "rest")
TARGETS = {"cold": 0.120, "cached": 0.010, "import": 0.120}  # seconds

IMPORTS = {
    "import wengert": "import wengert",
    "and its derivatives": "import wengert; wengert.grad",
    "and everything, LLVM too": "import wengert; [getattr(wengert, n) for n in wengert.__all__]; "
    "import wengert.native.program",
    "import autograd": "import autograd",
    "import jax": "import jax",
}
PEERS = ("import autograd", "import jax")

IMPORT = """
import numpy, json, time
total, cpu = -time.perf_counter(), -time.process_time()
{}
print(json.dumps({{"total": total + time.perf_counter(), "cpu": cpu + time.process_time()}}))
"""

Step = Callable[..., Any]
Times = dict[str, float]


# --- the step, in both packages


def data() -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Patterns, classes, and the weights and biases of every layer."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(PATTERNS, SIZES[0])).astype(np.float32)
    layers = [
        ((rng.normal(size=(n, m)) / np.sqrt(n)).astype(np.float32), np.zeros(m, np.float32))
        for n, m in pairwise(SIZES)
    ]
    return x, rng.integers(0, SIZES[-1], PATTERNS), layers


def wengert_step() -> tuple[Step, tuple[Any, ...]]:
    """A training step of this package, and its arguments."""
    import wengert as wg

    x, t, layers = data()
    last = len(layers) - 1
    network = wg.nn.MLP(
        tuple(
            wg.nn.Dense(w, b, wg.nn.ACTIVATIONS["identity" if i == last else "relu"])
            for i, (w, b) in enumerate(layers)
        )
    )
    rule = wg.optim.Adam(RATE, B1, B2, EPS)
    cross_entropy = wg.losses.softmax_cross_entropy
    error = wg.value_and_grad(lambda network, x, t: cross_entropy(network(x), t))

    def step(network: Any, state: Any, x: Any, t: Any) -> Any:
        e, gradient = error(network, x, t)
        return e, *rule.update(gradient, state, network)

    return step, (network, rule.init(network), x, t)


def jax_step() -> tuple[Step, tuple[Any, ...]]:
    """The same step in JAX."""
    import jax
    import jax.numpy as jnp

    def error(layers: Any, x: Any, t: Any) -> Any:
        for w, b in layers[:-1]:
            x = jax.nn.relu(x @ w + b)
        a = x @ layers[-1][0] + layers[-1][1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(a), t[:, None], axis=1))

    def step(layers: Any, state: Any, x: Any, t: Any) -> Any:
        count, mean, square = state
        e, gradient = jax.value_and_grad(error)(layers, x, t)
        count = count + 1
        mean = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, mean, gradient)
        square = jax.tree.map(lambda s, g: B2 * s + (1 - B2) * g * g, square, gradient)

        def moved(w: Any, m: Any, s: Any) -> Any:
            return w - RATE * (m / (1 - B1**count)) / (jnp.sqrt(s / (1 - B2**count)) + EPS)

        return e, jax.tree.map(moved, layers, mean, square), (count, mean, square)

    x, t, layers = data()
    zeros = jax.tree.map(np.zeros_like, layers)
    return step, (layers, (0, zeros, zeros), x, t)


def summary(result: Any, leaves: Callable[[Any], Iterable[Any]]) -> list[float]:
    """The error, and the sums of the new weights and biases: what both packages must agree on."""
    return [float(result[0]), *(float(np.sum(leaf)) for leaf in leaves(result[1]))]


# --- one sample, in a process of its own


class Clock:
    """What functions take, by parts. A part is not charged with what others take that it calls."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin at nothing."""
        self.times: Times = dict.fromkeys(PARTS, 0.0)
        self.part, self.since = "rest", perf_counter()

    def turn(self, part: str) -> str:
        """From now on the time is another part's; gives the part that it was."""
        now, before = perf_counter(), self.part
        self.times[before] += now - self.since
        self.part, self.since = part, now
        return before

    def watch(self, part: str, module: Any, name: str) -> None:
        """From now on, what a function of a module takes is a part's."""
        call = getattr(module, name)

        @functools.wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            before = self.turn(part)
            try:
                return call(*args, **kwargs)
            finally:
                self.turn(before)

        setattr(module, name, timed)


def first_call_of_wengert() -> dict[str, Any]:
    """Seconds of the parts of the first call under `jit`."""
    import wengert as wg
    from wengert.core import tree
    from wengert.native import compilation, paths, program
    from wengert.native.machine import cache, llvm, team
    from wengert.native.planning import fingerprint

    clock = Clock()
    for part, module, names in (
        ("record", paths, ("record",)),
        ("name", fingerprint, ("name_of",)),
        ("plan", compilation, ("simplify", "Plan")),
        ("text", compilation, ("write_module",)),
        ("compile", llvm, ("object_codes",)),
        ("cache", cache, ("load", "store")),
        ("load", program, ("link",)),
        ("load", team, ("link",)),
    ):
        for name in names:
            clock.watch(part, module, name)
    step, args = wengert_step()
    compiled = wg.jit(step)
    clock.start()
    cpu = -process_time()
    compiled(*args)
    clock.turn("rest")
    times, cpu = dict(clock.times), cpu + process_time()
    second = -perf_counter()
    compiled(*args)
    second += perf_counter()
    found = summary(compiled(*args), lambda t: tree.flatten(t)[0])
    return {**times, "total": sum(times.values()), "cpu": cpu, "second": second, "found": found}


def first_call_of_jax() -> dict[str, Any]:
    """Seconds of JAX's parts of the same."""
    import jax

    jax.config.update("jax_compilation_cache_dir", os.environ["WENGERT_CACHE_DIR"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.numpy.zeros(3).block_until_ready()
    step, args = jax_step()
    start, cpu = perf_counter(), -process_time()
    lowered = jax.jit(step).lower(*args)
    middle = perf_counter()
    compiled = lowered.compile()
    end, cpu = perf_counter(), cpu + process_time()
    times = {"record": middle - start, "compile": end - middle, "total": end - start, "cpu": cpu}
    return {**times, "found": summary(compiled(*args), jax.tree.leaves)}


WORKERS = {"wengert": first_call_of_wengert, "jax": first_call_of_jax}


def work(package: str) -> None:
    """One sample, printed as JSON."""
    x, _, layers = data()
    x @ layers[0][0]
    print(json.dumps(WORKERS[package]()))


# --- all samples


def environment(folder: Path) -> dict[str, str]:
    """The variables of the processes: bytecode of their own, and one thread of NumPy's matmul."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    own = {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "OPENBLAS_NUM_THREADS": "1"}
    return {**inherited, **own, "JAX_PLATFORMS": "cpu"}


def output_of(arguments: Sequence[str], variables: dict[str, str]) -> str:
    """What a Python process prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=variables, check=True, text=True, stdout=subprocess.PIPE).stdout


def sample(package: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The first call of a package, cold and cached."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        variables = environment(folder) | {"WENGERT_CACHE_DIR": str(Path(fresh) / "cache")}
        return {
            state: json.loads(output_of([__file__, "--worker", package], variables))
            for state in ("cold", "cached")
        }


def first_calls(packages: Sequence[str], rounds: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Samples of every package, by turns."""
    found: dict[str, list[dict[str, Any]]] = {package: [] for package in packages}
    for package in packages:
        sample(package, folder)  # which leaves bytecode
    for number in range(rounds):
        for package in packages[:: -1 if number % 2 else 1]:
            found[package].append(sample(package, folder))
    return found


def check(samples: dict[str, list[dict[str, Any]]]) -> None:
    """Ends the program where results of the step differ, between packages or between cold and cached."""
    results = [s[state]["found"] for many in samples.values() for s in many for state in s]
    worst = float(np.max(np.abs(np.subtract(results, results[0]))))
    if not worst <= TOLERANCE:
        sys.exit(f"the results of the step differ by {worst:.2g}")


def import_seconds(rounds: int, folder: Path, statements: dict[str, str]) -> dict[str, list[Times]]:
    """Seconds of each import after NumPy's, every one in a process of its own; the first is not counted."""
    variables = environment(folder)
    found: dict[str, list[Times]] = {name: [] for name in statements}
    for number in range(rounds + 1):
        for name, statement in statements.items():
            seconds = json.loads(output_of(["-c", IMPORT.format(statement)], variables))
            found[name].extend([seconds] if number else [])
    return found


# --- what is shown


def milliseconds(samples: Sequence[dict[str, Any]], part: str) -> str:
    """Median of a part, or nothing where the package does not tell it."""
    return f"{1e3 * statistics.median(s[part] for s in samples):.1f}" if part in samples[0] else ""


def rows_of_calls(samples: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """One line for every package and state."""
    rows = []
    for package, many in samples.items():
        for state in ("cold", "cached"):
            here = [s[state] for s in many]
            times = [milliseconds(here, part) for part in (*PARTS, "total")]
            times += [f"{1e3 * min(s['cpu'] for s in here):.1f}", milliseconds(here, "second")]
            target = f"{1e3 * TARGETS[state]:.0f}" if package == "wengert" else ""
            rows.append([package, state, *times, target, ratio(samples, package, state)])
    return rows


def ratio(samples: dict[str, list[dict[str, Any]]], package: str, state: str) -> str:
    """A package's total ÷ JAX's, as a median over the rounds."""
    if "jax" not in samples:
        return ""
    pairs = zip(samples[package], samples["jax"], strict=True)
    return f"{statistics.median(a[state]['total'] / b[state]['total'] for a, b in pairs):.3f}"


def rows_of_imports(seconds: dict[str, list[Times]]) -> list[list[str]]:
    """One line for every import."""
    rows = []
    for name, samples in seconds.items():
        target = "" if name in PEERS else f"{1e3 * TARGETS['import']:.0f}"
        rows.append([name, milliseconds(samples, "total"), milliseconds(samples, "cpu"), target])
    return rows


def plot(samples: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """The parts of the first call as stacked bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    bars = [(package, state) for package in samples for state in ("cold", "cached")]
    left = np.zeros(len(bars))
    for part in PARTS:
        width = [1e3 * statistics.median(s[state].get(part, 0) for s in samples[p]) for p, state in bars]
        axes.barh([f"{p}, {state}" for p, state in bars], width, 0.6, left, label=part)
        left += width
    axes.invert_yaxis()
    axes.set(xlabel="ms", title="first call of a training step 64-128-64-10")
    axes.legend()
    figure.savefig(path, dpi=120)


def installed(names: Iterable[str]) -> list[str]:
    """Those of the packages that can be imported."""
    from importlib.util import find_spec

    return [name for name in names if find_spec(name) is not None]


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", metavar="PACKAGE", choices=WORKERS, help="without the other package")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the parts as a PNG")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    if options.worker:
        work(options.worker)
        return
    rounds = 1 if options.quick else 9
    packages = [options.only] if options.only else installed(WORKERS)
    here = {name: s for name, s in IMPORTS.items() if name not in PEERS or installed(name.split()[1:])}
    with tempfile.TemporaryDirectory() as folder:
        samples = first_calls(packages, rounds, Path(folder))
        imports = import_seconds(rounds, Path(folder), here)
    check(samples)
    header = (
        "first call",
        "",
        *(f"{part} ms" for part in PARTS),
        "total ms",
        "CPU ms",
        "second ms",
        "target",
        "÷ JAX",
    )
    print(table(header, rows_of_calls(samples), left=2), end="\n\n")
    print(table(("import, after NumPy", "ms", "CPU ms", "target"), rows_of_imports(imports)))
    where = machine(("numpy", "wengert", "llvmlite", "jax", "autograd"), rounds=rounds)
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "first_calls": samples, "imports": imports})
    if options.plot:
        plot(samples, options.plot)


if __name__ == "__main__":
    main()
