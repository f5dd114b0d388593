"""The gates of a rollout.

definitions  what each asks for, where it judges, what its verdict may do
judging      every gate of a stage at one check, by one of
             rate     one rate, late harm included
             classes  a rate by class
             arms     feedback of the canary against that of the control group
telling      gates in words
"""

from serin_core.gates.active import ActiveGate, acting_gates, active_gates, alpha_fail, read_by
from serin_core.gates.evaluation import Stage, edited, expected_low_confidence, judge_stage
from serin_core.gates.messages import describe, explain, is_on_bad_side, limit
from serin_core.gates.result import GateResult, PreviousCheck

__all__ = [
    "ActiveGate",
    "GateResult",
    "PreviousCheck",
    "Stage",
    "acting_gates",
    "active_gates",
    "alpha_fail",
    "describe",
    "edited",
    "expected_low_confidence",
    "explain",
    "is_on_bad_side",
    "judge_stage",
    "limit",
    "read_by",
]
