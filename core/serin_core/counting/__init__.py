"""From Prometheus series to the two counts of each gate, exactly.

server_counters  series of Serin's servers: one process, one stage, never reset; a count is a sum of last values
custom_counters  counters of custom gates: raw samples since the stage began, with resets
reading          the case that counts cannot be read

Counts are never clipped or estimated: whatever does not add up, or is no longer scraped, is Unreadable, with the
reason.
"""

from serin_core.counting.custom_counters import (
    BEFORE,
    MAX_SERIES,
    MAX_WINDOW,
    Kept,
    Samples,
    both_of,
    custom_key,
    follow,
    identity,
    newest_of,
    of_one_replica,
    selectors,
    up_to_the_same_time,
    window,
    without,
)
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import (
    CLOCK_BEHIND,
    ENDED,
    FRESH,
    GONE,
    NOW,
    Reading,
    Series,
    StageCounts,
    StageQuery,
    count_stage,
    evaluated_at,
    stage_query,
    stale_after,
)

__all__ = [
    "BEFORE",
    "CLOCK_BEHIND",
    "ENDED",
    "FRESH",
    "GONE",
    "MAX_SERIES",
    "MAX_WINDOW",
    "NOW",
    "Kept",
    "Reading",
    "Samples",
    "Series",
    "StageCounts",
    "StageQuery",
    "Unreadable",
    "both_of",
    "count_stage",
    "custom_key",
    "evaluated_at",
    "follow",
    "identity",
    "newest_of",
    "of_one_replica",
    "selectors",
    "stage_query",
    "stale_after",
    "up_to_the_same_time",
    "window",
    "without",
]
