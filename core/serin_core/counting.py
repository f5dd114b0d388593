"""From a server's series to the two counts of each gate, exactly.

Every server process has series of its own that start at 0 and never reset, and every stage has series of its own
(contracts, 4). So a count is the sum over processes of each one's last value: no rates, no resets, no windows.
The same process seen through several Prometheus replicas is one: the largest value is the newest.
Counts outlive the processes that made them, so what is read also says whether anybody is still being scraped.
Never clips or guesses: whatever does not add up, or is no longer watched, is Unreadable, with the reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from serin_core import names
from serin_core.evidence import Counts
from serin_core.resource import GateName
from serin_core.status import Checkpoint, ProcessCounts

SLACK: Final = timedelta(minutes=2)
"""How far a look reaches back behind the last checkpoint: more than a few missed scrapes."""
FRESH: Final = "serin_fresh"
"""A label of the query's own: marks the one series that counts those with a sample newer than `stale_after`."""
LEAST_STALE: Final = timedelta(minutes=2)
LOOKS_UNTIL_STALE: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """One series' last value, as Prometheus gave it."""

    labels: Mapping[str, str]
    value: float

    @property
    def name(self) -> str:
        """Answer the metric's name, "" if Prometheus gave none."""
        return self.labels.get("__name__", "")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No counts, and why: one word for conditions, one sentence for people."""

    reason: str
    message: str


ByProcess = Mapping[str, ProcessCounts]


@dataclass(frozen=True, slots=True)
class Tallies:
    """What every process has counted in one stage, by gate."""

    by_gate: Mapping[GateName, ByProcess | Unreadable]
    has_shared_store: bool = False
    """Whether all processes count users in one store, so that each user is counted once over all of them."""

    def of(self, gate: GateName) -> Counts | Unreadable:
        """Answer the two counts of a gate, summed over processes."""
        tally = self.by_gate.get(gate, _NO_DATA)
        if isinstance(tally, Unreadable):
            return tally
        good = sum(process.good for process in tally.values())
        total = sum(process.total for process in tally.values())
        # Without a shared store each process counts its own users; the same user may be counted in each of them.
        is_shared_out = gate in _COUNTS_USERS and not self.has_shared_store
        share = max(1, sum(process.total > 0 for process in tally.values())) if is_shared_out else 1
        try:
            return Counts(good / share, total / share)
        except ValueError as error:
            return Unreadable("QueryError", f"{gate.value}: {error}")

    def checkpoint(self, at: datetime) -> Checkpoint:
        """Answer what to keep, so that the next look reads only what came after `at`."""
        counts = {gate.value: dict(tally) for gate, tally in self.by_gate.items() if not isinstance(tally, Unreadable)}
        return Checkpoint(at=at, counts=counts)


Reading = Tallies | Unreadable


@dataclass(frozen=True, slots=True)
class _Term:
    """How one series moves the two counts of a gate."""

    metric: str
    label: str
    value: str
    good: int
    total: int


_TERMS: Final[Mapping[GateName, tuple[_Term, ...]]] = {
    GateName.AVAILABILITY: (
        _Term(names.REQUESTS, "available", "True", good=1, total=1),
        _Term(names.REQUESTS, "available", "False", good=0, total=1),
    ),
    GateName.ERRORS: (
        _Term(names.REQUESTS, "available", "True", good=1, total=1),
        _Term(names.FAILURES, "", "", good=-1, total=0),
    ),
    GateName.LATENCY: (
        _Term(f"{names.LATENCY}_bucket", "le", "0.1", good=1, total=0),
        _Term(f"{names.LATENCY}_count", "", "", good=0, total=1),
    ),
    GateName.AGREEMENT: (
        _Term(names.USERS_COMPARE, "agree", "True", good=1, total=1),
        _Term(names.USERS_COMPARE, "agree", "False", good=0, total=1),
    ),
    GateName.ACCEPTED_RATIO: (
        _Term(names.PREDICTIONS, "accepted", "True", good=1, total=1),
        _Term(names.PREDICTIONS, "accepted", "False", good=0, total=1),
    ),
}
_BOTH_ARMS: Final = frozenset({GateName.AGREEMENT})
_COUNTS_USERS: Final = frozenset({GateName.AGREEMENT})
_NO_DATA: Final = Unreadable("NoData", "Prometheus has no series of this stage yet")
_STALE: Final = Unreadable("Stale", "Prometheus has no fresh sample of this stage; it may not scrape the pods any more")


def stale_after(interval: timedelta) -> timedelta:
    """Answer how old the newest sample of a stage may be: two minutes or four looks, whichever is longer."""
    return max(LEAST_STALE, LOOKS_UNTIL_STALE * interval)


def stage_query(*, uid: str, run_id: str, stage: int, age: timedelta, stale_after: timedelta) -> str:
    """Answer one PromQL expression for every series that the gates of a stage read, numerators and denominators.

    `age` is how long ago the last checkpoint was taken, or else the stage began.
    Beside them stands how many of them have a sample newer than `stale_after`; no such series means none has.
    """
    metrics = sorted({term.metric for terms in _TERMS.values() for term in terms})
    matchers = (
        f'__name__=~"{"|".join(metrics)}",{names.SERIES_UID}="{uid}",'
        f'{names.SERIES_RUN}="{run_id}",{names.SERIES_STAGE}="{stage}"'
    )
    window = int((age + SLACK).total_seconds())
    fresh = f"count(last_over_time({{{matchers}}}[{stale_after.total_seconds():.0f}s]))"
    return f'last_over_time({{{matchers}}}[{window}s]) or label_replace({fresh},"{FRESH}","true","","")'


def tally(
    series: Iterable[Series],
    *,
    percent: float,
    checkpoint: Checkpoint | None,
    is_young: bool = False,
    has_shared_store: bool = False,
) -> Reading:
    """Add up what Prometheus gave for one stage to what the checkpoint kept of it.

    A stage that `is_young` may not have been scraped yet; an older one without a fresh sample is not watched any more,
    and whatever was counted before proves nothing of now.
    """
    found = tuple(series)
    if not is_young and not any(FRESH in one.labels for one in found):
        return _STALE
    values: dict[tuple[str, ...], float] = {}
    for one in found:
        if FRESH in one.labels:
            continue
        if not isfinite(one.value) or one.value < 0 or one.value != int(one.value):
            return Unreadable("QueryError", f"{one.name} is {one.value:g}, which is not a count")
        labels = one.labels
        identity = tuple(
            labels.get(label, "")
            for label in ("__name__", names.SERIES_PROCESS, names.SERIES_ARM, "available", "agree", "accepted", "le")
        )
        values[identity] = max(one.value, values.get(identity, 0.0))
    by_gate: dict[GateName, ByProcess | Unreadable] = {}
    for gate in GateName:
        arm = None if percent == 0 or gate in _BOTH_ARMS else names.ARM_CANARY
        kept = {} if checkpoint is None else checkpoint.counts.get(gate.value, {})
        by_gate[gate] = _gate_by_process(gate, values, arm=arm, kept=kept)
    return Tallies(by_gate, has_shared_store=has_shared_store)


def _gate_by_process(
    gate: GateName, values: Mapping[tuple[str, ...], float], *, arm: str | None, kept: ByProcess
) -> ByProcess | Unreadable:
    seen: dict[str, list[float]] = {}
    found: set[str] = set()
    for (name, process, series_arm, *own), value in values.items():
        if arm is not None and series_arm != arm:
            continue
        for term in _TERMS[gate]:
            if term.metric == name and (term.value == "" or term.value in own):
                found.add(term.metric)
                good_total = seen.setdefault(process, [0.0, 0.0])
                good_total[0] += term.good * value
                good_total[1] += term.total * value
    if gate is GateName.LATENCY and found == {f"{names.LATENCY}_count"}:
        return Unreadable("BucketMissing", "the latency histogram has no bucket le=0.1")
    if not seen and not kept:
        return _NO_DATA
    merged = dict(kept)
    for process, (good, total) in seen.items():
        before = kept.get(process)
        # A Prometheus replica may lag behind the one that answered last time.
        if before is None or total >= before.total:
            merged[process] = ProcessCounts(good=good, total=total)
    return merged
