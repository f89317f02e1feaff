from wengert.exchange._c import to_c
from wengert.exchange._numpy import to_numpy

__all__ = ["to_c", "to_numpy"]
