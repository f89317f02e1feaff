"""Time of a training step: wengert, and every peer in its best form.

    python benchmarks/training.py [--quick] [--threads 1] [--only TEXT] [--wide] [--json FILE] [--plot FILE]

Every package trains the same networks from the same weights on the same minibatches, drawn from a data set by
a shuffled index; before any is timed, the errors of the first steps are compared. Times are microseconds per
step (median of the rounds). `fit` is `wg.train.fit`, `scan` the same loop through `wg.jit`; `ratio` is the
time of the best peer divided by that of the faster of the two, round by round; `at peak` is the time of the
matrix products' operations at the speed of the processor's multiply-adds, and `share` what that is of the
time of wengert. On one thread, processor time counts, not what else the core was busy with.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

import numpy as np
from _measure import (
    Clock,
    Samples,
    compare,
    interleave,
    machine,
    machine_line,
    seconds_of,
    settle_heap,
    table,
    write_json,
)
from _native import peak
from _networks import SIX, WIDE, Network, data, weights
from _trainers import OURS, PEERS, Unavailable
from threadpoolctl import threadpool_limits

HEADER = ("network, minibatch", *PEERS, *OURS, "ratio", "at peak", "share")
WORK = 1e9  # operations of an epoch, about
BUDGET, FEWEST = 45.0, 3  # seconds for the rounds of a network, and rounds at least
STEPS_OF_FIT, WORK_OF_FIT = 5000, 2e11  # steps or operations of a fit: what it costs once is not the subject
CHECKED = 5  # steps whose errors are compared
TOLERANCE = {"float32": 2e-3, "float64": 1e-6}


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small networks, few and short samples")
    parser.add_argument(
        "--wide", action="store_true", help="other activations, rules, dtypes, errors and minibatches too"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="networks whose name contains this")
    parser.add_argument(
        "--threads", type=int, default=2, help="threads that every package may use (default 2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios as a PNG")
    return parser.parse_args(argv)


def limit_threads(count: int) -> None:
    """Restricts this process to so many cores, before the packages that count them are imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    for name in ("OMP", "WENGERT"):
        os.environ[f"{name}_NUM_THREADS"] = str(count)


def trainers(network: Network, steps: int) -> dict[str, Any]:
    """Every package's trainer; those that do not work here are named and left out."""
    given, found = data(network, steps), {}
    for name, make in {**PEERS, **OURS}.items():
        try:
            found[name] = make(network, given, weights(network))
        except (ImportError, Unavailable) as problem:
            print(f"{network.name}: left out: {problem}", file=sys.stderr)
    return found


def first_errors(trainer: Any) -> np.ndarray:
    """The errors of the first steps; of `fit` the mean over the epoch."""
    if hasattr(trainer, "errors"):
        return np.asarray(trainer.errors(CHECKED))
    return np.asarray([float(error) for error in trainer()])


def disagreement(errors: np.ndarray, expected: np.ndarray) -> float:
    """Largest relative difference in the first steps, or of the means where there is nothing but a mean."""
    if len(errors) == 1:
        errors, expected = errors, np.mean(expected, keepdims=True)
    count = min(CHECKED, len(errors), len(expected))
    return float(np.max(np.abs(errors[:count] - expected[:count]) / np.abs(expected[:count])))


def check(network: Network, found: dict[str, Any]) -> float:
    """The largest disagreement with NumPy by hand; ends the program where it is above the tolerance."""
    expected = first_errors(found["NumPy"])
    worst = {name: disagreement(first_errors(t), expected) for name, t in found.items() if name != "NumPy"}
    name = max(worst, key=lambda name: (np.isnan(worst[name]), worst[name]))
    if not worst[name] <= TOLERANCE[network.dtype]:
        sys.exit(f"{network.name}: the errors of {name} differ by {worst[name]:.2g}")
    return worst[name]


def measure(
    network: Network, peak_speed: float, work: float, rounds: int, floor: float, clock: Clock
) -> dict[str, Any]:
    """Everything about one network."""
    steps = network.steps(work)
    found = trainers(network, steps)
    worst = check(network, found)
    found["fit"].epochs = max(1, round(min(STEPS_OF_FIT, WORK_OF_FIT / network.operations) / steps))
    rounds = max(FEWEST, min(rounds, int(BUDGET / seconds_of_all(found, floor))))
    epochs = {name: getattr(trainer, "epochs", 1) for name, trainer in found.items()}
    seconds = interleave(found, rounds, floor, clock)
    samples = {name: per_step(s, steps * epochs[name]) for name, s in seconds.items()}
    peer, mine = (
        min((n for n in group if n in samples), key=lambda n: samples[n].median) for group in (PEERS, OURS)
    )
    at_peak = network.operations / peak_speed
    return {
        "name": network.name,
        "steps": steps,
        "disagreement": worst,
        "best_peer": peer,
        "form": mine,
        "ratio": compare(samples[peer], samples[mine]),
        "at_peak": at_peak,
        "share": at_peak / samples[mine].median,
        "samples": samples,
    }


def seconds_of_all(found: dict[str, Any], floor: float) -> float:
    """About how long one round takes: every sample is an epoch to warm up and at least one that counts."""
    return sum(2 * max(floor, seconds_of(trainer, 1)) for trainer in found.values())


def per_step(samples: Samples, steps: int) -> Samples:
    """Seconds per step, from seconds per epoch."""
    return Samples(tuple(s / steps for s in samples.seconds), samples.inner * steps)


def microseconds(seconds: float) -> str:
    """Three digits or a little more."""
    value = 1e6 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table."""
    samples = result["samples"]
    times = [microseconds(samples[n].median) if n in samples else "-" for n in (*PEERS, *OURS)]
    return [result["name"], *times, f"{result['ratio'].median:.2f}", microseconds(result["at_peak"]),
            f"{result['share']:.2f}"]  # fmt: skip


def plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """The time of every package divided by that of wengert, network by network."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.8 * len(results) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes, places = figure.subplots(), np.arange(len(results))
    for number, name in enumerate(PEERS):
        found = [(p, r) for p, r in zip(places, results) if name in r["samples"]]
        times = [r["samples"][name].median / r["samples"][r["form"]].median for _, r in found]
        heights = [p + 0.8 * ((number + 0.5) / len(PEERS) - 0.5) for p, _ in found]
        axes.barh(heights, times, 0.8 / len(PEERS), label=name)
    axes.axvline(1, color="black", linestyle=":", linewidth=1)
    axes.set(title="time of a step, package ÷ wengert", xscale="log", yticks=places,
             yticklabels=[r["name"] for r in results])  # fmt: skip
    axes.invert_yaxis()
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def chosen(options: argparse.Namespace) -> list[Network]:
    """The networks that the options ask for."""
    networks = [*SIX, *(WIDE if options.wide else ())]
    small = [n for n in networks if n.operations < 1e7 or not options.quick]
    return [n for n in small if options.only in n.name]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    work, rounds, floor = (WORK / 10, 5, 0.005) if options.quick else (WORK, 11, 0.02)
    settle_heap()
    limit_threads(options.threads)
    networks = chosen(options)
    peaks = {dtype: peak(dtype, options.threads) for dtype in sorted({n.dtype for n in networks})}
    results, clock = [], process_time_ns if options.threads == 1 else perf_counter_ns
    for network in networks:
        with threadpool_limits(options.threads):
            results.append(measure(network, peaks[network.dtype], work, rounds, floor, clock))
        print(table(HEADER, [row(results[-1])]), flush=True)
    where = machine(("numpy", "wengert", "scikit-learn", "torch", "jax"), threads=options.threads)
    print(table(HEADER, [row(r) for r in results]))
    print(", ".join(f"peak {dtype} {speed / 1e9:.0f} GFLOP/s" for dtype, speed in peaks.items()))
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "peak": peaks, "results": results})
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
