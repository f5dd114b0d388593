"""What the operator sends to pods: the routing that it has decided, signed with the key of each pod."""

import asyncio
import json
from datetime import timedelta

import pytest
from memory_cluster import KEY, NOW, MemoryCluster, reconciler

from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.pod_report import LoadState, PodReport, RunOnPod, RunQuality
from serin_core.contract.pushed_routing import key_id
from serin_core.kubernetes import pod_template
from serin_core.model.signing import is_signed
from serin_core.model.signing_keys import SigningKey
from serin_core.rollout.observation import NoAnswer
from serin_operator.routing_keys import RoutingKeys

ONE, TWO = (SigningKey(bytes([number]) * 32) for number in (1, 2))
RUN = RunOnPod(
    run="run_aaaaaaaa_1",
    state=LoadState.LOADED,
    digest="sha256:" + "a" * 64,
    quality=RunQuality(f1_macro=0.9, f1_min=0.9),
)


class FakePods:
    """Server pods by address, that serve what they are sent. They know one key, "" for none."""

    def __init__(self, key=ONE):
        self.key = "" if key is None else key.public_pem
        self.serving, self.questions, self.is_silent = {}, [], False

    async def fetch_report(self, question):
        self.questions.append(question)
        if self.is_silent:
            return NoAnswer("silent")
        push = question.push
        if push and self.key and is_signed(push.document.encode(), push.signature_bytes, self.key.encode()):
            self.serving[question.address] = RoutingDocument.parse(push.document)
        found = self.serving.get(question.address)
        return PodReport(
            uid="uid-1",
            process="p",
            revision=-1 if found is None else found.revision,
            hash="" if found is None else found.hash(),
            runs=(RUN,),
            routing_key=key_id(self.key),
        )

    @property
    def sent(self):
        return [None if one.push is None else one.push.document for one in self.questions]


class Scene:
    """One resource in shadow, with one ready pod of the rendered template."""

    def __init__(self, *keys, pods=None):
        self.cluster, self.keys, self.pods = MemoryCluster(), RoutingKeys(), pods or FakePods()
        self.keys.replace(keys)
        self.now = NOW
        self.reconciler = reconciler(self.cluster, clock=lambda: self.now, pods=self.pods, keys=self.keys)

    def look(self, times=1):
        for _ in range(times):
            self.cluster.writes.clear()
            self.pods.questions.clear()
            self.now += timedelta(seconds=1)
            asyncio.run(self.reconciler.reconcile(KEY))

    def add_pod(self):
        template = self.deployment["spec"]["template"]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": NOW.isoformat()}
        server = {
            "name": "server",
            "containerID": "c",
            "restartCount": 0,
            "state": {"running": {"startedAt": NOW.isoformat()}},
        }
        self.cluster.put(
            {
                "kind": "Pod",
                "metadata": {
                    "namespace": "default",
                    "name": "pod-1",
                    "uid": "uid-pod-1",
                    "labels": template["metadata"]["labels"],
                    "annotations": dict(template["metadata"]["annotations"]),
                },
                "spec": template["spec"] | {"nodeName": "node-1"},
                "status": {
                    "phase": "Running",
                    "podIP": "10.0.0.7",
                    "conditions": [ready],
                    "containerStatuses": [server],
                },
            }
        )

    @property
    def deployment(self):
        return self.cluster.objects["Deployment", "default", "categories"]

    @property
    def template_key(self):
        return pod_template.routing_key(self.deployment["spec"]["template"]["spec"])

    @property
    def routing(self):
        return self.cluster.objects["ConfigMap", "default", "categories-routing"]["data"][names.ROUTING_KEY]

    @property
    def annotated(self):
        return self.cluster.objects["Pod", "default", "pod-1"]["metadata"]["annotations"].get(names.ANNOTATION_REVISION)

    def edit_routing(self, **changes):
        live = self.cluster.objects["ConfigMap", "default", "categories-routing"]
        text = RoutingDocument.model_validate(json.loads(self.routing) | changes).text()
        self.cluster.put(live | {"data": {names.ROUTING_KEY: text}})


def in_shadow(*keys, pods=None):
    scene = Scene(*keys, pods=pods)
    scene.look(5)
    scene.add_pod()
    scene.look(8)
    return scene


def test_the_template_has_the_public_key_and_a_pod_gets_the_routing_without_any_annotation():
    scene = in_shadow(ONE)
    assert scene.template_key == ONE.public_pem.strip()
    assert json.loads(scene.routing)["candidate"]["run"] == RUN.run
    assert scene.pods.sent == [scene.routing]
    assert scene.annotated is None
    assert scene.pods.serving["10.0.0.7"].text() == scene.routing


def test_a_routing_that_withdraws_a_run_is_announced_in_both_ways_at_once():
    scene = in_shadow(ONE)
    live = scene.cluster.objects[names.KIND, "default", "categories"]
    live["metadata"]["annotations"] = {f"{names.REQUEST_PREFIX}abort": f"{RUN.run} because 2026-01-01T00:00:00Z"}
    scene.look()
    assert json.loads(scene.routing)["candidate"] is None
    order = [write for write in scene.cluster.writes if write[0] in ("apply ConfigMap", "annotate")]
    assert order == [("apply ConfigMap", "categories-routing"), ("annotate", "pod-1")]
    assert scene.annotated == str(json.loads(scene.routing)["revision"])
    scene.look()
    assert scene.pods.serving["10.0.0.7"].candidate is None


def test_an_edit_by_hand_is_never_sent():
    scene = in_shadow(ONE)
    scene.edit_routing(shadow=False)
    edited = scene.routing
    scene.look()
    assert scene.pods.sent == [None]
    scene.look()
    assert scene.pods.sent == [scene.routing]
    assert scene.routing != edited


@pytest.mark.parametrize("pods", [FakePods(key=None), FakePods(key=TWO)], ids=["an older server", "another key"])
def test_a_pod_that_does_not_accept_pushes_is_annotated_and_sent_none_any_more(pods):
    scene = in_shadow(ONE, pods=pods)
    assert scene.annotated == str(json.loads(scene.routing)["revision"])
    assert scene.pods.sent == [None]


def test_a_pod_that_is_silent_is_sent_the_routing_again_and_annotated():
    pods = FakePods()
    pods.is_silent = True
    scene = in_shadow(ONE, pods=pods)
    assert scene.pods.sent == [scene.routing]
    assert scene.annotated is not None


def test_without_a_key_pods_are_annotated_and_the_template_has_none():
    scene = in_shadow()
    assert scene.template_key == ""
    assert scene.pods.sent == [None]
    assert scene.annotated is not None


def test_keys_that_are_exchanged_replace_no_pods_until_the_former_one_is_removed():
    scene = in_shadow(ONE)
    before = scene.deployment["spec"]["template"]
    scene.keys.replace((TWO, ONE))
    scene.look(3)
    assert scene.deployment["spec"]["template"] == before
    assert scene.pods.sent == [scene.routing]
    scene.keys.replace((TWO,))
    scene.look(2)
    assert scene.template_key == TWO.public_pem.strip()


def test_an_operator_that_has_lost_its_keys_leaves_the_template_as_it_is():
    scene = in_shadow(ONE)
    before = scene.deployment["spec"]["template"]
    scene.keys.replace(())
    scene.look(3)
    assert scene.deployment["spec"]["template"] == before
    assert scene.pods.sent == [None]
