"""serin replay reads a past stage from a real Prometheus 3, processes that came and went included."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from counting.prometheus_process import PrometheusProcess

from serin_cli.replay_prometheus import read_range
from serin_core.api.gate_names import GateName
from serin_core.contract import names
from serin_core.counting.stage_query import StageQuery
from serin_localcluster.prometheus import find

RUN, STAGE = "run_aaaaaaaa_1", 7
MINUTE = 60


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    made = PrometheusProcess(find(), tmp_path_factory.mktemp("replayed") / "prometheus")
    yield made
    made.close()


def written(process, *, minutes, began, agree):
    """One process that is scraped every 30 s for a number of minutes, and compares ten users in each half."""
    labels = {names.SERIES_UID: "u", names.SERIES_RUN: RUN, names.SERIES_STAGE: str(STAGE), names.SERIES_ARM: "control"}
    counters = {
        (names.USERS_COMPARE, "agree", "True"): agree,
        (names.USERS_COMPARE, "agree", "False"): 10 - agree,
        (names.REQUESTS, "available", "True"): 100,
        (names.REQUESTS, "available", "False"): 0,
    }
    for (metric, label, value), each in counters.items():
        series = labels | {"__name__": metric, names.SERIES_PROCESS: process, label: value}
        halves = range(2 * minutes + 1)
        yield tuple(sorted(series.items())), [(began + 30 * half, float(each * half)) for half in halves]


def test_what_ended_processes_had_counted_stays_counted(prometheus):
    began = time.time() - 2 * 3600
    early = dict(written("early", minutes=20, began=began, agree=9))
    late = dict(written("late", minutes=40, began=began + 20 * MINUTE, agree=8))
    prometheus.write(early | late)
    started_at = datetime.fromtimestamp(began, UTC)
    asked = StageQuery(
        uid="u",
        run_id=RUN,
        stage=STAGE,
        percent=0,
        gates=(GateName.AGREEMENT, GateName.AVAILABILITY),
        started_at=started_at,
        checkpoint=None,
        interval=timedelta(seconds=30),
        has_shared_store=True,
    )
    record = read_range(prometheus.url, asked, end=started_at + timedelta(minutes=60))
    assert record.duration == timedelta(minutes=60)
    by_minute = {round((entry.at - began) / MINUTE, 1): entry.counts for entry in record.entries}
    assert by_minute[20]["availability"] == (4000, 4000)
    assert by_minute[60]["availability"] == (4000 + 8000, 12_000)
    assert by_minute[60]["agreement"] == (9 * 40 + 8 * 80, 10 * 120)
