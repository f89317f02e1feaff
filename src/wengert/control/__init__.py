"""Loops and branches that stay so in the trace: ``scan``, ``while_loop``, ``cond``, ``checkpoint``; functions
whose derivative is stated: ``custom_jvp``, ``custom_vjp``.

Their bodies are traces of their own, recorded once for types; what a body takes from outside becomes an
operand.
"""

from wengert.control._checkpoint import checkpoint, checkpoint_p
from wengert.control._cond import cond, cond_p
from wengert.control._custom import custom_jvp, custom_vjp
from wengert.control._scan import scan, scan_p
from wengert.control._while import while_loop, while_p

__all__ = [
    "scan",
    "while_loop",
    "cond",
    "checkpoint",
    "custom_jvp",
    "custom_vjp",
    "scan_p",
    "while_p",
    "cond_p",
    "checkpoint_p",
]
