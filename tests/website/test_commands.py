"""Commands in README and docs: they exist with their options, and those of the tutorials are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serin_cli.catalog import GROUPS, SECTIONS
from serin_cli.main import load
from website.commands import blocks, split

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "charts").rglob("README.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
MARKED = [name for name in PAGES if name == "README.md" or name.startswith("docs/tutorials/")]
NAMES = {name for commands in SECTIONS.values() for name in commands} | set(GROUPS)
FOLDERS = ("examples/", "manifests/", "charts/", "crds/", "benchmarks/", "images/", "docs/", "tests/")
FEWER_ROWS = {"--rows 20000": "--rows 2000"}
"""The only change to commands that are run: training on all rows takes half a minute of CPU time."""


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def all_commands():
    for name in PAGES:
        for block in blocks(read(name)):
            for words in block.commands():
                yield f"{name}:{block.line}", words


def of_serin():
    inline = [
        (name, words)
        for name in PAGES
        for line in re.findall(r"`((?:kubectl )?serin [^`\n]+)`", read(name))
        for words in split(line)
    ]
    for where, words in [*all_commands(), *inline]:
        if words[0] in {"serin", "kubectl-serin"}:
            yield where, words[1:]
        elif words[:2] == ["kubectl", "serin"]:
            yield where, words[2:]


def options(command):
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}


def wrong(words):
    """Return what is wrong with the words after `serin`: an unknown command, or an option that it does not have."""
    name = next((word for word in words if word in NAMES), None)
    if name is None:
        return None if words[0].isupper() or words[0].startswith(("--", "__")) else f"no command {words[0]}"
    command = load(name)
    known = options(command)
    for word in words:
        if word in getattr(command, "commands", {}):
            known |= options(command.get_command(None, word))
    given = [word.partition("=")[0] for word in words if re.match(r"-(-[a-z]|[a-z]$)", word)]
    unknown = [option for option in given if option not in known]
    return f"{name} has no {', '.join(unknown)}" if unknown else None


def test_a_page_is_read_as_a_reader_does():
    page = (
        "text\n\n<!-- not run: needs a cluster -->\n\n    A=1 serin x --y \\\n      z   # why\n    kubectl get sgm | wc"
        "\n\n```yaml\nmake: 1\n```\n"
    )
    (block,) = blocks(page)
    assert (block.kind, block.detail) == ("not run", "needs a cluster")
    assert block.commands() == [["serin", "x", "--y", "z"], ["kubectl", "get", "sgm"], ["wc"]]
    (session,) = blocks("```console\n$ serin list\nserin is no command here\n```\n")
    assert session.commands() == [["serin", "list"]]
    assert list(split("it's no command")) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["status", "categories", "-n", "x"], None),
        (["runs", "list", "--registry", "r"], None),
        (["COMMAND", "--help"], None),
        (["statsu"], "no command statsu"),
        (["lint", "--file", "a", "--nothing"], "lint has no --nothing"),
    ],
)
def test_a_wrong_command_is_found(words, expected):
    assert wrong(words) == expected


def test_every_command_of_serin_exists_with_its_options():
    found = list(of_serin())
    assert len(found) > 150
    assert [f"{where}: {error}" for where, words in found if (error := wrong(words))] == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+)(?:[ a-z-]*):", read("Makefile"), flags=re.MULTILINE))
    found = [(where, word) for where, words in all_commands() if words[0] == "make" for word in words[1:]]
    assert len(found) > 15
    assert [item for item in found if re.fullmatch("[a-z-]+", item[1]) and item[1] not in targets] == []


def test_every_file_of_the_repository_that_a_command_names_exists():
    found = [(where, word) for where, words in all_commands() for word in words if word.startswith(FOLDERS)]
    assert len(found) > 20
    assert [item for item in found if not re.search("[*{$]", item[1]) and not (ROOT / item[1]).exists()] == []


@pytest.mark.parametrize("name", MARKED)
def test_every_block_is_run_or_has_a_reason(name):
    found = list(blocks(read(name)))
    assert found
    assert [f"{name}:{block.line}" for block in found if not block.kind] == []
    assert [block.detail for block in found if block.kind == "not run" and not block.detail] == []
    tests = [block.detail for block in found if block.kind == "tested by"]
    assert [test for test in tests if not (ROOT / test).exists()] == []


@pytest.mark.parametrize("name", [name for name in PAGES if any(block.kind == "run" for block in blocks(read(name)))])
def test_blocks_that_are_run_succeed(name, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    script = "\n".join(block.text for block in blocks(read(name)) if block.kind == "run")
    for written, used in FEWER_ROWS.items():
        script = script.replace(written, used)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
