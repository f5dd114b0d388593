"""What a storm consists of. A seed fixes what is drawn; how the processes interleave is up to the machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """One storm."""

    seed: int
    seconds: float = 60.0
    """Time in which faults happen."""
    replicas: int = 2
    """Operators."""
    models: int = 3
    """SuggestionModels."""
    pods: int = 2
    """Server pods of each."""
    rate: int = 80
    """Transactions a second and pod."""
    pauses: Mapping[str, float] = field(default_factory=dict)
    """Mean seconds between two faults of a kind; a kind without is left out."""
    elects: bool = True
    """Whether operators agree on a leader; else all of them act, and only the resourceVersions keep them apart."""
    settle: float = 420.0
    """Seconds in which everything has to end well, once the faults are over."""


SHORT = {
    "operator": 7.0,
    "API server": 5.0,
    "Prometheus": 6.0,
    "pods": 6.0,
    "people": 2.5,
    "kubelet": 30.0,
    "nodes": 45.0,
    "scrapes": 30.0,
    "registry": 40.0,
}
LONG = SHORT | {"operator": 3.0, "Prometheus": 4.0, "restarts": 90.0, "absence": 200.0, "clocks": 60.0}
