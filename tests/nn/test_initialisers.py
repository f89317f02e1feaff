import numpy as np
import pytest

from wengert import nn

VARIANCES = {
    "glorot": 2 / 800,
    "glorot_normal": 2 / 800,
    "he": 2 / 300,
    "he_uniform": 2 / 300,
    "lecun": 1 / 300,
    "lecun_uniform": 1 / 300,
    "uniform": 1 / 3,
    "zeros": 0,
}
bounded = [name for name in VARIANCES if name in ("glorot", "uniform") or name.endswith("_uniform")]
normal = ["glorot_normal", "he", "lecun"]


def draw(name, inputs=300, outputs=500):
    return nn.INITIALISERS[name](np.random.default_rng(0), inputs, outputs)


@pytest.mark.parametrize("name", sorted({*nn.INITIALISERS} - {"zeros", "orthogonal"}))
def test_mean_variance_and_shape(name):
    weights = draw(name)
    assert weights.shape == (300, 500)
    assert weights.var() == pytest.approx(VARIANCES[name], rel=0.02)
    assert abs(weights.mean()) < 4 * (VARIANCES[name] / weights.size) ** 0.5


@pytest.mark.parametrize("name", bounded)
def test_uniform_ones_fill_their_range(name):
    weights, radius = draw(name), (3 * VARIANCES[name]) ** 0.5
    assert -radius <= weights.min() < -0.999 * radius
    assert 0.999 * radius < weights.max() < radius


@pytest.mark.parametrize("name", normal)
def test_normal_ones_have_the_share_of_a_normal_distribution_within_one_deviation(name):
    assert np.mean(abs(draw(name)) < VARIANCES[name] ** 0.5) == pytest.approx(0.6827, abs=0.005)


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 3), (3, 5), (4, 4)])
def test_orthogonal_ones_are(inputs, outputs):
    w = draw("orthogonal", inputs, outputs)
    product = w.T @ w if inputs >= outputs else w @ w.T
    np.testing.assert_allclose(product, np.eye(min(inputs, outputs)), atol=1e-14)
    assert np.mean(w**2) == pytest.approx(1 / max(inputs, outputs))


def test_orthogonal_ones_have_no_preferred_sign():
    rng = np.random.default_rng(0)
    corners = [nn.orthogonal(rng, 2, 2)[0, 0] for _ in range(400)]
    assert abs(np.mean(corners)) < 4 * 0.5**0.5 / 20


def test_zeros_warn_that_units_stay_alike():
    with pytest.warns(UserWarning, match="4 units that start with equal weights get equal derivatives"):
        assert not draw("zeros", 3, 4).any()
    assert draw("zeros", 3, 1).tolist() == [[0.0]] * 3
    with pytest.warns(UserWarning, match="stay alike") as found:
        nn.MLP.init(np.random.default_rng(0), (2, 4, 1), initialiser="zeros")
    assert [warning.filename for warning in found] == [__file__]


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown initialiser 'glorott'; did you mean 'glorot'\? Choose one"
    ):
        nn.initialiser_named("glorott")
    with pytest.raises(
        ValueError,
        match=r"unknown initialiser 'xavier'; did you mean 'glorot'\? Choose one of glorot",
    ):
        nn.initialiser_named("xavier")


@pytest.mark.parametrize(
    ("activation", "variance"),
    [("relu", 2 / 400), ("elu(alpha=0.5)", 2 / 400), ("gelu", 2 / 400), ("selu", 1 / 400),
     ("tanh", 2 / 500), (np.sin, 2 / 500)],
)  # fmt: skip
def test_the_activation_chooses(activation, variance):
    layer = nn.Dense.init(np.random.default_rng(0), 400, 100, activation)
    assert layer.weights.var() == pytest.approx(variance, rel=0.03)


def test_every_initialiser_is_public():
    assert all(getattr(nn, name) is f and name in nn.__all__ for name, f in nn.INITIALISERS.items())
