"""Progress for people: a bar with rate and time left on a terminal, one JSON line a phase in a log; both on stderr."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from serin_training.progress import Finished, Progress, ProgressCallback


@contextmanager
def showing() -> Iterator[ProgressCallback]:
    """Answer whom to tell, as long as the work goes on."""
    if sys.stderr.isatty():
        with _bars() as tell:
            yield tell
    else:
        yield _lines()


def _lines() -> ProgressCallback:
    began = time.monotonic()

    def tell(told: Progress | Finished) -> None:
        if isinstance(told, Finished):
            line = {"phase": told.phase, "seconds": round(time.monotonic() - began, 1), "text": told.text}
            typer.echo(json.dumps(line, ensure_ascii=False), err=True)

    return tell


@contextmanager
def _bars() -> Iterator[ProgressCallback]:
    # It takes a while to import; only a terminal needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(),
    )
    # What goes to stdout is a result: it must not end up among the bars, which are on stderr.
    bars = Bars(*columns, console=Console(stderr=True), redirect_stdout=False)
    tasks: dict[str, TaskID] = {}

    def tell(told: Progress | Finished) -> None:
        if isinstance(told, Finished):
            if told.phase in tasks:
                bars.remove_task(tasks.pop(told.phase))
            if not tasks:
                # Without a bar to draw it would draw an empty line, again and again.
                bars.stop()
            bars.console.print(f"{told.phase}: {told.text}", highlight=False, markup=False)
            return
        if told.phase not in tasks:
            tasks[told.phase] = bars.add_task(told.phase, total=None, count="", left="")
            bars.start()
        task = tasks[told.phase]
        speed = bars.tasks[bars.task_ids.index(task)].speed
        total = told.of if told.of > 1 else None
        # Without a total the bar moves to and fro: it would only stand still.
        left = "" if total is None else "left"
        bars.update(task, completed=told.done, total=total, count=count(told, speed), left=left)

    try:
        yield tell
    finally:
        bars.stop()


def count(told: Progress, speed: float | None) -> str:
    """Answer how much is done, of how much, how fast; nothing of a phase of one piece."""
    if told.of == 1:
        return ""
    done = f"{told.done:,}/{told.of:,} {told.unit}" if told.of else f"{told.done:,} {told.unit}"
    if not speed:
        return done
    return f"{done}  {speed:,.0f}/s" if speed >= 10 else f"{done}  {speed:.1f}/s"  # noqa: PLR2004 - of two digits
