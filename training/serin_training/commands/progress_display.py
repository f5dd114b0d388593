"""Progress on stderr: bars with rate and time left on a terminal, one JSON line per finished phase in a log."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from serin_training.progress import Finished, Progress, ProgressCallback


@contextmanager
def show_progress() -> Iterator[ProgressCallback]:
    """Yield the function that shows progress."""
    if sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield _lines()


def _lines() -> ProgressCallback:
    began = time.monotonic()

    def progress(event: Progress | Finished) -> None:
        if isinstance(event, Finished):
            line = {"phase": event.phase, "seconds": round(time.monotonic() - began, 1), "text": event.text}
            typer.echo(json.dumps(line, ensure_ascii=False), err=True)

    return progress


@contextmanager
def _bars() -> Iterator[ProgressCallback]:
    # Slow to import, and only a terminal needs it.
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(),
    )
    # Results go to stdout: they must not be redirected between the bars on stderr.
    bars = Bars(*columns, console=Console(stderr=True), redirect_stdout=False)
    tasks: dict[str, TaskID] = {}

    def progress(event: Progress | Finished) -> None:
        if isinstance(event, Finished):
            if event.phase in tasks:
                bars.remove_task(tasks.pop(event.phase))
            if not tasks:
                # Without a bar it would draw an empty line repeatedly.
                bars.stop()
            bars.console.print(f"{event.phase}: {event.text}", highlight=False, markup=False)
            return
        if event.phase not in tasks:
            tasks[event.phase] = bars.add_task(event.phase, total=None, count="", left="")
            bars.start()
        task = tasks[event.phase]
        speed = bars.tasks[bars.task_ids.index(task)].speed
        # A bar without a total only shows activity.
        total = event.total if event.total > 1 else None
        left = "" if total is None else "left"
        bars.update(task, completed=event.done, total=total, count=count(event, speed), left=left)

    try:
        yield progress
    finally:
        bars.stop()


def count(event: Progress, speed: float | None) -> str:
    """Return how much is done, of how much, and how fast; empty for a phase of one piece."""
    if event.total == 1:
        return ""
    done = f"{event.done:,}/{event.total:,} {event.unit}" if event.total else f"{event.done:,} {event.unit}"
    if not speed:
        return done
    return f"{done}  {speed:,.0f}/s" if speed >= 10 else f"{done}  {speed:.1f}/s"  # noqa: PLR2004 - two digits
