"""From kernels to LLVM IR."""
