"""SuggestionModels as Argo CD has them, in every situation in which its actions differ."""

import argocd_lua
from models import situations
from models.parts import spec
from models.situations import A, B, promoted, world

from serin_core.api.status_view import condensed

ACTIONS = ("promote", "promote-full", "pause", "resume", "abort", "retry", "undo")
HOLDBACK = {"canary": {"shadowSoak": "1s", "steps": [{"percent": 50, "soak": "1s"}, {"percent": 100, "soak": "1s"}]}}


def loading():
    at = world()
    at.settle(until=lambda at: at.status is not None and at.status.candidate and at.status.candidate.state == "Loading")
    return at


def second_running():
    at = promoted()
    at.verdict = "unsure"
    at.edit(spec(B))
    at.settle(rounds=20)
    return at


def second_rolled_back():
    at = second_running()
    at.verdict = "fail"
    at.settle(rounds=10)
    return at


def back_to_the_stable_run():
    at = second_rolled_back()
    at.edit(spec(A))
    at.settle(rounds=10)
    return at


def stopped():
    at = promoted()
    at.edit(spec(A, canary={"percent": 0}))
    at.settle(rounds=10)
    return at


def suspended_and_paused():
    at = situations.paused()
    at.edit(spec(A, suspend=True))
    at.settle(rounds=2)
    return at


def before_its_cap():
    at = world(canary={"percent": 30, "shadowSoak": "1s", "steps": [{"percent": 100, "soak": "1s"}]})
    at.settle(until=lambda at: at.status is not None and at.status.candidate and at.status.candidate.percent == 30)
    at.verdict = "unsure"
    at.settle(rounds=5)
    return at


def last_step_with_holdback():
    at = world(bake={"duration": "60s", "holdback": 5}, **HOLDBACK)
    at.settle(until=lambda at: at.status is not None and at.status.candidate and at.status.candidate.percent == 100)
    at.verdict = "unsure"
    at.settle(rounds=5)
    return at


WORLDS = {
    made.__name__: made
    for made in (
        situations.running,
        situations.promoted,
        situations.at_cap,
        situations.baking,
        situations.rolled_back,
        situations.refused,
        situations.absent,
        situations.blind,
        situations.suspended,
        situations.paused,
        situations.awaiting_approval,
        situations.outside_window,
        situations.frozen,
        situations.without_room,
        loading,
        second_running,
        second_rolled_back,
        back_to_the_stable_run,
        stopped,
        suspended_and_paused,
        before_its_cap,
        last_step_with_holdback,
    )
}


def live(at):
    """Return the resource of a world as Argo CD has it."""
    written = at.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return argocd_lua.resource(condensed(at.status), generation=at.generation, spec=written)
