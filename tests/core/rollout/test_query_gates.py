"""Query gates in a rollout: they roll back, hold and let pass, and are shown in conditions and history."""

from models.parts import spec
from models.starting import has_percent
from models.world import World

from serin_core.api.status import Phase
from serin_core.counting.number import NO_DATA, SEVERAL
from serin_core.counting.reading import Unreadable

A = "run_aaaaaaaa_1"
POOL = {"name": "saturation", "query": "max(used / size)", "atMost": 0.9, "for": "2s"}
OTHERS_OFF = {name: {"mode": "Off"} for name in ("availability", "errors", "latency", "agreement")}


def world(query=(), built_in=None, **analysis):
    gates = (built_in or {}) | {"queries": [POOL | dict(query)]}
    made = World(spec(A, gates=gates, analysis={"interval": "1s"} | analysis))
    made.registry = {A: "sha256:" + "a" * 64}
    return made


def ready(at):
    return next(one for one in at.status.conditions if one.type == "Ready")


def test_a_query_that_is_met_lets_the_rollout_pass():
    at = world()
    at.query_results = {"saturation": 0.5}
    at.settle(rounds=120)
    assert at.status.phase is Phase.PROMOTED
    assert "saturation 0.5 (at most 0.9 for 2s; met since" in at.status.history[-1].message


def test_a_query_that_is_violated_for_its_time_rolls_back():
    at = world()
    at.query_results = {"saturation": 0.95}
    at.settle(rounds=30)
    assert at.status.phase is Phase.ROLLED_BACK
    assert "saturation 0.95 (at most 0.9 for 2s; violated since" in at.status.candidate.reason


def test_a_dry_run_is_never_acted_on():
    at = world({"mode": "DryRun"})
    at.query_results = {"saturation": 0.95}
    at.settle(rounds=120)
    assert at.status.phase is Phase.PROMOTED


def test_a_query_that_does_not_return_one_number_holds_and_the_condition_says_what_to_do():
    at = world()
    at.query_results = {"saturation": SEVERAL}
    at.settle(rounds=200)
    assert at.status.candidate.percent == 0
    assert (ready(at).reason, ready(at).status) == ("MetricsUnavailable", "Unknown")
    assert ready(at).message == (
        "On hold in shadow: saturation: the query returned several series; wrap it in max() or sum()"
    )
    at.query_results = {"saturation": 0.5}
    at.settle(rounds=120)
    assert at.status.phase is Phase.PROMOTED


def test_a_query_without_data_holds_and_its_times_begin_again():
    at = world({"for": "60s"})
    at.query_results = {"saturation": 0.95}
    at.settle(rounds=100)
    at.query_results = {"saturation": NO_DATA}
    at.settle(rounds=1)
    at.query_results = {"saturation": 0.95}
    at.settle(rounds=100)
    assert at.status.rollout is not None
    at.settle(rounds=40)
    assert at.status.phase is Phase.ROLLED_BACK


def test_a_query_alone_judges_a_stage_that_has_no_other_gate():
    at = world(built_in=OTHERS_OFF, query={"stages": [0]})
    at.query_results = {"saturation": 0.5}
    at.settle(until=has_percent(10))
    assert at.status.candidate.percent == 10
    assert "from 0 % to 10 %: saturation 0.5" in at.status.history[-2].message


def test_without_data_of_the_pods_the_result_of_a_query_is_no_data():
    at = world(onNoData="Rollback", noDataTimeout="10s")
    at.verdict = "silent"
    at.query_results = {"saturation": 0.5}
    at.settle(rounds=60)
    assert at.status.phase is Phase.ROLLED_BACK
    assert "NoDataTimedOut" in [entry.event for entry in at.status.history]


def test_a_violated_query_rolls_back_although_the_counts_cannot_be_read():
    at = world()
    at.verdict = "silent"
    at.query_results = {"saturation": 0.95}
    at.settle(rounds=30)
    assert at.status.phase is Phase.ROLLED_BACK


def test_a_query_is_judged_again_in_each_stage():
    at = world({"for": "20s"})
    at.query_results = {"saturation": 0.5}
    at.settle(rounds=400)
    steps = [entry.at for entry in at.status.history if entry.event in ("StageStarted", "StepAdvanced", "Promoted")]
    started, ended = steps[::2], steps[1::2]
    assert len(ended) == 4
    assert all((end - start).total_seconds() >= 20 for start, end in zip(started, ended, strict=True))


def test_a_query_that_cannot_be_sent_holds():
    at = world()
    at.query_results = {"saturation": Unreadable("QueryError", "Prometheus refused the query (400): parse error")}
    at.settle(rounds=200)
    assert "saturation: Prometheus refused the query (400): parse error" in ready(at).message
