"""Whether requests may be sent to this process, and if not, why. Pure but for the flag that the process is stopping."""

from dataclasses import dataclass, field
from typing import Final

from serin_core.contract.pod_report import LoadState, RunOnPod
from serin_server.routing.serving_state import NamedRun

STABLE_PATIENCE: Final = 300.0
"""Seconds for which a pod without its stable run is not ready; then it becomes ready and the rules serve its users.

Also the time for which it waits for a registry that is unavailable: otherwise all pods could be not ready at once.
"""


@dataclass(slots=True)
class Readiness:
    """Ready once each run was loaded or refused, or STABLE_PATIENCE has passed, until the process is told to stop.

    An absent run that is not stable delays nothing: it serves no user before all pods have loaded it.
    """

    started: float
    """Seconds of a monotonic clock."""
    is_draining: bool = field(default=False, init=False)

    def not_ready_reason(
        self, runs: tuple[RunOnPod, ...], *, stable: NamedRun | None, has_checked: bool, now: float
    ) -> str | None:
        """Return why requests must not be sent here, None if they may.

        `stable` is the stable run of the routing in use; `has_checked` is whether routing was read at least once.
        """
        if self.is_draining:
            return "the server is stopping"
        if not has_checked:
            return "routing has not been read yet"
        is_patient = now - self.started < STABLE_PATIENCE
        for run in runs:
            if run.state is LoadState.LOADING and not run.absent and (is_patient or not run.reason):
                return f"{run.run} is loading" + (f": {run.reason}" if run.reason else "")
        if stable is None or stable.loaded is not None or not is_patient:
            return None
        name = stable.served.run
        reason = next((run.reason for run in runs if run.run == name and run.reason), "it is not loaded on this pod")
        return f"the stable run {name} is not available: {reason}"
