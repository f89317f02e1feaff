"""wengert: derivatives and feed-forward networks from ordinary NumPy code, on a CPU, with every step shown.

The names are imported on first use, so that ``import wengert`` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wengert._version import __version__ as __version__

if TYPE_CHECKING:
    from wengert import errors, exchange, losses, metrics, nn, numerical, optim, random, special, train
    from wengert.api import (
        check_gradients,
        cost,
        grad,
        hessian,
        hvp,
        jacobian,
        jit,
        jvp,
        stop_gradient,
        trace,
        value_and_grad,
        vjp,
        vmap,
    )
    from wengert.control import checkpoint, cond, custom_jvp, custom_vjp, scan, while_loop
    from wengert.core.finite import check_finite
    from wengert.estimators import MLPClassifier, MLPRegressor
    from wengert.native.machine.team import get_threads, set_threads

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "check_finite",
    "check_gradients",
    "checkpoint",
    "cond",
    "cost",
    "custom_jvp",
    "custom_vjp",
    "errors",
    "exchange",
    "get_threads",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "losses",
    "metrics",
    "nn",
    "numerical",
    "optim",
    "random",
    "scan",
    "set_threads",
    "special",
    "stop_gradient",
    "trace",
    "train",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]

_HOMES = {
    **dict.fromkeys(
        ("checkpoint", "cond", "custom_jvp", "custom_vjp", "scan", "while_loop"), "wengert.control"
    ),
    "check_finite": "wengert.core.finite",
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), "wengert.estimators"),
    **dict.fromkeys(("get_threads", "set_threads"), "wengert.native.machine.team"),
}
_MODULES = frozenset(
    {"errors", "exchange", "losses", "metrics", "nn", "numerical", "optim", "random", "special", "train"}
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'wengert' has no attribute {name!r}")
    import_module("wengert.api")
    found = (
        import_module(f"wengert.{name}")
        if name in _MODULES
        else getattr(import_module(_HOMES.get(name, "wengert.api")), name)
    )
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
