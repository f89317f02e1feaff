"""The application that commands are added to, and how its help is laid out."""

import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

ROOM_FOR_COLUMNS = 64  # below, what an option does stands under its name, not beside it
NARROWEST = 24


class Layout(typer.Context.formatter_class):  # type: ignore[misc,name-defined,valid-type]
    """Help as wide as the terminal, in two columns where there is room."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        room = min(shutil.get_terminal_size().columns, max_width or 80) - 2
        super().__init__(indent_increment, width or max(NARROWEST, room), max_width)

    def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **options: Any) -> None:
        """Names, and what they stand for."""
        if self.width >= ROOM_FOR_COLUMNS:
            super().write_dl(rows, *args, **options)
            return
        for name, text in rows:
            parts = self._lines(name.replace("|", "| "), 0, 4), self._lines(text, 4, 4)
            self.write("\n".join([parts[0].replace("| ", "|"), *parts[1:]]).rstrip() + "\n")

    def _lines(self, text: str, first: int, others: int) -> str:
        indents = [" " * (self.current_indent + more) for more in (first, others)]
        return textwrap.fill(
            text, self.width, initial_indent=indents[0], subsequent_indent=indents[1], break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip


@contextmanager
def _located(context: Any) -> Iterator[None]:
    from wengert.errors import SettingError

    try:
        yield
    except (SettingError, typer.BadParameter) as error:
        from wengert.cli._config import located

        told = located(context, error)
        if told is error:
            raise
        raise told from error


class _Context(typer.Context):
    formatter_class = Layout


class _Command(TyperCommand):
    context_class = _Context

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments; errors in those that a file gives name its line."""
        with _located(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """The command; errors in what a file says name its line."""
        with _located(ctx):
            return super().invoke(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence, however narrow the terminal is."""
        return super().get_short_help_str(max(limit, 200))


class _Group(TyperGroup):
    context_class = _Context


app = typer.Typer(
    cls=_Group,
    name="wengert",
    help="Train small networks on tables, and use them. `wengert train digits` needs nothing but itself.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes in half the time, and is at home in a pipe
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def command(f: Callable[..., None]) -> Callable[..., None]:
    """Add a function as a command of its name."""
    return app.command(cls=_Command)(f)


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
