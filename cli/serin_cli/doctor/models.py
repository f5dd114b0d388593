"""Checks of one SuggestionModel. Pure."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from serin_cli.doctor.measured import measured_results
from serin_cli.doctor.policies import policy_results
from serin_cli.doctor.reasons import OTHER_CONDITIONS, REASONS, Reason
from serin_cli.doctor.reported import reported_results
from serin_cli.doctor.results import Outcome, Result, Unread
from serin_cli.doctor.seen import Json, Model
from serin_cli.doctor.traffic import gate_results
from serin_cli.pod_view import is_ready
from serin_cli.resource import ready_condition


def model_results(seen: Model, now: datetime) -> list[Result]:
    """Return the result of every check of a SuggestionModel."""
    found = [result for check in _CHECKS for result in check(seen)]
    found += [*gate_results(seen, now), *policy_results(seen), *reported_results(seen), *measured_results(seen)]
    return seen.told(found)


def condition_results(seen: Model) -> Iterator[Result]:
    """Yield whether the operator has seen the spec, and what its conditions report."""
    status, generation = seen.status, seen.live["metadata"].get("generation")
    if not status:
        remedy = "is the operator running, and does it work on this namespace and these labels?"
        yield Result("operator", Outcome.PROBLEM, "there is no status: no operator has checked it yet", remedy)
        return
    if status.get("observedGeneration") not in (None, generation):
        found = f"the operator has seen generation {status['observedGeneration']} of the spec, not {generation}"
        yield Result("operator", Outcome.WARNING, found, "if it stays so: look at the operator's log")
    else:
        yield Result("operator", Outcome.OK, "it has seen the present spec")
    ready = ready_condition(seen.live)
    if ready:
        yield _of_condition(seen, REASONS.get(ready["reason"]), ready["reason"], ready.get("message", ""))
    for condition in status.get("conditions", []):
        known = OTHER_CONDITIONS.get(condition["type"])
        is_told = condition["type"] == ready.get("reason")
        if known is not None and condition["status"] == "True" and not is_told:
            yield _of_condition(seen, known, condition["type"], condition.get("message", ""))


def _of_condition(seen: Model, reason: Reason | None, name: str, message: str) -> Result:
    found = f"{name}: {message}" if message else name
    if reason is None:
        remedy = "docs/conditions.md of the operator's version; this program does not know the reason"
        return Result("rollout", Outcome.UNKNOWN, found, remedy)
    namespace = seen.live["metadata"]["namespace"]
    return Result(reason.check, reason.outcome, found, reason.remedy.format(name=seen.name, namespace=namespace))


def _pods(seen: Model) -> Iterator[Result]:
    if isinstance(seen.pods, Unread):
        yield seen.pods.result("pods")
        return
    waiting = [text for pod in seen.pods if (text := _trouble(pod))]
    ready = sum(is_ready(pod) for pod in seen.pods)
    remedy = f"kubectl -n {seen.live['metadata']['namespace']} describe pods -l serin.dev/model={seen.name}"
    if not seen.pods:
        yield Result("pods", Outcome.PROBLEM, "there are no server pods", f"kubectl describe sgm {seen.name}")
    elif waiting or not ready:
        found = f"{ready} of {len(seen.pods)} pods are ready; {'; '.join(waiting) or 'none has started'}"
        yield Result("pods", Outcome.WARNING if ready else Outcome.PROBLEM, found, remedy)
    else:
        yield Result("pods", Outcome.OK, f"{ready} of {len(seen.pods)} pods are ready")


def _trouble(pod: Json) -> str:
    """Return what a pod waits for, and how often it was started again; "" if nothing is wrong."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{name} is not scheduled: {condition.get('message', '')}"
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{name}: {waiting['reason']} {waiting.get('message', '')}".rstrip()
        if container.get("restartCount"):
            return f"{name} was started again {container['restartCount']} times"
    return ""


def _routing(seen: Model) -> Iterator[Result]:
    propagation = seen.status.get("propagation") or {}
    if not propagation:
        return
    pods = f"{propagation.get('pods', '0/0')} pods serve the routing that was decided"
    if propagation.get("confirmed"):
        yield Result("routing", Outcome.OK, pods)
    else:
        since = f" since {propagation['since'][:19]}Z" if propagation.get("since") else ""
        remedy = "by itself within a minute; else docs/conditions.md, Pods that cannot confirm"
        yield Result("routing", Outcome.WARNING, f"{pods}{since}", remedy)


def _inputs(seen: Model) -> Iterator[Result]:
    for where, exists in seen.inputs.items():
        if isinstance(exists, Unread):
            yield exists.result("inputs")
        elif exists:
            yield Result("inputs", Outcome.OK, f"{where} exists")
        else:
            yield Result("inputs", Outcome.PROBLEM, f"{where} does not exist", "create it, or correct the name")


_CHECKS: Final[tuple[Callable[[Model], Iterator[Result]], ...]] = (condition_results, _pods, _routing, _inputs)
