"""Backtests: periods, what each run learns from, and what is judged."""

from datetime import UTC, datetime, timedelta

import pytest
from training.conftest import write_csv

from serin_training.backtest import Period, Quality, Schedule, backtest
from serin_training.backtest_text import as_json, as_text
from serin_training.data.reading import read_transactions
from serin_training.errors import DataError
from serin_training.synthetic.generator import generate
from serin_training.training import TrainingConfig

CONFIG = TrainingConfig(run_id="run_0123abcd", now=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of 2024-01-01 to 2025-07-01."""
    return read_transactions(write_csv(tmp_path_factory.mktemp("backtest") / "all.csv", generate(rows=3000, seed=7)))


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_each_period_is_judged_by_a_run_of_the_rows_before_it_and_by_the_first(rows):
    found = list(backtest(rows, CONFIG, Schedule(every=4, first=day("2024-09-01"))))
    assert [period.since for period in found] == [day("2024-09-01"), day("2025-01-01"), day("2025-05-01")]
    for period, until in zip(found, (day("2025-01-01"), day("2025-05-01"), day("2025-09-01")), strict=True):
        assert period.rows == sum(period.since <= row.at < until for row in rows)
        assert period.training_rows == sum(row.at < period.since for row in rows)
        assert 0.3 < period.retrained.f1_macro <= 1
    assert found[0].kept == found[0].retrained
    assert found[2].kept != found[2].retrained


def test_a_history_leaves_out_what_is_older(rows):
    (found,) = backtest(rows, CONFIG, Schedule(every=12, history=6, first=day("2025-01-01")))
    assert found.training_rows == sum(day("2024-07-01") <= row.at < day("2025-01-01") for row in rows)


def test_by_default_the_first_period_begins_on_the_first_of_a_month_after_half_of_the_time(rows):
    (found,) = backtest(rows, CONFIG, Schedule(every=12))
    middle = rows[0].at + (rows[-1].at - rows[0].at) / 2
    assert (found.since.day, found.since.hour) == (1, 0)
    assert timedelta() < found.since - middle <= timedelta(days=31)


def test_the_last_day_of_a_month_stays_the_last_in_a_shorter_one(rows):
    found = backtest(rows, CONFIG, Schedule(every=1, first=day("2025-01-31")))
    assert next(found).since == day("2025-01-31")
    assert next(found).since == day("2025-02-28")
    assert next(found).since == day("2025-03-31")


@pytest.mark.parametrize("first", ["2023-12-31", "2025-09-01"])
def test_a_first_period_outside_of_the_rows_is_refused(rows, first):
    with pytest.raises(DataError, match=r"the rows are from 2024-01-01 to 2025-0\d-\d\d; name a day between"):
        next(backtest(rows, CONFIG, Schedule(every=1, first=day(first))))


def test_a_period_with_too_little_to_learn_from_is_named(rows):
    with pytest.raises(DataError, match="period from 2024-01-05: "):
        list(backtest(rows[:700], CONFIG, Schedule(every=1, first=day("2024-01-05"))))


QUALITY = Quality(f1_macro=0.9, f1_macro_new=0.6, accuracy=0.95, calibration_error=0.01)
PERIODS = [
    Period(day("2025-01-01"), rows=100, training_rows=1000, retrained=QUALITY, kept=QUALITY),
    Period(
        day("2025-04-01"),
        rows=120,
        training_rows=1100,
        retrained=Quality(f1_macro=0.8, f1_macro_new=None, accuracy=0.85, calibration_error=0.03),
        kept=QUALITY,
    ),
]


def test_the_table_has_a_line_for_each_period_and_the_means():
    lines = as_text(PERIODS).splitlines()
    assert lines[1].split() == ["FROM", "ROWS", "LEARNED", *["F1", "NEW", "ACC", "CAL"] * 2]
    assert lines[3].split() == [
        "2025-04-01",
        "120",
        "1100",
        "0.800",
        "-",
        "0.850",
        "0.030",
        *["0.900", "0.600", "0.950", "0.010"],
    ]
    assert lines[4].split() == ["mean", "0.850", "0.600", "0.900", "0.020", *["0.900", "0.600", "0.950", "0.010"]]
    assert max(map(len, lines[:5])) <= 100
    assert {len(line) for line in lines[1:5]} == {len(lines[1])}


def test_json_has_every_number():
    assert as_json(PERIODS)[1]["retrained"] == {
        "f1_macro": 0.8,
        "f1_macro_new": None,
        "accuracy": 0.85,
        "calibration_error": 0.03,
    }
    assert as_json(PERIODS)[1]["since"] == "2025-04-01"
