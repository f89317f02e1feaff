"""What an elementary function costs: nanoseconds per number, beside NumPy and JAX.

    python benchmarks/functions.py [--quick] [--only NAME ...] [--json FILE]

Every function is a loop in machine code over one array that stays in the second cache, into another; NumPy's
is the ufunc with ``out=``, SciPy's where NumPy has none, and JAX's a jitted function of the same array, if it
is installed. Results are compared before anything is timed. `ns` is wengert's time for one number, `numpy`
and `jax` the others' (medians); a ratio is wengert's time ÷ the other's, the median of the rounds, and `min`
that of the fastest samples beside NumPy: below 1 wengert is faster.
"""

import argparse
import ctypes
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from _measure import Call, compare, interleave, machine, machine_line, table, write_json

from wengert.native.elementary.lanes import Lanes
from wengert.native.machine import host, ir

Array = np.ndarray[Any, Any]
BYTES = 1 << 17
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
HEADER = ("function", "dtype", "ns", "numpy", "jax", "÷ numpy", "min", "÷ jax")


class Function(NamedTuple):
    """A function, the peers' versions of it, and numbers to compute it of."""

    name: str
    numpy: Callable[..., Array]
    jax: str
    numbers: Callable[[np.random.Generator, int], Array]


def _normal(scale: float) -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, n: rng.normal(0, scale, n)


def _positive(rng: np.random.Generator, n: int) -> Array:
    return rng.lognormal(0, 2, n)


def _unit(rng: np.random.Generator, n: int) -> Array:
    return rng.uniform(-1, 1, n)


def _softplus(x: Array, out: Array) -> Array:
    return np.logaddexp(x, 0, out=out)


FUNCTIONS = (
    Function("exp", np.exp, "numpy.exp", _normal(3)),
    Function("expm1", np.expm1, "numpy.expm1", _normal(1)),
    Function("log", np.log, "numpy.log", _positive),
    Function("log1p", np.log1p, "numpy.log1p", _positive),
    Function("tanh", np.tanh, "numpy.tanh", _normal(2)),
    Function("logistic", scipy.special.expit, "nn.sigmoid", _normal(3)),
    Function("softplus", _softplus, "nn.softplus", _normal(3)),
    Function("sin", np.sin, "numpy.sin", _normal(10)),
    Function("cos", np.cos, "numpy.cos", _normal(10)),
    Function("tan", np.tan, "numpy.tan", _normal(1)),
    Function("arctan", np.arctan, "numpy.arctan", _normal(2)),
    Function("arcsin", np.arcsin, "numpy.arcsin", _unit),
    Function("erf", scipy.special.erf, "scipy.special.erf", _normal(1)),
    Function("sqrt", np.sqrt, "numpy.sqrt", _positive),
    Function("cbrt", np.cbrt, "numpy.cbrt", _normal(1)),
)


def native(name: str, dtype: str) -> Callable[[int, int, int], None]:
    """A function's loop over an array: called with the addresses of result and argument, and a length."""
    module, machine = ir.Module(), host.this_host()
    count = machine.lanes(dtype)
    f = module.function("run", "void", [("out", "ptr"), ("x", "ptr"), ("n", "i64")])
    element = ir.type_name(dtype)
    with f.loop(ir.index(0), f.param("n"), count) as loop:
        x = f.load(ir.vector(element, count), f.offset(f.param("x"), element, loop.index))
        f.store(getattr(Lanes(f, dtype, count), name)(x), f.offset(f.param("out"), element, loop.index))
    f.ret()
    code = host.load(str(module))
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(code.address("run"))
    call.code = code  # type: ignore[attr-defined]
    return call


def jax_function(path: str, x: Array) -> Call | None:
    """JAX's version as a call; None where JAX is not installed."""
    try:
        jax = import_module("jax")
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    *modules, name = path.split(".")
    function = jax.jit(getattr(import_module(".".join(["jax", *modules])), name))
    argument = jax.numpy.asarray(x)
    return lambda: function(argument).block_until_ready()


def measure(function: Function, dtype: str, rounds: int, floor: float) -> dict[str, Any]:
    """One function in one dtype."""
    n = BYTES // np.dtype(dtype).itemsize
    x = function.numbers(np.random.default_rng(1), n).astype(dtype)
    out, expected = np.empty_like(x), np.empty_like(x)
    run, (to, source) = native(function.name, dtype), (out.ctypes.data, x.ctypes.data)
    calls: dict[str, Call] = {
        "wengert": lambda: run(to, source, n),
        "numpy": lambda: function.numpy(x, out=expected),
    }
    jax = jax_function(function.jax, x)
    for call in calls.values():
        call()
    np.testing.assert_allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    samples = interleave(calls | ({"jax": jax} if jax else {}), rounds, floor)
    ratios = {peer: compare(samples["wengert"], samples[peer]) for peer in samples if peer != "wengert"}
    return {"function": function.name, "dtype": dtype, "count": n, "samples": samples, "ratios": ratios}


def row(result: dict[str, Any]) -> list[str]:
    """A line of the table."""
    samples, ratios = result["samples"], result["ratios"]

    def ns(name: str) -> str:
        return f"{samples[name].median * 1e9 / result['count']:.3f}" if name in samples else "-"

    def ratio(name: str) -> str:
        return f"{ratios[name].median:.2f}" if name in ratios else "-"

    fastest = f"{ratios['numpy'].minimum:.2f}"
    return [
        result["function"],
        result["dtype"],
        *map(ns, ("wengert", "numpy", "jax")),
        *(ratio("numpy"), fastest, ratio("jax")),
    ]


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few and short samples")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="functions of these names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes what was asked for."""
    options = parsed(argv)
    rounds, floor = (5, 0.003) if options.quick else (15, 0.02)
    chosen = [f for f in FUNCTIONS if not options.only or f.name in options.only]
    results = [measure(f, dtype, rounds, floor) for f in chosen for dtype in ("float32", "float64")]
    where = machine(("numpy", "scipy", "jax", "wengert"))
    print(table(HEADER, [row(r) for r in results], left=2))
    print(machine_line(where))
    if options.json:
        write_json(
            options.json, {"machine": where, "rounds": rounds, "floor_seconds": floor, "results": results}
        )


if __name__ == "__main__":
    main()
