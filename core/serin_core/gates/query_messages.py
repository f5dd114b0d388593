"""Query gates in plain text. Each says that it is checked, not statistically tested."""

from datetime import timedelta

from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateStatus
from serin_core.api.query_status import QueryStatus
from serin_core.evidence.counts import Verdict


def limit(gate: GateStatus, held: QueryStatus) -> str:
    """Return what a query gate requires: `at most 0.9 for 10m`."""
    bound = f"at least {gate.at_least:g}" if gate.at_least is not None else f"at most {gate.at_most or 0:g}"
    return f"{bound} for {format_duration(timedelta(seconds=held.held_for))}"


def describe(gate: GateStatus, held: QueryStatus) -> str:
    """Return the result in one clause: `saturation 0.95 (at most 0.9 for 10m; violated since 12:00:00 UTC)`."""
    if held.value is None:
        return f"{gate.name}: {gate.detail or gate.reason} ({limit(gate, held)})"
    return f"{gate.name} {held.value:g} ({limit(gate, held)}; {_since(held)})"


def explain(gate: GateStatus, held: QueryStatus) -> str:
    """Return what follows the name in `kubectl serin explain`: the result, the bound and the verdict."""
    kind = "Checked like an alert rule, not statistically tested."
    if held.value is None:
        return f"no result ({gate.detail or gate.reason}); needs {limit(gate, held)}. {kind}"
    return f"{held.value:g}, {_since(held)}; needs {limit(gate, held)}: {_verdict(gate, held)}. {kind}"


def is_on_bad_side(held: QueryStatus) -> bool:
    """Return whether the last result violates the bound, or whether there is none."""
    return held.value is None or held.violated_since is not None


def _since(held: QueryStatus) -> str:
    since, what = (held.violated_since, "violated") if held.violated_since is not None else (held.met_since, "met")
    return f"{what} since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else what


def _verdict(gate: GateStatus, held: QueryStatus) -> str:
    match gate.verdict:
        case Verdict.PASS:
            return "passes"
        case Verdict.FAIL:
            return "fails"
    since = held.violated_since or held.met_since
    if since is None:
        return "no verdict yet"
    until = since + timedelta(seconds=held.held_for)
    outcome = "fails" if held.violated_since is not None else "passes"
    return f"{outcome} at {until:%H:%M:%S} UTC if that stays so"
