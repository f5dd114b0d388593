"""A small model of an API server, kubelets, server pods and two operators, for the protocol's tests.

Everything that may happen is one step. The operators run the real `decide`; the pods run the real `admit` and
`route`. After every step the invariants (a) to (g) of contracts.md are checked against the truth, which only the
model knows. A `Sentences` with one sentence taken out must lead to a `Broken` invariant.
"""

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from serin_core.api.gates import GateName
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import BEING_REPLACED, Crash, ProcessCounts, Status, TrialState
from serin_core.contract import names
from serin_core.contract.documents import DocumentError, ModelDocument, RoutingDocument
from serin_core.contract.pod_report import LoadState, PodReport, RunOnPod, RunQuality
from serin_core.contract.routing import Ignored, Route, admit, route
from serin_core.counting import Reading, StageCounts, Unreadable
from serin_core.model.report import ClassCoverage, Coverage
from serin_core.rollout.decide import Decision, decide
from serin_core.rollout.observation import (
    ChildSeen,
    NoAnswer,
    Observed,
    PodSeen,
    Resource,
    RoutingSeen,
    RulesMissing,
    RulesText,
    ServerImage,
)
from serin_core.rollout.protocol import PROTOCOL, Protocol
from serin_core.rollout.table import TABLE, Row
from serin_core.rollout.writes import (
    AnnotatePod,
    ApplyChild,
    CreateChild,
    DeleteChild,
    PutStatus,
    RemovePod,
    Write,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "categories"
STABLE_PATIENCE = timedelta(minutes=5)
"""How long a server that cannot load the stable run is not ready (contracts, 2.5)."""


class Broken(AssertionError):  # noqa: N818 - it is what the tests look for, not an error of the model
    """An invariant does not hold."""


class Conflict(Exception):  # noqa: N818 - the API server's own word
    """A write carried a resourceVersion that is not the present one."""


@dataclass(frozen=True)
class Sentences:
    """The protocol, sentence by sentence; each field can be replaced to take one out."""

    protocol: Protocol = PROTOCOL
    admit: Callable[..., Ignored | None] = admit
    route: Callable[..., Route] = route
    order: Callable[[tuple[Write, ...]], tuple[Write, ...]] = lambda writes: writes
    keeps: Callable[[Write], bool] = lambda _write: True
    checks_versions: bool = True
    table: tuple[Row, ...] = TABLE
    keeps_seen: bool = True
    """Whether the highest revision seen outlives the container (an emptyDir)."""


@dataclass
class Pod:
    """One pod: its API object, its kubelet's view, and its process."""

    name: str
    uid: str
    owner: str
    template: dict[str, Any]
    model: str
    version: int
    annotations: dict[str, str] = field(default_factory=dict)
    deleting: bool = False
    mount: str | None = None
    announced: int | None = None
    mounted_model: ModelDocument | None = None
    seen: int = 0
    """Kept on the emptyDir: the highest revision ever served."""
    running: bool = False
    document: RoutingDocument | None = None
    loaded: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    crashes: list[Crash] = field(default_factory=list)
    is_stuck: bool = False
    """Its kubelet never refreshes the volume again."""
    is_cut_off: bool = False
    """It does not answer the operator."""
    started_at: datetime = START
    started_from: int = -1
    """The revision in the mount when the process started."""

    @property
    def template_hash(self) -> str:
        return str(self.template["metadata"]["annotations"][names.ANNOTATION_TEMPLATE])

    def is_ready(self, now: datetime) -> bool:
        """What the server's /readyz says: for five minutes it waits for a stable run that it cannot load."""
        if not self.running or self.document is None or self.mounted_model is None:
            return False
        settled = all(run.run in self.loaded or run.run in self.refused for run in self.mounted_model.runs)
        return settled and (self.serves_stable or now - self.started_at >= STABLE_PATIENCE)

    @property
    def serves_stable(self) -> bool:
        """Whether the stable run of its routing, if there is one, is loaded here."""
        stable = None if self.document is None else self.document.stable
        return stable is None or self.loaded.get(stable.run) == stable.digest


@dataclass
class Operator:
    """One operator process: what it gathered, and the writes that it still has to do."""

    name: str
    resource: Resource | None = None
    children: dict[tuple[str, str], ChildSeen] = field(default_factory=dict)
    routing: RoutingSeen | None = None
    pending: list[Write] = field(default_factory=list)
    decision: Decision | None = None
    truth: dict[str, Any] = field(default_factory=dict)


def spec(run: str, **changes: Any) -> SuggestionModelSpec:
    """A spec of short soaks; `changes` are merged at the top."""
    body: dict[str, Any] = {
        "runID": run,
        "server": {"replicas": 2, "token": {"secretName": "token"}},
        "canary": {
            "shadowSoak": "1s",
            "steps": [{"percent": 10, "soak": "1s"}, {"percent": 50, "soak": "1s"}, {"percent": 100, "soak": "1s"}],
        },
        "analysis": {"interval": "1s"},
    }
    return SuggestionModelSpec.model_validate(body | changes)


class World:
    """The whole, as one mutable thing that steps."""

    def __init__(self, first: SuggestionModelSpec, *, sentences: Sentences | None = None) -> None:
        self.sentences = sentences or Sentences()
        self.now = START
        self.version = 0
        self.uids = 0
        self.registry: dict[str, str] = {}
        dining = ClassCoverage(share=1, by_threshold={"0.70": Coverage(coverage=0.9, precision=0.9)})
        self.quality = RunQuality(f1_macro=0.9, f1_min=0.8, coverage={"Dining": dining})
        self.verdict = "pass"
        self.rules = ""
        self.problem: ServerImage | RulesMissing | None = None
        self.is_full = False
        """No node has room: pods that never ran do not start."""
        self.is_guarded = False
        """The PodDisruptionBudget grants no eviction."""
        self.pods: dict[str, Pod] = {}
        self.children: dict[tuple[str, str], dict[str, Any]] = {}
        self.operators = [Operator("one"), Operator("two")]
        self.by: list[str] = []
        self.commits: list[Status] = []
        self.decided: set[tuple[str, str, str | None, float]] = set()
        self.hand_made: set[str] = set()
        self.confirmed_rollbacks: set[str] = set()
        self.configs: dict[tuple[str, int], set[tuple[Any, ...]]] = defaultdict(set)
        self.drained_at: int = 0
        self.create(first)

    # ------------------------------------------------------------------------------------------- the API server

    def _bump(self) -> int:
        self.version += 1
        return self.version

    def create(self, first: SuggestionModelSpec) -> None:
        """A SuggestionModel of this name, with a new uid and no status."""
        self.uids += 1
        self.uid = f"uid-{self.uids}"
        self.spec, self.status, self.annotations = first, None, {}
        self.generation, self.object_version = 1, self._bump()
        self.confirmed_rollbacks, self.drained_at = set(), 0

    def edit(self, wanted: SuggestionModelSpec) -> None:
        """A person edits the spec."""
        self.spec, self.generation, self.object_version = wanted, self.generation + 1, self._bump()

    def request(self, action: str, value: str) -> None:
        """A person asks."""
        self.annotations = self.annotations | {names.REQUEST_PREFIX + action: value}
        self.object_version = self._bump()

    def recreate(self) -> None:
        """A person deletes the object and makes it again; its children are collected later."""
        self.create(self.spec)

    def collect_garbage(self) -> None:
        """Children and pods whose owner is gone go."""
        for key, child in list(self.children.items()):
            if child["metadata"]["ownerReferences"][0]["uid"] != self.uid:
                del self.children[key]
        for pod in list(self.pods.values()):
            if pod.owner != self.uid:
                del self.pods[pod.name]

    @property
    def routing_key(self) -> tuple[str, str]:
        return ("ConfigMap", f"{NAME}-routing")

    def routing_text(self) -> str | None:
        child = self.children.get(self.routing_key)
        return None if child is None else child["data"][names.ROUTING_KEY]

    def edit_routing(self, **changes: Any) -> None:
        """A person edits the routing by hand."""
        child = self.children.get(self.routing_key)
        if child is None:
            return
        document = json.loads(child["data"][names.ROUTING_KEY]) | changes
        text = RoutingDocument.model_validate(document).text()
        child["data"][names.ROUTING_KEY] = text
        child["metadata"]["resourceVersion"] = str(self._bump())
        self.hand_made.add(text)

    def put_old_routing(self, text: str) -> None:
        """A person applies a routing that was saved long ago."""
        child = self.children[self.routing_key]
        child["data"][names.ROUTING_KEY] = text
        child["metadata"]["resourceVersion"] = str(self._bump())

    def delete_routing(self) -> None:
        """A person deletes the routing ConfigMap."""
        self.children.pop(self.routing_key, None)

    # ------------------------------------------------------------------------------------------- the operators

    def gather(self, operator: Operator) -> None:
        """First half of a look: the object and its children."""
        self._drop(operator)
        operator.resource = Resource(
            namespace="default",
            name=NAME,
            uid=self.uid,
            generation=self.generation,
            resource_version=str(self.object_version),
            spec=self.spec,
            status=self.status,
            annotations=dict(self.annotations),
        )
        operator.children = {}
        operator.routing = None
        for key, child in self.children.items():
            is_ours = child["metadata"]["ownerReferences"][0]["uid"] == self.uid
            if key == self.routing_key:
                text = child["data"][names.ROUTING_KEY]
                try:
                    document = RoutingDocument.parse(text)
                except DocumentError:
                    document = None
                operator.routing = RoutingSeen(
                    resource_version=child["metadata"]["resourceVersion"], document=document, is_ours=is_ours
                )
            else:
                operator.children[key] = ChildSeen(live=copy.deepcopy(child), is_ours=is_ours)

    def decide(self, operator: Operator) -> None:
        """Second half: the pods, Prometheus, and the decision."""
        resource = operator.resource
        if resource is None:
            return
        pods = [pod for pod in self.pods.values() if pod.owner == resource.uid]
        operator.truth = {
            "pods": [
                (pod.name, pod.running, pod.document, dict(pod.loaded), pod.is_ready(self.now), pod.deleting)
                for pod in pods
            ],
            "before": resource.status,
        }
        observed = Observed(
            image=self.problem
            if isinstance(self.problem, ServerImage)
            else ServerImage(resource.spec.server.image or "serin-server:test"),
            rules=self.problem if isinstance(self.problem, RulesMissing) else RulesText(self.rules),
            routing=operator.routing,
            children=operator.children,
            pods=tuple(self._seen(pod) for pod in pods),
            reading=self._reading(resource),
        )
        decision = decide(resource, observed, self.now, protocol=self.sentences.protocol, table=self.sentences.table)
        operator.decision = decision
        operator.pending = [write for write in self.sentences.order(decision.writes) if self.sentences.keeps(write)]
        operator.resource = None

    def write(self, operator: Operator) -> None:
        """One write of the pass; a conflict ends it."""
        if not operator.pending:
            return
        write = operator.pending.pop(0)
        try:
            self._perform(operator, write)
        except Conflict:
            self._drop(operator)

    def crash(self, operator: Operator) -> None:
        """kill -9 at this very instant."""
        self._drop(operator)
        operator.resource = None

    def _drop(self, operator: Operator) -> None:
        operator.pending, operator.decision = [], None

    def _reading(self, resource: Resource) -> Reading:
        trial = resource.status.trial if resource.status is not None else None
        if trial is None or trial.stage_started_at is None or self.verdict == "silent":
            return Unreadable("NoData", "nothing")
        good, total = {
            "pass": (1000.0, 1000.0),
            "fail": (0.0, 1000.0),
            "unsure": (1.0, 1.0),
            "doubtful": (0.0, 1.0),
        }[self.verdict]
        found = {gate.value: {"p": ProcessCounts(good=good, total=total)} for gate in GateName}
        doubted = {"p": ProcessCounts(good=total - good, total=total)}
        return StageCounts(found | {GateName.LOW_CONFIDENCE.value: doubted})

    def _seen(self, pod: Pod) -> PodSeen:
        annotated = pod.annotations.get(names.ANNOTATION_REVISION)
        return PodSeen(
            name=pod.name,
            uid=pod.uid,
            template=pod.template_hash,
            runs=tuple(filter(None, pod.template["metadata"]["annotations"][names.ANNOTATION_RUNS].split(","))),
            report=self._report(pod),
            ready=pod.is_ready(self.now),
            deleting=pod.deleting,
            started=pod.running or pod.restarts > 0,
            running_since=pod.started_at if pod.running else None,
            problem="" if pod.running or not self.is_full else "a pod cannot be placed: no node has room",
            announced=annotated,
            poke=pod.annotations.get(names.ANNOTATION_POKE, ""),
            crashes=tuple(pod.crashes),
        )

    def _report(self, pod: Pod) -> PodReport | NoAnswer:
        if not pod.running or pod.is_cut_off or pod.mounted_model is None:
            return NoAnswer("no answer")
        runs = [
            RunOnPod(run=run, state=LoadState.LOADED, digest=digest, quality=self.quality)
            for run, digest in pod.loaded.items()
        ]
        runs += [RunOnPod(run=run, state=LoadState.REFUSED, reason=why) for run, why in pod.refused.items()]
        return PodReport(
            uid=pod.owner,
            process=f"{pod.name}-{pod.restarts}",
            revision=-1 if pod.document is None else pod.document.revision,
            hash="" if pod.document is None else pod.document.hash(),
            runs=tuple(runs),
        )

    def _perform(self, operator: Operator, write: Write) -> None:
        checks = self.sentences.checks_versions
        match write:
            case PutStatus(status=status, resource_version=version):
                if (checks and version != str(self.object_version)) or self.uid not in status_uid(status, self.uid):
                    raise Conflict
                self._commit(operator, status)
            case CreateChild(rendered=rendered):
                key = (rendered["kind"], rendered["metadata"]["name"])
                if key in self.children:
                    raise Conflict
                self._store(key, rendered)
            case ApplyChild(rendered=rendered, resource_version=version):
                key = (rendered["kind"], rendered["metadata"]["name"])
                present = self.children.get(key)
                if present is None or (checks and present["metadata"]["resourceVersion"] != version):
                    raise Conflict
                self._store(key, rendered)
            case DeleteChild(kind=kind, name=name, resource_version=version):
                present = self.children.get((kind, name))
                if present is not None and present["metadata"]["resourceVersion"] == version:
                    del self.children[kind, name]
            case AnnotatePod(name=name, uid=uid, announced=announced, annotations=annotations):
                pod = self.pods.get(name)
                present = pod and pod.annotations.get(names.ANNOTATION_REVISION)
                if pod is None or pod.uid != uid or (checks and present != (announced and str(announced))):
                    raise Conflict
                pod.annotations |= annotations
                pod.version = self._bump()
            case RemovePod(name=name, uid=uid, is_forced=is_forced):
                pod = self.pods.get(name)
                if pod is not None and pod.uid == uid and (is_forced or not self.is_guarded):
                    pod.deleting = True
                    pod.version = self._bump()

    def _store(self, key: tuple[str, str], rendered: dict[str, Any]) -> None:
        stored = copy.deepcopy(rendered)
        stored["metadata"]["resourceVersion"] = str(self._bump())
        self.children[key] = stored

    # ------------------------------------------------------------------------------------------- pods and kubelets

    def roll(self) -> None:
        """The Deployment controller: one pod more of the wanted template, or one less of a former one."""
        deployment = self.children.get(("Deployment", NAME))
        if deployment is None:
            return
        owner = deployment["metadata"]["ownerReferences"][0]["uid"]
        template = deployment["spec"]["template"]
        wanted = template["metadata"]["annotations"][names.ANNOTATION_TEMPLATE]
        mine = [pod for pod in self.pods.values() if pod.owner == owner and not pod.deleting]
        new = [pod for pod in mine if pod.template_hash == wanted]
        old = [pod for pod in mine if pod.template_hash != wanted]
        replicas = deployment["spec"]["replicas"]
        if len(new) < replicas and len(mine) <= replicas:
            self._new_pod(owner, template)
            return
        unready = [pod for pod in old if not pod.is_ready(self.now)]
        ready = sum(pod.is_ready(self.now) for pod in mine)
        if old and (unready or ready > replicas):
            victim = (unready or old)[0]
            victim.deleting = True
            victim.version = self._bump()

    def _new_pod(self, owner: str, template: dict[str, Any]) -> None:
        self.uids += 1
        name = f"pod-{self.uids}"
        volumes = template["spec"]["volumes"]
        model = next(volume["configMap"]["name"] for volume in volumes if volume["name"] == "model")
        self.pods[name] = Pod(
            name=name,
            uid=f"uid-{self.uids}",
            owner=owner,
            template=copy.deepcopy(template),
            model=model,
            version=self._bump(),
        )

    def finish_deletions(self) -> None:
        """Pods that are being deleted are gone."""
        self.pods = {name: pod for name, pod in self.pods.items() if not pod.deleting}

    def refresh(self, pod: Pod) -> None:
        """The kubelet writes the present ConfigMap and annotations into the pod's volumes."""
        if not pod.is_stuck:
            pod.mount = self.routing_text()
            announced = pod.annotations.get(names.ANNOTATION_REVISION)
            pod.announced = None if announced is None else int(announced)

    def start(self, pod: Pod, *, mount: str | None = None) -> None:
        """The pod's process starts; `mount` is what a late kubelet had put there, if not what is current."""
        if pod.running or pod.deleting:
            return
        if pod.mounted_model is None:
            model = self.children.get(("ConfigMap", pod.model))
            text = mount or pod.mount or self.routing_text()
            if model is None or text is None:
                return
            pod.mounted_model = ModelDocument.parse(model["data"][names.MODEL_KEY])
            pod.mount = text
        if self.is_full and pod.restarts == 0:
            return
        pod.running, pod.started_at = True, self.now
        pod.started_from = json.loads(pod.mount or '{"revision": -1}')["revision"]
        self.read(pod)

    def load(self, pod: Pod) -> None:
        """The process has loaded or refused every run of its template; it reads each once."""
        if not pod.running or pod.mounted_model is None:
            return
        for run in pod.mounted_model.runs:
            found = self.registry.get(run.run)
            if run.run in pod.loaded or run.run in pod.refused:
                continue
            if found is None:
                pod.refused[run.run] = "it is not in the registry"
            elif run.digest not in (None, found):
                pod.refused[run.run] = f"its digest is {found}"
            else:
                pod.loaded[run.run] = found

    def read(self, pod: Pod) -> None:
        """The process reads the mounted routing."""
        if not pod.running or pod.mount is None:
            return
        try:
            document = RoutingDocument.parse(pod.mount)
        except DocumentError:
            return
        if self.sentences.admit(document, uid=pod.owner, seen=pod.seen) is None:
            pod.seen = max(pod.seen, document.revision)
            pod.document = document

    def restart(self, pod: Pod, *, badly: bool = False) -> None:
        """The container ends and will be started again; the emptyDir and the mount stay."""
        if not pod.running:
            return
        pod.restarts += 1
        if badly:
            pod.crashes.append(Crash(pod=pod.uid, restart=pod.restarts, at=self.now))
        pod.running, pod.document, pod.loaded, pod.refused = False, None, {}, {}
        if not self.sentences.keeps_seen:
            pod.seen = 0

    # ------------------------------------------------------------------------------------------- truth, and checks

    def serve(self, pod: Pod) -> None:
        """Somebody asks this pod: the decision is checked, and counted under the stage that it was made in."""
        if not pod.running or pod.document is None or pod.owner != self.uid:
            return
        chosen = self.sentences.route(pod.document, loaded=pod.loaded, announced=pod.announced)
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
            raise Broken(f"(a) {pod.name} serves other bytes than those of {candidate.run} that were judged")
        if (self.uid, candidate.run, candidate.digest, candidate.percent) not in self.decided:
            raise Broken(f"(a) {candidate.run} at {candidate.percent:g} % was never decided")
        if candidate.run in self.confirmed_rollbacks:
            raise Broken(f"(b) {pod.name} serves {candidate.run}, whose rollback was confirmed")
        trial = None if status is None else status.trial
        began = trial is not None and trial.state in (TrialState.LOADING, TrialState.RUNNING)
        if began and document.revision < self.drained_at:
            raise Broken(f"(a) {pod.name} serves revision {document.revision} of a trial that is over")

    def _commit(self, operator: Operator, status: Status) -> None:
        before = self.status
        self.status, self.object_version = status, self._bump()
        self.commits.append(status)
        self._check_forward(operator, before, status)
        is_decided_by_evidence = len(status.history) == 0 or status.history[-1].event in (
            "Raised",
            "Promoted",
            "Failed",
        )
        self._check_evidence(before if is_decided_by_evidence and before is not None else status)
        new = status.history[len(before.history) if before is not None else 0 :] if len(status.history) < 20 else ()
        for entry in new:
            if entry.by != "operator":
                self._check_request(entry.by, before)
        trial, candidate = status.trial, status.candidate
        if trial is not None:
            self.decided.add((self.uid, trial.run_id, trial.digest, trial.percent))
        if trial is not None and trial.state is TrialState.DRAINING:
            self.confirmed_rollbacks.discard(trial.run_id)
        was_draining = before is not None and before.trial is not None and before.trial.state is TrialState.DRAINING
        if was_draining and trial is not None and trial.state is TrialState.LOADING:
            self.drained_at = status.propagation.revision
        for run in (status.stable, status.previous):
            if run is not None and status.stable is run:
                self.confirmed_rollbacks.discard(run.run_id)
        if candidate is not None and candidate.state is TrialState.ROLLED_BACK and status.propagation.confirmed:
            self.confirmed_rollbacks.add(candidate.run_id)

    def _check_forward(self, operator: Operator, before: Status | None, after: Status) -> None:
        was, now = (None if before is None else before.trial), after.trial
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
        if not started and was is not None and was.template == BEING_REPLACED:
            raise Broken("(c) moved forward while pods were being replaced")
        judged = now if started else was
        wanted = before.propagation
        ready = 0
        for name, running, document, loaded, is_ready, _deleting in operator.truth["pods"]:
            if running and (document is None or document.revision != wanted.revision or document.hash() != wanted.hash):
                raise Broken(f"(d) moved forward while {name} does not serve revision {wanted.revision}")
            if is_ready:
                ready += 1
                if judged is None or loaded.get(judged.run_id) != judged.digest:
                    raise Broken(f"(d) moved forward while {name} has not loaded the run")
        if not ready:
            raise Broken("(d) moved forward without any ready pod")

    def _check_evidence(self, status: Status) -> None:
        trial = status.trial
        if trial is None or trial.stage is None or trial.stage_started_at is None:
            return
        configs = self.configs[self.uid, trial.stage]
        if trial.template == BEING_REPLACED:
            # Pods of several templates serve the stage; nothing moves forward by it any more, see `_check_forward`.
            configs = {config[:-1] for config in configs}
        if len(configs) > 1:
            raise Broken(f"(c) the evidence of stage {trial.stage} mixes decisions of {sorted(map(str, configs))}")

    def _check_request(self, by: str, before: Status | None) -> None:
        key = f"{self.uid} {by}"
        if key in self.by:
            raise Broken(f"(g) {by!r} acted twice")
        self.by.append(key)
        action, run, *rest = by.split()
        known = {one.run_id for one in (before and before.candidate, before and before.stable) if one}
        if run not in known:
            raise Broken(f"(g) {by!r} acted on another run")
        trial = None if before is None else before.trial
        if action == "promote" and trial is not None and float(rest[0]) != trial.percent:
            raise Broken(f"(g) {by!r} acted at {trial.percent:g} %")

    def check(self) -> None:
        """Every pod answers somebody; the invariants hold."""
        for pod in list(self.pods.values()):
            self.serve(pod)
            is_patient = self.now - pod.started_at < STABLE_PATIENCE
            if pod.owner == self.uid and pod.is_ready(self.now) and not pod.serves_stable and is_patient:
                raise Broken(f"(f) {pod.name} is ready without the stable run")

    # ------------------------------------------------------------------------------------------- fair running

    def tick(self, seconds: float = 0.5) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def whole_pass(self, operator: Operator) -> Decision | None:
        """One look of one operator without any interruption."""
        self.gather(operator)
        self.decide(operator)
        decision = operator.decision
        while operator.pending:
            self.write(operator)
            self.check()
        return decision

    def kubelets(self) -> None:
        """Everything that nodes do, once."""
        for pod in list(self.pods.values()):
            self.refresh(pod)
            self.start(pod)
            self.load(pod)
            self.read(pod)
        self.roll()
        self.finish_deletions()
        self.check()

    def settle(self, *, rounds: int = 120, until: Callable[["World"], bool] | None = None) -> None:
        """Run fairly, one operator, until `until` holds or nothing is left to do in `rounds` rounds."""
        for _ in range(rounds):
            if until is not None and until(self):
                return
            self.whole_pass(self.operators[0])
            self.kubelets()
            self.tick()

    def assert_ended(self) -> None:
        """(e): after fair running the rollout has come to its end, and every pod serves it."""
        status = self.status
        if status is None:
            raise Broken("(e) no status was ever written")
        ends = {"pass": ("Promoted", "AtCap"), "fail": ("RolledBack", "Promoted")}.get(self.verdict)
        ends = (*(ends or ()), "RolledBack", "Refused")
        if status.phase not in ends:
            raise Broken(f"(e) it ended as {status.phase}, not as one of {ends}")
        for pod in self.pods.values():
            if pod.owner == self.uid and pod.running:
                document = pod.document
                if document is None or document.hash() != status.propagation.hash:
                    raise Broken(f"(e) {pod.name} does not serve the routing that was decided")


def status_uid(_status: Status, uid: str) -> tuple[str, ...]:
    """A status write names no uid; the API server compares resourceVersions, which no two objects share."""
    return (uid,)


def without(**changes: Any) -> Sentences:
    """The sentences with some of the protocol's predicates replaced."""
    return Sentences(protocol=replace(PROTOCOL, **changes))


def stages(world: World) -> Iterator[float]:
    """The shares that were passed through, in order."""
    last = -1.0
    for status in world.commits:
        percent = 0.0 if status.trial is None else status.trial.percent
        if percent != last:
            last = percent
            yield percent
