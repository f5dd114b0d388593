"""Child processes that end with their parent, whatever happens to it."""

import asyncio
import ctypes
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """In a child, before its program starts: have the kernel kill it when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def start(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> asyncio.subprocess.Process:
    """Start a program whose output goes to the end of a file."""
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
            # A group of its own, so that Ctrl-C reaches only the supervisor, which ends things in order.
            process_group=0,
        )


async def end(process: asyncio.subprocess.Process, *, grace: float) -> None:
    """End a process: SIGTERM, `grace` seconds, SIGKILL."""
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
