"""What of a spec is simulated: whatever depends on counts. The rest is left out, and named."""

from serin_core.api.gate_names import GateMode
from serin_core.api.spec import SuggestionModelSpec


def simulated_part(spec: SuggestionModelSpec) -> tuple[SuggestionModelSpec, tuple[str, ...]]:
    """Return the spec without what cannot be simulated, and the names of that: `query saturation`.

    Counters of a control group are left out: no option describes them.
    """
    compared = (f"{gate.name} (control)" for gate in spec.gates.active_custom if gate.control is not None)
    queries = (f"query {query.name}" for query in spec.gates.queries if query.mode is not GateMode.OFF)
    checks = (f"check {check.name}" for check in spec.gates.checks)
    custom = tuple(gate for gate in spec.gates.custom if gate.control is None)
    gates = spec.gates.model_copy(update={"queries": (), "checks": (), "custom": custom})
    return spec.model_copy(update={"gates": gates}), (*compared, *queries, *checks)
