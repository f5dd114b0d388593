"""`serin data inspect`: what it finds, what it leaves to the user, and what it refuses, from file to training."""

import csv
import json
import re
from datetime import datetime

import pytest
import yaml
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.data.data_map import parse_map
from serin_training.data.reading import read_transactions
from serin_training.errors import DataError

APRIL = "2026-04-03 00:00:00+00:00"
HEADER = "txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"


def command(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode(encoding))
    return path


def inspected(path, *arguments):
    """Return the map and the findings by key."""
    result = command("data", "inspect", path, "-o", "json", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return found["map"], {one["key"]: one for one in found["findings"]}, found


def mapped(path, tmp_path, *arguments):
    """Return the rows that the written map reads."""
    out = tmp_path / "map.yaml"
    result = command("data", "inspect", path, "--map-out", out, "--force", *arguments)
    assert result.exit_code == 0, result.output
    return read_transactions(path, data_map=parse_map(out.read_text(encoding="utf-8"), str(out)))


def a_bank(few, tmp_path):
    """Return a file as a bank writes one, with the rows of another."""
    with few.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        "Kontoauszug;01.01.2026",
        "",
        '"Buchungstag";"Empf\u00e4nger";"Verwendungszweck";"Betrag";"Kunde";"Kategorie"',
    ]
    for row in rows:
        at = datetime.fromisoformat(row["timestamp"])
        amount = f"{-float(row['amount']):,.2f}".translate(str.maketrans(",.", ".,"))
        fields = (
            f"{at:%d.%m.%Y %H:%M:%S}",
            row["merchant"],
            row["description"],
            amount,
            row["user_id"],
            row["category"],
        )
        lines.append(";".join(f'"{field}"' for field in fields))
    text = "\r\n".join([*lines, "Summe;;;1,00;;", ""])
    return written(tmp_path, text, encoding="cp1252"), rows


def test_a_file_of_a_bank_is_inspected_and_trained_on(few, tmp_path):
    path, rows = a_bank(few, tmp_path)
    out = tmp_path / "map.yaml"
    result = command("data", "inspect", path, "--map-out", out, "--zone", "UTC")
    assert result.exit_code == 0, result.output
    content = yaml.safe_load(out.read_text(encoding="utf-8"))
    assert content == {
        "encoding": "cp1252",
        "separator": ";",
        "preamble": 2,
        "footer": 1,
        "columns": {
            "timestamp": "Buchungstag",
            "amount": "Betrag",
            "category": "Kategorie",
            "merchant": "Empf\u00e4nger",
            "description": "Verwendungszweck",
            "user_id": "Kunde",
        },
        "time": "%d.%m.%Y %H:%M:%S",
        "zone": "UTC",
        "decimal": ",",
        "purchases": "negative",
    }
    assert f"serin train --data {path} --map {out}" in result.stderr
    read = read_transactions(path, data_map=parse_map(out.read_text(encoding="utf-8"), "map"))
    right = sorted((row["merchant"].strip(), float(row["amount"]), row["category"]) for row in rows)
    assert sorted((row.transaction.merchant, row.transaction.amount, row.category) for row in read) == right
    result = command("train", "--data", path, "--map", out, "--registry", tmp_path / "registry")
    assert result.exit_code == 0, result.output
    assert list(tmp_path.rglob("run_*"))


def row(**changes):
    one = {"txn_id": "1", "user_id": "u1", "timestamp": "2026-01-05", "merchant": "Bakery", "description": "rolls"}
    return ",".join((one | {"amount": "3.40", "channel": "pos", "category": "Food"} | changes).values()) + "\n"


TEN_DAYS = "".join(row(timestamp=f"2026-01-{day}") for day in range(10, 20))


@pytest.mark.parametrize(
    ("text", "amount", "day"),
    [
        (HEADER + row(amount="1'234.50"), 1234.5, "2026-01-05"),
        (HEADER + row(amount='"12,50"'), 12.5, "2026-01-05"),
        (HEADER + row(amount="($30.00)"), 30.0, "2026-01-05"),
        (HEADER + row(amount='"1,234.56"'), 1234.56, "2026-01-05"),
        (HEADER + row(amount="1234.56-"), 1234.56, "2026-01-05"),
        (HEADER + row(amount="\u221212.50"), 12.5, "2026-01-05"),
        ((HEADER + row()).replace(",", ";"), 3.4, "2026-01-05"),
        ((HEADER + row()).replace(",", "\t"), 3.4, "2026-01-05"),
        ("sep=,\n" + HEADER + row(), 3.4, "2026-01-05"),
        ("\ufeff" + HEADER + row(), 3.4, "2026-01-05"),
        (HEADER + row() + "Total,,,,,3.40,,\n", 3.4, "2026-01-05"),
        (HEADER + row() + "\nMade on 2026-02-01\n", 3.4, "2026-01-05"),
        ((HEADER + row()).replace("\n", "\r"), 3.4, "2026-01-05"),
        ((HEADER + row()).replace(",", ", "), 3.4, "2026-01-05"),
        (HEADER + row(txn_id=""), 3.4, "2026-01-05"),
        (HEADER + row() + row(), 3.4, "2026-01-05"),
        (HEADER.replace("\n", ",\n") + row().replace("\n", ",\n"), 3.4, "2026-01-05"),
        (HEADER + row().replace("\n", ",\n"), 3.4, "2026-01-05"),
        (HEADER.upper() + row(), 3.4, "2026-01-05"),
        (HEADER + row(timestamp="20260105"), 3.4, "2026-01-05"),
        (HEADER + row(timestamp="20260105120000"), 3.4, "2026-01-05"),
        (HEADER + row(timestamp="05 Jan 2026"), 3.4, "2026-01-05"),
        (HEADER + row(timestamp='"Jan 5, 2026"'), 3.4, "2026-01-05"),
        (HEADER + row(timestamp="01/05/2026 1:30 PM") + row(timestamp="01/25/2026 1:30 PM"), 3.4, "2026-01-05"),
        (HEADER + row(timestamp="05.01.26"), 3.4, "2026-01-05"),
        (HEADER + row(description='"rolls, ""fresh""\r\nreceipt 7"'), 3.4, "2026-01-05"),
    ],
    ids=[
        "apostrophe",
        "decimal comma",
        "parentheses",
        "thousands",
        "trailing minus",
        "Unicode minus",
        "semicolon",
        "tab",
        "sep hint",
        "byte order mark",
        "total",
        "note at the end",
        "Mac",
        "padded",
        "no id",
        "same id",
        "empty column",
        "separator at the end of rows",
        "upper case",
        "compact day",
        "compact moment",
        "English day",
        "American day",
        "12 hours",
        "short year",
        "line break in a text",
    ],
)
def test_what_has_one_meaning_is_found_and_read_by_the_map(tmp_path, text, amount, day):
    rows = mapped(written(tmp_path, text), tmp_path)
    first = rows[0]
    assert (first.transaction.amount, f"{first.at:%Y-%m-%d}", first.transaction.merchant) == (amount, day, "Bakery")


def test_columns_without_a_header_are_numbered(tmp_path):
    path, out = written(tmp_path, row() + row(txn_id="2", amount="4.50")), tmp_path / "map.yaml"
    content, findings, whole = inspected(path, "--map-out", out)
    assert (content["header"], findings["header"]["certainty"]) == (False, "likely")
    assert {name: content["columns"][name] for name in ("timestamp", "amount")} == {"timestamp": "3", "amount": "6"}
    assert [one["amount"] for one in whole["first_rows"]] == ["3.40", "4.50"]
    decided = out.read_text(encoding="utf-8").replace("columns:\n", "columns:\n  category: 8\n")
    rows = read_transactions(path, data_map=parse_map(decided, "map"))
    assert [(one.category, one.transaction.amount) for one in rows] == [("Food", 3.4), ("Food", 4.5)]


@pytest.mark.parametrize(
    ("text", "key", "choices", "shown"),
    [
        (
            HEADER + row(timestamp="03/04/2026"),
            "time",
            ["%d/%m/%Y", "%m/%d/%Y"],
            ("timestamp", "2026-04-03 00:00:00+00:00?"),
        ),
        (HEADER + row(timestamp="03-04-05"), "time", ["%d-%m-%y", "%m-%d-%y", "%y-%m-%d"], None),
        (HEADER + row(amount='"1,234"'), "decimal", [".", ","], ("amount", "1234.00?")),
        (HEADER + row(amount="-5.00") + row(amount="6.00"), "purchases", ["negative", "positive"], ("amount", "5.00?")),
    ],
    ids=["day or month", "day, month or year", "thousands or decimals", "sign"],
)
def test_what_has_several_meanings_is_left_to_the_user(tmp_path, text, key, choices, shown):
    path, out = written(tmp_path, text), tmp_path / "map.yaml"
    content, findings, whole = inspected(path, "--map-out", out)
    assert (content[key], findings[key]["certainty"], findings[key]["choices"]) == ("undecided", "undecided", choices)
    assert any(note.startswith(f"undecided: {key}: ") for note in whole["notes"])
    if shown:
        assert whole["first_rows"][0][shown[0]] == shown[1]
    with pytest.raises(DataError, match=rf"^map: {key}: it is undecided; write one of the values in its comment$"):
        parse_map(out.read_text(encoding="utf-8"), "map")
    result = command("train", "--data", path, "--map", out)
    assert (result.exit_code, f"{key}: it is undecided" in result.stderr) == (2, True)
    for choice in choices:
        assert choice in findings[key]["why"] or choice in whole["notes"][1]
        decided = out.read_text(encoding="utf-8").replace(f"{key}: undecided", f"{key}: '{choice}'")
        read_transactions(path, data_map=parse_map(decided, "map"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + row(amount=""), "line 2: amount is empty; write one, or remove the row"),
        (HEADER + row(amount="1_000"), "line 2: amount '1_000' is not a number with the decimal sign '.'"),
        (HEADER + row() + row(amount='"2,50"') + row(amount="1.5"), "line 3: amount '2,50' is not a number"),
        (
            HEADER + TEN_DAYS + row(timestamp="31.01.2026"),
            "line 12: timestamp '31.01.2026' ",
        ),
        (HEADER + row() + "2,u\n" + row(), "line 3: 2 fields, not as many fields as in the header (8)"),
        (HEADER + row() + row(timestamp="", merchant="pending"), "line 3: timestamp '' "),
        (HEADER + row(merchant="A" * 300), "line 2: merchant has 300 characters; at most 256 are allowed"),
        (HEADER + row(merchant="Bak\0ery"), "line 2: merchant has a NUL character; remove it"),
        (HEADER.replace("description", "category") + row(), "category: a column occurs twice; correct `columns`"),
        (HEADER + row(merchant='"Joe"s"'), "line 2: the quote that opens here closes before the end"),
        (HEADER + row() + row(merchant='"Joe'), "line 3: the quote that opens here is never closed"),
        (HEADER + row(timestamp="1767614400"), "digits alone ('1767614400') could be"),
        (HEADER + row(timestamp="45662"), "digits alone ('45662') could be the day number of a spreadsheet"),
        (
            HEADER.replace("timestamp", "when") + row(timestamp="soon"),
            "no column looks like timestamp; name it in a map",
        ),
        ("a,b\n1,2\n", "no separator (comma, semicolon, tab, vertical bar) gives rows of at least 3 columns"),
        ("", "the file is empty"),
        ("PK\x03\x04...", "a spreadsheet or an archive; save the sheet as CSV"),
        ("%PDF-1.7", "a PDF; ask the bank for CSV"),
        ("OFXHEADER:100\n", "a statement in OFX, which needs no map; name the file .ofx"),
        (":20:START\n", "a statement in MT940, which needs no map; name the file .sta"),
        ('<?xml version="1.0"?>', "XML, such as CAMT.053; export CSV, OFX or MT940"),
        ("PAR1", "a Parquet file, whose columns have types"),
        (HEADER, "no row of transactions"),
    ],
    ids=[
        "no amount",
        "underscore",
        "decimal sign changes",
        "format changes",
        "short row",
        "pending",
        "long merchant",
        "NUL",
        "header twice",
        "quote inside",
        "open quote",
        "epoch",
        "spreadsheet day",
        "no time",
        "two columns",
        "empty",
        "spreadsheet",
        "PDF",
        "OFX",
        "MT940",
        "XML",
        "Parquet",
        "header alone",
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_no_map_is_written(tmp_path, text, message):
    path = written(tmp_path, text)
    result = command("data", "inspect", path, "--map-out", tmp_path / "map.yaml")
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_map_is_replaced_only_when_told_to(tmp_path):
    path, out = written(tmp_path, HEADER + row()), tmp_path / "map.yaml"
    out.write_text("mine")
    result = command("data", "inspect", path, "--map-out", out)
    assert (result.exit_code, result.stderr) == (
        2,
        f"serin data inspect: --map-out {out}: the file exists; --force replaces it\n",
    )
    assert out.read_text() == "mine"
    assert command("data", "inspect", path, "--map-out", out, "--force").exit_code == 0
    assert "columns:" in out.read_text()
    assert command("data", "inspect", path, "--zone", "Berlin").exit_code == 2


def test_the_report_shows_the_map_the_rows_and_what_is_missing(tmp_path):
    path = written(tmp_path, "Date,Payee,Memo,Outflow,Inflow\n2026-01-31,Bakery,,3.40,\n2026-02-01,Work,pay,,1000.00\n")
    result = command("data", "inspect", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        f"{path}: 2 transactions from 2026-01-31 to 2026-02-01; users: 0; with a category: 0"
    )
    assert re.search(r"^  debit: Outflow +# sure: its name and texts$", result.stdout, flags=re.MULTILINE)
    assert [" ".join(line.split()[1:]) for line in result.stdout.splitlines()[-2:]] == [
        "2026-01-31 00:00:00+00:00 Bakery 3.40",
        "2026-02-01 00:00:00+00:00 Work pay -1000.00",
    ]
    for note in ("assumed: zone UTC", "no row has a category", "users: 0; training needs 3", "no column has an id"):
        assert note in result.stderr


def test_a_file_in_the_own_format_needs_no_map(few):
    result = command("data", "inspect", few)
    assert "this is Serin's own format: other commands read the file without a map" in result.stderr
