"""The multilayer perceptron that predicts numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.estimators import _draws
from wengert.estimators import _parameters as allowed
from wengert.estimators._base import available_if
from wengert.estimators._descent import Sample
from wengert.estimators._inputs import weights_of
from wengert.estimators._intervals import conformal_radius, normal_radius
from wengert.estimators._objective import NUMBERS, named_loss
from wengert.estimators._parameters import parameter
from wengert.estimators._perceptron import Perceptron, has_partial_fit
from wengert.estimators._prediction import outputs
from wengert.estimators._scores import r_squared
from wengert.estimators._targets import numbers_array
from wengert.losses import GaussianNLL, output_activation

Array = np.ndarray

OUTPUTS = {"squared_error": "identity", "poisson": "exp"}
NAMES = tuple(dict.fromkeys([*OUTPUTS, *NUMBERS]))


@dataclass(eq=False, repr=False)
class _WithLoss:
    """The first parameter of a regressor."""

    loss: Any = parameter("squared_error", allowed.choice(*NAMES) | allowed.FUNCTION)


@dataclass(eq=False, repr=False)
class MLPRegressor(Perceptron, _WithLoss):
    """A multilayer perceptron for numbers."""

    @available_if(has_partial_fit)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None
    ) -> "MLPRegressor":
        """Train for one epoch on these patterns, from the weights and the optimiser's state that are there.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        X_val, y_val
            Patterns to validate on. With ``early_stopping``, further calls change nothing once the score has
            not improved for ``n_iter_no_change`` of them, and the best weights come back.

        Returns
        -------
        self
        """
        allowed.check(self)
        return self._partial_fit(X, y, sample_weight, X_val, y_val)

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
        return self._means(self._outputs(X, self.out_activation_))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        r"""Bounds that a new target lies between with a given probability.

        With ``loss="gaussian_nll"`` the network predicts a variance too, and the bounds are those of a normal
        distribution, :math:`\mu \pm z\sigma`. Otherwise they are *conformal*: of the :math:`n` patterns that
        were kept aside, the :math:`\lceil (n+1) c \rceil`-th smallest distance between target and prediction
        is laid around the new prediction. This holds whatever the distribution of the errors, as far as new
        patterns come from where those came from; that the best epoch was chosen on the same patterns makes
        the bounds a little narrow.

        Parameters
        ----------
        X
            Patterns, one a row.
        coverage
            The probability :math:`c`, above 0 and below 1.

        Returns
        -------
        (lower, upper)
            Two arrays, each of the shape of a prediction.

        Raises
        ------
        ValueError
            Where no patterns were kept aside (set ``early_stopping=True``, or give ``X_val`` and ``y_val``),
            or too few of them for this coverage.
        """
        self._require_fitted()
        y = self._outputs(X, self.out_activation_)
        if isinstance(self._loss, GaussianNLL):
            middle, radius = y[:, : self.n_outputs_], normal_radius(self._deviations(y), coverage)
        else:
            middle, radius = y, conformal_radius(getattr(self, "distances_", None), coverage)
        return _column_or_matrix(middle - radius), _column_or_matrix(middle + radius)

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
        known = self._loss if isinstance(self._loss, str) else None
        self.n_outputs_ = t.shape[1]
        self.out_activation_ = OUTPUTS[known] if known else output_activation(self._loss)
        return t

    _more_targets = _new_targets

    @property
    def _loss(self) -> Any:
        return named_loss(self.loss, NUMBERS)

    @property
    def _units(self) -> int:
        return 2 * self.n_outputs_ if isinstance(self._loss, GaussianNLL) else self.n_outputs_

    def _means(self, y: Array) -> Array:
        """The predicted numbers, without variances."""
        return _column_or_matrix(y[:, : self.n_outputs_])

    def _deviations(self, y: Array) -> Array:
        """Predicted standard deviations."""
        return np.sqrt(np.exp(y[:, self.n_outputs_ :]) + self._loss.floor)

    def _weights(self, sample_weight: Any, x: Any, t: Array) -> Array | None:
        return weights_of(sample_weight, len(t), x.dtype)

    def _split(self, sample: Sample) -> tuple[Array, Array]:
        return _draws.split(self._random_state, len(sample), self.validation_fraction)

    def _aside(self, aside: Sample) -> Array:
        """Predictions for patterns kept aside."""
        return outputs(self.network_, aside.x, self.out_activation_)[:, : self.n_outputs_]

    def _score_aside(self, aside: Sample) -> float:
        y = self._aside(aside)
        return r_squared(y, aside.t, aside.weights) if np.isfinite(y).all() else float("nan")

    def _note_aside(self, aside: Sample | None) -> None:
        """How far targets were from predictions, in order."""
        if aside is not None:
            self.distances_ = np.sort(np.abs(aside.t - self._aside(aside)), axis=0)


def _column_or_matrix(y: Array) -> Array:
    return y[:, 0] if y.shape[1] == 1 else y
