"""The sender of each destination of the configuration."""

from collections.abc import Mapping

from serin_operator.notifications.apprise_messages import AppriseSender
from serin_operator.notifications.cloud_events import CloudEventsSender
from serin_operator.notifications.message import Sender
from serin_operator.notifications.settings import Destination


def with_senders(destinations: Mapping[str, Destination]) -> dict[str, tuple[Destination, Sender]]:
    """Return every destination with the sender that it asks for."""
    return {name: (settings, _sender(settings)) for name, settings in destinations.items()}


def _sender(settings: Destination) -> Sender:
    if settings.apprise is not None:
        return AppriseSender(settings.apprise)
    if settings.cloud_events is not None:
        return CloudEventsSender(settings.cloud_events)
    raise ValueError("a destination has either apprise or cloudEvents")
