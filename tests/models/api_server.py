"""The API server of the model: one SuggestionModel, its children, and writes that conflict."""

import copy
import json
from typing import Any

from models.parts import NAME, START, Broken, Conflict, Operator, Pod, ProtocolRules
from pydantic import ValidationError

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.rollout.writes import AnnotatePod, ApplyChild, CreateChild, DeleteChild, PutStatus, RemovePod, Write

OWNS_REPLICAS = {
    "manager": names.FIELD_MANAGER,
    "operation": "Apply",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}


class ApiServer:
    """Everything that is stored in the cluster, and what users do to it."""

    def __init__(self, first: SuggestionModelSpec, *, protocol_rules: ProtocolRules | None = None) -> None:
        self.protocol_rules = protocol_rules or ProtocolRules()
        self.now = START
        self.version = 0
        self.uids = 0
        self.is_guarded = False
        """The PodDisruptionBudget grants no eviction."""
        self.pods: dict[str, Pod] = {}
        self.children: dict[tuple[str, str], dict[str, Any]] = {}
        self.hand_made: set[str] = set()
        self.confirmed_rollbacks: set[str] = set()
        self.drained_at: int = 0
        self.create(first)

    def _bump(self) -> int:
        self.version += 1
        return self.version

    def create(self, first: SuggestionModelSpec) -> None:
        """A SuggestionModel of this name, with a new uid and no status."""
        self.uids += 1
        self.uid = f"uid-{self.uids}"
        self.spec, self.status, self.annotations = first, None, {}
        self.generation, self.object_version = 1, self._bump()
        self.confirmed_rollbacks, self.drained_at = set(), 0

    def edit(self, wanted: SuggestionModelSpec) -> None:
        """A user edits the spec."""
        self.spec, self.generation, self.object_version = wanted, self.generation + 1, self._bump()

    def request(self, action: str, value: str) -> None:
        """A user makes a request."""
        self.annotations = self.annotations | {names.REQUEST_PREFIX + action: value}
        self.object_version = self._bump()

    def recreate(self) -> None:
        """A user deletes the object and creates it again; its children are collected later."""
        self.create(self.spec)

    def collect_garbage(self) -> None:
        """Children and pods of a deleted owner are deleted."""
        for key, child in list(self.children.items()):
            owners = child["metadata"]["ownerReferences"]
            if owners and owners[0]["uid"] != self.uid:
                del self.children[key]
        for pod in list(self.pods.values()):
            if pod.owner != self.uid:
                del self.pods[pod.name]

    @property
    def routing_key(self) -> tuple[str, str]:
        return ("ConfigMap", f"{NAME}-routing")

    def routing_text(self) -> str | None:
        child = self.children.get(self.routing_key)
        return None if child is None else child["data"][names.ROUTING_KEY]

    def edit_routing(self, **changes: Any) -> None:
        """A user edits the routing."""
        child = self.children.get(self.routing_key)
        if child is None:
            return
        document = json.loads(child["data"][names.ROUTING_KEY]) | changes
        try:
            text = RoutingDocument.model_validate(document).text()
        except ValidationError:
            text = json.dumps(document, separators=(",", ":"))
        child["data"][names.ROUTING_KEY] = text
        child["metadata"]["resourceVersion"] = str(self._bump())
        self.hand_made.add(text)

    def put_old_routing(self, text: str) -> None:
        """A user applies a routing that was saved long ago."""
        child = self.children[self.routing_key]
        child["data"][names.ROUTING_KEY] = text
        child["metadata"]["resourceVersion"] = str(self._bump())

    def backup(self) -> tuple[Any, ...]:
        """Return everything that is stored, without the pods."""
        return copy.deepcopy((self.spec, self.status, self.annotations, self.children))

    def restore(self, saved: tuple[Any, ...]) -> None:
        """The cluster is restored from a backup; what the pods have seen is not."""
        self.spec, self.status, self.annotations, self.children = copy.deepcopy(saved)
        self.object_version = self._bump()
        for child in self.children.values():
            child["metadata"]["resourceVersion"] = str(self._bump())

    def strip_routing(self, *, owners: tuple[dict[str, Any], ...] = (), **changes: Any) -> None:
        """A user replaces the routing by one without its owner, or with others, and with other contents."""
        self.edit_routing(**changes)
        self.children[self.routing_key]["metadata"]["ownerReferences"] = list(owners)

    def delete_routing(self) -> None:
        """A user deletes the routing ConfigMap."""
        self.children.pop(self.routing_key, None)

    def perform(self, operator: Operator, write: Write) -> None:
        checks = self.protocol_rules.checks_versions
        match write:
            case PutStatus(status=status, resource_version=version):
                if checks and version != str(self.object_version):
                    raise Conflict
                self.commit(operator, status)
            case CreateChild(rendered=rendered):
                key = (rendered["kind"], rendered["metadata"]["name"])
                if key in self.children:
                    raise Conflict
                self._store(key, rendered, operator)
            case ApplyChild(rendered=rendered, resource_version=version):
                key = (rendered["kind"], rendered["metadata"]["name"])
                present = self.children.get(key)
                if present is None or (checks and present["metadata"]["resourceVersion"] != version):
                    raise Conflict
                self._store(key, rendered, operator)
            case DeleteChild(kind=kind, name=name, resource_version=version):
                present = self.children.get((kind, name))
                if present is not None and present["metadata"]["resourceVersion"] == version:
                    del self.children[kind, name]
            case AnnotatePod(name=name, uid=uid, announced=announced, annotations=annotations):
                pod = self.pods.get(name)
                present = pod and pod.annotations.get(names.ANNOTATION_REVISION)
                if pod is None or pod.uid != uid or (checks and present != (announced and str(announced))):
                    raise Conflict
                pod.annotations |= annotations
                pod.version = self._bump()
            case RemovePod(name=name, uid=uid, waits_for_kubelet=False):
                # Gone at once. If its process runs on, no Service leads to it, and its kubelet ends it once it is back.
                if name in self.pods and self.pods[name].uid == uid:
                    del self.pods[name]
            case RemovePod(name=name, uid=uid, is_forced=is_forced):
                pod = self.pods.get(name)
                if pod is not None and pod.uid == uid and (is_forced or not self.is_guarded):
                    pod.deleting = True
                    pod.version = self._bump()

    def scale(self, replicas: int) -> None:
        """An autoscaler, or `kubectl scale`, sets the number of pods; who had set it before loses the field."""
        deployment = self.children.get(("Deployment", NAME))
        if deployment is not None and deployment["spec"]["replicas"] != replicas:
            deployment["spec"]["replicas"] = replicas
            deployment["metadata"] |= {"managedFields": [], "resourceVersion": str(self._bump())}

    def _store(self, key: tuple[str, str], rendered: dict[str, Any], operator: Operator) -> None:
        stored = copy.deepcopy(rendered)
        if key[0] == "Deployment":
            self._store_replicas(stored, self.children.get(key), operator)
        stored["metadata"]["resourceVersion"] = str(self._bump())
        self.children[key] = stored

    def _store_replicas(self, stored: dict[str, Any], before: dict[str, Any] | None, operator: Operator) -> None:
        """Server-side apply: a field that is left out is reset if nobody else owns it."""
        is_set = "replicas" in stored["spec"]
        if not is_set:
            is_lost = before is None or before["metadata"]["managedFields"]
            stored["spec"]["replicas"] = 1 if is_lost else before["spec"]["replicas"]
        stored["metadata"]["managedFields"] = [OWNS_REPLICAS] if is_set else []
        is_left = before is not None and operator.truth["resource"].spec.server.replicas is None
        if is_left and stored["spec"]["replicas"] != before["spec"]["replicas"]:
            raise Broken("(m) an apply changed a number of pods that the spec leaves to others")

    def commit(self, operator: Operator, status: Status) -> None:
        """Store a status that an operator has written."""
        raise NotImplementedError
