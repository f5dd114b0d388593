"""Server processes as a script drives them: real counters, rendered by the server's own exposition."""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from serin_core.api.gate_names import GateName
from serin_core.evidence.counts import Counts
from serin_server.metrics.counters import Agree, Arm, ArmCounts, Counters, Fallback, Outcome, StageCounts, StageKey
from serin_server.metrics.exposition import Exposition, Identity, Scrape

RUN = "run_aaaaaaaa_1"
CLASSES = ("Dining", "Fuel")
Labels = tuple[tuple[str, str], ...]


@dataclass
class Server:
    """One process of one pod. `seen` is what it had counted when it was last asked."""

    uid: str
    process: str
    stage: int = 7
    dice: random.Random = field(default_factory=lambda: random.Random(6))
    seen: StageCounts | None = None

    def __post_init__(self) -> None:
        self.counters = Counters()
        # What an earlier stage counted must never be taken for this one's.
        self.counters.begin_stage(StageKey(RUN, self.stage - 1), CLASSES).arms[Arm.CONTROL].requests[True] = 999
        self.now = self.counters.begin_stage(StageKey(RUN, self.stage), CLASSES)

    def answer(self, number: int) -> None:
        """Count a number of requests in each arm."""
        for counts in self.now.arms.values():
            for _ in range(number):
                _one_request(counts, self.dice)

    def text(self) -> bytes:
        """Respond to a scrape, and remember the values."""
        return Exposition().learn(self._scrape())

    def _scrape(self) -> Scrape:
        self.seen = self.now.copy()
        identity = Identity("default/categories", self.uid, "pod", self.process)
        return Scrape(identity, self.counters.stages(), revision=self.stage, refused={}, runs=())

    def series(self, wanted: Callable[[str], bool] = lambda _name: True) -> dict[Labels, float]:
        """Return the same as values by labels, for remote write."""
        return {
            tuple(sorted({"__name__": sample.name, **sample.labels}.items())): sample.value
            for family in text_string_to_metric_families(Exposition().learn(self._scrape()).decode())
            for sample in family.samples
            if wanted(sample.name)
        }


def _one_request(counts: ArmCounts, dice: random.Random) -> None:
    available, failed = dice.random() < 0.97, dice.random() < 0.02
    counts.requests[available] += 1
    counts.predictions[available] += 1
    if not available:
        _fall_back(counts, Fallback.UNAVAILABLE)
        return
    counts.observe(dice.choice((0.001, 0.03, 0.08, 0.1, 0.3)))
    counts.failures += failed
    if failed:
        _fall_back(counts, Fallback.UNKNOWN)
        return
    label, agree = dice.choice(CLASSES), dice.choice(tuple(Agree))
    counts.users[agree] += dice.random() < 0.5
    counts.count_comparison(label, agree)
    counts.confident[dice.random() < 0.9] += 1
    if dice.random() < 0.1:
        counts.count_low_confidence(label)
        _fall_back(counts, Fallback.LOW_CONFIDENCE)
    else:
        counts.predictions[True] += 1
    counts.feedback[dice.choice(tuple(Outcome))] += dice.random() < 0.3


def _fall_back(counts: ArmCounts, why: Fallback) -> None:
    counts.predictions[False] += 1
    counts.fallback[why] += 1


def truth(servers: Iterable[Server], *, canary: bool = False) -> Mapping[str, Counts]:
    """Return what the gates must count, by key, from the last values of each process; never by way of Prometheus."""
    stages = [server.seen for server in servers if server.seen is not None]
    both = [counts for stage in stages for counts in stage.arms.values()]
    judged = [stage.arms[Arm.CANARY] for stage in stages] if canary else both
    attempts = sum(one.requests[True] for one in judged)
    failures = sum(one.failures for one in judged)
    # Bucket 10 is the one up to 0.1 s.
    found = {
        GateName.AVAILABILITY: (attempts, attempts + sum(one.requests[False] for one in judged)),
        GateName.ERRORS: (attempts - failures, attempts),
        GateName.LATENCY: (sum(sum(one.latency[:11]) for one in judged), sum(sum(one.latency) for one in judged)),
        GateName.AGREEMENT: _agreed(one.users for one in both),
        GateName.LOW_CONFIDENCE: (sum(sum(one.low_confidence.values()) for one in judged), attempts - failures),
    }
    if canary:
        found[GateName.FALLBACK] = (
            sum(one.fallback[why] for one in judged for why in (Fallback.UNAVAILABLE, Fallback.UNKNOWN)),
            sum(sum(one.predictions.values()) for one in judged),
        )
        found[GateName.ACCEPTED_RATIO] = (
            sum(one.confident[True] for one in judged),
            sum(sum(one.confident.values()) for one in judged),
        )
    by_key = {gate.value: Counts(*map(float, pair)) for gate, pair in found.items()}
    for label in CLASSES:
        pair = _agreed({agree: one.classes[label, agree] for agree in Agree} for one in both)
        by_key[f"perClass/{label}"] = Counts(*map(float, pair))
    if canary:
        for arm in Arm:
            given = [stage.arms[arm].feedback for stage in stages]
            accepted = float(sum(one[Outcome.ACCEPTED] for one in given))
            by_key[f"feedback/{arm.value}"] = Counts(
                accepted, accepted + float(sum(one[Outcome.REJECTED] for one in given))
            )
    return by_key


def _agreed(counts: Iterable[Mapping[Agree, int]]) -> tuple[int, int]:
    found = list(counts)
    agreed = sum(one[Agree.TRUE] for one in found)
    return agreed, agreed + sum(one[Agree.FALSE] for one in found)
