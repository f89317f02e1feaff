r"""Weights of patterns, from those of their classes.

Rare classes are easily overlooked. *Balanced* weights let every class that occurs count as much as any other,

.. math:: w_n = \frac{N}{K N_k}, \qquad k \;\text{the class of pattern}\; n,

where :math:`N_k` of the :math:`N` patterns are of class :math:`k`, one of :math:`K`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from wengert._patterns import non_negative
from wengert._refusals import require

Array = np.ndarray
ClassWeights = Literal["balanced"] | Mapping[Any, float]


def class_weights(t: Array, weights: ClassWeights | list[ClassWeights]) -> Array:
    r"""A weight for every pattern, from the weights of the classes.

    Parameters
    ----------
    t
        The class of each pattern, of any type; or one column for each of several labels, whose weights are
        multiplied.
    weights
        ``"balanced"``, or the weight of each class by its name: 1 for one that is not named. For several
        labels ``"balanced"``, or a list with one of these for each.

    Returns
    -------
    array of shape (N,)
        Weights in float64, as the errors take them.

    Raises
    ------
    ValueError
        Where a name is of no class in ``t`` while a class has no weight, so that it looks mistaken; where a
        weight is negative; or where a list has not one element for each label.

    Examples
    --------
    >>> class_weights(np.array(["a", "a", "a", "b"]), "balanced")
    array([0.66666667, 0.66666667, 0.66666667, 2. ])
    >>> class_weights(np.array([0, 1, 2]), {2: 5.0})
    array([1., 1., 5.])
    """
    t = np.asarray(t)
    columns = t.reshape(len(t), -1).T
    each = weights if isinstance(weights, list) else [weights] * len(columns)
    require(
        len(each) == len(columns),
        f"{len(each)} class weights do not match {len(columns)} labels; give one for each",
    )
    return np.prod([_of_column(*pair) for pair in zip(columns, each)], axis=0)


def _of_column(t: Array, weights: ClassWeights) -> Array:
    classes, index, counts = np.unique(t, return_inverse=True, return_counts=True)
    if isinstance(weights, str):
        require(weights == "balanced", f"class weights are 'balanced' or given by class, not {weights!r}")
        return (len(t) / (len(classes) * counts))[index]
    return non_negative(_by_name(classes.tolist(), weights))[index]


def _by_name(classes: list[Any], weights: Mapping[Any, float]) -> Array:
    missing = [k for k in classes if k not in weights]
    unknown = [k for k in weights if k not in classes]
    require(
        not (missing and unknown),
        f"the class weights name {unknown}, which the targets do not have, and not {missing}, which they do; "
        "name the classes as they are in the targets",
    )
    return np.array([weights.get(k, 1.0) for k in classes], np.float64)
