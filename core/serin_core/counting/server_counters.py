"""Series of our own servers: from last values to the counts of one stage.

Every server process has series of its own that start at 0 and never reset, and every stage has series of its own
(docs/contracts.md). So a count is the sum over processes of each one's last value: no rates, no resets, no windows.
The same process seen through several Prometheus replicas is one: the largest value is the newest.
Counts outlive the processes that made them, so what is read also says whether anybody is still being scraped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final

from serin_core.api.gates import COUNTS_USERS, GateName
from serin_core.api.status import Checkpoint, OwnCounts, ProcessCounts
from serin_core.contract import names
from serin_core.counting.reading import Unreadable
from serin_core.evidence import Counts

DELAY: Final = timedelta(minutes=1)
"""The longest that may pass between a reading and the time of its checkpoint; clocks may differ by as much."""
FRESH: Final = "serin_fresh"
"""A label of the query's own: marks the one series that counts those with a sample newer than `stale_after`."""
NOW: Final = "serin_now"
"""Another one: marks the time at which Prometheus evaluated the query, by its own clock."""
GONE: Final = "serin_gone"
"""A third: names a metric that a process has lost while others of its metrics were still there."""
_MARKS: Final = frozenset((FRESH, NOW, GONE))
ENDED: Final = "ended"
"""Stands in a checkpoint for all processes that have ended; those that live have random names of hexadecimal digits."""
_STEPS: Final = 60
_LEAST_STEP: Final = 5
LEAST_STALE: Final = timedelta(minutes=2)
LOOKS_UNTIL_STALE: Final = 4
_LAST_SECOND: Final = datetime.max.replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Series:
    """One series' last value, as Prometheus gave it."""

    labels: Mapping[str, str]
    value: float

    @property
    def name(self) -> str:
        """Answer the metric's name, "" if Prometheus gave none."""
        return self.labels.get("__name__", "")


ByProcess = Mapping[str, ProcessCounts]


@dataclass(frozen=True, slots=True)
class StageCounts:
    """What was counted in one stage, by key: a gate's name, or `gate/part` for each class or arm of one."""

    by_key: Mapping[str, ByProcess | Unreadable]
    has_shared_store: bool = False
    """Whether all processes count users in one store, so that each user is counted once over all of them."""
    own: Mapping[str, OwnCounts | Unreadable] = field(default_factory=dict)
    """By `own_key` of each own gate."""
    beside: Mapping[str, ByProcess] = field(default_factory=dict)
    """Counts by key of gates that cannot be read at this look: of the processes of which all is known, to be kept."""
    kept_own: Mapping[str, OwnCounts] = field(default_factory=dict)
    """What was kept of own gates before: it stays where one cannot be read at this look."""
    seen: frozenset[str] | None = None
    """The processes that have samples in what was read; None where nobody knows."""
    since: datetime | None = None
    """From when on was read."""

    def of(self, key: str) -> Counts | Unreadable:
        """Answer the two counts of one key, summed over processes."""
        count_stage = self.by_key.get(key, _NO_DATA)
        if isinstance(count_stage, Unreadable):
            return count_stage
        good = sum(process.good for process in count_stage.values())
        total = sum(process.total for process in count_stage.values())
        share = max(1, sum(process.total > 0 for process in count_stage.values())) if self._is_shared_out(key) else 1
        return _counts(key, good / share, total / share)

    def parts_of(self, gate: GateName) -> Mapping[str, Counts | Unreadable]:
        """Answer the counts of each part of a gate, by the part's own name."""
        mine = (key for key in self.by_key if key.startswith(f"{gate.value}/"))
        return {key.removeprefix(f"{gate.value}/"): self.of(key) for key in mine}

    def of_own(self, key: str) -> Counts | Unreadable:
        """Answer the two counts of an own gate, by its `own_key`."""
        found = self.own.get(key, _NO_DATA)
        if isinstance(found, Unreadable):
            return found
        if not found.total:
            return _NOTHING_MATCHES
        good = sum(series.gained for series in found.good.values())
        return _counts(key.partition("@")[0], good, sum(series.gained for series in found.total.values()))

    def checkpoint(self, at: datetime, *, alive: frozenset[str] | None = None) -> Checkpoint:
        """Answer what to keep, so that the next look reads only what came after `at`.

        `alive`: every process that there is, None where not all have answered. One that is neither among them nor in
        what was read can count no more; such are added up, so that what is kept does not grow with each restart.
        """
        counts = {key: self._ended_as_one(key, count_stage, alive) for key, count_stage in self.beside.items()}
        counts |= {
            key: self._ended_as_one(key, count_stage, alive)
            for key, count_stage in self.by_key.items()
            if not isinstance(count_stage, Unreadable)
        }
        own = {key: found for key, found in self.kept_own.items() if key in self.own}
        own |= {key: found for key, found in self.own.items() if not isinstance(found, Unreadable)}
        return Checkpoint(at=at, since=self.since, counts=counts, own=own)

    def _ended_as_one(self, key: str, count_stage: ByProcess, alive: frozenset[str] | None) -> dict[str, ProcessCounts]:
        if alive is None or self.seen is None or self._is_shared_out(key):
            return dict(count_stage)
        known = alive | self.seen
        ended = [counts for process, counts in count_stage.items() if process not in known]
        kept = {process: counts for process, counts in count_stage.items() if process in known}
        if ended:
            kept[ENDED] = ProcessCounts(good=sum(one.good for one in ended), total=sum(one.total for one in ended))
        return kept

    def _is_shared_out(self, key: str) -> bool:
        """Answer whether each process counts users of its own: the same user may be counted in each of them."""
        return key in COUNTS_USERS and not self.has_shared_store


Reading = StageCounts | Unreadable


@dataclass(frozen=True, slots=True)
class _Term:
    """How one series moves the two counts of a gate, or of the part of it that the series' own label names."""

    metric: str
    label: str
    value: str
    good: int
    total: int
    part: str = ""


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
    GateName.LOW_CONFIDENCE: (
        _Term(names.LOW_CONFIDENCE, "", "", good=1, total=0),
        _Term(names.REQUESTS, "available", "True", good=0, total=1),
        _Term(names.FAILURES, "", "", good=0, total=-1),
    ),
    GateName.FEEDBACK: (
        _Term(names.FEEDBACK, "outcome", "accepted", good=1, total=1, part=names.SERIES_ARM),
        _Term(names.FEEDBACK, "outcome", "rejected", good=0, total=1, part=names.SERIES_ARM),
    ),
    GateName.PER_CLASS: (
        _Term(names.CLASS_COMPARE, "agree", "True", good=1, total=1, part="class"),
        _Term(names.CLASS_COMPARE, "agree", "False", good=0, total=1, part="class"),
    ),
}
_NO_MORE: Final = ',le=~"0[.]1|",agree!="None"'
"""Matchers that leave out what no gate reads: half of all series. A label that is not there is "", and matches."""
_BOTH_ARMS: Final = frozenset({GateName.AGREEMENT, GateName.FEEDBACK, GateName.PER_CLASS})
_LABELS: Final = (names.SERIES_PROCESS, names.SERIES_ARM, "available", "agree", "accepted", "le", "outcome", "class")
_NO_DATA: Final = Unreadable("NoData", "Prometheus has no series of this stage yet")
_NOTHING_MATCHES: Final = Unreadable("NothingMatches", "its selectors match no series")
CLOCK_BEHIND: Final = Unreadable(
    "ClockBehind", "the operator's clock is behind the time at which the counts of this stage were last kept"
)
_STALE: Final = Unreadable("Stale", "Prometheus has no fresh sample of this stage; it may not scrape the pods any more")


def stale_after(interval: timedelta) -> timedelta:
    """Answer how old the newest sample of a stage may be: two minutes or four looks, whichever is longer."""
    return max(LEAST_STALE, LOOKS_UNTIL_STALE * interval)


@dataclass(frozen=True, slots=True)
class StageQuery:
    """What is read of one stage: whose series, for which gates, and from where on."""

    uid: str
    run_id: str
    stage: int
    percent: float
    gates: tuple[GateName, ...]
    started_at: datetime
    checkpoint: Checkpoint | None
    interval: timedelta
    """Time between looks."""
    has_shared_store: bool = False

    @property
    def since(self) -> datetime:
        """Answer up to when all is known: the last checkpoint, or the beginning of the stage."""
        return self.started_at if self.checkpoint is None else self.checkpoint.at

    @property
    def reaches_back_to(self) -> datetime:
        """Answer from when on samples are read.

        What the last look has read may be as old as an answer may be: the next one reaches back behind all of that, yet
        never as far as those before it, by a clock that may differ: who had ended by then has been added up.
        """
        wanted = self.since - stale_after(self.interval) - DELAY
        if self.checkpoint is None or self.checkpoint.since is None:
            return wanted
        least = self.since - LEAST_STALE - DELAY
        return max(wanted, min(self.checkpoint.since + DELAY, least))

    def is_young(self, now: datetime) -> bool:
        """Answer whether the stage may not have been scraped yet."""
        return now - self.started_at <= stale_after(self.interval)

    def is_ahead_of(self, now: datetime) -> bool:
        """Answer whether it was dated by a clock that is ahead, so that nobody knows how far to reach back."""
        return self.since - now > DELAY


def stage_query(asked: StageQuery, now: datetime) -> str:
    """Answer one PromQL expression for every series that the gates read, numerators and denominators.

    Beside them stand how many of them have a sample newer than `stale_after` (no such series means none has), the
    time of the query (no clock but that of Prometheus is asked, so that none can be askew), and what has gone.
    """
    metrics = sorted({term.metric for gate in asked.gates for term in _TERMS[gate]} | {names.REQUESTS})
    matchers = (
        f'__name__=~"{"|".join(metrics)}",{names.SERIES_UID}="{asked.uid}",'
        f'{names.SERIES_RUN}="{asked.run_id}",{names.SERIES_STAGE}="{asked.stage}"{_NO_MORE}'
    )
    back = int((now - asked.reaches_back_to).total_seconds())
    fresh = f"count(last_over_time({{{matchers}}}[{stale_after(asked.interval).total_seconds():.0f}s]))"
    return (
        f'last_over_time({{{matchers}}}[{back}s]) or label_replace({fresh},"{FRESH}","true","","")'
        f' or label_replace(vector(time()),"{NOW}","true","","") or {_gone(f"{{{matchers}}}", back)}'
    )


def _gone(selector: str, back: int) -> str:
    """Answer an expression for each metric that a process has lost, renamed or dropped, while others went on.

    Its last value stands still and must not be set beside others that have moved since. One scrape brings all series
    of a process. So all its metrics are there at the same times: now, and at each step of the time that is read.
    """
    process = names.SERIES_PROCESS
    there = _metrics_of(selector)
    times = f"count_over_time({there}[{back}s:{max(_LEAST_STEP, back // _STEPS)}s])"
    return (
        f"({times} < on({process}) group_left() max by({process})({times}))"
        f" or ({_metrics_of(f'last_over_time({selector}[{back}s])')}"
        f" unless on({GONE},{process}) {there} and on({process}) {there})"
    )


def _metrics_of(series: str) -> str:
    return f'label_replace(group by(__name__,{names.SERIES_PROCESS})({series}),"{GONE}","$1","__name__","(.+)")'


def evaluated_at(series: Iterable[Series]) -> float | Unreadable:
    """Answer the Unix time at which Prometheus evaluated a stage's query."""
    found = next((one.value for one in series if NOW in one.labels), 0.0)
    is_a_time = isfinite(found) and 0 < found < _LAST_SECOND
    return found if is_a_time else Unreadable("QueryError", "Prometheus did not say when it evaluated the query")


def count_stage(
    series: Iterable[Series],
    asked: StageQuery,
    now: datetime,
    *,
    own: Mapping[str, OwnCounts | Unreadable] | None = None,
) -> Reading:
    """Add up what Prometheus gave for one stage to what the checkpoint kept of it.

    A young stage may not have been scraped yet; an older one without a fresh sample is not watched any more, and
    whatever was counted before proves nothing of now.
    """
    found = tuple(series)
    if not asked.is_young(now) and not any(FRESH in one.labels for one in found):
        return _STALE
    by_metric = _by_metric(found)
    if isinstance(by_metric, Unreadable):
        return by_metric
    former = Checkpoint(at=now) if asked.checkpoint is None else asked.checkpoint
    by_key: dict[str, ByProcess | Unreadable] = {}
    beside: dict[str, ByProcess] = {}
    for gate in asked.gates:
        arm = None if asked.percent == 0 or gate in _BOTH_ARMS else names.ARM_CANARY
        counts, missing = _gate(gate, by_metric, arm=arm, kept=former.counts)
        if missing:
            by_key[gate.value] = _is_missing(gate, sorted(missing))
            beside |= counts
        elif counts:
            by_key |= counts
        else:
            by_key[gate.value] = _NO_DATA
    return StageCounts(
        by_key,
        has_shared_store=asked.has_shared_store,
        own=own or {},
        beside=beside,
        kept_own=former.own,
        since=asked.reaches_back_to,
        seen=frozenset(process for one in found if (process := one.labels.get(names.SERIES_PROCESS)) is not None),
    )


def _by_metric(found: tuple[Series, ...]) -> Mapping[str, list[Series]] | Unreadable:
    """Answer each series once, as the largest that replicas gave, without those that have gone from under others."""
    newest: dict[tuple[str, ...], Series] = {}
    gone = {(one.labels[GONE], one.labels.get(names.SERIES_PROCESS, "")) for one in found if GONE in one.labels}
    for one in found:
        if not _MARKS.isdisjoint(one.labels):
            continue
        if not isfinite(one.value) or one.value < 0 or one.value != int(one.value):
            return Unreadable("QueryError", f"{one.name} is {one.value:g}, which is not a count")
        identity = (one.name, *(one.labels.get(label, "") for label in _LABELS))
        if identity[:2] not in gone and (identity not in newest or one.value > newest[identity].value):
            newest[identity] = one
    by_metric: dict[str, list[Series]] = {}
    for one in newest.values():
        by_metric.setdefault(one.name, []).append(one)
    return by_metric


def _gate(
    gate: GateName, series: Mapping[str, list[Series]], *, arm: str | None, kept: Mapping[str, ByProcess]
) -> tuple[Mapping[str, ByProcess], set[str]]:
    """Answer the counts by key, and which metrics are missing of some process: that one is then not counted."""
    seen: dict[str, dict[str, list[float]]] = {}
    every = {one.labels.get(names.SERIES_PROCESS, "") for of_metric in series.values() for one in of_metric}
    metrics: dict[str, set[str]] = {process: set() for process in every}
    for term in _TERMS[gate]:
        for one in series.get(term.metric, ()):
            labels = one.labels
            if arm is not None and labels.get(names.SERIES_ARM) != arm:
                continue
            if term.label and labels.get(term.label) != term.value:
                continue
            process = labels.get(names.SERIES_PROCESS, "")
            metrics[process].add(term.metric)
            key = f"{gate.value}/{labels.get(term.part, '')}" if term.part else gate.value
            counts = seen.setdefault(key, {}).setdefault(process, [0.0, 0.0])
            counts[0] += term.good * one.value
            counts[1] += term.total * one.value
    wanted = {term.metric for term in _TERMS[gate]}
    halves = {process for process, found in metrics.items() if wanted - found}
    whole = {key: {one: counts for one, counts in of.items() if one not in halves} for key, of in seen.items()}
    mine = {key: of for key, of in kept.items() if key == gate.value or key.startswith(f"{gate.value}/")}
    merged = {key: _merged(whole.get(key, {}), mine.get(key, {})) for key in {*whole, *mine}}
    return merged, {metric for process in halves for metric in wanted - metrics[process]}


def _is_missing(gate: GateName, metrics: list[str]) -> Unreadable:
    if gate is GateName.LATENCY and metrics == [f"{names.LATENCY}_bucket"]:
        return Unreadable("BucketMissing", "the latency histogram has no bucket le=0.1")
    return Unreadable("SeriesMissing", f"Prometheus has no {', '.join(metrics)} of a process whose other series it has")


def _merged(seen: Mapping[str, list[float]], kept: ByProcess) -> ByProcess:
    merged = dict(kept)
    for process, (good, total) in seen.items():
        before = kept.get(process)
        # A Prometheus replica may lag behind the one that answered last time.
        if before is None or total >= before.total:
            merged[process] = ProcessCounts(good=good, total=total)
    return merged


def _counts(key: str, good: float, total: float) -> Counts | Unreadable:
    try:
        return Counts(good, total)
    except ValueError as error:
        return Unreadable("QueryError", f"{key}: {error}")
