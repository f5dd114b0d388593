"""status and explain, against a cluster that is a dictionary."""

import copy
import json
from datetime import UTC, datetime

import pytest
import yaml
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, FakeCluster, condition, model, run

from serin_cli import status, watch_polls
from serin_cli.evidence_data import evidence_of
from serin_cli.evidence_text import describe_evidence
from serin_cli.request_errors import AbsentError, ClusterError
from serin_cli.stage_text import describe_stage
from serin_cli.status_text import describe_status

WINDOW = {"days": ["Mon"], "from": "09:00", "to": "16:00", "timeZone": "Europe/Berlin"}
NEXT = "next window Mon 09:00 Europe/Berlin"
SOAKING = "10 % (step 1 of 3), soaked 3h12m of 24h (20h48m left), earliest advance 2026-01-03 08:48 UTC"
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GATE = {
    "name": "agreement", "atLeast": 0.7, "good": 80.0, "total": 90.0, "estimate": 0.889,
    "verdict": "Inconclusive", "reason": "NotEnoughEvidence", "needed": 40,
}  # fmt: skip
IN_STAGE = CANDIDATE | {
    "stage": 7,
    "stageStartedAt": "2026-01-02T08:00:00.000000Z",
    "soakingSince": "2026-01-02T08:48:00.000000Z",
}
BAKING = {
    "percent": 100,
    "holdback": 5.0,
    "bake": {"startedAt": "2026-01-02T08:48:00.000000Z", "runningSince": "2026-01-02T08:48:00.000000Z"},
}


@pytest.fixture
def serin(monkeypatch):
    return lambda cluster, *arguments: run(monkeypatch, status.app, cluster, *arguments)


def test_status_shows_run_gates_and_history(serin):
    entry = {"at": "2026-01-02T03:04:05.000000Z", "event": "Raised", "message": "Raised from 0 to 10 %.", "runID": RUN}
    said = serin(FakeCluster(model(candidate=CANDIDATE, stable=STABLE, gates=[GATE], history=[entry])), "status", "c")
    assert said.exit_code == 0
    assert "stable     run_00000000_1700000000, since 2026-01-01T00:00:00Z" in said.stdout
    assert f"candidate  {RUN}, Running at 10 %" in said.stdout
    assert "agreement 88.9 % of 90 (at least 70 %): Inconclusive, about 40 more to a verdict" in said.stdout
    assert f"2026-01-02T03:04:05Z  {RUN}  Raised: Raised from 0 to 10 %." in said.stdout


CHECK = {
    "name": "smoke", "endpoint": "ci", "id": "1", "before": 50, "since": "2026-01-02T11:00:00.000000Z",
    "answers": 2, "verdict": "Wait", "message": "312 tests are running", "retryAt": "2026-01-02T12:00:20.000000Z",
}  # fmt: skip
ASKED = 'smoke (endpoint ci) before 50 % answered Wait: "312 tests are running"; asked again at 2026-01-02 12:00:20 UTC'


def test_status_and_explain_show_what_a_check_answered_and_when_it_is_asked_again(serin):
    done = {"name": "load", "endpoint": "ci", "id": "2", "before": 50, "since": "2026-01-02T11:00:00Z"}
    checks = [CHECK, done | {"answers": 1, "verdict": "Pass", "message": ""}]
    candidate = IN_STAGE | {"soaked": 100_000.0, "soakingSince": None}
    live = model(candidate=candidate, stable=STABLE, gates=[GATE], checks=checks)
    said = describe_status(live, now=NOW)
    assert f"  check      {ASKED}" in said
    assert "  check      load (endpoint ci) before 50 % answered Pass" in said
    assert any("soak of 24h complete, waiting for check smoke, then 50 %" in line for line in said)
    assert f"  check {ASKED}" in describe_evidence(live, now=NOW)
    over = model(candidate=candidate | {"state": "RolledBack"}, checks=checks)
    assert not any(line.startswith("  check") for line in describe_status(over, now=NOW))


@pytest.mark.parametrize(
    ("changes", "spec", "expected"),
    [
        (
            {},
            {},
            "10 % (step 1 of 3), soaked 3h12m of 24h (20h48m left), earliest advance 2026-01-03 08:48 UTC, then 50 %",
        ),
        (
            {"soaked": 3600.0},
            {"canary": {"steps": [{"percent": 10, "soak": "6h"}]}},
            "10 % (step 1 of 1), soaked 4h12m of 6h (1h48m left), earliest advance 13:48 UTC, then it stays at 10 %",
        ),
        (
            {"percent": 0},
            {"canary": {"shadowSoak": "1h"}},
            "shadow, soak of 1h complete, waiting for the gates, then 10 %",
        ),
        (
            {"percent": 100, "soakingSince": None, "soaked": 90.0},
            {},
            "100 % (step 3 of 3), soaked 1m30s of 24h, soak timer stopped, then promotion",
        ),
        (
            {"percent": 100, "soakingSince": None, "soaked": 90.0},
            {"bake": {"duration": "168h"}},
            "100 % (step 3 of 3), soaked 1m30s of 24h, soak timer stopped, then a bake of 168h",
        ),
        (
            BAKING,
            {"bake": {"duration": "168h", "holdback": 5}},
            "bake, 3h12m of 168h, ends 2026-01-09 08:48 UTC, holdback 5 %, then promotion",
        ),
        (
            BAKING | {"holdback": 0.0},
            {"bake": {"duration": "3h"}},
            "bake, 3h12m of 3h, complete, waiting for counts and for all pods, then promotion",
        ),
        (
            BAKING | {"bake": {"startedAt": "2026-01-02T08:48:00.000000Z", "elapsed": 60.0}},
            {"bake": {"duration": "3h"}},
            "bake, 1m of 3h, timer stopped, holdback 5 %, then promotion",
        ),
        (
            {},
            {"canary": {"windows": [WINDOW]}},
            f"{SOAKING}, {NEXT}, then 50 %",
        ),
        (
            {"hold": {"reason": "OutsideWindow", "since": "2026-01-02T09:00:00.000000Z"}},
            {"canary": {"steps": [{"percent": 10, "soak": "1h"}], "windows": [WINDOW]}},
            f"10 % (step 1 of 1), soak of 1h complete, waiting for its window, {NEXT}, then it stays at 10 %",
        ),
        (
            {"percent": 0, "hold": {"reason": "AwaitingApproval", "since": "2026-01-02T09:00:00.000000Z"}},
            {"canary": {"shadowSoak": "1h", "approval": "Manual"}},
            "shadow, soak of 1h complete, waiting for an approval, then 10 % if approved",
        ),
        ({"stageStartedAt": None}, {}, ""),
        ({"state": "RolledBack"}, {}, ""),
    ],
    ids=[
        "soaking",
        "the last step",
        "shadow",
        "stopped",
        "before a bake",
        "bake",
        "end of bake",
        "bake stopped",
        "window after the soak",
        "window",
        "approval",
        "no stage",
        "ended",
    ],
)
def test_a_stage_shows_its_soak_and_what_comes_next(changes, spec, expected):
    assert describe_stage(model(candidate=IN_STAGE | changes, spec=spec), now=NOW) == expected


@pytest.mark.parametrize(
    ("verdict", "reason", "waits"),
    [
        ("Pass", "Frozen", "the end of a freeze"),
        ("Inconclusive", "RolloutProgressing", "the gates"),
        ("Inconclusive", "Undecided", "the gates"),
        ("Inconclusive", "Frozen", "the end of a freeze"),
        ("Pass", "PodsUnavailable", "the end of a freeze"),
    ],
    ids=["proven", "undecided again", "undecided for too long", "out of time", "proven, but pods are away"],
)
def test_a_stage_names_a_hold_only_while_it_is_over(verdict, reason, waits):
    hold = {"reason": "Frozen", "since": "2026-01-02T09:00:00.000000Z"}
    live = model(
        candidate=IN_STAGE | {"hold": hold},
        spec={"canary": {"steps": [{"percent": 10, "soak": "1h"}, {"percent": 100, "soak": "1h"}]}},
        gates=[GATE | {"verdict": verdict}],
        conditions=[condition(reason)],
    )
    expected = f"10 % (step 1 of 2), soak of 1h complete, waiting for {waits}, then 100 %"
    assert describe_stage(live, now=NOW) == expected


def test_the_actual_share_is_shown_beside_the_wanted_one():
    share = {"wanted": 10, "users": 9.5, "countedUsers": 200, "requests": 12.25, "countedRequests": 4000}
    line = "  served     9.5 % of 200 users, 12.2 % of 4000 requests (wanted: 10 % of users)"
    assert line in describe_status(model(candidate=IN_STAGE, actualShare=share), now=NOW)
    ended = model(candidate=IN_STAGE | {"state": "RolledBack"}, actualShare=share)
    assert line not in describe_status(ended, now=NOW)


def test_the_gates_of_an_ended_rollout_need_no_more():
    lines = describe_status(model(candidate=IN_STAGE | {"state": "RolledBack"}, gates=[GATE]), now=NOW)
    assert "  gate       agreement 88.9 % of 90 (at least 70 %): Inconclusive" in lines


@pytest.mark.parametrize("command", ["status", "explain"])
def test_a_missing_status_asks_whether_the_operator_runs(serin, command):
    live = {"metadata": {"namespace": "shop", "name": "categories", "generation": 1}}
    assert "is the operator running?" in serin(FakeCluster(live), command, "c").stdout


@pytest.mark.parametrize(("form", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_status_for_programs_is_the_whole_status(serin, form, parse):
    live = model(candidate=CANDIDATE)
    assert parse(serin(FakeCluster(live), "status", "c", "-o", form).stdout) == live["status"]


@pytest.mark.parametrize(("form", "between"), [("text", "\n\nshop/categories"), ("json", "}\n{"), ("yaml", "\n---\n")])
def test_status_with_a_watch_prints_again_what_changed(serin, monkeypatch, form, between):
    begun = model(candidate=IN_STAGE, gates=[GATE])
    raised = model(candidate=IN_STAGE | {"percent": 50}, gates=[GATE])
    lives = [begun, copy.deepcopy(begun), raised, AbsentError("gone")]
    monkeypatch.setattr(watch_polls.Changes, "wait", lambda *_: True)
    monkeypatch.setattr(FakeCluster, "follow", lambda *_: watch_polls.Changes([]))
    said = serin(FakeCluster(*lives), "status", "c", "-w", "-o", form)
    assert said.stderr == "serin: suggestionmodel 'c' was deleted\n"
    assert said.exit_code == 6
    assert said.stdout.count(between) == 1
    assert said.stdout.count(RUN) == 2 * serin(FakeCluster(raised), "status", "c", "-o", form).stdout.count(RUN)


def test_explain_for_programs_has_each_gate_with_its_sentence(serin):
    live = model(candidate=IN_STAGE, stable=STABLE, gates=[GATE])
    found = evidence_of(live, now=NOW)
    (gate,) = found["gates"]
    assert {key: gate[key] for key in GATE} == GATE
    assert gate["explanation"] == describe_evidence(live, now=NOW)[2].strip()
    # 90 in 4 h, 40 more.
    assert gate["secondsLeft"] == pytest.approx(40 / 90 * 4 * 3600, abs=5)
    assert (found["run"], found["isRunning"]) == (RUN, True)
    assert found["stage"] == {"stage": 7, "percent": 10, "stageStartedAt": "2026-01-02T08:00:00.000000Z"}
    for form, parse in (("json", json.loads), ("yaml", yaml.safe_load)):
        printed = parse(serin(FakeCluster(live), "explain", "c", "-o", form).stdout)
        assert printed.keys() == found.keys()
        assert [one["name"] for one in printed["gates"]] == ["agreement"]


@pytest.mark.parametrize(
    ("changes", "gates"),
    [
        ({"candidate": IN_STAGE | {"state": "RolledBack"}}, ["agreement"]),
        ({"candidate": IN_STAGE | {"state": "Refused"}}, []),
        ({"candidate": CANDIDATE}, []),
        ({"stable": STABLE}, []),
    ],
    ids=["rolled back", "refused", "in no stage", "no rollout"],
)
def test_explain_for_programs_has_no_gates_of_another_run(changes, gates):
    found = evidence_of(model(gates=[GATE], **changes), now=NOW)
    assert [(one["name"], one["secondsLeft"]) for one in found["gates"]] == [(name, None) for name in gates]
    assert found["stage"] is None


def test_a_cluster_that_cannot_be_reached_is_one_line_and_exit_status_1(serin):
    said = serin(FakeCluster(ClusterError("no suggestionmodel 'c' in namespace 'shop'")), "status", "c")
    assert said.exit_code == 1
    assert said.stderr == "serin: no suggestionmodel 'c' in namespace 'shop'\n"


def test_explain_shows_the_stage_and_each_gate_of_a_running_rollout():
    lines = describe_evidence(model(candidate=IN_STAGE, gates=[GATE]), now=NOW)
    assert lines[0] == f"shop/categories: {RUN} in 10 %, stage 7"
    assert "soaked 3h12m of 24h" in lines[1]
    assert lines[2].startswith("  agreement: 80 of 90 users agree (88.89 %)")
    assert "about 40 more" in lines[2]


def test_explain_shows_the_reason_of_an_outage():
    blind = GATE | {"reason": "Unreachable", "needed": None}
    outage = condition("MetricsUnavailable", "Holding at 10 %: Prometheus did not answer.")
    lines = describe_evidence(model(candidate=IN_STAGE, gates=[blind], conditions=[outage]), now=NOW)
    assert "  MetricsUnavailable: Holding at 10 %: Prometheus did not answer." in lines


def test_explain_of_a_rollback_shows_what_ended_it_and_the_last_gates_of_that_run():
    entries = [
        {
            "at": "2026-01-02T09:00:00.000000Z",
            "event": "Failed",
            "message": "Rolled back at 10 %: agreement.",
            "runID": RUN,
        },
        {"at": "2026-01-02T09:00:01.000000Z", "event": "Other", "message": "Of another run.", "runID": OLD},
    ]
    live = model(
        candidate=CANDIDATE | {"state": "RolledBack"},
        stable=STABLE,
        gates=[GATE | {"verdict": "Fail"}],
        history=entries,
        conditions=[condition("RolledBack", f"{RUN} was rolled back: agreement.")],
    )
    assert describe_evidence(live, now=NOW) == [
        f"shop/categories: {RUN} was rolled back",
        f"  RolledBack: {RUN} was rolled back: agreement.",
        f"  2026-01-02T09:00:00Z  {RUN}  Failed: Rolled back at 10 %: agreement.",
        f"  gates of {RUN} at its last check:",
        "    agreement 88.9 % of 90 (at least 70 %): Fail",
    ]


def test_problems_with_conditions_of_their_own_are_shown_once():
    conditions = [
        condition("PodsUnreachable", "On hold: pod x is away."),
        {"type": "UnknownClasses", "status": "True", "reason": "NotInRun", "message": "no class Nope"},
        {"type": "ChildOverridden", "status": "False", "reason": "None", "message": ""},
        {"type": "PodsUnreachable", "status": "True", "reason": "PodsUnreachable", "message": "pod x is away"},
    ]
    lines = describe_status(model(candidate=CANDIDATE, conditions=conditions), now=NOW)
    assert [line for line in lines if line.startswith("  note")] == ["  note       UnknownClasses: no class Nope"]


@pytest.mark.parametrize(
    ("status", "noted"), [("True", ["  note       Drifted: hours"]), ("False", []), ("Unknown", [])]
)
def test_a_drift_of_inputs_is_noted_while_it_lasts(status, noted):
    drifted = {"type": "Drifted", "status": status, "reason": "InputsDiffer", "message": "hours"}
    live = model(conditions=[condition("Promoted", "It serves all users."), drifted])
    assert [line for line in describe_status(live, now=NOW) if line.startswith("  note")] == noted


def test_explain_of_a_stopped_run_does_not_call_it_rolled_back():
    live = model(candidate=CANDIDATE | {"state": "Stopped"}, conditions=[condition("Stopped", "Stopped.")])
    assert describe_evidence(live, now=NOW) == [f"shop/categories: {RUN} is stopped", "  Stopped: Stopped."]


def test_explain_of_a_refused_run_shows_why_and_no_gates_of_another_run():
    live = model(
        candidate=CANDIDATE | {"state": "Refused"},
        stable=STABLE,
        gates=[GATE],
        history=[{"at": "2026-01-01T09:00:00.000000Z", "event": "Promoted", "message": "It is stable.", "runID": OLD}],
        conditions=[condition("RunRefused", f"{RUN} is not in the registry.")],
    )
    assert describe_evidence(live, now=NOW) == [
        f"shop/categories: {RUN} was refused",
        f"  RunRefused: {RUN} is not in the registry.",
    ]


def test_explain_of_a_loading_run_shows_no_evidence_of_the_run_before():
    live = model(
        candidate=CANDIDATE | {"state": "Loading"}, gates=[GATE], conditions=[condition("Loading", "Loading.")]
    )
    assert describe_evidence(live, now=NOW) == [
        f"shop/categories: {RUN} is in no stage yet",
        "  Loading: Loading.",
    ]


def test_explain_without_a_rollout_names_the_stable_run():
    live = model(stable=STABLE, conditions=[condition("Promoted", "All pods serve it.")])
    assert describe_evidence(live, now=NOW) == [
        f"shop/categories: no rollout is running; {OLD} is stable",
        "  Promoted: All pods serve it.",
    ]


def test_status_shows_the_runs_that_can_be_restored():
    earlier = [{"runID": RUN}, {"runID": "run_11111111_1690000000"}]
    lines = describe_status(model(stable=STABLE, previous=earlier[0], earlier=earlier), now=NOW)
    assert f"  restorable {RUN} (loaded), run_11111111_1690000000" in lines


def test_status_of_a_run_that_serves_without_a_trial_says_so():
    candidate = CANDIDATE | {"state": "Loading", "percent": 0, "skipsTrial": "Restored"}
    lines = describe_status(model(candidate=candidate), now=NOW)
    assert f"  candidate  {RUN}, Loading, restored: serves without a trial" in lines
