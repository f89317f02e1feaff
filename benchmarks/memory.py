"""Memory of training: wengert, and every peer, beyond the data and beyond what the packages themselves take.

    python benchmarks/memory.py [--quick] [--only TEXT] [--epochs N] [--json FILE]

Every package trains every network in a process of its own, which first trains a small network of the same
kind, so that its code is loaded; then the peak of the resident memory is taken while it is made and trained,
less what is resident before, data included (VmHWM and VmRSS of Linux). `needed` is what there must be:
weights, the rule's state, and the activations of one minibatch; `share` is the memory of wengert's `fit`
divided by it, `peers` by that of the best peer. `mapped` is `fit` on a file ten times as large as the bound
that it is held to, which is read a few rows at a time.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _measure import machine, machine_line, table, write_json
from _networks import SIX, Network, data, weights
from _trainers import OURS, PEERS

MEASURED = ("scikit-learn", "PyTorch", "JAX scan", "fit")
HEADER = ("network, minibatch", "needed", *MEASURED, "share", "peers")
STEPS, EPOCHS = 20, 3
MEGABYTE = 1 << 20
# A mapped file, and what may be resident of it.
FILE, BOUND, COLUMNS = 320 * MEGABYTE, 32 * MEGABYTE, 512


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the largest network")
    parser.add_argument("--only", metavar="TEXT", default="", help="networks whose name contains this")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"of each training (default {EPOCHS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def needed(network: Network) -> int:
    """Bytes of the weights, of the rule's state, and of the activations of one minibatch."""
    copies = {"adam": 3, "momentum": 2, "sgd": 1}[network.rule]
    numbers = copies * network.parameters + network.batch * sum(network.sizes)
    return numbers * np.dtype(network.dtype).itemsize


# --- in a process of its own --------------------------------------------------------------------------------


def resident(name: str) -> int:
    """Bytes that are resident (``VmRSS``), or the most that ever were (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def begin_measuring() -> int:
    """Give back what is free, forget the peak, and say what is resident."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def peak_of(work: Any) -> int:
    """Bytes that are resident at the peak of some work beyond those before."""
    before = begin_measuring()
    work()
    return resident("VmHWM") - before


def measured(name: str, network: Network, epochs: int) -> int:
    """Bytes of training by a package."""
    make = {**PEERS, **OURS}[name]
    small = replace(network, sizes=(network.sizes[0], *(8,) * (len(network.sizes) - 2), network.sizes[-1]))
    given, first = data(network, STEPS), weights(network)
    few = given._replace(x=given.x[: network.batch], t=given.t[: network.batch], order=given.order[:1] * 0)
    make(small, few, weights(small))()

    def train() -> None:
        trainer = make(network, given, first)
        if name == "fit":  # all of them in one call
            trainer.epochs = epochs
        for _ in range(1 if name == "fit" else epochs):
            trainer()

    return peak_of(train)


def measured_on_a_file(epochs: int) -> int:
    """Bytes of `fit` on a file that is mapped."""
    from wengert import losses, nn, optim, train

    with tempfile.TemporaryDirectory() as folder:
        shape = (FILE // (4 * COLUMNS), COLUMNS)
        x = np.lib.format.open_memmap(Path(folder) / "x.npy", "w+", np.float32, shape)
        x[:, 0] = np.arange(len(x)) % 7
        x.flush()
        y = np.zeros((len(x), 1), np.float32)
        network = nn.MLP.init(np.random.default_rng(0), (COLUMNS, 8, 1), dtype=np.float32)

        def fit(x: Any, y: Any) -> None:
            rule = optim.SGD(1e-3)
            train.fit(network, losses.mean_squared_error, x, y, optimiser=rule, epochs=epochs, batch_size=64)

        fit(np.array(x[:2048]), y[:2048])
        mapped = np.load(Path(folder) / "x.npy", mmap_mode="r")
        del x
        return peak_of(lambda: fit(mapped, y))


def child(name: str, network: str, epochs: str) -> None:
    """Measure, and print the number."""
    if name == "mapped":
        print(measured_on_a_file(int(epochs)))
    else:
        try:
            print(measured(name, next(n for n in SIX if n.name == network), int(epochs)))
        except ImportError as problem:
            print(problem, file=sys.stderr)
            print("null")


# --- here ---------------------------------------------------------------------------------------------------


def in_a_process(name: str, network: str, epochs: int) -> int | None:
    """What a process of its own finds; None where the package is not installed."""
    command = [sys.executable, __file__, "--child", name, network, str(epochs)]
    threads = {f"{name}_NUM_THREADS": "2" for name in ("OMP", "OPENBLAS", "WENGERT")}
    found = subprocess.run(command, capture_output=True, text=True, env=os.environ | threads)
    if found.returncode:
        sys.exit(f"{name} on {network}: {found.stderr}")
    return json.loads(found.stdout.splitlines()[-1])


def result(network: Network, epochs: int) -> dict[str, Any]:
    """Everything about one network."""
    found = {name: in_a_process(name, network.name, epochs) for name in MEASURED}
    peers = [found[name] for name in MEASURED if name in PEERS and found[name] is not None]
    must, best = needed(network), min(peers, default=np.nan)
    return {"name": network.name, "needed": must, **found,
            "share": found["fit"] / must, "peers": found["fit"] / best}  # fmt: skip


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table, in megabytes."""
    found = [result[name] for name in ("needed", *MEASURED)]
    sizes = ["-" if size is None else f"{size / MEGABYTE:.1f}" for size in found]
    return [result["name"], *sizes, f"{result['share']:.2f}", f"{result['peers']:.2f}"]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    if options.child:
        return child(*options.child)
    networks = [n for n in SIX if n.operations < 1e10 or not options.quick]
    results = [result(n, options.epochs) for n in networks if options.only in n.name]
    print(table(HEADER, [row(r) for r in results]))
    mapped = in_a_process("mapped", "", 1)
    print(f"mapped: {mapped / MEGABYTE:.1f} MB of a file of {FILE / MEGABYTE:.0f} MB "
          f"({mapped / BOUND:.2f} of the bound)")  # fmt: skip
    where = machine(("numpy", "wengert", "scikit-learn", "torch", "jax"), epochs=options.epochs)
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "mapped": mapped, "results": results})


if __name__ == "__main__":
    main()
