"""Gates as users write them in `spec.gates`: one field per built-in gate, and a list of custom gates."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from serin_core.api.base import Share, SpecModel, rules
from serin_core.api.built_in_gates import (
    AcceptedRatioGate,
    AgreementGate,
    AvailabilityGate,
    BuiltInSettings,
    ErrorsGate,
    FallbackGate,
    FeedbackGate,
    LatencyGate,
    LowConfidenceGate,
    PerClassGate,
)
from serin_core.api.checks import Checks
from serin_core.api.custom_gates import CustomGate, quoted
from serin_core.api.gate_names import (
    DEFAULT_AT_LEAST,
    DEFAULT_AT_MOST,
    DEFAULT_ODDS_RATIO,
    MEASURES,
    OFF_BY_DEFAULT,
    GateMode,
    GateName,
)
from serin_core.api.queries import Queries


class Acceptance(SpecModel):
    """Minimum quality in the run's training report. Checked before the run answers any request."""

    f1_macro: Share = Field(0.72, description="Minimum macro F1 on the test set. Default: 0.72.")
    f1_min: Share = Field(
        0.60, description="Minimum F1 of the worst class on the test set; rare classes are left out. Default: 0.60."
    )


def _named_once(gates: tuple[CustomGate, ...]) -> tuple[CustomGate, ...]:
    if len({gate.name for gate in gates}) < len(gates):
        raise ValueError("each gate may be listed once")
    return gates


def _default(gate: GateName) -> str:
    if gate in DEFAULT_AT_LEAST:
        bound = f"at least {DEFAULT_AT_LEAST[gate]:.2f}"
    elif gate in DEFAULT_AT_MOST:
        bound = f"at most {DEFAULT_AT_MOST[gate]:.2f}"
    elif gate is GateName.LOW_CONFIDENCE:
        bound = "at most the share in the run's report + 0.05"
    else:
        bound = f"rejections at most {DEFAULT_ODDS_RATIO} times as likely (odds)"
    return f"Off by default; {bound} if listed." if gate in OFF_BY_DEFAULT else f"Default: {bound}."


def _built_in(gate: GateName) -> Any:
    """Return the field of a built-in gate: its description states what is counted and the default."""
    return Field(None, description=f"Share of {MEASURES[gate]}. {_default(gate)}")


_IS_NOT_CUSTOM = "(!has(self.custom) || !self.custom.exists(g, g.name == q.name))"
_DISTINCT_NAMES = (
    f"!has(self.queries) || self.queries.all(q, !(q.name in {quoted(GateName)}) && {_IS_NOT_CUSTOM})",
    "a query may not have the name of another gate",
)


class Gates(SpecModel):
    """Criteria that a run must meet: offline (acceptance) and online (all others)."""

    model_config = ConfigDict(json_schema_extra=rules(_DISTINCT_NAMES))

    acceptance: Acceptance = Field(
        Acceptance(),
        description="Checked on the training report that the pods loaded, before the run answers any request.",
    )
    availability: AvailabilityGate | None = _built_in(GateName.AVAILABILITY)
    errors: ErrorsGate | None = _built_in(GateName.ERRORS)
    latency: LatencyGate | None = _built_in(GateName.LATENCY)
    agreement: AgreementGate | None = _built_in(GateName.AGREEMENT)
    accepted_ratio: AcceptedRatioGate | None = _built_in(GateName.ACCEPTED_RATIO)
    low_confidence: LowConfidenceGate | None = _built_in(GateName.LOW_CONFIDENCE)
    feedback: FeedbackGate | None = _built_in(GateName.FEEDBACK)
    per_class: PerClassGate | None = _built_in(GateName.PER_CLASS)
    fallback: FallbackGate | None = _built_in(GateName.FALLBACK)
    custom: Annotated[tuple[CustomGate, ...], Field(max_length=16), AfterValidator(_named_once)] = Field(
        (),
        description="Gates on counters of your own services. Default: none.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    queries: Queries = Field(
        (),
        description="PromQL queries whose result must stay within a bound, checked like alert rules. Default: none.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    checks: Checks = Field(
        (),
        description="Systems that are asked before a step begins. Default: none.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )

    @model_validator(mode="after")
    def _has_distinct_names(self) -> Self:
        taken = {gate.value for gate in GateName} | {gate.name for gate in self.custom}
        if any(query.name in taken for query in self.queries):
            raise ValueError(_DISTINCT_NAMES[1])
        return self

    def listed(self, name: GateName) -> BuiltInSettings | None:
        """Return the settings of a built-in gate as the spec lists them, None if it does not."""
        return self._fields[name]

    @property
    def built_in(self) -> Mapping[GateName, BuiltInSettings]:
        """Built-in gates that are not off, in their order, with defaults for those that are not listed."""
        known = {gate: settings or _UNLISTED.get(gate) for gate, settings in self._fields.items()}
        return {gate: one for gate, one in known.items() if one is not None and one.mode is not GateMode.OFF}

    @property
    def active_custom(self) -> tuple[CustomGate, ...]:
        """Custom gates that are not off."""
        return tuple(gate for gate in self.custom if gate.mode is not GateMode.OFF)

    def active_gates(self) -> Iterator[tuple[str, BuiltInSettings | CustomGate]]:
        """Yield the name and settings of each gate that is not off: built-in gates in their order, then custom ones."""
        yield from ((gate.value, settings) for gate, settings in self.built_in.items())
        yield from ((gate.name, gate) for gate in self.active_custom)

    @property
    def _fields(self) -> Mapping[GateName, BuiltInSettings | None]:
        return {
            GateName.AVAILABILITY: self.availability,
            GateName.ERRORS: self.errors,
            GateName.LATENCY: self.latency,
            GateName.AGREEMENT: self.agreement,
            GateName.ACCEPTED_RATIO: self.accepted_ratio,
            GateName.LOW_CONFIDENCE: self.low_confidence,
            GateName.FEEDBACK: self.feedback,
            GateName.PER_CLASS: self.per_class,
            GateName.FALLBACK: self.fallback,
        }


_UNLISTED: Final[Mapping[GateName, BuiltInSettings]] = {
    GateName.AVAILABILITY: AvailabilityGate(),
    GateName.ERRORS: ErrorsGate(),
    GateName.LATENCY: LatencyGate(),
    GateName.AGREEMENT: AgreementGate(),
    GateName.ACCEPTED_RATIO: AcceptedRatioGate(),
    GateName.LOW_CONFIDENCE: LowConfidenceGate(),
    GateName.FEEDBACK: FeedbackGate(),
}
