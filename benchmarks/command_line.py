"""A table of half a million rows, from CSV to a scored model: `wengert train` beside scripts of others.

    python benchmarks/command_line.py [--quick] [--rows N] [--rounds N] [--torch-python PATH] [--json FILE]

The table has the shape of Covertype, 581,012 rows of 54 columns (10 of numbers, 44 of 0 and 1) and 7 classes,
and is made up here. Each contender is a process of its own that reads the CSV file, splits the rows,
standardises the columns by the training part, trains 54-128-7 with Adam on minibatches of 64 for some epochs
while watching a validation part, scores the best network on the test part, and saves it. Told are seconds by
the clock and the most memory that the process held. Contenders take turns; ratios are medians over the
rounds, and above 1 wengert takes less. First the start of the commands is timed.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _measure import machine, machine_line, table, write_json

ROWS, QUICK_ROWS, EPOCHS, BATCH, CLASSES = 581_012, 40_000, 10, 64, 7
HEADER = ("contender", "seconds", "memory, MB", "accuracy", "time ÷ wengert", "memory ÷ wengert")

SKLEARN = """
import sys, joblib, numpy as np, pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
path, model, epochs, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data = pd.read_csv(path)
t = data.pop("target").to_numpy()
x = data.to_numpy(np.float32)
x, x_test, t, t_test = train_test_split(x, t, test_size=0.2, stratify=t, random_state=0)
scaler = StandardScaler()
x, x_test = scaler.fit_transform(x), scaler.transform(x_test)
network = MLPClassifier(
    (128,), batch_size=batch, learning_rate_init=0.002, alpha=0.0, max_iter=epochs, early_stopping=True,
    validation_fraction=0.125, n_iter_no_change=epochs, random_state=0,
)
network.fit(x, t)
joblib.dump((scaler, network), model)
print(network.score(x_test, t_test))
"""

TORCH = """
import sys, numpy as np, polars as pl, torch
path, model, epochs, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.manual_seed(0)
torch.set_num_threads(1)  # more take longer on minibatches of this size
data = pl.read_csv(path)
t = torch.from_numpy(data["target"].to_numpy().astype(np.int64))
x = torch.from_numpy(data.drop("target").to_numpy().astype(np.float32))
order = torch.randperm(len(x))
n_test, n_watched = len(x) // 5, len(x) // 10
test, watched, rows = order[:n_test], order[n_test:n_test + n_watched], order[n_test + n_watched:]
mean, scale = x[rows].mean(0), x[rows].std(0).clamp_min(1e-12)
x = (x - mean) / scale
network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 128), torch.nn.ReLU(), torch.nn.Linear(128, 7))
rule = torch.optim.Adam(network.parameters(), lr=0.002, fused=True)
error, best = torch.nn.functional.cross_entropy, (float("inf"), None)
for epoch in range(epochs):
    for chosen in rows[torch.randperm(len(rows))].split(batch):
        rule.zero_grad()
        error(network(x[chosen]), t[chosen]).backward()
        rule.step()
    with torch.no_grad():
        found = float(error(network(x[watched]), t[watched]))
    if found < best[0]:
        best = found, {name: w.clone() for name, w in network.state_dict().items()}
network.load_state_dict(best[1])
torch.save((mean, scale, best[1]), model)
with torch.no_grad():
    print(float((network(x[test]).argmax(1) == t[test]).float().mean()))
"""


def write_data(path: Path, rows: int) -> None:
    """Numbers and one-hot columns of whole numbers, and classes of unequal size that follow from them."""
    import duckdb

    rng = np.random.default_rng(0)
    numbers = (rng.gamma(4.0, 1.0, (rows, 10)) * [700, 40, 4, 70, 12, 600, 50, 55, 35, 500]).astype(np.int16)
    areas, soils = rng.integers(0, 4, rows), np.minimum(rng.geometric(0.08, rows) - 1, 39)
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    hidden = np.tanh(scaled @ rng.normal(size=(10, 24)) + rng.normal(size=(4, 24))[areas])
    scores = hidden @ rng.normal(size=(24, CLASSES)) + rng.normal(size=(40, CLASSES))[soils]
    scores += np.log([0.36, 0.48, 0.06, 0.01, 0.02, 0.03, 0.04]) + 0.5 * rng.gumbel(size=scores.shape)
    columns = {f"x{i}": numbers[:, i] for i in range(10)}
    columns |= {f"area{k}": (areas == k).astype(np.int8) for k in range(4)}
    columns |= {f"soil{k}": (soils == k).astype(np.int8) for k in range(40)}
    columns["target"] = scores.argmax(axis=1).astype(np.int8)
    with duckdb.connect() as connection:
        connection.register("made", columns)
        connection.execute(f"COPY (SELECT * FROM made) TO '{path}' (HEADER)")


def contenders(data: Path, folder: Path, torch_python: str) -> dict[str, list[str]]:
    """The command of each."""
    own = [
        sys.executable, "-m", "wengert", "train", str(data),
        "--output", str(folder / "m.wengert"), "--force",
        "--hidden", "128", "--learning-rate", "0.002", "--weight-decay", "0", "--epochs", str(EPOCHS),
        "--batch-size", str(BATCH), "--patience", str(EPOCHS),
    ]  # fmt: skip
    more = [str(data), str(folder / "peer"), str(EPOCHS), str(BATCH)]
    return {
        "wengert train": own,
        "pandas, scikit-learn": [sys.executable, "-c", SKLEARN, *more],
        "polars, PyTorch": [torch_python, "-c", TORCH, *more],
    }


def run(command: Sequence[str]) -> dict[str, float] | None:
    """Seconds, megabytes at most, and the last number printed; None where a package is missing."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    if process.returncode:
        if "ModuleNotFoundError" in texts[1]:
            return None
        raise RuntimeError(f"{command[0]}: {texts[1]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    words = texts[0].split()
    return {
        "seconds": seconds,
        "megabytes": usage.ru_maxrss / unit,
        "accuracy": float(words[-1]) if words[-1:] and words[-1][:1].isdigit() else float("nan"),
    }


def measured(commands: dict[str, list[str]], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Every contender once a round, by turns in both orders; those that cannot run are left out."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for number in range(rounds):
        for name in list(commands)[:: -1 if number % 2 else 1]:
            outcome = run(commands[name])
            found[name] += [] if outcome is None else [outcome]
    return {name: outcomes for name, outcomes in found.items() if outcomes}


def line(name: str, outcomes: list[dict[str, float]], own: list[dict[str, float]]) -> tuple[str, ...]:
    """One row of the table."""
    middle = {key: median(outcome[key] for outcome in outcomes) for key in outcomes[0]}
    ratios = [
        median(peer[key] / mine[key] for peer, mine in zip(outcomes, own)) for key in ("seconds", "megabytes")
    ]
    cells = f"{middle['seconds']:.1f}", f"{middle['megabytes']:.0f}", f"{middle['accuracy']:.4f}"
    return name, *cells, *(f"{ratio:.2f}" for ratio in ratios)


def starts(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds of the commands that do almost nothing, the fastest of some."""
    rows = folder / "one.csv"
    rows.write_text("sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm\n5,3,1,0.2\n")
    own, model = [sys.executable, "-m", "wengert"], str(folder / "iris.wengert")
    run([*own, "train", "iris", "--epochs", "1", "--force", "--output", model])
    commands = {"wengert --help": ["--help"], "wengert predict, one row": ["predict", model, str(rows)]}
    return {
        name: min((run([*own, *command]) or {})["seconds"] for _ in range(rounds))
        for name, command in commands.items()
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows, one round")
    parser.add_argument("--rows", type=int, help=f"by default {ROWS}")
    parser.add_argument("--rounds", type=int, help="by default 3")
    parser.add_argument(
        "--torch-python", default=sys.executable, help="an interpreter with PyTorch and polars"
    )
    parser.add_argument("--json", type=Path, help="write every sample into this file")
    arguments = parser.parse_args()
    rows = arguments.rows or (QUICK_ROWS if arguments.quick else ROWS)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    packages = ("wengert", "numpy", "duckdb", "pandas", "scikit-learn", "polars", "torch")
    about = machine(packages, rows=rows, epochs=EPOCHS, batch=BATCH, rounds=rounds)
    print(machine_line(about))
    with tempfile.TemporaryDirectory() as folder:
        started = starts(Path(folder), 5)
        print("\n".join(f"{name}: {seconds:.2f} s" for name, seconds in started.items()))
        data = Path(folder, "cover.csv")
        # By a process of its own: what this one has held counts for those that it starts.
        writer = multiprocessing.get_context("spawn").Process(target=write_data, args=(data, rows))
        writer.start()
        writer.join()
        outcomes = measured(contenders(data, Path(folder), arguments.torch_python), rounds)
    own = outcomes["wengert train"]
    print(table(HEADER, [line(name, found, own) for name, found in outcomes.items()]))
    if arguments.json:
        result: dict[str, Any] = {"machine": about, "starts": started, "contenders": outcomes}
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
