"""What an action would do, in the words that command line and dashboard show."""

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, condition, model

from serin_cli.action_plans import ACTIONS, ActionRefusedError, offered, plan

STEPS = {"runID": RUN, "canary": {"steps": [{"percent": 10}, {"percent": 50}, {"percent": 100}]}}


def effect(action="promote", *, candidate=CANDIDATE, spec=STEPS, **status):
    return plan(action, model(candidate=candidate, stable=STABLE, spec=spec, **status)).effect


def test_a_promote_says_from_where_to_where():
    assert effect().startswith(f"{RUN} goes from 10 % to 50 % of users, without waiting for soak")
    assert effect(conditions=[condition("AwaitingApproval")]).endswith(
        "50 % of users, as this step waits for an approval."
    )
    assert effect(candidate=CANDIDATE | {"percent": 100}).startswith(f"{RUN} is promoted: it is the stable run")
    last = effect(candidate=CANDIDATE | {"percent": 100}, spec=STEPS | {"bake": {"duration": "24h"}})
    assert last.startswith(f"{RUN} bakes for 24h")
    assert effect(candidate=CANDIDATE | {"percent": 100, "bake": {"startedAt": "2026-01-01T00:00:00Z"}}).startswith(
        f"The bake ends: {RUN} is promoted"
    )
    assert effect(spec={"canary": {"steps": "wrong"}}) == f"{RUN} advances one step."


def test_a_promote_after_the_last_step_is_refused_and_not_offered():
    capped = model(candidate=CANDIDATE, spec={"canary": {"percent": 10, "steps": [{"percent": 10}]}})
    with pytest.raises(ActionRefusedError, match="has reached the last step, 10 % of users"):
        plan("promote", capped)
    assert "promote" not in [one.action for one in offered(capped)]


def test_a_promote_names_the_stage_that_the_user_saw():
    assert plan("promote", model(candidate=CANDIDATE)).details == ("10",)
    assert plan("promote", model(candidate=CANDIDATE | {"bake": {"startedAt": "x"}})).details == ("bake",)
    assert plan("abort", model(candidate=CANDIDATE)).details == ()


def test_an_abort_says_who_serves():
    assert f"{OLD} serves all users" in effect("abort")
    assert "the rules serve all users" in plan("abort", model(candidate=CANDIDATE)).effect


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_run_nothing_can_be_done(action):
    with pytest.raises(ActionRefusedError):
        plan(action, model())


@pytest.mark.parametrize("action", ["pause", "resume", "abort"])
def test_an_ended_rollout_cannot_be_stopped(action):
    with pytest.raises(ActionRefusedError):
        plan(action, model(candidate=CANDIDATE | {"state": "RolledBack"}))


def test_every_offered_action_has_a_plan():
    for live in (model(), model(candidate=CANDIDATE), model(candidate=CANDIDATE, stable=STABLE, spec=STEPS)):
        assert all(one.effect for one in offered(live))
