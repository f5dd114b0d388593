"""The invariants of docs/contracts.md, checked against the truth that only the model knows."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from models.checks import Receiver
from models.holds import Holds
from models.nodes import Nodes
from models.parts import STABLE_PATIENCE, Broken, Operator, Pod, ProtocolRules

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import BEING_REPLACED, CandidateState, HistoryEntry, Status
from serin_core.contract.documents import CandidateRun
from serin_core.contract.routing import Route

BY_VERDICTS = {"GateFailed", "StageTimedOut", "NoDataTimedOut", "StepAdvanced", "BakeStarted", "Promoted", "AtCap"}
"""What happens by verdicts of gates, unless a user requests it."""


class Invariants(Nodes):
    """Raises Broken as soon as an invariant does not hold."""

    def __init__(self, first: SuggestionModelSpec, *, protocol_rules: ProtocolRules | None = None) -> None:
        self.by: list[str] = []
        self.promoted: dict[tuple[str, str], str] = {}
        self.trusted: list[str] = []
        self.holds = Holds()
        self.receiver = Receiver()
        self.commits: list[Status] = []
        self.timeouts: set[timedelta] = set()
        self.decided: set[tuple[str, str, str | None, float]] = set()
        self.configs: dict[tuple[str, int], set[tuple[Any, ...]]] = defaultdict(set)
        super().__init__(first, protocol_rules=protocol_rules)

    def create(self, first: SuggestionModelSpec) -> None:
        super().create(first)
        self.holds = Holds()

    def serve(self, pod: Pod) -> None:
        """A user sends a request to this pod: what serves it is checked, and counted under its stage."""
        if not pod.running or pod.is_lost or pod.document is None or pod.owner != self.uid:
            return
        chosen = self.protocol_rules.route(
            pod.document, loaded=pod.loaded, announced=pod.announced, unheard=pod.unheard(self.now)
        )
        document, status = pod.document, self.status
        text = document.text()
        if document.uid != self.uid:
            raise Broken("(a) a pod serves the routing of another resource")
        if text in self.hand_made:
            return
        if chosen.candidate is not None and chosen.percent > 0:
            self._check_candidate(pod, chosen, status)
        stable = chosen.stable
        if (
            stable is not None
            and stable.run in self.confirmed_rollbacks
            and pod.started_from >= document.revision != pod.started_from
        ):
            raise Broken(f"(b) {pod.name} serves {stable.run} as stable, whose rollback was confirmed")
        if document.candidate is not None:
            config = (
                document.candidate.run,
                document.candidate.digest,
                document.candidate.percent,
                document.candidate.thresholds.model_dump_json(),
                pod.template_hash,
            )
            self.configs[self.uid, document.stage].add(config)

    def _check_candidate(self, pod: Pod, chosen: Route, status: Status | None) -> None:
        document, candidate = chosen.document, chosen.document.candidate
        assert candidate is not None
        if pod.loaded.get(candidate.run) != candidate.digest:
            raise Broken(f"(a) {pod.name} serves other files of {candidate.run} than those that were accepted")
        if (self.uid, candidate.run, candidate.digest, candidate.percent) not in self.decided:
            raise Broken(f"(a) {candidate.run} at {candidate.percent:g} % was never decided")
        if candidate.run in self.confirmed_rollbacks:
            raise Broken(f"(b) {pod.name} serves {candidate.run}, whose rollback was confirmed")
        self._check_supervision(pod, candidate)
        rollout = None if status is None else status.rollout
        began = rollout is not None and rollout.state in (CandidateState.LOADING, CandidateState.RUNNING)
        if began and document.revision < self.drained_at:
            raise Broken(f"(a) {pod.name} serves revision {document.revision} of a rollout that is over")

    def _check_supervision(self, pod: Pod, candidate: CandidateRun) -> None:
        # A pod may not have read a shorter timeout yet; the longest of all is that of every routing.
        self.timeouts.add(self.spec.canary.supervision_timeout)
        own = candidate.supervision_seconds
        longest = max(self.timeouts) if own is None else timedelta(seconds=own)
        if timedelta() not in self.timeouts and self.now - self.asked[pod.uid] >= longest:
            raise Broken(f"(k) {pod.name} serves {candidate.run} although no operator has asked for {longest}")

    def commit(self, operator: Operator, status: Status) -> None:
        before = self.status
        self.status, self.object_version = status, self._bump()
        self.commits.append(status)
        self._check_forward(operator, before, status)
        self._check_trial(before, status)
        is_decided_by_evidence = len(status.history) == 0 or status.history[-1].event in (
            "StepAdvanced",
            "Promoted",
            "GateFailed",
        )
        self._check_evidence(before if is_decided_by_evidence and before is not None else status)
        new = status.history[len(before.history) if before is not None else 0 :] if len(status.history) < 20 else ()
        for entry in new:
            if entry.by != "operator":
                self._check_request(entry.by, before)
            self.holds.record(entry, status)
            self._check_counts(operator, entry, before)
        rollout, candidate = status.rollout, status.candidate
        if rollout is not None:
            self.decided.add((self.uid, rollout.run_id, rollout.digest, rollout.served_percent))
        if rollout is not None and rollout.state is CandidateState.DRAINING:
            self.confirmed_rollbacks.discard(rollout.run_id)
        was_draining = (
            before is not None and before.rollout is not None and before.rollout.state is CandidateState.DRAINING
        )
        if was_draining and rollout is not None and rollout.state is CandidateState.LOADING:
            self.drained_at = status.propagation.revision
        for run in (status.stable, status.previous):
            if run is not None and status.stable is run:
                self.confirmed_rollbacks.discard(run.run_id)
        if candidate is not None and candidate.state is CandidateState.ROLLED_BACK and status.propagation.confirmed:
            self.confirmed_rollbacks.add(candidate.run_id)

    def _check_forward(self, operator: Operator, before: Status | None, after: Status) -> None:
        was, now = (None if before is None else before.rollout), after.rollout
        started = now is not None and now.stage_started_at is not None and (was is None or was.stage_started_at is None)
        raised = was is not None and now is not None and was.run_id == now.run_id and now.percent > was.percent
        is_promoted = was is not None and after.stable is not None and after.stable.run_id == was.run_id
        promoted = (
            is_promoted
            and after.candidate is None
            and before is not None
            and (before.stable is None or before.stable.run_id != was.run_id)
        )
        if before is None or not (started or raised or promoted):
            return
        is_in_stage = was is not None and was.state is CandidateState.RUNNING
        if not started and was is not None and is_in_stage and was.template == BEING_REPLACED:
            raise Broken("(c) moved forward while pods were being replaced")
        is_restored = was is not None and was.skips_trial
        if raised and was is not None and now is not None and not is_restored:
            self.receiver.check_step(operator.truth["resource"], was, now.percent)
        if not started and not is_restored:
            self.holds.check_forward(before, after, operator.truth)
        judged = now if started else was
        digest = after.stable.digest if promoted and after.stable is not None else judged and judged.digest
        wanted = before.propagation
        ready = 0
        for name, running, document, loaded, is_ready, _deleting in operator.truth["pods"]:
            if running and (document is None or document.revision != wanted.revision or document.hash() != wanted.hash):
                raise Broken(f"(d) moved forward while {name} does not serve revision {wanted.revision}")
            if is_ready:
                ready += 1
                if judged is None or loaded.get(judged.run_id) != digest:
                    raise Broken(f"(d) moved forward while {name} has not loaded the run")
        if not ready:
            raise Broken("(d) moved forward without any ready pod")

    def _check_trial(self, before: Status | None, after: Status) -> None:
        """(l): a run becomes stable by a trial, or because it was stable and not rolled back since, or is trusted."""
        was, run = (None if before is None else before.rollout), after.stable
        if run is None or before is None or (before.stable is not None and before.stable.run_id == run.run_id):
            return
        if was is None or was.run_id != run.run_id or was.state is not CandidateState.RUNNING:
            known = self.promoted.get((self.uid, run.run_id))
            is_rejected = run.run_id in {rejected.run_id for rejected in before.rejected}
            is_trusted = any(value.split()[:1] == [run.run_id] for value in self.trusted)
            if (known is None and not is_trusted) or is_rejected:
                raise Broken(f"(l) {run.run_id} serves all users without a trial, and nothing says that it may")
            if known not in (None, run.digest):
                raise Broken(f"(l) {run.run_id} serves as {run.digest}, but was promoted as {known}")
        self.promoted[self.uid, run.run_id] = run.digest

    def _check_evidence(self, status: Status) -> None:
        rollout = status.rollout
        if rollout is None or rollout.stage is None or rollout.stage_started_at is None:
            return
        configs = self.configs[self.uid, rollout.stage]
        if rollout.template == BEING_REPLACED:
            # Pods of several templates serve the stage; nothing moves forward by it any more, see `_check_forward`.
            configs = {config[:-1] for config in configs}
        if len(configs) > 1:
            raise Broken(f"(c) the evidence of stage {rollout.stage} mixes decisions of {sorted(map(str, configs))}")

    def _check_counts(self, operator: Operator, entry: HistoryEntry, before: Status | None) -> None:
        """(c): verdicts are acted on only at a check with new counts; promote-full skips all but the bake's."""
        rollout = None if before is None else before.rollout
        is_skipped = rollout is not None and rollout.promote_full and rollout.bake is None
        if entry.by != "operator" or entry.event not in BY_VERDICTS or is_skipped:
            return
        if not operator.truth["has_new_counts"]:
            raise Broken(f"(c) {entry.event} by counts of an earlier check: {entry.message}")

    def _check_request(self, by: str, before: Status | None) -> None:
        key = f"{self.uid} {by}"
        if key in self.by:
            raise Broken(f"(g) {by!r} acted twice")
        self.by.append(key)
        action, run, *rest = by.split()
        if action == "trust":
            self.trusted.append(by.partition(" ")[2])
        if action == "forget-pod":
            return  # names a pod, not a run
        run_of = {"undo": before and before.stable, "abort": before and before.rollout}
        named = run_of.get(action, before and before.candidate)
        if action == "trust":
            if before is None or before.stable is not None:
                raise Broken(f"(g) {by!r} acted although a run was stable")
            return
        if action == "restore":
            if before is None or run not in {one.run_id for one in (*before.earlier, before.previous) if one}:
                raise Broken(f"(g) {by!r} restored a run that was never promoted")
            return
        if named is None or named.run_id != run:
            raise Broken(f"(g) {by!r} acted on another run")
        rollout = None if before is None else before.rollout
        if action == "promote" and rollout is not None:
            stage = "bake" if rollout.bake else f"{rollout.percent:g}"
            if rest[0] != stage:
                raise Broken(f"(g) {by!r} acted in the stage {stage}")

    def check(self) -> None:
        """Every pod serves a request; the invariants hold."""
        for pod in list(self.pods.values()):
            self.serve(pod)
            is_patient = self.now - pod.started_at < STABLE_PATIENCE
            if pod.owner == self.uid and pod.is_ready(self.now) and not pod.serves_stable and is_patient:
                raise Broken(f"(f) {pod.name} is ready without the stable run")
