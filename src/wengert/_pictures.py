"""Pictures as PNG bytes, the same bytes for the same numbers."""

import io
from collections.abc import Sequence


def learning_curve(
    training: Sequence[float], validation: Sequence[float], title: str, best: int | None = None
) -> bytes:
    """Training and validation error over the epochs, on a logarithmic scale where all errors are positive."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="error", title=title)
    _draw(axes, training, "training", "C0")
    _draw(axes, validation, "validation", "C1")
    if best:
        axes.axvline(best, color="0.5", linestyle=":", label=f"best epoch: {best}")
    if min([*training, *validation], default=0.0) > 0:
        axes.set_yscale("log")
    axes.grid(color="0.9")
    axes.legend()
    return _png(figure)


def _draw(axes: object, errors: Sequence[float], label: str, colour: str) -> None:
    if errors:
        axes.plot(range(1, len(errors) + 1), errors, color=colour, label=label)  # type: ignore[attr-defined]


def _png(figure: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # type: ignore[attr-defined]
    return buffer.getvalue()
