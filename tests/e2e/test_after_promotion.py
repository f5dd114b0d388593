"""After the last step: bake, undo, emergency stop, deletion and restore, with server pods, traffic and Prometheus."""

import json
import time

import pytest
from e2e.conftest import canary, synthetic

from serin_demo import data
from serin_demo.commands import CommandError, run

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def merchant_only(registry, tmp_path_factory):
    """A run that is good until the transactions change their format."""
    folder = tmp_path_factory.mktemp("merchant-only")
    data.write(folder / "rows.csv", data.without_descriptions(synthetic(folder).training))
    found = json.loads(
        run(["serin", "train", "-o", "json", "--data", str(folder / "rows.csv"), "--registry", str(registry.path)])
    )
    return found["run_directory"]


def percents(status, run_id):
    """Return the shares of users that a run has had."""
    return [one["percent"] for one in status["history"] if one["runID"] == run_id and one["event"] == "StepAdvanced"]


def promote(rollout, run_id):
    """Promote a run without evidence, and wait until every pod confirms it."""
    rollout.apply(run_id)
    rollout.wait(lambda status: (status.get("candidate") or {}).get("runID") == run_id, what=f"a rollout of {run_id}")
    rollout.serin("promote-full", "--reason", "to have something to undo")
    rollout.wait(
        lambda status: (status.get("stable") or {}).get("runID") == run_id and status["propagation"].get("confirmed"),
        seconds=120,
        what=f"{run_id} stable",
    )


def test_a_run_that_turns_bad_in_its_bake_returns_all_users_to_the_run_before(rollout, registry, merchant_only):
    rollout.send(registry.traffic)
    promote(rollout, registry.good)
    bake = {"duration": "10m", "holdback": 5}
    rollout.apply(merchant_only, bake=bake)
    status = rollout.wait_for_phase("Baking", seconds=120)
    assert (status["stable"]["runID"], status["candidate"]["runID"]) == (registry.good, merchant_only)
    assert percents(status, merchant_only) == [10, 50, 95]
    ready = rollout.condition()
    assert (ready["status"], ready["reason"]) == ("True", "Baking")
    assert rollout.get()["status"]["candidate"]["percent"] == 95
    assert "bake, " in rollout.serin("status")
    # A promote of the last step that is sent twice does not end the bake.
    rollout.kubectl("annotate", "sgm", rollout.name, f"request.serin.dev/promote={merchant_only} 100 twice")
    rollout.wait(lambda status: "is over" in status["handledRequests"][-1]["answer"], what="an answer")

    rollout.traffic.is_garbled.set()
    status = rollout.wait_for_phase("RolledBack", seconds=120)
    assert status["stable"]["runID"] == registry.good
    last = status["history"][-1]
    assert last["event"] == "GateFailed"
    assert last["message"].startswith("Rolled back in the bake, from 95 % to 0 %")
    rollout.wait_for_events("BakeStarted", "GateFailed")
    rollout.traffic.is_garbled.clear()
    rollout.keeps_serving_by_the_model()


def test_a_bake_ends_by_time(rollout, registry):
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=canary("1s", 100), bake={"duration": "5s"})
    rollout.wait_for_phase("Baking", seconds=120)
    status = rollout.wait_for_phase("Promoted", seconds=60)
    assert status["stable"]["runID"] == registry.good
    assert "of bake" in status["history"][-1]["message"]


def test_earlier_runs_are_restored_stopped_runs_serve_again_and_trusted_runs_serve_after_a_restore(
    rollout, registry, merchant_only
):
    rollout.send(registry.traffic)
    for run_id in (registry.good, merchant_only, registry.outdated):
        promote(rollout, run_id)
    assert f"restorable {merchant_only} (loaded), {registry.good}" in rollout.serin("status")

    answer = rollout.serin("undo", "--to", registry.good, "--yes", "--reason", "the others are worse")
    assert "it serves all users without shadow and steps, once every pod has loaded it" in answer
    status = rollout.wait_for_phase("Promoted", seconds=120)
    assert status["stable"]["runID"] == registry.good
    assert [one["event"] for one in status["history"][-3:]] == ["RestoreStarted", "PodsLoading", "RunRestored"]
    assert "the others are worse" in status["history"][-3]["message"]
    assert [one["runID"] for one in status["earlier"]] == [registry.outdated, merchant_only]
    rollout.keeps_serving_by_the_model()

    # An earlier run that the registry no longer has: the stable run goes on.
    with pytest.raises(CommandError, match="cannot be restored"):
        rollout.serin("undo", "--to", registry.poor, "--yes")

    # The emergency stop and its end.
    stop = rollout.resource(registry.good)["spec"]["canary"] | {"percent": 0}
    rollout.apply(registry.good, canary=stop)
    status = rollout.wait_for_phase("Stopped")
    assert status["stable"]["runID"] == registry.outdated
    rollout.apply(registry.good)
    status = rollout.wait_for_phase("Promoted")
    assert status["stable"]["runID"] == registry.good
    assert status["history"][-1]["event"] == "EmergencyStopEnded"

    # Deleted and restored from a backup, without status.
    uid = rollout.get()["metadata"]["uid"]
    assert "deleted" in rollout.serin("delete", "--yes")
    _wait(lambda: "Deleted" in rollout.events())
    _wait(lambda: not rollout.kubectl("get", "pods,cm", "-l", f"serin.dev/uid={uid}", "-o", "name"))
    rollout.apply(registry.outdated, suspend=True)
    rollout.wait(lambda status: status.get("candidate"), what="a status")
    rollout.serin("trust", "--run", registry.good, "--yes", "--reason", "restored from a backup")
    status = rollout.wait(
        lambda status: (status.get("stable") or {}).get("runID") == registry.good, seconds=120, what="the trusted run"
    )
    assert percents(status, registry.good) == []
    # Then the run of the spec is compared with it.
    status = rollout.wait(
        lambda status: (status.get("candidate") or {}).get("runID") == registry.outdated, what="the run of the spec"
    )
    assert status["stable"]["runID"] == registry.good


def _wait(holds, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.3)
