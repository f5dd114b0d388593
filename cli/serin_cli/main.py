"""The one program: `serin`, also reached as `kubectl serin`.

The learning side and the server bring their own commands through the entry points `serin.commands`, each as a typer
application, so that this room imports neither. What is not installed is named with the way to install it.
"""

import os
import sys
import traceback
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated

import typer

from serin_cli import lint_command, replay, rollout_commands, simulate
from serin_core.contract.addresses import addresses_in, without_secrets

GROUP = "serin.commands"
EXTRAS = {
    "training": ("train", "features", "evaluate", "thresholds", "drift", "retrain", "runs", "generate", "rules"),
    "server": ("data", "serve"),
}
"""What each part brings, told also where it is not installed."""


def build() -> typer.Typer:
    """Answer the whole program, of whatever parts are installed."""
    app = typer.Typer(
        help="Serin rolls machine-learned suggestions out by evidence, and takes them back by itself.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def _root(
        *,
        _version: Annotated[
            bool, typer.Option("--version", help="Say the version and end.", callback=_say_version, is_eager=True)
        ] = False,
    ) -> None:
        """Serin rolls machine-learned suggestions out by evidence, and takes them back by itself."""

    app.add_typer(rollout_commands.app)
    app.add_typer(lint_command.app)
    app.add_typer(simulate.app)
    app.add_typer(replay.app)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            app.add_typer(point.load())
        except ModuleNotFoundError as error:
            _offer(app, point.name, str(error.name))
    return app


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - typer's shape of a callback
    if wanted:
        typer.echo(f"serin {version('serin')}")
        raise typer.Exit


def _offer(app: typer.Typer, extra: str, missing: str) -> None:
    """Name the commands of a part that is not installed, and say how to get it."""

    def refuse() -> None:
        typer.echo(f"serin: this needs {missing}: install serin[{extra}]", err=True)
        raise typer.Exit(2)

    for name in EXTRAS.get(extra, ()):
        app.command(name, hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
            refuse
        )


def main() -> None:
    """Run the program. kubectl calls it as `kubectl-serin`."""
    program = "kubectl serin" if Path(sys.argv[0]).name == "kubectl-serin" else "serin"
    try:
        build()(prog_name=program)
    except BrokenPipeError:
        # The reader of a pipe has gone: nothing more to say, and no complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:  # noqa: BLE001 - an unexpected error, whose message may hold an address of the command line
        sys.stderr.write(without_secrets(traceback.format_exc(), *sys.argv[1:], *addresses_in(os.environ.values())))
        sys.exit(1)


if __name__ == "__main__":
    main()
