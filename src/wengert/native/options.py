r"""What native code is told besides the function.

Arguments may be *given away*: the caller will not look at their arrays again, so that a result may be written
over the argument that it replaces,

.. math:: w \leftarrow w - \eta g \qquad\text{in the memory of } w.
"""

from __future__ import annotations

from typing import NamedTuple

from wengert.native.machine.underflow import Underflow


class Options(NamedTuple):
    """How a function is compiled.

    Attributes
    ----------
    underflow
        How its arithmetic underflows.
    given
        How many arguments, from the first on, are given away. Their arrays must have no other name, and no
        memory in common. A result takes the memory of the first of them of its type that no other result has
        taken, where everything has been read by then.
    """

    underflow: Underflow = Underflow.GRADUAL
    given: int = 0


PLAIN = Options()
