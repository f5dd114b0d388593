"""The actions of a SuggestionModel, run through Argo CD's API server as its web page runs them."""

import json

import httpx
import pytest
from gitops.argocd import NAMESPACE

pytestmark = [pytest.mark.cluster, pytest.mark.gitops]

LONG = {"shadowSoak": "24h", "steps": [{"percent": 10, "soak": "24h"}, {"percent": 100, "soak": "24h"}]}
"""Stages that do not end within a test."""


class Operation:
    """An application, the rollout of its SuggestionModel, and a user of Argo CD."""

    def __init__(self, app, rollout, user):
        self.app, self.rollout, self.user, self.sent = app, rollout, user, []

    def offered(self):
        return self.app.actions(self.user)

    def run(self, action):
        """Run an action that is offered."""
        assert action in self.offered()
        self.app.act(self.user, action).raise_for_status()
        self.sent.append(action)

    def answers(self):
        """Return the actions that the operator has answered, each with its answer."""
        handled = self.rollout.status.get("handledRequests", [])
        assert {one["by"] for one in handled} <= {"argocd"}
        return [(one["action"], one["answer"]) for one in handled]

    def all_were_carried_out(self):
        answers = self.answers()
        assert [action for action, _ in answers] == self.sent
        assert all(answer.startswith("Done: ") for _, answer in answers), answers

    def wait_for_health(self, status, message):
        """Wait until Argo CD shows this health, with a message that begins so."""

        def holds(_):
            found = self.app.health_of_the_resource(self.user)
            return found[0] == status and found[1].startswith(message)

        self.app.wait(holds, what=f"{status}: {message}")


def test_actions_lead_a_rollout_through_its_states(rollout, registry, application, argocd):
    run = registry.good
    app = application(rollout.namespace, rollout.resource(run, canary=LONG))
    on = Operation(app, rollout, argocd.log_in("admin"))
    fully = f"Promote {run} fully, without evidence"
    pause, abort = f"Pause the rollout of {run}", f"Abort: roll back {run}"
    rollout.wait_for_stage(0, seconds=90)
    on.wait_for_health("Progressing", f"{run} is being rolled out, in shadow. ")
    shadow = {"promote": "Promote to 10 %", "promote-full": fully, "pause": pause, "abort": abort}
    assert on.offered() == shadow

    on.run("pause")
    rollout.wait_for_reason("Paused")
    on.wait_for_health("Suspended", f"The rollout of {run} is paused in shadow: to go on, run the action resume. ")
    assert on.offered() == {"resume": f"Resume the rollout of {run}", "abort": abort}
    on.run("resume")
    rollout.wait_for_reason("RolloutProgressing")
    assert on.offered() == shadow
    on.run("promote")
    rollout.wait_for_stage(10)
    on.wait_for_health("Progressing", f"{run} is being rolled out, at 10 %. ")
    assert on.offered() == shadow | {"promote": "Promote to 100 %"}

    app.push(rollout.resource(run, canary=LONG, suspend=True))
    rollout.wait_for_reason("Suspended")
    hint = f"The rollout of {run} is suspended at 10 %: set spec.suspend to false in Git to go on. "
    on.wait_for_health("Suspended", hint)
    assert on.offered() == {"pause": pause, "abort": abort}
    app.push(rollout.resource(run, canary=LONG))
    rollout.wait_for_reason("RolloutProgressing")

    on.run("abort")
    rollout.wait_for_phase("RolledBack")
    on.wait_for_health("Degraded", f"{run} was rolled back: name another run in Git, or run the action retry. ")
    assert on.offered() == {"retry": f"Retry the rollout of {run}"}
    on.run("retry")
    rollout.wait_for_stage(0)
    assert on.offered() == shadow
    on.run("promote-full")
    rollout.wait_for_phase("Promoted")
    on.wait_for_health("Healthy", f"{run} is the stable run. ")
    assert on.offered() == {"undo": f"Undo: take {run} out of service"}
    on.run("undo")
    rollout.wait(lambda status: "stable" not in status, what="the end of the stable run")

    on.all_were_carried_out()
    app.compare_again()
    assert app.status()["sync"]["status"] == "Synced"
    assert (app.syncs(), app.out_of_sync(), rollout.get()["metadata"]["generation"]) == (3, [], 3), "Git's changes only"


def test_actions_approve_a_step_and_end_the_bake(rollout, registry, application, argocd):
    rollout.send(registry.traffic)
    run = registry.good
    last = {"percent": 100, "soak": "1s", "approval": "Manual"}
    canary = {"shadowSoak": "1s", "steps": [{"percent": 10, "soak": "1s"}, last]}
    app = application(rollout.namespace, rollout.resource(run, canary=canary, bake={"duration": "24h"}))
    on = Operation(app, rollout, argocd.log_in("admin"))
    rollout.wait_for_reason("AwaitingApproval", seconds=150)
    hint = "run the action promote to approve, abort to refuse. "
    on.wait_for_health("Suspended", f"{run} waits for approval at 10 %: {hint}")
    assert on.offered()["promote"] == "Promote to 100 %"
    on.run("promote")
    rollout.wait_for_phase("Baking")
    on.wait_for_health("Healthy", f"{run} bakes: to end the bake now, run the action promote. ")
    assert on.offered()["promote"] == "Promote: end the bake now"
    on.run("promote")
    rollout.wait_for_phase("Promoted")
    on.all_were_carried_out()
    assert (app.syncs(), app.out_of_sync(), rollout.get()["metadata"]["generation"]) == (1, [], 1)


def test_a_right_an_event_and_an_answer_for_each_action(rollout, registry, application, argocd):
    app = application(rollout.namespace, rollout.resource(registry.good, canary=LONG))
    rollout.wait_for_stage(0, seconds=90)
    app.wait_for_health("Progressing")
    admin, oncall = argocd.log_in("admin"), argocd.log_in("oncall")

    # What the page disables, another client may send: the operator ignores it, or Argo CD shows why not.
    refused = app.act(admin, "undo")
    assert refused.is_error
    assert "no run is stable; the rules serve all users" in refused.json()["message"]
    app.act(admin, "resume").raise_for_status()
    rollout.wait(lambda status: status.get("handledRequests"), what="an answer")
    (handled,) = rollout.status["handledRequests"]
    assert (handled["action"], handled["by"], handled["answer"][:9]) == ("resume", "argocd", "Ignored: ")

    assert app.act(oncall, "promote").status_code == httpx.codes.FORBIDDEN
    app.act(oncall, "abort").raise_for_status()
    rollout.wait_for_phase("RolledBack")
    assert any("requested by argocd" in one["message"] for one in rollout.status["history"])
    events = json.loads(argocd.installation.kubectl("get", "events", "-n", NAMESPACE, "-o", "json"))["items"]
    ran = {one["message"] for one in events if one["involvedObject"]["name"] == app.name and "ran" in one["message"]}
    action = f"on resource serin.dev/SuggestionModel/{rollout.name}"
    assert {f"admin ran action resume {action}", f"oncall ran action abort {action}"} <= ran
