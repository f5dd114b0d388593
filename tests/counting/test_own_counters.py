"""Own gates on counters that Serin knows nothing of: what they gained since the stage began, or why nobody knows."""

import json
import re
import time
import urllib.request
from datetime import UTC, datetime

import pytest
from counting.exporter import SALES, TICKING
from counting.looking import Rollout, every, labels, own_counts

from serin_core.api.custom_gates import CustomGate
from serin_core.counting.custom_counters import selectors
from serin_core.counting.reading import Unreadable
from serin_core.evidence.counts import Counts

MINUTE, HOUR = 60.0, 3600.0
ORDERS = "shop_orders_total"
BIG = [(1e6, "1e+06"), (1e6, "1000000"), (1e6, "1000000.0"), (2.5e6, "2.5e+06"), (1e16, "1e+16")]


@pytest.fixture
def now():
    # What is younger is not read yet: a scrape could come in between the two selectors.
    return time.time() - 12


def gate(uid, **changes):
    return {
        "name": "orders",
        "good": f'{ORDERS}{{shop="{uid}",code="200"}}',
        "total": f'{ORDERS}{{shop="{uid}"}}',
        "atLeast": 0.9,
    } | changes


def latency(uid, le):
    return {
        "name": "orders",
        "histogram": {"metric": f'shop_seconds{{shop="{uid}"}}', "le": le},
        "atLeast": 0.9,
    }


@pytest.fixture
def rollout(prometheus, uid, now):
    return Rollout(
        prometheus.url, uid, began=datetime.fromtimestamp(now - HOUR - 15, UTC), gates={"custom": [gate(uid)]}
    )


class Shop:
    """Counters of one process of the user's. Knows what was scraped at each time, and what was gained by it."""

    def __init__(self, prometheus, rollout, instance="a", *, since=0.0, **named):
        self.prometheus, self.began = prometheus, rollout.began.timestamp()
        self.labels = {"shop": rollout.uid, "instance": instance} | named
        self.values = {"200": since, "500": since}
        self.gained = {"200": 0.0, "500": 0.0}

    def sells(self, times, *, good=3.0, bad=1.0, codes=("200", "500")):
        found = {code: [] for code in codes}
        more = {"200": good, "500": bad}
        for at in times:
            for code in codes:
                self.values[code] += more[code]
                self.gained[code] += more[code] if at > self.began else 0.0
                found[code].append((at, self.values[code]))
        self.prometheus.write({labels(ORDERS, code=code, **self.labels): one for code, one in found.items()})
        return self

    def restarts(self):
        self.values = dict.fromkeys(self.values, 0.0)
        return self


def gained(*shops):
    good = sum(shop.gained["200"] for shop in shops)
    return Counts(good, good + sum(shop.gained["500"] for shop in shops))


def look(rollout, prometheus, **changes):
    # Serin's own series are none of this test's business, but a stage without any is stale.
    prometheus.write({labels("lm_ml_predict_requests_total", **_own(rollout)): [(time.time(), 0.0)]})
    return own_counts(rollout.look(**changes), "orders")


def _own(rollout):
    stage = {"serin_uid": rollout.uid, "serin_run": rollout.run_id, "serin_stage": str(rollout.stage)}
    return stage | {"serin_process": "p", "serin_arm": "canary", "available": "True"}


def before_and_since(now):
    return every(30, since=now - 2 * HOUR, until=now)


def test_what_was_counted_before_the_stage_is_left_out(prometheus, rollout, now):
    shop = Shop(prometheus, rollout, since=10_000.0).sells(before_and_since(now))
    assert look(rollout, prometheus) == gained(shop)


def test_a_look_after_a_checkpoint_adds_what_is_new_and_nothing_twice(prometheus, rollout, now):
    shop = Shop(prometheus, rollout, since=10_000.0).sells(every(30, since=now - 2 * HOUR, until=now - 90))
    assert look(rollout, prometheus, keep=True) == gained(shop)
    assert look(rollout, prometheus, keep=True) == gained(shop)
    shop.sells(every(30, since=now - 60, until=now))
    assert look(rollout, prometheus, keep=True) == gained(shop)
    assert look(rollout, prometheus) == gained(shop)


def test_a_reset_loses_and_invents_nothing(prometheus, rollout, now):
    shop = Shop(prometheus, rollout, since=500.0).sells(every(30, since=now - 2 * HOUR, until=now - 20 * MINUTE))
    shop.restarts().sells(every(30, since=now - 19 * MINUTE, until=now - 90))
    assert look(rollout, prometheus, keep=True) == gained(shop)
    shop.restarts().sells(every(30, since=now - 60, until=now))
    assert look(rollout, prometheus) == gained(shop)


def test_a_series_born_in_mid_stage_counts_from_zero_and_one_that_ends_keeps_what_it_gained(prometheus, rollout, now):
    old = Shop(prometheus, rollout, "old", since=70.0).sells(every(30, since=now - 2 * HOUR, until=now - 30 * MINUTE))
    new = Shop(prometheus, rollout, "new").sells(every(30, since=now - 30 * MINUTE, until=now - 20 * MINUTE))
    last = Shop(prometheus, rollout, "last").sells(every(30, since=now - 20 * MINUTE, until=now))
    assert look(rollout, prometheus, keep=True) == gained(old, new, last)
    assert look(rollout, prometheus) == gained(old, new, last)


def test_a_series_that_was_there_before_and_was_missing_when_the_stage_began_is_not_taken_for_new(
    prometheus, rollout, now
):
    other = Shop(prometheus, rollout, "other", since=70.0).sells(before_and_since(now))
    away = Shop(prometheus, rollout, "away", since=90_000.0).sells(
        every(30, since=now - 2 * HOUR, until=now - HOUR - 20 * MINUTE)
    )
    look(rollout, prometheus, keep=True)
    away.sells(every(30, since=now - 60, until=now))
    assert look(rollout, prometheus) == gained(other, away)


@pytest.mark.prometheus
def test_a_gate_that_could_not_be_read_for_a_while_has_forgotten_nothing(prometheus, rollout, now):
    """What was counted before is gone from Prometheus by then: it stands in the checkpoint alone."""
    shop = Shop(prometheus, rollout, since=10_000.0).sells(every(30, since=now - 2 * HOUR, until=now - 90))
    assert look(rollout, prometheus, keep=True) == gained(shop)
    prometheus.write({labels(ORDERS, code="200", shop=rollout.uid, instance="broken"): [(now - 60, 0.5)]})
    assert look(rollout, prometheus, keep=True).reason == "QueryError"
    prometheus.forget(f'{ORDERS}{{shop="{rollout.uid}"}}', until=now - 59)
    shop.sells([now])
    assert look(rollout, prometheus) == gained(shop)


def test_a_gate_that_is_added_to_a_long_stage_counts_its_last_hours(prometheus, rollout, now):
    rollout.began = datetime.fromtimestamp(now - 48 * HOUR, UTC)
    shop = Shop(prometheus, rollout, since=10_000.0).sells(every(60, since=now - 8 * HOUR - 30, until=now - 30))
    assert look(rollout, prometheus) == Counts(3.0 * 360, 4.0 * 360)
    assert gained(shop).total > 4.0 * 360


@pytest.mark.parametrize(
    ("bound", "written"),
    [(0.3, "0.3"), (1.0, "1.0"), (1.0, "1"), (5e-05, "5e-05"), (10.0, "10"), (10.0, "10.0"), (250.0, "250.0"), *BIG],
    ids=str,
)
def test_a_bucket_is_found_however_its_bound_is_written(prometheus, rollout, now, bound, written):
    uid = rollout.uid
    rollout.gates = {"custom": [latency(uid, bound)]}
    times = list(every(30, since=now - 5 * MINUTE, until=now))
    for le, each in (("0.01", 1), (written, 3), ("+Inf", 4)):
        name = labels("shop_seconds_bucket", shop=uid, le=le)
        prometheus.write({name: [(at, each * (number + 1)) for number, at in enumerate(times)]})
    name = labels("shop_seconds_count", shop=uid)
    prometheus.write({name: [(at, 4 * (number + 1)) for number, at in enumerate(times)]})
    assert look(rollout, prometheus) == Counts(3 * len(times), 4 * len(times))


@pytest.mark.parametrize("name", ["shop.requests", "Käufe (alle) [1]", "a+b"])
def test_a_metric_whose_name_has_other_characters_is_counted(prometheus, rollout, now, name):
    """One whose name differs where a pattern would not is not counted with it."""
    uid, times = rollout.uid, list(every(30, since=now - 5 * MINUTE, until=now))

    def counts(metric, each, **named):
        found = [(at, each * (number + 1)) for number, at in enumerate(times)]
        prometheus.write({labels(metric, **{"shop.id": uid}, **named): found})

    for metric in (name, "shop-requests", "aab"):
        counts(f"{metric}_bucket", 3, le="0.5")
        counts(f"{metric}_count", 4)
        counts(metric, 3, path="/{id}")
        counts(metric, 1, path="/")
    mine = f'"shop.id"="{uid}"'
    histogram = {"metric": f'{{"{name}",{mine}}}', "le": 0.5}
    for counted in (
        {"good": f'{{"{name}",{mine},path="/{{id}}"}}', "total": f'{{"{name}",{mine}}}'},
        {"histogram": histogram},
    ):
        rollout.gates = {"custom": [{"name": "orders", "atLeast": 0.5} | counted]}
        assert look(rollout, prometheus) == Counts(3 * len(times), 4 * len(times))


def test_a_bound_is_found_as_prometheus_itself_writes_what_it_scrapes(prometheus, rollout, exporter, pods):
    bounds = (5e-05, 0.1, 1.0, 250.0, 100_000.0, 1e6, 1_234_567.0, 1e12)
    buckets = [f'shop_bytes_bucket{{shop="{rollout.uid}",le="{bound:.0f}"}} 3\n' for bound in bounds[2:]]
    buckets += [f'shop_bytes_bucket{{shop="{rollout.uid}",le="{bound}"}} 3\n' for bound in bounds[:2]]
    count = f'shop_bytes_count{{shop="{rollout.uid}"}} 4\n'
    pods["pod0"] = "".join(("# TYPE shop_bytes histogram\n", *buckets, count)).encode
    exporter.scraped("pod0")
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/label/le/values?match[]=shop_bytes_bucket") as answer:  # noqa: S310
        written = json.load(answer)["data"]
    assert len(written) == len(bounds)
    for bound in bounds:
        pattern = re.search('le=~"(.*)"', selectors(CustomGate.model_validate(latency("x", bound)))[0])[1]
        assert [one for one in written if re.fullmatch(pattern, one)] == [one for one in written if float(one) == bound]


def test_a_histogram_without_the_bucket_is_told_so(prometheus, rollout, uid, now):
    rollout.gates = {"custom": [latency(uid, 0.3)]}
    prometheus.write({labels("shop_seconds_bucket", shop=uid, le="0.25"): [(now, 3)]})
    prometheus.write({labels("shop_seconds_count", shop=uid): [(now, 4)]})
    assert look(rollout, prometheus) == Unreadable(
        "BucketMissing", f'shop_seconds{{shop="{uid}"}} has no bucket le=0.3'
    )


def test_a_gauge_is_told_by_its_falling_a_little(prometheus, rollout, now):
    shop = Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now - 60))
    shop.values["200"] -= 5
    shop.sells([now])
    found = look(rollout, prometheus)
    assert found.reason == "NotACounter"
    assert "a counter only grows, or restarts" in found.message


@pytest.mark.parametrize(
    "value", [0.5, -1.0, pytest.param(float("nan"), marks=pytest.mark.prometheus), float("inf")], ids=str
)
def test_what_is_no_count_is_told_so(prometheus, rollout, now, value):
    Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now - 60))
    prometheus.write({labels(ORDERS, code="200", shop=rollout.uid, instance="odd"): [(now, value)]})
    assert look(rollout, prometheus) == Unreadable("QueryError", f"{ORDERS} is {value:g}, which is not a count")


def test_a_selector_that_matches_nothing_is_told_so(prometheus, rollout):
    assert look(rollout, prometheus, keep=True).reason == "NothingMatches"
    assert look(rollout, prometheus).reason == "NothingMatches"


def test_a_selector_that_matches_too_much_is_told_so(prometheus, rollout, now):
    many = {labels(ORDERS, code="200", shop=rollout.uid, instance=str(one)): [(now, 1.0)] for one in range(501)}
    prometheus.write(many)
    assert look(rollout, prometheus).reason == "TooManySeries"


def test_a_selector_that_matches_everything_is_told_so_before_all_of_it_is_read(prometheus, rollout, uid):
    rollout.gates = {"custom": [gate(uid, good='shop_orders_total{code="200"}', total='up{instance!=""}')]}
    found = look(rollout, prometheus)
    assert isinstance(found, Unreadable)


def test_more_good_than_all_is_an_error_and_is_not_clipped(prometheus, rollout, uid, now):
    rollout.gates = {"custom": [gate(uid, total=f'{ORDERS}{{shop="{uid}",code="500"}}')]}
    Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now), good=3, bad=1)
    found = look(rollout, prometheus)
    assert found.reason == "QueryError"
    assert "is not a count" in found.message


def test_metrics_renamed_in_mid_stage_are_stale_and_their_counts_stay_known(prometheus, rollout, now):
    shop = Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now - 4 * MINUTE))
    assert look(rollout, prometheus, keep=True).reason == "Stale"
    shop.sells([now - 60])
    assert look(rollout, prometheus, keep=True) == gained(shop)


def test_nothing_is_counted_of_all_where_the_good_ones_were_renamed(prometheus, rollout, now):
    shop = Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now - 90))
    before = gained(shop)
    assert look(rollout, prometheus, keep=True) == before
    only_all = every(30, since=now - 60, until=now)
    shop.sells(only_all, codes=("500",), bad=100)
    assert look(rollout, prometheus) == before
    rollout.checkpoint = None
    assert look(rollout, prometheus) == before


def test_good_ones_that_have_ended_while_all_goes_on_are_stale_and_not_a_fail(prometheus, rollout, now):
    shop = Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now - 5 * MINUTE))
    shop.sells(every(30, since=now - 4 * MINUTE, until=now), codes=("500",), bad=100)
    assert look(rollout, prometheus).reason == "Stale"


def test_samples_of_the_future_are_not_counted_before_their_time(prometheus, rollout, now):
    shop = Shop(prometheus, rollout).sells(every(30, since=now - HOUR, until=now))
    before = gained(shop)
    shop.sells([now + 5 * MINUTE])
    assert look(rollout, prometheus, keep=True) == before
    assert look(rollout, prometheus) == before


def test_two_replicas_that_scrape_at_different_times_never_mix_in_one_count(prometheus, second, in_turn, rollout, now):
    """Everything sold is good: a good count of one replica and a total of the other would say something else."""
    rollout.url = in_turn
    for replica, phase in ((prometheus, 0), (second, 7)):
        times = list(every(15, since=now - 5 * MINUTE + phase, until=now))
        for le in (None, "0.3"):
            name = labels(f"shop_seconds_{'bucket' if le else 'count'}", shop=rollout.uid, **({"le": le} if le else {}))
            replica.write({name: [(at, 1000 + at // 1 - now // 1) for at in times]})
        replica.write({labels(ORDERS, code="200", shop=rollout.uid): [(at, 1000 + at // 1 - now // 1) for at in times]})
    for metrics in (gate(rollout.uid), latency(rollout.uid, 0.3)):
        rollout.metrics, rollout.checkpoint = (metrics,), None
        for _ in range(4):
            for replica in (prometheus, second):
                found = look(rollout, replica, keep=True)
            assert found.good == found.total > 0


@pytest.mark.parametrize("labels", [("replica",), ("other", "replica")], ids=", ".join)
def test_a_counter_seen_through_two_external_labels_is_one_where_they_are_told(prometheus, rollout, now, labels):
    """The two scrape at different times, and the one has stopped for a while: what is lost of one, the other has."""
    rollout.replica_labels = labels
    rollout.gates = {"custom": [gate(rollout.uid)]}
    shop = Shop(prometheus, rollout, since=10_000.0, replica="a").sells(every(30, since=now - 2 * HOUR, until=now - 90))
    twin = Shop(prometheus, rollout, since=10_000.0, replica="b").sells(
        every(30, since=now - 2 * HOUR, until=now - HOUR / 2)
    )
    assert look(rollout, prometheus, keep=True) == gained(shop)
    twin.values, twin.gained = dict(shop.values), dict(shop.gained)
    twin.sells(every(30, since=now - 50, until=now))
    assert look(rollout, prometheus, keep=True) == gained(twin)
    shop.values, shop.gained = dict(twin.values), dict(twin.gained)
    shop.sells([now + 1])
    assert look(rollout, prometheus) == gained(shop)


def test_a_counter_seen_through_two_labels_that_nobody_told_of_counts_twice(prometheus, rollout, now):
    """A label means what the user says it means: two shops may well have the same numbers."""
    shops = [Shop(prometheus, rollout, replica=name).sells(every(30, since=now - HOUR / 2, until=now)) for name in "ab"]
    assert look(rollout, prometheus) == gained(*shops)


def test_both_selectors_are_read_at_one_time_while_a_shop_is_selling(prometheus, rollout, exporter):
    """Each scrape moves good and total alike, so that any scrape in between would tell."""
    rollout.gates = {"custom": [gate(rollout.uid, good=f'{SALES}{{code="200"}}', total=SALES)]}
    deadline = time.monotonic() + 20
    while isinstance(look(rollout, prometheus), Unreadable) and time.monotonic() < deadline:
        exporter.scraped(TICKING)
    seen = []
    for _ in range(12):
        exporter.scraped(TICKING, times=1)
        seen.append(look(rollout, prometheus, keep=len(seen) % 2 == 0))
    assert len({found.total for found in seen}) > 4
    assert all(found.good == found.total for found in seen)
