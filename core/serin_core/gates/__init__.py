"""Gates of a rollout.

active      which gates are evaluated in a stage, with the settings of the resource
evaluation  all gates of a stage at one check
rate        state of a gate on one rate, late harm included
per_class   state of the perClass gate
feedback    state of the feedback gate: canary against control group
result      a gate as it is shown in the status
messages    gates in plain text
formatting  numbers in messages

What each built-in gate counts is in contract/gate_catalog.py.
"""

from serin_core.gates.active import ActiveGate, acting_gates, active_gates, alpha_fail, read_by
from serin_core.gates.evaluation import (
    GateState,
    Stage,
    criterion_of,
    edited,
    expected_low_confidence,
    gate_state,
    judge_stage,
)
from serin_core.gates.messages import describe, explain, is_on_bad_side, limit
from serin_core.gates.result import GateResult, PreviousCheck

__all__ = [
    "ActiveGate",
    "GateResult",
    "GateState",
    "PreviousCheck",
    "Stage",
    "acting_gates",
    "active_gates",
    "alpha_fail",
    "criterion_of",
    "describe",
    "edited",
    "expected_low_confidence",
    "explain",
    "gate_state",
    "is_on_bad_side",
    "judge_stage",
    "limit",
    "read_by",
]
