"""Child processes that end with their parent, even if it is killed."""

import asyncio
import ctypes
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Ask the kernel to kill this child process when its parent ends. Called before the program starts."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def start(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> asyncio.subprocess.Process:
    """Start a program and append its output to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=directory,
            preexec_fn=die_with_parent,
            # In a new process group, so that Ctrl-C reaches only the supervisor, which stops processes in order.
            process_group=0,
        )


async def end(process: asyncio.subprocess.Process, *, grace: float) -> None:
    """Stop a process with SIGTERM, and with SIGKILL after `grace` seconds."""
    if process.returncode is not None:
        return
    try:
        process.terminate()
        async with asyncio.timeout(grace):
            await process.wait()
    except ProcessLookupError:
        return
    except TimeoutError:
        process.kill()
        await process.wait()


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else "(empty)"
