"""From a file to the inputs of a network: time and peak memory, beside pandas and polars.

    python benchmarks/reading.py [--quick] [--rounds 5] [--folder FOLDER] [--json FILE]

The files are made here. `covertype` is of the size and kind of that data set: 581,012 rows of ten whole
numbers, 44 columns of 0 and 1, and a class; `mixed` has 200,000 rows of eight numbers with gaps, two words,
and a class. Every package reads them, splits off a fifth of the rows, standardises by the others (fills gaps
with the mean, tells them by an indicator, and encodes words one-hot), and ends with the inputs of all rows as
one float32 array and the classes as whole numbers; the arrays are compared before any time is shown. Every
sample is a process of its own, by turns: `time` is from the file to the arrays, `process` includes the start
of Python and the imports, `CPU` is the processor's time for all that, which a busy machine does not change
much, `memory` is the peak of the process. `÷` is the median over the rounds of a
package's figure divided by wengert's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from _measure import machine, machine_line, table, write_json

ROWS = {"covertype": 581_012, "mixed": 200_000}
QUICK = 20  # a file so many times smaller
HEADER = ("file", "package", "time", "process", "CPU", "memory", "time ÷", "process ÷", "CPU ÷", "memory ÷")
MEASURED = ("time", "process", "cpu", "memory")
TOLERANCE = 2e-4

Arrays = tuple[np.ndarray, np.ndarray]


# --- the files


def write_covertype(path: Path, rows: int) -> None:
    """Ten whole numbers of the ranges of Covertype, one of 4 and one of 40 indicators, and a class of 7."""
    rng = np.random.default_rng(0)
    x = np.zeros((rows, 55), np.int64)
    for j, top in enumerate((3859, 361, 67, 1398, 602, 7118, 255, 255, 255, 7174)):
        x[:, j] = rng.integers(0, top, rows)
    x[np.arange(rows), 10 + rng.integers(0, 4, rows)] = 1
    x[np.arange(rows), 14 + rng.integers(0, 40, rows)] = 1
    x[:, 54] = rng.integers(1, 8, rows)
    header = ",".join([*(f"x{j}" for j in range(54)), "target"])
    np.savetxt(path, x, fmt="%d", delimiter=",", header=header, comments="")


def write_mixed(path: Path, rows: int) -> None:
    """Numbers of which one in twenty is missing, two columns of words, and a class."""
    rng = np.random.default_rng(1)
    numbers = np.char.mod("%.4f", rng.normal(size=(rows, 8)) * 100)
    numbers[rng.random((rows, 8)) < 0.05] = ""
    color, size = rng.choice(["red", "green", "blue", "grey"], rows), rng.choice(["S", "M", "L"], rows)
    columns = [*numbers.T, color, size, rng.choice(["yes", "no"], rows)]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*(f"x{j}" for j in range(8)), "color", "size", "target"]) + "\n")
        file.writelines(",".join(row) + "\n" for row in zip(*columns))


WRITERS = {"covertype": write_covertype, "mixed": write_mixed}


# --- the packages


def of_wengert(path: str) -> Arrays:
    """The subject."""
    from wengert import data

    read = data.read_table(path)
    target = data.read_target(read, "target")
    training = np.arange(len(read) * 4 // 5)
    preprocessing = data.Preprocessing.fit(read, read.names[:-1], training)
    return preprocessing.transform(read), target.values


def _numbers(values: np.ndarray, training: int) -> np.ndarray:
    """Standardised, gaps filled with the mean and told by an indicator."""
    mean, scale = np.nanmean(values[:training]), np.nanstd(values[:training])
    lacking = np.isnan(values)
    scaled = np.where(lacking, 0.0, (values - mean) / (scale or 1.0)).astype(np.float32)
    return np.stack([scaled, lacking.astype(np.float32)], axis=1) if lacking.any() else scaled[:, None]


def of_pandas(path: str) -> Arrays:
    """pandas, and NumPy column by column."""
    import pandas as pd

    frame = pd.read_csv(path)
    training = len(frame) * 4 // 5
    parts = []
    for name in frame.columns[:-1]:
        column = frame[name]
        if column.dtype.kind in "if":
            parts.append(_numbers(column.to_numpy(np.float64), training))
        else:
            parts.append(pd.get_dummies(column).to_numpy(np.float32))
    return np.concatenate(parts, axis=1), np.unique(frame["target"], return_inverse=True)[1]


def of_polars(path: str) -> Arrays:
    """polars, and NumPy column by column."""
    import polars as pl

    frame = pl.read_csv(path)
    training = len(frame) * 4 // 5
    parts = []
    for name in frame.columns[:-1]:
        column = frame[name]
        if column.dtype.is_numeric():
            parts.append(_numbers(column.cast(pl.Float64).to_numpy(), training))
        else:
            dummies = column.to_dummies()
            parts.append(dummies.select(sorted(dummies.columns)).to_numpy().astype(np.float32))
    return np.concatenate(parts, axis=1), np.unique(frame["target"].to_numpy(), return_inverse=True)[1]


PACKAGES: dict[str, Callable[[str], Arrays]] = {
    "wengert": of_wengert,
    "pandas": of_pandas,
    "polars": of_polars,
}


# --- measuring


def sample(package: str, path: str) -> None:
    """What one process does: prints seconds, the peak of memory, and a summary of the arrays."""
    start = perf_counter()
    x, t = PACKAGES[package](path)
    seconds = perf_counter() - start
    first = np.concatenate([x[: x.shape[0] // 10].astype(np.float64).sum(axis=0), [t.sum(), *x.shape]])
    found = {"time": seconds, "cpu": process_time(), "memory": peak_megabytes(), "summary": first.tolist()}
    print(json.dumps(found))


def peak_megabytes() -> float:
    """The most memory that this process has held since its program was loaded."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage, it does not count what the parent held
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / (1 << 10)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def run(package: str, path: Path) -> dict[str, Any]:
    """One sample, in a process of its own."""
    start = perf_counter()
    command = [sys.executable, __file__, "--sample", package, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return {"process": perf_counter() - start, **json.loads(answer.stdout)}


def compare(samples: dict[str, dict[str, Any]]) -> None:
    """Ends the program where packages disagree about the arrays."""
    for package, found in samples.items():
        if not np.allclose(found["summary"], samples["wengert"]["summary"], rtol=TOLERANCE, atol=1.0):
            raise SystemExit(f"{package} and wengert give different arrays")


def measure(file: str, path: Path, rounds: int) -> dict[str, Any]:
    """Samples of every package, by turns."""
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in PACKAGES}
    for number in range(rounds):
        for name in list(PACKAGES)[:: -1 if number % 2 else 1]:
            samples[name].append(run(name, path))
        compare({name: found[-1] for name, found in samples.items()})
    return {"file": file, "megabytes": path.stat().st_size / 1e6, "samples": samples}


def ratio(mine: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]], key: str) -> float:
    """Median over the rounds of the other's divided by wengert's."""
    return statistics.median(b[key] / a[key] for a, b in zip(mine, other, strict=True))


def rows_of(result: dict[str, Any]) -> list[list[str]]:
    """The lines of the table about one file."""
    samples = result["samples"]
    lines = []
    for name, found in samples.items():
        medians = {key: statistics.median(s[key] for s in found) for key in MEASURED}
        ratios = [f"{ratio(samples['wengert'], found, key):.2f}" for key in medians]
        times = [f"{medians[key]:.2f} s" for key in MEASURED[:-1]]
        lines.append([result["file"], name, *times, f"{medians['memory']:.0f} MB", *ratios])
    return lines


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small files, one round")
    parser.add_argument("--rounds", type=int, default=5, help="samples of every package (default 5)")
    parser.add_argument("--folder", type=Path, help="keep the files here, and use them again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--sample", nargs=2, metavar=("PACKAGE", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def measured(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Both files, written where they are not there yet."""
    results = []
    for name, rows in ROWS.items():
        rows = rows // QUICK if options.quick else rows
        path = folder / f"{name}-{rows}.csv"
        if not path.exists():
            WRITERS[name](path, rows)
        results.append(measure(name, path, 1 if options.quick else options.rounds))
        print(table(HEADER, rows_of(results[-1])), flush=True)
    return results


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    if options.sample:
        sample(*options.sample)
        return
    with tempfile.TemporaryDirectory() as temporary:
        results = measured(options.folder or Path(temporary), options)
    where = machine(("numpy", "wengert", "duckdb", "pandas", "polars"))
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "results": results})


if __name__ == "__main__":
    main()
