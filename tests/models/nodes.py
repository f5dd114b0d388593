"""The nodes of the model: a Deployment controller, kubelets, and server pods that load runs and read their routing."""

import copy
import json
from datetime import datetime, timedelta
from typing import Any

from models.api_server import ApiServer
from models.parts import NAME, Pod, ProtocolRules

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Crash
from serin_core.contract import names
from serin_core.contract.documents import DocumentError, ModelDocument, RoutingDocument
from serin_core.rollout.observation import NodeState


class Nodes(ApiServer):
    """Pods and their kubelets."""

    def __init__(self, first: SuggestionModelSpec, *, protocol_rules: ProtocolRules | None = None) -> None:
        self.registry: dict[str, str] = {}
        self.away = ""
        """Why the registry cannot be read, "" if it can: then a run is absent that `registry` does not have."""
        self.asked: dict[str, datetime] = {}
        """When an operator asked each pod for its status, or the pod started: the truth, whatever the pod knows."""
        self.is_full = False
        """No node has capacity: pods that never ran do not start."""
        super().__init__(first, protocol_rules=protocol_rules)

    def roll(self) -> None:
        """The Deployment controller: one more pod of the current template, or one less of a former one."""
        deployment = self.children.get(("Deployment", NAME))
        if deployment is None:
            return
        owner = deployment["metadata"]["ownerReferences"][0]["uid"]
        template = deployment["spec"]["template"]
        wanted = template["metadata"]["annotations"][names.ANNOTATION_TEMPLATE]
        mine = [pod for pod in self.pods.values() if pod.owner == owner and not pod.deleting]
        new = [pod for pod in mine if pod.template_hash == wanted]
        old = [pod for pod in mine if pod.template_hash != wanted]
        replicas = deployment["spec"]["replicas"]
        if len(new) < replicas and len(mine) <= replicas:
            self._new_pod(owner, template)
            return
        if not old and len(new) > replicas:
            self._end([pod for pod in new if not pod.is_ready(self.now)] or new)
            return
        unready = [pod for pod in old if not pod.is_ready(self.now)]
        ready = sum(pod.is_ready(self.now) for pod in mine)
        if old and (unready or ready > replicas):
            self._end(unready or old)

    def _end(self, pods: list[Pod]) -> None:
        pods[0].deleting = True
        pods[0].version = self._bump()

    def _new_pod(self, owner: str, template: dict[str, Any]) -> None:
        self.uids += 1
        name = f"pod-{self.uids}"
        volumes = template["spec"]["volumes"]
        model = next(volume["configMap"]["name"] for volume in volumes if volume["name"] == "model")
        self.pods[name] = Pod(
            name=name,
            uid=f"uid-{self.uids}",
            owner=owner,
            template=copy.deepcopy(template),
            model=model,
            version=self._bump(),
        )

    def finish_deletions(self) -> None:
        """Pods that are being deleted are gone."""
        self.pods = {name: pod for name, pod in self.pods.items() if not pod.deleting or pod.is_lost}

    def lose_node(self, pod: Pod, *, is_dead: bool) -> None:
        """The node of a pod is away: dead, with all its processes, or only cut off from everything, users included."""
        pod.is_lost, pod.node_state = True, NodeState.NOT_READY
        if is_dead and pod.running:
            pod.restarts += 1
            pod.running, pod.document, pod.loaded, pod.refused, pod.absent = False, None, {}, {}, set()

    def return_node(self, pod: Pod) -> None:
        """The node is back. A pod that the API server still has goes on; the kubelet ends one that it does not have."""
        pod.is_lost, pod.node_state = False, NodeState.READY

    def evict_from_lost_node(self, pod: Pod) -> None:
        """Kubernetes deletes the pod of a lost node; no kubelet is there to confirm it."""
        pod.deleting, pod.gone_by = True, self.now + timedelta(seconds=35)
        pod.version = self._bump()

    def refresh(self, pod: Pod) -> None:
        """The kubelet writes the present ConfigMap and annotations into the pod's volumes."""
        if not pod.is_stuck and not pod.is_lost:
            pod.mount = self.routing_text()
            announced = pod.annotations.get(names.ANNOTATION_REVISION)
            pod.annotated = None if announced is None else int(announced)

    def start(self, pod: Pod, *, mount: str | None = None) -> None:
        """The pod's process starts; `mount` is what a late kubelet had put there, if not what is current."""
        if pod.running or pod.deleting or pod.is_lost:
            return
        if pod.mounted_model is None:
            model = self.children.get(("ConfigMap", pod.model))
            text = mount or pod.mount or self.routing_text()
            if model is None or text is None:
                return
            pod.mounted_model = ModelDocument.parse(model["data"][names.MODEL_KEY])
            pod.mount = text
        if self.is_full and pod.restarts == 0:
            return
        pod.running, pod.started_at = True, self.now
        if pod.heard is None:
            pod.heard = self.now
            self.asked.setdefault(pod.uid, self.now)
        pod.started_from = json.loads(pod.mount or '{"revision": -1}')["revision"]
        if pod.pushed is not None:
            self._accept(pod, RoutingDocument.parse(pod.pushed))
        self.read(pod)

    def load(self, pod: Pod) -> None:
        """The process has loaded or refused every run of its template, once; it reads an absent one again each time."""
        if not pod.running or pod.is_lost or pod.mounted_model is None:
            return
        for run in pod.mounted_model.runs:
            found = self.registry.get(run.run)
            if run.run in pod.loaded or run.run in pod.refused:
                continue
            pod.absent.discard(run.run)
            if found is None:
                pod.absent.add(run.run)
            elif run.digest not in (None, found):
                pod.refused[run.run] = f"its digest is {found}"
            else:
                pod.loaded[run.run] = found

    def read(self, pod: Pod) -> None:
        """The process reads the mounted routing."""
        if not pod.running or pod.is_lost or pod.mount is None:
            return
        try:
            document = RoutingDocument.parse(pod.mount)
        except DocumentError:
            return
        self._accept(pod, document)

    def receive(self, pod: Pod, text: str, *, key: str) -> bool:
        """A routing document arrives at a pod over HTTP, signed with a key; return whether the signature is right."""
        if not pod.running or pod.is_lost or not pod.key or (self.protocol_rules.checks_signatures and key != pod.key):
            return False
        document = RoutingDocument.parse(text)
        if self._accept(pod, document) and self.protocol_rules.announces_pushed:
            pod.pushed = text
        return True

    def _accept(self, pod: Pod, document: RoutingDocument) -> bool:
        is_accepted = self.protocol_rules.admit(document, uid=pod.owner, seen=pod.seen, announced=pod.announced) is None
        if is_accepted:
            pod.seen = document.revision
            pod.document = document
        return is_accepted

    def restart(self, pod: Pod, *, badly: bool = False) -> None:
        """The container ends and will be started again; the emptyDir and the mount stay."""
        if not pod.running or pod.is_lost:
            return
        pod.restarts += 1
        if badly:
            pod.crashes.append(Crash(pod=pod.uid, restart=pod.restarts, at=self.now))
        pod.running, pod.document, pod.loaded, pod.refused, pod.absent = False, None, {}, {}, set()
        if not self.protocol_rules.keeps_seen:
            pod.seen, pod.pushed = 0, None
        if not self.protocol_rules.keeps_heard:
            pod.heard = None
