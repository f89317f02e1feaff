"""Pictures of what a model is and how good it is, each drawn into Matplotlib's axes."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import nn
from wengert.models import Model

Array = np.ndarray
Draw = Callable[[Any], None]
MANY_CLASSES = 30  # beyond which numbers in a confusion matrix cannot be read
MANY_POINTS = 5000
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
        return [lambda axes: _predicted(axes, y, t), lambda axes: _residuals(axes, y, t)]
    confusion = [lambda axes: _confusion(axes, report["confusion"], model.classes)]
    found = confusion if "confusion" in report else []
    return [*found, lambda axes: _reliability(axes, report["reliability"])]


def _confusion(axes: Any, table: list[list[int]], classes: Sequence[str]) -> None:
    counts = np.array(table)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= MANY_CLASSES:
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        for (i, j), count in np.ndenumerate(counts):
            axes.text(j, i, str(count), ha="center", va="center", color="w" if shares[i, j] > 0.5 else "k")
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")


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


def _some(y: Array, t: Array) -> tuple[Array, Array]:
    """The pairs, or evenly spread ones of them where there are too many to be seen."""
    y, t = y.ravel(), t.ravel()
    chosen = np.unique(np.linspace(0, len(y) - 1, min(len(y), MANY_POINTS)).astype(int))
    return y[chosen], t[chosen]


def _predicted(axes: Any, y: Array, t: Array) -> None:
    y, t = _some(y, t)
    ends = [min(y.min(), t.min()), max(y.max(), t.max())]
    axes.plot(ends, ends, color="0.7", linestyle=":")
    axes.scatter(y, t, s=8, alpha=0.5, linewidths=0)
    axes.set(xlabel="predicted", ylabel="true", title="Predictions")
    axes.grid(color="0.9")
    axes.set_axisbelow(True)


def _residuals(axes: Any, y: Array, t: Array) -> None:
    y, t = _some(y, t)
    axes.axhline(0, color="0.7", linestyle=":")
    axes.scatter(y, t - y, s=8, alpha=0.5, linewidths=0)
    axes.set(xlabel="predicted", ylabel="true - predicted", title="Residuals")
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
