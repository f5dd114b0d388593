"""The terminal of watch, drawn into a text; where nothing can be drawn, lines."""

import io

import pytest
from cli.fakes import CANDIDATE, STABLE, FakeCluster, condition, model
from rich.console import Console

from serin_cli import watch_screen
from serin_cli.request_errors import ClusterError
from serin_cli.watch_polls import polls


class Beside(FakeCluster):
    """Counts how often pods and Events are read."""

    reads = 0

    def pods(self, name):
        self.reads += 1
        return []

    def events(self, name):
        raise ClusterError("the API server answered 403 Forbidden")


def console(**options):
    settings = {"force_terminal": True, "width": 80, "height": 40, "_environ": {"TERM": "xterm-256color"}} | options
    return Console(file=io.StringIO(), **settings)


def draw(cluster, screen, timeout=0):
    return watch_screen.draw(screen, cluster, "c", polls(cluster, "c", timeout=timeout))


def versioned(number, **status):
    live = model(candidate=CANDIDATE, stable=STABLE, **status)
    live["metadata"]["resourceVersion"] = str(number)
    return live


@pytest.mark.parametrize(("reason", "status"), [("Promoted", 0), ("RolledBack", 3), ("RunRefused", 4)])
def test_it_ends_with_the_outcome_and_leaves_the_last_screen(virtual_time, reason, status):
    screen = console()
    cluster = Beside(versioned(1), versioned(1), versioned(2, conditions=[condition(reason, "the end")]))
    assert draw(cluster, screen) == status
    assert f"{reason}: the end" in screen.file.getvalue().rpartition("shop/categories")[2]


def test_pods_are_read_again_when_the_resource_changes_or_after_a_time(virtual_time):
    cluster = Beside(versioned(1), versioned(1), versioned(2), versioned(2, conditions=[condition("Promoted")]))
    draw(cluster, console())
    assert cluster.reads == 2


def test_a_timeout_has_no_outcome(virtual_time):
    assert draw(Beside(versioned(1)), console(), timeout=9) is None


def test_without_pods_in_the_spec_it_stops(virtual_time):
    screen = console()
    assert draw(Beside(versioned(1) | {"spec": {"server": {"replicas": 0}}}), screen) == 1
    assert "stopped: spec.server.replicas is 0" in screen.file.getvalue()


def test_colours_only_where_they_are_wanted(virtual_time):
    ended = versioned(1, conditions=[condition("Promoted")])
    coloured, bare = console(), console(no_color=True)
    for screen in (coloured, bare):
        draw(Beside(ended), screen)
    assert "\x1b[32m" in coloured.file.getvalue()
    assert "\x1b[32m" not in bare.file.getvalue()


@pytest.mark.parametrize(
    ("options", "can_draw"),
    [({}, True), ({"force_terminal": False}, False), ({"_environ": {"TERM": "dumb"}}, False)],
    ids=["terminal", "pipe", "dumb terminal"],
)
def test_it_is_drawn_on_a_terminal_only(options, can_draw):
    assert watch_screen.can_draw(console(**options)) is can_draw
