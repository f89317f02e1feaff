r"""Layers from several nodes: what is exported in parts, and biases that are added.

.. math:: \texttt{Mul}(x, \texttt{Sigmoid}(x)) \;\to\; \operatorname{silu}(x)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import nn
from wengert.exchange._imported import Arithmetic, flattened

Array = np.ndarray


class Step(NamedTuple):
    """A value of the network: what operation gives it, the layer for that, and what it reads.

    ``constants`` are the numbers among its operands by their places; None is an operand that is read.
    """

    operation: str
    layer: Any
    reads: tuple[str, ...]
    operands: tuple[Any, ...]


def reached(steps: Mapping[str, Step], names: Sequence[str]) -> list[str]:
    """The steps that these depend on, in their order."""
    needed = set(names)
    for name in reversed(list(steps)):
        if name in needed:
            needed.update(steps[name].reads)
    return [name for name in steps if name in needed]


# --- steps that make up one layer -------------------------------------------------------------------------


class Held(NamedTuple):
    """A constant of any size, by the name it has in a layer; where it occurs again it is the same."""

    name: str


X = object()  # what a layer is computed of
ROOT_TWO = 2**0.5
ROOT_TWO_OVER_PI = (2 / np.pi) ** 0.5
CUBE = ("Mul", X, ("Mul", X, X))
_INNER = ("Add", X, ("Mul", 0.044715, CUBE))
_POWERED = ("Add", X, ("Mul", 0.044715, ("Pow", X, 3.0)))
_ABOVE = ("Greater", X, 0.0)
_NEGATIVE = ("Where", _ABOVE, 0.0, X)
_EXPM1 = ("Mul", ("Tanh", ("Mul", 0.5, _NEGATIVE)), ("Add", ("Exp", _NEGATIVE), 1.0))

_COUNT = Held("count")
_CENTRED = ("Sub", X, ("Div", ("ReduceSum", X, Held("axes")), _COUNT))
_VARIANCE = ("Div", ("ReduceSum", ("Mul", _CENTRED, _CENTRED), Held("axes")), _COUNT)
_NORMALISED = ("Mul", _CENTRED, ("Div", 1.0, ("Sqrt", ("Add", _VARIANCE, Held("epsilon")))))


def _layer_norm(axes: Array, count: Array, epsilon: Array, shift: Array, scale: Array | None = None) -> Any:
    """A normalisation over the units, if it is over all of them."""
    scale = np.ones_like(shift) if scale is None else scale
    if axes.tolist() not in ([-1], [1]) or not count == shift.size == scale.size:
        return None
    return nn.LayerNorm(scale.copy(), shift.copy(), epsilon.item())


def _rectifier(slopes: Array) -> Any:
    """Slopes that are learned, or the one of an activation."""
    if slopes.ndim:
        return nn.PReLU(slopes.copy())
    return nn.Function(nn.activation_named("leaky_relu", slope=slopes.item()))


# Layers as the trees of operations that they are exported as.
LAYERS: tuple[tuple[Callable[..., Any], Any], ...] = (
    (_layer_norm, ("Add", ("Mul", _NORMALISED, Held("scale")), Held("shift"))),
    (_layer_norm, ("Add", _NORMALISED, Held("shift"))),
    (_rectifier, ("Where", _ABOVE, X, ("Mul", Held("slopes"), X))),
)

# Activations as such trees; operands of Add and Mul in any order.
COMPOSED: tuple[tuple[Callable[..., Any], Any], ...] = (
    (nn.silu, ("Mul", X, ("Sigmoid", X))),
    (nn.mish, ("Mul", X, ("Tanh", ("Softplus", X)))),
    (nn.softsign, ("Div", X, ("Add", ("Abs", X), 1.0))),
    (nn.softplus, ("Where", ("Greater", X, 20.0), X, ("Softplus", X))),
    (nn.gelu, ("Mul", ("Mul", X, ("Add", ("Erf", ("Div", X, ROOT_TWO)), 1.0)), 0.5)),
    (nn.gelu, ("Mul", ("Mul", X, 0.5), ("Add", ("Erf", ("Div", X, ROOT_TWO)), 1.0))),
    (nn.gelu, ("Mul", X, ("Mul", 0.5, ("Sub", 1.0, ("Erf", ("Mul", -1 / ROOT_TWO, X)))))),
    (nn.gelu_tanh, ("Mul", 0.5, ("Mul", X, ("Add", 1.0, ("Tanh", ("Mul", ROOT_TWO_OVER_PI, _INNER)))))),
    (nn.gelu_tanh, ("Mul", X, ("Sigmoid", ("Mul", 2 * ROOT_TWO_OVER_PI, _POWERED)))),
    (nn.gaussian, ("Exp", ("Neg", ("Mul", X, X)))),
    (nn.gudermannian, ("Mul", 2.0, ("Atan", ("Tanh", ("Mul", 0.5, X))))),
    (nn.hard_tanh, ("Where", ("Less", ("Abs", X), 1.0), X, ("Sign", X))),
    (nn.step, ("Where", _ABOVE, 1.0, ("Where", ("Less", X, 0.0), 0.0, 0.0))),
    (nn.elu, ("Where", _ABOVE, X, _EXPM1)),
    (
        nn.selu,
        ("Where", _ABOVE, ("Mul", nn.SELU_SCALE, X), ("Mul", nn.SELU_SCALE * nn.SELU_ALPHA, _EXPM1)),
    ),
    (nn.leaky_relu, ("Where", _ABOVE, X, ("Mul", 0.01, X))),
)


def _activation(h: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: nn.Function(h)


RECOGNISED = (*((_activation(h), form) for h, form in COMPOSED), *LAYERS)


class Simplified:
    """The steps with biases and activations brought into their layers, until nothing more fits."""

    def __init__(self, steps: Mapping[str, Step], outputs: Sequence[str]) -> None:
        self.steps = dict(steps)
        self.outputs = outputs
        for name in steps:
            self._recognise(name)
        self._forget_unread()
        for name in list(self.steps):
            self._join(name)
        self._forget_unread()

    def _forget_unread(self) -> None:
        self.steps = {name: self.steps[name] for name in reached(self.steps, self.outputs)}
        self.uses = Counter(name for step in self.steps.values() for name in step.reads)
        self.uses.update(self.outputs)

    def _recognise(self, name: str) -> None:
        for make, form in RECOGNISED:
            found: dict[Any, Any] = {}
            if self.steps[name].operation == form[0] and self._matches(form, name, found):
                x = found.pop(X)
                layer = make(**{held.name: constant for held, constant in found.items()})
                if layer is not None:
                    self.steps[name] = Step(type(layer).__name__, layer, (x,), (x,))
                    return

    def _matches(self, form: Any, given: Any, found: dict[Any, Any]) -> bool:
        """Whether an operand is of a form; ``found`` is then what stands for X and for what is held."""
        if form is X:
            return isinstance(given, str) and found.setdefault(X, given) == given
        if isinstance(form, Held):
            is_constant = isinstance(given, np.ndarray)
            return is_constant and np.array_equal(found.setdefault(form, given), given)
        if isinstance(form, float):
            return isinstance(given, np.ndarray) and given.size == 1 and np.isclose(given.item(), form, 1e-5)
        step = self.steps.get(given) if isinstance(given, str) else None
        if step is None or step.operation != form[0] or len(step.operands) != len(form) - 1:
            return False
        orders = [form[1:], form[:0:-1]] if form[0] in ("Add", "Mul") else [form[1:]]
        return any(self._all_match(order, step.operands, found) for order in orders)

    def _all_match(self, forms: Sequence[Any], operands: Sequence[Any], found: dict[Any, Any]) -> bool:
        trial = dict(found)
        holds = all(self._matches(form, given, trial) for form, given in zip(forms, operands, strict=True))
        if holds:
            found.update(trial)
        return holds

    def _join(self, name: str) -> None:
        """Bring a step into the layer that it alone reads."""
        step = self.steps[name]
        before = self.steps.get(step.reads[0]) if len(step.reads) == 1 else None
        if before is None or self.uses[step.reads[0]] != 1 or step.reads[0] in self.outputs:
            return
        layer = _joined(before.layer, step.layer)
        if layer is not None:
            self.steps[name] = Step("Dense", layer, before.reads, before.operands)


def _joined(before: Any, layer: Any) -> Any:
    """A dense layer with the bias or the activation that follows it; None where they make no layer."""
    if not isinstance(before, nn.Dense) or before.activation is not nn.identity:
        return None
    if isinstance(layer, nn.Function) and layer.function is not flattened:
        return nn.Dense(before.weights, before.biases, layer.function)
    if isinstance(layer, Arithmetic) and layer.operation is np.add and before.biases is None:
        units = before.weights.shape[1]
        if layer.constant.size in (1, units):
            return nn.Dense(before.weights, np.broadcast_to(layer.constant, (units,)).copy(), nn.identity)
    return None
