"""The machine: LLVM, the processor, threads, and object code on disk."""
