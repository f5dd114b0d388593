"""How much a SuggestionModel needs a user, from its conditions: the order of the overview. Pure."""

from enum import IntEnum
from typing import Final

from serin_cli.resource import Live, is_running, ready_condition, status_of


class Attention(IntEnum):
    """What is expected of users, the most urgent first."""

    APPROVAL = 0
    STALLED = 1
    PROBLEM = 2
    HELD = 3
    RUNNING = 4
    SETTLED = 5

    @property
    def label(self) -> str:
        """A few words for a table."""
        return _LABELS[self]

    @property
    def needs_user(self) -> bool:
        """Whether nothing goes on until a user does something."""
        return self <= Attention.STALLED


_LABELS: Final = {
    Attention.APPROVAL: "Needs a decision",
    Attention.STALLED: "Needs a user",
    Attention.PROBLEM: "Problem",
    Attention.HELD: "On hold",
    Attention.RUNNING: "In progress",
    Attention.SETTLED: "Settled",
}
BY_REASON: Final = {
    "AwaitingApproval": Attention.APPROVAL,
    "Undecided": Attention.APPROVAL,
    "NoGate": Attention.STALLED,
    "CheckEndpointUnknown": Attention.STALLED,
    "ChildConflict": Attention.STALLED,
    **dict.fromkeys(
        (
            "RunNotFound",
            "RegistryUnavailable",
            "PodsBehind",
            "MetricsUnavailable",
            "PodsUnavailable",
            "PodsUnreachable",
            "RulesUnavailable",
            "ChildRefused",
        ),
        Attention.PROBLEM,
    ),
    **dict.fromkeys(("Suspended", "Paused", "OutsideWindow", "Frozen", "CheckPending"), Attention.HELD),
    **dict.fromkeys(("Pending", "Draining", "Loading", "RolloutProgressing", "Promoting", "Baking"), Attention.RUNNING),
    **dict.fromkeys(("Promoted", "AtCap"), Attention.SETTLED),
}
"""By the reason of Ready. Where the condition Stalled is True, only a user can help, whatever the reason."""


def attention_of(live: Live) -> Attention:
    """Return how much a SuggestionModel needs a user."""
    conditions = status_of(live).get("conditions", [])
    if any(one["type"] == "Stalled" and one["status"] == "True" for one in conditions):
        return Attention.STALLED
    usual = Attention.RUNNING if is_running(live) or not conditions else Attention.PROBLEM
    return BY_REASON.get(ready_condition(live).get("reason", ""), usual)
