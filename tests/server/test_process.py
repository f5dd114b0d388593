"""The real process, as a pod runs it: started, queried, given another routing, and terminated."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from server.fakes import CANDIDATE, TOKEN, UID, Mounted, routing

RULES = "classes:\n  Groceries: [loblaws]\n"
USER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE = 20.0


@dataclass
class Process:
    """A running server, and where it listens."""

    popen: subprocess.Popen[str]
    url: str
    lines: list[str]

    def get(self, path: str) -> httpx.Response:
        # Certificates of tests are signed by nobody that httpx knows.
        return httpx.get(self.url + path, timeout=5, verify=not self.url.startswith("https:"))

    def suggest(self) -> dict[str, Any]:
        body = {"transactions": [{"txn_id": "1", "user_id": "u", "merchant": "LOBLAWS"}]}
        response = httpx.post(f"{self.url}/agent/suggestions", json=body, headers=USER, timeout=5)
        assert response.status_code == 200, response.text
        return dict(response.json()["items"][0])

    def serves(self, revision: int, *, within: float) -> None:
        until = time.monotonic() + within
        while self.get("/ml/status").json()["revision"] != revision:
            assert time.monotonic() < until, f"revision {revision} is not served after {within} s"
            time.sleep(0.02)


def pod_environment(mounted: Mounted) -> dict[str, str]:
    directories = {
        f"SERIN_{name.upper()}_DIR": str(mounted.root / name)
        for name in ("model", "routing", "rules", "tokens", "pod", "state")
    }
    return directories | {
        "SERIN_HOST": "127.0.0.1",
        "SERIN_PORT": "0",
        "SERIN_UID": UID,
        "SERIN_MODEL_NAME": "shop/categories",
        "SERIN_POD": "categories-1",
        "SERIN_GRACE_SECONDS": "10",
    }


@contextmanager
def started(*command: str, environment: dict[str, str], cwd: Path | None = None) -> Iterator[Process]:
    popen = subprocess.Popen(
        [sys.executable, *command], env=os.environ | environment, cwd=cwd, stderr=subprocess.PIPE, text=True
    )
    assert popen.stderr is not None
    lines: list[str] = []
    listening, url = threading.Event(), []

    def read(stderr: Any) -> None:
        for line in stderr:
            lines.append(line)
            if found := re.search(r'listening on (https?://[^\s"]+)', line):
                url.append(found[1])
                listening.set()

    reader = threading.Thread(target=read, args=(popen.stderr,))
    reader.start()
    try:
        assert listening.wait(PATIENCE), "".join(lines)
        process = Process(popen, url[0], lines)
        until = time.monotonic() + PATIENCE
        while process.get("/readyz").status_code != 200:
            assert time.monotonic() < until, "".join(lines)
            time.sleep(0.02)
        yield process
    finally:
        popen.kill()
        popen.wait()
        reader.join()


@contextmanager
def started_as_pod(mounted: Mounted, **environment: str) -> Iterator[Process]:
    """A pod's process with rules and a candidate that is not in the registry."""
    (mounted.root / "registry").mkdir()
    mounted.model(CANDIDATE, registry=str(mounted.root / "registry"))
    mounted.rules(RULES)
    mounted.route(routing(1))
    with started("-m", "serin_server.main", environment=pod_environment(mounted) | environment) as process:
        yield process


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_pod_is_reached_by_ipv4_and_by_ipv6(mounted: Mounted) -> None:
    with started_as_pod(mounted, SERIN_HOST="::") as process:
        port = process.url.rpartition(":")[2]
        answers = [httpx.get(f"http://{host}:{port}/healthz", timeout=5) for host in ("127.0.0.1", "[::1]")]
        assert [one.status_code for one in answers] == [200, 200]


@pytest.fixture
def pod(mounted: Mounted) -> Iterator[Process]:
    with started_as_pod(mounted) as process:
        yield process


def test_a_pod_answers_and_says_what_it_serves(pod: Process) -> None:
    assert pod.suggest()["candidates"][0]["label"] == "Groceries"
    status = pod.get("/ml/status").json()
    assert (status["revision"], status["hash"]) == (1, routing(1).hash())
    assert [(run["run"], run["state"]) for run in status["runs"]] == [(CANDIDATE, "loading")]
    assert 'serin_pod="categories-1"' in pod.get("/metrics").text
    assert "POST /agent/suggestions" in pod.get("/docs").text


def test_a_new_routing_is_served_within_a_second_and_a_half(pod: Process, mounted: Mounted) -> None:
    for revision in (2, 3, 4):
        mounted.route(routing(revision))
        pod.serves(revision, within=1.5)


def test_a_lower_revision_is_not_served_also_after_a_restart(pod: Process, mounted: Mounted) -> None:
    mounted.route(routing(7))
    pod.serves(7, within=1.5)
    pod.popen.kill()
    mounted.route(routing(6))
    with started("-m", "serin_server.main", environment=pod_environment(mounted)) as restarted:
        assert restarted.get("/ml/status").json()["revision"] == -1
        mounted.route(routing(8))
        restarted.serves(8, within=1.5)


def test_told_to_end_it_finishes_what_is_under_way_and_exits_with_0(pod: Process) -> None:
    answers: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        with httpx.Client(headers=USER, timeout=5) as client:
            body = {"transactions": [{"txn_id": str(number), "merchant": "LOBLAWS"} for number in range(200)]}
            while not is_over.is_set():
                answers.append(client.post(f"{pod.url}/agent/suggestions", json=body).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    until = time.monotonic() + PATIENCE
    while not answers:
        assert time.monotonic() < until
        time.sleep(0.01)
    with httpx.Client(base_url=pod.url, timeout=5) as probes:  # one connection: new ones are refused a second later
        assert probes.get("/readyz").status_code == 200
        pod.popen.send_signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while probes.get("/readyz").status_code != 503:
            assert time.monotonic() < until
    assert pod.get("/healthz").status_code == 200
    is_over.set()
    asking.join()
    assert pod.popen.wait(10) == 0
    assert set(answers) == {200}
    assert not any("Traceback" in line for line in pod.lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"SERIN_UID": ""}, "SERIN_UID: is not set; set it to the uid of the SuggestionModel", id="no uid"),
        pytest.param(
            {"SERIN_MODEL_DIR": "/nowhere"},
            "SERIN_MODEL_DIR: /nowhere/model.json: No such file or directory",
            id="no model",
        ),
        pytest.param(
            {"SERIN_HOST": "192.0.2.1"},
            "SERIN_HOST, SERIN_PORT: cannot listen on 192.0.2.1:0: Cannot assign requested address",
            id="an address of another machine",
        ),
    ],
)
def test_a_setting_that_cannot_work_ends_it_with_one_line_and_2(
    mounted: Mounted, change: dict[str, str], message: str
) -> None:
    mounted.model()
    environment = os.environ | pod_environment(mounted) | change
    ended = subprocess.run(
        [sys.executable, "-m", "serin_server.main"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (2, f"serin-server: {message}\n")


def test_logs_are_json_on_request(mounted: Mounted) -> None:
    mounted.model()
    environment = pod_environment(mounted) | {"SERIN_LOG": "json"}
    with started("-m", "serin_server.main", environment=environment) as process:
        assert all(json.loads(line)["level"] for line in process.lines)


def test_serve_needs_neither_operator_nor_registry(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    command = "from serin_server.commands.serve import app; app()"
    arguments = ("--port", "0", "--store", "sqlite:///data.db")
    with started("-c", command, *arguments, environment={"SUGGEST_USE_MODEL_CANARY": "50%"}, cwd=tmp_path) as process:
        kept = httpx.post(
            f"{process.url}/transactions", json={"transactions": [{"txn_id": "1", "merchant": "Loblaws"}]}
        )
        assert kept.json() == {"kept": 1}
        item = httpx.post(f"{process.url}/agent/suggestions", json={"txn_ids": ["1"]}).json()["items"][0]
        assert item["candidates"][0]["label"] == "Groceries"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param(
            ["--store", "mysql://x"],
            ["--store: the scheme mysql is not supported; use none, sqlite:///path or postgresql://user@host/database"],
            id="a store of another kind",
        ),
        pytest.param(
            ["--registry", "nowhere", "--rules", "nope.yaml"],
            [
                "--registry nowhere: no such directory; `serin train` creates one",
                "--rules nope.yaml: no such file; `serin rules suggest` writes one",
            ],
            id="paths that do not exist",
        ),
        pytest.param(
            ["--registry", "registry", "--rules", "rules.yaml"],
            ["nothing to serve: neither the directory registry (--registry) nor the file rules.yaml (--rules) exists"],
            id="nothing to serve",
        ),
    ],
)
def test_serve_ends_with_one_line_for_each_error_and_2(tmp_path: Path, arguments: list[str], lines: list[str]) -> None:
    if "--store" in arguments:
        (tmp_path / "rules.yaml").write_text(RULES)
    ended = subprocess.run(
        [sys.executable, "-c", "from serin_server.commands.serve import app; app()", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (2, "".join(f"serin serve: {line}\n" for line in lines))
    assert [path.name for path in tmp_path.iterdir() if path.name != "rules.yaml"] == []


def test_the_commands_are_imported_without_the_server(tmp_path: Path) -> None:
    code = "import sys, serin_server.commands.serve; print(sorted({'fastapi', 'uvicorn', 'numpy'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_connection_is_kept_as_long_as_the_setting_says(mounted: Mounted) -> None:
    with started_as_pod(mounted, SERIN_KEEP_ALIVE_SECONDS="1") as process:
        host, port = process.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: pod\r\n\r\n")
            began, received = time.monotonic(), b""
            while content := connection.recv(4096):
                received += content
        assert received.startswith(b"HTTP/1.1 200")
        assert 0.5 < time.monotonic() - began < 30
