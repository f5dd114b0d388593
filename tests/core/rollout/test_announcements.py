"""Events: every row has one, the documented ones are exactly those that can be emitted, and each names its run."""

import re
from pathlib import Path

import pytest
from models.parts import spec
from models.starting import A, B, has_percent, has_phase, new_world

from serin_core.api.revisions import MAX_REVISION
from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.routing import percent_of
from serin_core.rollout.announcements import KINDS, PROBLEMS
from serin_core.rollout.deletion import DELETED
from serin_core.rollout.destinations import FAILING
from serin_core.rollout.notifications import DROPPED
from serin_core.rollout.observation import is_adoptable

ROOT = Path(__file__).parents[3]
OF_THE_OPERATOR = {
    "RollbackNotRecorded",
    "ChildReverted",
    "WritesConflict",
    DELETED,
    "InvalidSpec",
    "InvalidStatus",
    "AccessRefused",
}
ABOUT_NOTIFICATIONS = {FAILING, DROPPED}


def events(at, *, rounds=60, until=None):
    found = []
    for _ in range(rounds):
        if until is not None and until(at):
            break
        decision = at.whole_pass(at.operators[0])
        found += decision.announcements if decision else ()
        at.kubelets()
        at.tick()
    return found


def reasons(found):
    return [one.reason for one in found]


def test_the_documented_events_are_those_that_are_emitted():
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    table = page[page.index("## Events") : page.index("## Children")]
    rows = re.findall(r"^\| ([A-Z][A-Za-z, ]+) \|", table, flags=re.MULTILINE)
    documented = {reason.strip() for row in rows for reason in row.split(",")}
    assert documented == KINDS | ABOUT_NOTIFICATIONS | OF_THE_OPERATOR


def test_every_problem_is_a_documented_condition():
    page = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    assert all(f"| {reason} |" in page for reason in PROBLEMS)


@pytest.mark.parametrize(
    "reason", ["ChildReverted", "RollbackNotRecorded", "WritesConflict", "InvalidSpec", "AccessRefused"]
)
def test_the_operator_emits_what_is_documented_of_it(reason):
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "operator").rglob("*.py"))
    assert f'"{reason}"' in code


def test_a_rollout_is_told_in_order_and_every_event_names_its_run():
    at = new_world()
    found = events(at, until=has_phase("Promoted"))
    assert reasons(found) == [
        "RolloutStarted",
        "PodsLoading",
        "AcceptancePassed",
        *("StageStarted", "StepAdvanced") * 3,
        "StageStarted",
        "Promoted",
    ]
    assert all(A in one.message for one in found)
    assert found[0].message == f"Rollout of {A} started; compared with the rules"
    assert found[3].message == f"{A}: Shadow stage started: all pods serve it; the soak of 1s starts now"
    assert found[4].message.startswith(f"{A}: Advanced from 0 % to 10 %: availability 100 % of 1,000")
    assert found[-1].message.startswith(f"{A} promoted to stable: availability 100 % of 1,000")


def test_every_pass_with_a_transition_emits_its_event():
    at = new_world()
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    decision = at.whole_pass(at.operators[0])
    assert reasons(decision.announcements) == [at.status.history[-1].event] == ["GateFailed"]
    assert decision.announcements[0].is_warning
    assert decision.announcements[0].message.startswith(f"{A}: Rolled back from 50 % to 0 %: availability")


def test_a_new_run_names_the_one_that_it_replaces():
    at = new_world()
    at.settle(until=has_percent(10))
    at.edit(spec(B))
    found = events(at, rounds=3)
    assert found[0].message == f"Rollout of {B} started; compared with the rules; it replaces {A}"


def test_suspension_is_announced_at_its_start_and_its_end():
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.edit(spec(A, suspend=True))
    found = events(at, rounds=10)
    assert [(one.reason, one.message) for one in found] == [
        ("Suspended", f"Rollout of {A} suspended at 10 % (spec.suspend): the soak timer is stopped")
    ]
    at.edit(spec(A, suspend=False))
    assert [(one.reason, one.message) for one in events(at, rounds=10)] == [
        ("Resumed", f"Rollout of {A} resumed at 10 %")
    ]


@pytest.mark.parametrize(
    ("cap", "event", "message"),
    [
        (5, "PercentLowered", f"{A}: Lowered from 10 % to 5 % (spec.canary.percent): the stage starts again"),
        (50, "CapChanged", f"{A}: Cap changed from 100 % to 50 % (spec.canary.percent)"),
    ],
)
def test_an_edit_of_the_cap_is_announced_once(cap, event, message):
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    steps = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]
    at.edit(spec(A, canary={"percent": cap, "shadowSoak": "1s", "steps": steps}))
    found = events(at, rounds=10)
    assert found[0].reason == event
    assert found[0].message == message
    assert reasons(found).count("CapChanged") + reasons(found).count("PercentLowered") == 1


def test_a_manual_change_of_the_routing_is_a_transition_like_any_other():
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    stage = at.status.candidate.stage
    at.edit_routing(shadow=False)
    found = events(at, rounds=10)
    assert reasons(found)[0] == "RoutingReverted"
    assert found[0].message == (f"The routing ConfigMap was changed: reverted; the stage of {A} (at 10 %) starts again")
    assert at.status.candidate.stage > stage
    assert [entry.event for entry in at.status.history].count("RoutingReverted") == 1


def test_a_routing_that_has_lost_its_owner_is_adopted_and_the_stage_starts_again():
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    stage = at.status.candidate.stage
    at.strip_routing()
    found = events(at, rounds=10)
    [message] = [one.message for one in found if one.reason == "RoutingReverted"]
    assert message.startswith("The routing ConfigMap has lost its owner reference, and was changed: reverted; ")
    assert at.status.candidate.stage > stage
    assert at.children[at.routing_key]["metadata"]["ownerReferences"][0]["uid"] == at.uid


def test_a_routing_of_another_owner_is_never_written_and_the_condition_says_what_waits_for_it():
    at = new_world()
    at.settle(until=has_percent(50))
    at.strip_routing(owners=({"uid": "another"},))
    theirs = at.routing_text()
    at.verdict = "fail"
    at.settle(rounds=10)
    assert at.routing_text() == theirs
    ready = next(one for one in at.status.conditions if one.type == "Ready")
    assert ready.reason == "ChildConflict"
    assert ready.message.endswith("Until then no routing is written: of a rollback, pods get only the announcement")
    assert all(percent_of(pod.document, announced=pod.announced, unheard=0) == 0 for pod in at.pods.values())


@pytest.mark.parametrize(
    ("metadata", "document_uid", "expected"),
    [
        ({}, "u", True),
        ({"ownerReferences": []}, "u", True),
        ({"labels": {names.LABEL_UID: "u"}}, None, True),
        ({"labels": {names.LABEL_UID: "u"}}, "former", True),
        ({"labels": None}, None, False),
        ({}, None, False),
        ({}, "former", False),
        ({"labels": {names.LABEL_UID: "former"}}, "former", False),
        ({"ownerReferences": [{"uid": "another"}], "labels": {names.LABEL_UID: "u"}}, "u", False),
    ],
)
def test_only_a_routing_of_this_uid_without_any_owner_is_adopted(metadata, document_uid, expected):
    document = document_uid and RoutingDocument(uid=document_uid, revision=1, stage=1, salt="")
    assert is_adoptable({"metadata": metadata}, "u", document) is expected


def test_a_rollback_does_not_wait_for_a_manual_change_and_still_outnumbers_it():
    at = new_world()
    at.settle(until=has_percent(50))
    at.edit_routing(revision=500)
    at.verdict = "fail"
    decision = at.whole_pass(at.operators[0])
    assert reasons(decision.announcements) == ["GateFailed"]
    assert at.status.propagation.revision == 501


@pytest.mark.parametrize("revision", [10**19, 2**63 - 1, MAX_REVISION, 10**12])
def test_a_revision_that_no_operator_can_have_written_does_not_hold_a_rollback(revision):
    at = new_world()
    at.settle(until=has_percent(50))
    before = at.status.propagation.revision
    at.edit_routing(revision=revision)
    at.kubelets()
    at.verdict = "fail"
    decision = at.whole_pass(at.operators[0])
    assert reasons(decision.announcements) == ["GateFailed"]
    assert at.status.propagation.revision == before + 1
    at.kubelets()
    assert all(pod.document.revision == before + 1 for pod in at.pods.values())


@pytest.mark.parametrize("revision", [MAX_REVISION - 1, MAX_REVISION, 2**63 - 1])
def test_a_revision_that_an_earlier_version_followed_is_left_again(revision):
    at = new_world()
    at.settle(until=has_percent(10))
    wanted = at.status.propagation.model_copy(update={"revision": revision, "stage": revision})
    stored = at.status.changed(
        propagation=wanted, candidate=at.status.candidate.changed(stage=revision)
    ).model_dump_json()
    at.status = Status.model_validate_json(stored)
    assert at.status.propagation.revision < MAX_REVISION
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


@pytest.mark.parametrize(
    ("away", "reason"),
    [("", "RunNotFound"), ("the registry /registry/models does not exist", "RegistryUnavailable")],
)
def test_a_registry_or_run_that_is_not_there_is_an_event_at_once(away, reason):
    at = new_world()
    at.registry, at.away = {}, away
    [event] = [one for one in events(at, rounds=20) if one.reason == reason]
    assert (away or "is not in the registry /registry") in event.message
    assert event.is_warning
