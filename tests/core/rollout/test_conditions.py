"""Every reason of docs/conditions.md as a real status: conditions, phase, and what Argo CD makes of them."""

from datetime import timedelta

import argocd_lua
import pytest
from models.situations import (
    DIGESTS,
    A,
    absent,
    at_cap,
    awaiting_approval,
    baking,
    blind,
    cap_raised,
    emptied,
    frozen,
    image_refused,
    missing,
    no_gate,
    outside_window,
    paused,
    promoted,
    refused,
    rolled_back,
    running,
    stuck,
    suspended,
    unseen_change,
    without_room,
    world,
)

from serin_core.api.status_view import condensed
from serin_core.kubernetes.inputs import RulesMissing, ServerImage
from serin_core.rollout.protocol import ABSENT_PATIENCE

SITUATIONS = {
    "under way": (running, "Shadow", ("Unknown", "RolloutProgressing"), True, False, True, "Progressing"),
    "promoted": (promoted, "Promoted", ("True", "Promoted"), False, False, True, "Healthy"),
    "at its cap": (at_cap, "AtCap", ("True", "AtCap"), False, False, True, "Healthy"),
    "in its bake": (baking, "Baking", ("True", "Baking"), False, False, True, "Healthy"),
    "its cap was raised": (cap_raised, "Canary", ("Unknown", "RolloutProgressing"), True, False, True, "Progressing"),
    "image not allowed": (image_refused, "Promoted", ("False", "ImageRefused"), False, True, True, "Degraded"),
    "rolled back": (rolled_back, "RolledBack", ("False", "RolledBack"), False, True, True, "Degraded"),
    "refused by the acceptance gate": (refused, "Refused", ("False", "RunRefused"), False, True, True, "Degraded"),
    "not in the registry yet": (absent, "Pending", ("Unknown", "RunNotFound"), True, False, True, "Progressing"),
    "missing in the registry": (missing, "Refused", ("False", "RunRefused"), False, True, True, "Degraded"),
    "Prometheus unreachable": (blind, "Shadow", ("Unknown", "MetricsUnavailable"), True, False, True, "Progressing"),
    "no gate can judge": (no_gate, "Shadow", ("Unknown", "NoGate"), True, False, True, "Progressing"),
    "pods cannot be placed": (without_room, "Shadow", ("Unknown", "PodsUnavailable"), True, False, True, "Progressing"),
    "past the deadline": (stuck, "Shadow", ("False", "ProgressDeadlineExceeded"), False, True, True, "Degraded"),
    "pods cannot load": (emptied, "Promoted", ("Unknown", "PodsUnavailable"), True, False, True, "Progressing"),
    "suspended": (suspended, "Suspended", ("Unknown", "Suspended"), True, False, True, "Suspended"),
    "paused": (paused, "Paused", ("Unknown", "Paused"), True, False, True, "Suspended"),
    "awaits approval": (awaiting_approval, "Shadow", ("Unknown", "AwaitingApproval"), True, False, True, "Suspended"),
    "outside its windows": (outside_window, "Shadow", ("Unknown", "OutsideWindow"), True, False, True, "Suspended"),
    "frozen": (frozen, "Shadow", ("Unknown", "Frozen"), True, False, True, "Suspended"),
}


HEALTHY_DURING_ROLLOUT = {"serin.dev/healthy-during-rollout": "true"}
IN_GOOD_ORDER = (
    "under way",
    "not in the registry yet",
    "promoted",
    "at its cap",
    "in its bake",
    "its cap was raised",
    "suspended",
    "paused",
    "awaits approval",
    "outside its windows",
    "frozen",
)


def argo_health(status, generation, annotations=None):
    return argocd_lua.health(argocd_lua.resource(status, generation=generation, annotations=annotations))


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_each_situation_has_its_conditions_and_its_health(situation):
    make, phase, (ready, reason), reconciling, stalled, available, health = situation
    at = make()
    status = at.status
    conditions = {condition.type: condition for condition in status.conditions}
    assert status.phase == phase
    assert (conditions["Ready"].status, conditions["Ready"].reason) == (ready, reason)
    assert conditions["Reconciling"].status == str(reconciling)
    assert conditions["Stalled"].status == str(stalled)
    assert conditions["Available"].status == str(available)
    assert all(condition.observed_generation == at.generation for condition in status.conditions)
    assert "\n" not in conditions["Ready"].message
    found = argo_health(condensed(status), at.generation)
    assert found["status"] == health
    assert found["message"].endswith(f". {conditions['Ready'].message}")


@pytest.mark.parametrize("name", SITUATIONS)
def test_with_the_annotation_no_situation_holds_up_a_sync_wave(name):
    at = SITUATIONS[name][0]()
    found = argo_health(condensed(at.status), at.generation, HEALTHY_DURING_ROLLOUT)
    assert found["status"] == ("Healthy" if name in IN_GOOD_ORDER else "Degraded")
    assert found["message"].endswith(f". {at.status.conditions[0].message}")


def test_with_the_annotation_a_resource_without_a_ready_pod_is_progressing_while_its_pods_start():
    conditions = [
        {"type": "Ready", "status": "Unknown", "reason": "Loading", "message": "m"},
        {"type": "Reconciling", "status": "True", "reason": "Loading", "message": "m"},
        {"type": "Available", "status": "False", "reason": "NoPodReady", "message": "0 of 2 pods are ready"},
    ]
    found = argo_health({"observedGeneration": 1, "conditions": conditions}, 1, HEALTHY_DURING_ROLLOUT)
    assert found["status"] == "Progressing"


def test_a_check_that_is_asked_before_each_step_fails_no_sync():
    conditions = [
        {"type": "Ready", "status": "Unknown", "reason": "CheckPending", "message": "m"},
        {"type": "Reconciling", "status": "True", "reason": "CheckPending", "message": "m"},
        {"type": "Available", "status": "True", "reason": "PodsReady", "message": "2 of 2 pods are ready"},
    ]
    status = {"observedGeneration": 1, "conditions": conditions}
    assert argo_health(status, 1)["status"] == "Progressing"
    assert argo_health(status, 1, HEALTHY_DURING_ROLLOUT)["status"] == "Healthy"


def test_a_change_that_the_operator_has_not_seen_is_progressing():
    at = unseen_change()
    for annotations in (None, HEALTHY_DURING_ROLLOUT):
        found = argo_health(condensed(at.status), at.generation, annotations)
        assert (found["status"], found["message"]) == (
            "Progressing",
            "Waiting for the operator to see the change of the spec",
        )


@pytest.mark.parametrize("make", [rolled_back, refused, missing], ids=lambda make: make.__name__)
def test_the_message_of_a_run_that_is_not_served_has_the_next_step(make):
    message = make().status.conditions[0].message
    assert "kubectl serin retry categories" in message
    assert "set spec.runid to another run" in message.lower()


def test_a_stable_run_that_new_pods_cannot_load_is_served_while_the_former_pods_wait_for_them():
    at = promoted()
    at.registry = {}
    at.rules = "other"
    at.settle(rounds=20)
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("True", "PodsUnavailable")
    assert ready.message == f"On hold: a pod cannot load {A}: {A} is not in the registry /registry"


def test_a_candidate_that_no_pod_can_load_any_more_is_named_with_the_same_sentence_and_holds_the_rollout():
    at = running()
    at.registry = {}
    for pod in at.pods.values():
        at.restart(pod)
    at.verdict = "pass"
    at.settle(rounds=10)
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("Unknown", "PodsUnavailable")
    assert ready.message == f"On hold: a pod cannot load {A}: {A} is not in the registry /registry"
    assert at.status.candidate.percent == 0
    at.registry = dict(DIGESTS)
    at.settle(rounds=60)
    assert at.status.conditions[0].reason == "Promoted"


def test_pods_that_are_not_ready_are_looked_at_again_soon():
    at = promoted()
    at.is_full = True
    at.rules = "other"
    at.settle(rounds=20)
    assert at.whole_pass(at.operators[0]).requeue_after <= timedelta(seconds=10)


def test_an_absent_run_is_waited_for_without_a_write_and_then_refused_with_the_time_it_was_waited_for():
    at = absent()
    message = f"Pods are loading {A}: {A} is not in the registry /registry yet. "
    message += "Pods retry; the run is refused 4m after their start"
    assert at.status.conditions[0].message == message
    version = at.version
    at.settle(rounds=20)
    assert at.version == version
    at.tick(ABSENT_PATIENCE.total_seconds())
    at.settle(rounds=2)
    assert at.status.candidate.reason == f"{A} is not in the registry /registry, after 4m of waiting for it"


AWAY = "the registry s3://models: access was denied; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def test_a_registry_that_cannot_be_read_is_named_in_the_words_of_the_pod_and_refuses_nothing():
    at = world()
    at.registry, at.away = {}, AWAY
    at.settle(rounds=20)
    at.tick(2 * ABSENT_PATIENCE.total_seconds())
    at.settle(rounds=20)
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("Unknown", "RegistryUnavailable")
    assert ready.message == f"Pods are loading {A}: {AWAY}. Pods retry"
    version = at.version
    at.settle(rounds=20)
    assert at.version == version


def test_a_stable_run_whose_registry_cannot_be_read_is_named_in_the_words_of_the_pod():
    at = promoted()
    at.registry, at.away = {}, AWAY
    at.rules = "other"
    at.settle(rounds=20)
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("True", "PodsUnavailable")
    assert ready.message == f"On hold: a pod cannot load {A}: {AWAY}"


def test_a_stable_run_that_is_absent_is_looked_at_until_it_is_loaded():
    at = emptied()
    assert at.whole_pass(at.operators[0]).requeue_after <= timedelta(seconds=10)
    at.registry = dict(DIGESTS)
    at.settle(rounds=30)
    assert at.status.conditions[0].reason == "Promoted"


def test_an_object_without_status_is_progressing():
    assert argo_health(None, 1) == {"status": "Progressing", "message": "Waiting for the operator's first check"}


def test_a_settled_resource_is_not_written_again():
    at = promoted()
    version = at.version
    at.settle(rounds=5)
    assert at.version == version


def test_a_transition_time_moves_only_when_the_status_flips():
    at = running()
    before = {condition.type: condition for condition in at.status.conditions}
    at.verdict = "silent"
    at.settle(rounds=5)
    after = {condition.type: condition for condition in at.status.conditions}
    assert after["Ready"].reason != before["Ready"].reason
    assert after["Ready"].last_transition_time == before["Ready"].last_transition_time


def test_forced_shadow_is_a_condition():
    at = world(shadow=False)
    at.verdict = "unsure"
    at.settle(rounds=20)
    assert "ShadowForced" in [condition.type for condition in at.status.conditions]
    at.verdict = "pass"
    at.settle(rounds=30)
    assert "ShadowForced" not in [condition.type for condition in at.status.conditions]


@pytest.mark.parametrize(
    "problem", [RulesMissing("ConfigMap r does not exist"), ServerImage("x", refusal="not allowed")]
)
def test_what_cannot_be_rendered_leaves_the_pods_as_they_are(problem):
    at = promoted()
    template = at.children["Deployment", "categories"]["spec"]["template"]
    at.problem = problem
    at.settle(rounds=5)
    assert at.children["Deployment", "categories"]["spec"]["template"] == template
    assert len(at.pods) == 2
