"""One notification for one destination, and how it is sent."""

from dataclasses import dataclass
from typing import Protocol

from serin_core.api.notifications import Notification


class DeliveryError(Exception):
    """A delivery that failed. The message is one line without any secret.

    `is_rejection`: the destination refused this notification, so that trying again will hardly help.
    """

    def __init__(self, message: str, *, is_rejection: bool = False) -> None:
        super().__init__(message)
        self.is_rejection = is_rejection


@dataclass(frozen=True, slots=True)
class Message:
    """A notification of a SuggestionModel on its way to a destination."""

    namespace: str
    name: str
    uid: str
    destination: str
    notification: Notification
    dropped: int = 0
    """The number of notifications that were dropped since the last one that was delivered."""

    @property
    def id(self) -> str:
        """The same at every attempt, and different for every notification and destination."""
        one = self.notification
        return f"{self.uid}-{one.sequence}-{int(one.at.timestamp() * 1_000_000)}-{self.destination}"

    @property
    def title(self) -> str:
        """The subject of a mail, or the first line of a chat message."""
        return f"{self.namespace}/{self.name}: {self.notification.kind}"

    @property
    def body(self) -> str:
        """What happened, in plain text."""
        one = self.notification
        lines = [one.message]
        if one.run_id and one.run_id not in one.message:
            lines.append(f"Run: {one.run_id}")
        if one.by != "operator":
            lines.append(f"By: {one.by}")
        lines.append(f"Time: {one.at:%Y-%m-%d %H:%M:%S} UTC")
        if self.dropped:
            lines.append(f"{self.dropped} earlier notifications to {self.destination} were dropped.")
        return "\n".join(lines)


class Sender(Protocol):
    """Sends messages to one destination."""

    async def send(self, message: Message) -> None:
        """Send a message. Raises DeliveryError; may be cancelled at any time."""

    async def close(self) -> None:
        """Close the connections."""
