"""Bounds of Prometheus itself: what it refuses to read is no data, and what fits into a look again is counted whole."""

import time
from datetime import UTC, datetime

import pytest
from counting.looking import Rollout, every, labels, own_counts
from counting.processes import Server, truth
from counting.prometheus_process import PrometheusProcess
from counting.test_long_stages import READ_BY_GATES, live

from serin_core.counting.reading import Unreadable

MOST = 3000
"""Samples that are held at once: those of one series, beside all that has been answered."""
DENSE = 0.6
"""Seconds between scrapes, so that a stage of forty minutes has more."""
MINUTE = 60.0


@pytest.fixture(scope="module")
def small(program, tmp_path_factory):
    made = PrometheusProcess(
        program, tmp_path_factory.mktemp("prometheus") / "small", flags=(f"--query.max-samples={MOST}",)
    )
    yield made
    made.close()


def standing(server, times):
    """What a process that counts no more says at each of these times."""
    found = tuple(times)
    return {
        labels: [(at, value) for at in found] for labels, value in server.series(READ_BY_GATES.__contains__).items()
    }


def test_a_stage_of_more_samples_than_a_query_may_read_is_an_error_and_no_count(small, uid):
    now = time.time()
    rollout = Rollout(small.url, uid, began=datetime.fromtimestamp(now - 40 * MINUTE, UTC))
    server = Server(uid, "p")
    server.answer(3)
    small.write(standing(server, every(DENSE, since=now - 40 * MINUTE, until=now)))
    reading = rollout.look()
    assert isinstance(reading, Unreadable)
    assert reading.reason == "QueryError"
    assert "too many samples" in reading.message


def test_a_checkpoint_keeps_a_look_within_the_bound(small, uid):
    now = time.time()
    began = datetime.fromtimestamp(now - 40 * MINUTE, UTC)
    rollout = Rollout(small.url, uid, began=began, gates={"perClass": {}})
    server = Server(uid, "p")
    small.write(live([server], [now - 39 * MINUTE, now - 5]))
    wanted = rollout.wanted(truth([server], canary=True))
    assert rollout.counts(rollout.look(keep=True)) == wanted
    small.write(standing(server, every(DENSE, since=now - 38 * MINUTE, until=now - 5 * MINUTE)))
    assert rollout.counts(rollout.look()) == wanted
    rollout.checkpoint = None
    assert rollout.look().reason == "QueryError"


def test_an_own_counter_of_more_samples_than_a_query_may_read_is_an_error_and_no_count(small, uid):
    now = time.time()
    gate = {"name": "orders", "good": f'sold{{shop="{uid}",code="200"}}', "total": f'sold{{shop="{uid}"}}'}
    began = datetime.fromtimestamp(now - 40 * MINUTE, UTC)
    rollout = Rollout(small.url, uid, began=began, gates={"custom": [{**gate, "atLeast": 0.9}]})
    small.write(live([Server(uid, "p")], [now - 60]))
    for code in ("200", "500"):
        times = every(DENSE, since=now - 40 * MINUTE, until=now)
        small.write({labels("sold", shop=uid, code=code): [(at, number) for number, at in enumerate(times)]})
    found = own_counts(rollout.look(), "orders")
    assert isinstance(found, Unreadable)
    assert found.reason == "QueryError"
    assert "too many samples" in found.message
