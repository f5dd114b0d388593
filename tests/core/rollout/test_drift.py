"""The condition Drifted: a verdict on what the serving run was asked, which nothing else depends on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from models.parts import spec

from serin_core.api.bake import BakeClock
from serin_core.api.drift import InputDrift
from serin_core.api.resource import Resource
from serin_core.api.status import Candidate, CandidateState, RunInUse, Status
from serin_core.counting.inputs import InputsSeen
from serin_core.kubernetes.inputs import ServerImage
from serin_core.rollout.conditions import conditions
from serin_core.rollout.decide import decide
from serin_core.rollout.drift import DRIFTED, note_drift, serving_run
from serin_core.rollout.freshness import needs_direct_reads
from serin_core.rollout.observation import Observed
from serin_core.rollout.protocol import Context

RUN, OTHER_RUN = "run_aaaaaaaa_1", "run_bbbbbbbb_2"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFERENCE = {
    "predicted_class": {"Dining": 500, "Fuel": 500},
    "new_merchants": {"known": 900, "new": 100},
    "log_amount": {"00": 500, "01": 500},
}


def asked(amounts=(500, 500), new=100, run_id=RUN, *, is_settled=True, reference=REFERENCE):
    total = sum(amounts)
    current = {
        "predicted_class": {"Dining": total / 2, "Fuel": total / 2},
        "new_merchants": {"known": total - new, "new": new},
        "log_amount": {"00": amounts[0], "01": amounts[1]},
    }
    return InputsSeen(run_id, current, reference, is_settled)


def context(inputs, drift=None, *, now=NOW, **status):
    stable = RunInUse(run_id=RUN, digest="sha256:" + "a" * 64, since=NOW)
    made = Status(stable=stable, drift=drift).changed(**status)
    resource = Resource("shop", "categories", "u", 1, "1", spec(RUN), made)
    return Context(resource, made, Observed(ServerImage("server:1"), inputs=inputs), now, template="")


def noted(inputs, drift=None, **options):
    return note_drift(context(inputs, drift, **options)).drift


def condition(drift):
    found = conditions(context(None, drift))
    return next((one for one in found if one.type == DRIFTED), None)


def test_inputs_like_those_of_the_evaluation_are_not_drifted():
    drift = noted(asked())
    assert (drift.drifted, drift.features, drift.since) == ("False", (), None)
    assert (condition(drift).status, condition(drift).reason) == ("False", "AsEvaluated")


def test_a_drift_names_features_since_when_and_what_retraining_would_do():
    drift = noted(asked(amounts=(50, 950), new=900))
    assert (drift.drifted, drift.features, drift.since) == ("True", ("new_merchants", "log_amount"), NOW)
    found = condition(drift)
    assert (found.status, found.reason) == ("True", "InputsDiffer")
    for part in (RUN, "new merchants, log amount, since 2026-03-01 12:00 UTC", "serin retrain", "serin drift"):
        assert part in found.message


def test_a_drift_that_goes_on_changes_nothing_in_the_status():
    drift = noted(asked(amounts=(50, 950)))
    before = context(asked(amounts=(80, 1500)), drift, now=NOW + timedelta(hours=3))
    assert note_drift(before) is before.status


def test_one_near_the_limit_does_not_come_and_go():
    near = asked(amounts=(190, 810))
    assert noted(near).drifted == "False"
    assert noted(near, noted(asked(amounts=(50, 950)))).features == ("log_amount",)
    assert noted(asked(amounts=(400, 600)), noted(asked(amounts=(50, 950)))).drifted == "False"


def test_few_requests_are_no_evidence_and_a_run_that_had_enough_needs_half_as_many():
    few = noted(asked(amounts=(20, 460)))
    assert (few.drifted, few.features) == ("Unknown", ())
    assert condition(few).reason == "TooFewRequests"
    assert noted(asked(amounts=(20, 460)), noted(asked())).drifted == "True"
    assert noted(asked(amounts=(0, 0)), noted(asked())).drifted == "Unknown"


def test_the_requests_of_some_hours_are_no_sample():
    assert noted(asked(amounts=(50, 9950), is_settled=False)).drifted == "Unknown"


def test_a_run_without_a_profile_has_no_condition():
    assert noted(asked(reference={}), InputDrift(run_id=RUN, drifted="False")) is None
    assert condition(None) is None


def test_what_is_known_stays_while_prometheus_cannot_be_read_and_goes_with_its_run():
    known = noted(asked(amounts=(50, 950)))
    assert noted(None, known) == known
    assert noted(asked(run_id=OTHER_RUN), known) == known, "a reading of another run is not used"
    assert noted(None, known, stable=None) is None
    assert noted(None, InputDrift(run_id=OTHER_RUN, drifted="True")) is None


@pytest.mark.parametrize(("bake", "serving"), [(None, RUN), (BakeClock(started_at=NOW), OTHER_RUN)])
def test_it_is_of_the_run_that_most_users_get(bake, serving):
    candidate = Candidate(run_id=OTHER_RUN, state=CandidateState.RUNNING, attempt_started_at=NOW, bake=bake)
    assert serving_run(context(None, candidate=candidate).status) == serving
    assert serving_run(Status()) == ""


def test_it_is_announced_once_written_as_a_measurement_and_decides_nothing():
    before = context(None)
    settled = decide(before.resource, before.observed, NOW)
    resource = replace(before.resource, status=settled.status)
    still = decide(resource, before.observed, NOW)
    found = decide(resource, replace(before.observed, inputs=asked(amounts=(50, 950))), NOW)
    assert [one.reason for one in found.announcements] == ["Drifted"]
    same = {"drift": found.status.drift, "conditions": found.status.conditions}
    assert still.status.changed(**same, notifications=found.status.notifications) == found.status
    quiet = decide(resource, replace(before.observed, inputs=asked()), NOW)
    assert not quiet.announcements
    assert not needs_direct_reads(resource.status, quiet, quiet.writes[:1])
