"""Progress for people: a bar with rate and time left on a terminal, one JSON line a phase in a log; both on stderr."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from serin_training.progress import Finished, Progress, Tell


@contextmanager
def showing() -> Iterator[Tell]:
    """Answer whom to tell, as long as the work goes on."""
    if sys.stderr.isatty():
        with _bars() as tell:
            yield tell
    else:
        yield _lines()


def _lines() -> Tell:
    began = time.monotonic()

    def tell(told: Progress | Finished) -> None:
        if isinstance(told, Finished):
            line = {"phase": told.phase, "seconds": round(time.monotonic() - began, 1), "text": told.text}
            typer.echo(json.dumps(line, ensure_ascii=False), err=True)

    return tell


@contextmanager
def _bars() -> Iterator[Tell]:
    # It takes a while to import; only a terminal needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}  {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(told: Progress | Finished) -> None:
            if isinstance(told, Finished):
                if told.phase in tasks:
                    bars.remove_task(tasks.pop(told.phase))
                bars.console.print(f"{told.phase}: {told.text}", highlight=False)
                return
            if told.phase not in tasks:
                tasks[told.phase] = bars.add_task(told.phase, unit=told.unit, rate="")
            task = tasks[told.phase]
            speed = bars.tasks[bars.task_ids.index(task)].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            bars.update(task, completed=told.done, total=told.of or None, rate=rate)

        yield tell
