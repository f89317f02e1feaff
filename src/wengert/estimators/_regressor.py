"""The multilayer perceptron that predicts numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import losses
from wengert.estimators import _draws
from wengert.estimators import _parameters as allowed
from wengert.estimators._base import available_if
from wengert.estimators._inputs import weights_of
from wengert.estimators._intervals import conformal_radius, normal_radius
from wengert.estimators._joining import join
from wengert.estimators._objective import OF_NUMBERS, named_loss, require_kind
from wengert.estimators._parameters import parameter
from wengert.estimators._perceptron import Perceptron, has_partial_fit
from wengert.estimators._prediction import outputs
from wengert.estimators._sample import Sample
from wengert.estimators._scores import r_squared
from wengert.estimators._targets import numbers_array

Array = np.ndarray

OUTPUTS = {"squared_error": "identity", "poisson": "exp"}

NUMBERS = {
    "absolute_error": losses.mean_absolute_error,
    **{
        name: loss
        for name, loss in losses.LOSSES.items()
        if any(loss in losses.LIKELIHOODS[kind].losses for kind in OF_NUMBERS)
    },
}
NAMES = tuple(dict.fromkeys([*OUTPUTS, *NUMBERS]))


@dataclass(eq=False, repr=False)
class _WithLoss:
    """The first parameter of a regressor."""

    loss: Any = parameter("squared_error", allowed.choice(*NAMES) | allowed.ERROR)


@dataclass(eq=False, repr=False)
class MLPRegressor(Perceptron, _WithLoss):
    r"""A multilayer perceptron that predicts numbers, in scikit-learn's interface.

    The output units are linear, and training makes small half the mean of squares with a penalty,

    .. math:: E(\mathbf w) = \frac{1}{2 \sum_n s_n} \sum_n s_n \lVert \mathbf y_n - \mathbf t_n \rVert^2
              + \frac{\alpha}{2 \sum_n s_n} \sum_l \lVert \mathbf W_l \rVert^2,

    with the weight :math:`s_n` of each pattern; of several outputs, ``loss_`` reports the mean over them.
    Parameters up to ``max_fun``, attributes, and with an integer ``random_state`` all numbers are those of
    ``sklearn.neural_network.MLPRegressor``; what follows is more. Training is native
    code, whole epochs in one call.

    Parameters
    ----------
    loss
        ``"squared_error"``, the error above; ``"poisson"`` for counts, whose logarithm the output units give;
        ``"absolute_error"``, ``"huber"``, ``"quantile"`` (the median); ``"gaussian_nll"``, with a variance
        that is predicted too; any other of numbers in :mod:`wengert.losses` by name; or any function of
        outputs and targets, such as ``losses.Quantile(0.9)``.
    hidden_layer_sizes
        The numbers of hidden units, layer by layer; one number for one layer, ``()`` for none, which is
        linear regression.
    activation
        What the hidden units apply: a name of :data:`wengert.nn.ACTIVATIONS`, a function of one argument, or
        a sequence with one of these for each hidden layer.
    solver
        ``"adam"`` or ``"sgd"``, which take a step for every minibatch, or ``"lbfgs"``, whose steps take all
        patterns: often the best for a few thousand of them.
    alpha
        Strength :math:`\alpha` of the penalty on large weights.
    batch_size
        Patterns of a minibatch; ``"auto"`` for 200, or all if there are fewer.
    learning_rate
        For ``"sgd"``: ``"constant"``; ``"invscaling"``, which divides by :math:`(n + 1)^p` after :math:`n`
        patterns, with p ``power_t``; or ``"adaptive"``, which divides by 5 whenever nothing has improved for
        ``n_iter_no_change`` epochs. For both stochastic solvers: a schedule of :mod:`wengert.optim`, or a
        function of the number of steps.
    learning_rate_init
        The first rate.
    power_t
        The power of ``"invscaling"``.
    max_iter
        The most epochs, or for ``"lbfgs"`` iterations.
    shuffle
        Whether every epoch has a new order.
    random_state
        A number that determines all that is drawn, a ``numpy.random.RandomState``, or None.
    tol, n_iter_no_change
        Training ends when for more than this many epochs nothing has improved by ``tol``. For ``"lbfgs"``,
        when no derivative is above ``tol``.
    verbose
        Whether to print the error of every epoch, counted through from the first call to the last.
    warm_start
        Whether a further call of ``fit`` goes on with the weights that are there.
    momentum, nesterovs_momentum
        For ``"sgd"``: the share of the last step that is kept, and whether the gradient is taken ahead of it.
    early_stopping
        Whether the score on patterns kept aside decides when to end, and which weights are best.
    validation_fraction
        The share of the patterns that is kept aside, unless ``fit`` is given others to validate on.
    beta_1, beta_2, epsilon
        For ``"adam"``: the decays of both running means, and what keeps the quotient finite.
    max_fun
        The most evaluations of ``"lbfgs"``.
    dropout
        The probability that a hidden unit is dropped in training, or a sequence with one for each hidden
        layer.
    batch_norm
        Whether pre-activations of hidden units are normalised over the minibatch.
    skip
        ``"add"`` adds the inputs of a hidden layer to its outputs where there are as many of both;
        ``"concatenate"`` hands them on beside its outputs.
    optimizer
        Any optimiser of :mod:`wengert.optim`, instead of the solver's. ``LBFGS``, ``ConjugateGradients`` and,
        for squares with ``alpha=0``, ``LevenbergMarquardt`` take all patterns at once, and end by tolerances
        of their own; ``max_iter`` counts their iterations.
    categorical
        What a column of categories in a table becomes: ``"one_hot"``, a column for each; ``"ordinal"``, their
        places in order.
    missing
        ``"indicator"`` puts the mean of the column in the place of a missing number, and a further column
        that says so if some are missing in training; ``"error"`` refuses missing values; ``"auto"`` does the
        one for tables and the other for arrays.
    callbacks
        Functions of the estimator, called after every epoch of a stochastic solver; one that returns True
        ends the training.
    n_threads
        How many threads may share the work. Results do not depend on it.

    Attributes
    ----------
    coefs_, intercepts_
        The matrix of weights and the biases of each layer, from the inputs on; changing them changes the
        network.
    network_
        The network as :mod:`wengert.nn` has it, to differentiate and to store; its outputs are
        pre-activations.
    n_features_in_, feature_names_in_
        The number of features, and their names where the columns of a table have any.
    n_iter_, t_
        Epochs of the last call, and patterns seen in all.
    n_layers_, n_outputs_, out_activation_
        Layers with the inputs, outputs, and the name of the activation of the output units.
    loss_, loss_curve_, best_loss_
        The error of the last epoch, of every epoch, and the lowest, which with ``early_stopping`` is None;
        of ``"lbfgs"`` only the first.
    validation_scores_, best_validation_score_
        The scores on the patterns to validate on, if there are any, and the best.
    stopped_early_
        Whether training ended by itself. This and the scores are of stochastic solvers.
    distances_
        How far the targets of the patterns to validate on are from their predictions, in order, a column for
        each output.

    Raises
    ------
    ValueError
        On fitting, where a parameter has no meaning or data cannot be used; the message says what to write.

    Examples
    --------
    >>> import wengert as wg
    >>> x = np.linspace(-2, 2, 200)[:, None]
    >>> t = np.sin(2 * x[:, 0])
    >>> regressor = wg.MLPRegressor(hidden_layer_sizes=32, activation="tanh", solver="lbfgs", random_state=0)
    >>> regressor.fit(x, t).score(x, t) > 0.99
    True
    >>> regressor.sensitivity([[0.0]]).shape
    (1, 1, 1)

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 6 and 8.1.
    """

    _twin = "MLPRegressor"

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

        Examples
        --------
        >>> import wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (600, 1))
        >>> t = x[:, 0] + 0.1 * rng.normal(size=600)
        >>> regressor = wg.MLPRegressor(hidden_layer_sizes=8, solver="lbfgs", random_state=0)
        >>> regressor = regressor.fit(x[:200], t[:200], X_val=x[200:400], y_val=t[200:400])
        >>> low, high = regressor.predict_interval(x[400:])
        >>> float(np.mean((low < t[400:]) & (t[400:] < high)).round(1))
        0.9
        """
        self._require_fitted()
        y = self._outputs(X, self.out_activation_)
        if isinstance(self._loss, losses.GaussianNLL):
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
        require_kind(self._loss, "numbers")
        t = numbers_array(y, x.shape[0], x.dtype)
        if self.loss == "poisson" and (t < 0).any():
            raise ValueError("Some values of y are negative; loss='poisson' takes counts, from 0")
        known = self._loss if isinstance(self._loss, str) else None
        self.n_outputs_ = t.shape[1]
        self.out_activation_ = OUTPUTS[known] if known else losses.output_activation(self._loss)
        return t

    _more_targets = _new_targets

    @property
    def _loss(self) -> Any:
        return named_loss(self.loss, NUMBERS)

    @property
    def _units(self) -> int:
        return 2 * self.n_outputs_ if isinstance(self._loss, losses.GaussianNLL) else self.n_outputs_

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

    def _aside(self, network: Any, aside: Sample) -> Array:
        """Predictions of a network for patterns kept aside."""
        return outputs(network, aside.x, self.out_activation_)[:, : self.n_outputs_]

    def _score_aside(self, network: Any, aside: Sample) -> float:
        y = self._aside(network, aside)
        return r_squared(y, aside.t, aside.weights) if np.isfinite(y).all() else float("nan")

    def _note_aside(self, aside: Sample | None) -> None:
        """How far targets were from predictions, in order; those of an earlier training no longer hold."""
        vars(self).pop("distances_", None)
        if aside is not None:
            self.distances_ = np.sort(np.abs(aside.t - self._aside(self.network_, aside)), axis=0)


def _column_or_matrix(y: Array) -> Array:
    return y[:, 0] if y.shape[1] == 1 else y


join(MLPRegressor)
