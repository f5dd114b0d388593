"""Where pods may run, in the terms of Kubernetes: the fields of a pod's spec that have these names.

The schema checks their structure. What only Kubernetes can check, such as a label that cannot exist, it refuses with
the Deployment, and the condition ChildRefused repeats its message.
"""

from typing import Annotated, Literal

from pydantic import Field, Strict

from serin_core.api.base import SpecModel

LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
KeyOfMap = Annotated[str, Field(max_length=317)]
Labels = Annotated[dict[KeyOfMap, LabelValue], Field(max_length=32)]
Values = Annotated[tuple[LabelValue, ...], Field(max_length=64)]
Keys = Annotated[tuple[LabelKey, ...], Field(max_length=16)]
Weight = Annotated[int, Strict(), Field(ge=1, le=100)]
Count = Annotated[int, Strict(), Field(ge=1, le=1000)]
Seconds = Annotated[int, Strict(), Field(ge=0, le=2**31 - 1)]
Policy = Literal["Honor", "Ignore"]


class Toleration(SpecModel):
    """Taint of nodes that pods tolerate."""

    key: LabelKey | None = Field(None, description="Key of the taint. Default: every key, with the operator Exists.")
    operator: Literal["Exists", "Equal"] | None = Field(None, description="How value is compared. Default: Equal.")
    value: LabelValue | None = Field(None, description="Value of the taint, with the operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint. Default: every effect."
    )
    toleration_seconds: Seconds | None = Field(
        None, description="How long the effect NoExecute is tolerated. Default: for ever."
    )


class LabelRequirement(SpecModel):
    """Requirement on one label."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How the label is compared.")
    values: Values | None = Field(None, description="Values for the operators In and NotIn.")


class LabelSelector(SpecModel):
    """Labels of objects; an empty selector matches every object."""

    match_labels: Labels | None = Field(None, description="Labels with these values.")
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=16)] | None = Field(
        None, description="Requirements that must all be met."
    )


class NodeRequirement(SpecModel):
    """Requirement on one label or field of a node."""

    key: LabelKey = Field(description="Key of the label, or the field metadata.name.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label or field is compared."
    )
    values: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=64)] | None = Field(
        None, description="Values for the operators In, NotIn, Gt and Lt."
    )


class NodeSelectorTerm(SpecModel):
    """Requirements on a node that must all be met."""

    match_expressions: Annotated[tuple[NodeRequirement, ...], Field(max_length=16)] | None = Field(
        None, description="Requirements on labels of the node."
    )
    match_fields: Annotated[tuple[NodeRequirement, ...], Field(max_length=16)] | None = Field(
        None, description="Requirements on fields of the node."
    )


class NodeSelector(SpecModel):
    """Nodes that meet at least one of the terms."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], Field(min_length=1, max_length=16)] = Field(
        description="Terms of which at least one must be met."
    )


class PreferredNodes(SpecModel):
    """Nodes that are preferred, with a weight."""

    weight: Weight = Field(description="Weight of this preference, 1 to 100.")
    preference: NodeSelectorTerm = Field(description="Nodes that are preferred.")


class NodeAffinity(SpecModel):
    """Nodes that pods run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        None, description="Nodes that pods must run on."
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredNodes, ...], Field(max_length=16)] | None
    ) = Field(None, description="Nodes that pods should run on.")


class PodAffinityTerm(SpecModel):
    """Other pods, and the domain of nodes to share with them or to avoid."""

    label_selector: LabelSelector | None = Field(
        None, description="The other pods. Pods of a SuggestionModel have its name in the label serin.dev/model."
    )
    namespaces: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=16)] | None = Field(
        None, description="Namespaces of the other pods. Default: this namespace."
    )
    namespace_selector: LabelSelector | None = Field(None, description="Namespaces of the other pods, by their labels.")
    topology_key: LabelKey = Field(
        description="Label whose nodes of the same value are one domain, for example kubernetes.io/hostname."
    )
    match_label_keys: Keys | None = Field(
        None, description="Labels whose value in the new pod the other pods must have as well."
    )
    mismatch_label_keys: Keys | None = Field(
        None, description="Labels whose value in the new pod the other pods must not have."
    )


class PreferredPods(SpecModel):
    """Preference for or against nodes of other pods, with a weight."""

    weight: Weight = Field(description="Weight of this preference, 1 to 100.")
    pod_affinity_term: PodAffinityTerm = Field(description="The other pods.")


class PodAffinity(SpecModel):
    """Other pods that pods run near to, or away from."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PodAffinityTerm, ...], Field(max_length=16)] | None
    ) = Field(None, description="What must hold for the node of a pod.")
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredPods, ...], Field(max_length=16)] | None
    ) = Field(None, description="What should hold for the node of a pod.")


class Affinity(SpecModel):
    """Nodes that pods run on, and other pods that they run near to or away from."""

    node_affinity: NodeAffinity | None = Field(None, description="Nodes that pods run on.")
    pod_affinity: PodAffinity | None = Field(None, description="Other pods that pods run near to.")
    pod_anti_affinity: PodAffinity | None = Field(None, description="Other pods that pods run away from.")


class TopologySpreadConstraint(SpecModel):
    """How evenly pods are spread over the domains of a topology."""

    max_skew: Count = Field(description="Maximum difference in the number of pods between two domains, at least 1.")
    topology_key: LabelKey = Field(
        description="Label whose nodes of the same value are one domain, for example topology.kubernetes.io/zone."
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What happens to a pod that would exceed maxSkew."
    )
    label_selector: LabelSelector | None = Field(
        None, description="The pods that are counted. Default: the pods of this SuggestionModel."
    )
    min_domains: Count | None = Field(None, description="Minimum number of domains, with DoNotSchedule only.")
    match_label_keys: Keys | None = Field(
        None, description="Labels whose value in the new pod the counted pods must have as well."
    )
    node_affinity_policy: Policy | None = Field(
        None, description="Honor (the default): nodes that nodeSelector or affinity exclude are not counted."
    )
    node_taints_policy: Policy | None = Field(
        None, description="Honor: nodes with taints that pods do not tolerate are not counted. Default: Ignore."
    )
