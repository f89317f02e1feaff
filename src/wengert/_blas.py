"""One thread for libraries of linear algebra: sums come out in another order on another number of them."""

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """While it lasts, the results of NumPy's and SciPy's products do not depend on the number of cores."""
    with _libraries("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _libraries(with_scipy: bool) -> Any:
    """The libraries of this process, which it takes a millisecond to find; SciPy brings one of its own."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
