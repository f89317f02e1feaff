import io
import sys

from tests.train.helpers import HELD_OUT, run
from wengert.train import _progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def in_a_terminal(monkeypatch, **options):
    """What a training shows there, and its outcome."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return run(**options), sys.stderr.getvalue()


def test_silence_where_there_is_no_terminal(capsys):
    run()
    assert capsys.readouterr() == ("", "")


def test_lines_on_demand(capsys):
    result = run(progress=True, validation=HELD_OUT, epochs=30)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    first, last = result.curve.epochs[0], result.curve.epochs[-1]
    assert lines[0] == f"epoch 1/30  training {first.training:.4f}  validation {first.validation:.4f}"
    assert lines[-1].startswith(f"epoch 30/30  training {last.training:.4f}")


def test_ten_lines_of_many_epochs(capsys):
    run(progress=True, epochs=1000)
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == [
        f"{number}/1000" for number in range(100, 1001, 100)
    ]


def test_a_short_training_shows_nothing_in_a_terminal(monkeypatch):
    assert in_a_terminal(monkeypatch)[1] == ""


def test_a_long_training_shows_a_bar_in_a_terminal(monkeypatch):
    monkeypatch.setattr(_progress, "QUIET", 0.0)
    result, shown = in_a_terminal(monkeypatch, epochs=7, validation=HELD_OUT)
    assert "7/7" in shown
    assert f"training {result.curve.training[-1]:.4f}" in shown


def test_a_bar_on_demand(monkeypatch):
    assert "7/7" in in_a_terminal(monkeypatch, epochs=7, progress=True)[1]


def test_no_bar_on_demand(monkeypatch):
    monkeypatch.setattr(_progress, "QUIET", 0.0)
    assert in_a_terminal(monkeypatch, progress=False)[1] == ""
