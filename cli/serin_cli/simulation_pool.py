"""Rollouts on all cores, with a progress bar on a terminal. Ctrl-C ends all processes.

Outcomes are in the order of their numbers whichever process played them: the same seed gives the same result.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from serin_simulation.rollout import Outcome
from serin_simulation.scenarios import Plan

_PER_PROCESS: Final = 4
"""Rollouts that a process must have to be worth starting."""


def play_all(plans: dict[str, Plan], *, rollouts: int, jobs: int | None = None) -> dict[str, list[Outcome]]:
    """Play this many rollouts of each plan. Raises KeyboardInterrupt once all processes have ended."""
    with _progress() as progress:
        bar = progress.add_task("rollouts", total=rollouts * len(plans))
        processes = min(jobs or os.cpu_count() or 1, max(rollouts // _PER_PROCESS, 1))
        if processes == 1:
            return {name: _in_this_process(plan, rollouts, progress, bar) for name, plan in plans.items()}
        pool = multiprocessing.Pool(processes, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
        with pool:  # ends its processes on any exit
            found: dict[str, list[Outcome]] = {}
            for name, plan in plans.items():
                size = max(1, min(25, rollouts // (4 * processes)))
                found[name] = []
                for outcome in pool.imap(plan.play, range(rollouts), chunksize=size):
                    found[name].append(outcome)
                    progress.advance(bar)
            return found


def _in_this_process(plan: Plan, rollouts: int, progress: Progress, bar: TaskID) -> list[Outcome]:
    found = []
    for number in range(rollouts):
        found.append(plan.play(number))
        progress.advance(bar)
    return found


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
