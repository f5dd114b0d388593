"""The query for the series of one or many stages: one PromQL expression, and how its result is shared out.

Every series carries the uid of its resource. So the stages of many resources are read by the same expression as one
stage, with several uids in its matchers, and each gets the series that a query of its own would have returned.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serin_core.contract import names
from serin_core.counting.stage_query import FRESH, GONE, NOW, Series, StageQuery, stale_after

MAX_STAGES: Final = 64
"""Maximum number of stages in one query."""
MAX_SERIES: Final = 5_000
"""Maximum number of series that one query is expected to return, about 2 MB; a stage that has more is read alone."""
MAX_LENGTH: Final = 15_000
"""Maximum length of a query for several stages, in characters. VictoriaMetrics accepts 16,384 bytes by default."""
_STEPS: Final = 60
_MIN_STEP: Final = 5
_NO_MORE: Final = ',le=~"0[.]1|",agree!="None"'
"""Matchers that leave out what no gate reads: half of all series. A missing label is "", and matches."""
_STAGE: Final = f"{names.SERIES_UID},{names.SERIES_RUN},{names.SERIES_STAGE}"
_OF_PROCESS: Final = f"{_STAGE},{names.SERIES_PROCESS}"


@dataclass(frozen=True, slots=True)
class _Window:
    """What stages must have in common to be read by one part of a query. A longer window would count more."""

    since: datetime
    fresh_seconds: float
    metrics: tuple[str, ...]

    @classmethod
    def of(cls, asked: StageQuery) -> "_Window":
        return cls(asked.reaches_back_to, stale_after(asked.interval).total_seconds(), asked.metrics)


def stage_query(asked: StageQuery, now: datetime) -> str:
    """Return one PromQL expression for all series that the gates and the actual share read, of good and total."""
    return joined_query((asked,), now)


def joined_query(asked: Sequence[StageQuery], now: datetime) -> str:
    """Return one PromQL expression for all series of some stages of different resources.

    For each stage it also returns how many of them have a sample newer than `stale_after` (no such series means none),
    the metrics that a process has lost, and what the scrapes leave of the labels; and once, the time of the query by
    the clock of Prometheus. It may return series of earlier stages too, which `shared_out` leaves out.
    """
    by_window: dict[_Window, list[StageQuery]] = defaultdict(list)
    for one in asked:
        by_window[_Window.of(one)].append(one)
    parts = [_of_window(window, stages, now) for window, stages in by_window.items()]
    parts.append(f'label_replace(vector(time()),"{NOW}","true","","")')
    parts.append(f"{names.LABEL_CHECK}{{{_matcher(names.SERIES_UID, (one.uid for one in asked))}}}")
    return " or ".join(parts)


def shared_out(series: Iterable[Series], asked: Iterable[StageQuery]) -> Mapping[str, list[Series]]:
    """Return by uid what a query for each stage alone would have returned, from the result of a query for all."""
    of_all: list[Series] = []
    by_uid: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        uid = one.labels.get(names.SERIES_UID)
        (of_all if uid is None else by_uid[uid]).append(one)
    return {one.uid: [*of_all, *filter(one.owns, by_uid.get(one.uid, ()))] for one in asked}


def packed(
    asked: Iterable[StageQuery], *, expected: Callable[[str], int], most: int = MAX_STAGES
) -> list[list[StageQuery]]:
    """Return the stages in groups, each of them for one query: as few as the bounds on its size allow.

    `expected` returns how many series the resource with a uid is expected to have. A uid is in a group only once.
    """
    groups: list[list[StageQuery]] = []
    fill = _Fill()

    def by_window(stage: StageQuery) -> tuple[object, ...]:
        return expected(stage.uid) > MAX_SERIES, stage.reaches_back_to, stage.interval, stage.metrics

    for one in sorted(asked, key=by_window):
        after = fill.with_one(one, expected(one.uid))
        if groups and after.fits and len(groups[-1]) < most and one.uid not in fill.uids:
            groups[-1].append(one)
        else:
            groups.append([one])
            after = _Fill().with_one(one, expected(one.uid))
        fill = after
    return groups


@dataclass(frozen=True, slots=True)
class _Fill:
    """How much a query holds."""

    series: int = 0
    length: int = 0
    window: _Window | None = None
    uids: frozenset[str] = frozenset()

    def with_one(self, one: StageQuery, series: int) -> "_Fill":
        window = _Window.of(one)
        part = _of_window(window, (one,), one.since)
        copies = part.count(one.uid) + 1
        length = copies * (len(one.uid) + len(str(one.stage)) + 2) if window == self.window else len(part)
        return _Fill(self.series + series, self.length + length, window, self.uids | {one.uid})

    @property
    def fits(self) -> bool:
        return self.series <= MAX_SERIES and self.length <= MAX_LENGTH


def _of_window(window: _Window, stages: Sequence[StageQuery], now: datetime) -> str:
    runs = {one.run_id for one in stages}
    selector = ",".join(
        (
            f'__name__=~"{"|".join(window.metrics)}"',
            _matcher(names.SERIES_UID, (one.uid for one in stages)),
            *((_matcher(names.SERIES_RUN, runs),) if len(runs) == 1 else ()),
            _matcher(names.SERIES_STAGE, (str(one.stage) for one in stages)),
        )
    )
    selector = f"{{{selector}{_NO_MORE}}}"
    back = int((now - window.since).total_seconds())
    fresh = f"count by({_STAGE})(last_over_time({selector}[{window.fresh_seconds:.0f}s]))"
    return (
        f'last_over_time({selector}[{back}s]) or label_replace({fresh},"{FRESH}","true","","")'
        f" or {_gone(selector, back)}"
    )


def _matcher(label: str, values: Iterable[str]) -> str:
    """Return a matcher for one or several literal values."""
    wanted = sorted(set(values))
    if len(wanted) == 1:
        return f'{label}="{wanted[0]}"'
    return f'{label}=~"{"|".join(map(_literal, wanted))}"'


def _literal(value: str) -> str:
    return "".join(one if one.isalnum() or one in "-_" else f"[{one}]" for one in value)


def _gone(selector: str, back: int) -> str:
    """Return an expression for each metric that a process has lost, renamed or dropped, while others continue.

    Its last value is old and must not be combined with others that have moved since. One scrape brings all series of a
    process. So all its metrics exist at the same times: now, and at each step of the time that is read.
    """
    there = _metrics_of(selector)
    times = f"count_over_time({there}[{back}s:{max(_MIN_STEP, back // _STEPS)}s])"
    return (
        f"({times} < on({_OF_PROCESS}) group_left() max by({_OF_PROCESS})({times}))"
        f" or ({_metrics_of(f'last_over_time({selector}[{back}s])')}"
        f" unless on({GONE},{_OF_PROCESS}) {there} and on({_OF_PROCESS}) {there})"
    )


def _metrics_of(series: str) -> str:
    return f'label_replace(group by(__name__,{_OF_PROCESS})({series}),"{GONE}","$1","__name__","(.+)")'
