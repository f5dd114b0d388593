"""Probes and restarts as the kubelet counts them. Pure: results and times are arguments."""

from dataclasses import dataclass, field
from typing import Any

LONGEST_BACKOFF = 300.0
FORGOTTEN_AFTER = 600.0


@dataclass
class Probe:
    """One probe of one container: consecutive results against its thresholds."""

    period: float = 10.0
    timeout: float = 1.0
    delay: float = 0.0
    failures_needed: int = 3
    successes_needed: int = 1
    holds: bool = False
    """Whether the probe counts as passed at this moment."""
    _failures: int = field(default=0, repr=False)
    _successes: int = field(default=0, repr=False)

    @classmethod
    def of(cls, spec: dict[str, Any], *, holds: bool = False) -> "Probe":
        """Read a probe's numbers from a container's spec."""
        return cls(
            period=float(spec.get("periodSeconds") or 10),
            timeout=float(spec.get("timeoutSeconds") or 1),
            delay=float(spec.get("initialDelaySeconds") or 0),
            failures_needed=int(spec.get("failureThreshold") or 3),
            successes_needed=int(spec.get("successThreshold") or 1),
            holds=holds,
        )

    def note(self, *, passed: bool) -> bool:
        """Note one result; answer whether `holds` has changed, or (failing) the threshold is reached again."""
        if passed:
            self._successes, self._failures = self._successes + 1, 0
            if not self.holds and self._successes >= self.successes_needed:
                self.holds = True
                return True
            return False
        self._failures, self._successes = self._failures + 1, 0
        if self._failures >= self.failures_needed:
            self.holds = False
            return True
        return False


def restart_delay(restarts: int, *, base: float) -> float:
    """Answer how long before a container that has ended is started again: at once the first time, then doubling."""
    if restarts <= 0:
        return 0.0
    return float(min(base * 2.0 ** min(restarts - 1, 16), LONGEST_BACKOFF))
