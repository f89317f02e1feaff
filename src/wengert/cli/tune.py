"""``wengert tune``: a search for good options of training."""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli import _options as option
from wengert.cli._app import command
from wengert.cli._shared import (
    DataArgument,
    ForceOption,
    JsonOption,
    QueryOption,
    print_json,
    read,
    refuse_output,
    stem,
    write,
)
from wengert.errors import SettingError

if TYPE_CHECKING:
    from wengert._jobs.options import Options


@command
def tune(
    data: DataArgument,
    target: option.Targets = None,
    ignore: option.Ignored = None,
    category: option.Categories = None,
    query: QueryOption = None,
    task: option.TaskOption = None,
    split: option.Rows = option.Split.stratified,
    group: option.Group = None,
    time: option.Time = None,
    candidates: Annotated[int, typer.Option(min=2, help="How many are tried in the first round.")] = 27,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many, in the last round.")] = 100,
    seed: option.Seed = 0,
    threads: option.Threads = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The TOML file for the best options (by default <data>.toml)."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Where every training is noted (by default <output>.journal).")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the journal; what it holds is not trained anew."),
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search for good options by successive halving: many are tried shortly, the better ones longer.

    The best go into a TOML file. Candidates are judged by the validation part; the test part stays unseen.

    wengert tune wine --candidates 9 --epochs 30

    wengert train wine --config wine.toml
    """
    if importlib.util.find_spec("sklearn") is None:
        raise SettingError("tune needs scikit-learn, which is not installed; pip install scikit-learn")
    output = output or Path(f"{stem(data)}.toml")
    journal = journal or output.with_suffix(".journal")
    refuse_output(output, [data, str(journal)], force)
    refuse_output(journal, [data, str(output)], force or resume)
    from wengert._jobs.options import Options

    options = Options(
        targets=tuple(target or ()),
        ignored=tuple(ignore or ()),
        categories=tuple(category or ()),
        task=task.value if task else None,  # type: ignore[arg-type]
        split=split.value,
        group=group,
        time=time,
        epochs=epochs,
        seed=seed,
    )
    options.check()
    if not resume:
        journal.unlink(missing_ok=True)
    report = _tuned(data, query, options, threads, journal, candidates)
    write(output, _toml(options, report["options"]))
    report |= {"file": str(output), "journal": str(journal)}
    print_json(report) if as_json else print(_text(report))


def _tuned(
    data: str, query: str | None, options: "Options", threads: int | None, journal: Path, candidates: int
) -> dict[str, Any]:
    from wengert._console import fail
    from wengert._jobs import training, tuning

    problem = training.prepare(read(data, query), options)
    if not len(problem.parts.validation):
        raise SettingError("there is no validation part to judge candidates by; add rows")
    search = tuning.Search(problem, options, threads, tuning.Journal(journal), _said)
    try:
        return tuning.tuned(search, candidates)
    except KeyboardInterrupt:
        fail(f"interrupted; write --resume to go on from what {journal} holds")
        raise typer.Exit(130) from None


def _said(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _toml(options: "Options", best: dict[str, Any]) -> bytes:
    """What `wengert train --config` reads: the columns, and the best options."""
    columns = {
        "target": list(options.targets),
        "ignore": list(options.ignored),
        "category": list(options.categories),
        "task": options.task,
        "split": options.split,
        "group": options.group,
        "time": options.time,
        "epochs": options.epochs,
        "seed": options.seed,
    }
    lines = [
        f"{key} = {_value(value)}" for key, value in {**columns, **best}.items() if value not in (None, [])
    ]
    return ("\n".join(lines) + "\n").encode()


def _value(value: Any) -> str:
    """Numbers, texts and lists as TOML has them, which for these is as JSON has them."""
    import json

    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _text(report: dict[str, Any]) -> str:
    chosen = {name: value for name, value in report["options"].items() if value is not None}
    best = ", ".join(f"{name} {list(v) if isinstance(v, tuple) else v}" for name, v in chosen.items())
    return (
        f"best of {report['tried']} trainings: {best}\nvalidation error {report['error']:.4f}\n"
        f"options {report['file']}"
    )
