r"""Errors of the user's own, looked at while they are recorded: what is wrong in them without a word.

Of outputs of shape :math:`(N, 1)` and targets of shape :math:`(N,)`, NumPy makes an :math:`N \times N` matrix
of differences, whose mean

.. math:: \frac1{N^2} \sum_{n=1}^N \sum_{m=1}^N (y_n - t_m)^2

is least where every output is the mean of all targets: training runs, and learns nothing else. Neither does
it where the error does not depend on the outputs, or depends on them by steps, whose derivative is zero. A
recording is made once and run for all epochs, so looking costs training nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert._refusals import name_of
from wengert.core import tree
from wengert.core.recorder import Recorder, Tracer
from wengert.core.recording import record
from wengert.core.trace import Equation, Shape, Var
from wengert.errors import DerivativeError, MismatchError, at_user_line, is_ours, place_of
from wengert.train._refusals import described
from wengert.transforms.adjoint import carriers

Loss = Callable[..., Any]


def inspected(loss: Loss) -> Loss:
    """An error that is looked at whenever it is recorded; this package's look at shapes themselves."""
    if is_ours(loss):
        return loss

    def error(y: Any, *targets: Any) -> Any:
        outputs, data = tree.flatten(y)[0], tree.flatten(targets)[0]
        if not any(isinstance(leaf, Tracer) for leaf in outputs):
            return loss(y, *targets)
        return _recorded(loss, (y, *targets), outputs, data)

    return error


def with_weights(loss: Loss) -> str:
    """How an error that takes no weights is to be written."""
    name = name_of(loss)
    return f"write it as {name}(y, t, weights), the error weighted by them"


def _recorded(loss: Loss, args: tuple[Any, ...], outputs: list[Any], data: list[Any]) -> Any:
    structure = tree.flatten(args)[1]

    def call(f: Loss, tracers: list[Any]) -> Any:
        tracers[0].recorder.begin(tracers[: len(outputs)], tracers[len(outputs) :])
        return f(*tree.unflatten(structure, tracers))

    recording = record(loss, [*outputs, *data], call, kind=_Inspecting)
    recorder: Any = recording.recorder
    recorder.close()
    error = recording.result()
    _require_number(loss, error)
    _require_dependence(loss, recording.outputs[0], recorder)
    return error


class _Inspecting(Recorder):
    """A recorder that knows what depends on the outputs, and what on the targets or weights alone."""

    __slots__ = ("asks", "data", "learned", "outputs", "shapes")

    def begin(self, outputs: Sequence[Tracer], data: Sequence[Tracer]) -> None:
        """The variables that the error is a function of."""
        self.outputs = {tracer.variable for tracer in outputs}
        self.data = {tracer.variable for tracer in data}
        self.shapes = [{var.type.shape for var in found} for found in (self.outputs, self.data)]
        self.learned = set(self.outputs)  # what has a derivative by them
        self.asks = False

    def record(self, *args: Any) -> Any:
        """Write the equation down, and note what its outputs depend on."""
        result = super().record(*args)
        equation = self.equations[-1]
        of_outputs = [var for var in equation.variables() if var in self.outputs]
        of_data = [var for var in equation.variables() if var in self.data]
        self._require_pairs(equation, of_outputs, of_data)
        (self.outputs if of_outputs else self.data).update(equation.outputs if of_outputs or of_data else ())
        if not self.learned.isdisjoint(carriers(equation)):
            self.learned.update(equation.outputs)
        return result

    def asked(self, tracer: Tracer) -> None:
        """Note that Python asks, so that this is one of several ways through the code."""
        self.asks = True
        super().asked(tracer)

    def _require_pairs(self, equation: Equation, of_outputs: list[Var], of_data: list[Var]) -> None:
        """Refuse something like the outputs beside something like the targets whose rows are not paired."""
        if not (of_outputs and of_data):
            return
        y, t, both = of_outputs[0].type.shape, of_data[0].type.shape, equation.outputs[0].type.shape
        if y in self.shapes[0] and t in self.shapes[1] and _are_crossed(y, t, both):
            raise MismatchError(at_user_line(_NOT_PAIRED.format(y=y, t=t, both=both, fix=_fix(y, t))))


_NOT_PAIRED = (
    "outputs of shape {y} and targets or weights of shape {t} broadcast to {both}, every pattern with every "
    "other. {fix}"
)


def _are_crossed(y: Shape, t: Shape, both: Shape) -> bool:
    """Whether two shapes with a row for each pattern have been broadcast to more numbers than either has."""
    if not y or not t or y[0] != t[0] or np.prod(both) <= max(np.prod(y), np.prod(t)):
        return False
    try:
        return np.broadcast_shapes(y, t) == both
    except ValueError:
        return False


def _fix(y: Shape, t: Shape) -> str:
    if len(y) < len(t):
        return f"Write y{_axes(t, y)} for the outputs y, or reshape the others to {y}."
    return f"Write t{_axes(y, t)} for what has shape {t}, or reshape the outputs to it."


def _axes(longer: Shape, shorter: Shape) -> str:
    return f"[:{', None' * (len(longer) - len(shorter))}]"


def _require_number(loss: Loss, error: Any) -> None:
    """Refuse an error that is not one number."""
    is_array = tree.is_leaf(error) and error is not None
    if is_array and not np.shape(error):
        return
    instead = "np.mean of it over the patterns" if is_array else "that alone"
    raise DerivativeError(
        f"{place_of(loss)}the loss {name_of(loss)} gives {described(error)}, and training needs one number. "
        f"Return {instead}."
    )


def _require_dependence(loss: Loss, error: Any, recorder: _Inspecting) -> None:
    """Refuse an error without a derivative, unless it is so on one of several ways through the code alone."""
    variable = error.variable if isinstance(error, Tracer) and error.recorder is recorder else None
    if variable in recorder.learned or recorder.asks:
        return
    how = (
        "depends on the outputs by steps alone (comparisons, rounding, argmax, whole numbers), whose "
        "derivative is zero"
        if variable in recorder.outputs
        else "does not depend on the outputs, its first argument"
    )
    raise DerivativeError(
        f"{place_of(loss)}the loss {name_of(loss)} {how}: nothing can be learned from it. Give one that "
        "changes smoothly with the outputs; what is only to be watched belongs in metrics."
    )
