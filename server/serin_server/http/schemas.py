"""What requests and answers look like. Unknown fields are refused; every text and list is bounded."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from serin_core.model.features import Transaction
from serin_core.model.values import parse_amount, parse_timestamp

MOST_ITEMS = 256
_NO_NUL = r"^[^\x00]*$"

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_NO_NUL)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TransactionBody(_Body):
    """One bank transaction."""

    txn_id: Identifier
    user_id: Annotated[str, StringConstraints(max_length=128, pattern=_NO_NUL)] = Field(
        "", description="Whose it is. Without one the canary never answers."
    )
    timestamp: Annotated[datetime, BeforeValidator(parse_timestamp)] | None = Field(
        None, description="When it was made; its own offset decides the hour of day."
    )
    merchant: Annotated[str, StringConstraints(max_length=256, pattern=_NO_NUL)] = ""
    description: Annotated[str, StringConstraints(max_length=1024, pattern=_NO_NUL)] = ""
    amount: Annotated[float, BeforeValidator(parse_amount)] = 0.0
    channel: Annotated[str, StringConstraints(max_length=64, pattern=_NO_NUL)] = ""

    def transaction(self) -> Transaction:
        """Answer it as the rest of the server knows it."""
        return Transaction(
            txn_id=self.txn_id,
            user_id=self.user_id,
            timestamp=self.timestamp,
            merchant=self.merchant,
            description=self.description,
            amount=self.amount,
            channel=self.channel,
        )


class SuggestionsRequest(_Body):
    """Which transactions are to be answered: themselves, or the ids of kept ones."""

    txn_ids: Annotated[tuple[Identifier, ...], Field(max_length=MOST_ITEMS)] = ()
    transactions: Annotated[tuple[TransactionBody, ...], Field(max_length=MOST_ITEMS)] = ()
    mode: Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if bool(self.txn_ids) == bool(self.transactions):
            raise ValueError("send either txn_ids or transactions, with at least one entry")
        return self


class TransactionsRequest(_Body):
    """Transactions to keep."""

    transactions: Annotated[tuple[TransactionBody, ...], Field(min_length=1, max_length=MOST_ITEMS)]


class FeedbackRequest(_Body):
    """What the user said of one answer: exactly one of the two."""

    accepted: bool | None = Field(None, description="Whether the suggestion was taken.")
    label: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_NO_NUL)] | None = Field(
        None, description="The class that is right; the suggestion counts as accepted if it is the same."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.accepted is None) == (self.label is None):
            raise ValueError('send either {"accepted": true} or {"label": "..."}')
        return self


class CandidateLabel(_Body):
    """One class that may be right."""

    label: str
    confidence: float = Field(description="0 to 1; calibrated for a run, always 1 for a rule.")
    reasons: tuple[str, ...] = Field(
        description="Of the first one: the keyword that matched, or how sure the run is, what its class needs, and the "
        "words that weighed most."
    )


class Item(_Body):
    """The answer to one transaction."""

    txn_id: str
    candidates: tuple[CandidateLabel, ...] = Field(description="Best first; empty where nobody could answer.")
    source: Literal["model", "rule"]
    model_id: str | None = Field(description="The run that answered, null for the rules.")
    event_id: str = Field(description="Under this id feedback is taken.")


class SuggestionsAnswer(_Body):
    """One item per transaction, in the order in which they were asked."""

    items: tuple[Item, ...]


class FeedbackAnswer(_Body):
    """What became of feedback."""

    event_id: str
    outcome: Literal["accepted", "rejected"] = Field(
        description="rejected also where nothing had been suggested and a label was given."
    )
    repeated: bool = Field(description="True if feedback on this answer was taken before; that one stays.")


class KeptAnswer(_Body):
    """How many transactions were kept."""

    kept: int


class Problem(_Body):
    """What is wrong, in one line."""

    detail: str
