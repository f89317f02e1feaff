"""wengert: derivatives and feed-forward networks from ordinary NumPy code, on a CPU, with every step shown."""

from wengert import numerical
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
from wengert.control import checkpoint, cond, scan, while_loop
from wengert.core.finite import check_finite

__all__ = [
    "check_finite",
    "check_gradients",
    "checkpoint",
    "cond",
    "cost",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "numerical",
    "scan",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
__version__ = "0.1.0"
