r"""Draws the picture of the tour: the course of a training, as ``plot_learning_curve`` shows it.

python docs/learning_curve.py        writes docs/learning-curve-light.svg and docs/learning-curve-dark.svg
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

import wengert as wg

# Text and frame of each appearance; the background is left to the page.
COLOURS = {"light": "#1f2328", "dark": "#f0f6fc"}
COLOURED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
    "legend.labelcolor",
)


def model() -> wg.MLPClassifier:
    """That of the tour, ended when the score of patterns kept aside no longer improves."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2))
    y = np.where(x[:, 0] * x[:, 1] > 0, "alike", "unlike")
    options = {"learning_rate_init": 0.01, "early_stopping": True, "max_iter": 300, "random_state": 0}
    return wg.MLPClassifier((16, 8), **options).fit(x, y)


def picture(trained: wg.MLPClassifier) -> Figure:
    """The error of training, and beside it the score of the patterns kept aside."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    trained.plot_learning_curve(axes)
    return figure


def main(folder: Path = Path(__file__).parent) -> None:
    """Write the picture in both appearances."""
    trained = model()
    for name, colour in COLOURS.items():
        style = dict.fromkeys(COLOURED, colour) | {"svg.hashsalt": "wengert", "legend.framealpha": 0}
        with matplotlib.rc_context(style):
            file = folder / f"learning-curve-{name}.svg"
            picture(trained).savefig(file, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
