"""How each pod of a resource is asked for its report, and which routing it is sent with that (rule 18)."""

from collections.abc import Iterable

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.contract import names
from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import key_id
from serin_core.kubernetes.pod_template import routing_key
from serin_core.rollout.observation import NoAnswer, RoutingSeen
from serin_core.rollout.protocol import routing_to_push
from serin_operator.interfaces import PodQuestion
from serin_operator.routing_keys import RoutingKeys


def questions(
    pods: Iterable[Json], resource: Resource, routing: RoutingSeen | None, keys: RoutingKeys
) -> dict[str, PodQuestion]:
    """Return by uid how the pods that have an address are asked."""
    document = routing_to_push(resource, routing)
    text = "" if document is None else document.text()
    return {
        pod["metadata"]["uid"]: _question(pod, resource.uid, text, keys) for pod in pods if pod["status"].get("podIP")
    }


def is_pushed(question: PodQuestion | None, report: PodReport | NoAnswer) -> bool:
    """Return whether a pod accepts routing with the key by which it was sent some."""
    if question is None or question.push is None or not isinstance(report, PodReport):
        return False
    return report.routing_key == question.key_id


def _question(pod: Json, uid: str, text: str, keys: RoutingKeys) -> PodQuestion:
    key = routing_key(pod["spec"])
    return PodQuestion(
        address=pod["status"]["podIP"],
        scheme=_scheme(pod),
        uid=uid,
        push=keys.sign(text, key) if text and key else None,
        key_id=key_id(key),
    )


def _scheme(pod: Json) -> str:
    # During an update that turns TLS on or off, there are pods of both kinds.
    return str((pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_SCHEME, "http"))
