r"""Targets as the network is trained on them.

A classifier's labels are, by what they look like,

- two classes: one output unit, :math:`t_n \in \{0, 1\}`, with the logistic function;
- more: the index :math:`k_n` of the class of each pattern, one output unit a class, with softmax;
- several labels at once, a matrix of zeros and ones: one unit a label, each with the logistic function.

A regressor's targets are numbers, one or several a pattern.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import losses
from wengert.errors import warn
from wengert.estimators._inputs import densified, is_sparse, require_finite
from wengert.estimators._joining import converted

Array = np.ndarray


@dataclass(frozen=True)
class Labels:
    """The labels of a classification task, and how outputs name them.

    Attributes
    ----------
    classes
        The labels in order; of several at once, their column numbers.
    multilabel
        Whether a pattern may have several.
    sparse
        Whether they came, and so are given back, as a sparse matrix.
    """

    classes: Array
    multilabel: bool = False
    sparse: bool = False

    @property
    def units(self) -> int:
        """How many output units tell them apart."""
        return len(self.classes) if self.multilabel or len(self.classes) > 2 else 1

    @property
    def activation(self) -> str:
        """The activation function of these units."""
        return "softmax" if self.units > 1 and not self.multilabel else "logistic"

    @property
    def kind(self) -> str:
        """What these units tell apart."""
        return "several labels" if self.multilabel else "classes" if self.units > 1 else "two classes"

    def encode(self, y: Array, dtype: Any) -> Array:
        """Targets of the output units: an index for each pattern, or a column of 0 and 1 for each unit."""
        if self.multilabel:
            return np.ascontiguousarray(y, dtype)
        if self.units > 1:
            return np.searchsorted(self.classes, y)
        return np.asarray(y == self.classes[-1], dtype)[:, None] * (len(self.classes) - 1)

    def decode(self, a: Array) -> Any:
        """The labels that pre-activations of shape (patterns, units) speak for."""
        if self.multilabel:
            found = (a > 0).astype(int)
            return _as_csr(found) if self.sparse else found
        return self.classes[self.indices(a)]

    def weights(self, t: Array, class_weight: Any) -> Array:
        """A weight for each of the encoded targets, from the weights of the classes."""
        codes = t.astype(int) if self.multilabel else t.reshape(len(t)).astype(int)
        if self.multilabel or not isinstance(class_weight, dict):
            return losses.class_weights(codes, class_weight)
        unknown = [label for label in class_weight if label not in self.classes.tolist()]
        if unknown:
            raise ValueError(f"class_weight names {unknown}, but the classes are {self.classes.tolist()}")
        named = {i: class_weight.get(label, 1.0) for i, label in enumerate(self.classes.tolist())}
        return losses.class_weights(codes, named)

    def indices(self, a: Array) -> Array:
        """The index of the class of each pattern."""
        if self.units > 1:
            return np.argmax(a, axis=1)
        return ((a[:, 0] > 0) & (len(self.classes) > 1)).astype(int)


def _as_csr(found: Array) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix(found)


def labels_of(y: Any) -> Labels:
    """What the labels of a data set are.

    Raises
    ------
    ValueError
        Where they are not classes.
    """
    found = dense_targets(y, "class labels")
    kind = kind_of(found)
    if kind == "multilabel-indicator":
        return Labels(np.arange(found.shape[1]), multilabel=True, sparse=is_sparse(y))
    if kind not in ("binary", "multiclass"):
        instead = (
            "y is an array of objects; write y.astype(int) or y.astype(str)"
            if found.dtype == object
            else "for numbers use MLPRegressor"
        )
        raise ValueError(
            f"Unknown label type: {kind}. A classifier takes discrete classes, one a pattern, or a matrix of "
            f"zeros and ones; {instead}"
        )
    return Labels(distinct(found))


def distinct(y: Array) -> Array:
    """The values that occur, in order and native bytes. (`numpy.unique` imports masked arrays for it.)"""
    try:
        y = np.sort(y.astype(y.dtype.newbyteorder("="), copy=False), axis=None)
    except TypeError as error:
        raise TypeError(f"y has labels of several types: {error}; write y.astype(str)") from error
    return y[np.append(True, y[1:] != y[:-1])] if len(y) else y


def kind_of(y: Array) -> str:
    """The kind of target, in scikit-learn's words."""
    if y.ndim not in (1, 2) or (y.dtype == object and not isinstance(y.flat[0], str)):
        return "unknown"
    several = y.ndim == 2 and y.shape[1] > 1
    if several and y.dtype.kind in "bifu" and ((y == 0) | (y == 1)).all():
        return "multilabel-indicator"
    suffix = "-multioutput" if several else ""
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        return "continuous" + suffix
    return ("multiclass" if several or len(distinct(y)) > 2 else "binary") + suffix


def labels_array(y: Any, patterns: int) -> Array:
    """Labels as an array, one row a pattern."""
    found = _column(dense_targets(y, "class labels"))
    _require_length(found, patterns)
    require_finite(found, "y", "a classifier")
    return found


def warn_of_many_classes(labels: Labels, patterns: int) -> None:
    """Nearly as many classes as patterns are seldom classes."""
    if patterns > 20 and not labels.multilabel and len(labels.classes) > max(2, round(0.5 * patterns)):
        warn(
            "The number of unique classes is greater than 50% of the number of samples; if y are numbers to "
            "predict, use MLPRegressor"
        )


def numbers_array(y: Any, patterns: int, dtype: Any) -> Array:
    """Numbers to predict, one row a pattern: shape (patterns, outputs)."""
    y = _column(dense_targets(y, "numbers"))
    _require_length(y, patterns)
    try:
        y = y.astype(dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}; y must be numbers. For classes use MLPClassifier") from error
    require_finite(y, "y", "a regressor")
    return y.reshape(patterns, -1)


def dense_targets(y: Any, what: str) -> Array:
    """Targets as an array of one or two dimensions."""
    if y is None:
        raise ValueError(f"This estimator requires y to be passed, but the target y is None; give {what}")
    found = np.asarray(densified(y))
    if found.ndim not in (1, 2):
        raise ValueError(f"y should be a 1d array, or 2d for several outputs, not of shape {found.shape}")
    if found.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must be real")
    return found


def _column(y: Array) -> Array:
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
        "(n_samples, ), for example using ravel().",
        converted(),
    )
    return y[:, 0]


def _require_length(y: Any, patterns: int) -> None:
    if y.shape[0] != patterns:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[patterns, y.shape[0]]}; "
            "give one target for each pattern"
        )
