"""Addresses, flags and configuration files of a real node, all of which follow from its address family."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

NODE_NAME: Final = "serin"
BRIDGE: Final = "serin0"
PAUSE_IMAGE: Final = "localhost/pause:1"
_ETCD: Final = "http://127.0.0.1:2379"


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses of the bridge, which are the node's own, and ranges of pods and Services: one of each per family."""

    node: tuple[str, ...]
    pods: tuple[str, ...]
    services: tuple[str, ...]

    @property
    def kubernetes_service(self) -> tuple[str, ...]:
        """The first address of each range of Services, at which pods reach the API server."""
        return tuple(f"{services.split('/')[0].removesuffix('0')}1" for services in self.services)

    @property
    def server(self) -> str:
        """The API server's address, which exists only in the node's network namespace."""
        return f"https://{host(self.node[0])}:6443"

    @property
    def prometheus(self) -> str:
        """Prometheus's address, which exists only in the node's network namespace."""
        return f"http://{host(self.node[0])}:9090"


_IPV4: Final = Network(("10.88.0.1",), ("10.88.0.0/24",), ("10.96.0.0/16",))
_IPV6: Final = Network(("fd88::1",), ("fd88::/64",), ("fd96::/112",))
NETWORKS: Final[Mapping[str, Network]] = {
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "dual": Network(_IPV4.node + _IPV6.node, _IPV4.pods + _IPV6.pods, _IPV4.services + _IPV6.services),
}


def host(address: str) -> str:
    """Return an address as it is written in a URL."""
    return f"[{address}]" if ":" in address else address


def cni(network: Network) -> dict[str, Any]:
    """Return the network configuration: pods on one bridge, with addresses of every family."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": subnet}] for subnet in network.pods],
        "routes": [{"dst": "::/0" if ":" in subnet else "0.0.0.0/0"} for subnet in network.pods],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "serin", "plugins": [bridge, portmap]}


def containerd(directory: Path, *, runc: str) -> str:
    """Return containerd's configuration. Its own directories are the usual ones of the node's mount namespace."""
    return f"""version = 3
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{directory}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
"""


def coredns(network: Network, directory: Path) -> str:
    """Return the configuration of the cluster's name service, which knows no other names."""
    return f"""cluster.local:53 {{
  bind {" ".join(network.node)}
  errors
  cache 5
  kubernetes cluster.local {{
    kubeconfig {directory}/kubeconfig
    ttl 5
  }}
}}
"""


def kubelet(network: Network, pki: Path) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    server = f"system-node-{NODE_NAME}"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node[0],
        "tlsCertFile": str(pki / f"{server}.crt"),
        "tlsPrivateKeyFile": str(pki / f"{server}.key"),
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(pki / "ca.crt")}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "clusterDNS": list(network.node),
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "enforceNodeAllocatable": [],
        # This machine's disk may be nearly full.
        "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
        "healthzPort": 0,
        "oomScoreAdj": 0,
    }


def flags(network: Network, directory: Path) -> dict[str, list[str]]:
    """Return the flags of every program of Kubernetes, in the order in which they are started."""
    pki, config = directory / "pki", directory / "kubeconfig"
    client, name = f"--kubeconfig={config}", f"--hostname-override={NODE_NAME}"
    unused = ["--leader-elect=false", "--secure-port=0"]
    apiserver = [
        f"--etcd-servers={_ETCD}",
        f"--advertise-address={network.node[0]}",
        "--bind-address=::",
        f"--service-cluster-ip-range={','.join(network.services)}",
        f"--tls-cert-file={pki}/kube-apiserver.crt",
        f"--tls-private-key-file={pki}/kube-apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-account.key",
        f"--service-account-signing-key-file={pki}/service-account.key",
        "--authorization-mode=RBAC",
        "--allow-privileged",
        f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
    ]
    manager = [f"--root-ca-file={pki}/ca.crt", f"--service-account-private-key-file={pki}/service-account.key"]
    return {
        "etcd": [f"--data-dir={directory}/etcd", "--unsafe-no-fsync", "--log-level=warn"],
        "kube-apiserver": apiserver,
        "kube-controller-manager": [client, *manager, *unused],
        "kube-scheduler": [client, *unused],
        "kubelet": [client, name, f"--config={directory}/kubelet.yaml", f"--node-ip={','.join(network.node)}"],
        "kube-proxy": [
            client,
            name,
            f"--cluster-cidr={','.join(network.pods)}",
            # Limits of connection tracking belong to the machine, not to a network namespace.
            "--conntrack-max-per-core=0",
            "--iptables-localhost-nodeports=false",
            "--oom-score-adj=0",
        ],
        "coredns": [f"-conf={directory}/Corefile"],
        "prometheus": [
            f"--config.file={directory}/prometheus.yaml",
            f"--storage.tsdb.path={directory}/prometheus",
            "--log.level=warn",
        ],
    }


def monitoring(network: Network) -> list[dict[str, Any]]:
    """Return the objects that give Prometheus the name that is in manifests/base/config.yaml."""
    metadata = {"name": "prometheus-server", "namespace": "monitoring"}
    ports = [{"port": 80, "targetPort": 9090}]
    service: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"prometheus-{number}",
                "namespace": "monitoring",
                "labels": {"kubernetes.io/service-name": "prometheus-server"},
            },
            "addressType": "IPv6" if ":" in address else "IPv4",
            "ports": [{"port": 9090}],
            "endpoints": [{"addresses": [address]}],
        }
        for number, address in enumerate(network.node)
    ]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}
    return [namespace, service | {"spec": {"ports": ports, "ipFamilyPolicy": "PreferDualStack"}}, *slices]
