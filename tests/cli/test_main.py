"""The program serin: its commands, its help, what it imports, and what is not installed."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cli.fakes import CANDIDATE, STABLE, FakeCluster, model
from typer.testing import CliRunner

from serin_cli import main
from serin_cli.catalog import SECTIONS
from serin_cli.kubernetes_client import Cluster

BIN = Path(sys.executable).parent
HEAVY = {
    "lightgbm",
    "scipy",
    "sklearn",
    "numpy",
    "jinja2",
    "rich",
    "serin_server",
    "serin_training",
    "serin_simulation",
}
COMMANDS = [name for commands in SECTIONS.values() for name in commands]
OWN = [point.name for point in entry_points(group=main.GROUP) if point.value.startswith("serin_cli.")]


@pytest.mark.parametrize(("program", "name"), [("serin", "serin"), ("kubectl-serin", "kubectl serin")])
def test_the_program_names_itself_as_it_was_called(program, name):
    said = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True)
    assert f"Usage: {name} " in said.stdout
    for command in ("status", "watch", "promote", "abort", "undo", "retry", "train", "rules", "serve"):
        assert f"  {command}  " in said.stdout


def test_an_unknown_command_is_wrong_usage():
    said = subprocess.run([BIN / "serin", "trian"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "No such command 'trian'. Did you mean 'train'" in said.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["status", "c"], ["explain", "c"], ["abort", "c"], ["abort", "-h"]]
)
def test_a_command_imports_only_what_it_needs(arguments):
    script = (
        "import sys; from cli.fakes import *; from serin_cli import main\n"
        "from serin_cli.kubernetes_client import Cluster\n"
        "Cluster.connect = lambda **_: FakeCluster(model(candidate=CANDIDATE, stable=STABLE))\n"
        f"sys.argv = ['serin', *{arguments!r}]\n"
        "try:\n    main.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    tests = str(Path(__file__).parents[1])
    said = subprocess.run([sys.executable, "-c", script], cwd=tests, capture_output=True, text=True, check=True)
    assert said.stderr.splitlines()[-1] == "[]"


def test_every_command_of_the_help_is_an_entry_point_and_the_reverse():
    assert {point.name for point in entry_points(group=main.GROUP)} == set(COMMANDS)


@pytest.mark.parametrize("command", OWN)
def test_the_help_of_a_command_begins_with_its_summary_and_ends_with_examples(command):
    loaded = main.load(command)
    summary = next(commands[command] for commands in SECTIONS.values() if command in commands)
    assert " ".join(loaded.help.split()).startswith(summary)
    assert "Examples:\n  " in loaded.epilog
    assert f"serin {command}" in loaded.epilog
    for option in loaded.params:
        assert option.help, option.name


def leaves(command, path):
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from leaves(child, f"{path} {name}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_subcommand_has_an_example_of_itself(command):
    for path, leaf in leaves(main.load(command), command):
        assert "Examples:\n" in leaf.epilog, path
        assert f"serin {path}" in leaf.epilog


def test_every_command_that_reads_transactions_takes_a_map_and_a_zone():
    found = {path: leaf for command in COMMANDS for path, leaf in leaves(main.load(command), command)}
    options = {path: {option for param in leaf.params for option in param.opts} for path, leaf in found.items()}
    reading = {path for path, names in options.items() if "--data" in names}
    assert {"train", "features", "evaluate", "backtest", "drift", "retrain", "rules suggest"} <= reading
    assert [path for path in reading if not {"--map", "--zone"} <= options[path]] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_is_plain_text(command):
    said = CliRunner().invoke(main.build(), [*command.split(), "--help"])
    assert said.exit_code == 0
    assert "<str>" not in said.stdout
    assert "│" not in said.stdout
    assert "--install-completion" not in said.stdout


def test_a_command_runs_through_the_program(monkeypatch):
    monkeypatch.setattr(Cluster, "connect", lambda **_: FakeCluster(model(candidate=CANDIDATE, stable=STABLE)))
    said = CliRunner().invoke(main.build(), ["status", "categories"])
    assert (said.exit_code, said.stdout.splitlines()[0]) == (0, "shop/categories: Canary")


class Missing:
    """An entry point whose package is not installed."""

    def load(self):
        raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "--data", "x.csv"], "training"),
        (["runs", "list", "--registry", "r"], "training"),
        (["serve"], "server"),
        (["data", "erase", "--user", "u"], "server"),
        (["data", "inspect", "x.csv"], "training"),
        (["status", "c"], "cli"),
    ],
    ids=[
        "with options",
        "with a command of its own",
        "alone",
        "in a group",
        "in a group, training",
        "of the program",
    ],
)
def test_a_command_that_is_not_installed_names_what_to_install(monkeypatch, arguments, extra):
    monkeypatch.setattr(main, "entry_points", lambda **_: [Missing()])
    said = CliRunner().invoke(main.build(), arguments)
    assert said.exit_code == 2
    name = next(name for name in COMMANDS if arguments[: len(name.split())] == name.split())
    assert said.stderr == f"serin: {name} needs lightgbm: pip install 'serin[{extra}]'\n"


def test_a_group_of_several_packages_lists_its_commands_where_none_is_installed(monkeypatch):
    monkeypatch.setattr(main, "entry_points", lambda **_: [Missing()])
    said = CliRunner().invoke(main.build(), ["data", "--help"])
    assert said.exit_code == 0
    found = re.findall(r"^  data ([\w-]+)(?:  .*)?$", said.stdout, flags=re.MULTILINE)
    assert found == ["erase", "export", "inspect", "suggest-labels"]
    said = CliRunner().invoke(main.build(), ["data", "inspekt"])
    assert (said.exit_code, "No such command 'inspekt'. Did you mean 'inspect'" in said.stderr) == (2, True)


def test_the_program_lists_every_command_where_nothing_else_is_installed(monkeypatch):
    monkeypatch.setattr(main, "entry_points", lambda **_: [Missing()])
    said = CliRunner().invoke(main.build(), ["--help"])
    listed = re.findall(r"^  ([\w-]+(?: [\w-]+)?)(?:  .*)?$", said.stdout, flags=re.MULTILINE)
    assert [name for name in COMMANDS if name not in listed] == []
