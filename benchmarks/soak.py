"""Random programs as native code, beside the reference interpreter.

    python benchmarks/soak.py [--count N] [--start SEED] [--host NAME] [--threads]

A seed is a program (`_programs.py`), of which the value, the gradient or a batch (`vmap`) is taken in turn.
Its trace is run by both, and the deviation is measured in units of rounding,

    |native - interpreted| ÷ (ε · max(1, max |interpreted|)),

where ε is that of the coarsest dtype in the program. Programs that fail are shown at once: beyond LIMIT, of
another shape or dtype, or with an error that the other one does not raise. A program that is beyond LIMIT but
ill-conditioned (an eigenvector among eigenvalues almost alike) is measured in units of what the interpreter's
own result moves by when its inputs are rounded otherwise, or when it is in double precision. The worst of the
rest come last.
"""

import argparse
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from _programs import program
from _traces import run, traced

import wengert as wg
from wengert.core.evaluate import evaluate
from wengert.core.trace import Trace
from wengert.native.planning.unlowerable import Unlowerable

LIMIT = 1000.0
# Of an ill-conditioned program: how often its inputs are rounded otherwise, by how many units at most, and
# how many times the deviation that this makes counts as LIMIT.
ROUNDINGS, UNITS = 40, 8
ILL_CONDITIONED = 10.0
MODES = ("value", "gradient", "batch")


class Outcome(NamedTuple):
    """What came of one program."""

    seed: int
    mode: str
    deviation: float
    note: str


def taken(f: Callable[..., Any], mode: str) -> Callable[..., Any]:
    """The function that is recorded."""

    def total(*args: Any) -> Any:
        return sum(np.sum(np.tanh(y)) for y in f(*args) if y.dtype.kind == "f") + 0.0 * np.sum(args[0])

    def batch(*args: Any) -> Any:
        return wg.vmap(f, in_axes=(0, *(None,) * (len(args) - 1)))(
            np.stack([args[0], args[0] * 0.5, args[0]]), *args[1:]
        )

    return {"value": f, "gradient": wg.value_and_grad(total), "batch": batch}[mode]


def deviation(found: Sequence[Any], expected: Sequence[Any], epsilon: float) -> float:
    """The largest of all outputs; infinite where they are not of one type."""
    worst = 0.0
    for one, other in zip(found, map(np.asarray, expected), strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return float("inf")
        if one.dtype.kind != "f":
            worst = max(worst, 0.0 if np.array_equal(one, other) else np.inf)
            continue
        with np.errstate(all="ignore"):
            same = (one == other) | (np.isnan(one) & np.isnan(other))
            difference = np.where(same, 0, np.abs(one.astype(float) - other.astype(float)))
            scale = max(1.0, float(np.max(np.abs(other), initial=0)))
        worst = max(worst, float(np.max(difference, initial=0)) / (epsilon * scale))
        worst = np.inf if np.isnan(worst) else worst
    return worst


def coarsest(trace: Trace) -> float:
    """The rounding of the coarsest dtype in a trace."""
    dtypes = {v.type.dtype for v in trace.variables() if v.type.dtype.kind == "f"}
    return max([float(np.finfo(d).eps) for d in dtypes], default=1.0)


def tried(seed: int, host: str = "", threads: bool = False) -> Outcome | None:
    """One program, or None if there is nothing to compile."""
    mode = MODES[seed % len(MODES)]
    f, arguments = program(seed)
    try:
        trace = traced(taken(f, mode), *arguments)
        expected = evaluate(trace, arguments)
    except Exception as error:  # the program itself is at fault, whoever runs it
        return Outcome(seed, mode, 0.0, f"not recorded: {type(error).__name__}: {error}")
    try:
        found = run(trace, arguments, host, threads)
    except Unlowerable as error:
        return Outcome(seed, mode, 0.0, f"interpreted: {error}")
    except Exception:
        return Outcome(seed, mode, np.inf, traceback.format_exc(limit=-3))
    found_apart = deviation(found, expected, coarsest(trace))
    if LIMIT < found_apart < np.inf:
        moved = max(
            sensitivity(trace, arguments, expected),
            lost(taken(f, mode), arguments, expected, coarsest(trace)),
        )
        found_apart *= LIMIT / max(LIMIT, ILL_CONDITIONED * moved)
    return Outcome(seed, mode, found_apart, " ".join(f.steps))


def sensitivity(trace: Trace, arguments: Sequence[Any], expected: Sequence[Any]) -> float:
    """How far, in units of rounding, results move when the inputs are rounded otherwise."""
    rng = np.random.default_rng(0)
    moved = (evaluate(trace, [rounded(x, rng) for x in arguments]) for _ in range(ROUNDINGS))
    return max(deviation([np.asarray(y) for y in ys], expected, coarsest(trace)) for ys in moved)


def lost(f: Callable[..., Any], arguments: Sequence[Any], expected: Sequence[Any], epsilon: float) -> float:
    """How far, in units of rounding, results are from those in double precision."""
    doubled = [np.asarray(x, np.float64) if np.asarray(x).dtype.kind == "f" else x for x in arguments]
    precise = evaluate(traced(f, *doubled), doubled)
    return deviation(
        [np.asarray(y).astype(np.asarray(z).dtype) for y, z in zip(precise, expected, strict=True)],
        expected,
        epsilon,
    )


def rounded(x: Any, rng: np.random.Generator) -> Any:
    """Every number a few units of rounding higher or lower, as the steps of an algorithm leave it."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return x
    return (x * (1 + np.finfo(x.dtype).eps * rng.integers(-UNITS, UNITS + 1, x.shape))).astype(x.dtype)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--host", default="", help="write code as for avx512, avx2, sse2, neon or portable")
    parser.add_argument("--threads", action="store_true", help="share the work among threads, however small")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    start, outcomes = time.perf_counter(), []
    with np.errstate(all="ignore"):
        for seed in range(options.start, options.start + options.count):
            outcomes.append(tried(seed, options.host, options.threads))
            if has_failed(outcomes[-1]):
                print(line(outcomes[-1]), flush=True)
    return report(outcomes, time.perf_counter() - start)


def report(outcomes: Sequence[Outcome], seconds: float) -> int:
    """Print the summary; the number of programs that failed."""
    others = [o for o in outcomes if is_left_out(o)]
    compared = [o for o in outcomes if not is_left_out(o)]
    failed = [o for o in compared if has_failed(o)]
    print(
        f"{len(compared)} programs compared in {seconds:.0f} s, {len(failed)} failed, {len(others)} left out"
    )
    for reason in sorted({o.note.split(";")[0][:90] for o in others}):
        print(f"  {sum(o.note.startswith(reason) for o in others):5d}  {reason}")
    passed = sorted((o for o in compared if not has_failed(o)), key=lambda o: -o.deviation)
    print(*map(line, passed[:5]), sep="\n")
    return len(failed)


def is_left_out(outcome: Outcome) -> bool:
    """Whether there was nothing to compare."""
    return outcome.note.startswith(("not recorded", "interpreted"))


def has_failed(outcome: Outcome) -> bool:
    """Whether the two differ by more than rounding."""
    return not outcome.deviation <= LIMIT


def line(outcome: Outcome) -> str:
    """An outcome in words."""
    return f"seed {outcome.seed} ({outcome.mode}): {outcome.deviation:.3g} ε  {outcome.note}"


if __name__ == "__main__":
    sys.exit(min(main(), 1))
