"""Estimators from end to end: time to an equal test error, one prediction, start, memory.

    python benchmarks/estimators.py [--quick] [--threads 2] [--only TEXT] [--json FILE]

Every package trains the same network on the same data, as many epochs as it takes to bring the error on the
test set down to that of a given number of scikit-learn's. `first` is the first epoch of all, with compilation
where there is any (a second process finds wengert's in its cache on disk); `training` the median time of a
whole training after that. The prediction is that of one row. Start and memory are those of a process that
imports the package and trains one epoch on digits, up to the end of the epoch. `ratio` is the time of the
best peer divided by wengert's: above 1, wengert takes less.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from _learners import LEARNERS
from _measure import interleave, machine, machine_line, settle_heap, table, write_json

Array = np.ndarray
MOST = 5  # times as many epochs as scikit-learn: then a package has not got there
ROUNDS = 3
PACKAGES = ("numpy", "scikit-learn", "torch", "jax")


@dataclass(frozen=True)
class Problem:
    """A data set, the number of hidden units, and how many epochs scikit-learn trains."""

    name: str
    data: Callable[[], tuple[Array, Array]]
    hidden: int
    epochs: int

    def divided(self) -> tuple[Array, Array, Array, Array]:
        """Standardised patterns and classes to train on and to test on."""
        x, y = self.data()
        order = np.random.default_rng(0).permutation(len(x))
        x, y, test = x[order], y[order], len(x) // 5
        x = (x - x[test:].mean(0)) / np.maximum(x[test:].std(0), 1e-9)
        return x[test:], y[test:], x[:test], y[:test]


def shipped(name: str) -> Callable[[], tuple[Array, Array]]:
    """A data set that scikit-learn brings along."""

    def load() -> tuple[Array, Array]:
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(return_X_y=True)

    return load


def drawn(patterns: int, features: int, classes: int) -> Callable[[], tuple[Array, Array]]:
    """Classes that a random network gives random patterns, one in twenty by mistake."""

    def draw() -> tuple[Array, Array]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(patterns, features))
        a = np.tanh(x @ rng.normal(size=(features, 30)) / features**0.5) @ rng.normal(size=(30, classes))
        wrong = rng.random(patterns) < 0.05
        return x, np.where(wrong, rng.integers(0, classes, patterns), a.argmax(1))

    return draw


PROBLEMS = [
    Problem("digits, 1797 x 64", shipped("digits"), 100, 30),
    Problem("wine, 178 x 13", shipped("wine"), 100, 100),
    Problem("letter-sized, 20,000 x 16", drawn(20_000, 16, 26), 100, 15),
    Problem("covertype-sized, 581,012 x 54", drawn(581_012, 54, 7), 100, 2),
]


def error(learner: Any, x: Array, y: Array) -> float:
    """Mean of -ln p of the right class."""
    p = np.maximum(learner.probabilities(x)[np.arange(len(y)), np.unique(y, return_inverse=True)[1]], 1e-15)
    return float(-np.log(p).mean())


def epochs_to(target: float, learner: Any, test: tuple[Array, Array], most: int) -> int:
    """How many epochs bring the test error down to the target; those allowed if none do."""
    for number in range(1, most + 1):
        learner.epoch()
        if error(learner, *test) <= target:
            return number
    return most


def seconds_of_training(made: Callable[[], Any], epochs: int) -> float:
    """Seconds of making a learner and training it."""
    start = perf_counter()
    made().train(epochs)
    return perf_counter() - start


def measure(problem: Problem, names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Times of every package on one problem, and of the prediction of one row."""
    *training, x, y = problem.divided()
    made = {name: partial(LEARNERS[name], *training, problem.hidden) for name in names}
    first = {name: seconds_of_training(made[name], 1) for name in names}
    reference = LEARNERS["scikit-learn"](*training, problem.hidden)
    for _ in range(problem.epochs):
        reference.epoch()
    target, most = error(reference, x, y) * 1.001, MOST * problem.epochs
    learners = {name: made[name]() for name in names}
    epochs = {name: epochs_to(target, learners[name], (x, y), most) for name in names}
    found = {name: {"first": first[name], "epochs": epochs[name], "seconds": []} for name in names}
    for _ in range(rounds):
        for name in names:
            found[name]["seconds"].append(seconds_of_training(made[name], epochs[name]))
    samples = interleave({n: partial(learners[n].predict, x[:1].copy()) for n in names}, rounds=5)
    for name in names:
        found[name]["prediction"] = samples[name].median
    return {"problem": problem.name, "target": target, "found": found}


# ------------------------------------------------------------------------------------------- start

PROGRAM = """
import sys, time, warnings
sys.path.insert(0, {directory!r})
warnings.simplefilter("ignore")
import numpy as np
x, y = np.load({data!r} + "/x.npy"), np.load({data!r} + "/y.npy")
from _learners import LEARNERS
LEARNERS[{name!r}](x, y, 100).epoch()
now = time.perf_counter()
print(now, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def start(name: str, data: Path, **environment: str) -> tuple[float, float]:
    """Seconds up to the end of the epoch, and megabytes, of a process that trains one on digits."""
    program = PROGRAM.format(directory=str(Path(__file__).parent), data=str(data), name=name)
    begun = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    end, kilobytes = done.stdout.split()  # Linux has one clock for all processes
    return float(end) - begun, int(kilobytes) / 1024


def starts(names: Sequence[str], directory: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """The medians of several starts; of wengert without and with its cache."""
    x, y = shipped("digits")()
    np.save(directory / "x.npy", x / 16)
    np.save(directory / "y.npy", y)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        for name in names:
            found.setdefault(name, []).append(start(name, directory))
        cold = start("wengert", directory, WENGERT_CACHE_DIR=str(directory / f"cache{number}"))
        found.setdefault("wengert, nothing cached", []).append(cold)
    return {name: tuple(map(statistics.median, zip(*all_))) for name, all_ in found.items()}


# ----------------------------------------------------------------------------------------- program


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="problems whose name contains this; 'start'"
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="threads that every package may use (default 2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number")
    return parser.parse_args(argv)


def available() -> list[str]:
    """The packages that are installed."""
    modules = {"wengert": "wengert", "scikit-learn": "sklearn", "PyTorch": "torch", "JAX": "jax"}
    from importlib.util import find_spec

    return [name for name in LEARNERS if find_spec(modules[name])]


def row_of(result: dict[str, Any], what: str, values: dict[str, float], unit: float) -> list[str]:
    """A line of the table: the values, and the best peer's divided by wengert's."""
    peers = [v for name, v in values.items() if name != "wengert"]
    cells = [f"{values[n] * unit:.4g}" if n in values else "" for n in LEARNERS]
    return [result["problem"], what, *cells, f"{min(peers) / values['wengert']:.2f}"]


def rows_of(result: dict[str, Any]) -> list[list[str]]:
    """The lines of one problem."""
    found = result["found"]
    first = {n: f["first"] for n, f in found.items()}
    training = {n: statistics.median(f["seconds"]) for n, f in found.items()}
    prediction = {n: f["prediction"] for n, f in found.items()}
    epochs = [f"{found[n]['epochs']}" if n in found else "" for n in LEARNERS]
    return [
        row_of(result, "first, s", first, 1),
        row_of(result, "training, s", training, 1),
        [result["problem"], "epochs", *epochs, ""],
        row_of(result, "one row, µs", prediction, 1e6),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """The program."""
    import tempfile

    from training import limit_threads

    options = parsed(argv)
    limit_threads(options.threads)
    settle_heap()
    names, rounds = available(), 1 if options.quick else ROUNDS
    description = machine(PACKAGES, threads=options.threads)
    print(machine_line(description))
    results = [measure(p, names, rounds) for p in PROBLEMS if options.only in p.name]
    lines = [line for result in results for line in rows_of(result)]
    if lines:
        print(table(("data", "", *LEARNERS, "ratio"), lines, left=2))
    begun = {}
    if options.only in "start":
        with tempfile.TemporaryDirectory() as directory:
            begun = starts(names, Path(directory), max(3, rounds))
        print(table(("start", "s", "MB"), [[n, f"{s:.2f}", f"{mb:.0f}"] for n, (s, mb) in begun.items()]))
    if options.json:
        write_json(options.json, {"machine": description, "results": results, "start": begun})


if __name__ == "__main__":
    main()
