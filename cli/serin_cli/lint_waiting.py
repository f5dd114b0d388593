"""Advice on what holds steps: approval, and windows. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from serin_cli.finding import Finding, Severity
from serin_core.api.durations import format_duration
from serin_core.api.spec import Canary, SuggestionModelSpec
from serin_core.api.waiting import are_open
from serin_core.rollout.canary_steps import effective_steps, needs_approval

_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_WEEK = 7 * 24 * 60


def waiting_advice(spec: SuggestionModelSpec) -> Iterator[Finding]:
    """Yield which steps need an approval, and how long a step may have to wait for its window."""
    canary = spec.canary
    steps = effective_steps(canary)
    manual = [step for step in steps if needs_approval(canary, percent=step)]
    if manual:
        listed = ", ".join(f"{step:g} %" for step in manual)
        which = "the step" if len(manual) == 1 else "each step"
        yield Finding("spec.canary.approval", f"a user must approve {which} to {listed}", Severity.NOTE)
    if canary.windows and len(manual) == len(steps) > 0:
        message = "hold the promotion only: every step needs an approval, which goes ahead outside them"
        yield Finding("spec.canary.windows", message, Severity.WARNING)
    if canary.windows:
        longest = format_duration(_longest_closed(canary))
        yield Finding("spec.canary.windows", f"a step waits up to {longest} for its window", Severity.NOTE)


def _longest_closed(canary: Canary) -> timedelta:
    """Return the longest time in two weeks without an open window."""
    longest = closed = 0
    for minute in range(2 * _WEEK):
        closed = 0 if are_open(canary.windows, _MONDAY + minute * _MINUTE) else closed + 1
        longest = max(longest, closed)
    return longest * _MINUTE
