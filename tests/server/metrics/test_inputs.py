"""Inputs of runs: counted for each run that predicts, exposed beside the rows of its evaluation."""

import random

from prometheus_client.parser import text_string_to_metric_families
from server.fakes import CANDIDATE, STABLE, FakeClock, FakeRun, digest

from serin_core.contract import names
from serin_core.contract.documents import ServedRun, Thresholds
from serin_core.model.features import Transaction
from serin_core.model.inputs import EVERY, FEATURES, MAX_BINS, InputBins, InputCounts, Inputs
from serin_server.metrics.counters import Counters
from serin_server.metrics.exposition import Exposition, Identity, RunOnScrape, Scrape
from serin_server.metrics.user_agreement import UserCounts
from serin_server.routing.serving_state import NamedRun
from serin_server.runs.predictor import Loaded, Prediction, Ranked, count_inputs
from serin_server.suggester import Suggester

BINS = InputBins(
    {
        "predicted_class": {"Dining": 60, "other": 40},
        "new_merchants": {"known": 90, "new": 10},
        "log_amount": {"00": 50, "01": 50},
    },
    (("log_amount", 0, (2.0,)),),
    {"Dining": 0, "other": 1},
)
ONE = Transaction("t", "shop")
DINING = Prediction((Ranked("Dining", 0.9),))


def run_with(inputs, **changes):
    return FakeRun(input_bins=BINS, asked_with=inputs, **changes)


def test_about_every_sixteenth_prediction_is_counted_with_its_features():
    counts, clock = InputCounts(BINS, random.Random(1)), FakeClock()
    loaded = Loaded(run_with(Inputs((3.0, 0.0, 0.0, 0.0, 0.0), is_new_merchant=True), label="Dining"))
    served = ServedRun(run=STABLE, digest=digest(STABLE), thresholds=Thresholds())
    suggester = Suggester(None, users=UserCounts(None), tokens=None, clock=clock)
    for _ in range(1600):
        suggester._predict(NamedRun(served, loaded, counts), ONE)
    found = counts.counted()
    assert 1600 / EVERY * 0.7 < found["log_amount"]["01"] < 1600 / EVERY * 1.3
    assert found["log_amount"]["00"] == 0
    assert found["new_merchants"]["new"] == found["predicted_class"]["Dining"] == found["log_amount"]["01"]


def test_a_run_that_fails_to_say_its_inputs_fails_no_request():
    def fail():
        raise ArithmeticError("no features")

    counts = InputCounts(BINS, random.Random(1))
    loaded = Loaded(run_with(Inputs((), is_new_merchant=False), before=fail))
    for _ in range(40):
        count_inputs(loaded, counts, ONE, DINING)
    count_inputs(None, counts, ONE, DINING)
    assert sum(counts.counted()["log_amount"].values()) == 0


def test_counts_last_as_long_as_the_run_is_loaded():
    counters = Counters()
    first = counters.count_inputs({STABLE: BINS, CANDIDATE: None})
    assert set(first) == {STABLE}
    assert counters.count_inputs({STABLE: BINS, CANDIDATE: BINS})[STABLE] is first[STABLE]
    assert counters.inputs(CANDIDATE) is not None
    counters.count_inputs({CANDIDATE: BINS})
    assert counters.inputs(STABLE) is None


def test_the_series_of_a_pod_are_bounded_and_hold_no_text():
    wide = {feature: {f"{at:02}": 1 for at in range(MAX_BINS)} for feature in FEATURES}
    runs = tuple(RunOnScrape(run, {}, breaker_open=False, input_rows=wide, inputs=wide) for run in (STABLE, CANDIDATE))
    scrape = Scrape(Identity("shop/categories", "u", "p", "abc"), (), 1, {}, runs)
    lines = [
        line
        for line in Exposition().learn(scrape).decode().splitlines()
        if line.startswith((f"{names.INPUTS}{{", f"{names.RUN_INPUT_ROWS}{{"))
    ]
    assert len(lines) == 2 * 2 * len(FEATURES) * MAX_BINS == 768


def test_a_scrape_has_the_counts_and_the_rows_of_the_evaluation_of_each_run():
    counts = InputCounts(BINS)
    counts.add(Inputs((3.0, 0.0, 0.0, 0.0, 0.0), is_new_merchant=False), label="Dining")
    run = RunOnScrape(STABLE, {}, breaker_open=False, input_rows=BINS.reference, inputs=counts.counted())
    text = Exposition().learn(Scrape(Identity("shop/categories", "u", "p", "abc"), (), 1, {}, (run,))).decode()
    found = {
        (one.name, one.labels["serin_run"], one.labels["serin_feature"], one.labels["serin_bin"]): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if "serin_bin" in one.labels
    }
    assert found[names.INPUTS, STABLE, "log_amount", "01"] == 1
    assert found[names.INPUTS, STABLE, "log_amount", "00"] == 0
    assert found[names.RUN_INPUT_ROWS, STABLE, "new_merchants", "known"] == 90
