"""A rollback that no kubelet helps with: the mounted files of all pods stay as they are."""

import httpx
import pytest
from e2e.conftest import canary

from serin_core.api.record import RollbackTime

pytestmark = pytest.mark.cluster

PATIENCE = 2.0
"""Seconds from the decision to the confirmation by every pod."""


@pytest.fixture
def stale_volumes(local):
    """Return a function that leaves mounted files as they are, until the test is over."""
    yield local.stop_refreshing_volumes
    local.start_refreshing_volumes()


def shares(addresses):
    """Return what the pods serve of the candidate, in percent."""
    return {httpx.get(f"http://{address}/ml/status", timeout=5).json()["percent"] for address in addresses}


def announced(rollout):
    return {int(pod["metadata"]["annotations"].get("serin.dev/revision", -1)) for pod in rollout.pods()}


def test_a_rollback_is_confirmed_by_every_pod_although_no_mounted_file_changes(rollout, registry, stale_volumes):
    traffic = rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=canary("1h", 10, 50))
    rollout.wait_for_stage(0, seconds=90)
    pods = rollout.addresses()
    assert len(pods) == 2
    stale_volumes()
    for percent in (10, 50):
        rollout.serin("promote", "--reason", "checked by hand")
        status = rollout.wait_for_stage(percent, seconds=30)
    assert shares(pods) == {50.0}
    assert max(announced(rollout)) < status["propagation"]["revision"]

    rollout.serin("abort", "--reason", "wrong data")
    status = rollout.wait_for_phase("RolledBack", seconds=30)
    assert shares(pods) == {0.0}
    assert announced(rollout) == {status["propagation"]["revision"]}
    seconds = RollbackTime.model_validate(status["rollback"]).seconds
    assert seconds is not None
    assert seconds < PATIENCE
    assert traffic.failed == 0


def test_a_deleted_key_is_written_again_and_a_pod_goes_on_with_the_one_that_it_has(rollout, registry, installed):
    rollout.apply(registry.good, canary=canary("1h", 10, 50))
    rollout.wait_for_stage(0, seconds=90)
    key = installed.kubectl("get", "secret", "serin-routing-key", "-n", "serin-system", "-o", "jsonpath={.data}")
    installed.kubectl("delete", "secret", "serin-routing-key", "-n", "serin-system")

    def is_written_again(_status):
        found = installed.kubectl("get", "secret", "-n", "serin-system", "-o", "name")
        return "secret/serin-routing-key" in found

    rollout.wait(is_written_again, seconds=90, what="the Secret")
    again = installed.kubectl("get", "secret", "serin-routing-key", "-n", "serin-system", "-o", "jsonpath={.data}")
    assert again == key
