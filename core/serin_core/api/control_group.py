"""The control group at 100 percent: there is one only if a bake holds users back."""

from typing import Final

from serin_core.api.bake import Bake
from serin_core.api.gates import Gates

_FULL: Final = 100
_NOT_FEEDBACK: Final = (
    "(!has(self.gates.feedback) || !has(self.gates.feedback.stages) || "
    "self.gates.feedback.stages.all(s, double(s) < 100.0))"
)
_NOT_CUSTOM: Final = (
    "(!has(self.gates.custom) || self.gates.custom.all(g, "
    "!has(g.control) || !has(g.stages) || g.stages.all(s, double(s) < 100.0)))"
)
_HOLDS_BACK: Final = "(has(self.bake) && has(self.bake.holdback) && double(self.bake.holdback) > 0.0)"
NO_CONTROL_GROUP: Final = (
    "at 100 percent there is no control group to compare with: remove 100 from stages of feedback and of custom gates "
    "with control, or set bake.holdback"
)
CONTROL_GROUP_RULE: Final = (
    f"!has(self.gates) || {_HOLDS_BACK} || ({_NOT_FEEDBACK} && {_NOT_CUSTOM})",
    NO_CONTROL_GROUP,
)
"""CEL rule of the whole spec, with its message; `has_control_group` is the same rule."""


def has_control_group(gates: Gates, bake: Bake) -> bool:
    """Return whether every gate that is to compare canary and control at 100 percent can."""
    compared = [gates.feedback, *(gate for gate in gates.custom if gate.control is not None)]
    return bake.holdback > 0 or not any(gate is not None and _FULL in (gate.stages or ()) for gate in compared)
