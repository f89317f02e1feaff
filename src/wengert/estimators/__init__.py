r"""Networks as estimators: ``fit``, ``predict``, ``score``, in scikit-learn's interface.

A multilayer perceptron of :math:`L` layers,

.. math:: \mathbf y(\mathbf x) = f\bigl(\mathbf W_L\, h(\cdots h(\mathbf W_1 \mathbf x + \mathbf b_1) \cdots)
          + \mathbf b_L\bigr),

trained natively, whole epochs in one call. Parameters, attributes and numbers are scikit-learn's, which need
not be installed: it is imported only where it is at work already.
"""

from typing import TYPE_CHECKING

from wengert._lazy import found_in

if TYPE_CHECKING:
    from wengert.estimators._classifier import MLPClassifier
    from wengert.estimators._regressor import MLPRegressor
else:
    __getattr__, __dir__ = found_in(__name__, _classifier="MLPClassifier", _regressor="MLPRegressor")

__all__ = ["MLPClassifier", "MLPRegressor"]
