"""The program serin: its parts, help and what is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
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


class Missing:
    """A part that is not installed."""

    def __init__(self, name):
        self.name = name

    def load(self):
        raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")


def commands(app):
    return set(typer.main.get_command(app).commands)


@pytest.fixture
def installed():
    return commands(main.build())


@pytest.fixture
def bare(installed, monkeypatch):
    monkeypatch.setattr(main, "entry_points", lambda **_: [Missing("training"), Missing("server")])
    return main.build()


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "--data", "x.csv"], "training"),
        (["runs", "list", "--registry", "r"], "training"),
        (["serve"], "server"),
    ],
    ids=["with options", "with a command of its own", "alone"],
)
def test_a_command_that_is_not_installed_says_what_to_install(bare, arguments, extra):
    said = CliRunner().invoke(bare, arguments)
    assert said.exit_code == 2
    assert said.stderr == f"serin: this needs lightgbm: install serin[{extra}]\n"


def test_every_command_of_a_part_is_known_where_the_part_is_not_installed(installed, bare):
    assert commands(bare) == installed
