"""The API metrics.k8s.io beside the cluster, with the CPU usage that the tests want.

The API server reaches it through an APIService whose Service has the type ExternalName, as it reaches a metrics-server.
"""

import base64
import http.server
import json
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from kubernetes import client, config

from serin_localcluster.pki import Authority

_NAMESPACE, _NAME = "kube-system", "serin-test-metrics"
_API = "metrics.k8s.io/v1beta1"
_KIND = {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}


class MetricsApi(http.server.ThreadingHTTPServer):
    """Returns for each running pod of a namespace the CPU usage in `millicores[namespace]`."""

    daemon_threads = True

    def __init__(self, cluster, pair):
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.millicores = {}
        self._core = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))

    def pods(self, namespace, selector):
        """Return the metrics of all pods of a namespace that run, as a PodMetricsList has them."""
        found = self._core.list_namespaced_pod(namespace, label_selector=selector).items
        usage = {"cpu": f"{self.millicores.get(namespace, 0)}m", "memory": "100Mi"}
        return [
            {
                "metadata": {"name": pod.metadata.name, "namespace": namespace, "labels": pod.metadata.labels},
                "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "window": "1s",
                "containers": [{"name": one.name, "usage": usage} for one in pod.spec.containers],
            }
            for pod in found
            if pod.status.phase == "Running"
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        match url.path.strip("/").split("/"):
            case ["apis", "metrics.k8s.io", "v1beta1"]:
                found = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": _API, "resources": [_KIND]}
            case ["apis", "metrics.k8s.io", "v1beta1", "namespaces", namespace, "pods"]:
                (selector,) = parse_qs(url.query).get("labelSelector", [""])
                items = self.server.pods(namespace, selector)
                found = {"kind": "PodMetricsList", "apiVersion": _API, "metadata": {}, "items": items}
            case _:
                found = None
        content = json.dumps(found or {"kind": "Status", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args):
        pass


@contextmanager
def served(cluster, installed, directory):
    """Serve the API and register it in the cluster."""
    authority = Authority(directory / "ca")
    server = MetricsApi(cluster, authority.sign("metrics", addresses=(f"{_NAME}.{_NAMESPACE}.svc",)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = {"type": "ExternalName", "externalName": "localhost"}
    registered = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"namespace": _NAMESPACE, "name": _NAME, "port": server.server_port},
        "caBundle": base64.b64encode(authority.file.read_bytes()).decode(),
    }
    metadata = {"name": "v1beta1.metrics.k8s.io"}
    installed.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": _NAMESPACE, "name": _NAME}, "spec": service},
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": metadata, "spec": registered},
    )
    try:
        installed.kubectl("wait", "--for=condition=Available", f"apiservice/{metadata['name']}", "--timeout=60s")
        yield server
    finally:
        # While an API cannot be reached, no namespace is ever deleted.
        installed.kubectl("delete", "apiservice", metadata["name"])
        installed.kubectl("delete", "service", _NAME, "-n", _NAMESPACE)
        server.shutdown()
        server.server_close()
