"""What a node needs of this machine: root, namespaces, and Debian packages, which are installed where apt-get can."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_PACKAGES: Final = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "iproute2": "ip",
    "iptables": "iptables",
    "libc6-dev": "/usr/include/stdio.h",
    "libseccomp-dev": "/usr/include/seccomp.h",
    "pkg-config": "pkg-config",
    "util-linux": "unshare",
}
"""Packages, and a program or file of each."""


class MachineError(RuntimeError):
    """This machine cannot run a node. The message says why, and what to do."""


def prepare_machine() -> None:
    """Install the packages that are missing. Raises MachineError where no node can run."""
    if not sys.platform.startswith("linux"):
        raise MachineError("a node needs Linux")
    if os.geteuid() != 0:
        raise MachineError("a node needs root, for namespaces, mounts and cgroups; `make cluster` needs none")
    if not os.access("/sys/fs/cgroup", os.W_OK) or not Path("/proc/self/ns/cgroup").exists():
        raise MachineError("a node needs cgroups that it can write: /sys/fs/cgroup is not writable here")
    missing = [
        package
        for package, part in _PACKAGES.items()
        if not (shutil.which(part) or (Path(part).is_absolute() and Path(part).exists()))
    ]
    if missing:
        _install(missing)


def _install(packages: list[str]) -> None:
    if shutil.which("apt-get") is None:
        raise MachineError(f"install these first (Debian's names): {' '.join(packages)}")
    sys.stderr.write(f"node: installing {' '.join(packages)}\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        done = subprocess.run(  # noqa: S603 - Debian's own program
            ["apt-get", *arguments],  # noqa: S607
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 and arguments[0] == "install":
            raise MachineError(f"apt-get {' '.join(arguments)} failed:\n{done.stderr.strip()[-800:]}")
