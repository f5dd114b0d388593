"""Which earlier checks a gate keeps as starts of late harm: a matter of their numbers alone.

`late_harm.keep` chooses by the ages of checks, never by their counts, as long as every check counts something new. So
what is kept after check c is worked out once for all rollouts.
"""

from dataclasses import dataclass, field
from typing import Final

from serin_core.evidence import BEGINNING, Counts, Start, keep

Numbers = tuple[int, ...]


@dataclass(slots=True)
class Schedule:
    """The numbers of the starts that are kept after each check. With `first_is_empty` the first one counted nothing."""

    first_is_empty: bool
    kept: list[Numbers] = field(default_factory=lambda: [(1,)])

    def after(self, checks: int) -> Numbers:
        """Answer the starts kept once so many checks have been made."""
        while len(self.kept) <= checks:
            number = len(self.kept)
            if number == 1 and self.first_is_empty:
                self.kept.append((1,))
                continue
            # Counts that are new at each check; any will do.
            starts = [BEGINNING if one == 1 else Start(one, Counts(0, one)) for one in self.kept[-1]]
            self.kept.append(tuple(one.check for one in keep(starts, Start(number + 1, Counts(0, number + 1)))))
        return self.kept[checks]


SCHEDULES: Final = {False: Schedule(first_is_empty=False), True: Schedule(first_is_empty=True)}
"""Grown as far as anybody has asked: a cache, the same for everybody."""
