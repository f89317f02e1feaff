"""Pictures as PNG bytes, the same bytes for the same numbers."""

import io
from collections.abc import Mapping
from typing import Any

Lines = Mapping[str, Mapping[int, float]]


def learning_curve(lines: Lines, title: str, best: int | None = None) -> bytes:
    """The errors by name and epoch as a picture of its own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    draw_learning_curve(figure.add_subplot(), lines, title, best)
    return _png(figure)


def draw_learning_curve(axes: Any, lines: Lines, title: str, best: int | None = None) -> None:
    """The errors by name over the epochs, on a logarithmic scale where all are positive."""
    for number, (name, line) in enumerate(lines.items()):
        axes.plot(list(line), list(line.values()), color=f"C{number}", label=name)
    if best:
        axes.axvline(best, color="0.5", linestyle=":", label=f"best epoch: {best}")
    if min((error for line in lines.values() for error in line.values()), default=0.0) > 0:
        axes.set_yscale("log")
        _write_numbers_plainly(axes.yaxis)
    axes.set(xlabel="epoch", ylabel="error", title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="0.9")
    axes.legend()


def _write_numbers_plainly(axis: Any) -> None:
    """On a logarithmic axis 0.05 for 5×10⁻², at the same places."""
    from matplotlib.ticker import LogFormatterSciNotation

    class Plain(LogFormatterSciNotation):
        def __call__(self, x: float, pos: Any = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain(labelOnlyBase=False))


def new_axes() -> Any:
    """Axes in a new figure that ``matplotlib.pyplot`` knows of."""
    import matplotlib.pyplot

    return matplotlib.pyplot.subplots(layout="constrained")[1]


def _png(figure: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # type: ignore[attr-defined]
    return buffer.getvalue()
