"""What a node needs of this machine: root, namespaces, and Debian packages, which are installed where apt-get can."""

import os
import shutil
import subprocess
import sys
import tempfile
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


def prepare_machine(*, user: int) -> None:
    """Install the packages that a node of this user lacks. Raises MachineError where none can run."""
    if not sys.platform.startswith("linux"):
        raise MachineError("a node needs Linux")
    if user != 0:
        raise MachineError("a node needs root, for namespaces, mounts and cgroups; `make cluster` needs none")
    if missing := [
        package for package, part in _PACKAGES.items() if not shutil.which(part) and not Path(part).exists()
    ]:
        _install(missing)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lower", "upper", "work"):
            Path(folder, name).mkdir()
        script = 'mount -t overlay overlay -o "lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work" "$0/lower"'
        tried = ["unshare", "--net", "--mount", "--pid", "--cgroup", "--fork", "sh", "-c", script, folder]
        done = subprocess.run(tried, capture_output=True, text=True, check=False)  # noqa: S603 - only in namespaces
    if done.returncode != 0:
        why = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise MachineError(f"no node can run here, as root may not make namespaces or use overlayfs in /tmp: {why}")
    if not os.access("/sys/fs/cgroup", os.W_OK):
        raise MachineError("a node needs cgroups, and /sys/fs/cgroup cannot be written here")


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
