"""Whether NetworkPolicies let the operator reach the server pods. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from serin_cli.doctor.results import Outcome, Result, Unread
from serin_cli.doctor.seen import Json, Model
from serin_core.contract.names import LABEL_MODEL, SERVER_PORT

_CHECK: Final = "network policies"
_REMEDY: Final = "kubectl apply --server-side -k manifests/networkpolicy -n {namespace}"


def policy_results(seen: Model) -> Iterator[Result]:
    """Yield whether a policy selects the server pods, and none of them allows traffic from another namespace."""
    if isinstance(seen.policies, Unread):
        yield seen.policies.result(_CHECK)
        return
    labels = _labels(seen)
    selecting = [one for one in seen.policies if _limits_ingress(one) and _selects(one["spec"], labels)]
    if not selecting:
        yield Result(_CHECK, Outcome.OK, "no policy limits the traffic to the server pods")
        return
    names = ", ".join(one["metadata"]["name"] for one in selecting)
    if any(_lets_in(rule) for one in selecting for rule in one["spec"].get("ingress") or []):
        yield Result(_CHECK, Outcome.OK, f"{names} let other namespaces reach port {SERVER_PORT} of the server pods")
        return
    found = f"{names} let no pod of another namespace reach port {SERVER_PORT}: the operator cannot ask the pods"
    yield Result(_CHECK, Outcome.WARNING, found, _REMEDY.format(namespace=seen.live["metadata"]["namespace"]))


def _labels(seen: Model) -> Mapping[str, str]:
    if not isinstance(seen.pods, Unread) and seen.pods:
        labels: Mapping[str, str] = seen.pods[0]["metadata"].get("labels") or {}
        return labels
    return {LABEL_MODEL: seen.name}


def _limits_ingress(policy: Json) -> bool:
    return "Ingress" in (policy["spec"].get("policyTypes") or ["Ingress"])


def _selects(spec: Json, labels: Mapping[str, str]) -> bool:
    selector = spec.get("podSelector") or {}
    equal = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return equal and all(_meets(one, labels) for one in selector.get("matchExpressions") or [])


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "In":
            return labels.get(key) in values
        case _:
            return labels.get(key) not in values


def _lets_in(rule: Json) -> bool:
    """Return whether a rule allows the server's port from somewhere outside of the namespace."""
    ports = rule.get("ports") or []
    covers = not ports or any(_covers(port) for port in ports)
    sources = rule.get("from") or []
    return covers and (not sources or any("namespaceSelector" in one or "ipBlock" in one for one in sources))


def _covers(port: Json) -> bool:
    first = port.get("port")
    if first is None or isinstance(first, str):
        # Without a number it is every port; a name may be that of the server's.
        return True
    return bool(first <= SERVER_PORT <= port.get("endPort", first))
