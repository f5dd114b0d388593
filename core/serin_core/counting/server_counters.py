"""Series of Serin's servers: from last values to the counts of one stage.

Every server process has its own series, which start at 0 and never reset, and so has every stage. So a count is the sum
of the last value of each process: no rates, no resets, no windows. Series of one process in several Prometheus replicas
are the same: the largest value is the newest. Counts outlive the processes that made them, so the query
(stage_query.py) also reads whether pods are still being scraped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint, OwnCounts, ProcessCounts
from serin_core.contract import actual_share, names
from serin_core.contract.gate_catalog import CATALOG, Arms, Term, built_in
from serin_core.counting.checkpoint_size import fitted
from serin_core.counting.label_check import find_changed_label, is_intact, is_label_check
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import FRESH, GONE, MARKS, Series, StageQuery
from serin_core.evidence.counts import Counts

ENDED: Final = "ended"
"""Key in a checkpoint for all processes that have ended; others have random names of hexadecimal digits."""
ByProcess = Mapping[str, ProcessCounts]


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Counts of one stage, by key: a gate's name, `gate/part` for each of its classes or arms, or an actual share."""

    by_key: Mapping[str, ByProcess | Unreadable]
    has_shared_store: bool = False
    """Whether all processes count users in one store, so that each user is counted once over all of them."""
    custom: Mapping[str, OwnCounts | Unreadable] = field(default_factory=dict)
    """By `custom_key` of each custom gate."""
    beside: Mapping[str, ByProcess] = field(default_factory=dict)
    """Counts to keep of gates that cannot be read at this check: of the processes whose series are complete."""
    kept_custom: Mapping[str, OwnCounts] = field(default_factory=dict)
    """What was kept of custom gates before; it stays where one cannot be read at this check."""
    seen: frozenset[str] | None = None
    """Processes that have samples in what was read; None if that is not known."""
    since: datetime | None = None
    """Beginning of the time that was read."""

    def of(self, key: str) -> Counts | Unreadable:
        """Return good and total of one key, summed over processes."""
        found = self.by_key.get(key, _NO_DATA)
        if isinstance(found, Unreadable):
            return found
        good = sum(process.good for process in found.values())
        total = sum(process.total for process in found.values())
        share = max(1, sum(process.total > 0 for process in found.values())) if self._is_divided(key) else 1
        return _counts(key, good / share, total / share)

    def parts_of(self, gate: GateName) -> Mapping[str, Counts | Unreadable]:
        """Return the counts of each part of a gate, by class or arm."""
        mine = (key for key in self.by_key if key.startswith(f"{gate.value}/"))
        return {key.removeprefix(f"{gate.value}/"): self.of(key) for key in mine}

    def of_custom(self, key: str) -> Counts | Unreadable:
        """Return good and total of a custom gate, by its `custom_key`."""
        found = self.custom.get(key, _NO_DATA)
        if isinstance(found, Unreadable):
            return found
        if found.is_empty:
            return _NOTHING_MATCHES
        return _counts(key.partition("@")[0], *found.sums)

    def checkpoint(self, at: datetime, *, alive: frozenset[str] | None = None) -> Checkpoint:
        """Return what to keep, so that the next check reads only what came after `at`.

        `alive`: all running processes, None if not all are known. A process that is neither running nor in what was
        read counts no more; these are added up, so that the checkpoint does not grow with each restart.
        """
        counts = {key: self._ended_as_one(key, found, alive) for key, found in self.beside.items()}
        counts |= {
            key: self._ended_as_one(key, found, alive)
            for key, found in self.by_key.items()
            if not isinstance(found, Unreadable)
        }
        own = {key: found for key, found in self.kept_custom.items() if key in self.custom}
        own |= {key: found for key, found in self.custom.items() if not isinstance(found, Unreadable)}
        seen = self.seen or frozenset()
        running = seen if alive is None else seen & alive
        return fitted(Checkpoint(at=at, since=self.since, counts=counts, own=own), running=running, ended=ENDED)

    def _ended_as_one(self, key: str, found: ByProcess, alive: frozenset[str] | None) -> dict[str, ProcessCounts]:
        if alive is None or self.seen is None or self._is_divided(key):
            return dict(found)
        known = alive | self.seen
        ended = [counts for process, counts in found.items() if process not in known]
        kept = {process: counts for process, counts in found.items() if process in known}
        if ended:
            kept[ENDED] = ProcessCounts(good=sum(one.good for one in ended), total=sum(one.total for one in ended))
        return kept

    def _is_divided(self, key: str) -> bool:
        """Return whether each process counts users separately, so that a user may be counted in each of them."""
        gate = built_in(key)
        return gate is not None and gate.counts_users and not self.has_shared_store


Reading = StageCounts | Unreadable


_ALL_TERMS: Final = (*actual_share.TERMS.values(), *(gate.terms for gate in CATALOG.values()))
_LABELS: Final = (
    names.SERIES_PROCESS,
    names.SERIES_ARM,
    names.SERIES_CLASS,
    *sorted({term.label for terms in _ALL_TERMS for term in terms} - {"", names.SERIES_ARM}),
)
"""Labels that distinguish the series of one metric; the process is the first."""
_ABSENT: Final = ("",) * len(_LABELS)
"""Values of labels that a series does not have."""
_NO_DATA: Final = Unreadable("NoData", "Prometheus has no series of this stage yet")
_NOTHING_MATCHES: Final = Unreadable("NothingMatches", "its selectors match no series")
CLOCK_BEHIND: Final = Unreadable(
    "ClockBehind", "the operator's clock is behind the time at which the counts of this stage were last kept"
)
_STALE: Final = Unreadable(
    "Stale",
    "Prometheus has no fresh sample of this stage; it may not scrape the pods any more: it needs a job for their "
    "annotation prometheus.io/scrape, or must select their PodMonitor (docs/prometheus.md)",
)


def count_stage(
    series: Iterable[Series],
    asked: StageQuery,
    now: datetime,
    *,
    custom: Mapping[str, OwnCounts | Unreadable] | None = None,
) -> Reading:
    """Add the series of one stage to what the checkpoint kept of it.

    A young stage may not have been scraped yet; an older one without a fresh sample is not scraped any more, and its
    earlier counts prove nothing about the present.
    """
    label_checks: list[Series] = []
    found: list[Series] = []
    for one in series:
        (label_checks if is_label_check(one) else found).append(one)
    if problem := find_changed_label(label_checks, asked.gates):
        return problem
    if not asked.is_young(now) and not any(FRESH in one.labels for one in found):
        return _STALE
    distinct = _distinct(found)
    if isinstance(distinct, Unreadable):
        return distinct
    former = Checkpoint(at=now) if asked.checkpoint is None else asked.checkpoint
    by_key: dict[str, ByProcess | Unreadable] = {}
    beside: dict[str, ByProcess] = {}
    for gate in asked.gates:
        arm = None if asked.percent == 0 or CATALOG[gate].arms is Arms.BOTH else names.ARM_CANARY
        counts, missing = _add_up(gate.value, CATALOG[gate].terms, distinct, arm=arm, kept=former.counts)
        if missing:
            by_key[gate.value] = _is_missing(gate, sorted(missing))
            beside |= counts
        elif counts:
            by_key |= counts
        else:
            by_key[gate.value] = _NO_DATA
    for key, terms in actual_share.TERMS.items() if asked.percent > 0 else ():
        by_key |= _add_up(key, terms, distinct, arm=None, kept=former.counts)[0]
    return StageCounts(
        by_key,
        has_shared_store=asked.has_shared_store,
        custom=custom or {},
        beside=beside,
        kept_custom=former.own,
        since=asked.reaches_back_to,
        seen=frozenset(process for one in found if (process := one.labels.get(names.SERIES_PROCESS)) is not None),
    )


@dataclass(frozen=True, slots=True)
class _Distinct:
    """Each series once, by metric, and the processes that they are of."""

    by_metric: Mapping[str, list[Series]]
    processes: frozenset[str]


def _distinct(found: list[Series]) -> _Distinct | Unreadable:
    """Return each series once, the largest of all replicas, without metrics that their process has lost."""
    newest: dict[tuple[str, ...], Series] = {}
    gone = {(one.labels[GONE], one.labels.get(names.SERIES_PROCESS, "")) for one in found if GONE in one.labels}
    for one in found:
        if not MARKS.isdisjoint(one.labels) or not is_intact(one):
            continue
        if not isfinite(one.value) or one.value < 0 or one.value != int(one.value):
            return Unreadable("QueryError", f"{one.name} is {one.value:g}, which is not a count")
        identity = (one.name, *map(one.labels.get, _LABELS, _ABSENT))
        if identity[:2] not in gone and (identity not in newest or one.value > newest[identity].value):
            newest[identity] = one
    by_metric: dict[str, list[Series]] = {}
    for identity, one in newest.items():
        by_metric.setdefault(identity[0], []).append(one)
    return _Distinct(by_metric, frozenset(process for _, process, *_ in newest))


def _add_up(
    name: str,
    terms: tuple[Term, ...],
    found: _Distinct,
    *,
    arm: str | None,
    kept: Mapping[str, ByProcess],
) -> tuple[Mapping[str, ByProcess], set[str]]:
    """Return the counts by key, and the metrics that are missing of some process, which is then not counted.

    The key is `name`, or `name/part` for each part of a gate.
    """
    seen: dict[str, dict[str, list[float]]] = {}
    metrics: dict[str, set[str]] = {process: set() for process in found.processes}
    for term in terms:
        for one in found.by_metric.get(term.metric, ()):
            labels = one.labels
            if arm is not None and labels.get(names.SERIES_ARM) != arm:
                continue
            if term.label and labels.get(term.label) != term.value:
                continue
            process = labels.get(names.SERIES_PROCESS, "")
            metrics[process].add(term.metric)
            key = f"{name}/{labels.get(term.part, '')}" if term.part else name
            counts = seen.setdefault(key, {}).setdefault(process, [0.0, 0.0])
            counts[0] += term.good * one.value
            counts[1] += term.total * one.value
    wanted = {term.metric for term in terms}
    halves = {process for process, its in metrics.items() if wanted - its}
    whole = {key: {one: counts for one, counts in of.items() if one not in halves} for key, of in seen.items()}
    mine = {key: of for key, of in kept.items() if key == name or key.startswith(f"{name}/")}
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
        # A Prometheus replica may lag behind the one that was read last time.
        if before is None or total >= before.total:
            merged[process] = ProcessCounts(good=good, total=total)
    return merged


def _counts(key: str, good: float, total: float) -> Counts | Unreadable:
    try:
        return Counts(good, total)
    except ValueError as error:
        return Unreadable("QueryError", f"{key}: {error}")
