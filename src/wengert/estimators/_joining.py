"""scikit-learn's protocol, spoken without importing scikit-learn.

Its base class takes most of a second to import, longer than many a network to train. An estimator needs it
only where scikit-learn itself is at work, and then it is loaded already: at that moment the base class joins
the bases of ours, behind them, so that every method that both define stays as it is here. From then on
``isinstance(estimator, sklearn.base.BaseEstimator)`` holds, and representation in HTML and the routing of
metadata are scikit-learn's own.
"""

import sys
from typing import Any


def loaded(module: str, name: str) -> Any:
    """A name of a module of scikit-learn if that has been imported by somebody, else None."""
    return getattr(sys.modules.get(f"sklearn.{module}"), name, None)


def join(cls: type) -> None:
    """Let scikit-learn's base class be one of this class's, if it is there and is not one yet."""
    base = loaded("base", "BaseEstimator")
    if base is None or issubclass(cls, base):
        return
    below = next(c for c in cls.__mro__ if "joins" in vars(c))
    below.__bases__ = (*below.__bases__, base)
    for each in _subclasses(below):
        base.__init_subclass__.__func__(each)  # which declares set_fit_request and its like


def _subclasses(cls: type) -> list[type]:
    below: list[type] = cls.__subclasses__()
    return [*below, *(each for c in below for each in _subclasses(c))]


class NotFitted(ValueError, AttributeError):
    """A prediction was asked of an estimator that has not been fitted."""


class NotConverged(UserWarning):
    """Training ended before it had converged."""


class Converted(UserWarning):
    """Data were given another shape than they came in."""


def not_fitted() -> type[Exception]:
    """The exception of an estimator without parameters; scikit-learn's own where that is at work."""
    return loaded("exceptions", "NotFittedError") or NotFitted


def not_converged() -> type[Warning]:
    """The warning of an end before convergence; scikit-learn's own where that is at work."""
    return loaded("exceptions", "ConvergenceWarning") or NotConverged


def converted() -> type[Warning]:
    """The warning of targets that had to be reshaped; scikit-learn's own where that is at work."""
    return loaded("exceptions", "DataConversionWarning") or Converted
