"""Networks of PyTorch, by stand-ins for its modules, and its arrays, by what PyTorch itself has written."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.exchange.helpers import FIXTURES, generator
from wengert import nn
from wengert.errors import ExchangeError
from wengert.exchange import from_onnx, from_torch, to_torch_state_dict

STATES = np.load(FIXTURES / "torch_states.npz")
MODELS = sorted({name.partition("/")[0] for name in STATES})


class Tensor:
    """What is asked of a tensor."""

    def __init__(self, value):
        self.value = value

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.value


def module(name, **fields):
    tensors = {key: Tensor(v) if isinstance(v, np.ndarray) else v for key, v in fields.items()}
    return type(name, (SimpleNamespace,), {})(**tensors)


def sequential(*modules):
    return type("Sequential", (list,), {})(modules)


def state(name):
    found = {key.partition("/")[2]: STATES[key] for key in STATES if key.startswith(name + "/")}
    return found.pop("x"), found.pop("y"), found


@pytest.mark.parametrize("name", MODELS)
def test_a_state_dict_goes_there_and_back(name):
    x, y, arrays = state(name)
    template = from_onnx(FIXTURES / f"torch_script_{name}.onnx")
    network = from_torch({key: Tensor(value) for key, value in arrays.items()}, template)
    np.testing.assert_allclose(network(x), y, rtol=1e-5, atol=1e-6)
    found = to_torch_state_dict(network)
    trained = {key: value for key, value in arrays.items() if "num_batches" not in key}
    assert [v.shape for k, v in found.items() if "num_batches" not in k] == [
        v.shape for v in trained.values()
    ]
    for one, other in zip(
        [v for k, v in found.items() if "num_batches" not in k], trained.values(), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["sigmoids", "rectifiers", "double"])
def test_names_are_those_of_pytorch(name):
    _, _, arrays = state(name)
    network = from_torch(arrays, from_onnx(FIXTURES / f"torch_script_{name}.onnx"))
    assert list(to_torch_state_dict(network)) == list(arrays)


def test_modules_become_layers():
    rng = generator()
    w, v, b, r = rng.normal(size=(4, 3)), rng.normal(size=(4, 4)), rng.normal(size=4), abs(rng.normal(size=4))
    model = sequential(
        module("Flatten"),
        module("Linear", weight=w, bias=b),
        module("ReLU"),
        module("BatchNorm1d", weight=b, bias=b, running_mean=b, running_var=r, eps=1e-3, momentum=0.2),
        sequential(module("Linear", weight=v, bias=None), module("LeakyReLU", negative_slope=0.3)),
        module("Dropout", p=0.25),
        module("LayerNorm", weight=b, bias=b, eps=1e-4, normalized_shape=(4,)),
        module("GELU", approximate="none"),
        module("PReLU", weight=b),
        module("Linear", weight=v, bias=b),
        module("Softmax", dim=1),
    )
    network = from_torch(model)
    inner = nn.Sequential((nn.Dense(v.T, None, nn.activation_named("leaky_relu", slope=0.3)),))
    wanted = (
        nn.Dense(w.T, b, nn.relu),
        nn.BatchNorm(b, b, b, r, 0.2, 1e-3),
        inner,
        nn.Dropout(0.25),
        nn.LayerNorm(b, b, 1e-4),
        nn.Function(nn.gelu),
        nn.PReLU(b),
        nn.Dense(v.T, b, nn.softmax),
    )
    assert network.layers[1:] == wanted
    assert network(rng.normal(size=(2, 3))).shape == (2, 4)


def test_arrays_are_our_own():
    w = np.ones((2, 2))
    network = from_torch(sequential(module("Linear", weight=w, bias=None)))
    w[:] = 7
    assert np.array_equal(network.layers[0].weights, np.ones((2, 2)))


@pytest.mark.parametrize(
    "bad, message",
    [
        (module("Conv2d"), r"Sequential\[0\] \(Conv2d\): the module Conv2d makes no layer here"),
        (module("Softmax", dim=0), "it goes along axis 0; set dim=-1"),
        (module("Softplus", beta=2), "its beta is 2"),
        (module("Hardtanh", min_val=0, max_val=6), "cut at 0 and 6"),
        (module("BatchNorm1d", running_mean=None, running_var=None), "without running statistics"),
        (module("LayerNorm", normalized_shape=(2, 3)), "over several axes"),
        (module("Linear", weight=3), "its weight is no tensor but a int"),
    ],
)
def test_modules_that_are_refused(bad, message):
    with pytest.raises(ExchangeError, match=message):
        from_torch(sequential(bad))


def test_state_dicts_that_do_not_fit():
    network = nn.MLP.init(generator(), (2, 3, 1))
    arrays = to_torch_state_dict(network)
    with pytest.raises(ExchangeError, match="has arrays and no layers; give a network"):
        from_torch(arrays)
    with pytest.raises(ExchangeError, match="no arrays left for Dense"):
        from_torch({k: v for k, v in arrays.items() if k.startswith("0")}, network)
    with pytest.raises(ExchangeError, match="no layer of the network is left for '5'"):
        from_torch({**arrays, "5.weight": np.ones(3)}, network)
    with pytest.raises(
        ExchangeError, match=r"'0' of the state dict has bias, and Dense.* needs weight, bias"
    ):
        from_torch({k: v for k, v in arrays.items() if k != "0.weight"}, network)
    with pytest.raises(
        ExchangeError, match=r"weights of Dense.* has the shape \(2, 3\), and what is given \(5, 3\)"
    ):
        from_torch({**arrays, "0.weight": np.ones((3, 5))}, network)


def test_networks_that_are_no_row():
    with pytest.raises(ExchangeError, match="Residual is no row of layers"):
        to_torch_state_dict(nn.Residual(nn.Dense.init(generator(), 2, 2)))
