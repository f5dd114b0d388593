"""Presets: each reads rows under the header lines that its tool writes."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.data.data_map import parse_map, read_map
from serin_training.data.presets import presets
from serin_training.data.reading import open_source
from serin_training.errors import DataError, OptionError
from serin_training.inspection.inspect import inspect_file

FOLDER = Path(__file__).parent / "exports"
"""Header lines as the tools write them, with made-up rows."""
EXPORTS = {
    "mint": [("2023-01-31", "THE BAKERY #12", 3.4, "Groceries"), ("2023-02-05", "ACH EMPLOYER", -1000, "Paycheck")],
    "monzo": [("2026-01-31T09:12", "Bakery", 3.4, "Groceries"), ("2026-02-05T10:00", "Employer", -1000, "Income")],
    "n26": [("2026-01-30T23:00", "Bakery", 3.4, ""), ("2026-02-04T23:00", "Employer", -1000, "")],
    "revolut": [("2026-01-31T19:42", "Bakery", 3.4, ""), ("2026-02-05T10:00", "Employer", -1000, "")],
    "sparkasse": [("2026-01-30T23:00", "B\u00e4ckerei", 3.4, ""), ("2026-02-04T23:00", "Arbeit", -1000, "")],
    "wise": [("2026-01-31T19:57", "Bakery", 3.4, ""), ("2026-02-05T10:00", "", -1000, "")],
    "ynab": [("2026-01-31", "Bakery", 3.4, "Groceries"), ("2026-02-05", "Employer", -1000, "Pay")],
}


def export(tmp_path, name):
    path = tmp_path / "export.csv"
    text = (FOLDER / f"{name}.csv").read_text(encoding="utf-8")
    path.write_bytes(text.encode("cp1252" if name == "sparkasse" else "utf-8-sig"))
    return path


def read(path, data_map):
    return [
        (
            row.at.isoformat()[:16],
            row.transaction.merchant,
            row.transaction.amount,
            row.label.category if row.label else "",
        )
        for row in open_source(path, data_map).rows()
    ]


def test_every_preset_has_an_export_here():
    assert presets() == sorted(EXPORTS)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_preset_reads_the_export_of_its_tool(tmp_path, name):
    text = f"preset: {name}" + ('\ntime: "%d.%m.%Y"' if name == "ynab" else "")
    found = read(export(tmp_path, name), parse_map(text, "map.yaml"))
    right = EXPORTS[name]
    assert [(at[: len(day)], *rest) for (at, *rest), (day, *_) in zip(found, right, strict=True)] == right


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_inspected_as_the_preset_reads_it_and_names_it(tmp_path, name):
    path = export(tmp_path, name)
    found = inspect_file(path)
    assert name in found.presets
    assert {amount for _, _, amount, _ in read(path, found.data_map())} in ({3.4, -1000}, {-3.4, 1000})


def test_a_preset_is_named_instead_of_a_file_unless_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Path("monzo")
    assert read_map(given, None).columns["merchant"] == "Name"
    assert read_map(given, "Europe/London").zone == "Europe/London"
    given.write_text("columns: {timestamp: A, merchant: B, amount: C}")
    assert read_map(given, None).columns["merchant"] == "B"


def test_values_beside_a_preset_replace_its_own():
    found = parse_map("preset: n26\nzone: Europe/Madrid\ncolumns: {category: Kind}", "map.yaml")
    assert (found.zone, found.columns["category"], found.columns["merchant"]) == (
        "Europe/Madrid",
        "Kind",
        "Partner Name",
    )


def test_what_differs_between_exports_of_a_tool_is_named():
    right = r"^map.yaml: time differs between exports of ynab; write a map with `preset: ynab` and `time:`, which"
    with pytest.raises(DataError, match=right):
        parse_map("preset: ynab", "map.yaml")
    with pytest.raises(DataError, match=r"^map.yaml: preset: there is none named 'nab'; write one of mint, monzo, n26"):
        parse_map("preset: nab", "map.yaml")
    with pytest.raises(OptionError, match=r"give a map of columns, or one of mint, monzo, n26"):
        read_map(Path("nab"), None)


def test_a_command_takes_a_preset(tmp_path):
    path = export(tmp_path, "n26")
    result = CliRunner().invoke(app, ["train", "--data", str(path), "--map", "n26"])
    assert (result.exit_code, "no row with a category" in result.stderr) == (2, True), result.output


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"debit"', '"DEBIT"', None),
        ('"debit"', '"fee"', "line 2: Transaction Type 'fee' is neither 'debit' nor 'credit'; see map.yaml"),
        ('"3.40"', '"-3.40"', "line 2: amount -3.4 has a sign, and Transaction Type says it, too; remove `sign`"),
    ],
    ids=["upper case", "another text", "a sign, too"],
)
def test_a_column_with_the_sign_has_one_of_two_texts(tmp_path, old, new, message):
    path = export(tmp_path, "mint")
    path.write_text(path.read_text(encoding="utf-8-sig").replace(old, new))
    data_map = parse_map("preset: mint", "map.yaml")
    if message is None:
        assert read(path, data_map)[0][2] == 3.4
        return
    with pytest.raises(DataError) as caught:
        read(path, data_map)
    assert message in str(caught.value)


def test_a_sign_needs_amounts_that_have_none():
    with pytest.raises(DataError, match="sign needs `amount`, and no `purchases`"):
        parse_map("preset: mint\npurchases: negative", "map.yaml")
