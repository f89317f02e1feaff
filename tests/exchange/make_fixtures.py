"""Write `fixtures/`: networks as PyTorch and scikit-learn export them, with inputs and outputs.

Run it where the packages are installed (torch, onnx, onnxscript; scikit-learn, skl2onnx), once for each
group: ``python tests/exchange/make_fixtures.py torch``. The tests read the files alone.
"""

import io
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "fixtures"


def keep(name: str, content: bytes, x: np.ndarray, y: np.ndarray) -> None:
    """A model with what it gives for an input."""
    (FOLDER / f"{name}.onnx").write_bytes(stripped(content))
    np.savez(FOLDER / f"{name}.npz", x=x, y=y)


def stripped(content: bytes) -> bytes:
    """Without what exporters note about the place they ran in."""
    import onnx

    model = onnx.load_from_string(content)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    return model.SerializeToString()


# --- PyTorch ------------------------------------------------------------------------------------------------


def torch_models():
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.block, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(10, 2)

        def forward(self, x):
            h = torch.relu(self.first(x))
            h = h + torch.tanh(self.block(h))
            return torch.softmax(self.last(torch.cat([h, x], dim=1)), dim=1)

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.randn(4))
            self.register_buffer("scale", torch.rand(4) + 0.5)
            self.last = nn.Linear(4, 1)

        def forward(self, x):
            return self.last((x - self.mean) / self.scale).exp() * 2

    sigmoids = [nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Sigmoid(), nn.Linear(5, 5), nn.Softsign()]
    rectifiers = [nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.SELU(), nn.Softplus(), nn.PReLU(5)]
    smooth = [
        nn.GELU(),
        nn.GELU(approximate="tanh"),
        nn.SiLU(),
        nn.Mish(),
        nn.Hardtanh(),
        nn.LogSoftmax(dim=1),
    ]
    normal = [
        nn.Linear(4, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.LayerNorm(6),
        nn.Linear(6, 3),
    ]
    return {
        "sigmoids": nn.Sequential(*sigmoids),
        "rectifiers": nn.Sequential(
            *[m for h in rectifiers for m in (nn.Linear(5 if h is not rectifiers[0] else 4, 5), h)]
        ),
        "smooth": nn.Sequential(*[m for h in smooth for m in (nn.Linear(4, 4), h)]),
        "normalised": _with_statistics(nn.Sequential(*normal)),
        "unbiased": nn.Sequential(
            nn.Flatten(), nn.Linear(4, 3, bias=False), nn.Identity(), nn.Softmax(dim=-1)
        ),
        "residual": Residual(),
        "scaled": Scaled(),
        "double": nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double(),
    }


def _with_statistics(network):
    import torch

    network.train()
    for _ in range(3):
        network(torch.randn(16, 4) * 2 + 1)
    return network


def write_torch() -> None:
    """Each network by both exporters, and the arrays of the sequential ones as a state dict."""
    import torch

    states = {}
    for name, network in torch_models().items():
        network.eval()
        x = torch.randn(5, 4, dtype=next(network.parameters()).dtype)
        y = network(x).detach().numpy()
        for form, options in (
            ("script", {"dynamo": False, "opset_version": 17}),
            ("dynamo", {"dynamo": True}),
        ):
            buffer = io.BytesIO()
            batch = (
                {"dynamic_shapes": ({0: "rows"},)}
                if options["dynamo"]
                else {"dynamic_axes": {"x": {0: "rows"}}}
            )
            out = torch.onnx.export(
                network, (x,), None if options["dynamo"] else buffer, input_names=["x"], **batch, **options
            )
            content = out.model_proto.SerializeToString() if options["dynamo"] else buffer.getvalue()
            keep(f"torch_{form}_{name}", content, x.numpy(), y)
        if isinstance(network, torch.nn.Sequential):
            states |= {f"{name}/{key}": value.numpy() for key, value in network.state_dict().items()}
            states |= {f"{name}/x": x.numpy(), f"{name}/y": y}
    np.savez(FOLDER / "torch_states.npz", **states)


# --- scikit-learn -------------------------------------------------------------------------------------------


def write_sklearn() -> None:
    """Classifiers of two and of three classes, a regressor, and a pipeline with a scaler."""
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    settings = {"hidden_layer_sizes": (5,), "max_iter": 30, "random_state": 0}
    total = x[:, 0] + x[:, 1] * x[:, 2]
    models = {
        "two": (MLPClassifier(activation="tanh", **settings), total > 0),
        "three": (MLPClassifier(**settings), np.digitize(total, [-0.5, 0.5])),
        "number": (MLPRegressor(activation="logistic", **settings), total),
        "pipeline": (
            make_pipeline(StandardScaler(), MLPClassifier(**settings)),
            np.digitize(total, [-0.5, 0.5]),
        ),
    }
    for name, (model, target) in models.items():
        model.fit(x, target)
        options = {} if name == "number" else {"zipmap": False}
        content = to_onnx(model, x[:1], options=options or None, target_opset=17).SerializeToString()
        y = model.predict(x[:5]) if name == "number" else model.predict_proba(x[:5])
        keep(f"sklearn_{name}", content, x[:5], y)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    {"torch": write_torch, "sklearn": write_sklearn}[sys.argv[1]]()
