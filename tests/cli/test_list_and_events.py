"""list and events, against a cluster that is a dictionary."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, FakeCluster, condition, model, run

from serin_cli import events, listing
from serin_cli.ages import describe_age
from serin_cli.list_text import row

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


def one(name="categories", namespace="shop", **status):
    live = model(**status)
    live["metadata"] |= {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-01-07T10:00:00Z",
    }
    return live


CANARY = one(candidate=CANDIDATE, serving=OLD, percent=10.0)


class Models(FakeCluster):
    """Lists the given resources and reports the given changes and Events."""

    def __init__(self, *lives, changes=(), events=()):
        super().__init__(*lives)
        self.items, self.reported, self.found = lives, changes, events

    def models(self, *, all_namespaces):
        self.all_namespaces = all_namespaces
        return {"metadata": {"resourceVersion": "7"}, "items": list(self.items)}

    def changes(self, found, *, all_namespaces):
        assert found["metadata"]["resourceVersion"] == "7"
        yield from self.reported

    def events(self, name):
        return list(self.found)


@pytest.fixture
def serin(monkeypatch):
    return lambda app, cluster, *arguments: run(monkeypatch, app, cluster, *arguments)


def test_a_row_has_what_kubectl_get_shows():
    cells = ["categories", OLD, RUN, "10", "Canary", "True", "3d2h"]
    assert row(CANARY, namespaces=False, wide=False, now=NOW) == cells
    wide = row(CANARY, namespaces=True, wide=True, now=NOW)
    assert wide == ["shop", *cells, "RolloutProgressing", "m"]


def test_a_row_without_a_status_has_no_empty_cell():
    live = {"metadata": {"name": "c", "namespace": "shop"}}
    assert row(live, namespaces=False, wide=True, now=NOW) == [
        *("c", "-", "-", "-", "Pending", "Unknown", "-"),
        *("-", "-"),
    ]


def test_a_message_of_several_lines_stays_in_one_row():
    live = one(conditions=[condition("Loading", "first\nsecond " + "x" * 200)])
    message = row(live, namespaces=False, wide=True, now=NOW)[-1]
    assert message.startswith("first second x")
    assert len(message) == 100


def test_the_columns_are_aligned(serin):
    cluster = Models(CANARY, one("a", namespace="other"))
    said = serin(listing.app, cluster, "-A")
    assert (said.exit_code, cluster.all_namespaces) == (0, True)
    first, second, third = said.stdout.splitlines()
    assert first.split() == ["NAMESPACE", "NAME", "STABLE", "CANDIDATE", "PERCENT", "PHASE", "READY", "AGE"]
    assert first.index("PHASE") == second.index("Canary") == third.index("Canary")
    assert third.split()[:2] == ["other", "a"]


@pytest.mark.parametrize(
    ("output", "read"),
    [("name", str), ("json", lambda text: [item["metadata"]["name"] for item in json.loads(text)["items"]])],
)
def test_a_list_for_scripts(serin, output, read):
    said = serin(listing.app, Models(CANARY), "-o", output)
    assert read(said.stdout) == {"name": "suggestionmodel.serin.dev/categories\n", "json": ["categories"]}[output]


def test_an_empty_list_names_the_namespace_and_is_no_error(serin):
    said = serin(listing.app, Models())
    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr == "no SuggestionModels found in namespace 'shop'; -A lists all\n"


def test_a_watch_prints_changed_rows_only(serin):
    raised = one(candidate=CANDIDATE | {"percent": 50}, serving=OLD, percent=50.0)
    changes = [("MODIFIED", CANARY), ("MODIFIED", raised), ("MODIFIED", raised), ("DELETED", raised)]
    said = serin(listing.app, Models(CANARY, changes=changes), "-w")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert [cells[3] for cells in rows] == ["PERCENT", "10", "50", "50"]
    assert rows[-1][-1] == "(deleted)"


def test_a_watch_has_no_json(serin):
    said = serin(listing.app, Models(CANARY), "-w", "-o", "json")
    assert (said.exit_code, said.stderr) == (2, "serin: -w prints a table; it cannot be used with -o json\n")


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=45), "45s"),
        (timedelta(minutes=3, seconds=20), "3m20s"),
        (timedelta(minutes=30, seconds=20), "30m"),
        (timedelta(hours=5), "5h"),
        (timedelta(days=3, hours=4, minutes=5), "3d4h"),
        (timedelta(days=40, hours=4), "40d"),
    ],
)
def test_an_age_has_two_units_at_most(age, text):
    assert describe_age(NOW - age, NOW) == text


def event(at, reason, *, uid="uid-categories", kind="Normal", **more):
    return {
        "metadata": {"name": f"categories.{at}"},
        "involvedObject": {"uid": uid},
        "eventTime": at,
        "type": kind,
        "reason": reason,
        "message": "m\nn",
    } | more


def test_events_are_in_order_of_time_and_of_this_resource(serin):
    repeated = {"series": {"count": 3, "lastObservedTime": "2026-01-03T00:00:00.000000Z"}}
    found = [
        event("2026-01-01T00:00:00.000000Z", "Repeated", **repeated),
        event("2026-01-02T00:00:00.500000Z", "Second"),
        event("2026-01-02T00:00:00.000000Z", "First", kind="Warning"),
        event("2026-01-01T12:00:00.000000Z", "Other", uid="uid of an earlier one"),
    ]
    said = serin(events.app, Models(CANARY, events=found), "categories")
    assert said.stdout.splitlines() == [
        "LAST SEEN              TYPE      REASON     MESSAGE",
        "2026-01-02T00:00:00Z   Warning   First      m n",
        "2026-01-02T00:00:00Z   Normal    Second     m n",
        "2026-01-03T00:00:00Z   Normal    Repeated   m n (x3)",
    ]
    said = serin(events.app, Models(CANARY, events=found), "categories", "--warnings", "-o", "json")
    assert [one["reason"] for one in json.loads(said.stdout)["items"]] == ["First"]


def test_without_events_the_history_is_named(serin):
    said = serin(events.app, Models(CANARY), "categories")
    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr == "no Events left; for earlier transitions: kubectl serin history categories\n"
