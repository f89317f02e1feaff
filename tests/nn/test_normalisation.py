from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wengert as wg
from tests.nn.helpers import TORCH, generator, weighted
from wengert import nn
from wengert.errors import MismatchError

LAYERS = TORCH["layers"]
SCALE, SHIFT = np.array([1.5, 0.5, 2.0]), np.array([0.1, -0.2, 0.3])


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def batch_norm():
    return replace(nn.BatchNorm.init(3, momentum=0.3), scale=SCALE, shift=SHIFT)


def gradients(layer, x):
    return wg.grad(lambda layer, x: weighted(nn.forward(layer, x)[0]), argnums=(0, 1))(layer, x)


def test_batch_norm_is_that_of_torch_over_several_batches():
    layer = batch_norm()
    for seen in LAYERS["batch_norm"]:
        x = np.array(seen["x"])
        by_layer, by_inputs = gradients(layer, x)
        y, layer = layer.forward(x)
        for found, name in [
            (y, "y"),
            (by_inputs, "dx"),
            (by_layer.scale, "dweight"),
            (by_layer.shift, "dbias"),
            (layer.mean, "running_mean"),
            (layer.variance, "running_var"),
        ]:
            close(found, seen[name])
    close(layer(np.array(LAYERS["batch_norm_predicts"][0]["x"])), LAYERS["batch_norm_predicts"][0]["y"])


def test_layer_norm_is_that_of_torch():
    (seen,) = LAYERS["layer_norm"]
    layer, x = nn.LayerNorm(SCALE, SHIFT), np.array(seen["x"])
    by_layer, by_inputs = gradients(layer, x)
    for found, name in [
        (layer(x), "y"),
        (by_inputs, "dx"),
        (by_layer.scale, "dweight"),
        (by_layer.shift, "dbias"),
    ]:
        close(found, seen[name])


def test_layer_norm_is_its_formula_in_jax():
    def formula(x):
        mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
        return jnp.sum(jnp.sin(SCALE * (x - mean) / jnp.sqrt(variance + 1e-5) + SHIFT))

    x = generator().normal(size=(4, 3)).astype(np.float32)
    layer = nn.LayerNorm(SCALE.astype(np.float32), SHIFT.astype(np.float32))
    found = wg.grad(lambda x: np.sum(np.sin(layer(x))))(x)
    np.testing.assert_allclose(found, jax.grad(formula)(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [batch_norm(), nn.LayerNorm(SCALE, SHIFT)])
def test_gradients_are_those_of_central_differences(layer):
    x = generator().normal(size=(5, 3))
    wg.check_gradients(
        lambda w, x: weighted(np.sin(nn.forward(nn.replaced(layer, w), x)[0])), (nn.parameters(layer), x)
    )


def test_one_pattern_has_no_variance():
    layer, x = batch_norm(), np.array([[1.0, 2.0, 3.0]])
    y, after = layer.forward(x)
    assert after is layer
    np.testing.assert_array_equal(y, layer(x))
    np.testing.assert_array_equal(layer.forward(x[0])[0], layer(x[0]))


def test_running_statistics_are_not_trained():
    assert list(nn.parameters(batch_norm())) == ["scale", "shift"]
    assert list(nn.state(batch_norm())) == ["scale", "shift", "mean", "variance"]


@pytest.mark.parametrize("kind", [nn.BatchNorm, nn.LayerNorm])
def test_single_precision_is_kept(kind):
    y, after = nn.forward(kind.init(3, np.float32), generator().normal(size=(5, 3)).astype(np.float32))
    assert {y.dtype, *(a.dtype for a in nn.state(after).values())} == {np.dtype(np.float32)}


def test_images_are_normalised_over_all_but_the_last_axis():
    x = generator().normal(size=(4, 5, 3))
    y, after = batch_norm().forward(x)
    flat, same = batch_norm().forward(x.reshape(20, 3))
    close(y.reshape(20, 3), flat)
    close(after.variance, same.variance)


@pytest.mark.parametrize("layer", [batch_norm(), nn.LayerNorm(SCALE, SHIFT)])
def test_a_wrong_number_of_units_is_refused(layer):
    with pytest.raises(
        MismatchError, match=r"cannot take inputs of shape \(5, 4\); give \(3,\) for one pattern"
    ):
        nn.forward(layer, np.ones((5, 4)))
