"""The search for secrets finds what it looks for, wherever a test prints it."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = """
import logging, subprocess, sys
import pytest

@pytest.fixture
def around():
    yield
    print("topsecret")

def test_print(): print("the address is https://me:topsecret@host")
def test_stderr(): print("s3cr3t", file=sys.stderr)
def test_log(): logging.getLogger("serin").warning("lost %s", "topsecret")
def test_child(): subprocess.run([sys.executable, "-c", "print('top' + 'secret')"])
def test_fixture(around): pass
def test_nothing(): print("top secret")
def test_failed():
    print("topsecret")
    assert False
"""


def test_a_test_that_shows_a_secret_has_an_error(tmp_path):
    (tmp_path / "conftest.py").write_text("from secret_search import pytest_runtest_makereport\n")
    (tmp_path / "test_examples.py").write_text(EXAMPLES)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", str(tmp_path)]
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    outcomes = re.findall(r"^(ERROR|FAILED) \S+::test_(\w+)", done.stdout, re.MULTILINE)
    assert {name for outcome, name in outcomes if outcome == "ERROR"} == {"print", "stderr", "log", "child", "fixture"}
    # What pytest shows of a failed test is for whoever mends it.
    assert [name for outcome, name in outcomes if outcome == "FAILED"] == ["failed"]
    assert "::test_log: Captured log call shows a secret: " in done.stdout
