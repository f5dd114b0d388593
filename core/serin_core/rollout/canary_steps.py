"""The steps of a rollout in percent of users, and the minimum time of each."""

from datetime import timedelta

from serin_core.api.spec import Canary
from serin_core.api.status import Candidate


def effective_steps(canary: Canary) -> tuple[float, ...]:
    """Return the steps in percent with the cap applied: those above it become one step at it; () at a cap of 0."""
    below = [step.percent for step in canary.steps if step.percent <= canary.percent]
    is_cut = any(step.percent > canary.percent for step in canary.steps)
    if is_cut and canary.percent > 0 and canary.percent not in below:
        below.append(canary.percent)
    return tuple(below)


def stages_of(canary: Canary) -> tuple[float, ...]:
    """Return the share of users in every stage in percent: 0 in the shadow, then the steps."""
    return (0.0, *effective_steps(canary))


def known_stages(canary: Canary) -> frozenset[float]:
    """Return the shares of all stages, with those above the cap: they are stages once the cap is raised."""
    return frozenset({*stages_of(canary), *(step.percent for step in canary.steps), canary.percent})


def stage_name(percent: float) -> str:
    """Return the name of the stage at a share: `shadow`, `10 %`."""
    return f"{percent:g} %" if percent > 0 else "shadow"


def step_number(canary: Canary, *, percent: float) -> str:
    """Return which step this is, as the end of a stage's name: ` (step 1 of 3)`; "" for the shadow."""
    steps = effective_steps(canary)
    return f" (step {steps.index(percent) + 1} of {len(steps)})" if percent in steps else ""


def at_stage(percent: float) -> str:
    """Return where a rollout in this stage is: `in shadow`, `at 10 %`."""
    return f"at {percent:g} %" if percent > 0 else "in shadow"


def next_step(canary: Canary, *, percent: float) -> float | None:
    """Return the smallest step above `percent`, None if there is none."""
    return next((step for step in effective_steps(canary) if step > percent), None)


def is_at_cap(canary: Canary, candidate: Candidate) -> bool:
    """Return whether a run is proven at the last step of the current spec."""
    return candidate.proven_at is not None and next_step(canary, percent=candidate.percent) is None


def soak_of(canary: Canary, *, percent: float) -> timedelta:
    """Return the minimum time at a step: its own, or that of the step that the cap cut, or of the last one."""
    if percent == 0:
        return canary.shadow_soak
    return next((step.soak for step in canary.steps if step.percent >= percent), canary.steps[-1].soak)


def needs_approval(canary: Canary, *, percent: float) -> bool:
    """Return whether a user must approve the step to `percent`: it is that step's own setting, or that of all."""
    own = next((step.approval for step in canary.steps if step.percent >= percent), None)
    return (own or canary.approval) == "Manual"
