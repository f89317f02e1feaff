"""What PyTorch says of activations and layers, written to ``torch_values.json``; needs torch.

    python tests/nn/torch_values.py

The tests compare with the file, so that they need no torch.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
POINTS = [-1000.0, -40.0, -3.0, -1.0, -0.5, 0.0, 1e-9, 0.25, 1.0, 2.0, 5.0, 40.0, 1000.0]


def activations(torch: Any) -> dict[str, Any]:
    """Value and derivative of every activation that both have, at POINTS."""
    f = torch.nn.functional
    functions = {
        "identity": lambda a: a * 1,
        "logistic": torch.sigmoid,
        "tanh": torch.tanh,
        "hard_tanh": f.hardtanh,
        "softsign": f.softsign,
        "relu": torch.relu,
        "leaky_relu": f.leaky_relu,
        "leaky_relu(slope=0.2)": lambda a: f.leaky_relu(a, 0.2),
        "elu": f.elu,
        "elu(alpha=0.5)": lambda a: f.elu(a, 0.5),
        "selu": f.selu,
        "softplus": f.softplus,
        "gelu": f.gelu,
        "gelu_tanh": lambda a: f.gelu(a, approximate="tanh"),
        "silu": f.silu,
        "mish": f.mish,
    }
    found = {}
    for name, function in functions.items():
        a = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
        y = function(a)
        y.sum().backward()
        found[name] = {"y": y.tolist(), "dy": a.grad.tolist()}
    return found


def passes(torch: Any, layer: Any, batches: list[Any], more: Any = ()) -> list[dict[str, Any]]:
    """Outputs, gradients of Σ c y with c = 1, 2, ... and buffers, batch by batch."""
    found = []
    for x in batches:
        x = x.clone().requires_grad_(x.is_floating_point())
        layer.zero_grad()
        y = layer(x)
        (y * torch.arange(1.0, y.numel() + 1, dtype=y.dtype).reshape(y.shape)).sum().backward()
        found.append(
            {"x": x.tolist(), "y": y.tolist(), "dx": x.grad.tolist() if x.grad is not None else None}
            | {f"d{name}": p.grad.tolist() for name, p in layer.named_parameters()}
            | {name: b.tolist() for name, b in layer.named_buffers()}
        )
    return found


def layers(torch: Any) -> dict[str, Any]:
    """Training and prediction of layers, with scales and shifts that are not 1 and 0."""
    nn, wide = torch.nn, {"dtype": torch.float64}
    batches = [torch.randn(n, 3, **wide) * 2 + 1 for n in (4, 2, 7)]
    batch_norm, layer_norm = nn.BatchNorm1d(3, momentum=0.3, **wide), nn.LayerNorm(3, **wide)
    for layer in (batch_norm, layer_norm):
        layer.weight.data, layer.bias.data = torch.tensor([[1.5, 0.5, 2.0], [0.1, -0.2, 0.3]], **wide)
    prelu = nn.PReLU(3, init=0.1, **wide)
    embedding = nn.Embedding(5, 2, **wide)
    embedding.weight.data = torch.arange(10.0, **wide).reshape(5, 2)
    found = {"batch_norm": passes(torch, batch_norm, batches)}
    found["batch_norm_predicts"] = passes(torch, batch_norm.eval(), batches[:1])
    found["layer_norm"] = passes(torch, layer_norm, batches[:1])
    found["prelu"] = passes(torch, prelu, batches[:1])
    found["embedding"] = passes(torch, embedding, [torch.tensor([[1, 2], [2, 4]])])
    return found


def training(torch: Any) -> dict[str, Any]:
    """Six steps of gradient descent on a network with batch norm, a skip connection and layer norm."""
    nn, wide = torch.nn, {"dtype": torch.float64}

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.batch = nn.Linear(2, 4, bias=False, **wide), nn.BatchNorm1d(4, **wide)
            self.second, self.layer = nn.Linear(4, 4, bias=False, **wide), nn.LayerNorm(4, **wide)
            self.last = nn.Linear(4, 1, **wide)

        def forward(self, x: Any) -> Any:
            z = torch.tanh(self.batch(self.first(x)))
            return self.last(z + nn.functional.gelu(self.layer(self.second(z))))

    network = Network()
    start = {name: w.tolist() for name, w in network.named_parameters()}
    x, rule = torch.randn(24, 2, **wide), torch.optim.SGD(network.parameters(), 0.1)
    t = torch.sin(x[:, :1] * x[:, 1:])
    for i in range(6):
        rule.zero_grad()
        nn.functional.mse_loss(network(x[4 * i : 4 * i + 4]), t[4 * i : 4 * i + 4]).backward()
        rule.step()
    end = {name: w.tolist() for name, w in network.state_dict().items()}
    return {"start": start, "x": x.tolist(), "t": t.tolist(), "end": end}


def main() -> None:
    """Writes the file."""
    import torch

    torch.manual_seed(0)
    found = {"points": POINTS, "activations": activations(torch), "layers": layers(torch)}
    found["training"] = training(torch)
    FILE.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
