"""Events: in order, once, in a series where they are repeated, and never a flood."""

import asyncio
from datetime import timedelta

import pytest
from memory_cluster import KEY, NOW, MemoryCluster, reconciler

from serin_core.contract import names
from serin_core.rollout.announcements import Announcement
from serin_operator.events import BURST, MAX_NOTE_BYTES, REFILL, SERIES, EventRecorder
from serin_operator.interfaces import NotFoundError, RefusedError
from serin_operator.object_ref import ObjectRef

REF = ObjectRef("default", "categories", "uid-1", "7")


def post(recorder, *announcements, at=NOW):
    asyncio.run(recorder.post(REF, announcements, at))


def posted(cluster):
    """Return the Events by name, as `kubectl describe` lists them."""
    return [one for (kind, _, _), one in sorted(cluster.objects.items()) if kind == "Event"]


def test_events_of_one_pass_keep_their_order_by_name_and_by_time():
    cluster = MemoryCluster()
    recorder = EventRecorder(cluster)
    reasons = [f"Reason{number}" for number in range(12)]
    for seconds in (0, 0.5, 86400):
        at = NOW + timedelta(seconds=seconds)
        post(recorder, *(Announcement(one, f"text {seconds}") for one in reasons), at=at)
    found = posted(cluster)
    assert [one["reason"] for one in found] == reasons * 3
    times = [one["eventTime"] for one in found]
    assert times == sorted(set(times))


def test_an_event_has_what_the_api_demands():
    cluster = MemoryCluster()
    post(EventRecorder(cluster), Announcement("GateFailed", "run_b: Rolled back", is_warning=True))
    (found,) = posted(cluster)
    assert found["apiVersion"] == "events.k8s.io/v1"
    assert (found["type"], found["reason"], found["action"]) == ("Warning", "GateFailed", "RollBack")
    assert found["note"] == "run_b: Rolled back"
    assert found["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert found["regarding"]["uid"] == "uid-1"
    assert found["regarding"]["kind"] == names.KIND
    assert found["reportingController"] == "serin-operator"
    assert 0 < len(found["reportingInstance"]) <= 128


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        ("RolloutAborted", "RollBack"),
        ("RunRefused", "Refuse"),
        ("RolloutRetried", "StartRollout"),
        ("Promoted", "Advance"),
        ("Suspended", "Reconcile"),
    ],
)
def test_the_action_follows_from_the_reason(reason, action):
    assert Announcement(reason, "").action == action


def test_a_long_note_is_cut_at_the_limit_of_the_api_server_which_counts_bytes():
    cluster = MemoryCluster()
    post(EventRecorder(cluster), Announcement("GateFailed", "ü" * 600))
    (found,) = posted(cluster)
    assert len(found["note"].encode()) <= MAX_NOTE_BYTES
    assert found["note"].endswith("ü ...")


def test_a_repeated_event_is_counted_in_the_first_one():
    cluster = MemoryCluster()
    recorder, problem = EventRecorder(cluster), Announcement("AccessRefused", "forbidden", is_warning=True)
    for minute in range(3):
        post(recorder, problem, at=NOW + timedelta(minutes=minute))
    (found,) = posted(cluster)
    assert found["series"] == {"count": 3, "lastObservedTime": "2026-01-01T00:02:00.000000Z"}
    post(recorder, problem, at=NOW + timedelta(minutes=2) + SERIES)
    assert len(posted(cluster)) == 2


def test_an_event_whose_first_one_has_expired_is_posted_again():
    cluster = MemoryCluster()
    recorder, problem = EventRecorder(cluster), Announcement("Suspended", "m")
    post(recorder, problem)
    (first,) = posted(cluster)
    cluster.fail["repeat Event", first["metadata"]["name"]] = NotFoundError("expired")
    post(recorder, problem, at=NOW + timedelta(minutes=1))
    assert len(posted(cluster)) == 2
    assert "series" not in posted(cluster)[1]


def test_a_condition_that_comes_and_goes_does_not_flood_and_hides_no_other_event():
    cluster = MemoryCluster()
    recorder = EventRecorder(cluster)
    for second in range(200):
        problem = Announcement("PodsUnavailable", f"message {second}")
        post(recorder, problem, at=NOW + timedelta(seconds=second))
    assert BURST <= len(posted(cluster)) <= BURST + 2
    post(recorder, Announcement("GateFailed", "m"), at=NOW + timedelta(seconds=200))
    assert posted(cluster)[-1]["reason"] == "GateFailed"
    post(recorder, problem, at=NOW + timedelta(seconds=200) + REFILL)
    assert posted(cluster)[-1]["reason"] == "PodsUnavailable"


def test_an_operator_that_may_not_write_the_status_repeats_one_event():
    cluster, seconds = MemoryCluster(), iter(range(0, 10_000, 20))
    cluster.fail["status", "any"] = RefusedError("a policy")
    one = reconciler(cluster, clock=lambda: NOW + timedelta(seconds=next(seconds)))
    for _ in range(5):
        asyncio.run(one.reconcile(KEY))
    (found,) = posted(cluster)
    assert (found["reason"], found["series"]["count"]) == ("AccessRefused", 5)


class HangingCluster(MemoryCluster):
    async def post_event(self, rendered):
        await asyncio.Event().wait()


def test_an_api_server_that_hangs_holds_up_neither_a_pass_nor_the_end_of_the_operator(caplog):
    post(EventRecorder(HangingCluster(), patience=0), Announcement("Promoted", "one"), Announcement("Promoted", "two"))
    assert [one.message for one in caplog.records] == [
        "default/categories: Events not posted: no answer from the API server in 0 s"
    ]
