"""Files as banks write them: read by a map, or refused with the place and what would be right."""

import sqlite3

import pytest
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.data.data_map import parse_map, read_amount
from serin_training.data.described_rows import assumed_zone, described_rows, zone_warning
from serin_training.data.reading import open_source, read_transactions
from serin_training.errors import DataError, SourceBrokenError

HEADER = "txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"
BANK = (
    "Kontoauszug;Januar\n"
    "Tag;Empf\u00e4nger;Betrag;Kategorie\n"
    "31.01.2026;B\u00e4cker;-1.234,50;Lebensmittel\n"
    "01.02.2026;B\u00e4cker;30,00;Lebensmittel\n"
    "01.02.2026;B\u00e4cker;30,00;Lebensmittel\n"
    "Summe;;;\n"
)
MAP = """
encoding: cp1252
separator: ";"
preamble: 1
footer: 1
columns: {timestamp: Tag, merchant: Empf\u00e4nger, amount: Betrag, category: Kategorie}
time: "%d.%m.%Y"
zone: Europe/Berlin
decimal: ","
purchases: negative
"""


def written(tmp_path, text, name="bank.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_map_says_how_a_bank_writes_its_file(tmp_path):
    path = written(tmp_path, BANK, encoding="cp1252")
    rows = read_transactions(path, data_map=parse_map(MAP, "map.yaml"))
    assert [row.transaction.amount for row in rows] == [1234.5, -30, -30]
    assert [row.at.isoformat() for row in rows] == ["2026-01-30T23:00:00+00:00"] + ["2026-01-31T23:00:00+00:00"] * 2
    assert rows[0].transaction.timestamp.hour == 0
    assert {row.transaction.merchant for row in rows} == {"B\u00e4cker"}
    assert len({row.transaction.txn_id for row in rows}) == 3
    assert rows == read_transactions(path, data_map=parse_map(MAP, "map.yaml")), "ids are made from the contents"


def test_a_format_that_changes_in_mid_file_is_an_error_with_its_line(tmp_path):
    for old, new, problem in [
        ("01.02.2026", "02/01/2026", "timestamp '02/01/2026' is not a time as %d.%m.%Y"),
        ("30,00", "30.00", "amount '30.00' is not a number with the decimal sign ','"),
    ]:
        path = written(tmp_path, BANK.replace(old, new, 1), encoding="cp1252")
        with pytest.raises(DataError, match=rf"line 4: {problem}; see map.yaml$"):
            read_transactions(path, data_map=parse_map(MAP, "map.yaml"))


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("columns: {}", ["it maps no column"]),
        ("separator: ';'", ["it maps no column"]),
        ("columns: {merchant: A, merchant: B}", ["'merchant' stands on line 1 and again on line 1"]),
        (
            "columns: {timestamp: A, merchant: A, colour: C}\ntime: ''\ndecimal: ''\nzone: Berlin\ncolour: 1",
            [
                "timestamp, merchant are all read from 'A'",
                "colour is none of txn_id",
                "no column for amount",
                "'' is not a format of days; write iso, %d/%m/%Y or %m/%d/%Y",
                "decimal: must be '.' or ','",
                "'Berlin' is not a time zone",
                "colour: unknown; the keys are encoding",
            ],
        ),
    ],
)
def test_a_map_is_refused_with_all_its_errors_at_once(text, messages):
    with pytest.raises(DataError) as caught:
        parse_map(text, "map.yaml")
    assert [message for message in messages if message not in str(caught.value)] == []


def test_columns_that_the_file_does_not_have_are_named_with_those_it_has(tmp_path):
    path = written(tmp_path, "A,B,B\n1,2,3\n")
    with pytest.raises(
        DataError, match=r"missing column Tag; B: a column occurs twice; correct .*; found 'A', 'B', 'B'"
    ):
        read_transactions(path, data_map=parse_map("columns: {timestamp: Tag, merchant: A, amount: B}", "map.yaml"))
    with pytest.raises(DataError, match=r"required are .*, or a map of columns \(--map\); found 'A', 'B', 'B'"):
        read_transactions(path)


@pytest.mark.parametrize(
    ("text", "decimal", "amount"),
    [
        ("1'234.50", ".", 1234.5),
        ("1.234.567,8", ",", 1234567.8),
        ("($30.00)", ".", -30.0),
        ("1234.56-", ".", -1234.56),
        ("\u221212.50", ".", -12.5),
        ("12,50 EUR", ",", 12.5),
        ("-\u20ac1,000.00", ".", -1000.0),
        ("1\u00a0234,50", ",", 1234.5),
    ],
)
def test_amounts_are_read_as_banks_write_them(text, decimal, amount):
    assert read_amount(text, decimal) == amount


@pytest.mark.parametrize("text", ["", "1_000", "1,23", "12,50", "1,234,5", "--1", "(-3)", "-3-", "1.2.3", "x", "(3"])
def test_an_amount_with_two_meanings_or_none_is_refused(text):
    with pytest.raises(ValueError, match=r"decimal sign|number"):
        read_amount(text, ".")


def test_debit_and_credit_are_one_amount(tmp_path):
    bank = parse_map("columns: {timestamp: T, merchant: M, debit: D, credit: C, category: K}", "map.yaml")
    path = written(tmp_path, "T,M,D,C,K\n2026-01-01,A,5.00,,X\n2026-01-02,A,,7.00,X\n")
    assert [row.transaction.amount for row in read_transactions(path, data_map=bank)] == [5, -7]
    path = written(tmp_path, "T,M,D,C,K\n2026-01-01,A,,,X\n")
    with pytest.raises(DataError, match="line 2: neither of debit and credit have an amount"):
        read_transactions(path, data_map=bank)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            '1,u,2026-01-05,A,x,1,pos,G\n2,u,2026-01-05,"Joe"s,x,1,pos,G\n',
            "line 3: the quote that opens here closes before",
        ),
        (
            '1,u,2026-01-05,A,x,1,pos,G\n2,u,2026-01-05,"Joe,x,1,pos,G\n',
            "line 3: the quote that opens here is never closed",
        ),
        (
            '1,u,2026-01-05,"A 3/4,x,1,pos,G\n2,u,2026-01-05,B 5",x,1,pos,G\n',
            "line 2: the quote that opens before 'A 3/4,x,1,pos,G",
        ),
        (
            '1,u,2026-01-05,"A\n4",x,1,pos,G\n2,u,2026-01-05,B,"x\ny"z,1,pos,G\n',
            "line 4: the quote that opens here closes",
        ),
        ('1,u,2026-01-05,"' + "x" * 200_000, "line 2: the quote that opens here is never closed"),
    ],
    ids=["not doubled", "open", "two rows as one", "after a text of two lines", "open in a large file"],
)
def test_quotes_are_strict_and_named_by_the_line_on_which_they_open(tmp_path, rows, message):
    with pytest.raises(DataError) as caught:
        list(open_source(written(tmp_path, HEADER + rows)).rows())
    assert message in str(caught.value)


def test_a_text_of_two_lines_is_a_text(tmp_path):
    path = written(tmp_path, HEADER + '1,u,2026-01-05,"Bakery\nMain St","rolls, ""fresh""",3,pos,G\n')
    assert read_transactions(path)[0].transaction.description == 'rolls, "fresh"'


def rows_of(tmp_path, *rows):
    return read_transactions(written(tmp_path, HEADER + "\n".join(rows) + "\n", name="rows.csv"))


def test_what_is_assumed_and_odd_is_counted_without_any_text(tmp_path):
    rows = rows_of(
        tmp_path,
        *("1,u,2026-01-05,SECRET,x,-3,pos,Food", "2,u,2026-01-05,SECRET,x,-3,pos,Food"),
        "3,u,2026-01-05T00:00Z,SECRET,x,-3,pos,Fun",
    )
    assert assumed_zone(rows) == "2 of 3 timestamps have no offset and are read as UTC"
    assert assumed_zone(rows[2:]) == ""
    found = list(described_rows(rows))
    assert [line.split(";")[0] for line in found] == [
        "no amount is positive, so that all rows are refunds",
        "1 of 3 labels contradict most rows of the same merchant and description",
    ]
    assert found[1].endswith("Food / Fun (1)")
    assert "SECRET" not in "".join(found)


def test_times_without_a_zone_are_compared_with_those_of_the_run(tmp_path):
    naive = rows_of(tmp_path, "1,u,2026-01-05,A,x,3,pos,Food")
    assert "were read as UTC, most of these have one" in zone_warning(
        1.0, rows_of(tmp_path, "1,u,2026-01-05T00Z,A,x,3,p,F")
    )
    assert "had one, most of these have none" in zone_warning(0.0, naive)
    assert [zone_warning(share, naive) for share in (1.0, None)] == ["", ""]


def command(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_report_says_how_the_data_were_read(few, tmp_path):
    text = few.read_text().replace(HEADER.strip(), HEADER.strip().replace("merchant", "Payee"))
    path = written(tmp_path, text)
    columns = ", ".join(f"{name}: {name}" for name in HEADER.strip().split(",") if name != "merchant")
    given = written(tmp_path, f"columns: {{{columns}, merchant: Payee}}", name="map.yaml")
    result = command("train", "--data", path, "--map", given, "--registry", tmp_path / "registry")
    assert result.exit_code == 0, result.output
    line = f"bank.csv by {given}: utf-8, separated by ',', decimal sign '.', times as iso"
    assert line in result.stderr
    assert line in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--map", "nowhere.yaml"], 2, "nowhere.yaml: No such file or directory"),
        (["--zone", "Berlin"], 2, "--zone Berlin: not a time zone; write one like Europe/Berlin"),
    ],
)
def test_options_that_cannot_be_used_are_named_and_nothing_is_stored(few, tmp_path, arguments, status, message):
    result = command("train", "--data", few, "--registry", tmp_path / "registry", *arguments)
    assert (result.exit_code, message in result.stderr) == (status, True)
    assert "Traceback" not in result.output
    assert not list(tmp_path.rglob("run_*"))


def test_categories_that_differ_only_by_case_or_spaces_are_refused(tmp_path):
    rows = "1,u,2026-01-05,A,x,3,pos,Fast Food\n2,u,2026-01-05,A,x,3,pos,fastfood\n"
    result = command("train", "--data", written(tmp_path, HEADER + rows), "--registry", tmp_path / "registry")
    assert result.exit_code == 2
    assert "'Fast Food' (1 rows) and 'fastfood' (1 rows); write them alike" in result.stderr
    assert not list(tmp_path.rglob("run_*"))


def test_a_database_that_breaks_off_is_a_failure_and_not_wrong_usage(tmp_path):
    path = tmp_path / "bank.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE paid ({HEADER.strip()})")
        row = ("u", "2026-01-05", "A" * 200, "x", 3, "pos", "G")
        connection.executemany("INSERT INTO paid VALUES (?,?,?,?,?,?,?,?)", [(str(at), *row) for at in range(2000)])
    connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * (len(whole) // 2))
    with pytest.raises(SourceBrokenError, match=r"reading broke off: .*; nothing was stored; check the database"):
        read_transactions(f"sqlite:///{path}#paid")
    result = command("train", "--data", f"sqlite:///{path}#paid", "--registry", tmp_path / "registry")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
