"""The query for the series of one stage: one PromQL expression, and what a reading of it is marked with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint
from serin_core.contract import actual_share, names
from serin_core.contract.gate_catalog import CATALOG
from serin_core.counting.reading import Unreadable

DELAY: Final = timedelta(minutes=1)
"""Maximum time between a reading and its checkpoint; clocks may differ by as much."""
FRESH: Final = "serin_fresh"
"""Label added by the query: marks the number of series that have a sample newer than `stale_after`."""
NOW: Final = "serin_now"
"""Label added by the query: marks the time at which Prometheus evaluated it, by its own clock."""
GONE: Final = "serin_gone"
"""Label added by the query: names a metric that a process has lost while it still has others."""
MARKS: Final = frozenset((FRESH, NOW, GONE))
_STEPS: Final = 60
_MIN_STEP: Final = 5
MIN_STALE: Final = timedelta(minutes=2)
CHECKS_UNTIL_STALE: Final = 4
_LAST_SECOND: Final = datetime.max.replace(tzinfo=UTC).timestamp()
_NO_MORE: Final = ',le=~"0[.]1|",agree!="None"'
"""Matchers that leave out what no gate reads: half of all series. A missing label is "", and matches."""


@dataclass(frozen=True, slots=True)
class Series:
    """Last value of one series."""

    labels: Mapping[str, str]
    value: float

    @property
    def name(self) -> str:
        """Return the metric's name, "" if it has none."""
        return self.labels.get("__name__", "")


def stale_after(interval: timedelta) -> timedelta:
    """Return how old the newest sample of a stage may be: two minutes or four checks, whichever is longer."""
    return max(MIN_STALE, CHECKS_UNTIL_STALE * interval)


@dataclass(frozen=True, slots=True)
class StageQuery:
    """What is read of one stage: whose series, for which gates, and since when."""

    uid: str
    run_id: str
    stage: int
    percent: float
    gates: tuple[GateName, ...]
    started_at: datetime
    checkpoint: Checkpoint | None
    interval: timedelta
    """Time between checks."""
    has_shared_store: bool = False

    @property
    def since(self) -> datetime:
        """Return the time up to which counts are kept: the last checkpoint, or the beginning of the stage."""
        return self.started_at if self.checkpoint is None else self.checkpoint.at

    @property
    def reaches_back_to(self) -> datetime:
        """Return the beginning of the time that is read.

        What the last check read may be as old as `stale_after` allows: the next one reads back beyond all of that. It
        never reads back as far as the checks before, whose clock may differ: processes that had ended by then have
        been added up.
        """
        wanted = self.since - stale_after(self.interval) - DELAY
        if self.checkpoint is None or self.checkpoint.since is None:
            return wanted
        least = self.since - MIN_STALE - DELAY
        return max(wanted, min(self.checkpoint.since + DELAY, least))

    def is_young(self, now: datetime) -> bool:
        """Return whether the stage may not have been scraped yet."""
        return now - self.started_at <= stale_after(self.interval)

    def is_ahead_of(self, now: datetime) -> bool:
        """Return whether a clock that is ahead dated it, so that it is not known how far to read back."""
        return self.since - now > DELAY


def stage_query(asked: StageQuery, now: datetime) -> str:
    """Return one PromQL expression for all series that the gates and the actual share read, of good and total.

    It also returns how many of them have a sample newer than `stale_after` (no such series means none), the time of the
    query by the clock of Prometheus, the metrics that a process has lost, and what the scrapes leave of the labels.
    """
    shares = actual_share.METRICS if asked.percent > 0 else ()
    metrics = sorted({names.REQUESTS, *shares}.union(*(CATALOG[gate].metrics for gate in asked.gates)))
    matchers = (
        f'__name__=~"{"|".join(metrics)}",{names.SERIES_UID}="{asked.uid}",'
        f'{names.SERIES_RUN}="{asked.run_id}",{names.SERIES_STAGE}="{asked.stage}"{_NO_MORE}'
    )
    back = int((now - asked.reaches_back_to).total_seconds())
    fresh = f"count(last_over_time({{{matchers}}}[{stale_after(asked.interval).total_seconds():.0f}s]))"
    return (
        f'last_over_time({{{matchers}}}[{back}s]) or label_replace({fresh},"{FRESH}","true","","")'
        f' or label_replace(vector(time()),"{NOW}","true","","") or {_gone(f"{{{matchers}}}", back)}'
        f' or {names.LABEL_CHECK}{{{names.SERIES_UID}="{asked.uid}"}}'
    )


def _gone(selector: str, back: int) -> str:
    """Return an expression for each metric that a process has lost, renamed or dropped, while others continue.

    Its last value is old and must not be combined with others that have moved since. One scrape brings all series of a
    process. So all its metrics exist at the same times: now, and at each step of the time that is read.
    """
    process = names.SERIES_PROCESS
    there = _metrics_of(selector)
    times = f"count_over_time({there}[{back}s:{max(_MIN_STEP, back // _STEPS)}s])"
    return (
        f"({times} < on({process}) group_left() max by({process})({times}))"
        f" or ({_metrics_of(f'last_over_time({selector}[{back}s])')}"
        f" unless on({GONE},{process}) {there} and on({process}) {there})"
    )


def _metrics_of(series: str) -> str:
    return f'label_replace(group by(__name__,{names.SERIES_PROCESS})({series}),"{GONE}","$1","__name__","(.+)")'


def evaluated_at(series: Iterable[Series]) -> float | Unreadable:
    """Return the Unix time at which Prometheus evaluated a stage's query.

    VictoriaMetrics rounds it down to seconds. The second is then over, so that nothing is counted before a stage began.
    """
    found = next((one.value for one in series if NOW in one.labels), 0.0)
    is_a_time = isfinite(found) and 0 < found < _LAST_SECOND
    return (
        found + found.is_integer()
        if is_a_time
        else Unreadable("QueryError", "Prometheus returned no evaluation time of the query")
    )
