"""A short storm on a real control plane and a real Prometheus: no promise is broken, and everything ends well."""

import asyncio

import pytest

from faults.checker import check
from faults.history import read
from faults.plan import SHORT, Plan
from faults.report import summary_of
from faults.storm import record

pytestmark = pytest.mark.cluster


def test_a_storm_breaks_no_promise(tmp_path):
    file = tmp_path / "history.jsonl.gz"
    plan = Plan(seed=1, seconds=45, replicas=2, models=2, pods=2, pauses=SHORT)
    asyncio.run(record(plan, file, tmp_path))
    found, summary = check(read(file)), summary_of(file)
    assert not found, f"{file}\n{summary.text()}\n" + "\n".join(map(str, found))
    assert sum(summary.faults.values()) > 10
    assert summary.events["StageStarted"] > 0
