"""The state of pods."""

from datetime import UTC, datetime, timedelta

import pytest

from serin_core.contract import names
from serin_core.contract.pod_report import LoadState, PodReport, RunOnPod
from serin_core.rollout.observation import NoAnswer
from serin_operator.pod_state import observed_pod as observed_pod_at
from serin_operator.pod_state import replica_failure, waits_without_reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = NoAnswer("not asked")


def observed_pod(live, report, warnings=()):
    return observed_pod_at(live, report, NOW, warnings)


def pod(*containers, conditions=(), **metadata):
    annotations = {names.ANNOTATION_TEMPLATE: "t", names.ANNOTATION_RUNS: "run_a,run_b"}
    return {
        "metadata": {"name": "p", "uid": "u", "annotations": annotations} | metadata,
        "status": {
            "conditions": list(conditions),
            "containerStatuses": [{"name": "server"} | one for one in containers],
        },
    }


def test_a_pod_without_anything_yet_serves_nothing():
    seen = observed_pod({"metadata": {"name": "p", "uid": "u"}, "status": {}}, ASKED)
    assert (seen.started, seen.ready, seen.announced, seen.runs, seen.problem) == (False, False, None, (), "")


def test_a_running_pod_is_known_by_its_annotations():
    ready = {"type": "Ready", "status": "True"}
    running = {"containerID": "x", "restartCount": 0, "state": {"running": {}}}
    annotations = {names.ANNOTATION_TEMPLATE: "t", names.ANNOTATION_RUNS: "a", names.ANNOTATION_REVISION: "7"}
    seen = observed_pod(pod(running, conditions=[ready], annotations=annotations), ASKED)
    assert (seen.started, seen.ready, seen.announced, seen.runs, seen.template) == (True, True, "7", ("a",), "t")


@pytest.mark.parametrize("text", ["", "abc", "-1", "7"])
def test_an_announcement_is_kept_as_it_is_so_that_it_can_be_replaced(text):
    annotations = {names.ANNOTATION_REVISION: text}
    assert observed_pod(pod(annotations=annotations), ASKED).announced == text


@pytest.mark.parametrize(
    ("found", "problem"),
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
        pytest.param(
            pod({"state": {"running": {}}}, {"name": "proxy", "state": {"waiting": {"reason": "ImagePullBackOff"}}}),
            "a pod does not start: ImagePullBackOff of container proxy",
            id="another container",
        ),
        pytest.param(pod({"state": {"waiting": {"reason": "ContainerCreating"}}}), "", id="just starting"),
        pytest.param(
            pod({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, deletionTimestamp="2026-01-01T00:00:30Z"),
            "",
            id="going away",
        ),
    ],
)
def test_only_what_a_user_must_fix_is_a_problem(found, problem):
    assert observed_pod(found, ASKED).problem == problem


CREATING = {"state": {"waiting": {"reason": "ContainerCreating"}}}
RUNNING = {"containerID": "x", "state": {"running": {}}}
LOADING = PodReport(
    uid="u", process="p", revision=3, runs=(RunOnPod(run="run_a", state=LoadState.LOADING, reason="away"),)
)

SLOW = PodReport(uid="u", process="p", revision=3, runs=(RunOnPod(run="run_a", state=LoadState.LOADING),))


def unready_for(seconds, *containers):
    since = (NOW - timedelta(seconds=seconds)).isoformat()
    return pod(*containers, conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": since}])


@pytest.mark.parametrize(
    ("found", "report", "problem"),
    [
        pytest.param(unready_for(59, CREATING), ASKED, "", id="just starting"),
        pytest.param(
            unready_for(61, CREATING),
            ASKED,
            "a pod has not started for over a minute: ContainerCreating: waits for its volumes or image",
            id="a Secret is missing",
        ),
        pytest.param(
            unready_for(61, RUNNING),
            LOADING,
            "a pod has not been ready for over a minute: run_a is loading: away",
            id="still loading",
        ),
        pytest.param(
            unready_for(61, RUNNING),
            SLOW,
            "a pod has not been ready for over a minute: run_a is still being read: the registry, or its volume, is "
            "slow or does not respond",
            id="a registry that hangs",
        ),
        pytest.param(
            unready_for(61, RUNNING),
            NoAnswer("timed out"),
            "a pod has not been ready for over a minute: its server does not respond: timed out",
            id="silent",
        ),
        pytest.param(
            pod({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "t" not found'}}}),
            ASKED,
            'a pod does not start: CreateContainerConfigError: secret "t" not found',
            id="in the kubelet's own words",
        ),
        pytest.param(
            pod({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting p_x"}}}),
            ASKED,
            "a pod does not start: CrashLoopBackOff",
            id="words that would change at every look are left out",
        ),
    ],
)
def test_a_pod_that_is_not_ready_within_a_minute_is_a_problem(found, report, problem):
    assert observed_pod(found, report).problem == problem


def warning(message, seconds_ago=0, **fields):
    at = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return {"metadata": {"creationTimestamp": at}, "message": message, "lastTimestamp": at} | fields


NO_SECRET = 'MountVolume.SetUp failed for volume "tokens" : secret "tokens" not found'
NO_STORE = 'MountVolume.SetUp failed for volume "store" : secret "store" not found'
LATE = "failed to sync configmap cache: timed out waiting for the condition"


@pytest.mark.parametrize(
    ("warnings", "problem"),
    [
        pytest.param([warning(NO_SECRET)], f"a pod does not start: {NO_SECRET}", id="at once"),
        pytest.param(
            [warning(NO_SECRET), warning(NO_STORE, 5)],
            f"a pod does not start: {NO_STORE}; {NO_SECRET}",
            id="all, in an order that does not change",
        ),
        pytest.param(
            [warning(NO_STORE, 400), warning(NO_SECRET)],
            f"a pod does not start: {NO_SECRET}",
            id="not what is no longer repeated",
        ),
        pytest.param(
            [warning(f"no sandbox {64 * 'a'} for pod-x of uid-x")],
            "a pod does not start: no sandbox ... for ... of ...",
            id="without what changes with every pod and try",
        ),
        pytest.param([warning(LATE)], "", id="passes by itself"),
        pytest.param([], "", id="nothing known yet"),
        pytest.param(
            [warning(NO_SECRET, lastTimestamp=None, eventTime=NOW.isoformat()), warning(NO_STORE, 400)],
            f"a pod does not start: {NO_SECRET}",
            id="an Event of the newer API",
        ),
    ],
)
def test_a_pod_that_waits_for_its_volumes_is_explained_by_its_events(warnings, problem):
    starting = unready_for(1, CREATING)
    starting["metadata"] |= {"name": "pod-x", "uid": "uid-x"}
    assert waits_without_reason(starting)
    assert observed_pod(starting, ASKED, warnings).problem == problem


@pytest.mark.parametrize(
    "found",
    [
        unready_for(1, RUNNING),
        unready_for(1, {"state": {"waiting": {"reason": "ImagePullBackOff"}}}),
        pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "full"}]),
        pod(CREATING, deletionTimestamp="2026-01-01T00:00:30Z"),
    ],
    ids=["running", "has a reason of its own", "not placed", "going away"],
)
def test_no_events_are_read_of_a_pod_whose_own_state_says_enough(found):
    assert not waits_without_reason(found)


def test_a_sentence_of_the_scheduler_is_not_repeated():
    words = 'persistentvolumeclaim "registry" not found. not found.'
    found = observed_pod(pod(conditions=[{"type": "PodScheduled", "status": "False", "message": words}]), ASKED)
    assert found.problem == 'a pod cannot be placed: persistentvolumeclaim "registry" not found'


def test_pods_that_cannot_be_made_are_reported_without_the_name_of_the_last_one():
    message = 'pods "categories-7d4b-x2x9k" is forbidden: exceeded quota: none'
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    expected = "pods cannot be made: a pod is forbidden: exceeded quota: none"
    assert replica_failure({"status": {"conditions": [failure]}}) == expected
    assert replica_failure({}) == ""
