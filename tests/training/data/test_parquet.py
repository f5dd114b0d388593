"""Parquet as other programs write it: their types are read, or refused with the column or row."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serin_training.data.data_map import parse_map
from serin_training.data.reading import open_source, read_transactions
from serin_training.errors import DataError

TEXTS = ("txn_id", "user_id", "merchant", "description", "channel", "category")
OUT_OF_RANGE = "timestamp is out of range (1970 to 2099)"
MARS = pa.timestamp("us", tz="Mars/X")
AT = datetime(2026, 1, 5, 12, 30, 15, 123456)  # noqa: DTZ001 - what a column without a zone has
ROWS = {
    "txn_id": ["1", "2"],
    "user_id": ["u", None],
    "timestamp": ["2026-01-05T12:30:15.123456", "2026-01-06"],
    "merchant": ["A", "B"],
    "description": ["x", None],
    "amount": [1.5, -2.25],
    "channel": ["pos", "pos"],
    "category": ["Food", "Fun"],
}


def written(tmp_path, **changes):
    columns = {name: pa.array(values) for name, values in ROWS.items()} | changes
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def texts(kind):
    return {name: pa.array(ROWS[name], kind) for name in TEXTS}


def dictionaries(kind):
    return {name: column.dictionary_encode() for name, column in texts(kind).items()}


def times(kind):
    return {"timestamp": pa.array([AT, AT], kind)}


def amounts(kind):
    return {"amount": pa.array([Decimal("1.50"), Decimal("-2.25")], kind)}


@pytest.mark.parametrize(
    "changes",
    [
        texts(pa.large_string()),
        texts(pa.string_view()),
        dictionaries(pa.string()),
        dictionaries(pa.large_string()),
        times(pa.timestamp("us")),
        times(pa.timestamp("ns")),
        times(pa.timestamp("us", tz="UTC")),
        times(pa.timestamp("ns", tz="UTC")),
        amounts(pa.decimal128(10, 2)),
        amounts(pa.decimal256(50, 2)),
        {"amount": pa.array([1.5, -2.25], pa.float32())},
        {"txn_id": pa.array([1, 2])},
        {"txn_id": pa.array([1, 2], pa.uint64())},
    ],
    ids=(
        *("large strings", "string views", "dictionaries", "dictionaries of large strings", "microseconds"),
        *("nanoseconds", "microseconds in UTC", "nanoseconds in UTC", "decimals", "long decimals"),
        *("short floats", "whole numbers", "unsigned numbers"),
    ),
)
def test_types_of_other_writers_give_the_same_rows(tmp_path, changes):
    first, second = read_transactions(written(tmp_path, **changes))
    assert (first.at, first.transaction.amount, first.category) == (AT.replace(tzinfo=UTC), 1.5, "Food")
    assert (second.transaction.amount, second.transaction.user_id, second.transaction.description) == (-2.25, None, "")
    assert [type(one.transaction.timestamp) for one in (first, second)] == [datetime, datetime]
    assert [one.transaction.txn_id for one in (first, second)] == ["1", "2"]


@pytest.mark.parametrize(
    ("column", "at"),
    [
        (pa.array([date(2026, 1, 5)] * 2), "2026-01-05T00:00:00+00:00"),
        (pa.array([date(2026, 1, 5)] * 2, pa.date64()), "2026-01-05T00:00:00+00:00"),
        (pa.array([AT] * 2, pa.timestamp("ms", tz="Europe/Berlin")), "2026-01-05T12:30:15.123000+00:00"),
        (pa.array([AT] * 2, pa.timestamp("us", tz="+02:00")), "2026-01-05T12:30:15.123456+00:00"),
        (pa.array([1_767_616_215_123_456_789] * 2, pa.timestamp("ns")), "2026-01-05T12:30:15.123456+00:00"),
        (pa.array([1_767_616_215] * 2, pa.timestamp("s")), "2026-01-05T12:30:15+00:00"),
    ],
    ids=["day", "day in milliseconds", "zone", "offset", "with nanoseconds", "seconds"],
)
def test_times_keep_their_moment_and_zone(tmp_path, column, at):
    row = read_transactions(written(tmp_path, timestamp=column))[0]
    assert row.at.isoformat() == at
    zone = getattr(column.type, "tz", None)
    assert (row.transaction.timestamp.tzinfo is None) == (zone is None)
    if zone:
        assert row.transaction.timestamp.utcoffset().total_seconds() == (7200 if zone == "+02:00" else 3600)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamp": pa.array([None, AT], pa.timestamp("us"))}, "row 1: timestamp None is not a time"),
        (
            {"timestamp": pa.array([0, 9 * 10**18], pa.timestamp("ms"))},
            f"row 2: {OUT_OF_RANGE}",
        ),
        ({"timestamp": pa.array([0, -1], pa.timestamp("us"))}, f"row 2: {OUT_OF_RANGE}"),
        ({"timestamp": pa.array([1, 2])}, "timestamp is of type int64; a timestamp, a date or text is required"),
        ({"timestamp": pa.array([1, 2], pa.time32("s"))}, "a timestamp, a date or text is required"),
        (
            {"timestamp": pa.array([AT] * 2, MARS)},
            "has the time zone 'Mars/X', which is unknown",
        ),
        ({"amount": pa.array([1.0, float("nan")])}, "row 2: amount nan is not a number"),
        ({"amount": pa.array([None, 1.0])}, "row 1: amount None is not a number"),
        ({"amount": pa.array([True, False])}, "column amount is of type bool; a number is required"),
        ({"amount": pa.array(["1.5", "2"])}, "column amount is of type string; a number is required"),
        ({"user_id": pa.array([1.0, None])}, "user_id is of type double; text or a whole number is required"),
        ({"merchant": pa.array([b"A", b"B"])}, "merchant is of type binary; text or a whole number is required"),
        ({"merchant": pa.array([["A"], ["B"]])}, "text or a whole number is required"),
    ],
    ids=(
        *("no time", "far time", "early time", "epoch", "time of day", "zone", "NaN", "no amount", "truth", "text"),
        *("ids as floats", "bytes", "lists"),
    ),
)
def test_what_cannot_be_read_is_named(tmp_path, changes, message):
    with pytest.raises(DataError) as caught:
        list(open_source(written(tmp_path, **changes)).rows())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_uuids_are_ids(tmp_path):
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16, b"2" * 16], pa.binary(16)))
    first = read_transactions(written(tmp_path, txn_id=ids))[0]
    assert first.transaction.txn_id == "31313131-3131-3131-3131-313131313131"


def test_rows_are_counted_over_all_row_groups(tmp_path):
    path = tmp_path / "data.parquet"
    count = 50_000
    columns = {name: [values[0]] * count for name, values in ROWS.items()}
    columns |= {"txn_id": list(range(count)), "timestamp": pa.array([0] * (count - 1) + [-1], pa.timestamp("us"))}
    pq.write_table(pa.table(columns), path, row_group_size=7_000)
    with pytest.raises(DataError, match=rf"row {count}: timestamp is out of range"):
        list(open_source(path).rows())


def test_a_map_names_columns_and_the_sign_in_parquet_too(tmp_path):
    path = tmp_path / "bank.parquet"
    table = {"Day": pa.array([date(2026, 1, 5)] * 2), "Payee": ["A", "B"], "Sum": ["3,40", "7"], "Kind": ["D", "C"]}
    pq.write_table(pa.table(table), path)
    text = "columns: {timestamp: Day, merchant: Payee, amount: Sum, channel: Kind}\ndecimal: ','\n"
    bank = parse_map(text + "sign: {column: Kind, purchase: D, refund: C}", "map.yaml")
    assert [row.transaction.amount for row in open_source(path, bank).rows()] == [3.4, -7]
