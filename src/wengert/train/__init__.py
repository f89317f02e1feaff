r"""Training: minibatch descent on the error, watched on data kept aside.

Every epoch visits the training patterns once in a new random order, a minibatch :math:`B` of :math:`m'`
patterns at a time, and steps along the gradient estimated from it,

.. math:: \mathbf g = \frac{1}{m'} \nabla_{\mathbf w} \sum_{n \in B} E_n(\mathbf w).

The error on the *validation* part first falls and then rises again, when the network begins to learn the
training patterns by heart: there training stops, and the weights of the best epoch are given back.
"""

from typing import TYPE_CHECKING

from wengert._lazy import found_in

if TYPE_CHECKING:
    from wengert.train._curve import Epoch, LearningCurve
    from wengert.train._diagnostics import Diagnostics, diagnose
    from wengert.train._fit import fit
    from wengert.train._parquet import ParquetBatches
    from wengert.train._progress import training_progress
    from wengert.train._trainer import Trainer
    from wengert.train._training import Fit, Training
else:
    __getattr__, __dir__ = found_in(
        __name__,
        _curve="Epoch LearningCurve",
        _diagnostics="Diagnostics diagnose",
        _fit="fit",
        _parquet="ParquetBatches",
        _progress="training_progress",
        _trainer="Trainer",
        _training="Fit Training",
    )

__all__ = [
    "Diagnostics",
    "Epoch",
    "Fit",
    "LearningCurve",
    "ParquetBatches",
    "Trainer",
    "Training",
    "diagnose",
    "fit",
    "training_progress",
]
