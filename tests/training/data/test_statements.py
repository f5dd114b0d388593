"""Statements in OFX and MT940: every transaction is read, or the file is refused."""

import builtins
from pathlib import Path

import pytest
from foreign_input import HOSTILE_TEXTS, damaged_texts
from hypothesis import given
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.data.data_map import NATIVE, parse_map
from serin_training.data.reading import open_source, stream_transactions
from serin_training.errors import DataError, OptionError

FOLDER = Path(__file__).parent / "exports"
OFX = (FOLDER / "statement.ofx").read_bytes()
MT940 = (FOLDER / "statement.sta").read_bytes()
HEADER = "txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"


def written(tmp_path, content, name="statement.ofx"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_an_ofx_file_has_ids_names_and_memos():
    first, second = open_source(FOLDER / "statement.ofx").rows()
    one = first.transaction
    assert (one.txn_id, one.user_id, one.merchant, one.description) == ("f1", "account-2", "Bakery & Co", "rolls")
    assert (one.amount, one.channel, first.label) == (3.4, "DEBIT", None)
    assert first.at.isoformat() == "2026-01-05T00:00:00+00:00"
    assert (second.transaction.amount, second.transaction.description) == (-1000, "")


def test_an_mt940_file_has_names_or_purposes_and_ids_from_the_contents(tmp_path):
    zoned = NATIVE.model_copy(update={"zone": "Europe/Berlin"})
    first, second = open_source(FOLDER / "statement.sta", zoned).rows()
    assert (first.transaction.merchant, first.transaction.description) == ("Baeckerei Schmidt", "Broetchen")
    assert (first.transaction.amount, first.at.isoformat()) == (3.4, "2026-01-04T23:00:00+00:00")
    assert (second.transaction.merchant, second.transaction.description) == ("Lohn Januar", "")
    again = [row.transaction.txn_id for row in open_source(written(tmp_path, MT940, "Q1.STA")).rows()]
    assert again == [row.transaction.txn_id for row in open_source(FOLDER / "statement.sta").rows()]


def test_labels_come_from_another_source_with_the_same_ids(tmp_path):
    labels = written(tmp_path, (HEADER + "f1,u,2026-01-05,x,x,1,pos,Groceries\n").encode(), "labels.csv")
    sources = [open_source(FOLDER / "statement.ofx"), open_source(labels)]
    rows = list(stream_transactions(sources))
    assert [(row.transaction.merchant, row.category) for row in rows] == [("Bakery & Co", "Groceries")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OFX.replace(b"-3.40", b"free"), "1 of 2 transactions can be read, with 1 doubts: 'free' is not a decimal"),
        (OFX.replace(b"-3.40", b"-3,400"), "2 of 2 transactions can be read, with 1 doubts: '-3,400' is ambiguous"),
        (OFX.replace(b"20260106", b"20269906"), "1 of 2 transactions can be read, with 1 doubts"),
        (OFX.replace(b"</STMTRS>", b"</STMTRS><STMTRS><STMTTRN></STMTTRN></STMTRS>"), "2 of 3 transactions"),
        (MT940.replace(b":61:2601050105DR3,40", b":61:2601050105DR"), "0 of 2 transactions can be read"),
        (b"a,b\n1,2\n", "neither OFX nor MT940; for a table, name the file .csv"),
    ],
    ids=["amount", "amount with two meanings", "day", "several statements", "line of MT940", "a table"],
)
def test_a_file_with_a_transaction_that_cannot_be_read_is_refused(tmp_path, content, message):
    with pytest.raises(DataError) as caught:
        list(open_source(written(tmp_path, content)).rows())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_statement_takes_a_zone_and_no_map():
    bank = parse_map("columns: {timestamp: A, merchant: B, amount: C}", "map.yaml")
    with pytest.raises(OptionError, match="a statement has its own format; leave out --map"):
        list(open_source(FOLDER / "statement.ofx", bank).rows())


def test_training_says_how_a_statement_is_read_or_what_to_install(tmp_path, few, monkeypatch):
    arguments = ["train", "--data", str(few), "--data", str(FOLDER / "statement.ofx")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "statement.ofx: OFX, cp1252, purchases negative, days in UTC, no categories" in result.stderr
    real = builtins.__import__

    def without(name, *rest):
        if name == "bankfile":
            raise ModuleNotFoundError("No module named 'bankfile'", name="bankfile")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "pip install 'serin[training,statements]'" in result.stderr) == (2, True)


def read_or_refused(path):
    try:
        found = list(open_source(path).rows())
    except DataError as error:
        found = str(error)
    assert "\n" not in found


@given(content=damaged_texts(OFX) | damaged_texts(MT940))
def test_a_damaged_statement_gives_rows_or_one_error(tmp_path_factory, content):
    read_or_refused(written(tmp_path_factory.mktemp("damaged"), content))


@pytest.mark.parametrize("content", HOSTILE_TEXTS)
def test_what_is_known_to_be_hostile_is_refused(tmp_path, content):
    with pytest.raises(DataError):
        list(open_source(written(tmp_path, content)).rows())
