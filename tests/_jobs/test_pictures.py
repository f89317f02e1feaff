"""Pictures, by what is drawn into the axes."""

from itertools import pairwise
from types import SimpleNamespace

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


def _of_evaluation(found, report, y, t):
    figure = Figure(figsize=(10, 4.4))
    places = figure.subplots(1, 2)
    for draw, axes in zip(pictures.of_evaluation(found, report, y, t), places, strict=True):
        draw(axes)
    figure.draw_without_rendering()
    return places


def _confused(classes):
    report = {
        "confusion": np.eye(len(classes), dtype=int).tolist(),
        "reliability": {"bins": [{"rows": 1, "probability": 0.5, "share": 0.5}], "calibration_error": 0.0},
    }
    found = SimpleNamespace(task="classification", classes=classes, targets=("t",))
    return _of_evaluation(found, report, None, None)[0].get_xticklabels()


def test_names_of_classes_fit_below_the_matrix():
    assert {label.get_rotation() for label in _confused(tuple("0123456789"))} == {0}
    long = _confused(("versicolor of the north", "virginica"))
    assert [label.get_text() for label in long] == ["versico…he north", "virginica"]
    many = _confused(tuple(f"class {i}" for i in range(12)))
    assert {label.get_rotation() for label in many} == {45}


def test_every_target_has_its_colour():
    y, t = np.random.default_rng(0).normal(size=(2, 50, 2))
    found = SimpleNamespace(task="regression", targets=("height", "weight"))
    for axes in _of_evaluation(found, {}, y, t):
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["height", "weight"]
        first, second = (points.get_facecolor() for points in axes.collections)
        assert not np.allclose(first, second)
    one = SimpleNamespace(task="regression", targets=("height",))
    assert _of_evaluation(one, {}, y[:, 0], t[:, 0])[0].get_legend() is None
