"""Messages through Apprise: Slack, Teams, e-mail, PagerDuty and others, by the URL in a file.

Apprise is not asynchronous, and not every plugin has a timeout: each destination has one thread at most, which is left
alone when it hangs. Apprise's own log lines may repeat parts of the URL; only a status of HTTP is taken out of them.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import Any, Final

from serin_operator.credentials import CredentialError, one_line
from serin_operator.notifications.cloud_events import rejection_of
from serin_operator.notifications.message import DeliveryError, Message
from serin_operator.notifications.settings import AppriseSettings

_STATUS: Final = re.compile(r"\berror=([1-5][0-9]{2})\b")
_logger: Final = logging.getLogger("apprise")


class AppriseSender:
    """Implements `message.Sender`."""

    def __init__(self, settings: AppriseSettings) -> None:
        self._settings = settings
        _logger.propagate = False
        self._is_running = False

    async def close(self) -> None:
        """See message.Sender. A thread that hangs ends with the process."""

    async def send(self, message: Message) -> None:
        """See message.Sender."""
        if self._is_running:
            raise DeliveryError("the attempt before has not ended yet")
        try:
            url = one_line(self._settings.url_file)
        except CredentialError as error:
            raise DeliveryError(str(error)) from None
        except OSError as error:
            raise DeliveryError(f"{error.strerror}: {error.filename}") from None
        await self._in_thread(lambda: _notify(url, message))

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Run in a thread of its own, which does not keep the process from ending."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def finish(error: Exception | None) -> None:
            self._is_running = False
            if ended.done():
                return
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

        def run() -> None:
            found: Exception | None = None
            try:
                work()
            except DeliveryError as error:
                found = error
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises; its text may have a secret
                found = DeliveryError(f"Apprise failed ({type(error).__name__})")
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, found)

        self._is_running = True
        threading.Thread(target=run, name="apprise", daemon=True).start()
        await ended


def _notify(url: str, message: Message) -> None:
    """Deliver a message. Raises DeliveryError."""
    # Apprise has 200 plugins and takes a moment to import: only an operator with such a destination needs it.
    import apprise  # noqa: PLC0415

    asset = apprise.AppriseAsset(app_id="Serin", app_desc="Serin", secure_logging=True, http_redirects=False)
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise DeliveryError("the file of urlFile has no URL that Apprise knows", is_rejection=True)
    logged: list[str] = []
    sender = apprise.Apprise(service, asset=asset, log_callback=lambda entry, _service: logged.append(entry.message))
    kind = apprise.NotifyType.WARNING if message.notification.is_warning else apprise.NotifyType.INFO
    result: Any = sender.notify(
        title=message.title, body=message.body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    )
    if not result:
        raise _failure(str(service.service_name), logged)


def _failure(service: str, logged: list[str]) -> DeliveryError:
    statuses = [int(found[1]) for line in logged if (found := _STATUS.search(line))]
    if not statuses:
        return DeliveryError(f"{service} could not be reached or did not accept the notification")
    return DeliveryError(f"{service} responded with HTTP {statuses[-1]}", is_rejection=rejection_of(statuses[-1]))
