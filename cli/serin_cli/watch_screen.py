"""The terminal of `kubectl serin watch`: redraws the view every second, and when the resource changes."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live as Screen
from rich.text import Text

from serin_cli.event_text import is_shown
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import ClusterError
from serin_cli.resource import Live
from serin_cli.view_text import Line
from serin_cli.watch_polls import NO_PODS, exit_status, has_no_pods
from serin_cli.watch_view import Beside, render

_READ_EVERY: Final = 5.0
"""Seconds after which pods and Events are read again although the resource has not changed."""
_STYLES: Final = {"": "", "bold": "bold", "dim": "dim", "good": "green", "bad": "red", "wait": "yellow"}


def can_draw(console: Console) -> bool:
    """Return whether a view can be drawn: on a terminal that moves its cursor and shows Unicode."""
    return console.is_terminal and not console.is_dumb_terminal and "utf" in console.encoding.lower()


def draw(console: Console, cluster: Cluster, name: str, lives: Iterable[Live]) -> int | None:
    """Redraw the view for each state of the resource; return the exit status of the rollout, None on a timeout."""
    read_at, version, beside = 0.0, "", Beside()
    with Screen(console=console, auto_refresh=False, vertical_overflow="crop") as screen:
        for live in lives:
            present = live["metadata"].get("resourceVersion", "")
            if present != version or time.monotonic() - read_at >= _READ_EVERY:
                beside, version, read_at = _read_beside(cluster, name, live), present, time.monotonic()
            lines = render(live, beside, now=datetime.now(UTC), width=console.width)
            screen.update(Group(*map(_styled, lines)), refresh=True)
            ended = exit_status(live)
            if ended is not None:
                return ended
            if has_no_pods(live):
                console.print(NO_PODS, highlight=False)
                return ExitCode.FAILED
    return None


def _read_beside(cluster: Cluster, name: str, live: Live) -> Beside:
    """Return pods and Events, None for those that cannot be read: the rollout is shown without them."""
    uid = live["metadata"].get("uid")
    return Beside(
        pods=_readable(lambda: cluster.pods(name)),
        events=_readable(lambda: [one for one in cluster.events(name) if is_shown(one, uid, warnings=False)]),
    )


def _readable(read: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]] | None:
    try:
        return read()
    except ClusterError:
        return None


def _styled(line: Line) -> Text:
    return Text.assemble(*((span.text, _STYLES[span.style]) for span in line), no_wrap=True, overflow="ellipsis")
