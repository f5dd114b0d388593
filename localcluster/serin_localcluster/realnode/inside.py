"""The first process of the node's namespaces: prepares mounts and network, starts every program, reaps orphans.

`keeper.py` starts it with unshare; it must never run outside. The kernel ends everything in there when it ends.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from serin_localcluster.pki import Authority, write_kubeconfig
from serin_localcluster.processes import tail
from serin_localcluster.prometheus import configuration as prometheus_configuration
from serin_localcluster.realnode import configuration
from serin_localcluster.realnode.configuration import BRIDGE, NETWORKS, NODE_NAME, PAUSE_IMAGE
from serin_localcluster.realnode.images import write_image

READY_WITHIN: Final = 120.0
PRIVATE: Final = ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers")
"""Directories of the usual names, each mounted from the node's own directory."""
_TUNABLES: Final = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")
_KEYS: Final = ("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")
_KUBECTL: Final = str(Path(sys.executable).parent / "kubectl")


class NodeError(RuntimeError):
    """The node did not start. The message has the program and the last lines of its log."""


def run(*argv: str, text: str | None = None) -> str:
    """Run a program and return its output. Raises NodeError."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if done.returncode != 0:
        raise NodeError(f"{' '.join(argv)[:160]} failed: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def mount(directory: Path, cgroups: Mapping[str, str]) -> None:
    """Give this mount namespace a /run, /sys and cgroups of its own, and private directories of the usual names."""
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for path in PRIVATE:
        own = directory / "files" / path.strip("/")
        own.mkdir(parents=True)
        run("mount", "--bind", str(own), path)
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    if "" in cgroups:  # version 2
        run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
        _delegate(Path("/sys/fs/cgroup"))
    else:
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys/fs/cgroup")
        for name, controllers in cgroups.items():
            Path("/sys/fs/cgroup", name).mkdir()
            run("mount", "-t", "cgroup", "-o", controllers, "cgroup", f"/sys/fs/cgroup/{name}")
    # The kubelet sets these for the whole machine: here it sets copies.
    for number, name in enumerate(_TUNABLES + _KEYS):
        copy = Path("/run", f"tunable-{number}")
        copy.write_bytes(Path("/proc/sys", name).read_bytes())
        run("mount", "--bind", str(copy), f"/proc/sys/{name}")


def _delegate(root: Path) -> None:
    """Let groups below this one have controllers: version 2 demands that the group itself has no process then."""
    (root / "init").mkdir()
    (root / "init" / "cgroup.procs").write_text("0")
    controllers = (root / "cgroup.controllers").read_text().split()
    (root / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in controllers))


def connect(network: configuration.Network) -> None:
    """Make the bridge of the pods. Nothing leads out of this network namespace."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "link", "set", BRIDGE, "up")
    for address, pods, services in zip(network.node, network.pods, network.services, strict=True):
        family = "-6" if ":" in address else "-4"
        # Pods come later: an address of version 6 would wait for their first link to check that nobody has it.
        more = ["nodad"] if family == "-6" else []
        run("ip", family, "address", "add", f"{address}/{pods.split('/')[1]}", "dev", BRIDGE, *more)
        # Without a route, a connection to a Service fails before the rule that would redirect it.
        run("ip", family, "route", "add", services, "dev", BRIDGE)
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "bridge/bridge-nf-call-iptables"):
        if (setting := Path("/proc/sys/net", name)).exists():
            setting.write_text("1")
        elif not name.startswith("ipv6"):
            raise NodeError(f"the kernel has no net/{name}: load its module br_netfilter")


class Node:
    """The programs of the node."""

    def __init__(self, directory: Path, programs: Mapping[str, list[str]], family: str) -> None:
        self._directory, self._programs = directory, programs
        self._network, self._kubeconfig = NETWORKS[family], directory / "kubeconfig"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything in order. Raises NodeError."""
        self._configure()
        flags = configuration.flags(self._network, self._directory)
        for name in ("containerd", "etcd", "kube-apiserver"):
            self._start(name, flags.get(name, [f"--config={self._directory}/containerd.toml"]))
        self._import_pause()
        self._wait("the API server", "get", "--raw", "/readyz")
        for name in ("kube-controller-manager", "kube-scheduler", "coredns", "prometheus", "kubelet"):
            self._start(name, flags[name])
        objects = yaml.safe_dump_all(configuration.monitoring(self._network))
        self._wait("the API", "apply", "--server-side", "-f", "-", text=objects)
        self._wait("the node", "wait", "--for=condition=Ready", "--timeout=1s", f"node/{NODE_NAME}")
        self._start("kube-proxy", flags["kube-proxy"])

    def reap(self) -> str:
        """Reap every process that ends, for ever; return which program of the node has ended."""
        while True:
            pid, status = os.wait()
            for name, process in self._running.items():
                if process.pid == pid:
                    ended = os.waitstatus_to_exitcode(status)
                    return f"{name} ended with {ended}; its log ends:\n{tail(self._log(name))}"

    def _configure(self) -> None:
        authority = Authority(self._directory / "pki")
        admin = authority.sign("admin", groups=("system:masters",))
        cluster = {"server": self._network.server, "certificate-authority": str(authority.file)}
        user = {"client-certificate": str(admin.certificate), "client-key": str(admin.key)}
        write_kubeconfig(self._kubeconfig, name=NODE_NAME, cluster=cluster, user=user)
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1")
        authority.sign("kube-apiserver", addresses=(*self._network.node, *self._network.kubernetes_service, *names))
        authority.sign(f"system:node:{NODE_NAME}", groups=("system:nodes",), addresses=self._network.node)
        authority.service_account_key()
        (self._directory / "cni").mkdir()
        scraping = prometheus_configuration(kubeconfig=self._kubeconfig, scrape_interval_seconds=1)
        files = {
            "containerd.toml": configuration.containerd(self._directory, runc=self._programs["runc"][0]),
            "cni/10-serin.conflist": json.dumps(configuration.cni(self._network)),
            "kubelet.yaml": yaml.safe_dump(configuration.kubelet(self._network, self._directory / "pki")),
            "Corefile": configuration.coredns(self._network, self._directory),
            "prometheus.yaml": yaml.safe_dump(scraping),
        }
        for name, text in files.items():
            (self._directory / name).write_text(text, encoding="utf-8")

    def _import_pause(self) -> None:
        archive = self._directory / "pause.tar"
        write_image(archive, PAUSE_IMAGE, Path(self._programs["pause"][0]))
        for attempt in itertools.count():
            try:
                run(*self._programs["ctr"], "-n", "k8s.io", "images", "import", "--local", str(archive))
            except NodeError:
                if attempt == 100:  # noqa: PLR2004 - 20 s
                    raise
                time.sleep(0.2)
            else:
                return

    def _start(self, name: str, flags: list[str]) -> None:
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own programs
                [*self._programs[name], *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _log(self, name: str) -> Path:
        return self._directory / "logs" / f"{name}.log"

    def _wait(self, what: str, *arguments: str, text: str | None = None) -> None:
        """Run a command of kubectl until it succeeds. Raises NodeError when a program ends before."""
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                run(_KUBECTL, f"--kubeconfig={self._kubeconfig}", *arguments, text=text)
            except NodeError as error:
                for name, process in self._running.items():
                    if process.poll() is not None:
                        raise NodeError(f"{name} ended; its log ends:\n{tail(self._log(name))}") from None
                if time.monotonic() > deadline:
                    raise NodeError(f"{what} was not ready within {READY_WITHIN:g} s: {error}") from None
                time.sleep(0.3)
            else:
                return


def main() -> None:
    """Start the node of a plan, report when it is ready, and stay until one of its programs ends."""
    directory = Path(sys.argv[1])
    plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
    # Proxies and Go settings of the caller are not the node's.
    path = os.pathsep.join([*{str(Path(argv[0]).parent) for argv in plan["programs"].values()}, os.environ["PATH"]])
    os.environ.update({name: "" for name in os.environ if re.search("proxy", name, re.IGNORECASE)} | {"PATH": path})
    node = Node(directory, plan["programs"], plan["family"])
    try:
        mount(directory, plan["cgroups"])
        connect(NETWORKS[plan["family"]])
        node.start()
    except NodeError as error:
        report(directory, {"error": str(error)})
        sys.exit(1)
    report(directory, {})
    sys.exit(node.reap())


def report(directory: Path, found: Mapping[str, str]) -> None:
    """Write what became of the start, at once and whole."""
    (directory / "ready.tmp").write_text(json.dumps(found), encoding="utf-8")
    (directory / "ready.tmp").rename(directory / "ready.json")


if __name__ == "__main__":
    main()
