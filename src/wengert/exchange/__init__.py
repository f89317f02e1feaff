r"""Networks for other programs, and networks from them.

A trained network is a function, and its evaluation trace says all of it,

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}), \qquad \mathbf y = v_n.

So whatever predicts, with what stands before and behind it, is written by one table for each target: as an
ONNX model (:func:`to_onnx`), as C99 (:func:`to_c`), or as Python that needs NumPy alone (:func:`to_numpy`).
The other way, ONNX models and networks of PyTorch and Keras become networks that can be trained further.
"""

from wengert.exchange._c import to_c
from wengert.exchange._from_onnx import from_onnx
from wengert.exchange._keras import from_keras
from wengert.exchange._numpy import to_numpy
from wengert.exchange._onnx import to_onnx
from wengert.exchange._torch import from_torch, to_torch_state_dict

# How a network is written, by what is asked for.
TARGETS = {"onnx": to_onnx, "c": to_c, "numpy": to_numpy}

__all__ = [
    "TARGETS",
    "to_onnx",
    "to_c",
    "to_numpy",
    "from_onnx",
    "from_torch",
    "to_torch_state_dict",
    "from_keras",
]
