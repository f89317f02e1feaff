"""From a trace to kernels and memory."""
