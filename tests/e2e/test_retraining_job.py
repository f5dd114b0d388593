"""The CronJob of manifests/retrain on real parts: feedback in Postgres, runs in S3, trial and promotion of its run."""

import asyncio
import json

import aiohttp
import pytest
import yaml
from e2e.conftest import TOKEN
from registry.s3 import KEYS, boto, s3
from training.conftest import postgres

from serin_demo.installation import ROOT

__all__ = ["postgres", "s3"]

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

LABELS = 1100
"""More than the 1000 new labels that are a reason to train."""
BATCH = 50


def upload(s3, registry, folder):
    """Copy a run into the bucket, as a team does that moves its registry there."""
    boto(
        s3,
        f"""
from pathlib import Path
root = Path({str(registry.path)!r})
for path in (root / "ledger_suggestions" / {registry.good!r}).iterdir():
    key = "{folder}/" + path.relative_to(root).as_posix()
    client("s3").put_object(Bucket="bucket", Key=key, Body=path.read_bytes())
""",
    )


async def give_labels(address, rows):
    """Store transactions in a server, ask for suggestions, and say which category is right."""
    fields = ("txn_id", "user_id", "timestamp", "merchant", "description", "channel")
    async with aiohttp.ClientSession(f"http://{address}", headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            sent = [{name: row[name] for name in fields} | {"amount": float(row["amount"])} for row in part]
            async with session.post("/transactions", json={"transactions": sent}) as response:
                assert response.status == 200, await response.text()
            async with session.post("/agent/suggestions", json={"transactions": sent}) as response:
                items = (await response.json())["items"]
            await asyncio.gather(*(give_label(session, row, item) for row, item in zip(part, items, strict=True)))


async def give_label(session, row, item):
    async with session.post(
        f"/agent/suggestions/{item['event_id']}/feedback", json={"label": row["category"]}
    ) as response:
        assert response.status == 200, await response.text()


def cron_job(rollout, registry_uri, secret, more_data):
    """Return the objects of manifests/retrain, with a registry in S3 and more data instead of the volume."""
    folder = ROOT / "manifests" / "retrain"
    objects = [one for name in ("rbac.yaml", "cronjob.yaml") for one in yaml.safe_load_all((folder / name).read_text())]
    for one in objects:
        one["metadata"]["namespace"] = rollout.namespace
    objects[2]["subjects"][0]["namespace"] = rollout.namespace
    pod = objects[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    arguments = container["args"]
    arguments[arguments.index("/registry")] = registry_uri
    arguments += ["--run", rollout.get()["spec"]["runID"], "--data", str(more_data)]
    container["env"] += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "models", "key": name}}} for name in secret
    ]
    # The local node replaces mount paths in arguments, and the socket of this Postgres is below /tmp.
    del container["volumeMounts"], pod["volumes"]
    return objects


def test_the_job_trains_on_feedback_in_postgres_and_its_run_in_s3_is_tried_and_promoted(
    rollout, registry, local, s3, postgres
):
    assert local.is_local
    uri, secret = f"s3://bucket/{rollout.namespace}", KEYS | {"AWS_ENDPOINT": s3, "AWS_ALLOW_HTTP": "true"}
    upload(s3, registry, rollout.namespace)
    for name, content in (("models", secret), ("serin-store", {"url": postgres})):
        metadata = {"name": name, "namespace": rollout.namespace}
        rollout.installed.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": content})
    server = rollout.resource(registry.good)["spec"]["server"] | {"store": {"postgres": {"secretName": "serin-store"}}}
    changes = {"registry": {"uri": uri, "secretName": "models"}, "server": server}
    rollout.send(registry.traffic)
    rollout.apply(registry.good, **changes)
    rollout.wait_for_phase("Promoted", seconds=180)
    asyncio.run(give_labels(rollout.addresses()[0], registry.traffic[:LABELS]))

    rollout.installed.apply(*cron_job(rollout, uri, secret, registry.path.parent / "good.csv"))
    rollout.kubectl("create", "job", "retrain-now", "--from=cronjob/serin-retrain")

    def has_ended(_status):
        job = json.loads(rollout.kubectl("get", "job", "retrain-now", "-o", "json"))["status"]
        return job.get("succeeded") or job.get("failed")

    rollout.wait(has_ended, seconds=300, what="the end of the Job")
    log = rollout.kubectl("logs", "-l", "job-name=retrain-now", "--tail=-1")
    assert "more than 1000" in log, log
    proposed = rollout.get()["spec"]["runID"]
    assert proposed != registry.good, log
    rollout.wait(
        lambda status: (status.get("stable") or {}).get("runID") == proposed, seconds=180, what=f"{proposed} promoted"
    )
    entries = [entry["event"] for entry in rollout.status["history"] if entry["runID"] == proposed]
    assert entries.count("StepAdvanced") == 3, "it was tried like any other run"
    assert rollout.traffic.failed == 0
