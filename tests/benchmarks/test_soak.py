"""Random programs give the same by native code and by the interpreter; the soak sees if they do not."""

import numpy as np
import pytest
import soak
from _programs import program


@pytest.mark.parametrize("start", range(0, 160, 20))
def test_random_programs(start):
    assert soak.main(["--start", str(start), "--count", "20"]) == 0


@pytest.mark.parametrize("options", [["--host", "sse2"], ["--host", "portable"], ["--threads"]])
def test_random_programs_otherwise(options):
    assert soak.main(["--start", "500", "--count", "15", *options]) == 0


def test_a_program_is_the_same_whenever_it_is_made():
    for seed in range(5):
        (f, arguments), (again, _) = program(seed), program(seed)
        for one, other in zip(f(*arguments), again(*arguments), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_wrong_result_is_seen(monkeypatch, capsys):
    right = soak.run
    monkeypatch.setattr(soak, "run", lambda *args: [x + np.asarray(0.01, x.dtype) for x in right(*args)])
    assert soak.main(["--start", "3", "--count", "1"]) == 1
    assert "1 failed" in capsys.readouterr().out


@pytest.mark.parametrize("seed", [23251, 98425])  # single eigenvalues of matrices of deficient rank
def test_an_ill_conditioned_program_is_measured_by_what_rounding_does_to_it(seed):
    assert not soak.has_failed(soak.tried(seed))
