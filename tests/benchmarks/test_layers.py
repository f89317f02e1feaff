"""The networks that the benchmark of layers trains: both packages come to the same errors."""

import layers
import pytest

CASES = {case.name: case for case in layers.cases()}


@pytest.mark.parametrize("name", ["gelu", "batch norm", "layer norm", "embedding"])
def test_both_packages_agree(name, monkeypatch):
    monkeypatch.setattr(layers, "STEPS", 3)
    mine = layers.Wengert(CASES[name])
    peer = layers.Jax(CASES[name], mine.network)
    for _ in range(2):
        assert peer() == pytest.approx(mine(), rel=1e-4)
