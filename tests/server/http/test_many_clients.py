"""A thousand clients that send half a request each, at a real process: others are answered, and all are let go."""

import resource
import socket
import time
from http.client import HTTPConnection
from pathlib import Path

from server.fakes import TOKEN, Mounted
from server.test_process import Process, started_as_pod

from serin_server.http.protocol import READ_SECONDS

CLIENTS = 1000
HALF = (
    (
        f"POST /agent/suggestions HTTP/1.1\r\nHost: pod\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    ).encode()
    + b'{"transactions": ['
    + b" " * 30_000
)


def resident_mib(process: Process) -> float:
    lines = Path(f"/proc/{process.popen.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def health(client: HTTPConnection) -> int:
    client.request("GET", "/healthz")
    answer = client.getresponse()
    answer.read()
    return answer.status


def slow_clients(url: str) -> list[socket.socket]:
    host, port = url.removeprefix("http://").split(":")
    found = []
    for _ in range(CLIENTS):
        found.append(socket.create_connection((host, int(port)), timeout=5))
        found[-1].sendall(HALF)
    return found


def answer_of(client: socket.socket, *, within: float) -> bytes:
    client.settimeout(within)
    received = b""
    while piece := client.recv(65_536):
        received += piece
    return received


def test_a_thousand_slow_clients_keep_nobody_waiting_and_are_let_go(mounted: Mounted) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * CLIENTS), hard), hard))
    with started_as_pod(mounted) as pod:
        before = resident_mib(pod)
        quiet = HTTPConnection(pod.url.removeprefix("http://"), timeout=5)
        assert health(quiet) == 200
        connection = quiet.sock
        clients = slow_clients(pod.url)
        try:
            for _ in range(50):
                assert pod.suggest()["candidates"][0]["label"] == "Groceries"
            assert pod.get("/readyz").status_code == 200
            # What each has sent is held, and little more.
            assert resident_mib(pod) - before < 2 * CLIENTS * len(HALF) / 2**20 + 32
            until = time.monotonic() + READ_SECONDS + 20
            answers = [answer_of(client, within=max(0.1, until - time.monotonic())) for client in clients]
        finally:
            for client in clients:
                client.close()
        # A connection that is only unused is kept, as pools of clients expect.
        assert health(quiet) == 200
        assert quiet.sock is connection
        quiet.close()
        assert {answer.split(b"\r\n", 1)[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
        assert pod.suggest()["candidates"][0]["label"] == "Groceries"
