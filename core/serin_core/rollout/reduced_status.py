"""A status with what decisions need and little else, for where the API server refuses a larger one.

Counts and verdicts stay; texts, and what only people read, are cut. Trial records have them.
"""

from typing import Final

from serin_core.api.base import shortened
from serin_core.api.status import Status
from serin_core.counting.checkpoint_size import smallest
from serin_core.counting.server_counters import ENDED
from serin_core.rollout.forgotten_requests import forget_oldest
from serin_core.rollout.protocol import Context

_ENTRIES: Final = 3
_RUNS: Final = 20
_TEXT: Final = 200


def reduced(context: Context) -> Status:
    """Return the shortest status by which the next pass decides the same; older counts may be summed up."""
    status = forget_oldest(context, most=0)
    checkpoint = None if status.checkpoint is None else smallest(status.checkpoint, ended=ENDED)
    history = (
        entry.model_copy(update={"message": shortened(entry.message, _TEXT), "evidence": ""})
        for entry in status.history[-_ENTRIES:]
    )
    rejected = (run.model_copy(update={"reason": shortened(run.reason, _TEXT)}) for run in status.rejected[-_RUNS:])
    gates = (gate.model_copy(update={"detail": shortened(gate.detail, _TEXT)}) for gate in status.gates)
    return status.changed(checkpoint=checkpoint, history=tuple(history), rejected=tuple(rejected), gates=tuple(gates))
