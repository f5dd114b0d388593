"""What is read of one stage, and the marks of a result: labels that the query (joined_query.py) adds to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
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
MIN_STALE: Final = timedelta(minutes=2)
CHECKS_UNTIL_STALE: Final = 4
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_LAST_SECOND: Final = datetime.max.replace(tzinfo=UTC).timestamp()
_GRID: Final = timedelta(minutes=1)
"""Times that are read begin at whole minutes, so that many stages can be read by one query."""


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
        been added up. It begins at a whole minute, unless that would be too early.
        """
        wanted = self.since - stale_after(self.interval) - DELAY
        even = wanted - (wanted - _EPOCH) % _GRID
        if self.checkpoint is None:
            return even
        if self.checkpoint.since is None:
            return wanted
        least = self.since - MIN_STALE - DELAY
        bound = min(self.checkpoint.since + DELAY, least)
        return even if even >= bound else max(wanted, bound)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the metrics that the gates and the actual share read, of good and total."""
        return _metrics(self.gates, is_canary=self.percent > 0)

    def owns(self, series: Series) -> bool:
        """Return whether a series that has the uid of this stage is of this stage."""
        labels = series.labels
        is_of_stage = labels.get(names.SERIES_RUN) == self.run_id and labels.get(names.SERIES_STAGE) == str(self.stage)
        return is_of_stage or series.name == names.LABEL_CHECK

    def is_young(self, now: datetime) -> bool:
        """Return whether the stage may not have been scraped yet."""
        return now - self.started_at <= stale_after(self.interval)

    def is_ahead_of(self, now: datetime) -> bool:
        """Return whether a clock that is ahead dated it, so that it is not known how far to read back."""
        return self.since - now > DELAY


@lru_cache(maxsize=256)
def _metrics(gates: tuple[GateName, ...], *, is_canary: bool) -> tuple[str, ...]:
    shares = actual_share.METRICS if is_canary else ()
    return tuple(sorted({names.REQUESTS, *shares}.union(*(CATALOG[gate].metrics for gate in gates))))


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
