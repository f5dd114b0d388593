import gc
import re
import tracemalloc
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serin_core.contract import names
from serin_core.model.report import Recalibration
from serin_server.metrics.counters import Agree, Arm, Counters, Fallback, Refusal, StageKey
from serin_server.metrics.exposition import Exposition, Identity, RunOnScrape, Scrape
from serin_server.metrics.user_agreement import UserCounts

IDENTITY = Identity(model="shop/categories", uid="u", pod="p", process="abc")
RUN = "run_bbbbbbbb_1"
OTHER_RUN = "run_cccccccc_2"
RECALIBRATION = Recalibration(
    of="run_aaaaaaaa_1",
    at="2026-02-01T00:00:00+00:00",
    labels=812,
    labels_from="2026-01-01T00:00:00+00:00",
    labels_to="2026-01-31T00:00:00+00:00",
    right=0.9,
    confidence_before=0.925,
    confidence_after=0.9,
    shift=-0.4,
    slope_above=1.0,
    slope_below=1.0,
    raw_weight=0.0,
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(counters: Counters, *runs: RunOnScrape, revision: int = 7) -> Samples:
    text = Exposition().learn(Scrape(IDENTITY, counters.stages(), revision, dict(counters.refused), runs)).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float:
    return next(
        value for (found_name, have), value in found.items() if found_name == name and labels.items() <= set(have)
    )


def test_every_series_carries_the_labels_of_the_process() -> None:
    counters = Counters()
    counters.begin_stage(StageKey(RUN, 3), ["Dining"])
    constant = {("serin_model", "shop/categories"), ("serin_uid", "u"), ("serin_pod", "p"), ("serin_process", "abc")}
    found = samples(counters, RunOnScrape(RUN, {"Dining": 0.8}, breaker_open=False))
    assert found
    assert all(constant <= labels for _, labels in found)


def test_all_label_values_of_a_new_stage_are_there_at_zero() -> None:
    counters = Counters()
    counters.begin_stage(StageKey(RUN, 3), ["Dining"])
    found = samples(counters)
    own = {
        names.PREDICTIONS: ("accepted", ["True", "False"]),
        names.CONFIDENT: ("shown", ["True", "False"]),
        names.FALLBACK: ("reason", ["not_in_canary", "unavailable", "low_confidence", "unknown"]),
        names.COMPARE: ("agree", ["True", "False", "None"]),
        names.REQUESTS: ("available", ["True", "False"]),
        names.REQUESTS_ALIAS: ("available", ["True", "False"]),
        names.SOURCE: ("source", ["rule", "model", "shadow"]),
        names.SOURCE_ALIAS: ("source", ["rule", "model", "shadow"]),
        names.USERS_COMPARE: ("agree", ["True", "False", "None"]),
        names.FEEDBACK: ("outcome", ["accepted", "rejected"]),
        names.LOW_CONFIDENCE: (names.SERIES_CLASS, ["Dining"]),
    }
    for name, (label, values) in own.items():
        for arm in Arm:
            for value in values:
                assert of(found, name, serin_run=RUN, serin_stage="3", serin_arm=arm.value, **{label: value}) == 0
    assert of(found, names.FAILURES, serin_run=RUN, serin_stage="3", serin_arm="canary") == 0
    assert of(found, f"{names.LATENCY}_count", serin_run=RUN, serin_stage="3", serin_arm="canary") == 0


def test_the_histogram_is_cumulative_and_holds_the_bounds_that_gates_ask_for() -> None:
    counters = Counters()
    counts = counters.begin_stage(StageKey(RUN, 3), ()).arms[Arm.CANARY]
    for seconds in (0.01, 0.05, 0.1, 0.100001, 3.0):
        counts.observe(seconds)
    found = samples(counters)
    bucket = f"{names.LATENCY}_bucket"
    assert [of(found, bucket, serin_arm="canary", le=le) for le in ("0.05", "0.1", "1.0", "+Inf")] == [2, 3, 4, 5]
    assert of(found, f"{names.LATENCY}_count", serin_arm="canary") == 5


def test_counts_appear_under_their_arm_and_both_names() -> None:
    counters = Counters()
    counts = counters.begin_stage(StageKey(RUN, 3), ["Dining"]).arms[Arm.CONTROL]
    counts.requests[True] += 2
    counts.fallback[Fallback.NOT_IN_CANARY] += 2
    counts.count_comparison("Dining", Agree.FALSE)
    counts.count_low_confidence("Dining")
    found = samples(counters)
    assert of(found, names.REQUESTS, serin_arm="control", available="True") == 2
    assert of(found, names.REQUESTS_ALIAS, serin_arm="control", available="True") == 2
    assert of(found, names.CLASS_COMPARE, serin_arm="control", agree="False", serin_class="Dining") == 1
    assert of(found, names.LOW_CONFIDENCE, serin_arm="control", serin_class="Dining") == 1
    assert of(found, names.REQUESTS, serin_arm="canary", available="True") == 0


def test_what_belongs_to_no_stage_is_exposed_beside_it() -> None:
    counters = Counters()
    counters.refused[Refusal.OTHER_UID] += 1
    run = RunOnScrape(RUN, {"Dining": 0.81}, breaker_open=True, class_shares={"Dining": 0.3})
    found = samples(counters, run, revision=12)
    assert of(found, names.REVISION) == 12
    assert of(found, names.RUN_F1, serin_run=RUN, serin_class="Dining") == 0.81
    assert of(found, names.RUN_CLASS_SHARE, serin_run=RUN, serin_class="Dining") == 0.3
    assert of(found, names.BREAKER_OPEN, serin_run=RUN) == 1
    assert of(found, "serin_documents_refused_total", reason="other_uid") == 1


def test_a_correction_by_labels_from_service_is_exposed_and_is_zero_without_one() -> None:
    corrected = RunOnScrape(RUN, {}, breaker_open=False, recalibration=RECALIBRATION)
    found = samples(Counters(), corrected, RunOnScrape(OTHER_RUN, {}, breaker_open=False))
    assert of(found, names.RUN_LABELS, serin_run=RUN) == 812
    assert of(found, names.RUN_CORRECTION, serin_run=RUN) == pytest.approx(-0.025)
    assert of(found, names.RUN_LABELS, serin_run=OTHER_RUN) == 0
    assert of(found, names.RUN_CORRECTION, serin_run=OTHER_RUN) == 0


PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def documented() -> dict[str, tuple[str, set[str]]]:
    """Return type and other labels of each series in the tables of the page, with its aliases."""
    server = PAGE.read_text().partition("\n## The operator\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in server.splitlines() if line.startswith("| `")]
    series = [row for row in rows if len(row) == 5]
    assert all(row[4].endswith("?") for row in series), "each row names the question that the series answers"
    return {
        name: (row[1], set(re.findall(r"`(\w+)`", row[2]))) for row in series for name in re.findall(r"`(\w+)`", row[0])
    }


def test_the_page_lists_every_series_with_its_type_and_labels_and_no_other() -> None:
    counters = Counters()
    counters.begin_stage(StageKey(RUN, 3), ["Dining"])
    rows = {"hour": {"00": 3}}
    run = RunOnScrape(
        RUN, {"Dining": 0.8}, breaker_open=False, class_shares={"Dining": 0.3}, input_rows=rows, inputs=rows
    )
    scrape = Scrape(IDENTITY, counters.stages(), 7, dict(counters.refused), (run,), run_refused={RUN: False})
    exposed, of_stage = {}, {names.SERIES_RUN, names.SERIES_STAGE, names.SERIES_ARM}
    for family in text_string_to_metric_families(Exposition().learn(scrape).decode()):
        found = {label for sample in family.samples for label in sample.labels}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        common = {"serin_model", "serin_uid", "serin_pod", "serin_process"}
        if of_stage <= found and name != names.LABEL_CHECK:
            common |= of_stage
        exposed[name] = (family.type, found - common)
    assert documented() == exposed


def test_after_a_thousand_stages_nothing_more_is_kept() -> None:
    counters, users = Counters(), UserCounts(None)
    classes = [f"class {number}" for number in range(20)]

    def live(stages: range) -> int:
        for stage in stages:
            counts = counters.begin_stage(StageKey(f"run_{stage:08x}_1", stage), classes)
            for user in range(50):
                users.add(counts, arm=Arm.CANARY, user=user + stage, agree=Agree.TRUE)
                counts.arms[Arm.CANARY].count_comparison(classes[user % 20], Agree.TRUE)
        gc.collect()
        of_server = tracemalloc.Filter(inclusive=True, filename_pattern="*/serin_server/*")
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([of_server]).traces)

    tracemalloc.start()
    try:
        _, early, late = (live(range(begin, begin + 500)) for begin in (1000, 1500, 2000))
    finally:
        tracemalloc.stop()
    assert late < 1.5 * early  # a hundred bytes left by each stage would double it
    assert len(counters.stages()) == 2
    assert len(samples(counters)) == len({*samples(counters)})


def test_a_run_that_was_refused_is_told_by_name() -> None:
    scrape = Scrape(IDENTITY, (), 1, {}, (), run_refused={RUN: True, "run_aaaaaaaa_1": False})
    text = Exposition().learn(scrape).decode()
    told = {
        line.partition('serin_run="')[2].partition('"')[0]: line[-3:]
        for line in text.splitlines()
        if line.startswith(names.RUN_REFUSED)
    }
    assert told == {RUN: "1.0", "run_aaaaaaaa_1": "0.0"}


ODD = ["Dining", 'a "b" \\ c', "two\nlines", "one\u2028other\x85\x0b\r", "# TYPE", "Café 1.0"]


def test_what_is_remembered_is_written_as_it_would_be_anew() -> None:
    counters, exposition = Counters(), Exposition()
    run = RunOnScrape(RUN, dict.fromkeys(ODD, 0.8), breaker_open=False)

    def scrape() -> Scrape:
        refused = dict(counters.refused)
        return Scrape(IDENTITY, counters.stages(), 7, refused, (run,), run_refused={RUN: False})

    counts = counters.begin_stage(StageKey(RUN, 3), ODD).arms[Arm.CANARY]
    assert exposition.write(scrape()) is None
    assert exposition.write(scrape()) is None
    exposition.learn(scrape())
    for number, label in enumerate(ODD):
        counts.count_comparison(label, Agree.TRUE)
        counts.count_low_confidence(label)
        counts.requests[True] += 10**number * 1_234_567
        counts.observe(10.0**-number)
        assert exposition.write(scrape()) == Exposition().learn(scrape())


def test_series_that_come_or_go_are_not_written_from_memory() -> None:
    counters, exposition = Counters(), Exposition()

    def scrape() -> Scrape:
        return Scrape(IDENTITY, counters.stages(), 7, dict(counters.refused), ())

    stage = counters.begin_stage(StageKey(RUN, 3), ["Dining"])
    exposition.learn(scrape())
    stage.arms[Arm.CANARY].count_low_confidence("Groceries")
    assert exposition.write(scrape()) is None
    exposition.learn(scrape())
    assert exposition.write(scrape()) is not None
    counters.begin_stage(StageKey(RUN, 4), ["Dining"])
    assert exposition.write(scrape()) is None


@pytest.mark.parametrize(("classes", "is_large"), [(12, False), (300, True)])
def test_many_series_are_rendered_beside_requests_and_as_the_same(*, classes: int, is_large: bool) -> None:
    counters = Counters()
    counters.begin_stage(StageKey(RUN, 3), [f"class {number}" for number in range(classes)])
    scrape = Scrape(IDENTITY, counters.stages(), 7, dict(counters.refused), ())
    exposition = Exposition()
    assert not exposition.is_large
    first = exposition.render(scrape)
    assert exposition.is_large is is_large
    assert exposition.render(scrape) == exposition.write(scrape) == first
