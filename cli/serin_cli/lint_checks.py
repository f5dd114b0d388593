"""Advice on the checks of a valid spec. Pure."""

from collections.abc import Iterator

from serin_cli.finding import Finding, Severity
from serin_core.api.spec import SuggestionModelSpec
from serin_core.rollout.canary_steps import known_stages


def check_findings(spec: SuggestionModelSpec) -> Iterator[Finding]:
    """Yield a warning for each step that a check names and that is no step."""
    steps = known_stages(spec.canary) - {0.0}
    for index, check in enumerate(spec.gates.checks):
        for percent in sorted(set(check.before or ()) - steps):
            higher = next((step for step in sorted(steps) if step > percent), None)
            where = f"it is made before {higher:g} %" if higher is not None else "it is never made"
            message = f"there is no step to {percent:g} %: {where}"
            yield Finding(f"spec.gates.checks[{index}].before", message, Severity.WARNING)
