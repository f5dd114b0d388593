"""What a step of a rollout waits for by the will of its users: approval, and windows of time."""

import difflib
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from serin_core.api.base import SpecModel, rules

Approval = Literal["Automatic", "Manual"]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: Final[tuple[Day, ...]] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MAX_WINDOWS: Final = 16
UTC_ZONE: Final = "UTC"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
_NEVER: Final = "from and to are equal, so the window never opens; a whole day is 00:00 to 24:00"
_REPEATED: Final = "days must not repeat"
_HOUR: Final = 60


def _is_known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"unknown time zone {name!r}: write an IANA name like Europe/Berlin{meant}") from None
    return name


TimeZone = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        json_schema_extra=rules(
            (
                "self != 'Local' && timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
                "unknown time zone: write an IANA name like Europe/Berlin",
            )
        ),
    ),
    AfterValidator(_is_known),
]


def _are_different(days: tuple[Day, ...]) -> tuple[Day, ...]:
    if len(set(days)) < len(days):
        raise ValueError(_REPEATED)
    return days


class Window(SpecModel):
    """Days and hours in which a step may begin, in local time."""

    model_config = ConfigDict(json_schema_extra=rules(("self.from != self.to", _NEVER)))

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7), AfterValidator(_are_different)] | None = Field(
        None,
        description="Days on which the window opens: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Default: every day.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    opens: Annotated[str, Field(max_length=5, pattern=f"^{_TIME}$")] = Field(
        alias="from", description="Local time at which it opens, for example 09:00."
    )
    closes: Annotated[str, Field(max_length=5, pattern=f"^({_TIME}|24:00)$")] = Field(
        alias="to",
        description="Local time at which it closes, for example 16:00 or 24:00. A time before `from` is on the next "
        "day.",
    )
    time_zone: TimeZone | None = Field(
        None, description="Time zone of days and hours, with its daylight saving: an IANA name. Default: UTC."
    )

    @model_validator(mode="after")
    def _opens_at_all(self) -> Self:
        if self.opens == self.closes:
            raise ValueError(_NEVER)
        return self

    @property
    def zone_name(self) -> str:
        """The name of the time zone."""
        return self.time_zone or UTC_ZONE

    def is_open(self, at: datetime) -> bool:
        """Return whether a step may begin at a time.

        What counts is the clock on the wall: an hour that daylight saving skips does not exist, one that it repeats
        exists twice. A window over midnight belongs to the day on which it opens.
        """
        local = at.astimezone(ZoneInfo(self.zone_name))
        minute, opens, closes = local.hour * _HOUR + local.minute, _minutes(self.opens), _minutes(self.closes)
        if opens < closes:
            return self._opens_on(local.date()) and opens <= minute < closes
        yesterday = local.date() - timedelta(days=1)
        return (self._opens_on(local.date()) and minute >= opens) or (self._opens_on(yesterday) and minute < closes)

    def next_opening(self, after: datetime) -> datetime | None:
        """Return the first time after `after` at which the window opens; None if it does not in two weeks."""
        today = after.astimezone(ZoneInfo(self.zone_name)).date()
        days = (today + timedelta(days=number) for number in range(-1, 15))
        found = (at for day in days if self._opens_on(day) for at in self._openings(day))
        return min((at for at in found if at > after and self.is_open(at)), default=None)

    def _opens_on(self, day: date) -> bool:
        return self.days is None or DAYS[day.weekday()] in self.days

    def _openings(self, day: date) -> list[datetime]:
        """Return the times at which the wall clock shows `from`, or comes past it where daylight saving skips it."""
        zone, minute = ZoneInfo(self.zone_name), _minutes(self.opens)
        wall = datetime(day.year, day.month, day.day, minute // _HOUR, minute % _HOUR)  # noqa: DTZ001 - two meanings
        utc = ZoneInfo(UTC_ZONE)
        first, second = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(utc) for fold in (0, 1))
        if first.astimezone(zone).replace(tzinfo=None) == wall:
            return [first, second]
        skipped = (
            first + timedelta(minutes=number) for number in range(int((second - first).total_seconds() / 60) + 1)
        )
        return [next((at for at in skipped if self.is_open(at)), second)]


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * _HOUR + int(minutes)


def are_open(windows: tuple[Window, ...], at: datetime) -> bool:
    """Return whether a step may begin at a time: any window is open, or there is none."""
    return not windows or any(window.is_open(at) for window in windows)


def next_opening(windows: tuple[Window, ...], after: datetime) -> tuple[datetime, str] | None:
    """Return when the next window opens after a time at which all are closed, and its time zone."""
    found = [(at, window.zone_name) for window in windows if (at := window.next_opening(after)) is not None]
    return min(found, default=None)


def describe_opening(opening: tuple[datetime, str], *, now: datetime) -> str:
    """Return the opening in its local time: `Mon 09:00 Europe/Berlin`, with the date if it is a week away."""
    at, zone = opening
    local = at.astimezone(ZoneInfo(zone))
    day = f" {local:%Y-%m-%d}" if at - now >= timedelta(days=6) else ""
    return f"{DAYS[local.weekday()]}{day} {local:%H:%M} {zone}"
