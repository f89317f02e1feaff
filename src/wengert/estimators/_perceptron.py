"""The multilayer perceptron as an estimator: what classifier and regressor have in common."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import nn
from wengert.estimators import _descent, _draws, _prediction
from wengert.estimators import _parameters as allowed
from wengert.estimators._base import Estimator, available_if
from wengert.estimators._descent import Descent, Sample
from wengert.estimators._inputs import patterns, weights_of
from wengert.estimators._parameters import parameter

Array = np.ndarray

STOCHASTIC = ("sgd", "adam")


def _has_partial_fit(estimator: Any) -> None:
    if estimator.solver not in STOCHASTIC:
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )


@dataclass(eq=False, repr=False)
class Perceptron(Estimator):
    """The parameters of a multilayer perceptron, and its training."""

    hidden_layer_sizes: Any = parameter((100,), allowed.SEQUENCE | allowed.integer("[1, inf)"))
    activation: Any = parameter("relu", allowed.choice("identity", "logistic", "tanh", "relu"))
    solver: str = parameter("adam", allowed.choice("lbfgs", "sgd", "adam"), kw_only=True)
    alpha: float = parameter(0.0001, allowed.number("[0, inf)"), kw_only=True)
    batch_size: Any = parameter("auto", allowed.choice("auto") | allowed.integer("[1, inf)"), kw_only=True)
    learning_rate: str = parameter(
        "constant", allowed.choice("constant", "invscaling", "adaptive"), kw_only=True
    )
    learning_rate_init: float = parameter(0.001, allowed.number("(0, inf)"), kw_only=True)
    power_t: float = parameter(0.5, allowed.number("[0, inf)"), kw_only=True)
    max_iter: int = parameter(200, allowed.integer("[1, inf)"), kw_only=True)
    shuffle: bool = parameter(True, allowed.BOOLEAN, kw_only=True)
    random_state: Any = parameter(None, allowed.RANDOM_STATE, kw_only=True)
    tol: float = parameter(1e-4, allowed.number("[0, inf)"), kw_only=True)
    verbose: Any = parameter(False, allowed.VERBOSE, kw_only=True)
    warm_start: bool = parameter(False, allowed.BOOLEAN, kw_only=True)
    momentum: float = parameter(0.9, allowed.number("[0, 1]"), kw_only=True)
    nesterovs_momentum: bool = parameter(True, allowed.BOOLEAN, kw_only=True)
    early_stopping: bool = parameter(False, allowed.BOOLEAN, kw_only=True)
    validation_fraction: float = parameter(0.1, allowed.number("[0, 1)"), kw_only=True)
    beta_1: float = parameter(0.9, allowed.number("[0, 1)"), kw_only=True)
    beta_2: float = parameter(0.999, allowed.number("[0, 1)"), kw_only=True)
    epsilon: float = parameter(1e-8, allowed.number("(0, inf)"), kw_only=True)
    n_iter_no_change: Any = parameter(10, allowed.integer("[1, inf)") | allowed.FOREVER, kw_only=True)
    max_fun: int = parameter(15000, allowed.integer("[1, inf)"), kw_only=True)

    # ------------------------------------------------------------------------------------- training

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the network, from new weights unless ``warm_start`` is set.

        Parameters
        ----------
        X
            Patterns, one a row: an array, a sparse matrix or a table.
        y
            Targets, one a pattern, or a row of several.
        sample_weight
            How much each pattern counts; all the same unless given.

        Returns
        -------
        self
        """
        allowed.check(self)
        first = not (self.warm_start and hasattr(self, "coefs_"))
        x = patterns(self, X, first)
        sample = self._sample(x, self._new_targets(y, x), sample_weight, first)
        if self.solver not in STOCHASTIC:
            from wengert.estimators._quasi_newton import minimise

            minimise(self, sample)
        else:
            self._optimizer = Descent(self)
            self._descend(sample, self.max_iter)
            _descent.warn_unless_converged(self)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """One epoch, from the weights and the optimiser's state that are there."""
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_")
        x = patterns(self, X, first)
        sample = self._sample(x, self._more_targets(y, x), sample_weight, first)
        if not hasattr(self, "_optimizer"):
            self._optimizer = Descent(self)
        self._descend(sample, 1)
        return self

    def _sample(self, x: Any, t: Array, sample_weight: Any, first: bool) -> Sample:
        """What to train on, with a network to train."""
        sample = Sample(x, t, weights_of(sample_weight, len(t), x.dtype))
        self._random_state = _draws.random_state(self.random_state)
        if first:
            self._start(sample)
        return sample

    def _descend(self, sample: Sample, epochs: int) -> None:
        kept, aside = self._divided(sample)
        _descent.descend(self, kept, aside, epochs)
        if aside is not None:
            self._adopt(self._best)

    def _start(self, sample: Sample) -> None:
        """A new network, and no course of training yet."""
        self.n_iter_, self.t_ = 0, 0
        self._draw(sample.x.shape[1], sample.x.dtype)
        self._best = self.network_
        if self.solver in STOCHASTIC:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            stopping = self.early_stopping
            self.best_loss_ = None if stopping else np.inf
            self.validation_scores_: list[float] | None = [] if stopping else None
            self.best_validation_score_ = -np.inf if stopping else None

    def _divided(self, sample: Sample) -> tuple[Sample, Sample | None]:
        """The patterns to train on, and those kept aside for early stopping."""
        if not self.early_stopping:
            return sample, None
        kept, aside = self._split(sample)
        if len(aside) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return sample.take(kept), sample.take(aside)

    # -------------------------------------------------------------------------------------- network

    def _draw(self, inputs: int, dtype: Any) -> None:
        """Weights and biases of a new network."""
        sizes = [inputs, *_hidden(self.hidden_layer_sizes), self.n_outputs_]
        numerator = 2.0 if self.activation == "logistic" else 6.0
        drawn = [
            _draws.weights_and_biases(self._random_state, d, m, numerator) for d, m in zip(sizes, sizes[1:])
        ]
        self.n_layers_ = len(sizes)
        self.coefs_ = [w.astype(dtype, copy=False) for w, _ in drawn]
        self.intercepts_ = [b.astype(dtype, copy=False) for _, b in drawn]

    @property
    def network_(self) -> nn.MLP:
        """The network; its outputs are pre-activations, to which ``out_activation_`` applies."""
        h = nn.ACTIVATIONS[self.activation]
        functions = [h] * (len(self.coefs_) - 1) + [nn.identity]
        return nn.MLP(tuple(map(nn.Dense, self.coefs_, self.intercepts_, functions)))

    def _adopt(self, network: nn.MLP) -> None:
        self.coefs_ = [layer.weights for layer in network.layers]
        self.intercepts_ = [layer.biases for layer in network.layers]

    def _outputs(self, X: Any, activation: str) -> Array:
        """The output units, with an activation function of theirs."""
        self._require_fitted()
        network = self.network_
        if _prediction.is_single(self, X):
            y, finite = _prediction.of_single(network, X, activation)
            if finite:
                return y
        return _prediction.outputs(network, patterns(self, X, first=False), activation)


def _hidden(sizes: Any) -> list[int]:
    """The numbers of hidden units as a list.

    Raises
    ------
    ValueError
        Where one is not positive.
    """
    found = [int(size) for size in np.atleast_1d(sizes)]
    if any(size <= 0 for size in found):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {found}.")
    return found


__all__ = ["STOCHASTIC", "Perceptron", "available_if"]
