"""The share that a candidate really serves, from the counts of a stage."""

from serin_core.api.actual_share import ActualShare
from serin_core.contract.actual_share import REQUESTS, USERS
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import StageCounts

_DECIMALS = 2


def actual_share(counts: StageCounts, *, wanted: float) -> ActualShare | None:
    """Return the share of users and of requests that the candidate served; None if neither was counted.

    `wanted` is the percent of users that it is to serve.
    Where each process counts its own users, a user of several processes counts several times, in the same arm.
    """
    users, of_users = _percent(counts, USERS)
    requests, of_requests = _percent(counts, REQUESTS)
    if users is None and requests is None:
        return None
    return ActualShare(
        wanted=wanted, users=users, counted_users=of_users, requests=requests, counted_requests=of_requests
    )


def _percent(counts: StageCounts, key: str) -> tuple[float | None, float]:
    found = counts.of(key)
    if isinstance(found, Unreadable) or not found.total:
        return None, 0.0
    return round(100 * found.good / found.total, _DECIMALS), found.total
