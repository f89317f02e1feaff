"""Trace to machine code. The only place that imports llvmlite."""
