"""``wengert inspect``: what is in a model file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli._app import app
from wengert.cli._shared import ForceOption, JsonOption, ModelArgument, print_json, refuse_output, write

if TYPE_CHECKING:
    from wengert.models import Model


@app.command()
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

    known = model.training
    errors = known.get("training_error") or []
    watched = known.get("validation_error") or [None] * len(errors)
    if not errors or len(watched) != len(errors):
        return []
    curve = LearningCurve([Epoch(i, *pair) for i, pair in enumerate(zip(errors, watched), start=1)])
    options = ", ".join(f"{name} {value}" for name, value in known.get("options", {}).items() if value)
    scores = [f"{name} {score:.4f}" for name, score in known.get("scores", {}).items()]
    return ["", options, "", repr(curve), _chosen(known.get("best_epoch"), watched), *scores]


def _chosen(best: Any, watched: list[float | None]) -> str:
    error = dict(enumerate(watched, start=1)).get(best)
    return f"weights of epoch {best}" + (f", validation error {error:.4f}" if error is not None else "")


def _picture(network: Any, model: "Model | None") -> bytes:
    from wengert._jobs import pictures

    known = {} if model is None else model.training
    shown = [pictures.of_network(network)]
    if known.get("training_error"):
        curve = known["training_error"], known.get("validation_error") or []
        shown.append(pictures.of_curve(*curve, known.get("best_epoch")))
    return pictures.drawn(shown)
