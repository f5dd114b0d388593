"""What of a spec is simulated: whatever depends on counts. The rest is left out, and named."""

from serin_core.api.spec import SuggestionModelSpec


def simulated_part(spec: SuggestionModelSpec) -> tuple[SuggestionModelSpec, tuple[str, ...]]:
    """Return the spec without what cannot be simulated, and the names of that: `query saturation`."""
    left_out = tuple(f"query {query.name}" for query in spec.gates.queries if query.mode != "Off")
    gates = spec.gates.model_copy(update={"queries": ()})
    return spec.model_copy(update={"gates": gates}), left_out
