"""Gather: read what a decision needs, before the first write. Decides nothing.

Counts are read beside it (readings.py): no decision waits for them.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Self

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.contract import names
from serin_core.contract.documents import DocumentError, NewerDocumentError, RoutingDocument, hash_of
from serin_core.kubernetes import manifests, pod_objects
from serin_core.kubernetes.diff import other_owners
from serin_core.kubernetes.inputs import RulesMissing, RulesText, ServerImage
from serin_core.kubernetes.pod_template import chosen_routing_key
from serin_core.rollout.holds import Freeze
from serin_core.rollout.observation import (
    ChildSeen,
    NoAnswer,
    Observed,
    PodSeen,
    RoutingSeen,
    is_adoptable,
    is_owned_by,
)
from serin_core.rollout.scale import AUTOSCALER
from serin_operator.autoscalers import observe_autoscaler
from serin_operator.interfaces import Kubernetes, NotFoundError
from serin_operator.invalid import InvalidObjectError
from serin_operator.nodes import DELETED, NodeSeen
from serin_operator.object_ref import Key
from serin_operator.parsing import Parser
from serin_operator.pod_monitors import PodMonitors
from serin_operator.pod_questions import is_pushed, questions
from serin_operator.pod_reports import PodReports
from serin_operator.pod_state import needs_node, observed_pod, replica_failure, waits_without_reason
from serin_operator.routing_keys import RoutingKeys
from serin_operator.server_container import needs_events
from serin_operator.settings import Monitoring, ServerDefaults

_MAX_WAITING = 3
"""Waiting pods that Events are read of in one pass: pods of one Deployment wait for the same thing."""
_MAX_ENDED = 10
"""Pods whose container has ended, that Events are read of in one pass."""
_MAX_NODES = 20
"""Nodes that are read in one pass."""
_LONG_RULES = 32_768
"""Characters of rules that are parsed in a thread."""
_WITHOUT_ADDRESS = NoAnswer("it has no address yet")


class Gatherer:
    """Reads the cluster and the pods for one resource at a time."""

    def __init__(  # noqa: PLR0913 - its parts, by name
        self,
        *,
        cluster: Kubernetes,
        reports: PodReports[Key],
        server: ServerDefaults,
        monitoring: Monitoring,
        keys: RoutingKeys,
        freezes: Iterable[Freeze] = (),
        parser: Parser | None = None,
    ) -> None:
        self._cluster, self._reports, self._server, self._monitoring = cluster, reports, server, monitoring
        self._keys = keys
        self._pod_monitors = PodMonitors(cluster, monitoring)
        self._freezes = tuple(freezes)
        self._parser = parser or Parser()

    def reading(self, cluster: Kubernetes) -> Self:
        """Return the same with reads from another cluster, or from what is known of it."""
        return type(self)(
            cluster=cluster,
            reports=self._reports,
            server=self._server,
            monitoring=self._monitoring,
            keys=self._keys,
            freezes=self._freezes,
            parser=self._parser,
        )

    def parse(self, live: Json) -> Resource:
        """Parse a SuggestionModel. Raises InvalidObjectError where spec or status do not fit the models."""
        return self._parser.resource(live)

    async def gather(self, resource: Resource, now: datetime) -> Observed:
        """Read everything but the resource itself and Prometheus. Raises ClusterError and InvalidObjectError."""
        # Children first: reports of pods must not be older than the routing that they are compared with.
        seen, routing, rules, monitor, autoscaler = await asyncio.gather(
            self._children(resource),
            self._routing(resource),
            self._rules(resource),
            self._pod_monitors.observe(resource),
            observe_autoscaler(self._cluster, resource),
        )
        seen |= await self._model(resource, seen, rules)
        for kind, child in (("PodMonitor", monitor.child), (AUTOSCALER, autoscaler.child)):
            if child is not None:
                seen[kind, resource.name] = child
        pods = await self._observed_pods(resource, routing, now)
        deployment = seen.get(("Deployment", resource.name))
        return Observed(
            image=self._image(resource, deployment),
            rules=rules,
            routing=routing,
            children=seen,
            pods=pods,
            problem="" if deployment is None else replica_failure(deployment.live),
            refusals=(*monitor.refusals, *autoscaler.refusals),
            pod_monitor=monitor.wanted,
            freezes=self._freezes,
        )

    def _image(self, resource: Resource, deployment: ChildSeen | None) -> ServerImage:
        server = resource.spec.server
        chosen = self._server.choose(server.image, annotations=server.pod.service_account_annotations or {})
        key = chosen_routing_key(self._keys.public, None if deployment is None else deployment.live)
        return replace(chosen, routing_key=key)

    async def _children(self, resource: Resource) -> dict[tuple[str, str], ChildSeen]:
        async def one(kind: str, name: str) -> list[Json]:
            try:
                return [await self._cluster.get(kind, resource.namespace, name)]
            except NotFoundError:
                return []

        models = self._cluster.list("ConfigMap", resource.namespace, manifests.selector(resource))
        found = await asyncio.gather(models, *(one(*child) for child in manifests.child_names(resource).items()))
        return {
            (live["kind"], live["metadata"]["name"]): ChildSeen(live=live, is_ours=is_owned_by(live, resource.uid))
            for group in found
            for live in group
            if live["metadata"]["name"] != manifests.routing_name(resource)
        }

    async def _model(
        self, resource: Resource, seen: Mapping[tuple[str, str], ChildSeen], rules: RulesText | RulesMissing
    ) -> dict[tuple[str, str], ChildSeen]:
        """Read the model ConfigMap by its name if no label finds it: it may belong to somebody else."""
        if resource.status is None or isinstance(rules, RulesMissing):
            return {}
        name = pod_objects.model(resource, resource.status, rules)["metadata"]["name"]
        if ("ConfigMap", name) in seen:
            return {}
        try:
            live = await self._cluster.get("ConfigMap", resource.namespace, name)
        except NotFoundError:
            return {}
        return {("ConfigMap", name): ChildSeen(live=live, is_ours=is_owned_by(live, resource.uid))}

    async def _routing(self, resource: Resource) -> RoutingSeen | None:
        try:
            live = await self._cluster.get("ConfigMap", resource.namespace, manifests.routing_name(resource))
        except NotFoundError:
            return None
        text = (live.get("data") or {}).get(names.ROUTING_KEY, "")
        try:
            document: RoutingDocument | None = self._parser.routing(_key(resource), text)
        except NewerDocumentError as error:
            decided = "" if resource.status is None else resource.status.propagation.hash
            if hash_of(text) == decided:
                # What status has decided, so that no hand wrote it. Any other one is a foreign edit, and is reverted.
                raise InvalidObjectError("InvalidStatus", f"{error}. The pods go on serving what they serve.") from None
            document = None
        except DocumentError:
            document = None
        return RoutingSeen(
            resource_version=live["metadata"]["resourceVersion"],
            document=document,
            is_ours=is_owned_by(live, resource.uid) or is_adoptable(live, resource.uid, document),
            has_owner=bool(live["metadata"].get("ownerReferences")),
            editors=other_owners(live, manager=names.FIELD_MANAGER),
        )

    async def _rules(self, resource: Resource) -> RulesText | RulesMissing:
        source = resource.spec.server.rules
        if source is None:
            return RulesText("")
        place = f"ConfigMap {source.config_map_name}"
        try:
            live = await self._cluster.get("ConfigMap", resource.namespace, source.config_map_name)
        except NotFoundError:
            return RulesMissing(f"{place} with the rules does not exist")
        text = (live.get("data") or {}).get(names.RULES_KEY)
        if text is None:
            return RulesMissing(f"{place} has no key {names.RULES_KEY}")
        where = f"{place}, {names.RULES_KEY}"
        if len(text) <= _LONG_RULES:
            return self._parser.rules(_key(resource), text, where)
        # Whoever edits the ConfigMap must not stop everything else: a megabyte of brackets takes long to parse.
        return await asyncio.to_thread(self._parser.rules, _key(resource), text, where)

    async def _observed_pods(
        self, resource: Resource, routing: RoutingSeen | None, now: datetime
    ) -> tuple[PodSeen, ...]:
        live = await self._cluster.list("Pod", resource.namespace, manifests.selector(resource))
        alive = [pod for pod in live if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        asked = questions(alive, resource, routing, self._keys)
        reports, events, nodes = await asyncio.gather(
            self._reports.read(_key(resource), asked),
            self._events(resource.namespace, alive, now),
            self._nodes(alive, now),
        )

        def observed(pod: Json) -> PodSeen:
            uid, node = pod["metadata"]["uid"], nodes.get(pod["spec"].get("nodeName", ""))
            report = reports.get(uid, _WITHOUT_ADDRESS)
            found = observed_pod(pod, report, now, events.get(uid, ()), node)
            return replace(found, is_pushed=is_pushed(asked.get(uid), report))

        return tuple(map(observed, alive))

    def forget(self, key: Key) -> None:
        """Drop everything of a resource that is gone."""
        self._reports.forget(key)
        self._parser.forget(key)

    async def _events(self, namespace: str, pods: Sequence[Json], now: datetime) -> Mapping[str, Sequence[Json]]:
        """Return by uid the Events about pods that wait, or whose server ended, for a reason that only Events have."""
        waiting = [pod["metadata"]["uid"] for pod in pods if waits_without_reason(pod)][:_MAX_WAITING]
        ended = [pod["metadata"]["uid"] for pod in pods if needs_events(pod, now)][:_MAX_ENDED]
        uids = tuple(dict.fromkeys((*waiting, *ended)))
        found = await asyncio.gather(*(self._cluster.list_events(namespace, uid) for uid in uids))
        return dict(zip(uids, found, strict=True))

    async def _nodes(self, pods: Sequence[Json], now: datetime) -> Mapping[str, NodeSeen]:
        """Return by name the nodes of pods that have a problem, as far as the operator may read nodes."""
        wanted = sorted({name for pod in pods if needs_node(pod, now) and (name := pod["spec"].get("nodeName"))})
        found = await asyncio.gather(*map(self._node, wanted[:_MAX_NODES]))
        return {name: node for name, node in zip(wanted, found, strict=False) if node is not None}

    async def _node(self, name: str) -> NodeSeen | None:
        try:
            live = await self._cluster.get_node(name)
        except NotFoundError:
            return DELETED
        return None if live is None else NodeSeen.of(live)


def _key(resource: Resource) -> Key:
    return Key(resource.namespace, resource.name)
