r"""Layers that treat every unit by itself: a function of it, also one whose parameter is learned.

.. math:: z_j = h(a_j; \theta_j)
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert._refusals import require_floating, require_numbers, require_whole
from wengert.nn._activations import Activation, activation_named
from wengert.nn._layer import Layer

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Function(Layer):
    """A function of one argument as a layer: an activation by itself, a change of shape.

    Parameters
    ----------
    function
        The name of an activation, or any function of one argument. It is part of the structure of the tree.

    Examples
    --------
    >>> Function("relu")(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function: Activation = field(metadata={"static": True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", activation_named(self.function))

    def __call__(self, x: Any) -> Any:
        """The function of all that comes in."""
        return self.function(x)


@dataclass(frozen=True, repr=False, eq=False)
class PReLU(Layer):
    r"""Leaky rectifiers that learn their slopes, :math:`h(a_j) = a_j` where positive, else :math:`s_j a_j`.

    The derivatives with respect to :math:`a_j` and :math:`s_j` are 1 and 0 where positive, else :math:`s_j`
    and :math:`a_j`.

    Parameters
    ----------
    slopes
        Array of shape (units,), or (1,) for one slope that all units share.

    References
    ----------
    He, Zhang, Ren and Sun, *Delving deep into rectifiers*, ICCV 2015.
    """

    slopes: Array

    @classmethod
    def init(cls, units: int = 1, slope: float = 0.25, dtype: Any = np.float64) -> "PReLU":
        """Equal slopes to begin with.

        Examples
        --------
        >>> PReLU.init()(np.array([-1.0, 1.0]))
        array([-0.25,  1.  ])
        """
        require_whole(1, units=units)
        require_numbers(slope=slope)
        require_floating(dtype)
        return cls(np.full(units, slope, dtype))

    def __call__(self, a: Array) -> Array:
        """The activations of the units."""
        return np.where(a > 0, a, self.slopes * a)
