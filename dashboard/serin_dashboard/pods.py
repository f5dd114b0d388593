"""The pods of a SuggestionModel, with the routing revision that each of them serves. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serin_cli.pod_view import pod_state
from serin_cli.resource import Live, status_of
from serin_core.contract import names


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod."""

    name: str
    node: str
    state: str
    """`Running`, or why it is not ready."""
    restarts: int
    revision: str
    """The revision that it reports; "not known" with the reason."""
    is_current: bool
    runs: str
    note: str


def describe_pods(live: Live, pods: Sequence[Mapping[str, Any]], revisions: Mapping[str, int | str]) -> list[PodView]:
    """Return the pods by name. `revisions` has what each pod reports, or why it could not be asked."""
    status = status_of(live)
    wanted = (status.get("propagation") or {}).get("revision", 0)
    silent = {one["uid"]: one for one in status.get("silentPods", [])}
    return sorted((_pod(one, wanted, silent, revisions) for one in pods), key=lambda one: one.name)


def _pod(
    pod: Mapping[str, Any], wanted: int, silent: Mapping[str, Mapping[str, Any]], revisions: Mapping[str, int | str]
) -> PodView:
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    found = revisions.get(metadata["name"], "not asked")
    quiet = silent.get(metadata["uid"])
    return PodView(
        name=metadata["name"],
        node=(pod.get("spec") or {}).get("nodeName") or "no node yet",
        state=pod_state(pod),
        restarts=sum(one.get("restartCount", 0) for one in containers),
        revision=str(found) if isinstance(found, int) else f"not known: {found}",
        is_current=found == wanted,
        runs=annotations.get(names.ANNOTATION_RUNS, "").replace(",", ", "),
        note=f"no response to the operator since {quiet['since'][:19]}Z: {quiet['error']}" if quiet else "",
    )
