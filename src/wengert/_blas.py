"""One thread for libraries of linear algebra: sums come out in another order on another number of them."""

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """While it lasts, the results of NumPy's and SciPy's products do not depend on the number of cores."""
    _limits.begin()
    try:
        yield
    finally:
        _limits.end()


class _Limits:
    """The limits of this process, begun with the first who wants them and ended with the last.

    The numbers of threads belong to the process: if everybody put back what was there when they began, those
    who run side by side would lift each other's limit, and the last of them leave it behind.
    """

    def __init__(self) -> None:
        self.lock, self.stack = threading.Lock(), ExitStack()
        self.users, self.limited = 0, set[bool]()

    def begin(self) -> None:
        """One thread from now on, also for a library that has been loaded since the last began."""
        with_scipy = "scipy.linalg" in sys.modules
        with self.lock:
            if with_scipy not in self.limited:
                self.stack.enter_context(_libraries(with_scipy).limit(limits=1, user_api="blas"))
                self.limited.add(with_scipy)
            self.users += 1

    def end(self) -> None:
        """As many threads as there were, where nobody else wants one."""
        with self.lock:
            self.users = max(0, self.users - 1)  # none are left over in a forked child
            if not self.users:
                self.limited.clear()
                self.stack.close()


_limits = _Limits()
if hasattr(os, "register_at_fork"):
    # A child that is forked in between has one thread, and what others have begun does not end in it.
    os.register_at_fork(after_in_child=_limits.__init__)  # type: ignore[misc]


@functools.cache
def _libraries(with_scipy: bool) -> Any:
    """The libraries of this process, which it takes a millisecond to find; SciPy brings one of its own."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
