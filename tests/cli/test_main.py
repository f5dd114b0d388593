"""The program serin: its parts, help and what is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serin_cli import main

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(("program", "name"), [("serin", "serin"), ("kubectl-serin", "kubectl serin")])
def test_the_program_names_itself_as_it_was_called(program, name):
    said = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True)
    assert f"Usage: {name} " in said.stdout
    for command in ("status", "watch", "promote", "abort", "retry", "train", "rules", "serve"):
        assert command in said.stdout


def test_an_unknown_command_is_wrong_usage():
    said = subprocess.run([BIN / "serin", "dance"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "No such command" in said.stderr


def test_a_command_that_is_not_installed_says_what_to_install(monkeypatch):
    class Missing:
        name = "training"

        def load(self):
            raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")

    monkeypatch.setattr(main, "entry_points", lambda **_: [Missing()])
    said = CliRunner().invoke(main.build(), ["train"])
    assert said.exit_code == 2
    assert said.stderr == "serin: this needs lightgbm: install serin[training]\n"
