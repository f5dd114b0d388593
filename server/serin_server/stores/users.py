"""Which 64 bits may stand for a user in a store: the hash by which routing decides, that of one model and run.

Names nobody: whoever has a user's ID finds the user's rows, and nobody can go the other way but by trying IDs.
"""

import hashlib
from collections.abc import Collection
from typing import Final

import xxhash

LOCAL_UID: Final = "local"
"""The uid of a server without operator."""
_HALF: Final = 1 << 63


def salt(uid: str, run: str) -> str:
    """Answer the salt of a model's routing with this run on trial, "" with none: what the operator's protocol says."""
    return hashlib.sha256(f"{uid}/{run}".encode()).hexdigest()


def user_hashes(user_id: str, *, uid: str, run: str) -> Collection[int]:
    """Answer the 64 bits that stand for a user in a series of this run: while it was on trial, and while it was not."""
    seeds = (xxhash.xxh3_64_intdigest(salt(uid, on_trial).encode()) for on_trial in (run, ""))
    return {xxhash.xxh3_64_intdigest(user_id.encode(), seed=seed) for seed in seeds}


def as_signed(user: int) -> int:
    """Answer the same 64 bits as databases count them."""
    return user - 2 * _HALF if user >= _HALF else user


def as_unsigned(user: int) -> int:
    """Answer the other way round."""
    return user % (2 * _HALF)
