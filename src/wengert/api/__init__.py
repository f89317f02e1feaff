r"""The transformations: ``grad``, ``jvp``, ``vjp``, ``jacobian``, ``hessian``, ``hvp``, ``vmap``, ...

Each takes a function written in ordinary NumPy and gives another function. All rest on one act, recording the
function's evaluation trace, and on two passes over it: tangents forwards, adjoints backwards.
"""

from typing import TYPE_CHECKING

from wengert import ops as ops  # what is not registered cannot be recorded
from wengert._lazy import found_in

if TYPE_CHECKING:
    from wengert.api._batches import vmap
    from wengert.api._checks import check_gradients
    from wengert.api._forward import hvp, jvp
    from wengert.api._jit import jit
    from wengert.api._matrices import hessian, jacobian
    from wengert.api._reverse import grad, stop_gradient, value_and_grad, vjp
    from wengert.api._shown import cost, trace
else:
    __getattr__, __dir__ = found_in(
        __name__,
        _batches="vmap",
        _checks="check_gradients",
        _forward="hvp jvp",
        _jit="jit",
        _matrices="hessian jacobian",
        _reverse="grad stop_gradient value_and_grad vjp",
        _shown="cost trace",
    )

__all__ = [
    "grad",
    "value_and_grad",
    "vjp",
    "jvp",
    "hvp",
    "jacobian",
    "hessian",
    "vmap",
    "jit",
    "stop_gradient",
    "trace",
    "cost",
    "check_gradients",
]
