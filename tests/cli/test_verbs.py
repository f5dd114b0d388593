"""The verbs of kubectl serin, against a cluster that is a dictionary."""

import json
from itertools import count

import pytest
import yaml
from typer.testing import CliRunner

from serin_cli import rollout_commands
from serin_cli.kubernetes_client import AbsentError, Cluster, ClusterError
from serin_core.contract.names import REQUEST_PREFIX

RUN = "run_0123abcd_1767225600"
OLD = "run_00000000_1700000000"


def condition(reason, message="m"):
    return {"type": "Ready", "reason": reason, "message": message, "status": "True"}


def model(*, candidate=None, stable=None, **status):
    return {
        "metadata": {"namespace": "shop", "name": "categories", "generation": 2},
        "status": {
            "phase": "Canary",
            "observedGeneration": 2,
            "conditions": [condition("Progressing")],
            "propagation": {"revision": 4, "confirmed": True, "pods": "2/2"},
            "history": [],
            "handledRequests": [],
        }
        | ({"candidate": candidate} if candidate else {})
        | ({"stable": stable} if stable else {})
        | status,
    }


TRIED = {"runID": RUN, "state": "Canary", "percent": 10, "attempt": 1}
STABLE = {"runID": OLD, "since": "2026-01-01T00:00:00.000000Z"}


class FakeCluster:
    """One SuggestionModel, as often as it is asked for; answers each request at once, as an operator would."""

    def __init__(self, *lives, answer="Raised from 10 to 50 %."):
        self.lives, self.answer, self.asked = list(lives), answer, {}

    def get(self, name):
        live = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
        if isinstance(live, Exception):
            raise live
        handled = [
            {"action": key.removeprefix(REQUEST_PREFIX), "value": value, "answer": self.answer}
            for key, value in self.asked.items()
        ]
        return live | {"status": live["status"] | {"handledRequests": handled}} if "status" in live else live

    def annotate(self, name, annotations):
        self.asked |= annotations


@pytest.fixture
def serin(monkeypatch):
    ticks = count()
    monkeypatch.setattr(rollout_commands.time, "sleep", lambda _: None)
    monkeypatch.setattr(rollout_commands.time, "monotonic", lambda: float(next(ticks)))

    def call(cluster, *arguments):
        monkeypatch.setattr(Cluster, "connect", lambda **_: cluster)
        return CliRunner().invoke(rollout_commands.app, list(arguments))

    return call


def test_status_says_run_stage_evidence_and_history(serin):
    gate = {
        "name": "agreement", "atLeast": 0.7, "good": 80.0, "total": 90.0, "estimate": 0.889,
        "verdict": "Inconclusive", "reason": "NotEnoughEvidence", "needed": 40,
    }  # fmt: skip
    entry = {"at": "2026-01-02T03:04:05.000000Z", "event": "Raised", "message": "Raised from 0 to 10 %.", "by": "p"}
    said = serin(FakeCluster(model(candidate=TRIED, stable=STABLE, gates=[gate], history=[entry])), "status", "c")
    assert said.exit_code == 0
    assert "stable     run_00000000_1700000000, since 2026-01-01T00:00:00Z" in said.stdout
    assert f"candidate  {RUN}, Canary at 10 %" in said.stdout
    assert "agreement 88.9 % of 90 (at least 70 %): Inconclusive, about 40 more to a verdict" in said.stdout
    assert "2026-01-02T03:04:05Z  Raised     Raised from 0 to 10 %. (asked: p)" in said.stdout


def test_status_without_an_operator_asks_whether_it_runs(serin):
    live = {"metadata": {"namespace": "shop", "name": "categories", "generation": 1}}
    assert "is the operator running?" in serin(FakeCluster(live), "status", "c").stdout


@pytest.mark.parametrize(("form", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_status_for_programs_is_the_whole_status(serin, form, parse):
    live = model(candidate=TRIED)
    assert parse(serin(FakeCluster(live), "status", "c", "-o", form).stdout) == live["status"]


def test_a_cluster_that_cannot_be_asked_is_one_line_and_exit_status_1(serin):
    said = serin(FakeCluster(ClusterError("no suggestionmodel 'c' in namespace 'shop'")), "status", "c")
    assert said.exit_code == 1
    assert said.stderr == "serin: no suggestionmodel 'c' in namespace 'shop'\n"


@pytest.mark.parametrize(
    ("verb", "action", "names"),
    [
        ("promote", "promote", [RUN, "10"]),
        ("promote-full", "promote-full", [RUN]),
        ("retry", "retry", [RUN]),
        ("abort", "abort", [RUN]),
    ],
)
def test_a_request_names_the_run_the_time_and_the_reason(serin, verb, action, names):
    cluster = FakeCluster(model(candidate=TRIED, stable=STABLE))
    said = serin(cluster, verb, "c", "--reason", "checked by hand")
    assert (said.exit_code, said.stdout) == (0, "Raised from 10 to 50 %.\n")
    value = cluster.asked[f"{REQUEST_PREFIX}{action}"].split()
    assert value[: len(names)] == names
    assert value[len(names) + 1 :] == ["checked", "by", "hand"]


def test_abort_takes_the_stable_run_where_none_is_on_trial(serin):
    cluster = FakeCluster(model(candidate=TRIED | {"state": "RolledBack"}, stable=STABLE))
    said = serin(cluster, "abort", "c")
    assert cluster.asked[f"{REQUEST_PREFIX}abort"].startswith(OLD)
    assert said.stderr == f"taking {OLD} back\n"


@pytest.mark.parametrize("verb", ["promote", "promote-full", "retry", "abort"])
def test_a_request_without_a_run_is_refused(serin, verb):
    said = serin(FakeCluster(model()), verb, "c")
    assert said.exit_code == 1
    assert "no run" in said.stderr


def test_an_ignored_request_ends_with_status_1(serin):
    cluster = FakeCluster(model(candidate=TRIED), answer="Ignored: it is not on trial.")
    assert serin(cluster, "promote", "c").exit_code == 1


def test_a_request_that_nobody_answers_says_so(serin):
    cluster = FakeCluster(model(candidate=TRIED))
    cluster.annotate = lambda name, annotations: None
    said = serin(cluster, "retry", "c")
    assert said.exit_code == 1
    assert "no answer within 30 s" in said.stdout


@pytest.mark.parametrize(("reason", "status"), [("Promoted", 0), ("RolledBack", 1), ("RunRefused", 1)])
def test_watch_tells_each_transition_once_and_ends_with_the_outcome(serin, reason, status):
    first = {"at": "2026-01-01T00:00:00.000000Z", "event": "Begun", "message": "On trial."}
    then = {"at": "2026-01-01T00:00:01.000000Z", "event": "Ended", "message": "Over."}
    cluster = FakeCluster(
        model(history=[first]),
        model(history=[first]),
        model(history=[first, then], conditions=[condition(reason, "the end")]),
    )
    said = serin(cluster, "watch", "c")
    assert said.exit_code == status
    assert said.stdout.count("On trial.") == 1
    assert said.stdout.endswith(f"{reason}: the end\n")


def test_watch_ends_only_when_every_pod_confirmed(serin):
    unconfirmed = {"revision": 5, "confirmed": False, "pods": "1/2"}
    over = [condition("Promoted", "done")]
    cluster = FakeCluster(model(conditions=over, propagation=unconfirmed))
    said = serin(cluster, "watch", "c", "--timeout", "5")
    assert said.exit_code == 1
    assert "not over after 5 s" in said.stdout


def test_watch_ends_when_the_last_pod_confirms_what_was_said_before(serin):
    over = [condition("Promoted", "done")]
    unconfirmed = model(conditions=over, propagation={"revision": 5, "confirmed": False, "pods": "1/2"})
    said = serin(FakeCluster(unconfirmed, model(conditions=over)), "watch", "c", "--timeout", "20")
    assert (said.exit_code, said.stderr) == (0, "")


def test_watch_ends_where_only_the_reason_changed(serin):
    lives = model(conditions=[condition("Promoting", "same")]), model(conditions=[condition("Promoted", "same")])
    said = serin(FakeCluster(*lives), "watch", "c", "--timeout", "20")
    assert (said.exit_code, said.stdout) == (0, "  Promoting: same\n  Promoted: same\n")


@pytest.mark.parametrize(
    ("reason", "status", "end"),
    [
        ("Promoted", 0, "Promoted: m"),
        ("Loading", 1, "no pods are wanted (spec.server.replicas is 0): it cannot go on"),
    ],
)
def test_watch_does_not_wait_for_pods_that_nobody_wants(serin, reason, status, end):
    nobody = {"revision": 5, "confirmed": False, "pods": "0/0"}
    live = model(conditions=[condition(reason)], propagation=nobody) | {"spec": {"server": {"replicas": 0}}}
    said = serin(FakeCluster(live), "watch", "c", "--timeout", "20")
    assert said.exit_code == status
    assert said.stdout.endswith(f"  {end}\n")


def test_watch_rides_out_an_api_server_that_is_away_and_says_so_once(serin):
    away = ClusterError("the API server answered 503 Service Unavailable")
    cluster = FakeCluster(model(), away, away, away, model(conditions=[condition("Promoted")]))
    said = serin(cluster, "watch", "c")
    assert said.exit_code == 0
    assert said.stderr == "serin: the API server answered 503 Service Unavailable; looking again\n"


def test_watch_gives_up_after_a_minute_of_nothing_but_errors(serin):
    away = ClusterError("the API server cannot be reached: refused")
    said = serin(FakeCluster(model(), away), "watch", "c")
    assert said.exit_code == 1
    assert said.stderr.splitlines() == [
        "serin: the API server cannot be reached: refused; looking again",
        "serin: the API server cannot be reached: refused",
    ]


def test_watch_ends_at_once_where_there_is_no_such_model(serin):
    said = serin(FakeCluster(AbsentError("no suggestionmodel 'c' in namespace 'shop'")), "watch", "c")
    assert (said.exit_code, said.stderr) == (1, "serin: no suggestionmodel 'c' in namespace 'shop'\n")
