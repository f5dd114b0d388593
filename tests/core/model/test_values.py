"""Timestamps and amounts, as server and training accept them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from serin_core.model.values import MAX_CHARACTERS, as_utc, parse_amount, parse_timestamp
from serin_server.http.schemas import TransactionBody
from serin_training.data.data_map import COLUMNS
from serin_training.data.validation import check_record
from serin_training.errors import DataError

NOON = datetime.fromisoformat("2026-01-31T12:00:00")
DAY = datetime.fromisoformat("2026-01-31T00:00:00")
TIMES = [
    ("2026-01-31", DAY),
    ("2026-01-31T12:00:00", NOON),
    (" 2026-01-31 12:00 ", NOON),
    ("2026-01-31T12:00:00Z", NOON.replace(tzinfo=UTC)),
    ("2026-01-31t12:00:00z", NOON.replace(tzinfo=UTC)),
    ("2026-01-31T12:00:00+0100", NOON.replace(tzinfo=timezone(timedelta(hours=1)))),
]
NO_TIMES = [
    *("", "yesterday", "1700000000", "1700000000.5", 1700000000, True, [], "2026-02-30", "2026-01-31T24:00:01"),
    # The same digits are a day, a moment, or the day number of a spreadsheet.
    *("20260131", "20260131120000", "20260131T120000", "45662", "2026-W05-6", "01/31/2026"),
]
AMOUNTS = [("12.50", 12.5), (" -3 ", -3.0), (7, 7.0), ("1e3", 1000.0), ("+.5", 0.5), ("3.", 3.0)]
NO_AMOUNTS = [
    *("", "1,5", "nan", "inf", float("inf"), 10**400, [], None),
    *("1_000", "1'234.50", "1,234.56", "12.50-", "($30.00)", "\u221212.50", "\u0663", "1e999", True, b"12"),
]


def trained(**values):
    return check_record(
        dict.fromkeys(COLUMNS, "") | {"txn_id": "t", "timestamp": "2026-01-31", "amount": 1} | values, ""
    )


@pytest.mark.parametrize(("value", "time"), TIMES)
def test_server_and_training_read_the_same_time(value, time):
    assert parse_timestamp(value) == time
    assert TransactionBody(txn_id="t", merchant="m", timestamp=value).transaction().timestamp == time
    assert trained(timestamp=value).transaction.timestamp == time


@pytest.mark.parametrize("value", NO_TIMES)
def test_server_and_training_refuse_the_same_times(value):
    with pytest.raises(ValueError, match=r"^Input should be a day or time in ISO 8601"):
        parse_timestamp(value)
    with pytest.raises(ValueError, match="timestamp"):
        TransactionBody(txn_id="t", merchant="m", timestamp=value)
    with pytest.raises(DataError, match="timestamp"):
        trained(timestamp=value)


def test_days_and_times_of_a_database_are_times():
    assert parse_timestamp(date(2026, 1, 31)) == DAY
    assert parse_timestamp(NOON) is NOON


@pytest.mark.parametrize(("value", "amount"), AMOUNTS)
def test_server_and_training_read_the_same_amount(value, amount):
    assert parse_amount(value) == amount
    assert TransactionBody(txn_id="t", merchant="m", amount=value).amount == amount
    assert trained(amount=value).transaction.amount == amount


@pytest.mark.parametrize("value", NO_AMOUNTS)
def test_server_and_training_refuse_the_same_amounts(value):
    with pytest.raises(ValueError, match=r"^Input should be a finite number$"):
        parse_amount(value)
    with pytest.raises(ValueError, match="amount"):
        TransactionBody(txn_id="t", merchant="m", amount=value)
    with pytest.raises(DataError, match="amount"):
        trained(amount=value)


@pytest.mark.parametrize("value", ["1969-12-31", "2100-01-01T00:00:00Z", "0001-01-01"])
def test_server_and_training_refuse_times_out_of_range(value):
    with pytest.raises(ValueError, match=r"^Input should be a time from 1970 to 2099$"):
        parse_timestamp(value)
    with pytest.raises(ValueError, match="timestamp"):
        TransactionBody(txn_id="t", merchant="m", timestamp=value)
    with pytest.raises(DataError, match=r"is out of range \(1970 to 2099\)"):
        trained(timestamp=value)


@pytest.mark.parametrize("column", ["txn_id", "user_id", "merchant", "description", "channel"])
def test_server_and_training_take_texts_of_the_same_length(column):
    body = {"txn_id": "t", "merchant": "m"}
    longest = "x" * MAX_CHARACTERS[column]
    assert getattr(TransactionBody(**body | {column: longest}).transaction(), column) == longest
    assert getattr(trained(**{column: longest}).transaction, column) == longest
    for bad in (longest + "x", "a\x00b"):
        with pytest.raises(ValueError, match=column):
            TransactionBody(**body | {column: bad})
        with pytest.raises(DataError, match=column):
            trained(**{column: bad})


def test_a_long_amount_that_is_no_number_is_refused_at_once():
    with pytest.raises(ValueError, match="number"):
        parse_amount("1" * 1_000_000 + "x")


def test_a_time_without_an_offset_is_utc():
    assert as_utc(NOON) == NOON.replace(tzinfo=UTC)
    assert as_utc(NOON.replace(tzinfo=timezone(timedelta(hours=1)))) == datetime(2026, 1, 31, 11, tzinfo=UTC)
