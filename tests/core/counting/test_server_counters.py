import re
from datetime import UTC, datetime, timedelta

import pytest

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint, OwnCounts, OwnSeries, ProcessCounts
from serin_core.contract import names
from serin_core.counting.joined_query import stage_query
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import ENDED, count_stage
from serin_core.counting.stage_query import FRESH, GONE, Series, StageQuery, evaluated_at, stale_after
from serin_core.counting.stage_query import NOW as EVALUATED
from serin_core.evidence.counts import Counts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def series(name, value, process="p1", arm="control", **labels):
    own = {"__name__": name, names.SERIES_PROCESS: process, names.SERIES_ARM: arm}
    return Series(labels=own | labels, value=value)


def requests(true, false=0, **labels):
    return [
        series(names.REQUESTS, true, available="True", **labels),
        series(names.REQUESTS, false, available="False", **labels),
    ]


SCRAPED = Series(labels={FRESH: "true"}, value=6)


def asked(**changes):
    whole = {
        "uid": "u",
        "run_id": "run",
        "stage": 7,
        "percent": 0.0,
        "gates": tuple(GateName),
        "started_at": NOW - timedelta(hours=1),
        "checkpoint": None,
        "interval": timedelta(seconds=30),
    }
    return StageQuery(**whole | changes)


def count(found, **changes):
    return count_stage(found, asked(**changes), NOW)


def read(found, gate, **changes):
    return count([*found, SCRAPED], **changes).of(gate.value)


def test_a_count_is_the_sum_over_processes():
    found = [*requests(90, 10), *requests(45, 5, process="p2")]
    assert read(found, GateName.AVAILABILITY) == Counts(135, 150)


def test_one_process_seen_by_two_prometheus_replicas_is_counted_once_at_its_newest():
    found = [*requests(90, 10, prometheus="a"), *requests(88, 9, prometheus="b")]
    assert read(found, GateName.AVAILABILITY) == Counts(90, 100)


def test_in_a_canary_only_the_canary_arm_is_judged():
    found = [*requests(90, 10), *requests(8, 2, arm="canary")]
    assert read(found, GateName.AVAILABILITY, percent=10) == Counts(8, 10)


def test_agreement_is_judged_on_both_arms():
    found = [
        series(names.USERS_COMPARE, 8, agree="True", arm="canary"),
        series(names.USERS_COMPARE, 80, agree="True"),
        series(names.USERS_COMPARE, 12, agree="False"),
        series(names.USERS_COMPARE, 500, agree="None"),
    ]
    assert read(found, GateName.AGREEMENT, percent=10) == Counts(88, 100)


def test_users_counted_by_several_processes_are_shared_out():
    found = [
        series(names.USERS_COMPARE, 80, agree="True"),
        series(names.USERS_COMPARE, 20, agree="False"),
        series(names.USERS_COMPARE, 60, agree="True", process="p2"),
        series(names.USERS_COMPARE, 0, agree="True", process="idle"),
    ]
    assert read(found, GateName.AGREEMENT) == Counts(70, 80)


def test_users_counted_in_a_shared_store_are_counted_once_already():
    found = [
        series(names.USERS_COMPARE, 80, agree="True"),
        series(names.USERS_COMPARE, 20, agree="False", process="p2"),
    ]
    assert read(found, GateName.AGREEMENT, has_shared_store=True) == Counts(80, 100)
    assert read(found, GateName.AGREEMENT) == Counts(40, 50)


def test_errors_are_failures_among_available_attempts():
    found = [*requests(100, 7), series(names.FAILURES, 3)]
    assert read(found, GateName.ERRORS) == Counts(97, 100)


def test_latency_is_the_bucket_of_the_count():
    found = [
        series(f"{names.LATENCY}_bucket", 95, le="0.05"),
        series(f"{names.LATENCY}_bucket", 99, le="0.1"),
        series(f"{names.LATENCY}_count", 100),
    ]
    assert read(found, GateName.LATENCY) == Counts(99, 100)


def test_a_histogram_without_the_bucket_is_no_data():
    found = [series(f"{names.LATENCY}_bucket", 95, le="0.2"), series(f"{names.LATENCY}_count", 100)]
    assert read(found, GateName.LATENCY).reason == "BucketMissing"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1.5])
def test_what_is_no_count_makes_the_whole_reading_an_error(value):
    found = count([series(names.REQUESTS, value, available="True"), SCRAPED])
    assert isinstance(found, Unreadable)
    assert found.reason == "QueryError"


def test_more_failures_than_attempts_is_an_error_and_is_not_clipped():
    assert read([*requests(1), series(names.FAILURES, 3)], GateName.ERRORS).reason == "QueryError"


def test_no_series_is_no_data_and_zero_is_data():
    assert read([], GateName.AVAILABILITY).reason == "NoData"
    assert read(requests(0), GateName.AVAILABILITY) == Counts(0, 0)


def test_an_ended_process_keeps_what_the_checkpoint_knows_of_it():
    kept = Checkpoint(at=NOW, counts={"availability": {"ended": ProcessCounts(good=40, total=50)}})
    assert read(requests(9, 1), GateName.AVAILABILITY, checkpoint=kept) == Counts(49, 60)


def test_a_replica_that_lags_behind_the_checkpoint_takes_nothing_away():
    kept = Checkpoint(at=NOW, counts={"availability": {"p1": ProcessCounts(good=95, total=100)}})
    assert read(requests(90, 5), GateName.AVAILABILITY, checkpoint=kept) == Counts(95, 100)


def test_a_checkpoint_and_the_whole_say_the_same():
    found = [*requests(90, 10), *requests(45, 5, process="p2")]
    kept = count([*found, SCRAPED]).checkpoint(NOW)
    assert read(requests(100, 10), GateName.AVAILABILITY, checkpoint=kept) == Counts(145, 160)


def test_processes_that_have_ended_are_added_up():
    gone = {f"p{number}": ProcessCounts(good=number, total=10) for number in range(2, 6)}
    kept = Checkpoint(at=NOW, counts={"availability": {ENDED: ProcessCounts(good=40, total=50)} | gone})
    reading = count([*requests(90, 10), SCRAPED], checkpoint=kept)
    found = reading.checkpoint(NOW, alive=frozenset(("p1", "p5", "not scraped yet")))
    assert found.counts["availability"] == {
        ENDED: ProcessCounts(good=40 + 2 + 3 + 4, total=50 + 30),
        "p1": ProcessCounts(good=90, total=100),
        "p5": ProcessCounts(good=5, total=10),
    }
    again = count([*requests(91, 10), SCRAPED], checkpoint=found)
    assert again.of("availability") == Counts(91 + 40 + 14, 101 + 50 + 40)


def test_a_process_that_ended_within_what_was_read_is_not_added_up_yet_and_not_counted_twice():
    found = [*requests(90, 10), *requests(45, 5, process="p2"), SCRAPED]
    kept = count(found).checkpoint(NOW, alive=frozenset(("p1",)))
    assert kept.counts["availability"].keys() == {"p1", "p2"}
    assert read(found, GateName.AVAILABILITY, checkpoint=kept) == Counts(135, 150)


def test_no_process_is_taken_for_ended_while_a_pod_has_not_answered():
    kept = Checkpoint(at=NOW, counts={"availability": {"p2": ProcessCounts(good=40, total=50)}})
    reading = count([*requests(90, 10), SCRAPED], checkpoint=kept)
    assert reading.checkpoint(NOW, alive=None).counts["availability"].keys() == {"p1", "p2"}


def test_users_that_each_process_counts_for_itself_stay_apart():
    kept = Checkpoint(at=NOW, counts={"agreement": {"p2": ProcessCounts(good=8, total=10)}})
    found = [series(names.USERS_COMPARE, 30, agree="True"), series(names.USERS_COMPARE, 0, agree="False")]
    reading = count([*requests(1), *found, SCRAPED], checkpoint=kept)
    after = reading.checkpoint(NOW, alive=frozenset(("p1",)))
    assert after.counts["agreement"].keys() == {"p1", "p2"}
    assert reading.of("agreement") == Counts(19, 20)


def test_a_later_look_never_reaches_back_to_where_a_process_was_taken_for_ended():
    """Not though the time between looks was raised meanwhile, and with it how old an answer may be."""
    first = count([*requests(1), SCRAPED]).checkpoint(NOW, alive=frozenset())
    assert first.since == NOW - timedelta(hours=1, minutes=3)
    kept = Checkpoint(at=NOW, since=NOW - timedelta(minutes=8))
    assert asked(checkpoint=kept).reaches_back_to == NOW - timedelta(minutes=3)
    assert asked(checkpoint=kept, interval=timedelta(minutes=5)).reaches_back_to == NOW - timedelta(minutes=7)


KEPT = Checkpoint(at=NOW, counts={"availability": {"p1": ProcessCounts(good=1000, total=1000)}})


@pytest.mark.parametrize("found", [[], requests(1000)], ids=["every series has ended", "old samples are all there is"])
def test_counts_that_nobody_adds_to_any_more_are_stale_and_never_judged(found):
    reading = count(found, percent=50, checkpoint=KEPT)
    assert isinstance(reading, Unreadable)
    assert reading.reason == "Stale"


def test_a_stage_that_has_just_begun_may_have_no_sample_yet():
    assert count([], started_at=NOW).of(GateName.AVAILABILITY.value).reason == "NoData"


def test_a_sample_may_be_two_minutes_old_or_four_looks():
    assert stale_after(timedelta(seconds=1)) == timedelta(minutes=2)
    assert stale_after(timedelta(minutes=5)) == timedelta(minutes=20)


def query(**changes):
    return stage_query(asked(**changes), NOW)


def test_the_query_names_the_stage_and_reaches_back_behind_it():
    found = query(started_at=NOW - timedelta(minutes=3))
    assert found.startswith("last_over_time({__name__=~")
    of_stage, check = re.search('serin_uid="[^{}]*"', found)[0], 'serin_uid="u"'
    assert set(re.findall('serin_uid="[^{}]*"', found)) == {of_stage, check}
    assert found.endswith(f" or serin_label_check{{{check}}}")
    assert 'serin_uid="u",serin_run="run",serin_stage="7"' in found
    assert "[360s]) or " in found


def test_the_query_reaches_back_behind_the_checkpoint_only():
    kept = Checkpoint(at=NOW - timedelta(minutes=1))
    assert "[240s]) or " in query(checkpoint=kept)


def test_a_look_that_may_rest_on_old_samples_is_followed_by_one_that_reaches_back_as_far():
    kept = Checkpoint(at=NOW - timedelta(minutes=5))
    assert "[1560s]) or " in query(checkpoint=kept, interval=timedelta(minutes=5))


def test_a_stage_dated_by_a_clock_that_is_ahead_is_known_as_such():
    assert asked(started_at=NOW + timedelta(minutes=2)).is_ahead_of(NOW)
    assert asked(checkpoint=Checkpoint(at=NOW + timedelta(minutes=2))).is_ahead_of(NOW)
    assert not asked(started_at=NOW + timedelta(seconds=30)).is_ahead_of(NOW)


def test_a_gate_that_cannot_be_read_keeps_what_is_known_of_every_whole_process():
    found = [*requests(100), series(names.FAILURES, 1), *requests(50, process="renamed")]
    kept = Checkpoint(at=NOW, counts={"errors": {"ended": ProcessCounts(good=40, total=50)}})
    reading = count([*found, SCRAPED], checkpoint=kept)
    assert reading.of("errors").reason == "SeriesMissing"
    assert reading.checkpoint(NOW).counts["errors"] == {
        "ended": ProcessCounts(good=40, total=50),
        "p1": ProcessCounts(good=99, total=100),
    }


def test_a_metric_that_has_gone_from_under_the_others_of_its_process_is_missing_in_the_gates_that_read_it():
    whole = [*requests(100), series(names.FAILURES, 1), *requests(50, process="p2"), series(names.FAILURES, 0, "p2")]
    gone = Series(labels={GONE: names.FAILURES, names.SERIES_PROCESS: "p2"}, value=3)
    kept = Checkpoint(at=NOW, counts={"errors": {"p2": ProcessCounts(good=40, total=50)}})
    reading = count([*whole, gone, SCRAPED], checkpoint=kept)
    assert reading.of("errors").reason == "SeriesMissing"
    assert reading.of("availability") == Counts(150, 150)
    assert reading.checkpoint(NOW).counts["errors"] == kept.counts["errors"] | {"p1": ProcessCounts(good=99, total=100)}


def test_a_gate_none_of_whose_series_is_there_any_more_is_missing_while_its_processes_are():
    kept = Checkpoint(at=NOW, counts={"agreement": {"p1": ProcessCounts(good=40, total=50)}})
    assert read(requests(100), GateName.AGREEMENT, checkpoint=kept).reason == "SeriesMissing"


def test_an_own_gate_that_cannot_be_read_keeps_what_was_kept_of_it_until_the_spec_names_it_no_more():
    before = OwnCounts(total={"a": OwnSeries(at=1, last=2, gained=2)})
    kept = Checkpoint(at=NOW, own={"mine@1": before, "former@1": before})
    reading = count_stage([SCRAPED], asked(checkpoint=kept), NOW, custom={"mine@1": Unreadable("Stale", "old")})
    assert reading.checkpoint(NOW).own == {"mine@1": before}


def test_the_query_asks_for_no_series_that_no_gate_reads():
    found = query(gates=(GateName.AGREEMENT,))
    assert names.USERS_COMPARE in found
    assert names.CLASS_COMPARE not in found


def test_the_query_asks_whether_anything_was_scraped_of_late():
    count = r"count by\(serin_uid,serin_run,serin_stage\)\(last_over_time\(\{[^}]*\}\[120s\]\)\)"
    wanted = rf'label_replace\({count},"serin_fresh","true","",""\)'
    assert re.search(wanted, query())


def test_prometheus_says_itself_when_it_looked():
    assert evaluated_at([Series({EVALUATED: "true"}, 17.5)]) == 17.5
    assert evaluated_at([]).reason == "QueryError"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0, 1e300])
def test_what_is_no_time_is_no_evaluation(value):
    assert evaluated_at([Series({EVALUATED: "true"}, value)]).reason == "QueryError"


def test_a_class_counts_for_itself():
    found = [
        series(names.CLASS_COMPARE, 8, agree="True", serin_class="Dining"),
        series(names.CLASS_COMPARE, 2, agree="False", serin_class="Dining"),
        series(names.CLASS_COMPARE, 0, agree="True", serin_class="Fuel"),
        series(names.CLASS_COMPARE, 5, agree="None", serin_class="Fuel"),
    ]
    parts = count([*found, SCRAPED]).parts_of(GateName.PER_CLASS)
    assert parts == {"Dining": Counts(8, 10), "Fuel": Counts(0, 0)}


def test_feedback_counts_in_the_arm_of_its_event():
    found = [
        series(names.FEEDBACK, 8, outcome="accepted", arm="canary"),
        series(names.FEEDBACK, 2, outcome="rejected", arm="canary"),
        series(names.FEEDBACK, 70, outcome="accepted"),
        series(names.FEEDBACK, 30, outcome="rejected"),
    ]
    parts = count([*found, SCRAPED], percent=10.0).parts_of(GateName.FEEDBACK)
    assert parts == {"canary": Counts(8, 10), "control": Counts(70, 100)}


def test_doubtful_answers_are_those_of_every_class_among_attempts_that_did_not_fail():
    found = [
        series(names.LOW_CONFIDENCE, 3, arm="canary", serin_class="Dining"),
        series(names.LOW_CONFIDENCE, 4, arm="canary", serin_class="Fuel"),
        series(names.FAILURES, 5, arm="canary"),
        *requests(105, 9, arm="canary"),
    ]
    assert read(found, GateName.LOW_CONFIDENCE, percent=10.0) == Counts(7, 100)


def test_a_process_whose_metric_was_renamed_is_not_counted_as_if_nothing_had_failed():
    found = read(requests(100), GateName.ERRORS)
    assert found.reason == "SeriesMissing"
    assert names.FAILURES in found.message


def test_a_fallback_counts_where_the_run_was_unavailable_or_failed():
    reasons = {"unavailable": 3, "unknown": 2, "low_confidence": 40, "not_in_canary": 0}
    found = [series(names.FALLBACK, n, arm="canary", reason=reason) for reason, n in reasons.items()]
    found += [series(names.PREDICTIONS, 55, arm="canary", accepted="True")]
    found += [series(names.PREDICTIONS, 45, arm="canary", accepted="False")]
    found += [series(names.FALLBACK, 900, arm="control", reason="unknown")]
    found += [series(names.PREDICTIONS, 900, arm="control", accepted="False")]
    assert read(found, GateName.FALLBACK, percent=10.0) == Counts(5, 100)
