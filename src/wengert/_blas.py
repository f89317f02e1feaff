"""One thread for libraries of linear algebra: sums come out in another order on another number of them.

With most libraries the number of threads belongs to the process. Trainings that run side by side therefore
count who wants one thread: the first sets it, and the last puts back what was there, whichever thread that
is. With OpenMP it belongs to the calling thread, and each has its own.
"""

import functools
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """While it lasts, the results of NumPy's and SciPy's products do not depend on the number of cores."""
    own, shared = _libraries("scipy.linalg" in sys.modules)
    before = {library: library.num_threads for library in own}
    _set(dict.fromkeys(own, 1))
    _limits.begin(shared)
    try:
        yield
    finally:
        _limits.end()
        _set(before)


def _set(counts: Mapping[Any, int]) -> None:
    """Set numbers of threads; threadpoolctl lets only one thread do so, until it is told to let others."""
    for library, count in counts.items():
        free = getattr(library, "clear_controlling_thread", lambda force: None)
        free(force=True)
        library.set_num_threads(count)
        free(force=True)


class _Limits:
    """How many want one thread, and how many threads each library had before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users, self.before = 0, dict[Any, int]()

    def begin(self, libraries: Iterable[Any]) -> None:
        """One thread from now on, also for a library that has been loaded since the last began."""
        with self.lock:
            self.users += 1
            self.before = {library: library.num_threads for library in libraries} | self.before
            _set(dict.fromkeys(self.before, 1))

    def end(self) -> None:
        """As many threads as there were, where nobody else wants one."""
        with self.lock:
            self.users = max(0, self.users - 1)  # in a forked child none is left
            if not self.users:
                _set(self.before)
                self.before.clear()


_limits = _Limits()
if hasattr(os, "register_at_fork"):
    # The threads that would come to the end are not there in a child, which keeps one thread.
    os.register_at_fork(after_in_child=_limits.__init__)  # type: ignore[misc]


@functools.cache
def _libraries(with_scipy: bool) -> tuple[list[Any], list[Any]]:
    """The libraries of this process, which it takes a millisecond to find; SciPy brings one of its own.

    First those whose number of threads is the calling thread's own, then those where it is the process's.
    """
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    own = [library for library in found if getattr(library, "threading_layer", None) == "openmp"]
    return own, [library for library in found if library not in own]
