"""A cluster whose etcd is restored from an older backup: pods have seen more than the status knows of."""

import asyncio
import shutil
import signal
from datetime import UTC, datetime
from random import Random

import aiohttp
import pytest

from faults import operators, stand_ins, world
from faults.history import History
from faults.people import PATH, model
from serin_core.api.packing import expanded
from serin_core.contract import names
from serin_localcluster.node.api import ApiError

pytestmark = pytest.mark.cluster

RUN = stand_ins.run_id(stand_ins.SOUND, 1)
PLACE = f"{PATH}/model-0"


async def status_of(here):
    return expanded((await here.api.get(PLACE)).get("status", {}))


async def wait_until_served(here, percent, *, revision_above=-1):
    """Wait until every pod has confirmed this share, and serves it, and return the status."""
    async with asyncio.timeout(120):
        while True:
            try:
                status = await status_of(here)
            except (ApiError, aiohttp.ClientError):
                status = {}
            propagation = status.get("propagation") or {}
            revision = propagation.get("revision", -1)
            serving = [pod.process.service.switch.current for pod in here.fleet.serving()]
            if (
                propagation.get("confirmed")
                and revision > revision_above
                and (status.get("candidate") or {}).get("percent") == percent
                and [(one.percent, one.revision) for one in serving] == [(percent, revision)] * 2
            ):
                return status
            await asyncio.sleep(0.3)


async def promote(here, percent):
    when = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    value = f"{RUN} {percent} {when} by=a-user"
    await here.api.merge(PLACE, {"metadata": {"annotations": {f"{names.REQUEST_PREFIX}promote": value}}})


async def end_control_plane(here):
    """End etcd and what uses it, and return its directory."""
    await here.control_plane.stop()
    return here.control_plane.directory / "etcd"


def test_pods_that_were_further_follow_the_restored_status(tmp_path):
    async def play():
        async with world.running(
            tmp_path,
            history=History(tmp_path / "history.jsonl"),
            random=Random(1),
            replicas=1,
            rate=20,
            elects=False,
            entry=operators.ENTRY,
        ) as here:
            wanted = model("model-0", RUN, pods=2, bake="0s", is_approved=False, has_query=False)
            wanted["spec"]["canary"]["steps"] = [{"percent": percent, "soak": "1h"} for percent in (25, 60, 100)]
            await here.api.request("POST", PATH, wanted)
            saved = await wait_until_served(here, 25)
            data = await end_control_plane(here)
            shutil.copytree(data, tmp_path / "backup")
            await here.control_plane.start()
            await promote(here, 25)
            later = await wait_until_served(here, 60)
            assert later["propagation"]["revision"] > saved["propagation"]["revision"]
            data = await end_control_plane(here)
            shutil.rmtree(data)
            shutil.copytree(tmp_path / "backup", data)
            await here.control_plane.start()
            # Watches of the time before know versions that are in the future now: controllers are started again
            # after a restore (docs/backup.md).
            here.operators[0].send(signal.SIGTERM)
            restored = await wait_until_served(here, 25, revision_above=later["propagation"]["revision"])
            return restored["history"][-2:]

    reverted, started = asyncio.run(play())
    assert (reverted["event"], started["event"]) == ("RoutingReverted", "StageStarted")
    assert "as after a restore of the cluster from an older backup" in reverted["message"]
