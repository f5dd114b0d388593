"""docs/security.md names a test for each threat, and each of them exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (?P<threat>[^|]+) \| (?P<defence>[^|]+) \| `(?P<file>tests/\S+\.py)::(?P<test>\w+)` \|$")
SECTION = (ROOT / "docs" / "security.md").read_text().partition("\n## Threats\n")[2].partition("\n## ")[0]
TABLES = [line for line in SECTION.splitlines() if line.startswith("|")]
THREATS = [line for line in TABLES if line not in {"| threat | defence | test |", "|---|---|---|"}]


def functions_of(file):
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("line", THREATS, ids=lambda line: line.split("|")[1].strip())
def test_a_threat_has_a_defence_and_a_test_that_exists(line):
    row = ROW.match(line)
    assert row is not None, "a row is: threat, defence, `tests/FILE.py::TEST`"
    assert row["test"] in functions_of(row["file"])


def test_every_attacker_has_threats():
    parts = re.split(r"^### ", SECTION, flags=re.MULTILINE)[1:]
    assert len(parts) == 8
    for part in parts:
        assert part.count("::test_") >= 3, part.splitlines()[0]


def test_no_threat_stands_twice():
    assert len({line.split("|")[1] for line in THREATS}) == len(THREATS)
