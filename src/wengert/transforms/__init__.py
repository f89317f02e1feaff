"""Trace to trace: tangent, adjoint, batch."""
