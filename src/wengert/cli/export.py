"""``wengert export``: a model for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wengert.cli._app import command
from wengert.cli._shared import ForceOption, JsonOption, ModelArgument, print_json, refuse_output, write


class Language(StrEnum):
    """What models are written in."""

    c = "c"
    numpy = "numpy"
    onnx = "onnx"


ENDINGS = {"c": ".c", "numpy": ".py", "onnx": ".onnx"}


@command
def export(
    model: ModelArgument,
    to: Annotated[
        Language, typer.Option(help="One C99 file, one Python file that needs NumPy alone, or ONNX.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write (by default <model>.c, ...)."),
    ] = None,
    inputs: Annotated[
        int | None, typer.Option(min=1, help="How many inputs a network has that does not say so.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a model for other programs, with what becomes of its columns and with what its outputs mean.

    Columns come in by name: numbers as numbers, missing ones as NaN; words as words (in C as their codes,
    which the file lists); dates as days since 1970; truths as 1 and -1.

    wengert export digits.wengert --to c

    wengert export digits.wengert --to onnx --output digits.onnx
    """
    from wengert import models

    output = output or Path(model).with_suffix(ENDINGS[to.value]).relative_to(Path(model).parent)
    refuse_output(output, [model], force)
    found = models.open_file(model)
    from wengert._jobs.export import exported, outputs_of

    content = exported(found, to.value, inputs)
    write(output, content)
    report = {"model": model, "language": to.value, "file": str(output), "bytes": len(content)}
    outputs = outputs_of(found)
    if as_json:
        print_json({**report, "outputs": outputs})
    else:
        print(f"{to.value} {output}, {len(content)} bytes")
        for name, columns in outputs.items():
            print(
                f"{name} of {', '.join(columns)}, in this order" if columns[1:] else f"{name} of {columns[0]}"
            )
