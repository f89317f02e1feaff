"""The machine: LLVM, the processor, threads, object code on disk and into memory."""
