"""What one operator knows of the Lease, and what follows from it: the algorithm of Kubernetes' own controllers. Pure.

All times are seconds of this machine's monotonic clock. When a Lease has expired is counted from the moment in which
this operator saw it change, and never from the times that are written in it: other clocks may be wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serin_core.api.base import Json
from serin_core.contract import names

LOOKS_PER_PERIOD: Final = 3
"""How often a standby looks within a retry period. It may not watch: its role names the Lease, and nothing else."""
MAX_DURATION: Final = 600.0
"""The longest time, in seconds, that a Lease without renewals is respected, whatever it says itself."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a Lease holds, when its holder gives up renewing it, and the time between two renewals."""

    lease_duration: int = 15
    renew_deadline: float = 10.0
    retry_period: float = 2.0


@dataclass
class Election:
    """The Lease as it was seen last, and until when this operator leads."""

    namespace: str
    name: str
    identity: str
    timing: Timing
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What this operator writes on the Lease beside its name."""
    _live: Json | None = None
    """The Lease as it was read or written last; None if there is none."""
    _spec: Mapping[str, Any] = field(default_factory=dict)
    """Its spec, which is kept when somebody deletes the Lease: its holder may go on."""
    _changed_at: float = -math.inf
    _renewed_at: float = -math.inf
    is_current: bool = False
    """Whether it need not be read before it is renewed."""

    @property
    def holder(self) -> str:
        """Who holds the Lease, as far as is known; "" if nobody does."""
        return str(self._spec.get("holderIdentity") or "")

    def another_selector(self) -> tuple[str, str] | None:
        """Return the selector of the holder and that of this operator, if both are known and differ."""
        if self._live is None or self.holder in ("", self.identity):
            return None
        theirs = (self._live["metadata"].get("annotations") or {}).get(names.ANNOTATION_SELECTOR)
        mine = self.annotations.get(names.ANNOTATION_SELECTOR)
        return None if theirs is None or mine is None or theirs == mine else (theirs, mine)

    def seconds_left(self, now: float) -> float:
        """Return for how long this operator may write; 0 if it does not lead.

        That ends before another may take over. It counts from the moment in which the renewal was sent.
        """
        return max(self._renewed_at + self.timing.renew_deadline - now, 0.0)

    def observe(self, live: Json | None, now: float) -> None:
        """Take in the Lease as it was read; None if there is none."""
        self._live, self.is_current = live, False
        if live is None:
            return
        found = live.get("spec") or {}
        if found != self._spec:
            self._spec, self._changed_at = found, now
        if self.holder != self.identity:
            self._renewed_at = -math.inf

    def wanted(self, now: float, at: str) -> Json | None:
        """Return the Lease to write now, at this time of the wall clock; None while another operator may lead.

        With a resourceVersion it replaces the one that was read; without, it is to be created.
        """
        is_mine = self.holder == self.identity
        if self.holder and not is_mine and now < self._expires_at():
            return None
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self.timing.lease_duration,
            "acquireTime": (is_mine and self._spec.get("acquireTime")) or at,
            "renewTime": at,
            "leaseTransitions": int(self._spec.get("leaseTransitions") or 0) + (bool(self._spec) and not is_mine),
        }
        return self._with(spec)

    def renewed(self, live: Json, sent_at: float) -> None:
        """Take in the Lease as it was written by this operator, which sent it at this time."""
        self._live, self._spec, self.is_current = live, live["spec"], True
        self._changed_at = self._renewed_at = sent_at

    def released(self, at: str) -> Json | None:
        """Stop leading, and return the Lease to write so that another takes over at once; None if it is not ours."""
        self._renewed_at = -math.inf
        if self._live is None or self.holder != self.identity:
            return None
        return self._with({**self._spec, "holderIdentity": "", "renewTime": at})

    def pause(self, now: float, share: float) -> float:
        """Return the seconds until the next look; `share` is a random number from 0 to 1."""
        left = self.seconds_left(now)
        if left > 0:
            return min(self.timing.retry_period * (0.9 + 0.2 * share), left)
        look = self.timing.retry_period / LOOKS_PER_PERIOD * (0.8 + 0.2 * share)
        until_expiry = self._expires_at() - now
        return min(look, until_expiry) if until_expiry > 0 else look

    def patience(self, now: float) -> float:
        """Return the seconds after which a request about the Lease is given up, so that another is tried in time."""
        half = self.timing.renew_deadline / 2
        return min(half, self.seconds_left(now) or half)

    def _expires_at(self) -> float:
        duration = float(self._spec.get("leaseDurationSeconds") or self.timing.lease_duration)
        return self._changed_at + min(duration, MAX_DURATION)

    def _with(self, spec: Json) -> Json:
        metadata: Json = {"name": self.name, "namespace": self.namespace}
        if self._live is not None:
            metadata = self._live["metadata"]
        annotations = {**(metadata.get("annotations") or {}), **self.annotations}
        written = metadata | ({"annotations": annotations} if annotations else {})
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": written, "spec": spec}
