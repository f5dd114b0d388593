"""How a server applies a routing document: whether to accept it, which users are in the canary, which run serves them.

The server applies these functions at every request (docs/contracts.md, rule 4), and so do the protocol's tests.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import xxhash

from serin_core.api.revisions import MAX_STEP
from serin_core.contract.documents import CandidateRun, RoutingDocument, ServedRun, Thresholds

PARTS = 10_000
"""Users are divided into this many parts, so that a share can be as small as 0.01 %."""


class Ignored(StrEnum):
    """Why a server keeps its present document."""

    OTHER_UID = "it belongs to another resource"
    LOWER_REVISION = "its revision is below one already seen"


def admit(document: RoutingDocument, *, uid: str, seen: int, announced: int | None) -> Ignored | None:
    """Return why `document` must be ignored, or None if it is accepted.

    `uid` is that of the pod's template, `seen` the highest revision that this pod has ever served, `announced` the one
    that was announced to it before (`announced_by`).
    """
    if document.uid != uid:
        return Ignored.OTHER_UID
    if document.revision < highest_seen(seen, announced=announced):
        return Ignored.LOWER_REVISION
    return None


def announced_by(annotation: int | None, *, pushed: int | None) -> int | None:
    """Return the highest revision that the operator has announced to a pod, None if there is none.

    It announces one by an annotation of the pod, and by sending the routing itself (`pushed`, rule 18).
    """
    return max((one for one in (annotation, pushed) if one is not None), default=None)


def is_out_of_reach(revision: int, *, known: int) -> bool:
    """Return whether a revision is so far above a known one that no operator can have decided it."""
    return revision > known + MAX_STEP


def highest_seen(seen: int, *, announced: int | None) -> int:
    """Return the highest revision that a pod has served.

    It is the announced one where `seen` is out of its reach: an earlier version has served a document written by hand.
    """
    return announced if announced is not None and is_out_of_reach(seen, known=announced) else seen


@dataclass(frozen=True, slots=True)
class Route:
    """A document as it applies to one pod, given the runs that the pod has loaded."""

    document: RoutingDocument
    candidate: CandidateRun | None
    """The candidate, if it is loaded with this digest."""
    stable: ServedRun | None
    """The stable run, if it is loaded with this digest; else the rules serve its users."""
    percent: float
    """Share of users that the candidate serves here, in percent; 0 where anything is uncertain."""


def is_unsupervised(document: RoutingDocument, *, unheard: float) -> bool:
    """Return whether users get no answer of the candidate, since no operator has asked this pod for `unheard` seconds.

    `unheard` counts from the start of a pod that has never been asked.
    """
    candidate = document.candidate
    if candidate is None or candidate.supervision_seconds is None:
        return False
    return candidate.percent > 0 and unheard >= candidate.supervision_seconds


def percent_of(document: RoutingDocument, *, announced: int | None, unheard: float) -> float:
    """Return the share of users that are in the canary on a pod, in percent.

    It is 0 without an announcement, for a document older than it (the file may be stale), and without an operator that
    watches the candidate (`is_unsupervised`).
    """
    is_fresh = announced is not None and document.revision >= announced
    if document.candidate is None or not is_fresh or is_unsupervised(document, unheard=unheard):
        return 0.0
    return document.candidate.percent


def route(document: RoutingDocument, *, loaded: Mapping[str, str], announced: int | None, unheard: float) -> Route:
    """Return how `document` applies to a pod.

    `loaded` maps each run to its digest; `announced` is the revision that was announced to the pod (`announced_by`);
    `unheard` is the number of seconds since the operator asked for the pod's status.
    """
    candidate = document.candidate
    if candidate is not None and loaded.get(candidate.run) != candidate.digest:
        candidate = None
    stable = document.stable
    if stable is not None and loaded.get(stable.run) != stable.digest:
        stable = None
    percent = percent_of(document, announced=announced, unheard=unheard) if candidate is not None else 0.0
    return Route(document=document, candidate=candidate, stable=stable, percent=percent)


def salt(uid: str, candidate: str) -> str:
    """Return the salt of a resource's routing with this candidate, "" without one: SHA-256 in hex."""
    return hashlib.sha256(f"{uid}/{candidate}".encode()).hexdigest()


def seed(salt: str) -> int:
    """Return the seed of `user_hash` for a salt."""
    return xxhash.xxh3_64_intdigest(salt.encode())


def user_hash(user_id: str, seed: int) -> int:
    """Return the 64-bit hash of a user, the same on every replica and after every restart: xxh3, seeded by the salt."""
    return xxhash.xxh3_64_intdigest(user_id.encode(), seed=seed)


def is_in_share(user_hash: int, percent: float) -> bool:
    """Return whether the user with this hash is in a share of users. A user in 10 % is also in 50 %."""
    return user_hash % PARTS < percent * PARTS / 100


def in_canary(user_id: str | None, *, salt: str, percent: float) -> bool:
    """Return whether a user is in the canary. Without a user_id the result is always False."""
    return bool(user_id) and is_in_share(user_hash(user_id or "", seed(salt)), percent)


def is_confident(label: str, confidence: float, thresholds: Thresholds) -> bool:
    """Return whether a calibrated confidence reaches the threshold of its class; False for NaN."""
    return confidence >= thresholds.of(label)
