"""Time of a training step of networks of single units, sparse and deep: wengert, and its peers.

    python benchmarks/graphs.py [--quick] [--threads 1] [--only TEXT] [--json FILE]

Every package takes the same steps of gradient descent on all patterns, from the same weights (`_graphs.py`);
their weights after these are compared before any is timed. Times are microseconds per step (median of the
rounds), `first` seconds of the first call, which compiles; `ratio` is the time of the best peer divided by
that of wengert, round by round. On one thread, processor time counts, not what else the core was busy with.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, perf_counter_ns, process_time_ns
from typing import Any

import numpy as np
from _graphs import PACKAGES, Problem, Unavailable, problems
from _measure import Samples, compare, interleave, machine, machine_line, settle_heap, table, write_json
from threadpoolctl import threadpool_limits
from training import limit_threads, microseconds

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
HEADER = ("network", *PACKAGES, "ratio", "first", "first of the best peer")


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small networks, few and short samples")
    parser.add_argument("--only", metavar="TEXT", default="", help="networks whose name contains this")
    parser.add_argument(
        "--threads", type=int, default=2, help="threads that every package may use (default 2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    return parser.parse_args(argv)


def trainers(problem: Problem) -> tuple[dict[str, Any], dict[str, float]]:
    """Every package's trainer, checked against the first, and the seconds of its first call."""
    found: dict[str, Any] = {}
    first: dict[str, float] = {}
    expected: Any = None
    for name, make in PACKAGES.items():
        try:
            train = make(problem)
        except (ImportError, Unavailable) as reason:
            print(f"{problem.name}: {name} left out: {reason}", file=sys.stderr)
            continue
        start = perf_counter()
        weights = [np.asarray(part) for part in train()]
        found[name], first[name] = train, perf_counter() - start
        expected = expected or weights
        check(problem, name, weights, expected)
    return found, first


def check(problem: Problem, name: str, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """Ends the program where weights differ by more than the tolerance."""
    worst = max(float(np.max(np.abs(a - b))) for a, b in zip(found, expected))
    if not worst <= TOLERANCE[str(expected[0].dtype)]:
        sys.exit(f"{problem.name}: the weights of {name} differ by {worst:.2g}")


def measure(problem: Problem, rounds: int, floor: float, threads: int) -> dict[str, Any]:
    """Everything about one network."""
    found, first = trainers(problem)
    clock = process_time_ns if threads == 1 else perf_counter_ns
    seconds = interleave(found, rounds, floor, clock)
    samples = {n: Samples(tuple(t / problem.steps for t in s.seconds), s.inner) for n, s in seconds.items()}
    peers = [name for name in samples if name != "wengert"]
    best = min(peers, key=lambda name: samples[name].median) if peers else None
    return {
        "name": problem.name,
        "best_peer": best,
        "ratio": compare(samples[best], samples["wengert"]) if best else None,
        "first": first,
        "samples": samples,
    }


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table."""
    samples, best = result["samples"], result["best_peer"]
    times = [microseconds(samples[n].median) if n in samples else "-" for n in PACKAGES]
    ratio = f"{result['ratio'].median:.2f}" if best else "-"
    first = [f"{result['first'][n]:.2f}" if n else "-" for n in ("wengert", best)]
    return [result["name"], *times, ratio, *first]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    rounds, floor = (3, 0.005) if options.quick else (9, 0.05)
    settle_heap()
    limit_threads(options.threads)
    chosen = [p for p in problems() if options.only in p.name and (p.small or not options.quick)]
    results = []
    for problem in chosen:
        with threadpool_limits(options.threads):
            results.append(measure(problem, rounds, floor, options.threads))
        print(table(HEADER, [row(results[-1])]), flush=True)
    where = machine(("numpy", "scipy", "wengert", "jax"), threads=options.threads)
    print(table(HEADER, [row(r) for r in results]))
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "results": results})


if __name__ == "__main__":
    main()
