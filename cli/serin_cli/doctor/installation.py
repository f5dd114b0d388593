"""Checks of the installation. Pure."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client.samples import Sample

from serin_cli.doctor.results import Outcome, Result, Unread
from serin_cli.doctor.seen import Installation, Json
from serin_core.contract import names

_OVERDUE: Final = timedelta(minutes=2)
"""Age of a Lease after which nobody holds it, whatever its own duration."""
_UNCHECKED: Final = timedelta(minutes=15)
"""Age of the last check of a SuggestionModel that is too old: without a rollout it is checked every ten minutes."""
_HARMLESS: Final = ("Conflict", "Busy")


def installation_results(seen: Installation) -> list[Result]:
    """Return the result of every check of the installation."""
    return [result for check in _CHECKS for result in check(seen)]


def _definition(seen: Installation) -> Iterator[Result]:
    check, definition = "resource definition", seen.definition
    if isinstance(definition, Unread):
        yield definition.result(check)
        return
    versions = (definition or {}).get("spec", {}).get("versions", [])
    if any(one["name"] == names.VERSION and one.get("served") for one in versions):
        yield Result(check, Outcome.OK, f"{names.PLURAL}.{names.GROUP} is served in version {names.VERSION}")
        return
    found = f"{names.PLURAL}.{names.GROUP} is not served in version {names.VERSION}"
    yield Result(check, Outcome.PROBLEM, found, "kubectl apply --server-side -k crds")


def _operator(seen: Installation) -> Iterator[Result]:
    check, place = "operator", f"in namespace {seen.namespace}"
    if isinstance(seen.deployments, Unread):
        yield seen.deployments.result(check)
        return
    if not seen.deployments:
        remedy = "install it, or name its namespace with --operator-namespace"
        yield Result(check, Outcome.PROBLEM, f"there is no operator {place}", remedy)
    for one in seen.deployments:
        name, wanted = one["metadata"]["name"], one["spec"].get("replicas", 1)
        ready = one.get("status", {}).get("readyReplicas", 0)
        found = f"{ready} of {wanted} pods of Deployment {name} {place} are ready"
        remedy = f"kubectl -n {seen.namespace} describe pods -l app.kubernetes.io/name=serin-operator"
        outcome = Outcome.PROBLEM if not ready else Outcome.WARNING if ready < wanted else Outcome.OK
        yield Result(check, outcome, found, "" if outcome is Outcome.OK else remedy)


def _versions(seen: Installation) -> Iterator[Result]:
    if isinstance(seen.deployments, Unread):
        yield seen.deployments.result("versions")
        return
    for one in seen.deployments:
        images = [container["image"] for container in one["spec"]["template"]["spec"]["containers"]]
        tags = [tag for tag in map(tag_of, images) if tag]
        if not tags:
            found = f"this program is {seen.version}; the image of the operator has no version: {', '.join(images)}"
            yield Result("versions", Outcome.UNKNOWN, found)
        elif seen.version in tags:
            yield Result("versions", Outcome.OK, f"this program and the operator are {seen.version}")
        else:
            found = f"this program is {seen.version}, the operator {', '.join(tags)}"
            yield Result("versions", Outcome.WARNING, found, "install the same version of both")


def tag_of(image: str) -> str:
    """Return the tag of an image without a leading v; "" for none and for `latest`."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return "" if tag == "latest" else tag.removeprefix("v")


def _leader(seen: Installation) -> Iterator[Result]:
    check = "leader"
    if isinstance(seen.leases, Unread):
        yield seen.leases.result(check)
        return
    if not seen.leases:
        found = f"there is no Lease of an operator in namespace {seen.namespace}"
        yield Result(
            check, Outcome.WARNING, found, "fine with leader election off; otherwise look at the operator's log"
        )
    for lease in seen.leases:
        yield _of_lease(check, lease, seen)


def _of_lease(check: str, lease: Json, seen: Installation) -> Result:
    name, spec = lease["metadata"]["name"], lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        found = f"nobody holds the Lease {name}: no operator works"
        return Result(check, Outcome.PROBLEM, found, f"kubectl -n {seen.namespace} logs deployment/serin-operator")
    age = seen.now - datetime.fromisoformat(renewed)
    if age > max(_OVERDUE, timedelta(seconds=spec.get("leaseDurationSeconds") or 0)):
        found = f"{holder} has not renewed the Lease {name} since {renewed[:19]}Z: no operator works"
        return Result(
            check, Outcome.PROBLEM, found, f"kubectl -n {seen.namespace} get pods; look at the operator's log"
        )
    return Result(check, Outcome.OK, f"{holder} holds the Lease {name}")


def _readiness(seen: Installation) -> Iterator[Result]:
    for pod, found in seen.readiness.items():
        answer = found.answer
        if isinstance(answer, str):
            yield Result("readiness", Outcome.OK, f"{pod}: {' '.join(answer.split())} at /readyz")
        elif found.is_ready:
            yield answer.result("readiness")
        else:
            remedy = f"kubectl -n {seen.namespace} logs {pod}; docs/operator.md, What it needs"
            yield Result("readiness", Outcome.PROBLEM, f"{pod} is not ready: {answer.why}", remedy)


def _operator_metrics(seen: Installation) -> Iterator[Result]:
    check = "operator metrics"
    for pod, found in seen.metrics.items():
        if isinstance(found, Unread):
            yield found.result(check)
            continue
        errors: dict[str, float] = {}
        for one in found:
            cause = one.labels.get("cause", "")
            if one.name == "serin_suggestionmodel_errors_total" and one.value and cause not in _HARMLESS:
                errors[cause] = errors.get(cause, 0) + one.value
        outcomes = {
            one.labels.get("outcome", ""): one.value for one in found if one.name == "serin_operator_readings_total"
        }
        failed = sum(value for outcome, value in outcomes.items() if outcome not in ("Read", "NotAsked"))
        if failed and not outcomes.get("Read"):
            shown = ", ".join(f"{outcome} {value:g}" for outcome, value in sorted(outcomes.items()) if value)
            message = f"{pod} has never read the counts of a stage from Prometheus since its start: {shown}"
            yield Result(check, Outcome.PROBLEM, message, "docs/prometheus.md")
        elif errors:
            shown = ", ".join(f"{cause} {count:g}" for cause, count in sorted(errors.items()))
            yield Result(check, Outcome.WARNING, f"errors of {pod} since its start: {shown}", "docs/metrics.md, Causes")
        else:
            yield Result(check, Outcome.OK, f"no errors of {pod} since its start")
        if late := _unchecked(found, seen.now):
            message = (
                f"{pod} leads, and has not checked for {_UNCHECKED.total_seconds() / 60:g} minutes: {', '.join(late)}"
            )
            yield Result(check, Outcome.PROBLEM, message, "look at the operator's log")


def _unchecked(found: Sequence[Sample], now: datetime) -> list[str]:
    """Return the SuggestionModels that a leading operator has not checked for too long."""
    if not any(one.name == "serin_operator_leader" and one.value for one in found):
        return []
    oldest = (now - _UNCHECKED).timestamp()
    return [
        f"{one.labels.get('namespace')}/{one.labels.get('name')}"
        for one in found
        if one.name == "serin_suggestionmodel_last_check_timestamp_seconds" and one.value < oldest
    ]


def _rights(seen: Installation) -> Iterator[Result]:
    for right, may in seen.rights.items():
        if isinstance(may, Unread):
            yield may.result("your rights")
        elif may:
            yield Result("your rights", Outcome.OK, f"you may {right}")
        else:
            remedy = "ask for the ClusterRole edit, or serin-edit, in this namespace"
            yield Result("your rights", Outcome.WARNING, f"you may not {right}", remedy)


_CHECKS: Final[tuple[Callable[[Installation], Iterator[Any]], ...]] = (
    _definition,
    _operator,
    _versions,
    _leader,
    _readiness,
    _operator_metrics,
    _rights,
)
