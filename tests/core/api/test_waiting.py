"""Windows: local time, daylight saving, midnight, the next opening, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serin_core.api.waiting import DAYS, Window, are_open, describe_opening, next_opening

BERLIN = "Europe/Berlin"


def window(opens, closes, *days, zone=None):
    written = {"from": opens, "to": closes} | ({"days": days} if days else {}) | ({"timeZone": zone} if zone else {})
    return Window.model_validate(written)


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("found", "moment", "is_open"),
    [
        (window("09:00", "16:00", "Mon", zone=BERLIN), "2026-11-30T07:59:59Z", False),
        (window("09:00", "16:00", "Mon", zone=BERLIN), "2026-11-30T08:00:00Z", True),
        (window("09:00", "16:00", "Mon", zone=BERLIN), "2026-11-30T14:59:59Z", True),
        (window("09:00", "16:00", "Mon", zone=BERLIN), "2026-11-30T15:00:00Z", False),
        (window("09:00", "16:00", "Mon", zone=BERLIN), "2026-12-01T09:00:00Z", False),
        (window("09:00", "16:00", zone=BERLIN), "2026-07-01T07:30:00Z", True),
        (window("09:00", "16:00", zone=BERLIN), "2026-01-01T07:30:00Z", False),
        (window("00:00", "24:00", "Sun"), "2026-11-29T23:59:59Z", True),
        (window("00:00", "24:00", "Sun"), "2026-11-30T00:00:00Z", False),
        # Over midnight, the window belongs to the day on which it opens.
        (window("22:00", "06:00", "Fri"), "2026-11-27T22:00:00Z", True),
        (window("22:00", "06:00", "Fri"), "2026-11-28T05:59:00Z", True),
        (window("22:00", "06:00", "Fri"), "2026-11-28T22:00:00Z", False),
        (window("22:00", "06:00", "Fri"), "2026-11-27T05:00:00Z", False),
        # On 29 March 2026, 02:00 to 03:00 does not exist in Berlin; on 25 October it exists twice.
        (window("02:15", "02:45", zone=BERLIN), "2026-03-29T01:20:00Z", False),
        (window("02:15", "02:45", zone=BERLIN), "2026-10-25T00:20:00Z", True),
        (window("02:15", "02:45", zone=BERLIN), "2026-10-25T00:50:00Z", False),
        (window("02:15", "02:45", zone=BERLIN), "2026-10-25T01:20:00Z", True),
    ],
)
def test_a_window_is_open_by_the_clock_on_the_wall(found, moment, is_open):
    assert found.is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("windows", "moment", "expected"),
    [
        ([window("09:00", "16:00", "Mon", zone=BERLIN)], "2026-11-27T12:00:00Z", "2026-11-30T08:00:00Z"),
        ([window("09:00", "16:00", "Mon", zone=BERLIN)], "2026-11-30T15:00:00Z", "2026-12-07T08:00:00Z"),
        # Over the end of summer time the day has 25 hours.
        ([window("09:00", "16:00", zone=BERLIN)], "2026-10-24T15:00:00Z", "2026-10-25T08:00:00Z"),
        # An opening that daylight saving skips: at once after the gap, or not on that day.
        ([window("02:15", "05:00", zone=BERLIN)], "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ([window("02:15", "02:45", zone=BERLIN)], "2026-03-28T12:00:00Z", "2026-03-30T00:15:00Z"),
        ([window("02:15", "02:45", "Sun", zone=BERLIN)], "2026-03-28T12:00:00Z", "2026-04-05T00:15:00Z"),
        ([window("02:15", "02:45", zone=BERLIN)], "2026-10-25T00:50:00Z", "2026-10-25T01:15:00Z"),
        (
            [window("09:00", "10:00", "Wed"), window("22:00", "02:00", "Mon")],
            "2026-11-29T00:00:00Z",
            "2026-11-30T22:00:00Z",
        ),
    ],
)
def test_the_next_opening(windows, moment, expected):
    found, _zone = next_opening(tuple(windows), at(moment))
    assert found == at(expected)


times = st.integers(0, 24 * 4 - 1).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
zones = st.sampled_from([None, BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"])


@given(
    opens=times,
    closes=times,
    days=st.lists(st.sampled_from(DAYS), max_size=3, unique=True),
    zone=zones,
    moment=st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30)),  # noqa: DTZ001 - hypothesis adds the zone
)
def test_the_next_opening_is_the_first_quarter_of_an_hour_that_is_open(opens, closes, days, zone, moment):
    if opens == closes:
        return
    found = window(opens, closes, *days, zone=zone)
    now = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0, tzinfo=UTC)
    if found.is_open(now):
        return
    quarters = (now + timedelta(minutes=15 * number) for number in range(1, 4 * 24 * 15))
    assert found.next_opening(now) == next(one for one in quarters if found.is_open(one))


def test_without_windows_a_step_may_begin_at_any_time():
    assert are_open((), at("2026-11-27T12:00:00Z"))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-27T12:00:00Z", "Mon 09:00 Europe/Berlin"),
        ("2026-11-30T15:00:00Z", "Mon 2026-12-07 09:00 Europe/Berlin"),
    ],
)
def test_an_opening_is_shown_in_its_local_time(moment, text):
    now = at(moment)
    opening = next_opening((window("09:00", "16:00", "Mon", zone=BERLIN),), now)
    assert describe_opening(opening, now=now) == text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": "09:00"}, "from and to are equal, so the window never opens; a whole day is 00:00 to 24:00"),
        ({"days": []}, "at least 1 item"),
        ({"days": ["Mon", "Mon"]}, "days must not repeat"),
        ({"days": ["Montag"]}, "Input should be 'Mon'"),
        ({"from": "9:00"}, "should match pattern"),
        ({"from": "24:00"}, "should match pattern"),
        ({"to": "24:30"}, "should match pattern"),
        ({"timeZone": "Europe/Berln"}, "unknown time zone 'Europe/Berln'.*did you mean Europe/Berlin?"),
        ({"timeZone": "Local"}, "unknown time zone 'Local'"),
        ({"timeZone": "Europe"}, "unknown time zone 'Europe'"),
        ({"timeZone": "../etc/passwd"}, "should match pattern"),
        ({"timeZone": "+02:00"}, "should match pattern"),
        ({"timeZone": ""}, "should match pattern"),
    ],
)
def test_a_window_that_never_opens_or_cannot_be_read_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        Window.model_validate({"from": "09:00", "to": "16:00"} | changes)
