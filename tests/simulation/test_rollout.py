"""Rollouts in virtual time: looks that are not made change nothing, and the same seed gives the same answer."""

from datetime import timedelta
from random import Random

import pytest

from serin_core.api.spec import SuggestionModelSpec
from serin_simulation.rollout import Setting, first_stage, play
from serin_simulation.traffic import Rates, Traffic, TrafficSource

SHORT = {"shadowSoak": "10m", "steps": [{"percent": 10, "soak": "10m"}, {"percent": 100, "soak": "10m"}]}


def spec(**changes):
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "canary": SHORT}
    return SuggestionModelSpec.model_validate(body | changes)


def played(a_spec, traffic, *, seed=7, skips=True, promised=0.9):
    setting = Setting(a_spec, promised=promised, skips=skips)
    return play(setting, TrafficSource(traffic, Random(seed), first=setting.start), first=first_stage(setting))


def gates(listed=None, **analysis):
    return {"gates": listed or {}, "analysis": {"maxDuration": "30m"} | analysis}


OWN = {"name": "orders", "good": "good_total", "total": "orders_total", "within": {"low": 0.8, "high": 0.95}}
FINE = Rates(agreement=0.85)
CASES = {
    "a good run": (spec(), Traffic(rates=FINE)),
    "few requests": (spec(**gates()), Traffic((0.2,), users=200, rates=FINE)),
    "a run that is too bad": (spec(), Traffic(rates=Rates(agreement=0.6))),
    "a run at the limit": (spec(**gates()), Traffic(rates=Rates(agreement=0.7))),
    "harm that begins late": (
        spec(),
        Traffic(rates=FINE, harmed=Rates(agreement=0.85, errors=0.05), harm_at=timedelta(minutes=15)),
    ),
    "errors at the limit": (spec(**gates()), Traffic(rates=Rates(agreement=0.85, errors=0.01))),
    "feedback that is worse": (spec(), Traffic(rates=Rates(agreement=0.85, feedback=0.1, liked=0.7))),
    "feedback that is required": (
        spec(**gates({"feedback": {"required": True}})),
        Traffic(rates=Rates(agreement=0.85, feedback=0.05)),
    ),
    "an own gate between two bounds": (
        spec(**gates({"custom": [OWN]})),
        Traffic(rates=Rates(agreement=0.85, own={"orders": 0.9})),
    ),
    "doubt that was not promised": (spec(), Traffic(rates=Rates(agreement=0.85, eligible=0.8))),
    "classes": (
        spec(**gates({"perClass": {}})),
        Traffic(rates=FINE, requests_per_visit=5, correlation=0.3),
    ),
    "a delay, a margin and a design effect": (
        spec(
            **gates(
                {
                    "agreement": {"initialDelay": "5m", "margin": 0.05},
                    "errors": {"designEffect": 3, "margin": 0.005},
                    "latency": {"mode": "DryRun"},
                }
            )
        ),
        Traffic(rates=Rates(agreement=0.72, errors=0.007, fast=0.9)),
    ),
    "an outage": (spec(), Traffic(rates=FINE, outages=((timedelta(minutes=5), timedelta(minutes=20)),))),
    "an outage that is not put up with": (
        spec(**gates(onNoData="Rollback", noDataTimeout="5m")),
        Traffic(rates=FINE, outages=((timedelta(minutes=12), timedelta(minutes=20)),)),
    ),
    "no traffic at first": (spec(), Traffic((0.0,) * 9 + (0.001,) + (5.0,) * 14, rates=FINE)),
    "restarts": (spec(), Traffic(rates=FINE, restarts_per_day=100)),
    "undecided runs go back": (spec(**gates(onInconclusive="Rollback")), Traffic(rates=Rates(agreement=0.7))),
    "undecided runs go on": (spec(**gates(onInconclusive="Promote")), Traffic(rates=Rates(agreement=0.705))),
    "a cap": (spec(canary=SHORT | {"percent": 30}), Traffic(rates=FINE)),
}


@pytest.mark.parametrize("name", CASES)
def test_looks_that_are_not_made_change_nothing(name):
    a_spec, traffic = CASES[name]
    for seed in (1, 2):
        made, skipped = (played(a_spec, traffic, seed=seed, skips=skips) for skips in (False, True))
        assert (skipped.end, skipped.why, skipped.stays) == (made.end, made.why, made.stays)
        assert list(map(_known, skipped.history)) == list(map(_known, made.history))
        assert skipped.made < made.made


def _known(entry):
    """Return a history entry; after an outage its evidence is that of the last check, which may be left out."""
    return entry.model_copy(update={"evidence": ""}) if entry.event == "NoDataTimedOut" else entry


def test_the_same_seed_gives_the_same_answer_and_another_one_another():
    a_spec, traffic = spec(), Traffic(rates=Rates(agreement=0.75))
    one, other = played(a_spec, traffic), played(a_spec, traffic, seed=8)
    assert one == played(a_spec, traffic)
    assert one.history != other.history


def test_a_good_run_is_promoted_as_soon_as_its_soaks_are_over():
    found = played(*CASES["a good run"])
    assert (found.end, [stay.percent for stay in found.stays]) == ("Promoted", [0, 10, 100])
    shadow, ten, everybody = (stay.seconds for stay in found.stays)
    assert shadow == everybody == 600
    assert ten >= 600, "at a tenth of the traffic evidence may take longer than the soak"


def test_a_bad_run_is_rolled_back_in_the_shadow_and_the_gate_is_named():
    found = played(*CASES["a run that is too bad"])
    assert (found.end, found.why, len(found.stays)) == ("RolledBack", "agreement", 1)


def test_harm_that_begins_late_is_found_in_the_stage_where_it_begins():
    found = played(*CASES["harm that begins late"])
    assert (found.end, found.why) == ("RolledBack", "errors")
    assert 15 * 60 < found.seconds < 20 * 60


def test_a_run_that_no_gate_can_tell_is_held_at_max_duration():
    found = played(*CASES["a run at the limit"])
    assert (found.end, found.why) == ("Held", "agreement")
    assert found.stays[-1].seconds == 1800


def test_an_outage_of_prometheus_delays_and_loses_nothing():
    found = played(*CASES["an outage"])
    assert found.end == "Promoted"
    assert found.stays[0].seconds == 25 * 60


def test_where_no_data_is_not_put_up_with_an_outage_takes_the_run_back():
    found = played(*CASES["an outage that is not put up with"])
    assert (found.end, found.why) == ("RolledBack", "no data")


def test_at_its_cap_a_run_stays():
    assert played(*CASES["a cap"]).end == "AtCap"


def test_steps_are_approved_at_once_and_wait_for_their_windows():
    window = {"from": "12:00", "to": "13:00"}
    found = played(spec(canary=SHORT | {"approval": "Manual", "windows": [window]}), Traffic(rates=FINE))
    assert found.end == "Promoted"
    steps = [entry.at for entry in found.history if entry.event in ("StepAdvanced", "Promoted")]
    assert [moment.hour for moment in steps] == [12, 12, 12]
    assert steps[0].minute == steps[0].second == 0
