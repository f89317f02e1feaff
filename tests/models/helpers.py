"""Small models, and files like those that are written but with something else in them."""

import json

import numpy as np
import safetensors.numpy

from wengert import _sealed, models, nn
from wengert.data import Preprocessing, Standardiser


def model(task="classification", classes=("a", "b", "ç"), seed=0):
    outputs = {"classification": 1 if len(classes) == 2 else len(classes), "regression": 1}[task]
    network = nn.MLP.init(np.random.default_rng(seed), (2, 5, outputs), "tanh", dtype=np.float32)
    columns = Preprocessing.of_numbers(("x", "y"), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    target = Standardiser(np.array([10.0]), np.array([2.0]))
    training = {"options": {"seed": seed}}
    return models.Model(network, columns, ("t",), task, classes, target, training=training)


def opened(content):
    """The arrays of a file, and its description without the seal."""
    size = int.from_bytes(content[:8], "little")
    description = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["wengert"])
    return safetensors.numpy.load(content), {k: v for k, v in description.items() if k != "sha256"}


def sealed(arrays, description):
    """A file with these, and the seal that goes with them."""
    whole = {"sha256": _sealed._digest(arrays, description)} | description
    return safetensors.numpy.save(arrays, {"wengert": json.dumps(whole)})


def edited(content, edit):
    """A file of which somebody has changed the arrays and the description, and sealed it again."""
    arrays, description = opened(content)
    edit(arrays, description)
    return sealed(arrays, description)
