"""What a derivative costs: gradient ÷ function, counted and timed, and the time beside its peers.

    python benchmarks/derivatives.py [--quick] [--part native] [--threads 1] [--json FILE] [--plot FILE]

The first table is of native code (`wg.jit`) beside JAX, PyTorch and autograd, each in its best form
(`_peers.py`; `--compile` adds `torch.compile`) and with as many threads: microseconds of the fastest samples.
`D/f` divides the derivative's time by the function's, both native; `ratio` is the time of the best peer ÷
wengert's, `median` that of the samples between; `target` is what it is meant to be. On one thread the
processor's time is counted, so that other programs on the machine disturb less.

The second table is of plain NumPy. Both packages differentiate the same source (`_functions.py`), and their
derivatives are compared before any is timed. `f` is the plain NumPy function; `ops` and `bytes` divide what
the gradient computes and moves, as counted on its trace, by the same of the function; `grad/f` divides the
times; `ratio` is wengert's time ÷ autograd's (median of the rounds), `min` that of the fastest samples, and
`value too` the ratio for value and gradient together.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import autograd
import autograd.numpy
import numpy as np
from _functions import Function
from _measure import (
    Comparison,
    Samples,
    compare,
    interleave,
    machine,
    machine_line,
    settle_heap,
    table,
    write_json,
)
from _peers import PACKAGES, Unavailable
from _problems import Array, Problem, problems
from _tasks import Task, tasks
from threadpoolctl import threadpool_limits

import wengert as wg

TOLERANCE = 1e-8
HEADER = ("function", "sizes", "ops", "bytes", "grad/f", "f ms", "wengert ms", "autograd ms", "ratio", "min",
          "value too")  # fmt: skip

SLOW = 30.0  # times the best peer's time, from which on a package is called once

Derivative = Callable[..., Any]


class Peer(NamedTuple):
    """One package: the NumPy that it wants, and its derivatives with respect to all arguments."""

    numpy: ModuleType
    gradient: Callable[[Function, int], Derivative]
    value_and_gradient: Callable[[Function, int], Derivative]
    pullback: Callable[[Function, tuple[Array, ...]], Callable[[Array], Sequence[Array]]]


def wengert_pullback(f: Function, arguments: tuple[Array, ...]) -> Callable[[Array], Sequence[Array]]:
    """The map from an adjoint of the output to the adjoints of the arguments."""
    return wg.vjp(f, *arguments)[1]


def autograd_pullback(f: Function, arguments: tuple[Array, ...]) -> Callable[[Array], Sequence[Array]]:
    """The same map of autograd's."""
    return autograd.make_vjp(f, tuple(range(len(arguments))))(*arguments)[0]


PEERS = {
    "wengert": Peer(
        np,
        lambda f, n: wg.grad(f, tuple(range(n))),
        lambda f, n: wg.value_and_grad(f, tuple(range(n))),
        wengert_pullback,
    ),
    "autograd": Peer(
        autograd.numpy,
        lambda f, n: autograd.grad(f, tuple(range(n))),
        lambda f, n: autograd.value_and_grad(f, tuple(range(n))),
        autograd_pullback,
    ),
}


def blocks(peer: Peer, f: Function, outputs: int) -> Derivative:
    """Jacobian blocks of a function whose output's rows depend on the same rows of its arguments only.

    One pullback per column of the output gives that row of every block.
    """

    def jacobian_blocks(*arguments: Array) -> list[Array]:
        pullback = peer.pullback(f, arguments)
        seeds = np.broadcast_to(np.eye(outputs)[:, None, :], (outputs, len(arguments[0]), outputs))
        return [np.stack(rows, axis=1) for rows in zip(*map(pullback, seeds), strict=True)]

    return jacobian_blocks


def derivative(peer: Peer, problem: Problem) -> Derivative:
    """The derivative that the problem asks for."""
    f = problem.build(peer.numpy)
    if problem.outputs:
        return blocks(peer, f, problem.outputs)
    return peer.gradient(f, len(problem.arguments))


def with_value(peer: Peer, problem: Problem) -> Derivative:
    """Value and gradient together; the blocks have no such form, so they stand for themselves."""
    if problem.outputs:
        return derivative(peer, problem)
    return peer.value_and_gradient(problem.build(peer.numpy), len(problem.arguments))


def disagreement(ours: Iterable[Array], theirs: Iterable[Array]) -> float:
    """Largest difference, relative to the largest entry of the array that it stands in."""
    pairs = list(zip(ours, theirs, strict=True))
    return max(float(np.max(np.abs(a - b)) / max(1.0, float(np.max(np.abs(b))))) for a, b in pairs)


def check(problem: Problem, tolerance: float = TOLERANCE) -> float:
    """The packages' disagreement on a problem; ends the program where it is more than the tolerance."""
    ours, theirs = (derivative(peer, problem)(*problem.arguments) for peer in PEERS.values())
    worst = disagreement(ours, theirs)
    if not worst <= tolerance:
        sys.exit(f"{problem.name} ({problem.sizes}): the derivatives differ by {worst:.2g}")
    return worst


def counted(problem: Problem) -> dict[str, Any]:
    """Operations and bytes of the function and of its derivative, in all and by kind."""
    costs = {
        "function": wg.cost(problem.build(np))(*problem.arguments),
        "derivative": wg.cost(derivative(PEERS["wengert"], problem))(*problem.arguments),
    }
    return {name: quantities(cost) for name, cost in costs.items()}


def quantities(cost: Any) -> dict[str, Any]:
    """The numbers of a counted cost."""
    by_kind = dict(cost.by_kind)  # kind: (operations, bytes, equations)
    return {"operations": cost.operations, "bytes": cost.bytes, "by_kind": by_kind}


def timed(problem: Problem, rounds: int, floor: float) -> dict[str, Samples]:
    """Samples of the function, of both packages' derivatives, and of both with the value as well."""
    f, arguments = problem.build(np), problem.arguments
    calls: dict[str, Callable[[], object]] = {"function": lambda: f(*arguments)}
    for name, peer in PEERS.items():
        calls[name] = bound(derivative(peer, problem), arguments)
    for name, peer in PEERS.items():
        calls[f"{name} value"] = bound(with_value(peer, problem), arguments)
    return interleave(calls, rounds, floor)


def bound(call: Derivative, arguments: tuple[Array, ...]) -> Callable[[], object]:
    """The call with its arguments filled in."""
    return lambda: call(*arguments)


def measure(problem: Problem, rounds: int, floor: float) -> dict[str, Any]:
    """Everything about one problem."""
    worst, counts, samples = check(problem), counted(problem), timed(problem, rounds, floor)
    return {
        "name": problem.name,
        "sizes": problem.sizes,
        "disagreement": worst,
        "counted": counts,
        "counted_ratio": quotient(counts, "operations"),
        "bytes_ratio": quotient(counts, "bytes"),
        "timed_ratio": compare(samples["wengert"], samples["function"]),
        "ratio": compare(samples["wengert"], samples["autograd"]),
        "value_ratio": compare(samples["wengert value"], samples["autograd value"]),
        "samples": samples,
    }


def quotient(counts: dict[str, Any], quantity: str) -> float:
    """A counted quantity of the derivative divided by that of the function."""
    return counts["derivative"][quantity] / counts["function"][quantity]


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table."""
    ratio: Comparison = result["ratio"]
    times = [f"{1e3 * result['samples'][name].median:.3f}" for name in ("function", "wengert", "autograd")]
    quotients = [result["counted_ratio"], result["bytes_ratio"], result["timed_ratio"].median]
    comparisons = [ratio.median, ratio.minimum, result["value_ratio"].median]
    return [result["name"], result["sizes"], *map("{:.2f}".format, quotients), *times,
            *map("{:.2f}".format, comparisons)]  # fmt: skip


def plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Two charts: gradient ÷ function, counted and timed; and the time beside autograd's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 0.5 * len(results) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    cost, time = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(results))
    cost.plot([r["counted_ratio"] for r in results], places, "o", label="counted operations")
    cost.plot([r["timed_ratio"].median for r in results], places, "D", label="time")
    cost.axvline(4, color="black", linestyle=":", linewidth=1)
    cost.set(title="gradient ÷ function", xscale="log", yticks=places,
             yticklabels=[f"{r['name']}\n{r['sizes']}" for r in results])  # fmt: skip
    cost.set_xticks([1, 2, 4, 8, 16], labels=["1", "2", "4", "8", "16"])
    cost.minorticks_off()
    cost.legend()
    cost.invert_yaxis()
    time.barh(places, [r["ratio"].median for r in results], 0.6, color="tab:green")
    time.axvline(1, color="black", linestyle=":", linewidth=1)
    time.set(title="time of the gradient, wengert ÷ autograd")
    figure.savefig(path, dpi=120)


# --- native code --------------------------------------------------------------------------------------------


def limit_threads(count: int) -> None:
    """As many threads for every package, before those that count them are imported."""
    for name in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{name}_NUM_THREADS"] = str(count)
    several = "true" if count > 1 else "false"
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={count}"
    wg.set_threads(count)


def made(names: Iterable[str]) -> dict[str, Any]:
    """The packages; those that are not installed are named and left out."""
    found = {}
    for name in names:
        try:
            found[name] = PACKAGES[name]()
        except ImportError as problem:
            print(f"left out: {problem}", file=sys.stderr)
    return found


def arrays_of(found: Any) -> list[Array]:
    """The arrays of a result, in order, as NumPy has them."""
    if isinstance(found, tuple | list):
        return [array for part in found for array in arrays_of(part)]
    return [np.asarray(found.detach() if hasattr(found, "detach") else found)]


def calls_of(task: Task, packages: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Each package's call, checked against wengert's result; those that are hopelessly slow are left out."""
    calls: dict[str, Callable[[], Any]] = {"f": task.function(packages["wengert"])}
    seconds: dict[str, float] = {}
    expected: list[Array] = []
    for name, package in packages.items():
        try:
            call = task.derivative(package)
            found = arrays_of(call())
        except Unavailable:
            continue
        expected = expected or found
        worst = disagreement((a.reshape(b.shape) for a, b in zip(found, expected, strict=True)), expected)
        if not worst <= TOLERANCE:
            sys.exit(f"{task.name} ({task.sizes}): {name} differs by {worst:.2g}")
        start = time.perf_counter()
        call()
        calls[name], seconds[name] = call, time.perf_counter() - start
    best = min(s for name, s in seconds.items() if name != "wengert")
    slow = {n for n, s in seconds.items() if n != "wengert" and s > max(SLOW * best, 0.1)}
    return {n: call for n, call in calls.items() if n not in slow}


def measure_native(
    task: Task, packages: dict[str, Any], rounds: int, floor: float, threads: int
) -> dict[str, Any]:
    """Everything about one task."""
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    samples = interleave(calls_of(task, packages), rounds, floor, clock)
    best = min((n for n in samples if n not in ("f", "wengert")), key=lambda n: samples[n].minimum)
    return {
        "name": task.name,
        "sizes": task.sizes,
        "target": task.target,
        "best_peer": best,
        "to_function": compare(samples["wengert"], samples["f"]),
        "ratio": compare(samples[best], samples["wengert"]),
        "samples": samples,
    }


def native_row(result: dict[str, Any]) -> list[str]:
    """One line of the table of native code."""
    samples, ratio = result["samples"], result["ratio"]
    times = [f"{1e6 * samples[n].minimum:.1f}" if n in samples else "-" for n in ("f", *PACKAGES)]
    numbers = [result["to_function"].minimum, ratio.minimum, ratio.median]
    target = f"{result['target']:g}" if result["target"] else "-"
    return [result["name"], result["sizes"], *times, *map("{:.2f}".format, numbers), target]


def native_table(results: Sequence[dict[str, Any]]) -> str:
    """The table of native code."""
    header = ("derivative", "sizes", "f", *PACKAGES, "D/f", "ratio", "median", "target")
    return table(header, [native_row(result) for result in results], left=2)


def native_results(options: argparse.Namespace, rounds: int, floor: float) -> list[dict[str, Any]]:
    """The tasks that the options ask for."""
    packages = made(n for n in PACKAGES if n != "compile" or options.compile)
    if "PyTorch" in packages:
        packages["PyTorch"].torch.set_num_threads(options.threads)
    wanted = (options.only or "").lower()
    found = [t for t in tasks() if (t.small or not options.quick) and wanted in f"{t.name} {t.sizes}".lower()]
    return [measure_native(task, packages, rounds, floor, options.threads) for task in found]


def plot_native(results: Sequence[dict[str, Any]], path: Path) -> None:
    """How many times faster than the best peer, and how many times it is meant to be."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.5 * len(results) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes, places = figure.subplots(), np.arange(len(results))
    axes.barh(places, [r["ratio"].minimum for r in results], 0.6, color="tab:green")
    axes.plot([r["target"] or np.nan for r in results], places, "k|", markersize=18, label="target")
    axes.axvline(1, color="black", linestyle=":", linewidth=1)
    axes.set(title="time of the best peer ÷ wengert", xscale="log", yticks=places,
             yticklabels=[f"{r['name']}\n{r['sizes']}\n{r['best_peer']}" for r in results])  # fmt: skip
    axes.legend()
    axes.invert_yaxis()
    figure.savefig(path, dpi=120)


# --- the program --------------------------------------------------------------------------------------------


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, few and short samples")
    parser.add_argument("--only", metavar="NAME", help="problems whose name contains this")
    parser.add_argument("--part", choices=("native", "eager", "both"), default="both", help="one table only")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which takes minutes")
    parser.add_argument("--threads", type=int, default=1, help="threads of every package (default 1)")
    parser.add_argument("--fresh", action="store_true", help="new memory pages for every large array")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the table as a PNG")
    return parser.parse_args(argv)


def chosen(options: argparse.Namespace) -> list[Problem]:
    """The problems that the options ask for."""
    wanted = (options.only or "").lower()
    return [p for p in problems() if (p.small or not options.quick) and wanted in p.name.lower()]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    rounds, floor = (5, 0.005) if options.quick else (15, 0.02)
    settle_heap(options.fresh)
    limit_threads(options.threads)
    found: dict[str, list[dict[str, Any]]] = {}
    with threadpool_limits(options.threads):
        if options.part != "eager":
            found["native"] = native_results(options, rounds, floor)
            print(native_table(found["native"]), end="\n\n")
        if options.part != "native":
            found["results"] = [measure(problem, rounds, floor) for problem in chosen(options)]
            print(table(HEADER, [row(r) for r in found["results"]], left=2), end="\n\n")
    where = machine(
        ("numpy", "wengert", "autograd", "jax", "torch"),
        threads=options.threads, pages="fresh" if options.fresh else "kept",
    )  # fmt: skip
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "rounds": rounds, "floor_seconds": floor, **found})
    if options.plot and "results" in found:
        plot(found["results"], options.plot)
    if options.plot and "native" in found:
        several = len(found) > 1
        plot_native(found["native"], options.plot.with_stem(options.plot.stem + "-native" * several))


if __name__ == "__main__":
    main()
