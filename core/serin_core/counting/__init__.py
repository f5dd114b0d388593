"""From what Prometheus gave to the two counts of each gate, exactly.

stage    series of our own servers: one process, one stage, never reset; a count is a sum of last values
own      counters of the user's: raw samples since the stage began, resets allowed for

Never clips or guesses: whatever does not add up, or is no longer watched, is Unreadable, with the reason.
"""

from serin_core.counting.own import Kept, Samples, count_anew, own_key, selectors, window
from serin_core.counting.stage import (
    FRESH,
    NOW,
    Asked,
    Reading,
    Series,
    Tallies,
    evaluated_at,
    stage_query,
    stale_after,
    tally,
)
from serin_core.counting.unreadable import Unreadable

__all__ = [
    "FRESH",
    "NOW",
    "Asked",
    "Kept",
    "Reading",
    "Samples",
    "Series",
    "Tallies",
    "Unreadable",
    "count_anew",
    "evaluated_at",
    "own_key",
    "selectors",
    "stage_query",
    "stale_after",
    "tally",
    "window",
]
