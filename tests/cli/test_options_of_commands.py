"""What all commands on a cluster share: options anywhere on the line, the name, and the exit status."""

import pytest
from cli.fakes import CANDIDATE, STABLE, FakeCluster, model
from typer.testing import CliRunner

from serin_cli import main
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.option_order import command_first


class Named(FakeCluster):
    """A cluster that has SuggestionModels of these names."""

    def __init__(self, *names):
        super().__init__(model(candidate=CANDIDATE, stable=STABLE))
        self.found = list(names)

    def names(self):
        return self.found


@pytest.fixture
def serin(monkeypatch):
    """Run the program; returns its result and what it connected with."""

    def invoke(*arguments, names=()):
        connected = {}
        monkeypatch.setattr(Cluster, "connect", lambda **options: connected.update(options) or Named(*names))
        return CliRunner().invoke(main.build(), list(arguments)), connected

    return invoke


@pytest.mark.parametrize(
    ("given", "arranged"),
    [
        (["status", "c", "-n", "x"], ["status", "c", "-n", "x"]),
        (["-n", "x", "status", "c"], ["status", "-n", "x", "c"]),
        (["-nx", "-A", "list", "-o", "yaml"], ["list", "-nx", "-A", "-o", "yaml"]),
        (["--namespace=x", "--context", "y", "-w", "list"], ["list", "--namespace=x", "--context", "y", "-w"]),
        (["--verbose", "list"], ["--verbose", "list"]),
        (["-n", "x"], ["-n", "x"]),
        (["-n"], ["-n"]),
        ([], []),
    ],
)
def test_options_before_the_command_are_moved_behind_it(given, arranged):
    assert command_first(given) == arranged


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "x", "--context", "y", "--kubeconfig", "z", "status", "sgm/c"],
        ["status", "-n", "x", "--context=y", "--kubeconfig=z", "c"],
        ["--kubeconfig=z", "status", "suggestionmodel/c", "-nx", "--context", "y"],
    ],
)
def test_options_stand_anywhere_on_the_line(serin, arguments):
    said, connected = serin(*arguments)
    assert (said.exit_code, said.stdout.splitlines()[0]) == (0, "shop/categories: Canary")
    assert {option: str(value) for option, value in connected.items()} == {
        "namespace": "x",
        "context": "y",
        "kubeconfig": "z",
    }


@pytest.mark.parametrize("command", ["status", "watch", "events", "history", "promote", "pause", "undo", "delete"])
def test_without_a_name_the_names_are_shown_and_none_is_taken(serin, command):
    said, _ = serin(command, names=["categories"])
    assert (said.exit_code, said.stderr) == (2, "serin: NAME is missing; in namespace 'shop': categories\n")


def test_without_a_name_and_without_models_the_list_is_named(serin):
    said, _ = serin("status")
    assert said.exit_code == 2
    assert said.stderr.startswith("serin: NAME is missing, and there is no SuggestionModel in namespace 'shop'")


def test_the_usage_of_a_command_has_its_name(serin):
    assert "status [OPTIONS] NAME\n" in serin("status", "--help")[0].stdout
    assert "forget-pod [OPTIONS] NAME POD\n" in serin("forget-pod", "--help")[0].stdout


def test_another_kind_is_wrong_usage(serin):
    said, _ = serin("status", "deployment/c")
    assert said.exit_code == 2
    assert "'deployment/c' is not a SuggestionModel; write NAME or sgm/NAME" in said.stderr


@pytest.mark.parametrize("command", ["status", "explain", "watch"])
def test_a_message_cannot_move_the_cursor(monkeypatch, command):
    message = "a\x1b[2Jb\r\u202ec"
    hostile = [{"type": "Ready", "status": "True", "reason": "Promoted", "message": message}]
    entry = {"at": "2026-01-02T03:04:05.000000Z", "event": "Promoted", "message": message, "runID": STABLE["runID"]}
    live = model(stable=STABLE, conditions=hostile, history=[entry])
    monkeypatch.setattr(Cluster, "connect", lambda **_: FakeCluster(live))
    said = CliRunner().invoke(main.build(), [command, "c"])
    assert "a [2Jb  c" in said.stdout
    assert said.stdout.replace("\n", "").isprintable()


def test_exit_statuses_are_stable():
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "ROLLED_BACK": 3,
        "REFUSED": 4,
        "TIMED_OUT": 5,
        "NOT_FOUND": 6,
    }
