"""Time of a fit: nonlinear least squares and minimisation, and SciPy's with derivatives by hand and without.

    python benchmarks/fitting.py [--quick] [--json FILE]

Every contender starts from the same guess and has come to the same parameters before it is timed; wengert's
functions are given compiled, as by one who fits again and again, and the first fit, which compiles, is a
column of its own. Times are microseconds for one fit, medians of the rounds, in processor time of one thread;
`ratio` is the time of the faster peer ÷ wengert's.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

import numpy as np
from _measure import compare, interleave, machine, machine_line, table, write_json
from scipy import optimize
from threadpoolctl import threadpool_limits

import wengert as wg

PEERS = ("SciPy", "by hand")
HEADER = ("fit", *PEERS, "wengert", "ratio", "first, ms")
RTOL = 1e-3  # of the parameters, beyond which two results are not the same fit

Fit = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A fit by every contender; each gives the parameters."""

    name: str
    contenders: dict[str, Fit]


def decay(p: Any, x: Any, y: Any) -> Any:
    """Residuals of an exponential with an offset."""
    return p[0] * np.exp(-p[1] * x) + p[2] - y


def decay_slopes(p: Any, x: Any, y: Any) -> Any:
    """Its Jacobian by hand."""
    e = np.exp(-p[1] * x)
    return np.stack([e, -p[0] * x * e, np.ones_like(x)], axis=1)


def curve(count: int) -> Case:
    """A decay with noise, in so many points."""
    x, start = np.linspace(0, 4, count), np.array([1.0, 1.0, 0.0])
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.1 * np.random.default_rng(0).normal(size=count)
    compiled = wg.jit(decay)

    def model(x: Any, a: float, b: float, c: float) -> Any:
        return a * np.exp(-b * x) + c

    return Case(
        f"decay, {count:,} points",
        {
            "SciPy": lambda: optimize.curve_fit(model, x, y, start)[0],
            "by hand": lambda: optimize.least_squares(decay, start, decay_slopes, method="lm", args=(x, y)).x,
            "wengert": lambda: wg.optim.least_squares(compiled, start, args=(x, y)).x,
        },
    )


def rosenbrock(x: Any) -> Any:
    """A curved valley."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def valley(count: int, method: str) -> Case:
    """The bottom of the valley in so many dimensions."""
    start, compiled, options = np.zeros(count), wg.jit(rosenbrock), {"maxiter": 10 * count}

    def by(f: Any, **more: Any) -> Any:
        return optimize.minimize(f, start, method=method, options=options, **more).x

    return Case(
        f"valley, {count} dimensions, {method}",
        {
            "SciPy": lambda: by(rosenbrock),
            "by hand": lambda: by(optimize.rosen, jac=optimize.rosen_der),
            "wengert": lambda: wg.optim.minimize(compiled, start, method=method, options=options).x,
        },
    )


def check(case: Case) -> float:
    """Milliseconds of wengert's first fit; ends the program where a peer comes to other parameters."""
    begin = perf_counter_ns()
    expected = case.contenders["wengert"]()
    first = 1e-6 * (perf_counter_ns() - begin)
    for name in PEERS:
        if not np.allclose(case.contenders[name](), expected, rtol=RTOL, atol=RTOL):
            raise SystemExit(f"{case.name}: {name} comes to other parameters")
    return first


def measure(case: Case, rounds: int, floor: float) -> dict[str, Any]:
    """Samples of every contender, and the ratio to the faster peer."""
    first = check(case)
    samples = interleave(case.contenders, rounds, floor, process_time_ns)
    peer = min(PEERS, key=lambda name: samples[name].median)
    ratio = compare(samples[peer], samples["wengert"])
    return {"name": case.name, "samples": samples, "ratio": ratio, "first": first}


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table."""
    times = [f"{1e6 * result['samples'][name].median:.0f}" for name in (*PEERS, "wengert")]
    return [result["name"], *times, f"{result['ratio'].median:.2f}", f"{result['first']:.0f}"]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small fits, few and short samples")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    options = parser.parse_args(argv)
    wg.set_threads(1)
    cases = [curve(200), valley(20, "BFGS")]
    if not options.quick:
        cases += [
            curve(2_000),
            curve(20_000),
            curve(200_000),
            valley(20, "L-BFGS-B"),
        ]
    rounds, floor = (5, 0.005) if options.quick else (11, 0.02)
    with threadpool_limits(1):
        results = [measure(case, rounds, floor) for case in cases]
    print(table(HEADER, [row(result) for result in results]))
    where = machine(("numpy", "scipy", "wengert"), threads=1)
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "results": results})


if __name__ == "__main__":
    main()
