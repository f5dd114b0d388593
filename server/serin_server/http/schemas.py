"""Schemas of requests and responses. Unknown fields are errors; every text and list has a maximum length."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from serin_core.model.features import Transaction
from serin_core.model.values import MAX_CHARACTERS, parse_amount, parse_timestamp
from serin_server.http.problems import Code

MAX_ITEMS = 256
_NO_NUL = r"^[^\x00]*$"

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS["txn_id"], pattern=_NO_NUL)]


_EVENT_ID: Final = (
    "AZfPAAABohjVD-3PTkngIsoRUBaidDG3cnVuXzlkYzAxYmU1XzE3OTU3MTI4NzcBpmNhbmFyealVdGlsaXRpZXOBU4X2dgx78vY-PkpVriK5"
)
_RUN: Final = "run_9dc01be5_1795712877"
_TRANSACTION: Final = {
    "txn_id": "t1",
    "user_id": "u1",
    "timestamp": "2025-07-01T10:00:00Z",
    "merchant": "MERCONGO #0329",
    "description": "electricity march",
    "amount": 95.72,
    "channel": "pos",
}
_ITEM: Final = {
    "txn_id": "t1",
    "candidates": [
        {
            "label": "Utilities",
            "confidence": 0.97,
            "reasons": [
                f"{_RUN}: confidence 0.97, threshold 0.70",
                "most important words: mercongo, 0329, electricity",
            ],
        },
        {"label": "Leisure", "confidence": 0.02, "reasons": []},
    ],
    "source": "model",
    "model_id": _RUN,
    "event_id": _EVENT_ID,
    "reasons": [],
}


def _with_example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TransactionBody(_Body):
    """One bank transaction."""

    txn_id: Identifier = Field(description="Id of the transaction; the response and the store use it.")
    user_id: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS["user_id"], pattern=_NO_NUL)] = Field(
        "", description="The user. Transactions without a user are never served by a candidate in the canary."
    )
    timestamp: Annotated[datetime, BeforeValidator(parse_timestamp)] | None = Field(
        None, description="Time of the transaction; its own offset sets the hour of day."
    )
    merchant: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS["merchant"], pattern=_NO_NUL)] = Field(
        description="The merchant as the bank names it; an empty text for a transaction without one."
    )
    description: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS["description"], pattern=_NO_NUL)] = Field(
        "", description="Further text of the transaction."
    )
    amount: Annotated[float, BeforeValidator(parse_amount)] = Field(
        0.0, description="Amount in the currency of the training data."
    )
    channel: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS["channel"], pattern=_NO_NUL)] = Field(
        "", description="Channel as in the training data, for example `pos` or `online`."
    )

    def transaction(self) -> Transaction:
        """Return the transaction."""
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
    """The transactions to categorise: exactly one of `transactions` and `txn_ids`."""

    model_config = _with_example({"transactions": [_TRANSACTION]})

    txn_ids: Annotated[tuple[Identifier, ...], Field(max_length=MAX_ITEMS)] = Field(
        (), description="Ids of transactions that were stored with POST /transactions."
    )
    transactions: Annotated[tuple[TransactionBody, ...], Field(max_length=MAX_ITEMS)] = Field(
        (), description="The transactions themselves."
    )
    mode: Literal["auto"] = Field("auto", description="Need not be sent.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if bool(self.txn_ids) == bool(self.transactions):
            raise ValueError("send exactly one of txn_ids and transactions, with at least one entry")
        return self


class TransactionsRequest(_Body):
    """Transactions to store."""

    model_config = _with_example({"transactions": [_TRANSACTION]})

    transactions: Annotated[tuple[TransactionBody, ...], Field(min_length=1, max_length=MAX_ITEMS)]


class FeedbackRequest(_Body):
    """Feedback on one suggestion: exactly one of `accepted` and `label`."""

    model_config = _with_example({"label": "Utilities"})

    accepted: bool | None = Field(None, description="Whether the user accepted the suggestion.")
    label: (
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS["category"], pattern=_NO_NUL)] | None
    ) = Field(
        None,
        description="The correct category, one that a run or rule of the server can suggest; equal to the suggestion, "
        "it counts as accepted.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.accepted is None) == (self.label is None):
            raise ValueError("send exactly one of accepted and label")
        return self


class CandidateLabel(_Body):
    """One suggested category."""

    label: str
    confidence: float = Field(description="0 to 1; calibrated for a run, always 1 for a rule.")
    reasons: tuple[str, ...] = Field(
        description="For the first candidate: the keyword of the rule, or the confidence of the run, its threshold and "
        "the most important words."
    )


class Item(_Body):
    """The suggestion for one transaction."""

    txn_id: str
    candidates: tuple[CandidateLabel, ...] = Field(
        description="Best first; empty if no rule matched and no run was confident enough."
    )
    source: Literal["model", "rule", "none"] = Field(description="`none` if there are no candidates.")
    model_id: str | None = Field(description="The run that made the suggestion, null for a rule and for `none`.")
    event_id: str = Field(description="Id of the suggestion, for feedback.")
    reasons: tuple[str, ...] = Field(description="Why nothing was suggested; empty if there are candidates.")


class SuggestionsResponse(_Body):
    """One item for each transaction, in the order of the request."""

    model_config = _with_example({"items": [_ITEM]})

    items: tuple[Item, ...]


class FeedbackResponse(_Body):
    """The feedback that counts: the first on the suggestion, also if this request was a later one."""

    model_config = _with_example(
        {"event_id": _EVENT_ID, "outcome": "accepted", "label": "Utilities", "repeated": False}
    )

    event_id: str
    outcome: Literal["accepted", "rejected"] = Field(
        description="A label for a suggestion without candidates counts as rejected."
    )
    label: str | None = Field(description="The correct category; null if the suggestion was rejected without one.")
    repeated: bool = Field(description="Whether there was feedback on this suggestion before; the first one counts.")


class TransactionsResponse(_Body):
    """The number of transactions that were stored."""

    model_config = _with_example({"kept": 1})

    kept: int


class ProblemField(_Body):
    """What is wrong with one field."""

    detail: str
    pointer: str = Field("", description="The field in the body: a JSON pointer (RFC 6901) after `#`.")
    parameter: str = Field("", description="Name of the query or path parameter, for an error outside the body.")


class Problem(_Body):
    """An error, as problem details (RFC 9457)."""

    type: str = Field(description="URN of the kind of problem; one for each code.")
    title: str = Field(description="The kind of problem in words; one for each code.")
    status: int = Field(description="Status of the response.")
    detail: str = Field(description="What is wrong with this request, in one line.")
    code: Code = Field(description="The kind of problem, for programs. A code keeps its meaning.")
    requestId: str = Field(  # noqa: N815 - the name on the wire
        description="The X-Request-Id of the request, or a new id without one; also in the header X-Request-Id."
    )
    errors: tuple[ProblemField, ...] = Field(description="All fields that are wrong, at most 32.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the declaration of the error responses of a route."""
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in statuses}
