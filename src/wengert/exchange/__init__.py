from wengert.exchange._c import to_c
from wengert.exchange._from_onnx import from_onnx
from wengert.exchange._numpy import to_numpy
from wengert.exchange._onnx import to_onnx

__all__ = ["from_onnx", "to_c", "to_numpy", "to_onnx"]
