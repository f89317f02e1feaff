"""wengert: derivatives and feed-forward networks from ordinary NumPy code, on a CPU, with every step shown."""

from wengert.api import grad, hessian, hvp, jacobian, jit, jvp, stop_gradient, value_and_grad, vjp, vmap

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
