"""Freezes in the operator's configuration."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from serin_core.rollout.holds import Freeze
from serin_operator.settings_model import SettingsModel


def _has_zone(value: object) -> object:
    # YAML reads a time without quotes, and a date is a time without hours.
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(
            f"{value} is not a time with its zone: write 2026-12-20T00:00:00Z or 2026-12-20T00:00:00+01:00"
        )
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_has_zone)]


class FreezeTime(SettingsModel):
    """A time in which no step of any rollout begins."""

    starts: Time = Field(alias="from")
    """Its beginning, a time with its zone: 2026-12-20T00:00:00Z."""
    ends: Time = Field(alias="to")
    """Its end, a time with its zone."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """The reason, which conditions and Events repeat."""

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.starts >= self.ends:
            raise ValueError("from is not before to, so nothing would be frozen")
        return self

    def as_freeze(self) -> Freeze:
        """Return it as decisions know it."""
        return Freeze(self.starts.astimezone(UTC), self.ends.astimezone(UTC), " ".join(self.reason.split()))
