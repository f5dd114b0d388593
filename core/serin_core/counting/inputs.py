"""The query for the inputs of a run, by bins, and what its result says. Pure.

Unlike the counts of a gate these may be inexact: `increase` extrapolates, and loses what a process counted after its
last scrape. That affects every bin alike, and only shares are compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.contract import names
from serin_core.counting.stage_query import Series

WINDOW: Final = timedelta(days=7)
"""Inputs of the last week are compared: weekends differ from other days, and nights from the rest of a day."""
_LEAST: Final = 7
"""A run is compared once it was asked for 1/_LEAST of the window: some hours are no sample of a week."""
_SIDE: Final = "serin_side"
"""Label added by the query: which part of it a series is of."""
_CURRENT, _REFERENCE, _SETTLED = "current", "reference", "settled"
_RECENTLY: Final = "1h"
Bins = Mapping[str, Mapping[str, float]]
"""Counts by feature and bin."""


@dataclass(frozen=True, slots=True)
class InputsSeen:
    """What a run was asked in the last WINDOW, and the rows that it was evaluated on."""

    run_id: str
    current: Bins
    reference: Bins
    """Empty if no pod has the run, or its report has no data profile."""
    is_settled: bool
    """Whether it has been asked for long enough to compare them."""


def inputs_query(uid: str, run_id: str, *, window: timedelta = WINDOW) -> str:
    """Return one PromQL expression for the inputs of a run, on all pods of a resource."""
    of_run = f'{names.SERIES_UID}="{uid}",{names.SERIES_RUN}="{run_id}"'
    of_bin = f"{names.SERIES_FEATURE},{names.SERIES_BIN}"
    asked = f"increase({names.INPUTS}{{{of_run}}}[{format_duration(window)}])"
    before = f"{names.INPUTS}{{{of_run}}}[{_RECENTLY}] offset {format_duration(window / _LEAST)}"
    # Several replicas of Prometheus may have the series of one process.
    parts = {
        _CURRENT: f"sum by ({of_bin}) (max by ({names.SERIES_PROCESS},{of_bin}) ({asked}))",
        _REFERENCE: f"max by ({of_bin}) (last_over_time({names.RUN_INPUT_ROWS}{{{of_run}}}[{_RECENTLY}]))",
        _SETTLED: f"count(last_over_time({before}))",
    }
    return " or ".join(f'label_replace({part},"{_SIDE}","{side}","","")' for side, part in parts.items())


def inputs_seen(run_id: str, found: Iterable[Series]) -> InputsSeen:
    """Return what the result of `inputs_query` says."""
    sides: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in found:
        side, feature, name = (one.labels.get(label, "") for label in (_SIDE, names.SERIES_FEATURE, names.SERIES_BIN))
        sides[side][feature][name] = one.value
    return InputsSeen(run_id, sides[_CURRENT], sides[_REFERENCE], is_settled=bool(sides[_SETTLED]))
