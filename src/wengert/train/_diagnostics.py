r"""Diagnostics: what a network learns from, layer by layer.

An error signal passes backwards through every layer by the weights and the derivative of the activation,

.. math:: \delta_j = h'(a_j) \sum_k w_{kj} \delta_k,

so that, layer after layer, it may shrink to nothing or grow beyond all bounds. It does not pass at all
through a unit with :math:`h'(a_j) = 0` for every pattern (a *dead* unit), and hardly through one that is
*saturated*, with :math:`|a_j|` so large that :math:`h` is flat there.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import nn, random
from wengert._refusals import require
from wengert.api import jvp, value_and_grad
from wengert.core import tree
from wengert.optim import Adam, Optimiser
from wengert.tables import justified
from wengert.train._trainer import Array, Loss, Network

# A derivative of the activation below which a unit counts as saturated, and the share of patterns and units
# that is too much.
FLAT, TOO_MANY = 0.01, 0.5
# By what the gradients of the first and last layers may differ, and what a step may change of the weights.
SHRINKING, GROWING, LARGE_STEP = 1e-3, 1e3, 0.1
Activation = Callable[[Array], Array]


@dataclass(frozen=True)
class Parameter:
    """An array that is trained.

    Attributes
    ----------
    name
        As in :func:`wengert.nn.parameters`.
    weights, gradient
        Their root mean squares.
    update
        The norm of the next step, divided by that of the weights; NaN where these are zero.
    """

    name: str
    weights: float
    gradient: float
    update: float


@dataclass(frozen=True)
class Units:
    """The units of a layer, or what a function is applied to.

    Attributes
    ----------
    name
        Where in the network.
    activation
        The name of :math:`h`.
    count
        How many units.
    mean, std
        Of the pre-activations, over units and patterns.
    flat
        The share of patterns and units with :math:`|h'(a)| < 0.01`.
    dead
        How many units have :math:`h'(a) = 0` for every pattern.
    saturates
        Whether :math:`h` is flat on both sides.
    """

    name: str
    activation: str
    count: int
    mean: float
    std: float
    flat: float
    dead: int
    saturates: bool


@dataclass(frozen=True)
class Diagnostics:
    """What a network learns from: a table when printed.

    Attributes
    ----------
    error
        On the patterns that were looked at.
    parameters
        Each array that is trained, in the order of the network.
    units
        Each layer with an activation, where there are any, in the order in which a pattern passes them.
    """

    error: float
    parameters: Sequence[Parameter]
    units: Sequence[Units]

    @property
    def findings(self) -> list[str]:
        """What is wrong, and what helps, each in a sentence."""
        return [
            *_about_numbers(self.error, self.parameters),
            *_about_gradients(self.parameters),
            *_about_steps(self.parameters),
            *_about_units(self.units),
        ]

    def __str__(self) -> str:
        parts = [f"error {self.error:.6g}", _table(PARAMETER_COLUMNS, self.parameters)]
        parts += [_table(UNIT_COLUMNS, self.units)] if self.units else []
        return "\n\n".join([*parts, "\n".join(self.findings or ["Nothing conspicuous."])])

    def plot(self, axes: Any = None) -> Any:
        """Draw gradients and steps, array by array, with Matplotlib on a logarithmic scale.

        Parameters
        ----------
        axes
            Where to draw; by default in a new figure of ``matplotlib.pyplot``.

        Returns
        -------
        Axes
            Matplotlib's, to go on drawing in.
        """
        from wengert._pictures import new_axes

        axes = new_axes() if axes is None else axes
        places = range(len(self.parameters))
        axes.plot(places, [p.gradient for p in self.parameters], "o-", label="gradient (root mean square)")
        axes.plot(places, [p.update for p in self.parameters], "s--", label="step ÷ weights")
        axes.set(yscale="log", title="What the network learns from")
        axes.set_xticks(places, [p.name for p in self.parameters], rotation=30, ha="right")
        axes.grid(color="0.9")
        axes.legend()
        return axes


def diagnose(
    network: Network,
    loss: Loss,
    x: Any,
    y: Any,
    weights: Array | None = None,
    *,
    optimiser: Optimiser | None = None,
    state: Any = None,
    key: Array | None = None,
) -> Diagnostics:
    """Look at gradients, steps, pre-activations and units of a network on some patterns.

    Parameters
    ----------
    network, loss
        As in :func:`fit`. Pre-activations are looked at wherever a layer has a field ``activation``, as in
        :class:`wengert.nn.Dense`, as they are in prediction; gradients, as in training, in every network.
    x, y, weights
        A batch: patterns, targets, and where the error takes them the weights of the patterns.
    optimiser, state
        What makes the step, by default Adam's first. In a training, its own state is
        ``training.trainer.carry[1]``.
    key
        From :mod:`wengert.random`, for what the network draws in training.

    Returns
    -------
    Diagnostics
        A table when printed; ``findings`` are sentences; ``plot()`` draws it.

    Raises
    ------
    ValueError
        Where there are no patterns.

    Examples
    --------
    >>> from wengert import losses
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> deep = nn.MLP.init(np.random.default_rng(0), (1, *[5] * 8, 1), "logistic")
    >>> found = diagnose(deep, losses.mean_squared_error, x, x**2)
    >>> found.findings[0][:35]
    'The gradients vanish: that of layer'

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 7.2.5 and 9.5.
    """
    data = (x, y) if weights is None else (x, y, weights)
    require(all(map(np.size, tree.flatten(x)[0])), "diagnose: x has no rows; give a batch of patterns")
    optimiser = optimiser or Adam()
    parameters = nn.parameters(network)
    with np.errstate(over="ignore", invalid="ignore"):  # what is lost is told in the findings
        error, gradients = _error_and_gradients(network, loss, data, random.key(0) if key is None else key)
        state = optimiser.init(parameters) if state is None else state
        stepped, _ = optimiser.update(gradients, state, parameters)
        rows = [
            Parameter(name, _size(w), _size(gradients[name]), _size(stepped[name] - w) / (_size(w) or np.nan))
            for name, w in parameters.items()
        ]
        units = [_units(*seen) for seen in _pre_activations(network, x)]
    return Diagnostics(float(error), rows, units)


def _error_and_gradients(network: Network, loss: Loss, data: Any, key: Array) -> tuple[Any, dict[str, Array]]:
    def error_of(parameters: Any) -> Any:
        x, *targets = data
        drawn = key if nn.needs_key(network) else None
        return loss(nn.forward(nn.replaced(network, parameters), x, drawn)[0], *targets)

    return value_and_grad(error_of)(nn.parameters(network))


def _size(array: Any) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if np.size(array) else 0.0


# -------------------------------------------------------------------------------------------- units


class _Spy:
    """An activation that notes what it is applied to."""

    def __init__(self, h: Activation, name: str, seen: list[tuple[str, Activation, Array]]) -> None:
        self.h, self.name, self.seen = h, name, seen

    def __call__(self, a: Array) -> Array:
        self.seen.append((self.name, self.h, np.asarray(a)))
        return self.h(a)


def _pre_activations(network: Network, x: Any) -> list[tuple[str, Activation, Array]]:
    """Where in the network, activation and pre-activations, in the order in which they are computed."""
    seen: list[tuple[str, Activation, Array]] = []
    watched = _watched(network, "", seen)
    if watched is not network:
        watched(x)
    return seen


def _watched(part: Any, name: str, seen: list[Any]) -> Any:
    """The same network with spies in the place of its activations; itself where it has none."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        found = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.init}
        changed = _changed(found, name, seen)
        if callable(found.get("activation")):
            changed["activation"] = _Spy(found["activation"], name or type(part).__name__, seen)
        return dataclasses.replace(part, **changed) if changed else part
    if isinstance(part, list | tuple):
        changed = _changed(dict(enumerate(part)), name, seen)
        return type(part)([changed.get(i, p) for i, p in enumerate(part)]) if changed else part
    if isinstance(part, dict):
        return part | _changed(part, name, seen)
    return part


def _changed(parts: Mapping[Any, Any], name: str, seen: list[Any]) -> dict[Any, Any]:
    """The parts that have an activation somewhere, watched."""
    watched = {key: _watched(p, f"{name}.{key}".lstrip("."), seen) for key, p in parts.items()}
    return {key: p for key, p in watched.items() if p is not parts[key]}


def _units(name: str, h: Activation, a: Array) -> Units:
    if h in nn.JOINT:  # not flat element by element
        derivative = np.ones_like(a)
    else:
        derivative = np.abs(jvp(h, (a,), (np.ones_like(a),))[1])
    by_unit = derivative.reshape(-1, a.shape[-1])
    return Units(
        name,
        getattr(h, "__name__", type(h).__name__),
        a.shape[-1],
        float(np.mean(a)),
        float(np.std(a)),
        float(np.mean(derivative < FLAT)),
        int(np.sum(~by_unit.any(axis=0))),
        _saturates(h),
    )


def _saturates(h: Activation) -> bool:
    """Whether the activation is flat far out on both sides."""
    ends = h(np.array([-50.0, -40.0, 40.0, 50.0]))
    return h not in nn.JOINT and bool(np.ptp(ends[:2]) < FLAT and np.ptp(ends[2:]) < FLAT)


# ----------------------------------------------------------------------------------------- findings


def _about_numbers(error: float, parameters: Sequence[Parameter]) -> Iterator[str]:
    """Of what is no finite number, or its square none."""
    lost = {"error": error}
    lost |= {f"gradient of {p.name}": p.gradient for p in parameters}
    lost |= {p.name: p.weights for p in parameters}
    names = [name for name, size in lost.items() if not np.isfinite(size)]
    if names:
        yield (
            f"Numbers are lost: of {', '.join(names[:3])}{', ...' * (len(names) > 3)}. Look for nan and "
            "inf in patterns and weights, standardise the data, and lower the learning rate."
        )


def _about_gradients(parameters: Sequence[Parameter]) -> Iterator[str]:
    """Of the first matrix of weights and the last."""
    found = [p for p in parameters if p.name.endswith("weights")] or list(parameters)
    if len(found) < 2 or not found[-1].gradient:
        return
    first, last = found[0], found[-1]
    ratio = first.gradient / last.gradient
    said = f"that of {first.name} is {ratio:.1g} times that of {last.name}"
    if ratio < SHRINKING:
        yield (
            f"The gradients vanish: {said}. Take an activation that does not flatten (relu, leaky_relu), "
            "He's initialisation for it, fewer layers, residual connections or normalisation."
        )
    if ratio > GROWING:
        yield (
            f"The gradients explode: {said}. Start with smaller weights (glorot, he), clip the gradients "
            "(optim.ClipNorm), or normalise."
        )


def _about_steps(parameters: Sequence[Parameter]) -> Iterator[str]:
    large = [p for p in parameters if p.update > LARGE_STEP and p.name.endswith("weights")]
    if large:
        worst = max(large, key=lambda p: p.update)
        yield (
            f"The steps are large: the next one is {worst.update:.2g} of {worst.name}. Lower the learning "
            "rate; a thousandth is usual."
        )
    if all(p.gradient == 0 for p in parameters):
        yield "There is no gradient at all: no unit passes an error signal on."


def _about_units(units: Sequence[Units]) -> Iterator[str]:
    for layer in units:
        if layer.dead:
            yield (
                f"Dead units: {layer.dead} of {layer.count} in {layer.name} ({layer.activation}) pass no "
                "error signal on for any pattern. Take leaky_relu or elu, a lower learning rate, or smaller "
                "weights."
            )
        if layer.saturates and layer.flat > TOO_MANY:
            yield (
                f"Saturated units: in {layer.name} ({layer.activation}) the derivative is below {FLAT:g} for "
                f"{layer.flat:.0%} of units and patterns. Standardise the inputs, start with smaller weights "
                "(glorot), or normalise."
            )


# ------------------------------------------------------------------------------------------- tables

Column = tuple[str, Callable[[Any], str]]

PARAMETER_COLUMNS: Sequence[Column] = (
    ("parameter", lambda p: p.name),
    ("weights", lambda p: f"{p.weights:.3g}"),
    ("gradient", lambda p: f"{p.gradient:.3g}"),
    ("step ÷ weights", lambda p: "" if np.isnan(p.update) else f"{p.update:.3g}"),
)
UNIT_COLUMNS: Sequence[Column] = (
    ("units", lambda u: f"{u.name} ({u.activation})"),
    ("count", lambda u: str(u.count)),
    ("mean a", lambda u: f"{u.mean:.3g}"),
    ("std a", lambda u: f"{u.std:.3g}"),
    ("|h'| < 0.01", lambda u: f"{u.flat:.0%}"),
    ("dead", lambda u: str(u.dead)),
)


def _table(columns: Sequence[Column], rows: Sequence[Any]) -> str:
    return justified([[title for title, _ in columns], *([show(row) for _, show in columns] for row in rows)])
