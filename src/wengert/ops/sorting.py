r"""Sorting: the order is found on the numbers, and the derivative follows the elements.

.. math:: y_i = x_{\pi(i)},\qquad \dot y_i = \dot x_{\pi(i)}

All sorts are stable, so equal elements keep their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.primitive import constant, implements
from wengert.core.recorder import bind
from wengert.ops.reduction import axes_from_end
from wengert.ops.shape import as_array

argsort = constant(
    "argsort",
    lambda x, axis: np.argsort(x, axis=axis, kind="stable"),
    infer=lambda x, axis: (x.shape, np.dtype(np.intp)),
    cost=lambda i, o, **_: i[0].size * max(i[0].size, 2).bit_length(),
    examples=lambda draw: [((draw(5),), {"axis": -1}), ((draw(3, 4),), {"axis": -2})],
)


@implements(np.argsort)
def _argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        a, axis = np.reshape(a, -1), -1
    return bind(argsort, (a,), {"axis": axes_from_end(axis, a.ndim)[0]})


@implements(np.sort)
def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        a, axis = np.reshape(a, -1), -1
    return np.take_along_axis(a, _argsort(a, axis), axis=axis)


@implements(np.partition)
def _partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    return _sort(a, axis)


@implements(np.argpartition)
def _argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    return _argsort(a, axis)


@implements(np.lexsort)
def _lexsort(keys: Any, axis: int = -1) -> Any:
    first, *others = [as_array(key) for key in keys]
    order = _argsort(first, axis)
    for key in others:  # sorting is stable, so the last key decides first
        order = np.take_along_axis(order, _argsort(np.take_along_axis(key, order, axis), axis), axis)
    return order
