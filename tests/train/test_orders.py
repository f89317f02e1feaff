"""Orders drawn ahead are the orders."""

import numpy as np
import pytest

from wengert import losses, nn
from wengert.train import _orders, fit
from wengert.train._orders import Drawing


@pytest.mark.parametrize("rows", [7, np.array([3, 1, 4])])
@pytest.mark.parametrize("worth", [1, 100])
def test_orders_are_those_of_the_generator(monkeypatch, rows, worth):
    monkeypatch.setattr(_orders, "WORTH_A_THREAD", worth)
    rng, drawing = np.random.default_rng(3), Drawing(np.random.default_rng(3), rows)
    for _ in range(4):
        np.testing.assert_array_equal(drawing.next(), rng.permutation(rows))
        assert drawing.position() == rng.bit_generator.state


def test_going_back(monkeypatch):
    monkeypatch.setattr(_orders, "WORTH_A_THREAD", 1)
    drawing = Drawing(np.random.default_rng(3), 9)
    drawing.next()
    position = drawing.position()
    expected = [drawing.next() for _ in range(3)]
    drawing.move_to(position)
    np.testing.assert_array_equal([drawing.next() for _ in range(3)], expected)


def test_a_training_is_resumed_where_orders_are_drawn_ahead(monkeypatch, tmp_path):
    monkeypatch.setattr(_orders, "WORTH_A_THREAD", 1)
    x = np.random.default_rng(0).normal(size=(50, 2))

    def run(path, epochs, **options):
        network = nn.MLP.init(np.random.default_rng(0), (2, 3, 2))
        loss, y = losses.mean_squared_error, np.sin(x)
        return fit(network, loss, x, y, epochs=epochs, checkpoint=tmp_path / path, **options)

    run("cut", 3)
    assert run("cut", 6, resume=True).network == run("whole", 6).network
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
