"""Files of others that training reads: rows or one error of one line, whatever they hold."""

import contextlib
import gzip
import math
import tracemalloc

import pytest
import yaml
from foreign_input import HOSTILE_TEXTS, HOSTILE_VALUES, damaged_texts, damaged_values
from hypothesis import given
from hypothesis import strategies as st

from serin_training.data.csv_records import MAX_LINE
from serin_training.data.data_map import DataMap, parse_map, read_amount, read_time
from serin_training.data.files import CsvFile, ParquetFile
from serin_training.errors import DataError
from serin_training.inspection.inspect import check, inspect_file
from serin_training.inspection.map_text import map_text

MAP = {
    "encoding": "cp1252", "separator": ";", "preamble": 1, "footer": 1, "time": "%d.%m.%Y", "zone": "Europe/Berlin",
    "columns": {"timestamp": "Tag", "merchant": "Wer", "amount": "Betrag"}, "decimal": ",", "purchases": "negative",
}  # fmt: skip
BANK = b'Konto\nTag;Wer;Betrag\n31.01.2026;Caf\xe9;-1.234,50\n01.02.2026;"A;B";-3,00\nSumme;;0\n'
NATIVE = (
    b"txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"
    b't1,u1,2026-01-31T12:00:00Z,"Caf\xc3\xa9, ""A""",lunch,12.50,pos,Dining\n'
    b"t2,u2,2026-02-01,B,,-3,online,\n"
)


def one_line_error(read):
    """Return what is read, or None if it is refused as documented."""
    try:
        return read()
    except DataError as error:
        text = str(error)
    assert "\n" not in text
    assert text.encode()
    return None


def rows(source):
    return one_line_error(lambda: list(source.rows()))


def written(folder, content, name="data.csv"):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("foreign")


@given(
    content=st.one_of(
        damaged_texts(NATIVE), damaged_texts(NATIVE).map(gzip.compress), damaged_texts(gzip.compress(NATIVE))
    )
)
def test_a_csv_file_gives_rows_or_one_error(folder, content):
    rows(CsvFile(written(folder, content)))


@given(content=damaged_texts(BANK))
def test_a_mapped_file_gives_rows_or_one_error(folder, content):
    rows(CsvFile(written(folder, content), DataMap.model_validate(MAP | {"name": "map.yaml"})))


@given(content=st.one_of(damaged_texts(NATIVE), damaged_texts(BANK), damaged_texts(gzip.compress(BANK))))
def test_a_file_is_inspected_or_refused_in_one_line(folder, content):
    path = written(folder, content)
    found = one_line_error(lambda: inspect_file(path))
    if found is not None and one_line_error(lambda: check(path, found)) is not None:
        assert yaml.safe_load(map_text(found))["columns"]


@given(content=damaged_texts(b"PAR1" + bytes(60) + b"PAR1"))
def test_a_parquet_file_gives_rows_or_one_error(folder, content):
    rows(ParquetFile(written(folder, content, "data.parquet")))


@given(data=st.data())
def test_a_map_is_read_or_refused_in_one_line_and_then_reads_any_file(folder, data):
    text = data.draw(
        st.one_of(
            damaged_values(MAP).map(lambda found: yaml.safe_dump(found, allow_unicode=False)),
            damaged_texts(yaml.safe_dump(MAP).encode()).map(lambda found: found.decode("utf-8", "replace")),
        )
    )
    found = one_line_error(lambda: parse_map(text, "map.yaml"))
    if found is not None:
        rows(CsvFile(written(folder, BANK), found))


ENCODINGS = [
    "hex",
    "zlib",
    "base64",
    "rot13",
    "idna",
    "punycode",
    "unicode_escape",
    "undefined",
    "utf-7",
    "utf-16",
    "utf-32",
]


@pytest.mark.parametrize("encoding", [*ENCODINGS, "a\0b", "\ud800", "x" * 5000, "mbcs", "raw_unicode_escape"])
def test_every_encoding_of_python_is_text_or_refused(folder, encoding):
    found = one_line_error(lambda: parse_map(yaml.safe_dump(MAP | {"encoding": encoding}), "map.yaml"))
    if found is not None:
        rows(CsvFile(written(folder, BANK), found))


@pytest.mark.parametrize("content", HOSTILE_TEXTS)
def test_what_is_known_to_be_hostile_gives_one_error(folder, content):
    with pytest.raises(DataError):
        inspect_file(written(folder, content))
    for source in (CsvFile(written(folder, content)), ParquetFile(written(folder, content, "data.parquet"))):
        assert rows(source) is None
    with pytest.raises(DataError):
        parse_map(content.decode("utf-8", "replace"), "map.yaml")
    for value in HOSTILE_VALUES:
        with pytest.raises(DataError):
            parse_map(yaml.safe_dump(value), "map.yaml")


@given(st.text(max_size=60), st.sampled_from([".", ","]))
def test_an_amount_is_a_number_or_refused(text, decimal):
    with contextlib.suppress(ValueError):
        assert math.isfinite(read_amount(text, decimal))


@given(st.text(max_size=60), st.sampled_from(["iso", "%d.%m.%Y", "%d%m%y", "%Y-%m-%d %H:%M:%S%z"]))
def test_a_time_is_one_or_refused(text, time):
    with contextlib.suppress(ValueError):
        assert 1970 <= read_time(text, time).year <= 2099


def test_a_line_without_an_end_needs_no_memory(folder):
    bomb = gzip.compress(NATIVE.splitlines(keepends=True)[0] + b"x" * 300_000_000, 1)
    tracemalloc.start()
    with pytest.raises(DataError, match=f"line 2: it has more than {MAX_LINE} characters"):
        list(CsvFile(written(folder, bomb)).rows())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000


def test_a_key_with_a_line_break_is_named_in_one_line():
    with pytest.raises(DataError, match=r"^map.yaml: a b: unknown; .* footer") as caught:
        parse_map("? 'a\n\n  b'\n: x\ncolumns: {timestamp: a, merchant: b, amount: c}\n", "map.yaml")
    assert "\n" not in str(caught.value)
