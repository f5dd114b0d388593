"""Other programs that the demo uses exactly as a person would: `serin`, `kubectl`."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BIN = Path(sys.executable).parent


class CommandError(RuntimeError):
    """A program failed. The message is its name and the last lines that it printed."""


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, text: str | None = None) -> str:
    """Run a program of this environment and answer its standard output. Raises CommandError."""
    argv = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(  # noqa: S603 - our own programs
        argv, input=text, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode != 0:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-6:])
        raise CommandError(f"{' '.join(command[:3])} failed with {done.returncode}:\n{said}")
    return done.stdout
