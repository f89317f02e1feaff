"""Timing that survives a noisy machine: every contender in turn, many times, in one run.

Contenders A and B are sampled A B, B A, A B, ..., so that a slow moment of the machine falls on both and
neither gains by its place. A sample is one call that is not timed, then as many as last a given time in all;
`compare` divides the samples of one round, and takes the median over the rounds. A contender beside itself
comes out within one or two percent of 1.

    from _measure import compare, interleave
    samples = interleave({"mine": lambda: f(x), "peer": lambda: g(x)})
    compare(samples["mine"], samples["peer"]).median
"""

import ctypes
import gc
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import Any

Call = Callable[[], object]
Clock = Callable[[], int]  # nanoseconds
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


@dataclass(frozen=True)
class Samples:
    """Seconds per call of one contender, one entry per round; each is the mean of `inner` calls."""

    seconds: tuple[float, ...]
    inner: int

    @property
    def median(self) -> float:
        """Median seconds per call."""
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        """Seconds per call of the fastest sample."""
        return min(self.seconds)


@dataclass(frozen=True)
class Comparison:
    """How many times the other's time one contender takes."""

    median: float  # median of the ratios of each round
    minimum: float  # ratio of the fastest samples


@contextmanager
def no_collection() -> Iterator[None]:
    """Python's cyclic garbage collector stands still inside."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def settle_heap(fresh: bool = False) -> None:
    """Decides once whether memory that arrays give back is kept by the process, where the C library is glibc.

    By itself glibc learns its threshold from the largest array freed so far, so the same call costs once or
    three times as much, depending on what ran before it. Kept, no call pays for new pages; fresh, every
    array above 128 KB does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 1 << 17 if fresh else 1 << 30)
        mallopt(M_MMAP_THRESHOLD, 1 << 17 if fresh else 1 << 25)


def seconds_of(call: Call, inner: int, clock: Clock = perf_counter_ns) -> float:
    """Seconds that `inner` calls take together, after one that warms up."""
    repeats = range(inner)
    call()
    start = clock()
    for _ in repeats:
        call()
    return (clock() - start) * 1e-9


def repeats_for(call: Call, floor: float, clock: Clock = perf_counter_ns) -> int:
    """Calls that a sample needs in order to last `floor` seconds."""
    inner = 1
    while (elapsed := seconds_of(call, inner, clock)) < floor:
        inner = max(2 * inner, min(10 * inner, int(1.2 * inner * floor / max(elapsed, 1e-9))))
    return inner


def interleave(
    calls: Mapping[str, Call],
    rounds: int = 15,
    floor: float = 0.02,
    clock: Clock = perf_counter_ns,
    rest: float = 0.0,
) -> dict[str, Samples]:
    """Times every call once per round, in the order given and then in reverse, by turns.

    No sample is shorter than `floor` seconds. Where calls stay in one thread, the clock `time.thread_time_ns`
    leaves out the time that other processes took the core for. Before every sample there are `rest` seconds
    of sleep, for threads of the one before that still look for work.
    """
    with no_collection():
        inner = {name: repeats_for(call, floor, clock) for name, call in calls.items()}
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(rounds):
            for name in list(calls)[:: -1 if number % 2 else 1]:
                sleep(rest)
                seconds[name].append(seconds_of(calls[name], inner[name], clock) / inner[name])
            gc.collect()
    return {name: Samples(tuple(seconds[name]), inner[name]) for name in calls}


def compare(a: Samples, b: Samples) -> Comparison:
    """Time of `a` divided by time of `b`, both from one call of `interleave`."""
    ratios = [x / y for x, y in zip(a.seconds, b.seconds, strict=True)]
    return Comparison(statistics.median(ratios), a.minimum / b.minimum)


def processor() -> str:
    """Model of the processor, as far as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (models or [platform.processor() or platform.machine()])[0]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions of the packages; those that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(packages: Iterable[str] = ("numpy",), **settings: object) -> dict[str, Any]:
    """What a result depends on besides the code: processor, cores, versions and the settings given."""
    return {
        "cpu": processor(),
        "cores": cores(),
        "python": platform.python_version(),
        **versions(packages),
        **settings,
    }


def machine_line(description: Mapping[str, Any]) -> str:
    """The description of the machine on one line."""
    return ", ".join(f"{name} {value}" for name, value in description.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Plain aligned text; the first `left` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        formats = ["{:<{}}"] * left + ["{:>{}}"] * (len(widths) - left)
        padded = [f.format(cell, w) for f, cell, w in zip(formats, cells, widths, strict=True)]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), "  ".join("-" * width for width in widths), *map(line, rows)])


def plain(value: object) -> Any:
    """JSON form of the dataclasses and NumPy numbers in a result."""
    if isinstance(value, Samples):
        return asdict(value) | {"median": value.median, "minimum": value.minimum}
    if isinstance(value, Comparison):
        return asdict(value)
    return value.item()  # type: ignore[attr-defined]


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Writes a result, every sample included."""
    path.write_text(json.dumps(result, indent=2, default=plain) + "\n")
