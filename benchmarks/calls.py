"""What a call of a compiled function costs: gradients of a few numbers, a prediction of one row, a result of
35 MB.

    python benchmarks/calls.py [--quick] [--json FILE] [--plot FILE]

The arithmetic of these calls takes less time than Python takes to arrange for it, so what is measured is the
way in and out. Every contender gets its arguments in the form that it likes best (JAX and PyTorch their own
arrays), and has given the right result before it is timed. Times are microseconds for one call in a loop of
Python's `for`; `ratio` is the time of the fastest peer ÷ wengert's, median of the rounds, `min` that of the
fastest samples, and `best` wengert's fastest sample.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import autograd
import autograd.numpy
import numpy as np
from _functions import rosenbrock
from _measure import Samples, compare, interleave, machine, machine_line, table, write_json
from threadpoolctl import threadpool_limits

import wengert as wg

PEERS = ("NumPy", "Python", "JAX", "autograd", "PyTorch")
LOOP = 20  # calls between two looks at the clock
HAS_TORCH = find_spec("torch") is not None

Function = Callable[..., Any]


@dataclass(frozen=True)
class Contender:
    """A function and its arguments, at most two."""

    call: Function
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A call. `limit` is what wengert's may take at most, in microseconds; 0 where nothing was promised."""

    name: str
    limit: float
    contenders: dict[str, Contender]


def valley(x: Any, y: Any) -> Any:
    """Rosenbrock's function of two numbers."""
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


def valley_gradient(x: float, y: float) -> tuple[float, float]:
    """Its gradient in plain arithmetic."""
    steep = 200 * (y - x * x)
    return -2 * x * steep - 2 * (1 - x), steep


def wave(xp: Any) -> Function:
    """A function with an elementary function in it."""
    return lambda x, y: x * y + xp.sin(x)


def wave_gradient(x: float, y: float) -> tuple[float, float]:
    """Its gradient in plain arithmetic."""
    return y + math.cos(x), x


def rosenbrock_gradient(x: Any) -> Any:
    """The gradient as one writes it in NumPy."""
    left, right = x[:-1], x[1:]
    steep = 200 * (right - left**2)
    gradient = np.empty_like(x)
    gradient[1:] = steep
    gradient[0] = 0.0
    gradient[:-1] -= 2 * left * steep + 2 * (1 - left)
    return gradient


def predict(xp: Any) -> Function:
    """A network with one hidden layer, whose parameters are a list."""

    def prediction(parameters: Any, x: Any) -> Any:
        w1, b1, w2, b2 = parameters
        return xp.tanh(x @ w1 + b1) @ w2 + b2

    return prediction


def stepwise(x: Any, n: Any) -> Any:
    """Python's control flow on values."""
    for _ in range(n):
        x = x / 2 if x > 1.0 else 3 * x
    return x


def jax_contender(make: Callable[[Any], Function], arguments: tuple[Any, ...]) -> Contender:
    """The function jitted by JAX, on its own arrays, waiting for the result."""
    import jax

    jax.config.update("jax_enable_x64", True)
    f, wait = jax.jit(make(jax.numpy)), jax.block_until_ready
    own = jax.tree.map(jax.numpy.asarray, arguments)
    return Contender(lambda *arguments: wait(f(*arguments)), own)


def jax_gradient(make: Callable[[Any], Function], places: Any) -> Callable[[Any], Function]:
    """The gradient of a function for JAX."""
    import jax

    return lambda xp: jax.grad(make(xp), places)


def torch_contender(make: Callable[[Any], Function], arguments: tuple[Any, ...]) -> dict[str, Contender]:
    """PyTorch as it stands, where it is installed."""
    if not HAS_TORCH:
        return {}
    import torch

    own = tuple([torch.tensor(a) for a in x] if isinstance(x, list) else torch.tensor(x) for x in arguments)
    return {"PyTorch": Contender(torch.inference_mode()(make(torch)), own)}


def torch_gradient(make: Callable[[Any], Function], arguments: tuple[Any, ...]) -> dict[str, Contender]:
    """PyTorch's gradient, where it is installed."""
    if not HAS_TORCH:
        return {}
    import torch

    f, own = make(torch), tuple(torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arguments)
    return {"PyTorch": Contender(lambda *inputs: torch.autograd.grad(f(*inputs), inputs), own)}


def scalar_gradient(name: str, make: Callable[[Any], Function], by_hand: Function) -> Case:
    """The gradient of a function of two numbers."""
    point, both = (0.7, -1.2), (0, 1)
    contenders = {
        "wengert": Contender(wg.jit(wg.grad(make(np), both)), point),
        "Python": Contender(by_hand, point),
        "JAX": jax_contender(jax_gradient(make, both), point),
        "autograd": Contender(autograd.grad(make(autograd.numpy), both), point),
        **torch_gradient(make, point),
    }
    return Case(name, 0.2, contenders)


def vector_gradient(n: int) -> Case:
    """The gradient of Rosenbrock's function of n numbers."""
    point = (np.random.default_rng(0).normal(size=n),)
    contenders = {
        "wengert": Contender(wg.jit(wg.grad(rosenbrock(np))), point),
        "NumPy": Contender(rosenbrock_gradient, point),
        "JAX": jax_contender(jax_gradient(rosenbrock, 0), point),
        "autograd": Contender(autograd.grad(rosenbrock(autograd.numpy)), point),
        **torch_gradient(rosenbrock, point),
    }
    return Case(f"gradient, Rosenbrock of {n}", 1.5 if n == 1000 else 0, contenders)


def prediction(sizes: tuple[int, int, int]) -> Case:
    """One row through a network in float32."""
    rng, (a, b, c) = np.random.default_rng(0), sizes
    shapes = [(a, b), (b,), (b, c), (c,)]
    parameters = [rng.normal(size=s).astype("f4") / np.float32(math.sqrt(s[0])) for s in shapes]
    given = (parameters, rng.normal(size=a).astype("f4"))
    contenders = {
        "wengert": Contender(wg.jit(predict(np)), given),
        "NumPy": Contender(predict(np), given),
        "JAX": jax_contender(predict, given),
        **torch_contender(predict, given),
    }
    return Case(f"prediction, one row, {a}-{b}-{c}", 4.5 if a == 784 else 0, contenders)


def branches() -> Case:
    """A loop and branches that depend on values."""
    given = (5.0, 6)
    contenders = {"wengert": Contender(wg.jit(stepwise), given), "Python": Contender(stepwise, given)}
    return Case("branches on values", 0, contenders)


def large_result(n: int) -> Case:
    """A result for which the system would have to give new pages."""
    given = (np.ones((n, n)),)
    contenders = {
        "wengert": Contender(wg.jit(lambda x: x * 2.0), given),
        "NumPy": Contender(lambda x: x * 2.0, given),
        "JAX": jax_contender(lambda xp: lambda x: x * 2.0, given),
        **torch_contender(lambda xp: lambda x: x * 2.0, given),
    }
    return Case(f"result of {8e-6 * n * n:.0f} MB", 0, contenders)


def cases(quick: bool) -> Iterator[Case]:
    """Everything that is measured."""
    yield scalar_gradient("gradient, two numbers", lambda xp: valley, valley_gradient)
    yield scalar_gradient("gradient, two numbers, sine", wave, wave_gradient)
    yield vector_gradient(10)
    yield vector_gradient(1000)
    yield prediction((4, 50, 3))
    yield prediction((784, 128, 10))
    yield branches()
    yield large_result(300 if quick else 2092)


def flat(result: Any) -> Any:
    """The numbers of a result in one row."""
    parts = result if isinstance(result, tuple | list) else [result]
    return np.concatenate([np.ravel(np.asarray(part)) for part in parts])


def check(case: Case) -> None:
    """End the program where contenders disagree; calls each three times, so that all is compiled."""
    results = {}
    for name, contender in case.contenders.items():
        for _ in range(3):
            results[name] = flat(contender.call(*contender.arguments))
    for name, found in results.items():
        if not np.allclose(found, results["wengert"], rtol=1e-4 if found.dtype == "f4" else 1e-9, atol=1e-5):
            sys.exit(f"{case.name}: {name} disagrees with wengert")


def looped(contender: Contender) -> Callable[[], None]:
    """Many calls in a loop, without the cost of a closure for each."""
    f, repeats = contender.call, range(LOOP)

    def of_one(x: Any = contender.arguments[0]) -> None:
        for _ in repeats:
            f(x)

    def of_two(x: Any = contender.arguments[0], y: Any = contender.arguments[-1]) -> None:
        for _ in repeats:
            f(x, y)

    return of_one if len(contender.arguments) == 1 else of_two


def per_call(samples: Samples) -> Samples:
    """Samples of one call from samples of a loop."""
    return replace(samples, seconds=tuple(s / LOOP for s in samples.seconds), inner=samples.inner * LOOP)


def measure(case: Case, rounds: int, floor: float) -> dict[str, Any]:
    """Everything about one case."""
    check(case)
    found = interleave({name: looped(c) for name, c in case.contenders.items()}, rounds, floor)
    samples = {name: per_call(s) for name, s in found.items()}
    fastest = min((name for name in samples if name != "wengert"), key=lambda name: samples[name].median)
    return {
        "name": case.name,
        "limit_microseconds": case.limit,
        "fastest_peer": fastest,
        "ratio": compare(samples[fastest], samples["wengert"]),
        "samples": samples,
    }


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table."""
    times = {name: f"{1e6 * s.median:.3f}" for name, s in result["samples"].items()}
    limit = f"{result['limit_microseconds']:g}" if result["limit_microseconds"] else ""
    cells = [times.get(name, "") for name in ("wengert", *PEERS)]
    ratio, best = result["ratio"], 1e6 * result["samples"]["wengert"].minimum
    return [result["name"], *cells, f"{best:.3f}", limit, f"{ratio.median:.2f}", f"{ratio.minimum:.2f}"]


def plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Bars of the times, all contenders of a case side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.8 * len(results) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = [name for name in ("wengert", *PEERS) if any(name in r["samples"] for r in results)]
    for k, name in enumerate(names):
        rows = [i for i, r in enumerate(results) if name in r["samples"]]
        times = [1e6 * results[i]["samples"][name].median for i in rows]
        axes.barh([i + 0.8 * k / len(names) for i in rows], times, 0.8 / len(names), label=name)
    axes.set(title="time of a call", xlabel="µs", xscale="log", yticks=np.arange(len(results)) + 0.3,
             yticklabels=[r["name"] for r in results])  # fmt: skip
    axes.legend()
    axes.invert_yaxis()
    figure.savefig(path, dpi=120)


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few and short samples")
    parser.add_argument("--only", metavar="NAME", default="", help="cases whose name contains this")
    parser.add_argument("--threads", type=int, default=1, help="threads of NumPy's matmul (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the table as a PNG")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    rounds, floor = (5, 0.002) if options.quick else (15, 0.02)
    with threadpool_limits(options.threads):
        chosen = [c for c in cases(options.quick) if options.only.lower() in c.name.lower()]
        results = [measure(case, rounds, floor) for case in chosen]
    where = machine(("numpy", "wengert", "jax", "autograd", "torch"), threads=options.threads)
    print(table(("µs", "wengert", *PEERS, "best", "limit", "ratio", "min"), [row(r) for r in results]))
    print(machine_line(where))
    if options.json:
        write_json(
            options.json, {"machine": where, "rounds": rounds, "floor_seconds": floor, "results": results}
        )
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
