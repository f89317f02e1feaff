"""The options of training, in the order of its help: data, network, training, where things go."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wengert.cli._config import configured
from wengert.errors import SettingError


class Task(StrEnum):
    """What is predicted."""

    classification = "classification"
    multi_label = "multi-label"
    regression = "regression"


class Split(StrEnum):
    """How rows are dealt out at random."""

    stratified = "stratified"
    random = "random"


class Precision(StrEnum):
    """Of weights and inputs."""

    float32 = "float32"
    float64 = "float64"


def _hidden(text: str) -> str:
    """Sizes of the hidden layers: ``64,32``, or ``0`` for none."""
    words = [word.strip() for word in text.split(",")]
    if words != ["0"] and not all(word.isdecimal() and 0 < int(word) <= 100_000 for word in words):
        raise SettingError(f"--hidden {text!r}: no sizes of layers; write for instance 64,32, or 0 for none")
    return text


def _rate(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise SettingError(f"--learning-rate {value:g}: not a positive number; write for instance 0.001")
    return value


Targets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="The column to predict (by default: target); written several times, all are predicted together.",
    ),
]
Ignored = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="A column not to predict from; several times.")
]
Categories = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="A column of names though it holds numbers; several times."),
]
Rows = Annotated[Split, typer.Option(help="Whether every part has its share of each class.")]
Group = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Keep rows alike in this column together, in one part.")
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Train on what is earlier in this column, and test on what is later."
    ),
]
Hidden = Annotated[
    str,
    typer.Option(
        metavar="SIZES", help="Sizes of the hidden layers, such as 64,32; 0 for none.", callback=_hidden
    ),
]
Activation = Annotated[
    str, typer.Option(help="Of the hidden units; for each layer its own: relu,leaky_relu(slope=0.2).")
]
Dropout = Annotated[str, typer.Option(help="How often hidden units are dropped; for each layer: 0.2,0.5.")]
Normalisation = Annotated[str | None, typer.Option(help="Of pre-activations: batch or layer.")]
Skip = Annotated[str | None, typer.Option(help="Inputs of hidden layers go on: add or concatenate.")]
Initialiser = Annotated[str | None, typer.Option(help="Of the weights, such as he, glorot or orthogonal.")]
Optimiser = Annotated[
    str,
    typer.Option(
        help="How gradients become steps, such as adam(b1=0.8) or sgd; lbfgs, conjugategradients and, for "
        "regression, levenbergmarquardt take all rows at once, and an epoch is one iteration."
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(callback=_rate, help="Step length (by default that of the optimiser, such as 0.002)."),
]
Schedule = Annotated[
    str | None,
    typer.Option(help="How the rate changes, in epochs: cosine, onecycle, stepdecay(every=30), adaptive."),
]
WarmUp = Annotated[int, typer.Option(min=0, help="Epochs in which the rate rises to its first value.")]
WeightDecay = Annotated[
    float | None,
    typer.Option(
        min=0, max=10, help="How much each step shrinks the weights, times the rate (by default 0.1)."
    ),
]
ClipNorm = Annotated[float | None, typer.Option(min=0, help="The most that a gradient may measure.")]
Loss = Annotated[
    str | None, typer.Option(help="Instead of the likelihood's, such as huber(delta=0.5), focal, poisson.")
]
ClassWeights = Annotated[
    str | None, typer.Option(help="How much rows count, by class: balanced, or yes=5,no=1.")
]
Penalty = Annotated[str | None, typer.Option(help="On large weights, such as l1(0.001) or l2(0.001).")]
Epochs = Annotated[int, typer.Option(min=1, help="At most so many passes over the training part.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Patterns per step (by default 32, fewer for small data).")
]
Patience = Annotated[
    int, typer.Option(min=1, help="Stop when the validation error has not fallen for so many epochs.")
]
Tolerance = Annotated[float, typer.Option(min=0, help="By how much it has to fall.")]
ValidationFraction = Annotated[float, typer.Option(help="Share of the rows to stop early by.")]
TestFraction = Annotated[float, typer.Option(help="Share of the rows for the final score.")]
TaskOption = Annotated[Task | None, typer.Option(help="Instead of what the target column suggests.")]
PrecisionOption = Annotated[Precision, typer.Option(help="Of weights and inputs.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")]
Threads = Annotated[int | None, typer.Option(min=1, help="How many may work; the outcome is the same.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The model file (by default <data>.wengert).")
]
Plot = Annotated[Path | None, typer.Option(help="Draw the learning curve into this PNG file.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Keep the training in this file on the way, to go on from.")
]
CheckpointEvery = Annotated[int, typer.Option(min=1, help="After so many epochs.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on from the checkpoint (by default <output>.checkpoint), if it is there: the same model "
        "as without the interruption.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="A TOML file of these options; those on the command line go before.",
        callback=configured,
        is_eager=True,
    ),
]
