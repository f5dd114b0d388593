"""Completion: what is offered for an unfinished line, in a real bash, and nothing where the cluster is away."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.fakes import CANDIDATE, OLD, OLDER, RUN, STABLE, model

from serin_cli.catalog import SECTIONS
from serin_cli.completing import complete
from serin_cli.completion import SCRIPTS
from serin_cli.main import load
from serin_cli.resource import known_runs

PATIENT = {"SERIN_COMPLETION_SECONDS": "100"}
BIN = Path(sys.executable).parent
COMMANDS = [name for commands in SECTIONS.values() for name in commands]


def offered(*words, asked=None):
    """Return the values that are offered, without descriptions, and the directive."""

    def lookup(source, name, connection):
        if asked is not None:
            asked.append((source, name, dict(connection)))
        return ["categories", "rent"] if source == "names" else [OLD, RUN]

    *lines, directive = complete(list(words), load=load, lookup=lookup)
    return [line.partition("\t")[0] for line in lines], directive


def test_commands_with_their_summaries():
    lines = complete(["unfi"], load=load, lookup=None)
    assert lines == [":4"]
    assert offered("") == (list(dict.fromkeys(name.split()[0] for name in COMMANDS)), ":4")
    assert offered("pro") == (["promote", "promote-full"], ":4")
    assert offered("-n", "") == ([OLD, RUN], ":4")
    assert offered("-") == ([], ":4")
    assert offered("-n", "x", "promote-") == (["promote-full"], ":4")
    assert complete(["hist"], load=load, lookup=None)[0].startswith("history\tShow past and running rollouts: when")


def test_options_and_their_values():
    assert offered("list", "--out") == (["--output"], ":4")
    assert offered("list", "-o", "") == (["text", "wide", "name", "json", "yaml"], ":4")
    assert offered("completion", "") == (["bash", "zsh", "fish"], ":4")
    assert offered("lint", "-f", "") == ([], ":0")


def test_names_of_the_cluster_that_the_line_chooses():
    asked = []
    assert offered("-n", "shop", "status", "--context=kind", "c", asked=asked) == (["categories"], ":4")
    assert offered("status", "sgm/", asked=asked) == (["sgm/categories", "sgm/rent"], ":4")
    assert asked == [("names", None, {"namespace": "shop", "context": "kind"}), ("names", None, {})]
    assert offered("status", "categories", "") == ([], ":4")
    assert offered("doctor", "c") == (["categories"], ":4")


def test_runs_of_the_named_model():
    asked = []
    for words in (["set-run", "sgm/c", ""], ["undo", "c", "--to", ""], ["abort", "c", "--run", ""]):
        assert offered(*words, asked=asked) == ([OLD, RUN], ":4")
    assert offered("forget-pod", "c", "", asked=asked) == ([OLD, RUN], ":4")
    assert asked.pop() == ("pods", "c", {})
    assert [one[:2] for one in asked] == [("runs", "c"), ("restorable", "c"), ("runs", "c")]
    assert offered("watch", "-n", "", asked=asked) == ([OLD, RUN], ":4")
    assert asked[-1][0] == "namespaces"


def test_subcommands():
    assert offered("runs", "li") == (["list"], ":4")
    assert offered("data", "") == (["erase", "export", "inspect", "suggest-labels"], ":4")
    assert offered("data", "erase", "--dry") == (["--dry-run"], ":4")


def test_known_runs_are_those_of_the_status_each_once():
    live = model(candidate=CANDIDATE, stable=STABLE, previous={"runID": OLDER}, rejected=[{"runID": RUN}])
    assert known_runs(live) == [RUN, OLD, OLDER]


def test_without_a_cluster_nothing_is_printed_but_the_directive(tmp_path):
    environment = os.environ | {"KUBECONFIG": str(tmp_path / "none")} | PATIENT
    for program in (["serin", "__complete"], ["kubectl_complete-serin"]):
        command = [BIN / program[0], *program[1:], "status", ""]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert (said.stdout, said.stderr) == (":4\n", "")


def test_without_an_answer_in_time_nothing_is_printed(tmp_path):
    environment = os.environ | {"SERIN_COMPLETION_SECONDS": "0.000001"}
    said = subprocess.run(
        [BIN / "serin", "__complete", ""], env=environment, capture_output=True, text=True, check=True
    )
    assert (said.stdout, said.stderr) == ("", "")


def test_bash_completes_a_command():
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    script = (
        f"{SCRIPTS['bash']}\nCOMP_WORDS=(serin -n shop promote-); COMP_CWORD=3\n_serin_complete\necho ${{COMPREPLY[@]}}"
    )
    said = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path} | PATIENT, capture_output=True, text=True, check=True
    )
    assert (said.stdout, said.stderr) == ("promote-full\n", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_can_be_parsed(shell):
    program = shutil.which(shell)
    if program is None:
        assert "__complete" in SCRIPTS[shell]
        return
    subprocess.run([program, "-n", "/dev/stdin"], input=SCRIPTS[shell], text=True, check=True)
