"""The 64-bit hashes of users in a store: the same as in routing, different for each model and run.

The rows of a user can be found with the user's id; an id can only be found from a hash by trying ids.
"""

from collections.abc import Collection
from typing import Final

from serin_core.contract.routing import salt, seed, user_hash

LOCAL_UID: Final = "local"
"""The uid of a server without an operator."""
_HALF: Final = 1 << 63


def user_hashes(user_id: str, *, uid: str, run: str) -> Collection[int]:
    """Return the hashes of a user in the series of a run: while it was the candidate, and while it was stable."""
    return {user_hash(user_id, seed(salt(uid, candidate))) for candidate in (run, "")}


def as_signed(user: int) -> int:
    """Return the same 64 bits as a signed integer, as databases store them."""
    return user - 2 * _HALF if user >= _HALF else user


def as_unsigned(user: int) -> int:
    """Return the same 64 bits as an unsigned integer."""
    return user % (2 * _HALF)
