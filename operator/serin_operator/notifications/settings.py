"""Destinations of notifications in the operator's configuration."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from serin_core.api.notifications import DestinationName
from serin_core.contract.addresses import unambiguous
from serin_core.rollout.announcements import KINDS
from serin_operator.settings_model import Headers, SettingsModel

__all__ = ["AppriseSettings", "CloudEventsSettings", "Destination", "DestinationName"]


def _is_a_kind(kind: str) -> str:
    if kind in KINDS:
        return kind
    close = get_close_matches(kind, sorted(KINDS), n=1)
    hint = f"; did you mean {close[0]}?" if close else "; docs/notifications.md lists them"
    raise ValueError(f"there is no kind {kind}{hint}")


class AppriseSettings(SettingsModel):
    """A service that Apprise delivers to, such as Slack, Teams, e-mail or PagerDuty."""

    url_file: Path
    """A file with the Apprise URL of the service, one line; read at every delivery, so that it can be rotated."""


class CloudEventsSettings(SettingsModel):
    """A receiver of CloudEvents 1.0 over HTTP, in the structured JSON format."""

    url: Annotated[str, Field(pattern=r"^(https?://.*)?$"), AfterValidator(lambda url: url and unambiguous(url))] = ""
    """The address that events are sent to with POST; redirects are not followed."""
    url_file: Path | None = None
    """A file with that address, where it is secret; read at every delivery."""
    bearer_token_file: Path | None = None
    """A file with the bearer token to send; read at every delivery."""
    headers: Headers = Field(default_factory=dict)
    """Headers to send with every event."""
    ca_file: Path | None = None
    """Certificate authorities to trust instead of those of the system; read at every delivery."""

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if bool(self.url) is bool(self.url_file):
            raise ValueError("cloudEvents needs either url or urlFile")
        if self.bearer_token_file is not None and "@" in urlsplit(self.url).netloc:
            raise ValueError("bearerTokenFile and a user in url exclude each other: each sets the header Authorization")
        return self


class Destination(SettingsModel):
    """Where notifications are delivered: exactly one of apprise and cloudEvents."""

    apprise: AppriseSettings | None = None
    """Deliver through Apprise: Slack, Teams, e-mail, PagerDuty and many more."""
    cloud_events: CloudEventsSettings | None = None
    """Deliver as CloudEvents over HTTP."""
    kinds: tuple[Annotated[str, AfterValidator(_is_a_kind)], ...] = ()
    """Kinds of notifications to deliver, by the reasons of Events; all if empty."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Timeout of one delivery."""
    give_up_after_hours: Annotated[float, Field(gt=0, le=168)] = 24.0
    """Age above which a notification that cannot be delivered is dropped."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.apprise is None) is (self.cloud_events is None):
            raise ValueError("a destination has either apprise or cloudEvents")
        return self
