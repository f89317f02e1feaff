"""``wengert inspect``: what is in a model file."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli._app import command
from wengert.cli._shared import ForceOption, JsonOption, ModelArgument, print_json, refuse_output, write

if TYPE_CHECKING:
    from wengert.models import Model


@command
def inspect(
    model: ModelArgument,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the layers and the learning curve into this PNG file.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a model predicts from what, its layers, and how it was trained.

    wengert inspect digits.wengert --plot digits.png
    """
    from wengert import models

    refuse_output(plot, [model], force)
    found = models.open_file(model)
    network = found.network if isinstance(found, models.Model) else found
    trained = found if isinstance(found, models.Model) else None
    print_json(_report(network, trained)) if as_json else print(_text(network, trained))
    if plot is not None:
        write(plot, _picture(network, trained))


def _report(network: Any, model: "Model | None") -> dict[str, Any]:
    """Everything there is to say, ready for JSON."""
    from wengert import nn

    shapes = {name: list(weights.shape) for name, weights in nn.state(network).items()}
    arrays = {
        "arrays": shapes,
        "parameters": sum(weights.size for weights in nn.parameters(network).values()),
    }
    if model is None:
        return {"task": None, **arrays}
    columns = [
        {"column": line.column, "treatment": line.treatment, "features": list(line.features)}
        for line in model.preprocessing.describe()
    ]
    return {
        "task": model.task,
        "target": list(model.targets),
        "classes": list(model.classes),
        "outputs": model.kind,
        "columns": columns,
        **arrays,
        "training": model.training,
    }


def _text(network: Any, model: "Model | None") -> str:
    from wengert import nn

    about = ["a network by itself, without the columns of a table"] if model is None else _about(model)
    return "\n".join([*about, "", nn.summary(network), *([] if model is None else _training(model))])


def _about(model: "Model") -> list[str]:
    classes = f" into {', '.join(model.classes[:20])}" if model.classes else ""
    more = f" and {len(model.classes) - 20} more" if len(model.classes) > 20 else ""
    return [
        f"{model.task} of {', '.join(model.targets)}{classes}{more}; outputs for {model.kind}",
        "",
        *(f"column {line}" for line in model.preprocessing.describe()),
    ]


def _training(model: "Model") -> list[str]:
    from wengert.train import Epoch, LearningCurve

    known, (errors, watched, best) = model.training, _curve(model)
    if not errors:
        return []
    epochs = [Epoch(i, error) for i, error in enumerate(errors, start=1)]
    if watched:
        epochs = [Epoch(i, *pair) for i, pair in enumerate(zip(errors, watched), start=1)]
    curve = LearningCurve(epochs)
    options = ", ".join(
        f"{name.replace('_', ' ')} {_worded(value)}"
        for name, value in _dictionary(known, "options").items()
        if value not in (None, [], "0")
    )
    scores = [
        f"{name} {score:.4f}" for name, score in _dictionary(known, "scores").items() if _is_number(score)
    ]
    return ["", textwrap.fill(options, 100), "", repr(curve), _chosen(best, watched), *scores]


def _worded(value: Any) -> str:
    """An option as the command line has it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _curve(model: "Model") -> tuple[list[float], list[float], int | None]:
    """Training and validation errors and the best epoch; nothing where a file holds something else there."""
    training, validation = (_numbers(model, name) for name in ("training_error", "validation_error"))
    best = model.training.get("best_epoch")
    watched = validation if len(validation) == len(training) else []
    return training, watched, best if type(best) is int else None


def _numbers(model: "Model", name: str) -> list[float]:
    values = model.training.get(name)
    known = isinstance(values, list) and all(map(_is_number, values))
    return [float(value) for value in values] if known and values else []


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _dictionary(known: Any, name: str) -> dict[str, Any]:
    found = known.get(name)
    return found if isinstance(found, dict) else {}


def _chosen(best: int | None, watched: list[float]) -> str:
    error = dict(enumerate(watched, start=1)).get(best or 0)
    return f"weights of epoch {best}" + (f", validation error {error:.4f}" if error is not None else "")


def _picture(network: Any, model: "Model | None") -> bytes:
    from wengert._jobs import pictures

    shown = [pictures.of_network(network)]
    training, validation, best = ([], [], None) if model is None else _curve(model)
    if training:
        shown.append(pictures.of_curve(training, validation, best))
    return pictures.drawn(shown)
