"""The application that commands are added to."""

from typing import Annotated

import typer

app = typer.Typer(
    name="wengert",
    help="Train small networks on tables, and use them. `wengert train digits` needs nothing but itself.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes in half the time, and is at home in a pipe
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"wengert {version('wengert')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
