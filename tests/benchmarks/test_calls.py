"""The benchmark of calls: gradients by hand are right, wrong results end it, it runs from end to end."""

import json

import numpy as np
import pytest

pytest.importorskip("autograd")
pytest.importorskip("jax")

import calls
from scipy.optimize import check_grad, rosen, rosen_der


def test_gradients_by_hand():
    x = np.random.default_rng(0).normal(size=7)
    np.testing.assert_allclose(calls.rosenbrock_gradient(x), rosen_der(x))
    assert calls.valley(*x[:2]) == pytest.approx(rosen(x[:2]))
    np.testing.assert_allclose(calls.valley_gradient(*x[:2]), rosen_der(x[:2]))
    wave = calls.wave(np)
    assert check_grad(lambda p: wave(*p), lambda p: calls.wave_gradient(*p), x[:2]) < 1e-6


def test_a_wrong_result_ends_the_program():
    contenders = {
        "wengert": calls.Contender(lambda x: x, (1.0,)),
        "Python": calls.Contender(lambda x: -x, (1.0,)),
    }
    with pytest.raises(SystemExit, match="Python disagrees"):
        calls.check(calls.Case("identity", 0, contenders))


def test_a_loop_calls_with_the_arguments():
    seen = []
    calls.looped(calls.Contender(lambda *given: seen.append(given), (1, 2)))()
    calls.looped(calls.Contender(lambda *given: seen.append(given), (3,)))()
    assert seen == [(1, 2)] * calls.LOOP + [(3,)] * calls.LOOP


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_runs_from_end_to_end(tmp_path, capsys):
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    calls.main(["--quick", "--only", "sine", "--json", str(numbers), "--plot", str(picture)])
    assert "gradient, two numbers, sine" in capsys.readouterr().out
    assert len(json.loads(numbers.read_text())["results"][0]["samples"]["wengert"]["seconds"]) == 5
    assert picture.read_bytes().startswith(b"\x89PNG")
