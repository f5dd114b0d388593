"""Client of a Serin server: suggestions, feedback and stored transactions. One file, no dependencies.

    with Client("http://categories.transactions", token="...") as client:
        (suggestion,) = client.suggest([Transaction("t1", "MERCONGO #0329", user_id="u1", amount=95.72)])
        print(suggestion.label, suggestion.reasons)
        client.correct(suggestion, "Utilities")

A request is repeated if the connection fails or the server is overloaded or not ready; every request of this API may
be repeated. All methods raise ServerError for an error response, and ConnectionFailed if no attempt got a response. A
client may be used by several threads: each has its own connection.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import quote, urlsplit

_T = TypeVar("_T")

MAX_TRANSACTIONS: Final = 256
"""Transactions in one request; `suggest` and `store` make as many requests as necessary."""
_REPEATED: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE: Final = 0.1
_MAX_PAUSE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """A bank transaction."""

    txn_id: str
    merchant: str
    """The merchant as the bank names it, "" for a transaction without one."""
    description: str = ""
    amount: float = 0.0
    user_id: str = ""
    """Transactions without a user are never in the canary."""
    timestamp: datetime | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A suggested category."""

    label: str
    confidence: float
    """0 to 1; always 1 for a rule."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The response to one transaction."""

    txn_id: str
    candidates: tuple[Candidate, ...]
    """Best first; empty if nothing was suggested."""
    source: Literal["model", "rule", "none"]
    model_id: str | None
    event_id: str
    nothing_because: tuple[str, ...]
    """Why nothing was suggested."""

    @property
    def label(self) -> str | None:
        """Return the best category, None if nothing was suggested."""
        return self.candidates[0].label if self.candidates else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why the best category was suggested, or why none was."""
        return self.candidates[0].reasons if self.candidates else self.nothing_because


@dataclass(frozen=True, slots=True)
class Feedback:
    """The feedback that counts: the first on a suggestion."""

    outcome: Literal["accepted", "rejected"]
    label: str | None
    """The correct category, None if the suggestion was only rejected."""
    repeated: bool
    """Whether it was sent earlier, by another request."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request."""

    detail: str
    pointer: str = ""
    """JSON pointer to the field, after `#`."""
    parameter: str = ""


class ServerError(Exception):
    """An error response. docs/http-api.md lists the codes."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code: str = problem.get("code", "")
        self.detail: str = problem.get("detail", "")
        self.request_id: str = problem.get("requestId", "")
        self.errors = tuple(
            FieldError(one.get("detail", ""), one.get("pointer", ""), one.get("parameter", ""))
            for one in problem.get("errors", ())
        )
        super().__init__(f"{status} {self.code}: {self.detail} (request id {self.request_id})")


class ConnectionFailed(Exception):  # noqa: N818 - as ConnectionError, which is built in
    """No attempt got a response."""


class Client:
    """A client of one server."""

    def __init__(  # noqa: PLR0913 - by name
        self,
        url: str,
        *,
        token: str = "",
        timeout: float = 5.0,
        attempts: int = 3,
        context: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Store the settings; nothing is connected yet. Raises ValueError for a URL that is not http or https.

        `timeout` is in seconds, for each attempt. `context` replaces the default verification of certificates.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not an address like http://categories.transactions:8080")
        self._parts, self._timeout, self._attempts, self._sleep = parts, timeout, max(1, attempts), sleep
        self._context = context
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._local = threading.local()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection of this thread."""
        self.close()

    def suggest(self, transactions: Sequence[Transaction]) -> list[Suggestion]:
        """Return a suggestion for each transaction, in their order."""
        return [
            _suggestion(item)
            for batch in _batches(transactions)
            for item in self._post("/agent/suggestions", {"transactions": [_json(one) for one in batch]})["items"]
        ]

    def suggest_stored(self, txn_ids: Sequence[str]) -> list[Suggestion]:
        """Return a suggestion for each stored transaction, in the order of the ids."""
        return [
            _suggestion(item)
            for batch in _batches(txn_ids)
            for item in self._post("/agent/suggestions", {"txn_ids": list(batch)})["items"]
        ]

    def store(self, transactions: Sequence[Transaction]) -> int:
        """Store transactions for `suggest_stored`, and return their number."""
        return sum(
            self._post("/transactions", {"transactions": [_json(one) for one in batch]})["kept"]
            for batch in _batches(transactions)
        )

    def accept(self, suggestion: Suggestion) -> Feedback:
        """Report that the user accepted a suggestion."""
        return self._feedback(suggestion, {"accepted": True})

    def reject(self, suggestion: Suggestion) -> Feedback:
        """Report that the user rejected a suggestion, without the correct category."""
        return self._feedback(suggestion, {"accepted": False})

    def correct(self, suggestion: Suggestion, label: str) -> Feedback:
        """Report the correct category; equal to the suggestion, it counts as accepted."""
        return self._feedback(suggestion, {"label": label})

    def close(self) -> None:
        """Close the connection of this thread; the next request opens another."""
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.connection = None

    def _feedback(self, suggestion: Suggestion, body: dict[str, Any]) -> Feedback:
        found = self._post(f"/agent/suggestions/{quote(suggestion.event_id, safe='')}/feedback", body)
        return Feedback(found["outcome"], found["label"], found["repeated"])

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        content, pause = json.dumps(body, allow_nan=False).encode(), _FIRST_PAUSE
        for attempt in range(1, self._attempts + 1):
            try:
                status, retry_after, received = self._once(path, content)
            except (OSError, HTTPException) as error:
                self.close()
                if attempt == self._attempts:
                    place = f"{self._parts.scheme}://{self._parts.netloc.rpartition('@')[2]}"
                    raise ConnectionFailed(f"{place}: {error or type(error).__name__}") from error
                retry_after = None
            else:
                if status not in _REPEATED or attempt == self._attempts:
                    return _content(status, received)
            self._sleep(min(_seconds(retry_after) or pause, _MAX_PAUSE))
            pause *= 2
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _once(self, path: str, content: bytes) -> tuple[int, str | None, bytes]:
        connection = self._connection()
        connection.request("POST", self._parts.path.rstrip("/") + path, content, self._headers)
        response = connection.getresponse()
        return response.status, response.headers.get("Retry-After"), response.read()

    def _connection(self) -> HTTPConnection:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            if self._parts.scheme == "https":
                connection = HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
            else:
                connection = HTTPConnection(host, port, timeout=self._timeout)
            self._local.connection = connection
        return connection


def _batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), MAX_TRANSACTIONS):
        yield values[start : start + MAX_TRANSACTIONS]


def _json(transaction: Transaction) -> dict[str, Any]:
    at = transaction.timestamp
    return asdict(transaction) | {"timestamp": None if at is None else at.isoformat()}


def _suggestion(item: dict[str, Any]) -> Suggestion:
    candidates = tuple(Candidate(one["label"], one["confidence"], tuple(one["reasons"])) for one in item["candidates"])
    return Suggestion(
        item["txn_id"], candidates, item["source"], item["model_id"], item["event_id"], tuple(item["reasons"])
    )


def _content(status: int, received: bytes) -> Any:
    """Return the content of a response. Raises ServerError, also for one that is no JSON, as of a proxy."""
    try:
        found = json.loads(received)
    except ValueError:
        found = {"detail": received[:200].decode(errors="replace")}
    if status >= 400 or not isinstance(found, dict):  # noqa: PLR2004 - the first status of errors
        raise ServerError(status, found if isinstance(found, dict) else {})
    return found


def _seconds(retry_after: str | None) -> float | None:
    """Return the number of seconds in a Retry-After header; None for a date, or without the header."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
