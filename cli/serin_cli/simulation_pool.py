"""Rollouts on all cores, with their progress at a terminal; Ctrl-C ends all of it at once.

The outcomes stand in the order of their numbers, whatever core played them: the same seed gives the same answer.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from serin_simulation.rollout import Outcome
from serin_simulation.scenarios import Plan

_SMALL = 4
"""So few rollouts are not worth a process."""


def play_all(plans: dict[str, Plan], *, rollouts: int, jobs: int | None = None) -> dict[str, list[Outcome]]:
    """Play every plan so many times, each rollout by its number. Raises KeyboardInterrupt, with no process left."""
    with _progress() as progress:
        bar = progress.add_task("rollouts", total=rollouts * len(plans))
        many = min(jobs or os.cpu_count() or 1, max(rollouts // _SMALL, 1))
        if many == 1:
            return {name: _here(plan, rollouts, progress, bar) for name, plan in plans.items()}
        pool = multiprocessing.Pool(many, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
        with pool:  # terminates its processes however it is left
            found: dict[str, list[Outcome]] = {}
            for name, plan in plans.items():
                size = max(1, min(25, rollouts // (4 * many)))
                found[name] = []
                for outcome in pool.imap(plan.play, range(rollouts), chunksize=size):
                    found[name].append(outcome)
                    progress.advance(bar)
            return found


def _here(plan: Plan, rollouts: int, progress: Progress, bar: TaskID) -> list[Outcome]:
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
