"""Pictures, by what is drawn into the axes."""

from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from tests.nn.helpers import every_layer
from wengert import nn
from wengert._jobs import pictures


def _drawn(network):
    figure = Figure(figsize=(5.4, 4.4))
    axes = figure.add_subplot()
    pictures.of_network(network)(axes)
    figure.draw_without_rendering()
    return axes.texts


def test_layers_from_the_top_down_with_their_arrays():
    texts = _drawn(nn.MLP.init(np.random.default_rng(0), (13, 64, 3), "relu"))
    assert [text.get_text() for text in texts] == [
        "layers.0 Dense 13×64, 64, relu",
        "layers.1 Dense 64×3, 3, identity",
    ]
    assert texts[0].get_window_extent().y0 > texts[1].get_window_extent().y1


def test_many_layers_do_not_cover_each_other():
    texts = _drawn(every_layer())
    extents = [text.get_window_extent() for text in texts]
    assert len(texts) == pictures.MANY_LAYERS + 1 and texts[-1].get_text().endswith(" more")
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(extents))


def test_errors_are_written_plainly():
    for errors, expected in (
        ([0.54, 0.5, 0.44], "0.48"),
        ([0.5, 0.05, 0.01], "0.1"),
        ([3e-7, 1e-8], "1e-07"),
    ):
        axes = Figure(figsize=(5.4, 4.4)).add_subplot()
        pictures.of_curve(errors, [], None)(axes)
        axes.figure.draw_without_rendering()
        ticks = [t.get_text() for t in axes.get_yticklabels() + axes.get_yticklabels(minor=True)]
        assert expected in ticks
        assert not any("$" in text for text in ticks)
