"""The program `serin`, also run as `kubectl serin`.

Every command is an entry point of the group `serin.commands`, named like the command (`train`, `data erase`). Its
module is imported only when the command is run: `status` does not wait for the imports of `train`.
"""

import os
import sys
import traceback
from functools import partial
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from serin_cli.catalog import GROUPS, SECTIONS, commands_below, extra_of
from serin_cli.completing import print_completions
from serin_cli.exit_codes import ExitCode
from serin_cli.option_order import command_first
from serin_core.contract.addresses import addresses_in, without_secrets

GROUP: Final = "serin.commands"
_METAVARS: Final = {
    "str": "TEXT",
    "Path": "PATH",
    "int": "N",
    "float": "NUMBER",
    "datetime": "TIME",
}


class LazyGroup(TyperGroup):
    """A group that lists its commands from the catalog and imports a command when it is run."""

    def __init__(self, *, prefix: str = "", **attributes: Any) -> None:
        super().__init__(**attributes)
        self.prefix = prefix
        self.commands = {
            name: TyperCommand(name, help=summary, short_help=summary)
            for name, summary in commands_below(prefix).items()
        }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; options of a command may stand before it."""
        return super().parse_args(ctx, command_first(args))

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """Return the imported command, None if there is none."""
        return load(self.prefix + cmd_name) if cmd_name in self.commands else None

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Write the commands by section."""
        for section, commands in SECTIONS.items():
            below = [(name, text) for name, text in commands.items() if name.startswith(self.prefix)]
            if below:
                with formatter.section(section):
                    formatter.write_dl(below, col_max=14)


def load(name: str) -> Any:
    """Import one command. Exits with status 2 if a package that it needs is not installed."""
    if name in GROUPS:
        return _plain(LazyGroup(name=name, prefix=f"{name} ", help=GROUPS[name], no_args_is_help=True))
    try:
        (point,) = entry_points(group=GROUP, name=name)
        app = point.load()
    except ModuleNotFoundError as error:
        typer.echo(f"serin: {name} needs {error.name}: pip install 'serin[{extra_of(name)}]'", err=True)
        raise typer.Exit(ExitCode.USAGE) from None
    parent = typer.Typer(add_completion=False)
    parent.add_typer(app, name=name)
    loaded = typer.main.get_group(parent).commands[name]
    # An application has the command among others, or is itself the group of this name.
    return _plain(getattr(loaded, "commands", {}).get(name.rpartition(" ")[2], loaded))


def _plain(command: Any) -> Any:
    """Return the command with plain help: no boxes, one word for each value, examples not wrapped."""
    command.rich_markup_mode = None
    for param in command.params:
        if param.param_type_name == "argument":
            param.metavar = param.metavar or param.name.upper()
            param.display_type_rich = lambda **_: None
            # A command without its NAME ends with the names that exist: it is not optional.
            is_needed = param.required or param.name == "name"
            piece = param.metavar if is_needed else f"[{param.metavar}]"
            param.get_usage_pieces = partial(_usage, piece + ("..." if param.nargs != 1 else ""))
        elif param.metavar is None:
            kind = param.bare_type().removeprefix("list[").removesuffix("]")
            param.metavar = _METAVARS.get(kind)
    if command.epilog and "\b" not in command.epilog:
        command.epilog = "\b\n" + command.epilog.strip().replace("\n\n", "\n\n\b\n")
    for child in getattr(command, "commands", {}).values():
        _plain(child)
    return command


def _usage(piece: str, _ctx: object) -> list[str]:
    return [piece]


def build() -> typer.Typer:
    """Return the program."""
    app = typer.Typer(
        cls=LazyGroup,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def _root(
        *,
        _version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
        ] = False,
    ) -> None:
        """Progressive delivery of machine learning models on Kubernetes.

        Serin rolls out a model step by step, promotes it on statistical evidence, and rolls it back automatically.
        """

    return app


def _print_version(is_given: bool) -> None:  # noqa: FBT001 - typer's signature of a callback
    if is_given:
        typer.echo(f"serin {version('serin')}")
        raise typer.Exit


def main() -> None:
    """Run the program. kubectl calls it as `kubectl-serin`."""
    if sys.argv[1:2] == ["__complete"]:
        print_completions(sys.argv[2:])
        return
    program = "kubectl serin" if Path(sys.argv[0]).name == "kubectl-serin" else "serin"
    try:
        build()(prog_name=program)
    except BrokenPipeError:
        # The reader of the pipe has closed it: exit without a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:  # noqa: BLE001 - an unexpected error, whose message may hold an address of the command line
        sys.stderr.write(without_secrets(traceback.format_exc(), *sys.argv[1:], *addresses_in(os.environ.values())))
        sys.exit(1)


if __name__ == "__main__":
    main()
