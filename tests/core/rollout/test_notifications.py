"""Notifications that are still to be delivered: none is lost, none is repeated, and no decision depends on them."""

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models.parts import spec
from models.starting import A, has_phase, new_world
from pydantic import ValidationError

from serin_core.api.notifications import Notifications
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Condition, Status
from serin_core.api.status_view import condensed
from serin_core.counting.reading import Unreadable
from serin_core.kubernetes.inputs import ServerImage
from serin_core.rollout.announcements import PROBLEMS, Announcement, announcements
from serin_core.rollout.conditions import ready_reason_since
from serin_core.rollout.decide import decide
from serin_core.rollout.destinations import FAILING, DestinationsSeen, Report, problem, settle
from serin_core.rollout.notifications import DROPPED, MAX_WAITING, dropped_events, queue
from serin_core.rollout.observation import Observed
from serin_core.rollout.protocol import Context
from serin_core.rollout.writes import PutStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = frozenset()
BOTH = MappingProxyType({"team-ml": ALL, "audit": ALL})


def context(status, seen, *, now=NOW, named=("team-ml", "audit")):
    resource = Resource("default", "x", "uid", 1, "1", spec(A, notifications=list(named)), status)
    return Context(resource, status, Observed(image=ServerImage("i"), destinations=seen), now, "")


def queued(*kinds, seen=None, status=None, **more):
    events = [Announcement(kind, f"{kind} happened") for kind in kinds]
    return queue(context(status or Status(), seen or DestinationsSeen(BOTH), **more), events, Status())


def settled(status, *reports, named=("team-ml", "audit")):
    return settle(status.notifications, spec(A, notifications=list(named)), DestinationsSeen(BOTH, tuple(reports)))


def report(destination, notification, **more):
    return Report(destination, notification.sequence, notification.at, **more)


def test_each_event_is_one_notification_for_every_destination():
    waiting = queued("StepAdvanced", "Promoted").notifications.waiting
    assert [(one.sequence, one.kind, one.to) for one in waiting] == [
        (1, "StepAdvanced", ("team-ml", "audit")),
        (2, "Promoted", ("team-ml", "audit")),
    ]


def test_a_destination_gets_only_the_kinds_that_it_wants():
    seen = DestinationsSeen({"team-ml": frozenset({"GateFailed"}), "audit": ALL})
    waiting = queued("StepAdvanced", "GateFailed", seen=seen).notifications.waiting
    assert [one.to for one in waiting] == [("audit",), ("team-ml", "audit")]


def test_nothing_waits_for_a_destination_that_is_not_named_or_does_not_exist():
    assert queued("Promoted", named=()).notifications == Notifications()
    assert queued("Promoted", seen=DestinationsSeen()).notifications == Notifications()


def test_a_failing_destination_is_no_reason_for_a_notification():
    assert queued(FAILING).notifications == Notifications()


def test_what_was_delivered_to_every_destination_waits_no_more():
    status = queued("Promoted")
    (one,) = status.notifications.waiting
    half = settled(status, report("team-ml", one))
    assert [left.to for left in half.waiting] == [("audit",)]
    both = settled(status, report("team-ml", one), report("audit", one))
    assert (both.waiting, both.dropped, both.sequence) == ((), {}, 1)


def test_a_report_that_comes_twice_changes_nothing():
    status = queued("StepAdvanced", "Promoted")
    first = report("team-ml", status.notifications.waiting[0], given_up="gone")
    once = settled(status, first)
    assert settled(status.changed(notifications=once), first) == once


def test_a_report_about_a_notification_of_a_lost_status_is_ignored():
    old = queued("Promoted").notifications.waiting[0]
    status = queued("GateFailed", now=NOW + timedelta(hours=1))
    assert settled(status, report("team-ml", old)) == status.notifications


def test_a_destination_that_left_the_spec_is_not_waited_for():
    status = queued("Promoted")
    left = settled(status, report("audit", status.notifications.waiting[0], given_up="gone"), named=["team-ml"])
    assert ([one.to for one in left.waiting], left.dropped) == ([("team-ml",)], {})


def test_a_given_up_notification_is_an_event_and_the_next_delivery_mentions_it():
    before = queued("GateFailed", "Promoted").notifications
    given_up = report("audit", before.waiting[0], given_up="HTTP 404")
    seen = DestinationsSeen(BOTH, (given_up,))
    after = settle(before, spec(A, notifications=["team-ml", "audit"]), seen)
    assert after.dropped == {"audit": 1}
    events = list(dropped_events(context(Status(notifications=after), seen), before))
    assert events == [Announcement(DROPPED, "GateFailed was not delivered to audit: HTTP 404", is_warning=True)]
    told = report("audit", after.waiting[1], told=1)
    assert settled(Status(notifications=after), told).dropped == {}


def test_too_many_drop_the_oldest_and_say_so_once():
    status = queued(*["StepAdvanced"] * MAX_WAITING)
    assert status.notifications.dropped == {}
    for number, expected in ((1, 2), (2, 0)):
        before = status
        status = queued("Promoted", status=status)
        assert len(status.notifications.waiting) == MAX_WAITING
        assert status.notifications.dropped == {"team-ml": number, "audit": number}
        events = list(dropped_events(context(status, DestinationsSeen(BOTH)), before.notifications))
        assert [event.reason for event in events] == [DROPPED] * expected
    assert status.notifications.waiting[-1].sequence == MAX_WAITING + 2


def test_the_longest_notifications_fit_into_a_status():
    long = [Announcement("StepAdvanced", f"{number} " + "ö" * 5000) for number in range(100)]
    status = queue(context(Status(), DestinationsSeen(BOTH)), long, Status())
    assert len(condensed(status)["operatorState"]) < 8_000


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(DestinationsSeen(BOTH), None, id="all well"),
        pytest.param(
            DestinationsSeen({"audit": ALL, "other": ALL}),
            ("UnknownDestination", "The operator's configuration has no team-ml (destinations: audit, other)"),
            id="unknown",
        ),
        pytest.param(
            DestinationsSeen(),
            ("UnknownDestination", "The operator's configuration has no team-ml, audit (destinations: none)"),
            id="nothing is configured",
        ),
        pytest.param(
            DestinationsSeen({"audit": ALL}, failing={"audit": "HTTP 503"}),
            (
                "UnknownDestination",
                "The operator's configuration has no team-ml (destinations: audit). "  # noqa: ISC004
                "Notifications wait and are tried again; the rollout goes on. audit: HTTP 503",
            ),
            id="unknown and failing",
        ),
        pytest.param(
            DestinationsSeen(BOTH, failing={"audit": "HTTP 503", "other": "x"}),
            ("DeliveryFailing", "Notifications wait and are tried again; the rollout goes on. audit: HTTP 503"),
            id="failing",
        ),
    ],
)
def test_the_condition_names_destinations_that_do_not_exist_or_fail(seen, expected):
    assert problem(spec(A, notifications=["team-ml", "audit"]), seen) == expected


@pytest.mark.parametrize(
    "named", [["team-ml", "team-ml"], ["Team"], ["a" * 64], [f"a{number}" for number in range(11)], [""]]
)
def test_a_list_of_destinations_that_makes_no_sense_is_refused(named):
    with pytest.raises(ValidationError):
        SuggestionModelSpec.model_validate(
            {"runID": A, "server": {"token": {"secretName": "t"}}, "notifications": named}
        )


def ready(reason):
    return (Condition(type="Ready", status="Unknown", reason=reason, message="why", last_transition_time=NOW),)


@pytest.mark.parametrize("reason", sorted(PROBLEMS))
def test_a_hold_is_announced_once_when_it_begins_and_once_when_it_ends(reason):
    well = Status(conditions=ready("RolloutProgressing"), ready_reason_since=NOW)
    held = well.changed(conditions=ready(reason))
    found = []
    for before, after in ((well, held), (held, held), (held, well), (well, well)):
        at = context(after, DestinationsSeen(BOTH), now=NOW + timedelta(minutes=12))
        found.append([(one.reason, one.message) for one in announcements(at, before=before, taken=None)])
    ended = ("HoldEnded", f"{reason} ended after 12m; now RolloutProgressing")
    assert found == [[(reason, "why")], [], [ended], []]


class Clock:
    """Passes at which Ready has a reason, and which kinds are notified of in each."""

    def __init__(self):
        self.status, self.now = Status(conditions=ready("RolloutProgressing"), ready_reason_since=NOW), NOW

    def see(self, reason, *, after=timedelta(seconds=30)):
        self.now += after
        before = self.status
        found = ready(reason)
        after_it = before.changed(conditions=found, ready_reason_since=ready_reason_since(before, found, self.now))
        at = context(after_it, DestinationsSeen(BOTH), now=self.now)
        self.status = queue(at, announcements(at, before=before, taken=None), before)
        last = before.notifications.sequence
        return [one.kind for one in self.status.notifications.waiting if one.sequence > last]


def test_a_hold_that_comes_and_goes_is_told_once():
    clock = Clock()
    assert clock.see("MetricsUnavailable") == ["MetricsUnavailable"]
    assert clock.see("RolloutProgressing") == ["HoldEnded"]
    for _ in range(40):
        assert clock.see("MetricsUnavailable") == []
        assert clock.see("RolloutProgressing") == []


def test_a_hold_that_came_and_went_and_then_stays_is_told_after_ten_minutes_with_its_end():
    clock = Clock()
    for _ in range(3):
        clock.see("MetricsUnavailable")
        clock.see("RolloutProgressing")
    found = [clock.see("MetricsUnavailable", after=timedelta(minutes=1)) for _ in range(30)]
    assert [index for index, kinds in enumerate(found) if kinds] == [10]
    assert found[10] == ["MetricsUnavailable"]
    assert clock.see("RolloutProgressing") == ["HoldEnded"]


def test_a_hold_that_begins_again_after_ten_quiet_minutes_is_told_again():
    clock = Clock()
    clock.see("MetricsUnavailable")
    clock.see("RolloutProgressing")
    assert clock.see("MetricsUnavailable", after=timedelta(minutes=10)) == ["MetricsUnavailable"]
    assert clock.see("RolloutProgressing") == ["HoldEnded"]


def test_another_hold_is_told_although_the_first_one_comes_and_goes():
    clock = Clock()
    assert clock.see("MetricsUnavailable") == ["MetricsUnavailable"]
    assert clock.see("PodsUnavailable") == ["HoldEnded", "PodsUnavailable"]
    assert clock.see("MetricsUnavailable") == ["HoldEnded"]
    assert clock.see("RolloutProgressing") == []


def test_the_transition_and_its_notifications_are_one_write():
    at = new_world(notifications=["team-ml"])
    at.destinations = DestinationsSeen({"team-ml": ALL})
    seen, last = [], 0
    for _ in range(40):
        decision = at.whole_pass(at.operators[0])
        if decision is None:
            continue
        written = [write.status for write in decision.writes if isinstance(write, PutStatus)]
        new = [one for status in written for one in status.notifications.waiting if one.sequence > last]
        assert [one.kind for one in new] == [one.reason for one in decision.announcements if one.reason != FAILING]
        seen += new
        last = at.status.notifications.sequence
        at.kubelets()
        at.tick()
        if has_phase("Promoted")(at):
            break
    assert [one.sequence for one in seen] == list(range(1, len(seen) + 1))
    assert {"RolloutStarted", "StageStarted"} <= {one.kind for one in seen}


def test_no_decision_depends_on_destinations():
    """The same rollout with destinations that are down, full or unknown takes the same decisions at the same time."""
    plain, notified = new_world(), new_world(notifications=["team-ml", "nowhere"])
    notified.destinations = DestinationsSeen({"team-ml": ALL}, failing={"team-ml": "down"})
    for _ in range(60):
        taken = []
        for at in (plain, notified):
            decision = at.whole_pass(at.operators[0])
            status = decision.status.changed(notifications=Notifications(), conditions=())
            writes = [write for write in decision.writes if not isinstance(write, PutStatus)]
            taken.append((status, len(writes), decision.requeue_after))
            at.kubelets()
            at.tick()
        assert taken[0] == taken[1]
    assert plain.status.stable is not None


def test_reports_are_taken_in_whatever_else_is_decided():
    status = queued("Promoted")
    one = status.notifications.waiting[0]
    seen = DestinationsSeen(BOTH, (report("team-ml", one), report("audit", one)))
    resource = context(status, seen).resource
    reading = Unreadable("Unreachable", "down")
    decision = decide(resource, Observed(image=ServerImage("i"), destinations=seen, reading=reading), NOW)
    assert one not in decision.status.notifications.waiting


class Receivers:
    """What each destination has got, beside what it should have got."""

    def __init__(self):
        self.status, self.wanted = Status(), {"a": [], "b": []}
        self.delivered, self.lost, self.now = {"a": [], "b": []}, {"a": 0, "b": 0}, NOW

    def seen(self, *reports):
        return DestinationsSeen({"a": ALL, "b": frozenset({"Promoted"})}, reports)

    def happen(self, kinds):
        self.now += timedelta(seconds=1)
        before = self.status.notifications.sequence
        at = context(self.status, self.seen(), now=self.now, named=["a", "b"])
        self.status = queue(at, [Announcement(kind, kind) for kind in kinds], Status())
        for sequence, kind in enumerate(kinds, before + 1):
            self.wanted["a"].append(sequence)
            self.wanted["b"] += [sequence] if kind == "Promoted" else []

    def end(self, destination, *, given_up, twice):
        head = next((one for one in self.status.notifications.waiting if destination in one.to), None)
        if head is None:
            return
        told = self.status.notifications.dropped.get(destination, 0)
        if not given_up:
            self.delivered[destination].append(head.sequence)
            self.lost[destination] += told
        ended = report(destination, head, told=told, given_up="no" if given_up else "")
        for _ in range(1 + twice):
            found = settle(self.status.notifications, spec(A, notifications=["a", "b"]), self.seen(ended))
            self.status = self.status.changed(notifications=found)


ACTIONS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["Promoted", "StepAdvanced"]), min_size=1, max_size=20),
        st.tuples(st.sampled_from("ab"), st.booleans(), st.booleans()),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_every_notification_is_delivered_once_in_order_or_counted_as_dropped_or_waits(actions):
    at = Receivers()
    for action in actions:
        if isinstance(action, list):
            at.happen(action)
        else:
            at.end(action[0], given_up=action[1], twice=action[2])
        found = at.status.notifications
        assert len(found.waiting) <= MAX_WAITING
        for name, wanted in at.wanted.items():
            waiting = [one.sequence for one in found.waiting if name in one.to]
            got = at.delivered[name]
            assert got == sorted(set(got))
            assert not set(got) & set(waiting)
            assert set(got) | set(waiting) <= set(wanted)
            assert len(got) + len(waiting) + at.lost[name] + found.dropped.get(name, 0) == len(wanted)
            assert Status.model_validate(condensed(at.status)).notifications == found
