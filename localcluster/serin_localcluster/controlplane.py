"""etcd, kube-apiserver and kube-controller-manager: flags, start order, readiness."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from serin_localcluster import processes
from serin_localcluster.pki import Authority, Pair, write_kubeconfig

READY_WITHIN = 60.0
_CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "cronjob-controller",
    "horizontal-pod-autoscaler-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "disruption-controller",
    "persistentvolume-binder-controller",
    "resourcequota-controller",
)

Started = tuple[asyncio.subprocess.Process, Path]
"""A running program and its log file."""


class StartError(RuntimeError):
    """A program did not become ready. The message has its name, its log file and the last lines of that."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Certificates of the control plane and the node."""

    authority: Authority
    admin: Pair
    kubelet: Pair
    """The kubelet's server certificate."""

    @classmethod
    def make(cls, directory: Path, *, node_address: str) -> "Credentials":
        """Create all certificates in a directory."""
        authority = Authority(directory)
        return cls(
            authority=authority,
            admin=authority.sign("serin-localcluster-admin", groups=("system:masters",)),
            kubelet=authority.sign(
                "system:node:local", groups=("system:nodes",), addresses=(node_address, "localhost")
            ),
        )


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _inline(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


class ControlPlane:
    """The three processes of one cluster's control plane."""

    def __init__(self, programs: Mapping[str, Sequence[str]], directory: Path, credentials: Credentials) -> None:
        self._programs, self.directory, self._credentials = programs, directory, credentials
        self._running: dict[str, Started] = {}
        self._server, self._etcd = f"https://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        self._tls = credentials.authority.sign("kube-apiserver", addresses=("127.0.0.1", "localhost", "10.99.0.1"))
        self._service_account_key = credentials.authority.service_account_key()
        self.kubeconfig = write_kubeconfig(
            directory / "kubeconfig",
            name="serin-localcluster",
            cluster={"server": self._server, "certificate-authority-data": _inline(credentials.authority.file)},
            user={
                "client-certificate-data": _inline(credentials.admin.certificate),
                "client-key-data": _inline(credentials.admin.key),
            },
        )

    async def start(self) -> None:
        """Start all three processes in order, also again. Raises StartError."""
        peers = f"http://127.0.0.1:{free_port()}"
        await self._start("etcd", _etcd(self.directory / "etcd", self._etcd, peers))
        await self.start_api_server()
        await self._start("kube-controller-manager", self._controller_manager())

    async def start_api_server(self) -> None:
        """Start kube-apiserver, also again, and wait until it is ready. Raises StartError."""
        await self._start("kube-apiserver", self._apiserver())
        admin = self._credentials.admin
        context = ssl.create_default_context(cafile=str(self._credentials.authority.file))
        context.load_cert_chain(admin.certificate, admin.key)
        await wait_until_ready(f"{self._server}/readyz", self._running, within=READY_WITHIN, context=context)

    async def kill_api_server(self) -> None:
        """Kill kube-apiserver, as on a machine that loses its power."""
        process, _ = self._running.pop("kube-apiserver")
        await processes.end(process, grace=0)

    async def stop(self) -> None:
        """Stop all three processes in reverse order; they can be started again."""
        while self._running:
            _, (process, _) = self._running.popitem()
            await processes.end(process, grace=5)

    async def _start(self, name: str, flags: Sequence[str]) -> None:
        log = self.directory / "logs" / f"{name}.log"
        self._running[name] = (await processes.start([*self._programs[name], *flags], log=log), log)

    def _apiserver(self) -> list[str]:
        admin, authority = self._credentials.admin, self._credentials.authority.file
        tls, service_account_key = self._tls, self._service_account_key
        return [
            f"--etcd-servers={self._etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._server.rsplit(':', 1)[1]}",
            # The machine may have only a loopback address; nothing is ever sent to this one.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.99.0.0/16",
            f"--tls-cert-file={tls.certificate}",
            f"--tls-private-key-file={tls.key}",
            f"--client-ca-file={authority}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={service_account_key}",
            f"--service-account-signing-key-file={service_account_key}",
            "--authorization-mode=RBAC",
            f"--kubelet-client-certificate={admin.certificate}",
            f"--kubelet-client-key={admin.key}",
            f"--kubelet-certificate-authority={authority}",
            "--kubelet-preferred-address-types=InternalIP",
            "--event-ttl=2h",
            "--profiling=false",
        ]

    def _controller_manager(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--service-account-private-key-file={self._service_account_key}",
            f"--root-ca-file={self._credentials.authority.file}",
            # The endpoint controllers stay off: EndpointSlices refuse loopback addresses.
            f"--controllers={','.join(_CONTROLLERS)}",
            "--leader-elect=false",
            # Autoscalers act on each change at once, up and down.
            "--horizontal-pod-autoscaler-sync-period=1s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
            "--horizontal-pod-autoscaler-downscale-stabilization=1s",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ]


async def wait_until_ready(
    url: str, running: Mapping[str, Started], *, within: float, context: ssl.SSLContext | bool = True
) -> None:
    """Wait until a URL of the program that was started last returns 200. Raises StartError after `within` seconds."""
    try:
        async with asyncio.timeout(within), aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url, ssl=context) as response:
                        if response.status == 200:  # noqa: PLR2004 - HTTP
                            return
                for name, (process, log) in running.items():
                    if process.returncode is not None:
                        raise StartError(f"{name} ended with {process.returncode}; {log} ends:\n{processes.tail(log)}")
                await asyncio.sleep(0.1)
    except TimeoutError:
        name, (_, log) = list(running.items())[-1]
        raise StartError(f"{name} was not ready within {within:g} s; {log} ends:\n{processes.tail(log)}") from None


def _etcd(data: Path, clients: str, peers: str) -> list[str]:
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
