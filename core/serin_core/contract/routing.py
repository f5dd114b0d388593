"""What a server does with a routing document: whether to take it, who is in the canary, which answer is used.

Pure rules (contracts, 2.4 and 3). The server applies them in every request; the protocol's tests apply the same ones.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import xxhash

from serin_core.contract.documents import CandidateRun, RoutingDocument, ServedRun, Thresholds

PARTS = 10_000
"""Users fall into this many parts, so that shares down to 0.01 % can be told apart."""


class Ignored(StrEnum):
    """Why a server goes on with the document it has."""

    OTHER_UID = "it belongs to another resource"
    LOWER_REVISION = "its revision is below one already seen"


def admit(document: RoutingDocument, *, uid: str, seen: int) -> Ignored | None:
    """Answer why `document` must not be served, or None when it is to be.

    `uid` is the one of the pod's template, `seen` the highest revision this pod has ever served.
    """
    if document.uid != uid:
        return Ignored.OTHER_UID
    if document.revision < seen:
        return Ignored.LOWER_REVISION
    return None


@dataclass(frozen=True, slots=True)
class Route:
    """What a document amounts to on one pod, given what that pod has loaded."""

    document: RoutingDocument
    candidate: CandidateRun | None
    """The candidate, if this very run and digest is loaded here."""
    stable: ServedRun | None
    """The stable run, if this very run and digest is loaded here; else rules answer."""
    percent: float
    """The share of users whom the candidate may answer here, in percent; 0 where anything is in doubt."""


def route(document: RoutingDocument, *, loaded: Mapping[str, str], announced: int | None) -> Route:
    """Work out what `document` means here.

    `loaded` maps run to digest; `announced` is the revision on the pod's own annotation, None while there is none.
    A candidate counts as 0 % without an announcement, or with a document below it: the mounted file may be stale.
    """
    candidate = document.candidate
    if candidate is not None and loaded.get(candidate.run) != candidate.digest:
        candidate = None
    stable = document.stable
    if stable is not None and loaded.get(stable.run) != stable.digest:
        stable = None
    fresh = announced is not None and document.revision >= announced
    percent = candidate.percent if candidate is not None and fresh else 0.0
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
    """Answer whether a calibrated confidence reaches its class's threshold. NaN never does."""
    return confidence >= thresholds.of(label)
