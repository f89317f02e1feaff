"""Memory of training is measured in a process of its own, against what there must be."""

import sys

import memory
import pytest
from _networks import SIX


def test_what_there_must_be():
    network = SIX[1]  # 4-50-3, 32
    weights, activations = 4 * 50 + 50 + 50 * 3 + 3, 32 * (4 + 50 + 3)
    assert memory.needed(network) == 4 * (3 * weights + activations)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is that of Linux")
def test_a_process_says_what_it_finds():
    found = memory.in_a_process("fit", SIX[3].name, 1)
    assert memory.needed(SIX[3]) < found < 100 * memory.MEGABYTE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is that of Linux")
def test_the_peak_of_some_work_is_seen():
    def work():
        return len(bytes([1]) * (20 * memory.MEGABYTE))

    assert 19 * memory.MEGABYTE < memory.peak_of(work) < 40 * memory.MEGABYTE


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(
        memory, "in_a_process", lambda name, network, epochs: None if name == "PyTorch" else 10
    )
    row = memory.row(memory.result(SIX[0], 1))
    assert row[3] == "-"
    assert row[-1] == "1.00"
