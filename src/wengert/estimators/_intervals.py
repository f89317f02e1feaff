r"""Intervals around predicted numbers.

Of :math:`n` distances :math:`d_{(1)} \le \dots \le d_{(n)}` between targets and predictions on patterns that
the training has not seen, a new one is at most :math:`d_{(k)}` with a probability of at least
:math:`k/(n+1)`, whatever their distribution: the *conformal* radius for coverage :math:`c` is

.. math:: r = d_{(\lceil (n+1) c \rceil)}.

References
----------
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, *Distribution-free predictive inference for regression*
(2018).
"""

from math import ceil

import numpy as np

Array = np.ndarray


def conformal_radius(distances: Array | None, coverage: float) -> Array:
    """The radius for each output, from distances in order, a row for each pattern aside.

    Raises
    ------
    ValueError
        Where there are none, or too few for this coverage.
    """
    _require_coverage(coverage)
    if distances is None:
        raise ValueError(
            "predict_interval needs patterns that were kept aside: fit with early_stopping=True, or give "
            'X_val and y_val; or let the network predict variances, with loss="gaussian_nll"'
        )
    rank = ceil(round((len(distances) + 1) * coverage, 9))
    if rank > len(distances):
        raise ValueError(
            f"{len(distances)} patterns aside are too few for coverage={coverage}; at least "
            f"{ceil(round(coverage / (1 - coverage), 9))} are needed: raise validation_fraction, or give "
            "X_val and y_val"
        )
    return distances[rank - 1]


def normal_radius(deviations: Array, coverage: float) -> Array:
    """The radius for each prediction, from standard deviations."""
    from statistics import NormalDist

    _require_coverage(coverage)
    return NormalDist().inv_cdf((1 + coverage) / 2) * deviations


def _require_coverage(coverage: float) -> None:
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is a probability above 0 and below 1, not {coverage}")
