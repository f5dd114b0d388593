"""Whether this process may be sent requests, and why not. Pure but for the one mark that it is ending."""

from dataclasses import dataclass, field
from typing import Final

from serin_core.contract.pod_report import LoadState, RunOnPod
from serin_server.routing.serving_state import NamedRun

STABLE_PATIENCE: Final = 300.0
"""Seconds for which a pod without its stable run is not ready; then it answers by rules (docs/contracts.md, rule 5).

So long it also waits for a registry that is away: with every pod waiting, nobody would answer at all.
"""


@dataclass(slots=True)
class Readiness:
    """Ready once every named run was loaded or refused, or patience ended, until the process is told to end."""

    started: float
    """Seconds of a monotonic clock."""
    is_draining: bool = field(default=False, init=False)

    def obstacle(
        self, runs: tuple[RunOnPod, ...], *, stable: NamedRun | None, has_looked: bool, now: float
    ) -> str | None:
        """Answer why requests must not come here, None when they may.

        `stable` is the stable run of the routing in use; `has_looked` says whether routing was read at least once.
        """
        if self.is_draining:
            return "this server is ending"
        if not has_looked:
            return "routing has not been read yet"
        is_patient = now - self.started < STABLE_PATIENCE
        for run in runs:
            if run.state is LoadState.LOADING and (is_patient or not run.reason):
                return f"{run.run} is being loaded" + (f": {run.reason}" if run.reason else "")
        if stable is None or stable.loaded is not None or not is_patient:
            return None
        name = stable.served.run
        reason = next((run.reason for run in runs if run.run == name and run.reason), "this pod does not have it")
        return f"the stable run {name} cannot answer: {reason}"
