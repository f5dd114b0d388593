"""What each reason of the condition Ready means to a doctor: which check reports it, how bad it is, what to do.

docs/conditions.md describes the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serin_cli.doctor.results import Outcome


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of Ready."""

    check: str
    outcome: Outcome
    remedy: str = ""
    """What to do; {name} and {namespace} stand for the SuggestionModel."""


_OK, _WARNING, _PROBLEM = Outcome.OK, Outcome.WARNING, Outcome.PROBLEM
_PODS: Final = "kubectl -n {namespace} describe pods -l serin.dev/model={name}; docs/conditions.md, Troubleshooting"
_DECIDE: Final = "kubectl serin promote {name} -n {namespace}, or kubectl serin abort {name} -n {namespace}"
_SET_RUN: Final = "kubectl serin set-run {name} RUN -n {namespace}"
_RETRY: Final = f"{_SET_RUN}, or kubectl serin retry {{name}} -n {{namespace}}"
REASONS: Final[Mapping[str, Reason]] = {
    "Pending": Reason("rollout", _OK),
    "Draining": Reason("rollout", _OK),
    "Loading": Reason("rollout", _OK),
    "RolloutProgressing": Reason("rollout", _OK),
    "Promoting": Reason("rollout", _OK),
    "Promoted": Reason("rollout", _OK),
    "AtCap": Reason("rollout", _OK),
    "Baking": Reason("rollout", _OK),
    "OutsideWindow": Reason("rollout", _OK),
    "Frozen": Reason("rollout", _OK),
    "CheckPending": Reason("checks", _WARNING, "kubectl serin explain {name} -n {namespace}; repair the endpoint"),
    "CheckEndpointUnknown": Reason("checks", _PROBLEM, "correct spec.gates.checks, or the operator's configuration"),
    "Suspended": Reason("rollout", _WARNING, "set spec.suspend to false"),
    "Paused": Reason("rollout", _WARNING, "kubectl serin resume {name} -n {namespace}"),
    "AwaitingApproval": Reason("rollout", _WARNING, _DECIDE),
    "Undecided": Reason("gates", _WARNING, _DECIDE),
    "NoGate": Reason("gates", _PROBLEM, "edit spec.gates, so that a gate judges this stage"),
    "MetricsUnavailable": Reason("metrics", _PROBLEM, "docs/prometheus.md: how pods are scraped, and which labels"),
    "RunNotFound": Reason("registry", _WARNING, f"copy the run into the registry, or {_SET_RUN}"),
    "RegistryUnavailable": Reason("registry", _PROBLEM, "repair the registry, or correct spec.registry"),
    "RunRefused": Reason("registry", _PROBLEM, _RETRY),
    "RolledBack": Reason("rollout", _PROBLEM, _RETRY),
    "Stopped": Reason("rollout", _WARNING, "set spec.canary.percent to 100"),
    "PodsUnavailable": Reason("pods", _PROBLEM, _PODS),
    "PodsUnreachable": Reason("pods", _PROBLEM, "docs/conditions.md, Pods that cannot confirm"),
    "PodsBehind": Reason("pods", _PROBLEM, _PODS),
    "ProgressDeadlineExceeded": Reason("pods", _PROBLEM, _PODS),
    "RulesUnavailable": Reason("inputs", _PROBLEM, "restore the ConfigMap of spec.server.rules"),
    "ChildConflict": Reason("objects", _PROBLEM, "delete that object, or give the SuggestionModel another name"),
    "ChildRefused": Reason("objects", _PROBLEM, "change the quota or policy that the message names"),
    "ImageRefused": Reason("spec", _PROBLEM, "edit spec.server.image, or the operator's server.allowedImagePrefixes"),
    "AnnotationRefused": Reason(
        "spec", _PROBLEM, "edit spec.server.pod.serviceAccountAnnotations, or the operator's configuration"
    ),
    "InvalidSpec": Reason("spec", _PROBLEM, "correct the spec; kubectl serin lint -f FILE shows each field"),
    "InvalidStatus": Reason("spec", _PROBLEM, "run the version of the operator that wrote the status"),
    "AccessRefused": Reason("operator rights", _PROBLEM, "give the operator the rights of manifests/base/rbac.yaml"),
}
"""Every reason of Ready that an operator of this version writes."""

OTHER_CONDITIONS: Final[Mapping[str, Reason]] = {
    "PodsUnreachable": REASONS["PodsUnreachable"],
    "PodsBehind": REASONS["PodsBehind"],
    "StatusReduced": Reason("spec", _WARNING, "use fewer custom gates or series; remove large annotations"),
    "ShadowForced": Reason("spec", _OK),
    "UnknownClasses": Reason("spec", _WARNING, "correct spec.thresholds.perClass"),
    "Drifted": Reason("drift", _WARNING, "serin drift with recent transactions; then serin retrain"),
    "ChildOverridden": Reason("objects", _WARNING, "set the value in spec, or exempt the namespace from the policy"),
    "NotificationsFailing": Reason("notifications", _WARNING, "docs/notifications.md, When a destination fails"),
}
"""Conditions beside Ready that report something while they are True."""
