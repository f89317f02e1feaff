"""A network with every layer, and what its tests compare."""

import json
from functools import partial
from pathlib import Path

import numpy as np

from wengert import nn
from wengert.core import tree

TORCH = json.loads(Path(__file__).with_name("torch_values.json").read_text())


def generator(seed=0):
    return np.random.default_rng(seed)


def every_layer(dtype=np.float64):
    """Numbers of shape (n, 3) and categories of shape (n,) to two outputs."""
    rng = generator()
    dense = partial(nn.Dense.init, rng, dtype=dtype)
    skipped = [nn.LayerNorm.init(4, dtype), nn.PReLU.init(4, dtype=dtype), nn.Dropout(0.3)]
    options = {"dtype": dtype, "dropout": 0.2, "normalisation": "batch", "skip": "add"}
    return nn.Sequential(
        [
            nn.Parallel({"numbers": nn.identity, "city": nn.Embedding.init(rng, 6, 2, dtype=dtype)}),
            nn.Concatenate(),
            nn.Frozen(dense(5, 5)),
            nn.BatchNorm.init(5, dtype),
            nn.Residual(dense(5, 4, nn.activation_named("elu", alpha=0.5)), dense(5, 4, biases=None)),
            nn.Skip(nn.Sequential(skipped)),
            nn.MLP.init(rng, (8, 4, 4, 4), "tanh", "tanh", **options),
            nn.Branches((dense(4, 1), dense(4, 1))),
            nn.Concatenate(),
        ]
    )


def inputs(count=12, dtype=np.float64):
    rng = generator(1)
    return {"numbers": rng.normal(size=(count, 3)).astype(dtype), "city": rng.integers(0, 6, count)}


def arrays(network):
    return tree.flatten(network)[0]


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(two), strict=True))


def weighted(y):
    """Σ c y with c = 1, 2, ...: a number with a different derivative in each."""
    return np.sum(y * np.arange(1.0, np.size(y) + 1).reshape(np.shape(y)))
