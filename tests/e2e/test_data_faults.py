"""CSV files that `serin train` rejects, run as a separate process. Needs no cluster."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from serin_demo.commands import run

COLUMNS = ["txn_id", "user_id", "timestamp", "merchant", "description", "amount", "channel", "category"]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Lines of a valid file."""
    path = tmp_path_factory.mktemp("sound") / "transactions.csv"
    run(["serin", "generate", "--rows", "600", "--seed", "3", "--out", str(path)])
    return path.read_text().splitlines()


def without(column):
    def damage(lines):
        rows = [[field for name, field in row.items() if name != column] for row in csv.DictReader(lines)]
        return [",".join(name for name in COLUMNS if name != column), *(",".join(row) for row in rows)]

    return damage


def with_field(column, value):
    """Set a field of the third line."""

    def damage(lines):
        fields = lines[2].split(",")
        fields[COLUMNS.index(column)] = value
        return [*lines[:2], ",".join(fields), *lines[3:]]

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: [], "the file is empty; give a CSV file with the columns txn_id, user_id,"),
        (without("category"), "missing column category; required are txn_id, user_id,"),
        (with_field("amount", "twelve"), "line 3: amount 'twelve' is not a number; write it as 12.50"),
        (with_field("timestamp", "yesterday"), "line 3: timestamp 'yesterday' is not a time; write it as 2026-01-31"),
        (with_field("merchant", "CAF\udce9"), "is not UTF-8; save the file as UTF-8"),
        (lambda lines: [*lines, lines[1]], "duplicate txn_id, first seen on line 2"),
        (lambda lines: [*lines[:5], "a,b", *lines[5:]], "line 6: 2 fields, not as many fields as in the header (8)"),
        (lambda lines: lines[:1], "no row with a category; labelled transactions are required"),
    ],
    ids=[
        "an empty file",
        "a missing column",
        "an amount in words",
        "a time in words",
        "latin-1",
        "a transaction twice",
        "a short line",
        "a header alone",
    ],
)
def test_an_invalid_file_gives_one_line_with_the_requirement_and_status_2(lines, tmp_path, damage, message):
    source, registry = tmp_path / "transactions.csv", tmp_path / "registry"
    source.write_text("".join(f"{line}\n" for line in damage(lines)), errors="surrogateescape")
    train(source, registry, message)
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_file_gives_one_line_and_status_2(tmp_path):
    train(tmp_path / "nowhere.csv", tmp_path / "registry", "No such file or directory; give a readable file")
    assert list(tmp_path.iterdir()) == []


def train(source, registry, message):
    command = [Path(sys.executable).parent / "serin", "train", "--data", source, "--registry", registry]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("serin train: ")
    assert message in ended.stderr
