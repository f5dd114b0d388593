"""The programs that the demo calls as a user would: `serin` and `kubectl`."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BIN = Path(sys.executable).parent


class CommandError(RuntimeError):
    """A program failed. The message has its name and its last lines of output."""


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, text: str | None = None) -> str:
    """Run a program of this environment and return its standard output. Raises CommandError."""
    argv = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(  # noqa: S603 - our own programs
        argv, input=text, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode != 0:
        output = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-6:])
        raise CommandError(f"{' '.join(command[:3])} failed with {done.returncode}:\n{output}")
    return done.stdout
