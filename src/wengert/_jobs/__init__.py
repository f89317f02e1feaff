"""The jobs of the command line in steps: from a table to a trained model, its scores and its pictures."""

from wengert._jobs._options import LEARNING_RATES, Options, losses_for
from wengert._jobs._training import (
    Course,
    Problem,
    batch_size,
    finish,
    prepare,
    scores,
    start,
    train,
    true_values,
)

__all__ = [
    "Options",
    "LEARNING_RATES",
    "losses_for",
    "Problem",
    "Course",
    "prepare",
    "start",
    "train",
    "finish",
    "scores",
    "batch_size",
    "true_values",
]
