import matplotlib

from wengert.train import Epoch, LearningCurve

CURVE = LearningCurve(
    [Epoch(1, 2.0, 3.0, {"accuracy": 0.5}), Epoch(2, 1.0), Epoch(3, 0.5, 2.75, {"accuracy": 0.75})]
)


def test_errors_by_name():
    assert CURVE.training == [2, 1, 0.5]
    assert CURVE.validation == [3, 2.75]
    assert CURVE.metrics == {"accuracy": [0.5, 0.75]}
    assert LearningCurve().metrics == {}


def test_a_table():
    assert repr(CURVE).splitlines() == [
        "epoch  training  validation  accuracy",
        "    1    2.0000      3.0000    0.5000",
        "    2    1.0000                      ",
        "    3    0.5000      2.7500    0.7500",
    ]


def test_a_long_table_shows_some_epochs():
    rows = repr(LearningCurve([Epoch(i, 1e-9 * i) for i in range(1, 101)])).splitlines()
    assert len(rows) == 9
    assert [row.split() for row in (rows[1], rows[-1])] == [["1", "1.000e-09"], ["100", "1.000e-07"]]


def test_a_plot(monkeypatch):
    matplotlib.use("Agg")
    axes = CURVE.plot(best=3)
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines["training"] == [[1, 2], [2, 1], [3, 0.5]]
    assert lines["validation"] == [[1, 3], [3, 2.75]]
    assert "best epoch: 3" in lines
    assert axes.get_yscale() == "log"
    assert CURVE.plot(axes) is axes
    matplotlib.pyplot.close(axes.figure)


def test_epochs_are_counted_in_whole_numbers():
    axes = matplotlib.figure.Figure().add_subplot()
    LearningCurve([Epoch(i, 1 / i) for i in range(1, 19)]).plot(axes)
    assert [tick % 1 for tick in axes.get_xticks()] == [0] * len(axes.get_xticks())
