r"""Errors: how far the outputs of a network are from their targets.

The error of a data set is the sum (here mostly the mean) of the errors of its patterns,

.. math:: E(\mathbf w) = \sum_{n=1}^{N} E_n(\mathbf w),

each the negative logarithm of the probability that the network gives the target: squares for a Gaussian
target, cross-entropy for classes. The classification errors take the *pre-activations* :math:`a_k` of the
output units: there the logistic or softmax function and the logarithm meet in one expression that neither
overflows nor takes the logarithm of zero, and whose error signal is :math:`\delta_k = y_k - t_k`.

Every error is a function of outputs, targets and, on request, one non-negative weight for each pattern:
``mean_squared_error(y, t, weights)`` is :math:`\sum_n w_n E_n / \sum_n w_n`, the error of a data set in which
pattern :math:`n` occurs :math:`w_n` times. Those with a parameter are made first, ``Huber(delta=0.5)(y, t)``,
and are equal where their parameters are. :data:`LIKELIHOODS` says which goes with which output units.

References
----------
Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 6.4 and 8.1.3.
"""

from typing import TYPE_CHECKING

from wengert._lazy import found_in

if TYPE_CHECKING:
    from wengert.losses._classes import (
        BinaryFocal,
        Focal,
        SmoothedCrossEntropy,
        binary_cross_entropy,
        hinge,
        multiclass_hinge,
        softmax_cross_entropy,
    )
    from wengert.losses._likelihood import (
        LIKELIHOODS,
        LOSSES,
        Likelihood,
        kinds_of,
        loss_named,
        output_activation,
    )
    from wengert.losses._numbers import (
        SUMS_OF_SQUARES,
        GaussianNLL,
        Huber,
        Quantile,
        mean_absolute_error,
        mean_squared_error,
        poisson,
        poisson_of_rates,
        sum_of_squares,
    )
    from wengert.losses._penalties import L1, L2, ElasticNet, Penalty
    from wengert.losses._weights import class_weights
else:
    __getattr__, __dir__ = found_in(
        __name__,
        _classes=(
            "BinaryFocal Focal SmoothedCrossEntropy binary_cross_entropy hinge multiclass_hinge "
            "softmax_cross_entropy"
        ),
        _likelihood="LIKELIHOODS LOSSES Likelihood kinds_of loss_named output_activation",
        _numbers=(
            "SUMS_OF_SQUARES GaussianNLL Huber Quantile mean_absolute_error mean_squared_error poisson "
            "poisson_of_rates sum_of_squares"
        ),
        _penalties="L1 L2 ElasticNet Penalty",
        _weights="class_weights",
    )

__all__ = [
    "sum_of_squares",
    "SUMS_OF_SQUARES",
    "mean_squared_error",
    "mean_absolute_error",
    "Huber",
    "Quantile",
    "poisson",
    "poisson_of_rates",
    "GaussianNLL",
    "binary_cross_entropy",
    "softmax_cross_entropy",
    "SmoothedCrossEntropy",
    "BinaryFocal",
    "Focal",
    "hinge",
    "multiclass_hinge",
    "LIKELIHOODS",
    "LOSSES",
    "Likelihood",
    "kinds_of",
    "loss_named",
    "output_activation",
    "class_weights",
    "Penalty",
    "L1",
    "L2",
    "ElasticNet",
]
