"""What all training commands have in common."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.commands.options import exit_on_error

HEAVY = ("numpy", "scipy", "sklearn", "lightgbm", "pyarrow", "matplotlib", "pydantic", "asyncpg", "jinja2", "rich")
GROUPS = {
    "runs": ("list", "show", "verify", "keygen", "diff", "swap-to", "prune"),
    "rules": ("suggest",),
    "data": ("inspect",),
}
COMMANDS = [
    (name,) for name in ("train", "features", "evaluate", "thresholds", "drift", "retrain", "generate", "backtest")
] + [(group, name) for group, names in GROUPS.items() for name in names]


def imported_by(program):
    code = f"import sys, json\n{program}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_nothing_slow_is_imported_before_a_command_runs():
    assert not imported_by("import serin_training.commands.main") & set(HEAVY)


def test_listing_runs_imports_no_model_library(tmp_path):
    found = imported_by(
        "from typer.testing import CliRunner\nfrom serin_training.commands.main import app\n"
        f"CliRunner().invoke(app, ['runs', 'list', '--registry', {str(tmp_path)!r}])"
    )
    assert not found & {"scipy", "sklearn", "lightgbm", "pyarrow", "matplotlib"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_ends_with_an_example(command):
    loaded = typer.main.get_command(app)
    for name in command:
        loaded = loaded.commands[name]
    assert (
        f"Examples:\n  serin {' '.join(command)}" in loaded.epilog or f"\n  serin {' '.join(command)} " in loaded.epilog
    )
    assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0


def test_a_missing_library_names_what_to_install(capsys):
    with pytest.raises(typer.Exit) as exit_, exit_on_error("train"):
        raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")
    assert exit_.value.exit_code == 2
    assert capsys.readouterr().err == "serin: train needs lightgbm: pip install 'serin[training]'\n"
