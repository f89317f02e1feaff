"""The benchmark of reading: every package gives the same arrays, and it runs from end to end."""

import json

import numpy as np
import pytest
import reading


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading")
    for name, write in reading.WRITERS.items():
        write(folder / f"{name}-200.csv", 200)
    return folder


@pytest.mark.parametrize("name", reading.WRITERS)
def test_packages_agree(files, name):
    arrays = {package: run(str(files / f"{name}-200.csv")) for package, run in reading.PACKAGES.items()}
    x, t = arrays["wengert"]
    assert x.dtype == np.float32
    for other, classes in arrays.values():
        np.testing.assert_allclose(other, x, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(classes, t)


def test_other_arrays_end_the_program():
    good = {"summary": [1000.0, 2.0]}
    reading.compare({"wengert": good, "pandas": {"summary": [1000.1, 2.0]}})
    with pytest.raises(SystemExit, match="pandas and wengert give different arrays"):
        reading.compare({"wengert": good, "pandas": {"summary": [1002.0, 2.0]}})


def test_from_end_to_end(files, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "ROWS", dict.fromkeys(reading.WRITERS, 200 * reading.QUICK))
    reading.main(["--quick", "--folder", str(files), "--json", str(tmp_path / "r.json")])
    out = capsys.readouterr().out
    assert "covertype" in out and "pandas" in out and "memory" in out
    results = json.loads((tmp_path / "r.json").read_text())["results"]
    assert [r["file"] for r in results] == list(reading.WRITERS)
