"""Loops that Python unrolls: what compiling hundreds of equations costs, and what they cost then, beside JAX.

    python benchmarks/unrolled.py [--quick] [--only NAME ...] [--json FILE]

Every sample is a process of its own that begins with an empty cache. `first` is the time of the first call,
and `CPU` that of the processor, which a busy machine does not change much; `run` is the fastest later call.
Where JAX is not done after `--limit` seconds its columns say so. The values and derivatives of both packages
are compared before any time is shown. `÷` are the ratios to JAX, of CPU and of run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from _measure import machine, machine_line, table, write_json

HEADER = ("program", "first s", "CPU s", "run µs", "jax first s", "jax CPU s", "jax run µs", "÷ CPU", "÷ run")
TOLERANCE = 1e-8

Function = Callable[..., Any]
rng = np.random.default_rng(0)


# --- programs: a function of NumPy's functions gives the program, then its arguments ------------------------


def sines(np: Any) -> Function:
    """A map, five hundred times."""

    def f(x: Any) -> Any:
        for _ in range(500):
            x = np.sin(x) + 0.1 * x
        return np.sum(x)

    return f


def layers(np: Any) -> Function:
    """Five hundred small layers."""

    def f(w: Any, x: Any) -> Any:
        for _ in range(500):
            x = np.tanh(w @ x)
        return np.sum(x)

    return f


def recurrent(np: Any) -> Function:
    """Two hundred steps of a recurrent network."""

    def f(w: Any, u: Any, b: Any, v: Any, xs: Any) -> Any:
        h, error = b * 0, 0.0
        for t in range(len(xs)):
            h = np.tanh(w @ h + u @ xs[t] + b)
            error = error + (v @ h - 1.0) ** 2
        return error

    return f


def pendulum(np: Any) -> Function:
    """Forty steps of Runge and Kutta's method for many pendulums."""

    def slope(x: Any, v: Any, k: Any) -> tuple[Any, Any]:
        return v, -k * np.sin(x) - 0.1 * v

    def f(k: Any, x: Any) -> Any:
        v, h = 0 * x, 0.05
        for _ in range(40):
            a, b = slope(x, v, k)
            c, d = slope(x + h / 2 * a, v + h / 2 * b, k)
            p, q = slope(x + h / 2 * c, v + h / 2 * d, k)
            r, s = slope(x + h * p, v + h * q, k)
            x, v = x + h / 6 * (a + 2 * c + 2 * p + r), v + h / 6 * (b + 2 * d + 2 * q + s)
        return np.sum(x * x)

    return f


def numbers(np: Any) -> Function:
    """Two thousand operations on two numbers."""

    def f(x: Any, y: Any) -> Any:
        for _ in range(500):
            x = x * y + 0.01
            y = y - 0.001 * x
        return x + y

    return f


GRID = np.linspace(0, 1, 1000)[1:]
PROGRAMS: dict[str, tuple[Callable[[Any], Function], tuple[Any, ...]]] = {
    "sines": (sines, (GRID,)),
    "layers": (layers, (rng.normal(size=(8, 8)) / 3, rng.normal(size=(8, 4)))),
    "recurrent": (
        recurrent,
        (
            rng.normal(size=(16, 16)) / 4,
            *(rng.normal(size=s) for s in ((16, 3), (16,), (16,), (200, 3))),
        ),
    ),
    "pendulum": (pendulum, (1.3, GRID[:100])),
    "numbers": (numbers, (0.9, 0.8)),
}


# --- one sample ---------------------------------------------------------------------------------------------


def wengert_calls(name: str, derivative: str) -> Callable[[], Any]:
    """The compiled program as a call."""
    import wengert as wg

    program, arguments = PROGRAMS[name]
    wg.jit(np.tanh)(GRID)
    f = wg.jit(wg.value_and_grad(program(np)) if derivative else program(np))
    return lambda: f(*arguments)


def jax_calls(name: str, derivative: str) -> Callable[[], Any]:
    """JAX's."""
    import jax

    jax.config.update("jax_enable_x64", True)
    program, arguments = PROGRAMS[name]
    jax.jit(jax.numpy.tanh)(GRID).block_until_ready()
    f = jax.jit(jax.value_and_grad(program(jax.numpy)) if derivative else program(jax.numpy))
    given = [jax.numpy.asarray(a) for a in arguments]
    return lambda: jax.block_until_ready(f(*given))


CALLS = {"wengert": wengert_calls, "jax": jax_calls}


def summary(result: Any) -> list[float]:
    """The value, and the sum of the derivative."""
    parts = result if isinstance(result, tuple) else (result,)
    return [float(np.sum(np.asarray(part))) for part in parts]


def work(package: str, name: str, derivative: str) -> None:
    """One sample, printed as JSON."""
    call = CALLS[package](name, derivative)
    start, cpu = perf_counter(), process_time()
    found = summary(call())
    times = {"first": perf_counter() - start, "cpu": process_time() - cpu}
    call()
    print(json.dumps({**times, "run": fastest(call), "found": found}))


def fastest(call: Callable[[], Any], seconds: float = 0.3) -> float:
    """Seconds of the fastest call."""
    best, end = float("inf"), perf_counter() + seconds
    while perf_counter() < end:
        start = perf_counter()
        call()
        best = min(best, perf_counter() - start)
    return best


# --- all samples --------------------------------------------------------------------------------------------


def sample(package: str, name: str, derivative: str, limit: float) -> dict[str, Any] | None:
    """One sample in a process of its own; None if it takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        one = {"OPENBLAS_NUM_THREADS": "1", "WENGERT_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, __file__, "--worker", package, name, derivative]
        variables = {**os.environ, **one, "WENGERT_CACHE_DIR": folder}
        try:
            done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, timeout=limit)
        except subprocess.TimeoutExpired:
            return None
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def check(name: str, ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> None:
    """Ends the program where results differ."""
    if ours and theirs and not np.allclose(ours["found"], theirs["found"], TOLERANCE, TOLERANCE):
        sys.exit(f"{name}: {ours['found']} is not {theirs['found']}")


def row(name: str, ours: dict[str, Any] | None, theirs: dict[str, Any] | None, limit: float) -> list[str]:
    """A line of the table."""
    cells = [name]
    for found in (ours, theirs):
        times = [f"> {limit:.0f}", "", ""]
        if found is not None:
            times = [f"{found['first']:.2f}", f"{found['cpu']:.2f}", f"{1e6 * found['run']:.1f}"]
        cells += times
    if ours is None or theirs is None:
        return [*cells, "", ""]
    return [*cells, *(f"{ours[key] / theirs[key]:.2f}" for key in ("cpu", "run"))]


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="values without derivatives")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=PROGRAMS, help="programs of these names")
    parser.add_argument("--limit", type=float, default=120, metavar="SECONDS", help="for one sample")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    if options.worker:
        work(*options.worker)
        return
    samples, rows = {}, []
    for name in options.only or PROGRAMS:
        for derivative in ("",) if options.quick else ("", "derivative"):
            full = f"{name} {derivative}".rstrip()
            ours, theirs = (sample(package, name, derivative, options.limit) for package in CALLS)
            check(full, ours, theirs)
            samples[full] = {"wengert": ours, "jax": theirs}
            rows.append(row(full, ours, theirs, options.limit))
    where = machine(("numpy", "wengert", "llvmlite", "jax"))
    print(table(HEADER, rows))
    print(machine_line(where))
    if options.json:
        write_json(options.json, {"machine": where, "samples": samples})


if __name__ == "__main__":
    main()
