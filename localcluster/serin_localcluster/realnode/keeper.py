"""Holds the namespaces of one node and cleans up after it: `python -m serin_localcluster.realnode.keeper DIRECTORY`.

The keeper itself stays outside. Its child, unshare, is the process that holds the namespaces: when that ends, however
it ends, the kernel ends everything inside and the keeper removes the cgroups and files. The keeper ends the node on
SIGTERM, and when its caller closes the pipe that is its standard input, unless it is detached.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from serin_localcluster.processes import die_with_parent
from serin_localcluster.realnode.inside import PRIVATE, report

_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--cgroup", "--fork", "--kill-child", "--mount-proc", "--")
GROUP = "serin-node-"
_CGROUP_ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> dict[str, tuple[Path, str]]:
    """Return this process's cgroup in every hierarchy and the hierarchy's controllers, by the name of its mount.

    With version 2 alone, the name is empty.
    """
    own = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path.strip("/")
    if (_CGROUP_ROOT / "cgroup.controllers").exists():
        return {"": (_CGROUP_ROOT / own[""], "")}
    found = {}
    for mounted in map(str.split, Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        for controllers, path in own.items():
            if mounted[2] == "cgroup" and controllers and set(controllers.split(",")) <= set(mounted[3].split(",")):
                named = "none,name=systemd" if controllers == "name=systemd" else controllers
                found[Path(mounted[1]).name] = (Path(mounted[1], path), named)
    return found


def make_groups(parents: Mapping[str, tuple[Path, str]]) -> list[Path]:
    """Create a cgroup for the node in every hierarchy."""
    groups = []
    for parent, controllers in parents.values():
        group = parent / f"{GROUP}{os.getpid()}"
        group.mkdir()
        groups.append(group)
        if controllers == "cpuset":  # a new one has no processors and refuses processes
            for name in ("cpuset.cpus", "cpuset.mems"):
                (group / name).write_text((parent / name).read_text())
    return groups


def remove_groups(groups: Iterable[Path]) -> None:
    """Remove cgroups and those below, which are empty a moment after the last process's end."""
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            for _ in range(100):
                try:
                    Path(folder).rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.05)
                else:
                    break


def remove_leftovers() -> None:
    """Remove cgroups of keepers that were killed."""
    for parent, _ in hierarchies().values():
        ended = [group for group in parent.glob(f"{GROUP}*") if not Path("/proc", group.name[len(GROUP) :]).exists()]
        remove_groups(ended)


def main() -> None:
    """Hold the node until it ends or is to end, and remove what is left of it."""
    directory = Path(sys.argv[1])
    plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
    remove_leftovers()
    parents = hierarchies()
    groups = make_groups(parents)
    made = [Path(path) for path in PRIVATE if not Path(path).exists()]
    for path in made:
        path.mkdir(parents=True)
    plan["cgroups"] = {name: controllers for name, (_, controllers) in parents.items()}
    (directory / "plan.json").write_text(json.dumps(plan), encoding="utf-8")

    def enter() -> None:
        die_with_parent()
        for group in groups:
            (group / "cgroup.procs").write_text("0")

    with (directory / "node.log").open("ab") as log:
        holder = subprocess.Popen(  # noqa: S603 - our own module
            [*_UNSHARE, sys.executable, "-m", "serin_localcluster.realnode.inside", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=enter,  # noqa: PLW1509 - no other thread runs yet
        )
    (directory / "holder").write_text(str(holder.pid), encoding="utf-8")
    signal.signal(signal.SIGTERM, lambda *_: holder.kill())
    if not plan["is_detached"]:
        threading.Thread(target=_end_with_caller, args=(holder,), daemon=True).start()
    holder.wait()
    if not (directory / "ready.json").exists():
        report(directory, {"error": f"its first process ended; see {directory}/node.log"})
    remove_groups(groups)
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir()
    for name in ("files", "etcd", "prometheus", "holder", "keeper.json"):
        if (directory / name).is_dir():
            shutil.rmtree(directory / name, ignore_errors=True)
        else:
            (directory / name).unlink(missing_ok=True)


def _end_with_caller(holder: "subprocess.Popen[bytes]") -> None:
    sys.stdin.read()
    holder.kill()


if __name__ == "__main__":
    main()
