"""Rows of a store, and the 64-bit hashes of users in them: the same as in routing, different for each model and run.

The rows of a user can be found with the user's id; an id can only be found from a hash by trying ids. Timestamps are
text: the offset determines the hour that a run uses, and a type of a database would drop it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final

from serin_core.contract.routing import salt, seed, user_hash
from serin_core.model.features import Transaction
from serin_server.stores.store import Feedback

COLUMNS: Final = "txn_id, user_id, at, merchant, description, amount, channel"
"""Columns of `transaction_row`."""

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


def transaction_row(transaction: Transaction) -> tuple[object, ...]:
    """Return the values of COLUMNS."""
    at = transaction.timestamp
    return (
        transaction.txn_id,
        transaction.user_id,
        None if at is None else at.isoformat(),
        transaction.merchant,
        transaction.description,
        transaction.amount,
        transaction.channel,
    )


def transaction_of(row: Iterable[Any]) -> Transaction:
    """Return the transaction with these values of COLUMNS."""
    txn_id, user_id, at, merchant, description, amount, channel = row
    timestamp = None if at is None else datetime.fromisoformat(at)
    return Transaction(txn_id, merchant, description, amount, channel, user_id, timestamp)


def feedback_row(feedback: Feedback) -> tuple[object, ...]:
    """Return the values of a row of feedback, from the identity of the suggestion to the hash of the user."""
    event = feedback.event
    return (
        event.identity,
        event.txn_id,
        feedback.at,
        event.at,
        event.run_id,
        event.stage,
        event.arm.value,
        event.label,
        feedback.outcome.value,
        feedback.label,
        as_signed(event.user),
    )
