"""A small model of an API server, kubelets, server pods and two operators, for tests of the protocol.

Everything that may happen is one step. The operators run the real `decide`; the pods run the real `admit` and `route`.
The invariants are checked after every step. A protocol with one rule removed must lead to a `Broken` invariant.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from models import checks
from models.caches import view_of
from models.holds import check_rollback
from models.invariants import Invariants
from models.parts import NAME, Broken, Conflict, Operator, Pod, ProtocolRules

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import ProcessCounts
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.contract import names
from serin_core.contract.documents import DocumentError, RoutingDocument
from serin_core.contract.pod_report import (
    ClassCoverage,
    Coverage,
    LoadState,
    PodReport,
    RunOnPod,
    RunQuality,
    SupervisionReport,
)
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import Reading, StageCounts
from serin_core.kubernetes import pod_template
from serin_core.kubernetes.inputs import RulesMissing, RulesText, ServerImage
from serin_core.rollout.decide import Decision, decide
from serin_core.rollout.destinations import DestinationsSeen
from serin_core.rollout.observation import NOT_ASKED, ChildSeen, NoAnswer, Observed, PodSeen, RoutingSeen, is_owned_by
from serin_core.rollout.unwritten_counts import Kept
from serin_core.rollout.writes import PutStatus


class World(Invariants):
    """A cluster with two operators, as one mutable object that changes step by step."""

    def __init__(self, first: SuggestionModelSpec, *, protocol_rules: ProtocolRules | None = None) -> None:
        dining = ClassCoverage(share=1, by_threshold={"0.70": Coverage(coverage=0.9, precision=0.9)})
        self.quality = RunQuality(f1_macro=0.9, f1_min=0.8, coverage={"Dining": dining})
        self.verdict = "pass"
        self.more = 0.0
        """Good events that have been counted besides."""
        self.has_arrived: Callable[[], bool] = lambda: True
        self.query_results: dict[str, float | Unreadable] = {}
        self.rules = ""
        self.problem: ServerImage | RulesMissing | None = None
        self.destinations = DestinationsSeen()
        self.freezes = ()
        self.keys: tuple[str, ...] = ()
        """Keys with which the operators sign routing that they send to pods, the current one first; () without."""
        self.sent: list[tuple[str, str]] = []
        """Every routing that was ever sent to a pod, and its key: anybody on the network may send it again."""
        self.operators = [Operator("one"), Operator("two")]
        super().__init__(first, protocol_rules=protocol_rules)

    def gather(self, operator: Operator, *, from_cache: bool = False) -> None:
        """First half of a pass: the object and its children, directly or as its cache has them."""
        self._drop(operator)
        is_cached = from_cache and operator.view is not None
        view = operator.view if is_cached else view_of(self)
        operator.resource = view.resource if operator.kept is None else operator.kept.over(view.resource)
        operator.rules = view.rules
        operator.pods = list(view.pods.values()) if is_cached else None
        operator.children = {}
        operator.routing = None
        for key, child in view.children.items():
            is_ours = is_owned_by(child, view.resource.uid)
            if key == self.routing_key:
                text = child["data"][names.ROUTING_KEY]
                try:
                    document = RoutingDocument.parse(text)
                except DocumentError:
                    document = None
                operator.routing = RoutingSeen(
                    resource_version=child["metadata"]["resourceVersion"],
                    document=document,
                    is_ours=is_ours or self.protocol_rules.adopts(child, view.resource.uid, document),
                    has_owner=bool(child["metadata"]["ownerReferences"]),
                )
            else:
                operator.children[key] = ChildSeen(live=copy.deepcopy(child), is_ours=is_ours)

    def decide(self, operator: Operator) -> None:
        """Second half: the pods, Prometheus, and the decision."""
        resource = operator.resource
        if resource is None:
            return
        pods = [pod for pod in self.pods.values() if pod.owner == resource.uid]
        seen = pods if operator.pods is None else [pod for pod in operator.pods if pod.owner == resource.uid]
        asked, taken = {pod.uid for pod in seen}, set()
        for pod in (pod for pod in pods if pod.uid in asked):
            if pod.running and not pod.is_cut_off:
                pod.hear(self.now)
                self.asked[pod.uid] = self.now
                if self._push(operator, resource, pod):
                    taken.add(pod.uid)
        operator.truth = {
            "pods": [
                (pod.name, pod.running, pod.document, dict(pod.loaded), pod.is_ready(self.now), pod.deleting)
                for pod in pods
            ],
            "before": resource.status,
            "resource": resource,
            "now": self.now,
            "freezes": self.freezes,
            "has_new_counts": self.has_arrived(),
        }
        observed = Observed(
            image=self._image(operator, resource),
            rules=self.problem if isinstance(self.problem, RulesMissing) else RulesText(operator.rules),
            routing=operator.routing,
            children=operator.children,
            pods=tuple(replace(self._seen(pod), is_pushed=pod.uid in taken) for pod in seen),
            reading=self._reading(resource),
            has_new_reading=operator.truth["has_new_counts"],
            queries=dict(self.query_results),
            destinations=self.destinations,
            freezes=self.freezes,
        )
        observed = replace(
            observed, check_answers=tuple(operator.answers), check_endpoints=frozenset({checks.ENDPOINT})
        )
        decision = decide(
            resource, observed, self.now, protocol=self.protocol_rules.protocol, table=self.protocol_rules.table
        )
        operator.resource = None
        if operator.pods is not None and self.protocol_rules.needs_direct_reads(
            resource.status, decision, decision.writes
        ):
            self.gather(operator)
            return
        check_rollback(resource, observed, decision, self.protocol_rules, now=self.now)
        operator.decision = decision
        if not any(isinstance(write, PutStatus) for write in decision.writes):
            operator.kept = Kept.of(resource, decision.status, decision.unwritten)
        operator.pending = [
            write for write in self.protocol_rules.order(decision.writes) if self.protocol_rules.keeps(write)
        ]
        if not operator.pending:
            self._call(operator)

    def _image(self, operator: Operator, resource: Resource) -> ServerImage:
        if isinstance(self.problem, ServerImage):
            return self.problem
        live = operator.children.get(("Deployment", NAME))
        key = pod_template.chosen_routing_key(self.keys, None if live is None else live.live)
        return ServerImage(resource.spec.server.image or "serin-server:test", routing_key=key)

    def _push(self, operator: Operator, resource: Resource, pod: Pod) -> bool:
        """Send the routing with the request for the report, signed with the pod's key; return whether it was taken."""
        document = self.protocol_rules.pushable(resource, operator.routing)
        if document is None or pod.is_lost or pod.key not in self.keys:
            return False
        if document.text() in self.hand_made:
            raise Broken("(a) an operator has signed a routing that none has decided")
        self.sent.append((document.text(), pod.key))
        return self.receive(pod, document.text(), key=pod.key)

    def _call(self, operator: Operator) -> None:
        """Send the requests of a pass, once it has written everything, unless they are on their way."""
        known = {(call.id, call.number) for call in operator.in_flight}
        known |= {(answer.id, answer.number) for answer in operator.answers}
        calls = () if operator.decision is None else operator.decision.calls
        operator.in_flight += [call for call in calls if (call.id, call.number) not in known]

    def write(self, operator: Operator) -> None:
        """One write of the pass; a conflict ends it."""
        if not operator.pending:
            return
        write = operator.pending.pop(0)
        try:
            self.perform(operator, write)
        except Conflict:
            self._drop(operator)
        else:
            operator.kept = None if isinstance(write, PutStatus) else operator.kept
        if not operator.pending:
            self._call(operator)

    def crash(self, operator: Operator) -> None:
        """kill -9 at this very instant."""
        self._drop(operator)
        operator.resource = operator.kept = None

    def restart_operator(self, operator: Operator) -> None:
        """Its process starts again: it has forgotten what it asked the endpoints of checks."""
        self.crash(operator)
        operator.in_flight, operator.answers = [], []

    def _drop(self, operator: Operator) -> None:
        operator.pending, operator.decision = [], None

    def _reading(self, resource: Resource) -> Reading:
        rollout = resource.status.rollout if resource.status is not None else None
        if rollout is None or rollout.stage_started_at is None:
            return NOT_ASKED
        if self.verdict == "silent":
            return Unreadable("NoData", "nothing")
        good, total = {
            "pass": (1000.0, 1000.0),
            "fail": (0.0, 1000.0),
            "harm": (1000.0, 101000.0),  # after counts that passed
            "unsure": (1.0, 1.0),
            "doubtful": (0.0, 1.0),
        }[self.verdict]
        good, total = good + self.more, total + self.more
        found = {gate.value: {"p": ProcessCounts(good=good, total=total)} for gate in GateName}
        low = {"p": ProcessCounts(good=total - good, total=total)}
        return StageCounts(found | {GateName.LOW_CONFIDENCE.value: low, GateName.FALLBACK.value: low})

    def _seen(self, pod: Pod) -> PodSeen:
        annotated = pod.annotations.get(names.ANNOTATION_REVISION)
        return PodSeen(
            name=pod.name,
            uid=pod.uid,
            template=pod.template_hash,
            runs=tuple(filter(None, pod.template["metadata"]["annotations"][names.ANNOTATION_RUNS].split(","))),
            report=self._report(next((one for one in self.pods.values() if one.uid == pod.uid), None)),
            ready=pod.is_ready(self.now),
            deleting=pod.deleting,
            started=pod.running or pod.restarts > 0,
            running_since=self._running_since(pod),
            node=f"node-of-{pod.name}",
            address="10.0.0.1",
            node_state=pod.node_state,
            gone_by=pod.gone_by,
            problem="" if pod.running or not self.is_full else "a pod cannot be placed: no node has room",
            announced=annotated,
            poke=pod.annotations.get(names.ANNOTATION_POKE, ""),
            crashes=tuple(pod.crashes),
        )

    def _running_since(self, pod: Pod) -> datetime | None:
        """Return the start of its container; the status of a pod stays as it was when its node was lost."""
        return pod.started_at if pod.running or (pod.is_lost and pod.restarts > 0) else None

    def _report(self, pod: Pod | None) -> PodReport | NoAnswer:
        if pod is None or not pod.running or pod.is_lost or pod.is_cut_off or pod.mounted_model is None:
            return NoAnswer("no answer")
        runs = [
            RunOnPod(run=run, state=LoadState.LOADED, digest=digest, quality=self.quality)
            for run, digest in pod.loaded.items()
        ]
        runs += [RunOnPod(run=run, state=LoadState.REFUSED, reason=why) for run, why in pod.refused.items()]
        runs += [
            RunOnPod(
                run=run,
                state=LoadState.LOADING,
                absent=not self.away,
                reason=self.away or f"{run} is not in the registry /registry",
            )
            for run in sorted(pod.absent)
        ]
        return PodReport(
            uid=pod.owner,
            process=f"{pod.name}-{pod.restarts}",
            revision=-1 if pod.document is None else pod.document.revision,
            hash="" if pod.document is None else pod.document.hash(),
            runs=tuple(runs),
            supervision=SupervisionReport(lapsed_seconds=pod.lapsed),
        )

    def tick(self, seconds: float = 0.5) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def whole_pass(self, operator: Operator, *, from_cache: bool = False) -> Decision | None:
        """One pass of one operator without any interruption, after the answer to a check."""
        self.receiver.answer(operator, self.now)
        self.gather(operator, from_cache=from_cache)
        while operator.resource is not None:
            self.decide(operator)
        decision = operator.decision
        while operator.pending:
            self.write(operator)
            self.check()
        return decision

    def kubelets(self) -> None:
        """Everything that the nodes do, once."""
        for pod in list(self.pods.values()):
            self.refresh(pod)
            self.start(pod)
            self.load(pod)
            self.read(pod)
        self.roll()
        self.finish_deletions()
        self.check()

    def settle(
        self, *, rounds: int = 120, until: Callable[["World"], bool] | None = None, from_cache: bool = False
    ) -> None:
        """Run one operator fairly until `until` holds, for at most `rounds` rounds; a cache has everything by then."""
        for _ in range(rounds):
            if until is not None and until(self):
                return
            self.operators[0].view = view_of(self) if from_cache else None
            self.whole_pass(self.operators[0], from_cache=from_cache)
            self.kubelets()
            self.tick()

    def assert_ended(self) -> None:
        """(e): after fair running the rollout has come to its end, and every pod serves it."""
        status = self.status
        if status is None:
            raise Broken("(e) no status was ever written")
        ends = {"pass": ("Promoted", "AtCap"), "fail": ("RolledBack", "Promoted", "Baking")}.get(self.verdict)
        ends = (*(ends or ()), "RolledBack", "Refused", "Stopped")
        if status.phase not in ends:
            raise Broken(f"(e) it ended as {status.phase}, not as one of {ends}")
        for pod in self.pods.values():
            if pod.owner == self.uid and pod.running:
                document = pod.document
                if document is None or document.hash() != status.propagation.hash:
                    raise Broken(f"(e) {pod.name} does not serve the routing that was decided")
