"""Thresholds of probes and delays of restarts, as in the kubelet. Pure: results and times are arguments."""

from dataclasses import dataclass, field
from typing import Any

MAX_BACKOFF_SECONDS = 300.0
BACKOFF_RESET_SECONDS = 600.0


@dataclass
class Probe:
    """One probe of one container: consecutive results against its thresholds."""

    period: float = 10.0
    timeout: float = 1.0
    delay: float = 0.0
    failures_needed: int = 3
    successes_needed: int = 1
    holds: bool = False
    """Whether the probe currently passes."""
    _failures: int = field(default=0, repr=False)
    _successes: int = field(default=0, repr=False)

    @classmethod
    def of(cls, spec: dict[str, Any], *, holds: bool = False) -> "Probe":
        """Return the probe of a container's spec, with Kubernetes' defaults."""
        return cls(
            period=float(spec.get("periodSeconds") or 10),
            timeout=float(spec.get("timeoutSeconds") or 1),
            delay=float(spec.get("initialDelaySeconds") or 0),
            failures_needed=int(spec.get("failureThreshold") or 3),
            successes_needed=int(spec.get("successThreshold") or 1),
            holds=holds,
        )

    def note(self, *, passed: bool) -> bool:
        """Record a result; return whether `holds` changed or the failure threshold is reached again."""
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
    """Return the seconds until a container is restarted: none the first time, then doubling."""
    if restarts <= 0:
        return 0.0
    return float(min(base * 2.0 ** min(restarts - 1, 16), MAX_BACKOFF_SECONDS))
