import copy
import pickle

import numpy as np
import pytest

import wengert as wg
from wengert import losses, nn, optim, train

rng = np.random.default_rng(0)


def test_every_activation_is_one_that_networks_know():
    assert {kind.activation for kind in losses.LIKELIHOODS.values()} <= set(nn.ACTIVATIONS)


def test_every_error_has_its_kind():
    homes = (losses.sum_of_squares.__module__, losses.hinge.__module__)
    public = [getattr(losses, name) for name in losses.__all__]
    errors = {f for f in public if getattr(f, "__module__", "") in homes}
    assert {loss if hasattr(loss, "__name__") else type(loss) for loss in losses.LOSSES.values()} == errors


@pytest.mark.parametrize("kind", ["number", "count", "two classes", "labels", "classes"])
def test_the_error_signal_of_a_pair_is_output_minus_target(kind):
    likelihood = losses.LIKELIHOODS[kind]
    a = rng.normal(size=(1, likelihood.units(3)))
    t = np.eye(a.shape[1])[:1]
    delta = wg.grad(likelihood.loss)(a, t)
    y = nn.activation_named(likelihood.activation)(a)
    share = {"number": 2 / 3, "classes": 1}.get(kind, 1 / a.size)  # the squares have no ½
    np.testing.assert_allclose(delta, share * (y - t), rtol=1e-12)


@pytest.mark.parametrize(("kind", "units"), [("number", 3), ("number with variance", 6), ("two classes", 1)])
def test_units(kind, units):
    assert losses.LIKELIHOODS[kind].units(3) == units


def test_errors_are_found_by_name():
    assert losses.loss_named("poisson") is losses.poisson
    assert losses.loss_named("gaussian_nll") == losses.GaussianNLL()
    assert losses.loss_named("binary_focal") == losses.BinaryFocal()
    assert losses.loss_named(np.hypot) is np.hypot
    with pytest.raises(ValueError, match="unknown loss 'xyz'; choose one of mean_squared_error, sum_of"):
        losses.loss_named("xyz")


def test_activations_are_found_by_error():
    assert losses.output_activation(losses.poisson) == "exponential"
    assert losses.output_activation(losses.Quantile((0.1, 0.9))) == "identity"
    assert losses.output_activation(losses.BinaryFocal(1.0)) == "logistic"
    assert losses.output_activation(lambda y, t: 0.0) == "identity"


PAIRS = [
    (losses.Huber(1), losses.Huber(np.float32(1.0)), losses.Huber(2)),
    (losses.Quantile([0.1, 0.9]), losses.Quantile((0.1, 0.9)), losses.Quantile(0.1)),
    (losses.GaussianNLL(), losses.GaussianNLL(1e-6), losses.GaussianNLL(1e-3)),
    (losses.SmoothedCrossEntropy(), losses.SmoothedCrossEntropy(0.1), losses.SmoothedCrossEntropy(0.2)),
    (losses.BinaryFocal(2), losses.BinaryFocal(2.0), losses.BinaryFocal(2.0, 0.5)),
    (losses.Focal(1), losses.Focal(1.0), losses.BinaryFocal(1.0)),
    (losses.L2(1), losses.L2(1.0), losses.L1(1.0)),
    (losses.ElasticNet(1, 0.5), losses.ElasticNet(1.0), losses.ElasticNet(1.0, 0.1)),
]


@pytest.mark.parametrize(("one", "same", "other"), PAIRS)
def test_equal_parameters_make_equal_errors(one, same, other):
    assert one == same and hash(one) == hash(same) and one != other
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one


def test_networks_with_equal_errors_share_their_programs():
    trainers = [
        train.Trainer(nn.MLP.init(np.random.default_rng(0), (1, 3, 1)), losses.Huber(d), optim.SGD(0.1), 4)
        for d in (0.5, 0.5, 1.0)
    ]
    first, second, other = (trainer.programs for trainer in trainers)
    assert first is second and first is not other
