"""The result of `serin simulate` and `serin replay`: played on all cores, printed, and written as a page.

Outcomes are in the order of their numbers whichever process played them: the same seed gives the same result.
"""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from serin_cli.options import Output, file_errors
from serin_cli.simulation_page import render
from serin_cli.simulation_text import as_json, as_text
from serin_simulation.rollout import Outcome
from serin_simulation.scenarios import Plan
from serin_simulation.summary import Summary, summarize

_PER_PROCESS: Final = 4
"""Rollouts that a process must have to be worth starting."""
_Played = Callable[[Callable[[int], Outcome], Iterable[int]], Iterable[Outcome]]


def play_and_summarize(plans: Mapping[str, Plan], *, rollouts: int, jobs: int | None) -> list[Summary]:
    """Play this many rollouts of each plan and summarize them. On Ctrl-C, ends all processes and exits with 130."""
    try:
        with _progress(rollouts * len(plans)) as counted, _processes(rollouts, jobs) as played:
            return [
                summarize(rule, [counted(outcome) for outcome in played(plan.play, range(rollouts))])
                for rule, plan in plans.items()
            ]
    except KeyboardInterrupt:
        typer.echo("serin: stopped", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _processes(rollouts: int, jobs: int | None) -> Iterator[_Played]:
    """Yield `map`, over all processes if there is enough to do."""
    processes = min(jobs or os.cpu_count() or 1, max(rollouts // _PER_PROCESS, 1))
    if processes == 1:
        yield map
        return
    # The pool ends its processes on any exit.
    with multiprocessing.Pool(processes, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        yield partial(pool.imap, chunksize=max(1, min(25, rollouts // (4 * processes))))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Outcome], Outcome]]:
    """Show a progress bar on a terminal; yield a function that counts one outcome and returns it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rollouts", total=total)

        def counted(outcome: Outcome) -> Outcome:
            progress.advance(bar)
            return outcome

        yield counted


def present(  # noqa: PLR0913 - shared by two commands, given by name
    found: Sequence[Summary],
    *,
    parameters: Mapping[str, Any],
    title: str,
    head: str,
    notes: Sequence[str],
    output: Output,
    page: Path | None,
) -> None:
    """Print the result and write the page."""
    if page is not None:
        with file_errors(page):
            page.write_text(render(found, title=title, head=head, notes=notes), encoding="utf-8")
    typer.echo(json.dumps(as_json(found, parameters), indent=2) if output == "json" else as_text(found, head))
