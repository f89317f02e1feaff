"""The multilayer perceptron as an estimator: what classifier and regressor have in common."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import is_
from typing import Any, ClassVar, Self

import numpy as np

from wengert import nn
from wengert.estimators import _descent, _draws, _prediction
from wengert.estimators import _parameters as allowed
from wengert.estimators._base import Estimator, Task
from wengert.estimators._descent import Descent, objective_of, rule_of
from wengert.estimators._inputs import patterns
from wengert.estimators._inspection import Inspection
from wengert.estimators._listeners import told_of_training
from wengert.estimators._network import Design, assembled, design_of, hidden_units, layers_of
from wengert.estimators._objective import require_weighted
from wengert.estimators._parameters import parameter
from wengert.estimators._sample import Sample
from wengert.native.machine.team import LIMIT, threads

Array = np.ndarray

STOCHASTIC = ("sgd", "adam")


def has_partial_fit(estimator: Any) -> None:
    """Refuse training in parts where all patterns are needed for a step."""
    if not estimator._is_stochastic:
        name = estimator.solver if estimator.optimizer is None else type(estimator.optimizer).__name__
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {name} is not stochastic."
        )


@dataclass(eq=False, repr=False)
class Perceptron(Task, Inspection, Estimator):
    """The parameters of a multilayer perceptron, and its training."""

    _twin: ClassVar[str]  # its name in scikit-learn

    hidden_layer_sizes: Any = parameter((100,), allowed.SIZES)
    activation: Any = parameter("relu", allowed.each(allowed.choice(*nn.ACTIVATIONS) | allowed.FUNCTION))
    solver: str = parameter("adam", allowed.choice("lbfgs", "sgd", "adam"), allowed.optimisers, kw_only=True)
    alpha: float = parameter(0.0001, allowed.number("[0, inf)"), kw_only=True)
    batch_size: Any = parameter("auto", allowed.choice("auto") | allowed.integer("[1, inf)"), kw_only=True)
    learning_rate: Any = parameter(
        "constant",
        allowed.choice("constant", "invscaling", "adaptive") | allowed.SCHEDULE,
        allowed.rates,
        kw_only=True,
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
    dropout: Any = parameter(0.0, allowed.each(allowed.number("[0, 1)")), kw_only=True)
    batch_norm: bool = parameter(False, allowed.BOOLEAN, kw_only=True)
    skip: Any = parameter(None, allowed.choice("add", "concatenate") | allowed.NONE, kw_only=True)
    optimizer: Any = parameter(None, allowed.OPTIMISER | allowed.NONE, allowed.optimisers, kw_only=True)
    categorical: str = parameter("one_hot", allowed.choice("one_hot", "ordinal"), kw_only=True)
    missing: str = parameter("auto", allowed.choice("auto", "error", "indicator"), kw_only=True)
    callbacks: Any = parameter((), allowed.CALLABLES, kw_only=True)
    n_threads: Any = parameter(None, allowed.integer(f"[1, {LIMIT}]") | allowed.NONE, kw_only=True)

    # ------------------------------------------------------------------------------------- training

    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Any:
        """Train the network, from new weights unless ``warm_start`` is set.

        Parameters
        ----------
        X
            Patterns, one a row: an array, a sparse matrix or a table.
        y
            Targets, one a pattern, or a row of several.
        sample_weight
            How much each pattern counts; all the same unless given.
        X_val, y_val
            Patterns to validate on, instead of some of X that are kept aside. With ``"lbfgs"`` they decide
            nothing.

        Returns
        -------
        self
        """
        allowed.check(self)
        first = not (self.warm_start and hasattr(self, "coefs_"))
        with threads(self.n_threads):
            x = patterns(self, X, first)
            sample = self._sample(x, self._new_targets(y, x), sample_weight, first)
            told_of_training(self, X, y, lambda: self._train(sample, X_val, y_val))
        return self

    def _train(self, sample: Sample, X_val: Any, y_val: Any) -> None:
        if self._is_stochastic:
            self._optimizer = Descent(rule_of(self), objective_of(self))
            self._descend(*self._divided(sample, X_val, y_val))
        else:
            aside = self._validation(X_val, y_val)
            self._minimise(sample)
            self._note_aside(aside)

    def _minimise(self, sample: Sample) -> None:
        by = "solver='lbfgs'" if self.optimizer is None else type(self.optimizer).__name__
        if any(self._design.dropout) or self.batch_norm:
            raise ValueError(
                f"{by} looks at all patterns at once, so there are no minibatches to drop units "
                "in or to normalise over; choose solver='adam'"
            )
        if self.optimizer is None:
            from wengert.estimators._quasi_newton import minimise
        else:
            from wengert.estimators._minimisers import minimise
        minimise(self, sample)

    def _descend(self, sample: Sample, aside: Sample | None) -> None:
        _descent.descend(self, sample, aside, self.max_iter)
        if self.early_stopping:
            self._adopt(self._best)
        self._note_aside(aside)
        _descent.warn_unless_converged(self)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> Any:
        """One epoch, from the weights and the optimiser's state that are there."""
        if self.early_stopping and X_val is None and y_val is None:
            raise ValueError(
                "partial_fit does not support early_stopping=True without patterns to validate on; give "
                "X_val and y_val"
            )
        if not self._has_stopped():
            first = not hasattr(self, "coefs_")
            with threads(self.n_threads):
                x = patterns(self, X, first)
                sample = self._sample(x, self._more_targets(y, x), sample_weight, first)
                self._train_on(sample, self._validation(X_val, y_val))
        return self

    def _train_on(self, sample: Sample, aside: Sample | None) -> None:
        if not hasattr(self, "_optimizer"):
            self._optimizer = Descent(rule_of(self), objective_of(self))
        _descent.descend(self, sample, aside, 1)
        if self._has_stopped():
            self._adopt(self._best)
        self._note_aside(aside)

    def _has_stopped(self) -> bool:
        return self.early_stopping and getattr(self, "stopped_early_", False)

    @property
    def _is_stochastic(self) -> bool:
        if self.optimizer is not None:
            return not hasattr(self.optimizer, "minimise")
        return self.solver in STOCHASTIC

    def _sample(self, x: Any, t: Array, sample_weight: Any, first: bool) -> Sample:
        """What to train on, with a network to train."""
        weights = self._weights(sample_weight, x, t)
        if weights is not None:
            require_weighted(self._loss)
        sample = Sample(x, t, weights)
        self._random_state = _draws.random_state(self.random_state)
        self._start(sample) if first else self._go_on()
        return sample

    def _start(self, sample: Sample) -> None:
        """A new network, and no course of training yet."""
        self.n_iter_, self.t_ = 0, 0
        self._draw(sample.x.shape[1], sample.x.dtype)
        if self._is_stochastic:
            self._best, self.stopped_early_ = self.network_, False
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            stopping = self.early_stopping
            self.best_loss_ = None if stopping else np.inf
            self.validation_scores_: list[float] | None = [] if stopping else None
            self.best_validation_score_ = -np.inf if stopping else None

    def _go_on(self) -> None:
        """The network that is there, with activations and dropout as the parameters say by now."""
        coefs: list[Array] = vars(self)["coefs_"]
        design, found = design_of(self), [w.shape for w in coefs]
        asked = design.sizes(found[0][0], [*hidden_units(self.hidden_layer_sizes), self._units])
        if found != asked or bool(vars(self).get("_norms")) != (design.batch_norm and len(found) > 1):
            raise ValueError(
                f"the network that training goes on with has matrices of weights of {_shapes(found)}, and "
                f"parameters and targets ask for {_shapes(asked)}{', normalised' * design.batch_norm}; set "
                "hidden_layer_sizes, skip and batch_norm back, or fit with warm_start=False"
            )
        if design != vars(self).get("_design"):
            before = objective_of(self)
            self._design = design
            vars(self).pop("_kept", None)
            if hasattr(self, "_optimizer"):
                self._optimizer.rename(before, objective_of(self))

    def _divided(self, sample: Sample, X_val: Any, y_val: Any) -> tuple[Sample, Sample | None]:
        """The patterns to train on, and those to validate on."""
        if X_val is not None or y_val is not None or not self.early_stopping:
            return sample, self._validation(X_val, y_val)
        kept, aside = self._split(sample)
        if len(aside) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return replace(sample, rows=kept), sample.take(aside)

    def _validation(self, X_val: Any, y_val: Any) -> Sample | None:
        """Patterns to validate on that are given."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val belong together; give both, or neither")
        if X_val is None:
            return None
        try:
            x = patterns(self, X_val, first=False)
            return Sample(x, self._more_targets(y_val, x))
        except (TypeError, ValueError) as error:
            raise type(error)(f"X_val, y_val: {error}") from error

    def _note_aside(self, aside: Sample | None) -> None:
        """What the patterns aside tell about the trained network."""

    # ---------------------------------------------------------------------------------- conversions

    @classmethod
    def from_sklearn(cls, model: Any) -> Self:
        """A fitted network of scikit-learn, to predict with and to train on here.

        Parameters, fitted attributes and the optimiser's state are copied: arrays, course of the training,
        running means and their number of steps, velocities, the present rate, a ``RandomState``. ``fit`` with
        ``warm_start``, and ``partial_fit``, go on as they would have there. Predictions are the same bit for
        bit, those that apply the logistic function to rounding. What scikit-learn does not keep is not to be
        had: a fit by ``"lbfgs"`` has no curvature to go on with, and predictions on patterns
        kept aside, which ``predict_interval`` needs, come with the next training.

        Parameters
        ----------
        model
            A fitted ``sklearn.neural_network`` estimator of the same name.

        Returns
        -------
        estimator
            Of this class; the two share nothing.

        Raises
        ------
        TypeError
            Where the model is something else.
        ValueError
            Where it has not been fitted.

        Examples
        --------
        >>> from sklearn import neural_network
        >>> import wengert as wg
        >>> x = np.linspace(-1, 1, 50)[:, None]
        >>> theirs = neural_network.MLPRegressor(hidden_layer_sizes=8, max_iter=800, random_state=0)
        >>> theirs = theirs.fit(x, np.abs(x[:, 0]))
        >>> ours = wg.MLPRegressor.from_sklearn(theirs)
        >>> np.allclose(ours.predict(x), theirs.predict(x), rtol=1e-12)
        True
        """
        from wengert.estimators._conversion import from_sklearn

        return from_sklearn(cls, model)  # type: ignore[no-any-return]

    def to_sklearn(self) -> Any:
        """The fitted network as scikit-learn's, which can predict and go on training without this package.

        What goes over is what :meth:`from_sklearn` brings here. ``stopped_early_`` and distances on patterns
        kept aside stay behind: scikit-learn has no such attributes.

        Returns
        -------
        estimator
            The ``sklearn.neural_network`` estimator of the same name; the two share nothing.

        Raises
        ------
        ValueError
            Where a parameter has no counterpart there (``dropout``, ``batch_norm``, ``skip``, ``optimizer``,
            a function for ``activation`` or ``loss``, ...), where the table that was trained on had
            categories or missing values, or where parameters are no longer those of the training.
        ImportError
            Where scikit-learn is not installed.

        Examples
        --------
        >>> import wengert as wg
        >>> x = np.linspace(-1, 1, 50)[:, None]
        >>> kind = np.where(x[:, 0] > 0, "right", "left")
        >>> ours = wg.MLPClassifier(8, solver="lbfgs", random_state=0).fit(x, kind)
        >>> theirs = ours.to_sklearn()
        >>> theirs.predict([[-0.5], [0.5]]).tolist()
        ['left', 'right']
        """
        from wengert.estimators._conversion import to_sklearn

        return to_sklearn(self)

    # -------------------------------------------------------------------------------------- network

    def _draw(self, inputs: int, dtype: Any) -> None:
        """Weights and biases of a new network."""
        self._design = design_of(self)
        sizes = self._design.sizes(inputs, [*hidden_units(self.hidden_layer_sizes), self._units])
        drawn = [
            _draws.weights_and_biases(self._random_state, *size, numerator)
            for size, numerator in zip(sizes, self._design.numerators)
        ]
        self.n_layers_ = len(sizes) + 1
        self.coefs_ = [w.astype(dtype, copy=False) for w, _ in drawn]
        self.intercepts_ = [b.astype(dtype, copy=False) for _, b in drawn]
        hidden = sizes[:-1] if self.batch_norm else []
        self._norms = [nn.BatchNorm.init(units, dtype) for _, units in hidden]

    @property
    def network_(self) -> nn.MLP:
        """The network; its outputs are pre-activations, to which ``out_activation_`` applies."""
        known = vars(self)
        network, arrays = known.get("_kept", (None, ()))
        if network is not None and _are_the_same(arrays, (*self.coefs_, *self.intercepts_)):
            return network
        design: Design = known.get("_design") or design_of(self)
        return assembled(self.coefs_, self.intercepts_, known.get("_norms", []), design)

    def _adopt(self, network: nn.MLP) -> None:
        dense = list(layers_of(network, nn.Dense))
        self.coefs_ = [layer.weights for layer in dense]
        self.intercepts_ = [layer.biases for layer in dense]
        self._norms = list(layers_of(network, nn.BatchNorm)) if self.batch_norm else []
        self._kept = network, (*self.coefs_, *self.intercepts_)

    def _outputs(self, X: Any, activation: str) -> Array:
        """The output units, with an activation function of theirs."""
        self._require_fitted()
        network = self.network_
        if _prediction.is_single(self, X):
            y, finite = _prediction.of_single(network, X, activation)
            if finite:
                return y
        return _prediction.outputs(network, patterns(self, X, first=False), activation)


def _shapes(found: Iterable[tuple[int, ...]]) -> str:
    return " and ".join("×".join(map(str, shape)) for shape in found)


def _are_the_same(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    """Whether the arrays are the same objects; what is in them may have changed."""
    return len(some) == len(others) and all(map(is_, some, others))
