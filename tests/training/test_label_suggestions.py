"""Which transactions to label next, and the command that shows them."""

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from serin_core.model.features import Transaction
from serin_training.commands.suggest_labels import app
from serin_training.data.data_map import COLUMNS
from serin_training.data.rows import Label, Row
from serin_training.label_suggestions import suggest_labels

START = datetime(2026, 1, 1, tzinfo=UTC)


def row(number, merchant, *, label=""):
    at = START + timedelta(hours=number)
    return Row(Transaction(f"t{number}", merchant, timestamp=at), at, Label(label, at) if label else None)


def names(found):
    return [(one.newest.transaction.txn_id, one.rows) for one in found.merchants]


def test_merchants_with_most_rows_come_first_each_with_its_newest_transaction():
    rows = [row(0, "CAFE #1"), row(3, "CAFE #2"), row(2, "CAFE #3"), row(4, "SHOP"), row(5, "BAR"), row(6, "BAR")]
    found = suggest_labels(rows, count=2)
    assert names(found) == [("t3", 3), ("t6", 2)]
    assert (found.rows, found.labelled, found.known, found.known_after) == (6, 0, 0, 5)


def test_a_merchant_with_one_label_needs_no_other():
    rows = [row(0, "CAFE #1", label="Dining"), row(1, "CAFE #2"), row(2, "CAFE #3"), row(3, "SHOP")]
    found = suggest_labels(rows, count=10)
    assert names(found) == [("t3", 1)]
    assert (found.labelled, found.known, found.known_after) == (1, 3, 4)


def test_rows_without_a_merchant_are_left_out():
    found = suggest_labels([row(0, ""), row(1, "#12"), row(2, "SHOP")], count=10)
    assert names(found) == [("t2", 1)]
    assert found.rows == 3


@pytest.fixture
def data(tmp_path):
    """Three merchants, of which one has a label."""
    path = tmp_path / "transactions.csv"
    merchants = ["CAFE", "CAFE", "SHOP", "BAR", "BAR", "BAR"]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number, merchant in enumerate(merchants):
            at = (START + timedelta(hours=number)).isoformat()
            fields = {"txn_id": f"t{number}", "user_id": "u", "timestamp": at, "merchant": merchant, "amount": "1.5"}
            writer.writerow(fields | {"category": "Dining" if number == 0 else ""})
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_table_and_what_the_labels_are_worth(data):
    found = run("--data", data, "--count", 1)
    assert found.exit_code == 0
    header, line = found.stdout.splitlines()
    assert header.split() == ["ROWS", "NEWEST", "AMOUNT", "MERCHANT", "TXN_ID", "DESCRIPTION"]
    assert line.split() == ["3", "2026-01-01", "1.50", "BAR", "t5"]
    assert found.stderr == (
        "1 of 6 transactions have a label; merchants with a label have 33% of all transactions, "
        "with the suggested labels 83%\n"
    )


def test_json(data):
    found = json.loads(run("--data", data, "-o", "json").stdout)
    assert [one["txn_id"] for one in found.pop("suggestions")] == ["t5", "t2"]
    assert found == {"rows": 6, "labelled": 1, "of_known_merchants": 2, "of_known_merchants_after": 6}


def test_the_file_can_be_filled_in_and_read_beside_the_first_one(data, tmp_path):
    out = tmp_path / "to-label.csv"
    assert run("--data", data, "--out", out).exit_code == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [one["txn_id"] for one in rows] == ["t5", "t2"]
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(one | {"category": "Leisure"} for one in rows)
    found = run("--data", data, "--data", out)
    assert found.stdout == ""
    assert found.stderr == "every merchant of the 6 transactions has a label\n"


def test_a_file_that_may_hold_labels_is_not_replaced(data, tmp_path):
    out = tmp_path / "to-label.csv"
    out.write_text("labels")
    found = run("--data", data, "--out", out)
    assert (found.exit_code, out.read_text()) == (2, "labels")
    assert "the file exists; name another one, so that no labels are lost" in found.stderr
