"""Each command of docs/http-api.md returns what the page shows, and its Python example prints it."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server.test_process import started

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
TOKEN = "token-of-the-examples"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a block with the output that follows it."""
    for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = one.splitlines(keepends=True)
        end = next(end for end in range(1, len(lines) + 1) if is_complete("".join(lines[:end])))
        yield "".join(lines[:end]), "".join(lines[end:])


def is_complete(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("serve")
    (root / "tokens").mkdir()
    (root / "tokens" / "token").write_text(TOKEN)
    (root / "rules.yaml").write_text(blocks("yaml")[0])
    arguments = ("--port", "0", "--tokens", "tokens", "--store", "sqlite:///data.db")
    code = "from serin_server.commands.serve import app; app()"
    with started("-c", code, *arguments, environment={}, cwd=root) as process:
        yield process.url


def without_ids(text: str) -> Any:
    """Return JSON without what is different in each response; an id that a client sent is compared."""
    text = re.sub(r'"event_id":"[^"]*"', '"event_id":"..."', text)
    return json.loads(re.sub(r'"requestId":"[0-9a-f]{32}"', '"requestId":"..."', text))


def test_each_command_returns_what_the_page_shows(server: str) -> None:
    environment = os.environ | {"SERVER": server, "TOKEN": TOKEN}
    run = 0
    for command, shown in (one for block in blocks("console") for one in commands(block)):
        ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
        assert without_ids(ended.stdout) == without_ids(shown), command
        items = json.loads(ended.stdout).get("items")
        if "EVENT_ID" not in environment:
            environment["EVENT_ID"] = items[0]["event_id"]
        run += 1
    assert run == PAGE.count("\n$ ")


def test_the_example_in_python_prints_what_the_page_shows(server: str) -> None:
    code = f"SERVER, TOKEN = {server!r}, {TOKEN!r}\n{blocks('python')[0]}"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == (blocks("text")[0], "")
