"""Recorded counts as a source for a simulated rollout.

A record holds cumulative good and total by key at each time. A stage counts from the entry at which it begins. The
record is of all users (a shadow, or 100 %); what is counted on the canary alone is sampled: between two entries every
request is kept with the probability of the canary's share, as a sticky split would. So a replay needs a seed too. Where
the record has a gap longer than `stale_after`, or ends, there is no data.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.counting.reading import Unreadable
from serin_simulation.sampling import binomial
from serin_simulation.stage_checks import Pairs

GAP: Final = Unreadable("Stale", "nothing was recorded")
_IN_BOTH_ARMS: Final = (GateName.AGREEMENT.value, GateName.FEEDBACK.value, GateName.PER_CLASS.value)


class RecordError(ValueError):
    """The record is not valid; the message is one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Cumulative counts at one time, in seconds since the record began."""

    at: float
    counts: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Record:
    """Entries in order of time. Raises RecordError where counts fall, or good exceed all."""

    entries: tuple[Entry, ...]
    gap: timedelta
    """Entries farther apart than this are a gap."""
    own: frozenset[str] = frozenset()
    """Keys of custom gates, which are never sampled."""

    def __post_init__(self) -> None:
        if not self.entries:
            raise RecordError("it holds no counts")
        for before, after in zip(self.entries, self.entries[1:], strict=False):
            for key, (good, total) in after.counts.items():
                was_good, was_total = before.counts.get(key, (0.0, 0.0))
                if good < was_good or total - good < was_total - was_good:
                    raise RecordError(f"{key} falls from {was_good:g} of {was_total:g} to {good:g} of {total:g}")
        for key, (good, total) in self.entries[0].counts.items():
            if not 0 <= good <= total:
                raise RecordError(f"{key}: {good:g} good of {total:g} is not a count")

    @property
    def duration(self) -> timedelta:
        """Return the duration of the record."""
        return timedelta(seconds=self.entries[-1].at - self.entries[0].at)


class ReplaySource:
    """The counts of one replayed rollout."""

    def __init__(self, record: Record, rng: Random, *, first: datetime) -> None:
        self._record, self._rng, self._first = record, rng, first
        self._times = [entry.at for entry in record.entries]
        self.begin(0.0, first)

    def begin(self, percent: float, now: datetime) -> None:
        """A stage begins: all counts start from zero."""
        self._share = 1.0 if percent == 0 else percent / 100
        self._counts: dict[str, tuple[float, float]] = {}
        self._place = self._at(now)

    def read(self, now: datetime) -> Pairs | Unreadable:
        """Return the counts by now."""
        place = self._at(now)
        for at in range(self._place + 1, place + 1):
            self._take(self._record.entries[at - 1], self._record.entries[at])
        self._place = max(place, self._place)
        age = (now - self._first).total_seconds() + self._times[0] - self._times[place]
        return GAP if age > self._record.gap.total_seconds() else dict(self._counts)

    def _at(self, now: datetime) -> int:
        return max(bisect_right(self._times, (now - self._first).total_seconds() + self._times[0]) - 1, 0)

    def _take(self, before: Entry, after: Entry) -> None:
        for key, (good, total) in after.counts.items():
            was_good, was_total = before.counts.get(key, (0.0, 0.0))
            more, bad = good - was_good, (total - good) - (was_total - was_good)
            if self._share < 1 and key.partition("/")[0] not in _IN_BOTH_ARMS and key not in self._record.own:
                more, bad = (binomial(round(one), self._share, self._rng) for one in (more, bad))
            s, n = self._counts.get(key, (0.0, 0.0))
            self._counts[key] = (s + more, n + more + bad)
