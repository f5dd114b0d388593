"""The question before an action that takes something away, and the option that answers it."""

import sys
from typing import Annotated

import typer

from serin_cli.options import fail

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")]


def is_terminal() -> bool:
    """Return whether standard input is a terminal, so that a question can be answered."""
    return sys.stdin.isatty()


def confirm(*, yes: bool) -> None:
    """Ask whether to continue. Exits with status 1 if not, or if nobody can be asked."""
    if not yes and not is_terminal():
        raise fail("not confirmed: standard input is not a terminal; use --yes")
    if not yes and not typer.confirm("Continue?", err=True):
        raise fail("cancelled; nothing was changed")
