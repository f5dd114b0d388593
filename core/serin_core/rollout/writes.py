"""The writes of a decision, in order: status first, then the children rendered from it (rule 3).

Of the children the routing is first, with its announcements to pods and the removal of stragglers: a rollback must not
wait for a Deployment that a conflict or a policy refuses.

Every write carries the resourceVersion that was read before; a conflict ends the pass. Writes are values; the operator
performs them one by one, and so do the tests of the protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from serin_core.api.base import Json
from serin_core.api.status import CandidateState, Status
from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.kubernetes import diff, manifests, pod_objects
from serin_core.kubernetes.inputs import RulesText
from serin_core.rollout import lost_pods, scale, stragglers
from serin_core.rollout.observation import PodSeen
from serin_core.rollout.protocol import Context


@dataclass(frozen=True, slots=True)
class PutStatus:
    """Write the whole status."""

    status: Status
    resource_version: str


@dataclass(frozen=True, slots=True)
class CreateChild:
    """Create a child; if it exists by now, that is a conflict."""

    rendered: Json


@dataclass(frozen=True, slots=True)
class ApplyChild:
    """Apply a child over the one that was read. `owners` are other field managers that own what it changes."""

    rendered: Json
    resource_version: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Delete a child that is no longer used."""

    kind: str
    name: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class AnnotatePod:
    """Announce a revision to a pod, so that its kubelet refreshes the routing at once.

    It carries the pod's uid and the revision announced before instead of a resourceVersion: a kubelet writes the pod's
    status all the time, which must not delay an announcement.
    """

    name: str
    uid: str
    announced: str | None
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class RemovePod:
    """Evict a pod that still serves a withdrawn run, or delete it where no eviction is granted, or where it is lost."""

    name: str
    uid: str
    is_forced: bool
    waits_for_kubelet: bool = True
    """Whether the pod stays in the API server until its kubelet has ended it."""


Write = PutStatus | CreateChild | ApplyChild | DeleteChild | AnnotatePod | RemovePod


def plan(context: Context, *, before: Status | None, document: RoutingDocument) -> tuple[Write, ...]:
    """Return all writes that make `context.status` true; () if nothing changed."""
    resource = context.resource
    writes: list[Write] = []
    if context.status != before:
        writes.append(PutStatus(context.status, resource.resource_version))
    writes += _routing(context, document)
    writes += (write for pod in context.observed.pods for write in _announce(context, pod))
    writes += _remove(context)
    if context.observed.image.is_allowed:
        writes += _child(context, manifests.service_account(resource))
    for rendered in (manifests.service(resource), manifests.disruption_budget(resource)):
        writes += _child(context, rendered)
    if context.observed.pod_monitor is not None:
        writes += _child(context, manifests.pod_monitor(resource, context.observed.pod_monitor))
    for rendered in scale.rendered_autoscaler(context):
        writes += _child(context, rendered)
    if (unused := scale.unused_autoscaler(context)) is not None:
        writes.append(DeleteChild(scale.AUTOSCALER, resource.name, unused.resource_version))
    writes += _pods_of(context)
    return tuple(writes)


def _routing(context: Context, document: RoutingDocument) -> Iterator[Write]:
    found = context.observed.routing
    if found is None:
        yield CreateChild(manifests.routing(context.resource, document))
    elif found.is_ours and found.document != document:
        yield ApplyChild(manifests.routing(context.resource, document), found.resource_version, found.editors)


def _child(context: Context, rendered: Json) -> Iterator[Write]:
    found = context.observed.children.get((rendered["kind"], rendered["metadata"]["name"]))
    if found is None:
        yield CreateChild(rendered)
    elif found.is_ours and not diff.holds(found.live, rendered):
        owners = diff.editors(found.live, rendered, manager=names.FIELD_MANAGER)
        yield ApplyChild(rendered, found.resource_version, owners)


def _pods_of(context: Context) -> Iterator[Write]:
    """Yield the writes of the template and its ConfigMap; none without rules, or if a setting is not allowed."""
    resource, status, rules = context.resource, context.status, context.observed.rules
    has_deployment = ("Deployment", resource.name) in context.observed.children
    is_draining = status.candidate is not None and status.candidate.state is CandidateState.DRAINING
    if (
        not isinstance(rules, RulesText)
        or not context.observed.image.is_allowed
        or (is_draining and not has_deployment)
    ):
        return
    model = pod_objects.model(resource, status, rules)
    name = model["metadata"]["name"]
    template = pod_objects.template(resource, status, rules, context.observed.image)
    yield from _child(context, model)
    yield from _child(context, manifests.deployment(resource, template, live=scale.live_deployment(context)))
    is_replaced = all(pod.template == context.template for pod in context.observed.pods)
    for (kind, other), child in context.observed.children.items():
        if kind == "ConfigMap" and other != name and child.is_ours and is_replaced:
            yield DeleteChild(kind, other, child.resource_version)


def _announce(context: Context, pod: PodSeen) -> Iterator[Write]:
    if annotations := stragglers.announcement(context, pod):
        yield AnnotatePod(pod.name, pod.uid, pod.announced, annotations)


def _remove(context: Context) -> Iterator[Write]:
    for pod in lost_pods.to_delete(context):
        yield RemovePod(pod.name, pod.uid, is_forced=True, waits_for_kubelet=False)
    for pod, is_forced in stragglers.removals(context):
        yield RemovePod(pod.name, pod.uid, is_forced=is_forced)
