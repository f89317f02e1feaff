r"""What becomes of results that are smaller than the smallest normal number.

.. math:: 0 < |x| < 2^{e_{\min}}: \qquad
          \mathrm{fl}(x) = \begin{cases} x \text{ rounded to a multiple of } 2^{e_{\min} - p + 1}
          & \text{gradual underflow} \\ \pm 0 & \text{abrupt underflow} \end{cases}

Arithmetic is IEEE's, and NumPy's, with gradual underflow: *subnormal* numbers fill the gap around zero. Many
processors need a hundred cycles for each of them. Abrupt underflow counts them as zero, both as results and
as operands. A register of the thread says which of the two holds, so code that wants the other one changes it
when it begins and restores it when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from wengert.native.machine import ir

if TYPE_CHECKING:
    from wengert.native.machine.host import Host

MXCSR = 1 << 15 | 1 << 6  # x86: results, and operands
FPCR = 1 << 24  # AArch64: both


class Underflow(Enum):
    """How the arithmetic of a compiled function underflows."""

    GRADUAL = "gradual"
    ABRUPT = "abrupt"

    def entrance(self, module: ir.Module, name: str, params: Sequence[tuple[str, str]], host: Host) -> str:
        """The function through which one of the module is called, so that it runs in this arithmetic."""
        if self is Underflow.GRADUAL:
            return name
        f = module.function(f"{self.value}.{name}", "void", params, "private")
        with _abrupt(f, host):
            f.call(name, "void", *(f.param(param) for param, _ in params))
        f.ret()
        return f.name


@contextmanager
def _abrupt(f: ir.Function, host: Host) -> Iterator[None]:
    """Code with abrupt underflow, where the processor has that; calls only, which nothing overtakes."""
    if host.triple.startswith("x86_64"):
        before, during = f.alloca(4), f.alloca(4)
        f.call("llvm.x86.sse.stmxcsr", "void", before)
        f.store(f.binary("or", f.load("i32", before, 4), ir.constant(MXCSR, "i32")), during, 4)
        f.call("llvm.x86.sse.ldmxcsr", "void", during)
        yield
        f.call("llvm.x86.sse.ldmxcsr", "void", before)
    elif host.triple.startswith(("aarch64", "arm64")):
        control = f.call("llvm.aarch64.get.fpcr", "i64")
        f.call("llvm.aarch64.set.fpcr", "void", f.binary("or", control, ir.index(FPCR)))
        yield
        f.call("llvm.aarch64.set.fpcr", "void", control)
    else:
        yield
