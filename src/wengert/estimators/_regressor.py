"""The multilayer perceptron that predicts numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.estimators import _draws
from wengert.estimators import _parameters as allowed
from wengert.estimators._descent import Sample
from wengert.estimators._inputs import weights_of
from wengert.estimators._parameters import parameter
from wengert.estimators._perceptron import Perceptron, _has_partial_fit, available_if
from wengert.estimators._prediction import outputs
from wengert.estimators._scores import r_squared
from wengert.estimators._targets import numbers_array

Array = np.ndarray

OUTPUTS = {"squared_error": "identity", "poisson": "exp"}


@dataclass(eq=False, repr=False)
class _WithLoss:
    """The first parameter of a regressor."""

    loss: Any = parameter("squared_error", allowed.choice(*OUTPUTS))


@dataclass(eq=False, repr=False)
class MLPRegressor(Perceptron, _WithLoss):
    """A multilayer perceptron for numbers."""

    @available_if(_has_partial_fit)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch on these patterns, from the weights and the optimiser's state that are there.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        self
        """
        allowed.check(self)
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """The predicted numbers.

        Parameters
        ----------
        X
            Patterns, one a row.

        Returns
        -------
        array of shape (patterns,) or (patterns, outputs)
        """
        self._require_fitted()
        y = self._outputs(X, self.out_activation_)
        return y[:, 0] if y.shape[1] == 1 else y

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        r"""The share :math:`R^2` of the variance that is explained, averaged over the outputs.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        float
        """
        found = self.predict(X)
        t = numbers_array(y, len(found), np.float64)
        return r_squared(found, t, weights_of(sample_weight, len(t)))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        return tags

    # -------------------------------------------------------------------------------------- targets

    def _new_targets(self, y: Any, x: Any) -> Array:
        t = numbers_array(y, x.shape[0], x.dtype)
        if self.loss == "poisson" and (t < 0).any():
            raise ValueError("Some values of y are negative; loss='poisson' takes counts, from 0")
        self.n_outputs_, self.out_activation_ = t.shape[1], OUTPUTS[self.loss]
        return t

    _more_targets = _new_targets

    def _split(self, sample: Sample) -> tuple[Array, Array]:
        return _draws.split(self._random_state, len(sample), self.validation_fraction)

    def _score_aside(self, aside: Sample) -> float:
        y = outputs(self.network_, aside.x, self.out_activation_)
        return r_squared(y, aside.t, aside.weights) if np.isfinite(y).all() else float("nan")
