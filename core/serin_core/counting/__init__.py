"""From what Prometheus gave to the two counts of each gate, exactly.

stage    series of our own servers: one process, one stage, never reset; a count is a sum of last values
own      counters of the user's: raw samples since the stage began, resets allowed for

Never clips or guesses: whatever does not add up, or is no longer watched, is Unreadable, with the reason.
"""

from serin_core.counting.custom_counters import (
    BEFORE,
    LONGEST,
    MOST_SERIES,
    Kept,
    Samples,
    both_of,
    count_anew,
    identity,
    newest_of,
    of_one_replica,
    own_key,
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
    "LONGEST",
    "MOST_SERIES",
    "NOW",
    "Kept",
    "Reading",
    "Samples",
    "Series",
    "StageCounts",
    "StageQuery",
    "Unreadable",
    "both_of",
    "count_anew",
    "count_stage",
    "evaluated_at",
    "identity",
    "newest_of",
    "of_one_replica",
    "own_key",
    "selectors",
    "stage_query",
    "stale_after",
    "up_to_the_same_time",
    "window",
    "without",
]
