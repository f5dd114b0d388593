"""The protocol under everything that may happen, in any order: the invariants hold in every state.

Hypothesis picks the steps: passes of two operators cut anywhere, on reads of any age, late and lost routing, restarts,
hand edits, edits and requests during a rollout, re-creation. At the end of each run everything is undisturbed, and it
must come to its end (e).
"""

from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from models.caches import notice
from models.checks import ENDPOINT
from models.parts import spec
from models.world import World

from serin_core.api.check_status import CheckVerdict
from serin_core.api.gates import Gates
from serin_core.api.spec import SuggestionModelSpec
from serin_core.rollout.holds import Freeze

RUNS = [f"run_{letter * 8}_1" for letter in "abc"]
DIGESTS = {run: "sha256:" + run[4] * 64 for run in RUNS}
STEPS = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]
SERVER = {"replicas": 2, "token": {"secretName": "token"}}
pods = st.integers(0, 5)
operators = st.integers(0, 1)


class Rollout(RuleBasedStateMachine):
    """One SuggestionModel, its pods, and two operators that both believe they lead."""

    @initialize(run=st.sampled_from(RUNS), keys=st.sampled_from([(), ("key-1",)]))
    def begin(self, run, keys):
        # Short, so that pods fall back now and then.
        canary = {"shadowSoak": "1s", "supervisionTimeout": "1m", "steps": STEPS}
        self.world = World(spec(run, canary=canary))
        self.world.registry, self.world.keys = dict(DIGESTS), keys
        self.saved: list[str] = []
        self.asked = 0

    def pod(self, index):
        found = sorted(self.world.pods)
        return self.world.pods[found[index % len(found)]] if found else None

    @rule(who=operators, from_cache=st.booleans())
    def gathers(self, who, from_cache):
        self.world.gather(self.world.operators[who], from_cache=from_cache)

    @rule(who=operators, number=st.integers(0, 11))
    def event_arrives(self, who, number):
        notice(self.world, self.world.operators[who], number)

    @rule(who=operators)
    def decides(self, who):
        self.world.decide(self.world.operators[who])

    @rule(who=operators)
    def writes(self, who):
        self.world.write(self.world.operators[who])
        self.world.check()

    @rule(who=operators)
    def crashes(self, who):
        self.world.crash(self.world.operators[who])

    @rule(who=operators, rounds=st.integers(1, 6), from_cache=st.booleans())
    def works_undisturbed(self, who, rounds, from_cache):
        for _ in range(rounds):
            self.world.whole_pass(self.world.operators[who], from_cache=from_cache)
            self.world.kubelets()
            self.world.tick()

    @rule(who=operators, from_cache=st.booleans())
    def passes_without_kubelets(self, who, from_cache):
        self.world.whole_pass(self.world.operators[who], from_cache=from_cache)

    @rule()
    def rolls(self):
        self.world.roll()
        self.world.check()

    @rule()
    def deletions_finish(self):
        self.world.finish_deletions()

    @rule(index=pods)
    def kubelet_refreshes(self, index):
        if pod := self.pod(index):
            self.world.refresh(pod)
            self.world.check()

    @rule(index=pods)
    def pod_reads(self, index):
        if pod := self.pod(index):
            self.world.read(pod)
            self.world.check()

    @rule(index=pods, which=st.integers(0, 30))
    def push_is_sent_again(self, index, which):
        if (pod := self.pod(index)) and self.world.sent:
            text, key = self.world.sent[-1 - which % len(self.world.sent)]
            self.world.receive(pod, text, key=key)
            self.world.check()

    @rule(index=pods, percent=st.sampled_from([0, 100]), step=st.sampled_from([0, 1, 2_000_000]))
    def push_is_forged(self, index, percent, step):
        if (pod := self.pod(index)) and pod.document is not None and pod.document.candidate is not None:
            candidate = pod.document.candidate.model_copy(update={"percent": percent})
            forged = pod.document.model_copy(
                update={"candidate": candidate, "revision": pod.document.revision + step, "uid": self.world.uid}
            )
            self.world.receive(pod, forged.text(), key="forged")
            self.world.check()

    @rule(keys=st.sampled_from([("key-1",), ("key-2", "key-1"), ("key-2",), ()]))
    def keys_change(self, keys):
        self.world.keys = keys

    @rule(index=pods, older=st.booleans())
    def server_is_older(self, index, older):
        if pod := self.pod(index):
            pod.is_older = older

    @rule(index=pods, stale=st.booleans())
    def pod_starts(self, index, stale):
        if pod := self.pod(index):
            self.world.start(pod, mount=self.saved[-1] if stale and self.saved else None)
            self.world.check()

    @rule(index=pods)
    def pod_loads(self, index):
        if pod := self.pod(index):
            self.world.load(pod)
            self.world.check()

    @rule(index=pods, badly=st.booleans())
    def pod_restarts(self, index, badly):
        if pod := self.pod(index):
            self.world.restart(pod, badly=badly)

    @rule()
    def routing_is_remembered(self):
        if text := self.world.routing_text():
            self.saved.append(text)

    @rule(percent=st.sampled_from([10, 100]))
    def routing_is_edited(self, percent):
        text = self.world.routing_text()
        if text and '"candidate":null' not in text:
            import json  # noqa: PLC0415 - the one place that needs it

            candidate = json.loads(text)["candidate"] | {"percent": percent}
            self.world.edit_routing(candidate=candidate)

    @rule(index=st.integers(0, 9))
    def old_routing_is_applied(self, index):
        if self.saved and self.world.routing_text():
            self.world.put_old_routing(self.saved[index % len(self.saved)])

    @rule()
    def routing_is_deleted(self):
        self.world.delete_routing()

    @rule(
        run=st.sampled_from(RUNS),
        cap=st.sampled_from([100, 100, 50, 0]),
        floor=st.sampled_from([0.7, 0.8]),
        timeout=st.sampled_from(["1m", "1m", "2m"]),
    )
    def spec_is_edited(self, run, cap, floor, timeout):
        canary = {"percent": cap, "shadowSoak": "1s", "supervisionTimeout": timeout, "steps": STEPS}
        self.world.edit(spec(run, canary=canary, thresholds={"default": floor}))

    @rule(
        changes=st.sampled_from(
            [
                {"rollback": {"to": "Rules"}},
                {"rollback": {"to": "Stable"}},
                {"suspend": True},
                {"suspend": False},
                {"digest": "sha256:" + "f" * 64},
                {"digest": None},
                {"registry": {"uri": "/elsewhere"}},
                {"registry": {"uri": "/registry"}},
                {"server": SERVER | {"resources": {"requests": {"cpu": "1m"}}}},
                {"server": SERVER | {"image": "serin-server:other"}},
                {"server": SERVER},
                {"bake": {"duration": "5s", "holdback": 5}},
                {"bake": {"duration": "10s", "holdback": 50}},
                {"bake": {}},
                {"gates": {"checks": [{"name": "smoke", "endpoint": "ci"}]}},
                {"gates": {"checks": [{"name": "smoke", "endpoint": "ci", "before": [50]}]}},
                {"gates": {"checks": [{"name": "smoke", "endpoint": "other"}]}},
                {"gates": {}},
            ]
        )
    )
    def one_field_is_edited(self, changes):
        present = self.world.spec.model_dump(mode="json", exclude_none=True)
        self.world.edit(SuggestionModelSpec.model_validate(present | changes))

    @rule(
        changes=st.sampled_from(
            [
                {"approval": "Manual"},
                {"approval": "Automatic"},
                {"windows": [{"from": "00:01", "to": "00:05"}]},
                {"windows": []},
                {"steps": [{"percent": 10, "soak": "1s"}, {"percent": 100, "soak": "1s", "approval": "Manual"}]},
            ]
        )
    )
    def holds_are_edited(self, changes):
        present = self.world.spec.model_dump(mode="json", exclude_none=True)
        changed = present | {"canary": present["canary"] | changes}
        self.world.edit(SuggestionModelSpec.model_validate(changed))

    @rule(replicas=st.sampled_from([None, None, 1, 3]))
    def replicas_are_edited(self, replicas):
        server = self.world.spec.server.model_copy(update={"replicas": replicas})
        self.world.edit(self.world.spec.model_copy(update={"server": server}))

    @rule(replicas=st.integers(1, 3))
    def deployment_is_scaled(self, replicas):
        self.world.scale(replicas)

    @rule(minutes=st.sampled_from([0, 1, 60]))
    def freeze_is_configured(self, minutes):
        now = self.world.now
        self.world.freezes = (Freeze(now, now + timedelta(minutes=minutes), "year end"),)

    @rule(index=pods, stuck=st.booleans())
    def kubelet_is_stuck(self, index, stuck):
        if pod := self.pod(index):
            pod.is_stuck = stuck

    @rule(index=pods, cut_off=st.booleans())
    def pod_is_cut_off(self, index, cut_off):
        if pod := self.pod(index):
            pod.is_cut_off = cut_off

    @rule(index=pods, dead=st.booleans())
    def node_is_lost(self, index, dead):
        if (pod := self.pod(index)) and not pod.is_lost:
            self.world.lose_node(pod, is_dead=dead)

    @rule(index=pods)
    def lost_pod_is_evicted(self, index):
        if (pod := self.pod(index)) and pod.is_lost:
            self.world.evict_from_lost_node(pod)

    @rule(index=pods)
    def pod_is_declared_dead(self, index):
        if pod := self.pod(index):
            self.asked += 1
            self.world.request("forget-pod", f"{pod.name} {pod.uid} no. {self.asked}")

    @rule(index=pods)
    def node_returns(self, index):
        if pod := self.pod(index):
            self.world.return_node(pod)
            self.world.check()

    @rule(full=st.booleans(), guarded=st.booleans())
    def cluster_changes(self, full, guarded):
        self.world.is_full, self.world.is_guarded = full, guarded

    @rule(text=st.sampled_from(["", "one", "two"]))
    def rules_are_edited(self, text):
        self.world.rules = text

    @rule(
        action=st.sampled_from(["promote", "promote-full", "pause", "resume", "abort", "undo", "retry", "trust"]),
        run=st.sampled_from(RUNS),
        stage=st.sampled_from([0, 10, 50, 100, "bake"]),
    )
    def user_requests(self, action, run, stage):
        self.asked += 1
        words = [run, str(stage)] if action == "promote" else [run]
        self.world.request(action, " ".join([*words, f"no. {self.asked}"]))

    @rule(verdict=st.sampled_from(["pass", "pass", "fail", "harm", "unsure", "silent"]))
    def evidence_turns(self, verdict):
        self.world.verdict = verdict

    @rule(more=st.integers(1, 50))
    def requests_are_counted(self, more):
        self.world.more += more

    @rule(have_arrived=st.booleans())
    def counts_arrive(self, have_arrived):
        self.world.has_arrived = lambda: have_arrived

    @rule(verdict=st.sampled_from([*CheckVerdict, None]), is_silent=st.booleans())
    def endpoint_turns(self, verdict, is_silent):
        self.world.receiver.verdict, self.world.receiver.is_silent = verdict, is_silent

    @rule(who=operators)
    def endpoint_answers(self, who):
        self.world.receiver.answer(self.world.operators[who], self.world.now)

    @rule(who=operators)
    def operator_restarts(self, who):
        self.world.restart_operator(self.world.operators[who])

    @rule(run=st.sampled_from(RUNS))
    def files_change(self, run):
        self.world.registry[run] = "sha256:" + "f" * 64

    @rule(run=st.sampled_from(RUNS))
    def files_are_absent(self, run):
        self.world.registry.pop(run, None)

    @rule(run=st.sampled_from(RUNS))
    def files_are_back(self, run):
        self.world.registry[run] = DIGESTS[run]

    @rule()
    def object_is_recreated(self):
        self.world.recreate()

    @rule()
    def garbage_is_collected(self):
        self.world.collect_garbage()

    @rule(seconds=st.sampled_from([0.5, 5, 60]))
    def time_passes(self, seconds):
        self.world.tick(seconds)

    def teardown(self):
        world = getattr(self, "world", None)
        if world is None:
            return
        world.registry = dict(DIGESTS)
        world.verdict, world.has_arrived = "pass", lambda: True
        world.receiver.verdict, world.receiver.is_silent = CheckVerdict.PASS, False
        world.tick(300)
        if any(check.endpoint != ENDPOINT for check in world.spec.gates.checks):
            world.edit(world.spec.model_copy(update={"gates": Gates()}))
        world.is_full = world.is_guarded = False
        for pod in world.pods.values():
            pod.is_stuck = pod.is_cut_off = False
            world.return_node(pod)
        world.freezes = ()
        steps = tuple(step.model_copy(update={"approval": None}) for step in world.spec.canary.steps)
        free = world.spec.canary.model_copy(update={"approval": "Automatic", "windows": (), "steps": steps})
        world.edit(world.spec.model_copy(update={"suspend": False, "canary": free}))
        world.collect_garbage()
        for operator in world.operators:
            world.crash(operator)
        world.annotations = {}
        rollout = world.status and world.status.rollout
        if rollout is not None and rollout.pause is not None:
            world.request("resume", f"{rollout.run_id} at the end")
        world.settle(rounds=400, until=lambda world: world.status is not None and is_over(world), from_cache=True)
        world.assert_ended()


def is_over(world):
    """Nothing is under way any more."""
    phases = ("Promoted", "AtCap", "RolledBack", "Refused", "Stopped")
    return world.status.phase in phases and world.status.propagation.confirmed


TestRollout = Rollout.TestCase
TestRollout.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
