"""What a simulated server answers: its status and its metrics, made by the code of real servers.

One text is made for all pods, with marks in the place of what differs between them.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache

from serin_core.contract.documents import RoutingDocument
from serin_core.contract.pod_report import ClassCoverage, Coverage, LoadState, PodReport, RunOnPod, RunQuality
from serin_core.contract.pushed_routing import key_id
from serin_server.metrics.counters import Agree, Arm, ArmCounts, Fallback, Refusal, StageCounts, StageKey
from serin_server.metrics.exposition import Exposition, Identity, RunOnScrape, Scrape

CLASSES = [f"Category {number}" for number in range(15)]
THRESHOLDS = [f"0.{percent}" for percent in range(50, 100, 5)]
USERS_PER_TRANSACTION = 10
FAILING = "run_bad"
"""Beginning of the name of a run whose predictions fail for half of the canary's requests."""
_MODEL, _UID, _POD, _PROCESS, _RUN = "@model@", "@uid@", "@pod@", "@process@", "@run@"
_STAGE = 2**52
_TRANSACTIONS = 1_000_000
"""Of the text whose counts are scaled."""
_QUALITY = RunQuality(
    f1_macro=0.9,
    f1_min=0.8,
    coverage={
        label: ClassCoverage(
            share=1 / len(CLASSES),
            by_threshold={one: Coverage(coverage=0.94, precision=0.97) for one in THRESHOLDS},
        )
        for label in CLASSES
    },
    classes=tuple(CLASSES),
)


@dataclass(slots=True)
class Server:
    """The state of one simulated server."""

    model: str
    uid: str
    pod: str
    process: str
    attempt: int
    runs: tuple[str, ...]
    routing_key: str = ""
    """Public key of the operator, by which it knows that the pod accepts its routing."""
    routing: RoutingDocument | None = None
    stage_began: float = 0.0
    """When it took over the first routing of the current stage, by the clock of the traffic."""
    announced: int = -1
    """Revision that was announced to the pod: with an older routing, the candidate serves nobody (rule 4)."""

    def take(self, routing: RoutingDocument, now: float) -> None:
        """Take over a routing document unless it is older than the present one."""
        before = self.routing
        if routing.uid != self.uid or (before is not None and routing.revision <= before.revision):
            return
        if before is None or before.stage != routing.stage:
            self.stage_began = now
        self.routing = routing


def digest_of(run: str) -> str:
    """Return the digest that every pod reports of a run."""
    return f"sha256:{hashlib.sha256(run.encode()).hexdigest()}"


class Answers:
    """Renders the answers of all servers."""

    def __init__(self, rate: float) -> None:
        """`rate`: transactions a second and pod."""
        self._rate = rate
        self._reports: dict[tuple[object, ...], str] = {}

    def status(self, server: Server, known: str) -> bytes:
        """Return the body of GET /ml/status and POST /ml/routing, without the quality of `known` digests."""
        routing = server.routing
        key = (server.uid, server.attempt, server.runs, known, None if routing is None else routing.revision)
        if key not in self._reports:
            report = PodReport(
                uid=server.uid,
                process=_PROCESS,
                revision=-1 if routing is None else routing.revision,
                hash="" if routing is None else routing.hash(),
                attempt=server.attempt,
                runs=tuple(
                    RunOnPod(run=run, state=LoadState.LOADED, digest=digest_of(run), quality=_QUALITY)
                    for run in server.runs
                ),
            )
            found = report.without_quality(known.split(",")).model_dump(mode="json")
            self._reports[key] = json.dumps(found | {"ready": True, "routingKey": key_id(server.routing_key)})
        return self._reports[key].replace(_PROCESS, server.process).encode()

    def metrics(self, server: Server, now: float) -> bytes:
        """Return the body of GET /metrics, after a time of steady traffic in the current stage."""
        routing = server.routing
        candidate = None if routing is None else routing.candidate
        stable = None if routing is None or routing.stable is None else routing.stable.run
        run = candidate.run if candidate is not None else stable or "rules"
        percent = 0.0 if candidate is None or server.announced > routing.revision else candidate.percent
        share = self._rate * (now - server.stage_began) / _TRANSACTIONS
        text = "".join(
            line if many is None else f"{line}{int(many * share + phase)}\n"
            for line, many, phase in _lines(percent, is_failing=run.startswith(FAILING))
        )
        marks = {
            _MODEL: server.model,
            _UID: server.uid,
            _POD: server.pod,
            _PROCESS: server.process,
            _RUN: run,
            f'"{_STAGE}"': f'"{-1 if routing is None else routing.stage}"',
        }
        for mark, value in marks.items():
            text = text.replace(mark, value)
        return text.encode()


@cache
def _lines(percent: float, *, is_failing: bool) -> list[tuple[str, float | None, float]]:
    """Return the lines after _TRANSACTIONS; those that count transactions without their value, and the value.

    The third element is the phase of a counter of one class. With the same phase, all classes would count an answer of
    low confidence at the same time, and light traffic would look like a change for the worse.
    """
    in_canary = int(_TRANSACTIONS * percent / 100)
    arms = {
        Arm.CANARY: _arm(in_canary, is_failing=is_failing),
        Arm.CONTROL: _arm(_TRANSACTIONS - in_canary, is_failing=False),
    }
    scrape = Scrape(
        Identity(_MODEL, _UID, _POD, _PROCESS),
        stages=(StageCounts(StageKey(_RUN, _STAGE), arms),),
        revision=1,
        refused=dict.fromkeys(Refusal, 0),
        runs=(RunOnScrape(_RUN, dict.fromkeys(CLASSES, 0.9), breaker_open=False),),
    )
    found: list[tuple[str, float | None, float]] = []
    for line in Exposition().learn(scrape).decode().splitlines():
        series, _, value = line.rpartition(" ")
        label = next((label for label in CLASSES if f'"{label}"' in series), CLASSES[0])
        phase = CLASSES.index(label) / len(CLASSES)
        found.append((f"{series} ", float(value), phase) if f'"{_STAGE}"' in series else (f"{line}\n", None, 0.0))
    return found


def _arm(transactions: int, *, is_failing: bool) -> ArmCounts:
    """Return the counts of one arm: each class as often as any other, a twentieth under the threshold."""
    arm = ArmCounts()
    arm.prime(CLASSES)
    failed = transactions // 2 if is_failing else 0
    answered = transactions - failed
    low, agreeing = answered // 20, answered * 9 // 10
    arm.requests[True], arm.failures = transactions, failed
    arm.predictions.update({True: answered - low, False: low + failed})
    arm.confident[True] = answered - low
    arm.fallback.update({Fallback.LOW_CONFIDENCE: low, Fallback.UNKNOWN: failed})
    arm.compare.update({Agree.TRUE: agreeing, Agree.FALSE: answered - agreeing})
    users = {Agree.TRUE: agreeing, Agree.FALSE: answered - agreeing}
    arm.users.update({agree: number // USERS_PER_TRANSACTION for agree, number in users.items()})
    for number, label in enumerate(CLASSES):
        arm.low_confidence[label] = (low + number) // len(CLASSES)
        arm.classes[label, Agree.TRUE] = (agreeing + number) // len(CLASSES)
    arm.latency[4], arm.latency_seconds = transactions, transactions * 0.0008
    return arm
