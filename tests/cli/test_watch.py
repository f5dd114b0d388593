"""watch, against a cluster that is a dictionary."""

import re

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, FakeCluster, condition, model, run

from serin_cli import watch
from serin_cli.request_errors import AbsentError, ClusterError, UnreadableError


@pytest.fixture
def serin(monkeypatch, virtual_time):
    return lambda cluster, *arguments: run(monkeypatch, watch.app, cluster, *arguments)


def without_times(text):
    return re.sub(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ", "", text)


@pytest.mark.parametrize(("reason", "status"), [("Promoted", 0), ("RolledBack", 3), ("RunRefused", 4), ("Stopped", 3)])
def test_watch_shows_each_transition_once_and_ends_with_the_outcome(serin, reason, status):
    first = {"at": "2026-01-01T00:00:00.000000Z", "event": "Begun", "message": "Started."}
    then = {"at": "2026-01-01T00:00:01.000000Z", "event": "Ended", "message": "Over."}
    cluster = FakeCluster(
        model(history=[first]),
        model(history=[first]),
        model(history=[first, then], conditions=[condition(reason, "the end")]),
    )
    said = serin(cluster, "c")
    assert said.exit_code == status
    assert said.stdout.count("Started.") == 1
    assert said.stdout.endswith(f"{reason}: the end\n")


def test_watch_ends_only_when_every_pod_confirmed(serin):
    unconfirmed = {"revision": 5, "confirmed": False, "pods": "1/2"}
    over = [condition("Promoted", "done")]
    cluster = FakeCluster(model(conditions=over, propagation=unconfirmed))
    said = serin(cluster, "c", "--timeout", "5")
    assert said.exit_code == 5
    assert said.stderr == "serin: timed out after 5 s; the rollout is still running\n"


def test_watch_ends_when_the_last_pod_confirms(serin):
    over = [condition("Promoted", "done")]
    unconfirmed = model(conditions=over, propagation={"revision": 5, "confirmed": False, "pods": "1/2"})
    said = serin(FakeCluster(unconfirmed, model(conditions=over)), "c", "--timeout", "20")
    assert (said.exit_code, said.stderr) == (0, "")


def test_watch_ends_where_only_the_reason_changed(serin):
    lives = model(conditions=[condition("Promoting", "same")]), model(conditions=[condition("Promoted", "same")])
    said = serin(FakeCluster(*lives), "c", "--timeout", "20")
    assert said.exit_code == 0
    assert without_times(said.stdout).endswith("Promoting: same\nPromoted: same\n")


@pytest.mark.parametrize(
    ("reason", "status", "end"),
    [
        ("Promoted", 0, "Promoted: m"),
        ("Loading", 1, "stopped: spec.server.replicas is 0, so the rollout cannot continue"),
    ],
)
def test_watch_does_not_wait_where_no_pods_are_requested(serin, reason, status, end):
    nobody = {"revision": 5, "confirmed": False, "pods": "0/0"}
    live = model(conditions=[condition(reason)], propagation=nobody) | {"spec": {"server": {"replicas": 0}}}
    said = serin(FakeCluster(live), "c", "--timeout", "20")
    assert said.exit_code == status
    assert without_times(said.stdout).endswith(f"\n{end}\n")


def test_watch_tolerates_an_api_server_that_is_away_and_reports_it_once(serin):
    away = ClusterError("the API server answered 503 Service Unavailable")
    cluster = FakeCluster(model(), away, away, away, model(conditions=[condition("Promoted")]))
    said = serin(cluster, "c")
    assert said.exit_code == 0
    assert said.stderr == "serin: the API server answered 503 Service Unavailable; trying again\n"


def test_watch_does_not_wait_for_a_status_of_a_newer_version_to_become_an_older_one(serin):
    newer = UnreadableError("a newer version of Serin wrote this status")
    said = serin(FakeCluster(model(), newer), "c")
    assert (said.exit_code, said.stderr) == (1, "serin: a newer version of Serin wrote this status\n")


def test_watch_gives_up_after_a_minute_of_nothing_but_errors(serin):
    away = ClusterError("the API server cannot be reached: refused")
    said = serin(FakeCluster(model(), away), "c")
    assert said.exit_code == 1
    assert said.stderr.splitlines() == [
        "serin: the API server cannot be reached: refused; trying again",
        "serin: the API server cannot be reached: refused",
    ]


def test_watch_ends_at_once_where_there_is_no_such_model(serin):
    said = serin(FakeCluster(AbsentError("no suggestionmodel 'c' in namespace 'shop'")), "c")
    assert (said.exit_code, said.stderr) == (6, "serin: no suggestionmodel 'c' in namespace 'shop'\n")


def test_watch_reports_a_resource_that_is_deleted(serin):
    said = serin(FakeCluster(model(), AbsentError("suggestionmodel 'c' not found in namespace 'shop'")), "c")
    assert (said.exit_code, said.stderr) == (6, "serin: suggestionmodel 'c' was deleted\n")


def test_watch_begins_with_the_runs_and_leaves_out_earlier_rollouts(serin):
    began = CANDIDATE | {"attemptStartedAt": "2026-01-02T00:00:00.000000Z"}
    history = [
        {"at": "2026-01-01T00:00:00.000000Z", "event": "Failed", "message": "An earlier attempt.", "runID": RUN},
        {"at": "2026-01-02T00:00:00.000000Z", "event": "Begun", "message": "Started.", "runID": RUN},
        {"at": "2026-01-02T00:00:01.000000Z", "event": "Promoted", "message": "Another run.", "runID": OLD},
    ]
    ends = model(candidate=began, stable=STABLE, history=history, conditions=[condition("AtCap")])
    lines = serin(FakeCluster(ends), "c").stdout.splitlines()
    assert lines[0] == f"shop/categories: candidate {RUN}, stable {OLD}"
    assert [without_times(line) for line in lines[1:]] == [f"{RUN}  Begun: Started.", "AtCap: m"]


def test_watch_prints_a_step_that_awaits_an_approval_once_though_its_counts_grow(serin):
    waits = "10 %: a user must approve the step to 50 %"
    lives = [
        model(conditions=[condition("AwaitingApproval", f"{waits}. Evidence: agreement 90 % of {n}")]) for n in (1, 2)
    ]
    said = serin(FakeCluster(*lives, model(conditions=[condition("Promoted", "done")])), "c")
    assert said.stdout.count("AwaitingApproval") == 1
    assert f"{waits}. Evidence: agreement 90 % of 1\n" in said.stdout


@pytest.mark.parametrize("timeout", ["5", "5s", "5000ms"])
def test_a_timeout_is_a_duration_or_a_number_of_seconds(serin, timeout):
    said = serin(FakeCluster(model()), "c", "--timeout", timeout)
    assert (said.exit_code, said.stderr) == (5, "serin: timed out after 5 s; the rollout is still running\n")


def test_another_timeout_is_wrong_usage(serin):
    said = serin(FakeCluster(model()), "c", "--timeout", "soon")
    assert said.exit_code == 2
    assert "'soon' is not a duration" in said.stderr
