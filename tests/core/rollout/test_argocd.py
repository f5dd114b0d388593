"""Argo CD's actions against what the operator does with their requests, and the sentence of each state."""

import copy
import re

import argocd_lua
import pytest
from models import situations
from models.argocd_situations import (
    ACTIONS,
    WORLDS,
    before_its_cap,
    last_step_with_holdback,
    live,
    second_rolled_back,
    second_running,
)
from models.situations import A, B, promoted, running

from serin_core.api.base import shortened
from serin_core.api.status_view import condensed
from serin_core.contract.names import REQUEST_PREFIX
from serin_core.rollout.requests import Request


def request_of(found, action):
    (key, value), *others = found["metadata"]["annotations"].items()
    assert (key, others) == (f"{REQUEST_PREFIX}{action}", [])
    return value


def enabled(found):
    return {name for name, one in found.items() if not one["disabled"]}


@pytest.mark.parametrize("name", WORLDS)
def test_an_action_is_enabled_exactly_where_the_operator_accepts_its_request(name):
    at = WORLDS[name]()
    found = argocd_lua.discover(live(at))
    assert set(found) == set(ACTIONS)
    accepted = set()
    for action in ACTIONS:
        if argocd_lua.error_of(live(at), action):
            continue
        tried = copy.deepcopy(at)
        tried.request(action, request_of(argocd_lua.act(live(at), action), action))
        tried.whole_pass(tried.operators[0])
        answers = [one.answer for one in tried.status.handled_requests if one.action == action][-1:]
        if not any(one.startswith("Ignored") for one in answers):
            accepted.add(action)
    assert enabled(found) == accepted


@pytest.mark.parametrize(
    ("make", "action", "phase"),
    [
        (running, "promote", "Canary"),
        (situations.awaiting_approval, "promote", "Canary"),
        (last_step_with_holdback, "promote", "Baking"),
        (situations.baking, "promote", "Promoted"),
        (running, "promote-full", "Promoted"),
        (running, "pause", "Paused"),
        (situations.paused, "resume", "Shadow"),
        (running, "abort", "RolledBack"),
        (second_rolled_back, "retry", "Shadow"),
        (promoted, "undo", "RolledBack"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_request_of_an_action_is_carried_out(make, action, phase):
    at = make()
    at.verdict = "unsure"
    value = request_of(argocd_lua.act(live(at), action), action)
    at.request(action, value)
    at.settle(until=lambda at: at.status.phase == phase)
    answer = at.status.handled_requests[-1]
    assert (answer.action, answer.by, answer.reason) == (action, "argocd", "")
    assert answer.answer.startswith("Done: ")
    assert at.status.phase == phase


def test_a_request_of_argo_cd_has_the_time_and_says_who_wrote_it():
    request = Request("promote", request_of(argocd_lua.act(live(last_step_with_holdback()), "promote"), "promote"))
    assert re.fullmatch(rf"{A} 100 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ by=argocd", request.value)
    assert request.time is not None


def test_an_action_changes_nothing_but_its_annotation():
    # Lua does not tell an empty list from an empty object, and Argo CD restores them: there are none here.
    before = argocd_lua.resource(condensed(running().status), spec={"runID": A})
    before["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    after = argocd_lua.act(copy.deepcopy(before), "abort")
    annotations = after["metadata"].pop("annotations")
    assert annotations.pop("argocd.argoproj.io/tracking-id") == "x"
    assert set(annotations) == {f"{REQUEST_PREFIX}abort"}
    del before["metadata"]["annotations"]
    assert after == before


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (running, {"Promote to 10 %", f"Promote {A} fully, without evidence", f"Pause the rollout of {A}"}),
        (before_its_cap, {f"Promote {A} fully, without evidence", f"Abort: roll back {A}"}),
        (situations.paused, {f"Resume the rollout of {A}", f"Abort: roll back {A}"}),
        (last_step_with_holdback, {"Promote: end the last step now"}),
        (situations.baking, {"Promote: end the bake now"}),
        (situations.rolled_back, {f"Retry the rollout of {A}"}),
        (second_running, {f"Undo: take {A} out of service", f"Abort: roll back {B}"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_name_of_an_enabled_action_says_what_it_does(make, expected):
    found = argocd_lua.discover(live(make()))
    names = {one["displayName"] for one in found.values() if not one["disabled"]}
    assert expected <= names


def test_without_a_status_all_actions_are_disabled_and_say_why():
    found = argocd_lua.resource(None)
    assert enabled(argocd_lua.discover(found)) == set()
    errors = {action: argocd_lua.error_of(found, action) for action in ACTIONS}
    assert errors == dict.fromkeys(ACTIONS[:5], "no rollout is running") | {
        "retry": "no run was rolled back or refused",
        "undo": "no run is stable; the rules serve all users",
    }


SENTENCES = {
    "Pending": "No rollout has started yet",
    "Draining": f"Pods have to stop serving the former candidate before they load {B}",
    "Loading": f"Pods are loading {B}",
    "RunNotFound": f"{B} is not in the registry yet: copy it there, or correct spec.runID in Git",
    "RegistryUnavailable": "Pods cannot read the registry: repair it, or correct spec.registry in Git",
    "PodsBehind": "Some pods serve a former routing",
    "RolloutProgressing": f"{B} is being rolled out, at 12.5 %",
    "Suspended": f"The rollout of {B} is suspended at 12.5 %: set spec.suspend to false in Git to go on",
    "Paused": f"The rollout of {B} is paused at 12.5 %: to go on, run the action resume",
    "AwaitingApproval": f"{B} waits for approval at 12.5 %: run the action promote to approve, abort to refuse",
    "OutsideWindow": f"{B} waits for a window at 12.5 %: to go ahead now, run the action promote",
    "Frozen": f"{B} waits for the end of a freeze at 12.5 %",
    "Undecided": f"{B} has no verdict in time at 12.5 %: run the action promote or abort",
    "CheckPending": f"{B} waits for a check at 12.5 %",
    "CheckEndpointUnknown": f"{B} is on hold at 12.5 %: the operator does not know the endpoint of a check",
    "NoGate": f"{B} is on hold at 12.5 %: no gate judges this stage; change spec.gates in Git",
    "MetricsUnavailable": f"{B} is on hold at 12.5 %: counts cannot be read, or are missing",
    "PodsUnavailable": "Pods cannot start, or cannot load a run",
    "PodsUnreachable": "Some pods do not respond to the operator",
    "ProgressDeadlineExceeded": "Pods make no progress: repair what they wait for, or run the action abort",
    "RulesUnavailable": "The ConfigMap with the rules cannot be read: restore it",
    "Promoting": f"{A} is promoted, but not every pod has confirmed it",
    "Promoted": f"{A} is the stable run",
    "AtCap": f"{B} stays at its cap: to go on, raise spec.canary.percent in Git",
    "Baking": f"{B} bakes: to end the bake now, run the action promote",
    "RolledBack": f"{B} was rolled back: name another run in Git, or run the action retry",
    "Stopped": f"{B} is stopped: to serve it again, set spec.canary.percent to 100 in Git",
    "RunRefused": f"{B} was refused: name another run in Git, or repair the run and run the action retry",
    "ImageRefused": "The operator's configuration does not allow spec.server.image: change it in Git",
    "AnnotationRefused": "The operator's configuration does not allow an annotation of the service account: change it "
    "in Git",
    "InvalidSpec": "The operator cannot read the spec: correct it in Git",
    "InvalidStatus": "The operator cannot read the status, which another version wrote or somebody edited",
    "AccessRefused": "The operator lacks a right in this cluster",
    "ChildConflict": "An object of somebody else has a name that the operator needs: delete it",
    "ChildRefused": "The API server refuses an object of the operator",
}


def test_there_is_a_sentence_for_every_reason():
    page = (argocd_lua.FOLDER.parents[1] / "docs" / "conditions.md").read_text(encoding="utf-8")
    assert set(SENTENCES) == set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", page, flags=re.MULTILINE))


@pytest.mark.parametrize("reason", SENTENCES)
def test_the_message_of_each_state_is_its_sentence_and_what_the_operator_writes(reason):
    ready = {"type": "Ready", "status": "Unknown", "reason": reason, "message": "details"}
    status = {"conditions": [ready], "stable": {"runID": A}}
    if reason not in ("Promoting", "Promoted"):
        status["candidate"] = {"runID": B, "state": "Running", "percent": 12.5}
    found = argocd_lua.health(argocd_lua.resource(status))
    assert found["message"] == f"{SENTENCES[reason]}. details"
    assert found["message"] == shortened(found["message"], 120)


@pytest.mark.parametrize(
    ("candidate", "place"),
    [
        ({"state": "Loading"}, "before shadow"),
        ({"state": "Running", "percent": 0}, "in shadow"),
        ({"state": "Running"}, "in shadow"),
        ({"state": "Running", "percent": 95, "step": 100}, "at 95 %"),
        ({"state": "Running", "percent": 100, "bake": {}}, "in the bake"),
    ],
)
def test_the_sentence_names_the_stage_and_a_reason_of_a_newer_operator_has_none(candidate, place):
    ready = {"type": "Ready", "status": "Unknown", "reason": "Paused", "message": "details"}
    status = {"conditions": [ready], "candidate": {"runID": B} | candidate}
    sentence = f"The rollout of {B} is paused {place}: to go on, run the action resume. details"
    assert argocd_lua.health(argocd_lua.resource(status))["message"] == sentence
    ready["reason"] = "NewReason"
    assert argocd_lua.health(argocd_lua.resource(status))["message"] == "details"


@pytest.mark.parametrize(("drifted", "message"), [("True", "It serves. Amounts differ"), ("False", "It serves")])
def test_a_drift_of_inputs_is_told_and_is_no_bad_health(drifted, message):
    conditions = [
        {"type": "Ready", "status": "True", "reason": "Unknown", "message": "It serves"},
        {"type": "Drifted", "status": drifted, "reason": "InputsDiffer", "message": "Amounts differ"},
    ]
    status = {"observedGeneration": 1, "conditions": conditions}
    assert argocd_lua.health(argocd_lua.resource(status)) == {"status": "Healthy", "message": message}
