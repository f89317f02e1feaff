"""Pictures of what a model is and how good it is, each drawn into Matplotlib's axes."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert import nn
from wengert.models import Model

Array = np.ndarray
Draw = Callable[[Any], None]
Points = Mapping[str, tuple[Array, Array]]
MANY_CLASSES = 30  # beyond which numbers in a confusion matrix cannot be read
MANY_POINTS = 5000
LETTERS, LETTERS_BELOW = 16, 30  # of the name of a class, and of all that stand below a picture
MANY_LAYERS = 16


def drawn(pictures: Sequence[Draw], kind: str = "png") -> bytes:
    """The pictures side by side, the same bytes for the same numbers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4 * len(pictures), 4.4), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    with mpl.rc_context({"svg.hashsalt": "wengert"}):
        for draw, place in zip(pictures, axes):
            place.set_axisbelow(True)
            draw(place)
        buffer = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None}
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


# --------------------------------------------------------------------------------------- evaluation


def of_evaluation(model: Model, report: dict[str, Any], y: Array, t: Array) -> list[Draw]:
    """The pictures that go with a task."""
    if model.task == "regression":
        points = _by_target(model, y, t)
        return [lambda axes: _predicted(axes, points), lambda axes: _residuals(axes, points)]
    confusion = [lambda axes: _confusion(axes, report["confusion"], model.classes)]
    found = confusion if "confusion" in report else []
    return [*found, lambda axes: _reliability(axes, report["reliability"])]


def _confusion(axes: Any, table: list[list[int]], classes: Sequence[str]) -> None:
    counts = np.array(table)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= MANY_CLASSES:
        _name_classes(axes, [_cut(name) for name in classes])
        size = min(10, 120 / len(classes))
        for (i, j), count in np.ndenumerate(counts):
            color = "w" if shares[i, j] > 0.5 else "k"
            axes.text(j, i, str(count), ha="center", va="center", color=color, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")


def _name_classes(axes: Any, names: Sequence[str]) -> None:
    """At both axes, aslant below where they would not fit beside one another."""
    slant = {"rotation": 45, "ha": "right"} if sum(map(len, names)) > LETTERS_BELOW else {}
    axes.set_xticks(range(len(names)), names, **slant)
    axes.set_yticks(range(len(names)), names)


def _cut(name: str) -> str:
    """A long name with its beginning and its end, by which it may be told from others."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS // 2 - 1]}…{name[-LETTERS // 2 :]}"


def _reliability(axes: Any, found: dict[str, Any]) -> None:
    bins = found["bins"]
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axes.plot([b["probability"] for b in bins], [b["share"] for b in bins], marker="o", clip_on=False)
    error = found["calibration_error"]
    axes.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="probability given", ylabel="share that it came to",
        title=f"Reliability (calibration error {error:.3f})",
    )  # fmt: skip
    axes.grid(color="0.9")
    axes.set_axisbelow(True)


def _by_target(model: Model, y: Array, t: Array) -> Points:
    """Predictions and true values of each target."""
    columns = zip(y.reshape(len(y), -1).T, t.reshape(len(t), -1).T)
    return {name: _some(*pair) for name, pair in zip(model.targets, columns)}


def _some(y: Array, t: Array) -> tuple[Array, Array]:
    """The pairs, or evenly spread ones of them where there are too many to be seen."""
    chosen = np.unique(np.linspace(0, len(y) - 1, min(len(y), MANY_POINTS)).astype(int))
    return y[chosen], t[chosen]


def _predicted(axes: Any, found: Points) -> None:
    values = np.concatenate([part for pair in found.values() for part in pair])
    ends = [values.min(), values.max()]
    axes.plot(ends, ends, color="0.7", linestyle=":")
    _scattered(axes, found)
    axes.set(xlabel="predicted", ylabel="true", title="Predictions")


def _residuals(axes: Any, found: Points) -> None:
    axes.axhline(0, color="0.7", linestyle=":")
    _scattered(axes, {name: (y, t - y) for name, (y, t) in found.items()})
    axes.set(xlabel="predicted", ylabel="true - predicted", title="Residuals")


def _scattered(axes: Any, found: Points) -> None:
    """Points, those of each target in a colour of their own."""
    for name, (x, y) in found.items():
        axes.scatter(x, y, s=8, alpha=0.5, linewidths=0, label=_cut(name))
    if len(found) > 1:
        axes.legend()
    axes.grid(color="0.9")
    axes.set_axisbelow(True)


# ------------------------------------------------------------------------------------------ network


def of_network(network: Any) -> Draw:
    """The layers of a network from top to bottom, each with its kind and the shapes of its arrays."""
    labels = [_label(part) for part in nn.parts(network)]
    shown = (
        labels
        if len(labels) <= MANY_LAYERS
        else [*labels[:MANY_LAYERS], f"and {len(labels) - MANY_LAYERS} more"]
    )

    def draw(axes: Any) -> None:
        axes.axis("off")
        axes.set(xlim=(0, 1), ylim=(max(1, len(shown)), 0), title="Layers, from the inputs down")
        box = {"boxstyle": "round", "facecolor": "w"}
        for place, label in enumerate(shown):
            axes.text(0.5, place + 0.5, label, ha="center", va="center", fontsize=9, bbox=box, zorder=2)
        axes.plot([0.5, 0.5], [0.5, len(shown) - 0.5], color="0.6", zorder=1)

    return draw


def _label(part: Any) -> str:
    """``layers.0 Dense 64×32, 32, relu``."""
    shapes = ["×".join(map(str, np.shape(array))) or "1" for array in part.arrays.values()]
    function = getattr(part.layer, "activation", getattr(part.layer, "function", None))
    named = [] if function is None else [getattr(function, "__name__", repr(function))]
    return f"{part.name} {type(part.layer).__name__} {', '.join([*shapes, *named])}".strip()


def of_curve(training: Sequence[float], validation: Sequence[float], best: int | None) -> Draw:
    """The learning curve."""
    from wengert._pictures import draw_learning_curve

    errors = {"training": training, "validation": validation}
    lines = {name: dict(enumerate(line, start=1)) for name, line in errors.items() if line}
    return lambda axes: draw_learning_curve(axes, lines, "Learning curve", best)
