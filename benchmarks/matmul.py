"""The generated matrix product beside NumPy's BLAS.

    python benchmarks/matmul.py [--quick] [--dtype float32] [--threads 1] [--only TEXT] [--json FILE]
                                [--plot FILE]

Both multiply the same arrays; the results are compared first. `ratio` is the speed of the product divided by
that of the BLAS (median of the rounds; `best` compares the fastest samples), `peak` the share of what the
processor's vectors can do from registers alone; a matrix unit does more. On one thread both are called from
machine code, again and again, so that what Python adds to a call counts for neither, and the thread's own
processor time counts. On more threads both are called as one calls them from Python, `np.matmul` under
`wg.jit` and without: how the product is divided, and whether at all, is part of what is measured. Where
others use the machine too, write `chrt --rr 2` in front, which needs the right to do so: then every thread
has a core as soon as it asks for one.
"""

import argparse
import itertools
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np
from _measure import Comparison, compare, interleave, machine, machine_line, settle_heap, table, write_json
from _native import Array, peak, repeated, repeated_blas
from threadpoolctl import threadpool_limits

import wengert as wg
from wengert.native.product.plans import Product

HEADER = ("m × n × k", "operands", "dtype", "threads", "GFLOP/s", "BLAS", "peak", "ratio", "best")
TARGET = 0.95
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
MOST = 1 << 16  # repetitions of one call
REST = 0.15  # seconds; the threads of a BLAS look for work for 0.1 after a product
PLACED = 10  # times as long are samples on several threads: it takes some milliseconds until each has a core

Run = Callable[[int], None]  # with the number of repetitions
Multiply = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Case:
    """One product; operands are N as they stand, row by row, or T stored by columns."""

    m: int
    n: int
    k: int
    operands: str = "NN"
    batch: int = 1

    @property
    def name(self) -> str:
        """The extents."""
        return f"{self.m} × {self.n} × {self.k}" + (f" ({self.batch} times)" if self.batch > 1 else "")

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.m * self.n * self.k * self.batch


SQUARES = [Case(n, n, n) for n in (1, 2, 4, 8, 16, 32, 64, 100, 128, 256, 512, 1024, 2048)]
FORWARD = [
    Case(50, 3, 1), Case(32, 50, 4), Case(32, 3, 50), Case(64, 128, 64), Case(64, 10, 64),
    Case(128, 128, 784), Case(128, 10, 128), Case(128, 256, 784), Case(512, 2048, 2048), Case(512, 10, 2048),
]  # fmt: skip
GRADIENTS = [
    Case(64, 128, 64, "TN"), Case(784, 128, 128, "TN"), Case(128, 10, 128, "TN"), Case(2048, 2048, 512, "TN"),
]  # fmt: skip
BACKWARD = [
    Case(64, 128, 10, "NT"), Case(128, 256, 128, "NT"), Case(512, 2048, 2048, "NT"),
    Case(512, 2048, 10, "NT"),
]  # fmt: skip
OTHERS = [
    Case(1, 1000, 1000), Case(1, 128, 784), Case(1000, 1, 1000), Case(1000, 1, 1000, "TN"), Case(7, 512, 512),
    Case(4096, 16, 64), Case(1000, 1000, 1), Case(300, 300, 300, "TT"), Case(10, 10, 10, batch=100),
]  # fmt: skip
CASES = [*SQUARES, *FORWARD, *GRADIENTS, *BACKWARD, *OTHERS]


def stored(rng: np.random.Generator, case: Case, rows: int, columns: int, order: str, dtype: str) -> Array:
    """A matrix, or a batch of them, stored by rows or by columns."""
    extents = (rows, columns) if order == "N" else (columns, rows)
    shape = extents if case.batch == 1 else (case.batch, *extents)
    array = rng.standard_normal(shape).astype(dtype)
    return array if order == "N" else np.swapaxes(array, -1, -2)


def operands(case: Case, dtype: str) -> tuple[Array, Array, Array]:
    """A, B, and the memory for C."""
    rng = np.random.default_rng(0)
    a = stored(rng, case, case.m, case.k, case.operands[0], dtype)
    b = stored(rng, case, case.k, case.n, case.operands[1], dtype)
    return a, b, np.empty(np.matmul(a, b).shape, dtype)


def product(case: Case, a: Array, b: Array, c: Array) -> Product:
    """The product of two arrays."""
    steps = [tuple(s // x.itemsize for s in x.strides) for x in (a, b, c)]
    matrices = [s[-2:] for s in steps]
    batches = (0, 0, 0) if case.batch == 1 else tuple(s[0] for s in steps)
    return Product(
        case.m, case.n, case.k, c.dtype, matrices[0], matrices[1], matrices[2][0], case.batch, batches,
        grain=case.m,
    )  # fmt: skip


def ours(case: Case, a: Array, b: Array, c: Array) -> Run:
    """A function that computes the generated product so many times."""
    planned = product(case, a, b, c)
    native, places = repeated(planned), [x.ctypes.data for x in (a, b, c)]
    scratch = np.empty(planned.scratch_bytes + 1, np.uint8)
    return lambda count: native(count, *places, scratch.ctypes.data, 0, case.m * case.batch)


MATMUL: dict[str, Multiply] = {
    "NN": lambda a, b: np.matmul(a, b),
    "TN": lambda a, b: np.matmul(np.swapaxes(a, -1, -2), b),
    "NT": lambda a, b: np.matmul(a, np.swapaxes(b, -1, -2)),
    "TT": lambda a, b: np.matmul(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)),
}  # of matrices as they are stored


def from_python(multiply: Multiply, case: Case, a: Array, b: Array, c: Array) -> Run:
    """A function that has Python multiply so many times, and leaves the last product in c."""
    stored = [np.swapaxes(x, -1, -2) if o == "T" else x for x, o in zip((a, b), case.operands, strict=True)]

    def run(count: int) -> None:
        for _ in itertools.repeat(None, count):
            found = multiply(*stored)
        c[...] = found

    return run


def contenders(case: Case, a: Array, b: Array, c: Array, threads: int) -> dict[str, Run]:
    """The generated product and that of the BLAS."""
    if threads == 1:
        return {"wengert": ours(case, a, b, c), "BLAS": repeated_blas(a, b, c)}
    multiply = MATMUL[case.operands]
    calls = {"wengert": wg.jit(multiply), "BLAS": multiply}
    return {name: from_python(call, case, a, b, c) for name, call in calls.items()}


def check(case: Case, a: Array, b: Array, run: Run, c: Array) -> None:
    """Ends the program where a result is wrong."""
    c[...] = np.nan
    run(1)
    size = np.abs(a) @ np.abs(b)
    if not np.all(np.abs(c - a @ b) <= TOLERANCE[str(c.dtype)] * size):
        raise SystemExit(f"{case.name} {case.operands} {c.dtype}: the results differ")


def measure(case: Case, dtype: str, threads: int, rounds: int, floor: float) -> dict[str, Any]:
    """Both products of one shape."""
    a, b, c = operands(case, dtype)
    runs = contenders(case, a, b, c, threads)
    for run in runs.values():
        check(case, a, b, run, c)
    clock, rest = (thread_time_ns, 0.0) if threads == 1 else (perf_counter_ns, REST)
    if threads > 1:
        rounds, floor = rounds // 2, floor * PLACED
    count = max(1, min(MOST, int(floor * 2e10 / (case.operations + 500 * case.batch))))
    calls = {name: lambda run=run: run(count) for name, run in runs.items()}
    samples = interleave(calls, rounds, floor, clock, rest)
    return {
        "case": case.name,
        "operands": case.operands,
        "dtype": dtype,
        "threads": threads,
        "speed": {name: count * case.operations / s.minimum for name, s in samples.items()},
        "ratio": compare(samples["BLAS"], samples["wengert"]),
    }


def row(result: dict[str, Any], peaks: dict[tuple[str, int], float]) -> list[str]:
    """One line of the table."""
    ratio: Comparison = result["ratio"]
    speed = result["speed"]
    share = speed["wengert"] / peaks[result["dtype"], result["threads"]]
    return [result["case"], result["operands"], result["dtype"], str(result["threads"]),
            *(f"{speed[name] / 1e9:.1f}" for name in ("wengert", "BLAS")),
            *map("{:.2f}".format, (share, ratio.median, ratio.minimum))]  # fmt: skip


def summary(results: Sequence[dict[str, Any]]) -> str:
    """Geometric mean, how many reach the target, and the five that are furthest from it."""
    ratios = [r["ratio"].median for r in results]
    worst = sorted(results, key=lambda r: r["ratio"].median)[:5]
    names = [
        f"{r['case']} {r['operands']} {r['dtype']} {r['threads']}: {r['ratio'].median:.2f}" for r in worst
    ]
    reached = sum(ratio >= TARGET for ratio in ratios)
    mean = statistics.geometric_mean(ratios)
    first = f"geometric mean {mean:.2f}; at least {TARGET}: {reached} of {len(ratios)}"
    return f"{first}\nworst: {'; '.join(names)}"


def plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """A bar for every product."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.22 * len(results) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes, places = figure.subplots(), np.arange(len(results))
    axes.barh(places, [r["ratio"].median for r in results], 0.7, color="tab:green")
    axes.axvline(1, color="black", linestyle=":", linewidth=1)
    labels = [f"{r['case']} {r['operands']} {r['dtype']}, {r['threads']}" for r in results]
    axes.set(title="speed, wengert ÷ BLAS", xscale="log", yticks=places, yticklabels=labels)
    axes.set_xticks([0.5, 1, 2, 4, 8], labels=["0.5", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.set_ylim(len(results) - 0.4, -0.6)
    figure.savefig(path, dpi=120)


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no large products, few and short samples")
    parser.add_argument("--only", metavar="TEXT", default="", help="products whose name contains this")
    parser.add_argument("--dtype", choices=sorted(TOLERANCE), help="only this dtype (default both)")
    parser.add_argument(
        "--threads", type=int, help="only so many threads (default 1, and 2 where there are two cores)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios as a PNG")
    return parser.parse_args(argv)


def chosen(options: argparse.Namespace) -> Iterator[tuple[Case, str, int]]:
    """Cases, dtypes and numbers of threads that the options ask for."""
    threads = [options.threads] if options.threads else range(1, min(2, os.cpu_count() or 1) + 1)
    for count in threads:
        for dtype in [options.dtype] if options.dtype else sorted(TOLERANCE):
            for case in CASES:
                small = case.operations <= 1 << 22 or not options.quick
                if small and options.only in f"{case.name} {case.operands}":
                    yield case, dtype, count


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    rounds, floor = (5, 0.001) if options.quick else (15, 0.005)
    settle_heap()
    wanted = list(chosen(options))
    peaks = {(dtype, threads): peak(dtype, threads) for _, dtype, threads in wanted}
    results = []
    for case, dtype, threads in wanted:
        wg.set_threads(threads)
        with threadpool_limits(threads):
            results.append(measure(case, dtype, threads, rounds, floor))
    where = machine(("numpy", "wengert"), pages="kept")
    print(table(HEADER, [row(r, peaks) for r in results], left=3))
    print(summary(results))
    print(machine_line(where))
    if options.json:
        named = {f"{dtype}, {threads}": value for (dtype, threads), value in peaks.items()}
        write_json(options.json, {"machine": where, "peak": named, "results": results})
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
