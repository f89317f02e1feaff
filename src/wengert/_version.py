"""The version of the package, for those of its modules that may not import it."""

__version__ = "0.1.0"
