"""What new requests are decided by: one frozen value, swapped as a whole when routing, runs or annotations change.

A request keeps the Serving with which it began; so its stage, arm and route never change under way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import xxhash

from serin_core.contract.documents import RoutingDocument, ServedRun
from serin_core.contract.routing import PARTS, route
from serin_server.metrics.counters import Counters, StageCounts, StageKey
from serin_server.runs.predictor import Loaded

RULES_ALONE: Final = "rules"
"""The label run_id where no run answers and none is on trial."""
NO_REVISION: Final = -1


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run that routing names, and the very same run as loaded here, if it is."""

    served: ServedRun
    loaded: Loaded | None


@dataclass(frozen=True, slots=True)
class Serving:
    """Who answers whom on this pod, and where it is counted."""

    revision: int
    hash: str
    salt: str
    shadow: bool
    candidate: NamedRun | None
    stable: NamedRun | None
    percent: float
    """The share of users in the canary; 0 where the document may be stale."""
    counts: StageCounts
    seed: int
    """Of the hash of users, from the salt."""

    def in_canary(self, user_id: str | None) -> bool:
        """Answer whether a user is in the canary."""
        return bool(user_id) and self.has_in_canary(self.user_hash(user_id))

    def user_hash(self, user_id: str | None) -> int:
        """Answer 64 bits that stand for a user, the same on every pod of this trial; 0 without a user."""
        if not user_id:
            return 0
        return xxhash.xxh3_64_intdigest(user_id.encode(), seed=self.seed)

    def has_in_canary(self, user: int) -> bool:
        """Answer whether the user of this hash is in the canary: what serin_core.routing.in_canary answers."""
        return user % PARTS < self.percent * PARTS / 100


def serve(
    document: RoutingDocument | None, *, announced: int | None, loaded: Mapping[str, Loaded], counters: Counters
) -> Serving:
    """Work out what a document means on this pod. Without one the rules answer.

    A user whom the document puts into the canary counts there also while the candidate is not loaded here: what is
    counted then is that it was unavailable.
    """
    if document is None:
        counts = counters.begin(StageKey(RULES_ALONE, NO_REVISION), ())
        return Serving(
            NO_REVISION, "", "", shadow=False, candidate=None, stable=None, percent=0.0, counts=counts, seed=0
        )
    here = route(document, loaded={run: one.predictor.digest for run, one in loaded.items()}, announced=announced)
    candidate = _name(document.candidate, usable=here.candidate, loaded=loaded)
    stable = _name(document.stable, usable=here.stable, loaded=loaded)
    is_fresh = announced is not None and document.revision >= announced
    percent = document.candidate.percent if document.candidate is not None and is_fresh else 0.0
    subject = candidate or stable
    counts = counters.begin(
        StageKey(RULES_ALONE if subject is None else subject.served.run, document.stage),
        () if subject is None or subject.loaded is None else subject.loaded.predictor.classes,
    )
    return Serving(
        document.revision,
        document.hash(),
        document.salt,
        shadow=document.shadow,
        candidate=candidate,
        stable=stable,
        percent=percent,
        counts=counts,
        seed=xxhash.xxh3_64_intdigest(document.salt.encode()),
    )


def _name(served: ServedRun | None, *, usable: ServedRun | None, loaded: Mapping[str, Loaded]) -> NamedRun | None:
    if served is None:
        return None
    return NamedRun(served, None if usable is None else loaded[usable.run])


class Switch:
    """Holds the one Serving in use. Used from the event loop only, so a swap is seen whole."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._document: RoutingDocument | None = None
        self._announced: int | None = None
        self._loaded: Mapping[str, Loaded] = {}
        self._current = self._serve()

    @property
    def current(self) -> Serving:
        """Answer what new requests are decided by."""
        return self._current

    def route_by(self, document: RoutingDocument | None, *, announced: int | None) -> None:
        """Take a document that was admitted, and the revision on the pod's annotation, in one swap."""
        self._document, self._announced = document, announced
        self._current = self._serve()

    def load(self, loaded: Mapping[str, Loaded]) -> None:
        """Take the runs that are loaded now, by name."""
        self._loaded = dict(loaded)
        self._current = self._serve()

    def _serve(self) -> Serving:
        return serve(self._document, announced=self._announced, loaded=self._loaded, counters=self._counters)
