"""What the operator writes for users to read, on a real API server and with the rights of its own role."""

import asyncio
import contextlib
import copy
import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from beside_cluster import wait_for_definitions
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from memory_cluster import NEVER, SPEC, reconciler

from serin_core.api.gate_status import GateStatus
from serin_core.api.record import TransitionRecord, TrialRecord
from serin_core.contract import names
from serin_core.kubernetes.trial_records import render_record
from serin_core.rollout import recording
from serin_core.rollout.announcements import Announcement
from serin_localcluster.cluster import start_cluster
from serin_operator.events import EventRecorder
from serin_operator.interfaces import RefusedError, TooLargeError
from serin_operator.kubernetes_client import KubernetesClient
from serin_operator.metrics import OperatorMetrics
from serin_operator.object_ref import ObjectRef
from serin_operator.reconcile import Key
from serin_operator.records import RecordKeeper
from serin_operator.routing_keys import SECRET, RoutingKeys, RoutingKeySecret

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
KUBECTL = str(Path(sys.executable).parent / "kubectl")
OPERATOR = "system:serviceaccount:serin-system:serin-operator"
PLAIN = {"apiVersion": names.API_VERSION, "kind": names.KIND, "spec": SPEC}


class Installed:
    """A cluster with the CRD and the operator's role, and the operator's reconciler in this process."""

    def __init__(self, kubeconfig):
        self.kubeconfig = str(kubeconfig)

    def kubectl(self, *arguments, document=None):
        command = [KUBECTL, "--kubeconfig", self.kubeconfig, *arguments]
        text = None if document is None else json.dumps(document)
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-n", "default", "-o", "json"))

    def events(self, name):
        found = self.get("events.v1.events.k8s.io")["items"]
        return [one for one in found if (one["regarding"]["kind"], one["regarding"]["name"]) == (names.KIND, name)]

    def create(self, name, **changes):
        found = copy.deepcopy(PLAIN)
        found["metadata"] = {"name": name, "namespace": "default"}
        found["spec"] |= changes
        self.kubectl("apply", "-f", "-", document=found)

    @contextlib.asynccontextmanager
    async def client(self):
        """Yield a client that has the rights of the operator's service account, and no more."""
        settings = Configuration()
        await config.load_kube_config(self.kubeconfig, client_configuration=settings)
        api = ApiClient(settings)
        api.set_default_header("Impersonate-User", OPERATOR)
        client = KubernetesClient(api)
        try:
            yield client
        finally:
            await client.close()

    def reconcile(self, name, *, times=1):
        """Reconcile, and write the records of trials."""

        async def run():
            async with self.client() as client:
                records = RecordKeeper(client, OperatorMetrics(lambda: 0).records, lambda: datetime.now(UTC))
                one = reconciler(client, clock=lambda: datetime.now(UTC), monitoring=NEVER, records=records)
                results = [await one.reconcile(Key("default", name)) for _ in range(times)]
                await records.write_due()
                return results

        return asyncio.run(run())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster") / "local"
    with start_cluster(directory=directory, images={}) as cluster:
        found = Installed(cluster.kubeconfig)
        found.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "suggestionmodels.yaml"))
        wait_for_definitions(found.kubectl, "suggestionmodels.serin.dev")
        found.kubectl("create", "namespace", "serin-system")
        for document in yaml.safe_load_all((ROOT / "manifests" / "base" / "rbac.yaml").read_text(encoding="utf-8")):
            found.kubectl("apply", "-n", "serin-system", "-f", "-", document=document)
        yield found


def test_events_have_microseconds_keep_their_order_and_are_in_describe(installed):
    installed.create("categories")
    installed.reconcile("categories", times=3)
    mine = installed.events("categories")
    assert [one["reason"] for one in mine][:2] == ["RolloutStarted", "PodsLoading"]
    times = [one["eventTime"] for one in mine]
    assert times == sorted(set(times))
    assert all(time[19] == "." and len(time) == len("2026-01-01T00:00:00.000000Z") for time in times)
    assert all("run_aaaaaaaa_1" in one["note"] for one in mine)
    described = installed.kubectl("describe", "sgm", "categories", "-n", "default")
    table = described[described.index("Events:") :]
    assert table.index("RolloutStarted") < table.index("PodsLoading")
    assert "serin-operator" in table


def test_records_are_written_extended_and_deleted_with_the_rights_of_the_operator(installed):
    installed.create("recorded", historyLimit=2)
    for number in range(4):
        installed.create("recorded", historyLimit=2, runID=f"run_bbbbbbbb_{number}")
        installed.reconcile("recorded", times=3)
        installed.reconcile("recorded")
    found = installed.get("configmap", "-l", f"{names.LABEL_TRIAL_OF}=recorded")["items"]
    assert [one["metadata"]["name"] for one in found] == ["recorded-trial-3", "recorded-trial-4"]
    before, last = (recording.read(one["data"][names.RECORD_KEY]) for one in found)
    assert (before.run_id, before.outcome) == ("run_bbbbbbbb_2", "Replaced")
    assert (last.run_id, last.outcome, last.by) == ("run_bbbbbbbb_3", "Running", "kubectl-client-side-apply")
    assert [one.event for one in last.transitions] == ["RolloutStarted", "PodsLoading"]
    assert [one["name"] for one in found[0]["metadata"]["ownerReferences"]] == ["recorded"]


def test_a_record_of_the_greatest_length_is_accepted(installed):
    """An object may have 1.5 MiB in etcd; managedFields and JSON within JSON add to the text of a record."""
    installed.create("long")
    uid = installed.get("sgm", "long")["metadata"]["uid"]
    gate = GateStatus(name="g", reason="Proven", detail='"' * 400)
    many = [TransitionRecord(at=datetime.now(UTC), event="E", message="m" * 500, gates=(gate,) * 24)] * 90
    begun = TrialRecord(trial=1, namespace="default", name="long", uid=uid, started_at=datetime.now(UTC))
    record, text = recording.written(begun.changed(transitions=tuple(many)))
    assert len(text) > 0.7 * recording.MAX_BYTES

    async def write():
        async with installed.client() as client:
            await client.create(render_record(record, text))
            live = await client.get("ConfigMap", "default", "long-trial-1")
            return await client.apply(render_record(record, text + " "), live["metadata"]["resourceVersion"])

    assert asyncio.run(write())["data"][names.RECORD_KEY] == text + " "


def blob(length):
    return f"{random.Random(1).getrandbits(4 * length):0{length}x}"


@pytest.mark.parametrize("megabytes", [1.7, 4], ids=["etcd", "the API server"])
def test_a_status_that_is_too_large_is_told_from_other_refusals(installed, megabytes):
    installed.create("large")

    async def put():
        async with installed.client() as client:
            live = await client.get(names.KIND, "default", "large")
            status = {"operatorState": blob(int(megabytes * 1_000_000))}
            await client.put_status("default", "large", status, live["metadata"]["resourceVersion"])

    with pytest.raises(TooLargeError):
        asyncio.run(put())


def test_an_event_that_is_repeated_is_counted(installed):
    installed.create("repeated")
    problem = Announcement("AccessRefused", "forbidden", is_warning=True)

    async def run():
        async with installed.client() as client:
            recorder = EventRecorder(client)
            ref = ObjectRef.of(await client.get(names.KIND, "default", "repeated"))
            for _ in range(3):
                await recorder.post(ref, [problem], datetime.now(UTC))

    asyncio.run(run())
    (mine,) = installed.events("repeated")
    assert mine["series"]["count"] == 3
    assert "x3 over" in installed.kubectl("describe", "sgm", "repeated", "-n", "default")


def deployment(installed, name):
    return installed.get("deployment", name)


def owners_of_replicas(installed, name):
    entries = installed.get("deployment", name, "--show-managed-fields")["metadata"]["managedFields"]
    return {one["manager"] for one in entries if "f:replicas" in one["fieldsV1"].get("f:spec", {})}


def set_server(installed, name, **changes):
    installed.kubectl(
        "patch", "sgm", name, "-n", "default", "--type=merge", "-p", json.dumps({"spec": {"server": changes}})
    )


def wait_for_replicas(installed, name, kind, path, wanted):
    installed.kubectl("wait", kind, name, "-n", "default", f"--for=jsonpath={path}={wanted}", "--timeout=50s")


def test_a_number_of_pods_that_the_spec_gives_up_is_not_reset_and_belongs_to_whoever_scales(installed):
    server = SPEC["server"] | {"replicas": 3}
    installed.create("scaled", server=server)
    installed.reconcile("scaled", times=4)
    set_server(installed, "scaled", replicas=None, keepAliveSeconds=90)
    installed.reconcile("scaled", times=3)
    set_server(installed, "scaled", keepAliveSeconds=91)
    installed.reconcile("scaled", times=3)
    assert deployment(installed, "scaled")["spec"]["replicas"] == 3
    installed.kubectl("scale", "deployment", "scaled", "-n", "default", "--replicas=5")
    set_server(installed, "scaled", keepAliveSeconds=92)
    installed.reconcile("scaled", times=3)
    found = deployment(installed, "scaled")
    assert found["spec"]["replicas"] == 5
    assert any(
        one["value"] == "92" for one in found["spec"]["template"]["spec"]["containers"][0]["env"] if "value" in one
    )
    assert owners_of_replicas(installed, "scaled") == {"kubectl"}
    assert not [one for one in installed.events("scaled") if one["reason"] == "ChildReverted"]


def test_kubectl_scales_a_resource_and_git_does_not_undo_it(installed):
    installed.create("counted")
    installed.reconcile("counted", times=4)
    assert deployment(installed, "counted")["spec"]["replicas"] == 2
    installed.kubectl("scale", "sgm/counted", "-n", "default", "--replicas=4")
    installed.create("counted", historyLimit=7)  # kubectl apply, without replicas
    installed.reconcile("counted", times=3)
    assert deployment(installed, "counted")["spec"]["replicas"] == 4
    scale = json.loads(
        installed.kubectl(
            "get", "--raw", f"/apis/{names.API_VERSION}/namespaces/default/suggestionmodels/counted/scale"
        )
    )
    uid = installed.get("sgm", "counted")["metadata"]["uid"]
    assert (scale["spec"], scale["status"]["selector"]) == ({"replicas": 4}, f"serin.dev/uid={uid}")


def test_the_autoscaler_of_the_spec_scales_the_pods(installed):
    installed.create("auto", server=SPEC["server"] | {"autoscaling": {"maxReplicas": 5}})
    installed.reconcile("auto", times=5)
    set_server(installed, "auto", autoscaling={"minReplicas": 4})
    installed.reconcile("auto", times=3)
    wait_for_replicas(installed, "auto", "deployment", "{.spec.replicas}", 4)
    set_server(installed, "auto", keepAliveSeconds=92)
    installed.reconcile("auto", times=3)
    assert deployment(installed, "auto")["spec"]["replicas"] == 4
    with pytest.raises(AssertionError, match="set replicas or autoscaling, not both"):
        installed.kubectl("scale", "sgm/auto", "-n", "default", "--replicas=4")
    set_server(installed, "auto", autoscaling=None)
    installed.reconcile("auto", times=3)
    assert installed.get("hpa")["items"] == []
    assert deployment(installed, "auto")["spec"]["replicas"] == 4


def test_an_autoscaler_may_name_the_resource_itself(installed):
    installed.create("named")
    installed.reconcile("named", times=4)
    installed.kubectl("scale", "sgm/named", "-n", "default", "--replicas=2")
    target = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "named"}
    usage = {"type": "Utilization", "averageUtilization": 60}
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "mine", "namespace": "default"},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": 3,
            "maxReplicas": 9,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
        },
    }
    installed.kubectl("apply", "-f", "-", document=hpa)
    wait_for_replicas(installed, "named", "sgm", "{.spec.server.replicas}", 3)
    installed.reconcile("named", times=3)
    assert deployment(installed, "named")["spec"]["replicas"] == 3
    installed.kubectl("delete", "hpa", "mine", "-n", "default")


def test_the_operator_creates_its_key_with_the_rights_that_it_has_and_reads_no_other_secret(installed):
    async def keys_of_two_operators():
        async with installed.client() as client:
            found = []
            for _ in range(2):
                keys = RoutingKeys()
                await RoutingKeySecret(client, keys, namespace="serin-system").refresh()
                found.append(keys.public)
            for namespace, name in (("serin-system", "another"), ("default", SECRET)):
                with pytest.raises(RefusedError):
                    await client.get("Secret", namespace, name)
            return found

    one, two = asyncio.run(keys_of_two_operators())
    assert one == two != ()
    stored = json.loads(installed.kubectl("get", "secret", SECRET, "-n", "serin-system", "-o", "json"))
    assert list(stored["data"]) == ["signing.key"]
