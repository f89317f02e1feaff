r"""Counted work of a plan, and whether it is worth sharing among threads.

A thread that helps must be called once and waited for at every kernel. So work is shared where there is
enough of it in all, :math:`C \ge C_0`, and in the average kernel, :math:`C / n \ge c_0`. A core makes about
100,000 of these operations in a microsecond. A call with two threads was found to take 1 µs longer than
its share of the work where the second one is still looking for it, and 4 to 20 µs where that one must be
woken; it saves half of what one alone needs, and what it has written must be fetched. So :math:`C_0` is the
work of 20 µs, and threads are woken for four times as much, or for many bytes, which take longer than
operations on them; less than that is shared while calls follow each other closely
(`wengert.native.machine.team`). Between kernels threads fetch what another core has written, some 15 ns
for every line of 64 bytes: a training step of 280,000 operations a kernel was found to gain nothing from a
second core, and one of three million to take 0.6 of the time. :math:`c_0` lies between them. In a product of
numbers of 8 bytes an operation takes twice as long, and counts as two: a step of 280,000 a kernel takes 0.8.
"""

from __future__ import annotations

import math

from wengert.core.trace import Trace
from wengert.native.planning.kernels import Choice, Contract, Kernel, Map, Repeat, Routine
from wengert.native.planning.plan import COSTLY, Plan, all_plans
from wengert.transforms.counting import Cost

ENOUGH = 2_000_000
ENOUGH_EACH = 400_000
ENOUGH_TO_WAKE, BYTES_TO_WAKE = 8_000_000, 4_000_000
LONG = 16  # operations that a costly function counts as
ROUNDS = 16  # that a while_loop is taken to make
# Work that takes longer than about 20 µs: other Python threads run meanwhile.
LONG_OPERATIONS, LONG_BYTES = 2e5, 1e6


def is_worth_sharing(plan: Plan) -> bool:
    """Whether threads would make it faster. It depends on shapes alone."""
    operations, kernels = counted(plan)
    return operations >= ENOUGH and operations * _width(plan) >= ENOUGH_EACH * kernels


def is_worth_waking(plan: Plan) -> bool:
    """Whether work that is shared is worth threads that must be woken for it."""
    return counted(plan)[0] >= ENOUGH_TO_WAKE or Cost(plan.trace).bytes >= BYTES_TO_WAKE


def is_long(trace: Trace) -> bool:
    """Whether a call takes long enough to let other Python threads run meanwhile."""
    cost = Cost(trace)
    loops = any(e.primitive.name == "while_loop" for e in trace.equations)
    return loops or cost.operations > LONG_OPERATIONS or cost.bytes > LONG_BYTES


def _width(plan: Plan) -> int:
    """How long an operation takes, beside one of a product of numbers of 4 bytes."""
    products = (k for part in all_plans(plan) for k in part.kernels if isinstance(k, Contract))
    return max((k.out.type.dtype.itemsize for k in products), default=4) // 4


def counted(plan: Plan) -> tuple[int, int]:
    """Operations of a plan, and how many kernels share them."""
    pairs = [_counted(kernel) for kernel in plan.kernels]
    return sum(operations for operations, _ in pairs), sum(kernels for _, kernels in pairs)


def _counted(kernel: Kernel) -> tuple[int, int]:
    if isinstance(kernel, Map):
        return operations_of(kernel), 1
    if isinstance(kernel, Contract):
        return product_operations(kernel) + operations_of(kernel.result), 1
    if isinstance(kernel, Routine):
        return math.prod(kernel.shape) * kernel.operations if kernel.is_shared else 0, 1
    inner = [counted(body) for body in kernel.bodies()]
    if isinstance(kernel, Choice):
        return max(inner)
    rounds = kernel.length if isinstance(kernel, Repeat) else ROUNDS
    return rounds * sum(o for o, _ in inner), rounds * sum(k for _, k in inner)


def product_operations(kernel: Contract) -> int:
    """Multiplications and additions of a matrix product."""
    return 2 * math.prod(kernel.a.shape) * kernel.b.shape[-1]


def operations_of(kernel: Map) -> int:
    """Operations of a loop and its epilogues; moving a number counts as one."""
    each = sum(LONG if e.primitive.name in COSTLY else 1 for e in kernel.equations)
    each += len(kernel.reads) + len(kernel.writes) + len(kernel.reductions)
    return math.prod(kernel.shape) * each + sum(map(operations_of, kernel.epilogues.values()))
