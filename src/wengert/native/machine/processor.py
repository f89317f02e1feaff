r"""Which processor this is, by what it says of itself.

What LLVM knows about a processor follows from the answers to a few questions,

.. math:: \text{answers} \mapsto (\text{name}, \text{features}),

which are asked in no time, while loading LLVM takes long. So its description is kept with the code that is
compiled for it, under these answers: they are those of the processor at hand, wherever the cache comes from.
An x86 processor is asked by the instruction CPUID, and by XGETBV which registers the system keeps; of an ARM
processor Linux tells what LLVM reads.

References
----------
*Intel 64 and IA-32 Architectures Software Developer's Manual* 2, CPUID and XGETBV.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator

from wengert.native.machine import loader

# void ask(uint32_t leaf, uint32_t part, uint32_t answers[4])
ASK = bytes.fromhex(
    "53"  # push rbx, which CPUID changes and a function must not
    "4989d0"  # mov r8, rdx: where answers go
    "89f8 89f1"  # mov eax, edi; mov ecx, esi: the leaf and its part
    "0fa2"  # cpuid
    "418900 41895804"  # mov [r8], eax; mov [r8 + 4], ebx
    "41894808 4189500c"  # mov [r8 + 8], ecx; mov [r8 + 12], edx
    "5b c3"  # pop rbx; ret
)
# uint32_t kept(void)
KEPT = bytes.fromhex(
    "31c9"  # xor ecx, ecx: the first of these registers
    "0f01d0"  # xgetbv
    "c3"  # ret
)

# What LLVM asks, and which of the four answers: not the number of the core that happens to run this.
LEAVES = {
    (0x00, 0): (0, 1, 2, 3),
    (0x01, 0): (0, 2, 3),
    **dict.fromkeys(((0x07, 0), (0x07, 1)), (0, 1, 2, 3)),
    (0x0D, 1): (0,),
    **dict.fromkeys(((0x14, 0), (0x19, 0), (0x1E, 1), (0x24, 0)), (0, 1, 2, 3)),
    (0x80000000, 0): (0,),
    (0x80000001, 0): (2, 3),
    (0x80000008, 0): (1,),
}
GROUP = 0x80000000  # leaves come in two groups; the first of each tells the last
OSXSAVE = 1 << 27  # among the answers of leaf 1: whether there is XGETBV


def answers() -> str | None:
    """What the processor says of itself; None where it is not asked."""
    if loader.is_possible():
        return "\n".join(_of_x86())
    if sys.platform == "linux" and os.uname().machine == "aarch64":
        with open("/proc/cpuinfo") as file:
            return file.read()
    return None


def _of_x86() -> Iterator[str]:
    code = ASK + KEPT
    memory = loader.Memory(len(code))
    memory.bytes[: len(code)] = code
    memory.seal(len(code))
    ask = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(memory.start)
    kept = ctypes.CFUNCTYPE(ctypes.c_uint32)(memory.start + len(ASK))
    found, last = (ctypes.c_uint32 * 4)(), {0: 0, GROUP: GROUP}
    for (leaf, part), which in LEAVES.items():
        group = leaf & GROUP
        if leaf <= last[group]:
            ask(leaf, part, ctypes.addressof(found))
            last[group] = found[0] if leaf == group else last[group]
            yield f"{leaf:x}.{part}: " + " ".join(f"{found[i]:x}" for i in which)
            if leaf == 1 and found[2] & OSXSAVE:
                yield f"kept: {kept():x}"
