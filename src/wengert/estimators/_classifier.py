"""The multilayer perceptron that tells classes apart."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.estimators import _draws
from wengert.estimators import _parameters as allowed
from wengert.estimators._base import available_if
from wengert.estimators._inputs import densified, is_sparse, weights_of
from wengert.estimators._joining import join
from wengert.estimators._objective import CLASSES, is_of_margins, require_kind
from wengert.estimators._parameters import parameter
from wengert.estimators._perceptron import Perceptron, has_partial_fit
from wengert.estimators._prediction import outputs
from wengert.estimators._sample import Sample
from wengert.estimators._scores import accuracy
from wengert.estimators._targets import Labels, distinct, labels_array, labels_of, warn_of_many_classes

Array = np.ndarray


def _has_probabilities(estimator: Any) -> None:
    """Refuse probabilities where the error is about margins."""
    if _has_margin_error(estimator):
        raise AttributeError(
            "loss='hinge' gives no probabilities; predict classes, or choose loss='log_loss'"
        )


def _has_margins(estimator: Any) -> None:
    """Refuse distances from a margin where the error is about probabilities, as scikit-learn has it."""
    if not _has_margin_error(estimator):
        raise AttributeError("decision_function is for loss='hinge'; take predict_proba")


def _has_margin_error(estimator: Any) -> bool:
    return estimator.loss == "hinge" or is_of_margins(estimator.loss)


@dataclass(eq=False, repr=False)
class MLPClassifier(Perceptron):
    r"""A multilayer perceptron that tells classes apart, in scikit-learn's interface.

    Classes have probabilities, by the softmax function of the output units (of two classes the logistic
    function of one unit; where a pattern may have several labels, of one unit for each), and training makes
    small

    .. math:: E(\mathbf w) = -\frac{1}{\sum_n s_n} \sum_n s_n \ln p(k_n \mid \mathbf x_n, \mathbf w)
              + \frac{\alpha}{2 \sum_n s_n} \sum_l \lVert \mathbf W_l \rVert^2,

    with the weight :math:`s_n` of each pattern. Parameters up to ``max_fun``, attributes, and with an integer
    ``random_state`` all numbers are those of ``sklearn.neural_network.MLPClassifier``; what follows is more.
    Training is native code, whole epochs in one call.

    Parameters
    ----------
    hidden_layer_sizes
        The numbers of hidden units, layer by layer; one number for one layer, ``()`` for none, which is
        logistic regression.
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
        Any optimiser of :mod:`wengert.optim`, instead of the solver's. ``LBFGS`` and ``ConjugateGradients``
        take all patterns at once, and end by tolerances of their own; ``max_iter`` counts their iterations.
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
    loss
        ``"log_loss"``, the error above; ``"focal"``, which counts patterns that are right already less;
        ``"hinge"``, the distance from a margin, with ``decision_function`` in the place of ``predict_proba``;
        or any function of pre-activations and targets, such as those of :mod:`wengert.losses`: of two classes
        both are columns, of more the targets are indices of classes.
    class_weight
        ``"balanced"``, or a dictionary of the weights of classes, 1 where none is given; of several labels a
        list of such dictionaries.

    Attributes
    ----------
    classes_
        The classes in order; of several labels, their column numbers.
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

    Raises
    ------
    ValueError
        On fitting, where a parameter has no meaning or data cannot be used; the message says what to write.

    Examples
    --------
    >>> import wengert as wg
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> kind = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    >>> classifier = wg.MLPClassifier(16, max_iter=500, learning_rate_init=0.01, random_state=0).fit(x, kind)
    >>> classifier.predict([[1.0, 1.0], [1.0, -1.0]]).tolist()
    ['same', 'other']
    >>> classifier.score(x, kind) > 0.95
    True

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 6 and 8.1.
    """

    _twin = "MLPClassifier"

    loss: Any = parameter("log_loss", allowed.choice("log_loss", *CLASSES) | allowed.ERROR, kw_only=True)
    class_weight: Any = parameter(
        None, allowed.choice("balanced") | allowed.WEIGHTS | allowed.NONE, kw_only=True
    )

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> "MLPClassifier":
        """Train for one epoch on these patterns, from the weights and the optimiser's state that are there.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; not every class has to occur.
        classes
            All classes there will ever be, in the first call; later it may be left out.
        X_val, y_val
            Patterns to validate on. With ``early_stopping``, further calls change nothing once the score has
            not improved for ``n_iter_no_change`` of them, and the best weights come back.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where ``classes`` is missing in the first call, or ``y`` has others; where ``class_weight`` is
            ``"balanced"``, which needs all patterns at once.

        Examples
        --------
        >>> import wengert as wg
        >>> classifier = wg.MLPClassifier(8, random_state=0)
        >>> for piece in np.random.default_rng(0).normal(size=(5, 40, 2)):
        ...     classifier = classifier.partial_fit(piece, piece[:, 0] > 0, classes=[False, True])
        >>> classifier.t_, len(classifier.loss_curve_)
        (200, 5)
        """
        allowed.check(self)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all patterns at once; for partial_fit give a dict of weights"
            )
        self._note_classes(y, classes)
        return self._partial_fit(X, y, sample_weight, X_val, y_val)

    def predict(self, X: Any) -> Any:
        """The class of each pattern, or the labels of each as a row of zeros and ones.

        Parameters
        ----------
        X
            Patterns, one a row.

        Returns
        -------
        array of shape (patterns,) or (patterns, labels)
        """
        a = self._outputs(X, "identity")
        return self._labels.decode(a)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X
            Patterns, one a row.

        Returns
        -------
        array of shape (patterns, classes)
            Rows sum to one, except where a pattern may have several labels.
        """
        self._require_fitted()
        y = self._outputs(X, self.out_activation_)
        return np.concatenate([1 - y, y], axis=1) if self.n_outputs_ == 1 else y

    @available_if(_has_margins)
    def decision_function(self, X: Any) -> Array:
        """How far each pattern is on the side of each class, with ``loss="hinge"``: the pre-activations.

        Parameters
        ----------
        X
            Patterns, one a row.

        Returns
        -------
        array of shape (patterns,) or (patterns, classes)
            Of two classes one number, above 0 for the second.
        """
        a = self._outputs(X, "identity")
        return a[:, 0] if self.n_outputs_ == 1 else a

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X
            Patterns, one a row.

        Returns
        -------
        array of shape (patterns, classes)
        """
        return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of patterns that are classified rightly; with several labels, all of them.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        float
        """
        found = self.predict(X)
        found = densified(found)
        t = labels_array(y, len(found))
        return accuracy(found, t, weights_of(sample_weight, len(t)))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_label=True)
        return tags

    # -------------------------------------------------------------------------------------- targets

    def _note_classes(self, y: Any, classes: Any) -> None:
        """The classes of a training in parts, given in its first call."""
        known = getattr(self, "classes_", None)
        if classes is None:
            if known is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return
        given = distinct(np.asarray(classes))
        if known is None:
            found = labels_of(y)
            self._set_labels(found if found.multilabel else Labels(given))
        elif not np.array_equal(known, given):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
            )

    def _set_labels(self, labels: Labels) -> None:
        self._labels, self.classes_ = labels, labels.classes
        self.n_outputs_, self.out_activation_ = labels.units, labels.activation
        require_kind(self._loss, labels.kind)

    def _new_targets(self, y: Any, x: Any) -> Array:
        """The targets of a new training; one that goes on must have the same classes."""
        found, labels = _read(y, x)
        if not (self.warm_start and hasattr(self, "classes_")):
            self._set_labels(labels)
        elif not np.array_equal(labels.classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {labels.classes}"
            )
        return self._labels.encode(found, x.dtype)

    def _more_targets(self, y: Any, x: Any) -> Array:
        """The targets of a training that goes on."""
        found, labels = _read(y, x)
        new = {*labels.classes.tolist()} - {*self.classes_.tolist()}
        if new or labels.multilabel != self._labels.multilabel:
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {labels.classes}."
            )
        return self._labels.encode(found, x.dtype)

    @property
    def _units(self) -> int:
        return self.n_outputs_

    @property
    def _loss(self) -> Any:
        """The error: of two forms, the one for these output units."""
        pair = CLASSES.get(self.loss) if isinstance(self.loss, str) else None
        return self.loss if pair is None else pair()[self.out_activation_ == "softmax"]

    def _weights(self, sample_weight: Any, x: Any, t: Array) -> Array | None:
        """The weight of each pattern, and of its class."""
        w = weights_of(sample_weight, len(t), x.dtype)
        if self.class_weight is None:
            return w
        of_class = self._labels.weights(t, self.class_weight).astype(x.dtype)
        w = of_class if w is None else w * of_class
        if not w.any():
            raise ValueError(f"class_weight={self.class_weight} leaves no pattern a weight above zero")
        return w

    def _split(self, sample: Sample) -> tuple[Array, Array]:
        if self.n_outputs_ == 1:
            labels = sample.t[:, 0] > 0
            if not np.array_equal(self.classes_, [0, 1]):  # called False and True, as in scikit-learn
                labels = self._labels.decode(sample.t - 0.5)
            return _draws.stratified_split(self._random_state, labels, self.validation_fraction)
        return _draws.split(self._random_state, len(sample), self.validation_fraction)

    def _score_aside(self, network: Any, aside: Sample) -> float:
        a = outputs(network, aside.x, "identity")
        if not np.isfinite(a).all():
            return float("nan")
        if self.out_activation_ == "softmax":
            return accuracy(np.argmax(a, axis=1), aside.t, aside.weights)
        return accuracy(a > 0, aside.t > 0, aside.weights)


def _read(y: Any, x: Any) -> tuple[Array, Labels]:
    """Labels as an array, and what they are."""
    found = labels_array(y, x.shape[0])
    labels = labels_of(found)
    warn_of_many_classes(labels, len(found))
    return found, replace(labels, sparse=is_sparse(y))


join(MLPClassifier)
