"""Single guesses: encodings, columns, formats and signs, and how sure they are."""

import csv
import gzip

import pytest

from serin_training.inspection.columns import find_columns
from serin_training.inspection.findings import Certainty
from serin_training.inspection.formats import find_decimal, find_purchases, find_time, formats_of
from serin_training.inspection.layout import find_layout
from serin_training.inspection.text import find_encoding

GERMAN = "Datum;Empf\u00e4nger;Gr\u00f6\u00dfe\n05.01.2026;M\u00fcller Stra\u00dfe;3,40 \u20ac\n"


@pytest.mark.parametrize(
    ("text", "written", "found"),
    [
        ("a,b", "ascii", "utf-8"),
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (GERMAN, "cp1252", "cp1252"),
        (GERMAN.replace("\u20ac", ""), "cp850", "cp850"),
        ("Cr\u00e9dit op\u00e9ration caf\u00e9 d\u00e9j\u00e0 fran\u00e7ais", "cp1252", "cp1252"),
        ("Zakupy \u017cywno\u015b\u0107 \u0142\u00f3d\u017a \u015bwi\u0119ta", "cp1250", "cp1250"),
        ("\u041f\u043e\u043a\u0443\u043f\u043a\u0430 \u043c\u0430\u0433\u0430\u0437\u0438\u043d", "cp1251", "cp1251"),
    ],
    ids=["ASCII", "UTF-8", "UTF-16", "little", "big", "German", "German in DOS", "French", "Polish", "Russian"],
)
def test_encodings_are_found_by_the_letters_they_give(tmp_path, text, written, found):
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode(written))
    finding = find_encoding(path, "bank.csv")
    assert finding.value == found
    path.write_bytes(gzip.compress(text.encode(written)))
    assert find_encoding(path, "bank.csv") == finding
    if finding.certainty is Certainty.LIKELY and not found.startswith("utf"):
        letters = {sign for sign in text if not sign.isascii()} - {"\u20ac"}
        assert letters & set(finding.why)


def test_another_reading_of_the_letters_is_shown(tmp_path):
    path = tmp_path / "bank.csv"
    path.write_bytes("d\u00e9j\u00e0".encode("cp1252"))
    assert find_encoding(path, "bank.csv").why.endswith("would be \u00e0 \u00e9, as cp1250 they would be \u00e9 \u0155")


@pytest.mark.parametrize(
    ("text", "separator", "preamble", "header"),
    [
        ("Konto;DE12\n\nVon;01.01.2026\nTag;Wer;Betrag\n05.01.2026;A;1,50\n", ";", 3, ("Tag", "Wer", "Betrag")),
        ("05.01.2026,A,1.50\n06.01.2026,B,2.50\n", ",", 0, ("1", "2", "3")),
        ("note\n05.01.2026|A|1.50\n", "|", 1, ("1", "2", "3")),
        ('Tag,Wer,Betrag\n05.01.2026,"A;B;C",1.50\n', ",", 0, ("Tag", "Wer", "Betrag")),
    ],
    ids=["lines before", "no header", "lines before and no header", "other separators in texts"],
)
def test_the_table_is_found_in_a_text(tmp_path, text, separator, preamble, header):
    path = tmp_path / "bank.csv"
    path.write_text(text, newline="")
    layout = find_layout(path, "bank.csv", "utf-8")
    found = {one.key: one.value for one in layout.findings}
    assert (found["separator"], found.get("preamble", 0), layout.header) == (separator, preamble, header)
    assert found.get("header", True) is (header[0] == "Tag")
    assert layout.rows[0][0] == "05.01.2026"


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("Date,Description,Amount", "2026-01-05,Bakery,3.40", {"merchant": "Description"}),
        (
            "Buchungstag,Valutadatum,Buchungstext,Beguenstigter/Zahlungspflichtiger,Betrag,Info",
            '2026-01-05,2026-01-06,Lastschrift,Bakery,"3,40",booked',
            {
                "merchant": "Beguenstigter/Zahlungspflichtiger",
                "description": "Buchungstext",
                "timestamp": "Buchungstag",
            },
        ),
        ("Date,Payee,Paid out,Paid in", "2026-01-05,Bakery,3.40,", {"debit": "Paid out", "credit": "Paid in"}),
        ("Date,Payee,Debit,Balance", "2026-01-05,Bakery,3.40,8.00", {"amount": "Debit"}),
        ("1,2,3,4", "2026-01-05,-3.40,Bakery rolls,100.00", {"timestamp": "1", "amount": "2", "merchant": "3"}),
    ],
    ids=["description for merchant", "German", "two columns of amounts", "one side", "no names"],
)
def test_columns_are_found_by_names_and_texts(header, row, columns):
    names, fields = csv.reader([header, row])
    found = {one.key.removeprefix("columns."): one.value for one in find_columns("bank.csv", names, [fields] * 2)}
    assert {target: found.get(target) for target in columns} == columns


@pytest.mark.parametrize(
    ("texts", "value", "certainty"),
    [
        (["03/04/2026", "13/04/2026"], "%d/%m/%Y", Certainty.SURE),
        (["03/04/2026", "04/13/2026"], "%m/%d/%Y", Certainty.SURE),
        (["03/04/2026", "04/04/2026"], "%d/%m/%Y", Certainty.UNDECIDED),
        (["03.04.2026"], "%d.%m.%Y", Certainty.LIKELY),
        (["04/04/2026"], "%d/%m/%Y", Certainty.SURE),
        (["2026-01-05T10:00:00Z"], "iso", Certainty.SURE),
        (["2026/01/05 10:00"], "%Y/%m/%d %H:%M", Certainty.SURE),
    ],
)
def test_the_format_of_times_is_as_sure_as_the_texts_make_it(texts, value, certainty):
    found = find_time(texts, formats_of(texts, "bank.csv"))
    assert (found.value, found.certainty) == (value, certainty)


@pytest.mark.parametrize(
    ("texts", "value", "certainty"),
    [
        (["1,234", "12,50"], ",", Certainty.SURE),
        (["1,234", "1,234.50"], ".", Certainty.SURE),
        (["1,234", "12"], ".", Certainty.UNDECIDED),
        (["1,234,567"], ".", Certainty.SURE),
        (["12", "-7"], ".", Certainty.ASSUMED),
        (["1,50", "2,50", "3.50"], ",", Certainty.LIKELY),
    ],
)
def test_the_decimal_sign_is_as_sure_as_the_texts_make_it(texts, value, certainty):
    found = find_decimal(texts)
    assert (found.value, found.certainty) == (value, certainty)


@pytest.mark.parametrize(
    ("negative", "positive", "value", "certainty"),
    [
        (0, 9, "positive", Certainty.LIKELY),
        (9, 0, "negative", Certainty.LIKELY),
        (90, 10, "negative", Certainty.LIKELY),
        (10, 90, "positive", Certainty.LIKELY),
        (5, 5, "negative", Certainty.UNDECIDED),
    ],
)
def test_the_sign_of_purchases_is_that_of_most_amounts_or_undecided(negative, positive, value, certainty):
    found = find_purchases(negative, positive)
    assert (found.value, found.certainty) == (value, certainty)
