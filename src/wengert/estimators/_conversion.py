r"""Fitted networks of scikit-learn as ours, and ours as scikit-learn's.

Both keep the same arrays, :math:`\mathbf W_l` and :math:`\mathbf b_l` layer by layer, the same record of the
training, and of the optimiser the same memory: of Adam the running means and the number of steps :math:`\tau`
(ours keeps the powers :math:`\beta^\tau` beside it), of momentum the velocity and the present rate. So a
conversion copies, and training goes on from there on the other side.
"""

from copy import deepcopy
from dataclasses import fields, replace
from types import ModuleType
from typing import Any

import numpy as np

from wengert import nn, optim
from wengert.estimators._descent import Descent, adam, momentum, objective_of
from wengert.estimators._network import assembled, design_of, layers_of
from wengert.estimators._objective import Penalised
from wengert.estimators._parameters import changed
from wengert.estimators._quasi_newton import in_order
from wengert.estimators._targets import Labels

Array = np.ndarray

# What training leaves behind under the same name on both sides.
RECORD = (
    "n_features_in_", "feature_names_in_", "classes_", "coefs_", "intercepts_", "n_iter_", "t_", "n_layers_",
    "n_outputs_", "out_activation_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
    "best_validation_score_", "_no_improvement_count",
)  # fmt: skip


def from_sklearn(cls: Any, model: Any) -> Any:
    """A fitted network of scikit-learn as an estimator of this class."""
    _require_twin(cls, model)
    found = cls(**deepcopy(model.get_params(deep=False)))
    _copy_record(model, found)
    found._design, found._norms = design_of(found), []
    if hasattr(model, "_label_binarizer"):
        found._labels = _labels(model._label_binarizer)
    if hasattr(model, "loss_curve_"):
        found._best = assembled(*deepcopy((model._best_coefs, model._best_intercepts)), [], found._design)
        found.stopped_early_ = model._no_improvement_count > model.n_iter_no_change
    if hasattr(model, "_optimizer"):
        found._optimizer = _our_descent(found, deepcopy(model._optimizer))
    return found


def to_sklearn(estimator: Any) -> Any:
    """A fitted estimator as scikit-learn's."""
    estimator._require_fitted()
    made = getattr(_neural_network(), estimator._twin)
    known = made().get_params(deep=False)
    _require_known(estimator, known)
    _require_expressible(estimator)
    model = made(**{name: deepcopy(getattr(estimator, name)) for name in known})
    _require_valid(model)
    _copy_record(estimator, model)
    best = deepcopy(list(layers_of(getattr(estimator, "_best", estimator.network_), nn.Dense)))
    model._best_coefs, model._best_intercepts = [d.weights for d in best], [d.biases for d in best]
    if hasattr(estimator, "_labels"):
        model._label_binarizer = _label_binarizer(estimator._labels)
    if hasattr(estimator, "_optimizer"):
        model._optimizer = _their_optimizer(estimator, estimator._optimizer)
    return model


def _neural_network() -> ModuleType:
    try:
        from sklearn import neural_network
    except ImportError as error:
        raise ImportError("to_sklearn needs scikit-learn: pip install scikit-learn") from error
    return neural_network


def _copy_record(source: Any, target: Any) -> None:
    for name in RECORD:
        if hasattr(source, name):
            setattr(target, name, deepcopy(getattr(source, name)))


# ------------------------------------------------------------------------------------------ refusals


def _require_twin(cls: Any, model: Any) -> None:
    twin = getattr(_neural_network(), cls._twin)
    if not isinstance(model, twin):
        raise TypeError(
            f"{cls.__name__}.from_sklearn takes a fitted sklearn.neural_network.{cls._twin}, not "
            f"{_name(model)}; {_instead(model)}"
        )
    if not hasattr(model, "coefs_"):
        raise ValueError(
            f"{cls.__name__}.from_sklearn: this {_name(model)} has not been fitted; call its fit first, or "
            f"write {cls.__name__}(**model.get_params()) for its parameters alone"
        )


def _name(model: Any) -> str:
    return f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__


def _instead(model: Any) -> str:
    """What to give in the place of something that is no network of this kind."""
    neural_network = _neural_network()
    if isinstance(model, type):
        return "give a fitted object of a class, not the class"
    if hasattr(type(model), "from_sklearn"):
        return "this is one of wengert's already; copy.deepcopy makes another"
    if isinstance(model, (neural_network.MLPClassifier, neural_network.MLPRegressor)):
        return f"wengert.{type(model).__name__}.from_sklearn takes this one"
    inside = {"best_estimator_": "its best_estimator_", "steps": "its last step, model[-1]"}
    for attribute, what in inside.items():
        if hasattr(model, attribute):
            return f"give {what}, if that is one"
    return "only from such a network are there weights to take over"


def _require_known(estimator: Any, known: dict[str, Any]) -> None:
    """Refuse parameters that scikit-learn has no word for, unless they are at their defaults."""
    ours = [name for name in changed(estimator) if name not in known]
    if ours:
        raise ValueError(
            f"to_sklearn: scikit-learn's {estimator._twin} has no {', '.join(ours)}; where the trained "
            f"network does without, say so with set_params({_defaults(estimator, ours)})"
        )


def _defaults(estimator: Any, names: list[str]) -> str:
    return ", ".join(f"{f.name}={f.default!r}" for f in fields(estimator) if f.name in names)


def _require_expressible(estimator: Any) -> None:
    """Refuse a network that takes, or does, other than what the parameters say by now."""
    if getattr(estimator, "_encoder", None) is not None:
        raise ValueError(
            "to_sklearn: the network takes the encoded columns of a table with categories or missing values, "
            "and scikit-learn's takes numbers; train it on the columns that an encoder before it gives"
        )
    if replace(estimator._design, dropout=()) != replace(design_of(estimator), dropout=()):
        raise ValueError(
            "to_sklearn: hidden_layer_sizes, activation, batch_norm or skip are not those that the network "
            "was trained with; set them back, or fit again"
        )


def _require_valid(model: Any) -> None:
    """Refuse values that scikit-learn's parameters of the same names cannot have."""
    try:
        model._validate_params()
    except ValueError as error:
        raise ValueError(f"to_sklearn: {error}") from error


# -------------------------------------------------------------------------------------------- labels


def _labels(binarizer: Any) -> Labels:
    several = binarizer.y_type_ == "multilabel-indicator"
    return Labels(binarizer.classes_.copy(), several, bool(binarizer.sparse_input_))


def _label_binarizer(labels: Labels) -> Any:
    """scikit-learn's, which learns its kind from an example."""
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import LabelBinarizer

    example = np.eye(len(labels.classes), dtype=int) if labels.multilabel else labels.classes
    binarizer = LabelBinarizer().fit(csr_matrix(example) if labels.sparse else example)
    binarizer.classes_ = labels.classes.copy()
    return binarizer


# ----------------------------------------------------------------------------------------- optimisers


def _our_descent(estimator: Any, theirs: Any) -> Descent:
    """Their optimiser's rule, memory, steps and rate."""
    return (_our_adam if hasattr(theirs, "ms") else _our_momentum)(objective_of(estimator), theirs)


def _our_adam(objective: Penalised, theirs: Any) -> Descent:
    rule = adam(theirs.learning_rate_init, theirs.beta_1, theirs.beta_2, theirs.epsilon)
    descent = Descent(rule, objective)
    descent.state = descent.state._replace(
        steps=np.int64(theirs.t),
        powers=tuple(np.float64(b**theirs.t) for b in (theirs.beta_1, theirs.beta_2)),
        memory={"mean": _by_name(objective, theirs.ms), "square": _by_name(objective, theirs.vs)},
    )
    return descent


def _our_momentum(objective: Penalised, theirs: Any) -> Descent:
    rule = momentum(theirs.learning_rate_init, theirs.momentum, theirs.nesterov)
    descent = Descent(rule, objective)
    descent.state = descent.state._replace(memory={"velocity": _by_name(objective, theirs.velocities)})
    descent.learning_rate = theirs.learning_rate
    return descent


def _by_name(objective: Penalised, arrays: list[Array]) -> dict[str, Array]:
    """Arrays that go with matrices and then with biases, as the state of a rule has them."""
    return dict(zip(in_order(objective), arrays, strict=True))


def _their_optimizer(estimator: Any, descent: Descent) -> Any:
    """Our rule's memory, steps and rate, as one of theirs."""
    from sklearn.neural_network import _stochastic_optimizers as theirs

    e, rule, state = estimator, descent.rule, descent.state
    names = in_order(objective_of(e))
    memory = {what: [arrays[n].copy() for n in names] for what, arrays in state.memory.items()}
    params, first = [*e.coefs_, *e.intercepts_], float(descent.rule.learning_rate)
    if isinstance(rule, optim.Adam):
        made = theirs.AdamOptimizer(params, first, rule.b1, rule.b2, rule.eps_hat)
        made.t, made.ms, made.vs = int(state.steps), memory["mean"], memory["square"]
        return made
    nesterov = isinstance(rule, optim.Nesterov)
    made = theirs.SGDOptimizer(params, first, e.learning_rate, rule.momentum, nesterov, e.power_t)
    made.velocities, made.learning_rate = memory["velocity"], descent.learning_rate
    return made
