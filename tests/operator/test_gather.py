"""What Kubernetes says of pods and children, as values."""

import pytest

from serin_core import names
from serin_core.observed import NoAnswer
from serin_operator.gather import InvalidSpecError, parse, seen_pod

ASKED = NoAnswer("not asked")


def pod(*containers, conditions=(), **metadata):
    annotations = {names.ANNOTATION_TEMPLATE: "t", names.ANNOTATION_RUNS: "run_a,run_b"}
    return {
        "metadata": {"name": "p", "uid": "u", "annotations": annotations} | metadata,
        "status": {"conditions": list(conditions), "containerStatuses": list(containers)},
    }


def ended(code, reason="Error"):
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": "2026-01-01T00:00:05Z"}}


def test_a_pod_without_anything_yet_serves_nothing():
    seen = seen_pod({"metadata": {"name": "p", "uid": "u"}, "status": {}}, ASKED)
    assert (seen.started, seen.ready, seen.announced, seen.runs, seen.trouble) == (False, False, None, (), "")


def test_a_running_pod_is_known_by_its_annotations():
    ready = {"type": "Ready", "status": "True"}
    running = {"containerID": "x", "restartCount": 0, "state": {"running": {}}}
    annotations = {names.ANNOTATION_TEMPLATE: "t", names.ANNOTATION_RUNS: "a", names.ANNOTATION_REVISION: "7"}
    seen = seen_pod(pod(running, conditions=[ready], annotations=annotations), ASKED)
    assert (seen.started, seen.ready, seen.announced, seen.runs, seen.template) == (True, True, 7, ("a",), "t")


@pytest.mark.parametrize("text", ["", "ten", "-1", "7.5"])
def test_an_announcement_that_is_no_number_counts_as_none(text):
    annotations = {names.ANNOTATION_REVISION: text}
    assert seen_pod(pod(annotations=annotations), ASKED).announced is None


def test_bad_ends_are_crashes_each_once_and_good_ends_are_none():
    waiting = {"restartCount": 2, "lastState": ended(1), "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    assert [(crash.restart, crash.pod) for crash in seen_pod(pod(waiting), ASKED).crashes] == [(1, "u")]
    just_ended = {"restartCount": 1, "lastState": ended(1), "state": ended(137, "OOMKilled")}
    assert [crash.restart for crash in seen_pod(pod(just_ended), ASKED).crashes] == [0, 1]
    fine = {"restartCount": 1, "lastState": ended(0, "Completed"), "state": {"running": {}}}
    assert seen_pod(pod(fine), ASKED).crashes == ()


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "1 Insufficient cpu."}]),
            "a pod cannot be placed: 1 Insufficient cpu.",
            id="unschedulable",
        ),
        pytest.param(
            pod({"state": {"waiting": {"reason": "ImagePullBackOff"}}}),
            "a pod does not start: ImagePullBackOff",
            id="image",
        ),
        pytest.param(pod({"state": {"waiting": {"reason": "ContainerCreating"}}}), "", id="just starting"),
        pytest.param(
            pod({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, deletionTimestamp="x"), "", id="going away"
        ),
    ],
)
def test_only_what_a_person_must_mend_is_trouble(found, told):
    assert seen_pod(found, ASKED).trouble == told


def test_a_spec_that_does_not_fit_says_where():
    live = {
        "metadata": {"namespace": "n", "name": "x", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": {"runID": "nonsense", "server": {"token": {"secretName": "t"}}},
    }
    with pytest.raises(InvalidSpecError, match=r"^spec\.runID"):
        parse(live)
