"""Elementwise operations and elementary functions on vectors."""
