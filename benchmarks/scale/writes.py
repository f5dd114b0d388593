"""CPU time that the API server needs for one write of a status, by how and what is written.

    python benchmarks/scale/writes.py

It starts an API server, and writes the status of one SuggestionModel with five gates again and again, with other counts
each time.
"""

import asyncio
import json
import tempfile
from pathlib import Path

import yaml
from passes import KEY, Bench
from readings import children, cpu_seconds
from resources import PLACE, run_id, suggestion_model, surroundings

from serin_core.api.packing import STATE, expanded, packed
from serin_core.contract import names
from serin_demo.installation import ROOT, Installation
from serin_localcluster.cluster import running_state, start_cluster
from serin_localcluster.node.api import Api
from serin_operator.kubernetes_client import APPLY, MERGE_PATCH

WRITES, WARM = 200, 20
SETTLE_SECONDS = 8
CEL = "x-kubernetes-validations"
_MODELS = "/apis/{}/{}/namespaces/{}/{}".format(*PLACE)
_MODEL = f"{_MODELS}/{KEY.name}"
_CONFIG_MAPS = f"/api/v1/namespaces/{KEY.namespace}/configmaps"
_AS_OPERATOR = f"?fieldManager={names.FIELD_MANAGER}"


def without_rules(schema):
    """Return a schema without its CEL rules."""
    match schema:
        case dict():
            return {key: without_rules(value) for key, value in schema.items() if key != CEL}
        case list():
            return [without_rules(value) for value in schema]
        case _:
            return schema


def with_counts(status, number):
    """Return the status after some more counts."""
    state = expanded(status)
    state["gates"] = [gate | {"total": gate["total"] + number} for gate in state["gates"]]
    return status | {"gates": [f"{one[:-1]}{number % 10}" for one in status["gates"]], STATE: packed(state)}


class Writer:
    """Writes to one API server. Each way to write takes a status and the version that it is written over."""

    def __init__(self, api, server):
        self.api, self.server = api, server
        self.live = {}

    async def apply(self, status, version):
        """Write as the operator does."""
        metadata = {"name": KEY.name, "namespace": KEY.namespace, "resourceVersion": version}
        body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "status": status}
        path = f"{_MODEL}/status{_AS_OPERATOR}&force=true"
        return await self.api.request("PATCH", path, body, content_type=APPLY)

    async def apply_state(self, status, version):
        """Write only what the operator reads back, and the conditions."""
        shown = {key: status[key] for key in ("phase", "observedGeneration", "conditions", STATE) if key in status}
        return await self.apply(shown, version)

    async def put(self, status, version):
        """Replace the object."""
        kept = {key: value for key, value in self.live["metadata"].items() if key != "managedFields"}
        body = self.live | {"metadata": kept | {"resourceVersion": version}, "status": status}
        return await self.api.request("PUT", f"{_MODEL}/status{_AS_OPERATOR}", body)

    async def merge(self, status, version):
        """Write a merge patch."""
        body = {"metadata": {"resourceVersion": version}, "status": status}
        return await self.api.request("PATCH", f"{_MODEL}/status{_AS_OPERATOR}", body, content_type=MERGE_PATCH)

    async def get(self, _status, _version):
        """Only read."""
        return await self.api.request("GET", _MODEL)

    async def put_config_map(self, status, _version):
        """Write a ConfigMap of the same length."""
        metadata = {"name": "same", "namespace": KEY.namespace}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"status": json.dumps(status)}}
        return await self.api.request("PUT", f"{_CONFIG_MAPS}/same{_AS_OPERATOR}", body)

    async def measure(self, what, write, status):
        """Print the CPU time of one of many writes."""
        self.live = await self.api.get(_MODEL)
        version = self.live["metadata"]["resourceVersion"]
        began = 0.0
        for number in range(WARM + WRITES):
            if number == WARM:
                began = cpu_seconds(self.server)
            live = await write(with_counts(status, number), version)
            version = live["metadata"]["resourceVersion"]
        print(f"| {what} | {1000 * (cpu_seconds(self.server) - began) / WRITES:.1f} ms |", flush=True)

    async def watch(self):
        """Watch as an operator does, until cancelled."""
        async for _ in self.api.watch(_MODELS):
            pass


async def run(cluster, directory):
    """Measure every way to write."""
    made = Bench()
    await made.begin()
    status = made.world.objects[names.KIND, KEY.name]["status"]
    installation = Installation(kubeconfig=cluster.kubeconfig, directory=directory)
    definition = yaml.safe_load((ROOT / "crds" / "suggestionmodels.yaml").read_text())
    installation.apply(definition, *surroundings())
    await asyncio.sleep(SETTLE_SECONDS)
    api = Api(cluster.kubeconfig)
    writer = Writer(api, children(running_state(cluster.directory)["pid"])["kube-apiserver"])
    await api.request("POST", _MODELS, suggestion_model(KEY.name, run_id=run_id(1)))
    await api.request("POST", _CONFIG_MAPS, {"metadata": {"name": "same"}, "data": {}})
    print(f"status of {len(json.dumps(status))} bytes, {WRITES} writes each\n\n| write | API server |\n|---|---|")
    await writer.measure("server-side apply, as the operator does", writer.apply, status)
    await writer.measure("the same of the state and the conditions alone", writer.apply_state, status)
    await writer.measure("PUT", writer.put, status)
    await writer.measure("merge patch", writer.merge, status)
    await writer.measure("none: GET", writer.get, status)
    await writer.measure("PUT of a ConfigMap of the same size", writer.put_config_map, status)
    watches = [asyncio.create_task(writer.watch()) for _ in range(2)]
    await writer.measure("server-side apply, two operators watch", writer.apply, status)
    for one in watches:
        one.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    installation.apply(without_rules(definition))
    await asyncio.sleep(SETTLE_SECONDS)
    await writer.measure("server-side apply, the CRD without its CEL rules", writer.apply, status)
    await api.close()


def main():
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="serin-writes-") as folder:
        directory = Path(folder)
        with start_cluster(directory=directory / "cluster", images={}) as cluster:
            asyncio.run(run(cluster, directory))


if __name__ == "__main__":
    main()
